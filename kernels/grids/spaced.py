"""Grids that are uniform in some coordinate of time or noise level."""

from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.grids.base import Spaced
from kernels.param import POSITIVE, param
from kernels.processes import Process


@dataclass(frozen=True, kw_only=True)
class Uniform(Spaced):
    """Equal steps in the process's time."""

    formula = "tₖ = t₀ + (k/N)(t_N − t₀)"
    source = "the grid of Ho et al. 2020 and Song et al. 2021"

    def coordinate(self, t: Anything, process: Process) -> Anything:
        return t

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return coordinate


@dataclass(frozen=True, kw_only=True)
class LogUniform(Spaced):
    """Equal steps in the logarithm of the noise level s = sigma/alpha, that is, in log-SNR."""

    formula = "log sₖ = log s₀ + (k/N)(log s_N − log s₀),  s = σ/α"
    source = "Lu et al. 2022, DPM-Solver, section 3.3"

    def coordinate(self, t: Anything, process: Process) -> Anything:
        return process.noise_ratio(t).log()

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return process.time_of(coordinate.exp())


@dataclass(frozen=True, kw_only=True)
class Karras(Spaced):
    """Equal steps in a power of the noise level s = sigma/alpha."""

    formula = "sₖ = (s₀^(1/ρ) + (k/N)(s_N^(1/ρ) − s₀^(1/ρ)))^ρ,  s = σ/α"
    source = "Karras et al. 2022, Elucidating the design space of diffusion-based generative models, eq. 5"
    rho: float = param(7.0, "ρ", (1.0, 12.0), "the larger, the more steps at low noise", domain=POSITIVE)

    def coordinate(self, t: Anything, process: Process) -> Anything:
        return process.noise_ratio(t) ** (1 / self.rho)

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return process.time_of(coordinate**self.rho)


@dataclass(frozen=True, kw_only=True)
class Tangent(Spaced):
    """Equal angles: the optimal grid of the flow equation for one eigenvalue scale^2."""

    formula = "sₖ = c tan θₖ,  θ uniform,  s = σ/α"
    source = "Sabour et al. 2024, Align Your Steps, theorem 3.1"
    scale: float = param(0.5, "c", (1e-2, 1e2), "standard deviation the grid is made for", domain=POSITIVE, log=True)

    def coordinate(self, t: Anything, process: Process) -> Anything:
        return torch.atan2(process.sigma(t), self.scale * process.alpha(t))

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return process.time_of(self.scale * coordinate.tan())


@dataclass(frozen=True, kw_only=True)
class Shifted(Spaced):
    """Equal steps in flow-matching time, shifted: every noise level is multiplied by the shift."""

    formula = "uₖ uniform,  sₖ = k uₖ/(1 − uₖ),  s = σ/α"
    source = "Esser et al. 2024, Scaling rectified flow transformers, section 5.3.2"
    shift: float = param(3.0, "k", (0.1, 10.0), "factor on the noise level", domain=POSITIVE, log=True)

    def coordinate(self, t: Anything, process: Process) -> Anything:
        sigma = process.sigma(t)
        return sigma / (sigma + self.shift * process.alpha(t))

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return process.time_of(self.shift * coordinate / (1 - coordinate))


@dataclass(frozen=True, kw_only=True)
class Power(Spaced):
    """Equal steps in a power of the process's time."""

    formula = "tₖ = (t₀^(1/ρ) + (k/N)(t_N^(1/ρ) − t₀^(1/ρ)))^ρ"
    source = "the polynomial family: ρ = 1 is uniform, 2 the quadratic grid of Song, Meng and Ermon 2021"
    rho: float = param(2.0, "ρ", (0.5, 10.0), "the larger, the more steps at the end", domain=POSITIVE)

    def coordinate(self, t: Anything, process: Process) -> Anything:
        return t ** (1 / self.rho)

    def time(self, coordinate: Anything, process: Process) -> Anything:
        return coordinate**self.rho
