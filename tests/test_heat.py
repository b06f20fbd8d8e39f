"""Heat maps: each cell has its color between its edges, on the screen and on paper, and can be read and read back."""

import csv
import io
import itertools
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer import export
from explorer.canvas import Canvas
from explorer.canvas.theme import DARK, LIGHT, contrast
from explorer.marks import Axis, Curve, Figure, Floats, Heat, Line, Linear, Log, Mark, Scale, Symlog, values_along
from explorer.shades import LEVELS, shades_of
from tests.driving import picture, view_of

SVG = "{http://www.w3.org/2000/svg}"
SCALES = (Linear(), Log(), Symlog(1.0))
SIGNED = Symlog(1e-3)
# Columns and rows of very different widths.
X, Y = np.array([0.5, 1.0, 4.0, 9.0, 100.0]), np.array([0.1, 0.3, 5.0, 60.0])
VALUES = np.array([[-1.0, 0.0, 0.01, 1.0], [1e-3, -1e-3, 0.1, -0.1], [math.nan, math.inf, -math.inf, 0.5]])


def heat(values: Floats = VALUES, scale: Scale = SIGNED, label: str = "change of W₂²") -> Heat:
    return Heat(label, X, Y, values, scale)


def figure(*marks: Mark, x: Scale | None = None, y: Scale | None = None) -> Figure:
    return Figure("Sensitivity", Axis("step k", x or Linear()), Axis("rank i", y or Linear()), marks)


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(480, 360)
    made.show()
    return made


def color_of(mark: Heat, value: float, *, dark: bool = False) -> QColor:
    shades = shades_of(mark)
    return QColor(*shades.ramp(dark=dark)[int(shades.levels(np.array([value]))[0])].tolist())


def hover(canvas: Canvas, x: float, y: float) -> None:
    target = view_of(canvas).viewport()
    assert target is not None
    at = QPointF(target.mapFrom(canvas, canvas.position(x, y).toPoint()))
    none = Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        at,
        QPointF(target.mapToGlobal(at.toPoint())),
        none,
        none,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(target, event)


def middle(one: float, other: float, scale: Scale) -> float:
    """Halfway between two edges as they are drawn."""
    return float(scale.inverse(np.mean(scale.forward(np.array([one, other])), keepdims=True))[0])


# ------------------------------------------------------------------------------------------------------- colors


