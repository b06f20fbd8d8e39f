"""The whole window, driven as a person would: type, drag, click, open, export, close, come back."""

import contextlib
import csv
import dataclasses
import io
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QTimer, QUrl
from PyQt6.QtGui import QAction, QColor, QDragEnterEvent, QDropEvent, QGuiApplication, QImage, QKeySequence, QPalette
from PyQt6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QMainWindow,
    QMenu,
    QMessageBox,
    QToolBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from explorer import cli, recovery
from explorer.canvas.theme import DARK, LIGHT
from explorer.commands import Commands
from explorer.compute import Request
from explorer.fields import NumberField
from explorer.gallery import sessions
from explorer.marks import Curve, Figure
from explorer.panels.checks import Checks
from explorer.plots import PLOTS, Plot
from explorer.session import Session, items, load, save
from explorer.window import Window
from kernels.analyses.clouds import theory_of
from kernels.experiment import Experiment
from kernels.grids import AlignYourSteps, Uniform
from kernels.processes import EDM, FlowMatching, VPLinear
from kernels.report import report
from kernels.samplers import AncestralVP, EulerMaruyama, Heun
from kernels.spectra import EigenvalueFile, ImageFolder, SampleFile, Texture
from tests.driving import LONG, closed, own_settings, redrawn, trigger, view_of

NAMES = [plot.name for plot in PLOTS]
CONTROL = Qt.KeyboardModifier.ControlModifier


# ------------------------------------------------------------------------------------------- opening and closing


def opened(qtbot: QtBot, session: Session | None = None) -> Window:
    """A window on a session, with its plots drawn."""
    window = Window()
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    window.build(session or Session())
    with qtbot.waitSignal(window.ready, timeout=LONG):
        pass
    return window


@pytest.fixture(scope="module", autouse=True)
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings and recovery of this module alone, and the looks of the program left as they were."""
    folder = tmp_path_factory.mktemp("private")
    application = cast(QApplication, QApplication.instance() or QApplication(["tests"]))
    style, palette, font = application.style(), application.palette(), application.font()
    assert style is not None
    name = style.objectName()
    with own_settings(folder):
        yield folder
    application.setStyle(name)
    application.setPalette(palette)
    application.setFont(font)


@pytest.fixture(scope="module")
def shared(private: Path, qapp: QApplication) -> Iterator[Window]:
    window = Window()
    window.show()
    window.build(Session())
    yield window
    closed(window)


@pytest.fixture
def window(qtbot: QtBot, shared: Window) -> Window:
    """The one window, as it was at the start, but for its history and what its form remembers."""
    with qtbot.waitActive(shared):
        shared.activateWindow()
    shared.store.set(Session())
    shared.show_path(None, Session())
    shared.reset_layout()
    shared.say("")
    shared.log.clear.click()
    shared.tabs.setCurrentIndex(0)
    if len(seen(shared)) < len(plots_of("Error")):
        # A test has failed half-way.
        shared.tabs.maximize(seen(shared)[0])
    for name in NAMES:
        shared.tabs.canvas(name).set_hidden(frozenset())
    # The mouse was over the first plot last.
    shared.tabs.canvas(NAMES[0]).hovered.emit(None)
    redrawn(qtbot, shared, shared.tabs.seen_changed.emit)
    return shared


def answering(monkeypatch: pytest.MonkeyPatch, *answers: QMessageBox.StandardButton) -> list[str]:
    """Answer questions with these buttons, one after the other."""
    asked: list[str] = []

    def question(_parent: QWidget, _title: str, text: str, *_buttons: object) -> QMessageBox.StandardButton:
        asked.append(text)
        assert len(asked) <= len(answers), f"nobody should have been asked: {text}"
        return answers[len(asked) - 1]

    monkeypatch.setattr(QMessageBox, "question", question)
    return asked


@pytest.fixture
def fresh(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Window]]:
    """Windows that may be closed, with settings of their own; another one is opened on the same settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # A question that no test expects would wait for an answer forever.
    answering(monkeypatch)
    made: list[Window] = []

    def open_one() -> Window:
        made.append(opened(qtbot))
        return made[-1]

    yield open_one
    for window in made:
        closed(window)


# -------------------------------------------------------------------------------------------- what a person does


def worked(qtbot: QtBot, window: Window, act: Callable[[], object]) -> None:
    """Do something that starts work beside the window, and wait for its end."""
    with qtbot.waitSignal(window.chores.jobs.finished, timeout=LONG):
        act()


def number(window: Window, path: str) -> NumberField:
    field = window.form.row(path).field
    assert isinstance(field, NumberField)
    return field


def type_text(qtbot: QtBot, window: Window, path: str, text: str) -> None:
    """Type into the entry of a number and press Enter."""
    entry = number(window, path).entry
    entry.setFocus()
    entry.selectAll()
    qtbot.keyClicks(entry, text)
    qtbot.keyClick(entry, Qt.Key.Key_Return)


def choose(qtbot: QtBot, window: Window, path: str, kind: str) -> None:
    """Go through the menu of a choice by keys, as far as the kind."""
    menu = window.form.group(path).kinds.menu
    wished = [menu.itemText(place) for place in range(menu.count())].index(kind)
    menu.setCurrentIndex(wished - 1 if wished else 1)
    qtbot.keyClick(menu, Qt.Key.Key_Down if wished else Qt.Key.Key_Up)


def check(qtbot: QtBot, checks: Checks, kind: str) -> None:
    """Click the box before a kind."""
    found = [item for item in map(checks.item, range(checks.count())) if item and item.text().startswith(kind)]
    checks.scrollToItem(found[0])
    box = checks.visualItemRect(found[0])
    at = QPoint(box.left() + 10, box.center().y())
    qtbot.mouseClick(checks.viewport(), Qt.MouseButton.LeftButton, pos=at)


def press(qtbot: QtBot, window: Window, key: Qt.Key, modifier: Qt.KeyboardModifier | None = None) -> None:
    """A key, with the keyboard on whatever has it."""
    qtbot.keyClick(window.focusWidget() or window, key, modifier or Qt.KeyboardModifier.NoModifier)


def commands(window: Window) -> Commands:
    return cast(Commands, vars(window)["_commands"])


def dialog_answers(monkeypatch: pytest.MonkeyPatch, name: str, answer: object) -> None:
    """What a person chooses in the next file dialogs."""

    def answered(*_words: object) -> object:
        return answer

    monkeypatch.setattr(QFileDialog, name, answered)


