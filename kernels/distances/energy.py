"""The energy distance."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.distances.base import Distance, Estimate, Look
from kernels.distances.pairs import discrepancy


@dataclass(frozen=True, kw_only=True)
class Energy(Distance):
    r"""How much farther points of different clouds are from each other than points of one cloud.

    .. math:: 2\, E |X - Y| - E |X - X'| - E |Y - Y'|

    Zero for equal laws only. Not a root: some programs report the root of this. It has no bias, and can be slightly
    negative where the laws are nearly equal.
    """

    formula = "2 E|X − Y| − E|X − X′| − E|Y − Y′|"
    source = "Székely and Rizzo 2013, Energy statistics: a class of statistics based on distances"
    name = "energy"
    title = "energy distance"
    symbol = "E"
    unit = "units of the data, no root taken, may be slightly negative"
    most = 2**12

    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        return discrepancy(x, y, torch.neg, look)
