"""The command line: what it prints, what it writes, and its sentences in full."""

import contextlib
import csv
import errno
import io
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import tomllib
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explorer import VERSION, doctor, reporting
from explorer.cli import main, read_session
from explorer.listing import catalog
from explorer.marks import Figure
from explorer.plots import PLOTS, Plot
from explorer.session import Session, load, save
from explorer.system import Library
from kernels import grids, observations, processes, samplers, scores, spectra, starts
from kernels import optimize as optimize_module
from kernels.experiment import Experiment, from_dict, to_dict
from kernels.param import Component, Number, declarations
from kernels.report import report
from tests import closed_forms as cf

FAMILIES: dict[str, tuple[type[Component], ...]] = {
    "spectrum": spectra.SPECTRA,
    "observation": observations.OBSERVATIONS,
    "process": processes.PROCESSES,
    "score": scores.SCORE_MODELS,
    "grid": grids.TIME_GRIDS,
    "sampler": samplers.SAMPLERS,
    "start": starts.STARTS,
}


# Programs find the packages wherever they are started.
FOUND = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


@dataclass(frozen=True)
class Answer:
    """What a person sees of a command."""

    status: int
    out: str
    err: str


def asked(*arguments: str) -> Answer:
    """The command run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return Answer(status, out.getvalue(), err.getvalue())


def program(*arguments: str, code: str = "") -> Answer:
    """The command, or some code, run in a process of its own."""
    start = ["-c", code] if code else ["-m", "explorer.cli"]
    run = subprocess.run([sys.executable, *start, *arguments], env=FOUND, capture_output=True, text=True, check=False)
    return Answer(run.returncode, run.stdout, run.stderr)


def numbers(*arguments: str) -> dict[str, Any]:
    """The JSON of a run that succeeds."""
    answer = asked("run", *arguments, "--json")
    assert (answer.status, answer.err) == (0, "")
    return json.loads(answer.out)


def refused(sentence: str) -> Answer:
    return Answer(2, "", f"wasserscope: {sentence}\n")


# ------------------------------------------------------------------------------------------------ bad input

ON_VP = "noise levels sigma/alpha from 0 to 152.167; choose a time inside."
VP_ONLY = "needs a variance-preserving process (VPLinear or VPCosine)"
FITTING_EDM = (
    "samplers that apply here: EulerMaruyama, ShapedEulerMaruyama, TabulatedEulerMaruyama, DDIM, DDPM, Heun, EDMHeun, "
    "RungeKutta4, DPMSolverPP2M, Langevin, UnderdampedLangevin."
)
ANY_NUMBER = "must be a number such as 0.02, 5e-3, 1/50 or 2^-6"
NO_PATH = "no file chosen; give the path of a .npy, .npz, .csv or .txt file"

SENTENCES: dict[str, str] = {
    # unknown kinds and paths, the nearest first
    "spectrum=Powerlaw": "Experiment.spectrum must be one of PowerLaw, Isotropic, LogUniform, TwoBlock, ImageLike, "
    "Custom, Mixture, EigenvalueFile, SampleFile, ImageFolder, Texture, FittedMixture, Points, ImagePoints, got "
    "'Powerlaw'.",
    "sampler=DIMM": "Experiment.sampler must be one of DDIM, DDPM, EulerMaruyama, ShapedEulerMaruyama, "
    "TabulatedEulerMaruyama, ExponentialIntegrator, AncestralVP, "
    "Heun, EDMHeun, RungeKutta4, FlowEuler, DPMSolverPP2M, Langevin, UnderdampedLangevin, got 'DIMM'.",
    "process=": "Experiment.process must be one of VPLinear, VPCosine, VEGeometric, EDM, Brownian, FlowMatching, "
    "got ''.",
    "spectrm=PowerLaw": "there is no 'spectrm' in an experiment; known are spectrum, start, score, observation, "
    "process, grid, sampler.",
    "=3": "there is no '' in an experiment; known are spectrum, observation, process, score, grid, sampler, start.",
    "spectrum.mods=3": "PowerLaw has no parameter 'mods'; known are modes, mean, decay, scale.",
    "grid=Karras grid.roh=5": "Karras has no parameter 'roh'; known are rho, steps, start, stop, to_zero.",
    "score.x=1": "Exact has no parameter 'x'; known are noise_amplitude.",
    # values outside their domains
    "sampler.stochasticity=-1": "EulerMaruyama.stochasticity (ε) must lie in [0, inf), got -1.0.",
    "sampler=DDIM sampler.eta=1.5": "DDIM.eta (η) must lie in [0, 1], got 1.5.",
    "sampler.stochasticity=inf": "EulerMaruyama.stochasticity (ε) must lie in [0, inf), got inf.",
    "sampler.stochasticity=nan": "EulerMaruyama.stochasticity (ε) must lie in [0, inf), got nan.",
    "grid.steps=0": "Uniform.steps (N) must lie in [1, 1e+06], got 0.",
    "grid.steps=2.5": "Uniform.steps (N) must be a whole number in [1, 1e+06], got 2.5.",
    "grid.steps=ten": f"Uniform.steps (N) {ANY_NUMBER}, got 'ten'.",
    "grid.to_zero=maybe": "Uniform.to_zero (→ 0) must be true or false, got 'maybe'.",
    "grid=AlignYourSteps grid.model=SD15": "AlignYourSteps.model (model) must be one of SD1.5, SVD, SDXL, DeepFloyd, "
    "got 'SD15'.",
    "spectrum=Custom spectrum.eigenvalues=1,-2": "Custom.eigenvalues (λ) must hold numbers in [0, inf), got -2.0 at "
    "position 1.",
    "spectrum=Custom spectrum.eigenvalues=": "Custom.eigenvalues (λ) must hold at least 1 numbers, got 0.",
    "spectrum=Custom spectrum.eigenvalues=1,x": f"Custom.eigenvalues (λ) {ANY_NUMBER}, got 'x'.",
    "process.beta_max=0.1": "VPLinear: beta_max (0.1) must exceed beta_min (0.1).",
    # grids outside the process
    "grid.start=2": f"Uniform.start (t₀) is 2, but VPLinear runs over times from 0 to 1, {ON_VP}",
    "grid.start=0.001": "Uniform: stop (0.001) must lie below start (0.001).",
    "grid=LogUniform grid.stop=0": "LogUniform.stop (t_N) is 0, where sigma/alpha is 0, which has no place on this "
    "grid; move it inside (to_zero appends a last step to zero noise).",
    "grid=Tabulated grid.values=3,1": f"Tabulated: time 0 is 3, but VPLinear runs over times from 0 to 1, {ON_VP}",
    "grid=Tabulated grid.values=0.5,0.7": "Tabulated: times must decrease, but time 1 (0.7) does not lie below time 0 "
    "(0.5).",
    # samplers that do not apply
    "process=EDM sampler=ExponentialIntegrator": f"ExponentialIntegrator {VP_ONLY}, got EDM with Uniform; "
    f"{FITTING_EDM}",
    "process=EDM sampler=AncestralVP": f"AncestralVP {VP_ONLY}, got EDM with Uniform; {FITTING_EDM}",
    "sampler=FlowEuler": "FlowEuler needs the process FlowMatching, got VPLinear with Uniform; samplers that apply "
    "here: EulerMaruyama, ShapedEulerMaruyama, TabulatedEulerMaruyama, ExponentialIntegrator, DDIM, DDPM, AncestralVP, "
    "Heun, EDMHeun, RungeKutta4, DPMSolverPP2M, Langevin, UnderdampedLangevin.",
    "process=FlowMatching": "EulerMaruyama with noise needs a finite diffusion coefficient at its first time; set "
    "grid.start below the end of the process, or choose EulerMaruyama with sampler.stochasticity=0, got FlowMatching "
    "with Uniform; samplers that apply here: DDIM, DDPM, Heun, RungeKutta4, FlowEuler, DPMSolverPP2M, "
    "Langevin, UnderdampedLangevin.",
    # session files
    "missing.toml": "missing.toml: cannot be read: no such file or directory.",
    "folder": "folder: cannot be read: is a directory.",
    "broken.toml": "broken.toml: this is no session file: Invalid value (at end of document).",
    "latin.toml": "latin.toml: this is no session file: it is not UTF-8 text.",
    "later.toml": "later.toml: the session has version 9, this program reads versions up to 1.",
    "wrong.toml": "wrong.toml: PowerLaw.decay (a) must lie in [0, 100], got -1.0.",
    "first.toml second.toml": "expected one session file and path=value assignments, got 'first.toml', 'second.toml'.",
    # data files
    "spectrum=EigenvalueFile": f"EigenvalueFile.path: {NO_PATH} of eigenvalues.",
    "spectrum=SampleFile spectrum.path=text.npy": "SampleFile.path: {here}/text.npy cannot be read as a .npy file: it "
    "does not start like one.",
    "spectrum=EigenvalueFile spectrum.path=no.csv": "EigenvalueFile.path: {here}/no.csv does not exist.",
    "spectrum=ImageFolder spectrum.path=folder": "ImageFolder.path: folder holds 0 PNG or JPEG images; a "
    "covariance needs at least 2.",
    "spectrum=Texture spectrum.path=text.png": "Texture.path: {here}/text.png cannot be read as an image: it is not a "
    "PNG or JPEG file.",
    # options
    "--budget spectrum.modes=20000 grid.steps=1000": "the budget of 20000 modes and 1000 steps has 20000000 numbers, "
    "and at most 10000000 are written; choose fewer modes or steps.",
    "--jsn": "unrecognized arguments: --jsn; see `wasserscope run --help`.",
    "--js": "unrecognized arguments: --js; see `wasserscope run --help`.",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with files of which none is what it seems."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "broken.toml").write_text("version = ")
    (tmp_path / "latin.toml").write_bytes('version = 1\nswept = "é"'.encode("latin-1"))
    (tmp_path / "later.toml").write_text("version = 9")
    (tmp_path / "wrong.toml").write_text('version = 1\n[experiment.spectrum]\nkind = "PowerLaw"\ndecay = -1.0')
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "text.png").write_text("no image")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", SENTENCES)
def test_bad_input_is_answered_by_one_sentence(here: Path, words: str) -> None:
    before = contents(here)
    answer = asked("run", *words.split(), "--json", "--out", "results")
    assert answer == refused(SENTENCES[words].replace("{here}", str(here)))
    assert contents(here) == before
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("run --budget", "--budget is a table: ask for it with --json or --out DIR."),
        ("run --out", "argument --out: expected one argument; see `wasserscope run --help`."),
        ("list --out x", "unrecognized arguments: --out x; see `wasserscope list --help`."),
        ("doctor x", "unrecognized arguments: x; see `wasserscope doctor --help`."),
        ("--nope", "unrecognized arguments: --nope; see `wasserscope --help`."),
        ("optimise", "'optimise' is neither a session file nor a command; did you mean `wasserscope optimize`?"),
        ("rnu", "'rnu' is neither a session file nor a command; did you mean `wasserscope run`?"),
        ("doctr", "'doctr' is neither a session file nor a command; did you mean `wasserscope doctor`?"),
        (
            "xyz.toml",
            (
                "'xyz.toml' is neither a session file nor a command; commands are run, optimize, replicate, sample, "
                "transport, list, doctor."
            ),
        ),
    ],
)
def test_a_command_that_is_none_is_answered_by_one_sentence(here: Path, words: str, sentence: str) -> None:
    assert asked(*words.split()) == refused(sentence)


def test_bad_input_in_a_process_of_its_own(here: Path) -> None:
    answer = program("run", "process=EDM", "sampler=ExponentialIntegrator", "--out", "results")
    assert answer == refused(SENTENCES["process=EDM sampler=ExponentialIntegrator"])
    assert not (here / "results").exists()


def test_a_session_nested_without_end_is_refused(here: Path) -> None:
    (here / "deep.toml").write_text("experiment = " + "[" * 20_000)
    answer = asked("run", "deep.toml")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("wasserscope: deep.toml: ")
    assert len(answer.err.splitlines()) == 1


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = [sys.executable, "-m", "explorer.cli", "run", "spectrum.modes=4096", "--json"]
    with subprocess.Popen(command, env=FOUND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"{"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


# ------------------------------------------------------------------------------------- the folder of results


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("taken", "taken: cannot be made a folder (file exists)."),
        ("taken/below", "taken/below: cannot be made a folder (not a directory)."),
    ],
)
def test_a_folder_that_is_a_file(here: Path, monkeypatch: pytest.MonkeyPatch, folder: str, sentence: str) -> None:
    monkeypatch.setattr(reporting, "PLOTS", ())
    before = contents(here)
    assert asked("run", "--out", folder) == refused(sentence)
    assert contents(here) == before


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (errno.EACCES, "permission is denied. Choose a folder you may write to."),
        (errno.EROFS, "the disk is read-only. Choose a folder on another disk."),
        (errno.ENOSPC, "the disk is full. Free some space or choose another disk."),
    ],
)
def test_a_folder_that_cannot_be_written(here: Path, monkeypatch: pytest.MonkeyPatch, reason: int, text: str) -> None:
    def fail(_: int) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(reporting, "PLOTS", ())
    monkeypatch.setattr(os, "fsync", fail)
    assert asked("run", "--out", "results") == refused(f"Cannot write results/report.json: {text}")
    assert contents(here / "results") == {}


def test_a_figure_that_fails_leaves_former_results_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Session) -> Figure:
        raise ValueError("the data went away.")

    monkeypatch.setattr(reporting, "PLOTS", ())
    assert asked("run", "grid.steps=5", "--out", "results").status == 0
    before = contents(here / "results")
    assert sorted(before) == ["modes.csv", "path.csv", "report.json", "session.toml"]
    monkeypatch.setattr(reporting, "PLOTS", (Plot("broken", "Broken", "Error", fail),))
    assert asked("run", "grid.steps=6", "--out", "results") == refused("the data went away.")
    assert contents(here / "results") == before
    assert asked("run", "grid.steps=6", "--out", "elsewhere/results") == refused("the data went away.")
    assert not (here / "elsewhere").exists()


def test_a_file_that_cannot_be_replaced_leaves_all_as_they_were(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "PLOTS", ())
    (here / "results" / "path.csv").mkdir(parents=True)
    assert asked("run", "--out", "results") == refused(
        "Cannot write results/path.csv: it is a folder. Choose a file name."
    )
    assert contents(here / "results") == {}


def test_a_folder_without_a_name_is_refused(here: Path) -> None:
    answer = asked("run", "--out", "")
    assert (answer.status, answer.out) == (2, "")


# ------------------------------------------------------------------------------------------------- the report


def test_the_json_has_the_documented_keys() -> None:
    found = numbers("spectrum.modes=3")
    assert list(found) == [
        "experiment",
        "calls",
        "wasserstein2",
        "kl",
        "frechet",
        "is_stable",
        "modes",
        "expansion",
        "learning",
    ]
    assert list(found["wasserstein2"]) == ["total", "discretization", "initialization", "truncation"]
    by_mode = ["eigenvalue", "mean", "variance", "error", "mean_error", "share", "is_stable"]
    assert list(found["modes"]) == by_mode
    assert {len(values) for values in found["modes"].values()} == {3}
    assert found["experiment"] == to_dict(Experiment(spectrum=spectra.PowerLaw(modes=3)))


README = """
    spectrum=PowerLaw spectrum.modes=64 spectrum.decay=2 process=EDM grid=Karras grid.steps=10 grid.start=80
    grid.stop=0.002 sampler=EulerMaruyama sampler.stochasticity=0.1 start=Noise
