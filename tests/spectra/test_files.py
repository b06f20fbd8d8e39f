import hashlib
import io
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from kernels.gaussian import Gaussian
from kernels.spectra import EigenvalueFile, ImageFolder, SampleFile, Spectrum, Texture
from kernels.spectra import files as files_module
from kernels.spectra.files import content_digest, pixels, read_image

Array = np.ndarray[Any, np.dtype[Any]]
FORMATS = (".npy", ".npz", ".csv", ".txt")
of_every_format = pytest.mark.parametrize("suffix", FORMATS)


def written(path: Path, array: Array) -> str:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, array)
    else:
        np.savetxt(path, array, fmt="%.17g", delimiter="," if path.suffix == ".csv" else " ")
    return str(path)


def drawn(path: Path, seed: int, shape: tuple[int, ...]) -> Array:
    """A PNG of random pixels; returns them scaled to [-1, 1]."""
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels / 127.5 - 1.0


def digit_images() -> Array:
    digits: Any = load_digits()
    return digits.images


def dense(law: Gaussian) -> tuple[Array, Array]:
    return law.mean.numpy(), law.variance.numpy()


def refusal(spectrum: Spectrum) -> str:
    with pytest.raises(ValueError) as caught:
        spectrum.law()
    return str(caught.value)


# ------------------------------------------------------------------------------------------ eigenvalues


@of_every_format
def test_eigenvalues_come_back_sorted(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"spectrum{suffix}", np.array([0.1, 3.0, 0.0, 1 / 3]))
    mean, variance = dense(EigenvalueFile(path=path, mean=0.5).law())
    assert variance.tolist() == [3.0, 1 / 3, 0.1, 0.0]
    assert mean.tolist() == [0.5] * 4


@given(st.lists(st.floats(0.0, 1e300), min_size=1, max_size=20), st.sampled_from(FORMATS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_eigenvalues_survive_a_round_trip(tmp_path: Path, values: list[float], suffix: str) -> None:
    path = tmp_path / f"{hashlib.sha256(repr(values).encode()).hexdigest()}{suffix}"
    assert EigenvalueFile(path=written(path, np.array(values))).law().variance.tolist() == sorted(values, reverse=True)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_a_row_or_a_column_is_a_vector(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = written(tmp_path / "spectrum.npy", np.array([1, 2, 3]).reshape(shape))
    assert EigenvalueFile(path=path).law().variance.tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    "text",
    [
        "1\n2\n3\n",
        "1,2,3",
        "1; 2; 3;",
        " 1\t2  3 # the end",
        "\ufeff# eigenvalues\n\neigenvalue\n1\r\n2\r\n3\r\n",
        "a, b, c\n1e0, 0.2e1, +3.0",
    ],
)
def test_text_may_be_written_in_many_ways(tmp_path: Path, text: str) -> None:
    (tmp_path / "spectrum.txt").write_text(text, encoding="utf-8")
    assert EigenvalueFile(path=str(tmp_path / "spectrum.txt")).law().variance.tolist() == [3.0, 2.0, 1.0]


def test_a_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "SPECTRUM.CSV").write_text("1\n2\n", encoding="utf-8")
    assert EigenvalueFile(path=str(tmp_path / "SPECTRUM.CSV")).law().variance.tolist() == [2.0, 1.0]


def test_a_mean_in_the_file_moves_with_its_eigenvalues(tmp_path: Path) -> None:
    path = tmp_path / "spectrum.npz"
    np.savez(path, eigenvalues=np.array([1.0, 3.0, 2.0]), mean=np.array([10.0, 30.0, 20.0]), other=np.zeros(7))
    mean, variance = dense(EigenvalueFile(path=str(path), mean=5.0).law())
    assert variance.tolist() == [3.0, 2.0, 1.0]
    assert mean.tolist() == [30.0, 20.0, 10.0]


def test_a_mean_in_the_file_may_be_one_number(tmp_path: Path) -> None:
    np.savez(tmp_path / "spectrum.npz", values=np.array([1.0, 3.0]), mean=np.array(7))
    assert EigenvalueFile(path=str(tmp_path / "spectrum.npz"), mean=5.0).law().mean.tolist() == [7.0, 7.0]


def test_negative_rounding_becomes_zero(tmp_path: Path) -> None:
    path = written(tmp_path / "spectrum.npy", np.array([-1e-16, 2.0, -1.9e-10]))
    assert EigenvalueFile(path=path).law().variance.tolist() == [2.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, -1.0, 2.0], "-1.0 at position 1"),
        ([2.0, -2e-10], "-2e-10 at position 1"),
        ([-1.0, -2.0], "-1.0 at position 0"),
        ([1.0, 2.0, np.nan], "nan at position 2"),
        ([np.inf, 1.0], "inf at position 0"),
    ],
)
def test_other_eigenvalues_are_refused(tmp_path: Path, values: list[float], found: str) -> None:
    path = written(tmp_path / "spectrum.npy", np.array(values))
    sentence = f"{path} holds {found}, counted from 0; eigenvalues are finite and nonnegative."
    assert refusal(EigenvalueFile(path=path)) == f"EigenvalueFile.path: {sentence}"


