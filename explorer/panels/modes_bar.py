"""Which modes are followed along time."""

from dataclasses import replace

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QWidget

from explorer.fields.base import SPACING
from explorer.panels.parts import Refusal
from explorer.session import Session

MOST = 12


class ModesBar(QWidget):
    """A list of ranks to type, beside the click on the spectrum; `changed(session)` when a person chose others."""

    changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = Session()
        self.entry = QLineEdit(self)
        self.entry.setAccessibleName("Modes followed along time")
        self.entry.setPlaceholderText("some over the whole spectrum")
        self.entry.setToolTip(f"Up to {MOST} ranks, such as 1, 10, 100; a click on the spectrum adds or removes one")
        self.note = Refusal()
        label = QLabel("&Modes followed", self)
        label.setBuddy(self.entry)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACING, 0, SPACING, 0)
        row.addWidget(label)
        row.addWidget(self.entry, 1)
        row.addWidget(self.note, 2)
        self.entry.editingFinished.connect(self._commit)

    def set_value(self, session: Session) -> None:
        """Show this session; emits nothing."""
        if session.followed != self._session.followed or not self.entry.isModified():
            self.entry.setText(", ".join(map(str, session.followed)))
        self._session = session

    def toggle(self, rank: int) -> None:
        """Follow this mode, or follow it no longer."""
        kept = [known for known in self._session.followed if known != rank]
        self._change(kept if len(kept) < len(self._session.followed) else [*kept, rank])

    def _commit(self) -> None:
        words = self.entry.text().replace(",", " ").replace(";", " ").split()
        self.entry.setModified(False)
        if not all(word.isdecimal() and 1 <= int(word) <= 10_000_000 for word in words):
            self.note.say(f"Modes must be ranks from 1, separated by commas, got {self.entry.text()!r}.")
            self.entry.setText(", ".join(map(str, self._session.followed)))
            return
        self._change([int(word) for word in words])

    def _change(self, ranks: list[int]) -> None:
        chosen = tuple(sorted(set(ranks)))
        self.note.say("" if len(chosen) <= MOST else f"At most {MOST} modes can be told apart; the first are taken.")
        if chosen[:MOST] != self._session.followed:
            self.changed.emit(replace(self._session, followed=chosen[:MOST]))
        else:
            self.entry.setText(", ".join(map(str, chosen[:MOST])))
