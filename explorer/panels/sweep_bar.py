"""The choice of the number on the abscissa of the sweep."""

import dataclasses

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QStandardItemModel
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QWidget

from explorer.fields.base import SPACING, Menu
from explorer.session import Session
from kernels.analyses.sweep import numeric_paths
from kernels.experiment import Experiment
from kernels.param import declarations


def _missing(experiment: Experiment, path: str) -> tuple[str, str]:
    """Text and tooltip of the entry for a number that is not there."""
    family, _, name = path.partition(".")
    if family not in declarations(Experiment):
        return f"{path} (unknown)", f"An experiment has no {path}; choose another number."
    owner = type(getattr(experiment, family)).__name__
    return f"{path} (not in {owner})", f"{owner} has no number {name}; choose another, or another {family}."


class SweepBar(QWidget):
    """A menu of all numbers of the experiment; `changed(session)` when a person chose another to sweep."""

    changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.menu = Menu(self)
        self.menu.setAccessibleName("Number to sweep")
        label = QLabel("S&weep", self)
        label.setBuddy(self.menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.setSpacing(SPACING)
        layout.addWidget(label)
        layout.addWidget(self.menu, 1)
        self.menu.activated.connect(self._choose)
        self.set_value(self._session)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing. A number that the present kinds do not have stays, disabled."""
        self._session = session
        numbers = numeric_paths(session.experiment)
        entries = [
            (path, f"{path} ({number.symbol})" if number.symbol else path, number.help)
            for path, number in numbers.items()
        ]
        if session.swept not in numbers:
            entries.append((session.swept, *_missing(session.experiment, session.swept)))
        if entries != [self._entry(place) for place in range(self.menu.count())]:
            self.menu.clear()
            for path, text, help in entries:
                self.menu.addItem(text, path)
                self.menu.setItemData(self.menu.count() - 1, help, Qt.ItemDataRole.ToolTipRole)
            model = self.menu.model()
            assert isinstance(model, QStandardItemModel)
            for place, (path, *_) in enumerate(entries):
                item = model.item(place)
                assert item is not None
                item.setEnabled(path in numbers)
        place = self.menu.findData(session.swept)
        self.menu.setCurrentIndex(place)
        self.menu.setToolTip(entries[place][2])
        self.menu.setAccessibleDescription(entries[place][2])

    def _entry(self, place: int) -> tuple[str, str, str]:
        menu = self.menu
        return menu.itemData(place), menu.itemText(place), menu.itemData(place, Qt.ItemDataRole.ToolTipRole)

    def _choose(self, place: int) -> None:
        session = dataclasses.replace(self._session, swept=self.menu.itemData(place))
        if session != self._session:
            self.set_value(session)
            self.changed.emit(session)
