r"""The exact error of a finite number of steps, made least by Levenberg and Marquardt's method.

An objective is a sum of squares over modes, of functions of the variance that the sampler ends with. Its derivatives
are those of the recursion itself: every mode is given its own copy of the times, so that one backward pass finds the
derivative of each residual in each time.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from kernels.arrays import Modes, Times, array
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned, Measured, joined
from kernels.problem import Problem
from kernels.processes import Process
from kernels.run import Steps, accumulate, transitions
from kernels.samplers import Sampler
from kernels.scores import ScoreModel
from kernels.starts import Start

Floats = NDArray[np.float64]
# Widths in log eigenvalue for one spectrum, and for several that are only estimates.
FINE, COARSE = 0.1, 0.3
_TINY = 1e-30
# Levels without end are kept within this factor of the extreme standard deviations.
_REACH = 1e4
_SMALLEST = 1e-7


@dataclass(frozen=True, eq=False)
class Sample:
    """A law by weighted modes, and the part that it has in the objective.

    `data` are modes of mean 1, of which `mean_squares` are the weights, or 0; or modes with means of their own, of
    which the weights are the counts.
    """

    data: Conditioned
    counts: Modes
    mean_squares: Modes
    weight: float = 1.0

    @property
    def eigenvalues(self) -> Modes:
        """Variances of the modes."""
        return self.data.law.variance

    @staticmethod
    def of(data: Conditioned, weight: float = 1.0, *, by_mode: bool, width: float = FINE) -> "Sample":
        """The law's eigenvalues, those within a width in their log taken together.

        That changes the error to second order only. `by_mode`: modes that are like each other in all that was measured.
        """
        law = data.law
        if by_mode and data.measured is not None:
            return _alike(law, data.measured, width, weight)
        variance, mean = law.variance, law.mean.expand_as(law.variance)
        _, place = torch.unique(_cell(variance, width), return_inverse=True)
        counts = torch.bincount(place).to(torch.float64)
        sums = [torch.zeros_like(counts).index_add_(0, place, part) for part in (variance, mean.square())]
        return Sample(at_eigenvalues(sums[0] / counts, bool(sums[1].any())), counts, sums[1], weight)

    @staticmethod
    def whole(data: Conditioned, *, by_mode: bool) -> "Sample":
        """All modes of a law as they are."""
        law, ones = data.law, torch.ones_like(data.law.variance)
        if by_mode:
            return Sample(data, ones, ones)
        squares = law.mean.square().expand_as(law.variance)
        return Sample(at_eigenvalues(law.variance, bool(squares.any())), ones, squares)


def _cell(values: Tensor, width: float) -> Tensor:
    """Number of the cell, of a width in the logarithm, that positive values fall into; zeros have their own."""
    return torch.where(values > 0, (values.clamp_min(_TINY).log() / width).round(), -torch.inf)


def _alike(law: Gaussian, measured: Measured, width: float, weight: float) -> Sample:
    """Modes with like variances and precisions, and means on the same sides, taken together."""
    cells = [_cell(part, width) for part in (law.variance, measured.prior, measured.precision)]
    sides = [law.mean.sign(), measured.moved.sign()]
    _, place = torch.unique(torch.stack([*cells, *sides]), dim=1, return_inverse=True)
    counts = torch.bincount(place).to(torch.float64)

    def average(values: Tensor) -> Tensor:
        return torch.zeros_like(counts).index_add_(0, place, values) / counts

    def size(values: Tensor) -> Tensor:
        return average(values.square()).sqrt() * average(values).sign()

    prior, precision = average(measured.prior), average(measured.precision)
    # The variance that goes with them, so that the mode is one that could have been measured.
    mode = Gaussian(size(law.mean), prior / (1 + prior * precision))
    return Sample(Conditioned(mode, Measured(prior, precision, size(measured.moved))), counts, counts, weight)


def at_eigenvalues(eigenvalues: Modes, has_mean: bool) -> Conditioned:
    """Modes of these eigenvalues and of mean 1, or of mean 0."""
    return Conditioned(Gaussian(torch.full((1,), float(has_mean), dtype=torch.float64), eigenvalues))


def _together(samples: list[Sample]) -> Conditioned:
    """The modes of all samples, one after the other."""
    parts = [sample.data for sample in samples]
    if any(part.measured is not None for part in parts):
        return joined(parts)
    has_mean = any(bool(part.law.mean.any()) for part in parts)
    return at_eigenvalues(torch.cat([part.law.variance for part in parts]), has_mean)


class Residual(ABC):
    """A mode's part in an objective: the root of it, with a sign, as a smooth function of the variance."""

    @abstractmethod
    def of(self, excess: Tensor, eigenvalue: Tensor) -> Tensor:
        """The signed root, of the variance less the eigenvalue."""

    @abstractmethod
    def of_mean(self, error: Tensor, eigenvalue: Tensor) -> Tensor:
        """The part of an error of the mean."""


