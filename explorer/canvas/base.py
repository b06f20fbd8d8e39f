"""What is taken from pyqtgraph, which has no types: bases of the scene, and arrays handed to the painter at once."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QLineF
from PyQt6.QtGui import QPainter, QPainterPath
from PyQt6.QtWidgets import QGraphicsObject, QGraphicsView, QGraphicsWidget
from pyqtgraph.Qt.internals import PrimitiveArray

from explorer.marks import Floats

if TYPE_CHECKING:
    GraphicsObject = QGraphicsObject
    GraphicsView = QGraphicsView

    class AxisItem(QGraphicsWidget):
        """The members of pyqtgraph's axis that are used here."""

        def __init__(self, orientation: str) -> None: ...
        def setWidth(self, w: float) -> None: ...
        def setHeight(self, h: float) -> None: ...

    class ViewBox(QGraphicsWidget):
        """The members of pyqtgraph's view box that are used here."""

        def __init__(self, *, enableMenu: bool, enableMouse: bool, defaultPadding: float) -> None: ...  # noqa: N803  (pyqtgraph's names)
        def setRange(self, **ranges: tuple[float, float] | float) -> None: ...
        def viewRange(self) -> list[list[float]]: ...
else:
    GraphicsObject, GraphicsView, AxisItem, ViewBox = pg.GraphicsObject, pg.GraphicsView, pg.AxisItem, pg.ViewBox


def path(x: Floats, y: Floats, connect: str | NDArray[np.int32] = "all") -> QPainterPath:
    """A painter path through the points: "all" of them, the "finite" ones, "pairs", or as flagged one by one."""
    made = cast(Any, pg.functions).arrayToQPath(x, y, connect=connect, finiteCheck=isinstance(connect, str))
    return cast(QPainterPath, made)


def draw_lines(painter: QPainter, lines: Floats) -> None:
    """Separate lines, one row (x0, y0, x1, y1) each."""
    if len(lines):
        primitives = cast(Any, PrimitiveArray)(QLineF, 4)
        primitives.resize(len(lines))
        primitives.ndarray()[:] = lines
        painter.drawLines(*primitives.drawargs())
