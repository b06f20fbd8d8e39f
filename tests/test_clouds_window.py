"""Particles in the window: made, played, measured, checked and learned, as a person would ask for them."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QStandardItemModel
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from explorer import commands
from explorer.commands import Commands
from explorer.fields import NumberField, OptionField
from explorer.marks import Bars, Cloud, Curve, Figure, Points
from explorer.panels.cloud_bar import CloudBar
from explorer.session import LAW, Sampled, Session, load, weights_beside
from explorer.window import Window
from kernels.analyses import clouds, trainings
from kernels.analyses.holding import variants
from kernels.analyses.sampled import check, measure
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.particles import Sampling
from kernels.processes import EDM
from kernels.samplers import EDMHeun
from kernels.scores import Network
from kernels.spectra import Custom, Mixture
from tests.driving import LONG, closed, own_settings, redrawn, trigger

FEW = Sampling(particles=200)
THREE = Session(
    experiment=Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25)), grid=Uniform(steps=10)), sampling=FEW
)
MOONS = Session(
    experiment=Experiment(
        spectrum=Mixture(components=4), process=EDM(), grid=Karras(steps=4, start=80.0, stop=2e-3), sampler=EDMHeun()
    ),
    sampling=FEW,
)
LEARNED = replace(MOONS, experiment=replace(MOONS.experiment, score=Network(width=8, depth=1, iterations=30, batch=32)))
ENDLESS = replace(MOONS, experiment=replace(MOONS.experiment, score=Network(width=8, depth=1, iterations=10**7)))


# --------------------------------------------------------------------------------------------------------- the bar


@pytest.fixture
def bar(qtbot: QtBot) -> CloudBar:
    made = CloudBar()
    qtbot.addWidget(made)
    made.resize(900, 140)
    with qtbot.waitExposed(made):
        made.show()
    made.set_value(THREE)
    return made


def heard(bar: CloudBar) -> list[tuple[Session, bool]]:
    said: list[tuple[Session, bool]] = []

    def hear(session: Session, dragging: bool) -> None:
        said.append((session, dragging))

    bar.changed.connect(hear)
    return said


def typed(qtbot: QtBot, bar: CloudBar, name: str, text: str) -> None:
    field = bar.fields[name]
    assert isinstance(field, NumberField)
    field.entry.setFocus()
    field.entry.selectAll()
    qtbot.keyClicks(field.entry, text)
    qtbot.keyClick(field.entry, Qt.Key.Key_Return)


def test_numbers_are_typed_and_nonsense_is_refused_in_a_sentence(qtbot: QtBot, bar: CloudBar) -> None:
    said = heard(bar)
    for text, sentence in (
        ("1", "Sampling.particles (P) must lie in [2, 1e+12], got 1."),
        ("2.5", "Sampling.particles (P) must be a whole number in [2, 1e+12], got 2.5."),
        ("many", "Sampling.particles (P) must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'many'."),
    ):
        typed(qtbot, bar, "particles", text)
        assert bar.refusal.text() == sentence
    assert said == []
    typed(qtbot, bar, "particles", "3e3")
    typed(qtbot, bar, "seed", "7")
    assert bar.refusal.text() == ""
    assert [session.sampling for session, _ in said] == [
        Sampling(particles=3000),
        Sampling(particles=3000, seed=7),
    ]


def test_modes_precision_and_device_are_chosen(qtbot: QtBot, bar: CloudBar) -> None:
    said = heard(bar)
    bar.axes.boxes[1].setValue(3)
    precision, device = bar.fields["dtype"], bar.fields["device"]
    assert isinstance(precision, OptionField)
    assert isinstance(device, OptionField)
    precision.menu.setCurrentIndex(1)
    precision.menu.textActivated.emit("float64")
    assert said[-1][0] == replace(THREE, looked_at=(1, 3), sampling=replace(FEW, dtype="float64"))
    model = device.menu.model()
    assert isinstance(model, QStandardItemModel)
    card = model.item(1)
    assert card is not None
    # A card that is not there cannot be chosen, and the menu says why.
    assert card.isEnabled() is torch.cuda.is_available()
    assert card.isEnabled() or "there is none here" in card.toolTip()
    # What a file asks for is shown all the same; showing says nothing.
    said.clear()
    bar.set_value(replace(THREE, sampling=Sampling(device="cuda"), looked_at=(5, 6)))
    assert (device.menu.currentText(), [box.value() for box in bar.axes.boxes], said) == ("cuda", [5, 6], [])


def test_the_way_is_played_frame_by_frame(qtbot: QtBot, bar: CloudBar) -> None:
    said = heard(bar)
    # Few frames stay long enough to be seen, many are as many as the eye can take.
    bar.set_value(replace(THREE, experiment=replace(THREE.experiment, grid=Uniform(steps=1000))))
    assert bar.player.timer.interval() == 41
    bar.set_value(THREE)
    assert bar.player.timer.interval() == 250
    bar.player.timer.setInterval(0)
    bar.player.play.click()
    assert said[0] == (replace(THREE, moment=0.0), True)
    qtbot.waitUntil(lambda: not bar.player.is_playing, timeout=LONG)
    # Ten steps are eleven frames, each shown once.
    assert [session.moment for session, _ in said] == pytest.approx([*(k / 10 for k in range(11)), 1.0])
    assert [dragging for _, dragging in said] == [True] * 11 + [False]


# ------------------------------------------------------------------------------------------------------ the window


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, qapp: object) -> Iterator[Window]:
    with own_settings(tmp_path_factory.mktemp("private")):
        made = Window()
        made.show()
        made.build(THREE)
        yield made
        closed(made)


@pytest.fixture
def window(qtbot: QtBot, shared: Window) -> Iterator[Window]:
    """The window at its tab Cloud, with nothing kept of what was trained."""
    with qtbot.waitActive(shared):
        shared.activateWindow()
    shared.tabs.setCurrentIndex(shared.tabs.titles.index("Cloud"))
    shared.store.set(Session())
    redrawn(qtbot, shared, lambda: shared.store.set(THREE))
    yield shared
    shared.chores.jobs.stop()
    qtbot.waitUntil(lambda: shared.chores.jobs.is_idle and not shared.chores.is_working, timeout=LONG)
    trainings.forget()
    clouds.clear()


def status(window: Window) -> str:
    bar = window.statusBar()
    assert bar is not None
    return " | ".join(label.text() for label in bar.findChildren(QLabel))


def figure(window: Window, name: str) -> Figure:
    return window.tabs.canvas(name).figure


def shown(window: Window, name: str, kind: type[object]) -> list[object]:
    return [mark for mark in figure(window, name).marks if isinstance(mark, kind)]


def ended(qtbot: QtBot, window: Window, act: Callable[[], object]) -> None:
    """Do something that begins work on particles, and wait for its end and for the plots to tell of it."""
    act()
    qtbot.waitUntil(lambda: not window.chores.is_working, timeout=LONG)
    qtbot.waitUntil(lambda: window.compute.is_idle, timeout=LONG)


def test_the_cloud_is_drawn_and_follows_the_bar(qtbot: QtBot, window: Window) -> None:
    assert figure(window, "cloud").title.startswith("Step 10 of 10")
    redrawn(qtbot, window, lambda: window.cloud_bar.player.moved.emit(0.0, False))
    assert figure(window, "cloud").title.startswith("Step 0 of 10")
    redrawn(qtbot, window, lambda: window.cloud_bar.axes.boxes[0].setValue(3))
    assert figure(window, "cloud").x.label == "mode 3"
    window.undo()
    window.undo()
    assert window.session == THREE


def test_playing_is_one_step_of_the_history_and_ends_unseen(qtbot: QtBot, window: Window) -> None:
    player = window.cloud_bar.player
    player.timer.setInterval(1)
    player.play.click()
    qtbot.waitUntil(lambda: window.session.moment > 0.3, timeout=LONG)
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(0))
    assert not player.is_playing
    window.undo()
    assert window.session.moment == 1.0


def test_once_a_person_rests_all_particles_are_drawn(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "QUICK", 1)
    redrawn(qtbot, window, lambda: window.store.set(replace(MOONS, sampling=Sampling(particles=300))))
    assert figure(window, "cloud").note.startswith("16 of 300")
    for name in ("cloud", "bands"):
        qtbot.waitUntil(lambda name=name: figure(window, name).note == "300 particles.", timeout=LONG)
    assert [mark.x.size for mark in shown(window, "cloud", Cloud) if isinstance(mark, Cloud)] == [300, 300]
    assert window.session.sampled == ()


def test_distances_come_one_by_one_and_are_kept_in_one_step(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.store.set(MOONS))
    seen: list[int] = []

    def look(_one: object) -> None:
        seen.append(len(window.session.sampled))

    window.chores.sampled.connect(look)
    trigger(window, "&Measure particles")
    work = window.cloud_bar.work
    assert (work.measure.isEnabled(), work.stop.isEnabled(), work.bar.isVisible()) == (False, True, True)
    qtbot.waitUntil(lambda: not window.chores.is_working, timeout=LONG)
    window.chores.sampled.disconnect(look)
    found = window.session.sampled
    assert seen == [0] * len(found)
    assert [one.distance for one in found] == ["frechet", "by_mode", "sliced", "energy", "mmd", "exact"]
    direct = measure(MOONS.experiment, FEW, None, ("sliced",))["sliced"]
    (sliced,) = [one for one in found if one.distance == "sliced"]
    assert (sliced.value, sliced.standard_error) == (direct.measured.value, direct.measured.standard_error)
    assert (sliced.floor, sliced.floor_error) == (direct.floor.value, direct.floor.standard_error)
    qtbot.waitUntil(lambda: len(figure(window, "distances").categories) == 6, timeout=LONG)
    assert shown(window, "distances", Bars)
    assert "Measured 6 values on particles." in status(window)
    assert (work.measure.isEnabled(), work.stop.isEnabled(), work.bar.isVisible()) == (True, False, False)
    window.undo()
    assert window.session == MOONS
    # Measured again, they take the place of the former ones.
    window.redo()
    ended(qtbot, window, work.measure.click)
    assert window.session.sampled == found


def test_what_is_finished_is_kept_when_stopped(qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def two(session: Session, tell: Callable[[float, str], None], found: Callable[[Sampled], object]) -> None:
        found(one)
        while not go_on.wait(0.01):
            tell(0.5, "half")

    one = Sampled(
        experiment=MOONS.experiment,
        sampling=FEW,
        distance="sliced",
        value=0.5,
        standard_error=0.1,
        floor=0.1,
        floor_error=0.1,
    )
    redrawn(qtbot, window, lambda: window.store.set(MOONS))
    monkeypatch.setattr(commands, "measure_all", two)
    trigger(window, "&Measure particles")
    qtbot.waitUntil(lambda: figure(window, "distances").categories == ("SW₂",), timeout=LONG)
    qtbot.waitUntil(lambda: window.cloud_bar.work.bar.value() == 500, timeout=LONG)
    assert "measurement on particles: 50 %, half" in status(window)
    # Asked once more, it does not begin anew.
    window.actions_by_title["&Measure particles"].trigger()
    trigger(window, "Stop")
    qtbot.waitUntil(lambda: not window.chores.is_working, timeout=LONG)
    go_on.set()
    assert window.session == replace(MOONS, sampled=(one,))
    assert "measurement on particles was stopped." in [line.partition(": ")[2] for line in window.log.lines()]


def test_the_exact_error_is_checked_where_it_is_drawn(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Error")))
    ended(qtbot, window, lambda: trigger(window, "&Check with particles"))
    found = window.session.sampled
    assert {one.distance for one in found} == {LAW}
    assert found[0].experiment == THREE.experiment
    assert found[0].value == check(THREE.experiment, FEW).value
    calls = sorted(one.experiment.calls for one in found)

    def drawn() -> dict[str, list[float]]:
        marks = shown(window, "convergence", Points)
        return {mark.label: mark.x.tolist() for mark in marks if isinstance(mark, Points)}

    # The last of the points is drawn after it is kept.
    qtbot.waitUntil(lambda: drawn().get("particles ± 2 standard errors") == calls, timeout=LONG)
    assert list(drawn()) == ["present N", "particles ± 2 standard errors"]
    assert len(found) >= 5


def test_what_has_no_exact_law_is_said(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.store.set(MOONS))
    ended(qtbot, window, lambda: trigger(window, "&Check with particles"))
    sentence = "only Gaussian data with an affine score have an exact law to be checked, got Mixture with Exact."
    assert sentence in status(window)
    ended(qtbot, window, lambda: trigger(window, "&Train the network"))
    assert "only a Network is trained, got Exact; choose score=Network." in status(window)
    assert window.session == MOONS


def test_every_choice_beyond_gauss_is_measured(qtbot: QtBot, window: Window) -> None:
    window.store.set(MOONS)
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Beyond Gauss")))
    ended(qtbot, window, window.beyond_bar.work.measure.click)
    choices = [choice.experiment for question in ("steps", "grid") for choice in variants(MOONS.experiment, question)]
    assert {one.experiment for one in window.session.sampled} == set(choices)
    assert len(window.session.sampled) == len(set(choices))
    qtbot.waitUntil(lambda: "Kendall τ" in figure(window, "holding_steps").title, timeout=LONG)
    assert "Kendall τ" in figure(window, "holding_grid").title


def test_a_network_is_trained_and_drawn(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.store.set(LEARNED))
    work = window.cloud_bar.work
    assert work.train.isVisible()
    assert not figure(window, "cloud").marks
    ended(qtbot, window, work.train.click)
    assert "Trained the network with 30 iterations." in status(window)
    qtbot.waitUntil(lambda: bool(figure(window, "cloud").marks), timeout=LONG)
    assert not work.train.isEnabled()
    redrawn(qtbot, window, lambda: window.tabs.setCurrentIndex(window.tabs.titles.index("Beyond Gauss")))
    assert shown(window, "loss", Curve)


def test_the_loss_grows_while_training_goes_on_and_is_left_when_stopped(qtbot: QtBot, window: Window) -> None:
    window.tabs.setCurrentIndex(window.tabs.titles.index("Beyond Gauss"))
    redrawn(qtbot, window, lambda: window.store.set(ENDLESS))
    trigger(window, "&Train the network")

    def reached() -> float:
        curves = shown(window, "loss", Curve)
        return float(curves[0].x[-1]) if curves and isinstance(curves[0], Curve) else 0.0

    qtbot.waitUntil(lambda: reached() > 0, timeout=LONG)
    first = reached()
    qtbot.waitUntil(lambda: reached() > first, timeout=LONG)
    trigger(window, "Stop")
    qtbot.waitUntil(lambda: not window.chores.is_working, timeout=LONG)
    assert "training was stopped." in status(window)
    assert window.session == ENDLESS


def test_weights_are_saved_beside_the_session_and_read_with_it(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    made: Commands = vars(window)["_commands"]
    path = tmp_path / "spiral.toml"
    redrawn(qtbot, window, lambda: window.store.set(LEARNED))
    assert made.save_to(path)
    # What has not been trained has no weights.
    assert not weights_beside(path).exists()
    ended(qtbot, window, lambda: trigger(window, "&Train the network"))
    assert made.save_to(path)
    trained = trainings.trained_for(LEARNED.experiment)
    assert trained is not None
    assert load(path) == LEARNED
    trainings.forget()
    window.store.set(THREE)
    assert made.open(path)
    qtbot.waitUntil(lambda: trainings.is_trained(LEARNED.experiment), timeout=LONG)
    read = trainings.trained_for(LEARNED.experiment)
    assert read is not None
    assert torch.equal(read.weights, trained.weights)
    qtbot.waitUntil(lambda: bool(figure(window, "cloud").marks), timeout=LONG)
    assert not window.cloud_bar.work.train.isEnabled()
    # A file that is broken is told in a sentence, and the session is open.
    trainings.forget()
    weights_beside(path).write_bytes(weights_beside(path).read_bytes()[:100])
    window.store.set(THREE)
    assert made.open(path)
    sentence = f"{weights_beside(path)} is cut short or damaged; choose another one, or train the network anew."
    qtbot.waitUntil(lambda: sentence in status(window), timeout=LONG)
    assert window.session == LEARNED


def test_a_window_closes_while_it_trains(qtbot: QtBot, tmp_path: Path) -> None:
    before = threading.enumerate()
    with own_settings(tmp_path):
        made = Window()
        made.show()
        made.build(ENDLESS)
        trigger(made, "&Train the network")
        qtbot.waitUntil(lambda: "training: 0 %" in status(made), timeout=LONG)
        closed(made)
    trainings.forget()
    assert threading.enumerate() == before
