"""What is sampled: data, noising process and score, and the predictions a sampler's step asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from kernels.affine import Value
from kernels.arrays import Anything
from kernels.gaussian import Gaussian
from kernels.processes import Process
from kernels.scores import Noised, Score

V = TypeVar("V", bound=Value)
MOST_KEPT = 12


@dataclass(frozen=True, eq=False)
class Problem:
    """A law to sample, the process that noises it, and the score used to go back.

    Times are broadcast against the modes of the data.
    """

    data: Gaussian
    process: Process
    score: Score
    _kept: dict[tuple[object, int], tuple[Anything, Anything]] = field(
        default_factory=dict[tuple[object, int], tuple[Anything, Anything]], repr=False
    )

    def alpha(self, t: Anything) -> Anything:
        """Signal level."""
        return self._once("alpha", t, self.process.alpha)

    def sigma(self, t: Anything) -> Anything:
        """Noise level."""
        return self._once("sigma", t, self.process.sigma)

    @property
    def has_mean(self) -> bool:
        """Whether there is anything to know of means: without, those of the state and of the data are zero."""
        return bool(self.data.mean.any()) or not self.score.is_centered

    def score_at(self, x: V, t: Anything) -> V:
        """Score of the noised law."""
        return self.score.score(self._centered(x, t), self._at(t))

    def denoiser(self, x: V, t: Anything) -> V:
        """Expectation of the data given the state."""
        return self.score.denoiser(self._centered(x, t), self._at(t))

    def noise_prediction(self, x: V, t: Anything) -> V:
        """Expectation of the noise given the state."""
        return self.score.noise_prediction(self._centered(x, t), self._at(t))

    def velocity(self, x: V, t: Anything) -> V:
        """Right-hand side of the probability-flow equation, regular also where f and g are infinite."""
        return self.score.velocity(self._centered(x, t), self._at(t))

    def _centered(self, x: V, t: Anything) -> V:
        center = self.score.center
        return x - self.alpha(t) * center if isinstance(center, Tensor) else x

    def _at(self, t: Anything) -> Noised:
        return Noised(self.process, t, self.alpha(t), self.sigma(t), self._noised(self.score.law, t))

    def exact_variance(self, t: Anything) -> Anything:
        """Variance of the noised data, mode by mode."""
        return self._noised(self.data, t)

    def _noised(self, data: Gaussian, t: Anything) -> Anything:
        def variance(t: Anything) -> Anything:
            return torch.addcmul(self.sigma(t).square(), self.alpha(t).square(), data.variance)

        return self._once(data, t, variance)

    def _once(self, what: object, t: Anything, compute: Callable[[Anything], Anything]) -> Anything:
        """The value, computed once: a step asks several times at the same times, of all steps and modes at once."""
        known, value = self._kept.get((what, id(t)), (None, t))
        if known is not t:
            value = compute(t)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[what, id(t)] = t, value
        return value
