"""Many straight pieces of different strength: one picture of opacities, tinted.

Qt blends a translucent line ten times slower than it draws an opaque one. Pieces are therefore drawn in shades of
gray, the faintest first, and the gray of a pixel then is its opacity.
"""

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen

from explorer.canvas.base import draw_lines
from explorer.canvas.pictures import Kept, fineness, image_of, size_of, tints
from explorer.canvas.surface import Drawing, Surface, drawn
from explorer.marks import Floats, Segments
from explorer.ranges import Frame
from explorer.scales import Scale

# Groups that are drawn at once, each as opaque as its pieces are on average.
STRENGTHS = 8
# Beyond so many pixels of lines, smooth edges cost too much, and beyond so many pieces, wide ones.
MOST_SMOOTH = 250_000.0
MOST_WIDE = 500
HEAD = 7.0
# Of a short piece, and half of the width of a head, in lengths of the head.
LARGEST_HEAD = 0.5
SPREAD = 0.4
# Pixels, below which a piece has no direction to be seen.
SHORTEST = 2.0
# As many ends tell a label where the pieces are.
MOST_INKED = 2000


class SegmentsDrawing(Drawing[Segments]):
    """Pieces that are not read one by one. The picture is kept while neither they nor the view change."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        mark = self.mark
        ends = (mark.x0, x_scale), (mark.y0, y_scale), (mark.x1, x_scale), (mark.y1, y_scale)
        lines, strength = np.stack([drawn(*end) for end in ends], axis=1), np.clip(mark.strength, 0.0, 1.0)
        seen = np.isfinite(lines).all(axis=1) & (strength > 0)
        lines, strength = lines[seen], strength[seen]
        groups = np.ceil(strength * STRENGTHS).astype(np.intp)
        found = (groups == group for group in range(1, STRENGTHS + 1))
        self.groups = [(lines[chosen], float(strength[chosen].mean())) for chosen in found if chosen.any()]
        self._kept = Kept()

    def draw(self, painter: QPainter, on: Surface) -> None:
        color, frame, ratio = on.ink(self.mark.style), on.frame, fineness(painter, on.frame)
        for lines, _ in self.groups:
            some = lines[:: max(1, len(lines) // MOST_INKED)]
            on.inked += [(frame.across(some[:, k]), frame.down(some[:, k + 1])) for k in (0, 2)]
        known = frame, color.rgba(), ratio
        painter.drawImage(QPointF(0.0, 0.0), self._kept.picture(known, lambda: self._picture(frame, color, ratio)))

    def _picture(self, frame: Frame, color: QColor, ratio: float) -> QImage:
        groups = [(*pixels_of(lines, frame), strength) for lines, strength in self.groups]
        length = sum(float(np.hypot(*(lines[:, 2:] - lines[:, :2]).T).sum()) for lines, _, _ in groups)
        width, height = size_of(frame, ratio)
        gray = QImage(width, height, QImage.Format.Format_RGB32)
        gray.fill(Qt.GlobalColor.black)
        painter = QPainter(gray)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, length * ratio <= MOST_SMOOTH)
        wide = ratio if sum(len(lines) for lines, _, _ in groups) <= MOST_WIDE else 1.0
        for lines, whole, strength in groups:
            painter.setPen(QPen(QColor.fromRgbF(strength, strength, strength), wide))
            heads = heads_of(lines[whole]) if self.mark.arrows else np.empty((0, 4))
            draw_lines(painter, ratio * np.concatenate([lines, heads]))
        painter.end()
        bits = gray.constBits()
        assert bits is not None
        opacity = np.frombuffer(bits.asstring(gray.sizeInBytes()), dtype=np.uint8)[::4].reshape(height, width)
        return image_of(tints(color)[opacity], ratio)


def pixels_of(lines: Floats, frame: Frame) -> tuple[Floats, NDArray[np.bool_]]:
    """What is seen of the lines, in pixels, and of which the end is."""
    start, step = lines[:, :2], lines[:, 2:] - lines[:, :2]
    # Far away ends would leave the numbers that the painter can count with; beyond the edge, nothing is seen.
    low, high = np.array([frame.x, frame.y]).T
    beyond = 0.05 * (high - low)
    with np.errstate(all="ignore"):
        sides = np.stack([(low - beyond - start) / step, (high + beyond - start) / step])
    enter = np.maximum(np.fmin(*sides).max(axis=1, initial=0.0), 0.0)
    leave = np.minimum(np.fmax(*sides).min(axis=1, initial=1.0), 1.0)
    seen = enter <= leave
    start, step, enter, leave = start[seen], step[seen], enter[seen, None], leave[seen, None]
    x, y = np.stack([start + enter * step, start + leave * step]).transpose(2, 1, 0)
    across, down = frame.across(x), frame.down(y)
    return np.stack([across[:, 0], down[:, 0], across[:, 1], down[:, 1]], axis=1), leave[:, 0] == 1.0


def heads_of(lines: Floats) -> Floats:
    """Two strokes each, back from the end of the line."""
    step = lines[:, 2:] - lines[:, :2]
    length = np.hypot(*step.T)
    long = length >= SHORTEST
    end, length = lines[long, 2:], length[long, None]
    along = step[long] * (np.minimum(HEAD, LARGEST_HEAD * length) / length)
    aside = SPREAD * along[:, ::-1] * (-1, 1)
    return np.concatenate([np.concatenate([end, end - along + side], axis=1) for side in (aside, -aside)])
