"""Variance-exploding processes: alpha = 1, noise is only added."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.arrays import Anything, array
from kernels.param import POSITIVE, param
from kernels.processes.base import Process


@dataclass(frozen=True, kw_only=True)
class VEGeometric(Process):
    """Noise level that grows geometrically in time; it is sigma_min, not zero, at time 0."""

    formula = "α = 1,  σ = σ₀ (σ₁/σ₀)ᵗ,  t ∈ [0, 1]"
    source = "Song et al. 2021, Score-based generative modeling through SDEs, appendix C"
    variance_preserving = False
    singular = math.inf
    sigma_min: float = param(0.01, "σ₀", (1e-4, 1.0), "noise level at time 0", domain=POSITIVE, log=True)
    sigma_max: float = param(50.0, "σ₁", (1.0, 1e3), "noise level at time 1", domain=POSITIVE, log=True)
    constraints = (
        (
            lambda self: self.sigma_max > self.sigma_min,
            "sigma_max ({self.sigma_max:g}) must exceed sigma_min ({self.sigma_min:g})",
        ),
    )

    @property
    def last(self) -> float:
        return 1.0

    @property
    def span(self) -> tuple[float, float]:
        return 1.0, 0.0

    def alpha(self, t: Anything) -> Anything:
        return torch.ones_like(t)

    def sigma(self, t: Anything) -> Anything:
        return self.sigma_min * torch.exp(t * self._growth)

    def signal_lost(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def alpha_rate(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def variance_rate(self, t: Anything) -> Anything:
        return 2 * self._growth * self.sigma(t).square()

    def time_of(self, noise_ratio: Anything) -> Anything:
        return (noise_ratio / self.sigma_min).log() / self._growth

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return self.time_of(sigma)

    @property
    def _growth(self) -> Tensor:
        return array(self.sigma_max / self.sigma_min).log()


@dataclass(frozen=True, kw_only=True)
class EDM(Process):
    """Noise level as time."""

    formula = "α = 1,  σ = t,  t ∈ [0, σ₁]"
    source = "Karras et al. 2022, Elucidating the design space of diffusion-based generative models"
    variance_preserving = False
    singular = math.inf
    sigma_max: float = param(80.0, "σ₁", (1.0, 1e3), "largest noise level", domain=POSITIVE, log=True)

    @property
    def last(self) -> float:
        return float(array(self.sigma_max).detach())

    @property
    def span(self) -> tuple[float, float]:
        return self.sigma_max, 2e-3 if self.sigma_max > 2e-3 else 0.0

    def alpha(self, t: Anything) -> Anything:
        return torch.ones_like(t)

    def sigma(self, t: Anything) -> Anything:
        return t

    def signal_lost(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def alpha_rate(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def variance_rate(self, t: Anything) -> Anything:
        return 2 * t

    def time_of(self, noise_ratio: Anything) -> Anything:
        return noise_ratio

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return self.time_of(sigma)


@dataclass(frozen=True, kw_only=True)
class Brownian(Process):
    """Brownian motion from the data: the noise variance is time."""

    formula = "α = 1,  σ = √t,  t ≥ 0"
    source = "Perbost, Bach and Marion 2026"
    variance_preserving = False
    singular = math.inf

    @property
    def last(self) -> float:
        return math.inf

    @property
    def span(self) -> tuple[float, float]:
        return 6400.0, 4e-6

    def alpha(self, t: Anything) -> Anything:
        return torch.ones_like(t)

    def sigma(self, t: Anything) -> Anything:
        return t.sqrt()

    def signal_lost(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def alpha_rate(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def variance_rate(self, t: Anything) -> Anything:
        return torch.ones_like(t)

    def time_of(self, noise_ratio: Anything) -> Anything:
        return noise_ratio.square()

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return self.time_of(sigma)