"""


def test_the_json_is_the_report_to_the_last_bit() -> None:
    answer = program("run", *README.split(), "--json")
    assert (answer.status, answer.err) == (0, "")
    found = json.loads(answer.out)
    expected = report(
        Experiment(
            spectrum=spectra.PowerLaw(modes=64, decay=2.0),
            process=processes.EDM(),
            grid=grids.Karras(steps=10, start=80.0, stop=0.002),
            sampler=samplers.EulerMaruyama(stochasticity=0.1),
            start=starts.Noise(),
        )
    )
    assert found["calls"] == expected.calls == 10
    assert found["wasserstein2"] == {name: float(value) for name, value in vars(expected.wasserstein2).items()}
    assert (found["kl"], found["frechet"]) == (expected.kl, expected.frechet)
    assert found["is_stable"] is expected.is_stable
    for field in fields(expected.modes):
        assert found["modes"][field.name] == getattr(expected.modes, field.name).tolist(), field.name


def test_infinities_are_read_back_by_json() -> None:
    # A point mass is at an infinite divergence from any other law.
    found = numbers("process=EDM", "spectrum=Custom", "spectrum.eigenvalues=1,0")
    assert found["kl"] == math.inf
    assert math.isfinite(found["wasserstein2"]["total"])
    # A step to zero noise of a method that asks for the flow there, which is infinite in a mode without variance.
    for mean in ("0", "0.5"):
        found = numbers(
            "spectrum=Custom", "spectrum.eigenvalues=1,0", "sampler=Heun", "grid.stop=0", f"spectrum.mean={mean}"
        )
        assert found["is_stable"] is False
        assert found["modes"]["variance"][1] == math.inf
        assert found["wasserstein2"]["discretization"] == math.inf
        assert found["wasserstein2"]["total"] == math.inf
        assert found["frechet"] == math.inf


def test_the_text_tells_the_same_numbers() -> None:
    words = ("spectrum=Custom", "spectrum.eigenvalues=4,0.01", "grid.steps=10", "sampler.stochasticity=0")
    found, answer = numbers(*words), asked("run", *words)
    assert (answer.status, answer.err) == (0, "")
    lines = {line[:18].strip(): line[19:] for line in answer.out.splitlines()}
    assert lines["NFE"] == "10"
    for name, value in found["wasserstein2"].items():
        assert float(lines[f"W2 {name}"]) == pytest.approx(value, rel=1e-9)
    assert float(lines["KL [nat]"]) == pytest.approx(found["kl"], rel=1e-9)
    assert float(lines["Frechet (W2^2)"]) == pytest.approx(found["wasserstein2"]["total"] ** 2, rel=1e-9)
    unstable = found["modes"]["is_stable"].count(False)
    assert lines["stability"] == (f"{unstable} of 2 modes unstable" if unstable else "stable in every mode")


GOLDEN = ("spectrum=Custom", "spectrum.eigenvalues=0.25", "spectrum.mean=0.5", "process=VPLinear", "grid=Uniform")

# Theory, section C: N = 10, from N(0, 1).
FROM_STANDARD = {
    "sampler.stochasticity=1": (0.52952787830466048, 0.32730858989347409),
    "sampler.stochasticity=0": (0.51243957669529436, 0.23704042452263724),
}


@pytest.mark.parametrize(
    ("words", "step", "eps"),
    [
        ("sampler.stochasticity=1", cf.euler_maruyama(1.0), 1.0),
        ("sampler.stochasticity=0", cf.euler_maruyama(0.0), 0.0),
        ("sampler=ExponentialIntegrator", cf.exponential_integrator(1.0), 1.0),
        ("sampler=DDIM sampler.eta=1/2", cf.ddim(0.5), 0.25),
        ("sampler=DDPM sampler.variance_share=1", cf.ddpm(1.0), 1.0),
        ("sampler=Heun", cf.heun(), 0.0),
    ],
)
@pytest.mark.parametrize("start", ["Marginal", "Noise"])
def test_golden_values_through_the_command_line(words: str, step: cf.ClosedStep, eps: float, start: str) -> None:
    found = numbers(*GOLDEN, "grid.steps=10", *words.split(), f"start={start}")
    times = [1 + (1e-3 - 1) * k / 10 for k in range(10)] + [1e-3]
    process, mode = cf.vp_linear(), cf.Mode(0.25, 0.5, start == "Noise")
    law = cf.one_step(step, process, times, mode)
    assert found["modes"]["mean"] == [pytest.approx(float(law.mean), rel=1e-12)]
    assert found["modes"]["variance"] == [pytest.approx(float(law.variance), rel=1e-12)]
    first, last, data = process(times[0]), process(times[-1]), cf.Law(cf.MP.mpf(0.5), cf.MP.mpf(0.25))
    exact = cf.marginal(last, mode)
    expected = {
        "total": cf.w2([law], [data]),
        "discretization": cf.w2([cf.one_step(step, process, times, replace(mode, noise_start=False))], [exact]),
        "initialization": cf.initialization(first, last, [mode], cf.MP.mpf(eps)),
        "truncation": cf.truncation(last, [mode]),
    }
    for name, value in expected.items():
        assert found["wasserstein2"][name] == pytest.approx(float(value), rel=1e-10), name
    assert found["kl"] == pytest.approx(float(cf.kl(law, data)), rel=1e-10)
    if start == "Noise" and words in FROM_STANDARD:
        # The noise here is N(0, sigma^2) with sigma^2 = 1 - 4.3e-5.
        assert (float(law.mean), float(law.variance)) == pytest.approx(FROM_STANDARD[words], abs=5e-5)


@pytest.mark.parametrize(
    ("words", "variance", "calls"),
    [
        ("process=EDM sampler=DDIM", 0.17895559618939662, 18),
        ("process=EDM sampler=EDMHeun", 0.27838775757048675, 35),
        ("process=EDM sampler=DPMSolverPP2M", 0.28210977865332755, 18),
    ],
)
def test_golden_values_in_edm_time(words: str, variance: float, calls: int) -> None:
    grid = ("grid=Karras", "grid.steps=18", "grid.to_zero=true")
    found = numbers("spectrum=Custom", "spectrum.eigenvalues=0.25", *grid, *words.split())
    assert found["modes"]["variance"] == [pytest.approx(variance, rel=1e-12)]
    assert found["calls"] == calls


def test_golden_value_of_flow_matching() -> None:
    words = "spectrum=Custom spectrum.eigenvalues=2 spectrum.mean=1 process=FlowMatching sampler=FlowEuler grid.steps=8"
    found = numbers(*words.split())
    assert found["modes"]["variance"] == [pytest.approx(1.4301991685846415, rel=1e-13)]
    assert found["modes"]["mean"] == [pytest.approx(1.0, rel=1e-13)]


# ---------------------------------------------------------------------------------------- theory and budget


def test_the_expansion_is_the_limit_of_many_steps() -> None:
    words = ("spectrum=Custom", "spectrum.eigenvalues=4,1,0.25", "spectrum.mean=0.5", "grid=Karras", "process=EDM")
    words += ("sampler.stochasticity=0.5", "grid.stop=0.1")
    theory = numbers(*words)["expansion"]
    keys = ["n_wasserstein2", "n2_frechet", "variance", "mean", "start_variance", "start_mean", "largest_angle"]
    assert list(theory) == [*keys, "in_regime"]
    assert theory["n2_frechet"] == theory["n_wasserstein2"] ** 2
    # Two numbers of steps leave an error of second order only.
    exact = [numbers(*words, f"grid.steps={steps}", "start=Marginal") for steps in (1000, 2000)]
    final = [eigenvalue + 0.01 for eigenvalue in (4, 1, 0.25)]
    for mode, variance in enumerate(final):
        errors = [found["modes"]["variance"][mode] - variance for found in exact]
        assert 4000 * errors[1] - 1000 * errors[0] == pytest.approx(theory["variance"][mode], rel=1e-3)
        means = [found["modes"]["mean"][mode] - 0.5 for found in exact]
        assert 4000 * means[1] - 1000 * means[0] == pytest.approx(theory["mean"][mode], rel=1e-3)
    distances = [found["wasserstein2"]["discretization"] for found in exact]
    assert 4000 * distances[1] - 1000 * distances[0] == pytest.approx(theory["n_wasserstein2"], rel=1e-3)
    assert exact[1]["expansion"]["in_regime"] is True
    assert numbers(*words, "grid.steps=3")["expansion"]["in_regime"] is False
    # In EDM time an angle is arctan(t / sqrt(eigenvalue)).
    times = [float(t) for t in read_session([*words, "grid.steps=20"]).experiment.times]
    angles = [[math.atan2(t, root) for t in times] for root in (2.0, 1.0, 0.5)]
    widest = max(a - b for row in angles for a, b in itertools.pairwise(row))
    assert numbers(*words, "grid.steps=20")["expansion"]["largest_angle"] == pytest.approx(widest, rel=1e-12)


@pytest.mark.parametrize("words", ["sampler=Heun", "sampler=DPMSolverPP2M", "grid=Tabulated", "grid.to_zero=true"])
def test_there_is_no_expansion_of_other_methods(words: str) -> None:
    assert numbers("spectrum.modes=3", words)["expansion"] is None
    assert "N W2" not in asked("run", "spectrum.modes=3", words).out


def test_the_text_has_the_limit_of_many_steps() -> None:
    words = ("spectrum=Custom", "spectrum.eigenvalues=4,0.01")
    for steps, trust in (("5", "  (steps too large for the theory)"), ("2000", "")):
        leading = numbers(*words, f"grid.steps={steps}")["expansion"]["n_wasserstein2"]
        last = asked("run", *words, f"grid.steps={steps}").out.splitlines()[-1]
        assert last == f"{'N W2 as N grows':18} {leading:.10g}{trust}"


@pytest.mark.parametrize("words", ["sampler.stochasticity=0.5", "sampler=Heun", "sampler=DPMSolverPP2M"])
def test_the_budget_adds_up(words: str) -> None:
    found = numbers("spectrum.modes=300", "spectrum.decay=1", "grid.steps=7", "grid.stop=0.05", words, "--budget")
    told = found["budget"]
    assert list(told) == ["ranks", "by_step", "start", "final", "variance"]
    assert told["ranks"] == list(range(1, 301))
    by_step = np.array(told["by_step"])
    assert by_step.shape == (300, 7)
    assert told["variance"] == pytest.approx(found["modes"]["variance"], rel=1e-12)
    final = [float(cf.marginal(cf.vp_linear()(0.05), cf.Mode(1 / rank, 0.0, True)).variance) for rank in (1, 17, 300)]
    assert [told["final"][rank - 1] for rank in (1, 17, 300)] == pytest.approx(final, rel=1e-12)
    error = np.array(told["variance"]) - np.array(told["final"])
    assert by_step.sum(1) + np.array(told["start"]) == pytest.approx(error, rel=1e-10, abs=1e-14)


def test_there_is_no_budget_unasked() -> None:
    assert "budget" not in numbers("spectrum.modes=3")


def test_the_budget_is_written_as_a_table(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "PLOTS", ())
    answer = asked("run", "spectrum.modes=70", "grid.steps=4", "--budget", "--json", "--out", "results")
    assert (answer.status, answer.err) == (0, "")
    told = json.loads(answer.out)["budget"]
    _, rows = table(here / "results" / "budget.csv")
    assert list(rows[0]) == ["step", "time", "mode", "eigenvalue", "variance_error"]
    assert [(int(row["step"]), int(row["mode"])) for row in rows] == list(itertools.product(range(5), range(1, 71)))
    found = np.array([float(row["variance_error"]) for row in rows]).reshape(5, 70)
    assert found[0].tolist() == told["start"]
    assert found[1:].T.tolist() == told["by_step"]
    assert [float(row["time"]) for row in rows[::70]] == pytest.approx([1, 0.75025, 0.5005, 0.25075, 0.001])
    assert [float(row["eigenvalue"]) for row in rows[:70]] == pytest.approx([k**-2 for k in range(1, 71)])


# ------------------------------------------------------------------------------------------------- optimizing

FEW = (
    "spectrum=Custom",
    "spectrum.eigenvalues=4,1,0.25",
    "process=EDM",
    "grid=Karras",
    "grid.steps=4",
    "grid.stop=0.1",
)


@cache
def optimized(*arguments: str) -> dict[str, Any]:
    """The JSON of a search that succeeds; not to be written to, it is kept."""
    answer = asked("optimize", *FEW, *arguments, "--json")
    assert (answer.status, answer.err) == (0, "")
    return json.loads(answer.out)


def test_the_json_of_an_optimum() -> None:
    found = optimized()
    keys = ["before", "after", "leading", "times", "sigmas", "stochasticity", "seconds", "scenarios", "experiment"]
    assert list(found) == keys
    assert found["before"] == numbers(*FEW)["wasserstein2"]["total"]
    improved = from_dict(found["experiment"])
    assert found["after"] == float(report(improved).wasserstein2.total) < 0.2 * found["before"]
    assert found["sigmas"] == found["times"] == improved.times.tolist()
    assert found["leading"] is None
    # One stochasticity, the same in each step.
    assert len(found["stochasticity"]) == 4
    assert set(found["stochasticity"]) == {improved.sampler.limit_stochasticity.at(improved.times)}
    assert [scenario["after"] for scenario in found["scenarios"]] == [found["after"]]


def test_more_freedom_is_no_worse() -> None:
    many = ("spectrum.eigenvalues=64,16,4,1,0.25,0.06", "grid.steps=2")
    after = [optimized(*many, *words.split())["after"] for words in ("--over grid", "--over both", "--per-step")]
    assert after[2] < after[1] < after[0]
    kept = optimized(*many, "--over", "stochasticity")
    assert kept["times"] == read_session([*FEW, *many]).experiment.times.tolist()
    assert kept["after"] < kept["before"]


def test_the_density_has_its_limit() -> None:
    words = ("sampler.stochasticity=0", "--method", "density")
    found = optimized(*words)
    limit = numbers(*FEW, "sampler.stochasticity=0", "grid=Optimal")["expansion"]["n_wasserstein2"]
    assert found["leading"] == pytest.approx(limit, rel=1e-8)
    assert found["leading"] < numbers(*FEW, "sampler.stochasticity=0")["expansion"]["n_wasserstein2"]
    assert found["stochasticity"] == [0.0] * 4


def test_against_the_law_at_the_last_time() -> None:
    found = optimized("--against", "stop", "start=Marginal")
    assert found["before"] == numbers(*FEW, "start=Marginal")["wasserstein2"]["discretization"]
    improved = from_dict(found["experiment"])
    assert found["after"] == float(report(improved).wasserstein2.discretization) < 0.05 * found["before"]


def test_a_sampler_without_stochasticity_has_its_grid_improved() -> None:
    found = optimized("sampler=Heun")
    assert found["experiment"]["sampler"] == {"kind": "Heun"}
    assert found["after"] < found["before"]


def test_the_robust_optimum_tells_its_scenarios() -> None:
    found = optimized("--robust", "0.2", "--aim", "worst")
    told = [(scenario["scale"], scenario["exponent"]) for scenario in found["scenarios"]]
    assert told == [(1, 1), (1.2, 1), (0.8, 1), (1, 1.1), (1, 0.9)]
    plain = from_dict(optimized()["experiment"])
    law = np.array([4, 1, 0.25])
    worst = [
        max(
            float(report(replace(each, spectrum=spectra.Custom(eigenvalues=tuple(values)))).wasserstein2.total)
            for values in (law, 1.2 * law, 0.8 * law, 4 * (law / 4) ** 1.1, 4 * (law / 4) ** 0.9)
        )
        for each in (from_dict(found["experiment"]), plain)
    ]
    assert worst[0] == pytest.approx(max(scenario["after"] for scenario in found["scenarios"]), rel=1e-6)
    assert worst[0] < worst[1]


def test_an_optimum_as_text_with_its_file(here: Path) -> None:
    answer = asked("optimize", *FEW, "--method", "density", "--export", "levels.txt")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("W2 to the data ")
    assert answer.out.endswith("\n\nwrote levels.txt\n")
    levels = np.loadtxt(here / "levels.txt").tolist()
    told = [float(line.split()[2]) for line in answer.out.splitlines()[-7:-2]]
    assert told == pytest.approx(levels, rel=1e-11)
    assert sorted(levels, reverse=True) == levels


UNKNOWN = "must be one of"
DENSITY = "method density finds a grid alone: use over=grid without robust, or method exact."
SEARCHES: dict[str, str] = {
    "--over grd": f"over {UNKNOWN} grid, stochasticity, both, got 'grd'.",
    "--objective w2": f"objective {UNKNOWN} wasserstein2, kl, l1, got 'w2'.",
    "--method fast": f"method {UNKNOWN} exact, density, got 'fast'.",
    "--aim best": f"aim {UNKNOWN} mean, worst, got 'best'.",
    "--against end": f"against {UNKNOWN} data, stop, got 'end'.",
    "--robust 1": "robust must lie in [0, 1), the relative uncertainty of the spectrum, got 1.0.",
    "--robust nan": "robust must lie in [0, 1), the relative uncertainty of the spectrum, got nan.",
    "--robust much": "argument --robust: invalid float value: 'much'; see `wasserscope optimize --help`.",
    "--method density --over both": DENSITY,
    "--method density --robust 0.1": DENSITY,
    "sampler=Heun --method density": "method density needs a sampler with a first-order expansion, got Heun; use "
    "exact.",
    "sampler=Heun --over both": "over=both needs a sampler with a stochasticity (EulerMaruyama, ExponentialIntegrator, "
    "DDIM), got Heun; use over=grid.",
    "sampler=DDIM --per-step": "per_step varies the stochasticity of EulerMaruyama, with over=stochasticity or both; "
    "got DDIM with over=both.",
    "--over grid --per-step": "per_step varies the stochasticity of EulerMaruyama, with over=stochasticity or both; "
    "got EulerMaruyama with over=grid.",
    "spectrum.eigenvalues=1,0 --objective kl": "The objective kl needs eigenvalues above 0, got 1 of 2 that are 0; "
    "choose the objective wasserstein2.",
    "--export levels.csv": "levels.csv: levels are written as .txt, .json or .py; end the name in one of them.",
    "--export ": ": levels are written as .txt, .json or .py; end the name in one of them.",
    "--method density --export folder/none/x.txt": "Cannot write folder/none/x.txt: the folder does not exist. "
    "Create the folder or choose another one.",
    "sampler=Heun --export x.py": "x.py: a .py file holds samplers that call the model once a step and remember "
    "nothing, got Heun; choose .txt or .json.",
    "grid=Tabulated grid.values=3,1,2": "Tabulated: times must decrease, but time 2 (2) does not lie below time 1 (1).",
    "grid=Tabulated grid.values=3,1,1": "Tabulated: times must decrease, but time 2 (1) does not lie below time 1 (1).",
    "grid=Tabulated grid.values=90,1": "Tabulated: time 0 is 90, but EDM runs over times from 0 to 80, noise levels "
    "sigma/alpha from 0 to 80; choose a time inside.",
    "missing.toml": "missing.toml: cannot be read: no such file or directory.",
    "--out x": "unrecognized arguments: --out x; see `wasserscope optimize --help`.",
}


@pytest.mark.parametrize("words", SEARCHES)
def test_a_search_that_cannot_be_is_answered_by_one_sentence(here: Path, words: str) -> None:
    before = contents(here)
    name = () if "--export" in words else ("--export", "levels.json")
    given = [word for word in FEW if word.partition("=")[0] + "=" not in words]
    kept = given if "grid=Tabulated" not in words else [word for word in given if not word.startswith("grid")]
    assert asked("optimize", *kept, *words.split(" "), *name) == refused(SEARCHES[words])
    assert contents(here) == before


def test_an_interrupted_search_writes_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(optimize_module, "optimize", interrupted)
    before = contents(here)
    answer = asked("optimize", *FEW, "--export", "levels.txt")
    assert answer == Answer(130, "", "wasserscope: stopped; nothing was written.\n")
    assert contents(here) == before


class Terminal(io.StringIO):
    """A standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_progress_is_told_to_a_terminal_alone() -> None:
    err = Terminal()
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(err):
        assert main(("optimize", *FEW, "grid.steps=2", "--over", "grid", "--json")) == 0
    lines = err.getvalue().split("\r")
    told = [line for line in lines if line.strip()]
    fractions = [float(line.partition("%")[0]) for line in told]
    assert fractions == sorted(fractions)
    assert "least so far" in told[-1]
    # The line is wiped in the end.
    assert lines[-2:] == [" " * 40, ""]
    assert json.loads(out.getvalue())["after"] > 0


