"""The panels beside the plots: what is compared, what is pinned, the ablation table, the search, the swept number,
the training, the particles, the transport between clouds, the log.

`set_value(session)` shows a session and emits nothing; a signal means that a person did something.
"""

from explorer.panels.ablation import AblationPanel
from explorer.panels.axes import AxesBar
from explorer.panels.cloud_bar import CloudBar
from explorer.panels.compare import ComparePanel
from explorer.panels.improve import ImprovePanel
from explorer.panels.log import LogHandler, LogPanel
from explorer.panels.modes_bar import ModesBar
from explorer.panels.pins import PinsPanel
from explorer.panels.sweep_bar import SweepBar
from explorer.panels.training_bar import TrainingBar
from explorer.panels.transport import TransportPanel
from explorer.panels.work_bar import BeyondBar

__all__ = [
    "AblationPanel",
    "AxesBar",
    "BeyondBar",
    "CloudBar",
    "ComparePanel",
    "ImprovePanel",
    "LogHandler",
    "LogPanel",
    "ModesBar",
    "PinsPanel",
    "SweepBar",
    "TrainingBar",
    "TransportPanel",
]
