"""Particles through all steps of a sampler, beside a plain torch loop and a scheduler of diffusers, in one run.

    python benchmarks/particles.py [--device cuda]

The loop is what a notebook would hold: one pass over the whole cloud per step, coefficients prepared. The scheduler is
diffusers' Euler-ancestral one, driven with the exact Gaussian denoiser over the same noise levels (`pip install
diffusers`). Counted are steps of single numbers per second. The limit is what the random numbers alone would take, made
by this program's generator where they are needed and thrown away.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from kernels.analyses.clouds import motion
from kernels.crew import Crew, cores
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.particles import Sampling, sample
from kernels.philox import GROUP, fill_groups, room
from kernels.problem import Problem
from kernels.processes import EDM
from kernels.report import report
from kernels.run import Steps, transitions
from kernels.samplers import DDIM, DPMSolverPP2M, EulerMaruyama, UnderdampedLangevin
from kernels.spectra import Mixture, PowerLaw

MODES, STEPS, PARTICLES = 3072, 100, 4096
REPEATS = 3


def rate(run: Callable[[], object], steps: float, device: str) -> float:
    """Steps of numbers per second, the best of a few runs; the first, which may compile, does not count."""
    taken: list[float] = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begin)
    return steps / min(taken[1:])


def loop(experiment: Experiment, particles: int, device: str) -> torch.Tensor:
    """The steps of an affine method with one state, one after the other."""
    law = experiment.law
    moves = transitions(
        experiment.sampler,
        Problem(law, experiment.noising, experiment.score.fit(experiment.data)),
        Steps.along(experiment.times),
    )
    gain, spread = moves.gain[0, 0].float().to(device), moves.noise[0, 0].sqrt().float().to(device)
    x = float(experiment.process.sigma(experiment.times[0])) * torch.randn(particles, len(law.variance), device=device)
    for k in range(len(gain)):
        x = gain[k] * x + spread[k] * torch.randn_like(x)
    return x


def scheduled(experiment: Experiment, particles: int, device: str) -> torch.Tensor:
    """diffusers' scheduler over the experiment's noise levels, with the exact denoiser."""
    from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler

    levels = experiment.times.float()
    scheduler = EulerAncestralDiscreteScheduler(prediction_type="epsilon")
    scheduler.set_timesteps(len(levels) - 1)
    scheduler.sigmas, variance = levels, experiment.law.variance.float().to(device)
    x = float(levels[0]) * torch.randn(particles, len(variance), device=device)
    for k, t in enumerate(scheduler.timesteps):
        sigma = float(levels[k])
        scheduler.scale_model_input(x, t)
        (x, *_) = scheduler.step(sigma / (variance + sigma**2) * x, t, x, return_dict=False)
    return x


def random_numbers(particles: int, device: str) -> Callable[[], None]:
    """Only the random numbers of a run."""
    total = particles * MODES
    if device == "cuda":
        from kernels.particles import card

        def made() -> None:
            for step in range(STEPS):
                card.normals(0, 2, step, 0, total, torch.device(device))

        return made

    def block(begin: int, end: int) -> None:
        out, work = np.empty(2**15, dtype=np.float32), room()
        groups = len(out) // GROUP
        for first in range(begin // GROUP, end // GROUP, groups):
            for step in range(STEPS):
                fill_groups(out, groups, first, 2, step, 0, 0, *work)

    size = 2**20
    blocks = [(begin, min(begin + size, total)) for begin in range(0, total, size)]

    def made_by_crew() -> None:
        with Crew() as crew:
            crew.each(len(blocks), lambda k: block(*blocks[k]), lambda share: None)

    return made_by_crew


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    device: str = parser.parse_args().device
    warnings.simplefilter("ignore")
    where = torch.cuda.get_device_name() if device == "cuda" else f"{cores()} cores"
    print(f"{where}; {MODES} modes, {STEPS} steps, {PARTICLES} particles; 10⁶ steps of numbers per second")
    vp = Experiment(spectrum=PowerLaw(modes=MODES), grid=Uniform(steps=STEPS))
    edm = Experiment(
        spectrum=PowerLaw(modes=MODES),
        process=EDM(),
        grid=Karras(steps=STEPS, start=14.6, stop=0.03),
        sampler=DDIM(eta=1.0),
    )
    steps = float(MODES * STEPS * PARTICLES)
    sampling = Sampling(particles=PARTICLES, device=device)
    # A plain loop uses as many cores as the program.
    torch.set_num_threads(cores())
    rates = {
        "this program, EulerMaruyama": rate(lambda: sample(vp, sampling), steps, device),
        "plain torch loop over steps": rate(lambda: loop(vp, PARTICLES, device), steps, device),
        "this program, DDIM(η=1) = Euler ancestral": rate(lambda: sample(edm, sampling), steps, device),
        "diffusers EulerAncestralDiscreteScheduler": rate(lambda: scheduled(edm, PARTICLES, device), steps, device),
        "random numbers alone": rate(random_numbers(PARTICLES, device), steps, device),
    }
    for name, value in rates.items():
        print(f"  {name:<44} {value / 1e6:9.0f}")
    ours, plain, ancestral, scheduler, limit = rates.values()
    print(f"  to the plain loop {ours / plain:.1f}x, to diffusers {ancestral / scheduler:.1f}x")
    print(f"  share of the limit set by random numbers {ours / limit:.0%} and {ancestral / limit:.0%}")
    variance, exact = scheduled(edm, PARTICLES, device).var(0).cpu().double(), report(edm).modes.variance
    error = float(((variance / exact - 1) / (2 / PARTICLES) ** 0.5).abs().max())
    print(f"  (the scheduler's variances are within {error:.1f} standard errors of the exact law)")

    print("other samplers, same numbers:")
    for sampler in (DDIM(), EulerMaruyama(), DPMSolverPP2M(), UnderdampedLangevin()):
        for dtype in ("float32", "float64"):
            other = Experiment(spectrum=PowerLaw(modes=MODES), grid=Uniform(steps=STEPS), sampler=sampler)
            chosen = Sampling(particles=PARTICLES // 16, device=device, dtype=dtype)
            value = rate(lambda e=other, s=chosen: sample(e, s), steps / 16, device)
            print(f"  {type(sampler).__name__:<20} {dtype}  {value / 1e6:9.0f}")

    print("clouds in the window, milliseconds:")
    moons = Experiment(spectrum=Mixture(), process=EDM(), grid=Karras(steps=20, start=80.0, stop=0.002))
    gauss = Experiment(spectrum=PowerLaw(modes=64), grid=Uniform(steps=50))
    for name, shown in (("Mixture, 20 steps", moons), ("PowerLaw, 50 steps", gauss)):
        for particles in (10_000, 100_000):
            taken: list[float] = []
            for seed in range(3):
                begin = time.perf_counter()
                motion(shown, Sampling(particles=particles, seed=seed), (0, 1), None)
                taken.append(time.perf_counter() - begin)
            print(f"  {name}, {particles} particles with snapshots: {1e3 * min(taken):.0f}")


if __name__ == "__main__":
    main()