@final
class _Wasserstein2(Residual):
    def of(self, excess: Tensor, eigenvalue: Tensor) -> Tensor:
        return excess / ((eigenvalue + excess).clamp_min(_TINY).sqrt() + eigenvalue.sqrt())

    def of_mean(self, error: Tensor, eigenvalue: Tensor) -> Tensor:
        return error


@final
class _KL(Residual):
    def of(self, excess: Tensor, eigenvalue: Tensor) -> Tensor:
        ratio = (excess / eigenvalue).clamp_min(-1 + 1e-12)
        small = ratio.abs() < 1e-3
        # sqrt((x - log(1 + x))/2) and the first terms of its series, each away from where the other is taken.
        away = torch.where(small, 1.0, ratio)
        series = 0.5 * ratio * (1 - ratio / 3 + 7 * ratio.square() / 36)
        return torch.where(small, series, away.sign() * (0.5 * (away - torch.log1p(away))).sqrt())

    def of_mean(self, error: Tensor, eigenvalue: Tensor) -> Tensor:
        return error / (2 * eigenvalue).sqrt()


@final
class _L1(Residual):
    def of(self, excess: Tensor, eigenvalue: Tensor) -> Tensor:
        # |x|/4 rounded off at zero, at a size that no sampler reaches.
        return 0.5 * excess / (excess.square() + (1e-6 * eigenvalue).square() + _TINY).sqrt().sqrt()

    def of_mean(self, error: Tensor, eigenvalue: Tensor) -> Tensor:
        return error


RESIDUALS: dict[str, Residual] = {"wasserstein2": _Wasserstein2(), "kl": _KL(), "l1": _L1()}


def check_objective(objective: str, law: Gaussian) -> None:
    """Raise `ValueError` where an objective is not defined on a law."""
    zeros = int((law.variance == 0).sum())
    if objective == "kl" and zeros:
        raise ValueError(
            f"The objective kl needs eigenvalues above 0, got {zeros} of {len(law.variance)} that are 0; "
            "choose the objective wasserstein2."
        )


@dataclass(frozen=True, eq=False)
class Course:
    """What is varied: interior noise ratios, and the stochasticity, one for all steps or one each.

    `vary` puts a stochasticity, by step and mode and `most` at most, into the sampler; None where it cannot be varied.
    `to_zero`: the last step goes to zero noise, from a level that is fixed. Errors are those to the data, or
    (`against_data` false) to the law at the last time.
    """

    process: Process
    sampler: Sampler
    score: ScoreModel
    start: Start
    times: Times
    stochasticity: Float64[Tensor, " some"] | None
    vary: Callable[[Tensor], Sampler] | None
    to_zero: bool
    most: float = 50.0
    against_data: bool = True


@dataclass(frozen=True, eq=False)
class Found:
    """The least error that was found, as a root of the weighted mean of squares."""

    times: Times
    stochasticity: Float64[Tensor, " some"] | None
    value: float


def descend(
    course: Course,
    samples: list[Sample],
    objective: str,
    *,
    over_grid: bool,
    evaluations: int,
    watch: Callable[[float], None] = lambda value: None,
) -> Found:
    """Improve times and stochasticity, where they are varied, from where they are; infinite errors are left alone.

    `watch` hears the best value so far at every evaluation; what it raises ends the search.
    """
    from scipy.optimize import least_squares

    search = _Search(course, samples, RESIDUALS[objective], over_grid, watch)
    if not len(search.first):
        return Found(course.times, course.stochasticity, value(course, samples, objective))
    if not np.isfinite(search.residuals(search.first)).all():
        return Found(course.times, course.stochasticity, math.inf)
    # scipy's own annotations know only names of approximations for the Jacobian.
    jacobian: Any = search.jacobian
    least_squares(
        search.residuals,
        search.first,
        jacobian,
        bounds=search.bounds,
        x_scale="jac",
        ftol=1e-9,
        xtol=1e-9,
        gtol=1e-14,
        max_nfev=evaluations,
    )
    times, stochasticity = search.unpack(search.best)
    return Found(times, stochasticity, search.best_value)


