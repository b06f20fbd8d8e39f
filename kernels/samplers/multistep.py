"""Methods that use the output of the former step again."""

from dataclasses import dataclass

import torch

from kernels.arrays import Anything
from kernels.problem import Problem
from kernels.samplers.base import TwoStep, V
from kernels.stochasticity import FLOW, Stochasticity


@dataclass(frozen=True, kw_only=True)
class DPMSolverPP2M(TwoStep):
    """DPM-Solver++ of order two with one evaluation a step: the denoiser extrapolated in log-SNR."""

    formula = "x′ = (σ′/σ) x − α′(e⁻ʰ − 1) D,  D = x̂₀ + (x̂₀ − x̂₀ᵖʳᵉᵛ) h/(2h_prev),  h = Δ log(α/σ)"
    source = "Lu et al. 2022, DPM-Solver++, algorithm 2"
    order = 2
    calls = 1
    final_calls = 1

    @property
    def limit_stochasticity(self) -> Stochasticity:
        return FLOW

    def step(self, x: V, former: V, before: Anything, t0: Anything, t1: Anything, problem: Problem) -> tuple[V, V]:
        alpha0, alpha1 = problem.alpha(t0), problem.alpha(t1)
        sigma0, sigma1 = problem.sigma(t0), problem.sigma(t1)
        # alpha'(1 - exp(-h)) = alpha' - alpha sigma'/sigma, also at s = inf and s' = 0.
        weight = ((sigma0 - sigma1) * alpha1 + sigma1 * (alpha1 - alpha0)) / sigma0
        step, past = _log_step(problem, t0, t1), _log_step(problem, before, t0)
        # A first step has no former output, one to zero noise an infinite step: both use the present one alone.
        alone = ~(torch.isfinite(step) & torch.isfinite(past) & (past != 0))
        ratio = 0.5 * torch.where(alone, 0.0, step) / torch.where(alone, 1.0, past)
        denoised = problem.denoiser(x, t0)
        moved = x + (sigma1 - sigma0) / sigma0 * x + weight * denoised
        return moved + weight * ratio * (denoised - former), denoised


def _log_step(problem: Problem, t0: Anything, t1: Anything) -> Anything:
    """Growth of log(alpha/sigma) over a step."""
    return 0.5 * (problem.process.log_snr(t1) - problem.process.log_snr(t0))
