"""The Fréchet distance mode by mode, for any number of modes, corrected for the number of points."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
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


@dataclass(frozen=True, kw_only=True)
class ByMode(Distance):
    r"""2-Wasserstein distance of the Gaussians with the same mean and variance in each mode.

    .. math:: \sum_i (m_i - m_i')^2 + (s_i - s_i')^2

    Covariances between modes do not count. The square is corrected to first order for the bias that few points
    give it, :math:`v/n` from a mean and :math:`s' \mathrm{var}(v) / 4 s^3` from a deviation, with the fourth moments
    measured; a corrected square below zero is 0. Near zero the standard error assumes uncorrelated modes.
    """

    formula = "√(Σᵢ (mᵢ − mᵢ′)² + (sᵢ − sᵢ′)² − bias)"
    source = "van der Vaart 1998, Asymptotic statistics, chapter 3"
    name = "by_mode"
    title = "Fréchet distance by mode"
    symbol = "W₂ of modes"
    unit = "units of the data"
    most = 2**20

    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        p, q = _moments(x), _moments(y)
        measured = _influence(x, p, q) + _influence(y, q, p)
        return _distance(p, q, measured, (len(x), len(y)))


def by_mode_to(x: Float[Tensor, "n modes"], law: Gaussian) -> Estimate:
    """The distance by mode of a cloud to a law in its own eigenbasis, which has no sampling error; see `ByMode`.

    All points are used. Values and errors: those of the distance between two clouds.
    """
    check_sizes(len(x), x.shape[1], len(law.variance))
    if not (is_finite(x) and is_law_finite(law)):
        return diverged((len(x), 0))
    p, q = _moments(x), _exact(law, x.device)
    return _distance(p, q, _influence(x, p, q), (len(x), 0))


def modewise(count: int, mean: Modes, variance: Modes, law: Gaussian) -> Estimate:
    r"""The distance by mode of a cloud that is known by its moments only, to a law; see `ByMode`.

    `variance` is normalized by n - 1. Assumes: modes are independent, with a Gaussian's third and fourth moments.
    Values: inf for moments that are not finite. Errors: `ValueError` for another number of modes than the law's, or
    a count below two.
    """
    check_sizes(count, len(mean), len(law.variance))
    if not (is_law_finite(Gaussian(mean, variance)) and is_law_finite(law)):
        return diverged((count, 0))
    p = _gaussian_moments(count, mean, variance)
    q = _exact(law, mean.device)
    along, across = 2 * (p.mean - q.mean), 1 - _ratio(q.deviation, p.deviation)
    measured = along.square() * p.mean_variance + across.square() * p.variance_variance
    return _distance(p, q, float(measured.sum()), (count, 0))


@dataclass(frozen=True, eq=False)
class _Moments:
    """Mean and standard deviation of each mode, and the covariance of the errors of mean and variance."""

    mean: Modes
    deviation: Modes
    mean_variance: Modes
    variance_variance: Modes
    covariance: Modes


def _moments(x: Float[Tensor, "n modes"]) -> _Moments:
    count, mean = len(x), mean_of(x)
    powers = torch.zeros(3, x.shape[1], dtype=torch.float64, device=x.device)
    for _, block in blocks(x, x.shape[1]):
        centered = block - mean
        square = centered.square()
        powers += torch.stack([square.sum(0), (square * centered).sum(0), square.square().sum(0)])
    variance, third, fourth = powers[0] / (count - 1), powers[1] / count, powers[2] / count
    spread = fourth - variance.square() * (count - 3) / (count - 1)
    return _Moments(mean, variance.sqrt(), variance / count, spread.clamp_min(0) / count, third / count)


def _gaussian_moments(count: int, mean: Modes, variance: Modes) -> _Moments:
    spread = 2 * variance.square() / (count - 1)
    return _Moments(mean, variance.sqrt(), variance / count, spread, torch.zeros_like(mean))


def _exact(law: Gaussian, place: torch.device) -> _Moments:
    variance = law.variance.to(place)
    none = torch.zeros_like(variance)
    return _Moments(law.mean.to(place).expand_as(variance), variance.sqrt(), none, none, none)


def _influence(x: Float[Tensor, "n modes"], p: _Moments, q: _Moments) -> float:
    r"""Variance of the squared distance due to one cloud, from the influence of its points.

    .. math:: \sum_i 2 (m_i - m_i') a_i + (1 - s_i'/s_i) a_i^2, \quad a = x - m
    """
    along, across = 2 * (p.mean - q.mean), 1 - _ratio(q.deviation, p.deviation)
    parts = [(block - p.mean) @ along + (block - p.mean).square() @ across for _, block in blocks(x, x.shape[1])]
    return float(torch.cat(parts).var()) / len(x)


def _distance(p: _Moments, q: _Moments, measured: float, points: tuple[int, int]) -> Estimate:
    apart = (p.mean - q.mean).square() + (p.deviation - q.deviation).square()
    # An unbiased variance has a root that is too small by var(v)/8 s^3, which its product with the other's shows.
    bias = p.mean_variance + q.mean_variance
    for one, other in ((p, q), (q, p)):
        bias = bias + _ratio(other.deviation * one.variance_variance, 4 * one.deviation**3)
    # The errors (mean, deviation) have a covariance matrix V in each mode, and their squares a variance of 2 tr V^2.
    mean = p.mean_variance + q.mean_variance
    deviations = sum(_ratio(each.variance_variance, 4 * each.deviation.square()) for each in (p, q))
    both = sum(_ratio(each.covariance, 2 * each.deviation) for each in (p, q))
    degenerate = 2 * (mean.square() + deviations**2 + 2 * both**2)
    return root(float((apart - bias).sum()), deviation(measured, float(degenerate.sum())), points)


def _ratio(numerator: Modes, denominator: Modes) -> Modes:
    """Zero where a mode has no spread, and therefore no error."""
    return torch.where(denominator > 0, numerator / denominator, 0.0)
