"""Langevin samplers against closed forms, recursions of 2 x 2 matrices written out, and matrix exponentials."""

import math
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import expm

from kernels.analyses.budget import budget
from kernels.analyses.convergence import convergence
from kernels.analyses.sweep import numeric_paths, with_value
from kernels.experiment import Experiment, with_kind
from kernels.gaussian import Gaussian
from kernels.grids import Karras, Tabulated, Uniform
from kernels.observations import Conditioned
from kernels.param import Component, Number, leaves
from kernels.problem import Problem
from kernels.processes import EDM, PROCESSES, FlowMatching, Held, Process, VPCosine, VPLinear
from kernels.report import report, solve
from kernels.samplers import (
    DDIM,
    SAMPLERS,
    EulerMaruyama,
    Langevin,
    Sampler,
    SingleLevel,
    UnderdampedLangevin,
)
from kernels.scores import SCORE_MODELS, Empirical, Exact, GradientDescent, StochasticGradient
from kernels.sensitivity import sensitivities
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Isotropic, Marginal, Noise, Start
from tests.points import simulated
from tests.strategies import components, experiments

Floats = NDArray[np.float64]
ORIGIN = Isotropic(width=0.0)
SPECTRUM = (2.0, 0.5, 0.1)


def held(
    sampler: Sampler,
    steps: int,
    eigenvalues: tuple[float, ...] = SPECTRUM,
    *,
    sigma: float = math.sqrt(0.05),
    start: Start = ORIGIN,
    mean: float = 0.0,
) -> Experiment:
    return Experiment(
        spectrum=Custom(eigenvalues=tuple(sorted(eigenvalues, reverse=True)), mean=mean),
        score=Exact(noise_amplitude=sigma),
        grid=Uniform(steps=steps),
        sampler=sampler,
        start=start,
    )


def ends(where: Experiment) -> Floats:
    return report(where).modes.variance.numpy()


def total(where: Experiment) -> float:
    return float(report(where).wasserstein2.total)


def distance(variance: Floats, other: Floats, mean: Floats | float = 0.0) -> float:
    return math.sqrt(math.fsum((np.sqrt(variance) - np.sqrt(other)) ** 2 + mean * np.ones_like(variance) * mean))


def first_law(where: Experiment) -> tuple[Floats, Floats]:
    """Variance and error of the mean at the start, mode by mode."""
    eigenvalues, mean = where.law.variance.numpy(), where.law.mean.numpy()
    noise = where.score.noise_amplitude**2
    match where.start:
        case Marginal():
            return eigenvalues + noise, 0 * mean
        case Noise():
            return noise + 0 * eigenvalues, -mean
        case start:
            assert isinstance(start, Isotropic)
            return start.width**2 + 0 * eigenvalues, -mean


def along(where: Experiment) -> tuple[Floats, Floats]:
    """Variances and errors of the mean after every step, by matrices; axes (times, modes)."""
    sampler, steps = where.sampler, where.grid.times(where.process).numel() - 1
    smoothed = where.law.variance.numpy() + where.score.noise_amplitude**2
    assert isinstance(sampler, SingleLevel)
    h = sampler.step_size
    variances, means = (np.empty((steps + 1, len(smoothed))) for _ in range(2))
    for i, (ell, v, m) in enumerate(zip(smoothed, *first_law(where), strict=True)):
        if isinstance(sampler, UnderdampedLangevin):
            zeta = sampler.friction
            gain = np.array([[1.0, h], [-h / ell, 1 - zeta * h]])
            noise = np.diag([0.0, 2 * zeta * h])
            law = np.diag([v, 1.0 if isinstance(where.start, Marginal) else 0.0])
        else:
            gain, noise, law = np.array([[1 - h / ell]]), np.array([[2 * h]]), np.array([[v]])
        state = np.zeros(len(gain))
        state[0] = m
        for k in range(steps + 1):
            variances[k, i], means[k, i] = law[0, 0], state[0]
            law, state = gain @ law @ gain.T + noise, gain @ state
    return variances, means


# ------------------------------------------------------------------------------------------------ the goldens


