"""DDIM and DDPM: exact in the linear part, so that only the noise levels matter."""

from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.param import UNIT, param
from kernels.problem import Problem
from kernels.samplers.base import Noise, OneStep, V
from kernels.stochasticity import REVERSE, Constant, Stochasticity


@dataclass(frozen=True, kw_only=True)
class DDIM(OneStep):
    """Denoise, then noise again to the next level, with fresh noise in proportion eta."""

    formula = "x′ = α′ x̂₀ + √(σ′² − α′² u²) ξ̂ + α′ u ξ,  u² = η² s′² (1 − s′²/s²)"
    source = "Song, Meng and Ermon 2021, Denoising diffusion implicit models, eq. 12 and 16"
    order = 1
    calls = 1
    final_calls = 1
    eta: float = param(0.0, "η", (0.0, 1.0), "0 is deterministic, 1 ancestral", domain=UNIT)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return Constant(self.eta**2)

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        fresh = self.eta**2 * _posterior_variance(problem, t0, t1)
        moved = _renoise(x, t0, t1, problem, fresh)
        return moved if self.limit_stochasticity.is_zero else moved + noise(fresh)


@dataclass(frozen=True, kw_only=True)
class DDPM(OneStep):
    """The ancestral step, with the variance of its noise between the two classical choices."""

    formula = "DDIM(η = 1) with noise variance (1 − w) α′² s′² (1 − s′²/s²) + w α′² (s² − s′²)"
    source = "Ho et al. 2020, Denoising diffusion probabilistic models, section 3.2"
    order = 1
    calls = 1
    final_calls = 1
    variance_share: float = param(0.0, "w", (0.0, 1.0), "0 the small posterior variance, 1 the large one", domain=UNIT)

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return REVERSE

    def step(self, x: V, t0: Anything, t1: Anything, problem: Problem, noise: Noise[V]) -> V:
        small = _posterior_variance(problem, t0, t1)
        variance = small
        if self.variance_share > 0:
            alpha = problem.alpha(t1)
            s0, s1 = problem.sigma(t0) / problem.alpha(t0), problem.sigma(t1) / problem.alpha(t1)
            variance = (1 - self.variance_share) * small + self.variance_share * alpha.square() * (s0 - s1) * (s0 + s1)
        return _renoise(x, t0, t1, problem, small) + noise(variance)


def _posterior_variance(problem: Problem, t0: Anything, t1: Anything) -> Anything:
    """Variance of x_t1 given x_t0 and the data; in alpha and sigma, so that s0 = inf and s1 = 0 are regular."""
    sigma0, sigma1 = problem.sigma(t0), problem.sigma(t1)
    alpha0, alpha1 = problem.alpha(t0), problem.alpha(t1)
    # 1 - (s1/s0)^2 from the difference of the levels, which the times give without cancellation.
    gap = (sigma0 - sigma1) * alpha1 + sigma1 * (alpha1 - alpha0)
    total = sigma0 * alpha1 + sigma1 * alpha0
    return (sigma1 / (alpha1 * sigma0)).square() * gap * total


def _renoise(x: V, t0: Anything, t1: Anything, problem: Problem, fresh: Anything) -> V:
    """alpha1 x0 + sqrt(sigma1^2 - fresh) noise, as the state plus what changes."""
    sigma0, sigma1 = problem.sigma(t0), problem.sigma(t1)
    left = (sigma1.square() - fresh).clamp_min(0)
    # sqrt(sigma1^2 - fresh) - sigma1 without cancellation where fresh noise is small, and never a quotient of zeros,
    # so that there are derivatives too.
    roots = torch.where(left > 0, left, 1.0).sqrt() * (left > 0) + sigma1
    lost = fresh / torch.where(roots > 0, roots, 1.0)
    signal = (problem.alpha(t1) - problem.alpha(t0)) * problem.denoiser(x, t0)
    return x + signal + (sigma1 - sigma0 - lost) * problem.noise_prediction(x, t0)
