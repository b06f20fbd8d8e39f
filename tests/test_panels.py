"""The panels, driven as a person would."""

import csv
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import pytest
from PyQt6.QtCore import QItemSelectionModel, QPoint, Qt
from PyQt6.QtGui import QColor, QFont, QGuiApplication, QImage
from PyQt6.QtWidgets import QAbstractItemView, QAbstractScrollArea, QApplication, QWidget
from pytestqt.qtbot import QtBot

from explorer.marks import COLORS
from explorer.panels import AblationPanel, ComparePanel, LogHandler, LogPanel, PinsPanel, SweepBar
from explorer.panels.checks import Checks
from explorer.panels.compare import grid_like
from explorer.panels.items import FIRST_NUMBER, ROLE, TEXT, ItemTable
from explorer.panels.log import MOST
from explorer.panels.parts import Note, shown
from explorer.panels.pins import relative
from explorer.session import Session, items
from explorer.style import palette
from kernels.analyses.ablation import Ablation, Row
from kernels.experiment import Experiment
from kernels.grids import AlignYourSteps, Karras, LogUniform, Tabulated, Uniform
from kernels.processes import EDM, VPLinear
from kernels.samplers import (
    DDIM,
    DDPM,
    SAMPLERS,
    AncestralVP,
    DPMSolverPP2M,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    ShapedEulerMaruyama,
)

NAN, INF = float("nan"), float("inf")
HUGE = "1" + 400 * "0"
TABLE = Ablation(
    columns=((50, "Noise"), (50, "Marginal")),
    rows=(
        Row(sampler="EulerMaruyama", grid="Uniform", stop=1e-5, wasserstein2=(0.25, INF)),
        Row(sampler="DDIM", grid="Uniform", stop=1e-5, wasserstein2=(0.0123456789, NAN)),
        Row(sampler="DDIM", grid="Karras", stop=1e-3, wasserstein2=(0.5, 1.25e-7)),
    ),
)


class Speaks(Protocol):
    """A panel that says what a person did."""

    changed: Any


P = TypeVar("P", bound=QWidget)


def opened(qtbot: QtBot, panel: P, width: int = 420, height: int = 640) -> P:
    qtbot.addWidget(panel)
    panel.resize(width, height)
    with qtbot.waitActive(panel):
        panel.show()
        panel.activateWindow()
    return panel


def said(panel: Speaks) -> list[Session]:
    heard: list[Session] = []
    panel.changed.connect(heard.append)
    return heard


def clipboard() -> str:
    found = QGuiApplication.clipboard()
    assert found is not None
    return found.text()


def viewport(area: QAbstractScrollArea) -> QWidget:
    found = area.viewport()
    assert found is not None
    return found


def place_of(checks: Checks, kind: str) -> int:
    names = [checks.item(place) for place in range(checks.count())]
    return next(place for place, item in enumerate(names) if item is not None and item.text().startswith(kind))


def check(qtbot: QtBot, checks: Checks, kind: str) -> None:
    """Click the box before a kind."""
    item = checks.item(place_of(checks, kind))
    checks.scrollToItem(item)
    box = checks.visualItemRect(item)
    at = QPoint(box.left() + 10, box.center().y())
    qtbot.mouseClick(viewport(checks), Qt.MouseButton.LeftButton, pos=at)


def boxes(checks: Checks) -> dict[str, tuple[bool, bool]]:
    """Of every kind whether it is checked, and whether a person can change that."""
    found = (checks.item(place) for place in range(checks.count()))
    return {
        item.text(): (item.checkState() == Qt.CheckState.Checked, bool(item.flags() & Qt.ItemFlag.ItemIsEnabled))
        for item in found
        if item is not None
    }


def texts(table: ItemTable) -> list[list[str]]:
    return [[row.text(column) for column in range(TEXT, table.columnCount())] for row in table.rows()]


def choose_row(qtbot: QtBot, table: ItemTable, place: int) -> None:
    box = table.visualItemRect(table.topLevelItem(place))
    qtbot.mouseClick(viewport(table), Qt.MouseButton.LeftButton, pos=box.center())


# ----------------------------------------------------------------------------------------------------- compare


@pytest.fixture
def compare(qtbot: QtBot) -> ComparePanel:
    return opened(qtbot, ComparePanel())


