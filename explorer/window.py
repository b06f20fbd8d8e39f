"""The window: it joins store, form, plots, panels and compute service, and holds no state of its own.

Nothing here imports torch at the top: the shell is painted while the engine is still being imported.
"""

import dataclasses
import importlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import platformdirs
from PyQt6.QtCore import QByteArray, QEvent, QObject, QSettings, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QPaintEvent
from PyQt6.QtWidgets import QApplication, QDockWidget, QLabel, QMainWindow, QScrollArea, QWidget

from explorer.actions import Palette, install
from explorer.chores import IMPROVE, TABLE, Chores
from explorer.compute import Answer, ComputeService, Failure, Request, Task
from explorer.store import Store
from explorer.style import apply_theme

AUTOSAVE_MS = 15_000
ANSWER_PATIENCE_MS = 250
# Arrows while a slider moves: often enough to see one turn, seldom enough not to slow the plots down.
HINTS_EVERY_MS = 200
DOCK_WIDTHS = (330, 300)
DOCK_HEIGHT = 220
HEADLINE_GAP = 12

HINTS = "sensitivity"
COMPILING = "compiling the numerics, once on this machine …"
# What the panel of transport tells, beside what its plots show.
TRANSPORT, TRANSPORT_TABS = "transport", ("Transport", "Estimates")


