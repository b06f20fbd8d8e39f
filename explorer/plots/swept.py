"""The error against any one number."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Linear, Log, Mark, Points, Style
from explorer.plots.base import Plot, divergence_note, finite, scale_for
from explorer.session import Session, items
from kernels.analyses.sweep import numeric_paths, sweep


def draw(session: Session) -> Figure:
    """Total error of every item that has the swept number, the others fixed; the best value is marked."""
    marks: list[Mark] = []
    notes: list[str] = []
    known = numeric_paths(session.experiment)
    if session.swept not in known:
        return Figure("Sweep", Axis(""), Axis("W₂"), (), note="Choose a number to sweep: right-click its row.")
    number = known[session.swept]
    values = np.array([])
    for item in items(session):
        if session.swept not in numeric_paths(item.experiment):
            continue
        found = sweep(item.experiment, session.swept)
        values = np.concatenate([values, found.values])
        marks.append(Curve(item.label, found.values, found.total, item.style))
        notes.append(divergence_note(item.label, found.values, found.total, number.symbol))
    found = sweep(session.experiment, session.swept)
    total = finite(found.total)
    if np.isfinite(total).any():
        best = int(np.nanargmin(total))
        label = f"least at {number.symbol} = {found.values[best]:.4g}"
        marks.append(Points(label, found.values[best : best + 1], total[best : best + 1], Style("#7F7F7F", marker="D")))
    unit = f" [{number.unit}]" if number.unit else ""
    return Figure(
        f"W₂ against {session.swept}",
        Axis(f"{number.symbol}{unit}  ({number.help})", scale_for(values) if number.log else Linear()),
        Axis("W₂ to the data", Log()),
        tuple(marks),
        note=" ".join(note for note in notes if note),
    )


PLOT = Plot("sweep", "Sweep of a parameter", "Sweep", draw)
