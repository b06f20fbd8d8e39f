"""What a learned score costs: goldens, and dense covariances under samplers written out with full matrices."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import gammaln

from kernels.analyses import pairs
from kernels.analyses.learning import learning, learning_sweep, least
from kernels.analyses.sweep import with_value
from kernels.experiment import Experiment
from kernels.grids import LogUniform, Tabulated, Uniform
from kernels.matching import Fluctuation
from kernels.processes import EDM, FlowMatching, Held, Process, VPLinear
from kernels.response import Course, Response, to_gradients, to_samples
from kernels.samplers import (
    DDIM,
    DDPM,
    DPMSolverPP2M,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    Langevin,
    Sampler,
    UnderdampedLangevin,
)
from kernels.scores import Empirical, Exact, GradientDescent, Learned, ScoreModel, StochasticGradient
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Isotropic, Marginal, Noise

Floats = NDArray[np.float64]
LEVEL = math.sqrt(0.05)


def tensor(values: Sequence[float] | NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(values, float))


def ones(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.float64)


# ------------------------------------------------------------------------------------ samplers with full matrices


@dataclass(frozen=True)
class Dense:
    """A run on a full covariance, whose score at each time is any matrix."""

    sampler: Sampler
    process: Process
    times: tuple[float, ...]
    start: Floats
    at_rest: bool = True

    @property
    def calls(self) -> int:
        """Number of matrices that the steps ask for; a Langevin method asks for one."""
        return 1 if isinstance(self.process, Held) else len(self.times)

    def levels(self, t: float) -> tuple[float, float, float, float]:
        """Alpha, sigma, f and g^2."""
        match self.process:
            case VPLinear():
                alpha = math.exp(-0.5 * (0.1 * t + 0.5 * 19.9 * t**2))
                beta = 0.1 + 19.9 * t
                return alpha, math.sqrt(1 - alpha**2), -0.5 * beta, beta
            case Held(level=level):
                return 1.0, level, 0.0, 0.0
            case FlowMatching():
                return 1 - t, t, -1 / (1 - t), 2 * t / (1 - t)
            case _:
                return 1.0, t, 0.0, 2 * t

    def slopes(self, covariance: Floats) -> list[Floats]:
        """The minimizer at each level, a function of the covariance."""
        found: list[Floats] = []
        for t in self.times[: self.calls]:
            alpha, sigma, _, _ = self.levels(t)
            found.append(np.asarray(np.linalg.inv(alpha**2 * covariance + sigma**2 * np.eye(len(covariance))), float))
        return found

    def end(self, slopes: list[Floats]) -> Floats:
        """Covariance at the end, where the score is minus a matrix times the state."""
        size, eye = len(self.start), np.eye(len(self.start))
        state, latest, former = self.start, eye, np.zeros((size, size))
        if isinstance(self.sampler, UnderdampedLangevin):
            zero = np.zeros((size, size))
            state = np.block([[self.start, zero], [zero, zero if self.at_rest else eye]])
        for k, (t, after) in enumerate(zip(self.times[:-1], self.times[1:], strict=True)):
            h, a = t - after, slopes[min(k, len(slopes) - 1)]
            alpha, sigma, f, g2 = self.levels(t)
            alpha1, sigma1, f1, g21 = self.levels(after)
            s, s1, r, noise = sigma / alpha, sigma1 / alpha1, alpha1 / alpha, 0.0 * eye
            denoised, predicted = (eye - sigma**2 * a) / alpha, sigma * a
            match self.sampler:
                case Langevin():
                    gain, noise = eye - h * a, 2 * h * eye
                case UnderdampedLangevin(friction=zeta):
                    gain = np.block([[eye, h * eye], [-h * a, (1 - zeta * h) * eye]])
                    noise = np.diag([0.0] * size + [2 * zeta * h] * size)
                case EulerMaruyama(stochasticity=eps):
                    gain, noise = (1 - h * f) * eye - 0.5 * h * (1 + eps) * g2 * a, eps * g2 * h * eye
                case ExponentialIntegrator(stochasticity=eps):
                    gain, noise = r * eye - (1 + eps) * (r - 1) * a, eps * (r**2 - 1) * eye
                case DDIM(eta=eta):
                    up = eta**2 * s1**2 * (1 - s1**2 / s**2)
                    gain, noise = alpha1 * (denoised + math.sqrt(s1**2 - up) * predicted), alpha1**2 * up * eye
                case DDPM(variance_share=share):
                    kept = s1**2 / s**2
                    gain = alpha1 * (kept / alpha * eye + (1 - kept) * denoised)
                    noise = alpha1**2 * (s**2 - s1**2) * (share + (1 - share) * kept) * eye
                case FlowEuler():
                    gain = eye - h * (f * eye + 0.5 * g2 * a)
                case Heun():
                    first = f * eye + 0.5 * g2 * a
                    second = f1 * eye + 0.5 * g21 * slopes[k + 1]
                    gain = eye - 0.5 * h * (first + second @ (eye - h * first))
                case _:
                    assert isinstance(self.sampler, DPMSolverPP2M)
                    width = math.log(s / s1)
                    here = denoised @ latest
                    alpha0, sigma0, _, _ = self.levels(self.times[max(k - 1, 0)])
                    before = math.log(sigma0 / alpha0 / s)
                    mixed = here + (here - former) * width / (2 * before) if k else here
                    latest, former = (sigma1 / sigma) * latest - alpha1 * math.expm1(-width) * mixed, here
                    continue
            state = gain @ state @ gain.T + noise
        return (latest @ state @ latest.T)[:size, :size] if len(state) == size else state[:size, :size]


def course(run: Dense, score: ScoreModel) -> Course:
    return Course(run.sampler, run.process, score, tensor(run.times), tensor(run.start.diagonal().copy()), run.at_rest)


def change(size: int, a: int, b: int, *, together: bool) -> Floats:
    """A change of one entry, and of its mirror image if they go together."""
    found = np.zeros((size, size))
    found[a, b] = 1.0
    if together:
        found[b, a] = 1.0
    return found


def slopes_of(found: list[Floats]) -> tuple[Floats, Floats]:
    """First and second derivative of the covariance from its values at minus, none and plus a step."""
    low, middle, high = found
    return 0.5 * (high - low), high + low - 2 * middle


THREE = np.array([1.0, 0.4, 0.08])
STEPS_EDM, STEPS_VP = (8.0, 2.0, 0.6, 0.2, 0.05), (0.9, 0.6, 0.35, 0.15, 0.03)


def steady(size: float, steps: int) -> tuple[float, ...]:
    return tuple(size * k for k in range(steps, -1, -1))


SINGLE = (
    Dense(Langevin(step_size=0.05), Held(level=LEVEL), steady(0.05, 7), np.diag([0.3, 0.3, 0.3])),
    Dense(Langevin(step_size=0.05), Held(level=LEVEL), steady(0.05, 30), np.diag(THREE + 0.05)),
    Dense(UnderdampedLangevin(step_size=0.1, friction=1.5), Held(level=LEVEL), steady(0.1, 9), 0.3 * np.eye(3)),
    Dense(
        UnderdampedLangevin(step_size=0.1, friction=9.0), Held(level=LEVEL), steady(0.1, 12), np.diag(THREE + 0.05),
        at_rest=False,
    ),
)  # fmt: skip
ONCE = (
    Dense(EulerMaruyama(stochasticity=0.4), EDM(), STEPS_EDM, 64.0 * np.eye(3)),
    Dense(EulerMaruyama(stochasticity=1.0), VPLinear(), STEPS_VP, np.eye(3)),
    Dense(ExponentialIntegrator(stochasticity=0.6), VPLinear(), STEPS_VP, np.eye(3)),
    Dense(DDIM(eta=0.0), EDM(), STEPS_EDM, np.diag(THREE + 64)),
    Dense(DDIM(eta=0.7), VPLinear(), STEPS_VP, np.eye(3)),
    Dense(DDPM(variance_share=0.0), EDM(), STEPS_EDM, 64.0 * np.eye(3)),
    Dense(DDPM(variance_share=1.0), VPLinear(), STEPS_VP, np.eye(3)),
    Dense(FlowEuler(), FlowMatching(), (0.9, 0.6, 0.3, 0.1), np.eye(3)),
)
OTHERS = (
    Dense(Heun(), EDM(), STEPS_EDM, 64.0 * np.eye(3)),
    Dense(Heun(), VPLinear(), STEPS_VP, np.eye(3)),
    Dense(DPMSolverPP2M(), VPLinear(), STEPS_VP, np.eye(3)),
    Dense(DPMSolverPP2M(), EDM(), STEPS_EDM, 64.0 * np.eye(3)),
)


def name(run: Dense) -> str:
    return f"{type(run.sampler).__name__}-{type(run.process).__name__}-{len(run.times)}"


def check(found: Response, pairs: Floats, shift: Floats, tolerance: float = 1e-5) -> None:
    scale = np.abs(pairs).max()
    off = ~np.eye(len(pairs), dtype=bool)
    assert found.pairs.numpy()[off] == pytest.approx(pairs[off], rel=tolerance, abs=1e-9 * scale)
    assert found.own.numpy() == pytest.approx(pairs.diagonal(), rel=tolerance, abs=1e-9 * scale)
    assert found.shift.numpy() == pytest.approx(shift, rel=1e-4, abs=1e-5 * np.abs(shift).max())


@pytest.mark.parametrize("run", SINGLE + ONCE + OTHERS, ids=name)
def test_the_answer_to_samples_is_that_of_a_full_covariance(run: Dense) -> None:
    pairs, shift, base = np.zeros((3, 3)), np.zeros(3), np.diag(THREE)
    for a, b in product(range(3), repeat=2):
        if a > b:
            continue
        spread = THREE[a] * THREE[b] * (2 if a == b else 1)
        step = 1e-3 * math.sqrt(THREE[a] * THREE[b])
        direction = step * change(3, a, b, together=True)
        ends = [run.end(run.slopes(base + sign * direction)) for sign in (-1, 0, 1)]
        first, second = slopes_of(ends)
        pairs += spread * (first / step) ** 2
        shift += 0.5 * spread * (second / step**2).diagonal()
    found = to_samples(course(run, Empirical()), tensor(THREE), ones(3))
    check(found, pairs, shift, 3e-5)


@pytest.mark.parametrize("symmetric", [False, True], ids=["raw", "symmetric"])
@pytest.mark.parametrize("shared", [False, True], ids=["fresh", "shared"])
@pytest.mark.parametrize("run", SINGLE + ONCE, ids=name)
def test_the_answer_to_gradients_is_that_of_full_matrices(run: Dense, shared: bool, symmetric: bool) -> None:
    exact, generator = run.slopes(np.diag(THREE)), np.random.default_rng(3)
    levels = 1 if isinstance(run.process, Held) else len(run.times) - 1
    variances = [generator.uniform(0.2, 2.0, (3, 3)) * np.abs(exact[k]).max() ** 2 for k in range(levels)]
    if symmetric:
        variances = [0.5 * (table + table.T) for table in variances]
    pairs, shift, step = np.zeros((3, 3)), np.zeros(3), 5e-5
    for a, b in product(range(3), repeat=2):
        if symmetric and a > b:
            continue
        direction = change(3, a, b, together=symmetric)
        together = [[*range(levels)]] if shared else [[k] for k in range(levels)]
        for moved in together:
            ends: list[Floats] = []
            for sign in (-1, 0, 1):
                slopes = list(exact)
                for k in moved:
                    slopes[k] = exact[k] + sign * step * math.sqrt(variances[k][a, b]) * direction
                ends.append(run.end(slopes))
            first, second = slopes_of(ends)
            pairs += (first / step) ** 2
            shift += 0.5 * (second / step**2).diagonal()
    given: Iterator[Fluctuation] = (Fluctuation(tensor(v), tensor(v.diagonal().copy())) for v in variances)
    found = to_gradients(course(run, Empirical()), tensor(THREE), ones(3), given, shared=shared, symmetric=symmetric)
    check(found, pairs, shift)


def test_early_stopping_filters_the_spectrum_of_the_samples() -> None:
    """A score that is not finished is another function of the covariance."""
    run, base, tau, count = ONCE[3], np.diag(THREE), 0.02, 40

    def slopes(covariance: Floats) -> list[Floats]:
        found: list[Floats] = []
        for t in run.times:
            matrix = covariance + t**2 * np.eye(3)
            learned = np.zeros((3, 3))
            for _ in range(count):
                learned = learned - tau * (learned @ matrix - np.eye(3))
            found.append(learned)
        return found

    pairs, shift = np.zeros((3, 3)), np.zeros(3)
    for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        spread, step = THREE[a] * THREE[b] * (2 if a == b else 1), 1e-3 * math.sqrt(THREE[a] * THREE[b])
        direction = step * change(3, a, b, together=True)
        first, second = slopes_of([run.end(slopes(base + sign * direction)) for sign in (-1, 0, 1)])
        pairs += spread * (first / step) ** 2
        shift += 0.5 * spread * (second / step**2).diagonal()
    score = GradientDescent(step_size=tau, iterations=count)
    check(to_samples(course(run, score), tensor(THREE), ones(3)), pairs, shift, 3e-5)


# ------------------------------------------------------------------------------------------------ the goldens


def langevin(
    score: ScoreModel, eigenvalues: tuple[float, ...] = (1.0, 0.5, 0.2), *, step_size: float = 0.04, steps: int = 3000
) -> Experiment:
    return Experiment(
        spectrum=Custom(eigenvalues=eigenvalues),
        score=score,
        grid=Uniform(steps=steps),
        sampler=Langevin(step_size=step_size),
        start=Marginal(),
    )


def cost(eigenvalues: Floats, sampled: Floats, pairs: Floats) -> float:
    """Half the Hessian of the squared Bures distance, on second moments."""
    square, ratio = np.sqrt(eigenvalues * sampled), np.sqrt(eigenvalues / sampled)
    return float((0.5 * np.outer(ratio, ratio) / (square[:, None] + square) * pairs).sum())


def test_the_golden_from_samples_to_langevin() -> None:
    eigenvalues = np.array([1.0, 0.5, 0.2])
    found = learning(langevin(Empirical(samples=4000, noise_amplitude=LEVEL)))
    assert found.bias == pytest.approx(0.00902386, abs=5e-9)
    assert found.generalization == pytest.approx(0.00031000, abs=5e-9)
    assert found.optimization == 0.0
    ell, tau = eigenvalues + 0.05, 2e-4
    rows = tau * eigenvalues / (2 * 0.05 * ell)
    run = Dense(Langevin(step_size=0.04), Held(level=LEVEL), steady(0.04, 3000), np.diag(ell))
    first_order = Fluctuation(tensor(np.outer(rows, np.ones(3))), tensor(rows))
    given = to_gradients(
        course(run, Empirical(noise_amplitude=LEVEL)), tensor(eigenvalues), ones(3), iter([first_order]),
        shared=False, symmetric=False,
    )  # fmt: skip
    sampled = 2 * ell**2 / (2 * ell - 0.04)
    whole = given.pairs.numpy().copy()
    np.fill_diagonal(whole, given.own.numpy())
    assert cost(eigenvalues, sampled, whole) == pytest.approx(0.00085920, abs=5e-9)
    shift = float(given.shift.numpy() @ (1 - np.sqrt(eigenvalues / sampled)))
    assert shift == pytest.approx(0.01035277 - 0.0101930568720544, abs=1e-8)
    total = found.bias + found.generalization + cost(eigenvalues, sampled, whole)
    assert total == pytest.approx(0.0101930568720544, rel=1e-9)
    # The exact moments of the gradients are larger by one more order of their step.
    trained = StochasticGradient(samples=4000, noise_amplitude=LEVEL, step_size=tau, batch=1, iterations=10**9)
    own = learning(langevin(trained))
    assert 0.00085920 < own.optimization < 0.00085920 * (1 + 5e-4)
    assert own.bias == pytest.approx(found.bias, rel=1e-12)
    assert own.total == pytest.approx(0.01035277, rel=1e-3)


@pytest.mark.parametrize("samples", [10, 100, 1000])
def test_one_mode_comes_near_its_exact_cost(samples: int) -> None:
    """The exact cost is that of a chi distribution; the kernel is its first order."""
    exact = 2 * (1 - math.sqrt(2 / samples) * math.exp(gammaln((samples + 1) / 2) - gammaln(samples / 2)))
    where = langevin(Empirical(samples=samples, noise_amplitude=0.0), (1.0,), step_size=2e-5, steps=1_000_000)
    found = learning(where)
    assert found.generalization == pytest.approx(0.5 / samples, rel=3e-5)
    assert abs(found.generalization - exact) < 0.08 / samples**2 + 3e-5 * found.generalization


def diffusion(score: Learned, eigenvalues: tuple[float, ...] = (1.0, 0.3, 0.05)) -> Experiment:
    return Experiment(
        spectrum=Custom(eigenvalues=eigenvalues),
        process=EDM(),
        score=score,
        grid=LogUniform(steps=11, start=10.0, stop=0.02, to_zero=True),
        sampler=DDIM(eta=0.0),
        start=Noise(),
    )


def test_the_golden_of_a_diffusion_learned_from_samples() -> None:
    times = (*np.geomspace(10.0, 0.02, 12).tolist(), 0.0)
    found = learning(replace(diffusion(Empirical(samples=2000)), grid=Tabulated(values=times)))
    assert found.bias == pytest.approx(0.0244346056127514, rel=1e-12)
    # Its published total, .0248632781739202, has the first nine of these digits: derivatives here are exact.
    assert found.total == pytest.approx(0.0248632781624166, rel=1e-13)
    assert found.total == pytest.approx(0.0248632781739202, rel=1e-9)
    assert found.shift == pytest.approx(found.total - found.bias - found.generalization, rel=1e-12)


def test_the_golden_of_a_diffusion_learned_by_gradients() -> None:
    eigenvalues, tau = np.array([1.0, 0.3, 0.05]), 1e-3
    times = tuple(np.geomspace(10.0, 0.05, 9).tolist())
    run = Dense(EulerMaruyama(stochasticity=0.5), EDM(), times, np.diag(eigenvalues + 100))
    rows = [tau * eigenvalues / (2 * s**2 * (eigenvalues + s**2)) for s in times[:-1]]
    levels = iter([Fluctuation(tensor(np.outer(row, np.ones(3))), tensor(row)) for row in rows])
    found = to_gradients(course(run, Empirical()), tensor(eigenvalues), ones(3), levels, shared=False, symmetric=False)
    golden = {(0, 1): 0.00027972857, (0, 2): 2.83193395e-5, (1, 2): 3.6559913e-6}
    for (i, j), value in golden.items():
        assert float(found.pairs[i, j]) == float(found.pairs[j, i]) == pytest.approx(value, rel=3e-8)
    assert found.own.tolist() == pytest.approx([0.00313040335, 9.0148112e-5, 4.8124069e-7], rel=3e-8)


def test_the_golden_amplitude_of_least_cost() -> None:
    found = pairs.best_amplitude(tensor([1.0, 0.5, 0.2]), 1e-4)
    assert found**2 == pytest.approx(0.017218228673820113, rel=1e-13)
    with_steps = pairs.best_amplitude(tensor([1.0, 0.5, 0.2, 0.0]), 1e-4, step_size=0.04) ** 2
    p = sum(0.25 / value for value in (1.0, 0.5, 0.2))
    c = 2 * p * found**6
    assert 2 * p * with_steps**2 * (with_steps + 0.02) == pytest.approx(c, rel=1e-12)
    with pytest.raises(ValueError, match=r"^The best noise amplitude needs eigenvalues above 0, got none\.$"):
        pairs.best_amplitude(tensor([0.0, 0.0]), 1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_there_is_an_amplitude_of_least_cost_at_any_scale(scale: float) -> None:
    """In units of the data the square of the amplitude scales like them, for a rate that scales inversely."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        values = generator.uniform(0.1, 2.0, 4)
        base = pairs.best_amplitude(tensor(values), 1e-3)
        found = pairs.best_amplitude(tensor(scale * values), 1e-3 / scale)
        assert found**2 == pytest.approx(scale * base**2, rel=1e-10)
        symmetrized = [pairs.best_amplitude(tensor(scale * values), 1e-2, symmetrized=flag) for flag in (False, True)]
        assert symmetrized[1] < symmetrized[0]


