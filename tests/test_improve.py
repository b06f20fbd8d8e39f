"""Improve, and the grid drawn by hand: searches that run beside the window, and mouse events on its plots."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas, Drag
from explorer.marks import Band, Curve, Points
from explorer.panels.improve import ImprovePanel, Wish, band
from explorer.panels.parts import shown
from explorer.session import Session
from explorer.window import Window
from kernels import optimize as search
from kernels.experiment import Experiment
from kernels.grids import Karras, Tabulated, Uniform
from kernels.optimize import Optimum, Progress, Request, optimize
from kernels.processes import EDM
from kernels.report import report
from kernels.samplers import AncestralVP, EulerMaruyama, Heun
from kernels.spectra import Custom, PowerLaw
from tests import strategies
from tests.driving import (
    LEFT,
    LONG,
    NONE,
    closed,
    own_settings,
    place,
    press,
    redrawn,
    release,
    target_of,
    trigger,
    view_of,
)

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
SMALL = Custom(eigenvalues=(4.0, 1.0, 0.25, 0.05))
EULER = Experiment(
    spectrum=SMALL,
    process=EDM(),
    grid=Karras(steps=4, start=80.0, stop=2e-3),
    sampler=EulerMaruyama(stochasticity=0.2),
)
QUICK = Wish(over="stochasticity")
DENSITY = Wish(over="grid", method="density")


def total(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.total)


@cache
def by_density(experiment: Experiment = EULER) -> Optimum:
    return optimize(experiment, DENSITY.request())


# ------------------------------------------------------------------------------------------------------ the wish


@given(strategies.components(Wish))
def test_a_wish_is_the_request_of_the_same_words(wish: Wish) -> None:
    words = {name: getattr(wish, name) for name in ("over", "per_step", "objective", "method", "robust", "aim")}
    against_data = wish.against == "data"
    try:
        request = Request(**words, against_data=against_data)
    except ValueError as refusal:
        with pytest.raises(ValueError) as mine:
            wish.request()
        assert str(mine.value) == str(refusal)
    else:
        assert wish.request() == request


def test_what_is_wished_at_first_is_what_the_search_does_at_first() -> None:
    assert Wish().request() == Request()


# ----------------------------------------------------------------------------------------------------- the panel


@pytest.fixture
def panel(qtbot: QtBot) -> ImprovePanel:
    made = ImprovePanel()
    qtbot.addWidget(made)
    made.resize(380, 760)
    with qtbot.waitExposed(made):
        made.show()
    made.set_value(Session(experiment=EULER))
    return made


def requests(panel: ImprovePanel) -> list[tuple[object, object]]:
    """What the panel asks for."""
    heard: list[tuple[object, object]] = []

    def hear(session: object, request: object) -> None:
        heard.append((session, request))

    panel.requested.connect(hear)
    return heard


def offers(panel: ImprovePanel) -> bool:
    """Whether a result is shown, with all that can be done with it."""
    (answer,) = {widget.isVisible() for widget in (panel.result, panel.canvas, panel.accept, panel.save, panel.discard)}
    return answer


def rests(panel: ImprovePanel) -> bool:
    return panel.run.isEnabled() and not panel.stop.isEnabled() and not panel.bar.isVisible()


def test_a_panel_asks_for_what_its_form_says(panel: ImprovePanel) -> None:
    heard = requests(panel)
    assert rests(panel)
    assert not offers(panel)
    panel.form.set_value(QUICK)
    panel.run.click()
    assert heard == [(Session(experiment=EULER), QUICK.request())]
    assert not panel.run.isEnabled()
    assert panel.stop.isEnabled()
    assert (panel.bar.value(), panel.bar.format(), panel.bar.isVisible()) == (0, "starting", True)
    panel.set_progress(0.25, "error so far 3")
    assert (panel.bar.value(), panel.bar.format()) == (250, "error so far 3")
    panel.end("no.")
    assert rests(panel)
    assert panel.refusal.text() == "no."


@pytest.mark.parametrize("wish", [Wish(method="density"), Wish(over="grid", method="density", robust=0.2)], ids=repr)
def test_a_wish_that_cannot_be_is_refused_at_once(panel: ImprovePanel, wish: Wish) -> None:
    heard = requests(panel)
    panel.form.set_value(wish)
    panel.run.click()
    assert heard == []
    assert panel.refusal.text() == ("method density finds a grid alone: use over=grid without robust, or method exact.")
    assert rests(panel)
    # The next search forgets it.
    panel.form.set_value(QUICK)
    panel.run.click()
    assert panel.refusal.text() == ""


def test_a_result_is_shown_in_numbers_and_as_a_band(panel: ImprovePanel) -> None:
    found = by_density()
    panel.show_result(found)
    assert offers(panel)
    text = panel.result.text()
    before, after = total(EULER), total(found.improved)
    assert f"W₂ {shown(before)} → {shown(after)}</b> ({shown(before / after)} times less" in text
    assert found.leading is not None
    assert f"N W₂ → {shown(found.leading)} as N grows" in text
    assert "stochasticity ε = 0.2" in text
    assert panel.canvas.figure.title == band(found).title


def test_the_band_is_the_error_were_the_spectrum_another() -> None:
    found = by_density()
    figure = band(found)
    curves = {mark.label: mark for mark in figure.marks if isinstance(mark, Curve)}
    bands = [mark for mark in figure.marks if isinstance(mark, Band)]
    for (label, experiment), limits in zip({"before": EULER, "after": found.improved}.items(), bands, strict=True):
        curve = curves[label]
        assert curve.x.min() == pytest.approx(0.8)
        assert curve.x.max() == pytest.approx(1.2)
        for scale, value in list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))[::2]:
            other = Custom(eigenvalues=tuple(scale * value for value in SMALL.eigenvalues))
            # The experiment's own times: nothing is searched or placed again.
            fixed = replace(experiment, spectrum=other, grid=Tabulated(values=tuple(experiment.times.tolist())))
            assert value == pytest.approx(total(fixed), rel=1e-6)
        assert np.all(limits.low <= curve.y * (1 + 1e-12))
        assert np.all(curve.y <= limits.high * (1 + 1e-12))
        assert np.any(limits.low < 0.999 * limits.high)
    own = curves["before"].x == 1.0
    assert curves["before"].y[own].tolist() == [pytest.approx(total(EULER))]


def test_a_result_belongs_to_its_experiment(panel: ImprovePanel) -> None:
    panel.show_result(by_density())
    # What is drawn beside it does not matter.
    panel.set_value(Session(experiment=EULER, samplers=(Heun(),)))
    assert offers(panel)
    panel.set_value(Session(experiment=replace(EULER, sampler=EulerMaruyama())))
    assert not offers(panel)
    panel.show_result(by_density())
    assert not offers(panel)
    assert panel.refusal.text() == "The experiment was changed during the search; its result was dropped."
    assert rests(panel)


def test_accepting_and_discarding_end_the_offer(panel: ImprovePanel) -> None:
    heard: list[object] = []
    panel.accepted.connect(heard.append)
    panel.show_result(by_density())
    panel.discard.click()
    assert not offers(panel)
    panel.accept.click()
    assert heard == []
    panel.show_result(by_density())
    panel.accept.click()
    assert heard == [by_density().improved]
    assert not offers(panel)


def test_no_error_left_is_infinitely_better(panel: ImprovePanel) -> None:
    panel.show_result(replace(by_density(), after=0.0))
    assert "→ 0</b> (∞ times less" in panel.result.text()
    panel.show_result(replace(by_density(), before=math.inf, after=2.0))
    assert "W₂ ∞ → 2</b> (∞ times less" in panel.result.text()
    panel.show_result(replace(by_density(), before=math.inf, after=math.inf))
    assert "W₂ ∞ → ∞" in panel.result.text()
    assert "nan" not in panel.result.text()


def test_levels_are_exported_in_every_form(
    panel: ImprovePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_density()
    panel.export(str(tmp_path / "nothing.txt"))
    assert list(tmp_path.iterdir()) == []
    panel.show_result(found)
    sigmas = found.noise_ratios.tolist()
    for name in ("sigmas.txt", "sigmas.json", "sigmas.py"):

        def chosen(*_words: object, name: str = name) -> tuple[str, str]:
            return str(tmp_path / name), ""

        monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
        panel.save.click()
        assert panel.refusal.text() == ""
        text = (tmp_path / name).read_text(encoding="utf-8")
        if name.endswith(".txt"):
            assert np.loadtxt(text.splitlines()).tolist() == sigmas
        elif name.endswith(".json"):
            assert json.loads(text)["sigmas"] == sigmas
        else:
            names: dict[str, object] = {}
            exec(compile(text, name, "exec"), names)
            assert names["SIGMAS"] == sigmas

    def declined(*_words: object) -> tuple[str, str]:
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", declined)
    panel.save.click()
    assert len(list(tmp_path.iterdir())) == 3
    assert offers(panel)


@pytest.mark.parametrize("name", ["sigmas.gif", "sigmas", "no/such/folder/sigmas.txt"])
def test_a_file_that_cannot_be_written_is_told_and_the_result_stays(
    panel: ImprovePanel, tmp_path: Path, name: str
) -> None:
    panel.show_result(by_density())
    panel.export(str(tmp_path / name))
    assert panel.refusal.text()
    assert "sigmas" in panel.refusal.text() or ".txt" in panel.refusal.text()
    assert offers(panel)
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------------------- in the window


def opened(qtbot: QtBot | None, session: Session) -> Window:
    window = Window()
    window.show()
    window.build(session)
    if qtbot is not None:
        with qtbot.waitSignal(window.ready, timeout=LONG):
            pass
    return window


@pytest.fixture(scope="module", autouse=True)
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("private")
    with own_settings(folder):
        yield


@pytest.fixture(scope="module")
def shared(private: None, qapp: QApplication) -> Iterator[Window]:
    window = opened(None, Session(experiment=EULER))
    yield window
    closed(window)


@pytest.fixture
def window(qtbot: QtBot, shared: Window) -> Window:
    """The one window on the small experiment, with a search that is quick."""
    with qtbot.waitActive(shared):
        shared.activateWindow()
    shared.chores.jobs.stop()
    qtbot.waitUntil(lambda: shared.chores.jobs.is_idle, timeout=LONG)
    shared.store.set(Session())
    redrawn(qtbot, shared, lambda: shared.store.set(Session(experiment=EULER)))
    shared.improve.form.set_value(QUICK)
    # A test may have failed half-way.
    shared.improve.end("")
    shared.ablation.set_busy(False)
    shared.say("")
    shared.docks["Improve"].show()
    shared.docks["Improve"].raise_()
    return shared


def searched(qtbot: QtBot, window: Window, act: Callable[[], object]) -> None:
    """Do something that starts work beside the window, and wait for its end."""
    with qtbot.waitSignal(window.chores.jobs.finished, timeout=LONG):
        act()


def status(window: Window) -> str:
    bar = window.statusBar()
    assert bar is not None
    return "\n".join(label.text() for label in bar.findChildren(QLabel))


class Held:
    """A search that goes on telling of its progress until it is let go, or stopped."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.asked: list[tuple[Experiment, Request]] = []
        self.stopped = 0

    def __call__(self, experiment: Experiment, request: Request, watch: Callable[[Progress], None]) -> Optimum:
        self.asked.append((experiment, request))
        self.begun.set()
        last = time.monotonic() + 10.0
        try:
            while not self.go.wait(0.005) and time.monotonic() < last:
                watch(Progress(0.5, 2.0))
        except BaseException:
            self.stopped += 1
            raise
        return replace(by_density(), experiment=experiment)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held()
    monkeypatch.setattr(search, "optimize", made)
    yield made
    made.go.set()


