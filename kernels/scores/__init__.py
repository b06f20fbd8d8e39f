"""How the score is obtained; a new model is a file and a line here."""

from kernels.scores.base import Noised, Score, ScoreModel
from kernels.scores.dps import DPS, GuidedScore
from kernels.scores.exact import Exact, ExactScore
from kernels.scores.learned import Empirical, FilteredScore, GradientDescent, Learned, StochasticGradient

SCORE_MODELS = (Exact, DPS, Empirical, GradientDescent, StochasticGradient)

__all__ = [
    "DPS",
    "SCORE_MODELS",
    "Empirical",
    "Exact",
    "ExactScore",
    "FilteredScore",
    "GradientDescent",
    "GuidedScore",
    "Learned",
    "Noised",
    "Score",
    "ScoreModel",
    "StochasticGradient",
]
