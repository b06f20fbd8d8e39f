"""Axis scales: one class per scale, the same members, used by the canvas and by the exports."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Scale(ABC):
    """A monotone map from data to the coordinate that is drawn, and the ticks that belong to it."""

    name: str

    @abstractmethod
    def forward(self, values: Floats) -> Floats:
        """Drawn coordinate; nan where the scale has no place for the value."""

    @abstractmethod
    def inverse(self, drawn: Floats) -> Floats:
        """Data value of a drawn coordinate."""

    @abstractmethod
    def ticks(self, low: float, high: float, most: int) -> tuple[list[float], list[float]]:
        """Labeled and unlabeled tick values (data values) between two data values, about `most` labeled ones."""

    @abstractmethod
    def tick_texts(self, values: Sequence[float]) -> list[str]:
        """The labels of these ticks, in one style for the whole axis."""


@dataclass(frozen=True)
class Linear(Scale):
    """Data as they are."""

    name = "linear"

    def forward(self, values: Floats) -> Floats:
        return values

    def inverse(self, drawn: Floats) -> Floats:
        return drawn

    def ticks(self, low: float, high: float, most: int) -> tuple[list[float], list[float]]:
        span = high - low
        if not (span > 0 and math.isfinite(span)):
            return ([low] if math.isfinite(low) else []), []
        factor, exponent = _round_step(span / max(most, 2))
        major = _multiples(factor, exponent, low, high)
        while len(major) < 2 and exponent > -320:
            factor, exponent = _STEPS[factor][0], exponent + _STEPS[factor][1]
            major = _multiples(factor, exponent, low, high)
        between = _multiples(factor * 5, exponent - 1, low, high)
        return major, [value for value in between if value not in major]

    def tick_texts(self, values: Sequence[float]) -> list[str]:
        top = max((abs(value) for value in values), default=0.0)
        if top == 0 or (1e-3 <= top < 1e6):
            return [_plain(value) for value in values]
        exponent = math.floor(math.log10(top) + 1e-9)
        # One power of ten for all of them, so that the numbers before it are what the eye compares.
        parts = [0.0 if value == 0 else _shifted(value, exponent) for value in values]
        digits = max((len(_plain(part).partition(".")[2]) for part in parts), default=0)
        power = _power(exponent)
        return ["0" if part == 0 else f"{part:.{digits}f}·{power}".replace("-", "−") for part in parts]


@dataclass(frozen=True)
class Log(Scale):
    """Decimal logarithm; zero and negative values have no place."""

    name = "log"

    def forward(self, values: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values > 0, np.log10(np.where(values > 0, values, 1.0)), np.nan)

    def inverse(self, drawn: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return cast(Floats, np.power(10.0, drawn))

    def ticks(self, low: float, high: float, most: int) -> tuple[list[float], list[float]]:
        if not (0 < low < high < math.inf):
            return Linear().ticks(low, high, most)
        most = max(most, 2)
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        if last - first < 1:
            return _within_decade(low, high, most)
        count = last - first + 1
        fitting = (step for step in _STRIDES if step < count and count / step <= most + 0.5)
        stride = next(fitting, count - 1)
        # Multiples of the stride look regular under zoom; where fewer than two of them fit, count from the first.
        start = 0 if last // stride - (first - 1) // stride >= 2 else first
        major = [_decimal(1, e) for e in range(first, last + 1) if (e - start) % stride == 0]
        if stride > 1:
            return major, [_decimal(1, e) for e in range(first, last + 1) if (e - start) % stride]
        return major, _multiples_per_decade(range(2, 10), low, high)

    def tick_texts(self, values: Sequence[float]) -> list[str]:
        return _decade_texts(values)


@dataclass(frozen=True)
class Symlog(Scale):
    """Linear near zero, logarithmic beyond `threshold`; for signed data, and where zero is a legal value."""

    threshold: float
    name = "symlog"

    def forward(self, values: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.arcsinh(values / (2 * self.threshold)) / math.log(10)

    def inverse(self, drawn: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return 2 * self.threshold * np.sinh(drawn * math.log(10))

    def ticks(self, low: float, high: float, most: int) -> tuple[list[float], list[float]]:
        if low > self.threshold:
            return Log().ticks(low, high, most)
        if high < -self.threshold:
            major, minor = Log().ticks(-high, -low, most)
            return [-value for value in reversed(major)], [-value for value in reversed(minor)]
        top = math.floor(math.log10(max(abs(low), abs(high))) + 1e-9)
        start = math.ceil(math.log10(self.threshold) - 1e-9)
        if top < start:
            return Linear().ticks(low, high, most)
        zero = [0.0] if low <= 0 <= high else []
        exponents = range(start, top + 1)
        drawn = self.forward(np.array([_decimal(1, e) for e in exponents])).tolist()

        def both(exponents: Iterable[int]) -> list[float]:
            values = [sign * _decimal(1, e) for e in exponents for sign in (-1, 1)]
            return sorted(value for value in values if low <= value <= high)

        # Strides are counted from the largest decade: the ends of the axis are labeled, the crowd at zero is not.
        for stride in range(1, len(exponents) + 1):
            near = 0.6 * stride if zero else -math.inf
            kept = [e for e, at in zip(exponents, drawn, strict=True) if (top - e) % stride == 0 and at >= near]
            major = sorted([*both(kept or [top]), *zero])
            if len(major) <= max(most, 2) + 1:
                break
        else:
            return Linear().ticks(low, high, most)
        minor = both(e for e in exponents if e not in (kept or [top]))
        return (major, minor) if len(major) >= 2 else Linear().ticks(low, high, most)

    def tick_texts(self, values: Sequence[float]) -> list[str]:
        return _decade_texts(values)


# A shorter step for each: the next factor, and the change of the exponent.
_STEPS = {1: (5, -1), 2: (1, 0), 5: (2, 0)}
_STRIDES = (1, 2, 3, 4, 5, 10, 20, 50, 100, 200)


def _round_step(rough: float) -> tuple[int, int]:
    exponent = math.floor(math.log10(rough))
    share = rough / _decimal(1, exponent)
    factor = next((factor for factor in (1, 2, 5) if share <= factor * (1 + 1e-9)), 10)
    return (1, exponent + 1) if factor == 10 else (factor, exponent)


def _decimal(digits: int, exponent: int) -> float:
    # Parsing rounds correctly, where a product with a power of ten need not: 3 * 0.1 is not 0.3.
    return float(f"{digits}e{exponent}")


def _multiples(factor: int, exponent: int, low: float, high: float) -> list[float]:
    step = _decimal(factor, exponent)
    if step == 0 or not math.isfinite((abs(low) + abs(high)) / step):
        return []
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [_decimal(k * factor, exponent) for k in range(first, last + 1)]


def _multiples_per_decade(digits: Iterable[int], low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)) - 1, math.floor(math.log10(high)) + 1)
    values = [_decimal(m, e) for e in decades for m in digits]
    return [value for value in values if low <= value <= high]


def _within_decade(low: float, high: float, most: int) -> tuple[list[float], list[float]]:
    every = _multiples_per_decade(range(1, 10), low, high)
    for digits in (range(1, 10), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3)):
        inside = _multiples_per_decade(digits, low, high)
        if 2 <= len(inside) <= most + 1:
            return inside, [value for value in every if value not in inside]
    return Linear().ticks(low, high, most)


def _plain(value: float) -> str:
    text = f"{value:.12f}".rstrip("0").rstrip(".") if abs(value) < 1e-3 else f"{value:.12g}"
    return ("0" if text in ("", "-0") else text).replace("-", "−")


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _shifted(value: float, exponent: int) -> float:
    # In decimal, because a float power of ten below 1e-308 has lost its digits.
    return float(Decimal(repr(value)).scaleb(-exponent))


def _scientific(value: float) -> str:
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    mantissa = f"{_shifted(value, exponent):.12g}"
    sign = "−" if value < 0 else ""
    mantissa = mantissa.lstrip("-")
    return sign + _power(exponent) if mantissa == "1" else f"{sign}{mantissa}·{_power(exponent)}"


def _decade_texts(values: Sequence[float]) -> list[str]:
    # All plain or all powers of ten: "0.01, 0.1, 1, 10²" is read wrongly.
    if all(value == 0 or 1e-3 <= abs(value) < 1e4 for value in values):
        return [_plain(value) for value in values]
    return ["0" if value == 0 else _scientific(value) for value in values]
