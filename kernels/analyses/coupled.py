"""Two clouds coupled: quickly while a person moves something, whole once they rest.

What is whole is found from nothing, so that it depends on what was asked alone; what is quick starts from the last
potentials. Of all results the last few are kept.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from kernels.analyses.kept import Kept
from kernels.crew import unheard
from kernels.experiment import Experiment, files_of
from kernels.pairs import NothingToCoupleError, Pair, Transport
from kernels.particles import Sampling
from kernels.scores import Trained
from kernels.transport import (
    COLD,
    Coupling,
    EntropicCoupling,
    GaussianTransport,
    LowRankCoupling,
    PotentialCoupling,
    Potentials,
    Progress,
    Sinkhorn,
    Solution,
    TransportProblem,
    UnbalancedSinkhorn,
    dense_transport,
    gaussian_transport,
    own_transport,
    transport_problem,
)
from kernels.transport.looking import over_rows
from kernels.transport.products import FORMED
from kernels.transport.softmin import soft_minima

Floats = NDArray[np.float64]
Watch = Callable[[float], None]

# What a person who moves a slider can wait for: points, looks at pairs, and the marginal error that is enough then.
QUICK_POINTS, QUICK_LOOKS, QUICK_TOLERANCE = 2000, 2.5e8, 1e-3
# Of solvers whose iterations are more than that.
QUICK_SLOW_POINTS, QUICK_SLOW_LOOKS = 300, 2e7
FEWEST_ITERATIONS = 20
# Solvers whose iterations are passes over pairs that start from potentials.
_WARM = (Sinkhorn, UnbalancedSinkhorn)
# Points of a coupling that are looked at one by one, and of a cloud that is coupled with itself to be drawn.
MOST_LOOKED_AT, MOST_DEBIASED = 2000, 10_000
# Of own transports and estimates.
TOLERANCE = 1e-3
# Moments of both clouds are compared in so many coordinates.
MOST_DENSE = 256


@dataclass(frozen=True)
class Question:
    """All that a coupling depends on."""

    experiment: Experiment
    sampling: Sampling
    transport: Transport
    trained: Trained | None

    @property
    def of_clouds(self) -> Hashable:
        """What the clouds depend on, but for how many points they have; files may become others."""
        clouds, sampling = self.transport.clouds, replace(self.sampling, particles=2)
        if not clouds.is_sampled:
            return clouds, files_of(clouds), sampling
        return clouds, sampling, self.experiment, files_of(self.experiment), self.trained

    @property
    def of_coupling(self) -> Hashable:
        """What the coupling depends on."""
        return self.of_clouds, self.transport.asked

    def problem(self, points: int, watch: Watch = lambda share: None) -> tuple[Pair, TransportProblem]:
        """The clouds, with at most so many points each, and what is asked of them.

        Errors: `ValueError` in one sentence where there are no such clouds, or all of their points coincide.
        """
        count, power = min(points, self.transport.points), self.transport.power
        of_pair = self.of_clouds, count
        pair = _PAIRS.find(of_pair) or _PAIRS.keep(of_pair, self._drawn(count, watch))
        # What is known of the costs serves at every epsilon.
        problem = _PROBLEMS.find((of_pair, power)) or _PROBLEMS.keep(
            (of_pair, power), transport_problem(pair.points_x, pair.points_y, 1.0, power)
        )
        if problem.mean_cost == 0:
            raise NothingToCoupleError("all points of both clouds coincide: there is nothing to couple.")
        return pair, problem.relative(self.transport.epsilon)

    def _drawn(self, count: int, watch: Watch) -> Pair:
        sampling = replace(self.sampling, particles=count)
        return self.transport.clouds.drawn(self.experiment, sampling, self.trained, watch)


@dataclass(frozen=True, eq=False)
class Coupled:
    """A coupling of two clouds.

    `is_whole` says that it is of all points asked for, as exact as asked for, and found from nothing; `is_warm`, that
    it was found from former potentials.
    """

    pair: Pair
    transport: Transport
    solution: Solution[Coupling]
    is_whole: bool
    is_warm: bool

    @property
    def problem(self) -> TransportProblem:
        """What was solved; the regularization is that of the coupling, which a solver may have lowered."""
        return self.solution.coupling.problem

    @cached_property
    def first_gap(self) -> float:
        """The dual gap after one plain iteration from zero; nan where the coupling does not tell it."""
        coupling = self.solution.coupling
        # Found to the tolerance, the dual value is the largest to second order in it.
        if not (self.solution.converged and isinstance(self.transport.solver, Sinkhorn)):
            return math.nan
        return first_gap(coupling, 0.0) if isinstance(coupling, EntropicCoupling) else math.nan

    @cached_property
    def rate(self) -> float:
        """By what factor the error of plain Sinkhorn falls at last, between the laws or Gaussians like the clouds."""
        if self.problem.power != 2 or not isinstance(self.transport.solver, Sinkhorn):
            return math.nan
        known = gaussians_of(self.pair)
        return math.nan if known is None else known.contraction(self.problem.epsilon)

    @cached_property
    def rows(self) -> Tensor:
        """Points of the first cloud that are looked at one by one: all of few, an even choice of many."""
        count = len(self.problem.points_x)
        return torch.linspace(0, count - 1, min(count, MOST_LOOKED_AT), dtype=torch.float64).round().long()

    @cached_property
    def looked_at(self) -> Coupling:
        """The coupling of these points alone."""
        rows, coupling = self.rows, self.solution.coupling
        if len(rows) == len(self.problem.points_x):
            return coupling
        a, problem = self.problem.weights_a[rows], self.problem
        few = replace(problem, points_x=problem.points_x[rows], weights_a=a)
        match coupling:
            case PotentialCoupling():
                potentials = Potentials(coupling.potentials.potential_f[rows], coupling.potentials.potential_g)
                return replace(coupling, problem=few, potentials=potentials)
            case LowRankCoupling():
                return replace(coupling, problem=few, left=coupling.left[rows])
            case _:
                raise AssertionError("there is no other kind of coupling")

    @cached_property
    def strongest(self) -> tuple[Float64[Tensor, " n"], NDArray[np.intp]]:
        """The largest share of each of these points' mass that goes to one other, and to which."""
        entries, places = self.looked_at.strongest(1)
        masses = self.looked_at.measures.marginals.rows.clamp(min=torch.finfo(torch.float64).tiny)
        return entries[:, 0] / masses, places[:, 0].numpy().astype(np.intp)

    @cached_property
    def debiased_map(self) -> Float64[Tensor, "rows d"]:
        """Where these points go on average, less where their own cloud sends them, plus where they are."""
        own = own_transport(self.problem, max(TOLERANCE, self.transport.solver.tolerance)).coupling
        sent = Coupled(self.pair, self.transport, replace(self.solution, coupling=own), self.is_whole, False).looked_at
        few = self.looked_at
        return few.problem.points_x + few.barycentric_map - sent.barycentric_map

    def plan(self, ranks: tuple[int, int], cells: int) -> Float64[Tensor, "across up"]:
        """Mass over that of independent points, by equal parts of both clouds in order along a coordinate of each."""
        known = self._plans.get((ranks, cells))
        if known is None:
            known = self._plans[ranks, cells] = _plan(self.looked_at, ranks, cells)
        return known

    @cached_property
    def _plans(self) -> dict[tuple[tuple[int, int], int], Tensor]:
        return {}


