"""Actions are values; menus, toolbar, shortcuts and palette are derived from one list."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QToolBar,
    QVBoxLayout,
    QWidget,
)


@dataclass(frozen=True)
class Action:
    """Something a person can do: `menu` is where it is listed, `tool` puts it on the toolbar too."""

    title: str
    menu: str
    run: Callable[[], object]
    shortcut: str = ""
    tip: str = ""
    tool: bool = False
    checkable: bool = False


def install(window: QMainWindow, actions: tuple[Action, ...]) -> dict[str, QAction]:
    """Make menus, toolbar and shortcuts; the result is by title."""
    made: dict[str, QAction] = {}
    bar = window.menuBar()
    assert bar is not None
    tools = QToolBar("Toolbar", window)
    tools.setObjectName("toolbar")
    tools.setMovable(False)
    window.addToolBar(tools)
    tools.show()
    menus = {name: bar.addMenu(name) for name in dict.fromkeys(action.menu for action in actions)}
    for action in actions:
        item = QAction(action.title, window)
        item.setCheckable(action.checkable)
        if action.shortcut:
            item.setShortcut(QKeySequence(action.shortcut))
            item.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        shown = f" ({QKeySequence(action.shortcut).toString()})" if action.shortcut else ""
        item.setToolTip((action.tip or action.title.replace("&", "")) + shown)
        item.triggered.connect(partial(_run, action.run))
        menu = menus[action.menu]
        assert menu is not None
        menu.addAction(item)
        if action.tool:
            tools.addAction(item)
        made[action.title] = item
    return made


def _run(run: Callable[[], object], checked: bool) -> None:
    run()


class Palette(QDialog):
    """All actions, found by typing."""

    def __init__(self, actions: dict[str, QAction], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Commands")
        self._actions = actions
        self._entry = QLineEdit(self)
        self._entry.setPlaceholderText("Type to find a command")
        self._entry.setAccessibleName("Find a command")
        self._list = QListWidget(self)
        self._list.setAccessibleName("Commands")
        column = QVBoxLayout(self)
        column.addWidget(self._entry)
        column.addWidget(self._list)
        self._entry.textChanged.connect(self._filter)
        self._entry.returnPressed.connect(self._run)
        self._list.itemActivated.connect(self._run)
        self.resize(420, 420)
        self._filter("")

    def _filter(self, text: str) -> None:
        self._list.clear()
        for title, action in self._actions.items():
            plain = title.replace("&", "")
            if action.isEnabled() and all(word in plain.lower() for word in text.lower().split()):
                item = QListWidgetItem(f"{plain}    {action.shortcut().toString()}")
                item.setData(Qt.ItemDataRole.UserRole, title)
                self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _run(self) -> None:
        item = self._list.currentItem()
        if item is not None:
            self.accept()
            self._actions[item.data(Qt.ItemDataRole.UserRole)].trigger()