def test_the_goldens_of_unadjusted_langevin() -> None:
    sampler = Langevin(step_size=0.1)
    assert ends(held(sampler, 40)) == pytest.approx([2.06279633389464, 0.604999935473023, 0.225], rel=1e-13)
    settled = report(held(sampler, 500))
    assert settled.modes.variance.numpy() == pytest.approx([2.10125, 0.605, 0.225], rel=1e-12)
    assert float(settled.wasserstein2.total) == pytest.approx(0.17677669529663684, rel=1e-12)


def test_steps_have_their_size_however_many_there_are() -> None:
    """Also where the time that is left is large beside a step."""
    many = held(Langevin(step_size=0.1), 1_000_000)
    assert ends(many) == pytest.approx([2.10125, 0.605, 0.225], rel=1e-13)


@pytest.mark.parametrize(
    ("steps", "underdamped", "golden"),
    [(1000, False, 0.014859052), (10_000, False, 0.0018313044), (10_000, True, 0.0041202343)],
)
def test_the_tuned_methods_have_the_published_errors(steps: int, underdamped: bool, golden: float) -> None:
    eigenvalues = np.geomspace(1.0, 0.01, 10)
    kappa, rate = 100.0, math.log(steps) / steps
    sampler = (
        UnderdampedLangevin(step_size=math.sqrt(2 * kappa) * rate, friction=math.sqrt(8 / 0.01))
        if underdamped
        else Langevin(step_size=0.5 * rate)
    )
    where = held(sampler, steps, tuple(eigenvalues.tolist()), sigma=0.0)
    assert total(where) == pytest.approx(golden, rel=3e-8)


# ----------------------------------------------------------------------------------------------- the recursion

eigenvalues_few = st.lists(st.floats(0.01, 5.0), min_size=1, max_size=4).map(tuple)
any_start = st.one_of(
    st.just(Marginal()), st.just(Noise()), st.floats(0.0, 3.0).map(lambda width: Isotropic(width=width))
)


@given(eigenvalues_few, st.floats(0.0, 0.7), st.floats(0.02, 1.8), st.integers(1, 60), any_start, st.floats(-2.0, 2.0))
def test_overdamped_laws_have_their_closed_form(
    eigenvalues: tuple[float, ...], sigma: float, fraction: float, steps: int, start: Start, mean: float
) -> None:
    smoothed = np.array(sorted(eigenvalues, reverse=True)) + sigma**2
    h = fraction * smoothed.min()
    where = held(Langevin(step_size=h), steps, eigenvalues, sigma=sigma, start=start, mean=mean)
    kept, settled = (1 - h / smoothed) ** steps, 2 * smoothed**2 / (2 * smoothed - h)
    variance, error = first_law(where)
    found = report(where).modes
    assert found.variance.numpy() == pytest.approx(settled + kept**2 * (variance - settled), rel=1e-11, abs=1e-15)
    assert found.mean_error.numpy() == pytest.approx(kept * error, rel=1e-11, abs=1e-15)
    assert bool(found.is_stable.all())


def test_overdamped_steps_are_stable_up_to_twice_the_least_variance() -> None:
    smoothed = np.array(SPECTRUM) + 0.05
    for i, ell in enumerate(smoothed.tolist()):
        for factor, unstable in ((1 - 1e-12, False), (1 + 1e-12, True)):
            modes = report(held(Langevin(step_size=2 * ell * factor), 30)).modes
            expected = [True] * 3
            expected[i:] = [not unstable, False, False][: 3 - i]
            assert modes.is_stable.tolist() == expected
    beyond = held(Langevin(step_size=0.31), 3000)
    assert ends(beyond)[2] > 1e30
    assert math.isinf(total(replace(beyond, grid=Uniform(steps=1_000_000))))


@settings(max_examples=30)
@given(
    eigenvalues_few,
    st.floats(0.0, 0.7),
    st.sampled_from([0.05, 0.5, 1.0, 2.0, 10.0]),
    st.floats(0.01, 1.2),
    st.integers(1, 40),
    any_start,
    st.floats(-2.0, 2.0),
)
def test_underdamped_laws_are_those_of_two_by_two_matrices(
    eigenvalues: tuple[float, ...],
    sigma: float,
    damping: float,
    fraction: float,
    steps: int,
    start: Start,
    mean: float,
) -> None:
    """Damping counts in units of the critical one of the first mode."""
    ell = eigenvalues[0] + sigma**2
    zeta = 2 * damping / math.sqrt(ell)
    # Of the order of the bound, on both sides of it.
    h = fraction * min(zeta * ell, 2 / zeta)
    where = held(
        UnderdampedLangevin(step_size=h, friction=zeta), steps, eigenvalues, sigma=sigma, start=start, mean=mean
    )
    variances, means = along(where)
    found = report(where).modes
    assert found.variance.numpy() == pytest.approx(variances[-1], rel=1e-9, abs=1e-13)
    assert found.mean_error.numpy() == pytest.approx(means[-1], rel=1e-9, abs=1e-13 * (1 + np.abs(means).max()))