@pytest.mark.parametrize("shared", [False, True])
def test_every_level_of_a_diffusion_is_trained_by_itself(shared: bool) -> None:
    """From the raw recursion of second moments at each level to what they cost."""
    score = StochasticGradient(samples=500, step_size=2e-3, batch=4, iterations=500, shared=shared)
    where = replace(diffusion(score), grid=LogUniform(steps=6, start=6.0, stop=0.1))
    l, s = np.array([1.0, 0.3, 0.05]), np.geomspace(6.0, 0.1, 7)
    moved, amplitude = np.zeros((3, 3)), np.zeros((3, 3))
    v, kappa = np.full(3, 36.0), 2e-3**2 / 4
    for s0, s1 in pairwise(s):
        c = l + s0**2
        mean = (1 - 2e-3 * c) ** 500
        matrix = np.diag((1 - 2e-3 * c) ** 2 + kappa * c**2) + kappa * np.outer(c, c)
        moments = np.diag(c**-2.0)
        for _ in range(500):
            moments = moments @ matrix + np.outer(l / (s0**2 * c), kappa * c)
        moments -= np.diag((mean / c) ** 2)
        b = -(s0 - s1) * s0
        gain = 1 + b * (1 - mean) / c
        driven = b * np.sqrt(moments) * (v * gain)
        moved = np.outer(gain, gain) ** 2 * moved + driven**2 + (driven**2).T + 2 * np.diag(driven.diagonal() ** 2)
        amplitude = np.outer(gain, gain) * amplitude + driven
        v = gain**2 * v
    if shared:
        moved = amplitude**2 + (amplitude**2).T + 2 * np.diag(amplitude.diagonal() ** 2)
    found = learning(where)
    assert found.learned == pytest.approx(v, rel=1e-9)
    assert found.optimization == pytest.approx(cost(l, v, moved), rel=1e-7)


