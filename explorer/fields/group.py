"""A choice with the fields of the chosen kind below it: a header that collapses, a formula, rows and inner groups."""

from collections.abc import Iterator

from PyQt6.QtCore import QPointF, QSize, Qt
from PyQt6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent, QPolygonF
from PyQt6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QGridLayout,
    QSizePolicy,
    QStyle,
    QStyleOptionFocusRect,
    QVBoxLayout,
    QWidget,
)

from explorer.fields.base import SPACING, ElidedLabel, Reason, muted
from explorer.fields.kind import KindField, about, title
from explorer.fields.row import Hub, Row, gutter, owners, spoken
from kernels.param import Choice, Component, declarations


class Toggle(QAbstractButton):
    """The title of a group with an arrow; pressing it shows or hides the rows."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(self._bold())
        return QSize(gutter(self) + metrics.horizontalAdvance(self.text()) + SPACING, metrics.height() + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(gutter(self), self.sizeHint().height())

    def paintEvent(self, e: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = self.contentsRect().adjusted(gutter(self), 0, 0, 0)
        half = 0.2 * self.fontMetrics().height()
        points = [QPointF(-half, -half / 2), QPointF(half, -half / 2), QPointF(0, half / 2)]
        arrow = QPolygonF(points if self.isChecked() else [QPointF(point.y(), point.x()) for point in points])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(muted(self.palette()))
        painter.drawPolygon(arrow.translated(gutter(self) / 2, self.height() / 2))
        painter.setFont(self._bold())
        painter.setPen(self.palette().windowText().color())
        text = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        style = self.style()
        if self.hasFocus() and style is not None:
            option = QStyleOptionFocusRect()
            option.initFrom(self)
            style.drawPrimitive(QStyle.PrimitiveElement.PE_FrameFocusRect, option, painter, self)
        painter.end()

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setBold(True)
        return font


def labels(kind: type[Component], seen: set[type[Component]]) -> Iterator[tuple[str, str]]:
    """Name and symbol of every field that a component of this kind may ever show, in any kind of its choices."""
    if kind in seen:
        return
    seen.add(kind)
    for name, declaration in declarations(kind).items():
        if isinstance(declaration, Choice):
            for inner in declaration.kinds:
                yield from labels(inner, seen)
        else:
            yield spoken(name), declaration.symbol


class Body(QWidget):
    """The rows and inner groups of one component; rebuilt where its kind changes, else only updated."""

    def __init__(self, prefix: str, hub: Hub, depth: int = 0) -> None:
        super().__init__()
        self._prefix, self._hub, self._depth = prefix, hub, depth
        self._kind: type[Component] | None = None
        self._parts: dict[str, Row | Group] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)

    def set_value(self, component: Component) -> bool:
        """Show this component; whether any rows were rebuilt for it."""
        rebuilt = type(component) is not self._kind
        if rebuilt:
            self._build(type(component))
        for name, part in self._parts.items():
            value = getattr(component, name)
            if isinstance(part, Row):
                part.set_value(value)
            elif part.set_value(value):
                rebuilt = True
        return rebuilt

    def all_rows(self) -> Iterator[Row]:
        """Rows from top to bottom, those of inner groups among them."""
        for part in self._parts.values():
            if isinstance(part, Row):
                yield part
            else:
                yield from part.body.all_rows()

    def all_groups(self) -> Iterator["Group"]:
        """Groups from top to bottom, each before its inner ones."""
        for part in self._parts.values():
            if isinstance(part, Group):
                yield part
                yield from part.body.all_groups()

    def controls(self) -> Iterator[QWidget]:
        """What the tab key visits, from top to bottom."""
        for part in self._parts.values():
            if isinstance(part, Row):
                yield from part.field.controls
            else:
                yield part.toggle
                yield from part.kinds.controls
                yield from part.body.controls()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to choose in here."""
        return not self._parts

    def title_width(self) -> int:
        """Width of the column in which every title fits."""
        return max((group.toggle.sizeHint().width() for group in self.all_groups()), default=0)

    def filter(self, words: list[str]) -> bool:
        """Show what matches every word; whether anything does."""
        found = False
        for part in self._parts.values():
            matches = part.matches(words) if isinstance(part, Row) else part.filter(words)
            part.setVisible(matches)
            found = found or matches
        return found

    def _build(self, kind: type[Component]) -> None:
        self._kind = kind
        for part in self._parts.values():
            self._layout.removeWidget(part)
            part.hide()
            part.deleteLater()
        self._parts = {}
        for name, declaration in declarations(kind).items():
            path = f"{self._prefix}{name}"
            if isinstance(declaration, Choice):
                self._parts[name] = Group(path, declaration, self._hub, self._depth)
            else:
                self._parts[name] = Row(path, kind, name, declaration, self._hub)
            self._layout.addWidget(self._parts[name])


