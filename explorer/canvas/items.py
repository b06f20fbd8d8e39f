"""One scene item per mark, which guards and places its drawing, and the drawings of all marks of a few points."""

import math
from collections.abc import Callable
from typing import cast

import numpy as np
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from explorer.canvas.base import GraphicsObject, draw_lines, path
from explorer.canvas.cloud import CloudDrawing, draw_density, picture_of
from explorer.canvas.gallery import GalleryDrawing
from explorer.canvas.heat import HeatDrawing
from explorer.canvas.pictures import fineness
from explorer.canvas.segments import SegmentsDrawing
from explorer.canvas.shaded import ShadedDrawing
from explorer.canvas.strokes import draw_curve, draw_markers, thinned
from explorer.canvas.surface import FAR, Drawing, Surface, drawn
from explorer.canvas.theme import text_ink
from explorer.marks import (
    DASHES,
    Band,
    Bars,
    Cloud,
    Curve,
    Floats,
    Gallery,
    Heat,
    Line,
    Mark,
    Points,
    Segments,
    Shaded,
    marked,
)
from explorer.ranges import Frame
from explorer.scales import Scale

MOST_SYMBOLS = 1000
HATCHES = (
    Qt.BrushStyle.NoBrush,
    Qt.BrushStyle.BDiagPattern,
    Qt.BrushStyle.Dense6Pattern,
    Qt.BrushStyle.FDiagPattern,
    Qt.BrushStyle.HorPattern,
    Qt.BrushStyle.DiagCrossPattern,
)


class CurveDrawing(Drawing[Curve]):
    """A line, with markers where they can be told apart, and an open one before a value becomes infinite."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        self.x, self.y = drawn(self.mark.x, x_scale), drawn(self.mark.y, y_scale)
        self.last = np.flatnonzero(np.isfinite(self.y[:-1]) & np.isinf(np.asarray(self.mark.y)[1:]))

    def draw(self, painter: QPainter, on: Surface) -> None:
        style, color = self.mark.style, on.ink(self.mark.style)
        x, y = on.frame.across(self.x), on.frame.down(self.y)
        on.inked.append(_resampled(x, y))
        shown = thinned(x, y, int(on.frame.width))
        draw_curve(painter, *_near(*shown, on.frame), color, style.dash, style.width)
        if style.marker:
            some = marked(len(x))
            draw_markers(painter, style.marker, x[some], y[some], color)
        if self.last.size:
            draw_markers(painter, "o", x[self.last], y[self.last], color, QColor(on.theme.background))

    def value(self, position: int) -> str:
        return f"{self.mark.y[position]:.4g}"


class PointsDrawing(Drawing[Points]):
    """Symbols with error bars; many points become a picture of their density."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        mark = self.mark
        self.x, self.y = drawn(mark.x, x_scale), drawn(mark.y, y_scale)
        self.low, self.high = self.y, self.y
        if mark.error is not None:
            # A bar that reaches beyond what the scale has a place for goes to the edge of the plot.
            self.low = np.where(np.isfinite(self.y), _filled(drawn(mark.y - mark.error, y_scale), -FAR), np.nan)
            self.high = np.where(np.isfinite(self.y), _filled(drawn(mark.y + mark.error, y_scale), FAR), np.nan)

    def draw(self, painter: QPainter, on: Surface) -> None:
        color = on.ink(self.mark.style)
        x, y = on.frame.across(self.x), on.frame.down(self.y)
        on.inked.append((x, y))
        if self.mark.error is not None:
            self._draw_errors(painter, on, x, color)
        if len(x) > MOST_SYMBOLS:
            draw_density(painter, on, picture_of(x, y, on, color, fineness(painter, on.frame)))
        else:
            draw_markers(painter, self.mark.style.marker or "o", x, y, color)

    def _draw_errors(self, painter: QPainter, on: Surface, x: Floats, color: QColor) -> None:
        known = np.isfinite(x) & np.isfinite(self.low)
        x, top, bottom = x[known], on.frame.down(self.high)[known], on.frame.down(self.low)[known]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(color, 1.0))
        caps = [np.stack([x - 3, end, x + 3, end], axis=1) for end in (top, bottom)]
        draw_lines(painter, np.concatenate([np.stack([x, top, x, bottom], axis=1), *caps]))

    def value(self, position: int) -> str:
        error = "" if self.mark.error is None else f" ± {self.mark.error[position]:.2g}"
        return f"{self.mark.y[position]:.4g}{error}"