# ------------------------------------------------------------------------------------------------ assignments


def test_kinds_are_read_before_their_parameters() -> None:
    words = ("sampler.eta=0.5", "sampler=DDIM", "process=EDM", "process.sigma_max=50", "grid.stop=0.1")
    expected = Experiment(
        process=processes.EDM(sigma_max=50.0),
        grid=grids.Uniform(start=50.0, stop=0.1),
        sampler=samplers.DDIM(eta=0.5),
    )
    for order in itertools.permutations(words):
        assert read_session(order).experiment == expected


# What one usually samples between.
SPANS: dict[type[processes.Process], tuple[float, float]] = {
    processes.VPLinear: (1.0, 1e-3),
    processes.VPCosine: (0.9946, 1e-3),
    processes.VEGeometric: (1.0, 0.0),
    processes.EDM: (80.0, 2e-3),
    processes.Brownian: (6400.0, 4e-6),
    processes.FlowMatching: (1.0, 0.0),
}


@pytest.mark.parametrize("kind", processes.PROCESSES)
def test_a_process_alone_adapts_the_grid(kind: type[processes.Process]) -> None:
    words = [f"process={kind.__name__}"]
    # The default sampler has no place where the diffusion is infinite.
    words += ["sampler.stochasticity=0"] if kind is processes.FlowMatching else []
    start, stop = SPANS[kind]
    assert read_session(words).experiment.grid == grids.Uniform(start=start, stop=stop)
    assert read_session([*words, "grid.start=0.5"]).experiment.grid == grids.Uniform(start=0.5, stop=stop)
    assert numbers(*words)["experiment"]["grid"]["start"] == start


