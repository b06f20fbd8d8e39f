"""Clouds against exact laws, against the samplers' own steps on the same random numbers, and against each other."""

import importlib.util
import math
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from kernels import crew
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Karras, Uniform
from kernels.normals import normals
from kernels.observations import Blur
from kernels.particles import Moments, Sampling, carry, fused, has_law, moments, plan, sample, walk
from kernels.populations import Population
from kernels.problem import Problem
from kernels.processes import EDM, FlowMatching, VPLinear
from kernels.report import report
from kernels.run import simulate
from kernels.samplers import (
    DDIM,
    DDPM,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    Heun,
    Langevin,
    Sampler,
    UnderdampedLangevin,
)
from kernels.scores import DPS, CloudScore, Empirical, Network, train
from kernels.spectra import Mixture, PowerLaw, population_of
from kernels.starts import Isotropic, Marginal
from tests.kernels.cases import CASES, Case, applies, experiment, geometric, modes_of, uniform

COUNT = 3000
SPECTRUM = PowerLaw(modes=37, decay=1.0, mean=0.4)
STEADY = Uniform(steps=40)
EVERY = (
    Experiment(spectrum=SPECTRUM, sampler=EulerMaruyama(stochasticity=0.4)),
    Experiment(
        spectrum=SPECTRUM, process=EDM(), grid=Karras(steps=12, start=80.0, stop=0.01), sampler=DDIM(), start=Marginal()
    ),
    Experiment(spectrum=SPECTRUM, sampler=DDIM(), start=Isotropic(width=0.5)),
    Experiment(spectrum=SPECTRUM, process=FlowMatching(), grid=Uniform(steps=9, start=0.95, stop=0.02), sampler=DDPM()),
    Experiment(spectrum=SPECTRUM, observation=Blur(width=1.0, noise=0.4), score=DPS(), sampler=EDMHeun()),
    Experiment(spectrum=SPECTRUM, sampler=DPMSolverPP2M(), start=Marginal()),
    Experiment(spectrum=SPECTRUM, grid=STEADY, sampler=Langevin(step_size=0.01), start=Isotropic(width=2.0)),
    Experiment(spectrum=SPECTRUM, grid=STEADY, sampler=UnderdampedLangevin(step_size=0.05)),
    Experiment(spectrum=SPECTRUM, grid=STEADY, sampler=UnderdampedLangevin(step_size=0.05), start=Marginal()),
)


def name(value: object) -> str:
    return (
        f"{type(value.sampler).__name__}-{type(value.start).__name__}" if isinstance(value, Experiment) else repr(value)
    )


def agree(found: Moments, law: Gaussian) -> None:
    assert float(found.errors(law).abs().max()) < 4.5


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_means_and_variances_are_those_of_the_closed_form(case: Case) -> None:
    family = case.family
    few = geometric(family.start, family.stop, 8)
    times = few if applies(case.sampler, family.process, few) else uniform(family.start, family.stop, 64)
    modes = modes_of((2.0, 0.3, 0.05), 0.5, noise_start=True)
    found = moments(experiment(case, times, modes), Sampling(particles=COUNT, seed=17))
    laws = [case.law(times, mode) for mode in modes]
    mean, variance = (torch.tensor([float(getattr(law, part)) for law in laws]) for part in ("mean", "variance"))
    agree(found, Gaussian(mean.double(), variance.double()))


def by_steps(where: Experiment, count: int, seed: int) -> Tensor:
    """The sampler's own step on points, with the random numbers of the same places."""
    law, modes = where.law, len(where.law.variance)

    def fresh(stream: int, step: int) -> Tensor:
        return normals(seed, stream, step, 0, count * modes).reshape(count, modes).double()

    process, t = where.noising, where.times[:1]
    exact, deviation = process.marginal(law, t), where.start.deviation(law, process, t)
    start = exact.mean + deviation.mean + (exact.variance + deviation.variance).sqrt() * fresh(0, 0)
    moving = isinstance(where.sampler, UnderdampedLangevin) and not where.start.at_rest
    former = fresh(1, 0) if moving else torch.zeros_like(start)
    problem = Problem(law, process, where.score.fit(where.data))
    return simulate(where.sampler, problem, where.times, start, former, lambda step, drawn: fresh(2 + drawn, step))


