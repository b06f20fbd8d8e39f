"""The 2-Wasserstein distance itself, between small clouds."""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kernels.distances.base import Distance, Estimate, Look, mean_of, root


@dataclass(frozen=True, kw_only=True)
class Exact(Distance):
    r"""2-Wasserstein distance of the clouds as they are, from the cheapest of all couplings of their points.

    .. math:: W_2^2 = \min_\pi \sum_{ij} \pi_{ij} |x_i - y_j|^2

    Between clouds of one law it does not vanish, but falls as slowly as the number of points to the power of -1 over
    the number of modes. The standard error is that about this biased mean, from the dual potentials; it is too large
    where the laws are nearly equal.
    """

    formula = "√(min over couplings π of Σᵢⱼ πᵢⱼ |xᵢ − yⱼ|²)"
    source = "del Barrio and Loubes 2019, Central limit theorems for empirical transportation cost"
    name = "exact"
    title = "exact Wasserstein distance"
    symbol = "W₂"
    unit = "units of the data"
    most = 2**10

    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        # Imported where it is used: it takes a second.
        import ot

        n, m = len(x), len(y)
        center = mean_of(x)
        costs = torch.cdist(x.double() - center, y.double() - center).square()
        # Without a weight every point weighs the same; a size of one suits the solver's tolerances.
        size = float(costs.max()) or 1.0
        solved = ot.emd2([], [], (costs / size).cpu().numpy(), numItermax=10**7, log=True)
        total, log = cast(tuple[float, dict[str, np.ndarray]], solved)
        # The potentials are known up to a constant, which changes no variance.
        variance = float(log["u"].var(ddof=1)) / n + float(log["v"].var(ddof=1)) / m
        return root(size * float(total), size * math.sqrt(variance), (n, m))