def test_assignments_act_on_the_session(tmp_path: Path) -> None:
    session = Session(
        experiment=Experiment(process=processes.EDM(), grid=grids.Karras(start=20.0, stop=0.01)),
        samplers=(samplers.DDIM(), samplers.Heun()),
        swept="grid.rho",
    )
    save(session, tmp_path / "a.toml")
    found = read_session(["grid.steps=7", str(tmp_path / "a.toml"), "process=EDM", "start=Marginal"])
    grid = grids.Karras(steps=7, start=20.0, stop=0.01)
    assert found == replace(session, experiment=replace(session.experiment, grid=grid, start=starts.Marginal()))


def test_numbers_are_read_as_people_type_them() -> None:
    words = ("grid.stop=1/50", "grid.start=2^-1", "sampler.stochasticity=pi/4", "spectrum=Custom")
    found = read_session([*words, "spectrum.eigenvalues=[4; 1, 5e-3 2^-6]"]).experiment
    assert found == Experiment(
        spectrum=spectra.Custom(eigenvalues=(4.0, 1.0, 0.005, 1 / 64)),
        grid=grids.Uniform(stop=0.02, start=0.5),
        sampler=samplers.EulerMaruyama(stochasticity=math.pi / 4),
    )


# ---------------------------------------------------------------------------------------------- what is written

