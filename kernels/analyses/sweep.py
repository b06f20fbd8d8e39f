"""The error against any one number of an experiment."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.experiment import Experiment
from kernels.param import Number, leaves
from kernels.report import Solution

Floats = NDArray[np.float64]
COARSE = 32


@dataclass(frozen=True, eq=False)
class Sweep:
    """Distances by value of a parameter; nan where the experiment is refused."""

    values: Floats
    total: Floats
    discretization: Floats
    initialization: Floats
    truncation: Floats


def numeric_paths(experiment: Experiment) -> dict[str, Number]:
    """Dotted paths of the numbers that can be swept: those that have an effect."""
    return {
        path: declaration
        for path, declaration, _ in leaves(experiment)
        if isinstance(declaration, Number) and path not in experiment.idle
    }


def with_value(experiment: Experiment, path: str, value: float) -> Experiment:
    """The experiment with one number changed.

    Errors: `ValueError` in one sentence where it is refused.
    """
    family, _, name = path.partition(".")
    changes: dict[str, Any] = {name: value}
    return dataclasses.replace(experiment, **{family: dataclasses.replace(getattr(experiment, family), **changes)})


def values_of(number: Number, own: float, points: int) -> list[float]:
    """Values over the slider's range, the present one and a legal zero among them."""
    low, high = min(number.slider[0], own), max(number.slider[1], own)
    if number.log:
        spread = np.geomspace(low if low > 0 else 1e-6 * high, high, points)
    else:
        spread = np.linspace(low, high, points)
    if number.integer:
        spread = np.unique(spread.round())
    zero = {0.0} if number.log and 0.0 in number.domain else set[float]()
    return sorted({*spread.tolist(), own, *zero})


@lru_cache(maxsize=128)
def sweep(experiment: Experiment, path: str, points: int = 31) -> Sweep:
    """The error over the range of one parameter, all others fixed.

    Errors: `ValueError` for a path that is no number of this experiment.
    """
    known = numeric_paths(experiment)
    if path not in known:
        raise ValueError(f"{path!r} is no number of this experiment; known are {', '.join(known)}.")
    return sweep_over(experiment, path, tuple(values_of(known[path], own_value(experiment, path), points)))


def own_value(experiment: Experiment, path: str) -> float:
    """The present value of a number."""
    family, _, name = path.partition(".")
    return float(getattr(getattr(experiment, family), name))


@lru_cache(maxsize=128)
def sweep_over(experiment: Experiment, path: str, values: tuple[float, ...]) -> Sweep:
    """The error at some values of one number, all others fixed."""
    rows = np.full((4, len(values)), np.nan)
    for column, value in enumerate(values):
        try:
            changed = with_value(experiment, path, value)
        except ValueError:
            continue
        sources = Solution(changed, (changed.times,), COARSE).sources
        for row, field in enumerate(dataclasses.fields(sources)):
            rows[row, column] = float(getattr(sources, field.name)[-1])
    return Sweep(np.array(values), *rows)


@dataclass(frozen=True)
class Best:
    """The value of a parameter at which the total is least, and that total."""

    value: float
    total: float


def zero_and_decades(experiment: Experiment, path: str, points: int = 27) -> tuple[float, ...]:
    """Zero, the present value, and values over three decades up to the end of the slider."""
    high = max(numeric_paths(experiment)[path].slider[1], own_value(experiment, path))
    return tuple(sorted({0.0, own_value(experiment, path), *np.geomspace(1e-3 * high, high, points).tolist()}))


@lru_cache(maxsize=128)
def best_value(experiment: Experiment, path: str, values: tuple[float, ...]) -> Best | None:
    """The best value between the neighbors of the best of some, to four digits; None where all diverge."""
    from scipy.optimize import minimize_scalar

    found = sweep_over(experiment, path, values)
    totals = np.where(np.isfinite(found.total), found.total, np.inf)
    place = int(np.argmin(totals))
    if not np.isfinite(totals[place]):
        return None
    low, high = found.values[max(place - 1, 0)], found.values[min(place + 1, len(totals) - 1)]

    def total(value: float) -> float:
        try:
            changed = with_value(experiment, path, float(value))
        except ValueError:
            return 1e300
        error = float(Solution(changed, (changed.times,), COARSE).sources.total[-1])
        return error if np.isfinite(error) else 1e300

    finest: Any = minimize_scalar(
        total, bounds=(low, high), method="bounded", options={"xatol": 1e-4 * max(high, 1e-3)}
    )
    if finest.fun < totals[place]:
        return Best(float(f"{finest.x:.4g}"), float(finest.fun))
    return Best(float(found.values[place]), float(totals[place]))
