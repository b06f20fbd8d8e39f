"""A few centers for weighted points, and how points are shared among them."""

from collections.abc import Callable

import torch
from jaxtyping import Float64
from torch import Tensor

Points = Float64[Tensor, "points d"]
Weights = Float64[Tensor, " points"]
Centers = Float64[Tensor, "rank d"]

_ROUNDS = 10
# Centers are found from so many points at most.
_MOST = 2**13


def centers_of(points: Points, weights: Weights, rank: int, rng: torch.Generator, look: Callable[[], None]) -> Centers:
    """Centers by Lloyd's rounds, each starting far from the others; duplicates where there are too few points.

    Source: Arthur and Vassilvitskii 2007, k-means++: the advantages of careful seeding.
    """
    if len(points) > _MOST:
        points = points[torch.multinomial(weights, _MOST, replacement=True, generator=rng)]
        weights = torch.full((_MOST,), 1 / _MOST, dtype=torch.float64)
    centers = points[torch.multinomial(weights, 1, generator=rng)]
    nearest = (points - centers).square().sum(1)
    for _ in range(rank - 1):
        look()
        far = weights * nearest
        place = torch.multinomial(far if float(far.sum()) > 0 else weights, 1, generator=rng)
        centers = torch.cat([centers, points[place]])
        nearest = torch.minimum(nearest, (points - points[place]).square().sum(1))
    for _ in range(_ROUNDS):
        look()
        member = torch.cdist(points, centers).argmin(1)
        mass = torch.zeros(rank, dtype=torch.float64).index_add_(0, member, weights)
        sums = torch.zeros_like(centers).index_add_(0, member, weights[:, None] * points)
        centers = torch.where(mass[:, None] > 0, sums / mass[:, None], centers)
    return centers


def shared(
    points: Points, weights: Weights, centers: Centers, masses: Float64[Tensor, " rank"], look: Callable[[], None]
) -> Float64[Tensor, "points rank"]:
    """How much of each point goes to each center: a blurred coupling of the points with the centers' masses."""
    costs = torch.cdist(points, centers).square()
    blurred = costs / (0.05 * float(weights @ costs @ masses) or 1.0)
    f, g = torch.zeros_like(weights), torch.zeros_like(masses)
    for _ in range(_ROUNDS):
        look()
        f = -(masses.log() + g - blurred).logsumexp(1)
        g = -(weights.log()[:, None] + f[:, None] - blurred).logsumexp(0)
    return weights[:, None] * masses * (f[:, None] + g - blurred).exp()
