"""A better grid and a better stochasticity for an experiment."""

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from kernels.arrays import Times, array
from kernels.density import OBJECTIVES
from kernels.descent import COARSE, Course, Found, Sample, check_objective, descend, value
from kernels.expansion import applies
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Karras, LogUniform, Optimal, Spaced, Tabulated, TimeGrid
from kernels.grids.optimal import best_density
from kernels.observations import Conditioned, Observation
from kernels.param import nearest_first, varied
from kernels.report import report
from kernels.samplers import (
    DDIM,
    EulerMaruyama,
    ExponentialIntegrator,
    ReverseEuler,
    Sampler,
    SingleLevel,
    TabulatedEulerMaruyama,
)
from kernels.scores import Exact
from kernels.starts import Marginal

OVER = ("grid", "stochasticity", "both")
METHODS = ("exact", "density")
AIMS = ("mean", "worst")
FIRST_GUESSES = (0.05, 0.3)
_TRIAL, _POLISH = 60, 400
# A power of the mean over scenarios that is close to the largest.
_WORST = 8.0
_ROUNDS = 4
# Up to so many steps a search is quick, and begins at every grid with every stochasticity.
FEW = 12
INFINITE = (
    "The error is infinite wherever the search could begin; take more steps, a later stop, or a sampler that is stable "
    "on these data."
)
# Of the spectrum's scale, for showing what becomes of an optimum that was not asked to be robust.
USUAL_UNCERTAINTY = 0.2
BAND_POINTS = 9


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to vary, what to make least, and how.

    `per_step`: one stochasticity for each step. `robust`: uncertainty of the spectrum's scale, its exponent being
    uncertain by half as much; then the mean W2 over scenarios is made least, or the largest (`aim`). `against_data`:
    errors are those to the data; otherwise those to the law at the last time, leaving the truncation out.

    Errors: `ValueError` in one sentence for words that are not known.
    """

    over: str = "both"
    per_step: bool = False
    objective: str = "wasserstein2"
    method: str = "exact"
    robust: float = 0.0
    aim: str = "mean"
    against_data: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("over", OVER), ("objective", tuple(OBJECTIVES)), ("method", METHODS), ("aim", AIMS)):
            given = getattr(self, name)
            if given not in allowed:
                raise ValueError(f"{name} must be one of {nearest_first(str(given), allowed)}, got {given!r}.")
        if not 0 <= self.robust < 1:
            raise ValueError(
                f"robust must lie in [0, 1), the relative uncertainty of the spectrum, got {self.robust!r}."
            )
        if self.method == "density" and (self.over != "grid" or self.robust > 0):
            raise ValueError("method density finds a grid alone: use over=grid without robust, or method exact.")


@dataclass(frozen=True)
class Progress:
    """How far the search has come: a fraction, and the least error so far (a root mean square over scenarios)."""

    fraction: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A spectrum that the person's own may be: eigenvalues scaled, then raised to a power about the largest."""

    scale: float
    exponent: float
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class BandPoint:
    """W2 were the spectrum scaled, and its range over uncertain exponents."""

    scale: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The experiment as it was and as it should be, with their exact W2.

    `leading` is N W2 as N grows, for the density of steps. `scenarios` are W2 before and after for each spectrum of the
    robust objective, the person's own first; `band_before` and `band_after` are W2 over a range of scales.
    """

    request: Request
    experiment: Experiment
    improved: Experiment
    before: float
    after: float
    leading: float | None
    scenarios: tuple[Scenario, ...]
    band_before: tuple[BandPoint, ...]
    band_after: tuple[BandPoint, ...]
    seconds: float

    @property
    def times(self) -> Times:
        """The times found."""
        return self.improved.times

    @property
    def noise_ratios(self) -> Times:
        """Noise ratios s = sigma/alpha at them: the `sigmas` of other people's samplers."""
        return self.improved.process.noise_ratio(self.times)

    @property
    def stochasticity(self) -> list[float]:
        """The diffusion-term coefficient of the sampler, step by step."""
        level = self.improved.sampler.limit_stochasticity.at(self.noise_ratios[:-1])
        return array(level).expand(len(self.times) - 1).tolist()


