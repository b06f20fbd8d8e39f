"""The optimal density of steps: printed values, the condition of a minimum, and the cases with a closed form."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kernels.analyses.expansion import expansion
from kernels.arrays import array
from kernels.density import OBJECTIVES, Density, step_density
from kernels.expansion import Local, local
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Optimal, Shifted, Tangent, placed
from kernels.grids.optimal import best_density
from kernels.processes import EDM, FlowMatching, Process, VPLinear
from kernels.report import report
from kernels.samplers import DDIM, DDPM, EulerMaruyama, FlowEuler, Heun, Sampler
from kernels.spectra import Custom, EigenvalueFile, Isotropic, PowerLaw, Spectrum
from kernels.starts import Marginal, Noise

FIVE = (4.0, 1.0, 0.25, 0.04, 0.01)
CIFAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10_eigenvalues.npy"


def edm(grid: Optimal, spectrum: Spectrum, sampler: Sampler | None = None) -> Experiment:
    return Experiment(spectrum=spectrum, process=EDM(), grid=grid, sampler=sampler or DDIM(eta=0.0), start=Marginal())


def leading(experiment: Experiment) -> float:
    found = expansion(experiment)
    assert found is not None
    return found.n_wasserstein2


# ------------------------------------------------------------------------------------------- golden values


@pytest.mark.parametrize(
    ("objective", "expected"), [("wasserstein2", 3.1051373852), ("l1", 3.1352443079), ("kl", 4.2855170348)]
)
def test_golden_values_of_five_modes(objective: str, expected: float) -> None:
    where = edm(Optimal(start=80.0, stop=2e-3, objective=objective), Custom(eigenvalues=FIVE))
    assert leading(where) == pytest.approx(expected, rel=3e-11)
    _, also = best_density(where.spectrum.law(), where.setting, where.sampler, (80.0, 2e-3), objective)
    assert also == pytest.approx(expected, rel=3e-11)


def test_golden_value_and_grid_of_a_power_law() -> None:
    where = edm(Optimal(steps=10, start=80.0, stop=2e-3), PowerLaw(modes=64, decay=2.0))
    assert leading(where) == pytest.approx(2.0681314683666452, rel=1e-11)
    expected = [80, 4.034133, 1.960085, 1.196221, 0.774471, 0.496797, 0.301341, 0.165122, 0.076948, 0.027204, 0.002]
    assert where.times.tolist() == pytest.approx(expected, abs=1e-6)
    assert float(report(where).wasserstein2.discretization) == pytest.approx(0.190690847, abs=5.1e-10)


@pytest.mark.skipif(not CIFAR.exists(), reason="the eigenvalues of CIFAR-10 are not part of the repository")
@pytest.mark.parametrize(("objective", "expected", "exact"), [("wasserstein2", 48.70, 2.314), ("l1", 50.84, 2.357)])
def test_golden_values_of_photographs(objective: str, expected: float, exact: float) -> None:
    where = edm(Optimal(steps=20, start=80.0, stop=2e-3, objective=objective), EigenvalueFile(path=str(CIFAR)))
    assert leading(where) == pytest.approx(expected, rel=3e-4)
    assert float(report(where).wasserstein2.discretization) == pytest.approx(exact, abs=1e-3)


# -------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("eigenvalue", [0.49, 30.0, 1e-4])
def test_for_equal_modes_the_tangent_law_is_best_for_every_number_of_steps(steps: int, eigenvalue: float) -> None:
    spectrum = Isotropic(modes=7, eigenvalue=eigenvalue)
    where = edm(Optimal(steps=steps, start=20.0, stop=0.01), spectrum)
    tangent = Tangent(steps=steps, start=20.0, stop=0.01, scale=math.sqrt(eigenvalue))
    assert where.times.tolist() == pytest.approx(tangent.times(EDM()).tolist(), rel=1e-9)
    angle = math.atan(20 / math.sqrt(eigenvalue)) - math.atan(0.01 / math.sqrt(eigenvalue))
    closed = math.sqrt(7 * (eigenvalue + 1e-4)) * (1 - math.cos(angle / steps) ** steps)
    assert float(report(where).wasserstein2.discretization) == pytest.approx(closed, rel=1e-9)


def test_golden_error_of_the_tangent_law() -> None:
    where = edm(Optimal(steps=8, start=20.0, stop=0.01), Isotropic(modes=1, eigenvalue=0.49))
    assert float(report(where).wasserstein2.discretization) == pytest.approx(0.094839641816285514, rel=1e-11)


@pytest.mark.parametrize("eigenvalue", [9.0, 0.04])
@pytest.mark.parametrize(
    ("sampler", "constant"),
    [
        (FlowEuler(), math.pi**2 / 8),
        (DDIM(eta=0.0), math.pi**2 / 8),
        (DDIM(eta=0.5), 1.4237308795),
        (DDIM(eta=1.0), 2.0),
        (DDPM(variance_share=0.0), 2.0),
    ],
    ids=repr,
)
def test_best_possible_constants(sampler: Sampler, constant: float, eigenvalue: float) -> None:
    """From s = inf to s = 0 for one mode."""
    where = Experiment(
        spectrum=Custom(eigenvalues=(eigenvalue,)),
        process=FlowMatching(),
        grid=Optimal(steps=20, start=1.0, stop=0.0),
        sampler=sampler,
        start=Noise(),
    )
    assert leading(where) / math.sqrt(eigenvalue) == pytest.approx(constant, rel=3e-4)


def test_best_possible_constant_of_the_large_variance() -> None:
    """2 as well, on a grid uniform in (l + x)^(-1/2); the start must have some signal."""
    where = Experiment(
        spectrum=Custom(eigenvalues=(0.25,)),
        process=EDM(sigma_max=1e6),
        grid=Optimal(steps=20, start=1e4, stop=1e-6),
        sampler=DDPM(variance_share=1.0),
        start=Marginal(),
    )
    assert leading(where) == pytest.approx(2.0 * 0.5, rel=3e-4)
    x = where.times.square()
    steps = (0.25 + x).rsqrt().diff()
    assert float(steps.std() / steps.mean()) < 1e-6


def test_from_pure_noise_the_best_grid_of_one_mode_is_uniform_in_the_angle() -> None:
    where = Experiment(
        spectrum=Custom(eigenvalues=(4.0,)),
        process=FlowMatching(),
        grid=Optimal(steps=10, start=1.0, stop=0.0),
        sampler=FlowEuler(),
        start=Noise(),
    )
    angles = [math.atan2(t, 2 * (1 - t)) for t in where.times.tolist()]
    assert angles == pytest.approx([math.pi / 2 * (1 - k / 10) for k in range(11)], abs=2e-4)


# -------------------------------------------------------------------------------------------- a minimum

CONVEX: list[tuple[Process, Sampler, tuple[float, float]]] = [
    (EDM(), DDIM(eta=0.0), (80.0, 2e-3)),
    (EDM(), DDPM(variance_share=1.0), (80.0, 2e-3)),
    (VPLinear(), DDIM(eta=0.5), (1.0, 1e-3)),
]


def kernels_of(found: Local, process: Process) -> Tensor:
    nodes = len(found.rule.nodes)
    t = found.times[:nodes]
    speed = (2 * process.sigma(t).square() / process.diffusion_squared(t)).unsqueeze(1)
    return (found.defect * found.kept)[:nodes] * speed.square() / found.final


def objective_of(density: Tensor, found: Local, process: Process, objective: str) -> float:
    """Of the relative coefficients, as the theory writes it."""
    errors = (found.rule.weights / density) @ kernels_of(found, process)
    weigh, power = OBJECTIVES[objective]
    return float((weigh(found.final) * errors.abs() ** power).sum())


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("process", "sampler", "ends"), CONVEX, ids=lambda value: type(value).__name__)
def test_any_other_density_is_worse(
    process: Process, sampler: Sampler, ends: tuple[float, float], objective: str
) -> None:
    data = Gaussian(array([0.0]), array(FIVE))
    where = Experiment(process=process, sampler=sampler, grid=Optimal(start=ends[0], stop=ends[1]), start=Marginal())
    found = local(sampler, process, where.score, data, ends)
    best = step_density(found, process, array([1.0] * 5), objective)
    assert float(best.rule.weights @ best.values) == pytest.approx(1.0, rel=1e-12)
    least = objective_of(best.values, found, process, objective)
    rng = np.random.default_rng(5)
    y = best.rule.nodes.numpy()
    for size in (0.3, 3e-3):
        for _ in range(12):
            wave = np.sin(rng.uniform(0.1, 3) * y + rng.uniform(0, 7))
            other = best.values * array(np.exp(size * wave))
            other = other / (best.rule.weights @ other)
            rise = objective_of(other, found, process, objective) / least - 1
            # Of second order in the perturbation: this tells a minimum from a mere place.
            assert 0 < rise < 60 * size**2


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_condition_of_a_minimum(objective: str) -> None:
    """rho^2 is proportional to sum_i w_i C_i kappa_i, or for the surrogate to sum_i w_i kappa_i."""
    process, sampler, ends = CONVEX[0]
    where = Experiment(process=process, sampler=sampler, grid=Optimal(start=ends[0], stop=ends[1]), start=Marginal())
    found = local(sampler, process, where.score, Gaussian(array([0.0]), array(FIVE)), ends)
    counts = array([3.0, 1.0, 2.0, 5.0, 1.0])
    best = step_density(found, process, counts, objective)
    kernels = kernels_of(found, process).abs()
    weigh, power = OBJECTIVES[objective]
    errors = (best.rule.weights / best.values) @ kernels if power == 2 else torch.ones(5, dtype=torch.float64)
    ratio = best.values.square() / (kernels @ (weigh(found.final) * counts * errors))
    kept = best.values > 1e-6 * best.values.max()
    assert float((ratio[kept] / ratio[kept].mean() - 1).abs().max()) <= 1e-9


def test_a_density_is_inverted_exactly() -> None:
    """Between the levels lie equal shares, by quadrature of the density between them."""
    where = edm(Optimal(steps=12, start=80.0, stop=2e-3), Custom(eigenvalues=FIVE))
    density, _ = best_density(where.spectrum.law(), where.setting, where.sampler, (80.0, 2e-3), "wasserstein2")
    places = [-math.log(s) for s in (80.0, *density.levels(12).tolist(), 2e-3)]
    nodes, weights = np.polynomial.legendre.leggauss(300)
    for a, b in pairwise(places):
        y = (a + b) / 2 + (b - a) / 2 * nodes
        share = (b - a) / 2 * float(weights @ density.at(array(np.exp(-y))).numpy())
        assert share == pytest.approx(1 / 12, rel=1e-6)
    assert isinstance(density, Density)


def test_the_best_grid_beats_the_others_where_the_theory_holds() -> None:
    spectrum = Custom(eigenvalues=FIVE)
    where = edm(Optimal(steps=200, start=80.0, stop=2e-3), spectrum)
    best = float(report(where).wasserstein2.discretization)
    shifts = [Shifted(steps=200, start=80.0, stop=2e-3, shift=k) for k in (1.0, 1.4118601822, 3.0)]
    for grid in (*shifts, Tangent(steps=200, start=80.0, stop=2e-3, scale=1.0)):
        assert best < float(report(replace(where, grid=grid)).wasserstein2.discretization)
    assert 200 * best == pytest.approx(3.1051373852, rel=0.02)


# ----------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("to_zero", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_ends_are_reached_and_the_last_step_goes_to_zero(steps: int, to_zero: bool) -> None:
    grid = Optimal(steps=steps, start=80.0, stop=2e-3, to_zero=to_zero)
    times = edm(grid, Custom(eigenvalues=(*FIVE, 0.0))).times.tolist()
    assert len(times) == steps + 1
    assert times[0] == 80.0
    assert times[-1] == (0.0 if to_zero else 2e-3)
    if to_zero and steps > 1:
        assert times[-2] == 2e-3
        without = Optimal(steps=steps - 1, start=80.0, stop=2e-3)
        assert times[:-1] == edm(without, Custom(eigenvalues=(*FIVE, 0.0))).times.tolist()


@pytest.mark.parametrize("spectrum", [Custom(eigenvalues=(0.0,)), Custom(eigenvalues=(1e12, 0.0)), Custom(eigenvalues=(1e-300,))], ids=repr)  # fmt: skip
@pytest.mark.parametrize("sampler", [DDIM(eta=0.0), EulerMaruyama(stochasticity=0.3)], ids=repr)
def test_spectra_without_an_error_to_lessen_still_have_a_grid(spectrum: Spectrum, sampler: Sampler) -> None:
    times = edm(Optimal(steps=6, start=80.0, stop=2e-3), spectrum, sampler).times
    assert bool((times.diff() < 0).all())
    assert (float(times[0]), float(times[-1])) == (80.0, 2e-3)


def test_a_method_of_higher_order_has_no_density() -> None:
    with pytest.raises(ValueError) as refusal:
        edm(Optimal(start=80.0, stop=2e-3), Custom(eigenvalues=FIVE), Heun())
    assert str(refusal.value) == (
        "Optimal.method (by) must be exact with Heun, which has no first-order expansion, got 'density'."
    )
    exact = Optimal(steps=4, start=80.0, stop=2e-3, method="exact")
    assert len(edm(exact, Custom(eigenvalues=FIVE), Heun()).times) == 5


@pytest.mark.parametrize("method", ["density", "exact"])
def test_relative_entropy_is_not_defined_on_zeros(method: str) -> None:
    where = edm(Optimal(start=80.0, stop=2e-3, objective="kl", method=method), Custom(eigenvalues=(1.0, 0.0, 0.0)))
    with pytest.raises(ValueError) as refusal:
        placed(where.grid, where.setting)
    assert str(refusal.value) == (
        "The objective kl needs eigenvalues above 0, got 2 of 3 that are 0; choose the objective wasserstein2."
    )
