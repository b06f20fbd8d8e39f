"""A better grid and stochasticity: a true minimum of the exact error, never worse than the start, robust if asked."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from kernels.experiment import Experiment
from kernels.grids import Karras, LogUniform, Optimal, Tabulated, Tangent, Uniform
from kernels.optimize import Optimum, Progress, Request, optimize, scaled
from kernels.processes import EDM, FlowMatching, VPLinear
from kernels.report import report
from kernels.samplers import (
    DDIM,
    DDPM,
    DPMSolverPP2M,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    Sampler,
    TabulatedEulerMaruyama,
)
from kernels.spectra import Custom, Isotropic, PowerLaw, Spectrum
from kernels.starts import Marginal, Noise

FIVE = Custom(eigenvalues=(4.0, 1.0, 0.25, 0.04, 0.01))
# More modes than there are parameters.
MANY = PowerLaw(modes=12, decay=2.0)


def edm(sampler: Sampler, steps: int = 5, spectrum: Spectrum = FIVE) -> Experiment:
    grid = Karras(steps=steps, start=80.0, stop=2e-3)
    return Experiment(spectrum=spectrum, process=EDM(), grid=grid, sampler=sampler, start=Marginal())


def total(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.total)


def of_times(experiment: Experiment, times: list[float]) -> float:
    return total(replace(experiment, grid=Tabulated(values=tuple(times))))


def plain_total(eps: float, places: np.ndarray) -> float:
    """W2 of Euler-Maruyama in the noise level on five modes, written out; eps 0 is DDIM."""
    s, square = np.exp(-places), 0.0
    for ell in FIVE.eigenvalues:
        v = ell + s[0] ** 2
        for a, b in pairwise(s.tolist()):
            v = (1 - (1 + eps) * (a - b) * a / (ell + a * a)) ** 2 * v + 2 * eps * a * (a - b)
        square += (math.sqrt(v) - math.sqrt(ell)) ** 2
    return math.sqrt(square)


def of_log_steps(eps: float, steps: np.ndarray) -> float:
    """The same for the logarithms of the increments of -log s, ends held."""
    shares = np.exp(steps - steps.max())
    inner = np.cumsum(shares / shares.sum())
    return plain_total(eps, -math.log(80.0) + math.log(80.0 / 2e-3) * np.concatenate([[0.0], inner]))


@pytest.fixture(autouse=True, scope="module")
def search_briefly() -> Iterator[None]:
    """Checks of types at run time take most of the time: a smaller budget of evaluations than a person gets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kernels.optimize._TRIAL", 5)
        patch.setattr("kernels.optimize._POLISH", 40)
        yield


# ------------------------------------------------------------------------------------------- a minimum

