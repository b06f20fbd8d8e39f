"""What a level teaches: matrices learned from drawn samples, many replicas at once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from kernels.arrays import Modes
from kernels.scores import Empirical, GradientDescent, Learned, StochasticGradient

# A step asks at its two ends and between them; the end of one is the beginning of the next.
LEVELS_KEPT = 4

Squares = Float64[Tensor, "#replicas row row"]


@dataclass(frozen=True)
class Source:
    """Random numbers of one group of replicas; `block` is about how many are drawn at once."""

    rng: torch.Generator
    block: int

    def normal(self, *shape: int) -> Float32[Tensor, "..."]:
        """Independent standard Gaussians."""
        return torch.empty(shape, dtype=torch.float32, device=self.rng.device).normal_(generator=self.rng)

    def below(self, end: int, *shape: int) -> Int64[Tensor, "..."]:
        """Independent whole numbers from 0 to end - 1, equally likely."""
        return torch.empty(shape, dtype=torch.int64, device=self.rng.device).random_(0, end, generator=self.rng)


class Learnt(NamedTuple):
    """What a level has taught: the score is minus the first matrix, the denoiser the second, on the centered state."""

    score: Squares
    denoiser: Squares


Tell = Callable[[float], None]
Learner = Callable[[float, float, Tell], Learnt]


def learner_for(
    model: Learned, eigenvalues: Modes, count: int, source: Source, again: Callable[[], Source], tell: Tell
) -> Learner:
    """What learns a level, by alpha and sigma; `again` gives a source of the same numbers whenever it is called."""
    deviations = eigenvalues.sqrt().to(source.rng.device)
    if isinstance(model, StochasticGradient):
        samples = source.normal(count * model.samples, len(deviations))

        def descend(alpha: float, sigma: float, tell: Tell) -> Learnt:
            numbers = again() if model.shared else source
            return _descended(model, samples, deviations, alpha, sigma, numbers, tell)

        return descend
    values, vectors = _spectra(model.samples, deviations, count, source, tell)

    def filter_(alpha: float, sigma: float, tell: Tell) -> Learnt:
        return _filtered(model, values, vectors, alpha, sigma)

    return filter_


def _spectra(
    samples: int, deviations: Modes, count: int, source: Source, tell: Tell
) -> tuple[Float64[Tensor, "count modes"], Float64[Tensor, "count modes modes"]]:
    """Eigenvalues and eigenvectors of the covariances of fresh samples, about their known mean."""
    modes = len(deviations)
    total = torch.zeros(count, modes, modes, dtype=torch.float64, device=deviations.device)
    most = max(1, source.block // (count * modes))
    for first in range(0, samples, most):
        drawn = source.normal(count, min(most, samples - first), modes).double()
        total.baddbmm_(drawn.mT, drawn)
        tell(0.0)
    values, vectors = torch.linalg.eigh(total * (deviations.outer(deviations) / samples))
    values = values.clamp_min(0)
    # Fewer samples than modes leave directions in which there is nothing, which rounding would fill.
    values[:, : max(modes - samples, 0)] = 0
    return values, vectors


def _filtered(model: Learned, values: Tensor, vectors: Tensor, alpha: float, sigma: float) -> Learnt:
    """The minimizer from the samples, or K steps of gradient descent towards it: a polynomial of their covariance."""
    noised = alpha**2 * values + sigma**2
    score, left = 1 / noised, torch.zeros_like(noised)
    if not isinstance(model, Empirical):
        descent = cast(GradientDescent, model)
        moved = descent.step_size * noised
        left = (1 - moved) ** descent.iterations
        # 1 - left keeps its digits where few steps have done little.
        gone = torch.where(moved < 0.5, -torch.expm1(descent.iterations * torch.log1p(-moved)), 1 - left)
        untouched = torch.full_like(noised, descent.step_size * descent.iterations)
        score = torch.where(noised > 0, gone / noised, untouched)
    if sigma == 0:
        denoiser = torch.full_like(noised, 1 / alpha)
    else:
        short = torch.where(left == 0, left, _over(sigma**2, alpha) * left)
        denoiser = (alpha * values + short) / noised
    turned = vectors.mT
    return Learnt((vectors * score.unsqueeze(-2)) @ turned, (vectors * denoiser.unsqueeze(-2)) @ turned)


def _descended(
    model: StochasticGradient,
    samples: Float32[Tensor, "all modes"],
    deviations: Modes,
    alpha: float,
    sigma: float,
    source: Source,
    tell: Tell,
) -> Learnt:
    """K steps of stochastic gradient descent from zero."""
    modes, batch = len(deviations), model.batch
    count = len(samples) // model.samples
    shape, device = (count, modes, modes), deviations.device
    unit = torch.eye(modes, dtype=torch.float64, device=device)
    if sigma == 0:
        # The gradient has no finite variance there; a denoiser has nothing to do.
        score = torch.full(shape, math.inf, dtype=torch.float64, device=device)
        return Learnt(score, (unit / alpha).expand(shape))
    # All in rows, so that what is iterated is the transpose of the matrix.
    transposed = torch.zeros(shape, dtype=torch.float64, device=device)
    first_of_each = model.samples * torch.arange(count, device=device).unsqueeze(-1)
    signal = alpha * deviations
    most = max(1, source.block // (count * batch * modes))
    for first in range(0, model.iterations, most):
        steps = min(most, model.iterations - first)
        noises = source.normal(steps, count, batch, modes).double()
        chosen = source.below(model.samples, steps, count, batch).add_(first_of_each)
        points = samples.index_select(0, chosen.flatten()).double().view_as(noises)
        points.mul_(signal).add_(noises, alpha=sigma)
        descend = with_numpy if device.type == "cpu" else with_torch
        descend(transposed, points, noises.mul_(1 / sigma), model.step_size / batch, model.symmetrized)
        tell((first + steps) / model.iterations)
    matrix = transposed.mT
    return Learnt(matrix, _over(1, alpha) * (unit - sigma**2 * matrix))


Batches = Float64[Tensor, "steps replicas batch modes"]


def with_numpy(transposed: Squares, points: Batches, targets: Batches, rate: float, symmetrized: bool) -> None:
    """Steps of stochastic gradient descent, in place: of many small products numpy makes three times as many."""
    matrix = transposed.numpy()
    residual, gradient = np.empty(points.shape[1:]), np.empty_like(matrix)
    with np.errstate(all="ignore"):
        for point, target in zip(points.numpy(), targets.numpy(), strict=True):
            np.matmul(point, matrix, out=residual)
            np.subtract(residual, target, out=residual)
            np.matmul(point.swapaxes(-1, -2), residual, out=gradient)
            step = 0.5 * (gradient + gradient.swapaxes(-1, -2)) if symmetrized else gradient
            np.multiply(step, rate, out=gradient)
            np.subtract(matrix, gradient, out=matrix)


def with_torch(transposed: Squares, points: Batches, targets: Batches, rate: float, symmetrized: bool) -> None:
    """The same on a graphics card."""
    for point, target in zip(points.unbind(), targets.unbind(), strict=True):
        residual = torch.baddbmm(target, point, transposed, beta=-1)
        if symmetrized:
            gradient = point.mT @ residual
            transposed.sub_(gradient + gradient.mT, alpha=0.5 * rate)
        else:
            transposed.baddbmm_(point.mT, residual, alpha=-rate)


def _over(value: float, alpha: float) -> float:
    """The quotient; where there is no signal, infinity."""
    return value / alpha if alpha != 0 else math.inf


class Kept:
    """Remembers the levels that were learned last."""

    def __init__(self, learn: Callable[[float, float], Learnt]) -> None:
        self._learn = learn
        self._kept: dict[tuple[float, float], Learnt] = {}

    def __call__(self, alpha: float, sigma: float) -> Learnt:
        if (alpha, sigma) not in self._kept:
            while len(self._kept) >= LEVELS_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[alpha, sigma] = self._learn(alpha, sigma)
        return self._kept[alpha, sigma]
