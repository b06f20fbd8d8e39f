"""The axis vocabulary: exact laws are float64, modes are the last axis. And the devices that arrays may be on."""

import importlib.util

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


def place_of(device: str) -> torch.device:
    """The device of this name, cpu or cuda.

    Errors: `ValueError` in one sentence where it is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device cuda needs an NVIDIA graphics card and a PyTorch made for it, and there is none; use cpu."
        )
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        raise ValueError(
            "device cuda needs Triton, which PyTorch for CUDA brings with it on Linux; install it, or use cpu."
        )
    return torch.device(device)