def test_checking_a_sampler_compares_it(qtbot: QtBot, compare: ComparePanel) -> None:
    heard = said(compare)
    check(qtbot, compare.samplers, "DDIM")
    check(qtbot, compare.samplers, "Heun")
    assert heard == [Session(samplers=(DDIM(),)), Session(samplers=(DDIM(), Heun()))]
    assert texts(compare.legend) == [["EulerMaruyama", ""], ["DDIM", ""], ["Heun", ""]]
    check(qtbot, compare.samplers, "DDIM")
    assert heard[-1] == Session(samplers=(Heun(),))


def test_a_sampler_of_the_present_kind_brings_its_parameters(qtbot: QtBot, compare: ComparePanel) -> None:
    present = Experiment(sampler=EulerMaruyama(stochasticity=0.5))
    compare.set_value(Session(experiment=present))
    heard = said(compare)
    check(qtbot, compare.samplers, "EulerMaruyama")
    assert heard[-1].samplers == (EulerMaruyama(stochasticity=0.5),)
    assert "EulerMaruyama(ε=0.5)" in boxes(compare.samplers)
    assert texts(compare.legend) == [["EulerMaruyama(ε=0.5)", ""]]


def test_a_checked_grid_has_the_steps_and_range_of_the_present_one(qtbot: QtBot, compare: ComparePanel) -> None:
    present = Experiment(grid=Uniform(steps=20, start=0.9, stop=0.01, to_zero=True))
    compare.set_value(Session(experiment=present))
    heard = said(compare)
    for kind in ("Karras", "AlignYourSteps", "Uniform"):
        check(qtbot, compare.grids, kind)
    karras = Karras(steps=20, start=0.9, stop=0.01, to_zero=True)
    assert heard[-1].grids == (karras, AlignYourSteps(steps=20, to_zero=True), present.grid)
    assert [label for label, _ in texts(compare.legend)] == ["Uniform", "Karras", "AlignYourSteps"]


def test_grids_beside_a_list_of_levels_share_its_range() -> None:
    present = Experiment(grid=Tabulated(values=(0.8, 0.4, 0.1)))
    assert grid_like(LogUniform, present) == LogUniform(steps=2, start=0.8, stop=0.1)
    assert grid_like(Tabulated, present) is present.grid
    assert grid_like(Tabulated, Experiment()) == Tabulated()


def test_what_does_not_apply_is_grey_and_says_why(qtbot: QtBot, compare: ComparePanel) -> None:
    heard = said(compare)
    assert boxes(compare.samplers)["FlowEuler"] == (False, False)
    item = compare.samplers.item(place_of(compare.samplers, "FlowEuler"))
    assert item is not None
    assert item.toolTip() == "FlowEuler needs the process FlowMatching."
    check(qtbot, compare.samplers, "FlowEuler")
    assert heard == []
    present = Experiment(grid=Uniform(stop=0.0))
    compare.set_value(Session(experiment=present))
    grid = compare.grids.item(place_of(compare.grids, "LogUniform"))
    assert grid is not None
    with pytest.raises(ValueError, match="LogUniform") as caught:
        replace(present, grid=LogUniform(stop=0.0))
    assert grid.toolTip() == str(caught.value)
    check(qtbot, compare.grids, "LogUniform")
    assert heard == []


def test_what_no_longer_applies_stays_checked_and_can_be_taken_out(qtbot: QtBot, compare: ComparePanel) -> None:
    session = Session(samplers=(DDIM(), FlowEuler()))
    compare.set_value(session)
    heard = said(compare)
    assert boxes(compare.samplers)["FlowEuler"] == (True, True)
    assert [label for label, _ in texts(compare.legend)] == ["EulerMaruyama", "DDIM"]
    assert compare.note.text() == "1 checked combination does not apply here and is not drawn."
    check(qtbot, compare.samplers, "FlowEuler")
    assert heard == [Session(samplers=(DDIM(),))]
    assert boxes(compare.samplers)["FlowEuler"] == (False, False)


def test_a_sampler_that_applies_on_a_checked_grid_is_not_grey(compare: ComparePanel) -> None:
    coarse = Experiment(grid=Uniform(steps=3))
    compare.set_value(Session(experiment=coarse))
    assert boxes(compare.samplers)["AncestralVP"] == (False, False)
    compare.set_value(Session(experiment=coarse, samplers=(AncestralVP(),), grids=(Uniform(steps=200),)))
    assert boxes(compare.samplers)["AncestralVP"] == (True, True)
    item = compare.samplers.item(place_of(compare.samplers, "AncestralVP"))
    assert item is not None
    assert item.toolTip().startswith("The ancestral step")