class Group(QWidget):
    """One choice: title, menu of kinds, formula, and the body of the chosen kind."""

    def __init__(self, path: str, declaration: Choice, hub: Hub, depth: int) -> None:
        super().__init__()
        self.path = path
        heading = spoken(path.rpartition(".")[2]).capitalize()
        self._haystack = f"{heading} {declaration.help}".lower()
        self._hub = hub
        self._shown: Component | None = None
        self._filtering = False
        self.toggle = Toggle(heading, self)
        name = ", ".join((*owners(path), heading))
        self.toggle.setAccessibleName(f"{name}, show or hide")
        self.toggle.setToolTip(declaration.help)
        self.kinds = KindField(declaration, self)
        self.kinds.describe(f"{name}, kind", declaration.help)
        self.reason = Reason(self)
        self.formula = ElidedLabel(self)
        self.body = Body(f"{path}.", hub, depth + 1)
        self._header = QGridLayout()
        self._header.setContentsMargins(0, 0, 0, 0)
        self._header.setHorizontalSpacing(2 * SPACING)
        self._header.setVerticalSpacing(2)
        self._header.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2 if depth else SPACING, 0, 2 if depth else SPACING)
        layout.setSpacing(3)
        if not depth:
            layout.addWidget(_rule(self))
        layout.addLayout(self._header)
        for widget in (self.reason, self.formula, self.body):
            layout.addWidget(widget)
        self.toggle.toggled.connect(self._uncover)
        self.kinds.edited.connect(self._choose)

    def set_value(self, component: Component) -> bool:
        """Show this component, and whether any rows were rebuilt for it; the keyboard stays in the group."""
        kind = type(component)
        if self._shown is None or type(self._shown) is not kind:
            focus = self.focusWidget()
            lost = focus is not None and focus.hasFocus() and self.body.isAncestorOf(focus)
            self.kinds.set_value(component)
            self.formula.setText(kind.formula)
            self.formula.setToolTip(about(kind))
            if lost:
                (self.kinds.controls or (self.toggle,))[0].setFocus()
        self._shown = component
        rebuilt = self.body.set_value(component)
        if rebuilt:
            self._uncover()
        return rebuilt

    def restore(self) -> None:
        """Show the kind in force again."""
        self.kinds.restore()

    def refuse(self, sentence: str) -> None:
        """Show the kind in force again and say why the other was refused."""
        self.kinds.refuse()
        self.reason.say(sentence)

    def settle(self) -> None:
        """Forget the last refusal."""
        self.reason.say("")

    def arrange(self, title_width: int, *, stacked: bool) -> None:
        """Give the title this width, so that the menus of all groups start in one column, or put them below."""
        for widget in (self.toggle, self.kinds):
            self._header.removeWidget(widget)
        self.toggle.setFixedWidth(self.toggle.sizeHint().width() if stacked else title_width)
        self._header.addWidget(self.toggle, 0, 0)
        self._header.addWidget(self.kinds, int(stacked), 0 if stacked else 1, 1, 2 if stacked else 1)
        self.kinds.setContentsMargins(gutter(self) if stacked else 0, 0, 0, 0)
        for widget in (self.reason, self.formula):
            widget.setContentsMargins(gutter(self), 0, 0, 0)

    def filter(self, words: list[str]) -> bool:
        """Show the rows that match every word, whether collapsed or not; whether there is anything to show."""
        self._filtering = bool(words)
        name = f"{self._haystack} {title(type(self._shown)).lower()}" if self._shown is not None else ""
        own = all(word in name for word in words)
        inside = self.body.filter([] if own else words)
        self._uncover()
        return own or inside

    def _choose(self, kind: type[Component], _dragging: bool) -> None:
        self._hub.kind_chosen.emit(self.path, kind)

    def _uncover(self) -> None:
        is_open = self.toggle.isChecked() or self._filtering
        self.body.setVisible(is_open and not self.body.is_empty)
        self.formula.setVisible(is_open and bool(self.formula.text()))


def _rule(parent: QWidget) -> QFrame:
    line = QFrame(parent)
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Plain)
    line.setForegroundRole(parent.palette().ColorRole.Mid)
    return line