# ------------------------------------------------------------------------------------------- kernels and nodes

TRAINED = StochasticGradient(samples=500, step_size=5e-4, batch=4, iterations=20_000, noise_amplitude=LEVEL)
CASES = (
    langevin(TRAINED, steps=60),
    replace(langevin(TRAINED, steps=60), sampler=UnderdampedLangevin(step_size=0.05), start=Isotropic(width=1.0)),
    diffusion(TRAINED),
    diffusion(replace(TRAINED, symmetrized=True, shared=True)),
    replace(diffusion(Empirical(samples=50)), sampler=Heun(), grid=LogUniform(steps=9, start=9.0, stop=0.1)),
)


@pytest.mark.parametrize("where", CASES, ids=lambda e: type(e.sampler).__name__)
def test_kernels_add_up(where: Experiment) -> None:
    found = learning(where)
    for kernel, total in (
        (found.kernel_generalization, found.generalization),
        (found.kernel_optimization, found.optimization),
    ):
        assert (kernel >= 0).all()
        assert kernel == pytest.approx(kernel.T, rel=1e-9)
        assert kernel.sum() == pytest.approx(total, rel=1e-13)
    assert found.generalization > 0
    assert found.total == found.bias + found.generalization + found.optimization + found.shift
    assert (found.optimization > 0) == isinstance(where.score, StochasticGradient)
    assert not found.note


