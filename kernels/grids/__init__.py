"""Time grids; a new one is a class and a line here."""

from kernels.grids.base import Spaced, TimeGrid
from kernels.grids.listed import AlignYourSteps, Tabulated
from kernels.grids.spaced import Karras, LogUniform, Power, Shifted, Tangent, Uniform

TIME_GRIDS = (Uniform, LogUniform, Karras, Tangent, Shifted, Power, AlignYourSteps, Tabulated)

__all__ = [
    "TIME_GRIDS",
    "AlignYourSteps",
    "Karras",
    "LogUniform",
    "Power",
    "Shifted",
    "Spaced",
    "Tabulated",
    "Tangent",
    "TimeGrid",
    "Uniform",
]