@settings(max_examples=40)
@given(
    st.floats(-3, 1).map(lambda x: 10**x),
    st.one_of(st.floats(-1, 1.5).map(lambda x: 10**x), st.just(1.0)),
    st.sampled_from([1 - 1e-6, 1 + 1e-6]),
)
def test_a_kinetic_step_diverges_where_the_spectral_radius_passes_one(
    ell: float, damping: float, factor: float
) -> None:
    zeta = 2 * damping / math.sqrt(ell)
    bound = float(UnderdampedLangevin(friction=zeta).longest_step(torch.tensor([ell], dtype=torch.float64)))
    h = bound * factor
    radius = np.abs(np.linalg.eigvals(np.array([[1.0, h], [-h / ell, 1 - zeta * h]]))).max()
    assert (radius > 1) == (factor > 1)
    where = held(UnderdampedLangevin(step_size=h, friction=zeta), 5, (ell,), sigma=0.0)
    assert report(where).is_stable == (factor < 1)


def test_the_longest_overdamped_step_is_twice_the_variance() -> None:
    variance = torch.tensor([3.0, 0.2], dtype=torch.float64)
    assert Langevin().longest_step(variance).tolist() == [6.0, 0.4]


@settings(max_examples=30)
@given(
    st.floats(-2, 1).map(lambda x: 10**x),
    st.one_of(st.floats(-1, 1.5).map(lambda x: 10**x), st.just(1.0)),
    st.floats(0.0, 30.0),
)
def test_what_exact_dynamics_keep_is_a_matrix_exponential(ell: float, damping: float, elapsed: float) -> None:
    zeta = 2 * damping / math.sqrt(ell)
    variance, after = torch.tensor([ell], dtype=torch.float64), torch.tensor([[elapsed]], dtype=torch.float64)
    exact = expm(elapsed * np.array([[0.0, 1.0], [-1 / ell, -zeta]]))[0, 0]
    # Beside a double root the two exponentials differ by little.
    near = 1e-7 if abs(damping - 1) < 1e-6 else 1e-9
    assert float(UnderdampedLangevin(friction=zeta).kept(variance, after)) == pytest.approx(exact, rel=near, abs=near)
    assert float(Langevin().kept(variance, after)) == pytest.approx(math.exp(-elapsed / ell), rel=1e-13)


# ------------------------------------------------------------------------------------ sources, budget and path

SAMPLED: tuple[SingleLevel, ...] = (
    Langevin(step_size=0.04),
    UnderdampedLangevin(step_size=0.04, friction=0.7),
    UnderdampedLangevin(step_size=0.04, friction=8.0),
)
FROM: tuple[Start, ...] = (ORIGIN, Isotropic(width=1.5), Noise(), Marginal())
by_sampler = pytest.mark.parametrize("sampler", SAMPLED, ids=["over", "under", "heavy"])
by_start = pytest.mark.parametrize("start", FROM, ids=["origin", "wide", "noise", "exact"])


def in_time(where: Experiment, elapsed: float) -> tuple[Floats, Floats]:
    """Laws of the exact dynamics, a velocity and its start among them."""
    sampler = where.sampler
    smoothed = where.law.variance.numpy() + where.score.noise_amplitude**2
    variances, means = [], []
    for ell, v, m in zip(smoothed.tolist(), *first_law(where), strict=True):
        if isinstance(sampler, UnderdampedLangevin):
            flow = expm(elapsed * np.array([[0.0, 1.0], [-1 / ell, -sampler.friction]]))[0]
            off = np.array([v - ell, 0.0 if isinstance(where.start, Marginal) else -1.0])
        else:
            flow, off = np.array([math.exp(-elapsed / ell)]), np.array([v - ell])
        variances.append(ell + flow**2 @ off)
        means.append(flow[0] * m)
    return np.array(variances), np.array(means)


