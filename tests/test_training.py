"""The training of a score seen as it goes on, replicas that are measured beside it, and rows without effect."""

import math
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from explorer import measuring
from explorer.fields.row import IDLE
from explorer.form import Form
from explorer.marks import NEUTRAL, Band, Curve, Figure, Points
from explorer.panels.player import PLACES
from explorer.panels.training_bar import TrainingBar
from explorer.plots import PLOTS
from explorer.session import Session
from explorer.window import Window
from kernels.analyses.learning import learning
from kernels.analyses.sweep import own_value
from kernels.analyses.training import MOST, filters, iteration
from kernels.experiment import Experiment
from kernels.grids import Optimal, Uniform
from kernels.pipeline import replicate
from kernels.report import report
from kernels.samplers import EulerMaruyama, Langevin
from kernels.scores import Empirical, GradientDescent, StochasticGradient
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Isotropic
from tests.driving import LONG, closed, own_settings, redrawn, trigger

SMALL = Custom(eigenvalues=(2.0, 0.5, 0.1))
DESCENT = Experiment(
    spectrum=SMALL,
    score=GradientDescent(noise_amplitude=0.2, step_size=0.1, iterations=1000),
    sampler=Langevin(step_size=0.01),
    grid=Uniform(steps=500),
    start=Isotropic(),
)
STOCHASTIC = replace(DESCENT, score=StochasticGradient(noise_amplitude=0.2, step_size=0.01, iterations=1000))
QUICK = replace(DESCENT, score=Empirical(noise_amplitude=0.2, samples=50))


# ------------------------------------------------------------------------------------------------------ the filter


@pytest.mark.parametrize("iterations", [1, 30, 1000])
def test_a_filter_is_the_recursion_of_the_sampler_with_the_score_so_far(iterations: int) -> None:
    found = filters(DESCENT, iterations)
    assert found.eigenvalues.tolist() == [2.0, 0.5, 0.1]
    for eigenvalue, learned in zip(found.eigenvalues.tolist(), found.learned.tolist(), strict=True):
        noised, slope, variance = eigenvalue + 0.04, 0.0, 1.0
        for _ in range(iterations):
            slope -= 0.1 * (slope * noised - 1)
        for _ in range(500):
            variance = (1 - 0.01 * slope) ** 2 * variance + 2 * 0.01
        assert learned == pytest.approx(variance, rel=1e-9)


def test_at_the_end_of_training_it_is_the_report() -> None:
    modes = report(STOCHASTIC).modes
    np.testing.assert_allclose(filters(STOCHASTIC, 1000).learned, modes.variance.numpy(), rtol=1e-12)


def test_many_eigenvalues_are_thinned_between_their_ends() -> None:
    many = replace(DESCENT, spectrum=PowerLaw(modes=3000, decay=1.0))
    found = filters(many, 50)
    assert len(found.eigenvalues) <= MOST
    assert (found.eigenvalues[0], found.eigenvalues[-1]) == (1.0, pytest.approx(1 / 3000))
    direct = filters(replace(many, spectrum=Custom(eigenvalues=tuple(found.eigenvalues.tolist()))), 50)
    np.testing.assert_array_equal(found.learned, direct.learned)


def test_a_grid_that_adapts_stays_where_it_is() -> None:
    experiment = Experiment(
        spectrum=PowerLaw(modes=200),
        score=GradientDescent(),
        sampler=EulerMaruyama(),
        grid=Optimal(steps=3, method="exact"),
    )
    found, modes = filters(experiment, 10_000), report(experiment).modes
    assert found.learned[0] == pytest.approx(float(modes.variance[0]), rel=1e-9)


def test_the_place_in_the_training_counts_in_the_logarithm() -> None:
    assert [iteration(DESCENT, fraction) for fraction in (0.0, 1 / 3, 2 / 3, 1.0)] == [1, 10, 100, 1000]
    assert iteration(QUICK, 0.5) == 1
    with pytest.raises(ValueError, match=r"^the score must be trained by gradient steps, got Empirical\.$"):
        filters(QUICK, 3)


# ------------------------------------------------------------------------------------------------------- the plot


def drawn(session: Session) -> Figure:
    (plot,) = [plot for plot in PLOTS if plot.name == "training"]
    return plot.draw(session)


