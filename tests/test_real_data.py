"""From a folder of photographs to an error report and its figures: scikit-learn's scanned digits as PNG files."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from explorer import reporting
from explorer.cli import main, read_session
from explorer.plots import PLOTS
from explorer.session import changed_files, load
from kernels.experiment import Experiment
from kernels.report import report
from kernels.spectra import ImageFolder

COUNT = 600
Pixels = NDArray[np.float64]


def scanned() -> NDArray[np.uint8]:
    """Digits as 8-bit gray images."""
    images: Any = getattr(load_digits(), "images")  # noqa: B009  (scikit-learn carries no types)
    return np.round(np.asarray(images[:COUNT]) * (255 / 16)).astype(np.uint8)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scanned") / "some digits"
    folder.mkdir()
    for number, image in enumerate(scanned()):
        Image.fromarray(image).save(folder / f"{number:04d}.png")
    return folder


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    """One row per image, in [-1, 1]."""
    return scanned().reshape(COUNT, -1) / 127.5 - 1


def wasserscope(words: Sequence[str]) -> str:
    """What the program prints."""
    root = str(Path(__file__).resolve().parents[1])
    run = subprocess.run(
        [sys.executable, "-m", "explorer.cli", *words],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_the_report_of_digits(digits: Path, pixels: Pixels) -> None:
    spectrum = ("spectrum=ImageFolder", f"spectrum.path={digits}", "spectrum.size=8", "spectrum.color=false")
    words = (
        "run",
        *spectrum,
        "process=EDM",
        "grid=Karras",
        "grid.steps=18",
        "sampler=Heun",
        "--json",
    )
    found = json.loads(wasserscope(words))

    covariance = np.cov(pixels.T)
    eigenvalues = found["modes"]["eigenvalue"]
    assert len(eigenvalues) == 64
    assert sum(eigenvalues) == pytest.approx(np.trace(covariance), rel=1e-12)
    assert eigenvalues == pytest.approx(np.linalg.eigvalsh(covariance)[::-1].clip(0), rel=1e-9, abs=1e-12)
    # Some pixels are the same in all images: these modes hold the rest of the mean, and no variance.
    assert eigenvalues[-1] == 0.0
    alone = report(Experiment(spectrum=ImageFolder(path=str(digits), size=8, color=False))).modes
    assert float(alone.eigenvalue.sum()) == pytest.approx(np.trace(covariance), rel=1e-12)

    mean = ImageFolder(path=str(digits), size=8, color=False).law().mean
    assert float(mean.square().sum()) == pytest.approx(float(np.square(pixels.mean(0)).sum()), rel=1e-12)
    assert found["calls"] == 36
    assert 0 < found["wasserstein2"]["total"] < 1


def test_the_figures_of_digits(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Those that show the data; every figure of a run is looked at beside the command line.
    shown = tuple(plot for plot in PLOTS if plot.name in ("convergence", "modes", "spectrum"))
    monkeypatch.setattr(reporting, "PLOTS", shown)
    spectrum = ("spectrum=ImageFolder", f"spectrum.path={digits}", "spectrum.size=8", "spectrum.color=false")
    assert main(["run", *spectrum, "sampler=DDIM", "--out", str(tmp_path / "results")]) == 0
    written = {path.name for path in (tmp_path / "results").iterdir()}
    pictures = {f"{plot.name}.{suffix}" for plot in shown for suffix in ("svg", "png")}
    assert len(pictures) == 6
    assert written == {"report.json", "modes.csv", "path.csv", "session.toml", *pictures}
    for plot in shown:
        root = ElementTree.parse(tmp_path / "results" / f"{plot.name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "some digits" in "".join(root.itertext())
        with Image.open(tmp_path / "results" / f"{plot.name}.png") as image:
            assert image.size == (1280, 840)
            colors = image.convert("RGB").getcolors(maxcolors=2**20)
        # A drawing: mostly paper, and more than one ink.
        assert colors is not None
        assert len(colors) > 10
        assert max(colors)[1] == (255, 255, 255)
    session = tmp_path / "results" / "session.toml"
    assert load(session).experiment.spectrum == ImageFolder(path=str(digits), size=8, color=False)
    assert changed_files(session.read_text(encoding="utf-8")) == []
    Image.new("L", (8, 8), 255).save(digits / "0000.png")
    assert changed_files(session.read_text(encoding="utf-8")) == [str(digits)]
    Image.fromarray(scanned()[0]).save(digits / "0000.png")


@pytest.mark.parametrize("sampler", ["EulerMaruyama", "DDIM", "Heun", "DPMSolverPP2M"])
def test_more_steps_are_better_on_digits(digits: Path, sampler: str) -> None:
    spectrum = ("spectrum=ImageFolder", f"spectrum.path={digits}", "spectrum.size=8", "spectrum.color=false")
    totals: list[float] = []
    for steps in (5, 10, 20, 40, 80):
        words = (*spectrum, "process=EDM", "grid=Karras", f"grid.steps={steps}", f"sampler={sampler}", "start=Marginal")
        totals.append(float(report(read_session(words).experiment).wasserstein2.discretization))
    assert all(after < before for before, after in pairwise(totals))
    order = {"EulerMaruyama": 1, "DDIM": 1, "Heun": 2, "DPMSolverPP2M": 2}[sampler]
    assert totals[-2] / totals[-1] == pytest.approx(2**order, rel=0.25)


def test_error_by_mode_falls_on_the_modes_that_images_have(digits: Path, pixels: Pixels) -> None:
    spectrum = ImageFolder(path=str(digits), size=8, color=False)
    found = report(Experiment(spectrum=spectrum)).modes
    assert float(found.share.sum()) == pytest.approx(1.0, rel=1e-12)
    # Sampled back into pixels, the mean is what numpy says of the images.
    length = float(np.linalg.norm(pixels.mean(0)))
    assert float(found.mean.norm()) == pytest.approx(length, rel=0.05)


def test_larger_images_are_shrunk_and_colored_ones_have_three_channels(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    images = scanned()[:30]
    for number, image in enumerate(images):
        Image.fromarray(np.kron(image, np.ones((4, 4), dtype=np.uint8))).save(folder / f"{number}.png")
    gray = ImageFolder(path=str(folder), size=8, color=False).law()
    color = ImageFolder(path=str(folder), size=8, color=True).law()
    assert (len(gray.variance), len(color.variance)) == (64, 192)
    # Gray in three channels has three times the variance, in as many modes: fewer images than pixels.
    assert float(color.variance.sum()) == pytest.approx(3 * float(gray.variance.sum()), rel=1e-9)
    assert int((gray.variance > 0).sum()) == int((color.variance > 0).sum()) == 29
    shrunk = [np.asarray(Image.open(path).resize((8, 8), Image.Resampling.LANCZOS)) for path in folder.iterdir()]
    trace = np.trace(np.cov(np.stack(shrunk).reshape(30, -1).T / 127.5 - 1))
    assert float(gray.variance.sum()) == pytest.approx(trace, rel=1e-12)
    # Blocks of equal pixels are not smoothed away.
    assert trace > 0.7 * np.trace(np.cov(images.reshape(30, -1).T / 127.5 - 1))