@pytest.mark.parametrize("where", CASES, ids=lambda e: type(e.sampler).__name__)
def test_a_node_may_stand_for_several_modes(where: Experiment) -> None:
    """Those of the same eigenvalue; beside eigenvalues that differ by next to nothing, nothing else changes."""
    same = learning(replace(where, spectrum=Custom(eigenvalues=(1.0, 0.3, 0.3, 0.3, 0.1, 0.1))))
    apart = (1.0, 0.3 * (1 + 1e-9), 0.3, 0.3 * (1 - 1e-9), 0.1 * (1 + 1e-9), 0.1)
    full = learning(replace(where, spectrum=Custom(eigenvalues=apart)))
    assert same.counts.tolist() == [1, 3, 2]
    assert full.counts.tolist() == [1] * 6
    for part in ("bias", "generalization", "optimization", "shift"):
        assert getattr(same, part) == pytest.approx(getattr(full, part), rel=1e-6), part
    groups = [[0], [1, 2, 3], [4, 5]]
    for kernel in ("kernel_generalization", "kernel_optimization"):
        summed = [[getattr(full, kernel)[np.ix_(a, b)].sum() for b in groups] for a in groups]
        assert getattr(same, kernel) == pytest.approx(np.array(summed), rel=1e-6), kernel