def outcome(
    course: Course,
    data: Conditioned,
    times: Float64[Tensor, "*times #modes"],
    stochasticity: Float64[Tensor, "#steps #modes"] | None,
    residual: Residual,
) -> tuple[Modes, ...]:
    """Residuals of the variance by mode, and, if there is a mean, those of the mean; differentiable."""
    process, law = course.process, data.law
    eigenvalues = law.variance
    problem = Problem(law, process, course.score.fit(data))
    sampler = course.sampler
    if stochasticity is not None and course.vary is not None:
        sampler = course.vary(stochasticity)
    whole = accumulate(transitions(sampler, problem, Steps.by_mode(times)), 1)[0]
    started = course.start.deviation(law, process, times[0])
    gain, stop = whole.gain[0, 0, 0], times[-1]
    lost = process.signal_lost(stop)
    excess = gain.square() * started.variance + whole.defect[0, 0, 0]
    wanted, missing = eigenvalues, -lost / (1 + process.alpha(stop)) * law.mean
    if course.against_data:
        excess = excess + process.sigma(stop).square() - lost * eigenvalues
    else:
        wanted, missing = problem.exact_variance(stop), torch.zeros_like(missing)
    of_variance = residual.of(excess, wanted)
    if whole.shift is None:
        return (of_variance,)
    return of_variance, residual.of_mean(gain * started.mean + whole.shift[0, 0] + missing, wanted)


def value(course: Course, samples: list[Sample], objective: str) -> float:
    """The objective's root at the course as it is."""
    total = 0.0
    for sample in samples:
        own = None if course.stochasticity is None else course.stochasticity.unsqueeze(1)
        parts = outcome(course, sample.data, course.times.unsqueeze(1), own, RESIDUALS[objective])
        for part, weights in zip(parts, (sample.counts, sample.mean_squares), strict=False):
            total += sample.weight * float(weights @ part.square())
    return math.sqrt(total) if math.isfinite(total) else math.inf


