"""Variances of chosen modes along the way."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Log, Mark, Style, identity
from explorer.plots.base import Plot, positive, scale_for
from explorer.session import Session
from kernels.report import solve

CHOSEN = 4


def chosen_ranks(modes: int) -> list[int]:
    """First, last and some between, evenly in the logarithm of the rank."""
    return np.unique(np.geomspace(1, modes, CHOSEN).round().astype(int) - 1).tolist()


def draw(session: Session) -> Figure:
    """The sampler's variance (solid) and the exact marginal's (dashed), by mode."""
    solution = solve(session.experiment)
    count = len(solution.law.variance)
    ranks = [rank - 1 for rank in session.followed if 1 <= rank <= count] or chosen_ranks(count)
    followed = solution.followed(ranks)
    times = followed.times.numpy()
    marks: list[Mark] = []
    for column, rank in enumerate(ranks):
        style = Style(identity(column).color)
        eigenvalue = float(solution.law.variance[rank])
        label = f"mode {rank + 1} (λ = {eigenvalue:.3g})"
        marks.append(Curve(label, times, positive(followed.sampled.variance[:, column].numpy()), style))
        exact = followed.exact.variance[:, column].numpy()
        marks.append(Curve("exact" if column == 0 else "", times, positive(exact), Style(style.color, (3.0, 3.0))))
    wide = times[0] > 5 * np.median(times)
    return Figure(
        "Variance along time",
        Axis("time t (sampling runs to the left)", scale_for(times) if wide else Axis("").scale),
        Axis("variance", Log()),
        tuple(marks),
    )


PLOT = Plot("paths", "Variance along time", "Spectrum", draw)
