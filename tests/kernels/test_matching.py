"""Second moments of stochastic gradients against the raw recursion, written out, and against the square of one step."""

import math
from itertools import product

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels.gaussian import Gaussian
from kernels.matching import Fluctuation, fluctuation, largest_step, second_moments
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.processes import Held
from kernels.scores import GradientDescent, StochasticGradient
from tests.closed_forms import MP, Real

Floats = NDArray[np.float64]
TWO, LEVEL = (1.5, 0.3), math.sqrt(0.2)


def tensor(values: "tuple[float, ...] | Floats") -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def ones(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.float64)


def trained(
    step_size: float, batch: int = 1, iterations: int = 1_000_000, *, symmetrized: bool = False
) -> StochasticGradient:
    return StochasticGradient(step_size=step_size, batch=batch, iterations=iterations, symmetrized=symmetrized)


def table(found: Fluctuation) -> Floats:
    """All entries of nodes that are single modes."""
    whole = found.pairs.clone()
    whole.diagonal().copy_(found.own)
    return whole.numpy()


def rows(eigenvalues: Floats, level: float, step_size: float, batch: int) -> tuple[Floats, Floats, Floats]:
    """The matrix that moves every row of second moments, its source per unit residual, and the residuals."""
    c = eigenvalues + level**2
    kappa = step_size**2 / batch
    matrix = np.diag((1 - step_size * c) ** 2 + kappa * c**2) + kappa * np.outer(c, c)
    return matrix, kappa * c, eigenvalues / (level**2 * c)


def literal(eigenvalues: Floats, level: float, step_size: float, batch: int, iterations: int) -> Floats:
    """E (A - A*)^2 from A = 0, step by step."""
    matrix, source, residual = rows(eigenvalues, level, step_size, batch)
    moments = np.diag((eigenvalues + level**2) ** -2)
    for _ in range(iterations):
        moments = moments @ matrix.T + np.outer(residual, source)
    return moments


def means(eigenvalues: Floats, level: float, step_size: float, iterations: int) -> Floats:
    """E (A - A*), on the diagonal."""
    c = eigenvalues + level**2
    return -((1 - step_size * c) ** iterations) / c


# ------------------------------------------------------------------------------------------------ the goldens


@pytest.mark.parametrize(
    ("batch", "golden"),
    [
        (1, [[0.128134363665037, 0.120249172054881], [0.0871313672922252, 0.081769436997319]]),
        (4, [[0.0295458936835569, 0.0284203358289452], [0.0200912077048187, 0.0193258283636828]]),
    ],
)
def test_the_stationary_goldens(batch: int, golden: list[list[float]]) -> None:
    for moments in (fluctuation, second_moments):
        found = table(moments(trained(0.05, batch), tensor(TWO), LEVEL, ones(2)))
        assert found == pytest.approx(np.array(golden), rel=1e-12)


def test_the_golden_after_a_hundred_steps() -> None:
    found = table(second_moments(trained(0.05, 1, 100), tensor(TWO), LEVEL, ones(2)))
    golden = [[0.128116636116748, 0.119411788485848], [0.087732569197358, 0.110131469988205]]
    assert found == pytest.approx(np.array(golden), rel=1e-12)
    spread = table(fluctuation(trained(0.05, 1, 100), tensor(TWO), LEVEL, ones(2)))
    unfinished = np.diag(means(np.array(TWO), LEVEL, 0.05, 100) ** 2)
    assert spread == pytest.approx(np.array(golden) - unfinished, rel=1e-12)


def excess(variance: Floats, counts: Floats, step_size: float, batch: int) -> float:
    """Q, which the step size at the bound brings to 1."""
    return float((counts * (step_size / batch) * variance / (2 - step_size * (1 + 1 / batch) * variance)).sum())


def test_the_golden_of_the_stability_criterion() -> None:
    variance = np.array(TWO) + 0.2
    assert excess(variance, np.ones(2), 0.05, 1) == pytest.approx(0.059268600252206816, rel=1e-14)
    bound = largest_step(trained(0.05), tensor(variance), ones(2))
    assert excess(variance, np.ones(2), bound, 1) == pytest.approx(1.0, rel=1e-12)
    # The golden Q in the stationary law: with it, the variance of a row is what it is.
    found = fluctuation(trained(0.05), tensor(TWO), LEVEL, ones(2))
    residual = 1.5 / (0.2 * 1.7)
    assert float(found.own[0]) == pytest.approx(
        0.05 * residual / ((1 - 0.059268600252206816) * (2 - 0.05 * 2 * 1.7)), rel=1e-13
    )


