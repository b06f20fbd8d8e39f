"""The widget that draws figures: the only place that knows pyqtgraph."""

from explorer.canvas.drag import Drag
from explorer.canvas.widget import Canvas

__all__ = ["Canvas", "Drag"]
