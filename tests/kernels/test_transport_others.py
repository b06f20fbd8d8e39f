"""Transport beside the accelerated solver: against closed forms, golden values, other programs and sums of its own."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import logsumexp
from scipy.stats import wasserstein_distance
from torch import Tensor

from kernels.arrays import array
from kernels.gaussian import Gaussian
from kernels.transport.annealed import AnnealedSinkhorn
from kernels.transport.base import Progress, Solver
from kernels.transport.cooling import ConstantCooling, GeometricCooling, PowerCooling
from kernels.transport.estimators import own_transport, richardson, sinkhorn_divergence, standard_error
from kernels.transport.exact import exact_transport
from kernels.transport.gaussians import dense_transport, gaussian_transport
from kernels.transport.low_rank import LowRankCoupling, LowRankSinkhorn
from kernels.transport.online import OnlineSinkhorn
from kernels.transport.problem import TransportProblem, transport_problem, weighted_problem
from kernels.transport.rounding import rounded_cost
from kernels.transport.sample_size import sample_size_effects
from kernels.transport.scaled_gaussians import ScaledGaussian, unbalanced_transport
from kernels.transport.sinkhorn import Sinkhorn
from kernels.transport.softmin import soft_minima
from kernels.transport.solution import Coupling, EntropicCoupling, Potentials, Status
from kernels.transport.unbalanced import UnbalancedCoupling, UnbalancedSinkhorn

Matrix = NDArray[np.float64]
# They carry no types.
POT: Any = ot
log_sum: Any = logsumexp


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clouds(n: int = 60, m: int = 50, d: int = 2) -> tuple[Tensor, Tensor]:
    rng = generator()
    x = torch.randn(n, d, dtype=torch.float64, generator=rng)
    return x, 0.6 * torch.randn(m, d, dtype=torch.float64, generator=rng) + 0.4


def costs_of(problem: TransportProblem) -> Matrix:
    x, y = problem.points_x.numpy(), problem.points_y.numpy()
    return (np.abs(x[:, None] - y[None]) ** 2).sum(-1) ** (problem.power / 2)


def plain_sinkhorn(
    a: Matrix, b: Matrix, costs: Matrix, epsilon: float, rounds: int, rho: tuple[float, float] = (math.inf, math.inf)
) -> Matrix:
    """The coupling by alternating scalings, as the textbook has them."""
    entries = np.exp(-costs / epsilon) * np.outer(a, b)
    u, v = np.ones_like(a), np.ones_like(b)
    for _ in range(rounds):
        v = (b / (entries.T @ u)) ** (1 / (1 + epsilon / rho[1]))
        u = (a / (entries @ v)) ** (1 / (1 + epsilon / rho[0]))
    return u[:, None] * entries * v


def relative_entropy(p: Matrix, q: Matrix) -> float:
    """Of masses: where p is nothing, q is left."""
    held = p > 0
    return float((p[held] * np.log(p[held] / q[held])).sum() - p.sum() + q.sum())


def missed(coupling: Coupling) -> float:
    """The marginal error, from all entries."""
    entries, problem = coupling.whole().numpy(), coupling.problem
    rows, columns = entries.sum(1) - problem.weights_a.numpy(), entries.sum(0) - problem.weights_b.numpy()
    return float(np.abs(rows).sum() + np.abs(columns).sum())


# ------------------------------------------------------------------------------------------------ Gaussians

GOLDEN_GAUSSIANS = {
    0.5: (1.7043770041223871, 1.4692235935955849, 0.39038820320220757, 1.2426448532095624, 1.2492198109816302),
    0.1: (1.4163789944281304, 1.2987507802749607, 0.47562460986251964, 1.249688294606961, 1.2499984223543208),
}


def line_pair(*, dense: bool):
    zero, one, quarter = array([0.0]), array([1.0]), array([0.25])
    if dense:
        return dense_transport(zero, one[:, None], one, quarter[:, None])
    return gaussian_transport(Gaussian(zero, one), Gaussian(one, quarter))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("epsilon", GOLDEN_GAUSSIANS)
def test_gaussians_on_a_line_have_the_published_costs(epsilon: float, dense: bool) -> None:
    pair = line_pair(dense=dense)
    found = (
        pair.entropic_cost(epsilon),
        pair.transport_cost(epsilon),
        float(pair.cross_covariance(epsilon)),
        pair.divergence(epsilon),
        pair.richardson(epsilon),
    )
    assert found == pytest.approx(GOLDEN_GAUSSIANS[epsilon], rel=4e-15)
    assert pair.wasserstein2_squared == pytest.approx(1.25, rel=1e-15)


A, B = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.4, -0.2], [-0.2, 0.8]])
MEAN_A, MEAN_B = np.array([0.2, 0.0]), np.array([-0.3, 0.5])


def on_a_grid(mean: Matrix, covariance: Matrix, count: int, reach: float = 6.5) -> tuple[Matrix, Matrix]:
    """Points and weights of a Gaussian, on a grid along the axes of its covariance."""
    values, axes = np.linalg.eigh(covariance)
    along = np.linspace(-reach, reach, count)
    grid = np.stack(np.meshgrid(*[along] * len(mean), indexing="ij"), -1).reshape(-1, len(mean))
    weights = np.exp(-0.5 * (grid**2).sum(1))
    return mean + (grid * np.sqrt(values)) @ axes.T, weights / weights.sum()


def test_gaussians_that_do_not_commute_agree_with_sums_over_a_grid() -> None:
    epsilon = 1.0
    (x, a), (y, b) = on_a_grid(MEAN_A, A, 27), on_a_grid(MEAN_B, B, 27)
    costs = ((x[:, None] - y[None]) ** 2).sum(-1)
    coupling = plain_sinkhorn(a, b, costs, epsilon, 60)
    pair = dense_transport(*(torch.from_numpy(part) for part in (MEAN_A, A, MEAN_B, B)))
    assert pair.transport_cost(epsilon) == pytest.approx(float((costs * coupling).sum()), rel=1e-8)
    entropic = float((costs * coupling).sum()) + epsilon * relative_entropy(coupling, np.outer(a, b))
    assert pair.entropic_cost(epsilon) == pytest.approx(entropic, rel=1e-8)
    cross = (x - MEAN_A).T @ coupling @ (y - MEAN_B)
    np.testing.assert_allclose(pair.cross_covariance(epsilon).numpy(), cross, atol=1e-7)
    near = np.flatnonzero(((x - MEAN_A) ** 2).sum(1) < 2)
    sent = (coupling @ y)[near] / a[near][:, None]
    np.testing.assert_allclose(pair.entropic_map(torch.from_numpy(x[near]), epsilon).numpy(), sent, atol=1e-6)
    # How fast the algorithm converges is told by the second singular value of the coupling it converges to.
    singular = np.linalg.svd(coupling / np.sqrt(np.outer(a, b)), compute_uv=False)
    assert pair.contraction(epsilon) == pytest.approx(singular[1] ** 2, rel=1e-7)


def test_without_regularization_it_is_the_distance_of_bures() -> None:
    pair = dense_transport(*(torch.from_numpy(part) for part in (MEAN_A, A, MEAN_B, B)))
    distance = float(POT.gaussian.bures_wasserstein_distance(MEAN_A, MEAN_B, A, B))
    assert pair.wasserstein2_squared == pytest.approx(distance**2, rel=1e-12)
    # The entropic map tends to the map of the best coupling.
    linear, shift = POT.gaussian.bures_wasserstein_mapping(MEAN_A, MEAN_B, A, B)
    x = clouds(5)[0]
    np.testing.assert_allclose(pair.entropic_map(x, 1e-7).numpy(), x.numpy() @ linear + shift, atol=1e-6)


def test_estimates_from_gaussians_are_of_orders_two_and_four() -> None:
    pair = line_pair(dense=True)
    divergences = [1.25 - pair.divergence(epsilon) for epsilon in (0.02, 0.01)]
    extrapolated = [1.25 - pair.richardson(epsilon) for epsilon in (0.2, 0.1)]
    assert math.log2(divergences[0] / divergences[1]) == pytest.approx(2, abs=0.01)
    assert math.log2(extrapolated[0] / extrapolated[1]) == pytest.approx(4, abs=0.05)


def test_modes_in_common_and_full_matrices_give_the_same() -> None:
    p, q = Gaussian(array([0.1, 0.2, 0.0]), array([3.0, 1.0, 0.0])), Gaussian(array([0.5]), array([2.0, 0.0, 0.3]))
    modes = gaussian_transport(p, q)
    dense = dense_transport(p.mean, p.variance.diag(), q.mean.expand(3), q.variance.diag())
    for epsilon in (1e-3, 0.3, 20.0):
        assert dense.entropic_cost(epsilon) == pytest.approx(modes.entropic_cost(epsilon), rel=1e-13)
        assert dense.divergence(epsilon) == pytest.approx(modes.divergence(epsilon), rel=1e-10)
        assert dense.contraction(epsilon) == pytest.approx(modes.contraction(epsilon), rel=1e-13)
        torch.testing.assert_close(dense.cross_covariance(epsilon), modes.cross_covariance(epsilon))
        x = clouds(4, d=3)[0]
        torch.testing.assert_close(dense.entropic_map(x, epsilon), modes.entropic_map(x, epsilon))


def test_a_law_is_at_divergence_zero_from_itself() -> None:
    law = torch.from_numpy(MEAN_A), torch.from_numpy(A)
    assert dense_transport(*law, *law).divergence(0.3) == pytest.approx(0, abs=1e-14)
    assert dense_transport(*law, *law).wasserstein2_squared == pytest.approx(0, abs=1e-14)


def test_epsilon_of_a_closed_form_is_positive() -> None:
    with pytest.raises(ValueError, match=r"^epsilon must be a positive number, got 0.0; choose a larger one\.$"):
        line_pair(dense=True).entropic_cost(0.0)


RELAXED = [(1.0, 1.0, 0.5), (1.0, 3.0, 0.3), (0.5, math.inf, 0.4), (math.inf, 2.0, 0.4)]


@pytest.mark.parametrize(("rho_a", "rho_b", "epsilon"), RELAXED)
def test_unbalanced_gaussians_agree_with_sums_over_a_grid(rho_a: float, rho_b: float, epsilon: float) -> None:
    x, a = on_a_grid(np.array([0.2]), np.array([[1.0]]), 161, 9.0)
    y, b = on_a_grid(np.array([1.0]), np.array([[0.25]]), 161, 9.0)
    a, b, costs = 0.7 * a, 1.6 * b, (x - y.T) ** 2
    coupling = plain_sinkhorn(a, b, costs, epsilon, 150, (rho_a, rho_b))
    p = ScaledGaussian(0.7, array([0.2]), array([[1.0]]))
    q = ScaledGaussian(1.6, array([1.0]), array([[0.25]]))
    found = unbalanced_transport(p, q, epsilon, rho_a, rho_b)
    rows, columns = coupling.sum(1), coupling.sum(0)
    value = float((costs * coupling).sum()) + epsilon * relative_entropy(coupling, np.outer(a, b))
    value += rho_a * relative_entropy(rows, a) if rho_a < math.inf else 0.0
    value += rho_b * relative_entropy(columns, b) if rho_b < math.inf else 0.0
    assert found.value == pytest.approx(value, rel=1e-9)
    assert found.mass == pytest.approx(rows.sum(), rel=1e-9)
    assert found.transport_cost == pytest.approx(float((costs * coupling).sum()), rel=1e-9)
    mean_x, mean_y = float(rows @ x[:, 0]) / rows.sum(), float(columns @ y[:, 0]) / rows.sum()
    assert (float(found.source.mean), float(found.target.mean)) == pytest.approx((mean_x, mean_y), rel=1e-8)
    variance = float(rows @ (x[:, 0] - mean_x) ** 2) / rows.sum()
    cross = float((x[:, 0] - mean_x) @ coupling @ (y[:, 0] - mean_y)) / rows.sum()
    assert float(found.source.covariance) == pytest.approx(variance, rel=1e-8)
    assert float(found.cross_covariance) == pytest.approx(cross, rel=1e-8)


def test_unbalanced_gaussians_that_do_not_commute_agree_with_sums_over_a_grid() -> None:
    (x, a), (y, b) = on_a_grid(MEAN_A, A, 27), on_a_grid(MEAN_B, B, 27)
    a, b, costs = 0.7 * a, 1.2 * b, ((x[:, None] - y[None]) ** 2).sum(-1)
    coupling = plain_sinkhorn(a, b, costs, 1.0, 40, (1.0, 3.0))
    laws = [(0.7, MEAN_A, A), (1.2, MEAN_B, B)]
    p, q = (ScaledGaussian(mass, torch.from_numpy(mean), torch.from_numpy(cov)) for mass, mean, cov in laws)
    found = unbalanced_transport(p, q, 1.0, 1.0, 3.0)
    value = float((costs * coupling).sum()) + relative_entropy(coupling, np.outer(a, b))
    value += relative_entropy(coupling.sum(1), a) + 3 * relative_entropy(coupling.sum(0), b)
    assert found.value == pytest.approx(value, rel=1e-8)
    assert found.mass == pytest.approx(coupling.sum(), rel=1e-8)


def test_unbalanced_gaussians_with_a_high_penalty_are_balanced_ones() -> None:
    p = ScaledGaussian(1.0, torch.from_numpy(MEAN_A), torch.from_numpy(A))
    q = ScaledGaussian(1.0, torch.from_numpy(MEAN_B), torch.from_numpy(B))
    balanced = dense_transport(p.mean, p.covariance, q.mean, q.covariance)
    found = unbalanced_transport(p, q, 0.3, 1e7, 1e7)
    assert found.value == pytest.approx(balanced.entropic_cost(0.3), rel=1e-6)
    torch.testing.assert_close(found.cross_covariance, balanced.cross_covariance(0.3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("mass", "epsilon", "penalty", "sentence"),
    [
        (0.0, 1.0, 1.0, "the mass of the source must be positive and finite, got 0.0; choose another."),
        (1.0, -1.0, 1.0, "the epsilon must be positive and finite, got -1.0; choose another."),
        (1.0, 1.0, -2.0, "the penalty of the source must be positive, got -2.0; choose another."),
        (1.0, 1.0, math.inf, "both penalties are infinite, which is balanced transport; use dense_transport for it."),
    ],
)
def test_unbalanced_gaussians_refuse_what_makes_no_sense(
    mass: float, epsilon: float, penalty: float, sentence: str
) -> None:
    p = ScaledGaussian(mass, array([0.0]), array([[1.0]]))
    with pytest.raises(ValueError) as refused:
        unbalanced_transport(p, replace(p, mass=1.0), epsilon, penalty, math.inf if penalty == math.inf else 1.0)
    assert str(refused.value) == sentence


# ---------------------------------------------------------------------------------------------------- exact


def cheapest(a: Matrix, b: Matrix, costs: Matrix) -> float:
    """The linear program as it stands."""
    n, m = costs.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    return float(linprog(costs.ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=np.concatenate([a, b])[:-1]).fun)


def weighted(n: int, m: int, d: int, power: float) -> TransportProblem:
    x, y = clouds(n, m, d)
    rng = generator(3)
    a, b = (torch.rand(k, dtype=torch.float64, generator=rng) for k in (n, m))
    a[1] = b[0] = 0.0
    return weighted_problem(x, a / a.sum(), y, b / b.sum(), 0.1, power)


@pytest.mark.parametrize(("d", "power"), [(1, 1.0), (1, 1.5), (1, 2.0), (1, 3.0), (1, 0.5), (2, 2.0), (3, 1.0)])
def test_exact_transport_solves_the_linear_program(d: int, power: float) -> None:
    problem = weighted(14, 11, d, power)
    a, b = problem.weights_a.numpy(), problem.weights_b.numpy()
    found = exact_transport(problem)
    assert found.cost == pytest.approx(cheapest(a, b, costs_of(problem)), rel=1e-10)
    # Potentials prove it: no pair is above its cost, and together they are worth as much.
    assert found.dual_value == pytest.approx(found.cost, rel=1e-10)
    f, g = found.potentials.potential_f.numpy(), found.potentials.potential_g.numpy()
    assert (f[:, None] + g - costs_of(problem)).max() < 1e-12
    assert found.violation < 1e-12
    entries = np.zeros((14, 11))
    np.add.at(entries, (found.rows.numpy(), found.columns.numpy()), found.masses.numpy())
    np.testing.assert_allclose(entries.sum(1), a, atol=1e-15)
    np.testing.assert_allclose(entries.sum(0), b, atol=1e-15)
    sent = (entries @ problem.points_y.numpy())[2:] / a[2:, None]
    np.testing.assert_allclose(found.barycentric_map.numpy()[2:], sent, atol=1e-12)


def test_exact_transport_on_a_line_takes_any_number_of_points() -> None:
    x, y = clouds(20_000, 30_000, 1)
    found = exact_transport(transport_problem(x, y, 0.1, 1.0))
    assert found.cost == pytest.approx(wasserstein_distance(x.numpy()[:, 0], y.numpy()[:, 0]), rel=1e-10)
    assert found.dual_value == pytest.approx(found.cost, rel=1e-9)


def golden_clouds() -> tuple[Tensor, Tensor]:
    i, j = torch.arange(64, dtype=torch.float64), torch.arange(80, dtype=torch.float64)
    x = torch.stack([i.cos(), (2 * i).sin()], 1)
    return x, torch.stack([0.5 + 0.8 * (1.3 * j).cos(), 0.2 + (0.7 * j).sin()], 1)


def test_exact_transport_of_the_golden_clouds() -> None:
    assert exact_transport(transport_problem(*golden_clouds(), 1.0)).cost == pytest.approx(0.349145302590389, rel=1e-13)


def test_exact_transport_off_the_line_refuses_large_clouds() -> None:
    with pytest.raises(ValueError) as refused:
        exact_transport(transport_problem(torch.zeros(6000, 2), torch.zeros(6000, 2), 1.0))
    assert str(refused.value) == (
        "exact transport off the line takes at most 25000000 pairs of points, got 6000 x 6000; "
        "thin the clouds to 5000 points each, or use the Sinkhorn divergence."
    )


# ------------------------------------------------------------------------------------------------- annealed

EXACT = 0.12464119902136422


def staircase(epsilon: float = 0.1) -> TransportProblem:
    i = torch.arange(12, dtype=torch.float64)
    return weighted_problem(
        (i / 11)[:, None], (i + 1) / 78, (i / 11).square()[:, None], torch.full_like(i, 1 / 12), epsilon
    )


@pytest.mark.parametrize(
    ("exponent", "debiased", "errors"),
    [
        (1 / 2, False, (4.461829613412e-2, 1.345461926106e-2, 9.154123202366e-3)),
        (2 / 3, True, (3.267919239973e-2, 1.197672587990e-3, 4.165722638521e-4)),
        (1 / 2, True, (2.458174201107e-2, 2.913496816184e-3, 1.708953633443e-3)),
    ],
)
def test_annealing_reaches_the_golden_costs(exponent: float, debiased: bool, errors: tuple[float, ...]) -> None:
    solver = AnnealedSinkhorn(cooling=PowerCooling(exponent=exponent), debiased=debiased)
    path = solver.path(staircase(), (10, 100, 200))
    np.testing.assert_allclose(path.rounded_costs.numpy() - EXACT, errors, rtol=1e-9)
    np.testing.assert_allclose(path.epsilons.numpy(), 0.1 / np.array([11, 101, 201]) ** exponent, rtol=1e-13)
    if not debiased:
        assert float(path.errors[-1]) == pytest.approx(6.312367427124e-2, rel=1e-10)


def test_annealing_without_cooling_is_the_plain_algorithm() -> None:
    solver = AnnealedSinkhorn(cooling=ConstantCooling(), tolerance=1e-7)
    path = solver.path(staircase(1 / 50), (10, 200))
    np.testing.assert_allclose(path.rounded_costs.numpy() - EXACT, (5.345775859736e-2, 6.925521394666e-3), rtol=1e-9)
    solution = solver.solve(staircase(0.02))
    assert solution.status is Status.CONVERGED
    assert float(solution.history.duals[-1]) == pytest.approx(0.150414999922723, rel=1e-13)
    # In the end errors shrink by the square of the coupling's second singular value.
    errors = solution.history.errors
    assert float(errors[-1] / errors[-2]) == pytest.approx(0.891557480531, rel=1e-6)
    problem = staircase(0.02)
    few = replace(solver, most_iterations=7).solve(problem.swapped()).coupling.whole()
    coupling = plain_sinkhorn(problem.weights_a.numpy(), problem.weights_b.numpy(), costs_of(problem), 0.02, 7)
    np.testing.assert_allclose(few.T.numpy(), coupling, rtol=1e-12)


def test_annealing_in_a_constant_ratio_stops_at_its_floor() -> None:
    solver = AnnealedSinkhorn(cooling=GeometricCooling(ratio=1.5, floor=0.2), tolerance=1e-7, debiased=False)
    solution = solver.solve(staircase())
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(
        solution.history.epsilons[:5].numpy(), np.maximum(0.1 / 1.5 ** np.arange(1, 6), 0.02), rtol=1e-12
    )
    assert solution.coupling.problem.epsilon == pytest.approx(0.02, rel=1e-12)
    assert float(solution.history.duals[-1]) == pytest.approx(0.150414999922723, rel=1e-12)
    assert GeometricCooling(ratio=2.0, floor=1e-3).factor(10**6) == pytest.approx(1000)


def test_annealing_starts_from_former_potentials() -> None:
    former = AnnealedSinkhorn(cooling=ConstantCooling(), tolerance=1e-6).solve(staircase()).coupling
    assert isinstance(former, EntropicCoupling)
    again = AnnealedSinkhorn(cooling=ConstantCooling(), tolerance=1e-5).solve(staircase(), former.potentials)
    assert again.iterations == 1


def test_annealing_that_is_stopped_before_its_end_says_so() -> None:
    solution = AnnealedSinkhorn(most_iterations=10).solve(staircase())
    assert solution.status is Status.UNFINISHED
    assert solution.iterations == len(solution.history.errors) == 10
    assert solution.marginal_error == pytest.approx(missed(solution.coupling), rel=1e-9)
    assert float(solution.history.errors[-1]) == pytest.approx(missed(solution.coupling), rel=1e-9)


def test_a_path_is_recorded_in_order() -> None:
    with pytest.raises(ValueError) as refused:
        AnnealedSinkhorn().path(staircase(), (10, 5))
    assert str(refused.value) == "a path is recorded after increasing numbers of iterations from 1 on, got (10, 5)."


def test_rounding_costs_what_it_costs_by_hand() -> None:
    problem = staircase()
    rng = generator()
    f, g = (0.05 * torch.randn(12, dtype=torch.float64, generator=rng) for _ in range(2))
    coupling = EntropicCoupling(problem, Potentials(f, g))
    a, b, costs = problem.weights_a.numpy(), problem.weights_b.numpy(), costs_of(problem)
    entries = np.outer(a, b) * np.exp((f.numpy()[:, None] + g.numpy() - costs) / 0.1)
    entries = entries * np.minimum(1, a / entries.sum(1))[:, None]
    entries = entries * np.minimum(1, b / entries.sum(0))
    lack_a, lack_b = a - entries.sum(1), b - entries.sum(0)
    entries += np.outer(lack_a, lack_b) / lack_a.sum()
    np.testing.assert_allclose(entries.sum(1), a, atol=1e-15)
    assert rounded_cost(coupling) == pytest.approx(float((entries * costs).sum()), rel=1e-12)


# ----------------------------------------------------------------------------------------------- unbalanced


@pytest.mark.parametrize(
    ("n", "m", "d", "power"), [(40, 30, 2, 2.0), (150, 130, 3, 2.0), (150, 130, 20, 2.0), (150, 130, 2, 1.0)]
)
def test_soft_minima_are_sums_of_exponentials(n: int, m: int, d: int, power: float) -> None:
    problem, told = weighted(n, m, d, power), list[int]()
    u, v = (torch.randn(k, dtype=torch.float64, generator=generator(5)) for k in (n, m))
    exponents = -25 * costs_of(problem)
    with soft_minima(problem, lambda: told.append(1)) as minima, np.errstate(divide="ignore"):
        rows = log_sum(exponents + v.numpy(), axis=1, b=problem.weights_b.numpy())
        columns = log_sum(exponents + u.numpy()[:, None], axis=0, b=problem.weights_a.numpy()[:, None])
        for _ in range(2):
            np.testing.assert_allclose(minima.rows(v, 25.0).numpy(), -rows, rtol=1e-11)
            np.testing.assert_allclose(minima.columns(u, 25.0).numpy(), -columns, rtol=1e-11)
    assert told


def solved_unbalanced(solver: UnbalancedSinkhorn, problem: TransportProblem) -> tuple[UnbalancedCoupling, int]:
    solution = solver.solve(problem)
    assert solution.status is Status.CONVERGED
    assert isinstance(solution.coupling, UnbalancedCoupling)
    return solution.coupling, solution.iterations


@pytest.mark.parametrize("translated", [False, True])
def test_unbalanced_transport_of_three_and_two_points(translated: bool) -> None:
    weights = array([0.5, 0.3, 0.2]), array([0.9, 0.6])
    problem = weighted_problem(array([[0.0], [1.0], [2.0]]), weights[0], array([[0.0], [1.0]]), weights[1], 0.2)
    found, _ = solved_unbalanced(UnbalancedSinkhorn(tolerance=1e-13, translated=translated), problem)
    assert found.dual_value == pytest.approx(0.383532978091058, rel=1e-13)
    assert found.primal_value == pytest.approx(0.383532978091058, rel=1e-12)
    assert found.mass == pytest.approx(1.098394100867701, rel=1e-12)
    assert found.transport_cost == pytest.approx(0.108066670117991, rel=1e-11)
    assert float(found.potentials.potential_f[0]) == pytest.approx(-0.256565586858081, rel=1e-12)
    assert float(found.potentials.potential_g[1]) == pytest.approx(0.287215100458202, rel=1e-12)


def test_unbalanced_transport_of_the_golden_clouds() -> None:
    x, y = golden_clouds()
    a, b = (torch.full((len(points),), mass / len(points)) for points, mass in ((x, 1.0), (y, 1.3)))
    problem = weighted_problem(x, a.double(), y, torch.full((80,), 1.3 / 80, dtype=torch.float64), 0.1)
    plain, many = solved_unbalanced(UnbalancedSinkhorn(tolerance=1e-12, translated=False), problem)
    moved, few = solved_unbalanced(UnbalancedSinkhorn(tolerance=1e-12), problem)
    assert b.sum() == pytest.approx(1.3, rel=1e-5)
    for found in (plain, moved):
        assert found.dual_value == pytest.approx(0.4783742071871, rel=1e-12)
        assert found.mass == pytest.approx(0.9293456156252, rel=1e-11)
        # At the optimum the value follows from the mass.
        assert found.dual_value == pytest.approx(2.3 + 0.1 * 1.3 - 2.1 * found.mass, rel=1e-11)
    assert few < many


def test_the_translation_is_what_makes_a_high_penalty_fast() -> None:
    problem = transport_problem(*clouds(), 1.0)
    plain, moved = (
        UnbalancedSinkhorn(penalty_a=10.0, penalty_b=10.0, translated=each, tolerance=1e-6).solve(problem)
        for each in (False, True)
    )
    # Alone, the error shrinks by what the damping leaves of it.
    errors = plain.history.errors
    assert float(errors[-1] / errors[-2]) == pytest.approx((10 / 11) ** 2, rel=1e-4)
    assert moved.iterations * 4 < plain.iterations


def test_unbalanced_transport_agrees_with_another_program() -> None:
    problem = weighted(20, 15, 2, 2.0)
    a, b = 2 * problem.weights_a[2:], 0.7 * problem.weights_b[2:]
    problem = weighted_problem(problem.points_x[2:], a, problem.points_y[2:], b, 0.2)
    found, _ = solved_unbalanced(UnbalancedSinkhorn(tolerance=1e-12, penalty_a=0.8, penalty_b=2.5), problem)
    theirs = POT.unbalanced.sinkhorn_unbalanced(
        a.numpy(), b.numpy(), costs_of(problem), 0.2, (0.8, 2.5), reg_type="kl", numItermax=5000, stopThr=1e-13
    )
    np.testing.assert_allclose(found.whole().numpy(), theirs, atol=1e-10)
    np.testing.assert_allclose(found.marginals.rows.numpy(), theirs.sum(1), atol=1e-10)
    np.testing.assert_allclose(found.marginals.columns.numpy(), theirs.sum(0), atol=1e-10)
    assert found.residual < 1e-12


def test_one_marginal_may_stay_exact() -> None:
    problem = weighted(20, 15, 2, 2.0)
    problem = replace(problem, weights_b=1.7 * problem.weights_b)
    found, _ = solved_unbalanced(UnbalancedSinkhorn(tolerance=1e-12, relaxed_a=False, penalty_b=0.5), problem)
    assert found.marginal_error[0] < 1e-11
    assert found.mass == pytest.approx(1.0, rel=1e-11)
    assert found.primal_value == pytest.approx(found.dual_value, rel=1e-10)
    # Who must keep both has no mass to make.
    with pytest.raises(ValueError, match=r"^weights b must sum to 1 for balanced transport, got a sum of 1\.7; .*\.$"):
        UnbalancedSinkhorn(relaxed_a=False, relaxed_b=False).solve(problem)


@pytest.mark.parametrize(("rho", "value"), [(0.5, 0.108143063303), (2.0, 0.174959066879)])
def test_unbalanced_transport_tends_to_that_without_entropy(rho: float, value: float) -> None:
    x, y = array([[0.0], [0.5], [1.0], [2.0]]), array([[0.2], [0.9], [1.5]])
    problem = weighted_problem(x, array([0.3, 0.2, 0.4, 0.1]), y, array([0.5, 0.6, 0.3]), 5e-3)
    found, _ = solved_unbalanced(UnbalancedSinkhorn(tolerance=1e-6, penalty_a=rho, penalty_b=rho), problem)
    unregularized = found.primal_value - 5e-3 * found.relative_entropy
    assert 0 < unregularized - value < 1e-3


# ------------------------------------------------------------------------------------------------- low rank


def test_one_cluster_is_the_independent_coupling() -> None:
    problem = weighted(20, 15, 2, 2.0)
    found = LowRankSinkhorn(rank=1).solve(problem).coupling
    assert found.transport_cost == pytest.approx(problem.mean_cost, rel=1e-13)
    np.testing.assert_allclose(found.whole(), torch.outer(problem.weights_a, problem.weights_b), atol=1e-15)


def test_more_clusters_cost_less_and_never_less_than_all() -> None:
    problem = transport_problem(*clouds(80, 70), 0.1)
    costs: list[float] = []
    for rank in (1, 2, 5, 12):
        solution = LowRankSinkhorn(rank=rank).solve(problem)
        assert solution.status is Status.CONVERGED
        assert max(solution.marginal_error, missed(solution.coupling)) < 1e-12
        costs.append(solution.coupling.transport_cost)
    assert costs == sorted(costs, reverse=True)
    assert exact_transport(problem).cost < costs[-1] < 0.4 * costs[0]


def test_a_coupling_of_low_rank_is_not_worse_than_that_of_another_program() -> None:
    problem = transport_problem(*clouds(100, 80), 0.1)
    found = LowRankSinkhorn(rank=6).solve(problem).coupling
    assert isinstance(found, LowRankCoupling)
    x, y = problem.points_x.numpy(), problem.points_y.numpy()
    left, right, masses = POT.lowrank_sinkhorn(x, y, rank=6, init="kmeans", seed_init=0, warn=False, numItermax=300)
    theirs = float((costs_of(problem) * ((left / masses) @ right.T)).sum())
    assert found.transport_cost < 1.01 * theirs
    entries = (found.left / found.masses) @ found.right.T
    np.testing.assert_allclose(found.whole(), entries, atol=1e-15)
    assert found.transport_cost == pytest.approx(float((costs_of(problem) * entries.numpy()).sum()), rel=1e-12)
    assert float(found.cost_by_cluster.sum()) == pytest.approx(found.transport_cost, rel=1e-12)
    centers = found.centers[0]
    np.testing.assert_allclose((found.masses @ centers).numpy(), x.mean(0), atol=1e-13)


def test_low_rank_takes_points_that_coincide_and_those_without_weight() -> None:
    x = torch.zeros(7, 3, dtype=torch.float64)
    same = LowRankSinkhorn(rank=3).solve(transport_problem(x, x, 1.0))
    assert same.coupling.transport_cost == 0
    solution = LowRankSinkhorn(rank=4).solve(weighted(20, 15, 2, 2.0))
    assert max(solution.marginal_error, missed(solution.coupling)) < 1e-12


def test_low_rank_needs_the_squared_distance() -> None:
    with pytest.raises(ValueError) as refused:
        LowRankSinkhorn().solve(transport_problem(*clouds(), 0.1, 1.0))
    assert str(refused.value) == (
        "low-rank transport needs the squared distance, whose cost is of low rank, got p = 1; choose p = 2."
    )


# --------------------------------------------------------------------------------------------------- online


def test_streams_of_gaussians_find_the_potentials_of_their_laws() -> None:
    p, q = Gaussian(array([0.0]), array([1.0])), Gaussian(array([1.0]), array([0.25]))
    errors: list[float] = []
    x = torch.linspace(-2, 2, 81, dtype=torch.float64)[:, None]
    for steps in (10, 150):
        found = OnlineSinkhorn(most_iterations=steps).stream(p.sample, q.sample, 0.5)
        # The map in closed form, from the golden covariance.
        sent = 1 + 0.39038820320220757 * x
        errors.append(float((x - 0.5 * found.f.gradient(x) - sent).abs().mean()))
    assert errors[1] < 0.02 < errors[0]
    assert found.drawn == len(found.f.points) == sum(round(20 * (1 + 0.1 * t) ** 0.5) for t in range(150))
    # Its costs are noisy, and unbiased but for what is left to learn.
    late = found.costs[75:]
    assert float(late.mean()) == pytest.approx(1.7043770041223871, abs=4.5 * float(late.std()) / math.sqrt(75) + 0.02)


def test_online_transport_of_clouds_comes_near() -> None:
    problem = transport_problem(*clouds(), 0.5)
    solution = OnlineSinkhorn(most_iterations=60).solve(problem)
    assert solution.status is Status.UNFINISHED
    coupling = plain_sinkhorn(problem.weights_a.numpy(), problem.weights_b.numpy(), costs_of(problem), 0.5, 300)
    assert solution.marginal_error == pytest.approx(missed(solution.coupling), rel=1e-9)
    assert solution.marginal_error < 0.15
    assert solution.coupling.transport_cost == pytest.approx(float((coupling * costs_of(problem)).sum()), rel=0.05)
    again = OnlineSinkhorn(most_iterations=60).solve(problem)
    assert again.marginal_error == solution.marginal_error


def test_a_stream_that_is_no_cloud_is_refused() -> None:
    def drawn(n: int, rng: torch.Generator) -> Tensor:
        return torch.full((n, 1), math.nan, dtype=torch.float64)

    with pytest.raises(ValueError, match=r"^cloud x holds nan in row 0, and 20 of its 20 rows are not finite; .*\.$"):
        OnlineSinkhorn().stream(drawn, drawn, 1.0)


# ----------------------------------------------------------------------------------------------- estimators

FINE = Sinkhorn(tolerance=1e-10)


def test_the_divergence_of_the_golden_clouds() -> None:
    found = richardson(transport_problem(*golden_clouds(), 0.5), FINE)
    assert found.sharp.converged
    assert found.sharp.entropic.value == pytest.approx(1.1027518625215, rel=1e-12)
    assert found.sharp.estimate.value == pytest.approx(0.3075992019156, rel=1e-11)
    assert found.estimate.value == pytest.approx(0.3102723214656, rel=1e-11)
    assert found.estimate.points == (64, 80)


def test_a_cloud_is_at_divergence_zero_from_itself_only() -> None:
    x, y = clouds()
    same, there, back = (
        sinkhorn_divergence(transport_problem(*pair, 0.3), FINE).estimate.value for pair in ((x, x), (x, y), (y, x))
    )
    assert abs(same) < 1e-9
    assert there == pytest.approx(back, rel=1e-9)
    assert there > 0.1


def test_own_transport_is_that_of_a_cloud_and_its_copy() -> None:
    problem = weighted(20, 15, 2, 2.0).at(1.0)
    found = own_transport(problem, 1e-12)
    # One point has no weight.
    x, a = (np.delete(part.numpy(), 1, axis=0) for part in (problem.points_x, problem.weights_a))
    costs = ((x[:, None] - x[None]) ** 2).sum(-1)
    coupling = plain_sinkhorn(a, a, costs, 1.0, 500)
    cost = float((coupling * costs).sum()) + relative_entropy(coupling, np.outer(a, a))
    assert found.cost == pytest.approx(cost, rel=1e-12)
    assert found.coupling.dual_value == pytest.approx(found.cost, rel=1e-12)


def test_the_displacement_points_from_a_cloud_to_its_copy_elsewhere() -> None:
    x = clouds()[0]
    found = sinkhorn_divergence(transport_problem(x, x + 0.7, 2.0), FINE)
    torch.testing.assert_close(found.displacement, torch.full_like(x, 0.7), rtol=0, atol=1e-6)
    assert found.estimate.value == pytest.approx(2 * 0.7**2, rel=1e-8)


def test_the_standard_error_is_that_of_a_weighted_mean() -> None:
    values = clouds()[0][:, 0]
    equal = torch.full_like(values, 1 / len(values))
    expected = float(np.std(values.numpy(), ddof=1)) / math.sqrt(len(values))
    assert standard_error(equal, values) == pytest.approx(expected, rel=1e-12)
    assert standard_error(array([1.0]), array([3.0])) == math.inf


def test_a_divergence_needs_potentials() -> None:
    with pytest.raises(ValueError) as refused:
        sinkhorn_divergence(transport_problem(*clouds(), 0.3), LowRankSinkhorn(rank=2))
    assert str(refused.value) == (
        "a divergence needs potentials at the ε that was asked for, which LowRankSinkhorn does not find; "
        "choose Sinkhorn."
    )


# ---------------------------------------------------------------------------------------------- sample size


def laws(d: int) -> tuple[Gaussian, Gaussian]:
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    return Gaussian(zero, one), Gaussian(array([0.3]), 0.5 * one)


def test_few_points_bias_the_exact_cost_more_than_the_divergence() -> None:
    found = sample_size_effects(*laws(4), (1, 4), (60,), (0.4,), 16, 7, Sinkhorn(tolerance=1e-2))
    (narrow, wide), (narrow_error, wide_error) = found.bias[:, :, 0, 0].T, found.bias_error[:, :, 0, 0].T
    entropic, divergence, extrapolated, exact = wide.tolist()
    assert entropic > exact > 4.5 * float(wide_error[3])
    # Of the same points: what is common to both estimators does not count.
    apart = (found.values[3] - found.values[1])[1, 0, 0]
    assert float(apart.mean()) > 4.5 * float(apart.std()) / 4
    assert divergence < extrapolated < exact
    # With one mode, estimates are nearly at what they tend to.
    limits = found.limits[:, 0, 0] - found.truth[0]
    assert ((narrow - limits).abs() < 4.5 * narrow_error + 0.02).all()
    # What estimators say of themselves is what happens.
    ratio = (found.claimed.mean(-1) / found.fluctuation)[:, 0]
    assert bool((ratio > 0.6).all()) and bool((ratio < 1.7).all())


def test_sample_sizes_epsilons_and_modes_stand_in_their_places() -> None:
    told: list[float] = []
    found = sample_size_effects(*laws(3), (1, 3), (5, 12), (0.1, 0.4), 2, 0, Sinkhorn(), told.append)
    # The distance by hand: shifts and deviations, mode by mode.
    by_mode = 0.3**2 + (1 - math.sqrt(0.5)) ** 2
    np.testing.assert_allclose(found.truth.numpy(), [by_mode, 3 * by_mode], rtol=1e-12)
    np.testing.assert_allclose(found.epsilons[1].numpy(), np.array([0.1, 0.4]) * 3 * (0.3**2 + 1.5), rtol=1e-12)
    np.testing.assert_allclose(found.limits[3].numpy(), [[by_mode] * 2, [3 * by_mode] * 2], rtol=1e-12)
    assert found.values.shape == found.claimed.shape == (4, 2, 2, 2, 2)
    # One estimate made again, by the estimator itself on the same draws.
    rng = generator(1)
    p, q = laws(3)
    x, y = p.sample(12, rng), Gaussian(q.mean.expand(3), q.variance).sample(12, rng)
    again = sinkhorn_divergence(transport_problem(x, y, float(found.epsilons[1, 1])), FINE).estimate
    assert float(found.values[1, 1, 1, 1, 1]) == pytest.approx(again.value, rel=1e-4)
    assert float(found.claimed[1, 1, 1, 1, 1]) == pytest.approx(again.standard_error, rel=1e-2)
    assert float(found.values[3, 1, 1, 0, 1]) == exact_transport(transport_problem(x, y, 1.0)).cost
    values = found.values.numpy()
    squares = ((values - found.truth.numpy()[None, :, None, None, None]) ** 2).mean(-1)
    np.testing.assert_allclose(found.total_error.numpy(), np.sqrt(squares), rtol=1e-12)
    np.testing.assert_allclose(found.fluctuation.numpy(), values.std(-1, ddof=1), rtol=1e-12)
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize(
    ("modes", "sizes", "fractions", "replicas", "sentence"),
    [
        ((1, 5), (10,), (0.1,), 2, "numbers of modes must lie from 1 to 4, got 1, 5."),
        ((1,), (1,), (0.1,), 2, "numbers of points must lie from 2 to 1000000, got 1."),
        ((1,), (10,), (0.1,), 1, "replicas must lie from 2 to 1000000, got 1."),
        ((1,), (10,), (), 2, "epsilons must be positive fractions of the mean cost, got none."),
    ],
)
def test_sample_sizes_are_refused_in_words(
    modes: tuple[int, ...], sizes: tuple[int, ...], fractions: tuple[float, ...], replicas: int, sentence: str
) -> None:
    with pytest.raises(ValueError) as refused:
        sample_size_effects(*laws(4), modes, sizes, fractions, replicas, 0, Sinkhorn())
    assert str(refused.value) == sentence


# ---------------------------------------------------------------------------------------------------- cancel


class EnoughError(Exception):
    """What a watch raises that has seen enough."""


@pytest.mark.parametrize(
    "solver",
    [
        AnnealedSinkhorn(most_iterations=10**6, tolerance=1e-12),
        UnbalancedSinkhorn(tolerance=1e-300, most_iterations=10**6),
        LowRankSinkhorn(rank=20, tolerance=1e-300, most_iterations=10**6),
        OnlineSinkhorn(most_iterations=10**5),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_watch_raises_ends_the_work(solver: Solver) -> None:
    heard: list[Progress] = []

    def watch(progress: Progress) -> None:
        heard.append(progress)
        if len(heard) == 3:
            raise EnoughError

    with pytest.raises(EnoughError):
        solver.solve(transport_problem(*clouds(400, 300), 0.01), watch=watch)
    assert all(0 <= progress.fraction <= 1 for progress in heard)
    assert heard[0].iterations <= heard[1].iterations <= heard[2].iterations
