"""Data that are the samples themselves: the law that gives each sample of a file the same weight."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np
import torch

from kernels.frames import Frame, rotation
from kernels.gaussian import Gaussian
from kernels.param import Interval, flag, param, path
from kernels.populations import Population, points_law
from kernels.spectra.base import Shaped
from kernels.spectra.data import (
    ARRAY_PATTERNS,
    FileSpectrum,
    image_stamps,
    naming_path,
    read_images,
    read_samples,
    sample_stamp,
)
from kernels.spectra.files import Stamp
from kernels.spectra.pca import blocks, pca_basis, sample_mean

LARGEST_CLOUD = 2**31


class Data(NamedTuple):
    """A population, and the way from its modes to the data."""

    population: Population
    frame: Frame


@dataclass(frozen=True, kw_only=True)
class ShapedFile(FileSpectrum, Shaped, ABC):
    """Data that are not Gaussian, read from `path`."""

    @abstractmethod
    def _load(self) -> Data:
        """The data; `ValueError` says what is wrong with the file."""

    @final
    def _read(self) -> Gaussian:
        return self._load().population.law

    @final
    def population(self) -> Population:
        with naming_path(type(self)):
            return self._load().population

    @final
    def frame(self) -> Frame:
        with naming_path(type(self)):
            return self._load().frame


@dataclass(frozen=True, kw_only=True)
class Points(ShapedFile):
    """The samples of a file, each of the same weight: what a score that has memorized its data samples.

    The covariance is normalized by n, unlike that of `SampleFile`: it is that of the n points, exactly.
    """

    formula = "p = n⁻¹ Σⱼ δ(x − xⱼ),  C = n⁻¹ Σⱼ (xⱼ − x̄)(xⱼ − x̄)ᵀ,  D = Σⱼ xⱼ softmaxⱼ(−|x − α xⱼ|²/(2σ²))"
    source = "Karras et al. 2022, Elucidating the design space of diffusion-based generative models, appendix B.3"
    path: str = path("", "file of samples, one per row: .npy, .npz, .csv or .txt", ARRAY_PATTERNS)

    def _load(self) -> Data:
        return _points_of_samples(sample_stamp(self.path))


@dataclass(frozen=True, kw_only=True)
class ImagePoints(ShapedFile):
    """The PNG and JPEG images of a folder, each of the same weight: what a memorizing score samples.

    Images are read as by `ImageFolder`; the covariance is normalized by n: it is that of the n images, exactly.
    """

    formula = "p = n⁻¹ Σⱼ δ(x − xⱼ),  xⱼ = pixels / 127.5 − 1,  D = Σⱼ xⱼ softmaxⱼ(−|x − α xⱼ|²/(2σ²))"
    source = "Karras et al. 2022, Elucidating the design space of diffusion-based generative models, appendix B.3"
    path: str = path("", "folder of PNG or JPEG images", ())
    size: int = param(32, "p", (8, 64), "images are resized to p x p pixels", domain=Interval(1, 1024))
    color: bool = flag(True, "", "three channels, or one of gray")

    def _load(self) -> Data:
        return _points_of_images(image_stamps(self.path), self.size, self.color)


# Clouds are as large as the data: few are kept.
@lru_cache(maxsize=2)
def _points_of_samples(stamp: Stamp) -> Data:
    samples = read_samples(stamp)
    return _points(samples, (samples.shape[1],), str(stamp.path))


@lru_cache(maxsize=2)
def _points_of_images(stamps: tuple[Stamp, ...], size: int, color: bool) -> Data:
    samples = read_images(stamps, size, color)
    return _points(samples, (size, size, 3 if color else 1), str(stamps[0].path.parent))


def _points(samples: np.ndarray, shape: tuple[int, ...], name: str) -> Data:
    count, modes = samples.shape
    if 8 * samples.size > LARGEST_CLOUD:
        raise ValueError(f"{name} holds {count} samples of {modes} numbers, too many for memory; use fewer of either")
    law, vectors, rank = pca_basis(samples, name)
    mean, deviations = sample_mean(samples), np.empty((count, rank))
    for start, block in blocks(samples):
        deviations[start : start + len(block)] = (block - mean) @ vectors[:, :rank]
    law = Gaussian(law.mean, law.variance * ((count - 1) / count))
    return Data(points_law(law, torch.from_numpy(deviations)), rotation(torch.from_numpy(vectors), shape))
