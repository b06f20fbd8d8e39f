"""Time grids; a new one is a class and a line here."""

from kernels.grids.base import Adapted, GridMap, Placed, Setting, Spaced, TimeGrid, placed
from kernels.grids.listed import AlignYourSteps, Tabulated
from kernels.grids.optimal import Optimal
from kernels.grids.spaced import Karras, LogUniform, Power, Shifted, Tangent, Uniform

TIME_GRIDS = (Uniform, LogUniform, Karras, Tangent, Shifted, Power, AlignYourSteps, Optimal, Tabulated)

__all__ = [
    "TIME_GRIDS",
    "Adapted",
    "AlignYourSteps",
    "GridMap",
    "Karras",
    "LogUniform",
    "Optimal",
    "Placed",
    "Power",
    "Setting",
    "Shifted",
    "Spaced",
    "Tabulated",
    "Tangent",
    "TimeGrid",
    "Uniform",
    "placed",
]
