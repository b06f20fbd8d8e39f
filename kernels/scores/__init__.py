"""How the score is obtained; a new model is a file and a line here."""

from kernels.scores.base import Noised, Score, ScoreModel
from kernels.scores.dps import DPS, GuidedScore
from kernels.scores.exact import Exact, ExactScore

SCORE_MODELS = (Exact, DPS)

__all__ = ["DPS", "SCORE_MODELS", "Exact", "ExactScore", "GuidedScore", "Noised", "Score", "ScoreModel"]
