"""The search for times and stochasticity: its derivatives, residuals, and the law that it takes an experiment to have."""

import math
from dataclasses import replace

import numpy as np
import pytest

from kernels.arrays import array
from kernels.descent import (
    RESIDUALS,
    Course,
    Sample,
    _Search,  # pyright: ignore[reportPrivateUsage]
    check_objective,
    descend,
    value,
)
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Tabulated
from kernels.observations import Conditioned
from kernels.optimize import _variable  # pyright: ignore[reportPrivateUsage]
from kernels.processes import EDM, FlowMatching
from kernels.report import report
from kernels.samplers import DDIM, DPMSolverPP2M, EulerMaruyama, ExponentialIntegrator, Sampler
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Marginal, Noise
from tests.kernels.cases import CASES, FAMILIES, MANY, Case, applies, experiment, geometric, modes_of, uniform

EIGENVALUES = (4.0, 0.5, 0.02)
# Enough to have every sampler once.
SOME = [case for case in CASES if case.family in (FAMILIES[0], FAMILIES[6])]
LAW = Gaussian(array([0.6]), array(EIGENVALUES))


def times_of(case: Case, steps: int = 4) -> list[float]:
    family = case.family
    few = geometric(family.start, family.stop, steps)
    return few if applies(case.sampler, family.process, few) else uniform(family.start, family.stop, MANY)


def course_of(where: Experiment, *, levels: int = 0, against_data: bool = True) -> Course:
    """The experiment as the search sees it, with so many levels of stochasticity to vary."""
    sampler, vary, most = _variable(where.sampler)
    return Course(
        where.process,
        sampler if levels else where.sampler,
        where.score,
        where.start,
        where.times,
        array([0.3 + 0.1 * k for k in range(levels)]) if levels else None,
        vary if levels else None,
        to_zero=False,
        most=most,
        against_data=against_data,
    )


def assert_differentiated(search: _Search, rtol: float = 2e-6) -> None:
    """The Jacobian against central differences of the residuals."""
    x = search.first + 0.05 * np.cos(np.arange(len(search.first)))
    found = search.jacobian(x)
    assert found.shape == (len(search.residuals(x)), len(x))
    step = 1e-4
    for column in range(len(x)):
        e = np.zeros_like(x)
        e[column] = step
        expected = (search.residuals(x + e) - search.residuals(x - e)) / (2 * step)
        size = float(np.abs(found).max())
        assert np.allclose(found[:, column], expected, rtol=rtol, atol=rtol * size)
    assert np.abs(found).max() > 0


def sample_of(law: Gaussian, weight: float = 1.0) -> Sample:
    return Sample.of(Conditioned(law), weight, by_mode=False)


def search_of(course: Course, objective: str, *, over_grid: bool = True) -> _Search:
    # At least one residual that is not small, and two samples of different weight.
    other = Gaussian(LAW.mean, 1.3 * LAW.variance)
    samples = [sample_of(LAW, 0.7), sample_of(other, 0.3)]
    return _Search(course, samples, RESIDUALS[objective], over_grid, lambda value: None)


@pytest.mark.parametrize("case", SOME, ids=repr)
def test_derivatives_in_the_times(case: Case) -> None:
    where = experiment(case, times_of(case), modes_of(EIGENVALUES, 0.6, noise_start=True))
    if len(where.times) > 20:
        # Many steps for the sake of one condition on them: a few of the columns tell.
        where = replace(where, grid=Tabulated(values=tuple(where.times[:6].tolist())))
    assert_differentiated(search_of(course_of(where), "wasserstein2"))


# Sampler, whether each step has a stochasticity of its own, whether times are varied too, objective.
VARIED = [
    (case, per_step, over_grid, objective)
    for case in CASES
    if case.sampler in (EulerMaruyama(stochasticity=0.3), ExponentialIntegrator(stochasticity=1.0), DDIM(eta=0.5))
    and case.family in (FAMILIES[0], FAMILIES[4])
    for per_step in (False, True)
    if not per_step or isinstance(case.sampler, EulerMaruyama)
    for over_grid, objective in ((True, "wasserstein2"), (False, "kl"), (True, "l1"))
]


