"""The form, driven as a person would, over a small family of components of its own."""

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication, QLabel, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from explorer.fields import Field, FlagField, NumberField, NumbersField, OptionField
from explorer.fields.base import alarm, muted
from explorer.form import Form, replaced
from kernels.param import (
    NONNEGATIVE,
    UNIT,
    Choice,
    Component,
    Interval,
    choice,
    declarations,
    flag,
    leaves,
    numbers,
    option,
    param,
    path,
)

F = TypeVar("F", bound=Field)


def above_bottom(band: "Band") -> bool:
    return band.low <= band.high


def few_when_coarse(study: "Study") -> bool:
    return not (isinstance(study.method, Fine) and isinstance(study.data, Listed))


@dataclass(frozen=True, kw_only=True)
class Decay(Component):
    """Values that decay."""

    formula = "λᵢ = c i⁻ᵃ, a formula long enough not to fit in a narrow form, so that it ends in an ellipsis"
    source = "a paper"
    modes: int = param(64, "d", (1, 4096), "number of modes", domain=Interval(1, 10_000_000), log=True)
    rate: float = param(2.0, "a", (0.0, 4.0), "exponent of the decay")


@dataclass(frozen=True, kw_only=True)
class Listed(Component):
    """Values as listed."""

    values: tuple[float, ...] = numbers((4.0, 1.0), "λ", "eigenvalues", domain=NONNEGATIVE)
    file: str = path("", "where they come from", ("*.npy",))


@dataclass(frozen=True, kw_only=True)
class Band(Component):
    """Two ends."""

    low: float = param(0.1, "β₀", (0.0, 1.0), "lower end", domain=NONNEGATIVE)
    high: float = param(0.5, "β₁", (0.0, 1.0), "upper end", domain=NONNEGATIVE)
    constraints = ((above_bottom, "low must not exceed high, got {self.low} and {self.high}"),)


@dataclass(frozen=True, kw_only=True)
class Coarse(Component):
    """A method with noise."""

    stochasticity: float = param(1.0, "ε", (0.0, 2.0), "0 is the ODE, 1 the reverse SDE", domain=NONNEGATIVE)
    stop: float = param(1e-3, "t", (1e-6, 0.1), "final time", domain=NONNEGATIVE, log=True, unit="s")
    last: bool = flag(False, "", "append a last step")
    target: str = option("noise", "", ("noise", "data"), "what is predicted")


@dataclass(frozen=True, kw_only=True)
class Fine(Component):
    """A method around a band."""

    share: float = param(0.5, "η", (0.0, 1.0), "share", domain=UNIT)
    band: Band = choice(Band(), (Band,), "where it works")


@dataclass(frozen=True, kw_only=True)
class Bare(Component):
    """A method without parameters."""


@dataclass(frozen=True, kw_only=True)
class Study(Component):
    seed: int = param(0, "", (0, 100), "seed of the noise", domain=Interval(0, 2**31))
    data: Decay | Listed = choice(Decay(), (Decay, Listed), "what is given")
    band: Band = choice(Band(), (Band,), "where it is looked at")
    method: Coarse | Fine | Bare = choice(Coarse(), (Coarse, Fine, Bare), "what is done")
    constraints = ((few_when_coarse, "Fine does not read lists"),)


class Said:
    """Everything a form said."""

    def __init__(self, form: Form) -> None:
        self.changed: list[tuple[Component, str, bool]] = []
        self.refused: list[str] = []
        self.swept: list[str] = []
        form.changed.connect(self._change)
        form.refused.connect(self.refused.append)
        form.sweep_requested.connect(self.swept.append)

    def _change(self, component: Component, where: str, dragging: bool) -> None:
        self.changed.append((component, where, dragging))

    @property
    def steps(self) -> list[tuple[str, bool]]:
        """Where something changed, and whether in a drag."""
        return [(where, dragging) for _, where, dragging in self.changed]


Opened = tuple[Form, Said]


