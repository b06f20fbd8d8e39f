r"""Unbalanced entropic transport between Gaussians with masses, in closed form.

Mass and shape come apart: with K the least of :math:`\langle c, P \rangle + \epsilon\,\mathrm{KL}(P | a \otimes b) +
\rho_a \mathrm{KL}(P 1 | a) + \rho_b \mathrm{KL}(P^T 1 | b)` over couplings P of mass one between the normalized laws,
the mass is :math:`\log m = ((\epsilon + \rho_a) \log m_a + (\epsilon + \rho_b) \log m_b - K) / (\epsilon + \rho_a +
\rho_b)`. The best P is Gaussian, and its precision is block by block a pair of axes: with the covariances shrunk to
:math:`\tilde A = A (1 + 2 A / (\epsilon + \rho_a))^{-1}`, :math:`\tilde A^{1/2} \tilde B^{1/2} = U t V^T` and
:math:`q = 4 t^2 / \epsilon^2`, it is [[x, -2t/ε], [-2t/ε, y]] where

.. math:: x = 1 + \kappa_a q / y, \quad y = 1 + \kappa_b q / x, \quad \kappa = \rho / (\rho + \epsilon).

Source: Janati, Muzellec, Peyre and Cuturi 2020, Entropic optimal transport between unbalanced Gaussian measures has a
closed form, where both penalties are the same; here they may differ, and one be infinite.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Modes
from kernels.transport.roots import root_of

Square = Float64[Tensor, "modes modes"]


@final
@dataclass(frozen=True, eq=False)
class ScaledGaussian:
    """A Gaussian law times a mass."""

    mass: float
    mean: Modes
    covariance: Square


@final
@dataclass(frozen=True, eq=False)
class UnbalancedGaussian:
    """The best coupling: a Gaussian of source and target times a mass, and the value of the problem."""

    value: float
    transport_cost: float
    source: ScaledGaussian
    target: ScaledGaussian
    cross_covariance: Square

    @property
    def mass(self) -> float:
        """Mass that is moved."""
        return self.source.mass


def unbalanced_transport(
    p: ScaledGaussian, q: ScaledGaussian, epsilon: float, penalty_a: float, penalty_b: float
) -> UnbalancedGaussian:
    """The best coupling at these penalties of missed marginals, of which one may be inf: that marginal is exact.

    Errors: `ValueError` in one sentence for masses, an epsilon or penalties that are not positive, and two inf.
    """
    _check(p, q, epsilon, penalty_a, penalty_b)
    first, second = _Side.of(p, epsilon, penalty_a), _Side.of(q, epsilon, penalty_b)
    u, t, v = torch.linalg.svd(first.root @ second.root)
    strength = 4 * t.square() / epsilon**2
    middle = 1 - (second.damping - first.damping) * strength
    x = 0.5 * (middle + (middle.square() + 4 * second.damping * strength).sqrt())
    y = 1 + second.damping * strength / x
    determinant = x * y - strength
    wide_a, wide_b = y / determinant, x / determinant
    axes_a, axes_b = first.root @ u, second.root @ v.mT
    covariance_a, covariance_b = (axes_a * wide_a) @ axes_a.mT, (axes_b * wide_b) @ axes_b.mT
    cross = (axes_a * (2 * t / epsilon / determinant)) @ axes_b.mT
    # Each mean hangs on that of its law by a spring, and on the other mean.
    whole = torch.eye(len(t), dtype=torch.float64) + first.slack + second.slack
    force = torch.linalg.solve(whole, p.mean - q.mean)
    mean_a, mean_b = p.mean - first.slack @ force, q.mean + second.slack @ force
    spread = covariance_a.trace() + covariance_b.trace() - 2 * cross.trace()
    cost = float((mean_a - mean_b).square().sum() + spread)
    shared = 0.5 * float((x * y / determinant).log().sum())
    shape = cost + epsilon * shared + first.paid(u, wide_a, force) + second.paid(v.mT, wide_b, force)
    mass = _mass(p.mass, q.mass, shape, epsilon, penalty_a, penalty_b)
    value = mass * shape + epsilon * _excess(mass, p.mass * q.mass)
    relaxed = [(penalty, law) for penalty, law in ((penalty_a, p), (penalty_b, q)) if penalty < math.inf]
    value += sum(penalty * _excess(mass, law.mass) for penalty, law in relaxed)
    source, target = ScaledGaussian(mass, mean_a, covariance_a), ScaledGaussian(mass, mean_b, covariance_b)
    return UnbalancedGaussian(value, mass * cost, source, target, cross)


@dataclass(frozen=True, eq=False)
class _Side:
    r"""A law as its penalty lets it be seen: its slack is :math:`2 A / (\epsilon + \rho)`, shrunk by 1 + slack."""

    root: Square
    shrink: Square
    slack: Square
    stiffness: float
    damping: float

    @staticmethod
    def of(law: ScaledGaussian, epsilon: float, penalty: float) -> "_Side":
        stiffness = epsilon + penalty
        slack = 2 / stiffness * law.covariance
        values, axes = torch.linalg.eigh(0.5 * (slack + slack.mT))
        shrink = (axes / (1 + values.clamp(min=0.0)).sqrt()) @ axes.mT
        return _Side(root_of(law.covariance).root @ shrink, shrink, slack, stiffness, 1 / (1 + epsilon / penalty))

    def paid(self, turn: Square, widths: Modes, force: Modes) -> float:
        """(ε + ρ) times the relative entropy of a marginal to the law, of covariance and of mean."""
        if math.isinf(self.stiffness):
            return 0.0
        # Covariance over that of the law: from the shrunken coordinates, without an inverse.
        trace = (self.shrink @ turn).square().sum(0) @ widths
        log_determinant = 2 * self.shrink.logdet() + widths.log().sum()
        entropy = 0.5 * float(trace - len(widths) - log_determinant)
        return self.stiffness * entropy + float(force @ self.slack @ force)


def _mass(p: float, q: float, shape: float, epsilon: float, penalty_a: float, penalty_b: float) -> float:
    if math.isinf(penalty_a):
        return p
    if math.isinf(penalty_b):
        return q
    stiff_a, stiff_b = epsilon + penalty_a, epsilon + penalty_b
    return math.exp((stiff_a * math.log(p) + stiff_b * math.log(q) - shape) / (stiff_a + stiff_b - epsilon))


def _excess(mass: float, reference: float) -> float:
    """Relative entropy of one mass to another."""
    return mass * math.log(mass / reference) - mass + reference


def _check(p: ScaledGaussian, q: ScaledGaussian, epsilon: float, penalty_a: float, penalty_b: float) -> None:
    for name, value in (("mass of the source", p.mass), ("mass of the target", q.mass), ("epsilon", epsilon)):
        if not 0 < value < math.inf:
            raise ValueError(f"the {name} must be positive and finite, got {value}; choose another.")
    for name, value in (("source", penalty_a), ("target", penalty_b)):
        if not value > 0:
            raise ValueError(f"the penalty of the {name} must be positive, got {value}; choose another.")
    if math.isinf(penalty_a) and math.isinf(penalty_b):
        raise ValueError("both penalties are infinite, which is balanced transport; use dense_transport for it.")
