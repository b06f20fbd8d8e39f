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
from kernels.distances.base import Estimate
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.pairs import Pair, Transport
from kernels.particles import Sampling
from kernels.scores import Trained
from kernels.transport import (
    COLD,
    AnnealedSinkhorn,
    Coupling,
    EntropicCoupling,
    GaussianTransport,
    LowRankCoupling,
    Potentials,
    Progress,
    SampleSizeEffects,
    Sinkhorn,
    Solution,
    TransportProblem,
    UnbalancedCoupling,
    UnbalancedSinkhorn,
    dense_transport,
    epsilon_for_perplexity,
    exact_transport,
    gaussian_transport,
    own_transport,
    richardson,
    sample_size_effects,
    sinkhorn_divergence,
    transport_problem,
)
from kernels.transport.estimators import standard_error
from kernels.transport.sample_size import MOST_EXACT

Floats = NDArray[np.float64]
Watch = Callable[[float], None]

# What a person who moves a slider can wait for: points, looks at pairs, and the marginal error that is enough then.
QUICK_POINTS, QUICK_SLOW_POINTS, QUICK_LOOKS, QUICK_TOLERANCE = 2000, 400, 2.5e8, 1e-3
FEWEST_ITERATIONS = 20
# Solvers whose iterations are passes over pairs that start from potentials.
_WARM = (Sinkhorn, UnbalancedSinkhorn)
# The costs against epsilon: its values over the mean cost, each the root of two times the next, and points.
LADDER = tuple(2.0 ** (0.5 * k) for k in range(0, -21, -1))
LADDER_POINTS, QUICK_LADDER_POINTS = 1000, 200
ESTIMATE_POINTS, QUICK_ESTIMATE_POINTS = 2000, 300
# Bias and fluctuation: sizes, points where it is over modes, and how often it is drawn again.
SIZES, SIZE_OVER_MODES, REPLICAS = (50, 100, 200, 400, 800), 200, 8
MOST_MODES = 9
PARTNERS, SCALE_POINTS = 10.0, 1000
# Points of a coupling that are looked at one by one, and of a cloud that is coupled with itself to be drawn.
MOST_LOOKED_AT, MOST_DEBIASED = 2000, 10_000
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
        """What the clouds depend on, but for how many points they have."""
        clouds = self.transport.clouds
        return (
            clouds,
            replace(self.sampling, particles=2),
            *((self.experiment, self.trained) if clouds.is_sampled else ()),
        )

    @property
    def of_coupling(self) -> Hashable:
        """What the coupling depends on."""
        return self.of_clouds, self.transport.asked

    def problem(self, points: int, watch: Watch = lambda share: None) -> tuple[Pair, TransportProblem]:
        """The clouds, with at most so many points each, and what is asked of them.

        Errors: `ValueError` in one sentence where there are no such clouds.
        """
        count, key = min(points, self.transport.points), self.of_clouds
        pair = _PAIRS.find((key, count)) or _PAIRS.keep((key, count), self._drawn(count, watch))
        problem = transport_problem(pair.points_x, pair.points_y, 1.0, self.transport.power)
        return pair, problem.relative(self.transport.epsilon)

    def _drawn(self, count: int, watch: Watch) -> Pair:
        sampling = replace(self.sampling, particles=count)
        return self.transport.clouds.drawn(self.experiment, sampling, self.trained, watch)


