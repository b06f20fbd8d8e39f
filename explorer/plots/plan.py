"""The coupling as a map: which part of one cloud goes to which part of the other."""

import numpy as np

from explorer.marks import Axis, Figure, Floats, Heat, Log
from explorer.plots.base import Plot
from explorer.plots.coupled import counted, found_now, further
from explorer.session import Session

CELLS = 80
# Cells with less of what independent points would have are drawn as if they had so much.
LEAST = 1e-3
MEANING = "mass over that of independent points"


def draw(session: Session) -> Figure:
    """Equal parts of both clouds, each in order along the first coordinate that is looked at."""
    rank, clouds = session.looked_at[0], session.transport.clouds
    along = f"along {clouds.axis} {rank}"
    axes = Axis(f"{clouds.names[1]}, point in order {along}"), Axis(f"{clouds.names[0]}, point in order {along}")
    found = found_now(session)
    n, m = len(found.pair.points_x), len(found.pair.points_y)
    if rank > found.pair.points_x.shape[1]:
        note = f"The clouds are compared in {found.pair.points_x.shape[1]} coordinates; choose one in the bar above."
        return Figure("Coupling in order", *axes, (), note=note)
    masses = found.plan((rank - 1, rank - 1), CELLS).numpy()
    values = np.maximum(masses, LEAST)
    up, across = (_edges(count, parts) for count, parts in zip((n, m), values.shape, strict=True))
    mark = Heat(MEANING, across, up, values, Log())
    notes = [counted(found, session)]
    if (masses < LEAST).any():
        notes.append(f"Cells below {LEAST:g} are drawn as {LEAST:g}.")
    return Figure("Coupling in order", *axes, (mark,), note=" ".join(notes))


def _edges(count: int, parts: int) -> Floats:
    """Between equal parts of so many points in order, of which some may have one more than others."""
    return np.ceil(np.arange(parts + 1) * count / parts) + 0.5


PLOT = Plot("plan", "Coupling in order", "Transport", draw, further=further)
