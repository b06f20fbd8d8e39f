"""Mean and covariance spectrum of samples."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from kernels.arrays import array
from kernels.gaussian import Gaussian
from kernels.spectra.files import LARGEST_IN_MEMORY

LARGEST_MATRIX = 2**14
LARGEST_BASIS = 2**30
_BLOCK = 2**24
_ROUNDING = float(np.finfo(np.float64).eps)


class Basis(NamedTuple):
    """The law of samples, and orthonormal vectors, one per column, of its first `rank` modes, which have variance.

    One more vector points along what is left of the mean, if anything is. All other modes are zero.
    """

    law: Gaussian
    vectors: Float64[np.ndarray, "modes given"]
    rank: int


class _Parts(NamedTuple):
    """Eigenvalues that are not rounding, smallest first, the mean along their vectors, and the length of its rest.

    `basis` holds the vectors, or where there are fewer samples than modes, their weights on the centered samples.
    """

    mean: Float64[np.ndarray, " modes"]
    eigenvalues: Float64[np.ndarray, " rank"]
    basis: Float64[np.ndarray, "either rank"]
    projected: Float64[np.ndarray, " rank"]
    rest: float


def pca(samples: np.ndarray, name: str) -> Gaussian:
    """Law of n samples, one per row, in the eigenbasis of their covariance normalized by n - 1.

    Eigenvectors have the sign that makes the mean nonnegative. Eigenvalues that are rounding are 0; the basis
    of these modes is arbitrary, and is chosen so that the first of them holds all that is left of the mean.
    Errors: `ValueError`, beginning with `name`, for fewer than two samples, one that is not finite, or too many.
    """
    return _law(_decomposed(samples, name))


def pca_basis(samples: np.ndarray, name: str) -> Basis:
    """The same law, with the eigenvectors.

    Errors: `ValueError` as for `pca`, and where the vectors would take more than a gigabyte.
    """
    count, modes = samples.shape
    if 8 * modes * min(count, modes) > LARGEST_BASIS:
        raise ValueError(f"{name} holds {count} samples of {modes} numbers, too many for memory; use fewer of either")
    parts = _decomposed(samples, name)
    rank = parts.eigenvalues.size
    vectors = _vectors(samples, parts) * np.where(parts.projected < 0.0, -1.0, 1.0)
    vectors = vectors[:, ::-1]
    left = parts.mean - vectors @ (vectors.T @ parts.mean)
    length = float(np.linalg.norm(left))
    if rank < modes and length > 0.0:
        vectors = np.concatenate([vectors, left[:, None] / length], axis=1)
    # Vectors of small eigenvalues are orthogonal to those of large ones up to their own rounding only.
    orthonormal, triangle = np.linalg.qr(vectors)
    return Basis(_law(parts), orthonormal * np.where(np.diag(triangle) < 0.0, -1.0, 1.0), rank)


def blocks(samples: np.ndarray) -> Iterator[tuple[int, Float64[np.ndarray, "rows modes"]]]:
    """Some rows at a time with the number of the first, so that a mapped file need not fit into memory."""
    rows = max(1, _BLOCK // samples.shape[1])
    for start in range(0, len(samples), rows):
        yield start, np.asarray(samples[start : start + rows], dtype=np.float64)


def check_finite(samples: np.ndarray, name: str) -> None:
    """Errors: `ValueError`, beginning with `name`, where a sample holds anything but finite numbers."""
    for start, block in blocks(samples):
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            place = f"row {start + row}, column {column}, counted from 0"
            raise ValueError(f"{name} holds {float(block[row, column])} at {place}; samples are finite numbers")


def sample_mean(samples: np.ndarray) -> Float64[np.ndarray, " modes"]:
    """Mean of the samples."""
    mean = np.zeros(samples.shape[1])
    # The second round removes the rounding of the first: equal samples then have variance 0, or nearly.
    for _ in range(2):
        mean += np.sum([(block - mean).sum(0) for _, block in blocks(samples)], axis=0) / len(samples)
    return mean


def _decomposed(samples: np.ndarray, name: str) -> _Parts:
    count, modes = samples.shape
    if count < 2:
        raise ValueError(f"{name} holds one sample; a covariance needs at least 2")
    if min(count, modes) > LARGEST_MATRIX:
        limit = f"samples, or their numbers, may be {LARGEST_MATRIX} at most"
        raise ValueError(f"{name} holds {count} samples of {modes} numbers; {limit}")
    if count < modes and 8 * samples.size > LARGEST_IN_MEMORY:
        raise ValueError(f"{name} holds {count} samples of {modes} numbers, too many for memory; use fewer of either")
    check_finite(samples, name)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sample_mean(samples)
        matrix = _gram(samples, mean) if count < modes else _covariance(samples, mean)
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} holds numbers too large to be squared; rescale them")
    decompose = _of_gram if count < modes else _of_covariance
    return decompose(samples, mean, matrix)


def _law(parts: _Parts) -> Gaussian:
    modes, rank = parts.mean.size, parts.eigenvalues.size
    variance, location = np.zeros(modes), np.zeros(modes)
    variance[:rank] = parts.eigenvalues[::-1]
    location[:rank] = np.abs(parts.projected[::-1])
    if rank < modes:
        location[rank] = parts.rest
    return Gaussian(array(location), array(variance))


def _covariance(samples: np.ndarray, mean: np.ndarray) -> Float64[np.ndarray, "modes modes"]:
    total = np.zeros((mean.size, mean.size))
    for _, block in blocks(samples):
        centered = block - mean
        total += centered.T @ centered
    return total / (len(samples) - 1)


def _gram(samples: np.ndarray, mean: np.ndarray) -> Float64[np.ndarray, "samples samples"]:
    centered = np.asarray(samples, dtype=np.float64) - mean
    return centered @ centered.T / (len(samples) - 1)


def _of_covariance(samples: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> _Parts:
    eigenvalues, vectors = _eigh(matrix)
    kept = eigenvalues > _rounding(len(samples), mean, eigenvalues)
    rest = float(np.linalg.norm(vectors[:, ~kept].T @ mean))
    return _Parts(mean, eigenvalues[kept], vectors[:, kept], vectors[:, kept].T @ mean, rest)


def _of_gram(samples: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> _Parts:
    count = len(samples)
    eigenvalues, vectors = _eigh(matrix)
    kept = eigenvalues > _rounding(count, mean, eigenvalues)
    # Centered samples sum to 0, so that their Gram matrix always has one eigenvalue 0.
    kept[0] = False
    eigenvalues, vectors = eigenvalues[kept], vectors[:, kept]
    centered = np.asarray(samples, dtype=np.float64) - mean
    weights = vectors / np.sqrt((count - 1) * eigenvalues)
    projected = weights.T @ (centered @ mean)
    rest = float(np.linalg.norm(mean - centered.T @ (weights @ projected)))
    return _Parts(mean, eigenvalues, weights, projected, rest)


def _vectors(samples: np.ndarray, parts: _Parts) -> Float64[np.ndarray, "modes rank"]:
    if len(samples) >= parts.mean.size:
        return parts.basis
    return (np.asarray(samples, dtype=np.float64) - parts.mean).T @ parts.basis


def _rounding(count: int, mean: np.ndarray, eigenvalues: np.ndarray) -> float:
    """Size below which an eigenvalue is the rounding of the decomposition, or of samples about their mean."""
    decomposition = eigenvalues.size * _ROUNDING * float(eigenvalues[-1])
    return max(decomposition, (count * _ROUNDING) ** 2 * float(mean @ mean))


def _eigh(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Imported where it is used: the first picture of the window does not wait for it.
    from scipy.linalg import eigh

    return eigh(matrix)
