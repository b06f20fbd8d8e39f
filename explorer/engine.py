"""Everything of the window that needs torch, imported in one go on the loader's thread."""

import torch

from explorer import copying, coupled, export, panels, recovery, reporting, session
from explorer.commands import Commands
from explorer.form import Form
from explorer.plots import PLOTS
from explorer.tabs import Tabs
from kernels import compiling, experiment, optimize, report, sensitivity
from kernels.analyses import ablation, clouds, trainings

# The exact recursions are many small operations: two threads were measured slower than one.
torch.set_num_threads(1)

__all__ = [
    "PLOTS",
    "Commands",
    "Form",
    "Tabs",
    "ablation",
    "clouds",
    "compiling",
    "copying",
    "coupled",
    "experiment",
    "export",
    "optimize",
    "panels",
    "recovery",
    "report",
    "reporting",
    "sensitivity",
    "session",
    "trainings",
]