@of_every_format
def test_a_matrix_is_not_a_spectrum(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"covariance{suffix}", np.eye(3))
    advice = "give a vector of eigenvalues, such as those of numpy.linalg.eigvalsh of a covariance matrix"
    sentence = f"EigenvalueFile.path: {path} holds an array of shape (3, 3); {advice}."
    assert refusal(EigenvalueFile(path=path)) == sentence


@pytest.mark.parametrize("mean", [np.zeros(3), np.array([1.0, np.nan])])
def test_a_mean_that_does_not_fit_is_refused(tmp_path: Path, mean: Array) -> None:
    path = tmp_path / "spectrum.npz"
    np.savez(path, eigenvalues=np.ones(2), mean=mean)
    sentence = f"EigenvalueFile.path: {path} holds a mean that is not 1 or 2 finite numbers."
    assert refusal(EigenvalueFile(path=str(path))) == sentence


def test_one_of_several_arrays_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "spectrum.npz"
    np.savez(path, a=np.ones(2), b=np.ones(2))
    sentence = f"EigenvalueFile.path: {path} holds a, b; save one array, or name one of them eigenvalues."
    assert refusal(EigenvalueFile(path=str(path))) == sentence


# ---------------------------------------------------------------------------------------------- samples


@of_every_format
@pytest.mark.parametrize("shape", [(50, 4), (4, 50), (5, 5), (2, 1)])
def test_samples_agree_with_the_dense_covariance(tmp_path: Path, suffix: str, shape: tuple[int, int]) -> None:
    samples = np.random.default_rng(1).normal(0.7, 1.0, shape) * np.linspace(0.2, 2.0, shape[1])
    mean, variance = dense(SampleFile(path=written(tmp_path / f"samples{suffix}", samples)).law())
    eigenvalues, vectors = np.linalg.eigh(np.atleast_2d(np.cov(samples, rowvar=False)))
    rank = min(shape[0] - 1, shape[1])
    assert variance == pytest.approx(eigenvalues[::-1], rel=1e-10, abs=1e-13)
    assert mean[:rank] == pytest.approx(np.abs(vectors.T @ samples.mean(0))[::-1][:rank], rel=1e-8)
    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(samples.mean(0)), rel=1e-13)
    assert variance[rank:].tolist() == [0.0] * (shape[1] - rank)
    assert mean[rank + 1 :].tolist() == [0.0] * max(shape[1] - rank - 1, 0)


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 1000), st.integers(-3, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_total_variance_and_mean_are_kept(tmp_path: Path, count: int, modes: int, seed: int, offset: int) -> None:
    samples = np.random.default_rng(seed).normal(offset, 1.0, (count, modes))
    path = written(tmp_path / f"{count} {modes} {seed} {offset}.npy", samples)
    mean, variance = dense(SampleFile(path=path).law())
    assert variance.sum() == pytest.approx(samples.var(axis=0, ddof=1).sum(), rel=1e-12)
    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(samples.mean(0)), rel=1e-9)
    assert bool((variance[1:] <= variance[:-1]).all())


