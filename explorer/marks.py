"""What a plot is, before anything draws it: axes and marks, plain values over numpy arrays.

The canvas draws a `Figure` on the screen, the export writes it as CSV, SVG, PDF or PNG. Neither Qt
nor a plotting library is imported here.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from explorer.scales import Floats, Linear, Log, Scale, Symlog

# Okabe and Ito's eight colors, told apart by most color-blind readers; yellow is too faint on white and left out.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (4, 2, 1, 2, 1, 2))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
NEUTRAL = "#808080"
MOST_MARKED = 24
# Between the images of a gallery, and between galleries, in widths of an image and of a gallery.
GAP = 0.06
ASIDE = 0.06

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Style:
    """How a mark is told from others: never by color alone. An empty `marker` draws none."""

    color: str = NEUTRAL
    dash: tuple[float, ...] = ()
    marker: str = ""
    width: float = 1.0


# What others are compared with: a cloud of data beneath what was generated, and its images.
GROUND = Style("#909090")


def identity(position: int) -> Style:
    """The fixed look of the compared item at this position: color, dash and marker differ together."""
    return Style(
        COLORS[position % len(COLORS)],
        DASHES[position % len(DASHES)],
        MARKERS[position % len(MARKERS)],
    )


def marked(count: int) -> NDArray[np.intp]:
    """Which points of a curve carry a marker: all of a few, some of many, so that the line stays seen."""
    if count <= MOST_MARKED:
        return np.arange(count)
    return np.linspace(0, count - 1, MOST_MARKED // 2).round().astype(np.intp)


@dataclass(frozen=True)
class Axis:
    """Label with unit, and the scale."""

    label: str
    scale: Scale = field(default_factory=Linear)


@dataclass(frozen=True, eq=False)
class Curve:
    """Points joined by a line; nan breaks it, infinities are left out and told in the figure's note."""

    label: str
    x: Floats
    y: Floats
    style: Style = Style()


@dataclass(frozen=True, eq=False)
class Points:
    """Unjoined points, with an error bar each where `error` is given.

    A person may move `draggable` ones up and down on the screen; of several such marks in a figure, the first.
    """

    label: str
    x: Floats
    y: Floats
    style: Style = Style(marker="o")
    error: Floats | None = None
    draggable: bool = False


@dataclass(frozen=True, eq=False)
class Cloud:
    """Very many points, drawn as their density; of several, the first lies beneath, and where they overlap is seen."""

    label: str
    x: Floats
    y: Floats
    style: Style = Style()


@dataclass(frozen=True, eq=False)
class Segments:
    """Many straight pieces, each from its own start to its own end, beneath points and above clouds.

    A piece is as opaque as it is strong; the strongest lie on top. One with an end that is not finite is left out.
    With `arrows` each has a head at its end, smaller where the piece is short.
    """

    label: str
    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    strength: Floats  # from 0, which is not seen, to 1
    style: Style = Style()
    arrows: bool = False

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which pieces have two finite ends."""
        return np.isfinite(self.x0) & np.isfinite(self.y0) & np.isfinite(self.x1) & np.isfinite(self.y1)


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars from `base` to `base + height`, centered at x."""

    label: str
    x: Floats
    height: Floats
    base: Floats
    width: float = 0.7
    style: Style = Style()


@dataclass(frozen=True, eq=False)
class Band:
    """The region between two curves over the same x."""

    label: str
    x: Floats
    low: Floats
    high: Floats
    style: Style = Style()


@dataclass(frozen=True, eq=False)
class Line:
    """A reference line across the whole plot, at an x or at a y."""

    label: str
    at: float
    vertical: bool
    style: Style = Style(dash=(4, 4))


@dataclass(frozen=True, eq=False)
class Heat:
    """Cells colored by a value: rows along y, columns along x; nan is left empty.

    On a `Symlog` scale the value is signed: zero is neutral, and the range of colors symmetric about it.
    """

    label: str  # what the color means, with its unit: the title of the color bar
    x: Floats  # edges of the columns, one more than columns, increasing
    y: Floats  # edges of the rows
    values: Floats  # (rows, columns)
    scale: Scale  # of the color

    @property
    def meaning(self) -> str:
        """What the color means: a heat map has no other label."""
        return self.label

    @property
    def centers(self) -> tuple[Floats, Floats]:
        """Middles of the columns and of the rows, in data: whole numbers between halves, whatever the axes."""
        return (self.x[:-1] + self.x[1:]) / 2, (self.y[:-1] + self.y[1:]) / 2


@dataclass(frozen=True, eq=False)
class Shaded:
    """Points colored by a value as the cells of a heat map are; gray where it is nan.

    The strongest colors lie on top. The color of the style is that of the outlines. The colors span the values of this
    mark alone: points that are to be compared by color belong into one.
    """

    label: str
    x: Floats
    y: Floats
    values: Floats
    scale: Scale  # of the color
    meaning: str  # of the color, with its unit: the title of the color bar
    style: Style = Style(marker="o")


