"""W2 against the stochasticity, with its optimum: a click chooses."""

import dataclasses

import numpy as np

from explorer.marks import Axis, Curve, Figure, Log, Mark, Points, Style, identity
from explorer.plots.base import Plot, divergence_note, finite, scale_for
from explorer.session import Session
from kernels.analyses.sweep import best_value, sweep_over, with_value, zero_and_decades
from kernels.experiment import Experiment

PATHS = ("sampler.stochasticity", "sampler.eta", "sampler.level")
# A click this close to the optimum, relative to it, means the optimum.
NEAR = 0.15


def _path(experiment: Experiment) -> str:
    """The number that stands for the stochasticity of this sampler, if it has one."""
    return next((path for path in PATHS if hasattr(experiment.sampler, path.partition(".")[2])), "")


def draw(session: Session) -> Figure:
    """Total error over the stochasticity, all else fixed; the best value and the present one are marked."""
    path = _path(session.experiment)
    if not path:
        kind = type(session.experiment.sampler).__name__
        note = f"{kind} has no stochasticity; choose EulerMaruyama, ExponentialIntegrator or DDIM."
        return Figure("W₂ against stochasticity", Axis("ε"), Axis("W₂"), (), note=note)
    values = zero_and_decades(session.experiment, path)
    found, best = sweep_over(session.experiment, path, values), best_value(session.experiment, path, values)
    symbol = "η" if path.endswith("eta") else "ε"
    look = identity(0)
    marks: list[Mark] = [Curve("W₂", found.values, finite(found.total), Style(look.color))]
    own = found.values == getattr(session.experiment.sampler, path.partition(".")[2])
    marks.append(Points("present", found.values[own], finite(found.total)[own], Style(look.color, marker="D")))
    if best is not None:
        label = f"least, {best.total:.4g} at {symbol} = {best.value:.4g}"
        at = Style(identity(1).color, marker="s")
        marks.append(Points(label, np.array([best.value]), np.array([best.total]), at))
    return Figure(
        "W₂ against stochasticity",
        Axis(f"stochasticity {symbol}", scale_for(found.values)),
        Axis("W₂ to the data", Log()),
        tuple(marks),
        note=divergence_note("The sampler", found.values, found.total, symbol),
        hint="A click sets it.",
    )


def click(session: Session, x: float, y: float) -> Session:
    """The stochasticity at this place, or the best one where that is near."""
    path = _path(session.experiment)
    if not path:
        return session
    best = best_value(session.experiment, path, zero_and_decades(session.experiment, path))
    value = float(f"{max(x, 0.0):.3g}")
    if best is not None and abs(x - best.value) <= NEAR * max(best.value, 1e-3):
        value = best.value
    return dataclasses.replace(session, experiment=with_value(session.experiment, path, value))


PLOT = Plot("stochasticity", "W₂ against stochasticity", "Sweep", draw, click=click)
