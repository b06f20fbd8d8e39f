"""The plots of transport as values: beside the coupling's own entries, and what they say where there is nothing."""

import csv
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.coupled import told
from explorer.export import to_csv, to_svg
from explorer.marks import Band, Cloud, Curve, Figure, Heat, Line, Linear, Log, Mark, Points, Segments, Shaded, Symlog
from explorer.plots import PLOTS, estimates
from explorer.plots.coupled import question_of
from explorer.plots.coupling import DISPLACEMENT, PARTNERS, POTENTIAL
from explorer.session import Session
from kernels.analyses import coupled, estimated
from kernels.analyses.coupled import Coupled, coupled_now
from kernels.analyses.estimated import LADDER, costs_now, effects_over, estimates_now, scales_of
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.pairs import Transport, TwoDraws, TwoFiles, TwoSamplers
from kernels.processes import EDM
from kernels.samplers import EDMHeun, Langevin
from kernels.scores import Network
from kernels.spectra import Custom, Mixture
from kernels.transport import (
    ESTIMATORS,
    SOLVERS,
    AnnealedSinkhorn,
    LowRankSinkhorn,
    OnlineSinkhorn,
    Sinkhorn,
    Solver,
    Status,
    UnbalancedSinkhorn,
)

Floats = NDArray[np.float64]
M = TypeVar("M", bound=Mark)

BY_NAME = {plot.name: plot for plot in PLOTS}
COUPLING = ("coupling", "plan", "iterations")
NAMES = (*COUPLING, "costs", "estimates", "estimates_points", "estimates_modes")
N = 80
ASKED = Transport(points=N, epsilon=0.1, solver=Sinkhorn(tolerance=1e-5))
THREE = Session(
    experiment=Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25)), grid=Uniform(steps=10)), transport=ASKED
)
SPIRAL = Session(
    experiment=Experiment(
        spectrum=Mixture(components=4), process=EDM(), grid=Karras(steps=4, start=80.0, stop=2e-3), sampler=EDMHeun()
    ),
    transport=ASKED,
)
LINES = ("couplings", "map", "debiased map", "none")
COLORS = ("clouds", "potential", "displacement", "partners")


