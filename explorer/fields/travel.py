"""Where a number stands on its slider, and how far one key press carries it; no Qt in here."""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from kernels.param import Interval, Number

# Places on a continuous slider: finer than its pixels, coarse enough for short numbers.
PLACES = 1000
PLACES_PER_STEP = 10
# A logarithmic slider that starts at zero has no lowest decade of its own; it is given this many.
DECADES_ABOVE_ZERO = 6


class Travel(ABC):
    """The map between the positions 0 … `count` of a slider and the values of a number."""

    count: int

    @abstractmethod
    def value(self, position: int) -> float | int:
        """Value at a position; both ends are exact."""

    @abstractmethod
    def position(self, value: float) -> int:
        """Nearest position; a value beyond the slider stands at its end."""

    @abstractmethod
    def stepped(self, value: float, steps: int, fine: bool) -> float | int:
        """The value so many steps away, on or off the slider; it may leave the domain."""


class LinearTravel(Travel):
    """Evenly spaced short numbers from one end to the other."""

    def __init__(self, low: float, high: float, integer: bool) -> None:
        self.low, self.high = low, high
        self._integer = integer
        self._coarse = _round_step((high - low) / (PLACES / PLACES_PER_STEP))
        self._fine = stride = self._coarse / PLACES_PER_STEP
        if integer:
            self._coarse, stride, self._fine = max(1, round(self._coarse)), max(1, round(stride)), 1
        self._stride = stride
        self.count = max(1, math.ceil((high - low) / stride - 1e-9))

    def value(self, position: int) -> float | int:
        if position <= 0 or position >= self.count:
            return self._typed(self.low if position <= 0 else self.high)
        return self._typed(self.low + position * self._stride)

    def position(self, value: float) -> int:
        if value <= self.low or value >= self.high:
            return 0 if value <= self.low else self.count
        return round((value - self.low) / self._stride)

    def stepped(self, value: float, steps: int, fine: bool) -> float | int:
        return self._typed(value + steps * (self._fine if fine else self._coarse))

    def _typed(self, value: float) -> float | int:
        return round(value) if self._integer else _rounded(value, 12)


class LogTravel(Travel):
    """Evenly spaced in the logarithm; the leftmost position is zero where zero is legal."""

    def __init__(self, low: float, high: float, zero: bool) -> None:
        self._low, self._high, self._first = low, high, int(zero)
        decades = math.log10(high / low)
        # A whole number of places per decade, so that the powers of ten are among them.
        self._per_decade = max(1, round(PLACES / decades))
        self.count = self._first + max(1, math.ceil(decades * self._per_decade - 1e-9))
        # Enough digits to tell neighbors apart, and not one more.
        self._digits = max(3, math.ceil(1 - math.log10((10 ** (1 / self._per_decade) - 1) / 2)))

    def value(self, position: int) -> float | int:
        if position < self._first:
            return 0.0
        place = position - self._first
        if place <= 0 or position >= self.count:
            return self._low if place <= 0 else self._high
        return _rounded(self._low * 10 ** (place / self._per_decade), self._digits)

    def position(self, value: float) -> int:
        if value <= 0:
            return 0
        if value <= self._low or value >= self._high:
            return self._first if value <= self._low else self.count
        return self._first + round(math.log10(value / self._low) * self._per_decade)

    def stepped(self, value: float, steps: int, fine: bool) -> float | int:
        places = steps * (1 if fine else PLACES_PER_STEP)
        if value <= 0:
            return self.value(max(0, places))
        moved = _rounded(value * 10 ** (places / self._per_decade), self._digits)
        if self._first and moved < self._low and places < 0:
            return self._low if value > self._low else 0.0
        return moved


class WholeLogTravel(Travel):
    """Distinct whole numbers, each one while they are small, then evenly spaced in the logarithm."""

    def __init__(self, low: int, high: int, zero: bool) -> None:
        places = PLACES // 5
        self._ratio = (high / low) ** (1 / places)
        between = (round(_rounded(low * self._ratio**place, 3)) for place in range(1, places))
        values = {low, high, *(value for value in between if low < value < high)}
        self._values = sorted(values | {0} if zero else values)
        self.count = len(self._values) - 1

    def value(self, position: int) -> float | int:
        return self._values[min(max(position, 0), self.count)]

    def position(self, value: float) -> int:
        after = min(bisect_left(self._values, value), self.count)
        before = max(after - 1, 0)
        return after if self._values[after] - value <= value - self._values[before] else before

    def stepped(self, value: float, steps: int, fine: bool) -> float | int:
        whole = round(value)
        if fine:
            return whole + steps
        for _ in range(abs(steps)):
            whole = self._next(whole) if steps > 0 else self._previous(whole)
        return whole

    def _next(self, value: int) -> int:
        after = bisect_right(self._values, value)
        return self._values[after] if after <= self.count else max(value + 1, round(value * self._ratio))

    def _previous(self, value: int) -> int:
        if value > self._values[-1]:
            return max(self._values[-1], min(value - 1, round(value / self._ratio)))
        before = bisect_left(self._values, value) - 1
        return self._values[before] if before >= 0 else value - 1


@dataclass(frozen=True)
class _Ends:
    low: float
    high: float


def travel(declaration: Number) -> Travel:
    """The travel of a number's slider: its comfortable range, kept inside its domain."""
    domain = declaration.domain
    ends = _Ends(max(declaration.slider[0], domain.low), min(declaration.slider[1], domain.high))
    zero = declaration.log and 0.0 in domain
    if declaration.log and ends.high > 0 and (ends.low > 0 or zero):
        low = ends.low if ends.low > 0 else ends.high / 10**DECADES_ABOVE_ZERO
        if declaration.integer:
            return WholeLogTravel(max(1, math.ceil(low)), math.floor(ends.high), zero)
        low = low if low in domain else _rounded(low * 1.001, 12)
        high = ends.high if ends.high in domain else _rounded(ends.high / 1.001, 12)
        return LogTravel(low, high, zero)
    inset = 1 if declaration.integer else _round_step((ends.high - ends.low) / PLACES)
    low = ends.low if ends.low in domain else ends.low + inset
    high = ends.high if ends.high in domain else ends.high - inset
    return LinearTravel(low, high, declaration.integer)


def within(domain: Interval, value: float, wished: float) -> float:
    """The wished value, or the end of the domain in its way, or the value itself where that end is excluded."""
    if wished in domain:
        return wished
    bound = domain.low if wished < value else domain.high
    return type(wished)(bound) if bound in domain else value


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _round_step(step: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten."""
    if step <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(step))
    return min((m * decade for m in (1.0, 2.0, 5.0, 10.0)), key=lambda candidate: abs(math.log(candidate / step)))
