"""Learned against exact eigenvalues, as training goes on."""

import numpy as np

from explorer.marks import NEUTRAL, Axis, Band, Curve, Figure, Log, Mark, Style, identity
from explorer.plots.base import Plot, positive
from explorer.session import Session
from kernels.analyses.learning import learning, refusal
from kernels.analyses.training import filters, iteration, trained_for
from kernels.scores import StochasticGradient


def draw(session: Session) -> Figure:
    """The variance that the sampler ends with by eigenvalue: now, after one step, and at the end of training."""
    experiment = session.experiment
    axes = Axis("eigenvalue λ of the data", Log()), Axis("variance of the samples", Log())
    law, last = experiment.law, trained_for(experiment)
    if not last:
        kind = type(experiment.score).__name__
        note = f"{kind} is not trained step by step; choose GradientDescent or StochasticGradient."
        if not experiment.score.is_affine:
            note = f"{kind} has no eigenvalues; its loss is seen in the tab Beyond Gauss."
        return Figure("Learned eigenvalues", *axes, (), note=note)
    if not (law.variance > 0).any():
        return Figure("Learned eigenvalues", *axes, (), note="All eigenvalues are zero: there is nothing to learn.")
    now = iteration(experiment, session.training)
    found = filters(experiment, now)
    exact = found.eigenvalues
    marks: list[Mark] = [Curve("exact", exact, exact, Style(NEUTRAL, (6.0, 3.0)))]
    notes: list[str] = []
    if isinstance(experiment.score, StochasticGradient) and not refusal(experiment):
        marks += _floor(session)
    for position, (label, count) in enumerate((("first step", 1), ("end of training", last))):
        look = identity(position + 1)
        marks.append(Curve(label, exact, positive(filters(experiment, count).learned), Style(look.color, look.dash)))
    marks.append(Curve("now", exact, positive(found.learned), Style(identity(0).color, width=1.6)))
    diverging = ~np.isfinite(found.learned)
    if diverging.any():
        notes.append(f"{diverging.sum()} of {len(exact)} eigenvalues shown diverge.")
    return Figure(f"Learned eigenvalues, step {now} of {last}", *axes, tuple(marks), note=" ".join(notes))


def _floor(session: Session) -> list[Mark]:
    """What random gradients and samples do to the variance at the end, over repetitions."""
    found = learning(session.experiment)
    kept = np.isfinite(found.spread) & np.isfinite(found.learned) & (found.eigenvalues > 0)
    if not kept.any():
        return []
    x, middle, spread = found.eigenvalues[kept], found.learned[kept], found.spread[kept]
    # Below zero there is no variance: the band reaches down to the axis.
    low = np.maximum(middle - spread, 0.0)
    return [Band("± one standard deviation", x, low, middle + spread, Style(identity(2).color))]


PLOT = Plot("training", "Learned eigenvalues", "Learning", draw)
