"""W2 against score evaluations."""

import dataclasses
import math

import numpy as np

from explorer.marks import NEUTRAL, Axis, Curve, Figure, Log, Mark, Points, Style
from explorer.plots.base import Plot, divergence_note, finite, positive, thin
from explorer.session import LAW, Item, Session, items
from kernels.analyses.convergence import convergence, with_count
from kernels.experiment import steps_of
from kernels.samplers import SingleLevel


def draw(session: Session) -> Figure:
    """Total error of every item; for a single one its sources too, and the declared order."""
    shown = items(session)
    marks: list[Mark] = []
    notes: list[str] = []
    for item in shown:
        found = convergence(item.experiment)
        marks.append(Curve(item.label, found.calls, found.total, item.style))
        notes.append(divergence_note(item.label, found.calls, found.total, "NFE"))
    found, present = convergence(session.experiment), shown[0]
    own = found.steps == len(session.experiment.times) - 1
    if len(shown) == 1:
        marks[0] = Curve("total", found.calls, found.total, present.style)
        parts = (
            ("discretization", found.discretization, (6.0, 3.0)),
            ("initialization", found.initialization, (2.0, 2.0)),
            ("truncation", found.truncation, (8.0, 3.0, 2.0, 3.0)),
        )
        # What never comes near the total would only squeeze it.
        least = np.nanmin(finite(found.total), initial=np.inf)
        colors = ("#D55E00", "#009E73", "#CC79A7")
        for (label, values, dash), color in zip(parts, colors, strict=True):
            if np.nanmax(finite(values), initial=0.0) > 1e-4 * least:
                marks.append(Curve(label, found.calls, values, thin(Style(color), dash)))
        if not isinstance(session.experiment.sampler, SingleLevel):
            # At one level a step keeps its size however many there are.
            marks += _slope(found.calls, found.discretization, session.experiment.sampler.order)
    at = Style(present.style.color, marker="D")
    marks.append(Points("present N", found.calls[own], found.total[own], at))
    marks += [mark for item in shown for mark in _checked(session, item)]
    return Figure(
        "W₂ against score evaluations",
        Axis("score evaluations (NFE)", Log()),
        Axis("W₂ to the data", Log()),
        tuple(marks),
        note=" ".join(note for note in notes if note),
    )


def _checked(session: Session, item: Item) -> list[Mark]:
    """What particles gave on this item, at any number of steps; infinities have no place, as on the curve."""
    checked = [part for part in session.sampled if part.distance == LAW and math.isfinite(part.value)]
    own = steps_of(item.experiment.grid)
    mine = {
        part.experiment.calls: part
        for part in checked
        if dataclasses.replace(part.experiment, grid=item.experiment.grid) == item.experiment
        and with_count(part.experiment.grid, own) == item.experiment.grid
    }
    if not mine:
        return []
    calls = np.array(sorted(mine), dtype=np.float64)
    values = np.array([mine[int(count)].value for count in calls])
    errors = np.array([2 * mine[int(count)].standard_error for count in calls])
    alone = len(items(session)) == 1
    label = "particles ± 2 standard errors" if alone else f"particles, {item.label}"
    # Crosses, which are told from the markers of the curve that they should lie on.
    look = Style("#000000" if alone else item.style.color, marker="X")
    return [Points(label, calls, positive(values), look, error=errors)]


def _slope(calls: np.ndarray, errors: np.ndarray, order: int) -> list[Mark]:
    """The declared order as a line through the last point, over the last decade."""
    usable = np.isfinite(errors) & (errors > 0)
    if usable.sum() < 2:
        return []
    x, y = calls[usable], errors[usable]
    kept = x >= x[-1] / 12
    return [Curve(f"order {order}", x[kept], y[-1] * (x[kept] / x[-1]) ** -float(order), Style(NEUTRAL, (1.0, 2.0)))]


PLOT = Plot("convergence", "W₂ against NFE", "Error", draw)
