"""Exported levels: what other programs read is what was found, to the last bit."""

import io
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer import VERSION, exchange
from explorer.cli import main
from explorer.copying import as_command
from explorer.files import WriteError
from kernels import grids, processes, samplers, spectra, starts
from kernels.experiment import Experiment, from_dict
from kernels.optimize import Optimum, Request, Scenario, optimize
from kernels.report import report

SPECTRUM = spectra.Custom(eigenvalues=(4.0, 1.0, 0.25, 0.05, 0.01, 0.001))
ON_EDM = Experiment(
    spectrum=SPECTRUM,
    process=processes.EDM(),
    grid=grids.Karras(steps=4, start=80.0, stop=0.002),
    sampler=samplers.EulerMaruyama(stochasticity=0.2),
)
BY_STEP = samplers.TabulatedEulerMaruyama(levels=(80.0, 10.0, 1.0), values=(0.3, 0.0, 0.7))


@cache
def by_density() -> Optimum:
    """What a short search finds."""
    return optimize(ON_EDM, Request(over="grid", method="density"))


def unsearched(experiment: Experiment, request: Request | None = None) -> Optimum:
    """An experiment as if a search had led to it."""
    total = float(report(experiment).wasserstein2.total)
    found = replace(by_density(), request=request or Request(), experiment=experiment, improved=experiment)
    return replace(found, before=total, after=total, leading=None)


def loaded(text: str) -> dict[str, Any]:
    """The names that an exported module defines."""
    names: dict[str, Any] = {}
    exec(compile(text, "exported", "exec"), names)
    return names


def comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


# ------------------------------------------------------------------------------------------- what is written


def test_the_plain_list_is_read_by_numpy_to_the_last_bit() -> None:
    found = unsearched(ON_EDM)
    text = exchange.as_plain(found)
    assert np.loadtxt(io.StringIO(text)).tolist() == found.noise_ratios.tolist()
    header = comments(text)
    assert header[0] == "# Noise levels sigma/alpha, largest first."
    assert header[1] == f"# Wasserscope: {ON_EDM!r}"
    assert f"# Version: {VERSION}" in header
    assert f"# W2: {found.before!r} before, {found.after!r} after" in header
    assert text.splitlines()[: len(header)] == header


def test_noise_levels_are_those_of_the_rescaled_state() -> None:
    experiment = Experiment(spectrum=SPECTRUM, grid=grids.Uniform(steps=3, start=0.8, stop=0.1))
    t = np.array([0.8, 0.8 - 0.7 / 3, 0.8 - 1.4 / 3, 0.1])
    expected = np.sqrt(np.expm1(0.1 * t + 0.5 * 19.9 * t**2))
    assert np.loadtxt(io.StringIO(exchange.as_plain(unsearched(experiment)))) == pytest.approx(expected, rel=1e-13)


def test_the_json_holds_everything() -> None:
    found = unsearched(replace(ON_EDM, sampler=BY_STEP))
    told = json.loads(exchange.as_json(found))
    assert list(told) == ["about", *exchange.as_dict(found)]
    assert told["sigmas"] == told["times"] == found.times.tolist()
    assert told["stochasticity"] == found.stochasticity
    assert from_dict(told["experiment"]) == found.improved
    assert told["after"] == pytest.approx(float(report(found.improved).wasserstein2.total), rel=1e-12)
    assert told["about"]["Objective"] == "wasserstein2 to the data, by exact, over both"


def test_the_python_text_holds_the_values_to_the_last_bit() -> None:
    found = unsearched(replace(ON_EDM, sampler=BY_STEP))
    names = loaded(exchange.as_python(found))
    assert names["SIGMAS"] == found.noise_ratios.tolist()
    assert names["STOCHASTICITY"] == found.stochasticity
    assert len(names["STOCHASTICITY"]) == len(names["SIGMAS"]) - 1
    # Between levels that are listed the values are interpolated.
    assert names["STOCHASTICITY"][0] == 0.3
    assert 0 < names["STOCHASTICITY"][1] < 0.3


def test_the_command_of_the_header_finds_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = optimize(ON_EDM, Request(over="grid", method="density", objective="kl", against_data=False))
    _, *words = shlex.split(exchange.as_command(found))
    assert main([*words, "--json", "--export", str(tmp_path / "a.json")]) == 0
    told = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert told["sigmas"] == written["sigmas"] == found.noise_ratios.tolist()
    assert written["about"]["Command"] == exchange.as_command(found)
    assert written["about"]["Objective"] == "kl to the law at the last time, by density, over grid"


def test_the_command_of_the_header_has_every_choice() -> None:
    request = Request(per_step=True, robust=0.1, aim="worst")
    assert exchange.as_command(unsearched(ON_EDM, request)) == (
        as_command(ON_EDM).replace(" run ", " optimize ")
        + " --over both --objective wasserstein2 --method exact --per-step --robust 0.1 --aim worst"
    )


