"""Distances of the particles to the data, as they were measured, beside what chance alone would give."""

import numpy as np

from explorer.marks import Axis, Bars, Figure, Log, Mark, Points, Style
from explorer.plots.base import Plot, positive
from explorer.plots.cloud import GENERATED, SAMPLER, grouped, network_of
from explorer.session import LAW, Sampled, Session, is_theory
from kernels.analyses.clouds import theory_of
from kernels.distances import DISTANCES
from kernels.report import report

HOW = "Press Measure in the bar above (Ctrl+M) to measure distances to as many data."
MEASURED, FLOOR, EXACT = (
    Style(GENERATED.color, marker="o"),
    Style("#BBBBBB"),
    Style(SAMPLER.color, marker="D"),
)
# Wasserstein distances of the laws, which the exact total tells.
OF_LAWS = ("frechet", "by_mode", "exact")


def draw(session: Session) -> Figure:
    """Every distance that was measured on this experiment, its floor, and the total of the theory."""
    experiment = session.experiment
    # Data that cannot be read are told before anything else.
    _ = experiment.law
    found = latest(session)
    shown = [kind for kind in DISTANCES if kind.name in found]
    if not shown:
        trained = network_of(experiment)
        note = trained if isinstance(trained, str) else HOW
        return Figure("Distances to the data", Axis("distance"), Axis("value"), (), note=note)
    measured = [found[kind.name] for kind in shown]
    x = np.arange(len(shown), dtype=np.float64)
    total = float(report(theory_of(experiment)).wasserstein2.total)
    exact = np.array([total if kind.name in OF_LAWS else np.nan for kind in shown])
    values = np.array([part.value for part in measured])
    floor = np.array([part.floor for part in measured])
    known = np.isfinite(values)
    error = np.where(known, [2 * part.standard_error for part in measured], np.nan)
    named = "Gaussian theory, W₂" if is_theory(experiment) else "exact W₂"
    marks: list[Mark] = [
        Bars("two clouds of data", x, positive(floor), np.zeros_like(x), style=FLOOR),
        Points("generated", x, positive(values), MEASURED, error=error),
        Points(named, x, positive(exact), EXACT),
    ]
    notes = [told(measured[0])]
    nothing = [kind.symbol for kind, value in zip(shown, values.tolist(), strict=True) if value <= 0]
    if nothing:
        notes.append(f"Not above zero: {', '.join(nothing)}.")
    if not known.all():
        notes.append("The sampler diverges: its distances are infinite.")
    return Figure(
        "Distances to the data",
        Axis(""),
        Axis("distance to the data", Log()),
        tuple(marks),
        categories=tuple(kind.symbol for kind in shown),
        note=" ".join(notes),
    )


def latest(session: Session) -> dict[str, Sampled]:
    """What was measured last on this very experiment, by distance; with the present sampling, if there is any."""
    mine = [part for part in session.sampled if part.experiment == session.experiment and part.distance != LAW]
    same = [part for part in mine if part.sampling == session.sampling]
    return {part.distance: part for part in same or mine}


def told(measured: Sampled) -> str:
    """What it was measured with."""
    return f"Measured with {grouped(measured.sampling.particles)} particles, seed {measured.sampling.seed}."


PLOT = Plot("distances", "Distances to the data", "Cloud", draw)
