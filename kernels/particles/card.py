"""All steps of some particles in the registers of a graphics card, random numbers made where they are used.

Triton comes with PyTorch for CUDA. Without it this module cannot be imported. Random numbers are those of
`kernels.normals`, the same groups of 256; a program takes a few groups through all steps.
"""

# Where Triton is not installed, its decorators and types are unknown; where it is, it looks up what annotations of a
# program name and knows its own only, so that others are in quotes.
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false

from typing import Any, cast

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from jaxtyping import Float
from torch import Tensor

from kernels.particles.plan import Tables
from kernels.philox import GROUP

# Counters of a program: each gives four Gaussians, so that a thread of 128 carries eight numbers.
COUNTERS = tl.constexpr(256)
_WARPS = 4
_UNIT, _HALF_UNIT = tl.constexpr(2.0**-32), tl.constexpr(2.0**-33)
_QUARTER_TURN, _QUARTER_ANGLE = tl.constexpr(1.5707963267948966), tl.constexpr(1.5707963267948966 * 2.0**-30)
# Numbers of which a program knows no value: it would be compiled anew where one of them is 1 or a multiple of 16.
_VARYING = ("first", "begin", "steps", "rows", "stream", "other", "step", "seed")


@triton.jit
def _pair(first: "Any", second: "Any") -> "Any":
    """Two Gaussians of two words."""
    length = tl.sqrt(-2.0 * tl.log(first.to(tl.float32) * _UNIT + _HALF_UNIT))
    word = second.to(tl.int32, bitcast=True)
    quarter, angle = word & 3, (word >> 2).to(tl.float32) * _QUARTER_ANGLE
    cosine, sine = tl.cos(angle), tl.sin(angle)
    turned = (quarter & 1) == 1
    across, up = tl.where(turned, sine, cosine), tl.where(turned, cosine, sine)
    across = tl.where((quarter == 1) | (quarter == 2), -across, across)
    return length * across, length * tl.where(quarter >= 2, -up, up)


@triton.jit
def _gaussians(counter: "Any", stream: "Any", step: "Any", seed: "Any") -> "Any":
    """The four Gaussians of each counter, by quarter of their group."""
    low, high = (counter & 0xFFFFFFFF).to(tl.uint32), (counter >> 32).to(tl.uint32)
    c0, c1, c2, c3 = tl.philox(seed, low, high, low * 0 + step.to(tl.uint32), low * 0 + stream.to(tl.uint32))
    first, third = _pair(c0, c1)
    second, fourth = _pair(c2, c3)
    return tl.reshape(tl.join(tl.join(first, third), tl.join(second, fourth)), (COUNTERS, 4))


