"""Fewer recursions than modes: everything a sampler does is a smooth function of the eigenvalue.

In the logarithm of the eigenvalue the laws are analytic in a strip of half-width pi, so on a panel a few nats
wide a Chebyshev interpolant of modest degree is exact to rounding. Panels whose interpolant is not resolved
are split, and those with few modes are computed mode by mode, so that no case is left to luck.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kernels.arrays import array
from kernels.gaussian import Gaussian

DEGREE = 32
WIDTH = 4.5
# Relative size of the last Chebyshev coefficients at which an interpolant counts as resolved.
RESOLVED = 3e-13
ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class Levels:
    """The distinct eigenvalues of a law, largest first, and what lies on each."""

    eigenvalues: Float64[Tensor, " levels"]
    position: Int64[Tensor, " modes"]
    counts: Float64[Tensor, " levels"]
    mean_squares: Float64[Tensor, " levels"]


@dataclass(frozen=True, eq=False)
class Panel:
    """A run of distinct eigenvalues [begin, end) and the nodes that stand for it.

    `matrix` takes values at the nodes to values at the eigenvalues; None where the nodes are the eigenvalues.
    `counts` and `mean_squares` are the weights that the nodes take over from the eigenvalues.
    """

    begin: int
    end: int
    nodes: Float64[Tensor, " nodes"]
    matrix: Float64[Tensor, "nodes members"] | None
    counts: Float64[Tensor, " nodes"]
    mean_squares: Float64[Tensor, " nodes"]

    def expand(self, values: Float64[Tensor, "*axes nodes"]) -> Float64[Tensor, "*axes members"]:
        """Values at the panel's eigenvalues."""
        return values if self.matrix is None else values @ self.matrix

    def at(self, values: Float64[Tensor, "*axes nodes"], member: int) -> Float64[Tensor, "*axes"]:
        """Values at one of the panel's eigenvalues."""
        return values[..., member] if self.matrix is None else values @ self.matrix[:, member]

    def split(self, levels: Levels) -> "list[Panel]":
        """Two panels of half the width in log eigenvalue."""
        low, high = levels.eigenvalues[self.end - 1], levels.eigenvalues[self.begin]
        members = levels.eigenvalues[self.begin : self.end]
        middle = self.begin + int((members > (low * high).sqrt()).sum())
        return [panel(levels, a, b) for a, b in ((self.begin, middle), (middle, self.end)) if b > a]


def levels_of(law: Gaussian) -> Levels:
    """Distinct eigenvalues of a law, with multiplicity and the squared means that fall on each."""
    values, position = torch.unique(-law.variance, return_inverse=True)
    counts = torch.bincount(position, minlength=len(values)).to(torch.float64)
    squares = torch.zeros_like(counts).index_add_(0, position, law.mean.square())
    return Levels(-values, position, counts, squares)


def direct(levels: Levels, begin: int, end: int) -> Panel:
    """The panel of eigenvalues [begin, end), which are its nodes."""
    part = slice(begin, end)
    return Panel(begin, end, levels.eigenvalues[part], None, levels.counts[part], levels.mean_squares[part])


def panel(levels: Levels, begin: int, end: int) -> Panel:
    """The panel of eigenvalues [begin, end): interpolated where that takes fewer nodes."""
    members = levels.eigenvalues[begin:end]
    if end - begin <= DEGREE + 4:
        return direct(levels, begin, end)
    top, bottom = members[0].log(), members[-1].log()
    center, half = 0.5 * (top + bottom), 0.5 * (top - bottom)
    angles = (2 * torch.arange(DEGREE, dtype=torch.float64) + 1) * math.pi / (2 * DEGREE)
    points = torch.cos(angles)
    # The barycentric formula of the second kind; a member on a node takes that node's value.
    away = ((members.log() - center) / half).unsqueeze(0) - points.unsqueeze(1)
    weight = ((-1.0) ** torch.arange(DEGREE) * torch.sin(angles)).unsqueeze(1)
    hit = away == 0
    terms = torch.where(hit.any(0), hit.to(torch.float64), weight / torch.where(hit, 1.0, away))
    matrix = terms / terms.sum(0)
    counts, squares = matrix @ levels.counts[begin:end], matrix @ levels.mean_squares[begin:end]
    return Panel(begin, end, (center + half * points).exp(), matrix, counts, squares)


def panels(levels: Levels) -> list[Panel]:
    """Panels of about WIDTH nats over all positive eigenvalues; zero is a node of its own."""
    values = levels.eigenvalues
    positive = int((values > 0).sum())
    found = [direct(levels, positive, len(values))] if positive < len(values) else []
    if positive:
        span = float(values[0].log() - values[positive - 1].log())
        count = max(1, math.ceil(span / WIDTH))
        depth = ((values[0].log() - values[:positive].log()) * (count / max(span, 1e-300))).clamp(0, count - 1)
        index = depth.floor().to(torch.int64)
        ends = torch.bincount(index, minlength=count).cumsum(0).tolist()
        begins = [0, *ends[:-1]]
        found = [panel(levels, a, b) for a, b in zip(begins, ends, strict=True) if b > a] + found
    return found


def separate(law: Gaussian) -> tuple[Levels, list[Panel]]:
    """Every mode as a level and a node of its own, with weight 1 of its mean too."""
    ones, count = torch.ones_like(law.variance), len(law.variance)
    levels = Levels(law.variance, torch.arange(count), ones, ones)
    return levels, [direct(levels, 0, count)]


@lru_cache(maxsize=16)
def reduced(law: Gaussian) -> tuple[Levels, list[Panel]]:
    """The distinct eigenvalues of a law, and the panels that stand for them."""
    levels = levels_of(law)
    return levels, panels(levels)


