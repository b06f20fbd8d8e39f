"""A sheet of paper: axes with their texts, ticks, color bar and legend around the marks."""

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
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from explorer.drawing.plate import Plate
from explorer.drawing.spans import Span, span
from explorer.drawing.texts import crowded, folded, printable, short
from explorer.marks import Figure, Gallery, Heat, Line, values_along
from explorer.ranges import margin_of, squared
from explorer.shades import LEVELS, shades_of

MOST_ENTRIES_INSIDE = 6
SLANTED_ROOM = 0.3  # inches per category, below which slanted names would touch
WIDEST_LEGEND = 0.38
# Of the axes, height over width and width over height, where units are equal.
LONGEST = 3.0
BAR_BESIDE = (1.03, 0.0, 0.035, 1.0)  # left, bottom, width and height, in those of the axes
HIGHEST_LABEL = 40  # points above the axes, for names of reference lines

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
    """One figure while it is drawn."""

    figure: Figure
    size: tuple[float, float]
    sheet: Sheet = field(init=False)
    axes: Axes = field(init=False)
    plate: Plate = field(init=False)
    handles: dict[str, list[Artist]] = field(init=False, default_factory=dict[str, list[Artist]])

    def __post_init__(self) -> None:
        margins = ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07)
        self.sheet = Sheet(figsize=self.size, layout=margins, facecolor="white")
        FigureCanvasAgg(self.sheet)
        self.axes = self.sheet.add_subplot(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
        self.axes.patch.set_gid("plot-area")
        names = len(self.figure.categories)
        x = np.array([-0.4, names - 0.6]) if names else values_along(self.figure.marks, "x")
        margin, y = margin_of(self.figure.marks), values_along(self.figure.marks, "y")
        spans = span(self.figure.x.scale, x, margin), span(self.figure.y.scale, y, margin)
        self.plate = Plate(self.axes, *(self._equal(*spans) if self.figure.equal else spans))
        if self.figure.bare:
            self.axes.set_axis_off()

    def _equal(self, x: Span, y: Span) -> tuple[Span, Span]:
        """Axes of the shape of what they show, which is opened where it is long and thin; images never are."""
        along = (y.high - y.low) / (x.high - x.low)
        if not self.figure.bare:
            along = min(max(along, 1 / LONGEST), LONGEST)
        across, up = squared((x.low, x.high), (y.low, y.high), along)
        self.axes.set_box_aspect(along)
        return Span(x.scale, *across), Span(y.scale, *up)

    def finish(self) -> Sheet:
        for number, mark in enumerate(self.figure.marks):
            artists = self.plate.draw(mark)
            for part, artist in enumerate(artists):
                artist.set_gid(f"{type(mark).__name__.lower()}-{number}" + (f"-{part}" if part else ""))
            if artists and mark.label and not isinstance(mark, Line | Heat | Gallery):
                self.handles.setdefault(mark.label, []).append(artists[0])
        if self.figure.bare:
            self._title_and_note(self._headings())
            return self.sheet
        self._axis_labels()
        self._color_bar()
        self._ticks()
        self._uncrowd_names()
        height = self._line_labels()
        if self.handles:
            self._legend()
            # A legend beside the axes has made them narrower.
            self._uncrowd_names()
        self._title_and_note(height)
        return self.sheet

    def _axis_labels(self) -> None:
        width, height = self.size
        self.axes.set_xlabel(folded(self.figure.x.label, 0.85 * width, 9))
        self.axes.set_ylabel(folded(self.figure.y.label, 0.75 * height, 9))

    def _title_and_note(self, height: float) -> None:
        """The title stands `height` points above the axes; both are as wide as the axes."""
        width = self.axes.get_window_extent().width / self.sheet.dpi
        self.axes.set_title(folded(self.figure.title, width, 10), fontsize=10, pad=height + 6)
        if self.figure.note:
            self.axes.annotate(
                folded(self.figure.note, width, 7),
                (0.5, 0),
                (0, -4),
                xycoords="axes fraction" if self.figure.bare else self.axes.xaxis.label,
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
                color="#555555",
                annotation_clip=False,
            )

    def _headings(self) -> float:
        """The labels of galleries, each above its own; the height of their line in points."""
        galleries = [mark for mark in self.figure.marks if isinstance(mark, Gallery) and mark.label]
        self.sheet.draw_without_rendering()
        width = self.axes.get_window_extent().width / self.sheet.dpi
        for gallery in galleries:
            ends = self.plate.x.place(np.array([gallery.left, gallery.left + gallery.size[0]]))
            self.axes.annotate(
                folded(gallery.label, width * float(ends[1] - ends[0]), 9),
                (float(ends.mean()), 1),
                (0, 4),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=gallery.style.color,
                annotation_clip=False,
            )
        return 14.0 if galleries else 0.0

    def _color_bar(self) -> None:
        """At the right, for the last mark with colors, with the numbers of its scale."""
        if not self.plate.colored:
            return
        (mark, artist), height = self.plate.colored[-1], self.size[1]
        if self.figure.equal:
            # Axes of the shape of what they show: a bar of the sheet's height would stand out of them.
            bar = self.sheet.colorbar(artist, cax=self.axes.inset_axes(BAR_BESIDE))
        else:
            bar = self.sheet.colorbar(artist, ax=self.axes, pad=0.02, aspect=25)
        bar.set_label(folded(mark.meaning, 0.75 * height, 9), fontsize=9)
        bar.outline.set(linewidth=0.7, edgecolor="#333333")
        self._numbers(bar.ax.yaxis, Span(mark.scale, *shades_of(mark).span), max(3, round(1.5 * height)), LEVELS - 1)

    def _ticks(self) -> None:
        width, height = self.size
        self.axes.yaxis.grid(visible=True)
        self._numbers(self.axes.yaxis, self.plate.y, max(3, round(1.5 * height)))
        if not self.figure.categories:
            self.axes.xaxis.grid(visible=True)
            self._numbers(self.axes.xaxis, self.plate.x, max(3, round(1.1 * width)))
            return
        places = self.plate.x.place(np.arange(float(len(self.figure.categories))))
        self.axes.set_xticks(places, [short(printable(name)) for name in self.figure.categories])
        self.axes.tick_params(axis="x", length=0)

    def _numbers(self, axis: XAxis | YAxis, shown: Span, most: int, length: float = 1.0) -> None:
        """As many ticks as have room for their numbers, on an axis from 0 to this length."""
        while True:
            major, minor = shown.ticks(most)
            axis.set_ticks(length * shown.place(np.array(major, dtype=float)), shown.scale.tick_texts(major))
            axis.set_ticks(length * shown.place(np.array(minor, dtype=float)), minor=True)
            self.sheet.draw_without_rendering()
            if most <= 2 or not crowded(axis.get_ticklabels()):
                return
            most -= 1

    def _uncrowd_names(self) -> None:
        """Fold or turn crowded categories; leave out numbers that would touch their neighbor."""
        self.sheet.draw_without_rendering()
        names = self.axes.get_xticklabels()
        if self.figure.categories:
            self._fit_categories(names)
        for labels in (names, self.axes.get_yticklabels()):
            for name in crowded(labels):
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
            if not crowded(names) and max(text.count("\n") for text in texts) < 2:
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
            at = float((self.plate.x if mark.vertical else self.plate.y).place(np.array([mark.at]))[0])
            if not 0 <= at <= 1:
                continue
            text = printable(mark.label)
            if not mark.vertical:
                # Beside the axes, unless the color bar is there.
                inside = bool(self.plate.colored)
                label = self.axes.annotate(
                    text,
                    (1, at),
                    (-4, 0) if inside else (3, 0),
                    textcoords="offset points",
                    ha="right" if inside else "left",
                    va="center",
                    fontsize=8,
                    annotation_clip=False,
                )
                if inside:
                    label.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})
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
        labels = ["\n".join(textwrap.wrap(printable(label), 34)) or " " for label in self.handles]
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
        for ink in (self.plate.ink + self.plate.rules, self.plate.ink):
            x, y = np.concatenate([np.empty((2, 0)), *ink], axis=1)
            for name, left, bottom in corners:
                if not np.any((x >= left) & (x <= left + w) & (y >= bottom) & (y <= bottom + h)):
                    legend.set_loc(name)
                    return w < 0.9
        return False
