r"""Learning and sampling really run, many times over: what the theory of learned scores is to be compared with.

Every replica draws its own n samples of the data, learns a matrix :math:`A` from them at each noise level at which the
sampler asks for a score, as the model says and step by step, and then samples with the score
:math:`-A (x - \alpha \mu)`. Samples of the sampler itself are not drawn: its steps are affine, so that the covariance
of its output follows exactly from the matrices, and the only randomness is that of learning.

Random numbers: replicas are drawn in groups, whose size follows from the experiment and the kind of device alone. The
k-th group has a generator of its own, seeded by a hash of the seed plus k, and a second one where all levels learn
from the same numbers. A result depends therefore on seed, number of replicas and kind of device, and on nothing else.
Gaussians are drawn with 24 bits, beyond which no number of replicas would see; all arithmetic is in 64.
"""

import math
import operator
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import NamedTuple, Self, cast

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from kernels.affine import Factor
from kernels.arrays import Anything, Modes
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.problem import Problem
from kernels.samplers import Kinetic, OneStep, Sampler, SingleLevel, TwoStep
from kernels.scores import Empirical, GradientDescent, Learned, Noised, Score, StochasticGradient
from kernels.scores.base import V

MOST_REPLICAS = 10_000_000
MEMORY = 256 * 2**20
# Replicas of a group: a processor likes what fits its cache, a graphics card what fills it.
GROUP = {"cpu": 128, "cuda": 8192}
# Random numbers drawn at once, for several gradient steps or samples.
BLOCK = {"cpu": 2**17, "cuda": 2**24}
# A step asks at its two ends and between them; the end of one is the beginning of the next.
_LEVELS_KEPT = 4
_SECONDS_BETWEEN_LOOKS = 0.1

Matrices = Float64[Tensor, "#replicas row column"]
Squares = Float64[Tensor, "#replicas row row"]
Columns = Float64[Tensor, "#replicas row 1"]


@dataclass(frozen=True, eq=False)
class Progress:
    """How far the work has come: a fraction, and the squared distances of the replicas that are done."""

    fraction: float
    values: Float64[Tensor, " done"]


