"""The plot itself: scene, zoom, crosshair. Titles, legends and readouts are around it, in the canvas."""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
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
from explorer.canvas.items import READABLE, MarkItem, ReadableDrawing, Surface
from explorer.canvas.theme import Theme
from explorer.marks import Axis, Figure, Mark, Style, values_along
from explorer.ranges import Frame, Span, carried, extent, limited, padded, steady

EMPTY = Figure("", Axis(""), Axis(""), ())
NOTHING = "nothing to show"
ALL_HIDDEN = "all curves are hidden"
RIGHT = 12.0
# A curve that ends farther from the crosshair than this share of the axis has no value there.
FARTHEST = 0.05


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
        self.hidden: frozenset[str] = frozenset()
        self.zoomed = False
        self.items_shown: list[MarkItem] = []
        self.render_count = 0
        self.last_paint_ms = 0.0
        self.crosshair: float | None = None
        self.empty = True
        self.history: list[tuple[Span, Span]] = []
        self._picture: QPixmap | None = None
        self.mouse: QPointF | None = None
        self.band: QRectF | None = None
        self._box = ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self._x_axis, self._y_axis = ScaleAxis("bottom", self.surface), ScaleAxis("left", self.surface)
        scene = self.scene()
        assert scene is not None
        for part in (self._box, self._x_axis, self._y_axis):
            scene.addItem(part)
        Grid(self.surface, self._x_axis, self._y_axis).setParentItem(self._box)
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

    def set_crosshair(self, x: float | None) -> None:
        """Show the crosshair at a data x, or nowhere."""
        self.point_at(None if self.empty else x)

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
        self.set_spans(*self.spans())

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
        return (
            padded(x, self.figure.x.scale) if x else (0.0, 1.0),
            padded(y, self.figure.y.scale) if y else (0.0, 1.0),
        )

    def _follow(self, old: Figure, *, keep_view: bool) -> None:
        was_empty = self.empty
        x, y = self._extents()
        self.empty = x is None or y is None
        if not keep_view:
            self.zoomed = False
            self.history.clear()
            self.set_spans(*self.fitted())
            return
        figure = self.figure
        renamed = old.categories != figure.categories
        kept: list[Span] = []
        for seen, before, now, data, fresh in zip(
            self.spans(),
            (old.x.scale, old.y.scale),
            (figure.x.scale, figure.y.scale),
            (x, y),
            (was_empty or renamed, was_empty),
            strict=True,
        ):
            same = seen if before == now else carried(seen, before, now)
            if before != now:
                self.history.clear()
            if data is None or (self.zoomed and same is not None):
                kept.append(same or (0.0, 1.0))
            elif same is None or fresh or before.name != now.name:
                kept.append(padded(data, now))
            else:
                kept.append(steady(same, data, now))
        self.set_spans(kept[0], kept[1])

    def set_spans(self, x: Span, y: Span) -> None:
        """Show these drawn coordinates."""
        x, y = limited(x, self.figure.x.scale), limited(y, self.figure.y.scale)
        self._arrange(x, y)
        self._box.setRange(xRange=x, yRange=y, padding=0)
        self.invalidate()
        if self.crosshair is not None:
            self.point_at(None if self.empty else self.crosshair)

    def _arrange(self, x: Span, y: Span) -> None:
        font = QFont(self.font())
        font.setPointSizeF(max(0.92 * font.pointSizeF(), 6.0) if font.pointSizeF() > 0 else 8.0)
        self._x_axis.font_used = self._y_axis.font_used = font
        width, height, figure = float(self.width()), float(self.height()), self.figure
        # Half of the number at the upper end of the axis stands above it.
        above = math.ceil(QFontMetricsF(font).capHeight() / 2) + 3.0
        left, below, high = self._y_axis.size().width(), 0.0, height
        # Names below may need two lines, which depends on the width left beside the numbers, which depend on the
        # height that the names leave: twice around is enough.
        for _ in range(2):
            wide = max(width - left - RIGHT, 10.0)
            self.surface.frame = replace(self.surface.frame, x=x, y=y, width=wide)
            self._x_axis.refresh(figure.x, figure.categories, x, wide, empty=self.empty)
            below = self._x_axis.thickness()
            high = max(height - below - above, 10.0)
            self._y_axis.refresh(figure.y, (), y, high, empty=self.empty)
            left = self._y_axis.thickness()
        wide = max(width - left - RIGHT, 10.0)
        self.surface.frame = Frame(x, y, wide, high)
        self._x_axis.refresh(figure.x, figure.categories, x, wide, empty=self.empty)
        self._box.setGeometry(QRectF(left, above, wide, high))
        self._y_axis.setWidth(left)
        self._y_axis.setGeometry(QRectF(0.0, above, left, high))
        self._x_axis.setHeight(below)
        self._x_axis.setGeometry(QRectF(left, above + high, wide, below))

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
        painter.setPen(QPen(QColor(theme.muted), 1.0))
        if self.crosshair is not None:
            x = float(self.surface.frame.across(np.array([self._drawn_x(self.crosshair)]))[0])
            across = np.floor(area.left() + x)
            painter.drawLine(QPointF(across, area.top()), QPointF(across, area.bottom()))
        if self.mouse is not None and self.crosshair is not None:
            painter.drawLine(QPointF(area.left(), self.mouse.y()), QPointF(area.right(), self.mouse.y()))
        if self.band is not None:
            shade = QColor(theme.muted)
            shade.setAlpha(40)
            painter.setBrush(shade)
            painter.drawRect(self.band)

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

    def _drawn_x(self, x: float) -> float:
        return float(self.figure.x.scale.forward(np.array([x]))[0])

    def point_at(self, x: float | None) -> None:
        drawn = np.nan if x is None else self._drawn_x(x)
        self.crosshair = x if np.isfinite(drawn) else None
        readings: list[Reading] = []
        if self.crosshair is not None:
            span = self.surface.frame.x
            for drawing in self.readable():
                place, distance = _nearest(drawing, drawn)
                if distance <= FARTHEST * (span[1] - span[0]):
                    mark = drawing.mark
                    readings.append(Reading(mark.label, mark.style, drawing.value(place).replace("-", "−")))
        self.pointed.emit((self.x_text(), readings) if self.crosshair is not None else None)
        self.update_overlay()

    def x_text(self) -> str:
        """Where the crosshair is, in words."""
        if self.crosshair is None:
            return ""
        if self.figure.categories:
            return self.figure.categories[min(max(round(self.crosshair), 0), len(self.figure.categories) - 1)]
        value, label = self.crosshair, self.figure.x.label
        return f"{label if 0 < len(label) <= 12 else 'x'} = {value:.4g}".replace("-", "−")


def _nearest(drawing: ReadableDrawing, drawn: float) -> tuple[int, float]:
    distances = np.abs(drawing.x - drawn)
    if np.all(np.isnan(distances)):
        return 0, np.inf
    place = int(np.nanargmin(distances))
    return place, float(distances[place])
