"""Langevin dynamics beside a diffusion, with exact scores on the same data."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Floats, Line, Log, Mark, Points, Style, identity
from explorer.plots.base import Plot, divergence_note, finite, positive, thin
from explorer.session import Session
from kernels.analyses.langevin import Asymptotes, Comparison, asymptotes, over_condition, over_steps, positive_part
from kernels.report import report

METHODS = {"langevin": "Langevin", "underdamped": "underdamped Langevin", "diffusion": "diffusion"}
DASH = (2.0, 2.0)
NOTHING = "All eigenvalues are zero: there is nothing to sample."


def _curves(found: Comparison, bounds: Asymptotes | None) -> list[Mark]:
    marks: list[Mark] = []
    for position, (name, label) in enumerate(METHODS.items()):
        values: Floats = getattr(found, name)
        look = identity(position)
        # A bound far above a method that diverges would only squeeze the others.
        if not np.isfinite(values).any():
            continue
        marks.append(Curve(label, found.at, finite(values), Style(look.color, marker=look.marker)))
        if bounds is not None:
            marks.append(Curve("bound, N → ∞", found.at, getattr(bounds, name), thin(look, (6.0, 3.0))))
    return marks


def draw_steps(session: Session) -> Figure:
    """W2 over the number of steps, each method tuned for it, and what the published bounds tend to."""
    experiment = session.experiment
    axes = Axis("score evaluations (NFE)", Log()), Axis("W₂ to the data", Log())
    data = positive_part(experiment.law)
    if data is None:
        return Figure("Langevin and diffusion", *axes, (), note=NOTHING)
    found = over_steps(data)
    marks = _curves(found, asymptotes(data, found.at))
    notes = [divergence_note("Langevin", found.at, found.langevin, "N")]
    zeros = int((experiment.law.variance <= 0).sum())
    if zeros:
        notes.append(f"{zeros} eigenvalues are zero and are left out.")
    if np.isnan(found.underdamped).any():
        notes.append("Underdamped where N ≥ 4 κ log N.")
    total = float(report(experiment).wasserstein2.total)
    if np.isfinite(total):
        at = Style(identity(3).color, marker="D")
        marks.append(Points("present experiment", np.array([float(experiment.calls)]), positive(np.array([total])), at))
    else:
        notes.append("The present experiment diverges (W₂ = ∞).")
    note = " ".join(note for note in notes if note)
    return Figure("Langevin and diffusion, tuned, with exact scores", *axes, tuple(marks), note=note)


def draw_condition(session: Session) -> Figure:
    """W2 over the condition number, with as many score evaluations as the present experiment has."""
    experiment = session.experiment
    axes = Axis("condition number κ", Log()), Axis("W₂ to the data", Log())
    data = positive_part(experiment.law)
    if data is None:
        return Figure("Langevin and diffusion by condition number", *axes, (), note=NOTHING)
    modes, steps = int(data.counts.sum().round()), max(experiment.calls, 2)
    found = over_condition(modes, steps)
    marks = _curves(found, None)
    marks.insert(1, Curve("Langevin without burn-in", found.at, positive(found.settled), thin(identity(0), DASH)))
    if found.at[0] <= data.condition <= found.at[-1]:
        marks.append(Line("present κ", data.condition, vertical=True))
    notes = [
        f"N = {steps}; {modes} eigenvalues spread evenly in their logarithm, the largest 1.",
        divergence_note("Langevin", found.at, found.langevin, "κ"),
    ]
    if np.isnan(found.underdamped).any():
        notes.append("Underdamped where N ≥ 4 κ log N.")
    note = " ".join(note for note in notes if note)
    return Figure("Langevin and diffusion by condition number", *axes, tuple(marks), note=note)


STEPS = Plot("langevin", "Langevin and diffusion", "Langevin", draw_steps)
CONDITION = Plot("condition", "Langevin and diffusion by condition number", "Langevin", draw_condition)
