"""Numerics of Wasserscope: exact laws of diffusion and flow samplers on Gaussian data."""
