"""Segments and shaded points: what is drawn lies where it should in its color, can be read, and can be read back."""

import csv
import io
import itertools
import math
import re
from collections.abc import Iterable
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QImage, QMouseEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer import export
from explorer.canvas import Canvas
from explorer.canvas.legend import EntryButton
from explorer.canvas.segments import heads_of, pixels_of
from explorer.canvas.theme import DARK, LIGHT, contrast, ink
from explorer.marks import (
    GROUND,
    NEUTRAL,
    Axis,
    Cloud,
    Figure,
    Floats,
    Heat,
    Line,
    Linear,
    Log,
    Mark,
    Scale,
    Segments,
    Shaded,
    Style,
    Symlog,
    identity,
    values_along,
)
from explorer.ranges import Frame
from explorer.shades import shades_of
from tests.driving import picture, target_of, view_of

SVG = "{http://www.w3.org/2000/svg}"
LOOK, BLUE = identity(2), identity(0)
SIGNED = Symlog(0.1)
# Far from each other; the last value is none.
X, Y = np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([2.0, 0.0, 3.0, 1.0, 2.5])
VALUES = np.array([-5.0, 0.0, 0.3, 8.0, math.nan])


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(520, 400)
    made.show()
    return made


def figure(*marks: Mark, equal: bool = True, x: Scale | None = None, y: Scale | None = None) -> Figure:
    return Figure("Plan", Axis("mode 1", x or Linear()), Axis("mode 2", y or Linear()), marks, equal=equal)


def segments(
    *pieces: tuple[float, float, float, float],
    strength: Iterable[float] = (),
    arrows: bool = False,
    label: str = "plan",
) -> Segments:
    x0, y0, x1, y1 = np.array(pieces, dtype=float).reshape(-1, 4).T
    opacity = np.array([*strength], dtype=float)
    return Segments("plan", x0, y0, x1, y1, opacity if opacity.size else np.ones(x0.size), LOOK, arrows)


def shaded(values: Floats = VALUES, scale: Scale = SIGNED, marker: str = "o") -> Shaded:
    return Shaded("points", X, Y, values, scale, "potential", Style(marker=marker))


def rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


def pixels(image: QImage) -> Floats:
    shown = image.convertToFormat(QImage.Format.Format_RGB32)
    bits = shown.constBits()
    assert bits is not None
    found = np.frombuffer(bits.asstring(shown.sizeInBytes()), dtype=np.uint8).reshape(shown.height(), -1, 4)
    return found[..., 2::-1].astype(float)


def near(image: QImage, at: QPointF, reach: int = 1) -> Floats:
    """The colors around a place, one row each."""
    middle = QPoint(math.floor(at.x()), math.floor(at.y()))
    places = itertools.product(range(-reach, reach + 1), repeat=2)
    return np.array([rgb(image.pixelColor(middle + QPoint(*place))) for place in places], dtype=float)


