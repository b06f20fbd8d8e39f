"""Variance-preserving processes: alpha^2 + sigma^2 = 1."""

import math
from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.param import NONNEGATIVE, POSITIVE, param
from kernels.processes.base import Process


@dataclass(frozen=True, kw_only=True)
class VPLinear(Process):
    """Ornstein-Uhlenbeck noising whose rate grows linearly in time."""

    formula = "α = exp(−½∫β),  σ² = 1 − α²,  β = β₀ + (β₁ − β₀) t,  t ∈ [0, 1]"
    source = "Ho et al. 2020, Denoising diffusion probabilistic models; Song et al. 2021, appendix C"
    variance_preserving = True
    singular = math.inf
    beta_min: float = param(0.1, "β₀", (0.01, 5.0), "noise rate at the data", domain=NONNEGATIVE, log=True)
    beta_max: float = param(20.0, "β₁", (1.0, 50.0), "noise rate at the end", domain=POSITIVE, log=True)
    constraints = (
        (
            lambda self: self.beta_max > self.beta_min,
            "beta_max ({self.beta_max:g}) must exceed beta_min ({self.beta_min:g})",
        ),
    )

    @property
    def last(self) -> float:
        return 1.0

    @property
    def span(self) -> tuple[float, float]:
        return 1.0, 1e-3

    def alpha(self, t: Anything) -> Anything:
        return torch.exp(-0.5 * self._integral(t))

    def sigma(self, t: Anything) -> Anything:
        variance = -torch.expm1(-self._integral(t))
        # Not the root of zero, so that at t = 0 there is a derivative in the rates.
        return torch.where(variance > 0, variance, 1.0).sqrt() * (variance > 0)

    def signal_lost(self, t: Anything) -> Anything:
        return self.sigma(t).square()

    def alpha_rate(self, t: Anything) -> Anything:
        return -0.5 * self._beta(t) * self.alpha(t)

    def variance_rate(self, t: Anything) -> Anything:
        return self._beta(t) * torch.exp(-self._integral(t))

    def time_of(self, noise_ratio: Anything) -> Anything:
        integral = torch.log1p(noise_ratio.square())
        slope = self.beta_max - self.beta_min
        # The root of the quadratic in the form that keeps its digits as s -> 0.
        return 2 * integral / (self.beta_min + (self.beta_min**2 + 2 * slope * integral).sqrt()).clamp_min(1e-300)

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return self.time_of(sigma / ((1 - sigma) * (1 + sigma)).sqrt())

    def _beta(self, t: Anything) -> Anything:
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def _integral(self, t: Anything) -> Anything:
        return t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * t)


_OFFSET = 0.008
_ANGLE0 = _OFFSET / (1 + _OFFSET) * math.pi / 2
_ANGLE_RATE = math.pi / 2 / (1 + _OFFSET)


@dataclass(frozen=True, kw_only=True)
class VPCosine(Process):
    """Variance-preserving noising along a cosine, gentle at both ends."""

    formula = "α = cos θ / cos θ₀,  σ² = 1 − α²,  θ = (t + 0.008)/1.008 · π/2,  t ∈ [0, 1)"
    source = "Nichol and Dhariwal 2021, Improved denoising diffusion probabilistic models, eq. 17"
    variance_preserving = True
    singular = 1.0

    @property
    def last(self) -> float:
        return 1.0

    @property
    def span(self) -> tuple[float, float]:
        # The customary cap beta <= 0.999 of 1000 steps ends about here.
        return 0.9946, 1e-3

    def alpha(self, t: Anything) -> Anything:
        # sin of the remaining angle, so that alpha vanishes exactly at t = 1.
        return torch.sin((1 - t) * _ANGLE_RATE) / math.cos(_ANGLE0)

    def sigma(self, t: Anything) -> Anything:
        # cos^2 a - cos^2 b = sin(b - a) sin(b + a) keeps its digits as t -> 0.
        passed = t * _ANGLE_RATE
        return (torch.sin(passed) * torch.sin(passed + 2 * _ANGLE0)).clamp_min(0).sqrt() / math.cos(_ANGLE0)

    def signal_lost(self, t: Anything) -> Anything:
        return self.sigma(t).square()

    def alpha_rate(self, t: Anything) -> Anything:
        return -_ANGLE_RATE * torch.sin(t * _ANGLE_RATE + _ANGLE0) / math.cos(_ANGLE0)

    def variance_rate(self, t: Anything) -> Anything:
        return -2 * self.alpha(t) * self.alpha_rate(t)

    def time_of(self, noise_ratio: Anything) -> Anything:
        # tan^2 theta - tan^2 theta0 = s^2 / cos^2 theta0, and the angle passed from its tangent.
        tangent0 = math.tan(_ANGLE0)
        squared = (noise_ratio / math.cos(_ANGLE0)).square()
        tangent = (squared + tangent0**2).sqrt()
        passed = torch.atan(squared / ((tangent + tangent0) * (1 + tangent * tangent0)))
        limit = torch.full_like(passed, math.pi / 2 - _ANGLE0)
        return torch.where(torch.isinf(noise_ratio), limit, passed) / _ANGLE_RATE

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return self.time_of(sigma / ((1 - sigma) * (1 + sigma)).sqrt())
