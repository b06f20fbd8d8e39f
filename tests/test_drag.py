"""Points that a person selects and moves; and places that are shown on one plot because they are read on another."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas, Drag
from explorer.canvas.theme import DARK, LIGHT, Theme
from explorer.marks import Axis, Curve, Figure, Floats, Heat, Linear, Log, Points, Scale, Symlog, identity
from explorer.tabs import Tabs
from tests.driving import LEFT, NONE, picture, place, press, release, target_of, view_of

X = np.arange(6.0)
Y = np.array([100.0, 50.0, 10.0, 3.0, 1.0, 0.1])
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def figure(y: Floats = Y, scale: Scale | None = None, *, draggable: bool = True) -> Figure:
    points = Points("mine", np.arange(float(y.size)), y, identity(0), draggable=draggable)
    return Figure("Grid", Axis("step k"), Axis("noise ratio", scale or Log()), (points,))


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(480, 360)
    with qtbot.waitExposed(made):
        made.show()
    made.show_figure(figure(), False)
    return made


@pytest.fixture
def drags(canvas: Canvas) -> list[Drag]:
    told: list[Drag] = []
    canvas.dragged.connect(told.append)
    return told


def point(canvas: Canvas, index: int) -> QPoint:
    return place(canvas, X[index], Y[index])


def move(canvas: Canvas, at: QPoint) -> None:
    QtBot.mouseMove(target_of(canvas), at)


def click(canvas: Canvas, at: QPoint, modifier: Qt.KeyboardModifier = NONE) -> None:
    press(canvas, at, modifier)
    release(canvas, at, modifier)


def drag(canvas: Canvas, start: QPoint, end: QPoint, modifier: Qt.KeyboardModifier = NONE) -> None:
    press(canvas, start, modifier)
    move(canvas, (start + end) / 2)
    move(canvas, end)
    release(canvas, end, modifier)


# ------------------------------------------------------------------------------------------------------ moving


@pytest.mark.parametrize("scale", [Linear(), Log(), Symlog(0.5)], ids=lambda scale: scale.name)
def test_a_point_goes_where_the_mouse_takes_it(canvas: Canvas, drags: list[Drag], scale: Scale) -> None:
    canvas.show_figure(figure(scale=scale), False)
    seen = canvas.view_range()
    end = place(canvas, 2.0, 40.0)
    drag(canvas, point(canvas, 2), end)
    # The mouse knows whole pixels only.
    pixel = abs(scale.forward(np.array(seen[1])) @ np.array([-1.0, 1.0])) / view_of(canvas).area().height()
    assert [(told.label, told.indices, told.snap) for told in drags] == [("mine", (2,), False)] * 3
    assert [told.done for told in drags] == [False, False, True]
    assert drags[-1].values == drags[-2].values
    drawn = scale.forward(np.array([drags[0].values[0], drags[-1].values[0], 10.0, 40.0]))
    assert abs(drawn[1] - drawn[3]) <= 1.01 * pixel
    assert abs(drawn[0] - (drawn[2] + drawn[3]) / 2) <= 1.01 * pixel
    assert canvas.view_range() == seen
    assert not canvas.is_zoomed


def test_a_point_stays_between_press_and_a_tremor(canvas: Canvas, drags: list[Drag]) -> None:
    at = point(canvas, 2)
    drag(canvas, at, at + QPoint(1, 1))
    assert drags == []
    assert canvas.selected == (2,)


def test_within_eight_pixels_the_cursor_tells(canvas: Canvas) -> None:
    view, at = view_of(canvas), point(canvas, 2)
    for away, shape in ((0, "SizeVerCursor"), (7, "SizeVerCursor"), (12, "CrossCursor"), (0, "SizeVerCursor")):
        move(canvas, at + QPoint(away, 0))
        assert view.cursor().shape().name == shape, away
    canvas.show_figure(figure(draggable=False), True)
    move(canvas, at + QPoint(1, 0))
    assert view.cursor().shape().name == "CrossCursor"


def test_points_of_other_plots_and_empty_ground_pan(canvas: Canvas, drags: list[Drag]) -> None:
    seen = canvas.view_range()
    drag(canvas, place(canvas, 4.5, 50.0), place(canvas, 3.5, 50.0))
    assert canvas.view_range()[0][0] == pytest.approx(seen[0][0] + 1, abs=0.05)
    canvas.fit()
    canvas.show_figure(figure(draggable=False), True)
    drag(canvas, point(canvas, 2), place(canvas, 3.0, 40.0))
    assert canvas.view_range() != seen
    assert drags == []


def test_all_selected_points_move_by_the_same_factor_on_a_log_axis(canvas: Canvas, drags: list[Drag]) -> None:
    for index in (1, 3, 4):
        click(canvas, point(canvas, index), CONTROL)
    drag(canvas, point(canvas, 3), place(canvas, 3.0, 30.0))
    assert {told.indices for told in drags} == {(1, 3, 4)}
    factors = np.array(drags[-1].values) / Y[[1, 3, 4]]
    np.testing.assert_allclose(factors, factors[0])
    assert factors[0] == pytest.approx(10.0, rel=0.05)
    drags.clear()
    drag(canvas, point(canvas, 0), place(canvas, 0.0, 30.0))
    assert {told.indices for told in drags} == {(0,)}
    assert canvas.selected == (1, 3, 4)


def test_shift_asks_to_snap(canvas: Canvas, drags: list[Drag]) -> None:
    press(canvas, point(canvas, 2), SHIFT)
    move(canvas, place(canvas, 2.0, 30.0))
    release(canvas, place(canvas, 2.0, 40.0), SHIFT)
    assert [told.snap for told in drags if told.done] == [True]
    assert not canvas.is_zoomed


def test_escape_brings_back_the_exact_values(canvas: Canvas, drags: list[Drag]) -> None:
    values = Y * (1 / 3)
    canvas.show_figure(figure(values), False)
    start = place(canvas, 2.0, values[2])
    press(canvas, start)
    move(canvas, start - QPoint(0, 50))
    canvas.show_figure(figure(replace_at(values, drags[-1])), True)
    QtBot.keyClick(view_of(canvas), Qt.Key.Key_Escape)
    assert drags[-1] == Drag("mine", (2,), (values[2],), snap=False, done=True)
    told = len(drags)
    move(canvas, start - QPoint(0, 80))
    release(canvas, start - QPoint(0, 80))
    assert len(drags) == told
    assert not canvas.is_zoomed


def test_escape_is_no_shortcut_of_the_window_while_points_are_held(canvas: Canvas) -> None:
    def taken(key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> bool:
        event = QKeyEvent(QKeyEvent.Type.ShortcutOverride, key, modifier)
        event.ignore()
        QApplication.sendEvent(view_of(canvas), event)
        return event.isAccepted()

    assert not taken(Qt.Key.Key_Escape)
    assert not taken(Qt.Key.Key_Up, CONTROL)
    press(canvas, point(canvas, 2))
    assert taken(Qt.Key.Key_Escape)
    release(canvas, point(canvas, 2))
    assert taken(Qt.Key.Key_Up, CONTROL)
    assert not taken(Qt.Key.Key_Up)


def replace_at(values: Floats, told: Drag) -> Floats:
    """What an owner of the data does with a drag."""
    moved = values.copy()
    moved[list(told.indices)] = told.values
    return moved


def test_the_view_waits_for_the_end_of_a_drag(canvas: Canvas, drags: list[Drag]) -> None:
    def answer(told: Drag) -> None:
        canvas.show_figure(figure(replace_at(Y, told)), True)

    canvas.dragged.connect(answer)
    seen, start = canvas.view_range(), point(canvas, 0)
    press(canvas, start)
    for up in (30, 60, 90):
        move(canvas, start - QPoint(0, up))
        assert canvas.view_range() == seen
        # The point has stayed under the mouse.
        there = place(canvas, 0.0, float(drags[-1].values[0]))
        assert abs(there.y() - (start.y() - up)) <= 1
    # Neither wheel nor keys change what is seen.
    QtBot.keyClick(view_of(canvas), Qt.Key.Key_Plus)
    assert canvas.view_range() == seen
    release(canvas, start - QPoint(0, 90))
    assert canvas.view_range()[1][1] > drags[-1].values[0] > seen[1][1]
    assert canvas.view_range()[0] == seen[0]
    assert [told.done for told in drags] == [False, False, False, True]


def test_what_came_during_a_drag_is_seen_whole_at_its_end(canvas: Canvas) -> None:
    seen, start = canvas.view_range(), point(canvas, 0)
    press(canvas, start)
    move(canvas, start - QPoint(0, 90))
    canvas.show_figure(figure(np.append(1e4, Y[1:])), True)
    assert canvas.view_range() == seen
    release(canvas, start - QPoint(0, 90))
    assert canvas.view_range()[1][1] > 1e4


def test_a_figure_with_other_points_does_not_break_a_drag(canvas: Canvas, drags: list[Drag]) -> None:
    start = point(canvas, 2)
    press(canvas, start)
    move(canvas, start - QPoint(0, 20))
    canvas.show_figure(figure(Y[:2], Linear()), False)
    move(canvas, start - QPoint(0, 40))
    canvas.show_figure(Figure("", Axis(""), Axis(""), ()), False)
    release(canvas, start - QPoint(0, 40))
    assert {told.indices for told in drags} == {(2,)}
    assert drags[-1].done
    assert math.log10(drags[-1].values[0] / Y[2]) == pytest.approx(2 * math.log10(drags[0].values[0] / Y[2]))


def test_a_button_that_came_up_elsewhere_ends_the_drag(canvas: Canvas, drags: list[Drag]) -> None:
    start = point(canvas, 2)
    press(canvas, start)
    move(canvas, start - QPoint(0, 40))
    # A dialog took the release: the mouse comes back with no button held.
    at = QPointF(start - QPoint(0, 60))
    nothing = Qt.MouseButton.NoButton
    back = QMouseEvent(QMouseEvent.Type.MouseMove, at, target_of(canvas).mapToGlobal(at), nothing, nothing, NONE)
    QApplication.sendEvent(target_of(canvas), back)
    assert [told.done for told in drags] == [False, True]
    QtBot.mouseRelease(target_of(canvas), LEFT, NONE, start)
    assert len(drags) == 2


# --------------------------------------------------------------------------------------------------- selection


def test_clicks_select(canvas: Canvas, qtbot: QtBot) -> None:
    click(canvas, point(canvas, 1), CONTROL)
    click(canvas, point(canvas, 3), CONTROL)
    assert canvas.selected == (1, 3)
    click(canvas, point(canvas, 1), CONTROL)
    assert canvas.selected == (3,)
    click(canvas, place(canvas, 4.5, 60.0), CONTROL)
    assert canvas.selected == (3,)
    click(canvas, point(canvas, 0))
    assert canvas.selected == (0,)
    with qtbot.waitSignal(canvas.clicked):
        click(canvas, place(canvas, 4.5, 60.0))
    assert canvas.selected == ()


def test_a_band_adds_the_points_inside(canvas: Canvas, drags: list[Drag]) -> None:
    seen = canvas.view_range()
    click(canvas, point(canvas, 5), CONTROL)
    drag(canvas, place(canvas, 0.5, 90.0), place(canvas, 3.5, 2.0), CONTROL)
    assert canvas.selected == (1, 2, 3, 5)
    # A band may begin on a point, which is not moved.
    canvas.show_figure(figure(Y[:-1]), False)
    drag(canvas, point(canvas, 0) - QPoint(3, 3), place(canvas, 2.5, 5.0), CONTROL)
    assert canvas.selected == (0, 1, 2)
    assert drags == []
    assert canvas.view_range()[0] != seen[0]
    assert not canvas.is_zoomed


def test_the_selection_stays_while_the_number_of_points_does(canvas: Canvas) -> None:
    click(canvas, point(canvas, 3), CONTROL)
    canvas.show_figure(figure(2 * Y, Linear()), False)
    assert canvas.selected == (3,)
    canvas.show_figure(figure(Y[:-1]), True)
    assert canvas.selected == ()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_selected_points_wear_a_ring(canvas: Canvas, theme: Theme) -> None:
    canvas.set_theme(theme.dark)

    def ring(index: int) -> bool:
        at = canvas.position(X[index], Y[index])
        image = picture(canvas)
        found = [image.pixelColor((at + QPointF(0, down)).toPoint()) for down in (-8, -7, -6)]
        wanted = QColor(theme.text)
        return any(abs(color.red() - wanted.red()) < 60 and abs(color.blue() - wanted.blue()) < 60 for color in found)

    picture(canvas)
    count = canvas.render_count
    click(canvas, point(canvas, 2), CONTROL)
    assert ring(2)
    assert not ring(3)
    click(canvas, point(canvas, 2), CONTROL)
    assert not ring(2)
    # Rings lie over the picture.
    assert canvas.render_count == count


def test_keys_select_and_move(canvas: Canvas, drags: list[Drag]) -> None:
    view = view_of(canvas)
    QtBot.keyClick(view, Qt.Key.Key_Up, CONTROL)
    assert drags == []
    for _ in range(3):
        QtBot.keyClick(view, Qt.Key.Key_Right)
    QtBot.keyClick(view, Qt.Key.Key_Space)
    QtBot.keyClick(view, Qt.Key.Key_Right)
    QtBot.keyClick(view, Qt.Key.Key_Space)
    assert canvas.selected == (2, 3)
    low, high = canvas.view_range()[1]
    factor = (high / low) ** 0.01
    QtBot.keyClick(view, Qt.Key.Key_Up, CONTROL)
    QtBot.keyClick(view, Qt.Key.Key_Down, CONTROL | SHIFT)
    assert [(told.indices, told.snap, told.done) for told in drags] == [((2, 3), False, True), ((2, 3), True, True)]
    np.testing.assert_allclose(drags[0].values, Y[2:4] * factor)
    np.testing.assert_allclose(drags[1].values, Y[2:4] / factor)
    QtBot.keyClick(view, Qt.Key.Key_Space)
    assert canvas.selected == (2,)


def test_a_point_without_a_place_cannot_be_moved(canvas: Canvas, drags: list[Drag]) -> None:
    canvas.show_figure(figure(np.array([0.0, 10.0, math.nan, 1.0])), False)
    drag(canvas, place(canvas, -0.05, 0.95), place(canvas, 3.1, 12.0), CONTROL)
    assert canvas.selected == (1, 3)
    canvas.set_hidden(frozenset({"mine"}))
    drag(canvas, place(canvas, 1.0, 10.0), place(canvas, 1.0, 5.0))
    QtBot.keyClick(view_of(canvas), Qt.Key.Key_Up, CONTROL)
    assert drags == []


# ---------------------------------------------------------------------------------------------- between plots


STEPS, RANKS = Axis("step k"), Axis("rank i", Log())
SENSITIVITY = Figure(
    "Sensitivity",
    STEPS,
    RANKS,
    (Heat("change", np.arange(5.0) - 0.5, np.arange(9.0) + 0.5, np.ones((8, 4)), Symlog(1.0)),),
)
ranks = np.arange(1.0, 9.0)
SPECTRUM = Figure("Spectrum", RANKS, Axis("λ", Log()), (Curve("λ", ranks, 1 / ranks),))
GRID = Figure("Grid", STEPS, Axis("rank i"), (Curve("s", np.arange(4.0), np.array([8.0, 4.0, 2.0, 1.0])),))
OTHER = Figure("Other", Axis(""), Axis(""), (Curve("", np.arange(4.0), np.arange(4.0)),))


@pytest.fixture
def tabs(qtbot: QtBot) -> Tabs:
    made = Tabs(lambda _tabs, _name: [], {})
    qtbot.addWidget(made)
    made.resize(1000, 700)
    for plot, shown in zip(made.seen(), (SENSITIVITY, SPECTRUM, GRID, OTHER), strict=False):
        made.show_figure(plot.name, shown, current=True)
    return made


def readouts(tabs: Tabs) -> list[str]:
    return [tabs.canvas(plot.name).readout() for plot in tabs.seen()[:4]]


def hover(tabs: Tabs, position: int, at: tuple[float, float] | None) -> list[str]:
    """What all plots tell when this place is read on one of them; the first is left out of its own story."""
    tabs.canvas(tabs.seen()[position].name).hovered.emit(at)
    return readouts(tabs)


def test_a_cell_is_shown_on_the_plots_over_its_step_and_its_rank(tabs: Tabs) -> None:
    assert len(tabs.seen()) >= 4
    assert hover(tabs, 0, (2.0, 5.0)) == ["", "rank i = 5   λ 0.2", "step k = 2   s 2", ""]
    assert hover(tabs, 0, None) == [""] * 4


def test_a_place_on_another_plot_is_a_line_in_the_heat_map(tabs: Tabs) -> None:
    assert hover(tabs, 1, (5.0, 0.3)) == ["rank i = 5", "", "rank i = 5", ""]
    assert hover(tabs, 2, (3.0, 7.0))[0] == "step k = 3   rank i = 7   change +1"
    assert hover(tabs, 2, (3.0, math.nan))[0] == "step k = 3"
    # Axes without a name have nothing in common.
    assert hover(tabs, 3, (1.0, 1.0)) == [""] * 4


def test_between_curves_over_the_same_x_the_level_is_nobodys(tabs: Tabs) -> None:
    name = tabs.seen()[3].name
    tabs.show_figure(name, replace(GRID, title="Again"), current=True)
    tabs.canvas(tabs.seen()[2].name).hovered.emit((1.0, 3.0))
    view = view_of(tabs.canvas(name))
    assert (view.crosshair, view.level) == (1.0, None)
