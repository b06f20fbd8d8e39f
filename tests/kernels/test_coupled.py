"""Couplings as they are asked for: beside solvers and another library; and what is kept."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels.analyses import coupled
from kernels.analyses.coupled import Coupled, Question, couple, coupled_now, earlier, gaussians_of
from kernels.analyses.estimated import (
    clear,
    costs_now,
    estimates_now,
    find_costs,
    find_estimates,
    find_scales,
    laws_of,
)
from kernels.experiment import Experiment
from kernels.grids import Uniform
from kernels.pairs import GeneratedAndData, NothingToCoupleError, Pair, TwoDraws, TwoFiles
from kernels.particles import Sampling
from kernels.spectra import PowerLaw
from kernels.transport import (
    COLD,
    SOLVERS,
    AnnealedSinkhorn,
    EntropicCoupling,
    LowRankSinkhorn,
    OnlineSinkhorn,
    Sinkhorn,
    Solver,
    Status,
    UnbalancedSinkhorn,
    transport_problem,
)
from tests.coupling import (
    ASKED,
    SHARP,
    SPIRAL,
    THREE,
    Counting,
    EnoughError,
    costs_between,
    enough,
    forgetting,
    other_plan,
    question,
    unwatched,
    whole,
)

nothing_is_kept = pytest.fixture(autouse=True)(forgetting)


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


def test_what_is_known_of_costs_serves_at_every_epsilon() -> None:
    wide = Experiment(spectrum=PowerLaw(modes=20), grid=Uniform(steps=3))
    problems = [question(wide, transport=replace(ASKED, epsilon=e)).problem(80)[1] for e in (0.1, 0.2)]
    assert problems[0].products is not None
    assert problems[0].products is problems[1].products
    assert problems[0].epsilon != problems[1].epsilon


def test_lines_and_colors_do_not_solve_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch, Sinkhorn)
    first = whole(question())
    for lines in ("couplings", "map", "debiased map", "none"):
        for colors in ("clouds", "potential", "displacement", "partners"):
            other = question(transport=replace(ASKED, lines=lines, colors=colors))
            assert coupled_now(other) is first
            assert not couple(other, unwatched)
    assert counting.calls == 1


@pytest.mark.parametrize("kind", SOLVERS)
def test_what_the_watch_raises_ends_the_coupling_and_nothing_is_kept(kind: type[Solver]) -> None:
    asked = question(transport=replace(ASKED, epsilon=0.01, solver=kind(tolerance=1e-9, most_iterations=30)))
    with pytest.raises(EnoughError):
        couple(asked, enough)
    assert not coupled_now(asked).is_whole
    # Asked once more, it is done.
    assert couple(asked, unwatched)
    assert coupled_now(asked).is_whole


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
    assert found.first_gap == pytest.approx(best - first, rel=1e-6)
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
