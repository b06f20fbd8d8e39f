"""Euler methods in the process's own time."""

from dataclasses import dataclass

from kernels.arrays import Anything
from kernels.param import NONNEGATIVE, param
from kernels.problem import Problem
from kernels.processes import FlowMatching
from kernels.samplers.base import VARIANCE_PRESERVING, Noise, OneStep, Requirement, V

_FINITE_DIFFUSION = Requirement(
    lambda sampler, process, times: sampler.limit_stochasticity == 0 or float(times[0]) < process.singular,
    "with noise needs a finite diffusion coefficient at its first time; set grid.start below the end of the process, "
    "or sampler.stochasticity=0",
)


@dataclass(frozen=True, kw_only=True)
class EulerMaruyama(OneStep):
    """Explicit Euler on the reverse equation with adjustable stochasticity."""

    formula = "x′ = x − h [f x − ½(1 + ε) g² s(x)] + √(ε h) g ξ"
    source = "Song et al. 2021, Score-based generative modeling through SDEs, eq. 6 and 13"
    order = 1
    calls = 1
    final_calls = 1
    requirements = (_FINITE_DIFFUSION,)
    stochasticity: float = param(1.0, "ε", (0.0, 2.0), "0 is the flow, 1 the reverse equation", domain=NONNEGATIVE)

    @property
    def limit_stochasticity(self) -> float:
        return self.stochasticity

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        h = t0 - t1
        flow = x - h * problem.velocity(x, t0)
        if self.stochasticity == 0:
            return flow
        variance = self.stochasticity * h * problem.process.diffusion_squared(t0)
        return flow + 0.5 * variance * problem.score_at(x, t0) + variance.sqrt() * noise()


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
    def limit_stochasticity(self) -> float:
        return 0.0

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
    def limit_stochasticity(self) -> float:
        return self.stochasticity

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        alpha0, alpha1 = problem.alpha(t0), problem.alpha(t1)
        growth = (alpha1 - alpha0) / alpha0
        variance = self.stochasticity * growth * (growth + 2)
        drift = x + (1 + self.stochasticity) * problem.score_at(x, t0)
        return x + growth * drift + variance.sqrt() * noise()


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
    def limit_stochasticity(self) -> float:
        return 1.0

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        b = (t0 - t1) * problem.process.diffusion_squared(t0)
        root = (1 - b).sqrt()
        growth = b / (root * (1 + root))
        return x + growth * x + b / root * problem.score_at(x, t0) + b.sqrt() * noise()
