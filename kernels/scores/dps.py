r"""Diffusion posterior sampling: the score of the data, guided by the measurement through the denoiser.

With the denoiser :math:`m_{0|t}` of the data the measurement is taken to have the law
:math:`N(h\, m_{0|t}, s^2)` given the state, as if the state told the data without doubt. In the state less alpha times
the mean of the *posterior*, which lies r from that of the data,

.. math:: \nabla \log p_t - \text{guidance} = -\Big(\frac1{\bar\lambda} + w q^2 \alpha^2\Big)(x - \alpha \mu)
    + w r \alpha \frac{\sigma^2}{\bar\lambda} q, \quad
    \bar\lambda = \alpha^2 \lambda + \sigma^2, \; q = \frac{\lambda}{\bar\lambda}, \; w = \frac{h^2}{s^2},

where everything that would cancel has been taken together.
"""

from dataclasses import dataclass
from typing import final

import torch

from kernels.arrays import Anything, Modes
from kernels.gaussian import Gaussian
from kernels.observations import OBSERVATIONS, Conditioned, Observation, Unobserved
from kernels.scores.base import AffineScore, Noised, Score, ScoreModel, V
from kernels.scores.exact import ExactScore


@final
@dataclass(frozen=True, eq=False)
class GuidedScore(AffineScore):
    """The score of a noised Gaussian guided by a measurement of each mode.

    `law` has the variance of the data and the mean of the posterior, which lies `moved` from that of the data;
    `precision` is that of the measurement.
    """

    precision: Modes
    moved: Modes

    @property
    def is_centered(self) -> bool:
        return not bool(self.moved.any())

    def score(self, centered: V, at: Noised) -> V:
        share = self._share(at)
        slope = at.variance.reciprocal() + self.precision * (at.alpha * share).square()
        return self._offset(-slope * centered, at.alpha, at)

    def denoiser(self, centered: V, at: Noised) -> V:
        left = 1 - self.precision * self._share(at) * at.sigma.square()
        share = torch.where(at.sigma == 0, 1 / at.alpha, at.alpha * self._share(at) * left)
        return self._offset(share * centered + self.law.mean, at.sigma.square(), at)

    def noise_prediction(self, centered: V, at: Noised) -> V:
        slope = at.variance.reciprocal() + self.precision * (at.alpha * self._share(at)).square()
        share = torch.where(at.sigma == 0, torch.zeros_like(at.sigma), at.sigma * slope)
        return self._offset(share * centered, -at.alpha * at.sigma, at)

    def velocity(self, centered: V, at: Noised) -> V:
        alpha_rate, half_rate = at.process.alpha_rate(at.t), 0.5 * at.process.variance_rate(at.t)
        # alpha g^2 / 2
        turning = at.alpha * half_rate - alpha_rate * at.sigma.square()
        own = (half_rate + at.alpha * alpha_rate * self.law.variance) / at.variance
        guided = self.precision * at.alpha * self._share(at).square() * turning
        return self._offset((own + guided) * centered + alpha_rate * self.law.mean, -turning, at)

    def _share(self, at: Noised) -> Anything:
        """The variance of the data over that of the noised data; none where there is neither."""
        return self.law.variance / torch.where(at.variance > 0, at.variance, 1.0)

    def _offset(self, prediction: V, factor: Anything, at: Noised) -> V:
        """The prediction, with its value at the mean of the noised posterior in units of this factor."""
        if self.is_centered:
            return prediction
        rest = at.sigma.square() / torch.where(at.variance > 0, at.variance, 1.0)
        return prediction + factor * (self.precision * self.moved * self._share(at) * rest)


@dataclass(frozen=True, kw_only=True)
class DPS(ScoreModel):
    """Diffusion posterior sampling: guidance that takes the denoiser for the data; without a measurement, exact.

    It is not the score of any noised law, so that the error does not go to zero with the steps.
    """

    formula = "s(x) = −(x − α μ₀)/λₜ + (α λ/λₜ) h (y − h m₀|ₜ)/s²,  λₜ = α² λ + σ²,  m₀|ₜ the denoiser of the data"
    source = "Chung et al. 2023, Diffusion posterior sampling for general noisy inverse problems, eq. 16"
    by_eigenvalue = False

    def refusal(self, observation: Observation) -> str:
        if observation.diagonal:
            return ""
        fitting = ", ".join(kind.__name__ for kind in OBSERVATIONS if kind.diagonal)
        kinds = type(self).__name__, type(observation).__name__
        return f"{kinds[0]} needs an observation of every mode by itself ({fitting}), got {kinds[1]}"

    def is_exact(self, observation: Observation) -> bool:
        return isinstance(observation, Unobserved)

    def fit(self, data: Conditioned) -> Score:
        if data.measured is None:
            return ExactScore(data.law)
        measured = data.measured
        return GuidedScore(Gaussian(data.law.mean, measured.prior), measured.precision, measured.moved)
