"""The editor of a list of numbers: a line for a short list, a box to paste a long one."""

from PyQt6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.fields.base import Entry, Field, Reason, exact, short
from explorer.fields.simple import fill
from kernels.param import Numbers

# Longer lists are edited in the box: a line of text that is cut would be read back as another list.
LINE = 12


class NumbersDialog(QDialog):
    """A box to paste numbers into; it counts them, says the first thing wrong, and accepts only what is right."""

    def __init__(self, declaration: Numbers, value: tuple[float, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._declaration = declaration
        self.value = value
        self.setWindowTitle(declaration.help.capitalize())
        self.box = QPlainTextEdit(self)
        self.box.setAccessibleName(declaration.help)
        self.box.setPlaceholderText("numbers, separated by spaces, commas or lines")
        self.box.setTabChangesFocus(True)
        self.count = QLabel(self)
        self.reason = Reason(self)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        accept = buttons.button(QDialogButtonBox.StandardButton.Ok)
        assert accept is not None
        self.accept_button: QPushButton = accept
        layout = QVBoxLayout(self)
        for widget in (self.box, self.count, self.reason, buttons):
            layout.addWidget(widget)
        self.box.textChanged.connect(self._read)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.box.setPlainText("\n".join(exact(item) for item in value))
        self.resize(360, 320)

    def _read(self) -> None:
        try:
            self.value = self._declaration.check(self._declaration.parse(self.box.toPlainText()))
        except ValueError as error:
            self.accept_button.setEnabled(False)
            self.count.clear()
            self.reason.say(f"The list {error}.")
        else:
            self.accept_button.setEnabled(True)
            self.count.setText(counted(len(self.value)))
            self.reason.say("")


class NumbersField(Field):
    """A line of numbers and a button that opens the box."""

    def __init__(self, declaration: Numbers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._declaration = declaration
        self._value: tuple[float, ...] = ()
        self.entry = Entry(self)
        self.entry.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button = QToolButton(self)
        self.button.setText("…")
        self.controls = (self.entry, self.button)
        fill(self, self.entry, self.button)
        self.entry.committed.connect(self._commit)
        self.button.clicked.connect(self.open_dialog)

    def set_value(self, value: tuple[float, ...]) -> None:
        if value != self._value or not self.entry.text():
            self._value = value
            self.restore()

    def restore(self) -> None:
        many = len(self._value) > LINE
        shown = ", ".join(short(item) for item in self._value[:3])
        text = f"{shown}, … {counted(len(self._value))}" if many else ", ".join(exact(item) for item in self._value)
        self.entry.setReadOnly(many)
        self.entry.set_good(text)
        self.entry.setToolTip(f"{counted(len(self._value))}: {shown}{', …' if many else ''}" if many else text)

    def refuse(self) -> None:
        self.restore()
        self.entry.refuse()

    def settle(self) -> None:
        self.entry.settle()

    def describe(self, name: str, help: str) -> None:
        super().describe(name, help)
        self.button.setAccessibleName(f"{name}, edit the list")
        self.button.setToolTip("Edit or paste the list")

    def open_dialog(self) -> NumbersDialog:
        """Open the box over the window; its numbers arrive as an edit when it is accepted."""
        dialog = NumbersDialog(self._declaration, self._value, self)
        dialog.accepted.connect(lambda: self.edited.emit(dialog.value, False))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def _commit(self, text: str) -> None:
        try:
            value = self._declaration.parse(text)
        except ValueError as error:
            self.unreadable.emit(str(error))
        else:
            self.edited.emit(value, False)


def counted(count: int) -> str:
    """`1 number`, `5 numbers`."""
    return f"{count} number" if count == 1 else f"{count} numbers"
