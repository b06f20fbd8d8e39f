"""Heat maps: each device pixel has the color of the cell it lies in, and a bar beside the plot tells what that is."""

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QPen
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from explorer.canvas.axis import ScaleAxis
from explorer.canvas.surface import FAR, Drawing, Surface
from explorer.marks import Axis, Floats, Heat
from explorer.ranges import Span
from explorer.scales import Scale
from explorer.shades import LEVELS, Colors, shades_of

BAR = 14.0
BEFORE_BAR = 10.0


class HeatDrawing(Drawing[Heat]):
    """Cells between their edges on any axes."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        mark = self.mark
        self.columns, self.rows = _edges(mark.x, x_scale), _edges(mark.y, y_scale)
        self.shades = shades_of(mark)
        self.levels = self.shades.levels(mark.values)
        self.known = not np.all(np.isnan(mark.values))

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the cell at these drawn coordinates."""
        (column,), (row,) = _cells(self.columns, np.array([x])), _cells(self.rows, np.array([y]))
        return (int(row), int(column)) if row >= 0 <= column else None

    def draw(self, painter: QPainter, on: Surface) -> None:
        device, frame = painter.device(), on.frame
        ratio = device.devicePixelRatioF() if device else 1.0
        columns = _cells(self.columns, _middles(frame.x, round(frame.width * ratio)))
        rows = _cells(self.rows, _middles(frame.y, round(frame.height * ratio))[::-1])
        across, down = np.flatnonzero(columns >= 0), np.flatnonzero(rows >= 0)
        if not (across.size and down.size):
            return
        ramp = np.append(_packed(self.shades.ramp(dark=on.theme.dark)), np.uint32(0))
        # A row of pixels is filled once for each row of cells, and then copied.
        shown, copies = np.unique(rows[down], return_inverse=True)
        pixels = ramp[self.levels[shown[:, None], columns[across]]][copies]
        height, width = pixels.shape
        picture = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
        picture.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(float(across[0]), float(down[0])) / ratio, picture)


class ColorBar(ScaleAxis):
    """The colors of a heat map at its right, with numbers and what they mean."""

    def __init__(self, surface: Surface) -> None:
        super().__init__("right", surface, BEFORE_BAR + BAR)
        self.drawing: HeatDrawing | None = None

    def show_colors(self, drawing: HeatDrawing | None, length: float) -> None:
        """Choose the ticks for a bar of this length, or hide it where there are no colors."""
        self.drawing = drawing if drawing is not None and drawing.known else None
        self.setVisible(self.drawing is not None)
        if self.drawing is not None:
            mark = self.drawing.mark
            self.refresh(Axis(mark.label, mark.scale), (), self.drawing.shades.span, length, empty=False)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """The colors, the largest value's at the top, then their axis."""
        if painter is None or self.drawing is None:
            return
        colors = _packed(self.drawing.shades.ramp(dark=self.surface.theme.dark))[::-1].copy()
        bar = QRectF(BEFORE_BAR, 0.0, BAR, self.frame.height)
        strip = QImage(colors.tobytes(), 1, LEVELS, 4, QImage.Format.Format_RGB32)
        painter.drawImage(bar, strip)
        painter.setPen(QPen(QColor(self.surface.theme.frame), 1.0))
        painter.drawRect(bar.adjusted(0, 0, 0, -1))
        super().paint(painter, option, widget)


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


def _packed(colors: Colors) -> NDArray[np.uint32]:
    red, green, blue = colors.astype(np.uint32).T
    return 0xFF000000 | (red << 16) | (green << 8) | blue
