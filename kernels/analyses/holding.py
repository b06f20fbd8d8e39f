"""Does Gaussian theory hold? Errors measured on any data beside those predicted from their covariance."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.analyses.clouds import theory_of
from kernels.analyses.convergence import with_steps
from kernels.analyses.sweep import with_value
from kernels.experiment import Experiment, carried
from kernels.grids import TIME_GRIDS, Adapted
from kernels.report import report

Floats = NDArray[np.float64]

QUESTIONS = ("steps", "stochasticity", "grid")
COUNTS = (4, 6, 10, 16, 25, 40, 64)
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
_STOCHASTICITY = ("sampler.stochasticity", "sampler.eta", "sampler.level")


@dataclass(frozen=True)
class Variant:
    """One choice to be ranked: its name, its number (its place for one that is none), and the experiment with it."""

    name: str
    value: float
    experiment: Experiment


def variants(experiment: Experiment, question: str) -> tuple[Variant, ...]:
    """The experiment with other numbers of steps, stochasticities or grids, in an order that depends on it alone.

    Errors: `ValueError` in one sentence where there is nothing to vary.
    """
    if question == "steps":
        made = [(str(count), float(count), with_steps(experiment, count)) for count in COUNTS]
    elif question == "stochasticity":
        path = next((path for path in _STOCHASTICITY if hasattr(experiment.sampler, path.partition(".")[2])), "")
        made = [(f"{level:g}", level, _with(experiment, path, level)) for level in LEVELS if path]
    else:
        grids = [kind() for kind in TIME_GRIDS if not issubclass(kind, Adapted)]
        grids = [carried(grid, experiment.grid) for grid in grids if hasattr(grid, "steps")]
        others = [grid for grid in grids if type(grid) is not type(experiment.grid)]
        replaced = [(type(grid).__name__, _replaced(experiment, grid)) for grid in (experiment.grid, *others)]
        applicable = [(name, other) for name, other in replaced if other is not None]
        made = [(name, float(place), other) for place, (name, other) in enumerate(applicable)]
    found = tuple(Variant(name, value, other) for name, value, other in made if other is not None)
    if len({variant.experiment for variant in found}) < 2:
        kind = type(experiment.sampler if question == "stochasticity" else experiment.grid).__name__
        raise ValueError(f"{kind} leaves nothing to choose in the {question}; choose another one.")
    return found


def _with(experiment: Experiment, path: str, level: float) -> Experiment | None:
    try:
        return with_value(experiment, path, level)
    except ValueError:
        return None


def _replaced(experiment: Experiment, grid: object) -> Experiment | None:
    try:
        return dataclasses.replace(experiment, grid=grid)  # pyright: ignore[reportArgumentType]
    except ValueError:
        return None


def predicted(experiment: Experiment) -> float:
    """The error of the same sampler with exact scores on the Gaussian that has the data's mean and covariance."""
    return float(report(theory_of(experiment)).wasserstein2.total)


def agreement(first: Floats, second: Floats) -> float:
    """Kendall's rank correlation (tau-b) of two rankings: 1 where they order all choices alike, -1 the other way round.

    Values: nan where fewer than two are known, or one ranking has all alike; infinities rank last.
    """
    from scipy.stats import kendalltau

    known = ~(np.isnan(first) | np.isnan(second))
    if known.sum() < 2:
        return math.nan
    found: Any = kendalltau(first[known], second[known])
    return float(found.statistic)
