"""Measurements of every mode by itself, with a response that is given by a formula."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch

from kernels.arrays import Modes, array
from kernels.gaussian import Gaussian
from kernels.observations.base import Conditioned, Measured, Noisy
from kernels.param import NONNEGATIVE, UNIT, Interval, param
from kernels.spectra.files import Stamp

# Responses in units of the noise are cut off here, far above all that matters, to keep their squares finite.
SHARPEST = 1e100
AT_LEAST_ONE = Interval(1.0, float("inf"))


@dataclass(frozen=True, kw_only=True)
class Modewise(Noisy, ABC):
    """A measurement of every mode by itself, which a response h in each determines.

    Its outcome is y = h mu + z sqrt(h^2 lambda + s^2).
    """

    diagonal = True

    @abstractmethod
    def response(self, modes: int) -> Modes:
        """The factor on each mode, in the order of the data; differentiable in the parameters. Errors: `posterior`."""

    @final
    def posterior(self, prior: Gaussian) -> Conditioned:
        eigenvalues = prior.variance
        sharpness = (self.response(len(eigenvalues)) / self.noise).clamp(-SHARPEST, SHARPEST)
        precision = sharpness.square()
        told = 1 + eigenvalues * precision
        variance = eigenvalues / told
        moved = self.deviation * eigenvalues * sharpness / told.sqrt()
        order = variance.argsort(descending=True, stable=True)
        return Conditioned(
            Gaussian((prior.mean + moved)[order], variance[order]),
            Measured(eigenvalues[order], precision[order], moved[order]),
        )


@dataclass(frozen=True, kw_only=True)
class ByRank(Modewise, ABC):
    """A response that depends on the rank of the mode alone."""

    @property
    @final
    def stamp(self) -> Stamp | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Blur(ByRank):
    """A Gaussian blur of an image whose modes are waves, ordered by frequency as natural images' nearly are."""

    formula = "y = h x + s n,  hᵢ = exp(−(w ωᵢ)²/2),  ωᵢ = √(i/d)"
    source = "deblurring; of d modes of a plane a share ω² has frequencies below ω, in units of the highest"
    width: float = param(2.0, "w", (0.0, 8.0), "width of the blur, over that of the finest detail", domain=NONNEGATIVE)

    def response(self, modes: int) -> Modes:
        frequency = (torch.arange(1, modes + 1, dtype=torch.float64) / modes).sqrt()
        return (-0.5 * (self.width * frequency).square()).exp()


@dataclass(frozen=True, kw_only=True)
class Inpainting(ByRank):
    """Some of the modes are seen and the others are not, evenly spread over the spectrum."""

    formula = "y = h x + s n,  hᵢ = ⌈p i⌉ − ⌈p (i − 1)⌉ ∈ {0, 1}"
    source = "a mask that is diagonal in the eigenbasis of the data"
    share: float = param(0.5, "p", (0.0, 1.0), "share of the modes that is measured", domain=UNIT)

    def response(self, modes: int) -> Modes:
        rank = torch.arange(modes + 1, dtype=torch.float64)
        return (array(self.share).detach() * rank - 1e-9).ceil().diff().clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class SuperResolution(ByRank):
    """Only the coarse modes are seen: the low frequencies of an image that is to be enlarged."""

    formula = "y = h x + s n,  hᵢ = 1 for i ≤ ⌈d/f²⌉, 0 for the others"
    source = "an ideal low-pass filter, modes of a plane being ordered by frequency"
    factor: float = param(2.0, "f", (1.0, 8.0), "factor between the two resolutions", domain=AT_LEAST_ONE)

    def response(self, modes: int) -> Modes:
        seen = (modes / array(self.factor).detach().square() - 1e-9).ceil().clamp_min(1)
        return (torch.arange(modes) < seen).to(torch.float64)
