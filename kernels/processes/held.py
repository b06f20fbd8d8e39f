"""A noise level that is held: what a Langevin sampler moves in."""

import math
from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.param import NONNEGATIVE, param
from kernels.processes.base import Process


@dataclass(frozen=True, kw_only=True)
class Held(Process):
    """Data under noise of one level; time only counts how long a sampler has been moving.

    It is no way from noise to data, and therefore not among the processes a person chooses.
    """

    formula = "α = 1,  σ constant"
    source = "the smoothed law on which Langevin dynamics run"
    variance_preserving = False
    singular = math.inf
    level: float = param(0.1, "σ", (1e-3, 1.0), "noise level", domain=NONNEGATIVE, log=True)

    @property
    def last(self) -> float:
        return math.inf

    @property
    def span(self) -> tuple[float, float]:
        return 1.0, 0.0

    def alpha(self, t: Anything) -> Anything:
        return torch.ones_like(t)

    def sigma(self, t: Anything) -> Anything:
        return self.level * torch.ones_like(t)

    def signal_lost(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def alpha_rate(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def variance_rate(self, t: Anything) -> Anything:
        return torch.zeros_like(t)

    def time_of(self, noise_ratio: Anything) -> Anything:
        return torch.full_like(noise_ratio, torch.nan)

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return torch.full_like(sigma, torch.nan)