def test_improving_tells_how_far_it_is_and_changes_nothing_until_accepted(qtbot: QtBot, window: Window) -> None:
    before, heard = window.session, list[tuple[float, str]]()

    def hear(fraction: float, text: str) -> None:
        heard.append((fraction, text))

    window.chores.jobs.progressed.connect(hear)
    window.docks["Improve"].hide()
    searched(qtbot, window, lambda: trigger(window, "&Improve"))
    window.chores.jobs.progressed.disconnect(hear)
    panel = window.improve
    assert window.docks["Improve"].isVisible()
    assert len(heard) > 5
    fractions = [fraction for fraction, _text in heard]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] <= 1
    errors = [float(text.removeprefix("error so far ")) for _fraction, text in heard]
    assert errors == sorted(errors, reverse=True)
    assert offers(panel)
    assert rests(panel)
    assert window.session is before
    assert "improve: " in status(window)
    assert errors[-1] == pytest.approx(float(panel.result.text().split(" → ")[1].split("<")[0]), rel=0.02)
    redrawn(qtbot, window, panel.accept.click)
    after = window.session
    assert after.experiment.grid == EULER.grid
    assert after == replace(before, experiment=after.experiment)
    assert total(after.experiment) < 0.9 * total(EULER)
    assert f"W₂ = {total(after.experiment):.6g}" in status(window)
    assert not offers(panel)
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert window.session == before
    redrawn(qtbot, window, lambda: trigger(window, "&Redo"))
    assert window.session == after


