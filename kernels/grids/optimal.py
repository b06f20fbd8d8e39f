"""Grids that are made for the data and the sampler."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from kernels.arrays import Anything, Times, array
from kernels.density import OBJECTIVES, Density, step_density
from kernels.descent import Course, Sample, check_objective, descend
from kernels.expansion import applies, local
from kernels.gaussian import Gaussian
from kernels.grids.base import Adapted, GridMap, Placed, Setting, with_zero
from kernels.nodes import reduced
from kernels.param import option
from kernels.processes import Process
from kernels.samplers import DDIM, Sampler
from kernels.scores import Exact

_METHODS = ("density", "exact")
_EVALUATIONS = 80


@dataclass(frozen=True, kw_only=True)
class Optimal(Adapted):
    """The grid on which the experiment's own sampler makes the least error on its own data.

    `density`: the density of steps that is best as N grows, which has a meaning for every N. `exact`: the times that
    are best for this N. The stochasticity stays what it is; `optimize` varies it too.
    """

    formula = "density: ρ² ∝ Σᵢ wᵢ Cᵢ κᵢ,  Cᵢ = ∫ κᵢ/ρ;  exact: least Σᵢ rᵢ² over t₁ … t_{N−1}"
    source = "calculus of variations on the first-order error; Levenberg-Marquardt on the exact one"
    objective: str = option("wasserstein2", "J", OBJECTIVES, "what is made least")
    method: str = option("density", "by", _METHODS, "the best density of steps, or the best times for this N")

    def coordinate(self, t: Anything, process: Process) -> Anything:
        sigma = process.sigma(t)
        return sigma / (sigma + process.alpha(t))

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return process.time_of(coordinate / (1 - coordinate))

    @property
    def is_quick(self) -> bool:
        return self.method == "density"

    def refusal(self, sampler: Sampler, *, exact: bool = True) -> str:
        if self.method == "density" and not exact:
            reason = "with a score that is not that of the noised data, whose errors have no first-order expansion"
            return f"Optimal.method (by) must be exact {reason}, got 'density'"
        if self.method == "density" and not applies(sampler):
            kind = type(sampler).__name__
            return f"Optimal.method (by) must be exact with {kind}, which has no first-order expansion, got 'density'"
        return ""

    def suited(self, sampler: Sampler, *, exact: bool = True) -> Adapted:
        return dataclasses.replace(self, method="exact") if self.refusal(sampler, exact=exact) else self

    def adapt(self, setting: Setting) -> Placed:
        # The law goes into the key: a file that has changed gives another one.
        return _adapted(self, setting, setting.data.law)


@lru_cache(maxsize=128)
def _adapted(grid: Optimal, setting: Setting, law: Gaussian) -> Placed:
    check_objective(grid.objective, law)
    ends = (grid.start, grid.stop)
    process = setting.process
    sampler = setting.sampler if applies(setting.sampler) else DDIM()
    steps = grid.steps - 1 if grid.to_zero else grid.steps
    density, _ = best_density(law, setting, sampler, ends, grid.objective)
    times = _on(density, ends, steps, process, to_zero=grid.to_zero)
    if grid.method == "density":
        return Placed(times, None if grid.to_zero else GridMap(_rate(density, process)))
    course = Course(process, setting.sampler, setting.score, setting.start, times, None, None, to_zero=grid.to_zero)
    sample = Sample.of(setting.data, by_mode=setting.by_mode)
    found = descend(course, [sample], grid.objective, over_grid=True, evaluations=_EVALUATIONS)
    if math.isinf(found.value):
        raise ValueError(
            f"Optimal finds no grid by exact here: the error of {type(setting.sampler).__name__} is infinite where the "
            "search begins; take more steps, or a later stop."
        )
    return Placed(found.times, None)


def best_density(
    law: Gaussian, setting: Setting, sampler: Sampler, ends: tuple[float, float], objective: str
) -> tuple[Density, float]:
    """The density for a first-order sampler with the exact score, and its leading N W2."""
    _, panels = reduced(law)
    nodes = torch.cat([panel.nodes for panel in panels])
    counts = torch.cat([panel.counts for panel in panels])
    data = Gaussian(torch.zeros(1, dtype=torch.float64), nodes)
    score = setting.score if setting.is_exact else Exact()
    found = local(sampler, setting.process, score, data, ends, with_growth=False)
    density = step_density(found, setting.process, counts, objective)
    return density, density.leading(found, setting.process, counts)


def _on(density: Density, ends: tuple[float, float], steps: int, process: Process, *, to_zero: bool) -> Times:
    inner = process.time_of(density.levels(steps)) if steps > 0 else array([])
    last = array([ends[1]]) if steps > 0 else array([])
    return with_zero(torch.cat([array([ends[0]]), inner, last]), process, to_zero)


def _rate(density: Density, process: Process) -> Callable[[Times], Times]:
    def rate(t: Times) -> Times:
        # d log s / dt = g^2 / (2 sigma^2)
        speed = 2 * process.sigma(t).square() / process.diffusion_squared(t)
        return speed / density.at(process.noise_ratio(t))

    return rate