def test_more_modes_than_samples_is_the_same_law_as_fewer(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).normal(0.3, 1.0, (6, 6))
    padded = np.concatenate([samples, np.zeros((6, 4))], axis=1)
    square = SampleFile(path=written(tmp_path / "square.npy", samples)).law()
    wide = SampleFile(path=written(tmp_path / "wide.npy", padded)).law()
    assert wide.variance[:6].numpy() == pytest.approx(square.variance.numpy(), rel=1e-9, abs=1e-14)
    assert wide.mean[:6].numpy() == pytest.approx(square.mean.numpy(), rel=1e-9)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_equal_samples_have_no_variance(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = written(tmp_path / "samples.npy", np.full(shape, 0.1))
    mean, variance = dense(SampleFile(path=path).law())
    assert variance.tolist() == [0.0] * shape[1]
    assert mean == pytest.approx([0.1 * shape[1] ** 0.5, *([0.0] * (shape[1] - 1))], rel=1e-15)


def test_a_large_file_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(3).normal(2.0, 1.0, (101, 5)).astype(np.float32)
    whole = SampleFile(path=written(tmp_path / "whole.npy", samples)).law()
    monkeypatch.setattr("kernels.spectra.pca._BLOCK", 35)
    blocks = SampleFile(path=written(tmp_path / "blocks.npy", samples)).law()
    assert torch.allclose(whole.variance, blocks.variance, rtol=1e-13, atol=0.0)
    assert torch.allclose(whole.mean, blocks.mean, rtol=1e-12, atol=0.0)


def test_samples_agree_with_scikit_learn(tmp_path: Path) -> None:
    digits = digit_images().reshape(-1, 64)
    mean, variance = dense(SampleFile(path=written(tmp_path / "digits.npy", digits)).law())
    peer: Any = PCA().fit(digits)
    assert variance == pytest.approx(peer.explained_variance_, rel=1e-10, abs=1e-12)
    # Three pixels of the digits are always blank: their modes have variance 0, and no mean.
    assert variance[61:].tolist() == [0.0] * 3
    assert mean[:61] == pytest.approx(np.abs(peer.components_[:61] @ digits.mean(0)), rel=1e-9, abs=1e-11)
    assert mean[61:] == pytest.approx([0.0] * 3, abs=1e-12)


@pytest.mark.parametrize(
    ("samples", "defect"),
    [
        (np.ones((1, 3)), "holds one sample; a covariance needs at least 2"),
        (np.ones(3), "holds an array of shape (3,); reshape it to one row per sample"),
        (np.ones((2, 2, 2)), "holds an array of shape (2, 2, 2); reshape it to one row per sample"),
        (np.array([[0, 1], [2, np.nan]]), "holds nan at row 1, column 1, counted from 0; samples are finite numbers"),
        (np.array([[0, -np.inf], [2, 3]]), "holds -inf at row 0, column 1, counted from 0; samples are finite numbers"),
        (np.array([[1e200, 0.0], [-1e200, 1.0]]), "holds numbers too large to be squared; rescale them"),
        (np.ones((2, 2), dtype=complex), "holds values of type complex128, not real numbers; save an array of floats"),
        (np.array([["a", "b"]]), "holds values of type <U1, not real numbers; save an array of floats"),
        (np.ones((0, 2)), "holds an array without numbers; its shape is (0, 2)"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_samples_that_have_no_covariance_are_refused(tmp_path: Path, samples: Array, defect: str, suffix: str) -> None:
    path = written(tmp_path / f"samples{suffix}", samples)
    assert refusal(SampleFile(path=path)) == f"SampleFile.path: {path} {defect}."


def test_samples_too_large_to_decompose_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "samples.npy", np.zeros((5, 6)))
    monkeypatch.setattr("kernels.spectra.pca.LARGEST_IN_MEMORY", 239)
    sentence = f"SampleFile.path: {path} holds 5 samples of 6 numbers, too many for memory; use fewer of either."
    assert refusal(SampleFile(path=path)) == sentence
    monkeypatch.setattr("kernels.spectra.pca.LARGEST_MATRIX", 4)
    limit = "samples, or their numbers, may be 4 at most"
    assert refusal(SampleFile(path=path)) == f"SampleFile.path: {path} holds 5 samples of 6 numbers; {limit}."


def test_too_many_modes_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "spectrum.npy", np.zeros(10_000_001, dtype=np.bool_))
    sentence = f"EigenvalueFile.path: {path} has 10000001 modes, more than 10000000; use fewer."
    assert refusal(EigenvalueFile(path=path)) == sentence


# ----------------------------------------------------------------------------------------------- images


def test_a_folder_of_digits_agrees_with_scikit_learn(tmp_path: Path) -> None:
    digits = np.round(digit_images()[:200] * 15.9375).astype(np.uint8)
    for number, digit in enumerate(digits):
        Image.fromarray(digit).save(tmp_path / f"{number:04}.{'PNG' if number % 2 else 'png'}")
    mean, variance = dense(ImageFolder(path=str(tmp_path), size=8, color=False).law())
    samples = digits.reshape(200, 64) / 127.5 - 1.0
    peer: Any = PCA().fit(samples)
    assert variance == pytest.approx(peer.explained_variance_, rel=1e-9, abs=1e-13)
    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(samples.mean(0)), rel=1e-12)


@pytest.mark.parametrize("color", [False, True])
def test_images_of_a_folder_are_samples(tmp_path: Path, color: bool) -> None:
    folder = tmp_path / "images"
    (folder / "folder.png").mkdir(parents=True)
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_text("not an image")
    shape = (4, 4, 3) if color else (4, 4)
    samples = np.stack([drawn(folder / f"{seed}.png", seed, shape).reshape(-1) for seed in range(5)])
    law = ImageFolder(path=str(folder), size=4, color=color).law()
    peer = SampleFile(path=written(tmp_path / "samples.npy", samples)).law()
    assert torch.equal(law.variance, peer.variance)
    assert torch.equal(law.mean, peer.mean)


def test_images_are_resized_and_made_gray(tmp_path: Path) -> None:
    for name, level in (("black.png", 0), ("white.jpeg", 255), ("white.JPG", 255)):
        Image.new("RGB", (30, 20 + level), (level, level, level)).save(tmp_path / name)
    mean, variance = dense(ImageFolder(path=str(tmp_path), size=3, color=False).law())
    # Pixels are -1, 1, 1 in all nine places at once: one mode, of variance 9 * 4/3 and mean 3 * 1/3.
    assert variance == pytest.approx([12.0, *([0.0] * 8)])
    assert mean == pytest.approx([1.0, *([0.0] * 8)], abs=1e-12)


@pytest.mark.parametrize("count", [0, 1])
def test_a_folder_of_fewer_than_two_images_is_refused(tmp_path: Path, count: int) -> None:
    for seed in range(count):
        drawn(tmp_path / f"{seed}.png", seed, (4, 4))
    sentence = f"{tmp_path} holds {count} PNG or JPEG images; a covariance needs at least 2"
    assert refusal(ImageFolder(path=str(tmp_path))) == f"ImageFolder.path: {sentence}."


def test_too_many_images_for_memory_are_refused(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.png").write_text("")
    sentence = f"{tmp_path} holds 200 images, too many at 3145728 numbers each; lower the size"
    assert refusal(ImageFolder(path=str(tmp_path), size=1024)) == f"ImageFolder.path: {sentence}."


def test_a_broken_image_of_a_folder_is_named(tmp_path: Path) -> None:
    drawn(tmp_path / "a.png", 1, (4, 4))
    (tmp_path / "b.png").write_text("not an image")
    sentence = f"{tmp_path / 'b.png'} cannot be read as an image: it is not a PNG or JPEG file"
    assert refusal(ImageFolder(path=str(tmp_path))) == f"ImageFolder.path: {sentence}."


def test_an_image_of_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(tmp_path / "image.png", 1, (8, 8))
    for limit in (40, 20):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        sentence = f"{tmp_path / 'image.png'} cannot be read as an image: it has more than {limit} pixels"
        assert refusal(Texture(path=str(tmp_path / "image.png"))) == f"Texture.path: {sentence}."


def test_an_image_of_16_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(tmp_path / "deep.png")
    sentence = f"Texture.path: {tmp_path / 'deep.png'} has more than 8 bits per pixel; save it with 8 bits."
    assert refusal(Texture(path=str(tmp_path / "deep.png"))) == sentence


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (6, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert pixels(read_image(tmp_path / "turned.jpg", color=True)).shape == (6, 4, 3)


# ---------------------------------------------------------------------------------------------- texture


def circulant(image: Array) -> Array:
    """Covariance of the texture, written out: E[X(y, c) X(z, k)] is the autocorrelation of c and k at y - z."""
    height, width, channels = image.shape
    centered = image - image.mean(axis=(0, 1))
    covariance = np.zeros((height, width, channels) * 2)
    for i in range(height):
        for j in range(width):
            for k in range(height):
                for m in range(width):
                    moved = np.roll(centered, (k - i, m - j), axis=(0, 1))
                    covariance[i, j, :, k, m, :] = moved.reshape(-1, channels).T @ centered.reshape(-1, channels)
    return covariance.reshape(image.size, image.size) / (height * width)


@pytest.mark.parametrize("color", [False, True])
def test_a_texture_agrees_with_its_dense_covariance(tmp_path: Path, color: bool) -> None:
    image = drawn(tmp_path / "texture.png", 4, (4, 5, 3) if color else (4, 5)).reshape(4, 5, -1)
    mean, variance = dense(Texture(path=str(tmp_path / "texture.png"), color=color).law())
    covariance = circulant(image)
    assert covariance == pytest.approx(covariance.T, abs=1e-13)
    assert variance == pytest.approx(np.linalg.eigvalsh(covariance)[::-1], rel=1e-11, abs=1e-13)
    # The mean image is constant in each channel: the covariance does not see it, and its modes have variance 0.
    constant = np.broadcast_to(image.mean(axis=(0, 1)), image.shape).reshape(-1)
    assert covariance @ constant == pytest.approx(np.zeros(image.size), abs=1e-13)
    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(constant), rel=1e-13)
    assert variance[mean != 0.0].tolist() == [0.0] * image.shape[2]


@pytest.mark.parametrize("shape", [(16, 9), (7, 12, 3), (1, 1), (1, 6, 3)])
def test_the_variance_of_a_texture_is_that_of_its_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = drawn(tmp_path / "texture.png", 5, shape).reshape(shape[0], shape[1], -1)
    mean, variance = dense(Texture(path=str(tmp_path / "texture.png"), color=len(shape) == 3).law())
    sites = shape[0] * shape[1]
    assert variance.size == image.size
    assert variance.sum() == pytest.approx(sites * image.var(axis=(0, 1)).sum(), rel=1e-12)
    assert sorted(mean[mean != 0.0]) == pytest.approx(sorted(sites**0.5 * image.mean(axis=(0, 1))), rel=1e-13)
    assert bool((variance[1:] <= variance[:-1]).all())


def test_a_plain_image_is_a_texture_without_variance(tmp_path: Path) -> None:
    Image.new("RGB", (7, 5), (10, 20, 30)).save(tmp_path / "plain.png")
    mean, variance = dense(Texture(path=str(tmp_path / "plain.png")).law())
    assert variance.tolist() == [0.0] * 105
    assert mean[:3] == pytest.approx(35**0.5 * (np.array([10, 20, 30]) / 127.5 - 1.0), rel=1e-13)
    assert mean[3:].tolist() == [0.0] * 102


def test_a_texture_of_stripes_has_no_variance_across_them(tmp_path: Path) -> None:
    stripes = np.tile(np.random.default_rng(6).integers(0, 256, (1, 11), dtype=np.uint8), (9, 1))
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    variance = Texture(path=str(tmp_path / "stripes.png"), color=False).law().variance
    assert int((variance > 0.0).sum()) == 10


# ---------------------------------------------------------------------------------- refusals and digests


@pytest.mark.parametrize(
    ("spectrum", "sentence"),
    [
        (EigenvalueFile(), "no file chosen; give the path of a .npy, .npz, .csv or .txt file of eigenvalues"),
        (SampleFile(path="  "), "no file chosen; give the path of a .npy, .npz, .csv or .txt file of samples"),
        (ImageFolder(), "no folder chosen; give the path of a folder of PNG or JPEG images"),
        (Texture(), "no file chosen; give the path of a PNG or JPEG image"),
        (Texture(path="/nowhere/a.png"), "/nowhere/a.png does not exist"),
        (ImageFolder(path="/nowhere"), "/nowhere does not exist"),
        (SampleFile(path="/a\0.npy"), "/a\0.npy cannot be opened: embedded null byte"),
        (SampleFile(path="/" + "a" * 300), f"/{'a' * 300} cannot be opened: File name too long"),
        (SampleFile(path="/dev/null"), "/dev/null is not a regular file; " + "give the path of {samples}"),
        (SampleFile(path="/tmp"), "/tmp is a folder; give the path of {samples}"),
        (
            SampleFile(path=__file__),
            f"{__file__} does not end in .npy, .npz, .csv or .txt; " + "give the path of {samples}",
        ),
        (ImageFolder(path=__file__), f"{__file__} is not a folder; give the path of a folder of PNG or JPEG images"),
    ],
    ids=repr,
)
def test_a_path_that_leads_nowhere_is_refused(spectrum: Spectrum, sentence: str) -> None:
    expected = sentence.replace("{samples}", "a .npy, .npz, .csv or .txt file of samples")
    assert refusal(spectrum) == f"{type(spectrum).__name__}.path: {expected}."


def test_a_path_is_a_text() -> None:
    with pytest.raises(ValueError) as caught:
        EigenvalueFile(path=3)  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == "EigenvalueFile.path must be a path, got 3."


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        (b"", "is empty; give the path of a .npy, .npz, .csv or .txt file of samples"),
        (b"# nothing\n\n", "holds no numbers"),
        (b"a,b\n", "holds no numbers"),
        (b"1,2\n3,x\n", "holds 'x' on line 2, which is not a number"),
        (b"a,b\nc,d\n", "holds 'c' on line 2, which is not a number"),
        (b",0,1\n0,5,6\n", "holds '' on line 1, which is not a number"),
        (b"1,,2\n", "holds '' on line 1, which is not a number"),
        (b"0,5; 0,3\n", "holds '0,5' on line 1, which is not a number"),
        (b"1,2\n\n3\n", "holds 1 numbers on line 3, 2 on the lines above it"),
        (b"\xff\xfe1\x00", "cannot be read as text: it is not UTF-8"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path: Path, text: bytes, defect: str) -> None:
    path = tmp_path / "samples.csv"
    path.write_bytes(text)
    assert refusal(SampleFile(path=str(path))) == f"SampleFile.path: {path} {defect}."


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os._exit, (3,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "objects.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", trap)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Trap()))
    defects = {
        "objects.npy": "a .npy file: Array can't be memory-mapped: Python objects in dtype",
        "objects.npz": "a .npz file: Object arrays cannot be loaded when allow_pickle=False",
        "pickle.npy": "a .npy file: it does not start like one",
        "pickle.npz": "a .npz file: File is not a zip file",
    }
    for name, defect in defects.items():
        path = tmp_path / name
        assert refusal(SampleFile(path=str(path))) == f"SampleFile.path: {path} cannot be read as {defect}."


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, np.zeros(10_000))
    monkeypatch.setattr(files_module, "LARGEST_IN_MEMORY", 1000)
    defect = "it unpacks to 80128 bytes, more than 1000"
    assert (
        refusal(EigenvalueFile(path=str(path)))
        == f"EigenvalueFile.path: {path} cannot be read as a .npz file: {defect}."
    )


