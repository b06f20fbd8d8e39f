"""The noising process, and the time grid on it."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Log, Mark, Points, Style, identity
from explorer.plots.base import Plot, finite, positive, scale_for
from explorer.session import Session, items
from kernels.analyses.levels import along_time, on_grid


def draw_process(session: Session) -> Figure:
    """alpha, sigma and their ratio over time, with the grid's points on the ratio."""
    levels, grid = along_time(session.experiment), on_grid(session.experiment)
    wide = levels.times[-1] > 5 * np.median(grid.times)
    curves = (
        ("signal α", levels.alpha, identity(0)),
        ("noise σ", levels.sigma, identity(1)),
        ("ratio s = σ/α", levels.noise_ratio, identity(2)),
    )
    marks: list[Mark] = [
        Curve(label, levels.times, positive(values), Style(style.color, style.dash)) for label, values, style in curves
    ]
    marks.append(Points("grid", grid.times, positive(grid.noise_ratio), Style(identity(2).color, marker="o")))
    return Figure(
        "Process and grid",
        Axis("time t", scale_for(levels.times) if wide else Axis("").scale),
        Axis("level", Log()),
        tuple(marks),
    )


def draw_grid(session: Session) -> Figure:
    """Noise ratio against the score evaluations spent, for every grid and every cost of a step."""
    marks: list[Mark] = []
    seen: list[object] = []
    for item in items(session):
        cost = item.experiment.sampler.calls
        key = (item.experiment.grid, item.experiment.process, cost)
        if key in seen:
            continue
        seen.append(key)
        ratio = on_grid(item.experiment).noise_ratio
        spent = cost * np.arange(len(ratio), dtype=float)
        spent[-1] = item.experiment.calls
        marks.append(Curve(item.label, spent, positive(ratio), item.style))
    return Figure(
        "Noise level along the run", Axis("score evaluations so far (NFE)"), Axis("s = σ/α", Log()), tuple(marks)
    )


def draw_snr(session: Session) -> Figure:
    """log-SNR over time, with the grid's points."""
    levels, grid = along_time(session.experiment), on_grid(session.experiment)
    wide = levels.times[-1] > 5 * np.median(grid.times)
    return Figure(
        "Log signal-to-noise ratio",
        Axis("time t", scale_for(levels.times) if wide else Axis("").scale),
        Axis("log α²/σ²"),
        (
            Curve("log-SNR", levels.times, finite(levels.log_snr), Style(identity(0).color)),
            Points("grid", grid.times, finite(grid.log_snr), Style(identity(0).color, marker="o")),
        ),
    )


PROCESS = Plot("process", "Process and grid", "Process", draw_process)
GRID = Plot("grid", "Noise level along the run", "Process", draw_grid)
SNR = Plot("snr", "Log-SNR", "Process", draw_snr)
