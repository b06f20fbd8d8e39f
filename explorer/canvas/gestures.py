"""What mouse and keyboard do to a plot: crosshair, zoom, pan, and steps back."""

import time
from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QContextMenuEvent, QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QApplication, QMenu, QWidget

from explorer.canvas.theme import Theme
from explorer.canvas.view import PlotView
from explorer.marks import Floats
from explorer.ranges import Span

LONGEST_HISTORY = 50
# Turns of the wheel in quick succession are one step back.
SAME_GESTURE_S = 0.5
ZOOM_STEP = 1.2


class NavigableView(PlotView):
    """A plot that answers to mouse and keyboard. pyqtgraph's own gestures and menus are passed by."""

    hovered = pyqtSignal(object)
    clicked = pyqtSignal(float, float)

    def __init__(self, parent: QWidget, theme: Theme) -> None:
        super().__init__(parent, theme)
        self.menu_actions: list[QAction] = []
        self._last_wheel = 0.0
        self._press: tuple[QPointF, Qt.MouseButton, tuple[Span, Span]] | None = None
        self._dragging = False
        self._wants_band = False
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def fit(self) -> None:
        """Show all data exactly."""
        if self.zoomed:
            self._remember()
        self.zoomed = False
        self.set_spans(*self.fitted())

    def zoom_back(self) -> None:
        """The view before the last zoom."""
        if self.history:
            x, y = self.history.pop()
            self.zoomed = bool(self.history)
            self.set_spans(x, y)

    # ------------------------------------------------------------------ crosshair

    def _hover(self, at: QPointF) -> None:
        area = self.area()
        if self.empty or not area.contains(at):
            self._leave()
            return
        self.mouse = at
        frame = self.surface.frame
        place = self.place_at(frame.x_at(at.x() - area.left()), frame.y_at(at.y() - area.top()))
        self.point_at(*place)
        # Places among images mean nothing to other plots.
        self.hovered.emit(None if self.figure.bare else place)

    def _leave(self) -> None:
        if self.mouse is not None:
            self.mouse = None
            self.point_at(None)
            self.hovered.emit(None)

    def _step_crosshair(self, direction: int, upwards: int = 0) -> None:
        heat = self.heat()
        if heat:
            columns, rows = heat.mark.centers
            place = _beyond(columns, self.crosshair, direction), _beyond(rows, self.level, upwards)
        else:
            drawings = (*self.readable(), *self.shaded())
            places = [drawing.mark.x[np.isfinite(drawing.x)] for drawing in drawings if drawing.x.size]
            if not places:
                return
            # The keyboard tells nothing of y.
            place = _beyond(np.unique(np.concatenate(places)), self.crosshair, direction), np.nan
        self.point_at(*place)
        self.hovered.emit(place)

    # ------------------------------------------------------------------ zoom

    def _remember(self) -> None:
        self.history = [*self.history, self.wanted][-LONGEST_HISTORY:]

    def _zoom(self, spans: tuple[Span, Span]) -> None:
        self.zoomed = True
        self.set_spans(*spans)

    def _scaled(self, factor: float, at: QPointF, axes: Sequence[bool]) -> tuple[Span, Span]:
        area, frame = self.area(), self.surface.frame
        center = (frame.x_at(at.x() - area.left()), frame.y_at(at.y() - area.top()))
        scaled: list[Span] = []
        for span, middle, used in zip(self.spans(), center, axes, strict=True):
            share = factor if used else 1.0
            scaled.append((middle + (span[0] - middle) * share, middle + (span[1] - middle) * share))
        return scaled[0], scaled[1]

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom about the mouse; over an axis, along that axis only, unless units must stay equal."""
        if event is None or self.empty:
            return
        at, area = event.position(), self.area()
        now = time.monotonic()
        if now - self._last_wheel > SAME_GESTURE_S:
            self._remember()
        self._last_wheel = now
        below, beside = (over and not self.figure.equal for over in (at.y() > area.bottom(), at.x() < area.left()))
        delta = event.angleDelta().y() or event.angleDelta().x()
        self._zoom(self._scaled(ZOOM_STEP ** (-delta / 120), at, (not beside, not below)))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin a click, a pan or a box."""
        if event is None:
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        button = event.button()
        if button in {Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton}:
            self._press, self._dragging = (event.position(), button, self.spans()), False
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._wants_band = shift or button == Qt.MouseButton.RightButton
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Crosshair, pan or box."""
        if event is None:
            return
        at = event.position()
        if self._press is None:
            self._hover(at)
            return
        start, _, spans = self._press
        far = (at - start).manhattanLength() >= QApplication.startDragDistance()
        if not self._dragging and far and not self.empty and self.area().contains(start):
            self._dragging = True
            if not self._wants_band:
                self._remember()
        if self._dragging and self._wants_band:
            self.band = QRectF(start, at).normalized()
            self.update_overlay()
        elif self._dragging:
            self._pan(start, at, spans)

    def _pan(self, start: QPointF, at: QPointF, spans: tuple[Span, Span]) -> None:
        frame = self.surface.frame
        across = (at.x() - start.x()) * (frame.x[1] - frame.x[0]) / frame.width
        up = (at.y() - start.y()) * (frame.y[1] - frame.y[0]) / frame.height
        (x0, x1), (y0, y1) = spans
        self._zoom(((x0 - across, x1 - across), (y0 + up, y1 + up)))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """End a click, a pan or a box."""
        if event is None or self._press is None:
            return
        (start, button, _), at = self._press, event.position()
        self._press = None
        if self.band is not None:
            self.band = None
            self._zoom_to(QRectF(start, at).normalized() & self.area())
        elif not self._dragging and button == Qt.MouseButton.RightButton:
            self._open_menu(event.globalPosition())
        elif not self._dragging and self.area().contains(at) and not self.empty:
            area, frame = self.area(), self.surface.frame
            x = self.figure.x.scale.inverse(np.array([frame.x_at(at.x() - area.left())]))
            y = self.figure.y.scale.inverse(np.array([frame.y_at(at.y() - area.top())]))
            self.clicked.emit(float(x[0]), float(y[0]))
        self._dragging = False
        self._hover(at)

    def _zoom_to(self, box: QRectF) -> None:
        if box.width() < 4 or box.height() < 4:
            return
        area, frame = self.area(), self.surface.frame
        box.translate(-area.topLeft())
        self._remember()
        self._zoom(
            (
                (frame.x_at(box.left()), frame.x_at(box.right())),
                (frame.y_at(box.bottom()), frame.y_at(box.top())),
            )
        )

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Show all data."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._press = None
            self.fit()

    def leaveEvent(self, a0: QEvent | None) -> None:
        """The crosshair goes with the mouse."""
        self._leave()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """A fits, Backspace goes back, + and - zoom, arrows read values."""
        if event is None:
            return
        plain = not event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
        key = event.key() if plain else 0
        if key == Qt.Key.Key_A:
            self.fit()
        elif key == Qt.Key.Key_Backspace:
            self.zoom_back()
        elif key in {Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_Equal} and not self.empty:
            self._remember()
            share = ZOOM_STEP if key == Qt.Key.Key_Minus else 1 / ZOOM_STEP
            self._zoom(self._scaled(share, self.area().center(), (True, True)))
        elif key in {Qt.Key.Key_Left, Qt.Key.Key_Right}:
            self._step_crosshair(1 if key == Qt.Key.Key_Right else -1)
        elif key in {Qt.Key.Key_Up, Qt.Key.Key_Down} and self.heat():
            self._step_crosshair(0, 1 if key == Qt.Key.Key_Up else -1)
        else:
            event.ignore()

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        """The keyboard's menu key; the mouse opens the menu when its right button comes up without a drag."""
        if event is not None and event.reason() == QContextMenuEvent.Reason.Keyboard:
            self._open_menu(QPointF(self.mapToGlobal(self.area().center())))
        elif event is not None:
            event.accept()

    def _open_menu(self, at: QPointF) -> None:
        if self.menu_actions:
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.addActions(self.menu_actions)
            menu.popup(at.toPoint())

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Show where the keyboard goes."""
        super().focusInEvent(event)
        self.update_overlay()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Show where the keyboard goes."""
        super().focusOutEvent(event)
        self.update_overlay()


def _beyond(places: Floats, present: float | None, direction: int) -> float:
    """The next place in this direction, the first one from nowhere, the present one where there is no other."""
    if present is None:
        return float(places[0 if direction >= 0 else -1])
    found = places[(places - present) * direction > 0]
    return float(found.min() if direction > 0 else found.max()) if found.size else present