WRITTEN = Session(
    experiment=Experiment(
        spectrum=spectra.PowerLaw(modes=100, decay=1.5, mean=0.3),
        grid=grids.Uniform(steps=6, start=1.0, stop=0.05),
        sampler=samplers.DDIM(eta=0.5),
    ),
    samplers=(samplers.Heun(),),
    pins=(Experiment(spectrum=spectra.Isotropic(modes=3), sampler=samplers.DDIM()),),
    swept="sampler.eta",
)
TIMES = [1 + (0.05 - 1) * k / 6 for k in range(6)] + [0.05]


@dataclass(frozen=True)
class Results:
    """The folder that a run has written, and what it printed."""

    folder: Path
    answer: Answer


@cache
def closed(steps: int, rank: int) -> tuple[cf.Law, cf.Law]:
    """The law after some steps, and the exact one."""
    mode = cf.Mode(rank**-1.5, 0.3, noise_start=True)
    process = cf.vp_linear()
    return cf.one_step(cf.ddim(0.5), process, TIMES[: steps + 1], mode), cf.marginal(process(TIMES[steps]), mode)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    place = tmp_path_factory.mktemp("written")
    save(WRITTEN, place / "asked.toml")
    folder = place / "some folder" / "results"
    return Results(folder, asked("run", str(place / "asked.toml"), "--json", "--out", str(folder)))


