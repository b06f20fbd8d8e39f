"""Points through a sampler's own step, with the random numbers of a generator."""

import torch
from torch import Tensor

from kernels.arrays import Times
from kernels.problem import Problem
from kernels.run import simulate
from kernels.samplers import Sampler


def simulated(sampler: Sampler, problem: Problem, times: Times, start: Tensor, rng: torch.Generator) -> Tensor:
    """The points at the last time; a velocity starts at rest."""

    def fresh(step: int, drawn: int) -> Tensor:
        return torch.randn(start.shape, dtype=start.dtype, generator=rng)

    return simulate(sampler, problem, times, start, torch.zeros_like(start), fresh)
