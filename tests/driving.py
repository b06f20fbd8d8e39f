"""What a person does with plots and windows, for the tests that do it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas
from explorer.canvas.gestures import NavigableView
from explorer.window import Window

LONG = 20_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


# ----------------------------------------------------------------------------------------------------------- plots


def view_of(canvas: Canvas) -> NavigableView:
    view = canvas.findChild(NavigableView)
    assert view is not None
    return view


def target_of(canvas: Canvas) -> QWidget:
    """What takes the mouse."""
    viewport = view_of(canvas).viewport()
    assert viewport is not None
    return viewport


def place(canvas: Canvas, x: float, y: float) -> QPoint:
    """Where a point of the plot is seen."""
    return target_of(canvas).mapFrom(canvas, canvas.position(x, y).toPoint())


def press(canvas: Canvas, at: QPoint, modifier: Qt.KeyboardModifier = NONE) -> None:
    QtBot.mousePress(target_of(canvas), LEFT, modifier, at)


def release(canvas: Canvas, at: QPoint, modifier: Qt.KeyboardModifier = NONE) -> None:
    QtBot.mouseRelease(target_of(canvas), LEFT, modifier, at)


def picture(canvas: Canvas) -> QImage:
    QApplication.processEvents()
    return canvas.grab().toImage()


# --------------------------------------------------------------------------------------------------------- windows


@contextmanager
def own_settings(folder: Path) -> Generator[None]:
    """Settings and recovery in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.setenv(variable, str(folder / variable))
        yield


def closed(window: Window) -> None:
    window.shut_down()
    window.close()
    window.deleteLater()


def redrawn(qtbot: QtBot, window: Window, act: Callable[[], object]) -> None:
    """Do something and wait until the plots that are seen answer it."""
    with qtbot.waitSignal(window.ready, timeout=LONG):
        act()


def trigger(window: Window, title: str) -> None:
    action = window.actions_by_title[title]
    assert action.isEnabled()
    action.trigger()
