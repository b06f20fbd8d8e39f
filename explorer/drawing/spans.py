"""Data as fractions of an axis."""

from dataclasses import dataclass

import numpy as np

from explorer.marks import Floats
from explorer.ranges import MARGIN, extent, padded
from explorer.scales import Scale

FARTHEST = 1e4  # times the size of the axes


@dataclass(frozen=True)
class Span:
    """The part of an axis that is shown, in drawn coordinates."""

    scale: Scale
    low: float
    high: float

    def place(self, values: Floats) -> Floats:
        """Fraction of the axis, 0 at its beginning; nan for what has no place."""
        with np.errstate(all="ignore"):
            fraction = (self.scale.forward(values) - self.low) / (self.high - self.low)
        return np.where(np.isfinite(fraction), np.clip(fraction, -FARTHEST, FARTHEST), np.nan)

    def place_or(self, values: Floats, edge: float) -> Floats:
        """As `place`, for the end of something: `edge` for values without a place on the scale; nan stays nan."""
        places = self.place(values)
        return np.where(np.isnan(places) & ~np.isnan(values), edge, places)

    def ticks(self, most: int) -> tuple[list[float], list[float]]:
        """Labeled and unlabeled tick values inside the span."""
        low, high = self.scale.inverse(np.array([self.low, self.high])).tolist()
        return self.scale.ticks(low, high, most)


def span(scale: Scale, values: Floats, margin: float = MARGIN) -> Span:
    """Where the values lie on this scale: the range that the screen would fit."""
    # Unstable schemes reach the largest floats, beyond which neither margins nor ticks can be computed.
    with np.errstate(all="ignore"):
        found = extent(values, scale)
        return Span(scale, *(padded(found, scale, margin) if found else (0.0, 1.0)))
