"""The axis vocabulary: exact laws are float64, modes are the last axis."""

import torch
from jaxtyping import Float64
from torch import Tensor

Modes = Float64[Tensor, " modes"]
Times = Float64[Tensor, " times"]
Anything = Float64[Tensor, "..."]


def _keep_memory() -> None:
    """Make the C library keep what is freed.

    It hands every large array back to the system and asks for it page by page again, which takes as long as the
    arithmetic; having freed one larger block, glibc raises its thresholds.
    """
    torch.empty(3 * 2**20, dtype=torch.float64)


_keep_memory()


def array(values: object) -> Tensor:
    """A float64 tensor on the CPU; a tensor stays the same, and what it is differentiated by."""
    return torch.as_tensor(values, dtype=torch.float64)


def together(*values: float | Tensor) -> Tensor:
    """A vector of numbers, of which some may be tensors to be differentiated by."""
    return torch.stack([array(value) for value in values])
