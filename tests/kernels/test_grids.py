"""Time grids: each against its formula, written out here in the noise level, and what they refuse."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from kernels.arrays import array
from kernels.grids import (
    TIME_GRIDS,
    AlignYourSteps,
    Karras,
    LogUniform,
    Power,
    Shifted,
    Spaced,
    Tabulated,
    Tangent,
    TimeGrid,
    Uniform,
)
from kernels.processes import EDM, Brownian, FlowMatching, Process, VEGeometric, VPCosine, VPLinear
from tests import closed_forms as cf
from tests.closed_forms import Real
from tests.strategies import components

RANGES: tuple[tuple[Process, cf.ClosedProcess, float, float], ...] = (
    (VPLinear(), cf.vp_linear(), 1.0, 1e-3),
    (VPCosine(), cf.vp_cosine(), 0.99, 1e-3),
    (VEGeometric(), cf.ve_geometric(), 1.0, 0.0),
    (EDM(), cf.edm(), 80.0, 2e-3),
    (Brownian(), cf.brownian(), 6400.0, 4e-6),
    (FlowMatching(), cf.flow_matching(), 0.98, 0.01),
)
of_every_process = pytest.mark.parametrize(
    ("process", "closed", "start", "stop"), [pytest.param(*case, id=repr(case[0])) for case in RANGES]
)
SPACED = tuple(kind for kind in TIME_GRIDS if issubclass(kind, Spaced))


def between(a: Real, b: Real, steps: int) -> list[Real]:
    """Equal steps from a to b."""
    return [a + (b - a) * cf.MP.mpf(k) / steps for k in range(steps + 1)]


# What is uniform, as a map of the noise level s = sigma/alpha and its inverse.
IN_NOISE: tuple[tuple[type[Spaced], dict[str, Any], Callable[[Real], Real], Callable[[Real], Real]], ...] = (
    (LogUniform, {}, cf.MP.log, cf.MP.exp),
    (Karras, {"rho": 7.0}, lambda s: s ** (cf.MP.mpf(1) / 7), lambda y: y**7),
    (Karras, {"rho": 2.5}, lambda s: s ** cf.MP.mpf("0.4"), lambda y: y ** cf.MP.mpf("2.5")),
    (Tangent, {"scale": 0.25}, lambda s: cf.MP.atan(4 * s), lambda angle: cf.MP.tan(angle) / 4),
    (Shifted, {"shift": 3.0}, lambda s: s / (3 + s), lambda u: 3 * u / (1 - u)),
    (Shifted, {"shift": 1.0}, lambda s: s / (1 + s), lambda u: u / (1 - u)),
)


@pytest.mark.parametrize(("kind", "parameters", "into", "back"), IN_NOISE)
@of_every_process
def test_grids_in_the_noise_level(
    process: Process, closed: cf.ClosedProcess, start: float, stop: float,
    kind: type[Spaced], parameters: dict[str, Any], into: Callable[[Real], Real], back: Callable[[Real], Real],
) -> None:  # fmt: skip
    times = kind(steps=9, start=start, stop=stop, **parameters).times(process).tolist()
    wanted = [back(y) for y in between(into(closed(start).s), into(closed(stop).s), 9)]
    assert len(times) == 10
    # Compared in s, which is sensitive to rounding of a time close to the end.
    levels = [float(closed(t).s) for t in times]
    assert levels == pytest.approx([float(s) for s in wanted], rel=1e-11)


@pytest.mark.parametrize("rho", [0.5, 1.0, 2.0, 7.0])
@of_every_process
def test_powers_of_time(process: Process, closed: cf.ClosedProcess, start: float, stop: float, rho: float) -> None:
    found = Power(steps=9, start=start, stop=stop, rho=rho).times(process).tolist()
    power = cf.MP.mpf(rho)
    roots = between(cf.MP.mpf(start) ** (1 / power), cf.MP.mpf(stop) ** (1 / power), 9)
    assert found == pytest.approx([float(root**power) for root in roots], rel=1e-12)


@of_every_process
def test_uniform(process: Process, closed: cf.ClosedProcess, start: float, stop: float) -> None:
    found = Uniform(steps=9, start=start, stop=stop).times(process).tolist()
    assert found == pytest.approx([float(t) for t in between(cf.MP.mpf(start), cf.MP.mpf(stop), 9)], rel=1e-12)


@pytest.mark.parametrize("kind", SPACED, ids=lambda kind: kind.__name__)
@of_every_process
def test_ends_are_exact(
    process: Process, closed: cf.ClosedProcess, start: float, stop: float, kind: type[Spaced]
) -> None:
    for steps in (1, 2, 50, 1000):
        times = kind(steps=steps, start=start, stop=stop).times(process)
        assert (float(times[0]), float(times[-1]), len(times)) == (start, stop, steps + 1)
        assert bool((times.diff() < 0).all())


@pytest.mark.parametrize("kind", SPACED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("process", [VPLinear(), VPCosine(), EDM(), FlowMatching()], ids=repr)
def test_a_last_step_to_zero_noise(process: Process, kind: type[Spaced]) -> None:
    grid = kind(steps=6, start=0.9, stop=0.01, to_zero=True)
    times = grid.times(process)
    assert len(times) == 7
    assert float(times[-1]) == 0.0
    assert torch.equal(times[:-1], kind(steps=5, start=0.9, stop=0.01).times(process))
    assert kind(steps=1, start=0.9, stop=0.01, to_zero=True).times(process).tolist() == [0.9, 0.0]


def test_karras_as_published() -> None:
    """The levels of EDM's own code, at 18 steps."""
    found = Karras(steps=18, start=80.0, stop=2e-3, rho=7.0, to_zero=True).times(EDM()).tolist()
    levels = [(80 ** (1 / 7) + k / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for k in range(18)]
    assert found == pytest.approx([*levels, 0.0], rel=1e-12)


@pytest.mark.parametrize("shift", [0.2, 3.0, 8.0])
@pytest.mark.parametrize("process", [FlowMatching(), VPCosine()], ids=repr)
def test_a_shift_multiplies_every_noise_level(process: Process, shift: float) -> None:
    """Between ends that are shifted likewise; in flow-matching time t -> k t/(1 + (k - 1) t)."""

    def time(s: float) -> float:
        return float(process.time_of(array(s)))

    low, high = 0.02, 6.0
    plain = Shifted(steps=12, start=time(high), stop=time(low), shift=1.0).times(process)
    moved = Shifted(steps=12, start=time(shift * high), stop=time(shift * low), shift=shift).times(process)
    torch.testing.assert_close(process.noise_ratio(moved), shift * process.noise_ratio(plain), rtol=1e-12, atol=0.0)
    if isinstance(process, FlowMatching):
        torch.testing.assert_close(moved, shift * plain / (1 + (shift - 1) * plain), rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("process", [FlowMatching(), VPCosine()], ids=repr)
def test_grids_that_bear_a_start_without_signal(process: Process) -> None:
    for kind in (Uniform, Power, Shifted, Tangent):
        times = kind(steps=5, start=1.0, stop=0.01).times(process)
        assert float(times[0]) == 1.0
        assert bool((times.diff() < 0).all())


@given(data=st.data(), kind=st.sampled_from(SPACED), case=st.sampled_from(RANGES))
def test_times_decrease_and_stay_inside(
    data: st.DataObject, kind: type[Spaced], case: tuple[Process, cf.ClosedProcess, float, float]
) -> None:
    process, _, start, stop = case
    drawn = data.draw(components(kind))
    assume(drawn.steps > 0)
    parameters = {name: getattr(drawn, name) for name in vars(drawn) if name not in ("start", "stop", "to_zero")}
    times = kind(**parameters, start=start, stop=stop).times(process)
    assert bool((times.diff() < 0).all())
    assert 0 <= float(times[-1]) < float(times[0]) <= process.last


# ---------------------------------------------------------------------------------------------- listed grids

TABLES = {
    "SD1.5": [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029],
    "SDXL": [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029],
    "DeepFloyd": [160.41, 8.081, 3.315, 1.885, 1.207, 0.785, 0.553, 0.293, 0.186, 0.030, 0.006],
    "SVD": [700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002],
}


@pytest.mark.parametrize("model", TABLES)
@pytest.mark.parametrize("process", [EDM(sigma_max=1e3), VPLinear(beta_max=40.0), FlowMatching()], ids=repr)
def test_published_steps(process: Process, model: str) -> None:
    found = process.noise_ratio(AlignYourSteps(steps=10, model=model).times(process))
    assert found.tolist() == pytest.approx(TABLES[model], rel=1e-11)
    to_zero = AlignYourSteps(steps=11, model=model, to_zero=True).times(process)
    assert process.noise_ratio(to_zero).tolist() == pytest.approx([*TABLES[model], 0.0], rel=1e-11)


@pytest.mark.parametrize("model", TABLES)
def test_published_steps_between_their_own(model: str) -> None:
    table = TABLES[model]
    twice = AlignYourSteps(steps=20, model=model).times(EDM(sigma_max=1e3)).tolist()
    assert twice[::2] == pytest.approx(table, rel=1e-12)
    assert twice[1::2] == pytest.approx([math.sqrt(a * b) for a, b in pairwise(table)], rel=1e-12)
    fewer = AlignYourSteps(steps=4, model=model).times(EDM(sigma_max=1e3)).tolist()
    halfway = [table[0], math.sqrt(table[2] * table[3]), table[5], math.sqrt(table[7] * table[8]), table[10]]
    assert fewer == pytest.approx(halfway, rel=1e-12)
    one = AlignYourSteps(steps=1, model=model).times(EDM(sigma_max=1e3)).tolist()
    assert one == pytest.approx([table[0], table[-1]], rel=1e-12)
    assert AlignYourSteps(steps=1, model=model, to_zero=True).times(EDM(sigma_max=1e3)).tolist() == pytest.approx(
        [table[0], 0.0], rel=1e-12
    )


@of_every_process
def test_listed_values_in_each_coordinate(
    process: Process, closed: cf.ClosedProcess, start: float, stop: float
) -> None:
    times = [start, 0.4 * start, 0.1 * start, max(stop, 0.01 * start)]
    sigma = tuple(float(closed(t).sigma) for t in times)
    ratio = tuple(float(closed(t).s) for t in times)
    assert Tabulated(values=tuple(times)).times(process).tolist() == times
    assert Tabulated(values=tuple(times), coordinate="time").times(process).tolist() == times
    assert Tabulated(values=ratio[1:], coordinate="noise_ratio").times(process).tolist() == pytest.approx(
        times[1:], rel=1e-12
    )
    assert Tabulated(values=sigma[1:], coordinate="sigma").times(process).tolist() == pytest.approx(
        times[1:], rel=1e-11
    )


# ------------------------------------------------------------------------------------------------- refusals


def refusal_of(grid: TimeGrid, process: Process) -> str:
    with pytest.raises(ValueError) as refusal:
        grid.times(process)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("grid", "process", "sentence"),
    [
        (
            Uniform(start=2.0),
            VPLinear(),
            (
                "Uniform.start (t₀) is 2, but VPLinear runs over times from 0 to 1, noise levels sigma/alpha from 0 "
                "to 152.167; choose a time inside."
            ),
        ),
        (
            Karras(start=100.0),
            EDM(),
            (
                "Karras.start (t₀) is 100, but EDM runs over times from 0 to 80, noise levels sigma/alpha from 0 to "
                "80; choose a time inside."
            ),
        ),
        (
            LogUniform(start=1.0, stop=0.0),
            VPLinear(),
            (
                "LogUniform.stop (t_N) is 0, where sigma/alpha is 0, which has no place on this grid; move it inside "
                "(to_zero appends a last step to zero noise)."
            ),
        ),
        (
            Karras(start=1.0, stop=0.1),
            FlowMatching(),
            (
                "Karras.start (t₀) is 1, where sigma/alpha is inf, which has no place on this grid; move it inside "
                "(to_zero appends a last step to zero noise)."
            ),
        ),
        (
            Tabulated(values=(0.9, 0.5, 0.5, 0.1)),
            VPLinear(),
            "Tabulated: times must decrease, but time 2 (0.5) does not lie below time 1 (0.5).",
        ),
        (
            Tabulated(values=(0.1, 0.5)),
            VPLinear(),
            "Tabulated: times must decrease, but time 1 (0.5) does not lie below time 0 (0.1).",
        ),
        (
            Tabulated(values=(3.0, 0.5)),
            FlowMatching(),
            (
                "Tabulated: time 0 is 3, but FlowMatching runs over times from 0 to 1, noise levels sigma/alpha from "
                "0 to inf; choose a time inside."
            ),
        ),
        (
            AlignYourSteps(model="SVD"),
            EDM(),
            (
                "AlignYourSteps: time 0 is 700, but EDM runs over times from 0 to 80, noise levels sigma/alpha "
                "from 0 to 80; choose a time inside."
            ),
        ),
        (
            Tabulated(values=(1.0, 0.001), coordinate="noise_ratio"),
            VEGeometric(),
            (
                "Tabulated: time 1 is -0.270346, but VEGeometric runs over times from 0 to 1, noise levels "
                "sigma/alpha from 0.01 to 50; choose a time inside."
            ),
        ),
        (
            Tabulated(values=(1.5, 0.5), coordinate="sigma"),
            VPLinear(),
            (
                "Tabulated: time 0 is not reached by VPLinear, which runs over times from 0 to 1, noise levels "
                "sigma/alpha from 0 to 152.167; choose a level inside."
            ),
        ),
        (
            Uniform(start=1.0, stop=0.1, to_zero=True),
            VEGeometric(),
            (
                "Uniform: time 50 is not reached by VEGeometric, which runs over times from 0 to 1, noise levels "
                "sigma/alpha from 0.01 to 50; choose a level inside."
            ),
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_times_that_are_none_are_refused(grid: TimeGrid, process: Process, sentence: str) -> None:
    assert refusal_of(grid, process) == sentence


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Uniform(start=0.1, stop=0.1), "Uniform: stop (0.1) must lie below start (0.1)."),
        (lambda: Uniform(steps=0), "Uniform.steps (N) must lie in [1, 1e+06], got 0."),
        (lambda: Uniform(start=math.nan), "Uniform.start (t₀) must lie in (0, inf), got nan."),
        (lambda: Shifted(shift=0.0), "Shifted.shift (k) must lie in (0, inf), got 0.0."),
        (lambda: Tabulated(values=(1.0,)), "Tabulated.values (tₖ) must hold at least 2 numbers, got 1."),
        (
            lambda: Tabulated(coordinate="sigmas"),
            "Tabulated.coordinate (in) must be one of sigma, time, noise_ratio, got 'sigmas'.",
        ),
        (
            lambda: AlignYourSteps(model="SDX"),
            "AlignYourSteps.model (model) must be one of SDXL, SVD, SD1.5, DeepFloyd, got 'SDX'.",
        ),
    ],
)
def test_parameters_that_make_no_grid_are_refused(make: Callable[[], TimeGrid], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        make()
    assert str(refusal.value) == sentence


@given(values=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=8))
def test_a_list_is_taken_as_it_is_or_refused(values: Sequence[float]) -> None:
    grid = Tabulated(values=tuple(values))
    if all(a > b for a, b in pairwise(values)):
        assert grid.times(FlowMatching()).tolist() == list(values)
    else:
        assert refusal_of(grid, FlowMatching()).startswith("Tabulated: times must decrease, but time ")
