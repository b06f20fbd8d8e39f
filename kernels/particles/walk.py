"""Particles through a score that is no affine map: the sampler's own step on points, a block of them at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.experiment import Experiment
from kernels.normals import normals
from kernels.particles.plan import FIRST, START, START_VELOCITY
from kernels.populations import Population
from kernels.problem import Problem
from kernels.run import simulate
from kernels.samplers import Kinetic
from kernels.scores import CloudScore
from kernels.scores.clouds import Denoiser
from kernels.starts import Marginal

# Particles of a block, whatever the device or the memory: the same ones are always computed together.
BLOCK = 2048
NUMBERS = 2**21


@dataclass(frozen=True, eq=False)
class Walk:
    """An experiment on a population, with a score known by its denoiser."""

    experiment: Experiment
    population: Population
    denoise: Denoiser
    seed: int
    dtype: torch.dtype
    place: torch.device

    @property
    def modes(self) -> int:
        """Number of modes: all of them."""
        return len(self.population.law.variance)

    @property
    def block(self) -> int:
        """Particles that are carried together."""
        return max(1, min(BLOCK, NUMBERS // self.modes))

    def run(
        self, first: int, count: int, visit: Callable[[int, Float[Tensor, "n modes"]], None]
    ) -> Float[Tensor, "n modes"]:
        """Carry `count` particles, the first of which has this number; `visit` sees them at each step, from 0."""

        def fresh(stream: int, step: int) -> Tensor:
            begin, numbers = first * self.modes, count * self.modes
            if self.place.type == "cuda":
                from kernels.particles import card

                xi = card.normals(self.seed, stream, step, begin, numbers, self.place)
            else:
                xi = normals(self.seed, stream, step, begin, numbers)
            return xi.reshape(count, self.modes).to(self.dtype)

        experiment = self.experiment
        start = start_points(experiment, self.population, self.seed, first, count, fresh(START, 0))
        rest = not isinstance(experiment.sampler, Kinetic) or experiment.start.at_rest
        former = torch.zeros_like(start) if rest else fresh(START_VELOCITY, 0)
        problem = Problem(self.population.law, experiment.noising, CloudScore(self.population.law, self.denoise))
        visit(0, start)
        return simulate(
            experiment.sampler,
            problem,
            experiment.times,
            start,
            former,
            lambda step, drawn: fresh(FIRST + drawn, step),
            visit,
        )


def start_points(
    experiment: Experiment, population: Population, seed: int, first: int, count: int, xi: Float[Tensor, "n modes"]
) -> Float[Tensor, "n modes"]:
    """Points of the start: noised data themselves where it is their law, else a Gaussian."""
    process, t = experiment.noising, experiment.times[0]
    if isinstance(experiment.start, Marginal):
        rng = torch.Generator().manual_seed((seed * 1_000_003 + first) % 2**63)
        drawn = population.sample(count, rng).to(xi)
        return float(process.alpha(t)) * drawn + float(process.sigma(t)) * xi
    law = experiment.start.law(population.law, process, t)
    return law.mean.to(xi) + law.variance.sqrt().to(xi) * xi
