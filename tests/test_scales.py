"""Scales: the map and its inverse, and ticks that a reader can trust."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.scales import Linear, Log, Scale, Symlog

SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
MOST = st.integers(2, 9)
SIGN = st.sampled_from((-1.0, 1.0))


def read(text: str) -> float:
    """The number a person reads from a tick label."""
    match = re.fullmatch(r"(−?)([\d.]*)·?(?:10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    assert match, text
    sign, mantissa, exponent = match.groups()
    return float(f"{sign and '-'}{mantissa or 1}e{(exponent or '0').translate(SUPERSCRIPTS)}")


@st.composite
def linear_ranges(draw: st.DrawFn) -> tuple[float, float]:
    center = draw(SIGN) * 10 ** draw(st.floats(-12, 12)) * draw(st.sampled_from((0, 1)))
    span = 10 ** draw(st.floats(-12, 12))
    return center, center + max(span, abs(center) * 1e-8)


@st.composite
def log_ranges(draw: st.DrawFn) -> tuple[float, float]:
    start, decades = draw(st.floats(-300, 200)), 10 ** draw(st.floats(-5, 2))
    return 10**start, 10 ** (start + decades)


@st.composite
def symlog_ranges(draw: st.DrawFn) -> tuple[Symlog, float, float]:
    scale = Symlog(10 ** draw(st.floats(-12, 3)))
    low = draw(st.floats(-12, 12))
    low, high = (float(value) for value in scale.inverse(np.array([low, low + 10 ** draw(st.floats(-3, 1.3))])))
    return scale, low, high


def check(scale: Scale, low: float, high: float, most: int) -> None:
    major, minor = scale.ticks(low, high, most)
    slack = 1e-8 * (high - low)
    assert all(low - slack <= value <= high + slack for value in (*major, *minor))
    assert 2 <= len(major) <= 2 * most + 1
    assert major == sorted(major)
    assert not set(major) & set(minor)
    texts = scale.tick_texts(major)
    assert len(set(texts)) == len(texts)
    assert [read(text) for text in texts] == pytest.approx(major, rel=1e-11, abs=1e-300)


@given(linear_ranges(), MOST)
def test_linear_ticks(limits: tuple[float, float], most: int) -> None:
    check(Linear(), *limits, most)


@given(log_ranges(), MOST)
def test_log_ticks(limits: tuple[float, float], most: int) -> None:
    check(Log(), *limits, most)


@given(symlog_ranges(), MOST)
def test_symlog_ticks(case: tuple[Symlog, float, float], most: int) -> None:
    check(*case, most)


@given(SIGN, st.floats(-100, 100), st.floats(-30, 10))
def test_inverse_undoes_forward(sign: float, exponent: float, threshold: float) -> None:
    magnitude = np.array([10**exponent])
    for scale, value in ((Linear(), sign * magnitude), (Log(), magnitude), (Symlog(10**threshold), sign * magnitude)):
        np.testing.assert_allclose(scale.inverse(scale.forward(value)), value, rtol=1e-12)


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=20), st.floats(-9, 3))
def test_scales_are_monotone(values: list[float], threshold: float) -> None:
    ordered = np.sort(np.array(values))
    for scale in (Linear(), Log(), Symlog(10**threshold)):
        drawn = scale.forward(ordered)
        assert np.all(np.diff(drawn[np.isfinite(drawn)]) >= 0)


def test_symlog_is_zero_at_zero_and_a_decade_is_one_beyond_the_threshold() -> None:
    drawn = Symlog(1e-3).forward(np.array([0.0, 1.0, 10.0, -10.0]))
    assert drawn[0] == 0
    assert drawn[2] - drawn[1] == pytest.approx(1, abs=1e-5)
    assert drawn[3] == -drawn[2]


def test_log_has_no_place_for_zero_and_negative_values() -> None:
    drawn = Log().forward(np.array([0.0, -1.0, math.nan, math.inf, 100.0]))
    np.testing.assert_array_equal(drawn, [math.nan, math.nan, math.nan, math.inf, 2.0])


@pytest.mark.parametrize(
    ("scale", "low", "high", "most", "texts"),
    [
        (Linear(), 0.0, 1.0, 5, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (Linear(), 0.0, 20000.0, 5, ["0", "5000", "10000", "15000", "20000"]),
        (Linear(), 0.0, 2e-5, 4, ["0", "0.5·10⁻⁵", "1.0·10⁻⁵", "1.5·10⁻⁵", "2.0·10⁻⁵"]),
        (Linear(), -3e6, 3e6, 3, ["−2·10⁶", "0", "2·10⁶"]),
        (Linear(), 1.0, 1.000002, 2, ["1", "1.000001", "1.000002"]),
        (Log(), 1e-3, 10.0, 9, ["0.001", "0.01", "0.1", "1", "10"]),
        (Log(), 1e-5, 10.0, 5, ["10⁻⁴", "10⁻²", "10⁰"]),
        (Log(), 1.5, 8.0, 5, ["2", "3", "5", "7"]),
        (Log(), 2e-5, 9e-5, 5, ["2·10⁻⁵", "3·10⁻⁵", "5·10⁻⁵", "7·10⁻⁵"]),
        (Symlog(1e-3), 0.0, 1.0, 5, ["0", "0.01", "0.1", "1"]),
        (Symlog(1e-5), -1.0, 1.0, 5, ["−1", "−0.01", "0", "0.01", "1"]),
    ],
)
def test_tick_texts(scale: Scale, low: float, high: float, most: int, texts: list[str]) -> None:
    assert scale.tick_texts(scale.ticks(low, high, most)[0]) == texts
