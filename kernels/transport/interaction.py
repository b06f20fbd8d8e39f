"""How all pairs of points meet: the one pass that an iteration needs, in pieces on all cores.

Potentials are to the base 2 here: u = f log2(e) / ε and v = g log2(e) / ε.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import psutil
from jaxtyping import Float64, Shaped

from kernels.crew import Crew
from kernels.transport.loops import ABREAST, resweep, sweep
from kernels.transport.problem import FEW, TransportProblem
from kernels.transport.products import ALL, FORMED, PassingProducts, Products, height_of

Rows = Float64[np.ndarray, " n"]
Columns = Float64[np.ndarray, " m"]
Matrix = Shaped[np.ndarray, "_ _"]
Look = Callable[[], None]
NONE = np.empty((0, 0))

# Pairs of a piece: some milliseconds of work, after which it may be stopped. Of products it has `FORMED`.
PIECE = 2**22
# Pairs that are worth the other cores, where entries are formed and where they are only read.
SHARED, SHARED_IF_READ = 2**18, 2**20
# Products of 32 bits are used where the error they make is at most this share of the tolerance.
SHARE = 0.02
# How far kept entries may be scaled, in powers of two, before they are formed anew.
FARTHEST = 36.0
STORAGES = ("automatic", "stored", "streamed")
# Of the memory that is free, entries take at most this share by themselves, and this where a person asks for it.
SPARE, MOST = 0.5, 0.9
# Bytes that take longer to be written than cheap entries take to be formed a few times; caches are smaller.
LARGE = 2**27


@dataclass(frozen=True)
class Swept:
    """Potentials of the rows that make their sums exact, and the sums of columns then, as a share of their weights."""

    u: Rows
    ratio: Columns


class Interaction(ABC):
    """A way to look at all pairs."""

    method: str

    @abstractmethod
    def sweep(self, scale: float, u: Rows, v: Columns) -> Swept:
        """One iteration at 2^(u + v - scale c): `u` are former potentials of rows, of use only against overflow."""


class Passes(ABC):
    """Where all pairs are looked at: on the cores, or on a graphics card."""

    @abstractmethod
    def interaction(self, bits: int, is_short: bool) -> Interaction:
        """A way to look in so many bits, few times if it `is_short`; the one before is to be let go first.

        Errors: `ValueError` in one sentence where a person asks for entries to be stored that have no room.
        """

    @abstractmethod
    def marginals(self, scale: float, u: Rows, v: Columns) -> tuple[Rows, Columns]:
        """Sums of rows and of columns at these potentials, in 64 bits."""


@final
class Streamed(Interaction):
    """Entries are formed anew at each look and never kept; in 32 or 64 bits; exponents are as good as costs are."""

    def __init__(self, problem: TransportProblem, costs: "Costs", bits: int, crew: Crew, look: Look) -> None:
        self.method = f"streamed, {bits} bits"
        self.crew, self._look = crew, look
        self.shape = n, m = len(problem.points_x), len(problem.points_y)
        self.real = np.dtype(np.float32 if bits == 32 else np.float64)
        self.hands = crew.size if n * m >= SHARED else 1
        self._costs = costs
        self.a = problem.weights_a.numpy()
        self.b = problem.weights_b.numpy().astype(self.real)
        self._rows = np.empty((self.hands, m))
        self._few = np.empty((self.hands, ABREAST, m), self.real)
        self.room = np.zeros((self.hands, m), self.real)

    def sweep(self, scale: float, u: Rows, v: Columns) -> Swept:
        moved, sums, columns = self.sums(scale, u, v)
        return Swept(moved - np.log2(sums), columns)

    def sums(
        self, scale: float, u: Rows, v: Columns, *, scaled: bool = True, kept: Matrix = NONE
    ) -> tuple[Rows, Rows, Columns]:
        """Potentials of rows that kept the sums in range, sums of rows, and of columns; with `scaled` rows are scaled.

        Sums of rows are shares of a, those of columns of b. All entries are kept where there is room given for them.
        """
        costs, moved, sums = self._costs.at(scale), u.copy(), np.empty(len(u))
        x_offset, y_offset = costs.offsets
        moved += x_offset
        formed = _Formed(costs, moved, v + y_offset, sums, scaled, kept)
        columns = self.rounds(
            lambda hand, begin, end, columns: self._form(formed, hand, begin, end, columns),
            FORMED if costs.formed else PIECE,
            self.hands,
        )
        return moved - x_offset, sums, columns

    def _form(self, formed: "_Formed", hand: int, begin: int, end: int, columns: Columns) -> None:
        points, others, given = formed.costs.between(begin, end)
        is_kept = len(formed.kept) > 0
        entries = formed.kept[begin:end] if is_kept else self._few[hand]
        sweep(
            points, others, given, formed.costs.factor, formed.u[begin:end], formed.v, self.a[begin:end], self.b,
            entries, is_kept, formed.scaled, formed.sums[begin:end], columns, self._rows[hand], self.room[hand],
        )  # fmt: skip

    def rounds(self, piece: Callable[[int, int, int, Columns], None], pairs: int, hands: int) -> Columns:
        """All rows in pieces of so many pairs, by so many hands; the sums over columns that they add up."""
        (n, m), columns = self.shape, np.zeros((hands, self.shape[1]))
        height = height_of(pairs, m)

        def take(hand: int) -> None:
            # Every so many-th piece, always the same ones, so that sums do not depend on who is faster.
            for begin in range(hand * height, n, hands * height):
                self.crew.pause()
                piece(hand, begin, min(begin + height, n), columns[hand])

        self.crew.each(hands, take, lambda _share: self._look())
        return columns.sum(0)


@final
class Stored(Interaction):
    """Entries are formed once, from exponents of 64 bits, and read again at each look."""

    def __init__(self, streamed: Streamed) -> None:
        self.method = streamed.method.replace("streamed", "stored")
        self._streamed = streamed
        self._entries = streamed.crew.room(streamed.shape, streamed.real)
        self._scale, self._u, self._v = 0.0, np.empty(0), np.empty(0)

    def sweep(self, scale: float, u: Rows, v: Columns) -> Swept:
        if scale != self._scale or float(np.abs(v - self._v).max()) > FARTHEST:
            self._scale = 0.0
            self._u, sums, columns = self._streamed.sums(scale, u, v, kept=self._entries)
            self._scale, self._v = scale, v.copy()
            return Swept(self._u - np.log2(sums), columns)
        scalings, sums, streamed = np.exp2(v - self._v), np.empty(len(u)), self._streamed
        weighted = scalings.astype(streamed.real) * streamed.b
        columns = streamed.rounds(
            lambda hand, begin, end, columns: resweep(
                self._entries[begin:end], weighted, streamed.a[begin:end], sums[begin:end], columns, streamed.room[hand]
            ),
            PIECE,
            streamed.hands if len(u) * len(v) >= SHARED_IF_READ else 1,
        )
        return Swept(self._u - np.log2(sums), columns * scalings)


@dataclass(frozen=True, eq=False)
class _Formed:
    """What a look at entries that are formed takes and gives."""

    costs: "Costs"
    u: Rows
    v: Columns
    sums: Rows
    scaled: bool
    kept: Matrix


class Costs(ABC):
    """Costs times a scale, as the loops take them: from a few coordinates, or formed before; in 64 bits if `fine`."""

    formed: bool
    divided: bool = False
    """Whether a few rows of them take longer to be formed, each, than those of a few columns."""
    fine: bool = True
    factor: float
    offsets: tuple[Rows | float, Columns | float]

    @abstractmethod
    def at(self, scale: float) -> "Costs":
        """Costs times this."""

    @abstractmethod
    def between(self, begin: int, end: int, others: slice = ALL) -> tuple[Matrix, Matrix, Matrix]:
        """Points and other points, or costs of another scale and sign, less the offsets; the rest is empty."""


@final
class _FewCoordinates(Costs):
    formed = False
    factor = 1.0
    offsets = 0.0, 0.0

    def __init__(self, x: Matrix, y: Matrix) -> None:
        self._x, self._y = x, y

    def at(self, scale: float) -> "_FewCoordinates":
        root = scale**0.5
        return _FewCoordinates(self._x * root, self._y * root)

    def between(self, begin: int, end: int, others: slice = ALL) -> tuple[Matrix, Matrix, Matrix]:
        return self._x[begin:end], self._y[:, others], NONE


@final
class _OfProducts(Costs):
    """Squared distances of many coordinates: minus the cost is a product of matrices and a term of each point alone."""

    formed = True

    def __init__(self, problem: TransportProblem, products: Products) -> None:
        self._products, self._squares = products, tuple(squares.numpy() for squares in problem.squares)
        self.fine, self.divided = products.fine, not products.kept

    def at(self, scale: float) -> "_OfProducts":
        scaled = copy.copy(self)
        scaled.factor = scale
        scaled.offsets = -scale * self._squares[0], -scale * self._squares[1]
        return scaled

    def between(self, begin: int, end: int, others: slice = ALL) -> tuple[Matrix, Matrix, Matrix]:
        return NONE, NONE, self._products.between(begin, end, others)


@final
class _Powers(Costs):
    """Any other power of distances."""

    formed = True
    offsets = 0.0, 0.0

    def __init__(self, problem: TransportProblem, scale: float) -> None:
        self._problem, self.factor = problem, -scale

    def at(self, scale: float) -> "_Powers":
        return _Powers(self._problem, scale)

    def between(self, begin: int, end: int, others: slice = ALL) -> tuple[Matrix, Matrix, Matrix]:
        return NONE, NONE, self._problem.cost(begin, end)[:, others].numpy()


def costs_of(problem: TransportProblem, fine: bool) -> Costs:
    """The costs of a problem; where they are products of matrices these are of 64 bits if they are to be fine."""
    if problem.power != 2:
        return _Powers(problem, 1.0)
    x, y = problem.centered
    if x.shape[1] > FEW:
        return _OfProducts(problem, problem.products or PassingProducts(x, y, fine))
    # Coordinates come in pairs; one that is missing is zero in both clouds.
    odd = x.shape[1] % 2
    left, right = (np.pad(points.numpy(), ((0, 0), (0, odd))) for points in (x, y))
    return _FewCoordinates(left, np.ascontiguousarray(right.T))


@final
class OnCores(Passes):
    """Loops as machine code, on all cores; entries are stored or streamed."""

    def __init__(self, problem: TransportProblem, tolerance: float, storage: str, crew: Crew, look: Look) -> None:
        self._problem, self._storage, self._crew, self._look = problem, storage, crew, look
        # Products of 32 bits have errors of the size of squares, over ε.
        largest = math.prod(float(squares.max()) ** 0.5 for squares in problem.squares)
        self._fine = 2.0**-23 * largest * math.log2(math.e) / problem.epsilon > SHARE * tolerance

    def interaction(self, bits: int, is_short: bool) -> Interaction:
        self._costs = costs_of(self._problem, bits == 64 or self._fine)
        chosen = self._choose(bits, is_short)
        # Later on twice as many bytes may have no room; a solution that came so far is not refused.
        self._storage = "streamed" if self._storage == "streamed" else "automatic"
        return chosen

    def marginals(self, scale: float, u: Rows, v: Columns) -> tuple[Rows, Columns]:
        # Fine ones are formed for this once: 64 bits take as long again as 32 in every product.
        costs = self._costs if self._costs.fine else costs_of(self._problem, True)
        streamed = Streamed(self._problem, costs, 64, self._crew, self._look)
        moved, sums, columns = streamed.sums(scale, u, v, scaled=False)
        return streamed.a * sums * np.exp2(u - moved), streamed.b * columns

    def _choose(self, bits: int, is_short: bool) -> Interaction:
        """Stored where there is room: to read an entry takes a third of the time to form it, or less.

        Not where there are to be few looks and entries are cheap to form, but many: to write them takes longer.
        """
        n, m = len(self._problem.points_x), len(self._problem.points_y)
        free, entry, storage = psutil.virtual_memory().available, bits // 8, self._storage
        if storage == "stored" and entry * n * m > MOST * free:
            raise ValueError(
                f"storing {n} times {m} entries needs {entry * n * m / 1e9:.3g} GB and {MOST * free / 1e9:.3g} GB are "
                f"free; at most {math.isqrt(int(MOST * free) // entry)} points of each cloud fit, or choose streamed."
            )
        streamed = Streamed(self._problem, self._costs, bits, self._crew, self._look)
        too_many = entry * n * m > SPARE * free or (is_short and not self._costs.formed and entry * n * m > LARGE)
        return streamed if storage == "streamed" or (storage == "automatic" and too_many) else Stored(streamed)
