"""How fast the regularization falls while Sinkhorn's algorithm runs."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from kernels.param import Component, Interval, param


@dataclass(frozen=True, kw_only=True)
class Cooling(Component, ABC):
    """The inverse temperature β = 1/ε by iteration, from that of the problem on."""

    @abstractmethod
    def factor(self, iteration: int) -> float:
        """β at an iteration over β at the first one, number 0; it never falls."""


@dataclass(frozen=True, kw_only=True)
class PowerCooling(Cooling):
    """A power of the number of iterations."""

    formula = "βₜ = β₀ (t + 1)^κ"
    source = "Chizat 2024, Annealed Sinkhorn for optimal transport: convergence, regularization path and debiasing"
    exponent: float = param(0.5, "κ", (0.0, 1.0), "0 never cools, 1 cools fastest", domain=Interval(0.0, 4.0))

    def factor(self, iteration: int) -> float:
        return (iteration + 1) ** self.exponent


@dataclass(frozen=True, kw_only=True)
class GeometricCooling(Cooling):
    """A constant ratio from one iteration to the next, down to a floor."""

    formula = "βₜ = β₀ min(qᵗ, 1/ϕ)"
    source = "Kosowsky and Yuille 1994, The invisible hand algorithm: solving the assignment problem"
    ratio: float = param(1.05, "q", (1.0, 2.0), "growth of β from one iteration to the next", domain=Interval(1.0, 1e3))
    floor: float = param(
        1e-3,
        "ϕ",
        (1e-4, 1.0),
        "last ε as a fraction of the first",
        domain=Interval(0.0, 1.0, includes_low=False),
        log=True,
    )

    def factor(self, iteration: int) -> float:
        # In logarithms: the power itself overflows long after the floor is reached.
        return math.exp(min(iteration * math.log(self.ratio), -math.log(self.floor)))


@dataclass(frozen=True, kw_only=True)
class ConstantCooling(Cooling):
    """None: Sinkhorn's algorithm at one temperature."""

    formula = "βₜ = β₀"
    source = "Sinkhorn 1967; Cuturi 2013, Sinkhorn distances"

    def factor(self, iteration: int) -> float:
        return 1.0


COOLINGS = (PowerCooling, GeometricCooling, ConstantCooling)
