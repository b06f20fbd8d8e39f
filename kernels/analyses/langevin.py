r"""Langevin dynamics beside a diffusion on the same data, each with exact scores and tuned for its number of steps.

The tuning is that for which bounds were published, so that curves and bounds can be compared. With eigenvalues
:math:`\lambda`, condition number :math:`\kappa` and N steps: overdamped steps of
:math:`\lambda_{\max} \log N / (2 N)`; underdamped ones of :math:`\sqrt{2 \lambda_{\max} \kappa} \log N / N` with
friction :math:`\sqrt{8 / \lambda_{\min}}`; and Brownian noise removed on a geometric grid from
:math:`(\mathrm{tr} \Sigma^5 / \mathrm{tr} \Sigma)^{1/4} \sqrt N` to :math:`\mathrm{tr} \Sigma / (d N^2)`.
Langevin dynamics start at zero and at rest. Eigenvalues of zero are left out: there, neither has a place to stay.
Source: Perbost, Bach and Marion 2026.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from kernels.arrays import Times, array
from kernels.gaussian import Gaussian
from kernels.nodes import reduced
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.processes import Brownian, Held, Process
from kernels.run import Steps, Transition, accumulate, transitions
from kernels.samplers import EulerMaruyama, Langevin, Sampler, UnderdampedLangevin
from kernels.scores import Exact
from kernels.spectra import LogUniform
from kernels.squaring import repeated

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """W2 to the data of the three methods, over N or the condition number.

    `settled` is the overdamped one from an exact start, without the burn-in. Infinite where a method diverges; nan
    where the underdamped one is not admissible, N being below 4 kappa log N.
    """

    at: Floats
    langevin: Floats
    settled: Floats
    underdamped: Floats
    diffusion: Floats


@dataclass(frozen=True, eq=False)
class Asymptotes:
    """What the bounds tend to as N grows, in the same order."""

    langevin: Floats
    underdamped: Floats
    diffusion: Floats


@dataclass(frozen=True, eq=False)
class Data:
    """The positive eigenvalues of a law, or nodes that stand for them, with the number of modes of each."""

    eigenvalues: Float64[Tensor, " nodes"]
    counts: Float64[Tensor, " nodes"]
    largest: float
    least: float

    @property
    def condition(self) -> float:
        """The largest positive eigenvalue over the least."""
        return self.largest / self.least

    def trace(self, power: float = 1.0) -> float:
        """Sum of a power of the eigenvalues over all modes."""
        return float((self.counts * self.eigenvalues**power).sum())

    def distance(self, deviation: Float64[Tensor, " nodes"]) -> float:
        """W2 where the variances are those of the data plus this."""
        exact = self.eigenvalues
        error = deviation / ((exact + deviation).clamp_min(0).sqrt() + exact.sqrt())
        squared = float((self.counts * error.square()).sum())
        return math.sqrt(max(squared, 0.0)) if math.isfinite(squared) else math.inf


@lru_cache(maxsize=16)
def positive_part(law: Gaussian) -> Data | None:
    """The eigenvalues of a law that are not zero; None if there are none."""
    levels, panels = reduced(law)
    values = levels.eigenvalues[levels.eigenvalues > 0]
    if not len(values):
        return None
    nodes, counts = (torch.cat([getattr(panel, name) for panel in panels]) for name in ("nodes", "counts"))
    kept = nodes > 0
    return Data(nodes[kept], counts[kept], float(values[0]), float(values[-1]))


def _steps(data: Data, sampler: Sampler, process: Process, times: Times) -> Transition:
    law = Gaussian(torch.zeros(1, dtype=torch.float64), data.eigenvalues)
    problem = Problem(law, process, Exact().fit(Conditioned(law)))
    return transitions(sampler, problem, Steps.along(times))


def langevin(data: Data, steps: int, *, settled: bool = False) -> float:
    """W2 of overdamped Langevin dynamics, from zero or from the exact law."""
    size = data.largest * math.log(steps) / (2 * steps)
    if size >= 2 * data.least:
        return math.inf
    sampler = Langevin(step_size=size)
    whole = repeated(_steps(data, sampler, Held(level=0.0), array([size, 0.0])), steps, Transition.then)
    return data.distance(whole.defect[0, 0, 0] if settled else _end(data, whole, rest=0.0))


def underdamped(data: Data, steps: int) -> float:
    """W2 of underdamped Langevin dynamics; nan where the number of steps is not admissible."""
    if steps < 4 * data.condition * math.log(steps):
        return math.nan
    size = math.sqrt(2 * data.largest * data.condition) * math.log(steps) / steps
    sampler = UnderdampedLangevin(step_size=size, friction=math.sqrt(8 / data.least))
    whole = repeated(_steps(data, sampler, Held(level=0.0), array([size, 0.0])), steps, Transition.then)
    return data.distance(_end(data, whole, rest=1.0))


def diffusion(data: Data, steps: int) -> float:
    """W2 of the reverse equation by Euler's method."""
    times = diffusion_times(data, steps)
    moves = _steps(data, EulerMaruyama(stochasticity=1.0), Brownian(), times)
    return data.distance(_end(data, accumulate(moves, 1)[0], rest=0.0) + times[-1])


def diffusion_times(data: Data, steps: int) -> Times:
    """The geometric grid."""
    start = (data.trace(5.0) / data.trace()) ** 0.25 * math.sqrt(steps)
    stop = data.trace() / (float(data.counts.sum()) * steps**2)
    return torch.linspace(math.log(start), math.log(stop), steps + 1, dtype=torch.float64).exp()


def _end(data: Data, whole: Transition, rest: float) -> Tensor:
    """Deviation of the variance at the end: at the start all of it was missing, and this much of a velocity's."""
    gain, last = whole.gain[0, 0, 0], whole.gain[0, -1, 0]
    return whole.defect[0, 0, 0] - gain.square() * data.eigenvalues - rest * last.square()


def _methods(data: Data, steps: int) -> tuple[float, float, float, float]:
    """As in `Comparison`."""
    without = langevin(data, steps, settled=True)
    return langevin(data, steps), without, underdamped(data, steps), diffusion(data, steps)


COUNTS = tuple(np.unique(np.geomspace(10, 10_000, 10).round().astype(int)).tolist())


@lru_cache(maxsize=32)
def over_steps(data: Data, counts: tuple[int, ...] = COUNTS) -> Comparison:
    """The three methods, tuned for each number of steps."""
    rows = zip(*(_methods(data, count) for count in counts), strict=True)
    return Comparison(np.array(counts, dtype=float), *map(np.array, rows))


def asymptotes(data: Data, counts: Floats) -> Asymptotes:
    """The leading terms of the published bounds."""
    rate = np.log(counts) / counts
    single = data.largest * math.sqrt(data.trace(-1.0)) * rate
    return Asymptotes(single / 8, single / 4, 5 / 8 * math.sqrt(data.trace()) * rate)


@lru_cache(maxsize=32)
def over_condition(modes: int, steps: int, points: int = 11) -> Comparison:
    """The three methods with so many steps, on eigenvalues spread evenly in their logarithm up to 1.

    The last finite value is just before Langevin dynamics diverge.
    """
    diverging = 4 * steps / math.log(steps)
    conditions = np.unique([*np.geomspace(1.0, 10 * diverging, points), 0.999 * diverging])
    found: list[tuple[float, float, float, float]] = []
    for condition in conditions.tolist():
        data = positive_part(LogUniform(modes=modes, condition=condition).law())
        assert data is not None
        found.append(_methods(data, steps))
    return Comparison(conditions, *map(np.array, zip(*found, strict=True)))
