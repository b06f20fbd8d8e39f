"""What a plot is: a name, a place, and a pure function from a session to a figure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from explorer.marks import Figure, Floats, Log, Scale, Style, Symlog
from explorer.session import Session, is_theory
from kernels.analyses.clouds import theory_of

THEORY = "Gaussian theory: what holds for Gaussian data with the same mean and covariance"

# A session, and the indices and new values along y of points that a person moves, rounded if asked for.
Move = Callable[[Session, tuple[int, ...], tuple[float, ...], bool], Session]
# Hears which share of long work is done; what it raises ends the work.
Watch = Callable[[float], None]


@dataclass(frozen=True)
class Plot:
    """One plot of the window; `draw` may take long and runs beside it.

    `click` makes the session that a click at data coordinates asks for, and `move` the one for draggable points that
    were moved; both give the same session back where nothing is meant. `further` does what takes longer than a person
    who moves something can wait for, after which `draw` has more to show, and tells whether there was any.

    Errors: all raise `ValueError` in one sentence where data cannot be read, or what was asked for is refused.
    """

    name: str
    title: str
    tab: str
    draw: Callable[[Session], Figure]
    click: Callable[[Session, float, float], Session] | None = None
    move: Move | None = None
    further: Callable[[Session, Watch], bool] | None = None


def on_theory(plot: Plot) -> Plot:
    """The plot of an exact law; where there is none, that of Gaussian theory, which it says."""

    def draw(session: Session) -> Figure:
        if not is_theory(session.experiment):
            return plot.draw(session)
        pins = tuple(theory_of(pin) for pin in session.pins)
        theory = theory_of(session.experiment)
        figure = plot.draw(replace(session, experiment=theory, pins=pins))
        said = THEORY + (" and their exact score." if theory != session.experiment else ".")
        return replace(figure, note=f"{said} {figure.note}".strip())

    return replace(plot, draw=draw)


def positive(values: Floats) -> Floats:
    """What has a place on a logarithmic axis, and gaps."""
    return np.where((values > 0) & np.isfinite(values), values, np.nan)


def finite(values: Floats) -> Floats:
    """Infinities as gaps: nothing can be drawn there, and the figure's note says so."""
    return np.where(np.isfinite(values), values, np.nan)


def divergence_note(label: str, x: Floats, y: Floats, name: str) -> str:
    """`EulerMaruyama diverges for NFE ≤ 12.` where y is infinite, else nothing."""
    infinite = np.isinf(y)
    if not infinite.any():
        return ""
    low, high = x[infinite].min(), x[infinite].max()
    where = f"{name} = {low:.4g}" if low == high else f"{name} from {low:.4g} to {high:.4g}"
    return f"{label} diverges (W₂ = ∞) for {where}."


def thin(style: Style, dash: tuple[float, ...]) -> Style:
    """The same identity for a secondary curve."""
    return replace(style, dash=dash, marker="")


def scale_for(values: Floats) -> Scale:
    """Logarithmic for positive values, symmetric-logarithmic where zero or negative values occur."""
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0:
        return Log()
    sizes = np.abs(values[values != 0])
    if not sizes.size:
        return Symlog(1.0)
    # The linear part ends three decades below the largest value, or at the smallest if that is larger.
    return Symlog(float(10.0 ** np.floor(np.log10(max(sizes.max() * 1e-6, sizes.min())))))
