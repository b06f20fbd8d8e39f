"""Sessions: what a file keeps, what it refuses, and the names and looks of what is shown."""

import errno
import os
import random
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer.files import WriteError
from explorer.marks import COLORS, DASHES, MARKERS
from explorer.session import (
    DISTANCE_NAMES,
    Sampled,
    Session,
    changed_files,
    difference,
    from_text,
    headline,
    items,
    load,
    named,
    save,
    to_text,
)
from kernels.analyses.sweep import numeric_paths
from kernels.experiment import Experiment
from kernels.grids import TIME_GRIDS, AlignYourSteps, Karras, LogUniform, Shifted, Tabulated, TimeGrid, Uniform
from kernels.param import Component
from kernels.particles import Sampling
from kernels.processes import EDM, VPLinear
from kernels.samplers import (
    DDIM,
    DDPM,
    SAMPLERS,
    AncestralVP,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    Heun,
    Sampler,
)
from kernels.scores import Empirical
from kernels.spectra import Custom, EigenvalueFile, ImageFolder, Isotropic, PowerLaw, Texture
from kernels.starts import Marginal
from tests import strategies

# ------------------------------------------------------------------------------------------------ round trip


RANKS = st.integers(1, 2**31 - 1)


def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Sessions as a person could make them, and some that only a file could hold."""
    experiment = draw(strategies.experiments())
    paths = st.sampled_from(sorted(numeric_paths(experiment)))
    counts = several(st.integers(0, 10**9 - 1))
    return Session(
        experiment=experiment,
        samplers=draw(several(st.sampled_from(SAMPLERS).flatmap(strategies.components))),
        grids=draw(several(strategies.grids(experiment.process))),
        pins=draw(several(strategies.experiments())),
        swept=draw(paths | st.text()),
        stops=draw(several(st.floats(0, 1e9, exclude_max=True))),
        budgets=draw(counts),
        followed=draw(counts),
        sampling=draw(strategies.components(Sampling)),
        looked_at=draw(st.tuples(RANKS, RANKS)),
        moment=draw(st.floats(0, 1)),
        sampled=draw(several(sampled())),
    )


@st.composite
def sampled(draw: st.DrawFn) -> Sampled:
    """What was measured on a cloud; infinite where it diverged."""
    errors = st.floats(0, allow_nan=False)
    return Sampled(
        experiment=draw(strategies.experiments()),
        sampling=draw(strategies.components(Sampling)),
        distance=draw(st.sampled_from(DISTANCE_NAMES)),
        value=draw(st.floats(allow_nan=False)),
        standard_error=draw(errors),
        floor=draw(st.floats(allow_nan=False)),
        floor_error=draw(errors),
    )


@given(sessions())
def test_any_session_comes_back_from_its_text(session: Session) -> None:
    text = to_text(session)
    assert from_text(text) == session
    assert from_text(to_text(session, digests=False)) == session
    # The text is the same however often it went back and forth.
    assert to_text(from_text(text)) == text


@pytest.mark.parametrize("kind", TIME_GRIDS + SAMPLERS)
def test_every_grid_and_sampler_comes_back(kind: type[Component]) -> None:
    plain = kind()
    session = Session(grids=(plain,)) if isinstance(plain, TimeGrid) else Session()
    session = replace(session, samplers=(plain,)) if isinstance(plain, Sampler) else session
    assert plain in (*session.grids, *session.samplers)
    assert from_text(to_text(session)) == session


def test_what_is_left_out_takes_its_default() -> None:
    assert from_text("version = 1") == Session()
    text = 'version = 1\n[experiment.sampler]\nkind = "DDIM"\n'
    assert from_text(text) == Session(experiment=Experiment(sampler=DDIM()))


def test_whole_numbers_may_stand_for_floats() -> None:
    text = 'version = 1\nstops = [0]\n[experiment.sampler]\nkind = "EulerMaruyama"\nstochasticity = 0\n'
    assert from_text(text) == Session(experiment=Experiment(sampler=EulerMaruyama(stochasticity=0.0)), stops=(0.0,))


def test_a_saved_session_is_text_that_a_person_can_read(tmp_path: Path) -> None:
    session = Session(experiment=Experiment(spectrum=PowerLaw(modes=7)), followed=(1, 3))
    save(session, tmp_path / "a.toml")
    data = tomllib.loads((tmp_path / "a.toml").read_text(encoding="utf-8"))
    assert data["version"] == 1
    assert data["experiment"]["spectrum"] == {"kind": "PowerLaw", "mean": 0.0, "modes": 7, "decay": 2.0, "scale": 1.0}
    assert data["followed"] == [1, 3]
    assert load(tmp_path / "a.toml") == load(str(tmp_path / "a.toml")) == session


# ------------------------------------------------------------------------------------------------- refusals

KNOWN = (
    "budgets, experiment, files, followed, grids, looked_at, measured, moment, pins, sampled, samplers, sampling, "
    "stops, swept, training, transport, version"
)
SAMPLED = "experiment, sampling, distance, value, standard_error, floor, floor_error"
ONE = "distance = 'sliced', value = 1.0, standard_error = 0.1, floor = 0.0, floor_error = 0.0, experiment = {}"
NUMBERS = "stops, budgets and followed modes must be nonnegative numbers"
WHOLE = "budgets and followed modes must be whole numbers"

REFUSED = {
    "": "the session has version None, this program reads versions up to 1.",
    "version = 2": "the session has version 2, this program reads versions up to 1.",
    "version = 0": "the session has version 0, this program reads versions up to 1.",
    "version = '1'": "the session has version '1', this program reads versions up to 1.",
    "version = 1.0": "the session has version 1.0, this program reads versions up to 1.",
    "version = true": "the session has version True, this program reads versions up to 1.",
    "version = 1\ncolor = 3": f"the session has an unknown entry 'color'; known are {KNOWN}.",
    "version = 1\nexperiment = 3": "the experiment must be a table of names and values, got 3.",
    "version = 1\n[experiment]\nspectrm = 1": "the experiment has no parameter 'spectrm'; known are spectrum, start, "
    "score, observation, process, grid, sampler.",
    "version = 1\n[experiment]\ngrid = 'Karras'": "Experiment.grid must be a table with a kind, got 'Karras'.",
    "version = 1\n[experiment.grid]\nsteps = 3": "Experiment.grid must be a table with a kind, got {'steps': 3}.",
    "version = 1\n[experiment.grid]\nkind = 'Karas'": "Experiment.grid must be one of Karras, Uniform, LogUniform, "
    "Tangent, Shifted, Power, AlignYourSteps, Optimal, Tabulated, got 'Karas'.",
    "version = 1\n[experiment.grid]\nkind = 'Uniform'\nrho = 3": "Uniform has no parameter 'rho'; known are steps, "
    "start, stop, to_zero.",
    "version = 1\n[experiment.grid]\nkind = 'Uniform'\nto_zero = 1": "Uniform.to_zero (→ 0) must be true or false, "
    "got 1.",
    "version = 1\n[experiment.grid]\nkind = 'Uniform'\nsteps = '5'": "Uniform.steps (N) must be a number in "
    "[1, 1e+06], got '5'.",
    "version = 1\n[experiment.grid]\nkind = 'Uniform'\nstop = nan": "Uniform.stop (t_N) must lie in [0, inf), got nan.",
    "version = 1\n[experiment.spectrum]\nkind = 'Custom'\neigenvalues = 3": "Custom.eigenvalues (λ) must be a list of "
    "numbers in [0, inf), got 3.",
    "version = 1\n[experiment.spectrum]\nkind = 'Custom'\neigenvalues = [1.0, true]": "Custom.eigenvalues (λ) must "
    "hold numbers in [0, inf), got True at position 1.",
    f"version = 1\n[experiment.spectrum]\nkind = 'Custom'\neigenvalues = [{'9' * 400}]": "Custom.eigenvalues (λ) must "
    f"hold numbers in [0, inf), got {'9' * 400} at position 0.",
    "version = 1\n[experiment.spectrum]\nkind = 'Texture'\npath = 3": "Texture.path must be a path, got 3.",
    "version = 1\nsamplers = 3": "samplers must be a list, got 3.",
    "version = 1\nsamplers = [3]": "Experiment.sampler must be a table with a kind, got 3.",
    "version = 1\nsamplers = [{kind = 'Karras'}]": "Experiment.sampler must be one of EulerMaruyama, "
    "ShapedEulerMaruyama, TabulatedEulerMaruyama, ExponentialIntegrator, DDIM, DDPM, AncestralVP, Heun, EDMHeun, "
    "RungeKutta4, FlowEuler, DPMSolverPP2M, Langevin, UnderdampedLangevin, "
    "got 'Karras'.",
    "version = 1\ngrids = [{kind = 'Karras', rho = 0}]": "Karras.rho (ρ) must lie in (0, inf), got 0.0.",
    "version = 1\npins = [1]": "the experiment must be a table of names and values, got 1.",
    "version = 1\nstops = 0.5": "stops must be a list, got 0.5.",
    "version = 1\nstops = ['0.5']": f"{NUMBERS}, got '0.5'.",
    "version = 1\nstops = [nan]": f"{NUMBERS}, got nan.",
    "version = 1\nstops = [-1]": f"{NUMBERS}, got -1.",
    "version = 1\nbudgets = [inf]": f"{WHOLE}, got inf.",
    "version = 1\nbudgets = [0.5]": f"{WHOLE}, got 0.5.",
    "version = 1\nbudgets = [true]": f"{WHOLE}, got True.",
    "version = 1\nbudgets = [-3]": f"{NUMBERS}, got -3.",
    "version = 1\nbudgets = [1000000000]": f"{NUMBERS}, got 1000000000.",
    "version = 1\nfollowed = [1.7]": f"{WHOLE}, got 1.7.",
    "version = 1\nswept = 3": "swept must be the path of a number, got 3.",
    "version = 1\nmoment = 1.5": "moment must be a number from 0 to 1, got 1.5.",
    "version = 1\nmoment = true": "moment must be a number from 0 to 1, got True.",
    "version = 1\ntraining = '1'": "training must be a number from 0 to 1, got '1'.",
    "version = 1\nlooked_at = [1]": "looked_at must be the ranks of two modes, counted from 1, got [1].",
    "version = 1\nlooked_at = [0, 2]": "looked_at must be the ranks of two modes, counted from 1, got [0, 2].",
    "version = 1\nlooked_at = [1, 2.0]": "looked_at must be the ranks of two modes, counted from 1, got [1, 2.0].",
    "version = 1\nlooked_at = 3": "looked_at must be the ranks of two modes, counted from 1, got 3.",
    "version = 1\nsampling = 3": "sampling must be a table of names and values, got 3.",
    "version = 1\n[sampling]\nparticle = 3": "sampling has no parameter 'particle'; known are particles, seed, dtype, "
    "device.",
    "version = 1\n[sampling]\nparticles = 1": "Sampling.particles (P) must lie in [2, 1e+12], got 1.",
    "version = 1\n[sampling]\nparticles = '9'": "Sampling.particles (P) must be a number in [2, 1e+12], got '9'.",
    "version = 1\n[sampling]\ndevice = 'gpu'": "Sampling.device must be one of cpu, cuda, got 'gpu'.",
    "version = 1\nsampled = 3": "sampled must be a list, got 3.",
    "version = 1\nsampled = [3]": f"sampled must hold tables of {SAMPLED}, got 3.",
    f"version = 1\nsampled = [{{{ONE}, sampling = 3}}]": "sampling must be a table of names and values, got 3.",
    f"version = 1\nsampled = [{{{ONE.replace('sliced', 'far')}, sampling = {{}}}}]": "sampled distance must be one of "
    "frechet, by_mode, sliced, energy, mmd, exact, law, got 'far'.",
    f"version = 1\nsampled = [{{{ONE.replace('0.1', '-0.1')}, sampling = {{}}}}]": "sampled standard_error must be "
    "a nonnegative number, got -0.1.",
    f"version = 1\nsampled = [{{{ONE.replace('1.0', 'nan')}, sampling = {{}}}}]": "sampled value must be a number, "
    "got nan.",
    f"version = 1\nsampled = [{{{ONE.replace('1.0', '9' * 400)}, sampling = {{}}}}]": "sampled value must be a number, "
    f"got {'9' * 400}.",
    "version = 1\nfiles = 3": "files must be a table of paths and digests, got 3.",
    "version = 1\nfiles = {a = 3}": "files must be a table of paths and digests, got {'a': 3}.",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_session_with_a_defect_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        from_text(text)
    assert str(refusal.value) == REFUSED[text]
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as refusal:
        load(tmp_path / "a.toml")
    assert str(refusal.value) == f"{tmp_path / 'a.toml'}: {REFUSED[text]}"


@pytest.mark.parametrize(
    "text", ["version", "version = 1\n[experiment", "\0", "a = 1\na = 2", "[" * 9, "{", "version 1"]
)
def test_text_that_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        from_text(text)
    assert str(refusal.value).startswith("this is no session file: ")
    assert str(refusal.value).count("\n") == 0


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a = " + "{b = " * 20_000, "a = " + "9" * 20_000])
def test_text_made_to_break_a_reader_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("swept = 'é'".encode("latin-1"))
    refused = {
        tmp_path / "none.toml": "cannot be read: no such file or directory.",
        tmp_path: "cannot be read: is a directory.",
        tmp_path / "latin.toml": "this is no session file: it is not UTF-8 text.",
        tmp_path / "latin.toml" / "below": "cannot be read: not a directory.",
    }
    for path, sentence in refused.items():
        with pytest.raises(ValueError) as refusal:
            load(path)
        assert str(refusal.value) == f"{path}: {sentence}"


# -------------------------------------------------------------------------------------------- a thousand damages

RICH = Session(
    experiment=Experiment(
        spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25), mean=0.5),
        process=EDM(),
        grid=Karras(steps=9, start=80.0, stop=2e-3, rho=5.0),
        sampler=EDMHeun(),
        start=Marginal(),
    ),
    samplers=(DDIM(eta=0.5), Heun(), EulerMaruyama(stochasticity=0.1)),
    grids=(Tabulated(values=(80.0, 1.0, 0.0)), AlignYourSteps(model="SDXL")),
    pins=(Experiment(spectrum=Texture(path="a/b é.png", color=False)), Experiment(grid=Shifted(stop=0.1))),
    swept="grid.rho",
    followed=(1, 2),
)

INSERTED = (
    b'"',
    b"[",
    b"]",
    b"{",
    b"=",
    b"\n",
    b"\xff",
    b"\x00",
    b"-",
    b"9",
    b"e",
    b"nan",
    b"true",
    b"''",
    b"#",
    b"\xc3\xa9",
)


def truncated(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text))]


def cut(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randint(1, 20) :]


def stained(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]


def grown(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(INSERTED) * chance.randint(1, 3) + text[at:]


def swapped(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def doubled(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return b"".join([*lines[:at], lines[at], *lines[at:]])


def another_number(text: bytes, chance: random.Random) -> bytes:
    """One value replaced by one of another size or type."""
    places = [at for at in range(len(text)) if text[at : at + 3] == b" = "]
    at = chance.choice(places) + 3
    end = text.find(b"\n", at)
    values = (
        b"-1",
        b"0",
        b"1e308",
        b"5e-324",
        b"1e400",
        b"12345678901234567890",
        b"[]",
        b"{}",
        b"1979-05-27",
        b"inf",
        b"'x'",
    )
    return text[:at] + chance.choice(values) + text[end:]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    truncated,
    cut,
    stained,
    grown,
    swapped,
    doubled,
    another_number,
)


def test_a_damaged_file_gives_a_session_or_a_sentence(tmp_path: Path) -> None:
    good, chance, path = to_text(RICH).encode(), random.Random(0), tmp_path / "damaged.toml"
    assert from_text(good.decode()) == RICH
    read, refused = 0, 0
    for number in range(1000):
        text = DAMAGES[number % len(DAMAGES)](good, chance)
        path.write_bytes(text)
        try:
            session = load(path)
        except ValueError as error:
            # Anything that is no sentence about this file fails the test, and so does any other exception.
            assert str(error).startswith(f"{path}: "), text
            assert len(str(error)) > len(f"{path}: ") + 10, text
            refused += 1
        else:
            assert from_text(to_text(session)) == session, text
            read += 1
    assert read > 50
    assert refused > 500


# -------------------------------------------------------------------------------------------------- saved files


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_failure_to_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    path = tmp_path / "a.toml"
    save(RICH, path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(failing, fail)
    with pytest.raises(WriteError) as refusal:
        save(Session(), path)
    sentence = f"Cannot write {path}: the disk is full. Free some space or choose another disk."
    assert str(refusal.value) == sentence
    assert load(path) == RICH
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.toml"]


def test_a_session_knows_the_files_it_was_made_with(tmp_path: Path) -> None:
    images, values = tmp_path / "some images", tmp_path / "it's.npy"
    images.mkdir()
    for number in range(2):
        Image.new("L", (4, 4), 100 * number).save(images / f"{number}.png")
    np.save(values, np.array([3.0, 1.0]))
    session = Session(
        experiment=Experiment(spectrum=ImageFolder(path=str(images))),
        pins=(Experiment(spectrum=EigenvalueFile(path=str(values))), Experiment(spectrum=Texture(path="gone.png"))),
    )
    text = to_text(session)
    assert set(tomllib.loads(text)["files"]) == {str(images), str(values)}
    assert tomllib.loads(to_text(session, digests=False))["files"] == {}
    assert from_text(text) == session
    assert changed_files(text) == []
    np.save(values, np.array([3.0, 1.5]))
    assert changed_files(text) == [str(values)]
    Image.new("L", (4, 4), 7).save(images / "1.png")
    assert changed_files(text) == [str(images), str(values)]
    np.save(values, np.array([3.0, 1.0]))
    assert changed_files(text) == [str(images)]
    values.unlink()
    assert changed_files(text) == [str(images), str(values)]
    assert changed_files(to_text(Session())) == []


# ------------------------------------------------------------------------------------------ what is shown, and how


@given(sessions())
def test_labels_are_unique_and_looks_go_by_position(session: Session) -> None:
    shown = items(session)
    assert shown[0].experiment == session.experiment
    labels = [item.label for item in shown]
    assert len(set(labels)) == len(labels)
    assert all(labels)
    for position, item in enumerate(shown):
        look = (COLORS[position % 7], DASHES[position % 6], MARKERS[position % 7])
        assert (item.style.color, item.style.dash, item.style.marker) == look
    # What is shown beside the present experiment differs from it in sampler and grid only, until the pins begin.
    compared, pinned = shown[: len(shown) - len(session.pins)], shown[len(shown) - len(session.pins) :]
    assert [item.experiment for item in pinned] == list(session.pins)
    for item in compared:
        e = session.experiment
        assert replace(item.experiment, sampler=e.sampler, grid=e.grid) == e
    assert len({item.experiment for item in compared}) == len(compared)


VP = Experiment()
SEVERAL: list[tuple[Session, list[str]]] = [
    (Session(), ["EulerMaruyama"]),
    (Session(experiment=Experiment(sampler=DDIM(eta=0.5))), ["DDIM(η=0.5)"]),
    (Session(samplers=(EulerMaruyama(), DDIM(), Heun())), ["EulerMaruyama", "DDIM", "Heun"]),
    (
        Session(samplers=(EulerMaruyama(stochasticity=0.0), DDPM(variance_share=1.0))),
        ["EulerMaruyama", "EulerMaruyama(ε=0)", "DDPM(w=1)"],
    ),
    (Session(grids=(Uniform(), LogUniform(), Karras(rho=3.0))), ["Uniform", "LogUniform", "Karras"]),
    (
        Session(grids=(Karras(rho=3.0), Karras(rho=5.0), Shifted())),
        ["Uniform", "Karras(ρ=3)", "Karras(ρ=5)", "Shifted"],
    ),
    (
        Session(samplers=(EulerMaruyama(), DDIM()), grids=(Uniform(), Karras())),
        ["EulerMaruyama · Uniform", "EulerMaruyama · Karras", "DDIM · Uniform", "DDIM · Karras"],
    ),
    # What does not apply is left out.
    (
        Session(experiment=Experiment(process=EDM()), samplers=(ExponentialIntegrator(), DDIM())),
        ["EulerMaruyama", "DDIM"],
    ),
    (Session(samplers=(AncestralVP(),), grids=(Tabulated(values=(2.0, 1.0)),)), ["EulerMaruyama · Uniform"]),
    (Session(pins=(VP, replace(VP, sampler=DDIM()))), ["EulerMaruyama", "pin: the same", "pin: DDIM"]),
    (
        Session(
            pins=(
                replace(VP, sampler=EulerMaruyama(stochasticity=0.100001)),
                replace(VP, sampler=EulerMaruyama(stochasticity=0.1)),
            )
        ),
        ["EulerMaruyama", "pin: ε=0.1", "pin: ε=0.1 (2)"],
    ),
    (Session(pins=(VP, VP, VP)), ["EulerMaruyama", "pin: the same", "pin: the same (2)", "pin: the same (3)"]),
]


@pytest.mark.parametrize(("session", "labels"), SEVERAL, ids=range(len(SEVERAL)))
def test_labels(session: Session, labels: list[str]) -> None:
    assert [item.label for item in items(session)] == labels


def test_grids_follow_the_present_one_in_steps_and_range() -> None:
    present = Experiment(process=EDM(), grid=Uniform(steps=9, start=40.0, stop=0.1))
    session = Session(experiment=present, grids=(Karras(rho=3.0), AlignYourSteps(), Tabulated(values=(3.0, 1.0))))
    assert [item.experiment.grid for item in items(session)[1:]] == [
        Karras(steps=9, start=40.0, stop=0.1, rho=3.0),
        AlignYourSteps(steps=9),
        Tabulated(values=(3.0, 1.0)),
    ]


@pytest.mark.parametrize(
    ("component", "text"),
    [
        (DDIM(), "DDIM"),
        (DDIM(eta=0.5), "DDIM(η=0.5)"),
        (EulerMaruyama(stochasticity=0.1234567), "EulerMaruyama(ε=0.1235)"),
        (PowerLaw(modes=3072, scale=1e-5), "PowerLaw(d=3072, c=1e-05)"),
        (Custom(eigenvalues=(1.0, 2.0)), "Custom(λ=2 values)"),
        (Karras(to_zero=True), "Karras(→ 0=True)"),
        (AlignYourSteps(model="SVD"), "AlignYourSteps(model=SVD)"),
        (ImageFolder(path="/data/some images", color=False), "ImageFolder(path=some images, color=False)"),
    ],
)
def test_a_component_is_named_by_what_is_not_its_default(component: Component, text: str) -> None:
    assert named(component) == text


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (VP, "the same"),
        (replace(VP, sampler=DDIM(eta=0.5)), "DDIM(η=0.5)"),
        (replace(VP, sampler=EulerMaruyama(stochasticity=0.0)), "ε=0"),
        (replace(VP, grid=Uniform(steps=20, stop=0.01)), "N=20, t_N=0.01"),
        (replace(VP, start=Marginal(), spectrum=Isotropic()), "Isotropic, Marginal"),
        (replace(VP, process=VPLinear(beta_max=10.0), spectrum=PowerLaw(decay=1.0)), "a=1, β₁=10"),
    ],
)
def test_what_differs_in_words(other: Experiment, text: str) -> None:
    assert difference(other, VP) == text


def test_the_headline() -> None:
    session = Session(experiment=replace(VP, sampler=Heun()))
    assert headline(session, {"Heun": 0.123456789}) == "W₂ = 0.123457 with 100 score evaluations"
    learned = Session(experiment=replace(session.experiment, score=Empirical()))
    assert headline(learned, {"Heun": 0.5}) == "W₂ = 0.5 with 100 score evaluations of the mean score"
    assert headline(session, {}) == "W₂ = nan with 100 score evaluations"
