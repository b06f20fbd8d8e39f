"""The error of a sampler: exact Wasserstein distance, its sources, and its share by mode."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from kernels.arrays import Modes, Times
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian, kl_of_deviation
from kernels.nodes import (
    RESOLVED,
    ROUNDING,
    Pairs,
    Panel,
    Terms,
    reduced,
    sample,
    separate,
    times_mean_squares,
)
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.run import Steps, Transition, accumulate, accumulate_equal, transitions, variances
from kernels.samplers import Kinetic, SingleLevel
from kernels.stochasticity import Constant

SNAPSHOTS = 100

# The quantities known at every node and column. Deviations are of the variance from that of the exact law, means are
# deviations per unit mean. STEP is for an exact start, START for exact dynamics from the chosen start. Deviations are
# propagated, not subtracted, so that they keep their digits.
(
    EIGENVALUE,
    EXACT,
    DEVIATION,
    VARIANCE,
    MEAN,
    STEP_DEVIATION,
    STEP_VARIANCE,
    STEP_MEAN,
    START_DEVIATION,
    START_MEAN,
) = range(10)
MEANS = [MEAN, STEP_MEAN, START_MEAN]
VARIANCES = [VARIANCE, STEP_VARIANCE]
MOST_RANGE = 1e8
# Modes that are computed together where each is computed by itself.
AT_ONCE = 4096


@dataclass(frozen=True)
class Sources:
    """2-Wasserstein distances, in the units of the data.

    `total`: the sampler's result to the data. `discretization`: the sampler from an exact start to the exact law at
    the stop time. `initialization`: the exact reverse dynamics from the chosen start to that law. `truncation`: that
    law to the data.
    """

    total: Float64[Tensor, "*times"]
    discretization: Float64[Tensor, "*times"]
    initialization: Float64[Tensor, "*times"]
    truncation: Float64[Tensor, "*times"]


@dataclass(frozen=True)
class ByMode:
    """The sampler's result mode by mode, largest eigenvalue first.

    `error` is the signed error of the standard deviation, sqrt(variance) - sqrt(eigenvalue); `mean_error` that of the
    mean; `share` the part of the squared total; `is_stable` is false where some step turns a deviation around and
    makes it larger, and where the result is infinite.
    """

    eigenvalue: Modes
    mean: Modes
    variance: Modes
    error: Modes
    mean_error: Modes
    share: Modes
    is_stable: Bool[Tensor, " modes"]


@dataclass(frozen=True)
class ErrorReport:
    """Everything exact about the result of one experiment."""

    calls: int
    wasserstein2: Sources
    kl: float
    frechet: float
    modes: ByMode

    @property
    def is_stable(self) -> bool:
        """Whether every mode is stable."""
        return bool(self.modes.is_stable.all())


@dataclass(frozen=True)
class Followed:
    """Laws of a few modes along the way: the sampler's and the exact one; axes (times, modes)."""

    times: Times
    sampled: Gaussian
    exact: Gaussian


@dataclass(frozen=True)
class Path:
    """Errors along the way at about SNAPSHOTS of the times, the first and last among them.

    `calls` counts the score evaluations so far.
    """

    times: Times
    steps: Int64[Tensor, " times"]
    calls: Int64[Tensor, " times"]
    total: Times
    discretization: Times