def test_discarding_leaves_the_session_and_its_history(qtbot: QtBot, window: Window) -> None:
    before = window.session
    window.improve.form.set_value(DENSITY)
    searched(qtbot, window, window.improve.run.click)
    assert offers(window.improve)
    window.improve.discard.click()
    assert window.session is before
    assert not offers(window.improve)
    trigger(window, "&Undo")
    assert window.session == Session()


@pytest.mark.parametrize("how", ["Cancel", "Stop"])
def test_cancelling_changes_nothing_and_says_so(qtbot: QtBot, window: Window, held: Held, how: str) -> None:
    before = window.session
    window.improve.run.click()
    assert held.begun.wait(10.0)
    qtbot.waitUntil(lambda: window.improve.bar.value() == 500)
    assert window.improve.bar.format() == "error so far 2"
    if how == "Cancel":
        searched(qtbot, window, window.improve.stop.click)
    else:
        searched(qtbot, window, lambda: trigger(window, "Stop"))
    assert held.stopped == 1
    assert window.session is before
    assert rests(window.improve)
    assert not offers(window.improve)
    assert window.improve.refusal.text() == "improve was stopped."
    assert "improve was stopped." in status(window)
    # The next one is not affected.
    held.go.set()
    searched(qtbot, window, window.improve.run.click)
    assert offers(window.improve)
    assert window.improve.refusal.text() == ""


