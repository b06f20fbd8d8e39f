"""One plot with its title, legend and readout."""

from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QSize, QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QColor, QPalette, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from explorer.canvas.drag import MovableView
from explorer.canvas.legend import Legend, entries_of
from explorer.canvas.lines import Header, Readout
from explorer.canvas.theme import DARK, LIGHT
from explorer.canvas.view import EMPTY, NOTHING, Reading
from explorer.marks import (
    Band,
    Bars,
    Cloud,
    Curve,
    Figure,
    Floats,
    Gallery,
    Heat,
    Line,
    Points,
    Segments,
    Shaded,
    values_along,
)

# Below this height there is no line to spare: values at the crosshair take the place of the title.
LEAST_FOR_READOUT = 240
SUMMARY_DELAY_MS = 400


class Canvas(QWidget):
    """Draws figures, one after the other, and lets a person look closer.

    A canvas never changes what it shows by itself: it only tells what a person did.
    """

    hovered = pyqtSignal(object)
    """Data coordinates (x, y) that are read, or None when the mouse left, for `set_crosshair` of other plots.

    Over a heat map the center of a cell; at a colored point, that point; else x of the data point nearest
    to the mouse, and y where the mouse is, nan where the keyboard moved the crosshair.
    """
    clicked = pyqtSignal(float, float)
    """The data coordinates of a click that was no drag."""
    visibility_changed = pyqtSignal(frozenset)
    """All labels that are hidden now."""
    painted = pyqtSignal()
    """The plot was painted anew; moving the crosshair does not count."""
    dragged = pyqtSignal(object)
    """A `Drag`: a person moves draggable points, and waits for a figure with the new values."""
    failed = pyqtSignal(str)
    """A mark cannot be drawn; said once, the others are still drawn."""

    def __init__(self, parent: QWidget | None = None, *, dark: bool = False) -> None:
        super().__init__(parent)
        self._view = MovableView(self, DARK if dark else LIGHT)
        surface = self._view.surface
        self._header = Header(self, surface)
        self._legend = Legend(self, surface)
        self._readout = Readout(self, surface)
        self._busy, self._error = False, ""
        self._summary = QTimer(self)
        self._summary.setSingleShot(True)
        self._summary.setInterval(SUMMARY_DELAY_MS)
        self._summary.timeout.connect(self._describe)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header)
        column.addWidget(self._legend)
        column.addWidget(self._view, 1)
        column.addWidget(self._readout)
        self._legend.hide()
        self._legend.hidden_changed.connect(self._hide_labels)
        self._view.hovered.connect(self.hovered)
        self._view.pointed.connect(self._tell)
        self._view.clicked.connect(self.clicked)
        self._view.dragged.connect(self.dragged)
        self._view.painted.connect(self.painted)
        self._view.failed.connect(self.failed)
        self.setFocusProxy(self._view)
        self.setAutoFillBackground(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.set_theme(dark=dark)

    # ------------------------------------------------------------------ what is shown

    def show_figure(self, figure: Figure, keep_view: bool) -> None:
        """Draw a figure. With `keep_view` a person's zoom stays, and a fitted view follows the data without jitter."""
        if figure.title != self._view.figure.title or self._view.figure is EMPTY:
            self.setAccessibleName(figure.title)
            self._view.setAccessibleName(figure.title)
        self._legend.show_entries(entries_of(figure))
        self._view.show_figure(figure, keep_view=keep_view)
        self._readout.set_note(
            "" if self._view.empty else " ".join(part for part in (figure.hint, figure.note) if part)
        )
        self._refresh_header()
        self._summary.start()

    @property
    def figure(self) -> Figure:
        """What is drawn."""
        return self._view.figure

    def fit(self) -> None:
        """Show all visible data exactly, and forget that a person zoomed."""
        self._view.fit()

    def zoom_back(self) -> None:
        """The view before the last zoom."""
        self._view.zoom_back()

    @property
    def is_zoomed(self) -> bool:
        """Whether a person chose what part is seen."""
        return self._view.zoomed

    @property
    def hidden(self) -> frozenset[str]:
        """Labels of the marks that are left out, remembered from figure to figure."""
        return self._legend.hidden

    def set_hidden(self, labels: frozenset[str]) -> None:
        """Leave out the marks with these labels, in this figure and in those to come."""
        self._legend.set_hidden(labels)

    def set_crosshair(self, x: float | None, y: float | None = None) -> None:
        """Show the crosshair at a data x, at a data y, at both or nowhere; `hovered` is not emitted."""
        self._view.set_crosshair(x, y)

    @property
    def selected(self) -> tuple[int, ...]:
        """Which of the draggable points are selected; remembered while their number stays."""
        return self._view.selected

    def readout(self) -> str:
        """The values at the crosshair as one line of text, or the figure's note."""
        return self._readout.text()

    def set_actions(self, actions: Sequence[QAction]) -> None:
        """The context menu."""
        self._view.menu_actions = list(actions)

    def set_busy(self, busy: bool) -> None:
        """Tell that what is drawn answers an older question."""
        self._busy = busy
        self._refresh_header()

    def set_error(self, sentence: str) -> None:
        """Tell why there is no newer answer; the last curves stay. Empty when all is well."""
        self._error = sentence
        self._refresh_header()
        self._summary.start()

    def set_theme(self, dark: bool) -> None:
        """Light or dark colors."""
        theme = DARK if dark else LIGHT
        self._view.set_theme(theme)
        palette = QPalette(self.palette())
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.text))
        self.setPalette(palette)
        self.update()

    # ------------------------------------------------------------------ for tests, benchmarks and those who cannot see

    @property
    def render_count(self) -> int:
        """How often the plot was painted anew."""
        return self._view.render_count

    @property
    def last_paint_ms(self) -> float:
        """How long that took the last time."""
        return self._view.last_paint_ms

    def position(self, x_data: float, y_data: float) -> QPointF:
        """Where a data point is in this widget."""
        return QPointF(self._view.pos()) + self._view.position(x_data, y_data)

    def view_range(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The data values at the ends of the x axis and of the y axis."""
        spans, scales = self._view.spans(), (self.figure.x.scale, self.figure.y.scale)
        x, y = (scale.inverse(np.array(span)).tolist() for scale, span in zip(scales, spans, strict=True))
        return (x[0], x[1]), (y[0], y[1])

    def tick_texts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The labels of the ticks along x and along y."""
        return self._view.tick_texts()

    def summary(self) -> str:
        """The plot in words."""
        figure = self.figure
        axes = "" if figure.bare else f": {figure.y.label or 'y'} over {figure.x.label or 'x'}"
        parts = [f"{figure.title or 'Plot'}{axes}."]
        if self._error:
            parts.append(f"Not up to date: {self._error}")
        if not values_along(figure.marks, "y").size:
            return " ".join([*parts, figure.note or NOTHING])
        for mark in figure.marks:
            if mark.label in self.hidden and mark.label:
                continue
            match mark:
                case Curve() | Points() if len(mark.y):
                    parts.append(f"{mark.label or 'Curve'} ends at {mark.y[-1]:.4g}.")
                case Bars():
                    parts.append(f"{mark.label or 'Bars'}: {', '.join(f'{value:.4g}' for value in mark.height[:12])}.")
                case Heat() if np.isfinite(mark.values).any():
                    parts.append(f"{mark.label or 'Cells'}: {_range(mark.values)}.")
                case Line():
                    parts.append(f"Reference {mark.label} at {mark.at:.4g}.")
                case Cloud():
                    parts.append(f"{mark.label or 'Cloud'}: {mark.x.size} points.")
                case Segments():
                    parts.append(f"{mark.label or 'Segments'}: {np.count_nonzero(mark.there)} pieces.")
                case Shaded():
                    told = f", {mark.meaning} {_range(mark.values)}" if np.isfinite(mark.values).any() else ""
                    parts.append(f"{mark.label or 'Points'}: {mark.x.size} points{told}.")
                case Gallery():
                    parts.append(f"{mark.label or 'Gallery'}: {len(mark.images)} images.")
                case Band() | Curve() | Points() | Heat():
                    pass
        return " ".join([*parts, figure.note]).strip()

    def sizeHint(self) -> QSize:
        """A comfortable plot."""
        return QSize(440, 320)

    def minimumSizeHint(self) -> QSize:
        """The smallest plot that still tells something."""
        return QSize(220, 160)

    # ------------------------------------------------------------------ inside

    def _hide_labels(self, labels: frozenset[str]) -> None:
        self._view.set_hidden(labels)
        self._summary.start()
        self.visibility_changed.emit(labels)

    def _tell(self, pointed: tuple[str, list[Reading]] | None) -> None:
        x, readings = pointed or ("", [])
        self._readout.show_readings(x, readings)
        if self._header.readout is not None:
            self._header.update()

    def _refresh_header(self) -> None:
        self._header.set_state(self.figure.title, busy=self._busy, error=self._error)

    def _describe(self) -> None:
        self.setAccessibleDescription(self.summary())
        self._view.setAccessibleDescription(self.summary())

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Give up the line of the readout where it is needed for the plot."""
        super().resizeEvent(a0)
        small = self.height() < LEAST_FOR_READOUT
        self._legend.set_most_height(self.height() // 5)
        self._readout.setVisible(not small)
        self._header.readout = self._readout if small else None

    def changeEvent(self, a0: QEvent | None) -> None:
        """Follow the font."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.FontChange:
            self._legend.updateGeometry()
            self._view.relayout()


def _range(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return f"from {known.min():.4g} to {known.max():.4g}"
