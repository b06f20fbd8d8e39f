"""Cost of one exact experiment against a plain numpy loop over steps, in one run.

    python benchmarks/exact.py

The loop is what a notebook would hold: vectorized over modes, a function for a step, one pass per step; the data have a
mean. "loop, all" computes what the plots show and the program computes too: the sampler's law from its start and from
an exact start, W2 of both to the exact law along time, stability by mode, the paths of three modes. "loop, end"
propagates the two laws and takes W2 at the end only.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from kernels.analyses.convergence import convergence
from kernels.experiment import Experiment
from kernels.grids import Uniform
from kernels.report import SNAPSHOTS, Solution
from kernels.samplers import DDIM, DPMSolverPP2M, EulerMaruyama, Heun, RungeKutta4
from kernels.spectra import EigenvalueFile, ImageLike

Floats = np.ndarray
Law = tuple[Floats, Floats]
# As real data have; the program leaves out what a mean of zero does not need.
MEAN = 0.1


def exact(experiment: Experiment) -> tuple[float, float]:
    """Everything the plots of one experiment show, from scratch."""
    solution = Solution(experiment, (experiment.times,), SNAPSHOTS)
    error = solution.report()
    solution.path()
    solution.followed([0, 10, 100])
    return float(error.wasserstein2.total), float(error.wasserstein2.discretization)


def loop(eigenvalues: Floats, times: Floats, beta: tuple[float, float], along: bool) -> tuple[float, float]:
    """Euler-Maruyama (SDE) on VP-linear, as a notebook writes it; with `along` all that the plots show."""
    data_mean = np.full_like(eigenvalues, MEAN)

    def marginal(t: float) -> Law:
        integral = t * (beta[0] + 0.5 * (beta[1] - beta[0]) * t)
        return np.exp(-integral / 2) * data_mean, np.exp(-integral) * eigenvalues - np.expm1(-integral)

    def step(law: Law, t: float, h: float) -> Law:
        (mean, variance), (center, exact), rate = law, marginal(t), beta[0] + (beta[1] - beta[0]) * t
        gain = 1 + h * (rate / 2 - rate / exact)
        return mean * (1 + h * rate / 2) - h * rate * (mean - center) / exact, gain**2 * variance + rate * h

    def distance(p: Law, q: Law) -> float:
        return float(np.sqrt(((p[0] - q[0]) ** 2 + (np.sqrt(p[1]) - np.sqrt(q[1])) ** 2).sum()))

    started, exact_start = (
        (np.zeros_like(eigenvalues), 0 * eigenvalues - np.expm1(-(sum(beta) / 2))),
        marginal(times[0]),
    )
    unstable = np.zeros(len(eigenvalues), dtype=bool)
    path, followed = [], []
    for t, after in pairwise(times):
        started, exact_start = step(started, t, t - after), step(exact_start, t, t - after)
        if along:
            target = marginal(after)
            path.append((distance(started, target), distance(exact_start, target)))
            rate, before = beta[0] + (beta[1] - beta[0]) * t, marginal(t)[1]
            gain = 1 + (t - after) * (rate / 2 - rate / before)
            unstable |= (gain < 0) & (gain**2 * before > target[1])
            followed.append(started[1][[0, 10, 100]])
    return distance(started, (data_mean, eigenvalues)), distance(exact_start, marginal(times[-1]))


def best(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least and median milliseconds."""
    taken: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        taken.append(1e3 * (time.perf_counter() - begin))
    return min(taken), statistics.median(taken)


def alternated(repeats: int, *runs: Callable[[], object]) -> list[tuple[float, ...]]:
    """Least and median milliseconds of several things, taken in turns: a busy machine is busy for all of them."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, times in zip(runs, taken, strict=True):
            times.append(best(run, 1)[0])
    return [(min(times), statistics.median(times)) for times in taken]


def main(folder: str) -> None:
    """Print the table; eigenvalues are kept in a folder, as a person's would be."""
    torch.set_num_threads(1)
    print(f"{'modes':>7} {'N':>5}  {'exact ms: least / median':>26}  {'loop, end':>10} {'loop, all':>10}  ratios")
    measured = ImageLike(modes=2999).law().variance.numpy()
    for modes in (3072, 100_000):
        # Distinct positive eigenvalues, as a texture has: the image spectrum, stretched.
        eigenvalues = np.interp(np.linspace(1, 2999, modes), np.arange(1, 3000), measured)
        path = Path(folder) / f"{modes}.npy"
        np.save(path, eigenvalues)
        spectrum = EigenvalueFile(path=str(path), mean=MEAN)
        for steps in (50, 1000):
            experiment = Experiment(spectrum=spectrum, grid=Uniform(steps=steps), sampler=EulerMaruyama())
            times = experiment.times.numpy()
            mine, end, path = alternated(
                7,
                lambda e=experiment: [exact(e) for _ in range(5)],
                lambda x=eigenvalues, t=times: loop(x, t, (0.1, 20.0), False),
                lambda x=eigenvalues, t=times: loop(x, t, (0.1, 20.0), True),
            )
            mine = tuple(taken / 5 for taken in mine)
            found, wanted = exact(experiment), loop(eigenvalues, times, (0.1, 20.0), False)
            difference = max(abs(a / b - 1) for a, b in zip(found, wanted, strict=True))
            print(
                f"{modes:7} {steps:5}  {mine[0]:12.2f} / {mine[1]:8.2f} ms  {end[0]:10.1f} {path[0]:10.1f}"
                f"  {end[0] / mine[0]:5.1f}x {path[0] / mine[0]:5.1f}x   relative difference {difference:.1e}"
            )
    print("\nother samplers, 3072 modes, N = 1000 (least / median ms)")
    for sampler in (EulerMaruyama(stochasticity=0.0), DDIM(eta=0.5), Heun(), DPMSolverPP2M(), RungeKutta4()):
        experiment = Experiment(spectrum=ImageLike(), grid=Uniform(steps=1000), sampler=sampler)
        least, median = best(lambda e=experiment: exact(e), 10)
        print(f"{type(sampler).__name__:16} {least:8.2f} / {median:8.2f}")
    for steps in (50, 1000):
        experiment = Experiment(spectrum=ImageLike(), grid=Uniform(steps=steps), sampler=EulerMaruyama())
        least, median = best(lambda e=experiment: (convergence.cache_clear(), convergence(e)), 10)
        print(f"W2 against NFE around N = {steps:4}: {least:.2f} / {median:.2f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        main(made)