def test_stopping_a_real_search_ends_it_soon(qtbot: QtBot, window: Window) -> None:
    large = Session(experiment=Experiment(spectrum=PowerLaw(modes=3072), grid=Uniform(steps=100)))
    redrawn(qtbot, window, lambda: window.store.set(large))
    window.improve.form.set_value(Wish())
    with qtbot.waitSignal(window.chores.jobs.progressed, timeout=LONG):
        window.improve.run.click()
    begin = time.monotonic()
    searched(qtbot, window, window.improve.stop.click)
    assert time.monotonic() - begin < 3.0
    assert window.improve.refusal.text() == "improve was stopped."
    assert window.session is large


def test_a_result_for_another_experiment_is_dropped(qtbot: QtBot, window: Window, held: Held) -> None:
    window.improve.run.click()
    assert held.begun.wait(10.0)
    changed = Session(experiment=replace(EULER, sampler=EulerMaruyama(stochasticity=0.5)))
    redrawn(qtbot, window, lambda: window.store.set(changed))
    # The search goes on meanwhile.
    assert not window.improve.run.isEnabled()
    searched(qtbot, window, held.go.set)
    assert not offers(window.improve)
    assert window.improve.refusal.text() == "The experiment was changed during the search; its result was dropped."
    assert window.session is changed
    assert [experiment for experiment, _request in held.asked] == [EULER]


def test_the_window_answers_while_a_search_runs(qtbot: QtBot, window: Window, held: Held) -> None:
    window.improve.run.click()
    assert held.begun.wait(10.0)
    for steps in (5, 6, 7):
        changed = Session(experiment=replace(EULER, grid=Karras(steps=steps, start=80.0, stop=2e-3)))
        redrawn(qtbot, window, lambda changed=changed: window.store.set(changed))
    assert not held.go.is_set()
    searched(qtbot, window, held.go.set)


def test_asking_again_while_a_search_runs_asks_nothing_more(qtbot: QtBot, window: Window, held: Held) -> None:
    window.improve.run.click()
    assert held.begun.wait(10.0)
    trigger(window, "&Improve")
    trigger(window, "&Improve")
    held.go.set()
    qtbot.waitUntil(lambda: window.chores.jobs.is_idle, timeout=LONG)
    QApplication.processEvents()
    assert len(held.asked) == 1
    assert offers(window.improve)


def blocked(window: Window) -> tuple[threading.Event, threading.Event]:
    """Keep the worker for longer work busy with something that tells nothing."""
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go.wait(10.0)

    window.chores.run("export", work, lambda _none: None)
    assert begun.wait(10.0)
    return begun, go


