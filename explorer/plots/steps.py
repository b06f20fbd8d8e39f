"""The grid, level by level: to be compared with others, and to be drawn by hand."""

import dataclasses

import numpy as np
import torch

from explorer.marks import Axis, Curve, Figure, Floats, Log, Mark, Points, Style, identity
from explorer.plots.base import Plot, positive
from explorer.session import Session
from kernels.analyses.convergence import on_grids, with_count
from kernels.arrays import Times, array
from kernels.expansion import applies
from kernels.experiment import Experiment, fitted
from kernels.grids import AlignYourSteps, Karras, Optimal, Spaced, Tabulated, TimeGrid, Uniform
from kernels.report import report
from kernels.samplers import SingleLevel

# Neighboring levels are kept apart by this factor.
APART = 1e-3
# Levels that are drawn by hand stay within these, where the process has no end.
LOWEST, HIGHEST = 1e-9, 1e6
MOST_POINTS = 400


def draw(session: Session) -> Figure:
    """Noise ratio against the step, with usual grids of as many steps over the same range and their W2."""
    present = session.experiment
    if isinstance(present.sampler, SingleLevel):
        note = f"{type(present.sampler).__name__} stays at one noise level: it has no grid, only a number of steps."
        return Figure("Grids and their W₂", Axis("step k"), Axis("noise ratio s = σ/α"), (), note=note)
    marks: list[Mark] = []
    for position, (grid, total) in enumerate(on_grids(present, tuple(rivals(present)))):
        look = identity(position + 1)
        levels = _levels(dataclasses.replace(present, grid=grid))
        marks.append(Curve(f"{total:.3g} {_name(grid)}", *levels, Style(look.color, look.dash)))
    total = float(report(present).wasserstein2.total)
    step, ratio = _levels(present)
    own = identity(0)
    marks.append(Curve(f"{total:.3g} this grid", step, ratio, Style(own.color, width=1.6)))
    note = hint = ""
    if len(step) <= MOST_POINTS:
        marks.append(Points("", step, ratio, Style(own.color, marker="o"), draggable=True))
        hint = "Drag points; Ctrl selects several, Shift rounds."
    else:
        hint = f"Grids of more than {MOST_POINTS} levels are not drawn by hand."
    if bool(np.isnan(ratio).any()):
        note = "Levels of s = 0 or s = ∞ have no place on this axis."
    return Figure(
        "Grids and their W₂",
        Axis("step k"),
        Axis("noise ratio s = σ/α", Log()),
        tuple(marks),
        note=note,
        hint=hint,
    )


def _name(grid: TimeGrid) -> str:
    return f"AYS {grid.model}" if isinstance(grid, AlignYourSteps) else type(grid).__name__


def _levels(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    ratio = experiment.process.noise_ratio(experiment.times).numpy()
    return np.arange(len(ratio), dtype=float), positive(ratio)


def rivals(experiment: Experiment) -> list[TimeGrid]:
    """Usual grids with the number of steps and the ends of the present one; some may not fit."""
    times = experiment.grid.times(experiment.process)
    last = -2 if bool(getattr(experiment.grid, "to_zero", False)) and len(times) > 2 else -1
    ends = {"start": float(times[0]), "stop": float(times[last]), "to_zero": last == -2}
    kinds: list[Spaced] = [Uniform(), Karras()]
    if applies(experiment.sampler) and experiment.is_exact:
        # For other methods the best grid takes a search, which is what Improve is for.
        kinds.append(Optimal())
    found: list[TimeGrid] = []
    for grid in kinds:
        chosen = dataclasses.replace(grid, steps=len(times) - 1, **ends)
        try:
            chosen.times(experiment.process)
        except ValueError:
            chosen = fitted(chosen, experiment.process)
        found.append(chosen)
    found.append(with_count(AlignYourSteps(), len(times) - 1))
    own = experiment.times
    return [grid for grid in found if grid != experiment.grid and not _is_same(grid, experiment, own)]


def _is_same(grid: TimeGrid, experiment: Experiment, times: Times) -> bool:
    try:
        return torch.equal(grid.times(experiment.process), times)
    except ValueError:
        return False


def move(session: Session, indices: tuple[int, ...], values: tuple[float, ...], snap: bool) -> Session:
    """The session with a grid of its own, some of its levels moved; the times decrease whatever a person does."""
    experiment = session.experiment
    times, process = experiment.times.clone(), experiment.process
    ratio = process.noise_ratio(times).numpy().copy()
    if all(ratio[index] == value for index, value in zip(indices, values, strict=True)):
        return session
    for index, value in zip(indices, values, strict=True):
        ratio[index] = float(f"{value:.1e}") if snap else value
    chosen = sorted(set(indices))
    first, last = (float(process.noise_ratio(array(t))) for t in (0.0, min(process.last, 1e12)))
    for run in np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1):
        above = float(ratio[run[0] - 1]) if run[0] > 0 else min(last, HIGHEST) * (1 + APART)
        below = float(ratio[run[-1] + 1]) if run[-1] + 1 < len(ratio) else max(first, LOWEST) / (1 + APART)
        ratio[run] = _between(ratio[run], min(above, HIGHEST), max(below, LOWEST))
    times[chosen] = process.time_of(torch.from_numpy(ratio[chosen])).clamp(0, process.last)
    grid = Tabulated(values=tuple(times.tolist()))
    return dataclasses.replace(session, experiment=dataclasses.replace(experiment, grid=grid))


def _between(wanted: Floats, above: float, below: float) -> Floats:
    """Decreasing levels between two others, as near to what is wanted as they can be, and apart from each other."""
    high, low = np.log(above), np.log(below)
    gap = min(np.log1p(APART), (high - low) / (len(wanted) + 1))
    places = np.log(np.clip(wanted, below, above))
    count = np.arange(1, len(wanted) + 1)
    # With the gaps taken out, levels in order are levels that do not increase.
    places = np.minimum.accumulate(places + count * gap)
    places = np.clip(places, low + (len(wanted) + 1) * gap, high)
    found = np.exp(places - count * gap)
    # What nothing stood in the way of is what was wanted, to the last digit.
    return np.where(np.isclose(found, wanted, rtol=1e-12, atol=0.0), wanted, found)


PLOT = Plot("steps", "Grids and their W₂", "Budget", draw, move=move)