def test_long_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "long.csv", np.zeros(10_000))
    monkeypatch.setattr(files_module, "LARGEST_TEXT", 1000)
    sentence = f"EigenvalueFile.path: {path} is longer than 1000 bytes; save the numbers as .npy."
    assert refusal(EigenvalueFile(path=path)) == sentence


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.npz"
    zipfile.ZipFile(path, "w").close()
    sentence = f"SampleFile.path: {path} holds no array; save one array, or name one of them samples."
    assert refusal(SampleFile(path=str(path))) == sentence


def test_a_file_that_exhausts_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> Gaussian:
        raise MemoryError

    monkeypatch.setattr("kernels.spectra.data.pca", exhausted)
    path = written(tmp_path / "samples.npy", np.ones((3, 2)))
    assert refusal(SampleFile(path=path)) == "SampleFile.path: not enough memory for this file."


def test_the_home_of_nobody_is_refused() -> None:
    path = "~nobody-of-this-name/samples.npy"
    sentence = f"SampleFile.path: {path} is not a path: Could not determine home directory."
    assert refusal(SampleFile(path=path)) == sentence


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to root, nor so on Windows")
def test_a_forbidden_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "samples.npy", np.ones((3, 2)))
    Path(path).chmod(0)
    sentence = f"SampleFile.path: {path} cannot be read as a .npy file: Permission denied."
    assert refusal(SampleFile(path=path)) == sentence