@by_start
@by_sampler
def test_the_four_distances(sampler: SingleLevel, start: Start) -> None:
    where = held(sampler, 25, start=start, mean=0.3)
    smoothed, data = np.array(SPECTRUM) + 0.05, np.array(SPECTRUM)
    found = report(where).wasserstein2
    variances, means = along(where)
    assert float(found.total) == pytest.approx(distance(variances[-1], data, means[-1]), rel=1e-11)
    assert float(found.truncation) == pytest.approx(distance(smoothed, data), rel=1e-13)
    exact, _ = along(replace(where, start=Marginal()))
    assert float(found.discretization) == pytest.approx(distance(exact[-1], smoothed), rel=1e-10)
    variance, error = in_time(where, 25 * sampler.step_size)
    assert float(found.initialization) == pytest.approx(distance(variance, smoothed, error), rel=1e-10, abs=1e-14)


@by_start
@by_sampler
def test_the_budget_adds_up(sampler: SingleLevel, start: Start) -> None:
    where = held(sampler, 25, start=start, mean=0.3)
    found, (variances, _) = budget(where), along(where)
    smoothed = np.array(SPECTRUM) + 0.05
    assert found.final == pytest.approx(smoothed, rel=1e-15)
    assert found.start + found.by_step.sum(1) == pytest.approx(variances[-1] - smoothed, abs=1e-12)
    assert found.variance == pytest.approx(variances[-1], rel=1e-12)
    exact, _ = along(replace(where, start=Marginal()))
    assert found.by_step.sum(1) == pytest.approx(exact[-1] - smoothed, abs=1e-12)
    # Steps of equal size make equal errors, carried by what is left of the way: an exact start and k steps.
    so_far = found.by_step[:, ::-1].cumsum(1).T
    assert so_far == pytest.approx(exact[1:] - smoothed, abs=1e-12)


@by_start
@by_sampler
def test_errors_along_the_way(sampler: SingleLevel, start: Start) -> None:
    where = held(sampler, 60, start=start, mean=0.3)
    path, smoothed = solve(where).path(), np.array(SPECTRUM) + 0.05
    variances, means = along(where)
    exact, _ = along(replace(where, start=Marginal()))
    assert path.steps.tolist() == list(range(61)) == path.calls.tolist()
    for k in range(61):
        assert float(path.total[k]) == pytest.approx(distance(variances[k], smoothed, means[k]), rel=1e-9, abs=1e-12)
        assert float(path.discretization[k]) == pytest.approx(distance(exact[k], smoothed), rel=1e-9, abs=1e-12)
    followed = solve(where).followed([0, 2])
    assert followed.sampled.variance.numpy() == pytest.approx(variances[:, [0, 2]], rel=1e-11, abs=1e-15)
    assert followed.sampled.mean.numpy() == pytest.approx(0.3 + means[:, [0, 2]], rel=1e-11)
    assert followed.exact.variance.numpy() == pytest.approx(np.tile(smoothed[[0, 2]], (61, 1)), rel=1e-14)


@by_sampler
def test_more_steps_of_the_same_size_go_further(sampler: SingleLevel) -> None:
    where = held(sampler, 40)
    found = convergence(where, 5)
    assert len(found.steps) >= 3
    for steps, error in zip(found.steps, found.total, strict=True):
        variances, _ = along(replace(where, grid=Uniform(steps=int(steps))))
        assert float(error) == pytest.approx(distance(variances[-1], np.array(SPECTRUM)), rel=1e-10)


def test_snapshots_of_many_steps_are_those_of_the_closed_form() -> None:
    where = held(Langevin(step_size=0.003), 1237)
    path = solve(where).path()
    assert 50 <= len(path.steps) <= 101
    assert int(path.steps[-1]) == 1237
    smoothed = np.array(SPECTRUM) + 0.05
    settled = 2 * smoothed**2 / (2 * smoothed - 0.003)
    for steps, error in zip(path.steps.tolist(), path.total.tolist(), strict=True):
        variance = settled * (1 - (1 - 0.003 / smoothed) ** (2 * steps))
        assert error == pytest.approx(distance(variance, smoothed), rel=1e-9)


