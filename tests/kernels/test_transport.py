"""Sinkhorn's algorithm against published digits, another library in 64 bits, and what must hold for any coupling."""

import math
import time
from dataclasses import replace
from functools import partial

import numpy as np
import ot
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kernels.transport import (
    COLD,
    Coupling,
    EntropicCoupling,
    Potentials,
    Progress,
    Sinkhorn,
    Solution,
    Start,
    Status,
    TransportProblem,
    contraction_rate,
    epsilon_for_perplexity,
    equal_weights,
    error_bound,
    gap_bound,
    interaction,
    measured_rate,
    transport_problem,
    weighted_problem,
)
from kernels.transport.anderson import Anderson

A = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
B = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
X = torch.tensor([[0, 0], [1, 0], [0, 1]], dtype=torch.float64)
Y = torch.tensor([[0, 0], [1, 1], [2, 0], [-1, 1]], dtype=torch.float64)
EXACT = Sinkhorn(tolerance=1e-12)


def curves(epsilon: float = 0.5) -> TransportProblem:
    """Two clouds on curves, the same on every machine."""
    i, j = torch.arange(64.0, dtype=torch.float64), torch.arange(80.0, dtype=torch.float64)
    x = torch.stack([i.cos(), (2 * i).sin()], 1)
    y = torch.stack([0.5 + 0.8 * (1.3 * j).cos(), 0.2 + (0.7 * j).sin()], 1)
    return transport_problem(x, y, epsilon)


def ramps(epsilon: float) -> TransportProblem:
    """Twelve points on a line, of growing weight, and their squares."""
    i = torch.arange(12.0, dtype=torch.float64)
    return weighted_problem(
        (i / 11)[:, None], (i + 1) / 78, (i / 11).square()[:, None], equal_weights(i[:, None]), epsilon
    )


def clouds(n: int, d: int, fraction: float, seed: int = 0) -> TransportProblem:
    """Two Gaussian clouds with a regularization that is a fraction of the mean cost."""
    rng = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(n, d, dtype=torch.float64, generator=rng) for _ in range(2))
    deviation = torch.arange(1, d + 1).double().rsqrt()
    return transport_problem(x * deviation, 0.7 * y * deviation + 0.2, 1.0).relative(fraction)


def solved(problem: TransportProblem, solver: Sinkhorn = EXACT, start: Start = COLD) -> EntropicCoupling:
    found = solver.solve(problem, start)
    assert found.converged, found.status
    assert isinstance(found.coupling, EntropicCoupling)
    return found.coupling


def potentials(found: Solution[Coupling]) -> Potentials:
    assert isinstance(found.coupling, EntropicCoupling)
    return found.coupling.potentials


def from_zero(problem: TransportProblem) -> Potentials:
    return Potentials(torch.zeros_like(problem.weights_a), torch.zeros_like(problem.weights_b))


def by_definition(problem: TransportProblem, found: Potentials) -> tuple[Tensor, Tensor]:
    """Costs and coupling, all entries at once."""
    costs = (
        torch.cdist(problem.points_x, problem.points_y, compute_mode="donot_use_mm_for_euclid_dist") ** problem.power
    )
    exponents = (found.potential_f[:, None] + found.potential_g - costs) / problem.epsilon
    return costs, problem.weights_a[:, None] * problem.weights_b * exponents.exp()


def error_of(problem: TransportProblem, coupling: Tensor) -> float:
    missed = (coupling.sum(1) - problem.weights_a).abs().sum() + (coupling.sum(0) - problem.weights_b).abs().sum()
    return float(missed)


# ------------------------------------------------------------------------------------------------ known digits


@pytest.mark.parametrize(
    ("epsilon", "entropic", "cost", "first", "other"),
    [
        (1.0, 1.2065604847513435, 0.9315025568409931, 0.31929077290650, 0.10402238329813446),
        (0.2, 0.8295349853538719, 0.70013911888739306, 0.39993649997441405, 0.13331384171369662),
        (0.05, 0.73238722565438429, 0.70, None, None),
    ],
)
def test_a_small_problem_is_solved_to_all_digits(
    epsilon: float, entropic: float, cost: float, first: float | None, other: float | None
) -> None:
    coupling = solved(weighted_problem(X, A, Y, B, epsilon))
    assert coupling.entropic_cost == pytest.approx(entropic, abs=1e-12)
    assert coupling.dual_value == pytest.approx(entropic, abs=1e-12)
    assert coupling.transport_cost == pytest.approx(cost, abs=1e-9)
    if first is not None:
        assert float(coupling.whole()[0, 0]) == pytest.approx(first, abs=1e-12)
        assert float(coupling.whole()[2, 1]) == pytest.approx(other, abs=1e-12)


