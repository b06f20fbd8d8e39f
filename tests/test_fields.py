"""The editor widgets, each driven as a person would."""

import math
from itertools import pairwise
from typing import TypeVar, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent, QWheelEvent
from PyQt6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from explorer.fields import (
    Field,
    FlagField,
    KindField,
    NumberField,
    NumbersField,
    OptionField,
    PathField,
    editor,
)
from explorer.fields.base import exact, short
from explorer.fields.kind import about, title
from explorer.fields.travel import travel, within
from explorer.form import Form
from kernels.arithmetic import evaluate
from kernels.param import (
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Choice,
    Component,
    Declaration,
    Flag,
    Interval,
    Number,
    Numbers,
    Option,
    Path,
)
from kernels.transport import Sinkhorn

LINEAR = Number("ε", (0.0, 2.0), "noise", NONNEGATIVE, log=False, unit="", integer=False)
WHOLE = Number("k", (1, 12), "order", Interval(1, 12), log=False, unit="", integer=True)
LOG = Number("λ", (1e-4, 1e3), "eigenvalue", POSITIVE, log=True, unit="px", integer=False)
LOG_FROM_ZERO = Number("t", (1e-6, 0.1), "final time", NONNEGATIVE, log=True, unit="", integer=False)
LOG_WHOLE = Number("d", (1, 4096), "modes", Interval(1, 10_000_000), log=True, unit="", integer=True)
LOG_WHOLE_FROM_ZERO = Number("n", (0, 100_000), "points", Interval(0, 10_000_000), log=True, unit="", integer=True)
OPEN = Number("w", (0.0, 1.0), "share", Interval(0.0, 1.0, False, False), log=False, unit="", integer=False)
NUMBERS = (LINEAR, WHOLE, LOG, LOG_FROM_ZERO, LOG_WHOLE, LOG_WHOLE_FROM_ZERO, OPEN)


F = TypeVar("F", bound=Field)


class Said:
    """Everything a field said."""

    def __init__(self, field: Field) -> None:
        self.edited: list[tuple[object, bool]] = []
        self.unreadable: list[str] = []
        self.resets = 0
        field.edited.connect(self._edit)
        field.unreadable.connect(self.unreadable.append)
        field.reset_requested.connect(self._reset)

    def _edit(self, value: object, dragging: bool) -> None:
        self.edited.append((value, dragging))

    def _reset(self) -> None:
        self.resets += 1


def shown(qtbot: QtBot, field: F) -> tuple[F, Said]:
    qtbot.addWidget(field)
    field.resize(300, 30)
    field.describe("noise", "how much of it")
    with qtbot.waitActive(field):
        field.show()
        field.activateWindow()
    return field, Said(field)


def number(qtbot: QtBot, declaration: Number, value: float) -> tuple[NumberField, Said]:
    field, said = shown(qtbot, NumberField(declaration))
    field.set_value(value)
    return field, said


# ------------------------------------------------------------------------------------------------------ travel


@pytest.mark.parametrize("declaration", NUMBERS, ids=lambda d: d.help)
def test_every_slider_position_is_legal_distinct_and_found_again(declaration: Number) -> None:
    path = travel(declaration)
    values = [path.value(position) for position in range(path.count + 1)]
    assert all(declaration.check(value) == value for value in values)
    assert all(low < high for low, high in pairwise(values))
    assert [path.position(value) for value in values] == list(range(path.count + 1))


@pytest.mark.parametrize("declaration", NUMBERS, ids=lambda d: d.help)
@given(fraction=st.floats(0.0, 1.0))
def test_a_value_stands_within_one_step_of_itself(declaration: Number, fraction: float) -> None:
    path = travel(declaration)
    low, high = path.value(0), path.value(path.count)
    value = low + fraction * (high - low)
    position = path.position(value)
    assert path.value(max(position - 1, 0)) <= value <= path.value(min(position + 1, path.count))