def curves(figure: Figure) -> dict[str, Curve]:
    return {mark.label: mark for mark in figure.marks if isinstance(mark, Curve)}


def test_learned_stands_against_exact() -> None:
    figure = drawn(Session(experiment=DESCENT, training=2 / 3))
    assert figure.title == "Learned eigenvalues, step 100 of 1000"
    found = curves(figure)
    assert (found["exact"].x.tolist(), found["exact"].y.tolist()) == ([2.0, 0.5, 0.1], [2.0, 0.5, 0.1])
    assert found["exact"].style.color == NEUTRAL
    for label, count in {"first step": 1, "now": 100, "end of training": 1000}.items():
        np.testing.assert_array_equal(found[label].y, filters(DESCENT, count).learned)
    assert not [mark for mark in figure.marks if isinstance(mark, Band)]


def test_random_gradients_make_a_band() -> None:
    figure, found = drawn(Session(experiment=STOCHASTIC)), learning(STOCHASTIC)
    (band,) = [mark for mark in figure.marks if isinstance(mark, Band)]
    np.testing.assert_allclose(band.high, found.learned + found.spread)
    np.testing.assert_allclose(band.low, np.maximum(found.learned - found.spread, 0))


def test_a_diverging_filter_is_a_gap_and_a_sentence() -> None:
    # The first steps overshoot more and more.
    experiment = replace(DESCENT, score=GradientDescent(step_size=1.0, iterations=5000, noise_amplitude=0.2))
    figure = drawn(Session(experiment=experiment))
    assert figure.note == "1 of 3 eigenvalues shown diverge."
    assert np.isnan(curves(figure)["now"].y).tolist() == [True, False, False]


# -------------------------------------------------------------------------------------------------------- the bar


@pytest.fixture
def bar(qtbot: QtBot) -> TrainingBar:
    made = TrainingBar()
    qtbot.addWidget(made)
    made.resize(600, 90)
    with qtbot.waitExposed(made):
        made.show()
    made.player.timer.setInterval(0)
    made.set_value(Session(experiment=DESCENT, training=0.5))
    return made


def heard(bar: TrainingBar) -> list[tuple[float, bool]]:
    """Places and whether they are on the way."""
    said: list[tuple[float, bool]] = []

    def hear(session: Session, dragging: bool) -> None:
        said.append((session.training, dragging))

    bar.changed.connect(hear)
    return said


def test_showing_a_session_says_nothing(bar: TrainingBar) -> None:
    said = heard(bar)
    bar.set_value(Session(experiment=DESCENT, training=0.25))
    assert bar.player.slider.value() == PLACES // 4
    assert bar.player.told.text() == "step 6 of 1000"
    bar.set_value(Session(experiment=QUICK))
    assert bar.player.told.text() == "no training"
    assert not bar.player.play.isEnabled()
    assert not bar.player.slider.isEnabled()
    assert "Empirical is not trained" in bar.player.slider.toolTip()
    assert said == []


def test_playing_moves_to_the_end_and_stops(qtbot: QtBot, bar: TrainingBar) -> None:
    said = heard(bar)
    qtbot.mouseClick(bar.player.play, Qt.MouseButton.LeftButton)
    assert bar.player.is_playing
    assert bar.player.play.text() == "Pause"
    qtbot.waitUntil(lambda: not bar.player.is_playing, timeout=LONG)
    places = [place for place, _ in said]
    assert places == sorted(places)
    assert places[-1] == 1.0
    assert [dragging for _, dragging in said] == [True] * (len(said) - 1) + [False]
    assert bar.player.play.text() == "Play"
    # From the end it begins again.
    said.clear()
    bar.player.play.click()
    assert said == [(0.0, True)]
    bar.player.play.click()
    assert said[-1] == (bar.player.slider.value() / PLACES, False)
    assert not bar.player.is_playing


def test_what_others_do_to_the_place_ends_the_playing(bar: TrainingBar) -> None:
    bar.player.play.click()
    said = heard(bar)
    bar.set_value(Session(experiment=DESCENT, training=0.1))
    assert not bar.player.is_playing
    assert said == []
    # What they do to something else does not, unless there is nothing left to play.
    bar.player.play.click()
    bar.set_value(Session(experiment=STOCHASTIC, training=0.1))
    assert bar.player.is_playing
    bar.set_value(Session(experiment=QUICK, training=0.1))
    assert not bar.player.is_playing


