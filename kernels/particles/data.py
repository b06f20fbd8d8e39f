"""Points of the data themselves."""

import torch
from torch import Tensor

from kernels.experiment import Experiment
from kernels.populations import Normal
from kernels.spectra import population_of


def data_points(experiment: Experiment, count: int, seed: int) -> Tensor:
    """Points of the data: of their population, or of the posterior where something was observed."""
    rng = torch.Generator().manual_seed(seed)
    population = population_of(experiment.spectrum)
    if isinstance(population, Normal):
        return experiment.law.sample(count, rng).float()
    return population.sample(count, rng).float()
