"""A table of errors: samplers by grids, stop times, numbers of evaluations and starts."""

import dataclasses
from dataclasses import dataclass

from kernels.analyses.convergence import with_count
from kernels.experiment import Experiment
from kernels.grids import Spaced, TimeGrid
from kernels.param import Component
from kernels.report import Solution
from kernels.samplers import Sampler
from kernels.starts import Marginal, Noise


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: a sampler on a grid down to a stop time, and W2 by (NFE, start); nan if undefined."""

    sampler: str
    grid: str
    stop: float
    wasserstein2: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The table; columns are (NFE, start), NFE slowest."""

    columns: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]


def steps_for(sampler: Sampler, grid: TimeGrid, experiment: Experiment, calls: int) -> TimeGrid | None:
    """The grid with the most steps that a budget of score evaluations pays for, or None."""
    for steps in (calls // sampler.calls + 1, calls // sampler.calls):
        if steps < 1:
            continue
        try:
            changed = with_count(grid, steps)
            times = changed.times(experiment.process)
        except ValueError:
            continue
        if sampler.total_calls(experiment.process, times) <= calls:
            return changed
    return None


def ablation(
    experiment: Experiment,
    samplers: tuple[Sampler, ...],
    grids: tuple[TimeGrid, ...],
    stops: tuple[float, ...],
    budgets: tuple[int, ...],
) -> Ablation:
    """W2 of every sampler on every grid, for every stop time, budget of evaluations and start.

    The numbers of steps are the most that each budget pays for: the columns compare equal cost.
    """
    starts = Noise(), Marginal()
    columns = tuple((calls, type(start).__name__) for calls in budgets for start in starts)
    rows: list[Row] = []
    for sampler in samplers:
        for grid in grids:
            for stop in stops if isinstance(grid, Spaced) else (float(grid.times(experiment.process)[-1]),):
                cells = [
                    _cell(experiment, {"sampler": sampler, "start": start}, grid, stop, calls)
                    for calls in budgets
                    for start in starts
                ]
                names = (type(sampler).__name__, type(grid).__name__)
                rows.append(Row(sampler=names[0], grid=names[1], stop=stop, wasserstein2=tuple(cells)))
    return Ablation(columns=columns, rows=tuple(rows))


def _cell(experiment: Experiment, parts: dict[str, Component], grid: TimeGrid, stop: float, calls: int) -> float:
    try:
        stopped = dataclasses.replace(grid, stop=stop) if isinstance(grid, Spaced) else grid
        sampler = parts["sampler"]
        assert isinstance(sampler, Sampler)
        fitting = steps_for(sampler, stopped, experiment, calls)
        if fitting is None:
            return float("nan")
        changed = dataclasses.replace(experiment, grid=fitting, **parts)
    except ValueError:
        return float("nan")
    return float(Solution(changed, (changed.times,), 32).sources.total[-1])
