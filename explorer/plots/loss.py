"""The loss of a network while it is trained."""

import numpy as np

from explorer.marks import Axis, Curve, Figure, Line, Log, Style
from explorer.plots.base import Plot, positive
from explorer.plots.cloud import GENERATED, SAMPLER, grouped
from explorer.session import Session
from kernels.analyses.trainings import loss_of
from kernels.scores import Network

NOT_NEEDED = "needs no training; choose the score Network to see one that learns from points."
UNTRAINED = "Press Train in the bar above to train the network on these data."


def draw(session: Session) -> Figure:
    """Loss against iteration, that of the exact denoiser, and that of Gaussian theory, which is 1."""
    axes = Axis("iteration k", Log()), Axis("loss per mode", Log())
    experiment = session.experiment
    # Data that cannot be read are told before anything else.
    _ = experiment.law
    if not isinstance(experiment.score, Network):
        return Figure("Training loss", *axes, (), note=f"{type(experiment.score).__name__} {NOT_NEEDED}")
    found = loss_of(experiment)
    if found is None or not len(found.curve.loss):
        return Figure("Training loss", *axes, (), note=UNTRAINED)
    iteration = found.curve.iteration.numpy().astype(np.float64)
    marks = [
        Curve("network", iteration, positive(found.curve.loss.numpy()), LOSS),
        Line("Gaussian theory", 1.0, vertical=False),
    ]
    notes = ["The loss is 1 for the denoiser of a Gaussian."]
    if found.floor.value > 0:
        marks.append(Line("exact denoiser", found.floor.value, vertical=False, style=FLOOR))
    if found.excess is not None:
        notes.append(
            f"Above the exact denoiser at the end: {found.excess.value:.2g} ± {found.excess.standard_error:.1g}."
        )
    last, wanted = int(iteration[-1]), experiment.score.iterations
    count = grouped(wanted) if last == wanted else f"{grouped(last)} of {grouped(wanted)}"
    return Figure(f"Training loss, {count} iterations", *axes, tuple(marks), note=" ".join(notes))


LOSS, FLOOR = Style(GENERATED.color, width=1.6), Style(SAMPLER.color, (6.0, 3.0))
PLOT = Plot("loss", "Training loss", "Beyond Gauss", draw)