def hover(canvas: Canvas, x: float, y: float, aside: float = 0.0) -> None:
    target, none = target_of(canvas), Qt.MouseButton.NoButton
    at = QPointF(target.mapFrom(canvas, canvas.position(x, y).toPoint())) + QPointF(aside, 0.0)
    where = QPointF(target.mapToGlobal(at.toPoint()))
    event = QMouseEvent(QEvent.Type.MouseMove, at, where, none, none, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(target, event)


def color_of(mark: Shaded, value: float, *, dark: bool = False) -> tuple[int, int, int]:
    if math.isnan(value):
        return rgb(ink(NEUTRAL, DARK if dark else LIGHT))
    shades = shades_of(mark)
    red, green, blue = shades.ramp(dark=dark)[int(shades.levels(np.array([value]))[0])].tolist()
    return red, green, blue


def rows_of(shown: Figure, hidden: frozenset[str] = frozenset()) -> list[dict[str, str]]:
    lines = export.to_csv(shown, {}, hidden).decode().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


# ------------------------------------------------------------------------------------------ segments on the screen


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("arrows", [False, True])
def test_pieces_lie_between_their_ends(canvas: Canvas, dark: bool, arrows: bool) -> None:
    canvas.set_theme(dark)
    theme = DARK if dark else LIGHT
    pieces = (0, 0, 4, 2), (1, 3, 3, 3)
    canvas.show_figure(figure(segments(*pieces, strength=(0, 0))), False)
    calm, wanted = picture(canvas), np.array(rgb(ink(LOOK.color, theme)))
    canvas.show_figure(figure(segments(*pieces, arrows=arrows)), False)
    image, background = picture(canvas), np.array(rgb(QColor(theme.background)))
    for x, y in ((0.4, 0.2), (2.0, 1.0), (3.4, 1.7), (1.1, 3.0), (2.8, 3.0)):
        # A smooth line of a pixel leaves half of its color to one of the pixels beside it at least.
        best = np.abs(near(image, canvas.position(x, y)) - wanted).max(axis=1).min()
        assert best < 0.55 * np.abs(wanted - background).max()
    for x, y in ((0.7, 3.2), (3.3, 2.9), (2.0, 2.2)):
        np.testing.assert_array_equal(near(image, canvas.position(x, y), 4), near(calm, canvas.position(x, y), 4))


def test_axes_that_are_not_linear_bend_no_piece(canvas: Canvas) -> None:
    canvas.show_figure(figure(segments((1, 1, 1e4, 1e2)), equal=False, x=Log(), y=Log()), False)
    image, wanted = picture(canvas), np.array(rgb(QColor(LOOK.color)))
    for x, y in ((10.0, 10**0.5), (100.0, 10.0), (1000.0, 10**1.5)):
        assert np.abs(near(image, canvas.position(x, y)) - wanted).max(axis=1).min() < 120


def test_stronger_pieces_are_more_opaque_and_lie_on_top(canvas: Canvas) -> None:
    strength = (0.0, 0.1, 0.35, 0.7, 1.0)
    # Away from the lines of the grid.
    across = [(0.0, row + 0.17, 10.0, row + 0.17) for row in range(5)]
    upright = (5.3, -1.0, 5.3, 5.0)
    canvas.show_figure(figure(segments(*across, upright, strength=(*strength, 0.2))), False)
    image = picture(canvas)

    def ink_at(x: float, y: float) -> float:
        """How opaque the line is that crosses the pixels above each other here, together.

        The red of the style is none: what is seen of it is what the piece lets through.
        """
        middle = canvas.position(x, y).toPoint()
        return sum(1 - image.pixelColor(middle + QPoint(0, dy)).red() / 255 for dy in range(-3, 4))

    np.testing.assert_allclose([ink_at(2.3, row + 0.17) for row in range(5)], strength, atol=0.03)
    # Where two cross, the faint one takes nothing from the strong one, though it comes later.
    assert ink_at(5.3, 4.17) >= 0.99


def test_pieces_without_two_ends_are_left_out(canvas: Canvas) -> None:
    holes = [(math.nan, 0, 9, 9), (0, math.inf, -9, 9), (0, 0, -math.inf, 9), (9, 9, 9, math.nan)]
    mark = segments((0, 0, 1, 2), *holes, (3, 1, 2, -1))
    for axis, wanted in (("x", [0, 3, 1, 2]), ("y", [0, 1, 2, -1])):
        np.testing.assert_array_equal(np.sort(values_along((mark,), axis)), np.sort(wanted))
    canvas.show_figure(figure(mark), False)
    only = picture(canvas)
    assert canvas.summary() == "Plan: mode 2 over mode 1. plan: 2 pieces."
    canvas.show_figure(figure(segments((0, 0, 1, 2), (3, 1, 2, -1))), False)
    assert picture(canvas) == only
    export.to_svg(figure(mark), {})


@pytest.mark.parametrize("arrows", [False, True])
def test_no_pieces_are_nothing_to_show(canvas: Canvas, arrows: bool) -> None:
    nothing = figure(segments(arrows=arrows))
    canvas.show_figure(nothing, False)
    picture(canvas)
    assert canvas.summary().endswith("nothing to show")
    assert b"segments-0" in export.to_svg(nothing, {}) or export.to_pdf(nothing, {})
    faint = figure(segments((0, 0, 1, 1), strength=[0.0], arrows=arrows))
    canvas.show_figure(faint, False)
    picture(canvas)
    export.to_pdf(faint, {})


def test_heads_are_as_long_as_they_may_be_and_point_along_the_piece() -> None:
    rng = np.random.default_rng(0)
    turn, length = rng.uniform(0, 2 * np.pi, 40), np.geomspace(0.5, 200, 40)
    start = rng.uniform(-50, 50, (40, 2))
    direction = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    end = start + length[:, None] * direction
    found = heads_of(np.concatenate([start, end], axis=1))
    seen = length >= 2.0
    for strokes in np.split(found, 2):
        np.testing.assert_allclose(strokes[:, :2], end[seen])
        back = strokes[:, 2:] - strokes[:, :2]
        along = (back * direction[seen]).sum(axis=1)
        np.testing.assert_allclose(-along, np.minimum(7.0, length[seen] / 2))
        np.testing.assert_allclose(np.hypot(*back.T), -along * np.hypot(1, 0.4))
    np.testing.assert_allclose(
        found[:, 2:].reshape(2, -1, 2).mean(axis=0),
        end[seen] - np.minimum(7.0, length[seen] / 2)[:, None] * direction[seen],
    )


def test_arrows_have_their_heads_at_the_end(canvas: Canvas) -> None:
    def inked(arrows: bool) -> list[int]:
        canvas.show_figure(figure(segments((0, 0, 4, 0), (0, 2, 4, 2), arrows=arrows)), False)
        image = picture(canvas)
        return [int((near(image, canvas.position(x, 0.0), 9)[:, 0] < 200).sum()) for x in (0.3, 3.95)]

    plain, headed = inked(False), inked(True)
    assert plain[0] == headed[0]
    assert headed[1] > plain[1] + 8


def test_what_is_far_outside_stays_on_its_line() -> None:
    rng = np.random.default_rng(1)
    frame = Frame((-1.0, 1.0), (-0.5, 0.5), 800.0, 400.0)
    through = rng.uniform([-0.9, -0.45], [0.9, 0.45], (200, 2))
    step = rng.normal(size=(200, 2)) * np.geomspace(1e-2, 1e7, 200)[:, None]
    lines = np.concatenate([through - 0.7 * step, through + 1.3 * step], axis=1)
    found, whole = pixels_of(lines, frame)
    assert len(found) == 200
    assert found[:, [0, 2]].min() > -50
    assert found[:, [0, 2]].max() < 850
    # The distance of the points that they pass from the pieces that are left.
    places = np.stack([frame.across(through[:, 0]), frame.down(through[:, 1])], axis=1)
    start, along = found[:, :2], found[:, 2:] - found[:, :2]
    share = ((places - start) * along).sum(axis=1) / (along**2).sum(axis=1)
    assert np.all((share > 0) & (share < 1))
    np.testing.assert_allclose(start + share[:, None] * along, places, atol=0.01)
    end = np.abs(lines[:, 2:])
    np.testing.assert_array_equal(whole, (end[:, 0] <= 1.1) & (end[:, 1] <= 0.55))
    # Those that pass by, and points.
    missed = np.array([[5.0, -9.0, 5.0, 9.0], [-9.0, 2.0, 9.0, 2.0], [4.0, 4.0, 4.0, 4.0], [3.0, 0.0, 9.0, 0.0]])
    assert len(pixels_of(missed, frame)[0]) == 0
    assert len(pixels_of(np.zeros((1, 4)), frame)[0]) == 1


def test_ten_thousand_moving_pieces_are_painted_in_milliseconds(canvas: Canvas) -> None:
    rng = np.random.default_rng(0)
    start, step, strength = rng.normal(size=(2, 10_000)), rng.normal(size=(2, 10_000)), rng.uniform(size=10_000)
    canvas.resize(800, 600)
    for arrows in (False, True):
        times: list[float] = []
        for number in range(5):
            ends = start + (0.1 + 0.01 * number) * step
            canvas.show_figure(
                figure(Segments("plan", start[0], start[1], ends[0], ends[1], strength, LOOK, arrows)), False
            )
            picture(canvas)
            times.append(canvas.last_paint_ms)
        # Measured near 10 ms; translucent lines take hundreds where they are long.
        assert min(times) < 60


# --------------------------------------------------------------------------------------------- points on the screen


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("crowd", [0, 500, 4000])
@pytest.mark.parametrize("marker", ["o", "s", "^", "D", "X"])
def test_each_point_has_the_color_of_its_value(canvas: Canvas, dark: bool, crowd: int, marker: str) -> None:
    canvas.set_theme(dark)
    # The others are all at one place, far away.
    x, y, values = (np.append(part, np.full(crowd, at)) for part, at in ((X, 2.0), (Y, -1.0), (VALUES, 1.0)))
    mark = Shaded("points", x, y, values, SIGNED, "potential", Style(marker=marker))
    canvas.show_figure(figure(mark), False)
    image = picture(canvas)
    for place in zip(X.tolist(), Y.tolist(), VALUES.tolist(), strict=True):
        at = canvas.position(*place[:2])
        assert rgb(image.pixelColor(math.floor(at.x()), math.floor(at.y()))) == color_of(mark, place[2], dark=dark)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("scale", [Linear(), SIGNED, Log()], ids=lambda scale: scale.name)
def test_the_faintest_points_are_seen(canvas: Canvas, dark: bool, scale: Scale) -> None:
    canvas.set_theme(dark)
    values = np.array([-8.0, 0.0, 0.0, 8.0, math.nan]) if scale == SIGNED else np.array([1.0, 1.0, 2.0, 9.0, math.nan])
    canvas.show_figure(figure(shaded(values, scale)), False)
    image, background = picture(canvas), QColor((DARK if dark else LIGHT).background)
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        around = near(image, canvas.position(x, y), 6)
        assert max(contrast(QColor(*map(int, color)), background) for color in around.tolist()) > 2.0


def test_the_strongest_colors_lie_on_top(canvas: Canvas) -> None:
    values = np.array([0.2, -6.0, math.nan, 3.0])
    for scale, wanted in ((SIGNED, -6.0), (Linear(), 3.0)):
        ends = Cloud("", np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))
        mark = Shaded("points", np.zeros(4), np.zeros(4), values, scale, "potential")
        canvas.show_figure(figure(ends, mark), False)
        at = canvas.position(0.0, 0.0)
        found = picture(canvas).pixelColor(math.floor(at.x()), math.floor(at.y()))
        assert rgb(found) == color_of(mark, wanted)
        order = shades_of(mark).rising(values)
        strength = np.abs(values) if scale == SIGNED else values
        np.testing.assert_array_equal(order[1:], np.argsort(strength)[:3])
        assert order[0] == 2


