"""How fast the plain iteration must converge, and does; and which regularization leaves each point so many partners."""

import math
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.transport.base import COLD, Solver, Start, Watch, unwatched
from kernels.transport.problem import TransportProblem
from kernels.transport.solution import Coupling, EntropicCoupling

# Entries that are kept while they are multiplied many times.
_KEPT = 2**22
# Regularizations among which one is sought, over the mean cost, and how near in its logarithm it is enough to come.
_FRACTIONS, _NEAR = (1e-4, 1e2), 0.01


def gap_bound(problem: TransportProblem, iterations: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
    r"""What the dual gap cannot exceed after so many plain iterations from zero.

    .. math:: D_* - D_k \le 2\,\mathrm{osc}(c)^2 / \varepsilon k

    Source: Peyré 2026, Robust rates of Sinkhorn's algorithm; osc is the largest cost less the smallest.
    """
    return 2 * problem.oscillation**2 / (problem.epsilon * iterations)


def error_bound(gap: float, epsilon: float, iterations: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
    r"""What the least marginal error cannot exceed after so many plain iterations: :math:`\sqrt{2 D / \varepsilon k}`.

    D is the dual gap after the first one. Each iteration raises the dual value by ε times a relative entropy, which by
    Pinsker's inequality is at least half the square of the marginal error.
    """
    return (2 * gap / (epsilon * iterations)).sqrt()


def contraction_rate(coupling: Coupling) -> float:
    r"""By what factor the error of the plain iteration falls at last: :math:`\sigma_2^2` of the coupling scaled to
    :math:`D_a^{-1/2} \pi D_b^{-1/2}`, whose largest singular value is 1.

    For a coupling that is nearly exact. Points without mass are left out; a single point gives 0.
    """
    # A quarter of a second to import, and only needed here.
    from scipy.sparse.linalg import LinearOperator, eigsh

    problem, marginals = coupling.problem, coupling.marginals
    n, m = len(problem.points_x), len(problem.points_y)
    if min(n, m) == 1:
        return 0.0
    by_row, by_column = (sums.rsqrt().nan_to_num(posinf=0.0) for sums in (marginals.rows, marginals.columns))
    whole = coupling.whole() if n * m <= _KEPT else None

    def product(vector: np.ndarray) -> np.ndarray:
        v = by_column * torch.from_numpy(np.ascontiguousarray(vector.reshape(-1)))
        found = torch.zeros(m, dtype=torch.float64)
        for begin, end in problem.blocks():
            entries = coupling.entries(begin, end) if whole is None else whole[begin:end]
            found += (by_row[begin:end].square() * (entries @ v)) @ entries
        # The largest singular vectors are the roots of the marginals; without them the second is the first.
        first = marginals.columns.sqrt()
        return (by_column * found - first * (first @ (v / by_column.clamp(min=1e-300)))).numpy()

    start = np.cos(np.arange(m, dtype=np.float64) ** 2)
    operator = cast(Any, LinearOperator)((m, m), matvec=product, dtype=np.float64)
    largest = cast(Any, eigsh)(operator, k=1, which="LA", v0=start, return_eigenvectors=False, tol=1e-10)
    return min(1.0, max(0.0, float(largest[0])))


def measured_rate(errors: Float64[Tensor, " iterations"]) -> float:
    """By what factor errors fell in each of the last iterations, nan if fewer than three or none fell to above zero.

    The slope of their logarithms over the last third, where the fastest parts are gone.
    """
    last = errors[-max(2, len(errors) // 3) :].log()
    if len(errors) < 3 or not bool(last.isfinite().all()):
        return math.nan
    steps = torch.arange(len(last), dtype=torch.float64)
    steps = steps - steps.mean()
    return math.exp(float(steps @ last) / float(steps @ steps))


def epsilon_for_perplexity(
    problem: TransportProblem, perplexity: float, solver: Solver, watch: Watch = unwatched
) -> float:
    """The regularization at which points have so many partners, between 1e-4 and 100 of the mean cost.

    Each is solved from the one before. Values: an end of that range where there are more, or fewer, partners there.
    Errors: `ValueError` in one sentence for a number of partners that no coupling has, and as those of the solver.
    """
    most = len(problem.points_y)
    if not 1 < perplexity < most:
        raise ValueError(f"a point has more than 1 and fewer than {most} partners, got {perplexity}; choose between.")
    high, low = (math.log(fraction * problem.mean_cost) for fraction in reversed(_FRACTIONS))
    start, at = COLD, high
    ends: list[tuple[float, float]] = []
    # First down from the large end, where a solution takes no time; then between the last two.
    while not ends or (ends[-1][1] > math.log(perplexity) and at > low):
        at = max(low, high - len(ends) * math.log(4))
        value, start = _log_perplexity(problem.at(math.exp(at)), solver, start, watch)
        ends.append((at, value))
    if len(ends) == 1 or ends[-1][1] > math.log(perplexity):
        return math.exp(at)
    (high, more), (low, fewer) = ends[-2:]
    while high - low > _NEAR and more > fewer:
        share = (math.log(perplexity) - fewer) / (more - fewer)
        # Neither end stays for good.
        at = low + min(0.9, max(0.1, share)) * (high - low)
        value, start = _log_perplexity(problem.at(math.exp(at)), solver, start, watch)
        if abs(value - math.log(perplexity)) < _NEAR:
            return math.exp(at)
        high, more, low, fewer = (at, value, low, fewer) if value > math.log(perplexity) else (high, more, at, value)
    return math.exp(at)


def _log_perplexity(problem: TransportProblem, solver: Solver, start: Start, watch: Watch) -> tuple[float, Start]:
    coupling = solver.solve(problem, start, watch).coupling
    return math.log(coupling.perplexity), coupling.potentials if isinstance(coupling, EntropicCoupling) else COLD
