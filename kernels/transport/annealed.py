"""Sinkhorn's algorithm while the regularization falls: one run from a blurred to a sharp coupling."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kernels.param import Interval, choice, flag, param
from kernels.transport.base import COLD, Solver, Start, Watch, unwatched
from kernels.transport.cooling import COOLINGS, Cooling, PowerCooling
from kernels.transport.problem import TransportProblem
from kernels.transport.rounding import rounded_cost
from kernels.transport.softmin import soft_minima
from kernels.transport.solution import Coupling, EntropicCoupling, History, Marginals, Potentials, Solution, Status
from kernels.transport.telling import Telling

Recorded = Float64[Tensor, " recorded"]


@final
@dataclass(frozen=True, eq=False)
class AnnealedPath:
    """What some iterations had reached.

    `errors` are marginal errors, all of the rows; columns are exact. `rounded_costs` are those of the nearest coupling
    with exact marginals, never below the cost without regularization.
    """

    iterations: Int64[Tensor, " recorded"]
    epsilons: Recorded
    errors: Recorded
    transport_costs: Recorded
    rounded_costs: Recorded


@final
@dataclass(frozen=True, kw_only=True)
class AnnealedSinkhorn(Solver):
    r"""Alternating scalings with a larger :math:`\beta = 1/\epsilon` each time, from that of the problem on.

    .. math:: u_t = -\log \sum_j b_j e^{v_{t-1,j} - \beta_t c_{ij}} + \delta_t u_{t-1}, \quad
        v_t = -\log \sum_i a_i e^{u_{t,i} - \beta_{t+1} c_{ij}}, \quad
        \pi_t = a b\, e^{u_t + v_t - \beta_{t+1} c}

    The error has a part of 1/β and, since scalings lag behind, one of the growth of β; debiased,
    with :math:`\delta_t = 1 - \beta_{t-1} / \beta_t`, the latter's first order is gone and cooling may be faster. The
    coupling found has the regularization of the last iteration.
    """

    formula = "u ← −log Σ b exp(v − βₜ c) (+ (1 − βₜ₋₁/βₜ) u),  v ← −log Σ a exp(u − βₜ₊₁ c)"
    source = "Chizat 2024, Annealed Sinkhorn for optimal transport: convergence, regularization path and debiasing"
    most_iterations: int = param(
        1000, "", (10, 10_000), "iterations after which to stop", domain=Interval(1, 10**9), log=True
    )
    cooling: Cooling = choice(PowerCooling(), COOLINGS, "how fast the regularization falls")
    debiased: bool = flag(True, "", "whether scalings are carried along when β grows, against their lag")

    def solve(self, problem: TransportProblem, start: Start = COLD, watch: Watch = unwatched) -> Solution[Coupling]:
        telling = Telling(watch)
        errors: list[float] = []
        duals: list[float] = []
        epsilons: list[float] = []
        state = None
        with closing(self._states(problem, start, telling, self.most_iterations)) as states:
            for state in states:
                errors.append(state.error)
                duals.append(state.dual_value)
                epsilons.append(state.epsilon)
                if not state.is_finite or state.error <= self.tolerance:
                    break
        assert state is not None, "there is at least one iteration"
        coupling = state.coupling
        if not state.is_finite:
            status = Status.DIVERGED
        else:
            status = Status.CONVERGED if sum(coupling.marginal_error) <= self.tolerance else Status.UNFINISHED
        history = History(*(torch.tensor(values, dtype=torch.float64) for values in (errors, duals, epsilons)))
        return Solution(coupling, status, len(errors), telling.seconds, history, "annealed, 64 bits")

    def path(
        self, problem: TransportProblem, at: tuple[int, ...], start: Start = COLD, watch: Watch = unwatched
    ) -> AnnealedPath:
        """What was reached after these numbers of iterations, increasing from 1, whatever the tolerance.

        Errors: as `solve`, and `ValueError` in one sentence for other numbers.
        """
        if not at or at[0] < 1 or any(later <= earlier for earlier, later in pairwise(at)):
            raise ValueError(f"a path is recorded after increasing numbers of iterations from 1 on, got {at}.")
        found: list[tuple[float, float, float, float]] = []
        telling = Telling(watch)
        with closing(self._states(problem, start, telling, at[-1])) as states:
            for state in states:
                if state.iterations in at:
                    coupling = state.coupling
                    found.append(
                        (state.epsilon, state.error, coupling.transport_cost, rounded_cost(coupling, telling.look))
                    )
        return AnnealedPath(torch.tensor(at), *torch.tensor(found, dtype=torch.float64).T)

    def _states(self, problem: TransportProblem, start: Start, telling: Telling, most: int) -> Generator["_State"]:
        problem.check_balanced()
        beta = 1 / problem.epsilon
        u, v = torch.zeros_like(problem.weights_a), torch.zeros_like(problem.weights_b)
        if isinstance(start, Potentials):
            u, v = beta * start.potential_f, beta * start.potential_g
        with soft_minima(problem, telling.look) as minima:
            scaled = minima.rows(v, beta)
            for t in range(most):
                now, after = (self.cooling.factor(t + k) for k in (0, 1))
                carried = 1 - self.cooling.factor(t - 1) / now if self.debiased and t else 0.0
                u = scaled + carried * u
                v = minima.columns(u, beta * after)
                # The next step needs it anyway, and it tells the sums of the rows now.
                scaled = minima.rows(v, beta * after)
                state = _State(problem, t + 1, u, v, beta * after, problem.weights_a * (u - scaled).exp())
                telling.of(t + 1, state.error, (t + 1) / most)
                yield state


@final
@dataclass(frozen=True, eq=False)
class _State:
    """Log-scalings after some iterations, and the sums of rows; columns are exact but for the last bits."""

    problem: TransportProblem
    iterations: int
    u: Float64[Tensor, " n"]
    v: Float64[Tensor, " m"]
    beta: float
    rows: Float64[Tensor, " n"]

    @property
    def error(self) -> float:
        return float((self.rows - self.problem.weights_a).abs().sum())

    @property
    def epsilon(self) -> float:
        return 1 / self.beta

    @property
    def is_finite(self) -> bool:
        return bool(self.u.isfinite().all() and self.v.isfinite().all())

    @property
    def dual_value(self) -> float:
        return float(self.problem.weights_a @ self.u + self.problem.weights_b @ self.v) / self.beta

    @property
    def coupling(self) -> EntropicCoupling:
        potentials = Potentials(self.u / self.beta, self.v / self.beta)
        coupling = EntropicCoupling(self.problem.at(self.epsilon), potentials)
        coupling.know(Marginals(self.rows, self.problem.weights_b))
        return coupling
