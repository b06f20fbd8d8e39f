"""Looks at all pairs on a graphics card: one pass gives soft minima of the cost, which is never stored.

Triton comes with PyTorch for CUDA. Without it this module cannot be imported. A program takes a tile of points past
blocks of the others and keeps, for each of its points, the largest exponent and the sum of exponentials about it: no
exponent is out of range, and no point is lost. Columns are rows of the swapped problem; sums are taken in an order
that depends on sizes alone. Exponents are of 32 bits where their rounding is far below the tolerance, and of 64 else.
"""

# Where Triton is not installed, its decorators and types are unknown; where it is, it looks up what annotations of a
# program name and knows its own only, so that others are in quotes.
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false

import math
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from jaxtyping import Float64
from torch import Tensor

from kernels.transport.interaction import Columns, Interaction, Look, Passes, Rows, Swept
from kernels.transport.problem import FEW, TransportProblem

# Points of a tile, those they meet at a time, and the warps that share them, 32 pairs to a thread: rows of one warp are
# summed with least talk between threads, and squares gain most from products of matrices; clouds are filled up to a
# whole number of either.
_LONG, _SQUARE, _FULL = (8, 128, 1), (64, 64, 4), 128
# Coordinates of which products are taken at a time.
_DEPTH = 16
# Programs that keep a card busy, and points below which a program is not worth its start.
_PROGRAMS, _POINTS = 2**12, 2**9
# Pairs of a launch: some hundredths of a second, after which it may be stopped.
_PAIRS = 2**33
# Rounding of exponents of 32 bits may be at most this share of the tolerance; the error is measured anew in the end.
_SHARE = 0.1
# The least power of two that a sum of a column is told as.
_LEAST = -1000.0


