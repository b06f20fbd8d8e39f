"""The legend: rows of small buttons above the plot, so that it never covers a curve."""

from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QPoint, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from explorer.canvas.items import HATCHES, hatching
from explorer.canvas.strokes import draw_markers, draw_sample
from explorer.canvas.surface import Surface
from explorer.canvas.theme import Theme, ink
from explorer.marks import (
    DASHES,
    Band,
    Bars,
    Cloud,
    Curve,
    Figure,
    Floats,
    Gallery,
    Heat,
    Line,
    Mark,
    Points,
    Segments,
    Shaded,
    Style,
)

SAMPLE = 24
GAP = 5
SPACING = 10
# Where the dots of a cloud's sample are, from its center.
SWARM = np.array([(-6.0, 1.5), (0.0, -2.0), (5.5, 2.0)]).T
INSET = 6
# Characters of a label, at most; fewer where the legend would take more than its share of the height.
LABEL_LENGTHS = (28, 14, 8)


@dataclass(frozen=True)
class Entry:
    """One line of a legend: all marks with this label go together."""

    label: str
    kind: type[Mark]
    style: Style


def entries_of(figure: Figure) -> tuple[Entry, ...]:
    """The labeled marks in their order; reference lines, color bars and galleries carry their labels themselves."""
    found: dict[str, Entry] = {}
    for mark in figure.marks:
        if mark.label and not isinstance(mark, Line | Heat | Gallery):
            known = found.get(mark.label)
            # A curve tells more of a look than the band or the points around it.
            if known is None or (isinstance(mark, Curve) and known.kind is not Curve):
                found[mark.label] = Entry(mark.label, type(mark), mark.style)
    return tuple(found.values())


