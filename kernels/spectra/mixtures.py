"""Mixtures of Gaussians: shapes of the textbooks, and fits to samples."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Modes, array
from kernels.frames import Frame, Turned
from kernels.gaussian import Gaussian
from kernels.param import NONNEGATIVE, Interval, option, param, path
from kernels.populations import FullMixture, Population, RoundMixture
from kernels.spectra.base import Shaped
from kernels.spectra.data import ARRAY_PATTERNS, read_samples, sample_stamp
from kernels.spectra.files import Stamp
from kernels.spectra.pca import check_finite
from kernels.spectra.points import Data, ShapedFile

LARGEST_TURN = 512
LARGEST_AXES = 2**28
LARGEST_FIT = 2**30
_SEEDS = Interval(0, 2**53)
_COMPONENTS = Interval(1, 10_000)

Plane = Float64[np.ndarray, "components 2"]


# ------------------------------------------------------------------------------------------------ the shapes


def _circle(count: int, radius: float) -> Plane:
    angle = 2 * math.pi * np.arange(count) / max(count, 1)
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def _moons(count: int) -> Plane:
    upper = np.linspace(0.0, math.pi, (count + 1) // 2)
    lower = np.linspace(0.0, math.pi, count // 2)
    above = np.stack([np.cos(upper), np.sin(upper)], 1)
    return np.concatenate([above, np.stack([1.0 - np.cos(lower), 0.5 - np.sin(lower)], 1)])


def _rings(count: int) -> Plane:
    # Shared by length, so that both rings are equally dense.
    inner = round(count / 3)
    return np.concatenate([_circle(inner, 1.0), _circle(count - inner, 2.0)])


def _checkerboard(count: int) -> Plane:
    # The eight dark squares of a board of four by four share the components as evenly as can be.
    squares = [(row, column) for row in range(4) for column in range(4) if (row + column) % 2 == 0]
    corners = [squares[number % 8] for number in range(count)]
    rank = np.arange(count) // 8
    each = np.array([len(range(number % 8, count, 8)) for number in range(count)])
    # A lattice of any number of points, turned by the golden ratio: nowhere two are near.
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    within = np.stack([(rank + 0.5) / each, ((rank + 0.5) * golden) % 1.0], 1)
    return np.array(corners, dtype=np.float64) + within


def _spiral(count: int) -> Plane:
    # Two turns; the length along a spiral of Archimedes grows like the square of the angle.
    angle = 4 * math.pi * np.sqrt((np.arange(count) + 0.5) / count)
    return np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)


def _grid(count: int) -> Plane:
    rows = math.isqrt(count)
    columns = -(-count // rows)
    number = np.arange(count)
    return np.stack([number % columns, number // columns], 1).astype(np.float64)


_PLANE: dict[str, Callable[[int], Plane]] = {
    "moons": _moons,
    "rings": _rings,
    "checkerboard": _checkerboard,
    "spiral": _spiral,
    "grid": _grid,
}
_RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class Mixture(Shaped):
    """Round Gaussians of equal weight about K centers, which lie along a shape or are random.

    A shape lies in the first two numbers, centered, with variance 1 on average over both; the other numbers are
    independent Gaussians. Random centers are drawn from N(0, I) in all numbers. The scale multiplies everything.
    """

    formula = "p = K⁻¹ Σₖ N(c mₖ, c² w² I),  D = Σₖ rₖ (σ² c mₖ + α c² w² x) / (α² c² w² + σ²)"
    source = "posterior mean of a Gaussian mixture, Titterington, Smith and Makov 1985"
    constraints = (
        (
            lambda self: self.shape != _RANDOM or self.modes <= LARGEST_TURN,
            f"modes (d) must be at most {LARGEST_TURN} for random centers, got {{self.modes}}; choose fewer or a shape",
        ),
    )
    shape: str = option("moons", "", (*_PLANE, _RANDOM), "where the centers lie")
    components: int = param(100, "K", (1, 1000), "number of Gaussians", domain=_COMPONENTS, log=True)
    width: float = param(0.08, "w", (0.0, 1.0), "standard deviation of each Gaussian", domain=NONNEGATIVE)
    modes: int = param(2, "d", (2, 512), "number of modes", domain=Interval(2, 4096), log=True)
    scale: float = param(1.0, "c", (0.1, 10.0), "factor on the data", domain=NONNEGATIVE, log=True)
    seed: int = param(0, "", (0, 100), "seed of random centers", domain=_SEEDS)

    def law(self) -> Gaussian:
        return _mixture(self).population.law

    def population(self) -> Population:
        return _mixture(self).population

    def frame(self) -> Frame:
        return _mixture(self).frame


@lru_cache(maxsize=4)
def _mixture(mixture: Mixture) -> Data:
    weights = torch.full((mixture.components,), 1.0 / mixture.components, dtype=torch.float64)
    variances = torch.full_like(weights, (mixture.scale * mixture.width) ** 2)
    return _round(weights, mixture.scale * _centers(mixture), variances, mixture.modes)


def _centers(mixture: Mixture) -> Float64[Tensor, "components turned"]:
    if mixture.shape == _RANDOM:
        rng = torch.Generator().manual_seed(mixture.seed)
        return torch.randn(mixture.components, mixture.modes, dtype=torch.float64, generator=rng)
    centers = _PLANE[mixture.shape](mixture.components)
    centered = centers - centers.mean(0)
    size = math.sqrt(np.square(centered).mean())
    return array(centered / size if size > 0.0 else centered)


# ------------------------------------------------------------------------------------------------------ fits


@dataclass(frozen=True, kw_only=True)
class FittedMixture(ShapedFile):
    """K Gaussians fitted to the samples of a file by expectation maximization, from centers that k-means finds.

    Covariances are of any form, diagonal, the same for all components (tied), or round (spherical); each variance is
    enlarged by 1e-6 of that of the data. The law is that of the fit. A fit that has not converged after 200 rounds
    is used as it is.
    """

    formula = "p = Σₖ wₖ N(mₖ, Sₖ),  C = Σₖ wₖ (Sₖ + (mₖ − m)(mₖ − m)ᵀ)"
    source = "Dempster, Laird and Rubin 1977, Maximum likelihood from incomplete data via the EM algorithm"
    path: str = path("", "file of samples, one per row: .npy, .npz, .csv or .txt", ARRAY_PATTERNS)
    components: int = param(10, "K", (1, 100), "number of Gaussians", domain=_COMPONENTS, log=True)
    covariance: str = option("full", "", ("full", "diag", "tied", "spherical"), "form of the covariances")
    seed: int = param(0, "", (0, 100), "seed of the first centers", domain=Interval(0, 2**32 - 1))

    def _load(self) -> Data:
        return _fitted(sample_stamp(self.path), self.components, self.covariance, self.seed)


@lru_cache(maxsize=4)
def _fitted(stamp: Stamp, components: int, covariance: str, seed: int) -> Data:
    samples = read_samples(stamp)
    count, modes = samples.shape
    if components > count:
        raise ValueError(f"{stamp.path} holds {count} samples, fewer than {components} components; lower components")
    if modes > LARGEST_TURN:
        limit = f"a mixture is fitted to {LARGEST_TURN} at most; use fewer numbers"
        raise ValueError(f"{stamp.path} holds samples of {modes} numbers; {limit}")
    if 8 * components * modes**2 > LARGEST_AXES or 8 * count * max(components, modes) > LARGEST_FIT:
        size = f"{count} samples of {modes} numbers"
        raise ValueError(f"{stamp.path} holds {size}, too many for {components} components; lower components")
    check_finite(samples, str(stamp.path))
    with np.errstate(over="ignore", invalid="ignore"):
        points = np.array(samples, dtype=np.float64)
        center = points.mean(0)
        points -= center
        size = math.sqrt(np.square(points).mean())
    if not math.isfinite(size):
        raise ValueError(f"{stamp.path} holds numbers too large to be squared; rescale them")
    unit = size if size > 0.0 else 1.0
    model = _maximized(points / unit, components, covariance, seed, stamp)
    weights, means = array(model.weights_), array(unit * model.means_ + center)
    spread = array(model.covariances_ * unit**2)
    # A weight that has vanished is one that no sample is left for.
    held = weights > 0.0
    return _FORMS[covariance](weights[held], means[held], spread if covariance == "tied" else spread[held])


def _maximized(points: np.ndarray, components: int, covariance: str, seed: int, stamp: Stamp) -> Any:
    # Imported where it is used: it takes a second, and few need it.
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(components, covariance_type=covariance, max_iter=200, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return model.fit(points)
        except ValueError:
            advice = "lower components or choose another form of the covariances"
            raise ValueError(f"{stamp.path} has no fit of {components} components; {advice}") from None


def _round(weights: Modes, means: Tensor, variances: Modes, modes: int) -> Data:
    """Round Gaussians with these means in the first numbers, and 0 in the others."""
    mean = weights @ means
    deviations = means - mean
    eigenvalues, turn = _eigenbasis(deviations.T @ (weights.unsqueeze(1) * deviations))
    law = Gaussian(torch.zeros(modes, dtype=torch.float64), (weights @ variances).repeat(modes))
    law.mean[: len(turn)] += mean @ turn
    law.variance[: len(turn)] += eigenvalues
    return Data(RoundMixture(law, weights, deviations @ turn, variances), Turned((modes,), turn))


def _of_axes(weights: Modes, means: Tensor, covariances: Tensor) -> Data:
    """Gaussians of these covariances, of which there may be one for all."""
    mean = weights @ means
    deviations = means - mean
    within = (weights.reshape(-1, 1, 1) * covariances).sum(0)
    between = deviations.T @ (weights.unsqueeze(1) * deviations)
    eigenvalues, turn = _eigenbasis(within + between)
    spreads, axes = torch.linalg.eigh(turn.T @ covariances @ turn)
    spreads = spreads.clamp(min=0.0).expand(means.shape)
    axes = axes.expand(len(means), *turn.shape)
    law = Gaussian(mean @ turn, eigenvalues)
    return Data(FullMixture(law, weights, deviations @ turn, axes, spreads), Turned((len(turn),), turn))


def _eigenbasis(covariance: Tensor) -> tuple[Modes, Float64[Tensor, "numbers numbers"]]:
    """Eigenvalues, largest first, and vectors as columns, whose largest entry is positive.

    Where the covariance is diagonal but for rounding, the vectors are axes.
    """
    noise = 1e-13 * float(covariance.diagonal().max())
    cleaned = torch.where(covariance.abs() > noise, covariance, 0.0)
    eigenvalues, vectors = torch.linalg.eigh(cleaned)
    eigenvalues, vectors = eigenvalues.flip(0).clamp(min=0.0), vectors.flip(1)
    # Of entries that are largest but for rounding, the first.
    size = vectors.abs()
    largest = (size >= (1.0 - 1e-9) * size.amax(0)).int().argmax(0)
    return eigenvalues, vectors * vectors.gather(0, largest.unsqueeze(0)).sign()


_FORMS: dict[str, Callable[[Modes, Tensor, Tensor], Data]] = {
    "full": _of_axes,
    "diag": lambda weights, means, variances: _of_axes(weights, means, torch.diag_embed(variances)),
    "tied": lambda weights, means, covariance: _of_axes(weights, means, covariance.unsqueeze(0)),
    "spherical": lambda weights, means, variances: _round(weights, means, variances, means.shape[1]),
}
