"""The axis vocabulary: exact laws are float64, modes are the last axis."""

import torch
from jaxtyping import Float64
from torch import Tensor

Modes = Float64[Tensor, " modes"]
Times = Float64[Tensor, " times"]
Anything = Float64[Tensor, "..."]


def array(values: object) -> Tensor:
    """A float64 tensor on the CPU."""
    return torch.as_tensor(values, dtype=torch.float64)
