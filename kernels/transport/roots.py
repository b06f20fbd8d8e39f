"""Roots of covariances and their inverses, of full matrices or of independent modes."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Modes


@final
@dataclass(frozen=True, eq=False)
class Root:
    """A root, its pseudo-inverse and its eigenvalues; the first two are vectors where modes are independent."""

    root: Float64[Tensor, "modes ..."]
    inverse: Float64[Tensor, "modes ..."]
    lengths: Modes

    @staticmethod
    def of_modes(variance: Modes) -> "Root":
        """The root of a covariance that is diagonal."""
        lengths = variance.sqrt()
        return Root(lengths, torch.where(lengths > 0, 1 / lengths, 0.0), lengths)


def root_of(covariance: Float64[Tensor, "modes modes"]) -> Root:
    """The root of any covariance; eigenvalues that are rounding are taken for 0."""
    values, axes = torch.linalg.eigh(0.5 * (covariance + covariance.mT))
    floor = len(values) * torch.finfo(torch.float64).eps * values[-1]
    lengths = torch.where(values > floor, values, 0.0).sqrt()
    inverse = torch.where(lengths > 0, 1 / lengths, 0.0)
    return Root((axes * lengths) @ axes.mT, (axes * inverse) @ axes.mT, lengths)


def applied(factor: Float64[Tensor, "modes ..."], x: Float64[Tensor, "n modes"]) -> Float64[Tensor, "n modes"]:
    """A symmetric matrix, or a vector that stands for a diagonal one, applied to points."""
    return x * factor if factor.ndim == 1 else x @ factor
