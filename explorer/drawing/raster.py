"""Pictures on a sheet, made in the pixels that the page has for them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Matplotlib's own annotations leave the type of its keyword arguments out.

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgb
from matplotlib.transforms import Affine2D

from explorer.clouds import density
from explorer.marks import Floats, Pixels

Paint = Callable[[int, int, float], Pixels]
"""From width, height and pixels per point to red, green, blue and opacity, the uppermost row first."""

# Length that dots of clouds are measured in, in points: finer than on the screen.
DOT_UNIT = 0.55
# Steps of opacity: no more than eyes can tell, so that files are small.
SHADES = 20


class Raster(Artist):
    """A picture that fills the axes: as many pixels as a page of pixels has there, or an embedded image at `dpi`.

    Nothing is resampled, so that its pixels stay sharp.
    """

    def __init__(self, axes: Axes, paint: Paint, dpi: int, zorder: float) -> None:
        super().__init__()
        self.paint, self.dpi = paint, dpi
        self.painted: Pixels | None = None
        self.set_zorder(zorder)
        # The layout follows the axes, which have their size without it.
        self.set_in_layout(False)
        axes.add_artist(self)

    def draw(self, renderer: RendererBase) -> None:
        """Place the picture; while the layout is sought, the same one several times."""
        assert self.axes is not None
        box, embedded = self.axes.get_window_extent(), renderer.option_scale_image()
        per_point = (self.dpi if embedded else self.axes.figure.dpi) / 72
        per_unit = per_point if embedded else 1.0
        width, height = (max(1, round(side * per_unit)) for side in (box.width, box.height))
        if self.painted is None or self.painted.shape[:2] != (height, width):
            self.painted = self.paint(width, height, per_point)
        # Matplotlib's pages begin at the bottom.
        pixels, context = self.painted[::-1], renderer.new_gc()
        cast(Any, context).set_gid(self.get_gid())
        if embedded:
            renderer.draw_image(context, box.x0, box.y0, pixels, Affine2D().scale(box.width, box.height))
        else:
            renderer.draw_image(context, round(box.x0), round(box.y0), pixels)
        context.restore()


def painted_clouds(clouds: list[tuple[Floats, Floats, str]]) -> Paint:
    """Clouds of these colors at these fractions of the axes, multiplied with each other as on the screen."""

    def paint(width: int, height: int, per_point: float) -> Pixels:
        paper = np.ones((height, width, 3), dtype=np.float32)
        for x, y, color in clouds:
            found = density(x * width, (1 - y) * height, width, height, DOT_UNIT * per_point)
            opacity = np.ceil(SHADES * found.opacity) / SHADES
            shades = 1 - opacity[:, None] * (1 - np.array(to_rgb(color)))
            paper *= shades.astype(np.float32).take(found.counts, axis=0, mode="clip")
        # The most transparent picture that looks so on white: what is beneath shines through.
        white = paper.min(axis=-1, keepdims=True)
        colors = (paper - white) / np.maximum(1 - white, 1e-6)
        return np.rint(255 * np.concatenate([colors, 1 - white], axis=-1)).astype(np.uint8)

    return paint
