"""Every plot of every kind of session: it draws, the figure is what the reports say, and tells what it cannot draw."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from explorer.marks import Axis, Bars, Curve, Figure, Floats, Heat, Line, Mark, Points, Style, values_along
from explorer.plots import PLOTS, Plot
from explorer.plots.base import divergence_note
from explorer.ranges import extent, padded
from explorer.scales import Linear, Log, Scale, Symlog
from explorer.session import Session, items
from kernels.analyses import budget, clouds, convergence, expansion, levels, sweep
from kernels.experiment import Experiment
from kernels.grids import AlignYourSteps, Karras, LogUniform, Shifted, Tabulated, Uniform
from kernels.particles import Sampling
from kernels.processes import EDM, PROCESSES, Brownian, FlowMatching, Process, VPCosine
from kernels.report import report, solve
from kernels.samplers import (
    DDIM,
    DDPM,
    AncestralVP,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    RungeKutta4,
)
from kernels.spectra import Custom, EigenvalueFile, Isotropic, PowerLaw
from kernels.starts import Marginal

BY_NAME = {plot.name: plot for plot in PLOTS}
every_plot = pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)


def usual(kind: type[Process]) -> Session:
    """A process between its usual times."""
    start, stop = kind().span
    sampler = FlowEuler() if kind is FlowMatching else EulerMaruyama()
    grid = Uniform(steps=20, start=start, stop=stop)
    return Session(experiment=Experiment(process=kind(), grid=grid, sampler=sampler))


SAMPLERS = (
    EulerMaruyama(stochasticity=0.0),
    EulerMaruyama(stochasticity=0.1),
    ExponentialIntegrator(),
    DDIM(),
    DDPM(),
    AncestralVP(),
    Heun(),
)
INFINITE = Session(
    experiment=Experiment(spectrum=Custom(eigenvalues=(1.0, 0.0)), grid=Uniform(steps=30, stop=0.0), sampler=Heun()),
    swept="grid.stop",
)
USUAL: dict[str, Session] = {
    "default": Session(),
    **{kind.__name__: usual(kind) for kind in PROCESSES},
    "zeros": Session(experiment=Experiment(spectrum=Custom(eigenvalues=(4.0, 0.25, 0.0, 0.0), mean=0.5))),
    "only zeros": Session(experiment=Experiment(spectrum=Custom(eigenvalues=(0.0, 0.0)))),
    "infinite": INFINITE,
    # A sampler that is exact for eigenvalue 1, from the exact law: the error is rounding, or nothing at all.
    "nearly exact": Session(
        experiment=Experiment(
            spectrum=Isotropic(), grid=Uniform(steps=200), sampler=EulerMaruyama(stochasticity=0.0), start=Marginal()
        )
    ),
    "accurate": Session(
        experiment=Experiment(
            spectrum=PowerLaw(decay=0.5), grid=Uniform(steps=1000), sampler=RungeKutta4(), start=Marginal()
        ),
        swept="grid.steps",
    ),
    "one mode": Session(experiment=Experiment(spectrum=Isotropic(modes=1, mean=1.0))),
    "one step": Session(experiment=Experiment(grid=Uniform(steps=1))),
    "one step to zero": Session(experiment=Experiment(grid=Karras(steps=1, to_zero=True), sampler=DDIM())),
    "eight compared": Session(samplers=(EulerMaruyama(), *SAMPLERS)),
    "samplers and grids": Session(
        experiment=Experiment(process=EDM(), grid=Karras(start=80.0, stop=2e-3), sampler=DDIM()),
        samplers=(DDIM(), Heun()),
        grids=(Karras(), LogUniform(), AlignYourSteps()),
        swept="grid.rho",
    ),
    "pins": Session(
        pins=(
            Experiment(sampler=DDIM()),
            Experiment(spectrum=Isotropic(modes=2), process=Brownian(), grid=Uniform(start=100.0, stop=0.01)),
            Experiment(process=VPCosine(), grid=Shifted(start=0.99), sampler=Heun()),
        )
    ),
    "listed grid": Session(experiment=Experiment(grid=Tabulated(values=(1.0, 0.5, 0.1, 0.0)), sampler=DDIM())),
    "followed": Session(followed=(2, 64, 1000)),
    "many modes": Session(experiment=Experiment(spectrum=PowerLaw(modes=2000, mean=0.1), sampler=DPMSolverPP2M())),
}
# Few particles tell as well what a plot is made of.
SESSIONS = {name: replace(session, sampling=Sampling(particles=200)) for name, session in USUAL.items()}
every_session = pytest.mark.parametrize("name", SESSIONS)


def parts(mark: Mark) -> list[Floats]:
    """The arrays of a mark."""
    return [value for value in vars(mark).values() if isinstance(value, np.ndarray)]


def curve(figure: Figure, label: str) -> Curve:
    """The curve of this label."""
    (found,) = [mark for mark in figure.marks if isinstance(mark, Curve) and mark.label == label]
    return found


def points(figure: Figure) -> Points:
    """The only points of the figure."""
    (found,) = [mark for mark in figure.marks if isinstance(mark, Points)]
    return found


def drawn(name: str, session: Session) -> Figure:
    return BY_NAME[name].draw(session)


def error_of(experiment: Experiment, source: str = "total") -> float:
    return float(getattr(report(experiment).wasserstein2, source))


def equal(values: object) -> object:
    """What differs by rounding alone."""
    return pytest.approx(values, rel=1e-9, abs=1e-15, nan_ok=True)


# --------------------------------------------------------------------------------------------- plots as values


def test_names_are_unique_and_every_plot_has_a_place() -> None:
    assert len(BY_NAME) == len(PLOTS)
    tabs = ["Error", "Budget", "Spectrum", "Process", "Sweep", "Learning", "Langevin", "Cloud", "Beyond Gauss"]
    tabs += ["Transport", "Estimates"]
    assert list(dict.fromkeys(plot.tab for plot in PLOTS)) == tabs
    for plot in PLOTS:
        assert plot.name.isidentifier()
        assert plot.title


@every_session
@every_plot
def test_every_plot_draws_every_session(plot: Plot, name: str) -> None:
    session = SESSIONS[name]
    figure = plot.draw(session)
    assert figure.title
    assert figure.marks or figure.note
    # Where x counts categories, their names stand in place of a label.
    assert bool(figure.x.label) is not bool(figure.categories) or not figure.marks
    assert figure.y.label
    for mark in figure.marks:
        if isinstance(mark, Line):
            assert np.isfinite(mark.at)
        elif isinstance(mark, Heat):
            # Edges, one more than there are cells.
            assert mark.values.shape == (len(mark.y) - 1, len(mark.x) - 1)
            assert np.all(np.diff(mark.x) > 0)
            assert np.all(np.diff(mark.y) > 0)
            # Beside an infinite deviation no part has a size, and the note says so.
            assert not np.isnan(mark.values).any() or "diverges" in figure.note
        else:
            assert len({part.shape for part in parts(mark)}) == 1
            assert all(part.ndim == 1 and part.dtype == np.float64 for part in parts(mark))
    for letter, axis in (("x", figure.x), ("y", figure.y)):
        seen = extent(values_along(figure.marks, letter), axis.scale)
        if seen is None:
            assert figure.note, f"nothing to see along {letter}, and nothing says why"
        else:
            low, high = padded(seen, axis.scale)
            assert np.isfinite([low, high]).all()
            assert low < high
            if isinstance(axis.scale, Symlog):
                assert axis.scale.threshold > 0
                assert np.isfinite(axis.scale.threshold)


@every_session
@pytest.mark.parametrize("plot", ["time", "modes", "spectrum", "shares", "sources"])
def test_every_item_is_shown_under_its_label_and_look(plot: str, name: str) -> None:
    session = SESSIONS[name]
    figure = drawn(plot, session)
    for item in items(session):
        (mark,) = [mark for mark in figure.marks if mark.label == item.label]
        assert isinstance(mark, (Curve, Bars))
        assert (mark.style.color, mark.style.dash) == (item.style.color, item.style.dash)


@every_session
def test_convergence_and_sweep_show_every_item_that_they_can(name: str) -> None:
    session = SESSIONS[name]
    shown = items(session)
    labels = [mark.label for mark in drawn("convergence", session).marks]
    expected = [item.label for item in shown] if len(shown) > 1 else ["total"]
    assert labels[: len(expected)] == expected
    found = [mark.label for mark in drawn("sweep", session).marks if isinstance(mark, Curve)]
    if session.swept in sweep.numeric_paths(session.experiment):
        paths = [sweep.numeric_paths(item.experiment) for item in shown]
        assert found == [item.label for item, known in zip(shown, paths, strict=True) if session.swept in known]
    else:
        assert found == []


def look(mark: Mark) -> Style | Scale:
    """How a mark is drawn."""
    return mark.scale if isinstance(mark, Heat) else mark.style


def alike(first: Figure, second: Figure) -> bool:
    """Whether two figures are the same, to the last bit."""
    pairs = zip(first.marks, second.marks, strict=True)
    same = all(
        type(a) is type(b)
        and (a.label, look(a)) == (b.label, look(b))
        and all(np.array_equal(x, y, equal_nan=True) for x, y in zip(parts(a), parts(b), strict=True))
        for a, b in pairs
    )
    texts = [(f.title, f.note, f.x, f.y, f.categories) for f in (first, second)]
    return same and texts[0] == texts[1]


@pytest.mark.parametrize("name", ["default", "samplers and grids", "infinite"])
@every_plot
def test_a_plot_is_a_pure_function_of_the_session(plot: Plot, name: str) -> None:
    first = plot.draw(SESSIONS[name])
    kept = [part.copy() for mark in first.marks for part in parts(mark)]
    known = (report, solve, convergence.convergence, convergence.on_grids, sweep.sweep, sweep.sweep_over)
    for one in (*known, sweep.best_value, levels.along_time, levels.on_grid, budget.budget, expansion.expansion):
        one.cache_clear()
    clouds.clear()
    second = plot.draw(SESSIONS[name])
    assert alike(first, second)
    # What was drawn before has not been written to.
    for part, before in zip((part for mark in first.marks for part in parts(mark)), kept, strict=True):
        np.testing.assert_array_equal(part, before)


OF_DATA = [plot.name for plot in PLOTS if plot.name not in {"process", "grid", "snr"}]
# These show the experiment and nothing beside it.
ALONE = {"paths", "budget", "steps", "theory", "stochasticity"} | {
    plot.name
    for plot in PLOTS
    if plot.tab in {"Learning", "Langevin", "Cloud", "Beyond Gauss", "Transport", "Estimates"}
}


@pytest.mark.parametrize("name", OF_DATA)
def test_data_that_cannot_be_read_are_told_in_a_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "none.npy"
    session = Session(experiment=Experiment(spectrum=EigenvalueFile(path=str(path))))
    with pytest.raises(ValueError) as refusal:
        drawn(name, session)
    assert str(refusal.value) == f"EigenvalueFile.path: {path} does not exist."
    # A pin may have lost its file, too.
    if name not in ALONE:
        pinned = Session(pins=(session.experiment,), swept="spectrum.mean")
        with pytest.raises(ValueError) as refusal:
            drawn(name, pinned)
        assert str(refusal.value) == f"EigenvalueFile.path: {path} does not exist."


@pytest.mark.parametrize("name", ["process", "grid", "snr"])
def test_plots_of_the_process_need_no_data(name: str, tmp_path: Path) -> None:
    session = Session(experiment=Experiment(spectrum=EigenvalueFile(path=str(tmp_path / "none.npy"))))
    assert alike(drawn(name, session), drawn(name, Session()))


# ------------------------------------------------------------------------------------------------- convergence


@pytest.mark.parametrize("name", ["default", "EDM", "zeros", "listed grid", "eight compared", "one step to zero"])
def test_convergence_at_the_present_number_of_steps_is_the_report(name: str) -> None:
    session = SESSIONS[name]
    at = points(drawn("convergence", session))
    assert at.label == "present N"
    assert at.x.tolist() == [session.experiment.calls]
    assert at.y.tolist() == [equal(error_of(session.experiment))]


def test_convergence_is_the_report_at_any_number_of_steps() -> None:
    figure = drawn("convergence", Session())
    for label in ("total", "discretization", "truncation"):
        found = curve(figure, label)
        assert len(found.x) >= 8
        for calls, value in zip(found.x.tolist(), found.y.tolist(), strict=True):
            assert value == equal(error_of(Experiment(grid=Uniform(steps=int(calls))), label))
    # The initialization error of the reverse equation, 1e-9, is far below all others, and left out.
    assert "initialization" not in [mark.label for mark in figure.marks]
    flow = Session(experiment=Experiment(sampler=EulerMaruyama(stochasticity=0.0)))
    assert "initialization" in [mark.label for mark in drawn("convergence", flow).marks]


@pytest.mark.parametrize(("sampler", "order"), [(EulerMaruyama(), 1), (Heun(), 2), (RungeKutta4(), 4)], ids=repr)
def test_the_declared_order_is_a_line_of_that_slope(sampler: EulerMaruyama, order: int) -> None:
    figure = drawn("convergence", Session(experiment=Experiment(sampler=sampler)))
    slope, step = curve(figure, f"order {order}"), curve(figure, "discretization")
    assert (slope.x[-1], slope.y[-1]) == (step.x[-1], step.y[-1])
    assert np.diff(np.log(slope.y)) / np.diff(np.log(slope.x)) == pytest.approx([-order] * (len(slope.x) - 1))


# --------------------------------------------------------------------------------------------- along time


@pytest.mark.parametrize("name", ["default", "EDM", "FlowMatching", "zeros", "many modes", "listed grid", "one step"])
def test_the_way_ends_at_the_discretization_error_and_begins_at_that_of_the_start(name: str) -> None:
    exact = replace(SESSIONS[name].experiment, start=Marginal())
    session = Session(experiment=exact)
    found = curve(drawn("time", session), items(session)[0].label)
    assert found.x[-1] == float(exact.times[-1])
    assert found.y[-1] == equal(error_of(exact, "discretization"))
    assert (found.x[0], found.y[0]) == (float(exact.times[0]), 0.0)
    # From noise N(0, sigma^2) the first error is that of the start itself.
    noise = SESSIONS[name].experiment
    begun = curve(drawn("time", Session(experiment=noise)), items(Session(experiment=noise))[0].label)
    law = noise.spectrum.law()
    alpha, sigma = (float(level(noise.times[0])) for level in (noise.process.alpha, noise.process.sigma))
    mean, deviation = alpha * law.mean.numpy(), np.sqrt(alpha**2 * law.variance.numpy() + sigma**2) - sigma
    assert begun.y[0] == pytest.approx(np.sqrt((mean**2 + deviation**2).sum()), rel=1e-6, abs=1e-15)


def test_the_way_from_an_exact_start_is_drawn_beside_one_from_noise() -> None:
    session = Session(experiment=Experiment(sampler=EulerMaruyama(stochasticity=0.0)))
    found = curve(drawn("time", session), "from an exact start")
    assert found.y[-1] == equal(error_of(session.experiment, "discretization"))
    compared = replace(session, samplers=(DDIM(),))
    assert "from an exact start" not in [mark.label for mark in drawn("time", compared).marks]


# ------------------------------------------------------------------------------------------------- by mode


@every_session
def test_errors_by_mode_are_the_report(name: str) -> None:
    session = SESSIONS[name]
    figure = drawn("modes", session)
    for item in items(session):
        modes, found = report(item.experiment).modes, curve(figure, item.label)
        ranks = found.x.astype(int) - 1
        assert (ranks[0], ranks[-1]) == (0, len(modes.error) - 1)
        assert len(ranks) == len(modes.error) or 300 < len(ranks) <= 600
        error = modes.error.numpy()[ranks]
        np.testing.assert_array_equal(found.y, np.where(np.isfinite(error), error, np.nan))
    line = figure.marks[0]
    assert isinstance(line, Line)
    assert (line.at, line.vertical) == (0.0, False)


@every_session
def test_the_spectrum_is_the_report(name: str) -> None:
    session = SESSIONS[name]
    figure, modes = drawn("spectrum", session), report(session.experiment).modes
    found, data = curve(figure, items(session)[0].label), curve(figure, "data λ")
    ranks = found.x.astype(int) - 1
    for values, expected in ((found.y, modes.variance), (data.y, modes.eigenvalue)):
        kept = expected.numpy()[ranks]
        np.testing.assert_array_equal(values, np.where((kept > 0) & np.isfinite(kept), kept, np.nan))


@pytest.mark.parametrize("name", ["default", "zeros", "one mode", "pins", "many modes"])
def test_shares_add_up_to_the_squared_total(name: str) -> None:
    session = SESSIONS[name]
    figure = drawn("shares", session)
    for item in items(session):
        found, modes = curve(figure, item.label), report(item.experiment).modes
        squares = modes.error.numpy() ** 2 + modes.mean_error.numpy() ** 2
        ranks = found.x.astype(int)
        expected = [squares[:rank].sum() / error_of(item.experiment) ** 2 for rank in ranks.tolist()]
        assert found.y.tolist() == pytest.approx(expected, rel=1e-9)
        assert found.y[-1] == pytest.approx(1.0, rel=1e-9)


def test_what_the_figures_by_mode_cannot_draw_is_told() -> None:
    assert drawn("spectrum", SESSIONS["zeros"]).note == "2 eigenvalues are zero and have no place on this axis."
    assert drawn("spectrum", Session()).note == ""
    count = int((~report(INFINITE.experiment).modes.is_stable).sum())
    assert count > 0
    sentence = f"{count} of the modes are unstable: a step overshoots by more than it corrects."
    assert drawn("modes", INFINITE).note == sentence


# ------------------------------------------------------------------------------------------------- by source


@every_session
def test_bars_are_the_report(name: str) -> None:
    session = SESSIONS[name]
    shown, figure = items(session), drawn("sources", session)
    assert figure.categories == ("total", "discretization", "initialization", "truncation")
    assert len(figure.marks) == len(shown)
    places: list[float] = []
    for item, bars in zip(shown, figure.marks, strict=True):
        assert isinstance(bars, Bars)
        expected = [error_of(item.experiment, source) for source in figure.categories]
        assert bars.height.tolist() == equal([value if np.isfinite(value) else np.nan for value in expected])
        assert bars.base.tolist() == [0.0] * 4
        assert np.round(bars.x).tolist() == [0.0, 1.0, 2.0, 3.0]
        places += [*(bars.x - bars.width / 2), *(bars.x + bars.width / 2)]
    # No two bars overlap.
    ordered = sorted((float(x), bars.width) for bars in figure.marks if isinstance(bars, Bars) for x in bars.x)
    assert all(b[0] - a[0] > (a[1] + b[1]) / 2 for a, b in pairwise(ordered))
    assert -0.5 < min(places) < max(places) < 3.5


def test_the_total_is_told_where_one_is_shown() -> None:
    assert drawn("sources", Session()).note == f"total W₂ = {error_of(Experiment()):.6g}"
    assert drawn("sources", INFINITE).note == "Heun diverges (W₂ = ∞)."


# ------------------------------------------------------------------------------------------------- the sweep


@pytest.mark.parametrize(
    ("name", "swept"),
    [("default", "sampler.stochasticity"), ("zeros", "grid.stop"), ("samplers and grids", "grid.rho")],
)
def test_the_least_of_a_sweep_is_the_least(name: str, swept: str) -> None:
    session = replace(SESSIONS[name], swept=swept)
    figure = drawn("sweep", session)
    least, found = points(figure), curve(figure, items(session)[0].label)
    (value,), (height,) = least.x.tolist(), least.y.tolist()
    assert height == np.nanmin(found.y)
    assert value == found.x[int(np.nanargmin(found.y))]
    family, _, field = swept.partition(".")
    number = sweep.numeric_paths(session.experiment)[swept]
    assert least.label == f"least at {number.symbol} = {value:.4g}"

    def at(swept_value: float) -> float:
        part = replace(getattr(session.experiment, family), **{field: swept_value})
        return error_of(replace(session.experiment, **{family: part}))

    assert height == equal(at(value))
    for other in found.x[:: max(1, len(found.x) // 6)].tolist():
        assert found.y[found.x == other].tolist() == [equal(at(other))]
        assert at(other) >= height
    assert number.help in figure.x.label
    assert swept in figure.title


def test_what_cannot_be_swept_is_told() -> None:
    figure = drawn("sweep", Session(swept="sampler.eta"))
    assert figure.marks == ()
    assert figure.note == "Choose a number to sweep: right-click its row."


# --------------------------------------------------------------------------------------------- paths and levels


@pytest.mark.parametrize("name", ["default", "EDM", "zeros", "one mode", "listed grid", "many modes", "followed"])
def test_variances_end_at_the_report_and_beside_them_run_the_exact_ones(name: str) -> None:
    session = SESSIONS[name]
    figure, modes = drawn("paths", session), report(session.experiment).modes
    curves = [mark for mark in figure.marks if isinstance(mark, Curve)]
    assert curves[1].label == "exact"
    process = session.experiment.process
    for sampled, exact in zip(curves[::2], curves[1::2], strict=True):
        rank = int(sampled.label.split()[1]) - 1
        eigenvalue = float(modes.eigenvalue[rank])
        assert sampled.label == f"mode {rank + 1} (λ = {eigenvalue:.3g})"
        assert sampled.y[-1] == equal(float(modes.variance[rank]) or np.nan)
        times = session.experiment.times
        for k in (0, -1):
            variance = float(process.alpha(times[k])) ** 2 * eigenvalue + float(process.sigma(times[k])) ** 2
            assert (exact.x[k], exact.y[k]) == (float(times[k]), equal(variance or np.nan))
    ranks = [int(mark.label.split()[1]) for mark in curves[::2]]
    count = len(modes.eigenvalue)
    # Those that a person follows, as far as there are any; otherwise a few over the whole spectrum.
    assert ranks == [2, 64] if name == "followed" else {1, count} <= set(ranks)
    assert len(ranks) <= 4


@pytest.mark.parametrize("kind", PROCESSES)
def test_levels_are_those_of_the_process(kind: type[Process]) -> None:
    session = usual(kind)
    process, times = session.experiment.process, session.experiment.times
    figure = drawn("process", session)
    ratio = (process.sigma(times) / process.alpha(times)).numpy()
    drawable = np.where((ratio > 0) & np.isfinite(ratio), ratio, np.nan)
    grid = points(figure)
    np.testing.assert_allclose(grid.y, drawable, rtol=1e-14)
    np.testing.assert_array_equal(grid.x, times.numpy())
    for label, level in (("signal α", process.alpha), ("noise σ", process.sigma)):
        found = curve(figure, label)
        assert (found.x[0], found.x[-1]) == (float(times[-1]), float(times[0]))
        end = float(level(times[0]))
        assert found.y[-1] == equal(end if end > 0 else np.nan)
    steps = curve(drawn("grid", session), items(session)[0].label)
    np.testing.assert_allclose(steps.y, drawable, rtol=1e-14)
    assert steps.x.tolist() == list(range(21))
    snr = points(drawn("snr", session))
    inside = np.isfinite(drawable)
    np.testing.assert_allclose(snr.y[inside], -2 * np.log(drawable[inside]), rtol=1e-12, atol=1e-13)
    assert np.isnan(snr.y[~inside]).all()


def test_every_grid_is_drawn_once_for_every_cost_of_a_step() -> None:
    figure = drawn("grid", SESSIONS["samplers and grids"])
    grids = ("Karras", "LogUniform", "AlignYourSteps")
    assert [mark.label for mark in figure.marks] == [f"{name} · {grid}" for name in ("DDIM", "Heun") for grid in grids]
    # Of the samplers with one evaluation a step the first stands for all; Heun spends two.
    first, heun = drawn("grid", SESSIONS["eight compared"]).marks
    assert isinstance(first, Curve)
    assert isinstance(heun, Curve)
    assert (first.label, heun.label) == ("EulerMaruyama", "Heun")
    assert first.x.tolist() == list(range(51))
    assert heun.x.tolist() == [2.0 * k for k in range(51)]
    np.testing.assert_array_equal(first.y, heun.y)
    # A last step to zero noise costs EDM's Heun one evaluation.
    grid = Karras(steps=4, start=80.0, stop=2e-3, to_zero=True)
    (saving,) = drawn("grid", Session(experiment=Experiment(process=EDM(), grid=grid, sampler=EDMHeun()))).marks
    assert isinstance(saving, Curve)
    assert saving.x.tolist() == [0.0, 2.0, 4.0, 6.0, 7.0]


def test_grids_of_one_kind_are_told_apart() -> None:
    session = Session(grids=(Karras(rho=3.0), Karras(rho=9.0)))
    labels = [mark.label for mark in drawn("grid", session).marks]
    assert len(labels) == len(set(labels)) == 3


# --------------------------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("name", ["convergence", "time", "sources", "sweep"])
def test_a_divergence_is_a_gap_and_a_sentence(name: str) -> None:
    figure = drawn(name, INFINITE)
    assert "diverges (W₂ = ∞)" in figure.note
    assert np.isfinite(values_along(figure.marks, "y")).all()


def test_where_a_scheme_diverges_is_told() -> None:
    # One evaluation a step of three, and only the last step of the way is to zero noise.
    assert drawn("sweep", INFINITE).note == "Heun diverges (W₂ = ∞) for t_N = 0."
    assert drawn("time", INFINITE).note == "Heun diverges (W₂ = ∞) for t = 0."
    x, y = np.array([2.0, 4.0, 8.0]), np.array([np.inf, np.inf, 1.0])
    assert divergence_note("A", x, y, "NFE") == "A diverges (W₂ = ∞) for NFE from 2 to 4."
    assert divergence_note("A", x, y[::-1][:1].repeat(3), "NFE") == ""
    assert divergence_note("A", x, np.array([1.0, np.nan, np.inf]), "ε") == "A diverges (W₂ = ∞) for ε = 8."


def scales() -> list[tuple[str, Axis, Callable[[Axis], bool]]]:
    """Axes that a plot needs to be read."""
    convergence_plot, modes = drawn("convergence", Session()), drawn("modes", Session())
    stop = drawn("sweep", Session(swept="grid.stop"))
    return [
        ("NFE", convergence_plot.x, lambda axis: isinstance(axis.scale, Log)),
        ("W2", convergence_plot.y, lambda axis: isinstance(axis.scale, Log)),
        ("signed error", modes.y, lambda axis: isinstance(axis.scale, Symlog)),
        ("stop time, where 0 is legal", stop.x, lambda axis: isinstance(axis.scale, Symlog)),
        ("stochasticity", drawn("sweep", Session()).x, lambda axis: isinstance(axis.scale, Linear)),
        ("equal steps in sigma", drawn("time", usual(EDM)).x, lambda axis: isinstance(axis.scale, Linear)),
        (
            "sigma on a Karras grid",
            drawn("time", SESSIONS["samplers and grids"]).x,
            lambda axis: isinstance(axis.scale, Log),
        ),
    ]


def test_axes_suit_their_values() -> None:
    for name, axis, suits in scales():
        assert suits(axis), name


def test_zero_has_a_place_on_an_axis_of_a_sweep() -> None:
    figure = drawn("sweep", Session(swept="grid.stop"))
    found = curve(figure, "EulerMaruyama")
    assert found.x[0] == 0.0
    placed = figure.x.scale.forward(found.x)
    assert np.isfinite(placed).all()
    assert np.all(np.diff(placed) > 0)


def test_figures_hold_what_dataclasses_say() -> None:
    # `parts` above would miss an array that is hidden in another field.
    names = {field.name for kind in (Curve, Points, Bars, Heat) for field in dataclasses.fields(kind)}
    assert names == {"label", "x", "y", "style", "error", "height", "base", "width", "draggable", "values", "scale"}