class BarsDrawing(Drawing[Bars]):
    """Filled bars, hatched where their style is dashed; a base without a place on the scale is the edge."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        mark = self.mark
        self.x = drawn(mark.x, x_scale)
        self.left, self.right = (drawn(mark.x + side * mark.width / 2, x_scale) for side in (-1, 1))
        top = mark.base + mark.height
        self.base, self.top = _filled(drawn(mark.base, y_scale), -FAR), drawn(top, y_scale)
        self.top = np.where(np.isnan(top), np.nan, np.where(top == np.inf, FAR, _filled(self.top, -FAR)))

    def draw(self, painter: QPainter, on: Surface) -> None:
        frame, style = on.frame, self.mark.style
        hatch = HATCHES[DASHES.index(style.dash) if style.dash in DASHES else 0]
        left, right = np.round(frame.across(self.left)), np.round(frame.across(self.right))
        base, top = (np.clip(np.round(frame.down(end)), -4, frame.height + 4) for end in (self.base, self.top))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(Qt.PenStyle.NoPen)
        for x0, x1, y0, y1 in zip(left.tolist(), right.tolist(), base.tolist(), top.tolist(), strict=True):
            if np.isfinite(x0 + x1 + y0 + y1) and y0 != y1:
                bar = QRectF(x0, min(y0, y1), max(x1 - x0, 1.0), abs(y1 - y0))
                painter.fillRect(bar, on.ink(style))
                if hatch != Qt.BrushStyle.NoBrush:
                    painter.setBrush(hatching(on, hatch))
                    painter.drawRect(bar)

    def value(self, position: int) -> str:
        return f"{self.mark.height[position]:.4g}"


class BandDrawing(Drawing[Band]):
    """The filled region between two curves."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        mark = self.mark
        self.x, self.high = drawn(mark.x, x_scale), drawn(mark.high, y_scale)
        low = drawn(mark.low, y_scale)
        self.low = np.where(np.isnan(mark.low), np.nan, _filled(low, -FAR))

    def draw(self, painter: QPainter, on: Surface) -> None:
        color = QColor(on.ink(self.mark.style))
        color.setAlpha(56)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        x, low, high = on.frame.across(self.x), on.frame.down(self.low), on.frame.down(self.high)
        low, high = (np.clip(side, -10, on.frame.height + 10) for side in (low, high))
        known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            across = np.concatenate([x[a:b], x[a:b][::-1]])
            painter.drawPath(path(across, np.concatenate([low[a:b], high[a:b][::-1]])))


class LineDrawing(Drawing[Line]):
    """A reference line and its label, which steps aside for the labels of others."""

    def prepare(self, x_scale: Scale, y_scale: Scale) -> None:
        scale = x_scale if self.mark.vertical else y_scale
        self.at = float(drawn(np.array([self.mark.at]), scale)[0])

    def draw(self, painter: QPainter, on: Surface) -> None:
        frame, style, vertical = on.frame, self.mark.style, self.mark.vertical
        span = frame.x if vertical else frame.y
        if not span[0] <= self.at <= span[1]:
            return
        place = float((frame.across if vertical else frame.down)(np.array([self.at]))[0])
        end = (place, frame.height) if vertical else (frame.width, place)
        start = (place, 0.0) if vertical else (0.0, place)
        x, y = np.array([start, end]).T
        draw_curve(painter, x, y, on.ink(style), style.dash, style.width)
        if self.mark.label:
            self._draw_label(painter, on, place)

    def _draw_label(self, painter: QPainter, on: Surface, place: float) -> None:
        frame, metrics = on.frame, QFontMetricsF(painter.font())
        width, height = metrics.horizontalAdvance(self.mark.label) + 4, metrics.height()
        if self.mark.vertical:
            tops = np.linspace(1.0, max(frame.height - height - 1, 1.0), 7).tolist()
            corners = [(left, top) for top in tops for left in (place + 2, place - 2 - width)]
        else:
            lefts = np.linspace(frame.width - width - 1, 1.0, 7).tolist()
            corners = [(left, top) for left in lefts for top in (place - height - 1, place + 1)]
        area = QRectF(0.0, 0.0, frame.width, frame.height)
        boxes = [QRectF(left, top, width, height) for left, top in corners]
        # Where it hides least; rather at the end than much better elsewhere, so that it stays while curves move.
        costs = [on.cover(box) + 4 * k if area.contains(box) else math.inf for k, box in enumerate(boxes)]
        box = boxes[costs.index(min(costs))]
        on.taken.append(box)
        behind = QColor(on.theme.background)
        behind.setAlpha(190)
        painter.fillRect(box, behind)
        painter.setPen(text_ink(self.mark.style.color, on.theme))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.mark.label)


