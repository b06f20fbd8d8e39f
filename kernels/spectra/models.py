"""Spectra given by a formula."""

from dataclasses import dataclass

import numpy as np
import torch

from kernels.arrays import Modes, array
from kernels.param import NONNEGATIVE, UNIT, Interval, numbers, param
from kernels.spectra.base import ModelSpectrum

COUNT = Interval(1, 10_000_000)
AT_LEAST_ONE = Interval(1.0, float("inf"))


@dataclass(frozen=True, kw_only=True)
class Isotropic(ModelSpectrum):
    """The same eigenvalue in every mode."""

    formula = "λᵢ = λ"
    source = "the isotropic case of Sabour et al. 2024, Align Your Steps, theorem 3.1"
    modes: int = param(64, "d", (1, 4096), "number of modes", domain=COUNT, log=True)
    eigenvalue: float = param(1.0, "λ", (1e-4, 1e3), "the eigenvalue", domain=NONNEGATIVE, log=True)

    def eigenvalues_in_order(self) -> Modes:
        return self.eigenvalue * torch.ones(self.modes, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class PowerLaw(ModelSpectrum):
    """Eigenvalues that decay like a power of their rank, as those of natural images do."""

    formula = "λᵢ = c i⁻ᵃ,  i = 1 … d"
    source = "Field 1987, Relations between the statistics of natural images and cortical cells"
    modes: int = param(64, "d", (1, 4096), "number of modes", domain=COUNT, log=True)
    decay: float = param(2.0, "a", (0.0, 4.0), "exponent of the decay", domain=Interval(0.0, 100.0))
    scale: float = param(1.0, "c", (1e-3, 1e3), "largest eigenvalue", domain=NONNEGATIVE, log=True)

    def eigenvalues_in_order(self) -> Modes:
        rank = torch.arange(1, self.modes + 1, dtype=torch.float64)
        return self.scale * rank**-self.decay


@dataclass(frozen=True, kw_only=True)
class LogUniform(ModelSpectrum):
    """Eigenvalues spread evenly in their logarithm."""

    formula = "λᵢ = c κ^(−(i−1)/(d−1))"
    source = "the test spectrum of Perbost, Bach and Marion 2026"
    modes: int = param(64, "d", (1, 4096), "number of modes", domain=COUNT, log=True)
    condition: float = param(100.0, "κ", (1.0, 1e8), "largest over smallest eigenvalue", domain=AT_LEAST_ONE, log=True)
    scale: float = param(1.0, "c", (1e-3, 1e3), "largest eigenvalue", domain=NONNEGATIVE, log=True)

    def eigenvalues_in_order(self) -> Modes:
        fraction = torch.arange(self.modes, dtype=torch.float64) / max(self.modes - 1, 1)
        return self.scale * self.condition**-fraction


@dataclass(frozen=True, kw_only=True)
class TwoBlock(ModelSpectrum):
    """Two eigenvalues: a block of large modes and a block of small ones."""

    formula = "λᵢ = c for the first ⌈φ d⌉ modes, c/κ for the others"
    source = "the two-scale spectrum: one parameter for how far, one for how many"
    modes: int = param(64, "d", (1, 4096), "number of modes", domain=COUNT, log=True)
    condition: float = param(100.0, "κ", (1.0, 1e8), "large over small eigenvalue", domain=AT_LEAST_ONE, log=True)
    fraction: float = param(0.25, "φ", (0.0, 1.0), "share of large modes", domain=UNIT)
    scale: float = param(1.0, "c", (1e-3, 1e3), "the large eigenvalue", domain=NONNEGATIVE, log=True)

    def eigenvalues_in_order(self) -> Modes:
        large = torch.arange(self.modes) < np.ceil(float(array(self.fraction).detach()) * self.modes - 1e-9)
        return torch.where(large, array(self.scale), array(self.scale / self.condition))


@dataclass(frozen=True, kw_only=True)
class ImageLike(ModelSpectrum):
    """The covariance spectrum of small natural color images, interpolated in log-log through knots."""

    formula = "log λᵢ piecewise linear in log i through measured knots; 0 beyond rank 3000"
    source = "knots read off the covariance spectrum of 32 x 32 color photographs"
    modes: int = param(3072, "d", (1, 4096), "number of modes", domain=COUNT, log=True)
    scale: float = param(1.0, "c", (1e-3, 1e3), "factor on every eigenvalue", domain=NONNEGATIVE, log=True)

    def eigenvalues_in_order(self) -> Modes:
        rank = np.arange(1, self.modes + 1, dtype=float)
        ranks, values = np.array(_KNOTS).T
        curve = np.exp(np.interp(np.log(rank), np.log(ranks), np.log(values)))
        return self.scale * array(np.where(rank <= ranks[-1], curve, 0.0))


_KNOTS = (
    (1, 221.0),
    (2, 85.7),
    (3, 51.0),
    (5, 27.5),
    (10, 10.95),
    (20, 4.9),
    (50, 1.384),
    (100, 0.566),
    (200, 0.2104),
    (500, 0.0419),
    (1000, 0.00814),
    (2000, 4.23e-4),
    (3000, 1.07e-5),
)


@dataclass(frozen=True, kw_only=True)
class Custom(ModelSpectrum):
    """Eigenvalues as a person lists them, in any order."""

    formula = "λ₁, λ₂, … as listed"
    source = "the person at the keyboard"
    eigenvalues: tuple[float, ...] = numbers(
        (4.0, 1.0, 0.25, 0.04, 0.01), "λ", "eigenvalues of the data covariance", domain=NONNEGATIVE
    )

    def eigenvalues_in_order(self) -> Modes:
        return array(sorted(self.eigenvalues, reverse=True))
