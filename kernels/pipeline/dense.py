"""Samplers on dense matrices, many replicas at once: the laws they end with, and their distances."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Self, cast

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.affine import Factor
from kernels.arrays import Anything
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.pipeline.learners import Learnt
from kernels.problem import Problem
from kernels.samplers import Kinetic, OneStep, Sampler, TwoStep
from kernels.scores import AffineScore, Noised
from kernels.scores.base import V

Matrices = Float64[Tensor, "#replicas row column"]
Squares = Float64[Tensor, "#replicas row row"]
Columns = Float64[Tensor, "#replicas row 1"]


@dataclass(frozen=True, eq=False)
class Dense:
    r"""A sampler's value as an affine function of the state before, :math:`M z + b + \sum_j N_j \xi_j`, by replica.

    The last column of `map` is b, the others are M. The fresh Gaussians xi_j have variances q_j, the same in every
    mode; `noise` holds (N_j, q_j).
    """

    map: Matrices
    noise: dict[int, tuple[Squares, Factor]] = field(default_factory=dict[int, tuple[Squares, Factor]])

    def __add__(self, other: "Self | Tensor") -> "Dense":
        if isinstance(other, Tensor):
            if not bool(other.any()):
                return self
            moved = self.map.clone()
            moved[..., -1] += other.to(moved.device)
            return Dense(moved, self.noise)
        noise = dict(self.noise)
        for j, (matrix, variance) in other.noise.items():
            noise[j] = (noise[j][0] + matrix if j in noise else matrix), variance
        return Dense(self.map + other.map, noise)

    def __sub__(self, other: "Self | Tensor") -> "Dense":
        return self + -1.0 * other

    def __rmul__(self, factor: Factor) -> "Dense":
        return self._each(lambda matrix: factor * matrix)

    def through(self, matrix: Squares) -> "Dense":
        """A matrix applied to the value."""
        return self._each(lambda own: matrix @ own)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Dense":
        noise = {j: (change(matrix), variance) for j, (matrix, variance) in self.noise.items()}
        return Dense(change(self.map), noise)


@dataclass(frozen=True, eq=False)
class DenseScore(AffineScore):
    """A score that is learned, as a whole matrix, at each level where it is asked for."""

    learn: Callable[[float, float], Learnt]

    @property
    def is_centered(self) -> bool:
        return True

    def score(self, centered: V, at: Noised) -> V:
        return _through(-self._learnt(at).score, centered)

    def denoiser(self, centered: V, at: Noised) -> V:
        return _through(self._learnt(at).denoiser, centered) + self.law.mean

    def noise_prediction(self, centered: V, at: Noised) -> V:
        sigma = float(at.sigma)
        return sigma * (centered if sigma == 0 else _through(self._learnt(at).score, centered))

    def velocity(self, centered: V, at: Noised) -> V:
        # alpha' x0 + (sigma^2)'/2 A: regular also where f and g are infinite.
        alpha_rate, half_rate = float(at.process.alpha_rate(at.t)), 0.5 * float(at.process.variance_rate(at.t))
        learnt, moved = self._learnt(at), 0.0 * centered
        if alpha_rate != 0:
            moved = moved + alpha_rate * _through(learnt.denoiser, centered) + alpha_rate * self.law.mean
        return moved if half_rate == 0 else moved + half_rate * _through(learnt.score, centered)

    def _learnt(self, at: Noised) -> Learnt:
        return self.learn(float(at.alpha), float(at.sigma))


def _through(matrix: Squares, value: V) -> V:
    assert isinstance(value, Dense)
    return cast(V, value.through(matrix))


@dataclass(frozen=True, eq=False)
class State:
    """The law of a sampler's state, one or two vectors of modes one after the other."""

    mean: Columns
    covariance: Squares


@dataclass(frozen=True, eq=False)
class Move:
    """Some steps: the state becomes gain z + shift + N(0, noise)."""

    gain: Squares
    shift: Columns
    noise: Squares

    def of(self, state: State) -> State:
        """The law after, from the one before."""
        spread = self.gain @ state.covariance @ self.gain.mT
        return State(self.gain @ state.mean + self.shift, spread + self.noise)

    def then(self, later: "Move") -> "Move":
        """These steps followed by later ones."""
        noise = later.gain @ self.noise @ later.gain.mT + later.noise
        return Move(later.gain @ self.gain, later.gain @ self.shift + later.shift, noise)


