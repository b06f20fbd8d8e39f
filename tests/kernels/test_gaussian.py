"""Distances and divergences of Gaussians against definitions that do not share an eigenbasis, or 50 digits."""

import math
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import sqrtm
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from kernels.arrays import array
from kernels.gaussian import Gaussian, kl, kl_of_deviation, wasserstein2, wasserstein2_squared
from tests import closed_forms as cf
from tests.closed_forms import MP, Law

Matrix = NDArray[np.float64]


def law(mean: list[float], variance: list[float]) -> Gaussian:
    return Gaussian(array(mean), array(variance))


def some_pairs() -> list[tuple[Gaussian, Gaussian]]:
    rng = torch.Generator().manual_seed(1)
    pairs: list[tuple[Gaussian, Gaussian]] = []
    for modes in (1, 2, 7):
        means = torch.randn(2, modes, dtype=torch.float64, generator=rng)
        variances = torch.rand(2, modes, dtype=torch.float64, generator=rng) * 3 + 0.01
        pairs.append((Gaussian(means[0], variances[0]), Gaussian(means[1], variances[1])))
    return pairs


PAIRS = some_pairs()
of_pairs = pytest.mark.parametrize(("p", "q"), PAIRS, ids=["1", "2", "7"])


def rotation(modes: int) -> Matrix:
    """An orthogonal matrix, so that no covariance is diagonal."""
    return np.linalg.qr(np.random.default_rng(3).standard_normal((modes, modes)))[0]


def root(matrix: Matrix) -> Matrix:
    return np.real(cast(Matrix, sqrtm(matrix)))


@of_pairs
def test_the_distance_is_that_of_full_covariances(p: Gaussian, q: Gaussian) -> None:
    turn = rotation(len(p.mean))
    a, b = (turn @ np.diag(g.variance.numpy()) @ turn.T for g in (p, q))
    shift = turn @ (p.mean - q.mean).numpy()
    expected = shift @ shift + np.trace(a + b - 2 * root(root(a) @ b @ root(a)))
    assert float(wasserstein2_squared(p, q)) == pytest.approx(expected, rel=1e-10)
    assert float(wasserstein2(p, q)) == pytest.approx(math.sqrt(expected), rel=1e-10)


@of_pairs
def test_the_distance_is_a_metric(p: Gaussian, q: Gaussian) -> None:
    between = Gaussian(p.mean + 0.3, 2 * q.variance)
    assert float(wasserstein2(p, p)) == 0.0
    assert float(wasserstein2(p, q)) == float(wasserstein2(q, p)) > 0
    assert float(wasserstein2(p, q)) <= float(wasserstein2(p, between) + wasserstein2(between, q))


def test_the_distance_of_point_masses_is_that_of_points() -> None:
    p, q = law([1.0, 2.0], [0.0, 0.0]), law([4.0, -2.0], [0.0, 0.0])
    assert float(wasserstein2(p, q)) == 5.0
    assert float(wasserstein2(p, law([1.0, 2.0], [9.0, 16.0]))) == 5.0


def test_infinite_variance_is_infinitely_far() -> None:
    assert float(wasserstein2(law([0.0], [math.inf]), law([0.0], [1.0]))) == math.inf


def test_leading_axes_are_a_batch() -> None:
    p = Gaussian(array([[0.0, 0.0], [3.0, 4.0]]), array([[1.0, 4.0], [1.0, 1.0]]))
    q = law([0.0, 0.0], [1.0, 1.0])
    assert wasserstein2(p, q).tolist() == [1.0, 5.0]
    assert kl(p, q).tolist() == pytest.approx([(3 - math.log(4)) / 2, 12.5], rel=1e-14)


# ----------------------------------------------------------------------------------------------- divergence


@of_pairs
def test_divergence_as_torch_has_it(p: Gaussian, q: Gaussian) -> None:
    a, b = (Independent(Normal(g.mean, g.variance.sqrt()), 1) for g in (p, q))
    assert float(kl(p, q)) == pytest.approx(float(kl_divergence(a, b)), rel=1e-13)
    assert float(kl(p, p)) == 0.0


