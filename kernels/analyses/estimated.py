"""What two clouds tell of the distance between their laws: costs, estimates, their bias, and epsilons worth trying.

Quickly on few points while a person moves something, whole once they rest; of all results the last few are kept.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.analyses import coupled
from kernels.analyses.coupled import TOLERANCE, Question, Watch, gaussians_of, heard
from kernels.analyses.kept import Kept
from kernels.distances.base import Estimate
from kernels.gaussian import Gaussian
from kernels.pairs import Pair
from kernels.transport import (
    COLD,
    SampleSizeEffects,
    Sinkhorn,
    TransportProblem,
    epsilon_for_perplexity,
    exact_transport,
    gaussian_transport,
    richardson,
    sample_size_effects,
    sinkhorn_divergence,
)
from kernels.transport.estimators import standard_error
from kernels.transport.sample_size import MOST_EXACT

Floats = NDArray[np.float64]

# The costs against epsilon: its values over the mean cost, each the root of two times the next, and points.
LADDER = tuple(2.0 ** (0.5 * k) for k in range(0, -21, -1))
LADDER_POINTS, QUICK_LADDER_POINTS = 1000, 200
ESTIMATE_POINTS, QUICK_ESTIMATE_POINTS = 1000, 300
# Bias and fluctuation: sizes, points where it is over modes, and how often it is drawn again.
SIZES, SIZE_OVER_MODES, REPLICAS = (50, 100, 200, 400, 800), 200, 8
MOST_MODES = 9
PARTNERS, SCALE_POINTS = 10.0, 1000


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs and estimates against epsilon, from large to small; `unit` is the mean cost, `points` how many there are.

    Standard errors are those of the divergence. `richardson` is nan while it is not known, `exact`, the cost without
    regularization, where it takes too long. `limits` are the entropic cost, the divergence, its extrapolation and the
    exact cost between the laws, or where `of_laws` says that they are unknown, between Gaussians with the moments of
    the clouds; None for another power.
    """

    points: tuple[int, int]
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
    """Squared distances by each of `ESTIMATORS`, on clouds of so many points, and what they tend to with ever more.

    `limits` and `truth` are of the laws, nan where they are unknown, or for another power than 2.
    """

    points: tuple[int, int]
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


_COSTS, _ESTIMATES = Kept[Costs](6), Kept[Estimates](8)
_EFFECTS, _SCALES = Kept[SampleSizeEffects](6), Kept[Scales](8)


def clear() -> None:
    """Forget all that was found, and the couplings it came from."""
    coupled.clear()
    for kept in (_COSTS, _ESTIMATES, _EFFECTS, _SCALES):
        kept.clear()


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
    # Many small problems cost a moment each: a person who moves something sees every fourth one.
    fractions = LADDER if is_whole else LADDER[::4]
    for done, fraction in enumerate(fractions):
        part = heard(watch, done / len(fractions), 1 / len(fractions))
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
        _sizes(problem),
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


def _sizes(problem: TransportProblem) -> tuple[int, int]:
    return len(problem.points_x), len(problem.points_y)


def _has_exact(problem: TransportProblem) -> bool:
    return problem.points_x.shape[1] == 1 or max(_sizes(problem)) <= MOST_EXACT


def _limits(pair: Pair, problem: TransportProblem, epsilons: Floats) -> tuple[Floats, Floats, Floats, float] | None:
    known = gaussians_of(pair) if problem.power == 2 else None
    if known is None:
        return None
    rows = [(known.entropic_cost(e), known.divergence(e), known.richardson(e)) for e in epsilons.tolist()]
    entropic, divergence, extrapolated = np.array(rows).T
    return entropic, divergence, extrapolated, known.wasserstein2_squared


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
    both = richardson(problem, Sinkhorn(tolerance=TOLERANCE), COLD, heard(watch, 0.0, 0.7))
    exact = Estimate(math.nan, math.nan, _sizes(problem))
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
    found = Estimates(_sizes(problem), e, values, limits, truth, is_whole)
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
        few = epsilon_for_perplexity(problem, PARTNERS, Sinkhorn(tolerance=1e-2), heard(watch, 0.0, 1.0)) / unit
    _SCALES.keep(key, Scales(nearest / unit, few))
    return True