def test_nothing_plays_unseen(bar: TrainingBar) -> None:
    bar.player.play.click()
    bar.hide()
    assert not bar.player.is_playing


def test_keys_move_the_slider(qtbot: QtBot, bar: TrainingBar) -> None:
    said = heard(bar)
    qtbot.keyClick(bar.player.slider, Qt.Key.Key_Right)
    qtbot.keyClick(bar.player.slider, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(bar.player.slider, Qt.Key.Key_End)
    qtbot.keyClick(bar.player.slider, Qt.Key.Key_End)
    assert said == [(0.51, False), (0.511, False), (1.0, False)]


def test_a_hand_on_the_slider_is_a_drag(bar: TrainingBar) -> None:
    said = heard(bar)
    bar.player.slider.setSliderDown(True)
    bar.player.slider.setSliderPosition(600)
    bar.player.slider.setSliderPosition(700)
    bar.player.slider.setSliderDown(False)
    assert said == [(0.6, True), (0.7, True), (0.7, False)]


# ----------------------------------------------------------------------------------------------------- the window


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, qapp: object) -> Iterator[Window]:
    with own_settings(tmp_path_factory.mktemp("private")):
        made = Window()
        made.show()
        made.build(Session(experiment=DESCENT))
        made.training_bar.player.timer.setInterval(0)
        yield made
        closed(made)


@pytest.fixture
def window(qtbot: QtBot, shared: Window, monkeypatch: pytest.MonkeyPatch) -> Window:
    """The window at its tab Learning; replicas are few."""
    monkeypatch.setattr(measuring, "REPLICAS", 3)
    with qtbot.waitActive(shared):
        shared.activateWindow()
    shared.chores.jobs.stop()
    qtbot.waitUntil(lambda: shared.chores.jobs.is_idle and not shared.chores.is_measuring, timeout=LONG)
    shared.tabs.setCurrentIndex(shared.tabs.titles.index("Learning"))
    shared.store.set(Session())
    redrawn(qtbot, shared, lambda: shared.store.set(Session(experiment=QUICK, swept="score.samples")))
    return shared


def status(window: Window) -> str:
    """All that the status bar says."""
    bar = window.statusBar()
    assert bar is not None
    return " | ".join(label.text() for label in bar.findChildren(QLabel))


def points(window: Window) -> list[float]:
    marks = window.tabs.canvas("learning").figure.marks
    return [x for mark in marks if isinstance(mark, Points) and mark.label.startswith("measured") for x in mark.x]


def untold(window: Window) -> int:
    told = re.search(r"Measured above and not shown: (\d+)", window.tabs.canvas("learning").figure.note)
    return int(told[1]) if told else 0


def test_playing_is_one_step_of_the_history(qtbot: QtBot, window: Window) -> None:
    before = Session(experiment=DESCENT, training=0.8)
    redrawn(qtbot, window, lambda: window.store.set(before))
    window.training_bar.player.play.click()
    qtbot.waitUntil(lambda: not window.training_bar.player.is_playing, timeout=LONG)
    assert window.session == replace(before, training=1.0)
    window.undo()
    assert window.session == before


def test_replicas_are_measured_and_kept_in_one_step(qtbot: QtBot, window: Window) -> None:
    before = window.session
    seen: list[int] = []

    def look(_one: object) -> None:
        seen.append(len(window.session.measured))

    window.chores.measured.connect(look)
    trigger(window, "Re&plicate")
    assert not window.training_bar.replicate.isEnabled()
    assert window.training_bar.stop.isEnabled()
    qtbot.waitUntil(lambda: not window.chores.is_measuring, timeout=LONG)
    window.chores.measured.disconnect(look)
    found = window.session.measured
    # They are shown as they come and become part of the session at the end.
    assert seen == [0] * len(found)
    values = [own_value(one.experiment, "score.samples") for one in found]
    assert values[0] == 50
    assert len(set(values)) == len(values) >= 8
    for seed, one in list(enumerate(found))[:2]:
        direct = replicate(one.experiment, 3, seed=seed)
        assert (one.mean, one.standard_error, one.replicas) == (direct.mean, direct.standard_error, 3)
    # Far above the least total, a mean is told and not drawn.
    qtbot.waitUntil(lambda: len(points(window)) + untold(window) == len(values), timeout=LONG)
    assert set(points(window)) <= set(values)
    assert 50 in points(window)
    assert window.training_bar.replicate.isEnabled()
    window.undo()
    assert window.session == before
    window.redo()
    assert window.session.measured == found
    # Measured again, they take the place of the former ones.
    window.training_bar.replicate.click()
    qtbot.waitUntil(lambda: not window.chores.is_measuring, timeout=LONG)
    assert sorted(window.session.measured, key=repr) == sorted(found, key=repr)


