"""The plots; a new one is a file and a line here."""

from explorer.plots import along_time, by_mode, by_source, convergence, paths, process, swept
from explorer.plots.base import Plot

PLOTS = (
    convergence.PLOT,
    along_time.PLOT,
    by_mode.ERRORS,
    by_source.PLOT,
    by_mode.SPECTRUM,
    by_mode.SHARES,
    paths.PLOT,
    process.PROCESS,
    process.GRID,
    process.SNR,
    swept.PLOT,
)

__all__ = ["PLOTS", "Plot"]
