"""Lines, dashes and markers as arrays of pixels, cheap for Qt's raster painter.

It strokes a path of one device pixel fast, and a wider one by building and filling one large polygon: ten to a
thousand times slower. Wider lines are therefore drawn as separate segments, and dashed here.
"""

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen

from explorer.canvas.base import draw_lines, path
from explorer.marks import Floats

MARKER_RADIUS = 3.5
RING_RADIUS = 7.0
# Smaller where there are more.
_RADII = ((100, MARKER_RADIUS), (300, 2.5))
SMALLEST_RADIUS = 1.8
# Steps shorter than this many pixels are not seen in a wide line.
SHORTEST_STEP = 1.0
# A line longer than this is noise, where dashes tell nothing and cost much.
LONGEST_DASHED = 20_000.0

_TURN = np.linspace(0, 2 * np.pi, 17)[:-1]
_PLUS = np.array(
    [(-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)]
)
_HALF = np.sqrt(0.5)
_SHAPES: dict[str, Floats] = {
    "o": np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1),
    "s": np.array([(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
    "^": np.array([(0, -1.15), (1.05, 0.85), (-1.05, 0.85)]),
    "v": np.array([(0, 1.15), (1.05, -0.85), (-1.05, -0.85)]),
    "D": np.array([(0, -1.2), (1.1, 0), (0, 1.2), (-1.1, 0)]),
    "P": _PLUS / 2.8,
    "X": _PLUS @ np.array([(_HALF, _HALF), (-_HALF, _HALF)]) / 2.8,
}


def draw_curve(painter: QPainter, x: Floats, y: Floats, color: QColor, dash: tuple[float, ...], width: float) -> None:
    """A line through pixels; nan breaks it. `width` is in logical pixels."""
    device = painter.device()
    ratio = device.devicePixelRatioF() if device else 1.0
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    pen = QPen(color, width)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if width * ratio <= 1:
        if dash:
            pen.setDashPattern(dash)
        painter.setPen(pen)
        painter.drawPath(path(x, y, "finite"))
        return
    pen.setCapStyle(Qt.PenCapStyle.FlatCap if dash else Qt.PenCapStyle.SquareCap)
    painter.setPen(pen)
    draw_lines(painter, segments(x, y, dash, width))


def segments(x: Floats, y: Floats, dash: tuple[float, ...] = (), width: float = 1.0) -> Floats:
    """The line through the points as rows (x0, y0, x1, y1), cut into dashes; nan breaks it."""
    finite = np.isfinite(x) & np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(np.int8)))
    runs = [_dashed(x[a:b], y[a:b], dash, width) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]
    return np.concatenate(runs) if runs else np.empty((0, 4))


def _dashed(x: Floats, y: Floats, dash: tuple[float, ...], width: float) -> Floats:
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    steps = np.floor(along / SHORTEST_STEP)
    kept = np.concatenate([[True], np.diff(steps) > 0])
    kept[-1] = True
    x, y, along = x[kept], y[kept], along[kept]
    if not dash or along[-1] > LONGEST_DASHED:
        return np.stack([x[:-1], y[:-1], x[1:], y[1:]], axis=1)
    pattern = np.array(dash) * max(width, 1.0)
    ends = np.concatenate([[0.0], np.cumsum(pattern)])
    period = ends[-1]
    cuts = (np.arange(0, along[-1] + period, period)[:, None] + ends[None, :-1]).ravel()
    cuts = cuts[(cuts > 0) & (cuts < along[-1])]
    places = np.union1d(along, cuts)
    x, y = np.interp(places, along, x), np.interp(places, along, y)
    phase = np.mod((places[:-1] + places[1:]) / 2, period)
    inked = np.searchsorted(ends, phase, side="right") % 2 == 1
    return np.stack([x[:-1], y[:-1], x[1:], y[1:]], axis=1)[inked]


def thinned(x: Floats, y: Floats, columns: int) -> tuple[Floats, Floats]:
    """Lowest and highest point of each pixel column where there are many more points than columns."""
    if len(x) <= 6 * columns or not bool(np.all(np.diff(x) >= 0)) or not bool(np.all(np.isfinite(y))):
        return x, y
    starts = np.flatnonzero(np.concatenate([[True], np.diff(np.floor(x)) > 0]))
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    first, last = y[starts], y[np.append(starts[1:], len(y)) - 1]
    return np.repeat(x[starts], 4), np.stack([first, low, high, last], axis=1).ravel()


def draw_markers(
    painter: QPainter, marker: str, x: Floats, y: Floats, color: QColor, hollow: QColor | None = None
) -> None:
    """One symbol at each finite point, all in one path; `hollow` ones are outlined and filled with that color."""
    radius = next((radius for most, radius in _RADII if len(x) <= most), SMALLEST_RADIUS)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(color, 1.0) if hollow else QPen(Qt.PenStyle.NoPen))
    painter.setBrush(hollow or color)
    painter.drawPath(marker_path(marker, x, y, radius))


def marker_path(marker: str, x: Floats, y: Floats, radius: float) -> QPainterPath:
    """The outline of a symbol at each finite point."""
    finite = np.isfinite(x) & np.isfinite(y)
    shape = radius * _SHAPES.get(marker, _SHAPES["o"])
    corners = np.concatenate([shape, shape[:1]])
    count = len(corners)
    px = (x[finite][:, None] + corners[None, :, 0]).ravel()
    py = (y[finite][:, None] + corners[None, :, 1]).ravel()
    joined = np.ones(len(px), dtype=np.int32)
    joined[count - 1 :: count] = 0
    outline = path(px, py, joined)
    outline.setFillRule(Qt.FillRule.WindingFill)
    return outline


def draw_rings(painter: QPainter, x: Floats, y: Floats, color: QColor) -> None:
    """A circle around each marker, wide enough to leave a gap."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(color, 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        painter.drawEllipse(QPointF(across, down), RING_RADIUS, RING_RADIUS)


def draw_sample(
    painter: QPainter, area: QRectF, color: QColor, dash: tuple[float, ...], marker: str, width: float
) -> None:
    """How a curve looks, in a legend."""
    middle = area.center().y()
    across = np.array([area.left(), area.right()])
    draw_curve(painter, across, np.full(2, middle), color, dash, max(width, 1.5))
    if marker:
        center = QPointF(area.center())
        draw_markers(painter, marker, np.array([center.x()]), np.array([middle]), color)
