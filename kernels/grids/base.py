"""What a time grid is, and the family of grids that are uniform in some coordinate."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Anything, Times, array, together
from kernels.observations import Conditioned, Observation
from kernels.param import NONNEGATIVE, POSITIVE, Component, Interval, flag, param
from kernels.processes import Process
from kernels.samplers import Sampler
from kernels.scores import ScoreModel
from kernels.spectra import Spectrum
from kernels.starts import Start

MOST_BY_MODE = 2**16


@dataclass(frozen=True)
class GridMap:
    """A grid as a map t(u) of [0, 1], which has a limit as N grows.

    `rate` is |dt/du| at a time; `kinks` are noise ratios at which it jumps.
    """

    rate: Callable[[Tensor], Tensor]
    kinks: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Placed:
    """The times of a grid, and its map if it has one."""

    times: Times
    map: GridMap | None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a grid may be made for."""

    spectrum: Spectrum
    observation: Observation
    process: Process
    score: ScoreModel
    sampler: Sampler
    start: Start

    @property
    def data(self) -> Conditioned:
        """What is sampled: the data, given what was observed of them.

        Errors: `ValueError` in one sentence where a file cannot be read or does not fit, or where there are too many
        modes for each to be computed by itself.
        """
        data = self.observation.condition(self.spectrum.law())
        modes = len(data.law.variance)
        if self.by_mode and modes > MOST_BY_MODE:
            kind = type(self.score).__name__
            raise ValueError(
                f"{kind} is computed mode by mode, for {MOST_BY_MODE} modes at most; the data have {modes}."
            )
        return data

    @property
    def by_mode(self) -> bool:
        """Whether every mode has to be computed by itself, with its own mean."""
        return self.score.by_mode(self.observation)

    @property
    def is_exact(self) -> bool:
        """Whether the score is that of the noised data."""
        return self.score.is_exact(self.observation)


@dataclass(frozen=True, kw_only=True)
class TimeGrid(Component, ABC):
    """Times t_0 > t_1 > ... > t_N visited by a sampler, in the process's own time."""

    @abstractmethod
    def levels(self, process: Process) -> Times:
        """The times, not yet checked; nan where the process does not reach what the grid asks for."""

    @abstractmethod
    def map(self, process: Process) -> GridMap | None:
        """The grid as a map of [0, 1]; None for a mere list of times."""

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


def placed(grid: TimeGrid, setting: Setting) -> Placed:
    """The grid where it is used: one that adapts does so to all of the setting, others to the process alone.

    Errors: `ValueError` in one sentence where the times do not decrease within the process's range.
    """
    if isinstance(grid, Adapted):
        return grid.adapt(setting)
    return Placed(grid.times(setting.process), grid.map(setting.process))


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
        check_reached(f"{name}.start (t₀)", float(array(self.start).detach()), process)
        ends = together(self.start, self.stop)
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
        levels = torch.cat([ends[:1], levels[1:-1], ends[1:]]) if count > 1 else ends[:1]
        return with_zero(levels, process, self.to_zero)

    @final
    def map(self, process: Process) -> GridMap | None:
        if self.to_zero:
            return None
        first, last = self.coordinate(array([self.start, self.stop]), process).tolist()

        def rate(t: Tensor) -> Tensor:
            with torch.enable_grad():
                leaf = t.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.coordinate(leaf, process).sum(), leaf)
            return abs(last - first) / slope.abs()

        return GridMap(rate)


@dataclass(frozen=True, kw_only=True)
class Adapted(Spaced, ABC):
    """A grid that is made for the data and the sampler; in its coordinate it only begins."""

    @property
    @abstractmethod
    def is_quick(self) -> bool:
        """Whether it is made in about the time of a frame."""

    @abstractmethod
    def refusal(self, sampler: Sampler, *, exact: bool = True) -> str:
        """Why there is no such grid for a sampler, in one sentence; empty if there is.

        `exact`: the score is that of the noised data.
        """

    @abstractmethod
    def suited(self, sampler: Sampler, *, exact: bool = True) -> "Adapted":
        """The grid itself, or one most like it that there is for this sampler; `exact` as in `refusal`."""

    @abstractmethod
    def adapt(self, setting: Setting) -> Placed:
        """The times for this setting.

        Errors: `ValueError` in one sentence where there is no such grid, or the data cannot be read.
        """
