"""What a number of points makes of estimates of a distance, between laws whose distance is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.distances.base import Estimate
from kernels.gaussian import Gaussian, wasserstein2_squared
from kernels.transport.base import COLD, Solver, Start, Watch
from kernels.transport.estimators import richardson, standard_error
from kernels.transport.exact import exact_transport
from kernels.transport.gaussians import gaussian_transport
from kernels.transport.problem import transport_problem

ESTIMATORS = ("entropic cost", "Sinkhorn divergence", "Richardson", "exact")
# Of more points the cheapest coupling takes too long to be found many times.
MOST_EXACT = 2000


@final
@dataclass(frozen=True, eq=False)
class SampleSizeEffects:
    """Estimates of a squared distance, drawn again and again, beside the truth.

    Axes: estimators in the order of `ESTIMATORS`, numbers of modes, numbers of points, epsilons, and replicas. The
    exact one knows no epsilon and is the same for all; it is nan for more than 2000 points of more than one mode.
    `truth` is the squared distance of the laws, `limits` what each estimator tends to with the number of points, and
    `claimed` the standard errors that estimators give of themselves.
    """

    modes: tuple[int, ...]
    sizes: tuple[int, ...]
    epsilons: Float64[Tensor, "dimensions fractions"]
    truth: Float64[Tensor, " dimensions"]
    limits: Float64[Tensor, "estimators dimensions fractions"]
    values: Float64[Tensor, "estimators dimensions sizes fractions replicas"]
    claimed: Float64[Tensor, "estimators dimensions sizes fractions replicas"]

    @property
    def bias(self) -> Float64[Tensor, "estimators dimensions sizes fractions"]:
        """Mean estimate less the truth."""
        return self.values.mean(-1) - self.truth[:, None, None]

    @property
    def fluctuation(self) -> Float64[Tensor, "estimators dimensions sizes fractions"]:
        """Standard deviation of an estimate."""
        return self.values.std(-1)

    @property
    def bias_error(self) -> Float64[Tensor, "estimators dimensions sizes fractions"]:
        """Standard error of the bias."""
        return self.fluctuation / math.sqrt(self.values.shape[-1])

    @property
    def total_error(self) -> Float64[Tensor, "estimators dimensions sizes fractions"]:
        """Root of the mean squared error."""
        return (self.values - self.truth[:, None, None, None]).square().mean(-1).sqrt()


def sample_size_effects(
    p: Gaussian,
    q: Gaussian,
    modes: tuple[int, ...],
    sizes: tuple[int, ...],
    fractions: tuple[float, ...],
    replicas: int,
    seed: int,
    solver: Solver,
    watch: Callable[[float], None] = lambda fraction: None,
) -> SampleSizeEffects:
    """Bias and fluctuation of all estimators between clouds of two laws, on the first so many modes of both.

    Epsilons are fractions of the mean cost between the laws. A replica of fewer points has the first ones of the same
    cloud. `watch` hears of progress, and what it raises ends the work.

    Errors: `ValueError` in one sentence for fewer than two replicas, sizes below 2, modes that the laws do not have, or
    fractions that are not positive.
    """
    _check(p, q, modes, sizes, fractions, replicas)
    pairs = [_Pair(_first(p, count), _first(q, count)) for count in modes]
    found = torch.empty(2, len(ESTIMATORS), len(modes), len(sizes), len(fractions), replicas, dtype=torch.float64)
    shares = _Shares(watch, [n * n for n in sizes] * (len(modes) * replicas))
    for d, pair in enumerate(pairs):
        epsilons = [fraction * pair.mean_cost for fraction in fractions]
        for k in range(replicas):
            x, y = pair.sample(max(sizes), seed + k)
            for s, n in enumerate(sizes):
                found[:, :, d, s, :, k] = _estimates(x[:n], y[:n], epsilons, solver, shares.next())
    watch(1.0)
    return SampleSizeEffects(
        modes,
        sizes,
        torch.tensor([[fraction * pair.mean_cost for fraction in fractions] for pair in pairs], dtype=torch.float64),
        torch.stack([wasserstein2_squared(pair.p, pair.q) for pair in pairs]),
        torch.stack([pair.limits(fractions) for pair in pairs], 1),
        *found,
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Laws of as many modes."""

    p: Gaussian
    q: Gaussian

    @property
    def mean_cost(self) -> float:
        """Mean squared distance of independent points."""
        return float((self.p.mean - self.q.mean).square().sum() + self.p.variance.sum() + self.q.variance.sum())

    def limits(self, fractions: tuple[float, ...]) -> Float64[Tensor, "estimators fractions"]:
        """What the estimators tend to."""
        known, exact = gaussian_transport(self.p, self.q), float(wasserstein2_squared(self.p, self.q))
        epsilons = [fraction * self.mean_cost for fraction in fractions]
        by_epsilon = [(known.entropic_cost(e), known.divergence(e), known.richardson(e), exact) for e in epsilons]
        return torch.tensor(by_epsilon, dtype=torch.float64).T

    def sample(self, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """A cloud of each."""
        rng = torch.Generator().manual_seed(seed)
        return self.p.sample(n, rng), self.q.sample(n, rng)


class _Shares:
    """Parts of the work, each of which tells how far it is."""

    def __init__(self, watch: Callable[[float], None], costs: list[int]) -> None:
        self._watch, self._costs, self._total, self._done = watch, iter(costs), sum(costs), 0

    def next(self) -> Watch:
        """The watch of the next part."""
        done, cost = self._done, next(self._costs)
        self._done += cost
        return lambda progress: self._watch((done + cost * progress.fraction) / self._total)


def _estimates(
    x: Float64[Tensor, "n d"], y: Float64[Tensor, "n d"], epsilons: list[float], solver: Solver, watch: Watch
) -> Float64[Tensor, "2 estimators fractions"]:
    """Values and claimed standard errors; from the largest epsilon on, so that each starts from the one before."""
    found = torch.empty(2, len(ESTIMATORS), len(epsilons), dtype=torch.float64)
    exact = _exact(x, y)
    start: Start = COLD
    order = sorted(range(len(epsilons)), key=lambda e: -epsilons[e])
    for done, e in enumerate(order):
        both = richardson(transport_problem(x, y, epsilons[e]), solver, start, _within(watch, done, len(order)))
        start = both.sharp.coupling.potentials
        estimates = both.sharp.entropic, both.sharp.estimate, both.estimate, exact
        found[0, :, e] = torch.tensor([each.value for each in estimates], dtype=torch.float64)
        found[1, :, e] = torch.tensor([each.standard_error for each in estimates], dtype=torch.float64)
    return found


def _within(watch: Watch, done: int, parts: int) -> Watch:
    return lambda progress: watch(replace(progress, fraction=(done + progress.fraction) / parts))


def _exact(x: Float64[Tensor, "n d"], y: Float64[Tensor, "n d"]) -> Estimate:
    if x.shape[1] > 1 and len(x) > MOST_EXACT:
        return Estimate(math.nan, math.nan, (len(x), len(y)))
    coupling = exact_transport(transport_problem(x, y, 1.0))
    a, b = coupling.problem.weights_a, coupling.problem.weights_b
    potentials = coupling.potentials
    error = math.hypot(standard_error(a, potentials.potential_f), standard_error(b, potentials.potential_g))
    return Estimate(coupling.cost, error, (len(x), len(y)))


def _first(law: Gaussian, modes: int) -> Gaussian:
    return Gaussian(law.mean.expand_as(law.variance)[:modes], law.variance[:modes])


def _check(
    p: Gaussian,
    q: Gaussian,
    modes: tuple[int, ...],
    sizes: tuple[int, ...],
    fractions: tuple[float, ...],
    replicas: int,
) -> None:
    most = min(len(p.variance), len(q.variance))
    for name, values, low, high in (
        ("numbers of modes", modes, 1, most),
        ("numbers of points", sizes, 2, 10**6),
        ("replicas", (replicas,), 2, 10**6),
    ):
        if not values or not all(low <= value <= high for value in values):
            got = ", ".join(map(str, values)) or "none"
            raise ValueError(f"{name} must lie from {low} to {high}, got {got}.")
    if not fractions or not all(0 < fraction < math.inf for fraction in fractions):
        got = ", ".join(f"{fraction:g}" for fraction in fractions) or "none"
        raise ValueError(f"epsilons must be positive fractions of the mean cost, got {got}.")