@pytest.fixture(scope="module", autouse=True)
def quick_and_forgotten() -> Iterator[None]:
    """Fewer regularizations and points, and what is found is kept for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimated, "LADDER", LADDER[::2])
        patch.setattr(estimated, "SIZES", (20, 40))
        for module in (estimated, estimates):
            patch.setattr(module, "SIZE_OVER_MODES", 30)
        estimated.clear()
        yield
        estimated.clear()


@pytest.fixture
def afresh() -> Iterator[None]:
    estimated.clear()
    yield
    estimated.clear()


def asked(session: Session = THREE, /, **changes: object) -> Session:
    return replace(session, transport=replace(session.transport, **changes))


def drawn(name: str, session: Session = THREE) -> Figure:
    return BY_NAME[name].draw(session)


def whole(session: Session, *names: str) -> None:
    for name in names:
        further = BY_NAME[name].further
        assert further is not None
        further(session, lambda share: None)


def found(session: Session = THREE) -> Coupled:
    whole(session, "coupling")
    return coupled_now(question_of(session))


def entries(session: Session = THREE) -> Floats:
    return found(session).solution.coupling.whole().numpy()


def of(figure: Figure, kind: type[M]) -> list[M]:
    return [mark for mark in figure.marks if isinstance(mark, kind)]


def labels(figure: Figure) -> list[str]:
    return [mark.label for mark in figure.marks]


def curve(figure: Figure, label: str) -> Curve:
    (mark,) = [mark for mark in of(figure, Curve) if mark.label == label]
    return mark


def two_files(n: int, m: int, **changes: object) -> Session:
    rng = np.random.default_rng(5)
    np.save("x.npy", rng.normal(size=(n, 3)) * (2.0, 1.0, 0.3))
    np.save("y.npy", rng.normal(size=(m, 3)) * (1.0, 1.5, 0.3) + 1.0)
    return asked(THREE, clouds=TwoFiles(first="x.npy", second="y.npy"), **changes)


# --------------------------------------------------------------------------------------------------- the coupling


@pytest.mark.parametrize("lines", LINES)
@pytest.mark.parametrize("colors", COLORS)
def test_lines_and_colors_are_what_the_coupling_says(lines: str, colors: str) -> None:
    session = replace(asked(lines=lines, colors=colors), looked_at=(3, 1))
    masses, run = entries(session), found(session)
    figure = drawn("coupling", session)
    x, y = run.pair.points_x.numpy(), run.pair.points_y.numpy()
    assert (figure.x.label, figure.y.label, figure.equal) == ("mode 3", "mode 1", True)
    epsilon = 0.1 * (np.linalg.norm(x[:, None] - y, axis=2) ** 2).mean()
    assert figure.title == f"Coupling at ε = {epsilon:.4g}, 0.1 of the mean cost"
    first, last = figure.marks[0], figure.marks[-1]
    assert isinstance(first, Points)
    assert first.label == "data"
    np.testing.assert_array_equal([first.x, first.y], y[:, [2, 0]].T)
    assert isinstance(last, Points | Shaded)
    assert last.label == "generated"
    np.testing.assert_array_equal([last.x, last.y], x[:, [2, 0]].T)
    share = f"The strongest coupling of a point carries {100 * masses.max(1).sum() / masses.sum():.3g} % of its mass."
    assert figure.note == f"80 points of each.{' ' + share if lines == 'couplings' else ''}"
    pieces = of(figure, Segments)
    assert [mark.label for mark in pieces] == {
        "couplings": ["strongest couplings"],
        "map": ["barycentric map"],
        "debiased map": ["debiased map"],
        "none": [],
    }[lines]
    for mark in pieces:
        np.testing.assert_array_equal([mark.x0, mark.y0], x[:, [2, 0]].T)
        if lines == "couplings":
            np.testing.assert_array_equal([mark.x1, mark.y1], y[masses.argmax(1)][:, [2, 0]].T)
            # Areas are seen as shares: a strength is the root of one.
            np.testing.assert_allclose(mark.strength**2, masses.max(1) / masses.sum(1), rtol=1e-9)
        if lines == "map":
            sent = masses @ y / masses.sum(1, keepdims=True)
            np.testing.assert_allclose([mark.x1, mark.y1], sent[:, [2, 0]].T, rtol=1e-9, atol=1e-12)
        assert mark.arrows is (lines != "couplings")
    if isinstance(last, Shaded):
        assert last.values.shape == (N,)
        np.testing.assert_allclose(last.values, by_color(colors, masses, x, y, run), rtol=1e-7, atol=1e-9)
        assert (
            last.meaning
            == {
                "potential": POTENTIAL,
                "displacement": DISPLACEMENT,
                "partners": PARTNERS,
            }[colors]
        )
        assert isinstance(last.scale, Symlog if colors == "potential" else Linear)
    else:
        assert colors == "clouds"


def by_color(colors: str, masses: Floats, x: Floats, y: Floats, run: Coupled) -> Floats:
    """What points of the first cloud are colored by, from the entries alone."""
    if colors == "displacement":
        return np.linalg.norm(masses @ y / masses.sum(1, keepdims=True) - x, axis=1)
    if colors == "partners":
        rows = masses / masses.sum(1, keepdims=True)
        return np.exp(-(rows * np.log(np.maximum(rows, 1e-300))).sum(1))
    # From π = a b exp((f + g - c) / ε): what two entries of a column differ by.
    cost = np.linalg.norm(x[:, None] - y, axis=2) ** 2
    f = (run.problem.epsilon * np.log(np.maximum(masses, 1e-300)) + cost)[:, 0]
    return f - f.mean()


def test_many_points_are_drawn_as_their_density_and_few_lines_join_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.plots.coupling.MOST_POINTS", 50)
    monkeypatch.setattr("explorer.plots.coupling.MOST_LINES", 9)
    figure = drawn("coupling", asked(lines="map"))
    assert [(type(mark), mark.label) for mark in figure.marks] == [
        (Cloud, "data"),
        (Segments, "barycentric map"),
        (Cloud, "generated"),
    ]
    (pieces,) = of(figure, Segments)
    # An even choice of all points, the first and the last among them.
    places = [0, 10, 20, 30, 40, 49, 59, 69, 79]
    np.testing.assert_array_equal(pieces.x0, found().pair.points_x[places, 0])


@pytest.mark.parametrize("solver", [kind(most_iterations=30) for kind in SOLVERS], ids=lambda kind: type(kind).__name__)
def test_every_solver_is_drawn_and_can_be_exported(solver: Solver) -> None:
    session = asked(solver=solver, colors="potential")
    for name in (*COUPLING, "estimates"):
        for _ in range(2):
            figure = drawn(name, session)
            assert figure.marks
            tabulated(figure)
            # And once it is whole.
            whole(session, name)
    figure = drawn("coupling", session)
    if isinstance(solver, LowRankSinkhorn):
        assert figure.note.endswith(" LowRankSinkhorn finds no potentials: points have one color.")
        assert not of(figure, Shaded)
    else:
        assert of(figure, Shaded)
        assert "no potentials" not in figure.note


def tabulated(figure: Figure) -> None:
    """The table holds every mark, and of curves every point."""
    text = to_csv(figure, {"experiment": "a"}).decode()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert {row["mark"] for row in rows} == set(labels(figure))
    for mark in of(figure, Curve):
        assert sum(row["mark"] == mark.label for row in rows) >= len(mark.x)


def pictured(figure: Figure) -> None:
    """The picture is one, with its title as text."""
    root = ET.fromstring(to_svg(figure, {}))
    assert root.tag.endswith("svg")
    assert figure.title in "".join(root.itertext())


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_is_exported_before_and_after_the_work(afresh: None, name: str) -> None:
    tabulated(drawn(name))
    whole(THREE, name)
    tabulated(drawn(name))
    pictured(drawn(name))


def test_arrows_and_colors_are_exported() -> None:
    figure = drawn("coupling", asked(lines="map", colors="displacement"))
    pictured(figure)
    text = to_csv(figure, {}).decode()
    assert f"# value of generated: {DISPLACEMENT}" in text


def test_modes_that_are_not_there_are_told() -> None:
    beyond = replace(THREE, looked_at=(4, 1))
    figure = drawn("coupling", beyond)
    assert (figure.marks, figure.x.label) == ((), "mode 4")
    assert figure.note == "The clouds are compared in 3 coordinates; choose among them in the bar above."
    figure = drawn("plan", beyond)
    assert figure.marks == ()
    assert figure.note == "The clouds are compared in 3 coordinates; choose one in the bar above."
    # Only the first is in order along.
    assert drawn("plan", replace(THREE, looked_at=(1, 4))).marks
    assert not drawn("coupling", replace(THREE, looked_at=(1, 4))).marks


@pytest.mark.parametrize(
    ("clouds", "names"),
    [(TwoDraws(), ("data again", "data")), (TwoSamplers(), ("by the other sampler", "generated"))],
)
def test_clouds_have_their_names(clouds: TwoDraws | TwoSamplers, names: tuple[str, str]) -> None:
    session = asked(clouds=clouds)
    figure = drawn("coupling", session)
    assert (figure.marks[0].label, figure.marks[-1].label) == names
    figure = drawn("plan", session)
    assert figure.x.label == f"{names[0]}, point in order along mode 1"
    assert figure.y.label == f"{names[1]}, point in order along mode 1"


def test_files_are_drawn_along_their_principal_axes(here: Path) -> None:
    session = two_files(70, 60)
    figure = drawn("coupling", session)
    assert (figure.x.label, figure.y.label) == ("principal axis 1", "principal axis 2")
    assert labels(figure) == ["second file", "strongest couplings", "first file"]
    assert figure.note.startswith("70 and 60 points. ")
    (first,) = [mark for mark in of(figure, Points) if mark.label == "first file"]
    (second,) = [mark for mark in of(figure, Points) if mark.label == "second file"]
    x, y = np.load("x.npy"), np.load("y.npy")
    both = np.concatenate([x, y])
    along = np.linalg.svd(both - both.mean(0))[2][0]
    mine = np.concatenate([first.x, second.x])
    wanted = (both - both.mean(0)) @ along
    np.testing.assert_allclose(mine, wanted * np.sign(mine @ wanted), atol=1e-10)
    plan = drawn("plan", session)
    (cells,) = of(plan, Heat)
    assert cells.values.shape == (70, 60)
    assert (cells.x[0], cells.x[-1], cells.y[-1]) == (0.5, 60.5, 70.5)
    whole(session, *NAMES)
    for name in NAMES:
        tabulated(drawn(name, session))


def test_of_more_points_in_files_than_asked_is_told(here: Path) -> None:
    session = two_files(300, 60, points=50)
    whole(session, "coupling")
    assert drawn("coupling", session).note.startswith("50 points of each, of 300 and 60 points. ")


def test_files_of_points_still_to_come_are_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = two_files(300, 60, points=200)
    monkeypatch.setattr(coupled, "QUICK_POINTS", 40)
    assert drawn("coupling", session).note.startswith("40 points of each, on the way to 200. ")
    whole(session, "coupling")
    assert drawn("coupling", session).note.startswith("200 and 60 points, of 300 and 60 points. ")


def test_the_partners_of_a_point_are_its_row_of_the_coupling() -> None:
    session = replace(asked(lines="one point", point=7), looked_at=(2, 1))
    row, run = entries(session)[6], found(session)
    figure = drawn("coupling", session)
    assert labels(figure) == ["data", "generated", "partners, data", "point 7, generated"]
    (partners,), chosen = of(figure, Shaded), figure.marks[-1]
    shares = row / row.sum()
    kept = np.argsort(-shares)[: len(partners.values)]
    np.testing.assert_allclose(partners.values, shares[kept], rtol=1e-9)
    np.testing.assert_array_equal([partners.x, partners.y], run.pair.points_y.numpy()[kept][:, [1, 0]].T)
    # Those left out are a thousandth of the first one, or less.
    assert np.delete(shares, kept).max(initial=0.0) < 1e-3 * shares.max() <= 1e-3 * shares[kept].min() * 1e6
    assert isinstance(chosen, Points)
    np.testing.assert_array_equal([chosen.x[0], chosen.y[0]], run.pair.points_x.numpy()[6, [1, 0]])
    assert f"Point 7 has {np.exp(-(shares * np.log(shares)).sum()):.4g} partners." in figure.note
    # A point that is not there is the last one.
    many = drawn("coupling", asked(lines="one point", point=10**6))
    assert f"Point {THREE.transport.points} has " in many.note


def test_a_click_chooses_the_point_that_is_nearest() -> None:
    session = replace(THREE, looked_at=(3, 2))
    click, points = BY_NAME["coupling"].click, found(session).pair.points_x.numpy()
    assert click is not None
    x, y = points[11, 2] + 1e-6, points[11, 1] - 1e-6
    chosen = click(session, float(x), float(y))
    assert chosen == replace(session, transport=replace(session.transport, lines="one point", point=12))
    assert (session.transport.idle, chosen.transport.idle) == (frozenset({"point"}), frozenset())
    # Where nothing is drawn, nothing is chosen.
    nowhere = replace(session, looked_at=(9, 1))
    assert click(nowhere, 0.0, 0.0) == nowhere


def test_points_of_the_experiment_still_to_come_are_told(afresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coupled, "QUICK_POINTS", 30)
    for name in ("coupling", "plan", "iterations"):
        assert drawn(name).note.startswith(f"30 points of each, on the way to {THREE.transport.points}.")
    # Nothing was there to start from.
    assert "last potentials" not in drawn("iterations").note
    assert "Started from the last potentials." in drawn("iterations", asked(epsilon=0.09)).note


# ------------------------------------------------------------------------------------------------------- the plan


def test_the_plan_is_the_coupling_in_order_along_the_first_coordinate() -> None:
    session = replace(THREE, looked_at=(2, 1))
    masses, run = entries(session), found(session)
    figure = drawn("plan", session)
    (cells,) = of(figure, Heat)
    order_x, order_y = (
        np.argsort(points[:, 1].numpy(), kind="stable") for points in (run.pair.points_x, run.pair.points_y)
    )
    # As many cells as points: each is one entry, over that of independent points.
    np.testing.assert_allclose(cells.values, np.maximum(masses[order_x][:, order_y] * N**2, 1e-3), rtol=1e-9)
    assert cells.label == "mass over that of independent points"
    assert isinstance(cells.scale, Log)
    assert figure.x.label == "data, point in order along mode 2"
    assert figure.y.label == "generated, point in order along mode 2"
    assert figure.note == "80 points of each. Cells below 0.001 are drawn as 0.001."
    # Nothing is that small where all is blurred.
    assert drawn("plan", asked(epsilon=5.0)).note == "80 points of each."


# ------------------------------------------------------------------------------------------------- the iterations


def test_iterations_are_drawn_beside_what_bounds_them(afresh: None) -> None:
    session = asked(epsilon=0.2, solver=Sinkhorn(memory=0, tolerance=1e-6))
    run = found(session)
    figure = drawn("iterations", session)
    count = run.solution.iterations
    assert figure.title == f"Sinkhorn: converged after {count} iterations"
    assert (figure.x.label, figure.y.label) == ("iteration", "marginal error (L1)")
    assert isinstance(figure.x.scale, Log)
    assert isinstance(figure.y.scale, Log)
    assert figure.note == "80 points of each."
    errors = curve(figure, "error")
    np.testing.assert_array_equal(errors.x, np.arange(1, count + 1))
    np.testing.assert_array_equal(errors.y, run.solution.history.errors)
    # Of the plain algorithm the least error so far stays below the bound, which falls as one over a root.
    bound = curve(figure, "bound of the plain algorithm")
    np.testing.assert_allclose(bound.y * np.sqrt(bound.x), bound.y[0], rtol=1e-9)
    assert (np.minimum.accumulate(errors.y) <= bound.y).all()
    # The prediction falls by one factor from the first error on, that of the closed form.
    assert run.pair.laws is not None
    spread = (run.pair.laws[0].variance * run.pair.laws[1].variance).sqrt().numpy()
    half = run.problem.epsilon / (4 * spread)
    rate = float((np.sqrt(1 + half**2) - half).max() ** 2)
    predicted = curve(figure, f"plain, predicted: falls by {rate:.3g} each")
    np.testing.assert_allclose(predicted.y, errors.y[0] * rate ** (errors.x - 1), rtol=1e-6)
    (tolerance,) = [mark for mark in of(figure, Line) if mark.label == "tolerance"]
    assert (tolerance.at, tolerance.vertical) == (1e-6, False)


def test_a_small_epsilon_is_reached_from_larger_ones(afresh: None) -> None:
    session = asked(epsilon=0.002, solver=Sinkhorn(tolerance=1e-4))
    history = found(session).solution.history.epsilons.numpy()
    (line,) = [mark for mark in of(drawn("iterations", session), Line) if mark.vertical]
    assert line.label == "from here on at this ε"
    assert line.at == np.flatnonzero(history == history[-1])[0] + 1 > 1


def test_earlier_runs_of_the_same_kind_of_error_are_drawn_beneath(afresh: None) -> None:
    for epsilon in (0.5, 0.4, 0.3, 0.2):
        found(asked(epsilon=epsilon))
    found(asked(solver=AnnealedSinkhorn(tolerance=1e-2)))
    found(asked(solver=UnbalancedSinkhorn()))
    other = replace(THREE, sampling=replace(THREE.sampling, seed=1))
    found(asked(other, epsilon=0.6))
    found(THREE)
    figure = drawn("iterations")
    # The last four, the newest last; those that are of other clouds, or of another error, are not.
    assert labels(figure)[:4] == [
        "earlier: Sinkhorn(τ=1e-05), ε = 0.4",
        "earlier: Sinkhorn(τ=1e-05), ε = 0.3",
        "earlier: Sinkhorn(τ=1e-05), ε = 0.2",
        "earlier: AnnealedSinkhorn(τ=0.01), ε = 0.1",
    ]
    widths = [mark.style.width for mark in of(figure, Curve)[:4]]
    assert widths == sorted(set(widths))
    assert labels(drawn("iterations", other))[:1] == ["earlier: Sinkhorn(τ=1e-05), ε = 0.6"]
    unbalanced = drawn("iterations", asked(solver=UnbalancedSinkhorn()))
    assert not [label for label in labels(unbalanced) if label.startswith("earlier")]


@pytest.mark.parametrize(
    ("kind", "axis"),
    [
        (AnnealedSinkhorn, "marginal error (L1)"),
        (UnbalancedSinkhorn, "distance of the marginals from where the potentials want them, as a share of the mass"),
        (LowRankSinkhorn, "what the cost fell by in ten iterations, as a share of it"),
        (OnlineSinkhorn, "marginal error (L1)"),
    ],
)
def test_each_solver_has_its_own_error_and_no_bound_of_another(kind: type[Solver], axis: str) -> None:
    session = asked(solver=kind(most_iterations=30))
    run = found(session)
    figure = drawn("iterations", session)
    assert figure.y.label == axis
    assert "bound of the plain algorithm" not in labels(figure)
    errors = run.solution.history.errors.numpy()
    wanted = np.where((errors > 0) & np.isfinite(errors), errors, np.nan)
    np.testing.assert_array_equal(curve(figure, "error").y, wanted)
    assert figure.title == f"{kind.__name__}: {run.solution.status} after {run.solution.iterations} iterations"


def test_work_that_was_not_finished_comes_with_advice() -> None:
    session = asked(epsilon=0.05, solver=Sinkhorn(memory=0, most_iterations=3))
    assert found(session).solution.status is Status.UNFINISHED
    assert drawn("iterations", session).note == (
        "80 points of each. All iterations were used; raise solver.most_iterations."
    )
    assert dict(told(session).lines)["status"] == "unfinished: all iterations were used; raise solver.most_iterations"


# ------------------------------------------------------------------------------------------------------- the costs


def test_costs_are_drawn_over_shares_of_the_mean_cost() -> None:
    session = asked(epsilon=0.3)
    whole(session, "costs")
    known = costs_now(question_of(session))
    figure = drawn("costs", session)
    assert figure.title == "Cost against regularization"
    assert (figure.x.label, figure.y.label) == ("ε as a share of the mean cost", "squared distance [data units²]")
    assert labels(figure) == [
        "S ± 2 se",
        "entropic",
        "transport",
        "divergence S",
        "Richardson R",
        "exact",
        "laws: entropic",
        "laws: S",
        "laws: R",
        "laws: W₂²",
        "← fewer than 10 partners",
        "ε",
    ]
    assert known.limits is not None
    for label, values in (
        ("entropic", known.entropic),
        ("transport", known.transport),
        ("divergence S", known.divergence),
        ("Richardson R", known.richardson),
        ("exact", np.full(len(known.epsilons), known.exact)),
        ("laws: entropic", known.limits[0]),
        ("laws: S", known.limits[1]),
        ("laws: R", known.limits[2]),
        ("laws: W₂²", np.full(len(known.epsilons), known.limits[3])),
    ):
        mark = curve(figure, label)
        np.testing.assert_allclose(mark.x, LADDER[::2], rtol=1e-12)
        np.testing.assert_array_equal(mark.y, np.where(values > 0, values, np.nan))
    (band,) = of(figure, Band)
    inside = np.isfinite(band.low)
    np.testing.assert_allclose((band.high - band.low)[inside], 4 * known.standard_error[inside], rtol=1e-9)
    few, here = of(figure, Line)
    assert (here.at, here.vertical, few.vertical) == (0.3, True, True)
    # At the line, points have as many partners as it says.
    run = found(asked(epsilon=few.at))
    assert run.solution.coupling.perplexity == pytest.approx(10.0, rel=0.05)
    assert figure.note == "On 80 points of each."


def test_where_all_points_have_few_partners_the_line_is_at_the_right() -> None:
    session = asked(points=9)
    assert [mark.at for mark in of(drawn("costs", session), Line)] == [pytest.approx(1.0), 0.1]


def test_costs_of_unknown_laws_are_beside_gaussians_with_the_moments() -> None:
    figure = drawn("costs", SPIRAL)
    assert [label for label in labels(figure) if "laws" in label] == []
    assert [label for label in labels(figure) if "moments" in label] == [
        "moments: entropic",
        "moments: S",
        "moments: R",
        "moments: W₂²",
    ]
    assert "Moments: between Gaussians with the moments of these clouds." in figure.note


def test_costs_of_another_power_are_not_compared_with_laws() -> None:
    figure = drawn("costs", asked(power=1.0))
    assert figure.y.label == "distance [data units]"
    assert not [label for label in labels(figure) if "laws" in label or "moments" in label]


def test_values_that_are_not_above_zero_are_left_out_and_told() -> None:
    # Of the same points twice there is nothing between them, but for rounding.
    session = asked(clouds=TwoSamplers(sampler=THREE.experiment.sampler))
    figure = drawn("costs", session)
    known = costs_now(question_of(session))
    assert (known.divergence <= 0).any()
    assert figure.note.endswith("Values that are not above zero are left out.")
    drawn_values = curve(figure, "divergence S").y
    assert (np.isnan(drawn_values) == (known.divergence <= 0)).all()
    assert "exact" not in labels(figure)


def test_costs_on_fewer_points_at_first_are_told(afresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "QUICK_LADDER_POINTS", 30)
    monkeypatch.setattr(estimated, "QUICK_ESTIMATE_POINTS", 30)
    assert drawn("costs").note == "On 30 points of each, more to come."
    assert drawn("estimates").note.endswith("On 30 points of each, more to come.")
    whole(THREE, "costs", "estimates")
    assert drawn("costs").note == "On 80 points of each."
    assert drawn("estimates").note.endswith("On 80 points of each.")


# --------------------------------------------------------------------------------------------------- the estimates


def test_estimates_are_beside_what_they_tend_to() -> None:
    whole(THREE, "estimates")
    known = estimates_now(question_of(THREE))
    figure = drawn("estimates")
    assert figure.categories == ESTIMATORS
    assert figure.title == f"Estimates of W₂² at ε = {known.epsilon:.4g}"
    assert figure.y.label == "squared distance [data units²]"
    these, limits = of(figure, Points)
    assert (these.label, limits.label) == ("these clouds, ± 2 standard errors", "n → ∞")
    np.testing.assert_array_equal(these.y, [each.value for each in known.found])
    assert these.error is not None
    np.testing.assert_array_equal(these.error, [2 * each.standard_error for each in known.found])
    np.testing.assert_array_equal(limits.y, known.limits)
    (line,) = of(figure, Line)
    assert (line.label, line.at, line.vertical) == ("exact W₂²", known.truth, False)
    blur, few = known.limits[1] - known.truth, known.found[1].value - known.limits[1]
    said = f"In the divergence blur adds {blur:+.3g}, few points and chance {few:+.3g}.".replace("-", "−")
    assert figure.note.startswith(said)


def test_estimates_of_unknown_laws_and_other_powers_say_so() -> None:
    figure = drawn("estimates", SPIRAL)
    assert labels(figure) == ["these clouds, ± 2 standard errors"]
    assert "The laws of these clouds are not known, and neither is their distance." in figure.note
    session = asked(power=1.0)
    figure = drawn("estimates", session)
    assert labels(figure) == ["these clouds, ± 2 standard errors"]
    assert figure.title == f"Estimates at ε = {estimates_now(question_of(session)).epsilon:.4g}"
    assert figure.y.label.startswith("distance [")
    assert "laws" not in figure.note
    for name, title in (
        ("estimates_points", "Bias over the number of points"),
        ("estimates_modes", "Bias over the number of modes"),
    ):
        for other, note in (
            (SPIRAL, "The laws of these clouds are not known; choose Gaussian data with an affine score."),
            (session, "Exact distances are of power 2, got 1; choose 2."),
        ):
            figure = drawn(name, other)
            assert (figure.title, figure.marks, figure.note) == (title, (), note)
            further = BY_NAME[name].further
            assert further is not None
            assert not further(other, lambda share: None)


def test_of_too_many_points_the_exact_cost_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "MOST_EXACT", 30)
    session = asked(epsilon=0.11)
    figure = drawn("estimates", session)
    assert figure.note.endswith("The exact cost of so many points takes too long.")
    assert np.isnan(of(figure, Points)[0].y[-1])


@pytest.mark.parametrize("over", ["points", "modes"])
def test_bias_is_drawn_over_sizes_once_it_is_known(afresh: None, over: str) -> None:
    name = f"estimates_{over}"
    figure = drawn(name)
    assert figure.note == "Being drawn again and again …"
    limits = ["entropic cost, n → ∞", "Sinkhorn divergence, n → ∞", "Richardson, n → ∞", "exact W₂²"]
    assert labels(figure) == limits
    before = {label: curve(figure, label) for label in limits}
    whole(THREE, name)
    known = effects_over(question_of(THREE), over)
    assert known is not None
    figure = drawn(name)
    assert figure.x.label == ("points of each cloud n" if over == "points" else "leading modes d")
    where = "in 3 modes" if over == "points" else "of 30 points"
    assert figure.note == (f"Means of 8 pairs of clouds {where}, ± 2 standard errors of one estimate; dashed: n → ∞.")
    for k, estimator in enumerate(ESTIMATORS):
        (mark,) = [mark for mark in of(figure, Points) if mark.label == estimator]
        assert mark.x.tolist() == ([20, 40] if over == "points" else [1, 2, 3])
        values = known.values[k, :, :, 0].numpy().reshape(-1, 8)
        np.testing.assert_allclose(mark.y, np.where(values.mean(1) > 0, values.mean(1), np.nan), rtol=1e-12)
        assert mark.error is not None
        np.testing.assert_allclose(mark.error, 2 * values.std(1, ddof=1), rtol=1e-9)
    # What was known without any points is still there.
    for label in limits:
        np.testing.assert_allclose(curve(figure, label).y[-1], before[label].y[-1], rtol=1e-9)
    p, q = (law.variance.sqrt().numpy() for law in estimated.laws_of(question_of(THREE)))
    truth = np.cumsum((p - q) ** 2)
    wanted = truth if over == "modes" else np.full(2, truth[-1])
    np.testing.assert_allclose(curve(figure, "exact W₂²").y, wanted, rtol=1e-9)


# --------------------------------------------------------------------------------------------- where there is nothing


@pytest.mark.parametrize("name", NAMES)
def test_what_there_is_nothing_to_couple_of_is_told_in_the_note(name: str) -> None:
    untrained = replace(SPIRAL, experiment=replace(SPIRAL.experiment, score=Network(width=8, depth=1)))
    wild = replace(
        THREE, experiment=replace(THREE.experiment, grid=Uniform(steps=500), sampler=Langevin(step_size=1.0))
    )
    for session, note in (
        (untrained, "The Network has not been trained on these data: train it first (Ctrl+T)."),
        (wild, "Langevin diverges on these data, and its points are infinite; choose more steps."),
        (asked(clouds=TwoFiles()), "Two files are needed: choose the first and the second one in the panel."),
    ):
        if session.transport.clouds == TwoFiles() and name in ("estimates_points", "estimates_modes"):
            continue
        figure = drawn(name, session)
        assert (figure.title, figure.marks, figure.note) == (BY_NAME[name].title, (), note)


def test_two_draws_of_data_need_no_sampler_that_works() -> None:
    wild = replace(
        THREE, experiment=replace(THREE.experiment, grid=Uniform(steps=500), sampler=Langevin(step_size=1.0))
    )
    assert drawn("coupling", asked(wild, clouds=TwoDraws())).marks


def test_files_that_cannot_be_read_are_refused_in_a_sentence(here: Path) -> None:
    session = asked(clouds=TwoFiles(first="a.npy", second="b.npy"))
    for name in NAMES:
        with pytest.raises(ValueError) as caught:
            drawn(name, session)
        assert str(caught.value) == f"TwoFiles.first: {here / 'a.npy'} does not exist."


# ------------------------------------------------------------------------------------------------------ the numbers


def test_what_is_told_in_numbers_is_the_coupling(afresh: None) -> None:
    whole(THREE, "coupling", "estimates")
    masses, run = entries(), found()
    cost = np.linalg.norm(run.pair.points_x.numpy()[:, None] - run.pair.points_y.numpy(), axis=2) ** 2
    epsilon = 0.1 * cost.mean()
    transport = float((masses * cost).sum())
    relative = float((masses * np.log(masses * N**2)).sum() - masses.sum() + 1)
    rows = masses / masses.sum(1, keepdims=True)
    partners = math.exp(float(-(rows * np.log(rows)).sum(1).mean()))
    answer = told(THREE)
    values, lines = answer.values, dict(answer.lines)
    for name, value in (
        ("epsilon", epsilon),
        ("relative_epsilon", 0.1),
        ("mean_cost", cost.mean()),
        ("cost", transport),
        ("entropic_cost", transport + epsilon * relative),
        ("perplexity", partners),
        ("mass", masses.sum()),
        ("marginal_error_rows", np.abs(masses.sum(1) - 1 / N).sum()),
        ("marginal_error_columns", np.abs(masses.sum(0) - 1 / N).sum()),
    ):
        assert values[name] == pytest.approx(value, rel=1e-6, abs=1e-12)
    # Balanced, and found to the tolerance, the dual value is the entropic cost.
    assert values["dual"] == pytest.approx(transport + epsilon * relative, rel=1e-4)
    assert lines["transport cost"] == f"{transport:.6g}"
    assert lines["ε"] == f"{epsilon:.6g}, 0.1 of the mean cost {cost.mean():.4g}"
    assert lines["blur √ε"] == f"{math.sqrt(epsilon):.4g}"
    assert lines["points"] == "80 and 80, 3 coordinates"
    assert (values["points_x"], values["points_y"], values["coordinates"]) == (80, 80, 3)
    assert values["status"] == lines["status"] == "converged"
    known = estimates_now(question_of(THREE))
    assert values["sinkhorn_divergence"] == known.found[1].value
    assert values["richardson_error"] == known.found[2].standard_error
    assert values["exact"] == known.found[3].value
    assert values["laws"] == pytest.approx(known.truth, rel=1e-12)
    assert answer.scales is scales_of(question_of(THREE))


def test_numbers_are_few_where_little_is_known(afresh: None) -> None:
    answer = told(SPIRAL)
    assert answer.scales is None
    assert "laws" not in answer.values
    assert "exact" not in answer.values
    low_rank = told(asked(solver=LowRankSinkhorn(most_iterations=20)))
    assert low_rank.values["dual"] is None
    assert "dual value" not in dict(low_rank.lines)
