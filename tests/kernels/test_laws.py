"""Laws and distances against the closed forms in 50-digit arithmetic, golden values, and exact identities."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from kernels.arrays import array
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Karras, LogUniform, Tabulated, Uniform
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.processes import EDM, Brownian, FlowMatching, Process, VPLinear
from kernels.report import ErrorReport, report
from kernels.run import Steps, accumulate, transitions
from kernels.samplers import (
    DDIM,
    DDPM,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    RungeKutta4,
    Sampler,
)
from kernels.scores import Exact
from kernels.spectra import Custom, Isotropic
from kernels.starts import Marginal, Noise
from tests import closed_forms as cf
from tests.closed_forms import MP, Law, Mode, Real
from tests.kernels.cases import CASES, CLOSED, FAMILIES, MANY, Case, applies, experiment, geometric, modes_of, uniform

of_every_case = pytest.mark.parametrize("case", CASES, ids=repr)
of_both_starts = pytest.mark.parametrize("noise_start", [False, True], ids=["exact", "noise"])

EIGENVALUES = (100.0, 0.25, 0.0)


def relative(value: float, exact: Real) -> float:
    """Relative distance of a float from an exact number."""
    return float(abs(MP.mpf(value) - exact) / abs(exact))


def runs_of(case: Case) -> list[list[float]]:
    """Two runs over the family's range where the method has a place on them, and in any case one."""
    family = case.family
    few, many = geometric(family.start, family.stop, 12), uniform(family.start, family.stop, MANY)
    # Where times span decades, equal steps in time are one huge last step, in which even exact steps lose digits.
    spans_decades = family.start > 1
    return [run for run in ([few] if spans_decades else [few, many]) if applies(case.sampler, family.process, run)]


# ------------------------------------------------------------------------------------------ the recursions


@of_both_starts
@of_every_case
def test_mean_and_variance_of_every_mode(case: Case, noise_start: bool) -> None:
    runs = runs_of(case)
    assert runs
    for times in runs:
        modes = modes_of(EIGENVALUES, 0.5, noise_start=noise_start)
        found = report(experiment(case, times, modes)).modes
        for k, mode in enumerate(modes):
            law = case.law(times, mode)
            if law.variance == 0:
                assert float(found.variance[k]) == 0
            else:
                assert relative(float(found.variance[k]), law.variance) <= 1e-12
            assert relative(float(found.mean[k]), law.mean) <= 1e-12


@of_both_starts
@of_every_case
def test_distances_by_source(case: Case, noise_start: bool) -> None:
    for times in runs_of(case):
        modes = modes_of(EIGENVALUES, 0.5, noise_start=noise_start)
        found = report(experiment(case, times, modes)).wasserstein2
        first, last = case.family.closed(times[0]), case.family.closed(times[-1])
        data = [Law(MP.mpf(mode.mu), MP.mpf(mode.ell)) for mode in modes]
        from_exact = [case.law(times, replace(mode, noise_start=False)) for mode in modes]
        eps = case.eps
        expected = {
            "total": cf.w2([case.law(times, mode) for mode in modes], data),
            "discretization": cf.w2(from_exact, [cf.marginal(last, mode) for mode in modes]),
            "initialization": cf.initialization(first, last, modes, eps),
            "truncation": cf.truncation(last, modes),
        }
        for name, exact in expected.items():
            value = float(getattr(found, name))
            assert abs(value - exact) <= 1e-12 * exact + 4e-15, name


@of_every_case
def test_divergence_and_shares(case: Case) -> None:
    times = runs_of(case)[-1]
    modes = modes_of((4.0, 0.25), 0.5, noise_start=True)
    found = report(experiment(case, times, modes))
    laws = [case.law(times, mode) for mode in modes]
    data = [Law(MP.mpf(mode.mu), MP.mpf(mode.ell)) for mode in modes]
    # A divergence is half a squared relative error: at a relative error of 1e-15 of the variance, it is known to this.
    expected = sum(cf.kl(p, q) for p, q in zip(laws, data, strict=True))
    assert abs(found.kl - expected) <= 1e-11 * expected + 1e-14 * MP.sqrt(expected)
    squares = [cf.w2([p], [q]) ** 2 for p, q in zip(laws, data, strict=True)]
    assert found.modes.share.tolist() == pytest.approx([float(s / sum(squares)) for s in squares], abs=1e-9)
    assert found.frechet == pytest.approx(float(sum(squares)), rel=1e-9)