@pytest.fixture
def opened(qtbot: QtBot) -> Opened:
    return open_form(qtbot, Form(Study()))


def open_form(qtbot: QtBot, form: Form) -> Opened:
    qtbot.addWidget(form)
    form.resize(340, 700)
    with qtbot.waitActive(form):
        form.show()
        form.activateWindow()
    return form, Said(form)


def field(form: Form, where: str, kind: type[F]) -> F:
    found = form.row(where).field
    assert isinstance(found, kind)
    return found


def type_text(qtbot: QtBot, form: Form, where: str, text: str) -> QLineEdit:
    entry = field(form, where, NumberField).entry
    entry.setFocus()
    entry.selectAll()
    qtbot.keyClicks(entry, text)
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    return entry


def choose(qtbot: QtBot, form: Form, where: str, kind: type[Component]) -> None:
    menu = form.group(where).kinds.menu
    kinds = [menu.itemText(position) for position in range(menu.count())]
    wished = kinds.index(kind.__name__)
    key = Qt.Key.Key_Down if wished > menu.currentIndex() else Qt.Key.Key_Up
    while menu.currentIndex() != wished:
        before = menu.currentIndex()
        qtbot.keyClick(menu, key)
        assert menu.currentIndex() != before


# ----------------------------------------------------------------------------------------------------- changes


