"""Products of pairs of points, which squared distances of many coordinates are made of."""

from abc import ABC, abstractmethod
from threading import Lock
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from kernels.transport.loops import ABREAST

# Pairs whose products are formed at once.
FORMED = 2**18
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


@final
class KeptProducts(Products):
    """Formed when they are first asked for, by blocks of rows that do not depend on who asks."""

    fine = kept = True

    def __init__(self, x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> None:
        self._left, self._right = x, (2 * y).T.contiguous()
        self._entries = np.empty((len(x), len(y)))
        self._height = height_of(FORMED, len(y))
        blocks = -(-len(x) // self._height)
        self._known, self._locks = [False] * blocks, [Lock() for _ in range(blocks)]

    def between(self, begin: int, end: int, others: slice = ALL) -> Shaped[np.ndarray, "rows columns"]:
        for block in range(begin // self._height, -(-end // self._height)):
            if not self._known[block]:
                self._form(block)
        return self._entries[begin:end, others]

    def _form(self, block: int) -> None:
        with self._locks[block]:
            if not self._known[block]:
                rows = slice(block * self._height, (block + 1) * self._height)
                torch.mm(self._left[rows], self._right, out=torch.from_numpy(self._entries[rows]))
                self._known[block] = True


def height_of(pairs: int, m: int) -> int:
    """As many rows of m as have so many pairs, or somewhat fewer: loops take some rows at once."""
    return max(ABREAST, pairs // m // ABREAST * ABREAST)
