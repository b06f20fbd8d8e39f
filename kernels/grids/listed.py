"""Grids given by a list of levels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from kernels.arrays import Anything, Times, array
from kernels.grids.base import STEPS, GridMap, TimeGrid, with_zero
from kernels.param import NONNEGATIVE, flag, numbers, option, param
from kernels.processes import Process

_TABLES = {
    "SD1.5": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "SDXL": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    "DeepFloyd": (160.41, 8.081, 3.315, 1.885, 1.207, 0.785, 0.553, 0.293, 0.186, 0.030, 0.006),
    "SVD": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}


@dataclass(frozen=True, kw_only=True)
class AlignYourSteps(TimeGrid):
    """Published optimized noise levels of a model, interpolated log-linearly to any number of steps."""

    formula = "sₖ from the published table of the model, log-linear in k,  s = σ/α"
    source = "Sabour et al. 2024, Align Your Steps, the tables of the quick-start guide"
    steps: int = param(10, "N", (1, 1000), "number of steps", domain=STEPS, log=True)
    model: str = option("SD1.5", "model", _TABLES, "model whose table is used")
    to_zero: bool = flag(False, "→ 0", "append a last step from the last level to zero noise")

    def levels(self, process: Process) -> Times:
        table = np.log(_TABLES[self.model])
        count = self.steps if self.to_zero else self.steps + 1
        position = np.linspace(0.0, len(table) - 1.0, count) if count > 1 else np.zeros(1)
        noise_ratio = array(np.exp(np.interp(position, np.arange(len(table)), table)))
        return with_zero(process.time_of(noise_ratio), process, self.to_zero)

    def map(self, process: Process) -> GridMap | None:
        if self.to_zero:
            return None
        table = array(_TABLES[self.model])
        # From one level of the table to the next log s falls evenly, in a tenth of the way each.
        speed = -table.log().diff() * (len(table) - 1)

        def rate(t: Anything) -> Anything:
            passed = (torch.searchsorted(-table, -process.noise_ratio(t)) - 1).clamp(0, len(speed) - 1)
            # d log s / dt = g^2 / (2 sigma^2)
            return speed[passed] * 2 * process.sigma(t).square() / process.diffusion_squared(t)

        return GridMap(rate, _TABLES[self.model][1:-1])


_COORDINATES: dict[str, Callable[[Anything, Process], Anything]] = {
    "time": lambda values, process: values,
    "sigma": lambda values, process: process.time_of_sigma(values),
    "noise_ratio": lambda values, process: process.time_of(values),
}


@dataclass(frozen=True, kw_only=True)
class Tabulated(TimeGrid):
    """Levels as a person pastes them, largest noise first."""

    formula = "t₀ > t₁ > … > t_N as listed, in time, σ or s = σ/α"
    source = "the person at the keyboard"
    values: tuple[float, ...] = numbers(
        (1.0, 0.5, 0.25, 0.1, 0.01), "tₖ", "levels from first to last", domain=NONNEGATIVE, least=2
    )
    coordinate: str = option("time", "in", _COORDINATES, "what the values are: time, sigma, or sigma/alpha")

    def levels(self, process: Process) -> Times:
        return _COORDINATES[self.coordinate](array(self.values), process)

    def map(self, process: Process) -> GridMap | None:
        return None
