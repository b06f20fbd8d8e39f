"""Measurements read from files: a response by mode, or a matrix."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64

from kernels.arrays import Modes, array
from kernels.gaussian import Gaussian
from kernels.observations.base import Conditioned, Noisy
from kernels.observations.modewise import SHARPEST, Modewise
from kernels.param import described, path
from kernels.spectra.files import ARRAYS, Stamp, file_stamp, read_arrays, the_array

LARGEST = 4096
_PATTERNS = tuple(f"*{suffix}" for suffix in ARRAYS)


@contextmanager
def _of_path(kind: type[Noisy]) -> Generator[None, None, None]:
    """Begin errors with the field, `ResponseFile.path: ...`."""
    try:
        yield
    except MemoryError:
        raise ValueError(f"{described(kind, 'path')}: not enough memory for this file.") from None
    except ValueError as error:
        raise ValueError(f"{described(kind, 'path')}: {error}.") from None


@dataclass(frozen=True, kw_only=True)
class ResponseFile(Modewise):
    """A response for every mode, largest eigenvalue first, as listed in a file."""

    formula = "y = h x + s n,  h₁, h₂, … as read from the file"
    source = "the file"
    path: str = path("", "file of responses, one for each mode: .npy, .npz, .csv or .txt", _PATTERNS)

    @property
    def stamp(self) -> Stamp | None:
        with _of_path(type(self)):
            return file_stamp(self.path, ARRAYS, "a .npy, .npz, .csv or .txt file of responses")

    def response(self, modes: int) -> Modes:
        stamp = self.stamp
        assert stamp is not None
        with _of_path(type(self)):
            found = _responses(stamp)
            if len(found) != modes:
                raise ValueError(
                    f"{stamp.path} holds {len(found)} responses, but the data have {modes} modes; give one for each"
                )
        return found


@dataclass(frozen=True, kw_only=True)
class MatrixFile(Noisy):
    """A dense matrix, measurements by modes, in the eigenbasis of the data: column i acts on the i-th largest mode.

    Measurements mix the modes, and the posterior has an eigenbasis of its own. In each of its modes the mean is moved
    by z standard deviations, over measurements, in the direction of the basis vector's largest entry.
    """

    formula = "y = H x + s n,  posterior covariance Λ^½ (I + Λ^½ Hᵀ H Λ^½/s²)⁻¹ Λ^½"
    source = "the file"
    diagonal = False
    path: str = path("", "file of a matrix, measurements by modes: .npy, .npz, .csv or .txt", _PATTERNS)

    @property
    def stamp(self) -> Stamp | None:
        with _of_path(type(self)):
            return file_stamp(self.path, ARRAYS, "a .npy, .npz, .csv or .txt file of a matrix")

    def posterior(self, prior: Gaussian) -> Conditioned:
        modes = len(prior.variance)
        if modes > LARGEST:
            raise ValueError(f"{type(self).__name__} is for {LARGEST} modes at most, and the data have {modes}.")
        stamp = self.stamp
        assert stamp is not None
        with _of_path(type(self)):
            matrix = _matrix(stamp)
            if matrix.shape[1] != modes:
                raise ValueError(
                    f"{stamp.path} has {matrix.shape[1]} columns, but the data have {modes} modes; "
                    "give one column for each"
                )
        noise, deviation = (float(array(value).detach()) for value in (self.noise, self.deviation))
        mean = prior.mean.expand_as(prior.variance).detach().numpy()
        with np.errstate(over="ignore"):
            sharpness = np.clip(matrix / noise, -SHARPEST, SHARPEST)
        return _dense(mean, prior.variance.detach().numpy(), sharpness, deviation)


def _dense(
    mean: Float64[np.ndarray, " modes"],
    eigenvalues: Float64[np.ndarray, " modes"],
    matrix: Float64[np.ndarray, "measurements modes"],
    deviation: float,
) -> Conditioned:
    """The posterior for a matrix in units of the noise; modes without variance stay as they are, in last place."""
    alive = eigenvalues > 0
    if not alive.any():
        return Conditioned(Gaussian(array(mean), array(eigenvalues)))
    roots = np.sqrt(eigenvalues[alive])
    seen = matrix[:, alive] * roots
    # With R'R = I + A'A, A being what is seen, the posterior covariance is B'B for B = R'^-1 L^(1/2): no square is
    # formed before its root is known, so that small variances keep their digits beside large ones.
    stacked = np.concatenate([seen, np.eye(len(roots))])
    root = np.asarray(np.linalg.qr(stacked, mode="r"))
    _, deviations, basis = np.linalg.svd(_solved(root, np.diag(roots)))
    largest = np.abs(basis).argmax(1)
    basis *= np.where(basis[np.arange(len(basis)), largest] < 0, -1.0, 1.0)[:, None]
    # The covariance, over measurements, of the posterior's mean is L^(1/2) A' (I + A A')^-1 A L^(1/2).
    outer = np.asarray(np.linalg.qr(np.concatenate([seen.T, np.eye(len(seen))]), mode="r"))
    spread = np.linalg.norm(_solved(outer, (seen * roots) @ basis.T), axis=0)
    rest = np.zeros(int((~alive).sum()))
    return Conditioned(
        Gaussian(
            array(np.concatenate([basis @ mean[alive] + deviation * spread, mean[~alive]])),
            array(np.concatenate([np.square(deviations), rest])),
        )
    )


def _solved(
    triangle: Float64[np.ndarray, "rows rows"], right: Float64[np.ndarray, "rows columns"]
) -> Float64[np.ndarray, "rows columns"]:
    """R'^-1 times a matrix, for R upper triangular."""
    # Imported where it is used: the first picture of the window does not wait for it.
    from scipy.linalg import solve_triangular

    return solve_triangular(triangle, right, trans=1)


@lru_cache(maxsize=4)
def _responses(stamp: Stamp) -> Modes:
    values = the_array(stamp.path, read_arrays(stamp.path), "response")
    if values.ndim != 1 and not (values.ndim == 2 and 1 in values.shape):
        raise ValueError(f"{stamp.path} holds an array of shape {values.shape}; give a vector, one number per mode")
    flat = values.astype(np.float64).reshape(-1)
    illegal = np.flatnonzero(~np.isfinite(flat))
    if illegal.size:
        place = f"position {illegal[0]}, counted from 0"
        raise ValueError(f"{stamp.path} holds {float(flat[illegal[0]])} at {place}; responses are finite numbers")
    return array(flat)


@lru_cache(maxsize=2)
def _matrix(stamp: Stamp) -> Float64[np.ndarray, "measurements modes"]:
    values = the_array(stamp.path, read_arrays(stamp.path), "matrix")
    if values.ndim != 2:
        raise ValueError(f"{stamp.path} holds an array of shape {values.shape}; reshape it to measurements by modes")
    if max(values.shape) > LARGEST:
        raise ValueError(
            f"{stamp.path} holds a matrix of shape {values.shape}; {LARGEST} rows and columns are the most"
        )
    # Copied out of the file, which may change.
    matrix = np.array(values, dtype=np.float64)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        place = f"row {row}, column {column}, counted from 0"
        raise ValueError(f"{stamp.path} holds {float(matrix[row, column])} at {place}; entries are finite numbers")
    return matrix
