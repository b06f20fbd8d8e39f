"""Clouds, galleries and equal units: what is drawn lies where it should, on the screen and on paper."""

import base64
import csv
import io
import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QWheelEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer import export
from explorer.canvas import Canvas
from explorer.canvas.theme import DARK, LIGHT, contrast, ink, text_ink
from explorer.clouds import density
from explorer.marks import (
    GAP,
    GROUND,
    Axis,
    Cloud,
    Curve,
    Figure,
    Floats,
    Gallery,
    Line,
    Log,
    Mark,
    Pixels,
    Style,
    identity,
    side_by_side,
    values_along,
)
from explorer.ranges import squared
from explorer.tiles import Tiles, averaged
from tests.driving import picture, place, target_of, view_of

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
DATA, MADE = GROUND, identity(1)
CANVAS_SIZE = (480, 400)
GREEN, PURPLE, TEAL = (0, 160, 0), (120, 0, 120), (0, 120, 140)


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(*CANVAS_SIZE)
    made.show()
    return made


def disc(x: float, y: float, radius: float, count: int = 4000) -> tuple[Floats, Floats]:
    """Points that fill a disc evenly."""
    turn, away = np.arange(count) * np.pi * (3 - np.sqrt(5)), radius * np.sqrt((np.arange(count) + 0.5) / count)
    return x + away * np.cos(turn), y + away * np.sin(turn)


def cloud(label: str, style: Style, *points: tuple[Floats, Floats]) -> Cloud:
    x, y = np.concatenate(points, axis=1)
    return Cloud(label, x, y, style)


def two_clouds(shift: float = 0.0) -> tuple[Cloud, Cloud]:
    """Both around 0, only data around -4, only generated points around 4; corners that hold the view still."""
    corners = np.array([-6.0, 6.0]), np.array([-3.0, 3.0])
    data = cloud("data", DATA, disc(0, 0, 1.0), disc(-4, 0, 1.0), corners)
    return data, cloud("generated", MADE, disc(0, shift, 1.0), disc(4, shift, 1.0))


def figure(*marks: Mark, equal: bool = True) -> Figure:
    return Figure("Points", Axis("mode 1"), Axis("mode 2"), marks, equal=equal)


def sheet(*galleries: Gallery) -> Figure:
    return Figure("Images", Axis(""), Axis(""), side_by_side(galleries), equal=True, bare=True)


def plain(count: int, height: int, width: int, *colors: tuple[int, int, int]) -> Pixels:
    """Images of one color each, by turns."""
    images = np.empty((count, height, width, 3), dtype=np.uint8)
    for image, color in zip(images, itertools.cycle(colors), strict=False):
        image[:] = color
    return images


def mean_color(image: QImage, at: QPointF, reach: int = 6) -> Floats:
    middle = at.toPoint()
    places = itertools.product(range(-reach, reach + 1), repeat=2)
    found = [image.pixelColor(middle + QPoint(dx, dy)) for dx, dy in places]
    return np.mean([rgb(color) for color in found], axis=0)


def rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


def hue_of(seen: Floats, background: Floats) -> Floats:
    """The direction in which a color differs from the background."""
    away = seen - background
    return away / np.linalg.norm(away)


# -------------------------------------------------------------------------------------------------------- density


@pytest.mark.parametrize(("unit", "size"), [(1.0, 5), (0.2, 1), (0.6, 3)])
def test_each_point_is_one_dot(unit: float, size: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-4, 24, 40), rng.uniform(-4, 16, 40)
    wanted = np.zeros((12, 20), dtype=int)
    for point in zip(x.tolist(), y.tolist(), strict=True):
        left, top = (int(np.floor(along - (size - 1) / 2)) for along in point)
        for row, column in itertools.product(range(size), repeat=2):
            round_enough = np.hypot(row - (size - 1) / 2, column - (size - 1) / 2) <= size / 2 + 0.02
            if round_enough and 0 <= top + row < 12 and 0 <= left + column < 20:
                wanted[top + row, left + column] += 1
    np.testing.assert_array_equal(density(x, y, 20, 12, unit).counts, wanted)


