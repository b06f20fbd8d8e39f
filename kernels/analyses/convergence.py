"""The error against the number of steps."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.arrays import Times
from kernels.experiment import Experiment
from kernels.grids import Adapted, TimeGrid
from kernels.param import declarations
from kernels.report import Solution

Floats = NDArray[np.float64]
COARSE = 32


@dataclass(frozen=True, eq=False)
class Convergence:
    """Distances by number of steps; nan where the sampler is not defined with so few."""

    steps: Floats
    calls: Floats
    total: Floats
    discretization: Floats
    initialization: Floats
    truncation: Floats


def step_counts(experiment: Experiment, points: int = 8) -> list[int]:
    """Numbers of steps from 2 to several times the experiment's own, which is among them.

    Lists of times have only their own, and grids that take a search are not searched again for every number.
    """
    own = len(experiment.times) - 1
    grid = experiment.grid
    if "steps" not in declarations(type(grid)) or (isinstance(grid, Adapted) and not grid.is_quick):
        return [own]
    spread = np.geomspace(2, max(200, 2 * own), points).round().astype(int).tolist()
    return sorted({*spread, own})


def with_count(grid: TimeGrid, steps: int) -> TimeGrid:
    """The grid with another number of steps; a list of levels has only its own."""
    if "steps" not in declarations(type(grid)):
        return grid
    changes: dict[str, Any] = {"steps": steps}
    return dataclasses.replace(grid, **changes)


def with_steps(experiment: Experiment, steps: int) -> Experiment | None:
    """The experiment with another number of steps, or None where it is refused."""
    try:
        return dataclasses.replace(experiment, grid=with_count(experiment.grid, steps))
    except ValueError:
        return None


@lru_cache(maxsize=128)
def on_grids(experiment: Experiment, grids: tuple[TimeGrid, ...]) -> tuple[tuple[TimeGrid, float], ...]:
    """The total error on each grid, all else the same; those on which the experiment is refused are left out.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    runs: list[tuple[TimeGrid, Times]] = []
    for grid in grids:
        try:
            runs.append((grid, dataclasses.replace(experiment, grid=grid).times))
        except ValueError:
            continue
    if not runs:
        return ()
    totals = Solution(experiment, tuple(times for _, times in runs), COARSE).sources.total
    return tuple((grid, float(total)) for (grid, _), total in zip(runs, totals[-len(runs) :], strict=True))


@lru_cache(maxsize=256)
def convergence(experiment: Experiment, points: int = 8) -> Convergence:
    """The error of the experiment's sampler and grid over numbers of steps.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    counts = step_counts(experiment, points)
    tried = [(count, with_steps(experiment, count)) for count in counts]
    defined = [(count, changed) for count, changed in tried if changed is not None]
    sources = Solution(experiment, tuple(changed.times for _, changed in defined), COARSE).sources
    rows = np.full((6, len(counts)), np.nan)
    rows[0] = counts
    kept = np.isin(counts, [count for count, _ in defined])
    rows[1, kept] = [changed.calls for _, changed in defined]
    for row, part in enumerate((sources.total, sources.discretization, sources.initialization, sources.truncation)):
        # A single run comes with all its columns, of which the last is its end.
        rows[2 + row, kept] = part[-len(defined) :].numpy()
    return Convergence(*rows)
