"""Clouds of very many points: one picture of their density, blended so that where they overlap is seen."""

import numpy as np
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QColor, QImage, QPainter

from explorer.canvas.pictures import Kept, fineness, image_of, size_of, tints
from explorer.canvas.surface import Drawing, Surface
from explorer.clouds import density
from explorer.marks import Cloud, Floats
from explorer.scales import Scale

# As many points tell a label where the cloud is.
MOST_INKED = 2000


class CloudDrawing(Drawing[Cloud]):
    """Points that are not read one by one. The picture is kept while neither they nor the view change."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        self.x, self.y = (
            np.asarray(scale.forward(np.asarray(values, dtype=np.float64)))
            for scale, values in ((x_scale, self.mark.x), (y_scale, self.mark.y))
        )
        self._kept = Kept()

    def draw(self, painter: QPainter, on: Surface) -> None:
        x, y = on.frame.across(self.x), on.frame.down(self.y)
        step = max(1, len(x) // MOST_INKED)
        on.inked.append((x[::step], y[::step]))
        color, ratio = on.ink(self.mark.style), fineness(painter, on.frame)
        known = on.frame, color.rgba(), ratio
        draw_density(painter, on, self._kept.picture(known, lambda: picture_of(x, y, on, color, ratio)))


def picture_of(x: Floats, y: Floats, on: Surface, color: QColor, ratio: float) -> QImage:
    """The density of the points at these pixels, in shades of a color."""
    width, height = size_of(on.frame, ratio)
    found = density(x * ratio, y * ratio, width, height, ratio)
    ramp = tints(color)[np.rint(255 * found.opacity).astype(np.intp)]
    return image_of(ramp.take(found.counts, mode="clip"), ratio)


def draw_density(painter: QPainter, on: Surface, picture: QImage) -> None:
    """Laid over what is there: darker on a light background where both are, lighter on a dark one."""
    modes = QPainter.CompositionMode
    painter.setCompositionMode(modes.CompositionMode_Screen if on.theme.dark else modes.CompositionMode_Multiply)
    painter.drawImage(QPointF(0.0, 0.0), picture)
