"""Posterior sampling against dense linear algebra, and diffusion posterior sampling against literal loops."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kernels.analyses.budget import budget
from kernels.analyses.convergence import convergence
from kernels.analyses.expansion import expansion
from kernels.analyses.sweep import sweep, with_value
from kernels.descent import Course, Sample, value
from kernels.experiment import Experiment, from_dict, override, to_dict, with_kind
from kernels.gaussian import Gaussian
from kernels.grids import Karras, Optimal, Uniform
from kernels.observations import (
    OBSERVATIONS,
    Blur,
    Inpainting,
    MatrixFile,
    Observation,
    ResponseFile,
    SuperResolution,
    Unobserved,
)
from kernels.optimize import Request, optimize
from kernels.problem import Problem
from kernels.processes import EDM, FlowMatching, Process, VPCosine, VPLinear
from kernels.report import report, solve
from kernels.samplers import DDIM, DDPM, DPMSolverPP2M, EDMHeun, EulerMaruyama, Heun, Sampler
from kernels.scores import DPS, Exact
from kernels.sensitivity import sensitivities
from kernels.spectra import Custom, Isotropic, PowerLaw, Spectrum
from kernels.starts import Marginal
from tests.points import simulated

Floats = np.ndarray
SPECTRUM = Custom(eigenvalues=(2.0, 0.5, 0.1), mean=0.4)


def law_of(variance: Floats, mean: Floats) -> Gaussian:
    return Gaussian(torch.from_numpy(mean), torch.from_numpy(variance))


def responses(observation: Observation, d: int) -> Floats:
    """The response of each kind, from its formula."""
    i = np.arange(1, d + 1)
    match observation:
        case Blur(width=w):
            return np.exp(-((w * np.sqrt(i / d)) ** 2) / 2)
        case Inpainting(share=p):
            return np.array([math.ceil(p * k - 1e-12) - math.ceil(p * (k - 1) - 1e-12) for k in i], dtype=float)
        case SuperResolution(factor=f):
            return np.where(i <= math.ceil(d / f**2), 1.0, 0.0)
        case _:
            raise AssertionError


def measured(mean: Floats, variance: Floats, h: Floats, s: float, z: float) -> Floats:
    """What is measured: z standard deviations off its expectation, in every direction."""
    return h * mean + z * np.sqrt(h**2 * variance + s**2)


def dense_posterior(mean: Floats, covariance: Floats, matrix: Floats, s: float, y: Floats) -> tuple[Floats, Floats]:
    """Gaussian conditioning as in a textbook, by the gain of Kalman."""
    gain = covariance @ matrix.T @ np.linalg.inv(matrix @ covariance @ matrix.T + s**2 * np.eye(len(matrix)))
    return mean + gain @ (y - matrix @ mean), covariance - gain @ matrix @ covariance


def check_law(found: Gaussian, mean: Floats, variance: Floats, tolerance: float = 1e-13) -> None:
    order = np.argsort(-variance, kind="stable")
    np.testing.assert_allclose(found.variance.numpy(), variance[order], rtol=tolerance, atol=1e-15)
    np.testing.assert_allclose(found.mean.numpy(), mean[order], rtol=tolerance, atol=1e-13)


def test_the_golden_posterior(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "h.csv", [1.0, 0.3, 0.0])
    observation = ResponseFile(path=str(tmp_path / "h.csv"), noise=math.sqrt(0.05))
    prior = Custom(eigenvalues=(2.0, 0.5, 0.1)).law()
    found = observation.condition(prior).law
    assert found.variance.tolist() == pytest.approx([0.2631578947, 0.1, 0.0487804878], rel=1e-9)
    assert observation.condition(prior).law is found


def test_the_golden_slope_of_dps(tmp_path: Path) -> None:
    # VP with beta from 0.1 to 20 at time 0.6, the mode of eigenvalue 2.
    np.savetxt(tmp_path / "h.csv", [1.0, 0.3, 0.0])
    observation = ResponseFile(path=str(tmp_path / "h.csv"), noise=math.sqrt(0.05))
    data = observation.condition(Custom(eigenvalues=(2.0, 0.5, 0.1)).law())
    t, one = torch.tensor(0.6, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    slopes = []
    for model in (DPS(), Exact()):
        problem = Problem(data.law, VPLinear(), model.fit(data))
        slopes.append(float((problem.score_at(0 * one, t) - problem.score_at(one, t))[2]))
    assert slopes[0] == pytest.approx(2.9648, abs=5e-5)
    assert slopes[1] == pytest.approx(1.02556, abs=5e-6)


KINDS = [
    Blur(width=3.0, noise=0.2, deviation=1.5),
    Blur(width=0.0, noise=0.5),
    Inpainting(share=0.3, noise=0.1, deviation=-1.0),
    Inpainting(share=1.0, noise=1.0),
    Inpainting(share=0.0, noise=1.0),
    SuperResolution(factor=2.0, noise=0.05, deviation=2.0),
    SuperResolution(factor=1.0, noise=0.3, deviation=0.0),
]


@pytest.mark.parametrize("observation", KINDS, ids=repr)
@pytest.mark.parametrize("modes", [1, 10, 23])
def test_every_kind_conditions_as_a_textbook_does(observation: Blur, modes: int) -> None:
    prior = PowerLaw(modes=modes, decay=1.3, scale=3.0, mean=0.7).law()
    mean, variance = prior.mean.numpy(), prior.variance.numpy()
    h = responses(observation, modes)
    np.testing.assert_allclose(observation.response(modes).numpy(), h, rtol=1e-14)
    y = measured(mean, variance, h, observation.noise, observation.deviation)
    center, covariance = dense_posterior(mean, np.diag(variance), np.diag(h), observation.noise, y)
    check_law(observation.condition(prior).law, center, np.diag(covariance), 1e-11)


def test_a_share_is_spread_evenly() -> None:
    assert Inpainting(share=0.3).response(10).tolist() == [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    for share in (0.1, 0.29, 0.5, 0.7, 0.999):
        assert int(Inpainting(share=share).response(1000).sum()) == round(1000 * share)
    assert int(SuperResolution(factor=3.0).response(90).sum()) == 10


@pytest.mark.parametrize("shape", [(6, 6), (3, 6), (9, 6), (1, 6)])
@pytest.mark.parametrize("zeros", [0, 2])
def test_a_matrix_conditions_as_a_textbook_does(tmp_path: Path, shape: tuple[int, int], zeros: int) -> None:
    rng = np.random.default_rng(sum(shape))
    matrix, s = rng.standard_normal(shape), 0.3
    variance = np.array([4.0, 1.5, 0.7, 0.2, 0.05, 0.01])
    variance[6 - zeros :] = 0.0
    mean = rng.standard_normal(6)
    np.save(tmp_path / "H.npy", matrix)
    for deviation in (0.0, 1.0, -2.0):
        observation = MatrixFile(path=str(tmp_path / "H.npy"), noise=s, deviation=deviation)
        found = observation.condition(law_of(variance, mean)).law
        prior = np.diag(variance)
        gain = prior @ matrix.T @ np.linalg.inv(matrix @ prior @ matrix.T + s**2 * np.eye(len(matrix)))
        covariance = prior - gain @ matrix @ prior
        eigenvalues, basis = np.linalg.eigh((covariance + covariance.T) / 2)
        eigenvalues, basis = eigenvalues[::-1], basis[:, ::-1]
        np.testing.assert_allclose(found.variance.numpy(), eigenvalues, rtol=1e-10, atol=1e-15)
        assert int((found.variance == 0).sum()) == zeros
        # Over measurements the posterior's mean has the covariance that the data lose.
        lost = np.diag(basis.T @ (prior - covariance) @ basis)
        alive = 6 - zeros
        signs = np.sign(basis[np.abs(basis).argmax(0), range(6)])
        expected = signs * (basis.T @ mean) + deviation * np.sqrt(np.maximum(lost, 0))
        np.testing.assert_allclose(found.mean.numpy()[:alive], expected[:alive], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.mean.numpy()[alive:], mean[alive:])


def test_small_variances_keep_their_digits_beside_large_ones(tmp_path: Path) -> None:
    # A rotation of two measurements of very different precision, solved by hand.
    rotation = np.array([[0.6, 0.8], [-0.8, 0.6]])
    np.save(tmp_path / "H.npy", np.diag([1e6, 1.0]) @ rotation)
    found = MatrixFile(path=str(tmp_path / "H.npy"), noise=1.0).condition(law_of(np.ones(2), np.zeros(2))).law
    assert found.variance.tolist() == pytest.approx([0.5, 1 / (1 + 1e12)], rel=1e-9)


def test_a_diagonal_matrix_is_a_response(tmp_path: Path) -> None:
    h, prior = np.array([1.0, 0.0, 0.4, 2.0]), Custom(eigenvalues=(3.0, 1.0, 0.5, 0.0), mean=-1.0).law()
    np.save(tmp_path / "h.npy", h)
    np.savez(tmp_path / "H.npz", other=h, matrix=np.diag(h))
    one = ResponseFile(path=str(tmp_path / "h.npy"), noise=0.2).condition(prior).law
    other = MatrixFile(path=str(tmp_path / "H.npz"), noise=0.2).condition(prior).law
    np.testing.assert_allclose(one.variance.numpy(), other.variance.numpy(), rtol=1e-13)
    np.testing.assert_allclose(one.mean.numpy(), other.mean.numpy(), rtol=1e-13)


def test_data_without_variance_learn_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "H.npy", np.ones((2, 3)))
    prior = law_of(np.zeros(3), np.arange(3.0))
    for observation in (MatrixFile(path=str(tmp_path / "H.npy")), Blur(), SuperResolution(noise=1e-200)):
        found = observation.condition(prior).law
        assert found.variance.tolist() == [0, 0, 0]
        assert found.mean.tolist() == [0, 1, 2]


EIGENVALUES = st.lists(st.floats(0.0, 1e3, allow_subnormal=False), min_size=1, max_size=9)
NOISES = st.floats(1e-3, 1e3)


@given(EIGENVALUES, st.sampled_from([k for k in OBSERVATIONS if not hasattr(k, "path")]), NOISES, st.floats(-3, 3))
def test_information_never_raises_a_variance(
    eigenvalues: list[float], kind: type[Observation], noise: float, deviation: float
) -> None:
    values = {"noise": noise, "deviation": deviation} if kind is not Unobserved else {}
    observation = kind(**values)
    prior = Custom(eigenvalues=tuple(eigenvalues)).law()
    found = observation.condition(prior)
    assert (found.law.variance <= prior.variance).all()
    assert (found.law.variance.diff() <= 0).all()
    assert (found.law.variance >= 0).all()
    if found.measured is not None:
        assert (found.law.variance <= found.measured.prior).all()
        assert torch.isfinite(found.law.mean).all()


@given(EIGENVALUES, st.integers(1, 5), st.integers(0, 10**6))
def test_a_matrix_never_raises_a_variance(
    tmp_path_factory: pytest.TempPathFactory, eigenvalues: list[float], rows: int, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{rows}-{len(eigenvalues)}-{seed}.npy"
    np.save(path, np.random.default_rng(seed).standard_normal((rows, len(eigenvalues))))
    prior = Custom(eigenvalues=tuple(eigenvalues)).law()
    found = MatrixFile(path=str(path)).condition(prior).law
    # In decreasing order the eigenvalues of a smaller covariance are smaller, one by one.
    assert (found.variance <= prior.variance * (1 + 1e-12)).all()
    assert float(found.variance.sum()) <= float(prior.variance.sum()) * (1 + 1e-12)


@pytest.mark.parametrize("kind", [Blur, Inpainting, SuperResolution, MatrixFile])
def test_noise_without_end_tells_nothing(tmp_path: Path, kind: type[Observation]) -> None:
    np.save(tmp_path / "H.npy", np.random.default_rng(0).standard_normal((4, 5)))
    values: dict[str, Any] = {"noise": 1e12}
    if kind is MatrixFile:
        values["path"] = str(tmp_path / "H.npy")
    prior = PowerLaw(modes=5, mean=0.5).law()
    found = kind(**values).condition(prior).law
    np.testing.assert_allclose(found.variance.numpy(), prior.variance.numpy(), rtol=1e-12)
    np.testing.assert_allclose(found.mean.numpy(), prior.mean.numpy(), rtol=1e-11)


# ------------------------------------------------------------------------------------------- exact guidance


def test_exact_guidance_samples_the_posterior_like_any_law() -> None:
    observation = Blur(width=2.5, noise=0.1, deviation=0.0)
    base = Experiment(spectrum=PowerLaw(modes=12), sampler=DDIM(), grid=Uniform(steps=12))
    observed = replace(base, observation=observation)
    variance = np.sort(observation.condition(base.spectrum.law()).law.variance.numpy())[::-1]
    plain = replace(base, spectrum=Custom(eigenvalues=tuple(variance.tolist())))
    for a, b in ((report(observed), report(plain)),):
        np.testing.assert_allclose(a.modes.variance.numpy(), b.modes.variance.numpy(), rtol=1e-14)
        assert float(a.wasserstein2.total) == pytest.approx(float(b.wasserstein2.total), rel=1e-14)
        assert a.kl == pytest.approx(b.kl, rel=1e-13)
    assert expansion(observed) is not None
    assert base.law is base.spectrum.law()


# ------------------------------------------------------------- diffusion posterior sampling, one matrix at a time


class Dense:
    """The DPS score in a rotated basis, as its definition reads: a matrix and a vector, score = A x + b."""

    def __init__(self, spectrum: Spectrum, h: Floats, s: float, z: float, process: Process) -> None:
        law = spectrum.law()
        mean, variance = law.mean.numpy(), law.variance.numpy()
        d = len(variance)
        self.basis = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0]
        self.covariance = self.basis @ np.diag(variance) @ self.basis.T
        self.mean = self.basis @ mean
        self.matrix = np.diag(h) @ self.basis.T
        self.y, self.s, self.process = measured(mean, variance, h, s, z), s, process

    def levels(self, t: float) -> tuple[float, float]:
        at = torch.tensor(t, dtype=torch.float64)
        return float(self.process.alpha(at)), float(self.process.sigma(at))

    def score(self, t: float) -> tuple[Floats, Floats]:
        alpha, sigma = self.levels(t)
        inverse = np.linalg.inv(alpha**2 * self.covariance + sigma**2 * np.eye(len(self.mean)))
        # The denoiser J (x - alpha mu) + mu, and the gradient of -|y - H m|^2/(2 s^2) through it.
        jacobian = alpha * self.covariance @ inverse
        pull = jacobian.T @ self.matrix.T / self.s**2
        slope = -inverse - pull @ self.matrix @ jacobian
        return slope, alpha * inverse @ self.mean + pull @ (
            self.y - self.matrix @ (self.mean - alpha * jacobian @ self.mean)
        )

    def denoiser(self, t: float) -> tuple[Floats, Floats]:
        alpha, sigma = self.levels(t)
        slope, offset = self.score(t)
        return (np.eye(len(self.mean)) + sigma**2 * slope) / alpha, sigma**2 * offset / alpha

    def velocity(self, t: float) -> tuple[Floats, Floats]:
        at = torch.tensor(t, dtype=torch.float64)
        f, g2 = float(self.process.drift_rate(at)), float(self.process.diffusion_squared(at))
        slope, offset = self.score(t)
        return f * np.eye(len(self.mean)) - g2 / 2 * slope, -g2 / 2 * offset


Affine = tuple[Floats, Floats, float]


def euler(dense: Dense, t: float, u: float) -> Affine:
    at = torch.tensor(t, dtype=torch.float64)
    g2, one = float(dense.process.diffusion_squared(at)), np.eye(len(dense.mean))
    (p, q), (slope, offset), h = dense.velocity(t), dense.score(t), t - u
    eps = 0.7
    return one - h * p + h * eps * g2 / 2 * slope, -h * q + h * eps * g2 / 2 * offset, eps * g2 * h


def ddim(dense: Dense, t: float, u: float) -> Affine:
    (alpha, sigma), (beta, tau) = dense.levels(t), dense.levels(u)
    (a, b), one = dense.denoiser(t), np.eye(len(dense.mean))
    fresh = 0.25 * tau**2 * (1 - (tau * alpha / (beta * sigma)) ** 2)
    left = math.sqrt(tau**2 - fresh)
    return beta * a + left / sigma * (one - alpha * a), (beta - left * alpha / sigma) * b, fresh


def heun(dense: Dense, t: float, u: float) -> Affine:
    (p, q), (r, w), h, one = dense.velocity(t), dense.velocity(u), t - u, np.eye(len(dense.mean))
    return one - h / 2 * (p + r @ (one - h * p)), -h / 2 * (q + w - h * r @ q), 0.0


LOOPS: list[tuple[Sampler, Callable[[Dense, float, float], Affine]]] = [
    (EulerMaruyama(stochasticity=0.7), euler),
    (DDIM(eta=0.5), ddim),
    (Heun(), heun),
]
PLACES: list[tuple[Process, Uniform | Karras]] = [
    (VPLinear(), Uniform(steps=9, start=1.0, stop=0.02)),
    (EDM(), Karras(steps=9, start=20.0, stop=0.05)),
    (FlowMatching(), Uniform(steps=9, start=0.97, stop=0.03)),
]
GUIDED = [
    (SPECTRUM, Blur(width=1.0, noise=0.8, deviation=1.3)),
    (PowerLaw(modes=6, mean=-0.5, scale=2.0), Inpainting(share=0.5, noise=1.5, deviation=-1.0)),
    (Isotropic(modes=4), SuperResolution(noise=0.9, deviation=0.0)),
]


def along(
    sampler: Sampler, spectrum: Spectrum, observation: Blur, process: Process, grid: Uniform | Karras
) -> Experiment:
    return Experiment(
        spectrum=spectrum, observation=observation, process=process, score=DPS(), grid=grid, sampler=sampler
    )


def check_against(dense: Dense, mean: Floats, covariance: Floats, experiment: Experiment) -> None:
    """Laws in the eigenbasis, the order of the posterior, and the distance to it."""
    posterior = dense_posterior(dense.mean, dense.covariance, dense.matrix, dense.s, dense.y)
    inside = dense.basis.T @ covariance @ dense.basis
    own = np.diag(dense.basis.T @ posterior[1] @ dense.basis)
    np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-9 * np.abs(inside).max())
    order = np.argsort(-own.round(14), kind="stable")
    found = report(experiment)
    np.testing.assert_allclose(found.modes.eigenvalue.numpy(), own[order], rtol=1e-11)
    np.testing.assert_allclose(found.modes.variance.numpy(), np.diag(inside)[order], rtol=1e-9)
    center = dense.basis.T @ mean
    np.testing.assert_allclose(found.modes.mean.numpy(), center[order], rtol=1e-8, atol=1e-10 * np.abs(center).max())
    squares = (center - dense.basis.T @ posterior[0]) ** 2 + (np.sqrt(np.diag(inside)) - np.sqrt(own)) ** 2
    assert float(found.wasserstein2.total) == pytest.approx(math.sqrt(squares.sum()), rel=1e-9)


@pytest.mark.parametrize(("spectrum", "observation"), GUIDED, ids=["blur", "inpainting", "superresolution"])
@pytest.mark.parametrize(("process", "grid"), PLACES, ids=["vp", "edm", "flow"])
@pytest.mark.parametrize(("sampler", "step"), LOOPS, ids=["euler", "ddim", "heun"])
def test_dps_is_what_a_literal_loop_gives(
    sampler: Sampler,
    step: Callable[[Dense, float, float], Affine],
    process: Process,
    grid: Uniform | Karras,
    spectrum: Spectrum,
    observation: Blur,
) -> None:
    experiment = along(sampler, spectrum, observation, process, grid)
    d = len(spectrum.law().variance)
    dense = Dense(spectrum, responses(observation, d), observation.noise, observation.deviation, process)
    times = experiment.times.tolist()
    mean, covariance = np.zeros(d), dense.levels(times[0])[1] ** 2 * np.eye(d)
    for t, u in pairwise(times):
        gain, shift, fresh = step(dense, t, u)
        mean, covariance = gain @ mean + shift, gain @ covariance @ gain.T + fresh * np.eye(d)
    check_against(dense, mean, covariance, experiment)


@pytest.mark.parametrize(("spectrum", "observation"), GUIDED, ids=["blur", "inpainting", "superresolution"])
@pytest.mark.parametrize(("process", "grid"), PLACES, ids=["vp", "edm", "flow"])
def test_dps_with_memory_is_what_a_literal_loop_gives(
    process: Process, grid: Uniform | Karras, spectrum: Spectrum, observation: Blur
) -> None:
    experiment = along(DPMSolverPP2M(), spectrum, observation, process, grid)
    d = len(spectrum.law().variance)
    dense = Dense(spectrum, responses(observation, d), observation.noise, observation.deviation, process)
    times = experiment.times.tolist()
    # The state as a function of where it started: P x + p.
    matrix, offset, former, past = np.eye(d), np.zeros(d), None, 0.0
    for t, u in pairwise(times):
        (alpha, sigma), (beta, tau) = dense.levels(t), dense.levels(u)
        a, b = dense.denoiser(t)
        now, h = (a @ matrix, a @ offset + b), math.log(beta / tau) - math.log(alpha / sigma)
        used = now if former is None else tuple(x + h / (2 * past) * (x - y) for x, y in zip(now, former, strict=True))
        weight = -beta * math.expm1(-h)
        matrix, offset = tau / sigma * matrix + weight * used[0], tau / sigma * offset + weight * used[1]
        former, past = now, h
    covariance = dense.levels(times[0])[1] ** 2 * matrix @ matrix.T
    check_against(dense, offset, covariance, experiment)


@pytest.mark.parametrize("sampler", [EulerMaruyama(), DDPM(variance_share=1.0), EDMHeun(), DPMSolverPP2M()], ids=repr)
def test_points_follow_the_law_of_dps(sampler: Sampler) -> None:
    experiment = along(
        sampler, SPECTRUM, Blur(width=1.0, noise=0.8, deviation=1.3), VPCosine(), Uniform(steps=6, start=0.9)
    )
    data, n, rng = experiment.data, 40000, torch.Generator().manual_seed(5)
    problem = Problem(data.law, experiment.process, experiment.score.fit(data))
    times = experiment.times
    start = experiment.process.sigma(times[0]) * torch.randn(n, 3, dtype=torch.float64, generator=rng)
    points = simulated(sampler, problem, times, start, rng)
    found = report(experiment).modes
    spread = points.std(0)
    assert ((points.mean(0) - found.mean).abs() < 4.5 * spread / math.sqrt(n)).all()
    assert ((points.var(0) / found.variance - 1).abs() < 4.5 * math.sqrt(2 / n)).all()


@pytest.mark.parametrize("sampler", [EulerMaruyama(stochasticity=0.3), DDIM(), EDMHeun(), DPMSolverPP2M()], ids=repr)
@pytest.mark.parametrize("mean", [0.0, 0.6])
def test_dps_without_a_measurement_is_exact(sampler: Sampler, mean: float) -> None:
    exact = Experiment(
        spectrum=PowerLaw(modes=50, mean=mean),
        sampler=sampler,
        process=EDM(),
        grid=Karras(steps=9, start=80.0, to_zero=True),
    )
    for change in (Unobserved(), Inpainting(share=0.0)):
        guided = replace(exact, score=DPS(), observation=change)
        a, b = solve(exact), solve(guided)
        for one, other in zip(
            dataclasses.astuple(a.report().wasserstein2), dataclasses.astuple(b.report().wasserstein2), strict=True
        ):
            assert float(one) == pytest.approx(float(other), rel=1e-11, abs=1e-14)
        np.testing.assert_allclose(a.report().modes.mean.numpy(), b.report().modes.mean.numpy(), rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(a.path().total.numpy(), b.path().total.numpy(), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(
            a.followed([0, 7]).sampled.mean.numpy(), b.followed([0, 7]).sampled.mean.numpy(), rtol=1e-12, atol=1e-13
        )


def test_dps_does_not_converge_to_the_posterior() -> None:
    base = along(DDIM(), SPECTRUM, Blur(width=1.0, noise=0.5), EDM(), Karras(steps=400, start=80.0, stop=1e-3))
    guided, exact = (
        float(report(replace(base, score=score)).wasserstein2.discretization) for score in (DPS(), Exact())
    )
    assert guided > 0.05
    assert exact < 0.01


def test_many_modes_are_computed_in_parts() -> None:
    few = along(DDIM(), Isotropic(modes=1), Blur(width=0.0, noise=0.5), VPLinear(), Uniform(steps=4))
    many = replace(few, spectrum=Isotropic(modes=5000))
    total = float(report(many).wasserstein2.total)
    assert total == pytest.approx(math.sqrt(5000) * float(report(few).wasserstein2.total), rel=1e-11)
    with pytest.raises(
        ValueError, match=r"^DPS is computed mode by mode, for 65536 modes at most; the data have 65537\.$"
    ):
        report(replace(few, spectrum=Isotropic(modes=65537)))


def test_the_budget_of_dps_adds_up() -> None:
    for sampler in (EulerMaruyama(), DDIM(eta=0.3)):
        experiment = along(sampler, PowerLaw(modes=9, mean=0.2), Blur(noise=0.9), VPLinear(), Uniform(steps=20))
        found, modes = budget(experiment), report(experiment).modes
        np.testing.assert_allclose(found.by_step.sum(1) + found.start + found.final, modes.variance.numpy(), rtol=1e-12)


def test_analyses_know_posteriors() -> None:
    experiment = along(DDIM(), PowerLaw(modes=9), Blur(noise=0.9), VPLinear(), Uniform(steps=10))
    curve = convergence(experiment, 4)
    at = curve.steps.tolist().index(10)
    assert curve.total[at] == pytest.approx(float(report(experiment).wasserstein2.total), rel=1e-12)
    swept = sweep(experiment, "observation.noise", 3)
    assert np.isfinite(swept.total).all()


# ---------------------------------------------------------------------------------------- theory and optimization

GUIDED_EM = along(
    EulerMaruyama(),
    PowerLaw(modes=8, mean=0.3),
    Blur(width=1.0, noise=0.9),
    EDM(),
    Karras(steps=6, start=20.0, stop=0.05),
)


def test_dps_has_no_expansion() -> None:
    assert expansion(GUIDED_EM) is None
    assert expansion(replace(GUIDED_EM, observation=Unobserved())) is not None
    sentence = (
        "Optimal.method (by) must be exact with a score that is not that of the noised data, whose errors have no "
        "first-order expansion, got 'density'."
    )
    with pytest.raises(ValueError, match=r"^Optimal\.method") as refused:
        replace(GUIDED_EM, grid=Optimal(steps=6, start=20.0, stop=0.05))
    assert str(refused.value) == sentence
    with pytest.raises(ValueError, match=r"^method density needs the score of the noised data, got DPS") as refused:
        optimize(GUIDED_EM, Request(over="grid", method="density"))
    chosen = with_kind(replace(GUIDED_EM, score=Exact()), "grid", Optimal())
    assert chosen.grid == Optimal(steps=6, start=20.0, stop=0.05)
    assert with_kind(chosen, "score", DPS()).grid == Optimal(steps=6, start=20.0, stop=0.05, method="exact")


def test_optima_are_found_for_posteriors() -> None:
    small = replace(
        GUIDED_EM, spectrum=Custom(eigenvalues=(2.0, 0.3), mean=0.3), grid=Karras(steps=3, start=20.0, stop=0.05)
    )
    found = optimize(replace(small, score=Exact()), Request(over="stochasticity", robust=0.2))
    assert found.after < found.before
    # A scenario is another spectrum under the same observation.
    other = replace(found.improved, spectrum=Custom(eigenvalues=(2.4, 0.36), mean=0.3))
    assert found.scenarios[1].after == pytest.approx(float(report(other).wasserstein2.total), rel=1e-10)
    found = optimize(small, Request(over="grid"))
    assert found.after < 0.97 * found.before
    placed = replace(small, grid=Optimal(steps=3, start=20.0, stop=0.05, method="exact"))
    assert float(report(placed).wasserstein2.total) <= found.after * 1.05


@pytest.mark.parametrize("observation", [Blur(width=1.0, noise=0.9), Inpainting(noise=1.5, deviation=-0.5)], ids=repr)
@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_modes_taken_together_make_nearly_the_same_error(observation: Blur, mean: float) -> None:
    spectrum = PowerLaw(modes=900, decay=1.0, mean=mean)
    experiment = replace(GUIDED_EM, spectrum=spectrum, observation=observation)
    course = Course(
        experiment.process,
        experiment.sampler,
        experiment.score,
        experiment.start,
        experiment.times,
        None,
        None,
        to_zero=False,
    )
    sample = Sample.of(experiment.data, by_mode=True)
    assert len(sample.counts) < 200
    assert value(course, [sample], "wasserstein2") == pytest.approx(
        float(report(experiment).wasserstein2.total), rel=2e-3
    )
    whole = Sample.whole(experiment.data, by_mode=True)
    assert value(course, [whole], "wasserstein2") == pytest.approx(
        float(report(experiment).wasserstein2.total), rel=1e-11
    )


@pytest.mark.parametrize("score", [Exact(), DPS()], ids=repr)
def test_sensitivities_are_derivatives(score: DPS) -> None:
    observation = Blur(width=1.0, noise=0.9)
    experiment = along(
        EulerMaruyama(), PowerLaw(modes=60, mean=0.3), observation, VPLinear(), Uniform(steps=9, start=0.9)
    )
    experiment = replace(experiment, score=score, start=Marginal())
    found = sensitivities(experiment)
    paths = {
        "spectrum.mean",
        "spectrum.decay",
        "spectrum.scale",
        "observation.noise",
        "observation.deviation",
        "observation.width",
        "sampler.stochasticity",
        "grid.start",
    }
    assert paths <= found.keys()
    for path in paths:
        family, _, name = path.partition(".")
        value = getattr(getattr(experiment, family), name)
        h = 1e-5 * max(abs(value), 1.0)
        ends = [float(report(with_value(experiment, path, value + k * h)).wasserstein2.total) for k in (-1, 1)]
        assert found[path] == pytest.approx((math.log(ends[1]) - math.log(ends[0])) / (2 * h), rel=1e-5, abs=1e-8), path


# ------------------------------------------------------------------------------------------------ as a component


def test_sessions_from_before_observations_are_read() -> None:
    plain = to_dict(Experiment())
    assert plain.pop("observation") == {"kind": "Unobserved"}
    assert from_dict(plain) == Experiment()
    observed = Experiment(observation=Blur(width=3.0), score=DPS())
    assert from_dict(to_dict(observed)) == observed
    assert list(to_dict(observed))[:3] == ["spectrum", "observation", "process"]
    assert override(Experiment(), [("observation", "Blur"), ("observation.width", "3"), ("score", "DPS")]) == observed


def test_a_matrix_and_dps_do_not_go_together() -> None:
    sentence = (
        "DPS needs an observation of every mode by itself (Unobserved, Blur, Inpainting, SuperResolution, ResponseFile), "
        "got MatrixFile."
    )
    with pytest.raises(ValueError, match=r"^DPS needs") as refused:
        Experiment(observation=MatrixFile(path="H.npy"), score=DPS())
    assert str(refused.value) == sentence
    with pytest.raises(ValueError, match=r"^DPS needs"):
        with_kind(Experiment(observation=MatrixFile(path="H.npy")), "score", DPS())
    changed = with_kind(Experiment(observation=Blur(), score=DPS()), "observation", MatrixFile())
    assert changed.score == Exact()


def refusal(observation: Observation, modes: int = 3) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        _ = Experiment(spectrum=Isotropic(modes=modes), observation=observation).law
    return str(refused.value)


def test_what_is_wrong_with_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    assert refusal(ResponseFile()) == (
        "ResponseFile.path: no file chosen; give the path of a .npy, .npz, .csv or .txt file of responses."
    )
    assert refusal(MatrixFile(path=str(path))) == f"MatrixFile.path: {path} does not exist."
    np.save(path, np.ones(5))
    assert refusal(ResponseFile(path=str(path))) == (
        f"ResponseFile.path: {path} holds 5 responses, but the data have 3 modes; give one for each."
    )
    assert refusal(MatrixFile(path=str(path))) == (
        f"MatrixFile.path: {path} holds an array of shape (5,); reshape it to measurements by modes."
    )
    np.save(path, np.array([1.0, np.nan, 0.0]))
    assert refusal(ResponseFile(path=str(path))) == (
        f"ResponseFile.path: {path} holds nan at position 1, counted from 0; responses are finite numbers."
    )
    np.save(path, np.ones((2, 4)))
    assert refusal(MatrixFile(path=str(path))) == (
        f"MatrixFile.path: {path} has 4 columns, but the data have 3 modes; give one column for each."
    )
    assert refusal(ResponseFile(path=str(path))) == (
        f"ResponseFile.path: {path} holds an array of shape (2, 4); give a vector, one number per mode."
    )
    np.save(path, np.array([[1.0, 2.0, 3.0], [0.0, np.inf, 0.0]]))
    assert refusal(MatrixFile(path=str(path))) == (
        f"MatrixFile.path: {path} holds inf at row 1, column 1, counted from 0; entries are finite numbers."
    )
    assert refusal(MatrixFile(path=str(path)), 4097) == "MatrixFile is for 4096 modes at most, and the data have 4097."
    np.save(path, np.ones((4097, 3)))
    assert refusal(MatrixFile(path=str(path))) == (
        f"MatrixFile.path: {path} holds a matrix of shape (4097, 3); 4096 rows and columns are the most."
    )


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    experiment = Experiment(spectrum=Isotropic(modes=2), observation=ResponseFile(path=str(path), noise=1.0))
    path.write_text("response\n1\n1\n")
    assert experiment.law.variance.tolist() == [0.5, 0.5]
    assert experiment.law is experiment.law
    path.write_text("response\n1.0\n0.00\n")
    assert experiment.law.variance.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Blur(noise=0.0), "Blur.noise (s) must lie in (0, inf), got 0.0."),
        (lambda: Blur(width=-1.0), "Blur.width (w) must lie in [0, inf), got -1.0."),
        (lambda: Inpainting(share=1.5), "Inpainting.share (p) must lie in [0, 1], got 1.5."),
        (lambda: SuperResolution(factor=0.5), "SuperResolution.factor (f) must lie in [1, inf), got 0.5."),
    ],
)
def test_numbers_out_of_their_domain_are_refused(make: Callable[[], Observation], sentence: str) -> None:
    with pytest.raises(ValueError, match="must lie in") as refused:
        make()
    assert str(refused.value) == sentence
