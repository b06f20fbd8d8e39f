"""What the program said: notes, warnings and errors, the latest last."""

import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QTextCharFormat, QTextCursor
from PyQt6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from explorer.fields.base import SPACING, alarm, muted
from explorer.panels.parts import Flow, copy_text, push_button

MOST = 500
ALARMING = frozenset(("error", "critical"))


@dataclass
class Message:
    """A sentence, when it was said last, and how many times in a row."""

    time: str
    level: str
    text: str
    count: int = 1

    @property
    def ending(self) -> str:
        """How often it was said, where that was more than once."""
        return f" (×{self.count})" if self.count > 1 else ""


class LogPanel(QWidget):
    """The last messages, one paragraph each; a message that repeats is counted instead."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._messages: deque[Message] = deque(maxlen=MOST)
        self.box = QPlainTextEdit(self)
        self.box.setReadOnly(True)
        self.box.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.box.setTabChangesFocus(True)
        self.box.setMaximumBlockCount(MOST)
        self.box.setUndoRedoEnabled(False)
        self.box.setPlaceholderText(
            "Nothing was said yet: refused entries, failed computations and the like come here."
        )
        self.box.setAccessibleName("Messages")
        self.copy = push_button("Copy all", "Copy all messages, with their times", self._copy)
        self.clear = push_button("Clear", "Forget all messages", self._clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        layout.setSpacing(SPACING)
        layout.addWidget(self.box, 1)
        layout.addLayout(Flow(self.copy, self.clear))
        self._enable()

    def add(self, level: str, text: str) -> None:
        """Show a message of a level such as note, warning or error."""
        bar = self.box.verticalScrollBar()
        assert bar is not None
        at_end = bar.value() == bar.maximum()
        now, text = f"{datetime.now():%H:%M:%S}", text.strip()
        last = self._messages[-1] if self._messages else None
        if last is not None and (last.level, last.text) == (level, text):
            last.time, last.count = now, last.count + 1
            self._write(last, again=True)
        else:
            self._messages.append(Message(now, level, text))
            self._write(self._messages[-1], again=False)
        self._enable()
        # A person who reads further up is not torn away.
        if at_end:
            bar.setValue(bar.maximum())

    def lines(self) -> list[str]:
        """The messages as they are copied: time, level and text."""
        return [f"{said.time} {said.level}: {said.text}{said.ending}" for said in self._messages]

    def changeEvent(self, a0: QEvent | None) -> None:
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.PaletteChange:
            self.box.clear()
            for said in self._messages:
                self._write(said, again=False)

    def _write(self, said: Message, *, again: bool) -> None:
        document = self.box.document()
        assert document is not None
        cursor = QTextCursor(document)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        if again:
            cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
        elif not document.isEmpty():
            cursor.insertBlock()
        palette, plain, faint, loud = self.palette(), QTextCharFormat(), QTextCharFormat(), QTextCharFormat()
        faint.setForeground(muted(palette))
        loud.setForeground(alarm(palette))
        cursor.insertText(f"{said.time} ", faint)
        cursor.insertText(f"{said.level}: ", loud if said.level in ALARMING else faint)
        # One paragraph a message: the lines of a text are kept apart inside it.
        cursor.insertText(said.text.replace("\n", "\u2028"), plain)
        cursor.insertText(said.ending, faint)

    def _copy(self) -> None:
        copy_text("".join(f"{line}\n" for line in self.lines()))

    def _clear(self) -> None:
        self._messages.clear()
        self.box.clear()
        self._enable()

    def _enable(self) -> None:
        for button in (self.copy, self.clear):
            button.setEnabled(bool(self._messages))


class _Bridge(QObject):
    said = pyqtSignal(str, str)


class LogHandler(logging.Handler):
    """Forwards log records of any thread to a panel on the thread of the window."""

    def __init__(self, panel: LogPanel, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._bridge = _Bridge()
        self._bridge.said.connect(panel.add)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            if error is not None and str(error) not in text:
                text = f"{text} ({type(error).__name__}: {error})"
            self._bridge.said.emit(record.levelname.lower(), text)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            # A record that cannot be written, or a program that has ended its window.
            self.handleError(record)
