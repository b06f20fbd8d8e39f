"""Which two clouds are coupled, and how: what the transport panel asks."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.param import POSITIVE, Component, Interval, choice, described, option, param, path
from kernels.particles import Sampling, data_points, has_law, sample
from kernels.particles.sampling import check_memory
from kernels.report import report
from kernels.samplers import DDIM, SAMPLERS, Sampler
from kernels.scores import Trained
from kernels.spectra.data import ARRAY_PATTERNS
from kernels.spectra.files import ARRAYS, Stamp, file_stamp, read_arrays, the_array
from kernels.spectra.pca import pca_basis
from kernels.transport import SOLVERS, Sinkhorn, Solver

Watch = Callable[[float], None]
# Bytes for each number of a point of either cloud: as it is drawn, in 64 bits, and in what is computed with it.
EACH = 64


class NothingToCoupleError(ValueError):
    """There are no clouds yet, or no longer: no files were chosen, the sampler diverges, or still has to be trained."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two clouds in the same coordinates, and the laws they were drawn from, where they are known.

    Of files the coordinates are the principal axes of both clouds together. `there` says how many points there are,
    None where there are as many as are asked for.
    """

    points_x: Float64[Tensor, "n d"]
    points_y: Float64[Tensor, "m d"]
    laws: tuple[Gaussian, Gaussian] | None
    there: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Clouds(Component, ABC):
    """Which two clouds are coupled; `names` is what the first and the second are."""

    names: ClassVar[tuple[str, str]]
    axis: ClassVar[str] = "mode"
    is_sampled: ClassVar[bool] = True
    """Whether the clouds are of the experiment."""

    @abstractmethod
    def drawn(
        self, experiment: Experiment, sampling: Sampling, trained: Trained | None, watch: Watch = lambda share: None
    ) -> Pair:
        """As many points of both as `sampling` has particles, or as there are.

        Errors: `NothingToCoupleError` where the sampler diverges, `ValueError` where files or data cannot be read, each
        in one sentence.
        """


Drawn = tuple[Tensor, Gaussian | None]
# Points in at least so many modes, and their law in as many if it is known.
Source = Callable[[Experiment, Sampling, Trained | None, int, Watch], Drawn]


@dataclass(frozen=True, kw_only=True)
class FromExperiment(Clouds, ABC):
    """Clouds of the experiment, in the leading modes of its data."""

    modes: int = param(
        64, "d", (1, 1024), "leading modes that are compared, all if there are fewer", domain=Interval(1, 1e9), log=True
    )

    @final
    def drawn(
        self, experiment: Experiment, sampling: Sampling, trained: Trained | None, watch: Watch = lambda share: None
    ) -> Pair:
        every = len(experiment.law.variance)
        check_memory(sampling.particles, EACH * every, torch.device("cpu"))
        modes = min(self.modes, every)
        first, second = self.sources()
        x, p = first(experiment, sampling, trained, modes, lambda share: watch(0.5 * share))
        y, q = second(experiment, sampling, trained, modes, lambda share: watch(0.5 + 0.5 * share))
        laws = (p, q) if p is not None and q is not None else None
        return Pair(x[:, :modes].double(), y[:, :modes].double(), laws, None)

    @abstractmethod
    def sources(self) -> tuple[Source, Source]:
        """Where either cloud comes from."""


@dataclass(frozen=True, kw_only=True)
class GeneratedAndData(FromExperiment):
    """What the sampler makes, and data drawn afresh."""

    formula = "x ~ q, the sampler's law;  y ~ p, that of the data"
    source = "the error of the experiment, as a person without exact laws would measure it"
    names = "generated", "data"

    def sources(self) -> tuple[Source, Source]:
        return _generated, partial(_of_data, 1)


@dataclass(frozen=True, kw_only=True)
class TwoSamplers(FromExperiment):
    """What the sampler makes, and what another one makes of the same random numbers."""

    formula = "x ~ q, the sampler's law;  y ~ q', that of the other sampler"
    source = "how far two samplers are apart, data or not"
    names = "generated", "by the other sampler"
    sampler: Sampler = choice(DDIM(), SAMPLERS, "the other sampler")

    def sources(self) -> tuple[Source, Source]:
        return _generated, partial(_by_another, self.sampler)


@dataclass(frozen=True, kw_only=True)
class TwoDraws(FromExperiment):
    """Two clouds of data: what chance alone makes of the distance."""

    formula = "x ~ p,  y ~ p, independent"
    source = "the floor under every distance measured on clouds"
    names = "data", "data again"

    def sources(self) -> tuple[Source, Source]:
        return partial(_of_data, 2), partial(_of_data, 1)


@dataclass(frozen=True, kw_only=True)
class TwoFiles(Clouds):
    """Points of two files, some of them at random where there are more than are asked for."""

    formula = "x, y: one row per point"
    source = "the files"
    names = "first file", "second file"
    axis = "principal axis"
    is_sampled = False
    first: str = path("", "file of points, one per row: .npy, .npz, .csv or .txt", ARRAY_PATTERNS)
    second: str = path("", "file of points, one per row: .npy, .npz, .csv or .txt", ARRAY_PATTERNS)

    def drawn(
        self, experiment: Experiment, sampling: Sampling, trained: Trained | None, watch: Watch = lambda share: None
    ) -> Pair:
        if not (self.first.strip() and self.second.strip()):
            raise NothingToCoupleError("two files are needed: choose the first and the second one in the panel.")
        stamps: list[Stamp] = []
        for name in ("first", "second"):
            try:
                stamps.append(file_stamp(getattr(self, name), ARRAYS, "a .npy, .npz, .csv or .txt file of points"))
            except ValueError as error:
                raise ValueError(f"{described(TwoFiles, name)}: {error}.") from None
        return _of_files(stamps[0], stamps[1], sampling.particles, sampling.seed)


def _generated(experiment: Experiment, sampling: Sampling, trained: Trained | None, modes: int, watch: Watch) -> Drawn:
    denoise = None if trained is None else trained.denoiser
    cloud = sample(experiment, sampling, denoise=denoise, modes=tuple(range(modes)), watch=watch)
    if not bool(cloud.points.isfinite().all()):
        kind = type(experiment.sampler).__name__
        raise NothingToCoupleError(f"{kind} diverges on these data, and its points are infinite; choose more steps.")
    if not has_law(experiment):
        return cloud.points, None
    found = report(experiment).modes
    return cloud.points, Gaussian(found.mean[:modes], found.variance[:modes])


def _by_another(
    sampler: Sampler, experiment: Experiment, sampling: Sampling, trained: Trained | None, modes: int, watch: Watch
) -> Drawn:
    return _generated(replace(experiment, sampler=sampler), sampling, trained, modes, watch)


def _of_data(
    place: int, experiment: Experiment, sampling: Sampling, _trained: Trained | None, modes: int, _watch: Watch
) -> Drawn:
    """Data of the random numbers at this place after those of the sampler."""
    law = experiment.law
    exact = Gaussian(law.mean.expand_as(law.variance)[:modes], law.variance[:modes]) if has_law(experiment) else None
    return data_points(experiment, sampling.particles, sampling.seed + place), exact


@lru_cache(maxsize=4)
def _of_files(first: Stamp, second: Stamp, most: int, seed: int) -> Pair:
    parts, found = list[np.ndarray](), list[int]()
    for stamp in (first, second):
        points = _points_of(stamp)
        found.append(len(points))
        rng = np.random.default_rng(seed)
        some = np.sort(rng.choice(len(points), most, replace=False)) if len(points) > most else np.arange(len(points))
        # What is too large for 64 bits becomes an infinity, and is refused as one.
        with np.errstate(over="ignore"):
            parts.append(np.asarray(points[some], dtype=np.float64))
        finite = np.isfinite(parts[-1]).all(axis=1)
        if not finite.all():
            row = int(some[np.flatnonzero(~finite)[0]])
            raise ValueError(
                f"{stamp.path} holds a number that is not finite in row {row}, counted from 0; correct it."
            )
    dimensions = [part.shape[1] for part in parts]
    if dimensions[0] != dimensions[1]:
        raise ValueError(
            f"{first.path} has points of {dimensions[0]} coordinates and {second.path} of {dimensions[1]}; both clouds "
            "must have equally many."
        )
    both = np.concatenate(parts)
    try:
        vectors = pca_basis(both, f"{first.path} or {second.path}").vectors
    except ValueError as error:
        raise ValueError(f"{error}.") from None
    if not vectors.shape[1]:
        raise NothingToCoupleError("all points of both clouds lie at the origin: there is nothing to couple.")
    x, y = (torch.from_numpy(np.ascontiguousarray((part - both.mean(0)) @ vectors)) for part in parts)
    return Pair(x, y, None, (found[0], found[1]))


def _points_of(stamp: Stamp) -> np.ndarray:
    """One row per point."""
    try:
        values = the_array(stamp.path, read_arrays(stamp.path), "points")
        if values.ndim not in (1, 2) or not values.size:
            raise ValueError(f"{stamp.path} holds an array of shape {values.shape}; reshape it to one row per point")
    except ValueError as error:
        raise ValueError(f"{error}.") from None
    return values.reshape(len(values), -1)


CLOUDS: tuple[type[Clouds], ...] = (GeneratedAndData, TwoSamplers, TwoDraws, TwoFiles)


@dataclass(frozen=True, kw_only=True)
class Transport(Component):
    """What is coupled, how, and what of it is drawn."""

    clouds: Clouds = choice(GeneratedAndData(), CLOUDS, "which two clouds are coupled")
    points: int = param(1000, "n", (100, 10_000), "points of each cloud", domain=Interval(2, 1e7), log=True)
    epsilon: float = param(
        0.05, "ε", (1e-3, 1.0), "regularization, as a share of the mean cost", domain=POSITIVE, log=True
    )
    power: float = param(
        2.0, "p", (1.0, 3.0), "power of the distance that a pair costs", domain=Interval(0.0, 10.0, includes_low=False)
    )
    lines: str = option(
        "couplings",
        "",
        ("couplings", "map", "debiased map", "one point", "none"),
        "strongest coupling of each point; where it goes on average; that less where its own cloud goes; all couplings "
        "of one point; nothing",
    )
    point: int = param(
        1,
        "i",
        (1, 1000),
        "point of the first cloud of which all couplings are drawn",
        domain=Interval(1, 1e7),
    )
    colors: str = option(
        "clouds",
        "",
        ("clouds", "potential", "displacement", "partners"),
        "of the first cloud: one color, the dual potential f, how far points go on average, their number of partners",
    )

    solver: Solver = choice(Sinkhorn(), SOLVERS, "algorithm that finds the coupling")

    @property
    def asked(self) -> "Transport":
        """The same without what is only drawn differently."""
        return replace(self, lines="couplings", point=1, colors="clouds")

    @property
    def idle(self) -> frozenset[str]:
        """Dotted paths of what has no effect here."""
        return frozenset() if self.lines == "one point" else frozenset({"point"})
