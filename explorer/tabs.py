"""The plots in their tabs."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QGridLayout, QTabWidget, QVBoxLayout, QWidget

from explorer.canvas import Canvas
from explorer.marks import Figure, Heat
from explorer.plots import PLOTS, Plot


class Place(NamedTuple):
    """Where a plot lies on its page."""

    grid: QGridLayout
    row: int
    column: int
    span: int


class Tabs(QTabWidget):
    """One canvas per plot, grouped by the plots' tabs; only those that are seen are asked for."""

    seen_changed = pyqtSignal()
    said = pyqtSignal(str)
    clicked = pyqtSignal(object, float, float)
    """A plot, and the data coordinates of a click on it."""
    dragged = pyqtSignal(object, object)
    """A plot, and where its points were moved to."""

    def __init__(self, actions_for: Callable[["Tabs", str], list[QAction]], above: dict[str, QWidget]) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.setAccessibleName("Plots")
        self._plots = {plot.name: plot for plot in PLOTS}
        self._canvases: dict[str, Canvas] = {}
        self._places: dict[str, Place] = {}
        self._waiting: set[str] = set()
        self._maximized = ""
        self._active = PLOTS[0].name
        self.titles = list(dict.fromkeys(plot.tab for plot in PLOTS))
        for title in self.titles:
            self.addTab(self._page([plot for plot in PLOTS if plot.tab == title], above.get(title)), title)
        for name, canvas in self._canvases.items():
            canvas.set_actions(actions_for(self, name))
            canvas.hovered.connect(partial(self._hover, name))
            canvas.failed.connect(self.said)
            canvas.clicked.connect(partial(self.clicked.emit, self._plots[name]))
            canvas.dragged.connect(partial(self.dragged.emit, self._plots[name]))
        self.currentChanged.connect(self._switched)

    def _page(self, plots: list[Plot], above: QWidget | None) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(4, 4, 4, 4)
        if above is not None:
            column.addWidget(above)
        grid = QGridLayout()
        grid.setSpacing(6)
        columns = 1 if len(plots) == 1 else 2
        for position, plot in enumerate(plots):
            canvas = Canvas(page)
            self._canvases[plot.name] = canvas
            # A lone plot in the last row takes its whole width.
            last_alone = position == len(plots) - 1 and len(plots) % columns
            place = Place(grid, position // columns, position % columns, columns if last_alone else 1)
            grid.addWidget(canvas, place.row, place.column, 1, place.span)
            self._places[plot.name] = place
        self._share_room(grid)
        column.addLayout(grid, 1)
        return page

    def _switched(self, index: int) -> None:
        self.seen_changed.emit()

    def _hover(self, name: str, at: tuple[float, float] | None) -> None:
        self._active = name
        mine = self._canvases[name].figure
        for other in self.seen():
            if other.name != name:
                canvas = self._canvases[other.name]
                canvas.set_crosshair(*(_linked(mine, at, canvas.figure) if at else (None, None)))

    @property
    def active(self) -> str:
        """Name of the plot that the mouse was over last, if it is seen, else the first that is."""
        seen = [plot.name for plot in self.seen()]
        return self._active if self._active in seen else seen[0]

    def canvas(self, name: str) -> Canvas:
        """The canvas of a plot."""
        return self._canvases[name]

    def plot(self, name: str) -> Plot:
        """The plot of this name."""
        return self._plots[name]

    def seen(self) -> list[Plot]:
        """Plots of the present tab."""
        title = self.titles[self.currentIndex()]
        return [plot for plot in PLOTS if plot.tab == title and self._has_room(plot)]

    def ask(self) -> list[Plot]:
        """The plots that are seen, from now on waiting for an answer."""
        seen = self.seen()
        self._waiting = {plot.name for plot in seen}
        return seen

    def show_figure(self, name: str, figure: Figure, *, current: bool) -> None:
        """Draw; `current` tells whether this answers the present question."""
        canvas = self._canvases[name]
        if figure is not canvas.figure:
            canvas.show_figure(figure, keep_view=True)
        canvas.set_error("")
        canvas.set_busy(not current)
        if current:
            self._waiting.discard(name)

    def show_error(self, name: str, sentence: str) -> None:
        """Tell why there is no answer."""
        self._canvases[name].set_error(sentence)
        self._canvases[name].set_busy(False)
        self._waiting.discard(name)

    def mark_waiting(self) -> None:
        """Mark the plots that are seen and still answer an older question."""
        for name in self._waiting:
            self._canvases[name].set_busy(True)

    def set_theme(self, *, dark: bool) -> None:
        """Colors of all plots."""
        for canvas in self._canvases.values():
            canvas.set_theme(dark)

    def maximize(self, name: str) -> None:
        """Give one plot the whole tab, or with the same name again, all of them."""
        self._maximized = "" if self._maximized == name else name
        for plot in PLOTS:
            self._canvases[plot.name].setVisible(self._has_room(plot))
        for grid in {place.grid for place in self._places.values()}:
            self._share_room(grid)
        self.seen_changed.emit()

    def _share_room(self, grid: QGridLayout) -> None:
        """Rows and columns without a plot that is seen give up their share."""
        seen = [
            place for name, place in self._places.items() if place.grid is grid and self._has_room(self._plots[name])
        ]
        rows = {place.row for place in seen}
        columns = {place.column + k for place in seen for k in range(place.span)}
        for row in range(grid.rowCount()):
            grid.setRowStretch(row, int(row in rows))
        for column in range(grid.columnCount()):
            grid.setColumnStretch(column, int(column in columns))

    def _has_room(self, plot: Plot) -> bool:
        """Whether no other plot of the same tab is maximized."""
        return self._maximized in ("", plot.name) or self._plots[self._maximized].tab != plot.tab


def _linked(mine: Figure, at: tuple[float, float], other: Figure) -> tuple[float | None, float | None]:
    """Where on the other plot the place on mine is, along each of its axes that is also one of mine."""
    places = {mine.y.label: at[1], mine.x.label: at[0]}
    x, y = (places.get(axis.label) if axis.label else None for axis in (other.x, other.y))
    # Between curves, y is where the mouse happens to be.
    exact = other.y.label == mine.x.label or any(isinstance(mark, Heat) for mark in (*mine.marks, *other.marks))
    return x, y if exact else None
