"""Real clients: what diffusers' own schedulers make of exported levels is what this program predicts.

The model is the exact denoiser of Gaussian data. Everything is linear then, so that a run on unit vectors, one for the
start and one for the noise of each step, gives the variance itself; a run on many points has its error bars.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from explorer.exchange import written
from kernels import grids, processes, samplers, spectra
from kernels.experiment import Experiment
from kernels.optimize import Optimum, Request, optimize
from kernels.report import report

EIGENVALUES = (4.0, 1.0, 0.25, 0.05, 0.01, 0.001)
# As many standard errors as a few dozen comparisons may be off.
FAR = 4.5
POINTS = 50_000

CLIENT = f"""
import json, runpy, sys
import torch
from diffusers.schedulers import scheduling_euler_ancestral_discrete as ancestral

torch.set_num_threads(1)
EIGENVALUES = torch.tensor({EIGENVALUES})
# The config of a published model, whose training levels reach from 0.03 to 14.6.
CONFIG = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", use_karras_sigmas=True)


def denoise(x, sigma):
    return EIGENVALUES / (EIGENVALUES + sigma**2) * x


def by_scheduler(scheduler, x, generator):
    # As a pipeline does, with a model of the noise that is told the scaled state.
    scheduler.set_timesteps(50)
    for step, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[step]
        scaled = scheduler.scale_model_input(x, t)
        state = scaled * (sigma**2 + 1) ** 0.5
        x = scheduler.step((state - denoise(state, sigma)) / sigma, t, x, generator=generator).prev_sample
    return x


def unit_noise(rows):
    drawn = iter(range(1, rows))
    return lambda shape, **options: torch.eye(rows)[next(drawn)].unsqueeze(1).expand(shape)


found = {{}}
drawn = ancestral.randn_tensor
for path in sys.argv[1:]:
    names = runpy.run_path(path)
    steps, first = len(names["SIGMAS"]) - 1, names["SIGMAS"][0]
    euler, euler_ancestral = names["euler_scheduler"](CONFIG), names["ancestral_scheduler"](CONFIG)
    assert float(euler.init_noise_sigma) == float(euler_ancestral.init_noise_sigma) == torch.tensor(first)
    assert torch.equal(euler.sigmas, torch.tensor(names["SIGMAS"])), euler.sigmas
    runs = {{
        "euler": lambda x, generator: by_scheduler(euler, x, generator),
        "ancestral": lambda x, generator: by_scheduler(euler_ancestral, x, generator),
        "loop": lambda x, generator: names["sample"](denoise, x, generator=generator),
    }}
    for name, run in runs.items():
        rows = steps + 1
        x = torch.zeros(rows, len(EIGENVALUES))
        x[0] = first
        keep, torch.randn = torch.randn, unit_noise(rows)
        ancestral.randn_tensor = torch.randn
        exact = run(x, None).double().square().sum(0)
        torch.randn, ancestral.randn_tensor = keep, drawn
        generator = torch.Generator().manual_seed(1)
        points = run(first * torch.randn({POINTS}, len(EIGENVALUES), generator=generator), generator)
        assert points.dtype == torch.float32
        found[f"{{path}} {{name}}"] = [exact.tolist(), points.double().square().mean(0).tolist()]
