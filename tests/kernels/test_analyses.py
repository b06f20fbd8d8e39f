"""What the plots show, beside reports of the same experiments computed one by one."""

import dataclasses
import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from kernels.analyses.ablation import ablation, steps_for
from kernels.analyses.convergence import convergence, step_counts, with_count, with_steps
from kernels.analyses.levels import along_time, on_grid
from kernels.analyses.sweep import numeric_paths, sweep, values_of, with_value
from kernels.experiment import Experiment
from kernels.grids import AlignYourSteps, Karras, LogUniform, Tabulated, TimeGrid, Uniform
from kernels.processes import EDM, FlowMatching, VPCosine, VPLinear
from kernels.report import Sources, report
from kernels.samplers import (
    DDIM,
    AncestralVP,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    RungeKutta4,
    Sampler,
)
from kernels.spectra import Custom, EigenvalueFile, ImageLike, PowerLaw
from kernels.spectra import LogUniform as LogUniformSpectrum
from kernels.starts import Marginal, Noise
from tests import closed_forms as cf

NAMES = tuple(field.name for field in dataclasses.fields(Sources))
FIVE = Custom(eigenvalues=(4.0, 1.0, 0.25, 0.04, 0.01), mean=0.5)
EDM_GRID = Karras(steps=12, start=80.0, stop=2e-3)


def four(experiment: Experiment) -> list[float]:
    """Total, discretization, initialization and truncation of one experiment."""
    return [float(getattr(report(experiment).wasserstein2, name)) for name in NAMES]


def close(expected: list[float]) -> object:
    """What differs by rounding alone: two ways to add the same numbers."""
    return pytest.approx(expected, rel=1e-10, abs=1e-14, nan_ok=True)


# ------------------------------------------------------------------------------------------------ convergence

EXPERIMENTS = {
    "default": Experiment(),
    "mean": Experiment(spectrum=FIVE, sampler=DDIM(eta=0.5)),
    "EDM": Experiment(spectrum=FIVE, process=EDM(), grid=EDM_GRID, sampler=DPMSolverPP2M()),
    "to zero": Experiment(process=EDM(), grid=replace(EDM_GRID, to_zero=True), sampler=EDMHeun(), start=Marginal()),
    "table": Experiment(process=EDM(), grid=AlignYourSteps(), sampler=Heun()),
    "many modes": Experiment(spectrum=LogUniformSpectrum(modes=500, condition=1e6), sampler=ExponentialIntegrator()),
    "flow": Experiment(process=FlowMatching(), grid=Uniform(steps=20, stop=0.0), sampler=FlowEuler()),
    "infinite": Experiment(spectrum=Custom(eigenvalues=(1.0, 0.0)), grid=Uniform(steps=9, stop=0.0), sampler=Heun()),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_convergence_is_the_report_at_every_number_of_steps(name: str) -> None:
    experiment = EXPERIMENTS[name]
    found = convergence(experiment)
    own = len(experiment.times) - 1
    assert own in found.steps
    assert found.steps[0] == 2
    assert found.steps[-1] == max(200, 2 * own)
    assert np.all(np.diff(found.steps) > 0)
    for column, steps in enumerate(found.steps.astype(int).tolist()):
        other = with_steps(experiment, steps)
        assert other is not None
        assert len(other.times) - 1 == steps
        assert found.calls[column] == report(other).calls
        assert [getattr(found, name)[column] for name in NAMES] == close(four(other)), steps


def test_convergence_has_no_value_where_the_sampler_is_refused() -> None:
    # beta h must stay below 1: with beta = 20 at the first time that takes more than 20 steps.
    experiment = Experiment(sampler=AncestralVP(), spectrum=FIVE)
    found = convergence(experiment)
    refused = found.steps * 0.9990000000000001 <= 20 * 0.999 * 0.999
    assert 1 < refused.sum() < len(refused) - 1
    for name in ("calls", *NAMES):
        values = getattr(found, name)
        assert np.all(np.isnan(values[refused])), name
        assert np.all(np.isfinite(values[~refused])), name
    for column in np.flatnonzero(~refused):
        other = replace(experiment, grid=Uniform(steps=int(found.steps[column])))
        assert [getattr(found, name)[column] for name in NAMES] == close(four(other))


def test_a_list_of_levels_has_its_own_number_of_steps_only() -> None:
    experiment = Experiment(grid=Tabulated(values=(1.0, 0.6, 0.3, 0.01)), spectrum=FIVE)
    found = convergence(experiment)
    assert found.steps.tolist() == found.calls.tolist() == [3.0]
    assert [getattr(found, name)[0] for name in NAMES] == close(four(experiment))
    assert step_counts(experiment) == [3]
    assert with_count(experiment.grid, 7) is experiment.grid


def test_numbers_of_steps_spread_over_the_axis() -> None:
    assert step_counts(Experiment(), 3) == [2, 20, 50, 200]
    assert step_counts(Experiment(grid=Uniform(steps=1000)), 2) == [2, 1000, 2000]


def test_convergence_against_closed_forms() -> None:
    experiment = Experiment(
        spectrum=Custom(eigenvalues=(0.25,), mean=0.5), process=EDM(), grid=LogUniform(steps=7, start=10.0, stop=0.1)
    )
    found = convergence(replace(experiment, sampler=DDIM()))
    for column, steps in enumerate(found.steps.astype(int).tolist()):
        times = [10 * 0.01 ** (k / steps) for k in range(steps + 1)]
        law = cf.one_step(cf.ddim(0.0), cf.edm(), times, cf.Mode(0.25, 0.5, noise_start=True))
        expected = cf.w2([law], [cf.Law(cf.MP.mpf(0.5), cf.MP.mpf(0.25))])
        assert found.total[column] == pytest.approx(float(expected), rel=1e-10)


# ------------------------------------------------------------------------------------------------------ sweep


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("default", "sampler.stochasticity"),
        ("default", "grid.steps"),
        ("default", "spectrum.modes"),
        ("default", "grid.stop"),
        ("mean", "sampler.eta"),
        ("EDM", "grid.rho"),
        ("EDM", "process.sigma_max"),
        ("many modes", "spectrum.condition"),
        ("infinite", "grid.stop"),
    ],
)
def test_a_sweep_is_the_report_at_every_value(name: str, path: str) -> None:
    experiment = EXPERIMENTS[name]
    found = sweep(experiment, path, points=7)
    family, _, field = path.partition(".")
    assert getattr(getattr(experiment, family), field) in found.values
    assert np.all(np.diff(found.values) > 0)
    defined = 0
    for column, value in enumerate(found.values.tolist()):
        values = [getattr(found, name)[column] for name in NAMES]
        # All other choices are fixed, also where a person who changes the process would get another grid.
        try:
            other = replace(experiment, **{family: replace(getattr(experiment, family), **{field: value})})
        except ValueError:
            assert values == close([math.nan] * 4)
        else:
            assert getattr(getattr(other, family), field) == value
            assert values == close(four(other)), value
            defined += 1
    assert defined >= 3


