r"""What learning costs at a small noise level, as functions of pairs of eigenvalues.

For Langevin sampling at noise amplitude sigma with small steps gamma, far below the eigenvalues,

.. math:: E W_2^2 \approx \sum_i \frac{(\sigma^2 + \gamma/2)^2}{4 \lambda_i} + \sum_{ij} (1 + \delta_{ij})
    \Big[\frac1n k_{gen}(\lambda_i, \lambda_j) + \frac{\tau}{B \sigma^2} k_{sgd}(\lambda_i, \lambda_j)\Big],

for n samples with a known mean and stochastic gradients of step tau over B examples. `kernels.analyses.learning` has
the same at any level, for any sampler; these are its limits.
"""

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Modes

Pairs = Float64[Tensor, "*#pairs"]


def of_samples(a: Pairs, b: Pairs) -> Pairs:
    """k_gen: the cost of one sample's deviation; zero where both eigenvalues are."""
    return a * b / _positive(2 * (a + b))


def of_gradients(a: Pairs, b: Pairs) -> Pairs:
    """k_sgd of the plain update: the noise of a row grows with its own eigenvalue."""
    return a.square() * b.square() * (a.square() + b.square()) / _positive(4 * (a + b) ** 3)


def of_symmetrized_gradients(a: Pairs, b: Pairs) -> Pairs:
    """k_sgd of the update that is made symmetric at every step."""
    return a.square() * b.square() / _positive(8 * (a + b))


def _positive(values: Tensor) -> Tensor:
    return torch.where(values > 0, values, 1.0)


def best_amplitude(eigenvalues: Modes, rate: float, *, step_size: float = 0.0, symmetrized: bool = False) -> float:
    r"""The noise amplitude sigma at which noise and gradients together cost least.

    It is the root of :math:`2 P x^2 (x + \gamma/2) = \tau C / B` in :math:`x = \sigma^2`, with
    :math:`P = \sum 1/(4 \lambda)` and C the sum of k_sgd over pairs. `rate` is tau/B, `step_size` is gamma.

    Errors: `ValueError` for eigenvalues of which none is positive: no amplitude is best there.
    """
    positive = eigenvalues[eigenvalues > 0]
    if not len(positive):
        raise ValueError("The best noise amplitude needs eigenvalues above 0, got none.")
    cost = of_symmetrized_gradients if symmetrized else of_gradients
    table = cost(positive.unsqueeze(1), positive)
    target = rate * float(table.sum() + table.diagonal().sum())
    slope = 2 * float((0.25 / positive).sum())
    roots = np.roots([slope, 0.5 * slope * step_size, 0.0, -target])
    # One change of sign: one positive root.
    return float(roots[(roots.imag == 0) & (roots.real > 0)].real[0]) ** 0.5
