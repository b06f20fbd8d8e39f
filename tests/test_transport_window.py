"""The transport panel in the window: asked, watched, stopped, undone and saved, as a person would."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from scipy.spatial.distance import cdist

from explorer.commands import Commands
from explorer.coupled import told
from explorer.fields import NumberField, OptionField, PathField
from explorer.marks import Curve, Figure, Heat, Points, Segments, Shaded
from explorer.panels.axes import AxesBar
from explorer.panels.transport import HINT, TransportPanel
from explorer.plots.coupled import question_of
from explorer.session import Session, load
from explorer.window import COMPILING, Window
from kernels.analyses import estimated
from kernels.analyses.estimated import LADDER, Scales, find_estimates, known_estimates, scales_of
from kernels.experiment import Experiment
from kernels.grids import Uniform
from kernels.pairs import GeneratedAndData, Transport, TwoDraws, TwoFiles
from kernels.particles import Sampling
from kernels.spectra import Custom
from kernels.transport import COLD, LowRankSinkhorn, Sinkhorn, Solver, transport_problem
from tests.compiled import compile_anew
from tests.driving import LONG, closed, own_settings, redrawn, trigger

# A person who wants no more waits no longer than this; one who measures finds some tenths of it.
PATIENCE = 1.5
ASKED = Transport(points=80, epsilon=0.1, solver=Sinkhorn(tolerance=1e-5))
THREE = Session(
    experiment=Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25)), grid=Uniform(steps=10)), transport=ASKED
)
# Takes minutes in little memory.
ENDLESS = replace(
    THREE, transport=Transport(points=20_000, epsilon=0.05, solver=Sinkhorn(tolerance=1e-12, storage="streamed"))
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, qapp: object) -> Iterator[Window]:
    with own_settings(tmp_path_factory.mktemp("private")), pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimated, "LADDER", LADDER[::4])
        patch.setattr(estimated, "SIZES", (20, 40))
        patch.setattr(estimated, "SIZE_OVER_MODES", 30)
        estimated.clear()
        made = Window()
        made.show()
        made.build(THREE)
        # A person rests at once.
        vars(made.chores)["_rest"].setInterval(0)
        yield made
        closed(made)
        estimated.clear()


@pytest.fixture
def window(qtbot: QtBot, shared: Window) -> Iterator[Window]:
    """The window at its tab Transport, once all is known that it wants to know."""
    with qtbot.waitActive(shared):
        shared.activateWindow()
    turned(shared, "Transport")
    shared.store.set(THREE)
    settled(qtbot, shared)
    shared.failures.clear()
    yield shared
    shared.chores.jobs.stop()
    qtbot.waitUntil(lambda: shared.chores.jobs.is_idle and shared.compute.is_idle, timeout=LONG)


def turned(window: Window, tab: str) -> None:
    window.tabs.setCurrentIndex(window.tabs.titles.index(tab))


def settled(qtbot: QtBot, window: Window) -> None:
    """Wait until nothing is done any more, and all answers are shown."""
    rest, services = vars(window.chores)["_rest"], (window.chores.jobs, window.compute)

    def quiet() -> bool:
        return not rest.isActive() and all(service.is_idle for service in services)

    qtbot.waitUntil(quiet, timeout=LONG)
    # What was told last may begin something.
    qtbot.wait(1)
    qtbot.waitUntil(quiet, timeout=LONG)
    qtbot.wait(1)


def done(qtbot: QtBot, window: Window, act: Callable[[], object]) -> None:
    """Do something, and wait until all of it is known and shown."""
    act()
    settled(qtbot, window)


def figure(window: Window, name: str) -> Figure:
    return window.tabs.canvas(name).figure


def status(window: Window) -> str:
    bar = window.statusBar()
    assert bar is not None
    return " | ".join(label.text() for label in bar.findChildren(QLabel))


def number(window: Window, path: str) -> NumberField:
    field = window.transport.form.row(path).field
    assert isinstance(field, NumberField)
    return field


def typed(qtbot: QtBot, window: Window, path: str, text: str) -> None:
    entry = number(window, path).entry
    entry.setFocus()
    entry.selectAll()
    qtbot.keyClicks(entry, text)
    qtbot.keyClick(entry, Qt.Key.Key_Return)


def chosen(window: Window, path: str, kind: str) -> None:
    """Choose a kind in its menu."""
    menu = window.transport.form.group(path).kinds.menu
    place = menu.findText(kind)
    assert place >= 0
    menu.setCurrentIndex(place)
    menu.activated.emit(place)


def picked(window: Window, path: str, name: str) -> None:
    """Choose a name in its menu."""
    field = window.transport.form.row(path).field
    assert isinstance(field, OptionField)
    field.menu.setCurrentText(name)
    field.menu.textActivated.emit(name)


def lines(window: Window) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in window.transport.table.text().splitlines())


def copied(window: Window) -> dict[str, object]:
    window.transport.copy.click()
    board = QGuiApplication.clipboard()
    assert board is not None

    def refused(constant: str) -> object:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(board.text(), parse_constant=refused)


# ------------------------------------------------------------------------------------------------ asking and looking


def test_numbers_and_plots_are_there_after_the_work(window: Window) -> None:
    assert lines(window) == dict(told(THREE).lines)
    assert window.transport.table.isEnabled()
    assert window.transport.copy.isEnabled()
    assert figure(window, "coupling").title.startswith("Coupling at ε = ")
    assert [type(mark) for mark in figure(window, "coupling").marks] == [Points, Segments, Points]
    assert [type(mark) for mark in figure(window, "plan").marks] == [Heat]
    assert figure(window, "iterations").title.startswith("Sinkhorn: converged after ")
    assert any(isinstance(mark, Curve) for mark in figure(window, "costs").marks)
    assert window.failures == []


def test_numbers_are_those_that_kernels_find_by_themselves(window: Window) -> None:
    pair = GeneratedAndData().drawn(THREE.experiment, Sampling(particles=80), None)
    costs = np.asarray(cdist(pair.points_x, pair.points_y), dtype=np.float64) ** 2
    problem = transport_problem(pair.points_x, pair.points_y, 0.1 * float(costs.mean()))
    solution = ASKED.solver.solve(problem, COLD)
    masses = solution.coupling.whole().numpy()
    values = copied(window)
    for name, value in (
        ("cost", float((masses * costs).sum())),
        ("entropic_cost", solution.coupling.entropic_cost),
        ("perplexity", solution.coupling.perplexity),
        ("mean_cost", costs.mean()),
        ("epsilon", 0.1 * costs.mean()),
        ("mass", masses.sum()),
    ):
        assert values[name] == pytest.approx(value, rel=1e-6)
    assert (values["status"], values["iterations"]) == ("converged", solution.iterations)
    assert values["solver"] == repr(ASKED.solver)
    assert lines(window)["transport cost"] == f"{values['cost']:.6g}"


def test_estimates_join_the_numbers_once_they_are_known(qtbot: QtBot, window: Window) -> None:
    estimated.clear()
    window.chores.look_again()
    done(qtbot, window, window.ask_again)
    assert "Sinkhorn divergence" not in lines(window)
    done(qtbot, window, lambda: turned(window, "Estimates"))
    known = known_estimates(question_of(THREE))
    assert known is not None
    values = copied(window)
    assert values["sinkhorn_divergence"] == known.found[1].value
    assert values["sinkhorn_divergence_error"] == known.found[1].standard_error
    assert lines(window)["Richardson"] == f"{known.found[2].value:.4g} ± {known.found[2].standard_error:.2g}"
    assert [type(mark) for mark in figure(window, "estimates_points").marks][:1] == [Points]
    assert figure(window, "estimates_modes").note.startswith("Means of 8 pairs of clouds")


def test_what_is_chosen_changes_the_session_and_is_drawn(qtbot: QtBot, window: Window) -> None:
    done(qtbot, window, lambda: typed(qtbot, window, "epsilon", "1/5"))
    assert window.session.transport == replace(ASKED, epsilon=0.2)
    assert ", 0.2 of the mean cost" in figure(window, "coupling").title
    done(qtbot, window, lambda: typed(qtbot, window, "points", "60"))
    assert window.session.transport.points == 60
    assert figure(window, "coupling").note.startswith("60 points of each.")
    assert lines(window)["points"] == "60 and 60, 3 coordinates"
    done(qtbot, window, lambda: chosen(window, "clouds", "Two draws"))
    assert window.session.transport.clouds == TwoDraws()
    assert [mark.label for mark in figure(window, "coupling").marks] == ["data again", "strongest couplings", "data"]
    done(qtbot, window, lambda: typed(qtbot, window, "clouds.modes", "2"))
    assert lines(window)["points"] == "60 and 60, 2 coordinates"
    done(qtbot, window, lambda: typed(qtbot, window, "power", "1"))
    assert figure(window, "costs").y.label.startswith("distance [")
    assert "exact W₂² of the laws" not in lines(window)
    done(qtbot, window, lambda: typed(qtbot, window, "power", "2"))
    done(qtbot, window, lambda: chosen(window, "solver", "Low rank Sinkhorn"))
    assert window.session.transport.solver == LowRankSinkhorn()
    assert figure(window, "iterations").title.startswith("LowRankSinkhorn: ")
    assert "dual value" not in lines(window)
    assert window.failures == []


def test_lines_and_colors_are_drawn_without_another_solution(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Solver] = []
    inner = Sinkhorn.solve

    def solve(solver: Sinkhorn, *others: object) -> object:
        asked.append(solver)
        return inner(solver, *others)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Sinkhorn, "solve", solve)
    before = lines(window)
    done(qtbot, window, lambda: picked(window, "lines", "map"))
    assert [mark.label for mark in figure(window, "coupling").marks][1] == "barycentric map"
    done(qtbot, window, lambda: picked(window, "colors", "partners"))
    assert isinstance(figure(window, "coupling").marks[-1], Shaded)
    assert window.session.transport == replace(ASKED, lines="map", colors="partners")
    # The first iteration alone is done again, for the bound of the plain algorithm.
    assert [solver for solver in asked if solver == ASKED.solver] == []
    assert lines(window) == before
    assert window.transport.table.isEnabled()


def test_other_modes_are_looked_at(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.axes_bar.axes.boxes[0].setValue(3))
    assert window.session.looked_at == (3, 2)
    assert (figure(window, "coupling").x.label, figure(window, "coupling").y.label) == ("mode 3", "mode 2")
    assert figure(window, "plan").x.label == "data, point in order along mode 3"
    # The bar above the particles shows the same.
    assert [box.value() for box in window.cloud_bar.axes.boxes] == [3, 2]
    redrawn(qtbot, window, lambda: window.axes_bar.axes.boxes[1].setValue(4))
    assert figure(window, "coupling").marks == ()
    window.undo()
    window.undo()
    assert window.session == THREE
    assert [box.value() for box in window.axes_bar.axes.boxes] == [1, 2]


def test_nonsense_is_refused_in_a_sentence_and_the_numbers_stay(qtbot: QtBot, window: Window) -> None:
    before = window.transport.table.text()
    for path, text, sentence in (
        ("points", "1", "Transport.points (n) must lie in [2, 1e+07], got 1."),
        ("points", "2.5", "Transport.points (n) must be a whole number in [2, 1e+07], got 2.5."),
        ("epsilon", "0", "Transport.epsilon (ε) must lie in (0, inf), got 0.0."),
        (
            "epsilon",
            "small",
            "Transport.epsilon (ε) must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'small'.",
        ),
        ("power", "-1", "Transport.power (p) must lie in (0, 10], got -1.0."),
        ("clouds.modes", "0", "GeneratedAndData.modes (d) must lie in [1, 1e+09], got 0."),
    ):
        typed(qtbot, window, path, text)
        assert sentence in status(window)
        assert not window.transport.form.row(path).reason.isHidden()
    assert window.session == THREE
    settled(qtbot, window)
    assert window.transport.table.text() == before
    assert window.transport.table.isEnabled()
    assert number(window, "epsilon").entry.text() == "0.1"


# ------------------------------------------------------------------------------------------------- the buttons for ε


def test_buttons_set_the_regularization(qtbot: QtBot, window: Window) -> None:
    presets = window.transport.presets
    scales = scales_of(question_of(THREE))
    assert scales is not None
    wanted = {"distance": 0.2, "map": 0.01, "partners": scales.few_partners, "nearest": scales.nearest}
    for name, value in wanted.items():
        assert presets[name].isEnabled()
        assert presets[name].toolTip().startswith(f"ε = {value:.3g}: ")
        done(qtbot, window, presets[name].click)
        assert window.session.transport == replace(ASKED, epsilon=float(f"{value:.4g}"))
        assert float(number(window, "epsilon").entry.text()) == pytest.approx(value, rel=1e-3)
        if name == "partners":
            assert float(lines(window)["partners per point"]) == pytest.approx(10.0, rel=0.03)
    for value in [*list(wanted.values())[-2::-1]]:
        window.undo()
        assert window.session.transport.epsilon == float(f"{value:.4g}")
    window.undo()
    assert window.session == THREE
    window.redo()
    assert window.session.transport.epsilon == 0.2


def marks(window: Window) -> dict[int, str]:
    return vars(number(window, "epsilon").slider)["_marks"]


def test_places_on_the_slider_are_pointed_out_once_they_are_known(qtbot: QtBot, window: Window) -> None:
    assert sorted(text.partition(":")[0].partition(",")[0] for text in marks(window).values()) == [
        "10 partners for each point",
        "a distance",
        "a map",
        "the mean squared distance to the nearest point of the other cloud",
    ]
    # Where the mark of ten partners is, the slider has that value.
    scales = scales_of(question_of(THREE))
    assert scales is not None
    (place,) = [place for place, text in marks(window).items() if text.startswith("10 partners")]
    window.transport.form.row("epsilon").field.slider.sent_to.emit(place)  # pyright: ignore
    assert window.session.transport.epsilon == pytest.approx(scales.few_partners, rel=0.02)


def test_of_too_few_points_no_partners_are_promised(qtbot: QtBot, window: Window) -> None:
    done(qtbot, window, lambda: typed(qtbot, window, "points", "8"))
    presets = window.transport.presets
    assert {name: button.isEnabled() for name, button in presets.items()} == {
        "distance": True,
        "map": True,
        "partners": False,
        "nearest": True,
    }
    assert presets["partners"].toolTip() == "Will be known once the points have been looked at"


# ----------------------------------------------------------------------------------------------------- the history


def test_what_was_found_is_there_again_after_undo(
    qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lines(window)
    done(qtbot, window, lambda: typed(qtbot, window, "epsilon", "0.5"))
    after = lines(window)
    assert before["ε"] != after["ε"]

    def never(*arguments: object) -> None:
        raise AssertionError("this is known")

    monkeypatch.setattr(Sinkhorn, "solve", never)
    redrawn(qtbot, window, window.undo)
    settled(qtbot, window)
    assert lines(window) == before
    redrawn(qtbot, window, window.redo)
    settled(qtbot, window)
    assert lines(window) == after
    assert number(window, "epsilon").entry.text() == "0.5"


def test_a_slider_that_is_moved_is_one_step_of_the_history(qtbot: QtBot, window: Window) -> None:
    slider = number(window, "epsilon").slider
    before = slider.value()
    slider.setSliderDown(True)
    titles: list[str] = []
    for step in range(1, 6):
        redrawn(qtbot, window, lambda step=step: slider.setSliderPosition(before + 5 * step))
        titles.append(figure(window, "coupling").title)
    slider.setSliderDown(False)
    settled(qtbot, window)
    # Each place was drawn, and each is another one.
    assert len(set(titles)) == 5
    assert window.session.transport.epsilon > ASKED.epsilon
    window.undo()
    assert window.session == THREE


def test_numbers_of_a_former_question_are_muted_until_they_are_new(qtbot: QtBot, window: Window) -> None:
    table = window.transport.table
    turned(window, "Error")
    settled(qtbot, window)
    before = table.text()
    done(qtbot, window, lambda: typed(qtbot, window, "epsilon", "0.3"))
    # Out of sight of the plots nothing is computed, and the panel says so.
    assert not table.isEnabled()
    assert table.text() == before
    done(qtbot, window, lambda: turned(window, "Transport"))
    assert table.isEnabled()
    assert lines(window)["ε"].endswith(lines(window)["ε"].partition(", ")[2])
    assert ", 0.3 of the mean cost" in lines(window)["ε"]


def test_numbers_of_another_seed_are_muted(qtbot: QtBot, window: Window) -> None:
    turned(window, "Error")
    settled(qtbot, window)
    done(qtbot, window, lambda: window.edit(sampling=replace(window.session.sampling, seed=5)))
    assert not window.transport.table.isEnabled()


def test_plain_values_have_no_infinities(here: Path) -> None:
    np.save("one.npy", np.zeros((1, 2)))
    np.save("two.npy", np.random.default_rng(0).normal(size=(20, 2)))
    session = replace(THREE, transport=replace(ASKED, clouds=TwoFiles(first="one.npy", second="two.npy")))
    find_estimates(question_of(session), lambda share: None)
    values = told(session).values
    assert values["sinkhorn_divergence_error"] is None
    json.dumps(values, allow_nan=False)


def test_a_session_file_brings_the_panel_back(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    made: Commands = vars(window)["_commands"]
    path = tmp_path / "coupled.toml"
    transport = Transport(
        clouds=TwoDraws(modes=2),
        points=70,
        epsilon=0.125,
        power=1.5,
        lines="map",
        colors="partners",
        solver=Sinkhorn(tolerance=1e-4, memory=3),
    )
    done(qtbot, window, lambda: window.store.set(replace(THREE, transport=transport)))
    before = lines(window)
    assert made.save_to(path)
    assert load(path).transport == transport
    done(qtbot, window, lambda: window.store.set(THREE))
    assert lines(window) != before
    assert made.open(path)
    settled(qtbot, window)
    assert window.session.transport == transport
    assert lines(window) == before
    assert window.transport.form.group("clouds").kinds.menu.currentText() == "Two draws"
    assert number(window, "solver.memory").entry.text() == "3"


# ------------------------------------------------------------------------------------------------- files and failures


def test_two_files_are_chosen_and_what_is_wrong_with_them_is_told(qtbot: QtBot, window: Window, here: Path) -> None:
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.normal(size=(50, 3)))
    np.save("y.npy", rng.normal(size=(40, 3)) + 1.0)
    np.save("plane.npy", rng.normal(size=(40, 2)))
    done(qtbot, window, lambda: chosen(window, "clouds", "Two files"))
    assert figure(window, "coupling").note == "Two files are needed: choose the first and the second one in the panel."
    assert window.transport.table.text() == ""
    assert window.transport.note.text() == HINT
    assert not window.transport.copy.isEnabled()
    for name, path in (("clouds.first", "x.npy"), ("clouds.second", "plane.npy")):
        field = window.transport.form.row(name).field
        assert isinstance(field, PathField)
        field.entry.setText(str(here / path))
        field.entry.committed.emit(str(here / path))
        settled(qtbot, window)
    sentence = f"{here / 'x.npy'} has points of 3 coordinates and {here / 'plane.npy'} of 2; both clouds must have "
    assert sentence + "equally many." in status(window)
    assert window.transport.table.text() == ""
    done(qtbot, window, lambda: typed_path(window, "clouds.second", here / "y.npy"))
    assert window.session.transport.clouds == TwoFiles(first=str(here / "x.npy"), second=str(here / "y.npy"))
    assert lines(window)["points"] == "50 and 40, 3 coordinates"
    assert figure(window, "coupling").x.label == "principal axis 1"
    assert "exact W₂² of the laws" not in lines(window)


def typed_path(window: Window, name: str, path: Path) -> None:
    field = window.transport.form.row(name).field
    assert isinstance(field, PathField)
    field.entry.committed.emit(str(path))


def test_a_solution_that_was_not_finished_comes_with_advice(qtbot: QtBot, window: Window) -> None:
    unfinished = replace(ASKED, epsilon=0.05, solver=Sinkhorn(memory=0, most_iterations=3))
    done(qtbot, window, lambda: window.store.set(replace(THREE, transport=unfinished)))
    assert lines(window)["status"] == "unfinished: all iterations were used; raise solver.most_iterations"
    assert copied(window)["status"] == "unfinished"


# --------------------------------------------------------------------------------------------------- tabs and docks


def test_compilation_is_told_for_it_takes_long(qtbot: QtBot, window: Window) -> None:
    compile_anew()
    assert COMPILING in status(window)
    done(qtbot, window, lambda: typed(qtbot, window, "epsilon", "0.3"))
    assert COMPILING not in status(window)


def test_the_panel_comes_to_the_front_with_its_tabs(qtbot: QtBot, window: Window) -> None:
    for tab in ("Transport", "Estimates"):
        turned(window, "Error")
        window.docks["Compare"].raise_()
        qtbot.waitUntil(lambda: window.transport.visibleRegion().isEmpty(), timeout=LONG)
        turned(window, tab)
        qtbot.waitUntil(lambda: not window.transport.visibleRegion().isEmpty(), timeout=LONG)
    # What a person has closed stays closed.
    turned(window, "Error")
    window.docks["Transport"].close()
    turned(window, "Transport")
    assert window.docks["Transport"].isHidden()
    window.docks["Transport"].show()
    settled(qtbot, window)


# --------------------------------------------------------------------------------------------------------- long work


def running(window: Window) -> bool:
    """Whether the solver of long work tells of its progress."""
    return not window.chores.jobs.is_idle and window.transport.bar.isVisible() and window.transport.bar.value() > 0


@pytest.mark.parametrize("how", ["button", "menu"])
def test_long_work_is_seen_and_stopped_at_once(qtbot: QtBot, window: Window, how: str) -> None:
    redrawn(qtbot, window, lambda: window.store.set(ENDLESS))
    qtbot.waitUntil(lambda: running(window), timeout=LONG)
    # Meanwhile something smaller is shown.
    assert lines(window)["points"] == "2000 and 2000, 3 coordinates"
    assert window.transport.stop.isEnabled()
    begin = time.monotonic()
    if how == "button":
        qtbot.mouseClick(window.transport.stop, Qt.MouseButton.LeftButton)
    else:
        trigger(window, "Stop")
    qtbot.waitUntil(window.transport.bar.isHidden, timeout=LONG)
    assert time.monotonic() - begin < PATIENCE
    assert not window.transport.stop.isEnabled()
    # Nothing starts it again, and the window goes on.
    settled(qtbot, window)
    assert window.session == ENDLESS
    assert lines(window)["points"] == "2000 and 2000, 3 coordinates"
    done(qtbot, window, lambda: window.store.set(THREE))
    assert lines(window)["points"] == "80 and 80, 3 coordinates"
    assert window.failures == []


def test_long_work_gives_way_to_another_question(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.store.set(ENDLESS))
    qtbot.waitUntil(lambda: running(window), timeout=LONG)
    begin = time.monotonic()
    done(qtbot, window, lambda: typed(qtbot, window, "points", "50"))
    assert time.monotonic() - begin < 2 * PATIENCE
    assert window.session.transport.points == 50
    assert lines(window)["points"] == "50 and 50, 3 coordinates"


def test_long_work_gives_way_to_other_work_and_comes_back(qtbot: QtBot, window: Window) -> None:
    redrawn(qtbot, window, lambda: window.store.set(ENDLESS))
    qtbot.waitUntil(lambda: running(window), timeout=LONG)
    delivered: list[object] = []
    window.chores.run("a question", lambda: 42, delivered.append)
    qtbot.waitUntil(lambda: delivered == [42], timeout=LONG)
    qtbot.waitUntil(lambda: running(window), timeout=LONG)
    done(qtbot, window, lambda: window.store.set(THREE))
    assert window.failures == []


def test_a_window_closes_while_it_couples(qtbot: QtBot, tmp_path: Path) -> None:
    before = threading.enumerate()
    with own_settings(tmp_path):
        made = Window()
        made.show()
        made.build(ENDLESS)
        vars(made.chores)["_rest"].setInterval(0)
        turned(made, "Transport")
        qtbot.waitUntil(lambda: running(made), timeout=LONG)
        begin = time.monotonic()
        closed(made)
        assert time.monotonic() - begin < PATIENCE
    estimated.clear()
    assert threading.enumerate() == before


# -------------------------------------------------------------------------------------------- panels by themselves


@pytest.fixture
def panel(qtbot: QtBot) -> TransportPanel:
    made = TransportPanel()
    qtbot.addWidget(made)
    made.resize(380, 700)
    with qtbot.waitExposed(made):
        made.show()
    made.set_value(THREE)
    return made


def test_showing_says_nothing(panel: TransportPanel) -> None:
    said: list[object] = []
    panel.changed.connect(said.append)
    panel.set_value(ENDLESS)
    panel.set_found(None, current=True)
    panel.set_progress(0.25)
    assert (panel.bar.value(), panel.bar.format(), panel.stop.isEnabled()) == (250, "25 %", True)
    panel.set_progress(None)
    assert (panel.bar.isVisible(), panel.stop.isEnabled()) == (False, False)
    assert said == []


def test_a_button_asks_for_the_rest_of_the_session_as_it_is(panel: TransportPanel) -> None:
    said: list[tuple[Session, bool]] = []

    def hear(session: Session, dragging: bool) -> None:
        said.append((session, dragging))

    panel.changed.connect(hear)
    panel.presets["distance"].click()
    assert said == [(replace(THREE, transport=replace(ASKED, epsilon=0.2)), False)]
    assert not panel.presets["nearest"].isEnabled()


def test_scales_without_a_meaning_are_not_offered(panel: TransportPanel) -> None:
    answer = told(THREE)
    panel.set_found(replace(answer, scales=Scales(nearest=0.0, few_partners=float("nan"))), current=True)
    assert set(panel.worth_trying) == {"distance", "map"}
    panel.set_found(replace(answer, scales=Scales(nearest=0.02, few_partners=0.03)), current=False)
    assert panel.worth_trying["nearest"][0] == 0.02
    assert panel.worth_trying["partners"][0] == 0.03
    assert not panel.table.isEnabled()


def test_rows_of_numbers_are_used_again(panel: TransportPanel) -> None:
    panel.set_found(told(THREE), current=True)
    many = panel.table.text()
    labels = len(panel.table.findChildren(QLabel))
    panel.set_found(None, current=True)
    assert panel.table.text() == ""
    panel.set_found(told(THREE), current=True)
    assert panel.table.text() == many
    assert len(panel.table.findChildren(QLabel)) == labels


def test_ranks_to_look_at_are_chosen_one_by_one(qtbot: QtBot) -> None:
    bar = AxesBar()
    qtbot.addWidget(bar)
    said: list[Session] = []
    bar.changed.connect(said.append)
    bar.set_value(replace(THREE, looked_at=(2, 5)))
    assert said == []
    assert [box.value() for box in bar.axes.boxes] == [2, 5]
    bar.axes.boxes[1].setValue(7)
    bar.axes.boxes[0].setValue(1)
    assert [session.looked_at for session in said] == [(2, 7), (1, 7)]
    assert [box.accessibleName() for box in bar.axes.boxes] == ["Mode across", "Mode up"]