def test_the_plain_iteration_goes_the_known_way() -> None:
    problem = weighted_problem(X, A, Y, B, 0.2).swapped()
    found = Sinkhorn(tolerance=1e-12, memory=0).solve(problem, from_zero(problem))
    expected = [0.19802520256407064, 0.19317423037476232, 0.17088343759543253, 0.0915534598873118, 0.00685567112153959]
    assert found.history.errors[[0, 1, 4, 9, 19]].tolist() == pytest.approx(expected, rel=1e-9)


def test_clouds_on_curves_are_solved_to_all_digits() -> None:
    problem = curves()
    assert problem.mean_cost == pytest.approx(2.105497694446503, rel=1e-14)
    assert float(problem.cost(0, 64).max()) == pytest.approx(9.018772862957810, rel=1e-14)
    coupling = solved(problem)
    assert coupling.entropic_cost == pytest.approx(1.1027518625215, abs=1e-12)
    assert coupling.transport_cost == pytest.approx(0.6530947004555, abs=1e-12)
    assert coupling.perplexity == pytest.approx(32.5478824273, abs=1e-9)
    assert contraction_rate(coupling) == pytest.approx(0.695014740449, abs=1e-11)


@pytest.mark.parametrize(
    ("epsilon", "dual", "rate"),
    [(0.02, 0.150414999922723, 0.891557480531), (0.005, 0.133017431805867, 0.971650662150)],
)
def test_rates_and_bounds_of_the_plain_iteration(epsilon: float, dual: float, rate: float) -> None:
    problem = ramps(epsilon)
    coupling = solved(problem)
    assert coupling.dual_value == pytest.approx(dual, abs=1e-13)
    assert contraction_rate(coupling) == pytest.approx(rate, abs=1e-11)
    swapped = problem.swapped()
    history = Sinkhorn(tolerance=1e-8, memory=0, most_iterations=220).solve(swapped, from_zero(swapped)).history
    gaps, steps = dual - history.duals, torch.arange(1.0, len(history.duals) + 1, dtype=torch.float64)
    assert bool((gaps <= gap_bound(problem, steps)).all())
    assert bool((history.errors <= error_bound(float(gaps[0]), epsilon, steps)).all())
    if epsilon == 0.02:
        assert measured_rate(history.errors) == pytest.approx(rate, abs=5e-4)
        assert gaps[[0, 9]].tolist() == pytest.approx([0.1082477562682, 0.01972715915264], rel=1e-9)
        expected = [0.8310778409212, 0.3850801362561, 1.630473860e-5]
        assert history.errors[[0, 9, 99]].tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("d", "fraction"), [(2, 0.05), (2, 0.01), (64, 0.05), (64, 0.02)])
def test_the_coupling_is_that_of_another_library(d: int, fraction: float) -> None:
    problem = clouds(200, d, fraction)
    costs, _ = by_definition(problem, from_zero(problem))
    other = ot.sinkhorn(
        problem.weights_a.numpy(),
        problem.weights_b.numpy(),
        costs.numpy(),
        problem.epsilon,
        numItermax=100_000,
        stopThr=1e-9,
    )
    found = solved(problem, Sinkhorn(tolerance=1e-8)).whole()
    assert float((found - torch.from_numpy(np.asarray(other))).abs().sum()) < 1e-6


# ------------------------------------------------------------------------------------------------ what must hold