def _tail(values: Float64[Tensor, "*axes nodes"]) -> Float64[Tensor, "*axes"]:
    """Size of the last two Chebyshev coefficients."""
    return (values @ _last_coefficients()).abs().amax(-1)


@lru_cache(maxsize=1)
def _last_coefficients() -> Float64[Tensor, "nodes 2"]:
    angles = (2 * torch.arange(DEGREE, dtype=torch.float64) + 1) * math.pi / (2 * DEGREE)
    degrees = array([DEGREE - 2.0, DEGREE - 1.0])
    return 2 / DEGREE * torch.cos(angles.unsqueeze(1) * degrees)


Pairs = tuple[tuple[Tensor, Tensor], ...]
# From values at some nodes or eigenvalues, and the columns they are in, to squares to be summed over modes, each with
# the squared size at which rounding rules its root.
Terms = Callable[[Float64[Tensor, "quantity columns some"], Int64[Tensor, " columns"]], Pairs]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Functions of the eigenvalue, known at the nodes of panels; the axis of nodes is last."""

    levels: Levels
    panels: list[Panel]
    values: Float64[Tensor, "quantity columns nodes"]

    def _parts(self, values: Float64[Tensor, "*axes nodes"]) -> Iterator[tuple[Panel, Float64[Tensor, "*axes some"]]]:
        return zip(self.panels, values.split([len(p.nodes) for p in self.panels], -1), strict=True)

    def at_levels(self, column: int) -> Float64[Tensor, "quantity levels"]:
        """All quantities at the distinct eigenvalues, in one column."""
        return torch.cat([p.expand(values) for p, values in self._parts(self.values[:, column])], -1)

    def at(self, chosen: list[int]) -> Float64[Tensor, "quantity columns chosen"]:
        """All quantities at chosen distinct eigenvalues, in every column."""
        columns = [
            p.at(values, level - p.begin)
            for level in chosen
            for p, values in self._parts(self.values)
            if p.begin <= level < p.end
        ]
        return torch.stack(columns, -1)

    def sums(self, function: Terms) -> tuple[Float64[Tensor, " columns"], ...]:
        """Sums over all modes, by column, of functions of the quantities.

        Terms at even places are counted once per mode, those at odd places are weighted by the mode's squared mean.
        A sum is a quadrature on the panels' nodes; where the terms are not resolved there, it runs over the
        eigenvalues of the panel instead.
        """
        every = torch.arange(self.values.shape[1])
        squares, sizes = _stacked(function(self.values, every))
        totals = torch.zeros(squares.shape[:2], dtype=torch.float64)
        parts = zip(self._parts(self.values), self._parts(squares), self._parts(sizes), strict=True)
        for (p, values), (_, square), (_, size) in parts:
            sums = _weighted(square, p.counts, p.mean_squares)
            rough = _is_rough(square, size) if p.matrix is not None else torch.zeros(1, 1, dtype=torch.bool)
            # Terms that no mean gives weight to need no resolution.
            rough = rough[:: 1 if bool(p.mean_squares.any()) else 2].any(0)
            if bool(rough.any()):
                exact, _ = _stacked(function(p.expand(values[:, rough]), every[rough]))
                members = slice(p.begin, p.end)
                sums[:, rough] = _weighted(exact, self.levels.counts[members], self.levels.mean_squares[members])
            totals += sums
        return tuple(totals)


def _stacked(pairs: Pairs) -> tuple[Tensor, Tensor]:
    return torch.stack([square for square, _ in pairs]), torch.stack([size for _, size in pairs])


def _weighted(terms: Tensor, counts: Tensor, mean_squares: Tensor) -> Tensor:
    """Sums over the last axis, terms at even places by count and those at odd places by squared mean."""
    sums = terms @ counts
    sums[1::2] = times_mean_squares(terms[1::2], mean_squares)
    return sums


def times_mean_squares(terms: Tensor, mean_squares: Tensor) -> Tensor:
    """Sums over the last axis weighted by squared means; where there is no mean an infinite factor does not count."""
    return torch.where(mean_squares == 0, 0.0, terms * mean_squares).sum(-1)


def _is_rough(term: Tensor, size: Tensor) -> Tensor:
    """Columns in which a square is not resolved on a panel's nodes."""
    largest = term.abs().amax(-1)
    allowed = RESOLVED * largest + ROUNDING * (largest * size.amax(-1)).sqrt()
    return ~(_tail(term) <= allowed)


def sample(
    levels: Levels,
    first: list[Panel],
    evaluate: Callable[[Float64[Tensor, " nodes"]], Float64[Tensor, "quantity columns nodes"]],
    is_resolved: Callable[[Float64[Tensor, "quantity columns nodes"], Float64[Tensor, "quantity columns"]], bool],
) -> Sampled:
    """Evaluate functions of the eigenvalue on panels, splitting those that are not resolved.

    `is_resolved` judges the values at a panel's nodes and the sizes of their last Chebyshev coefficients.
    """
    done: list[tuple[Panel, Tensor]] = []
    waiting = first
    while waiting:
        values = evaluate(torch.cat([p.nodes for p in waiting]))
        sizes = [len(p.nodes) for p in waiting]
        unresolved: list[Panel] = []
        for p, part in zip(waiting, values.split(sizes, -1), strict=True):
            if p.matrix is None or is_resolved(part, _tail(part)):
                done.append((p, part))
            else:
                unresolved += p.split(levels)
        waiting = unresolved
    done.sort(key=lambda pair: pair[0].begin)
    return Sampled(levels, [p for p, _ in done], torch.cat([part for _, part in done], -1))
