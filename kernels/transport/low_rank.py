"""Couplings through a few clusters: transport in time and memory linear in the number of points."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.param import Interval, param
from kernels.transport.base import COLD, Solver, Start, Watch, unwatched
from kernels.transport.clusters import centers_of, shared
from kernels.transport.looking import Looking, OfDensity
from kernels.transport.problem import TransportProblem
from kernels.transport.solution import Coupling, History, Marginals, Solution, Status
from kernels.transport.telling import Telling

Left = Float64[Tensor, "n rank"]
Right = Float64[Tensor, "m rank"]
Masses = Float64[Tensor, " rank"]

# Iterations over which the cost has to fall.
_SPAN = 10
# A projection ends at this error of its rows, and what is left is put right once at the end.
_PROJECTED, _MOST_PROJECTIONS = 1e-3, 100
# Multiplicative steps never bring back what is zero, and a cluster without mass has no center.
_LEAST, _LEAST_MASS = 1e-100, 1e-10


@final
@dataclass(frozen=True, eq=False)
class LowRankCoupling(Coupling):
    """π = Q diag(1/g) Rᵀ: x goes to clusters of masses g by Q, and from them to y by R."""

    problem: TransportProblem
    left: Left
    right: Right
    masses: Masses

    def way_to_look(self) -> Looking:
        return OfDensity(self.problem, self._log_density)

    def _log_density(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        a, b = self.problem.weights_a[begin:end], self.problem.weights_b
        # A point without weight has no density: any number is as good.
        rows = self.left[begin:end] / torch.where(a > 0, a, 1.0)[:, None] / self.masses
        columns = self.right / torch.where(b > 0, b, 1.0)[:, None]
        return (rows @ columns.T).log_()

    @property
    def centers(self) -> tuple[Float64[Tensor, "rank d"], Float64[Tensor, "rank d"]]:
        """Means of the points of x, and of y, that go through each cluster."""
        x, y = self.problem.points_x, self.problem.points_y
        return self.left.T @ x / self.masses[:, None], self.right.T @ y / self.masses[:, None]

    @property
    def cost_by_cluster(self) -> Masses:
        """What each cluster has of the transport cost, from its points' means and spreads: in linear time."""
        x, y, (centers_x, centers_y) = self.problem.points_x, self.problem.points_y, self.centers
        spread = self.masses * (centers_x - centers_y).square().sum(1)
        for factor, points, centers in ((self.left, x, centers_x), (self.right, y, centers_y)):
            for k in range(len(self.masses)):
                spread[k] += factor[:, k] @ (points - centers[k]).square().sum(1)
        return spread


@final
@dataclass(frozen=True, kw_only=True)
class LowRankSinkhorn(Solver):
    r"""The cheapest coupling through r clusters, by mirror descent on its factors Q, R and g.

    .. math:: \min \langle c, Q\,\mathrm{diag}(1/g)\,R^T \rangle, \quad Q 1 = a,\; R 1 = b,\; Q^T 1 = R^T 1 = g

    The rank takes the place of ε, which plays no part. Marginals are exact; the tolerance is what the cost still falls
    in ten iterations, as a share of itself, and the history tells that. A minimum is local: its cost lies above the
    exact one, far above for a small rank.
    """

    formula = "Q ← proj Q ⊙ exp(−γ c R/g),  R ← proj R ⊙ exp(−γ cᵀQ/g),  g ← proj g ⊙ exp(γ ω/g²)"
    source = "Scetbon, Cuturi and Peyré 2021, Low-rank Sinkhorn factorization, algorithms 2 and 3"
    most_iterations: int = param(
        1000, "", (100, 10_000), "iterations after which to give up", domain=Interval(1, 10**9), log=True
    )
    rank: int = param(10, "r", (1, 100), "clusters that the coupling goes through", domain=Interval(1, 10**4), log=True)
    step: float = param(
        30.0,
        "γ₀",
        (0.1, 100.0),
        "step of the descent, over the square of the largest slope",
        domain=Interval(0.0, 1e4, includes_low=False),
        log=True,
    )
    seed: int = param(0, "", (0, 100), "what the first clusters are drawn with", domain=Interval(0, 2**63 - 1))

    def solve(self, problem: TransportProblem, start: Start = COLD, watch: Watch = unwatched) -> Solution[Coupling]:
        problem.check_balanced()
        if problem.power != 2:
            raise ValueError(
                f"low-rank transport needs the squared distance, whose cost is of low rank, got p = {problem.power:g}; "
                f"choose p = 2."
            )
        telling = Telling(watch)
        descent = _Descent.of(problem, telling)
        factors = descent.start(min(self.rank, len(problem.points_x), len(problem.points_y)), self.seed)
        costs, changes = [descent.cost(factors)], list[float]()
        status = Status.UNFINISHED
        for iteration in range(1, self.most_iterations + 1):
            factors = descent.moved(factors, self.step)
            costs.append(descent.cost(factors))
            before = costs[max(0, len(costs) - 1 - _SPAN)]
            changes.append(abs(before - costs[-1]) / before if before > 0 else 0.0)
            telling.of(iteration, changes[-1], iteration / self.most_iterations)
            if len(factors.g) == 1 or (iteration >= _SPAN and changes[-1] <= self.tolerance):
                status = Status.CONVERGED
                break
        masses = factors.g / factors.g.sum()
        left, right = _filled(factors.q, descent.a, masses), _filled(factors.r, descent.b, masses)
        unknown = torch.full((len(changes),), torch.nan, dtype=torch.float64)
        history = History(
            torch.tensor(changes, dtype=torch.float64), unknown, torch.full_like(unknown, problem.epsilon)
        )
        coupling = LowRankCoupling(problem, left, right, masses)
        coupling.know(Marginals(left @ (right.sum(0) / masses), right @ (left.sum(0) / masses)))
        return Solution(coupling, status, len(changes), telling.seconds, history, "low rank, 64 bits")


