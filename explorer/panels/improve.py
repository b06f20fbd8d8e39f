"""The search for a better grid and stochasticity: what is asked, how far it is, and what it found."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QLabel, QProgressBar, QVBoxLayout, QWidget

from explorer.canvas import Canvas
from explorer.exchange import written
from explorer.fields.base import SPACING
from explorer.files import WriteError
from explorer.form import Form
from explorer.marks import Axis, Band, Curve, Figure, Line, Log, identity
from explorer.panels.parts import Flow, Note, Refusal, push_button, shown
from explorer.session import Session
from kernels.density import OBJECTIVES
from kernels.optimize import AIMS, METHODS, OVER, Optimum, Request
from kernels.param import Component, Interval, flag, option, param

HINT = "Finds times and stochasticity with the least error for the present number of steps, data and sampler."
AGAINST = ("data", "stop")
KINDS = "Noise levels (*.txt);;JSON (*.json);;Python for diffusers and k-diffusion style samplers (*.py)"


@dataclass(frozen=True, kw_only=True)
class Wish(Component):
    """What a person asks the search for."""

    over: str = option("both", "", OVER, "what is varied")
    per_step: bool = flag(False, "", "a stochasticity of its own for every step")
    objective: str = option("wasserstein2", "J", OBJECTIVES, "what is made least")
    method: str = option("exact", "by", METHODS, "the best times for this N, or the best density of steps (grid only)")
    robust: float = param(
        0.0, "±", (0.0, 0.5), "uncertainty of the spectrum's scale", domain=Interval(0.0, 1.0, includes_high=False)
    )
    aim: str = option("mean", "", AIMS, "over the uncertainty: the mean error, or the worst")
    against: str = option("data", "", AGAINST, "errors to the data, or to the law at the stop time")

    def request(self) -> Request:
        """The same for the search."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "against"]
        return Request(**{name: getattr(self, name) for name in names}, against_data=self.against == "data")


class ImprovePanel(QWidget):
    """`requested(session, request)`, `stopped()` and `accepted(experiment)` say what a person wants."""

    requested = pyqtSignal(object, object)
    stopped = pyqtSignal()
    accepted = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self._found: Optimum | None = None
        self.form = Form(Wish(), self)
        self.form.stand_alone()
        self.run = push_button("Improve", "Search from here (Ctrl+I)", self.start)
        self.stop = push_button("Cancel", "End the search; nothing changes", self.stopped.emit)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of the search")
        self.bar.setTextVisible(True)
        self.note, self.refusal = Note(HINT), Refusal()
        self.result = QLabel()
        self.result.setTextFormat(Qt.TextFormat.RichText)
        self.result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.result.setWordWrap(True)
        self.canvas = Canvas(self)
        self.canvas.setMinimumHeight(230)
        self.accept = push_button("Accept", "Use this grid and stochasticity", self._accept)
        self.save = push_button("Export …", "Write the levels for other programs", self._ask_export)
        self.discard = push_button("Discard", "Keep the present experiment", self._discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.addWidget(self.note)
        layout.addWidget(self.form)
        layout.addLayout(Flow(self.run, self.stop))
        for widget in (self.bar, self.refusal, self.result, self.canvas):
            layout.addWidget(widget)
        layout.addLayout(Flow(self.accept, self.save, self.discard))
        layout.addStretch(1)
        self._rest()
        self._discard()

    def set_value(self, session: Session) -> None:
        """The experiment to improve; a result for another one can no longer be accepted."""
        if self._found is not None and session.experiment != self._found.experiment:
            self._discard()
        self._session = session

    def start(self) -> None:
        """Search from the present experiment, as asked."""
        if not self.run.isEnabled():
            return
        wish = self.form.component
        assert isinstance(wish, Wish)
        self.refusal.say("")
        try:
            request = wish.request()
        except ValueError as error:
            self.refusal.say(str(error))
            return
        self._discard()
        self.bar.setRange(0, 1000)
        self.bar.setValue(0)
        self.bar.setFormat("starting")
        self.bar.show()
        self.run.setEnabled(False)
        self.stop.setEnabled(True)
        self.requested.emit(self._session, request)

    def set_progress(self, fraction: float, text: str) -> None:
        """How far the search is."""
        self.bar.setValue(round(1000 * fraction))
        self.bar.setFormat(text)

    def end(self, sentence: str) -> None:
        """The search gave nothing, for this reason."""
        self._rest()
        self.refusal.say(sentence)

    def show_result(self, found: Optimum) -> None:
        """Show what was found; nothing is changed until a person accepts."""
        self._rest()
        if found.experiment != self._session.experiment:
            self.refusal.say("The experiment was changed during the search; its result was dropped.")
            return
        self._found = found
        gain = found.before / found.after if found.after > 0 else float("inf")
        lines = [
            f"<b>W₂ {shown(found.before)} → {shown(found.after)}</b> ({shown(gain)} times less, {found.seconds:.1f} s)",
            _stochasticity(found),
        ]
        if found.leading is not None:
            lines.append(f"N W₂ → {shown(found.leading)} as N grows")
        self.result.setText("<br>".join(line for line in lines if line))
        self.canvas.show_figure(band(found), keep_view=False)
        for widget in (self.result, self.canvas, self.accept, self.save, self.discard):
            widget.show()

    def set_theme(self, *, dark: bool) -> None:
        """Colors of the plot."""
        self.canvas.set_theme(dark)

    def _rest(self) -> None:
        self.bar.hide()
        self.run.setEnabled(True)
        self.stop.setEnabled(False)

    def _accept(self) -> None:
        if self._found is not None:
            self.accepted.emit(self._found.improved)
            self._discard()

    def _discard(self) -> None:
        self._found = None
        for widget in (self.result, self.canvas, self.accept, self.save, self.discard):
            widget.hide()

    def _ask_export(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Export the levels", "sigmas.txt", KINDS)
        if name:
            self.export(name)

    def export(self, name: str) -> None:
        """Write the levels found; the suffix chooses the format."""
        if self._found is None:
            return
        try:
            written(self._found, name)
        except (ValueError, WriteError) as error:
            self.refusal.say(str(error))


def _stochasticity(found: Optimum) -> str:
    levels = found.stochasticity
    if not any(levels):
        return ""
    low, high = min(levels), max(levels)
    return f"stochasticity ε = {low:.4g}" if low == high else f"stochasticity ε from {low:.2g} to {high:.2g}, by step"


def band(found: Optimum) -> Figure:
    """W2 before and after, were the spectrum's scale another, with a band for its exponent."""
    marks: list[Any] = []
    for position, (label, curve) in enumerate((("before", found.band_before), ("after", found.band_after))):
        look = identity(position)
        scale = np.array([point.scale for point in curve])
        marks.append(Band("", scale, np.array([p.low for p in curve]), np.array([p.high for p in curve]), look))
        marks.append(Curve(label, scale, np.array([p.value for p in curve]), look))
    marks.append(Line("", 1.0, vertical=True))
    return Figure(
        "If the spectrum were another",
        Axis("factor on all eigenvalues"),
        Axis("W₂ to the data", Log()),
        tuple(marks),
        note="Bands: the exponent of the spectrum uncertain by half as much.",
    )