def test_points_without_a_place_are_left_out(canvas: Canvas) -> None:
    hole = np.array([math.nan, math.inf, -math.inf, 1e300, 0.5])
    mark = Shaded("points", np.append(X, hole), np.append(Y, hole[::-1]), np.append(VALUES, hole), SIGNED, "potential")
    canvas.show_figure(figure(Shaded("points", X, Y, VALUES, SIGNED, "potential")), False)
    canvas.show_figure(figure(mark), True)
    picture(canvas)
    export.to_png(figure(mark), {})
    gone = figure(Shaded("points", np.empty(0), np.empty(0), np.empty(0), SIGNED, "potential"))
    canvas.show_figure(gone, False)
    picture(canvas)
    assert canvas.summary().endswith("nothing to show")
    export.to_svg(gone, {})


def test_points_are_drawn_over_pieces_and_pieces_over_clouds(canvas: Canvas) -> None:
    swarm = Cloud("data", np.repeat(X, 100), np.repeat(Y, 100), GROUND)
    pieces = segments(*zip(X - 1, Y, X + 1, Y, strict=True))
    # The order in the figure does not matter.
    mark = shaded()
    canvas.show_figure(figure(mark, pieces, swarm), False)
    image = picture(canvas)
    for x, y, value in zip(X.tolist(), Y.tolist(), VALUES.tolist(), strict=True):
        at = canvas.position(x, y)
        assert rgb(image.pixelColor(math.floor(at.x()), math.floor(at.y()))) == color_of(mark, value)
    canvas.set_hidden(frozenset({"points"}))
    at = canvas.position(X[1], Y[1])
    best = np.abs(near(picture(canvas), at) - rgb(QColor(LOOK.color))).max(axis=1).min()
    assert best < 80


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_color_bar_tells_of_the_points(canvas: Canvas, dark: bool) -> None:
    canvas.set_theme(dark)
    mark = shaded()
    canvas.show_figure(figure(mark, segments((0, 0, 1, 1))), False)
    image = picture(canvas)
    area = view_of(canvas).area().translated(QPointF(view_of(canvas).pos()))
    for value, y in ((-8.0, area.bottom() - 3), (0.0, area.center().y()), (8.0, area.top() + 3)):
        found = rgb(image.pixelColor(QPoint(round(area.right()) + 17, round(y))))
        np.testing.assert_allclose(found, color_of(mark, value, dark=dark), atol=12)
    # Around points there is a margin, unlike around cells.
    (left, right), _ = canvas.view_range()
    assert left < X.min() < X.max() < right
    canvas.set_hidden(frozenset({"points"}))
    assert view_of(canvas).area().right() == view_of(canvas).width() - 12


