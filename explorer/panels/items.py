"""A table of experiments: the look each has on the plots, its name, and numbers that arrive later."""

from collections.abc import Hashable, Sequence

from PyQt6.QtCore import QModelIndex, QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPalette, QPen, QPolygonF, QResizeEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from explorer.fields.base import muted
from explorer.marks import Style
from explorer.session import Item

READABLE = 4.5
NUMBER = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
SWATCH, TEXT, FIRST_NUMBER = 0, 1, 2
ROLE = int(Qt.ItemDataRole.UserRole)
LINE, DOT, SWATCH_WIDTH = 1.5, 3.5, 34
# Characters of a name that are always seen; a narrower table scrolls.
LEAST_NAME = 14
_H, _P = 0.7071, 1 / 2.8
_PLUS = [(-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)]
# Corners of the markers, in units of their radius; the disk has none.
SHAPES: dict[str, list[tuple[float, float]]] = {
    "s": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "^": [(0, -1.15), (1.05, 0.85), (-1.05, 0.85)],
    "v": [(0, 1.15), (1.05, -0.85), (-1.05, -0.85)],
    "D": [(0, -1.2), (1.1, 0), (0, 1.2), (-1.1, 0)],
    "P": [(_P * x, _P * y) for x, y in _PLUS],
    "X": [(_P * _H * (x - y), _P * _H * (x + y)) for x, y in _PLUS],
}


def _luminance(color: QColor) -> float:
    parts = (color.redF(), color.greenF(), color.blueF())
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ink(color: str, palette: QPalette) -> QColor:
    """The color of a mark in a list: as declared on light, lighter where the background is dark, as on the plots."""
    declared, paper = QColor(color), palette.base().color()
    if paper.lightnessF() >= 0.5:
        return declared
    for step in range(21):
        red, green, blue = (
            round(part + step / 20 * (255 - part)) for part in (declared.red(), declared.green(), declared.blue())
        )
        lighter = QColor(red, green, blue)
        if (_luminance(lighter) + 0.05) / (_luminance(paper) + 0.05) >= READABLE:
            return lighter
    return QColor("white")


def paint_swatch(painter: QPainter, area: QRectF, style: Style, palette: QPalette) -> None:
    """The line and the marker of a style across the middle of an area."""
    color, center = ink(style.color, palette), area.center()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(color, max(style.width, LINE))
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    if style.dash:
        pen.setDashPattern(style.dash)
    painter.setPen(pen)
    painter.drawLine(QPointF(area.left(), center.y()), QPointF(area.right(), center.y()))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    if style.marker in SHAPES:
        corners = [QPointF(center.x() + DOT * x, center.y() + DOT * y) for x, y in SHAPES[style.marker]]
        painter.drawPolygon(QPolygonF(corners))
    elif style.marker:
        painter.drawEllipse(center, DOT, DOT)
    painter.restore()