def test_the_common_samplers_are_those_that_apply(qtbot: QtBot, compare: ComparePanel) -> None:
    compare.set_value(Session(samplers=(DDIM(eta=0.5),)))
    heard = said(compare)
    qtbot.mouseClick(compare.common, Qt.MouseButton.LeftButton)
    others = (EulerMaruyama(), ExponentialIntegrator(), DDPM(), Heun(), DPMSolverPP2M())
    assert heard == [Session(samplers=(DDIM(eta=0.5), *others))]
    qtbot.mouseClick(compare.common, Qt.MouseButton.LeftButton)
    assert len(heard) == 1
    exploding = Experiment(process=EDM(), grid=Karras(start=80.0, stop=0.002))
    compare.set_value(Session(experiment=exploding))
    qtbot.mouseClick(compare.common, Qt.MouseButton.LeftButton)
    assert ExponentialIntegrator not in {type(sampler) for sampler in heard[-1].samplers}
    qtbot.mouseClick(compare.clear, Qt.MouseButton.LeftButton)
    assert heard[-1] == Session(experiment=exploding)
    assert not compare.clear.isEnabled()


def test_many_combinations_are_drawn_with_a_warning(compare: ComparePanel) -> None:
    kinds = (EulerMaruyama(), DDIM(), DDPM(), Heun())
    grids = (Uniform(), Karras(), LogUniform())
    compare.set_value(Session(samplers=kinds, grids=grids, pins=(Experiment(grid=Uniform(steps=7)),)))
    assert len(compare.legend.rows()) == 13
    assert compare.note.text() == "13 combinations are drawn; more than 12 are hard to read."
    compare.set_value(Session(samplers=kinds))
    assert not compare.note.isVisible()


def test_the_legend_shows_values_when_they_come(compare: ComparePanel) -> None:
    compare.set_value(Session(samplers=(DDIM(), DDPM(), Heun())))
    compare.set_values({"EulerMaruyama": 0.0123456, "DDIM": INF, "DDPM": NAN, "other": 1.0})
    table = texts(compare.legend)
    assert table == [["EulerMaruyama", "0.0123"], ["DDIM", "∞"], ["DDPM", "—"], ["Heun", ""]]
    compare.set_value(Session(samplers=(DDIM(),)))
    rows = compare.legend.rows()
    assert texts(compare.legend) == [["EulerMaruyama", "0.0123"], ["DDIM", "∞"]]
    assert [row.data(FIRST_NUMBER, ROLE) for row in rows] == [True, True]
    compare.set_values({"EulerMaruyama": 1.5e-5, "DDIM": 2.0})
    assert texts(compare.legend) == [["EulerMaruyama", "1.5e-5"], ["DDIM", "2"]]
    assert [row.data(FIRST_NUMBER, ROLE) for row in rows] == [False, False]


def test_the_legend_has_the_looks_of_the_plots(compare: ComparePanel) -> None:
    compare.setPalette(palette(False))
    compare.set_value(Session(samplers=(DDIM(), DDPM())))
    table = compare.legend
    pixels = viewport(table).grab().toImage()
    for place, row in enumerate(table.rows()):
        middle = table.visualItemRect(row).center().y()
        colors = {pixels.pixelColor(x, middle).name() for x in range(table.header().sectionSize(0))}  # pyright: ignore
        assert COLORS[place].lower() in colors


def test_the_keyboard_checks_too(qtbot: QtBot, compare: ComparePanel) -> None:
    heard = said(compare)
    compare.samplers.setFocus()
    qtbot.keyClick(compare.samplers, Qt.Key.Key_Home)
    qtbot.keyClick(compare.samplers, Qt.Key.Key_Down)
    qtbot.keyClick(compare.samplers, Qt.Key.Key_Space)
    assert heard == [Session(samplers=(ShapedEulerMaruyama(),))]
    qtbot.keyClick(compare.samplers, Qt.Key.Key_Tab)
    assert compare.grids.hasFocus()


# -------------------------------------------------------------------------------------------------------- pins


@pytest.fixture
def pins(qtbot: QtBot) -> PinsPanel:
    return opened(qtbot, PinsPanel())


