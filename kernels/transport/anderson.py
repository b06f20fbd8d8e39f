"""Anderson's acceleration of a fixed point: the combination of the last iterates whose residual would be smallest."""

import math

import numpy as np
from jaxtyping import Float64

Values = Float64[np.ndarray, " m"]

# No number is moved farther beyond the plain step; of log-scalings to the base 2 this is much.
_FARTHEST = 29.0
# An error so many times the best one means that the past misleads.
_WORSE = 3.0


class Anderson:
    """Steps towards a zero of a residual, whose plain step is x + residual; an additive constant means nothing.

    Once there is as much of a past as is remembered, every second step is plain: combinations of nothing but
    combinations are hard to tell from each other, and many times as many would be needed.

    Source: Anderson 1965, Iterative procedures for nonlinear integral equations; of type II in Fang and Saad 2009;
    Banerjee, Suryanarayana and Pask 2016, Periodic Pulay method, for the plain steps.
    """

    def __init__(self, weights: Values, memory: int, ridge: float) -> None:
        self._weights, self._memory, self._ridge = weights, memory, ridge
        self._steps, self._changes = (np.zeros((memory, len(weights))) for _ in range(2))
        self._products = np.zeros((memory, memory))
        self._seen, self._last = 0, (weights, weights)
        self._best, self._back = math.inf, weights
        self._fresh, self._is_plain = True, False

    def next(self, x: Values, residual: Values, error: float) -> Values:
        """Where to look next, from here; after a step that went wrong, back where the plain one led from the best."""
        residual = residual - self._weights @ residual
        if not error <= _WORSE * self._best:
            self._seen, self._fresh = 0, True
            # From here on anything better than now is welcome.
            self._best = math.inf
            return self._back
        if error < self._best:
            self._best, self._back = error, x + residual
        if self._memory and not self._fresh:
            self._remember(x - self._last[0], residual - self._last[1])
        self._last, self._fresh = (x, residual), False
        self._is_plain = self._seen > self._memory and not self._is_plain
        count = min(self._seen, self._memory)
        if count == 0 or self._is_plain:
            return x + residual
        correction = self._coefficients(count, residual) @ (self._steps[:count] + self._changes[:count])
        largest = float(np.abs(correction).max())
        if not math.isfinite(largest):
            self._seen = 0
            return x + residual
        moved = x + residual - correction * min(1.0, _FARTHEST / max(largest, _FARTHEST))
        return moved - self._weights @ moved

    def _remember(self, step: Values, change: Values) -> None:
        place = self._seen % self._memory
        self._steps[place], self._changes[place] = step, change
        self._seen += 1
        count = min(self._seen, self._memory)
        products = self._changes[:count] @ (self._weights * change)
        self._products[place, :count] = self._products[:count, place] = products

    def _coefficients(self, count: int, residual: Values) -> Float64[np.ndarray, " count"]:
        """Of the changes whose sum is nearest to the residual."""
        products = self._products[:count, :count]
        # Two iterates may leave the same residual; a product of two such sizes is still above zero.
        sizes = np.maximum(np.sqrt(np.diag(products)), 1e-150)
        normal = products / np.outer(sizes, sizes) + self._ridge * np.eye(count)
        return np.linalg.solve(normal, self._changes[:count] @ (self._weights * residual) / sizes) / sizes
