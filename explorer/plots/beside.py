"""Beside the particles: images of them and of the data where they are images, else one mode of both as histograms."""

import dataclasses
import math

import numpy as np
import torch
from numpy.typing import NDArray

from explorer.marks import Axis, Band, Curve, Figure, Floats, Gallery, Mark, Pixels, side_by_side
from explorer.plots.base import Plot
from explorer.plots.cloud import (
    DATA,
    GENERATED,
    NOISED,
    SAMPLER,
    box,
    counted,
    law_at,
    network_of,
    seen_motion,
)
from explorer.session import Session
from kernels.analyses.clouds import frame_for, quick, whole
from kernels.frames import Frame
from kernels.gaussian import Gaussian

ROWS = 6
POINTS = 241
DEVIATIONS = 4.0


def draw(session: Session) -> Figure:
    """Contact sheets of images at the end of the way, or histograms of the first mode looked at, on the way."""
    # Data that cannot be read are told before anything else.
    _ = session.experiment.law
    frame = frame_for(session.experiment)
    return _sheets(session) if frame.is_image else _histograms(session)


def _sheets(session: Session) -> Figure:
    experiment = session.experiment
    bare = Axis("x"), Axis("y")
    trained = network_of(experiment)
    if isinstance(trained, str):
        return Figure("Images", *bare, (), note=trained, equal=True, bare=True)
    few = quick(experiment, session.sampling, len(experiment.law.variance))
    cloud = whole(experiment, dataclasses.replace(few, particles=min(few.particles, ROWS * ROWS)), trained)
    parts = (("generated", cloud.generated, GENERATED), ("data", cloud.data, DATA))
    galleries = tuple(
        Gallery(label, pixels(cloud.frame, points), _columns(len(points)), style) for label, points, style in parts
    )
    note = "" if cloud.generated.isfinite().all() else "Images that have diverged are black."
    return Figure("Images", *bare, side_by_side(galleries), note=note, equal=True, bare=True)


def _columns(count: int) -> int:
    return math.ceil(math.sqrt(count))


def pixels(frame: Frame, points: torch.Tensor) -> Pixels:
    """Red, green and blue of images, whose numbers lie in [-1, 1]; those outside are cut off."""
    images = torch.nan_to_num(frame.place(points).float(), nan=-1.0)
    shades = ((images.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
    return shades.expand(-1, -1, -1, 3).contiguous().numpy()


def _histograms(session: Session) -> Figure:
    rank = session.looked_at[0]
    axes = Axis(f"mode {rank}"), Axis("density")
    found = seen_motion(session)
    if isinstance(found, str):
        return Figure(f"Mode {rank}", *axes, (), note=found)
    frame = found.frame(session.moment)
    sampled, exact = law_at(found.sampled, frame), law_at(found.exact, frame)
    center, reach = box(sampled, exact, DEVIATIONS)
    low, high = float(center[0] - reach[0]), float(center[0] + reach[0])
    edges = np.linspace(low, high, _bins(found.drawn.shape[1]) + 1)
    steps = np.repeat(edges, 2)[1:-1]
    data, generated = (_density(points[0], edges) for points in (found.data(frame), found.generated[frame]))
    x = np.linspace(low, high, POINTS)
    named = "law" if found.is_law else "Gaussian theory"
    marks: list[Mark] = [
        Band("data", steps, np.zeros_like(data), data, DATA),
        Curve("generated", steps, generated, GENERATED),
        Curve(f"data: {named}", x, _normal(x, exact), NOISED),
    ]
    if bool(sampled.variance[0].isfinite()):
        marks.append(Curve(f"sampler: {named}", x, _normal(x, sampled), SAMPLER))
    title = f"Mode {rank} at step {found.steps[frame]} of {found.steps[-1]}"
    return Figure(title, *axes, tuple(marks), note=counted(found, session))


def _bins(count: int) -> int:
    """More where there are more particles, so that chance does not rule the picture."""
    return min(max(round(2 * count ** (1 / 3)), 12), 96)


def _density(values: NDArray[np.float32], edges: Floats) -> Floats:
    """What a histogram says, twice for each of its bins; what lies outside counts in the whole."""
    low, width = edges[0], edges[1] - edges[0]
    # Bins of one width are counted faster than any; what has diverged is in none of them.
    inside = (values >= low) & (values < edges[-1])
    places = ((values[inside] - np.float32(low)) * np.float32(1 / width)).astype(np.intp)
    counts = np.bincount(np.minimum(places, len(edges) - 2), minlength=len(edges) - 1)
    return np.repeat(counts / (max(len(values), 1) * width), 2)


def _normal(x: Floats, law: Gaussian) -> Floats:
    """The density of the first mode; nothing where it does not vary."""
    mean, variance = float(law.mean[0]), float(law.variance[0])
    if variance <= 0:
        return np.full_like(x, np.nan)
    return np.exp(-0.5 * (x - mean) ** 2 / variance) / math.sqrt(2 * math.pi * variance)


PLOT = Plot("images", "Images, or one mode", "Cloud", draw)