@pytest.mark.parametrize("where", CASES[:3], ids=lambda e: type(e.sampler).__name__)
def test_few_nodes_stand_for_many_modes(where: Experiment) -> None:
    where = replace(where, spectrum=PowerLaw(modes=200, decay=1.0))
    full, some, few = (learning(where, nodes) for nodes in (200, 64, 24))
    assert len(full.eigenvalues) == 200
    assert len(few.eigenvalues) <= 24 < len(some.eigenvalues) <= 64
    for found in (some, few):
        assert found.counts.sum() == 200
        assert found.counts @ found.eigenvalues == pytest.approx(full.eigenvalues.sum(), rel=1e-13)
        for part in ("bias", "generalization", "optimization"):
            assert getattr(found, part) == pytest.approx(getattr(full, part), rel=1e-2), part


def test_the_golden_sum_of_the_kernel_of_samples() -> None:
    where = langevin(
        Empirical(samples=400, noise_amplitude=0.0), (1.0, 0.4, 0.1, 0.02), step_size=2e-5, steps=1_000_000
    )
    found = learning(where)
    assert found.generalization == pytest.approx(0.0031798637636872937, rel=1e-4)
    values = tensor([1.0, 0.4, 0.1, 0.02])
    table = pairs.of_samples(*torch.broadcast_tensors(values.unsqueeze(1), values))
    assert float(table.sum() + table.diagonal().sum()) / 400 == pytest.approx(0.0031798637636872937, rel=1e-14)


