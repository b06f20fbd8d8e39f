"""The steps of an affine experiment as tables of coefficients, some at a time, in deviation from the exact mean."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.arrays import Anything
from kernels.experiment import Experiment
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.run import Steps, Transition, transitions
from kernels.samplers import Kinetic, OneStep, SingleLevel

AT_ONCE = 2**19
# Streams of random numbers: the start, its velocity, and then what is drawn within a step, in order.
START, START_VELOCITY, FIRST = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Tables:
    """What a step does to the state, z' = G z + b + N xi, for steps of consecutive numbers.

    The state has one component or two. `gain` holds G row by row, `spread` the factor N of the noise: one number, or
    what the first Gaussian adds to the second and the first component, and a second Gaussian to the first component.
    `streams` are those of the Gaussians. Where there is one row, all steps are alike.
    """

    gain: Float[Tensor, "rows entries modes"]
    shift: Float[Tensor, "rows components modes"]
    spread: Float[Tensor, "rows parts modes"]
    first: int
    steps: int
    streams: tuple[int, int]

    @property
    def components(self) -> int:
        """Components of the state."""
        return self.shift.shape[1]


@dataclass(frozen=True, eq=False)
class Plan:
    """An experiment on some of its modes, with an affine score and a Gaussian start."""

    experiment: Experiment
    data: Conditioned
    dtype: torch.dtype

    @property
    def modes(self) -> int:
        """Number of modes that are carried."""
        return len(self.data.law.variance)

    @property
    def components(self) -> int:
        """Components of the sampler's state."""
        return 1 if isinstance(self.experiment.sampler, OneStep) else 2

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.experiment.times) - 1

    def center(self, time: Anything) -> Float[Tensor, " modes"]:
        """The exact mean at a time, from which the state is measured."""
        return self.experiment.noising.alpha(time) * self.data.law.mean

    def start(self) -> Tables:
        """The start, as a step from nothing."""
        law, process, t = self.data.law, self.experiment.noising, self.experiment.times[:1]
        mean = self.experiment.start.deviation(law, process, t).mean.expand(1, self.modes)
        spread = self.experiment.start.law(law, process, t).variance.sqrt().expand(1, self.modes)
        if self.components == 1:
            still = torch.zeros(1, 1, self.modes)
            return self._tables(still, mean[None], spread[None], 0, 1, (START, START))
        still = torch.zeros_like(spread)
        moving = isinstance(self.experiment.sampler, Kinetic) and not self.experiment.start.at_rest
        parts = torch.stack([still + float(moving), still, spread], 1)
        shift = torch.stack([mean, still], 1)
        return self._tables(torch.zeros(1, 4, self.modes), shift, parts, 0, 1, (START_VELOCITY, START))

    def tables(self) -> Iterator[Tables]:
        """All steps, as many at a time as memory likes."""
        experiment, times = self.experiment, self.experiment.times.unsqueeze(-1)
        problem = Problem(self.data.law, experiment.noising, experiment.score.fit(self.data))
        if isinstance(experiment.sampler, SingleLevel):
            yield self._of(transitions(experiment.sampler, problem, Steps.by_mode(times[-2:])), 0, self.steps)
            return
        every = Steps.by_mode(times)
        length = max(1, AT_ONCE // self.modes)
        for first in range(0, self.steps, length):
            some = slice(first, first + length)
            steps = Steps(every.before[some], every.t0[some], every.t1[some])
            yield self._of(transitions(experiment.sampler, problem, steps), first, len(steps.t0))

    def _of(self, moves: Transition, first: int, steps: int) -> Tables:
        rows = moves.steps
        gain = moves.gain.reshape(-1, rows, self.modes).transpose(0, 1)
        still = torch.zeros(self.components, rows, self.modes, dtype=torch.float64)
        shift = (still if moves.shift is None else moves.shift).transpose(0, 1)
        if self.components == 1:
            return self._tables(gain, shift, moves.noise[0].sqrt().transpose(0, 1), first, steps, (FIRST, FIRST))
        # A triangular factor of the covariance, from the second component on: a velocity has noise, its place may not.
        own = moves.noise[1, 1].sqrt()
        shared = torch.where(own > 0, moves.noise[0, 1] / own, 0.0)
        alone = (moves.noise[0, 0] - shared.square()).clamp_min(0).sqrt()
        return self._tables(gain, shift, torch.stack([own, shared, alone], 1), first, steps, (FIRST, FIRST + 1))

    def _tables(
        self, gain: Tensor, shift: Tensor, spread: Tensor, first: int, steps: int, streams: tuple[int, int]
    ) -> Tables:
        gain, shift, spread = (part.to(self.dtype).contiguous() for part in (gain, shift, spread))
        return Tables(gain, shift, spread, first, steps, streams)