def start_of(experiment: Experiment, count: int, place: torch.device) -> State:
    """The law that sampling starts from; an output to remember starts at nothing, a velocity as the start says."""
    law, t = experiment.law, experiment.times[:1]
    begun = experiment.start.law(law, experiment.noising, t)
    mean, variance = begun.mean.expand_as(law.variance), begun.variance
    if not isinstance(experiment.sampler, OneStep):
        moving = isinstance(experiment.sampler, Kinetic) and not experiment.start.at_rest
        mean = torch.cat([mean, torch.zeros_like(mean)])
        variance = torch.cat([variance, torch.full_like(variance, float(moving))])
    covariance = torch.diag(variance).to(place)
    return State(mean.to(place).unsqueeze(-1).expand(count, -1, -1), covariance.expand(count, -1, -1))


def move_of(sampler: Sampler, problem: Problem, before: Anything, t0: Anything, t1: Anything, state: State) -> Move:
    """One step of the sampler, read off by running it on `Dense` values."""
    rows, place = state.mean.shape[1], state.mean.device
    modes = len(problem.data.variance)
    whole = torch.eye(rows, rows + 1, dtype=torch.float64, device=place).unsqueeze(0)
    x, still = Dense(whole[:, :modes]), torch.zeros(1, modes, rows + 1, dtype=torch.float64, device=place)
    drawn = 0

    def noise(variance: Factor) -> Dense:
        nonlocal drawn
        drawn += 1
        unit = torch.eye(modes, dtype=torch.float64, device=place).unsqueeze(0)
        return Dense(still, {drawn: (unit, variance)})

    if isinstance(sampler, OneStep):
        after = (sampler.step(x, t0, t1, problem, noise),)
    elif isinstance(sampler, Kinetic):
        after = sampler.step(x, Dense(whole[:, modes:]), t0, t1, problem, noise)
    else:
        after = cast(TwoStep, sampler).step(x, Dense(whole[:, modes:]), before, t0, t1, problem)
    moved = torch.cat([each.map.expand(len(state.mean), -1, -1) for each in after], -2)
    spread = torch.cat([torch.cat([_shared(a, b, still) for b in after], -1) for a in after], -2)
    return Move(moved[..., :-1], moved[..., -1:], spread)


def _shared(a: Dense, b: Dense, still: Tensor) -> Tensor:
    """The covariance of what two values have of fresh noise."""
    parts = [a.noise[j][0] @ b.noise[j][0].mT * a.noise[j][1] for j in a.noise.keys() & b.noise.keys()]
    none = still[..., : still.shape[-2]]
    return reduce(operator.add, parts, none)


def bures_squared(
    mean: Float64[Tensor, "replicas modes"], covariance: Float64[Tensor, "replicas modes modes"], exact: Gaussian
) -> Float64[Tensor, " replicas"]:
    r"""Squared 2-Wasserstein distances of Gaussians with any covariance S to one in its own eigenbasis.

    .. math:: |m - \mu|^2 + \mathrm{tr}\, S + \mathrm{tr}\, \Lambda
        - 2\, \mathrm{tr} (\Lambda^{1/2} S \Lambda^{1/2})^{1/2}

    Units: those of the data, squared. Values: inf where a mean or a covariance is not finite; nothing is raised.
    Source: Peyre and Cuturi 2019, Computational Optimal Transport, remark 2.31.
    """
    deviations = exact.variance.sqrt()
    traces = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    apart = (mean - exact.mean).square().sum(-1)
    finite = traces.isfinite() & apart.isfinite() & covariance.isfinite().all(-1).all(-1)
    # A size of one, for which no routine fails; a covariance of zero stays.
    sizes = torch.where(finite & (traces > 0), traces, 1.0)
    scaled = torch.where(finite[:, None, None], covariance, 0.0) / sizes[:, None, None]
    scaled = 0.5 * (scaled + scaled.mT) * deviations.outer(deviations)
    roots = torch.linalg.eigvalsh(scaled).clamp_min(0).sqrt().sum(-1)
    squared = apart + traces + exact.variance.sum() - 2 * sizes.sqrt() * roots
    return torch.where(finite, squared.clamp_min(0), torch.inf)
