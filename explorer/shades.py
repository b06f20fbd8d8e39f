"""Which color a value has in cells and points, the same on the screen and on paper. No Qt here."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.marks import Colored, Floats
from explorer.ranges import LARGEST, Span, extent, padded
from explorer.scales import Scale, Symlog

Colors = NDArray[np.uint8]

# An odd number, so that the one in the middle is zero.
LEVELS = 255
# Through Okabe and Ito's blue and vermillion, darker or lighter beyond them: away from the background is away from
# zero, and both sides are as far from it in brightness.
_SIGNED = {
    False: ("#00304F", "#0072B2", "#9CC7E2", "#F7F7F7", "#F5BD98", "#D55E00", "#5E2600"),
    True: ("#BFE3F8", "#3C9BD6", "#1F567A", "#2B2F35", "#803A06", "#EE7E2B", "#FFD9BC"),
}
_RISING = {
    False: ("#E4F0F8", "#9CC7E2", "#4C9CCB", "#0072B2", "#00304F"),
    True: ("#20303C", "#1F567A", "#2F83BA", "#69B4E4", "#D5EDFB"),
}


@dataclass(frozen=True)
class Shades:
    """The drawn coordinates between the first color and the last."""

    scale: Scale
    span: Span

    def places(self, values: Floats) -> Floats:
        """From 0 for the first color to 1 for the last one, which infinities have too; nan stays nan."""
        low, high = self.span
        drawn = self.scale.forward(np.clip(values, -LARGEST, LARGEST))
        # What a logarithm has no place for is less than all that it has.
        drawn = np.where(np.isnan(drawn) & ~np.isnan(values), low, drawn)
        return np.clip((drawn - low) / (high - low), 0.0, 1.0)

    def levels(self, values: Floats) -> NDArray[np.intp]:
        """Numbers of the colors on the ramp; `LEVELS`, which is none of them, for nan."""
        places = self.places(values)
        return np.where(np.isnan(places), LEVELS, np.rint(np.nan_to_num(places) * (LEVELS - 1))).astype(np.intp)

    def rising(self, values: Floats) -> NDArray[np.intp]:
        """Positions of the values from the faintest color to the strongest, those of nan first."""
        levels = self.levels(values)
        strength = np.abs(levels - LEVELS // 2) if isinstance(self.scale, Symlog) else levels
        return np.argsort(np.where(levels == LEVELS, -1, strength), kind="stable")

    def ramp(self, *, dark: bool) -> Colors:
        """All colors as red, green and blue: two hues away from a neutral zero, or one that grows stronger."""
        anchors = (_SIGNED if isinstance(self.scale, Symlog) else _RISING)[dark]
        known = np.array([tuple(bytes.fromhex(anchor[1:])) for anchor in anchors], dtype=float)
        at, places = np.linspace(0, len(known) - 1, LEVELS), np.arange(len(known))
        return np.stack([np.interp(at, places, part) for part in known.T], axis=1).round().astype(np.uint8)

    def text(self, value: float) -> str:
        """The value in digits, with its sign where there are two."""
        return "empty" if np.isnan(value) else f"{value:{'+' if isinstance(self.scale, Symlog) else ''}.4g}"


def shades_of(mark: Colored) -> Shades:
    """Colors from the smallest finite value to the largest; on both sides of zero alike where values are signed."""
    scale = mark.scale
    found = extent(mark.values[np.isfinite(mark.values)], scale)
    if isinstance(scale, Symlog):
        most = max(map(abs, found)) if found else 0.0
        most = most or float(scale.forward(np.array([scale.threshold]))[0])
        # A little wider, so that rounding leaves ticks at both ends.
        return Shades(scale, (-most * (1 + 1e-12), most * (1 + 1e-12)))
    if found is None:
        return Shades(scale, (0.0, 1.0))
    return Shades(scale, found if found[0] < found[1] else padded(found, scale))