def table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Comment lines and rows of a CSV file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    return comments, list(csv.DictReader(lines[len(comments) :]))


def test_all_files_are_written(results: Results) -> None:
    assert (results.answer.status, results.answer.err) == (0, "")
    pictures = [f"{plot.name}.{suffix}" for plot in PLOTS for suffix in ("svg", "png")]
    assert len(set(pictures)) == 2 * len(PLOTS)
    expected = {"report.json", "modes.csv", "path.csv", "session.toml", *pictures}
    assert {path.name for path in results.folder.iterdir()} == expected


def test_the_report_is_what_was_printed(results: Results) -> None:
    assert (results.folder / "report.json").read_text(encoding="utf-8") + "\n" == results.answer.out
    assert json.loads(results.answer.out)["wasserstein2"]["total"] == float(
        report(WRITTEN.experiment).wasserstein2.total
    )


def test_the_session_is_written_whole(results: Results) -> None:
    assert load(results.folder / "session.toml") == WRITTEN


def test_the_table_of_modes_holds_the_report(results: Results) -> None:
    comments, rows = table(results.folder / "modes.csv")
    modes = json.loads(results.answer.out)["modes"]
    assert list(rows[0]) == ["mode", *modes]
    assert [int(row["mode"]) for row in rows] == list(range(1, 101))
    for name in set(modes) - {"is_stable"}:
        assert [float(row[name]) for row in rows] == modes[name], name
    assert [row["is_stable"] for row in rows] == [str(value) for value in modes["is_stable"]]
    assert comments[0] == f"# Wasserscope: {WRITTEN.experiment!r}"
    assert comments[1].startswith("# Command: wasserscope run spectrum=PowerLaw ")
    assert comments[2:] == [f"# Version: {VERSION}"]


