"""Axes with ticks and strings from the scale, and a grid at the labeled ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from explorer.canvas.base import AxisItem, GraphicsObject, draw_lines
from explorer.canvas.surface import Surface
from explorer.marks import Axis, Floats
from explorer.ranges import UNIT, Frame, Span

TICK = 4.0
SHORT_TICK = 2.5
GAP = 3.0
LABEL_INSET = 4.0


@dataclass(frozen=True)
class Ticks:
    """Where ticks are in drawn coordinates, and what the labeled ones say."""

    major: Floats
    minor: Floats
    texts: tuple[str, ...]


NO_TICKS = Ticks(np.empty(0), np.empty(0), ())


class ScaleAxis(AxisItem):
    """The axis on the left, on the right or at the bottom of a plot, `inset` pixels away from it.

    pyqtgraph's own painting is replaced: it sizes itself while it paints, scales labels to SI prefixes and writes
    the decades of a logarithmic axis in mixed styles.
    """

    def __init__(self, orientation: str, surface: Surface, inset: float = 0.0) -> None:
        super().__init__(orientation)
        self.across, self.right = orientation == "bottom", orientation == "right"
        self.surface, self.inset = surface, inset
        self.frame = UNIT
        self.axis = Axis("")
        self.names: tuple[str, ...] = ()
        self.ticks = NO_TICKS
        self.font_used = QFont()
        self.x_overhang = 40.0
        self._known: tuple[object, ...] = ()

    def refresh(self, axis: Axis, names: tuple[str, ...], span: Span, length: float, *, empty: bool) -> None:
        """Choose the ticks for this span of drawn coordinates over this many pixels."""
        known = (axis, names, span, length, empty, self.font_used.key())
        if known == self._known:
            return
        self._known = known
        self.frame = Frame(span, span, length, length)
        self.axis, self.names = axis, names
        if empty:
            self.ticks = NO_TICKS
        elif names:
            shown = [place for place in range(len(names)) if span[0] <= place <= span[1]]
            self.ticks = Ticks(np.array(shown, dtype=float), np.empty(0), tuple(names[place] for place in shown))
        else:
            self.ticks = self._scale_ticks(span, length)

    def thickness(self) -> float:
        """Pixels needed beside the plot."""
        metrics = QFontMetricsF(self.font_used)
        label = metrics.height() + 1 if self.axis.label else 0.0
        if self.across:
            lines = 2 if self.names and not self._fit(self.names) else 1
            return math.ceil(TICK + lines * metrics.height() + label + 1)
        widest = max((metrics.horizontalAdvance(text) for text in self.ticks.texts), default=0.0)
        # In steps of six pixels, so that the plot does not shake while the numbers change.
        return 6.0 * math.ceil((self.inset + TICK + GAP + widest + label + LABEL_INSET) / 6)

    def boundingRect(self) -> QRectF:
        """Wider than the axis: labels at its ends reach over them."""
        return QRectF(QPointF(0, 0), self.size()).adjusted(-60, -20, 60, 20)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """Line, ticks, numbers and label."""
        if painter is None:
            return
        painter.setFont(self.font_used)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        frame, theme = self.frame, self.surface.theme
        painter.setPen(QPen(QColor(theme.frame), 1.0))
        major = np.floor(frame.across(self.ticks.major) if self.across else frame.down(self.ticks.major))
        minor = np.floor(frame.across(self.ticks.minor) if self.across else frame.down(self.ticks.minor))
        edge = self.inset if self.across or self.right else self.size().width() - 1
        length = frame.width if self.across else frame.height
        draw_lines(painter, self._strokes(np.array([0.0]), edge, 0.0, length))
        if not self.names:
            away = 1.0 if self.across or self.right else -1.0
            draw_lines(painter, self._strokes(major, edge, away * TICK))
            draw_lines(painter, self._strokes(minor, edge, away * SHORT_TICK))
        painter.setPen(QColor(theme.text))
        if self.across:
            self._draw_numbers_below(painter, major)
        else:
            self._draw_numbers_beside(painter, major)
        if self.axis.label:
            self._draw_label(painter)

    def _strokes(self, places: Floats, edge: float, depth: float, length: float = 0.0) -> Floats:
        lines = np.empty((len(places), 4))
        along, aside = (0, 1) if self.across else (1, 0)
        lines[:, along], lines[:, aside] = places, edge
        lines[:, along + 2], lines[:, aside + 2] = places + length, edge + depth
        return lines

    def _scale_ticks(self, span: Span, length: float) -> Ticks:
        scale, metrics = self.axis.scale, QFontMetricsF(self.font_used)
        low, high = scale.inverse(np.array(span)).tolist()
        room = 3.2 * metrics.averageCharWidth() if self.across else 2.2 * metrics.height()
        most = min(max(int(length / room), 2), 9 if self.across else 12)
        while True:
            major, minor = scale.ticks(low, high, most)
            texts = scale.tick_texts(major)
            places = scale.forward(np.array(major, dtype=float))
            if not self._crowded(places, texts, span, length, metrics):
                break
            if most == 2:
                # Two labels do not fit side by side: the outer ones stay.
                major, minor = [major[0], major[-1]], [*major[1:-1], *minor]
                texts = [texts[0], texts[-1]]
                places = scale.forward(np.array(major, dtype=float))
                if self._crowded(places, texts, span, length, metrics):
                    places, texts = places[-1:], texts[-1:]
                break
            most -= 1
        return Ticks(places, scale.forward(np.array(minor, dtype=float)), tuple(texts))

    def _crowded(self, places: Floats, texts: list[str], span: Span, length: float, metrics: QFontMetricsF) -> bool:
        if len(places) < 2:
            return False
        gaps = np.diff(places) * (length / (span[1] - span[0]))
        if not self.across:
            return bool(np.any(gaps < 1.05 * metrics.height()))
        widths = np.array([metrics.horizontalAdvance(text) for text in texts])
        return bool(np.any(gaps < (widths[1:] + widths[:-1]) / 2 + metrics.averageCharWidth()))

    def _slot(self) -> float:
        return self.frame.width / max(self.frame.x[1] - self.frame.x[0], 1e-9)

    def _fit(self, words: Iterable[str]) -> bool:
        metrics = QFontMetricsF(self.font_used)
        return all(metrics.horizontalAdvance(word) <= self._slot() - 4 for word in words)

    def _draw_numbers_below(self, painter: QPainter, places: Floats) -> None:
        metrics = painter.fontMetrics()
        if self.names:
            self._draw_names(painter, places)
            return
        for place, text in zip(places.tolist(), self.ticks.texts, strict=True):
            width = metrics.horizontalAdvance(text)
            left = min(max(place - width / 2, -self.x_overhang), self.frame.width + 10 - width)
            painter.drawText(QPointF(left, TICK + 1 + metrics.ascent()), text)

    def _draw_names(self, painter: QPainter, places: Floats) -> None:
        metrics, slot = painter.fontMetrics(), self._slot()
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        named = list(zip(places.tolist(), self.ticks.texts, strict=True))
        if self._fit(self.names) or self._fit(part for name in self.names for part in _two_lines(name)):
            for place, name in named:
                text = name if self._fit([name]) else "\n".join(_two_lines(name))
                painter.drawText(QRectF(place - slot / 2, TICK, slot, 2 * metrics.height() + 1), flags, text)
            return
        # Names that fit neither whole nor folded stand by turns on two lines, each with twice the room.
        stride = max(1, math.ceil(2 * metrics.averageCharWidth() / max(slot, 1)))
        for count, (place, name) in enumerate(named[::stride]):
            left = max(place - stride * slot + 2, -self.x_overhang)
            right = min(place + stride * slot - 2, self.frame.width + 12)
            half = min(place - left, right - place)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(2 * half))
            down = TICK + (count % 2) * metrics.height()
            painter.drawText(QRectF(place - half, down, 2 * half, metrics.height() + 1), flags, text)

    def _draw_numbers_beside(self, painter: QPainter, places: Floats) -> None:
        metrics = painter.fontMetrics()
        left, right = self.inset + TICK + GAP, self.size().width() - TICK - GAP
        # Digits have no descent: centered by their own height, not by that of a line of text.
        down = metrics.capHeight() / 2
        for place, text in zip(places.tolist(), self.ticks.texts, strict=True):
            start = left if self.right else right - metrics.horizontalAdvance(text)
            painter.drawText(QPointF(start, place + down), text)

    def _draw_label(self, painter: QPainter) -> None:
        metrics, size = painter.fontMetrics(), self.size()
        length = size.width() if self.across else size.height()
        text = metrics.elidedText(self.axis.label, Qt.TextElideMode.ElideRight, int(length))
        if not self.across:
            painter.translate(0.0, size.height())
            painter.rotate(-90)
        top = (
            size.height()
            if self.across
            else size.width() - LABEL_INSET
            if self.right
            else LABEL_INSET + metrics.height()
        )
        box = QRectF(0.0, top - metrics.height(), length, metrics.height())
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


class Grid(GraphicsObject):
    """Faint lines at the labeled ticks; pyqtgraph's grid costs more than all curves together."""

    def __init__(self, surface: Surface, below: ScaleAxis, beside: ScaleAxis) -> None:
        super().__init__()
        self.surface, self.below, self.beside = surface, below, beside
        self.setZValue(0)

    def boundingRect(self) -> QRectF:
        """The plot area."""
        return QRectF(0.0, 0.0, self.surface.frame.width, self.surface.frame.height)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """Draw the lines on whole pixels."""
        if painter is None:
            return
        frame = self.surface.frame
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(QColor(self.surface.theme.grid), 1.0))
        if not self.below.names:
            x = np.floor(frame.across(self.below.ticks.major))
            draw_lines(painter, np.stack([x, np.zeros_like(x), x, np.full_like(x, frame.height)], axis=1))
        y = np.floor(frame.down(self.beside.ticks.major))
        draw_lines(painter, np.stack([np.zeros_like(y), y, np.full_like(y, frame.width), y], axis=1))


def _two_lines(name: str) -> list[str]:
    words = name.split(" ")
    cuts = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words))]
    return list(min(cuts, key=lambda cut: max(map(len, cut)))) if cuts else [name]
