"""What a time grid is, and the family of grids that are uniform in some coordinate."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Anything, Times, array
from kernels.param import NONNEGATIVE, POSITIVE, Component, Interval, flag, param
from kernels.processes import Process


@dataclass(frozen=True, kw_only=True)
class TimeGrid(Component, ABC):
    """Times t_0 > t_1 > ... > t_N visited by a sampler, in the process's own time."""

    @abstractmethod
    def levels(self, process: Process) -> Times:
        """The times, not yet checked; nan where the process does not reach what the grid asks for."""

    @final
    def times(self, process: Process) -> Times:
        """The times, decreasing and within the process's range; not to be written to, they are kept.

        Errors: `ValueError` in one sentence that says which value and what is allowed.
        """
        return _checked_times(self, process)


@lru_cache(maxsize=512)
def _checked_times(grid: TimeGrid, process: Process) -> Times:
    times, name = grid.levels(process), type(grid).__name__
    outside = ~((times >= 0) & (times <= process.last))
    for position in outside.nonzero().flatten().tolist()[:1]:
        check_reached(f"{name}: time {position}", float(times[position]), process)
    for position in (times.diff() >= 0).nonzero().flatten().tolist()[:1]:
        raise ValueError(
            f"{name}: times must decrease, but time {position + 1} ({float(times[position + 1]):g}) does not lie "
            f"below time {position} ({float(times[position]):g})."
        )
    return times


def check_reached(what: str, time: float, process: Process) -> None:
    """Raise `ValueError` for a time outside the process's range, naming it as `what`."""
    if not 0 <= time <= process.last:
        low, high = (float(process.noise_ratio(array(end))) for end in (0.0, process.last))
        reach = f"runs over times from 0 to {process.last:g}, noise levels sigma/alpha from {low:g} to {high:g}"
        if math.isfinite(time):
            raise ValueError(f"{what} is {time:g}, but {type(process).__name__} {reach}; choose a time inside.")
        raise ValueError(f"{what} is not reached by {type(process).__name__}, which {reach}; choose a level inside.")


def with_zero(levels: Float64[Tensor, " some"], process: Process, to_zero: bool) -> Times:
    """The levels, followed by the time of zero noise if asked for."""
    return torch.cat([levels, process.time_of(array([0.0]))]) if to_zero else levels


STEPS = Interval(1, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class Spaced(TimeGrid, ABC):
    """A grid that is uniform in a coordinate, which is all that its kinds have to state."""

    steps: int = param(50, "N", (1, 1000), "number of steps", domain=STEPS, log=True)
    start: float = param(1.0, "t₀", (0.01, 100.0), "time at which sampling starts", domain=POSITIVE, log=True)
    stop: float = param(1e-3, "t_N", (1e-5, 0.1), "time at which sampling stops", domain=NONNEGATIVE, log=True)
    to_zero: bool = flag(False, "→ 0", "append a last step from the stop time to zero noise")
    constraints = ((lambda self: self.stop < self.start, "stop ({self.stop:g}) must lie below start ({self.start:g})"),)

    @abstractmethod
    def coordinate(self, t: Anything, process: Process) -> Anything:
        """The coordinate in which the grid is uniform."""

    @abstractmethod
    def time(self, coordinate: Anything, process: Process) -> Anything:
        """Inverse of `coordinate`."""

    @final
    def levels(self, process: Process) -> Times:
        name = type(self).__name__
        check_reached(f"{name}.start (t₀)", self.start, process)
        ends = array([self.start, self.stop])
        first, last = self.coordinate(ends, process)
        for field, value, coordinate in (("start (t₀)", self.start, first), ("stop (t_N)", self.stop, last)):
            if not coordinate.isfinite():
                raise ValueError(
                    f"{name}.{field} is {value:g}, where sigma/alpha is {float(process.noise_ratio(array(value))):g}, "
                    "which has no place on this grid; move it inside (to_zero appends a last step to zero noise)."
                )
        count = self.steps if self.to_zero else self.steps + 1
        fraction = torch.arange(count, dtype=torch.float64) / max(count - 1, 1)
        levels = self.time(first + fraction * (last - first), process)
        # The ends are reached exactly, whatever the coordinate's rounding.
        levels[0] = ends[0]
        if count > 1:
            levels[-1] = ends[1]
        return with_zero(levels, process, self.to_zero)