def test_the_table_of_the_path_has_every_step_of_at_most_64_modes(results: Results) -> None:
    _, rows = table(results.folder / "path.csv")
    ranks = sorted({int(row["mode"]) for row in rows})
    assert ranks[0] == 1
    assert ranks[-1] == 100
    assert 40 <= len(ranks) <= 64
    assert [(int(row["step"]), int(row["mode"])) for row in rows] == list(itertools.product(range(7), ranks))
    assert [float(row["time"]) for row in rows] == pytest.approx([t for t in TIMES for _ in ranks], rel=1e-14)
    assert [float(row["eigenvalue"]) for row in rows] == pytest.approx([rank**-1.5 for rank in ranks] * 7, rel=1e-14)
    for row in rows:
        if int(row["mode"]) in (1, ranks[20], 100):
            law, exact = closed(int(row["step"]), int(row["mode"]))
            expected = [float(value) for value in (law.mean, law.variance, exact.mean, exact.variance)]
            found = [float(row[name]) for name in ("mean", "variance", "exact_mean", "exact_variance")]
            assert found == pytest.approx(expected, rel=1e-11, abs=1e-16)


def test_the_last_rows_of_the_path_are_the_result(results: Results) -> None:
    _, rows = table(results.folder / "path.csv")
    modes = json.loads(results.answer.out)["modes"]
    for row in (row for row in rows if row["step"] == "6"):
        rank = int(row["mode"]) - 1
        assert float(row["variance"]) == pytest.approx(modes["variance"][rank], rel=1e-13)
        assert float(row["mean"]) == pytest.approx(modes["mean"][rank], rel=1e-13)


def test_few_modes_are_all_in_the_path() -> None:
    experiment = Experiment(spectrum=spectra.PowerLaw(modes=64), grid=grids.Uniform(steps=300))
    rows = reporting.path_csv(experiment).splitlines()[4:]
    assert len(rows) == 301 * 64
    assert [row.split(",")[2] for row in rows[:64]] == [str(k) for k in range(1, 65)]
    assert [row.split(",")[0] for row in rows[::64]] == [str(k) for k in range(301)]


def test_a_path_of_two_lines_leaves_the_tables_whole(tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    np.save(folder / "x.npy", np.array([3.0, 1.0]))
    experiment = Experiment(spectrum=spectra.EigenvalueFile(path=str(folder / "x.npy")))
    for text, header in ((reporting.modes_csv(experiment), "mode,"), (reporting.path_csv(experiment), "step,")):
        told = list(itertools.takewhile(lambda line: line.startswith("# "), text.splitlines()))
        assert text.splitlines()[len(told)].startswith(header)


def evaluated(text: str) -> Experiment:
    """The experiment that a text in a file's metadata stands for."""
    packages = {"spectra": spectra, "processes": processes, "scores": scores, "grids": grids}
    packages["observations"] = observations
    return eval(text, {"Experiment": Experiment, "samplers": samplers, "starts": starts, **packages})


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_figures_hold_the_experiment(results: Results, plot: Plot) -> None:
    with Image.open(results.folder / f"{plot.name}.png") as image:
        image.load()
        texts: dict[str, str] = getattr(image, "text")  # noqa: B009  (of a PNG image only)
        colors = image.convert("RGB").getcolors(maxcolors=2**20)
    assert evaluated(texts["Wasserscope"]) == WRITTEN.experiment
    assert texts["Version"] == VERSION
    # A drawing: mostly paper, and more than one ink.
    assert colors is not None
    assert len(colors) > 10
    assert max(colors)[1] == (255, 255, 255)
    root = ElementTree.parse(results.folder / f"{plot.name}.svg").getroot()
    said = "".join(root.itertext())
    assert f"Wasserscope: {WRITTEN.experiment!r}" in said
    assert f"Command: {texts['Command']}" in said
    assert plot.draw(WRITTEN).title in said


@pytest.mark.usefixtures("here")
def test_what_was_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "PLOTS", ())
    answer = asked("run", "--out", "told")
    names = "report.json, modes.csv, path.csv, session.toml"
    assert answer.out.splitlines()[-2:] == ["", f"wrote 4 files into told: {names}"]


# -------------------------------------------------------------------------------------------------- the catalog


