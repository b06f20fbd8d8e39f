"""Mixtures against the covariances of the shapes themselves, and against moments that a fit must keep."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from kernels.populations import FullMixture, Normal, RoundMixture
from kernels.spectra import (
    FittedMixture,
    Isotropic,
    Mixture,
    Points,
    PowerLaw,
    Shaped,
    Spectrum,
    frame_of,
    population_of,
)
from tests.refusing import refusal

Floats = NDArray[np.float64]
SHAPES = ("moons", "rings", "checkerboard", "spiral", "grid", "random")
of_every_shape = pytest.mark.parametrize("shape", SHAPES)
FORMS = ("full", "diag", "tied", "spherical")


def round_mixture(spectrum: Spectrum) -> RoundMixture:
    population = population_of(spectrum)
    assert isinstance(population, RoundMixture)
    return population


def centers(mixture: Mixture) -> Floats:
    """Means of the components among the data."""
    population = round_mixture(mixture)
    modes = population.law.mean.repeat(mixture.components, 1)
    modes[:, : population.deviations.shape[1]] += population.deviations
    return frame_of(mixture).place(modes).numpy()


def placed_covariance(spectrum: Spectrum) -> Floats:
    law, frame = spectrum.law(), frame_of(spectrum)
    basis = frame.place(torch.eye(law.variance.numel(), dtype=torch.float64)).reshape(law.variance.numel(), -1)
    return (basis.T @ torch.diag(law.variance) @ basis).numpy()


# ------------------------------------------------------------------------------------------------ shapes


@of_every_shape
@pytest.mark.parametrize("components", [1, 2, 7, 128])
@pytest.mark.parametrize("modes", [2, 5])
def test_the_law_has_the_moments_of_its_components(shape: str, components: int, modes: int) -> None:
    mixture = Mixture(shape=shape, components=components, modes=modes, width=0.3, scale=2.0, seed=3)
    law, at = mixture.law(), centers(mixture)
    assert at.shape == (components, modes)
    expected = np.cov(at.T, bias=True) + (2.0 * 0.3) ** 2 * np.eye(modes)
    assert placed_covariance(mixture) == pytest.approx(expected, abs=1e-12)
    assert frame_of(mixture).place(law.mean.unsqueeze(0)).numpy()[0] == pytest.approx(at.mean(0), abs=1e-13)
    assert bool((law.variance[1:] <= law.variance[:-1]).all())
    assert round_mixture(mixture).variances.tolist() == pytest.approx([0.36] * components)
    assert round_mixture(mixture).weights.tolist() == pytest.approx([1 / components] * components)


@of_every_shape
@pytest.mark.parametrize("modes", [2, 6])
def test_samples_have_the_law(shape: str, modes: int) -> None:
    mixture = Mixture(shape=shape, modes=modes, components=20)
    n = 20_000
    points = population_of(mixture).sample(n, torch.Generator().manual_seed(1))
    deviations = points - mixture.law().mean
    products = torch.einsum("ni,nj->nij", deviations, deviations)
    for values, exact in ((deviations, torch.zeros(modes)), (products, torch.diag(mixture.law().variance))):
        assert bool(((values.mean(0) - exact).abs() <= 4.5 * values.std(0) / math.sqrt(n)).all())


@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_a_shape_is_centered_and_of_unit_size(shape: str) -> None:
    law = Mixture(shape=shape, width=0.0).law()
    assert float(law.variance.sum()) == pytest.approx(2.0, rel=1e-13)
    assert law.mean.tolist() == pytest.approx([0.0, 0.0], abs=1e-13)


def moment(cosines: int, sines: int) -> float:
    """Mean of a power of x times one of y along two turns of a spiral, whose length grows like the squared angle."""
    whole = 4 * math.pi

    def integrand(angle: float) -> float:
        return (angle * math.cos(angle)) ** cosines * (angle * math.sin(angle)) ** sines * 2 * angle / whole**2

    return float(quad(integrand, 0.0, whole, epsabs=1e-12)[0])


def continuous(shape: str) -> Floats:
    """Covariance of the uniform law on a shape, as far as known without its size."""
    if shape == "moons":
        lift = 4 / math.pi - 0.5
        return np.array([[0.75, -lift / 4], [-lift / 4, 0.5 - 4 / math.pi**2 + lift**2 / 4]])
    if shape == "spiral":
        mixed = moment(1, 1)
        squares = np.array([[moment(2, 0), mixed], [mixed, moment(0, 2)]])
        mean = np.array([moment(1, 0), moment(0, 1)])
        return squares - np.outer(mean, mean)
    if shape == "checkerboard":
        # Rows and columns of dark squares go together by 1/4; each is uniform on [0, 4].
        return np.array([[4 / 3, 1 / 4], [1 / 4, 4 / 3]])
    return np.eye(2)


@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_many_components_have_the_covariance_of_the_shape(shape: str) -> None:
    expected = continuous(shape)
    found = placed_covariance(Mixture(shape=shape, components=10_000, width=0.0))
    assert found == pytest.approx(2 * expected / np.trace(expected), abs=3e-3)


def test_rings_are_two_circles_of_equal_density() -> None:
    at = centers(Mixture(shape="rings", components=30))
    radius = np.linalg.norm(at, axis=1)
    small, large = radius.min(), radius.max()
    assert large / small == pytest.approx(2.0)
    assert sorted(radius) == pytest.approx([small] * 10 + [large] * 20)
    gaps = np.linalg.norm(at[radius > 1.5 * small][:, None] - at[radius > 1.5 * small], axis=2)
    assert np.sort(gaps, axis=1)[:, 1] == pytest.approx(2 * large * math.sin(math.pi / 20))


def test_a_grid_has_rows_and_columns() -> None:
    at = centers(Mixture(shape="grid", components=12))
    columns, rows = (np.unique(np.round(axis, 9)) for axis in at.T)
    assert (columns.size, rows.size) == (4, 3)
    step = 1 / math.sqrt((15 / 12 + 8 / 12) / 2)
    assert [*np.diff(columns), *np.diff(rows)] == pytest.approx([step] * 5, abs=1e-8)


def test_a_checkerboard_has_nothing_in_its_light_squares() -> None:
    at = centers(Mixture(shape="checkerboard", components=8_000))
    low, high = at.min(0), at.max(0)
    square = np.clip(4 * (at - low) / (high - low), 0.0, 3.999)
    # The outermost components stand half a step from the edge of the board.
    inside = (np.abs(square - np.round(square)) > 0.01).all(axis=1)
    row, column = np.floor(square[inside]).astype(int).T
    assert inside.mean() > 0.9
    assert bool(((row + column) % 2 == 0).all())
    assert len(set(zip(row.tolist(), column.tolist(), strict=True))) == 8


def test_moons_are_two_half_circles() -> None:
    at = centers(Mixture(shape="moons", components=40))
    upper, lower = at[:20], at[20:]
    middles = [(moon[0] + moon[-1]) / 2 for moon in (upper, lower)]
    radii = [np.linalg.norm(moon - middle, axis=1) for moon, middle in zip((upper, lower), middles, strict=True)]
    assert [*radii[0], *radii[1]] == pytest.approx([radii[0][0]] * 40)
    assert (middles[1] - middles[0]) / radii[0][0] == pytest.approx([1.0, 0.5])
    assert bool((upper[1:-1, 1] > middles[0][1]).all())
    assert bool((lower[1:-1, 1] < middles[1][1]).all())


def test_a_spiral_is_evenly_spaced() -> None:
    at = centers(Mixture(shape="spiral", components=1000))
    # But near its middle, where the angle is not yet the length of a step.
    gaps = np.linalg.norm(np.diff(at, axis=0), axis=1)[100:]
    assert gaps == pytest.approx(np.full(899, gaps.mean()), rel=0.03)
    angle = np.unwrap(np.arctan2(*(at[500:] - at[:1]).T[::-1]))
    assert angle[-1] - angle[0] == pytest.approx(4 * math.pi * (1 - math.sqrt(0.5)), abs=0.1)


def test_random_centers_are_standard_normal_and_follow_the_seed() -> None:
    mixture = Mixture(shape="random", components=2000, modes=6, seed=5)
    at = centers(mixture)
    assert np.abs(at.mean(0)).max() < 4.5 / math.sqrt(2000)
    assert np.abs(np.cov(at.T) - np.eye(6)).max() < 4.5 * math.sqrt(2 / 2000)
    assert np.array_equal(at, centers(Mixture(shape="random", components=2000, modes=6, seed=5)))
    assert not np.allclose(at, centers(Mixture(shape="random", components=2000, modes=6, seed=6)))


def test_a_shape_in_many_modes_costs_two() -> None:
    mixture = Mixture(shape="rings", components=10_000, modes=4096)
    assert round_mixture(mixture).deviations.shape == (10_000, 2)
    assert mixture.law().variance[2:].tolist() == pytest.approx([0.08**2] * 4094)
    points = torch.randn(3, 4096, generator=torch.Generator().manual_seed(2))
    assert torch.equal(frame_of(mixture).place(points)[:, 2:], points[:, 2:])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"components": 0}, "Mixture.components (K) must lie in [1, 10000], got 0."),
        ({"components": 10_001}, "Mixture.components (K) must lie in [1, 10000], got 10001."),
        ({"modes": 1}, "Mixture.modes (d) must lie in [2, 4096], got 1."),
        ({"width": -0.1}, "Mixture.width (w) must lie in [0, inf), got -0.1."),
        (
            {"shape": "moon"},
            "Mixture.shape must be one of moons, rings, checkerboard, spiral, grid, random, got 'moon'.",
        ),
        (
            {"shape": "random", "modes": 513},
            "Mixture: modes (d) must be at most 512 for random centers, got 513; choose fewer or a shape.",
        ),
    ],
)
def test_values_outside_the_domain_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        Mixture(**values)
    assert str(caught.value) == sentence


def test_other_spectra_are_gaussian_and_are_their_modes() -> None:
    spectrum = PowerLaw(modes=3, mean=0.5)
    population = population_of(spectrum)
    assert isinstance(population, Normal)
    assert population.law is spectrum.law()
    assert frame_of(Isotropic(modes=7)).shape == (7,)
    points = torch.randn(4, 3, generator=torch.Generator().manual_seed(3))
    assert torch.equal(frame_of(spectrum).place(points), points)
    assert [isinstance(kind(), Shaped) for kind in (Mixture, FittedMixture, Points, PowerLaw)] == [True] * 3 + [False]


# -------------------------------------------------------------------------------------------------- fits


def saved(path: Path, samples: Floats) -> str:
    np.save(path, samples)
    return str(path)


def flowers() -> Floats:
    iris: Any = load_iris()
    return iris.data


@pytest.mark.parametrize("form", FORMS)
def test_a_fit_keeps_the_moments_of_the_samples(tmp_path: Path, form: str) -> None:
    samples = 1e3 + 1e-2 * flowers()
    spectrum = FittedMixture(path=saved(tmp_path / "a.npy", samples), components=3, covariance=form)
    mean = frame_of(spectrum).place(spectrum.law().mean.unsqueeze(0)).numpy()[0]
    assert mean == pytest.approx(samples.mean(0), rel=1e-12)
    # Every round of expectation maximization keeps what its covariances can express, but for what enlarges them.
    exact = np.cov(samples.T, bias=True)
    exact += 1e-6 * np.trace(exact) / 4 * np.eye(4)
    found = placed_covariance(spectrum)
    kept = {
        "full": (found, exact),
        "tied": (found, exact),
        "diag": (np.diag(found), np.diag(exact)),
        "spherical": (np.trace(found), np.trace(exact)),
    }[form]
    assert kept[0] == pytest.approx(kept[1], rel=1e-9, abs=1e-16)


@pytest.mark.parametrize("form", FORMS)
def test_a_fit_is_as_likely_as_that_of_scikit_learn(tmp_path: Path, form: str) -> None:
    samples = flowers()
    size = math.sqrt(samples.var(axis=0).mean())
    spectrum = FittedMixture(path=saved(tmp_path / "a.npy", samples), components=3, covariance=form, seed=4)
    # The mean of the likelihood is that of a fit to samples of unit size.
    peer: Any = GaussianMixture(3, covariance_type=form, random_state=4, max_iter=200).fit(  # pyright: ignore[reportArgumentType]
        (samples - samples.mean(0)) / size
    )
    frame, population = frame_of(spectrum), population_of(spectrum)
    x = torch.from_numpy(samples[::10])
    alpha, sigma, step = 1.0, 0.4, 1e-5

    def density(at: Floats) -> Floats:
        """Logarithm of the noised density of the peer, with its covariances written out."""
        covariances: Floats = {
            "full": lambda: peer.covariances_,
            "tied": lambda: np.stack([peer.covariances_] * 3),
            "diag": lambda: np.stack([np.diag(row) for row in peer.covariances_]),
            "spherical": lambda: peer.covariances_[:, None, None] * np.eye(4),
        }[form]()
        noised = GaussianMixture(3)
        noised.weights_, noised.means_ = peer.weights_, size * peer.means_ + samples.mean(0)
        noised.covariances_ = size**2 * covariances + sigma**2 * np.eye(4)
        noised.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(noised.covariances_)).transpose(0, 2, 1)
        return np.asarray(noised.score_samples(at.reshape(-1, 4))).reshape(at.shape[:-1])

    axes = step * np.eye(4)
    gradient = (density(x.numpy()[:, None] + axes) - density(x.numpy()[:, None] - axes)) / (2 * step)
    found = frame.place(population.denoiser(frame.modes_of(x), alpha, sigma)).numpy()
    assert found == pytest.approx(x.numpy() + sigma**2 * gradient, abs=1e-7)
    assert isinstance(population, RoundMixture if form == "spherical" else FullMixture)


def test_a_fit_that_does_not_converge_is_used(tmp_path: Path) -> None:
    # Equal samples: k-means finds fewer centers than it was asked for, and says so.
    path = saved(tmp_path / "a.npy", np.full((20, 2), 3.0))
    spectrum = FittedMixture(path=path, components=4)
    assert frame_of(spectrum).place(spectrum.law().mean.unsqueeze(0)).tolist()[0] == pytest.approx([3.0, 3.0])
    assert float(spectrum.law().variance.max()) < 1e-5


def test_a_fit_is_made_once(tmp_path: Path) -> None:
    spectrum = FittedMixture(path=saved(tmp_path / "a.npy", flowers()), components=2)
    assert population_of(spectrum) is population_of(spectrum)
    assert spectrum.law() is population_of(spectrum).law


@pytest.mark.parametrize(
    ("samples", "values", "defect"),
    [
        (np.ones((3, 2)), {"components": 4}, "holds 3 samples, fewer than 4 components; lower components"),
        (
            np.ones((20, 513)),
            {},
            "holds samples of 513 numbers; a mixture is fitted to 512 at most; use fewer numbers",
        ),
        (
            np.ones((200, 512)),
            {"components": 129},
            "holds 200 samples of 512 numbers, too many for 129 components; lower components",
        ),
        (
            np.array([[0, 1], [np.nan, 2]] * 9),
            {},
            "holds nan at row 1, column 0, counted from 0; samples are finite numbers",
        ),
        (np.array([[1e200, 0.0], [-1e200, 1.0]] * 9), {}, "holds numbers too large to be squared; rescale them"),
        (np.ones(4), {}, "holds an array of shape (4,); reshape it to one row per sample"),
    ],
)
def test_samples_without_a_fit_are_refused(
    tmp_path: Path, samples: Floats, values: dict[str, Any], defect: str
) -> None:
    path = saved(tmp_path / "samples.npy", samples)
    assert refusal(FittedMixture(path=path, **values)) == f"FittedMixture.path: {path} {defect}."


def test_a_fit_that_breaks_down_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: GaussianMixture, __: Floats) -> GaussianMixture:
        raise ValueError("ill-defined empirical covariance,\nfor instance caused by singleton samples")

    monkeypatch.setattr(GaussianMixture, "fit", broken)
    path = saved(tmp_path / "a.npy", flowers())
    advice = "lower components or choose another form of the covariances"
    assert refusal(FittedMixture(path=path)) == f"FittedMixture.path: {path} has no fit of 10 components; {advice}."


def test_a_fit_needs_a_file() -> None:
    sentence = "no file chosen; give the path of a .npy, .npz, .csv or .txt file of samples"
    assert refusal(FittedMixture()) == f"FittedMixture.path: {sentence}."
