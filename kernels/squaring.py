"""The same thing over and over, by squaring."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def repeated(one: T, count: int, then: Callable[[T, T], T]) -> T:
    """One thing, `count` > 0 times over: as many products as the number has digits, of an associative `then`."""
    result, power = None, one
    while count:
        if count % 2:
            result = power if result is None else then(result, power)
        count //= 2
        if count:
            power = then(power, power)
    assert result is not None
    return result