@pytest.mark.parametrize("write", [exchange.as_plain, exchange.as_python])
def test_an_awkward_path_stays_a_comment(tmp_path: Path, write: Callable[[Optimum], str]) -> None:
    path = tmp_path / 'a\n"""b\\\r#é.npy'
    np.save(path.with_suffix(".tmp.npy"), np.array([1.0, 0.1]))
    path.with_suffix(".tmp.npy").rename(path)
    experiment = replace(ON_EDM, spectrum=spectra.EigenvalueFile(path=str(path)))
    text = write(unsearched(experiment))
    levels = experiment.times.tolist()
    if write is exchange.as_plain:
        assert np.loadtxt(io.StringIO(text)).tolist() == levels
    else:
        assert loaded(text)["SIGMAS"] == levels


def test_distances_are_those_that_were_made_least() -> None:
    error = report(ON_EDM).wasserstein2
    to_data, to_law = unsearched(ON_EDM), unsearched(ON_EDM, Request(against_data=False))
    assert exchange.distances(to_data) == (float(error.total),) * 2
    assert exchange.distances(to_law) == (float(error.discretization),) * 2


SCENARIOS = tuple(
    Scenario(scale=scale, exponent=exponent, before=3 * scale, after=exponent / 7)
    for scale, exponent in ((1.0, 1.0), (1.2, 1.0), (0.8, 1.0), (1.0, 1.1), (1.0, 0.9))
)


def test_the_text_has_every_level_and_scenario() -> None:
    found = replace(unsearched(ON_EDM), scenarios=SCENARIOS)
    lines = exchange.as_text(found).splitlines()
    assert lines[0] == f"{'W2 to the data':22} {found.before:.10g} before, {found.after:.10g} after"
    rows = [line.split() for line in lines[-len(found.times) :]]
    assert [int(row[0]) for row in rows] == [0, 1, 2, 3, 4]
    assert [float(row[2]) for row in rows] == pytest.approx(found.noise_ratios.tolist(), rel=1e-11)
    assert [float(row[3]) for row in rows[:-1]] == pytest.approx(found.stochasticity, rel=1e-11)
    assert len(rows[-1]) == 3
    told = lines[lines.index("") + 2 :][:5]
    assert [line[:46].strip() for line in told] == ["1", "1.2", "0.8", "1, raised to 1.1", "1, raised to 0.9"]
    after = [scenario.after for scenario in found.scenarios]
    assert [float(line.split()[-1]) for line in told] == pytest.approx(after, rel=1e-7)


def test_the_text_has_the_limit_of_many_steps() -> None:
    found = by_density()
    assert f"{'N W2 as N grows':22} {found.leading:.10g}" in exchange.as_text(found).splitlines()


# ------------------------------------------------------------------------------------------------- the loops


def nothing(x: Tensor, sigma: float) -> Tensor:
    """The denoiser of data that are 0 for sure."""
    return 0 * x


def pushed(experiment: Experiment) -> tuple[Tensor, Tensor]:
    """Mean and variance that the exported loop ends with, from its response to unit vectors, with exact denoisers."""
    names = loaded(exchange.as_python(unsearched(experiment)))
    law, process = experiment.spectrum.law(), experiment.process
    steps, modes = len(names["SIGMAS"]) - 1, len(law.variance)
    drawn = 0

    def randn(shape: tuple[int, ...], **options: Any) -> Tensor:
        nonlocal drawn
        drawn += 1
        return torch.eye(steps + 2, dtype=options["dtype"])[1 + drawn].unsqueeze(1).expand(shape)

    # Rows: the mean, then the deviation of the start, then those of the noises; the mean alone moves with the data's.
    names["torch"] = SimpleNamespace(randn=randn)
    means = torch.zeros(steps + 2, modes, dtype=torch.float64)
    means[0] = law.mean

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return means + law.variance / (law.variance + sigma**2) * (x - means)

    x = torch.zeros(steps + 2, modes, dtype=torch.float64)
    x[1] = names["SIGMAS"][0]
    alpha = process.alpha(experiment.times[-1])
    end = alpha * names["sample"](denoise, x)
    return end[0], end[1:].square().sum(0)


