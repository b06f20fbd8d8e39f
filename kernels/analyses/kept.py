"""Results of long work, kept by what was asked, so that others may look whether there is one without doing it."""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar, final

V = TypeVar("V")


@final
class Kept(Generic[V]):
    """The last few results; threads may share them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._found: dict[Hashable, V] = {}

    def find(self, key: Hashable) -> V | None:
        """The result, or None; it is now the one asked for last."""
        with self._lock:
            found = self._found.pop(key, None)
            if found is not None:
                self._found[key] = found
            return found

    def keep(self, key: Hashable, value: V) -> V:
        """Remember a result in place of the one that was not asked for longest."""
        with self._lock:
            self._found.pop(key, None)
            self._found[key] = value
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]
        return value

    def items(self) -> list[tuple[Hashable, V]]:
        """All results with what was asked, the one asked for last at the end."""
        with self._lock:
            return list(self._found.items())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._found.clear()
