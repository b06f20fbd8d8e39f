"""Spectra of real data: eigenvalues, samples, photographs or a texture, read from files."""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Complex128, Float64
from PIL import Image

from kernels.arrays import array
from kernels.frames import Fourier, Frame, Rotation, rotation
from kernels.gaussian import Gaussian
from kernels.param import Component, Interval, described, flag, param, path
from kernels.spectra.base import Placed, Spectrum
from kernels.spectra.files import (
    ARRAYS,
    IMAGES,
    LARGEST_IN_MEMORY,
    Stamp,
    file_stamp,
    folder_stamps,
    pixels,
    read_arrays,
    read_image,
    the_array,
)
from kernels.spectra.models import COUNT
from kernels.spectra.pca import pca, pca_basis

ARRAY_PATTERNS = tuple(f"*{suffix}" for suffix in ARRAYS)
_IMAGE_PATTERNS = tuple(f"*{suffix}" for suffix in IMAGES)


@dataclass(frozen=True, kw_only=True)
class FileSpectrum(Spectrum, ABC):
    """A spectrum read from `path`; read again only when the file has another size or time."""

    @abstractmethod
    def _read(self) -> Gaussian:
        """The law; `ValueError` says what is wrong with the file."""

    @final
    def law(self) -> Gaussian:
        """The data as a Gaussian; errors begin with the field, `EigenvalueFile.path: ...`."""
        with naming_path(type(self)):
            return self._read()


@contextmanager
def naming_path(kind: type[Component]) -> Generator[None]:
    """Makes what is wrong with a file a sentence that begins with the field `path` of this kind."""
    try:
        yield
    except MemoryError:
        raise ValueError(f"{described(kind, 'path')}: not enough memory for this file.") from None
    except ValueError as error:
        raise ValueError(f"{described(kind, 'path')}: {error}.") from None


@dataclass(frozen=True, kw_only=True)
class EigenvalueFile(FileSpectrum):
    """Eigenvalues listed in a file, in any order.

    A .npz file may hold an array `mean`, one number or one per eigenvalue, which then stands for `mean`.
    Negative values above -1e-10 of the largest are rounding, and become 0.
    """

    formula = "λ₁ ≥ λ₂ ≥ … as read from the file"
    source = "the file"
    path: str = path("", "file of eigenvalues: .npy, .npz, .csv or .txt", ARRAY_PATTERNS)
    mean: float = param(0.0, "μ", (-2.0, 2.0), "mean of the data, the same in every mode")

    def _read(self) -> Gaussian:
        stamp = file_stamp(self.path, ARRAYS, "a .npy, .npz, .csv or .txt file of eigenvalues")
        return _law_of_eigenvalues(stamp, self.mean)


@dataclass(frozen=True, kw_only=True)
class SampleFile(FileSpectrum, Placed):
    """Mean and covariance of samples, one per row; the covariance is normalized by n - 1.

    The mean is expressed in the eigenbasis; see `pca` for the modes of eigenvalue 0.
    """

    formula = "C = (n−1)⁻¹ Σⱼ (xⱼ − x̄)(xⱼ − x̄)ᵀ = U diag(λ) Uᵀ,  mean Uᵀ x̄"
    source = "principal component analysis, Pearson 1901"
    path: str = path("", "file of samples, one per row: .npy, .npz, .csv or .txt", ARRAY_PATTERNS)

    def _read(self) -> Gaussian:
        return _law_of_samples(sample_stamp(self.path))

    def frame(self) -> Frame:
        with naming_path(type(self)):
            return _frame_of_samples(sample_stamp(self.path))


@dataclass(frozen=True, kw_only=True)
class ImageFolder(FileSpectrum, Placed):
    """Mean and covariance of the PNG and JPEG images of a folder, normalized by n - 1.

    Every image is stretched to a square (Lanczos, 8 bits) and scaled to [-1, 1]. Subfolders and hidden files
    are left out.
    """

    formula = "xⱼ = pixels / 127.5 − 1,  C = (n−1)⁻¹ Σⱼ (xⱼ − x̄)(xⱼ − x̄)ᵀ = U diag(λ) Uᵀ,  mean Uᵀ x̄"
    source = "principal component analysis, Pearson 1901"
    path: str = path("", "folder of PNG or JPEG images", ())
    size: int = param(32, "p", (8, 64), "images are resized to p x p pixels", domain=Interval(1, 1024))
    color: bool = flag(True, "", "three channels, or one of gray")

    def _read(self) -> Gaussian:
        return _law_of_images(image_stamps(self.path), self.size, self.color)

    def frame(self) -> Frame:
        with naming_path(type(self)):
            return _frame_of_images(image_stamps(self.path), self.size, self.color)


