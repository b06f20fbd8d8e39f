"""The plots of the tab Budget and the one of stochasticity: their numbers, found another way, and what a mouse does."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.marks import Curve, Figure, Heat, Log, Points, Symlog
from explorer.plots import PLOTS
from explorer.plots.steps import APART, MOST_POINTS, rivals
from explorer.session import Session
from kernels.analyses.convergence import step_counts
from kernels.analyses.expansion import expansion
from kernels.analyses.sweep import best_value, sweep_over, with_value, zero_and_decades
from kernels.experiment import Experiment
from kernels.grids import Karras, Optimal, Tabulated, Uniform
from kernels.processes import EDM, Brownian, FlowMatching, VEGeometric, VPCosine
from kernels.report import report
from kernels.samplers import (
    DDIM,
    DPMSolverPP2M,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    ShapedEulerMaruyama,
    TabulatedEulerMaruyama,
)
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Marginal

BY_NAME = {plot.name: plot for plot in PLOTS}
SMALL = Custom(eigenvalues=(4.0, 1.0, 0.25, 0.05, 0.01), mean=0.3)
ON_EDM = Experiment(
    spectrum=SMALL,
    process=EDM(),
    grid=Karras(steps=6, start=80.0, stop=2e-3),
    sampler=EulerMaruyama(stochasticity=0.2),
)
TO_ZERO = replace(ON_EDM, grid=Karras(steps=6, start=80.0, stop=2e-3, to_zero=True), sampler=DDIM())
FLOW = Experiment(
    spectrum=SMALL, process=FlowMatching(), grid=Uniform(steps=6, start=1.0, stop=0.0), sampler=FlowEuler()
)
ZEROS = Experiment(spectrum=Custom(eigenvalues=(1.0, 0.0)), grid=Uniform(steps=6))
ZEROS50 = replace(ZEROS, grid=Uniform(steps=50))
INFINITE = Experiment(spectrum=Custom(eigenvalues=(1.0, 0.0)), grid=Uniform(steps=6, stop=0.0), sampler=Heun())
DIVERGING = replace(ON_EDM, grid=Uniform(steps=5, start=80.0, stop=2e-3), sampler=EulerMaruyama(stochasticity=50.0))


def drawn(name: str, experiment: Experiment) -> Figure:
    return BY_NAME[name].draw(Session(experiment=experiment))


def total(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.total)


def curves(figure: Figure) -> dict[str, Curve]:
    return {mark.label: mark for mark in figure.marks if isinstance(mark, Curve)}


def points(figure: Figure, label: str) -> Points:
    (found,) = [mark for mark in figure.marks if isinstance(mark, Points) and mark.label.startswith(label)]
    return found


def heat(figure: Figure) -> Heat:
    (found,) = figure.marks
    assert isinstance(found, Heat)
    return found


# ---------------------------------------------------------------------------------------------------- the budget


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(),
        ON_EDM,
        TO_ZERO,
        FLOW,
        ZEROS,
        replace(ON_EDM, sampler=DPMSolverPP2M()),
        replace(ON_EDM, sampler=Heun()),
        replace(ON_EDM, grid=Karras(steps=1, start=80.0, stop=2e-3)),
        DIVERGING,
    ],
    ids=["default", "EDM", "to zero", "flow", "zeros", "two steps", "Heun", "one step", "far off"],
)
def test_the_parts_of_a_row_add_up_to_the_error_of_its_mode(experiment: Experiment) -> None:
    found = heat(drawn("budget", experiment))
    modes = report(experiment).modes
    law, process, end = experiment.spectrum.law(), experiment.process, experiment.times[-1:]
    exact = process.marginal(law, end.unsqueeze(1)).variance[0].numpy()
    variance = modes.variance.numpy()
    # What a wrong start leaves is carried by the responses of all steps; without it the row is the rest.
    response = start_left(experiment)
    error = np.sqrt(variance) - np.sqrt(exact)
    scale = np.abs(found.values).sum(1) + 1e-13
    np.testing.assert_array_less(np.abs(found.values.sum(1) + response - error), 1e-9 * scale + 1e-12)
    assert found.values.shape == (len(variance), len(experiment.times) - 1)
    assert found.x.tolist() == list(range(len(experiment.times)))
    np.testing.assert_allclose(found.centers[1], np.arange(len(variance)) + 1)


def start_left(experiment: Experiment) -> np.ndarray:
    """Part of the deviation that is there because the first law is not that of the noised data."""
    began, exact = (report(each).modes for each in (experiment, replace(experiment, start=Marginal())))
    law, process, end = experiment.spectrum.law(), experiment.process, experiment.times[-1:]
    final = process.marginal(law, end.unsqueeze(1)).variance[0].numpy()
    off = began.variance.numpy() - exact.variance.numpy()
    return off / (np.sqrt(began.variance.numpy()) + np.sqrt(final))


def test_colors_are_signed_and_many_modes_and_steps_are_taken_together() -> None:
    many = Experiment(spectrum=PowerLaw(modes=3072), grid=Uniform(steps=1000))
    found = heat(drawn("budget", many))
    assert isinstance(found.scale, Symlog)
    assert 0 < found.scale.threshold < np.abs(found.values).max()
    rows, columns = found.values.shape
    assert rows <= 160
    assert columns <= 250
    assert (found.x[0], found.x[-1]) == (0, 1000)
    assert (found.centers[1][0], found.y[-1]) == (1, 3072.5)
    error = report(many).modes
    final = np.sqrt(many.process.marginal(many.spectrum.law(), many.times[-1:].unsqueeze(1)).variance[0].numpy())
    # The first and the last mode are always there.
    for row, mode in ((0, 0), (-1, 3071)):
        exact = math.sqrt(float(error.variance[mode])) - final[mode]
        assert found.values[row].sum() == pytest.approx(exact, rel=1e-5)


def test_a_diverging_budget_says_so() -> None:
    figure = drawn("budget", INFINITE)
    assert figure.note.endswith("Some parts are infinite: the run diverges.")
    assert np.isfinite(heat(figure).values[0]).all()
    assert "diverges" not in drawn("budget", ON_EDM).note


def test_the_wrong_start_is_told_by_its_size() -> None:
    assert "Not shown: what the wrong start leaves" in drawn("budget", ON_EDM).note
    assert "wrong start" not in drawn("budget", replace(ON_EDM, start=Marginal())).note


def test_the_spectrum_stands_beside_the_budget_with_the_same_ranks() -> None:
    figure, rows = drawn("spectrum_beside", ON_EDM), drawn("budget", ON_EDM)
    assert figure.x.label == rows.y.label == "rank i"
    np.testing.assert_array_equal(curves(figure)["data λ"].x, heat(rows).centers[1])


# --------------------------------------------------------------------------------------------------- the theory


@pytest.mark.parametrize("experiment", [Experiment(grid=Uniform(steps=12)), ON_EDM, FLOW], ids=["VP", "EDM", "flow"])
def test_the_line_is_the_theory_and_the_curve_the_reports(experiment: Experiment) -> None:
    figure = drawn("theory", experiment)
    predicted = expansion(experiment)
    assert predicted is not None
    line = curves(figure)[f"theory: {predicted.n_wasserstein2:.4g}/N"]
    np.testing.assert_allclose(line.y * line.x, predicted.n_wasserstein2, rtol=1e-14)
    exact = curves(figure)["exact"]
    assert exact.x.tolist() == line.x.tolist() == list(step_counts(experiment, 8))
    for steps, error in list(zip(exact.x.tolist(), exact.y.tolist(), strict=True))[::3]:
        grid = experiment.grid
        assert isinstance(grid, (Uniform, Karras))
        other = report(replace(experiment, grid=replace(grid, steps=int(steps))))
        assert error == pytest.approx(float(other.wasserstein2.discretization), rel=1e-9)
    # The theory is where the exact error goes.
    away = np.abs(np.log(exact.y / line.y))
    assert away[-1] < min(0.7, 0.5 * away[0])
    at = points(figure, "present N")
    assert at.x.tolist() == [len(experiment.times) - 1]
    assert at.y.tolist() == [pytest.approx(float(report(experiment).wasserstein2.discretization))]


@pytest.mark.parametrize(
    "experiment",
    [replace(ON_EDM, sampler=Heun()), TO_ZERO, Experiment(grid=Tabulated(), sampler=DDIM())],
    ids=["order 2", "to zero", "list"],
)
def test_where_there_is_no_theory_it_is_told(experiment: Experiment) -> None:
    figure = drawn("theory", experiment)
    assert list(curves(figure)) == ["exact"]
    assert "No first-order theory here" in figure.note


def test_the_note_says_when_the_theory_can_be_trusted_and_why_not() -> None:
    fine, coarse = Experiment(grid=Uniform(steps=1000)), Experiment(grid=Uniform(steps=5))
    assert drawn("theory", fine).note.endswith("the theory can be trusted.")
    assert drawn("theory", coarse).note.endswith("rad: the theory can be trusted below 0.3.")
    # Small angles, but unstable modes: a note that names the angle alone would contradict itself.
    predicted = expansion(ZEROS50)
    assert predicted is not None
    assert predicted.largest_angle < 0.3
    assert not predicted.in_regime
    assert "unstable" in drawn("theory", ZEROS50).note


# ------------------------------------------------------------------------------------------------------ the grid


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(grid=Uniform(steps=12)),
        ON_EDM,
        TO_ZERO,
        FLOW,
        ZEROS,
        replace(ON_EDM, grid=Karras(steps=1, start=80.0, stop=2e-3)),
        replace(ON_EDM, grid=Tabulated(values=(40.0, 3.0, 0.5, 0.01))),
        DIVERGING,
    ],
    ids=["VP", "EDM", "to zero", "flow", "zeros", "one step", "list", "far off"],
)
def test_every_grid_has_its_error_in_the_legend(experiment: Experiment) -> None:
    figure = drawn("steps", experiment)
    shown = curves(figure)
    assert list(shown)[-1] == f"{total(experiment):.3g} this grid"
    names = [type(grid).__name__ for grid in rivals(experiment)]
    # With a single step the ends leave nothing to choose.
    assert "Optimal" in names or len(experiment.times) == 2
    for grid in rivals(experiment):
        other = replace(experiment, grid=grid)
        name = type(grid).__name__ if hasattr(grid, "stop") else "AYS SD1.5"
        (label,) = [label for label in shown if label.endswith(f" {name}")]
        # Three digits, the last of which may be rounded the other way.
        assert float(label.split()[0]) == pytest.approx(total(other), rel=6e-3)
        ratio = other.process.noise_ratio(other.times).numpy()
        np.testing.assert_array_equal(shown[label].y, np.where((ratio > 0) & np.isfinite(ratio), ratio, np.nan))
        assert len(other.times) == len(experiment.times)
        # A grid that cannot reach infinite noise begins where it can.
        if name != "AYS SD1.5" and experiment is not FLOW:
            assert other.times[[0, -1]].tolist() == experiment.times[[0, -1]].tolist()
    assert isinstance(figure.y.scale, Log)
    (movable,) = [mark for mark in figure.marks if isinstance(mark, Points)]
    assert movable.draggable
    assert movable.x.tolist() == list(range(len(experiment.times)))
    ends = "Levels of s = 0 or s = ∞ have no place on this axis."
    assert (ends in figure.note) is bool(np.isnan(movable.y).any())


def test_the_same_times_are_not_drawn_twice() -> None:
    for experiment in (Experiment(grid=Uniform(steps=12)), ON_EDM, TO_ZERO, FLOW):
        present = experiment.times.tolist()
        assert all(replace(experiment, grid=grid).times.tolist() != present for grid in rivals(experiment))


def test_a_grid_of_very_many_levels_is_drawn_but_not_by_hand() -> None:
    few, many = (drawn("steps", Experiment(grid=Uniform(steps=steps))) for steps in (MOST_POINTS - 1, MOST_POINTS))
    assert any(isinstance(mark, Points) for mark in few.marks)
    assert not any(isinstance(mark, Points) for mark in many.marks)
    assert many.hint == f"Grids of more than {MOST_POINTS} levels are not drawn by hand."


def test_the_optimal_grid_beats_the_others_where_the_errors_add_up() -> None:
    labels = list(curves(drawn("steps", Experiment(grid=Uniform(steps=50)))))
    errors = {label.split(" ", 1)[1]: float(label.split()[0]) for label in labels}
    assert errors["Optimal"] == min(errors.values())


def test_a_rival_that_is_not_defined_is_left_out_and_the_plot_stays() -> None:
    shown = list(curves(drawn("steps", INFINITE)))
    assert shown[-1] == "inf this grid"
    assert len(shown) > 2


# ------------------------------------------------------------------------------------------------ drawn by hand

MOVED: dict[str, Experiment] = {
    "VP": Experiment(grid=Uniform(steps=6)),
    "cosine": Experiment(process=VPCosine(), grid=Uniform(steps=6, start=0.99), sampler=DDIM()),
    "VE": Experiment(process=VEGeometric(), grid=Uniform(steps=6)),
    "EDM": ON_EDM,
    "Brownian": Experiment(process=Brownian(), grid=Uniform(steps=6, start=100.0)),
    "flow": FLOW,
    "to zero": TO_ZERO,
    "one step": Experiment(grid=Uniform(steps=1)),
    "close": Experiment(grid=Tabulated(values=(1.0, 0.5, 0.49999, 0.49998, 0.1)), sampler=Heun()),
    "optimal": replace(ON_EDM, grid=Optimal(steps=6, start=80.0, stop=2e-3)),
}


def moved(session: Session, values: dict[int, float], *, snap: bool = False) -> Session:
    move = BY_NAME["steps"].move
    assert move is not None
    return move(session, tuple(values), tuple(values.values()), snap)


def ratios(experiment: Experiment) -> list[float]:
    return experiment.process.noise_ratio(experiment.times).tolist()


@pytest.mark.parametrize("name", MOVED)
@settings(max_examples=10)
@given(data=st.data())
def test_times_decrease_and_what_is_not_moved_stays_for_any_drag(name: str, data: st.DataObject) -> None:
    experiment = MOVED[name]
    before, held = experiment.times.tolist(), ratios(experiment)
    # On a logarithmic axis only these have a place.
    places = [k for k, ratio in enumerate(held) if 0 < ratio < math.inf]
    chosen = sorted(data.draw(st.sets(st.sampled_from(places), min_size=1)))
    up = data.draw(st.sampled_from([0.1, -0.1, 2.0, -2.0, 12.0, -12.0, 30.0, -30.0, 290.0, -290.0]))
    # A person moves all by the same distance; `move` may be asked for any.
    apart = data.draw(st.lists(st.floats(-1.0, 1.0), min_size=len(chosen), max_size=len(chosen)))
    alike = data.draw(st.booleans())
    values = {k: held[k] * 10.0 ** (up + (0.0 if alike else d)) for k, d in zip(chosen, apart, strict=True)}
    after = moved(Session(experiment=experiment), values, snap=data.draw(st.booleans()))
    times = after.experiment.times.tolist()
    assert len(times) == len(before)
    assert all(a > b for a, b in pairwise(times))
    assert [times[k] for k in range(len(times)) if k not in chosen] == [
        before[k] for k in range(len(times)) if k not in chosen
    ]
    assert 0 <= times[-1] < times[0] <= experiment.process.last


@pytest.mark.parametrize("name", MOVED)
def test_a_drag_within_the_neighbors_goes_where_it_is_told(name: str) -> None:
    experiment = MOVED[name]
    held = ratios(experiment)
    for k in range(1, len(held) - 1):
        low, high = max(held[k + 1], 1e-3 * held[k]), min(held[k - 1], 1e3 * held[k])
        if high / low < (1 + 3 * APART) ** 2:
            continue
        wanted = low**0.4 * high**0.6
        after = moved(Session(experiment=experiment), {k: wanted})
        assert ratios(after.experiment)[k] == pytest.approx(wanted, rel=1e-9)
        assert after.experiment.grid != experiment.grid
        assert isinstance(after.experiment.grid, Tabulated)
        assert replace(after.experiment, grid=experiment.grid) == experiment


def test_a_point_stops_short_of_its_neighbors() -> None:
    held = ratios(ON_EDM)
    up = ratios(moved(Session(experiment=ON_EDM), {3: 1e9}).experiment)
    down = ratios(moved(Session(experiment=ON_EDM), {3: 1e-9}).experiment)
    # By a factor of 1 + APART, or of 1 - APART; they differ by its square.
    assert up[3] == pytest.approx(held[2] * (1 - APART), rel=2 * APART**2)
    assert down[3] == pytest.approx(held[4] * (1 + APART), rel=2 * APART**2)


def test_the_ends_stay_within_the_process() -> None:
    session = Session(experiment=ON_EDM)
    highest = float(moved(session, {0: 1e9}).experiment.times[0])
    assert highest == pytest.approx(80.0, rel=1e-12)
    assert highest <= 80.0
    assert moved(session, {0: 60.0}).experiment.times[0] == 60.0
    assert moved(session, {6: 1e-4}).experiment.times[-1] == 1e-4
    assert 0 <= float(moved(session, {6: 1e-300}).experiment.times[-1]) < 1e-6
    # The last step to zero noise is kept while others move.
    assert moved(Session(experiment=TO_ZERO), {3: 1.0}).experiment.times[-1] == 0.0
    # As are both ends of a flow, where s is 0 and infinite.
    ends = moved(Session(experiment=FLOW), {3: 0.7}).experiment.times
    assert (float(ends[0]), float(ends[-1])) == (1.0, 0.0)


def test_snapping_rounds_to_two_digits() -> None:
    wanted = math.sqrt(ratios(ON_EDM)[2] * ratios(ON_EDM)[3])
    session = Session(experiment=ON_EDM)
    snapped = ratios(moved(session, {3: wanted}, snap=True).experiment)[3]
    assert snapped == float(f"{wanted:.1e}")
    assert ratios(moved(session, {3: wanted}).experiment)[3] == wanted
    assert snapped != wanted


@pytest.mark.parametrize("name", MOVED)
def test_no_distance_gives_the_very_same_session(name: str) -> None:
    session = Session(experiment=MOVED[name])
    held = ratios(MOVED[name])
    movable = {k: ratio for k, ratio in enumerate(held) if 0 < ratio < math.inf}
    assert moved(session, movable) is session
    assert moved(session, {1: held[1]}) is session


def test_a_first_level_of_infinite_noise_stays_finite_where_the_sampler_needs_it() -> None:
    """The reverse equation has no first step from infinite noise: dragging as far as one can stops before."""
    session = Session(experiment=Experiment(process=VPCosine(), grid=Uniform(steps=6, start=0.9)))
    after = moved(session, {0: 1e20}).experiment
    assert 0.99 < float(after.times[0]) < after.process.singular
    assert 1e3 < ratios(after)[0] < math.inf
    assert after.times[1:].tolist() == session.experiment.times[1:].tolist()
    assert math.isfinite(total(after))


# ------------------------------------------------------------------------------------------------ stochasticity


def clicked(experiment: Experiment, x: float) -> Session:
    click = BY_NAME["stochasticity"].click
    assert click is not None
    return click(Session(experiment=experiment), x, 1.0)


CHOSEN = {
    "Euler": (ON_EDM, "sampler.stochasticity", "ε"),
    "DDIM": (replace(ON_EDM, sampler=DDIM(eta=0.5)), "sampler.eta", "η"),
    "shaped": (replace(ON_EDM, sampler=ShapedEulerMaruyama()), "sampler.level", "ε"),
}
every_chosen = pytest.mark.parametrize("name", CHOSEN)


@every_chosen
def test_the_optimum_beats_a_scan(name: str) -> None:
    experiment, path, symbol = CHOSEN[name]
    figure = drawn("stochasticity", experiment)
    least = points(figure, "least")
    (value,), (height,) = least.x.tolist(), least.y.tolist()
    assert least.label == f"least, {height:.4g} at {symbol} = {value:.4g}"
    assert height == pytest.approx(total(with_value(experiment, path, value)), rel=1e-4)
    top = 1.0 if path.endswith("eta") else 2.0
    scan = min(total(with_value(experiment, path, other)) for other in np.linspace(0, top, 21).tolist())
    assert height <= scan * (1 + 1e-6)
    # And it is no better than what a fine scan around it finds.
    near = [total(with_value(experiment, path, value * (1 + k / 200))) for k in range(-10, 11)]
    assert height <= min(near) * (1 + 1e-4)


@every_chosen
def test_the_curve_is_the_reports_with_the_present_value_on_it(name: str) -> None:
    experiment, path, symbol = CHOSEN[name]
    figure = drawn("stochasticity", experiment)
    found = curves(figure)["W₂"]
    assert found.x[0] == 0.0
    assert np.all(np.diff(found.x) > 0)
    for x, y in list(zip(found.x.tolist(), found.y.tolist(), strict=True))[::5]:
        assert y == pytest.approx(total(with_value(experiment, path, x)), rel=1e-9)
    at = points(figure, "present")
    assert at.x.tolist() == [getattr(experiment.sampler, path.split(".")[1])]
    assert at.y.tolist() == [pytest.approx(total(experiment), rel=1e-9)]
    assert figure.x.label == f"stochasticity {symbol}"


@every_chosen
def test_a_click_sets_the_optimum_where_it_is_near_and_the_value_elsewhere(name: str) -> None:
    experiment, path, _symbol = CHOSEN[name]
    field = path.split(".")[1]
    (best,) = points(drawn("stochasticity", experiment), "least").x.tolist()

    def at(x: float) -> float:
        chosen = clicked(experiment, x).experiment
        value = float(getattr(chosen.sampler, field))
        assert chosen == with_value(experiment, path, value)
        return value

    assert at(best) == at(best * 1.14) == at(best * 0.86) == best
    assert at(0.87654321) == 0.877
    assert at(best * 1.3 + 1e-2) == float(f"{best * 1.3 + 1e-2:.3g}")


def test_clicks_off_the_range_are_brought_into_it_or_refused() -> None:
    assert clicked(ON_EDM, -3.0).experiment.sampler == EulerMaruyama(stochasticity=0.0)
    for nonsense in (math.inf, math.nan):
        with pytest.raises(ValueError, match=r"^EulerMaruyama\.stochasticity \(ε\) must lie in"):
            clicked(ON_EDM, nonsense)
    assert clicked(ON_EDM, 7.0).experiment.sampler == EulerMaruyama(stochasticity=7.0)


@pytest.mark.parametrize(
    "sampler", [Heun(), DPMSolverPP2M(), TabulatedEulerMaruyama()], ids=lambda one: type(one).__name__
)
def test_samplers_without_stochasticity_say_so(sampler: Heun) -> None:
    experiment = replace(ON_EDM, sampler=sampler)
    figure = drawn("stochasticity", experiment)
    assert figure.marks == ()
    assert figure.note.startswith(f"{type(sampler).__name__} has no stochasticity; choose ")
    session = Session(experiment=experiment)
    click = BY_NAME["stochasticity"].click
    assert click is not None
    assert click(session, 0.5, 1.0) is session


@pytest.mark.parametrize(
    "experiment",
    [ZEROS, DIVERGING, Experiment(spectrum=SMALL, grid=Uniform(steps=1), sampler=ExponentialIntegrator())],
    ids=["zeros", "far off", "one step"],
)
def test_the_optimum_is_found_in_odd_cases(experiment: Experiment) -> None:
    figure = drawn("stochasticity", experiment)
    (height,) = points(figure, "least").y.tolist()
    assert height <= np.nanmin(curves(figure)["W₂"].y)
    assert height <= total(experiment)


def test_where_only_the_flow_is_defined_the_plot_shows_it() -> None:
    only = Experiment(
        process=FlowMatching(),
        grid=Uniform(start=1.0, stop=0.0, steps=6),
        sampler=EulerMaruyama(stochasticity=0.0),
    )
    found = sweep_over(only, "sampler.stochasticity", (0.0, 0.5))
    assert np.isnan(found.total).tolist() == [False, True]
    figure = drawn("stochasticity", only)
    assert points(figure, "least").x.tolist() == [0.0]
    assert clicked(only, 1e-6).experiment == only


def test_values_to_sweep_begin_at_zero_and_hold_the_present_one() -> None:
    values = zero_and_decades(with_value(ON_EDM, "sampler.stochasticity", 9.0), "sampler.stochasticity", 5)
    assert (values[0], values[1], values[-1]) == (0.0, pytest.approx(9e-3), 9.0)
    assert sorted(set(values)) == list(values)
    assert 0.2 in zero_and_decades(ON_EDM, "sampler.stochasticity")


def test_there_is_no_best_of_what_diverges() -> None:
    assert best_value(INFINITE, "process.beta_min", (0.1, 0.5, 1.0)) is None
