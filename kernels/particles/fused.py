"""All steps of some particles while they stay in the processor's cache, random numbers made where they are used."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from kernels.compiling import compiled
from kernels.normals import words
from kernels.particles.plan import Tables
from kernels.philox import GROUP, fill_groups, room

# Numbers of a tile: with their random numbers they fit into the second level of the cache.
TILE = 2**15

State = Float[Tensor, "components n modes"]
Snapshots = Float[Tensor, "snapshots n modes"]


@compiled
def _advance(
    x: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    spread: np.ndarray,
    moved: bool,
    noisy: np.ndarray,
    snapshot: np.ndarray,
    snapshots: np.ndarray,
    numbers: tuple[int, int, int, int, int, int],
    buffer: np.ndarray,
    angles: np.ndarray,
    radii: np.ndarray,
) -> None:
    """One component: x' = gain x + shift + spread xi."""
    particle, first, steps, stream, low, high = numbers
    count, modes = x.shape
    tall = max(1, TILE // modes)
    for top in range(0, count, tall):
        bottom = min(top + tall, count)
        element = (particle + top) * modes
        groups = (element + (bottom - top) * modes - 1) // GROUP - element // GROUP + 1
        for k in range(steps):
            row = k if len(gain) > 1 else 0
            a, b, c = gain[row, 0], shift[row, 0], spread[row, 0]
            if noisy[row, 0]:
                fill_groups(buffer, groups, element // GROUP, stream, first + k, low, high, angles, radii)
                for p in range(top, bottom):
                    xi = buffer[element % GROUP + (p - top) * modes :]
                    at = x[p]
                    for m in range(modes):
                        at[m] = a[m] * at[m] + c[m] * xi[m]
            else:
                for p in range(top, bottom):
                    at = x[p]
                    for m in range(modes):
                        at[m] = a[m] * at[m]
            if moved:
                for p in range(top, bottom):
                    at = x[p]
                    for m in range(modes):
                        at[m] += b[m]
            if snapshot[k] >= 0:
                snapshots[snapshot[k], top:bottom] = x[top:bottom]


@compiled
def _advance_pair(
    x: np.ndarray,
    y: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    spread: np.ndarray,
    moved: bool,
    noisy: np.ndarray,
    snapshot: np.ndarray,
    snapshots: np.ndarray,
    numbers: tuple[int, int, int, int, int, int, int],
    buffer: np.ndarray,
    angles: np.ndarray,
    radii: np.ndarray,
) -> None:
    """Two components; the first Gaussian is the second component's, in which the first may share."""
    particle, first, steps, stream, other, low, high = numbers
    count, modes = x.shape
    tall = max(1, TILE // modes)
    for top in range(0, count, tall):
        bottom = min(top + tall, count)
        element = (particle + top) * modes
        groups = (element + (bottom - top) * modes - 1) // GROUP - element // GROUP + 1
        for k in range(steps):
            row = k if len(gain) > 1 else 0
            a, b, c, d = gain[row, 0], gain[row, 1], gain[row, 2], gain[row, 3]
            for p in range(top, bottom):
                at, by = x[p], y[p]
                for m in range(modes):
                    old = at[m]
                    at[m] = a[m] * old + b[m] * by[m]
                    by[m] = c[m] * old + d[m] * by[m]
            if noisy[row, 0] or noisy[row, 1]:
                fill_groups(buffer, groups, element // GROUP, stream, first + k, low, high, angles, radii)
                own, shared = spread[row, 0], spread[row, 1]
                for p in range(top, bottom):
                    xi = buffer[element % GROUP + (p - top) * modes :]
                    at, by = x[p], y[p]
                    for m in range(modes):
                        by[m] += own[m] * xi[m]
                    if noisy[row, 1]:
                        for m in range(modes):
                            at[m] += shared[m] * xi[m]
            if noisy[row, 2]:
                fill_groups(buffer, groups, element // GROUP, other, first + k, low, high, angles, radii)
                alone = spread[row, 2]
                for p in range(top, bottom):
                    xi = buffer[element % GROUP + (p - top) * modes :]
                    at = x[p]
                    for m in range(modes):
                        at[m] += alone[m] * xi[m]
            if moved:
                b, d = shift[row, 0], shift[row, 1]
                for p in range(top, bottom):
                    at, by = x[p], y[p]
                    for m in range(modes):
                        at[m] += b[m]
                        by[m] += d[m]
            if snapshot[k] >= 0:
                snapshots[snapshot[k], top:bottom] = x[top:bottom]


def advance(
    state: State, tables: Tables, particle: int, seed: int, snapshot: dict[int, int], snapshots: Snapshots
) -> None:
    """Take some particles, the first of which has this number, through the steps of tables, in place.

    `snapshot` says where among the snapshots the state is kept after a step, counted from 1.
    """
    # Numbers of the tile, and of the parts of groups that lie beyond its ends.
    buffer = np.empty(max(TILE, state.shape[-1]) + 2 * GROUP, dtype=np.float32)
    kept = np.array([snapshot.get(tables.first + k + 1, -1) for k in range(tables.steps)])
    coefficients = (
        *(part.numpy() for part in state),
        *(part.numpy() for part in (tables.gain, tables.shift, tables.spread)),
        bool(tables.shift.any()),
        tables.spread.any(-1).numpy(),
        kept,
        snapshots.numpy(),
    )
    work = (buffer, *room())
    with np.errstate(all="ignore"):
        numbers = particle, tables.first, tables.steps
        if len(state) == 1:
            _advance(*coefficients, (*numbers, tables.streams[0], *words(seed)), *work)
        else:
            _advance_pair(*coefficients, (*numbers, *tables.streams, *words(seed)), *work)
