"""The plot itself: scene, zoom, crosshair. Titles, legends and readouts are around it, in the canvas."""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PyQt6.QtWidgets import QWidget

from explorer.canvas.axis import Grid, ScaleAxis
from explorer.canvas.base import GraphicsView, ViewBox
from explorer.canvas.cloud import CloudDrawing
from explorer.canvas.colors import ColorBar, ColorKey
from explorer.canvas.gallery import GalleryDrawing, Headings
from explorer.canvas.heat import HeatDrawing
from explorer.canvas.items import READABLE, ColoredDrawing, MarkItem, PointsDrawing, ReadableDrawing
from explorer.canvas.segments import SegmentsDrawing
from explorer.canvas.shaded import ShadedDrawing
from explorer.canvas.strokes import draw_rings
from explorer.canvas.surface import Surface
from explorer.canvas.theme import Theme
from explorer.marks import NEUTRAL, Axis, Figure, Gallery, Mark, Points, Style, values_along
from explorer.ranges import Frame, Span, carried, extent, limited, margin_of, padded, squared, steady
from explorer.scales import Scale

EMPTY = Figure("", Axis(""), Axis(""), ())
NOTHING = "nothing to show"
ALL_HIDDEN = "all curves are hidden"
RIGHT = 12.0
# Around a plot without axes.
BARE = 6.0
# A curve that ends farther from the crosshair than this share of the axis has no value there.
FARTHEST = 0.05
# Pixels, within which the mouse is at a colored point.
REACH = 12.0


@dataclass(frozen=True)
class Reading:
    """What a curve says at the crosshair."""

    label: str
    style: Style
    value: str


