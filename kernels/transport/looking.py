"""How the entries of a coupling are looked at: by rows, on all cores, in little memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.crew import Crew, Look, Part
from kernels.transport.interaction import PIECE, costs_of
from kernels.transport.loops import LOWEST, TILE, fill, measure
from kernels.transport.problem import TransportProblem
from kernels.transport.products import ALL, FORMED

# Columns of many coordinates at a time: products of few rows take twice as long as those of some hundred.
_WIDTH = 2**12
_TINY = torch.finfo(torch.float64).tiny


class Looking(ABC):
    """A way to look at rows; several threads may."""

    summed: int
    """Entries that `sums` looks at in some milliseconds, in little memory."""
    weighed_at_once: int
    """As many for `weighed`."""

    @abstractmethod
    def entries(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        """π_ij for rows begin to end."""

    @abstractmethod
    def sums(
        self, begin: int, end: int, a: Float64[Tensor, " rows"], sums: Float64[Tensor, "rows 4"]
    ) -> Float64[Tensor, " m"]:
        """Over rows, with weights b: of density, density times cost, its logarithm and log b; over columns with a."""

    @abstractmethod
    def weighed(
        self, begin: int, end: int, values: Float64[Tensor, "m d"]
    ) -> tuple[Float64[Tensor, "rows d"], Float64[Tensor, " rows"]]:
        """Sums over rows of π_ij, times values and by themselves."""


@final
class OfDensity(Looking):
    """Entries of which the logarithm of the density is known, by rows from begin to end; it is made anew each time."""

    summed = weighed_at_once = FORMED

    def __init__(self, problem: TransportProblem, log_density: Callable[[int, int], Tensor]) -> None:
        self._problem, self._log_density = problem, log_density

    def entries(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        a, b = self._problem.weights_a, self._problem.weights_b
        return self._log_density(begin, end).clamp_(min=LOWEST).exp_().mul_(b).mul_(a[begin:end, None])

    def sums(
        self, begin: int, end: int, a: Float64[Tensor, " rows"], sums: Float64[Tensor, "rows 4"]
    ) -> Float64[Tensor, " m"]:
        problem = self._problem
        log_density = self._log_density(begin, end).clamp_(min=LOWEST)
        density = log_density.exp()
        weighted = density * problem.weights_b
        sums[:, 0] = weighted.sum(1)
        sums[:, 1] = problem.cost(begin, end).mul_(weighted).sum(1)
        sums[:, 2] = log_density.mul_(weighted).sum(1)
        sums[:, 3] = weighted @ log(problem.weights_b)
        return a @ density

    def weighed(
        self, begin: int, end: int, values: Float64[Tensor, "m d"]
    ) -> tuple[Float64[Tensor, "rows d"], Float64[Tensor, " rows"]]:
        entries = self.entries(begin, end)
        return entries @ values, entries.sum(1)


@final
class OfPotentials(Looking):
    """Entries that finite potentials tell, formed and looked at in machine code."""

    def __init__(
        self, problem: TransportProblem, potential_f: Float64[Tensor, " n"], potential_g: Float64[Tensor, " m"]
    ) -> None:
        n, m = len(problem.points_x), len(problem.points_y)
        self._costs = costs_of(problem, True).at(1.0)
        width = _WIDTH if self._costs.divided else m
        self._tiles = [slice(left, min(left + width, m)) for left in range(0, m, width)]
        self.weighed_at_once = min(FORMED // width * m, PIECE)
        self.summed = self.weighed_at_once if self._costs.formed else PIECE
        x_offset, y_offset = self._costs.offsets
        self._x_offset, self._y_offset = np.zeros(n) + x_offset, np.zeros(m) + y_offset
        self._f, self._g = potential_f.numpy(), potential_g.numpy()
        self._epsilon, self._a, self._b = problem.epsilon, problem.weights_a.numpy(), problem.weights_b.numpy()
        self._log_b = log(problem.weights_b).numpy()

    def entries(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        return self.formed(begin, end)[0]

    def formed(
        self, begin: int, end: int, columns: slice = ALL
    ) -> tuple[Float64[Tensor, "rows columns"], Float64[Tensor, "rows columns"]]:
        """Entries, and minus the costs."""
        g, points, others, given = self._g[columns], *self._costs.between(begin, end, columns)
        entries, minus = np.empty((2, end - begin, len(g)))
        fill(
            points, others, given, self._costs.factor, self._x_offset[begin:end], self._y_offset[columns],
            self._f[begin:end], g, self._epsilon, self._a[begin:end], self._b[columns], minus, entries,
        )  # fmt: skip
        return torch.from_numpy(entries), torch.from_numpy(minus)

    def sums(
        self, begin: int, end: int, a: Float64[Tensor, " rows"], sums: Float64[Tensor, "rows 4"]
    ) -> Float64[Tensor, " m"]:
        found, room = np.zeros_like(self._g), np.empty((2, TILE))
        sums.zero_()
        for columns in self._tiles:
            points, others, given = self._costs.between(begin, end, columns)
            measure(
                points, others, given, self._costs.factor, self._x_offset[begin:end], self._y_offset[columns],
                self._f[begin:end], self._g[columns], self._epsilon, a.numpy(), self._b[columns], self._log_b[columns],
                sums.numpy(), found[columns], room,
            )  # fmt: skip
        return torch.from_numpy(found)

    def weighed(
        self, begin: int, end: int, values: Float64[Tensor, "m d"]
    ) -> tuple[Float64[Tensor, "rows d"], Float64[Tensor, " rows"]]:
        found = torch.zeros(end - begin, values.shape[1], dtype=torch.float64)
        masses = torch.zeros(end - begin, dtype=torch.float64)
        for columns in self._tiles:
            entries, _ = self.formed(begin, end, columns)
            found.addmm_(entries, values[columns])
            masses += entries.sum(1)
        return found, masses


def log(weights: Float64[Tensor, " m"]) -> Float64[Tensor, " m"]:
    """Logarithms of weights; of none, one so small that nothing is left of it."""
    return weights.clamp(min=_TINY).log()


def over_rows(
    problem: TransportProblem,
    pairs: int,
    form: Callable[[int, int], Part],
    take: Callable[[Part], object],
    look: Look,
) -> None:
    """Form parts of rows from begin to end, of so many pairs, on all cores; they are taken in order.

    What is made from them does not depend on the number of cores.
    """
    n, height = len(problem.points_x), max(1, pairs // len(problem.points_y))
    with Crew() as crew:
        crew.in_order(
            -(-n // height),
            lambda k: form(k * height, min((k + 1) * height, n)),
            lambda _place, part: take(part),
            look,
        )


def nothing(part: None) -> None:
    """Rows that have their place need not be taken."""
