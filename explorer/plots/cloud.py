"""Particles on their way from noise to data: two modes of them, beside the data noised to the same time."""

import math

import numpy as np

from explorer.marks import Axis, Cloud, Curve, Figure, Floats, Mark, Style
from explorer.plots.base import Plot, Watch
from explorer.session import Session
from kernels.analyses.clouds import Motion, complete, is_complete, motion_now
from kernels.analyses.trainings import trained_for
from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.scores import Trained

GENERATED, DATA = Style("#0072B2"), Style("#7F7F7F")
SAMPLER, NOISED = Style("#D55E00", width=1.6), Style("#000000", (6.0, 3.0))
# Ellipses and axes, in standard deviations of the laws; an unstable sampler may not squeeze the data to a dot.
ELLIPSE, REACH, WIDEST = 2.0, 5.0, 30.0
_TURN = np.linspace(0.0, 2.0 * math.pi, 181)


def draw(session: Session) -> Figure:
    """Two modes of the cloud over those of the data, with the ellipses of their laws."""
    ranks = session.looked_at
    axes = Axis(f"mode {ranks[0]}"), Axis(f"mode {ranks[1]}")
    found = seen_motion(session)
    if isinstance(found, str):
        return Figure("Particles", *axes, (), note=found, equal=True)
    frame = found.frame(session.moment)
    sampled, exact = law_at(found.sampled, frame), law_at(found.exact, frame)
    center, reach = box(sampled, exact)
    named = "law" if found.is_law else "Gaussian theory"
    notes = [counted(found, session)]
    marks: list[Mark] = []
    for label, points, style in (("data", found.data(frame), DATA), ("generated", found.generated[frame], GENERATED)):
        x, y = points.astype(np.float64)
        inside = (np.abs(x - center[0]) <= reach[0]) & (np.abs(y - center[1]) <= reach[1])
        outside = len(inside) - int(np.count_nonzero(inside))
        marks.append(Cloud(label, x[inside], y[inside], style) if outside else Cloud(label, x, y, style))
        notes.append(_outside(label, outside))
    marks.append(_ellipse(f"data: {named}", exact, NOISED))
    if bool(sampled.variance.isfinite().all()):
        marks.append(_ellipse(f"sampler: {named}", sampled, SAMPLER))
    return Figure(
        f"Step {moment_of(found, frame)}",
        *axes,
        tuple(marks),
        note=" ".join(note for note in notes if note),
        hint=f"Ellipses: {ELLIPSE:g} standard deviations.",
        equal=True,
    )


def seen_motion(session: Session) -> Motion | str:
    """The way of the modes looked at; or why there is nothing to see, in a sentence."""
    experiment = session.experiment
    modes = len(experiment.law.variance)
    if max(session.looked_at) > modes:
        return f"The data have modes from 1 to {modes}; choose which to look at in the bar above."
    trained = network_of(experiment)
    if isinstance(trained, str):
        return trained
    first, second = session.looked_at
    return motion_now(experiment, session.sampling, (first - 1, second - 1), trained)


def network_of(experiment: Experiment) -> Trained | str | None:
    """The network that the particles follow, if they follow one; or that it has to be trained, in a sentence."""
    try:
        return trained_for(experiment)
    except ValueError:
        return (
            f"The {type(experiment.score).__name__} has not been trained on these data: press Train in the bar above."
        )


def moment_of(found: Motion, frame: int) -> str:
    """`17 of 50, t = 0.66, s = 1.3`."""
    ratio = float(found.ratios[frame])
    level = "∞" if math.isinf(ratio) else f"{ratio:.3g}"
    return f"{found.steps[frame]} of {found.steps[-1]}, t = {float(found.times[frame]):.3g}, s = {level}"


def counted(found: Motion, session: Session) -> str:
    """How many of the particles are drawn, if not all."""
    drawn, wanted = found.generated.shape[2], session.sampling.particles
    return f"{grouped(drawn)} of {grouped(wanted)} particles." if drawn < wanted else f"{grouped(drawn)} particles."


def grouped(count: int) -> str:
    """A count with narrow spaces between its thousands."""
    return f"{count:,}".replace(",", "\u202f")


def _outside(label: str, count: int) -> str:
    return f"{grouped(count)} {label} lie outside of what is shown." if count else ""


def law_at(law: Gaussian, frame: int) -> Gaussian:
    """Of laws along the way, that of a frame."""
    return Gaussian(law.mean.expand_as(law.variance)[frame], law.variance[frame])


def box(sampled: Gaussian, exact: Gaussian, deviations: float = REACH) -> tuple[Floats, Floats]:
    """Center and half widths of what is drawn: both laws with a margin, but never much more than that of the data."""
    mean, spread = exact.mean.numpy(), exact.variance.sqrt().numpy()
    # A mode that does not vary is drawn as wide as the other.
    spread = np.where(spread > 0, spread, spread.max() or 1.0)
    apart = np.abs(sampled.mean.numpy() - mean) + deviations * sampled.variance.sqrt().numpy()
    return mean, np.clip(np.nan_to_num(apart, nan=np.inf), deviations * spread, WIDEST * spread)


def _ellipse(label: str, law: Gaussian, style: Style) -> Curve:
    mean, spread = law.mean.numpy(), ELLIPSE * law.variance.sqrt().numpy()
    return Curve(label, mean[0] + spread[0] * np.cos(_TURN), mean[1] + spread[1] * np.sin(_TURN), style)


def _further(session: Session, watch: Watch) -> bool:
    """All particles, where some were drawn."""
    experiment, sampling = session.experiment, session.sampling
    first, second = session.looked_at
    asked, trained = (experiment, sampling, (first - 1, second - 1)), trained_for(experiment)
    if is_complete(*asked, trained):
        return False
    complete(*asked, trained, watch)
    return True


PLOT = Plot("cloud", "Particles", "Cloud", draw, further=_further)
