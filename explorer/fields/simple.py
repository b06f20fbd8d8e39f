"""The editors of a yes or no, and of a name out of a table."""

from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QStyle, QStyleOptionButton, QWidget

from explorer.fields.base import Field, Menu, muted
from kernels.param import Flag, Option


def fill(field: Field, *widgets: QWidget) -> None:
    """Lay the widgets of a field out in a row; the first takes the room."""
    layout = QHBoxLayout(field)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for position, widget in enumerate(widgets):
        layout.addWidget(widget, 0 if position else 1)


class CheckBox(QCheckBox):
    """A check box that can also be seen unchecked on a dark background."""

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        super().paintEvent(a0)
        style, option = self.style(), QStyleOptionButton()
        self.initStyleOption(option)
        assert style is not None
        box = QRectF(style.subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(muted(self.palette()))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)
        painter.end()


class FlagField(Field):
    """A check box."""

    def __init__(self, declaration: Flag, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value = False
        self.box = CheckBox(self)
        self.controls = (self.box,)
        fill(self, self.box)
        self.box.clicked.connect(self._click)

    def set_value(self, value: bool) -> None:
        self._value = value
        self.restore()

    def restore(self) -> None:
        self.box.setChecked(self._value)

    def _click(self, checked: bool) -> None:
        self.edited.emit(checked, False)


class OptionField(Field):
    """A menu of names."""

    def __init__(self, declaration: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value = ""
        self.menu = Menu(self)
        self.menu.addItems(declaration.options)
        self.controls = (self.menu,)
        fill(self, self.menu)
        self.menu.textActivated.connect(self._choose)

    def set_value(self, value: str) -> None:
        self._value = value
        self.restore()

    def restore(self) -> None:
        self.menu.setCurrentText(self._value)

    def _choose(self, text: str) -> None:
        self.edited.emit(text, False)