def test_what_is_finished_is_kept_when_stopped(qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = replace(STOCHASTIC, score=StochasticGradient(noise_amplitude=0.2, iterations=1_000_000_000))

    def two(_experiment: Experiment, _path: str) -> list[Experiment]:
        return [QUICK, slow]

    monkeypatch.setattr(measuring, "_measurable", two)
    trigger(window, "Re&plicate")
    qtbot.waitUntil(lambda: points(window) == [50], timeout=LONG)
    qtbot.waitUntil(lambda: "1 of 2 values" in status(window), timeout=LONG)
    assert window.session.measured == ()
    trigger(window, "Stop")
    qtbot.waitUntil(lambda: not window.chores.is_measuring, timeout=LONG)
    assert [one.experiment for one in window.session.measured] == [QUICK]
    assert "measurement was stopped." in status(window)
    qtbot.waitUntil(lambda: window.chores.jobs.is_idle, timeout=LONG)


def test_what_cannot_be_measured_is_said(qtbot: QtBot, window: Window) -> None:
    for session, sentence in (
        (Session(swept="sampler.stochasticity"), "replicas need a score learned from samples, got Exact"),
        (Session(experiment=QUICK, swept="grid.rho"), "grid.rho is no number of this experiment"),
    ):
        window.store.set(session)
        trigger(window, "Re&plicate")
        qtbot.waitUntil(lambda: not window.chores.is_measuring, timeout=LONG)
        assert sentence in status(window)
        assert window.session == session


def test_the_number_swept_is_chosen_above_the_plots(qtbot: QtBot, window: Window) -> None:
    menu = window.training_bar.sweep.menu
    place = menu.findData("score.noise_amplitude")
    redrawn(qtbot, window, lambda: menu.activated.emit(place) if menu.setCurrentIndex(place) is None else None)
    assert window.session.swept == "score.noise_amplitude"
    assert "score.noise_amplitude" in window.tabs.canvas("learning").figure.title


def test_a_window_closes_while_replicas_are_measured(qtbot: QtBot, tmp_path: Path) -> None:
    slow = replace(STOCHASTIC, score=StochasticGradient(noise_amplitude=0.2, iterations=1_000_000_000))
    with own_settings(tmp_path):
        made = Window()
        made.show()
        made.build(Session(experiment=slow, swept="score.batch"))
        trigger(made, "Re&plicate")
        qtbot.waitUntil(lambda: "0 of" in status(made), timeout=LONG)
        closed(made)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("replicas")]


# ------------------------------------------------------------------------------------------- rows without effect


def test_rows_without_effect_are_dimmed_and_stay_editable(qtbot: QtBot) -> None:
    form = Form(Experiment())
    qtbot.addWidget(form)
    assert form.row("score.noise_amplitude").is_idle
    assert not form.row("process.beta_min").is_idle
    form.set_value(DESCENT)
    idle = {path for path in form.paths() if form.row(path).is_idle}
    assert idle == DESCENT.idle & set(form.paths())
    assert "process.beta_min" in idle
    row = form.row("process.beta_min")
    assert IDLE in row.label.toolTip()
    assert all(control.isEnabled() for control in row.field.controls)
    assert all(IDLE in control.accessibleDescription() for control in row.field.controls)
    with qtbot.waitSignal(form.changed):
        row.field.edited.emit(0.2, False)
    form.set_value(Experiment())
    assert not form.row("process.beta_min").is_idle
    assert IDLE not in form.row("process.beta_min").label.toolTip()
    assert math.isclose(own_value(Experiment(), "process.beta_min"), 0.1)
