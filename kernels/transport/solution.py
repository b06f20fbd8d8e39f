"""What a solver found: a coupling, known by blocks of rows and measured anew in 64 bits, and how it was found."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Generic, TypeVar, final

import psutil
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kernels.transport.problem import TransportProblem

# torch's exponential of 64 bits is fifty times slower below about -708, and nothing is left there anyway.
_LOWEST = -700.0
_WORST = 0.9


@dataclass(frozen=True, eq=False)
class Potentials:
    """Dual potentials f and g in the units of the cost; a constant may be moved from one to the other."""

    potential_f: Float64[Tensor, " n"]
    potential_g: Float64[Tensor, " m"]


@dataclass(frozen=True, eq=False)
class Marginals:
    """The sums of a coupling's rows and columns."""

    rows: Float64[Tensor, " n"]
    columns: Float64[Tensor, " m"]


@dataclass(frozen=True, eq=False)
class Measures:
    r"""What one look at all entries of a coupling π tells; :math:`h_i` is the entropy of its row i, scaled to one."""

    marginals: Marginals
    transport_cost: float
    relative_entropy: float
    row_entropy: Float64[Tensor, " n"]


class Coupling(ABC):
    """Masses π_ij on pairs of points, never formed all at once unless asked for."""

    problem: TransportProblem

    @abstractmethod
    def log_density(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        """log π_ij / (a_i b_j) for rows begin to end, newly made; at most `problem.blocks` at once."""

    @final
    def entries(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        """π_ij for rows begin to end."""
        a, b = self.problem.weights_a, self.problem.weights_b
        return self.log_density(begin, end).clamp_(min=_LOWEST).exp_().mul_(b).mul_(a[begin:end, None])

    @final
    @cached_property
    def measures(self) -> Measures:
        """Marginals, cost and entropies: one look at all entries, in 64 bits."""
        problem = self.problem
        a, b = problem.weights_a, problem.weights_b
        rows, entropy = torch.empty_like(a), torch.empty_like(a)
        columns, cost, relative = torch.zeros_like(b), 0.0, 0.0
        log_b = b.clamp(min=torch.finfo(b.dtype).tiny).log()
        for begin, end in problem.blocks():
            log_density = self.log_density(begin, end).clamp_(min=_LOWEST)
            entries = log_density.exp().mul_(b).mul_(a[begin:end, None])
            sums = entries.sum(1)
            rows[begin:end] = sums
            columns += entries.sum(0)
            cost += float(torch.dot(problem.cost(begin, end).view(-1), entries.view(-1)))
            relative_by_row = (log_density * entries).sum(1)
            relative += float(relative_by_row.sum())
            # log of a row scaled to one: log density + log b + log a - log of its sum.
            mass = sums.clamp(min=torch.finfo(b.dtype).tiny)
            scale = a[begin:end].clamp(min=torch.finfo(b.dtype).tiny).log() - mass.log()
            entropy[begin:end] = -((relative_by_row + entries @ log_b) / mass + scale)
        mass, product = float(rows.sum()), problem.mass_a * problem.mass_b
        return Measures(Marginals(rows, columns), cost, relative - mass + product, entropy.clamp(min=0.0))

    @final
    @cached_property
    def marginals(self) -> Marginals:
        """Sums of rows and columns, in 64 bits."""
        return self.measures.marginals

    @final
    def know(self, marginals: Marginals) -> None:
        """What a solver measured already need not be measured again."""
        vars(self)["marginals"] = marginals

    @final
    @property
    def marginal_error(self) -> tuple[float, float]:
        r"""How far the sums of rows, and of columns, are from a and b: :math:`\sum_i |\sum_j \pi_{ij} - a_i|`."""
        found = self.marginals
        a, b = self.problem.weights_a, self.problem.weights_b
        return float((found.rows - a).abs().sum()), float((found.columns - b).abs().sum())

    @final
    @property
    def mass(self) -> float:
        """The sum of all entries."""
        return float(self.marginals.rows.sum())

    @final
    @property
    def transport_cost(self) -> float:
        """<c, π>."""
        return self.measures.transport_cost

    @final
    @property
    def relative_entropy(self) -> float:
        """KL(π | a ⊗ b), with masses where they are not one: the sum of π log(π / ab) - π + ab."""
        return self.measures.relative_entropy

    @final
    @property
    def entropic_cost(self) -> float:
        """<c, π> + ε KL(π | a ⊗ b)."""
        return self.transport_cost + self.problem.epsilon * self.relative_entropy

    @final
    @property
    def perplexity(self) -> float:
        """Partners per point: the exponential of the mean entropy of the rows."""
        a = self.problem.weights_a
        return math.exp(float(a @ self.measures.row_entropy) / self.problem.mass_a)

    @final
    @cached_property
    def barycentric_map(self) -> Float64[Tensor, "n d"]:
        """Where each point of x is sent on average: the mean of y under its row, nan for a row without mass."""
        y, moved = self.problem.points_y, torch.empty_like(self.problem.points_x)
        for begin, end in self.problem.blocks():
            entries = self.entries(begin, end)
            moved[begin:end] = (entries @ y).div_(entries.sum(1)[:, None])
        return moved

    @final
    def strongest(self, count: int) -> tuple[Float64[Tensor, "n most"], Int64[Tensor, "n most"]]:
        """The largest entries of each row, at most `count`, and where they stand, largest first."""
        most = min(count, len(self.problem.points_y))
        parts = [torch.topk(self.entries(begin, end), most) for begin, end in self.problem.blocks()]
        return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])

    @final
    def whole(self) -> Float64[Tensor, "n m"]:
        """All entries.

        Errors: `ValueError` in one sentence where they do not fit into memory.
        """
        n, m = len(self.problem.points_x), len(self.problem.points_y)
        room = int(_WORST * psutil.virtual_memory().available)
        if 8 * n * m > room:
            raise ValueError(
                f"the coupling of {n} and {m} points needs {8 * n * m / 1e9:.3g} GB and {room / 1e9:.3g} GB are free; "
                f"at most {math.isqrt(room // 8)} points of each cloud fit, or take its rows."
            )
        entries = torch.empty(n, m, dtype=torch.float64)
        for begin, end in self.problem.blocks():
            entries[begin:end] = self.entries(begin, end)
        return entries