def test_a_typed_number_makes_a_new_component(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    entry = type_text(qtbot, form, "method.stochasticity", "1/50")
    expected = Study(method=Coarse(stochasticity=0.02))
    assert said.changed == [(expected, "method.stochasticity", False)]
    assert (form.component, entry.text(), entry.toolTip()) == (expected, "0.02", "0.02")


def test_a_number_beyond_the_slider_but_in_the_domain_is_accepted(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    type_text(qtbot, form, "method.stochasticity", "50")
    assert said.changed == [(Study(method=Coarse(stochasticity=50.0)), "method.stochasticity", False)]
    slider = field(form, "method.stochasticity", NumberField).slider
    assert slider.value() == slider.maximum()


def test_an_unchanged_number_says_nothing_and_is_written_short(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    entry = type_text(qtbot, form, "method.stochasticity", "2/2")
    assert (entry.text(), said.changed, said.refused) == ("1", [], [])


def test_a_field_of_the_top_component_has_a_row_too(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    type_text(qtbot, form, "seed", "7")
    assert said.changed == [(Study(seed=7), "seed", False)]


def test_dragging_a_slider_says_so_until_it_is_let_go(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    slider = field(form, "method.stochasticity", NumberField).slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    for distance in (5, 10):
        qtbot.mouseMove(slider, middle + QPoint(distance, 0))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle + QPoint(10, 0))
    where = "method.stochasticity"
    assert said.steps == [(where, True), (where, True), (where, False)]
    assert said.changed[1][0] == said.changed[2][0] == form.component


def test_the_leftmost_position_of_a_log_slider_is_zero(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    qtbot.keyClick(field(form, "method.stop", NumberField).slider, Qt.Key.Key_Home)
    assert said.changed == [(Study(method=Coarse(stop=0.0)), "method.stop", False)]


def test_the_other_editors_change_their_fields(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    qtbot.keyClick(field(form, "method.last", FlagField).box, Qt.Key.Key_Space)
    qtbot.keyClick(field(form, "method.target", OptionField).menu, Qt.Key.Key_Down)
    assert form.component == Study(method=Coarse(last=True, target="data"))
    assert said.steps == [("method.last", False), ("method.target", False)]


def test_an_inner_choice_is_a_group_in_a_group(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    form.set_value(Study(method=Fine()))
    type_text(qtbot, form, "method.band.low", "0.2")
    assert said.changed == [(Study(method=Fine(band=Band(low=0.2))), "method.band.low", False)]


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("where", "text", "sentence"),
    [
        ("method.stochasticity", "-1", "Coarse.stochasticity (ε) must lie in [0, inf), got -1.0."),
        ("method.stochasticity", "inf", "Coarse.stochasticity (ε) must lie in [0, inf), got inf."),
        ("data.modes", "1.5", "Decay.modes (d) must be a whole number in [1, 1e+07], got 1.5."),
        (
            "method.stop",
            "soon",
            "Coarse.stop (t) must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'soon'.",
        ),
        ("band.low", "0.75", "Band: low must not exceed high, got 0.75 and 0.5."),
        ("seed", "-1", "Study.seed must lie in [0, 2.14748e+09], got -1."),
    ],
)
def test_a_refused_entry_is_told_and_reverted(
    qtbot: QtBot, opened: Opened, where: str, text: str, sentence: str
) -> None:
    form, said = opened
    before = field(form, where, NumberField).entry.text()
    entry = type_text(qtbot, form, where, text)
    row = form.row(where)
    assert (said.refused, said.changed) == ([sentence], [])
    assert (entry.text(), form.component) == (before, Study())
    assert (row.reason.text(), row.reason.isVisible()) == (sentence, True)
    assert field(form, where, NumberField).entry.is_refused


def test_a_refusal_is_forgotten_with_the_next_change(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    type_text(qtbot, form, "method.stochasticity", "-1")
    type_text(qtbot, form, "seed", "3")
    row = form.row("method.stochasticity")
    assert not row.reason.isVisible()
    assert not field(form, "method.stochasticity", NumberField).entry.is_refused
    type_text(qtbot, form, "seed", "-3")
    form.set_value(Study())
    assert not form.row("seed").reason.isVisible()
    assert len(said.refused) == 2


def test_a_slider_drawn_where_it_may_not_stand_comes_back(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    number = field(form, "band.low", NumberField)
    slider = number.slider
    start = QPoint(0, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start + QPoint(slider.width() // 5, 0))
    qtbot.mouseMove(slider, start + QPoint(slider.width() // 3, 0))
    last = form.component
    qtbot.mouseMove(slider, start + QPoint(slider.width() - 1, 0))
    assert said.refused == []
    assert form.row("band.low").reason.isVisible()
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=start + QPoint(slider.width() - 1, 0))
    assert said.refused == ["Band: low must not exceed high, got 1.0 and 0.5."]
    assert said.changed[-1] == (last, "band.low", False)
    assert {dragging for _, dragging in said.steps[:-1]} == {True}
    assert slider.value() < slider.maximum() // 2


# ------------------------------------------------------------------------------------------------------ kinds


def test_a_kind_comes_back_with_the_values_it_had(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    type_text(qtbot, form, "method.stochasticity", "0.5")
    choose(qtbot, form, "method", Bare)
    assert form.component == Study(method=Bare())
    choose(qtbot, form, "method", Coarse)
    assert form.component == Study(method=Coarse(stochasticity=0.5))
    assert {where for where, _ in said.steps[1:]} == {"method"}
    form.set_value(Study(method=Coarse(stochasticity=0.25)))
    form.set_value(Study(method=Bare()))
    choose(qtbot, form, "method", Coarse)
    assert form.component == Study(method=Coarse(stochasticity=0.25))


def test_a_refused_kind_is_told_and_the_menu_comes_back(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    form.set_value(Study(data=Listed()))
    menu = form.group("method").kinds.menu
    qtbot.keyClick(menu, Qt.Key.Key_Down)
    assert said.refused == ["Study: Fine does not read lists."]
    assert (menu.currentText(), said.changed) == ("Coarse", [])
    assert form.group("method").reason.isVisible()
    type_text(qtbot, form, "seed", "1")
    assert not form.group("method").reason.isVisible()


def test_the_program_may_adapt_what_stands_beside_a_chosen_kind(qtbot: QtBot) -> None:
    calls: list[tuple[str, type[Component], Component]] = []

    def select(top: Component, where: str, kind: type[Component], remembered: Component) -> Component:
        calls.append((where, kind, remembered))
        return replace(replaced(top, where, remembered), seed=9)

    form, said = open_form(qtbot, Form(Study(), select_kind=select))
    choose(qtbot, form, "data", Listed)
    assert calls == [("data", Listed, Listed())]
    assert said.changed == [(Study(data=Listed(), seed=9), "data", False)]
    assert field(form, "seed", NumberField).entry.text() == "9"


def test_a_family_of_one_is_a_name_and_not_a_menu(opened: Opened) -> None:
    form, _ = opened
    kinds = form.group("band").kinds
    assert (kinds.name.text(), kinds.name.isVisible(), kinds.menu.isVisible()) == ("Band", True, False)


def test_only_the_group_of_another_kind_is_rebuilt(qtbot: QtBot, opened: Opened) -> None:
    form, _ = opened
    rows = {where: form.row(where) for where in form.paths()}
    choose(qtbot, form, "data", Listed)
    assert form.paths()[1:3] == ("data.values", "data.file")
    assert all(form.row(where) is rows[where] for where in form.paths() if not where.startswith("data"))


def test_the_keyboard_stays_in_a_group_whose_rows_go(opened: Opened) -> None:
    form, _ = opened
    field(form, "method.stop", NumberField).slider.setFocus()
    form.set_value(Study(method=Bare()))
    assert form.group("method").kinds.menu.hasFocus()


# -------------------------------------------------------------------------------------------------- set_value


FIELDS: dict[str, st.SearchStrategy[object]] = {
    "modes": st.integers(1, 10_000_000),
    "rate": st.floats(-1e3, 1e3),
    "values": st.lists(st.floats(0, 1e6), min_size=1, max_size=20).map(tuple),
    "file": st.text(max_size=5),
    "low": st.floats(0, 1),
    "high": st.floats(1, 2),
    "stochasticity": st.floats(0, 1e12),
    "stop": st.floats(0, 1),
    "last": st.booleans(),
    "target": st.sampled_from(["noise", "data"]),
    "share": st.floats(0, 1),
    "seed": st.integers(0, 2**31),
}


@dataclass(frozen=True)
class Plan:
    """A component to be made: type checks draw at random, which a strategy may not."""

    kind: type[Component]
    values: dict[str, object]

    def make(self) -> Component:
        return self.kind(
            **{name: value.make() if isinstance(value, Plan) else value for name, value in self.values.items()}
        )


def plans(kind: type[Component]) -> st.SearchStrategy[Plan]:
    """Any legal values, on the sliders and off them."""
    parts = {
        name: st.one_of([plans(inner) for inner in declaration.kinds])
        if isinstance(declaration, Choice)
        else FIELDS[name]
        for name, declaration in declarations(kind).items()
    }
    return st.fixed_dictionaries(parts).map(lambda values: Plan(kind, values))


def readable(plan: Plan) -> bool:
    kinds = [part.kind for part in plan.values.values() if isinstance(part, Plan)]
    return not (Fine in kinds and Listed in kinds)


STUDIES = plans(Study).filter(readable)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=STUDIES)
def test_a_component_that_is_set_is_shown_and_nothing_is_said(opened: Opened, plan: Plan) -> None:
    form, said = opened
    study = plan.make()
    form.set_value(study)
    assert form.component == study
    assert (said.changed, said.refused) == ([], [])
    expected = [where for where, declaration, _ in leaves(study) if not isinstance(declaration, Choice)]
    assert list(form.paths()) == expected
    for where, _, value in leaves(study):
        if where in expected:
            assert form.row(where).value == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=STUDIES)
def test_typing_every_shown_number_again_changes_nothing_a_person_sees(opened: Opened, plan: Plan) -> None:
    form, said = opened
    study = plan.make()
    form.set_value(study)
    for where in form.paths():
        found = form.row(where).field
        if isinstance(found, NumberField | NumbersField):
            found.entry.editingFinished.emit()
    assert (said.changed, said.refused, form.component) == ([], [], study)


def test_setting_a_value_leaves_a_held_slider_and_a_half_typed_entry_alone(qtbot: QtBot, opened: Opened) -> None:
    form, said = opened
    entry = field(form, "data.rate", NumberField).entry
    entry.setFocus()
    entry.setText("3.")
    form.set_value(Study(seed=5))
    assert (entry.text(), entry.hasFocus()) == ("3.", True)
    slider = field(form, "method.stochasticity", NumberField).slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(slider, middle + QPoint(15, 0))
    held = slider.value()
    form.set_value(Study(seed=6))
    assert slider.value() == held
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle + QPoint(15, 0))
    assert said.changed[-1][1:] == ("method.stochasticity", False)
    form.set_value(Study(data=Decay(rate=1.0)))
    assert entry.text() == "1"


def test_setting_values_of_the_same_kinds_is_fast(opened: Opened) -> None:
    form, _ = opened
    values = [Study(seed=k, data=Decay(modes=k + 1, rate=float(k))) for k in range(50)]
    before = time.perf_counter()
    for value in values:
        form.set_value(value)
    # Far above what was measured (0.06 ms): a rebuild of the rows, which this guards against, takes far longer.
    assert (time.perf_counter() - before) / len(values) < 3e-3


# ---------------------------------------------------------------------------------------- defaults and menu


@pytest.mark.parametrize("part", ["label", "slider"])
def test_a_double_click_brings_the_default_back(qtbot: QtBot, opened: Opened, part: str) -> None:
    form, said = opened
    form.set_value(Study(method=Coarse(stochasticity=0.5)))
    row = form.row("method.stochasticity")
    assert row.label.is_changed
    slider = field(form, "method.stochasticity", NumberField).slider
    target: QWidget = row.label if part == "label" else slider
    qtbot.mouseDClick(target, Qt.MouseButton.LeftButton, pos=QPoint(target.width() // 4, target.height() // 2))
    assert said.changed[-1] == (Study(), "method.stochasticity", False)
    assert not row.label.is_changed


def test_the_menu_of_a_row_resets_copies_and_sweeps(opened: Opened) -> None:
    form, said = opened
    form.set_value(Study(method=Coarse(stop=0.0123456789)))
    menu = form.row("method.stop").menu()
    actions = {action.text(): action for action in menu.actions()}
    assert list(actions) == ["Reset", "Copy", "Sweep this parameter"]
    actions["Copy"].trigger()
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == "0.0123456789"
    actions["Sweep this parameter"].trigger()
    actions["Reset"].trigger()
    assert (said.swept, form.component) == (["method.stop"], Study())
    assert [action.text() for action in form.row("method.target").menu().actions()] == ["Reset", "Copy"]


# ---------------------------------------------------------------------------------- filter, keyboard, names


def visible_rows(form: Form) -> list[str]:
    return [where for where in form.paths() if form.row(where).isVisible()]


def search_of(form: Form) -> QLineEdit:
    form.focus_search()
    found = form.focusWidget()
    assert isinstance(found, QLineEdit)
    return found


def test_the_filter_shows_rows_that_match_every_word(qtbot: QtBot, opened: Opened) -> None:
    form, _ = opened
    everything = visible_rows(form)
    form.group("method").toggle.click()
    assert "method.stop" not in visible_rows(form)
    search = search_of(form)
    qtbot.keyClicks(search, "FINAL time")
    assert visible_rows(form) == ["method.stop"]
    assert not form.group("data").isVisible()
    search.setText("β₁")
    assert visible_rows(form) == ["band.high"]
    search.setText("decay")
    assert visible_rows(form) == ["data.modes", "data.rate"]
    search.setText("nothing of the kind")
    assert visible_rows(form) == []
    texts = [label.text() for label in form.findChildren(QLabel) if label.isVisible()]
    assert texts == ["No parameter matches “nothing of the kind”."]
    qtbot.keyClick(search, Qt.Key.Key_Escape)
    form.group("method").toggle.click()
    assert visible_rows(form) == everything


def test_the_tab_key_visits_every_control_from_top_to_bottom(qtbot: QtBot, opened: Opened) -> None:
    form, _ = opened
    form.set_value(Study(data=Listed(), method=Bare()))
    form.set_value(Study())
    form.focus_search()
    visited: list[QWidget] = []
    while (widget := QApplication.focusWidget()) not in visited:
        assert widget is not None
        visited.append(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
    expected = [control for where in form.paths() for control in form.row(where).field.controls]
    assert [widget for widget in visited if widget in expected] == expected
    heights = [widget.mapTo(form, QPoint(0, widget.height() // 2)).y() for widget in visited]
    assert all(below >= above - 3 for above, below in pairwise(heights))
    assert len(visited) == 1 + len(expected) + 3 + 2


def test_a_form_can_be_used_without_a_mouse(qtbot: QtBot, opened: Opened) -> None:
    form, _ = opened
    form.focus_search()

    def press(*keys: Qt.Key) -> None:
        for key in keys:
            qtbot.keyClick(QApplication.focusWidget(), key)

    # From the filter to the slider of the seed, its entry, the title of the data and its menu.
    press(Qt.Key.Key_Tab, Qt.Key.Key_Right, Qt.Key.Key_PageUp, Qt.Key.Key_Tab, Qt.Key.Key_Up)
    press(Qt.Key.Key_Tab, Qt.Key.Key_Tab, Qt.Key.Key_Down)
    assert form.component == Study(seed=12, data=Listed())


def test_every_control_has_a_name_for_those_who_do_not_see_it(opened: Opened) -> None:
    form, _ = opened
    for study in (Study(), Study(data=Listed(), method=Bare()), Study(method=Fine())):
        form.set_value(study)
        controls = [
            w for w in form.findChildren(QWidget) if w.focusPolicy() & Qt.FocusPolicy.TabFocus and w.isVisible()
        ]
        inner = ("qt_spinbox_lineedit", "qt_scrollarea_viewport")
        nameless = [w for w in controls if not w.accessibleName() and w.objectName() not in inner]
        assert nameless == []
        names = [w.accessibleName() for w in controls]
        assert sorted(set(names)) == sorted(names)
        for where in form.paths():
            assert form.row(where).label.buddy() is form.row(where).field.controls[0]


# ---------------------------------------------------------------------------------------------------- looks


@pytest.mark.parametrize(("width", "points", "beside"), [(340, 9, True), (300, 9, True), (300, 18, False)])
def test_editors_stay_whole_in_narrow_forms_and_large_type(
    qtbot: QtBot, opened: Opened, width: int, points: int, beside: bool
) -> None:
    form, _ = opened
    form.setFont(QFont(form.font().family(), points))
    form.resize(width, 700)
    qtbot.waitUntil(lambda: form.row("data.rate").field.width() > 0)
    QApplication.processEvents()
    columns: set[int] = set()
    for where in form.paths():
        row = form.row(where)
        first = row.field.controls[0]
        columns.add(first.mapTo(form, QPoint(0, 0)).x())
        assert row.field.width() >= row.field.minimumSizeHint().width()
        assert row.mapTo(form, QPoint(row.width(), 0)).x() <= form.width()
        assert (row.label.y() + row.label.height() > first.mapTo(row, QPoint(0, 0)).y()) is beside
    assert len(columns) == 1


@pytest.mark.parametrize(("window", "text"), [("#f0f0f0", "#000000"), ("#26282b", "#e6e6e6"), ("#ffffff", "#202020")])
def test_own_inks_read_on_light_and_dark(window: str, text: str) -> None:
    palette = QPalette(QColor(window))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(text))

    def luminance(color: QColor) -> float:
        parts = (color.redF(), color.greenF(), color.blueF())
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink in (alarm(palette), muted(palette)):
        low, high = sorted((luminance(ink), luminance(QColor(window))))
        assert (high + 0.05) / (low + 0.05) >= 4.5