def test_cancelling_a_search_that_still_waits_ends_the_waiting(qtbot: QtBot, window: Window, held: Held) -> None:
    _begun, go = blocked(window)
    try:
        window.improve.run.click()
        assert window.improve.stop.isEnabled()
        window.improve.stop.click()
        qtbot.waitUntil(lambda: rests(window.improve), timeout=2000)
    finally:
        go.set()
        qtbot.waitUntil(lambda: window.chores.jobs.is_idle, timeout=LONG)
    assert held.asked == []
    assert rests(window.improve)


def test_cancelling_a_search_leaves_other_work_as_usable_as_before(qtbot: QtBot, window: Window, held: Held) -> None:
    window.improve.run.click()
    assert held.begun.wait(10.0)
    window.docks["Ablation table"].show()
    window.ablation.compute.click()
    assert not window.ablation.compute.isEnabled()
    window.improve.stop.click()
    qtbot.waitUntil(lambda: window.chores.jobs.is_idle, timeout=LONG)
    # Made after all, or forgotten: the table can be asked for again.
    qtbot.waitUntil(window.ablation.compute.isEnabled, timeout=2000)
    window.docks["Ablation table"].hide()


REFUSALS = {
    "per step": (
        replace(EULER, sampler=Heun()),
        Wish(over="stochasticity", per_step=True),
        (
            "over=stochasticity needs a sampler with a stochasticity (EulerMaruyama, ExponentialIntegrator, DDIM), got "
            "Heun; use over=grid."
        ),
    ),
    "per step of a grid": (
        replace(EULER, sampler=Heun()),
        Wish(over="grid", per_step=True),
        "per_step varies the stochasticity of EulerMaruyama, with over=stochasticity or both; got Heun with over=grid.",
    ),
    "density of order 2": (
        replace(EULER, sampler=Heun()),
        DENSITY,
        "method density needs a sampler with a first-order expansion, got Heun; use exact.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_search_refuses_is_told_and_nothing_changes(qtbot: QtBot, window: Window, name: str) -> None:
    experiment, wish, sentence = REFUSALS[name]
    session = Session(experiment=experiment)
    redrawn(qtbot, window, lambda: window.store.set(session))
    window.improve.form.set_value(wish)
    searched(qtbot, window, window.improve.run.click)
    assert window.improve.refusal.text() == sentence
    assert sentence in status(window)
    assert rests(window.improve)
    assert not offers(window.improve)
    assert window.session is session


def test_kl_of_zero_eigenvalues_is_refused_in_a_sentence(qtbot: QtBot, window: Window) -> None:
    session = Session(experiment=replace(EULER, spectrum=Custom(eigenvalues=(1.0, 0.0))))
    redrawn(qtbot, window, lambda: window.store.set(session))
    window.improve.form.set_value(Wish(over="stochasticity", objective="kl"))
    searched(qtbot, window, window.improve.run.click)
    assert window.improve.refusal.text() == (
        "The objective kl needs eigenvalues above 0, got 1 of 2 that are 0; choose the objective wasserstein2."
    )
    assert window.session is session


@pytest.mark.parametrize(
    ("experiment", "wish"),
    [
        (EULER, Wish(over="stochasticity", robust=0.2)),
        (replace(EULER, grid=Karras(steps=1, start=80.0, stop=2e-3)), QUICK),
        (replace(EULER, spectrum=Custom(eigenvalues=(1.0, 0.0))), QUICK),
        (Experiment(spectrum=PowerLaw(modes=3072), grid=Uniform(steps=20)), DENSITY),
    ],
    ids=["robust", "one step", "a zero", "many modes"],
)
def test_odd_experiments_are_improved_or_refused(
    qtbot: QtBot, window: Window, experiment: Experiment, wish: Wish
) -> None:
    if experiment != window.session.experiment:
        redrawn(qtbot, window, lambda: window.store.set(Session(experiment=experiment)))
    session = window.session
    window.improve.form.set_value(wish)
    searched(qtbot, window, window.improve.run.click)
    assert rests(window.improve)
    assert offers(window.improve), window.improve.refusal.text()
    assert window.session is session
    redrawn(qtbot, window, window.improve.accept.click)
    assert total(window.session.experiment) <= total(experiment) * (1 + (0.1 if wish.robust else 1e-9))
    assert len(window.session.experiment.times) == len(experiment.times)


def test_closing_while_a_search_runs_ends_it(
    qtbot: QtBot, held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the shared window keeps aside is not offered here.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def discard(*_words: object) -> QMessageBox.StandardButton:
        return QMessageBox.StandardButton.Discard

    monkeypatch.setattr(QMessageBox, "question", discard)
    before = [thread for thread in threading.enumerate() if thread.name == "compute"]
    window = opened(qtbot, Session(experiment=EULER))
    try:
        window.improve.start()
        assert held.begun.wait(10.0)
        begin = time.monotonic()
        assert window.close()
        assert time.monotonic() - begin < 2.0
        assert held.stopped == 1
        assert [thread for thread in threading.enumerate() if thread.name == "compute"] == before
        # What arrives late finds nothing to do.
        QApplication.processEvents()
        assert window.improve.refusal.text() == ""
    finally:
        closed(window)


# ----------------------------------------------------------------------------------------------- drawn by hand


def move(canvas: Canvas, at: QPoint, modifier: Qt.KeyboardModifier = NONE) -> None:
    """With the button held, as a mouse sends it."""
    target, place = target_of(canvas), QPointF(at)
    where = QPointF(target.mapToGlobal(at))
    QApplication.sendEvent(
        target, QMouseEvent(QMouseEvent.Type.MouseMove, place, where, Qt.MouseButton.NoButton, LEFT, modifier)
    )


def grid_plot(qtbot: QtBot, window: Window) -> Canvas:
    """The plot of the grid, seen and answered."""
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Budget")))
    return window.tabs.canvas("steps")


@pytest.fixture
def steps(qtbot: QtBot, window: Window) -> Iterator[Canvas]:
    yield grid_plot(qtbot, window)
    window.tabs.setCurrentIndex(0)


def ratios(window: Window) -> list[float]:
    experiment = window.session.experiment
    return experiment.process.noise_ratio(experiment.times).tolist()


def level(window: Window, index: int) -> QPoint:
    return place(window.tabs.canvas("steps"), index, ratios(window)[index])


def legend_of(canvas: Canvas) -> list[str]:
    return [mark.label for mark in canvas.figure.marks if mark.label.endswith(" this grid")]


def test_dragging_a_level_is_one_step_and_brings_the_error_along(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    before, held = window.session, ratios(window)
    start = level(window, 2)
    # Three quarters of the way to the level above.
    wanted = held[2] ** 0.25 * held[1] ** 0.75
    end = place(steps, 2, wanted)
    totals: list[str] = []
    press(steps, start)
    for share in (0.3, 0.6, 1.0):
        at = QPoint(start.x(), round(start.y() + share * (end.y() - start.y())))
        redrawn(qtbot, window, lambda at=at: move(steps, at))
        totals += legend_of(steps)
        assert f"W₂ = {total(window.session.experiment):.6g}" in status(window)
    release(steps, end)
    qtbot.waitUntil(lambda: window.compute.is_idle)
    assert totals[-1] == f"{total(window.session.experiment):.3g} this grid"
    assert len(set(totals)) == 3
    found = ratios(window)
    assert found[2] == pytest.approx(wanted, rel=0.05)
    assert [found[k] for k in (0, 1, 3, 4)] == [held[k] for k in (0, 1, 3, 4)]
    # The points are where the levels are.
    (movable,) = [mark for mark in steps.figure.marks if isinstance(mark, Points) and mark.draggable]
    assert movable.y.tolist() == found
    moved = window.session
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert window.session == before
    assert window.session.experiment.grid == EULER.grid
    redrawn(qtbot, window, lambda: trigger(window, "&Redo"))
    assert window.session == moved


def test_escape_brings_back_the_very_same_session(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    before = window.session
    start = level(window, 2)
    press(steps, start)
    redrawn(qtbot, window, lambda: move(steps, start - QPoint(0, 25)))
    assert window.session != before
    redrawn(qtbot, window, lambda: qtbot.keyClick(view_of(steps), Qt.Key.Key_Escape))
    release(steps, start - QPoint(0, 25))
    assert window.session is before
    assert window.session.experiment.grid is EULER.grid
    trigger(window, "&Undo")
    # The drag is no step: what comes before it is what was there before.
    assert window.session == Session()


def test_shift_rounds_the_levels(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    start = level(window, 2)
    press(steps, start)
    redrawn(qtbot, window, lambda: move(steps, start - QPoint(0, 7), SHIFT))
    release(steps, start - QPoint(0, 7), SHIFT)
    found = ratios(window)[2]
    assert found == float(f"{found:.1e}")
    assert isinstance(window.session.experiment.grid, Tabulated)


def test_several_levels_move_together(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    held = ratios(window)
    for index in (2, 3):
        press(steps, level(window, index), CONTROL)
        release(steps, level(window, index), CONTROL)
    start = level(window, 3)
    press(steps, start)
    redrawn(qtbot, window, lambda: move(steps, start + QPoint(0, 9)))
    release(steps, start + QPoint(0, 9))
    found = ratios(window)
    assert found[2] / held[2] == pytest.approx(found[3] / held[3], rel=1e-9)
    assert found[2] < held[2]
    assert [found[k] for k in (0, 1, 4)] == [held[k] for k in (0, 1, 4)]
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert ratios(window) == held


def test_keys_move_levels_step_by_step(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    held = ratios(window)
    at = level(window, 2)
    press(steps, at)
    release(steps, at)
    redrawn(qtbot, window, lambda: qtbot.keyClick(view_of(steps), Qt.Key.Key_Up, CONTROL))
    first = ratios(window)[2]
    redrawn(qtbot, window, lambda: qtbot.keyClick(view_of(steps), Qt.Key.Key_Up, CONTROL))
    assert held[2] < first < ratios(window)[2]
    # Each of them is a step of its own.
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert ratios(window)[2] == first
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert ratios(window) == held


def test_a_drag_that_ends_where_nothing_is_sampled_is_over(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    """The change after a refused drag is a step of its own."""
    grid = Uniform(steps=20, start=0.5, stop=1e-3)
    ancestral = Session(experiment=Experiment(spectrum=SMALL, grid=grid, sampler=AncestralVP()))
    redrawn(qtbot, window, lambda: window.store.set(ancestral))
    held = ratios(window)
    redrawn(qtbot, window, lambda: steps.dragged.emit(Drag("", (1,), (1.01 * held[1],), False, False)))
    dragged = window.session
    # A step so long that the method is not defined.
    steps.dragged.emit(Drag("", (0,), (1e3 * held[0],), False, True))
    assert "AncestralVP needs g² h < 1 in every step" in status(window)
    edited = replace(dragged, experiment=replace(dragged.experiment, sampler=EulerMaruyama(stochasticity=0.5)))
    redrawn(qtbot, window, lambda: window.store.set(edited))
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert window.session == dragged
    redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
    assert window.session == ancestral


def test_a_click_on_the_plot_of_stochasticity_sets_it(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Sweep")))
    redrawn(qtbot, window, lambda: window.tabs.maximize("stochasticity"))
    try:
        canvas = window.tabs.canvas("stochasticity")
        (least,) = [m for m in canvas.figure.marks if isinstance(m, Points) and m.label.startswith("least")]
        at = place(canvas, float(least.x[0]), float(least.y[0]))
        redrawn(qtbot, window, lambda: qtbot.mouseClick(target_of(canvas), LEFT, pos=at))
        assert window.session.experiment.sampler == EulerMaruyama(stochasticity=float(least.x[0]))
        height = float(np.sqrt(np.prod(canvas.view_range()[1])))
        at = place(canvas, 1.0, height)
        redrawn(qtbot, window, lambda: qtbot.mouseClick(target_of(canvas), LEFT, pos=at))
        assert window.session.experiment.sampler.stochasticity == pytest.approx(1.0, rel=0.05)
        redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
        redrawn(qtbot, window, lambda: trigger(window, "&Undo"))
        assert window.session.experiment == EULER
    finally:
        window.tabs.maximize("stochasticity")
        window.tabs.setCurrentIndex(0)


def test_a_click_elsewhere_changes_nothing(qtbot: QtBot, window: Window, steps: Canvas) -> None:
    before = window.session
    canvas = window.tabs.canvas("budget")
    qtbot.mouseClick(target_of(canvas), LEFT, pos=target_of(canvas).rect().center())
    canvas = window.tabs.canvas("theory")
    qtbot.mouseClick(target_of(canvas), LEFT, pos=target_of(canvas).rect().center())
    assert window.session is before