def test_a_sweep_has_no_value_where_the_experiment_is_refused() -> None:
    experiment = Experiment(spectrum=FIVE, grid=Uniform(start=0.05))
    found = sweep(experiment, "grid.stop", points=11)
    refused = found.values >= 0.05
    assert 0 < refused.sum() < len(refused)
    for name in NAMES:
        assert np.isnan(getattr(found, name)).tolist() == refused.tolist(), name


def test_the_values_of_a_sweep() -> None:
    numbers = numeric_paths(Experiment())
    assert values_of(numbers["sampler.stochasticity"], 1.0, 5) == [0.0, 0.5, 1.0, 1.5, 2.0]
    # A value beyond the slider widens the range; one between the points is added.
    assert values_of(numbers["sampler.stochasticity"], 4.0, 3) == [0.0, 2.0, 4.0]
    assert values_of(numbers["sampler.stochasticity"], 0.3, 3) == [0.0, 0.3, 1.0, 2.0]
    # A legal zero is tried also on a logarithmic slider, where no point would come near it.
    assert values_of(numbers["grid.stop"], 1e-3, 3) == pytest.approx([0.0, 1e-5, 1e-3, 0.1])
    assert values_of(numbers["grid.stop"], 0.0, 3) == pytest.approx([0.0, 1e-7, 1e-4, 0.1])
    assert values_of(numbers["grid.start"], 1.0, 3) == pytest.approx([0.01, 1.0, 100.0])
    assert values_of(numbers["grid.steps"], 50, 4) == [1.0, 10.0, 50.0, 100.0, 1000.0]


def test_what_can_be_swept_is_every_number() -> None:
    assert list(numeric_paths(Experiment())) == [
        "spectrum.mean",
        "spectrum.modes",
        "spectrum.decay",
        "spectrum.scale",
        "process.beta_min",
        "process.beta_max",
        "grid.steps",
        "grid.start",
        "grid.stop",
        "sampler.stochasticity",
    ]


def test_a_sweep_of_what_is_no_number_is_refused() -> None:
    experiment = Experiment(spectrum=Custom(), grid=AlignYourSteps(), sampler=Heun())
    known = "spectrum.mean, process.beta_min, process.beta_max, grid.steps"
    with pytest.raises(ValueError) as refusal:
        sweep(experiment, "grid.model")
    assert str(refusal.value) == f"'grid.model' is no number of this experiment; known are {known}."