@dataclass(frozen=True, eq=False)
class Replicas:
    """Squared 2-Wasserstein distances of sampler to data, one for each replica of the learning; inf if it diverged."""

    values: Float64[Tensor, " replicas"]

    @property
    def replicas(self) -> int:
        """How often learning was run."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Estimate of E W2^2."""
        return float(self.values.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of `mean`; inf where a replica diverged."""
        if not bool(self.values.isfinite().all()):
            return math.inf
        return float(self.values.std() / math.sqrt(self.replicas))


def replicate(
    experiment: Experiment,
    replicas: int,
    *,
    seed: int = 0,
    watch: Callable[[Progress], None] = lambda progress: None,
    device: str = "cpu",
    workers: int = 1,
) -> Replicas:
    """Run learning and sampling of an experiment with a learned score so many times.

    `watch` hears of progress a few times a second, in the caller's thread; what it raises ends the work. `workers`
    groups of replicas are computed side by side, each on `torch.get_num_threads()` cores and with at most 256 MB.

    Errors: `ValueError` in one sentence for a score that is not learned, a number of replicas or a seed that is not
    allowed, a device that is not there, and replicas that need more memory.
    """
    model = experiment.score
    if not isinstance(model, Learned):
        raise ValueError(
            "replicas need a score learned from samples, got "
            f"{type(model).__name__}; choose score=Empirical, GradientDescent or StochasticGradient."
        )
    for name, value, low, high in (
        ("replicas", replicas, 2, MOST_REPLICAS),
        ("seed", seed, 0, 2**64 - 1),
        ("workers", workers, 1, 1024),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value}.")
    place = _place(device)
    work = _Work(experiment, model, seed, place, threading.Event(), [])
    size = work.group_size()
    counts = [min(size, replicas - first) for first in range(0, replicas, size)]
    work.shares.extend([0.0] * len(counts))
    found: list[Tensor | None] = [None] * len(counts)

    def look() -> None:
        done = [values for values in found if values is not None]
        share = math.fsum(s * n for s, n in zip(work.shares, counts, strict=True)) / replicas
        watch(Progress(share, torch.cat(done) if done else torch.empty(0, dtype=torch.float64)))

    with ThreadPoolExecutor(1 if place.type == "cuda" else workers, "replicas") as pool:
        waiting: dict[Future[Tensor], int] = {}
        try:
            waiting |= {pool.submit(work.group, k, count): k for k, count in enumerate(counts)}
            looked = -math.inf
            while waiting:
                ended, _ = wait(waiting, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                for future in ended:
                    k = waiting.pop(future)
                    found[k], work.shares[k] = future.result(), 1.0
                if not waiting or time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS:
                    look()
                    looked = time.monotonic()
        except torch.OutOfMemoryError:
            raise ValueError(
                f"the memory of {device} does not suffice for {size} replicas at a time; choose fewer modes or samples."
            ) from None
        finally:
            work.stop.set()
            for future in waiting:
                future.cancel()
    return Replicas(torch.cat([values for values in found if values is not None]))


def _place(device: str) -> torch.device:
    kind, _, rest = device.partition(":")
    if kind not in GROUP or (rest and (kind == "cpu" or not rest.isdigit())):
        raise ValueError(f"device must be cpu or cuda, got {device!r}.")
    if kind == "cuda" and int(rest or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device} needs an NVIDIA graphics card and a PyTorch made for it, and there is none; use cpu."
        )
    return torch.device(device)


@dataclass(frozen=True)
class _Work:
    """What all groups of replicas have in common."""

    experiment: Experiment
    model: Learned
    seed: int
    place: torch.device
    stop: threading.Event
    shares: list[float]

    @property
    def _batch(self) -> int:
        return self.model.batch if isinstance(self.model, StochasticGradient) else 1

    def group_size(self) -> int:
        """Replicas of a group.

        Errors: `ValueError` in one sentence where a single one needs more than `MEMORY`.
        """
        modes, samples = len(self.experiment.law.variance), self.model.samples
        state = modes * (1 if isinstance(self.experiment.sampler, OneStep) else 2)
        kept = 4 * samples * modes if isinstance(self.model, StochasticGradient) else 0
        each = 8 * (10 * state**2 + (2 * _LEVELS_KEPT + 4) * modes**2 + 4 * self._batch * modes) + kept
        if each > MEMORY:
            batch = f", batches of {self._batch}" if kept else ""
            fewer = "modes, samples or examples per step" if kept else "modes"
            raise ValueError(
                f"a replica of {modes} modes, {samples} samples{batch} needs {math.ceil(each / 2**20)} MB, and at most "
                f"{MEMORY // 2**20} are used; choose fewer {fewer}."
            )
        return min(GROUP[self.place.type], MEMORY // each)

    def group(self, index: int, count: int) -> Float64[Tensor, " count"]:
        """Squared distances of the replicas of one group."""
        law, process = self.experiment.law, self.experiment.noising
        times, sampler = self.experiment.times, self.experiment.sampler
        single = isinstance(sampler, SingleLevel)
        steps = 1 if single else len(times) - 1
        done, levels = 0, 0

        def tell(share: float) -> None:
            if self.stop.is_set():
                raise CancelledError
            # Of a step as many parts as it may ask for levels; a level that was known before costs nothing.
            self.shares[index] = min((done + min((levels + share) / sampler.calls, 1)) / steps, 1.0)

        def learn(alpha: float, sigma: float) -> Learnt:
            nonlocal levels
            learnt = learner(alpha, sigma, tell)
            levels += 1
            return learnt

        learner = _learner(
            self.model, law.variance, count, self._source(index, 0), lambda: self._source(index, 1), tell
        )
        problem = Problem(law, process, DenseScore(law, _Kept(learn)))
        state = _start(self.experiment, count, self.place)
        if single:
            state = _power(_move(sampler, problem, times[-2], times[-2], times[-1], state), len(times) - 1).of(state)
        else:
            before = times[0]
            for t0, t1 in pairwise(times):
                tell(0.0)
                state = _move(sampler, problem, before, t0, t1, state).of(state)
                before, done, levels = t0, done + 1, 0
        modes = len(law.variance)
        mean, covariance = state.mean[:, :modes, 0], state.covariance[:, :modes, :modes]
        exact = Gaussian(law.mean.to(self.place), law.variance.to(self.place))
        return bures_squared(mean, covariance, exact).cpu()

    def _source(self, index: int, stream: int) -> "Source":
        # The processor's generator has seeds of 32 bits: a hash for each group would soon give two the same numbers.
        base = int(np.random.SeedSequence([self.seed, stream]).generate_state(1)[0])
        rng = torch.Generator(self.place).manual_seed((base + index) % 2**32)
        return Source(rng, BLOCK[self.place.type])


# ------------------------------------------------------------------------------------------------ learning


@dataclass(frozen=True)
class Source:
    """Random numbers of one group of replicas; `block` is about how many are drawn at once."""

    rng: torch.Generator
    block: int

    def normal(self, *shape: int) -> Float32[Tensor, "..."]:
        """Independent standard Gaussians."""
        return torch.empty(shape, dtype=torch.float32, device=self.rng.device).normal_(generator=self.rng)

    def below(self, end: int, *shape: int) -> Int64[Tensor, "..."]:
        """Independent whole numbers from 0 to end - 1, equally likely."""
        return torch.empty(shape, dtype=torch.int64, device=self.rng.device).random_(0, end, generator=self.rng)


class Learnt(NamedTuple):
    """What a level has taught: the score is minus the first matrix, the denoiser the second, on the centered state."""

    score: Squares
    denoiser: Squares


Tell = Callable[[float], None]
Learner = Callable[[float, float, Tell], Learnt]


def _learner(
    model: Learned, eigenvalues: Modes, count: int, source: Source, again: Callable[[], Source], tell: Tell
) -> Learner:
    """What learns a level, by alpha and sigma; `again` gives a source of the same numbers whenever it is called."""
    deviations = eigenvalues.sqrt().to(source.rng.device)
    if isinstance(model, StochasticGradient):
        samples = source.normal(count * model.samples, len(deviations))

        def descend(alpha: float, sigma: float, tell: Tell) -> Learnt:
            numbers = again() if model.shared else source
            return _descended(model, samples, deviations, alpha, sigma, numbers, tell)

        return descend
    values, vectors = _spectra(model.samples, deviations, count, source, tell)

    def filter_(alpha: float, sigma: float, tell: Tell) -> Learnt:
        return _filtered(model, values, vectors, alpha, sigma)

    return filter_


def _spectra(
    samples: int, deviations: Modes, count: int, source: Source, tell: Tell
) -> tuple[Float64[Tensor, "count modes"], Float64[Tensor, "count modes modes"]]:
    """Eigenvalues and eigenvectors of the covariances of fresh samples, about their known mean."""
    modes = len(deviations)
    total = torch.zeros(count, modes, modes, dtype=torch.float64, device=deviations.device)
    most = max(1, source.block // (count * modes))
    for first in range(0, samples, most):
        drawn = source.normal(count, min(most, samples - first), modes).double()
        total.baddbmm_(drawn.mT, drawn)
        tell(0.0)
    values, vectors = torch.linalg.eigh(total * (deviations.outer(deviations) / samples))
    values = values.clamp_min(0)
    # Fewer samples than modes leave directions in which there is nothing, which rounding would fill.
    values[:, : max(modes - samples, 0)] = 0
    return values, vectors


def _filtered(model: Learned, values: Tensor, vectors: Tensor, alpha: float, sigma: float) -> Learnt:
    """The minimizer from the samples, or K steps of gradient descent towards it: a polynomial of their covariance."""
    noised = alpha**2 * values + sigma**2
    score, left = 1 / noised, torch.zeros_like(noised)
    if not isinstance(model, Empirical):
        descent = cast(GradientDescent, model)
        moved = descent.step_size * noised
        left = (1 - moved) ** descent.iterations
        # 1 - left keeps its digits where few steps have done little.
        gone = torch.where(moved < 0.5, -torch.expm1(descent.iterations * torch.log1p(-moved)), 1 - left)
        untouched = torch.full_like(noised, descent.step_size * descent.iterations)
        score = torch.where(noised > 0, gone / noised, untouched)
    if sigma == 0:
        denoiser = torch.full_like(noised, 1 / alpha)
    else:
        short = torch.where(left == 0, left, _over(sigma**2, alpha) * left)
        denoiser = (alpha * values + short) / noised
    turned = vectors.mT
    return Learnt((vectors * score.unsqueeze(-2)) @ turned, (vectors * denoiser.unsqueeze(-2)) @ turned)


def _descended(
    model: StochasticGradient,
    samples: Float32[Tensor, "all modes"],
    deviations: Modes,
    alpha: float,
    sigma: float,
    source: Source,
    tell: Tell,
) -> Learnt:
    """K steps of stochastic gradient descent from zero."""
    modes, batch = len(deviations), model.batch
    count = len(samples) // model.samples
    shape, device = (count, modes, modes), deviations.device
    unit = torch.eye(modes, dtype=torch.float64, device=device)
    if sigma == 0:
        # The gradient has no finite variance there; a denoiser has nothing to do.
        score = torch.full(shape, math.inf, dtype=torch.float64, device=device)
        return Learnt(score, (unit / alpha).expand(shape))
    # All in rows, so that what is iterated is the transpose of the matrix.
    transposed = torch.zeros(shape, dtype=torch.float64, device=device)
    first_of_each = model.samples * torch.arange(count, device=device).unsqueeze(-1)
    signal = alpha * deviations
    most = max(1, source.block // (count * batch * modes))
    for first in range(0, model.iterations, most):
        steps = min(most, model.iterations - first)
        noises = source.normal(steps, count, batch, modes).double()
        chosen = source.below(model.samples, steps, count, batch).add_(first_of_each)
        points = samples.index_select(0, chosen.flatten()).double().view_as(noises)
        points.mul_(signal).add_(noises, alpha=sigma)
        descend = with_numpy if device.type == "cpu" else with_torch
        descend(transposed, points, noises.mul_(1 / sigma), model.step_size / batch, model.symmetrized)
        tell((first + steps) / model.iterations)
    matrix = transposed.mT
    return Learnt(matrix, _over(1, alpha) * (unit - sigma**2 * matrix))


Batches = Float64[Tensor, "steps replicas batch modes"]


def with_numpy(transposed: Squares, points: Batches, targets: Batches, rate: float, symmetrized: bool) -> None:
    """Steps of stochastic gradient descent, in place: of many small products numpy makes three times as many."""
    matrix = transposed.numpy()
    residual, gradient = np.empty(points.shape[1:]), np.empty_like(matrix)
    with np.errstate(all="ignore"):
        for point, target in zip(points.numpy(), targets.numpy(), strict=True):
            np.matmul(point, matrix, out=residual)
            np.subtract(residual, target, out=residual)
            np.matmul(point.swapaxes(-1, -2), residual, out=gradient)
            step = 0.5 * (gradient + gradient.swapaxes(-1, -2)) if symmetrized else gradient
            np.multiply(step, rate, out=gradient)
            np.subtract(matrix, gradient, out=matrix)


def with_torch(transposed: Squares, points: Batches, targets: Batches, rate: float, symmetrized: bool) -> None:
    """The same on a graphics card."""
    for point, target in zip(points.unbind(), targets.unbind(), strict=True):
        residual = torch.baddbmm(target, point, transposed, beta=-1)
        if symmetrized:
            gradient = point.mT @ residual
            transposed.sub_(gradient + gradient.mT, alpha=0.5 * rate)
        else:
            transposed.baddbmm_(point.mT, residual, alpha=-rate)


def _over(value: float, alpha: float) -> float:
    """The quotient; where there is no signal, infinity."""
    return value / alpha if alpha != 0 else math.inf


class _Kept:
    """Remembers the levels that were learned last."""

    def __init__(self, learn: Callable[[float, float], Learnt]) -> None:
        self._learn = learn
        self._kept: dict[tuple[float, float], Learnt] = {}

    def __call__(self, alpha: float, sigma: float) -> Learnt:
        if (alpha, sigma) not in self._kept:
            while len(self._kept) >= _LEVELS_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[alpha, sigma] = self._learn(alpha, sigma)
        return self._kept[alpha, sigma]


# ------------------------------------------------------------------------------------------------ sampling


@dataclass(frozen=True, eq=False)
class Dense:
    r"""A sampler's value as an affine function of the state before, :math:`M z + b + \sum_j N_j \xi_j`, by replica.

    The last column of `map` is b, the others are M. The fresh Gaussians xi_j have variances q_j, the same in every
    mode; `noise` holds (N_j, q_j).
    """

    map: Matrices
    noise: dict[int, tuple[Squares, Factor]] = field(default_factory=dict[int, tuple[Squares, Factor]])

    def __add__(self, other: "Self | Tensor") -> "Dense":
        if isinstance(other, Tensor):
            if not bool(other.any()):
                return self
            moved = self.map.clone()
            moved[..., -1] += other.to(moved.device)
            return Dense(moved, self.noise)
        noise = dict(self.noise)
        for j, (matrix, variance) in other.noise.items():
            noise[j] = (noise[j][0] + matrix if j in noise else matrix), variance
        return Dense(self.map + other.map, noise)

    def __sub__(self, other: "Self | Tensor") -> "Dense":
        return self + -1.0 * other

    def __rmul__(self, factor: Factor) -> "Dense":
        return self._each(lambda matrix: factor * matrix)

    def through(self, matrix: Squares) -> "Dense":
        """A matrix applied to the value."""
        return self._each(lambda own: matrix @ own)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Dense":
        noise = {j: (change(matrix), variance) for j, (matrix, variance) in self.noise.items()}
        return Dense(change(self.map), noise)


@dataclass(frozen=True, eq=False)
class DenseScore(Score):
    """A score that is learned, as a whole matrix, at each level where it is asked for."""

    learn: Callable[[float, float], Learnt]

    @property
    def is_centered(self) -> bool:
        return True

    def score(self, centered: V, at: Noised) -> V:
        return _through(-self._learnt(at).score, centered)

    def denoiser(self, centered: V, at: Noised) -> V:
        return _through(self._learnt(at).denoiser, centered) + self.law.mean

    def noise_prediction(self, centered: V, at: Noised) -> V:
        sigma = float(at.sigma)
        return sigma * (centered if sigma == 0 else _through(self._learnt(at).score, centered))

    def velocity(self, centered: V, at: Noised) -> V:
        # alpha' x0 + (sigma^2)'/2 A: regular also where f and g are infinite.
        alpha_rate, half_rate = float(at.process.alpha_rate(at.t)), 0.5 * float(at.process.variance_rate(at.t))
        learnt, moved = self._learnt(at), 0.0 * centered
        if alpha_rate != 0:
            moved = moved + alpha_rate * _through(learnt.denoiser, centered) + alpha_rate * self.law.mean
        return moved if half_rate == 0 else moved + half_rate * _through(learnt.score, centered)

    def _learnt(self, at: Noised) -> Learnt:
        return self.learn(float(at.alpha), float(at.sigma))


def _through(matrix: Squares, value: V) -> V:
    assert isinstance(value, Dense)
    return cast(V, value.through(matrix))


@dataclass(frozen=True, eq=False)
class _State:
    """The law of a sampler's state, one or two vectors of modes one after the other."""

    mean: Columns
    covariance: Squares


@dataclass(frozen=True, eq=False)
class _Move:
    """Some steps: the state becomes gain z + shift + N(0, noise)."""

    gain: Squares
    shift: Columns
    noise: Squares

    def of(self, state: _State) -> _State:
        """The law after, from the one before."""
        spread = self.gain @ state.covariance @ self.gain.mT
        return _State(self.gain @ state.mean + self.shift, spread + self.noise)

    def then(self, later: "_Move") -> "_Move":
        """These steps followed by later ones."""
        noise = later.gain @ self.noise @ later.gain.mT + later.noise
        return _Move(later.gain @ self.gain, later.gain @ self.shift + later.shift, noise)


def _power(move: _Move, times: int) -> _Move:
    """The same step so many times, by squaring: as many products as the number has digits."""
    whole: _Move | None = None
    while times:
        if times % 2:
            whole = move if whole is None else whole.then(move)
        times //= 2
        if times:
            move = move.then(move)
    assert whole is not None
    return whole


def _start(experiment: Experiment, count: int, place: torch.device) -> _State:
    """The law that sampling starts from; an output to remember starts at nothing, a velocity as the start says."""
    law, t = experiment.law, experiment.times[:1]
    deviation = experiment.start.deviation(law, experiment.noising, t)
    exact = experiment.noising.marginal(law, t)
    mean = (exact.mean + deviation.mean).expand_as(law.variance)
    variance = exact.variance + deviation.variance
    if not isinstance(experiment.sampler, OneStep):
        moving = isinstance(experiment.sampler, Kinetic) and not experiment.start.at_rest
        mean = torch.cat([mean, torch.zeros_like(mean)])
        variance = torch.cat([variance, torch.full_like(variance, float(moving))])
    covariance = torch.diag(variance).to(place)
    return _State(mean.to(place).unsqueeze(-1).expand(count, -1, -1), covariance.expand(count, -1, -1))


def _move(sampler: Sampler, problem: Problem, before: Anything, t0: Anything, t1: Anything, state: _State) -> _Move:
    """One step of the sampler, read off by running it on `Dense` values."""
    rows, place = state.mean.shape[1], state.mean.device
    modes = len(problem.data.variance)
    whole = torch.eye(rows, rows + 1, dtype=torch.float64, device=place).unsqueeze(0)
    x, still = Dense(whole[:, :modes]), torch.zeros(1, modes, rows + 1, dtype=torch.float64, device=place)
    drawn = 0

    def noise(variance: Factor) -> Dense:
        nonlocal drawn
        drawn += 1
        unit = torch.eye(modes, dtype=torch.float64, device=place).unsqueeze(0)
        return Dense(still, {drawn: (unit, variance)})

    if isinstance(sampler, OneStep):
        after = (sampler.step(x, t0, t1, problem, noise),)
    elif isinstance(sampler, Kinetic):
        after = sampler.step(x, Dense(whole[:, modes:]), t0, t1, problem, noise)
    else:
        after = cast(TwoStep, sampler).step(x, Dense(whole[:, modes:]), before, t0, t1, problem)
    moved = torch.cat([each.map.expand(len(state.mean), -1, -1) for each in after], -2)
    spread = torch.cat([torch.cat([_shared(a, b, still) for b in after], -1) for a in after], -2)
    return _Move(moved[..., :-1], moved[..., -1:], spread)


def _shared(a: Dense, b: Dense, still: Tensor) -> Tensor:
    """The covariance of what two values have of fresh noise."""
    parts = [a.noise[j][0] @ b.noise[j][0].mT * a.noise[j][1] for j in a.noise.keys() & b.noise.keys()]
    none = still[..., : still.shape[-2]]
    return reduce(operator.add, parts, none)


def bures_squared(
    mean: Float64[Tensor, "replicas modes"], covariance: Float64[Tensor, "replicas modes modes"], exact: Gaussian
) -> Float64[Tensor, " replicas"]:
    r"""Squared 2-Wasserstein distances of Gaussians with any covariance S to one in its own eigenbasis.

    .. math:: |m - \mu|^2 + \mathrm{tr}\, S + \mathrm{tr}\, \Lambda
        - 2\, \mathrm{tr} (\Lambda^{1/2} S \Lambda^{1/2})^{1/2}

    Units: those of the data, squared. Values: inf where a mean or a covariance is not finite; nothing is raised.
    Source: Peyre and Cuturi 2019, Computational Optimal Transport, remark 2.31.
    """
    deviations = exact.variance.sqrt()
    traces = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    apart = (mean - exact.mean).square().sum(-1)
    finite = traces.isfinite() & apart.isfinite() & covariance.isfinite().all(-1).all(-1)
    # A size of one, for which no routine fails; a covariance of zero stays.
    sizes = torch.where(finite & (traces > 0), traces, 1.0)
    scaled = torch.where(finite[:, None, None], covariance, 0.0) / sizes[:, None, None]
    scaled = 0.5 * (scaled + scaled.mT) * deviations.outer(deviations)
    roots = torch.linalg.eigvalsh(scaled).clamp_min(0).sqrt().sum(-1)
    squared = apart + traces + exact.variance.sum() - 2 * sizes.sqrt() * roots
    return torch.where(finite, squared.clamp_min(0), torch.inf)