@pytest.mark.parametrize("case", [case for case in CASES if case.closed is not None], ids=repr)
def test_a_mode_is_stable_unless_a_step_turns_deviations_around_and_enlarges_them(case: Case) -> None:
    modes = modes_of((100.0, 1.0, 1e-2, 1e-4, 1e-6), 0.0, noise_start=False)
    for times in runs_of(case):
        levels = [case.family.closed(t) for t in times]
        expected: list[bool] = []
        for ell in (MP.mpf(mode.ell) for mode in modes):
            relative_gains = [
                case.closed(a, b, ell, case.family.closed).gain * MP.sqrt(a.lam(ell) / b.lam(ell))
                for a, b in pairwise(levels)
                if case.closed is not None
            ]
            expected.append(bool(min(relative_gains) >= -1))
        found = report(experiment(case, times, modes))
        assert found.modes.is_stable.tolist() == expected
        assert found.is_stable == all(expected)


# ---------------------------------------------------------------------------------------------- precision

VP = FAMILIES[0]
FORMS = {repr(sampler): closed for sampler, closed in CLOSED}


def nearly_exact() -> list[tuple[Case, list[float], float]]:
    """Samplers whose error is far below the size of what they compute."""

    def case(family: int, sampler: Sampler) -> Case:
        return Case(FAMILIES[family], sampler, FORMS[repr(sampler)])

    runge_kutta = [
        (case(0, RungeKutta4()), uniform(1.0, 1e-3, steps), eigenvalue)
        for steps in (100, 500, 2000)
        for eigenvalue in (100.0, 0.25)
    ]
    more = [
        (case(6, RungeKutta4()), uniform(0.95, 0.02, 400), 0.25),
        (case(3, RungeKutta4()), uniform(1.0, 0.0, 1000), 100.0),
        (case(4, RungeKutta4()), geometric(80.0, 2e-3, 1000), 0.25),
        (case(0, Heun()), uniform(1.0, 1e-3, 2000), 4.0),
        (case(6, Heun()), uniform(0.95, 0.02, 50), 1e-12),
        (case(4, EDMHeun()), geometric(80.0, 2e-3, 1000), 0.25),
        (case(0, DPMSolverPP2M()), uniform(1.0, 1e-3, 1000), 1e6),
        (case(5, EulerMaruyama(stochasticity=1.0)), geometric(100.0, 1e-2, 1000), 1e10),
    ]
    deterministic = [
        (case(family, DDIM(eta=0.0)), geometric(start, stop, 50), eigenvalue)
        for family, start, stop in ((0, 1.0, 1e-3), (4, 80.0, 2e-3))
        for eigenvalue in (1e-18, 1e-12, 1e-8, 1e8, 1e12)
    ]
    return [*runge_kutta, *more, *deterministic]


@pytest.mark.parametrize("mean", [0.0, 0.5])
@pytest.mark.parametrize(
    ("case", "times", "eigenvalue"),
    [
        pytest.param(case, times, eigenvalue, id=f"{case}-{len(times) - 1}-{eigenvalue:g}")
        for case, times, eigenvalue in nearly_exact()
    ],
)
def test_small_errors_keep_their_digits(case: Case, times: list[float], eigenvalue: float, mean: float) -> None:
    """A distance is right to 1e-12 of itself, or a few units in the last place of the standard deviation and mean."""
    mode = Mode(eigenvalue, mean, noise_start=False)
    exact = cf.marginal(case.family.closed(times[-1]), mode)
    expected = cf.w2([case.law(times, mode)], [exact])
    found = float(report(experiment(case, times, [mode])).wasserstein2.discretization)
    assert abs(found - expected) <= 1e-12 * expected + 1e-15 * (MP.sqrt(exact.variance) + MP.mpf(mean))


