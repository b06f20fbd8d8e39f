"""What several panels are made of: notes, buttons that flow into as many rows as they need, numbers as text."""

import math
from collections.abc import Callable

from PyQt6.QtCore import QPoint, QRect, QSize, Qt
from PyQt6.QtGui import QGuiApplication, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QLabel, QLayout, QLayoutItem, QPushButton, QSizePolicy, QWidget

from explorer.fields.base import SPACING, Reason, muted


def shown(value: float) -> str:
    """A distance to three digits; a dash where it is not defined."""
    if math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits, mark, exponent = f"{value:.3g}".partition("e")
    return f"{digits}e{int(exponent)}" if mark else digits


def copy_text(text: str) -> None:
    """Put a text on the clipboard."""
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    clipboard.setText(text)


def push_button(text: str, help: str, act: Callable[[], object]) -> QPushButton:
    """A named button with a tooltip."""
    button = QPushButton(text)
    button.setAccessibleName(text)
    button.setToolTip(help)
    button.setAutoDefault(False)
    button.clicked.connect(act)
    return button


def reserve(label: QLabel) -> None:
    """Keep room for all lines of a text that wraps, which layouts would cut off where space is scarce."""
    # The height for a width is no less than the least height: forget the former one.
    label.setMinimumHeight(0)
    label.setMinimumHeight(label.heightForWidth(label.width()) if label.text() else 0)


class Note(QLabel):
    """A muted sentence that wraps; it is gone while it is empty."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.say(text)

    def say(self, text: str) -> None:
        """Show this text, or nothing."""
        self.setText(text)
        self.setAccessibleName(text)
        self.setVisible(bool(text))
        reserve(self)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        reserve(self)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(muted(self.palette()))
        painter.drawText(self.contentsRect(), int(Qt.TextFlag.TextWordWrap | self.alignment()), self.text())
        painter.end()


class Refusal(Reason):
    """Why an entry was refused, in full however little room there is."""

    def say(self, sentence: str) -> None:
        super().say(sentence)
        self.setToolTip(sentence)
        reserve(self)

    def minimumSizeHint(self) -> QSize:
        # A long entry that is quoted must not widen the panel.
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        reserve(self)


class Flow(QLayout):
    """Widgets side by side, in as many rows as they need."""

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setSpacing(SPACING)
        self.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, a0: QLayoutItem | None) -> None:
        assert a0 is not None
        self._items.append(a0)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, a0: int) -> int:
        return self._places(a0)[1]

    def sizeHint(self) -> QSize:
        wide = 1 << 20
        places, height = self._places(wide)
        return QSize(max((place.right() + 1 for place in places), default=0), height)

    def minimumSize(self) -> QSize:
        width = max((item.minimumSize().width() for item in self._seen), default=0)
        height = max((item.minimumSize().height() for item in self._seen), default=0)
        return QSize(width, height)

    def setGeometry(self, a0: QRect) -> None:
        super().setGeometry(a0)
        for item, place in zip(self._seen, self._places(a0.width())[0], strict=True):
            item.setGeometry(place.translated(a0.topLeft()))

    @property
    def _seen(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _places(self, width: int) -> tuple[list[QRect], int]:
        places: list[QRect] = []
        at, height = QPoint(0, 0), 0
        for item in self._seen:
            size = item.sizeHint().boundedTo(QSize(max(width, item.minimumSize().width()), 1 << 20))
            if at.x() and at.x() + size.width() > width:
                at = QPoint(0, height + self.spacing())
            places.append(QRect(at, size))
            height = max(height, at.y() + size.height())
            at.setX(at.x() + size.width() + self.spacing())
        return places, height
