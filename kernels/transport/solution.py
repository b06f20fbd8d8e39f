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

from kernels.crew import Look, single_threads, unheard
from kernels.transport.looking import Looking, OfDensity, OfPotentials, log, nothing, over_rows
from kernels.transport.problem import TransportProblem
from kernels.transport.products import FORMED

_WORST = 0.9
# The share of a look for sums in the time of three looks, the last of which takes many logarithms.
_FIRST = 0.1
_TINY = torch.finfo(torch.float64).tiny


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
    def way_to_look(self) -> Looking:
        """How entries are to be looked at, which is asked once."""

    @final
    @cached_property
    def looking(self) -> Looking:
        """How entries are looked at."""
        return self.way_to_look()

    @final
    def entries(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        """π_ij for rows begin to end."""
        return self.looking.entries(begin, end)

    @final
    @cached_property
    def measures(self) -> Measures:
        """Marginals, cost and entropies: one look at all entries, in 64 bits."""
        return self.measure(unheard)

    @final
    def measure(self, look: Look) -> Measures:
        """The measures, which are then known; `look` hears of the share that is done, and may end the work."""
        if "measures" not in vars(self):
            vars(self)["measures"] = _measured(self, look)
        return self.measures

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
        return self.send(unheard)

    @final
    def send(self, look: Look) -> Float64[Tensor, "n d"]:
        """The barycentric map, which is then known; `look` hears of the share that is done, and may end the work."""
        if "barycentric_map" not in vars(self):
            looked_at, y = self.looking, self.problem.points_y
            sent = torch.empty_like(self.problem.points_x)

            def form(begin: int, end: int) -> None:
                sums, masses = looked_at.weighed(begin, end, y)
                torch.div(sums, masses[:, None], out=sent[begin:end])

            over_rows(self.problem, looked_at.weighed_at_once, form, nothing, look)
            vars(self)["barycentric_map"] = sent
        return self.barycentric_map

    @final
    def strongest(self, count: int, look: Look = unheard) -> tuple[Float64[Tensor, "n most"], Int64[Tensor, "n most"]]:
        """The largest entries of each row, at most `count`, and where they stand, largest first."""
        n, most = len(self.problem.points_x), min(count, len(self.problem.points_y))
        values, places = torch.empty(n, most, dtype=torch.float64), torch.empty(n, most, dtype=torch.int64)

        def form(begin: int, end: int) -> None:
            rows, out = self.entries(begin, end), (values[begin:end], places[begin:end])
            if most == 1:
                torch.max(rows, 1, keepdim=True, out=out)
            else:
                torch.topk(rows, most, out=out)

        over_rows(self.problem, FORMED, form, nothing, look)
        return values, places

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


@dataclass(frozen=True, eq=False)
class PotentialCoupling(Coupling, ABC):
    r""":math:`\pi_{ij} = a_i b_j \exp((f_i + g_j - c_{ij}) / \varepsilon)`, as potentials tell."""

    problem: TransportProblem
    potentials: Potentials

    @final
    def way_to_look(self) -> Looking:
        """In machine code where potentials are finite, in torch where they are not."""
        f, g = self.potentials.potential_f, self.potentials.potential_g
        if f.isfinite().all() and g.isfinite().all():
            return OfPotentials(self.problem, f, g)
        return OfDensity(self.problem, self._log_density)

    def _log_density(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        f, g = self.potentials.potential_f, self.potentials.potential_g
        exponents = self.problem.cost(begin, end).neg_().add_(g).add_(f[begin:end, None])
        return exponents.div_(self.problem.epsilon)

    @property
    @abstractmethod
    def dual_value(self) -> float:
        """The dual objective."""


@final
@dataclass(frozen=True, eq=False)
class EntropicCoupling(PotentialCoupling):
    """The coupling of balanced transport."""

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
        return self.bound(unheard)

    def bound(self, look: Look) -> float:
        """The dual gap, which is then known; `look` hears of the share that is done, and may end the work."""
        if "dual_gap" not in vars(self):
            vars(self)["dual_gap"] = _rounded_cost(self, look) - self.dual_value
        return self.dual_gap


@single_threads()
def _measured(coupling: Coupling, look: Look) -> Measures:
    problem, looked_at = coupling.problem, coupling.looking
    a, b = problem.weights_a, problem.weights_b
    sums, columns = torch.empty(len(a), 4, dtype=torch.float64), torch.zeros_like(b)
    over_rows(
        problem,
        looked_at.summed,
        lambda begin, end: looked_at.sums(begin, end, a[begin:end], sums[begin:end]),
        columns.add_,
        look,
    )
    total, cost, relative, entropy = sums.T
    rows = a * total
    # log of a row scaled to one: log density + log b + log a - log of its sum.
    mass = rows.clamp(min=_TINY)
    entropy = -(a * (relative + entropy) / mass + (log(a) - mass.log()))
    excess = float(a @ relative) - float(rows.sum()) + problem.mass_a * problem.mass_b
    return Measures(Marginals(rows, b * columns), float(a @ cost), excess, entropy.clamp(min=0.0))


@single_threads()
def _rounded_cost(coupling: EntropicCoupling, look: Look) -> float:
    """Entropic cost of the coupling once its marginals are made exact; nan where potentials are not finite."""
    problem, looked_at = coupling.problem, coupling.looking
    if not isinstance(looked_at, OfPotentials):
        return math.nan
    if "marginals" not in vars(coupling):
        coupling.measure(lambda share: look(_FIRST * share))
    found = coupling.marginals
    a, b = problem.weights_a, problem.weights_b
    by_row = (a / found.rows).nan_to_num(posinf=1.0, nan=1.0).clamp(max=1.0)
    scaled, columns, unused = a * by_row, torch.zeros_like(b), torch.empty(len(a), 4, dtype=torch.float64)
    over_rows(
        problem,
        looked_at.summed,
        lambda begin, end: looked_at.sums(begin, end, scaled[begin:end], unused[begin:end]),
        columns.add_,
        lambda share: look(_FIRST * (1 + share)),
    )
    columns *= b
    by_column = (b / columns).nan_to_num(posinf=1.0, nan=1.0).clamp(max=1.0)
    missing_b = b - columns * by_column
    lacking = float(missing_b.sum())
    sums = torch.zeros(2, dtype=torch.float64)

    def form(begin: int, end: int) -> Float64[Tensor, " 2"]:
        entries, minus = looked_at.formed(begin, end)
        entries.mul_(by_row[begin:end, None]).mul_(by_column)
        if lacking > 0:
            entries.addr_((a[begin:end] - entries.sum(1)) / lacking, missing_b)
        cost = -torch.dot(minus.view(-1), entries.view(-1))
        log_density = torch.div(entries, b, out=minus).div_(a[begin:end, None]).clamp_(min=_TINY).log_()
        return torch.stack((cost, torch.dot(torch.where(entries > 0, log_density, 0.0).view(-1), entries.view(-1))))

    over_rows(problem, FORMED, form, sums.add_, lambda share: look(2 * _FIRST + (1 - 2 * _FIRST) * share))
    cost, entropy = sums.tolist()
    return cost + problem.epsilon * (entropy - problem.mass_a + problem.mass_a * problem.mass_b)


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