def test_the_color_bar_tells_of_the_last_mark_with_values(canvas: Canvas) -> None:
    edges = np.array([-1.0, 5.0])
    cells = Heat("cells", edges, edges, np.array([[1.0]]), Linear())
    unknown = Shaded("", X, Y, np.full(5, math.nan), Linear(), "nothing known")
    for marks, wanted in (((cells, shaded()), "potential"), ((shaded(), cells), "cells"), ((cells, unknown), "cells")):
        canvas.show_figure(figure(*marks), False)
        key = view_of(canvas).color_key()
        assert key is not None
        assert key.meaning == wanted
        svg = export.to_svg(figure(*marks), {}).decode()
        assert [name for name in ("potential", "cells", "nothing known") if f">{name}<" in svg] == [wanted]


def test_five_thousand_points_are_painted_in_milliseconds(canvas: Canvas) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 5000))
    canvas.resize(800, 600)
    times: list[float] = []
    for step in range(5):
        canvas.show_figure(figure(Shaded("points", x + 0.01 * step, y, x * y, SIGNED, "potential")), False)
        picture(canvas)
        times.append(canvas.last_paint_ms)
    # Measured near 3 ms; paths or points of the painter take sixty.
    assert min(times) < 30


# ----------------------------------------------------------------------------------------------------------- reading


