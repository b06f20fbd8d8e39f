"""Heat maps: each device pixel has the color of the cell it lies in."""

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QImage, QPainter

from explorer.canvas.colors import key_of, packed
from explorer.canvas.pictures import ratio_of
from explorer.canvas.surface import FAR, Drawing, Surface
from explorer.marks import Floats, Heat
from explorer.ranges import Span
from explorer.scales import Scale


class HeatDrawing(Drawing[Heat]):
    """Cells between their edges on any axes."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        mark = self.mark
        self.columns, self.rows = _edges(mark.x, x_scale), _edges(mark.y, y_scale)
        self.key = key_of(mark)

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the cell at these drawn coordinates."""
        (column,), (row,) = _cells(self.columns, np.array([x])), _cells(self.rows, np.array([y]))
        return (int(row), int(column)) if row >= 0 <= column else None

    def draw(self, painter: QPainter, on: Surface) -> None:
        ratio, frame = ratio_of(painter), on.frame
        columns = _cells(self.columns, _middles(frame.x, round(frame.width * ratio)))
        rows = _cells(self.rows, _middles(frame.y, round(frame.height * ratio))[::-1])
        across, down = np.flatnonzero(columns >= 0), np.flatnonzero(rows >= 0)
        if not (across.size and down.size):
            return
        ramp = np.append(packed(self.key.shades.ramp(dark=on.theme.dark)), np.uint32(0))
        # A row of pixels is filled once for each row of cells, and then copied.
        shown, copies = np.unique(rows[down], return_inverse=True)
        pixels = ramp[self.key.levels[shown[:, None], columns[across]]][copies]
        height, width = pixels.shape
        picture = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
        picture.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(float(across[0]), float(down[0])) / ratio, picture)


def _edges(values: Floats, scale: Scale) -> Floats:
    """In drawn coordinates; what has no place on the scale lies before all that has one."""
    drawn = np.asarray(scale.forward(np.asarray(values, dtype=np.float64)))
    return np.where(np.isnan(drawn), -FAR, np.clip(drawn, -FAR, FAR))


def _cells(edges: Floats, places: Floats) -> NDArray[np.intp]:
    """Between which edges each place lies, the first ones being 0; -1 outside of all."""
    found = np.searchsorted(edges, places, side="right") - 1
    return np.where(found < len(edges) - 1, found, -1)


def _middles(span: Span, pixels: int) -> Floats:
    edges = np.linspace(*span, pixels + 1)
    return (edges[:-1] + edges[1:]) / 2
