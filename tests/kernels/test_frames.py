"""Frames against matrices: orthonormal, and taking the covariance of the modes to that of the data."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels import frames as frames_module
from kernels.frames import Fourier, Frame, Identity, Turned, rotation

Floats = NDArray[np.float64]


def orthonormal(seed: int, numbers: int, given: int) -> Tensor:
    return torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).standard_normal((numbers, given)))[0])


def unit_colors(seed: int, height: int, width: int, channels: int) -> Tensor:
    """Unit colors of the spectrum of a real image; two opposite frequencies have no first channel."""
    transform = np.fft.fft2(np.random.default_rng(seed).standard_normal((height, width, channels)), axes=(0, 1))
    if channels > 1 and width > 1:
        transform[0, 1, 0] = transform[0, -1, 0] = 0.0
    colors = transform / np.linalg.norm(transform, axis=2, keepdims=True)
    colors[0, 0] = np.eye(channels)[0]
    return torch.from_numpy(colors)


def fourier(height: int, width: int, channels: int) -> Fourier:
    order = torch.randperm(height * width * channels, generator=torch.Generator().manual_seed(5))
    return Fourier((height, width, channels), unit_colors(6, height, width, channels), order)


FRAMES: dict[str, Frame] = {
    "identity": Identity((5,)),
    "turned": Turned((7,), orthonormal(1, 3, 3)),
    "turned in all": Turned((4,), orthonormal(2, 4, 4)),
    "rotation": rotation(orthonormal(3, 6, 6), (6,)),
    "few vectors": rotation(orthonormal(4, 12, 5), (2, 2, 3)),
    "one vector": rotation(-torch.eye(4, 1, dtype=torch.float64), (2, 2, 1)),
    "no vector": rotation(torch.zeros(3, 0, dtype=torch.float64), (3,)),
    "color": fourier(4, 5, 3),
    "gray": fourier(6, 3, 1),
    "a row": fourier(1, 6, 3),
    "a pixel": fourier(1, 1, 3),
}
of_every_frame = pytest.mark.parametrize("name", FRAMES)


def matrix(frame: Frame) -> Floats:
    """One datum per row, at each of the unit vectors."""
    modes = math.prod(frame.shape)
    return frame.place(torch.eye(modes, dtype=torch.float64)).reshape(modes, -1).numpy()


@of_every_frame
def test_coordinates_are_orthonormal(name: str) -> None:
    placed = matrix(FRAMES[name])
    assert placed @ placed.T == pytest.approx(np.eye(len(placed)), abs=1e-13)


@of_every_frame
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 5e-6)])
def test_coordinates_come_back(name: str, dtype: torch.dtype, tolerance: float) -> None:
    frame = FRAMES[name]
    points = torch.randn(9, math.prod(frame.shape), generator=torch.Generator().manual_seed(7), dtype=dtype)
    data = frame.place(points)
    assert data.shape == (9, *frame.shape)
    assert data.dtype == dtype
    back = frame.modes_of(data)
    assert back.dtype == dtype
    assert back.numpy() == pytest.approx(points.numpy(), abs=tolerance)
    assert data.reshape(9, -1).double().numpy() == pytest.approx(points.double().numpy() @ matrix(frame), abs=tolerance)


@of_every_frame
def test_images_have_three_axes(name: str) -> None:
    assert FRAMES[name].is_image == (name in ("few vectors", "one vector", "color", "gray", "a row", "a pixel"))


@of_every_frame
def test_no_points_are_no_data(name: str) -> None:
    frame = FRAMES[name]
    data = frame.place(torch.empty(0, math.prod(frame.shape)))
    assert data.shape == (0, *frame.shape)
    assert frame.modes_of(data).shape == (0, math.prod(frame.shape))


def test_the_vectors_given_are_the_first_modes() -> None:
    vectors = orthonormal(4, 12, 5)
    assert matrix(FRAMES["few vectors"])[:5] == pytest.approx(vectors.T.numpy(), abs=1e-14)
    assert matrix(FRAMES["turned"])[:3, :3] == pytest.approx(orthonormal(1, 3, 3).T.numpy(), abs=1e-15)
    assert matrix(FRAMES["turned"])[3:] == pytest.approx(np.eye(7)[3:])


@pytest.mark.parametrize("name", ["color", "gray", "a row"])
def test_each_mode_of_a_texture_is_a_wave_along_the_color_of_its_frequency(name: str) -> None:
    frame = FRAMES[name]
    assert isinstance(frame, Fourier)
    height, width, channels = frame.shape
    sites = height * width
    listed = np.empty((frame.order.numel(), height, width, channels))
    listed[frame.order.numpy()] = matrix(frame).reshape(-1, height, width, channels)
    # Frequency 0: each channel by itself.
    constant = np.eye(channels)[:, None, None, :] / math.sqrt(sites)
    assert listed[:channels] == pytest.approx(np.broadcast_to(constant, (channels, height, width, channels)), abs=1e-14)
    for number in range(1, sites):
        frequency = (number // width, number % width)
        opposite = (-frequency[0] % height, -frequency[1] % width)
        spectrum = np.fft.fft2(listed[channels + number - 1], axes=(0, 1))
        color = frame.colors[frequency].numpy()
        along = np.vdot(color, spectrum[frequency])
        assert spectrum[frequency] == pytest.approx(along * color, abs=1e-12)
        spectrum[frequency] = spectrum[opposite] = 0.0
        assert np.abs(spectrum).max() < 1e-12


def test_many_images_are_placed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = FRAMES["color"]
    points = torch.randn(7, 60, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    whole = frame.place(points)
    monkeypatch.setattr(frames_module, "_BLOCK", 130)
    assert torch.allclose(frame.place(points), whole, rtol=0.0, atol=1e-14)
    assert torch.allclose(frame.modes_of(whole), points, rtol=0.0, atol=1e-13)