STARTED: list[Experiment] = [
    edm(DDIM(eta=0.0)),
    edm(EulerMaruyama(stochasticity=0.1)),
    edm(DPMSolverPP2M()),
    Experiment(
        spectrum=Custom(eigenvalues=(1.0, 0.2), mean=0.4), process=VPLinear(),
        grid=LogUniform(steps=4, start=1.0, stop=1e-3), sampler=EulerMaruyama(stochasticity=0.5), start=Noise(),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def grids() -> list[Optimum]:
    return [optimize(where, Request(over="grid")) for where in STARTED]


of_every_start = pytest.mark.parametrize("number", range(len(STARTED)), ids=lambda k: repr(STARTED[k].sampler))


@of_every_start
def test_before_and_after_are_exact(number: int, grids: list[Optimum]) -> None:
    found = grids[number]
    assert found.before == total(STARTED[number])
    assert found.after == total(found.improved)
    assert found.after < found.before
    assert found.improved == replace(STARTED[number], grid=found.improved.grid)
    assert found.times.tolist() == found.improved.times.tolist()
    s = found.improved.process.noise_ratio(found.times)
    assert found.noise_ratios.tolist() == s.tolist()
    assert found.times[[0, -1]].tolist() == STARTED[number].times[[0, -1]].tolist()
    assert found.leading is None
    assert found.seconds > 0


@of_every_start
def test_at_the_optimum_the_error_does_not_change_with_any_time(number: int, grids: list[Optimum]) -> None:
    """Central differences of the report, relative to the error, in the logarithm of every interior noise ratio."""
    found = grids[number]
    s = found.noise_ratios
    for k in range(1, len(s) - 1):
        errors = []
        for factor in (math.exp(1e-4), math.exp(-1e-4)):
            moved = s.clone()
            moved[k] *= factor
            times = found.improved.process.time_of(moved)
            times[0], times[-1] = found.times[0], found.times[-1]
            errors.append(of_times(found.improved, times.tolist()))
        slope = (errors[0] - errors[1]) / 2e-4
        assert abs(slope) <= 2e-4 * found.after, k


@pytest.mark.parametrize("number", [0, 1])
def test_no_other_search_does_better(number: int, grids: list[Optimum]) -> None:
    """Nelder and Mead's, from the result and from elsewhere, and random perturbations, on the recursion written out."""
    found, eps = grids[number], (0.0, 0.1)[number]
    places = -found.noise_ratios.log().numpy()
    assert plain_total(eps, places) == pytest.approx(found.after, rel=1e-10)
    best = np.log(np.diff(places))
    rng = np.random.default_rng(number)
    assert min(of_log_steps(eps, best + 0.05 * rng.normal(size=len(best))) for _ in range(50)) > found.after
    for begin in (best + 0.02 * rng.normal(size=len(best)), np.zeros_like(best), rng.normal(size=len(best))):
        options = {"maxfev": 1500, "xatol": 1e-8, "fatol": 1e-12, "adaptive": True}
        other: Any = minimize(partial(of_log_steps, eps), begin, method="Nelder-Mead", options=options)
        assert float(other.fun) >= found.after * (1 - 1e-6)


def test_for_equal_modes_the_optimum_is_the_tangent_law() -> None:
    where = edm(DDIM(eta=0.0), 8, Isotropic(modes=3, eigenvalue=0.49))
    where = replace(where, grid=Karras(steps=8, start=20.0, stop=0.01))
    found = optimize(where, Request(over="grid", against_data=False))
    tangent = Tangent(steps=8, start=20.0, stop=0.01, scale=0.7).times(EDM())
    assert found.times.tolist() == pytest.approx(tangent.tolist(), rel=1e-3)
    best = float(report(found.improved).wasserstein2.discretization)
    assert best == pytest.approx(math.sqrt(3) * 0.094839641816285514, rel=1e-7)


def test_the_grid_optimal_by_exact_search_is_the_same_minimum(grids: list[Optimum]) -> None:
    where = edm(DDIM(eta=0.0))
    exact = replace(where, grid=Optimal(steps=5, start=80.0, stop=2e-3, method="exact"))
    density = replace(where, grid=Optimal(steps=5, start=80.0, stop=2e-3))
    assert total(exact) == pytest.approx(grids[0].after, rel=1e-6)
    assert total(exact) < total(density) < total(where)


# ----------------------------------------------------------------------------------- with the stochasticity


@pytest.fixture(scope="module")
def joint() -> dict[str, Optimum]:
    where = edm(EulerMaruyama(stochasticity=0.0), 4, MANY)
    requests = {
        "grid": Request(over="grid"),
        "stochasticity": Request(over="stochasticity"),
        "both": Request(over="both"),
        "per step": Request(over="both", per_step=True),
    }
    return {name: optimize(where, request) for name, request in requests.items()}


def test_the_more_is_varied_the_less_is_left(joint: dict[str, Optimum]) -> None:
    after = {name: found.after for name, found in joint.items()}
    assert after["both"] <= min(after["grid"], after["stochasticity"])
    assert after["per step"] < after["both"]
    # The gain is that of the theory: a small stochasticity cancels most of the error.
    assert after["both"] < 0.2 * after["grid"]


def test_what_is_not_varied_stays(joint: dict[str, Optimum]) -> None:
    before = edm(EulerMaruyama(stochasticity=0.0), 4, MANY)
    assert joint["stochasticity"].improved.grid == before.grid
    assert joint["grid"].improved.sampler == before.sampler
    assert isinstance(joint["both"].improved.sampler, EulerMaruyama)
    assert isinstance(joint["per step"].improved.sampler, TabulatedEulerMaruyama)


def test_the_stochasticity_is_told_step_by_step(joint: dict[str, Optimum]) -> None:
    for found in joint.values():
        assert len(found.stochasticity) == 4
    assert set(joint["grid"].stochasticity) == {0.0}
    assert len(set(joint["both"].stochasticity)) == 1
    sampler = joint["per step"].improved.sampler
    assert isinstance(sampler, TabulatedEulerMaruyama)
    assert joint["per step"].stochasticity == pytest.approx(list(sampler.values), rel=1e-12)
    assert list(sampler.levels) == joint["per step"].noise_ratios[:-1].tolist()


@pytest.mark.parametrize("steps", [10, 20])
def test_the_best_constant_is_that_of_a_scan(steps: int) -> None:
    """Printed: .0353 at .07 for ten steps, .0150 at .10 for twenty, to two digits of the stochasticity."""
    found = optimize(edm(EulerMaruyama(stochasticity=1.0), steps), Request(over="stochasticity"))
    [eps] = set(found.stochasticity)
    printed = {10: (0.07, 0.0353), 20: (0.10, 0.0150)}[steps]
    assert eps == pytest.approx(printed[0], abs=6e-3)
    assert found.after <= printed[1] + 5e-5
    for other in np.linspace(0.0, 0.3, 16):
        assert found.after <= total(edm(EulerMaruyama(stochasticity=float(other)), steps)) * (1 + 1e-9)


@pytest.mark.parametrize("sampler", [DDIM(eta=0.9), ExponentialIntegrator(stochasticity=1.0)], ids=repr)
def test_other_samplers_with_a_stochasticity(sampler: Sampler) -> None:
    where = Experiment(
        spectrum=FIVE, process=VPLinear(), grid=LogUniform(steps=4, start=1.0, stop=1e-3), sampler=sampler,
        start=Marginal(),
    )  # fmt: skip
    found = optimize(where, Request(over="both"))
    assert type(found.improved.sampler) is type(sampler)
    assert found.improved.sampler != sampler
    assert found.after == total(found.improved) < 0.7 * found.before


def test_a_stochasticity_by_step_goes_with_any_process() -> None:
    where = Experiment(
        spectrum=FIVE, process=VPLinear(), grid=LogUniform(steps=4, start=1.0, stop=1e-3),
        sampler=EulerMaruyama(stochasticity=0.5), start=Noise(),
    )  # fmt: skip
    found = optimize(where, Request(per_step=True))
    assert isinstance(found.improved.sampler, TabulatedEulerMaruyama)
    assert found.after == total(found.improved) < 0.7 * found.before


# ------------------------------------------------------------------------------------------ never worse


@pytest.mark.parametrize(
    "where",
    [
        edm(EulerMaruyama(stochasticity=0.07), 2),
        edm(DDIM(eta=0.0), 2, Custom(eigenvalues=(0.0, 0.0))),
        edm(DDIM(eta=0.0), 2, Custom(eigenvalues=(1.0, 0.0), mean=0.5)),
        replace(edm(DDIM(eta=0.0)), grid=Tangent(steps=5, start=80.0, stop=2e-3, scale=0.6)),
        replace(edm(DPMSolverPP2M()), grid=Karras(steps=5, start=80.0, stop=2e-3, to_zero=True)),
        Experiment(
            spectrum=FIVE, process=FlowMatching(), grid=Uniform(steps=4, start=1.0, stop=0.0), sampler=FlowEuler(),
            start=Noise(),
        ),
    ],
    ids=lambda where: f"{where.sampler!r:.30}-{type(where.grid).__name__}-{len(where.times)}",
)  # fmt: skip
def test_the_result_is_never_worse(where: Experiment) -> None:
    found = optimize(where, Request(over="both" if isinstance(where.sampler, EulerMaruyama) else "grid"))
    assert found.after <= found.before
    assert found.after == total(found.improved)


def test_an_optimum_is_not_made_worse(grids: list[Optimum]) -> None:
    again = optimize(grids[0].improved, Request(over="grid"))
    assert (1 - 1e-6) * grids[0].after <= again.after <= grids[0].after


def test_the_last_step_to_zero_is_kept() -> None:
    where = replace(edm(DDIM(eta=0.0)), grid=Karras(steps=5, start=80.0, stop=2e-3, to_zero=True))
    found = optimize(where, Request(over="grid"))
    assert found.times[-2:].tolist() == [2e-3, 0.0]
    assert len(found.times) == 6
    assert found.after < found.before


# ------------------------------------------------------------------------------------ other objectives


@pytest.mark.parametrize("objective", ["kl", "l1"])
def test_each_objective_is_least_where_it_is_asked_for(objective: str, grids: list[Optimum]) -> None:
    mine, other = optimize(edm(DDIM(eta=0.0)), Request(over="grid", objective=objective)), grids[0]

    def measure(found: Optimum) -> float:
        modes = report(found.improved).modes
        if objective == "kl":
            return report(found.improved).kl
        return float((modes.variance - modes.eigenvalue).abs().sum())

    assert measure(mine) < measure(other)
    assert other.after < mine.after


def test_by_density() -> None:
    where = edm(DDIM(eta=0.0), 20)
    found = optimize(where, Request(over="grid", method="density"))
    assert found.leading == pytest.approx(3.1051373852, rel=1e-10)
    optimal = replace(where, grid=Optimal(steps=20, start=80.0, stop=2e-3))
    assert found.times.tolist() == optimal.times.tolist()
    assert found.after == total(optimal) < found.before == total(where)
    assert found.scenarios == ()


# ----------------------------------------------------------------------------------------------- robust


@pytest.fixture(scope="module")
def uncertain() -> dict[str, Optimum]:
    where = edm(EulerMaruyama(stochasticity=0.1), 4, MANY)
    return {
        "plain": optimize(where, Request()),
        "mean": optimize(where, Request(robust=0.2)),
        "worst": optimize(where, Request(robust=0.2, aim="worst")),
    }


def scenarios(experiment: Experiment) -> list[float]:
    """W2 under each spectrum, from reports alone."""
    law = experiment.spectrum.law()
    spread = [(1.0, 1.0), (1.2, 1.0), (0.8, 1.0), (1.0, 1.1), (1.0, 0.9)]
    eigenvalues = [(s * (law.variance / law.variance.max()) ** e * law.variance.max()).tolist() for s, e in spread]
    return [total(replace(experiment, spectrum=Custom(eigenvalues=tuple(values)))) for values in eigenvalues]


def test_scenarios_are_told_as_they_are(uncertain: dict[str, Optimum]) -> None:
    for name in ("mean", "worst"):
        found = uncertain[name]
        assert [(one.scale, one.exponent) for one in found.scenarios] == [
            (1.0, 1.0),
            (1.2, 1.0),
            (0.8, 1.0),
            (1.0, 1.1),
            (1.0, 0.9),
        ]
        assert [one.after for one in found.scenarios] == pytest.approx(scenarios(found.improved), rel=1e-9)
        assert [one.before for one in found.scenarios] == pytest.approx(scenarios(found.experiment), rel=1e-9)
        assert found.scenarios[0].after == pytest.approx(found.after, rel=1e-12)
    assert [(one.scale, one.exponent) for one in uncertain["plain"].scenarios] == [(1.0, 1.0)]


def test_robust_is_better_than_plain_where_the_spectrum_is_another(uncertain: dict[str, Optimum]) -> None:
    errors = {name: scenarios(found.improved) for name, found in uncertain.items()}
    assert np.mean(errors["mean"]) < np.mean(errors["plain"])
    assert max(errors["worst"]) < max(errors["plain"])
    # Each is the best of the three at what it aims at.
    assert np.mean(errors["mean"]) <= np.mean(errors["worst"]) * (1 + 1e-3)
    assert max(errors["worst"]) <= max(errors["mean"]) * (1 + 1e-3)
    # Insurance has its price.
    assert errors["plain"][0] < errors["mean"][0]


def test_the_spread_is_of_scale_and_of_exponent_about_the_largest() -> None:
    law = Custom(eigenvalues=(4.0, 1.0, 0.0), mean=0.5).law()
    assert scaled(law, 1.5, 1.0).variance.tolist() == [6.0, 1.5, 0.0]
    assert scaled(law, 1.0, 0.5).variance.tolist() == [4.0, 2.0, 0.0]
    assert scaled(law, 1.0, 0.5).mean.tolist() == law.mean.tolist()


# ------------------------------------------------------------------------------------- progress and cancel


def test_progress_is_heard() -> None:
    heard: list[Progress] = []
    found = optimize(edm(EulerMaruyama(stochasticity=0.5)), Request(), heard.append)
    fractions = [one.fraction for one in heard]
    values = [one.value for one in heard]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.1
    assert fractions[-1] <= 1
    assert values == sorted(values, reverse=True)
    # Eigenvalues that differ by less than a tenth are taken together on the way; these five do not.
    assert values[-1] == pytest.approx(found.after, rel=1e-6)


def test_what_watch_raises_cancels() -> None:
    class CancelledError(Exception):
        pass

    heard: list[Progress] = []

    def watch(progress: Progress) -> None:
        heard.append(progress)
        if len(heard) >= 5:
            raise CancelledError

    with pytest.raises(CancelledError):
        optimize(edm(EulerMaruyama(stochasticity=0.5)), Request(), watch)
    assert len(heard) == 5


# ----------------------------------------------------------------------------------------------- refusals


def sentence_of(make: Any) -> str:
    with pytest.raises(ValueError) as refusal:
        make()
    return str(refusal.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"over": "gird"}, "over must be one of grid, stochasticity, both, got 'gird'."),
        ({"objective": "w2"}, "objective must be one of wasserstein2, kl, l1, got 'w2'."),
        ({"method": "fast"}, "method must be one of exact, density, got 'fast'."),
        ({"aim": "best"}, "aim must be one of mean, worst, got 'best'."),
        ({"robust": -0.1}, "robust must lie in [0, 1), the relative uncertainty of the spectrum, got -0.1."),
        ({"robust": 1.0}, "robust must lie in [0, 1), the relative uncertainty of the spectrum, got 1.0."),
        ({"robust": math.nan}, "robust must lie in [0, 1), the relative uncertainty of the spectrum, got nan."),
        (
            {"method": "density"},
            "method density finds a grid alone: use over=grid without robust, or method exact.",
        ),
        (
            {"method": "density", "over": "grid", "robust": 0.2},
            "method density finds a grid alone: use over=grid without robust, or method exact.",
        ),
    ],
    ids=str,
)
def test_requests_that_are_none_are_refused(values: dict[str, Any], sentence: str) -> None:
    found = sentence_of(lambda: Request(**values))
    # The nearest come first, whichever they are.
    assert sorted(found.replace(",", "").split()) == sorted(sentence.replace(",", "").split())