def test_divergence_by_quadrature() -> None:
    p, q = Law(0.3, 0.5), Law(-0.4, 1.7)

    def log_density(x: float, g: Law) -> float:
        return -0.5 * (x - g.mean) ** 2 / g.variance - 0.5 * math.log(2 * math.pi * g.variance)

    def integrand(x: float) -> float:
        return math.exp(log_density(x, p)) * (log_density(x, p) - log_density(x, q))

    expected = quad(integrand, -12.0, 12.0, epsabs=1e-13, epsrel=1e-13)[0]
    assert float(kl(law([0.3], [0.5]), law([-0.4], [1.7]))) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("exponent", [*range(-150, 0, 10), *range(-12, 0), -2.1, -1.99, -0.01])
def test_small_deviations_keep_their_digits(exponent: float, sign: float) -> None:
    deviation, reference = sign * 10.0**exponent, 1.7
    ratio = MP.mpf(deviation) / MP.mpf(reference)
    # The logarithm is taken of 1 + ratio with digits enough for a ratio of 1e-150.
    with MP.workdps(400):
        exact = (ratio - MP.log(1 + ratio)) / 2
    found = float(kl_of_deviation(array([deviation]), array([0.0]), array([reference])))
    assert abs(found - exact) <= 2e-13 * exact


@given(ratio=st.floats(-0.999, 1e6), reference=st.floats(1e-6, 1e6), mean=st.floats(-1e3, 1e3))
def test_divergence_of_deviations(ratio: float, reference: float, mean: float) -> None:
    deviation = ratio * reference
    found = float(kl_of_deviation(array([deviation]), array([mean]), array([reference])))
    with MP.workdps(400):
        p = Law(MP.mpf(mean), MP.mpf(reference) + MP.mpf(deviation))
        exact = cf.kl(p, Law(MP.mpf(0), MP.mpf(reference)))
    assert abs(found - exact) <= 1e-12 * exact + 1e-300


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        (law([0.0], [0.0]), law([0.0], [1.0]), math.inf),
        (law([0.0], [1.0]), law([0.0], [0.0]), math.inf),
        (law([0.0], [0.0]), law([0.0], [0.0]), 0.0),
        (law([1.0], [0.0]), law([0.0], [0.0]), math.inf),
        (law([0.0, 0.0], [0.0, 2.0]), law([0.0, 0.0], [0.0, 2.0]), 0.0),
        (law([0.0], [math.inf]), law([0.0], [1.0]), math.inf),
    ],
)
def test_divergence_from_and_to_point_masses(p: Gaussian, q: Gaussian, expected: float) -> None:
    assert float(kl(p, q)) == expected


# -------------------------------------------------------------------------------------------------- samples


def test_samples_have_the_law() -> None:
    p = law([1.0, -2.0, 0.5], [4.0, 0.25, 0.0])
    n = 20_000
    x: Tensor = p.sample(n, torch.Generator().manual_seed(5))
    assert x.shape == (n, 3)
    assert bool((x[:, 2] == 0.5).all())
    # scikit-learn's estimate of one component; errors in units of their standard errors.
    fitted = GaussianMixture(1, covariance_type="diag", reg_covar=0.0, random_state=0).fit(x[:, :2].numpy())
    # Unfitted, both would be None.
    means, covariances = np.asarray(fitted.means_), np.asarray(fitted.covariances_)
    error = (means[0] - p.mean[:2].numpy()) / np.sqrt(p.variance[:2].numpy() / n)
    spread = (covariances[0] / p.variance[:2].numpy() - 1) / math.sqrt(2 / n)
    assert np.abs([*error, *spread]).max() < 4.5
    assert abs(np.corrcoef(x[:, :2].T.numpy())[0, 1]) * math.sqrt(n) < 4.5


def test_samples_are_those_of_their_generator() -> None:
    p = law([0.0, 1.0], [1.0, 2.0])
    first, again = (p.sample(5, torch.Generator().manual_seed(7)) for _ in range(2))
    other = p.sample(5, torch.Generator().manual_seed(8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_modes_with_one_mean_are_independent() -> None:
    n = 20_000
    law = Gaussian(torch.zeros(1, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    x = law.sample(n, torch.Generator().manual_seed(5))
    assert x.shape == (n, 2)
    assert abs(float((x[:, 0] * x[:, 1]).mean())) < 4.5 / math.sqrt(n)