def optimize(
    experiment: Experiment, request: Request, watch: Callable[[Progress], None] = lambda progress: None
) -> Optimum:
    """Improve an experiment's grid, stochasticity or both; never worse than what is given.

    `watch` hears of progress; what it raises ends the search. Errors: `ValueError` in one sentence where what is asked
    for is not defined for this experiment, or its data cannot be read.
    """
    begin = time.perf_counter()
    if isinstance(experiment.sampler, SingleLevel):
        kind = type(experiment.sampler).__name__
        raise ValueError(
            f"{kind} stays at one noise level and has no grid to improve; choose a sampler of a diffusion."
        )
    data, by_mode = experiment.data, experiment.by_mode
    law = data.law
    check_objective(request.objective, law)
    if request.method == "density":
        return _by_density(experiment, request, law, begin)
    _check_variable(experiment.sampler, request)
    spread, samples = [(1.0, 1.0)], [Sample.of(data, by_mode=by_mode)]
    if request.robust > 0:
        spread = _around(request.robust)
        samples = [
            Sample.of(_scenario(experiment, *each), 1 / len(spread), by_mode=by_mode, width=COARSE) for each in spread
        ]
    found = _search(experiment, request, law, samples, watch)
    improved = _with(experiment, request, found)
    seconds = time.perf_counter() - begin
    before, after = _totals(experiment, spread), _totals(improved, spread)
    if after[0] > before[0] and request.robust == 0 and request.objective == "wasserstein2" and request.against_data:
        improved, after = experiment, before
    return Optimum(
        request=request,
        experiment=experiment,
        improved=improved,
        before=before[0],
        after=after[0],
        leading=None,
        scenarios=tuple(
            Scenario(scale=scale, exponent=exponent, before=a, after=b)
            for (scale, exponent), a, b in zip(spread, before, after, strict=True)
        ),
        band_before=_band(experiment, request.robust or USUAL_UNCERTAINTY),
        band_after=_band(improved, request.robust or USUAL_UNCERTAINTY),
        seconds=seconds,
    )


def scaled(law: Gaussian, scale: float, exponent: float) -> Gaussian:
    """The law with eigenvalues l1 (l/l1)^exponent times the scale."""
    top = law.variance.max().clamp_min(1e-300)
    return Gaussian(law.mean, scale * top * (law.variance / top) ** exponent)


def _around(uncertainty: float) -> list[tuple[float, float]]:
    """Scales and exponents of the scenarios, the person's own spectrum first."""
    r = uncertainty
    return [(1.0, 1.0), (1 + r, 1.0), (1 - r, 1.0), (1.0, 1 + r / 2), (1.0, 1 - r / 2)]


def _check_variable(sampler: Sampler, request: Request) -> None:
    kind = type(sampler).__name__
    if request.over != "grid" and not isinstance(sampler, (ReverseEuler, ExponentialIntegrator, DDIM)):
        raise ValueError(
            f"over={request.over} needs a sampler with a stochasticity (EulerMaruyama, ExponentialIntegrator, DDIM), "
            f"got {kind}; use over=grid."
        )
    if request.per_step and (request.over == "grid" or not isinstance(sampler, ReverseEuler)):
        raise ValueError(
            f"per_step varies the stochasticity of EulerMaruyama, with over=stochasticity or both; got {kind} with "
            f"over={request.over}."
        )


def _by_density(experiment: Experiment, request: Request, law: Gaussian, begin: float) -> Optimum:
    sampler = experiment.sampler
    if not applies(sampler):
        raise ValueError(
            f"method density needs a sampler with a first-order expansion, got {type(sampler).__name__}; use exact."
        )
    if not experiment.is_exact:
        raise ValueError(
            f"method density needs the score of the noised data, got {type(experiment.score).__name__}, whose errors "
            "have no first-order expansion; use exact."
        )
    times = experiment.times
    to_zero = _ends_at_zero(experiment)
    ends = (float(times[0]), float(times[-2 if to_zero else -1]))
    steps = len(times) - (2 if to_zero else 1)
    grid = Optimal(steps=steps + to_zero, start=ends[0], stop=ends[1], to_zero=to_zero, objective=request.objective)
    improved = dataclasses.replace(experiment, grid=grid)
    _, leading = best_density(law, experiment.setting, sampler, ends, request.objective)
    seconds = time.perf_counter() - begin
    before, after = (float(report(each).wasserstein2.total) for each in (experiment, improved))
    return Optimum(
        request=request,
        experiment=experiment,
        improved=dataclasses.replace(improved, grid=Tabulated(values=tuple(improved.times.tolist()))),
        before=before,
        after=after,
        leading=leading,
        scenarios=(),
        band_before=_band(experiment, request.robust or USUAL_UNCERTAINTY),
        band_after=_band(improved, request.robust or USUAL_UNCERTAINTY),
        seconds=seconds,
    )


def _ends_at_zero(experiment: Experiment) -> bool:
    """Whether a last step to zero noise is kept as it is: the level before it is where the score ends to be known."""
    times = experiment.times
    return len(times) > 2 and float(experiment.process.sigma(times[-1])) == 0 and _is_appended(experiment.grid)


def _is_appended(grid: TimeGrid) -> bool:
    return bool(getattr(grid, "to_zero", isinstance(grid, Tabulated)))