@pytest.mark.parametrize("symmetrized", [False, True])
def test_the_limit_of_small_noise_and_steps(symmetrized: bool) -> None:
    score = StochasticGradient(
        samples=300, step_size=1e-4, batch=4, iterations=10**9, noise_amplitude=0.01, symmetrized=symmetrized
    )
    found = learning(langevin(score, step_size=2e-5, steps=1_000_000))
    l = np.array([1.0, 0.5, 0.2])
    a, b, weight = l[:, None], l, 1 + np.eye(3)
    of_samples, raw = a * b / (2 * (a + b)), a**2 * b**2 * (a**2 + b**2) / (4 * (a + b) ** 3)
    of_gradients = a**2 * b**2 / (8 * (a + b)) if symmetrized else raw
    assert found.kernel_generalization == pytest.approx(weight * of_samples / 300, rel=2e-3)
    assert found.kernel_optimization == pytest.approx(weight * of_gradients * 1e-4 / (4 * 1e-4), rel=5e-3)
    assert found.amplitude == pytest.approx(float((0.25 * 1e-8 / l).sum()), rel=1e-3)
    assert found.bias == pytest.approx(float((0.25 * (1e-4 + 1e-5) ** 2 / l).sum()), rel=1e-3)
    x, y = torch.broadcast_tensors(tensor(l).unsqueeze(1), tensor(l))
    assert pairs.of_samples(x, y).numpy() == pytest.approx(of_samples, rel=1e-14)
    assert pairs.of_gradients(x, y).numpy() == pytest.approx(raw, rel=1e-14)
    assert pairs.of_symmetrized_gradients(x, y).numpy() == pytest.approx(a**2 * b**2 / (8 * (a + b)), rel=1e-14)


