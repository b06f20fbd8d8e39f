r"""Standard Gaussians by number: the e-th one of a stream is a function of seed, stream, step and e alone.

Whatever is drawn in whatever order, by whichever block, thread or device, the same place gets the same number. Elements
come in groups of 256. The counters of a group, 64 of them, give four words each through Philox 4x32 with ten rounds;
the first and third word become two radii, the second and fourth two angles of Box and Muller's transform. Numbers have
the 24 bits of a float32, beyond which no cloud would see, and reach to 6.7. Without contraction of products and sums,
every processor computes the same ones to the last bit.

Source: Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2, 3; Box and Muller 1958.
"""

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor


def normals(seed: int, stream: int, step: int, first: int, count: int) -> Float32[Tensor, " count"]:
    """Elements first, first + 1, ... of a stream at a step; `seed` lies in [0, 2^64)."""
    # Imported where it is used: the first picture of the window does not wait for the compiler.
    from kernels.philox import GROUP, fill_groups, room

    begin = first // GROUP
    groups = -(-(first + count) // GROUP) - begin
    out = np.empty(groups * GROUP, dtype=np.float32)
    fill_groups(out, groups, begin, stream, step, *words(seed), *room())
    offset = first - begin * GROUP
    return torch.from_numpy(out[offset : offset + count])


def words(seed: int) -> tuple[int, int]:
    """The key of the generator: the lower and the upper half of the seed."""
    return seed & 0xFFFFFFFF, seed >> 32
