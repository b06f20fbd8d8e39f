"""What a distance between two clouds of points is, and how well it is known."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.gaussian import Gaussian
from kernels.param import Component

# How many numbers of float64 are worked on at once, so that memory stays bounded however large the clouds.
BLOCK = 2**22
# Fourth powers of larger numbers overflow: a cloud that holds one has diverged.
LARGEST = 1e75

Look = Callable[[], None]


def nowhere() -> None:
    """Nobody looks on."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A distance estimated from points, with its standard error in the same units; both are inf for a diverged cloud.

    `points` says how many of each cloud were used; a law that is known exactly has 0.
    """

    value: float
    standard_error: float
    points: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Distance(Component, ABC):
    """A distance between clouds of points whose modes are the same coordinates.

    `most` points of a cloud are used, the first ones. Standard errors take the points for independent draws, and one
    cloud for independent of the other.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    symbol: ClassVar[str]
    unit: ClassVar[str]
    most: ClassVar[int]

    @final
    def measure(
        self,
        x: Float[Tensor, "n modes"],
        y: Float[Tensor, "m others"],
        rng: torch.Generator,
        look: Look = nowhere,
    ) -> Estimate:
        """The distance between two clouds, computed where the first lies.

        `look` is called now and then while a longer one is computed; what it raises ends the work.
        Values: inf where a cloud has diverged, that is, where any of its numbers is not finite or above 1e75.
        Errors: `ValueError` for clouds of different numbers of modes, or one of fewer than two points.
        """
        check_sizes(min(len(x), len(y)), x.shape[1], y.shape[1])
        if not (is_finite(x) and is_finite(y)):
            return diverged((min(len(x), self.most), min(len(y), self.most)))
        return self._estimate(x[: self.most], y[: self.most].to(x.device), rng, look)

    @abstractmethod
    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        """The distance between finite clouds of at most `most` points, on one device."""


def check_sizes(count: int, modes: int, others: int) -> None:
    """Refuse different numbers of modes, and fewer points than have a variance."""
    if modes != others:
        raise ValueError(
            f"A distance needs equally many modes on both sides, got {modes} and {others}; use one eigenbasis for both."
        )
    if count < 2:
        raise ValueError(f"A distance needs clouds of at least 2 points, got {count}; draw more.")


def is_finite(x: Tensor) -> bool:
    """Whether no number of a cloud or law is infinite, too large, or not a number at all."""
    return float(x.abs().max()) <= LARGEST


def is_law_finite(law: Gaussian) -> bool:
    """Whether a law has finite means and deviations."""
    return is_finite(law.mean) and is_finite(law.variance.sqrt())


def diverged(points: tuple[int, int]) -> Estimate:
    """The distance of a cloud that is infinitely far."""
    return Estimate(math.inf, math.inf, points)


def blocks(x: Float[Tensor, "n modes"], width: int) -> Iterator[tuple[int, Float64[Tensor, "rows modes"]]]:
    """Some points at a time, with the number of the first; so many that `width` numbers of each fit into a block."""
    rows = max(1, BLOCK // width)
    for start in range(0, len(x), rows):
        yield start, x[start : start + rows].double()


def mean_of(x: Float[Tensor, "n modes"]) -> Float64[Tensor, " modes"]:
    """The mean of a cloud; a second round removes the rounding of the first."""
    mean = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for _ in range(2):
        excess = torch.zeros_like(mean)
        for _, block in blocks(x, x.shape[1]):
            excess += (block - mean).sum(0)
        mean += excess / len(x)
    return mean


def deviation(measured: float, degenerate: float) -> float:
    r"""Standard error of a squared distance, from the variance measured with influence functions.

    A squared distance is, near zero, a quadratic form of sampling errors: beside the variance :math:`v_1` of its
    linear part it has that of the quadratic, or degenerate, part :math:`v_2`. Influence functions are measured with
    sampling errors too, and hold :math:`v_1 + 2 v_2` on average; so :math:`v_1 + v_2` is what is measured less
    :math:`v_2`, and never less than :math:`v_2`.
    """
    return math.sqrt(max(measured - degenerate, degenerate, 0.0))


def root(squared: float, error: float, points: tuple[int, int]) -> Estimate:
    r"""The root of a squared distance q with a standard error e; a square below zero counts as zero.

    The standard error is that of the delta method, :math:`e / 2 \sqrt q`, where q is above e. Below, where the root is
    no longer nearly linear, it stays :math:`\sqrt e / 2`, about the deviation of the root of what is left of a
    normal variable above zero.
    """
    square = max(squared, 0.0)
    scale = max(square, error)
    return Estimate(math.sqrt(square), 0.5 * error / math.sqrt(scale) if scale > 0 else 0.0, points)