def test_one_number_is_changed() -> None:
    assert with_value(Experiment(), "grid.stop", 0.5) == Experiment(grid=Uniform(stop=0.5))
    with pytest.raises(ValueError) as refusal:
        with_value(Experiment(), "grid.stop", 1.5)
    assert str(refusal.value) == "Uniform: stop (1.5) must lie below start (1)."


# --------------------------------------------------------------------------------------------------- ablation

# Score evaluations of a step, and those saved by a last step to zero noise.
COST: dict[type[Sampler], tuple[int, int]] = {
    EulerMaruyama: (1, 0),
    DDIM: (1, 0),
    DPMSolverPP2M: (1, 0),
    Heun: (2, 0),
    EDMHeun: (2, 1),
    RungeKutta4: (4, 0),
}


@pytest.mark.parametrize("to_zero", [False, True])
@pytest.mark.parametrize("kind", COST)
def test_a_budget_pays_for_the_most_steps(kind: type[Sampler], to_zero: bool) -> None:
    each, saved = COST[kind]

    def cost(steps: int) -> int:
        return each * steps - saved * to_zero

    experiment = Experiment(process=EDM(), grid=EDM_GRID)
    for budget in (1, 2, 3, 4, 5, 7, 8, 49, 50, 51, 250):
        grid = steps_for(kind(), Karras(start=80.0, stop=2e-3, to_zero=to_zero), experiment, budget)
        if cost(1) > budget:
            assert grid is None
            continue
        assert isinstance(grid, Karras)
        assert cost(grid.steps) <= budget < cost(grid.steps + 1)
        used = replace(experiment, grid=grid, sampler=kind())
        assert report(used).calls == cost(grid.steps)
        assert (grid.start, grid.stop, grid.rho, grid.to_zero) == (80.0, 2e-3, 7.0, to_zero)


def test_a_list_of_levels_is_used_where_the_budget_pays_for_it() -> None:
    grid, experiment = Tabulated(values=(1.0, 0.5, 0.1)), Experiment()
    assert steps_for(Heun(), grid, experiment, 4) == grid
    assert steps_for(Heun(), grid, experiment, 3) is None
    assert steps_for(EulerMaruyama(), grid, experiment, 100) == grid


