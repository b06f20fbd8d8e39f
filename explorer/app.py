"""Start of the program: the window is painted first, torch and the plots are imported beside it."""

import importlib
import logging
import os
import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from PyQt6.QtCore import QObject, QtMsgType, pyqtSignal, qInstallMessageHandler
from PyQt6.QtWidgets import QApplication

from explorer import VERSION
from explorer.style import apply_theme
from explorer.window import Window

log = logging.getLogger(__name__)
# Qt's off-screen platform says these at every start; they mean nothing to a person.
_HARMLESS = ("This plugin does not support", "propagateSizeHints")


class Loader(QObject):
    """Imports what needs torch on a thread, then reads the session that was asked for."""

    loaded = pyqtSignal(object)
    refused = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None

    def start(self, words: Sequence[str]) -> None:
        """Begin; one of the signals follows."""
        self._thread = threading.Thread(target=self._load, args=(words,), name="loader", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the thread has ended: one that has spoken to Qt may not outlive it."""
        if self._thread is not None:
            self._thread.join()

    def _load(self, words: Sequence[str]) -> None:
        try:
            # What needs no torch comes first: the window is complete soon after torch is there.
            for name in ("explorer.canvas", "explorer.form", "torch", "explorer.engine"):
                importlib.import_module(name)
            read_session = importlib.import_module("explorer.cli").read_session
            self.loaded.emit(read_session(words))
        except ValueError as error:
            self.refused.emit(str(error))
        except ImportError as error:
            self.refused.emit(f"the engine cannot be imported ({error}); `wasserscope doctor` says what is missing.")


def open_window(words: Sequence[str], smoke: str | None) -> int:
    """Show the window on the session that `words` stand for; with `smoke` save a picture of a whole frame and end."""
    _install_hooks()
    # The numerics are many short operations: they wait for the interpreter's lock after each, at most this long.
    sys.setswitchinterval(0.0005)
    if smoke and sys.platform.startswith("linux") and not _has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if sys.platform.startswith("linux") and not _has_display() and "QT_QPA_PLATFORM" not in os.environ:
        raise ValueError("no display was found; use `wasserscope run`, or set DISPLAY.")
    application = QApplication(["wasserscope"])
    application.setApplicationName("Wasserscope")
    application.setApplicationVersion(VERSION)
    application.setDesktopFileName("wasserscope")
    window = Window(smoke=smoke or "")
    apply_theme(application, dark=window.is_dark)
    loader = Loader()
    refusals: list[str] = []

    def refuse(sentence: str) -> None:
        refusals.append(sentence)
        application.exit(2)

    loader.loaded.connect(window.build)
    loader.refused.connect(refuse)
    window.first_painted.connect(lambda: loader.start(words))
    window.show()
    status = application.exec()
    window.shut_down()
    loader.wait()
    if refusals or (smoke and window.failures):
        raise ValueError([*refusals, *window.failures][0])
    return status


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _install_hooks() -> None:
    """An exception in a slot would abort the process: it is logged, and the window lives."""

    def on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.exit(130)
            return
        log.error("unexpected %s: %s", kind.__name__, error, exc_info=(kind, error, trace))

    def on_message(kind: QtMsgType, context: object, message: str | None) -> None:
        if message and not any(part in message for part in _HARMLESS):
            log.log(logging.WARNING if kind != QtMsgType.QtDebugMsg else logging.DEBUG, "Qt: %s", message)

    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    sys.excepthook = on_exception
    qInstallMessageHandler(on_message)
