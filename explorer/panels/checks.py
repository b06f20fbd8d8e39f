"""A list of kinds to check."""

from collections.abc import Mapping, Sequence

from PyQt6.QtCore import QEvent, QModelIndex, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QBrush, QPainter
from PyQt6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from explorer.fields.base import muted
from explorer.fields.kind import about
from explorer.session import named
from kernels.experiment import SHARED
from kernels.param import Component

KIND = int(Qt.ItemDataRole.UserRole)


class _Boxes(QStyledItemDelegate):
    """Outlines the boxes in an ink that is seen in the dark too, where the style's own is not."""

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        look = QStyleOptionViewItem(option)
        self.initStyleOption(look, index)
        style = look.widget.style()
        if painter is None or style is None:
            return
        box = style.subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, look, look.widget)
        painter.setPen(muted(look.palette))
        painter.drawRect(box.adjusted(0, 0, -1, -1))


class Checks(QListWidget):
    """Kinds to check. Those that do not apply are grey and cannot be checked; what was checked can be taken out."""

    toggled = pyqtSignal(object, bool)

    def __init__(self, name: str, kinds: Sequence[type[Component]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[tuple[Component, ...], dict[type[Component], str]] = ((), {})
        self.setAccessibleName(name)
        self.setItemDelegate(_Boxes(self))
        self.setUniformItemSizes(True)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        for kind in kinds:
            item = QListWidgetItem(kind.__name__, self)
            item.setData(KIND, kind)
            item.setCheckState(Qt.CheckState.Unchecked)
        self.itemChanged.connect(self._tell)

    def set_value(self, checked: Sequence[Component], refusals: Mapping[type[Component], str]) -> None:
        """Check these components' kinds; grey those that are refused, with the sentence."""
        shown = (tuple(checked), dict(refusals))
        if shown == self._shown:
            return
        self._shown = shown
        former = self.blockSignals(True)
        for place, (kind, reason) in enumerate(refusals.items()):
            item = self.item(place)
            assert item is not None
            own = [component for component in checked if type(component) is kind]
            item.setText(", ".join(named(component, SHARED) for component in own) or kind.__name__)
            item.setCheckState(Qt.CheckState.Checked if own else Qt.CheckState.Unchecked)
            flags = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable
            item.setFlags(flags if reason and not own else flags | Qt.ItemFlag.ItemIsEnabled)
            item.setForeground(QBrush(muted(self.palette())) if reason else QBrush())
            item.setToolTip(reason or about(kind))
            item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, reason)
        self.blockSignals(former)
        self.update()

    def changeEvent(self, a0: QEvent | None) -> None:
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.PaletteChange:
            former = self.blockSignals(True)
            for place in range(self.count()):
                item = self.item(place)
                if item is not None and item.foreground().style() != Qt.BrushStyle.NoBrush:
                    item.setForeground(QBrush(muted(self.palette())))
            self.blockSignals(former)

    def sizeHint(self) -> QSize:
        return QSize(self.widest(), self.count() * self.sizeHintForRow(0) + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:
        return QSize(80, min(4, self.count()) * self.sizeHintForRow(0) + 2 * self.frameWidth())

    def widest(self) -> int:
        """Width in which every name can be read."""
        return self.sizeHintForColumn(0) + 2 * self.frameWidth() + 4

    def _tell(self, item: QListWidgetItem) -> None:
        self.toggled.emit(item.data(KIND), item.checkState() == Qt.CheckState.Checked)
