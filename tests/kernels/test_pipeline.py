"""Learning and sampling really run: against loops as a notebook writes them, closed forms and simulated values."""

import dataclasses
import math
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag, sqrtm
from scipy.special import gammaln

from kernels import pipeline
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Tabulated, Uniform
from kernels.pipeline import Progress, Source, bures_squared, replicate
from kernels.processes import EDM, FlowMatching, Process, VPLinear
from kernels.report import report
from kernels.samplers import (
    DDIM,
    DDPM,
    SAMPLERS,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    FlowEuler,
    Langevin,
    UnderdampedLangevin,
)
from kernels.scores import Empirical, Exact, GradientDescent, Learned, StochasticGradient
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Isotropic, Marginal, Noise

Floats = Any
LevelsToMatrix = Callable[[float, float], Floats]
SPECTRUM = Custom(eigenvalues=(1.0, 0.5, 0.2))
TABLE = Tabulated(values=(4.0, 1.5, 0.6, 0.2, 0.0))
SMALL = Uniform(steps=6, start=0.8, stop=0.05)

# ------------------------------------------------------------------------------------------ a loop per replica


class Recorded:
    """The random numbers of a run, in the order in which they were drawn."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.normals: list[Floats] = []
        self.choices: list[Floats] = []
        normal, below = Source.normal, Source.below

        def heard_normal(source: Source, *shape: int) -> torch.Tensor:
            drawn = normal(source, *shape)
            self.normals.append(drawn.double().numpy())
            return drawn

        def heard_below(source: Source, end: int, *shape: int) -> torch.Tensor:
            drawn = below(source, end, *shape)
            self.choices.append(drawn.clone().numpy())
            return drawn

        patch.setattr(Source, "normal", heard_normal)
        patch.setattr(Source, "below", heard_below)


def matrices(model: Learned, eigenvalues: Floats, recorded: Recorded, replica: int) -> LevelsToMatrix:
    """What one replica learns at the levels it is asked for, one after the other and step by step."""
    modes, drawn = len(eigenvalues), recorded.normals[0].reshape(-1, model.samples, len(eigenvalues))
    samples = drawn[replica] * np.sqrt(eigenvalues)
    known: dict[tuple[float, float], Floats] = {}

    def learn(alpha: float, sigma: float) -> Floats:
        if isinstance(model, StochasticGradient):
            level = 0 if model.shared else len(known)
            matrix = np.zeros((modes, modes))
            for k in range(model.iterations):
                noise = recorded.normals[1 + level][k, replica]
                points = alpha * samples[recorded.choices[level][k, replica]] + sigma * noise
                outer = [np.outer(matrix @ y - xi / sigma, y) for y, xi in zip(points, noise, strict=True)]
                gradient = np.mean(outer, 0)
                if model.symmetrized:
                    gradient = 0.5 * (gradient + gradient.T)
                matrix = matrix - model.step_size * gradient
            return matrix
        covariance = alpha**2 * samples.T @ samples / model.samples + sigma**2 * np.eye(modes)
        if isinstance(model, Empirical):
            return np.linalg.inv(covariance)
        assert isinstance(model, GradientDescent)
        matrix = np.zeros((modes, modes))
        for _ in range(model.iterations):
            matrix = matrix - model.step_size * (matrix @ covariance - np.eye(modes))
        return matrix

    def remembered(alpha: float, sigma: float) -> Floats:
        if (alpha, sigma) not in known:
            known[alpha, sigma] = learn(alpha, sigma)
        return known[alpha, sigma]

    return remembered


Law = tuple[Floats, Floats]


def moved(law: Law, gain: Floats, noise: float | Floats = 0.0, shift: float | Floats = 0.0) -> Law:
    mean, covariance = law
    return gain @ mean + shift, gain @ covariance @ gain.T + noise * np.eye(len(gain))


def langevin(at: LevelsToMatrix, law: Law, mean: Floats, sigma: float, step: float, steps: int) -> Law:
    gain = np.eye(len(mean)) - step * at(1.0, sigma)
    for _ in range(steps):
        law = moved(law, gain, 2 * step, step * at(1.0, sigma) @ mean)
    return law


def underdamped(
    at: LevelsToMatrix, law: Law, rest: bool, sigma: float, sampler: UnderdampedLangevin, steps: int
) -> Law:
    unit: Floats = np.eye(len(law[0]))
    h = sampler.step_size
    gain = np.block([[unit, h * unit], [-h * at(1.0, sigma), (1 - h * sampler.friction) * unit]])
    noise = np.diag(np.repeat([0.0, 2 * sampler.friction * h], len(unit)))
    covariance = block_diag(law[1], 0 * unit if rest else unit)
    for _ in range(steps):
        covariance = gain @ covariance @ gain.T + noise
    return law[0], covariance[: len(unit), : len(unit)]


def ddim(at: LevelsToMatrix, law: Law, levels: list[tuple[float, float]], eta: float) -> Law:
    """With data of mean zero, by prediction of data and noise."""
    unit = np.eye(len(law[0]))
    for (a0, s0), (a1, s1) in pairwise(levels):
        noise = s0 * at(a0, s0)
        data = (unit - s0 * noise) / a0
        fresh = (eta * s1 / a1) ** 2 * (1 - (s1 / a1) ** 2 / (s0 / a0) ** 2) * a1**2
        law = moved(law, a1 * data + math.sqrt(s1**2 - fresh) * noise, fresh)
    return law


def edm_heun(at: LevelsToMatrix, law: Law, levels: list[tuple[float, float]]) -> Law:
    """The algorithm of Karras et al. with alpha = 1, its last step to zero by Euler."""
    unit = np.eye(len(law[0]))
    for (_, s0), (_, s1) in pairwise(levels):
        slope = s0 * at(1.0, s0)
        euler = unit + (s1 - s0) * slope
        gain = euler if s1 == 0 else unit + 0.5 * (s1 - s0) * (slope + s1 * at(1.0, s1) @ euler)
        law = moved(law, gain)
    return law


def dpm_solver(at: LevelsToMatrix, law: Law, levels: list[tuple[float, float]]) -> Law:
    """DPM-Solver++(2M), the map from the start carried along."""
    unit = np.eye(len(law[0]))
    state, former, past = unit, unit, 0.0
    for (a0, s0), (a1, s1) in pairwise(levels):
        data = (unit - s0**2 * at(a0, s0)) / a0 @ state
        h = math.inf if s1 == 0 else math.log(a1 / s1) - math.log(a0 / s0)
        extrapolated = data if past == 0 or math.isinf(h) else data + h / (2 * past) * (data - former)
        state = s1 / s0 * state - a1 * math.expm1(-h) * extrapolated
        former, past = data, h
    return moved(law, state)


def euler_maruyama(at: LevelsToMatrix, law: Law, mean: Floats, times: list[float], epsilon: float) -> Law:
    """On VP-linear: f = -beta/2 and g^2 = beta."""
    unit = np.eye(len(mean))
    for t0, t1 in pairwise(times):
        h, beta = t0 - t1, 0.1 + 19.9 * t0
        (alpha, sigma), push = vp(t0), h * 0.5 * (1 + epsilon) * beta
        matrix = at(alpha, sigma)
        law = moved(law, (1 + 0.5 * h * beta) * unit - push * matrix, epsilon * h * beta, push * alpha * matrix @ mean)
    return law


def flow_euler(at: LevelsToMatrix, law: Law, times: list[float]) -> Law:
    """v = E[noise - data | x]."""
    unit = np.eye(len(law[0]))
    for t0, t1 in pairwise(times):
        noise = t0 * at(1 - t0, t0)
        law = moved(law, unit - (t0 - t1) * (noise - (unit - t0 * noise) / (1 - t0)))
    return law


def vp(t: float) -> tuple[float, float]:
    integral = 0.1 * t + 0.5 * 19.9 * t**2
    return math.exp(-integral / 2), math.sqrt(-math.expm1(-integral))


def distance_squared(law: Law, mean: Floats, eigenvalues: Floats) -> float:
    root = np.diag(np.sqrt(eigenvalues))
    cross = np.real(sqrtm(root @ law[1] @ root))
    return float(np.sum((law[0] - mean) ** 2) + np.trace(law[1]) + np.sum(eigenvalues) - 2 * np.trace(cross))


LEVELS: dict[type[Process], Callable[[float], tuple[float, float]]] = {
    VPLinear: vp,
    EDM: lambda t: (1.0, t),
    FlowMatching: lambda t: (1 - t, t),
}


def looped(experiment: Experiment, at: LevelsToMatrix) -> float:
    """The squared distance of one replica."""
    eigenvalues = experiment.law.variance.numpy()
    mean = experiment.law.mean.numpy() * np.ones(len(eigenvalues))
    times, sampler, sigma = experiment.times.tolist(), experiment.sampler, experiment.score.noise_amplitude
    is_langevin = isinstance(sampler, Langevin | UnderdampedLangevin)
    levels = [(1.0, sigma)] if is_langevin else [LEVELS[type(experiment.process)](t) for t in times]
    alpha0, sigma0 = levels[0]
    start = experiment.start
    if isinstance(start, Isotropic):
        law = (0 * mean, start.width**2 * np.eye(len(mean)))
    elif isinstance(start, Noise):
        law = (0 * mean, sigma0**2 * np.eye(len(mean)))
    else:
        law = (alpha0 * mean, np.diag(alpha0**2 * eigenvalues + sigma0**2))
    match sampler:
        case Langevin():
            law = langevin(at, law, mean, sigma, sampler.step_size, len(times) - 1)
        case UnderdampedLangevin():
            law = underdamped(at, law, start.at_rest, sigma, sampler, len(times) - 1)
        case DDIM():
            law = ddim(at, law, levels, sampler.eta)
        case EDMHeun():
            law = edm_heun(at, law, levels)
        case DPMSolverPP2M():
            law = dpm_solver(at, law, levels)
        case FlowEuler():
            law = flow_euler(at, law, times)
        case EulerMaruyama():
            law = euler_maruyama(at, law, mean, times, sampler.stochasticity)
        case _:
            raise AssertionError(sampler)
    return distance_squared(law, mean, eigenvalues)


MODELS: tuple[Learned, ...] = (
    Empirical(noise_amplitude=0.3, samples=12),
    Empirical(noise_amplitude=0.3, samples=2),
    GradientDescent(noise_amplitude=0.3, samples=12, step_size=0.05, iterations=40),
    StochasticGradient(noise_amplitude=0.3, samples=12, step_size=0.03, batch=1, iterations=30),
    StochasticGradient(noise_amplitude=0.3, samples=12, step_size=0.05, batch=5, iterations=20),
    StochasticGradient(noise_amplitude=0.3, samples=12, step_size=0.03, batch=3, iterations=20, symmetrized=True),
    StochasticGradient(noise_amplitude=0.3, samples=12, step_size=0.03, batch=2, iterations=20, shared=True),
)
RUNS: tuple[dict[str, Any], ...] = (
    {"sampler": Langevin(step_size=0.05), "grid": Uniform(steps=23), "start": Isotropic(width=2.0)},
    {"sampler": Langevin(step_size=0.05), "grid": Uniform(steps=1)},
    {"sampler": UnderdampedLangevin(step_size=0.1), "grid": Uniform(steps=13)},
    {"sampler": UnderdampedLangevin(step_size=0.1), "grid": Uniform(steps=13), "start": Marginal()},
    {"sampler": DDIM(), "process": EDM(), "grid": TABLE},
    {"sampler": DDIM(eta=0.7), "process": VPLinear(), "grid": SMALL},
    {"sampler": EDMHeun(), "process": EDM(), "grid": TABLE, "start": Marginal()},
    {"sampler": DPMSolverPP2M(), "process": VPLinear(), "grid": SMALL},
    {"sampler": DPMSolverPP2M(), "process": EDM(), "grid": TABLE},
    {"sampler": FlowEuler(), "process": FlowMatching(), "grid": Tabulated(values=(0.9, 0.6, 0.3, 0.0))},
    {"sampler": EulerMaruyama(stochasticity=0.4), "process": VPLinear(), "grid": SMALL},
)


@pytest.mark.parametrize("model", MODELS, ids=[f"{type(model).__name__}{k}" for k, model in enumerate(MODELS)])
@pytest.mark.parametrize("parts", RUNS, ids=[f"{type(run['sampler']).__name__}{k}" for k, run in enumerate(RUNS)])
def test_each_replica_is_what_a_loop_makes_of_the_same_random_numbers(
    parts: dict[str, Any], model: Learned, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Experiment(spectrum=SPECTRUM, score=model, **parts)
    recorded = Recorded(monkeypatch)
    found = replicate(experiment, 3, seed=4).values
    expected = [looped(experiment, matrices(model, experiment.law.variance.numpy(), recorded, k)) for k in range(3)]
    # Where a covariance is singular, as with fewer samples than modes, roots keep half the digits.
    assert found.numpy() == pytest.approx(expected, rel=1e-9 if model.samples > 3 else 1e-6)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=["Empirical", "StochasticGradient"])
@pytest.mark.parametrize(
    "parts",
    [
        {"sampler": EulerMaruyama(stochasticity=0.4), "process": VPLinear(), "grid": SMALL},
        {"sampler": EulerMaruyama(stochasticity=0.0), "process": VPLinear(), "grid": SMALL, "start": Marginal()},
        {"sampler": Langevin(step_size=0.05), "grid": Uniform(steps=9)},
    ],
    ids=["EulerMaruyama", "flow", "Langevin"],
)
def test_means_are_carried_exactly(parts: dict[str, Any], model: Learned, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(spectrum=Custom(eigenvalues=(1.0, 0.5, 0.2), mean=0.7), score=model, **parts)
    recorded = Recorded(monkeypatch)
    found = replicate(experiment, 2).values
    expected = [looped(experiment, matrices(model, experiment.law.variance.numpy(), recorded, k)) for k in range(2)]
    assert found.numpy() == pytest.approx(expected, rel=1e-9)


def test_a_mean_makes_no_difference_where_the_sampler_keeps_it() -> None:
    plain, shifted = (
        replicate(
            Experiment(
                spectrum=Custom(eigenvalues=(1.0, 0.5, 0.2), mean=mean),
                process=EDM(),
                score=GradientDescent(samples=20, step_size=0.05, iterations=10),
                sampler=sampler,
                grid=TABLE,
                start=Marginal(),
            ),
            4,
        ).values
        for mean in (0.0, 1.5)
        for sampler in (DPMSolverPP2M(),)
    )
    assert shifted.numpy() == pytest.approx(plain.numpy(), rel=1e-10)


@pytest.mark.parametrize("kind", SAMPLERS, ids=[kind.__name__ for kind in SAMPLERS])
def test_with_many_samples_every_sampler_errs_as_with_the_exact_score(kind: Any) -> None:
    experiment = Experiment(
        spectrum=Custom(eigenvalues=(1.5, 0.3)),
        process=FlowMatching() if kind is FlowEuler else VPLinear(),
        grid=Uniform(steps=12, start=0.6, stop=0.05),
        score=Empirical(samples=2_000_000, noise_amplitude=0.3),
        sampler=kind(step_size=0.02) if issubclass(kind, Langevin | UnderdampedLangevin) else kind(),
    )
    exact = report(dataclasses.replace(experiment, score=Exact(noise_amplitude=0.3))).wasserstein2.total
    # A standard deviation is known to the root of l/(2n).
    assert math.sqrt(replicate(experiment, 2).mean) == pytest.approx(float(exact), abs=4 * math.sqrt(1.8 / 4e6))


# ------------------------------------------------------------------------------------------ closed forms and goldens


@pytest.mark.parametrize("samples", [10, 100])
def test_one_mode_costs_what_the_chi_distribution_says(samples: int) -> None:
    # A stationary sampler with a step that goes to zero has the variance of the samples, at no noise.
    experiment = Experiment(
        spectrum=Custom(eigenvalues=(2.0,)),
        score=Empirical(samples=samples, noise_amplitude=0.0),
        sampler=Langevin(step_size=1e-5),
        grid=Uniform(steps=1_000_000),
        start=Isotropic(width=1.4),
    )
    found = replicate(experiment, 4000, seed=1)
    expected = 2.0 * 2 * (1 - math.sqrt(2 / samples) * math.exp(gammaln((samples + 1) / 2) - gammaln(samples / 2)))
    assert abs(found.mean - expected) < 4 * found.standard_error
    assert found.standard_error < 0.03 * expected


def test_a_diffusion_with_the_minimizer_at_every_level_errs_as_simulated() -> None:
    ratio = (0.02 / 10) ** (1 / 11)
    experiment = Experiment(
        spectrum=Custom(eigenvalues=(1.0, 0.3, 0.05)),
        process=EDM(),
        score=Empirical(samples=2000),
        sampler=DDIM(),
        grid=Tabulated(values=(*(10 * ratio**k for k in range(12)), 0.0)),
    )
    found = replicate(experiment, 1536, seed=2)
    assert abs(found.mean - 0.024859) < 4 * math.hypot(found.standard_error, 5e-6)
    # The discretization alone makes .0244346: what is learned is resolved.
    assert found.standard_error < 0.000424 / 4


def test_learning_by_stochastic_gradients_and_langevin_err_as_simulated() -> None:
    experiment = Experiment(
        spectrum=SPECTRUM,
        score=StochasticGradient(
            noise_amplitude=math.sqrt(0.05), samples=4000, step_size=2e-4, batch=1, iterations=160_000
        ),
        sampler=Langevin(step_size=0.04),
        grid=Uniform(steps=2000),
        start=Isotropic(),
    )
    found = replicate(experiment, 96, seed=3)
    assert abs(found.mean - 0.01041) < 4 * math.hypot(found.standard_error, 8e-5)
    # Noise and step size alone make .0090239.
    assert found.mean - 0.00902386 > 4 * found.standard_error


def test_the_distance_between_any_two_covariances() -> None:
    rng = np.random.default_rng(5)
    eigenvalues, mean = np.array([2.0, 0.7, 0.1, 0.0]), np.array([0.3, -1.0, 0.0, 2.0])
    factors, means = rng.standard_normal((6, 4, 4)), rng.standard_normal((6, 4))
    covariances = factors @ factors.transpose(0, 2, 1)
    covariances[5] = 0.0
    found = bures_squared(
        torch.tensor(means), torch.tensor(covariances), Gaussian(torch.tensor(mean), torch.tensor(eigenvalues))
    )
    root = np.diag(np.sqrt(eigenvalues))
    for k, (m, s) in enumerate(zip(means, covariances, strict=True)):
        values = np.linalg.eigvalsh(root @ s @ root).clip(0)
        expected = np.sum((m - mean) ** 2) + np.trace(s) + eigenvalues.sum() - 2 * np.sqrt(values).sum()
        assert float(found[k]) == pytest.approx(expected, rel=1e-7)


# ------------------------------------------------------------------------------------------ what a run promises

QUICK = Experiment(
    spectrum=SPECTRUM,
    score=StochasticGradient(noise_amplitude=0.3, samples=20, step_size=0.02, batch=2, iterations=30),
    sampler=Langevin(step_size=0.05),
    grid=Uniform(steps=20),
)


def test_the_seed_alone_decides() -> None:
    first, again, other = (replicate(QUICK, 20, seed=seed).values for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert len(set(first.tolist()) | set(other.tolist())) == 40


def test_neither_workers_nor_later_groups_make_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.GROUP, "cpu", 8)
    alone, together, fewer = replicate(QUICK, 40), replicate(QUICK, 40, workers=3), replicate(QUICK, 16)
    assert torch.equal(alone.values, together.values)
    assert torch.equal(alone.values[:16], fewer.values)
    assert len(set(alone.values.tolist())) == 40


def test_levels_learn_from_the_same_numbers_or_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for shared in (False, True):
        model = StochasticGradient(samples=12, step_size=0.02, batch=2, iterations=5, shared=shared)
        recorded = Recorded(monkeypatch)
        replicate(Experiment(spectrum=SPECTRUM, process=EDM(), score=model, sampler=DDIM(), grid=TABLE), 2)
        assert len(recorded.normals) == 1 + 4
        assert np.array_equal(recorded.normals[1], recorded.normals[2]) == shared
        assert np.array_equal(recorded.choices[0], recorded.choices[3]) == shared
        monkeypatch.undo()


def test_both_ways_of_descending_are_the_same() -> None:
    rng = torch.Generator().manual_seed(1)
    points, targets = (torch.randn(7, 5, 4, 3, dtype=torch.float64, generator=rng) for _ in range(2))
    for symmetrized in (False, True):
        found = [torch.zeros(5, 3, 3, dtype=torch.float64) for _ in range(2)]
        for matrix, descend in zip(found, (pipeline.with_numpy, pipeline.with_torch), strict=True):
            descend(matrix, points, targets, 0.05, symmetrized)
        assert found[0].numpy() == pytest.approx(found[1].numpy(), rel=1e-12, abs=1e-14)


def test_mean_and_standard_error() -> None:
    found = replicate(QUICK, 50)
    values = found.values.numpy()
    assert found.replicas == 50
    assert found.mean == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(50))


def test_progress_comes_with_the_values_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.GROUP, "cpu", 8)
    monkeypatch.setattr(pipeline, "_SECONDS_BETWEEN_LOOKS", 0.002)
    heard: list[Progress] = []
    threads: set[str] = set()

    def watch(progress: Progress) -> None:
        heard.append(progress)
        threads.add(threading.current_thread().name)

    found = replicate(QUICK, 40, watch=watch)
    fractions = [progress.fraction for progress in heard]
    assert threads == {threading.current_thread().name}
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert all(torch.equal(progress.values, found.values[: len(progress.values)]) for progress in heard)
    assert len(heard[-1].values) == 40


def test_what_the_watch_raises_ends_the_work_soon() -> None:
    endless = StochasticGradient(noise_amplitude=0.3, step_size=1e-4, iterations=1_000_000_000)
    experiment = Experiment(spectrum=SPECTRUM, score=endless, sampler=Langevin(), grid=Uniform(steps=20))
    fractions: list[float] = []

    def watch(progress: Progress) -> None:
        fractions.append(progress.fraction)
        if len(fractions) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        replicate(experiment, 1000, watch=watch, workers=2)
    assert all(0 <= fraction < 0.01 for fraction in fractions)


@pytest.mark.parametrize(
    ("parts", "model"),
    [
        # too large a step of the sampler, and of the descents
        ({"sampler": Langevin(step_size=1.0), "grid": Uniform(steps=2000)}, Empirical(noise_amplitude=0.1)),
        ({"sampler": Langevin()}, GradientDescent(step_size=10.0, iterations=10_000)),
        ({"sampler": DDIM(), "grid": Uniform(steps=3)}, StochasticGradient(step_size=5.0, iterations=1000)),
        ({"sampler": UnderdampedLangevin(step_size=1.0), "grid": Uniform(steps=3000)}, Empirical()),
        # fewer samples than modes, and no noise
        ({"sampler": Langevin(), "grid": Uniform(steps=10)}, Empirical(samples=2, noise_amplitude=0.0)),
    ],
    ids=["Langevin", "GradientDescent", "StochasticGradient", "Underdamped", "no noise"],
)
def test_what_diverges_is_infinite(parts: dict[str, Any], model: Learned) -> None:
    found = replicate(Experiment(spectrum=SPECTRUM, score=model, **parts), 3)
    assert found.values.tolist() == [math.inf] * 3
    assert (found.mean, found.standard_error) == (math.inf, math.inf)


REFUSED: dict[str, tuple[Experiment, dict[str, Any]]] = {
    "replicas need a score learned from samples, got Exact; choose score=Empirical, GradientDescent or "
    "StochasticGradient.": (Experiment(score=Exact()), {}),
    "replicas must be a whole number from 2 to 10000000, got 1.": (QUICK, {"replicas": 1}),
    "replicas must be a whole number from 2 to 10000000, got 10000001.": (QUICK, {"replicas": 10_000_001}),
    "seed must be a whole number from 0 to 18446744073709551615, got -1.": (QUICK, {"seed": -1}),
    "workers must be a whole number from 1 to 1024, got 0.": (QUICK, {"workers": 0}),
    "device must be cpu or cuda, got 'gpu'.": (QUICK, {"device": "gpu"}),
    "device must be cpu or cuda, got 'cuda:x'.": (QUICK, {"device": "cuda:x"}),
    "device cuda:99 needs an NVIDIA graphics card and a PyTorch made for it, and there is none; use cpu.": (
        QUICK,
        {"device": "cuda:99"},
    ),
    "a replica of 3072 modes, 1000 samples needs 1585 MB, and at most 256 are used; choose fewer modes.": (
        Experiment(spectrum=PowerLaw(modes=3072), score=Empirical()),
        {},
    ),
    "a replica of 64 modes, 2000000 samples, batches of 16 needs 489 MB, and at most 256 are used; choose fewer modes, "
    "samples or examples per step.": (Experiment(score=StochasticGradient(samples=2_000_000)), {}),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_run_is_refused_in_a_sentence(sentence: str) -> None:
    experiment, given = REFUSED[sentence][0], dict(REFUSED[sentence][1])
    with pytest.raises(ValueError) as caught:
        replicate(experiment, given.pop("replicas", 2), **given)
    assert str(caught.value) == sentence


def test_small_variance_steps_of_denoising_are_those_of_ancestral_sampling() -> None:
    # DDPM with its small variance is DDIM with eta = 1, whatever the score.
    a, b = (
        replicate(
            Experiment(spectrum=SPECTRUM, score=MODELS[3], sampler=sampler, process=VPLinear(), grid=SMALL), 4
        ).values
        for sampler in (DDPM(), DDIM(eta=1.0))
    )
    assert a.numpy() == pytest.approx(b.numpy(), rel=1e-10)