def test_pairs_without_variance_cost_nothing() -> None:
    zero = tensor([0.0])
    for kernel in (pairs.of_samples, pairs.of_gradients, pairs.of_symmetrized_gradients):
        assert float(kernel(zero, zero)) == 0.0
        assert float(kernel(zero, ones(1))) == 0.0 == float(kernel(ones(1), zero))


# ------------------------------------------------------------------------------------------------- at the edges


@pytest.mark.parametrize("samples", [1, 2])
def test_fewer_samples_than_modes_cost_in_proportion(samples: int) -> None:
    few = learning(langevin(Empirical(samples=samples, noise_amplitude=LEVEL), steps=60))
    many = learning(langevin(Empirical(samples=10_000, noise_amplitude=LEVEL), steps=60))
    assert few.generalization == pytest.approx(many.generalization * 10_000 / samples, rel=1e-12)
    assert few.shift == pytest.approx(many.shift * 10_000 / samples, rel=1e-12)
    assert few.spread == pytest.approx(many.spread * math.sqrt(10_000 / samples), rel=1e-12)


@pytest.mark.parametrize("where", CASES, ids=lambda e: type(e.sampler).__name__)
def test_a_mode_without_variance(where: Experiment) -> None:
    found = learning(replace(where, spectrum=Custom(eigenvalues=(1.0, 0.3, 0.0))))
    assert math.isfinite(found.total)
    assert np.isfinite(found.spread).all()
    assert found.kernel_generalization[2].tolist() == [0.0, 0.0, 0.0]
    assert found.kernel_optimization[2].tolist() == [0.0, 0.0, 0.0]


def test_small_noise_costs_no_more_than_it_should() -> None:
    """All is stable here: a cost without bound would be an accident."""
    score = replace(TRAINED, noise_amplitude=1e-3, step_size=1e-3, iterations=10_000)
    found = learning(langevin(score, (1.0, 0.1, 1e-6), step_size=1e-7, steps=100))
    assert not found.note
    assert math.isfinite(found.total)
    assert np.isfinite(found.spread).all()


def test_steps_of_a_sampler_that_are_too_long() -> None:
    for sampler, bound in ((Langevin(step_size=0.6), "0.5"), (UnderdampedLangevin(step_size=0.6, friction=2.0), "0.5")):
        where = replace(langevin(TRAINED, steps=1_000_000), sampler=sampler)
        found = learning(where)
        kind = type(sampler).__name__
        assert found.note == f"{kind}.step_size (γ) is 0.6: the sampler diverges from {bound} on."
        assert math.isinf(found.bias)
        assert math.isinf(found.total)
        assert not math.isnan(found.generalization + found.optimization + found.shift)


def test_steps_of_a_training_that_are_too_long() -> None:
    descent = GradientDescent(step_size=3.0, iterations=10**6, noise_amplitude=LEVEL)
    note = "GradientDescent.step_size (τ) is 3: the training diverges from 1.905 on."
    assert learning(langevin(descent, steps=60)).note == note
    found = learning(langevin(replace(TRAINED, step_size=1.9, batch=10**6), steps=60))
    assert not found.note
    found = learning(langevin(replace(TRAINED, step_size=1.0, batch=1, iterations=10**6), steps=60))
    assert math.isinf(found.optimization)
    assert math.isinf(found.total)
    start = "StochasticGradient.step_size (τ) is 1: the training diverges from "
    assert found.note.startswith(start)
    assert found.note.endswith(" on.")
    bound = float(found.note.removeprefix(start).removesuffix(" on."))
    c = np.array([1.05, 0.55, 0.25])
    assert float((bound * c / (2 - 2 * bound * c)).sum()) == pytest.approx(1.0, abs=2e-3)


def test_a_training_that_diverges_at_any_level_is_named() -> None:
    """Where many modes are as wide as the noise, not where one is the widest."""
    score = StochasticGradient(step_size=0.1, batch=1, iterations=10_000)
    where = Experiment(
        spectrum=Custom(eigenvalues=(1.5,) + (0.0,) * 200), score=score, grid=Uniform(steps=20), sampler=DDIM()
    )
    found = learning(where)
    assert math.isinf(found.optimization)
    assert found.note.startswith("StochasticGradient.step_size (τ) is 0.1: the training diverges from ")


