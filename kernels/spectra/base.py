"""What a covariance spectrum is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch

from kernels.arrays import Modes
from kernels.frames import Frame, Identity
from kernels.gaussian import Gaussian
from kernels.param import Component, param
from kernels.populations import Normal, Population


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


@dataclass(frozen=True, kw_only=True)
class Placed(Spectrum, ABC):
    """Data that are something other than their modes: rows of numbers, or images."""

    @abstractmethod
    def frame(self) -> Frame:
        """The way from the modes of `law` to the data.

        Errors: `ValueError` in one sentence where a file cannot be read.
        """


@dataclass(frozen=True, kw_only=True)
class Shaped(Placed, ABC):
    """Data that are not Gaussian; `law` is the Gaussian with their mean and covariance."""

    @abstractmethod
    def population(self) -> Population:
        """The law of the data itself, in the modes of `law`.

        Errors: `ValueError` in one sentence where a file cannot be read.
        """


def population_of(spectrum: Spectrum) -> Population:
    """The law of the data itself, which is Gaussian unless they are shaped.

    Errors: `ValueError` in one sentence where a file cannot be read.
    """
    return spectrum.population() if isinstance(spectrum, Shaped) else Normal(spectrum.law())


def frame_of(spectrum: Spectrum) -> Frame:
    """The way from the modes to the data, which are their modes unless they are placed.

    Errors: `ValueError` in one sentence where a file cannot be read.
    """
    return spectrum.frame() if isinstance(spectrum, Placed) else Identity((spectrum.law().variance.numel(),))


@lru_cache(maxsize=8)
def _law(spectrum: ModelSpectrum) -> Gaussian:
    variance = spectrum.eigenvalues_in_order()
    return Gaussian(torch.full_like(variance, spectrum.mean), variance)
