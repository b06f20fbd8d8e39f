"""What a drawing of a mark is, and the plot it is put on."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QPainter

from explorer.canvas.theme import LIGHT, Theme, ink
from explorer.marks import Floats, Mark, Style
from explorer.ranges import UNIT, Frame
from explorer.scales import Scale

# Drawn where a scale has no place for a value: beyond the edge of any plot.
FAR = 1e307

M = TypeVar("M", bound=Mark)


@dataclass
class Surface:
    """What drawings need to know of the plot they are on; one per view, shared by its items."""

    theme: Theme = LIGHT
    frame: Frame = UNIT
    taken: list[QRectF] = field(default_factory=list[QRectF])
    inked: list[tuple[Floats, Floats]] = field(default_factory=list[tuple[Floats, Floats]])

    def ink(self, style: Style) -> QColor:
        """The color of a mark in the current theme."""
        return ink(style.color, self.theme)

    def start(self) -> None:
        """Forget what was drawn in the frame before."""
        self.taken.clear()
        self.inked.clear()

    def cover(self, box: QRectF) -> int:
        """How much of what is drawn would be hidden by a box; other labels count most."""
        hidden = 1000 * sum(box.intersects(other) for other in self.taken)
        for x, y in self.inked:
            within = (x > box.left()) & (x < box.right()) & (y > box.top()) & (y < box.bottom())
            hidden += int(np.count_nonzero(within))
        return hidden


def drawn(values: Floats, scale: Scale) -> Floats:
    """Drawn coordinates; nan where there is none, and for infinities."""
    found = np.asarray(scale.forward(np.asarray(values, dtype=np.float64)), dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


class Drawing(ABC, Generic[M]):
    """A mark mapped through the scales of its axes, ready to be put on pixels."""

    def __init__(self, mark: M, x_scale: Scale, y_scale: Scale) -> None:
        self.mark = mark
        self.x = np.empty(0)
        self.prepare(x_scale, y_scale)

    @abstractmethod
    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        """Map the data."""

    @abstractmethod
    def draw(self, painter: QPainter, on: Surface) -> None:
        """Put them on pixels."""

    def value(self, position: int) -> str:
        """What is told about the data point at this position."""
        return ""
