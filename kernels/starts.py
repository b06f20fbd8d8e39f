"""Where sampling starts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.gaussian import Gaussian
from kernels.param import Component
from kernels.processes import Process


@dataclass(frozen=True, kw_only=True)
class Start(Component, ABC):
    """The law that the sampler is started from."""

    @abstractmethod
    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        """Mean and variance of the start minus those of the exact marginal at times t; a difference, not a law."""


@dataclass(frozen=True, kw_only=True)
class Marginal(Start):
    """The exact law of the noised data, which one does not have in practice."""

    formula = "x ~ N(α μ, α² λ + σ²)"
    source = "the reference in which no initialization error is made"

    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        return Gaussian(torch.zeros_like(data.mean), torch.zeros_like(data.variance))


@dataclass(frozen=True, kw_only=True)
class Noise(Start):
    """Pure noise of the level reached at the start."""

    formula = "x ~ N(0, σ²)"
    source = "Song et al. 2021, Score-based generative modeling through SDEs"

    def deviation(self, data: Gaussian, process: Process, t: Anything) -> Gaussian:
        alpha = process.alpha(t)
        return Gaussian(-alpha * data.mean, -alpha.square() * data.variance)


STARTS = (Noise, Marginal)
