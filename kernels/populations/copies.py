"""Tensors that are moved to a device once."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Copies:
    """A large tensor, and its copies on the devices and in the precisions in which it was asked for."""

    original: Float64[Tensor, "..."]
    _copies: dict[tuple[torch.device, torch.dtype], Tensor] = field(default_factory=dict, init=False, repr=False)

    def on(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "..."]:
        """The copy on a device and in a precision, made at the first time."""
        key = device, dtype
        if key not in self._copies:
            self._copies[key] = self.original.to(device, dtype)
        return self._copies[key]
