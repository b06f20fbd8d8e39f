"""The state of the window: one immutable session, its history, and one signal."""

from PyQt6.QtCore import QObject, pyqtSignal

MOST = 500


class Store(QObject):
    """Holds the present session; whoever shows something listens to `changed`, whoever edits calls `set`.

    A drag is one step of the history however many sessions it passes through.
    """

    changed = pyqtSignal(object)

    def __init__(self, session: object, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._past: list[object] = []
        self._future: list[object] = []
        self._dragging = False

    @property
    def session(self) -> object:
        """The present session."""
        return self._session

    @property
    def can_undo(self) -> bool:
        """Whether there is something to go back to."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return bool(self._future)

    def set(self, session: object, *, dragging: bool = False) -> None:
        """Make this the present session; during a drag only its first change is kept in the history."""
        continues, same = self._dragging, session == self._session
        # A drag begins with its first change: a press alone is none.
        self._dragging = dragging and (continues or not same)
        if same:
            if continues and not dragging and self._past and self._past[-1] == session:
                # A drag that came back to where it began is no step.
                self._past = self._past[:-1]
            return
        if not continues:
            self._past = [*self._past[-MOST:], self._session]
        elif not dragging and self._past and self._past[-1] == session:
            # A drag that is given up brings back where it began, and is no step either.
            self._past = self._past[:-1]
        self._future = []
        self._session = session
        self.changed.emit(session)

    def undo(self) -> None:
        """Go back one change."""
        self._move(self._past, self._future)

    def redo(self) -> None:
        """Go forward again."""
        self._move(self._future, self._past)

    def _move(self, source: list[object], target: list[object]) -> None:
        self._dragging = False
        if source:
            target.append(self._session)
            self._session = source.pop()
            self.changed.emit(self._session)
