"""Laws that are their samples: in the coordinates of the data everything is a sum over the samples."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from kernels.spectra import (
    ImageFolder,
    ImagePoints,
    Placed,
    Points,
    SampleFile,
    Spectrum,
    Texture,
    frame_of,
    population_of,
)
from tests.refusing import refusal

Floats = NDArray[np.float64]
SHAPES = ((60, 4), (5, 40), (6, 6), (2, 1), (2, 3))
of_every_size = pytest.mark.parametrize("shape", SHAPES)


def saved(path: Path, samples: Floats) -> str:
    np.save(path, samples)
    return str(path)


def some_samples(shape: tuple[int, int]) -> Floats:
    return np.random.default_rng(1).normal(0.7, 1.0, shape) * np.linspace(0.2, 2.0, shape[1])


def folder_of(path: Path, count: int, shape: tuple[int, ...]) -> Floats:
    """A folder of random images of few colors; returns their pixels scaled to [-1, 1], one per row."""
    path.mkdir()
    images = np.random.default_rng(2).integers(0, 256, (count, *shape), dtype=np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number:03}.png")
    return images.reshape(count, -1) / 127.5 - 1.0


def placed_moments(spectrum: Spectrum) -> tuple[Floats, Floats]:
    """Mean and covariance of the data, out of the law and the frame."""
    law, frame = spectrum.law(), frame_of(spectrum)
    modes = law.variance.numel()
    basis = frame.place(torch.eye(modes, dtype=torch.float64)).reshape(modes, -1)
    assert (basis @ basis.T).numpy() == pytest.approx(np.eye(modes), abs=1e-12)
    return (law.mean @ basis).numpy(), (basis.T @ torch.diag(law.variance) @ basis).numpy()


def covariance(samples: Floats, *, ddof: int) -> Floats:
    return np.atleast_2d(np.cov(samples, rowvar=False, ddof=ddof))


# ---------------------------------------------------------------------------------------- Gaussian data


@of_every_size
def test_modes_of_a_sample_file_are_placed_where_its_samples_are(tmp_path: Path, shape: tuple[int, int]) -> None:
    samples = some_samples(shape)
    spectrum = SampleFile(path=saved(tmp_path / "a.npy", samples))
    mean, found = placed_moments(spectrum)
    assert mean == pytest.approx(samples.mean(0), abs=1e-12)
    assert found == pytest.approx(covariance(samples, ddof=1), abs=1e-12)
    assert frame_of(spectrum).shape == (shape[1],)
    assert frame_of(spectrum) is frame_of(spectrum)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_samples_that_are_all_the_same(tmp_path: Path, shape: tuple[int, int]) -> None:
    spectrum = SampleFile(path=saved(tmp_path / "a.npy", np.full(shape, 0.1)))
    mean, found = placed_moments(spectrum)
    assert mean == pytest.approx([0.1] * shape[1], rel=1e-13)
    assert np.abs(found).max() < 1e-25


@pytest.mark.parametrize("shape", [(20, 3), (3, 20)])
def test_samples_without_a_mean(tmp_path: Path, shape: tuple[int, int]) -> None:
    samples = some_samples(shape)
    samples = np.concatenate([samples, -samples])
    mean, found = placed_moments(SampleFile(path=saved(tmp_path / "a.npy", samples)))
    assert mean == pytest.approx(np.zeros(shape[1]), abs=1e-14)
    assert found == pytest.approx(covariance(samples, ddof=1), abs=1e-12)


@pytest.mark.parametrize(("count", "shape"), [(7, (4, 4, 3)), (30, (3, 3))])
def test_modes_of_a_folder_are_placed_as_images(tmp_path: Path, count: int, shape: tuple[int, ...]) -> None:
    samples = folder_of(tmp_path / "images", count, shape)
    spectrum = ImageFolder(path=str(tmp_path / "images"), size=shape[0], color=len(shape) == 3)
    mean, found = placed_moments(spectrum)
    assert mean == pytest.approx(samples.mean(0), abs=1e-12)
    assert found == pytest.approx(covariance(samples, ddof=1), abs=1e-12)
    frame = frame_of(spectrum)
    assert frame.shape == (shape[0], shape[1], 3 if len(shape) == 3 else 1)
    assert frame.is_image
    # A sample of the folder is in the span of the modes that have variance, and of the mean.
    modes = frame.modes_of(torch.from_numpy(samples).reshape(count, *frame.shape))
    assert modes[:, spectrum.law().variance.count_nonzero() + 1 :].flatten().tolist() == pytest.approx(
        [0.0] * (count * max(samples.shape[1] - count, 0)), abs=1e-12
    )


def shifted(image: Floats) -> Floats:
    """Covariance of the stationary texture: the mean over all shifts of products of pixels, written out."""
    height, width, _ = image.shape
    deviations = image - image.mean(axis=(0, 1))
    rolled = [np.roll(deviations, (i, j), axis=(0, 1)).reshape(-1) for i in range(height) for j in range(width)]
    return np.cov(np.array(rolled).T, bias=True)


@pytest.mark.parametrize("shape", [(4, 5, 3), (6, 4, 3), (5, 6), (1, 7), (3, 1, 3)])
def test_modes_of_a_texture_are_placed_as_its_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    # Channels that go together, one of them weaker than the others at all frequencies and constant.
    if len(shape) == 3:
        pixels[..., 0] = 40
    Image.fromarray(pixels).save(tmp_path / "a.png")
    spectrum = Texture(path=str(tmp_path / "a.png"), color=len(shape) == 3)
    image = (pixels / 127.5 - 1.0).reshape(shape[0], shape[1], -1)
    mean, found = placed_moments(spectrum)
    assert mean == pytest.approx(np.broadcast_to(image.mean(axis=(0, 1)), image.shape).reshape(-1), abs=1e-13)
    assert found == pytest.approx(shifted(image), abs=1e-12)
    assert frame_of(spectrum).shape == image.shape


def test_a_plain_texture_is_placed(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (10, 20, 30)).save(tmp_path / "a.png")
    mean, found = placed_moments(Texture(path=str(tmp_path / "a.png")))
    assert mean.reshape(6, 3) == pytest.approx(np.array([[10, 20, 30]] * 6) / 127.5 - 1.0, rel=1e-13)
    assert not found.any()


def test_samples_of_a_texture_have_the_periodogram_of_its_image(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    spectrum = Texture(path=str(tmp_path / "a.png"))
    n = 4000
    images = frame_of(spectrum).place(spectrum.law().sample(n, torch.Generator().manual_seed(6))).numpy()
    energy = np.square(np.abs(np.fft.fft2(images, axes=(1, 2)))).sum(-1) / 30
    expected = np.square(np.abs(np.fft.fft2(pixels / 127.5 - 1.0, axes=(0, 1)))).sum(-1) / 30
    spread = energy.std(0) / math.sqrt(n) + 1e-12
    assert np.abs((energy.mean(0) - expected) / spread).max() < 4.5


# ------------------------------------------------------------------------------------------------ points


@of_every_size
def test_the_law_of_points_is_that_of_the_measure(tmp_path: Path, shape: tuple[int, int]) -> None:
    samples = some_samples(shape)
    mean, found = placed_moments(Points(path=saved(tmp_path / "a.npy", samples)))
    assert mean == pytest.approx(samples.mean(0), abs=1e-12)
    assert found == pytest.approx(covariance(samples, ddof=0), abs=1e-12)


@of_every_size
def test_samples_of_points_are_rows_of_the_file(tmp_path: Path, shape: tuple[int, int]) -> None:
    samples = some_samples(shape)
    spectrum = Points(path=saved(tmp_path / "a.npy", samples))
    n = 4000
    drawn = frame_of(spectrum).place(population_of(spectrum).sample(n, torch.Generator().manual_seed(7))).numpy()
    distance = np.abs(drawn[:, None] - samples).max(2)
    assert distance.min(1) == pytest.approx(np.zeros(n), abs=1e-12)
    counts = np.bincount(distance.argmin(1), minlength=shape[0])
    share = 1 / shape[0]
    assert np.abs(counts / n - share).max() < 4.5 * math.sqrt(share * (1 - share) / n)


@of_every_size
@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 1.0), (0.5, 0.2), (1.0, 30.0), (1.0, 1e-3)])
def test_the_denoiser_of_points_is_a_mean_of_rows(
    tmp_path: Path, shape: tuple[int, int], alpha: float, sigma: float
) -> None:
    samples = some_samples(shape)
    spectrum = Points(path=saved(tmp_path / "a.npy", samples))
    rng = np.random.default_rng(8)
    x = alpha * samples[rng.integers(0, shape[0], 50)] + sigma * rng.standard_normal((50, shape[1]))
    exponent = -np.square(x[:, None] - alpha * samples).sum(2) / (2 * sigma**2)
    shares = np.exp(exponent - exponent.max(1, keepdims=True))
    expected = shares @ samples / shares.sum(1, keepdims=True)
    frame, population = frame_of(spectrum), population_of(spectrum)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        modes = frame.modes_of(torch.from_numpy(x)).to(dtype)
        found = frame.place(population.denoiser(modes, alpha, sigma))
        assert found.double().numpy() == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(("count", "shape"), [(7, (4, 4, 3)), (30, (3, 3))])
def test_images_of_a_folder_are_points(tmp_path: Path, count: int, shape: tuple[int, ...]) -> None:
    samples = folder_of(tmp_path / "images", count, shape)
    spectrum = ImagePoints(path=str(tmp_path / "images"), size=shape[0], color=len(shape) == 3)
    mean, found = placed_moments(spectrum)
    assert mean == pytest.approx(samples.mean(0), abs=1e-12)
    assert found == pytest.approx(covariance(samples, ddof=0), abs=1e-12)
    drawn = frame_of(spectrum).place(population_of(spectrum).sample(20, torch.Generator().manual_seed(9)))
    distance = np.abs(drawn.reshape(20, 1, -1).numpy() - samples).max(2)
    assert distance.min(1) == pytest.approx(np.zeros(20), abs=1e-12)
    assert frame_of(spectrum).is_image


def test_points_that_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = some_samples((31, 4))
    monkeypatch.setattr("kernels.spectra.pca._BLOCK", 12)
    spectrum = Points(path=saved(tmp_path / "a.npy", samples))
    drawn = frame_of(spectrum).place(population_of(spectrum).sample(50, torch.Generator().manual_seed(10))).numpy()
    assert np.abs(drawn[:, None] - samples).max(2).min(1) == pytest.approx(np.zeros(50), abs=1e-12)


def test_points_are_read_again_when_their_file_changes(tmp_path: Path) -> None:
    spectrum = Points(path=saved(tmp_path / "a.npy", some_samples((5, 2))))
    first = population_of(spectrum)
    assert population_of(spectrum) is first
    assert spectrum.law() is first.law
    saved(tmp_path / "a.npy", some_samples((6, 2)))
    assert population_of(spectrum) is not first


# --------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("samples", "defect"),
    [
        (np.ones((1, 3)), "holds one sample; a covariance needs at least 2"),
        (np.ones(3), "holds an array of shape (3,); reshape it to one row per sample"),
        (np.array([[0, 1], [2, np.nan]]), "holds nan at row 1, column 1, counted from 0; samples are finite numbers"),
        (np.array([[1e200, 0.0], [-1e200, 1.0]]), "holds numbers too large to be squared; rescale them"),
    ],
)
@pytest.mark.parametrize("kind", [Points, SampleFile])
def test_samples_that_have_no_covariance_are_refused(
    tmp_path: Path, kind: type[Points] | type[SampleFile], samples: Floats, defect: str
) -> None:
    path = saved(tmp_path / "samples.npy", samples)
    assert refusal(kind(path=path)) == f"{kind.__name__}.path: {path} {defect}."


def test_points_too_many_for_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "samples.npy", np.ones((5, 6)))
    sentence = f"Points.path: {path} holds 5 samples of 6 numbers, too many for memory; use fewer of either."
    with monkeypatch.context() as limits:
        limits.setattr("kernels.spectra.points.LARGEST_CLOUD", 239)
        assert refusal(Points(path=path)) == sentence
    monkeypatch.setattr("kernels.spectra.pca.LARGEST_BASIS", 239)
    assert refusal(Points(path=path)) == sentence


@pytest.mark.parametrize(
    ("spectrum", "sentence"),
    [
        (Points(), "Points.path: no file chosen; give the path of a .npy, .npz, .csv or .txt file of samples."),
        (SampleFile(), "SampleFile.path: no file chosen; give the path of a .npy, .npz, .csv or .txt file of samples."),
        (ImagePoints(), "ImagePoints.path: no folder chosen; give the path of a folder of PNG or JPEG images."),
        (ImageFolder(), "ImageFolder.path: no folder chosen; give the path of a folder of PNG or JPEG images."),
        (Texture(), "Texture.path: no file chosen; give the path of a PNG or JPEG image."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_file_must_be_chosen(spectrum: Placed, sentence: str) -> None:
    assert refusal(spectrum) == sentence
