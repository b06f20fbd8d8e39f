"""Sinkhorn's algorithm, accelerated: the coupling of two clouds to any marginal error."""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool
from torch import Tensor

from kernels.arrays import place_of
from kernels.crew import Crew, single_threads
from kernels.param import Interval, option, param
from kernels.transport.base import COLD, Solver, Start, Watch, check_start, unwatched
from kernels.transport.interaction import STORAGES, OnCores, Passes
from kernels.transport.problem import TransportProblem
from kernels.transport.search import Search
from kernels.transport.solution import Coupling, EntropicCoupling, Marginals, Potentials, Solution
from kernels.transport.telling import Telling

# Weights that sum to one but for so much need not be made to.
_ROUNDING = 1e-13


@final
@dataclass(frozen=True, kw_only=True)
class Sinkhorn(Solver):
    r"""Alternating scalings of rows and columns, the logarithms of the latter accelerated.

    .. math:: f_i = -\varepsilon \log \sum_j b_j e^{(g_j - c_{ij}) / \varepsilon}, \quad
        g_j \leftarrow g_j - \varepsilon \log \sum_i a_i e^{(f_i + g_j - c_{ij}) / \varepsilon}

    Both sums of an iteration are of the same exponentials, each computed once. A small ε is reached from
    larger ones, each a quarter of the one before.
    Columns go Anderson's way on log-scalings, with as many iterates as `memory`; none is the plain algorithm. Rows are
    exact, so the error is that of columns.
    """

    formula = "f ← −ε log Σ b exp((g − c)/ε),  g ← −ε log Σ a exp((f − c)/ε)"
    source = "Cuturi 2013, Sinkhorn distances; Anderson 1965, Iterative procedures for nonlinear integral equations"
    memory: int = param(
        10, "m", (0, 20), "former iterates that the next one is combined from; 0 is plain", domain=Interval(0, 100)
    )
    storage: str = option("automatic", "", STORAGES, "whether exponentials are kept in memory or formed at each look")
    device: str = option("cpu", "", ("cpu", "cuda"), "processor, or an NVIDIA graphics card, where nothing is stored")

    def solve(self, problem: TransportProblem, start: Start = COLD, watch: Watch = unwatched) -> Solution[Coupling]:
        try:
            with single_threads():
                return self._solve(problem, start, watch)
        except torch.OutOfMemoryError:
            n, m = len(problem.points_x), len(problem.points_y)
            raise ValueError(
                f"the memory of {self.device} does not suffice for clouds of {n} and {m} points; choose fewer, or use "
                f"cpu."
            ) from None

    def _solve(self, problem: TransportProblem, start: Start, watch: Watch) -> Solution[Coupling]:
        problem.check_balanced()
        check_start(problem, start)
        telling = Telling(watch)
        # Points without weight take no part; their potentials are told by the others.
        has_a, has_b = problem.weights_a > 0, problem.weights_b > 0
        with Crew() as crew:
            present = _restricted(problem, has_a, has_b)
            passes = self._passes(present, crew, telling)
            search = Search(present, self.tolerance, self.most_iterations, self.memory, passes, telling)
            search.run(start.potential_g[has_b].numpy() if isinstance(start, Potentials) else None)
        coupling = EntropicCoupling(problem, _extended(problem, search.potentials, has_a, has_b))
        rows, columns = (torch.zeros_like(weights) for weights in (problem.weights_a, problem.weights_b))
        rows[has_a], columns[has_b] = search.marginals.rows * problem.mass_a, search.marginals.columns * problem.mass_b
        coupling.know(Marginals(rows, columns))
        iterations = len(search.errors)
        return Solution(coupling, search.status, iterations, telling.seconds, search.history, search.method)

    def _passes(self, problem: TransportProblem, crew: Crew, telling: Telling) -> Passes:
        if self.device == "cpu":
            return OnCores(problem, self.tolerance, self.storage, crew, telling.look)
        if self.storage == "stored":
            raise ValueError("exponentials are not stored on device cuda; choose storage automatic or streamed.")
        place = place_of(self.device)
        from kernels.transport.card import OnCard

        return OnCard(problem, self.tolerance, place, telling.look)


def _restricted(problem: TransportProblem, has_a: Bool[Tensor, " n"], has_b: Bool[Tensor, " m"]) -> TransportProblem:
    """The points that have weight, and weights that sum to one but for the last rounding."""
    a, b = problem.weights_a[has_a], problem.weights_b[has_b]
    rounding = max(abs(problem.mass_a - 1), abs(problem.mass_b - 1))
    if len(a) == len(has_a) and len(b) == len(has_b) and rounding < _ROUNDING:
        return problem
    return replace(
        problem,
        points_x=problem.points_x[has_a],
        points_y=problem.points_y[has_b],
        weights_a=a / a.sum(),
        weights_b=b / b.sum(),
    )


def _extended(
    problem: TransportProblem, found: Potentials, has_a: Bool[Tensor, " n"], has_b: Bool[Tensor, " m"]
) -> Potentials:
    """Potentials of all points; where there is no weight those that the others make optimal."""
    if has_a.all() and has_b.all():
        return found
    f, g = torch.empty_like(problem.weights_a), torch.empty_like(problem.weights_b)
    f[has_a], g[has_b] = found.potential_f, found.potential_g
    for values, has, others, known, weights in (
        (f, has_a, problem, g[has_b], problem.weights_b[has_b]),
        (g, has_b, problem.swapped(), f[has_a], problem.weights_a[has_a]),
    ):
        missing, present = (~has).nonzero()[:, 0], has_b if others is problem else has_a
        for k in missing.tolist():
            exponents = (known - others.cost(k, k + 1)[0, present]) / problem.epsilon
            values[k] = -problem.epsilon * torch.logsumexp(exponents + weights.log(), 0)
    return Potentials(f, g)
