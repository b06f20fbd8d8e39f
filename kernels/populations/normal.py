"""The Gaussian itself."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.populations.base import Population


@final
@dataclass(frozen=True, eq=False)
class Normal(Population):
    """A Gaussian population, whose denoiser is affine by mode."""

    def sample(self, n: int, rng: torch.Generator) -> Float64[Tensor, "n modes"]:
        xi = torch.randn(n, self.law.variance.numel(), dtype=torch.float64, generator=rng)
        return self.law.mean + self.law.variance.sqrt() * xi

    def denoiser(self, x: Float[Tensor, "n modes"], alpha: float, sigma: float) -> Float[Tensor, "n modes"]:
        total = alpha**2 * self.law.variance + sigma**2
        # Neither coefficient is a small difference of large numbers, so that they keep their digits at any noise.
        gain = alpha * self.law.variance / total
        shift = sigma**2 / total * self.law.mean
        return shift.to(x) + gain.to(x) * x