print(json.dumps([found, sorted({{"kernels", "explorer"}} & set(sys.modules))]))
"""


SPECTRUM = spectra.Custom(eigenvalues=EIGENVALUES)
FLOW = samplers.EulerMaruyama(stochasticity=0.0)
ON_EDM = Experiment(
    spectrum=SPECTRUM, process=processes.EDM(), grid=grids.Karras(steps=9, start=80.0, stop=0.002), sampler=FLOW
)
BY_STEP = samplers.TabulatedEulerMaruyama(
    levels=(80.0, 12.5, 2.9, 0.6, 0.11, 0.02), values=(0.4, 0.0, 0.02, 1.3, 0.05, 0.3)
)


def by_density(experiment: Experiment) -> Optimum:
    return optimize(experiment, Request(over="grid", method="density"))


@pytest.fixture(scope="module")
def optima() -> dict[str, Optimum]:
    flow = by_density(ON_EDM)
    to_zero = grids.Karras(steps=7, start=80.0, stop=0.01, to_zero=True)
    listed = grids.Tabulated(values=(80.0, 12.5, 2.9, 0.6, 0.11, 0.02, 0.002))
    return {
        "flow": flow,
        "ancestral": by_density(replace(ON_EDM, sampler=samplers.DDIM(eta=1.0))),
        # A last step to zero noise, and levels that the model of CONFIG has not been trained on.
        "to zero": by_density(replace(ON_EDM, grid=to_zero, sampler=samplers.EulerMaruyama(stochasticity=0.2))),
        "by step": replace(flow, improved=replace(ON_EDM, grid=listed, sampler=BY_STEP)),
        "preserving": replace(
            flow, improved=Experiment(spectrum=SPECTRUM, grid=grids.Uniform(steps=40), sampler=BY_STEP)
        ),
    }


Moments = dict[str, tuple[list[float], list[float]]]


@pytest.fixture(scope="module")
def found(optima: dict[str, Optimum], tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """What a program without ours finds: variances by exact propagation, and of points."""
    folder = tmp_path_factory.mktemp("clients")
    for name, optimum in optima.items():
        written(optimum, folder / f"{name}.py")
    run = subprocess.run(
        [sys.executable, "-c", CLIENT, *(f"{name}.py" for name in optima)],
        cwd=folder,
        # No network, and nothing of ours.
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    moments, ours = json.loads(run.stdout.splitlines()[-1])
    assert ours == []
    return moments


def predicted(experiment: Experiment) -> np.ndarray:
    """Variances of the rescaled state at the end."""
    end = experiment.process.alpha(experiment.times[-1])
    return (report(experiment).modes.variance / end.square()).numpy()


def check(moments: tuple[list[float], list[float]], expected: np.ndarray, accuracy: float = 1e-5) -> None:
    exact, sampled = moments
    assert exact == pytest.approx(expected.tolist(), rel=accuracy)
    assert np.abs(np.array(sampled) / expected - 1).max() < FAR * np.sqrt(2 / POINTS)


NAMES = ["flow", "ancestral", "to zero", "by step", "preserving"]


@pytest.mark.parametrize("name", NAMES)
def test_the_euler_scheduler_of_diffusers(optima: dict[str, Optimum], found: Moments, name: str) -> None:
    experiment = replace(optima[name].improved, sampler=samplers.DDIM(eta=0.0))
    check(found[f"{name}.py euler"], predicted(experiment))
    if isinstance(experiment.process, processes.EDM):
        check(found[f"{name}.py euler"], predicted(replace(experiment, sampler=FLOW)))


@pytest.mark.parametrize("name", NAMES)
def test_the_ancestral_scheduler_of_diffusers(optima: dict[str, Optimum], found: Moments, name: str) -> None:
    experiment = replace(optima[name].improved, sampler=samplers.DDIM(eta=1.0))
    # It subtracts squares, in float32, for what a step keeps of the noise: the less it keeps, the more digits are lost.
    levels = optima[name].noise_ratios
    levels = levels[levels > 0]
    lost = 2**-24 * float((levels[:-1] / levels[1:]).max()) ** 2
    check(found[f"{name}.py ancestral"], predicted(experiment), 1e-5 + lost)


@pytest.mark.parametrize("name", NAMES)
def test_the_loop(optima: dict[str, Optimum], found: Moments, name: str) -> None:
    check(found[f"{name}.py loop"], predicted(optima[name].improved))


def test_what_was_optimized_is_what_comes_out(optima: dict[str, Optimum], found: Moments) -> None:
    for name, client in (("flow", "euler"), ("ancestral", "ancestral"), ("to zero", "loop")):
        deviation = np.sqrt(found[f"{name}.py {client}"][0]) - np.sqrt(EIGENVALUES)
        assert np.linalg.norm(deviation) == pytest.approx(optima[name].after, rel=1e-4), name
        assert optima[name].after < optima[name].before
