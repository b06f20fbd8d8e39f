"""The exact score."""

from dataclasses import dataclass
from typing import final

import torch

from kernels.observations import Conditioned, Observation
from kernels.scores.base import AffineScore, Noised, Score, ScoreModel, V


@final
@dataclass(frozen=True, eq=False)
class ExactScore(AffineScore):
    """The score of a noised Gaussian."""

    @property
    def is_centered(self) -> bool:
        return True

    def score(self, centered: V, at: Noised) -> V:
        return -at.variance.reciprocal() * centered

    def denoiser(self, centered: V, at: Noised) -> V:
        # All the variance is signal where there is no noise, also in a mode without variance.
        share = torch.where(at.sigma == 0, 1 / at.alpha, at.alpha * self.law.variance / at.variance)
        return share * centered + self.law.mean

    def noise_prediction(self, centered: V, at: Noised) -> V:
        return torch.where(at.sigma == 0, torch.zeros_like(at.sigma), at.sigma / at.variance) * centered

    def velocity(self, centered: V, at: Noised) -> V:
        alpha_rate = at.process.alpha_rate(at.t)
        rate = torch.addcmul(0.5 * at.process.variance_rate(at.t), at.alpha * alpha_rate, self.law.variance)
        return rate / at.variance * centered + alpha_rate * self.law.mean


@dataclass(frozen=True, kw_only=True)
class Exact(ScoreModel):
    """The exact score of the noised data; with an observation, that of the noised posterior: exact guidance."""

    formula = "∇log pₜ(x) = −(x − α μ) / (α² λ + σ²)"
    source = "the gradient of the logarithm of a Gaussian density"
    by_eigenvalue = True

    def refusal(self, observation: Observation) -> str:
        return ""

    def is_exact(self, observation: Observation) -> bool:
        return True

    def fit(self, data: Conditioned) -> Score:
        return ExactScore(data.law)