def test_the_table_holds_reports() -> None:
    experiment = Experiment(spectrum=FIVE, grid=Uniform(steps=7, stop=0.01))
    samplers: tuple[Sampler, ...] = (EulerMaruyama(stochasticity=0.3), Heun(), RungeKutta4(), AncestralVP())
    grids: tuple[TimeGrid, ...] = (Uniform(stop=0.5), LogUniform(), Tabulated(values=(0.9, 0.5, 0.2, 0.05)))
    stops, budgets = (0.0, 1e-3), (3, 30)
    found = ablation(experiment, samplers, grids, stops, budgets)
    assert found.columns == ((3, "Noise"), (3, "Marginal"), (30, "Noise"), (30, "Marginal"))
    # A list has the stop that it has.
    lines = [(grid, stop) for grid in grids[:2] for stop in stops] + [(grids[2], 0.05)]
    keys = [(sampler, grid, stop) for sampler in samplers for grid, stop in lines]
    assert [(row.sampler, row.grid, row.stop) for row in found.rows] == [
        (type(sampler).__name__, type(grid).__name__, stop) for sampler, grid, stop in keys
    ]
    defined = 0
    for row, (sampler, grid, stop) in zip(found.rows, keys, strict=True):
        steps = {budget: budget // COST.get(type(sampler), (1, 0))[0] for budget in budgets}
        for cell, (budget, start) in zip(row.wasserstein2, product(budgets, (Noise(), Marginal())), strict=True):
            changes = {} if isinstance(grid, Tabulated) else {"stop": stop, "steps": steps[budget]}
            if isinstance(grid, Tabulated) and steps[budget] < 3:
                assert math.isnan(cell)
                continue
            try:
                changed: TimeGrid = replace(grid, **changes)
                other = replace(experiment, sampler=sampler, grid=changed, start=start)
            except ValueError:
                assert math.isnan(cell)
                continue
            assert cell == pytest.approx(four(other)[0], rel=1e-10)
            defined += 1
    # No step of no cost, no log of zero, no ancestral step where beta h exceeds one: all else has its value.
    assert defined == 44


# Pierret and Galerne, as printed, for the covariance of CIFAR-10: by sampler and stop, at 49 and 249 steps, from the
# exact law and from noise.
PRINTED: dict[tuple[Sampler, float], tuple[float, float, float, float]] = {
    (EulerMaruyama(stochasticity=1.0), 0.0): (4.78, 4.78, 0.65, 0.66),
    (EulerMaruyama(stochasticity=1.0), 1e-3): (4.68, 4.68, 0.70, 0.70),
    (ExponentialIntegrator(stochasticity=1.0), 0.0): (2.81, 2.81, 0.57, 0.57),
    (ExponentialIntegrator(stochasticity=1.0), 1e-3): (2.91, 2.91, 0.67, 0.67),
    (AncestralVP(), 0.0): (6.82, 6.82, 0.97, 0.97),
    (AncestralVP(), 1e-3): (6.74, 6.74, 1.00, 1.00),
    (EulerMaruyama(stochasticity=0.0), 0.0): (1.72, 1.78, 0.38, 0.44),
    (EulerMaruyama(stochasticity=0.0), 1e-3): (1.73, 1.79, 0.42, 0.48),
}


def test_the_spectrum_of_images_nearly_gives_the_published_table() -> None:
    samplers = tuple(dict.fromkeys(sampler for sampler, _ in PRINTED))
    found = ablation(Experiment(spectrum=ImageLike()), samplers, (Uniform(start=1.0),), (0.0, 1e-3), (49, 249))
    assert found.columns == ((49, "Noise"), (49, "Marginal"), (249, "Noise"), (249, "Marginal"))
    for row, printed in zip(found.rows, PRINTED.values(), strict=True):
        noise_few, exact_few, noise_many, exact_many = row.wasserstein2
        assert (exact_few, noise_few, exact_many, noise_many) == pytest.approx(printed, rel=0.1), row
    # The order of the methods is that of the table.
    totals = [row.wasserstein2[0] for row in found.rows[::2]]
    assert totals[2] > totals[0] > totals[1] > totals[3]


# ----------------------------------------------------------------------------------------------------- levels


@pytest.mark.parametrize(
    ("experiment", "closed"),
    [
        (Experiment(), cf.vp_linear()),
        (Experiment(process=VPCosine(), grid=Uniform(steps=5, start=0.9946)), cf.vp_cosine()),
        (Experiment(process=EDM(), grid=EDM_GRID), cf.edm()),
        (Experiment(process=FlowMatching(), grid=Uniform(stop=0.0), sampler=FlowEuler()), cf.flow_matching()),
    ],
    ids=lambda value: type(value.process).__name__ if isinstance(value, Experiment) else "",
)
def test_levels_are_the_process_s(experiment: Experiment, closed: cf.ClosedProcess) -> None:
    along, grid = along_time(experiment), on_grid(experiment)
    times = experiment.times.tolist()
    assert grid.times.tolist() == times
    assert (along.times[0], along.times[-1]) == (times[-1], times[0])
    assert np.all(np.diff(along.times) > 0)
    assert len(along.times) > 300
    for found, kept in ((grid, range(len(times))), (along, range(0, len(along.times), 97))):
        for k in kept:
            level = closed(float(found.times[k]))
            assert found.alpha[k] == pytest.approx(float(level.alpha), rel=1e-13)
            assert found.sigma[k] == pytest.approx(float(level.sigma), rel=1e-13)
            assert found.noise_ratio[k] == pytest.approx(float(level.s), rel=1e-12)
            if level.alpha and level.sigma:
                assert found.log_snr[k] == pytest.approx(float(-2 * cf.MP.log(level.s)), rel=1e-12, abs=1e-13)
            else:
                assert found.log_snr[k] == (math.inf if level.alpha else -math.inf)


# ---------------------------------------------------------------------------------------------- what cannot be read


def test_data_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    experiment = Experiment(spectrum=EigenvalueFile(path=str(tmp_path / "none.npy")))
    sentence = f"EigenvalueFile.path: {tmp_path / 'none.npy'} does not exist."
    for analysis in (
        lambda: convergence(experiment),
        lambda: sweep(experiment, "grid.stop"),
        lambda: ablation(experiment, (DDIM(),), (Uniform(),), (0.1,), (5,)),
    ):
        with pytest.raises(ValueError) as refusal:
            analysis()
        assert str(refusal.value) == sentence
    # The process and its grid need no data.
    assert on_grid(experiment).times[0] == along_time(experiment).times[-1] == 1.0


def test_an_analysis_is_the_same_whoever_asked_before() -> None:
    experiment = Experiment(spectrum=PowerLaw(modes=5), process=VPLinear(beta_max=7.0))
    first = convergence(experiment)
    convergence.cache_clear()
    again = convergence(experiment)
    assert again is not first
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))
