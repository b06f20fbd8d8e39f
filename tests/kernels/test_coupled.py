"""Couplings as they are asked for: beside solvers, brute force, another library and closed forms; and what is kept."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from kernels.analyses import coupled, estimated
from kernels.analyses.coupled import Coupled, Question, couple, coupled_now, earlier, gaussians_of
from kernels.analyses.estimated import (
    LADDER,
    UnknownLawsError,
    clear,
    costs_now,
    dimensions,
    effects_over,
    estimates_now,
    find_costs,
    find_effects,
    find_estimates,
    find_scales,
    gaussian_limits,
    known_estimates,
    laws_of,
    scales_of,
)
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.pairs import GeneratedAndData, NothingToCoupleError, Pair, Transport, TwoDraws, TwoFiles
from kernels.particles import Sampling
from kernels.processes import EDM
from kernels.samplers import EDMHeun
from kernels.spectra import Custom, Mixture
from kernels.transport import (
    COLD,
    ESTIMATORS,
    SOLVERS,
    AnnealedSinkhorn,
    EntropicCoupling,
    LowRankSinkhorn,
    OnlineSinkhorn,
    Sinkhorn,
    Solver,
    Status,
    UnbalancedSinkhorn,
    dense_transport,
    gaussian_transport,
    transport_problem,
)

Floats = NDArray[np.float64]

THREE = Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25)), grid=Uniform(steps=10))
LINE = Experiment(spectrum=Custom(eigenvalues=(4.0,)), grid=Uniform(steps=10))
SPIRAL = Experiment(
    spectrum=Mixture(components=4), process=EDM(), grid=Karras(steps=4, start=80.0, stop=2e-3), sampler=EDMHeun()
)
SHARP = Sinkhorn(tolerance=1e-10)
ASKED = Transport(points=80, epsilon=0.1, solver=Sinkhorn(tolerance=1e-6))


def question(experiment: Experiment = THREE, seed: int = 0, transport: Transport = ASKED) -> Question:
    return Question(experiment, Sampling(seed=seed), transport, None)


def unwatched(share: float) -> None:
    """Nobody listens."""


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And costs are found at fewer regularizations, to be quick."""
    monkeypatch.setattr(estimated, "LADDER", LADDER[:7])
    clear()
    yield
    clear()


def whole(asked: Question) -> Coupled:
    couple(asked, unwatched)
    found = coupled_now(asked)
    assert found.is_whole
    return found


def costs_between(pair: Pair, power: float = 2.0) -> Floats:
    return np.asarray(cdist(pair.points_x, pair.points_y), dtype=np.float64) ** power


def other_plan(costs: Floats, epsilon: float) -> Floats:
    """The coupling of points of equal weight, by another library."""
    a, b = (np.full(count, 1 / count) for count in costs.shape)
    found = ot.sinkhorn(a, b, costs, epsilon, method="sinkhorn_log", stopThr=1e-11, numItermax=20_000, warn=False)
    return np.asarray(found, dtype=np.float64)