@pytest.mark.parametrize(("case", "per_step", "over_grid", "objective"), VARIED, ids=repr)
def test_derivatives_in_the_stochasticity(case: Case, per_step: bool, over_grid: bool, objective: str) -> None:
    times = times_of(case)
    where = experiment(case, times, modes_of(EIGENVALUES, 0.6, noise_start=True))
    course = course_of(where, levels=len(times) - 1 if per_step else 1)
    assert_differentiated(search_of(course, objective, over_grid=over_grid))


@pytest.mark.parametrize("case", SOME, ids=repr)
def test_the_objective_is_the_exact_distance(case: Case) -> None:
    where = experiment(case, times_of(case), modes_of(EIGENVALUES, 0.6, noise_start=True))
    found = report(where)
    law = where.spectrum.law()
    assert value(course_of(where), [sample_of(law)], "wasserstein2") == pytest.approx(
        float(found.wasserstein2.total), rel=1e-10
    )
    assert value(course_of(where), [sample_of(law)], "kl") ** 2 == pytest.approx(found.kl, rel=1e-9)
    exact = replace(where, start=Marginal())
    assert value(course_of(exact, against_data=False), [sample_of(law)], "wasserstein2") == pytest.approx(
        float(report(exact).wasserstein2.discretization), rel=1e-9, abs=1e-14
    )


@pytest.mark.parametrize("ratio", [-0.5, -2e-3, -1.001e-3, -0.999e-3, -1e-6, 1e-9, 0.999e-3, 1.001e-3, 0.1, 5.0])
def test_the_root_of_the_relative_entropy_is_smooth_through_zero(ratio: float) -> None:
    """Its square is (x - log(1 + x))/2, and its sign that of x."""
    found = float(RESIDUALS["kl"].of(array(2.0 * ratio), array(2.0)))
    series = ratio**2 / 4 - ratio**3 / 6 + ratio**4 / 8 - ratio**5 / 10
    expected = (ratio - math.log1p(ratio)) / 2 if abs(ratio) > 1e-2 else series
    assert found**2 == pytest.approx(expected, rel=1e-8)
    assert math.copysign(1, found) == math.copysign(1, ratio)


def test_the_surrogate_is_linear_in_the_error() -> None:
    excess = array([-0.3, 1e-3, 0.2])
    roots = RESIDUALS["l1"].of(excess, array([1.0, 1.0, 1.0]))
    assert roots.square().tolist() == pytest.approx((excess.abs() / 4).tolist(), rel=1e-4)
    assert roots.sign().tolist() == [-1.0, 1.0, 1.0]


def test_modes_close_to_each_other_are_taken_together() -> None:
    law = PowerLaw(modes=500, decay=2.0, mean=0.3).law()
    sample = sample_of(law)
    assert len(sample.eigenvalues) < 140
    assert float(sample.counts.sum()) == 500
    assert float(sample.counts @ sample.eigenvalues) == pytest.approx(float(law.variance.sum()), rel=1e-12)
    assert float(sample.mean_squares.sum()) == pytest.approx(500 * 0.09, rel=1e-12)
    zeros = sample_of(Gaussian(array([0.0]), array([1.0, 0.0, 0.0])))
    assert sorted(zip(zeros.eigenvalues.tolist(), zeros.counts.tolist(), strict=True)) == [(0.0, 2.0), (1.0, 1.0)]


def edm(sampler: Sampler, *times: float) -> Experiment:
    return Experiment(
        spectrum=Custom(eigenvalues=EIGENVALUES), process=EDM(), grid=Tabulated(values=times), sampler=sampler,
        start=Marginal(),
    )  # fmt: skip


