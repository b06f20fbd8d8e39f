"""Loops over numbers as machine code."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from numba import njit

Loop = Callable[..., None]
_EXACT: Mapping[str, Any] = {"nogil": True, "error_model": "numpy"}
_REORDERED: Mapping[str, Any] = {**_EXACT, "fastmath": {"reassoc", "contract", "nsz"}}


def compiled(function: Loop) -> Loop:
    """A loop over numbers as machine code, kept on disk where there is a place for it; other threads may run beside."""
    return _as_code(function, _EXACT)


def reordered(function: Loop) -> Loop:
    """As `compiled`, but sums may be taken in another order, and products and sums rounded once."""
    return _as_code(function, _REORDERED)


def _as_code(function: Loop, options: Mapping[str, Any]) -> Loop:
    plain = inspect.unwrap(function)
    try:
        return cast(Loop, njit(cache=True, **options)(plain))
    except RuntimeError:
        return cast(Loop, njit(**options)(plain))
