"""Work in blocks on all cores, while the caller's thread tells of progress and may end it."""

import math
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from jaxtyping import Shaped

SECONDS_BETWEEN_LOOKS = 0.05
# What its threads are called, and bytes that are kept for the next one at most.
CREW, MOST_KEPT = "crew", 2**26
# Pieces begun for each thread: enough that none waits for the one that is to be taken next.
_AHEAD = 3
Look = Callable[[float], None]
Part = TypeVar("Part")


def cores() -> int:
    """Processors that this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unheard(share: float) -> None:
    """Nobody listens."""


@contextmanager
def single_threads() -> Generator[None]:
    """Operations of torch on one thread: for pieces of work that are on all cores, and for short ones.

    Threads wait for each other at every operation, which on a busy machine takes ten times as long as they save.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Kit:
    """Threads, and memory of so many bytes or none."""

    def __init__(self, size: int) -> None:
        # Told when they begin: other crews may come and go then.
        self.pool = ThreadPoolExecutor(size, CREW, torch.set_num_threads, (1,))
        self.memory = np.empty(0, np.uint8)


# What nobody uses, by the number of threads. It is taken up again: new threads, what libraries keep for each of them,
# and new memory, which the system hands out page by page, take longer to get than short work does.
_IDLE = defaultdict[int, list[_Kit]](list)
if hasattr(os, "register_at_fork"):
    # Threads are not there in a process that is a copy.
    os.register_at_fork(after_in_child=_IDLE.clear)


class Crew:
    """Threads and memory that are one's own within a `with` statement; each operation of torch is on one of them."""

    def __init__(self) -> None:
        self.size = cores()
        self._stopping = threading.Event()
        self._tell: Look = unheard
        self._at_work = False
        self._single = single_threads()

    def __enter__(self) -> Self:
        try:
            self._kit = _IDLE[self.size].pop()
        except IndexError:
            self._kit = _Kit(self.size)
        self._single.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._at_work:
            # An interruption came while pieces were waited for, and some go on.
            self._kit.pool.shutdown(wait=False)
        else:
            _IDLE[self.size].append(self._kit)
        del self._kit
        self._single.__exit__(kind, error, trace)

    def room(self, shape: tuple[int, ...], real: np.dtype[Any]) -> Shaped[np.ndarray, "..."]:
        """An array of any numbers, in place of the one before; one that is not too large is memory of former crews."""
        size = math.prod(shape) * real.itemsize
        memory, self._kit.memory = self._kit.memory, np.empty(0, np.uint8)
        if size > len(memory):
            del memory
            memory = np.empty(size, np.uint8)
        if size <= MOST_KEPT:
            self._kit.memory = memory
        return memory[:size].view(real).reshape(shape)

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
        self._at_work = True
        try:
            for piece in range(count):
                while len(begun) < ahead and piece + len(begun) < count:
                    begun.append(self._kit.pool.submit(self._do, work, piece + len(begun)))
                while not wait((begun[0],), SECONDS_BETWEEN_LOOKS).done:
                    look(piece / count)
                take(piece, begun[0].result())
                begun.popleft()
                look((piece + 1) / count)
        finally:
            # Told before they are waited for; and when none is left, nobody hears.
            self._stopping.set()
            wait(begun)
            self._at_work = False

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
