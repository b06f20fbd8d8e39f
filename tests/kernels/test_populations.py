"""Denoisers against gradients of densities written out with full matrices, and against sums over all points."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import MultivariateNormal

from kernels.gaussian import Gaussian
from kernels.populations import FullMixture, Normal, Population, RoundMixture, points_law
from kernels.populations import full as full_module
from kernels.populations import round as round_module

Floats = NDArray[np.float64]
DIMENSIONS = 4
EYE = torch.eye(DIMENSIONS, dtype=torch.float64)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=rng(seed))


class Written:
    """A mixture as a textbook has it: weights, means and full covariances, with the population that it is."""

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        self.weights, self.means, self.covariances = weights, means, covariances
        self.mean = weights @ means
        deviations = means - self.mean
        # None of the denoisers needs a basis in which the covariance is diagonal; `law` is then its diagonal.
        self.covariance = torch.einsum("k,kij->ij", weights, covariances)
        self.covariance += torch.einsum("k,ki,kj->ij", weights, deviations, deviations)
        self.deviations = deviations
        self.law = Gaussian(self.mean, self.covariance.diagonal())

    def posterior_mean(self, x: Tensor, alpha: float, sigma: float) -> Tensor:
        """Tweedie's formula, (x + sigma^2 times the gradient of the logarithm of the density) / alpha."""
        at = x.double().requires_grad_()
        noised = MultivariateNormal(alpha * self.means, alpha**2 * self.covariances + sigma**2 * EYE)
        density = torch.logsumexp(self.weights.log() + noised.log_prob(at.unsqueeze(1)), 1)
        (gradient,) = torch.autograd.grad(density.sum(), at)
        return (at.detach() + sigma**2 * gradient) / alpha


def rounded(variances: list[float], rank: int) -> tuple[Written, Population]:
    count = len(variances)
    weights = torch.softmax(drawn(1, count), 0)
    means = torch.zeros(count, DIMENSIONS, dtype=torch.float64)
    means[:, :rank] = 1.5 * drawn(2, count, rank)
    means[:, rank:] = torch.tensor([0.4, -2.0, 0.0, 1.0], dtype=torch.float64)[rank:]
    spread = torch.tensor(variances, dtype=torch.float64)
    written = Written(weights, means, spread.reshape(-1, 1, 1) * EYE)
    return written, RoundMixture(written.law, weights, written.deviations[:, :rank], spread)


def full() -> tuple[Written, Population]:
    weights = torch.softmax(drawn(3, 5), 0)
    means, factors = drawn(4, 5, DIMENSIONS), 0.6 * drawn(5, 5, DIMENSIONS, DIMENSIONS)
    # Of rank 2: a component may be flat.
    factors[0, :, 2:] = 0.0
    covariances = factors @ factors.mT
    spreads, axes = torch.linalg.eigh(covariances)
    written = Written(weights, means, covariances)
    return written, FullMixture(written.law, weights, written.deviations, axes, spreads.clamp(min=0.0))


def normal() -> tuple[Written, Population]:
    variance = torch.tensor([2.0, 0.5, 0.1, 0.0], dtype=torch.float64)
    written = Written(torch.ones(1, dtype=torch.float64), drawn(6, 1, DIMENSIONS), torch.diag(variance).unsqueeze(0))
    return written, Normal(written.law)


CASES = {
    "even": rounded([0.1] * 6, DIMENSIONS),
    "uneven": rounded([0.1, 0.5, 0.02, 0.0, 1.0], DIMENSIONS),
    "plane": rounded([0.2] * 7, 2),
    "uneven plane": rounded([0.3, 0.01, 0.1], 2),
    "points": rounded([0.0] * 9, DIMENSIONS),
    "full": full(),
    "normal": normal(),
}
of_every_case = pytest.mark.parametrize("case", CASES)
LEVELS = ((1.0, 80.0), (1.0, 1.0), (0.7, 0.3), (0.05, 1.0), (1.0, 0.05))