def _whole_files() -> dict[str, bytes]:
    array = np.arange(6.0).reshape(2, 3)
    contents: dict[str, bytes] = {"a.csv": b"# samples\n1.0, 2.0\n3.0, 4.5\n"}
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    savers: dict[str, Callable[[io.BytesIO], object]] = {
        "a.npy": lambda file: np.save(file, array),
        "a.npz": lambda file: np.savez_compressed(file, samples=array),
        "a.png": lambda file: image.save(file, "PNG"),
        "a.jpg": lambda file: image.save(file, "JPEG"),
    }
    for name, save in savers.items():
        file = io.BytesIO()
        save(file)
        contents[name] = file.getvalue()
    return contents


WHOLE_FILES = _whole_files()


@pytest.mark.parametrize("name", WHOLE_FILES)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE_FILES[name])
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    path = tmp_path / name
    path.write_bytes(content[:end])
    for spectrum in (SampleFile(path=str(path)), EigenvalueFile(path=str(path)), Texture(path=str(path))):
        try:
            law = spectrum.law()
        except ValueError as error:
            assert re.fullmatch(rf"{type(spectrum).__name__}\.path: {re.escape(str(path))} .*\.", str(error))
        else:
            assert bool(torch.isfinite(law.variance).all())
            assert bool(torch.isfinite(law.mean).all())


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = written(tmp_path / "spectrum.csv", np.array([1.0, 2.0]))
    first = EigenvalueFile(path=path).law()
    assert EigenvalueFile(path=path).law() is first
    assert EigenvalueFile(path=path, mean=1.0).law().mean.tolist() == [1.0, 1.0]
    written(Path(path), np.array([1.0, 2.0, 3.0]))
    assert EigenvalueFile(path=path).law().variance.tolist() == [3.0, 2.0, 1.0]


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    assert content_digest(str(tmp_path / "a.csv")) == hashlib.sha256(b"1,2\n").hexdigest()


