"""What optimal grids and stochasticities gain on a spectrum, and what they cost.

    python benchmarks/optimal.py [EIGENVALUES.npy]

EDM time from 80 to 0.002, exact start; W2 is that of discretization, to the exact law at the last time. Without a file
the spectrum of images that the program brings along is taken. Times are also given as multiples of one exact report of
the same experiment, taken in the same run.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from kernels.analyses.expansion import expansion
from kernels.experiment import Experiment
from kernels.grids import AlignYourSteps, Karras, TimeGrid, Uniform
from kernels.optimize import Optimum, Request, optimize, scaled
from kernels.processes import EDM
from kernels.report import SNAPSHOTS, Solution, report
from kernels.samplers import DPMSolverPP2M, EulerMaruyama
from kernels.spectra import Custom, EigenvalueFile, ImageLike, Spectrum
from kernels.starts import Marginal

FLOW = EulerMaruyama(stochasticity=0.0)
JOINT = Request(against_data=False)
SCALES = (0.8, 1.0, 1.2)


def on_karras(spectrum: Spectrum, steps: int, kind: type[TimeGrid] = Karras) -> Experiment:
    """The flow by Euler's method."""
    grid = kind(steps=steps, start=80.0, stop=0.002)
    return Experiment(spectrum=spectrum, process=EDM(), grid=grid, sampler=FLOW, start=Marginal())


def distance(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.discretization)


def milliseconds(run: Callable[[], object], repeats: int = 7) -> float:
    """Median."""
    taken: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken)


def costs(experiment: Experiment, request: Request) -> tuple[Optimum, float, float]:
    """What is found, its seconds, and these as a multiple of one exact report."""
    one = milliseconds(lambda: Solution(experiment, (experiment.times,), SNAPSHOTS).report())
    begin = time.perf_counter()
    found = optimize(experiment, request)
    seconds = time.perf_counter() - begin
    return found, seconds, 1e3 * seconds / one


def joint(title: str, spectrum: Spectrum) -> None:
    print(f"\n{title}: grid and stochasticity together, W2 of discretization")
    print(f"{'N':>4} {'Karras, flow':>14} {'one stochasticity':>19} {'s':>6} {'reports':>8}", end="")
    print(f" {'one per step':>14} {'s':>6} {'reports':>8} {'grid alone':>12} {'s':>6}")
    for steps in (10, 20):
        experiment = on_karras(spectrum, steps)
        print(f"{steps:4} {distance(experiment):14.6g}", end="")
        for request, width in ((JOINT, 19), (replace(JOINT, per_step=True), 14), (replace(JOINT, over="grid"), 12)):
            found, seconds, reports = costs(experiment, request)
            ratio = "" if request.over == "grid" else f" {reports:8.0f}"
            print(f" {distance(found.improved):{width}.6g} {seconds:6.2f}{ratio}", end="", flush=True)
        print()


def density(spectrum: Spectrum) -> None:
    experiment = on_karras(spectrum, 20)
    request = Request(over="grid", method="density")
    taken = milliseconds(lambda: optimize(experiment, request))
    leading, found = expansion(experiment), optimize(experiment, request)
    assert leading is not None
    print("\nDensity of steps for the flow")
    print(f"N W2 as N grows: {found.leading:.6f} (Karras {leading.n_wasserstein2:.6f}); {taken:.1f} ms")


def table(spectrum: Spectrum) -> None:
    """W2 where the spectrum is not what the search was told."""
    law = spectrum.law()
    spectra = [Custom(eigenvalues=tuple(scaled(law, scale, 1.0).variance.tolist())) for scale in SCALES]
    print("\nW2 of discretization where the eigenvalues are the ones searched on, times a factor")
    print(f"{'N':>4} {'method':32}" + "".join(f" {f'x {scale}':>12}" for scale in SCALES) + f" {'mean':>12} {'s':>7}")
    for steps in (5, 10, 20, 50):
        plain = on_karras(spectrum, steps)
        optimal, seconds, _ = costs(plain, JOINT)
        robust, robust_seconds, _ = costs(plain, replace(JOINT, robust=0.2))
        worst, worst_seconds, _ = costs(plain, replace(JOINT, robust=0.2, aim="worst"))
        steady, steady_seconds, _ = costs(plain, Request(over="grid", method="density"))
        wide = replace(plain, process=EDM(sigma_max=700.0))
        rows = {
            "optimal": (optimal.improved, seconds),
            "optimal, robust in the mean": (robust.improved, robust_seconds),
            "optimal, robust in the worst": (worst.improved, worst_seconds),
            "density of steps, flow": (steady.improved, steady_seconds),
            "Karras, flow": (plain, 0.0),
            "Align your steps (SVD), flow": (replace(wide, grid=AlignYourSteps(steps=steps, model="SVD")), 0.0),
            "uniform, flow": (on_karras(spectrum, steps, Uniform), 0.0),
            "Karras, DPM-Solver++(2M)": (replace(plain, sampler=DPMSolverPP2M()), 0.0),
        }
        for name, (experiment, taken) in rows.items():
            found = [distance(replace(experiment, spectrum=each)) for each in spectra]
            told = "".join(f" {value:12.6g}" for value in [*found, statistics.mean(found)])
            print(f"{steps:4} {name:32}{told}" + (f" {taken:7.2f}" if taken else ""), flush=True)


def main(path: str) -> None:
    torch.set_num_threads(1)
    spectrum: Spectrum = EigenvalueFile(path=path) if path else ImageLike()
    eigenvalues = spectrum.law().variance
    zeros = int((eigenvalues == 0).sum())
    print(f"{path or 'ImageLike'}: {len(eigenvalues)} eigenvalues, {zeros} of them 0")
    joint("All eigenvalues", spectrum)
    if zeros:
        joint("Those above 0", Custom(eigenvalues=tuple(eigenvalues[eigenvalues > 0].tolist())))
    density(spectrum)
    table(spectrum)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
