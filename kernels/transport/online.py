"""Transport between laws that are only drawn from: potentials that learn from every batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.param import Interval, param
from kernels.transport.base import COLD, Solver, Start, Watch, unwatched
from kernels.transport.problem import BLOCK, TransportProblem, weighted_problem
from kernels.transport.softmin import soft_minima
from kernels.transport.solution import Coupling, EntropicCoupling, History, Marginals, Potentials, Solution, Status
from kernels.transport.telling import Telling

Points = Float64[Tensor, "n d"]
# So many points of a law, drawn with a generator: `Population.sample` is one.
Draw = Callable[[int, torch.Generator], Points]

_SLOWLY = 0.1
# Beyond a safe rate of averaging by this much, errors of the batches die out.
_MARGIN = 0.1


@final
@dataclass(frozen=True, eq=False)
class Mixture:
    r"""A potential that is defined everywhere: :math:`-\epsilon \log \sum_k e^{w_k - |x - z_k|^p / \epsilon}`."""

    points: Points
    log_weights: Float64[Tensor, " n"]
    epsilon: float
    power: float

    def __call__(self, x: Float64[Tensor, "m d"]) -> Float64[Tensor, " m"]:
        """The potential at points."""
        return self.at(x, lambda: None)

    def at(self, x: Float64[Tensor, "m d"], look: Callable[[], None]) -> Float64[Tensor, " m"]:
        """The potential at points; `look` is called between blocks, and what it raises ends the work."""
        potential = torch.zeros(len(x), dtype=torch.float64)
        if not len(self.points):
            return potential
        rows = max(1, BLOCK // len(self.points))
        for begin in range(0, len(x), rows):
            look()
            potential[begin : begin + rows] = self._exponents(x[begin : begin + rows]).logsumexp(1)
        return potential.mul_(-self.epsilon)

    def gradient(self, x: Float64[Tensor, "m d"]) -> Float64[Tensor, "m d"]:
        r"""Its gradient for p = 2, :math:`2 (x - T(x))` with the mean T(x) of where x is sent."""
        blocks = x.split(max(1, BLOCK // len(self.points)))
        return 2 * (x - torch.cat([self._exponents(rows).softmax(1) @ self.points for rows in blocks]))

    def _exponents(self, rows: Tensor) -> Tensor:
        distances = torch.cdist(rows, self.points, compute_mode="donot_use_mm_for_euclid_dist")
        return self.log_weights - distances.pow(self.power) / self.epsilon


@final
@dataclass(frozen=True, eq=False)
class OnlinePotentials:
    """Potentials of two laws, and how many points of each were drawn for them.

    `costs` estimates the entropic cost before each step, from that step's points, which the potentials had not seen.
    """

    f: Mixture
    g: Mixture
    drawn: int
    costs: Float64[Tensor, " steps"]


@final
@dataclass(frozen=True, kw_only=True)
class OnlineSinkhorn(Solver):
    r"""Soft minima averaged over batches that are drawn anew, in the exponential.

    .. math:: e^{-f/\varepsilon} \leftarrow (1 - \eta_t) e^{-f/\varepsilon}
        + \frac{\eta_t}{n_t} \sum_{k} e^{(g(y_k) - c(\cdot, y_k))/\varepsilon}

    and the same for g, with :math:`n_t = B (1 + 0.1 t)^b` new points and :math:`\eta_t = (1 + 0.1 t)^{b/2 - 1.1}`. The
    potentials remember all points drawn, so that a step takes as long as there are such points times new ones. In
    `solve` the clouds themselves are drawn from; errors of a step are not known without a look at all pairs, and the
    history has none but the last.
    """

    formula = "e^(−f/ε) ← (1 − ηₜ) e^(−f/ε) + ηₜ mean over y of e^((g(y) − c(·, y))/ε)"
    source = "Mensch and Peyré 2020, Online Sinkhorn: optimal transport distances from sample streams"
    most_iterations: int = param(200, "", (10, 1000), "batches drawn", domain=Interval(1, 10**6), log=True)
    batch: int = param(20, "B", (1, 1000), "points in the first batch", domain=Interval(1, 10**6), log=True)
    growth: float = param(0.5, "b", (0.0, 1.0), "power with which batches grow", domain=Interval(0.0, 2.0))
    seed: int = param(0, "", (0, 100), "what the batches are drawn with", domain=Interval(0, 2**63 - 1))

    def solve(self, problem: TransportProblem, start: Start = COLD, watch: Watch = unwatched) -> Solution[Coupling]:
        problem.check_balanced()
        telling = Telling(watch)
        learned = self._stream(
            _resampled(problem.points_x, problem.weights_a),
            _resampled(problem.points_y, problem.weights_b),
            problem.epsilon,
            problem.power,
            telling,
        )
        f, g = learned.f.at(problem.points_x, telling.look), learned.g.at(problem.points_y, telling.look)
        coupling = EntropicCoupling(problem, Potentials(f, g))
        u, v = f / problem.epsilon, g / problem.epsilon
        with soft_minima(problem, telling.look) as minima:
            rows = problem.weights_a * (u - minima.rows(v, 1 / problem.epsilon)).exp()
            columns = problem.weights_b * (v - minima.columns(u, 1 / problem.epsilon)).exp()
        coupling.know(Marginals(rows, columns))
        error = sum(coupling.marginal_error)
        if not math.isfinite(error):
            status = Status.DIVERGED
        else:
            status = Status.CONVERGED if error <= self.tolerance else Status.UNFINISHED
        errors = torch.full((self.most_iterations,), torch.nan, dtype=torch.float64)
        errors[-1] = error
        history = History(errors, learned.costs, torch.full_like(errors, problem.epsilon))
        return Solution(coupling, status, self.most_iterations, telling.seconds, history, "online, 64 bits")

    def stream(
        self, draw_x: Draw, draw_y: Draw, epsilon: float, power: float = 2.0, watch: Watch = unwatched
    ) -> OnlinePotentials:
        """Potentials of the laws that are drawn from.

        Errors: `ValueError` in one sentence for an epsilon that is not positive, or draws that are no clouds.
        """
        return self._stream(draw_x, draw_y, epsilon, power, Telling(watch))

    def _stream(self, draw_x: Draw, draw_y: Draw, epsilon: float, power: float, telling: Telling) -> OnlinePotentials:
        rng = torch.Generator().manual_seed(self.seed)
        first = draw_x(self.batch, rng)
        nothing = Mixture(first[:0], first[:0, 0], epsilon, power)
        f, g, drawn, costs = nothing, nothing, 0, list[float]()
        for t in range(self.most_iterations):
            telling.of(t, math.nan, t / self.most_iterations)
            age = 1 + _SLOWLY * t
            count = max(1, round(self.batch * age**self.growth))
            rate = min(1.0, age ** (0.5 * self.growth - 1 - _MARGIN))
            x, y = draw_x(count, rng), draw_y(count, rng)
            if t == 0:
                # Refuses what is no cloud, with the words of a problem.
                weights = torch.full((count,), 1 / count, dtype=torch.float64)
                weighted_problem(x, weights, y, weights, epsilon, power)
            at_y = g.at(y, telling.look)
            costs.append(float(f.at(x, telling.look).mean() + at_y.mean()))
            f = _learned(f, y, at_y, rate)
            g = _learned(g, x, f.at(x, telling.look), rate)
            drawn += count
        return OnlinePotentials(f, g, drawn, torch.tensor(costs, dtype=torch.float64))


def _learned(old: Mixture, points: Points, potential: Tensor, rate: float) -> Mixture:
    """The old mixture, less by the rate, and the soft minimum over new points."""
    kept = old.log_weights + math.log1p(-rate) if rate < 1 else old.log_weights[:0]
    added = potential / old.epsilon + math.log(rate / len(points))
    where = torch.cat([old.points[: len(kept)], points])
    return Mixture(where, torch.cat([kept, added]), old.epsilon, old.power)


def _resampled(points: Points, weights: Float64[Tensor, " n"]) -> Draw:
    """Draws from a cloud."""
    return lambda count, rng: points[torch.multinomial(weights, count, replacement=True, generator=rng)]
