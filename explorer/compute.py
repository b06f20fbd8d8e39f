"""Work beside the window: one thread, and a mailbox of size one for each kind of work.

A newer request takes the place of one that still waits; what already runs is finished, so that during a drag
pictures keep coming. The rate adapts to the cost of the work without any timer.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from PyQt6.QtCore import QObject, pyqtSignal

from explorer.files import WriteError

log = logging.getLogger(__name__)

PATIENCE = 0.025
SHORT_WORK = 0.060


@dataclass(frozen=True)
class Task:
    """A named piece of work; `run` is a pure function of values."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Request:
    """Tasks that answer one question, in order; `question` comes back with every answer."""

    question: Hashable
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Answer:
    """The result of one task."""

    question: Hashable
    name: str
    result: object
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A task that gave no result; `expected` tells a refusal in plain words from a defect."""

    question: Hashable
    name: str
    sentence: str
    expected: bool


class StoppedError(Exception):
    """The person no longer wants the answer; raised inside the work."""


def _stopped(request: Request, task: Task) -> Failure:
    return Failure(request.question, task.name, f"{task.name} was stopped.", expected=True)


class ComputeService(QObject):
    """Runs requests on a thread of its own; signals arrive in the window's thread.

    `post` replaces what waits in the same box: "preview" is served before any other.
    """

    started = pyqtSignal(object)
    """The names of the tasks of the request that begins."""
    answered = pyqtSignal(object)
    failed = pyqtSignal(object)
    finished = pyqtSignal(object, float)
    """The request that has been answered whole, and the seconds that it took."""
    progressed = pyqtSignal(float, str)
    """How far long work has come, and what it has found."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._boxes: dict[str, Request] = {}
        self._condition = threading.Condition()
        self._closing = False
        self._stopping = False
        self._running = False
        self._last_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="compute", daemon=True)
        self._thread.start()

    def post(self, box: str, request: Request, *, patient: bool = False) -> None:
        """Ask; a request that still waits in this box is forgotten.

        A patient caller stands still for a moment if the last work was short: then the answer is there before the
        next event. Otherwise both threads would take turns at every one of the worker's many short operations,
        which was measured to make the work three times as long.
        """
        with self._condition:
            self._boxes[box] = request
            self._condition.notify_all()
            if patient and self._last_seconds < SHORT_WORK:
                self._condition.wait_for(lambda: not self._running and not self._boxes, timeout=PATIENCE)

    def stop(self) -> None:
        """Forget what waits, and end what runs as soon as it tells of its progress; `failed` is told of each."""
        with self._condition:
            forgotten = list(self._boxes.values())
            self._boxes.clear()
            self._stopping = self._running
            self._condition.notify_all()
        for request in forgotten:
            for task in request.tasks:
                self.failed.emit(_stopped(request, task))

    def tell(self, fraction: float, text: str) -> None:
        """Called by work as it goes on; raises `StoppedError` where nobody waits for it any more."""
        if self._stopping or self._closing:
            raise StoppedError
        self.progressed.emit(fraction, text)

    @property
    def has_waiting(self) -> bool:
        """Whether something waits for what runs."""
        with self._condition:
            return bool(self._boxes)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs or waits."""
        with self._condition:
            return not self._running and not self._boxes

    def close(self) -> None:
        """Stop after the task that runs, and wait for it."""
        with self._condition:
            self._closing = True
            self._boxes.clear()
            self._condition.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (request := self._next()) is not None:
            begin = time.perf_counter()
            self.started.emit(", ".join(task.name for task in request.tasks))
            for task in request.tasks:
                if self._closing:
                    return
                self._run(request, task)
            self._last_seconds = time.perf_counter() - begin
            self._running = False
            self.finished.emit(request, self._last_seconds)

    def _next(self) -> Request | None:
        with self._condition:
            self._running = False
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._closing or bool(self._boxes))
            if self._closing:
                return None
            self._running, self._stopping = True, False
            box = "preview" if "preview" in self._boxes else next(iter(self._boxes))
            return self._boxes.pop(box)

    def _run(self, request: Request, task: Task) -> None:
        begin = time.perf_counter()
        try:
            result = task.run()
        except StoppedError:
            if not self._closing:
                self.failed.emit(_stopped(request, task))
        except (ValueError, WriteError) as error:
            self.failed.emit(Failure(request.question, task.name, str(error), expected=True))
        except Exception as error:  # the window outlives any defect of the numerics
            log.exception("task %s failed on %r", task.name, request.question)
            sentence = f"{task.name} failed with {type(error).__name__}: {error}"
            self.failed.emit(Failure(request.question, task.name, sentence, expected=False))
        else:
            self.answered.emit(Answer(request.question, task.name, result, time.perf_counter() - begin))