LOOPS = {
    "in sigma": replace(ON_EDM, sampler=BY_STEP),
    "in sigma, to zero": replace(ON_EDM, grid=grids.Karras(steps=5, start=80.0, stop=0.1, to_zero=True)),
    "the flow in sigma": replace(ON_EDM, sampler=samplers.EulerMaruyama(stochasticity=0.0)),
    "VP": Experiment(grid=grids.Uniform(steps=9)),
    "VP by step": Experiment(grid=grids.Uniform(steps=9), sampler=BY_STEP),
    "VP to zero": Experiment(grid=grids.Uniform(steps=9, stop=0.0)),
    "Brownian": Experiment(process=processes.Brownian(), grid=grids.LogUniform(steps=9, start=100.0, stop=0.01)),
    "exploding": Experiment(process=processes.VEGeometric(), grid=grids.Uniform(steps=9, start=1.0, stop=0.1)),
    "DDIM": replace(ON_EDM, sampler=samplers.DDIM(eta=0.5)),
    "DDPM": Experiment(grid=grids.Uniform(steps=9), sampler=samplers.DDPM(variance_share=0.5)),
    "integrator": Experiment(grid=grids.Uniform(steps=9), sampler=samplers.ExponentialIntegrator(stochasticity=0.5)),
    "ancestral": Experiment(grid=grids.Uniform(steps=40), sampler=samplers.AncestralVP()),
    "flow": Experiment(
        process=processes.FlowMatching(),
        grid=grids.Uniform(steps=9, start=0.95, stop=0.0),
        sampler=samplers.FlowEuler(),
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_loop_takes_the_steps_of_the_sampler(name: str) -> None:
    experiment = replace(LOOPS[name], spectrum=replace(SPECTRUM, mean=0.3), start=starts.Noise())
    mean, variance = pushed(experiment)
    expected = report(experiment).modes
    torch.testing.assert_close(variance, expected.variance, rtol=1e-11, atol=1e-15)
    torch.testing.assert_close(mean, expected.mean, rtol=1e-11, atol=1e-13)


def test_the_levels_of_a_loop_in_sigma_can_be_replaced() -> None:
    names = loaded(exchange.as_python(unsearched(ON_EDM)))
    x = torch.ones(3, dtype=torch.float64)
    # Euler goes to a point in one step.
    end = names["sample"](nothing, x, sigmas=[2.0, 0.0], stochasticity=[0.0])
    assert end.tolist() == [0.0, 0.0, 0.0]


def test_noise_comes_from_the_generator() -> None:
    sample = loaded(exchange.as_python(unsearched(ON_EDM)))["sample"]
    runs = [
        sample(nothing, torch.ones(4), generator=torch.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def used(experiment: Experiment) -> str:
    text = exchange.as_python(unsearched(experiment))
    return next(line for line in comments(text) if line.startswith("# Use: "))


def test_the_header_says_which_way_is_the_optimized_one() -> None:
    euler = "# Use: sample, or euler_scheduler, which takes the same steps."
    ancestral = "# Use: sample, or ancestral_scheduler, which takes the same steps."
    alone = "# Use: sample; the schedulers visit the same levels with steps other than those of"
    assert used(LOOPS["the flow in sigma"]) == euler
    assert used(LOOPS["flow"]) == euler
    assert used(replace(ON_EDM, sampler=samplers.DDIM(eta=0.0))) == euler
    assert used(replace(ON_EDM, sampler=samplers.DDIM(eta=1.0))) == ancestral
    assert used(replace(ON_EDM, sampler=samplers.DDPM(variance_share=0.0))) == ancestral
    assert used(ON_EDM) == f"{alone} EulerMaruyama."
    assert used(LOOPS["DDIM"]) == f"{alone} DDIM."
    # In the time of another process Euler's steps are others.
    flow = samplers.EulerMaruyama(stochasticity=0.0)
    assert used(replace(LOOPS["VP"], sampler=flow)) == f"{alone} EulerMaruyama."


# --------------------------------------------------------------------------------------------------- refusals


def refusal(path: str, experiment: Experiment) -> str:
    with pytest.raises(ValueError, match=r"\S") as refused:
        exchange.written(unsearched(experiment), path)
    with pytest.raises(ValueError, match=r"\S") as early:
        exchange.check(path, experiment)
    assert str(early.value) == str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ["levels", "levels.yaml", ".py", ""])
def test_an_unknown_ending_is_refused(name: str) -> None:
    assert refusal(name, ON_EDM) == f"{name}: levels are written as .txt, .json or .py; end the name in one of them."


@pytest.mark.parametrize("sampler", [samplers.Heun(), samplers.EDMHeun(), samplers.DPMSolverPP2M()])
def test_python_of_another_kind_of_method_is_refused(sampler: samplers.Sampler) -> None:
    assert refusal("x.py", replace(ON_EDM, sampler=sampler)) == (
        "x.py: a .py file holds samplers that call the model once a step and remember nothing, got "
        f"{type(sampler).__name__}; choose .txt or .json."
    )


@pytest.mark.parametrize("suffix", [".txt", ".py"])
def test_a_level_without_end_is_refused(suffix: str, tmp_path: Path) -> None:
    flow = Experiment(process=processes.FlowMatching(), grid=grids.Uniform(steps=3), sampler=samplers.DDIM())
    path = tmp_path / f"x{suffix}"
    assert refusal(str(path), flow) == (
        f"{path}: sigma/alpha is infinite at the first time, 1, which a {suffix} file cannot use; set grid.start below "
        "it, or choose .json."
    )
    assert not path.exists()
    # JSON of Python reads and writes it.
    told = json.loads(exchange.written(unsearched(flow), tmp_path / "x.json").read_text(encoding="utf-8"))
    assert told["sigmas"][0] == np.inf


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="the folder does not exist"):
        exchange.written(unsearched(ON_EDM), tmp_path / "none" / "x.txt")


@pytest.mark.parametrize("name", ["x.txt", "X.JSON", "x.py"])
def test_endings_choose_the_form(tmp_path: Path, name: str) -> None:
    found = unsearched(ON_EDM)
    form = {"x.txt": exchange.as_plain, "X.JSON": exchange.as_json, "x.py": exchange.as_python}[name]
    assert exchange.written(found, tmp_path / name).read_text(encoding="utf-8") == form(found)
