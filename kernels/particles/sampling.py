"""How many points are carried, and where."""

from dataclasses import dataclass

import psutil
import torch

from kernels.param import Component, Interval, option, param

DTYPES = {"float32": torch.float32, "float64": torch.float64}
_WORST = 0.9


@dataclass(frozen=True, kw_only=True)
class Sampling(Component):
    """A cloud to be made: its size, its random numbers, its precision and the device that makes it."""

    particles: int = param(
        10_000, "P", (100, 100_000), "number of points that are carried", domain=Interval(2, 10**12), log=True
    )
    seed: int = param(0, "", (0, 100), "seed of all random numbers", domain=Interval(0, 2**53))
    dtype: str = option("float32", "", DTYPES, "precision of the points; exact laws are always in 64 bits")
    device: str = option("cpu", "", ("cpu", "cuda"), "processor, or an NVIDIA graphics card")


def check_memory(particles: int, each: int, place: torch.device) -> None:
    """Whether so many particles of so many bytes have room.

    Errors: `ValueError` in one sentence with how many would.
    """
    free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else psutil.virtual_memory().available
    room = int(_WORST * free)
    if particles * each > room:
        raise ValueError(
            f"{particles} particles need {_size(particles * each)} of memory and {_size(room)} are free on {place}; "
            f"at most {room // each} fit."
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
