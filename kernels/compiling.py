"""Loops over numbers as machine code."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from numba import njit
from numba.core import event

Loop = Callable[..., None]
COMPILED = "numba:compile"
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


class Compilations(event.Listener):
    """Hears of loops that are compiled, in the thread that does it, until told to `rest`; of those on disk it does not.

    Compilation takes seconds, once on each machine.
    """

    def __init__(self, hear: Callable[[], None]) -> None:
        self._hear = hear
        event.register(COMPILED, self)

    def on_start(self, event: Any) -> None:
        """A loop is compiled now."""
        self._hear()

    def on_end(self, event: Any) -> None:
        """It is done."""

    def rest(self) -> None:
        """Hear of no more."""
        event.unregister(COMPILED, self)
