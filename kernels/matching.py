r"""Denoising score matching by stochastic gradients: second moments of the learned linear score.

At one level the data have variance l (times alpha squared) and the noise sigma^2, so that :math:`y` has
:math:`c_i = l_i + \sigma^2`, and the residual :math:`\xi/\sigma - A^* y` of the minimizer has
:math:`R_i = l_i / (\sigma^2 c_i)`, independent of y. From A = 0, K steps of size tau over B examples give
:math:`M_{ij} = E (A - A^*)_{ij}^2` by

.. math:: M'_{ij} = (1 - \tau c_j)^2 M_{ij}
    + \frac{\tau^2}{B} \Big(c_j^2 M_{ij} + c_j \sum_k c_k M_{ik} + R_i c_j\Big),

the same symmetric matrix for every row i: a diagonal and one rank more.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Modes
from kernels.scores import StochasticGradient

Pairs = Float64[Tensor, "row column"]


@dataclass(frozen=True, eq=False)
class Fluctuation:
    """Variances of the learned score's entries about their mean, for nodes that stand for several modes.

    `pairs`: row and column in different modes; `own`: on the diagonal. Infinite where the recursion diverges.
    """

    pairs: Pairs
    own: Modes


def largest_step(model: StochasticGradient, variance: Modes, counts: Modes) -> float:
    """The step size from which on the second moments of the stochastic gradient diverge."""
    top = float(variance.max())
    low, high = 0.0, 2 / (top * (1 + 1 / model.batch))
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _excess(middle, model.batch, variance, counts) < 1 else (low, middle)
    return low


def is_stable(model: StochasticGradient, variance: Modes, counts: Modes) -> bool:
    """Whether the second moments of the stochastic gradient stay finite."""
    return _excess(model.step_size, model.batch, variance, counts) < 1


def _excess(step_size: float, batch: int, variance: Modes, counts: Modes) -> float:
    """Q of the mean-square stability criterion Q < 1; infinite where a denominator is not positive."""
    rest = 2 - step_size * (1 + 1 / batch) * variance
    if float(rest.min()) <= 0:
        return float("inf")
    return float((counts * (step_size / batch) * variance / rest).sum())


def second_moments(model: StochasticGradient, signal: Modes, level: float, counts: Modes) -> Fluctuation:
    """E (A - A*)^2 of a score that was learned at one level; raw, the unfinished mean's square among it.

    `signal`: variances of the noiseless data at this level; `level`: sigma there; `counts`: modes by node.
    """
    moved = _fluctuation(model, signal, level, counts)
    unfinished = model.remaining(signal + level**2) / (signal + level**2)
    return Fluctuation(moved.pairs, moved.own + unfinished.square())


def fluctuation(model: StochasticGradient, signal: Modes, level: float, counts: Modes) -> Fluctuation:
    """Variances of the entries of a score that was learned at one level; arguments as in `second_moments`."""
    return (_symmetrized if model.symmetrized else _fluctuation)(model, signal, level, counts)


def _symmetrized(model: StochasticGradient, signal: Modes, level: float, counts: Modes) -> Fluctuation:
    """To first order in the step size: every entry by itself relaxes at the mean of two rates."""
    variance, residual = _variances(signal, level)
    rates, others = variance.unsqueeze(1), variance
    settled = _geometric((1 - 0.5 * model.step_size * (rates + others)).square(), model.iterations)
    driven = (residual.unsqueeze(1) * others + rates * residual) * settled
    # Unfinished means m make noise (m_i + m_j)^2 c_i c_j, which fades as they do.
    left = 1 - model.step_size * variance
    relaxing = (1 - 0.5 * model.step_size * (rates + others)).square()
    fading = _mixed(relaxing, left.square().unsqueeze(1).expand_as(relaxing), model.iterations) * others / rates
    between = _mixed(relaxing, left.unsqueeze(1) * left, model.iterations)
    pairs = model.step_size**2 / (4 * model.batch) * (driven + fading + fading.T + 2 * between)
    return Fluctuation(pairs, 2 * pairs.diagonal())


def _variances(signal: Modes, level: float) -> tuple[Modes, Modes]:
    """Of the noised data, and of what their denoising leaves over."""
    variance = signal + level**2
    return variance, signal / (level**2 * variance)


def _geometric(ratio: Tensor, terms: int) -> Tensor:
    """1 + ratio + ... with this many terms; infinite where that overflows."""
    return _mixed(torch.ones_like(ratio), ratio, terms)


def _mixed(a: Tensor, b: Tensor, terms: int) -> Tensor:
    """The sum of a^(K-1-k) b^k over k < K, which is (a^K - b^K)/(a - b), for a >= 0."""
    top, low = torch.maximum(a, b), torch.minimum(a, b)
    safe = torch.where(top > 0, top, 1.0)
    # Two numbers near each other: by their ratio, whose distance from 1 keeps its digits.
    gap = (top - low) / safe
    within = (gap > 0) & (gap < 1)
    ratio = torch.where(within, gap, 0.5)
    near = torch.where(
        within, -torch.expm1(terms * torch.log1p(-ratio)) / ratio, torch.where(gap > 0, 1.0, float(terms))
    )
    positive = ((terms - 1) * safe.log()).exp() * near
    first = 1.0 if terms == 1 else 0.0
    same_sign = torch.where(top > 0, positive, first)
    apart = torch.where(low < 0, top - low, 1.0)
    return torch.where(low < 0, (top**terms - low**terms) / apart, same_sign)


def _fluctuation(model: StochasticGradient, signal: Modes, level: float, counts: Modes) -> Fluctuation:
    variance, residual = _variances(signal, level)
    kappa, steps = model.step_size**2 / model.batch, model.iterations
    done = (1 - model.step_size * variance).square()
    alone = done + kappa * variance.square()
    if _has_settled(model, alone, variance, counts):
        rest = 2 - model.step_size * (1 + 1 / model.batch) * variance
        crowded = 1 - _excess(model.step_size, model.batch, variance, counts)
        pairs = residual.unsqueeze(1) * (model.step_size / (model.batch * crowded * rest))
        return Fluctuation(pairs, pairs.diagonal())
    # Vectors over modes that are alike within a node are kept times the root of its count: then the map is symmetric.
    root = counts.sqrt()
    weight = variance * root
    roots, vectors = torch.linalg.eigh(torch.diag(alone) + kappa * torch.outer(weight, weight))
    roots = roots.clamp_min(0)
    driven = (vectors * _geometric(roots, steps)) @ (vectors.T @ weight)
    # The unfinished mean, with its square done^k / c^2, makes noise in its own entry, and in its row through the sum.
    mixed = _mixed(roots.unsqueeze(1).expand_as(vectors), done.expand_as(vectors), steps)
    fading = vectors @ (mixed * ((vectors.T @ weight).unsqueeze(1) / variance + vectors.T / root))
    pairs = kappa * (residual.unsqueeze(1) * driven + fading.T) / root
    lone = kappa * _mixed(alone, done, steps)
    own = pairs.diagonal() + lone * (1 - 1 / counts)
    pairs = pairs - torch.diag(lone / counts)
    return Fluctuation(*(torch.nan_to_num(part, nan=torch.inf, posinf=torch.inf) for part in (pairs, own)))


def _has_settled(model: StochasticGradient, alone: Modes, variance: Modes, counts: Modes) -> bool:
    """Whether nothing is left of the start: whether the largest root of the recursion lies below this bound."""
    bound = math.exp(math.log(1e-17) / model.iterations)
    if float(alone.max()) >= bound:
        return False
    # The roots of a diagonal and one rank more: those of the secular equation.
    return model.step_size**2 / model.batch * float((counts * variance.square() / (bound - alone)).sum()) < 1
