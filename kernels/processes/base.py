"""What a noising process is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

from kernels.arrays import Anything
from kernels.gaussian import Gaussian
from kernels.param import Component


@dataclass(frozen=True, kw_only=True)
class Process(Component, ABC):
    """Forward noising x_t = alpha(t) x_0 + sigma(t) xi, with time 0 at the data.

    A process states alpha, sigma and their rates of change in the regular combination
    (alpha', (sigma^2)'/2), finite also where f and g are not; everything else follows.
    `last` is the end of its time axis, `singular` the time from which on f and g are infinite (inf if never),
    `start` and `stop` the times between which one usually samples.
    """

    variance_preserving: ClassVar[bool]
    singular: ClassVar[float]

    @property
    @abstractmethod
    def last(self) -> float:
        """Largest time; inf where there is none."""

    @property
    @abstractmethod
    def span(self) -> tuple[float, float]:
        """Usual start and stop of sampling."""

    @abstractmethod
    def alpha(self, t: Anything) -> Anything:
        """Signal level."""

    @abstractmethod
    def sigma(self, t: Anything) -> Anything:
        """Noise level."""

    @abstractmethod
    def signal_lost(self, t: Anything) -> Anything:
        """1 - alpha^2, with all its digits also where it is small."""

    @abstractmethod
    def alpha_rate(self, t: Anything) -> Anything:
        """Derivative of alpha in time."""

    @abstractmethod
    def variance_rate(self, t: Anything) -> Anything:
        """Derivative of sigma^2 in time."""

    @abstractmethod
    def time_of(self, noise_ratio: Anything) -> Anything:
        """Time at which sigma/alpha has this value; inf is legal where alpha reaches zero."""

    @abstractmethod
    def time_of_sigma(self, sigma: Anything) -> Anything:
        """Time at which the noise level itself has this value."""

    @final
    def noise_ratio(self, t: Anything) -> Anything:
        """Noise level s = sigma/alpha of the rescaled state x/alpha."""
        return self.sigma(t) / self.alpha(t)

    @final
    def drift_rate(self, t: Anything) -> Anything:
        """f = d log alpha / dt of the forward equation dx = f x dt + g dw."""
        return self.alpha_rate(t) / self.alpha(t)

    @final
    def diffusion_squared(self, t: Anything) -> Anything:
        """g^2 = d sigma^2/dt - 2 f sigma^2."""
        return self.variance_rate(t) - 2 * self.drift_rate(t) * self.sigma(t).square()

    @final
    def diffusion(self, t: Anything) -> Anything:
        """g of the forward equation dx = f x dt + g dw."""
        return self.diffusion_squared(t).sqrt()

    @final
    def log_snr(self, t: Anything) -> Anything:
        """log(alpha^2/sigma^2)."""
        return 2 * (self.alpha(t).log() - self.sigma(t).log())

    @final
    def marginal(self, data: Gaussian, t: Anything) -> Gaussian:
        """Law of x_t, by time and mode; `t` has one axis more than the result's batch, of length one."""
        alpha, sigma = self.alpha(t), self.sigma(t)
        return Gaussian(alpha * data.mean, alpha.square() * data.variance + sigma.square())
