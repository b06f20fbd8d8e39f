"""Where along the run, and in which modes, the error is made."""

import numpy as np

from explorer.marks import Axis, Figure, Floats, Heat, Log, Symlog
from explorer.plots.base import Plot, finite
from explorer.plots.by_mode import draw_spectrum
from explorer.session import Session
from kernels.analyses.budget import budget

DECADES = 3


def draw(session: Session) -> Figure:
    """Signed part of every step in the error of the standard deviation, by mode; the parts of a row add up."""
    found = budget(session.experiment)
    parts = found.of_deviation
    largest = float(np.nanmax(np.abs(finite(parts)), initial=0.0))
    threshold = 10.0 ** np.floor(np.log10(largest) - DECADES) if largest > 0 else 1.0
    notes = ["Orange: the step adds variance; blue: it takes variance away."]
    begun = float(np.nanmax(np.abs(finite(found.start)), initial=0.0))
    if begun > 0:
        notes.append(f"Not shown: what the wrong start leaves, {begun:.2g} at most in a variance.")
    if not np.isfinite(parts).all():
        notes.append("Some parts are infinite: the run diverges.")
    return Figure(
        "Error by step and mode",
        Axis("step k"),
        Axis("rank i", Log()),
        (Heat("part of √variance − √λ", found.edges, _edges(found.ranks), parts, Symlog(float(threshold))),),
        note=" ".join(notes),
    )


def _edges(ranks: Floats) -> Floats:
    """Halfway between ranks that follow each other."""
    middles = 0.5 * (ranks[1:] + ranks[:-1])
    return np.concatenate([[ranks[0] - 0.5], middles, [ranks[-1] + 0.5]])


HEAT = Plot("budget", "Error by step and mode", "Budget", draw)
# The spectrum once more, beside the heat map whose rows it names.
BESIDE = Plot("spectrum_beside", "Spectrum", "Budget", draw_spectrum)