def test_the_digest_of_a_folder_is_that_of_the_names_and_bytes_of_its_images(tmp_path: Path) -> None:
    def digest(names: dict[str, bytes]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in names.items():
            (folder / name).write_bytes(content)
        return content_digest(str(folder))

    whole = digest({"a.png": b"1", "b.png": b"2"})
    assert re.fullmatch("[0-9a-f]{64}", whole)
    assert whole == digest({"b.png": b"2", "a.png": b"1", "notes.txt": b"3"})
    assert whole != digest({"a.png": b"1", "c.png": b"2"})
    assert whole != digest({"a.png": b"2", "b.png": b"1"})
    assert whole != digest({"a.png": b"1"})


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "no file chosen; give the path of a file of numbers or an image"),
        ("/nowhere/a.csv", "/nowhere/a.csv does not exist"),
    ],
)
def test_there_is_no_digest_of_nothing(path: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        content_digest(path)
    assert str(caught.value) == sentence


def test_reading_leaves_the_warnings_alone(tmp_path: Path) -> None:
    before = list(warnings.filters)
    refusal(SampleFile(path=str(tmp_path / "none.npy")))
    drawn(tmp_path / "image.png", 1, (4, 4))
    Texture(path=str(tmp_path / "image.png")).law()
    assert list(warnings.filters) == before