class Window(QMainWindow):
    """The main window: a shell until `build` is called with a session."""

    first_painted = pyqtSignal()
    ready = pyqtSignal()
    """Every plot that is seen shows the present session."""

    def __init__(self, smoke: str = "") -> None:
        super().__init__()
        self.setWindowTitle("Wasserscope")
        self.resize(1380, 860)
        self.setAcceptDrops(True)
        self._smoke, self._painted, self._built = smoke, False, False
        self._failures: list[str] = []
        self._just_said = False
        self._before_drag: object = None
        # What the plots were last asked, and what they have answered.
        self._asked: Request | None = None
        self._rested: Request | None = None
        self._hinted: Request | None = None
        self._path: Path | None = None
        place = Path(platformdirs.user_config_dir("wasserscope")) / "window.ini"
        self._settings = QSettings(str(place), QSettings.Format.IniFormat)
        self.is_dark = self._settings.value("dark", "false") == "true"
        self._message, self._state = QLabel(""), QLabel("loading the compute engine …")
        self._headline = QLabel("")
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        bar = self.statusBar()
        assert bar is not None
        bar.addWidget(self._message, 1)
        self._headline.setContentsMargins(0, 0, HEADLINE_GAP, 0)
        bar.addPermanentWidget(self._headline)
        bar.addPermanentWidget(self._state)
        waiting = QLabel("Loading the compute engine …")
        waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setCentralWidget(waiting)
        self._left = self._dock("Parameters", Qt.DockWidgetArea.LeftDockWidgetArea, QWidget())

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Paint, and tell once that the first frame is on its way."""
        super().paintEvent(a0)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    # ------------------------------------------------------------------------------------------- building

    def build(self, session: Any) -> None:
        """Fill the shell; everything that needs torch has been imported by now."""
        self._engine: Any = importlib.import_module("explorer.engine")
        engine, panels = self._engine, self._engine.panels
        self.store = Store(session, self)
        # Answers to a moving slider must not wait behind a table or an export.
        self.compute, self.chores = ComputeService(self), Chores(self)
        # What each file holds, None standing for no file; and the file of sessions next to which another was opened.
        self._contents: dict[Path | None, object] = {None: session}
        self._homes: dict[object, Path | None] = {}
        self.form = engine.Form(session.experiment, select_kind=self._select_kind)
        self.compare, self.pins, self.ablation = panels.ComparePanel(), panels.PinsPanel(), panels.AblationPanel()
        self.sweep_bar, self.modes_bar, self.log = panels.SweepBar(), panels.ModesBar(), panels.LogPanel()
        self.improve, self.training_bar = panels.ImprovePanel(), panels.TrainingBar()
        self.cloud_bar, self.beyond_bar = panels.CloudBar(), panels.BeyondBar()
        self.transport, self.axes_bar = panels.TransportPanel(), panels.AxesBar()
        self._compilations = engine.compiling.Compilations(partial(self.chores.told.emit, COMPILING))
        self._log_handler = panels.LogHandler(self.log)
        logging.getLogger().addHandler(self._log_handler)
        self._commands = engine.Commands(self)
        above = {
            "Sweep": self.sweep_bar,
            "Spectrum": self.modes_bar,
            "Learning": self.training_bar,
            "Cloud": self.cloud_bar,
            "Beyond Gauss": self.beyond_bar,
            "Transport": self.axes_bar,
        }
        self.tabs = engine.Tabs(self._commands.for_plot, above)
        self.setCentralWidget(self.tabs)
        self._left.setWidget(self.form)
        right, below = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
        compare = self._dock("Compare", right, _Scrolled(self.compare))
        pins = self._dock("Pins", right, _Scrolled(self.pins))
        improve = self._dock("Improve", right, _Scrolled(self.improve))
        transport = self._dock("Transport", right, _Scrolled(self.transport))
        table, log = self._dock("Ablation table", below, self.ablation), self._dock("Log", below, self.log)
        self.tabifyDockWidget(compare, pins)
        self.tabifyDockWidget(pins, improve)
        self.tabifyDockWidget(improve, transport)
        self.tabifyDockWidget(table, log)
        compare.raise_()
        self.docks = {
            "Parameters": self._left,
            "Compare": compare,
            "Pins": pins,
            "Improve": improve,
            "Transport": transport,
            "Ablation table": table,
            "Log": log,
        }
        self.actions_by_title = install(self, self._commands.actions())
        self._commands.add_docks(self.docks)
        self._connect()
        # What is added to a window that is already shown stays hidden until told.
        for dock in (compare, pins, improve, transport):
            dock.show()
        for dock in (table, log):
            dock.hide()
        self._default_layout = self.saveState()
        # Widths can be given only once the docks have been laid out.
        QTimer.singleShot(0, self._first_layout)
        self._color(dark=self.is_dark)
        self._built = True
        self._hints_pause = QTimer(self)
        self._hints_pause.setSingleShot(True)
        self._hints_pause.setInterval(HINTS_EVERY_MS)
        self._hints_pause.timeout.connect(self._ask_hints)
        self._autosave = QTimer(self)
        self._autosave.timeout.connect(self._keep)
        self._autosave.start(AUTOSAVE_MS)
        self._show(session)
        self._commands.offer_recovery()

    def _dock(self, title: str, area: Qt.DockWidgetArea, content: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(title)
        dock.setWidget(content)
        if QApplication.platformName().startswith("wayland"):
            # Floating docks cannot be docked again under Wayland.
            dock.setFeatures(dock.features() & ~QDockWidget.DockWidgetFeature.DockWidgetFloatable)
        self.addDockWidget(area, dock)
        return dock

    def _connect(self) -> None:
        self.store.changed.connect(self._show)
        self.form.changed.connect(self._edited)
        self.form.refused.connect(self.say)
        self.form.sweep_requested.connect(self._sweep)
        for panel in (self.compare, self.pins, self.sweep_bar, self.modes_bar):
            panel.changed.connect(self.store.set)
        self.tabs.canvas("spectrum").clicked.connect(self._follow)
        self.tabs.clicked.connect(self._click)
        self.tabs.dragged.connect(self._drag)
        self.ablation.requested.connect(self._tabulate)
        self.improve.requested.connect(self._improve)
        self.improve.stopped.connect(self.chores.jobs.stop)
        self.improve.accepted.connect(self._take)
        self.training_bar.changed.connect(self._play)
        self.cloud_bar.changed.connect(self._play)
        self.axes_bar.changed.connect(self.store.set)
        self.transport.changed.connect(self._play)
        self.transport.said.connect(self.say)
        self.transport.stopped.connect(self.chores.jobs.stop)
        for bar, measure in (
            (self.cloud_bar, self._commands.measure),
            (self.beyond_bar, self._commands.measure_beyond),
        ):
            bar.work.measuring_wanted.connect(measure)
            bar.work.training_wanted.connect(self._commands.train)
            bar.work.stopped.connect(self.chores.jobs.stop)
        self.training_bar.replicas_wanted.connect(self._commands.replicate)
        self.training_bar.stopped.connect(self.chores.jobs.stop)
        self.chores.told.connect(self._tell_work)
        self.tabs.seen_changed.connect(self._look)
        self.tabs.currentChanged.connect(self._turn)
        self.tabs.said.connect(self.say)
        self.compute.started.connect(self._begin)
        self.compute.answered.connect(self._receive)
        self.compute.failed.connect(self._fail)
        self.compute.finished.connect(self._rest)

    # ------------------------------------------------------------------------------------------- data flow

    @property
    def session(self) -> Any:
        """The present session."""
        return self.store.session

    def edit(self, **changes: object) -> None:
        """Change parts of the session; one step of the history."""
        self.store.set(dataclasses.replace(self.session, **changes))

    def _select_kind(self, top: Any, path: str, kind: type, remembered: Any) -> Any:
        changed = self._engine.experiment.with_kind(top, path, remembered)
        for name in ("sampler", "grid"):
            if path != name and type(getattr(changed, name)) is not type(getattr(top, name)):
                old, new = type(getattr(top, name)).__name__, type(getattr(changed, name)).__name__
                self.say(f"{old} does not apply to {kind.__name__}; {name} changed to {new}.")
        return changed

    def _edited(self, experiment: object, path: str, dragging: bool) -> None:
        self.store.set(dataclasses.replace(self.session, experiment=experiment), dragging=dragging)

    def _sweep(self, path: str) -> None:
        self.edit(swept=path)
        self.tabs.setCurrentIndex(self.tabs.titles.index("Sweep"))

    def _show(self, session: Any) -> None:
        # What was said with this change stays to be read; what was said before is over.
        if not self._just_said:
            self._message.clear()
        self._just_said = False
        self.form.set_value(session.experiment)
        bars = (self.sweep_bar, self.modes_bar, self.training_bar, self.cloud_bar, self.beyond_bar)
        for panel in (self.compare, self.pins, self.ablation, self.improve, self.transport, self.axes_bar, *bars):
            panel.set_value(session)
        self._commands.refresh()
        self.ask()

    def ask(self) -> None:
        """Have the plots that are seen answer the present session, as far as is known by now."""
        session = self.session
        shown = self.chores.with_live(session)
        self.chores.follow(session)
        tasks = [Task(plot.name, partial(plot.draw, shown)) for plot in self.tabs.ask()]
        if self.tabs.titles[self.tabs.currentIndex()] in TRANSPORT_TABS:
            tasks.append(Task(TRANSPORT, partial(self._engine.coupled.told, session)))
        totals = Task("totals", partial(_totals, self._engine, session))
        self._asked = asked = Request(session, (*tasks, totals))
        self.compute.post("preview", asked, patient=True)
        QTimer.singleShot(ANSWER_PATIENCE_MS, lambda: self._still_waiting(asked))

    def ask_again(self) -> None:
        """The same session, of which more is known now."""
        self._show(self.session)

    def _look(self) -> None:
        self.ask()
        self.chores.look_again()

    def _turn(self, _index: int) -> None:
        """The panel that belongs to a tab comes to the front with it."""
        dock = self.docks["Transport"]
        if self.tabs.titles[self.tabs.currentIndex()] in TRANSPORT_TABS and not dock.isHidden():
            dock.raise_()

    def _still_waiting(self, asked: Request) -> None:
        if self._built and asked is self._asked and asked is not self._rested:
            self.tabs.mark_waiting()

    def _play(self, session: object, dragging: bool) -> None:
        self.store.set(session, dragging=dragging)

    def _tabulate(self, session: Any) -> None:
        self.store.set(session)
        present = session.experiment
        samplers, grids = session.samplers or (present.sampler,), session.grids or (present.grid,)
        table = self._engine.ablation.ablation
        work = partial(table, present, samplers, grids, session.stops, session.budgets)
        self.ablation.set_busy(True)
        self.chores.run(TABLE, work, self._tabulated)

    def _tabulated(self, table: object) -> None:
        self.ablation.set_busy(False)
        self.ablation.set_table(table)

    def start_improving(self) -> None:
        """Look for a better grid and stochasticity, as the panel says."""
        self.docks["Improve"].show()
        self.docks["Improve"].raise_()
        self.improve.start()

    def _improve(self, session: Any, request: Any) -> None:
        search = self._engine.optimize.optimize

        def watch(progress: Any) -> None:
            self.chores.jobs.tell(progress.fraction, f"error so far {progress.value:.4g}")

        self.chores.run(IMPROVE, partial(search, session.experiment, request, watch), self.improve.show_result)

    def _take(self, experiment: object) -> None:
        self.edit(experiment=experiment)

    def _follow(self, rank: float, _variance: float) -> None:
        if round(rank) >= 1:
            self.modes_bar.toggle(round(rank))

    def _click(self, plot: Any, x: float, y: float) -> None:
        if plot.click is not None:
            self._accept(partial(plot.click, self.session, x, y), dragging=False)

    def _drag(self, plot: Any, drag: Any) -> None:
        if plot.move is not None:
            # Every place of a drag is one to which the grid of before was brought: Escape brings that one back.
            before = self._before_drag or self.session
            self._before_drag = None if drag.done else before
            self._accept(partial(plot.move, before, drag.indices, drag.values, drag.snap), dragging=not drag.done)

    def _accept(self, make: Callable[[], Any], *, dragging: bool) -> None:
        try:
            session = make()
        except ValueError as error:
            self.say(str(error))
            session = self.session
        self.store.set(session, dragging=dragging)

    def _tell_work(self, text: str) -> None:
        self._state.setText(_shortened(text, 60))

    def _begin(self, names: str) -> None:
        if names == HINTS or self.chores.has_long_work:
            return
        self._state.setText(f"computing {_shortened(names, 48)}")

    def _receive(self, answer: Answer) -> None:
        if answer.name == HINTS:
            if answer.question == (HINTS, self.session):
                self.form.set_slopes(cast(dict[str, float], answer.result))
        elif answer.name == TRANSPORT:
            self.transport.set_found(answer.result, current=answer.question == self.session)
        elif answer.name == "totals":
            totals: Any = answer.result
            self.compare.set_values(totals)
            self.pins.set_values(totals)
            if answer.question == self.session:
                self._headline.setText(self._engine.session.headline(self.session, totals))
        else:
            figure: Any = answer.result
            self.tabs.show_figure(answer.name, figure, current=answer.question == self.session)

    def _fail(self, failure: Failure) -> None:
        if failure.name == HINTS:
            # The plots have told what is wrong with the data.
            self.form.set_slopes({})
            return
        if failure.name == TRANSPORT:
            # The plots tell why.
            self.transport.set_found(None, current=True)
            return
        self._failures.append(failure.sentence)
        if failure.name == "totals":
            self._headline.clear()
        else:
            self.tabs.show_error(failure.name, failure.sentence)
        self.say(failure.sentence)

    def _rest(self, request: Request, seconds: float) -> None:
        if isinstance(request.question, tuple):
            return
        self._rested = request
        if not self.chores.has_long_work:
            self._state.setText(f"CPU ×1 · {1e3 * seconds:.0f} ms")
        if request is self._asked:
            self.ready.emit()
            if self._smoke:
                # The answers are in; the next turn of the event loop has painted them.
                QTimer.singleShot(100, self._end_smoke)
            if not self._hints_pause.isActive():
                self._ask_hints()

    def _ask_hints(self) -> None:
        """Which slider to move: asked once the plots have been answered, and not at every step of a drag."""
        if self._rested is not self._asked or self._asked is self._hinted:
            return
        self._hinted = self._asked
        slopes = partial(self._engine.sensitivity.sensitivities, self.session.experiment)
        self.compute.post(HINTS, Request((HINTS, self.session), (Task(HINTS, slopes),)))
        self._hints_pause.start()

    def _end_smoke(self) -> None:
        if not self._failures and not self.grab().save(self._smoke):
            self._failures.append(f"cannot write {self._smoke}: choose a folder that exists and a name ending in .png.")
        QApplication.exit(2 if self._failures else 0)

    @property
    def is_built(self) -> bool:
        """Whether the shell is filled, and not yet shut down."""
        return self._built

    @property
    def failures(self) -> list[str]:
        """What could not be drawn, in plain words."""
        return self._failures

    def say(self, sentence: str) -> None:
        """Tell a person something in plain words, in the status bar and in the log."""
        self._just_said = True
        self._message.setText(sentence)
        self._message.setToolTip(sentence)
        self.log.add("note", sentence)

    # ------------------------------------------------------------------------------------------- files and layout

    def show_path(self, path: Path | None, saved: object) -> None:
        """Which file the session belongs to, and what of it is on disk."""
        self._path = path
        self._contents[path] = saved
        self._homes[self.session] = path
        self._commands.refresh()

    def undo(self) -> None:
        """Go back one change, and to the file that the session had then."""
        self.store.undo()
        self._come_home()

    def redo(self) -> None:
        """Go forward again."""
        self.store.redo()
        self._come_home()

    def _come_home(self) -> None:
        self._path = self._homes.get(self.session, self._path)
        self._commands.refresh()

    def remember_home(self) -> None:
        """Before another file is opened: undo will bring this session back, and it keeps its own file."""
        self._homes[self.session] = self._path

    @property
    def path(self) -> Path | None:
        """The session's file."""
        return self._path

    @property
    def is_modified(self) -> bool:
        """Whether the session differs from what is on disk."""
        return self.session != self._contents.get(self._path)

    @property
    def settings(self) -> QSettings:
        """What is remembered from one start to the next."""
        return self._settings

    def set_dark(self, dark: bool) -> None:
        """Light or dark colors, remembered."""
        self.is_dark = dark
        self._settings.setValue("dark", "true" if dark else "false")
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        apply_theme(application, dark)
        self._color(dark=dark)

    def _color(self, *, dark: bool) -> None:
        self.tabs.set_theme(dark=dark)
        self.improve.set_theme(dark=dark)

    def open_palette(self) -> None:
        """All actions, found by typing."""
        Palette(self.actions_by_title, self).exec()

    def reset_layout(self) -> None:
        """Docks where they were at the first start."""
        for dock in self.docks.values():
            dock.setFloating(False)
        self.restoreState(self._default_layout)
        self.docks["Compare"].raise_()
        self.resizeDocks([self._left, self.docks["Compare"]], list(DOCK_WIDTHS), Qt.Orientation.Horizontal)
        self.resizeDocks([self.docks["Ablation table"]], [DOCK_HEIGHT], Qt.Orientation.Vertical)

    def _first_layout(self) -> None:
        self.reset_layout()
        self._restore_layout()

    def _restore_layout(self) -> None:
        for name, restore in (("geometry", self.restoreGeometry), ("layout", self.restoreState)):
            kept = self._settings.value(name)
            if isinstance(kept, QByteArray) and not self._smoke:
                restore(kept)

    def _keep(self) -> None:
        if self.session != self._contents.get(self._path):
            self._engine.recovery.keep(self._engine.session.to_text(self.session, digests=False))

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Files are welcome."""
        data = a0.mimeData() if a0 else None
        if a0 and data and data.hasUrls() and self._built:
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Open a session, or take data as the spectrum."""
        data = a0.mimeData() if a0 else None
        if data and data.urls():
            self._commands.take_file(Path(data.urls()[0].toLocalFile()))

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Keep the layout, and ask where work would be lost."""
        if self._built and not self._commands.may_leave():
            if a0:
                a0.ignore()
            return
        if self._built and not self._smoke:
            self._settings.setValue("geometry", self.saveGeometry())
            self._settings.setValue("layout", self.saveState())
        # Work that runs is waited for, out of sight.
        self.hide()
        self.shut_down()
        super().closeEvent(a0)

    def shut_down(self) -> None:
        """End the compute thread, and forget the state kept aside; may be called twice."""
        if self._built:
            self._built = False
            self._autosave.stop()
            self._hints_pause.stop()
            logging.getLogger().removeHandler(self._log_handler)
            self._compilations.rest()
            self.compute.close()
            self.chores.close()
            self._engine.recovery.forget()


class _Scrolled(QScrollArea):
    """Content that scrolls up and down only, and is never cut at its side."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        # The dock asks again how much room is needed when the content needs another one.
        if a1 is not None and a1.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(a0, a1)

    def minimumSizeHint(self) -> QSize:
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return QSize(content.minimumSizeHint().width() + bar.sizeHint().width(), 80)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def _totals(engine: Any, session: Any) -> dict[str, float]:
    """Total W2 by label of every item; where there is no exact law, that of Gaussian theory."""
    return {
        item.label: float(engine.report.report(engine.clouds.theory_of(item.experiment)).wasserstein2.total)
        for item in engine.session.items(session)
    }
