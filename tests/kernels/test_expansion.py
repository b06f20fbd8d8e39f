"""The first-order expansion: printed values, integrals by quadrature, and the exact error extrapolated in the step."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from kernels.analyses.expansion import Expansion, expansion
from kernels.arrays import array
from kernels.expansion import coefficients, local, weak_cosine, weak_mean, weak_second_moment
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import (
    AlignYourSteps,
    Karras,
    LogUniform,
    Optimal,
    Power,
    Shifted,
    Tabulated,
    Tangent,
    TimeGrid,
    Uniform,
)
from kernels.processes import EDM, Brownian, FlowMatching, Process, VPCosine, VPLinear
from kernels.report import report
from kernels.samplers import (
    DDIM,
    DDPM,
    AncestralVP,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    RungeKutta4,
    Sampler,
    ShapedEulerMaruyama,
)
from kernels.spectra import Custom, ImageLike, PowerLaw, Spectrum
from kernels.starts import Marginal, Noise, Start
from tests import closed_forms as cf
from tests.kernels.cases import SHAPED, TABLE, TABULATED

ONE = Custom(eigenvalues=(0.25,), mean=1.0)
FIVE = Custom(eigenvalues=(4.0, 1.0, 0.25, 0.04, 0.01))


def on(
    process: Process, grid: TimeGrid, sampler: Sampler, spectrum: Spectrum = ONE, start: Start | None = None
) -> Experiment:
    return Experiment(spectrum=spectrum, process=process, grid=grid, sampler=sampler, start=start or Marginal())


def expanded(experiment: Experiment) -> Expansion:
    found = expansion(experiment)
    assert found is not None
    return found


def em(eps: float) -> EulerMaruyama:
    return EulerMaruyama(stochasticity=eps)


# ------------------------------------------------------------------------------------------- golden values

GRIDS_OF: dict[str, tuple[Process, TimeGrid]] = {
    "VP": (VPLinear(), Uniform(start=1.0, stop=0.05)),
    "cosine": (VPCosine(), Uniform(start=0.95, stop=0.05)),
    "EDM": (EDM(), Karras(start=10.0, stop=0.05, rho=7.0)),
    "Brownian": (Brownian(), LogUniform(start=100.0, stop=0.01)),
    "FM": (FlowMatching(), Uniform(start=0.95, stop=0.02)),
}


@pytest.mark.parametrize(
    ("name", "sampler", "variance", "mean"),
    [
        ("VP", em(0.0), 0.1074480071012188, 0.081547562733633245),
        ("VP", em(0.5), 0.48002670893187563, 0.34335280005638459),
        ("VP", em(1.0), 0.73140923081368052, 0.38258303713950274),
        ("VP", DDIM(eta=0.0), -0.93615207766253947, 0.0),
        ("VP", DDIM(eta=0.5), -1.2428852321830356, 0.0),
        ("VP", DDIM(eta=1.0), -2.2716510387660424, 0.0),
        ("cosine", em(0.0), -0.06671507003122694, None),
        ("cosine", em(0.5), 0.18614655515558844, None),
        ("cosine", em(1.0), 0.28081683931892267, None),
        ("EDM", em(0.0), -0.71407959584253565, 0.0),
        ("EDM", em(0.5), 0.48228952084790939, 0.0),
        ("EDM", em(1.0), 0.63563551759695922, 0.0),
        ("Brownian", em(0.0), 2.9907839469661436, 0.0),
        ("Brownian", em(0.5), 1.6934717468260299, 0.0),
        ("Brownian", em(1.0), 1.2371930307532786, 0.0),
        ("FM", em(0.0), -0.6411184484017265, 0.0),
        ("FM", em(0.5), -0.092791546976885935, 0.0),
        ("FM", em(1.0), 0.015717780488618681, 0.0),
    ],
    ids=str,
)
def test_golden_coefficients(name: str, sampler: Sampler, variance: float, mean: float | None) -> None:
    found = expanded(on(*GRIDS_OF[name], sampler))
    assert found.variance.tolist() == pytest.approx([variance], rel=1e-12)
    if mean is not None:
        assert found.mean.tolist() == pytest.approx([mean], rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(
    ("eigenvalue", "shift", "expected"),
    [
        (0.25, 1.0, 0.74087385212340519),
        (1.0, 1.0, 1.2853981633974483),
        (4.0, 1.0, 2.9634954084936208),
        (0.25, 3.0, 1.4608221685710661),
        (4.0, 2.0, 2.5707963267948966),
    ],
)
@pytest.mark.parametrize("sampler", [FlowEuler(), DDIM(eta=0.0), em(0.0)], ids=repr)
def test_golden_values_of_flow_matching_from_pure_noise(
    eigenvalue: float, shift: float, expected: float, sampler: Sampler
) -> None:
    """From s = inf to s = 0, where sigma/alpha has no logarithm at either end."""
    grid = Shifted(start=1.0, stop=0.0, shift=shift)
    found = expanded(on(FlowMatching(), grid, sampler, Custom(eigenvalues=(eigenvalue,)), Noise()))
    assert found.n_wasserstein2 == pytest.approx(expected, rel=1e-13)
    root = math.sqrt(eigenvalue)
    closed = root / 2 * (1 + math.pi / 4 * (root / shift + shift / root))
    assert found.n_wasserstein2 == pytest.approx(closed, rel=1e-13)
    # The variance is too small, and by this much.
    assert found.variance.tolist() == pytest.approx([-2 * root * closed], rel=1e-13)


@pytest.mark.parametrize(
    ("eps", "expected", "digits"), [(0.0, 5.5603030026, 1e-10), (1.0, 4.76306, 2e-6), (0.137019, 0.26060, 4e-5)]
)
def test_golden_values_of_five_modes_by_stochasticity(eps: float, expected: float, digits: float) -> None:
    found = expanded(on(EDM(), Karras(start=80.0, stop=2e-3), em(eps), FIVE))
    assert found.n_wasserstein2 == pytest.approx(expected, rel=digits)
    assert found.n2_frechet == pytest.approx(found.n_wasserstein2**2, rel=1e-14)


def test_the_golden_stochasticity_is_where_the_leading_error_is_least() -> None:
    def error(eps: float) -> float:
        return expanded(on(EDM(), Karras(start=80.0, stop=2e-3), em(eps), FIVE)).n_wasserstein2

    assert error(0.137019) < min(error(0.137019 - 2e-5), error(0.137019 + 2e-5))


@pytest.mark.parametrize(
    ("steps", "errors"),
    [
        (10, ((0.0, 0.4935), (1.0, 0.7104), (0.07, 0.0353))),
        (20, ((0.0, 0.2618), (1.0, 0.2748), (0.10, 0.0150))),
        (50, ((0.0, 0.1085), (1.0, 0.1004), (0.12, 0.0055))),
    ],
)
def test_golden_exact_errors_by_stochasticity(steps: int, errors: tuple[tuple[float, float], ...]) -> None:
    for eps, expected in errors:
        found = report(on(EDM(), Karras(steps=steps, start=80.0, stop=2e-3), em(eps), FIVE)).wasserstein2
        assert float(found.discretization) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(
    ("shift", "expected"), [(1.4118601822, 3.2348437166), (1.0, 3.3825138745), (3.0, 3.9829658066)]
)
def test_golden_values_by_shift(shift: float, expected: float) -> None:
    grid = Shifted(start=1.0, stop=0.0, shift=shift)
    assert expanded(on(FlowMatching(), grid, DDIM(eta=0.0), FIVE)).n_wasserstein2 == pytest.approx(expected, rel=2e-11)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (Shifted(start=80.0, stop=2e-3, shift=1.0), 3.2845246874),
        (Tangent(start=80.0, stop=2e-3, scale=math.sqrt(5.3 / 5)), 3.3808626667),
        (Karras(start=80.0, stop=2e-3), 5.5603030026),
        (LogUniform(start=80.0, stop=2e-3), 6.0957436022),
    ],
    ids=lambda value: type(value).__name__,
)
def test_golden_values_by_grid(grid: TimeGrid, expected: float) -> None:
    assert expanded(on(EDM(), grid, DDIM(eta=0.0), FIVE)).n_wasserstein2 == pytest.approx(expected, rel=2e-11)


def test_golden_value_of_a_power_law_on_the_grid_of_karras() -> None:
    where = on(EDM(), Karras(start=80.0, stop=2e-3), DDIM(eta=0.0), PowerLaw(modes=64, decay=2.0))
    assert expanded(where).n_wasserstein2 == pytest.approx(3.5978089662127619, rel=1e-11)


# ----------------------------------------------------------------------------------------- weak errors


def weak(kind: Any, **values: float) -> float:
    """Of Euler-Maruyama on the printed grid, eps 1, eigenvalue 1/4, mean 1."""
    process, grid = GRIDS_OF["VP"]
    data = Gaussian(array([1.0]), array([0.25]))
    mapped = grid.map(process)
    assert mapped is not None
    where = on(process, grid, em(1.0))
    found = local(where.sampler, process, where.score, data, (1.0, 0.05), mapped.kinks)
    end = process.marginal(data, array([0.05]))
    return float(kind(coefficients(found, mapped.rate(found.times)), end, **values))


def test_golden_weak_error_of_a_cosine() -> None:
    assert weak(weak_cosine, wave_number=2.0) == pytest.approx(-0.078841714444068748, rel=1e-13)


@pytest.mark.parametrize("which", ["mean", "second moment", "cosine"])
def test_weak_errors_are_those_of_the_exact_law(which: str) -> None:
    """N times the error of an expectation, extrapolated from N = 400 and 800."""

    def moment(mean: float, variance: float) -> float:
        if which == "mean":
            return mean
        return mean**2 + variance if which == "second moment" else math.exp(-2 * variance) * math.cos(2 * mean)

    def scaled_error(steps: int) -> float:
        where = on(VPLinear(), Uniform(steps=steps, start=1.0, stop=0.05), em(1.0))
        found = report(where).modes
        end = where.process.marginal(where.spectrum.law(), where.times[-1])
        exact = moment(float(end.mean), float(end.variance))
        return steps * (moment(float(found.mean), float(found.variance)) - exact)

    coarse, fine = scaled_error(400), scaled_error(800)
    kinds = {"mean": (weak_mean, {}), "second moment": (weak_second_moment, {}), "cosine": (weak_cosine, {})}
    function, values = kinds[which]
    found = weak(function, **({"wave_number": 2.0} if which == "cosine" else values))
    assert found == pytest.approx(2 * fine - coarse, rel=1e-3)
    assert abs(found - fine) > 2e-4 * abs(found)


# ------------------------------------------------------------------------------- integrals of the theory

OTHER_GRIDS: tuple[tuple[Process, TimeGrid, cf.ClosedProcess, Callable[[float], tuple[float, float]]], ...] = (
    (VPLinear(), Uniform(start=0.9, stop=0.02), cf.vp_linear(), lambda u: (0.9 - 0.88 * u, -0.88)),
    (VPCosine(), Uniform(start=0.9, stop=0.02), cf.vp_cosine(), lambda u: (0.9 - 0.88 * u, -0.88)),
    (
        EDM(),
        LogUniform(start=30.0, stop=0.02),
        cf.edm(),
        lambda u: (30.0 * (0.02 / 30) ** u, math.log(0.02 / 30) * 30.0 * (0.02 / 30) ** u),
    ),
    (
        Brownian(),
        Power(start=50.0, stop=0.01, rho=4.0),
        cf.brownian(),
        lambda u: (
            (50**0.25 + u * (0.01**0.25 - 50**0.25)) ** 4,
            4 * (0.01**0.25 - 50**0.25) * (50**0.25 + u * (0.01**0.25 - 50**0.25)) ** 3,
        ),
    ),
)
EPSILONS: tuple[tuple[Sampler, cf.Eps], ...] = (
    (em(0.0), 0.0),
    (em(0.3), 0.3),
    (ShapedEulerMaruyama(shape="bump", level=0.7, scale=0.8), cf.shaped("bump", 0.7, 0.8)),
    (ShapedEulerMaruyama(shape="low noise", level=0.7, scale=0.8), cf.shaped("low noise", 0.7, 0.8)),
    (ShapedEulerMaruyama(shape="high noise", level=0.7, scale=0.8), cf.shaped("high noise", 0.7, 0.8)),
    (ShapedEulerMaruyama(shape="matched", level=0.7, scale=0.8), cf.shaped("matched", 0.7, 0.8)),
    (TABULATED, cf.tabulated(TABLE)),
)


# Quadrature of quadrature takes its time: varying coefficients are tried in two places.
PLACES = [
    (*place, sampler, eps, ell)
    for place in OTHER_GRIDS
    for sampler, eps in EPSILONS
    for ell in (9.0, 0.04)
    if (ell == 9.0) == (type(place[0]) in (VPLinear, Brownian))
    if not isinstance(eps, cf.Varying) or (ell, type(place[0])) in ((9.0, VPLinear), (0.04, EDM))
]


@pytest.mark.parametrize(
    ("process", "grid", "closed", "path", "sampler", "eps", "eigenvalue"),
    PLACES,
    ids=[f"{type(place[0]).__name__}-{place[4]!r:.70}-{place[6]:g}" for place in PLACES],
)
def test_coefficients_of_euler_maruyama_are_the_integrals_of_the_theory(
    process: Process, grid: TimeGrid, closed: Any, path: Any, sampler: Sampler, eps: cf.Eps, eigenvalue: float
) -> None:
    """c1, m1 and the term of a wrong start: quadrature in u, with derivatives by differences in 50 digits."""
    expected = cf.first_order_euler(closed, path, eigenvalue, eps, by_panels)
    found = expanded(on(process, grid, sampler, Custom(eigenvalues=(eigenvalue,), mean=1.0), Noise()))
    for name in ("variance", "mean", "start_variance"):
        value = float(getattr(found, name)[0])
        assert value == pytest.approx(float(expected[name]), rel=1e-8, abs=1e-12), name


def by_panels(function: Callable[[float], float], kinks: list[float]) -> float:
    """Gauss-Legendre of 14 points on short panels."""
    nodes, weights = np.polynomial.legendre.leggauss(14)
    edges = sorted({*np.linspace(0.0, 1.0, 6).tolist(), *kinks})
    return sum(
        (b - a) / 2 * float(weight) * function((a + b) / 2 + (b - a) / 2 * float(node))
        for a, b in pairwise(edges)
        for node, weight in zip(nodes, weights, strict=True)
    )


def quad_over(function: Callable[[float], float], points: list[float]) -> float:
    value: Any = quad(function, 0.0, 1.0, points=points or None, limit=200, epsabs=1e-13, epsrel=1e-10)
    return float(value[0])


@pytest.mark.parametrize("eigenvalue", [9.0, 0.04])
@pytest.mark.parametrize(
    ("sampler", "kernel"),
    [
        *((DDIM(eta=eta), ("ddim", eta)) for eta in (0.0, 0.4, 1.0)),
        (DDPM(variance_share=0.0), ("small", 1.0)),
        (DDPM(variance_share=1.0), ("large", 1.0)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("process", [EDM(), VPLinear(), FlowMatching()], ids=lambda value: type(value).__name__)
def test_coefficients_of_ddim_and_ddpm_are_the_integrals_of_the_theory(
    process: Process, sampler: Sampler, kernel: tuple[str, float], eigenvalue: float
) -> None:
    high, low = 20.0, 0.02
    start, stop = process.time_of(array([high, low])).tolist()
    alpha = float(process.alpha(array(stop)))
    width = math.log(high / low)
    name, eta = kernel

    def density(u: float) -> float:
        s = high * math.exp(-width * u)
        x, end, rate = s * s, low * low, width * s
        if name == "ddim":
            forgotten = ((eigenvalue + end) / (eigenvalue + x)) ** eta**2
            return -((1 + eta**2) ** 2) * eigenvalue * (eigenvalue + end) / (eigenvalue + x) ** 2 * forgotten * rate**2
        size = (eigenvalue + end) ** 2 / (eigenvalue + x) ** 3 * (2 * s * rate) ** 2
        return size if name == "large" else -eigenvalue / x * size

    expected = alpha**2 * quad_over(density, [])
    grid = LogUniform(start=start, stop=stop)
    found = expanded(on(process, grid, sampler, Custom(eigenvalues=(eigenvalue,))))
    assert found.variance.tolist() == pytest.approx([expected], rel=1e-9)
    assert found.n_wasserstein2 == pytest.approx(abs(expected) / (2 * alpha * math.sqrt(eigenvalue + low**2)), rel=1e-9)


# ------------------------------------------------------------------- the exact error, as the steps become many

SMOOTH_GRIDS: tuple[Any, ...] = (
    Uniform(start=0.6, stop=0.05),
    LogUniform(start=0.6, stop=0.05),
    Karras(start=0.6, stop=0.05, rho=5.0),
    Tangent(start=0.6, stop=0.05, scale=0.6),
    Shifted(start=0.6, stop=0.05, shift=2.0),
    Power(start=0.6, stop=0.05, rho=2.0),
    Optimal(start=0.6, stop=0.05),
)
METHODS: tuple[Sampler, ...] = (
    em(0.4),
    SHAPED,
    ExponentialIntegrator(stochasticity=0.5),
    DDIM(eta=0.6),
    DDPM(variance_share=0.3),
    AncestralVP(),
)
SPECTRUM = Custom(eigenvalues=(3.0, 0.3, 0.02), mean=0.8)


def assert_is_limit(where: Experiment, steps: int, rtol: float) -> None:
    """N times the errors of variance and mean, and N W2, extrapolated from N and 2N."""

    def scaled(count: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        grid: Any = where.grid
        run = replace(where, grid=replace(grid, steps=count))
        found, law = report(run), run.spectrum.law()
        exact = run.process.marginal(law, run.times[-1:].unsqueeze(-1))
        off = count * (found.modes.variance - exact.variance[0]), count * (found.modes.mean - exact.mean[0])
        return *off, count * float(found.wasserstein2.discretization)

    coarse, fine = scaled(steps), scaled(2 * steps)
    limit = expanded(where)
    variance, mean = (array(part) for part in (limit.variance, limit.mean))
    torch.testing.assert_close(variance, 2 * fine[0] - coarse[0], rtol=rtol, atol=rtol * float(variance.abs().max()))
    torch.testing.assert_close(mean, 2 * fine[1] - coarse[1], rtol=rtol, atol=rtol)
    assert limit.n_wasserstein2 == pytest.approx(2 * fine[2] - coarse[2], rel=rtol)


# Every grid with every sampler would be more of the same.
PAIRS = [(grid, METHODS[(k + shift) % len(METHODS)]) for k, grid in enumerate(SMOOTH_GRIDS) for shift in (0, 2)]


@pytest.mark.parametrize(("grid", "sampler"), PAIRS, ids=lambda value: f"{value!r:.40}")
def test_the_expansion_is_the_limit_of_the_exact_error(grid: TimeGrid, sampler: Sampler) -> None:
    assert_is_limit(on(VPLinear(), grid, sampler, SPECTRUM), 800, 2e-3)


@pytest.mark.parametrize("sampler", [FlowEuler(), em(0.2), DDIM(eta=0.3)], ids=repr)
def test_the_expansion_is_the_limit_for_flow_matching(sampler: Sampler) -> None:
    assert_is_limit(on(FlowMatching(), Uniform(start=0.95, stop=0.02), sampler, SPECTRUM), 1500, 2e-3)


@pytest.mark.parametrize("model", ["SD1.5", "DeepFloyd"])
def test_the_expansion_is_the_limit_on_a_published_table(model: str) -> None:
    """Log s is linear between ten published levels: N is a multiple of ten, so that they are among the times."""
    process = EDM(sigma_max=1000.0)
    assert_is_limit(on(process, AlignYourSteps(model=model), DDIM(eta=0.0), SPECTRUM), 2000, 3e-3)


@pytest.mark.parametrize(
    "where",
    [
        on(VPLinear(), Uniform(start=0.9, stop=0.05), em(0.4), SPECTRUM),
        on(VPLinear(), Uniform(start=0.9, stop=0.05), TABULATED, SPECTRUM),
        on(VPLinear(), Karras(start=0.9, stop=0.05), DDIM(eta=0.5), SPECTRUM),
        on(VPLinear(), Uniform(start=0.9, stop=0.05), AncestralVP(), SPECTRUM),
        on(FlowMatching(), Uniform(start=0.9, stop=0.05), FlowEuler(), SPECTRUM),
    ],
    ids=lambda where: repr(where.sampler)[:60],
)
def test_a_wrong_start_adds_its_own_term(where: Experiment) -> None:
    """The derivative in 1/N, at 0, of what another start changes."""

    def left(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        grid: Any = where.grid
        right = replace(where, grid=replace(grid, steps=steps))
        wrong = replace(right, start=Noise())
        a, b = report(right).modes, report(wrong).modes
        return b.variance - a.variance, b.mean - a.mean

    runs = {steps: left(steps) for steps in (400, 800, 1600)}
    found = expanded(replace(where, start=Noise()))
    for part, expected in enumerate((found.start_variance, found.start_mean)):
        a, b, c = (runs[steps][part] for steps in (400, 800, 1600))
        slope = derivative(a, b, c, 1 / 1600)
        torch.testing.assert_close(array(expected), slope, rtol=2e-3, atol=2e-3 * float(slope.abs().max()))


def derivative(far: torch.Tensor, middle: torch.Tensor, near: torch.Tensor, h: float) -> torch.Tensor:
    """At zero, of the parabola through values at 4h, 2h and h."""
    first, second = (middle - near) / h, (far - near) / (3 * h)
    curvature = (second - first) / (2 * h)
    return first - 3 * h * curvature


# --------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("sampler", [DDIM(eta=0.0), em(0.0), DDPM(variance_share=0.0)], ids=repr)
def test_no_error_is_made_in_a_mode_without_variance_or_with_all_of_it(sampler: Sampler) -> None:
    grid = Karras(start=80.0, stop=2e-3)
    none = expanded(on(EDM(), grid, sampler, Custom(eigenvalues=(1.0, 0.0))))
    assert abs(none.variance[1]) <= 1e-18
    assert none.n_wasserstein2 == pytest.approx(
        expanded(on(EDM(), grid, sampler, Custom(eigenvalues=(1.0,)))).n_wasserstein2, rel=1e-12
    )
    huge = expanded(on(EDM(), grid, sampler, Custom(eigenvalues=(1e20,))))
    assert math.isfinite(huge.n_wasserstein2)
    assert huge.n_wasserstein2 <= 1e-6 * 1e10


def test_an_error_in_a_mode_without_variance_is_found_above_the_noise() -> None:
    """At eigenvalue 0 the law ends with variance s_N^2, on which Euler-Maruyama makes an error like any other."""
    where = on(EDM(), LogUniform(start=10.0, stop=0.1), em(1.0), Custom(eigenvalues=(0.0,)))
    # c1 = int (2 eps + eps^2) s^2/s^4 s_end^4/s^2 s'^2 du, with s' = w s.
    width = math.log(100.0)
    expected = 3 * 0.1**4 * width * quad_over(lambda u: width * (10 * math.exp(-width * u)) ** -2, [])
    assert expanded(where).variance.tolist() == pytest.approx([expected], rel=1e-9)


@pytest.mark.parametrize("sampler", [FlowEuler(), DDIM(eta=0.0), DDIM(eta=0.5)], ids=repr)
def test_from_pure_noise_to_data_zeros_and_large_modes_do_no_harm(sampler: Sampler) -> None:
    """The limit is not uniform as an eigenvalue goes to zero, but at zero it is zero."""
    grid = Uniform(start=1.0, stop=0.0)
    found = expanded(on(FlowMatching(), grid, sampler, Custom(eigenvalues=(1e6, 1.0, 1e-8, 0.0)), Noise()))
    assert all(math.isfinite(value) for value in found.variance)
    assert found.variance[3] == 0.0
    if sampler != DDIM(eta=0.5):
        roots = [1e3, 1.0, 1e-4]
        closed = [-root * (root + math.pi / 4 * (1 + root**2)) for root in roots]
        assert found.variance[:3].tolist() == pytest.approx(closed, rel=1e-11)


def test_many_modes_are_each_by_itself() -> None:
    """Interpolated over the spectrum and summed by quadrature, against one mode at a time."""
    spectrum = ImageLike(modes=3072, mean=0.1)
    where = on(VPLinear(), Karras(start=1.0, stop=1e-3), em(0.2), spectrum)
    found, law = expanded(where), spectrum.law()
    terms = array(found.variance).square() / (4 * where.process.marginal(law, where.times[-1]).variance)
    squares = terms.sum() + array(found.mean).square().sum()
    assert found.n_wasserstein2 == pytest.approx(float(squares.sqrt()), rel=1e-9)
    for rank in (0, 17, 900, 2999, 3071):
        alone = expanded(replace(where, spectrum=Custom(eigenvalues=(float(law.variance[rank]),), mean=0.1)))
        assert float(found.variance[rank]) == pytest.approx(float(alone.variance[0]), rel=1e-9)
        assert float(found.mean[rank]) == pytest.approx(float(alone.mean[0]), rel=1e-9)


# ------------------------------------------------------------------------------------- where it applies


@pytest.mark.parametrize("sampler", [Heun(), EDMHeun(), RungeKutta4(), DPMSolverPP2M()], ids=repr)
def test_a_method_of_higher_order_has_no_expansion(sampler: Sampler) -> None:
    assert expansion(on(EDM(), Karras(start=80.0, stop=2e-3), sampler)) is None


@pytest.mark.parametrize(
    "grid", [Tabulated(values=(10.0, 1.0, 0.1)), Karras(start=80.0, stop=2e-3, to_zero=True)], ids=repr
)
def test_a_list_of_times_has_no_limit(grid: TimeGrid) -> None:
    assert expansion(on(EDM(), grid, DDIM(eta=0.0))) is None


@pytest.mark.parametrize("steps", [5, 40, 400])
def test_the_regime_is_the_largest_angle(steps: int) -> None:
    where = on(EDM(), Karras(steps=steps, start=80.0, stop=2e-3), DDIM(eta=0.0), FIVE)
    found = expanded(where)
    angles = [
        max(math.atan(a / math.sqrt(ell)) - math.atan(b / math.sqrt(ell)) for a, b in pairwise(where.times.tolist()))
        for ell in (4.0, 1.0, 0.25, 0.04, 0.01)
    ]
    assert found.largest_angle == pytest.approx(max(angles), rel=1e-12)
    assert found.in_regime == (max(angles) <= 0.3)
    # Where it is trusted, it is right to a tenth.
    if found.in_regime:
        exact = steps * float(report(where).wasserstein2.discretization)
        assert found.n_wasserstein2 == pytest.approx(exact, rel=0.1)
    assert {5: False, 40: None, 400: True}[steps] in (None, found.in_regime)


def test_an_unstable_run_is_not_in_the_regime() -> None:
    small = Custom(eigenvalues=(1e-8,))
    where = on(VPLinear(), Uniform(steps=100, start=1.0, stop=1e-4), em(1.0), small)
    assert not report(where).is_stable
    assert not expanded(where).in_regime
