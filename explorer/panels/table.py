"""The ablation table as a model that a view shows, sorts and copies."""

import math
from collections.abc import Iterable
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PyQt6.QtGui import QFont

from explorer.export import Cell
from explorer.panels.parts import shown
from kernels.analyses.ablation import Ablation, Row

NAMES = ("Sampler", "Grid", "Stop")
ROOT = QModelIndex()


class AblationModel(QAbstractTableModel):
    """Sampler, grid and stop time of each row, then one column per budget and start; the best of each is bold."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.table: Ablation | None = None
        self._rows: list[Row] = []
        self._best: list[float] = []
        self._sorted_by = (-1, Qt.SortOrder.AscendingOrder)

    def set_table(self, table: Ablation | None) -> None:
        """Show another table, sorted as the former one was."""
        self.beginResetModel()
        self.table = table
        values = zip(*(row.wasserstein2 for row in table.rows), strict=True) if table else ()
        self._best = [min(filter(math.isfinite, column), default=math.nan) for column in values]
        self._arrange()
        self.endResetModel()

    def content(self) -> tuple[list[str], list[list[Cell]]]:
        """Header and rows for an export, at full precision and in the order that is shown."""
        columns = self.table.columns if self.table else ()
        header = [*map(str.lower, NAMES), *(f"W₂ NFE={calls} {start}" for calls, start in columns)]
        return header, [[*self._cells(row)] for row in self._rows]

    def selection_text(self, indexes: Iterable[QModelIndex]) -> str:
        """The selected cells at full precision, separated by tabs."""
        places = {(index.row(), index.column()) for index in indexes}
        columns = sorted({column for _, column in places})
        lines = [
            "\t".join(
                str(self._cells(self._rows[row])[column]) if (row, column) in places else "" for column in columns
            )
            for row in sorted({row for row, _ in places})
        ]
        return "".join(f"{line}\n" for line in lines)

    def rowCount(self, parent: QModelIndex = ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = ROOT) -> int:
        return 0 if parent.isValid() or self.table is None else len(NAMES) + len(self.table.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        cell = self._cells(self._rows[index.row()])[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return cell if isinstance(cell, str) else shown(cell)
            case Qt.ItemDataRole.ToolTipRole:
                return self._described(index.row(), index.column())
            case Qt.ItemDataRole.AccessibleDescriptionRole:
                return "best of its column" if self._is_best(index.row(), index.column()) else None
            case Qt.ItemDataRole.TextAlignmentRole if not isinstance(cell, str):
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.FontRole if self._is_best(index.row(), index.column()):
                font = QFont()
                font.setBold(True)
                return font
            case _:
                return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole or self.table is None:
            return None
        if section < len(NAMES):
            return NAMES[section]
        calls, start = self.table.columns[section - len(NAMES)]
        return f"{calls} NFE\n{start}"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, undefined values last; -1 is the order of the computation."""
        self.beginResetModel()
        self._sorted_by = (column, order)
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        self._rows = list(self.table.rows) if self.table else []
        column, order = self._sorted_by
        if not 0 <= column < self.columnCount():
            return
        falling = order == Qt.SortOrder.DescendingOrder
        if column < 2:
            self._rows.sort(key=lambda row: str(self._cells(row)[column]), reverse=falling)
            return

        def rank(row: Row) -> tuple[bool, float]:
            value = float(self._cells(row)[column])
            return math.isnan(value), 0.0 if math.isnan(value) else -value if falling else value

        self._rows.sort(key=rank)

    def _cells(self, row: Row) -> tuple[str | float, ...]:
        return row.sampler, row.grid, row.stop, *row.wasserstein2

    def _is_best(self, row: int, column: int) -> bool:
        place = column - len(NAMES)
        return place >= 0 and self._rows[row].wasserstein2[place] == self._best[place]

    def _described(self, row: int, column: int) -> str:
        if self.table is None or column < len(NAMES):
            return str(self._cells(self._rows[row])[column])
        line, (calls, start) = self._rows[row], self.table.columns[column - len(NAMES)]
        value = line.wasserstein2[column - len(NAMES)]
        name = f"{line.sampler} on {line.grid} to {line.stop:g}, {calls} NFE, start {start}"
        return f"{name}: not defined" if math.isnan(value) else f"{name}: W₂ = {value!r}"
