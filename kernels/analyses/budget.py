"""Where along time and spectrum the error is made."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.arrays import Times
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.run import Steps, Transition, joined_steps, transitions, variances
from kernels.samplers import Kinetic, Sampler, SingleLevel
from kernels.squaring import repeated

Floats = NDArray[np.float64]
MOST_ROWS = 160
MOST_COLUMNS = 250


@dataclass(frozen=True, eq=False)
class Budget:
    r"""The error of the variance at the last time, as an exact sum over steps.

    .. math:: v_N - v = (v_0 - \lambda_0) \prod_k F_k^2 + \sum_k D_k \prod_{m > k} F_m^2

    `by_step` holds the signed terms, (modes, steps); `start` the first one; `final` is the exact variance v and
    `variance` the sampler's. `ranks` are the modes, from 1; `edges` the numbers of the steps between which columns lie.
    """

    ranks: Floats
    eigenvalue: Floats
    edges: Floats
    by_step: Floats
    start: Floats
    variance: Floats
    final: Floats

    @property
    def of_deviation(self) -> Floats:
        """The same terms for the standard deviation, which add up exactly too."""
        # What is infinite has no share in what is infinite.
        with np.errstate(invalid="ignore"):
            return self.by_step / (np.sqrt(self.variance) + np.sqrt(self.final))[:, None]


@lru_cache(maxsize=32)
def budget(experiment: Experiment, most_modes: int = MOST_ROWS, most_steps: int = MOST_COLUMNS) -> Budget:
    """The budget of all modes and steps, or of as many modes as asked for and with steps taken together.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    sampled = experiment.data
    law = sampled.law
    count = len(law.variance)
    ranks = np.arange(count)
    if count > most_modes:
        ranks = np.unique(np.geomspace(1, count, most_modes).round().astype(int)) - 1
    chosen = torch.from_numpy(ranks)
    eigenvalues = law.variance[chosen]
    data = Gaussian(torch.zeros(1, dtype=torch.float64), eigenvalues)
    measured = sampled.at(chosen) if experiment.by_mode else Conditioned(data)
    process, times = experiment.noising, experiment.times
    problem = Problem(data, process, experiment.score.fit(measured))
    edges = np.unique(np.linspace(0, len(times) - 1, min(len(times) - 1, most_steps) + 1).round().astype(int))
    moves, together = _moves(experiment.sampler, problem, times, edges)
    final = variances(problem, times[-1:])[0]
    off = experiment.start.deviation(data, process, times[0]).variance.expand_as(final)
    rests = isinstance(experiment.sampler, Kinetic) and experiment.start.at_rest
    begin, terms = _carried(moves, off, -1.0 if rests else 0.0)
    alone = together or len(edges) == len(times)
    whole = None if alone else torch.cat([torch.zeros_like(terms[:1]), terms.cumsum(0)])
    grouped = terms if whole is None else whole[edges].diff(dim=0)
    variance = torch.nan_to_num((final + begin + terms.sum(0)).clamp_min(0), nan=torch.inf, posinf=torch.inf)
    return Budget(
        (ranks + 1).astype(np.float64),
        eigenvalues.numpy(),
        edges.astype(np.float64),
        grouped.T.contiguous().numpy(),
        begin.numpy(),
        variance.numpy(),
        final.numpy(),
    )


def _moves(sampler: Sampler, problem: Problem, times: Times, edges: NDArray[np.int64]) -> tuple[Transition, bool]:
    """The steps, or the runs of steps between edges where they are all alike; and whether they are such runs."""
    if not isinstance(sampler, SingleLevel):
        return transitions(sampler, problem, Steps.along(times)), False
    one = transitions(sampler, problem, Steps.along(times[-2:]))
    lengths: list[int] = np.diff(edges).tolist()
    made = {length: repeated(one, length, Transition.then) for length in set(lengths)}
    return joined_steps([made[length] for length in lengths]), True


def _carried(moves: Transition, off: Tensor, of_velocity: float) -> tuple[Tensor, Tensor]:
    """The deviation at the start (of state and velocity), and every step's own error, carried to the end."""
    if len(moves.gain) == 1:
        square = moves.gain[0, 0].square()
        later = torch.cat([square[1:].flip(0).cumprod(0).flip(0), torch.ones_like(square[:1])])
        return off * later[0] * square[0], moves.defect[0, 0] * later
    # The state's row of the product of all later steps is all that is needed of a method with memory.
    row = torch.stack([torch.ones_like(off), torch.zeros_like(off)])
    terms: list[Tensor] = []
    for k in range(moves.steps - 1, -1, -1):
        step = moves[slice(k, k + 1)]
        defect, gain = step.defect[:, :, 0], step.gain[:, :, 0]
        terms.append(torch.einsum("im,ijm,jm->m", row, defect, row))
        row = torch.einsum("im,ijm->jm", row, gain)
    return off * row[0].square() + of_velocity * row[1].square(), torch.stack(terms[::-1])