def test_hovering_reads_the_point_under_the_mouse(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure(Cloud("data", X, Y, GROUND), shaded()), False)
    told = ("−5", "+0", "+0.3", "+8", "no value")
    for x, y, text in zip(X.tolist(), Y.tolist(), told, strict=True):
        with qtbot.waitSignal(canvas.hovered) as signal:
            hover(canvas, x, y, aside=4.0)
        assert signal.args == [(x, y)]
        assert canvas.readout() == f"mode 1 = {x:.4g}   mode 2 = {y:.4g}   points {text}"
    hover(canvas, 1.0, 2.0)
    assert "points" not in canvas.readout()
    assert "mode 2" in canvas.readout()
    canvas.set_hidden(frozenset({"points"}))
    hover(canvas, 0.0, 2.0)
    assert "points" not in canvas.readout()


def test_points_without_a_label_are_read_by_what_their_color_means(canvas: Canvas) -> None:
    canvas.show_figure(figure(Shaded("", X, Y, np.abs(VALUES), Linear(), "potential")), False)
    hover(canvas, 3.0, 1.0)
    assert canvas.readout().endswith("potential 8")


def test_of_points_close_to_each_other_the_nearer_one_is_read(canvas: Canvas) -> None:
    first = Shaded("first", np.array([0.0, 9.0]), np.array([0.0, 9.0]), np.array([1.0, 2.0]), Linear(), "v")
    other = Shaded("other", np.array([0.1, 9.0]), np.array([0.0, 9.0]), np.array([3.0, 4.0]), Linear(), "v")
    canvas.show_figure(figure(first, other), False)
    for x, y, wanted in ((0.0, 0.0, "first 1"), (0.1, 0.0, "other 3"), (9.0, 9.0, "other 4")):
        hover(canvas, x, y)
        assert canvas.readout().endswith(wanted)


