"""The covariance spectrum, and the signed error along it."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Line, Log, Mark, Style, Symlog
from explorer.plots.base import Plot, finite, positive, thin
from explorer.session import Session, items
from kernels.report import report

MOST = 600


def _ranks(modes: int) -> np.ndarray:
    """Ranks to draw: all, or as many as a plot has room for, evenly in the logarithm."""
    if modes <= MOST:
        return np.arange(modes)
    return np.unique(np.geomspace(1, modes, MOST).round().astype(int)) - 1


def draw_spectrum(session: Session) -> Figure:
    """Eigenvalues of the data, and the variance that each item's sampler gives in that mode."""
    marks: list[Mark] = []
    zeros = 0
    for position, item in enumerate(items(session)):
        modes = report(item.experiment).modes
        kept = _ranks(len(modes.eigenvalue))
        rank = kept + 1.0
        if position == 0:
            zeros = int((modes.eigenvalue == 0).sum())
            eigenvalues = positive(modes.eigenvalue.numpy()[kept])
            marks.append(Curve("data λ", rank, eigenvalues, Style("#7F7F7F", (6.0, 3.0))))
        marks.append(Curve(item.label, rank, positive(modes.variance.numpy()[kept]), thin(item.style, item.style.dash)))
    note = f"{zeros} eigenvalues are zero and have no place on this axis." if zeros else ""
    return Figure("Spectrum", Axis("rank i", Log()), Axis("variance by mode", Log()), tuple(marks), note=note)


def draw_errors(session: Session) -> Figure:
    """sqrt(variance) - sqrt(eigenvalue) by mode, signed: above zero the sampler spreads too much."""
    marks: list[Mark] = [Line("", 0.0, vertical=False)]
    largest, unstable = 0.0, 0
    for position, item in enumerate(items(session)):
        modes = report(item.experiment).modes
        kept = _ranks(len(modes.eigenvalue))
        error = finite(modes.error.numpy()[kept])
        largest = max(largest, float(np.nanmax(np.abs(error), initial=0.0)))
        marks.append(Curve(item.label, kept + 1.0, error, thin(item.style, item.style.dash)))
        if position == 0:
            unstable = int((~modes.is_stable).sum())
    threshold = 10.0 ** np.floor(np.log10(largest) - 3) if largest > 0 else 1.0
    note = f"{unstable} of the modes are unstable: a step overshoots by more than it corrects." if unstable else ""
    return Figure(
        "Signed error by mode",
        Axis("rank i", Log()),
        Axis("√variance − √λ", Symlog(float(threshold))),
        tuple(marks),
        note=note,
    )


def draw_shares(session: Session) -> Figure:
    """Share of the squared total that the first modes make up, largest eigenvalues first."""
    marks: list[Mark] = []
    diverging: list[str] = []
    for item in items(session):
        modes = report(item.experiment).modes
        if not np.isfinite(report(item.experiment).frechet):
            diverging.append(item.label)
        kept = _ranks(len(modes.eigenvalue))
        share = np.cumsum(modes.share.numpy())[kept]
        marks.append(Curve(item.label, kept + 1.0, finite(share), thin(item.style, item.style.dash)))
    return Figure(
        "Share of the error by mode",
        Axis("rank i", Log()),
        Axis("share of W₂² in modes 1 … i"),
        tuple(marks),
        note=f"No share of an infinite error: {', '.join(diverging)}." if diverging else "",
    )


SPECTRUM = Plot("spectrum", "Spectrum", "Spectrum", draw_spectrum)
SHARES = Plot("shares", "Share of the error by mode", "Spectrum", draw_shares)
ERRORS = Plot("modes", "Signed error by mode", "Error", draw_errors)
