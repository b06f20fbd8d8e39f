r"""Scores learned from samples by denoising score matching: linear, by gradient steps from zero.

The loss at a level is :math:`\tfrac12 E|A y - \sigma^{-1} \xi|^2` over :math:`y = \alpha x + \sigma \xi`. With the
noise integrated, K steps of size tau leave of the way from zero to the minimizer
:math:`A = (\alpha^2 \hat\Sigma + \sigma^2)^{-1}` the part :math:`(1 - \tau (\alpha^2 \lambda + \sigma^2))^K`, mode by
mode of the samples' covariance. What is random in it - the samples, and the order of the gradients - has its own
theory in `kernels.matching` and `kernels.response`; here is the mean, on the data's own covariance.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from kernels.arrays import Anything, Times
from kernels.observations import Conditioned, Observation, Unobserved
from kernels.param import POSITIVE, Interval, flag, param
from kernels.processes import Process
from kernels.scores.base import AffineScore, Noised, Score, ScoreModel, V
from kernels.scores.exact import ExactScore

COUNT = Interval(1, 1_000_000_000)


@dataclass(frozen=True, kw_only=True)
class Learned(ScoreModel, ABC):
    """A score from n samples of data whose mean is known.

    Its law is that of the mean score; `kernels.analyses.learning` adds what its fluctuations cost.
    """

    by_eigenvalue = True
    samples: int = param(1000, "n", (10, 100_000), "number of samples that are learned from", domain=COUNT, log=True)

    @abstractmethod
    def remaining(self, variance: Tensor) -> Tensor:
        """The part of the way from zero to the minimizer that is left, where the noised data have this variance."""

    @final
    def refusal(self, observation: Observation) -> str:
        if isinstance(observation, Unobserved):
            return ""
        kinds = type(self).__name__, type(observation).__name__
        return f"{kinds[0]} is learned from samples of the data themselves (Unobserved), got {kinds[1]}"

    @property
    @abstractmethod
    def is_finished(self) -> bool:
        """Whether nothing is ever left of the way: then the mean score is the exact one."""

    @final
    def is_exact(self, observation: Observation) -> bool:
        return self.is_finished

    @final
    def unreached(self, process: Process, times: Times) -> str:
        if self.is_finished or float(process.alpha(times[0])) > 0:
            return ""
        kind = type(self).__name__
        return f"{kind} needs some signal at the first time; set grid.start below the time at which alpha is zero"

    @final
    def fit(self, data: Conditioned) -> Score:
        return ExactScore(data.law) if self.is_finished else FilteredScore(data.law, self)


@final
@dataclass(frozen=True, eq=False)
class FilteredScore(AffineScore):
    """The exact score but for what is left of the way to it: -(1 - p) (x - alpha mu) / variance."""

    model: Learned

    @property
    def is_centered(self) -> bool:
        return True

    def score(self, centered: V, at: Noised) -> V:
        return -((1 - self._left(at)) / at.variance) * centered

    def denoiser(self, centered: V, at: Noised) -> V:
        share = (at.alpha * self.law.variance + at.sigma.square() / at.alpha * self._left(at)) / at.variance
        return torch.where(at.sigma == 0, 1 / at.alpha, share) * centered + self.law.mean

    def noise_prediction(self, centered: V, at: Noised) -> V:
        share = at.sigma * (1 - self._left(at)) / at.variance
        return torch.where(at.sigma == 0, torch.zeros_like(at.sigma), share) * centered

    def velocity(self, centered: V, at: Noised) -> V:
        exact = ExactScore(self.law).velocity(centered, at)
        half = 0.5 * at.process.variance_rate(at.t) - at.process.alpha_rate(at.t) / at.alpha * at.sigma.square()
        return exact - (half * self._left(at) / at.variance) * centered

    def _left(self, at: Noised) -> Anything:
        return self.model.remaining(at.variance)


@dataclass(frozen=True, kw_only=True)
class Empirical(Learned):
    """The exact minimizer from n samples, the noise having been integrated."""

    formula = "s(x) = −(α² Σ̂ + σ²)⁻¹ (x − α μ),  Σ̂ from n samples"
    source = "Hyvärinen 2005, Estimation of non-normalized statistical models by score matching; Vincent 2011, eq. 11"

    @property
    def is_finished(self) -> bool:
        return True

    def remaining(self, variance: Tensor) -> Tensor:
        return torch.zeros_like(variance)


@dataclass(frozen=True, kw_only=True)
class GradientDescent(Learned):
    """K steps of gradient descent from zero, at each level by itself: early stopping filters the spectrum."""

    formula = "A ← A − τ (A C − I),  C = α² Σ̂ + σ²,  K times from 0"
    source = "Engl, Hanke, Neubauer 1996, Regularization of inverse problems, section 6.1 (Landweber iteration)"
    step_size: float = param(1e-3, "τ", (1e-6, 1.0), "step size of the gradient descent", domain=POSITIVE, log=True)
    iterations: int = param(
        10_000, "K", (1, 1_000_000), "number of gradient steps at each level", domain=COUNT, log=True
    )

    @property
    def is_finished(self) -> bool:
        return False

    def remaining(self, variance: Tensor) -> Tensor:
        return _remaining(self.step_size, self.iterations, variance)


@dataclass(frozen=True, kw_only=True)
class StochasticGradient(Learned):
    """K steps of stochastic gradient descent from zero; fresh noise at every step, B examples at a time."""

    formula = "A ← A − τ mean_B[(A y − ξ/σ) yᵀ],  y = α x + σ ξ,  K times from 0"
    source = "Robbins and Monro 1951; stationary second moments as Dieuleveut, Durmus, Bach 2020, section 3"
    step_size: float = param(1e-3, "τ", (1e-6, 1.0), "step size of the gradient descent", domain=POSITIVE, log=True)
    batch: int = param(16, "B", (1, 1024), "examples per gradient step", domain=COUNT, log=True)
    iterations: int = param(
        10_000, "K", (1, 1_000_000), "number of gradient steps at each level", domain=COUNT, log=True
    )
    symmetrized: bool = flag(False, "", "the gradient is made symmetric at every step")
    shared: bool = flag(False, "", "the same random numbers at every level of a diffusion")
    constraints = (
        (
            lambda self: self.noise_amplitude > 0,
            "noise_amplitude (σ) must lie above 0, where gradients scatter without bound, got {self.noise_amplitude!r}",
        ),
    )

    @property
    def is_finished(self) -> bool:
        return False

    def remaining(self, variance: Tensor) -> Tensor:
        return _remaining(self.step_size, self.iterations, variance)


def _remaining(step_size: float | Tensor, iterations: int, variance: Tensor) -> Tensor:
    """(1 - tau variance)^K by its logarithm: the power would multiply the rounding of its base by K."""
    moved = step_size * variance
    short, far = moved < 0.5, moved > 1.5
    within = (iterations * torch.log1p(-torch.where(short, moved, 0.0))).exp()
    overshot = (iterations * torch.where(far, moved - 1, 1.0).log()).exp()
    # Near one the power itself, which has derivatives where its base is zero.
    middle = (1 - torch.where(short | far, 1.0, moved)) ** iterations
    return torch.where(short, within, torch.where(far, overshot if iterations % 2 == 0 else -overshot, middle))