@pytest.mark.parametrize(
    ("where", "request_", "sentence"),
    [
        (
            edm(DDIM(eta=0.0), 5, Custom(eigenvalues=(1.0, 0.0, 0.0))),
            Request(objective="kl"),
            "The objective kl needs eigenvalues above 0, got 2 of 3 that are 0; choose the objective wasserstein2.",
        ),
        (
            edm(Heun()),
            Request(over="grid", method="density"),
            "method density needs a sampler with a first-order expansion, got Heun; use exact.",
        ),
        (
            edm(DPMSolverPP2M()),
            Request(),
            (
                "over=both needs a sampler with a stochasticity (EulerMaruyama, ExponentialIntegrator, DDIM), got "
                "DPMSolverPP2M; use over=grid."
            ),
        ),
        (
            edm(DDPM(variance_share=0.0)),
            Request(over="stochasticity"),
            (
                "over=stochasticity needs a sampler with a stochasticity (EulerMaruyama, ExponentialIntegrator, DDIM), got "
                "DDPM; use over=grid."
            ),
        ),
        (
            edm(DDIM(eta=0.0)),
            Request(per_step=True),
            (
                "per_step varies the stochasticity of EulerMaruyama, with over=stochasticity or both; got DDIM with "
                "over=both."
            ),
        ),
        (
            edm(EulerMaruyama(stochasticity=0.0)),
            Request(over="grid", per_step=True),
            (
                "per_step varies the stochasticity of EulerMaruyama, with over=stochasticity or both; got EulerMaruyama "
                "with over=grid."
            ),
        ),
    ],
    ids=lambda value: f"{type(value).__name__}"[:12],
)
def test_what_is_not_defined_is_refused(where: Experiment, request_: Request, sentence: str) -> None:
    assert sentence_of(lambda: optimize(where, request_)) == sentence
