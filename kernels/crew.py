"""Work in blocks on all cores, while the caller's thread tells of progress and may end it."""

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

SECONDS_BETWEEN_LOOKS = 0.05


def cores() -> int:
    """Processors that this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Threads that are kept between rounds of work; to be used in a `with` statement, at whose end they are gone."""

    def __init__(self, name: str) -> None:
        self.size = cores()
        self._pool = ThreadPoolExecutor(self.size, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def each(self, count: int, work: Callable[[int], None], look: Callable[[float], None]) -> None:
        """Do pieces 0, 1, ..., each in some thread; a single one is done by the caller's.

        `look` hears, in the caller's thread, of the share that is done every twentieth of a second; what it raises ends
        the work, and is raised when the pieces that are being done have ended.
        """
        if count == 1:
            work(0)
            return
        waiting: set[Future[None]] = set()
        try:
            waiting = {self._pool.submit(work, piece) for piece in range(count)}
            while waiting:
                ended, waiting = wait(waiting, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                for future in ended:
                    future.result()
                look(1 - len(waiting) / count)
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)
