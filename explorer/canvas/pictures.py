"""Pictures made of arrays: how fine they are, their colors, and the last one, kept while nothing changes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QColor, QImage, QPainter

from explorer.ranges import Frame

# More pixels cost more time than moving points leave; each then stands for four.
MOST_PIXELS = 3_000_000

Packed = NDArray[np.uint32]
"""Opacity and, multiplied with it, red, green and blue, a byte each; the uppermost row first."""


class Kept:
    """The last picture, made again only where what it depends on is another."""

    def __init__(self) -> None:
        self._known: object = None
        self._picture = QImage()

    def picture(self, known: object, make: Callable[[], QImage]) -> QImage:
        """The picture for what is known, which must tell everything that it depends on."""
        if known != self._known:
            self._known, self._picture = known, make()
        return self._picture


def ratio_of(painter: QPainter) -> float:
    """Device pixels per pixel."""
    device = painter.device()
    return device.devicePixelRatioF() if device else 1.0


def fineness(painter: QPainter, frame: Frame) -> float:
    """Pixels of a picture per pixel: as on the device, unless those are too many."""
    ratio = ratio_of(painter)
    return ratio / 2 if frame.width * frame.height * ratio**2 > MOST_PIXELS else ratio


def size_of(frame: Frame, ratio: float) -> tuple[int, int]:
    """Width and height of a picture that fills the plot area."""
    return max(1, round(frame.width * ratio)), max(1, round(frame.height * ratio))


def tints(color: QColor) -> Packed:
    """A color by its opacity, from 0 to 255."""
    alpha = np.arange(256)
    red, green, blue = (alpha * part // 255 for part in (color.red(), color.green(), color.blue()))
    return ((alpha << 24) | (red << 16) | (green << 8) | blue).astype(np.uint32)


def image_of(pixels: Packed, ratio: float) -> QImage:
    """The picture with these pixels, `ratio` of them to a pixel."""
    height, width = pixels.shape
    kind = QImage.Format.Format_ARGB32_Premultiplied
    picture = QImage(pixels.tobytes(), width, height, 4 * width, kind).copy()
    picture.setDevicePixelRatio(ratio)
    return picture
