"""A way from its beginning, 0, to its end, 1: a slider along it, and a button that goes it by itself."""

from PyQt6.QtCore import QSignalBlocker, QTimer, pyqtSignal
from PyQt6.QtGui import QHideEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QWidget

from explorer.fields.base import SPACING
from explorer.fields.number import Slider
from explorer.panels.parts import push_button

PLACES = 1000


class Player(QWidget):
    """`moved(place, dragging)`: a person moved along the way, or lets it play.

    While it plays, and while the slider is held, `dragging` is true; the end of either says so once with false.
    """

    moved = pyqtSignal(float, bool)

    def __init__(self, name: str, help: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._place = 1.0
        self._pace = (0, 0.01)
        self._held = False
        self.play = push_button("Play", help, self.toggle)
        self.slider = Slider(PLACES, self)
        self.slider.setAccessibleName(name)
        self.told = QLabel(self)
        self.timer = QTimer(self)
        self.timer.timeout.connect(self._advance)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACING)
        row.addWidget(self.play)
        row.addWidget(self.slider, 1)
        row.addWidget(self.told)
        self.slider.valueChanged.connect(self._slide)
        self.slider.sliderPressed.connect(self.pause)
        self.slider.sliderReleased.connect(self._settle)
        self.slider.nudged.connect(self._nudge)
        self.slider.sent_to.connect(self._go)

    def set_pace(self, interval: int, stride: float) -> None:
        """Play in strides of this length, in milliseconds from one to the next."""
        # A timer that is told its interval begins anew.
        if (interval, stride) != self._pace:
            self.timer.setInterval(interval)
            self._pace = interval, stride

    def set_place(self, place: float, told: str, widest: str) -> None:
        """Show this place and this text; emits nothing. What others did to the place ends the playing.

        There is room for the widest text, so that the slider keeps its length.
        """
        if self.is_playing and place != self._place:
            self.rest()
        self._place = place
        self.told.setText(told)
        self.told.setMinimumWidth(self.fontMetrics().horizontalAdvance(widest) + 2)
        if not self.slider.isSliderDown():
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(PLACES * place))

    def set_usable(self, usable: bool, help: str) -> None:
        """Whether there is a way to go, and what the slider is for."""
        if not usable and self.is_playing:
            self.rest()
        self.play.setEnabled(usable)
        self.slider.setEnabled(usable)
        self.slider.setToolTip(help)

    @property
    def is_playing(self) -> bool:
        """Whether the slider moves by itself."""
        return self.timer.isActive()

    def toggle(self) -> None:
        """Play from here, or from the beginning where the end has been reached; or pause."""
        if self.is_playing:
            self.pause()
            return
        if self._place >= 1.0:
            self._move(0.0, dragging=True)
        self.play.setText("Pause")
        self.timer.start()

    def pause(self) -> None:
        """Stay here; the way that was played is one step of the history."""
        if self.is_playing:
            self.rest()
            self.moved.emit(self._place, False)

    def rest(self) -> None:
        """Stop without a word."""
        self.timer.stop()
        self.play.setText("Play")

    def hideEvent(self, a0: QHideEvent | None) -> None:
        """Nothing plays unseen."""
        super().hideEvent(a0)
        self.pause()

    def _advance(self) -> None:
        stride = self._pace[1]
        reached = min(1.0, self._place + stride)
        # Strides may not add up to the whole way by a rounding.
        reached = 1.0 if reached > 1.0 - 0.01 * stride else reached
        self._move(reached, dragging=True)
        if reached >= 1.0:
            self.pause()

    def _move(self, place: float, *, dragging: bool) -> None:
        if place != self._place or not dragging:
            # Its own doing, which does not end the playing.
            self._place = place
            self.moved.emit(place, dragging)

    def _slide(self, value: int) -> None:
        down = self.slider.isSliderDown()
        self._held = self._held or down
        self._move(value / PLACES, dragging=down)

    def _settle(self) -> None:
        if self._held:
            self._held = False
            self._move(self.slider.value() / PLACES, dragging=False)

    def _nudge(self, steps: int, fine: bool) -> None:
        self._go(self.slider.value() + steps * (1 if fine else 10))

    def _go(self, value: int) -> None:
        self.pause()
        value = min(max(value, 0), PLACES)
        if value / PLACES != self._place:
            self._move(value / PLACES, dragging=False)
