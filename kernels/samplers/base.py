"""What a sampler is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar, final, runtime_checkable

from kernels.affine import Value
from kernels.arrays import Anything, Times
from kernels.param import Component
from kernels.problem import Problem
from kernels.processes import PROCESSES, Process
from kernels.stochasticity import Stochasticity

V = TypeVar("V", bound=Value)
V_co = TypeVar("V_co", bound=Value, covariant=True)


@runtime_checkable
class Noise(Protocol[V_co]):
    """Hands out an independent centered Gaussian of this variance at every call."""

    def __call__(self, variance: Anything, /) -> V_co: ...


@dataclass(frozen=True)
class Requirement:
    """A condition under which a sampler is defined, and the sentence that says so."""

    holds: Callable[["Sampler", Process, Times], bool]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Sampler(Component, ABC):
    """A numerical method that goes from noise to data; abstract in how many former steps it remembers.

    `order` is the weak order of convergence, `calls` the score evaluations of a step, `final_calls` those of
    a last step to zero noise.
    """

    order: ClassVar[int]
    calls: ClassVar[int]
    final_calls: ClassVar[int]
    requirements: ClassVar[tuple[Requirement, ...]] = ()

    @property
    @abstractmethod
    def limit_stochasticity(self) -> Stochasticity:
        """Diffusion-term coefficient of the reverse equation that the method converges to."""

    @final
    def refusal(self, process: Process, times: Times) -> str:
        """Why the method is not defined here, in one sentence; empty if it is."""
        for requirement in self.requirements:
            if not requirement.holds(self, process, times):
                return f"{type(self).__name__} {requirement.sentence}"
        return ""

    @final
    def total_calls(self, process: Process, times: Times) -> int:
        """Score evaluations of a whole run: the honest NFE."""
        saved = self.calls - self.final_calls if float(process.sigma(times[-1])) == 0 else 0
        return self.calls * (len(times) - 1) - saved


@dataclass(frozen=True, kw_only=True)
class OneStep(Sampler, ABC):
    """A method that knows only the present state."""

    @abstractmethod
    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        """The state at t1 < t0, from the one at t0; written as the state plus what changes."""


@dataclass(frozen=True, kw_only=True)
class TwoStep(Sampler, ABC):
    """A method that remembers one output of its former step."""

    @abstractmethod
    def step(self, x: V, former: V, before: Anything, t0: Anything, t1: Anything, problem: Problem) -> tuple[V, V]:
        """The state at t1 and the output to remember; `before` is the time of `former`, t0 in a first step."""


@dataclass(frozen=True, kw_only=True)
class Kinetic(Sampler, ABC):
    """A method whose state is a position and a velocity, both with fresh noise; the velocity's exact law is N(0, 1)."""

    @abstractmethod
    def step(self, x: V, velocity: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> tuple[V, V]:
        """Position and velocity after a step, each written as itself plus what changes."""


def _one_of(*names: str) -> str:
    return " or ".join(names)


VARIANCE_PRESERVING = Requirement(
    lambda sampler, process, times: process.variance_preserving,
    f"needs a variance-preserving process ({_one_of(*(p.__name__ for p in PROCESSES if p.variance_preserving))})",
)
SIGNAL_AT_START = Requirement(
    lambda sampler, process, times: float(process.alpha(times[0])) > 0,
    "needs some signal at its first time; set grid.start below the time at which alpha is zero",
)