def _search(
    experiment: Experiment,
    request: Request,
    law: Gaussian,
    samples: list[Sample],
    watch: Callable[[Progress], None],
) -> Found:
    starts = _starts(experiment, request, law)
    rounds = _ROUNDS if request.robust > 0 else 0
    followed = 2 if len(experiment.times) - 1 <= 2 * FEW else 1
    total = len(starts) * _TRIAL + followed * _POLISH + rounds * _TRIAL
    done, least = 0, float("inf")

    def heard(found: float) -> None:
        nonlocal done, least
        done, least = done + 1, min(least, found)
        watch(Progress(min(done / total, 1.0), least))

    def run(course: Course, over: list[Sample], evaluations: int) -> Found:
        return descend(
            course,
            over,
            request.objective,
            over_grid=request.over != "stochasticity",
            evaluations=evaluations,
            watch=heard,
        )

    # The first looks are at the person's own spectrum; those that came furthest are followed to the end.
    tried = [_from(course, run(course, samples[:1], _TRIAL)) for course in starts]
    tried.sort(key=lambda course: value(course, samples, request.objective))
    if math.isinf(value(tried[0], samples, request.objective)):
        raise ValueError(INFINITE)
    ended = [(course, run(course, samples, _POLISH)) for course in tried[:followed]]
    course, best = min(ended, key=lambda pair: pair[1].value)
    return _reweighted(course, best, request, samples, run) if rounds else best


def _reweighted(
    course: Course,
    first: Found,
    request: Request,
    samples: list[Sample],
    run: Callable[[Course, list[Sample], int], Found],
) -> Found:
    """From the mean of squares to the mean, or nearly the largest: squares weighted by a power of their own size."""
    power = 1.0 if request.aim == "mean" else _WORST

    def errors(found: Found) -> Tensor:
        plain = [dataclasses.replace(sample, weight=1.0) for sample in samples]
        return array([value(_from(course, found), [one], request.objective) for one in plain])

    def goal(values: Tensor) -> float:
        return float(values.mean() if request.aim == "mean" else values.max())

    best, sizes = first, errors(first)
    for _ in range(_ROUNDS):
        weights = sizes.clamp_min(1e-3 * float(sizes.max())) ** (power - 2)
        weighted = [
            dataclasses.replace(sample, weight=float(weight))
            for sample, weight in zip(samples, weights / weights.sum(), strict=True)
        ]
        following = run(_from(course, best), weighted, _TRIAL)
        found = errors(following)
        if goal(found) >= goal(sizes):
            break
        best, sizes = following, found
    return best


def _from(course: Course, found: Found) -> Course:
    return dataclasses.replace(course, times=found.times, stochasticity=found.stochasticity)


def _starts(experiment: Experiment, request: Request, law: Gaussian) -> list[Course]:
    """Where the search begins: at the present experiment, and at grids and stochasticities of different kinds."""
    process, times = experiment.process, experiment.times
    to_zero = _ends_at_zero(experiment)
    sampler, vary, most = _variable(experiment.sampler)
    steps = len(times) - 1
    grids = [times]
    if request.over != "stochasticity":
        grids += _other_grids(experiment, request, law, to_zero)
    present = array(experiment.sampler.limit_stochasticity.at(process.noise_ratio(times[:-1])))
    levels: list[Tensor | None] = [None]
    if request.over != "grid":
        own = present.expand(steps) if request.per_step else present.mean().reshape(1)
        guesses = [array([guess]).expand(steps if request.per_step else 1) for guess in FIRST_GUESSES]
        levels = [own, *guesses]
    base = Course(
        process,
        sampler if request.over != "grid" else experiment.sampler,
        experiment.score,
        experiment.start,
        times,
        None,
        vary if request.over != "grid" else None,
        to_zero,
        most,
        request.against_data,
    )
    others = grids[1:] or grids
    if steps <= FEW:
        pairs = [(grid, level) for grid in grids for level in levels]
    else:
        # Every other grid and every other level at least once, not each with each.
        count = max(len(grids) - 1, len(levels) - 1)
        rest = levels[1:] or levels
        pairs = [(grids[0], levels[0]), *((others[k % len(others)], rest[k % len(rest)]) for k in range(count))]
    return [dataclasses.replace(base, times=grid, stochasticity=level) for grid, level in pairs]


