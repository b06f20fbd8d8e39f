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
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.pipeline.dense import DenseScore, Move, bures_squared, move_of, start_of
from kernels.pipeline.learners import LEVELS_KEPT, Kept, Learnt, Source, learner_for, with_numpy, with_torch
from kernels.problem import Problem
from kernels.samplers import OneStep, SingleLevel
from kernels.scores import Learned, StochasticGradient
from kernels.squaring import repeated

__all__ = ["Progress", "Replicas", "Source", "bures_squared", "replicate", "with_numpy", "with_torch"]

MOST_REPLICAS = 10_000_000
MEMORY = 256 * 2**20
# Replicas of a group: a processor likes what fits its cache, a graphics card what fills it.
GROUP = {"cpu": 128, "cuda": 8192}
# Random numbers drawn at once, for several gradient steps or samples.
BLOCK = {"cpu": 2**17, "cuda": 2**24}
_SECONDS_BETWEEN_LOOKS = 0.1


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
        each = 8 * (10 * state**2 + (2 * LEVELS_KEPT + 4) * modes**2 + 4 * self._batch * modes) + kept
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

        learner = learner_for(
            self.model, law.variance, count, self._source(index, 0), lambda: self._source(index, 1), tell
        )
        problem = Problem(law, process, DenseScore(law, Kept(learn)))
        state = start_of(self.experiment, count, self.place)
        if single:
            one = move_of(sampler, problem, times[-2], times[-2], times[-1], state)
            state = repeated(one, len(times) - 1, Move.then).of(state)
        else:
            before = times[0]
            for t0, t1 in pairwise(times):
                tell(0.0)
                state = move_of(sampler, problem, before, t0, t1, state).of(state)
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