@pytest.mark.parametrize("storage", ["stored", "streamed"])
@pytest.mark.parametrize("d", [1, 2, 3, 20])
@pytest.mark.parametrize(("fraction", "tolerance"), [(0.3, 1e-3), (0.01, 1e-3), (0.02, 1e-6)])
def test_the_error_that_is_told_is_that_of_the_coupling(
    storage: str, d: int, fraction: float, tolerance: float
) -> None:
    problem = clouds(90, d, fraction)
    found = Sinkhorn(tolerance=tolerance, storage=storage).solve(problem)
    _, coupling = by_definition(problem, potentials(found))
    assert found.status is Status.CONVERGED
    assert found.marginal_error <= tolerance
    assert found.marginal_error == pytest.approx(error_of(problem, coupling), rel=1e-6, abs=1e-12)
    # What is seen while it runs, in 32 bits, is the error too, but for their rounding.
    assert float(found.history.errors[-1]) == pytest.approx(found.marginal_error, rel=0.02, abs=4e-7)
    assert found.history.epsilons[-1] == pytest.approx(problem.epsilon, rel=1e-14)
    assert found.method.startswith(storage)


def test_everything_that_is_told_of_a_coupling_is_as_defined() -> None:
    problem = replace(clouds(37, 3, 0.05), weights_a=torch.arange(1.0, 38.0, dtype=torch.float64) / 703)
    coupling = solved(problem, Sinkhorn(tolerance=1e-3))
    costs, entries = by_definition(problem, coupling.potentials)
    product = torch.outer(problem.weights_a, problem.weights_b)
    relative = float((entries * (entries / product).log() - entries + product).sum())
    assert coupling.transport_cost == pytest.approx(float((costs * entries).sum()), rel=1e-12)
    assert coupling.relative_entropy == pytest.approx(relative, rel=1e-10)
    assert coupling.entropic_cost == pytest.approx(float((costs * entries).sum()) + problem.epsilon * relative)
    assert coupling.mass == pytest.approx(float(entries.sum()), rel=1e-12)
    conditional = entries / entries.sum(1, keepdim=True)
    entropy = -(conditional * conditional.log()).sum(1)
    assert coupling.perplexity == pytest.approx(math.exp(float(problem.weights_a @ entropy)), rel=1e-10)
    torch.testing.assert_close(coupling.barycentric_map, conditional @ problem.points_y)
    torch.testing.assert_close(coupling.whole(), entries)
    torch.testing.assert_close(coupling.entries(5, 9), entries[5:9])
    values, places = coupling.strongest(4)
    torch.testing.assert_close(values, entries.sort(1, descending=True).values[:, :4])
    torch.testing.assert_close(entries.gather(1, places), values)
    assert coupling.strongest(1000)[0].shape == (37, 37)


def test_the_dual_gap_bounds_the_error_of_the_value() -> None:
    problem = clouds(150, 2, 0.02)
    value = solved(problem, Sinkhorn(tolerance=1e-9)).dual_value
    gaps = []
    for tolerance in (1e-1, 1e-3, 1e-5):
        coupling = solved(problem, Sinkhorn(tolerance=tolerance))
        gaps.append(coupling.dual_gap)
        assert -1e-12 <= value - coupling.dual_value <= coupling.dual_gap
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2] > 0


def test_potentials_are_optimal_for_each_other() -> None:
    problem = curves(0.1)
    found = solved(problem).potentials
    costs, _ = by_definition(problem, found)
    log_b = problem.weights_b.log()
    f = -problem.epsilon * torch.logsumexp((found.potential_g - costs) / problem.epsilon + log_b, 1)
    torch.testing.assert_close(f, found.potential_f, rtol=0, atol=1e-11)


def test_it_does_not_matter_where_clouds_lie_and_in_what_units() -> None:
    problem = clouds(80, 2, 0.02)
    moved = transport_problem(1e-4 * (problem.points_x + 1e4), 1e-4 * (problem.points_y + 1e4), 1e-8 * problem.epsilon)
    here, there = (Sinkhorn(tolerance=1e-4).solve(cloud) for cloud in (problem, moved))
    assert here.iterations == there.iterations
    assert 1e8 * there.coupling.entropic_cost == pytest.approx(here.coupling.entropic_cost, rel=1e-6)


@pytest.mark.parametrize("n", [999, 1000, 1001])
def test_mass_is_one_for_any_number_of_points(n: int) -> None:
    # Where another library's stabilized iteration loses all mass from 1000 points on.
    found = Sinkhorn(tolerance=1e-4).solve(clouds(n, 2, 0.05))
    assert found.converged
    assert found.coupling.mass == pytest.approx(1.0, abs=1e-6)


