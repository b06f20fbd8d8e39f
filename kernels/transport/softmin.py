r"""Soft minima of the cost, in 64 bits: the step that the solvers beside the accelerated one are made of.

.. math:: \mathrm{rows}_i = -\log \sum_j b_j e^{v_j - \beta c_{ij}}, \quad
    \mathrm{columns}_j = -\log \sum_i a_i e^{u_i - \beta c_{ij}}

In log-scalings :math:`u = \beta f`, :math:`v = \beta g`, with :math:`\beta = 1 / \epsilon`.
"""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.crew import Crew
from kernels.transport.interaction import Streamed, costs_of
from kernels.transport.problem import TransportProblem

Rows = Float64[Tensor, " n"]
Columns = Float64[Tensor, " m"]
_LOG2_E = math.log2(math.e)
# Pairs that are looked at sooner than work on them is shared out.
_FEW = 2**14


@final
class SoftMinima:
    """Soft minima for a problem; see `soft_minima`. Points without weight get one and take no part in the others'."""

    def __init__(self, problem: TransportProblem, crew: Crew, look: Callable[[], None]) -> None:
        self._problem, self._crew, self._look = problem, crew, look

    def rows(self, v: Columns, beta: float) -> Rows:
        """The soft minimum of each row."""
        return self._by_rows.minima(v, beta)

    def columns(self, u: Rows, beta: float) -> Columns:
        """The soft minimum of each column."""
        return self._by_columns.minima(u, beta)

    # Many need one of them alone.
    @cached_property
    def _by_rows(self) -> "_OneWay":
        return _OneWay(self._problem, self._crew, self._look)

    @cached_property
    def _by_columns(self) -> "_OneWay":
        return _OneWay(self._problem.swapped(), self._crew, self._look)


@contextmanager
def soft_minima(problem: TransportProblem, look: Callable[[], None]) -> Generator[SoftMinima]:
    """Soft minima on all cores; `look` is called several times a second, and what it raises ends the work."""
    with Crew() as crew:
        yield SoftMinima(problem, crew, look)


class _OneWay:
    """Soft minima of rows."""

    def __init__(self, problem: TransportProblem, crew: Crew, look: Callable[[], None]) -> None:
        n, m = len(problem.points_x), len(problem.points_y)
        self._look, self._few = look, n * m <= _FEW
        if self._few:
            self._costs, self._log_weights = problem.cost(0, n), problem.weights_b.log()
        else:
            self._streamed = Streamed(problem, costs_of(problem, True), 64, crew, look)
            # What was found last is near, and keeps exponentials in range.
            self._last = torch.zeros_like(problem.weights_a).numpy()

    def minima(self, potential: Tensor, beta: float) -> Tensor:
        if self._few:
            self._look()
            return -torch.add(potential + self._log_weights, self._costs, alpha=-beta).logsumexp(1)
        moved, sums, _ = self._streamed.sums(_LOG2_E * beta, self._last, (_LOG2_E * potential).numpy(), scaled=False)
        found = torch.from_numpy(moved) - torch.from_numpy(sums).log2()
        self._last = found.numpy()
        return found / _LOG2_E
