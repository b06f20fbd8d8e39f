"""Distances estimated from clouds beside the exact one, and why they differ: blur, few points, many modes."""

import math
from functools import partial

import numpy as np

from explorer.marks import Axis, Curve, Figure, Floats, Line, Log, Mark, Points, Style
from explorer.plots.base import Plot, Watch, positive, scale_for
from explorer.plots.coupled import DIVERGENCE, ENTROPIC, EXACT, RICHARDSON, TRUTH, points_of, question_of, squared
from explorer.session import Session
from kernels.analyses.coupled import Question
from kernels.analyses.estimated import (
    REPLICAS,
    SIZE_OVER_MODES,
    UnknownLawsError,
    dimensions,
    effects_over,
    estimates_now,
    find_effects,
    find_estimates,
    find_scales,
    gaussian_limits,
    laws_of,
)
from kernels.transport import ESTIMATORS, SampleSizeEffects

STYLES: dict[str, Style] = dict(zip(ESTIMATORS, (ENTROPIC, DIVERGENCE, RICHARDSON, EXACT), strict=True))
FOUND, LIMIT = Style("#0072B2", marker="o"), Style("#D55E00", marker="D")
DEVIATIONS = 2.0
TITLES = {"points": "Bias over the number of points", "modes": "Bias over the number of modes"}
WAITING = "Being drawn again and again …"


def draw(session: Session) -> Figure:
    """Each estimate with its error bar, what it tends to with more points, and the exact distance."""
    question = question_of(session)
    found, power = estimates_now(question), session.transport.power
    x = np.arange(len(ESTIMATORS), dtype=np.float64)
    values = np.array([each.value for each in found.found])
    error = DEVIATIONS * np.array([each.standard_error for each in found.found])
    marks: list[Mark] = [Points("these clouds, ± 2 standard errors", x, values, FOUND, error=error)]
    notes: list[str] = []
    if not math.isnan(found.truth):
        marks.append(Points("n → ∞", x, np.array(found.limits), LIMIT))
        marks.append(Line("exact W₂²", found.truth, vertical=False, style=TRUTH))
        notes.append(_told(found.limits, values, found.truth))
    elif power == 2:
        notes.append("The laws of these clouds are not known, and neither is their distance.")
    notes.append(f"On {points_of(found.points)}{'' if found.is_whole else ', more to come'}.")
    if math.isnan(values[-1]):
        notes.append("The exact cost of so many points takes too long.")
    return Figure(
        f"Estimates of W₂² at ε = {found.epsilon:.4g}" if power == 2 else f"Estimates at ε = {found.epsilon:.4g}",
        Axis(""),
        Axis(squared(power), scale_for(np.append(values, found.limits))),
        tuple(marks),
        categories=ESTIMATORS,
        note=" ".join(notes),
    )


def _told(limits: tuple[float, ...], values: Floats, truth: float) -> str:
    """Of the divergence, what blur and what few points add."""
    place = ESTIMATORS.index("Sinkhorn divergence")
    blur, few = limits[place] - truth, values[place] - limits[place]
    return f"In the divergence blur adds {blur:+.3g}, few points and chance {few:+.3g}.".replace("-", "−")


def _over(over: str, session: Session) -> Figure:
    axis = Axis("points of each cloud n", Log()) if over == "points" else Axis("leading modes d", Log())
    title, y_axis = TITLES[over], Axis(squared(2.0), Log())
    question = question_of(session)
    try:
        p, _ = laws_of(question)
    except UnknownLawsError as error:
        sentence = str(error)
        return Figure(title, axis, y_axis, (), note=f"{sentence[0].upper()}{sentence[1:]}")
    found = effects_over(question, over)
    if found is None:
        return _limits_alone(title, axis, y_axis, over, question, dimensions(len(p.variance)))
    if over == "points":
        x, part = np.array(found.sizes, dtype=np.float64), (0, slice(None), 0)
        where = f"in {len(p.variance)} modes"
    else:
        x, part = np.array(found.modes, dtype=np.float64), (slice(None), 0, 0)
        where = f"of {SIZE_OVER_MODES} points"
    marks = _effects(found, x, part, over)
    note = f"Means of {REPLICAS} pairs of clouds {where}, ± 2 standard errors of one estimate; dashed: n → ∞."
    return Figure(title, axis, y_axis, tuple(marks), note=note)


def _effects(found: SampleSizeEffects, x: Floats, part: tuple[int | slice, ...], over: str) -> list[Mark]:
    marks: list[Mark] = []
    for k, name in enumerate(ESTIMATORS):
        mean = found.values.mean(-1)[k].numpy()[part]
        spread = DEVIATIONS * found.fluctuation[k].numpy()[part]
        marks.append(Points(name, x, positive(mean), STYLES[name], error=spread))
        limit = found.limits[k, :, 0].numpy()
        if name != "exact":
            marks.append(Curve(f"{name}, n → ∞", x, positive(np.broadcast_to(limit, x.shape)), _dashed(name)))
    truth = np.broadcast_to(found.truth.numpy(), x.shape)
    marks.append(Curve("exact W₂²", x, positive(truth), TRUTH))
    return marks


def _dashed(name: str) -> Style:
    return Style(STYLES[name].color, (4.0, 3.0))


def _limits_alone(
    title: str, axis: Axis, y_axis: Axis, over: str, question: Question, modes: tuple[int, ...]
) -> Figure:
    """What is known without any points, while clouds are drawn."""
    counts = (modes[-1],) if over == "points" else modes
    limits = gaussian_limits(question, counts)
    x = np.array([50.0, 800.0]) if over == "points" else np.array(counts, dtype=np.float64)
    marks: list[Mark] = [
        Curve(f"{name}, n → ∞", x, positive(np.broadcast_to(limits[k], x.shape)), _dashed(name))
        for k, name in enumerate(ESTIMATORS)
        if name != "exact"
    ]
    marks.append(Curve("exact W₂²", x, positive(np.broadcast_to(limits[-1], x.shape)), TRUTH))
    return Figure(title, axis, y_axis, tuple(marks), note=WAITING)


def _further(session: Session, watch: Watch) -> bool:
    question = question_of(session)
    estimated = find_estimates(question, lambda share: watch(0.8 * share))
    return find_scales(question, lambda share: watch(0.8 + 0.2 * share)) or estimated


def _further_over(over: str, session: Session, watch: Watch) -> bool:
    question = question_of(session)
    try:
        laws_of(question)
    except UnknownLawsError:
        # The plot tells why.
        return False
    return find_effects(question, over, watch)


PLOTS = (
    Plot("estimates", "Estimates of the distance", "Estimates", draw, further=_further),
    *(
        Plot(f"estimates_{over}", title, "Estimates", partial(_over, over), further=partial(_further_over, over))
        for over, title in TITLES.items()
    ),
)
