"""What is transported: two weighted clouds of points, the cost between them, and how much the coupling is blurred."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.crew import single_threads
from kernels.transport.products import KeptProducts

# Entries of the cost that are formed at once, in 64 bits: with what is computed from them, well below 64 MB.
BLOCK = 2**20
# With more coordinates, squared distances are cheaper from products of matrices.
FEW = 16
# Pairs of which these are kept: 32 MB, for each of the last few pairs of clouds.
KEPT = 2**22
# A balanced problem has weights that sum to one; those of a sum of many roundings are brought there.
_SLACK = 1e-6
# A mean cost of a smaller share of squared coordinates may be rounding.
_ROUNDING = 1e-20


@dataclass(frozen=True, eq=False)
class TransportProblem:
    r"""Clouds x and y with weights a and b, the cost :math:`c_{ij} = |x_i - y_j|^p`, and the regularization ε.

    .. math:: \min_\pi \sum_{ij} c_{ij} \pi_{ij} + \varepsilon\,\mathrm{KL}(\pi \mid a \otimes b)

    The cost is not halved, and ε is in its units. Weights are any masses; solvers of balanced problems ask for sums of
    one with `check_balanced`.

    Errors: `ValueError` in one sentence for clouds that are empty, not finite or of different dimensions, weights that
    are negative, not finite, of no mass or of another length, and ε or p that are not positive.
    """

    # Sizes that do not fit together are refused in words below.
    points_x: Float64[Tensor, "n d"]
    points_y: Float64[Tensor, "m others"]
    weights_a: Float64[Tensor, " a"]
    weights_b: Float64[Tensor, " b"]
    epsilon: float
    power: float = 2.0

    @single_threads()
    def __post_init__(self) -> None:
        for name, points in (("x", self.points_x), ("y", self.points_y)):
            _check_points(name, points)
        d, others = self.points_x.shape[1], self.points_y.shape[1]
        if d != others:
            raise ValueError(f"cloud x has {d} coordinates and cloud y has {others}; both must have equally many.")
        _check_weights("a", self.weights_a, "x", len(self.points_x))
        _check_weights("b", self.weights_b, "y", len(self.points_y))
        for name, value, meaning in (
            ("ε", self.epsilon, "the regularization"),
            ("p", self.power, "the power of the distance"),
        ):
            if not 0 < value < float("inf"):
                raise ValueError(f"{meaning} {name} must be positive and finite, got {value}; choose a larger one.")

    @property
    def mass_a(self) -> float:
        """The sum of the weights of x."""
        return float(self.weights_a.sum())

    @property
    def mass_b(self) -> float:
        """The sum of the weights of y."""
        return float(self.weights_b.sum())

    def check_balanced(self) -> None:
        """Refuse weights that do not sum to one.

        Errors: `ValueError` in one sentence with the sum.
        """
        for name, mass in (("a", self.mass_a), ("b", self.mass_b)):
            if abs(mass - 1) > _SLACK:
                raise ValueError(
                    f"weights {name} must sum to 1 for balanced transport, got a sum of {mass:.9g}; divide them by it, "
                    f"or choose unbalanced transport."
                )

    def at(self, epsilon: float) -> Self:
        """The same clouds with another regularization, in the units of the cost."""
        return self._keeping(replace(self, epsilon=epsilon))

    def relative(self, fraction: float) -> Self:
        """The same clouds with a regularization that is a fraction of the mean cost.

        Errors: `ValueError` in one sentence where all costs are zero, so that no fraction is positive.
        """
        if self.mean_cost == 0 and fraction > 0:
            raise ValueError("all points of both clouds coincide and every cost is 0; choose ε in absolute units.")
        return self.at(fraction * self.mean_cost)

    @property
    def fraction(self) -> float:
        """The regularization as a fraction of the mean cost; inf where that is zero."""
        return self.epsilon / self.mean_cost if self.mean_cost > 0 else float("inf")

    def swapped(self) -> Self:
        """The problem from y to x."""
        return replace(
            self,
            points_x=self.points_y,
            points_y=self.points_x,
            weights_a=self.weights_b,
            weights_b=self.weights_a,
        )

    @cached_property
    @single_threads()
    def mean_cost(self) -> float:
        """The mean of the cost under the independent coupling; for p = 2 from means and variances, at no cost."""
        a, b = self.weights_a / self.weights_a.sum(), self.weights_b / self.weights_b.sum()
        if self.power == 2:
            # About the mean of y no product of the two clouds is left.
            squares_x, squares_y = self.squares
            found = float(a @ squares_x + b @ squares_y)
        else:
            found = float(sum(a[begin:end] @ (self.cost(begin, end) @ b) for begin, end in self.blocks()))
        may_be_rounding = found ** (2 / self.power) < _ROUNDING * float(self._center.square().sum())
        return 0.0 if may_be_rounding and self._coincide else found

    @cached_property
    def oscillation(self) -> float:
        """The largest cost less the smallest; every pair is looked at."""
        bounds = [(float(c.min()), float(c.max())) for c in (self.cost(begin, end) for begin, end in self.blocks())]
        return max(high for _, high in bounds) - min(low for low, _ in bounds)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Rows from begin to end whose costs may be formed at once."""
        rows = max(1, BLOCK // len(self.points_y))
        for begin in range(0, len(self.points_x), rows):
            yield begin, min(begin + rows, len(self.points_x))

    def cost(self, begin: int, end: int) -> Float64[Tensor, "rows m"]:
        """Costs from points begin to end of x to all of y; see `blocks`."""
        x, y = self.centered
        squared = _squared_distances(x[begin:end], y)
        if self.power == 2:
            return squared
        return squared.sqrt_() if self.power == 1 else squared.pow_(self.power / 2)

    @cached_property
    def centered(self) -> tuple[Float64[Tensor, "n d"], Float64[Tensor, "m d"]]:
        """Both clouds about the mean of y: costs are the same, and lose no digits far from the origin."""
        return self.points_x - self._center, self.points_y - self._center

    @cached_property
    def _center(self) -> Float64[Tensor, " d"]:
        return self.weights_b @ self.points_y / self.weights_b.sum()

    @property
    def _coincide(self) -> bool:
        """Whether all points that have weight are the same: rounding leaves something of distances from a mean."""
        x, y = self.points_x[self.weights_a > 0], self.points_y[self.weights_b > 0]
        return bool((x == x[0]).all()) and bool((y == x[0]).all())

    @cached_property
    def squares(self) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " m"]]:
        """Squared distances of both clouds' points from the mean of y."""
        x, y = self.centered
        return x.square().sum(1), y.square().sum(1)

    @cached_property
    def products(self) -> KeptProducts | None:
        """Products of the centered points; None where squared distances are not made of them, or they are too many."""
        x, y = self.centered
        are_used = self.power == 2 and x.shape[1] > FEW
        return KeptProducts(x, y) if are_used and len(x) * len(y) <= KEPT else None

    def _keeping(self, other: Self) -> Self:
        """The other problem, which has the same costs, with what is known about them."""
        # They form what they are asked for, for all of us.
        _ = self.products
        for name in ("mean_cost", "oscillation", "centered", "squares", "products"):
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other


