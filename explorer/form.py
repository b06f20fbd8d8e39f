"""The form: every choice and parameter of a component, made from its declarations.

`set_value` shows a component and never emits; `changed` means that a person did something.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import QFrame, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from explorer.fields.base import SPACING
from explorer.fields.group import Body, Group, labels
from explorer.fields.row import Hub, Row, label_width
from kernels.param import Choice, Component, leaves

# (top component, dotted path, chosen kind, what that kind was when last seen there) -> new top component.
SelectKind = Callable[[Component, str, type[Component], Component], Component]


def replaced(component: Component, path: str, value: Any) -> Component:
    """The component with the field at a dotted path replaced.

    Errors: `ValueError` of whichever constructor refuses.
    """
    head, _, rest = path.partition(".")
    inner = replaced(getattr(component, head), rest, value) if rest else value
    return dataclasses.replace(component, **{head: inner})


def replaced_kind(component: Component, path: str, kind: type[Component], remembered: Component) -> Component:
    """The plain answer to the choice of a kind: its remembered values, and nothing else changes."""
    assert type(remembered) is kind
    return replaced(component, path, remembered)


# The part of the longest label that has to be seen for labels to stand beside their editors.
LEGIBLE = 0.75


class _Search(QLineEdit):
    """Text to filter by; Escape empties it."""

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        if a0 is not None and a0.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(a0)


class Form(QWidget):
    """Editors for a whole component.

    `changed(component, path, dragging)`: a person changed the field at this path; while a slider is held
    `dragging` is true, and its release says so once with false. `refused(sentence)`: an entry was refused.
    """

    changed = pyqtSignal(object, str, bool)
    refused = pyqtSignal(str)
    sweep_requested = pyqtSignal(str)

    def __init__(
        self, component: Component, parent: QWidget | None = None, *, select_kind: SelectKind = replaced_kind
    ) -> None:
        super().__init__(parent)
        self._component = component
        self._select_kind = select_kind
        self._memory: dict[tuple[str, type[Component]], Component] = {}
        self._rows: dict[str, Row] = {}
        self._groups: dict[str, Group] = {}
        self._dragged = ""
        self._alone = False
        self._complaining: Row | Group | None = None
        self._hub = Hub(self)
        self._search = _Search(self)
        self._search.setPlaceholderText("Filter parameters")
        self._search.setClearButtonEnabled(True)
        self._search.setAccessibleName("Filter parameters")
        self._nothing = QLabel(self)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setWordWrap(True)
        self._nothing.hide()
        self._body = Body("", self._hub)
        content = QWidget()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        inside.addWidget(self._body)
        inside.addWidget(self._nothing)
        inside.addStretch(1)
        self._scroll = QScrollArea(self)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        above = QVBoxLayout()
        above.setContentsMargins(SPACING, SPACING, SPACING, 0)
        above.addWidget(self._search)
        layout.addLayout(above)
        layout.addWidget(self._scroll, 1)
        self._search.textChanged.connect(self._filter)
        self._hub.edited.connect(self._edit)
        self._hub.unreadable.connect(self._unreadable)
        self._hub.kind_chosen.connect(self._choose)
        self._hub.sweep_requested.connect(self.sweep_requested)
        self._show(component)

    @property
    def component(self) -> Component:
        """The component that is shown."""
        return self._component

    def set_value(self, component: Component) -> None:
        """Show this component; emits nothing, and leaves a held slider and an unfinished entry alone."""
        if component != self._component:
            self._settle()
        self._show(component)

    def set_slopes(self, slopes: dict[str, float]) -> None:
        """Show which way the error falls: derivatives of log W2 by dotted path; nothing for all others."""
        for path, row in self._rows.items():
            row.set_slope(slopes.get(path))

    def stand_alone(self) -> None:
        """For a form of a few rows, seen whole: no filter, nothing to scroll, and no number that could be swept."""
        self._hub.sweeps = False
        self._search.hide()
        self._alone = True
        content, layout = self._scroll.takeWidget(), self.layout()
        assert content is not None
        assert layout is not None
        layout.replaceWidget(self._scroll, content)
        self._scroll.hide()
        content.show()
        self._align()

    def row(self, path: str) -> Row:
        """The row of the field at a dotted path; `KeyError` where the shown component has none."""
        return self._rows[path]

    def group(self, path: str) -> Group:
        """The group of the choice at a dotted path; `KeyError` where the shown component has none."""
        return self._groups[path]

    def paths(self) -> tuple[str, ...]:
        """The dotted paths of the rows, from top to bottom."""
        return tuple(self._rows)

    def focus_search(self) -> None:
        """Move the keyboard to the filter."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        self._align()

    def changeEvent(self, a0: QEvent | None) -> None:
        super().changeEvent(a0)
        if a0 is not None and a0.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._align()

    def _show(self, component: Component) -> None:
        self._component = component
        for path, declaration, value in leaves(component):
            if isinstance(declaration, Choice):
                self._memory[path, type(value)] = value
        if self._body.set_value(component):
            self._rearrange()
        idle: frozenset[str] = getattr(component, "idle", frozenset())
        for path, row in self._rows.items():
            row.set_idle(path in idle)

    def _edit(self, path: str, value: object, dragging: bool) -> None:
        try:
            component = replaced(self._component, path, value)
        except ValueError as error:
            self._refuse(self._rows[path], str(error), dragging)
        else:
            self._accept(component, path, dragging)
        # A drag that was announced is always brought to its end.
        if not dragging and self._dragged:
            self._dragged = ""
            self.changed.emit(self._component, path, False)

    def _accept(self, component: Component, path: str, dragging: bool) -> None:
        self._settle()
        if component == self._component:
            self._rows[path].field.restore()
            return
        self._show(component)
        if dragging:
            self._dragged = path
        if dragging or not self._dragged:
            self.changed.emit(component, path, dragging)

    def _choose(self, path: str, kind: type[Component]) -> None:
        group = self._groups[path]
        try:
            remembered = self._memory.get((path, kind)) or kind()
            component = self._select_kind(self._component, path, kind, remembered)
        except ValueError as error:
            self._refuse(group, str(error), dragging=False)
            return
        self._settle()
        if component == self._component:
            group.restore()
            return
        self._show(component)
        self.changed.emit(component, path, False)

    def _unreadable(self, path: str, reason: str) -> None:
        row = self._rows[path]
        self._refuse(row, f"{row.described} {reason}.", dragging=False)

    def _refuse(self, where: Row | Group, sentence: str, dragging: bool) -> None:
        if where is not self._complaining:
            self._settle()
        self._complaining = where
        where.refuse(sentence)
        # A slider drawn through forbidden ground is told once, where it is let go.
        if not dragging:
            self.refused.emit(sentence)

    def _settle(self) -> None:
        if self._complaining is not None:
            self._complaining.settle()
            self._complaining = None

    def _rearrange(self) -> None:
        """Find rows and groups again after some were rebuilt; order the tab key, align and filter them."""
        self._rows = {row.path: row for row in self._body.all_rows()}
        self._groups = {group.path: group for group in self._body.all_groups()}
        if self._complaining not in (*self._rows.values(), *self._groups.values()):
            self._complaining = None
        previous: QWidget = self._search
        for control in self._body.controls():
            QWidget.setTabOrder(previous, control)
            previous = control
        self._align()
        self._filter(self._search.text())

    def _align(self) -> None:
        """One label column for all groups; labels above their editors where both would not fit."""
        bar = self._scroll.verticalScrollBar()
        assert bar is not None
        editors = max((row.field.minimumSizeHint().width() for row in self._rows.values()), default=0)
        beside = 0 if self._alone else bar.sizeHint().width()
        room = self.width() - 4 * SPACING - beside - editors
        title = self._body.title_width()
        # All kinds are measured, not only those shown: the column stays where it is when a kind changes.
        names = labels(type(self._component), set())
        wished = max((label_width(self, name, symbol) for name, symbol in names), default=0)
        label = max(title, min(wished, room))
        for row in self._rows.values():
            row.arrange(label, stacked=room < LEGIBLE * wished)
        for group in self._groups.values():
            group.arrange(label, stacked=room < title)
        content = self._scroll.widget()
        if content is not None:
            self._scroll.setMinimumWidth(content.minimumSizeHint().width() + beside)

    def _filter(self, text: str) -> None:
        found = self._body.filter(text.lower().split())
        self._nothing.setText(f"No parameter matches “{text.strip()}”.")
        self._nothing.setVisible(not found)
