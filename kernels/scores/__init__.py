"""How the score is obtained; a new model is a file and a line here."""

from kernels.scores.base import AffineScore, Noised, Score, ScoreModel
from kernels.scores.clouds import CloudScore
from kernels.scores.dps import DPS, GuidedScore
from kernels.scores.exact import Exact, ExactScore
from kernels.scores.learned import Empirical, FilteredScore, GradientDescent, Learned, StochasticGradient
from kernels.scores.network import Network, Trained, TrainingProgress, train

SCORE_MODELS = (Exact, DPS, Empirical, GradientDescent, StochasticGradient, Network)

__all__ = [
    "DPS",
    "SCORE_MODELS",
    "AffineScore",
    "CloudScore",
    "Empirical",
    "Exact",
    "ExactScore",
    "FilteredScore",
    "GradientDescent",
    "GuidedScore",
    "Learned",
    "Network",
    "Noised",
    "Score",
    "ScoreModel",
    "StochasticGradient",
    "Trained",
    "TrainingProgress",
    "train",
]
