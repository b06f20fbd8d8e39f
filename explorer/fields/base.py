"""What every editor widget has in common, and the few inks that the palette does not name."""

from typing import Any

from PyQt6.QtCore import QEvent, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QWheelEvent,
)
from PyQt6.QtWidgets import (
    QComboBox,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

SPACING = 6


def alarm(palette: QPalette) -> QColor:
    """A red that reads on this palette's background."""
    return QColor("#ff9a90") if palette.window().color().lightnessF() < 0.5 else QColor("#b3261e")


def muted(palette: QPalette) -> QColor:
    """The text color on its way to the background, still well above 4.5:1."""
    ink, paper = palette.windowText().color(), palette.window().color()
    red, green, blue = (round(0.72 * a + 0.28 * b) for a, b in zip(_rgb(ink), _rgb(paper), strict=True))
    return QColor(red, green, blue)


def _rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


def short(value: float) -> str:
    """A number as it is shown: six digits at most, whole numbers in full."""
    # Adding zero takes the sign from a negative zero.
    return str(value) if isinstance(value, int) else _plain(f"{value + 0.0:.6g}")


def exact(value: float) -> str:
    """The shortest text that is read back as the same number."""
    text = str(value)
    return _plain(text.removesuffix(".0"))


def _plain(text: str) -> str:
    digits, mark, exponent = text.partition("e")
    return f"{digits}e{int(exponent)}" if mark else text


class Field(QWidget):
    """An editor of one declared field.

    `set_value` shows a value and emits nothing. `edited(value, dragging)` says that a person chose a value, still
    to be checked by whoever makes the component; `unreadable(reason)` that a text could not be read at all.
    """

    edited = pyqtSignal(object, bool)
    unreadable = pyqtSignal(str)
    reset_requested = pyqtSignal()

    # In the order in which the tab key visits them.
    controls: tuple[QWidget, ...] = ()

    # Abstract: a widget's own metaclass does not go together with that of `ABC`.
    def set_value(self, value: Any) -> None:
        """Show this value."""
        raise NotImplementedError

    def restore(self) -> None:
        """Show the last value again, in place of whatever was typed."""
        raise NotImplementedError

    def refuse(self) -> None:
        """Show the last value again, marked as the answer to an entry that was refused."""
        self.restore()

    def settle(self) -> None:
        """Take that mark away."""

    def describe(self, name: str, help: str) -> None:
        """Name the controls for those who do not see them."""
        for control in self.controls:
            control.setAccessibleName(name)
            control.setAccessibleDescription(help)
            control.setToolTip(help)


class Entry(QLineEdit):
    """A text entry that remembers the last good text: Enter or leaving commits, Escape reverts, Up and Down step."""

    committed = pyqtSignal(str)
    stepped = pyqtSignal(int, bool)

    def __init__(self, parent: QWidget | None = None, *, digits: int = 0, unit: str = "") -> None:
        super().__init__(parent)
        self._good = ""
        self._refused = False
        self._digits = digits
        self._unit = unit
        self.editingFinished.connect(self._finish)
        self.textEdited.connect(self.settle)
        self._reserve_unit()
        if digits:
            self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def is_refused(self) -> bool:
        """Whether the red border is shown."""
        return self._refused

    def set_good(self, text: str) -> None:
        """Show a text that stands for the current value."""
        self._good = text
        if self.text() != text:
            self.setText(text)
            self.setCursorPosition(0)

    def refuse(self) -> None:
        """Go back to the last good text and show the red border."""
        self.set_good(self._good)
        if self.hasFocus():
            self.selectAll()
        self._refused = True
        self.update()

    def settle(self) -> None:
        """Take the red border away."""
        if self._refused:
            self._refused = False
            self.update()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        if self._digits:
            metrics = self.fontMetrics()
            hint.setWidth(metrics.horizontalAdvance("0") * self._digits + FRAME)
        return hint

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint() if self._digits else super().minimumSizeHint()

    def changeEvent(self, a0: QEvent | None) -> None:
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.FontChange:
            self._reserve_unit()

    def _reserve_unit(self) -> None:
        # The unit stands inside the entry, so that all entries of a form are of one width.
        room = self.fontMetrics().horizontalAdvance(self._unit) + 4 if self._unit else 0
        self.setTextMargins(0, 0, room, 0)

    def event(self, a0: QEvent | None) -> bool:
        """Let undo and redo pass to the window unless something is typed here that was not committed."""
        if isinstance(a0, QKeyEvent) and a0.type() == QEvent.Type.ShortcutOverride and self._leaves(a0):
            a0.ignore()
            return False
        return super().event(a0)

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        assert a0 is not None
        if self._leaves(a0):
            a0.ignore()
            return
        steps = STEPS.get(Qt.Key(a0.key()), 0)
        fine = bool(a0.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if a0.key() == Qt.Key.Key_Escape and (self.text() != self._good or self._refused):
            self.set_good(self._good)
            self.selectAll()
            self.settle()
        elif steps and a0.key() not in HORIZONTAL and self._digits:
            self._finish()
            self.stepped.emit(steps, fine)
        else:
            super().keyPressEvent(a0)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        super().paintEvent(a0)
        painter = QPainter(self)
        if self._unit:
            painter.setPen(muted(self.palette()))
            inside = self.rect().adjusted(0, 0, -6, 0)
            painter.drawText(inside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._unit)
        if self._refused:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(alarm(self.palette()), 2.0))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()

    def _leaves(self, key: QKeyEvent) -> bool:
        """Whether a key is for the history of the window."""
        history = key.matches(QKeySequence.StandardKey.Undo) or key.matches(QKeySequence.StandardKey.Redo)
        return history and self.text() == self._good

    def _finish(self) -> None:
        if self.text() != self._good:
            self.committed.emit(self.text())


# What frame and margins take of an entry's width.
FRAME = 14
STEPS = {
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_PageUp: 10,
    Qt.Key.Key_PageDown: -10,
}
HORIZONTAL = (Qt.Key.Key_Left, Qt.Key.Key_Right)


class Menu(QComboBox):
    """A combo box that shrinks with the form and leaves the wheel to the scroll area unless it has the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(5)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def wheelEvent(self, e: QWheelEvent | None) -> None:
        if self.hasFocus():
            super().wheelEvent(e)
        elif e is not None:
            e.ignore()

    def paintEvent(self, e: QPaintEvent | None) -> None:
        # The style cuts a long name off; an ellipsis says that it goes on.
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        style = self.style()
        assert style is not None
        room = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            self.currentText(), Qt.TextElideMode.ElideRight, room.width() - 2
        )
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()


class ElidedLabel(QLabel):
    """One muted line in smaller type that ends in an ellipsis where it does not fit; its tooltip has the whole."""

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(self._small())
        return QSize(metrics.horizontalAdvance(self.text()), metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.sizeHint().height())

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setFont(self._small())
        painter.setPen(muted(self.palette()))
        room = self.contentsRect()
        text = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.end()

    def _small(self) -> QFont:
        font = QFont(self.font())
        if font.pointSizeF() > 0:
            font.setPointSizeF(0.9 * font.pointSizeF())
        return font


class Reason(QLabel):
    """Why an entry was refused, in red under it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.hide()

    def say(self, sentence: str) -> None:
        """Show the sentence, or nothing where it is empty."""
        self.setText(sentence)
        self.setAccessibleName(sentence)
        self.setVisible(bool(sentence))

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(alarm(self.palette()))
        painter.drawText(self.contentsRect(), int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop), self.text())
        painter.end()
