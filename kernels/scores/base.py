"""What a score is, and how it is obtained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar, final

from kernels.affine import Factor, Value
from kernels.arrays import Anything, Times
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned, Observation, Unobserved
from kernels.param import NONNEGATIVE, Component, param
from kernels.processes import Process

V = TypeVar("V", bound=Value)


class Noised(NamedTuple):
    """Levels of signal and noise at times t, and the variance of a score's law noised to them."""

    process: Process
    t: Anything
    alpha: Anything
    sigma: Anything
    variance: Anything


@dataclass(frozen=True, eq=False)
class Score(ABC):
    """A score, and the predictions that follow from it.

    All are written in the state less alpha times the `center`, and regular also where f and g are infinite; the
    variance of `law` is the one whose noised value they ask for.
    """

    law: Gaussian

    @property
    @abstractmethod
    def is_centered(self) -> bool:
        """Whether the score is zero at the mean of the noised data."""

    @property
    @abstractmethod
    def center(self) -> Factor:
        """What the predictions measure the data from."""

    @abstractmethod
    def score(self, centered: V, at: Noised) -> V:
        """The gradient of the logarithm of the noised density."""

    @abstractmethod
    def denoiser(self, centered: V, at: Noised) -> V:
        """The data expected, (x + sigma^2 score)/alpha."""

    @abstractmethod
    def noise_prediction(self, centered: V, at: Noised) -> V:
        """The noise expected, -sigma score."""

    @abstractmethod
    def velocity(self, centered: V, at: Noised) -> V:
        """Right-hand side of the probability-flow equation, f x - g^2 score / 2."""


@dataclass(frozen=True, eq=False)
class AffineScore(Score, ABC):
    """A score that is affine in the state, measured from the mean of its law."""

    @final
    @property
    def center(self) -> Factor:
        return self.law.mean


@dataclass(frozen=True, kw_only=True)
class ScoreModel(Component, ABC):
    """How a score is obtained from the data.

    `by_eigenvalue` says whether a mode's score depends on its eigenvalue and mean alone; where it does not, nothing
    can be interpolated between modes, and no first-order theory holds. One that is not affine in the state has no exact
    law: it runs on points only.
    """

    by_eigenvalue: ClassVar[bool]
    is_affine: ClassVar[bool] = True
    noise_amplitude: float = param(
        0.1,
        "σ",
        (1e-3, 1.0),
        "noise level at which a Langevin sampler asks for the score",
        domain=NONNEGATIVE,
        log=True,
    )

    @abstractmethod
    def refusal(self, observation: Observation) -> str:
        """Why there is no such score with an observation, in one sentence; empty if there is."""

    @abstractmethod
    def is_exact(self, observation: Observation) -> bool:
        """Whether it is the score of the noised data, of which alone there is a first-order theory."""

    def unreached(self, process: Process, times: Times) -> str:
        """Why there is no such score at some of these times, in one sentence; empty if there is."""
        return ""

    @abstractmethod
    def fit(self, data: Conditioned) -> Score:
        """The score that a sampler on these data uses; `ValueError` where it is not affine."""

    @final
    def by_mode(self, observation: Observation) -> bool:
        """Whether every mode has to be computed by itself, with its own mean."""
        return not self.by_eigenvalue and not isinstance(observation, Unobserved)
