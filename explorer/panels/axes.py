"""Which two modes, or other coordinates, of clouds are drawn."""

import dataclasses
from functools import partial

from PyQt6.QtCore import QSignalBlocker, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget

from explorer.fields.base import SPACING
from explorer.session import Session

MOST_RANK = 10_000_000


class Axes(QWidget):
    """`chosen(ranks)`: a person chose other ranks to look at, across and up."""

    chosen = pyqtSignal(object)

    def __init__(self, label: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ranks = (1, 2)
        self.boxes = tuple(self._box(place) for place in (0, 1))
        name = QLabel(label, self)
        name.setBuddy(self.boxes[0])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACING)
        for widget in (name, *self.boxes):
            row.addWidget(widget)

    def _box(self, place: int) -> QSpinBox:
        box = QSpinBox(self)
        box.setRange(1, MOST_RANK)
        box.setKeyboardTracking(False)
        box.setMaximumWidth(5 * box.fontMetrics().height())
        box.setAccessibleName("Mode across" if place == 0 else "Mode up")
        box.setToolTip("Rank of the mode that is drawn " + ("across" if place == 0 else "up") + ", the largest being 1")
        box.valueChanged.connect(partial(self._choose, place))
        return box

    def set_value(self, ranks: tuple[int, int]) -> None:
        """Show these ranks; emits nothing."""
        self._ranks = ranks
        for box, rank in zip(self.boxes, ranks, strict=True):
            with QSignalBlocker(box):
                box.setValue(rank)

    def _choose(self, place: int, rank: int) -> None:
        self._ranks = (rank, self._ranks[1]) if place == 0 else (self._ranks[0], rank)
        self.chosen.emit(self._ranks)


class AxesBar(QWidget):
    """Above plots of two clouds. `changed(session)`: a person chose other modes to look at."""

    changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.axes = Axes("M&odes", self)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACING, SPACING, SPACING, 0)
        row.addWidget(self.axes)
        row.addStretch(1)
        self.axes.chosen.connect(self._choose)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        self._session = session
        self.axes.set_value(session.looked_at)

    def _choose(self, ranks: tuple[int, int]) -> None:
        self.changed.emit(dataclasses.replace(self._session, looked_at=ranks))