@triton.jit
def _places(first: "Any") -> "Any":
    """Counters of a program, and how far the elements of each lie behind the first."""
    counter = (first // 256) * 64 + tl.program_id(0).to(tl.int64) * COUNTERS + tl.arange(0, COUNTERS)
    element = (counter // 64) * 256 + counter % 64 - first
    return counter, element[:, None] + 64 * tl.arange(0, 4)[None, :]


@triton.jit(do_not_specialize=_VARYING)
def _fill(out: "Any", count: "Any", first: "Any", stream: "Any", step: "Any", seed: "Any") -> None:
    """Elements first, first + 1, ... of a stream."""
    counter, element = _places(first)
    tl.store(out + element, _gaussians(counter, stream, step, seed), mask=(element >= 0) & (element < count))


@triton.jit(do_not_specialize=_VARYING)
def _advance(
    state: "Any",
    gain: "Any",
    shift: "Any",
    spread: "Any",
    noisy: "Any",
    snapshot: "Any",
    snapshots: "Any",
    total: "Any",
    apart: "Any",
    snapshots_apart: "Any",
    modes: "Any",
    first: "Any",
    begin: "Any",
    steps: "Any",
    rows: "Any",
    stream: "Any",
    other: "Any",
    seed: "Any",
    moved: tl.constexpr,
    pair: tl.constexpr,
) -> None:
    """The steps of tables, for the elements of a few groups."""
    counter, element = _places(first)
    inside = (element >= 0) & (element < total)
    mode = (element + first) % modes
    x = tl.load(state + element, mask=inside, other=0.0)
    y = x
    if pair:
        y = tl.load(state + apart + element, mask=inside, other=0.0)
    for k in range(steps):
        row = tl.where(rows > 1, k, 0).to(tl.int64)
        if pair:
            a, b, c = gain + row * 4 * modes + mode, shift + row * 2 * modes + mode, spread + row * 3 * modes + mode
            old = x
            x = tl.load(a, mask=inside, other=0.0) * old + tl.load(a + modes, mask=inside, other=0.0) * y
            y = (
                tl.load(a + 2 * modes, mask=inside, other=0.0) * old
                + tl.load(a + 3 * modes, mask=inside, other=0.0) * y
            )
            if tl.load(noisy + 3 * row) + tl.load(noisy + 3 * row + 1) != 0:
                xi = _gaussians(counter, stream, begin + k, seed)
                y += tl.load(c, mask=inside, other=0.0) * xi
                x += tl.load(c + modes, mask=inside, other=0.0) * xi
            if tl.load(noisy + 3 * row + 2) != 0:
                x += tl.load(c + 2 * modes, mask=inside, other=0.0) * _gaussians(counter, other, begin + k, seed)
            if moved:
                x += tl.load(b, mask=inside, other=0.0)
                y += tl.load(b + modes, mask=inside, other=0.0)
        else:
            x *= tl.load(gain + row * modes + mode, mask=inside, other=0.0)
            if tl.load(noisy + row) != 0:
                xi = _gaussians(counter, stream, begin + k, seed)
                x += tl.load(spread + row * modes + mode, mask=inside, other=0.0) * xi
            if moved:
                x += tl.load(shift + row * modes + mode, mask=inside, other=0.0)
        place = tl.load(snapshot + k)
        if place >= 0:
            tl.store(snapshots + place * snapshots_apart + element, x, mask=inside)
    tl.store(state + element, x, mask=inside)
    if pair:
        tl.store(state + apart + element, y, mask=inside)


def advance(
    state: Float[Tensor, "components n modes"],
    tables: Tables,
    particle: int,
    seed: int,
    snapshot: dict[int, int],
    snapshots: Float[Tensor, "snapshots n modes"],
) -> None:
    """What `fused.advance` does, with the same numbers; every component of the state is contiguous."""
    place = state.device
    _, particles, modes = state.shape
    first, total = particle * modes, particles * modes
    kept = torch.tensor([snapshot.get(tables.first + k + 1, -1) for k in range(tables.steps)], device=place)
    coefficients = [part.to(place) for part in (tables.gain, tables.shift, tables.spread)]
    cast(Any, _advance)[_programs(first, total)](
        state,
        *coefficients,
        tables.spread.any(-1).to(place, torch.int32),
        kept,
        snapshots if len(snapshots) else state,
        total,
        state.stride(0),
        snapshots.stride(0),
        modes,
        first,
        tables.first,
        tables.steps,
        len(tables.gain),
        *tables.streams,
        seed,
        moved=bool(tables.shift.any()),
        pair=tables.components == 2,
        num_warps=_WARPS,
        enable_fp_fusion=True,
    )


def normals(seed: int, stream: int, step: int, first: int, count: int, place: torch.device) -> Float[Tensor, " count"]:
    """What `kernels.normals.normals` gives, made on the card."""
    out = torch.empty(count, dtype=torch.float32, device=place)
    cast(Any, _fill)[_programs(first, count)](
        out, count, first, stream, step, seed, num_warps=_WARPS, enable_fp_fusion=True
    )
    return out


def _programs(first: int, count: int) -> tuple[int]:
    groups = -(-(first + count) // GROUP) - first // GROUP
    return (-(-groups * GROUP // (4 * COUNTERS.value)),)
