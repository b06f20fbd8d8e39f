"""What learning costs, by pair of eigenvalues: a quadratic form of the spectrum."""

from functools import partial

import numpy as np

from explorer.marks import Axis, Figure, Floats, Heat, Log
from explorer.plots.base import Plot
from explorer.session import Session
from kernels.analyses.learning import learning, refusal
from kernels.scores import StochasticGradient

# Parts smaller than this share of the largest are one color: nothing of the sum is in them.
LEAST = 1e-6


def draw(session: Session, source: str) -> Figure:
    """Part of each pair of eigenvalues in E W2^2; the parts add up to those of the source."""
    experiment = session.experiment
    title = f"Error by pair of eigenvalues: {SOURCES[source]}"
    axes = Axis("eigenvalue λ", Log()), Axis("eigenvalue λ′", Log())
    # Data that cannot be read are told before anything else.
    _ = experiment.law
    reason = refusal(experiment)
    if not reason and source == "optimization" and not isinstance(experiment.score, StochasticGradient):
        reason = f"{type(experiment.score).__name__} has no random gradients; choose StochasticGradient."
    if reason:
        return Figure(title, *axes, (), note=reason)
    found = learning(experiment)
    sum_of_all = getattr(found, source)
    values: Floats = getattr(found, f"kernel_{source}")
    kept = np.flatnonzero(found.eigenvalues > 0)[::-1]
    values = values[np.ix_(kept, kept)]
    if not np.isfinite(values).all() or not (values > 0).any():
        reason = found.note or "No pair of eigenvalues has a part in it."
        return Figure(title, *axes, (), note=reason)
    edges = _edges(found.eigenvalues[kept])
    values = np.maximum(values, LEAST * values.max())
    note = f"All pairs together: {sum_of_all:.4g} of E W₂² = {found.total:.4g}. {found.note}".strip()
    return Figure(title, *axes, (Heat("part of E W₂²", edges, edges, values, Log()),), note=note)


def _edges(values: Floats) -> Floats:
    """Halfway between values that increase, in their logarithm."""
    if len(values) == 1:
        return np.array([values[0] / 1.2, values[0] * 1.2])
    middles = np.sqrt(values[1:] * values[:-1])
    return np.concatenate([[values[0] ** 2 / middles[0]], middles, [values[-1] ** 2 / middles[-1]]])


SOURCES = {"generalization": "samples", "optimization": "gradients"}
SAMPLES = Plot("pairs_samples", "Pairs of eigenvalues: samples", "Learning", partial(draw, source="generalization"))
GRADIENTS = Plot("pairs_gradients", "Pairs of eigenvalues: gradients", "Learning", partial(draw, source="optimization"))
