"""Work in blocks on all cores, while the caller's thread tells of progress and may end it."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

SECONDS_BETWEEN_LOOKS = 0.05
# Pieces begun for each thread: enough that none waits for the one that is to be taken next.
_AHEAD = 3
Look = Callable[[float], None]
Part = TypeVar("Part")


def cores() -> int:
    """Processors that this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unheard(share: float) -> None:
    """Nobody listens."""


class Crew:
    """Threads that are kept between rounds of work; to be used in a `with` statement, at whose end they are gone."""

    def __init__(self, name: str) -> None:
        self.size = cores()
        self._pool = ThreadPoolExecutor(self.size, name)
        self._stopping = threading.Event()
        self._tell: Look = unheard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._pool.shutdown()

    def each(self, count: int, work: Callable[[int], None], look: Look) -> None:
        """Do pieces 0, 1, ..., each in some thread; a single one is done by the caller's.

        `look` hears, in the caller's thread, of the share that is done at least every twentieth of a second; what it
        raises ends the work, and is raised when the pieces that are being done have ended: see `pause`.
        """
        self.in_order(count, work, lambda piece, _nothing: None, look)

    def in_order(
        self, count: int, work: Callable[[int], Part], take: Callable[[int, Part], object], look: Look
    ) -> None:
        """As `each`, and what pieces give is taken in their order, in the caller's thread; few wait to be taken."""
        self._stopping.clear()
        self._tell = look if count == 1 else unheard
        if count == 1:
            take(0, work(0))
            return
        begun, ahead = deque[Future[Part]](), _AHEAD * self.size
        try:
            for piece in range(count):
                while len(begun) < ahead and piece + len(begun) < count:
                    begun.append(self._pool.submit(self._do, work, piece + len(begun)))
                while not wait((begun[0],), SECONDS_BETWEEN_LOOKS).done:
                    look(piece / count)
                take(piece, begun[0].result())
                begun.popleft()
                look((piece + 1) / count)
        finally:
            # Told before they are waited for; and when none is left, nobody hears.
            self._stopping.set()
            wait(begun)

    def pause(self) -> None:
        """Between parts of a piece: the piece ends here where the work is ended, by `look` or in another piece.

        In the caller's own thread it is `look` that is called, with a share of 0, and that may end the work.
        """
        if self._stopping.is_set():
            raise CancelledError
        self._tell(0.0)

    def _do(self, work: Callable[[int], Part], piece: int) -> Part:
        self.pause()
        return work(piece)