@pytest.mark.parametrize(
    "sampler", [Langevin(step_size=1e-5), UnderdampedLangevin(step_size=1e-5, friction=3.0)], ids=["over", "under"]
)
def test_a_million_steps_take_no_time(sampler: SingleLevel) -> None:
    spectrum = PowerLaw(modes=300)
    where = replace(held(sampler, 1_000_000), spectrum=spectrum)
    begun = time.perf_counter()
    found = report(where).modes
    assert time.perf_counter() - begun < 3.0
    smoothed, h = spectrum.law().variance.numpy() + 0.05, 1e-5
    if isinstance(sampler, Langevin):
        settled = 2 * smoothed**2 / (2 * smoothed - h)
        kept = np.exp(2e6 * np.log1p(-h / smoothed))
        assert found.variance.numpy() == pytest.approx(settled * (1 - kept), rel=1e-9)
    else:
        for i in (0, 20, 299):
            gain = np.array([[1.0, h], [-h / smoothed[i], 1 - 3.0 * h]])
            # The stationary law of one step, and what is left of the way to it.
            system = np.eye(4) - np.kron(gain, gain)
            settled = np.linalg.solve(system, [0.0, 0.0, 0.0, 6.0 * h]).reshape(2, 2)
            left = np.linalg.matrix_power(gain, 1_000_000)
            assert float(found.variance[i]) == pytest.approx((settled - left @ settled @ left.T)[0, 0], rel=1e-6)


# ------------------------------------------------------------------------------------ what matters and what not

WHOLE: tuple[Experiment, ...] = (
    held(Langevin(step_size=0.05), 12, mean=0.4, start=Isotropic(width=0.7)),
    held(UnderdampedLangevin(step_size=0.05), 12, mean=0.4, start=Isotropic(width=0.7)),
    replace(
        held(Langevin(step_size=0.05), 12, mean=0.4),
        process=EDM(),
        grid=Karras(steps=12, start=60.0, stop=0.01),
        score=GradientDescent(step_size=0.1, iterations=5),
    ),
    replace(held(EulerMaruyama(), 12, mean=0.4), start=Isotropic(width=0.7)),
    replace(held(DDIM(eta=0.4), 12, mean=0.4), process=EDM(), grid=Karras(steps=12, start=60.0, stop=0.01)),
)


def value_near(number: Number, own: float) -> float:
    return own + 1 if number.integer else 0.99 * own if own else 0.01


def result(where: Experiment) -> list[float]:
    found = report(where)
    of_sources = [float(getattr(found.wasserstein2, name)) for name in ("total", "discretization", "initialization")]
    return [*of_sources, found.kl, *found.modes.variance.tolist(), *found.modes.mean.tolist()]


@pytest.mark.parametrize("where", WHOLE, ids=lambda e: type(e.sampler).__name__)
def test_idle_is_what_has_no_effect_and_nothing_else(where: Experiment) -> None:
    changed: set[str] = set()
    compared: set[str] = set()
    for path, declaration, own in leaves(where):
        if isinstance(declaration, Number) and not path.startswith("observation."):
            compared.add(path)
            if result(with_value(where, path, value_near(declaration, float(own)))) != result(where):
                changed.add(path)
    # How many samples there are enters what learning costs, not the law of the mean score; how far a process reaches
    # is all that EDM has to say.
    beside = {"score.samples", "process.sigma_max"}
    assert not changed & where.idle
    assert compared - changed - beside == (compared & where.idle) - beside
    assert changed - beside == set(numeric_paths(where)) & compared - beside


def test_at_one_level_only_the_number_of_times_matters() -> None:
    short = replace(held(Langevin(), 3), grid=Tabulated(values=(1.0, 0.5, 0.2, 0.1)))
    other = replace(short, grid=Tabulated(values=(0.9, 0.6, 0.3, 0.0)), process=EDM())
    assert result(short) == result(other) == result(held(Langevin(), 3))
    to_zero = replace(short, process=EDM(), grid=Karras(steps=3, start=80.0, stop=0.1, to_zero=True))
    assert result(to_zero) == result(short)
    assert short.times.tolist() == pytest.approx([0.03, 0.02, 0.01, 0.0], abs=1e-16)