@dataclass(frozen=True, eq=False)
class Gallery:
    """Small images in rows, from left to right, under their label in the color of the style.

    An image is one unit wide; the first one's upper left corner is at x = `left` and y = 0. See `side_by_side`.

    Raises `ValueError` where the pixels are not bytes, rows and columns of red, green and blue for each image.
    """

    label: str
    images: Pixels  # (count, height, width, 3)
    columns: int
    style: Style = Style()
    left: float = 0.0

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape[1:3]:
            raise ValueError(
                "Images of a gallery must be bytes of shape (count, height, width, 3), got "
                f"{self.images.dtype} of shape {shape}; convert them first."
            )
        if self.columns < 1:
            raise ValueError(f"A gallery must have at least 1 column, got {self.columns}; choose more.")

    @property
    def counts(self) -> tuple[int, int]:
        """How many images are in a row, and how many rows there are."""
        return min(self.columns, len(self.images)), -(-len(self.images) // self.columns)

    @property
    def aspect(self) -> float:
        """Height of an image over its width."""
        return self.images.shape[1] / self.images.shape[2]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of all images together, in widths of one."""
        across, down = self.counts
        return max(across * (1 + GAP) - GAP, 0.0), max(down * (self.aspect + GAP) - GAP, 0.0)


def side_by_side(galleries: tuple[Gallery, ...]) -> tuple[Gallery, ...]:
    """The galleries from left to right, apart from each other."""
    aside = ASIDE * max((gallery.size[0] for gallery in galleries), default=0.0)
    lefts = np.cumsum([0.0, *(gallery.size[0] + aside for gallery in galleries)]).tolist()
    return tuple(replace(gallery, left=left) for gallery, left in zip(galleries, lefts[:-1], strict=True))


# What a color bar tells of: both have `values`, their `scale` and their `meaning`.
Colored = Heat | Shaded
Mark = Curve | Points | Cloud | Segments | Bars | Band | Line | Heat | Shaded | Gallery


@dataclass(frozen=True, eq=False)
class Figure:
    """One plot: title, axes, marks; `categories` names the whole numbers of x where x is no quantity.

    `note` belongs to what is drawn, wherever it goes; `hint` says what a hand can do with it on the screen. With
    `equal` a unit is as long along x as along y. A `bare` figure has no axes: images, which tell all by themselves.

    Raises `ValueError` for equal units on axes that are not linear, and for images beside axes or not in equal units.
    """

    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    categories: tuple[str, ...] = ()
    note: str = ""
    hint: str = ""
    equal: bool = False
    bare: bool = False

    def __post_init__(self) -> None:
        for name, axis in (("x", self.x), ("y", self.y)):
            if self.equal and not isinstance(axis.scale, Linear):
                raise ValueError(
                    f"Equal units need linear axes, got a {axis.scale.name} one along {name}; make it linear, or let "
                    "the units differ."
                )
        if any(isinstance(mark, Gallery) for mark in self.marks) and not (self.equal and self.bare):
            raise ValueError(
                f"A gallery needs a figure with equal units and without axes, got equal={self.equal} and "
                f"bare={self.bare}; set both to True."
            )


def values_along(marks: tuple[Mark, ...], axis: str) -> Floats:
    """All finite data values along "x" or "y", for choosing ranges; reference lines do not count."""
    parts: list[Floats] = []
    for mark in marks:
        match mark:
            case Line():
                continue
            case Bars():
                half = mark.width / 2
                parts += [mark.x - half, mark.x + half] if axis == "x" else [mark.base, mark.base + mark.height]
            case Band():
                parts += [mark.x] if axis == "x" else [mark.low, mark.high]
            case Heat():
                # Where all cells are empty, nothing is seen.
                shown = not np.all(np.isnan(mark.values))
                parts.append((mark.x if axis == "x" else mark.y)[: None if shown else 0])
            case Points(error=error) if error is not None and axis == "y":
                parts += [mark.y - error, mark.y + error]
            case Curve() | Points() | Cloud() | Shaded():
                parts.append(mark.x if axis == "x" else mark.y)
            case Segments():
                ends = (mark.x0, mark.x1) if axis == "x" else (mark.y0, mark.y1)
                parts += [end[mark.there] for end in ends]
            case Gallery():
                width, height = mark.size
                ends = np.array([mark.left, mark.left + width] if axis == "x" else [-height, 0.0])
                parts.append(ends[: None if len(mark.images) else 0])
    joined = np.concatenate([np.ravel(part) for part in parts]) if parts else np.array([])
    return joined[np.isfinite(joined)]


__all__ = [
    "COLORS",
    "DASHES",
    "GAP",
    "GROUND",
    "MARKERS",
    "NEUTRAL",
    "Axis",
    "Band",
    "Bars",
    "Cloud",
    "Colored",
    "Curve",
    "Figure",
    "Floats",
    "Gallery",
    "Heat",
    "Line",
    "Linear",
    "Log",
    "Mark",
    "Pixels",
    "Points",
    "Scale",
    "Segments",
    "Shaded",
    "Style",
    "Symlog",
    "identity",
    "marked",
    "side_by_side",
    "values_along",
]
