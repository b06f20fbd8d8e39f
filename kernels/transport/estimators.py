r"""Estimates of the squared 2-Wasserstein distance from clouds: the Sinkhorn divergence, and extrapolated.

.. math:: S_\epsilon = \mathrm{OT}_\epsilon(a, b) - \tfrac12 \mathrm{OT}_\epsilon(a, a)
    - \tfrac12 \mathrm{OT}_\epsilon(b, b), \quad R_\epsilon = 2 S_\epsilon - S_{\sqrt 2 \epsilon}

Between smooth laws the first is off by order two in epsilon, the second by order four. Standard errors take points for
independent draws: to first order an estimate moves by the mean of the potentials over them. They know nothing of the
bias that few points give, and are too small where the laws are nearly equal.

Source: Chizat, Roussillon, Léger, Vialard and Peyré 2020, Faster Wasserstein distance estimation with the Sinkhorn
divergence.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.distances.base import Estimate
from kernels.transport.base import COLD, Solver, Start, Watch, unwatched
from kernels.transport.problem import TransportProblem
from kernels.transport.softmin import soft_minima
from kernels.transport.solution import EntropicCoupling, Potentials
from kernels.transport.telling import Telling

Rows = Float64[Tensor, " n"]
Columns = Float64[Tensor, " m"]

# Averaged soft minima need five to fifteen rounds at any epsilon.
_MOST_ROUNDS = 1000


@final
@dataclass(frozen=True, eq=False)
class OwnTransport:
    """Entropic transport of a cloud to itself: one potential for both sides, its cost, and the marginal error left."""

    problem: TransportProblem
    potential: Rows
    cost: float
    error: float

    @property
    def coupling(self) -> EntropicCoupling:
        """The coupling, which is symmetric."""
        return EntropicCoupling(self.problem, Potentials(self.potential, self.potential))


def own_transport(problem: TransportProblem, tolerance: float, watch: Watch = unwatched) -> OwnTransport:
    """Transport of cloud x to itself at the problem's epsilon, to a marginal error of rows and columns together.

    Each round takes half of the old potential and half of the soft minimum. Errors: `ValueError` in one sentence for
    weights that do not sum to one.
    """
    problem = replace(problem, points_y=problem.points_x, weights_b=problem.weights_a)
    problem.check_balanced()
    telling, a, epsilon = Telling(watch), problem.weights_a, problem.epsilon
    f, sums, error = torch.zeros_like(a), torch.ones_like(a), math.inf
    with soft_minima(problem, telling.look) as minima:
        for iteration in range(_MOST_ROUNDS):
            wanted = epsilon * minima.rows(f / epsilon, 1 / epsilon)
            sums = ((f - wanted) / epsilon).exp()
            error = 2 * float(a @ (sums - 1).abs())
            telling.of(iteration, error, min(1.0, iteration / 15))
            if error <= tolerance:
                break
            f = 0.5 * (f + wanted)
    return OwnTransport(problem, f, float(2 * (a @ f) - epsilon * (a @ sums - 1)), error)


@final
@dataclass(frozen=True, eq=False)
class Divergence:
    """The Sinkhorn divergence by its three terms; `converged` says whether all were found to the tolerance."""

    coupling: EntropicCoupling
    own_a: OwnTransport
    own_b: OwnTransport
    converged: bool

    @cached_property
    def entropic(self) -> Estimate:
        """The entropic cost between the clouds, from the dual value: right to second order in the marginal error."""
        potentials = self.coupling.potentials
        return _estimate(self.coupling, self.coupling.dual_value, potentials.potential_f, potentials.potential_g)

    @property
    def estimate(self) -> Estimate:
        """The divergence."""
        value = self.entropic.value - 0.5 * (self.own_a.cost + self.own_b.cost)
        return _estimate(self.coupling, value, *self.influence)

    @property
    def influence(self) -> tuple[Rows, Columns]:
        """What the divergence changes by when a point gets more weight, but for constants."""
        potentials = self.coupling.potentials
        return potentials.potential_f - self.own_a.potential, potentials.potential_g - self.own_b.potential

    @property
    def displacement(self) -> Float64[Tensor, "n d"]:
        """Where each point of x is sent less where its own cloud sends it: half of what the divergence descends by."""
        return self.coupling.barycentric_map - self.own_a.coupling.barycentric_map


@final
@dataclass(frozen=True, eq=False)
class Richardson:
    """Divergences at epsilon and at the square root of two times it."""

    sharp: Divergence
    blurred: Divergence

    @property
    def estimate(self) -> Estimate:
        """Twice the sharp one less the blurred one."""
        value = 2 * self.sharp.estimate.value - self.blurred.estimate.value
        pairs = zip(self.sharp.influence, self.blurred.influence, strict=True)
        along_a, along_b = (2 * sharp - blurred for sharp, blurred in pairs)
        return _estimate(self.sharp.coupling, value, along_a, along_b)


def sinkhorn_divergence(
    problem: TransportProblem, solver: Solver, start: Start = COLD, watch: Watch = unwatched
) -> Divergence:
    """The divergence at the problem's epsilon, with potentials between the clouds from a solver of balanced transport.

    Errors: those of the solver, and `ValueError` in one sentence for one that finds no potentials, or at another
    epsilon.
    """
    solution = solver.solve(problem, start, _part(watch, 0.0, 0.6))
    coupling = solution.coupling
    if not isinstance(coupling, EntropicCoupling) or coupling.problem.epsilon != problem.epsilon:
        raise ValueError(
            f"a divergence needs potentials at the ε that was asked for, which {type(solver).__name__} does not find; "
            f"choose Sinkhorn."
        )
    own_a = own_transport(problem, solver.tolerance, _part(watch, 0.6, 0.2))
    own_b = own_transport(problem.swapped(), solver.tolerance, _part(watch, 0.8, 0.2))
    converged = solution.converged and max(own_a.error, own_b.error) <= solver.tolerance
    return Divergence(coupling, own_a, own_b, converged)


def richardson(problem: TransportProblem, solver: Solver, start: Start = COLD, watch: Watch = unwatched) -> Richardson:
    """Divergences at two epsilons, the larger first; errors as `sinkhorn_divergence`."""
    blurred = sinkhorn_divergence(problem.at(math.sqrt(2) * problem.epsilon), solver, start, _part(watch, 0.0, 0.5))
    sharp = sinkhorn_divergence(problem, solver, blurred.coupling.potentials, _part(watch, 0.5, 0.5))
    return Richardson(sharp, blurred)


def standard_error(weights: Float64[Tensor, " n"], influence: Float64[Tensor, " n"]) -> float:
    """Standard error of a weighted mean over independent draws; inf for a single one."""
    shares = weights / weights.sum()
    squares = float(shares.square().sum())
    if squares >= 1:
        return math.inf
    deviation = influence - shares @ influence
    return math.sqrt(float(shares.square() @ deviation.square()) / (1 - squares))


def _estimate(coupling: EntropicCoupling, value: float, along_a: Rows, along_b: Columns) -> Estimate:
    problem = coupling.problem
    error = math.hypot(standard_error(problem.weights_a, along_a), standard_error(problem.weights_b, along_b))
    return Estimate(value, error, (len(along_a), len(along_b)))


def _part(watch: Watch, done: float, share: float) -> Watch:
    """The watch as a part of the work hears it."""
    return lambda progress: watch(replace(progress, fraction=done + share * progress.fraction))
