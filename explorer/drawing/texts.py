"""Texts that fit: folded, cut, left out where they would touch."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Matplotlib's own annotations leave the type of its keyword arguments out.

import textwrap
from collections.abc import Sequence

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from matplotlib.transforms import Bbox

LONGEST_NAME = 28


def crowded(names: Sequence[Text]) -> list[Text]:
    """Those to leave out so that the others do not touch; zero stays."""
    out: list[Text] = []
    kept: list[Bbox] = []
    for name in sorted((name for name in names if name.get_visible()), key=lambda name: name.get_text() != "0"):
        box = name.get_window_extent()
        if any(box.overlaps(other) for other in kept):
            out.append(name)
        else:
            kept.append(box.padded(1.5))
    return out


def short(text: str) -> str:
    """Cut where it is too long for a name."""
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def folded(text: str, inches: float, size: float) -> str:
    """In lines of this width, at a font size in points."""
    letters = max(12, int(inches * 72 / (0.56 * size)))
    return "\n".join(
        part for line in text.splitlines() for part in textwrap.wrap(printable(line), letters, max_lines=4)
    )


def printable(text: str) -> str:
    """One line, with a box for each character the font lacks: matplotlib would warn and draw one anyway."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(letter if ord(letter) in known else "□" for letter in " ".join(text.split()))
