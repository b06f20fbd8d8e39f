"""How the score is obtained; a new model is a file and a line here."""

from kernels.scores.exact import Exact, Score, ScoreModel

SCORE_MODELS = (Exact,)

__all__ = ["SCORE_MODELS", "Exact", "Score", "ScoreModel"]