def test_arrow_keys_step_through_the_points(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure(shaded()), False)
    for text in ("−5", "+0", "+0.3", "+8", "no value", "no value"):
        qtbot.keyClick(view_of(canvas), Qt.Key.Key_Right)
        assert canvas.readout().endswith(f"points {text}")


def test_the_summary_counts_and_tells_the_range(canvas: Canvas) -> None:
    canvas.show_figure(figure(segments((0, 0, 1, 1)), shaded()), False)
    assert canvas.summary() == ("Plan: mode 2 over mode 1. plan: 1 pieces. points: 5 points, potential from -5 to 8.")
    canvas.show_figure(figure(shaded(np.full(5, math.nan))), False)
    assert canvas.summary() == "Plan: mode 2 over mode 1. points: 5 points."


def test_the_legend_shows_a_line_and_a_marker(canvas: Canvas) -> None:
    canvas.show_figure(figure(segments((0, 0, 1, 1)), shaded()), False)
    image = picture(canvas)
    buttons = canvas.findChildren(EntryButton)
    found = [button.geometry().translated(button.mapTo(canvas, QPoint()) - button.pos()) for button in buttons]
    wanted = (LOOK.color, NEUTRAL)
    widths: list[int] = []
    for place, color in zip(found, wanted, strict=True):
        sample = pixels(image)[place.top() : place.bottom(), place.left() : place.left() + 24]
        columns = np.flatnonzero((np.abs(sample - rgb(QColor(color))).max(axis=-1) < 80).any(axis=0))
        widths.append(int(np.ptp(columns)))
    assert widths[0] > 18
    assert 3 < widths[1] < 10
    canvas.set_hidden(frozenset({"plan"}))
    at = canvas.position(0.37, 0.37)
    assert np.ptp(near(picture(canvas), at)) == 0


# ---------------------------------------------------------------------------------------------------------- on paper


def test_csv_gives_every_piece_and_every_point_back() -> None:
    pieces = segments((0, 0.1, 1, 1), (math.nan, 2, 3, math.inf), strength=(0.3, 1.0))
    shown = figure(Cloud("data", X, Y), pieces, shaded())
    rows = rows_of(shown)
    assert [*rows[0]][-4:] == ["value", "x_end", "y_end", "strength"]
    found = [row for row in rows if row["kind"] == "segments"]
    wanted = {"x": pieces.x0, "y": pieces.y0, "x_end": pieces.x1, "y_end": pieces.y1, "strength": pieces.strength}
    for name, values in wanted.items():
        np.testing.assert_array_equal([float(row[name]) for row in found], values)
        assert {row[name] for row in rows if row["kind"] == "cloud"} == {""} or name in "xy"
    assert {row["value"] for row in found} == {""}
    found = [row for row in rows if row["kind"] == "shaded"]
    for name, values in (("x", X), ("y", Y), ("value", VALUES)):
        np.testing.assert_array_equal([float(row[name]) for row in found], values)
    assert "# value of points: potential\n" in export.to_csv(shown, {}).decode()
    assert [*rows_of(shown, frozenset({"plan"}))[0]][-1] == "value"
    assert not {"value", "strength"} & set(rows_of(shown, frozenset({"plan", "points"}))[0])


def test_cells_and_points_share_the_column_of_their_values() -> None:
    edges = np.array([-1.0, 5.0])
    rows = rows_of(figure(shaded(), Heat("cells", edges, edges, np.array([[7.0]]), Linear())))
    assert list(rows[0]) == [*export.COLUMNS, "x_low", "x_high", "y_low", "y_high", "value"]
    assert [float(row["value"]) for row in rows if row["mark"] == "cells"] == [7.0]
    np.testing.assert_array_equal([float(row["value"]) for row in rows if row["mark"] == "points"], VALUES)
    assert {row["x_low"] for row in rows if row["mark"] == "points"} == {""}


