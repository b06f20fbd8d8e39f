"""The compute service, held and let go by events: nothing here waits for time to pass."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from explorer.compute import Answer, ComputeService, Failure, Request, Task
from explorer.files import WriteError

PATIENT_ENOUGH = 10.0


class Gate:
    """Work that tells when it has begun and goes on when it is let."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(PATIENT_ENOUGH)
        return "held"


class Heard:
    """Everything a service said, in order."""

    def __init__(self, service: ComputeService) -> None:
        self.answers: list[Answer] = []
        self.failures: list[Failure] = []
        self.finished: list[object] = []
        self.started: list[str] = []
        self.threads: set[int] = set()
        service.started.connect(self._start)
        service.answered.connect(self._answer)
        service.failed.connect(self._fail)
        service.finished.connect(self._finish)

    def _note(self) -> None:
        self.threads.add(threading.get_ident())

    def _start(self, names: str) -> None:
        self._note()
        self.started.append(names)

    def _answer(self, answer: Answer) -> None:
        self._note()
        self.answers.append(answer)

    def _fail(self, failure: Failure) -> None:
        self._note()
        self.failures.append(failure)

    def _finish(self, request: Request, _seconds: float) -> None:
        self._note()
        self.finished.append(request.question)

    @property
    def results(self) -> list[object]:
        return [answer.result for answer in self.answers]


@pytest.fixture
def service(qapp: object) -> Iterator[ComputeService]:
    made = ComputeService()
    yield made
    made.close()


def asking(question: str, *works: Callable[[], object]) -> Request:
    return Request(question, tuple(Task(f"{question} {place}", work) for place, work in enumerate(works)))


def raising(error: Exception) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


def held(service: ComputeService) -> Gate:
    """Keep the service busy."""
    gate = Gate()
    service.post("preview", asking("held", gate))
    assert gate.begun.wait(PATIENT_ENOUGH)
    return gate


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "compute"]


def test_of_six_requests_while_busy_the_first_and_the_last_are_computed(qtbot: QtBot, service: ComputeService) -> None:
    heard, computed = Heard(service), list[int]()
    gate = Gate()

    def work(number: int) -> Callable[[], object]:
        return lambda: computed.append(number) or number

    service.post("preview", asking("0", gate, work(0)))
    assert gate.begun.wait(PATIENT_ENOUGH)
    for number in range(1, 6):
        service.post("preview", asking(str(number), work(number)))
    assert not service.is_idle
    gate.open.set()
    qtbot.waitUntil(lambda: heard.finished == ["0", "5"])
    assert computed == [0, 5]
    assert heard.results == ["held", 0, 5]
    assert service.is_idle


def test_tasks_answer_one_by_one_in_order_with_their_question(qtbot: QtBot, service: ComputeService) -> None:
    heard, gate = Heard(service), Gate()
    service.post("preview", asking("both", lambda: 1, gate))
    # The first answer is there while the second is still being worked on.
    qtbot.waitUntil(lambda: heard.results == [1])
    assert heard.finished == []
    gate.open.set()
    qtbot.waitUntil(lambda: heard.finished == ["both"])
    assert heard.started == ["both 0, both 1"]
    assert [(answer.question, answer.name, answer.result) for answer in heard.answers] == [
        ("both", "both 0", 1),
        ("both", "both 1", "held"),
    ]
    assert all(answer.seconds >= 0 for answer in heard.answers)


def test_a_preview_is_served_before_what_waits_longer(qtbot: QtBot, service: ComputeService) -> None:
    heard, gate = Heard(service), held(service)
    service.post("table", asking("table", lambda: 1))
    service.post("export", asking("export", lambda: 2))
    service.post("preview", asking("preview", lambda: 3))
    gate.open.set()
    qtbot.waitUntil(lambda: len(heard.finished) == 4)
    assert heard.finished == ["held", "preview", "table", "export"]


def test_every_box_keeps_its_own_newest_request(qtbot: QtBot, service: ComputeService) -> None:
    heard, gate = Heard(service), held(service)
    for number in range(3):
        service.post("table", asking(f"table {number}", lambda: 1))
        service.post("export", asking(f"export {number}", lambda: 2))
    gate.open.set()
    qtbot.waitUntil(lambda: len(heard.finished) == 3)
    assert heard.finished == ["held", "table 2", "export 2"]


