"""Does Gaussian theory hold? Errors measured on the data as they are, beside those predicted from their covariance."""

import dataclasses
import math

import numpy as np

from explorer.marks import Axis, Curve, Figure, Floats, Log, Mark, Points, Style
from explorer.plots.base import Plot, positive
from explorer.plots.cloud import DATA, GENERATED, SAMPLER, grouped, network_of
from explorer.session import Sampled, Session
from kernels.analyses.holding import QUESTIONS, Variant, agreement, predicted, variants
from kernels.distances import Sliced

RANKED, SYMBOL = Sliced.name, Sliced.symbol
HOW = "Press Measure beyond Gauss in the bar above to measure these choices."
MEASURED, PREDICTED, FLOOR = (
    Style(GENERATED.color, marker="o"),
    Style(SAMPLER.color, (6.0, 3.0), "s"),
    Style(DATA.color, (2.0, 2.0)),
)
TITLES = {"steps": "Over numbers of steps", "stochasticity": "Over stochasticity", "grid": "Over grids"}
AXES = {"steps": Axis("number of steps N", Log()), "stochasticity": Axis("stochasticity"), "grid": Axis("")}
NEARLY = 0.8


def _draw(question: str, session: Session) -> Figure:
    title, x_axis = TITLES[question], AXES[question]
    y_axis = Axis("distance to the data", Log())
    # Data that cannot be read are told before anything else.
    _ = session.experiment.law
    try:
        choices = choices_of(session, question)
    except ValueError as error:
        return Figure(title, Axis(x_axis.label or "grid", x_axis.scale), y_axis, (), note=str(error))
    x = np.array([choice.value for choice in choices])
    theory = np.array([predicted(choice.experiment) for choice in choices])
    found = measured_on(session, choices)
    marks: list[Mark] = []
    named = question == "grid"
    if named:
        marks.append(Points("W₂ in Gaussian theory", x, positive(theory), PREDICTED))
    else:
        marks.append(Curve("W₂ in Gaussian theory", x, positive(theory), PREDICTED))
    marks += _marks(found, x)
    tau = agreement(np.array([math.nan if part is None else part.value for part in found]), theory)
    return Figure(
        title if math.isnan(tau) else f"{title}: Kendall τ = {tau:.2f}".replace("-", "−"),
        x_axis,
        y_axis,
        tuple(marks),
        categories=tuple(choice.name for choice in choices) if named else (),
        note=_told(session, found, tau),
    )


def choices_of(session: Session, question: str) -> tuple[Variant, ...]:
    """What is compared: the usual choices, and the grids of pins, which may be the best ones that were found.

    Errors: `ValueError` in one sentence where there is nothing to compare.
    """
    found = variants(session.experiment, question)
    if question != "grid":
        return found
    known = {variant.experiment for variant in found}
    for number, pin in enumerate(session.pins, 1):
        try:
            pinned = dataclasses.replace(session.experiment, grid=pin.grid)
        except ValueError:
            continue
        if pinned not in known:
            known.add(pinned)
            name = f"{type(pin.grid).__name__} (pin {number})"
            found = (*found, Variant(name, float(len(found)), pinned))
    return found


def all_choices(session: Session) -> list[Variant]:
    """The choices of all questions that have any."""
    found: list[Variant] = []
    for question in QUESTIONS:
        try:
            found += choices_of(session, question)
        except ValueError:
            continue
    return found


def measured_on(session: Session, choices: tuple[Variant, ...]) -> list[Sampled | None]:
    """What was measured last on each choice."""
    known = {part.experiment: part for part in session.sampled if part.distance == RANKED}
    mine = {
        part.experiment: part
        for part in session.sampled
        if (part.distance, part.sampling) == (RANKED, session.sampling)
    }
    return [mine.get(choice.experiment) or known.get(choice.experiment) for choice in choices]


def _marks(found: list[Sampled | None], x: Floats) -> list[Mark]:
    places = [k for k, part in enumerate(found) if part is not None]
    parts = [part for part in found if part is not None]
    if not parts:
        return []
    at = x[places]
    value = positive(np.array([part.value for part in parts]))
    error = np.where(np.isfinite(value), [2 * part.standard_error for part in parts], np.nan)
    floor = positive(np.array([part.floor for part in parts]))
    return [
        Curve("two clouds of data", at, floor, FLOOR),
        Points(f"{SYMBOL} measured ± 2 standard errors", at, value, MEASURED, error=error),
    ]


def _told(session: Session, found: list[Sampled | None], tau: float) -> str:
    parts = [part for part in found if part is not None]
    if not parts:
        trained = network_of(session.experiment)
        return trained if isinstance(trained, str) else HOW
    notes: list[str] = []
    if not math.isnan(tau):
        order = "the same order" if tau > 1 - 1e-9 else "nearly the same order" if tau >= NEARLY else "another order"
        notes.append(f"Theory and particles rank {len(parts)} choices in {order}.")
    near = sum(_is_floor(part) for part in parts)
    if near:
        more = ": more particles tell more" if 2 * near > len(parts) else ""
        notes.append(f"{near} of {len(parts)} cannot be told from data{more}.")
    diverged = sum(math.isinf(part.value) for part in parts)
    if diverged:
        notes.append(f"{diverged} of {len(parts)} diverge.")
    sizes = sorted({part.sampling.particles for part in parts})
    notes.append(" and ".join(grouped(size) for size in sizes) + " particles.")
    return " ".join(notes)


def _is_floor(part: Sampled) -> bool:
    """Whether chance alone would give as much."""
    return part.value - part.floor < 2 * math.hypot(part.standard_error, part.floor_error)


def _plot(question: str) -> Plot:
    def draw(session: Session) -> Figure:
        return _draw(question, session)

    return Plot(f"holding_{question}", TITLES[question], "Beyond Gauss", draw)


STEPS, STOCHASTICITY, GRIDS = (_plot(question) for question in TITLES)
