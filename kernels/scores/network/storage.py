"""A trained network as the bytes of a safetensors file, and back; nothing in one is ever run."""

import json
from dataclasses import replace

import torch
from torch import Tensor

from kernels.populations import Population
from kernels.scores.network.model import Estimate, LossCurve, Network, Trained, layers_of
from kernels.scores.network.training import PROBES, probe_of

_KEY = "wasserscope.network"
# Of the size of the data: on another machine they may differ by rounding.
_TOLERANCE = 1e-6


def to_bytes(trained: Trained) -> bytes:
    """Layers, loss curve and what the population is told by; the declaration of the network stands in the header."""
    # Imported where it is used: the first picture of the window does not wait for it.
    from safetensors.torch import save

    tensors = {
        "curve.iteration": trained.curve.iteration,
        "curve.loss": trained.curve.loss,
        "floor": torch.tensor([trained.floor.value, trained.floor.standard_error], dtype=torch.float64),
        "excess": torch.tensor([trained.excess.value, trained.excess.standard_error], dtype=torch.float64),
        "data.mean": trained.law.mean.expand_as(trained.law.variance),
        "data.variance": trained.law.variance,
        "data.probe": trained.probe,
    }
    shapes = trained.model.shapes(len(trained.law.variance))
    for k, (matrix, offset) in enumerate(layers_of(trained.weights, shapes)):
        tensors |= {f"layers.{k}.weight": matrix, f"layers.{k}.bias": offset}
    # The format wants memory of its own for each.
    return save({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, {_KEY: _said(trained.model)})


def from_bytes(model: Network, population: Population, data: bytes, name: str) -> Trained:
    """The network that `train` made of this model and population; `name` is that of the file, for messages.

    Errors: `ValueError` in one sentence where the bytes are no whole safetensors file or hold anything else.
    """
    tensors, said = _opened(data, name)
    if said != _said(model):
        raise ValueError(f"{name} holds {said}, not {_said(model)}; train this network anew.")
    shapes = model.shapes(tensors["data.variance"].numel() if "data.variance" in tensors else 0)
    if {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in tensors.items()} != _layout(tensors, shapes):
        raise ValueError(f"{name} does not hold the tensors of {said}; train this network anew.")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ValueError(f"{name} holds numbers that are not finite; train this network anew.")
    if not _is_of(tensors, population):
        raise ValueError(f"{name} was trained on other data; train this network anew.")
    layers = [tensors[f"layers.{k}.{part}"].flatten() for k in range(len(shapes)) for part in ("weight", "bias")]
    floor, excess = (Estimate(*tensors[key].tolist()) for key in ("floor", "excess"))
    curve = LossCurve(tensors["curve.iteration"], tensors["curve.loss"])
    return Trained(model, population.law, torch.cat(layers), curve, floor, excess, tensors["data.probe"])


def _said(model: Network) -> str:
    """The declaration of the network, as Python; the level at which a Langevin sampler asks has no part in it."""
    return repr(replace(model, noise_amplitude=Network().noise_amplitude))


def _opened(data: bytes, name: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of a safetensors file, and the declaration in its header."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
    # Types of numbers that are in the format but not in PyTorch are a missing key.
    except (SafetensorError, KeyError, RuntimeError, ValueError):
        defect = "is cut short or damaged" if data[8:9] == b"{" else "is not a safetensors file"
        raise ValueError(f"{name} {defect}; choose another one, or train the network anew.") from None
    # It has been read once, so that it is what it should be.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    if _KEY not in (header.get("__metadata__") or {}):
        raise ValueError(f"{name} holds tensors of another program; choose another one, or train the network anew.")
    return tensors, header["__metadata__"][_KEY]


def _layout(
    tensors: dict[str, Tensor], shapes: list[tuple[int, int]]
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of every tensor there should be; the numbers of modes and of windows are the file's own."""
    windows = tensors["curve.loss"].numel() if "curve.loss" in tensors else 0
    modes = shapes[-1][0]
    layout: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "curve.iteration": ((windows,), torch.int64),
        "curve.loss": ((windows,), torch.float64),
        "floor": ((2,), torch.float64),
        "excess": ((2,), torch.float64),
        "data.mean": ((modes,), torch.float64),
        "data.variance": ((modes,), torch.float64),
        "data.probe": ((PROBES, modes), torch.float64),
    }
    for k, shape in enumerate(shapes):
        layout |= {f"layers.{k}.weight": (shape, torch.float32), f"layers.{k}.bias": (shape[:1], torch.float32)}
    return layout


def _is_of(tensors: dict[str, Tensor], population: Population) -> bool:
    """Whether law and probe are those of the population; another law with the same covariance has another probe."""
    law = population.law
    if len(law.variance) != len(tensors["data.variance"]):
        return False
    size = _TOLERANCE * float(law.variance.max().sqrt() + law.mean.abs().max())
    return (
        torch.allclose(tensors["data.mean"], law.mean.expand_as(law.variance), rtol=0.0, atol=size)
        and torch.allclose(tensors["data.variance"].sqrt(), law.variance.sqrt(), rtol=0.0, atol=size)
        and torch.allclose(tensors["data.probe"], probe_of(population), rtol=0.0, atol=size)
    )