def test_from_y_to_x_it_is_the_same() -> None:
    problem = replace(clouds(40, 2, 0.05), points_y=curves().points_y, weights_b=curves().weights_b)
    there, back = solved(problem), solved(problem.swapped())
    torch.testing.assert_close(there.whole(), back.whole().T, rtol=0, atol=1e-12)


def test_a_large_regularization_gives_the_product() -> None:
    problem = curves(1e6)
    coupling = solved(problem)
    torch.testing.assert_close(coupling.whole(), torch.outer(problem.weights_a, problem.weights_b), rtol=1e-4, atol=0)
    assert coupling.entropic_cost == pytest.approx(problem.mean_cost, rel=1e-5)


@pytest.mark.parametrize("d", [2, 20])
def test_a_tiny_regularization_gives_the_optimal_assignment(d: int) -> None:
    problem = clouds(120, d, 1e-5)
    found = Sinkhorn(tolerance=1e-3).solve(problem)
    assert found.status is Status.CONVERGED
    costs, _ = by_definition(problem, from_zero(problem))
    exact = float(np.asarray(ot.emd2([], [], costs.numpy())))
    assert found.coupling.transport_cost == pytest.approx(exact, rel=2e-3)
    assert bool(potentials(found).potential_f.isfinite().all())


@pytest.mark.parametrize("power", [1.0, 1.5, 3.0])
def test_other_powers_of_the_distance(power: float) -> None:
    problem = replace(curves(), power=power).relative(0.05)
    costs, entries = by_definition(problem, solved(problem).potentials)
    assert problem.mean_cost == pytest.approx(float(costs.mean()), rel=1e-12)
    assert problem.oscillation == pytest.approx(float(costs.max() - costs.min()), rel=1e-12)
    assert error_of(problem, entries) < 2e-12


@pytest.mark.parametrize("storage", ["stored", "streamed"])
def test_twice_the_same_point_is_one_of_twice_the_weight(storage: str) -> None:
    problem = clouds(30, 2, 0.03)
    x = torch.cat([problem.points_x, problem.points_x[:10]])
    doubled = transport_problem(x, problem.points_y, problem.epsilon)
    weights = torch.full((30,), 1 / 40, dtype=torch.float64)
    weights[:10] = 1 / 20
    merged = weighted_problem(
        problem.points_x, weights, problem.points_y, equal_weights(problem.points_y), problem.epsilon
    )
    solver = replace(EXACT, tolerance=1e-11, storage=storage)
    one, two = solved(merged, solver), solved(doubled, solver)
    whole = two.whole()
    torch.testing.assert_close(whole[:10] + whole[30:], one.whole()[:10], rtol=0, atol=1e-11)
    assert one.dual_value == pytest.approx(two.dual_value, rel=1e-7)


def test_points_without_weight_take_no_part() -> None:
    problem = curves()
    weights = torch.where(torch.arange(64) % 3 == 0, 0.0, 1.0).double()
    some = weighted_problem(problem.points_x, weights / weights.sum(), problem.points_y, problem.weights_b, 0.5)
    fewer = transport_problem(problem.points_x[weights > 0], problem.points_y, 0.5)
    whole, alone = solved(some), solved(fewer)
    torch.testing.assert_close(whole.whole()[weights > 0], alone.whole(), rtol=0, atol=1e-12)
    assert float(whole.whole()[weights == 0].abs().max()) == 0
    # Their potentials are what they would be for the least of weights.
    least = weighted_problem(
        problem.points_x, (weights + 1e-12) / (weights + 1e-12).sum(), problem.points_y, problem.weights_b, 0.5
    )
    torch.testing.assert_close(
        whole.potentials.potential_f - whole.potentials.potential_f[1],
        solved(least).potentials.potential_f - solved(least).potentials.potential_f[1],
        rtol=0,
        atol=1e-9,
    )


def test_one_point_and_coinciding_points() -> None:
    point, others = torch.ones(1, 2), torch.tensor([[0.0, 0.0], [3.0, 1.0], [1.0, 1.0]])
    single = solved(transport_problem(point, others, 0.1))
    assert single.transport_cost == pytest.approx((2 + 4 + 0) / 3, rel=1e-12)
    assert single.perplexity == pytest.approx(3.0, rel=1e-9)
    assert solved(transport_problem(others, point, 1e-3)).dual_value == pytest.approx(2.0, rel=1e-12)
    same = solved(transport_problem(torch.ones(4, 2), torch.ones(5, 2), 0.1))
    torch.testing.assert_close(same.whole(), torch.full((4, 5), 0.05, dtype=torch.float64))
    assert contraction_rate(single) == 0.0


