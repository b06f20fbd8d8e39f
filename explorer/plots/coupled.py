"""What the plots of transport have in common."""

from dataclasses import replace

from explorer.marks import NEUTRAL, Axis, Figure, Style
from explorer.plots.base import Plot, Watch
from explorer.plots.cloud import DATA, GENERATED, grouped, network_of
from explorer.session import Session
from kernels.analyses.coupled import Coupled, Question, couple, coupled_now
from kernels.analyses.estimated import find_scales
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
    sizes, there = (len(found.pair.points_x), len(found.pair.points_y)), found.pair.there
    wanted = session.transport.points if there is None else min(session.transport.points, max(there))
    if max(sizes) < wanted:
        return f"{points_of(sizes)}, on the way to {grouped(wanted)}."
    beyond = f", of {points_of(there)}" if there is not None and there != sizes else ""
    return f"{points_of(sizes)}{beyond}."


def points_of(sizes: tuple[int, int]) -> str:
    """`1000 points of each`, or how many of either."""
    if sizes[0] != sizes[1]:
        return f"{grouped(sizes[0])} and {grouped(sizes[1])} points"
    return f"{grouped(sizes[0])} point{'s' if sizes[0] != 1 else ''} of each"


def squared(power: float) -> str:
    """What the cost of a pair is, with its unit."""
    if power == 2:
        return "squared distance [data units²]"
    return "distance [data units]" if power == 1 else f"distance to the power {power:g} [data units^{power:g}]"


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
    "points_of",
    "question_of",
    "squared",
]
