"""One line of the form: label, editor, and the reason why an entry was refused."""

from typing import Any

from PyQt6.QtCore import QObject, QPoint, QPointF, QRect, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QGuiApplication, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QGraphicsOpacityEffect, QGridLayout, QLabel, QMenu, QSizePolicy, QWidget

from explorer.fields import editor
from explorer.fields.arrow import Arrow, arrow_width
from explorer.fields.base import SPACING, Reason, muted
from explorer.fields.kind import title
from kernels.param import Component, Declaration, Number, described


class Hub(QObject):
    """Where the rows of a form say what a person did; every signal starts with the dotted path of the field."""

    edited = pyqtSignal(str, object, bool)
    unreadable = pyqtSignal(str, str)
    kind_chosen = pyqtSignal(str, object)
    sweep_requested = pyqtSignal(str)

    sweeps = True
    """Whether numbers can be swept."""


def gutter(widget: QWidget) -> int:
    """Room to the left of labels, for the arrow of a group and the dot of a changed value."""
    return round(0.9 * widget.fontMetrics().height())


def spoken(name: str) -> str:
    """A field's name in words."""
    return name.replace("_", " ")


def owners(path: str) -> tuple[str, ...]:
    """The choices above a dotted path, in words."""
    return tuple(spoken(part) for part in path.split(".")[:-1])


def label_width(widget: QWidget, name: str, symbol: str) -> int:
    """Width in which a label of this widget's font fits whole."""
    metrics = widget.fontMetrics()
    # Text may be a fraction of a pixel wider than it measures; two pixels keep the ellipsis away.
    room = gutter(widget) + metrics.horizontalAdvance(name) + 2
    return room + metrics.horizontalAdvance(symbol) + 2 * SPACING if symbol else room


class RowLabel(QLabel):
    """Name and symbol in two columns, and a dot before them where the value is not the default."""

    double_clicked = pyqtSignal()

    def __init__(self, name: str, symbol: str, parent: QWidget | None = None) -> None:
        super().__init__(f"{name}  {symbol}".rstrip(), parent)
        self._name, self._symbol = name, symbol
        self._changed = False
        self._idle = False
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    @property
    def is_changed(self) -> bool:
        """Whether the dot is shown."""
        return self._changed

    def set_changed(self, changed: bool) -> None:
        """Show or hide the dot."""
        if changed != self._changed:
            self._changed = changed
            self.setAccessibleDescription("changed from the default" if changed else "")
            self.update()

    def set_idle(self, idle: bool) -> None:
        """Show the label dimmed, or not."""
        if idle != self._idle:
            self._idle = idle
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(label_width(self, self._name, self._symbol), self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.sizeHint().height())

    def mouseDoubleClickEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self.double_clicked.emit()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setOpacity(DIMMED if self._idle else 1.0)
        room = self.contentsRect().adjusted(gutter(self), 0, 0, 0)
        metrics = painter.fontMetrics()
        symbol = metrics.horizontalAdvance(self._symbol)
        middle = Qt.AlignmentFlag.AlignVCenter
        name = room.adjusted(0, 0, -(symbol + SPACING) if symbol else 0, 0)
        text = metrics.elidedText(self._name, Qt.TextElideMode.ElideRight, name.width())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(name, middle | Qt.AlignmentFlag.AlignLeft, text)
        painter.setPen(muted(self.palette()))
        painter.drawText(room, middle | Qt.AlignmentFlag.AlignRight, self._symbol)
        if self._changed:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.palette().highlight())
            radius = 0.16 * metrics.height()
            painter.drawEllipse(QPointF(gutter(self) / 2, QRect(room).center().y() + 0.5), radius, radius)
        painter.end()


