"""Integrals over the logarithm of the noise level, where everything a sampler does is smooth at a known scale.

As functions of log s all laws are analytic in a strip of half-width pi/2, so that Gauss-Legendre rules on panels two
nats wide are exact to rounding.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float64
from numpy.polynomial import legendre
from torch import Tensor

from kernels.arrays import array

POINTS = 16
WIDEST = 2.0


@lru_cache(maxsize=4)
def _gauss(points: int) -> tuple[Tensor, Tensor]:
    nodes, weights = legendre.leggauss(points)
    return array(nodes), array(weights)


@lru_cache(maxsize=1)
def _antiderivative() -> Tensor:
    """From values at the nodes of [-1, 1] to the integral from -1 to each node."""
    nodes, _ = legendre.leggauss(POINTS)
    coefficients = np.linalg.inv(legendre.legvander(nodes, POINTS - 1))
    return array(legendre.legval(nodes, legendre.legint(coefficients, lbnd=-1.0)).T)


@dataclass(frozen=True, eq=False)
class Rule:
    """Gauss-Legendre nodes and weights on panels side by side, in increasing order."""

    edges: Float64[Tensor, " edges"]
    nodes: Float64[Tensor, " nodes"]
    weights: Float64[Tensor, " nodes"]

    @staticmethod
    def over(edges: Float64[Tensor, " edges"], points: int = POINTS) -> "Rule":
        """The rule on panels with these edges."""
        nodes, weights = _gauss(points)
        half, middle = 0.5 * edges.diff(), 0.5 * (edges[1:] + edges[:-1])
        return Rule(
            edges, (middle.unsqueeze(1) + half.unsqueeze(1) * nodes).flatten(), (half.unsqueeze(1) * weights).flatten()
        )

    def cumulative(self, values: Float64[Tensor, " nodes"]) -> tuple[Tensor, Tensor]:
        """Integrals from the first edge to every node, and to every edge."""
        half = 0.5 * self.edges.diff().unsqueeze(1)
        by_panel = values.reshape(len(half), POINTS)
        totals = (self.weights * values).reshape(len(half), POINTS).sum(1)
        before = torch.cat([torch.zeros_like(totals[:1]), totals.cumsum(0)])
        inside = half * (by_panel @ _antiderivative().T)
        return (before[:-1].unsqueeze(1) + inside).flatten(), before


def edges_between(low: float, high: float, breaks: tuple[float, ...] = ()) -> Float64[Tensor, " edges"]:
    """Edges of panels that are at most WIDEST wide, with `breaks` among them where they lie inside."""
    corners = sorted({low, high, *(point for point in breaks if low < point < high)})
    parts = [np.linspace(a, b, max(1, math.ceil((b - a) / WIDEST)) + 1)[:-1] for a, b in pairwise(corners)]
    return array(np.concatenate([*parts, [high]]))
