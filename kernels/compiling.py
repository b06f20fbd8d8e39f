"""Loops over numbers as machine code."""

import inspect
from collections.abc import Callable
from typing import cast

from numba import njit


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """A loop over numbers as machine code, kept on disk where there is a place for it; other threads may run beside."""
    plain = inspect.unwrap(function)
    try:
        return cast(Callable[..., None], njit(nogil=True, cache=True, error_model="numpy")(plain))
    except RuntimeError:
        return cast(Callable[..., None], njit(nogil=True, error_model="numpy")(plain))
