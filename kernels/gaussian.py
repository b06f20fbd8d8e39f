"""Gaussian laws that share an eigenbasis: one mean and one variance per mode."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A law N(mean, diag(variance)) in the eigenbasis; leading axes are a batch.

    A mean that is the same in every mode may have one entry.
    """

    mean: Float64[Tensor, "*batch #modes"]
    variance: Float64[Tensor, "*batch modes"]

    def sample(self, n: int, rng: torch.Generator) -> Float64[Tensor, "n modes"]:
        """Draw n points of an unbatched law."""
        xi = torch.randn(n, self.variance.shape[-1], dtype=torch.float64, generator=rng)
        return self.mean + self.variance.sqrt() * xi


def wasserstein2_squared(p: Gaussian, q: Gaussian) -> Float64[Tensor, "*batch"]:
    r"""Squared distance between Gaussians that share an eigenbasis.

    .. math:: W_2^2 = \sum_i (m_i - m_i')^2 + (\sqrt{v_i} - \sqrt{v_i'})^2

    Equal to the Frechet distance. Axes: modes are last and are summed; leading axes broadcast.
    Values: infinite variances give inf; nothing is raised.
    Source: Peyre and Cuturi 2019, Computational Optimal Transport, section 2.6.
    """
    deviation = p.variance.sqrt() - q.variance.sqrt()
    return ((p.mean - q.mean).square() + deviation.square()).sum(-1)


def wasserstein2(p: Gaussian, q: Gaussian) -> Float64[Tensor, "*batch"]:
    """Distance between Gaussians that share an eigenbasis, in the units of the data."""
    return wasserstein2_squared(p, q).sqrt()


def kl(p: Gaussian, q: Gaussian) -> Float64[Tensor, "*batch"]:
    r"""Relative entropy KL(p || q) in nats.

    .. math:: \tfrac12 \sum_i v_i/v_i' - 1 - \log(v_i/v_i') + (m_i - m_i')^2 / v_i'

    Values: a mode that is a point mass in one law only gives inf, in both the same point mass 0.
    """
    return kl_of_deviation(p.variance - q.variance, p.mean - q.mean, q.variance)


def kl_of_deviation(
    variance: Float64[Tensor, "*batch modes"],
    mean: Float64[Tensor, "*batch modes"],
    reference: Float64[Tensor, "*#batch modes"],
) -> Float64[Tensor, "*batch"]:
    """Relative entropy from deviations of variance and mean, to full precision when they are small."""
    ratio = variance / reference
    excess = ratio - torch.log1p(ratio)
    # x - log(1 + x) loses half its digits at 1e-8; eight terms of its series do not.
    small = ratio.abs() < 1e-2
    series = torch.zeros_like(ratio)
    for power in range(10, 1, -1):
        series = series * ratio + (-1.0) ** power / power
    excess = torch.where(small, series * ratio.square(), excess)
    per_mode = 0.5 * (excess + mean.square() / reference)
    per_mode = torch.where(ratio.isinf() | mean.isinf(), torch.inf, per_mode)
    point_mass = (reference == 0) & (variance == 0) & (mean == 0)
    broken = (reference == 0) & ~point_mass
    per_mode = torch.where(point_mass, 0.0, per_mode)
    return torch.where(broken, torch.inf, per_mode).sum(-1)
