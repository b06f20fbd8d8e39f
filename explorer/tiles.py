"""Small images of a gallery on pixels: crisp where they are enlarged, averaged where they are reduced. No Qt here."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from explorer.marks import GAP, Floats, Gallery, Pixels


@dataclass
class Tiles:
    """The images of a gallery; those of the last size are kept."""

    gallery: Gallery
    _reduced: tuple[tuple[int, int], NDArray[np.uint32]] | None = field(init=False, default=None)

    def pixels(self, left: float, top: float, unit: float, width: int, height: int) -> Pixels:
        """Red, green, blue and opacity on an area of this size, where an image is `unit` pixels wide.

        The first image's upper left corner is at these pixels. All images have the same number of whole pixels, at
        least one less than from one to the next.
        """
        (across, down), aspect = self.gallery.counts, self.gallery.aspect
        columns, wide = _cells(left, unit, unit * (1 + GAP), across)
        rows, high = _cells(top, unit * aspect, unit * (aspect + GAP), down)
        column, x = _places(columns, wide, width)
        row, y = _places(rows, high, height)
        images = self._at_most(high, wide)
        image = row[:, None] * self.gallery.columns + column[None, :]
        there = (row[:, None] >= 0) & (column[None, :] >= 0) & (image < len(images))
        count, tall, broad = images.shape
        place = (image * tall + (y * tall // high)[:, None]) * broad + (x * broad // wide)[None, :]
        # What lies outside of all images is the empty pixel after the last one.
        found = np.append(images.ravel(), np.uint32(0)).take(np.where(there, place, count * tall * broad))
        return found.view(np.uint8).reshape(height, width, 4)

    def image_at(self, x: float, y: float) -> int | None:
        """Number of the image at these data coordinates, the first one being 0."""
        (across, _), aspect = self.gallery.counts, self.gallery.aspect
        column, aside = divmod(x - self.gallery.left, 1 + GAP)
        row, below = divmod(-y, aspect + GAP)
        number = int(row) * self.gallery.columns + int(column)
        inside = 0 <= column < across and aside <= 1 and row >= 0 and below <= aspect
        return number if inside and number < len(self.gallery.images) else None

    def _at_most(self, height: int, width: int) -> NDArray[np.uint32]:
        """The images, reduced to these numbers of pixels where they have more, as packed colors."""
        images = self.gallery.images
        size = min(height, images.shape[1]), min(width, images.shape[2])
        if self._reduced is None or self._reduced[0] != size:
            if size != images.shape[1:3]:
                images = averaged(images, *size)
            opaque = np.concatenate([images, np.full_like(images[..., :1], 255)], axis=-1)
            self._reduced = size, opaque.view(np.uint32)[..., 0]
        return self._reduced[1]


def _cells(start: float, size: float, pitch: float, count: int) -> tuple[Floats, int]:
    """The first pixel of each cell, and how many pixels all of them have."""
    return np.rint(start + pitch * np.arange(count)), max(1, int(min(size, pitch - 1)))


def _places(starts: Floats, size: int, pixels: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each pixel the cell that it lies in, -1 for none, and how far from the cell's start."""
    at = np.arange(pixels)
    cell = np.searchsorted(starts, at, side="right") - 1
    offset = at - starts[cell] if starts.size else at
    inside = (cell >= 0) & (offset < size)
    return np.where(inside, cell, -1), np.where(inside, offset, 0).astype(np.intp)


def averaged(images: Pixels, height: int, width: int) -> Pixels:
    """Images of this size, each pixel the mean of the area that it covers."""
    count, tall, broad, colors = images.shape
    flat = _shares(tall, height) @ images.reshape(count, tall, broad * colors).astype(np.float32)
    flat = _shares(broad, width) @ flat.reshape(count * height, broad, colors)
    return np.rint(flat).astype(np.uint8).reshape(count, height, width, colors)


def _shares(old: int, new: int) -> NDArray[np.float32]:
    """How much each of the old pixels counts in each of the new ones, by the length that they have in common."""
    ends = np.linspace(0, old, new + 1)
    edges = np.clip(ends[:, None] - np.arange(old), 0, 1)
    return ((edges[1:] - edges[:-1]) * (new / old)).astype(np.float32)
