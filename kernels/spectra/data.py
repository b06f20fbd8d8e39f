"""Spectra of real data: eigenvalues, samples, photographs or a texture, read from files."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from kernels.arrays import array
from kernels.gaussian import Gaussian
from kernels.param import Interval, described, flag, param, path
from kernels.spectra.base import Spectrum
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
from kernels.spectra.pca import pca

_ARRAY_PATTERNS = tuple(f"*{suffix}" for suffix in ARRAYS)
_IMAGE_PATTERNS = tuple(f"*{suffix}" for suffix in IMAGES)


@dataclass(frozen=True, kw_only=True)
class FileSpectrum(Spectrum, ABC):
    """A spectrum read from `path`; read again only when the file has another size or time."""

    @abstractmethod
    def _read(self) -> Gaussian:
        """The law; `ValueError` says what is wrong with the file."""

    def law(self) -> Gaussian:
        """The data as a Gaussian; errors begin with the field, `EigenvalueFile.path: ...`."""
        try:
            law = self._read()
        except MemoryError:
            raise ValueError(f"{described(type(self), 'path')}: not enough memory for this file.") from None
        except ValueError as error:
            raise ValueError(f"{described(type(self), 'path')}: {error}.") from None
        return law


@dataclass(frozen=True, kw_only=True)
class EigenvalueFile(FileSpectrum):
    """Eigenvalues listed in a file, in any order.

    A .npz file may hold an array `mean`, one number or one per eigenvalue, which then stands for `mean`.
    Negative values above -1e-10 of the largest are rounding, and become 0.
    """

    formula = "λ₁ ≥ λ₂ ≥ … as read from the file"
    source = "the file"
    path: str = path("", "file of eigenvalues: .npy, .npz, .csv or .txt", _ARRAY_PATTERNS)
    mean: float = param(0.0, "μ", (-2.0, 2.0), "mean of the data, the same in every mode")

    def _read(self) -> Gaussian:
        stamp = file_stamp(self.path, ARRAYS, "a .npy, .npz, .csv or .txt file of eigenvalues")
        return _law_of_eigenvalues(stamp, self.mean)


@dataclass(frozen=True, kw_only=True)
class SampleFile(FileSpectrum):
    """Mean and covariance of samples, one per row; the covariance is normalized by n - 1.

    The mean is expressed in the eigenbasis; see `pca` for the modes of eigenvalue 0.
    """

    formula = "C = (n−1)⁻¹ Σⱼ (xⱼ − x̄)(xⱼ − x̄)ᵀ = U diag(λ) Uᵀ,  mean Uᵀ x̄"
    source = "principal component analysis, Pearson 1901"
    path: str = path("", "file of samples, one per row: .npy, .npz, .csv or .txt", _ARRAY_PATTERNS)

    def _read(self) -> Gaussian:
        return _law_of_samples(file_stamp(self.path, ARRAYS, "a .npy, .npz, .csv or .txt file of samples"))


@dataclass(frozen=True, kw_only=True)
class ImageFolder(FileSpectrum):
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
        stamps = folder_stamps(self.path, IMAGES, "a folder of PNG or JPEG images")
        if len(stamps) < 2:
            raise ValueError(f"{self.path} holds {len(stamps)} PNG or JPEG images; a covariance needs at least 2")
        return _law_of_images(stamps, self.size, self.color)


@dataclass(frozen=True, kw_only=True)
class Texture(FileSpectrum):
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
    samples = the_array(stamp.path, read_arrays(stamp.path), "samples")
    if samples.ndim != 2:
        raise ValueError(f"{stamp.path} holds an array of shape {samples.shape}; reshape it to one row per sample")
    _check_modes(stamp.path, samples.shape[1])
    return pca(samples, str(stamp.path))


@lru_cache(maxsize=4)
def _law_of_images(stamps: tuple[Stamp, ...], size: int, color: bool) -> Gaussian:
    folder = stamps[0].path.parent
    modes = size * size * (3 if color else 1)
    if 8 * len(stamps) * modes > LARGEST_IN_MEMORY:
        raise ValueError(f"{folder} holds {len(stamps)} images, too many at {modes} numbers each; lower the size")
    samples = np.empty((len(stamps), modes))
    for row, stamp in zip(samples, stamps, strict=True):
        square = read_image(stamp.path, color).resize((size, size), Image.Resampling.LANCZOS)
        row[:] = pixels(square).reshape(-1)
    return pca(samples, str(folder))


@lru_cache(maxsize=4)
def _law_of_texture(stamp: Stamp, color: bool) -> Gaussian:
    image = pixels(read_image(stamp.path, color))
    _check_modes(stamp.path, image.size)
    height, width, channels = image.shape
    frequencies = height * width
    means = image.mean(axis=(0, 1))
    energy = (np.abs(np.fft.fft2(image - means, axes=(0, 1))) ** 2).sum(-1).reshape(-1) / frequencies
    # Where the transform is 0 its rounding is not, and it would count as one more mode with variance.
    energy[energy < 1e-26 * np.square(image).sum()] = 0.0
    zeros = np.zeros((frequencies - 1) * (channels - 1))
    variance = np.concatenate([np.zeros(channels), energy[1:], zeros])
    mean = np.concatenate([math.sqrt(frequencies) * means, np.zeros(frequencies - 1), zeros])
    order = np.argsort(-variance, kind="stable")
    return Gaussian(array(mean[order]), array(variance[order]))


def _vector(name: Path, values: np.ndarray) -> Float64[np.ndarray, " modes"]:
    if values.ndim != 1 and not (values.ndim == 2 and 1 in values.shape):
        advice = "give a vector of eigenvalues, such as those of numpy.linalg.eigvalsh of a covariance matrix"
        raise ValueError(f"{name} holds an array of shape {values.shape}; {advice}")
    return values.astype(np.float64).reshape(-1)


def _check_modes(name: Path, modes: int) -> None:
    if modes not in COUNT:
        raise ValueError(f"{name} has {modes} modes, more than {COUNT.high}; use fewer")
