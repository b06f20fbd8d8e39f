"""The editors of a yes or no, and of a name out of a table."""

import torch
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QPainter, QPaintEvent, QStandardItemModel
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QStyle, QStyleOptionButton, QWidget

from explorer.fields.base import Field, Menu, muted
from kernels.param import Flag, Option

_CARD = "cuda"
_NO_CARD = "cuda needs an NVIDIA graphics card and a PyTorch made for it, and there is none here"


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
    """A menu of names; a graphics card that is not there cannot be chosen, and is shown where a file asks for it."""

    def __init__(self, declaration: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value = ""
        self.menu = Menu(self)
        self.menu.addItems(declaration.options)
        self._lack = _NO_CARD if _CARD in declaration.options and not torch.cuda.is_available() else ""
        if self._lack:
            self._close(declaration.options.index(_CARD))
        self.controls = (self.menu,)
        fill(self, self.menu)
        self.menu.textActivated.connect(self._choose)

    def set_value(self, value: str) -> None:
        self._value = value
        self.restore()

    def restore(self) -> None:
        self.menu.setCurrentText(self._value)

    def describe(self, name: str, help: str) -> None:
        super().describe(name, f"{help}; {self._lack}" if self._lack else help)

    def _close(self, position: int) -> None:
        """Show this entry as one that cannot be chosen, with the reason."""
        model = self.menu.model()
        assert isinstance(model, QStandardItemModel)
        item = model.item(position)
        assert item is not None
        item.setEnabled(False)
        item.setToolTip(self._lack)

    def _choose(self, text: str) -> None:
        self.edited.emit(text, False)
