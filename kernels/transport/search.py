"""The way to the fixed point of Sinkhorn's iteration: from a large ε down, accelerated, in as many bits as needed."""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool

from kernels.transport.anderson import Anderson
from kernels.transport.interaction import Columns, Passes, Swept
from kernels.transport.problem import TransportProblem
from kernels.transport.solution import History, Marginals, Potentials, Status
from kernels.transport.telling import Telling

_LOG2_E = math.log2(math.e)
# Above this share of the mean cost the iteration is fast from anywhere; below, each ε is reached from one so much
# larger, at which the marginal error need only be loosely small.
_LARGE, _FALL, _LOOSE = 0.04, 4.0, 3e-3
# Entries of 32 bits have marginal errors of some 1e-7 of their own.
_FINE = 5e-7
# Iterations without a tenth of progress after which the error has stalled; sooner where it is as small as rounding, and
# where it need not be small.
_PATIENCE, _PATIENCE_ON_WAY, _PATIENCE_AT_FLOOR = 2000, 100, {32: 5, 64: 60}


class Search:
    """The iterations of one solution; all points have weight, and potentials u and v are to the base 2."""

    def __init__(
        self,
        problem: TransportProblem,
        tolerance: float,
        most_iterations: int,
        memory: int,
        passes: Passes,
        telling: Telling,
    ) -> None:
        self._problem, self._tolerance, self._most, self._memory = problem, tolerance, most_iterations, memory
        self._passes, self._telling = passes, telling
        self._a, self._b = problem.weights_a.numpy(), problem.weights_b.numpy()
        self._scale = _LOG2_E / problem.epsilon
        self._u, self._v = np.zeros(len(self._a)), np.zeros(len(self._b))
        self._bits = 64 if tolerance < _FINE else 32
        self._interaction = passes.interaction(self._bits, not self._levels())
        self._duals, self._epsilons = list[float](), list[float]()
        self.errors = list[float]()
        self.status = Status.UNFINISHED
        self.marginals = Marginals(problem.weights_a, problem.weights_b)

    @property
    def method(self) -> str:
        """How pairs were looked at in the end."""
        return self._interaction.method

    @property
    def potentials(self) -> Potentials:
        """In units of the cost."""
        return Potentials(torch.from_numpy(self._u / self._scale), torch.from_numpy(self._v / self._scale))

    @property
    def history(self) -> History:
        """Of all iterations, those at a larger ε first."""
        return History(
            *(torch.tensor(values, dtype=torch.float64) for values in (self.errors, self._duals, self._epsilons))
        )

    def run(self, former: Columns | None) -> None:
        """Iterate to the tolerance, from former potentials of the columns, in units of the cost, or from a large ε."""
        if former is not None:
            self._v = former * self._scale
        else:
            for epsilon in self._levels():
                self._turn_to(epsilon)
                self._approach()
            self._turn_to(self._problem.epsilon)
        self.status = self._finish()

    def _levels(self) -> list[float]:
        """Larger regularizations, falling."""
        # Of squared distances the mean costs nothing to know; of other powers its power is near enough.
        power = self._problem.power
        squared = self._problem if power == 2 else replace(self._problem, power=2.0)
        typical = squared.mean_cost ** (power / 2)
        levels = [self._problem.epsilon]
        while levels[-1] < _LARGE * typical:
            levels.append(_FALL * levels[-1])
        return levels[:0:-1]

    def _turn_to(self, epsilon: float) -> None:
        scale = _LOG2_E / epsilon
        self._u, self._v = self._u * (scale / self._scale), self._v * (scale / self._scale)
        self._scale = scale

    def _approach(self) -> None:
        """Iterate until the error is loosely small, or no longer falls."""
        anderson, best, since = self._anderson(), math.inf, 0
        while len(self.errors) < self._most:
            swept = self._pass()
            error = self.errors[-1]
            if not max(_LOOSE, self._tolerance) < error < math.inf or since > _PATIENCE_ON_WAY:
                return
            best, since = (error, 0) if error < 0.9 * best else (best, since + 1)
            self._v = anderson.next(self._v, -np.log2(swept.ratio), error)

    def _finish(self) -> Status:
        """Iterate until the error, measured anew, is within the tolerance."""
        target = self._tolerance
        anderson, best, since = self._anderson(), math.inf, 0
        while True:
            swept = self._pass()
            error = self.errors[-1]
            if not math.isfinite(error):
                return Status.DIVERGED
            best, since = (error, 0) if error < 0.9 * best else (best, since + 1)
            at_floor = since > _PATIENCE_AT_FLOOR[self._bits] and best < 20 * self._floor
            if error <= target or at_floor:
                measured = self._measure()
                if measured <= self._tolerance:
                    return Status.CONVERGED
                if error <= target and measured < 2 * error:
                    # Rounding shows; a little farther there is enough of a margin.
                    target = max(0.5 * error, error - 1.2 * (measured - self._tolerance))
                elif self._bits == 64:
                    return Status.FLOOR
                else:
                    self._refine()
                    target, anderson, best, since = self._tolerance, self._anderson(), math.inf, 0
                    continue
            if since > _PATIENCE or len(self.errors) >= self._most:
                self._measure()
                return Status.STALLED if since > _PATIENCE else Status.UNFINISHED
            self._v = anderson.next(self._v, -np.log2(swept.ratio), error)

    def _pass(self) -> Swept:
        """Rows made exact for the columns there are, and what is seen of columns then."""
        swept = self._interaction.sweep(self._scale, self._u, self._v)
        self._u = swept.u
        lost = ~(swept.ratio > 0)
        if lost.any():
            swept = Swept(swept.u, self._found_again(swept, lost))
        self.errors.append(float(self._b @ np.abs(swept.ratio - 1)))
        self._duals.append(float(self._a @ self._u + self._b @ self._v) / self._scale)
        self._epsilons.append(_LOG2_E / self._scale)
        self._telling.of(len(self.errors), self.errors[-1], self._fraction)
        return swept

    @property
    def _fraction(self) -> float:
        """The share of the way, on a logarithmic scale, that the error has come."""
        first, last, goal = self.errors[0], self.errors[-1], self._tolerance
        if not goal < first < math.inf:
            return 0.0
        return min(1.0, max(0.0, math.log(first / max(last, goal)) / math.log(first / goal)))

    def _found_again(self, swept: Swept, lost: Bool[np.ndarray, " m"]) -> Columns:
        """Sums of columns that lie so far out that nothing was left of them, from their largest exponents."""
        ratio, others = swept.ratio.copy(), self._problem.swapped()
        for j in np.flatnonzero(lost).tolist():
            exponents = swept.u + self._v[j] - self._scale * others.cost(j, j + 1)[0].numpy()
            largest = float(exponents.max())
            ratio[j] = max(2.0 ** max(largest, -1000.0) * float(self._a @ np.exp2(exponents - largest)), 1e-300)
        return ratio

    def _anderson(self) -> Anderson:
        return Anderson(self._b, self._memory, 1e-12)

    @property
    def _floor(self) -> float:
        """What rounding may leave of the marginal error."""
        if self._bits == 32:
            return 2.0**-22
        return 2.0**-52 * float(np.abs(self._u).max() + np.abs(self._v).max() + 1)

    def _measure(self) -> float:
        """The marginal error anew, rows and columns, in 64 bits."""
        rows, columns = self._passes.marginals(self._scale, self._u, self._v)
        self.marginals = Marginals(torch.from_numpy(rows), torch.from_numpy(columns))
        return float(np.abs(rows - self._a).sum() + np.abs(columns - self._b).sum())

    def _refine(self) -> None:
        """From here on in 64 bits; what was kept in 32 is let go first."""
        self._bits = 64
        del self._interaction
        self._interaction = self._passes.interaction(self._bits, False)
