"""The editor of a choice: a menu of the kinds of its family."""

import inspect
import re

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget

from explorer.fields.base import Field, Menu
from explorer.fields.simple import fill
from kernels.param import Choice, Component

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
# People keep their capital in the middle of a title.
_PEOPLE = frozenset(
    (
        "Bures",
        "Euler",
        "Gauss",
        "Heun",
        "Karras",
        "Kutta",
        "Langevin",
        "Maruyama",
        "Ornstein",
        "Runge",
        "Sinkhorn",
        "Uhlenbeck",
    )
)


def title(kind: type[Component]) -> str:
    """The name of a kind as a person would write it; names with digits or a closing acronym are left alone."""
    name = kind.__name__
    words = _WORD.findall(name)
    if re.search(r"\d", name) or words[-1].isupper():
        return name
    kept = (word if word.isupper() or word in _PEOPLE else word.lower() for word in words[1:])
    return " ".join((words[0], *kept))


def about(kind: type[Component]) -> str:
    """What a kind is, its formula and where it comes from, each on a line of its own."""
    summary = (inspect.getdoc(kind) or "").partition("\n")[0]
    return "\n".join(line for line in (summary, kind.formula, kind.source) if line)


class KindField(Field):
    """A menu of kinds, or the bare name where there is nothing to choose; `edited` carries the chosen class."""

    def __init__(self, declaration: Choice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kinds = declaration.kinds
        self._kind = declaration.kinds[0]
        self.name = QLabel(title(self._kind), self)
        self.menu = Menu(self)
        for position, kind in enumerate(self._kinds):
            self.menu.addItem(title(kind))
            self.menu.setItemData(position, about(kind), Qt.ItemDataRole.ToolTipRole)
        single = len(self._kinds) == 1
        self.name.setVisible(single)
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.menu.setVisible(not single)
        self.controls = () if single else (self.menu,)
        fill(self, self.name if single else self.menu)
        self.menu.activated.connect(self._choose)

    def set_value(self, value: Component) -> None:
        self._kind = type(value)
        self.restore()

    def restore(self) -> None:
        self.menu.setCurrentIndex(self._kinds.index(self._kind))
        for widget in (self.menu, self.name):
            widget.setToolTip(about(self._kind))

    def describe(self, name: str, help: str) -> None:
        super().describe(name, help)
        self.restore()

    def _choose(self, position: int) -> None:
        self.edited.emit(self._kinds[position], False)
