r"""Mixtures of Gaussians of any covariance.

Component k is diagonal in axes of its own. With y = x - alpha mean and its coordinates z along them, less alpha
:math:`m_k`, and the variances :math:`s_k` along them,

.. math:: r_k \propto w_k \prod_j \tau_{kj}^{-1/2} e^{-z_j^2 / (2 \tau_{kj})}, \quad \tau_k = \alpha^2 s_k + \sigma^2,
    \quad D(x) = \text{mean} + \sum_k r_k \Big(m_k + A_k \frac{\alpha s_k}{\tau_k} z\Big).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.populations.base import Population, members
from kernels.populations.copies import Copies

# Numbers in the largest temporary array: a few of them take less than 64 MB.
_BLOCK = 2**20


@final
@dataclass(frozen=True, eq=False)
class FullMixture(Population):
    """Gaussians with axes of their own, one axis per column, and their variances along them.

    The means are given less the mean of the mixture. All is computed in 64 bits: the axes of a component may have
    very different lengths, which the axes of x mix. Assumes: no weight is 0.
    """

    weights: Float64[Tensor, " components"]
    deviations: Float64[Tensor, "components modes"]
    axes: Float64[Tensor, "components modes modes"]
    spreads: Float64[Tensor, "components modes"]

    def sample(self, n: int, rng: torch.Generator) -> Float64[Tensor, "n modes"]:
        member = members(self.weights, n, rng)
        xi = torch.randn(n, self.law.variance.numel(), dtype=torch.float64, generator=rng)
        points = self.law.mean + self.deviations[member]
        scaled = self.spreads[member].sqrt() * xi
        for component in member.unique().tolist():
            chosen = member == component
            points[chosen] += scaled[chosen] @ self.axes[component].T
        return points

    def denoiser(self, x: Float[Tensor, "n modes"], alpha: float, sigma: float) -> Float[Tensor, "n modes"]:
        rows = max(1, min(2**10, _BLOCK // x.shape[1]))
        result = torch.empty_like(x)
        for start in range(0, len(x), rows):
            result[start : start + rows] = self._denoiser(x[start : start + rows].double(), alpha, sigma).to(x.dtype)
        return result

    def _denoiser(self, x: Float64[Tensor, "rows modes"], alpha: float, sigma: float) -> Float64[Tensor, "rows modes"]:
        weights, deviations, axes, spreads = (copies.on(x.device, x.dtype) for copies in self.copies)
        mean = self.law.mean.to(x.device)
        y = x - alpha * mean
        total = alpha**2 * spreads + sigma**2
        prior = weights.log() - 0.5 * total.log().sum(1)
        top = torch.full((1, len(x)), -torch.inf, dtype=x.dtype, device=x.device)
        mass, summed = torch.zeros_like(top), torch.zeros_like(x)
        width = max(1, _BLOCK // max(x.numel(), 1))
        for start in range(0, len(weights), width):
            block = slice(start, start + width)
            shifted = y - alpha * deviations[block].unsqueeze(1)
            z = shifted @ axes[block]
            scaled = z / total[block].unsqueeze(1)
            exponent = prior[block].unsqueeze(1) - 0.5 * (z * scaled).sum(2)
            highest = torch.maximum(top, exponent.amax(0, keepdim=True))
            kept = (top - highest).exp()
            share = (exponent - highest).exp()
            scaled *= alpha * spreads[block].unsqueeze(1)
            expected = scaled @ axes[block].mT + deviations[block].unsqueeze(1)
            mass = mass * kept + share.sum(0, keepdim=True)
            summed = summed * kept.T + (share.unsqueeze(2) * expected).sum(0)
            top = highest
        return mean + summed / mass.T

    @cached_property
    def copies(self) -> tuple[Copies, Copies, Copies, Copies]:
        """The weights, deviations, axes and spreads, wherever they are used."""
        return Copies(self.weights), Copies(self.deviations), Copies(self.axes), Copies(self.spreads)