def _plan(coupling: Coupling, ranks: tuple[int, int], cells: int) -> Float64[Tensor, "across up"]:
    problem = coupling.problem
    a, b = problem.weights_a, problem.weights_b
    of_x = _parts(problem.points_x[:, ranks[0]], cells)
    of_y = _parts(problem.points_y[:, ranks[1]], cells)
    shape = int(of_x.max()) + 1, int(of_y.max()) + 1
    masses = torch.zeros(shape, dtype=torch.float64)

    def form(begin: int, end: int) -> Tensor:
        along = torch.zeros(end - begin, shape[1], dtype=torch.float64)
        along.index_add_(1, of_y, coupling.entries(begin, end))
        return torch.zeros_like(masses).index_add_(0, of_x[begin:end], along)

    over_rows(problem, FORMED, form, masses.add_, unheard)
    independent = torch.outer(
        torch.zeros(shape[0], dtype=torch.float64).index_add_(0, of_x, a),
        torch.zeros(shape[1], dtype=torch.float64).index_add_(0, of_y, b),
    )
    return masses / independent


def _parts(values: Float64[Tensor, " n"], cells: int) -> Tensor:
    """The number of the equal part, in order, in which each value is."""
    count = len(values)
    ranks = torch.empty(count, dtype=torch.int64)
    ranks[values.argsort(stable=True)] = torch.arange(count)
    return ranks * min(cells, count) // count


_PAIRS, _PROBLEMS = Kept[Pair](4), Kept[TransportProblem](4)
_WHOLE, _QUICK, _LAST = Kept[Coupled](8), Kept[Coupled](4), Kept[Potentials](4)


