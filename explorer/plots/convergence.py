"""W2 against score evaluations."""

import numpy as np

from explorer.marks import NEUTRAL, Axis, Curve, Figure, Log, Mark, Points, Style
from explorer.plots.base import Plot, divergence_note, finite, thin
from explorer.session import Session, items
from kernels.analyses.convergence import convergence
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
    return Figure(
        "W₂ against score evaluations",
        Axis("score evaluations (NFE)", Log()),
        Axis("W₂ to the data", Log()),
        tuple(marks),
        note=" ".join(note for note in notes if note),
    )


def _slope(calls: np.ndarray, errors: np.ndarray, order: int) -> list[Mark]:
    """The declared order as a line through the last point, over the last decade."""
    usable = np.isfinite(errors) & (errors > 0)
    if usable.sum() < 2:
        return []
    x, y = calls[usable], errors[usable]
    kept = x >= x[-1] / 12
    return [Curve(f"order {order}", x[kept], y[-1] * (x[kept] / x[-1]) ** -float(order), Style(NEUTRAL, (1.0, 2.0)))]


PLOT = Plot("convergence", "W₂ against NFE", "Error", draw)
