"""Score models, and the exact one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from kernels.gaussian import Gaussian
from kernels.param import Component


@dataclass(frozen=True)
class Score:
    """The score of noised Gaussian data: it is determined by the law that it takes the data to have."""

    data: Gaussian


@dataclass(frozen=True, kw_only=True)
class ScoreModel(Component, ABC):
    """How a score is obtained from the data."""

    @abstractmethod
    def fit(self, data: Gaussian) -> Score:
        """The score that a sampler on these data uses."""


@dataclass(frozen=True, kw_only=True)
class Exact(ScoreModel):
    """The exact score of the noised data."""

    formula = "∇log pₜ(x) = −(x − α μ) / (α² λ + σ²)"
    source = "the gradient of the logarithm of a Gaussian density"

    def fit(self, data: Gaussian) -> Score:
        return Score(data)