@dataclass(frozen=True, kw_only=True)
class Texture(FileSpectrum, Placed):
    r"""The stationary Gaussian texture of an image, known as asymptotic discrete spot noise.

    With the pixels in [-1, 1] and channel means :math:`m_c`, the covariance is the periodic autocorrelation of
    :math:`(u - m) / \sqrt{HW}`. Each frequency has one eigenvalue, and C - 1 that are 0 in color; the mean lies in
    the C modes of frequency 0, where it is :math:`\sqrt{HW}\, m_c` and the eigenvalues are 0.
    """

    formula = "λ(ξ) = Σ_c |FFT(u_c − m_c)(ξ)|² / (H W),  mean √(H W) m_c at ξ = 0"
    source = "Galerne, Gousseau and Morel 2011, Random phase textures: theory and synthesis"
    path: str = path("", "PNG or JPEG image of a texture", _IMAGE_PATTERNS)
    color: bool = flag(True, "", "three channels, or one of gray")

    def _read(self) -> Gaussian:
        return _law_of_texture(file_stamp(self.path, IMAGES, "a PNG or JPEG image"), self.color)

    def frame(self) -> Frame:
        with naming_path(type(self)):
            return _frame_of_texture(file_stamp(self.path, IMAGES, "a PNG or JPEG image"), self.color)


def sample_stamp(path: str) -> Stamp:
    """Stamp of a file of samples."""
    return file_stamp(path, ARRAYS, "a .npy, .npz, .csv or .txt file of samples")


def image_stamps(path: str) -> tuple[Stamp, ...]:
    """Stamps of the images of a folder; `ValueError` where there are fewer than two."""
    stamps = folder_stamps(path, IMAGES, "a folder of PNG or JPEG images")
    if len(stamps) < 2:
        raise ValueError(f"{path} holds {len(stamps)} PNG or JPEG images; a covariance needs at least 2")
    return stamps


def read_samples(stamp: Stamp) -> np.ndarray:
    """Samples, one per row, mapped from the file where it can be."""
    samples = the_array(stamp.path, read_arrays(stamp.path), "samples")
    if samples.ndim != 2:
        raise ValueError(f"{stamp.path} holds an array of shape {samples.shape}; reshape it to one row per sample")
    _check_modes(stamp.path, samples.shape[1])
    return samples


def read_images(stamps: tuple[Stamp, ...], size: int, color: bool) -> Float64[np.ndarray, "images numbers"]:
    """Images of a folder, one per row, resized to squares."""
    folder = stamps[0].path.parent
    modes = size * size * (3 if color else 1)
    if 8 * len(stamps) * modes > LARGEST_IN_MEMORY:
        raise ValueError(f"{folder} holds {len(stamps)} images, too many at {modes} numbers each; lower the size")
    samples = np.empty((len(stamps), modes))
    for row, stamp in zip(samples, stamps, strict=True):
        square = read_image(stamp.path, color).resize((size, size), Image.Resampling.LANCZOS)
        row[:] = pixels(square).reshape(-1)
    return samples


@lru_cache(maxsize=4)
def _law_of_eigenvalues(stamp: Stamp, mean: float) -> Gaussian:
    arrays = read_arrays(stamp.path)
    means = arrays.pop("mean", np.array(mean))
    values = _vector(stamp.path, the_array(stamp.path, arrays, "eigenvalues"))
    _check_modes(stamp.path, values.size)
    rounding = -1e-10 * values.max()
    illegal = np.flatnonzero(~np.isfinite(values) | ((values < 0.0) & (values <= rounding)))
    if illegal.size:
        value, place = float(values[illegal[0]]), f"position {illegal[0]}, counted from 0"
        raise ValueError(f"{stamp.path} holds {value} at {place}; eigenvalues are finite and nonnegative")
    if means.size not in (1, values.size) or not np.isfinite(means).all():
        raise ValueError(f"{stamp.path} holds a mean that is not 1 or {values.size} finite numbers")
    order = np.argsort(-values, kind="stable")
    mean_by_mode = np.broadcast_to(means.astype(np.float64).reshape(-1), values.shape)
    return Gaussian(array(mean_by_mode[order]), array(np.maximum(values, 0.0)[order]))


