"""A denoiser that a small neural network learns from points."""

from kernels.scores.network.model import Estimate, LossCurve, Network, Trained
from kernels.scores.network.storage import from_bytes, to_bytes
from kernels.scores.network.training import TrainingProgress, train

__all__ = ["Estimate", "LossCurve", "Network", "Trained", "TrainingProgress", "from_bytes", "to_bytes", "train"]
