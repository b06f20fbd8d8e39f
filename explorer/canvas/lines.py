"""The lines of text around a plot: title with its state, and what the curves say at the crosshair."""

from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from explorer.canvas.strokes import draw_markers
from explorer.canvas.surface import Surface
from explorer.canvas.theme import ink, text_ink
from explorer.canvas.view import Reading
from explorer.marks import Style

BUSY_BORDER = 3
BUSY = "updating…"
CELL_GAP = 14
SYMBOL = 8
INSET = 6


class Readout(QWidget):
    """One line: x, then each visible curve's value, its label in its color. A note stands there when there is none."""

    def __init__(self, parent: QWidget, surface: Surface) -> None:
        super().__init__(parent)
        self.surface = surface
        self.place = ""
        self.readings: Sequence[Reading] = ()
        self.note = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Values at the crosshair")

    def show_readings(self, place: str, readings: Sequence[Reading]) -> None:
        """Tell these values; nothing when the place is empty."""
        if (place, readings) != (self.place, self.readings):
            self.place, self.readings = place, readings
            self.update()

    def set_note(self, note: str) -> None:
        """What is told when nothing is pointed at."""
        if note != self.note:
            self.note = note
            self.setToolTip(note)
            self.update()

    def text(self) -> str:
        """The whole line, unabridged."""
        values = [f"{reading.label} {reading.value}".strip() for reading in self.readings]
        return "   ".join([self.place, *values]) if self.place else self.note

    def sizeHint(self) -> QSize:
        """One line of text."""
        return QSize(100, self.fontMetrics().height() + 2)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        paint_readings(painter, self.rect().adjusted(INSET, 0, -INSET, 0), self)


def paint_readings(painter: QPainter, area: QRect, readout: Readout) -> None:
    """Draw a readout's line into an area; abridge labels, then leave out the last values, if it is narrow."""
    theme, metrics = readout.surface.theme, painter.fontMetrics()
    middle = Qt.AlignmentFlag.AlignVCenter
    if not readout.place:
        painter.setPen(QColor(theme.muted))
        painter.drawText(area, middle, metrics.elidedText(readout.note, Qt.TextElideMode.ElideRight, area.width()))
        return
    space = metrics.horizontalAdvance(" ")
    cells: list[tuple[str, str, Style | None]] = [("", readout.place, None)]
    cells += [(reading.label, reading.value, reading.style) for reading in readout.readings]

    def advance_of(label: str, style: Style | None, *, named: bool) -> int:
        lead = metrics.horizontalAdvance(label) if named else SYMBOL
        return lead + space if style and (label or not named) else 0

    def width_of(cell: tuple[str, str, Style | None], *, named: bool) -> int:
        return advance_of(cell[0], cell[2], named=named) + metrics.horizontalAdvance(cell[1]) + CELL_GAP

    # Where names do not fit, the markers of the legend stand for them.
    named = sum(width_of(cell, named=True) for cell in cells) - CELL_GAP <= area.width()
    left, right = area.left(), area.left() + area.width()
    for position, cell in enumerate(cells):
        label, value, style = cell
        width = width_of(cell, named=named) - CELL_GAP
        rest = 0 if position == len(cells) - 1 else metrics.horizontalAdvance("…") + CELL_GAP
        if left + width + rest > right:
            painter.setPen(QColor(theme.muted))
            painter.drawText(QRect(left, area.top(), right - left, area.height()), middle, "…")
            return
        if style is not None and named:
            painter.setPen(text_ink(style.color, theme))
            painter.drawText(QRect(left, area.top(), width, area.height()), middle, label)
        elif style is not None:
            place = np.array([left + SYMBOL / 2]), np.array([area.center().y() + 0.5])
            draw_markers(painter, style.marker or "s", *place, ink(style.color, theme))
        left += advance_of(label, style, named=named)
        painter.setPen(QColor(theme.text))
        advance = metrics.horizontalAdvance(value)
        painter.drawText(QRect(left, area.top(), advance + 2, area.height()), middle, value)
        left += advance + CELL_GAP


class Header(QWidget):
    """Title, the border of a plot that answers an older question, and the chip of one that cannot answer."""

    def __init__(self, parent: QWidget, surface: Surface) -> None:
        super().__init__(parent)
        self.surface = surface
        self.title = ""
        self.busy = False
        self.error = ""
        self.readout: Readout | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """One line and the border."""
        return QSize(100, self.fontMetrics().height() + BUSY_BORDER + 4)

    def set_state(self, title: str, *, busy: bool, error: str) -> None:
        """What is to be told."""
        if (title, busy, error) != (self.title, self.busy, self.error):
            self.title, self.busy, self.error = title, busy, error
            self.setToolTip(error or title)
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Chip and state take their room from the right, the title has the rest."""
        painter, theme = QPainter(self), self.surface.theme
        area = self.rect().adjusted(0, BUSY_BORDER, 0, 0)
        if self.busy:
            painter.fillRect(QRect(0, 0, self.width(), BUSY_BORDER), QColor(theme.busy))
        if self.readout is not None and self.readout.place and not self.error:
            paint_readings(painter, area.adjusted(INSET, 0, -INSET, 0), self.readout)
            return
        bold = QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        wanted = QFontMetrics(bold).horizontalAdvance(self.title) + INSET
        right = area.right() - 3
        if self.error:
            most = max(right - wanted - 14, 2 * area.width() // 3)
            right -= self._paint_chip(painter, area, right, most) + 8
        elif self.busy:
            width = self.fontMetrics().horizontalAdvance(BUSY) + 2
            painter.setPen(QColor(theme.muted))
            box = QRect(right - width, area.top(), width, area.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, BUSY)
            right -= width + 8
        painter.setFont(bold)
        painter.setPen(QColor(theme.text))
        text = painter.fontMetrics().elidedText(self.title, Qt.TextElideMode.ElideRight, max(right - INSET, 0))
        painter.drawText(QRect(INSET, area.top(), right, area.height()), Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_chip(self, painter: QPainter, area: QRect, right: int, most: int) -> int:
        theme, metrics = self.surface.theme, self.fontMetrics()
        text = metrics.elidedText(self.error, Qt.TextElideMode.ElideRight, most - 12)
        width = metrics.horizontalAdvance(text) + 12
        chip = QRectF(right - width, area.top() + 0.5, width, area.height() - 1)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.error))
        painter.drawRoundedRect(chip, 4, 4)
        painter.setPen(QColor(theme.error_text))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)
        return width
