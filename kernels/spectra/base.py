"""What a covariance spectrum is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch

from kernels.arrays import Modes
from kernels.gaussian import Gaussian
from kernels.param import Component, param


@dataclass(frozen=True, kw_only=True)
class Spectrum(Component, ABC):
    """Eigenvalues of the data covariance, and the mean of the data in that eigenbasis."""

    @abstractmethod
    def law(self) -> Gaussian:
        """The data as a Gaussian in its own eigenbasis, largest eigenvalue first; zeros are legal.

        Errors: `ValueError` in one sentence where a file cannot be read.
        """


@dataclass(frozen=True, kw_only=True)
class ModelSpectrum(Spectrum, ABC):
    """A spectrum given by a formula; its mean is the same in every mode."""

    mean: float = param(0.0, "μ", (-2.0, 2.0), "mean of the data, the same in every mode")

    @abstractmethod
    def eigenvalues_in_order(self) -> Modes:
        """The eigenvalues, largest first; differentiable in the parameters."""

    @final
    def law(self) -> Gaussian:
        return _law(self)


@lru_cache(maxsize=8)
def _law(spectrum: ModelSpectrum) -> Gaussian:
    variance = spectrum.eigenvalues_in_order()
    return Gaussian(torch.full_like(variance, spectrum.mean), variance)