@pytest.mark.parametrize(
    "sampler",
    [EulerMaruyama(stochasticity=0.0), Heun(), RungeKutta4(), ExponentialIntegrator(stochasticity=0.0)],
    ids=repr,
)
def test_a_variance_preserving_flow_of_white_data_stands_still(sampler: Sampler) -> None:
    where = Experiment(spectrum=Isotropic(), process=VPLinear(), grid=Uniform(steps=1000), sampler=sampler)
    found = report(where).wasserstein2
    assert 0 <= float(found.discretization) <= 64**0.5 * 2e-16
    assert 0 <= float(report(replace(where, start=Marginal())).wasserstein2.total) <= 64**0.5 * 4e-16
    # From N(0, sigma^2) the deviation -alpha^2 is carried unchanged.
    alpha2 = VP.closed(1.0).alpha ** 2
    assert float(found.total) == pytest.approx(float(8 * (1 - MP.sqrt(1 - alpha2))), rel=1e-10)


# ------------------------------------------------------------------------------------------- golden values


def from_standard_normal(sampler: Sampler, process: Process, times: Sequence[float], ell: float, mu: float) -> Law:
    """Law of one mode started from N(0, 1), which is N(0, sigma^2) only where alpha vanishes."""
    data = Gaussian(array([1.0]), array([ell]))
    moves = transitions(sampler, Problem(data, process, Exact().fit(Conditioned(data))), Steps.along(array(times)))
    whole = accumulate(moves, 64)[0][-1:]
    assert whole.shift is not None
    gain, shift, noise = (float(part.flatten()[0]) for part in (whole.gain, whole.shift, whole.noise))
    first, last = (float(process.alpha(array(t))) for t in (times[0], times[-1]))
    return Law(last * mu + gain * (0.0 - first * mu) + shift * mu, gain**2 + noise)


# The printed value .47271381530886296 of dpmpp_2m at N = 10 is a misprint: 40 digits give the one below.
GOLDEN = [
    (EulerMaruyama(stochasticity=1.0), 10, 0.52952787830466048, 0.32730858989347409),
    (EulerMaruyama(stochasticity=0.0), 10, 0.51243957669529436, 0.23704042452263724),
    (ExponentialIntegrator(stochasticity=1.0), 10, 0.49997254751409622, 0.42476122394801787),
    (DDIM(eta=0.0), 10, 0.49874240740205877, 0.14015367974062039),
    (DDIM(eta=0.5), 10, 0.49943186217284374, 0.13493731756118159),
    (DDPM(variance_share=0.0), 10, 0.49996711278462109, 0.11119411961350506),
    (DDPM(variance_share=1.0), 10, None, 0.50456739540275545),
    (Heun(), 10, 0.49314727194175809, 0.26134896746320882),
    (DPMSolverPP2M(), 10, 0.49771339286402947, 0.47271380531086293),
    (EulerMaruyama(stochasticity=1.0), 100, 0.50292681349619327, 0.2539041918552988),
    (EulerMaruyama(stochasticity=0.0), 100, 0.49990341077341975, 0.24791133637913629),
    (ExponentialIntegrator(stochasticity=1.0), 100, None, 0.26341402355377629),
    (Heun(), 100, None, 0.2502276399133599),
    (DPMSolverPP2M(), 100, None, 0.2570161808871907),
    (DDIM(eta=0.0), 100, None, 0.23635582078165243),
    (DDPM(variance_share=0.0), 100, None, 0.21944582558854406),
]


@pytest.mark.parametrize(("sampler", "steps", "mean", "variance"), GOLDEN, ids=str)
def test_golden_values_of_variance_preserving_runs(
    sampler: Sampler, steps: int, mean: float | None, variance: float
) -> None:
    law = from_standard_normal(sampler, VPLinear(), uniform(1.0, 1e-3, steps), 0.25, 0.5)
    assert law.variance == pytest.approx(variance, rel=1e-12)
    if mean is not None:
        assert law.mean == pytest.approx(mean, rel=1e-12)


