"""The spectrum of the particles against that of the data."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Line, Log, Points, Style
from explorer.plots.base import Plot, positive
from explorer.plots.cloud import GENERATED, SAMPLER, grouped, network_of
from explorer.session import Session, is_theory
from kernels.analyses.clouds import bands, whole_now


def draw(session: Session) -> Figure:
    """Variance generated over that of the data, measured by bands of neighboring modes, and predicted."""
    experiment = session.experiment
    axes = Axis("rank i", Log()), Axis("variance, generated / data", Log())
    # Data that cannot be read are told before anything else.
    _ = experiment.law
    trained = network_of(experiment)
    if isinstance(trained, str):
        return Figure("Variance by band", *axes, (), note=trained)
    cloud = whole_now(experiment, session.sampling, trained)
    if not bool((experiment.law.variance > 0).any()):
        return Figure("Variance by band", *axes, (), note="All eigenvalues are zero: there is nothing to compare.")
    found = bands(experiment, cloud, trained)
    drawn, wanted = cloud.sampling.particles, session.sampling.particles
    notes = [f"{grouped(drawn)} of {grouped(wanted)} particles." if drawn < wanted else f"{grouped(drawn)} particles."]
    diverged = ~np.isfinite(found.ratio)
    if diverged.any():
        notes.append(f"{diverged.sum()} of {len(diverged)} bands have diverged.")
    error = np.where(diverged, np.nan, 2 * found.standard_error)
    measured = Points("measured ± 2 standard errors", found.ranks, positive(found.ratio), MEASURED, error=error)
    predicted = Curve(
        "Gaussian theory" if is_theory(experiment) else "law", found.ranks, positive(found.predicted), PREDICTED
    )
    return Figure("Variance by band", *axes, (predicted, measured, Line("", 1.0, vertical=False)), note=" ".join(notes))


MEASURED, PREDICTED = Style(GENERATED.color, marker="o"), SAMPLER
PLOT = Plot("bands", "Variance by band", "Cloud", draw)