def slope(model: GradientDescent | StochasticGradient, eigenvalue: float, level: float) -> float:
    data = Gaussian(torch.zeros(1, dtype=torch.float64), tensor((eigenvalue,)))
    problem = Problem(data, Held(level=level), model.fit(Conditioned(data)))
    return -float(problem.score_at(ones(1), ones(1)))


def test_the_golden_of_gradient_descent() -> None:
    golden = 1.4130884148991802
    assert slope(GradientDescent(step_size=0.2, iterations=30), 0.5, LEVEL) == pytest.approx(golden, rel=1e-14)
    assert slope(trained(0.2, 4, 30), 0.5, LEVEL) == pytest.approx(golden, rel=1e-14)


# ------------------------------------------------------------------------------------------------ the recursion

spectra = st.lists(st.floats(0.0, 2.0), min_size=1, max_size=5).map(np.array)


@settings(max_examples=40)
@given(
    spectra,
    st.floats(0.2, 1.0),
    st.floats(-3, math.log10(0.95)).map(lambda x: 10**x),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([1, 2, 5, 37, 400, 3000]),
)
def test_moments_are_those_of_the_recursion(
    eigenvalues: Floats, level: float, fraction: float, batch: int, iterations: int
) -> None:
    step_size = fraction * largest_step(trained(0.1, batch), tensor(eigenvalues + level**2), ones(len(eigenvalues)))
    model = trained(step_size, batch, iterations)
    raw = literal(eigenvalues, level, step_size, batch, iterations)
    spread = raw - np.diag(means(eigenvalues, level, step_size, iterations) ** 2)
    found = table(fluctuation(model, tensor(eigenvalues), level, ones(len(eigenvalues))))
    # What a mode without any residual has left of its start is a difference of what it began with.
    assert found == pytest.approx(spread, rel=1e-8, abs=1e-12 / level**4)
    again = table(second_moments(model, tensor(eigenvalues), level, ones(len(eigenvalues))))
    assert again == pytest.approx(raw, rel=1e-8, abs=1e-12 / level**4)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.floats(0.01, 2.0), st.integers(1, 4)), min_size=1, max_size=3),
    st.floats(0.2, 1.0),
    st.floats(0.01, 0.9),
    st.sampled_from([1, 7, 500, 1_000_000]),
    st.booleans(),
)
def test_nodes_stand_for_several_modes(
    nodes: list[tuple[float, int]], level: float, fraction: float, iterations: int, symmetrized: bool
) -> None:
    values, counts = tensor(tuple(value for value, _ in nodes)), [count for _, count in nodes]
    place = [node for node, count in enumerate(counts) for _ in range(count)]
    full, many = values[place], tensor(tuple(float(count) for count in counts))
    bound = largest_step(trained(0.1, 3), values + level**2, many)
    assert bound == pytest.approx(largest_step(trained(0.1, 3), full + level**2, ones(len(full))), rel=1e-12)
    model = trained(fraction * bound, 3, iterations, symmetrized=symmetrized)
    by_node = fluctuation(model, values, level, many)
    by_mode = table(fluctuation(model, full, level, ones(len(full))))
    for i, j in product(range(len(full)), repeat=2):
        expected = by_node.own[place[i]] if i == j else by_node.pairs[place[i], place[j]]
        assert float(expected) == pytest.approx(by_mode[i, j], rel=1e-8, abs=1e-11)


def exact_moments(eigenvalues: tuple[float, ...], level: Real, step_size: Real, batch: int, iterations: int) -> Real:
    """The variances in 50 digits, by a power of the matrix that moves a row and 1."""
    l, s2, tau = [MP.mpf(value) for value in eigenvalues], MP.mpf(level) ** 2, MP.mpf(step_size)
    c = [value + s2 for value in l]
    kappa, size = tau**2 / batch, len(l)
    moves = MP.zeros(size + 1)
    moves[size, size] = 1
    for i, j in product(range(size), repeat=2):
        moves[i, j] = kappa * c[i] * c[j] + (((1 - tau * c[i]) ** 2 + kappa * c[i] ** 2) if i == j else 0)
    for i in range(size):
        moves[i, size] = kappa * c[i]
    power = moves**iterations
    found = MP.zeros(size)
    for a, j in product(range(size), repeat=2):
        found[a, j] = power[j, a] / c[a] ** 2 + l[a] / (s2 * c[a]) * power[j, size]
    for a in range(size):
        found[a, a] -= (1 - tau * c[a]) ** (2 * iterations) / c[a] ** 2
    return found


