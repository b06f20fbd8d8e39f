"""Points colored by a value: a stamp of the marker in each color, pressed on a picture at the pixel of each point."""

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen

from explorer.canvas.colors import key_of
from explorer.canvas.pictures import Kept, Packed, fineness, image_of, size_of
from explorer.canvas.strokes import marker_path
from explorer.canvas.surface import Drawing, Surface, drawn
from explorer.marks import NEUTRAL, Floats, Shaded, Style
from explorer.ranges import Frame
from explorer.scales import Scale
from explorer.shades import Colors

# Smaller where there are more, and larger than points of one color, so that theirs is seen.
_RADII = ((300, 4.5), (1000, 3.5), (2500, 3.0))
SMALLEST_RADIUS = 2.5
EDGE = 0.8
# Of a stamp's pixel: fainter ones never cover what is drawn of another point.
SOLID = 128


class ShadedDrawing(Drawing[Shaded]):
    """Colored points, each outlined, because the colors near zero are like the background."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        self.x, self.y = drawn(self.mark.x, x_scale), drawn(self.mark.y, y_scale)
        self.key = key_of(self.mark)
        self.order = self.key.shades.rising(self.mark.values)
        self._kept = Kept()

    def draw(self, painter: QPainter, on: Surface) -> None:
        ratio, edge = fineness(painter, on.frame), on.ink(self.mark.style)
        on.inked.append((on.frame.across(self.x), on.frame.down(self.y)))
        known = on.frame, on.theme, edge.rgba(), ratio
        picture = self._kept.picture(known, lambda: self._picture(on, edge, ratio))
        painter.drawImage(QPointF(0.0, 0.0), picture)

    def nearest(self, x: float, y: float, frame: Frame) -> tuple[int, float]:
        """The point nearest to these drawn coordinates, and how many pixels it is away; along x alone where y is nan.

        Without any point, one that is infinitely far away.
        """
        across = frame.across(self.x) - frame.across(np.array([x]))
        down = 0.0 if np.isnan(y) else frame.down(self.y) - frame.down(np.array([y]))
        distances = np.hypot(across, down)
        distances = np.where(np.isnan(distances) | np.isnan(self.y), np.inf, distances)
        place = int(np.argmin(distances)) if distances.size else 0
        return place, float(distances[place]) if distances.size else np.inf

    def value(self, position: int) -> str:
        value = float(self.mark.values[position])
        return "no value" if np.isnan(value) else self.key.shades.text(value)

    def _picture(self, on: Surface, edge: QColor, ratio: float) -> QImage:
        radius = ratio * next((radius for most, radius in _RADII if self.x.size <= most), SMALLEST_RADIUS)
        fills = self.key.shades.ramp(dark=on.theme.dark)
        gray = on.ink(Style(NEUTRAL))
        fills = np.concatenate([fills, np.array([[gray.red(), gray.green(), gray.blue()]], dtype=np.uint8)])
        stamps = stamps_of(self.mark.style.marker or "o", radius, EDGE * ratio, fills, edge)
        x, y = ratio * on.frame.across(self.x[self.order]), ratio * on.frame.down(self.y[self.order])
        return image_of(pressed(stamps, x, y, self.key.levels[self.order], *size_of(on.frame, ratio)), ratio)


def stamps_of(marker: str, radius: float, width: float, fills: Colors, edge: QColor) -> Packed:
    """The marker in pixels, filled with each of the colors and outlined: (colors, rows, columns), both odd."""
    half = int(np.ceil(1.3 * radius + width))
    size = 2 * half + 1
    shape = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    shape.fill(Qt.GlobalColor.transparent)
    painter = QPainter(shape)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(QColor("#00FF00"), width))
    painter.setBrush(QColor("#FF0000"))
    middle = np.array([size / 2])
    painter.drawPath(marker_path(marker, middle, middle, radius))
    painter.end()
    bits = shape.constBits()
    assert bits is not None
    # How much of each pixel is within, and how much on the edge.
    parts = np.frombuffer(bits.asstring(shape.sizeInBytes()), dtype=np.uint8).reshape(size, size, 4)
    around, within, opacity = np.moveaxis(parts[..., 1:], -1, 0).astype(np.uint32)
    colors = np.array([edge.red(), edge.green(), edge.blue()], dtype=np.uint32)
    mixed = (within[..., None] * fills[:, None, None, :] + around[..., None] * colors) // 255
    return (opacity << 24) | (mixed[..., 0] << 16) | (mixed[..., 1] << 8) | mixed[..., 2]


def pressed(stamps: Packed, x: Floats, y: Floats, which: NDArray[np.intp], width: int, height: int) -> Packed:
    """A picture of this size with one of the stamps at each of these pixels; the last ones lie on top."""
    size = stamps.shape[1]
    # A margin all around for stamps that are cut by the edge.
    stride, rows = width + 2 * size, height + 2 * size
    left, top = x + (size - size // 2), y + (size - size // 2)
    inside = (left >= 0) & (left < stride - size) & (top >= 0) & (top < rows - size)
    corners = np.floor(top[inside]).astype(np.intp) * stride + np.floor(left[inside]).astype(np.intp)
    pixels = np.zeros(rows * stride, dtype=np.uint32)
    opacity = stamps[0] >> 24
    for chosen in ((opacity > 0) & (opacity < SOLID), opacity >= SOLID):
        row, column = np.nonzero(chosen)
        places = corners[:, None] + (row * stride + column)
        pixels[places.ravel()] = stamps[:, chosen][which[inside]].ravel()
    return pixels.reshape(rows, stride)[size:-size, size:-size]
