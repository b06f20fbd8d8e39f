"""Ways from the modes back to what the data are: rows of numbers, or images."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Complex, Complex128, Float, Float64, Int64
from torch import Tensor

# Numbers that are transformed at a time, where a transform takes several times their memory.
_BLOCK = 2**24


@dataclass(frozen=True, eq=False)
class Frame(ABC):
    """Orthonormal coordinates of the data; precision and device of the result are those of the argument.

    `shape` is that of one datum: (numbers,), or (height, width, channels) of an image with pixels in [-1, 1]. Pixels
    outside are left as they are.
    """

    shape: tuple[int, ...]

    @property
    @final
    def is_image(self) -> bool:
        """Whether a datum is an image."""
        return len(self.shape) == 3

    @abstractmethod
    def place(self, points: Float[Tensor, "n modes"]) -> Float[Tensor, "n ..."]:
        """The data at these coordinates."""

    @abstractmethod
    def modes_of(self, data: Float[Tensor, "n ..."]) -> Float[Tensor, "n modes"]:
        """The coordinates of data, the inverse of `place`."""


@final
@dataclass(frozen=True, eq=False)
class Identity(Frame):
    """Data that are given by their modes."""

    def place(self, points: Float[Tensor, "n modes"]) -> Float[Tensor, "n ..."]:
        return points

    def modes_of(self, data: Float[Tensor, "n ..."]) -> Float[Tensor, "n modes"]:
        return data


@final
@dataclass(frozen=True, eq=False)
class Turned(Frame):
    """Data whose first numbers are turned by an orthogonal matrix with one column per mode; the others are modes."""

    turn: Float64[Tensor, "turned turned"]

    def place(self, points: Float[Tensor, "n modes"]) -> Float[Tensor, "n ..."]:
        turned = len(self.turn)
        return torch.cat([points[:, :turned] @ self.turn.T.to(points), points[:, turned:]], 1)

    def modes_of(self, data: Float[Tensor, "n ..."]) -> Float[Tensor, "n modes"]:
        turned = len(self.turn)
        return torch.cat([data[:, :turned] @ self.turn.to(data), data[:, turned:]], 1)


@final
@dataclass(frozen=True, eq=False)
class Rotation(Frame):
    """Data in an orthonormal basis, kept as Householder reflections; see `rotation`."""

    reflections: Float64[Tensor, "numbers given"]
    factors: Float64[Tensor, " given"]
    signs: Float64[Tensor, " numbers"]

    def place(self, points: Float[Tensor, "n modes"]) -> Float[Tensor, "n ..."]:
        return self._reflected(points * self.signs.to(points), inverse=False).reshape(len(points), *self.shape)

    def modes_of(self, data: Float[Tensor, "n ..."]) -> Float[Tensor, "n modes"]:
        return self._reflected(data.flatten(1), inverse=True) * self.signs.to(data)

    def _reflected(self, rows: Float[Tensor, "n numbers"], *, inverse: bool) -> Float[Tensor, "n numbers"]:
        if not len(self.factors) or not len(rows):
            return rows
        return torch.ormqr(self.reflections.to(rows), self.factors.to(rows), rows.T, transpose=inverse).T


def rotation(vectors: Float64[Tensor, "numbers given"], shape: tuple[int, ...]) -> Rotation:
    """The frame whose first modes are these orthonormal vectors, one per column, perhaps fewer than numbers.

    They are completed to a basis without more memory than they take. Data in their span do not depend on how.
    """
    reflections, factors = torch.geqrf(vectors)
    # Orthonormal vectors differ from those of the decomposition by signs alone.
    signs = torch.ones(len(vectors), dtype=torch.float64)
    signs[: len(factors)] = torch.where(reflections.diagonal() < 0, -1.0, 1.0)
    return Rotation(shape, reflections, factors, signs)


@final
@dataclass(frozen=True, eq=False)
class Fourier(Frame):
    r"""Periodic images in real Fourier modes, the first mode of each frequency along a color of its own.

    `colors` holds a complex vector of length 1 for each frequency, conjugate to that of the opposite frequency; at
    frequency 0 it is the first channel. `order` lists, mode by mode, its place among the channels of frequency 0, the
    colors of the other frequencies, and what is left. Real coordinates z of the frequencies become a spectrum by

    .. math:: w(\xi) = \tfrac12 \big[(1 - i) z(\xi) + (1 + i) z(-\xi)\big],

    the transform of Hartley, so that no frequency has to be told from its opposite.
    """

    colors: Complex128[Tensor, "height width channels"]
    order: Int64[Tensor, " modes"]

    def place(self, points: Float[Tensor, "n modes"]) -> Float[Tensor, "n ..."]:
        # No transform takes nothing.
        if not len(points):
            return points.reshape(0, *self.shape)
        return torch.cat([self._place(rows) for rows in points.split(self._rows)])

    def modes_of(self, data: Float[Tensor, "n ..."]) -> Float[Tensor, "n modes"]:
        if not len(data):
            return data.flatten(1)
        return torch.cat([self._modes_of(images) for images in data.split(self._rows)])

    @property
    def _rows(self) -> int:
        return max(1, _BLOCK // math.prod(self.shape))

    def _place(self, points: Float[Tensor, "n modes"]) -> Float[Tensor, "n height width channels"]:
        height, width, channels = self.shape
        waving = height * width - 1
        listed = torch.empty_like(points)
        listed[:, self.order.to(points.device)] = points
        constant, first, rest = listed.split([channels, waving, waving * (channels - 1)], 1)
        waves = torch.cat([first.unsqueeze(2), rest.unflatten(1, (waving, channels - 1))], 2)
        waves = torch.cat([constant.unsqueeze(1), waves], 1).unflatten(1, (height, width))
        opposite = _opposite(waves)
        spectrum = torch.complex(waves + opposite, opposite - waves) / 2
        along, others = spectrum[..., :1], spectrum[..., 1:]
        colors = self.colors.to(spectrum)
        colored = colors * along + _mirrored(torch.nn.functional.pad(others, (1, 0)), colors)
        return torch.fft.ifft2(colored, dim=(1, 2), norm="ortho").real

    def _modes_of(self, images: Float[Tensor, "n height width channels"]) -> Float[Tensor, "n modes"]:
        colored = torch.fft.fft2(images, dim=(1, 2), norm="ortho")
        colors = self.colors.to(colored)
        along = (colors.conj() * colored).sum(-1, keepdim=True)
        spectrum = torch.cat([along, _mirrored(colored, colors)[..., 1:]], -1)
        waves = (spectrum.real - spectrum.imag).flatten(1, 2)
        listed = torch.cat([waves[:, 0], waves[:, 1:, 0], waves[:, 1:, 1:].flatten(1)], 1)
        return listed[:, self.order.to(images.device)]


def _opposite(waves: Float[Tensor, "n height width channels"]) -> Float[Tensor, "n height width channels"]:
    """What stands at the opposite frequency."""
    return waves.flip(1, 2).roll((1, 1), (1, 2))


def _mirrored(
    spectrum: Complex[Tensor, "n height width channels"], colors: Complex[Tensor, "height width channels"]
) -> Complex[Tensor, "n height width channels"]:
    """The reflection of each frequency that takes the first channel to its color, or a multiple of it.

    It takes the other channels to colors that complete a basis.
    """
    first = colors[..., :1]
    size = first.abs()
    phase = torch.where(size > 0, first / size, torch.ones_like(first))
    normal = torch.cat([first + phase, colors[..., 1:]], -1)
    return spectrum - normal * ((normal.conj() * spectrum).sum(-1, keepdim=True) / (1 + size))
