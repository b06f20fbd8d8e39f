"""What a person can do beside the form: files, history, pins, exports, views."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QMimeData
from PyQt6.QtGui import QAction, QFont, QGuiApplication
from PyQt6.QtWidgets import QApplication, QDockWidget, QFileDialog, QMenu, QMessageBox

from explorer import VERSION, recovery
from explorer.actions import Action
from explorer.copying import as_command, as_python
from explorer.dropping import spectrum_of
from explorer.export import FORMATS, save, to_csv, to_svg
from explorer.files import WriteError
from explorer.gallery import sessions
from explorer.listing import as_text, catalog
from explorer.marks import Figure
from explorer.measuring import Measuring, check_law, measure_all, measure_beyond, measure_replicas, train_network
from explorer.plots import PLOTS
from explorer.reporting import metadata, write_all
from explorer.session import Session, changed_files, load, read_network, weights_beside
from explorer.session import save as save_session
from kernels.analyses.trainings import is_trained, keep
from kernels.experiment import Experiment, with_kind
from kernels.scores import Network, Trained
from kernels.spectra import Spectrum

if TYPE_CHECKING:
    from explorer.window import Window

RECENT = 8
_FILTERS = "Scalable picture (*.svg);;PDF (*.pdf);;Picture (*.png);;Table (*.csv)"


class Commands:
    """The actions of a window, as functions that go through its store."""

    def __init__(self, window: "Window") -> None:
        self._window = window
        self._recent: QMenu | None = None

    def actions(self) -> tuple[Action, ...]:
        """All actions, in the order of the menus."""
        window = self._window
        return (
            Action("&Open …", "&File", self._ask_open, "Ctrl+O", "Open a session file", tool=True),
            Action("Open data …", "&File", self._ask_data, "Ctrl+Shift+O", "Take a file as the data's spectrum"),
            Action("&Save", "&File", self.save, "Ctrl+S", "Save the session", tool=True),
            Action("Save as …", "&File", self._ask_save, "Ctrl+Shift+S"),
            Action("&Export plot …", "&File", self._ask_export, "Ctrl+E", "The plot under the mouse", tool=True),
            Action("Export all …", "&File", self._ask_export_all, "", "Report, tables and all plots into a folder"),
            Action("&Quit", "&File", self._quit, "Ctrl+Q"),
            Action("&Undo", "&Edit", window.undo, "Ctrl+Z", tool=True),
            Action("&Redo", "&Edit", window.redo, "Ctrl+Y", tool=True),
            Action("Copy as Python", "&Edit", partial(self._copy_text, as_python), "Ctrl+Alt+P", _SAME),
            Action("Copy as command line", "&Edit", partial(self._copy_text, as_command), "Ctrl+Alt+C", _SAME),
            Action("Copy plot", "&Edit", self.copy_plot, "Ctrl+C", "Picture and values of the plot under the mouse"),
            Action("Find a parameter", "&Edit", window.form.focus_search, "Ctrl+F"),
            Action("Find a command", "&Edit", window.open_palette, "Ctrl+K"),
            Action("Reset everything", "&Edit", self._reset, "", "The default experiment, nothing beside it"),
            Action("&Pin", "&Compare", window.pins.pin, "P", "Keep the present result as a reference", tool=True),
            Action("Remove all pins", "&Compare", lambda: window.edit(pins=())),
            Action("Compare", "&Compare", self._toggle_compare, "C", "Samplers and grids drawn together", tool=True),
            Action("&Improve", "&Run", window.start_improving, "Ctrl+I", "A better grid and stochasticity", tool=True),
            Action("Re&plicate", "&Run", self.replicate, "Ctrl+R", "Run learning and sampling many times over"),
            Action("&Measure particles", "&Run", self.measure, "Ctrl+M", "Distances of the particles to as many data"),
            Action(
                "&Check with particles", "&Run", self.check, "Ctrl+Shift+M", "W₂ of particles, beside the exact one"
            ),
            Action("Measure &beyond Gauss", "&Run", self.measure_beyond, "Ctrl+B", "Does Gaussian theory hold here?"),
            Action("&Train the network", "&Run", self.train, "Ctrl+T", "Learn the score from points of the data"),
            Action("Stop", "&Run", window.chores.jobs.stop, "Ctrl+.", "End the search, table, export or measurement"),
            *(self._preset(title, path) for title, path in sessions()),
            Action("Fit", "&View", self._fit, "A", "Show all data of the plot under the mouse"),
            Action("Maximize plot", "&View", self._maximize, "F11"),
            *(Action(f"Tab {title}", "&View", partial(self._tab, k), _key(k)) for k, title in self._titles()),
            Action("Dark colors", "&View", lambda: window.set_dark(not window.is_dark), "Ctrl+Alt+D"),
            Action("Larger text", "&View", partial(self._scale_text, 1), "Ctrl++"),
            Action("Smaller text", "&View", partial(self._scale_text, -1), "Ctrl+-"),
            Action("Reset layout", "&View", window.reset_layout, "Ctrl+Shift+0"),
            Action("About Wasserscope", "&Help", self._about),
            Action("Formulas and sources", "&Help", self._formulas, "F1"),
        )

    def _titles(self) -> list[tuple[int, str]]:
        return list(enumerate(dict.fromkeys(plot.tab for plot in PLOTS)))

    def _preset(self, title: str, path: Path) -> Action:
        return Action(title, "&Presets", lambda: self.open(path, as_example=True), "", f"Example session {path.name}")

    def add_docks(self, docks: dict[str, QDockWidget]) -> None:
        """Docks can be closed and opened again from the View menu; recent files hang in the File menu."""
        bar = self._window.menuBar()
        assert bar is not None
        menus = {action.text(): action.menu() for action in bar.actions()}
        view, file = menus["&View"], menus["&File"]
        assert view is not None
        assert file is not None
        view.addSeparator()
        for dock in docks.values():
            toggle = dock.toggleViewAction()
            if toggle is not None:
                view.addAction(toggle)
        self._recent = file.addMenu("Recent")
        file.aboutToShow.connect(self.list_recent)
        self.list_recent()
        self.refresh()

    def refresh(self) -> None:
        """Enable what can be done now, and show the file's name."""
        window = self._window
        made: dict[str, QAction] = getattr(window, "actions_by_title", {})
        if not made:
            return
        made["&Undo"].setEnabled(window.store.can_undo)
        made["&Redo"].setEnabled(window.store.can_redo)
        name = window.path.name if window.path else "untitled"
        window.setWindowTitle(f"{name}{' *' if window.is_modified else ''} — Wasserscope")

    def list_recent(self) -> None:
        """Fill the menu of recent files when it is about to be seen: asking for files may take time."""
        if self._recent is not None:
            paths = self._recent_paths()
            self._recent.clear()
            for path in paths:
                self._recent.addAction(path.name, partial(self.open, path))
            self._recent.setEnabled(bool(paths))

    # ------------------------------------------------------------------------------------------- files

    def open(self, path: Path, *, as_example: bool = False) -> bool:
        """Open a session; the present one stays if the file is broken, and undo brings it back if not."""
        try:
            session = load(path)
            changed = changed_files(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            self._window.say(str(error))
            return False
        self._window.remember_home()
        self._window.store.set(session)
        if as_example:
            self._window.show_path(None, session)
        else:
            self._remember(path, session)
        for name in changed:
            self._window.say(f"{name} is missing or is not what it was when the session was saved.")
        weights = weights_beside(path)
        untrained = isinstance(session.experiment.score, Network) and not is_trained(session.experiment)
        if untrained and weights.is_file():
            work = partial(read_network, session.experiment, weights)
            self._window.chores.run(f"reading {weights.name}", work, partial(self._use_network, session.experiment))
        return True

    def _use_network(self, experiment: Experiment, trained: Trained) -> None:
        keep(experiment, trained)
        self._window.ask_again()

    def save(self) -> bool:
        """Save to the session's file, or ask for one."""
        return self.save_to(self._window.path) if self._window.path else self._ask_save()

    def save_to(self, path: Path) -> bool:
        """Write the session; a failure is told and changes nothing."""
        try:
            save_session(self._session, path)
        except WriteError as error:
            self._window.say(str(error))
            return False
        self._remember(path, self._session)
        self._window.say(f"Saved {path}.")
        return True

    def take_file(self, path: Path) -> None:
        """A session is opened, anything else becomes the spectrum."""
        if path.suffix.lower() == ".toml":
            self.open(path)
            return
        self._window.chores.run(f"reading {path.name}", partial(_read, path), self._use_spectrum)

    def _use_spectrum(self, spectrum: Spectrum) -> None:
        self._window.edit(experiment=with_kind(self._session.experiment, "spectrum", spectrum))

    def may_leave(self) -> bool:
        """Whether the window may close: work that is nowhere saved is asked about, unless nothing was changed."""
        window = self._window
        if not window.is_modified or not window.isVisible() or not window.store.can_undo:
            return True
        button = QMessageBox.StandardButton
        answer = QMessageBox.question(
            window, "Wasserscope", "Save the session before closing?", button.Save | button.Discard | button.Cancel
        )
        if answer == button.Save:
            return self.save()
        return answer == button.Discard

    def offer_recovery(self) -> None:
        """Offer the state of a program that did not end as it should."""
        left = recovery.left_behind()
        if left is None:
            return
        box = QMessageBox(self._window)
        box.setWindowTitle("Wasserscope")
        box.setText("Wasserscope ended unexpectedly last time. Open the session as it was?")
        box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
        # Not modal: the window can be used at once, and an unattended start is never held up.
        box.setModal(False)

        def answered(result: int) -> None:
            if result == QMessageBox.StandardButton.Yes:
                self.open(left, as_example=True)
                # It was never saved by the person.
                self._window.show_path(None, None)
            recovery.discard()

        box.finished.connect(answered)
        box.open()

    def _remember(self, path: Path, session: object) -> None:
        paths = [str(path.resolve()), *(str(known) for known in self._recent_paths() if known != path.resolve())]
        self._window.settings.setValue("recent", paths[:RECENT])
        self._window.show_path(path, session)

    def _recent_paths(self) -> list[Path]:
        kept: Any = self._window.settings.value("recent", [])
        names: list[str] = [kept] if isinstance(kept, str) else list(kept or [])
        return [Path(name) for name in names if Path(name).is_file()]

    # ------------------------------------------------------------------------------------------- measurements

    def replicate(self) -> None:
        """Run learning and sampling many times over, at values of the number swept."""
        chores = self._window.chores
        if not chores.is_measuring:
            chores.begin_measuring(partial(measure_replicas, self._session, chores.jobs.tell, chores.measured.emit))

    def measure(self) -> None:
        """Measure all distances of the particles to the data."""
        self._sample(measure_all)

    def check(self) -> None:
        """Measure the W2 of particles at numbers of steps around the present one, beside the exact one."""
        self._sample(check_law)

    def measure_beyond(self) -> None:
        """Measure the sampler with every choice of the tab that asks whether Gaussian theory holds."""
        self._sample(measure_beyond)

    def _sample(self, how: Measuring) -> None:
        chores = self._window.chores
        if not chores.is_working:
            chores.begin_sampling(partial(how, self._session, chores.jobs.tell, chores.sampled.emit))

    def train(self) -> None:
        """Train the network of the present experiment."""
        chores = self._window.chores
        if not chores.is_working:
            chores.begin_training(partial(train_network, self._session, chores.jobs.tell, chores.trained.emit))

    # ------------------------------------------------------------------------------------------- exports

    def export(self, name: str, path: Path) -> None:
        """Write one plot as it is shown; the suffix chooses the format."""
        canvas = self._window.tabs.canvas(name)
        work = partial(save, canvas.figure, path, self._metadata(), canvas.hidden)
        self._window.chores.run(f"export of {path.name}", work, lambda _none: self._window.say(f"Exported {path}."))

    def copy_plot(self, name: str = "") -> None:
        """Put picture, values and drawing of a plot on the clipboard."""
        canvas = self._window.tabs.canvas(name or self._window.tabs.active)
        image, metadata = canvas.grab().toImage(), self._metadata()
        work = partial(_drawn, canvas.figure, metadata, canvas.hidden)

        def put(texts: tuple[bytes, bytes]) -> None:
            data = QMimeData()
            data.setImageData(image)
            data.setText(texts[0].decode())
            data.setData("image/svg+xml", texts[1])
            self._clipboard(lambda board: board.setMimeData(data))
            self._window.say("Copied the plot: its picture, its drawing and its values.")

        self._window.chores.run("copy of the plot", work, put)

    def for_plot(self, tabs: Any, name: str) -> list[QAction]:
        """The context menu of one plot."""
        entries: tuple[tuple[str, Callable[[], object]], ...] = (
            ("Export …", partial(self._ask_export, name)),
            ("Copy plot", partial(self.copy_plot, name)),
            ("Fit", lambda: tabs.canvas(name).fit()),
            ("Maximize", lambda: tabs.maximize(name)),
        )
        made: list[QAction] = []
        for title, run in entries:
            action = QAction(title, tabs)
            action.triggered.connect(lambda _checked=False, run=run: run())
            made.append(action)
        return made

    def export_all(self, folder: Path) -> None:
        """Write report, tables, session and all plots."""
        work = partial(write_all, self._session, folder)
        said = f"Wrote report, tables and all plots into {folder}."
        self._window.chores.run(f"export into {folder.name}", work, lambda _paths: self._window.say(said))

    def _metadata(self) -> dict[str, str]:
        return metadata(self._session.experiment)

    @property
    def _session(self) -> Session:
        return self._window.session

    # ------------------------------------------------------------------------------------------- dialogs

    def _ask_open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self._window, "Open a session", "", "Sessions (*.toml)")
        if name:
            self.open(Path(name))

    def _ask_data(self) -> None:
        kinds = "Data (*.npy *.npz *.csv *.txt *.png *.jpg *.jpeg);;All files (*)"
        name, _ = QFileDialog.getOpenFileName(self._window, "Eigenvalues, samples or a texture", "", kinds)
        if name:
            self.take_file(Path(name))

    def _ask_save(self) -> bool:
        name, _ = QFileDialog.getSaveFileName(self._window, "Save the session", "session.toml", "Sessions (*.toml)")
        return bool(name) and self.save_to(Path(name) if Path(name).suffix else Path(f"{name}.toml"))

    def _ask_export(self, name: str = "") -> None:
        shown = name or self._window.tabs.active
        chosen, kind = QFileDialog.getSaveFileName(self._window, "Export the plot", f"{shown}.svg", _FILTERS)
        if chosen:
            path = Path(chosen)
            suffix = next(known for known in FORMATS if f"*{known}" in kind) if kind else ".svg"
            self.export(shown, path if path.suffix.lower() in FORMATS else path.with_name(path.name + suffix))

    def _ask_export_all(self) -> None:
        name = QFileDialog.getExistingDirectory(self._window, "Export everything into a folder")
        if name:
            self.export_all(Path(name))

    # ------------------------------------------------------------------------------------------- the rest

    def _copy_text(self, how: Callable[[Experiment], str]) -> None:
        text = how(self._session.experiment)
        self._clipboard(lambda board: board.setText(text))
        self._window.say(f"Copied {len(text.splitlines())} lines; they print the numbers shown here.")

    def _clipboard(self, put: Callable[[Any], None]) -> None:
        board = QGuiApplication.clipboard()
        if board is not None:
            put(board)

    def _quit(self) -> None:
        self._window.close()

    def _reset(self) -> None:
        self._window.store.set(Session())

    def _toggle_compare(self) -> None:
        dock = self._window.docks["Compare"]
        # Behind another dock it counts as visible, but nothing of it is seen.
        dock.setVisible(not dock.isVisible() or dock.visibleRegion().isEmpty())
        dock.raise_()

    def _fit(self) -> None:
        self._window.tabs.canvas(self._window.tabs.active).fit()

    def _maximize(self) -> None:
        self._window.tabs.maximize(self._window.tabs.active)

    def _tab(self, index: int) -> None:
        self._window.tabs.setCurrentIndex(index)

    def _scale_text(self, points: int) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        font = QFont(application.font())
        font.setPointSize(min(28, max(7, font.pointSize() + points)))
        application.setFont(font)

    def _about(self) -> None:
        QMessageBox.about(
            self._window,
            "Wasserscope",
            f"Wasserscope {VERSION}\n\nExact error analysis of diffusion and flow samplers on Gaussian data.\n"
            "GPL-3.0-or-later.",
        )

    def _formulas(self) -> None:
        box = QMessageBox(self._window)
        box.setWindowTitle("Formulas and sources")
        box.setText("Every spectrum, observation, process, score, grid, sampler and start with formula and source:")
        box.setDetailedText(as_text(catalog()))
        box.open()


def _key(tab: int) -> str:
    """Digits with Ctrl, and when those are used up, with Alt besides."""
    return f"Ctrl+{tab + 1}" if tab < 9 else f"Ctrl+Alt+{tab - 8}"


def _read(path: Path) -> Spectrum:
    """The spectrum that a file stands for, once it has been read without complaint."""
    spectrum = spectrum_of(path)
    spectrum.law()
    return spectrum


def _drawn(figure: Figure, said: dict[str, str], hidden: frozenset[str]) -> tuple[bytes, bytes]:
    return to_csv(figure, said, hidden), to_svg(figure, said, hidden=hidden)


_SAME = "Text that prints the same numbers as shown here"
