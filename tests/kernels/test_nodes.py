"""Interpolation over the spectrum gives what every mode by itself gives."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor

from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Uniform
from kernels.nodes import WIDTH, Levels, Panel, direct, levels_of
from kernels.processes import EDM, FlowMatching, VPLinear
from kernels.report import ErrorReport, Path, Solution, solve
from kernels.samplers import DDIM, EulerMaruyama, RungeKutta4
from kernels.spectra import Custom, ImageLike, LogUniform, PowerLaw, Spectrum, TwoBlock
from kernels.starts import STARTS
from tests.kernels.cases import CASES, MANY, Case
from tests.strategies import experiments


@dataclass(frozen=True)
class Found:
    """Everything that is computed from the laws at the nodes."""

    solution: Solution
    report: ErrorReport
    path: Path


def every_mode_by_itself(law: Gaussian) -> tuple[Levels, list[Panel]]:
    levels = levels_of(law)
    return levels, [direct(levels, 0, len(levels.eigenvalues))]


def fresh(experiment: Experiment) -> Found:
    """Solved anew: `solve` would hand out the solution that it keeps."""
    solution: Solution = solve.__wrapped__(experiment)
    return Found(solution, solution.report(), solution.path())


def both(experiment: Experiment) -> tuple[Found, Found]:
    """Interpolated and direct."""
    interpolated = fresh(experiment)
    with pytest.MonkeyPatch.context() as patch:
        # The panels of a law are kept, so that the function that keeps them is replaced, not `panels`.
        patch.setattr("kernels.report.reduced", every_mode_by_itself)
        return interpolated, fresh(experiment)


def compared(found: Found) -> dict[str, Tensor]:
    """What is compared, by name."""
    sources: dict[str, Tensor] = {
        name: torch.as_tensor(value) for name, value in vars(found.report.wasserstein2).items()
    }
    return {
        **sources,
        "path.total": found.path.total,
        "path.discretization": found.path.discretization,
    }


def assert_same(experiment: Experiment, rtol: float) -> None:
    interpolated, alone = both(experiment)
    others = compared(alone)
    # A distance that is mere rounding of the standard deviations, of both, has no digits to compare.
    law = experiment.spectrum.law()
    size = float((law.variance.sum() + law.mean.square().sum() + law.variance.numel()).sqrt())
    rounding = 2e-15 * max(1.0, float(experiment.process.sigma(experiment.times[0])))
    for name, value in compared(interpolated).items():
        torch.testing.assert_close(
            value, others[name], rtol=rtol, atol=rounding * size, msg=lambda text, name=name: f"{name}: {text}"
        )
    found, expected = interpolated.report.modes, alone.report.modes
    # A single step over decades leaves the gain with the digits of 1 - gain.
    assert_modes(
        law.variance, found.variance, expected.variance, rtol, rounding * (expected.variance.sqrt() + rounding)
    )
    # Where a mode's mean happens to vanish, it is as good as what vanished: its panel may hold no other mode.
    assert_modes(law.variance, found.mean, expected.mean, rtol, 1e-2 * rtol * law.mean.abs())
    assert torch.equal(interpolated.path.steps, alone.path.steps)
    assert_stability(law.variance, found.is_stable, expected.is_stable)


def assert_modes(eigenvalue: Tensor, found: Tensor, expected: Tensor, rtol: float, atol: Tensor) -> None:
    """Mode by mode, an interpolant is as good as the largest value on its panel, which is at most this wide."""
    log = eigenvalue.log()
    near = ((log.unsqueeze(1) - log).abs() <= WIDTH) | (eigenvalue.unsqueeze(1) == eigenvalue)
    finite = expected.isfinite()
    size = (near * torch.where(finite, expected, 0.0).abs()).amax(1)
    assert torch.equal(found[~finite], expected[~finite])
    wrong = ~((found - expected).abs() <= rtol * size + atol) & finite
    assert not bool(wrong.any()), (eigenvalue[wrong], found[wrong], expected[wrong])


def assert_stability(eigenvalue: Tensor, found: Tensor, expected: Tensor) -> None:
    """Stability is read off the nearest node, less than a quarter nat away: wrong only next to where it changes."""
    log = eigenvalue.log()
    near = (log.unsqueeze(1) - log).abs() <= 0.25
    changes = (near & expected).any(1) & (near & ~expected).any(1)
    assert bool(((found == expected) | changes).all())


SPECTRA: tuple[Spectrum, ...] = (
    PowerLaw(modes=400, decay=2.0, mean=0.7),
    LogUniform(modes=250, condition=1e14, scale=100.0, mean=-0.2),
)


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_interpolated_is_direct(case: Case, start: Any) -> None:
    family = case.family
    grid = Uniform(steps=MANY, start=family.start, stop=family.stop)
    # Every case meets both spectra, and every start does.
    spectrum = SPECTRA[(CASES.index(case) + STARTS.index(start)) % len(SPECTRA)]
    assert_same(
        Experiment(spectrum=spectrum, process=family.process, grid=grid, sampler=case.sampler, start=start()), 1e-12
    )


@pytest.mark.parametrize(
    "spectrum",
    [
        ImageLike(modes=3072),
        ImageLike(modes=1000, mean=0.5),
        TwoBlock(modes=500, condition=1e8, fraction=0.3, mean=1.0),
        Custom(eigenvalues=tuple([0.0] * 50 + [1e-300, 1e-30, 1.0] * 40), mean=0.3),
        Custom(eigenvalues=tuple(1.0 + 1e-13 * k for k in range(200))),
        Custom(eigenvalues=(*tuple(1.0 + 0.001 * k for k in range(200)), 0.0, 0.0)),
    ],
    ids=lambda spectrum: type(spectrum).__name__,
)
@pytest.mark.parametrize("sampler", [EulerMaruyama(stochasticity=0.4), DDIM(eta=0.0), RungeKutta4()], ids=repr)
def test_zeros_and_repeated_eigenvalues(spectrum: Spectrum, sampler: Any) -> None:
    assert_same(Experiment(spectrum=spectrum, grid=Uniform(steps=100), sampler=sampler), 1e-12)


@pytest.mark.parametrize("steps", [3, 10, 300])
def test_errors_that_vanish_for_some_eigenvalue(steps: int) -> None:
    """The signed error crosses zero, where its square has a root and the error by mode a kink."""
    spectrum = LogUniform(modes=800, condition=1e8, scale=50.0)
    for sampler in (EulerMaruyama(stochasticity=0.137), EulerMaruyama(stochasticity=0.0)):
        for process, grid in (
            (EDM(), Uniform(steps=steps, start=80.0, stop=2e-3)),
            (VPLinear(), Uniform(steps=steps)),
            (FlowMatching(), Uniform(steps=steps, start=0.99, stop=0.0)),
        ):
            assert_same(Experiment(spectrum=spectrum, process=process, grid=grid, sampler=sampler), 1e-12)


@pytest.mark.parametrize("steps", [20, 80, 200, 300])
@pytest.mark.parametrize("stochasticity", [3.0, 30.0, 100.0, 1000.0])
@pytest.mark.parametrize("scale", [1000.0, 10.0])
def test_what_grows_is_resolved(scale: float, stochasticity: float, steps: int) -> None:
    """Products of many gains beyond one are steep functions of the eigenvalue: their panels have to be split."""
    grid = Uniform(steps=steps, start=80.0, stop=2e-3)
    shaken = EulerMaruyama(stochasticity=stochasticity)
    for condition in (80.0, 1e8):
        spectrum = LogUniform(modes=400, condition=condition, scale=scale, mean=0.5)
        assert_same(Experiment(spectrum=spectrum, process=EDM(), grid=grid, sampler=shaken), 1e-11)


@pytest.mark.parametrize("steps", [400, 2000])
def test_what_has_blown_up_is_infinite(steps: int) -> None:
    """Euler's step is unstable for the smallest modes; given steps enough the variance leaves the range of floats."""
    spectrum = LogUniform(modes=300, condition=1e12, mean=1.0)
    grid = Uniform(steps=steps, start=80.0, stop=0.0)
    shaken = EulerMaruyama(stochasticity=4.0e4)
    experiment = Experiment(spectrum=spectrum, process=EDM(), grid=grid, sampler=shaken)
    assert_same(experiment, 1e-12)
    found = fresh(experiment).report
    assert float(found.wasserstein2.total) == torch.inf
    assert not found.is_stable