SLOPED: tuple[Experiment, ...] = (
    held(Langevin(step_size=0.05), 12, mean=0.4, start=Isotropic(width=0.7)),
    held(Langevin(step_size=0.05), 12, mean=0.4, start=Noise()),
    replace(held(Langevin(step_size=0.03), 40, start=Marginal()), spectrum=PowerLaw(modes=9, decay=1.2)),
    replace(held(Langevin(step_size=0.05), 12, start=FROM[1]), score=GradientDescent(step_size=0.1, iterations=7)),
    replace(
        held(EulerMaruyama(stochasticity=0.3), 12, mean=0.4),
        process=EDM(),
        grid=Karras(steps=12, start=20.0, stop=0.01),
        start=Isotropic(width=15.0),
    ),
)


@pytest.mark.parametrize("where", SLOPED, ids=range(len(SLOPED)))
def test_sensitivities_are_derivatives(where: Experiment) -> None:
    found = sensitivities(where)
    continuous = [path for path, number in numeric_paths(where).items() if not number.integer]
    assert set(found) <= set(continuous)
    for path in continuous:
        family, _, name = path.partition(".")
        own = float(getattr(getattr(where, family), name))
        step = 1e-4 * abs(own) if own else 1e-5
        high, low = (math.log(total(with_value(where, path, own + sign * step))) for sign in (1, -1))
        assert found.get(path, 0.0) == pytest.approx((high - low) / (2 * step), rel=1e-4, abs=1e-5), path
    assert {"sampler.step_size", "score.noise_amplitude"} <= set(found) or not isinstance(where.sampler, SingleLevel)


def test_kinetic_methods_have_no_sensitivities() -> None:
    assert sensitivities(held(UnderdampedLangevin(), 5)) == {}


# ------------------------------------------------------------------------------------------------- at the edges


@pytest.mark.parametrize("start", FROM, ids=["origin", "wide", "noise", "exact"])
@pytest.mark.parametrize("kind", [Langevin, UnderdampedLangevin])
def test_a_mode_without_variance_or_noise_diverges(kind: type[SingleLevel], start: Start) -> None:
    where = held(kind(step_size=0.01), 20, (1.0, 0.0), sigma=0.0, start=start)
    found = report(where)
    assert math.isinf(found.wasserstein2.total)
    assert math.isinf(found.kl)
    assert found.modes.is_stable.tolist() == [True, False]
    assert math.isinf(found.modes.variance[1])
    assert sensitivities(where) == {}
    assert not bool(solve(where).path().total.isnan().any())


@settings(max_examples=15)
@given(experiments(), st.data())
def test_another_kind_makes_a_legal_experiment(where: Experiment, data: st.DataObject) -> None:
    """In any order of choices; what comes of each is whole."""
    families: dict[str, tuple[type[Component], ...]] = {
        "sampler": SAMPLERS,
        "score": SCORE_MODELS,
        "process": PROCESSES,
        "start": (Noise, Marginal, Isotropic),
    }
    for _ in range(4):
        family = data.draw(st.sampled_from(sorted(families)))
        chosen: Any = data.draw(st.sampled_from(families[family]).flatmap(components))
        if family == "sampler" and chosen.refusal(where.process, where.grid.times(where.process)):
            continue
        refused = family == "score" and chosen.refusal(where.observation)
        if refused:
            continue
        where = with_kind(where, family, chosen)
        assert len(where.times) >= 2
        assert getattr(where, family) == chosen


def test_a_learned_score_and_a_start_without_signal() -> None:
    """Langevin never asks there; a diffusion that is chosen later does."""
    full = Uniform(steps=6, start=1.0, stop=0.0)
    score = GradientDescent(step_size=0.1, iterations=3)
    still = Experiment(process=FlowMatching(), grid=full, sampler=Langevin(), score=score)
    moved = with_kind(still, "sampler", DDIM())
    assert moved.score == Exact()
    again = with_kind(replace(moved, score=Exact()), "score", score)
    assert again.score == score
    assert float(again.times[0]) == pytest.approx(0.99)
    sentence = r"^GradientDescent needs some signal at the first time; set grid\.start below the time at which alpha is zero\.$"
    with pytest.raises(ValueError, match=sentence):
        Experiment(process=FlowMatching(), grid=full, sampler=DDIM(), score=score)
    assert Experiment(process=FlowMatching(), grid=full, sampler=DDIM(), score=Empirical()).is_exact


