"""A figure on paper, drawn by matplotlib; imported only when something is exported.

Data are mapped by the same `Scale` as on the screen and placed as fractions of the axes, so matplotlib's own
scales, limits and autoscaling never take part.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Matplotlib's own annotations leave the type of its keyword arguments out.

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from explorer.marks import DASHES, Band, Bars, Curve, Figure, Floats, Line, Mark, Points, Style, marked, values_along
from explorer.ranges import extent, padded
from explorer.scales import Scale

MOST_ENTRIES_INSIDE = 6
MOST_VECTOR_POINTS = 5000
LONGEST_NAME = 28
SLANTED_ROOM = 0.3  # inches per category, below which slanted names would touch
FARTHEST = 1e4  # times the size of the axes
WIDEST_LEGEND = 0.38
HIGHEST_LABEL = 40  # points above the axes, for names of reference lines
BELOW = -0.1  # of the axes: beyond the edge, so that the end of what comes from there is not seen
ABOVE = 1.1

# Drawn over the color in white, so that bars differ in black and white print as curves do by dash.
HATCHES = dict(zip(DASHES, ("", "///", "...", "\\\\\\", "---", "xxx"), strict=True))

Corner = Literal["upper right", "upper left", "lower left", "lower right"]

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "text.hinting": "none",
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#333333",
    "axes.axisbelow": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.6,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.size": 1.8,
    "ytick.minor.size": 1.8,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.fontsize": 8,
    "legend.handlelength": 3.4,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.borderpad": 0.3,
    "legend.labelspacing": 0.35,
    "hatch.linewidth": 0.7,
    "lines.scale_dashes": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "wasserscope",
    "pdf.fonttype": 42,
    "savefig.facecolor": "white",
}


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


def span(scale: Scale, values: Floats) -> Span:
    """Where the values lie on this scale: the range that the screen would fit."""
    # Unstable schemes reach the largest floats, beyond which neither margins nor ticks can be computed.
    with np.errstate(all="ignore"):
        found = extent(values, scale)
        return Span(scale, *(padded(found, scale) if found else (0.0, 1.0)))


def render(
    figure: Figure,
    file_format: str,
    file_metadata: Mapping[str, str | None],
    size_inches: tuple[float, float],
    dpi: int,
    hidden: frozenset[str],
) -> bytes:
    """The figure without the hidden marks, as the bytes of a file that matplotlib can write."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        shown = replace(figure, marks=tuple(mark for mark in figure.marks if mark.label not in hidden))
        sheet = _Drawing(shown, size_inches).finish()
        stream = io.BytesIO()
        sheet.savefig(stream, format=file_format, metadata=dict(file_metadata), dpi=dpi)
        return stream.getvalue()


