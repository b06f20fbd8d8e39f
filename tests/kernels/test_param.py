"""Declarations: what they accept, the canonical value they return, and their sentences in full; typed numbers."""

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    choice,
    declarations,
    described,
    flag,
    leaves,
    nearest_first,
    numbers,
    option,
    param,
    path,
)


@dataclass(frozen=True, kw_only=True)
class Inner(Component):
    width: float = param(1.0, "w", (0.0, 2.0), "a width", domain=POSITIVE, unit="m")
    on: bool = flag(False, "?", "on or off")


@dataclass(frozen=True, kw_only=True)
class Other(Component):
    """A kind without fields."""


@dataclass(frozen=True, kw_only=True)
class Outer(Component):
    count: int = param(3, "n", (1, 10), "a count", domain=Interval(1, 100))
    color: str = option("red", "color", ("red", "green", "blue"), "a color")
    listed: tuple[float, ...] = numbers((1.0, 2.0), "xₖ", "some numbers", domain=Interval(0, 5), least=2)
    file: str = path("file", "a file", ("*.npy",))
    part: Component = choice(Inner(), (Inner, Other), "a part")
    constraints = ((lambda self: self.count != 13, "count must not be {self.count}"),)


def sentence_of(action: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as refusal:
        action()
    return str(refusal.value)


# ------------------------------------------------------------------------------------------------ intervals


@pytest.mark.parametrize(
    ("interval", "text", "inside", "outside"),
    [
        (REAL, "(-inf, inf)", [-1e308, 0.0, 3], [math.inf, -math.inf, math.nan]),
        (NONNEGATIVE, "[0, inf)", [0.0, -0.0, 1e300], [-5e-324, math.inf, math.nan]),
        (POSITIVE, "(0, inf)", [5e-324, 1], [0.0, -1.0, math.inf, math.nan]),
        (UNIT, "[0, 1]", [0, 0.5, 1], [-1e-9, 1 + 1e-9, math.nan]),
        (Interval(0, 1, includes_high=False), "[0, 1)", [0.0, 0.999], [1.0]),
        (Interval(-math.inf, 2.5), "(-inf, 2.5]", [-9, 2.5], [2.6, -math.inf]),
    ],
    ids=str,
)
def test_intervals(interval: Interval, text: str, inside: list[float], outside: list[float]) -> None:
    assert str(interval) == text
    assert [value for value in inside if value not in interval] == []
    assert [value for value in outside if value in interval] == []


# --------------------------------------------------------------------------------------------- declarations

REAL_NUMBER = Number("x", (0.0, 1.0), "", POSITIVE, log=False, unit="", integer=False)
WHOLE_NUMBER = Number("n", (1, 10), "", Interval(1, 100), log=False, unit="", integer=True)
FLAG = Flag("?", "")
OPTION = Option("o", ("alpha", "beta", "beech"), "")
LIST = Numbers("l", "", NONNEGATIVE, 2)
FILE = Path("f", "", ())
PART = Choice((Inner, Other), "")


@pytest.mark.parametrize(
    ("declaration", "value", "canonical"),
    [
        (REAL_NUMBER, 2, 2.0),
        (REAL_NUMBER, 0.25, 0.25),
        (WHOLE_NUMBER, 7, 7),
        (WHOLE_NUMBER, 7.0, 7),
        (FLAG, True, True),
        (OPTION, "beta", "beta"),
        (LIST, [1, 2.5], (1.0, 2.5)),
        (LIST, (value for value in (0, 1)), (0.0, 1.0)),
        (FILE, "a/b", "a/b"),
        (PART, Inner(width=3), Inner(width=3.0)),
    ],
)
def test_values_are_made_canonical(declaration: Declaration, value: Any, canonical: Any) -> None:
    found = declaration.check(value)
    assert found == canonical
    assert type(found) is type(canonical)
    if isinstance(found, tuple):
        assert [type(item) for item in found] == [float] * len(found)


@pytest.mark.parametrize(
    ("declaration", "value", "sentence"),
    [
        (REAL_NUMBER, 0.0, "must lie in (0, inf), got 0.0"),
        (REAL_NUMBER, math.nan, "must lie in (0, inf), got nan"),
        (REAL_NUMBER, math.inf, "must lie in (0, inf), got inf"),
        (REAL_NUMBER, "1", "must be a number in (0, inf), got '1'"),
        (REAL_NUMBER, True, "must be a number in (0, inf), got True"),
        (REAL_NUMBER, None, "must be a number in (0, inf), got None"),
        (WHOLE_NUMBER, 2.5, "must be a whole number in [1, 100], got 2.5"),
        (WHOLE_NUMBER, math.inf, "must lie in [1, 100], got inf"),
        (WHOLE_NUMBER, math.nan, "must lie in [1, 100], got nan"),
        (WHOLE_NUMBER, 101, "must lie in [1, 100], got 101"),
        (FLAG, 1, "must be true or false, got 1"),
        (OPTION, "bet", "must be one of beta, beech, alpha, got 'bet'"),
        (OPTION, 3, "must be one of alpha, beta, beech, got 3"),
        (LIST, "1, 2", "must be a list of numbers in [0, inf), got '1, 2'"),
        (LIST, 3.0, "must be a list of numbers in [0, inf), got 3.0"),
        (LIST, (1.0,), "must hold at least 2 numbers, got 1"),
        (LIST, (1.0, 2.0, -3.0), "must hold numbers in [0, inf), got -3.0 at position 2"),
        (LIST, (1.0, math.nan), "must hold numbers in [0, inf), got nan at position 1"),
        (LIST, (True, 1.0), "must hold numbers in [0, inf), got True at position 0"),
        (LIST, ("1", "2"), "must hold numbers in [0, inf), got '1' at position 0"),
        (FILE, 3, "must be a path, got 3"),
        (PART, 3, "must be one of Inner, Other, got 3"),
        (PART, Inner, f"must be one of Inner, Other, got {Inner!r}"),
    ],
    ids=str,
)
def test_other_values_are_refused(declaration: Declaration, value: Any, sentence: str) -> None:
    assert sentence_of(lambda: declaration.check(value)) == sentence


@pytest.mark.parametrize(
    ("declaration", "text", "value"),
    [
        (REAL_NUMBER, " 1/50 ", 0.02),
        (WHOLE_NUMBER, "7", 7),
        (FLAG, " Yes ", True),
        (FLAG, "FALSE", False),
        (FLAG, "1", True),
        (FLAG, "no", False),
        (OPTION, "beta", "beta"),
        (LIST, "[1, 0.5; 2^-2\n0]", (1.0, 0.5, 0.25, 0.0)),
        (LIST, "", ()),
        (FILE, "a b", "a b"),
        (PART, " Other ", Other()),
    ],
    ids=str,
)
def test_texts_are_read(declaration: Declaration, text: str, value: Any) -> None:
    assert declaration.parse(text) == value


@pytest.mark.parametrize(
    ("declaration", "text", "sentence"),
    [
        (REAL_NUMBER, "one", "must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'one'"),
        (FLAG, "maybe", "must be true or false, got 'maybe'"),
        (LIST, "1, x", "must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got 'x'"),
        (PART, "Iner", "must be one of Inner, Other, got 'Iner'"),
        (PART, "othr", "must be one of Other, Inner, got 'othr'"),
    ],
    ids=str,
)
def test_other_texts_are_refused(declaration: Declaration, text: str, sentence: str) -> None:
    assert sentence_of(lambda: declaration.parse(text)) == sentence


# ----------------------------------------------------------------------------------------------- components


def test_a_component_holds_canonical_values() -> None:
    outer = Outer(count=4.0, listed=[1, 2])  # pyright: ignore[reportArgumentType]
    assert (outer.count, outer.listed) == (4, (1.0, 2.0))
    assert type(outer.count) is int
    assert hash(outer) == hash(Outer(count=4))
    assert eval(repr(outer)) == outer
    with pytest.raises(FrozenInstanceError):
        setattr(outer, "count", 5)  # noqa: B010  (pyright knows that a frozen dataclass has no such assignment)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Inner(width=-1.0), "Inner.width (w) must lie in (0, inf), got -1.0."),
        (lambda: Inner(on=0), "Inner.on (?) must be true or false, got 0."),  # pyright: ignore[reportArgumentType]
        (lambda: Outer(color="gren"), "Outer.color (color) must be one of green, red, blue, got 'gren'."),
        (lambda: Outer(listed=(6.0, 1.0)), "Outer.listed (xₖ) must hold numbers in [0, 5], got 6.0 at position 0."),
        (lambda: Outer(part=Outer()), f"Outer.part must be one of Inner, Other, got {Outer()!r}."),
        (lambda: Outer(count=13), "Outer: count must not be 13."),
    ],
)
def test_a_component_names_its_field(make: Callable[[], Component], sentence: str) -> None:
    assert sentence_of(make) == sentence


