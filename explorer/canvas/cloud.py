"""Clouds of very many points: one picture of their density, blended so that where they overlap is seen."""

import numpy as np
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QColor, QImage, QPainter

from explorer.canvas.surface import Drawing, Surface
from explorer.clouds import density
from explorer.marks import Cloud, Floats
from explorer.scales import Scale

# As many points tell a label where the cloud is.
MOST_INKED = 2000
# More pixels cost more time than moving points leave; each then stands for four.
MOST_PIXELS = 3_000_000


class CloudDrawing(Drawing[Cloud]):
    """Points that are not read one by one. The picture is kept while neither they nor the view change."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        self.x, self.y = (
            np.asarray(scale.forward(np.asarray(values, dtype=np.float64)))
            for scale, values in ((x_scale, self.mark.x), (y_scale, self.mark.y))
        )
        self._kept: tuple[object, QImage] | None = None

    def draw(self, painter: QPainter, on: Surface) -> None:
        x, y = on.frame.across(self.x), on.frame.down(self.y)
        step = max(1, len(x) // MOST_INKED)
        on.inked.append((x[::step], y[::step]))
        color, ratio = on.ink(self.mark.style), ratio_of(painter)
        known = (on.frame, color.rgba(), ratio)
        if self._kept is None or self._kept[0] != known:
            self._kept = known, picture_of(x, y, on, color, ratio)
        draw_density(painter, on, self._kept[1])


def ratio_of(painter: QPainter) -> float:
    """Device pixels per pixel."""
    device = painter.device()
    return device.devicePixelRatioF() if device else 1.0


def picture_of(x: Floats, y: Floats, on: Surface, color: QColor, ratio: float) -> QImage:
    """The density of the points at these pixels, in shades of a color."""
    if on.frame.width * on.frame.height * ratio**2 > MOST_PIXELS:
        ratio /= 2
    width, height = round(on.frame.width * ratio), round(on.frame.height * ratio)
    found = density(x * ratio, y * ratio, width, height, ratio)
    alpha = np.rint(255 * found.opacity).astype(np.uint32)
    red, green, blue = (alpha * part // 255 for part in (color.red(), color.green(), color.blue()))
    ramp = (alpha << 24) | (red << 16) | (green << 8) | blue
    pixels = ramp.take(found.counts, mode="clip")
    picture = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied).copy()
    picture.setDevicePixelRatio(ratio)
    return picture


def draw_density(painter: QPainter, on: Surface, picture: QImage) -> None:
    """Laid over what is there: darker on a light background where both are, lighter on a dark one."""
    modes = QPainter.CompositionMode
    painter.setCompositionMode(modes.CompositionMode_Screen if on.theme.dark else modes.CompositionMode_Multiply)
    painter.drawImage(QPointF(0.0, 0.0), picture)
