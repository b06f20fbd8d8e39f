"""Very many points as a picture of their density, the same on the screen and on paper. No Qt here."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.marks import Floats

# Diameters of a dot: smaller where there are more.
_DIAMETERS = ((300, 5.0), (1000, 4.0), (5000, 3.0))
SMALLEST_DIAMETER = 2.0
FAINTEST = 0.24  # opacity of a dot alone among very many
DENSEST = 0.88
RISE = 1.6
# Times the usual density, where opacity has reached its end.
MOST = 4.0


@dataclass(frozen=True, eq=False)
class Density:
    """How many dots lie over each pixel, and how opaque that many are."""

    counts: NDArray[np.intp]  # (rows, columns)
    opacity: Floats  # by count; the last one holds for all larger ones


def density(x: Floats, y: Floats, width: int, height: int, unit: float) -> Density:
    """Dots at these pixels from the upper left corner, on an area of this size, where a length of 1 is `unit` pixels.

    The opacity rises with the number of dots over a pixel, relative to what the average dot sees: it depends smoothly
    on the points, and clouds of different numbers of points that have the same law look the same.
    """
    size = max(1, round(_diameter(x.size) * unit))
    # A margin all around for dots that are cut by the edge.
    stride, rows = width + 2 * size, height + 2 * size
    across, down = x + (size - (size - 1) / 2), y + (size - (size - 1) / 2)
    inside = (across >= 0) & (across < stride - size) & (down >= 0) & (down < rows - size)
    corners = down[inside].astype(np.intp) * stride + across[inside].astype(np.intp)
    dots = corners[None, :] + _disc(size, stride)[:, None]
    counts = np.bincount(dots.ravel(), minlength=rows * stride)
    usual = float(counts[dots[len(dots) // 2]].mean()) if corners.size else 1.0
    levels = np.arange(np.ceil(MOST * usual) + 1)
    opacity = DENSEST - (DENSEST - FAINTEST) * np.exp(-RISE * levels / usual)
    opacity[0] = 0.0
    return Density(counts.reshape(rows, stride)[size:-size, size:-size], opacity)


def _diameter(count: int) -> float:
    return next((diameter for most, diameter in _DIAMETERS if count <= most), SMALLEST_DIAMETER)


def _disc(size: int, stride: int) -> NDArray[np.intp]:
    """Places of a dot's pixels after that of its upper left corner; the one in the middle is in the middle."""
    row, column = np.mgrid[:size, :size]
    middle = (size - 1) / 2
    within = (row - middle) ** 2 + (column - middle) ** 2 <= (size / 2) ** 2 + 0.01
    return (row * stride + column)[within]
