"""The experiment as a value: printed, stored, overridden and changed, and what it refuses."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from kernels import grids, observations, processes, samplers, scores, spectra, starts
from kernels.experiment import Experiment, applicable, fitted, from_dict, override, steps_of, to_dict, with_kind
from kernels.grids import (
    TIME_GRIDS,
    Adapted,
    AlignYourSteps,
    Karras,
    LogUniform,
    Spaced,
    Tabulated,
    TimeGrid,
    Uniform,
)
from kernels.param import Choice, Component, Declaration, choice, leaves
from kernels.processes import EDM, PROCESSES, Brownian, FlowMatching, Process, VEGeometric, VPCosine, VPLinear
from kernels.report import report
from kernels.samplers import (
    DDIM,
    SAMPLERS,
    AncestralVP,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    RungeKutta4,
    Sampler,
    SingleLevel,
)
from kernels.scores import SCORE_MODELS, Exact
from kernels.spectra import SPECTRA, Custom, Isotropic
from kernels.starts import STARTS, Marginal, Noise
from tests.strategies import components, experiments

FAMILIES: dict[str, tuple[type[Component], ...]] = {
    "spectrum": SPECTRA,
    "process": PROCESSES,
    "score": SCORE_MODELS,
    "grid": TIME_GRIDS,
    "sampler": SAMPLERS,
    "start": STARTS,
}
# What has to be imported to read a printed experiment.
NAMES = {
    "Experiment": Experiment,
    "spectra": spectra,
    "observations": observations,
    "processes": processes,
    "scores": scores,
    "grids": grids,
    "samplers": samplers,
    "starts": starts,
}


KNOWN = "grid, spectrum, observation, process, score, sampler, start"


def sentence_of(action: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as refusal:
        action()
    return str(refusal.value)


def text_of(declaration: Declaration, value: Any) -> str:
    """A value as a person would type it."""
    if isinstance(declaration, Choice):
        return type(value).__name__
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


# ------------------------------------------------------------------------------------------------ round trips


@given(experiments())
def test_it_prints_as_what_makes_it(experiment: Experiment) -> None:
    again = eval(repr(experiment), dict(NAMES))
    assert again == experiment
    assert hash(again) == hash(experiment)
    assert repr(again) == repr(experiment)


@given(experiments())
def test_it_is_stored_and_read_back(experiment: Experiment) -> None:
    plain = to_dict(experiment)
    assert from_dict(plain) == experiment
    assert from_dict(json.loads(json.dumps(plain))) == experiment
    assert from_dict(tomllib.loads(tomli_w.dumps(plain))) == experiment
    assert hash(from_dict(plain)) == hash(experiment)


def test_what_is_stored() -> None:
    assert to_dict(Experiment()) == {
        "spectrum": {"kind": "PowerLaw", "mean": 0.0, "modes": 64, "decay": 2.0, "scale": 1.0},
        "observation": {"kind": "Unobserved"},
        "process": {"kind": "VPLinear", "beta_min": 0.1, "beta_max": 20.0},
        "score": {"kind": "Exact", "noise_amplitude": 0.1},
        "grid": {"kind": "Uniform", "steps": 50, "start": 1.0, "stop": 1e-3, "to_zero": False},
        "sampler": {"kind": "EulerMaruyama", "stochasticity": 1.0},
        "start": {"kind": "Noise"},
    }


def test_what_is_not_stored_has_its_default() -> None:
    assert from_dict({}) == Experiment()
    assert from_dict({"sampler": {"kind": "DDIM"}}) == Experiment(sampler=DDIM())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_can_be_stored(family: str) -> None:
    for kind in FAMILIES[family]:
        if family == "sampler":
            continue
        experiment = with_kind(Experiment(), family, kind())
        assert from_dict(to_dict(experiment)) == experiment


# -------------------------------------------------------------------------------------------------- overrides


@given(experiment=experiments(), order=st.randoms(use_true_random=False))
def test_every_leaf_can_be_typed_in_any_order(experiment: Experiment, order: Any) -> None:
    """From the default experiment: the kinds come first, and the grid is not adapted where it is said."""
    typed = [(path, text_of(declaration, value)) for path, declaration, value in leaves(experiment)]
    order.shuffle(typed)
    assert override(Experiment(), typed) == experiment


@given(experiments())
def test_one_leaf_changes_one_leaf(experiment: Experiment) -> None:
    for path, declaration, value in leaves(experiment):
        if isinstance(declaration, Choice):
            continue
        assert override(experiment, [(path, text_of(declaration, value))]) == experiment


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ([], Experiment()),
        ([("sampler.eta", "1/2"), ("sampler", "DDIM")], Experiment(sampler=DDIM(eta=0.5))),
        (
            [("grid", "Karras"), ("grid.rho", "3"), ("grid.to_zero", "yes")],
            Experiment(grid=Karras(rho=3.0, to_zero=True)),
        ),
        ([("grid.steps", "10"), ("grid.steps", "20")], Experiment(grid=Uniform(steps=20))),
        (
            [("spectrum", "Custom"), ("spectrum.eigenvalues", "1 2^-1; 0")],
            Experiment(spectrum=Custom(eigenvalues=(1.0, 0.5, 0.0))),
        ),
        ([("process", "EDM")], Experiment(process=EDM(), grid=Uniform(start=80.0, stop=2e-3))),
        (
            [("process", "EDM"), ("process.sigma_max", "10")],
            Experiment(process=EDM(sigma_max=10.0), grid=Uniform(start=10.0, stop=2e-3)),
        ),
        (
            [("grid.stop", "1"), ("process", "EDM"), ("grid", "Karras")],
            Experiment(process=EDM(), grid=Karras(start=80.0, stop=1.0)),
        ),
        ([("process.beta_max", "10")], Experiment(process=VPLinear(beta_max=10.0))),
        ([("process", "VPLinear"), ("grid.start", "0.5")], Experiment(grid=Uniform(start=0.5))),
    ],
)
def test_overrides(typed: list[tuple[str, str]], expected: Experiment) -> None:
    assert override(Experiment(), typed) == expected


def test_a_process_that_is_not_changed_leaves_the_grid_alone() -> None:
    experiment = Experiment(grid=Uniform(start=0.7, stop=0.2))
    assert override(experiment, [("process", "VPLinear")]) == experiment
    assert override(experiment, [("process.beta_min", "0.1")]) == experiment


# -------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            [("sampelr.eta", "1")],
            "there is no 'sampelr' in an experiment; known are sampler, spectrum, start, observation, process, score, grid.",
        ),
        (
            [("sampler.stochastic", "1")],
            "EulerMaruyama has no parameter 'stochastic'; known are stochasticity.",
        ),
        ([("start.level", "1")], "Noise has no parameter 'level'; known are none."),
        (
            [("grid.stesp", "1")],
            "Uniform has no parameter 'stesp'; known are steps, stop, start, to_zero.",
        ),
        (
            [("process", "VPliner")],
            (
                "Experiment.process must be one of VPLinear, VPCosine, VEGeometric, EDM, Brownian, FlowMatching, got "
                "'VPliner'."
            ),
        ),
        (
            [("sampler.stochasticity", "-1")],
            "EulerMaruyama.stochasticity (ε) must lie in [0, inf), got -1.0.",
        ),
        (
            [("sampler.stochasticity", "much")],
            "EulerMaruyama.stochasticity (ε) must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'much'.",
        ),
        ([("grid.steps", "2.5")], "Uniform.steps (N) must be a whole number in [1, 1e+06], got 2.5."),
        ([("grid.to_zero", "maybe")], "Uniform.to_zero (→ 0) must be true or false, got 'maybe'."),
        (
            [("grid.start", "2")],
            (
                "Uniform.start (t₀) is 2, but VPLinear runs over times from 0 to 1, noise levels sigma/alpha from 0 "
                "to 152.167; choose a time inside."
            ),
        ),
    ],
    ids=str,
)
def test_what_is_typed_wrong_is_refused(typed: list[tuple[str, str]], sentence: str) -> None:
    assert sentence_of(lambda: override(Experiment(), typed)) == sentence


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        ([1], "the experiment must be a table of names and values, got [1]."),
        ({"grids": {}}, f"the experiment has no parameter 'grids'; known are {KNOWN}."),
        ({"kind": "Experiment"}, f"the experiment has no parameter 'kind'; known are {KNOWN}."),
        ({"grid": "Uniform"}, "Experiment.grid must be a table with a kind, got 'Uniform'."),
        ({"grid": {"steps": 3}}, "Experiment.grid must be a table with a kind, got {'steps': 3}."),
        (
            {"grid": {"kind": "Karas"}},
            ("Experiment.grid must be one of Karras, Uniform, LogUniform, Tangent, Shifted, Power, AlignYourSteps, "
            "Optimal, Tabulated, got 'Karas'."),
        ),
        (
            {"grid": {"kind": "Karras", "step": 3}},
            "Karras has no parameter 'step'; known are steps, stop, start, to_zero, rho.",
        ),
        ({"start": {"kind": "Noise", "step": 3}}, "Noise has no parameter 'step'; known are none."),
        ({"grid": {"kind": "Karras", "steps": "3"}}, "Karras.steps (N) must be a number in [1, 1e+06], got '3'."),
        ({"grid": {"kind": "Karras", "rho": []}}, "Karras.rho (ρ) must be a number in (0, inf), got ()."),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_stored_wrong_is_refused(plain: Any, sentence: str) -> None:
    assert sentence_of(lambda: from_dict(plain)) == sentence


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Experiment(sampler=FlowEuler()),
            (
                "FlowEuler needs the process FlowMatching, got VPLinear with Uniform; samplers that apply here: "
                "EulerMaruyama, ShapedEulerMaruyama, TabulatedEulerMaruyama, ExponentialIntegrator, DDIM, DDPM, "
                "AncestralVP, Heun, EDMHeun, RungeKutta4, DPMSolverPP2M, Langevin, UnderdampedLangevin."
            ),
        ),
        (
            lambda: Experiment(sampler=AncestralVP(), grid=Uniform(steps=10)),
            (
                "AncestralVP needs g² h < 1 in every step; take more steps or start later, got VPLinear with Uniform; "
                "samplers that apply here: EulerMaruyama, ShapedEulerMaruyama, TabulatedEulerMaruyama, "
                "ExponentialIntegrator, DDIM, DDPM, Heun, EDMHeun, RungeKutta4, DPMSolverPP2M, Langevin, UnderdampedLangevin."
            ),
        ),
        (
            lambda: Experiment(sampler=ExponentialIntegrator(), process=EDM()),
            (
                "ExponentialIntegrator needs a variance-preserving process (VPLinear or VPCosine), got EDM with "
                "Uniform; samplers that apply here: EulerMaruyama, ShapedEulerMaruyama, TabulatedEulerMaruyama, DDIM, "
                "DDPM, Heun, EDMHeun, RungeKutta4, DPMSolverPP2M, Langevin, UnderdampedLangevin."
            ),
        ),
        (
            lambda: Experiment(sampler=EulerMaruyama(), process=FlowMatching()),
            (
                "EulerMaruyama with noise needs a finite diffusion coefficient at its first time; set grid.start "
                "below the end of the process, or choose EulerMaruyama with sampler.stochasticity=0, got FlowMatching "
                "with Uniform; samplers that apply here: "
            ),
        ),
        (
            lambda: Experiment(sampler=EDMHeun(), process=FlowMatching()),
            (
                "EDMHeun needs some signal at its first time; set grid.start below the time at which alpha is zero, "
                "got FlowMatching with Uniform; samplers that apply here: "
            ),
        ),
        (
            lambda: Experiment(grid=LogUniform(stop=0.0)),
            (
                "LogUniform.stop (t_N) is 0, where sigma/alpha is 0, which has no place on this grid; move it inside "
                "(to_zero appends a last step to zero noise)."
            ),
        ),
        (lambda: Experiment(process=Uniform()), None),  # pyright: ignore[reportArgumentType]
    ],
)
def test_parts_that_do_not_fit_are_refused(make: Callable[[], Experiment], sentence: str | None) -> None:
    found = sentence_of(make)
    if sentence is None:
        kinds = "VPLinear, VPCosine, VEGeometric, EDM, Brownian, FlowMatching"
        sentence = f"Experiment.process must be one of {kinds}, got {Uniform()!r}."
    if sentence.endswith(": "):
        at_the_end = {
            "DDIM",
            "DDPM",
            "Heun",
            "RungeKutta4",
            "FlowEuler",
            "DPMSolverPP2M",
            "Langevin",
            "UnderdampedLangevin",
        }
        named = found.removeprefix(sentence).removesuffix(".").split(", ")
        assert found.startswith(sentence)
        assert set(named) <= at_the_end
        assert {"DDIM", "FlowEuler", "DPMSolverPP2M"} <= set(named)
    else:
        assert found == sentence


@given(st.data())
def test_what_a_refusal_names_applies(data: st.DataObject) -> None:
    process: Process = data.draw(st.sampled_from(PROCESSES).flatmap(components))
    start, stop = process.span
    grid = Uniform(steps=data.draw(st.integers(1, 100)), start=start, stop=stop)
    fitting = applicable(process, grid.times(process))
    for kind in SAMPLERS:
        if kind in fitting:
            assert Experiment(process=process, grid=grid, sampler=kind()).sampler == kind()
        else:
            sentence = sentence_of(lambda kind=kind: Experiment(process=process, grid=grid, sampler=kind()))
            assert sentence.endswith(
                f"applies here: {', '.join(k.__name__ for k in fitting)}.".replace("applies", "apply")
            )


# ----------------------------------------------------------------------------------------------- another kind


def refusal(sampler: Sampler, process: Process, grid: TimeGrid) -> str:
    """Why a sampler is not defined on a grid, or a grid not for a sampler."""
    reason = sampler.refusal(process, grid.times(process))
    return reason or (grid.refusal(sampler) if isinstance(grid, Adapted) else "")


OTHERS = [(family, kind) for family, kinds in FAMILIES.items() for kind in kinds if family != "sampler"]


@pytest.mark.parametrize(("family", "kind"), OTHERS, ids=lambda value: getattr(value, "__name__", value))
@given(experiment=experiments())
def test_any_other_kind_can_be_chosen(family: str, kind: type[Component], experiment: Experiment) -> None:
    changed = with_kind(experiment, family, kind())
    if family == "grid":
        assert type(changed.grid) in (kind, Uniform)
    else:
        assert getattr(changed, family) == kind()
    kept = [name for name in FAMILIES if name not in (family, "score", "grid", "sampler")]
    if family != "score":
        at_levels = not isinstance(changed.sampler, SingleLevel)
        unreached = at_levels and experiment.score.unreached(changed.process, changed.grid.times(changed.process))
        lost = unreached or experiment.score.refusal(changed.observation)
        assert changed.score == (Exact() if lost else experiment.score)
    assert [getattr(changed, name) for name in kept] == [getattr(experiment, name) for name in kept]
    if not refusal(experiment.sampler, changed.process, changed.grid):
        assert changed.sampler == experiment.sampler


@pytest.mark.parametrize("kind", SAMPLERS, ids=lambda kind: kind.__name__)
@given(experiment=experiments())
def test_another_sampler_is_taken_or_refused_for_a_reason(kind: type[Sampler], experiment: Experiment) -> None:
    reason = kind().refusal(experiment.process, experiment.grid.times(experiment.process))
    if reason:
        assert sentence_of(lambda: with_kind(experiment, "sampler", kind())).startswith(f"{reason}, got ")
    elif refusal(kind(), experiment.process, experiment.grid):
        # The grid is made to fit.
        changed = with_kind(experiment, "sampler", kind())
        assert changed.sampler == kind()
        assert not refusal(kind(), changed.process, changed.grid)
        assert replace(changed, grid=experiment.grid, sampler=experiment.sampler) == experiment
    else:
        assert with_kind(experiment, "sampler", kind()) == replace(experiment, sampler=kind())


@pytest.mark.parametrize("process", [kind() for kind in PROCESSES], ids=lambda process: type(process).__name__)
@pytest.mark.parametrize("kind", TIME_GRIDS, ids=lambda kind: kind.__name__)
def test_a_process_brings_its_usual_range(process: Process, kind: type[Any]) -> None:
    begun = with_kind(Experiment(), "grid", kind())
    changed = with_kind(begun, "process", process)
    start, stop = process.span
    if isinstance(changed.grid, Spaced):
        assert changed.grid.start in (start, 0.99 * start)
        assert changed.grid.stop in (stop, max(stop, 1e-3 * start))
        if isinstance(begun.grid, Spaced):
            assert type(changed.grid) is type(begun.grid)
            assert changed.grid.steps == begun.grid.steps
    else:
        assert changed.grid == begun.grid
    # And what comes out is defined.
    assert changed.calls > 0
    assert float(report(replace(changed, spectrum=Isotropic(modes=1))).wasserstein2.truncation) >= 0


def test_a_grid_keeps_what_it_shares_with_the_former() -> None:
    begun = Experiment(grid=Uniform(steps=7, start=0.8, stop=0.1, to_zero=True))
    assert with_kind(begun, "grid", Karras(rho=3.0)).grid == Karras(steps=7, start=0.8, stop=0.1, to_zero=True, rho=3.0)
    assert with_kind(begun, "grid", Tabulated()).grid == Tabulated()


def test_a_sampler_that_does_not_apply_gives_way_to_the_first_that_does() -> None:
    begun = Experiment(sampler=ExponentialIntegrator())
    assert with_kind(begun, "process", VPCosine()).sampler == ExponentialIntegrator()
    assert with_kind(begun, "process", EDM()).sampler == EulerMaruyama()
    assert with_kind(begun, "process", FlowMatching()).sampler == DDIM()


@pytest.mark.parametrize(
    ("grid", "process", "expected"),
    [
        (Karras(), EDM(), Karras(start=80.0, stop=2e-3)),
        (LogUniform(), FlowMatching(), LogUniform(start=0.99, stop=1e-3)),
        (Uniform(), Brownian(), Uniform(start=6400.0, stop=4e-6)),
        (LogUniform(), VEGeometric(), LogUniform(start=1.0, stop=0.0)),
        (AlignYourSteps(steps=12, model="SVD"), EDM(), Uniform(steps=12, start=80.0, stop=2e-3)),
        (Tabulated(values=(70.0, 2.0, 0.5)), VPLinear(), Uniform(steps=2)),
        (Tabulated(values=(0.7, 0.2, 0.1)), VPLinear(), Tabulated(values=(0.7, 0.2, 0.1))),
    ],
    ids=str,
)
def test_a_grid_is_fitted(grid: Any, process: Process, expected: Any) -> None:
    assert fitted(grid, process) == expected


def test_numbers_of_steps_and_calls() -> None:
    assert [steps_of(grid) for grid in (Uniform(steps=9), AlignYourSteps(steps=4), Tabulated())] == [9, 4, 4]
    counts: list[tuple[Sampler, int, int]] = [
        (EulerMaruyama(), 10, 10),
        (Heun(), 20, 20),
        (RungeKutta4(), 40, 40),
        (EDMHeun(), 20, 19),
        (DPMSolverPP2M(), 10, 10),
    ]
    for sampler, to_stop, to_zero in counts:
        assert Experiment(grid=Uniform(steps=10), sampler=sampler).calls == to_stop
        assert Experiment(grid=Uniform(steps=10, to_zero=True), sampler=sampler).calls == to_zero


def test_starts() -> None:
    assert Experiment().start == Noise()
    assert with_kind(Experiment(), "start", Marginal()).start == Marginal()
    assert choice(Noise(), STARTS, "").metadata["declaration"] == Choice(STARTS, "")
