"""First-order theory against the exact error."""

from explorer.marks import Axis, Curve, Figure, Log, Mark, Points, Style, identity
from explorer.plots.base import Plot, divergence_note, finite
from explorer.session import Session
from kernels.analyses.convergence import convergence
from kernels.analyses.expansion import TRUSTED_ANGLE, expansion


def draw(session: Session) -> Figure:
    """The discretization error over the number of steps, and the 1/N that it tends to."""
    present = session.experiment
    found, predicted = convergence(present), expansion(present, with_start=False)
    exact, first = identity(0), identity(1)
    marks: list[Mark] = [Curve("exact", found.steps, found.discretization, exact)]
    notes = [divergence_note("The sampler", found.steps, found.discretization, "N")]
    if predicted is None:
        notes.append(
            "No first-order theory here: it is for one-step methods of order 1, on grids that are a map of [0, 1] "
            "(no list of times, no last step to zero noise)."
        )
    else:
        limit, look = predicted.n_wasserstein2, Style(first.color, first.dash)
        marks.append(Curve(f"theory: {limit:.4g}/N", found.steps, limit / found.steps, look))
        angle = f"the largest step of arctan(s/√λ) is {predicted.largest_angle:.2g} rad"
        trusted = "the theory can be trusted"
        if predicted.largest_angle > TRUSTED_ANGLE:
            trusted = f"the theory can be trusted below {TRUSTED_ANGLE:g}"
        elif not predicted.in_regime:
            trusted = "but some modes are unstable, where no theory of small steps holds"
        notes.append(f"At the present N {angle}: {trusted}.")
    own = found.steps == len(present.grid.times(present.process)) - 1
    at = Points("present N", found.steps[own], finite(found.discretization)[own], Style(exact.color, marker="D"))
    marks.append(at)
    return Figure(
        "First-order theory",
        Axis("steps N", Log()),
        Axis("discretization error W₂", Log()),
        tuple(marks),
        note=" ".join(note for note in notes if note),
    )


PLOT = Plot("theory", "First-order theory", "Budget", draw)
