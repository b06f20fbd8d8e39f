"""The noising process over time, and the grid on it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.arrays import array
from kernels.experiment import Experiment

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """Signal and noise level, log-SNR and noise ratio at some times, of which `on_grid` are those of the grid."""

    times: Floats
    alpha: Floats
    sigma: Floats
    log_snr: Floats
    noise_ratio: Floats


def _levels(experiment: Experiment, times: torch.Tensor) -> NoiseLevels:
    process = experiment.noising
    parts = (process.alpha(times), process.sigma(times), process.log_snr(times), process.noise_ratio(times))
    return NoiseLevels(times.numpy(), *(part.numpy() for part in parts))


@lru_cache(maxsize=64)
def along_time(experiment: Experiment, points: int = 300) -> NoiseLevels:
    """The process from data to the first time of the grid, at times that resolve both ends."""
    times = experiment.times
    start, stop = float(times[0]), float(times[-1])
    spread = np.concatenate([np.linspace(stop, start, points), np.geomspace(max(stop, 1e-5 * start), start, points)])
    return _levels(experiment, array(np.unique(spread)))


@lru_cache(maxsize=64)
def on_grid(experiment: Experiment) -> NoiseLevels:
    """The process at the times of the grid."""
    return _levels(experiment, experiment.times)
