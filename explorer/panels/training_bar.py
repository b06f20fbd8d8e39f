"""Above the plots of learning: the number swept and its replicas, and where in the training of the score one is."""

import dataclasses

from PyQt6.QtCore import QSignalBlocker, QTimer, pyqtSignal
from PyQt6.QtGui import QHideEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from explorer.fields.base import SPACING
from explorer.fields.number import Slider
from explorer.panels.parts import push_button
from explorer.panels.sweep_bar import SweepBar
from explorer.session import Session
from kernels.analyses.training import iteration, trained_for

PLACES = 1000
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
        self._moved = False
        self.sweep = SweepBar(self)
        self.replicate = push_button(
            "Replicate", "Measure E W₂² at values of this number (Ctrl+R)", self.replicas_wanted.emit
        )
        self.stop = push_button("Stop", "End the measurement and keep what is finished (Ctrl+.)", self.stopped.emit)
        self.play = push_button("Play", "Show the training from its first step to its last", self.toggle)
        self.slider = Slider(PLACES, self)
        self.slider.setAccessibleName("Place in the training")
        self.place = QLabel(self)
        self.timer = QTimer(self)
        self.timer.setInterval(FRAME_MS)
        self.timer.timeout.connect(self._advance)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, 0)
        layout.setSpacing(SPACING)
        for widgets in ((self.sweep, self.replicate, self.stop), (self.play, self.slider, self.place)):
            row = QHBoxLayout()
            row.setSpacing(SPACING)
            for widget in widgets:
                row.addWidget(widget, int(widget in (self.sweep, self.slider)))
            layout.addLayout(row)
        self.sweep.changed.connect(self._choose)
        self.slider.valueChanged.connect(self._slide)
        self.slider.sliderPressed.connect(self.pause)
        self.slider.sliderReleased.connect(self._settle)
        self.slider.nudged.connect(self._nudge)
        self.slider.sent_to.connect(self._go)
        self.set_busy(False)
        self.set_value(self._session)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing. What others did to the place in the training ends the playing."""
        if self.is_playing and session.training != self._session.training:
            self._rest()
        self._session = session
        self.sweep.set_value(session)
        steps = trained_for(session.experiment)
        if not steps and self.is_playing:
            self._rest()
        kind = type(session.experiment.score).__name__
        self.slider.setToolTip("Place in the training, in the logarithm of the step")
        if not steps:
            self.slider.setToolTip(f"{kind} is not trained step by step")
        self.play.setEnabled(bool(steps))
        self.slider.setEnabled(bool(steps))
        if not self.slider.isSliderDown():
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(PLACES * session.training))
        now = iteration(session.experiment, session.training)
        self.place.setText(f"step {now} of {steps}" if steps else "no training")
        # Room for the longest text, so that the slider keeps its length while the training goes on.
        self.place.setMinimumWidth(self.fontMetrics().horizontalAdvance(f"step {steps} of {steps}") + 2)

    def set_busy(self, busy: bool) -> None:
        """Whether replicas are being measured."""
        self.replicate.setEnabled(not busy)
        self.stop.setEnabled(busy)

    @property
    def is_playing(self) -> bool:
        """Whether the slider moves by itself."""
        return self.timer.isActive()

    def toggle(self) -> None:
        """Play from here, or from the first step where training has come to its end; or pause."""
        if self.is_playing:
            self.pause()
            return
        if self._session.training >= 1.0:
            self._move(0.0, dragging=True)
        self.play.setText("Pause")
        self.timer.start()

    def pause(self) -> None:
        """Stay here; the way that was played is one step of the history."""
        if self.is_playing:
            self._rest()
            self.changed.emit(self._session, False)

    def hideEvent(self, a0: QHideEvent | None) -> None:
        """Nothing plays unseen."""
        super().hideEvent(a0)
        self.pause()

    def _choose(self, session: object) -> None:
        self.changed.emit(session, False)

    def _rest(self) -> None:
        self.timer.stop()
        self.play.setText("Play")

    def _advance(self) -> None:
        reached = min(1.0, self._session.training + FRAME_MS / (1000 * SECONDS))
        self._move(reached, dragging=True)
        if reached >= 1.0:
            self.pause()

    def _move(self, training: float, *, dragging: bool) -> None:
        session = dataclasses.replace(self._session, training=training)
        if session != self._session or not dragging:
            # This bar's own doing, which does not end the playing.
            self._session = session
            self.set_value(session)
            self.changed.emit(session, dragging)

    def _slide(self, place: int) -> None:
        down = self.slider.isSliderDown()
        self._moved = self._moved or down
        self._move(place / PLACES, dragging=down)

    def _settle(self) -> None:
        if self._moved:
            self._moved = False
            self._move(self.slider.value() / PLACES, dragging=False)

    def _nudge(self, steps: int, fine: bool) -> None:
        self._go(self.slider.value() + steps * (1 if fine else 10))

    def _go(self, place: int) -> None:
        self.pause()
        place = min(max(place, 0), PLACES)
        if place / PLACES != self._session.training:
            self._move(place / PLACES, dragging=False)