class Counting:
    """How often solvers of a kind are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Solver]) -> None:
        self.calls = 0
        inner = kind.solve

        def solve(*arguments: object) -> object:
            self.calls += 1
            return inner(*arguments)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(kind, "solve", solve)


# --------------------------------------------------------------------------------------------------- the coupling


@pytest.mark.parametrize("kind", SOLVERS)
def test_the_whole_coupling_is_what_the_solver_finds(kind: type[Solver]) -> None:
    solver = kind(most_iterations=50)
    asked = question(transport=replace(ASKED, solver=solver))
    found = whole(asked)
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    assert torch.equal(found.pair.points_x, pair.points_x)
    assert torch.equal(found.pair.points_y, pair.points_y)
    problem = transport_problem(pair.points_x, pair.points_y, 0.1 * float(costs_between(pair).mean()))
    direct = solver.solve(problem, COLD)
    np.testing.assert_allclose(found.solution.coupling.whole(), direct.coupling.whole(), rtol=1e-7, atol=1e-15)
    assert (found.solution.status, found.solution.iterations) == (direct.status, direct.iterations)
    assert found.problem.epsilon == pytest.approx(direct.coupling.problem.epsilon, rel=1e-12)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_the_whole_coupling_is_that_of_another_library(power: float) -> None:
    found = whole(question(transport=replace(ASKED, power=power, solver=SHARP)))
    costs = costs_between(found.pair, power)
    epsilon = 0.1 * float(costs.mean())
    np.testing.assert_allclose(found.solution.coupling.whole(), other_plan(costs, epsilon), atol=1e-9)
    assert found.problem.epsilon == pytest.approx(epsilon, rel=1e-12)


def test_before_the_work_is_done_there_is_one_within_the_tolerance() -> None:
    asked = question()
    early = coupled_now(asked)
    assert not early.is_whole
    assert early.solution.converged
    # Looser than asked, for a hand that waits; never looser than that.
    assert 1e-6 < early.solution.marginal_error <= 1e-3
    late = whole(asked)
    assert late.solution.marginal_error <= 1e-6
    # A marginal error of so much moves the cost by as large a share of the largest one, at the most.
    apart = abs(early.solution.coupling.transport_cost - late.solution.coupling.transport_cost)
    assert apart <= 2e-3 * costs_between(late.pair).max()
    assert coupled_now(asked) is late


def test_of_many_points_few_are_coupled_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coupled, "QUICK_POINTS", 30)
    monkeypatch.setattr(coupled, "QUICK_SLOW_POINTS", 20)
    for solver, count in ((Sinkhorn(), 30), (AnnealedSinkhorn(), 20), (LowRankSinkhorn(), 20), (OnlineSinkhorn(), 20)):
        asked = question(transport=replace(ASKED, solver=replace(solver, most_iterations=30)))
        assert len(coupled_now(asked).pair.points_x) == count
        assert len(whole(asked).pair.points_x) == 80


def test_iterations_at_first_are_as_many_as_a_person_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coupled, "QUICK_LOOKS", 1.0)
    asked = question(transport=replace(ASKED, epsilon=0.041, solver=Sinkhorn(memory=0)))
    early = coupled_now(asked)
    assert (early.solution.status, early.solution.iterations) == (Status.UNFINISHED, coupled.FEWEST_ITERATIONS)
    # Whole, it takes as many as it needs.
    late = whole(asked)
    assert late.solution.converged
    assert late.solution.iterations > coupled.FEWEST_ITERATIONS


def test_what_is_quick_starts_from_the_last_potentials_and_what_is_whole_from_nothing() -> None:
    asked = question(transport=replace(ASKED, epsilon=0.02, solver=Sinkhorn(tolerance=1e-3)))
    near = question(transport=replace(asked.transport, epsilon=0.021))
    cold = coupled_now(near).solution
    clear()
    coupled_now(asked)
    warm = coupled_now(near).solution
    assert warm.iterations < cold.iterations
    after = whole(near).solution
    clear()
    alone = whole(near).solution
    assert after.iterations == alone.iterations
    np.testing.assert_array_equal(after.coupling.whole(), alone.coupling.whole())


def test_points_are_drawn_once_and_the_coupling_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch, Sinkhorn)
    drawn: list[int] = []
    inner = GeneratedAndData.drawn

    def draw(clouds: GeneratedAndData, experiment: Experiment, sampling: Sampling, *others: object) -> Pair:
        drawn.append(sampling.particles)
        return inner(clouds, experiment, sampling, *others)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(GeneratedAndData, "drawn", draw)
    asked = question()
    assert couple(asked, unwatched)
    assert not couple(asked, unwatched)
    coupled_now(asked)
    assert counting.calls == 1
    # Of the same clouds at another regularization only the coupling is new; of more particles nothing is.
    couple(question(transport=replace(ASKED, epsilon=0.2)), unwatched)
    couple(replace(asked, sampling=Sampling(particles=77)), unwatched)
    assert counting.calls == 2
    assert drawn == [80]
    couple(question(seed=1), unwatched)
    couple(question(replace(THREE, grid=Uniform(steps=11))), unwatched)
    assert counting.calls == 4
    assert drawn == [80, 80, 80]


def test_lines_and_colors_do_not_solve_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch, Sinkhorn)
    first = whole(question())
    for lines in ("couplings", "map", "debiased map", "none"):
        for colors in ("clouds", "potential", "displacement", "partners"):
            other = question(transport=replace(ASKED, lines=lines, colors=colors))
            assert coupled_now(other) is first
            assert not couple(other, unwatched)
    assert counting.calls == 1


class EnoughError(Exception):
    """The person no longer waits."""


def enough(share: float) -> None:
    if share >= 0.2:
        raise EnoughError


@pytest.mark.parametrize("kind", SOLVERS)
def test_what_the_watch_raises_ends_the_coupling_and_nothing_is_kept(kind: type[Solver]) -> None:
    asked = question(transport=replace(ASKED, epsilon=0.01, solver=kind(tolerance=1e-9, most_iterations=30)))
    with pytest.raises(EnoughError):
        couple(asked, enough)
    assert not coupled_now(asked).is_whole
    # Asked once more, it is done.
    assert couple(asked, unwatched)
    assert coupled_now(asked).is_whole


def test_what_the_watch_raises_ends_all_other_work_too() -> None:
    asked = question()
    for find in (find_costs, find_estimates):
        with pytest.raises(EnoughError):
            find(asked, enough)
    with pytest.raises(EnoughError):
        find_effects(asked, "points", enough)
    assert effects_over(asked, "points") is None
    assert known_estimates(asked) is None
    assert scales_of(asked) is None
    assert not costs_now(asked).is_whole
    assert not estimates_now(asked).is_whole


def test_progress_goes_on_to_the_end() -> None:
    finds: tuple[Callable[[Question, Callable[[float], None]], bool], ...] = (couple, find_costs, find_estimates)
    for find, last in zip(finds, (0.2, 0.9, 0.7), strict=True):
        shares: list[float] = []
        assert find(question(), shares.append)
        assert min(shares) >= 0.0
        assert last <= max(shares) <= 1.0


def test_earlier_couplings_are_those_of_the_same_clouds() -> None:
    mine = question()
    same = [replace(mine, transport=replace(ASKED, epsilon=epsilon)) for epsilon in (0.3, 0.2)]
    slower = replace(mine, transport=replace(ASKED, solver=UnbalancedSinkhorn()))
    for other in (
        question(seed=1),
        *same,
        question(replace(THREE, grid=Uniform(steps=11))),
        replace(mine, transport=replace(ASKED, clouds=TwoDraws())),
        slower,
    ):
        couple(other, unwatched)
    coupled_now(mine)
    couple(mine, unwatched)
    found = earlier(mine)
    assert [run.transport.epsilon for run in found] == [0.3, 0.2, 0.1]
    assert found[-1].transport.solver == UnbalancedSinkhorn()
    assert all(run.is_whole for run in found)
    # The present one is earlier to the others.
    assert coupled_now(mine) in earlier(same[0])


def test_files_do_not_depend_on_the_experiment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.normal(size=(70, 2)))
    np.save("y.npy", rng.normal(size=(60, 2)) + 1.0)
    counting = Counting(monkeypatch, Sinkhorn)
    transport = replace(ASKED, clouds=TwoFiles(first="x.npy", second="y.npy"))
    first = whole(question(transport=transport))
    assert coupled_now(question(SPIRAL, transport=transport)) is first
    assert counting.calls == 1
    assert first.solution.coupling.whole().shape == (70, 60)
    assert first.pair.there == (70, 60)


def test_a_file_that_has_become_another_one_is_read_anew(here: Path) -> None:
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.normal(size=(70, 2)))
    np.save("y.npy", rng.normal(size=(60, 2)) + 1.0)
    asked = question(transport=replace(ASKED, clouds=TwoFiles(first="x.npy", second="y.npy")))
    assert whole(asked).pair.there == (70, 60)
    np.save("x.npy", rng.normal(size=(50, 2)))
    assert not coupled_now(asked).is_whole
    assert whole(asked).pair.there == (50, 60)


def test_of_points_that_coincide_nothing_is_coupled(here: Path) -> None:
    asked = question(transport=replace(ASKED, clouds=TwoFiles(first="x.npy", second="x.npy")))
    for place in (0.0, 3.0):
        np.save("x.npy", np.full((20, 2), place))
        with pytest.raises(NothingToCoupleError) as refusal:
            coupled_now(asked)
        assert str(refusal.value).endswith(": there is nothing to couple.")


def test_clouds_that_are_not_there_are_refused_everywhere(here: Path) -> None:
    asked = question(transport=replace(ASKED, clouds=TwoFiles(first="x.npy", second="y.npy")))
    for ask in (
        lambda: coupled_now(asked),
        lambda: couple(asked, unwatched),
        lambda: costs_now(asked),
        lambda: estimates_now(asked),
        lambda: find_scales(asked, unwatched),
        lambda: laws_of(asked),
    ):
        with pytest.raises(ValueError) as caught:
            ask()
        assert str(caught.value) == f"TwoFiles.first: {here / 'x.npy'} does not exist."


# ------------------------------------------------------------------------------------------------ parts of the whole


def test_the_plan_is_the_coupling_by_parts_in_order() -> None:
    found = whole(question(seed=2))
    entries = found.solution.coupling.whole().numpy()
    for ranks, cells in (((0, 0), 7), ((2, 1), 80), ((1, 0), 500)):
        plan = found.plan(ranks, cells).numpy()
        parts = min(cells, 80)
        assert plan.shape == (parts, parts)
        order_x, order_y = (
            np.argsort(points[:, rank].numpy(), kind="stable")
            for points, rank in zip((found.pair.points_x, found.pair.points_y), ranks, strict=True)
        )
        rank_x, rank_y = np.empty(80, dtype=int), np.empty(80, dtype=int)
        rank_x[order_x], rank_y[order_y] = np.arange(80), np.arange(80)
        wanted, independent = np.zeros((parts, parts)), np.zeros((parts, parts))
        for i in range(80):
            for j in range(80):
                cell = rank_x[i] * parts // 80, rank_y[j] * parts // 80
                wanted[cell] += entries[i, j]
                independent[cell] += 1 / 80**2
        np.testing.assert_allclose(plan, wanted / independent, rtol=1e-9)
        # Together they are all the mass.
        assert float((plan * independent).sum()) == pytest.approx(found.solution.coupling.mass, rel=1e-12)


def test_the_plan_of_clouds_of_two_sizes_has_cells_for_each(here: Path) -> None:
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.normal(size=(5, 2)))
    np.save("y.npy", rng.normal(size=(60, 2)))
    found = whole(question(transport=replace(ASKED, clouds=TwoFiles(first="x.npy", second="y.npy"))))
    plan = found.plan((0, 0), 20)
    assert plan.shape == (5, 20)
    # Each point of the first has as much, and each three of the second.
    np.testing.assert_allclose(plan.mean(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(plan.mean(0), 1.0, atol=1e-5)


@pytest.mark.parametrize("kind", SOLVERS)
def test_of_many_points_some_are_looked_at_one_by_one(kind: type[Solver], monkeypatch: pytest.MonkeyPatch) -> None:
    found = whole(question(transport=replace(ASKED, solver=kind(most_iterations=30))))
    assert found.looked_at is found.solution.coupling
    debiased = found.debiased_map
    monkeypatch.setattr(coupled, "MOST_LOOKED_AT", 20)
    few = replace(found)
    rows = few.rows
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert (len(rows), int(rows[0]), int(rows[-1])) == (20, 0, 79)
    entries = found.solution.coupling.whole()[rows]
    np.testing.assert_allclose(few.looked_at.whole(), entries, rtol=1e-9)
    np.testing.assert_allclose(few.strongest[0], entries.max(1).values / entries.sum(1), rtol=1e-9)
    np.testing.assert_allclose(few.debiased_map, debiased[rows], rtol=1e-9)
    assert few.plan((0, 0), 100).shape == (20, 80)


@pytest.mark.parametrize("kind", [Sinkhorn, UnbalancedSinkhorn, LowRankSinkhorn])
def test_the_strongest_coupling_of_a_point_is_its_largest_entry(kind: type[Solver]) -> None:
    found = whole(question(transport=replace(ASKED, solver=kind(most_iterations=300))))
    entries = found.solution.coupling.whole().numpy()
    shares, places = found.strongest
    np.testing.assert_array_equal(entries[np.arange(80), places], entries.max(1))
    np.testing.assert_allclose(shares, entries.max(1) / entries.sum(1), rtol=1e-9)
    if kind is not LowRankSinkhorn:
        np.testing.assert_array_equal(places, entries.argmax(1))


def test_of_the_same_cloud_the_debiased_map_goes_nowhere(here: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2)) * (2.0, 1.0)
    np.save("x.npy", x)
    found = whole(question(transport=replace(ASKED, clouds=TwoFiles(first="x.npy", second="x.npy"), solver=SHARP)))
    # The plain map shrinks by the blur: what it is less by is what the own cloud has.
    moved = found.solution.coupling.barycentric_map - found.problem.points_x
    assert float(moved.norm(dim=1).mean()) > 0.2
    assert float((found.debiased_map - found.problem.points_x).norm(dim=1).max()) < 2e-2


def test_of_a_cloud_moved_aside_the_debiased_map_is_that_move(here: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2)) * (2.0, 1.0)
    np.save("x.npy", x)
    np.save("y.npy", x + np.array([3.0, -1.0]))
    found = whole(question(transport=replace(ASKED, clouds=TwoFiles(first="x.npy", second="y.npy"), solver=SHARP)))
    moves = found.debiased_map - found.problem.points_x
    # Whatever the axes, and its sign: all go the same way, as far.
    np.testing.assert_allclose(moves.norm(dim=1), math.hypot(3.0, 1.0), rtol=2e-2)
    np.testing.assert_allclose(moves, moves.mean(0).expand_as(moves), atol=5e-2)


def test_theory_of_the_plain_iteration_holds_for_it() -> None:
    plain = Sinkhorn(tolerance=1e-9, memory=0)
    found = whole(question(transport=replace(ASKED, epsilon=0.2, solver=plain)))
    # Potentials of the other library give the largest dual value; one plain iteration from zero by hand that of it.
    costs, n = costs_between(found.pair), 80
    epsilon = found.problem.epsilon
    f = -epsilon * np.log(np.exp(-costs / epsilon).mean(1))
    first = f.mean() - epsilon * (np.exp((f[:, None] - costs) / epsilon).sum() / n**2 - 1)
    plan = other_plan(costs, epsilon)
    best = float((plan * costs).sum() + epsilon * (plan * np.log(plan * n**2)).sum())
    # Columns are made exact after the rows, so the value at hand may be that of rows alone or of both.
    assert 0 < found.first_gap <= (best - first) * (1 + 1e-6)
    # The rate is that of Gaussians with these laws, from the closed form.
    law = gaussians_of(found.pair)
    assert law is not None
    assert found.rate == law.contraction(epsilon)
    assert found.rate == pytest.approx(_contraction((4.0, 1.0, 0.25), found, epsilon), rel=1e-9)


def _contraction(eigenvalues: tuple[float, ...], found: Coupled, epsilon: float) -> float:
    """The squared correlation of the best coupling, largest over modes."""
    assert found.pair.laws is not None
    spread = np.sqrt(found.pair.laws[0].variance.numpy() * np.array(eigenvalues))
    # Of the quadratic equation r² + (ε / 2 s) r - 1 = 0 the positive root.
    half = epsilon / (4 * spread)
    return float((np.sqrt(1 + half**2) - half).max() ** 2)


def test_nothing_is_told_of_the_plain_iteration_where_it_is_unknown() -> None:
    for solver in (UnbalancedSinkhorn(), AnnealedSinkhorn()):
        found = whole(question(transport=replace(ASKED, solver=solver)))
        assert math.isnan(found.first_gap)
        assert math.isnan(found.rate)
    early = whole(question(transport=replace(ASKED, epsilon=1e-3, solver=Sinkhorn(most_iterations=3))))
    assert early.solution.status is Status.UNFINISHED
    assert math.isnan(early.first_gap)
    assert math.isnan(whole(question(transport=replace(ASKED, power=1.0))).rate)


# ------------------------------------------------------------------------------------------------- costs and epsilon


def own(points: torch.Tensor, epsilon: float) -> float:
    return entropic(np.asarray(cdist(points, points), dtype=np.float64) ** 2, epsilon)[0]


def entropic(costs: Floats, epsilon: float) -> tuple[float, float]:
    """Entropic and transport cost by another library."""
    plan = other_plan(costs, epsilon)
    transport = float((plan * costs).sum())
    return transport + epsilon * float((plan * np.log(plan * costs.size)).sum()), transport


def test_costs_at_each_epsilon_are_those_of_another_library() -> None:
    asked = question()
    assert find_costs(asked, unwatched)
    assert not find_costs(asked, unwatched)
    found = costs_now(asked)
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    costs = costs_between(pair)
    assert found.points == (80, 80)
    assert found.is_whole
    assert found.unit == pytest.approx(costs.mean(), rel=1e-12)
    np.testing.assert_allclose(found.epsilons, costs.mean() * np.array(LADDER[:7]), rtol=1e-12)
    divergences: dict[int, float] = {}
    for place in (0, 1, 5, 6):
        epsilon = float(found.epsilons[place])
        total, transport = entropic(costs, epsilon)
        # To a marginal error of one in a thousand, dual values are right to second order.
        assert found.entropic[place] == pytest.approx(total, rel=1e-3)
        assert found.transport[place] == pytest.approx(transport, rel=5e-3)
        divergences[place] = total - 0.5 * (own(pair.points_x, epsilon) + own(pair.points_y, epsilon))
        assert found.divergence[place] == pytest.approx(divergences[place], abs=2e-4 * costs.mean())
    assert math.isnan(found.richardson[0])
    for place in (1, 6):
        wanted = 2 * divergences[place] - divergences[place - 1]
        assert found.richardson[place] == pytest.approx(wanted, abs=5e-4 * costs.mean())
    # The sharper, the cheaper and the fewer partners, from all of them on.
    assert (np.diff(found.transport) < 0).all()
    assert (np.diff(found.partners) < 0).all()
    assert 60 < found.partners[0] < 80
    assert found.partners[-1] > 1


def test_epsilons_go_from_the_mean_cost_to_a_thousandth_of_it() -> None:
    assert LADDER[0] == 1.0
    assert LADDER[-1] == pytest.approx(2**-10, rel=1e-12)
    np.testing.assert_allclose(np.array(LADDER[:-1]) / np.array(LADDER[1:]), math.sqrt(2), rtol=1e-12)


def test_the_exact_cost_is_that_of_the_best_assignment() -> None:
    for power in (1.0, 2.0, 3.0):
        asked = question(transport=replace(ASKED, power=power))
        costs = costs_between(GeneratedAndData().drawn(THREE, Sampling(particles=80), None), power)
        best = costs[linear_sum_assignment(costs)].sum() / 80
        found = costs_now(asked)
        assert found.exact == pytest.approx(best, rel=1e-9)
        assert estimates_now(asked).found[3].value == pytest.approx(best, rel=1e-9)
        # Blur makes it dearer, but for what marginals may lack.
        assert (found.transport > (1 - 1e-3) * best).all()


def test_on_a_line_the_exact_cost_is_that_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "MOST_EXACT", 10)
    # Too many points off the line, and never too many on it.
    assert math.isnan(costs_now(question()).exact)
    assert math.isnan(estimates_now(question()).found[3].value)
    asked = question(LINE)
    pair = GeneratedAndData().drawn(LINE, Sampling(particles=80), None)
    in_order = float((pair.points_x[:, 0].sort().values - pair.points_y[:, 0].sort().values).square().mean())
    assert costs_now(asked).exact == pytest.approx(in_order, rel=1e-12)


def test_costs_of_many_points_are_of_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "QUICK_LADDER_POINTS", 20)
    monkeypatch.setattr(estimated, "LADDER_POINTS", 40)
    monkeypatch.setattr(estimated, "QUICK_ESTIMATE_POINTS", 20)
    monkeypatch.setattr(estimated, "ESTIMATE_POINTS", 40)
    asked = question()
    early = costs_now(asked)
    assert (early.points, early.is_whole) == ((20, 20), False)
    # Fewer regularizations, too, and nothing to extrapolate with.
    assert len(early.epsilons) < len(estimated.LADDER)
    assert np.isnan(early.richardson).all()
    assert (estimates_now(asked).points, estimates_now(asked).is_whole) == ((20, 20), False)
    find_costs(asked, unwatched)
    find_estimates(asked, unwatched)
    assert np.isfinite(costs_now(asked).richardson[1:]).all()
    assert (costs_now(asked).points, costs_now(asked).is_whole) == ((40, 40), True)
    assert (estimates_now(asked).points, estimates_now(asked).is_whole) == ((40, 40), True)


def test_costs_do_not_depend_on_epsilon_nor_on_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    find_costs(question(), unwatched)
    first = costs_now(question())
    counting = Counting(monkeypatch, Sinkhorn)
    for changes in ({"epsilon": 0.3}, {"solver": LowRankSinkhorn()}, {"colors": "partners"}):
        assert costs_now(question(transport=replace(ASKED, **changes))) is first
    assert counting.calls == 0
    assert costs_now(question(transport=replace(ASKED, power=1.0))) is not first


def test_limits_of_costs_are_those_of_the_laws() -> None:
    find_costs(question(), unwatched)
    found = costs_now(question())
    assert found.limits is not None
    assert found.of_laws
    entropic_cost, divergence, extrapolated, exact = found.limits
    p, q = laws_of(question())
    known = gaussian_transport(p, q)
    for place in (0, 3, 6):
        epsilon = float(found.epsilons[place])
        assert entropic_cost[place] == known.entropic_cost(epsilon)
        assert divergence[place] == known.divergence(epsilon)
        assert extrapolated[place] == known.richardson(epsilon)
    deviations = p.variance.sqrt() - q.variance.sqrt()
    assert exact == pytest.approx(float((p.mean - q.mean).square().sum() + deviations.square().sum()), rel=1e-9)


def test_where_laws_are_unknown_limits_are_of_gaussians_with_the_moments() -> None:
    asked = question(SPIRAL)
    found = costs_now(asked)
    assert found.limits is not None
    assert not found.of_laws
    pair = GeneratedAndData().drawn(SPIRAL, Sampling(particles=80), None)
    moments = [
        (points.mean(0), torch.from_numpy(np.cov(points.numpy().T))) for points in (pair.points_x, pair.points_y)
    ]
    known = dense_transport(*moments[0], *moments[1])
    assert found.limits[3] == pytest.approx(known.wasserstein2_squared, rel=1e-9)
    assert found.limits[0][1] == pytest.approx(known.entropic_cost(float(found.epsilons[1])), rel=1e-9)
    # Of other powers nothing is known.
    assert costs_now(question(transport=replace(ASKED, power=1.0))).limits is None


# -------------------------------------------------------------------------------------------------------- estimates


def test_estimates_are_those_of_the_other_library_with_what_they_tend_to() -> None:
    asked = question(transport=replace(ASKED, epsilon=0.2))
    assert known_estimates(asked) is None
    assert find_estimates(asked, unwatched)
    assert not find_estimates(asked, unwatched)
    found = known_estimates(asked)
    assert found is not None
    assert found is estimates_now(asked)
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    costs = costs_between(pair)
    e = 0.2 * float(costs.mean())
    assert found.epsilon == pytest.approx(e, rel=1e-12)

    def divergence(epsilon: float) -> float:
        return entropic(costs, epsilon)[0] - 0.5 * (own(pair.points_x, epsilon) + own(pair.points_y, epsilon))

    sharp, blurred = divergence(e), divergence(math.sqrt(2) * e)
    wanted = entropic(costs, e)[0], sharp, 2 * sharp - blurred
    for estimate, value in zip(found.found, wanted, strict=False):
        assert estimate.value == pytest.approx(value, abs=5e-4 * costs.mean())
        assert estimate.points == (80, 80)
        assert 0 < estimate.standard_error < 0.5 * costs.mean()
    known = gaussian_transport(*laws_of(asked))
    assert found.limits == (known.entropic_cost(e), known.divergence(e), known.richardson(e), found.truth)
    assert found.truth == pytest.approx(known.wasserstein2_squared, rel=1e-12)


def test_estimates_of_unknown_laws_have_no_truth() -> None:
    for asked in (question(SPIRAL), question(transport=replace(ASKED, power=1.0))):
        found = estimates_now(asked)
        assert math.isnan(found.truth)
        assert all(math.isnan(limit) for limit in found.limits)
        assert all(math.isfinite(estimate.value) for estimate in found.found)


def test_why_there_is_no_truth_is_told() -> None:
    for asked, sentence in (
        (
            question(SPIRAL),
            "the laws of these clouds are not known; choose Gaussian data with an affine score.",
        ),
        (
            question(transport=replace(ASKED, power=1.5)),
            "exact distances are of power 2, got 1.5; choose 2.",
        ),
    ):
        for ask in (lambda asked=asked: laws_of(asked), lambda asked=asked: find_effects(asked, "points", unwatched)):
            with pytest.raises(UnknownLawsError) as caught:
                ask()
            assert str(caught.value) == sentence


def test_limits_by_modes_are_those_of_the_leading_ones() -> None:
    found = gaussian_limits(question(), (1, 2, 3))
    assert found.shape == (len(ESTIMATORS), 3)
    p, q = (law.variance.numpy() for law in laws_of(question()))
    np.testing.assert_allclose(found[3], np.cumsum((np.sqrt(p) - np.sqrt(q)) ** 2), rtol=1e-9)
    # By the closed form of one pair of modes, summed: epsilon is a share of the mean cost in as many modes.
    for count in (1, 2, 3):
        e, s = 0.1 * (p + q)[:count].sum(), np.sqrt(p * q)[:count]
        d = np.sqrt(4 * s**2 + e**2 / 4)
        r = 2 * s / (d + e / 2)
        wanted = (p + q)[:count].sum() - 2 * (s * r).sum() - 0.5 * e * np.log(1 - r**2).sum()
        assert found[0, count - 1] == pytest.approx(wanted, rel=1e-9)


def test_numbers_of_modes_go_from_one_to_all() -> None:
    assert dimensions(1) == (1,)
    assert dimensions(3) == (1, 2, 3)
    many = dimensions(1000)
    assert (many[0], many[-1]) == (1, 1000)
    assert len(many) <= estimated.MOST_MODES
    ratios = np.diff(np.log(many))
    assert ratios[3:].max() < 1.1 * ratios[3:].min()


def test_with_many_points_means_come_near_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "SIZES", (30, 300))
    asked = question(LINE, transport=replace(ASKED, epsilon=0.5))
    assert effects_over(asked, "points") is None
    assert find_effects(asked, "points", unwatched)
    assert not find_effects(asked, "points", unwatched)
    found = effects_over(asked, "points")
    assert found is not None
    assert found.sizes == (30, 300)
    assert found.values.shape == (len(ESTIMATORS), 1, 2, 1, estimated.REPLICAS)
    limits = gaussian_limits(asked, (1,))[:, 0]
    np.testing.assert_allclose(found.limits[:, 0, 0], limits, rtol=1e-9)
    means, errors = found.values.mean(-1)[:, 0, 1, 0].numpy(), found.bias_error[:, 0, 1, 0].numpy()
    # What is left is of the order of the mean cost over the number of points.
    np.testing.assert_array_less(np.abs(means - limits), 4.5 * errors + 3 * 8 / 300)
    # The cost of clouds exceeds that of their laws: no coupling of few points is as good as that of all.
    bias = found.bias[3, 0, :, 0].numpy()
    assert 0 < bias[1] < bias[0]


def test_over_modes_there_is_one_value_for_each_number_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "SIZE_OVER_MODES", 50)
    asked = question()
    find_effects(asked, "modes", unwatched)
    found = effects_over(asked, "modes")
    assert found is not None
    assert (found.modes, found.sizes) == ((1, 2, 3), (50,))
    assert effects_over(asked, "points") is None
    # The more modes, the larger the bias of the exact cost.
    assert (np.diff(found.bias[3, :, 0, 0].numpy()) > 0).all()


# ----------------------------------------------------------------------------------------------------------- scales


def test_the_nearest_point_is_that_of_a_tree() -> None:
    for power in (1.0, 2.0):
        asked = question(transport=replace(ASKED, power=power))
        assert scales_of(asked) is None
        assert find_scales(asked, unwatched)
        assert not find_scales(asked, unwatched)
        found = scales_of(asked)
        assert found is not None
        pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
        nearest = KDTree(pair.points_y.numpy()).query(pair.points_x.numpy())[0] ** power
        assert found.nearest == pytest.approx(nearest.mean() / costs_between(pair, power).mean(), rel=1e-9)


def test_at_few_partners_points_have_as_many() -> None:
    asked = question()
    find_scales(asked, unwatched)
    scales = scales_of(asked)
    assert scales is not None
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    costs = costs_between(pair)
    plan = other_plan(costs, scales.few_partners * float(costs.mean()))
    rows = plan / plan.sum(1, keepdims=True)
    entropy = -np.where(rows > 0, rows * np.log(np.where(rows > 0, rows, 1.0)), 0.0).sum(1)
    assert math.exp(entropy.mean()) == pytest.approx(10.0, rel=0.03)


def test_of_few_points_there_are_no_ten_partners() -> None:
    asked = question(transport=replace(ASKED, points=10))
    find_scales(asked, unwatched)
    scales = scales_of(asked)
    assert scales is not None
    assert math.isnan(scales.few_partners)
    assert scales.nearest > 0


def test_scales_do_not_depend_on_epsilon() -> None:
    find_scales(question(), unwatched)
    first = scales_of(question())
    assert scales_of(question(transport=replace(ASKED, epsilon=0.7))) is first
    assert scales_of(question(transport=replace(ASKED, points=90))) is None
    assert scales_of(question(seed=1)) is None


# --------------------------------------------------------------------------------------------------- what is unusual


def test_clouds_of_two_points_are_coupled() -> None:
    asked = question(transport=replace(ASKED, points=2))
    found = whole(asked)
    entries = found.solution.coupling.whole()
    np.testing.assert_allclose(entries.sum(1), 0.5, atol=1e-6)
    for find in (find_costs, find_estimates, find_scales):
        assert find(asked, unwatched)


def test_potentials_tell_the_coupling() -> None:
    found = whole(question())
    coupling = found.solution.coupling
    assert isinstance(coupling, EntropicCoupling)
    f, g = coupling.potentials.potential_f.numpy(), coupling.potentials.potential_g.numpy()
    wanted = np.exp((f[:, None] + g - costs_between(found.pair)) / found.problem.epsilon) / 80**2
    np.testing.assert_allclose(coupling.whole(), wanted, rtol=1e-9)


def test_everything_can_be_forgotten() -> None:
    asked = question()
    finds: tuple[Callable[[Question, Callable[[float], None]], bool], ...]
    finds = couple, find_costs, find_estimates, find_scales
    assert [find(asked, unwatched) for find in finds] == [True] * 4
    clear()
    assert [find(asked, unwatched) for find in finds] == [True] * 4