@final
@dataclass(frozen=True, eq=False)
class EntropicCoupling(Coupling):
    r""":math:`\pi_{ij} = a_i b_j \exp((f_i + g_j - c_{ij}) / \varepsilon)`, as potentials tell."""

    problem: TransportProblem
    potentials: Potentials

    def log_density(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        f, g = self.potentials.potential_f, self.potentials.potential_g
        exponents = self.problem.cost(begin, end).neg_().add_(g).add_(f[begin:end, None])
        return exponents.div_(self.problem.epsilon)

    @property
    def dual_value(self) -> float:
        """<a, f> + <b, g> - ε (mass of π - mass of a ⊗ b): never above the entropic cost of balanced transport."""
        problem, potentials = self.problem, self.potentials
        linear = problem.weights_a @ potentials.potential_f + problem.weights_b @ potentials.potential_g
        return float(linear) - problem.epsilon * (self.mass - problem.mass_a * problem.mass_b)

    @cached_property
    def dual_gap(self) -> float:
        r"""Entropic cost of a coupling with the exact marginals less the dual value: at least the error of either.

        The coupling is made from this one: rows, then columns with too much mass are scaled down, and what is missing
        is put on top as a product.

        Source: Altschuler, Weed and Rigollet 2017, Near-linear time approximation algorithms, algorithm 2.
        """
        problem = self.problem
        a, b = problem.weights_a, problem.weights_b
        found = self.marginals
        by_row = (a / found.rows).nan_to_num(posinf=1.0, nan=1.0).clamp(max=1.0)
        columns = torch.zeros_like(b)
        for begin, end in problem.blocks():
            columns += by_row[begin:end] @ self.entries(begin, end)
        by_column = (b / columns).nan_to_num(posinf=1.0, nan=1.0).clamp(max=1.0)
        missing_b = b - columns * by_column
        lacking = float(missing_b.sum())
        cost = entropy = 0.0
        for begin, end in problem.blocks():
            entries = self.entries(begin, end).mul_(by_row[begin:end, None]).mul_(by_column)
            missing_a = a[begin:end] - entries.sum(1)
            if lacking > 0:
                entries.add_(torch.outer(missing_a / lacking, missing_b))
            cost += float(torch.dot(problem.cost(begin, end).view(-1), entries.view(-1)))
            density = entries.clamp(min=torch.finfo(a.dtype).tiny).div(torch.outer(a[begin:end], b))
            entropy += float(torch.where(entries > 0, entries * density.log_(), 0.0).sum())
        return cost + problem.epsilon * (entropy - problem.mass_a + problem.mass_a * problem.mass_b) - self.dual_value


class Status(StrEnum):
    """How a solver ended."""

    CONVERGED = "converged"
    """The marginal error, measured anew, is within the tolerance."""
    FLOOR = "floor"
    """Rounding lets the error fall no further: ask for less, or for more bits."""
    STALLED = "stalled"
    """The error has not fallen for long: choose a larger ε."""
    UNFINISHED = "unfinished"
    """The iterations allowed were used up while the error was falling: allow more."""
    DIVERGED = "diverged"
    """Potentials are no longer finite: choose a larger ε, or other parameters of the solver."""


@dataclass(frozen=True, eq=False)
class History:
    """What a solver saw after each iteration: marginal error, dual value (nan if unknown) and the ε it worked at."""

    errors: Float64[Tensor, " iterations"]
    duals: Float64[Tensor, " iterations"]
    epsilons: Float64[Tensor, " iterations"]


Found_co = TypeVar("Found_co", bound=Coupling, covariant=True)


@dataclass(frozen=True, eq=False)
class Solution(Generic[Found_co]):
    """A coupling, and how it was found; `method` says in words in what form, and in how many bits."""

    coupling: Found_co
    status: Status
    iterations: int
    seconds: float
    history: History
    method: str

    @property
    def converged(self) -> bool:
        """Whether the marginal error, measured anew, is within the tolerance."""
        return self.status is Status.CONVERGED

    @property
    def marginal_error(self) -> float:
        """How far sums of rows and columns are from a and b, both together, in 64 bits."""
        return sum(self.coupling.marginal_error)
