"""Clouds on their way from noise to data, beside the data and the exact laws."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from kernels.analyses.kept import Kept
from kernels.arrays import Times
from kernels.experiment import Experiment
from kernels.frames import Frame, Identity
from kernels.gaussian import Gaussian
from kernels.observations import Unobserved
from kernels.particles import Sampling, data_points, has_law, sample
from kernels.populations import FullMixture, Normal, RoundMixture
from kernels.report import Solution
from kernels.scores import Exact, Network, Trained
from kernels.spectra import frame_of, population_of

FRAMES = 97
BANDS = 24
# Particles of one picture, and numbers of a whole cloud that is kept.
MOST_DRAWN = 2**17
MOST_NUMBERS = 2**22
# Operations, roughly, that a person who moves a slider can wait for; and the least number of particles.
QUICK = 2**27
LEAST = 16

Floats = NDArray[np.float64]
Watch = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Motion:
    """Two modes of a cloud after some of the steps, and of data noised to the same times.

    `ratios` are the noise levels sigma/alpha. `sampled` is the law that Gaussian theory gives the sampler, `exact` that
    of the noised data with their covariance; both are the true laws where `is_law` says so.
    """

    steps: tuple[int, ...]
    times: Times
    ratios: Times
    generated: Float32[np.ndarray, "frames 2 particles"]
    sampled: Gaussian
    exact: Gaussian
    is_law: bool
    drawn: Float32[np.ndarray, "2 particles"]
    noise: Float32[np.ndarray, "2 particles"]
    levels: Float32[np.ndarray, "2 frames"]

    def frame(self, progress: float) -> int:
        """The frame at a fraction of the way."""
        return round(progress * (len(self.steps) - 1))

    def data(self, frame: int) -> Float32[np.ndarray, "2 particles"]:
        """The data, noised to the time of a frame; each point keeps its noise on the way."""
        alpha, sigma = self.levels[:, frame]
        return alpha * self.drawn + sigma * self.noise


@dataclass(frozen=True, eq=False)
class Whole:
    """A whole cloud beside as many data, in the eigenbasis, and what leads from there to the data's own coordinates."""

    generated: Tensor
    data: Tensor
    frame: Frame
    sampling: Sampling


@dataclass(frozen=True, eq=False)
class Bands:
    """Variance generated over variance of the data, by bands of neighboring modes.

    `ratio` is measured, over the exact variances of the data, with its standard error; `predicted` is what Gaussian
    theory gives. `ranks` is the middle of a band, counted from 1. Modes without variance are left out.
    """

    ranks: Floats
    ratio: Floats
    standard_error: Floats
    predicted: Floats


_MOTIONS, _WHOLES, _BANDS = Kept[Motion](3), Kept[Whole](3), Kept[Bands](16)


def clear() -> None:
    """Forget all clouds."""
    for kept in (_MOTIONS, _WHOLES, _BANDS):
        kept.clear()


def theory_of(experiment: Experiment) -> Experiment:
    """The experiment of which there is an exact law: a score that is none has the exact one for its model."""
    return experiment if experiment.score.is_affine else replace(experiment, score=Exact())


# --------------------------------------------------------------------------------------------------- how many


def _effort(experiment: Experiment, modes: int) -> float:
    """Operations for one particle, roughly, of which so many modes are wanted."""
    steps = len(experiment.times) - 1
    population, score = population_of(experiment.spectrum), experiment.score
    every = len(population.law.variance)
    if isinstance(score, Network):
        each = 0.1 * score.width * (score.depth * score.width + 2 * every)
    elif isinstance(population, RoundMixture) and isinstance(score, Exact):
        each = 2.0 * len(population.weights) * (8 + population.deviations.shape[1])
    elif isinstance(population, FullMixture) and isinstance(score, Exact):
        each = 2.0 * len(population.weights) * every * every
    else:
        return 3.0 * modes * steps
    return (each + 16 * every) * steps * experiment.sampler.calls


