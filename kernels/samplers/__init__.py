"""Samplers; a new one is a class and a line here."""

from kernels.samplers.ancestral import DDIM, DDPM
from kernels.samplers.base import Kinetic, Noise, OneStep, Requirement, Sampler, TwoStep
from kernels.samplers.euler import (
    AncestralVP,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    ReverseEuler,
    ShapedEulerMaruyama,
    TabulatedEulerMaruyama,
)
from kernels.samplers.langevin import Langevin, SingleLevel, UnderdampedLangevin
from kernels.samplers.multistep import DPMSolverPP2M
from kernels.samplers.runge_kutta import EDMHeun, Heun, RungeKutta4

SAMPLERS = (
    EulerMaruyama,
    ShapedEulerMaruyama,
    TabulatedEulerMaruyama,
    ExponentialIntegrator,
    DDIM,
    DDPM,
    AncestralVP,
    Heun,
    EDMHeun,
    RungeKutta4,
    FlowEuler,
    DPMSolverPP2M,
    Langevin,
    UnderdampedLangevin,
)

__all__ = [
    "DDIM",
    "DDPM",
    "SAMPLERS",
    "AncestralVP",
    "DPMSolverPP2M",
    "EDMHeun",
    "EulerMaruyama",
    "ExponentialIntegrator",
    "FlowEuler",
    "Heun",
    "Kinetic",
    "Langevin",
    "Noise",
    "OneStep",
    "Requirement",
    "ReverseEuler",
    "RungeKutta4",
    "Sampler",
    "ShapedEulerMaruyama",
    "SingleLevel",
    "TabulatedEulerMaruyama",
    "TwoStep",
    "UnderdampedLangevin",
]
