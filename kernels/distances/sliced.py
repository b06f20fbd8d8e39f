"""The sliced distance: exact transport of what the clouds look like from random directions."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from kernels.distances import base
from kernels.distances.base import Distance, Estimate, Look, blocks, deviation, root
from kernels.param import Interval, param

Lines = Float64[Tensor, "directions n"]


@dataclass(frozen=True, kw_only=True)
class Sliced(Distance):
    r"""Root of the mean squared 2-Wasserstein distance of the clouds projected on random directions.

    .. math:: \Big(\frac1L \sum_\theta W_2^2(\theta^T X, \theta^T Y)\Big)^{1/2}

    Both clouds are thinned to the size of the smaller: on a line, equally many points are transported in their order.
    Clouds that differ by a shift d are at |d| over the root of the number of modes. The standard error is that of
    the points, from the potentials of the transport, and of the directions.
    """

    formula = "√(mean over θ of W₂²(θᵀX, θᵀY))"
    source = "Bonneel et al. 2015, Sliced and Radon Wasserstein barycenters of measures"
    name = "sliced"
    title = "sliced distance"
    symbol = "SW₂"
    unit = "units of the data"
    most = 2**16
    directions: int = param(
        256, "L", (16, 1024), "random directions the clouds are seen from", domain=Interval(2, 2**16), log=True
    )

    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        count = min(len(x), len(y))
        x, y = x[:count], y[:count]
        drawn = torch.randn(x.shape[1], self.directions, dtype=torch.float64, generator=rng, device=rng.device)
        lines = (drawn / drawn.norm(dim=0)).to(x.device)
        squares: list[Tensor] = []
        sums = torch.zeros(2, 5, count, dtype=torch.float64, device=x.device)
        # Some ten arrays of this size are needed at a time.
        for some in lines.split(max(1, base.BLOCK // (10 * count)), dim=1):
            look()
            p, q = _seen(x, some), _seen(y, some)
            squares.append((p.sorted - q.sorted).square().mean(-1))
            sums += torch.stack([_influence(p, q), _influence(q, p)])
        distances = torch.cat(squares)
        of_points = sum(_variance(each, self.directions) for each in sums) / count
        of_directions = float(distances.var()) / self.directions
        return root(float(distances.mean()), math.sqrt(of_points + of_directions), (count, count))


@dataclass(frozen=True, eq=False)
class _Seen:
    """A cloud on each of some lines: its points in order, and which of the cloud they are."""

    sorted: Lines
    order: Int64[Tensor, "directions n"]


def _seen(x: Float[Tensor, "n modes"], lines: Float64[Tensor, "modes directions"]) -> _Seen:
    width = max(x.shape[1], lines.shape[1])
    seen = torch.cat([block @ lines for _, block in blocks(x, width)])
    points, order = seen.mT.contiguous().sort()
    return _Seen(points, order)


def _influence(p: _Seen, q: _Seen) -> Float64[Tensor, "5 n"]:
    """Sums over directions of a cloud's potentials: from all points with squares, from two halves with products."""
    whole = _potential(p, q.sorted)
    first, second = (_potential(p, _matched(p, q, half)) for half in (0, 1))
    return torch.stack([each.sum(0) for each in (whole, whole.square(), first, second, first * second)])


def _potential(p: _Seen, target: Lines) -> Lines:
    r"""The potential with derivative :math:`2 (x - T(x))` at the points of a cloud, with mean zero on each line."""
    slope = 2 * (p.sorted - target)
    rises = 0.5 * (slope[:, 1:] + slope[:, :-1]) * p.sorted.diff()
    along = torch.nn.functional.pad(rises.cumsum(-1), (1, 0))
    return torch.empty_like(along).scatter_(1, p.order, along - along.mean(-1, keepdim=True))


def _matched(p: _Seen, q: _Seen, half: int) -> Lines:
    """Where the transport between every other point of the clouds takes all points of the first."""
    mine, theirs = p.order % 2 == half, q.order % 2 == half
    targets = q.sorted[theirs].view(len(q.sorted), -1)
    rank = mine.cumsum(-1)
    # A point that is not of the half lies between two of them.
    below, above = (each.clamp(0, targets.shape[1] - 1) for each in (rank - 1, rank - mine.long()))
    return 0.5 * (targets.gather(1, below) + targets.gather(1, above))


def _variance(sums: Float64[Tensor, "5 n"], directions: int) -> float:
    """Variance over a cloud's points of the mean potential, less that of its own errors.

    Products of different directions tell the mean over all directions, not only those drawn. The two halves' errors
    are independent, so that their product has none of the degenerate part, of which the square has twice.
    """
    whole, squares, first, second, products = sums
    pairs = directions * (directions - 1)
    measured = float((whole.square() - squares).mean()) / pairs
    linear = float((first * second - products).mean()) / pairs
    return deviation(measured, 0.5 * (measured - max(linear, 0.0))) ** 2
