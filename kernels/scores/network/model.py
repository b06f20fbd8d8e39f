r"""A denoiser that a small neural network learns from points, on top of the one that needs no learning.

Of data with means mu and variances lambda the state :math:`x = \alpha x_0 + \sigma \xi` is, mode by mode,

.. math:: u = \frac{x - \alpha \mu}{\sqrt{\alpha^2 \lambda + \sigma^2}} = \cos\theta\, z + \sin\theta\, \xi, \quad
    z = \frac{x_0 - \mu}{\sqrt\lambda}, \quad \tan\theta = \frac{\sigma}{\alpha \sqrt\lambda},

in units of its standard deviation, and the data are a turn back by the same angle,

.. math:: D(x) = \mu + \sqrt\lambda\, \big(\cos\theta\, u + \sin\theta\, F(u, \sigma/\alpha)\big), \quad
    F = E[\sin\theta\, z - \cos\theta\, \xi \,|\, u].

The first term is the denoiser of the Gaussian with the same mean and covariance. What F is to tell has unit variance in
every mode at every level and is uncorrelated with the state: F is what is not Gaussian about the data, and nothing
else. It starts at zero, where the network is the Gaussian theory. Levels enter through theta and sigma/alpha alone, so
that one training serves every process, grid and sampler, and nothing is singular where alpha or sigma is zero.

Source: Karras et al. 2022, Elucidating the design space of diffusion-based generative models, table 1, here with a
scale for each mode; Salimans and Ho 2022, Progressive distillation for fast sampling, section 4, for the angle.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from torch.nn import functional

from kernels.arrays import Modes
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned, Observation, Unobserved
from kernels.param import POSITIVE, Interval, param
from kernels.scores.base import Score, ScoreModel

FREQUENCIES = 8
# Points that go through the network at once; their activations stay in the processor's cache.
BLOCK = 2**12
# Modes with less than this part of the largest standard deviation have none.
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, kw_only=True)
class Network(ScoreModel):
    """A small neural network, trained on points of the data; without iterations it is the theory of a Gaussian."""

    formula = "D(x) = μ + √λ (cos θ u + sin θ F(u, σ/α)),  u = (x − α μ)/√(α² λ + σ²),  tan θ = σ/(α √λ)"
    source = "Vincent 2011, A connection between score matching and denoising autoencoders; Karras et al. 2022, table 1"
    is_affine: ClassVar[bool] = False
    by_eigenvalue = True
    width: int = param(128, "w", (64, 512), "neurons of a hidden layer", domain=Interval(1, 4096), log=True)
    depth: int = param(3, "L", (1, 6), "number of hidden layers", domain=Interval(1, 32))
    iterations: int = param(
        3000,
        "K",
        (100, 100_000),
        "number of gradient steps; 0 is the Gaussian theory",
        domain=Interval(0, 10**7),
        log=True,
    )
    batch: int = param(512, "B", (32, 4096), "examples per gradient step", domain=Interval(1, 2**20), log=True)
    learning_rate: float = param(5e-3, "τ", (1e-4, 0.1), "largest step size of Adam", domain=POSITIVE, log=True)
    noise_ratio_min: float = param(
        0.002, "s₀", (1e-4, 0.1), "lowest noise level trained on, σ/α", domain=POSITIVE, log=True
    )
    noise_ratio_max: float = param(
        80.0, "s₁", (1.0, 1e3), "highest noise level trained on, σ/α", domain=POSITIVE, log=True
    )
    seed: int = param(0, "", (0, 100), "seed of first weights, points and noise", domain=Interval(0, 2**32 - 1))
    constraints = (
        (
            lambda self: self.noise_ratio_max > self.noise_ratio_min,
            "noise_ratio_max ({self.noise_ratio_max:g}) must exceed noise_ratio_min ({self.noise_ratio_min:g})",
        ),
    )

    def refusal(self, observation: Observation) -> str:
        if isinstance(observation, Unobserved):
            return ""
        kinds = type(self).__name__, type(observation).__name__
        return f"{kinds[0]} is trained on samples of the data themselves (Unobserved), got {kinds[1]}"

    def is_exact(self, observation: Observation) -> bool:
        return False

    def fit(self, data: Conditioned) -> Score:
        raise ValueError(
            "Network is trained on points and has no exact law; see its samples in the tab Cloud or with "
            "`wasserscope sample`, or choose another score."
        )

    @final
    def shapes(self, modes: int) -> list[tuple[int, int]]:
        """Outputs and inputs of each layer on data of so many modes."""
        sizes = [modes + FREQUENCIES, *[self.width] * self.depth, modes]
        return [(outputs, inputs) for inputs, outputs in pairwise(sizes)]

    @final
    def place_of(self, noise_ratio: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Where a noise level lies in the logarithm of those trained on, from 0 to 1; one beyond is the last."""
        low, high = math.log(self.noise_ratio_min), math.log(self.noise_ratio_max)
        return ((noise_ratio.log() - low) / (high - low)).clamp(0.0, 1.0)

    @final
    def noise_ratio_at(self, place: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """The noise level there: the inverse of `place_of`."""
        return self.noise_ratio_min * (math.log(self.noise_ratio_max / self.noise_ratio_min) * place).exp()


def layers_of(
    weights: Float32[Tensor, " weights"], shapes: list[tuple[int, int]]
) -> Iterator[tuple[Float32[Tensor, "outputs inputs"], Float32[Tensor, " outputs"]]]:
    """Matrix and offset of each layer out of the vector of all weights."""
    parts = weights.split([outputs * size for outputs, inputs in shapes for size in (inputs, 1)])
    for shape, matrix, offset in zip(shapes, parts[::2], parts[1::2], strict=True):
        yield matrix.view(shape), offset


def told(
    weights: Float32[Tensor, " weights"],
    shapes: list[tuple[int, int]],
    state: Float32[Tensor, "n modes"],
    place: Float32[Tensor, "#n 1"],
) -> Float32[Tensor, "n modes"]:
    """F: what is not Gaussian about the data, from the state in units of its standard deviation."""
    waves = (math.pi * torch.arange(1, FREQUENCIES + 1, device=state.device) * place).cos()
    hidden = torch.cat([state, waves.expand(len(state), -1)], -1)
    *inner, last = layers_of(weights, shapes)
    for layer in inner:
        hidden = functional.silu(functional.linear(hidden, *layer))
    return functional.linear(hidden, *last)


def deviation_of(law: Gaussian) -> Modes:
    """Standard deviation of each mode; 0 where there is nothing to learn, which is next to none."""
    deviation = law.variance.sqrt()
    return torch.where(deviation > LEAST_DEVIATION * deviation.max(), deviation, 0.0)


def turned(
    deviation: Float[Tensor, "*#n modes"], alpha: float, sigma: Float[Tensor, "*#n #modes"]
) -> tuple[Float[Tensor, "*n modes"], Float[Tensor, "*n modes"], Float[Tensor, "*n modes"]]:
    """Cosine and sine of the angle between state and data, and the standard deviation of the state."""
    level = torch.hypot(alpha * deviation, sigma)
    # A mode without data and noise has no angle; its state is its mean whatever it is divided by.
    safe = torch.where(level > 0, level, 1.0)
    return alpha * deviation / safe, sigma / safe, safe


@dataclass(frozen=True, eq=False)
class LossCurve:
    """Mean loss of the iterations up to each of these, since the one before: per mode, that of F = 0 being 1."""

    iteration: Int64[Tensor, " windows"]
    loss: Float64[Tensor, " windows"]


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo estimate and its standard error."""

    value: float
    standard_error: float


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """A network and how well it was trained.

    `floor` is the loss of the exact denoiser of the population, and `excess` the mean square of the network's distance
    to it, by which its loss lies above the floor; `probe` are a few points by which the population can be told.
    """

    model: Network
    law: Gaussian
    weights: Float32[Tensor, " weights"]
    curve: LossCurve
    floor: Estimate
    excess: Estimate
    probe: Float64[Tensor, "points modes"]

    @torch.no_grad()
    def denoiser(self, x: Float[Tensor, "n modes"], alpha: float, sigma: float) -> Float[Tensor, "n modes"]:
        """E[x0 | alpha x0 + sigma xi = x] as the network tells it, in x's dtype and on x's device.

        The Gaussian part has the precision of x, the network that of float32.
        """
        return denoised(self.model, self.law, self.weights.to(x.device), x, alpha, sigma)


def denoised(
    model: Network,
    law: Gaussian,
    weights: Float32[Tensor, " weights"],
    x: Float[Tensor, "n modes"],
    alpha: float,
    sigma: float,
) -> Float[Tensor, "n modes"]:
    """The denoiser with these weights."""
    mean, deviation = law.mean.to(x), deviation_of(law).to(x)
    cosine, sine, level = turned(deviation, alpha, torch.full_like(deviation, sigma))
    state = (x - alpha * mean) / level
    ratio = sigma / alpha if alpha > 0 else math.inf
    place = model.place_of(torch.full((1, 1), ratio, dtype=torch.float32, device=x.device))
    shapes = model.shapes(x.shape[-1])
    known = torch.where(deviation > 0, state, 0.0).float()
    rest = torch.cat([told(weights, shapes, part, place) for part in known.split(BLOCK)])
    return mean + deviation * (cosine * state + sine * rest.to(x))
