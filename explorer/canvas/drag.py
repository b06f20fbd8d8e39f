"""Points that a person selects and moves up and down: the view tells where to, the owner of the data moves them."""

from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QInputEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QWidget

from explorer.canvas.gestures import NavigableView
from explorer.canvas.theme import Theme
from explorer.marks import Floats
from explorer.ranges import LARGEST
from explorer.scales import Scale

REACH = 8.0
# Less than this many pixels is the tremor of a click.
LEAST_MOVE = 3.0
# Share of what is seen that a key moves by.
KEY_STEP = 0.01


@dataclass(frozen=True)
class Drag:
    """Where points were moved to; whoever owns the data answers with a new figure.

    `values` are the new data values along y of the points at `indices` of the mark with this `label`. `snap` asks for
    round values or neighbors, whatever the owner has to offer. `done` is true once, at the end; after Escape the
    values are then those from before.
    """

    label: str
    indices: tuple[int, ...]
    values: tuple[float, ...]
    snap: bool
    done: bool


@dataclass(frozen=True, eq=False)
class Grip:
    """Points as they were when they were taken hold of: what is drawn meanwhile does not count."""

    label: str
    indices: tuple[int, ...]
    values: Floats
    scale: Scale

    def moved(self, up: float, *, snap: bool, done: bool) -> Drag:
        """All of them moved by the same distance in drawn coordinates."""
        values = self.values
        if up:
            values = np.clip(self.scale.inverse(self.scale.forward(values) + up), -LARGEST, LARGEST)
        return Drag(self.label, self.indices, tuple(values.tolist()), snap, done)


@dataclass
class Pull:
    """A grip in a person's hand."""

    grip: Grip
    x: float
    start: QPointF
    per_pixel: float
    moving: bool = False

    def to(self, at: QPointF, *, snap: bool, done: bool) -> Drag:
        """The points where the mouse has brought them."""
        return self.grip.moved((self.start.y() - at.y()) * self.per_pixel, snap=snap, done=done)