def test_golden_value_of_flow_matching() -> None:
    grid = Uniform(steps=8, start=1.0, stop=0.0)
    spectrum = Custom(eigenvalues=(2.0,), mean=1.0)
    for sampler in (FlowEuler(), DDIM(eta=0.0), EulerMaruyama(stochasticity=0.0)):
        where = Experiment(spectrum=spectrum, process=FlowMatching(), grid=grid, sampler=sampler, start=Noise())
        assert float(report(where).modes.variance) == pytest.approx(1.4301991685846415, rel=1e-14)
        assert float(report(where).modes.mean) == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize(
    ("sampler", "variance"),
    [
        (DDIM(eta=0.0), 0.17895559618939662),
        (EDMHeun(), 0.27838775757048675),
        (DPMSolverPP2M(), 0.28210977865332755),
    ],
    ids=repr,
)
def test_golden_values_of_edm(sampler: Sampler, variance: float) -> None:
    grid = Karras(steps=18, start=80.0, stop=2e-3, rho=7.0, to_zero=True)
    where = Experiment(spectrum=Custom(eigenvalues=(0.25,)), process=EDM(), grid=grid, sampler=sampler, start=Noise())
    assert float(report(where).modes.variance) == pytest.approx(variance, rel=1e-13)


@pytest.mark.parametrize(
    ("eps", "mean", "variance"),
    [
        (0.0, 0.49832931910314404, 0.2500905582278577),
        (0.5, 0.49987831122664992, 0.25008248458885695),
        (1.0, 0.49996711278462109, 0.25008245805428546),
    ],
)
def test_golden_values_of_the_exact_reverse_dynamics(eps: float, mean: float, variance: float) -> None:
    """Fixes the closed form, with which the distances by source are compared above, and the limit of fine steps."""
    first, last, ell, mu = VP.closed(1.0), VP.closed(1e-3), MP.mpf(0.25), MP.mpf(0.5)
    e, deviation = cf.exact_reverse(first, last, ell, MP.mpf(eps), -first.alpha * mu, 1 - first.lam(ell))
    assert float(last.alpha * mu + e) == pytest.approx(mean, rel=1e-15)
    assert float(last.lam(ell) + deviation) == pytest.approx(variance, rel=1e-15)
    # Richardson: twice the result of 3000 steps minus that of 1500.
    coarse, fine = (
        from_standard_normal(EulerMaruyama(stochasticity=eps), VPLinear(), uniform(1.0, 1e-3, steps), 0.25, 0.5)
        for steps in (1500, 3000)
    )
    assert 2 * fine.mean - coarse.mean == pytest.approx(mean, rel=5e-5)
    assert 2 * fine.variance - coarse.variance == pytest.approx(variance, rel=5e-5)


def test_golden_defects_add_up() -> None:
    """EM in s with eps = .1: the error of a run is the sum of what its steps contribute."""
    contributions = [
        0.0051314632997987,
        0.0090691912531267,
        0.0177563191852274,
        0.0389985737603399,
        0.0722304436875898,
        -0.0446083834484327,
        -0.0179675379025849,
        -0.000576746875002246,
    ]
    data = Gaussian(array([1.0]), array([0.25]))
    times = Karras(steps=8, start=80.0, stop=2e-3, rho=7.0).times(EDM())
    moves = transitions(
        EulerMaruyama(stochasticity=0.1), Problem(data, EDM(), Exact().fit(Conditioned(data))), Steps.along(times)
    )
    carried = [
        float(moves.defect[0, 0, k, 0] * moves.gain[0, 0, k + 1 :, 0].square().prod()) for k in range(moves.steps)
    ]
    assert carried == pytest.approx(contributions, rel=1e-11)


# ------------------------------------------------------------------------------------------ exact identities


def found_modes(sampler: Sampler, process: Process, times: Sequence[float]) -> ErrorReport:
    spectrum = Custom(eigenvalues=(30.0, 1.0, 0.01, 0.0), mean=0.7)
    return report(Experiment(spectrum=spectrum, process=process, grid=Tabulated(values=tuple(times)), sampler=sampler))