def test_points_far_outside_get_all_their_mass() -> None:
    problem = clouds(100, 2, 0.01)
    x, y = problem.points_x.clone(), problem.points_y.clone()
    x[3], y[5], y[6] = torch.tensor([40.0, 0.0]), torch.tensor([0.0, -60.0]), torch.tensor([0.0, 60.0])
    for storage in ("stored", "streamed"):
        found = Sinkhorn(tolerance=1e-4, storage=storage).solve(transport_problem(x, y, problem.epsilon))
        _, coupling = by_definition(transport_problem(x, y, problem.epsilon), potentials(found))
        assert found.status is Status.CONVERGED
        assert error_of(problem, coupling) <= 1.001e-4


@given(
    st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.floats(-3.0, 2.0), st.integers(0, 2**31),
)  # fmt: skip
def test_any_problem_is_solved(n: int, m: int, d: int, log_fraction: float, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, d, generator=rng), 3 * torch.rand(m, d, generator=rng)
    a, b = torch.rand(n, generator=rng).double() ** 3 + 1e-6, torch.rand(m, generator=rng).double() ** 3 + 1e-6
    problem = weighted_problem(x, a / a.sum(), y, b / b.sum(), 1.0).relative(10**log_fraction)
    found = Sinkhorn(tolerance=1e-5).solve(problem)
    _, coupling = by_definition(problem, potentials(found))
    assert found.status is Status.CONVERGED
    assert error_of(problem, coupling) <= 1.001e-5


# ------------------------------------------------------------------------------------------------ speed and memory


def test_acceleration_saves_most_iterations() -> None:
    problem = clouds(150, 2, 0.02)
    plain, accelerated = (Sinkhorn(tolerance=1e-4, memory=memory).solve(problem) for memory in (0, 10))
    assert plain.converged
    assert 4 * accelerated.iterations < plain.iterations
    assert plain.coupling.transport_cost == pytest.approx(accelerated.coupling.transport_cost, rel=1e-3)


def test_a_start_from_former_potentials_is_short() -> None:
    problem = clouds(300, 2, 0.02)
    solver = Sinkhorn(tolerance=1e-3)
    former = potentials(solver.solve(problem))
    smaller = problem.at(0.8 * problem.epsilon)
    moved = replace(problem, points_x=problem.points_x + 0.01)
    for later in (smaller, moved):
        warm, cold = solver.solve(later, former), solver.solve(later)
        assert warm.converged
        assert 2 * warm.iterations < cold.iterations


def test_a_pass_takes_no_longer_where_nearly_nothing_is_left() -> None:
    # Exponentials that vanish are slow with most libraries, and never formed here.
    seconds = []
    for fraction in (0.5, 1e-4):
        problem, solver = clouds(400, 2, fraction), Sinkhorn(tolerance=1e-15, most_iterations=60, storage="streamed")
        solver.solve(problem)
        begin = time.process_time()
        found = solver.solve(problem, from_zero(problem))
        seconds.append((time.process_time() - begin) / found.iterations)
    assert seconds[1] < 3 * seconds[0]


def test_it_is_watched_and_ended_in_the_middle_of_a_pass_and_memory_stays_small() -> None:
    problem = clouds(60_000, 2, 0.01)
    solver, process = Sinkhorn(tolerance=1e-5, storage="streamed"), psutil.Process()
    before, heard, memory = process.memory_info().rss, list[tuple[float, Progress]](), list[int]()

    def watch(progress: Progress) -> None:
        heard.append((time.perf_counter(), progress))
        memory.append(process.memory_info().rss)
        if len(heard) == 12:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        solver.solve(problem, watch=watch)
    ended = time.perf_counter()
    assert ended - heard[-1][0] < 0.3
    assert heard[-1][0] - heard[0][0] < 4
    assert max(memory) - before < 2**27
    assert all(0 <= progress.fraction <= 1 for _, progress in heard)


def test_progress_rises_to_the_end() -> None:
    heard = list[Progress]()
    found = Sinkhorn(tolerance=1e-6, storage="streamed").solve(clouds(1500, 2, 0.01), watch=heard.append)
    assert heard[-1].iterations <= found.iterations
    assert [progress.iterations for progress in heard] == sorted(progress.iterations for progress in heard)
    assert heard[-1].fraction > 0.3


