"""The Fréchet distance: that of the Gaussians with the clouds' means and covariances."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.arrays import Modes
from kernels.distances.base import (
    Distance,
    Estimate,
    Look,
    blocks,
    check_sizes,
    deviation,
    diverged,
    is_finite,
    is_law_finite,
    mean_of,
    root,
)
from kernels.gaussian import Gaussian

_ROUNDING = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class Frechet(Distance):
    r"""2-Wasserstein distance of the Gaussians with the same means and covariances.

    .. math:: |m - m'|^2 + \mathrm{tr}\, S + \mathrm{tr}\, S' - 2\, \mathrm{tr} (S^{1/2} S' S^{1/2})^{1/2}

    Covariances are normalized by n - 1. The square is biased upward: between clouds of one law it is of the order of
    tr S times the number of modes over that of points. The standard error does not know of the bias;
    it assumes more points than modes, and near zero it assumes Gaussian data.
    """

    formula = "√(|m − m′|² + tr S + tr S′ − 2 tr (S^½ S′ S^½)^½)"
    source = "Dowson and Landau 1982; Rippl, Munk and Sturm 2016, Limit laws of the empirical Wasserstein distance"
    name = "frechet"
    title = "Fréchet distance"
    symbol = "W₂ of Gaussians"
    unit = "units of the data"
    most = 2**20

    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        # Decompositions are of the size of the covariance's rank, which fewer points make smaller.
        small, large = (x, y) if len(x) <= len(y) else (y, x)
        base, mean = _principal(small), mean_of(large)
        image = torch.zeros(base.rank, base.rank, dtype=torch.float64, device=x.device)
        trace = 0.0
        for _, block in blocks(large, large.shape[1]):
            centered = block - mean
            seen = centered @ base.rooted
            image += seen.mT @ seen
            trace += float(centered.square().sum())
        image, trace = image / (len(large) - 1), trace / (len(large) - 1)
        turn, overlaps = _overlaps(image)
        squared = float((base.mean - mean).square().sum() + base.variance.sum() - 2 * overlaps.sum()) + trace
        back = base.rooted @ (turn * _inverse(overlaps).sqrt())
        measured = _influence(small, base.mean, mean, base.whitened @ (turn * overlaps.sqrt()))
        measured += _influence(large, mean, base.mean, back)
        degenerate = _degenerate(overlaps, 1 / len(x) + 1 / len(y))
        return root(squared, deviation(measured, degenerate), (len(x), len(y)))


def frechet_to(x: Float[Tensor, "n modes"], law: Gaussian) -> Estimate:
    """The Fréchet distance of a cloud to a law in its own eigenbasis, which has no sampling error; see `Frechet`.

    All points are used. Values and errors: those of the distance between two clouds.
    """
    check_sizes(len(x), x.shape[1], len(law.variance))
    if not (is_finite(x) and is_law_finite(law)):
        return diverged((len(x), 0))
    mean, variance = law.mean.to(x.device), law.variance.to(x.device)
    base = _principal(x)
    turn, overlaps = _overlaps(base.rooted.mT @ (variance.unsqueeze(-1) * base.rooted))
    apart = (base.mean - mean).square().sum()
    squared = apart + base.variance.sum() + variance.sum() - 2 * overlaps.sum()
    measured = _influence(x, base.mean, mean, base.whitened @ (turn * overlaps.sqrt()))
    return root(float(squared), deviation(measured, _degenerate(overlaps, 1 / len(x))), (len(x), 0))


@dataclass(frozen=True, eq=False)
class _Principal:
    """Mean of a cloud, and the eigenvectors of its covariance whose eigenvalues are not rounding."""

    mean: Modes
    axes: Float64[Tensor, "modes rank"]
    variance: Float64[Tensor, " rank"]

    @property
    def rank(self) -> int:
        return len(self.variance)

    @property
    def rooted(self) -> Float64[Tensor, "modes rank"]:
        """The root R of the covariance R R'."""
        return self.axes * self.variance.sqrt()

    @property
    def whitened(self) -> Float64[Tensor, "modes rank"]:
        """Its pseudo-inverse, transposed."""
        return self.axes / self.variance.sqrt()


def _principal(x: Float[Tensor, "n modes"]) -> _Principal:
    count, modes = x.shape
    mean = mean_of(x)
    if count > modes:
        covariance = torch.zeros(modes, modes, dtype=torch.float64, device=x.device)
        for _, block in blocks(x, modes):
            centered = block - mean
            covariance += centered.mT @ centered
        variance, axes = torch.linalg.eigh(covariance / (count - 1))
        kept = variance > count * _ROUNDING * variance[-1]
        return _Principal(mean, axes[:, kept], variance[kept])
    # The products of points have the same eigenvalues, and there are fewer of them.
    centered = x.double() - mean
    variance, weights = torch.linalg.eigh(centered @ centered.mT / (count - 1))
    kept = variance > modes * _ROUNDING * variance[-1]
    variance = variance[kept]
    axes = centered.mT @ (weights[:, kept] / ((count - 1) * variance).sqrt())
    return _Principal(mean, axes, variance)


def _overlaps(
    image: Float64[Tensor, "rank rank"],
) -> tuple[Float64[Tensor, "rank rank"], Float64[Tensor, " rank"]]:
    """Eigenvectors of the other covariance as seen from the root of one, and the roots of the eigenvalues."""
    squares, turn = torch.linalg.eigh(0.5 * (image + image.mT))
    return turn, squares.clamp_min(0).sqrt()


def _inverse(values: Float64[Tensor, " rank"]) -> Float64[Tensor, " rank"]:
    return torch.where(values > 0, 1 / values, 0.0)


def _influence(
    x: Float[Tensor, "n modes"], mean: Modes, other: Modes, half_map: Float64[Tensor, "modes rank"]
) -> float:
    r"""Variance of the squared distance due to one cloud, from the influence of its points.

    .. math:: 2 (m - m')^T a + a^T (1 - T) a, \quad a = x - m

    where the transport map is T = H H' with `half_map` H.
    """
    parts = [
        2 * (block - mean) @ (mean - other)
        + (block - mean).square().sum(-1)
        - ((block - mean) @ half_map).square().sum(-1)
        for _, block in blocks(x, x.shape[1])
    ]
    return float(torch.cat(parts).var()) / len(x)


def _degenerate(overlaps: Float64[Tensor, " rank"], share: float) -> float:
    r"""Variance of the squared distance between clouds of one Gaussian law; `share` is 1/n + 1/m.

    There it is :math:`|\delta|^2 + \sum_{ij} \Delta_{ij}^2 / 2 (\lambda_i + \lambda_j)` in the errors of mean and
    covariance, whose entries are independent, and the overlaps are the eigenvalues.
    """
    positive = overlaps[overlaps > 0]
    harmonic = positive.outer(positive) / (positive.unsqueeze(-1) + positive)
    return share**2 * float(2.25 * positive.square().sum() + harmonic.square().sum())
