"""Galleries of small images, and the line of their labels above them."""

from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QFont, QFontMetricsF, QImage, QPainter
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from explorer.canvas.base import GraphicsObject
from explorer.canvas.pictures import ratio_of
from explorer.canvas.surface import Drawing, Surface
from explorer.canvas.theme import text_ink
from explorer.marks import Gallery
from explorer.scales import Scale
from explorer.tiles import Tiles

# Pixels above and below a label.
INSET = 3.0
# A label has some of the room beside its gallery, too.
OVERHANG = 4.0


class GalleryDrawing(Drawing[Gallery]):
    """Images side by side, each pixel a sharp square."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        self.tiles = Tiles(self.mark)

    def draw(self, painter: QPainter, on: Surface) -> None:
        ratio, frame = ratio_of(painter), on.frame
        width, height = round(frame.width * ratio), round(frame.height * ratio)
        left, top = ratio * frame.across(np.array([self.mark.left])), ratio * frame.down(np.array([0.0]))
        unit = ratio * frame.width / (frame.x[1] - frame.x[0])
        pixels = self.tiles.pixels(float(left[0]), float(top[0]), unit, width, height)
        picture = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888_Premultiplied)
        picture.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(0.0, 0.0), picture)

    def text_at(self, x: float, y: float) -> str:
        """Which image is there, in words."""
        number = self.tiles.image_at(x, y)
        if number is None:
            return ""
        return f"{self.mark.label or 'image'} {number + 1} of {len(self.mark.images)}"


class Headings(GraphicsObject):
    """The label of each gallery, right above what is seen of it."""

    def __init__(self, surface: Surface) -> None:
        super().__init__()
        self.surface = surface
        self.galleries: Sequence[Gallery] = ()
        self.font_used = QFont()
        self.height = 0.0

    def refresh(self, galleries: Sequence[Gallery], font: QFont) -> float:
        """Take the galleries that are seen; the height of the line."""
        self.galleries, self.font_used = galleries, font
        named = any(gallery.label for gallery in galleries)
        self.height = QFontMetricsF(font).height() + 2 * INSET if named else 0.0
        return self.height

    def boundingRect(self) -> QRectF:
        """The line above the plot area, and that area, where galleries that do not fill it begin lower."""
        return QRectF(0.0, -self.height, self.surface.frame.width, self.surface.frame.height + self.height)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """Each label in the color of its gallery."""
        if painter is None:
            return
        painter.setFont(self.font_used)
        frame, metrics = self.surface.frame, painter.fontMetrics()
        top = float(np.clip(frame.down(np.array([0.0]))[0], 0.0, frame.height)) - self.height
        for gallery in self.galleries:
            ends = frame.across(np.array([gallery.left, gallery.left + gallery.size[0]]))
            left, right = np.clip(ends + np.array([-OVERHANG, OVERHANG]), 0.0, frame.width).tolist()
            text = metrics.elidedText(gallery.label, Qt.TextElideMode.ElideRight, int(right - left))
            painter.setPen(text_ink(gallery.style.color, self.surface.theme))
            box = QRectF(left, top, right - left, self.height)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
