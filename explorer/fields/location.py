"""The editor of a path: an entry, a button that browses, and a place to drop a file."""

from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QFileDialog, QSizePolicy, QToolButton, QWidget

from explorer.fields.base import Entry, Field
from explorer.fields.simple import fill
from kernels.param import Path


class PathField(Field):
    """A path as text; whether something can be read there is for the computation to say."""

    def __init__(self, declaration: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._patterns = declaration.patterns
        self._value = ""
        self.entry = Entry(self)
        self.entry.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.entry.setPlaceholderText("drop a file" if self._patterns else "drop a folder")
        # A text entry takes a dropped file as its address; the field takes it as a path.
        self.entry.setAcceptDrops(False)
        self.setAcceptDrops(True)
        self.button = QToolButton(self)
        self.button.setText("…")
        self.controls = (self.entry, self.button)
        fill(self, self.entry, self.button)
        self.entry.committed.connect(self._commit)
        self.button.clicked.connect(self.browse)

    def set_value(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.restore()

    def restore(self) -> None:
        self.entry.set_good(self._value)
        self.entry.setToolTip(self._value or self.entry.accessibleDescription())

    def refuse(self) -> None:
        self.restore()
        self.entry.refuse()

    def settle(self) -> None:
        self.entry.settle()

    def describe(self, name: str, help: str) -> None:
        super().describe(name, help)
        self.button.setAccessibleName(f"{name}, browse")
        self.button.setToolTip("Browse")

    def browse(self) -> None:
        """Ask for a file of the declared patterns, or for a folder where there are none."""
        title = self.entry.accessibleDescription().capitalize()
        if self._patterns:
            kinds = f"Readable files ({' '.join(self._patterns)});;All files (*)"
            chosen, _ = QFileDialog.getOpenFileName(self, title, self._value, kinds)
        else:
            chosen = QFileDialog.getExistingDirectory(self, title, self._value)
        if chosen:
            self.edited.emit(chosen, False)

    def _commit(self, text: str) -> None:
        self.edited.emit(text, False)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        if a0 is not None and _dropped(a0):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        if a0 is not None and (dropped := _dropped(a0)):
            a0.acceptProposedAction()
            self.edited.emit(dropped, False)


def _dropped(event: QDropEvent) -> str:
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    return urls[0].toLocalFile() if urls else ""