def test_opacity_rises_with_density_and_does_not_depend_on_the_number_of_points() -> None:
    points = [disc(100, 100, 60.0, n) for n in (20_000, 80_000)]
    found = [density(x, y, 200, 200, 1.0) for x, y in points]
    for each in found:
        assert each.opacity[0] == 0.0
        assert np.all(np.diff(each.opacity) > 0)
        assert 0.2 < each.opacity[1] < each.opacity[-1] < 0.9
    inside = [float(each.opacity.take(each.counts, mode="clip")[80:120, 80:120].mean()) for each in found]
    assert inside[0] == pytest.approx(inside[1], abs=0.03)


def test_points_without_a_place_are_left_out() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e300, -50.0, 5.0])
    assert density(x, np.full(6, 5.0), 10, 10, 0.2).counts.sum() == 1
    assert density(np.empty(0), np.empty(0), 10, 10, 1.0).counts.shape == (10, 10)


# --------------------------------------------------------------------------------------------- clouds on the screen


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_two_clouds_are_told_apart_and_seen_where_they_overlap(canvas: Canvas, dark: bool) -> None:
    canvas.set_theme(dark)
    canvas.show_figure(figure(*two_clouds()), False)
    theme, image = DARK if dark else LIGHT, picture(canvas)
    background = np.array(rgb(QColor(theme.background)), dtype=float)
    both, data, made, none = (mean_color(image, canvas.position(x, 0.4)) for x in (0.0, -4.0, 4.0, 2.5))
    np.testing.assert_allclose(none, background, atol=1)
    for seen, style in ((data, DATA), (made, MADE)):
        wanted = np.array(rgb(ink(style.color, theme)), dtype=float)
        assert hue_of(seen, background) @ hue_of(wanted, background) > 0.98
    brightness = [contrast(QColor(*seen.astype(int).tolist()), QColor(theme.background)) for seen in (both, data, made)]
    # The whole of both is stronger than each of them by more than a third.
    assert brightness[0] > 1.35 * max(brightness[1:])
    assert min(brightness[1:]) > 1.8


