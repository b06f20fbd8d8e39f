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
    """Dotted paths of the numbers that can be swept."""
    return {path: declaration for path, declaration, _ in leaves(experiment) if isinstance(declaration, Number)}


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
    family, _, name = path.partition(".")
    values = values_of(known[path], float(getattr(getattr(experiment, family), name)), points)
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
