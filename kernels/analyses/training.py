"""What a sampler ends with while its score is still being trained."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.experiment import Experiment
from kernels.grids import Adapted, Tabulated
from kernels.observations import Unobserved
from kernels.report import report
from kernels.spectra import Custom

Floats = NDArray[np.float64]
# So many eigenvalues are computed one by one, without any interpolation.
MOST = 36


@dataclass(frozen=True, eq=False)
class Filter:
    """Variance that the sampler ends with, by positive eigenvalue, largest first; infinite where it diverges."""

    eigenvalues: Floats
    learned: Floats


def trained_for(experiment: Experiment) -> int:
    """Number of gradient steps of the experiment's score; 0 for one that is not trained by steps."""
    return int(getattr(experiment.score, "iterations", 0)) if experiment.score.is_affine else 0


def iteration(experiment: Experiment, fraction: float) -> int:
    """The gradient step at this fraction of the training, counted in its logarithm: 0 is the first, 1 the last."""
    return max(1, round(max(trained_for(experiment), 1) ** fraction))


@lru_cache(maxsize=256)
def filters(experiment: Experiment, iterations: int) -> Filter:
    """The sampler's variances with the mean score after so many gradient steps, at a few of the eigenvalues.

    Errors: `ValueError` in one sentence where the score is not trained by steps, or the data cannot be read.
    """
    if not trained_for(experiment):
        raise ValueError(f"the score must be trained by gradient steps, got {type(experiment.score).__name__}.")
    changes: dict[str, Any] = {"iterations": iterations}
    score = dataclasses.replace(experiment.score, **changes)
    modes = report(dataclasses.replace(_thinned(experiment), score=score)).modes
    return Filter(modes.eigenvalue.numpy(), modes.variance.numpy())


@lru_cache(maxsize=16)
def _thinned(experiment: Experiment) -> Experiment:
    """The same with fewer modes: with a mean score each goes its own way."""
    values = torch.unique(experiment.law.variance)
    positive = values[values > 0].numpy()
    if not len(positive):
        raise ValueError("there must be an eigenvalue above zero to be learned.")
    if len(positive) > MOST:
        wanted = np.geomspace(positive[0], positive[-1], MOST)
        positive = positive[np.unique(np.abs(np.log(positive) - np.log(wanted)[:, None]).argmin(1))]
    # A grid that adapts to the data must stay where it is.
    grid = (
        Tabulated(values=tuple(experiment.times.tolist())) if isinstance(experiment.grid, Adapted) else experiment.grid
    )
    spectrum = Custom(eigenvalues=tuple(positive.tolist()))
    return dataclasses.replace(experiment, spectrum=spectrum, observation=Unobserved(), grid=grid)
