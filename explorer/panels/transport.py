"""Entropic transport between two clouds: what is asked, what was found in numbers, and how far the work is."""

import dataclasses
import json
import math
from functools import partial

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from explorer.coupled import Told
from explorer.fields import NumberField
from explorer.fields.base import SPACING
from explorer.form import Form
from explorer.panels.parts import Flow, Note, copy_text, push_button
from explorer.session import Session
from kernels.analyses.estimated import PARTNERS
from kernels.pairs import Transport

HINT = "Couples two clouds of points; what is found is seen in the tabs Transport and Estimates."
# Regularizations that need no look at the points.
DISTANCE, MAP = 0.2, 0.01


class TransportPanel(QWidget):
    """`changed(session, dragging)` and `stopped()` say what a person wants; `said(sentence)` why it was refused."""

    changed = pyqtSignal(object, bool)
    stopped = pyqtSignal()
    said = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self._told: Told | None = None
        self.note = Note(HINT)
        self.form = Form(Transport(), self)
        self.form.stand_alone()
        # What is looked at comes first; how it is found can be opened.
        self.form.group("solver").toggle.setChecked(False)
        self.presets = {
            name: push_button(text, "", partial(self._set_epsilon, name))
            for name, text in (
                ("distance", "Distance"),
                ("map", "Map"),
                ("partners", f"{PARTNERS:g} partners"),
                ("nearest", "Neighbors"),
            )
        }
        label = QLabel("Set ε for", self)
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName("Progress of the coupling")
        self.bar.setRange(0, 1000)
        self.stop = push_button("Stop", "Leave it at what is known (Ctrl+.)", self.stopped.emit)
        self.copy = push_button("Copy as JSON", "The numbers below, at full precision", self._copy)
        self.table = _Table(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.addWidget(self.note)
        layout.addWidget(self.form)
        layout.addLayout(Flow(label, *self.presets.values()))
        layout.addWidget(self.bar)
        layout.addWidget(self.table)
        layout.addLayout(Flow(self.copy, self.stop))
        layout.addStretch(1)
        self.form.changed.connect(self._edit)
        self.form.refused.connect(self.said)
        self.set_found(None, current=True)
        self.set_progress(None)

    def set_value(self, session: Session) -> None:
        """Show what this session asks; emits nothing."""
        asked = [(one.transport, one.experiment, one.sampling) for one in (session, self._session)]
        if asked[0] != asked[1]:
            self.table.set_current(False)
        self._session = session
        self.form.set_value(session.transport)
        self._mark()

    def set_found(self, found: Told | None, *, current: bool) -> None:
        """Show these numbers, or none; `current` tells whether they answer the present question."""
        self._told = found
        self.note.say("" if found is not None else HINT)
        self.table.show_lines(found.lines if found is not None else (), current=current)
        self.copy.setEnabled(found is not None)
        self._mark()

    def set_progress(self, fraction: float | None) -> None:
        """How far the work is; None where nothing is done."""
        busy = fraction is not None
        self.bar.setVisible(busy)
        self.stop.setEnabled(busy)
        if fraction is not None:
            self.bar.setValue(round(1000 * fraction))
            self.bar.setFormat(f"{100 * fraction:.0f} %")

    @property
    def worth_trying(self) -> dict[str, tuple[float, str]]:
        """Regularizations over the mean cost, and why, by the name of their button; those that are known."""
        found = {
            "distance": (DISTANCE, "a distance: its divergence strays least, at 0.2 of the mean cost"),
            "map": (MAP, "a map: sharp enough for points to be followed, at 0.01 of the mean cost"),
        }
        scales = None if self._told is None else self._told.scales
        if scales is not None and math.isfinite(scales.few_partners):
            found["partners"] = scales.few_partners, f"{PARTNERS:g} partners for each point"
        if scales is not None and scales.nearest > 0:
            found["nearest"] = scales.nearest, "the mean squared distance to the nearest point of the other cloud"
        return found

    def _mark(self) -> None:
        """The same on the slider, and on the buttons."""
        known = self.worth_trying
        field = self.form.row("epsilon").field
        assert isinstance(field, NumberField)
        field.set_marks(dict(known.values()))
        for name, button in self.presets.items():
            button.setEnabled(name in known)
            value, why = known.get(name, (0.0, "known once the points have been looked at"))
            button.setToolTip(f"ε = {value:.3g}: {why}" if name in known else f"Will be {why}")

    def _set_epsilon(self, name: str) -> None:
        value = float(f"{self.worth_trying[name][0]:.4g}")
        self._edit(dataclasses.replace(self._session.transport, epsilon=value), "epsilon", False)

    def _edit(self, transport: Transport, _path: str, dragging: bool) -> None:
        session = dataclasses.replace(self._session, transport=transport)
        self.set_value(session)
        self.changed.emit(session, dragging)

    def _copy(self) -> None:
        if self._told is not None:
            copy_text(json.dumps(self._told.values, ensure_ascii=False, indent=2))


class _Table(QWidget):
    """Names and what is told of them, to be read and copied."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Numbers of the coupling")
        self._rows: list[tuple[QLabel, QLabel]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * SPACING)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)

    def show_lines(self, lines: tuple[tuple[str, str], ...], *, current: bool) -> None:
        """Show these; rows are kept where there are as many, so that nothing moves."""
        while len(self._rows) < len(lines):
            pair = QLabel(self), QLabel(self)
            for column, label in enumerate(pair):
                label.setAlignment(Qt.AlignmentFlag.AlignTop)
                self._grid.addWidget(label, len(self._rows), column)
            pair[1].setWordWrap(True)
            pair[1].setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._rows.append(pair)
        for place, pair in enumerate(self._rows):
            texts = lines[place] if place < len(lines) else ("", "")
            for label, text in zip(pair, texts, strict=True):
                label.setText(text)
                label.setVisible(place < len(lines))
        self.set_current(current)

    def set_current(self, current: bool) -> None:
        """Whether the numbers answer the present question: else they are muted."""
        self.setEnabled(current)

    def text(self) -> str:
        """All lines, for tests and for those who cannot see."""
        return "\n".join(f"{name.text()}: {text.text()}" for name, text in self._rows if not name.isHidden())