class Row(QWidget):
    """One declared field of a kind of component."""

    def __init__(self, path: str, kind: type[Component], name: str, declaration: Declaration, hub: Hub) -> None:
        super().__init__()
        self.path = path
        self.described = described(kind, name)
        self._declaration = declaration
        self._default: Any = kind.__dataclass_fields__[name].default
        self._value: Any = self._default
        self._idle = False
        self._hub = hub
        self._haystack = f"{path} {spoken(name)} {declaration.symbol} {declaration.help} {title(kind)}".lower()
        self.label = RowLabel(spoken(name), declaration.symbol, self)
        self.field = editor(declaration, self)
        self.reason = Reason(self)
        self.arrow: Arrow | None = None
        if isinstance(declaration, Number) and not declaration.integer:
            self.arrow = Arrow(declaration, self.label.text(), self)
        self.label.setBuddy(self.field.controls[0])
        self._describe()
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setHorizontalSpacing(2 * SPACING)
        self._layout.setVerticalSpacing(1)
        self._layout.setColumnStretch(1, 1)
        self.field.edited.connect(self._pass_edit)
        self.field.unreadable.connect(self._pass_unreadable)
        self.field.reset_requested.connect(self.reset)
        self.label.double_clicked.connect(self.reset)

    @property
    def value(self) -> Any:
        """The value that is shown."""
        return self._value

    def _pass_edit(self, value: object, dragging: bool) -> None:
        self._hub.edited.emit(self.path, value, dragging)

    def _pass_unreadable(self, reason: str) -> None:
        self._hub.unreadable.emit(self.path, reason)

    def set_value(self, value: Any) -> None:
        """Show this value; emits nothing."""
        self._value = value
        self.field.set_value(value)
        self.label.set_changed(value != self._default)

    def set_slope(self, slope: float | None) -> None:
        """Show the derivative of log W2 in this number, or nothing."""
        if self.arrow is not None:
            self.arrow.set_slope(float(self._value), slope)

    def set_idle(self, idle: bool) -> None:
        """Show that the field has no effect at present, or that it has; it stays editable either way."""
        if idle != self._idle:
            self._idle = idle
            self.label.set_idle(idle)
            self.field.setGraphicsEffect(_dimming() if idle else None)
            self._describe()

    @property
    def is_idle(self) -> bool:
        """Whether the field is shown as one without effect."""
        return self._idle

    def refuse(self, sentence: str) -> None:
        """Show the last value again and say why the new one was refused."""
        self.field.refuse()
        self.reason.say(sentence)

    def settle(self) -> None:
        """Forget the last refusal."""
        self.field.settle()
        self.reason.say("")

    def reset(self) -> None:
        """Choose the default of this kind, as a person."""
        self._hub.edited.emit(self.path, self._default, False)

    def matches(self, words: list[str]) -> bool:
        """Whether every word occurs in what is written about this field."""
        return all(word in self._haystack for word in words)

    def arrange(self, label_width: int, *, stacked: bool) -> None:
        """Put the label beside the editor, in a column of this width, or above it."""
        for widget in (self.label, self.field, self.reason, self.arrow):
            if widget is not None:
                self._layout.removeWidget(widget)
        editor_row, indent = (1, gutter(self)) if stacked else (0, 0)
        if stacked:
            self.label.setMinimumWidth(0)
            self.label.setMaximumWidth(WIDEST)
            self._layout.addWidget(self.label, 0, 0, 1, 2)
            self._layout.addWidget(self.field, 1, 0, 1, 2)
        else:
            self.label.setFixedWidth(label_width)
            self._layout.addWidget(self.label, 0, 0)
            self._layout.addWidget(self.field, 0, 1)
        self._layout.setColumnMinimumWidth(2, arrow_width(self))
        if self.arrow is not None:
            self._layout.addWidget(self.arrow, editor_row, 2)
        self.field.setContentsMargins(indent, 0, 0, 0)
        self.reason.setContentsMargins(gutter(self), 0, 0, 2)
        self._layout.addWidget(self.reason, editor_row + 1, 0, 1, 2)
        # Rows of all kinds are as tall as one with an entry; labels above editors keep close to their own.
        self._layout.setRowMinimumHeight(0, 0 if stacked else self.fontMetrics().height() + SPACING)
        self._layout.setContentsMargins(0, 0, 0, SPACING if stacked else 0)

    def menu(self) -> QMenu:
        """What can be done with this field."""
        menu = QMenu(self)
        for text, act in (("Reset", self.reset), ("Copy", self._copy), ("Sweep this parameter", self._sweep)):
            if text.startswith("Sweep") and not (self._hub.sweeps and isinstance(self._declaration, Number)):
                continue
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(act)
            action.setEnabled(text != "Reset" or self.label.is_changed)
        return menu

    def contextMenuEvent(self, a0: QContextMenuEvent | None) -> None:
        if a0 is not None:
            menu = self.menu()
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(QPoint(a0.globalPos()))

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(str(self._value))

    def _sweep(self) -> None:
        self._hub.sweep_requested.emit(self.path)

    def _describe(self) -> None:
        help = f"{self._declaration.help}; {IDLE}" if self._idle else self._declaration.help
        self.field.describe(", ".join((*owners(self.path), self.label.text())), help)
        self.label.setToolTip(self._tooltip())

    def _tooltip(self) -> str:
        lines = [f"{self.label.text()}: {self._declaration.help}"]
        if self._idle:
            lines.append(IDLE)
        if isinstance(self._declaration, Number):
            kind = "whole numbers" if self._declaration.integer else "numbers"
            lines += [f"{kind} in {self._declaration.domain}", f"default {self._default!r}"]
        return "\n".join(lines)


def _dimming() -> QGraphicsOpacityEffect:
    effect = QGraphicsOpacityEffect()
    effect.setOpacity(DIMMED)
    return effect


WIDEST = (1 << 24) - 1
DIMMED = 0.5
IDLE = "has no effect here"
