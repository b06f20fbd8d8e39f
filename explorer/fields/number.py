"""The editor of a number: a slider, and an entry that takes arithmetic."""

from PyQt6.QtCore import QEvent, QPoint, QPointF, QSignalBlocker, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPolygonF, QWheelEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QToolTip,
    QWidget,
)

from explorer.fields.base import SPACING, STEPS, Entry, Field, short
from explorer.fields.travel import travel, within
from kernels.param import Number


class Slider(QSlider):
    """A slider whose handle goes where it is pressed, and whose keys and wheel only say how many steps they mean."""

    nudged = pyqtSignal(int, bool)
    sent_to = pyqtSignal(int)
    double_clicked = pyqtSignal()

    def __init__(self, count: int, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(0, count)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._grip = 0
        self._wheel = 0
        self._marks: dict[int, str] = {}

    def sizeHint(self) -> QSize:
        return QSize(6 * self.fontMetrics().height(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(3 * self.fontMetrics().height(), super().minimumSizeHint().height())

    def set_marks(self, marks: dict[int, str]) -> None:
        """Point out positions below the groove, and say why."""
        if marks != self._marks:
            self._marks = marks
            self.update()

    def paintEvent(self, ev: QPaintEvent | None) -> None:
        super().paintEvent(ev)
        if not self._marks:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().windowText())
        for position in self._marks:
            tip = QPointF(self._place(position), self.height() - MARK)
            painter.drawPolygon(QPolygonF([tip, tip + QPointF(-MARK / 2, MARK), tip + QPointF(MARK / 2, MARK)]))
        painter.end()

    def event(self, event: QEvent | None) -> bool:
        # A mark under the mouse tells what it stands for.
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            near = [text for place, text in self._marks.items() if abs(self._place(place) - event.pos().x()) <= MARK]
            if near:
                QToolTip.showText(event.globalPos(), "\n".join(near), self)
                return True
        return super().event(event)

    def _place(self, position: int) -> float:
        left, width = self._part(QStyle.SubControl.SC_SliderGroove)
        handle = self._handle()[1]
        return left + handle / 2 + QStyle.sliderPositionFromValue(0, self.maximum(), position, width - handle)

    def mousePressEvent(self, ev: QMouseEvent | None) -> None:
        assert ev is not None
        if ev.button() != Qt.MouseButton.LeftButton:
            ev.ignore()
            return
        handle = self._handle()
        on_handle = handle[0] <= ev.position().x() <= handle[0] + handle[1]
        self._grip = round(ev.position().x()) - handle[0] if on_handle else handle[1] // 2
        self.setSliderDown(True)
        if not on_handle:
            self._drag_to(ev.position().toPoint())
        ev.accept()

    def mouseMoveEvent(self, ev: QMouseEvent | None) -> None:
        assert ev is not None
        if self.isSliderDown():
            self._drag_to(ev.position().toPoint())
        ev.accept()

    def mouseReleaseEvent(self, ev: QMouseEvent | None) -> None:
        assert ev is not None
        if self.isSliderDown() and ev.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(False)
        ev.accept()

    def mouseDoubleClickEvent(self, a0: QMouseEvent | None) -> None:
        assert a0 is not None
        if a0.button() == Qt.MouseButton.LeftButton:
            self.double_clicked.emit()
        a0.accept()

    def keyPressEvent(self, ev: QKeyEvent | None) -> None:
        assert ev is not None
        steps = STEPS.get(Qt.Key(ev.key()), 0)
        if steps:
            self.nudged.emit(steps, bool(ev.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif ev.key() in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.sent_to.emit(0 if ev.key() == Qt.Key.Key_Home else self.maximum())
        else:
            super().keyPressEvent(ev)

    def wheelEvent(self, e: QWheelEvent | None) -> None:
        assert e is not None
        if not self.hasFocus():
            e.ignore()
            return
        # Shift turns the wheel sideways on some systems; either way it means finer here. Touchpads send
        # fractions of a notch, which add up.
        self._wheel += e.angleDelta().y() or e.angleDelta().x()
        steps = int(self._wheel / NOTCH)
        self._wheel -= steps * NOTCH
        if steps:
            self.nudged.emit(steps, bool(e.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        e.accept()

    def _option(self) -> QStyleOptionSlider:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        return option

    def _part(self, part: QStyle.SubControl) -> tuple[int, int]:
        style = self.style()
        assert style is not None
        area = style.subControlRect(QStyle.ComplexControl.CC_Slider, self._option(), part, self)
        return area.left(), area.width()

    def _handle(self) -> tuple[int, int]:
        return self._part(QStyle.SubControl.SC_SliderHandle)

    def _drag_to(self, point: QPoint) -> None:
        left, width = self._part(QStyle.SubControl.SC_SliderGroove)
        span = width - self._handle()[1]
        place = QStyle.sliderValueFromPosition(0, self.maximum(), point.x() - self._grip - left, span)
        self.setSliderPosition(place)


# What Qt reports for one notch of a wheel.
NOTCH = 120
# Height of what points out a place on a slider, in pixels.
MARK = 5


class NumberField(Field):
    """Slider and entry of one number; what is typed may lie beyond the slider."""

    def __init__(self, declaration: Number, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._declaration = declaration
        self._travel = travel(declaration)
        self._value: float | int = declaration.slider[0]
        self._moved = False
        self.slider = Slider(self._travel.count, self)
        self.entry = Entry(self, digits=9, unit=declaration.unit)
        self.controls = (self.slider, self.entry)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.entry)
        self.slider.valueChanged.connect(self._slide)
        self.slider.sliderPressed.connect(self._press)
        self.slider.sliderReleased.connect(self._release)
        self.slider.nudged.connect(self._nudge_slider)
        self.slider.sent_to.connect(self._send)
        self.slider.double_clicked.connect(self.reset_requested)
        self.entry.committed.connect(self._commit)
        self.entry.stepped.connect(self._step)

    def set_value(self, value: float) -> None:
        if value != self._value or not self.entry.text():
            self._value = value
            self.restore()

    def set_marks(self, marks: dict[float, str]) -> None:
        """Point out values on the slider, and say why; those beyond it are left out."""
        low, high = self._declaration.slider
        self.slider.set_marks({self._travel.position(at): why for at, why in marks.items() if low <= at <= high})

    def restore(self) -> None:
        self.entry.set_good(short(self._value))
        self.entry.setToolTip(f"{self._value!r}  {self._declaration.unit}".rstrip())
        # The hand that holds the handle is ahead of every answer.
        if not self.slider.isSliderDown():
            with QSignalBlocker(self.slider):
                self.slider.setValue(self._travel.position(self._value))

    def refuse(self) -> None:
        self.restore()
        self.entry.refuse()

    def settle(self) -> None:
        self.entry.settle()

    def describe(self, name: str, help: str) -> None:
        super().describe(name, help)
        self.slider.setAccessibleName(f"{name}, slider")
        if self.entry.text():
            self.restore()

    def _press(self) -> None:
        self._moved = False

    def _slide(self, position: int) -> None:
        dragging = self.slider.isSliderDown()
        self._moved = self._moved or dragging
        self.edited.emit(self._travel.value(position), dragging)

    def _release(self) -> None:
        if self._moved:
            self._moved = False
            self.edited.emit(self._travel.value(self.slider.value()), False)
        self.restore()

    def _nudge_slider(self, steps: int, fine: bool) -> None:
        ends = (self._travel.value(0), self._travel.value(self._travel.count))
        wished = self._travel.stepped(self._value, steps, fine)
        # The keys of the slider stop at its ends; a value beyond them may only come back.
        low, high = min(ends[0], self._value), max(ends[1], self._value)
        self._wish(min(max(wished, low), high))

    def _step(self, steps: int, fine: bool) -> None:
        self._wish(self._travel.stepped(self._value, steps, fine))

    def _send(self, position: int) -> None:
        self._wish(self._travel.value(position))

    def _wish(self, value: float) -> None:
        reached = within(self._declaration.domain, self._value, value)
        if reached != self._value:
            self.edited.emit(reached, False)

    def _commit(self, text: str) -> None:
        try:
            value = self._declaration.parse(text)
        except ValueError as error:
            self.unreadable.emit(str(error))
        else:
            self.edited.emit(value, False)
