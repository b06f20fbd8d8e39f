"""Langevin samplers: they stay at one noise level and wait until the law has come near the smoothed data's."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.arrays import Anything
from kernels.param import POSITIVE, param
from kernels.problem import Problem
from kernels.samplers.base import Kinetic, Noise, OneStep, Sampler, V
from kernels.stochasticity import REVERSE, Stochasticity


@dataclass(frozen=True, kw_only=True)
class SingleLevel(Sampler, ABC):
    """A method that asks for the score at one noise level only, the score's own `noise_amplitude`.

    Its times count what has been moved: N steps of one size, whatever the grid, of which only the number matters.
    """

    step_size: float = param(0.01, "γ", (1e-5, 1.0), "step size", domain=POSITIVE, log=True)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return REVERSE

    @abstractmethod
    def kept(self, variance: Tensor, elapsed: Tensor) -> Tensor:
        """The factor that the exact dynamics leave of a deviation of the state after a time, by time and mode.

        `variance` is that of the stationary law.
        """

    @abstractmethod
    def from_velocity(self, variance: Tensor, elapsed: Tensor) -> Tensor:
        """The factor with which a velocity at the start, if there is one, enters the state after a time."""

    @abstractmethod
    def longest_step(self, variance: Tensor) -> Tensor:
        """The step size from which on the recursion diverges, where the stationary law has this variance."""


@dataclass(frozen=True, kw_only=True)
class Langevin(SingleLevel, OneStep):
    """Overdamped, unadjusted: stable where the step size is below twice the least variance."""

    order = 1
    calls = 1
    final_calls = 1
    formula = "x′ = x + γ s(x, σ) + √(2γ) ξ"
    source = "Roberts and Tweedie 1996, Exponential convergence of Langevin distributions, section 1.4.1"

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        h = t0 - t1
        return x + h * problem.score_at(x, t0) + noise(2 * h)

    def kept(self, variance: Tensor, elapsed: Tensor) -> Tensor:
        return torch.where(elapsed == 0, 1.0, (-elapsed / variance).exp())

    def from_velocity(self, variance: Tensor, elapsed: Tensor) -> Tensor:
        return torch.zeros_like(elapsed / variance)

    def longest_step(self, variance: Tensor) -> Tensor:
        return 2 * variance


@dataclass(frozen=True, kw_only=True)
class UnderdampedLangevin(SingleLevel, Kinetic):
    """Position and velocity, by Euler's method; the velocity starts at rest, or from its exact law with the state."""

    order = 1
    calls = 1
    final_calls = 1
    formula = "x′ = x + γ v,  v′ = v + γ (s(x, σ) − ζ v) + √(2 ζ γ) ξ"
    source = "Cheng et al. 2018, Underdamped Langevin MCMC, eq. 2, with unit mass and Euler's method"
    friction: float = param(2.0, "ζ", (0.1, 100.0), "friction", domain=POSITIVE, log=True)

    def step(self, x: V, velocity: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> tuple[V, V]:
        h = t0 - t1
        pushed = h * problem.score_at(x, t0) - (self.friction * h) * velocity
        return x + h * velocity, velocity + pushed + noise(2 * self.friction * h)

    def kept(self, variance: Tensor, elapsed: Tensor) -> Tensor:
        even, odd = self._modes(variance, elapsed)
        return torch.where(elapsed == 0, 1.0, even + 0.5 * self.friction * odd)

    def from_velocity(self, variance: Tensor, elapsed: Tensor) -> Tensor:
        return torch.where(elapsed == 0, 0.0, self._modes(variance, elapsed)[1])

    def _modes(self, variance: Tensor, elapsed: Tensor) -> tuple[Tensor, Tensor]:
        """exp(-c t) cosh(w t) and exp(-c t) sinh(w t)/w, with c half the friction and w^2 = c^2 - 1/variance."""
        half = 0.5 * self.friction
        root = (half**2 - 1 / variance).to(torch.complex128).sqrt()
        # Beside a double root both are what they tend to.
        safe = torch.where(root.abs() < 1e-8, 1e-8 * torch.ones_like(root), root)
        grown, shrunk = ((safe - half) * elapsed).exp(), ((-safe - half) * elapsed).exp()
        return (0.5 * (grown + shrunk)).real, (0.5 * (grown - shrunk) / safe).real

    def longest_step(self, variance: Tensor) -> Tensor:
        # A step multiplies by 1 - h z with z^2 - friction z + 1/variance = 0; z is complex where it is underdamped.
        inside = self.friction**2 - 4 / variance
        overdamped = 4 / (self.friction + inside.clamp_min(0).sqrt())
        return torch.where(inside < 0, self.friction * variance, overdamped)
