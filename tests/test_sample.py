"""The command that runs a sampler on particles: what it prints and writes, and its sentences in full."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from explorer import sampling
from kernels.distances import DISTANCES
from kernels.spectra import Mixture
from tests.asking import Asking

Floats = NDArray[np.float64]
ASKING = Asking("sample")
asked, watched, numbers = ASKING.asked, ASKING.watched, ASKING.numbers

# One step from noise of level 3 to none: a particle ends where the data are expected to be.
LEVEL = 3.0
STEP = (
    *("process=EDM", f"process.sigma_max={LEVEL:g}", "grid=Uniform", "grid.steps=1", "grid.stop=0"),
    *("sampler=DDIM", "sampler.eta=0"),
)
EIGENVALUES = np.array([4.0, 0.25])
GAUSSIAN = (*STEP, "spectrum=Custom", "spectrum.eigenvalues=4,0.25")
MOONS = (*STEP, "spectrum=Mixture", "spectrum.components=6")
SMALL = ("score=Network", "score.width=4", "score.depth=1", "score.batch=8", "score.iterations=3")
COUNT = 400
KEYS = (
    "experiment particles seed dtype device seconds particles_per_second particle_steps_per_second calls steps modes "
    "distances exact gaussian_prediction network"
)


def ended(eigenvalues: Floats) -> Floats:
    """Variances after the step: the noise of the start, times what the denoiser takes of it."""
    return (eigenvalues / (eigenvalues + LEVEL**2) * LEVEL) ** 2


def wasserstein2(eigenvalues: Floats) -> float:
    return math.sqrt(np.square(np.sqrt(ended(eigenvalues)) - np.sqrt(eigenvalues)).sum())


# ------------------------------------------------------------------------------------------------- Gaussian data


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Floats]:
    """The numbers of a run on Gaussian data, and the particles it wrote."""
    path = tmp_path_factory.mktemp("told") / "cloud.npy"
    found = numbers(*GAUSSIAN, "--particles", f"{COUNT}", "--seed", "5", "--dtype", "float64", "--out", str(path))
    return found, np.load(path)


Told = tuple[dict[str, Any], Floats]


def test_it_tells_what_was_run(told: Told) -> None:
    found, _ = told
    assert list(found) == KEYS.split()
    assert (found["particles"], found["seed"], found["dtype"], found["device"]) == (COUNT, 5, "float64", "cpu")
    assert (found["calls"], found["steps"], found["modes"]) == (1, 1, 2)
    assert found["seconds"] > 0
    assert found["particles_per_second"] == pytest.approx(COUNT / found["seconds"])
    assert found["particle_steps_per_second"] == pytest.approx(COUNT / found["seconds"])
    assert found["network"] is None
    assert found["experiment"]["spectrum"] == {"kind": "Custom", "eigenvalues": [4.0, 0.25], "mean": 0.0}


def test_particles_have_the_exact_law(told: Told) -> None:
    found, cloud = told
    exact = found["exact"]
    assert cloud.shape == (COUNT, 2)
    assert cloud.dtype == np.float64
    assert exact["wasserstein2"] == pytest.approx(wasserstein2(EIGENVALUES), rel=1e-12)
    assert found["gaussian_prediction"] == exact["wasserstein2"]
    assert exact["by_mode"]["points"] == [COUNT, 0]
    off = abs(exact["by_mode"]["value"] - exact["wasserstein2"])
    assert 0 < off < 4.5 * exact["by_mode"]["standard_error"]
    variance = ended(EIGENVALUES)
    mean_off = cloud.mean(0) / np.sqrt(variance / COUNT)
    variance_off = (cloud.var(0, ddof=1) / variance - 1) / math.sqrt(2 / (COUNT - 1))
    largest = np.abs([mean_off, variance_off]).max()
    assert exact["largest_error"] == pytest.approx(largest, rel=1e-9)
    assert exact["largest_error"] < 4.5
    assert exact["modes"] == 2


def test_distances_are_those_to_data_and_floors_those_of_data(told: Told) -> None:
    """Data are drawn with the two seeds that follow; other libraries measure them."""
    found, cloud = told
    data, other = (
        (torch.randn(COUNT, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).numpy())
        * np.sqrt(EIGENVALUES)
        for seed in (6, 7)
    )
    distances = found["distances"]
    assert list(distances) == [kind.name for kind in DISTANCES]
    for name, wanted in (("exact", assigned), ("frechet", frechet), ("energy", energy)):
        entry = distances[name]
        assert list(entry) == "value standard_error points floor floor_error unit".split()
        assert entry["value"] == pytest.approx(wanted(cloud, data), rel=1e-4)
        assert entry["floor"] == pytest.approx(wanted(other, data), rel=1e-4, abs=1e-6)
        assert entry["points"] == [COUNT, COUNT]
        assert min(entry["standard_error"], entry["floor_error"]) > 0
    assert [entry["unit"] for entry in distances.values()] == [kind.unit for kind in DISTANCES]


def assigned(x: Floats, y: Floats) -> float:
    costs = cdist(x, y, "sqeuclidean")
    return math.sqrt(costs[linear_sum_assignment(costs)].mean())


def frechet(x: Floats, y: Floats) -> float:
    a, b = np.cov(x.T), np.cov(y.T)
    cross = np.trace(np.real(np.asarray(sqrtm(a @ b))))
    return math.sqrt(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a) + np.trace(b) - 2 * cross)


def energy(x: Floats, y: Floats) -> float:
    pairs = COUNT * (COUNT - 1)
    return float(2 * cdist(x, y).mean() - cdist(x, x).sum() / pairs - cdist(y, y).sum() / pairs)


def test_a_person_reads_a_table(told: Told) -> None:
    words = ("--particles", f"{COUNT}", "--seed", "5", "--dtype", "float64")
    status, out, err = asked(*GAUSSIAN, *words)
    found, _ = told
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "spectrum     spectra.Custom(mean=0.0, eigenvalues=(4.0, 0.25))"
    assert lines[8] == f"particles              {COUNT} in 2 modes, float64 on cpu, seed 5"
    assert lines[9] == "NFE                    1 in 1 steps"
    assert lines[10].startswith("seconds                ")
    assert lines[12].split() == "distance to the data by chance alone points".split()
    for line, kind in zip(lines[13:19], DISTANCES, strict=True):
        entry = found["distances"][kind.name]
        value = f"{entry['value']:.6g} ± {entry['standard_error']:.2g}"
        floor = f"{entry['floor']:.6g} ± {entry['floor_error']:.2g}"
        assert line == f"{kind.title:34} {value:>25}   {floor:>25}   {COUNT}"
    exact = found["exact"]
    by_mode = f"{exact['by_mode']['value']:.6g} ± {exact['by_mode']['standard_error']:.2g}"
    assert lines[20:] == [
        f"W2 exact               {wasserstein2(EIGENVALUES):.10g}",
        f"W2 of these particles  {by_mode}  (by mode)",
        f"largest deviation      {exact['largest_error']:.3g} standard errors, of mean or variance in a mode",
    ]


def test_the_seed_decides_and_the_precision_does_not(here: Path) -> None:
    clouds: list[Floats] = []
    for name, words in (("a", "--seed 1"), ("b", "--seed 2"), ("c", "--seed 1 --dtype float64"), ("d", "--seed 1")):
        status, out, _ = asked(*GAUSSIAN, "--particles", "9", *words.split(), "--out", f"{name}.npy")
        assert (status, out.splitlines()[-2:]) == (0, ["", f"wrote {name}.npy"])
        clouds.append(np.load(here / f"{name}.npy"))
    assert [cloud.dtype for cloud in clouds] == [np.float32, np.float32, np.float64, np.float32]
    assert np.array_equal(clouds[0], clouds[3])
    assert np.abs(clouds[0] - clouds[1]).max() > 0.1
    assert np.abs(clouds[0] - clouds[2]).max() < 1e-5


def test_moments_of_particles_that_are_not_kept() -> None:
    found = numbers(*GAUSSIAN, "--particles", "1e5", "--moments-only")
    assert list(found) == KEYS.split()
    assert found["particles"] == 100_000
    assert found["distances"] == {}
    exact = found["exact"]
    assert exact["by_mode"]["points"] == [100_000, 0]
    assert 0 < exact["by_mode"]["standard_error"] < 0.01
    assert abs(exact["by_mode"]["value"] - wasserstein2(EIGENVALUES)) < 4.5 * exact["by_mode"]["standard_error"]
    assert 0 < exact["largest_error"] < 4.5
    status, out, _ = asked(*GAUSSIAN, "--particles", "100", "--moments-only")
    assert status == 0
    assert "distance" not in out
    assert [line[:20].rstrip() for line in out.splitlines()[-3:]] == [
        "W2 exact",
        "W2 of these particle",
        "largest deviation",
    ]


def test_particles_that_diverge_are_a_value() -> None:
    """Steps of three times the largest stable size, 500 of them: no number of 32 bits holds what comes."""
    langevin = (
        "sampler=Langevin",
        "sampler.step_size=10",
        "grid.steps=2000",
        "spectrum=Custom",
        "spectrum.eigenvalues=1",
    )
    found = numbers(*langevin, "--particles", "50")
    assert {entry["value"] for entry in found["distances"].values()} == {math.inf}
    assert all(math.isfinite(entry["floor"]) for entry in found["distances"].values())
    assert found["exact"]["wasserstein2"] == found["gaussian_prediction"] == math.inf
    assert math.isnan(found["exact"]["largest_error"])
    assert found["exact"]["modes"] == 0


# -------------------------------------------------------------------------------------------------- other data


def test_data_that_are_not_gaussian_are_compared_with_the_gaussian_of_their_covariance() -> None:
    found = numbers(*MOONS, "--particles", "50")
    variances = Mixture(components=6).law().variance.numpy()
    assert found["exact"] is None
    assert found["gaussian_prediction"] == pytest.approx(wasserstein2(variances), rel=1e-9)
    status, out, _ = asked(*MOONS, "--particles", "50")
    assert status == 0
    assert out.splitlines()[-1] == f"W2 of Gaussian theory  {wasserstein2(variances):.10g}"


def test_particles_are_written_as_the_data_are(here: Path) -> None:
    """The exact score of three points leads to one of them, in the coordinates of the file."""
    points = np.array([[10.0, 0.0, 1.0], [13.0, 1.0, 1.0], [11.0, 5.0, -2.0]])
    np.save(here / "points.npy", points)
    to_points = ("grid=Karras", "grid.steps=40", "grid.start=80", "grid.stop=0.01", "grid.to_zero=true", "sampler=DDIM")
    words = ("process=EDM", *to_points, "spectrum=Points", "spectrum.path=points.npy", "--particles", "300")
    assert numbers(*words, "--out", "cloud.npy")["exact"] is None
    distances = cdist(np.load(here / "cloud.npy"), points)
    assert distances.min(1).max() < 1e-3
    shares = np.bincount(distances.argmin(1), minlength=3) / 300
    assert np.abs(shares - 1 / 3).max() < 4.5 * math.sqrt(2 / 9 / 300)


# --------------------------------------------------------------------------------------------------- a network


def test_a_network_is_trained_once_and_read_later(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (*MOONS, *SMALL, "--particles", "20", "--weights", "net.safetensors")
    first = numbers(*words, "--out", "first.npy")
    assert [path.name for path in sorted(here.iterdir())] == ["first.npy", "net.safetensors"]
    written = (here / "net.safetensors").read_bytes()
    # It would now be an error to train.
    monkeypatch.setattr(sampling, "train_for", None)
    second = numbers(*words, "--out", "second.npy")
    assert (here / "net.safetensors").read_bytes() == written
    assert (here / "first.npy").read_bytes() == (here / "second.npy").read_bytes()
    assert first["network"] == second["network"]
    assert list(first["network"]) == "loss floor excess excess_error iterations".split()
    assert first["network"]["iterations"] == 3
    assert first["network"]["loss"] > first["network"]["floor"] > 0
    status, out, _ = asked(*words)
    assert status == 0
    loss = f"{first['network']['loss']:.6g}, of the exact denoiser {first['network']['floor']:.6g}"
    assert out.splitlines()[-1] == f"loss of the network    {loss}, after 3 iterations"


def test_a_network_without_training_is_the_gaussian_theory(here: Path) -> None:
    words = (*MOONS, *SMALL, "score.iterations=0", "--particles", "1000", "--out", "cloud.npy")
    found = numbers(*words)
    # By definition of its units.
    assert found["network"]["loss"] == pytest.approx(1.0, abs=0.05)
    variances = Mixture(components=6).law().variance.numpy()
    assert found["gaussian_prediction"] == pytest.approx(wasserstein2(variances), rel=1e-9)
    # A rotation keeps the sum of variances.
    cloud = np.load(here / "cloud.npy").astype(np.float64)
    total, spread = ended(variances).sum(), math.sqrt(2 / 1000 * np.square(ended(variances)).sum())
    assert abs(cloud.var(0, ddof=1).sum() - total) < 4.5 * spread


# ------------------------------------------------------------------------------------------ progress and Ctrl+C


def test_a_terminal_hears_of_progress() -> None:
    status, out, err = watched(*MOONS, *SMALL, "--particles", "20", "--json")
    assert status == 0
    lines = [line.strip() for line in err.split("\r")]
    shares = [f"{k / 12:.0%} {kind.title}" for k, kind in enumerate((*DISTANCES, *DISTANCES))]
    told = [line for line in lines if line and "training" not in line and "sampling" not in line]
    assert list(dict.fromkeys(told)) == shares
    assert "100% training" in lines
    assert "100% sampling" in lines
    assert lines[-2:] == ["", ""]
    assert json.loads(out)["particles"] == 20


def test_an_interrupt_ends_it_cleanly(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "measure_all", interrupted)
    words = (*GAUSSIAN, "--particles", "20", "--out", "cloud.npy")
    assert asked(*words) == (130, "", "wasserscope: stopped.\n")
    assert list(here.iterdir()) == []


# --------------------------------------------------------------------------------------------------- bad input

NUMBER = "must be a number such as 0.02, 5e-3, 1/50 or 2^-6"
NAMED = "choose another one, or train the network anew"

REFUSED: dict[str, str] = {
    "": "the following arguments are required: --particles; see `wasserscope sample --help`.",
    "--particles 1": "Sampling.particles (P) must lie in [2, 1e+12], got 1.",
    "--particles 2e12": "Sampling.particles (P) must lie in [2, 1e+12], got 2000000000000.0.",
    "--particles 2.5": "Sampling.particles (P) must be a whole number in [2, 1e+12], got 2.5.",
    "--particles many": f"Sampling.particles (P) {NUMBER}, got 'many'.",
    "--particles 1e12": "1000000000000 particles do not fit into memory beside the data they are compared with; "
    "choose 390625 or fewer, or --moments-only.",
    "--particles 1e12 --dtype float64 --out cloud.npy": "1000000000000 particles do not fit into memory beside the "
    "data they are compared with; choose 219726 or fewer.",
    "--particles 1e12 spectrum=Mixture": "1000000000000 particles do not fit into memory beside the data they are "
    "compared with; choose 104111392 or fewer.",
    "--particles 9 --seed -1": "Sampling.seed must lie in [0, 9.0072e+15], got -1.",
    "--particles 9 --device gpu": "Sampling.device must be one of cpu, cuda, got 'gpu'.",
    "--particles 9 --device cuda": "device cuda needs an NVIDIA graphics card and a PyTorch made for it, and there is "
    "none; use cpu.",
    "--particles 9 --dtype float16": "Sampling.dtype must be one of float64, float32, got 'float16'.",
    "--particles 9 --out cloud.csv": "cloud.csv: particles are written as .npy; end the name in it.",
    "--particles 9 --out no/cloud.npy": "Cannot write no/cloud.npy: the folder does not exist. Create the folder or "
    "choose another one.",
    "--particles 9 --out text.npy/cloud.npy": "Cannot write text.npy/cloud.npy: a part of the path is a file, not a "
    "folder. Choose another folder.",
    "--particles 9 --out folder.npy": "Cannot write folder.npy: it is a folder. Choose a file name.",
    "--particles 9 --out cloud.npy observation=Blur": "--out writes data in their own coordinates (observation "
    "Unobserved), got Blur, of which the modes alone are known; leave --out out.",
    "--particles 9 --out cloud.npy --moments-only": "--moments-only keeps no particles that --out could write; leave "
    "one of them out.",
    "--particles 9 --moments-only spectrum=Mixture": "--moments-only is for Gaussian data with an affine score, got "
    "Mixture with Exact; leave it out.",
    "--particles 9 --weights net.safetensors": "--weights are those of a Network, got Exact; choose score=Network, or "
    "leave --weights out.",
    "--particles 9 --weights net.pt score=Network": "net.pt: weights are written as .safetensors; end the name in it.",
    "--particles 9 --weights no/net.safetensors score=Network": "Cannot write no/net.safetensors: the folder does not "
    "exist. Create the folder or choose another one.",
    "--particles 9 --weights text.safetensors score=Network": f"text.safetensors is not a safetensors file; {NAMED}.",
    "--particles 9 --weights folder.safetensors score=Network": "folder.safetensors: cannot be read: is a directory.",
    "--particles 9 spectrum=Mixture observation=Blur": "Mixture is sampled as it is (observation Unobserved), got "
    "Blur.",
    "--particles 9 score=Network observation=Blur": "Network is trained on samples of the data themselves "
    "(Unobserved), got Blur.",
    "--particles 9 spectrum=Points spectrum.path=text.npy": "Points.path: {here}/text.npy cannot be read as a .npy "
    "file: it does not start like one.",
    "--particles 9 spectrum=Points spectrum.path=nan.npy": "Points.path: {here}/nan.npy holds nan at row 1, column 0, "
    "counted from 0; samples are finite numbers.",
    "--particles 9 spectrum=FittedMixture spectrum.path=three.npy spectrum.components=10": "FittedMixture.path: "
    "{here}/three.npy holds 3 samples, fewer than 10 components; lower components.",
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_in_a_sentence(here: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Nothing is written."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**9))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("text.npy", "text.safetensors"):
        (here / name).write_text("no numbers")
    for name in ("folder.npy", "folder.safetensors"):
        (here / name).mkdir()
    rows = np.arange(6.0).reshape(3, 2)
    np.save(here / "three.npy", rows)
    rows[1, 0] = math.nan
    np.save(here / "nan.npy", rows)
    before = sorted(here.rglob("*"))
    sentence = REFUSED[words].replace("{here}", str(here))
    assert asked(*words.split()) == (2, "", f"wasserscope: {sentence}\n")
    assert sorted(here.rglob("*")) == before