def test_the_ends_of_a_slider_are_exact() -> None:
    ends = {d.help: (travel(d).value(0), travel(d).value(travel(d).count)) for d in NUMBERS}
    assert ends == {
        "noise": (0.0, 2.0),
        "order": (1, 12),
        "eigenvalue": (1e-4, 1e3),
        "final time": (0.0, 0.1),
        "modes": (1, 4096),
        "points": (0, 100_000),
        "share": (0.001, 0.999),
    }


def test_a_log_slider_whose_domain_holds_zero_starts_at_zero_and_goes_on_at_its_low_end() -> None:
    path = travel(LOG_FROM_ZERO)
    assert (path.value(0), path.value(1)) == (0.0, 1e-6)
    assert path.position(0.0) == 0
    assert path.position(1e-9) == 1
    assert path.stepped(0.0, 1, fine=True) == 1e-6
    assert path.stepped(1.05e-6, -1, fine=False) == 1e-6
    assert path.stepped(1e-6, -1, fine=True) == 0.0


def test_powers_of_ten_are_on_a_log_slider() -> None:
    path = travel(LOG)
    assert [path.value(path.position(10.0**k)) for k in range(-4, 4)] == [10.0**k for k in range(-4, 4)]


def test_a_whole_log_slider_holds_every_small_number() -> None:
    path = travel(LOG_WHOLE)
    assert [path.value(position) for position in range(12)] == list(range(1, 13))
    assert path.stepped(12, -1, fine=False) == 11
    assert path.stepped(1000, 1, fine=True) == 1001
    assert path.stepped(5000, 1, fine=False) > 5000
    assert path.stepped(5000, -10, fine=False) < 4096
    assert path.stepped(1, -1, fine=False) == 0


@pytest.mark.parametrize("declaration", NUMBERS, ids=lambda d: d.help)
@given(fraction=st.floats(0.01, 0.99), fine=st.booleans())
def test_a_step_up_grows_and_a_step_down_shrinks(declaration: Number, fraction: float, fine: bool) -> None:
    path = travel(declaration)
    value = path.value(round(fraction * path.count))
    assert path.stepped(value, -1, fine) < value < path.stepped(value, 1, fine)
    assert path.stepped(value, 10, fine) > path.stepped(value, 1, fine)


def test_steps_are_short_numbers() -> None:
    path = travel(LINEAR)
    assert path.stepped(0.1, 1, fine=False) == 0.12
    assert path.stepped(0.1, 1, fine=True) == 0.102
    assert path.stepped(0.1, 10, fine=False) == 0.3


def test_a_step_out_of_the_domain_stops_at_its_end_or_stays() -> None:
    assert within(UNIT, 0.99, 1.2) == 1.0
    assert within(POSITIVE, 0.01, -0.2) == 0.01
    assert within(REAL, 0.0, 3.0) == 3.0