@dataclass(frozen=True, eq=False)
class Coupled:
    """A coupling of two clouds; `is_whole` says that it is of all points asked for, and found from nothing."""

    pair: Pair
    transport: Transport
    solution: Solution[Coupling]
    is_whole: bool

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
            case EntropicCoupling() | UnbalancedCoupling():
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
        sent = Coupled(self.pair, self.transport, replace(self.solution, coupling=own), self.is_whole).looked_at
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
    for begin, end in problem.blocks():
        along = torch.zeros(end - begin, shape[1], dtype=torch.float64)
        along.index_add_(1, of_y, coupling.entries(begin, end))
        masses.index_add_(0, of_x[begin:end], along)
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


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs and estimates against epsilon, over the mean cost `unit`, from large to small, on `points` points of each.

    Standard errors are those of the divergence. `richardson` is nan while it is not known, `exact`, the cost without
    regularization, where it takes too long. `limits` are the entropic cost, the divergence, its extrapolation and the
    exact cost between the laws, or where `of_laws` says that they are unknown, between Gaussians with the moments of
    the clouds; None for another power.
    """

    points: int
    unit: float
    epsilons: Floats
    entropic: Floats
    transport: Floats
    divergence: Floats
    standard_error: Floats
    richardson: Floats
    partners: Floats
    exact: float
    limits: tuple[Floats, Floats, Floats, float] | None
    of_laws: bool
    is_whole: bool


@dataclass(frozen=True, eq=False)
class Estimates:
    """Squared distances by each of `ESTIMATORS`, on clouds of so many points, and what they tend to with that number.

    `limits` and `truth` are of the laws, nan where they are unknown, or for another power than 2.
    """

    points: int
    epsilon: float
    found: tuple[Estimate, ...]
    limits: tuple[float, ...]
    truth: float
    is_whole: bool


@dataclass(frozen=True, eq=False)
class Scales:
    """Regularizations worth trying, over the mean cost."""

    nearest: float
    """Mean squared distance of a point to the nearest one of the other cloud."""
    few_partners: float
    """Where points have `PARTNERS` partners."""


class UnknownLawsError(ValueError):
    """There is no exact distance to compare with."""


_PAIRS, _WHOLE, _QUICK = Kept[Pair](6), Kept[Coupled](8), Kept[Coupled](4)
_LAST, _COSTS, _ESTIMATES = Kept[Potentials](4), Kept[Costs](6), Kept[Estimates](8)
_EFFECTS, _SCALES = Kept[SampleSizeEffects](6), Kept[Scales](8)


def clear() -> None:
    """Forget all that was found."""
    for kept in (_PAIRS, _WHOLE, _QUICK, _LAST, _COSTS, _ESTIMATES, _EFFECTS, _SCALES):
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
    is_fast = isinstance(transport.solver, (*_WARM, AnnealedSinkhorn))
    pair, problem = question.problem(QUICK_POINTS if is_fast else QUICK_SLOW_POINTS)
    n, m = len(problem.points_x), len(problem.points_y)
    solver = replace(
        transport.solver,
        tolerance=max(transport.solver.tolerance, QUICK_TOLERANCE),
        most_iterations=min(transport.solver.most_iterations, max(FEWEST_ITERATIONS, int(QUICK_LOOKS / (n * m)))),
    )
    # Potentials of clouds of another scale would lead astray.
    place = transport.clouds, transport.power, type(solver), n, m, round(math.log(problem.mean_cost, 4))
    last = _LAST.find(place) if isinstance(solver, _WARM) else None
    solution = solver.solve(problem, last or COLD)
    _remember(place, solution.coupling)
    return Coupled(pair, transport, solution, False)


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
    solution = transport.solver.solve(problem, COLD, _heard(watch, 0.2, 0.6))
    solution.coupling.measure(lambda share: watch(0.8 + 0.2 * share))
    _WHOLE.keep(key, Coupled(pair, transport, solution, True))
    return True


def first_gap(coupling: EntropicCoupling, lacking: float) -> float:
    """What the dual value lacks after one plain iteration from zero, if that of the coupling lacks so much."""
    problem = coupling.problem
    zero = Potentials(torch.zeros_like(problem.weights_a), torch.zeros_like(problem.weights_b))
    # So small a tolerance asks for 64 bits.
    once = Sinkhorn(memory=0, most_iterations=1, tolerance=1e-12, storage="streamed").solve(problem, zero)
    return max(0.0, coupling.dual_value + lacking - float(once.history.duals[0]))


def earlier(question: Question) -> list[Coupled]:
    """Whole couplings of the same clouds that were found before, the last one last."""
    mine = question.of_coupling
    return [found for key, found in _WHOLE.items() if key != mine and key[0] == question.of_clouds]  # pyright: ignore


def _heard(watch: Watch, done: float, share: float) -> Callable[[Progress], None]:
    return lambda progress: watch(done + share * progress.fraction)


# ------------------------------------------------------------------------------------------------ costs and epsilon


def costs_now(question: Question) -> Costs:
    """Costs against epsilon, on all points that are used if that is known, else on few; errors as `coupled_now`."""
    key = _of_costs(question)
    return _COSTS.find((key, True)) or _COSTS.find((key, False)) or _costs(question, lambda share: None, is_whole=False)


def find_costs(question: Question, watch: Watch) -> bool:
    """Find them on all points that are used; as `couple`."""
    if _COSTS.find((_of_costs(question), True)) is not None:
        return False
    _costs(question, watch, is_whole=True)
    return True


def _of_costs(question: Question) -> Hashable:
    return question.of_clouds, question.transport.points, question.transport.power


def _costs(question: Question, watch: Watch, *, is_whole: bool) -> Costs:
    pair, problem = question.problem(LADDER_POINTS if is_whole else QUICK_LADDER_POINTS)
    solver, start = Sinkhorn(tolerance=TOLERANCE, most_iterations=2000), COLD
    rows: list[tuple[float, ...]] = []
    # Many small problems cost a moment each: a person who moves something sees every other one.
    fractions = LADDER if is_whole else LADDER[::2]
    for done, fraction in enumerate(fractions):
        part = _heard(watch, done / len(fractions), 1 / len(fractions))
        found = sinkhorn_divergence(problem.relative(fraction), solver, start, part)
        start = found.coupling.potentials
        estimate = found.estimate
        rows.append(
            (
                found.coupling.problem.epsilon,
                found.coupling.dual_value,
                found.coupling.transport_cost,
                estimate.value,
                estimate.standard_error,
                found.coupling.perplexity,
            )
        )
    epsilons, entropic, transport, divergence, error, partners = np.array(rows).T
    # Where each epsilon is the root of two times the next, the extrapolation needs no more.
    richardson = np.concatenate([[np.nan], 2 * divergence[1:] - divergence[:-1]])
    richardson = richardson if is_whole else np.full_like(divergence, np.nan)
    limits, unit = _limits(pair, problem, epsilons), problem.mean_cost
    exact = exact_transport(problem).cost if _has_exact(problem) else math.nan
    found = Costs(
        len(problem.points_x),
        unit,
        epsilons,
        entropic,
        transport,
        divergence,
        error,
        richardson,
        partners,
        exact,
        limits,
        pair.laws is not None,
        is_whole,
    )
    return _COSTS.keep((_of_costs(question), is_whole), found)


def _has_exact(problem: TransportProblem) -> bool:
    return problem.points_x.shape[1] == 1 or max(len(problem.points_x), len(problem.points_y)) <= MOST_EXACT


def _limits(pair: Pair, problem: TransportProblem, epsilons: Floats) -> tuple[Floats, Floats, Floats, float] | None:
    known = gaussians_of(pair) if problem.power == 2 else None
    if known is None:
        return None
    rows = [(known.entropic_cost(e), known.divergence(e), known.richardson(e)) for e in epsilons.tolist()]
    entropic, divergence, extrapolated = np.array(rows).T
    return entropic, divergence, extrapolated, known.wasserstein2_squared


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


# -------------------------------------------------------------------------------------------------------- estimates


def estimates_now(question: Question) -> Estimates:
    """Estimates of the squared distance, on all points that are used if known, else on few; errors as `coupled_now`."""
    key = question.of_coupling
    return (
        _ESTIMATES.find((key, True))
        or _ESTIMATES.find((key, False))
        or _estimates(question, lambda share: None, is_whole=False)
    )


def known_estimates(question: Question) -> Estimates | None:
    """The whole ones, if they are known."""
    return _ESTIMATES.find((question.of_coupling, True))


def find_estimates(question: Question, watch: Watch) -> bool:
    """Find them on all points that are used; as `couple`."""
    if _ESTIMATES.find((question.of_coupling, True)) is not None:
        return False
    _estimates(question, watch, is_whole=True)
    return True


def _estimates(question: Question, watch: Watch, *, is_whole: bool) -> Estimates:
    pair, problem = question.problem(ESTIMATE_POINTS if is_whole else QUICK_ESTIMATE_POINTS)
    both = richardson(problem, Sinkhorn(tolerance=TOLERANCE), COLD, _heard(watch, 0.0, 0.7))
    exact = Estimate(math.nan, math.nan, (len(problem.points_x), len(problem.points_y)))
    if _has_exact(problem):
        watch(0.7)
        coupling = exact_transport(problem)
        a, b, potentials = problem.weights_a, problem.weights_b, coupling.potentials
        error = math.hypot(standard_error(a, potentials.potential_f), standard_error(b, potentials.potential_g))
        exact = Estimate(coupling.cost, error, exact.points)
    known = gaussians_of(pair) if problem.power == 2 and pair.laws is not None else None
    e = problem.epsilon
    limits, truth = (math.nan,) * 4, math.nan
    if known is not None:
        truth = known.wasserstein2_squared
        limits = known.entropic_cost(e), known.divergence(e), known.richardson(e), truth
    values = both.sharp.entropic, both.sharp.estimate, both.estimate, exact
    found = Estimates(len(problem.points_x), e, values, limits, truth, is_whole)
    return _ESTIMATES.keep((question.of_coupling, is_whole), found)


def laws_of(question: Question) -> tuple[Gaussian, Gaussian]:
    """The laws that the clouds are drawn from.

    Errors: `UnknownLawsError` where they are not known, or the power is not 2; and as `coupled_now`.
    """
    if question.transport.power != 2:
        raise UnknownLawsError(f"exact distances are of power 2, got {question.transport.power:g}; choose 2.")
    pair, _ = question.problem(QUICK_ESTIMATE_POINTS)
    if pair.laws is None:
        raise UnknownLawsError("the laws of these clouds are not known; choose Gaussian data with an affine score.")
    return pair.laws


def gaussian_limits(question: Question, modes: tuple[int, ...]) -> Floats:
    """What each of `ESTIMATORS` tends to with ever more points, in so many modes; errors as `laws_of`."""
    p, q = laws_of(question)
    rows: list[tuple[float, ...]] = []
    for count in modes:
        known = gaussian_transport(
            *(Gaussian(law.mean.expand_as(law.variance)[:count], law.variance[:count]) for law in (p, q))
        )
        spread = float(
            (known.mean_a - known.mean_b).square().sum() + p.variance[:count].sum() + q.variance[:count].sum()
        )
        e = question.transport.epsilon * spread
        rows.append((known.entropic_cost(e), known.divergence(e), known.richardson(e), known.wasserstein2_squared))
    return np.array(rows).T


def effects_over(question: Question, over: str) -> SampleSizeEffects | None:
    """Bias and fluctuation over "points" or "modes", if they are known; None if they are not."""
    return _EFFECTS.find((question.of_coupling, over))


def find_effects(question: Question, over: str, watch: Watch) -> bool:
    """Draw clouds again and again, of more and more points, or in more and more modes; as `couple`.

    Errors: as `laws_of`.
    """
    key = question.of_coupling, over
    if _EFFECTS.find(key) is not None:
        return False
    p, q = laws_of(question)
    modes = dimensions(len(p.variance)) if over == "modes" else (len(p.variance),)
    sizes = (SIZE_OVER_MODES,) if over == "modes" else SIZES
    epsilon, seed = question.transport.epsilon, question.sampling.seed
    solver = Sinkhorn(tolerance=TOLERANCE)
    _EFFECTS.keep(key, sample_size_effects(p, q, modes, sizes, (epsilon,), REPLICAS, seed, solver, watch))
    return True


def dimensions(most: int) -> tuple[int, ...]:
    """Numbers of modes from one to all, in the logarithm."""
    return tuple(np.unique(np.geomspace(1, most, MOST_MODES).round().astype(int)).tolist())


# ----------------------------------------------------------------------------------------------------------- scales


def scales_of(question: Question) -> Scales | None:
    """Regularizations worth trying, if they are known."""
    return _SCALES.find(_of_costs(question))


def find_scales(question: Question, watch: Watch) -> bool:
    """Find them; as `couple`."""
    key = _of_costs(question)
    if _SCALES.find(key) is not None:
        return False
    _, problem = question.problem(SCALE_POINTS)
    unit = problem.mean_cost
    nearest = float(torch.cat([problem.cost(begin, end).amin(1) for begin, end in problem.blocks()]).mean())
    few = math.nan
    if min(len(problem.points_x), len(problem.points_y)) > PARTNERS:
        few = epsilon_for_perplexity(problem, PARTNERS, Sinkhorn(tolerance=1e-2), _heard(watch, 0.0, 1.0)) / unit
    _SCALES.keep(key, Scales(nearest / unit, few))
    return True