PRESENT = Experiment(sampler=Heun())
PINNED = Session(experiment=PRESENT, pins=(replace(PRESENT, sampler=DDIM()), replace(PRESENT, grid=Uniform(steps=20))))


def test_without_pins_the_panel_says_what_they_are_for(qtbot: QtBot, pins: PinsPanel) -> None:
    assert pins.empty.isVisible()
    assert not pins.table.isVisible()
    assert (pins.remove.isEnabled(), pins.back.isEnabled()) == (False, False)
    heard = said(pins)
    qtbot.mouseClick(pins.add, Qt.MouseButton.LeftButton)
    assert heard == [Session(pins=(Experiment(),))]
    assert texts(pins.table) == [["the same", "", ""]]
    assert (pins.empty.isVisible(), pins.add.isEnabled()) == (False, False)


def test_pinning_twice_points_at_the_pin(pins: PinsPanel) -> None:
    pins.set_value(replace(PINNED, pins=(*PINNED.pins, PRESENT)))
    heard = said(pins)
    pins.pin()
    assert heard == []
    assert pins.table.currentItem() is pins.table.topLevelItem(2)


def test_pins_tell_difference_and_error(pins: PinsPanel) -> None:
    pins.set_value(PINNED)
    labels = [item.label for item in items(PINNED)]
    pins.set_values({labels[0]: 0.2, labels[1]: 0.25, labels[2]: INF})
    assert texts(pins.table) == [["DDIM", "0.25", "+25 %"], ["N=20", "∞", "—"]]


def test_a_pin_is_removed(qtbot: QtBot, pins: PinsPanel) -> None:
    pins.set_value(PINNED)
    heard = said(pins)
    choose_row(qtbot, pins.table, 1)
    qtbot.keyClick(pins.table, Qt.Key.Key_Delete)
    assert heard == [replace(PINNED, pins=PINNED.pins[:1])]
    qtbot.mouseClick(pins.remove, Qt.MouseButton.LeftButton)
    assert heard[-1] == Session(experiment=PRESENT)
    assert pins.empty.isVisible()
    assert not pins.remove.isEnabled()


@pytest.mark.parametrize("way", ["button", "key", "double click"])
def test_a_pin_becomes_the_present_experiment_and_stays(qtbot: QtBot, pins: PinsPanel, way: str) -> None:
    pins.set_value(PINNED)
    heard = said(pins)
    choose_row(qtbot, pins.table, 1)
    match way:
        case "button":
            qtbot.mouseClick(pins.back, Qt.MouseButton.LeftButton)
        case "key":
            qtbot.keyClick(pins.table, Qt.Key.Key_Return)
        case _:
            box = pins.table.visualItemRect(pins.table.topLevelItem(1))
            qtbot.mouseDClick(viewport(pins.table), Qt.MouseButton.LeftButton, pos=box.center())
    assert heard == [replace(PINNED, experiment=PINNED.pins[1])]
    assert [row[0] for row in texts(pins.table)] == ["N=50, DDIM", "the same"]
    assert not pins.back.isEnabled()


@pytest.mark.parametrize(
    ("value", "present", "text"),
    [
        (0.11, 0.1, "+10 %"),
        (0.088, 0.1, "−12 %"),
        (0.1, 0.1, "0 %"),
        (0.1003, 0.1, "+0.3 %"),
        (3.0, 0.1, "+2900 %"),
        (1e9, 0.1, "+1e+12 %"),
        (INF, 0.1, "—"),
        (0.1, NAN, "—"),
        (0.1, 0.0, "—"),
    ],
)
def test_percentages_are_short(value: float, present: float, text: str) -> None:
    assert relative(value, present) == text


def test_numbers_are_short() -> None:
    assert [shown(value) for value in (0.25, 1.25e-7, NAN, INF, -INF, 0.0)] == ["0.25", "1.25e-7", "—", "∞", "−∞", "0"]


# ---------------------------------------------------------------------------------------------------- ablation


@pytest.fixture
def ablation(qtbot: QtBot) -> AblationPanel:
    return opened(qtbot, AblationPanel(), 620, 420)


def asked(panel: AblationPanel) -> list[Session]:
    heard: list[Session] = []
    panel.requested.connect(heard.append)
    return heard


