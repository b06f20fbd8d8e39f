"""What is drawn beside the experiment: samplers and grids to check, and the list of what came of it."""

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QBoxLayout, QLabel, QVBoxLayout, QWidget

from explorer.fields.base import SPACING
from explorer.panels.checks import Checks
from explorer.panels.items import ItemTable
from explorer.panels.parts import Flow, Note, push_button, shown
from explorer.session import Session, items
from kernels.experiment import Experiment, carried, steps_of
from kernels.grids import TIME_GRIDS, Adapted, Spaced, TimeGrid
from kernels.processes import Process
from kernels.samplers import (
    DDIM,
    DDPM,
    SAMPLERS,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    Heun,
    Sampler,
)

# Of each group the first that applies.
COMMON: tuple[tuple[type[Sampler], ...], ...] = (
    (EulerMaruyama,),
    (ExponentialIntegrator,),
    (DDIM,),
    (DDPM,),
    (Heun, EDMHeun),
    (DPMSolverPP2M,),
)
READABLE = 12
# Room for the bar of a list that scrolls.
SCROLL_BAR = 16


def grid_like(kind: type[TimeGrid], experiment: Experiment) -> TimeGrid:
    """A grid of this kind, with the number of steps and the range of the experiment's own where it has them."""
    present = experiment.grid
    if type(present) is kind:
        return present
    if isinstance(present, Spaced) or not issubclass(kind, Spaced):
        return carried(kind(), present)
    times = experiment.times
    return kind(steps=steps_of(present), start=float(times[0]), stop=float(times[-1]))


def refusal(experiment: Experiment, sampler: Sampler, grid: TimeGrid) -> str:
    """Why the experiment cannot be run with another sampler and grid, in one sentence; empty if it can."""
    return _refusal(experiment.process, sampler, grid, exact=experiment.is_exact)


@lru_cache(maxsize=1024)
def _refusal(process: Process, sampler: Sampler, grid: TimeGrid, *, exact: bool) -> str:
    try:
        reason = sampler.refusal(process, grid.times(process))
        if not reason and isinstance(grid, Adapted):
            reason = grid.refusal(sampler, exact=exact)
    except ValueError as error:
        return str(error)
    return f"{reason}." if reason else ""


class ComparePanel(QWidget):
    """Samplers and grids to draw beside the experiment; `changed(session)` when a person chose others."""

    changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.samplers = Checks("Samplers to compare", SAMPLERS)
        self.grids = Checks("Grids to compare", TIME_GRIDS)
        self.common = push_button("Common samplers", "Check the usual samplers that apply here", self._add_common)
        self.clear = push_button("Clear", "Draw the present experiment and the pins alone", self._clear)
        self.legend = ItemTable("What is drawn", ("Drawn", "W₂"))
        self.note = Note()
        self._lists = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._lists.setSpacing(SPACING)
        for heading, checks in (("&Samplers", self.samplers), ("&Grids", self.grids)):
            label = QLabel(heading)
            label.setBuddy(checks)
            column = QVBoxLayout()
            column.setSpacing(2)
            column.addWidget(label)
            column.addWidget(checks, 1)
            column.addStretch(0)
            self._lists.addLayout(column)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.setSpacing(SPACING)
        layout.addLayout(self._lists)
        layout.addLayout(Flow(self.common, self.clear))
        layout.addWidget(self.note)
        layout.addWidget(self.legend, 1)
        self.samplers.toggled.connect(self._check_sampler)
        self.grids.toggled.connect(self._check_grid)
        self.set_value(self._session)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        self._session = session
        self.samplers.set_value(session.samplers, {kind: self._sampler_refusal(kind) for kind in SAMPLERS})
        self.grids.set_value(session.grids, {kind: self._grid_refusal(kind) for kind in TIME_GRIDS})
        self.clear.setEnabled(bool(session.samplers or session.grids))
        drawn = items(session)
        self.legend.set_items(
            drawn, [item.label for item in drawn], tuple((item.label, item.experiment) for item in drawn)
        )
        self.legend.emphasize_first()
        self.note.say(" ".join(self._remarks(len(drawn))))

    def set_values(self, values: Mapping[str, float]) -> None:
        """Show the distances by label, muted until then; emits nothing. Rows without one stay as they are."""
        labels = [item.label for item in items(self._session)]
        self.legend.set_numbers([[shown(values[label])] if label in values else [] for label in labels])

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        wide = self.width() >= self.samplers.widest() + self.grids.widest() + 3 * SPACING + 2 * SCROLL_BAR
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self._lists.setDirection(direction)

    def _remarks(self, drawn: int) -> list[str]:
        session = self._session
        present = session.experiment
        pairs = [(s, g) for s in session.samplers or (present.sampler,) for g in session.grids or (present.grid,)]
        left_out = sum(bool(refusal(present, *pair)) for pair in pairs)
        remarks: list[str] = []
        if left_out:
            what = "1 checked combination does" if left_out == 1 else f"{left_out} checked combinations do"
            remarks.append(f"{what} not apply here and {'is' if left_out == 1 else 'are'} not drawn.")
        if drawn > READABLE:
            remarks.append(f"{drawn} combinations are drawn; more than {READABLE} are hard to read.")
        return remarks

    def _sampler_of(self, kind: type[Sampler]) -> Sampler:
        present = self._session.experiment.sampler
        checked = (sampler for sampler in self._session.samplers if type(sampler) is kind)
        return next(checked, present if type(present) is kind else kind())

    def _grid_of(self, kind: type[TimeGrid]) -> TimeGrid:
        checked = (grid for grid in self._session.grids if type(grid) is kind)
        return next(checked, None) or grid_like(kind, self._session.experiment)

    def _sampler_refusal(self, kind: type[Sampler]) -> str:
        present, sampler = self._session.experiment, self._sampler_of(kind)
        reasons = [refusal(present, sampler, grid) for grid in (present.grid, *self._session.grids)]
        return reasons[0] if all(reasons) else ""

    def _grid_refusal(self, kind: type[TimeGrid]) -> str:
        present, grid = self._session.experiment, self._grid_of(kind)
        reasons = [refusal(present, sampler, grid) for sampler in (present.sampler, *self._session.samplers)]
        return reasons[0] if all(reasons) else ""

    def _check_sampler(self, kind: type[Sampler], checked: bool) -> None:
        others = tuple(sampler for sampler in self._session.samplers if type(sampler) is not kind)
        self._change(samplers=(*others, self._sampler_of(kind)) if checked else others)

    def _check_grid(self, kind: type[TimeGrid], checked: bool) -> None:
        others = tuple(grid for grid in self._session.grids if type(grid) is not kind)
        self._change(grids=(*others, self._grid_of(kind)) if checked else others)

    def _add_common(self) -> None:
        chosen = [next((kind for kind in kinds if not self._sampler_refusal(kind)), None) for kinds in COMMON]
        known = {type(sampler) for sampler in self._session.samplers}
        new = [self._sampler_of(kind) for kind in chosen if kind is not None and kind not in known]
        self._change(samplers=(*self._session.samplers, *new))

    def _clear(self) -> None:
        self._change(samplers=(), grids=())

    def _change(self, **changes: Any) -> None:
        session = dataclasses.replace(self._session, **changes)
        if session != self._session:
            self.set_value(session)
            self.changed.emit(session)
