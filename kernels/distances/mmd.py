"""The maximum mean discrepancy."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.distances.base import Distance, Estimate, Look, mean_of
from kernels.distances.pairs import discrepancy
from kernels.param import POSITIVE, param

_FEW = 512


@dataclass(frozen=True, kw_only=True)
class MMD(Distance):
    r"""Square of the largest difference of means of a function of norm one, of a space with a Gaussian likeness.

    .. math:: E\, k(X, X') + E\, k(Y, Y') - 2\, E\, k(X, Y), \quad k(x, y) = \exp(-|x - y|^2 / 2 h^2)

    The bandwidth h is `width` times the median distance of points, see `median_distance`. The square has no bias and
    can be slightly negative where the laws are nearly equal; its root would be neither. The standard error is that
    of the value for this bandwidth; between repetitions, values differ more, since the bandwidth does too.
    """

    formula = "E k(X, X′) + E k(Y, Y′) − 2 E k(X, Y),  k = exp(−|x − y|²/2h²)"
    source = "Gretton et al. 2012, A kernel two-sample test, lemma 6"
    name = "mmd"
    title = "squared maximum mean discrepancy"
    symbol = "MMD²"
    unit = "a square without unit, may be slightly negative"
    most = 2**12
    width: float = param(
        1.0, "h/median", (0.1, 10.0), "bandwidth over the median distance of points", domain=POSITIVE, log=True
    )

    def _estimate(
        self, x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator, look: Look
    ) -> Estimate:
        return discrepancy(x, y, partial(_likeness, self.width * median_distance(x, y, rng)), look)


def _likeness(bandwidth: float, distances: Float64[Tensor, "rows columns"]) -> Float64[Tensor, "rows columns"]:
    return torch.exp(-0.5 * (distances / bandwidth).square())


def median_distance(x: Float[Tensor, "n modes"], y: Float[Tensor, "m modes"], rng: torch.Generator) -> float:
    """Median distance between the points of both clouds together, of at most 512 of each, drawn without replacement.

    Values: the mean where the median is zero, and 1 where all points are one, so that it can always be divided by.
    """
    center = mean_of(x)
    drawn = [
        cloud[torch.randperm(len(cloud), generator=rng, device=rng.device)[:_FEW].to(x.device)] for cloud in (x, y)
    ]
    distances = torch.nn.functional.pdist(torch.cat([each.double() for each in drawn]) - center)
    return float(distances.quantile(0.5)) or float(distances.mean()) or 1.0