DRAWINGS: dict[type[Mark], type[Drawing[Mark]]] = {
    Curve: cast(type[Drawing[Mark]], CurveDrawing),
    Points: cast(type[Drawing[Mark]], PointsDrawing),
    Bars: cast(type[Drawing[Mark]], BarsDrawing),
    Band: cast(type[Drawing[Mark]], BandDrawing),
    Line: cast(type[Drawing[Mark]], LineDrawing),
    Heat: cast(type[Drawing[Mark]], HeatDrawing),
    Cloud: cast(type[Drawing[Mark]], CloudDrawing),
    Segments: cast(type[Drawing[Mark]], SegmentsDrawing),
    Shaded: cast(type[Drawing[Mark]], ShadedDrawing),
    Gallery: cast(type[Drawing[Mark]], GalleryDrawing),
}
READABLE = (CurveDrawing, PointsDrawing, BarsDrawing)
ReadableDrawing = CurveDrawing | PointsDrawing | BarsDrawing
ColoredDrawing = HeatDrawing | ShadedDrawing
LAYERS: dict[type[Mark], float] = {
    Gallery: 0.4,
    Heat: 0.5,
    Band: 1,
    Bars: 2,
    Cloud: 2.5,
    Segments: 2.7,
    Curve: 3,
    Points: 4,
    Shaded: 4,
    Line: 5,
}


class MarkItem(GraphicsObject):
    """A mark in the scene. A drawing that fails is reported once and left out until the structure changes."""

    def __init__(self, surface: Surface, report: Callable[[str], None]) -> None:
        super().__init__()
        self.surface, self.report = surface, report
        self.drawing: Drawing[Mark] | None = None
        self.scales: tuple[Scale, Scale] | None = None
        self.broken = False

    def show_mark(self, mark: Mark, x_scale: Scale, y_scale: Scale) -> None:
        """Take a new mark of the same type; nothing is done for the one already shown."""
        if self.broken or (self.drawing and self.drawing.mark is mark and self.scales == (x_scale, y_scale)):
            return
        self.setZValue(LAYERS[type(mark)])
        self.scales = (x_scale, y_scale)
        try:
            self.drawing = DRAWINGS[type(mark)](mark, x_scale, y_scale)
        except Exception as error:
            self._give_up(mark, error)

    def boundingRect(self) -> QRectF:
        """The whole plot area: marks are clipped to it, and it is always drawn at once."""
        return QRectF(0.0, 0.0, self.surface.frame.width, self.surface.frame.height)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """Draw the mark; an exception here would come back with every frame."""
        if painter is None or self.drawing is None or self.broken:
            return
        painter.save()
        try:
            self.drawing.draw(painter, self.surface)
        except Exception as error:
            self._give_up(self.drawing.mark, error)
        finally:
            painter.restore()

    def _give_up(self, mark: Mark, error: Exception) -> None:
        self.broken = True
        self.drawing = None
        self.report(f"{type(mark).__name__} {mark.label!r} cannot be drawn: {error}")


def hatching(on: Surface, pattern: Qt.BrushStyle) -> QBrush:
    """Strokes in the color of the background, laid over a filled bar."""
    return QBrush(QColor(on.theme.background), pattern)


def _filled(drawn: Floats, value: float) -> Floats:
    return np.where(np.isnan(drawn), value, drawn)


def _near(x: Floats, y: Floats, frame: Frame) -> tuple[Floats, Floats]:
    """Without the segments that are far outside, which cost time under deep zoom and are never seen."""
    if not bool(np.any(np.abs(x) > 3e4)) and not bool(np.any(np.abs(y) > 3e4)):
        return x, y
    seen = np.ones(len(x), dtype=bool)
    for along, size in ((x, frame.width), (y, frame.height)):
        before, after = along < -50, along > size + 50
        for side in (before, after):
            lonely = side.copy()
            lonely[1:] &= side[:-1]
            lonely[:-1] &= side[1:]
            seen &= ~lonely
    return np.where(seen, x, np.nan), np.where(seen, y, np.nan)


def _resampled(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if not 1 < len(x) < 200:
        return x, y
    places = np.linspace(0, len(x) - 1, 400)
    known = np.arange(len(x))
    return np.interp(places, known, x), np.interp(places, known, y)
