"""The diffusion-term coefficient of the reverse equation, and how fast it forgets."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Anything, array
from kernels.quadrature import Rule


class Stochasticity(ABC):
    """The coefficient as a function of the noise ratio s: 0 is the flow, 1 the reverse equation."""

    @abstractmethod
    def at(self, noise_ratio: Anything) -> Anything | float:
        """The coefficient at some noise ratios."""

    @property
    @abstractmethod
    def is_zero(self) -> bool:
        """Whether it vanishes everywhere."""

    @property
    @abstractmethod
    def kinks(self) -> tuple[float, ...]:
        """Noise ratios at which it is not smooth."""

    @abstractmethod
    def forgotten(
        self, eigenvalues: Float64[Tensor, " modes"], noise_ratios: Float64[Tensor, "times 1"]
    ) -> Float64[Tensor, "times modes"]:
        r"""Logarithm of what a deviation of the variance keeps, beside what the flow would do to it.

        .. math:: -\int_{s_k}^{s_0} \epsilon(s)\, \frac{2 s\, ds}{\lambda + s^2}

        from the first of decreasing noise ratios to each of them.
        """


@final
@dataclass(frozen=True)
class Constant(Stochasticity):
    """The same everywhere."""

    value: float | Tensor

    def at(self, noise_ratio: Anything) -> Anything | float:
        return self.value

    @property
    def is_zero(self) -> bool:
        return isinstance(self.value, float) and self.value == 0.0

    @property
    def kinks(self) -> tuple[float, ...]:
        return ()

    def forgotten(self, eigenvalues: Tensor, noise_ratios: Tensor) -> Tensor:
        if self.is_zero:
            return torch.zeros(len(noise_ratios), len(eigenvalues), dtype=torch.float64)
        level = torch.addcmul(eigenvalues, noise_ratios, noise_ratios)
        return self.value * (level / level[:1]).log()


FLOW = Constant(0.0)
REVERSE = Constant(1.0)


class Varying(Stochasticity, ABC):
    """Different along the way."""

    @property
    def is_zero(self) -> bool:
        return False

    @final
    def forgotten(self, eigenvalues: Tensor, noise_ratios: Tensor) -> Tensor:
        ratios = noise_ratios.flatten()
        # The integrand ends like s^2/lambda: below this level what is left of the integral is known in closed form.
        floor = 1e-8 * float(eigenvalues[eigenvalues > 0].min().sqrt()) if bool((eigenvalues > 0).any()) else 1e-30
        levels = ratios.clamp_min(max(min(floor, 1e-6 * float(ratios[0])), 1e-150)).log()
        knots = array([knot for knot in self.kinks if knot > 0]).log()
        inside = knots[(knots > levels[-1]) & (knots < levels[0])]
        corners = torch.unique(torch.cat([-levels, -inside]))
        rule = Rule.over(_refined(corners))
        s = (-rule.nodes).exp().unsqueeze(1)
        density = 2 * s.square() / (eigenvalues + s.square()) * self.at(s)
        parts = (rule.weights.unsqueeze(1) * density).reshape(len(rule.edges) - 1, -1, len(eigenvalues)).sum(1)
        whole = torch.cat([torch.zeros_like(parts[:1]), parts.cumsum(0)])
        kept = whole[torch.searchsorted(rule.edges, -levels).clamp(max=len(whole) - 1)]
        # From the floor down to the ratio itself, over which the coefficient is as good as constant.
        end, low = levels.exp().unsqueeze(1), ratios.unsqueeze(1)
        below = (eigenvalues + end.square()).log() - (eigenvalues + low.square()).log()
        return -(kept + torch.where(end > low, self.at(end) * below, 0.0))


def _refined(corners: Tensor) -> Tensor:
    """Edges between which nothing is wider than one nat."""
    widths = corners.diff()
    parts = widths.ceil().clamp_min(1).to(torch.int64)
    steps = torch.repeat_interleave(widths / parts, parts)
    first = torch.repeat_interleave(corners[:-1], parts)
    count = torch.arange(len(steps)) - torch.repeat_interleave(parts.cumsum(0) - parts, parts)
    return torch.cat([first + count * steps, corners[-1:]])