@pytest.mark.parametrize("where", EVERY, ids=name)
def test_the_tables_do_what_the_steps_do(where: Experiment) -> None:
    expected = by_steps(where, 60, seed=5)
    double = sample(where, Sampling(particles=60, seed=5, dtype="float64")).points
    assert double.dtype == torch.float64
    torch.testing.assert_close(double, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    single = sample(where, Sampling(particles=60, seed=5)).points
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=2e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("where", EVERY, ids=name)
def test_clouds_do_not_depend_on_blocks(where: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(particles=700, seed=3)
    at = (0, 4, len(where.times) - 1)
    whole = sample(where, sampling, at=at)
    # Blocks of a few particles, few steps at a time, on three cores; and particles made in two parts.
    monkeypatch.setattr(carry, "WORK", 37 * 9 * 50)
    monkeypatch.setattr(plan, "AT_ONCE", 37 * 5)
    monkeypatch.setattr(crew, "cores", lambda: 3)
    parts = sample(where, sampling, at=at)
    assert torch.equal(whole.points, parts.points)
    assert torch.equal(whole.path, parts.path)
    later = sample(where, replace(sampling, particles=200), first=500)
    assert torch.equal(whole.points[500:], later.points)
    assert torch.equal(whole.path[2], whole.points)


def test_tiles_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Experiment(spectrum=PowerLaw(modes=3 * fused.TILE // 2), grid=Uniform(steps=3))
    cloud = sample(wide, Sampling(particles=4)).points
    narrow = sample(wide, Sampling(particles=2), first=2).points
    assert torch.equal(cloud[2:], narrow)


def test_snapshots_have_the_laws_on_the_way() -> None:
    where = replace(EVERY[0], grid=Uniform(steps=10))
    cloud = sample(where, Sampling(particles=20_000, seed=8), at=tuple(range(11)), modes=(0, 5))
    assert cloud.path.shape == (11, 20_000, 2)
    shorter = tuple(where.times.tolist())
    from kernels.grids import Tabulated

    for step in (3, 7, 10):
        law = report(replace(where, grid=Tabulated(values=shorter[: step + 1]))).modes
        points = cloud.path[step].double()
        found = Moments(20_000, points.mean(0), points.var(0), torch.empty(0, 0, dtype=torch.int64))
        agree(found, Gaussian(law.mean[[0, 5]], law.variance[[0, 5]]))


# --------------------------------------------------------------------------------------- data that are no Gaussian


def on_a_mixture(sampler: Sampler, **rest: Any) -> Experiment:
    return Experiment(spectrum=Mixture(shape="moons", width=0.2), sampler=sampler, **rest)


@pytest.mark.parametrize(
    "sampler",
    [EulerMaruyama(), DDIM(), DPMSolverPP2M(), Heun(), Langevin(step_size=1e-3), UnderdampedLangevin(step_size=1e-2)],
    ids=repr,
)
def test_other_scores_go_the_same_way_on_points(sampler: Sampler) -> None:
    # A Gaussian known by its denoiser alone: the points of the tables, by another road.
    where = Experiment(spectrum=PowerLaw(modes=5, mean=0.3), sampler=sampler, grid=Uniform(steps=6))
    population = population_of(where.spectrum)
    walker = walk.Walk(where, population, population.denoiser, 9, torch.float64, torch.device("cpu"))
    seen: list[int] = []
    points = walker.run(40, 50, lambda step, _x: seen.append(step))
    expected = sample(where, Sampling(particles=50, seed=9, dtype="float64"), first=40).points
    torch.testing.assert_close(points, expected, rtol=1e-6, atol=1e-6)
    assert seen == list(range(len(where.times)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fine_steps_arrive_at_the_population(dtype: str) -> None:
    where = on_a_mixture(DDIM(), process=EDM(), grid=Karras(steps=60, start=80.0, stop=0.002))
    found = moments(where, Sampling(particles=4000, seed=1, dtype=dtype))
    # An ODE of this kind is off by a percent of its deviations.
    assert float((found.variance / where.law.variance - 1).abs().max()) < 0.01 + 4.5 * math.sqrt(2 / 4000)
    cloud = sample(where, Sampling(particles=500, seed=1, dtype=dtype)).points.double()
    population = population_of(where.spectrum)
    # Where the data are, hardly any noise means hardly any move.
    moved = population.denoiser(cloud, 1.0, 0.02) - cloud
    assert float(moved.square().mean().sqrt()) < 0.03


def test_noised_data_are_a_start() -> None:
    where = on_a_mixture(EulerMaruyama(), grid=Uniform(steps=4), start=Marginal())
    first = sample(where, Sampling(particles=20_000, seed=2), at=(0,)).path[0].double()
    linear = sample(replace(where, score=Empirical()), Sampling(particles=20_000, seed=2), at=(0,)).path[0].double()
    torch.testing.assert_close(first, linear, rtol=0, atol=1e-5)
    law = where.process.marginal(where.law, where.times[:1])
    assert float(((first.mean(0) - law.mean) / (law.variance / 20_000).sqrt()).abs().max()) < 4.5


def test_a_linear_score_on_other_data_makes_a_gaussian_of_known_law() -> None:
    where = on_a_mixture(EulerMaruyama(), score=Empirical(), grid=Uniform(steps=20))
    assert not has_law(where)
    law = report(where).modes
    agree(moments(where, Sampling(particles=20_000)), Gaussian(law.mean, law.variance))


def test_a_network_without_iterations_makes_the_cloud_of_the_theory() -> None:
    gauss = on_a_mixture(DDIM(eta=0.5), grid=Uniform(steps=8), score=Empirical())
    untrained = replace(gauss, score=Network(iterations=0))
    trained = train(Network(iterations=0), population_of(gauss.spectrum))
    assert refused(untrained, Sampling()) == "Network has to be trained before it is sampled."
    sampling = Sampling(particles=100, dtype="float64")
    cloud = sample(untrained, sampling, denoise=trained.denoiser).points
    torch.testing.assert_close(cloud, sample(gauss, sampling).points, rtol=1e-6, atol=1e-6)


def test_walks_do_not_depend_on_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    where, sampling = on_a_mixture(EulerMaruyama(), grid=Uniform(steps=3)), Sampling(particles=5000)
    one = sample(where, sampling, modes=(1,), at=(0, 3))
    monkeypatch.setattr(crew, "cores", lambda: 4)
    two = sample(where, sampling, modes=(1,), at=(0, 3))
    assert torch.equal(one.points, two.points)
    assert torch.equal(one.path[1], two.points)
    assert not torch.equal(one.points, sample(where, replace(sampling, seed=1), modes=(1,)).points)


# --------------------------------------------------------------------------------------- streams


def test_moments_and_histograms_are_those_of_the_whole_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    where, sampling = replace(EVERY[0], grid=Uniform(steps=5)), Sampling(particles=1001, seed=4)
    cloud = sample(where, sampling, modes=(0, 3)).points.double()
    edges = torch.linspace(-2, 2, 9, dtype=torch.float64).repeat(1, 1)
    monkeypatch.setattr("kernels.particles.streams.MEMORY", 16 * 2 * 100)
    heard: list[float] = []
    found = moments(where, sampling, modes=(0, 3), edges=edges, watch=heard.append)
    assert found.count == 1001
    torch.testing.assert_close(found.mean, cloud.mean(0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.variance, cloud.var(0), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found.counts[0], np.histogram(cloud[:, 0], edges[0])[0])
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_errors_are_in_standard_errors() -> None:
    law = Gaussian(torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([4.0, 0.0, 0.0]).double())
    found = Moments(
        101, torch.tensor([0.2, 1.0, 2.5]).double(), torch.tensor([5.0, 0.0, 0.0]).double(), torch.zeros(0, 0).long()
    )
    errors = found.errors(law)
    assert errors[:, 0].tolist() == pytest.approx([0.2 / math.sqrt(4 / 101), 0.25 / math.sqrt(0.02)])
    assert errors[:, 1].tolist() == [0.0, 0.0]
    assert errors[0, 2] == math.inf


# --------------------------------------------------------------------------------------- bad input, and the end


def refused(where: Experiment, sampling: Sampling, **rest: Any) -> str:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        sample(where, sampling, **rest)
    return str(caught.value)


def test_divergence_is_shown() -> None:
    where = Experiment(spectrum=PowerLaw(modes=3, scale=1e-4), sampler=Langevin(step_size=1.0), grid=Uniform(steps=400))
    points = sample(where, Sampling(particles=10)).points
    assert not bool(points.isfinite().any())


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    where = EVERY[0]
    with pytest.raises(ValueError, match=r"^Sampling.particles \(P\) must lie in \[2, 1e\+12\], got 1.$"):
        Sampling(particles=1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10**9}))
    assert refused(where, Sampling(particles=10**12)) == (
        "1000000000000 particles need 1.48e+05 GB of memory and 900 MB are free on cpu; at most 6081081 fit."
    )
    assert refused(where, Sampling(), at=(0, 999)) == "snapshots are taken at steps from 0 to 50, got (0, 999)."
    assert refused(on_a_mixture(DDIM(), observation=Blur()), Sampling()) == (
        "Mixture is sampled as it is (observation Unobserved), got Blur."
    )
    assert refused(
        on_a_mixture(Heun(), process=EDM(), grid=Karras(start=80.0, stop=0.1, to_zero=True)), Sampling()
    ) == (
        "this sampler asks for the score where there is no noise, where data that are no Gaussian may have none; set "
        "grid.stop above zero and grid.to_zero to false, or choose another sampler."
    )
    if not torch.cuda.is_available():
        assert refused(where, Sampling(device="cuda")) == (
            "device cuda needs an NVIDIA graphics card and a PyTorch made for it, and there is none; use cpu."
        )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def missing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert refused(where, Sampling(device="cuda")) == (
        "device cuda needs Triton, which PyTorch for CUDA brings with it on Linux; install it, or use cpu."
    )


def test_memory_that_ends_in_the_middle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(fused, "advance", full)
    assert refused(EVERY[0], Sampling(particles=500)) == (
        "the memory of cpu does not suffice for 500 particles; choose fewer."
    )


@pytest.mark.parametrize("where", [EVERY[0], on_a_mixture(EulerMaruyama())], ids=["tables", "steps"])
def test_work_is_watched_and_can_be_ended(where: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "WORK", 37 * 5000)
    heard: list[float] = []
    sample(where, Sampling(particles=2000), watch=heard.append)
    assert heard == sorted(heard)
    assert 0 <= heard[0] <= heard[-1] <= 1
    assert heard[-1] > 0.9

    def stop(fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(where, Sampling(particles=20_000), watch=stop)


def test_a_score_of_points_predicts_alike() -> None:
    where = on_a_mixture(DDIM())
    population, counted = population_of(where.spectrum), list[int]()

    def denoise(x: Tensor, alpha: float, sigma: float) -> Tensor:
        counted.append(len(x))
        return population.denoiser(x, alpha, sigma)

    problem = Problem(where.law, VPLinear(), CloudScore(where.law, denoise))
    x, t = torch.tensor([[0.3, -0.2], [1.0, 0.1]], dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    alpha, sigma = VPLinear().alpha(t), VPLinear().sigma(t)
    data, noise = problem.denoiser(x, t), problem.noise_prediction(x, t)
    torch.testing.assert_close(alpha * data + sigma * noise, x)
    torch.testing.assert_close(problem.score_at(x, t), -noise / sigma)
    # f x - g^2 score / 2, by the process's own rates.
    f, g2 = VPLinear().drift_rate(t), VPLinear().diffusion_squared(t)
    torch.testing.assert_close(problem.velocity(x, t), f * x - 0.5 * g2 * problem.score_at(x, t))
    assert counted == [2]
    assert isinstance(population, Population)
