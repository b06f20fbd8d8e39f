"""The arrows beside sliders: which way the error falls, against errors on both sides of the present value."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from explorer.compute import Request, Task
from explorer.fields.arrow import FAINT, FULL, Arrow, travel_slope
from explorer.fields.travel import travel
from explorer.form import Form
from explorer.session import Session
from explorer.window import HINTS, Window
from kernels.analyses.sweep import numeric_paths, with_value
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.param import NONNEGATIVE, POSITIVE, Number
from kernels.processes import EDM, FlowMatching
from kernels.report import report
from kernels.samplers import DDIM, DPMSolverPP2M, EulerMaruyama, FlowEuler, Heun
from kernels.sensitivity import sensitivities
from kernels.spectra import Custom, EigenvalueFile, PowerLaw
from tests.driving import closed, own_settings

LONG = 20_000
LINEAR = Number("ε", (0.0, 2.0), "stochasticity", NONNEGATIVE, log=False, unit="", integer=False)
LOGARITHMIC = Number("t_N", (1e-5, 0.1), "stop", POSITIVE, log=True, unit="", integer=False)
FROM_ZERO = Number("r", (0.0, 10.0), "radius", NONNEGATIVE, log=True, unit="", integer=False)


def total(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.total)


def continuous(experiment: Experiment) -> dict[str, Number]:
    return {path: number for path, number in numeric_paths(experiment).items() if not number.integer}


def value_at(experiment: Experiment, path: str) -> float:
    family, _, name = path.partition(".")
    return float(getattr(getattr(experiment, family), name))


def shown_arrow(form: Form, path: str) -> Arrow:
    found = form.row(path).arrow
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------------- size and direction


@pytest.mark.parametrize("number", [LINEAR, LOGARITHMIC, FROM_ZERO], ids=lambda number: number.symbol)
def test_a_slope_is_one_per_whole_slider(number: Number) -> None:
    """The derivative along the slider's own places, from its map between places and values."""
    slider = travel(number)
    for place in (slider.count // 3, slider.count // 2, 4 * slider.count // 5):
        low, high = slider.value(place - 10), slider.value(place + 10)
        value = slider.value(place)
        # Of W2 = exp(3 v), whose log has slope 3 in v.
        measured = 3 * (high - low) / 20 * slider.count
        assert travel_slope(number, value, 3.0) == pytest.approx(measured, rel=2e-2)


def test_zero_on_a_logarithmic_slider_counts_by_its_whole_range() -> None:
    assert travel_slope(FROM_ZERO, 0.0, 2.0) == 20.0


EXPERIMENTS = {
    "default": Experiment(),
    "EDM": Experiment(
        spectrum=Custom(eigenvalues=(4.0, 1.0, 0.05), mean=0.5),
        process=EDM(),
        grid=Karras(steps=8, start=60.0, stop=2e-3),
        sampler=EulerMaruyama(stochasticity=0.3),
    ),
    "flow": Experiment(process=FlowMatching(), grid=Uniform(steps=9, start=0.9, stop=0.01), sampler=FlowEuler()),
    "second order": Experiment(spectrum=PowerLaw(modes=300, mean=0.2), grid=Karras(steps=7, start=0.9), sampler=Heun()),
    "memory": Experiment(grid=Uniform(steps=9, start=0.9), sampler=DPMSolverPP2M()),
    "to zero": Experiment(
        process=EDM(), grid=Karras(steps=8, start=60.0, stop=2e-3, to_zero=True), sampler=DDIM(eta=0.5)
    ),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_arrows_are_differences_of_the_reports_in_slider_travel(qtbot: QtBot, name: str) -> None:
    experiment = EXPERIMENTS[name]
    form = Form(experiment)
    qtbot.addWidget(form)
    form.set_slopes(sensitivities(experiment))
    compared = 0
    for path, number in continuous(experiment).items():
        value, (low, high) = value_at(experiment, path), number.slider
        if not low < value < high:
            continue
        # A ten-thousandth of the slider to either side.
        share = 1e-4
        if number.log:
            factor = (high / (low or 1e-6 * high)) ** share
            sides = (value / factor, value * factor)
        else:
            sides = (value - share * (high - low), value + share * (high - low))
        try:
            below, above = (math.log(total(with_value(experiment, path, side))) for side in sides)
        except ValueError:
            continue
        expected = (above - below) / (2 * share)
        found = shown_arrow(form, path).slope
        if abs(expected) < 0.9 * FAINT:
            assert found == 0.0, path
        elif abs(expected) > 1.1 * FAINT:
            assert found == pytest.approx(expected, rel=2e-4), path
            compared += 1
    assert compared >= 2


def test_whole_numbers_and_choices_have_no_arrow(qtbot: QtBot) -> None:
    form = Form(Experiment())
    qtbot.addWidget(form)
    # Nothing to see, whatever is said of them.
    form.set_slopes(dict.fromkeys(form.paths(), 1.0))
    whole = [path for path, number in numeric_paths(Experiment()).items() if number.integer]
    assert {"grid.steps", "spectrum.modes"} <= set(whole)
    for path in form.paths():
        arrow = form.row(path).arrow
        # What has no effect here may have one elsewhere.
        assert (arrow is not None) is (path in continuous(Experiment()) or path in Experiment().idle), path
    assert form.row("grid.to_zero").arrow is None


def test_an_arrow_says_what_it_means(qtbot: QtBot) -> None:
    form = Form(Experiment())
    qtbot.addWidget(form)
    form.set_slopes({"sampler.stochasticity": 1.25, "grid.stop": -14.4, "process.beta_min": 1e-9})
    raised, lowered = shown_arrow(form, "grid.stop"), shown_arrow(form, "sampler.stochasticity")
    assert lowered.toolTip() == "W₂ falls when stochasticity  ε is lowered: d log W₂/d ε = 1.25"
    assert raised.toolTip() == "W₂ falls when stop  t_N is raised: d log W₂/d t_N = -14.4"
    for arrow in (raised, lowered):
        assert arrow.accessibleName() == arrow.toolTip()
    faint = shown_arrow(form, "process.beta_min")
    assert (faint.slope, faint.toolTip(), faint.accessibleName()) == (0.0, "", "")
    # What is not spoken of any more is gone.
    form.set_slopes({})
    for path in continuous(Experiment()):
        arrow = shown_arrow(form, path)
        assert (arrow.slope, arrow.toolTip(), arrow.accessibleName()) == (0.0, "", "")


def test_arrows_change_nothing(qtbot: QtBot) -> None:
    form = Form(Experiment())
    qtbot.addWidget(form)
    heard: list[object] = []

    def hear(changed: object, _path: str, _dragging: bool) -> None:
        heard.append(changed)

    form.changed.connect(hear)
    form.refused.connect(heard.append)
    form.set_slopes({"sampler.stochasticity": 1e300, "grid.stop": -1e300, "no.such": 1.0})
    assert heard == []
    assert form.component == Experiment()


# ---------------------------------------------------------------------------------------------------- its picture


def ink(arrow: Arrow) -> tuple[float, float]:
    """How much is drawn left and right of the middle."""
    arrow.resize(40, 40)
    image = QImage(40, 40, QImage.Format.Format_ARGB32)
    image.fill(QColor("white"))
    arrow.render(image)
    dark = np.array([[255 - image.pixelColor(x, y).lightness() for x in range(40)] for y in range(40)], dtype=float)
    return float(dark[:, :20].sum()), float(dark[:, 20:].sum())


@pytest.fixture
def arrow(qtbot: QtBot) -> Iterator[Arrow]:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.setStyleSheet("background: white")
    yield Arrow(LINEAR, "stochasticity", parent)


def test_the_tip_points_to_the_smaller_error(arrow: Arrow) -> None:
    nothing = ink(arrow)
    arrow.set_slope(1.0, FULL)
    assert ink(arrow) != nothing
    falls_left = ink(arrow)
    arrow.set_slope(1.0, -FULL)
    falls_right = ink(arrow)
    # Mirrored; and the wide end, with more ink, is away from the tip.
    assert falls_left == pytest.approx(falls_right[::-1], rel=0.05)
    assert tip_of(arrow, FULL) == "left"
    assert tip_of(arrow, -FULL) == "right"
    arrow.set_slope(1.0, None)
    assert ink(arrow) == nothing


def tip_of(arrow: Arrow, slope: float) -> str:
    """Where the arrow is a point: the outermost column with ink that is the thinnest."""
    arrow.set_slope(1.0, slope)
    arrow.resize(40, 40)
    image = QImage(40, 40, QImage.Format.Format_ARGB32)
    image.fill(QColor("white"))
    arrow.render(image)
    columns = [sum(image.pixelColor(x, y).lightness() < 200 for y in range(40)) for x in range(40)]
    inked = [x for x in range(40) if columns[x]]
    return "left" if columns[inked[1]] < columns[inked[-2]] else "right"


def test_a_steeper_slope_is_a_larger_arrow_up_to_a_limit(arrow: Arrow) -> None:
    sizes: list[float] = []
    for slope in (0.4 * FAINT, FAINT, 0.2, FULL / 2, 10 * FULL, 1e12):
        arrow.set_slope(1.0, slope)
        sizes.append(sum(ink(arrow)))
    # Twice a slope is a whole slider from 0 to 2.
    assert sizes[0] < sizes[1] < sizes[2] < sizes[3]
    assert sizes[3] == sizes[4] == sizes[5]


# ---------------------------------------------------------------------------------------------------- in the window


@pytest.fixture(scope="module")
def shared(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    folder = tmp_path_factory.mktemp("arrows")
    with own_settings(folder):
        window = Window()
        window.show()
        window.build(Session())
        yield window
        closed(window)


def hinted(qtbot: QtBot, window: Window, act: Callable[[], object]) -> None:
    """Do something and wait until the arrows answer it."""
    asked: list[object] = []

    def rest(request: Request, _seconds: float) -> None:
        asked.append(request.question)

    window.compute.finished.connect(rest)
    act()
    qtbot.waitUntil(lambda: (HINTS, window.session) in asked, timeout=LONG)
    window.compute.finished.disconnect(rest)


def put(window: Window, experiment: Experiment) -> None:
    # The same session twice would be no question.
    window.store.set(Session(experiment=replace(experiment, grid=Uniform(steps=3))))
    window.store.set(Session(experiment=experiment))


def slopes(window: Window) -> dict[str, float]:
    """Arrows that are seen."""
    form = window.form
    found = {path: form.row(path).arrow for path in form.paths()}
    return {path: arrow.slope for path, arrow in found.items() if arrow is not None and arrow.slope}


def expected(experiment: Experiment) -> dict[str, float]:
    numbers = numeric_paths(experiment)
    found = {
        path: travel_slope(numbers[path], value_at(experiment, path), slope)
        for path, slope in sensitivities(experiment).items()
    }
    return {path: size for path, size in found.items() if abs(size) >= FAINT}


def test_arrows_follow_the_experiment(qtbot: QtBot, shared: Window) -> None:
    seen: list[dict[str, float]] = []
    for name in ("EDM", "default", "second order"):
        hinted(qtbot, shared, lambda name=name: put(shared, EXPERIMENTS[name]))
        assert slopes(shared) == pytest.approx(expected(EXPERIMENTS[name])), name
        assert len(slopes(shared)) >= 3
        seen.append(slopes(shared))
    assert len({tuple(one.items()) for one in seen}) == 3


def test_a_moved_slider_moves_the_arrows(qtbot: QtBot, shared: Window) -> None:
    hinted(qtbot, shared, lambda: put(shared, EXPERIMENTS["EDM"]))
    before = slopes(shared)
    changed = replace(EXPERIMENTS["EDM"], sampler=EulerMaruyama(stochasticity=0.0))
    hinted(qtbot, shared, lambda: shared.store.set(Session(experiment=changed)))
    assert slopes(shared) == pytest.approx(expected(changed))
    # Below the optimum the arrow turns around.
    path = "sampler.stochasticity"
    assert before[path] * slopes(shared)[path] < 0


def test_arrows_come_also_where_older_ones_still_wait(qtbot: QtBot, shared: Window) -> None:
    """The arrows of the former experiment may still have to be computed when the plots of the new one are drawn."""
    hinted(qtbot, shared, lambda: put(shared, EXPERIMENTS["EDM"]))
    former = shared.session
    begun, go, finished = threading.Event(), threading.Event(), list[object]()

    def hold() -> None:
        begun.set()
        assert go.wait(10.0)

    def rest(request: Request, _seconds: float) -> None:
        finished.append(request.question)

    shared.compute.finished.connect(rest)
    shared.compute.post("held", Request(("held",), (Task(HINTS, hold),)))
    try:
        assert begun.wait(10.0)
        older = partial(sensitivities, former.experiment)
        shared.compute.post(HINTS, Request((HINTS, former), (Task(HINTS, older),)))
        shared.store.set(Session(experiment=EXPERIMENTS["second order"]))
    finally:
        go.set()
    qtbot.waitUntil(lambda: (HINTS, shared.session) in finished, timeout=3000)
    assert slopes(shared) == pytest.approx(expected(EXPERIMENTS["second order"]))


def test_parameters_without_effect_have_no_arrow(qtbot: QtBot, shared: Window) -> None:
    hinted(qtbot, shared, lambda: put(shared, EXPERIMENTS["EDM"]))
    # The largest noise level only bounds the grid.
    assert "process.sigma_max" not in slopes(shared)
    hinted(qtbot, shared, lambda: put(shared, Experiment()))
    assert "spectrum.mean" not in slopes(shared)
    assert "grid.stop" in slopes(shared)


def test_where_the_error_is_infinite_there_are_no_arrows(qtbot: QtBot, shared: Window) -> None:
    hinted(qtbot, shared, lambda: put(shared, Experiment()))
    assert slopes(shared)
    infinite = Experiment(spectrum=Custom(eigenvalues=(1.0, 0.0)), grid=Uniform(steps=9, stop=0.0), sampler=Heun())
    assert math.isinf(total(infinite))
    hinted(qtbot, shared, lambda: put(shared, infinite))
    assert slopes(shared) == {}


def test_where_data_cannot_be_read_there_are_no_arrows(qtbot: QtBot, shared: Window, tmp_path: Path) -> None:
    hinted(qtbot, shared, lambda: put(shared, Experiment()))
    assert slopes(shared)
    gone = Experiment(spectrum=EigenvalueFile(path=str(tmp_path / "none.npy")))
    hinted(qtbot, shared, lambda: put(shared, gone))
    # Those of another experiment would mislead.
    assert slopes(shared) == {}


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(grid=Uniform(steps=1)),
        Experiment(spectrum=PowerLaw(modes=3072), grid=Uniform(steps=1000)),
        Experiment(spectrum=Custom(eigenvalues=(0.0, 0.0))),
        Experiment(
            process=EDM(), grid=Karras(steps=5, start=80.0, stop=2e-3), sampler=EulerMaruyama(stochasticity=50.0)
        ),
    ],
    ids=["one step", "large", "zeros", "far off"],
)
def test_odd_experiments_have_finite_arrows(qtbot: QtBot, shared: Window, experiment: Experiment) -> None:
    hinted(qtbot, shared, lambda: put(shared, experiment))
    assert slopes(shared) == pytest.approx(expected(experiment))
    assert all(map(math.isfinite, slopes(shared).values()))
    assert slopes(shared)