@pytest.mark.parametrize("least", [1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("level", [0.1, 0.01, 1e-3])
def test_small_noise_and_small_eigenvalues_keep_their_digits(level: float, least: float) -> None:
    """Of a slow mode nearly all of the start is left, and its fluctuation is small beside that."""
    eigenvalues = (1.0, 0.1, least)
    exact = exact_moments(eigenvalues, level, 1e-3, 16, 10_000)
    found = table(fluctuation(trained(1e-3, 16, 10_000), tensor(eigenvalues), level, ones(3)))
    for i, j in product(range(3), repeat=2):
        assert found[i, j] >= 0, (i, j)
        assert found[i, j] == pytest.approx(float(exact[i, j]), rel=1e-3), (i, j)


# ---------------------------------------------------------------------------------------- symmetrized gradients


def of_symmetrized(eigenvalues: Floats, level: float, step_size: float, iterations: int, share: float = 0.0) -> Floats:
    """Variances of every entry, exactly: E of B ⊗ B for B = A - A*, under one symmetrized step of one example.

    B' = B - tau sym(B y y' - r y') with E over Gaussian y, and r independent of it; from B = -share A*.
    """
    c = eigenvalues + level**2
    residual = eigenvalues / (level**2 * c)
    # Fourth moments of y.
    pairs = np.einsum("ij,kl->ijkl", np.diag(c), np.diag(c))
    fourth = pairs + pairs.transpose(0, 2, 1, 3) + pairs.transpose(0, 2, 3, 1)
    mean = np.diag(-share / c)
    second = np.einsum("ij,kl->ijkl", mean, mean)
    # The gradient: G_ij = (B y y')_ij - r_i y_j; its mean is B C, its second moment splits in two.
    noise = np.einsum("ik,jl->ijkl", np.diag(residual), np.diag(c))

    def sym(moment: Floats, first: bool) -> Floats:
        return 0.5 * (moment + (moment.transpose(1, 0, 2, 3) if first else moment.transpose(0, 1, 3, 2)))

    def sym_both(moment: Floats) -> Floats:
        return sym(sym(moment, True), False)

    for _ in range(iterations):
        one = sym(np.einsum("imkl,mj->ijkl", second, np.diag(c)), True)
        other = sym(np.einsum("ijkm,ml->ijkl", second, np.diag(c)), False)
        both = sym_both(np.einsum("imkn,mjnl->ijkl", second, fourth) + noise)
        second = second - step_size * (one + other) + step_size**2 * both
        mean = mean - step_size * 0.5 * (mean * c + (mean * c).T)
    central = second - np.einsum("ij,kl->ijkl", mean, mean)
    return np.einsum("ijij->ij", central)


def test_symmetrized_gradients_settle_at_the_golden_ratio() -> None:
    eigenvalues, step_size = np.array(TWO), 2e-4
    c = eigenvalues + 0.2
    driven = np.outer(eigenvalues / (0.2 * c), c)
    stationary = step_size * (driven + driven.T) * (1 + np.eye(2)) / (4 * (c[:, None] + c))
    model = trained(step_size, 1, 10**8, symmetrized=True)
    assert table(fluctuation(model, tensor(TWO), LEVEL, ones(2))) == pytest.approx(stationary, rel=1e-3)
    assert of_symmetrized(eigenvalues, LEVEL, step_size, 40_000) == pytest.approx(stationary, rel=2e-3)


def test_symmetrized_gradients_on_their_way() -> None:
    """To first order in the step size, from zero: halving the step halves the difference."""
    eigenvalues, off = np.array([1.0, 0.6]), []
    for step_size, iterations in ((4e-3, 300), (2e-3, 600)):
        model = trained(step_size, 1, iterations, symmetrized=True)
        found = table(fluctuation(model, tensor(eigenvalues), 0.3, ones(2)))
        exact = of_symmetrized(eigenvalues, 0.3, step_size, iterations, share=1.0)
        assert found == pytest.approx(exact, rel=10 * step_size)
        off.append(np.abs(found / exact - 1))
        many = trained(step_size, 8, iterations, symmetrized=True)
        assert table(fluctuation(many, tensor(eigenvalues), 0.3, ones(2))) == pytest.approx(found / 8, rel=1e-12)
        assert found[0, 1] == found[1, 0]
    assert off[0] / off[1] == pytest.approx(2 * np.ones((2, 2)), rel=0.05)


# ------------------------------------------------------------------------------------------------ at the edges


@settings(max_examples=60)
@given(spectra, st.floats(0.1, 1.0), st.sampled_from([1, 2, 16, 1000]), st.sampled_from([1 - 1e-9, 1 + 1e-9]))
def test_gradients_diverge_where_the_spectral_radius_passes_one(
    eigenvalues: Floats, level: float, batch: int, factor: float
) -> None:
    bound = largest_step(trained(0.1, batch), tensor(eigenvalues + level**2), ones(len(eigenvalues)))
    matrix, _, _ = rows(eigenvalues, level, bound * factor, batch)
    radius = np.abs(np.linalg.eigvalsh(matrix)).max()
    # An eigenvalue of 1 to rounding tells nothing.
    assert (radius > 1) == (factor > 1) or abs(radius - 1) < 1e-12


def test_what_diverges_is_infinite() -> None:
    bound = largest_step(trained(0.1, 4), tensor(TWO) + 0.2, ones(2))
    for moments in (fluctuation, second_moments):
        beyond = moments(trained(2 * bound, 4, 1_000_000), tensor(TWO), LEVEL, ones(2))
        assert bool(torch.cat([beyond.pairs.flatten(), beyond.own]).isinf().all())
        assert bool((torch.cat([beyond.pairs.flatten(), beyond.own]) > 0).all())
    apart = fluctuation(trained(3.0, 4, 1_000_000, symmetrized=True), tensor(TWO), LEVEL, ones(2))
    assert bool(apart.own[0].isinf())
    # Few steps of a diverging recursion are finite still.
    few = table(second_moments(trained(2 * bound, 4, 5), tensor(TWO), LEVEL, ones(2)))
    assert few == pytest.approx(literal(np.array(TWO), LEVEL, 2 * bound, 4, 5), rel=1e-10)


def test_only_the_fast_mode_of_a_symmetrized_training_diverges() -> None:
    found = fluctuation(trained(1.5, 1, 10_000, symmetrized=True), tensor((1.5, 0.3)), LEVEL, ones(2))
    assert bool(found.own[0].isinf())
    assert math.isfinite(float(found.own[1]))
    # A mean that grows makes noise in all of its row.
    assert bool(found.pairs[0, 1].isinf())


REMAINING = [
    (1e-9, 1_000_000_000, 0.7),
    (1e-6, 1_000_000, 3.0),
    (1e-3, 999_999, 0.001),
    (0.3, 5000, 0.01),
    (1.0, 7, 1.9),
    (1.0, 8, 1.9),
    (1.0, 31, 1.999999),
    (1.0, 3, 2.5),
    (1.0, 400_000, 2.001),
    (1.0, 5, 1.0),
    (0.5, 1, 2.0),
    (1.0, 1, 1 - 1e-12),
]


@pytest.mark.parametrize(("step_size", "iterations", "variance"), REMAINING)
def test_what_is_left_of_the_way(step_size: float, iterations: int, variance: float) -> None:
    context = mpmath.MPContext()
    context.dps = 60
    exact = (1 - context.mpf(step_size) * context.mpf(variance)) ** iterations
    for model in (
        GradientDescent(step_size=step_size, iterations=iterations),
        trained(step_size, 4, iterations),
    ):
        found = float(model.remaining(tensor((variance,))))
        # One rounding of the product of step and variance is amplified by the number of steps.
        amplified = iterations * step_size * variance / abs(1 - step_size * variance) if exact else 0.0
        assert found == pytest.approx(float(exact), rel=1e-14 + 4e-16 * amplified, abs=1e-300)


def test_training_that_overshoots_without_end_is_infinite() -> None:
    even, odd = (GradientDescent(step_size=1.0, iterations=100_000 + k) for k in (0, 1))
    assert float(even.remaining(tensor((2.5,)))) == math.inf
    assert float(odd.remaining(tensor((2.5,)))) == -math.inf


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
def test_what_is_left_is_smooth_where_a_step_goes_all_the_way(iterations: int) -> None:
    """Its derivative in the variance there, which divided differences ask for: -K tau (1 - tau c)^(K - 1)."""
    variance = tensor((1.0, 0.5, 1.5)).requires_grad_()
    model = GradientDescent(step_size=1.0, iterations=iterations)
    with torch.enable_grad():
        (found,) = torch.autograd.grad(model.remaining(variance).sum(), variance)
    expected = [-iterations * (1 - value) ** (iterations - 1) for value in (1.0, 0.5, 1.5)]
    assert found.tolist() == pytest.approx(expected, rel=1e-13)


def test_no_noise_is_no_level_to_learn_at() -> None:
    sentence = r"^StochasticGradient: noise_amplitude \(σ\) must lie above 0, where gradients scatter without bound, got 0\.0\.$"
    with pytest.raises(ValueError, match=sentence):
        StochasticGradient(noise_amplitude=0.0)
    assert GradientDescent(noise_amplitude=0.0).noise_amplitude == 0.0