class _Look(QStyledItemDelegate):
    """Draws swatches, and numbers that wait for an answer in a muted ink."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        if option is not None and index.column() >= FIRST_NUMBER and index.data(ROLE):
            option.palette.setColor(QPalette.ColorRole.Text, muted(option.palette))

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        hint = super().sizeHint(option, index)
        return QSize(SWATCH_WIDTH, hint.height()) if index.column() == SWATCH else hint

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        style = index.data(ROLE)
        if painter is None or index.column() != SWATCH or not isinstance(style, Style):
            return
        area = QRectF(option.rect).adjusted(4, 1, -4, -1)
        # On the color of a selection no swatch could be told.
        painter.fillRect(area.adjusted(-2, 0, 2, 0), option.palette.base())
        paint_swatch(painter, area, style, option.palette)


class ItemTable(QTreeWidget):
    """One row per experiment. Its numbers are muted from a change of the rows until they are set again."""

    def __init__(self, name: str, headings: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: Hashable = None
        self.setAccessibleName(name)
        self.setColumnCount(1 + len(headings))
        self.setHeaderLabels(["", *headings])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setTabKeyNavigation(False)
        self.setItemDelegate(_Look(self))
        header = self.header()
        assert header is not None
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        header.setSectionsClickable(False)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Fixed)
        head = self.headerItem()
        assert head is not None
        for column in range(FIRST_NUMBER, self.columnCount()):
            head.setTextAlignment(column, NUMBER)

    def rows(self) -> list[QTreeWidgetItem]:
        """The rows from top to bottom."""
        found = (self.topLevelItem(place) for place in range(self.topLevelItemCount()))
        return [row for row in found if row is not None]

    def set_items(self, items: Sequence[Item], texts: Sequence[str], shown: Hashable) -> None:
        """Show these items under these names; numbers stay as they are while `shown`, what they depend on, does."""
        waits, self._shown = shown != self._shown, shown
        # Another number of rows: numbers go with their experiments. The same: they stay until the new ones come.
        before = self.rows()
        moved = len(before) != len(items)
        kept = {row.data(TEXT, ROLE): self._numbers(row) for row in before} if moved else {}
        for row in before[len(items) :]:
            self.takeTopLevelItem(self.indexOfTopLevelItem(row))
        for _ in items[len(before) :]:
            row = QTreeWidgetItem(self)
            for column in range(FIRST_NUMBER, self.columnCount()):
                row.setTextAlignment(column, NUMBER)
        for row, item, text in zip(self.rows(), items, texts, strict=True):
            row.setData(SWATCH, ROLE, item.style)
            row.setData(TEXT, ROLE, item.experiment)
            row.setText(TEXT, text)
            row.setToolTip(TEXT, text)
            if moved:
                self._write(row, kept.get(item.experiment, ()))
            for column in range(FIRST_NUMBER, self.columnCount()):
                row.setData(column, ROLE, waits)
        self.updateGeometry()
        self._fit()

    def set_numbers(self, numbers: Sequence[Sequence[str]]) -> None:
        """Show these numbers, row by row; a row for which there are none stays as it is."""
        for row, texts in zip(self.rows(), numbers, strict=True):
            if not texts:
                continue
            self._write(row, texts)
            for column in range(FIRST_NUMBER, self.columnCount()):
                row.setData(column, ROLE, False)
        self._fit()

    def emphasize_first(self) -> None:
        """Tell the first row from the others."""
        font = QFont()
        font.setBold(True)
        for row in self.rows()[:1]:
            row.setFont(TEXT, font)

    def resizeEvent(self, e: QResizeEvent | None) -> None:
        super().resizeEvent(e)
        self._fit()

    def sizeHint(self) -> QSize:
        header = self.header()
        assert header is not None
        row = self.sizeHintForRow(0) if self.topLevelItemCount() else self.fontMetrics().height() + 4
        # Room for one row more keeps the last one clear of a horizontal scroll bar.
        height = header.sizeHint().height() + (self.topLevelItemCount() + 1) * row
        return QSize(200, height)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.fontMetrics().height() * 5)

    def _fit(self) -> None:
        header, viewport = self.header(), self.viewport()
        assert header is not None and viewport is not None
        numbers = (self.sizeHintForColumn(column) for column in range(FIRST_NUMBER, self.columnCount()))
        heads = (header.sectionSizeHint(column) for column in range(FIRST_NUMBER, self.columnCount()))
        taken = SWATCH_WIDTH + sum(max(pair) for pair in zip(numbers, heads, strict=True))
        least = LEAST_NAME * self.fontMetrics().averageCharWidth()
        header.resizeSection(TEXT, max(viewport.width() - taken, least))

    def _numbers(self, row: QTreeWidgetItem) -> list[str]:
        return [row.text(column) for column in range(FIRST_NUMBER, self.columnCount())]

    def _write(self, row: QTreeWidgetItem, texts: Sequence[str]) -> None:
        for column in range(FIRST_NUMBER, self.columnCount()):
            row.setText(column, texts[column - FIRST_NUMBER] if texts else "")
