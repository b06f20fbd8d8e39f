"""Pictures of the default session: what the report says is seen in its color where the axes say, in light and dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas
from explorer.canvas.theme import DARK, LIGHT, Theme, contrast, ink
from explorer.marks import Bars, Curve, Style
from explorer.session import Session
from explorer.style import apply_theme
from explorer.window import Window
from kernels.experiment import Experiment
from kernels.report import report

ERROR = report(Experiment())
TOTAL = float(ERROR.wasserstein2.total)
# What the first curve or group of bars of every plot passes through, known without drawing.
KNOWN = {
    "convergence": [(float(ERROR.calls), TOTAL)],
    "time": [(float(Experiment().times[-1]), TOTAL)],
    "modes": [(rank, float(ERROR.modes.error[rank - 1])) for rank in (2, 5, 10)],
    "sources": [(0.0, 0.9 * TOTAL), (1.0, 0.9 * float(ERROR.wasserstein2.discretization))],
}


@pytest.fixture(scope="module")
def window(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    style, palette, home = qapp.style(), qapp.palette(), tmp_path_factory.mktemp("home")
    assert style is not None
    name = style.objectName()
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.setenv(variable, str(Path(home) / variable))
        made = Window()
        apply_theme(qapp, dark=False)
        made.show()
        made.build(Session())
        yield made
        made.shut_down()
        made.close()
        made.deleteLater()
    qapp.setStyle(name)
    qapp.setPalette(palette)


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def drawn(qtbot: QtBot, window: Window, request: pytest.FixtureRequest) -> dict[str, Canvas]:
    """The plots that are seen, with their answers, in light or in dark."""
    window.set_dark(cast(bool, request.param))
    with qtbot.waitSignal(window.ready, timeout=20_000):
        window.tabs.seen_changed.emit()
    return {plot.name: window.tabs.canvas(plot.name) for plot in window.tabs.seen()}


def first_style(canvas: Canvas) -> Style:
    return next(mark.style for mark in canvas.figure.marks if isinstance(mark, Curve | Bars))


def inked(canvas: Canvas, image: QImage, at: QPointF, theme: Theme) -> float:
    """How much of the first curve's color is within two pixels: 1 for the color itself, less where it is blended."""
    paper, color = rgb(QColor(theme.background)), rgb(ink(first_style(canvas).color, theme))
    most = 0.0
    for dx in range(-2, 3):
        for dy in range(-2, 3):
            found = rgb(image.pixelColor(round(at.x()) + dx, round(at.y()) + dy)) - paper
            share = float(found @ (color - paper) / ((color - paper) @ (color - paper)))
            # Other colors are no blend of these two.
            if np.abs(found - share * (color - paper)).max() < 0.06:
                most = max(most, share)
    return most


def rgb(color: QColor) -> np.ndarray:
    return np.array([color.redF(), color.greenF(), color.blueF()])


def test_known_results_are_seen_in_their_color_where_the_axes_say(window: Window, drawn: dict[str, Canvas]) -> None:
    theme = DARK if window.is_dark else LIGHT
    assert set(drawn) == set(KNOWN)
    for name, canvas in drawn.items():
        image = canvas.grab().toImage()
        for x, y in KNOWN[name]:
            assert inked(canvas, image, canvas.position(x, y), theme) > 0.4, (name, x, y)


def test_nothing_is_drawn_beside_them(window: Window, drawn: dict[str, Canvas]) -> None:
    theme = DARK if window.is_dark else LIGHT
    for name, canvas in drawn.items():
        image = canvas.grab().toImage()
        for x, y in KNOWN[name]:
            away = canvas.position(x, y) + QPointF(0.0, -24.0 if name != "sources" else -40.0)
            assert inked(canvas, image, away, theme) < 0.25, (name, x, y)


def test_curves_and_text_stand_out_from_the_background(window: Window, drawn: dict[str, Canvas]) -> None:
    theme = DARK if window.is_dark else LIGHT
    background = QColor(theme.background)
    for name, canvas in drawn.items():
        image = canvas.grab().toImage()
        corner = image.pixelColor(image.width() - 3, image.height() - 3)
        assert corner == background, name
        assert contrast(ink(first_style(canvas).color, theme), background) > 3.0, name
        # The title and the numbers of the axes, in an ink that can be read.
        inks = {QColor(image.pixel(x, y)).name() for x in range(image.width()) for y in range(24)}
        assert max(contrast(QColor(shade), background) for shade in inks) > 10.0, name
