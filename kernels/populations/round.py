r"""Mixtures of Gaussians that are round, and of points.

With the deviations :math:`m_k` of the components from the mean of the mixture, y = x - alpha mean, and
:math:`\tau_k = \alpha^2 v_k + \sigma^2`, component k has the posterior weight

.. math:: r_k \propto w_k \tau_k^{-d/2} e^{-|y - \alpha m_k|^2 / (2 \tau_k)}, \quad
    D(x) = \text{mean} + \sum_k r_k \Big(\frac{\sigma^2}{\tau_k} m_k + \frac{\alpha v_k}{\tau_k} y\Big).

The square is expanded, so that the weights cost one matrix product; where rounding in the precision of x would be
felt in the exponent, as it is at little noise, the exponent alone is computed in 64 bits. Its error is then about
1e-16 |y|^2 / sigma^2.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.gaussian import Gaussian
from kernels.populations.base import Population, members
from kernels.populations.copies import Copies

# Numbers in the largest temporary array: at most 16 MB, which also suits the processor's cache.
_BLOCK = 2**21
_ROWS = 2**10
_FELT = 2.0**-10
# A share of 1e-35 changes nothing; smaller ones could be subnormal numbers, which are slow.
_NOTHING = -80.0


@final
@dataclass(frozen=True, eq=False)
class RoundMixture(Population):
    """Gaussians that each have one variance in all modes; where it is 0, points.

    The means are given less the mean of the mixture, in the first modes; they do not deviate in the others.
    Assumes: no weight is 0.
    """

    weights: Float64[Tensor, " components"]
    deviations: Float64[Tensor, "components rank"]
    variances: Float64[Tensor, " components"]

    def sample(self, n: int, rng: torch.Generator) -> Float64[Tensor, "n modes"]:
        member = members(self.weights, n, rng)
        points = self.law.mean.expand(n, self.law.variance.numel()).clone()
        points[:, : self.deviations.shape[1]] += self.deviations[member]
        if bool(self.variances.any()):
            xi = torch.randn(points.shape, dtype=torch.float64, generator=rng)
            points += self.variances[member].sqrt().unsqueeze(1) * xi
        return points

    def denoiser(self, x: Float[Tensor, "n modes"], alpha: float, sigma: float) -> Float[Tensor, "n modes"]:
        at = _Level(self, alpha, sigma, x, self._precision(x, alpha, sigma))
        rows = max(1, min(_ROWS, _BLOCK // x.shape[1]))
        result = torch.empty_like(x)
        for start in range(0, len(x), rows):
            result[start : start + rows] = at.denoiser(x[start : start + rows])
        return result

    @cached_property
    def copies(self) -> Copies:
        """The deviations, wherever they are used."""
        return Copies(self.deviations)

    @cached_property
    def is_even(self) -> bool:
        """Whether all components have the same variance."""
        return bool((self.variances == self.variances[0]).all())

    @cached_property
    def squares(self) -> Float64[Tensor, " components"]:
        """Squared lengths of the deviations."""
        return torch.linalg.vector_norm(self.deviations, dim=1).square()

    def _precision(self, x: Float[Tensor, "n modes"], alpha: float, sigma: float) -> torch.dtype:
        """That of x, unless its rounding would be felt in the exponents."""
        if not self.is_even or not len(x):
            return torch.float64
        far = abs(alpha) * math.sqrt(float(self.squares.max()))
        length = float(x.norm(dim=1).max()) + abs(alpha) * float(self.law.mean.norm())
        rounding = torch.finfo(x.dtype).eps * (length + far) * far
        total = alpha**2 * float(self.variances[0]) + sigma**2
        # Written so that what is not finite is computed in 64 bits.
        return x.dtype if rounding <= _FELT * total else torch.float64


def points_law(law: Gaussian, deviations: Float64[Tensor, "points rank"]) -> RoundMixture:
    """The empirical measure of points, given less their mean; `law` is that of the measure."""
    count = len(deviations)
    weights = torch.full((count,), 1.0 / count, dtype=torch.float64)
    return RoundMixture(law, weights, deviations, torch.zeros(count, dtype=torch.float64))


class _Level:
    """One level of signal and noise, with what is the same for all points."""

    def __init__(
        self, mixture: RoundMixture, alpha: float, sigma: float, x: Float[Tensor, "n modes"], precision: torch.dtype
    ) -> None:
        total = alpha**2 * mixture.variances + sigma**2
        # Less its smallest value: what is common to all components would cost digits.
        volume = 0.5 * mixture.law.variance.numel() * (total / total.min()).log()
        offset = mixture.weights.log() - volume - 0.5 * alpha**2 * mixture.squares / total
        self.is_even = mixture.is_even
        self.alpha = alpha
        self.precision = precision
        self.mean = mixture.law.mean.to(x.device)
        self.deviations = mixture.copies.on(x.device, x.dtype)
        self.exact = mixture.copies.on(x.device, precision)
        self.offset = offset.to(x.device, precision)
        self.sharpness = (1.0 / total).to(x.device, precision)
        self.pull = (sigma**2 / total).to(x)
        self.slope = (alpha * mixture.variances / total).to(x)

    def denoiser(self, x: Float[Tensor, "rows modes"]) -> Float[Tensor, "rows modes"]:
        """The denoiser of a few points, over one block of components after the other.

        What has been summed is rescaled to the largest exponent met so far.
        """
        count, rank = self.deviations.shape
        centered = x.double() - self.alpha * self.mean
        y = (self.alpha * centered[:, :rank]).to(self.precision)
        square = 0.5 * centered.square().sum(1, keepdim=True)
        top = torch.full((len(x), 1), -torch.inf, dtype=self.precision, device=x.device)
        mass = torch.zeros(len(x), 1, dtype=x.dtype, device=x.device)
        gain, pulled = torch.zeros_like(mass), torch.zeros(len(x), rank, dtype=x.dtype, device=x.device)
        width = max(1, _BLOCK // max(len(x), 1))
        for start in range(0, count, width):
            block = slice(start, start + width)
            exponent = y @ self.exact[block].T
            if not self.is_even:
                exponent -= square
            exponent.mul_(self.sharpness[block]).add_(self.offset[block])
            highest = torch.maximum(top, exponent.amax(1, keepdim=True))
            kept = (top - highest).exp().to(x.dtype)
            share = exponent.sub_(highest).to(x.dtype).clamp_(min=_NOTHING).exp_()
            mass = mass * kept + share.sum(1, keepdim=True)
            gain = gain * kept + (share @ self.slope[block]).unsqueeze(1)
            pulled = pulled * kept + share.mul_(self.pull[block]) @ self.deviations[block]
            top = highest
        result = self.mean + centered * (gain / mass)
        result[:, :rank] += pulled / mass
        return result.to(x.dtype)
