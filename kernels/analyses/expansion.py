"""First-order theory of an experiment: what N times its error tends to."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.expansion import applies, coefficients, local
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.nodes import Pairs, reduced, sample
from kernels.report import report

Floats = NDArray[np.float64]
# Below this largest angle, in radians, the theory was found to be within about a tenth of the exact error.
TRUSTED_ANGLE = 0.3
_RESOLVED = 1e-11
_VARIANCE, _MEAN, _START_VARIANCE, _START_MEAN, _FINAL = range(5)


@dataclass(frozen=True, eq=False)
class Expansion:
    """N times the errors as N grows, on the same grid with ever more steps.

    `n_wasserstein2` is that of the discretization error, `n2_frechet` its square; `variance` and `mean` are the
    coefficients by mode, of variances and means, and `start_variance`, `start_mean` what a wrong start adds to them.
    `largest_angle` is the largest step of arctan(s/sqrt(eigenvalue)) in any mode; `in_regime` says that it is small and
    every mode is stable, so that the theory may be trusted at the present N.
    """

    n_wasserstein2: float
    variance: Floats
    mean: Floats
    start_variance: Floats
    start_mean: Floats
    largest_angle: float
    in_regime: bool

    @property
    def n2_frechet(self) -> float:
        """N^2 times the Frechet distance."""
        return self.n_wasserstein2**2


@lru_cache(maxsize=128)
def expansion(experiment: Experiment, with_start: bool = True) -> Expansion | None:
    """The expansion; None for methods of higher order, and for lists of times, which have no limit.

    What a wrong start adds costs as much again; where it is not wanted it is nan.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    grid = experiment.placed
    if grid.map is None or not applies(experiment.sampler) or not experiment.is_exact:
        return None
    mapped = grid.map
    law = experiment.law
    levels, panels = reduced(law)
    ends = (float(grid.times[0]), float(grid.times[-1]))
    has_mean = float(bool(levels.mean_squares.any()))

    def evaluate(eigenvalues: Tensor) -> Tensor:
        data = Gaussian(torch.full((1,), has_mean, dtype=torch.float64), eigenvalues)
        sampler, process, score = experiment.sampler, experiment.process, experiment.score
        found = local(sampler, process, score, data, ends, mapped.kinks, with_growth=with_start)
        parts = coefficients(found, mapped.rate(found.times))
        off = experiment.start.deviation(data, experiment.process, grid.times[0])
        started = parts.start_variance * off.variance, parts.start_mean * off.mean
        return torch.stack([parts.variance, parts.mean, *started, parts.final]).unsqueeze(1)

    found = sample(levels, panels, evaluate, _is_resolved)

    def terms(values: Tensor, columns: Tensor) -> Pairs:
        variance, final = values[_VARIANCE], values[_FINAL]
        squares = torch.where(variance == 0, 0.0, variance.square() / (4 * final))
        return (squares, final), (values[_MEAN].square(), torch.ones_like(final))

    of_variance, of_mean = found.sums(terms)
    values = found.at_levels(0)[:, levels.position]
    mean = law.mean.expand_as(law.variance)
    angle = _largest_angle(experiment, torch.cat([panel.nodes for panel in panels]))
    return Expansion(
        float((of_variance + of_mean).sqrt()),
        values[_VARIANCE].numpy(),
        (values[_MEAN] * mean).numpy(),
        values[_START_VARIANCE].numpy() if with_start else np.full(len(mean), np.nan),
        (values[_START_MEAN] * mean).numpy() if with_start else np.full(len(mean), np.nan),
        angle,
        angle <= TRUSTED_ANGLE and report(experiment).is_stable,
    )


def _is_resolved(values: Tensor, tail: Tensor) -> bool:
    # A comparison with nan is false: what has no limit is not resolved.
    return bool((tail <= _RESOLVED * values.abs().amax(-1)).all())


def _largest_angle(experiment: Experiment, eigenvalues: Tensor) -> float:
    times, process = experiment.times, experiment.noising
    sigma, signal = process.sigma(times).unsqueeze(1), process.alpha(times).unsqueeze(1) * eigenvalues.sqrt()
    angles = torch.atan2(sigma, signal)
    # A mode without variance stands at a right angle until it reaches zero noise, where every method ends exactly.
    return float((angles[:-1] - angles[1:])[:, eigenvalues > 0].max()) if bool((eigenvalues > 0).any()) else 0.0