def test_a_training_step_that_goes_all_the_way() -> None:
    """Beside a step size that is exactly 1/c nothing happens."""
    where = langevin(GradientDescent(step_size=1.0, iterations=5, noise_amplitude=0.0), (1.0, 0.5), steps=60)
    near = learning(replace(where, spectrum=Custom(eigenvalues=(1.0 + 1e-9, 0.5))))
    found = learning(where)
    assert found.generalization == pytest.approx(near.generalization, rel=1e-6)
    assert found.shift == pytest.approx(near.shift, rel=1e-6)


def swept(path: str) -> Callable[[Experiment], object]:
    return lambda where: learning_sweep(where, path)


def test_refusals() -> None:
    exact = langevin(Empirical())
    sentence = (
        r"^The errors of learning need a learned score \(Empirical, GradientDescent, StochasticGradient\), got Exact\.$"
    )
    for refused in (learning, swept("sampler.step_size")):
        with pytest.raises(ValueError, match=sentence):
            refused(replace(exact, score=Exact()))
    sentence = (
        r"^With StochasticGradient the noise of gradients is followed through samplers that ask for the score once a "
        r"step and remember nothing else, got Heun\.$"
    )
    heun = replace(diffusion(TRAINED), sampler=Heun(), grid=LogUniform(steps=9, start=9.0, stop=0.1))
    for refused in (learning, swept("score.step_size")):
        with pytest.raises(ValueError, match=sentence):
            refused(heun)
    assert learning(replace(heun, score=GradientDescent())).generalization > 0
    known = "score.noise_amplitude"
    with pytest.raises(
        ValueError, match=rf"^'{known}' is no number of this experiment; known are .*score\.samples.*\.$"
    ):
        learning_sweep(diffusion(TRAINED), known)


def test_a_sweep_is_made_of_single_results() -> None:
    where = langevin(TRAINED, steps=40)
    for path in ("score.noise_amplitude", "score.samples", "sampler.step_size", "grid.steps"):
        found = learning_sweep(where, path, 4)
        family, _, field = path.partition(".")
        for k, value in enumerate(found.values.tolist()):
            if path == "score.noise_amplitude" and value == 0.0:
                assert math.isnan(found.total[k])
                continue
            changes = {field: int(value) if field in ("samples", "steps") else value}
            one = learning(replace(where, **{family: replace(getattr(where, family), **changes)}), 24)
            for part in ("amplitude", "bias", "generalization", "optimization", "shift", "total"):
                assert getattr(found, part)[k] == getattr(one, part), (path, value, part)


def test_what_is_refused_is_left_open_in_a_sweep() -> None:
    where = replace(diffusion(Empirical()), process=VPLinear(), grid=Uniform(steps=5, start=0.9, stop=0.05))
    found = learning_sweep(where, "grid.stop", 5)
    assert not np.isnan(found.total).any()
    found = learning_sweep(where, "grid.start", 5)
    refused = found.values > 1.0
    assert refused.any()
    assert np.isnan(found.total).tolist() == [bool(v > 1.0 or v <= 0.05) for v in found.values]


# ------------------------------------------------------------------------------------------------ the least of all


@pytest.mark.parametrize("path", ["score.noise_amplitude", "sampler.step_size", "score.iterations"])
def test_no_value_is_better_than_the_best(path: str) -> None:
    experiment = Experiment(
        spectrum=PowerLaw(modes=6, decay=0.7),
        score=StochasticGradient(noise_amplitude=0.3, step_size=0.005, iterations=300),
        sampler=Langevin(step_size=0.02),
        grid=Uniform(steps=300),
        start=Isotropic(),
    )
    found = least(experiment, path)
    assert found is not None
    assert learning(with_value(experiment, path, found.value)).total == pytest.approx(found.total, rel=1e-9)
    near = [factor * found.value for factor in (0.5, 0.97, 1.03, 2.0)]
    values = [float(round(value)) for value in near] if path == "score.iterations" else near
    around = [learning(with_value(experiment, path, value)).total for value in values]
    assert found.total <= min(around) * (1 + 1e-4)


def test_there_is_no_best_where_all_diverges() -> None:
    experiment = Experiment(
        spectrum=Custom(eigenvalues=(1.0, 0.0)),
        score=Empirical(noise_amplitude=0.0),
        sampler=Langevin(step_size=0.02),
        grid=Uniform(steps=3000),
        start=Isotropic(),
    )
    assert least(experiment, "score.samples") is None


def test_too_few_samples_are_told() -> None:
    experiment = Experiment(spectrum=PowerLaw(modes=20), score=Empirical(samples=10))
    assert learning(experiment).note == (
        "Empirical.samples (n) is 10, fewer than the 20 modes: to second order in 1/n the errors may be far off."
    )
