r"""Samplers that really run, on clouds of particles: to check the exact laws, and to go where there are none.

On Gaussian data with an affine score a step is affine in every mode. `plan` lists its coefficients, `fused` carries
particles through all steps while they stay in the processor's cache, `card` in the registers of a graphics card. Any
other data or score goes the sampler's own way on points, in `walk`. Random numbers are those of `kernels.normals`: they
are told by the number of the particle, of the mode and of the step, so that a cloud depends on nothing but experiment
and seed, not on blocks, cores or device, but for rounding.
"""

from kernels.particles.carry import Cloud, Watch, has_law, sample
from kernels.particles.data import data_points
from kernels.particles.sampling import Sampling
from kernels.particles.streams import Moments, moments

__all__ = ["Cloud", "Moments", "Sampling", "Watch", "data_points", "has_law", "moments", "sample"]
