"""Above the particles: how many there are, which modes of them are seen, and where on their way from noise to data."""

import dataclasses
from functools import partial
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from explorer.fields import Field, NumberField, editor
from explorer.fields.base import SPACING
from explorer.panels.axes import Axes
from explorer.panels.parts import Flow, Refusal
from explorer.panels.player import Player
from explorer.panels.work_bar import WorkButtons
from explorer.session import Session
from kernels.analyses.clouds import FRAMES
from kernels.experiment import steps_of
from kernels.param import declarations, described
from kernels.particles import Sampling

# A whole way takes about this long, but no frame is shorter or longer than these.
SECONDS, SHORTEST_MS, LONGEST_MS = 4.0, 40, 250


class CloudBar(QWidget):
    """`changed(session, dragging)`: a person asked for another cloud, other modes, or another moment."""

    changed = pyqtSignal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.fields = {name: self._field(name) for name in declarations(Sampling)}
        self.axes = Axes("M&odes", self)
        self.player = Player("Place on the way from noise to data", "Show the way from noise to data", self)
        self.work = WorkButtons("Measure", "Distances of the particles to as many data (Ctrl+M)", self)
        self.refusal = Refusal()
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACING, SPACING, SPACING, 0)
        column.setSpacing(SPACING)
        labels = {"particles": "&Particles", "seed": "See&d", "dtype": "Precisio&n", "device": "De&vice"}
        rows = [_labeled(labels[name], field.controls[-1], field) for name, field in self.fields.items()]
        column.addLayout(Flow(*rows, self.axes, self.work))
        column.addWidget(self.player)
        column.addWidget(self.refusal)
        self.axes.chosen.connect(self._look_at)
        self.player.moved.connect(self._move)
        self.set_value(self._session)

    def _field(self, name: str) -> Field:
        declaration = declarations(Sampling)[name]
        field = editor(declaration, self)
        field.describe(name, declaration.help)
        field.edited.connect(partial(self._edit, name))
        field.unreadable.connect(partial(self._refuse, name))
        field.reset_requested.connect(lambda: self._edit(name, getattr(Sampling(), name), False))
        if isinstance(field, NumberField) and name == "seed":
            field.slider.hide()
        return field

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        if session.sampling != self._session.sampling:
            self._settle()
        self._session = session
        for name, field in self.fields.items():
            field.set_value(getattr(session.sampling, name))
        self.axes.set_value(session.looked_at)
        frames = max(min(steps_of(session.experiment.grid) + 1, FRAMES), 2)
        interval = min(max(round(1000 * SECONDS / frames), SHORTEST_MS), LONGEST_MS)
        self.player.set_pace(interval, 1 / (frames - 1))
        self.player.set_place(session.moment, f"{100 * session.moment:.0f} % of the way", "100 % of the way")
        self.player.set_usable(True, "Place on the way from noise to data")
        self.work.set_value(session)

    def _edit(self, name: str, value: Any, dragging: bool) -> None:
        changes: dict[str, Any] = {name: value}
        try:
            sampling = dataclasses.replace(self._session.sampling, **changes)
        except ValueError as error:
            self.fields[name].refuse()
            self.refusal.say(str(error))
            return
        self._settle()
        self.fields[name].set_value(value)
        self._change(dataclasses.replace(self._session, sampling=sampling), dragging)

    def _refuse(self, name: str, reason: str) -> None:
        self._settle()
        self.fields[name].refuse()
        self.refusal.say(f"{described(Sampling, name)} {reason}.")

    def _settle(self) -> None:
        for field in self.fields.values():
            field.settle()
        self.refusal.say("")

    def _look_at(self, ranks: tuple[int, int]) -> None:
        self._change(dataclasses.replace(self._session, looked_at=ranks), False)

    def _move(self, moment: float, dragging: bool) -> None:
        self._change(dataclasses.replace(self._session, moment=moment), dragging)

    def _change(self, session: Session, dragging: bool) -> None:
        self.set_value(session)
        self.changed.emit(session, dragging)


def _labeled(text: str, buddy: QWidget, *widgets: QWidget) -> QWidget:
    """Widgets with a label before them, which leads to its buddy."""
    group = QWidget()
    row = QHBoxLayout(group)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(SPACING)
    label = QLabel(text, group)
    label.setBuddy(buddy)
    for widget in (label, *widgets):
        row.addWidget(widget)
    return group
