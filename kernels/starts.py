"""Where sampling starts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from kernels.arrays import Anything
from kernels.gaussian import Gaussian
from kernels.param import NONNEGATIVE, Component, param
from kernels.processes import Process


@dataclass(frozen=True, kw_only=True)
class Start(Component, ABC):
    """The law that the sampler is started from; a velocity, where there is one, starts `at_rest` or from its own."""

    at_rest: ClassVar[bool] = True

    @abstractmethod
    def law(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        """Mean and variance of the start at times t."""

    @abstractmethod
    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        """Mean and variance of the start minus those of the exact marginal at times t; a difference, not a law."""


@dataclass(frozen=True, kw_only=True)
class Marginal(Start):
    """The exact law of the noised data, which one does not have in practice."""

    formula = "x ~ N(α μ, α² λ + σ²)"
    source = "the reference in which no initialization error is made"
    at_rest = False

    def law(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        return process.marginal(data, t)

    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        return Gaussian(torch.zeros_like(data.mean), torch.zeros_like(data.variance))


@dataclass(frozen=True, kw_only=True)
class Noise(Start):
    """Pure noise of the level reached at the start."""

    formula = "x ~ N(0, σ²)"
    source = "Song et al. 2021, Score-based generative modeling through SDEs"

    def law(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        return _centered(data, process.sigma(t).square())

    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        alpha = process.alpha(t)
        return Gaussian(-alpha * data.mean, -alpha.square() * data.variance)


@dataclass(frozen=True, kw_only=True)
class Isotropic(Start):
    """A Gaussian of a width that one chooses; 0 is a point."""

    formula = "x ~ N(0, c²)"
    source = "any other guess at the law at the start"
    width: float = param(1.0, "c", (0.01, 100.0), "standard deviation", domain=NONNEGATIVE, log=True)

    def law(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        return _centered(data, torch.full_like(t, self.width**2))

    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        alpha = process.alpha(t)
        exact = alpha.square() * data.variance + process.sigma(t).square()
        return Gaussian(-alpha * data.mean, self.width**2 - exact)


def _centered(data: Gaussian, variance: Anything) -> Gaussian:
    """The same variance in every mode, and no mean."""
    variance = variance + torch.zeros_like(data.variance)
    return Gaussian(torch.zeros_like(variance), variance)


STARTS = (Noise, Marginal, Isotropic)