@pytest.mark.parametrize(
    "error", [ValueError("grid.steps must be at least 1."), WriteError(Path("plot.svg"), OSError(13, "no"))]
)
def test_a_refusal_is_an_expected_failure_in_its_own_words(
    qtbot: QtBot, service: ComputeService, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    heard = Heard(service)
    service.post("preview", asking("q", raising(error), lambda: "next"))
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    assert heard.failures == [Failure("q", "q 0", str(error), expected=True)]
    assert heard.results == ["next"]
    assert caplog.records == []


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyError("x"), ZeroDivisionError("by zero")])
def test_a_defect_is_told_and_logged_and_the_thread_lives(
    qtbot: QtBot, service: ComputeService, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    heard = Heard(service)
    with caplog.at_level(logging.ERROR):
        service.post("preview", asking("q", raising(error), lambda: "next"))
        qtbot.waitUntil(lambda: heard.finished == ["q"])
    sentence = f"q 0 failed with {type(error).__name__}: {error}"
    assert heard.failures == [Failure("q", "q 0", sentence, expected=False)]
    assert heard.results == ["next"]
    (record,) = caplog.records
    assert record.getMessage() == "task q 0 failed on 'q'"
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    service.post("preview", asking("again", lambda: "alive"))
    qtbot.waitUntil(lambda: heard.results == ["next", "alive"])


def test_close_waits_for_the_task_that_runs_and_drops_the_rest(qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before, join = workers(), threading.Thread.join
    service, done = ComputeService(), list[str]()
    gate = Gate()
    service.post("preview", asking("running", lambda: done.append(gate()), lambda: done.append("second task")))
    assert gate.begun.wait(PATIENT_ENOUGH)
    service.post("table", asking("waiting", lambda: done.append("waiting")))

    def open_and_join(thread: threading.Thread, timeout: float | None = None) -> None:
        done.append("joining")
        gate.open.set()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", open_and_join)
    service.close()
    assert done == ["joining", "held"]
    assert workers() == before
    service.close()
    assert workers() == before


def test_an_idle_service_closes_at_once(qapp: object) -> None:
    before = workers()
    service = ComputeService()
    assert len(workers()) == len(before) + 1
    service.close()
    assert workers() == before


def test_signals_arrive_in_the_thread_of_the_window(qtbot: QtBot, service: ComputeService) -> None:
    heard, worked = Heard(service), list[int]()
    service.post("preview", asking("q", lambda: worked.append(threading.get_ident()), raising(ValueError("no"))))
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    assert len(heard.answers) == len(heard.failures) == len(heard.started) == 1
    assert heard.threads == {threading.get_ident()}
    assert worked != [threading.get_ident()]


def test_the_service_is_idle_when_it_says_that_it_has_finished(qtbot: QtBot, service: ComputeService) -> None:
    heard, idle = Heard(service), list[bool]()

    def look(_request: object, _seconds: float) -> None:
        idle.append(service.is_idle)

    # In the thread of the worker, before it goes on.
    cast(Any, service.finished).connect(look, Qt.ConnectionType.DirectConnection)
    service.post("preview", asking("q", lambda: 1))
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    assert idle == [True]


def test_a_patient_caller_has_the_answer_to_short_work_when_post_returns(service: ComputeService) -> None:
    done, there = set[int](), list[bool]()
    for number in range(20):
        service.post("preview", asking(str(number), partial(done.add, number)), patient=True)
        there.append(number in done)
    # A machine that is busy with other things may miss a few.
    assert sum(there) > 10


def test_a_patient_caller_is_not_held_up_by_long_work(qtbot: QtBot, service: ComputeService) -> None:
    heard, gate = Heard(service), Gate()
    begin = time.perf_counter()
    service.post("preview", asking("long", gate), patient=True)
    seconds = time.perf_counter() - begin
    assert not gate.open.is_set()
    assert not service.is_idle
    assert seconds < 0.1
    gate.open.set()
    qtbot.waitUntil(lambda: heard.finished == ["long"])


def test_nobody_is_patient_after_work_that_took_long(
    qtbot: QtBot, service: ComputeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, gate = Heard(service), Gate()
    monkeypatch.setattr("explorer.compute.SHORT_WORK", -1.0)
    monkeypatch.setattr("explorer.compute.PATIENCE", PATIENT_ENOUGH)
    begin = time.perf_counter()
    service.post("preview", asking("long", gate), patient=True)
    assert time.perf_counter() - begin < PATIENT_ENOUGH / 2
    assert not service.is_idle
    gate.open.set()
    qtbot.waitUntil(lambda: heard.finished == ["long"])


# ----------------------------------------------------------------------------------------- progress and stopping


class Telling:
    """Work that tells of its progress until it is let go, or nobody wants it any more."""

    def __init__(self, service: ComputeService) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self._service = service

    def __call__(self) -> str:
        last = time.monotonic() + PATIENT_ENOUGH
        while not self.open.wait(0.002) and time.monotonic() < last:
            self._service.tell(0.5, "half")
            self.begun.set()
        return "told"


def told(service: ComputeService) -> list[tuple[float, str, int]]:
    heard: list[tuple[float, str, int]] = []

    def hear(fraction: float, text: str) -> None:
        heard.append((fraction, text, threading.get_ident()))

    service.progressed.connect(hear)
    return heard


def test_work_tells_of_its_progress_to_the_thread_of_the_window(qtbot: QtBot, service: ComputeService) -> None:
    heard, progress = Heard(service), told(service)

    def work() -> str:
        for k in range(4):
            service.tell(k / 4, f"{k} of 4")
        return "done"

    service.post("search", asking("q", work))
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    assert progress == [(k / 4, f"{k} of 4", threading.get_ident()) for k in range(4)]
    assert heard.results == ["done"]


def test_stopped_work_ends_when_it_tells_and_is_an_expected_failure(
    qtbot: QtBot, service: ComputeService, caplog: pytest.LogCaptureFixture
) -> None:
    heard, work = Heard(service), Telling(service)
    service.post("search", asking("q", work))
    assert work.begun.wait(PATIENT_ENOUGH)
    service.stop()
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    assert heard.failures == [Failure("q", "q 0", "q 0 was stopped.", expected=True)]
    assert heard.results == []
    assert caplog.records == []
    assert service.is_idle
    # The next one is asked for its own sake, and may tell as much as it likes.
    again = Telling(service)
    service.post("search", asking("again", again))
    assert again.begun.wait(PATIENT_ENOUGH)
    again.open.set()
    qtbot.waitUntil(lambda: heard.results == ["told"])
    assert len(heard.failures) == 1


def test_what_waits_is_forgotten_when_all_is_stopped(qtbot: QtBot, service: ComputeService) -> None:
    heard, work, ran = Heard(service), Telling(service), list[str]()
    service.post("search", asking("q", work))
    assert work.begun.wait(PATIENT_ENOUGH)
    for box in ("table", "export", "preview"):
        service.post(box, asking(box, partial(ran.append, box)))
    service.stop()
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    service.post("last", asking("last", partial(ran.append, "last")))
    qtbot.waitUntil(lambda: "last" in heard.finished)
    assert ran == ["last"]
    assert heard.started == ["q 0", "last 0"]


def test_work_that_tells_nothing_runs_to_its_end(qtbot: QtBot, service: ComputeService) -> None:
    heard, gate = Heard(service), held(service)
    service.stop()
    gate.open.set()
    qtbot.waitUntil(lambda: heard.finished == ["held"])
    assert heard.results == ["held"]
    assert heard.failures == []


def test_stopping_where_nothing_runs_does_nothing_to_what_comes(qtbot: QtBot, service: ComputeService) -> None:
    heard, progress = Heard(service), told(service)
    service.stop()
    service.stop()
    service.post("search", asking("q", partial(service.tell, 1.0, "all")))
    qtbot.waitUntil(lambda: heard.finished == ["q"])
    assert [text for _fraction, text, _thread in progress] == ["all"]
    assert heard.failures == []


def test_closing_ends_work_that_tells_without_a_word(qapp: object) -> None:
    before, service = workers(), ComputeService()
    heard, work = Heard(service), Telling(service)
    service.post("search", asking("q", work))
    assert work.begun.wait(PATIENT_ENOUGH)
    begin = time.monotonic()
    service.close()
    assert time.monotonic() - begin < PATIENT_ENOUGH / 2
    assert workers() == before
    assert (heard.failures, heard.answers) == ([], [])