def _other_grids(experiment: Experiment, request: Request, law: Gaussian, to_zero: bool) -> list[Times]:
    times, process = experiment.times, experiment.process
    start, stop = float(times[0]), float(times[-2 if to_zero else -1])
    shapes: tuple[type[Spaced], ...] = (LogUniform, Optimal, Karras)
    found: list[Times] = []
    for kind in shapes:
        # Where the noise ratio has no end, most grids have no place: then the search starts a little inside of it.
        extra: dict[str, Any] = {"objective": request.objective} if kind is Optimal else {}
        first, last = (start, stop) if kind is Optimal else _inside(process, start, stop)
        try:
            grid = kind(steps=len(times) - 1, start=first, stop=last, to_zero=to_zero, **extra)
            setting = (
                experiment.setting
                if applies(experiment.sampler)
                else dataclasses.replace(experiment.setting, sampler=DDIM())
            )
            # Grids that adapt do so to the exact score, of which alone there is a theory.
            like = dataclasses.replace(experiment, grid=grid, sampler=setting.sampler, score=Exact(), start=Marginal())
            made = like.times.clone()
        except ValueError:
            continue
        made[0], made[-1] = times[0], times[-1]
        found.append(made)
    return found


def _inside(process: Any, start: float, stop: float) -> tuple[float, float]:
    ratios = process.noise_ratio(array([start, stop])).tolist()
    high = start if ratios[0] < 1e6 else float(process.time_of(array(1e2)))
    low = stop if ratios[1] > 0 else float(process.time_of(array(1e-3)))
    return high, low


def _variable(sampler: Sampler) -> tuple[Sampler, Callable[[Tensor], Sampler] | None, float]:
    """The sampler whose stochasticity is varied, how, and the largest legal one."""
    if isinstance(sampler, ReverseEuler):
        plain = EulerMaruyama()
        return plain, lambda level: cast(Sampler, varied(plain, stochasticity=level)), 50.0
    if isinstance(sampler, ExponentialIntegrator):
        return sampler, lambda level: cast(Sampler, varied(sampler, stochasticity=level)), 50.0
    if isinstance(sampler, DDIM):
        return sampler, lambda level: cast(Sampler, varied(sampler, eta=level.sqrt())), 1.0
    return sampler, None, 0.0


def _with(experiment: Experiment, request: Request, found: Found) -> Experiment:
    """The experiment with what was found."""
    grid, sampler = experiment.grid, experiment.sampler
    if request.over != "stochasticity":
        grid = Tabulated(values=tuple(found.times.tolist()))
    if found.stochasticity is not None:
        levels = found.stochasticity.tolist()
        if request.per_step:
            ratios = experiment.process.noise_ratio(found.times[:-1]).tolist()
            sampler = TabulatedEulerMaruyama(levels=tuple(ratios), values=tuple(levels))
        elif isinstance(sampler, DDIM):
            sampler = DDIM(eta=min(levels[0] ** 0.5, 1.0))
        elif isinstance(sampler, ExponentialIntegrator):
            sampler = ExponentialIntegrator(stochasticity=levels[0])
        else:
            sampler = EulerMaruyama(stochasticity=levels[0])
    return dataclasses.replace(experiment, grid=grid, sampler=sampler)


def _totals(experiment: Experiment, spread: list[tuple[float, float]]) -> list[float]:
    """Exact W2 to the data under each scenario, with the same times and stochasticity."""
    by_mode = experiment.by_mode
    return [float(report(experiment).wasserstein2.total)] + [
        _total(experiment, Sample.whole(_scenario(experiment, *each), by_mode=by_mode)) for each in spread[1:]
    ]


def _scenario(experiment: Experiment, scale: float, exponent: float) -> Conditioned:
    """What would be sampled, were the spectrum of the data another and the observation the same."""
    return _observed(experiment.observation, experiment.spectrum.law(), scale, exponent)


@lru_cache(maxsize=128)
def _observed(observation: Observation, law: Gaussian, scale: float, exponent: float) -> Conditioned:
    return observation.posterior(scaled(law, scale, exponent))


def _total(experiment: Experiment, sample: Sample) -> float:
    course = Course(
        experiment.process,
        experiment.sampler,
        experiment.score,
        experiment.start,
        experiment.times,
        None,
        None,
        to_zero=False,
    )
    return value(course, [sample], "wasserstein2")


def _band(experiment: Experiment, uncertainty: float) -> tuple[BandPoint, ...]:
    points: list[BandPoint] = []
    for scale in torch.linspace(1 - uncertainty, 1 + uncertainty, BAND_POINTS, dtype=torch.float64).tolist():
        exponents = (1.0, 1 - uncertainty / 2, 1 + uncertainty / 2)
        laws = [_scenario(experiment, scale, exponent) for exponent in exponents]
        totals = [_total(experiment, Sample.of(data, by_mode=experiment.by_mode)) for data in laws]
        points.append(BandPoint(scale=scale, value=totals[0], low=min(totals), high=max(totals)))
    return tuple(points)
