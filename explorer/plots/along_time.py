"""W2 to the exact law along the way."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Log, Mark
from explorer.plots.base import Plot, divergence_note, scale_for, thin
from explorer.session import Session, items
from kernels.report import solve
from kernels.samplers import SingleLevel

_ABSCISSA = {False: "time t", True: "time γ (N − k) still to run"}


def draw(session: Session) -> Figure:
    """Error of every item against the exact law at the same time, from the start (right) to the stop (left)."""
    marks: list[Mark] = []
    notes: list[str] = []
    for item in items(session):
        path = solve(item.experiment).path()
        times, total = path.times.numpy(), path.total.numpy()
        marks.append(Curve(item.label, times, total, item.style))
        if len(items(session)) == 1:
            step = path.discretization.numpy()
            if not np.allclose(step, total, rtol=1e-6):
                marks.append(Curve("from an exact start", times, step, thin(item.style, (6.0, 3.0))))
        notes.append(divergence_note(item.label, times, total, "t"))
    times = session.experiment.times.numpy()
    wide = times[0] > 5 * np.median(times)
    return Figure(
        "W₂ to the exact law along time",
        Axis(
            f"{_ABSCISSA[isinstance(session.experiment.sampler, SingleLevel)]} (sampling runs to the left)",
            scale_for(times) if wide else Axis("").scale,
        ),
        Axis("W₂(law of the sampler, pₜ)", Log()),
        tuple(marks),
        note=" ".join(note for note in notes if note),
    )


PLOT = Plot("time", "W₂ along time", "Error", draw)