class MovableView(NavigableView):
    """A plot with points that can be moved, if it has any.

    A click selects a point, Ctrl+click one more or one less, Ctrl+drag adds those inside a band, a click beside them
    none; with Space the one at the crosshair. Ctrl+Up and Ctrl+Down move what is selected.
    """

    dragged = pyqtSignal(object)

    def __init__(self, parent: QWidget, theme: Theme) -> None:
        super().__init__(parent, theme)
        self._pull: Pull | None = None
        self._band_start: QPointF | None = None
        self.clicked.connect(self._clear)

    # ------------------------------------------------------------------ places

    def _pixels(self) -> tuple[Floats, Floats]:
        movable = self.movable()
        if movable is None or self.empty:
            return np.empty(0), np.empty(0)
        area, frame = self.area(), self.surface.frame
        return frame.across(movable.x) + area.left(), frame.down(movable.y) + area.top()

    def _point_at(self, at: QPointF) -> int | None:
        x, y = self._pixels()
        distances = np.nan_to_num(np.hypot(x - at.x(), y - at.y()), nan=np.inf)
        found = int(np.argmin(distances)) if distances.size and self.area().contains(at) else None
        return found if found is not None and distances[found] <= REACH else None

    def _grip(self, indices: tuple[int, ...]) -> Grip | None:
        movable = self.movable()
        if movable is None:
            return None
        held = tuple(index for index in indices if np.isfinite(movable.y[index]))
        values = np.asarray(movable.mark.y, dtype=np.float64)[list(held)]
        return Grip(movable.mark.label, held, values, self.figure.y.scale) if held else None

    # ------------------------------------------------------------------ selection

    def _select(self, indices: set[int]) -> None:
        self.selected = tuple(sorted(indices))
        self.update_overlay()

    def _clear(self) -> None:
        self._select(set())

    def _end_band(self, start: QPointF, at: QPointF) -> None:
        box, self.band = self.band, None
        if box is not None:
            x, y = self._pixels()
            inside = (x >= box.left()) & (x <= box.right()) & (y >= box.top()) & (y <= box.bottom())
            self._select({*self.selected, *np.flatnonzero(inside).tolist()})
        elif (index := self._point_at(start)) is not None:
            self._select({*self.selected} ^ {index})
        self._hover(at)

    # ------------------------------------------------------------------ moving

    def _take(self, index: int, at: QPointF) -> None:
        movable = self.movable()
        grip = self._grip(self.selected if index in self.selected else (index,))
        if movable is not None and grip is not None:
            low, high = self.surface.frame.y
            x = float(movable.mark.x[index])
            self._pull = Pull(grip, x, at, (high - low) / self.surface.frame.height)

    def _move(self, pull: Pull, at: QPointF, *, snap: bool) -> None:
        pull.moving = pull.moving or (at - pull.start).manhattanLength() >= LEAST_MOVE
        if pull.moving:
            self.held = True
            y = self.figure.y.scale.inverse(np.array([self.surface.frame.y_at(at.y() - self.area().top())]))
            self.point_at(pull.x, float(y[0]))
            self.hovered.emit((pull.x, float(y[0])))
            self.dragged.emit(pull.to(at, snap=snap, done=False))

    def _end(self, last: Drag) -> None:
        self._pull, self.held = None, False
        self.dragged.emit(last)
        # What came meanwhile may lie outside of what is seen.
        self._follow(self.figure, keep_view=True)

    def _release(self, pull: Pull, at: QPointF, *, snap: bool) -> None:
        if pull.moving:
            self._end(pull.to(at, snap=snap, done=True))
        else:
            self._pull = None
            index = self._point_at(pull.start)
            self._select(set() if index is None else {index})
        self._hover(at)

    # ------------------------------------------------------------------ events

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take hold of a point, or begin a band; anything else is as on every plot."""
        if event is None:
            return
        at = event.position()
        if self._pull is not None or self._band_start is not None:
            event.accept()
        elif event.button() != Qt.MouseButton.LeftButton or self.movable() is None or not self.area().contains(at):
            super().mousePressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._band_start = at
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        elif (index := self._point_at(at)) is not None:
            self._take(index, at)
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move the points, draw the band, or show what can be moved."""
        if event is None:
            return
        at, held = event.position(), bool(event.buttons() & Qt.MouseButton.LeftButton)
        start, pull = self._band_start, self._pull
        if not held and (start is not None or pull is not None):
            # The button came up where nobody told.
            self.mouseReleaseEvent(event)
        elif pull is not None:
            self._move(pull, at, snap=_snaps(event))
        elif start is not None:
            if self.band is not None or (at - start).manhattanLength() >= LEAST_MOVE:
                self.band = QRectF(start, at).normalized() & self.area()
                self.update_overlay()
        else:
            super().mouseMoveEvent(event)
            over = event.buttons() == Qt.MouseButton.NoButton and self._point_at(at) is not None
            shape = Qt.CursorShape.SizeVerCursor if over else Qt.CursorShape.CrossCursor
            if self.cursor().shape() != shape:
                self.setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Let go of the points, or select those in the band."""
        if event is None:
            return
        at, start, pull = event.position(), self._band_start, self._pull
        other = event.button() not in {Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton}
        if other and (pull is not None or start is not None):
            event.accept()
        elif pull is not None:
            self._release(pull, at, snap=_snaps(event))
        elif start is not None:
            self._band_start = None
            self._end_band(start, at)
        else:
            super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Two clicks on a point are two clicks."""
        if event is not None and self._point_at(event.position()) is not None:
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """No zoom while points are held."""
        if event is not None and self._pull is not None:
            event.accept()
        else:
            super().wheelEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Keys that mean something here are no shortcuts of the window."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and self._wants(event):
            event.accept()
            return True
        return super().event(event)

    def _wants(self, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Escape:
            return self._pull is not None or self._band_start is not None
        if event.key() == Qt.Key.Key_Space:
            return self.movable() is not None and self.crosshair is not None
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        return control and event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down} and bool(self.selected)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Escape brings back what was, Ctrl+Up and Ctrl+Down move, Space selects; all others wait for a drag to end."""
        if event is None:
            return
        pull = self._pull
        if not self._wants(event):
            if pull is None:
                super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Escape:
            self._band_start = self.band = None
            if pull is not None and pull.moving:
                self._end(pull.grip.moved(0.0, snap=False, done=True))
            self._pull = None
            self.update_overlay()
        elif pull is not None:
            return
        elif event.key() == Qt.Key.Key_Space:
            self._select({*self.selected} ^ self._at_crosshair())
        elif (grip := self._grip(self.selected)) is not None:
            low, high = self.surface.frame.y
            up = KEY_STEP * (high - low) * (1 if event.key() == Qt.Key.Key_Up else -1)
            self.dragged.emit(grip.moved(up, snap=_snaps(event), done=True))

    def _at_crosshair(self) -> set[int]:
        movable = self.movable()
        if movable is None or self.crosshair is None:
            return set()
        away = np.abs(movable.x - self.figure.x.scale.forward(np.array([self.crosshair])))
        return {int(np.nanargmin(away))} if np.isfinite(away).any() else set()


def _snaps(event: QInputEvent) -> bool:
    return bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