def test_the_list_has_every_kind_and_parameter() -> None:
    answer = asked("list", "--json")
    assert (answer.status, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert list(found) == list(FAMILIES)
    for family, kinds in FAMILIES.items():
        assert [entry["kind"] for entry in found[family]] == [kind.__name__ for kind in kinds]
        for entry, kind in zip(found[family], kinds, strict=True):
            assert entry["formula"] == kind.formula != ""
            assert entry["source"] == kind.source != ""
            assert entry["help"]
            told = {parameter["name"]: parameter for parameter in entry["parameters"]}
            assert list(told) == [field.name for field in fields(kind)]
            plain, declared = kind(), declarations(kind)
            for name, parameter in told.items():
                default = getattr(plain, name)
                assert parameter["default"] == (list(default) if isinstance(default, tuple) else default)
                assert parameter["symbol"] == declared[name].symbol
                assert parameter["help"] == declared[name].help != ""
                assert parameter["domain"]
                if isinstance(declared[name], Number):
                    low, high = parameter["slider"]
                    assert low < high
                    assert parameter["type"] == type(default).__name__


def entry(family: str, kind: str) -> dict[str, Any]:
    return next(found for found in catalog()[family] if found["kind"] == kind)


def test_an_entry_of_the_list_in_full() -> None:
    assert entry("sampler", "EulerMaruyama") == {
        "kind": "EulerMaruyama",
        "help": "Explicit Euler on the reverse equation with adjustable stochasticity.",
        "formula": "x′ = x − h [f x − ½(1 + ε) g² s(x)] + √(ε h) g ξ",
        "source": "Song et al. 2021, Score-based generative modeling through SDEs, eq. 6 and 13",
        "parameters": [
            {
                "name": "stochasticity",
                "symbol": "ε",
                "help": "0 is the flow, 1 the reverse equation",
                "domain": "[0, inf)",
                "slider": [0.0, 2.0],
                "log": False,
                "unit": "",
                "type": "float",
                "default": 1.0,
            }
        ],
    }


@pytest.mark.parametrize(
    ("family", "kind", "name", "domain", "what"),
    [
        ("spectrum", "PowerLaw", "modes", "whole numbers in [1, 1e+07]", "int"),
        ("spectrum", "Custom", "eigenvalues", "lists of numbers in [0, inf)", "numbers"),
        ("spectrum", "ImageFolder", "path", "path of a folder", "path"),
        ("spectrum", "Texture", "path", "path of *.png, *.jpg, *.jpeg", "path"),
        ("spectrum", "SampleFile", "path", "path of *.npy, *.npz, *.csv, *.txt", "path"),
        ("grid", "Uniform", "to_zero", "true, false", "flag"),
        ("grid", "AlignYourSteps", "model", "SD1.5, SDXL, DeepFloyd, SVD", "option"),
        ("process", "EDM", "sigma_max", "(0, inf)", "float"),
    ],
)
def test_domains_in_words(family: str, kind: str, name: str, domain: str, what: str) -> None:
    parameter = next(found for found in entry(family, kind)["parameters"] if found["name"] == name)
    assert (parameter["domain"], parameter["type"]) == (domain, what)


def test_the_list_as_text_names_what_can_be_assigned() -> None:
    answer = asked("list")
    assert (answer.status, answer.err) == (0, "")
    words = answer.out.split()
    for family, kinds in FAMILIES.items():
        assert family.upper() in words
        for kind in kinds:
            assert f"{family}={kind.__name__}" in words
            assert kind.formula in answer.out
            assert kind.source in answer.out
            for name in declarations(kind):
                assert f"{family}.{name}" in words


def test_the_list_can_be_printed_where_letters_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOUND, "PYTHONIOENCODING", "ascii")
    answer = program("list")
    assert (answer.status, answer.err) == (0, "")
    assert "sampler=EulerMaruyama" in answer.out


# ------------------------------------------------------------------------------------------- version and doctor


def test_the_version() -> None:
    assert program("--version") == Answer(0, f"wasserscope {VERSION}\n", "")


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing", lambda: ())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":7")


@pytest.mark.usefixtures("healthy")
def test_the_doctor_of_a_healthy_machine() -> None:
    answer = asked("doctor")
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == f"wasserscope      {VERSION}"
    assert lines[1].startswith(f"Python           {platform.python_version()} on ")
    assert f"numpy            {np.__version__}" in lines
    assert lines[-2:] == [f"threads          {os.cpu_count()} cores; exact laws use one", "display          :7"]


@pytest.mark.usefixtures("healthy")
def test_the_doctor_without_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    answer = asked("doctor")
    assert answer.status == 0
    assert answer.out.splitlines()[-2:] == [
        "display          none",
        "No display: the window cannot open here; `wasserscope run` works without one.",
    ]


@pytest.mark.usefixtures("healthy")
def test_the_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "missing", lambda: (Library("libGL.so.1", "", "", ""), Library("libEGL.so.1", "", "", ""))
    )
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package", "nor-this-one"))
    answer = asked("doctor")
    assert (answer.status, answer.err) == (1, "")
    lines = answer.out.splitlines()
    assert "no-such-package  missing" in lines
    assert lines[-2:] == [
        "Install the missing packages with: pip install no-such-package nor-this-one",
        "Missing system libraries: libGL.so.1, libEGL.so.1; `make run` installs or names their packages.",
    ]


def test_the_doctor_knows_every_dependency() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    named = {line.partition(">")[0].lower() for line in project["project"]["dependencies"]}
    assert named <= {name.lower() for name in doctor.PACKAGES}


# ------------------------------------------------------------------------------------- left out of memory

HELPS = """
import contextlib, io, sys
from explorer.cli import main
names = ("run", "optimize", "replicate", "sample", "transport", "list", "doctor")
commands = [[name, "--help"] for name in names]
for words in (["--help"], *commands, ["--version"]):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            main(words)
        except SystemExit as end:
            assert end.code == 0
    assert "wasserscope" in said.getvalue()
print(sorted({"torch", "numpy", "matplotlib", "PyQt6", "pyqtgraph", "kernels"} & set(sys.modules)))
"""

RUNS = """
import sys
from explorer import cli, reporting
reporting.PLOTS = reporting.PLOTS[:1]
status = cli.main(["run", "grid.steps=5", "--json", "--out", sys.argv[1]])
found = {name.partition(".")[0] for name in sys.modules}
print(status, sorted({"torch", "matplotlib", "PyQt6", "pyqtgraph"} & found), file=sys.stderr)
"""


def test_help_imports_no_numerics() -> None:
    assert program(code=HELPS) == Answer(0, "[]\n", "")


def test_a_run_imports_no_qt(tmp_path: Path) -> None:
    answer = program(str(tmp_path / "results"), code=RUNS)
    assert answer.err == "0 ['matplotlib', 'torch']\n"
    assert (tmp_path / "results" / "convergence.svg").is_file()
