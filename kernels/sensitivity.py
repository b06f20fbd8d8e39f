"""How the error changes with every parameter, by differentiating the recursion itself."""

import math
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from kernels.descent import RESIDUALS, Course, at_eigenvalues, outcome
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Adapted
from kernels.nodes import Levels, Panel, direct, reduced
from kernels.observations import Conditioned
from kernels.param import Component, Number, declarations, varied
from kernels.report import solve
from kernels.samplers import Kinetic, SingleLevel
from kernels.spectra.base import ModelSpectrum

# Eigenvalues times steps up to which nothing is interpolated.
DIRECT = 24_000
# Every step of a run at one level is kept to be differentiated: beyond, there would be no end of memory.
MOST_STEPS = 20_000


@lru_cache(maxsize=128)
def sensitivities(experiment: Experiment) -> dict[str, float]:
    """Derivative of log W2 by the dotted path of every continuous parameter.

    The times of a grid that adapts are held. Left out are parameters that the error does not depend on, or not
    smoothly, and everything where the error is zero or infinite.

    Errors: `ValueError` where the data cannot be read.
    """
    leaves: dict[str, Tensor] = {}
    sampler = experiment.sampler
    if isinstance(sampler, Kinetic) or (isinstance(sampler, SingleLevel) and len(experiment.times) > MOST_STEPS):
        return {}
    parts: dict[str, Any] = {}
    for family in ("process", "score", "grid", "sampler", "start"):
        parts[family] = _leafed(getattr(experiment, family), family, leaves)
    of_law: dict[str, Tensor] = {}
    with torch.enable_grad():
        sampled = _sampled(experiment, of_law)
        if isinstance(experiment.sampler, SingleLevel):
            parts["process"] = varied(experiment.noising, level=parts["score"].noise_amplitude)
            times = parts["sampler"].step_size * torch.arange(len(experiment.times) - 1, -1, -1, dtype=torch.float64)
        elif isinstance(experiment.grid, Adapted):
            times = experiment.times
        else:
            times = parts["grid"].levels(parts["process"])
    course = Course(
        parts["process"], parts["sampler"], parts["score"], parts["start"], times, None, None, to_zero=False
    )
    squared, found = (_by_mode if experiment.by_mode else _by_node)(experiment, course, sampled, leaves, of_law)
    if not 0 < squared < math.inf:
        return {}
    # By symmetry: a mean that is zero.
    if found.get("spectrum.mean") == 0 == getattr(experiment.spectrum, "mean", 1.0):
        del found["spectrum.mean"]
    return {path: value / (2 * squared) for path, value in found.items() if math.isfinite(value)}


def _by_mode(
    experiment: Experiment, course: Course, sampled: Conditioned, leaves: dict[str, Tensor], of_law: dict[str, Tensor]
) -> tuple[float, dict[str, float]]:
    """The squared error and its derivatives, with every mode computed by itself."""
    with torch.enable_grad():
        parts = outcome(course, sampled, course.times.unsqueeze(1), None, RESIDUALS["wasserstein2"])
        total = torch.stack([part.square().sum() for part in parts]).sum()
    return float(total.detach()), _slopes(total, leaves | of_law)


def _by_node(
    experiment: Experiment, course: Course, sampled: Conditioned, leaves: dict[str, Tensor], of_law: dict[str, Tensor]
) -> tuple[float, dict[str, float]]:
    """The squared error and its derivatives, with nodes that stand for modes."""
    levels, _ = reduced(experiment.law)
    panels = _panels(experiment, levels, len(course.times) - 1)
    nodes = torch.cat([panel.nodes for panel in panels]).requires_grad_()
    counts = torch.cat([panel.counts for panel in panels])
    squares = torch.cat([panel.mean_squares for panel in panels])
    with torch.enable_grad():
        unit = at_eigenvalues(nodes, bool(squares.any()))
        error, *mean = outcome(course, unit, course.times.unsqueeze(1), None, RESIDUALS["wasserstein2"])
        by_node = error.square()
        of_mean = mean[0].square() if mean else torch.zeros_like(by_node)
        total = counts @ by_node + squares @ of_mean
    found = _slopes(total, leaves)
    # In the eigenvalue a mode's error is a smooth function, interpolated like the error itself.
    (by_variance,) = torch.autograd.grad(by_node.sum(), nodes, retain_graph=True)
    by_square = torch.zeros_like(nodes)
    if mean:
        (by_square,) = torch.autograd.grad(of_mean.sum(), nodes)
    sizes = [len(panel.nodes) for panel in panels]
    at_modes = [
        torch.cat([p.expand(part) for p, part in zip(panels, values.split(sizes), strict=True)])[levels.position]
        for values in (by_variance, by_square, of_mean.detach())
    ]
    means = sampled.law.mean.detach()
    weights = at_modes[0] + means.square() * at_modes[1], 2 * means * at_modes[2]
    with torch.enable_grad():
        of_parameters = weights[0] @ sampled.law.variance + weights[1] @ sampled.law.mean
    return float(total.detach()), found | _slopes(of_parameters, of_law)


def _panels(experiment: Experiment, levels: Levels, steps: int) -> list[Panel]:
    """Every eigenvalue where they are few; else the panels on which the laws themselves were found to be resolved."""
    count = len(levels.eigenvalues)
    return [direct(levels, 0, count)] if count * steps <= DIRECT else solve(experiment).panels


def _sampled(experiment: Experiment, leaves: dict[str, Tensor]) -> Conditioned:
    """What is sampled, as it depends on the numbers of spectrum and observation."""
    spectrum = experiment.spectrum
    if isinstance(spectrum, ModelSpectrum):
        leafed = _leafed(spectrum, "spectrum", leaves)
        eigenvalues = leafed.eigenvalues_in_order()
        prior = Gaussian(leafed.mean.expand_as(eigenvalues), eigenvalues)
    else:
        prior = spectrum.law()
        mean = getattr(spectrum, "mean", None)
        if mean is not None and bool((prior.mean == mean).all()):
            leaves["spectrum.mean"] = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
            prior = Gaussian(leaves["spectrum.mean"].expand_as(prior.variance), prior.variance)
    return _leafed(experiment.observation, "observation", leaves).posterior(prior)


def _slopes(value: Tensor, leaves: dict[str, Tensor]) -> dict[str, float]:
    """Derivatives in those leaves that the value depends on."""
    if not leaves or not value.requires_grad:
        return {}
    # torch's own annotation forgets that what is unused has no slope.
    gradient = cast(Any, torch.autograd.grad)
    slopes: list[Tensor | None] = list(gradient(value, list(leaves.values()), retain_graph=True, allow_unused=True))
    return {path: float(slope) for path, slope in zip(leaves, slopes, strict=True) if slope is not None}


def _leafed(component: Component, family: str, leaves: dict[str, Tensor]) -> Any:
    """The component with a leaf in the place of every continuous number."""
    if isinstance(component, Adapted):
        return component
    values: dict[str, Tensor] = {}
    for name, declaration in declarations(type(component)).items():
        if isinstance(declaration, Number) and not declaration.integer:
            leaf = torch.tensor(getattr(component, name), dtype=torch.float64, requires_grad=True)
            values[name] = leaves[f"{family}.{name}"] = leaf
    return varied(component, **values)
