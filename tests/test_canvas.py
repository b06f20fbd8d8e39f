"""The canvas: what it draws lies where the axes say, and a person can look closer."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QAction, QColor, QImage, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas
from explorer.canvas.items import MarkItem
from explorer.canvas.legend import EntryButton
from explorer.canvas.strokes import segments, thinned
from explorer.canvas.theme import DARK, LIGHT, Theme, contrast, ink, text_ink
from explorer.marks import (
    COLORS,
    Axis,
    Band,
    Bars,
    Curve,
    Figure,
    Line,
    Linear,
    Log,
    Mark,
    Points,
    Scale,
    Style,
    Symlog,
    identity,
)
from explorer.ranges import extent, padded, steady
from tests.driving import picture, place, target_of, view_of

RED = Style("#FF0000")
SCALES = (Linear(), Log(), Symlog(1e-3))


def figure_of(*marks: Mark, x: Scale | None = None, y: Scale | None = None, note: str = "") -> Figure:
    return Figure("Error", Axis("steps N", x or Linear()), Axis("W₂", y or Linear()), marks, note=note)


def curve(label: str = "EM", factor: float = 1.0, count: int = 80, style: Style = RED) -> Curve:
    x = np.linspace(1.0, 100.0, count)
    return Curve(label, x, factor * x**2, style)


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(480, 360)
    made.show()
    return made


def has_color(image: QImage, at: QPointF, color: str, reach: int = 1) -> bool:
    """Whether the color, or a paler shade of it from antialiasing, is at most `reach` pixels away."""
    wanted = QColor(color)
    for dx in range(-reach, reach + 1):
        for dy in range(-reach, reach + 1):
            found = image.pixelColor(round(at.x()) + dx, round(at.y()) + dy)
            parts = ((found.red(), wanted.red()), (found.green(), wanted.green()), (found.blue(), wanted.blue()))
            if all(abs(a - b) <= 110 for a, b in parts):
                return True
    return False


def turn_wheel(canvas: Canvas, at: QPoint, delta: int = 120) -> None:
    none = Qt.MouseButton.NoButton
    here = QPointF(at)
    event = QWheelEvent(
        here,
        QPointF(target_of(canvas).mapToGlobal(at)),
        QPoint(),
        QPoint(0, delta),
        none,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(target_of(canvas), event)


def send(canvas: Canvas, kind: QEvent.Type, at: QPoint, button: Qt.MouseButton, *, shift: bool = False) -> None:
    event = QMouseEvent(
        kind,
        QPointF(at),
        QPointF(target_of(canvas).mapToGlobal(at)),
        button,
        button,
        Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(target_of(canvas), event)


def drag(canvas: Canvas, start: QPoint, end: QPoint, button: Qt.MouseButton, *, shift: bool = False) -> None:
    send(canvas, QEvent.Type.MouseButtonPress, start, button, shift=shift)
    for step in (0.5, 1.0):
        send(canvas, QEvent.Type.MouseMove, start + (end - start) * step, button, shift=shift)
    send(canvas, QEvent.Type.MouseButtonRelease, end, button, shift=shift)


# ---------------------------------------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("x_scale", SCALES, ids=lambda scale: scale.name)
@pytest.mark.parametrize("y_scale", SCALES, ids=lambda scale: scale.name)
@pytest.mark.parametrize("width", [1.0, 2.0])
def test_a_curve_is_where_the_axes_say(canvas: Canvas, x_scale: Scale, y_scale: Scale, width: float) -> None:
    shown = curve(style=replace(RED, width=width))
    canvas.show_figure(figure_of(shown, x=x_scale, y=y_scale), False)
    image = picture(canvas)
    for k in (3, 20, 60, 76):
        assert has_color(image, canvas.position(shown.x[k], shown.y[k]), RED.color), k
        assert not has_color(image, canvas.position(shown.x[k], shown.y[k]) + QPointF(-30, -30), RED.color), k


def test_positions_follow_the_scale(canvas: Canvas) -> None:
    x = np.array([1.0, 10.0, 100.0])
    canvas.show_figure(figure_of(Curve("", x, x, RED), x=Log(), y=Symlog(1e-9)), False)
    at = [canvas.position(value, value) for value in x]
    assert at[1].x() - at[0].x() == pytest.approx(at[2].x() - at[1].x())
    assert at[1].y() - at[0].y() == pytest.approx(at[2].y() - at[1].y())
    assert at[0].y() > at[2].y()


def test_tick_strings(canvas: Canvas) -> None:
    x = np.array([1.0, 1e3])
    canvas.show_figure(figure_of(Curve("", x, np.array([-1.0, 1.0])), x=Log()), False)
    assert canvas.tick_texts() == (
        ("1", "10", "100", "1000"),
        ("−1", "−0.5", "0", "0.5", "1"),
    )
    canvas.show_figure(figure_of(Curve("", x, np.array([1e-9, 1.0])), x=Log(), y=Log()), False)
    assert canvas.tick_texts()[1] == ("10⁻⁹", "10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰")


def test_categories_name_the_whole_numbers(canvas: Canvas) -> None:
    names = ("truncation", "discretization", "score error")
    bars = Bars("EM", np.arange(3.0), np.ones(3), np.zeros(3))
    canvas.show_figure(replace(figure_of(bars), categories=names), False)
    assert canvas.tick_texts()[0] == names
    canvas.set_crosshair(1.0)
    assert canvas.readout() == "discretization   EM 1"


@pytest.mark.parametrize("y_scale", SCALES, ids=lambda scale: scale.name)
def test_bars_stand_on_their_base(canvas: Canvas, y_scale: Scale) -> None:
    bars = Bars("EM", np.array([0.0, 1.0]), np.array([9.0, 90.0]), np.array([1.0, 10.0]), 0.5, RED)
    canvas.show_figure(figure_of(bars, y=y_scale), False)
    image = picture(canvas)
    for x, low, high in ((0.0, 1.0, 10.0), (1.0, 10.0, 100.0)):
        upper, lower = canvas.position(x, high), canvas.position(x, low)
        assert has_color(image, upper + QPointF(0, 2), RED.color, 0)
        assert has_color(image, lower - QPointF(0, 2), RED.color, 0)
        assert not has_color(image, upper - QPointF(0, 3), RED.color, 0)
        if x == 1.0:
            assert not has_color(image, lower + QPointF(0, 3), RED.color, 0)


def test_a_bar_from_zero_starts_at_the_bottom_of_a_log_axis(canvas: Canvas) -> None:
    bars = Bars("EM", np.array([0.0, 1.0]), np.array([1e-3, 1.0]), np.zeros(2), 0.5, RED)
    canvas.show_figure(figure_of(bars, y=Log()), False)
    (_, _), (low, _) = canvas.view_range()
    assert 1e-4 < low < 1e-3
    assert has_color(picture(canvas), canvas.position(1.0, low) - QPointF(0, 2), RED.color, 0)


@pytest.mark.parametrize("y_scale", SCALES, ids=lambda scale: scale.name)
def test_error_bars_end_where_they_should(canvas: Canvas, y_scale: Scale) -> None:
    y = np.array([1.0, 10.0, 30.0])
    points = Points("MC", np.array([0.0, 1.0, 2.0]), y, RED, np.array([0.5, 5.0, 20.0]))
    line = Curve("", np.array([-0.5, 2.5]), np.array([0.3, 60.0]), Style("#FFFFFF"))
    canvas.show_figure(figure_of(points, line, y=y_scale), False)
    image = picture(canvas)
    for x, end in ((2.0, 50.0), (2.0, 10.0), (1.0, 15.0), (1.0, 5.0)):
        assert has_color(image, canvas.position(x, end) + QPointF(2, 0), RED.color)
    assert not has_color(image, canvas.position(2.0, 55.0), RED.color)


def test_an_error_bar_below_zero_reaches_the_bottom_of_a_log_axis(canvas: Canvas) -> None:
    points = Points("MC", np.array([0.0, 1.0]), np.array([1.0, 0.01]), RED, np.array([2.0, 0.0]))
    canvas.show_figure(figure_of(points, y=Log()), False)
    (_, _), (low, _) = canvas.view_range()
    assert has_color(picture(canvas), canvas.position(0.0, low) - QPointF(0, 3), RED.color)


def test_a_band_is_filled_between_its_curves(canvas: Canvas) -> None:
    x = np.array([0.0, 1.0])
    canvas.show_figure(figure_of(Band("", x, np.ones(2), np.full(2, 4.0), Style("#000000"))), False)
    image = picture(canvas)
    assert 150 < image.pixelColor(canvas.position(0.37, 2.33).toPoint()).red() < 230
    assert image.pixelColor((canvas.position(0.37, 4.0) - QPointF(0, 4)).toPoint()).red() > 230


def test_reference_lines_do_not_widen_the_view_and_are_drawn_across_it(canvas: Canvas) -> None:
    line = Line("limit", 50.0, True, Style("#FF0000", ()))
    canvas.show_figure(figure_of(curve(style=Style("#0000FF")), line, Line("far", 1e9, True)), False)
    assert canvas.view_range()[0][1] < 110
    image = picture(canvas)
    assert has_color(image, canvas.position(50.0, 8000.0), "#FF0000")
    assert has_color(image, canvas.position(50.0, 500.0), "#FF0000")


def test_nan_breaks_a_line_and_infinity_is_marked(canvas: Canvas) -> None:
    x = np.arange(0.0, 100.0)
    y = np.ones(100)
    y[40:50], y[90:] = math.nan, math.inf
    canvas.show_figure(figure_of(Curve("", x, y, RED), Curve("", x, 2 * np.ones(100), Style("#FFFFFF"))), False)
    image = picture(canvas)
    assert has_color(image, canvas.position(20.0, 1.0), RED.color)
    assert not has_color(image, canvas.position(45.0, 1.0), RED.color)
    assert has_color(image, canvas.position(89.0, 1.0) + QPointF(0, 3), RED.color)


@pytest.mark.parametrize("values", [[], [math.nan, math.nan], [math.inf, -math.inf], [0.0, -1.0]])
def test_an_empty_figure_says_why(canvas: Canvas, values: list[float]) -> None:
    y = np.array(values)
    figure = figure_of(Curve("EM", np.arange(1.0, len(y) + 1.0), y), y=Log(), note="All errors are zero.")
    canvas.show_figure(figure, False)
    picture(canvas)
    assert canvas.tick_texts() == ((), ())
    assert canvas.summary() == (
        "Error: W₂ over steps N. All errors are zero."
        if not np.isfinite(y).any()
        else "Error: W₂ over steps N. EM ends at -1. All errors are zero."
    )
    assert view_of(canvas).hint() == "All errors are zero."
    canvas.show_figure(figure_of(), False)
    assert view_of(canvas).hint() == "nothing to show"
    canvas.show_figure(figure_of(curve()), True)
    assert canvas.view_range()[0][1] == pytest.approx(104, abs=0.1)


@pytest.mark.parametrize("y", [[3.0, 3.0], [0.0, 0.0], [1e300, -1e300], [1e-300, 2e-300], [5.0, 5.0 + 1e-15]])
@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
def test_difficult_ranges(canvas: Canvas, y: list[float], scale: Scale) -> None:
    canvas.show_figure(figure_of(Curve("", np.array([0.0, 1.0]), np.array(y), RED), y=scale), False)
    picture(canvas)
    (_, _), (low, high) = canvas.view_range()
    assert low < high


def test_sixteen_decades_are_enough(canvas: Canvas) -> None:
    y = np.array([1e-300, 1e-10, 1.0])
    canvas.show_figure(figure_of(Curve("", np.arange(3.0), y), y=Log()), False)
    assert canvas.view_range()[1][0] == pytest.approx(10**-16.64)


# -------------------------------------------------------------------------------------------- reuse and ranges


def test_items_are_reused_and_the_same_mark_costs_nothing(canvas: Canvas) -> None:
    kept, changed = curve("EM"), curve("Heun", 0.5)
    canvas.show_figure(figure_of(kept, changed), False)
    before = list(view_of(canvas).items_shown)
    drawings = [item.drawing for item in before]
    canvas.show_figure(figure_of(kept, curve("Heun", 0.7)), True)
    assert view_of(canvas).items_shown == before
    assert before[0].drawing is drawings[0]
    assert before[1].drawing is not drawings[1]
    canvas.show_figure(figure_of(kept), True)
    assert len(view_of(canvas).items_shown) == 1
    scene = view_of(canvas).scene()
    assert scene is not None
    assert sum(isinstance(item, MarkItem) for item in scene.items()) == 1


def test_the_same_figure_is_not_painted_again(canvas: Canvas) -> None:
    figure = figure_of(curve())
    canvas.show_figure(figure, False)
    picture(canvas)
    count = canvas.render_count
    canvas.show_figure(figure, True)
    canvas.set_crosshair(50.0)
    picture(canvas)
    assert canvas.render_count == count
    assert canvas.last_paint_ms > 0


def test_a_view_follows_data_without_jitter(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve()), False)
    start = canvas.view_range()
    canvas.show_figure(figure_of(curve(factor=0.9)), True)
    assert canvas.view_range() == start
    canvas.show_figure(figure_of(curve(factor=2.0)), True)
    assert canvas.view_range()[1][1] > 2e4
    canvas.show_figure(figure_of(curve(factor=0.5)), True)
    assert canvas.view_range()[1][1] == pytest.approx(5200, rel=0.01)
    canvas.show_figure(figure_of(curve(factor=0.45)), True)
    canvas.fit()
    assert canvas.view_range()[1][1] == pytest.approx(4680, rel=0.01)


def test_steady_ranges() -> None:
    scale = Linear()
    assert steady((0.0, 10.0), (1.0, 9.0), scale) == (0.0, 10.0)
    assert steady((0.0, 10.0), (1.0, 12.0), scale) == (0.0, pytest.approx(12.44))
    assert steady((0.0, 10.0), (1.0, 4.0), scale) == padded((1.0, 4.0), scale)
    assert extent(np.array([-1.0, 0.0]), Log()) is None


def test_a_zoom_stays_until_a_new_view_is_asked_for(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve(), y=Log()), False)
    turn_wheel(canvas, place(canvas, 50.0, 2500.0))
    zoomed = canvas.view_range()
    assert canvas.is_zoomed
    assert zoomed[0][1] - zoomed[0][0] == pytest.approx(99 * 1.08 / 1.2, rel=1e-6)
    canvas.show_figure(figure_of(curve(factor=100.0), y=Log()), True)
    assert canvas.view_range() == zoomed
    canvas.show_figure(figure_of(curve(factor=100.0)), True)
    np.testing.assert_allclose(canvas.view_range(), zoomed)
    canvas.show_figure(figure_of(curve()), False)
    assert not canvas.is_zoomed
    assert canvas.view_range()[0][1] == pytest.approx(104, abs=0.1)


def test_a_zoom_survives_a_moment_without_data(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve()), False)
    turn_wheel(canvas, place(canvas, 50.0, 2500.0))
    zoomed = canvas.view_range()
    canvas.show_figure(figure_of(Curve("EM", np.ones(2), np.full(2, math.inf))), True)
    canvas.show_figure(figure_of(curve()), True)
    assert canvas.view_range() == zoomed


# ------------------------------------------------------------------------------------------ mouse and keyboard


def test_wheel_drag_box_and_back(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve()), False)
    fitted = canvas.view_range()
    drag(canvas, place(canvas, 50.0, 5000.0), place(canvas, 40.0, 5000.0), Qt.MouseButton.LeftButton)
    assert canvas.view_range()[0][0] == pytest.approx(fitted[0][0] + 10, abs=0.4)
    panned = canvas.view_range()
    drag(canvas, place(canvas, 40.0, 4000.0), place(canvas, 60.0, 2000.0), Qt.MouseButton.RightButton)
    np.testing.assert_allclose(canvas.view_range(), [(40, 60), (2000, 4000)], rtol=0.05)
    drag(canvas, place(canvas, 45.0, 3500.0), place(canvas, 50.0, 2500.0), Qt.MouseButton.LeftButton, shift=True)
    np.testing.assert_allclose(canvas.view_range(), [(45, 50), (2500, 3500)], rtol=0.05)
    canvas.zoom_back()
    canvas.zoom_back()
    np.testing.assert_allclose(canvas.view_range(), panned)
    canvas.zoom_back()
    np.testing.assert_allclose(canvas.view_range(), fitted)
    assert not canvas.is_zoomed


def test_the_wheel_over_an_axis_zooms_along_it(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve()), False)
    before = canvas.view_range()
    area = view_of(canvas).area()
    turn_wheel(canvas, QPointF(area.center().x(), area.bottom() + 5).toPoint())
    assert canvas.view_range()[1] == before[1]
    assert canvas.view_range()[0] != before[0]


def test_keyboard(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure_of(curve(count=3)), False)
    fitted = canvas.view_range()
    qtbot.keyClick(view_of(canvas), Qt.Key.Key_Plus)
    assert canvas.is_zoomed
    qtbot.keyClick(view_of(canvas), Qt.Key.Key_A)
    assert not canvas.is_zoomed
    assert canvas.view_range() == fitted
    qtbot.keyClick(view_of(canvas), Qt.Key.Key_Backspace)
    assert canvas.view_range() != fitted
    qtbot.keyClick(view_of(canvas), Qt.Key.Key_Right)
    qtbot.keyClick(view_of(canvas), Qt.Key.Key_Right)
    assert canvas.readout() == "steps N = 50.5   EM 2550"


def test_double_click_fits(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure_of(curve()), False)
    turn_wheel(canvas, place(canvas, 50.0, 2500.0))
    qtbot.mouseDClick(target_of(canvas), Qt.MouseButton.LeftButton, pos=place(canvas, 50.0, 2500.0))
    assert not canvas.is_zoomed


def test_deep_zoom_still_shows_the_curve(canvas: Canvas) -> None:
    shown = curve(count=5)
    canvas.show_figure(figure_of(shown, x=Log(), y=Log()), False)
    for _ in range(60):
        turn_wheel(canvas, place(canvas, shown.x[2], shown.y[2]))
    (low, high), _ = canvas.view_range()
    assert high / low - 1 < 1e-3
    at = canvas.position(shown.x[2], shown.y[2])
    assert has_color(picture(canvas), at + QPointF(20, -20), RED.color, 4) or has_color(picture(canvas), at, RED.color)


def test_a_click_tells_data_coordinates(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure_of(curve(), x=Log(), y=Symlog(1.0)), False)
    with qtbot.waitSignal(canvas.clicked) as told:
        qtbot.mouseClick(target_of(canvas), Qt.MouseButton.LeftButton, pos=place(canvas, 10.0, 300.0))
    assert told.args == [pytest.approx(10, rel=0.03), pytest.approx(300, rel=0.05)]


def test_hovering_reads_the_nearest_point_and_links_canvases(canvas: Canvas, qtbot: QtBot) -> None:
    other = Canvas()
    qtbot.addWidget(other)
    other.resize(480, 360)

    def follow(at: tuple[float, float] | None) -> None:
        other.set_crosshair(*(at or (None, None)))

    canvas.hovered.connect(follow)
    steps = np.array([10.0, 20.0, 40.0])
    exact = Curve("Heun", steps, np.array([0.5, -0.25, 1e-5]), identity(1))
    measured = Points("MC", steps, np.array([0.4, 0.2, 0.1]), identity(2), np.full(3, 0.01))
    canvas.show_figure(figure_of(exact, measured), False)
    other.show_figure(figure_of(exact), False)
    at = place(canvas, 22.0, 0.3)
    qtbot.mouseMove(target_of(canvas), at)
    send(canvas, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton)
    assert canvas.readout() == "steps N = 20   Heun −0.25   MC 0.2 ± 0.01"
    assert other.readout() == "steps N = 20   Heun −0.25"
    canvas.set_hidden(frozenset({"MC"}))
    assert canvas.readout() == "steps N = 20   Heun −0.25"
    QApplication.sendEvent(view_of(canvas), QEvent(QEvent.Type.Leave))
    assert canvas.readout() == other.readout() == ""


def test_the_note_stands_where_the_readout_is(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve(), note="Two values are infinite."), False)
    assert canvas.readout() == "Two values are infinite."
    picture(canvas)


def test_a_hint_comes_before_the_note(canvas: Canvas) -> None:
    canvas.show_figure(replace(figure_of(curve(), note="Two values are infinite."), hint="Drag."), False)
    assert canvas.readout() == "Drag. Two values are infinite."


# --------------------------------------------------------------------------------------- legend, states, themes


def button_of(canvas: Canvas, label: str) -> EntryButton:
    return next(button for button in canvas.findChildren(EntryButton) if button.entry.label == label)


def test_the_legend_hides_and_remembers(canvas: Canvas, qtbot: QtBot) -> None:
    figure = figure_of(curve("EM"), curve("Heun", 0.01, style=identity(0)), curve("DDPM", 0.1))
    canvas.show_figure(figure, False)
    with qtbot.waitSignal(canvas.visibility_changed) as told:
        qtbot.mouseClick(button_of(canvas, "EM"), Qt.MouseButton.LeftButton)
    assert told.args == [frozenset({"EM"})]
    assert not has_color(picture(canvas), canvas.position(20.0, 400.0), RED.color)
    assert canvas.view_range()[1][1] < 1100
    canvas.show_figure(figure_of(curve("EM", 2.0), curve("Heun", 0.02)), True)
    assert canvas.hidden == {"EM"}
    assert not button_of(canvas, "EM").isChecked()


def test_the_legend_from_the_keyboard(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure_of(curve("EM"), curve("Heun"), curve("DDPM")), False)
    assert button_of(canvas, "Heun").accessibleName() == "Show Heun"
    qtbot.keyClick(button_of(canvas, "Heun"), Qt.Key.Key_Space)
    assert canvas.hidden == {"Heun"}
    qtbot.mouseClick(button_of(canvas, "Heun"), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier)
    assert canvas.hidden == {"EM", "DDPM"}
    qtbot.keyClick(button_of(canvas, "Heun"), Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert canvas.hidden == frozenset()


def test_when_all_curves_are_hidden_it_says_so(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve("EM")), False)
    canvas.set_hidden(frozenset({"EM"}))
    assert view_of(canvas).hint() == "all curves are hidden"
    picture(canvas)


def test_the_legend_never_covers_the_plot(canvas: Canvas) -> None:
    canvas.resize(240, 200)
    canvas.show_figure(figure_of(*(curve(f"a scheme with a long name {k}") for k in range(6))), False)
    picture(canvas)
    top = view_of(canvas).y()
    assert all(
        button.mapTo(canvas, button.rect().bottomLeft()).y() <= top for button in canvas.findChildren(EntryButton)
    )
    assert view_of(canvas).height() > 80


def test_labels_that_are_cut_share_the_room_that_is_left(canvas: Canvas) -> None:
    labels = ("187 Uniform", "1.49 Optimal", "2.46 AYS SD1.5", "1.32 this grid")
    canvas.resize(225, 200)
    canvas.show_figure(figure_of(*(curve(label) for label in labels)), False)
    picture(canvas)
    buttons = [button_of(canvas, label) for label in labels]
    rows = {button.y() for button in buttons}
    assert 1 < len(rows) < len(labels)
    for row in rows:
        members = [button for button in buttons if button.y() == row]
        cut = [button for button in members if button.width() < button.sizeHint().width()]
        assert cut
        assert canvas.width() - 2 * len(cut) - 20 <= max(button.geometry().right() for button in members)
        assert max(button.geometry().right() for button in members) < canvas.width()
        for left, right in itertools.pairwise(members):
            assert left.geometry().right() < right.x()


def test_busy_and_error(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve()), False)
    calm = picture(canvas)
    canvas.set_busy(True)
    assert has_color(picture(canvas), QPointF(200, 1), LIGHT.busy, 0)
    canvas.set_busy(False)
    assert picture(canvas) == calm
    canvas.set_error("h must be positive, got −1.")
    alarmed = picture(canvas)
    assert alarmed != calm
    assert has_color(alarmed, canvas.position(50.5, 2550.0), RED.color)
    assert "Not up to date: h must be positive" in canvas.summary()


def test_the_summary_names_axes_and_final_values(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure_of(curve("EM"), Line("limit", 3.0, True)), False)
    told = "Error: W₂ over steps N. EM ends at 1e+04. Reference limit at 3."
    assert canvas.summary() == told
    assert canvas.accessibleName() == "Error"
    qtbot.waitUntil(lambda: canvas.accessibleDescription() == told)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_dark_curves_are_readable(theme: Theme) -> None:
    background = QColor(theme.background)
    assert contrast(QColor(theme.text), background) >= 4.5
    assert contrast(QColor(theme.muted), background) >= 4.5
    assert contrast(QColor(theme.error_text), QColor(theme.error)) >= 4.5
    for color in COLORS:
        assert contrast(text_ink(color, theme), background) >= 4.5
        assert contrast(ink(color, theme), background) >= (4.5 if theme.dark else 1.9)


def test_the_dark_theme_is_drawn(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve(style=identity(0))), False)
    canvas.set_theme(True)
    image = picture(canvas)
    assert image.pixelColor(2, image.height() - 2) == QColor(DARK.background)
    assert has_color(image, canvas.position(50.5, 2550.0), ink(identity(0).color, DARK).name())


def test_a_mark_that_cannot_be_drawn_is_said_once(canvas: Canvas, qtbot: QtBot) -> None:
    told: list[str] = []
    canvas.failed.connect(told.append)
    broken = Curve("EM", np.arange(3.0), np.arange(4.0))
    canvas.show_figure(figure_of(broken, curve("Heun")), False)
    for _ in range(3):
        view_of(canvas).invalidate()
        picture(canvas)
    assert len(told) == 1
    assert told[0].startswith("Curve 'EM' cannot be drawn: ")
    assert has_color(picture(canvas), canvas.position(50.5, 2550.0), RED.color)


def test_sizes(canvas: Canvas) -> None:
    assert canvas.minimumSizeHint().width() == 220
    canvas.show_figure(figure_of(curve(), Points("MC", *np.random.default_rng(0).normal(size=(2, 3000)))), False)
    for size in ((220, 160), (900, 700), (40, 30)):
        canvas.resize(*size)
        picture(canvas)


# ------------------------------------------------------------------------------------------------------ strokes


def test_dashes_have_their_lengths_and_nan_breaks_them() -> None:
    x = np.array([0.0, 100.0, math.nan, 200.0, 230.0])
    rows = segments(x, np.zeros(5), (6.0, 4.0))
    assert float(np.sum(rows[:, 2] - rows[:, 0])) == pytest.approx(60 + 18)
    assert not np.any((rows[:, 0] < 199) & (rows[:, 2] > 101))


def test_thinning_keeps_every_extreme() -> None:
    x = np.linspace(0, 100, 10_000)
    y = np.sin(x)
    y[4321] = 50.0
    thin_x, thin_y = thinned(x, y, 100)
    assert len(thin_x) == len(thin_y) <= 404
    assert thin_y.max() == 50.0


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)
def test_the_menu_opens_with_the_given_actions(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure_of(curve()), False)
    action = QAction("Copy data", canvas)
    canvas.set_actions([action])
    at = place(canvas, 50.0, 5000.0)
    send(canvas, QEvent.Type.MouseButtonPress, at, Qt.MouseButton.RightButton)
    send(canvas, QEvent.Type.MouseButtonRelease, at, Qt.MouseButton.RightButton)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert menu.actions() == [action]
    menu.close()
    assert not canvas.is_zoomed


def test_a_narrow_readout_keeps_what_fits(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(*(curve(f"a scheme with a long name {k}", k + 1.0) for k in range(8))), False)
    for size in ((480, 360), (230, 170)):
        canvas.resize(*size)
        empty = picture(canvas)
        canvas.set_crosshair(50.0)
        assert picture(canvas) != empty
        canvas.set_crosshair(None)


def test_names_take_turns_on_two_lines_where_they_are_long(canvas: Canvas) -> None:
    names = ("initialization", "discretization", "truncation", "generalization", "optimization")
    bars = Bars("EM", np.arange(5.0), np.ones(5), np.zeros(5), style=identity(1))
    canvas.resize(900, 360)
    canvas.show_figure(replace(figure_of(bars), categories=names), False)
    picture(canvas)
    wide = view_of(canvas).area().height()
    canvas.resize(300, 360)
    picture(canvas)
    assert view_of(canvas).area().height() < wide


def test_a_larger_font_moves_the_axes(canvas: Canvas) -> None:
    canvas.show_figure(figure_of(curve()), False)
    before = view_of(canvas).area().left()
    font = canvas.font()
    font.setPointSizeF(2 * font.pointSizeF())
    canvas.setFont(font)
    picture(canvas)
    assert view_of(canvas).area().left() > before
