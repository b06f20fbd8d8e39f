"""Laws of data that need not be Gaussian, with the exact denoiser of each."""

from kernels.populations.base import Population
from kernels.populations.full import FullMixture
from kernels.populations.normal import Normal
from kernels.populations.round import RoundMixture, points_law

__all__ = ["FullMixture", "Normal", "Population", "RoundMixture", "points_law"]
