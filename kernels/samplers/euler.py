"""Euler methods in the process's own time."""

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from kernels.arrays import Anything, array
from kernels.param import NONNEGATIVE, POSITIVE, numbers, option, param
from kernels.problem import Problem
from kernels.processes import FlowMatching
from kernels.samplers.base import VARIANCE_PRESERVING, Noise, OneStep, Requirement, V
from kernels.stochasticity import FLOW, REVERSE, Constant, Stochasticity, Varying

_FINITE_DIFFUSION = Requirement(
    lambda sampler, process, times: sampler.limit_stochasticity.is_zero or float(times[0]) < process.singular,
    "with noise needs a finite diffusion coefficient at its first time; set grid.start below the end of the process, "
    "or choose EulerMaruyama with sampler.stochasticity=0",
)


@dataclass(frozen=True, kw_only=True)
class ReverseEuler(OneStep, ABC):
    """Explicit Euler on the reverse equation; its kinds differ in the diffusion-term coefficient."""

    order = 1
    calls = 1
    final_calls = 1
    requirements = (_FINITE_DIFFUSION,)

    @final
    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        h = t0 - t1
        flow = x - h * problem.velocity(x, t0)
        stochasticity = self.limit_stochasticity
        if stochasticity.is_zero:
            return flow
        ratio = problem.sigma(t0) / problem.alpha(t0)
        variance = stochasticity.at(ratio) * h * problem.process.diffusion_squared(t0)
        return flow + 0.5 * variance * problem.score_at(x, t0) + noise(variance)


@dataclass(frozen=True, kw_only=True)
class EulerMaruyama(ReverseEuler):
    """Explicit Euler on the reverse equation with adjustable stochasticity."""

    formula = "x′ = x − h [f x − ½(1 + ε) g² s(x)] + √(ε h) g ξ"
    source = "Song et al. 2021, Score-based generative modeling through SDEs, eq. 6 and 13"
    stochasticity: float = param(1.0, "ε", (0.0, 2.0), "0 is the flow, 1 the reverse equation", domain=NONNEGATIVE)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return Constant(self.stochasticity)


@dataclass(frozen=True)
class _Shape(Varying):
    """A named function of s/c, times a level."""

    level: float | Tensor
    scale: float | Tensor
    name: str

    @property
    def kinks(self) -> tuple[float, ...]:
        return ()

    def at(self, noise_ratio: Anything) -> Anything:
        return self.level * _SHAPES[self.name]((noise_ratio / self.scale).square())


# Functions of (s/c)^2.
_SHAPES: dict[str, Callable[[Anything], Anything]] = {
    "high noise": lambda x: x / (1 + x),
    "low noise": lambda x: 1 / (1 + x),
    "bump": lambda x: 4 * x / (1 + x).square(),
    # In the noise level itself Euler is exact for the mode of eigenvalue c^2, at any step size.
    "matched": lambda x: (1 + 1 / x).sqrt() - 1,
}


@dataclass(frozen=True, kw_only=True)
class ShapedEulerMaruyama(ReverseEuler):
    """Explicit Euler on the reverse equation with a stochasticity that depends on the noise level."""

    formula = "EulerMaruyama with ε(s) = ε₀ φ(s/c);  φ = x²/(1+x²), 1/(1+x²), 4x²/(1+x²)² or √(1+1/x²) − 1"
    source = (
        "any diffusion coefficient keeps the marginals: Albergo, Boffi and Vanden-Eijnden 2023, Stochastic interpolants"
    )
    shape: str = option("bump", "φ", _SHAPES, "where noise is added: φ of s/c, see the formula")
    level: float = param(0.2, "ε₀", (0.0, 2.0), "factor on the shape", domain=NONNEGATIVE)
    scale: float = param(0.5, "c", (1e-2, 1e2), "noise ratio at which the shape turns", domain=POSITIVE, log=True)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return _Shape(self.level, self.scale, self.shape)


