"""Methods of higher order on the probability-flow equation."""

from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.problem import Problem
from kernels.samplers.base import SIGNAL_AT_START, Noise, OneStep, V
from kernels.stochasticity import FLOW, Stochasticity


@dataclass(frozen=True, kw_only=True)
class Heun(OneStep):
    """The explicit trapezoidal rule in the process's time."""

    formula = "x′ = x − ½h [v(x, t) + v(x − h v(x, t), t′)]"
    source = "Hairer, Nørsett and Wanner, Solving ordinary differential equations I, section II.1"
    order = 2
    calls = 2
    final_calls = 2

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return FLOW

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        h = t0 - t1
        first = problem.velocity(x, t0)
        second = problem.velocity(x - h * first, t1)
        return x - 0.5 * h * (first + second)


@dataclass(frozen=True, kw_only=True)
class RungeKutta4(OneStep):
    """The classical method of order four in the process's time."""

    formula = "x′ = x − h/6 (v₁ + 2v₂ + 2v₃ + v₄)"
    source = "Hairer, Nørsett and Wanner, Solving ordinary differential equations I, table 1.2"
    order = 4
    calls = 4
    final_calls = 4

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return FLOW

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        h, middle = t0 - t1, 0.5 * (t0 + t1)
        v1 = problem.velocity(x, t0)
        v2 = problem.velocity(x - 0.5 * h * v1, middle)
        v3 = problem.velocity(x - 0.5 * h * v2, middle)
        v4 = problem.velocity(x - h * v3, t1)
        return x - h / 6 * (v1 + 2.0 * (v2 + v3) + v4)


@dataclass(frozen=True, kw_only=True)
class EDMHeun(OneStep):
    """The trapezoidal rule in the noise level s of the rescaled state; Euler in a last step to zero noise."""

    formula = "x′/α′ = x/α − ½(s − s′)[ξ̂(x, s) + ξ̂(x_E, s′)],  x_E the Euler step"
    source = "Karras et al. 2022, Elucidating the design space of diffusion-based generative models, algorithm 1"
    order = 2
    calls = 2
    final_calls = 1
    requirements = (SIGNAL_AT_START,)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return FLOW

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        alpha0, alpha1 = problem.alpha(t0), problem.alpha(t1)
        sigma0, sigma1 = problem.sigma(t0), problem.sigma(t1)
        first = problem.noise_prediction(x, t0)
        # In alpha and sigma the Euler step in s is x + (alpha' - alpha) x0 + (sigma' - sigma) noise.
        euler = x + (alpha1 - alpha0) * problem.denoiser(x, t0) + (sigma1 - sigma0) * first
        gap = ((sigma0 - sigma1) * alpha1 + sigma1 * (alpha1 - alpha0)) / alpha0
        half = torch.where(sigma1 == 0, torch.zeros_like(gap), 0.5 * gap)
        return euler + half * (first - problem.noise_prediction(euler, t1))
