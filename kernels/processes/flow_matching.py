"""The straight line between data and noise."""

from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.processes.base import Process


@dataclass(frozen=True, kw_only=True)
class FlowMatching(Process):
    """Linear interpolation between data and noise, as in flow matching and rectified flow."""

    formula = "α = 1 − t,  σ = t,  t ∈ [0, 1]"
    source = "Lipman et al. 2023, Flow matching for generative modeling; Liu et al. 2023, Flow straight and fast"
    variance_preserving = False
    singular = 1.0

    @property
    def last(self) -> float:
        return 1.0

    @property
    def span(self) -> tuple[float, float]:
        return 1.0, 0.0

    def alpha(self, t: Anything) -> Anything:
        return 1 - t

    def sigma(self, t: Anything) -> Anything:
        return t

    def signal_lost(self, t: Anything) -> Anything:
        return t * (2 - t)

    def alpha_rate(self, t: Anything) -> Anything:
        return -torch.ones_like(t)

    def variance_rate(self, t: Anything) -> Anything:
        return 2 * t

    def time_of(self, noise_ratio: Anything) -> Anything:
        # 1 - 1/(1 + s) also at s = inf.
        return torch.where(noise_ratio > 1, 1 - 1 / (1 + noise_ratio), noise_ratio / (1 + noise_ratio))

    def time_of_sigma(self, sigma: Anything) -> Anything:
        return sigma
