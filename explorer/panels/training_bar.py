"""Above the plots of learning: the number swept and its replicas, and where in the training of the score one is."""

import dataclasses

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from explorer.fields.base import SPACING
from explorer.panels.parts import push_button
from explorer.panels.player import Player
from explorer.panels.sweep_bar import SweepBar
from explorer.session import Session
from kernels.analyses.training import iteration, trained_for

FRAME_MS = 66
SECONDS = 6.0


class TrainingBar(QWidget):
    """`changed(session, dragging)`: a person moved in the training, or chose another number to sweep.

    While it plays, and while the slider is held, `dragging` is true; the end of either says so once with false.
    `replicas_wanted()` and `stopped()` are for the measurements.
    """

    changed = pyqtSignal(object, bool)
    replicas_wanted = pyqtSignal()
    stopped = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.sweep = SweepBar(self)
        self.replicate = push_button(
            "Replicate", "Measure E W₂² at values of this number (Ctrl+R)", self.replicas_wanted.emit
        )
        self.stop = push_button("Stop", "End the measurement and keep what is finished (Ctrl+.)", self.stopped.emit)
        self.player = Player("Place in the training", "Show the training from its first step to its last", self)
        self.player.set_pace(FRAME_MS, FRAME_MS / (1000 * SECONDS))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, 0)
        layout.setSpacing(SPACING)
        row = QHBoxLayout()
        row.setSpacing(SPACING)
        for widget in (self.sweep, self.replicate, self.stop):
            row.addWidget(widget, int(widget is self.sweep))
        layout.addLayout(row)
        layout.addWidget(self.player)
        self.sweep.changed.connect(self._choose)
        self.player.moved.connect(self._move)
        self.set_busy(False)
        self.set_value(self._session)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing. What others did to the place in the training ends the playing."""
        self._session = session
        self.sweep.set_value(session)
        steps = trained_for(session.experiment)
        now = iteration(session.experiment, session.training)
        told = f"step {now} of {steps}" if steps else "no training"
        self.player.set_place(session.training, told, f"step {steps} of {steps}")
        kind = type(session.experiment.score).__name__
        help = "Place in the training, in the logarithm of the step" if steps else f"{kind} is not trained step by step"
        self.player.set_usable(bool(steps), help)

    def set_busy(self, busy: bool) -> None:
        """Whether replicas are being measured."""
        self.replicate.setEnabled(not busy)
        self.stop.setEnabled(busy)

    def _choose(self, session: object) -> None:
        self.changed.emit(session, False)

    def _move(self, training: float, dragging: bool) -> None:
        self.set_value(dataclasses.replace(self._session, training=training))
        self.changed.emit(self._session, dragging)