@dataclass(frozen=True, eq=False)
class _Factors:
    """Q, R and g; columns of the first two sum to g."""

    q: Left
    r: Right
    g: Masses


@dataclass(frozen=True, eq=False)
class _Descent:
    """Clouds about one center, in units in which the mean cost is one."""

    x: Float64[Tensor, "n d"]
    y: Float64[Tensor, "m d"]
    a: Float64[Tensor, " n"]
    b: Float64[Tensor, " m"]
    telling: Telling

    @staticmethod
    def of(problem: TransportProblem, telling: Telling) -> "_Descent":
        a, b = problem.weights_a / problem.mass_a, problem.weights_b / problem.mass_b
        center, size = b @ problem.points_y, problem.mean_cost**0.5 or 1.0
        return _Descent((problem.points_x - center) / size, (problem.points_y - center) / size, a, b, telling)

    def start(self, rank: int, seed: int) -> _Factors:
        """Both clouds, each about its own mean, shared among the same clusters: a shift changes no best coupling."""
        rng = torch.Generator().manual_seed(seed)
        x, y = self.x - self.a @ self.x, self.y - self.b @ self.y
        points, weights = torch.cat([x, y]), 0.5 * torch.cat([self.a, self.b])
        centers = centers_of(points, weights, rank, rng, self.telling.look)
        member = torch.cdist(points, centers).argmin(1)
        g = torch.zeros(rank, dtype=torch.float64).index_add_(0, member, weights)
        # Duplicated centers share what one of them got.
        g = 0.9 * g + 0.1 / rank
        look = self.telling.look
        return self.projected(shared(x, self.a, centers, g, look), shared(y, self.b, centers, g, look), g)

    def cost(self, factors: _Factors) -> float:
        """Mean cost, from the masses and means of clusters."""
        spread = factors.q.sum(1) @ self.x.square().sum(1) + factors.r.sum(1) @ self.y.square().sum(1)
        along = ((factors.q.T @ self.x) * (factors.r.T @ self.y)).sum(1) / factors.g
        return float(spread - 2 * along.sum())

    def moved(self, factors: _Factors, step: float) -> _Factors:
        """One step of mirror descent; what is the same along a row or in all clusters is left to the projection."""
        g = factors.g
        sums_x, sums_y = factors.q.T @ self.x, factors.r.T @ self.y
        spread_x, spread_y = factors.q.T @ self.x.square().sum(1), factors.r.T @ self.y.square().sum(1)
        slope_q = spread_y / g - 2 * self.x @ (sums_y / g[:, None]).T
        slope_r = spread_x / g - 2 * self.y @ (sums_x / g[:, None]).T
        slope_g = -((spread_x + spread_y) * g - 2 * (sums_x * sums_y).sum(1)) / g.square()
        self.telling.look()
        slopes = [slope_q - slope_q.amin(1, keepdim=True), slope_r - slope_r.amin(1, keepdim=True)]
        slopes.append(slope_g - slope_g.amin())
        size = max(1.0, *(float(slope.max()) for slope in slopes))
        gamma = step / size**2
        q, r, g = (
            value * (-gamma * slope).exp() for value, slope in zip((factors.q, factors.r, g), slopes, strict=True)
        )
        return self.projected(q, r, g)

    def projected(self, q: Left, r: Right, g: Masses) -> _Factors:
        """The nearest factors, in relative entropy, with the wanted rows and equal columns: Dykstra's rounds."""
        q, r = q.clamp(min=_LEAST), r.clamp(min=_LEAST)
        ones, u_q, u_r = torch.ones_like(g), self.a, self.b
        corrections = [ones, ones, ones, ones]
        v_q, v_r = ones, ones
        sums_q, sums_r = q @ v_q, r @ v_r
        for _ in range(_MOST_PROJECTIONS):
            self.telling.look()
            u_q, u_r = self.a / sums_q, self.b / sums_r
            lifted = g * corrections[0]
            g = lifted.clamp(min=_LEAST_MASS)
            corrections[0] = lifted / g
            columns_q, columns_r = u_q @ q, u_r @ r
            lifted = g * corrections[1]
            common = (lifted * (v_q * corrections[2] * columns_q) * (v_r * corrections[3] * columns_r)).pow(1 / 3)
            new_q, new_r = common / columns_q, common / columns_r
            corrections[1:] = [lifted / common, v_q * corrections[2] / new_q, v_r * corrections[3] / new_r]
            v_q, v_r, g = new_q, new_r, common
            sums_q, sums_r = q @ v_q, r @ v_r
            missed = (u_q * sums_q - self.a).abs().sum() + (u_r * sums_r - self.b).abs().sum()
            if float(missed) <= _PROJECTED:
                break
        return _Factors(u_q[:, None] * q * v_q, u_r[:, None] * r * v_r, g)


def _filled(factor: Left, weights: Float64[Tensor, " n"], masses: Masses) -> Left:
    """The factor with exact rows and columns: what is too much is scaled down, what is missing put on as a product."""
    rows = factor.sum(1)
    factor = factor * torch.where(rows > weights, weights / rows, 1.0)[:, None]
    columns = factor.sum(0)
    factor = factor * torch.where(columns > masses, masses / columns, 1.0)
    missing_rows, missing_columns = (weights - factor.sum(1)).clamp(min=0.0), (masses - factor.sum(0)).clamp(min=0.0)
    lacking = float(missing_columns.sum())
    return factor + torch.outer(missing_rows, missing_columns) / lacking if lacking > 0 else factor