@pytest.mark.parametrize("size", [CANVAS_SIZE, (1400, 800)])
def test_a_cloud_is_drawn_where_it_is_on_a_sharp_screen(canvas: Canvas, size: tuple[int, int]) -> None:
    canvas.resize(*size)
    lone = cloud("", MADE, (np.array([1.0]), np.array([2.0])))
    edges = Curve("", np.array([0.0, 3.0]), np.array([0.0, 3.0]), Style("#FFFFFF"))
    canvas.show_figure(figure(edges, lone), False)
    view = view_of(canvas)
    image = QImage(view.size() * 2, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(2.0)
    painter = QPainter(image)
    view.render(painter, QRectF(view.rect()), view.rect())
    painter.end()
    at = 2 * (canvas.position(1.0, 2.0) - QPointF(view.pos()))
    bits = image.constBits()
    assert bits is not None
    colors = np.frombuffer(bits.asstring(image.sizeInBytes()), dtype=np.uint8).reshape(image.height(), -1, 4)
    # Blue comes first.
    spots = np.argwhere(colors[..., 2] > colors[..., 0].astype(int) + 60)[:, ::-1]
    # A dot of five pixels, ten on this screen, around its point.
    np.testing.assert_allclose(np.mean(spots, axis=0) + 0.5, [at.x(), at.y()], atol=1.0)
    assert len(spots) == pytest.approx(np.pi * 5**2, rel=0.1 if size == CANVAS_SIZE else 0.15)


def test_moving_points_keep_the_view_and_leave_nothing_behind(canvas: Canvas) -> None:
    data, made = two_clouds()
    canvas.show_figure(figure(data, made), False)
    seen = canvas.view_range()
    before = picture(canvas).pixelColor(canvas.position(4.2, -0.4).toPoint())
    canvas.show_figure(figure(data, two_clouds(shift=2.0)[1]), True)
    assert canvas.view_range() == seen
    image = picture(canvas)
    assert image.pixelColor(canvas.position(4.2, -0.4).toPoint()) == QColor(LIGHT.background) != before
    assert mean_color(image, canvas.position(4.0, 2.0))[2] < 200
    assert mean_color(image, canvas.position(-4.0, 0.4))[2] < 240


def test_points_that_stay_follow_the_view_and_the_theme(canvas: Canvas, qtbot: QtBot) -> None:
    data, _ = two_clouds()
    # A blue that is lighter where it is dark.
    canvas.show_figure(figure(replace(data, style=identity(0))), False)
    assert mean_color(picture(canvas), canvas.position(-4.0, 0.4))[0] < 240
    canvas.resize(700, 500)
    image = picture(canvas)
    assert mean_color(image, canvas.position(-4.0, 0.4))[0] < 240
    assert rgb(image.pixelColor(canvas.position(-4.6, 1.4).toPoint())) == rgb(QColor(LIGHT.background))
    canvas.set_theme(dark=True)
    anew = Canvas(dark=True)
    qtbot.addWidget(anew)
    anew.resize(canvas.size())
    anew.show_figure(canvas.figure, False)
    at = canvas.position(-4.0, 0.4)
    assert rgb(picture(canvas).pixelColor(at.toPoint())) != rgb(image.pixelColor(at.toPoint()))
    np.testing.assert_allclose(mean_color(picture(canvas), at), mean_color(picture(anew), at))


def test_the_legend_hides_a_cloud(canvas: Canvas) -> None:
    canvas.show_figure(figure(*two_clouds()), False)
    canvas.set_hidden(frozenset({"generated"}))
    image = picture(canvas)
    gray = mean_color(image, canvas.position(0.0, 0.4))
    assert np.ptp(gray) < 2
    assert gray.mean() < 230


def test_hovering_tells_the_place_and_reads_no_points(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure(*two_clouds(), Line("limit", 1.0, vertical=True)), False)
    at = place(canvas, 1.0, 1.0)
    with qtbot.waitSignal(canvas.hovered) as signal:
        move(canvas, at)
    assert signal.args is not None
    np.testing.assert_allclose(signal.args[0], (1.0, 1.0), atol=0.05)
    assert re.fullmatch(r"mode 1 = (1|0\.9\d*|1\.0\d*)   mode 2 = (1|0\.9\d*|1\.0\d*)", canvas.readout())


def test_the_summary_counts(canvas: Canvas) -> None:
    canvas.show_figure(figure(*two_clouds()), False)
    assert canvas.summary() == "Points: mode 2 over mode 1. data: 8002 points. generated: 8000 points."
    canvas.show_figure(sheet(Gallery("data", plain(3, 2, 2, GREEN), 2)), False)
    assert canvas.summary() == "Images. data: 3 images."


def test_many_moving_points_are_painted_in_milliseconds(canvas: Canvas) -> None:
    points = np.random.default_rng(0).normal(size=(2, 100_000))
    times: list[float] = []
    for step in range(6):
        moved = Cloud("generated", points[0] + 0.01 * step, points[1], MADE)
        canvas.show_figure(figure(Cloud("data", points[0], points[1] + 0.01 * step, DATA), moved), step > 0)
        picture(canvas)
        times.append(canvas.last_paint_ms)
    # Measured below 10 ms; a painter's points take hundreds.
    assert min(times) < 60


# ------------------------------------------------------------------------------------------------------ equal units


def move(canvas: Canvas, at: QPoint) -> None:
    none = Qt.MouseButton.NoButton
    where = QPointF(target_of(canvas).mapToGlobal(at))
    event = QMouseEvent(QEvent.Type.MouseMove, QPointF(at), where, none, none, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(target_of(canvas), event)


def turn_wheel(canvas: Canvas, at: QPointF) -> None:
    where = QPointF(target_of(canvas).mapToGlobal(at.toPoint()))
    none, phase = Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(at, where, QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, none, phase, False)
    QApplication.sendEvent(target_of(canvas), event)


def units(canvas: Canvas) -> tuple[float, float]:
    """Pixels per unit along x and along y."""
    (low, left), (high, right) = ((canvas.view_range()[0][k], canvas.view_range()[1][k]) for k in (0, 1))
    start, end = canvas.position(low, left), canvas.position(high, right)
    return (end.x() - start.x()) / (high - low), (start.y() - end.y()) / (right - left)


def is_equal(canvas: Canvas) -> bool:
    across, up = units(canvas)
    return across == pytest.approx(up, rel=1e-6)


def test_units_stay_equal_whatever_a_person_does(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.show_figure(figure(*two_clouds()), False)
    fitted = canvas.view_range()
    assert is_equal(canvas)
    # All data are seen, with a margin along the longer axis alone.
    assert fitted[0][0] == pytest.approx(-6.48)
    assert fitted[1][0] < -3.5
    for size in ((900, 300), (250, 600), CANVAS_SIZE):
        canvas.resize(*size)
        QApplication.processEvents()
        assert is_equal(canvas)
    # What was opened for one size is closed for the next.
    np.testing.assert_allclose(canvas.view_range(), fitted)
    area = view_of(canvas).area()
    turn_wheel(canvas, QPointF(area.center().x(), area.bottom() + 8))
    assert is_equal(canvas)
    assert canvas.view_range()[1][1] < fitted[1][1]
    canvas.zoom_back()
    np.testing.assert_allclose(canvas.view_range(), fitted)
    start, end = place(canvas, -1.0, 2.0), place(canvas, 1.0, -2.0)
    QtBot.mousePress(target_of(canvas), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, start)
    for at in ((start + end) / 2, end):
        QtBot.mouseMove(target_of(canvas), at)
    QtBot.mouseRelease(target_of(canvas), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, end)
    assert is_equal(canvas)
    (left, right), (bottom, top) = canvas.view_range()
    # The box, and what is beside it.
    assert top - bottom == pytest.approx(4.0, rel=0.05)
    assert left < -1.0 < 1.0 < right
    qtbot.keyClick(view_of(canvas), Qt.Key.Key_A)
    np.testing.assert_allclose(canvas.view_range(), fitted)
    canvas.show_figure(figure(*two_clouds(), equal=False), False)
    assert not is_equal(canvas)


def test_squared_spans() -> None:
    assert squared((0.0, 2.0), (0.0, 1.0), 1.0) == ((0.0, 2.0), (-0.5, 1.5))
    assert squared((0.0, 2.0), (0.0, 1.0), 0.25) == ((-1.0, 3.0), (0.0, 1.0))


def test_equal_units_on_paper() -> None:
    for x, y in ((4.0, 3.0), (1.0, 2.5)):
        box = cloud("a", DATA, (np.array([0.0, x]), np.array([0.0, y])))
        width, height = area_of(figure(box))
        assert height / width == pytest.approx(y / x, rel=1e-3)
    # Long and thin data do not become a long and thin page.
    width, height = area_of(figure(cloud("a", DATA, (np.array([0.0, 100.0]), np.array([0.0, 1.0])))))
    assert height / width == pytest.approx(1 / 3, rel=1e-3)


def area_of(shown: Figure) -> tuple[float, float]:
    return area_in(export.to_svg(shown, {}))


def area_in(svg: bytes) -> tuple[float, float]:
    path = ElementTree.fromstring(svg).find(f".//{SVG}g[@id='plot-area']/{SVG}path")
    assert path is not None
    corners = np.array(re.findall(r"[ML] (\S+) (\S+)", path.get("d", "")), dtype=float)
    width, height = np.ptp(corners, axis=0).tolist()
    return width, height


def test_equal_units_need_linear_axes() -> None:
    with pytest.raises(ValueError, match=r"^Equal units need linear axes, got a log one along y; make it linear, or "):
        Figure("", Axis("x"), Axis("y", Log()), (), equal=True)


# -------------------------------------------------------------------------------------------- galleries on the screen


def test_images_are_in_rows_side_by_side_with_gaps_and_labels(canvas: Canvas) -> None:
    shown = sheet(
        Gallery("data", plain(4, 4, 4, GREEN, PURPLE), 2, DATA), Gallery("generated", plain(3, 4, 4, TEAL), 2, MADE)
    )
    canvas.show_figure(shown, False)
    image, pitch = picture(canvas), 1 + GAP

    def seen(x: float, y: float) -> tuple[int, int, int]:
        return rgb(image.pixelColor(canvas.position(x, y).toPoint()))

    for number, color in enumerate((GREEN, PURPLE, GREEN, PURPLE)):
        left, top = pitch * (number % 2), -pitch * (number // 2)
        for across, down in itertools.product((0.03, 0.5, 0.97), repeat=2):
            assert seen(left + across, top - down) == color
    white, left = rgb(QColor(LIGHT.background)), shown.marks[1].left if isinstance(shown.marks[1], Gallery) else 0.0
    assert left > 2 * pitch
    assert seen(left + 0.5, -0.5) == seen(left + pitch + 0.5, -0.5) == seen(left + 0.5, -pitch - 0.5) == TEAL
    assert seen(left + pitch + 0.5, -pitch - 0.5) == white
    assert seen(1 + GAP / 2, -0.5) == seen(0.5, -1 - GAP / 2) == seen((2 + GAP + left) / 2, -0.5) == white
    assert is_equal(canvas)
    assert canvas.tick_texts() is not None
    for middle, style in ((1 + GAP / 2, DATA), (left + 1 + GAP / 2, MADE)):
        above = canvas.position(middle, 0.0) - QPointF(0, 10)
        inks = {image.pixel((above + QPointF(dx, dy)).toPoint()) for dx in range(-20, 21) for dy in range(-8, 9)}
        assert any(QColor(pixel) == text_ink(style.color, LIGHT) for pixel in inks)


def test_no_axes_are_drawn_around_images(canvas: Canvas) -> None:
    canvas.show_figure(figure(*two_clouds()), False)
    narrow = view_of(canvas).area().width()
    canvas.show_figure(sheet(Gallery("", plain(1, 2, 2, GREEN), 1)), False)
    colors = {rgb(QColor(pixel)) for pixel in pixels_of(view_of(canvas).grab().toImage())}
    focus = rgb(QColor(LIGHT.muted))
    assert colors - {focus} == {rgb(QColor(LIGHT.background)), GREEN}
    assert view_of(canvas).area().width() > narrow
    canvas.show_figure(figure(*two_clouds()), False)
    assert view_of(canvas).area().width() == narrow


def pixels_of(image: QImage) -> set[int]:
    return {image.pixel(x, y) for x, y in itertools.product(range(image.width()), range(image.height()))}


@pytest.mark.parametrize("zoomed", [False, True])
def test_enlarged_pixels_are_sharp(canvas: Canvas, zoomed: bool) -> None:
    images = np.random.default_rng(0).integers(1, 255, (4, 5, 3, 3), dtype=np.uint8)
    canvas.show_figure(sheet(Gallery("", images, 2)), False)
    if zoomed:
        for _ in range(8):
            turn_wheel(canvas, QPointF(place(canvas, 0.5, -0.8)))
    image = picture(canvas)
    known = {tuple(color) for color in images.reshape(-1, 3).tolist()} | {(255, 255, 255), rgb(QColor(LIGHT.muted))}
    view = view_of(canvas)
    area = view.area().translated(QPointF(view.pos())).toRect()
    assert {rgb(QColor(pixel)) for pixel in pixels_of(image.copy(area))} <= known
    for row, column in itertools.product(range(5), range(3)):
        at = canvas.position((column + 0.5) / 3, -(row + 0.5) / 3).toPoint()
        if area.contains(at):
            assert rgb(image.pixelColor(at)) == tuple(images[0, row, column].tolist())


@pytest.mark.parametrize(("height", "width"), [(12, 10), (9, 7), (30, 17)])
def test_reduced_images_are_averaged_over_areas(height: int, width: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 48, 40, 3), dtype=np.uint8)
    found = averaged(images, height, width)
    # Enlarged until each new pixel consists of whole old ones.
    fine = images.repeat(height, axis=1).repeat(width, axis=2).astype(float)
    exact = fine.reshape(3, height, 48, width, 40, 3).mean(axis=(2, 4))
    assert np.abs(found - exact).max() <= 0.501
    if 48 % height == 40 % width == 0:
        other = Image.fromarray(images[0]).resize((width, height), Image.Resampling.BOX)
        assert np.abs(np.asarray(other).astype(int) - found[0]).max() <= 1


def test_a_fine_pattern_becomes_gray_when_it_is_reduced(canvas: Canvas) -> None:
    board = np.zeros((16, 128, 128, 3), dtype=np.uint8)
    board[:, ::2, ::2] = board[:, 1::2, 1::2] = 255
    canvas.resize(300, 300)
    canvas.show_figure(sheet(Gallery("", board, 4)), False)
    image = picture(canvas)
    for column, row in itertools.product(range(4), repeat=2):
        at = canvas.position(column * (1 + GAP) + 0.5, -row * (1 + GAP) - 0.5)
        np.testing.assert_allclose(mean_color(image, at, 10), 127.5, atol=3)
        assert 90 < rgb(image.pixelColor(at.toPoint()))[0] < 165


def test_images_have_the_same_whole_pixels() -> None:
    images = plain(3, 2, 1, GREEN, PURPLE, TEAL)
    found = Tiles(Gallery("", images, 2)).pixels(3.0, -5.0, 20.0, 50, 70)
    wanted = np.zeros((70, 50, 4), dtype=int)
    # From one to the next 21.2 pixels along x, and 41.2 along y; the first row begins above the area.
    for rows, columns, color in (
        (slice(0, 35), slice(3, 23), GREEN),
        (slice(0, 35), slice(24, 44), PURPLE),
        (slice(36, 70), slice(3, 23), TEAL),
    ):
        wanted[rows, columns] = (*color, 255)
    np.testing.assert_array_equal(found, wanted)


def test_small_images_never_touch(canvas: Canvas) -> None:
    canvas.show_figure(sheet(Gallery("", plain(60, 8, 8, GREEN), 60)), False)
    image, start, end = picture(canvas), canvas.position(0.0, -0.5), canvas.position(60 * (1 + GAP), -0.5)
    line = [rgb(image.pixelColor(x, int(start.y()))) == GREEN for x in range(int(start.x()) - 1, int(end.x()) + 2)]
    assert sum(not before and after for before, after in itertools.pairwise(line)) == 60


def test_hovering_names_the_image(canvas: Canvas, qtbot: QtBot) -> None:
    shown = sheet(Gallery("data", plain(4, 2, 2, GREEN), 2, DATA), Gallery("generated", plain(3, 2, 2, TEAL), 2, MADE))
    canvas.show_figure(shown, False)
    left = 2 * (1 + GAP) - GAP + 0.06 * (2 + GAP)
    texts: dict[tuple[float, float], str] = {
        (0.5, -0.5): "data 1 of 4",
        (1.5, -1.5): "data 4 of 4",
        (left + 0.5, -1.5): "generated 3 of 3",
        (left + 1.5, -1.5): "",
        (1 + GAP / 2, -0.5): "",
    }
    for at, text in texts.items():
        with qtbot.waitSignal(canvas.hovered) as signal:
            move(canvas, place(canvas, *at))
        assert canvas.readout() == text
        # Other plots do not follow.
        assert signal.args == [None]
    canvas.set_crosshair(0.5, -0.5)
    assert canvas.readout() == ""


def test_no_images_are_an_empty_figure(canvas: Canvas) -> None:
    canvas.show_figure(sheet(Gallery("data", np.empty((0, 8, 8, 3), dtype=np.uint8), 4)), False)
    assert values_along(canvas.figure.marks, "y").size == 0
    assert view_of(canvas).empty
    picture(canvas)
    assert len(rows_of(canvas.figure)) == 0
    assert export.to_png(canvas.figure, {}, dpi=50)


def test_what_is_no_gallery_is_refused() -> None:
    message = r"^Images of a gallery must be bytes of shape \(count, height, width, 3\), got {}; convert them first\.$"
    with pytest.raises(ValueError, match=message.format(r"uint8 of shape \(2, 8, 8\)")):
        Gallery("", np.zeros((2, 8, 8), dtype=np.uint8), 2)
    with pytest.raises(ValueError, match=message.format(r"float64 of shape \(2, 8, 8, 3\)")):
        Gallery("", np.zeros((2, 8, 8, 3)), 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^A gallery must have at least 1 column, got 0; choose more\.$"):
        Gallery("", plain(1, 2, 2, GREEN), 0)
    needs = r"^A gallery needs a figure with equal units and without axes, got equal=True and bare=False; set both to "
    with pytest.raises(ValueError, match=needs + r"True\.$"):
        figure(Gallery("", plain(1, 2, 2, GREEN), 1))


# --------------------------------------------------------------------------------------------------------- on paper


def embedded(svg: bytes) -> dict[str, Pixels]:
    """The images in a picture, the uppermost row last, by their names."""
    found: dict[str, Pixels] = {}
    for image in ElementTree.fromstring(svg).iter(f"{SVG}image"):
        data = base64.b64decode(image.get(LINK, "").partition(",")[2])
        with Image.open(io.BytesIO(data)) as opened:
            found[image.get("id", "")] = np.asarray(opened.convert("RGBA"))
    return found


def rows_of(shown: Figure) -> list[dict[str, str]]:
    lines = export.to_csv(shown, {}).decode().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("# ")))


def on_white(pixels: Pixels) -> Floats:
    opacity = pixels[..., 3:] / 255.0
    return pixels[..., :3] * opacity + 255 * (1 - opacity)


def test_clouds_on_paper_are_one_picture_among_vectors() -> None:
    svg = export.to_svg(figure(*two_clouds(), Curve("curve", np.array([-6.0, 6.0]), np.zeros(2))), {})
    (pixels,) = embedded(svg).values()
    height, width = pixels.shape[:2]
    # At least 300 pixels per inch, of 72 points.
    np.testing.assert_allclose([width, height], np.array(area_in(svg)) * 300 / 72, atol=1)
    for text in (b">data<", b">generated<", b">mode 1<", b">Points<"):
        assert text in svg
    paper = on_white(pixels)[::-1]
    per_unit = width / (12 * 1.08)

    def seen(x: float, y: float) -> Floats:
        column, row = round(width / 2 + x * per_unit), round(height / 2 - y * per_unit)
        return paper[row - 15 : row + 16, column - 15 : column + 16].mean(axis=(0, 1))

    white = np.full(3, 255.0)
    np.testing.assert_array_equal(seen(2.0, 0.0), white)
    data, made, both = seen(-4.0, 0.4), seen(4.0, 0.4), seen(0.0, 0.4)
    for found, style in ((data, DATA), (made, MADE)):
        assert hue_of(found, white) @ hue_of(np.array(rgb(QColor(style.color)), dtype=float), white) > 0.98
    # What is seen of each, one through the other.
    np.testing.assert_allclose(both / 255, data / 255 * made / 255, atol=0.04)


def test_a_hundred_thousand_points_make_a_small_file() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 100_000))
    shown = figure(Cloud("generated", x, y, MADE))
    pdf = export.to_pdf(shown, {})
    assert max(len(export.to_svg(shown, {})), len(pdf)) < 1_000_000
    # The colors and their opacity.
    assert pdf.count(b"/Subtype /Image") == 2
    assert b"/FontFile2" in pdf