def transport_problem(
    points_x: Float[Tensor, "n d"], points_y: Float[Tensor, "m others"], epsilon: float, power: float = 2.0
) -> TransportProblem:
    """A problem between clouds whose points all weigh the same; errors as of `TransportProblem`."""
    return weighted_problem(points_x, equal_weights(points_x), points_y, equal_weights(points_y), epsilon, power)


def weighted_problem(
    points_x: Float[Tensor, "n d"],
    weights_a: Float[Tensor, " a"],
    points_y: Float[Tensor, "m others"],
    weights_b: Float[Tensor, " b"],
    epsilon: float,
    power: float = 2.0,
) -> TransportProblem:
    """A problem between weighted clouds of any precision and place; errors as of `TransportProblem`."""
    x, y, a, b = (part.detach().cpu().double().contiguous() for part in (points_x, points_y, weights_a, weights_b))
    return TransportProblem(x, y, a, b, epsilon, power)


def equal_weights(points: Float[Tensor, "n d"]) -> Float64[Tensor, " n"]:
    """Weights that sum to one."""
    return torch.full((len(points),), 1 / max(1, len(points)), dtype=torch.float64)


def _squared_distances(x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    if x.shape[1] > FEW:
        products = torch.addmm(y.square().sum(1), x, y.T, alpha=-2.0)
        return products.add_(x.square().sum(1)[:, None]).clamp_(min=0.0)
    squared = torch.zeros(len(x), len(y), dtype=torch.float64)
    for k in range(x.shape[1]):
        difference = x[:, k, None] - y[None, :, k]
        squared.addcmul_(difference, difference)
    return squared


def _check_points(name: str, points: Tensor) -> None:
    if len(points) == 0:
        raise ValueError(f"cloud {name} has no points; at least 1 is needed.")
    if points.shape[1] == 0:
        raise ValueError(f"the points of cloud {name} have no coordinates; at least 1 is needed.")
    # A sum that is finite is one of finite numbers, and fast.
    if not points.sum().isfinite() and (broken := ~points.isfinite().all(1)).any():
        row = int(broken.int().argmax())
        value = float(points[row][~points[row].isfinite()][0])
        raise ValueError(
            f"cloud {name} holds {value} in row {row}, and {int(broken.sum())} of its {len(points)} rows are not "
            f"finite; leave them out."
        )


def _check_weights(name: str, weights: Tensor, cloud: str, count: int) -> None:
    if len(weights) != count:
        raise ValueError(
            f"weights {name} are {len(weights)} and cloud {cloud} has {count} points; give one weight to each point."
        )
    wrong = ~(weights.isfinite() & (weights >= 0))
    if wrong.any():
        place = int(wrong.int().argmax())
        raise ValueError(
            f"weights {name} must be finite and not negative, got {float(weights[place])} at position {place}; "
            f"correct or leave out that point."
        )
    if not 0 < float(weights.sum()) < float("inf"):
        raise ValueError(
            f"weights {name} must have a positive, finite sum, got {float(weights.sum())}; scale them, or give weight "
            f"to some point."
        )
