"""The colors of values, and the bar beside the plot that tells what they mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QPen
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from explorer.canvas.axis import ScaleAxis
from explorer.canvas.pictures import Packed
from explorer.canvas.surface import Surface
from explorer.marks import Axis, Colored
from explorer.shades import LEVELS, Colors, Shades, shades_of

BAR = 14.0
BEFORE_BAR = 10.0


@dataclass(frozen=True, eq=False)
class ColorKey:
    """The colors of a mark, what they mean, and the level of each value; `known` unless all values are nan."""

    meaning: str
    shades: Shades
    levels: NDArray[np.intp]
    known: bool


def key_of(mark: Colored) -> ColorKey:
    """The colors for the values of the mark."""
    shades = shades_of(mark)
    return ColorKey(mark.meaning, shades, shades.levels(mark.values), not np.all(np.isnan(mark.values)))


def packed(colors: Colors) -> Packed:
    """Opaque colors."""
    red, green, blue = colors.astype(np.uint32).T
    return 0xFF000000 | (red << 16) | (green << 8) | blue


class ColorBar(ScaleAxis):
    """The colors of cells or points at the right of the plot, with numbers and what they mean."""

    def __init__(self, surface: Surface) -> None:
        super().__init__("right", surface, BEFORE_BAR + BAR)
        self.key: ColorKey | None = None

    def show_colors(self, key: ColorKey | None, length: float) -> None:
        """Choose the ticks for a bar of this length, or hide it where there are no colors."""
        self.key = key
        self.setVisible(key is not None)
        if key is not None:
            self.refresh(Axis(key.meaning, key.shades.scale), (), key.shades.span, length, empty=False)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """The colors, the largest value's at the top, then their axis."""
        if painter is None or self.key is None:
            return
        colors = packed(self.key.shades.ramp(dark=self.surface.theme.dark))[::-1].copy()
        bar = QRectF(BEFORE_BAR, 0.0, BAR, self.frame.height)
        strip = QImage(colors.tobytes(), 1, LEVELS, 4, QImage.Format.Format_RGB32)
        painter.drawImage(bar, strip)
        painter.setPen(QPen(QColor(self.surface.theme.frame), 1.0))
        painter.drawRect(bar.adjusted(0, 0, 0, -1))
        super().paint(painter, option, widget)
