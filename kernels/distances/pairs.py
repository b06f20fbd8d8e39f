"""Distances that compare points pair by pair, and how well they are known."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.distances.base import Estimate, Look, blocks, deviation, mean_of

Likeness = Callable[[Float64[Tensor, "rows columns"]], Float64[Tensor, "rows columns"]]


def discrepancy(x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], likeness: Likeness, look: Look) -> Estimate:
    r"""What pairs within either cloud have more in likeness than pairs between them.

    .. math:: E\, k(X, X') + E\, k(Y, Y') - 2\, E\, k(X, Y)

    for a likeness k that is a function of the distance of two points. Means are over pairs of different points, so
    that there is no bias; the value can be negative. The standard error has the first- and second-order parts of
    Hoeffding's decomposition.
    """
    n, m = len(x), len(y)
    # Distances are made of products, which are most precise about the origin.
    center = mean_of(x)
    x, y = x.double() - center, y.double() - center
    within_x, within_y, between = (
        _compare(x, x, likeness, True, look),
        _compare(y, y, likeness, True, look),
        _compare(x, y, likeness, False, look),
    )
    of_x, of_y = 2 * (within_x.rows - between.rows), 2 * (within_y.rows - between.columns)
    measured = float(of_x.var() / n + of_y.var() / m)
    degenerate = 2 * within_x.residual / (n * (n - 1)) + 2 * within_y.residual / (m * (m - 1))
    degenerate += 4 * between.residual / (n * m)
    value = within_x.mean + within_y.mean - 2 * between.mean
    return Estimate(value, deviation(measured, degenerate), (n, m))


@dataclass(frozen=True, eq=False)
class _Compared:
    """Mean likeness of each point with the others, of all pairs, and the variance that neither point explains."""

    rows: Float64[Tensor, " n"]
    columns: Float64[Tensor, " m"]
    mean: float
    residual: float


def _compare(
    x: Float64[Tensor, "n modes"], y: Float64[Tensor, "m modes"], likeness: Likeness, is_within: bool, look: Look
) -> _Compared:
    n, m, own = len(x), len(y), int(is_within)
    rows: list[Tensor] = []
    columns = torch.zeros(m, dtype=torch.float64, device=x.device)
    squares = 0.0
    for start, block in blocks(x, max(m, x.shape[1])):
        look()
        values = likeness(torch.cdist(block, y))
        if is_within:
            values.diagonal(start).zero_()
        rows.append(values.sum(1))
        columns += values.sum(0)
        squares += float(values.square().sum())
    by_row, by_column = torch.cat(rows) / (m - own), columns / (n - own)
    mean = float(by_row.mean())
    residual = squares / (n * (m - own)) - mean**2 - float(by_row.var() + by_column.var())
    return _Compared(by_row, by_column, mean, max(residual, 0.0))