def test_what_is_declared() -> None:
    assert list(declarations(Outer)) == ["count", "color", "listed", "file", "part"]
    assert declarations(Inner)["width"] == Number("w", (0.0, 2.0), "a width", POSITIVE, False, "m", False)
    assert declarations(Outer)["count"] == Number("n", (1, 10), "a count", Interval(1, 100), False, "", True)
    assert declarations(Other) == {}
    assert described(Inner, "width") == "Inner.width (w)"
    assert described(Outer, "part") == "Outer.part"


def test_leaves_are_in_order_and_below_their_choices() -> None:
    found = [(name, value) for name, _, value in leaves(Outer(part=Inner(width=2.0)))]
    assert found == [
        ("count", 3),
        ("color", "red"),
        ("listed", (1.0, 2.0)),
        ("file", ""),
        ("part", Inner(width=2.0)),
        ("part.width", 2.0),
        ("part.on", False),
    ]
    assert [name for name, _, _ in leaves(Inner(), "x.")] == ["x.width", "x.on"]


def test_known_names_nearest_first() -> None:
    assert nearest_first("karas", ["Uniform", "Tangent", "Karras"]) == "Karras, Uniform, Tangent"
    assert nearest_first("", []) == ""


# ------------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.02", 0.02),
        ("5e-3", 0.005),
        (" 1/50 ", 0.02),
        ("2^-6", 1 / 64),
        ("2**-6", 1 / 64),
        ("pi/4", math.pi / 4),
        ("-e", -math.e),
        ("+3", 3),
        ("2*(3 - 1) + .5", 4.5),
        ("-2^2", -4.0),
        ("2^3^2", 512.0),
        ("1_000", 1000),
        ("inf", math.inf),
        ("-inf", -math.inf),
    ],
)
def test_arithmetic(text: str, value: float) -> None:
    found = evaluate(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(evaluate("nan"))


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "1e999**2 - 9^9^9",
        "__import__('os')",
        "__import__('os').system('true')",
        "().__class__",
        "True",
        "'1'",
        "1j",
        "[1]",
        "x",
        "1 if 1 else 2",
        "1 << 9",
        "7 // 2",
        "7 % 2",
        "not 1",
        "1 < 2",
        "lambda: 1",
        "(1).real",
        "exec('1')",
        "1; 2",
        "1\n2",
        "",
        " ",
        "1/0",
        "0^-1",
        "(-8)^(1/3)",
        "1,5",
        "1 2",
        "1" * 10_000,
        "(" * 5000 + "1" + ")" * 5000,
        "-" * 100_000 + "1",
        "+".join(["1"] * 20_000),
        "9" * 400 + "*1.0",
        "\x00",
        "\ud800",
        "…",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_anything_else_is_refused_at_once(text: str) -> None:
    assert sentence_of(lambda: evaluate(text)) == f"must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got {text!r}"


@given(st.text(max_size=30))
def test_a_text_is_a_number_or_refused(text: str) -> None:
    try:
        assert isinstance(evaluate(text), (int, float))
    except ValueError as error:
        assert str(error) == f"must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got {text!r}"


@given(st.text("0123456789.e+-*/^() ", max_size=20))
def test_a_formula_is_a_number_or_refused(text: str) -> None:
    try:
        assert isinstance(evaluate(text), (int, float))
    except ValueError as error:
        assert str(error).startswith("must be a number such as ")


@given(st.floats(allow_nan=False))
def test_a_printed_float_is_read_back(value: float) -> None:
    assert evaluate(repr(value)) == value