class PlotView(GraphicsView):
    """Draws a figure. Data are mapped by the scales before they get here; the view box is always linear."""

    pointed = pyqtSignal(object)
    painted = pyqtSignal()
    failed = pyqtSignal(str)
    _broke = pyqtSignal(str)

    def __init__(self, parent: QWidget, theme: Theme) -> None:
        super().__init__(parent)
        cast(Any, self).setCentralItem(None)
        self.surface = Surface(theme=theme)
        self.figure = EMPTY
        # What is to be seen at least; equal units may show more.
        self.wanted: tuple[Span, Span] = self.spans()
        self.hidden: frozenset[str] = frozenset()
        self.zoomed = False
        self.items_shown: list[MarkItem] = []
        self.render_count = 0
        self.last_paint_ms = 0.0
        self.crosshair: float | None = None
        self.level: float | None = None
        # Points of the draggable mark, by their numbers.
        self.selected: tuple[int, ...] = ()
        # While points are moved, the mouse must keep its place among them: what is seen stays.
        self.held = False
        self.empty = True
        self.history: list[tuple[Span, Span]] = []
        self._picture: QPixmap | None = None
        self.mouse: QPointF | None = None
        self.band: QRectF | None = None
        self._box = ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self._x_axis, self._y_axis = ScaleAxis("bottom", self.surface), ScaleAxis("left", self.surface)
        self._bar = ColorBar(self.surface)
        scene = self.scene()
        assert scene is not None
        for part in (self._box, self._x_axis, self._y_axis, self._bar):
            scene.addItem(part)
        self._grid = Grid(self.surface, self._x_axis, self._y_axis)
        self._grid.setParentItem(self._box)
        self._headings = Headings(self.surface)
        scene.addItem(self._headings)
        # Not from inside paint: whoever listens may open a window or draw this one.
        cast(Any, self._broke).connect(self.failed, Qt.ConnectionType.QueuedConnection)
        self.set_theme(theme)

    # ------------------------------------------------------------------ what is shown

    def show_figure(self, figure: Figure, *, keep_view: bool) -> None:
        """Draw this figure, touching only the marks that are not the ones already drawn."""
        if keep_view and figure is self.figure:
            return
        old, self.figure = self.figure, figure
        if list(map(type, old.marks)) != list(map(type, figure.marks)):
            self._rebuild(figure.marks)
        for item, mark in zip(self.items_shown, figure.marks, strict=True):
            item.show_mark(mark, figure.x.scale, figure.y.scale)
        if _movable_count(old) != _movable_count(figure):
            self.selected = ()
        self._apply_hidden()
        self._follow(old, keep_view=keep_view)

    def set_hidden(self, labels: frozenset[str]) -> None:
        """Leave out the marks with these labels."""
        self.hidden = labels
        self._apply_hidden()
        self._follow(self.figure, keep_view=True)

    def set_theme(self, theme: Theme) -> None:
        """Change the colors."""
        self.surface.theme = theme
        cast(Any, self).setBackground(QColor(theme.background))
        self.invalidate()

    def set_crosshair(self, x: float | None, y: float | None) -> None:
        """Show the crosshair at a data x, at a data y, at both or nowhere."""
        if self.empty or self.figure.bare:
            x = y = None
        if (x, y) != (self.crosshair, self.level):
            self.point_at(x, y)

    def invalidate(self) -> None:
        """Paint anew at the next opportunity."""
        self._picture = None
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    def update_overlay(self) -> None:
        """Lay crosshair and box over the same picture again."""
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    def position(self, x: float, y: float) -> QPointF:
        """Where a data point is in this widget."""
        frame = self.surface.frame
        across = frame.across(self.figure.x.scale.forward(np.array([x], dtype=float)))[0]
        down = frame.down(self.figure.y.scale.forward(np.array([y], dtype=float)))[0]
        return self.area().topLeft() + QPointF(float(across), float(down))

    def hint(self) -> str:
        """What stands where data would be."""
        if values_along(self._visible_marks(), "y").size < values_along(self.figure.marks, "y").size:
            return ALL_HIDDEN
        return self.figure.note or NOTHING

    def relayout(self) -> None:
        """Place the axes anew, after a change of size or font."""
        self.set_spans(*self.wanted)

    def spans(self) -> tuple[Span, Span]:
        """What is seen along x and y, in drawn coordinates."""
        return self.surface.frame.x, self.surface.frame.y

    def tick_texts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The labels along x and y."""
        return self._x_axis.ticks.texts, self._y_axis.ticks.texts

    # ------------------------------------------------------------------ ranges and places

    def _rebuild(self, marks: tuple[Mark, ...]) -> None:
        scene = self.scene()
        assert scene is not None
        for item in self.items_shown:
            scene.removeItem(item)
        self.items_shown = [MarkItem(self.surface, self._report) for _ in marks]
        for item in self.items_shown:
            item.setParentItem(self._box)

    def _report(self, sentence: str) -> None:
        self._broke.emit(sentence)

    def _apply_hidden(self) -> None:
        for item, mark in zip(self.items_shown, self.figure.marks, strict=True):
            item.setVisible(not mark.label or mark.label not in self.hidden)

    def _visible_marks(self) -> tuple[Mark, ...]:
        return tuple(mark for mark in self.figure.marks if not mark.label or mark.label not in self.hidden)

    def _extents(self) -> tuple[Span | None, Span | None]:
        marks = self._visible_marks()
        if self.figure.categories:
            x: Span | None = (-0.4, len(self.figure.categories) - 0.6)
        else:
            x = extent(values_along(marks, "x"), self.figure.x.scale)
        return x, extent(values_along(marks, "y"), self.figure.y.scale)

    def fitted(self) -> tuple[Span, Span]:
        """The spans that show all visible data, with a margin."""
        x, y = self._extents()
        margin = margin_of(self._visible_marks())
        return (
            padded(x, self.figure.x.scale, margin) if x else (0.0, 1.0),
            padded(y, self.figure.y.scale, margin) if y else (0.0, 1.0),
        )

    def _follow(self, old: Figure, *, keep_view: bool) -> None:
        was_empty = self.empty
        x, y = self._extents()
        self.empty = x is None or y is None
        if not keep_view and not self.held:
            self.zoomed = False
            self.history.clear()
            self.set_spans(*self.fitted())
            return
        figure, margin = self.figure, margin_of(self._visible_marks())
        renamed = old.categories != figure.categories
        kept: list[Span] = []
        for seen, before, now, data, fresh in zip(
            self.wanted,
            (old.x.scale, old.y.scale),
            (figure.x.scale, figure.y.scale),
            (x, y),
            (was_empty or renamed, was_empty),
            strict=True,
        ):
            same = seen if before == now else carried(seen, before, now)
            if before != now:
                self.history.clear()
            if data is None or ((self.zoomed or self.held) and same is not None):
                kept.append(same or (0.0, 1.0))
            elif same is None or fresh or before.name != now.name:
                kept.append(padded(data, now, margin))
            else:
                kept.append(steady(same, data, now, margin))
        self.set_spans(kept[0], kept[1])

    def set_spans(self, x: Span, y: Span) -> None:
        """Show these drawn coordinates."""
        self.wanted = limited(x, self.figure.x.scale), limited(y, self.figure.y.scale)
        bare = self.figure.bare
        for part in (self._x_axis, self._y_axis, self._grid):
            part.setVisible(not bare)
        if bare:
            self._arrange_bare()
        else:
            self._arrange()
        x, y = self.spans()
        self._box.setRange(xRange=x, yRange=y, padding=0)
        self.invalidate()
        if (self.crosshair, self.level) != (None, None):
            self.point_at(*((None, None) if self.empty else (self.crosshair, self.level)))

    def _framed(self, width: float, height: float) -> Frame:
        """The wanted spans on an area of this size, opened where units must be equal."""
        x, y = squared(*self.wanted, height / width) if self.figure.equal else self.wanted
        return Frame(x, y, width, height)

    def _arrange_bare(self) -> None:
        """Nothing but labels above the galleries."""
        galleries = [mark for mark in self._visible_marks() if isinstance(mark, Gallery)]
        above = max(self._headings.refresh(galleries, self.font()), BARE)
        self._bar.show_colors(None, 0.0)
        wide, high = max(self.width() - 2 * BARE, 10.0), max(self.height() - above - BARE, 10.0)
        self.surface.frame = self._framed(wide, high)
        self._box.setGeometry(QRectF(BARE, above, wide, high))
        self._headings.setPos(BARE, above)

    def _arrange(self) -> None:
        self._headings.refresh((), self.font())
        font = QFont(self.font())
        font.setPointSizeF(max(0.92 * font.pointSizeF(), 6.0) if font.pointSizeF() > 0 else 8.0)
        self._x_axis.font_used = self._y_axis.font_used = self._bar.font_used = font
        width, height, figure = float(self.width()), float(self.height()), self.figure
        # Half of the number at the upper end of the axis stands above it.
        above = math.ceil(QFontMetricsF(font).capHeight() / 2) + 3.0
        left, below, high, right = self._y_axis.size().width(), 0.0, height, RIGHT
        # Names below may need two lines, which depends on the width left beside the numbers, which depend on the
        # height that the names leave: twice around is enough. With equal units, what is seen depends on all of it.
        for _ in range(4 if figure.equal else 2):
            wide = max(width - left - right, 10.0)
            x, y = self._framed(wide, high).x, self._framed(wide, high).y
            self.surface.frame = replace(self.surface.frame, x=x, y=y, width=wide)
            self._x_axis.refresh(figure.x, figure.categories, x, wide, empty=self.empty)
            below = self._x_axis.thickness()
            high = max(height - below - above, 10.0)
            y = self._framed(wide, high).y
            self._y_axis.refresh(figure.y, (), y, high, empty=self.empty)
            left = self._y_axis.thickness()
            self._bar.show_colors(self.color_key(), high)
            right = self._bar.thickness() if self._bar.key else RIGHT
        wide = max(width - left - right, 10.0)
        self.surface.frame = self._framed(wide, high)
        self._x_axis.refresh(figure.x, figure.categories, self.surface.frame.x, wide, empty=self.empty)
        self._y_axis.refresh(figure.y, (), self.surface.frame.y, high, empty=self.empty)
        self._box.setGeometry(QRectF(left, above, wide, high))
        self._y_axis.setWidth(left)
        self._y_axis.setGeometry(QRectF(0.0, above, left, high))
        self._x_axis.setHeight(below)
        self._x_axis.setGeometry(QRectF(left, above + high, wide, below))
        self._bar.setWidth(right)
        self._bar.setGeometry(QRectF(left + wide, above, right, high))

    def area(self) -> QRectF:
        """The rectangle the data are drawn in."""
        return self._box.geometry()

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """The scene is painted into a picture only when it changed; the crosshair is laid over the picture."""
        viewport = self.viewport()
        if viewport is None:
            return
        start = time.perf_counter()
        fresh = self._picture is None or self._picture.size() != viewport.size() * viewport.devicePixelRatioF()
        if fresh:
            self._picture = self._painted_scene(viewport)
            self.render_count += 1
        painter = QPainter(viewport)
        assert self._picture is not None
        painter.drawPixmap(0, 0, self._picture)
        self._paint_over(painter)
        painter.end()
        if fresh:
            self.last_paint_ms = 1e3 * (time.perf_counter() - start)
            self.painted.emit()

    def _painted_scene(self, viewport: QWidget) -> QPixmap:
        ratio = viewport.devicePixelRatioF()
        picture = QPixmap(viewport.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(QColor(self.surface.theme.background))
        self.surface.start()
        painter = QPainter(picture)
        painter.setFont(self._x_axis.font_used)
        self.render(painter, QRectF(viewport.rect()), viewport.rect())
        if self.empty:
            painter.setPen(QColor(self.surface.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.area().adjusted(8, 0, -8, 0), int(flags), self.hint())
        painter.end()
        return picture

    def _paint_over(self, painter: QPainter) -> None:
        area, theme = self.area(), self.surface.theme
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.muted), 1.0, Qt.PenStyle.DotLine))
            painter.drawRect(area.adjusted(0, 0, -1, -1))
        painter.setClipRect(area)
        # Over the colors of cells, which may be like its own, the crosshair has an edge.
        edge = [QPen(QColor(theme.background), 3.0)] if self.heat() else []
        for pen in (*edge, QPen(QColor(theme.muted), 1.0)):
            painter.setPen(pen)
            for line in self._crosshair_lines(area):
                painter.drawLine(line)
        movable = self.movable()
        if movable is not None and self.selected:
            chosen, frame = list(self.selected), self.surface.frame
            x, y = frame.across(movable.x[chosen]) + area.left(), frame.down(movable.y[chosen]) + area.top()
            draw_rings(painter, x, y, QColor(theme.text))
        if self.band is not None:
            shade = QColor(theme.muted)
            shade.setAlpha(40)
            painter.setPen(QPen(QColor(theme.muted), 1.0))
            painter.setBrush(shade)
            painter.drawRect(self.band)

    def _crosshair_lines(self, area: QRectF) -> list[QLineF]:
        lines: list[QLineF] = []
        if self.figure.bare:
            return lines
        if self.crosshair is not None:
            x = float(self.surface.frame.across(np.array([_drawn(self.crosshair, self.figure.x.scale)]))[0])
            across = float(np.floor(area.left() + x))
            lines.append(QLineF(across, area.top(), across, area.bottom()))
        if self.level is not None:
            y = float(self.surface.frame.down(np.array([_drawn(self.level, self.figure.y.scale)]))[0])
            down = float(np.floor(area.top() + y))
            lines.append(QLineF(area.left(), down, area.right(), down))
        return lines

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Place the axes anew."""
        super().resizeEvent(event)
        if hasattr(self, "_box"):
            self.relayout()

    # ------------------------------------------------------------------ crosshair

    def readable(self) -> list[ReadableDrawing]:
        drawings = (item.drawing for item in self.items_shown if item.isVisible())
        return [drawing for drawing in drawings if isinstance(drawing, READABLE) and drawing.x.size]

    def nearest_x(self, drawn: float) -> float:
        nearest, least = float(self.figure.x.scale.inverse(np.array([drawn]))[0]), np.inf
        for drawing in self.readable():
            place, distance = _nearest(drawing, drawn)
            if distance < least:
                nearest, least = float(drawing.mark.x[place]), distance
        return nearest

    def place_at(self, x: float, y: float) -> tuple[float, float]:
        """The data coordinates that are read at these drawn ones.

        A cell's center; a colored point; else x of the nearest data point.
        """
        heat = self.heat()
        cell = heat.cell(x, y) if heat else None
        if heat and cell:
            columns, rows = heat.mark.centers
            return float(columns[cell[1]]), float(rows[cell[0]])
        drawing, place = self._shaded_at(x, y)
        if drawing:
            return float(drawing.mark.x[place]), float(drawing.mark.y[place])
        return self.nearest_x(x), float(self.figure.y.scale.inverse(np.array([y]))[0])

    def heat(self) -> HeatDrawing | None:
        """The heat map that is read: the uppermost one that is seen."""
        return next((drawing for drawing in reversed(self._colored()) if isinstance(drawing, HeatDrawing)), None)

    def shaded(self) -> list[ShadedDrawing]:
        """The colored points that are seen."""
        return [drawing for drawing in self._colored() if isinstance(drawing, ShadedDrawing)]

    def color_key(self) -> ColorKey | None:
        """The colors that the bar tells of: those of the last mark that is seen and has some."""
        keys = [drawing.key for drawing in self._colored()]
        return next((key for key in reversed(keys) if key.known), None)

    def _colored(self) -> list[ColoredDrawing]:
        drawings = (item.drawing for item in self.items_shown if item.isVisible())
        return [drawing for drawing in drawings if isinstance(drawing, ColoredDrawing)]

    def _shaded_at(self, x: float, y: float) -> tuple[ShadedDrawing | None, int]:
        """The colored point within reach of these drawn coordinates; by x alone where y is nan."""
        found: ShadedDrawing | None = None
        nearest, least = 0, REACH
        # Of points on each other, the last ones lie on top.
        for drawing in self.shaded():
            place, distance = drawing.nearest(x, y, self.surface.frame)
            if distance <= least:
                found, nearest, least = drawing, place, distance
        return found, nearest

    def movable(self) -> PointsDrawing | None:
        """The points that a person can move."""
        for item, mark in zip(self.items_shown, self.figure.marks, strict=True):
            if isinstance(mark, Points) and mark.draggable:
                return item.drawing if item.isVisible() and isinstance(item.drawing, PointsDrawing) else None
        return None

    def point_at(self, x: float | None, y: float | None = None) -> None:
        """Lay the crosshair over these data coordinates, and tell what is there."""
        across, down = _drawn(x, self.figure.x.scale), _drawn(y, self.figure.y.scale)
        self.crosshair, self.level = x if np.isfinite(across) else None, y if np.isfinite(down) else None
        heat = self.heat()
        readings: list[Reading] = []
        if heat and (cell := heat.cell(across, down)):
            value = heat.key.shades.text(float(heat.mark.values[cell]))
            readings.append(Reading(heat.mark.label, Style(NEUTRAL), value.replace("-", "−")))
        shaded, point = self._shaded_at(across, down) if self.crosshair is not None else (None, 0)
        if shaded:
            mark = shaded.mark
            readings.append(Reading(mark.label or mark.meaning, mark.style, shaded.value(point).replace("-", "−")))
        if self.crosshair is not None:
            span = self.surface.frame.x
            for drawing in self.readable():
                place, distance = _nearest(drawing, across)
                if distance <= FARTHEST * (span[1] - span[0]):
                    mark = drawing.mark
                    readings.append(Reading(mark.label, mark.style, drawing.value(place).replace("-", "−")))
        # Over curves, y is only where the mouse is; among points in a plane it is as good as x.
        both = heat is not None or self.crosshair is None or self._is_plane()
        text = "   ".join(filter(None, [self.x_text(), self.y_text() if both else ""]))
        if self.figure.bare:
            text = self._image_at(across, down)
        self.pointed.emit((text, readings) if text else None)
        self.update_overlay()

    def _is_plane(self) -> bool:
        drawings = (item.drawing for item in self.items_shown if item.isVisible())
        return any(isinstance(drawing, CloudDrawing | SegmentsDrawing | ShadedDrawing) for drawing in drawings)

    def _image_at(self, x: float, y: float) -> str:
        """The image at these drawn coordinates, in words."""
        drawings = (item.drawing for item in self.items_shown if item.isVisible())
        texts = (drawing.text_at(x, y) for drawing in drawings if isinstance(drawing, GalleryDrawing))
        return next(filter(None, texts), "") if np.isfinite([x, y]).all() else ""

    def x_text(self) -> str:
        """Where the crosshair is, in words."""
        if self.crosshair is None:
            return ""
        if self.figure.categories:
            return self.figure.categories[min(max(round(self.crosshair), 0), len(self.figure.categories) - 1)]
        return _named(self.figure.x.label, "x", self.crosshair)

    def y_text(self) -> str:
        """The same along y."""
        return "" if self.level is None else _named(self.figure.y.label, "y", self.level)


def _movable_count(figure: Figure) -> int:
    sizes = (mark.x.size for mark in figure.marks if isinstance(mark, Points) and mark.draggable)
    return next(sizes, 0)


def _drawn(value: float | None, scale: Scale) -> float:
    return float(scale.forward(np.array([np.nan if value is None else value]))[0])


def _named(label: str, short: str, value: float) -> str:
    return f"{label if 0 < len(label) <= 12 else short} = {value:.4g}".replace("-", "−")


def _nearest(drawing: ReadableDrawing, drawn: float) -> tuple[int, float]:
    distances = np.abs(drawing.x - drawn)
    if np.all(np.isnan(distances)):
        return 0, np.inf
    place = int(np.nanargmin(distances))
    return place, float(distances[place])
