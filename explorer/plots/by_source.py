"""The error by source."""

import dataclasses

import numpy as np

from explorer.marks import Axis, Bars, Figure, Log, Mark
from explorer.plots.base import Plot, finite
from explorer.session import Session, items
from kernels.report import Sources, report

SOURCES = tuple(field.name for field in dataclasses.fields(Sources))


def draw(session: Session) -> Figure:
    """The four distances of every item as groups of bars."""
    shown = items(session)
    width = 0.8 / len(shown)
    marks: list[Mark] = []
    notes: list[str] = []
    for position, item in enumerate(shown):
        sources = report(item.experiment).wasserstein2
        heights = np.array([float(getattr(sources, name)) for name in SOURCES])
        x = np.arange(len(SOURCES), dtype=np.float64) + (position - (len(shown) - 1) / 2) * width
        marks.append(Bars(item.label, x, finite(heights), np.zeros_like(x), 0.92 * width, item.style))
        if np.isinf(heights[0]):
            notes.append(f"{item.label} diverges (W₂ = ∞).")
    if len(shown) == 1 and not notes:
        total = float(report(session.experiment).wasserstein2.total)
        notes.append(f"total W₂ = {total:.6g}")
    return Figure(
        "Error by source", Axis(""), Axis("W₂", Log()), tuple(marks), categories=SOURCES, note=" ".join(notes)
    )


PLOT = Plot("sources", "Error by source", "Error", draw)
