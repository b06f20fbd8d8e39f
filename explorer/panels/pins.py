"""Pinned experiments: references to which the present one is compared."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from explorer.fields.base import SPACING
from explorer.panels.items import ItemTable
from explorer.panels.parts import Flow, Note, push_button, shown
from explorer.session import Session, difference, items

EMPTY = (
    "A pin keeps the present experiment as a reference: it stays on every plot while you change the parameters, "
    "and its error is listed here beside the present one. Press P to pin."
)


def relative(value: float, present: float) -> str:
    """By how many percent a value exceeds the present one."""
    if not (math.isfinite(value) and math.isfinite(present) and present):
        return "—"
    percent = 100 * (value / present - 1)
    size = abs(percent)
    text = (
        f"{size:.2g}" if size < 1 else f"{size:.3g}" if size < 1000 else f"{size:.0f}" if size < 1e6 else f"{size:.0e}"
    )
    return f"{'' if float(text) == 0 else '+' if percent > 0 else '−'}{text} %"


class _Table(ItemTable):
    """Pins; Delete and Enter act on the current one."""

    removed = pyqtSignal()
    chosen = pyqtSignal()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        key = event.key() if event is not None else None
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit()
        else:
            super().keyPressEvent(event)


class PinsPanel(QWidget):
    """The pins, what each differs in from the present experiment, and its error; `changed(session)` by a person."""

    changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.empty = Note(EMPTY)
        self.table = _Table("Pins", ("Differs in", "W₂", "Δ"))
        head = self.table.headerItem()
        assert head is not None
        head.setToolTip(1, "What the pin has otherwise than the present experiment")
        head.setToolTip(2, "Error of the pin")
        head.setToolTip(3, "Error of the pin relative to that of the present experiment")
        self.add = push_button("Pin present", "Keep the present experiment as a reference (P)", self.pin)
        self.remove = push_button("Remove", "Remove the selected pin (Delete)", self._remove)
        self.back = push_button(
            "Return to this", "Make the selected pin the present experiment; all pins stay (Enter)", self._return
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.setSpacing(SPACING)
        layout.addLayout(Flow(self.add, self.remove, self.back))
        layout.addWidget(self.empty)
        layout.addWidget(self.table, 1)
        layout.addStretch(0)
        self.table.removed.connect(self._remove)
        self.table.chosen.connect(self._return)
        self.table.itemDoubleClicked.connect(self._return)
        self.table.currentItemChanged.connect(self._enable)
        self.set_value(self._session)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        self._session = session
        present, pins = session.experiment, session.pins
        drawn = items(session)
        self.table.set_items(
            drawn[len(drawn) - len(pins) :], [difference(pin, present) for pin in pins], (present, pins)
        )
        if self.table.currentItem() is None and pins:
            self.table.setCurrentItem(self.table.topLevelItem(0))
        self.empty.setVisible(not pins)
        self.table.setVisible(bool(pins))
        known = present in pins
        self.add.setEnabled(not known)
        self.add.setToolTip(
            "The present experiment is pinned already" if known else "Keep the present experiment as a reference (P)"
        )
        self._enable()

    def set_values(self, values: Mapping[str, float]) -> None:
        """Show the distances by label, those of `explorer.session.items`; emits nothing. Others stay as they are."""
        drawn = items(self._session)
        present = values.get(drawn[0].label, math.nan)
        self.table.set_numbers(
            [
                [shown(values[item.label]), relative(values[item.label], present)] if item.label in values else []
                for item in drawn[len(drawn) - len(self._session.pins) :]
            ]
        )

    def pin(self) -> None:
        """Pin the present experiment, as a person; where it is pinned already, point at that pin."""
        present, pins = self._session.experiment, self._session.pins
        if present not in pins:
            self._change(pins=(*pins, present))
        self.table.setCurrentItem(self.table.topLevelItem(self._session.pins.index(present)))

    def _selected(self) -> int:
        row = self.table.currentItem()
        return -1 if row is None else self.table.indexOfTopLevelItem(row)

    def _remove(self) -> None:
        place, pins = self._selected(), self._session.pins
        if place >= 0:
            self._change(pins=(*pins[:place], *pins[place + 1 :]))

    def _return(self) -> None:
        place = self._selected()
        if place >= 0:
            self._change(experiment=self._session.pins[place])

    def _enable(self) -> None:
        place = self._selected()
        chosen = 0 <= place < len(self._session.pins)
        self.remove.setEnabled(chosen)
        self.back.setEnabled(chosen and self._session.pins[place] != self._session.experiment)

    def _change(self, **changes: Any) -> None:
        session = dataclasses.replace(self._session, **changes)
        if session != self._session:
            self.set_value(session)
            self.changed.emit(session)