def test_an_end_that_is_not_convergence_has_a_name() -> None:
    problem = clouds(60, 2, 0.05)
    assert Sinkhorn(tolerance=1e-6, most_iterations=3).solve(problem).status is Status.UNFINISHED
    floor = Sinkhorn(tolerance=1e-30).solve(problem)
    assert floor.status is Status.FLOOR
    assert floor.marginal_error < 1e-11
    assert floor.method.endswith("64 bits")
    assert not floor.converged


@pytest.mark.parametrize("partners", [3.0, 30.0])
def test_a_regularization_is_found_for_a_number_of_partners(partners: float) -> None:
    problem = clouds(50, 2, 1.0)
    epsilon = epsilon_for_perplexity(problem, partners, Sinkhorn(tolerance=1e-3))
    _, entries = by_definition(problem.at(epsilon), solved(problem.at(epsilon), Sinkhorn(tolerance=1e-5)).potentials)
    conditional = entries / entries.sum(1, keepdim=True)
    found = math.exp(-float(torch.xlogy(conditional, conditional).sum()) / 50)
    assert found == pytest.approx(partners, rel=0.02)


def test_acceleration_solves_a_linear_problem_in_as_many_steps_as_it_has_directions() -> None:
    rng = np.random.default_rng(3)
    matrix, goal, weights = np.diag([0.9, 0.5, -0.4, 0.2]), rng.normal(size=4), np.full(4, 0.25)
    # An additive constant means nothing: what is sought is the solution but for its mean.
    center = np.eye(4) - 0.25
    solver, x = Anderson(weights, 8, 0.0), np.zeros(4)
    for _ in range(6):
        residual = center @ (goal - (np.eye(4) - center @ matrix @ center) @ x)
        x = solver.next(x, residual, float(np.abs(residual).sum()))
    exact = np.linalg.solve(np.eye(4) - center @ matrix @ center, center @ goal)
    assert float(np.abs(center @ (x - exact)).max()) < 1e-9


# ------------------------------------------------------------------------------------------------ refusals


def refused(make: object) -> str:
    assert callable(make)
    with pytest.raises(ValueError) as caught:
        make()
    return str(caught.value)


def test_clouds_that_are_none_are_refused() -> None:
    broken = torch.zeros(5, 2)
    broken[3, 1], broken[4, 0] = math.nan, math.inf
    good = torch.zeros(4, 2)
    assert refused(lambda: transport_problem(torch.zeros(4, 3), good, 1.0)) == (
        "cloud x has 3 coordinates and cloud y has 2; both must have equally many."
    )
    assert refused(lambda: transport_problem(broken, good, 1.0)) == (
        "cloud x holds nan in row 3, and 2 of its 5 rows are not finite; leave them out."
    )
    assert refused(lambda: transport_problem(good, broken[4:], 1.0)) == (
        "cloud y holds inf in row 0, and 1 of its 1 rows are not finite; leave them out."
    )
    assert refused(lambda: transport_problem(good, torch.zeros(0, 2), 1.0)) == (
        "cloud y has no points; at least 1 is needed."
    )
    assert refused(lambda: transport_problem(torch.zeros(3, 0), torch.zeros(3, 0), 1.0)) == (
        "the points of cloud x have no coordinates; at least 1 is needed."
    )


