r"""Entropic transport between Gaussians in closed form: what solvers are compared with.

With the roots of the covariances and the singular values of their product, :math:`A^{1/2} B^{1/2} = U s V^T`, the best
coupling has the correlations :math:`r = 2 s / (D + \epsilon/2)`, :math:`D = (4 s^2 + \epsilon^2/4)^{1/2}`, so that

.. math:: \langle c, \pi \rangle = |m - m'|^2 + \mathrm{tr} A + \mathrm{tr} B - 2 \sum s r, \quad
    \mathrm{KL}(\pi | a \otimes b) = -\tfrac12 \sum \log(1 - r^2).

Source: Janati, Muzellec, Peyre and Cuturi 2020, Entropic optimal transport between unbalanced Gaussian measures has a
closed form.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Modes
from kernels.gaussian import Gaussian
from kernels.transport.roots import Root, applied, root_of

Square = Float64[Tensor, "modes modes"]
Points = Float64[Tensor, "n modes"]


@final
@dataclass(frozen=True, eq=False)
class GaussianTransport:
    """A pair of Gaussian laws, and their transport at any epsilon; `gaussian_transport` and `dense_transport` make it.

    `left` and `right` are :math:`A^{1/2} U` and :math:`B^{1/2} V`; `overlaps` are the singular values s. Where modes
    are independent they are vectors. Costs are squared distances, not halved. Errors: `ValueError` for an epsilon that
    is not positive and finite.
    """

    mean_a: Modes
    mean_b: Modes
    root_a: Root
    root_b: Root
    left: Float64[Tensor, "modes ..."]
    right: Float64[Tensor, "modes ..."]
    overlaps: Float64[Tensor, " modes"]

    @property
    def wasserstein2_squared(self) -> float:
        """The cost without regularization, the squared distance of Bures and Wasserstein."""
        # Written so as not to cancel where the laws are equal and commute.
        between = self._shift + float((self.root_a.lengths - self.root_b.lengths).square().sum())
        return between + 2 * float((self.root_a.lengths * self.root_b.lengths).sum() - self.overlaps.sum())

    def transport_cost(self, epsilon: float) -> float:
        """Mean cost of the best coupling."""
        spread = self.root_a.lengths.square() + self.root_b.lengths.square()
        return self._shift + float(spread.sum() - 2 * (self.overlaps * correlations(self.overlaps, epsilon)).sum())

    def entropic_cost(self, epsilon: float) -> float:
        """Transport cost plus epsilon times the relative entropy of the coupling to the product of its marginals."""
        return self.transport_cost(epsilon) + epsilon * information(self.overlaps, epsilon)

    def divergence(self, epsilon: float) -> float:
        """The Sinkhorn divergence: the entropic cost less half those of either law to itself."""
        own = sum(_own_cost(root.lengths.square(), epsilon) for root in (self.root_a, self.root_b))
        return self.entropic_cost(epsilon) - 0.5 * own

    def richardson(self, epsilon: float) -> float:
        """Twice the divergence less that at the square root of two times epsilon, without the error of order two."""
        return 2 * self.divergence(epsilon) - self.divergence(math.sqrt(2) * epsilon)

    def contraction(self, epsilon: float) -> float:
        """The factor by which a full iteration of Sinkhorn's algorithm shrinks a small error: the largest r squared."""
        return float(correlations(self.overlaps, epsilon).max()) ** 2

    def cross_covariance(self, epsilon: float) -> Square:
        """Covariance of source and target under the best coupling, rows for the source."""
        r = correlations(self.overlaps, epsilon)
        if self.left.ndim == 1:
            return (self.left * r * self.right).diag()
        return (self.left * r) @ self.right.mT

    def entropic_map(self, x: Points, epsilon: float) -> Points:
        """The mean of the target given the source, the barycentric map of the best coupling.

        Where the source is degenerate, what stands out of its plane is left out.
        """
        along = applied(self.root_a.inverse, x - self.mean_a)
        r = correlations(self.overlaps, epsilon)
        if self.left.ndim == 1:
            return self.mean_b + along * r * self.right
        turn = self.root_a.inverse @ self.left
        return self.mean_b + ((along @ turn) * r) @ self.right.mT

    @property
    def _shift(self) -> float:
        return float((self.mean_a - self.mean_b).square().sum())


def gaussian_transport(p: Gaussian, q: Gaussian) -> GaussianTransport:
    """Laws that share an eigenbasis, as wide as may be; a mean may have one entry."""
    roots = Root.of_modes(p.variance), Root.of_modes(q.variance)
    means = p.mean.expand_as(p.variance), q.mean.expand_as(q.variance)
    left, right = roots[0].root, roots[1].root
    return GaussianTransport(*means, *roots, left, right, left * right)


def dense_transport(mean_a: Modes, covariance_a: Square, mean_b: Modes, covariance_b: Square) -> GaussianTransport:
    """Laws with any covariances, degenerate ones among them."""
    roots = root_of(covariance_a), root_of(covariance_b)
    u, overlaps, v = torch.linalg.svd(roots[0].root @ roots[1].root)
    return GaussianTransport(mean_a, mean_b, *roots, roots[0].root @ u, roots[1].root @ v.mT, overlaps)


def correlations(overlaps: Modes, epsilon: float) -> Modes:
    """Correlations of source and target under the best coupling, by pair of axes."""
    if not 0 < epsilon < math.inf:
        raise ValueError(f"epsilon must be a positive number, got {epsilon!r}; choose a larger one.")
    half = 0.5 * epsilon
    return 2 * overlaps / (torch.hypot(2 * overlaps, torch.tensor(half, dtype=torch.float64)) + half)


def information(overlaps: Modes, epsilon: float) -> float:
    """Relative entropy of the best coupling to the product of its marginals, in nats."""
    # 1 - r^2 = epsilon / (D + epsilon / 2), and D - epsilon / 2 = 2 s r.
    return 0.5 * float((2 * overlaps * correlations(overlaps, epsilon) / epsilon).log1p().sum())


def _own_cost(variance: Modes, epsilon: float) -> float:
    """Entropic cost of a law to itself."""
    apart = 2 * variance * (1 - correlations(variance, epsilon))
    return float(apart.sum()) + epsilon * information(variance, epsilon)
