"""The ablation table: every sampler on every grid, by stop time, budget and start."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from explorer.export import Cell, table_csv, table_markdown, table_tex
from explorer.fields.base import SPACING, exact
from explorer.panels.lists import BUDGETS, STOPS, NumberList, WholeNumberList
from explorer.panels.parts import Flow, Note, Refusal, copy_text, push_button
from explorer.panels.table import AblationModel
from explorer.session import Session
from kernels.analyses.ablation import Ablation

COPY = QKeySequence.StandardKey.Copy
Writer = Callable[[Sequence[str], Sequence[Sequence[Cell]]], str]

EMPTY = (
    "The table compares the checked samplers and grids at equal cost: the error W₂ for every stop time, "
    "number of score evaluations (NFE) and start. Choose them under Compare, then press Compute."
)
STALE = "The session has changed since this table was computed."


class _View(QTableView):
    """The table; Ctrl+C copies the selected cells."""

    copied = pyqtSignal()

    def event(self, event: QEvent | None) -> bool:
        # The window may have a Ctrl+C of its own, which is not meant here.
        match event:
            case QKeyEvent() if event.type() == QEvent.Type.ShortcutOverride and event.matches(COPY):
                event.accept()
                return True
            case _:
                return super().event(event)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        if e is not None and e.matches(COPY):
            self.copied.emit()
        else:
            super().keyPressEvent(e)


class AblationPanel(QWidget):
    """Stop times and budgets, and the table computed for them.

    `requested(session)`: a person wants the table of this session, whose stops and budgets are those typed.
    """

    requested = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self._asked: Session | None = None
        self._tabulated: Session | None = None
        self.stops = NumberList(STOPS, "Stop times", "Times at which sampling stops, such as 1e-5, 1e-3 or 2^-6")
        self.budgets = WholeNumberList(BUDGETS, "Budgets", "Numbers of score evaluations (NFE), such as 50, 250")
        self.reasons = {entry: Refusal() for entry in (self.stops, self.budgets)}
        self.compute = push_button("Compute", "Compute the table for the present experiment", self._request)
        self.copy = push_button("Copy", "Copy the whole table, as it is sorted", lambda: None)
        menu = QMenu(self.copy)
        for name, write in (("CSV", table_csv), ("Markdown", table_markdown), ("TeX", table_tex)):
            action = menu.addAction(f"Copy as {name}")
            assert action is not None
            action.triggered.connect(partial(self._copy_as, write))
        self.copy.setMenu(menu)
        self.model = AblationModel(self)
        self.view = _View(self)
        self._dress_view()
        self.note = Note(EMPTY)
        form = QGridLayout()
        form.setHorizontalSpacing(2 * SPACING)
        form.setVerticalSpacing(2)
        for place, (text, entry) in enumerate((("S&top times", self.stops), ("&NFE", self.budgets))):
            label = QLabel(text)
            label.setBuddy(entry)
            form.addWidget(label, 2 * place, 0)
            form.addWidget(entry, 2 * place, 1)
            form.addWidget(self.reasons[entry], 2 * place + 1, 0, 1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.setSpacing(SPACING)
        layout.addLayout(form)
        layout.addLayout(Flow(self.compute, self.copy))
        layout.addWidget(self.note)
        layout.addWidget(self.view, 1)
        layout.addStretch(0)
        for entry in (self.stops, self.budgets):
            entry.committed.connect(partial(self._check, entry))
            entry.textEdited.connect(partial(self._settle, entry))
            entry.reverted.connect(partial(self._settle, entry))
        self.view.copied.connect(self._copy_selection)
        self._show_numbers()
        self.set_table(None)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing. What is typed stays until the session's own numbers change."""
        former, self._session = self._session, session
        if (session.stops, session.budgets) != (former.stops, former.budgets):
            self._show_numbers()
        self._tell_age()

    def set_table(self, table: Ablation | None) -> None:
        """Show a table, or what it would be; emits nothing."""
        self._tabulated = None if table is None else self._asked or self._session
        self.model.set_table(table)
        self.view.setVisible(table is not None)
        self.copy.setEnabled(table is not None)
        self.view.resizeColumnsToContents()
        self.view.resizeRowsToContents()
        self._tell_age()

    def set_busy(self, busy: bool) -> None:
        """Whether a table is being computed."""
        self.compute.setEnabled(not busy)
        self.compute.setText("Computing …" if busy else "Compute")

    def _dress_view(self) -> None:
        self.view.setAccessibleName("Ablation table")
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.setTabKeyNavigation(False)
        self.view.setWordWrap(False)
        self.view.setAlternatingRowColors(True)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        across, down = self.view.horizontalHeader(), self.view.verticalHeader()
        assert across is not None and down is not None
        # A third click brings the order of the computation back.
        across.setSortIndicatorClearable(True)
        across.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        across.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        down.hide()

    def _show_numbers(self) -> None:
        for entry, values in ((self.stops, self._session.stops), (self.budgets, self._session.budgets)):
            entry.set_good(", ".join(exact(value) for value in values))
            self._settle(entry)

    def _check(self, entry: NumberList, _text: str = "") -> tuple[float, ...]:
        try:
            found = entry.read()
        except ValueError as error:
            entry.refuse()
            self.reasons[entry].say(str(error))
            return ()
        entry.set_good(", ".join(exact(value) for value in found))
        self._settle(entry)
        return found

    def _settle(self, entry: NumberList, _text: str = "") -> None:
        entry.settle()
        self.reasons[entry].say("")

    def _request(self) -> None:
        read = {entry: self._check(entry) for entry in (self.stops, self.budgets)}
        for entry, values in read.items():
            if not values:
                entry.setFocus()
                return
        budgets = tuple(int(value) for value in read[self.budgets])
        self._session = dataclasses.replace(self._session, stops=read[self.stops], budgets=budgets)
        self._asked = self._session
        self.requested.emit(self._session)

    def _tell_age(self) -> None:
        def inputs(session: Session) -> tuple[object, ...]:
            return session.experiment, session.samplers, session.grids, session.stops, session.budgets

        if self.model.table is None:
            self.note.say(EMPTY)
        elif self._tabulated is not None and inputs(self._tabulated) != inputs(self._session):
            self.note.say(STALE)
        else:
            self.note.say("")

    def _copy_as(self, write: Writer, _checked: bool = False) -> None:
        copy_text(write(*self.model.content()))

    def _copy_selection(self) -> None:
        selected = self.view.selectedIndexes()
        if selected:
            copy_text(self.model.selection_text(selected))