# ------------------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02, "0.02"), (1e-5, "1e-5"), (1.0, "1"), (64, "64"), (1234567, "1234567"), (2e6, "2e6"), (1 / 3, "0.333333")],
)
def test_numbers_are_shown_short(value: float, text: str) -> None:
    assert short(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_texts_of_numbers_are_read_back(value: float) -> None:
    assert evaluate(exact(value)) == value
    read = float(evaluate(short(value)))
    assert math.isinf(read) or short(read) == short(value)


def test_dragging_says_so_until_the_handle_is_let_go(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    slider = field.slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    assert said.edited == []
    for distance in (10, 20, 30):
        qtbot.mouseMove(slider, middle + QPoint(distance, 0))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle + QPoint(30, 0))
    values, dragging = zip(*cast("list[tuple[float, bool]]", said.edited), strict=True)
    assert dragging == (True, True, True, False)
    assert 1.0 < values[0] < values[1] < values[2] == values[3]


def test_pressing_the_groove_brings_the_handle_there(qtbot: QtBot) -> None:
    field, said = number(qtbot, LOG_FROM_ZERO, 0.1)
    qtbot.mouseClick(field.slider, Qt.MouseButton.LeftButton, pos=QPoint(1, field.slider.height() // 2))
    assert said.edited == [(0.0, True), (0.0, False)]


def test_pressing_a_handle_without_moving_it_changes_nothing(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 1.00049)
    middle = QPoint(field.slider.width() // 2, field.slider.height() // 2)
    qtbot.mouseClick(field.slider, Qt.MouseButton.LeftButton, pos=middle)
    assert said.edited == []


def test_a_held_handle_is_not_moved_by_an_answer(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    slider = field.slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(slider, middle + QPoint(20, 0))
    held = slider.value()
    field.set_value(0.25)
    assert (slider.value(), field.entry.text()) == (held, "0.25")
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle + QPoint(20, 0))
    assert slider.value() == travel(LINEAR).position(0.25)
    assert said.edited[-1][1] is False


@pytest.mark.parametrize(("text", "value"), [("1/50", 0.02), ("2^-6", 0.015625), ("5e-3", 0.005), ("50", 50)])
def test_the_entry_takes_arithmetic_and_values_beyond_the_slider(qtbot: QtBot, text: str, value: float) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    field.entry.selectAll()
    qtbot.keyClicks(field.entry, text)
    qtbot.keyClick(field.entry, Qt.Key.Key_Return)
    assert said.edited == [(value, False)]
    field.set_value(value)
    assert field.entry.text() == short(value)
    assert field.slider.value() == travel(LINEAR).position(value)


def test_an_unreadable_text_is_told_and_escape_reverts(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    field.entry.setFocus()
    field.entry.setText("two")
    qtbot.keyClick(field.entry, Qt.Key.Key_Escape)
    assert (field.entry.text(), said.unreadable) == ("1", [])
    field.entry.setText("two")
    qtbot.keyClick(field.entry, Qt.Key.Key_Return)
    assert said.unreadable == ["must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'two'"]
    field.refuse()
    assert (field.entry.text(), field.entry.is_refused) == ("1", True)
    qtbot.keyClicks(field.entry, "2")
    assert not field.entry.is_refused
    assert said.edited == []


def test_leaving_the_entry_commits(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    field.entry.setFocus()
    field.entry.setText("0.5")
    field.slider.setFocus()
    assert said.edited == [(0.5, False)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (Qt.Key.Key_Up, 1.02),
        (Qt.Key.Key_Down, 0.98),
        (Qt.Key.Key_PageUp, 1.2),
        (Qt.Key.Key_PageDown, 0.8),
    ],
)
def test_keys_step_in_the_slider_and_in_the_entry(qtbot: QtBot, key: Qt.Key, value: float) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    for control in field.controls:
        qtbot.keyClick(control, key)
    qtbot.keyClick(field.slider, key, Qt.KeyboardModifier.ShiftModifier)
    fine = round(1.0 + 0.1 * (value - 1.0), 12)
    assert said.edited == [(value, False), (value, False), (fine, False)]


def test_the_keys_of_the_slider_stop_at_its_ends_and_those_of_the_entry_go_on(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 2.0)
    qtbot.keyClick(field.slider, Qt.Key.Key_Right)
    assert said.edited == []
    qtbot.keyClick(field.entry, Qt.Key.Key_Up)
    qtbot.keyClick(field.slider, Qt.Key.Key_Home)
    field.set_value(0.0)
    qtbot.keyClick(field.entry, Qt.Key.Key_Down)
    qtbot.keyClick(field.slider, Qt.Key.Key_End)
    assert said.edited == [(2.02, False), (0.0, False), (2.0, False)]


def wheel(field: NumberField) -> bool:
    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(field.slider.mapToGlobal(QPoint(5, 5))),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    field.slider.wheelEvent(event)
    return event.isAccepted()


def test_the_wheel_steps_only_with_the_focus(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 1.0)
    field.entry.setFocus()
    assert not wheel(field)
    field.slider.setFocus()
    assert wheel(field)
    assert said.edited == [(1.02, False)]


def test_a_double_click_on_the_slider_asks_for_the_default(qtbot: QtBot) -> None:
    field, said = number(qtbot, LINEAR, 0.5)
    qtbot.mouseDClick(field.slider, Qt.MouseButton.LeftButton, pos=QPoint(field.slider.width() // 2, 5))
    assert said.resets == 1


@given(value=st.floats(0.0, 1e6))
def test_showing_a_number_emits_nothing(qapp: object, value: float) -> None:
    assert qapp is not None
    field = NumberField(LINEAR)
    said = Said(field)
    field.set_value(value)
    assert (field.entry.text(), said.edited) == (short(value), [])
    assert field.entry.toolTip() == repr(value)


# ------------------------------------------------------------------------------------------------------- others


def test_a_flag_and_an_option(qtbot: QtBot) -> None:
    flag, said = shown(qtbot, FlagField(Flag("", "yes or no")))
    flag.set_value(True)
    assert (flag.box.isChecked(), said.edited) == (True, [])
    qtbot.keyClick(flag.box, Qt.Key.Key_Space)
    assert said.edited == [(False, False)]
    menu, said = shown(qtbot, OptionField(Option("", ("one", "two"), "which")))
    menu.set_value("two")
    assert (menu.menu.currentText(), said.edited) == ("two", [])
    qtbot.keyClick(menu.menu, Qt.Key.Key_Up)
    assert said.edited == [("one", False)]


@pytest.mark.parametrize("there", [False, True])
def test_a_card_that_is_not_there_cannot_be_chosen(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    form = Form(Sinkhorn(storage="streamed"))
    chosen: list[Component] = []

    def choose(component: Component, _path: str, _dragging: bool) -> None:
        chosen.append(component)

    form.changed.connect(choose)
    qtbot.addWidget(form)
    with qtbot.waitActive(form):
        form.show()
        form.activateWindow()
    field = form.row("device").field
    assert isinstance(field, OptionField)
    why = "cuda needs an NVIDIA graphics card and a PyTorch made for it, and there is none here"
    assert field.menu.itemData(1, Qt.ItemDataRole.ToolTipRole) == (None if there else why)
    assert field.menu.toolTip().endswith(why) is not there
    qtbot.keyClick(field.menu, Qt.Key.Key_Down)
    assert chosen == ([Sinkhorn(storage="streamed", device="cuda")] if there else [])
    # What a file asks for is shown all the same.
    form.set_value(Sinkhorn(device="cuda"))
    assert field.menu.currentText() == "cuda"
    # Other menus are left alone.
    assert field.menu.itemData(0, Qt.ItemDataRole.ToolTipRole) is None
    storage = form.row("storage").field
    assert isinstance(storage, OptionField)
    assert why not in storage.menu.toolTip()


def test_a_short_list_is_edited_in_its_line(qtbot: QtBot) -> None:
    field, said = shown(qtbot, NumbersField(Numbers("λ", "eigenvalues", NONNEGATIVE, 1)))
    field.set_value((4.0, 0.1234567891))
    assert field.entry.text() == "4, 0.1234567891"
    field.entry.setText("1, 1/2")
    qtbot.keyClick(field.entry, Qt.Key.Key_Return)
    assert said.edited == [((1.0, 0.5), False)]
    field.entry.setText("1, x")
    qtbot.keyClick(field.entry, Qt.Key.Key_Return)
    assert said.unreadable == ["must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'x'"]


def test_a_long_list_is_summed_up_and_edited_in_a_box(qtbot: QtBot) -> None:
    field, said = shown(qtbot, NumbersField(Numbers("λ", "eigenvalues", NONNEGATIVE, 2)))
    value = tuple(1.0 / k for k in range(1, 41))
    field.set_value(value)
    assert field.entry.text() == "1, 0.5, 0.333333, … 40 numbers"
    assert field.entry.isReadOnly()
    dialog = field.open_dialog()
    assert dialog.value == value
    dialog.box.setPlainText("1 2 -3")
    assert dialog.reason.text() == "The list must hold numbers in [0, inf), got -3.0 at position 2."
    assert not dialog.accept_button.isEnabled()
    dialog.box.setPlainText("1")
    assert dialog.reason.text() == "The list must hold at least 2 numbers, got 1."
    dialog.box.setPlainText("3\n2; 1")
    assert (dialog.count.text(), dialog.reason.text()) == ("3 numbers", "")
    assert said.edited == []
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert said.edited == [((3.0, 2.0, 1.0), False)]


def test_a_path_is_typed_browsed_or_dropped(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    field, said = shown(qtbot, PathField(Path("", "eigenvalues", ("*.npy", "*.csv"))))
    field.entry.setText("a.npy")
    qtbot.keyClick(field.entry, Qt.Key.Key_Return)
    asked: list[object] = []

    def choose(*arguments: object) -> tuple[str, str]:
        asked.extend(arguments[1:])
        return "b.npy", ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    qtbot.mouseClick(field.button, Qt.MouseButton.LeftButton)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/data/c.npy")])
    drop = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    field.dropEvent(drop)
    assert said.edited == [("a.npy", False), ("b.npy", False), ("/data/c.npy", False)]
    assert asked == ["How much of it", "", "Readable files (*.npy *.csv);;All files (*)"]


def test_a_folder_is_browsed_where_there_are_no_patterns(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    field, said = shown(qtbot, PathField(Path("", "folder of tables", ())))

    def choose(*_: object) -> str:
        return "/data"

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", choose)
    field.browse()
    assert said.edited == [("/data", False)]


class PowerLaw(Component):
    """Eigenvalues that decay.

    More about them.
    """

    formula = "λᵢ = i⁻ᵃ"
    source = "Field 1987"


class VPLinear(Component):
    """Linear."""


def test_kinds_have_readable_titles() -> None:
    names = ("FlowMatching", "DPMSolverPP2M", "DDIM", "VPCosine", "EulerMaruyama", "UniPC", "EDMHeun", "RungeKutta4")
    titles = [title(cast("type[Component]", type(name, (Component,), {}))) for name in names]
    assert titles == [
        "Flow matching",
        "DPMSolverPP2M",
        "DDIM",
        "VP cosine",
        "Euler Maruyama",
        "UniPC",
        "EDM Heun",
        "RungeKutta4",
    ]


def test_a_menu_of_kinds(qtbot: QtBot) -> None:
    field, said = shown(qtbot, KindField(Choice((PowerLaw, VPLinear), "which")))
    field.set_value(VPLinear())
    assert (field.menu.currentText(), said.edited) == ("VP linear", [])
    assert field.menu.itemData(0, Qt.ItemDataRole.ToolTipRole) == about(PowerLaw)
    assert about(PowerLaw) == "Eigenvalues that decay.\nλᵢ = i⁻ᵃ\nField 1987"
    qtbot.keyClick(field.menu, Qt.Key.Key_Up)
    assert said.edited == [(PowerLaw, False)]


def test_a_family_of_one_is_a_name(qtbot: QtBot) -> None:
    field, _ = shown(qtbot, KindField(Choice((PowerLaw,), "which")))
    field.set_value(PowerLaw())
    assert field.controls == ()
    assert (field.name.text(), field.name.isVisible(), field.menu.isVisible()) == ("Power law", True, False)


def test_a_declaration_without_an_editor_is_refused() -> None:
    class Strange(Declaration):
        def check(self, value: object) -> object:
            return value

        def parse(self, text: str) -> object:
            return text

    with pytest.raises(TypeError, match=r"^Strange has no editor$"):
        editor(Strange())
