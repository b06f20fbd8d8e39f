"""Errors measured on clouds, with what chance does to them."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from kernels.distances import DISTANCES, Estimate, modewise
from kernels.experiment import Experiment
from kernels.particles import Sampling, data_points, has_law, moments, sample
from kernels.scores import Trained

Watch = Callable[[float, str], None]


# Particles that any distance uses, numbers of a cloud that is compared, and the least number of particles.
MOST_USED = max(kind.most for kind in DISTANCES)
MOST_NUMBERS = 2**26
LEAST = 1000


@dataclass(frozen=True, eq=False)
class Measurement:
    """A distance of a cloud to as many data, and that of two clouds of data: what chance alone would give."""

    measured: Estimate
    floor: Estimate


def check(
    experiment: Experiment, sampling: Sampling, watch: Callable[[float], None] = lambda fraction: None
) -> Estimate:
    """The 2-Wasserstein distance to the data from means and variances of particles that are not kept.

    It is what the exact total must be. Errors: `ValueError` in one sentence for an experiment without an exact law,
    else as `kernels.particles.sample`.
    """
    if not has_law(experiment):
        kinds = type(experiment.spectrum).__name__, type(experiment.score).__name__
        raise ValueError(
            f"only Gaussian data with an affine score have an exact law to be checked, got {kinds[0]} with {kinds[1]}."
        )
    found = moments(experiment, sampling, watch=watch)
    return modewise(found.count, found.mean, found.variance, experiment.law)


def measurements(
    experiment: Experiment,
    sampling: Sampling,
    trained: Trained | None,
    names: tuple[str, ...] = (),
    watch: Watch = lambda fraction, name: None,
) -> Iterator[tuple[str, Measurement]]:
    """Distances of a cloud to the data one after the other, with their names; errors as `check`.

    All distances there are if none is named. Whatever is asked for, the clouds are the same.
    """
    kinds = [kind for kind in DISTANCES if not names or kind.name in names]
    cost = len(kinds)
    denoise = None if trained is None else trained.denoiser
    cloud = sample(experiment, sampling, denoise=denoise, watch=lambda share: watch(share / (1 + cost), "sampling"))
    data, other = (data_points(experiment, sampling.particles, sampling.seed + k) for k in (1, 2))
    for done, kind in enumerate(kinds):
        found: list[Estimate] = []
        for points in (cloud.points, other):
            tell = partial(watch, (1 + done + 0.5 * len(found)) / (1 + cost), kind.name)
            tell()
            found.append(kind().measure(points.to(data), data, torch.Generator().manual_seed(sampling.seed), tell))
        yield kind.name, Measurement(*found)


def measure(
    experiment: Experiment,
    sampling: Sampling,
    trained: Trained | None,
    names: tuple[str, ...] = (),
    watch: Watch = lambda fraction, name: None,
) -> dict[str, Measurement]:
    """What `measurements` gives, at once."""
    return dict(measurements(experiment, sampling, trained, names, watch))


def measurable(experiment: Experiment, sampling: Sampling) -> Sampling:
    """As many of the particles as distances use, and as are kept at a time beside as many data."""
    modes = len(experiment.law.variance)
    return smaller(sampling, max(min(MOST_USED, MOST_NUMBERS // modes), LEAST))


def smaller(sampling: Sampling, particles: int) -> Sampling:
    """The same with at most so many particles."""
    return dataclasses.replace(sampling, particles=min(sampling.particles, particles))
