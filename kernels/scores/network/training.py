"""Training of the network by denoising score matching, at all noise levels together."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from kernels.arrays import array
from kernels.gaussian import Gaussian
from kernels.populations import Population
from kernels.scores.network.model import (
    Estimate,
    LossCurve,
    Network,
    Trained,
    denoised,
    deviation_of,
    layers_of,
    told,
    turned,
)

WINDOWS = 300
PROBES = 16
# Where a network is compared with the exact denoiser, the same for every network: levels, points at each, numbers.
LEVELS, POINTS, NUMBERS = 64, 64, 2**22
_EXAM_SEED = 0x5A3D1E
_SECONDS_BETWEEN_LOOKS = 0.1
# Adam's; and the average over the iterations so far gives the k-th a weight that grows like k^16.
_FIRST, _SECOND, _TINY, _FORGETTING = 0.9, 0.99, 1e-8, 16


@dataclass(frozen=True, eq=False)
class TrainingProgress:
    """How far training has come; the floor is 0 with an infinite error as long as it is not known."""

    fraction: float
    iterations: int
    curve: LossCurve
    floor: Estimate


def train(
    model: Network,
    population: Population,
    *,
    watch: Callable[[TrainingProgress], None] = lambda progress: None,
    device: str = "cpu",
) -> Trained:
    """Train a network on points of a population.

    Its weights are an average over the last iterations. `watch` hears of progress about ten times a second; what it
    raises ends the work. On the processor, model and population alone decide the result; random numbers are drawn there
    whatever the device.

    Errors: `ValueError` in one sentence where the loss is not finite, or the device is not there.
    """
    if device != "cpu" and not (device.partition(":")[0] == "cuda" and torch.cuda.is_available()):
        raise ValueError(f"device must be cpu, or cuda where there is such a card, got {device!r}.")
    log = _Log(model, watch, device)
    exam = _exam_of(model, population, log)
    log.floor = exam.floor(model, population.law)
    weights = _descend(model, population, device, log).cpu()
    excess = exam.excess(model, population.law, weights)
    log.look(model.iterations)
    return Trained(model, population.law, weights, log.curve(model.iterations), log.floor, excess, probe_of(population))


def probe_of(population: Population) -> Float64[Tensor, "probes modes"]:
    """A few points that tell a population from others with the same law, and from its mirror images."""
    return population.sample(PROBES, torch.Generator().manual_seed(_EXAM_SEED))


@final
class _Log:
    """The losses so far; tells of them now and then."""

    def __init__(self, model: Network, watch: Callable[[TrainingProgress], None], device: str) -> None:
        self._model, self._watch, self._told = model, watch, -math.inf
        self.losses = torch.zeros(model.iterations, device=device)
        self.floor = Estimate(0.0, math.inf)

    def look(self, done: int) -> None:
        """Tell of so many iterations, if some time has passed or they are all."""
        total = self._model.iterations
        if done < total and time.monotonic() < self._told + _SECONDS_BETWEEN_LOOKS:
            return
        self._watch(TrainingProgress(done / max(total, 1), done, self.curve(done), self.floor))
        self._told = time.monotonic()

    def curve(self, done: int) -> LossCurve:
        """Means over windows that grow geometrically, and are the same however many of them are full."""
        losses = self.losses[:done].double().cpu()
        lost = (~losses.isfinite()).nonzero()
        if len(lost):
            raise ValueError(
                f"the loss of Network is not finite from iteration {int(lost[0]) + 1} on; choose a learning_rate "
                f"below {self._model.learning_rate:g}."
            )
        ends = np.unique(np.geomspace(1, max(self._model.iterations, 1), WINDOWS).round().astype(np.int64))
        ends = np.append(ends[ends < done], [done] if done else np.empty(0, np.int64))
        before = np.append(0, ends)
        sums = np.append(0.0, losses.cumsum(0).numpy())[before]
        return LossCurve(torch.from_numpy(ends), torch.from_numpy(np.diff(sums) / np.diff(before)))


def _descend(model: Network, population: Population, device: str, log: _Log) -> Float32[Tensor, " weights"]:
    """Adam with a step size that falls like a cosine; the average of the weights."""
    rng = torch.Generator().manual_seed(model.seed)
    shapes = model.shapes(len(population.law.variance))
    learned = max(int((deviation_of(population.law) > 0).sum()), 1)
    weights = _first_weights(shapes, rng).to(device).requires_grad_()
    first, second, average = torch.zeros_like(weights), torch.zeros_like(weights), weights.detach().clone()
    for k in range(1, model.iterations + 1):
        log.look(k - 1)
        state, target, place = (part.to(device) for part in _examples(model, population, rng))
        loss = (told(weights, shapes, state, place) - target).square().sum() / (model.batch * learned)
        (gradient,) = torch.autograd.grad(loss, weights)
        log.losses[k - 1] = loss.detach()
        first.lerp_(gradient, 1 - _FIRST)
        second.lerp_(gradient.square(), 1 - _SECOND)
        rate = model.learning_rate * 0.5 * (1 + math.cos(math.pi * (k - 1) / model.iterations))
        scale = (second / (1 - _SECOND**k)).sqrt() + _TINY
        with torch.no_grad():
            weights -= rate / (1 - _FIRST**k) * first / scale
            average.lerp_(weights, 1 - (1 - 1 / k) ** (_FORGETTING + 1))
    return average


def _size(shapes: list[tuple[int, int]]) -> int:
    """Number of weights."""
    return sum(outputs * (inputs + 1) for outputs, inputs in shapes)


def _first_weights(shapes: list[tuple[int, int]], rng: torch.Generator) -> Float32[Tensor, " weights"]:
    """Random matrices that keep the size of what goes through, without offsets; the last layer is zero."""
    weights = torch.zeros(_size(shapes))
    for matrix, _ in list(layers_of(weights, shapes))[:-1]:
        matrix.copy_(math.sqrt(2 / matrix.shape[1]) * torch.randn(matrix.shape, generator=rng))
    return weights


def _examples(
    model: Network, population: Population, rng: torch.Generator
) -> tuple[Float32[Tensor, "n modes"], Float32[Tensor, "n modes"], Float32[Tensor, "n 1"]]:
    """States, what the network is to tell of them, and the places of their levels, which are spread evenly."""
    law, n = population.law, model.batch
    deviation = deviation_of(law)
    points = population.sample(n, rng) - law.mean
    z = (points / torch.where(deviation > 0, deviation, torch.inf)).float()
    xi = torch.randn(z.shape, generator=rng) * (deviation > 0)
    # In random order: points may come in an order of their own.
    place = (torch.randperm(n, generator=rng) + torch.rand(1, generator=rng)).unsqueeze(-1) / n
    cosine, sine, _ = turned(deviation.float(), 1.0, model.noise_ratio_at(place))
    return cosine * z + sine * xi, sine * z - cosine * xi, place


@final
@dataclass(frozen=True, eq=False)
class _Exam:
    """Noised points, a row for each of some levels, and their exact denoisers."""

    noise_ratios: tuple[float, ...]
    states: Float64[Tensor, "levels points modes"]
    exact: Float64[Tensor, "levels points modes"]

    @torch.no_grad()
    def excess(self, model: Network, law: Gaussian, weights: Float32[Tensor, " weights"]) -> Estimate:
        """Mean square per mode of F less what it should be: where the Gaussian denoiser misses the data by one."""
        rows = zip(self.noise_ratios, self.states, self.exact, strict=True)
        missed = torch.stack([denoised(model, law, weights, x, 1.0, s) - exact for s, x, exact in rows])
        deviation = deviation_of(law)
        _, sine, _ = turned(deviation, 1.0, array(self.noise_ratios).view(-1, 1, 1))
        unit = torch.where(deviation > 0, deviation * sine, torch.inf)
        squares = (missed / unit).square().sum(-1) / max(int((deviation > 0).sum()), 1)
        return Estimate(float(squares.mean()), float((squares.var(1).mean() / squares.numel()).sqrt()))

    def floor(self, model: Network, law: Gaussian) -> Estimate:
        """Loss of the exact denoiser: that of F = 0, which is one, less its excess, the loss being a square."""
        nothing = torch.zeros(_size(model.shapes(len(law.variance))))
        gained = self.excess(model, law, nothing)
        return Estimate(1.0 - gained.value, gained.standard_error)


def _exam_of(model: Network, population: Population, log: _Log) -> _Exam:
    """Levels spread evenly in the logarithm, fewer points where there are many modes."""
    rng = torch.Generator().manual_seed(_EXAM_SEED)
    modes = len(population.law.variance)
    count = min(max(NUMBERS // (LEVELS * modes), 4), POINTS)
    places = (torch.arange(LEVELS, dtype=torch.float64) + 0.5) / LEVELS
    noise_ratios = tuple(float(s) for s in model.noise_ratio_at(places))
    states: list[Tensor] = []
    exact: list[Tensor] = []
    for s in noise_ratios:
        log.look(0)
        noise = s * torch.randn(count, modes, dtype=torch.float64, generator=rng)
        states.append(population.sample(count, rng) + noise)
        exact.append(population.denoiser(states[-1], 1.0, s))
    return _Exam(noise_ratios, torch.stack(states), torch.stack(exact))
