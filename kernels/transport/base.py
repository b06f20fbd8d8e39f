"""What a solver of entropic transport is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from kernels.param import POSITIVE, Component, Interval, param
from kernels.transport.problem import TransportProblem
from kernels.transport.solution import Coupling, Potentials, Solution


@dataclass(frozen=True)
class Progress:
    """Where a solver is: its iterations, the marginal error now, and about the share of the work that is done."""

    iterations: int
    error: float
    fraction: float


# Hears of progress at least ten times a second, in the caller's thread; what it raises ends the work.
Watch = Callable[[Progress], None]


def unwatched(progress: Progress) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Cold:
    """Nothing to start from."""


COLD = Cold()
Start = Potentials | Cold


def check_start(problem: TransportProblem, start: Start) -> None:
    """Refuse former potentials of another number of points, or that are not finite.

    Errors: `ValueError` in one sentence.
    """
    if isinstance(start, Cold):
        return
    found = len(start.potential_f), len(start.potential_g)
    wanted = len(problem.points_x), len(problem.points_y)
    if found != wanted:
        raise ValueError(
            f"former potentials are of {found[0]} and {found[1]} points, and the clouds have {wanted[0]} and "
            f"{wanted[1]}; start without them."
        )
    if not (start.potential_f.isfinite().all() and start.potential_g.isfinite().all()):
        raise ValueError("former potentials are not finite; start without them.")


@dataclass(frozen=True, kw_only=True)
class Solver(Component, ABC):
    """A way to a coupling; it stops once the marginal error, rows and columns together, is within the tolerance."""

    tolerance: float = param(
        1e-3,
        "τ",
        (1e-6, 1e-1),
        "marginal error at which to stop, as a sum of absolute values",
        domain=POSITIVE,
        log=True,
    )
    most_iterations: int = param(
        20_000, "", (100, 100_000), "iterations after which to give up", domain=Interval(1, 10**9), log=True
    )

    @abstractmethod
    def solve(self, problem: TransportProblem, start: Start = COLD, watch: Watch = unwatched) -> Solution[Coupling]:
        """Find a coupling, from former potentials of the same or a similar problem if there are any.

        Errors: `ValueError` in one sentence for a problem that this solver does not take, or that has no room.
        """