def test_repeated_eigenvalues_are_counted_with_their_means() -> None:
    law = Gaussian(torch.tensor([1.0, 2.0, 3.0, 4.0]).double(), torch.tensor([2.0, 0.5, 0.5, 0.0]).double())
    levels = levels_of(law)
    assert levels.eigenvalues.tolist() == [2.0, 0.5, 0.0]
    assert levels.position.tolist() == [0, 1, 1, 2]
    assert levels.counts.tolist() == [1.0, 2.0, 1.0]
    assert levels.mean_squares.tolist() == [1.0, 13.0, 16.0]


def test_interpolation_saves_recursions() -> None:
    """Else the comparisons above would compare a computation with itself."""
    with pytest.MonkeyPatch.context() as patch:
        asked: list[int] = []
        evaluate = Solution._evaluate  # pyright: ignore[reportPrivateUsage]

        def counted(solution: Solution, eigenvalues: Tensor) -> Tensor:
            asked.append(len(eigenvalues))
            return evaluate(solution, eigenvalues)

        patch.setattr(Solution, "_evaluate", counted)
        fresh(Experiment(spectrum=PowerLaw(modes=4000)))
        assert 0 < sum(asked) < 400


@given(experiments())
def test_any_experiment_is_solved_and_interpolation_is_exact(experiment: Experiment) -> None:
    assert_same(experiment, 1e-11)
    larger = experiment.spectrum
    if isinstance(larger, PowerLaw):
        assert_same(replace(experiment, spectrum=replace(larger, modes=600)), 1e-11)
