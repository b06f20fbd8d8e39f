"""What an observation is: a noisy linear measurement that the data are conditioned on."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import Tensor

from kernels.arrays import Modes
from kernels.gaussian import Gaussian
from kernels.param import POSITIVE, Component, param
from kernels.spectra.files import Stamp


@dataclass(frozen=True, eq=False)
class Measured:
    """How each mode was measured by itself.

    `prior` is its variance before; `precision` that of its measurement, the squared response over the variance of the
    noise; `moved` how far its mean went.
    """

    prior: Modes
    precision: Modes
    moved: Modes

    def at(self, index: Tensor | slice) -> "Measured":
        """Some of the modes."""
        return Measured(self.prior[index], self.precision[index], self.moved[index])


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A law of the data; `measured` says how it came about, if each mode was measured by itself."""

    law: Gaussian
    measured: Measured | None = None

    def at(self, index: Tensor | slice) -> "Conditioned":
        """Some of the modes."""
        mean = self.law.mean.expand_as(self.law.variance)[index]
        measured = None if self.measured is None else self.measured.at(index)
        return Conditioned(Gaussian(mean, self.law.variance[index]), measured)


def joined(parts: list[Conditioned]) -> Conditioned:
    """The modes of several laws, one after the other."""
    law = Gaussian(
        torch.cat([part.law.mean.expand_as(part.law.variance) for part in parts]),
        torch.cat([part.law.variance for part in parts]),
    )
    every = [part.measured for part in parts if part.measured is not None]
    if len(every) < len(parts):
        return Conditioned(law)
    return Conditioned(
        law,
        Measured(
            torch.cat([measured.prior for measured in every]),
            torch.cat([measured.precision for measured in every]),
            torch.cat([measured.moved for measured in every]),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Observation(Component, ABC):
    """A linear measurement y = H x + s n of the data with white noise n, made once; H acts in their eigenbasis.

    Given y the data are Gaussian again: this posterior is what is sampled. `diagonal` says whether every mode is
    measured by itself.
    """

    diagonal: ClassVar[bool]

    @property
    @abstractmethod
    def stamp(self) -> Stamp | None:
        """The file that is read, as it is now; None where none is."""

    @abstractmethod
    def posterior(self, prior: Gaussian) -> Conditioned:
        """The data given the measurement, in the posterior's own eigenbasis and largest eigenvalue first.

        Errors: `ValueError` in one sentence where a file cannot be read, or does not fit the data.
        """

    @final
    def condition(self, prior: Gaussian) -> Conditioned:
        """The posterior, kept: the same prior gives the same one; errors as there."""
        return _kept(self, prior, self.stamp)


@lru_cache(maxsize=16)
def _kept(observation: Observation, prior: Gaussian, stamp: Stamp | None) -> Conditioned:
    return observation.posterior(prior)


@dataclass(frozen=True, kw_only=True)
class Unobserved(Observation):
    """No measurement: the data themselves are sampled."""

    formula = "x ~ N(μ, Λ)"
    source = "unconditional sampling"
    diagonal = True

    @property
    def stamp(self) -> Stamp | None:
        return None

    def posterior(self, prior: Gaussian) -> Conditioned:
        return Conditioned(prior)


@dataclass(frozen=True, kw_only=True)
class Noisy(Observation, ABC):
    """A measurement with noise, and by how much its outcome is off what was to be expected.

    The mean of the posterior lies `deviation` of its own standard deviations, over measurements, from that of the
    data; with 1 its squared distance is what it is on average.
    """

    noise: float = param(
        0.1, "s", (1e-3, 10.0), "standard deviation of the measurement noise", domain=POSITIVE, log=True
    )
    deviation: float = param(
        1.0, "z", (-3.0, 3.0), "standard deviations by which the measurement is off its expectation; 1 is typical"
    )