def test_csv_gives_every_point_back() -> None:
    data, made = two_clouds()
    rows = rows_of(figure(data, made))
    assert {row["kind"] for row in rows} == {"cloud"}
    for mark in (data, made):
        found = np.array([[float(row["x"]), float(row["y"])] for row in rows if row["mark"] == mark.label])
        np.testing.assert_array_equal(found, np.stack([mark.x, mark.y], axis=1))


def test_csv_of_a_gallery_has_mean_and_deviation_of_each_image() -> None:
    images = np.zeros((3, 2, 2, 3), dtype=np.uint8)
    images[1] = 200
    images[2, 0] = 255
    shown = sheet(Gallery("data", images, 2), Gallery("generated", plain(1, 2, 2, (10, 20, 30)), 2))
    found = [(row["mark"], *(float(row[name]) for name in ("x", "y", "error"))) for row in rows_of(shown)]
    assert found == [
        ("data", 1.0, 0.0, 0.0),
        ("data", 2.0, 200.0, 0.0),
        ("data", 3.0, 127.5, 127.5),
        ("generated", 1.0, 20.0, pytest.approx(np.sqrt(200 / 3))),
    ]
    told = export.to_csv(shown, {}).decode()
    assert "# y: mean of its pixels in all colors, from 0 to 255\n# error: their standard deviation\n" in told