def clear() -> None:
    """Forget all clouds and couplings."""
    for kept in (_PAIRS, _PROBLEMS, _WHOLE, _QUICK, _LAST):
        kept.clear()


# ---------------------------------------------------------------------------------------------------- the coupling


def coupled_now(question: Question) -> Coupled:
    """The whole coupling if it is known, else one of fewer points, or less exact, from the last potentials.

    Errors: `ValueError` in one sentence for clouds that are not there, and those of the solver.
    """
    key = question.of_coupling
    return _WHOLE.find(key) or _QUICK.find(key) or _QUICK.keep(key, _quickly(question))


def _quickly(question: Question) -> Coupled:
    transport = question.transport
    is_fast = isinstance(transport.solver, _WARM)
    pair, problem = question.problem(QUICK_POINTS if is_fast else QUICK_SLOW_POINTS)
    looks = QUICK_LOOKS if is_fast else QUICK_SLOW_LOOKS
    n, m = len(problem.points_x), len(problem.points_y)
    solver = replace(
        transport.solver,
        tolerance=max(transport.solver.tolerance, QUICK_TOLERANCE),
        most_iterations=min(transport.solver.most_iterations, max(FEWEST_ITERATIONS, int(looks / (n * m)))),
    )
    # Potentials of clouds of another scale would lead astray.
    place = transport.clouds, transport.power, type(solver), n, m, round(math.log(problem.mean_cost, 4))
    last = _LAST.find(place) if isinstance(solver, _WARM) else None
    solution = solver.solve(problem, last or COLD)
    _remember(place, solution.coupling)
    return Coupled(pair, transport, solution, False, last is not None)


def _remember(place: Hashable, coupling: Coupling) -> None:
    if isinstance(coupling, EntropicCoupling) and coupling.potentials.potential_g.isfinite().all():
        _LAST.keep(place, coupling.potentials)


def couple(question: Question, watch: Watch) -> bool:
    """Find the whole coupling; whether that had to be done. `watch` hears of progress, and what it raises ends it.

    Errors: as `coupled_now`.
    """
    key, transport = question.of_coupling, question.transport
    if _WHOLE.find(key) is not None:
        return False
    pair, problem = question.problem(transport.points, lambda share: watch(0.2 * share))
    solution = transport.solver.solve(problem, COLD, heard(watch, 0.2, 0.6))
    solution.coupling.measure(lambda share: watch(0.8 + 0.2 * share))
    _WHOLE.keep(key, Coupled(pair, transport, solution, True, False))
    return True


def first_gap(coupling: EntropicCoupling, lacking: float) -> float:
    """What the dual value lacks after one plain iteration from zero, if that of the coupling lacks so much."""
    problem = coupling.problem
    with soft_minima(problem, lambda: None) as minima:
        f = problem.epsilon * minima.rows(torch.zeros_like(problem.weights_b), 1 / problem.epsilon)
    return max(0.0, coupling.dual_value + lacking - float(problem.weights_a @ f))


def earlier(question: Question) -> list[Coupled]:
    """Whole couplings of the same points at the same power that were found before, the last one last."""
    asked, found = question.transport, list[Coupled]()
    for key, run in _WHOLE.items():
        # The same but for epsilon and solver.
        alike = replace(asked, epsilon=run.transport.epsilon, solver=run.transport.solver)
        if key != question.of_coupling and key == replace(question, transport=alike).of_coupling:
            found.append(run)
    return found


def heard(watch: Watch, done: float, share: float) -> Callable[[Progress], None]:
    """What a solver tells, as a share of longer work of which so much was done before."""
    return lambda progress: watch(done + share * progress.fraction)


def gaussians_of(pair: Pair) -> GaussianTransport | None:
    """Transport between the laws, or Gaussians with the moments of the clouds; None with too many coordinates."""
    if pair.laws is not None:
        p, q = pair.laws
        return gaussian_transport(p, q)
    if pair.points_x.shape[1] > MOST_DENSE or min(len(pair.points_x), len(pair.points_y)) < 2:
        return None
    (mean_x, covariance_x), (mean_y, covariance_y) = (_moments(points) for points in (pair.points_x, pair.points_y))
    return dense_transport(mean_x, covariance_x, mean_y, covariance_y)


def _moments(points: Float64[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
    mean = points.mean(0)
    return mean, (points - mean).mT @ (points - mean) / (len(points) - 1)
