"""Moments and histograms of clouds too large to be kept: of some particles at a time."""

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kernels.arrays import Modes
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.particles.carry import Watch, sample
from kernels.particles.sampling import Sampling
from kernels.scores.clouds import Denoiser

# Bytes of particles that are kept at a time.
MEMORY = 2**28
NO_EDGES = torch.empty(0, 0, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance, normalized by n - 1, of each mode; and how many particles lie between the edges given."""

    count: int
    mean: Modes
    variance: Modes
    counts: Int64[Tensor, "some bins"]

    def errors(self, law: Gaussian) -> Float64[Tensor, "2 modes"]:
        """Deviations of means and variances from those of a law, in their standard errors for Gaussian particles.

        Values: 0 where both are point masses in the same place.
        """
        mean = (self.mean - law.mean) / (law.variance / self.count).sqrt()
        variance = (self.variance / law.variance - 1) / (2 / (self.count - 1)) ** 0.5
        still = (law.variance == 0) & (self.variance < 1e-12)
        placed = still & ((self.mean - law.mean).abs() <= 1e-6 * (1 + law.mean.abs()))
        return torch.where(torch.stack([placed, still]), 0.0, torch.stack([mean, variance]))


def moments(
    experiment: Experiment,
    sampling: Sampling,
    *,
    denoise: Denoiser | None = None,
    modes: tuple[int, ...] = (),
    edges: Float64[Tensor, "some edges"] = NO_EDGES,
    watch: Watch = lambda fraction: None,
) -> Moments:
    """Moments of a cloud of any size; and for the first modes, as many as there are rows of increasing edges, counts.

    The last bin holds its right edge too; particles outside are not counted. Errors: as `sample`.
    """
    wanted = len(modes) or len(experiment.law.variance)
    most = max(2, MEMORY // (16 * wanted))
    law = experiment.data.at(torch.tensor(modes)).law if modes else experiment.law
    # About a center near theirs, sums in 64 bits keep their digits.
    center, total = law.mean.expand_as(law.variance), sampling.particles
    first, square = torch.zeros(wanted, dtype=torch.float64), torch.zeros(wanted, dtype=torch.float64)
    counts = torch.zeros(len(edges), max(edges.shape[1] - 1, 0), dtype=torch.int64)
    for done in range(0, total, most):
        count = min(most, total - done)
        # A cloud has two points at least; a single one that is left over is drawn with one more.
        part = sample(
            experiment,
            dataclasses.replace(sampling, particles=max(count, 2)),
            denoise=denoise,
            first=done,
            modes=modes,
            watch=lambda share, done=done, count=count: watch((done + share * count) / total),
        )
        deviation = part.points[:count].double() - center
        first += deviation.sum(0)
        square += deviation.square().sum(0)
        for row, bounds in enumerate(edges):
            counts[row] += torch.histogram(part.points[:count, row].double().contiguous(), bounds)[0].long()
    mean = first / total
    variance = (square - total * mean.square()) / (total - 1)
    return Moments(total, center + mean, variance.clamp_min(0), counts)
