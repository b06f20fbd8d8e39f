"""A cloud carried through all steps of a sampler, in blocks on all cores, or on a graphics card."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.arrays import place_of
from kernels.crew import Crew
from kernels.experiment import Experiment
from kernels.normals import normals
from kernels.observations import Unobserved
from kernels.particles.plan import START, Plan, Tables
from kernels.particles.sampling import DTYPES, Sampling, check_memory
from kernels.particles.walk import BLOCK, Walk, start_points
from kernels.populations import Normal, Population
from kernels.samplers import OneStep
from kernels.scores import Exact
from kernels.scores.clouds import Denoiser
from kernels.spectra import population_of
from kernels.starts import Marginal

Watch = Callable[[float], None]
# Steps of numbers that a core does at a time, about a tenth of a second: progress is told, and work stopped, between.
WORK = 2**26


@dataclass(frozen=True, eq=False)
class Cloud:
    """Particles at the end of a run, and on the way, in the eigenbasis of the data; nan or inf where they diverged."""

    points: Float[Tensor, "particles modes"]
    path: Float[Tensor, "snapshots particles modes"]
    steps: tuple[int, ...]
    seconds: float


def has_law(experiment: Experiment) -> bool:
    """Whether the particles are Gaussian, and their law is known exactly.

    Errors: `ValueError` in one sentence where the data cannot be read.
    """
    return experiment.score.is_affine and isinstance(population_of(experiment.spectrum), Normal)


def sample(
    experiment: Experiment,
    sampling: Sampling,
    *,
    denoise: Denoiser | None = None,
    first: int = 0,
    modes: tuple[int, ...] = (),
    at: tuple[int, ...] = (),
    watch: Watch = lambda fraction: None,
) -> Cloud:
    """Carry particles through all steps of the sampler.

    `modes` are those that are wanted, all if there are none: where each goes its own way, no other is computed.
    `at` are the steps, increasing from 0, after which the cloud is kept as well. The particles are number `first` and
    those that follow. `denoise` stands for the score's own denoiser: that of a network that was trained. `watch` hears
    of progress, in the caller's thread; what it raises ends the work.

    Errors: `ValueError` in one sentence for data that cannot be read or are not defined with the observation, a
    network without training, a device that is not there, and more particles than memory.
    """
    begin = time.perf_counter()
    if at and not 0 <= at[0] <= at[-1] < len(experiment.times):
        raise ValueError(f"snapshots are taken at steps from 0 to {len(experiment.times) - 1}, got {at}.")
    population, place = population_of(experiment.spectrum), place_of(sampling.device)
    denoise = _denoiser(experiment, population, denoise)
    wanted = modes or tuple(range(len(experiment.law.variance)))
    dtype = DTYPES[sampling.dtype]
    own = 1 if denoise is not None or isinstance(experiment.sampler, OneStep) else 2
    check_memory(sampling.particles, dtype.itemsize * len(wanted) * (own + len(at)), place)
    span = _Span(first, sampling.particles, sampling.seed)
    try:
        if denoise is not None:
            walk = Walk(experiment, population, denoise, sampling.seed, dtype, place)
            points, path = _walked(walk, span, wanted, at, watch)
        else:
            plan = Plan(experiment, experiment.data.at(torch.tensor(wanted)), dtype)
            points, path = _planned(plan, span, population, wanted, at, place, watch)
    except (MemoryError, torch.OutOfMemoryError):
        raise ValueError(
            f"the memory of {place} does not suffice for {sampling.particles} particles; choose fewer."
        ) from None
    return Cloud(points, path, at, time.perf_counter() - begin)


def _denoiser(experiment: Experiment, population: Population, denoise: Denoiser | None) -> Denoiser | None:
    """The denoiser of a score that is no affine map; None for one that is."""
    gaussian = isinstance(population, Normal)
    if not gaussian and not isinstance(experiment.observation, Unobserved):
        kinds = type(experiment.spectrum).__name__, type(experiment.observation).__name__
        raise ValueError(f"{kinds[0]} is sampled as it is (observation Unobserved), got {kinds[1]}.")
    if not experiment.score.is_affine:
        if denoise is None:
            raise ValueError(f"{type(experiment.score).__name__} has to be trained before it is sampled.")
        return denoise
    return population.denoiser if isinstance(experiment.score, Exact) and not gaussian else None


@dataclass(frozen=True)
class _Span:
    """Which particles are carried: so many from a number on, with the random numbers of a seed."""

    first: int
    count: int
    seed: int


def _planned(
    plan: Plan,
    span: _Span,
    population: Population,
    modes: tuple[int, ...],
    at: tuple[int, ...],
    place: torch.device,
    watch: Watch,
) -> tuple[Tensor, Tensor]:
    advance = _advance_on(place)
    shape = span.count, plan.modes
    state = torch.zeros(plan.components, *shape, dtype=plan.dtype, device=place)
    path = torch.empty(len(at), *shape, dtype=plan.dtype, device=place)
    snapshot = {step: k for k, step in enumerate(at)}
    experiment, times = plan.experiment, plan.experiment.times

    def run(tables: Tables, done: int, snapshot: dict[int, int]) -> None:
        rows = max(1, WORK // (plan.modes * tables.steps)) if place.type == "cpu" else span.count

        def block(begin: int, end: int) -> None:
            advance(state[:, begin:end], tables, span.first + begin, span.seed, snapshot, path[:, begin:end])

        blocks = _blocks(span.count, rows)
        crew.each(
            len(blocks),
            lambda k: block(*blocks[k]),
            lambda share: watch((done + share * tables.steps) / (plan.steps + 1)),
        )
        watch((done + tables.steps) / (plan.steps + 1))

    with Crew() as crew:
        # The start is a step from nothing, and the first snapshot of it.
        run(plan.start(), 0, {1: snapshot[0]} if 0 in snapshot else {})
        if isinstance(experiment.start, Marginal) and not isinstance(population, Normal):
            _start_from(population, plan, span, modes, state[0])
            if 0 in snapshot:
                path[snapshot[0]] = state[0]
        done = 1
        for tables in plan.tables():
            run(tables, done, snapshot)
            done += tables.steps
    for k, step in enumerate(at):
        path[k] += plan.center(times[step]).to(path)
    points = state[0] + plan.center(times[-1]).to(state)
    return points.cpu(), path.cpu()


def _start_from(population: Population, plan: Plan, span: _Span, modes: tuple[int, ...], state: Tensor) -> None:
    """Noised points of data that are no Gaussian."""
    every = len(population.law.variance)
    for begin, end in _blocks(span.count, BLOCK):
        first, count = span.first + begin, end - begin
        xi = normals(span.seed, START, 0, first * every, count * every).reshape(count, every).to(plan.dtype)
        points = start_points(plan.experiment, population, span.seed, first, count, xi)
        state[begin:end] = points[:, modes].to(state) - plan.center(plan.experiment.times[0]).to(state)


def _walked(
    walk: Walk, span: _Span, modes: tuple[int, ...], at: tuple[int, ...], watch: Watch
) -> tuple[Tensor, Tensor]:
    points = torch.empty(span.count, len(modes), dtype=walk.dtype)
    path = torch.empty(len(at), span.count, len(modes), dtype=walk.dtype)
    snapshot, columns = {step: k for k, step in enumerate(at)}, torch.tensor(modes, device=walk.place)
    blocks = _blocks(span.count, walk.block)
    moved, steps = [0] * len(blocks), len(walk.experiment.times) - 1

    def block(place: int) -> None:
        begin, end = blocks[place]

        def visit(step: int, x: Tensor) -> None:
            moved[place] = step
            crew.pause()
            if step in snapshot:
                path[snapshot[step], begin:end] = x[:, columns].cpu()

        points[begin:end] = walk.run(span.first + begin, end - begin, visit)[:, columns].cpu()

    with Crew() as crew:
        crew.each(len(blocks), block, lambda _share: watch(sum(moved) / (steps * len(blocks))))
    return points, path


def _advance_on(place: torch.device) -> Callable[..., None]:
    if place.type == "cpu":
        from kernels.particles.fused import advance
    else:
        from kernels.particles.card import advance
    return advance


def _blocks(count: int, size: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + size, count)) for begin in range(0, count, size)]
