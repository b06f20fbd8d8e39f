"""Products of pairs of points, which squared distances of many coordinates are made of."""

from abc import ABC, abstractmethod
from threading import Lock
from typing import final
from weakref import ref

import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from kernels.transport.loops import ABREAST

# Pairs whose products are formed at once.
FORMED = 2**18
# Of how many pairs of clouds they are kept.
LATEST = 4
ALL = slice(None)


class Products(ABC):
    r""":math:`2 x_i \cdot y_j`; several threads may ask for them."""

    fine: bool
    """Whether they are of 64 bits."""
    kept: bool
    """Whether they are formed once only."""

    @abstractmethod
    def between(self, begin: int, end: int, others: slice = ALL) -> Shaped[np.ndarray, "rows columns"]:
        """Those of points begin to end of x with others of y."""


@final
class PassingProducts(Products):
    """Formed anew whenever they are asked for."""

    kept = False

    def __init__(self, x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"], fine: bool) -> None:
        self.fine = fine
        dtype = torch.float64 if fine else torch.float32
        self._left, self._right = x.to(dtype), (2 * y).to(dtype).T.contiguous()

    def between(self, begin: int, end: int, others: slice = ALL) -> Shaped[np.ndarray, "rows columns"]:
        return (self._left[begin:end] @ self._right[:, others]).numpy()


# Those that are kept while somebody has them, the last one last.
_BEGUN, _BEGINNING = list["ref[KeptProducts]"](), Lock()


class _Formed:
    """Blocks of rows, those formed marked."""

    def __init__(self, n: int, m: int, blocks: int) -> None:
        self.entries = np.empty((n, m))
        self.known, self.locks = [False] * blocks, [Lock() for _ in range(blocks)]


@final
class KeptProducts(Products):
    """Formed when they are first asked for, by blocks of rows that do not depend on who asks.

    The last few that were begun keep them while they are there themselves; others form them anew.
    """

    fine = kept = True

    def __init__(self, x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> None:
        self._left, self._right = x, (2 * y).T.contiguous()
        self._height = height_of(FORMED, len(y))
        self._formed: _Formed | None = None

    def between(self, begin: int, end: int, others: slice = ALL) -> Shaped[np.ndarray, "rows columns"]:
        formed = self._formed or self._begin()
        for block in range(begin // self._height, -(-end // self._height)):
            if not formed.known[block]:
                self._form(formed, block)
        return formed.entries[begin:end, others]

    def _begin(self) -> _Formed:
        with _BEGINNING:
            if self._formed is None:
                n, m = len(self._left), self._right.shape[1]
                self._formed = _Formed(n, m, -(-n // self._height))
                _BEGUN[:] = [*(other for other in _BEGUN if other() is not None), ref(self)]
                while len(_BEGUN) > LATEST:
                    oldest = _BEGUN.pop(0)()
                    if oldest is not None:
                        oldest._formed = None
            return self._formed

    def _form(self, formed: _Formed, block: int) -> None:
        with formed.locks[block]:
            if not formed.known[block]:
                rows = slice(block * self._height, (block + 1) * self._height)
                torch.mm(self._left[rows], self._right, out=torch.from_numpy(formed.entries[rows]))
                formed.known[block] = True


def height_of(pairs: int, m: int) -> int:
    """As many rows of m as have so many pairs, or somewhat fewer: loops take some rows at once."""
    return max(ABREAST, pairs // m // ABREAST * ABREAST)