@of_every_case
@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_the_denoiser_is_that_of_the_density(
    case: str, alpha: float, sigma: float, dtype: torch.dtype, tolerance: float
) -> None:
    written, population = CASES[case]
    x = (alpha * population.sample(40, rng(7)) + sigma * drawn(8, 40, DIMENSIONS)).to(dtype)
    found = population.denoiser(x, alpha, sigma)
    assert found.dtype == dtype
    # Tweedie's formula itself loses digits where the data are far smaller than the noise.
    expected = written.posterior_mean(x, alpha, sigma)
    lost = 1e-15 * max(1.0, sigma**2) / alpha
    assert found.double().numpy() == pytest.approx(expected.numpy(), rel=tolerance, abs=tolerance + lost)


@of_every_case
def test_samples_have_the_moments(case: str) -> None:
    written, population = CASES[case]
    n = 20_000
    points = population.sample(n, rng(9))
    deviations = points - written.mean
    products = torch.einsum("ni,nj->nij", deviations, deviations)
    for values, exact in ((points, written.mean), (products, written.covariance)):
        error = (values.mean(0) - exact).abs()
        assert bool((error <= 4.5 * values.std(0) / math.sqrt(n) + 1e-14).all())


@of_every_case
def test_samples_are_those_of_their_generator(case: str) -> None:
    population = CASES[case][1]
    first, again, other = (population.sample(5, rng(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert population.sample(0, rng(7)).shape == (0, DIMENSIONS)


def test_components_are_drawn_by_their_weights() -> None:
    weights = torch.tensor([0.6, 0.1, 0.3], dtype=torch.float64)
    places = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    law = Gaussian(torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    n = 30_000
    drawn_places = RoundMixture(law, weights, places, 0.0 * weights).sample(n, rng(10)).flatten()
    for place, weight in enumerate(weights.tolist()):
        share = float((drawn_places == place).double().mean())
        assert abs(share - weight) < 4.5 * math.sqrt(weight * (1 - weight) / n)


def test_the_denoiser_is_that_of_the_density_of_scikit_learn() -> None:
    written, population = CASES["full"]
    alpha, sigma, step = 0.8, 0.5, 1e-5
    peer = GaussianMixture(5)
    peer.weights_, peer.means_ = written.weights.numpy(), alpha * written.means.numpy()
    peer.covariances_ = (alpha**2 * written.covariances + sigma**2 * EYE).numpy()
    peer.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(peer.covariances_)).transpose(0, 2, 1)
    x = drawn(11, 20, DIMENSIONS)
    sides = [peer.score_samples((x.unsqueeze(1) + sign * step * EYE).reshape(-1, DIMENSIONS)) for sign in (1, -1)]
    gradient = (sides[0] - sides[1]).reshape(-1, DIMENSIONS) / (2 * step)
    expected = (x.numpy() + sigma**2 * gradient) / alpha
    assert population.denoiser(x, alpha, sigma).numpy() == pytest.approx(expected, abs=1e-8)


# ------------------------------------------------------------------------------------------- little noise


def summed(x: Floats, points: Floats, alpha: float, sigma: float) -> Floats:
    """The posterior mean over equally probable points, from differences of coordinates."""
    exponent = -np.square(x[:, None] - alpha * points).sum(2) / (2 * sigma**2)
    shares = np.exp(exponent - exponent.max(1, keepdims=True))
    return shares @ points / shares.sum(1, keepdims=True)


def crowded(sigma: float, modes: int) -> Tensor:
    """Points in crowds as wide as the noise, so that several of them weigh in each mean."""
    return torch.cat([drawn(12, 30, modes)] * 4) + sigma * drawn(13, 120, modes)


@pytest.mark.parametrize("sigma", [1.0, 0.1, 0.02, 1e-3, 1e-5])
@pytest.mark.parametrize("modes", [2, 300])
@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_points_at_little_noise(sigma: float, modes: int, alpha: float) -> None:
    points = crowded(sigma / math.sqrt(modes), modes)
    mean = points.mean(0)
    population = points_law(Gaussian(mean, points.var(0, correction=0)), points - mean)
    x = alpha * points + sigma * drawn(14, 120, modes)
    # Rounding of the expanded square in 64 bits, in units of the exponent.
    expanded = 8 * 2.0**-53 * float(x.square().sum(1).max()) / sigma**2
    for dtype, tolerance in ((torch.float64, 1e-12 + expanded), (torch.float32, 2e-3)):
        rounded_x = x.to(dtype)
        found = population.denoiser(rounded_x, alpha, sigma).double().numpy()
        expected = summed(rounded_x.double().numpy(), points.numpy(), alpha, sigma)
        # Relative to the width of a crowd, beyond the rounding of the result itself.
        rounding = 4 * torch.finfo(dtype).eps * float(points.abs().max())
        assert np.abs(found - expected).max() <= tolerance * sigma + rounding


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_noise_is_too_little_and_none_too_much(case: str, dtype: torch.dtype) -> None:
    written, population = CASES[case]
    x = population.sample(30, rng(15))
    # Off the data in all directions, where every density underflows.
    far = (x + 3.0).to(dtype)
    assert bool(population.denoiser(far, 1.0, 1e-6).isfinite().all())
    assert population.denoiser(x.to(dtype), 1.0, 1e-6).double().numpy() == pytest.approx(x.numpy(), abs=1e-5)
    found = population.denoiser(x.to(dtype), 1.0, 1e6).double()
    assert found.numpy() == pytest.approx(written.mean.expand(30, -1).numpy(), abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_a_point_that_diverged_leaves_the_others_alone(case: str) -> None:
    population = CASES[case][1]
    x = population.sample(6, rng(16)).float()
    alone = population.denoiser(x, 1.0, 0.5)
    x[2], x[4] = torch.inf, torch.nan
    found = population.denoiser(x, 1.0, 0.5)
    others = [0, 1, 3, 5]
    assert torch.allclose(found[others], alone[others], rtol=1e-5, atol=1e-6)
    assert bool((~found[[2, 4]].isfinite()).any(1).all())


# --------------------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize("case", ["even", "uneven", "points", "full"])
@pytest.mark.parametrize("size", [1, 9, 50])
def test_blocks_change_nothing(case: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    population = CASES[case][1]
    x = population.sample(23, rng(17)) + 0.3 * drawn(18, 23, DIMENSIONS)
    whole = population.denoiser(x, 1.0, 0.3)
    monkeypatch.setattr(round_module, "_BLOCK", size)
    monkeypatch.setattr(round_module, "_ROWS", 5)
    monkeypatch.setattr(full_module, "_BLOCK", size)
    assert torch.allclose(population.denoiser(x, 1.0, 0.3), whole, rtol=1e-12, atol=1e-13)


def test_no_array_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_module, "_BLOCK", 2**12)
    points = drawn(19, 5_000, 3)
    population = points_law(Gaussian(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)), points)
    largest = 0
    product: Callable[[Tensor, Tensor], Tensor] = torch.Tensor.__matmul__

    def watched(a: Tensor, b: Tensor) -> Tensor:
        nonlocal largest
        result = product(a, b)
        largest = max(largest, result.numel())
        return result

    monkeypatch.setattr(torch.Tensor, "__matmul__", watched)
    found = population.denoiser(drawn(20, 700, 3), 1.0, 0.5)
    assert 0 < largest <= 2**12
    monkeypatch.undo()
    assert found.numpy() == pytest.approx(summed(drawn(20, 700, 3).numpy(), points.numpy(), 1.0, 0.5), abs=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_no_points_have_no_denoiser(case: str) -> None:
    assert CASES[case][1].denoiser(torch.empty(0, DIMENSIONS), 1.0, 0.5).shape == (0, DIMENSIONS)