class _Search:
    """Residuals and their derivatives as functions of one vector of parameters."""

    def __init__(
        self,
        course: Course,
        samples: list[Sample],
        residual: Residual,
        over_grid: bool,
        watch: Callable[[float], None],
    ) -> None:
        self._course, self._residual, self._watch = course, residual, watch
        self._data = _together(samples)
        self._eigenvalues = self._data.law.variance
        self._roots = torch.cat([(sample.weight * sample.counts).sqrt() for sample in samples])
        self._mean_roots = torch.cat([(sample.weight * sample.mean_squares).sqrt() for sample in samples])
        places = self._interior() if over_grid else None
        # One step has nothing to share out.
        self._places = places if places is not None and len(places) > 2 else None
        first: list[Tensor] = []
        if self._places is not None:
            first.append(self._places.diff().log())
        if course.stochasticity is not None:
            first.append(course.stochasticity.clamp(10 * _SMALLEST, 0.99 * course.most).log())
        self.first: Floats = torch.cat(first).numpy() if first else np.zeros(0)
        low, high = np.full_like(self.first, -np.inf), np.full_like(self.first, np.inf)
        if course.stochasticity is not None:
            count = len(course.stochasticity)
            low[-count:], high[-count:] = np.log(_SMALLEST), np.log(course.most)
        self.bounds = (low, high)
        self.best, self.best_value = self.first, np.inf
        self._seen: tuple[bytes, Floats, Floats] | None = None

    def _interior(self) -> Tensor:
        """Minus log s at the times, ends without a place on that axis brought in; without a last step to zero."""
        times = self._course.times[:-1] if self._course.to_zero else self._course.times
        ratios = self._course.process.noise_ratio(times)
        positive = self._eigenvalues[self._eigenvalues > 0]
        high = _REACH * float(positive.max().sqrt() if len(positive) else 1.0)
        low = float(positive.min().sqrt() if len(positive) else 1.0) / _REACH
        inner = ratios[1:-1]
        if len(inner):
            high, low = max(high, 2 * float(inner[0])), min(low, 0.5 * float(inner[-1]))
        return -torch.cat([ratios[:1].clamp_max(high), inner, ratios[-1:].clamp_min(low)]).log()

    def unpack(self, x: Floats) -> tuple[Times, Tensor | None]:
        """Times and stochasticity of a vector of parameters."""
        course = self._course
        times, rest = course.times, array(x)
        if self._places is not None:
            steps = len(self._places) - 1
            times, rest = self._times(torch.softmax(rest[:steps], 0)), rest[steps:]
        return times, rest.exp() if course.stochasticity is not None else None

    def _times(self, shares: Tensor) -> Times:
        assert self._places is not None
        places = self._places[0] + (self._places[-1] - self._places[0]) * shares.cumsum(0)[:-1]
        inner = self._course.process.time_of((-places).exp())
        last = 2 if self._course.to_zero else 1
        return torch.cat([self._course.times[:1], inner, self._course.times[-last:]])

    def residuals(self, x: Floats) -> Floats:
        """All residuals, weighted."""
        return self._evaluate(x)[0]

    def jacobian(self, x: Floats) -> Floats:
        """Their derivatives in the parameters."""
        return self._evaluate(x)[1]

    def _evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        key = x.tobytes()
        if self._seen is None or self._seen[0] != key:
            residuals, jacobian = self._outcome(x)
            self._seen = key, residuals, jacobian
            value = float(np.linalg.norm(residuals))
            if value < self.best_value:
                self.best, self.best_value = x.copy(), value
            self._watch(self.best_value)
        return self._seen[1], self._seen[2]

    def _outcome(self, x: Floats) -> tuple[Floats, Floats]:
        times, stochasticity = self.unpack(x)
        modes = len(self._eigenvalues)
        # An own copy for every mode: see above.
        own_times = times.unsqueeze(1).repeat(1, modes).requires_grad_()
        own = None if stochasticity is None else stochasticity.unsqueeze(1).repeat(1, modes).requires_grad_()
        with torch.enable_grad():
            parts = outcome(self._course, self._data, own_times, own, self._residual)
        leaves = [own_times] if own is None else [own_times, own]
        values: list[Tensor] = []
        rows: list[Tensor] = []
        for part, roots in zip(parts, (self._roots, self._mean_roots), strict=False):
            grads = cast(Any, torch.autograd.grad)(part.sum(), leaves, retain_graph=True)
            values.append(roots * part.detach())
            # Ends are fixed, and derivatives in them may be infinite.
            by_time, *by_level = (torch.nan_to_num(grad, nan=0.0, posinf=0.0, neginf=0.0) for grad in grads)
            rows.append(self._chained(by_time, by_level, times, stochasticity, x) * roots.unsqueeze(1))
        return torch.cat(values).numpy(), torch.cat(rows).numpy()

    def _chained(
        self, by_time: Tensor, by_level: list[Tensor], times: Times, stochasticity: Tensor | None, x: Floats
    ) -> Tensor:
        """Derivatives in the parameters, from those in times and stochasticity: (modes, parameters)."""
        columns: list[Tensor] = []
        if self._places is not None:
            process, steps = self._course.process, len(self._places) - 1
            shares = torch.softmax(array(x)[:steps], 0)
            inner = times[1:steps]
            # dt / d(-log s) = -2 sigma^2 / g^2
            speed = -2 * process.sigma(inner).square() / process.diffusion_squared(inner)
            weighted = by_time[1:steps].T * speed * (self._places[-1] - self._places[0])
            # Place k is the sum of the first k shares, and a share's logarithm moves all others down.
            behind = weighted.flip(1).cumsum(1).flip(1)
            behind = torch.cat([behind, torch.zeros(len(behind), 1, dtype=torch.float64)], 1)
            columns.append(shares * (behind - (behind @ shares).unsqueeze(1)))
        if stochasticity is not None:
            columns.append(by_level[0].T * stochasticity)
        return torch.cat(columns, 1)