class EntryButton(QAbstractButton):
    """Sample and label of one entry; checked means shown."""

    solo = pyqtSignal()

    def __init__(self, parent: QWidget, surface: Surface, entry: Entry) -> None:
        super().__init__(parent)
        self.surface, self.entry = surface, entry
        self.setCheckable(True)
        self.setChecked(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"Show {entry.label}")
        self.setToolTip(f"{entry.label}\nClick to hide or show, Ctrl+click to show only this one")

    def sizeHint(self) -> QSize:
        """Room for sample and label."""
        metrics = self.fontMetrics()
        return QSize(SAMPLE + GAP + metrics.horizontalAdvance(self.entry.label) + 4, metrics.height() + 2)

    def size_with(self, length: int) -> QSize:
        """Room where the label may have this many characters."""
        wanted = self.sizeHint()
        most = SAMPLE + GAP + length * self.fontMetrics().averageCharWidth()
        return QSize(min(wanted.width(), most), wanted.height())

    def mousePressEvent(self, e: QMouseEvent | None) -> None:
        """With Ctrl, show only this entry."""
        if e is not None and e.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.solo.emit()
            return
        super().mousePressEvent(e)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        """Space and Enter toggle; with Ctrl they show only this entry."""
        if e is not None and e.key() in {Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            if e.modifiers() & Qt.KeyboardModifier.ControlModifier:
                self.solo.emit()
            else:
                self.click()
            return
        super().keyPressEvent(e)

    def paintEvent(self, e: QPaintEvent | None) -> None:
        """Sample as in the plot; a hidden entry is pale and struck out."""
        painter, theme = QPainter(self), self.surface.theme
        middle = self.height() / 2
        if not self.isChecked():
            painter.setOpacity(0.35)
        self._paint_sample(painter, QRectF(1, middle - 5, SAMPLE - 2, 10), theme)
        painter.setOpacity(1.0)
        painter.setPen(QColor(theme.text if self.isChecked() else theme.muted))
        font = self.font()
        font.setStrikeOut(not self.isChecked())
        painter.setFont(font)
        box = QRect(SAMPLE + GAP, 0, self.width() - SAMPLE - GAP, self.height())
        text = self.fontMetrics().elidedText(self.entry.label, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.muted), 1.0, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_sample(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        style, color = self.entry.style, QColor(ink(self.entry.style.color, theme))
        if self.entry.kind in {Points, Shaded}:
            center = area.center()
            draw_markers(painter, style.marker or "o", *_point(center.x(), center.y()), color)
        elif self.entry.kind is Segments:
            draw_sample(painter, area, color, (), "", style.width)
        elif self.entry.kind is Cloud:
            x, y = area.center().x() + SWARM[0], area.center().y() + SWARM[1]
            draw_markers(painter, "o", x, y, color)
        elif self.entry.kind in {Bars, Band}:
            painter.setPen(Qt.PenStyle.NoPen)
            color.setAlpha(90 if self.entry.kind is Band else 255)
            box = area.adjusted(4, 0, -4, 0)
            painter.fillRect(box, color)
            hatch = HATCHES[DASHES.index(style.dash) if style.dash in DASHES else 0]
            if self.entry.kind is Bars and hatch != Qt.BrushStyle.NoBrush:
                painter.setBrush(hatching(self.surface, hatch))
                painter.drawRect(box)
        else:
            draw_sample(painter, area, color, style.dash, style.marker, style.width)


class Legend(QWidget):
    """Entries in as many rows as they need. Hidden labels are remembered from figure to figure."""

    hidden_changed = pyqtSignal(frozenset)

    def __init__(self, parent: QWidget, surface: Surface) -> None:
        super().__init__(parent)
        self.surface = surface
        self.entries: tuple[Entry, ...] = ()
        self.hidden: frozenset[str] = frozenset()
        self.buttons: list[EntryButton] = []
        self.most_height = 1000
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("Legend")

    def show_entries(self, entries: tuple[Entry, ...]) -> None:
        """Buttons for these entries; nothing is done while they stay the same."""
        if entries == self.entries:
            return
        self.entries = entries
        labels = [entry.label for entry in entries]
        if labels == [button.entry.label for button in self.buttons]:
            for button, entry in zip(self.buttons, entries, strict=True):
                button.entry = entry
                button.update()
            return
        for button in self.buttons:
            button.hide()
            button.deleteLater()
        self.buttons = [self._button(entry) for entry in entries]
        self.setVisible(bool(entries))
        self._place(self.width())
        self.updateGeometry()

    def _button(self, entry: Entry) -> EntryButton:
        button = EntryButton(self, self.surface, entry)
        button.setChecked(entry.label not in self.hidden)
        button.clicked.connect(lambda: self._toggle(entry.label))
        button.solo.connect(lambda: self._solo(entry.label))
        button.show()
        return button

    def set_hidden(self, labels: frozenset[str]) -> None:
        """Hide these labels, among entries here and among those to come."""
        if labels == self.hidden:
            return
        self.hidden = labels
        for button in self.buttons:
            button.setChecked(button.entry.label not in labels)
        self.hidden_changed.emit(labels)

    def set_most_height(self, height: int) -> None:
        """Cut labels where the rows would be higher than this."""
        if height != self.most_height:
            self.most_height = height
            self._place(self.width())
            self.updateGeometry()

    def _toggle(self, label: str) -> None:
        self.set_hidden(self.hidden ^ {label})

    def _solo(self, label: str) -> None:
        labels = frozenset(entry.label for entry in self.entries)
        others = labels - {label}
        # A second time brings the others back.
        alone = label not in self.hidden and others <= self.hidden
        self.set_hidden(self.hidden - labels if alone else (self.hidden - {label}) | others)

    def hasHeightForWidth(self) -> bool:
        """Rows depend on the width."""
        return True

    def heightForWidth(self, a0: int) -> int:
        """Height of the rows that are needed at this width."""
        return self._rows(a0)[1]

    def sizeHint(self) -> QSize:
        """One row."""
        return QSize(120, self.heightForWidth(max(self.width(), 120)))

    def minimumSizeHint(self) -> QSize:
        """One row, elided."""
        return QSize(60, self.fontMetrics().height() + 2)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Flow anew."""
        self._place(self.width())

    def _rows(self, width: int) -> tuple[list[QRect], int]:
        rows = (self._rows_with(width - INSET, length) for length in LABEL_LENGTHS)
        shortest = self._rows_with(width - INSET, LABEL_LENGTHS[-1])
        return next((found for found in rows if found[1] <= self.most_height), shortest)

    def _rows_with(self, width: int, length: int) -> tuple[list[QRect], int]:
        places: list[QRect] = []
        at, height = QPoint(INSET, 0), 0
        for button in self.buttons:
            size = button.size_with(length).boundedTo(QSize(max(width, SAMPLE), 1000))
            if at.x() > INSET and at.x() + size.width() > width:
                at = QPoint(INSET, at.y() + size.height())
            places.append(QRect(at, size))
            height = at.y() + size.height()
            at.setX(at.x() + size.width() + SPACING)
        wanted = [button.sizeHint().width() for button in self.buttons]
        for row in {place.y() for place in places}:
            _share_room([k for k, place in enumerate(places) if place.y() == row], places, wanted, width)
        return places, height

    def _place(self, width: int) -> None:
        for button, place in zip(self.buttons, self._rows(width)[0], strict=True):
            button.setGeometry(place)


def _share_room(row: list[int], places: list[QRect], wanted: list[int], width: int) -> None:
    """Give what is left of a row to labels that were cut, from left to right."""
    for position, index in enumerate(row):
        place, rest = places[index], row[position + 1 :]
        free = width - places[row[-1]].right()
        cut = [k for k in row[position:] if places[k].width() < wanted[k]]
        if index not in cut or free <= 0:
            continue
        more = min(wanted[index] - place.width(), free // len(cut))
        place.setWidth(place.width() + more)
        for other in rest:
            places[other].translate(more, 0)


def _point(x: float, y: float) -> tuple[Floats, Floats]:
    return np.array([x]), np.array([y])