def test_only_a_finished_score_is_exact() -> None:
    scores = (Exact(), Empirical(), GradientDescent(), StochasticGradient())
    assert [Experiment(score=score).is_exact for score in scores] == [True, True, False, False]


# ------------------------------------------------------------------------------------------ any start, any method


def levels(process: Process, t: float) -> tuple[float, float, float, float]:
    """Alpha, sigma, f and g^2, written out."""
    match process:
        case VPLinear():
            beta = 0.1 + 19.9 * t
            alpha = math.exp(-0.5 * (0.1 * t + 0.5 * 19.9 * t**2))
            return alpha, math.sqrt(1 - alpha**2), -0.5 * beta, beta
        case VPCosine():
            angle, rate = (t + 0.008) / 1.008 * math.pi / 2, math.pi / 2 / 1.008
            alpha = math.cos(angle) / math.cos(0.008 / 1.008 * math.pi / 2)
            return alpha, math.sqrt(1 - alpha**2), -rate * math.tan(angle), 2 * rate * math.tan(angle)
        case _:
            assert isinstance(process, EDM)
            return 1.0, t, 0.0, 2 * t


@pytest.mark.parametrize("width", [0.0, 0.6, 5.0])
@pytest.mark.parametrize(
    ("process", "times"),
    [(VPLinear(), (1.0, 0.6, 0.3, 0.1)), (VPCosine(), (0.9, 0.5, 0.2, 0.05)), (EDM(), (20.0, 3.0, 0.5, 0.02))],
    ids=["linear", "cosine", "edm"],
)
def test_a_width_of_ones_own_at_the_start_of_a_diffusion(
    process: Process, times: tuple[float, ...], width: float
) -> None:
    spectrum, mu = (1.7, 0.4, 0.02), 0.8
    base = Experiment(
        spectrum=Custom(eigenvalues=spectrum, mean=mu),
        process=process,
        grid=Tabulated(values=times),
        sampler=EulerMaruyama(stochasticity=0.5),
        start=Isotropic(width=width),
    )
    modes = report(base).modes
    implicit = report(replace(base, sampler=DDIM(eta=0.0))).modes
    for i, l in enumerate(spectrum):
        m, v = 0.0, width**2
        m0, v0 = 0.0, width**2
        for t, after in pairwise(times):
            h, (alpha, sigma, f, g2) = t - after, levels(process, t)
            slope = 0.75 * g2 / (alpha**2 * l + sigma**2)
            m, v = m - h * (f * m + slope * (m - alpha * mu)), (1 - h * (f + slope)) ** 2 * v + 0.5 * g2 * h
            alpha1, sigma1, _, _ = levels(process, after)
            # The prediction of the data, and the noise that goes with it, at the next levels.
            share = alpha * l / (alpha**2 * l + sigma**2)
            gain = alpha1 * share + sigma1 * (1 - alpha * share) / sigma
            m0, v0 = alpha1 * mu + gain * (m0 - alpha * mu), gain**2 * v0
        assert float(modes.variance[i]) == pytest.approx(v, rel=1e-10)
        assert float(implicit.variance[i]) == pytest.approx(v0, rel=1e-10, abs=1e-15)
        assert float(modes.mean[i]) == pytest.approx(m, rel=1e-9, abs=1e-12)
        assert float(implicit.mean[i]) == pytest.approx(m0, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("start", [ORIGIN, Isotropic(width=1.5)], ids=["origin", "wide"])
@pytest.mark.parametrize("sampler", SAMPLED[:2], ids=["over", "under"])
def test_points_have_the_moments_of_the_exact_law(sampler: SingleLevel, start: Isotropic) -> None:
    where = held(sampler, 25, start=start, mean=0.3)
    law, count = where.law, 20_000
    rng = torch.Generator().manual_seed(7)
    begun = start.width * torch.randn((count, 3), dtype=torch.float64, generator=rng)
    smoothed = Problem(law, Held(level=where.score.noise_amplitude), Exact().fit(Conditioned(law)))
    points = simulated(sampler, smoothed, where.times, begun, rng)
    modes = report(where).modes
    found: Gaussian = Gaussian(points.mean(0), points.var(0))
    assert bool(((found.mean - modes.mean).abs() <= 4.5 * (modes.variance / count).sqrt()).all())
    assert bool(((found.variance - modes.variance).abs() <= 4.5 * modes.variance * math.sqrt(2 / count)).all())
