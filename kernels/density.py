r"""The density of steps that makes the leading error least.

With rho the fraction of the steps per unit of y, any coordinate of time, the relative first-order error of mode i is
:math:`C_i = \int \kappa_i(y) / \rho(y)\, dy`, and an objective :math:`\sum_i w_i C_i^2` has its minimum where
:math:`\rho^2 \propto \sum_i w_i C_i \kappa_i`. Kernels of both signs are replaced by their absolute values: the result
then makes a bound least.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from numpy.polynomial import legendre
from torch import Tensor

from kernels.arrays import Modes, Times, array
from kernels.expansion import Local, coefficients, leading
from kernels.processes import Process
from kernels.quadrature import POINTS, Rule

_ITERATIONS = 500
_SETTLED = 1e-13
# Halvings after which Newton's steps double the digits.
_HALVINGS, _NEWTON = 7, 4


# The weight of a mode by its exact variance at the end, and the power of C_i: KL has 1/4 of its square, W2 that times
# the variance; the surrogate of W2 is linear, so that its density is known at once.
OBJECTIVES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "wasserstein2": (lambda variance: variance / 4, 2),
    "kl": (lambda variance: torch.full_like(variance, 0.25), 2),
    "l1": (lambda variance: variance / 4, 1),
}


@dataclass(frozen=True, eq=False)
class Density:
    """Fraction of the steps per unit of minus log s, at the nodes of a rule."""

    rule: Rule
    values: Float64[Tensor, " nodes"]

    def levels(self, steps: int) -> Times:
        """Noise ratios between which equal shares of the steps lie, without the first and the last."""
        _, reached = self.rule.cumulative(self.values)
        shares = torch.arange(1, steps, dtype=torch.float64) / steps * reached[-1]
        panel = (torch.searchsorted(reached, shares) - 1).clamp(0, len(reached) - 2)
        edges, width = self.rule.edges[panel], self.rule.edges.diff()[panel]
        slope = _coefficients(self.values)[:, panel.numpy()]
        curve = legendre.legint(slope, lbnd=-1.0)
        wanted = (2 * (shares - reached[panel]) / width).numpy()
        low, high = -np.ones(len(shares)), np.ones(len(shares))
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            above = legendre.legval(middle, curve, tensor=False) > wanted
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        place = 0.5 * (low + high)
        for _ in range(_NEWTON):
            excess = legendre.legval(place, curve, tensor=False) - wanted
            place = np.clip(place - excess / legendre.legval(place, slope, tensor=False), low, high)
        return (-(edges + 0.5 * width * array(place + 1))).exp()

    def leading(self, found: Local, process: Process, counts: Modes) -> float:
        """N W2 as N grows, on the grid of this density."""
        times = found.times
        speed = 2 * process.sigma(times).square() / process.diffusion_squared(times)
        return leading(coefficients(found, speed / self.at(process.noise_ratio(times))), counts)

    def at(self, noise_ratios: Times) -> Times:
        """The density at some noise ratios."""
        place = -noise_ratios.log()
        edges = self.rule.edges
        panel = (torch.searchsorted(edges, place) - 1).clamp(0, len(edges) - 2)
        inside = (2 * (place - edges[panel]) / edges.diff()[panel] - 1).clamp(-1, 1)
        curve = _coefficients(self.values)[:, panel.numpy()]
        return array(legendre.legval(inside.numpy(), curve, tensor=False))


def _coefficients(values: Tensor) -> np.ndarray:
    """Legendre coefficients by panel."""
    nodes, _ = legendre.leggauss(POINTS)
    return np.linalg.solve(legendre.legvander(nodes, POINTS - 1), values.reshape(-1, POINTS).T.numpy())


def step_density(found: Local, process: Process, counts: Modes, objective: str) -> Density:
    """The density that makes the leading error least; `counts` are the numbers of modes."""
    rule, nodes = found.rule, len(found.rule.nodes)
    # d log s / dt = g^2 / (2 sigma^2)
    t = found.times[:nodes]
    speed = (2 * process.sigma(t).square() / process.diffusion_squared(t)).unsqueeze(1)
    # A mode without variance at the end has no relative error; none of the methods makes one there.
    final = torch.where(found.final > 0, found.final, torch.inf)
    kernels = (found.defect * found.kept)[:nodes].abs() * speed.square() / final
    weigh, power = OBJECTIVES[objective]
    weights = weigh(torch.where(found.final > 0, found.final, 0.0)) * counts
    density = _normalized((kernels @ weights).clamp_min(0).sqrt(), rule)
    for _ in range(_ITERATIONS if power == 2 else 0):
        errors = (rule.weights / density) @ kernels
        wanted = _normalized((kernels @ (weights * errors)).clamp_min(0).sqrt(), rule)
        # The plain iteration swings; the geometric mean with the former density settles.
        following = _normalized((density * wanted).sqrt(), rule)
        settled = bool(((following - density).abs() <= _SETTLED * density).all())
        density = following
        if settled:
            break
    return Density(rule, density)


def _normalized(values: Tensor, rule: Rule) -> Tensor:
    # Where no mode makes an error a few steps are left, so that the way from end to end stays finite.
    floored = values.clamp_min(1e-9 * float(values.max()) if float(values.max()) > 0 else 1.0)
    return floored / (rule.weights @ floored)
