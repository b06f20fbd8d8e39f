"""Sensitivities against central differences of the report, for every continuous parameter."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from kernels.analyses.sweep import numeric_paths, with_value
from kernels.experiment import Experiment
from kernels.grids import AlignYourSteps, Karras, LogUniform, Optimal, Power, Shifted, Tabulated, Tangent, Uniform
from kernels.processes import EDM, Brownian, FlowMatching, VEGeometric, VPCosine, VPLinear
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
    ShapedEulerMaruyama,
)
from kernels.sensitivity import sensitivities
from kernels.spectra import Custom, ImageLike, Isotropic, PowerLaw, TwoBlock
from kernels.spectra import LogUniform as LogUniformSpectrum
from kernels.starts import Marginal
from tests.kernels.cases import TABULATED
from tests.strategies import experiments

P = PowerLaw(modes=6, decay=1.7, scale=2.0, mean=0.3)
WHERE: list[Experiment] = [
    Experiment(spectrum=P, grid=Uniform(steps=20)),
    Experiment(
        spectrum=Isotropic(modes=3, eigenvalue=0.4, mean=-0.5),
        process=VPCosine(), grid=Shifted(steps=9, start=0.95, stop=0.01), sampler=DDIM(eta=0.4),
    ),
    Experiment(
        spectrum=LogUniformSpectrum(modes=5, condition=300.0), process=EDM(), start=Marginal(),
        grid=Karras(steps=12, start=80.0, stop=2e-3), sampler=EulerMaruyama(stochasticity=0.1),
    ),
    Experiment(
        spectrum=TwoBlock(modes=9, condition=40.0, fraction=0.4), process=VEGeometric(),
        grid=Power(steps=12, start=0.9, stop=0.1), sampler=DDPM(variance_share=0.4),
    ),
    Experiment(
        spectrum=ImageLike(modes=40, scale=0.5, mean=0.1), process=Brownian(),
        grid=LogUniform(steps=12, start=100.0, stop=1e-3), sampler=DPMSolverPP2M(),
    ),
    Experiment(
        spectrum=Custom(eigenvalues=(2.0, 0.3, 0.0), mean=1.0), process=FlowMatching(),
        grid=Tangent(steps=7, start=1.0, stop=0.0), sampler=FlowEuler(),
    ),
    Experiment(spectrum=P, grid=Uniform(steps=100), sampler=AncestralVP()),
    Experiment(spectrum=P, grid=LogUniform(steps=15), sampler=ExponentialIntegrator(stochasticity=0.3)),
    Experiment(spectrum=P, grid=Power(steps=15), sampler=Heun()),
    Experiment(
        spectrum=P, process=EDM(), grid=Karras(steps=8, start=80.0, stop=2e-3, to_zero=True), sampler=EDMHeun()
    ),
    Experiment(
        spectrum=P, process=EDM(), grid=Karras(steps=8, start=80.0, stop=2e-3, to_zero=True), sampler=DDIM(eta=0.0)
    ),
    Experiment(spectrum=P, grid=Karras(steps=15), sampler=RungeKutta4()),
    Experiment(spectrum=P, grid=LogUniform(steps=15), sampler=ShapedEulerMaruyama()),
    Experiment(spectrum=P, grid=LogUniform(steps=15), sampler=TABULATED),
    Experiment(
        spectrum=P, process=VPLinear(), grid=AlignYourSteps(steps=10, model="SD1.5"), sampler=DDIM(eta=0.2)
    ),
    Experiment(
        spectrum=P, process=EDM(), grid=Tabulated(values=(60.0, 3.0, 0.2, 0.01)),
        sampler=EulerMaruyama(stochasticity=0.2), start=Marginal(),
    ),
]  # fmt: skip


def total(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.total)


def by_differences(where: Experiment, path: str) -> float | None:
    """Of log W2; None at an end of the domain."""
    family, _, name = path.partition(".")
    own = float(getattr(getattr(where, family), name))
    step = 1e-4 * abs(own) if own else 1e-5
    try:
        ends = [math.log(total(with_value(where, path, own + sign * step))) for sign in (1, -1)]
    except ValueError:
        return None
    return (ends[0] - ends[1]) / (2 * step)


def continuous(where: Experiment) -> list[str]:
    return [path for path, number in numeric_paths(where).items() if not number.integer]


@pytest.mark.parametrize("where", WHERE, ids=lambda e: f"{e.sampler!r:.40}-{type(e.grid).__name__}-{type(e.process).__name__}")  # fmt: skip
def test_every_derivative_is_that_of_the_error(where: Experiment) -> None:
    found = sensitivities(where)
    compared = 0
    for path in continuous(where):
        expected = by_differences(where, path)
        if expected is None:
            continue
        if path not in found:
            # Left out is what the error does not depend on.
            assert abs(expected) <= 1e-7, path
            continue
        compared += 1
        scale = abs(float(getattr(getattr(where, path.partition(".")[0]), path.partition(".")[2]))) or 1.0
        assert found[path] == pytest.approx(expected, rel=2e-4, abs=1e-6 / scale), path
    assert compared >= 1
    assert set(found) <= set(continuous(where))


def test_a_parameter_at_the_end_of_its_domain_has_a_derivative_from_inside() -> None:
    where = WHERE[2]
    where = replace(where, sampler=EulerMaruyama(stochasticity=0.0))
    found = sensitivities(where)["sampler.stochasticity"]
    h = 1e-6
    ahead = [total(replace(where, sampler=EulerMaruyama(stochasticity=k * h))) for k in (0, 1, 2)]
    expected = (-3 * math.log(ahead[0]) + 4 * math.log(ahead[1]) - math.log(ahead[2])) / (2 * h)
    assert found == pytest.approx(expected, rel=1e-4)
    assert found < -1


def test_the_stochasticity_of_ddim_enters_squared() -> None:
    found = sensitivities(replace(WHERE[1], sampler=DDIM(eta=0.0)))
    assert found["sampler.eta"] == 0.0


def test_of_a_grid_that_adapts_only_what_does_not_move_it_is_told() -> None:
    """Its times are held: the sampler's own effect at those times."""
    where = Experiment(
        spectrum=PowerLaw(modes=8), process=EDM(), grid=Optimal(steps=6, start=80.0, stop=2e-3),
        sampler=EulerMaruyama(stochasticity=0.3), start=Marginal(),
    )  # fmt: skip
    found = sensitivities(where)
    assert not any(path.startswith("grid.") for path in found)
    held = replace(where, grid=Tabulated(values=tuple(where.times.tolist())))
    for path in ("sampler.stochasticity", "spectrum.scale", "spectrum.decay"):
        assert found[path] == pytest.approx(by_differences(held, path), rel=1e-4)


def test_an_error_of_zero_or_without_bound_has_no_sensitivities() -> None:
    nothing = Experiment(
        spectrum=Custom(eigenvalues=(0.0,)), process=EDM(), grid=Tabulated(values=(1.0, 0.0)), sampler=DDIM(eta=0.0),
        start=Marginal(),
    )  # fmt: skip
    assert total(nothing) == 0.0
    assert sensitivities(nothing) == {}
    wild = Experiment(
        spectrum=PowerLaw(modes=5, scale=1e-12), process=EDM(), grid=Uniform(steps=4000, start=80.0, stop=1e-3),
        sampler=EulerMaruyama(stochasticity=2.0), start=Marginal(),
    )  # fmt: skip
    if math.isinf(total(wild)):
        assert sensitivities(wild) == {}


@settings(max_examples=8)
@given(experiments())
def test_any_experiment_has_finite_sensitivities(where: Experiment) -> None:
    found: dict[str, Any] = sensitivities(where)
    assert all(isinstance(slope, float) and math.isfinite(slope) for slope in found.values())
    assert set(found) <= set(continuous(where))
