"""What a learned score costs: E W2^2 of the sampler that uses it, by source and by pair of eigenvalues."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.analyses.sweep import numeric_paths, own_value, values_of, with_value
from kernels.arrays import Modes, Times
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.matching import Fluctuation, fluctuation, is_stable, largest_step
from kernels.nodes import levels_of
from kernels.param import Number
from kernels.report import Solution
from kernels.response import Course, Response, to_gradients, to_samples
from kernels.response import refusal as unanswered
from kernels.samplers import SingleLevel
from kernels.scores import GradientDescent, Learned, StochasticGradient

Floats = NDArray[np.float64]
# Nodes of every point of a sweep, and the part of an interval to which its least value is found.
SWEPT_NODES, FINE = 24, 0.01
_NOTHING = 0.0


@dataclass(frozen=True, eq=False)
class Learning:
    """E W2^2 between the sampler's law and the data, to second order in what is random, in squared units of the data.

    `amplitude`: what the noise left at the end makes alone. `bias`: the sampler with the mean score, `amplitude`,
    discretization, start and unfinished training in one. `generalization`: n samples. `optimization`: the noise of
    stochastic gradients. `shift`: what both move in the mean of the covariance. By node, largest eigenvalue first:
    `eigenvalues`, the modes they stand for (`counts`), the variance `learned` with the mean score, and its standard
    deviation `spread` over repetitions. `kernel_...`: the contributions of pairs of nodes, which add up.
    `note` names a bound on stability that is exceeded, and tells of too few samples.
    """

    eigenvalues: Floats
    counts: Floats
    learned: Floats
    spread: Floats
    amplitude: float
    bias: float
    generalization: float
    optimization: float
    shift: float
    kernel_generalization: Floats
    kernel_optimization: Floats
    note: str

    @property
    def total(self) -> float:
        """All sources together."""
        return self.bias + self.generalization + self.optimization + self.shift


def refusal(experiment: Experiment) -> str:
    """Why there is no such theory for an experiment, in one sentence; empty if there is."""
    score = experiment.score
    if not isinstance(score, Learned):
        return (
            f"The errors of learning need a learned score (Empirical, GradientDescent, StochasticGradient), "
            f"got {type(score).__name__}."
        )
    unknown = unanswered(experiment.sampler) if isinstance(score, StochasticGradient) else ""
    return f"With StochasticGradient {unknown}." if unknown else ""


@lru_cache(maxsize=256)
def learning(experiment: Experiment, nodes: int = 64) -> Learning:
    """The errors of learning of an experiment.

    Errors: `ValueError` in one sentence where there is no such theory, or the data cannot be read.
    """
    reason = refusal(experiment)
    if reason:
        raise ValueError(reason)
    score = experiment.score
    assert isinstance(score, Learned)
    eigenvalues, counts = _nodes(experiment.law, nodes)
    course = _course(experiment, eigenvalues)
    gain, noise = course.outcome(eigenvalues)
    learned = gain.square() * course.start + noise
    none = torch.zeros(len(eigenvalues), len(eigenvalues), dtype=torch.float64)
    samples = _scaled(to_samples(course, eigenvalues, counts), 1 / score.samples)
    gradients = Response(none, none.diagonal(), none.diagonal())
    if isinstance(score, StochasticGradient):
        gradients = to_gradients(
            course,
            eigenvalues,
            counts,
            _fluctuations(score, course.times, experiment, eigenvalues, counts),
            shared=score.shared,
            symmetric=score.symmetrized,
        )
    sources = Solution(experiment, (experiment.times,), 1).sources
    bias, amplitude = (float(part[-1].square()) for part in (sources.total, sources.truncation))
    of_samples, of_gradients = (_by_pair(part, eigenvalues, learned, counts) for part in (samples, gradients))
    moved = 1 - (eigenvalues / torch.where(learned > 0, learned, 1.0)).sqrt()
    shift = float((counts * (samples.shift + gradients.shift) * torch.where(learned > 0, moved, 0.0)).sum())
    return Learning(
        eigenvalues=eigenvalues.numpy(),
        counts=counts.numpy(),
        learned=learned.numpy(),
        spread=(samples.own + gradients.own).sqrt().numpy(),
        amplitude=amplitude,
        bias=bias,
        generalization=_total(of_samples),
        optimization=_total(of_gradients),
        shift=shift if np.isfinite(shift) else float("inf"),
        kernel_generalization=of_samples.numpy(),
        kernel_optimization=of_gradients.numpy(),
        note=_note(experiment, eigenvalues, counts),
    )


def _nodes(law: Gaussian, most: int) -> tuple[Modes, Modes]:
    """Eigenvalues, largest first, and their multiplicities; those near each other taken together where too many."""
    levels = levels_of(law)
    values, counts = levels.eigenvalues, levels.counts
    if len(values) <= most:
        return values, counts
    positive = values[values > 0].log()
    width = float(positive[0] - positive[-1]) / (most - 1)
    cells = torch.where(values > 0, ((positive[0] - values.clamp_min(1e-300).log()) / width).floor(), float(most))
    _, place = torch.unique(cells, return_inverse=True)
    number = torch.zeros(int(place.max()) + 1, dtype=torch.float64)
    modes = number.index_add(0, place, counts)
    return number.index_add(0, place, counts * values) / modes, modes


def _course(experiment: Experiment, eigenvalues: Modes) -> Course:
    process, times = experiment.noising, experiment.times
    data = Gaussian(torch.zeros(1, dtype=torch.float64), eigenvalues)
    exact = process.marginal(data, times[:1].unsqueeze(-1)).variance[0]
    start = exact + experiment.start.deviation(data, process, times[:1]).variance
    at_rest = experiment.start.at_rest
    return Course(experiment.sampler, process, experiment.score, times, start, at_rest)


def _levels(experiment: Experiment, times: Times) -> list[tuple[float, float]]:
    """Signal and noise level at which each score is learned."""
    asked = times[:1] if isinstance(experiment.sampler, SingleLevel) else times[:-1]
    process = experiment.noising
    return list(zip(process.alpha(asked).tolist(), process.sigma(asked).tolist(), strict=True))


def _fluctuations(
    score: StochasticGradient, times: Times, experiment: Experiment, eigenvalues: Modes, counts: Modes
) -> Iterator[Fluctuation]:
    for alpha, sigma in _levels(experiment, times):
        yield fluctuation(score, alpha**2 * eigenvalues, sigma, counts)


def _scaled(response: Response, factor: float) -> Response:
    return Response(factor * response.pairs, factor * response.own, factor * response.shift)


def _by_pair(response: Response, eigenvalues: Modes, learned: Modes, counts: Modes) -> Tensor:
    r"""Contributions to E W2^2 by pairs of nodes.

    The squared Bures distance is :math:`\frac12 \sum_{ij} dS_{ij}^2 \sqrt{l_i l_j / s_i s_j} / (\sqrt{l_i s_i} +
    \sqrt{l_j s_j})` to second order about commuting covariances l and s.
    """
    square = (eigenvalues * learned).sqrt()
    ratio = (eigenvalues / torch.where(learned > 0, learned, 1.0)).sqrt()
    sums = square.unsqueeze(1) + square
    curvature = torch.where(sums > 0, 0.5 * ratio.unsqueeze(1) * ratio / torch.where(sums > 0, sums, 1.0), 0.0)
    between = counts.unsqueeze(1) * counts - torch.diag(counts)
    parts = torch.where(between > 0, between * response.pairs, 0.0) + torch.diag(counts * response.own)
    return torch.where(curvature > 0, curvature * parts, 0.0)


def _total(parts: Tensor) -> float:
    total = float(parts.sum())
    return total if np.isfinite(total) else float("inf")


def _note(experiment: Experiment, eigenvalues: Modes, counts: Modes) -> str:
    """The first bound on a step size that is exceeded, or that samples are too few, in one sentence."""
    sampler, score = experiment.sampler, experiment.score
    if isinstance(sampler, SingleLevel):
        bound = float(sampler.longest_step(eigenvalues + score.noise_amplitude**2).min())
        if sampler.step_size >= bound:
            kind = type(sampler).__name__
            return f"{kind}.step_size (γ) is {sampler.step_size:g}: the sampler diverges from {bound:.4g} on."
    if isinstance(score, GradientDescent | StochasticGradient):
        variances = [a**2 * eigenvalues + s**2 for a, s in _levels(experiment, experiment.times)]
        kind = type(score).__name__
        bound = 2 / max(float(variance.max()) for variance in variances)
        if isinstance(score, StochasticGradient) and not score.symmetrized:
            diverging = [variance for variance in variances if not is_stable(score, variance, counts)]
            bound = min((largest_step(score, variance, counts) for variance in diverging), default=bound)
        if score.step_size >= bound:
            return f"{kind}.step_size (τ) is {score.step_size:g}: the training diverges from {bound:.4g} on."
    modes = int(counts[eigenvalues > 0].sum())
    if isinstance(score, Learned) and score.samples < modes:
        kind = type(score).__name__
        return (
            f"{kind}.samples (n) is {score.samples}, fewer than the {modes} modes: to second order in 1/n the errors "
            "may be far off."
        )
    return ""


@dataclass(frozen=True, eq=False)
class LearningSweep:
    """E W2^2 by source over the values of one number; nan where the experiment is refused."""

    values: Floats
    amplitude: Floats
    bias: Floats
    generalization: Floats
    optimization: Floats
    shift: Floats
    total: Floats


def learning_sweep(experiment: Experiment, path: str, points: int = 25) -> LearningSweep:
    """The errors of learning over the range of one number, all others fixed.

    Errors: `ValueError` for a path that is no number of this experiment, or where there is no such theory at all.
    """
    known = numeric_paths(experiment)
    if path not in known:
        raise ValueError(f"{path!r} is no number of this experiment; known are {', '.join(known)}.")
    return learning_over(experiment, path, tuple(values_of(known[path], own_value(experiment, path), points)))


@lru_cache(maxsize=64)
def learning_over(experiment: Experiment, path: str, values: tuple[float, ...]) -> LearningSweep:
    """The errors of learning at some values of one number, all others fixed.

    Errors: `ValueError` where there is no such theory at all.
    """
    if refusal(experiment):
        raise ValueError(refusal(experiment))
    rows = np.full((6, len(values)), np.nan)
    for column, value in enumerate(values):
        try:
            found = learning(with_value(experiment, path, value), SWEPT_NODES)
        except ValueError:
            continue
        parts = (found.amplitude, found.bias, found.generalization, found.optimization, found.shift, found.total)
        rows[:, column] = parts
    return LearningSweep(np.array(values), *rows)


@dataclass(frozen=True)
class Least:
    """The value of a number at which E W2^2 is least, all others fixed, and E W2^2 there."""

    value: float
    total: float


@lru_cache(maxsize=64)
def least(experiment: Experiment, path: str) -> Least | None:
    """The best noise amplitude, step size, number of iterations, ..., within the range of its sweep.

    None where E W2^2 is finite nowhere. Errors: as `learning_sweep`.
    """
    from scipy.optimize import minimize_scalar

    found = learning_sweep(experiment, path)
    number = numeric_paths(experiment)[path]
    usable = np.flatnonzero(np.isfinite(found.total) & ((found.values > 0) | (not number.log)))
    if not len(usable):
        return None
    best = int(usable[np.argmin(found.total[usable])])
    value, total = float(found.values[best]), float(found.total[best])
    at = int(np.flatnonzero(usable == best)[0])
    if 0 < at < len(usable) - 1:
        low, high = (float(found.values[usable[at + side]]) for side in (-1, 1))
        ends = (np.log(low), np.log(high)) if number.log else (low, high)

        def at_place(place: float) -> float:
            return _total_at(experiment, path, _value(place, number))

        refined: Any = minimize_scalar(
            at_place, bounds=ends, method="bounded", options={"xatol": FINE * (ends[1] - ends[0])}
        )
        if float(refined.fun) < total:
            value, total = _value(float(refined.x), number), float(refined.fun)
    return Least(value, total)


def _value(place: float, number: Number) -> float:
    value = float(np.exp(place)) if number.log else place
    return float(round(value)) if number.integer else value


def _total_at(experiment: Experiment, path: str, value: float) -> float:
    try:
        return learning(with_value(experiment, path, value), SWEPT_NODES).total
    except ValueError:
        return float("inf")
