"""The cost against the regularization: what blur adds, what is taken off again, and what would be exact."""

import math

import numpy as np

from explorer.marks import Axis, Band, Curve, Figure, Floats, Line, Log, Mark
from explorer.plots.base import Plot, Watch, positive, thin
from explorer.plots.coupled import (
    ASIDE,
    DIVERGENCE,
    ENTROPIC,
    EXACT,
    FIRST,
    RICHARDSON,
    TRUTH,
    points_of,
    question_of,
    squared,
)
from explorer.session import Session
from kernels.analyses.estimated import Costs, costs_now, find_costs

DEVIATIONS = 2.0
# Fewer partners than this, and points are matched to the few that chance has put near them.
FEW_PARTNERS = 10.0


def draw(session: Session) -> Figure:
    """Entropic cost, divergence, its extrapolation and the exact cost, over regularizations, beside the laws'."""
    question = question_of(session)
    found = costs_now(question)
    x = found.epsilons / found.unit
    error = DEVIATIONS * found.standard_error
    marks: list[Mark] = [
        Band("S ± 2 se", x, positive(found.divergence - error), positive(found.divergence + error), DIVERGENCE),
        Curve("entropic", x, positive(found.entropic), ENTROPIC),
        Curve("transport", x, positive(found.transport), FIRST),
        Curve("divergence S", x, positive(found.divergence), DIVERGENCE),
        Curve("Richardson R", x, positive(found.richardson), RICHARDSON),
    ]
    if found.exact > 0:
        marks.append(Curve("exact", x, np.full_like(x, found.exact), thin(EXACT, EXACT.dash)))
    marks += _known(found, x)
    starved = _starved(found, x)
    if not math.isnan(starved):
        marks.append(Line(f"← fewer than {FEW_PARTNERS:g} partners", starved, vertical=True, style=ASIDE))
    marks.append(Line("ε", session.transport.epsilon, vertical=True))
    notes = [f"On {points_of(found.points)}{'' if found.is_whole else ', more to come'}."]
    if found.limits is not None and not found.of_laws:
        notes.append("Moments: between Gaussians with the moments of these clouds.")
    if (found.divergence <= 0).any():
        notes.append("Values that are not above zero are left out.")
    return Figure(
        "Cost against regularization",
        Axis("ε as a share of the mean cost", Log()),
        Axis(squared(session.transport.power), Log()),
        tuple(marks),
        note=" ".join(notes),
    )


def _known(found: Costs, x: Floats) -> list[Mark]:
    """What infinitely many points of the laws would give, or Gaussians with the moments of the clouds."""
    if found.limits is None:
        return []
    entropic, divergence, extrapolated, exact = found.limits
    of = "laws" if found.of_laws else "moments"
    return [
        Curve(f"{of}: entropic", x, positive(entropic), thin(ENTROPIC, (2.0, 2.0))),
        Curve(f"{of}: S", x, positive(divergence), thin(DIVERGENCE, (2.0, 2.0))),
        Curve(f"{of}: R", x, positive(extrapolated), thin(RICHARDSON, (2.0, 2.0))),
        Curve(f"{of}: W₂²", x, positive(np.full_like(x, exact)), TRUTH),
    ]


def _starved(found: Costs, x: Floats) -> float:
    """The largest epsilon with few partners, between two that were tried; nan if there is none."""
    few = np.flatnonzero(found.partners < FEW_PARTNERS)
    if not few.size:
        return math.nan
    if few[0] == 0:
        return float(x[0])
    (more, fewer), (high, low) = np.log(found.partners[few[0] - 1 : few[0] + 1]), np.log(x[few[0] - 1 : few[0] + 1])
    return float(np.exp(low + (high - low) * (math.log(FEW_PARTNERS) - fewer) / (more - fewer)))


def _further(session: Session, watch: Watch) -> bool:
    return find_costs(question_of(session), watch)


PLOT = Plot("costs", "Cost against regularization", "Transport", draw, further=_further)
