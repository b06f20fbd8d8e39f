"""Which part of an axis is seen: fitted to data, kept steady while they move, and never degenerate.

A span is two drawn coordinates, lower first. No Qt here.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from explorer.marks import Floats, Gallery, Heat, Mark
from explorer.scales import Log, Scale

Span = tuple[float, float]

MARGIN = 0.04
MOST_DECADES = 16
LEAST_USE = 0.55
LARGEST = 1e300
# Finer than this, two ticks would differ beyond the digits of their labels.
FINEST = 1e-9


@dataclass(frozen=True)
class Frame:
    """The spans that are seen, and the pixels of the area they fill."""

    x: Span
    y: Span
    width: float
    height: float

    def across(self, drawn: Floats) -> Floats:
        """Pixels from the left edge; far away values are held where the painter can still count."""
        with np.errstate(over="ignore"):
            return np.clip((drawn - self.x[0]) * (self.width / (self.x[1] - self.x[0])), -1e6, 1e6)

    def down(self, drawn: Floats) -> Floats:
        """Pixels from the upper edge."""
        with np.errstate(over="ignore"):
            return np.clip((self.y[1] - drawn) * (self.height / (self.y[1] - self.y[0])), -1e6, 1e6)

    def x_at(self, pixel: float) -> float:
        """Drawn coordinate at this many pixels from the left edge."""
        return self.x[0] + pixel * (self.x[1] - self.x[0]) / max(self.width, 1.0)

    def y_at(self, pixel: float) -> float:
        """Drawn coordinate at this many pixels from the upper edge."""
        return self.y[1] - pixel * (self.y[1] - self.y[0]) / max(self.height, 1.0)


UNIT = Frame((0.0, 1.0), (0.0, 1.0), 1.0, 1.0)


def extent(values: Floats, scale: Scale) -> Span | None:
    """Smallest and largest drawn coordinate of the values, or None where the scale has no place for any of them."""
    drawn = scale.forward(np.clip(values, -LARGEST, LARGEST))
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return None
    low, high = float(drawn.min()), float(drawn.max())
    if isinstance(scale, Log) and high - low > MOST_DECADES:
        low = high - MOST_DECADES
    return low, high


def margin_of(marks: tuple[Mark, ...]) -> float:
    """Share of the axis to leave empty at its ends: none around cells and images, which fill the plot."""
    return 0.0 if any(isinstance(mark, Heat | Gallery) for mark in marks) else MARGIN


def padded(span: Span, scale: Scale, margin: float = MARGIN) -> Span:
    """The span with a margin, opened where it is a single value."""
    low, high = span
    width = high - low
    if width <= FINEST * max(abs(low), abs(high)) or width == 0:
        half = (0.05 * max(abs(low), abs(high)) or 0.5) if scale.name == "linear" else 0.5
        return limited((low - half, high + half), scale)
    return limited((low - margin * width, high + margin * width), scale)


def steady(seen: Span, data: Span, scale: Scale, margin: float = MARGIN) -> Span:
    """Follow data that move, without jitter: grow as soon as they leave, shrink only when most would stay empty.

    Without a margin there is none to move in, and what is seen is what there is.
    """
    fit = padded(data, scale, margin)
    if not margin:
        return fit
    low = fit[0] if data[0] < seen[0] else seen[0]
    high = fit[1] if data[1] > seen[1] else seen[1]
    return fit if data[1] - data[0] < LEAST_USE * (high - low) and fit[1] - fit[0] < high - low else (low, high)


def squared(x: Span, y: Span, shape: float) -> tuple[Span, Span]:
    """One of them opened about its middle, so that a unit is as long along both on an area `shape` times as high."""
    wide, high = x[1] - x[0], y[1] - y[0]
    return _opened(x, max(wide, high / shape)), _opened(y, max(high, wide * shape))


def _opened(span: Span, width: float) -> Span:
    more = (width - (span[1] - span[0])) / 2
    return (span[0] - more, span[1] + more) if more > 0 else span


def limited(span: Span, scale: Scale) -> Span:
    """The span within what numbers can hold, and not finer than labels can tell."""
    limits = scale.forward(np.array([1e-307, LARGEST] if isinstance(scale, Log) else [-LARGEST, LARGEST]))
    low, high = (float(min(max(end, limits[0]), limits[1])) for end in span)
    least = max(FINEST * max(abs(low), abs(high)), 1e-290)
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    return low, high


def carried(span: Span, old: Scale, new: Scale) -> Span | None:
    """The same data seen through another scale, or None where it has no place for them."""
    ends = new.forward(old.inverse(np.array(span)))
    return cast(Span, tuple(ends.tolist())) if bool(np.all(np.isfinite(ends))) and ends[0] < ends[1] else None
