"""Transport without regularization: the cheapest coupling of two small clouds, or of clouds of any size on a line."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kernels.transport.problem import TransportProblem
from kernels.transport.solution import Potentials

# Pairs of points off the line: the network simplex then takes some seconds and a gigabyte.
MOST_PAIRS = 5000**2
_MOST_PIVOTS = 10**8


@final
@dataclass(frozen=True, eq=False)
class ExactCoupling:
    """The cheapest coupling by its few masses, with dual potentials that prove it; see `exact_transport`.

    On a line, masses may be 0: with them, rows and columns of the pairs make one path.
    """

    problem: TransportProblem
    rows: Int64[Tensor, " pairs"]
    columns: Int64[Tensor, " pairs"]
    masses: Float64[Tensor, " pairs"]
    potentials: Potentials

    @cached_property
    def cost(self) -> float:
        """Total cost of the coupling."""
        return float(self.masses @ self.costs)

    @property
    def dual_value(self) -> float:
        """<a, f> + <b, g>, which is the cost."""
        problem, potentials = self.problem, self.potentials
        return float(problem.weights_a @ potentials.potential_f + problem.weights_b @ potentials.potential_g)

    @property
    def costs(self) -> Float64[Tensor, " pairs"]:
        """Cost of each pair."""
        x, y = self.problem.points_x[self.rows], self.problem.points_y[self.columns]
        return _powers((x - y).square().sum(1), self.problem.power)

    @property
    def violation(self) -> float:
        """How much the potentials of any pair exceed its cost: rounding only."""
        f, g = self.potentials.potential_f, self.potentials.potential_g
        excess = [
            float((f[begin:end, None] + g - self.problem.cost(begin, end)).max())
            for begin, end in self.problem.blocks()
        ]
        return max(0.0, *excess)

    @property
    def barycentric_map(self) -> Float64[Tensor, "n d"]:
        """Where each point of x is sent on average; nan for one without mass."""
        sent = torch.zeros_like(self.problem.points_x)
        sent.index_add_(0, self.rows, self.masses[:, None] * self.problem.points_y[self.columns])
        mass = torch.zeros(len(sent), dtype=torch.float64).index_add_(0, self.rows, self.masses)
        return sent / mass[:, None]


def exact_transport(problem: TransportProblem) -> ExactCoupling:
    """The cheapest coupling whatever ε: in order on a line where p is at least 1, else by the network simplex.

    Errors: `ValueError` in one sentence for weights that do not sum to one, or too many points off the line.
    """
    problem.check_balanced()
    if problem.points_x.shape[1] == 1 and problem.power >= 1:
        return _in_order(problem)
    n, m = len(problem.points_x), len(problem.points_y)
    if n * m > MOST_PAIRS:
        raise ValueError(
            f"exact transport off the line takes at most {MOST_PAIRS} pairs of points, got {n} x {m}; "
            f"thin the clouds to {int(MOST_PAIRS**0.5)} points each, or use the Sinkhorn divergence."
        )
    return _by_simplex(problem)


def _in_order(problem: TransportProblem) -> ExactCoupling:
    r"""Both clouds in order: of convex costs, no two pairs cross.

    From one pair of the staircase to the next either the row or the column advances, so that potentials follow from
    :math:`f_i + g_j = c_{ij}` along it.
    """
    x, of_x = problem.points_x[:, 0].sort()
    y, of_y = problem.points_y[:, 0].sort()
    ends_a = problem.weights_a[of_x].cumsum(0)[:-1] / problem.mass_a
    ends_b = problem.weights_b[of_y].cumsum(0)[:-1] / problem.mass_b
    ends, order = torch.cat([ends_a, ends_b]).sort(stable=True)
    by_row = order < len(ends_a)
    rows, columns = (torch.nn.functional.pad(step.long().cumsum(0), (1, 0)) for step in (by_row, ~by_row))
    bounds = torch.cat([torch.zeros(1), ends.clamp(max=1.0), torch.ones(1)]).double()
    costs = _powers((x[rows] - y[columns]).square(), problem.power)
    rises = costs.diff()
    f, g = torch.zeros_like(x), torch.zeros_like(y)
    f[1:], g[1:] = rises[by_row], rises[~by_row]
    f, g = f.cumsum(0) + costs[0], g.cumsum(0)
    potentials = Potentials(torch.empty_like(f).scatter_(0, of_x, f), torch.empty_like(g).scatter_(0, of_y, g))
    return ExactCoupling(problem, of_x[rows], of_y[columns], bounds.diff(), potentials)


def _by_simplex(problem: TransportProblem) -> ExactCoupling:
    # Imported where it is used: it takes a second.
    import ot

    costs = torch.cat([problem.cost(begin, end) for begin, end in problem.blocks()])
    # A size of one suits the solver's tolerances.
    size = float(costs.max()) or 1.0
    a, b = (weights / weights.sum() for weights in (problem.weights_a, problem.weights_b))
    solved = ot.emd(a.numpy(), b.numpy(), (costs / size).numpy(), numItermax=_MOST_PIVOTS, log=True)
    plan, log = cast(tuple[np.ndarray, dict[str, Any]], solved)
    rows, columns = np.nonzero(plan)
    potentials = Potentials(torch.from_numpy(size * log["u"]), torch.from_numpy(size * log["v"]))
    masses = torch.from_numpy(plan[rows, columns])
    return ExactCoupling(problem, torch.from_numpy(rows), torch.from_numpy(columns), masses, potentials)


def _powers(squares: Tensor, power: float) -> Tensor:
    return squares if power == 2 else squares.pow(power / 2)
