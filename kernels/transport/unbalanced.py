"""Transport that may make and destroy mass, at a price."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.param import POSITIVE, flag, param
from kernels.transport.base import COLD, Solver, Start, Watch, unwatched
from kernels.transport.problem import TransportProblem
from kernels.transport.softmin import soft_minima
from kernels.transport.solution import Coupling, History, Marginals, PotentialCoupling, Potentials, Solution, Status
from kernels.transport.telling import Telling


@final
@dataclass(frozen=True, eq=False)
class UnbalancedCoupling(PotentialCoupling):
    """A coupling with a price on missed marginals.

    `penalty_a` is the price of the rows' relative entropy to a, inf where they must be a; so for columns and b.
    """

    penalty_a: float
    penalty_b: float

    @property
    def targets(self) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " m"]]:
        """What the sums of rows and columns are at the optimum: the weights times exp(-f/ρ) and exp(-g/ρ)."""
        problem, potentials = self.problem, self.potentials
        f, g = potentials.potential_f, potentials.potential_g
        return (
            problem.weights_a * (-f / self.penalty_a).exp(),
            problem.weights_b * (-g / self.penalty_b).exp(),
        )

    @property
    def residual(self) -> float:
        """How far sums of rows and columns are from their targets, both together, as a share of the mean mass."""
        (rows, columns), found = self.targets, self.marginals
        missed = (found.rows - rows).abs().sum() + (found.columns - columns).abs().sum()
        return 2 * float(missed) / (self.problem.mass_a + self.problem.mass_b)

    @property
    def dual_value(self) -> float:
        """The dual objective: never above the primal value, and equal to it at the optimum."""
        problem, potentials = self.problem, self.potentials
        paid = _paid(problem.weights_a, potentials.potential_f, self.penalty_a)
        paid += _paid(problem.weights_b, potentials.potential_g, self.penalty_b)
        return paid - problem.epsilon * (self.mass - problem.mass_a * problem.mass_b)

    @property
    def primal_value(self) -> float:
        """Entropic cost plus the prices of both marginals; one that must be exact is taken to be so."""
        problem, found = self.problem, self.marginals
        price = _price(found.rows, problem.weights_a, self.penalty_a)
        return self.entropic_cost + price + _price(found.columns, problem.weights_b, self.penalty_b)


@final
@dataclass(frozen=True, kw_only=True)
class UnbalancedSinkhorn(Solver):
    r"""Damped alternating scalings for relaxed marginals, and after each the best constant moved between f and g.

    .. math:: \min_\pi \langle c, \pi \rangle + \varepsilon\,\mathrm{KL}(\pi \mid a \otimes b)
        + \rho_a\,\mathrm{KL}(\pi 1 \mid a) + \rho_b\,\mathrm{KL}(\pi^T 1 \mid b)

    Without the constant the error shrinks only by :math:`(\rho/(\rho + \varepsilon))^2` each time. Masses may be any;
    the error is how far rows and columns are from where their potentials want them, as a share of the mean mass.
    """

    formula = "f ← ρ/(ρ+ε) softmin(c − g),  f + t, g − t:  t = ½ρ (log⟨a, e^(−f/ρ)⟩ − log⟨b, e^(−g/ρ)⟩)"
    source = "Séjourné, Vialard and Peyré 2022, Faster unbalanced optimal transport: translation invariant Sinkhorn"
    penalty_a: float = param(
        1.0, "ρ_a", (1e-2, 1e2), "price of mass made or destroyed at x, in units of the cost", domain=POSITIVE, log=True
    )
    penalty_b: float = param(
        1.0, "ρ_b", (1e-2, 1e2), "price of mass made or destroyed at y, in units of the cost", domain=POSITIVE, log=True
    )
    relaxed_a: bool = flag(True, "", "whether mass at x may be made or destroyed")
    relaxed_b: bool = flag(True, "", "whether mass at y may be made or destroyed")
    translated: bool = flag(True, "", "whether the best constant is moved between the potentials each time")

    def solve(self, problem: TransportProblem, start: Start = COLD, watch: Watch = unwatched) -> Solution[Coupling]:
        if not (self.relaxed_a or self.relaxed_b):
            problem.check_balanced()
        penalty_a = self.penalty_a if self.relaxed_a else math.inf
        penalty_b = self.penalty_b if self.relaxed_b else math.inf
        telling, epsilon = Telling(watch), problem.epsilon
        a, b, beta = problem.weights_a, problem.weights_b, 1 / epsilon
        scale = 2 / (problem.mass_a + problem.mass_b)
        damp_a, damp_b = (1 / (1 + epsilon / penalty) for penalty in (penalty_a, penalty_b))
        f = start.potential_f if isinstance(start, Potentials) else torch.zeros_like(a)
        g, rows, errors = torch.zeros_like(b), a, list[float]()
        with soft_minima(problem, telling.look) as minima:
            for iteration in range(1, self.most_iterations + 1):
                g = damp_b * epsilon * minima.columns(beta * f, beta)
                # Columns are where they should be; the next f tells the sums of the rows.
                wanted = epsilon * minima.rows(beta * g, beta)
                rows = a * ((f - wanted) * beta).exp()
                errors.append(scale * float((rows - a * (-f / penalty_a).exp()).abs().sum()))
                telling.of(iteration, errors[-1], iteration / self.most_iterations)
                if not math.isfinite(errors[-1]) or errors[-1] <= self.tolerance:
                    break
                f = damp_a * wanted
                if self.translated:
                    # The next g is that of the moved f, and need not be moved itself.
                    f = f + _translation(a, f, penalty_a, b, g, penalty_b)
        coupling = UnbalancedCoupling(problem, Potentials(f, g), penalty_a, penalty_b)
        coupling.know(Marginals(rows, coupling.targets[1]))
        if not math.isfinite(errors[-1]):
            status = Status.DIVERGED
        else:
            status = Status.CONVERGED if coupling.residual <= self.tolerance else Status.UNFINISHED
        unknown = torch.full((len(errors),), torch.nan, dtype=torch.float64)
        history = History(torch.tensor(errors, dtype=torch.float64), unknown, torch.full_like(unknown, epsilon))
        return Solution(coupling, status, len(errors), telling.seconds, history, "unbalanced, 64 bits")


def _translation(a: Tensor, f: Tensor, penalty_a: float, b: Tensor, g: Tensor, penalty_b: float) -> float:
    """The constant to be added to f and taken from g that makes the dual value largest."""
    if math.isinf(penalty_a) and math.isinf(penalty_b):
        return 0.0
    harmonic = 1 / (1 / penalty_a + 1 / penalty_b)
    return harmonic * float((a.log() - f / penalty_a).logsumexp(0) - (b.log() - g / penalty_b).logsumexp(0))


def _paid(weights: Tensor, potential: Tensor, penalty: float) -> float:
    """A potential's part of the dual value, which without a price is linear."""
    if math.isinf(penalty):
        return float(weights @ potential)
    return float(weights @ (-penalty * (-potential / penalty).expm1()))


def _price(sums: Tensor, weights: Tensor, penalty: float) -> float:
    """The price of sums that are not the weights."""
    if math.isinf(penalty):
        return 0.0
    return penalty * float((torch.xlogy(sums, sums / weights).nan_to_num(nan=0.0) - sums + weights).sum())
