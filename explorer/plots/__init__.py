"""The plots; a new one is a file and a line here."""

from explorer.plots import (
    along_time,
    budget,
    by_mode,
    by_source,
    convergence,
    langevin,
    learning,
    pairs,
    paths,
    process,
    steps,
    stochasticity,
    swept,
    theory,
    training,
)
from explorer.plots.base import Plot

PLOTS = (
    convergence.PLOT,
    along_time.PLOT,
    by_mode.ERRORS,
    by_source.PLOT,
    budget.HEAT,
    budget.BESIDE,
    steps.PLOT,
    theory.PLOT,
    by_mode.SPECTRUM,
    by_mode.SHARES,
    paths.PLOT,
    process.PROCESS,
    process.GRID,
    process.SNR,
    swept.PLOT,
    stochasticity.PLOT,
    learning.PLOT,
    training.PLOT,
    pairs.SAMPLES,
    pairs.GRADIENTS,
    langevin.STEPS,
    langevin.CONDITION,
)

__all__ = ["PLOTS", "Plot"]