def test_images_on_paper_are_sharp_and_in_their_places() -> None:
    images = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    shown = sheet(Gallery("data", images, 2, DATA), Gallery("generated", images[::-1].copy(), 2, MADE))
    svg = export.to_svg(shown, {}, size_inches=(3.2, 2.0))
    found = embedded(svg)
    assert list(found) == ["gallery-0", "gallery-1"]
    known = {tuple(color) for color in images.reshape(-1, 3).tolist()}
    for pixels, wanted in zip(found.values(), (images, images[::-1]), strict=True):
        assert colors_of(pixels[pixels[..., 3] > 0]) == known
        assert set(np.unique(pixels[..., 3]).tolist()) == {0, 255}
        # The first image's first row of pixels is at the top of what is seen.
        rows, columns = np.nonzero(pixels[..., 3])
        corner = pixels[rows.max() - 3, columns.min() + 3, :3]
        np.testing.assert_array_equal(corner, wanted[0, 0, 0])
    for text in (b">data<", b">generated<", b">Images<"):
        assert text in svg
    assert b"plot-area" not in svg
    assert export.to_pdf(shown, {}, size_inches=(3.2, 2.0)).count(b"/Subtype /Image") == 4
    with Image.open(io.BytesIO(export.to_png(shown, {}))) as image:
        assert known <= colors_of(np.asarray(image.convert("RGBA")).reshape(-1, 4))


def colors_of(pixels: Pixels) -> set[tuple[int, int, int]]:
    red, green, blue = pixels[:, :3].astype(int).T
    packed = np.unique(red << 16 | green << 8 | blue)
    return {(color >> 16, color >> 8 & 255, color & 255) for color in packed.tolist()}
