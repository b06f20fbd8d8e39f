"""The small arrow beside a slider: which way the error falls, and how fast."""

import math

from PyQt6.QtCore import QPointF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from kernels.param import Number

# Change of log W2 over the whole slider, at the present slope: below the first nothing is shown, above the last a full
# arrow.
FAINT, FULL = 0.02, 3.0


def travel_slope(declaration: Number, value: float, slope: float) -> float:
    """Slope of log W2 per whole slider, from that per unit of the number."""
    low, high = declaration.slider
    if declaration.log and value > 0:
        return slope * value * math.log(high / (low if low > 0 else 1e-6 * high))
    return slope * (high - low)


class Arrow(QWidget):
    """Points to where the error falls, the larger the faster; nothing where that is unknown or does not matter."""

    def __init__(self, declaration: Number, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._declaration, self._name = declaration, name
        self._slope = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    @property
    def slope(self) -> float:
        """What is shown: change of log W2 over the whole slider, at the present slope; 0 for nothing."""
        return self._slope

    def set_slope(self, value: float, slope: float | None) -> None:
        """Show the derivative of log W2 at this value of the number, or nothing where it is None."""
        size = 0.0 if slope is None else travel_slope(self._declaration, value, slope)
        self._slope = size if abs(size) >= FAINT else 0.0
        said = ""
        if slope is not None and self._slope:
            way = "lowered" if self._slope > 0 else "raised"
            symbol = self._declaration.symbol or self._name
            said = f"W₂ falls when {self._name} is {way}: d log W₂/d {symbol} = {slope:.3g}"
        self.setToolTip(said)
        self.setAccessibleName(said)
        self.update()

    def sizeHint(self) -> QSize:
        height = self.fontMetrics().height()
        return QSize(arrow_width(self), height)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        if not self._slope:
            return
        share = min(1.0, math.log(abs(self._slope) / FAINT) / math.log(FULL / FAINT))
        color = QColor(self.palette().windowText().color())
        color.setAlphaF(0.35 + 0.6 * share)
        half = (0.28 + 0.22 * share) * self.width()
        middle = QPointF(self.width() / 2, self.height() / 2)
        # To the left where a smaller value is better.
        tip = -half if self._slope > 0 else half
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawPolygon(
            QPolygonF(
                [
                    middle + QPointF(tip, 0),
                    middle + QPointF(-0.7 * tip, -half),
                    middle + QPointF(-0.7 * tip, half),
                ]
            )
        )
        painter.end()


def arrow_width(widget: QWidget) -> int:
    """Width of the column of arrows."""
    return round(0.75 * widget.fontMetrics().height())
