"""What predicting the errors of learning costs, and replicas of learning and sampling per second beside a plain loop.

    python benchmarks/learning.py

Predictions: every pair of 256 modes, and 3072 modes by 64 nodes; times of one exact report are taken in the same run.

The loop is what a notebook would hold: draw the samples, descend, step the covariance of the sampler, take the
distance; one replica after the other. Both learn from as many samples with as many gradient steps, at the single
noise level of a Langevin sampler; means agree within their standard errors.
"""

import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from kernels.analyses.learning import learning
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.pipeline import replicate
from kernels.processes import EDM
from kernels.report import SNAPSHOTS, Solution
from kernels.samplers import EulerMaruyama, Langevin
from kernels.scores import Empirical, StochasticGradient
from kernels.spectra import PowerLaw
from kernels.starts import Isotropic

MODES, REPLICAS, LOOPED = 8, 1000, 6
Floats = np.ndarray


def loop(experiment: Experiment, model: StochasticGradient, step: float, rng: np.random.Generator) -> float:
    """One replica, as a notebook writes it."""
    eigenvalues = experiment.law.variance.numpy()
    modes, sigma = len(eigenvalues), model.noise_amplitude
    samples = rng.standard_normal((model.samples, modes)) * np.sqrt(eigenvalues)
    matrix = np.zeros((modes, modes))
    for _ in range(model.iterations):
        noise = rng.standard_normal((model.batch, modes))
        points = samples[rng.integers(model.samples, size=model.batch)] + sigma * noise
        gradient = (points @ matrix.T - noise / sigma).T @ points / model.batch
        matrix -= model.step_size * gradient
    gain, covariance = np.eye(modes) - step * matrix, np.eye(modes)
    for _ in range(len(experiment.times) - 1):
        covariance = gain @ covariance @ gain.T + 2 * step * np.eye(modes)
    root = np.sqrt(eigenvalues)
    product = np.linalg.eigvalsh(root[:, None] * covariance * root)
    return float(np.trace(covariance) + eigenvalues.sum() - 2 * np.sqrt(product.clip(0)).sum())


def milliseconds(run: Callable[[int], object], repeats: int = 9) -> float:
    """Median, with another number of samples each time: what was asked before is remembered."""
    run(10)
    taken: list[float] = []
    for samples in range(100, 100 + repeats):
        begin = time.perf_counter()
        run(samples)
        taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken)


def predictions() -> None:
    """Print what a prediction costs."""
    noisy = StochasticGradient(noise_amplitude=0.3, step_size=1e-4, iterations=100_000)
    steady = {"grid": Uniform(steps=1000), "start": Isotropic()}
    rising = {"process": EDM(), "grid": Karras(steps=50, start=3.0, stop=0.1)}
    cases = (
        ("Langevin, samples", {"sampler": Langevin(), "score": Empirical(), **steady}),
        ("Langevin, gradients", {"sampler": Langevin(), "score": noisy, **steady}),
        ("Euler-Maruyama, N = 50, samples", {"sampler": EulerMaruyama(), "score": Empirical(), **rising}),
        ("Euler-Maruyama, N = 50, gradients", {"sampler": EulerMaruyama(), "score": noisy, **rising}),
    )
    print(f"{'prediction [ms]':36} {'256 modes, all pairs':>22} {'3072 modes, 64 nodes':>22} {'a report at 3072':>18}")
    for name, parts in cases:
        line, experiment = f"{name:36}", Experiment()
        for modes, nodes in ((256, 256), (3072, 64)):
            experiment = Experiment(spectrum=PowerLaw(modes=modes, decay=1.0), **parts)

            def predict(samples: int, experiment: Experiment = experiment, nodes: int = nodes) -> object:
                score = dataclasses.replace(experiment.score, samples=samples)
                return learning(dataclasses.replace(experiment, score=score), nodes)

            line += f" {milliseconds(predict):22.1f}"

        def whole(_: int, experiment: Experiment = experiment) -> object:
            return Solution(experiment, (experiment.times,), SNAPSHOTS).report()

        print(f"{line} {milliseconds(whole):18.1f}")


def main() -> None:
    """Print the cost of predictions, replicas per second, and how many of the loop's they are."""
    torch.set_num_threads(1)
    predictions()
    print()
    cores = os.cpu_count() or 1
    places = [("cpu", 1)] + ([("cpu", cores)] if cores > 1 else [])
    places += [("cuda", 1)] if torch.cuda.is_available() else []
    print(f"d = {MODES}, R = {REPLICAS} (of the loop {LOOPED}), n = 2000; mean of W2^2 and its standard error\n")
    print(f"{'batch':>5} {'steps':>6} {'':>16} {'replicas/s':>11} {'ratio':>7}   mean")
    for batch, iterations in ((1, 4000), (16, 2000), (128, 500)):
        model = StochasticGradient(
            noise_amplitude=0.3, samples=2000, step_size=2e-3, batch=batch, iterations=iterations
        )
        step = 0.02
        experiment = Experiment(
            spectrum=PowerLaw(modes=MODES, decay=1.0),
            score=model,
            sampler=Langevin(step_size=step),
            grid=Uniform(steps=1000),
            start=Isotropic(),
        )
        rng = np.random.default_rng(0)
        values: list[float] = []
        taken = math.inf
        for _ in range(LOOPED):
            begin = time.perf_counter()
            values.append(loop(experiment, model, step, rng))
            taken = min(taken, time.perf_counter() - begin)
        error = np.std(values, ddof=1) / math.sqrt(LOOPED)
        print(
            f"{batch:5} {iterations:6} {'loop':>16} {1 / taken:11.1f} {1:6.1f}x   {np.mean(values):.5f} ± {error:.1g}"
        )
        for device, workers in places:
            found = replicate(experiment, 2, device=device)
            seconds = math.inf
            for _ in range(2):
                begin = time.perf_counter()
                found = replicate(experiment, REPLICAS, device=device, workers=workers)
                seconds = min(seconds, time.perf_counter() - begin)
            name = f"{device}, {workers} at once"
            print(
                f"{'':12} {name:>16} {REPLICAS / seconds:11.1f} {REPLICAS / seconds * taken:6.1f}x"
                f"   {found.mean:.5f} ± {found.standard_error:.1g}"
            )


if __name__ == "__main__":
    main()