@final
class Solution:
    """Laws of a sampler as functions of the eigenvalue, in columns.

    With one run the columns are numbers of steps along it, from 0 to N; with several runs (grids) they are the ends
    of the runs. The runs share everything else.
    """

    def __init__(self, experiment: Experiment, runs: tuple[Float64[Tensor, " _"], ...], snapshots: int) -> None:
        self.experiment = experiment
        self._process = experiment.noising
        self.runs = runs
        self._data = experiment.data
        self.law = self._data.law
        self._by_mode = experiment.by_mode
        self.levels, first = separate(self.law) if self._by_mode else reduced(self.law)
        # The mean of a mode is the product of the two: means are found per unit mean where nodes stand for modes.
        self._scale, self._mean = (1.0, self.law.mean) if self._by_mode else (self.law.mean, 1.0)
        self.ends: list[int] = []
        self._snapshots = snapshots
        self._has_mean = bool(self.levels.mean_squares.any())
        self._unstable: list[tuple[Tensor, Tensor]] = []
        self._sampled = sample(self.levels, first, self._evaluate, _is_resolved)

    @property
    def panels(self) -> list[Panel]:
        """The panels on which the laws are resolved."""
        return self._sampled.panels

    @cached_property
    def times(self) -> Times:
        """The process's time at each column."""
        first, *others = self.runs
        return torch.stack([run[-1] for run in self.runs]) if others else first[self.ends]

    def _evaluate(self, eigenvalues: Tensor) -> Tensor:
        if not self._by_mode:
            return self._values(Conditioned(Gaussian(torch.ones(1, dtype=torch.float64) * self._has_mean, eigenvalues)))
        begins = range(0, len(eigenvalues), AT_ONCE)
        return torch.cat([self._values(self._data.at(slice(begin, begin + AT_ONCE))) for begin in begins], -1)

    def _values(self, sampled: Conditioned) -> Tensor:
        data, eigenvalues = sampled.law, sampled.law.variance
        process, sampler = self._process, self.experiment.sampler
        problem = Problem(data, process, self.experiment.score.fit(sampled))
        # Steps at one level are all alike.
        alone = isinstance(sampler, SingleLevel)
        steps = Steps.along(*((self.runs[0][-2:],) if alone else self.runs))
        moves = transitions(sampler, problem, steps)
        overshoots = _spirals_out(moves) if isinstance(sampler, Kinetic) else _overshoots(moves, problem, steps)
        self._unstable.append((eigenvalues, overshoots))
        gain, push, noise, shift, defect = self._composed(moves)
        starts = torch.stack([run[0] for run in self.runs])
        first, exact = variances(problem, starts), variances(problem, self.times)
        start = self.experiment.start.deviation(data, process, starts.unsqueeze(-1))
        # Not the sum of exact variance and deviation: of noise far smaller than the data it would lose the digits.
        started = self.experiment.start.law(data, process, starts.unsqueeze(-1)).variance
        ratio = exact / first
        kept = ratio * self._forgotten(eigenvalues, starts, ratio)
        square, pushed = gain.square(), push.square()
        # A velocity that starts at rest lacks its exact variance, which is 1.
        rest = -pushed if self.experiment.start.at_rest else torch.zeros_like(pushed)
        noise = noise + pushed
        values = torch.stack(
            [
                eigenvalues.expand_as(exact),
                exact,
                square * start.variance + rest + defect,
                square * started + rest + noise,
                gain * start.mean + shift,
                defect,
                square * first + noise,
                shift.expand_as(exact),
                kept * start.variance - self._missing(eigenvalues, starts),
                kept.sqrt() * start.mean,
            ]
        )
        # inf - inf and inf * 0 only arise where a scheme has blown up.
        return values if bool(values.sum().isfinite()) else torch.where(values.isnan(), torch.inf, values)

    def _forgotten(self, eigenvalues: Tensor, starts: Tensor, ratio: Tensor) -> Tensor:
        """What noise makes a deviation of the variance lose beside the flow, by column; `ratio` is the flow's part."""
        process, sampler = self._process, self.experiment.sampler
        limit = sampler.limit_stochasticity
        if isinstance(sampler, SingleLevel):
            stationary = eigenvalues + process.sigma(self.times[-1]).square()
            return sampler.kept(stationary, (starts - self.times).unsqueeze(-1)).square()
        if isinstance(limit, Constant):
            # At the start itself, where there may be no signal, nothing has been forgotten.
            shrunk = torch.where(self.times == starts, 1.0, process.alpha(starts) / process.alpha(self.times))
            return (ratio * shrunk.square().unsqueeze(-1)).pow(limit.value)
        ratios = process.noise_ratio(self.times).unsqueeze(-1)
        if len(self.runs) == 1:
            return limit.forgotten(eigenvalues, ratios).exp()
        pairs = torch.stack([process.noise_ratio(starts).unsqueeze(-1), ratios], 1)
        return torch.stack([limit.forgotten(eigenvalues, pair)[-1] for pair in pairs]).exp()

    def _missing(self, eigenvalues: Tensor, starts: Tensor) -> Tensor:
        """What the exact dynamics lack where a velocity starts at rest, by column."""
        sampler = self.experiment.sampler
        if not isinstance(sampler, SingleLevel) or not self.experiment.start.at_rest:
            return torch.zeros((), dtype=torch.float64)
        stationary = eigenvalues + self._process.sigma(self.times[-1]).square()
        return sampler.from_velocity(stationary, (starts - self.times).unsqueeze(-1)).square()

    def _composed(self, moves: Transition) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gain, what a velocity adds, noise, shift and defect of the state itself, by column."""
        if len(self.runs) == 1:
            whole, ends = self._accumulated(moves, 0, len(self.runs[0]) - 1)
            self.ends = [0, *ends]
            still = torch.zeros_like(whole.gain[0, 0, :1])
            return (
                torch.cat([still + 1, whole.gain[0, 0]]),
                _pushes(torch.cat([still, whole.gain[0, -1]]), whole),
                torch.cat([still, whole.noise[0, 0]]),
                still if whole.shift is None else torch.cat([still, whole.shift[0]]),
                torch.cat([still, whole.defect[0, 0]]),
            )
        ends = torch.tensor([len(run) - 1 for run in self.runs]).cumsum(0).tolist()
        parts = [
            self._accumulated(moves, end - len(run) + 1, end)[0][-1] for run, end in zip(self.runs, ends, strict=True)
        ]
        still = torch.zeros_like(parts[0].gain[0, 0]).unsqueeze(0)
        return (
            torch.stack([part.gain[0, 0] for part in parts]),
            torch.stack([_pushes(part.gain[0, -1], part) for part in parts]),
            torch.stack([part.noise[0, 0] for part in parts]),
            torch.stack([still[0] if part.shift is None else part.shift[0] for part in parts]),
            torch.stack([part.defect[0, 0] for part in parts]),
        )

    def _accumulated(self, moves: Transition, begin: int, end: int) -> tuple[Transition, list[int]]:
        if isinstance(self.experiment.sampler, SingleLevel):
            return accumulate_equal(moves, end - begin, self._snapshots)
        return accumulate(moves[begin:end], self._snapshots)

    def _distances(self, terms: Terms) -> list[Times]:
        sums = self._sampled.sums(terms)
        return [(a + b).sqrt() for a, b in zip(sums[::2], sums[1::2], strict=True)]

    def _source_terms(self, values: Tensor, columns: Tensor) -> Pairs:
        """The squares that make the four distances."""
        process, times = self._process, self.times[columns].unsqueeze(-1)
        lost = process.signal_lost(times)
        short = -lost / (1 + process.alpha(times)) * self._mean
        eigenvalue, exact = values[EIGENVALUE], values[EXACT]
        gap, started = process.sigma(times).square() - lost * eigenvalue, exact + values[START_DEVIATION]
        return (
            *_terms(values[DEVIATION] + gap, values[VARIANCE], eigenvalue, values[MEAN] + short),
            *_terms(values[STEP_DEVIATION], values[STEP_VARIANCE], exact, values[STEP_MEAN]),
            *_terms(values[START_DEVIATION], started, exact, values[START_MEAN]),
            *_terms(gap, exact, eigenvalue, short.expand_as(gap)),
        )

    @cached_property
    def sources(self) -> Sources:
        """The four distances, by column."""
        return Sources(*self._distances(self._source_terms))

    @cached_property
    def _final(self) -> tuple[Sources, Tensor]:
        """The four distances at the last column, and all quantities there at the distinct eigenvalues."""
        values, levels = self._sampled.at_levels(-1), self.levels
        last = torch.tensor([len(self.times) - 1])
        squares = [square[0] for square, _ in self._source_terms(values.unsqueeze(1), last)]
        sums = [
            levels.counts @ a + times_mean_squares(b, levels.mean_squares)
            for a, b in zip(squares[::2], squares[1::2], strict=True)
        ]
        return Sources(*(total.sqrt() for total in sums)), values

    def path(self) -> Path:
        """Errors against the exact law at the same time, along the way."""

        def terms(values: Tensor, columns: Tensor) -> Pairs:
            exact = values[EXACT]
            return (
                *_terms(values[DEVIATION], values[VARIANCE], exact, values[MEAN]),
                *_terms(values[STEP_DEVIATION], values[STEP_VARIANCE], exact, values[STEP_MEAN]),
            )

        total, step = self._distances(terms)
        steps = torch.tensor(self.ends)
        calls = self.experiment.sampler.calls * steps
        calls[-1] = self.experiment.calls
        return Path(self.times, steps, calls, total, step)

    def followed(self, ranks: list[int]) -> Followed:
        """Laws of chosen modes, by rank, along the way."""
        values = self._sampled.at([int(self.levels.position[rank]) for rank in ranks])
        alpha = self._process.alpha(self.times).unsqueeze(-1)
        mean = self.law.mean[ranks]
        exact = (mean * alpha).expand_as(values[MEAN])
        sampled = exact + values[MEAN] if self._by_mode else mean * (alpha + values[MEAN])
        return Followed(self.times, Gaussian(sampled, values[VARIANCE]), Gaussian(exact, values[EXACT]))

    def report(self) -> ErrorReport:
        """Distances, divergences and the errors mode by mode, at the last column."""
        sources, at_levels = self._final
        values = at_levels[:, self.levels.position]
        process, stop = self._process, self.times[-1]
        lost, noise = process.signal_lost(stop), process.sigma(stop).square()
        eigenvalue, mean = self.law.variance, self.law.mean
        deviation = values[DEVIATION] + noise - lost * eigenvalue
        mean_error = self._scale * (values[MEAN] - lost / (1 + process.alpha(stop)) * self._mean)
        error = _root_difference(deviation, values[VARIANCE], eigenvalue)
        squares, square = error.square() + mean_error.square(), sources.total.square()
        share = torch.where(square > 0, squares / square, 0.0)
        stable = self._is_stable() & values[VARIANCE].isfinite()
        modes = ByMode(eigenvalue, mean + mean_error, values[VARIANCE], error, mean_error, share, stable)
        divergence = torch.nan_to_num(
            kl_of_deviation(deviation, mean_error, eigenvalue), nan=torch.inf, posinf=torch.inf
        )
        return ErrorReport(self.experiment.calls, sources, float(divergence), float(square), modes)

    def _is_stable(self) -> Bool[Tensor, " modes"]:
        """Between nodes stability is read off the nearest: it is told, it enters no law."""
        eigenvalues = torch.cat([nodes for nodes, _ in self._unstable])
        unstable = torch.cat([found for _, found in self._unstable])
        if self._by_mode or not bool(unstable.any()):
            return ~unstable if self._by_mode else torch.ones(len(self.law.variance), dtype=torch.bool)
        ordered, order = eigenvalues.sort()
        nearest = torch.bucketize(self.levels.eigenvalues, 0.5 * (ordered[1:] + ordered[:-1]))
        return ~unstable[order][nearest][self.levels.position]


def _pushes(last: Tensor, whole: Transition) -> Tensor:
    """The part of the second component in the first, if there is one."""
    return last if whole.gain.shape[0] == 2 else torch.zeros_like(last)


def _overshoots(moves: Transition, problem: Problem, steps: Steps) -> Bool[Tensor, " nodes"]:
    """Whether a step turns a deviation around and makes it larger, in units of the exact deviation."""
    gain = moves.gain[0, 0]
    if moves.gain.shape[0] == 2:
        # The least root of a step that remembers the one before; a pair that spirals has its modulus as real part.
        remembered = torch.cat([torch.zeros_like(gain[:1]), moves.gain[1, 0][:-1]])
        half, product = 0.5 * gain, -moves.gain[0, 1] * remembered
        spread = half.square() - product
        gain = torch.where(spread >= 0, half - spread.clamp_min(0).sqrt(), -product.clamp_min(0).sqrt())
    # Most steps of most runs turn nothing around: only the others are looked at closely.
    rows = (gain.amin(1) < -ROUNDING).nonzero().flatten()
    # A step that ends in a point mass has a gain of zero, but for rounding.
    gain = torch.where(gain[rows] < -ROUNDING, gain[rows], 0.0)
    before, after = problem.exact_variance(steps.t0[rows]), problem.exact_variance(steps.t1[rows])
    return (gain.square() * before > after).any(0)


def _spirals_out(moves: Transition) -> Bool[Tensor, " nodes"]:
    """Whether a step of position and velocity makes some deviation larger, time after time."""
    (a, b), (c, d) = moves.gain[:, :, 0]
    half, product = 0.5 * (a + d), a * d - b * c
    spread = half.square() - product
    largest = torch.where(spread >= 0, half.abs() + spread.clamp_min(0).sqrt(), product.clamp_min(0).sqrt())
    return largest > 1


def _is_resolved(values: Tensor, tail: Tensor) -> bool:
    """Whether interpolation is exact to rounding: relative to the exact variance, and to one for means."""
    sizes = values[EXACT].amax(-1).expand_as(tail).clone()
    sizes[MEANS] = 1.0
    largest = values.abs().amax(-1)
    # Where a variance that grows spans many decades, an interpolant is exact for its largest values only.
    low, high = values[VARIANCES].amin(-1), largest[VARIANCES]
    # A comparison with nan is false: what has blown up is never resolved.
    return bool((tail <= RESOLVED * largest + ROUNDING * sizes).all() and (high <= MOST_RANGE * low).all())


def _terms(deviation: Tensor, variance: Tensor, reference: Tensor, mean: Tensor) -> Pairs:
    """The squares of which a distance is the root of the sum, with the squared sizes of their roots."""
    error = _root_difference(deviation, variance, reference)
    return (error.square(), reference), (mean.square(), torch.ones_like(mean))


def _root_difference(deviation: Tensor, variance: Tensor, reference: Tensor) -> Tensor:
    """sqrt(variance) - sqrt(reference) from the deviation of the variance, without cancellation."""
    # An interpolated variance next to a zero can come out negative by rounding.
    found, wanted = variance.clamp_min(0).sqrt(), reference.sqrt()
    roots = found + wanted
    difference = torch.where(roots > 0, deviation / roots, 0.0)
    # Where both roots are tiny the deviation is rounding of what they once were; the difference lies between them.
    difference = torch.minimum(torch.maximum(difference, -wanted), found)
    return torch.where(variance.isinf(), torch.inf, difference)


@lru_cache(maxsize=256)
def solve(experiment: Experiment) -> Solution:
    """The laws of an experiment along its run; kept, so that undo and comparison are free.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    return Solution(experiment, (experiment.times,), SNAPSHOTS)


@lru_cache(maxsize=256)
def report(experiment: Experiment) -> ErrorReport:
    """The exact error of an experiment: total, by source, and by mode."""
    return solve(experiment).report()