@lru_cache(maxsize=4)
def _law_of_samples(stamp: Stamp) -> Gaussian:
    return pca(read_samples(stamp), str(stamp.path))


# Bases are as large as the data: few are kept.
@lru_cache(maxsize=2)
def _frame_of_samples(stamp: Stamp) -> Rotation:
    samples = read_samples(stamp)
    vectors = pca_basis(samples, str(stamp.path)).vectors
    return rotation(torch.from_numpy(vectors), (samples.shape[1],))


@lru_cache(maxsize=4)
def _law_of_images(stamps: tuple[Stamp, ...], size: int, color: bool) -> Gaussian:
    return pca(read_images(stamps, size, color), str(stamps[0].path.parent))


@lru_cache(maxsize=2)
def _frame_of_images(stamps: tuple[Stamp, ...], size: int, color: bool) -> Rotation:
    vectors = pca_basis(read_images(stamps, size, color), str(stamps[0].path.parent)).vectors
    return rotation(torch.from_numpy(vectors), (size, size, 3 if color else 1))


@lru_cache(maxsize=4)
def _law_of_texture(stamp: Stamp, color: bool) -> Gaussian:
    waves = _waves(stamp, color)
    height, width, channels = waves.colors.shape
    frequencies = height * width
    zeros = np.zeros((frequencies - 1) * (channels - 1))
    variance = np.concatenate([np.zeros(channels), waves.energy[1:], zeros])
    mean = np.concatenate([math.sqrt(frequencies) * waves.means, np.zeros(frequencies - 1), zeros])
    return Gaussian(array(mean[waves.order]), array(variance[waves.order]))


@lru_cache(maxsize=2)
def _frame_of_texture(stamp: Stamp, color: bool) -> Fourier:
    waves = _waves(stamp, color)
    height, width, channels = waves.colors.shape
    return Fourier((height, width, channels), torch.from_numpy(waves.colors), torch.from_numpy(waves.order))


class _Waves(NamedTuple):
    """A texture by frequency: channel means, variances, unit colors, and the places of the modes, largest first."""

    means: Float64[np.ndarray, " channels"]
    energy: Float64[np.ndarray, " frequencies"]
    colors: Complex128[np.ndarray, "height width channels"]
    order: np.ndarray


def _waves(stamp: Stamp, color: bool) -> _Waves:
    image = pixels(read_image(stamp.path, color))
    _check_modes(stamp.path, image.size)
    height, width, channels = image.shape
    frequencies = height * width
    means = image.mean(axis=(0, 1))
    transform = np.fft.fft2(image - means, axes=(0, 1))
    energy = (np.abs(transform) ** 2).sum(-1).reshape(-1) / frequencies
    # Where the transform is 0 its rounding is not, and it would count as one more mode with variance.
    energy[energy < 1e-26 * np.square(image).sum()] = 0.0
    variance = np.concatenate([np.zeros(channels), energy[1:], np.zeros((frequencies - 1) * (channels - 1))])
    order = np.argsort(-variance, kind="stable")
    return _Waves(means, energy, _unit_colors(transform), order)


def _unit_colors(transform: np.ndarray) -> Complex128[np.ndarray, "height width channels"]:
    """Of length 1 at each frequency, conjugate at the opposite one; the first channel where there is no color."""
    opposite = np.roll(np.flip(transform, (0, 1)), (1, 1), (0, 1))
    # Conjugate also in its last digits: the phase of what is nearly 0 is rounding.
    colors = (transform + opposite.conj()) / 2
    length = np.sqrt((np.abs(colors) ** 2).sum(-1, keepdims=True))
    colors = np.divide(colors, length, out=np.zeros_like(colors), where=length > 0.0)
    colors[length[..., 0] == 0.0, 0] = 1.0
    # At frequency 0 each channel has a mode of its own.
    colors[0, 0] = np.eye(transform.shape[2])[0]
    return colors


def _vector(name: Path, values: np.ndarray) -> Float64[np.ndarray, " modes"]:
    if values.ndim != 1 and not (values.ndim == 2 and 1 in values.shape):
        advice = "give a vector of eigenvalues, such as those of numpy.linalg.eigvalsh of a covariance matrix"
        raise ValueError(f"{name} holds an array of shape {values.shape}; {advice}")
    return values.astype(np.float64).reshape(-1)


def _check_modes(name: Path, modes: int) -> None:
    if modes not in COUNT:
        raise ValueError(f"{name} has {modes} modes, more than {COUNT.high}; use fewer")