def dropped(window: Window, path: Path) -> None:
    """Let a file fall onto the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(300, 300), copy, data, left, none)
    window.dragEnterEvent(enter)
    assert enter.isAccepted()
    window.dropEvent(QDropEvent(QPointF(300, 300), copy, data, left, none))


# ----------------------------------------------------------------------------------------------- what a person sees


def status(window: Window) -> str:
    """All that the status bar says."""
    bar = window.statusBar()
    assert bar is not None
    return "\n".join(label.text() for label in bar.findChildren(QLabel))


def said(window: Window) -> list[str]:
    """The sentences in the log, without time and level."""
    return [line.partition(": ")[2] for line in window.log.lines()]


def figure(window: Window, name: str) -> Figure:
    return window.tabs.canvas(name).figure


def curves(window: Window, name: str) -> dict[str, Curve]:
    return {mark.label: mark for mark in figure(window, name).marks if isinstance(mark, Curve)}


def plots_of(title: str) -> list[str]:
    """Names of the plots of a tab."""
    return [plot.name for plot in PLOTS if plot.tab == title]


def seen(window: Window) -> list[str]:
    return [plot.name for plot in window.tabs.seen()]


def numbers_of(shown: Figure) -> list[tuple[str, str, list[list[float]]]]:
    """All that a figure draws, in a form that can be compared."""
    return [
        (
            type(mark).__name__,
            mark.label,
            [value.tolist() for value in vars(mark).values() if isinstance(value, np.ndarray)],
        )
        for mark in shown.marks
    ]


def assert_shows(window: Window, session: Session) -> None:
    """Form, plots and status bar answer this session and no other."""
    assert window.session == session
    assert window.form.component == session.experiment
    for plot in window.tabs.seen():
        np.testing.assert_equal(numbers_of(figure(window, plot.name)), numbers_of(plot.draw(session)))
    assert f"W₂ = {total(session.experiment):.6g} with {session.experiment.calls} score" in status(window)


def total(experiment: Experiment) -> float:
    return float(report(theory_of(experiment)).wasserstein2.total)


def has_color(widget: QWidget, color: str) -> bool:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    bits = image.constBits()
    assert bits is not None
    pixels = np.frombuffer(cast(Any, bits.asarray(image.sizeInBytes())), dtype=np.uint32) & 0xFFFFFF
    return bool((pixels == (QColor(color).rgb() & 0xFFFFFF)).any())


# ---------------------------------------------------------------------------------------------------- parameters


def test_a_typed_number_moves_form_plots_and_error(qtbot: QtBot, window: Window) -> None:
    before = numbers_of(figure(window, "convergence"))
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "sampler.stochasticity", "1/4"))
    experiment = Experiment(sampler=EulerMaruyama(stochasticity=0.25))
    assert_shows(window, Session(experiment=experiment))
    assert number(window, "sampler.stochasticity").entry.text() == "0.25"
    assert numbers_of(figure(window, "convergence")) != before


def test_a_dragged_slider_moves_the_plots_and_is_one_step(qtbot: QtBot, window: Window) -> None:
    slider, left, shown = number(window, "grid.steps").slider, Qt.MouseButton.LeftButton, list[int]()

    def note(experiment: Any, _path: str, _dragging: bool) -> None:
        shown.append(experiment.grid.steps)

    window.form.changed.connect(note)
    former = slider.value()
    at = QPoint(slider.width() // 2, slider.height() // 2)

    def drag() -> None:
        qtbot.mousePress(slider, left, pos=at)
        for step in range(1, 6):
            qtbot.mouseMove(slider, at + QPoint(4 * step, 0))
        qtbot.mouseRelease(slider, left, pos=at + QPoint(20, 0))

    redrawn(qtbot, window, drag)
    assert len(set(shown)) > 2
    assert slider.value() != former
    assert_shows(window, Session(experiment=Experiment(grid=Uniform(steps=shown[-1]))))
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert_shows(window, Session())
    assert slider.value() == former
    window.form.changed.disconnect(note)


def test_undo_and_redo_by_shortcut_bring_form_and_plots_back(qtbot: QtBot, window: Window) -> None:
    passed = [Session()]
    for text in ("0.25", "0"):
        redrawn(qtbot, window, lambda text=text: type_text(qtbot, window, "sampler.stochasticity", text))
        passed.append(window.session)
    # The keyboard is still where the number was typed.
    assert isinstance(window.focusWidget(), QLineEdit)
    for session in passed[-2::-1]:
        redrawn(qtbot, window, lambda: press(qtbot, window, Qt.Key.Key_Z, CONTROL))
        assert_shows(window, session)
    for session in passed[1:]:
        redrawn(qtbot, window, lambda: press(qtbot, window, Qt.Key.Key_Y, CONTROL))
        assert_shows(window, session)
    assert number(window, "sampler.stochasticity").entry.text() == "0"


def test_another_process_adapts_grid_and_sampler_and_says_so(qtbot: QtBot, window: Window) -> None:
    window.edit(experiment=Experiment(sampler=AncestralVP()))
    redrawn(qtbot, window, lambda: choose(qtbot, window, "process", "EDM"))
    experiment = window.session.experiment
    assert isinstance(experiment.process, EDM)
    assert not isinstance(experiment.sampler, AncestralVP)
    assert experiment.grid.start == experiment.process.span[0]
    sentence = f"AncestralVP does not apply to EDM; sampler changed to {type(experiment.sampler).__name__}."
    assert sentence in said(window)
    # It can still be read when the answer is there.
    assert sentence in status(window)
    assert_shows(window, Session(experiment=experiment))
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert isinstance(window.session.experiment.process, VPLinear)
    assert isinstance(window.session.experiment.sampler, AncestralVP)


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("sampler.stochasticity", "nonsense", "EulerMaruyama.stochasticity"),
        ("sampler.stochasticity", "-1", "EulerMaruyama.stochasticity (ε) must lie in [0, inf), got -1.0."),
        ("grid.steps", "2.5", "Uniform.steps (N) must be a whole number"),
        ("grid.stop", "7", "Uniform"),
    ],
)
def test_nonsense_is_refused_in_a_sentence_and_changes_nothing(
    qtbot: QtBot, window: Window, path: str, text: str, sentence: str
) -> None:
    changed: list[object] = []
    shown = number(window, path).entry.text()
    window.store.changed.connect(changed.append)
    type_text(qtbot, window, path, text)
    window.store.changed.disconnect(changed.append)
    assert changed == []
    assert_shows(window, Session())
    assert number(window, path).entry.text() == shown
    assert sentence in status(window)
    assert said(window)[-1] in status(window)


# --------------------------------------------------------------------------------------------------------- plots


def test_only_the_plots_that_are_seen_are_computed(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    for plot in PLOTS:

        def counted(session: Session, plot: Plot = plot, draw: Callable[[Session], Figure] = plot.draw) -> Figure:
            drawn.append(plot.name)
            return draw(session)

        monkeypatch.setitem(vars(plot), "draw", counted)
    painted = {name: window.tabs.canvas(name).render_count for name in NAMES}
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    assert drawn == plots_of("Error")
    qtbot.waitUntil(lambda: all(window.tabs.canvas(name).render_count > painted[name] for name in drawn))
    assert all(window.tabs.canvas(name).render_count == painted[name] for name in NAMES if name not in drawn)
    for key, title in enumerate(window.tabs.titles[1:], 2):
        drawn.clear()
        digit, held = (key, CONTROL) if key < 10 else (key - 9, CONTROL | Qt.KeyboardModifier.AltModifier)
        redrawn(qtbot, window, partial(press, qtbot, window, Qt.Key(Qt.Key.Key_0 + digit), held))
        assert window.tabs.tabText(window.tabs.currentIndex()) == title
        assert drawn == plots_of(title)
        # Plots that have more to show after a rest may be about to show it.
        if all(plot.further is None for plot in window.tabs.seen()):
            assert_shows(window, Session(experiment=Experiment(grid=Uniform(steps=20))))


def test_a_pin_stays_on_the_plots_while_parameters_change(qtbot: QtBot, window: Window) -> None:
    window.tabs.setFocus()
    redrawn(qtbot, window, lambda: press(qtbot, window, Qt.Key.Key_P))
    assert window.session.pins == (Experiment(),)
    pinned = numbers_of(figure(window, "time"))[0]
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "sampler.stochasticity", "0"))
    assert set(curves(window, "convergence")) == {"EulerMaruyama(ε=0)", "pin: ε=1"}
    assert numbers_of(figure(window, "time"))[1] == ("Curve", "pin: ε=1", pinned[2])
    texts = [window.pins.table.topLevelItem(0).text(column) for column in range(4)]  # pyright: ignore[reportOptionalMemberAccess]
    assert f"{total(Experiment()):.3g}" in texts
    assert_shows(window, window.session)


def test_a_checked_sampler_is_one_more_curve(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: check(qtbot, window.compare.samplers, "Heun"))
    assert window.session.samplers == (Heun(),)
    redrawn(qtbot, window, lambda: check(qtbot, window.compare.samplers, "DDIM"))
    assert list(curves(window, "convergence")) == ["EulerMaruyama", "Heun", "DDIM"]
    assert list(curves(window, "time")) == ["EulerMaruyama", "Heun", "DDIM"]
    heun = dataclasses.replace(Experiment(), sampler=Heun())
    found = curves(window, "convergence")["Heun"]
    place = found.x.tolist().index(heun.calls)
    assert found.y[place] == pytest.approx(total(heun), rel=1e-9)
    legend = window.compare.legend
    shown = [[row.text(column) for column in range(1, 3)] for row in legend.rows()]
    assert shown[1] == ["Heun", f"{total(heun):.3g}"]
    redrawn(qtbot, window, lambda: check(qtbot, window.compare.samplers, "Heun"))
    assert list(curves(window, "convergence")) == ["EulerMaruyama", "DDIM"]


def test_a_number_is_swept_from_the_menu_of_its_row(qtbot: QtBot, window: Window) -> None:
    menu = window.form.row("process.beta_max").menu()
    (entry,) = (action for action in menu.actions() if action.text().startswith("Sweep"))
    redrawn(qtbot, window, entry.trigger)
    menu.deleteLater()
    assert window.session.swept == "process.beta_max"
    assert window.tabs.tabText(window.tabs.currentIndex()) == "Sweep"
    (curve,) = curves(window, "sweep").values()
    for value in (20.0, float(curve.x[-1])):
        found = curve.y[curve.x.tolist().index(value)]
        assert found == pytest.approx(total(Experiment(process=VPLinear(beta_max=value))), rel=1e-9)
    assert len(curve.x) > 20
    assert window.sweep_bar.menu.currentText() == "process.beta_max (β₁)"


def test_a_click_on_the_spectrum_follows_a_mode_and_another_leaves_it(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Spectrum")))
    canvas = window.tabs.canvas("spectrum")
    data = curves(window, "spectrum")["data λ"]
    target = view_of(canvas).viewport()
    assert target is not None

    def click(rank: int) -> None:
        at = target.mapFrom(canvas, canvas.position(rank, data.y[rank - 1]).toPoint())
        qtbot.mouseClick(target, Qt.MouseButton.LeftButton, pos=at)

    redrawn(qtbot, window, lambda: click(2))
    redrawn(qtbot, window, lambda: click(4))
    assert window.session.followed == (2, 4)
    assert window.modes_bar.entry.text() == "2, 4"
    labels = [label for label in curves(window, "paths") if label.startswith("mode")]
    assert [label.split(" ")[1] for label in labels] == ["2", "4"]
    redrawn(qtbot, window, lambda: click(2))
    assert window.session.followed == (4,)


def test_a_maximized_plot_has_the_whole_tab_and_gives_it_back(qtbot: QtBot, window: Window) -> None:
    canvas = window.tabs.canvas("modes")
    errors, spectra = plots_of("Error"), plots_of("Spectrum")
    small = canvas.size()
    redrawn(qtbot, window, lambda: window.tabs.maximize("modes"))
    qtbot.waitUntil(lambda: canvas.height() > 1.7 * small.height() and canvas.width() > 1.7 * small.width())
    assert [name for name in errors if window.tabs.canvas(name).isVisible()] == ["modes"]
    assert seen(window) == ["modes"]
    # The other tabs are whole, and F11 is meant for the plot that is seen.
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Spectrum")))
    assert seen(window) == spectra
    assert all(window.tabs.canvas(name).isVisible() for name in spectra)
    redrawn(qtbot, window, lambda: press(qtbot, window, Qt.Key.Key_F11))
    assert seen(window) == ["spectrum"]
    redrawn(qtbot, window, lambda: press(qtbot, window, Qt.Key.Key_F11))
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(0))
    qtbot.waitUntil(lambda: canvas.size() == small)
    assert seen(window) == errors


def test_a_defect_in_a_plot_is_told_on_it_and_the_window_lives(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_session: Session) -> Figure:
        raise RuntimeError("no such thing")

    plot = PLOTS[NAMES.index("time")]
    canvas = window.tabs.canvas("time")
    with monkeypatch.context() as patch:
        patch.setitem(vars(plot), "draw", broken)
        redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "30"))
    sentence = "time failed with RuntimeError: no such thing"
    assert f"Not up to date: {sentence}" in canvas.summary()
    assert has_color(canvas, LIGHT.error)
    assert not has_color(window.tabs.canvas("modes"), LIGHT.error)
    assert sentence in status(window)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    qtbot.waitUntil(lambda: any("task time failed" in line for line in said(window)))
    # The other plots have the answer, and so has this one as soon as it can.
    assert numbers_of(figure(window, "sources")) == numbers_of(PLOTS[NAMES.index("sources")].draw(window.session))
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    assert_shows(window, window.session)
    assert "Not up to date" not in canvas.summary()
    assert not has_color(canvas, LIGHT.error)


def test_the_window_answers_while_a_slow_plot_is_computed(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot, never, edits = PLOTS[0], threading.Event(), list[int]()
    draw = plot.draw

    def slow(session: Session) -> Figure:
        never.wait(0.4)
        return draw(session)

    monkeypatch.setitem(vars(plot), "draw", slow)
    ticks, answers = [time.perf_counter()], list[object]()

    def note(request: Request, _seconds: float) -> None:
        answers.append(request.question)

    def tick() -> None:
        ticks.append(time.perf_counter())
        # A hand that goes on moving.
        if len(ticks) % 10 == 0 and len(edits) < 10:
            edits.append(20 + len(edits))
            window.edit(experiment=Experiment(grid=Uniform(steps=edits[-1])))

    window.compute.finished.connect(note)
    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    qtbot.waitUntil(lambda: len(edits) == 10 and answers[-1:] == [window.session], timeout=LONG)
    timer.stop()
    window.compute.finished.disconnect(note)
    # Ten edits, but what was overtaken was never computed.
    assert len(answers) < 8
    assert np.diff(ticks).max() < 0.15
    assert_shows(window, Session(experiment=Experiment(grid=Uniform(steps=29))))


def test_only_plots_without_an_answer_are_marked_as_waiting(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = seen(window)[0], seen(window)[-1]
    go, marked = threading.Event(), dict[str, list[bool]]()
    for name in (first, last):
        told = marked[name] = []
        monkeypatch.setattr(window.tabs.canvas(name), "set_busy", told.append)
    plot, drawn = window.tabs.plot(last), window.tabs.plot(last).draw

    def held(session: Session) -> Figure:
        assert go.wait(10.0)
        return drawn(session)

    monkeypatch.setitem(vars(plot), "draw", held)
    with qtbot.waitSignal(window.ready, timeout=LONG):
        window.edit(experiment=Experiment(grid=Uniform(steps=31)))
        qtbot.waitUntil(lambda: True in marked[last], timeout=LONG)
        assert marked[first] == [False]
        go.set()
    assert marked[last][-1] is False


# --------------------------------------------------------------------------------------------------------- table


def test_the_ablation_table_is_computed_and_copied(qtbot: QtBot, window: Window) -> None:
    dock = window.docks["Ablation table"]
    dock.show()
    panel = window.ablation
    for entry, text in ((panel.stops, "1e-3"), (panel.budgets, "10, 20")):
        entry.setFocus()
        entry.selectAll()
        qtbot.keyClicks(entry, text)
    worked(qtbot, window, lambda: qtbot.mouseClick(panel.compute, Qt.MouseButton.LeftButton))
    assert (window.session.stops, window.session.budgets) == ((1e-3,), (10, 20))
    assert panel.compute.isEnabled()
    menu = panel.copy.menu()
    assert menu is not None
    menu.actions()[0].trigger()
    board = QGuiApplication.clipboard()
    assert board is not None
    header, row = csv.reader(io.StringIO(board.text()))
    expected = Experiment(grid=Uniform(steps=20, stop=1e-3))
    values = [float(cell) for name, cell in zip(header, row, strict=True) if "20" in name]
    assert total(expected) in [pytest.approx(value, rel=1e-9) for value in values]
    assert row[:2] == ["EulerMaruyama", "Uniform"]


# --------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(("title", "path"), sessions(), ids=[path.stem for _, path in sessions()])
def test_a_preset_opens_and_undo_brings_the_former_session_back(
    qtbot: QtBot, window: Window, title: str, path: Path
) -> None:
    redrawn(qtbot, window, lambda: trigger(window, title))
    assert window.session == load(path)
    assert not window.is_modified
    labels = {item.label for item in items(window.session)}
    assert labels <= {mark.label for mark in figure(window, "convergence").marks} | {items(window.session)[0].label}
    assert f"W₂ = {total(window.session.experiment):.6g}" in status(window)
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert_shows(window, Session())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version = 1\nswept = 3\n", "swept must be the path of a number, got 3."),
        ("version = 99\n", "the session has version 99, this program reads versions up to 1."),
        ("[[", "this is no session file"),
        ('version = 1\n[experiment.grid]\nkind = "Uniform"\nsteps = -3\n', "Uniform.steps (N) must lie in"),
        ("\x00\x01", "this is no session file"),
    ],
)
def test_a_broken_session_file_costs_nothing(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    before = window.session
    path = tmp_path / "broken.toml"
    path.write_text(text)
    dialog_answers(monkeypatch, "getOpenFileName", (str(path), ""))
    trigger(window, "&Open …")
    assert str(path) in status(window)
    assert sentence in status(window)
    assert_shows(window, before)
    assert window.path is None


def test_a_session_file_that_is_gone_is_told(window: Window, tmp_path: Path) -> None:
    assert not commands(window).open(tmp_path / "gone.toml")
    assert "gone.toml: cannot be read: no such file or directory." in status(window)
    assert window.session == Session()


def recent(window: Window) -> list[QAction]:
    bar = window.menuBar()
    assert bar is not None
    menus = [menu for menu in bar.findChildren(QMenu) if menu.title() == "Recent"]
    # It is filled when a person opens the menu that it hangs in.
    file = bar.actions()[0].menu()
    assert file is not None
    file.aboutToShow.emit()
    return menus[0].actions()


def test_save_change_and_reopen(qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert window.windowTitle() == "untitled — Wasserscope"
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    assert window.windowTitle() == "untitled * — Wasserscope"
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    dialog_answers(monkeypatch, "getSaveFileName", (str(first.with_suffix("")), ""))
    press(qtbot, window, Qt.Key.Key_S, CONTROL)
    assert window.windowTitle() == "first.toml — Wasserscope"
    assert f"Saved {first}." in status(window)
    saved = window.session
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "40"))
    assert window.windowTitle() == "first.toml * — Wasserscope"
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert window.windowTitle() == "first.toml — Wasserscope"
    redrawn(qtbot, window, lambda: trigger(window, "&Redo"))
    dialog_answers(monkeypatch, "getSaveFileName", (str(second), ""))
    trigger(window, "Save as …")
    assert window.windowTitle() == "second.toml — Wasserscope"
    assert load(first) == saved
    assert load(second) == window.session
    # Saving again needs no dialog.
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "60"))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", None)
    trigger(window, "&Save")
    assert load(second) == window.session
    assert [action.text() for action in recent(window)][:2] == ["second.toml", "first.toml"]
    redrawn(qtbot, window, recent(window)[1].trigger)
    assert window.path == first
    assert [action.text() for action in recent(window)][:2] == ["first.toml", "second.toml"]
    assert_shows(window, saved)
    first.unlink()
    commands(window).refresh()
    assert [action.text() for action in recent(window)][:1] == ["second.toml"]


def test_a_session_that_cannot_be_written_is_told_and_stays_modified(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    assert not commands(window).save_to(tmp_path / "nowhere" / "session.toml")
    assert "Cannot write" in status(window)
    assert "the folder does not exist" in status(window)
    assert window.is_modified
    assert window.path is None


def test_a_file_that_has_changed_since_is_told(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    data, path = tmp_path / "values.npy", tmp_path / "session.toml"
    np.save(data, np.array([3.0, 2.0, 1.0]))
    save(Session(experiment=Experiment(spectrum=EigenvalueFile(path=str(data)))), path)
    np.save(data, np.array([3.0, 2.0]))
    redrawn(qtbot, window, lambda: commands(window).open(path))
    assert f"{data} is missing or is not what it was when the session was saved." in status(window)
    assert curves(window, "modes")["EulerMaruyama"].x.tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------------------------------ own data


def photographs(folder: Path) -> Path:
    folder.mkdir()
    for place in range(4):
        pixels = np.add.outer(np.arange(16), (place + 1) * np.arange(16)) * (7 + place) % 256
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.png")
    return folder


def image_folder(folder: Path) -> Path:
    return photographs(folder / "images")


def eigenvalue_file(folder: Path) -> Path:
    np.save(folder / "eigenvalues.npy", np.array([4.0, 2.0, 1.0, 0.5]))
    return folder / "eigenvalues.npy"


def sample_file(folder: Path) -> Path:
    angles = np.arange(40.0)[:, None] * np.arange(1, 4)
    np.save(folder / "samples.npy", np.sin(angles))
    return folder / "samples.npy"


def texture_file(folder: Path) -> Path:
    return photographs(folder / "made") / "1.png"


@pytest.mark.parametrize(
    ("make", "kind", "modes"),
    [
        (eigenvalue_file, EigenvalueFile, 4),
        (sample_file, SampleFile, 3),
        (image_folder, ImageFolder, 3072),
        (texture_file, Texture, 768),
    ],
    ids=["eigenvalues", "samples", "images", "texture"],
)
def test_dropped_data_become_the_spectrum(
    qtbot: QtBot, window: Window, tmp_path: Path, make: Callable[[Path], Path], kind: type, modes: int
) -> None:
    path = make(tmp_path)
    redrawn(qtbot, window, lambda: dropped(window, path))
    spectrum = window.session.experiment.spectrum
    assert type(spectrum) is kind
    assert spectrum.path == str(path)
    assert len(spectrum.law().variance) == modes
    assert_shows(window, Session(experiment=Experiment(spectrum=spectrum)))
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert_shows(window, Session())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"dear diary\ntoday\n"),
        ("broken.npy", b"\x93NUMPY broken"),
        ("broken.png", b"no picture"),
        ("program.exe", b"MZ"),
        ("empty.csv", b""),
    ],
)
def test_dropped_nonsense_is_told_and_changes_nothing(
    qtbot: QtBot, window: Window, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    worked(qtbot, window, lambda: dropped(window, path))
    assert name in said(window)[-1]
    assert said(window)[-1] in status(window)
    assert "Error:" not in said(window)[-1]
    assert_shows(window, Session())


def test_a_dropped_session_is_opened(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    wanted = Session(experiment=Experiment(process=FlowMatching(), grid=Uniform(steps=8, start=0.99, stop=0.01)))
    save(wanted, tmp_path / "wanted.toml")
    redrawn(qtbot, window, lambda: dropped(window, tmp_path / "wanted.toml"))
    assert_shows(window, wanted)
    assert window.windowTitle() == "wanted.toml — Wasserscope"


def test_data_that_vanish_are_told_on_every_plot_and_undo_heals(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    path = eigenvalue_file(tmp_path)
    redrawn(qtbot, window, lambda: dropped(window, path))
    path.unlink()
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    sentence = f"EigenvalueFile.path: {path} does not exist."
    assert sentence in status(window)
    assert all(sentence in window.tabs.canvas(plot.name).summary() for plot in window.tabs.seen())
    for _ in range(2):
        redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert_shows(window, Session())
    assert not any("Not up to date" in window.tabs.canvas(plot.name).summary() for plot in window.tabs.seen())


# ------------------------------------------------------------------------------------------------------- exports


def rows_of(data: bytes) -> list[dict[str, str]]:
    lines = [line for line in data.decode().splitlines(keepends=True) if not line.startswith("# ")]
    return list(csv.DictReader(lines))


def assert_holds_the_figure(data: bytes, shown: Figure) -> None:
    rows = rows_of(data)
    for mark in shown.marks:
        if isinstance(mark, Curve):
            mine = [row for row in rows if row["mark"] == mark.label and row["kind"] == "curve"]
            np.testing.assert_array_equal([float(row["x"]) for row in mine], mark.x)
            np.testing.assert_array_equal([float(row["y"]) for row in mine], mark.y)


@pytest.mark.parametrize("name", ["convergence", "modes"])
@pytest.mark.parametrize("suffix", [".csv", ".svg", ".pdf", ".png"])
def test_a_plot_is_exported_with_its_experiment(
    qtbot: QtBot, window: Window, tmp_path: Path, name: str, suffix: str
) -> None:
    path = tmp_path / f"plot{suffix}"
    worked(qtbot, window, lambda: commands(window).export(name, path))
    assert f"Exported {path}." in status(window)
    data, experiment = path.read_bytes(), repr(Experiment())
    match suffix:
        case ".csv":
            assert f"# Wasserscope: {experiment}\n" in data.decode()
            assert_holds_the_figure(data, figure(window, name))
        case ".svg":
            texts = list(ElementTree.fromstring(data).itertext())
            assert any(experiment in text for text in texts)
            assert any("score evaluations" in text or "rank" in text for text in texts)
        case ".png":
            with Image.open(path) as image:
                assert cast(dict[str, str], cast(Any, image).text)["Wasserscope"] == experiment
                assert len(set(np.asarray(image.convert("L")).ravel().tolist())) > 20
        case _:
            assert data.startswith(b"%PDF-")
            assert b"%%EOF" in data[-10:]


def test_hidden_curves_are_left_out_of_an_export(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    window.tabs.canvas("convergence").set_hidden(frozenset({"total"}))
    worked(qtbot, window, lambda: commands(window).export("convergence", tmp_path / "some.csv"))
    labels = {row["mark"] for row in rows_of((tmp_path / "some.csv").read_bytes())}
    assert "total" not in labels
    assert "discretization" in labels


def test_the_dialog_exports_the_plot_under_the_mouse(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(_parent: QWidget, _title: str, name: str, _filters: str) -> tuple[str, str]:
        asked.append(name)
        return str(tmp_path / "mine.v2"), "Table (*.csv)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    target = view_of(window.tabs.canvas("time")).viewport()
    assert target is not None
    qtbot.mouseMove(target, target.rect().center() - QPoint(9, 9))
    qtbot.mouseMove(target, target.rect().center())
    window.tabs.canvas("time").hovered.emit((0.5, 0.1))
    worked(qtbot, window, lambda: press(qtbot, window, Qt.Key.Key_E, CONTROL))
    assert asked == ["time.svg"]
    assert_holds_the_figure((tmp_path / "mine.v2.csv").read_bytes(), figure(window, "time"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("plot.docx", "Cannot export to plot.docx: the name must end in .csv, .pdf, .png or .svg, not in .docx."),
        ("nowhere/plot.csv", "the folder does not exist. Create the folder or choose another one."),
    ],
)
def test_an_export_that_fails_is_told_in_plain_words(
    qtbot: QtBot, window: Window, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, sentence: str
) -> None:
    worked(qtbot, window, lambda: commands(window).export("time", tmp_path / name))
    assert sentence in status(window)
    assert "Error:" not in said(window)[-1]
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_everything_is_exported_into_a_folder(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Drawing all plots twice is a matter of seconds: two of them tell as much.
    monkeypatch.setattr("explorer.reporting.PLOTS", PLOTS[:2])
    dialog_answers(monkeypatch, "getExistingDirectory", str(tmp_path / "out"))
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    worked(qtbot, window, lambda: trigger(window, "Export all …"))
    assert f"Wrote report, tables and all plots into {tmp_path / 'out'}." in status(window)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"{plot.name}{suffix}" for plot in PLOTS[:2] for suffix in (".svg", ".png")}
    assert names == {"report.json", "modes.csv", "path.csv", "session.toml"} | pictures
    told = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert told["wasserstein2"]["total"] == total(window.session.experiment)
    assert load(tmp_path / "out" / "session.toml") == window.session


def test_a_copied_plot_is_picture_values_and_drawing(qtbot: QtBot, window: Window) -> None:
    window.tabs.setFocus()
    # Impatient: once more while the first is being made.
    with qtbot.waitSignals([window.chores.jobs.finished, window.chores.jobs.finished], timeout=LONG):
        trigger(window, "Copy plot")
        qtbot.waitUntil(lambda: "copy of the plot" in status(window))
        trigger(window, "Copy plot")
    board = QGuiApplication.clipboard()
    assert board is not None
    data = board.mimeData()
    assert data is not None
    assert board.image().size() == window.tabs.canvas("convergence").size()
    assert_holds_the_figure(data.text().encode(), figure(window, "convergence"))
    assert ElementTree.fromstring(data.data("image/svg+xml").data()).tag.endswith("svg")
    assert "Copied the plot" in status(window)


def test_the_copied_program_prints_what_the_window_shows(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: choose(qtbot, window, "process", "EDM"))
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "12"))
    trigger(window, "Copy as Python")
    board = QGuiApplication.clipboard()
    assert board is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(board.text(), "copied", "exec"), {})
    lines = dict(line.rsplit(" ", 1) for line in printed.getvalue().splitlines())
    assert f"W₂ = {float(lines['W2 total']):.6g} with {lines['NFE']} score evaluations" in status(window)


def test_the_copied_command_prints_what_the_window_shows(
    qtbot: QtBot, window: Window, capsys: pytest.CaptureFixture[str]
) -> None:
    redrawn(qtbot, window, lambda: choose(qtbot, window, "process", "Brownian"))
    trigger(window, "Copy as command line")
    board = QGuiApplication.clipboard()
    assert board is not None
    program, *words = shlex.split(board.text())
    assert program == "wasserscope"
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    shown = f"W₂ = {told['wasserstein2']['total']:.6g} with {told['calls']} score evaluations"
    assert shown in status(window)


# ---------------------------------------------------------------------------------------------- layout and looks


def menu_actions(window: QMainWindow, title: str) -> dict[str, QAction]:
    bar = window.menuBar()
    assert bar is not None
    (menu,) = (action.menu() for action in bar.actions() if action.text() == title)
    assert menu is not None
    return {action.text(): action for action in menu.actions() if not action.isSeparator()}


def test_docks_are_closed_and_opened_again_from_the_menu(qtbot: QtBot, window: Window) -> None:
    view = menu_actions(window, "&View")
    for title, dock in window.docks.items():
        shown = dock.isVisible()
        for expected in (not shown, shown):
            view[title].trigger()
            assert dock.isVisible() is expected
    window.docks["Compare"].close()
    window.tabs.setFocus()
    press(qtbot, window, Qt.Key.Key_C)
    assert window.docks["Compare"].isVisible()
    for dock in window.docks.values():
        dock.close()
    trigger(window, "Reset layout")
    shown = {title for title, dock in window.docks.items() if dock.isVisible()}
    assert shown == {"Parameters", "Compare", "Pins", "Improve", "Transport"}


def test_the_layout_comes_back_in_the_next_window(qtbot: QtBot, fresh: Callable[[], Window]) -> None:
    first = fresh()
    first.docks["Pins"].close()
    first.docks["Log"].show()
    first.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, first.docks["Parameters"])
    # Docks take part in the next layout.
    qtbot.waitUntil(lambda: first.docks["Parameters"].x() > first.tabs.x())
    assert first.close()
    second = fresh()
    qtbot.waitUntil(second.docks["Log"].isVisible)
    assert not second.docks["Pins"].isVisible()
    assert second.docks["Compare"].isVisible()
    assert second.dockWidgetArea(second.docks["Parameters"]) == Qt.DockWidgetArea.RightDockWidgetArea
    trigger(second, "Reset layout")
    assert second.docks["Pins"].isVisible()
    assert second.dockWidgetArea(second.docks["Parameters"]) == Qt.DockWidgetArea.LeftDockWidgetArea


def test_dark_colors_reach_everything_and_are_remembered(
    qtbot: QtBot, qapp: QApplication, window: Window, private: Path
) -> None:
    canvas = window.tabs.canvas("convergence")
    assert has_color(canvas, LIGHT.background)
    trigger(window, "Dark colors")
    qtbot.waitUntil(lambda: has_color(canvas, DARK.background))
    assert not has_color(canvas, LIGHT.background)

    def dark(widget: QWidget) -> bool:
        role = QPalette.ColorRole
        paper, ink = widget.palette().color(role.Window), widget.palette().color(role.WindowText)
        return paper.lightnessF() < 0.3 and ink.lightnessF() > 0.7

    qtbot.waitUntil(lambda: all(map(dark, (window, window.form, window.compare, window.log, window.tabs))))
    window.settings.sync()
    kept = QSettings(str(private / "XDG_CONFIG_HOME" / "wasserscope" / "window.ini"), QSettings.Format.IniFormat)
    assert kept.value("dark") == "true"
    other = Window()
    assert other.is_dark
    other.deleteLater()
    trigger(window, "Dark colors")
    assert not window.is_dark
    qtbot.waitUntil(lambda: has_color(canvas, LIGHT.background))
    assert qapp.palette().color(QPalette.ColorRole.Window).lightnessF() > 0.9


def test_larger_text_is_larger_everywhere_and_smaller_brings_it_back(
    qtbot: QtBot, qapp: QApplication, window: Window
) -> None:
    entry, label = number(window, "grid.steps").entry, window.form.row("grid.steps").label
    points, before = qapp.font().pointSize(), (entry.sizeHint(), label.sizeHint().width())
    for _ in range(4):
        trigger(window, "Larger text")
    assert qapp.font().pointSize() == points + 4
    qtbot.waitUntil(lambda: entry.sizeHint().height() > before[0].height())
    assert label.sizeHint().width() > 1.2 * before[1]
    for _ in range(40):
        trigger(window, "Larger text")
    assert qapp.font().pointSize() == 28
    for _ in range(40):
        trigger(window, "Smaller text")
    assert qapp.font().pointSize() == 7
    for _ in range(points - 7):
        trigger(window, "Larger text")
    qtbot.waitUntil(lambda: (entry.sizeHint(), label.sizeHint().width()) == before)


# ------------------------------------------------------------------------------------------------------- actions


def test_the_palette_finds_every_action_and_runs_it(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "30"))
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    missing: list[str] = []
    nothing: list[int] = []

    def search() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QDialog)
        try:
            entry, found = dialog.findChild(QLineEdit), dialog.findChild(QListWidget)
            assert entry is not None
            assert found is not None
            for title in window.actions_by_title:
                plain = title.replace("&", "")
                entry.setText(plain.lower())
                texts = [item.text() for item in map(found.item, range(found.count())) if item]
                if not any(text.split("    ")[0] == plain for text in texts):
                    missing.append(plain)
            entry.setText("no such command")
            nothing.append(found.count())
            entry.clear()
            qtbot.keyClicks(entry, "spectrum tab")
            qtbot.keyClick(entry, Qt.Key.Key_Return)
        finally:
            dialog.close()

    QTimer.singleShot(0, search)
    press(qtbot, window, Qt.Key.Key_K, CONTROL)
    assert missing == []
    assert nothing == [0]
    assert window.tabs.tabText(window.tabs.currentIndex()) == "Spectrum"


def test_every_action_is_in_a_menu_and_has_a_shortcut_of_its_own(window: Window) -> None:
    bar = window.menuBar()
    assert bar is not None
    reachable: list[QAction] = []
    for title in (action.text() for action in bar.actions()):
        reachable += menu_actions(window, title).values()
    assert set(window.actions_by_title.values()) <= set(reachable)
    assert len(reachable) == len(set(reachable))
    # Besides the actions, the docks and the recent files.
    others = {action.text() for action in reachable} - set(window.actions_by_title)
    assert others == {"Recent", "Parameters", "Pins", "Improve", "Transport", "Ablation table", "Log"}
    shortcuts = [action.shortcut().toString() for action in window.findChildren(QAction) if action.shortcut()]
    assert len(shortcuts) == len(set(shortcuts)) > 20
    assert all(QKeySequence(text).toString() == text for text in shortcuts)
    assert all(action.toolTip() and action.text() for action in reachable)
    names = [action.text() for action in bar.actions()]
    mnemonics = [name[name.index("&") + 1] for name in names]
    assert len(set(mnemonics)) == len(names)


def test_the_common_actions_are_on_the_toolbar(qtbot: QtBot, window: Window) -> None:
    (bar,) = window.findChildren(QToolBar)
    assert bar.isVisible()
    texts = [action.text().replace("&", "") for action in bar.actions()]
    assert texts == ["Open …", "Save", "Export plot …", "Undo", "Redo", "Pin", "Compare", "Improve"]
    button = bar.widgetForAction(window.actions_by_title["&Pin"])
    redrawn(qtbot, window, lambda: qtbot.mouseClick(button, Qt.MouseButton.LeftButton))
    assert window.session.pins == (Experiment(),)


def test_every_plot_has_its_own_menu(window: Window) -> None:
    for name in NAMES:
        texts = [action.text() for action in view_of(window.tabs.canvas(name)).menu_actions]
        assert texts == ["Export …", "Copy plot", "Fit", "Maximize"]


def test_fit_shows_all_data_again(qtbot: QtBot, window: Window) -> None:
    canvas = window.tabs.canvas("convergence")
    window.tabs.setFocus()
    press(qtbot, window, Qt.Key.Key_A)
    whole, ends = canvas.view_range(), curves(window, "convergence")["total"].x[[0, -1]]
    assert whole[0][0] < ends[0] < ends[1] < whole[0][1] < 2 * ends[1]
    view = view_of(canvas)
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert canvas.is_zoomed
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "sampler.stochasticity", "0.9"))
    # What a person looks at more closely stays in view.
    assert canvas.is_zoomed
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "sampler.stochasticity", "1"))
    window.tabs.setFocus()
    press(qtbot, window, Qt.Key.Key_A)
    assert not canvas.is_zoomed
    np.testing.assert_allclose(canvas.view_range(), whole)


def test_reset_everything_is_one_step(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: check(qtbot, window.compare.samplers, "Heun"))
    before = window.session
    redrawn(qtbot, window, lambda: trigger(window, "Reset everything"))
    assert_shows(window, Session())
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert_shows(window, before)


def test_help_tells_every_formula(window: Window) -> None:
    trigger(window, "Formulas and sources")
    (box,) = (box for box in window.findChildren(QMessageBox) if box.isVisible())
    try:
        assert "sampler=EulerMaruyama" in box.detailedText()
        assert AlignYourSteps.source in box.detailedText()
    finally:
        box.close()
        box.deleteLater()


# ------------------------------------------------------------------------------------------------ end and return


def test_closing_asks_only_where_work_would_be_lost(
    qtbot: QtBot, fresh: Callable[[], Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    button = QMessageBox.StandardButton
    asked = answering(monkeypatch, button.Cancel, button.Save, button.Discard)
    untouched = fresh()
    assert untouched.close()
    assert asked == []
    window = fresh()
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    assert not window.close()
    assert window.isVisible()
    assert asked == ["Save the session before closing?"]
    # It still works.
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "30"))
    path = tmp_path / "kept.toml"
    dialog_answers(monkeypatch, "getSaveFileName", (str(path), ""))
    assert window.close()
    assert len(asked) == 2
    assert load(path).experiment == Experiment(grid=Uniform(steps=30))
    third = fresh()
    redrawn(qtbot, third, lambda: commands(third).open(path))
    redrawn(qtbot, third, lambda: type_text(qtbot, third, "grid.steps", "40"))
    redrawn(qtbot, third, lambda: trigger(third, "&Undo"))
    redrawn(qtbot, third, lambda: type_text(qtbot, third, "grid.steps", "50"))
    assert third.close()
    assert len(asked) == 3
    assert load(path).experiment == Experiment(grid=Uniform(steps=30))


def test_closing_while_work_runs_waits_for_it_and_ends_the_threads(
    fresh: Callable[[], Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [thread for thread in threading.enumerate() if thread.name == "compute"]
    window = fresh()
    begun, go, joined = threading.Event(), threading.Event(), list[str]()
    join = threading.Thread.join

    def held(_session: Session) -> Figure:
        begun.set()
        assert go.wait(10.0)
        joined.append("drawn")
        raise ValueError("too late.")

    def let_go_and_join(thread: threading.Thread, timeout: float | None = None) -> None:
        go.set()
        join(thread, timeout)
        joined.append("joined")

    with monkeypatch.context() as patch:
        patch.setitem(vars(PLOTS[0]), "draw", held)
        window.tabs.seen_changed.emit()
        assert begun.wait(10.0)
        patch.setattr(threading.Thread, "join", let_go_and_join)
        assert window.close()
    assert joined == ["drawn", "joined", "joined"]
    assert [thread for thread in threading.enumerate() if thread.name == "compute"] == before
    window.shut_down()


def left_by_a_crash(session: Session) -> Path:
    """What a program leaves that ended without saying so."""
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    path = recovery.folder() / f"{gone.pid}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    save(session, path)
    return path


def answer_box(qtbot: QtBot, window: Window, button: QMessageBox.StandardButton) -> None:
    (box,) = (box for box in window.findChildren(QMessageBox) if box.isVisible())
    assert "ended unexpectedly" in box.text()
    choice = box.button(button)
    assert choice is not None
    qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)
    assert not box.isVisible()


def test_the_session_before_a_crash_is_offered_and_is_not_lost_again(
    qtbot: QtBot, fresh: Callable[[], Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Session(experiment=Experiment(grid=Uniform(steps=17)), samplers=(Heun(),))
    path = left_by_a_crash(lost)
    window = fresh()
    assert window.session == Session()
    redrawn(qtbot, window, lambda: answer_box(qtbot, window, QMessageBox.StandardButton.Yes))
    assert_shows(window, lost)
    assert not path.exists()
    # It was never saved: closing asks, and until then it is kept aside.
    assert window.is_modified
    asked = answering(monkeypatch, QMessageBox.StandardButton.Discard)
    assert window.close()
    assert len(asked) == 1


def test_a_session_before_a_crash_may_be_declined(qtbot: QtBot, fresh: Callable[[], Window]) -> None:
    path = left_by_a_crash(Session(experiment=Experiment(grid=Uniform(steps=17))))
    window = fresh()
    answer_box(qtbot, window, QMessageBox.StandardButton.No)
    assert window.session == Session()
    assert not path.exists()
    assert not window.is_modified
    assert window.close()
    again = fresh()
    assert not [box for box in again.findChildren(QMessageBox) if box.isVisible()]


def test_a_broken_recovery_file_is_told_and_does_no_harm(qtbot: QtBot, fresh: Callable[[], Window]) -> None:
    path = left_by_a_crash(Session())
    path.write_text("version = 1\nbroken = ")
    window = fresh()
    answer_box(qtbot, window, QMessageBox.StandardButton.Yes)
    assert "this is no session file" in status(window)
    assert window.session == Session()


def test_work_is_kept_aside_and_forgotten_at_the_end(
    qtbot: QtBot, fresh: Callable[[], Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.window.AUTOSAVE_MS", 10)
    answering(monkeypatch, QMessageBox.StandardButton.Discard)
    window = fresh()
    mine = recovery.folder() / f"{os.getpid()}.toml"
    assert not mine.exists()
    redrawn(qtbot, window, lambda: type_text(qtbot, window, "grid.steps", "20"))
    qtbot.waitUntil(mine.exists)
    assert load(mine) == window.session
    # It is not offered while the program runs, nor after it has ended as it should.
    assert window.close()
    assert not mine.exists()


# --------------------------------------------------------------------------------------------------- the program


def program(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Start the program as from a terminal without a display, for the first time."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "explorer.cli", *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parent.parent,
        timeout=60,
        check=False,
    )


def test_smoke_draws_a_whole_frame_and_ends(tmp_path: Path) -> None:
    done = program(tmp_path, "grid.steps=20", "--smoke", str(tmp_path / "frame.png"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    image = QImage(str(tmp_path / "frame.png"))
    assert image.width() > 1000
    with Image.open(tmp_path / "frame.png") as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 24) or []}
    # The first curve of the plots, on their white.
    assert {(0x00, 0x72, 0xB2), (255, 255, 255)} <= colors


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("grid.steps=-3",), "wasserscope: Uniform.steps (N) must lie in [1, 1e+06], got -3.\n"),
        (("spectrum=EigenvalueFile", "spectrum.path=gone.npy"), "gone.npy does not exist.\n"),
    ],
    ids=["refused", "unreadable"],
)
def test_smoke_tells_bad_input_in_one_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    done = program(tmp_path, *words, "--smoke", str(tmp_path / "frame.png"))
    assert done.returncode == 2
    assert done.stderr.startswith("wasserscope: ")
    assert done.stderr.endswith(sentence)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "frame.png").exists()


def test_undo_goes_back_to_the_file_that_the_session_had(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    assert commands(window).save_to(first)
    save(Session(experiment=Experiment(grid=Uniform(steps=7))), second)
    redrawn(qtbot, window, lambda: commands(window).open(second))
    assert window.windowTitle() == "second.toml — Wasserscope"
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert (window.windowTitle(), window.path) == ("first.toml — Wasserscope", first)
    redrawn(qtbot, window, lambda: trigger(window, "&Redo"))
    assert (window.windowTitle(), window.path) == ("second.toml — Wasserscope", second)