@dataclass
class _Drawing:
    """One figure while it is drawn; the legend avoids `ink`, points of data, and `rules`, points of reference lines."""

    figure: Figure
    size: tuple[float, float]
    sheet: Sheet = field(init=False)
    axes: Axes = field(init=False)
    x: Span = field(init=False)
    y: Span = field(init=False)
    handles: dict[str, list[Artist]] = field(init=False, default_factory=dict[str, list[Artist]])
    ink: list[Floats] = field(init=False, default_factory=list[Floats])
    rules: list[Floats] = field(init=False, default_factory=list[Floats])

    def __post_init__(self) -> None:
        margins = ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07)
        self.sheet = Sheet(figsize=self.size, layout=margins, facecolor="white")
        FigureCanvasAgg(self.sheet)
        self.axes = self.sheet.add_subplot(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
        self.axes.patch.set_gid("plot-area")
        names = len(self.figure.categories)
        x = np.array([-0.4, names - 0.6]) if names else values_along(self.figure.marks, "x")
        self.x = span(self.figure.x.scale, x)
        self.y = span(self.figure.y.scale, values_along(self.figure.marks, "y"))

    def finish(self) -> Sheet:
        for number, mark in enumerate(self.figure.marks):
            artists = self._mark(mark)
            for part, artist in enumerate(artists):
                artist.set_gid(f"{type(mark).__name__.lower()}-{number}" + (f"-{part}" if part else ""))
            if artists and mark.label and not isinstance(mark, Line):
                self.handles.setdefault(mark.label, []).append(artists[0])
        self._axis_labels()
        self._ticks()
        self._uncrowd_names()
        height = self._line_labels()
        if self.handles:
            self._legend()
            # A legend beside the axes has made them narrower.
            self._uncrowd_names()
        self._title_and_note(height)
        return self.sheet

    def _mark(self, mark: Mark) -> list[Artist]:
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

    def _cover(self, x: Floats, *levels: Floats, joined: bool = True) -> None:
        """Remember what lies along these curves, or between the two of them."""
        for share in np.linspace(0, 1, 30) if len(levels) == 2 else (0.0,):
            y = levels[0] + share * (levels[-1] - levels[0])
            if joined and x.size:
                fine, whole = np.linspace(0, x.size - 1, max(600, x.size)), np.arange(x.size)
                self.ink.append(np.stack([np.interp(fine, whole, x), np.interp(fine, whole, y)]))
            else:
                self.ink.append(np.stack([x, y]))

    def _axis_labels(self) -> None:
        width, height = self.size
        self.axes.set_xlabel(_folded(self.figure.x.label, 0.85 * width, 9))
        self.axes.set_ylabel(_folded(self.figure.y.label, 0.75 * height, 9))

    def _title_and_note(self, height: float) -> None:
        """The title stands `height` points above the axes; both are as wide as the axes."""
        width = self.axes.get_window_extent().width / self.sheet.dpi
        self.axes.set_title(_folded(self.figure.title, width, 10), fontsize=10, pad=height + 6)
        if self.figure.note:
            self.axes.annotate(
                _folded(self.figure.note, width, 7),
                (0.5, 0),
                (0, -4),
                xycoords=self.axes.xaxis.label,
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
                color="#555555",
                annotation_clip=False,
            )

    def _ticks(self) -> None:
        width, height = self.size
        self._numbers(self.axes.yaxis, self.y, max(3, round(1.5 * height)))
        if not self.figure.categories:
            self._numbers(self.axes.xaxis, self.x, max(3, round(1.1 * width)))
            return
        places = self.x.place(np.arange(float(len(self.figure.categories))))
        self.axes.set_xticks(places, [_short(_printable(name)) for name in self.figure.categories])
        self.axes.tick_params(axis="x", length=0)

    def _numbers(self, axis: XAxis | YAxis, shown: Span, most: int) -> None:
        """As many ticks as have room for their numbers."""
        axis.grid(visible=True)
        while True:
            major, minor = shown.ticks(most)
            axis.set_ticks(shown.place(np.array(major, dtype=float)), shown.scale.tick_texts(major))
            axis.set_ticks(shown.place(np.array(minor, dtype=float)), minor=True)
            self.sheet.draw_without_rendering()
            if most <= 2 or not _crowded(axis.get_ticklabels()):
                return
            most -= 1

    def _uncrowd_names(self) -> None:
        """Fold or turn crowded categories; leave out numbers that would touch their neighbor."""
        self.sheet.draw_without_rendering()
        names = self.axes.get_xticklabels()
        if self.figure.categories:
            self._fit_categories(names)
        for labels in (names, self.axes.get_yticklabels()):
            for name in _crowded(labels):
                name.set_visible(bool(name.get_rotation()))

    def _fit_categories(self, names: Sequence[Text]) -> None:
        room = self.axes.get_window_extent().width / self.sheet.dpi / len(names)
        plain = [" ".join(name.get_text().split()) for name in names]
        letters = max(1, int(room * 72 / 5))
        folded = [
            "\n".join(textwrap.wrap(name, letters, break_long_words=False, break_on_hyphens=False)) for name in plain
        ]
        steep = room < SLANTED_ROOM
        for texts, angle in ((plain, 0), (folded, 0), (plain, 90 if steep else 30)):
            self.axes.set_xticks(self.axes.get_xticks(), texts)
            for name in names:
                name.set(rotation=angle, rotation_mode="anchor" if angle else "default")
                name.set_horizontalalignment("right" if angle else "center")
                name.set_verticalalignment("center" if angle == 90 else "top")
            self.sheet.draw_without_rendering()
            if not _crowded(names) and max(text.count("\n") for text in texts) < 2:
                return

    def _line_labels(self) -> float:
        """Names of reference lines stand outside the axes, where nothing is drawn.

        Those of vertical lines stack upwards; returns the height of the stack in points.
        """
        highest = 0.0
        rows: list[Text] = []
        for mark in self.figure.marks:
            if not isinstance(mark, Line) or not mark.label:
                continue
            at = float((self.x if mark.vertical else self.y).place(np.array([mark.at]))[0])
            if not 0 <= at <= 1:
                continue
            text = _printable(mark.label)
            if not mark.vertical:
                self.axes.annotate(
                    text, (1, at), (3, 0), textcoords="offset points", va="center", fontsize=8, annotation_clip=False
                )
                continue
            rise = 3.0
            label = self.axes.annotate(
                text, (at, 1), (0, rise), textcoords="offset points", ha="center", fontsize=8, annotation_clip=False
            )
            while rise < HIGHEST_LABEL and any(
                label.get_window_extent().overlaps(other.get_window_extent()) for other in rows
            ):
                rise += 10.0
                label.set_position((0, rise))
            rows.append(label)
            highest = max(highest, rise + 10)
        return highest

    def _legend(self) -> None:
        labels = ["\n".join(textwrap.wrap(_printable(label), 34)) or " " for label in self.handles]
        handles = [tuple(parts) for parts in self.handles.values()]
        if len(labels) <= MOST_ENTRIES_INSIDE:
            legend = self.axes.legend(handles, labels, loc="upper right")
            if self._settle(legend):
                return
            legend.remove()
        shown, whole = cast(list[Artist], handles), self.sheet.bbox
        columns = math.ceil(len(labels) / max(4, int(5 * self.size[1])))
        box = self._legend_size(shown, labels, columns)
        if box.width <= WIDEST_LEGEND * whole.width and box.height <= 0.95 * whole.height:
            self.sheet.legend(shown, labels, loc="outside right upper", ncols=columns)
            return
        columns = max(1, min(4, int(whole.width / (box.width / columns + 6))))
        # The width is what a page prescribes; the legend must not take the room of the data.
        extra = self._legend_size(shown, labels, columns).height / self.sheet.dpi
        self.sheet.set_size_inches(self.size[0], self.size[1] + extra)
        self.sheet.legend(shown, labels, loc="outside lower center", ncols=columns)

    def _legend_size(self, handles: list[Artist], labels: list[str], columns: int) -> Bbox:
        """Measured on a trial that takes no part in the layout, which would warn when no room is left."""
        trial = self.sheet.legend(handles, labels, loc="upper right", ncols=columns)
        self.sheet.draw_without_rendering()
        box = trial.get_window_extent()
        trial.remove()
        return box

    def _settle(self, legend: Legend) -> bool:
        """Move the legend to a corner where it covers nothing, if there is one."""
        self.sheet.draw_without_rendering()
        box, frame = legend.get_window_extent(), self.axes.get_window_extent()
        w, h = box.width / frame.width + 0.03, box.height / frame.height + 0.03
        corners: tuple[tuple[Corner, float, float], ...] = (
            ("upper right", 1 - w, 1 - h),
            ("upper left", 0, 1 - h),
            ("lower left", 0, 0),
            ("lower right", 1 - w, 0),
        )
        # Covering a piece of a reference line is better than leaving the axes; covering data is not.
        for ink in (self.ink + self.rules, self.ink):
            x, y = np.concatenate([np.empty((2, 0)), *ink], axis=1)
            for name, left, bottom in corners:
                if not np.any((x >= left) & (x <= left + w) & (y >= bottom) & (y <= bottom + h)):
                    legend.set_loc(name)
                    return w < 0.9
        return False


def _width(style: Style) -> float:
    return 1.2 * style.width


def _dash(style: Style) -> str | tuple[float, tuple[float, ...]]:
    return (0.0, style.dash) if style.dash else "-"


def _crowded(names: Sequence[Text]) -> list[Text]:
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


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _folded(text: str, inches: float, size: float) -> str:
    letters = max(12, int(inches * 72 / (0.56 * size)))
    return "\n".join(
        part for line in text.splitlines() for part in textwrap.wrap(_printable(line), letters, max_lines=4)
    )


def _printable(text: str) -> str:
    """One line, with a box for each character the font lacks: matplotlib would warn and draw one anyway."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(letter if ord(letter) in known else "□" for letter in " ".join(text.split()))
