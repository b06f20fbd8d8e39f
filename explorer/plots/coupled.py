"""What the plots of transport have in common."""

from dataclasses import replace

from explorer.marks import NEUTRAL, Axis, Figure, Style
from explorer.plots.base import Plot, Watch
from explorer.plots.cloud import DATA, GENERATED, grouped, network_of
from explorer.session import Session
from kernels.analyses.coupled import Coupled, Question, couple, coupled_now, find_scales
from kernels.pairs import NothingToCoupleError

FIRST, SECOND = GENERATED, DATA
# The same on every plot of costs: entropic, divergence, extrapolated, exact, and what is known without points.
ENTROPIC, DIVERGENCE, RICHARDSON, EXACT = (
    Style("#E69F00", marker="^"),
    Style("#009E73", marker="o"),
    Style("#CC79A7", marker="D"),
    Style("#56B4E9", marker="s"),
)
TRUTH = Style("#000000", (6.0, 3.0))
ASIDE = Style(NEUTRAL, (2.0, 2.0))


def question_of(session: Session) -> Question:
    """What the session asks of transport.

    Errors: `NothingToCoupleError` in one sentence for a score that still has to be trained.
    """
    trained = network_of(session.experiment) if session.transport.clouds.is_sampled else None
    if isinstance(trained, str):
        kind = type(session.experiment.score).__name__
        raise NothingToCoupleError(f"The {kind} has not been trained on these data: train it first (Ctrl+T).")
    return Question(session.experiment, session.sampling, session.transport, trained)


def found_now(session: Session) -> Coupled:
    """The coupling, as far as it is known; errors as `question_of` and of the solver."""
    return coupled_now(question_of(session))


def explained(plot: Plot) -> Plot:
    """The plot, which says in its note why there are no clouds, where there are none."""

    def draw(session: Session) -> Figure:
        try:
            return plot.draw(session)
        except NothingToCoupleError as error:
            sentence = str(error)
            return Figure(plot.title, Axis("x"), Axis("y"), (), note=f"{sentence[0].upper()}{sentence[1:]}")

    return replace(plot, draw=draw)


def further(session: Session, watch: Watch) -> bool:
    """The whole coupling, and which regularizations are worth trying."""
    question = question_of(session)
    coupled = couple(question, lambda share: watch(0.8 * share))
    return find_scales(question, lambda share: watch(0.8 + 0.2 * share)) or coupled


def counted(found: Coupled, session: Session) -> str:
    """`1000 points of each.`, and what is not shown yet."""
    n, m = (len(points) for points in (found.pair.points_x, found.pair.points_y))
    said = f"{grouped(n)} points of each" if n == m else f"{grouped(n)} and {grouped(m)} points"
    there = max(found.pair.found)
    wanted = min(session.transport.points, there)
    beyond = f" of {grouped(there)}" if found.is_whole and max(n, m) < there else ""
    return f"{said}{beyond}." if max(n, m) >= wanted else f"{said}, on the way to {grouped(wanted)}."


__all__ = [
    "ASIDE",
    "DIVERGENCE",
    "ENTROPIC",
    "EXACT",
    "FIRST",
    "RICHARDSON",
    "SECOND",
    "TRUTH",
    "counted",
    "explained",
    "found_now",
    "further",
    "grouped",
    "question_of",
]