@pytest.mark.parametrize("dark", [False, True])
def test_signed_colors_are_neutral_at_zero_and_as_strong_on_both_sides(dark: bool) -> None:
    shades = shades_of(heat())
    low, high = shades.span
    assert low == -high == pytest.approx(float(-SIGNED.forward(np.array([1.0]))[0]))
    ramp = shades.ramp(dark=dark).astype(int)
    assert len(ramp) == LEVELS
    neutral = ramp[shades.levels(np.zeros(1))[0]]
    assert np.ptp(neutral) < 12
    background = QColor((DARK if dark else LIGHT).background)
    assert contrast(QColor(*neutral.tolist()), background) < 1.3
    inks = [contrast(QColor(*color.tolist()), background) for color in ramp]
    assert np.all(np.diff(inks[LEVELS // 2 :]) > -0.02)
    assert np.all(np.diff(inks[: LEVELS // 2 + 1]) < 0.02)
    # Blue below, red above; no reader has to tell red from green.
    assert np.all(ramp[:100, 2] > ramp[:100, 0])
    assert np.all(ramp[-100:, 0] > ramp[-100:, 2])


@pytest.mark.parametrize("scale", [Linear(), Log()])
def test_other_colors_grow_stronger_with_the_value(scale: Scale) -> None:
    shades = shades_of(heat(np.array([[0.01, 0.1], [1.0, 10.0]]), scale))
    assert shades.span == (
        pytest.approx(scale.forward(np.array([0.01]))[0]),
        pytest.approx(scale.forward(np.array([10.0]))[0]),
    )
    for theme in (LIGHT, DARK):
        inks = [contrast(QColor(*color.tolist()), QColor(theme.background)) for color in shades.ramp(dark=theme.dark)]
        assert np.all(np.diff(inks) > -0.02)
        assert inks[-1] > 10


def test_what_no_scale_has_a_place_for() -> None:
    wild = np.array([math.nan, math.inf, -math.inf, 1e308, -1e308])
    for scale in (Linear(), SIGNED):
        levels = shades_of(heat(np.array([[-1.0, 1.0]]), scale)).levels(wild)
        assert levels.tolist() == [LEVELS, LEVELS - 1, 0, LEVELS - 1, 0]
    logarithmic = shades_of(heat(np.array([[1e-3, 1.0]]), Log()))
    assert logarithmic.levels(np.array([0.0, -1.0, 1e-3, math.inf])).tolist() == [0, 0, 0, LEVELS - 1]


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
@pytest.mark.parametrize("value", [0.0, 3.0, math.nan, math.inf])
def test_cells_that_are_all_alike_have_a_range(canvas: Canvas, scale: Scale, value: float) -> None:
    mark = heat(np.full((3, 4), value), scale)
    low, high = shades_of(mark).span
    assert low < high
    canvas.show_figure(figure(mark), False)
    picture(canvas)
    if scale.name == "log":
        export.to_svg(figure(mark), {})
    assert values_along((mark,), "x").size == (0 if math.isnan(value) else 5)


# ------------------------------------------------------------------------------------------------- on the screen


@pytest.mark.parametrize(("x", "y"), list(itertools.product(SCALES, SCALES)), ids=lambda scale: scale.name)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_cells_lie_between_their_edges(canvas: Canvas, x: Scale, y: Scale, dark: bool) -> None:
    mark = heat()
    canvas.set_theme(dark)
    canvas.show_figure(figure(mark, x=x, y=y), False)
    # The frame of what has the focus lies over the outermost pixels.
    view_of(canvas).clearFocus()
    image = picture(canvas)
    for row, column in itertools.product(range(3), range(4)):
        corners = [canvas.position(X[column + side], Y[row + side]) for side in (0, 1)]
        # The pixels whose middle lies between the edges.
        left, right = (math.ceil(corner.x() - 0.5) for corner in corners)
        bottom, top = (math.ceil(corner.y() - 0.5) for corner in corners)
        if right - left < 2 or bottom - top < 2 or math.isnan(VALUES[row, column]):
            continue
        wanted = color_of(mark, VALUES[row, column], dark=dark)
        for place in itertools.product((left, (left + right) // 2, right - 1), (top, bottom - 1)):
            assert image.pixelColor(*place) == wanted, (row, column)


def test_an_empty_cell_shows_what_is_below(canvas: Canvas) -> None:
    canvas.show_figure(figure(heat(), x=Log(), y=Log()), False)
    at = canvas.position(0.7, 20.0)
    assert picture(canvas).pixelColor(at.toPoint()) == QColor(LIGHT.background)


def test_marks_are_drawn_over_cells(canvas: Canvas) -> None:
    line = Line("", 6.0, vertical=True)
    canvas.show_figure(figure(line, heat(), x=Log(), y=Log()), False)
    shown = picture(canvas)
    at = canvas.position(6.0, 1.0)
    column = {shown.pixelColor(round(at.x()) + dx, round(at.y()) + dy).name() for dx in (-1, 0, 1) for dy in range(9)}
    assert color_of(heat(), 0.1).name() in column
    assert len(column) > 1


def test_edges_lie_between_device_pixels(canvas: Canvas) -> None:
    mark = Heat("v", np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0]), np.array([[-1.0, 1.0]]), SIGNED)
    canvas.show_figure(figure(mark), False)
    canvas.resize(canvas.width() + 1 - int(view_of(canvas).area().width()) % 2, canvas.height())
    picture(canvas)
    view = view_of(canvas)
    image = QImage(2 * view.size(), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(2.0)
    painter = QPainter(image)
    view.render(painter, QRectF(view.rect()), view.rect())
    painter.end()
    edge, y = round(2 * view.area().center().x()), round(2 * view.area().center().y())
    assert edge % 2
    assert image.pixelColor(edge - 1, y) == color_of(mark, -1.0)
    assert image.pixelColor(edge, y) == color_of(mark, 1.0)


def test_cells_fill_the_plot_and_are_followed(canvas: Canvas) -> None:
    canvas.show_figure(figure(heat(), x=Log(), y=Log()), False)
    np.testing.assert_allclose(canvas.view_range(), [(0.5, 100), (0.1, 60)])
    fewer = Heat("change of W₂²", X[:-1], Y, VALUES[:, :-1], SIGNED)
    canvas.show_figure(figure(fewer, x=Log(), y=Log()), True)
    np.testing.assert_allclose(canvas.view_range(), [(0.5, 9), (0.1, 60)])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_color_bar_stands_beside_the_plot(canvas: Canvas, dark: bool) -> None:
    mark = heat()
    canvas.set_theme(dark)
    canvas.show_figure(figure(Curve("", X, X)), False)
    picture(canvas)
    alone = view_of(canvas).area().right()
    canvas.show_figure(figure(mark, x=Log(), y=Log()), False)
    image = picture(canvas)
    area = view_of(canvas).area().translated(QPointF(view_of(canvas).pos()))
    assert area.right() < alone - 40
    for value, y in ((-1.0, area.bottom() - 3), (0.0, area.center().y()), (1.0, area.top() + 3)):
        found, wanted = image.pixelColor(QPoint(round(area.right()) + 17, round(y))), color_of(mark, value, dark=dark)
        assert max(abs(a - b) for a, b in zip(found.getRgb(), wanted.getRgb(), strict=True) if a and b) <= 12, value
    beside = range(round(area.right()) + 28, image.width())
    theme = DARK if dark else LIGHT
    shades = {image.pixelColor(x, y).name() for x in beside for y in range(round(area.top()), round(area.bottom()))}
    assert max(contrast(QColor(shade), QColor(theme.background)) for shade in shades) > 10
    canvas.set_hidden(frozenset({mark.label}))
    assert view_of(canvas).area().right() == view_of(canvas).width() - 12


def test_a_large_font_widens_the_color_bar(canvas: Canvas) -> None:
    canvas.show_figure(figure(heat()), False)
    picture(canvas)
    before = view_of(canvas).area().right()
    font = canvas.font()
    font.setPointSizeF(2 * font.pointSizeF())
    canvas.setFont(font)
    picture(canvas)
    assert view_of(canvas).area().right() < before


def test_many_cells_are_painted_in_milliseconds(canvas: Canvas) -> None:
    values = np.random.default_rng(0).normal(size=(400, 600))
    many = Heat("v", np.geomspace(1, 1e3, 601), np.geomspace(1, 1e3, 401), values, SIGNED)
    canvas.resize(1000, 700)
    canvas.show_figure(figure(many, x=Log(), y=Log()), False)
    times: list[float] = []
    for _ in range(5):
        view_of(canvas).invalidate()
        picture(canvas)
        times.append(canvas.last_paint_ms)
    # Measured below 10 ms; a painter's loop over the cells takes hundreds.
    assert min(times) < 60


# ---------------------------------------------------------------------------------------------------- reading


def test_hovering_reads_a_cell(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure(heat(), x=Log(), y=Log()), False)
    for column, row, told in ((0, 0, "−1"), (3, 0, "+1"), (1, 0, "+0"), (0, 2, "empty"), (1, 2, "+inf")):
        at = middle(X[column], X[column + 1], Log()), middle(Y[row], Y[row + 1], Log())
        with qtbot.waitSignal(canvas.hovered) as signal:
            hover(canvas, *at)
        center = (X[column] + X[column + 1]) / 2, (Y[row] + Y[row + 1]) / 2
        assert signal.args == [center]
        assert canvas.readout() == f"step k = {center[0]:.4g}   rank i = {center[1]:.4g}   change of W₂² {told}"
    canvas.show_figure(figure(heat(np.abs(VALUES), Log()), x=Log(), y=Log()), False)
    hover(canvas, 2.0, 1.0)
    assert canvas.readout().endswith("change of W₂² 0.001")


def test_arrows_step_through_cells(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure(heat()), False)
    told: list[tuple[float, float]] = []
    canvas.hovered.connect(told.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Left, Qt.Key.Key_Down, Qt.Key.Key_Down):
        qtbot.keyClick(view_of(canvas), key)
    columns, rows = heat().centers
    wanted = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (0, 0)]
    assert told == [(columns[column], rows[row]) for column, row in wanted]
    assert canvas.readout().endswith("−1")


def test_a_line_along_one_axis_alone(canvas: Canvas) -> None:
    canvas.show_figure(figure(heat()), False)
    calm = picture(canvas)
    canvas.set_crosshair(None, 30.0)
    assert canvas.readout() == "rank i = 30"
    level = picture(canvas)
    at = canvas.position(50.0, 30.0).toPoint()
    assert level.pixelColor(at) == QColor(LIGHT.muted) != calm.pixelColor(at)
    assert level.pixelColor(canvas.position(50.0, 2.0).toPoint()) == calm.pixelColor(
        canvas.position(50.0, 2.0).toPoint()
    )
    canvas.set_crosshair(2.0)
    assert canvas.readout() == "step k = 2"
    canvas.set_crosshair(None)
    assert picture(canvas) == calm


def test_the_summary_tells_the_range(canvas: Canvas) -> None:
    canvas.show_figure(figure(heat()), False)
    assert canvas.summary() == "Sensitivity: rank i over step k. change of W₂²: from -1 to 1."
    canvas.show_figure(figure(heat(np.full((3, 4), math.nan))), False)
    assert canvas.summary() == "Sensitivity: rank i over step k. nothing to show"


# --------------------------------------------------------------------------------------------------- on paper


def test_csv_gives_every_cell_back() -> None:
    mark = heat()
    data = export.to_csv(figure(Curve("c", X, X), mark, x=Log(), y=Log()), {}).decode()
    rows = list(csv.DictReader(line for line in data.splitlines() if not line.startswith("#")))
    cells = [row for row in rows if row["kind"] == "heat"]
    assert {row["mark"] for row in cells} == {mark.label}
    assert {row["value"] for row in rows if row["kind"] == "curve"} == {""}

    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in cells]).reshape(mark.values.shape)

    np.testing.assert_array_equal(column("value"), VALUES)
    for name, edges, axis in (("x", X, 1), ("y", Y, 0)):
        low, high = np.moveaxis(column(f"{name}_low"), axis, 0), np.moveaxis(column(f"{name}_high"), axis, 0)
        np.testing.assert_array_equal(np.append(low[:, 0], high[-1, 0]), edges)
        assert np.all(low == low[:, :1])
        np.testing.assert_array_equal(column(name), (column(f"{name}_low") + column(f"{name}_high")) / 2)
    assert "x_low" not in export.to_csv(figure(Curve("c", X, X), mark), {}, frozenset({mark.label})).decode()


@pytest.mark.parametrize(("x", "y"), list(zip(SCALES, SCALES, strict=True)), ids=lambda scale: scale.name)
def test_png_has_the_colors_of_the_screen(x: Scale, y: Scale) -> None:
    mark = heat()
    with Image.open(io.BytesIO(export.to_png(figure(mark, x=x, y=y), {}, dpi=100))) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for value in (-1.0, 0.5, 1.0, -0.1):
        color = color_of(mark, value)
        near = np.abs(pixels - [color.red(), color.green(), color.blue()]).max(axis=2) <= 2
        assert np.count_nonzero(near) > 20


@pytest.mark.parametrize(("x", "y"), [(Linear(), Log()), (Symlog(1.0), Linear())], ids=lambda scale: scale.name)
def test_cells_on_paper_lie_between_their_edges(x: Scale, y: Scale) -> None:
    mark = heat()
    root = ElementTree.fromstring(export.to_svg(figure(mark, x=x, y=y), {}))

    def boxes(name: str) -> list[tuple[Floats, str]]:
        paths = root.findall(f".//{SVG}g[@id='{name}']/{SVG}path")
        found = [(np.array(re.findall(r"[ML] (\S+) (\S+)", path.get("d", "")), dtype=float), path) for path in paths]
        return [(np.concatenate([at.min(axis=0), at.max(axis=0)]), path.get("style", "")) for at, path in found]

    ((left, top, right, bottom), _), *_ = boxes("plot-area")
    across, up = ((drawn - drawn[0]) / (drawn[-1] - drawn[0]) for drawn in (x.forward(X), y.forward(Y)))
    columns, rows = left + across * (right - left), bottom + up * (top - bottom)
    for (row, column), (box, style) in zip(itertools.product(range(3), range(4)), boxes("heat-0"), strict=True):
        np.testing.assert_allclose(box, [columns[column], rows[row + 1], columns[column + 1], rows[row]], atol=1e-3)
        empty = math.isnan(VALUES[row, column])
        assert f"fill: {'none' if empty else color_of(mark, VALUES[row, column]).name()}" in style


def test_many_cells_are_pixels_in_a_vector_picture() -> None:
    few, many = (
        Heat("v", np.arange(count + 1.0), np.arange(11.0), np.ones((10, count)), SIGNED) for count in (15, 150)
    )
    pictures = [export.to_svg(figure(mark), {}) for mark in (few, many)]
    assert pictures[0].count(b"<path") > 150 > pictures[1].count(b"<path")


def test_the_color_bar_on_paper_has_label_and_numbers() -> None:
    svg = export.to_svg(figure(heat(), Line("limit", 30.0, vertical=False), Curve("curve", X, X)), {}).decode()
    for text in (">change of W₂²<", ">0<", ">−1<", ">1<", ">limit<", ">curve<"):
        assert text in svg
    assert ">change of W₂²<" not in export.to_svg(figure(heat()), {}, hidden=frozenset({"change of W₂²"})).decode()
