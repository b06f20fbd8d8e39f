"""The command that learns and samples many times over: what it prints, and its sentences in full."""

import json
import math

import pytest

from kernels import pipeline
from kernels.experiment import Experiment
from kernels.grids import Uniform
from kernels.pipeline import replicate
from kernels.samplers import Langevin
from kernels.scores import Empirical
from kernels.spectra import PowerLaw
from tests.asking import Asking

ASKING = Asking("replicate")
asked, watched, numbers = ASKING.asked, ASKING.watched, ASKING.numbers
SMALL = ("spectrum.modes=3", "score=Empirical", "score.samples=50", "sampler=Langevin", "grid.steps=40")
EXPERIMENT = Experiment(
    spectrum=PowerLaw(modes=3), score=Empirical(samples=50), sampler=Langevin(), grid=Uniform(steps=40)
)


def test_it_prints_the_mean_its_error_and_what_was_predicted() -> None:
    found, direct = numbers(*SMALL, "--replicas", "300", "--seed", "5"), replicate(EXPERIMENT, 300, seed=5)
    assert list(found) == ["mean", "standard_error", "predicted", "replicas", "seconds"]
    assert (found["mean"], found["standard_error"]) == (direct.mean, direct.standard_error)
    assert found["replicas"] == 300
    assert found["seconds"] > 0
    # To the first order, of which the second is a few percent.
    assert found["predicted"] == pytest.approx(found["mean"], rel=0.1)


def test_a_person_reads_two_lines() -> None:
    status, out, err = asked(*SMALL, "--replicas", "20")
    first, second = out.splitlines()
    direct = replicate(EXPERIMENT, 20)
    assert (status, err) == (0, "")
    assert first.startswith(f"mean of W₂²   {direct.mean:.6g} ± {direct.standard_error:.2g}  (20 replicas, ")
    assert math.isfinite(float(second.removeprefix("predicted")))


def test_without_a_theory_there_is_no_prediction() -> None:
    words = ("spectrum.modes=2", "score=StochasticGradient", "score.iterations=5", "sampler=DPMSolverPP2M")
    words = (*words, "grid.steps=4", "grid.start=0.5", "--replicas", "3")
    assert numbers(*words)["predicted"] is None
    status, out, _ = asked(*words)
    assert status == 0
    assert out.splitlines()[1].startswith("predicted     With StochasticGradient ")


def test_a_terminal_hears_of_progress() -> None:
    status, out, err = watched(*SMALL, "--replicas", "20", "--json")
    assert status == 0
    lines = err.split("\r")
    assert lines[-3].startswith("100%, mean so far ")
    assert (lines[-2].strip(), lines[-1]) == ("", "")
    assert json.loads(out)["replicas"] == 20


def test_an_interrupt_ends_it_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "wait", interrupted)
    assert asked(*SMALL, "--replicas", "20") == (130, "", "wasserscope: stopped.\n")


REFUSED = {
    "": "the following arguments are required: --replicas; see `wasserscope replicate --help`.",
    "--replicas many": "argument --replicas: invalid int value: 'many'; see `wasserscope replicate --help`.",
    "--replicas 1": "replicas must be a whole number from 2 to 10000000, got 1.",
    "--replicas 9 --seed -1": "seed must be a whole number from 0 to 18446744073709551615, got -1.",
    "--replicas 9 --device gpu": "device must be cpu or cuda, got 'gpu'.",
    "--replicas 9 --device cuda:99": "device cuda:99 needs an NVIDIA graphics card and a PyTorch made for it, and "
    "there is none; use cpu.",
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_in_a_sentence(words: str) -> None:
    assert asked(*SMALL, *words.split()) == (2, "", f"wasserscope: {REFUSED[words]}\n")


def test_a_score_that_is_not_learned_is_refused_in_a_sentence() -> None:
    sentence = "replicas need a score learned from samples, got Exact; choose score=Empirical, GradientDescent or "
    assert asked("--replicas", "20") == (2, "", f"wasserscope: {sentence}StochasticGradient.\n")
