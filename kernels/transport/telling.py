"""Progress told often enough to be watched, and seldom enough to cost nothing."""

import time

from kernels.transport.base import Progress, Watch

_SECONDS_BETWEEN = 0.05


class Telling:
    """What a solver last said of itself, said to the watch again whenever it is time to."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._last = Progress(0, float("inf"), 0.0)
        self._told = -float("inf")
        self.begin = time.perf_counter()

    def of(self, iterations: int, error: float, fraction: float) -> None:
        """There is something new to tell, in time."""
        self._last = Progress(iterations, error, fraction)
        self.look()

    def look(self) -> None:
        """Call it between blocks of work; what the watch raises goes through."""
        now = time.perf_counter()
        if now - self._told >= _SECONDS_BETWEEN:
            self._told = now
            self._watch(self._last)

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self.begin