def type_in(qtbot: QtBot, entry: QWidget, text: str) -> None:
    entry.setFocus()
    qtbot.keyClick(entry, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(entry, Qt.Key.Key_Delete)
    qtbot.keyClicks(entry, text)


def click(qtbot: QtBot, widget: QWidget) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def test_computing_asks_for_what_is_typed(qtbot: QtBot, ablation: AblationPanel) -> None:
    heard = asked(ablation)
    type_in(qtbot, ablation.stops, "2^-6; 1e-3 0, 1e-3")
    type_in(qtbot, ablation.budgets, "1e2, 20")
    assert heard == []
    click(qtbot, ablation.compute)
    assert heard == [Session(stops=(0.015625, 1e-3, 0.0), budgets=(100, 20))]
    assert all(isinstance(value, int) for value in heard[0].budgets)
    assert (ablation.stops.text(), ablation.budgets.text()) == ("0.015625, 0.001, 0", "100, 20")


@pytest.mark.parametrize(
    ("which", "text", "sentence"),
    [
        ("stops", "soon, 1", "Each of the stop times must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'soon'."),
        ("stops", "-1", "The list of stop times must hold numbers in [0, 1e+09), got -1.0 at position 0."),
        ("stops", "inf", "The list of stop times must hold numbers in [0, 1e+09), got inf at position 0."),
        ("stops", "", "The list of stop times must hold at least 1 numbers, got 0."),
        ("stops", HUGE, f"Each of the stop times must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got '{HUGE}'."),
        ("budgets", "50, 1.5", "The list of budgets must hold whole numbers in [1, 1e+06], got 1.5."),
        ("budgets", "0", "The list of budgets must hold numbers in [1, 1e+06], got 0.0 at position 0."),
        ("budgets", "9^9^9", "Each of the budgets must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got '9^9^9'."),
        (
            "budgets",
            "quit()+1",
            "Each of the budgets must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'quit()+1'.",
        ),
    ],
)
def test_nonsense_is_refused_and_nothing_is_asked(
    qtbot: QtBot, ablation: AblationPanel, which: str, text: str, sentence: str
) -> None:
    heard = asked(ablation)
    entry = ablation.stops if which == "stops" else ablation.budgets
    type_in(qtbot, entry, text)
    click(qtbot, ablation.compute)
    reason = ablation.reasons[entry]
    assert (reason.text(), reason.isVisible(), entry.is_refused) == (sentence, True, True)
    assert (heard, entry.text(), entry.hasFocus()) == ([], text, True)
    before = ", ".join(("1e-5", "0.001") if which == "stops" else ("50", "250"))
    qtbot.keyClick(entry, Qt.Key.Key_Escape)
    assert (entry.text(), entry.is_refused, reason.isVisible()) == (before, False, False)
    click(qtbot, ablation.compute)
    assert heard == [Session()]


def test_typing_on_takes_the_refusal_away(qtbot: QtBot, ablation: AblationPanel) -> None:
    type_in(qtbot, ablation.stops, "soon")
    qtbot.keyClick(ablation.stops, Qt.Key.Key_Return)
    assert ablation.reasons[ablation.stops].isVisible()
    qtbot.keyClick(ablation.stops, Qt.Key.Key_Backspace)
    assert not ablation.reasons[ablation.stops].isVisible()


def test_what_is_typed_stays_until_the_session_has_other_numbers(qtbot: QtBot, ablation: AblationPanel) -> None:
    type_in(qtbot, ablation.budgets, "10")
    ablation.set_value(Session(experiment=PRESENT))
    assert ablation.budgets.text() == "10"
    ablation.set_value(Session(experiment=PRESENT, budgets=(7,)))
    assert ablation.budgets.text() == "7"


def cells(panel: AblationPanel, role: Qt.ItemDataRole = Qt.ItemDataRole.DisplayRole) -> list[list[Any]]:
    model = panel.model
    return [
        [model.data(model.index(row, column), role) for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def test_the_table_shows_every_value_and_the_best(ablation: AblationPanel) -> None:
    assert ablation.note.isVisible()
    assert not ablation.view.isVisible()
    assert not ablation.copy.isEnabled()
    ablation.set_table(TABLE)
    assert not ablation.note.isVisible()
    assert cells(ablation) == [
        ["EulerMaruyama", "Uniform", "1e-5", "0.25", "∞"],
        ["DDIM", "Uniform", "1e-5", "0.0123", "—"],
        ["DDIM", "Karras", "0.001", "0.5", "1.25e-7"],
    ]
    fonts = cells(ablation, Qt.ItemDataRole.FontRole)
    bold = [(row, column) for row in range(3) for column in range(5) if fonts[row][column] is not None]
    assert bold == [(1, 3), (2, 4)]
    across = [ablation.model.headerData(column, Qt.Orientation.Horizontal) for column in range(5)]
    assert across == ["Sampler", "Grid", "Stop", "50 NFE\nNoise", "50 NFE\nMarginal"]
    tips = cells(ablation, Qt.ItemDataRole.ToolTipRole)
    assert tips[1][3:] == [
        "DDIM on Uniform to 1e-05, 50 NFE, start Noise: W₂ = 0.0123456789",
        "DDIM on Uniform to 1e-05, 50 NFE, start Marginal: not defined",
    ]
    ablation.set_table(None)
    assert ablation.note.isVisible()
    assert cells(ablation) == []


def test_a_click_on_a_header_sorts_with_the_undefined_last(qtbot: QtBot, ablation: AblationPanel) -> None:
    ablation.set_table(TABLE)
    across = ablation.view.horizontalHeader()
    assert across is not None

    def click_header(column: int) -> list[Any]:
        at = QPoint(across.sectionViewportPosition(column) + 10, across.height() // 2)
        qtbot.mouseClick(viewport(across), Qt.MouseButton.LeftButton, pos=at)
        return [row[column] for row in cells(ablation)]

    assert click_header(4) == ["1.25e-7", "∞", "—"]
    assert click_header(4) == ["∞", "1.25e-7", "—"]
    assert click_header(4) == ["∞", "—", "1.25e-7"]
    assert click_header(0) == ["DDIM", "DDIM", "EulerMaruyama"]
    assert click_header(2) == ["1e-5", "1e-5", "0.001"]


def copy_as(panel: AblationPanel, name: str) -> str:
    menu = panel.copy.menu()
    assert menu is not None
    next(action for action in menu.actions() if action.text() == f"Copy as {name}").trigger()
    return clipboard()


def test_the_table_is_copied_as_csv(ablation: AblationPanel) -> None:
    ablation.set_table(TABLE)
    header, *rows = csv.reader(io.StringIO(copy_as(ablation, "CSV")))
    assert header == ["sampler", "grid", "stop", "W₂ NFE=50 Noise", "W₂ NFE=50 Marginal"]
    assert rows[1] == ["DDIM", "Uniform", "1e-05", "0.0123456789", "nan"]
    assert float(rows[0][4]) == INF


def test_the_table_is_copied_as_markdown(ablation: AblationPanel) -> None:
    ablation.set_table(TABLE)
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in copy_as(ablation, "Markdown").splitlines()
    ]
    assert lines[0][3:] == ["W₂ NFE=50 Noise", "W₂ NFE=50 Marginal"]
    assert lines[1] == ["---", "---", "---:", "---:", "---:"]
    assert lines[2:] == [
        ["EulerMaruyama", "Uniform", "1e-05", "0.25", "inf"],
        ["DDIM", "Uniform", "1e-05", "0.01235", "nan"],
        ["DDIM", "Karras", "0.001", "0.5", "1.25e-07"],
    ]


def test_the_table_is_copied_as_tex_in_the_order_shown(ablation: AblationPanel) -> None:
    ablation.set_table(TABLE)
    ablation.view.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    lines = copy_as(ablation, "TeX").splitlines()
    assert lines[:2] == [r"\begin{tabular}{llrrr}", r"\toprule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    body = [[cell.strip() for cell in line.removesuffix(r" \\").split("&")] for line in lines[4:-2]]
    assert body == [
        ["DDIM", "Uniform", r"$1 \times 10^{-5}$", "$0.01235$", "--"],
        ["EulerMaruyama", "Uniform", r"$1 \times 10^{-5}$", "$0.25$", r"$\infty$"],
        ["DDIM", "Karras", "$0.001$", "$0.5$", r"$1.25 \times 10^{-7}$"],
    ]


def test_selected_cells_are_copied_with_tabs(qtbot: QtBot, ablation: AblationPanel) -> None:
    ablation.set_table(TABLE)
    selection = ablation.view.selectionModel()
    assert selection is not None
    for row, column in ((1, 0), (1, 3), (2, 3)):
        selection.select(ablation.model.index(row, column), QItemSelectionModel.SelectionFlag.Select)
    qtbot.keyClick(ablation.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard() == "DDIM\t0.0123456789\n\t0.5\n"


def test_a_table_of_another_session_says_so(qtbot: QtBot, ablation: AblationPanel) -> None:
    heard = asked(ablation)
    click(qtbot, ablation.compute)
    ablation.set_busy(True)
    assert (ablation.compute.isEnabled(), ablation.compute.text()) == (False, "Computing …")
    ablation.set_value(Session(experiment=PRESENT))
    ablation.set_busy(False)
    ablation.set_table(TABLE)
    assert ablation.note.text() == "The session has changed since this table was computed."
    ablation.set_value(replace(heard[0], swept="grid.steps"))
    assert not ablation.note.isVisible()


# ------------------------------------------------------------------------------------------------------- sweep


def test_the_sweep_bar_lists_every_number(qtbot: QtBot) -> None:
    bar = opened(qtbot, SweepBar(), 400, 40)
    heard = said(bar)
    assert bar.menu.currentText() == "sampler.stochasticity (ε)"
    assert bar.menu.toolTip() == "0 is the flow, 1 the reverse equation"
    here = bar.menu.findText("grid.steps (N)")
    assert bar.menu.itemData(here, Qt.ItemDataRole.ToolTipRole) == "number of steps"
    while bar.menu.currentIndex() != here:
        qtbot.keyClick(bar.menu, Qt.Key.Key_Up)
    assert heard[-1] == Session(swept="grid.steps")
    bar.menu.activated.emit(here)
    assert heard.count(Session(swept="grid.steps")) == 1


def test_a_number_that_is_not_there_stays_as_a_disabled_entry(qtbot: QtBot) -> None:
    bar = opened(qtbot, SweepBar(), 400, 40)
    heard = said(bar)
    bar.set_value(Session(experiment=PRESENT))
    assert bar.menu.currentText() == "sampler.stochasticity (not in Heun)"
    assert bar.menu.toolTip() == "Heun has no number stochasticity; choose another, or another sampler."
    model = bar.menu.model()
    assert model is not None
    assert not model.flags(model.index(bar.menu.currentIndex(), 0)) & Qt.ItemFlag.ItemIsEnabled
    qtbot.keyClick(bar.menu, Qt.Key.Key_Home)
    qtbot.keyClick(bar.menu, Qt.Key.Key_End)
    assert all(session.swept != "sampler.stochasticity" for session in heard)
    bar.set_value(Session(swept="nothing.at all"))
    assert bar.menu.currentText() == "nothing.at all (unknown)"
    assert bar.menu.toolTip() == "An experiment has no nothing.at all; choose another number."
    bar.set_value(Session())
    assert bar.menu.findText("nothing", Qt.MatchFlag.MatchStartsWith) == -1


# --------------------------------------------------------------------------------------------------------- log


@pytest.fixture
def log(qtbot: QtBot) -> LogPanel:
    return opened(qtbot, LogPanel(), 420, 200)


def untimed(lines: list[str]) -> list[str]:
    return [line.partition(" ")[2] for line in lines]


def test_messages_are_listed_and_repeats_counted(qtbot: QtBot, log: LogPanel) -> None:
    assert (log.copy.isEnabled(), log.clear.isEnabled()) == (False, False)
    for level, text in (("note", "one"), ("error", "two"), ("error", "two"), ("warning", "two"), ("error", "a\nb")):
        log.add(level, text)
    expected = ["note: one", "error: two (×2)", "warning: two", "error: a\nb"]
    assert untimed(log.lines()) == expected
    assert log.box.toPlainText() == "\n".join(log.lines())
    click(qtbot, log.copy)
    assert clipboard() == "".join(f"{line}\n" for line in log.lines())
    log.setPalette(palette(True))
    assert log.box.toPlainText() == "\n".join(log.lines())
    click(qtbot, log.clear)
    assert (log.box.toPlainText(), log.lines(), log.copy.isEnabled()) == ("", [], False)


def test_only_the_last_messages_are_kept(log: LogPanel) -> None:
    for number in range(MOST + 7):
        log.add("note", f"message {number}")
    assert len(log.lines()) == log.box.blockCount() == MOST
    assert untimed(log.lines())[0] == "note: message 7"
    assert log.box.toPlainText() == "\n".join(log.lines())


@pytest.fixture
def logger(log: LogPanel) -> Iterator[logging.Logger]:
    made = logging.Logger("panels")
    handler = LogHandler(log)
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)


def test_log_records_of_any_thread_arrive(qtbot: QtBot, log: LogPanel, logger: logging.Logger) -> None:
    def work() -> None:
        logger.info("too quiet")
        for number in range(20):
            logger.warning("at %d", number)
        try:
            raise ValueError("no reason")
        except ValueError:
            logger.exception("broken")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert log.lines() == []
    qtbot.waitUntil(lambda: len(log.lines()) == 21)
    assert untimed(log.lines())[-2:] == ["warning: at 19", "error: broken (ValueError: no reason)"]


def test_a_record_that_cannot_be_written_breaks_nothing(
    log: LogPanel, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.error("%d", "words")
    assert log.lines() == []


# ------------------------------------------------------------------------------------------------ every panel

RICH = Session(
    experiment=PRESENT,
    samplers=tuple(kind() for kind in SAMPLERS),
    grids=(Uniform(), Karras()),
    pins=PINNED.pins,
    swept="grid.steps",
    stops=(0.5,),
    budgets=(3,),
)
SESSIONS = (Session(), RICH, PINNED, replace(RICH, experiment=Experiment(process=VPLinear())), Session(swept="x"))
PANELS = (ComparePanel, PinsPanel, AblationPanel, SweepBar)


@pytest.mark.parametrize("kind", PANELS)
def test_setting_a_value_says_nothing(qtbot: QtBot, kind: type[QWidget]) -> None:
    panel: Any = opened(qtbot, kind())
    heard: list[Session] = []
    (panel.requested if kind is AblationPanel else panel.changed).connect(heard.append)
    for session in (*SESSIONS, *SESSIONS):
        panel.set_value(session)
        if kind in {ComparePanel, PinsPanel}:
            panel.set_values({item.label: 0.5 for item in items(session)})
    if kind is AblationPanel:
        panel.set_table(TABLE)
    assert heard == []


@pytest.mark.parametrize("kind", [*PANELS, LogPanel])
def test_every_control_has_a_name(qtbot: QtBot, kind: type[QWidget]) -> None:
    panel: Any = opened(qtbot, kind())
    if kind is AblationPanel:
        panel.set_table(TABLE)
    if kind is PinsPanel:
        panel.set_value(RICH)
    controls = [
        widget
        for widget in panel.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible()
    ]
    assert controls
    assert [widget for widget in controls if not widget.accessibleName()] == []


@pytest.mark.parametrize("kind", [*PANELS, LogPanel])
@pytest.mark.parametrize(("width", "points"), [(280, 9), (420, 18), (280, 18)])
def test_panels_fit_narrow_windows_and_large_type(qtbot: QtBot, kind: type[QWidget], width: int, points: int) -> None:
    panel: Any = kind()
    panel.setFont(QFont(panel.font().family(), points))
    opened(qtbot, panel, width, 900)
    if kind is not LogPanel:
        panel.set_value(RICH)
    QApplication.processEvents()
    assert panel.width() == width
    inside = (QAbstractScrollArea, QAbstractItemView)
    for child in panel.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
        if child.isVisible():
            corner = child.geometry().bottomRight()
            assert panel.rect().contains(corner), child
            if not isinstance(child, inside):
                assert child.width() >= min(child.minimumSizeHint().width(), width - 12), child


def average(image: QImage) -> float:
    small = image.scaled(8, 8)
    return sum(QColor(small.pixel(x, y)).lightnessF() for x in range(8) for y in range(8)) / 64


@pytest.mark.parametrize("kind", [*PANELS, LogPanel])
def test_panels_turn_dark(qtbot: QtBot, kind: type[QWidget]) -> None:
    panel = opened(qtbot, kind())
    panel.setPalette(palette(False))
    assert average(panel.grab().toImage()) > 0.8
    panel.setPalette(palette(True))
    assert average(panel.grab().toImage()) < 0.3


def test_a_note_gives_back_the_room_that_it_no_longer_needs(qtbot: QtBot) -> None:
    note = Note("A sentence that takes many lines where there is little room, and few where there is more of it.")
    qtbot.addWidget(note)
    note.resize(80, 30)
    note.show()
    assert (tall := note.minimumHeight()) >= 5 * note.fontMetrics().height()
    note.resize(800, 30)
    assert note.minimumHeight() < tall / 3