def quick(experiment: Experiment, sampling: Sampling, modes: int) -> Sampling:
    """As many of the particles as are carried while a person waits, if so many modes of them are wanted.

    Errors: `ValueError` in one sentence where data cannot be read.
    """
    drawn, most = drawable(sampling, modes), max(QUICK / _effort(experiment, modes), LEAST)
    # A power of two stays the same while a person changes the effort a little.
    return drawn if drawn.particles <= most else _at_most(drawn, 2 ** int(math.log2(most)))


def drawable(sampling: Sampling, modes: int) -> Sampling:
    """As many of the particles as are drawn at most."""
    return _at_most(sampling, min(MOST_DRAWN, max(MOST_NUMBERS // modes, LEAST)))


def _at_most(sampling: Sampling, most: int) -> Sampling:
    return replace(sampling, particles=min(sampling.particles, most))


# --------------------------------------------------------------------------------------------------- two modes


def motion(
    experiment: Experiment,
    sampling: Sampling,
    ranks: tuple[int, int],
    trained: Trained | None,
    watch: Watch = lambda fraction: None,
) -> Motion:
    """The way of two modes, whose ranks count from 0; kept.

    Errors: `ValueError` in one sentence as `kernels.particles.sample`, and for a mode that is not there.
    """
    key = experiment, sampling, ranks, trained
    found = _MOTIONS.find(key)
    return found or _MOTIONS.keep(key, _motion(experiment, sampling, ranks, trained, watch))


def motion_now(experiment: Experiment, sampling: Sampling, ranks: tuple[int, int], trained: Trained | None) -> Motion:
    """The way of all particles that are drawn if it is kept, else of some, quickly; errors as `motion`."""
    found = _MOTIONS.find((experiment, drawable(sampling, 2), ranks, trained))
    return found or motion(experiment, quick(experiment, sampling, 2), ranks, trained)


def _motion(
    experiment: Experiment, sampling: Sampling, ranks: tuple[int, int], trained: Trained | None, watch: Watch
) -> Motion:
    modes = len(experiment.law.variance)
    for rank in ranks:
        if not 0 <= rank < modes:
            raise ValueError(f"modes are numbered from 1 to {modes}, got {rank + 1}; choose another one to look at.")
    solution = Solution(theory_of(experiment), (experiment.times,), FRAMES)
    followed, steps = solution.followed(list(ranks)), tuple(solution.ends)
    denoise = None if trained is None else trained.denoiser
    # A mode may be looked at twice, but is carried once.
    carried = tuple(dict.fromkeys(ranks))
    cloud = sample(experiment, sampling, denoise=denoise, modes=carried, at=steps, watch=watch)
    places = [carried.index(rank) for rank in ranks]
    process, times = experiment.noising, followed.times
    population = population_of(experiment.spectrum)
    rng = torch.Generator().manual_seed(sampling.seed + 1)
    if isinstance(population, Normal):
        # Whatever was observed, the data have a law; of it the two modes alone.
        law = experiment.law
        two = Gaussian(law.mean.expand_as(law.variance)[list(carried)], law.variance[list(carried)])
        drawn = two.sample(sampling.particles, rng)
    else:
        drawn = population.sample(sampling.particles, rng)[:, list(carried)]
    xi = torch.randn(drawn.shape, dtype=torch.float32, generator=rng)
    return Motion(
        steps,
        times,
        process.noise_ratio(times),
        _columns(cloud.path, places),
        followed.sampled,
        followed.exact,
        has_law(experiment),
        _columns(drawn, places),
        _columns(xi, places),
        torch.stack([process.alpha(times), process.sigma(times)]).float().numpy(),
    )


def _columns(points: Tensor, places: list[int]) -> NDArray[np.float32]:
    """Some modes of points, each mode in one piece: a picture is made of it in a moment."""
    return points.float()[..., places].mT.contiguous().numpy()


# ------------------------------------------------------------------------------------------------- all modes


def whole(
    experiment: Experiment, sampling: Sampling, trained: Trained | None, watch: Watch = lambda fraction: None
) -> Whole:
    """All modes of a cloud at its end, and data drawn afresh; kept. Errors as `motion`."""
    key = experiment, sampling, trained
    found = _WHOLES.find(key)
    if found is None:
        denoise = None if trained is None else trained.denoiser
        cloud = sample(experiment, sampling, denoise=denoise, watch=watch)
        data = data_points(experiment, sampling.particles, sampling.seed + 1)
        found = _WHOLES.keep(key, Whole(cloud.points, data, frame_for(experiment), sampling))
    return found


def frame_for(experiment: Experiment) -> Frame:
    """The way from the modes to the data; a posterior has modes of its own, from which there is none.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    if isinstance(experiment.observation, Unobserved):
        return frame_of(experiment.spectrum)
    return Identity((len(experiment.law.variance),))


def whole_now(experiment: Experiment, sampling: Sampling, trained: Trained | None) -> Whole:
    """The whole cloud, as large as it is kept, if it is, else a smaller one, quickly; errors as `motion`."""
    modes = len(experiment.law.variance)
    found = _WHOLES.find((experiment, drawable(sampling, modes), trained))
    return found or whole(experiment, quick(experiment, sampling, modes), trained)


def bands(experiment: Experiment, cloud: Whole, trained: Trained | None) -> Bands:
    """The spectrum of a cloud against that of the data; kept.

    Errors: `ValueError` in one sentence where no mode has a variance.
    """
    key = experiment, cloud.sampling, trained
    return _BANDS.find(key) or _BANDS.keep(key, _bands(experiment, cloud.generated))


def _bands(experiment: Experiment, generated: Tensor) -> Bands:
    law = experiment.law
    kept = torch.nonzero(law.variance > 0).squeeze(-1)
    if not len(kept):
        raise ValueError("there must be an eigenvalue above zero for a spectrum to be compared.")
    exact = Solution(theory_of(experiment), (experiment.times,), 1).report().modes
    predicted = (exact.variance / law.variance)[kept]
    edges = np.unique(np.geomspace(1, len(kept) + 1, BANDS + 1).round().astype(int)) - 1
    rows: list[tuple[float, float, float, float]] = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        # A band at a time, so that memory stays that of the cloud.
        points = generated[:, kept[low:high]].double()
        square = (points - points.mean(0)).square() / law.variance[kept[low:high]]
        by_particle = square.mean(1)
        count = len(by_particle)
        rows.append(
            (
                math.sqrt(float(kept[low] + 1) * float(kept[high - 1] + 1)),
                float(by_particle.sum() / (count - 1)),
                float(by_particle.std() / math.sqrt(count)),
                float(predicted[low:high].mean()),
            )
        )
    found = np.array(rows).T
    return Bands(found[0], found[1], found[2], found[3])


# -------------------------------------------------------------------------------------------- what takes long


def is_complete(experiment: Experiment, sampling: Sampling, ranks: tuple[int, int], trained: Trained | None) -> bool:
    """Whether plots show as many particles as they can; errors as `motion`."""
    modes = len(experiment.law.variance)
    two, every = drawable(sampling, 2), drawable(sampling, modes)
    return (quick(experiment, sampling, 2) == two or _MOTIONS.find((experiment, two, ranks, trained)) is not None) and (
        quick(experiment, sampling, modes) == every or _WHOLES.find((experiment, every, trained)) is not None
    )


def complete(
    experiment: Experiment, sampling: Sampling, ranks: tuple[int, int], trained: Trained | None, watch: Watch
) -> None:
    """Carry as many particles as are drawn; `watch` hears of progress, and what it raises ends the work.

    Errors: as `motion`.
    """
    motion(experiment, drawable(sampling, 2), ranks, trained, lambda share: watch(0.5 * share))
    modes = len(experiment.law.variance)
    whole(experiment, drawable(sampling, modes), trained, lambda share: watch(0.5 + 0.5 * share))
