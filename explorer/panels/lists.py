"""Lists of numbers as a line of text."""

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent

from explorer.fields.base import Entry
from kernels.param import Interval, Numbers

STOPS = Numbers("t_N", "stop times", Interval(0.0, 1e9, includes_high=False), 1)
BUDGETS = Numbers("NFE", "budgets", Interval(1, 1_000_000), 1)


class NumberList(Entry):
    """A line of numbers; a refused one stays to be corrected, Escape brings the last good one back."""

    reverted = pyqtSignal()

    def __init__(self, declaration: Numbers, name: str, help: str) -> None:
        super().__init__()
        self._declaration = declaration
        self.setAccessibleName(name)
        self.setToolTip(help)
        self.setAccessibleDescription(help)

    def read(self) -> tuple[float, ...]:
        """The numbers, each once.

        Errors: `ValueError` in one sentence.
        """
        what = self._declaration.help
        try:
            values = self._declaration.parse(self.text())
        except ValueError as error:
            raise ValueError(f"Each of the {what} {error}.") from None
        try:
            found = self._declaration.check(values)
        except ValueError as error:
            raise ValueError(f"The list of {what} {error}.") from None
        return tuple(dict.fromkeys(found))

    def minimumSizeHint(self) -> QSize:
        return QSize(8 * self.fontMetrics().averageCharWidth(), self.sizeHint().height())

    def refuse(self) -> None:
        self._refused = True
        self.update()

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        super().keyPressEvent(a0)
        if a0 is not None and a0.key() == Qt.Key.Key_Escape:
            self.reverted.emit()


class WholeNumberList(NumberList):
    """Whole numbers."""

    def read(self) -> tuple[int, ...]:
        found = super().read()
        broken = next((value for value in found if value != int(value)), None)
        if broken is not None:
            raise ValueError(f"The list of budgets must hold whole numbers in {BUDGETS.domain}, got {broken!r}.")
        return tuple(int(value) for value in found)
