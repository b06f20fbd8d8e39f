"""Every sampler converges with the order that it declares, in the number of steps and from an exact start."""

import math

import pytest

from kernels.processes import Process, VEGeometric
from kernels.report import report
from kernels.samplers import SAMPLERS, SingleLevel
from tests.kernels.cases import CASES, Case, experiment, geometric, modes_of, uniform

# Over all of its range the first coefficient of the error nearly vanishes for the reverse equation.
RANGES: dict[type[Process], tuple[float, float]] = {VEGeometric: (0.8, 0.3)}


def distance(case: Case, steps: int) -> float:
    """Discretization error on a grid that is one smooth function of k/N for all N."""
    start, stop = RANGES.get(type(case.family.process), (case.family.start, case.family.stop))
    spread = geometric if start > 1 else uniform
    modes = modes_of((3.0, 0.4), 0.5, noise_start=False)
    times = spread(start, stop, steps)
    return float(report(experiment(case, times, modes)).wasserstein2.discretization)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_the_error_falls_with_the_declared_order(case: Case) -> None:
    # Past the wiggles of coarse grids, before the rounding of fine ones.
    few = {1: 1500, 2: 1000, 4: 300}[case.sampler.order]
    slope = math.log2(distance(case, few) / distance(case, 2 * few))
    assert slope == pytest.approx(case.sampler.order, abs=0.15)


def test_every_sampler_is_among_the_cases() -> None:
    # What stays at one level has its own tests.
    assert {type(case.sampler) for case in CASES} == {kind for kind in SAMPLERS if not issubclass(kind, SingleLevel)}
