"""What a population is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from kernels.arrays import Modes
from kernels.gaussian import Gaussian


@dataclass(frozen=True, eq=False)
class Population(ABC):
    """The law of the data, in the eigenbasis of its covariance.

    `law` is the Gaussian with its mean and covariance.
    """

    law: Gaussian

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator) -> Float64[Tensor, "n modes"]:
        """Draw n independent points."""

    @abstractmethod
    def denoiser(self, x: Float[Tensor, "n modes"], alpha: float, sigma: float) -> Float[Tensor, "n modes"]:
        """The data expected, E[x0 | alpha x0 + sigma xi = x], in the precision of x and on its device.

        Assumes: sigma > 0. Values: a point that is not finite gives nan for that point alone.
        """


def members(weights: Modes, n: int, rng: torch.Generator) -> Int64[Tensor, " n"]:
    """Draw the component of each of n points."""
    uniform = torch.rand(n, dtype=torch.float64, generator=rng)
    cumulative = weights.cumsum(0)
    # Divided by the last, which rounding may have left below 1 and below a number drawn.
    return torch.searchsorted(cumulative / cumulative[-1], uniform, right=True)