@pytest.mark.parametrize("sampler", [DDIM(eta=0.0), DPMSolverPP2M()], ids=repr)
def test_a_last_step_to_zero_noise_keeps_the_level_before_it(sampler: Sampler) -> None:
    where = edm(sampler, 80.0, 30.0, 5.0, 0.5, 0.05, 0.0)
    course = replace(course_of(where), to_zero=True)
    found = descend(course, [sample_of(where.spectrum.law())], "wasserstein2", over_grid=True, evaluations=40)
    assert found.times[[0, -2, -1]].tolist() == [80.0, 0.05, 0.0]
    assert bool((found.times.diff() < 0).all())
    better = float(report(replace(where, grid=Tabulated(values=tuple(found.times.tolist())))).wasserstein2.total)
    assert found.value == pytest.approx(better, rel=1e-9)
    assert better < 0.9 * float(report(where).wasserstein2.total)


def test_with_nothing_to_vary_the_course_stays_what_it_is() -> None:
    where = edm(DDIM(eta=0.0), 80.0, 1.0)
    course = course_of(where)
    samples = [sample_of(where.spectrum.law())]
    found = descend(course, samples, "wasserstein2", over_grid=False, evaluations=5)
    assert found.times.tolist() == [80.0, 1.0]
    assert found.value == value(course, samples, "wasserstein2")
    one = descend(course, samples, "wasserstein2", over_grid=True, evaluations=5)
    assert one.times.tolist() == [80.0, 1.0]
    assert one.value == pytest.approx(found.value, rel=1e-12)


def test_ends_without_a_place_on_the_axis_of_log_noise() -> None:
    """From s = inf to s = 0 the interior times move and the ends stay."""
    where = Experiment(
        spectrum=Custom(eigenvalues=EIGENVALUES), process=FlowMatching(),
        grid=Tabulated(values=(1.0, 0.75, 0.5, 0.25, 0.0)), sampler=DDIM(eta=0.0), start=Noise(),
    )  # fmt: skip
    search = search_of(course_of(where), "wasserstein2")
    assert_differentiated(search)
    samples = [sample_of(where.spectrum.law())]
    found = descend(course_of(where), samples, "wasserstein2", over_grid=True, evaluations=60)
    assert found.times[[0, -1]].tolist() == [1.0, 0.0]
    assert found.value < value(course_of(where), samples, "wasserstein2")


def test_what_watch_raises_ends_the_search() -> None:
    class CancelledError(Exception):
        pass

    heard: list[float] = []

    def watch(least: float) -> None:
        heard.append(least)
        if len(heard) == 3:
            raise CancelledError

    where = edm(DDIM(eta=0.0), 80.0, 30.0, 5.0, 0.5, 0.05)
    with pytest.raises(CancelledError):
        descend(
            course_of(where), [sample_of(where.spectrum.law())], "wasserstein2", over_grid=True, evaluations=40,
            watch=watch,
        )  # fmt: skip
    assert len(heard) == 3
    assert heard == sorted(heard, reverse=True)


def test_relative_entropy_needs_variance_everywhere() -> None:
    check_objective("kl", Gaussian(array([0.0]), array([1.0, 1e-9])))
    check_objective("wasserstein2", Gaussian(array([0.0]), array([1.0, 0.0])))
    with pytest.raises(ValueError) as refusal:
        check_objective("kl", Gaussian(array([0.0]), array([1.0, 0.0])))
    assert str(refusal.value) == (
        "The objective kl needs eigenvalues above 0, got 1 of 2 that are 0; choose the objective wasserstein2."
    )


def test_a_run_that_blows_up_has_no_finite_value() -> None:
    times = tuple(np.linspace(80.0, 0.0, 200).tolist()[:-1])
    where = edm(EulerMaruyama(stochasticity=50.0), *times)
    found = value(course_of(where), [sample_of(where.spectrum.law())], "wasserstein2")
    assert found == pytest.approx(float(report(where).wasserstein2.total), rel=1e-6) or math.isinf(found)