def assert_same(a: ErrorReport, b: ErrorReport) -> None:
    torch.testing.assert_close(a.modes.variance, b.modes.variance, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(a.modes.mean, b.modes.mean, rtol=1e-12, atol=0.0)


def test_euler_on_the_flow_velocity_is_ddim() -> None:
    times = (1.0, 0.8, 0.45, 0.2, 0.05, 0.01)
    straight = found_modes(FlowEuler(), FlowMatching(), times)
    assert_same(straight, found_modes(DDIM(eta=0.0), FlowMatching(), times))
    assert_same(straight, found_modes(EulerMaruyama(stochasticity=0.0), FlowMatching(), times))


def test_euler_in_the_noise_level_is_ddim() -> None:
    times = (80.0, 30.0, 7.0, 1.0, 0.2, 0.01)
    assert_same(found_modes(EulerMaruyama(stochasticity=0.0), EDM(), times), found_modes(DDIM(eta=0.0), EDM(), times))


def test_euler_maruyama_in_brownian_time_is_ddpm_with_large_variance() -> None:
    times = (900.0, 100.0, 10.0, 1.0, 0.1, 1e-3)
    assert_same(
        found_modes(EulerMaruyama(stochasticity=1.0), Brownian(), times),
        found_modes(DDPM(variance_share=1.0), Brownian(), times),
    )


def test_ancestral_ddim_is_ddpm_with_small_variance() -> None:
    times = uniform(1.0, 1e-3, 9)
    assert_same(found_modes(DDIM(eta=1.0), VPLinear(), times), found_modes(DDPM(variance_share=0.0), VPLinear(), times))


@pytest.mark.parametrize("eigenvalue", [9.0, 0.25, 1e-6])
def test_ddim_is_a_product_of_cosines(eigenvalue: float) -> None:
    times = LogUniform(steps=20, start=1.0, stop=1e-3).times(VPLinear()).tolist()
    where = Experiment(
        spectrum=Custom(eigenvalues=(eigenvalue,)),
        grid=Tabulated(values=tuple(times)),
        sampler=DDIM(eta=0.0),
        start=Marginal(),
    )
    angles = [MP.atan(VP.closed(t).s / MP.sqrt(MP.mpf(eigenvalue))) for t in times]
    product = MP.fprod(MP.cos(a - b) for a, b in pairwise(angles))
    exact = product**2 * VP.closed(times[-1]).lam(MP.mpf(eigenvalue))
    assert relative(float(report(where).modes.variance), exact) <= 1e-13


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("eigenvalue", [9.0, 0.25, 1e-6])
def test_ddpm_telescopes(eigenvalue: float, share: float) -> None:
    times = (900.0, 100.0, 10.0, 1.0, 0.1, 1e-3)
    where = Experiment(
        spectrum=Custom(eigenvalues=(eigenvalue,)),
        process=Brownian(),
        grid=Tabulated(values=times),
        sampler=DDPM(variance_share=share),
        start=Noise(),
    )
    ell, taus = MP.mpf(eigenvalue), [MP.mpf(t) for t in times]
    first, last = taus[0], taus[-1]
    expected = ((ell + last) / (ell + first)) ** 2 * first
    for former, tau in pairwise(taus):
        noise = (former - tau) * (1 if share else tau / former)
        expected += (ell + last) ** 2 * noise / (ell + tau) ** 2
    assert relative(float(report(where).modes.variance), expected) <= 1e-13


@pytest.mark.parametrize("eigenvalue", [0.0, 1e-30, 1e30])
def test_ddim_is_exact_for_no_variance_and_for_all_of_it(eigenvalue: float) -> None:
    where = Experiment(
        spectrum=Custom(eigenvalues=(eigenvalue,)), process=EDM(),
        grid=Karras(steps=10, start=80.0, stop=2e-3), sampler=DDIM(eta=0.0), start=Marginal(),
    )  # fmt: skip
    scale = math.sqrt(eigenvalue + 2e-3**2)
    assert float(report(where).wasserstein2.discretization) <= 1e-13 * scale