def test_weights_that_are_none_are_refused() -> None:
    def weighted(weights: list[float]) -> TransportProblem:
        return weighted_problem(X, torch.tensor(weights, dtype=torch.float64), Y, B, 1.0)

    assert refused(lambda: weighted([0.5, 0.5])) == (
        "weights a are 2 and cloud x has 3 points; give one weight to each point."
    )
    assert refused(lambda: weighted([0.7, -0.2, 0.5])) == (
        "weights a must be finite and not negative, got -0.2 at position 1; correct or leave out that point."
    )
    assert refused(lambda: weighted([0.0, 0.0, 0.0])) == (
        "weights a must have a positive, finite sum, got 0.0; scale them, or give weight to some point."
    )
    assert refused(lambda: EXACT.solve(weighted([0.5, 0.4, 0.2]))) == (
        "weights a must sum to 1 for balanced transport, got a sum of 1.1; divide them by it, or choose unbalanced transport."
    )


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_regularizations_and_powers_that_are_none_are_refused(value: float) -> None:
    assert refused(lambda: curves(value)) == (
        f"the regularization ε must be positive and finite, got {value}; choose a larger one."
    )
    assert refused(lambda: replace(curves(), power=value)) == (
        f"the power of the distance p must be positive and finite, got {value}; choose a larger one."
    )


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1 / 3, -1e8 - 0.1])
@pytest.mark.parametrize("d", [1, 20])
@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_a_fraction_of_nothing_is_refused(value: float, d: int, power: float) -> None:
    # The mean of equal numbers is another one where it is rounded.
    x, y = (torch.full((count, d), value, dtype=torch.float64) for count in (49, 1000))
    same = transport_problem(x, y, 1.0, power)
    assert (same.mean_cost, same.fraction) == (0.0, math.inf)
    assert refused(lambda: same.relative(0.1)) == (
        "all points of both clouds coincide and every cost is 0; choose ε in absolute units."
    )


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_points_that_nearly_coincide_have_a_mean_cost(power: float) -> None:
    x, y = torch.full((5, 2), 1e5, dtype=torch.float64), torch.full((4, 2), 1e5, dtype=torch.float64)
    y[0, 0] += 1e-7
    moved = float(y[0, 0] - x[0, 0]) ** power
    assert transport_problem(x, y, 1.0, power).mean_cost == pytest.approx(moved / 4, rel=1e-3)


def test_points_without_weight_have_no_part_in_the_mean_cost() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(5, 3))
    a, b = rng.random(6), rng.random(5)
    costs = np.square(x[:, None] - y).sum(2)
    wanted = float((a / a.sum()) @ costs @ (b / b.sum()))
    y, b = np.concatenate([y, [[1e9, 0.0, 0.0]]]), np.append(b, 0.0)
    clouds_and_weights = (torch.from_numpy(x), torch.from_numpy(a), torch.from_numpy(y), torch.from_numpy(b))
    problem = weighted_problem(*clouds_and_weights, 1.0)
    assert problem.mean_cost == pytest.approx(wanted, rel=1e-12)


def test_potentials_of_another_problem_are_refused() -> None:
    former = from_zero(curves())
    assert refused(lambda: EXACT.solve(clouds(30, 2, 0.1), former)) == (
        "former potentials are of 64 and 80 points, and the clouds have 30 and 30; start without them."
    )
    broken = Potentials(former.potential_f, former.potential_g / 0)
    assert refused(lambda: EXACT.solve(curves(), broken)) == "former potentials are not finite; start without them."


def test_a_number_of_partners_that_no_point_has_is_refused() -> None:
    for partners in (1.0, 80.0, math.nan):
        assert refused(partial(epsilon_for_perplexity, curves(), partners, Sinkhorn())) == (
            f"a point has more than 1 and fewer than 80 partners, got {partners}; choose between."
        )


def test_more_than_fits_into_memory_is_refused_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Little:
        available = 10**5

    coupling = solved(curves())
    problem = clouds(300, 2, 0.5)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Little)
    assert refused(lambda: Sinkhorn(storage="stored").solve(problem)) == (
        "storing 300 times 300 entries needs 0.00036 GB and 9e-05 GB are free; at most 150 points of each cloud fit, "
        "or choose streamed."
    )
    assert Sinkhorn().solve(problem).method == "streamed, 32 bits"
    monkeypatch.setattr(Little, "available", 10**9)
    assert Sinkhorn().solve(problem).method == "stored, 32 bits"
    # Many entries that are cheap to form and serve but a few times are not worth storing.
    monkeypatch.setattr(interaction, "LARGE", 10**5)
    assert Sinkhorn().solve(problem).method == "streamed, 32 bits"
    assert Sinkhorn().solve(clouds(300, 2, 0.03)).method == "stored, 32 bits"
    assert Sinkhorn().solve(clouds(300, 20, 0.5)).method == "stored, 32 bits"
    monkeypatch.setattr(Little, "available", 10**4)
    assert refused(coupling.whole) == (
        "the coupling of 64 and 80 points needs 4.1e-05 GB and 9e-06 GB are free; at most 33 points of each cloud fit, "
        "or take its rows."
    )
