"""Long work beside the window: measurements, training, searches, tables, exports, and more for the plots.

One thread does it, one piece after the other. What is found on the way is shown at once, and becomes part of the
session at the end: a whole measurement is one step of the history.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from explorer.compute import Answer, ComputeService, Failure, Request, StoppedError, Task

if TYPE_CHECKING:
    from explorer.window import Window

REPLICAS = "measurement"
CLOUDS = "measurement on particles"
TRAINING = "training"
TABLE = "ablation table"
IMPROVE = "improve"
# Work that follows the person: what plots have more to show after, once all else rests.
MORE = "further work for the plots"
REST_MS = 300
# What tells of its progress in the status bar, where the short work of plots would hide it.
LONG = (REPLICAS, CLOUDS, TRAINING, MORE)

Job = tuple[str, Callable[[Any], object]]


class Chores(QObject):
    """`say`, `edit` and `ask` of a window are called in its thread; the signals may come from the thread that works."""

    measured = pyqtSignal(object)
    """A mean over replicas, told by the thread that measures as soon as it is known."""
    sampled = pyqtSignal(object)
    """A distance of particles to the data, in the same way."""
    trained = pyqtSignal()
    """The loss of the network that is trained is known further."""
    told = pyqtSignal(str)
    """What the status bar says of the work."""

    def __init__(self, window: "Window") -> None:
        super().__init__(window)
        self._window = window
        self.jobs = ComputeService(self)
        # Measured and shown, but not yet part of the session.
        self._live: tuple[object, ...] = ()
        self._live_sampled: tuple[object, ...] = ()
        self._measuring = False
        # The work on particles that is done or waits; what plots want to be whole; and what runs.
        self._working = ""
        self._wanted: object = None
        self._job = ""
        # Whether further work for the plots was left for other work, and is still to be done.
        self._gave_way = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._go_further)
        self.measured.connect(self._show_measured)
        self.sampled.connect(self._show_sampled)
        self.trained.connect(window.ask)
        self.jobs.progressed.connect(self._progress)
        self.jobs.started.connect(self._begin)
        self.jobs.answered.connect(self._deliver)
        self.jobs.failed.connect(self._fail)
        self.jobs.finished.connect(self._finish)

    @property
    def has_long_work(self) -> bool:
        """Whether the status bar tells of work that takes long."""
        return self._job in LONG

    def close(self) -> None:
        """End the thread; no signal is heard any more."""
        self._rest.stop()
        self.jobs.close()

    def run(self, name: str, work: Callable[[], object], deliver: Callable[[Any], object]) -> None:
        """Do longer work beside the window; `deliver` takes its result, a failure is told."""
        # The function travels with the question: the same job may be asked for again before it has been answered.
        self.jobs.post(name, Request((name, deliver), (Task(name, work),)))

    def with_live(self, session: Any) -> Any:
        """The session with what has been measured so far."""
        if not (self._live or self._live_sampled):
            return session
        measured, sampled = (*session.measured, *self._live), (*session.sampled, *self._live_sampled)
        return dataclasses.replace(session, measured=measured, sampled=sampled)

    # ------------------------------------------------------------------------------------------- replicas

    @property
    def is_measuring(self) -> bool:
        """Whether replicas are being measured, or wait for it."""
        return self._measuring

    def begin_measuring(self, work: Callable[[], object]) -> None:
        """Measure beside the window; what `measured` is told is shown at once, and kept at the end."""
        self._measuring = True
        self._window.training_bar.set_busy(True)
        self.run(REPLICAS, work, lambda _none: self._end_measuring())

    def _show_measured(self, one: object) -> None:
        if self._window.is_built:
            self._live = (*self._live, one)
            self._window.ask()

    def _end_measuring(self) -> None:
        found, self._live, self._measuring = cast(tuple[Any, ...], self._live), (), False
        window = self._window
        window.training_bar.set_busy(False)
        again = {one.experiment for one in found}
        kept = [one for one in window.session.measured if one.experiment not in again]
        window.edit(measured=(*kept, *found))
        if found:
            window.say(f"Measured {len(found)} values with {found[0].replicas} replicas each.")

    # ------------------------------------------------------------------------------------------- particles

    @property
    def is_working(self) -> bool:
        """Whether particles are measured or a network is trained, or waits for it."""
        return bool(self._working)

    def begin_sampling(self, work: Callable[[], object]) -> None:
        """Measure on particles beside the window; what `sampled` is told is shown at once, and kept at the end."""
        self._begin_work(CLOUDS)
        self.run(CLOUDS, work, lambda _none: self._end_work())

    def begin_training(self, work: Callable[[], object]) -> None:
        """Train beside the window; what is known of the loss is shown at each `trained`."""
        self._begin_work(TRAINING)
        self.run(TRAINING, work, self._end_training)

    def _begin_work(self, name: str) -> None:
        # More for the plots gives way to it.
        self._working = name
        for bar in (self._window.cloud_bar, self._window.beyond_bar):
            bar.work.set_busy(True)

    def _show_sampled(self, one: object) -> None:
        if self._window.is_built:
            self._live_sampled = (*self._live_sampled, one)
            self._window.ask()

    def _end_work(self) -> None:
        found, self._live_sampled, self._working = cast(tuple[Any, ...], self._live_sampled), (), ""
        window = self._window
        for bar in (window.cloud_bar, window.beyond_bar):
            bar.work.set_busy(False)
        if found:
            again = {(one.experiment, one.sampling, one.distance) for one in found}
            kept = [one for one in window.session.sampled if (one.experiment, one.sampling, one.distance) not in again]
            window.edit(sampled=(*kept, *found))
            window.say(f"Measured {len(found)} values on particles.")
        else:
            # What was trained is seen in every plot.
            window.ask()
        self._rest.start()

    def _end_training(self, trained: Any) -> None:
        self._end_work()
        self._window.say(f"Trained the network with {trained.model.iterations} iterations.")

    # ------------------------------------------------------------------------------------------- plots

    def follow(self, session: Any) -> None:
        """Plots are asked about this session: once a person rests, they show all that they can of it."""
        wanted = _lasting(session)
        if wanted != self._wanted:
            self._wanted = wanted
            self._rest.start()

    def look_again(self) -> None:
        """Other plots are seen, which may have more to show."""
        self._rest.start()

    def _go_further(self) -> None:
        window, wanted, self._gave_way = self._window, self._wanted, False
        plots = [plot for plot in window.tabs.seen() if plot.further is not None]
        if not window.is_built or self._working or not plots:
            return
        session = window.session

        def watch(done: int, share: float) -> None:
            # A person who waits for something else comes first.
            self._gave_way = self.jobs.has_waiting
            if self._wanted != wanted or self._working or self._gave_way:
                raise StoppedError
            self.jobs.tell((done + share) / len(plots), "")

        def work() -> bool:
            return sum(_further(plot, session, partial(watch, done)) for done, plot in enumerate(plots)) > 0

        self.run(MORE, work, lambda more: window.ask() if more else None)

    # ------------------------------------------------------------------------------------------- the thread

    def _begin(self, names: str) -> None:
        self._job = names
        if names != MORE:
            self.told.emit(f"computing {names}")

    def _deliver(self, answer: Answer) -> None:
        _name, deliver = cast(Job, answer.question)
        deliver(answer.result)

    def _fail(self, failure: Failure) -> None:
        window = self._window
        if failure.name == TABLE:
            window.ablation.set_busy(False)
        if failure.name == IMPROVE:
            window.improve.end(failure.sentence)
        if failure.name == REPLICAS:
            self._end_measuring()
        if failure.name in (CLOUDS, TRAINING):
            self._end_work()
        if failure.name == MORE and failure.expected:
            # The plots show less, or have told what is wrong.
            self.told.emit("")
            return
        window.say(failure.sentence)

    def _finish(self, request: Request, seconds: float) -> None:
        name, _deliver = cast(Job, request.question)
        self._job = ""
        self._window.transport.set_progress(None)
        if name != MORE:
            self.told.emit(f"{name}: {seconds:.1f} s on CPU")
        if name != MORE and self._gave_way:
            self._rest.start()

    def _progress(self, fraction: float, text: str) -> None:
        window = self._window
        if self._job == IMPROVE:
            window.improve.set_progress(fraction, text)
            return
        if self._job in (CLOUDS, TRAINING):
            for bar in (window.cloud_bar, window.beyond_bar):
                bar.work.set_progress(fraction, text)
        if self._job == MORE:
            window.transport.set_progress(fraction)
        self.told.emit(f"{self._job}: {100 * fraction:.0f} %{', ' if text else ''}{text}")


def _further(plot: Any, session: Any, watch: Callable[[float], None]) -> bool:
    """Do a plot's longer work; whether there was any."""
    if not plot.further(session, watch):
        return False
    # What drawing computes from it is kept, so that the thread of the plots has not to wait.
    plot.draw(session)
    return True


def _lasting(session: Any) -> Any:
    """What long work for plots depends on: not where a person is on a way, nor what was measured."""
    return dataclasses.replace(session, moment=1.0, training=1.0, measured=(), sampled=())
