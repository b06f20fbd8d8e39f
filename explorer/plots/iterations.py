"""How the marginal error falls, beside what theory bounds it by, and earlier runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from explorer.marks import NEUTRAL, Axis, Curve, Figure, Floats, Line, Log, Mark, Style, identity
from explorer.plots.base import Plot, positive
from explorer.plots.coupled import ASIDE, counted, found_now, further, question_of
from explorer.session import Session, named
from kernels.analyses.coupled import Coupled, earlier
from kernels.transport import (
    AnnealedSinkhorn,
    Coupling,
    LowRankSinkhorn,
    OnlineSinkhorn,
    Sinkhorn,
    Solution,
    Solver,
    Status,
    UnbalancedSinkhorn,
    error_bound,
)

MOST_EARLIER = 4
# What the solvers' histories are of, and where the error at which they end is another one.
ERRORS: dict[type[Solver], str] = {
    Sinkhorn: "marginal error (L1)",
    AnnealedSinkhorn: "marginal error (L1)",
    UnbalancedSinkhorn: "distance of the marginals from where the potentials want them, as a share of the mass",
    LowRankSinkhorn: "what the cost fell by in ten iterations, as a share of it",
    OnlineSinkhorn: "marginal error (L1)",
}
ADVICE = {
    Status.CONVERGED: "",
    Status.FLOOR: "rounding lets the error fall no further; choose a larger tolerance",
    Status.STALLED: "the error no longer falls; choose a larger epsilon",
    Status.UNFINISHED: "all iterations were used; raise solver.most_iterations",
    Status.DIVERGED: "potentials are no longer finite; choose a larger epsilon",
}
PRESENT, BOUND, PREDICTED = identity(0), identity(1), Style("#009E73", (6.0, 3.0))


@dataclass(frozen=True, eq=False)
class Reference:
    """What theory says of the plain iteration: its dual gap after the first one, and its last rate; nan if unknown."""

    first_gap: float
    rate: float = math.nan


UNKNOWN = Reference(math.nan)


def figure(solver: Solver, solution: Solution[Coupling], reference: Reference) -> Figure:
    """The error after each iteration, and what that of the plain algorithm at this epsilon cannot exceed."""
    history, epsilon = solution.history, solution.coupling.problem.epsilon
    errors, epsilons = history.errors.numpy(), history.epsilons.numpy()
    steps = np.arange(1.0, len(errors) + 1)
    marks: list[Mark] = [Curve("error", steps, positive(errors), PRESENT)]
    bounds = bound(reference, epsilon, len(errors))
    if bounds is not None:
        marks.append(Curve("bound of the plain algorithm", steps, bounds, BOUND))
    if not math.isnan(reference.rate) and len(steps):
        label = f"plain, predicted: falls by {reference.rate:.3g} each"
        marks.append(Curve(label, steps, positive(errors[0] * reference.rate ** (steps - 1)), PREDICTED))
    arrived = int(np.argmax(epsilons == epsilons[-1])) + 1 if len(epsilons) else 1
    if arrived > 1:
        marks.append(Line("from here on at this ε", float(arrived), vertical=True))
    marks.append(Line("tolerance", solver.tolerance, vertical=False))
    count, status = solution.iterations, solution.status
    return Figure(
        f"{type(solver).__name__}: {status} after {count} iteration{'s' if count != 1 else ''}",
        Axis("iteration", Log()),
        Axis(ERRORS[type(solver)], Log()),
        tuple(marks),
        note=ADVICE[status],
    )


def bound(reference: Reference, epsilon: float, count: int) -> Floats | None:
    """The bound of the plain iteration, by iteration, where there is one."""
    if math.isnan(reference.first_gap):
        return None
    return error_bound(reference.first_gap, epsilon, torch.arange(1, count + 1, dtype=torch.float64)).numpy()


def draw(session: Session) -> Figure:
    """The present run, and earlier ones on the same clouds."""
    found, solver = found_now(session), session.transport.solver
    drawn = figure(solver, found.solution, Reference(found.first_gap, found.rate))
    before = [run for run in earlier(question_of(session)) if _alike(run, solver)][-MOST_EARLIER:]
    notes = [counted(found, session)]
    if found.is_warm:
        notes.append("Started from the last potentials.")
    if drawn.note:
        notes.append(f"{drawn.note[0].upper()}{drawn.note[1:]}.")
    return replace(drawn, marks=(*_former(before), *drawn.marks), note=" ".join(notes))


def _alike(run: Coupled, solver: Solver) -> bool:
    """Whether the error of a run is of the same kind."""
    return ERRORS[type(run.transport.solver)] == ERRORS[type(solver)]


def _former(runs: Sequence[Coupled]) -> list[Curve]:
    found: list[Curve] = []
    for number, run in enumerate(runs):
        errors = run.solution.history.errors.numpy()
        # The newer, the darker its line.
        style = replace(ASIDE, color=NEUTRAL, width=0.6 + 0.4 * (number + 1) / len(runs))
        label = f"earlier: {named(run.transport.solver)}, ε = {run.transport.epsilon:.3g}"
        found.append(Curve(label, np.arange(1.0, len(errors) + 1), positive(errors), style))
    return found


PLOT = Plot("iterations", "Marginal error", "Transport", draw, further=further)