@dataclass(frozen=True)
class _Table(Varying):
    """Values at decreasing noise ratios, linear in log s between them and constant beyond."""

    levels: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.levels

    def at(self, noise_ratio: Anything) -> Anything:
        places, values = -array(self.levels).log(), array(self.values)
        if len(values) == 1:
            return values.expand_as(noise_ratio)
        place = (-noise_ratio.log()).clamp(places[0], places[-1])
        right = torch.searchsorted(places, place.detach()).clamp(1, len(values) - 1)
        share = (place - places[right - 1]) / (places[right] - places[right - 1])
        return values[right - 1] + share * (values[right] - values[right - 1])


@dataclass(frozen=True, kw_only=True)
class TabulatedEulerMaruyama(ReverseEuler):
    """Explicit Euler on the reverse equation with a stochasticity listed by noise level.

    With the noise ratios of a grid as levels every step has a value of its own; on another grid the values are
    interpolated.
    """

    formula = "EulerMaruyama with ε(s) through (sₖ, εₖ), linear in log s and constant beyond"
    source = "the person at the keyboard, or the optimizer"
    levels: tuple[float, ...] = numbers((80.0, 2e-3), "sₖ", "noise ratios s = σ/α, decreasing", domain=POSITIVE)
    values: tuple[float, ...] = numbers((0.1, 0.1), "εₖ", "stochasticity at each of them", domain=NONNEGATIVE)
    constraints = (
        (
            lambda self: len(self.levels) == len(self.values),
            "levels and values must be equally many, got {self.levels} and {self.values}",
        ),
        (
            lambda self: all(a > b for a, b in pairwise(self.levels)),
            "levels must decrease from the first to the last, got {self.levels}",
        ),
    )

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return _Table(self.levels, self.values)


@dataclass(frozen=True, kw_only=True)
class FlowEuler(OneStep):
    """Explicit Euler on the velocity of a straight interpolation."""

    formula = "x′ = x − h v(x, t),  v = E[ξ − x₀ | x]"
    source = "Lipman et al. 2023, Flow matching for generative modeling"
    order = 1
    calls = 1
    final_calls = 1
    requirements = (
        Requirement(
            lambda sampler, process, times: isinstance(process, FlowMatching),
            f"needs the process {FlowMatching.__name__}",
        ),
    )

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return FLOW

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        return x - (t0 - t1) * problem.velocity(x, t0)


@dataclass(frozen=True, kw_only=True)
class ExponentialIntegrator(OneStep):
    """The linear part exactly, with the score frozen over the step."""

    formula = "x′ = r x + (1 + ε)(r − 1) s(x) + √(ε (r² − 1)) ξ,  r = α′/α"
    source = "Zhang and Chen 2023, Fast sampling of diffusion models with exponential integrator"
    order = 1
    calls = 1
    final_calls = 1
    requirements = (VARIANCE_PRESERVING,)
    stochasticity: float = param(1.0, "ε", (0.0, 2.0), "0 is the flow, 1 the reverse equation", domain=NONNEGATIVE)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return Constant(self.stochasticity)

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        alpha0, alpha1 = problem.alpha(t0), problem.alpha(t1)
        growth = (alpha1 - alpha0) / alpha0
        variance = self.stochasticity * growth * (growth + 2)
        drift = x + (1 + self.stochasticity) * problem.score_at(x, t0)
        return x + growth * drift + noise(variance)


@dataclass(frozen=True, kw_only=True)
class AncestralVP(OneStep):
    """The ancestral step of denoising diffusion models written with the score."""

    formula = "x′ = (x + b s(x))/√(1 − b) + √b ξ,  b = g² h < 1"
    source = "Song et al. 2021, Score-based generative modeling through SDEs, eq. 4"
    order = 1
    calls = 1
    final_calls = 1
    requirements = (
        VARIANCE_PRESERVING,
        Requirement(
            lambda sampler, process, times: bool((process.diffusion_squared(times[:-1]) * -times.diff() < 1).all()),
            "needs g² h < 1 in every step; take more steps or start later",
        ),
    )

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return REVERSE

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        b = (t0 - t1) * problem.process.diffusion_squared(t0)
        root = (1 - b).sqrt()
        growth = b / (root * (1 + root))
        return x + growth * x + b / root * problem.score_at(x, t0) + noise(b)
