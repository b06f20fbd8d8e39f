"""Distances between clouds of points, with standard errors."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.distances.base import Distance, Estimate
from kernels.distances.by_mode import ByMode, by_mode_to, modewise
from kernels.distances.energy import Energy
from kernels.distances.exact import Exact
from kernels.distances.frechet import Frechet, frechet_to
from kernels.distances.mmd import MMD, median_distance
from kernels.distances.sliced import Sliced

DISTANCES = (
    Frechet,
    ByMode,
    Sliced,
    Energy,
    MMD,
    Exact,
)


def measure_all(
    x: Float[Tensor, "n modes"],
    y: Float[Tensor, "m others"],
    seed: int,
    watch: Callable[[str, float], None] = lambda name, share: None,
) -> dict[str, Estimate]:
    """Every registered distance between two clouds, as declared, by name.

    Each draws from a generator of its own with this seed, so that none changes another. `watch` hears the name of
    each before and while it is computed, with the share of distances that are done; what it raises ends the work.
    Values and errors: those of `Distance.measure`.
    """
    measured: dict[str, Estimate] = {}
    for kind in DISTANCES:
        tell = partial(watch, kind.name, len(measured) / len(DISTANCES))
        tell()
        measured[kind.name] = kind().measure(x, y, torch.Generator().manual_seed(seed), tell)
    return measured


__all__ = [
    "DISTANCES",
    "MMD",
    "ByMode",
    "Distance",
    "Energy",
    "Estimate",
    "Exact",
    "Frechet",
    "Sliced",
    "by_mode_to",
    "frechet_to",
    "measure_all",
    "median_distance",
    "modewise",
]
