"""Marks put on the axes of a sheet."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Matplotlib's own annotations leave the type of its keyword arguments out.

from dataclasses import dataclass, field

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import Colormap, ListedColormap, to_rgb
from matplotlib.lines import Line2D

from explorer.drawing.raster import Raster, painted_clouds
from explorer.drawing.spans import Span
from explorer.marks import (
    DASHES,
    NEUTRAL,
    Band,
    Bars,
    Cloud,
    Colored,
    Curve,
    Floats,
    Gallery,
    Heat,
    Line,
    Mark,
    Pixels,
    Points,
    Segments,
    Shaded,
    Style,
    marked,
)
from explorer.shades import LEVELS, Shades, shades_of
from explorer.tiles import Tiles

MOST_VECTOR_POINTS = 5000
MOST_VECTOR_CELLS = 1000
MOST_VECTOR_PIECES = 3000
CLOUD_DPI = 300
PIECE_WIDTH = 0.5
# Diameters in points: smaller where there are more.
SHADED_SIZES = ((300, 5.0), (1000, 4.0), (2500, 3.4))
SMALLEST_SHADED = 2.8
# The pixels of images are enlarged to squares, which must look alike.
GALLERY_DPI = 600
BELOW = -0.1  # of the axes: beyond the edge, so that the end of what comes from there is not seen
ABOVE = 1.1

# Drawn over the color in white, so that bars differ in black and white print as curves do by dash.
HATCHES = dict(zip(DASHES, ("", "///", "...", "\\\\\\", "---", "xxx"), strict=True))


@dataclass
class Plate:
    """Axes and what is drawn on them; the legend avoids `ink`, points of data, and `rules`, points of lines."""

    axes: Axes
    x: Span
    y: Span
    ink: list[Floats] = field(init=False, default_factory=list[Floats])
    rules: list[Floats] = field(init=False, default_factory=list[Floats])
    # What a color bar can tell of.
    colored: list[tuple[Colored, ScalarMappable]] = field(
        init=False, default_factory=list[tuple[Colored, ScalarMappable]]
    )
    clouds: list[tuple[Floats, Floats, str]] = field(init=False, default_factory=list[tuple[Floats, Floats, str]])

    def draw(self, mark: Mark) -> list[Artist]:
        """The artists of the mark, the one for a legend first."""
        match mark:
            case Curve():
                return self._curve(mark)
            case Points():
                return self._points(mark)
            case Bars():
                return self._bars(mark)
            case Band():
                x, low, high = self.x.place(mark.x), self.y.place_or(mark.low, BELOW), self.y.place(mark.high)
                self._cover(x, low, high)
                where = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
                fill = self.axes.fill_between(x, low, high, where.tolist(), color=mark.style.color, alpha=0.2, lw=0)
                return [fill]
            case Line():
                at = float((self.x if mark.vertical else self.y).place(np.array([mark.at]))[0])
                if not 0 <= at <= 1:
                    return []
                course = np.stack([np.full(100, at), np.linspace(0, 1, 100)])
                self.rules.append(course if mark.vertical else course[::-1])
                draw = self.axes.axvline if mark.vertical else self.axes.axhline
                return [draw(at, color=mark.style.color, lw=_width(mark.style), ls=_dash(mark.style))]
            case Heat():
                return [self._cells(mark)]
            case Cloud():
                return self._cloud(mark)
            case Segments():
                return self._segments(mark)
            case Shaded():
                return self._shaded(mark)
            case Gallery():
                return [self._images(mark)]

    def _curve(self, mark: Curve) -> list[Artist]:
        x, y = self.x.place(mark.x), self.y.place(mark.y)
        self._cover(x, y)
        there = np.isfinite(x) & np.isfinite(y)
        joined = np.concatenate([[False], there[1:] & there[:-1], [False]])
        alone = there & ~joined[1:] & ~joined[:-1]
        marker = mark.style.marker
        # A point without neighbors has no line to it and would be lost.
        some = np.isin(np.arange(x.size), marked(x.size)) if marker else alone
        every = (some | alone).tolist()
        (line,) = self.axes.plot(
            x,
            y,
            color=mark.style.color,
            lw=_width(mark.style),
            ls=_dash(mark.style),
            marker=marker or ("o" if alone.any() else "None"),
            markevery=every,
            ms=4.2,
            mew=0,
        )
        broken = there[:-1] & np.isinf(mark.y[1:])
        if not broken.any():
            return [line]
        # What becomes infinite ends in an open marker, as on the screen.
        (ends,) = self.axes.plot(
            x[:-1][broken], y[:-1][broken], ls="None", marker="o", ms=4.6, mfc="white", mec=mark.style.color, mew=0.9
        )
        return [line, ends]

    def _points(self, mark: Points) -> list[Artist]:
        x, y = self.x.place(mark.x), self.y.place(mark.y)
        self._cover(x, y, joined=False)
        parts: list[Artist] = []
        if mark.error is not None:
            low, high = self.y.place_or(mark.y - mark.error, BELOW), self.y.place_or(mark.y + mark.error, ABOVE)
            _, caps, bars = self.axes.errorbar(
                x, y, np.array([y - low, high - y]), fmt="none", ecolor=mark.style.color, elinewidth=0.9, capsize=2
            )
            parts += [*bars, *caps]
        marker = mark.style.marker or "o"
        (dots,) = self.axes.plot(x, y, ls="None", color=mark.style.color, marker=marker, ms=4.2, mew=0)
        # Vector programs cannot open a figure with a hundred thousand symbols.
        dots.set_rasterized(x.size > MOST_VECTOR_POINTS)
        return [dots, *parts]

    def _bars(self, mark: Bars) -> list[Artist]:
        left, right = self.x.place(mark.x - mark.width / 2), self.x.place(mark.x + mark.width / 2)
        top = mark.base + mark.height
        ends = np.stack(
            [
                self.y.place_or(mark.base, BELOW),
                np.where(top == np.inf, ABOVE, self.y.place_or(top, BELOW)),
            ]
        )
        low, high = ends.min(axis=0), ends.max(axis=0)
        there = np.isfinite(left) & np.isfinite(right) & np.isfinite(low) & np.isfinite(high)
        left, right, low, high = left[there], right[there], low[there], high[there]
        for share in np.linspace(0, 1, 9):
            self._cover(left + share * (right - left), low, high, joined=False)
        return list(
            self.axes.bar(
                left,
                high - low,
                right - left,
                low,
                align="edge",
                color=mark.style.color,
                edgecolor="white",
                linewidth=0.5,
                hatch=HATCHES.get(mark.style.dash, "ooo"),
            )
        )

    def _cells(self, mark: Heat) -> QuadMesh:
        x, y, shades = self.x.place_or(mark.x, BELOW), self.y.place_or(mark.y, BELOW), shades_of(mark)
        levels = shades.levels(mark.values).astype(np.float64)
        few = levels.size <= MOST_VECTOR_CELLS
        mesh = self.axes.pcolormesh(
            x,
            y,
            np.ma.masked_equal(levels, LEVELS),
            cmap=_colors_of(shades, "none"),
            vmin=-0.5,
            vmax=LEVELS - 0.5,
            # Viewers leave hairlines between cells that only touch.
            edgecolors="face" if few else "none",
            linewidth=0.3 if few else 0.0,
            # Above the grid, below the other marks.
            zorder=0.9,
        )
        mesh.set_rasterized(not few)
        self._color(mark, mesh)
        across, up = np.meshgrid(np.linspace(0, 1, 50), np.linspace(0, 1, 50))
        self.ink.append(np.stack([across.ravel(), up.ravel()]))
        return mesh

    def _cloud(self, mark: Cloud) -> list[Artist]:
        x, y, color = self.x.place(mark.x), self.y.place(mark.y), mark.style.color
        self._cover(x, y, joined=False)
        sample = Line2D([], [], ls="None", color=color, marker="o", ms=4.2, mew=0)
        self.clouds.append((x, y, color))
        # All of them are in one picture, since each changes the color of the others.
        picture = [] if len(self.clouds) > 1 else [Raster(self.axes, painted_clouds(self.clouds), CLOUD_DPI, 1.5)]
        return [sample, *picture]

    def _segments(self, mark: Segments) -> list[Artist]:
        x0, x1 = self.x.place(mark.x0), self.x.place(mark.x1)
        y0, y1 = self.y.place(mark.y0), self.y.place(mark.y1)
        seen = np.isfinite(x0 + x1 + y0 + y1) & (mark.strength > 0)
        # The strongest on top.
        order = np.flatnonzero(seen)[np.argsort(mark.strength[seen], kind="stable")]
        x0, x1, y0, y1 = (end[order] for end in (x0, x1, y0, y1))
        for share in np.linspace(0, 1, 5):
            self._cover(x0 + share * (x1 - x0), y0 + share * (y1 - y0), joined=False)
        opacity = np.clip(mark.strength[order], 0.0, 1.0)
        colors = np.column_stack([np.tile(to_rgb(mark.style.color), (order.size, 1)), opacity])
        sample = Line2D([], [], color=mark.style.color, lw=1.2)
        if not order.size:
            return [sample]
        if mark.arrows:
            pieces = self.axes.quiver(
                x0,
                y0,
                x1 - x0,
                y1 - y0,
                color=colors,
                angles="xy",
                scale_units="xy",
                scale=1,
                units="inches",
                width=PIECE_WIDTH / 72,
                headwidth=5,
                headlength=7,
                headaxislength=6,
                # Else the shortest would be dots, which have no direction.
                minlength=0,
                zorder=1.8,
            )
        else:
            ends = np.stack([np.stack([x0, y0], axis=1), np.stack([x1, y1], axis=1)], axis=1)
            pieces = self.axes.add_collection(
                LineCollection(list(ends), colors=colors, linewidths=PIECE_WIDTH, zorder=1.8), autolim=False
            )
        pieces.set_rasterized(order.size > MOST_VECTOR_PIECES)
        return [sample, pieces]

    def _shaded(self, mark: Shaded) -> list[Artist]:
        shades = shades_of(mark)
        order = shades.rising(mark.values)
        x, y, levels = self.x.place(mark.x)[order], self.y.place(mark.y)[order], shades.levels(mark.values)[order]
        self._cover(x, y, joined=False)
        diameter = next((size for most, size in SHADED_SIZES if x.size <= most), SMALLEST_SHADED)
        marker, edge = mark.style.marker or "o", mark.style.color
        dots = self.axes.scatter(
            x,
            y,
            diameter**2,
            np.where(levels == LEVELS, np.nan, levels),
            marker=marker,
            cmap=_colors_of(shades, NEUTRAL),
            vmin=-0.5,
            vmax=LEVELS - 0.5,
            plotnonfinite=True,
            edgecolors=edge,
            linewidths=0.5,
            zorder=2.1,
        )
        dots.set_rasterized(x.size > MOST_VECTOR_PIECES)
        self._color(mark, dots)
        return [Line2D([], [], ls="None", color=edge, marker=marker, ms=4.2, mew=0), dots]

    def _color(self, mark: Colored, artist: ScalarMappable) -> None:
        if not np.all(np.isnan(mark.values)):
            self.colored.append((mark, artist))

    def _images(self, mark: Gallery) -> Raster:
        tiles, left, top = (
            Tiles(mark),
            float(self.x.place(np.array([mark.left]))[0]),
            float(self.y.place(np.zeros(1))[0]),
        )

        def paint(width: int, height: int, per_point: float) -> Pixels:
            unit = width / (self.x.high - self.x.low)
            return tiles.pixels(left * width, (1 - top) * height, unit, width, height)

        return Raster(self.axes, paint, GALLERY_DPI, 0.8)

    def _cover(self, x: Floats, *levels: Floats, joined: bool = True) -> None:
        """Remember what lies along these curves, or between the two of them."""
        for share in np.linspace(0, 1, 30) if len(levels) == 2 else (0.0,):
            y = levels[0] + share * (levels[-1] - levels[0])
            if joined and x.size:
                fine, whole = np.linspace(0, x.size - 1, max(600, x.size)), np.arange(x.size)
                self.ink.append(np.stack([np.interp(fine, whole, x), np.interp(fine, whole, y)]))
            else:
                self.ink.append(np.stack([x, y]))


def _colors_of(shades: Shades, empty: str) -> Colormap:
    """Colors by their numbers, and one for nan."""
    return ListedColormap(shades.ramp(dark=False) / 255).with_extremes(bad=empty)


def _width(style: Style) -> float:
    return 1.2 * style.width


def _dash(style: Style) -> str | tuple[float, tuple[float, ...]]:
    return (0.0, style.dash) if style.dash else "-"
