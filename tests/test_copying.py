"""Text that, run as it is, prints the numbers that the window shows."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from explorer.cli import main, read_session
from explorer.copying import as_command, as_python, assignments
from kernels import grids, spectra
from kernels.experiment import Experiment
from kernels.param import leaves
from kernels.processes import EDM, Brownian, FlowMatching, VPCosine
from kernels.report import report
from kernels.samplers import DDIM, DPMSolverPP2M, EDMHeun, EulerMaruyama, FlowEuler, Heun
from kernels.starts import Marginal
from tests import strategies

SOURCES = ("total", "discretization", "initialization", "truncation")
# A name that a shell, Python and TOML each read in their own way.
AWKWARD = """it's "$HOME" \\ `a`; b=c #d é.csv"""


def examples(folder: Path) -> list[Experiment]:
    """Experiments whose text is not easy to write."""
    path = folder / AWKWARD
    np.savetxt(path, np.array([3.0, 1.0, 0.1]))
    return [
        Experiment(),
        Experiment(
            spectrum=spectra.LogUniform(modes=10, condition=1e4, mean=-0.5),
            process=Brownian(),
            grid=grids.LogUniform(steps=30, start=25.707360084990057, stop=2.481812908202393e-07),
        ),
        Experiment(
            spectrum=spectra.Custom(eigenvalues=(1 / 3, 1e-300, 0.0, 4.0)),
            process=EDM(sigma_max=20.0),
            grid=grids.Tabulated(values=(15.0, 0.1 + 0.2, 1e-05, 0.0), coordinate="noise_ratio"),
            sampler=EDMHeun(),
            start=Marginal(),
        ),
        Experiment(
            spectrum=spectra.EigenvalueFile(path=str(path), mean=0.25),
            process=VPCosine(),
            grid=grids.AlignYourSteps(model="SD1.5", steps=7, to_zero=True),
            sampler=DDIM(eta=0.3),
        ),
        Experiment(process=FlowMatching(), grid=grids.Shifted(stop=0.0, shift=1.4), sampler=FlowEuler()),
        # What blows up is a value, too.
        Experiment(
            spectrum=spectra.Custom(eigenvalues=(1.0, 0.0)), grid=grids.Uniform(steps=9, stop=0.0), sampler=Heun()
        ),
        Experiment(grid=grids.Karras(steps=9, rho=3.0, to_zero=True), sampler=DPMSolverPP2M()),
    ]


def printed(experiment: Experiment) -> list[str]:
    """What the script is to print."""
    error = report(experiment)
    return [f"NFE {error.calls}", *(f"W2 {name} {float(getattr(error.wasserstein2, name))}" for name in SOURCES)]


def test_the_python_text_prints_the_numbers(tmp_path: Path) -> None:
    experiments = examples(tmp_path)
    # Each text stands for itself, also after another one.
    script = "\nprint()\n".join(as_python(experiment) for experiment in experiments)
    root = str(Path(__file__).resolve().parents[1])
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": root},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    found = [part.splitlines() for part in run.stdout.split("\n\n")]
    assert found == [printed(experiment) for experiment in experiments]


def test_the_command_prints_the_numbers_after_a_shell_has_read_it(tmp_path: Path) -> None:
    experiments = examples(tmp_path)
    script = "wasserscope() { printf '%s\\0' \"$@\"; printf '\\0'; }\n"
    script += "\n".join(as_command(experiment) for experiment in experiments)
    run = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    commands = [part.decode().split("\0") for part in run.stdout.removesuffix(b"\0\0").split(b"\0\0")]
    assert len(commands) == len(experiments)
    for words, experiment in zip(commands, experiments, strict=True):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main([*words, "--json"]) == 0
        found, expected = json.loads(out.getvalue()), report(experiment)
        assert found["calls"] == expected.calls
        assert found["wasserstein2"] == {name: float(getattr(expected.wasserstein2, name)) for name in SOURCES}
        assert found["modes"]["variance"] == expected.modes.variance.tolist()


def test_the_python_text_in_full() -> None:
    experiment = Experiment(
        spectrum=spectra.LogUniform(modes=3), process=EDM(), grid=grids.LogUniform(start=80.0, stop=0.002)
    )
    assert as_python(experiment).splitlines()[:13] == [
        "from kernels import grids, observations, processes, samplers, scores, spectra, starts",
        "from kernels.experiment import Experiment",
        "from kernels.report import report",
        "",
        "experiment = Experiment(",
        "    spectrum=spectra.LogUniform(mean=0.0, modes=3, condition=100.0, scale=1.0),",
        "    observation=observations.Unobserved(),",
        "    process=processes.EDM(sigma_max=80.0),",
        "    score=scores.Exact(noise_amplitude=0.1),",
        "    grid=grids.LogUniform(steps=50, start=80.0, stop=0.002, to_zero=False),",
        "    sampler=samplers.EulerMaruyama(stochasticity=1.0),",
        "    start=starts.Noise(),",
        ")",
    ]


def test_the_command_in_full() -> None:
    experiment = Experiment(
        spectrum=spectra.Custom(eigenvalues=(1.0, 0.5)), grid=grids.AlignYourSteps(), sampler=EulerMaruyama()
    )
    assert as_command(experiment) == (
        "wasserscope run spectrum=Custom spectrum.mean=0.0 spectrum.eigenvalues=1.0,0.5 "
        "observation=Unobserved process=VPLinear process.beta_min=0.1 process.beta_max=20.0 score=Exact "
        "score.noise_amplitude=0.1 "
        "grid=AlignYourSteps grid.steps=10 grid.model=SD1.5 "
        "grid.to_zero=false sampler=EulerMaruyama sampler.stochasticity=1.0 start=Noise"
    )


@given(strategies.experiments())
def test_any_experiment_comes_back_from_its_assignments(experiment: Experiment) -> None:
    assert read_session(assignments(experiment)).experiment == experiment
    # Also where they follow a session of another kind, whatever the order.
    assert read_session(assignments(experiment)[::-1]).experiment == experiment
    assert len(assignments(experiment)) == len(list(leaves(experiment)))


@pytest.mark.parametrize("path", ["a b", "-x.npy", "=", "~/x", "x\ny", "", "'", '"', "é", "%s{}", " x "])
def test_any_path_comes_back(path: str) -> None:
    experiment = Experiment(spectrum=spectra.SampleFile(path=path))
    assert read_session(assignments(experiment)).experiment == experiment
    text = as_python(experiment)
    assert f"spectra.SampleFile(path={path!r})" in text
    compile(text, "copied", "exec")