def vertices(svg: bytes, name: str) -> list[Floats]:
    """The points of each path of a group."""
    paths = ElementTree.fromstring(svg).findall(f".//{SVG}g[@id='{name}']//{SVG}path")
    found = [re.findall(r"[ML] (\S+) (\S+)", path.get("d", "")) for path in paths]
    return [np.array(places, dtype=float) for places in found]


def test_pieces_on_paper_lie_between_their_ends() -> None:
    ends = [(0.0, 0.0, 4.0, 2.0), (1.0, 3.0, 3.0, 3.0), (2.0, 0.0, 2.0, 1.0)]
    for arrows in (False, True):
        svg = export.to_svg(figure(segments(*ends, strength=(0.9, 0.5, 0.7), arrows=arrows)), {})
        left, top = vertices(svg, "plot-area")[0].min(axis=0)
        right, bottom = vertices(svg, "plot-area")[0].max(axis=0)
        found = vertices(svg, "segments-0-1")
        # The faintest first.
        for piece, places in zip((ends[1], ends[2], ends[0]), found, strict=True):
            # From all ends together, with the margin of an axis on each side.
            across = left + (np.array(piece[::2]) + 0.16) / 4.32 * (right - left)
            down = bottom - (np.array(piece[1::2]) + 0.12) / 3.24 * (bottom - top)
            start, end = np.stack([across, down], axis=1)
            if not arrows:
                np.testing.assert_allclose(places, [start, end], atol=0.05)
                continue
            direction = (end - start) / np.linalg.norm(end - start)
            along = (places - start) @ direction
            assert along.min() == pytest.approx(0.0, abs=0.6)
            tip = places[np.argmax(along)]
            np.testing.assert_allclose(tip, end, atol=0.05)
            aside = np.abs((places - start) @ (direction[::-1] * (-1, 1)))
            # Wide near the tip alone.
            assert aside[along < 0.5 * along.max()].max() < 0.5 < aside.max()
    assert b"opacity: 0.5" in svg


def test_many_points_are_pixels_in_a_vector_picture() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 5000))
    for count in (2000, 5000):
        mark = Shaded("points", x[:count], y[:count], x[:count], Linear(), "potential")
        root = ElementTree.fromstring(export.to_svg(figure(mark), {}))
        assert (len(root.findall(f".//{SVG}use")) > 2000) == (count == 2000)


def test_many_pieces_are_pixels_in_a_vector_picture() -> None:
    rng = np.random.default_rng(0)
    for arrows in (False, True):
        sizes: list[int] = []
        for count in (2500, 10_000):
            start, end = rng.normal(size=(2, 2, count))
            mark = Segments("plan", start[0], start[1], end[0], end[1], rng.uniform(size=count), BLUE, arrows)
            svg = export.to_svg(figure(mark), {})
            assert (b"<image" in svg) == (count > 3000)
            sizes.append(len(svg))
        assert sizes[1] < 2_000_000


def test_points_on_paper_have_the_colors_of_the_screen() -> None:
    mark = shaded(marker="s")
    with Image.open(io.BytesIO(export.to_png(figure(mark), {}, hidden=frozenset(), dpi=200))) as image:
        paper = np.asarray(image.convert("RGB")).astype(int)
    for value in VALUES.tolist():
        close = np.abs(paper - color_of(mark, value)).max(axis=2) <= 2
        assert np.count_nonzero(close[:, : int(0.8 * paper.shape[1])]) > 30, value
    svg = export.to_svg(figure(mark, Line("limit", 1.0, vertical=False)), {}).decode()
    for text in (">potential<", ">0<", ">−1<", ">1<", ">points<", ">limit<"):
        assert text in svg
    assert ">potential<" not in export.to_svg(figure(mark), {}, hidden=frozenset({"points"})).decode()
    assert export.to_pdf(figure(mark), {}).startswith(b"%PDF")
