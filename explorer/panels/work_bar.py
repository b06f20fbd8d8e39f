"""Buttons for long work on clouds: measurements, and the training of a network; and how far it is."""

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from explorer.fields.base import SPACING
from explorer.panels.parts import Note, push_button
from explorer.session import Session
from kernels.analyses.trainings import is_trained
from kernels.scores import Network

PROGRESS_WIDTH = 9


class WorkButtons(QWidget):
    """`measuring_wanted()`, `training_wanted()` and `stopped()` say what a person wants."""

    measuring_wanted = pyqtSignal()
    training_wanted = pyqtSignal()
    stopped = pyqtSignal()

    def __init__(self, text: str, help: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self._busy = False
        self.measure = push_button(text, help, self.measuring_wanted.emit)
        self.train = push_button("Train", "", self.training_wanted.emit)
        self.stop = push_button("Stop", "End the work and keep what is finished (Ctrl+.)", self.stopped.emit)
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName("Progress")
        self.bar.setRange(0, 1000)
        self.bar.setFixedWidth(PROGRESS_WIDTH * self.fontMetrics().height())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACING)
        for widget in (self.measure, self.train, self.stop, self.bar):
            row.addWidget(widget)
        self.set_busy(False)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        self._session = session
        score = session.experiment.score
        self.train.setVisible(isinstance(score, Network))
        trained = is_trained(session.experiment)
        self.train.setEnabled(not self._busy and not trained)
        self.train.setToolTip(
            "The network has been trained on these data" if trained else "Train the network on these data (Ctrl+T)"
        )

    def set_busy(self, busy: bool) -> None:
        """Whether such work is done, or waits."""
        self._busy = busy
        self.measure.setEnabled(not busy)
        self.stop.setEnabled(busy)
        self.bar.setVisible(busy)
        self.bar.setValue(0)
        self.bar.setFormat("waiting")
        self.set_value(self._session)

    def set_progress(self, fraction: float, text: str) -> None:
        """How far the work is."""
        self.bar.setValue(round(1000 * fraction))
        self.bar.setFormat(f"{100 * fraction:.0f} %")
        self.bar.setToolTip(text)


class BeyondBar(QWidget):
    """Above the question whether Gaussian theory holds: what is measured for an answer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.work = WorkButtons("Measure beyond Gauss", "Run the sampler with every choice shown here (Ctrl+B)", self)
        self.note = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACING, SPACING, SPACING, 0)
        column.addWidget(self.note)
        row = QHBoxLayout()
        row.addWidget(self.work)
        row.addStretch(1)
        column.addLayout(row)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        count = f"{session.sampling.particles:,}".replace(",", "\u202f")
        self.note.say(
            "Does Gaussian theory hold here? It rests on the covariance of the data alone; what is measured, on the "
            f"data as they are, with {count} particles for each choice."
        )
        self.work.set_value(session)
