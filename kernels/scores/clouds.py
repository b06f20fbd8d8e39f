"""Scores that are no affine maps: known by their denoiser, on points."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast, final

from torch import Tensor

from kernels.affine import Factor
from kernels.scores.base import Noised, Score, V

# The data expected behind points, given levels of signal and noise above zero.
Denoiser = Callable[[Tensor, float, float], Tensor]


@final
@dataclass(frozen=True, eq=False)
class CloudScore(Score):
    """The score that belongs to a denoiser; for points only.

    Without signal the data expected are their mean. Errors: `ValueError` in one sentence where the score is asked for
    without noise.
    """

    denoise: Denoiser
    _kept: dict[str, tuple[Tensor, float, float, Tensor]] = field(
        default_factory=dict[str, tuple[Tensor, float, float, Tensor]], repr=False
    )

    @property
    def is_centered(self) -> bool:
        return False

    @property
    def center(self) -> Factor:
        return 0.0

    def score(self, centered: V, at: Noised) -> V:
        return (-1.0 / self._checked(at)) * self._noise(centered, at)

    def denoiser(self, centered: V, at: Noised) -> V:
        x, alpha, sigma = cast(Tensor, centered), float(at.alpha), float(at.sigma)
        if sigma == 0:
            return cast(V, x / alpha)
        if alpha == 0:
            return cast(V, self.law.mean.to(x).expand_as(x))
        # A step may ask for several predictions at the same place.
        known, *levels, found = self._kept.get("", (None, 0.0, 0.0, x))
        if known is not x or levels != [alpha, sigma]:
            found = self.denoise(x, alpha, sigma)
            self._kept[""] = x, alpha, sigma, found
        return cast(V, found)

    def noise_prediction(self, centered: V, at: Noised) -> V:
        return 0.0 * centered if float(at.sigma) == 0 else self._noise(centered, at)

    def velocity(self, centered: V, at: Noised) -> V:
        # alpha' x0 + sigma' xi: regular also where f and g are infinite.
        sigma_rate = 0.5 * float(at.process.variance_rate(at.t)) / self._checked(at)
        return float(at.process.alpha_rate(at.t)) * self.denoiser(centered, at) + sigma_rate * self._noise(centered, at)

    def _noise(self, centered: V, at: Noised) -> V:
        sigma = self._checked(at)
        return (1 / sigma) * (centered - float(at.alpha) * self.denoiser(centered, at))

    @staticmethod
    def _checked(at: Noised) -> float:
        if float(at.sigma) == 0:
            raise ValueError(
                "this sampler asks for the score where there is no noise, where data that are no Gaussian may have "
                "none; set grid.stop above zero and grid.to_zero to false, or choose another sampler."
            )
        return float(at.sigma)