@triton.jit
def _soft_maxima(
    x: "Any",
    y: "Any",
    terms: "Any",
    numbers: "Any",
    largest: "Any",
    sums: "Any",
    first: "Any",
    n: "Any",
    m: "Any",
    d: "Any",
    length: "Any",
    stop: "Any",
    real: tl.constexpr,
    entry: tl.constexpr,
    power: tl.constexpr,
    depth: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Largest of the exponents, term_j - factor |x_i - y_j|^p, of some j, and the sum of 2^(exponent - largest).

    Coordinates are rows. Of products of matrices, where there is a `depth`, exponents lack -factor |x_i|^2, and the
    terms hold -factor |y_j|^2.
    """
    i = (first + tl.program_id(0)) * rows + tl.arange(0, rows)
    factor, half = tl.load(numbers).to(real), tl.load(numbers + 1).to(real)
    top = tl.full((rows,), float("-inf"), real)
    total = tl.zeros((rows,), tl.float64)
    start = tl.program_id(1) * length
    for begin in range(start, tl.minimum(start + length, stop), columns):
        j = begin + tl.arange(0, columns)
        cost = tl.zeros((rows, columns), real)
        if depth:
            k = tl.arange(0, depth).to(tl.int64)
            at_x, at_y = x + i[:, None] + k[None, :] * n, y + j[None, :] + k[:, None] * m
            for _ in range(0, d, depth):
                # The shorter mantissas of a card's fast products would be an error of the exponents.
                cost = tl.dot(tl.load(at_x), tl.load(at_y), cost, input_precision="ieee")
                at_x += depth * n
                at_y += depth * m
            cost *= -2.0
        else:
            one, other = x + i, y + j
            for _ in range(d):
                difference = tl.load(one)[:, None] - tl.load(other)[None, :]
                cost += difference * difference
                one += n
                other += m
            if power == 1:
                cost = tl.sqrt(cost)
            elif power != 2:
                cost = tl.exp2(half * tl.log2(cost))
        exponents = tl.load(terms + j)[None, :] - factor * cost
        higher = tl.maximum(top, tl.max(exponents, 1))
        entries = tl.exp2((exponents - higher[:, None]).to(entry))
        total = total * tl.exp2((top - higher).to(entry)).to(tl.float64) + tl.sum(entries, 1).to(tl.float64)
        top = higher
    place = tl.program_id(1).to(tl.int64) * n + i
    tl.store(largest + place, top.to(tl.float64))
    tl.store(sums + place, total)


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Points on the card, coordinate by coordinate, about zero and of size one; zeros fill the last block and depth."""

    count: int
    fine: Float64[Tensor, "d n"]
    coarse: Tensor
    squares: Float64[Tensor, " n"]
    log_weights: Float64[Tensor, " count"]

    @property
    def length(self) -> int:
        """Points with those that fill the last block."""
        return self.fine.shape[1]


def _cloud(points: Float64[Tensor, "n d"], weights: Float64[Tensor, " n"], place: torch.device) -> _Cloud:
    n, d = points.shape
    fine = torch.zeros(_up(d, _DEPTH), _up(n, _FULL), dtype=torch.float64, device=place)
    fine[:d, :n] = points.T.to(place)
    coarse = fine.float()
    return _Cloud(n, fine, coarse, coarse.double().square().sum(0), weights.log2().to(place))


@final
class OnCard(Passes):
    """Looks on a graphics card, or wherever Triton's programs run."""

    def __init__(self, problem: TransportProblem, tolerance: float, place: torch.device, look: Look) -> None:
        x, y = problem.centered
        size = max(float(x.abs().max()), float(y.abs().max())) or 1.0
        x, y = x / size, y / size
        farthest = float(x.square().sum(1).max().sqrt() + y.square().sum(1).max().sqrt())
        self.x, self.y = _cloud(x, problem.weights_a, place), _cloud(y, problem.weights_b, place)
        self.coordinates, self.power, self.place, self.look = x.shape[1], problem.power, place, look
        self.unit = size**problem.power
        # Exponents have errors of this size, for each unit of scale.
        self._rounding = 2.0**-24 * self.unit * farthest**problem.power
        self._tolerance = tolerance
        self._a, self._b = problem.weights_a.numpy(), problem.weights_b.numpy()

    def interaction(self, bits: int, is_short: bool) -> Interaction:
        return _Programs(self, bits)

    def marginals(self, scale: float, u: Rows, v: Columns) -> tuple[Rows, Columns]:
        programs = _Programs(self, 64)
        rows, columns = programs.of(self.x, self.y, scale, v), programs.of(self.y, self.x, scale, u)
        return self._a * np.exp2(u + rows), self._b * np.exp2(v + columns)

    def is_coarse(self, scale: float) -> bool:
        """Whether exponents of 32 bits do, where exponentials of 32 bits do."""
        return self._rounding * scale <= _SHARE * self._tolerance


@final
class _Programs(Interaction):
    """Entries are formed anew at each look and never kept; exponentials are of 32 or 64 bits."""

    def __init__(self, card: OnCard, bits: int) -> None:
        self.method = f"streamed, {bits} bits, {card.place.type}"
        self._card, self._bits = card, bits

    def sweep(self, scale: float, u: Rows, v: Columns) -> Swept:
        card = self._card
        moved = -self.of(card.x, card.y, scale, v)
        return Swept(moved, np.exp2(np.maximum(v + self.of(card.y, card.x, scale, moved), _LEAST)))

    def of(self, rows: _Cloud, columns: _Cloud, scale: float, potentials: Columns) -> Rows:
        """The logarithms, to the base 2, of the sums over columns of weights times 2^(potential - scale cost)."""
        card, place = self._card, self._card.place
        factor, is_coarse = scale * card.unit, self._bits == 32 and card.is_coarse(scale)
        products = is_coarse and card.power == 2 and card.coordinates > FEW
        real, kind = (torch.float32, tl.float32) if is_coarse else (torch.float64, tl.float64)
        own = -factor * rows.squares[: rows.count] if products else torch.zeros((), device=place)
        known = torch.from_numpy(potentials).to(place) + columns.log_weights
        if products:
            known -= factor * columns.squares[: columns.count]
        # About zero they lose least.
        middle = known.mean()
        terms = torch.full((columns.length,), -math.inf, dtype=real, device=place)
        terms[: columns.count] = (known - middle).to(real)
        numbers = torch.tensor([factor, card.power / 2], dtype=torch.float64, device=place)
        points = (rows.coarse, columns.coarse) if is_coarse else (rows.fine, columns.fine)
        tile, block, warps = _SQUARE if products else _LONG
        tiles = -(-rows.count // tile)
        parts = max(1, min(columns.count // _POINTS, _PROGRAMS // tiles))
        length = _up(-(-columns.count // parts), block)
        parts = -(-columns.count // length)
        largest, sums = torch.empty(2, parts, rows.length, dtype=torch.float64, device=place)
        found, height = np.empty(rows.length), max(1, _PAIRS // columns.length // tile)
        for first in range(0, tiles, height):
            count = min(height, tiles - first)
            cast(Any, _soft_maxima)[count, parts](
                *points,
                terms,
                numbers,
                largest,
                sums,
                first,
                rows.length,
                columns.length,
                card.coordinates,
                length,
                columns.count,
                real=kind,
                entry=tl.float32 if self._bits == 32 else tl.float64,
                power={1.0: 1, 2.0: 2}.get(card.power, 0),
                depth=_DEPTH if products else 0,
                rows=tile,
                columns=block,
                num_warps=warps,
                enable_fp_fusion=True,
            )
            some = slice(first * tile, (first + count) * tile)
            # To copy them is to wait for the card.
            found[some] = _together(largest[:, some], sums[:, some]).cpu().numpy()
            card.look()
        return found[: rows.count] + (own + middle).cpu().numpy()


def _together(largest: Float64[Tensor, "parts n"], sums: Float64[Tensor, "parts n"]) -> Float64[Tensor, " n"]:
    """The logarithms of all sums of a row, to the base 2."""
    top = largest.amax(0)
    return top + (sums * torch.exp2(largest - top)).sum(0).log2()


def _up(count: int, block: int) -> int:
    return -(-count // block) * block
