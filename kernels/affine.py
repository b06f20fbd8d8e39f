"""One step of a sampler as an affine map, read off by running the step itself."""

from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

from torch import Tensor

Factor = Tensor | float


@runtime_checkable
class Value(Protocol):
    """What a sampler's step is written on: points of a simulation, or an `Affine`."""

    def __add__(self, other: Self | Tensor, /) -> Self: ...
    def __sub__(self, other: Self | Tensor, /) -> Self: ...
    def __rmul__(self, factor: Factor, /) -> Self: ...


@dataclass(frozen=True)
class Affine:
    r"""The map :math:`(u + a)(x - c) + u c + b + \sum_j n_j \xi_j`, coefficients by step and mode.

    The fresh Gaussians xi_j have variances q_j; `noise` holds (n_j, q_j). Variances, and not their roots, keep a step
    of size zero regular.

    `unit` (u) is the exact part of the gain, 1 for the state itself: a step is the identity plus something
    small, and keeping the two apart leaves the small part all its digits. `gains` (a) has one entry per
    component of the sampler's state, `center` (c) is the exact mean of the state, `shift` is b.
    """

    unit: float
    gains: tuple[Factor, ...]
    shift: Factor
    center: Factor
    noise: dict[int, tuple[Factor, Factor]] = field(default_factory=dict[int, tuple[Factor, Factor]])

    def __add__(self, other: "Affine | Tensor") -> "Affine":
        if isinstance(other, Tensor):
            return Affine(self.unit, self.gains, _plus(self.shift, other), self.center, self.noise)
        gains = tuple(_plus(a, b) for a, b in zip(self.gains, other.gains, strict=True))
        noise = {
            j: (_plus(self.noise.get(j, (0.0, variance))[0], other.noise.get(j, (0.0, variance))[0]), variance)
            for j, (_, variance) in (self.noise | other.noise).items()
        }
        return Affine(self.unit + other.unit, gains, _plus(self.shift, other.shift), self.center, noise)

    def __sub__(self, other: "Affine | Tensor") -> "Affine":
        return self + -1.0 * other

    def __rmul__(self, factor: Factor) -> "Affine":
        noise = {j: (_times(factor, coefficient), variance) for j, (coefficient, variance) in self.noise.items()}
        if isinstance(factor, Tensor):
            first, *memory = self.gains
            gains = (_times(factor, _plus(first, self.unit)), *(_times(factor, gain) for gain in memory))
            return Affine(0.0, gains, _times(factor, self.unit * self.center + self.shift), self.center, noise)
        gains = tuple(_times(factor, gain) for gain in self.gains)
        return Affine(factor * self.unit, gains, _times(factor, self.shift), self.center, noise)

    @property
    def variance(self) -> Factor:
        """Variance of the fresh noise."""
        return sum((_times(n**2, variance) for n, variance in self.noise.values()), 0.0)


def _times(factor: Factor, value: Factor) -> Factor:
    """The product, without work where the value is exactly one, or zero in every step."""
    if isinstance(value, Tensor):
        # A zero that varies is no constant.
        by_step = value.ndim > 0 and value.shape[-1] == 1 and not value.requires_grad
        return 0.0 if by_step and not bool(value.any()) else factor * value
    return factor if value == 1.0 else 0.0 if value == 0.0 else factor * value


def _plus(a: Factor, b: Factor) -> Factor:
    """The sum, without work where one of the two is the number zero."""
    if not isinstance(b, Tensor) and b == 0.0:
        return a
    return b if not isinstance(a, Tensor) and a == 0.0 else a + b


class FreshNoise:
    """Hands out a new independent Gaussian of an `Affine` at every call."""

    def __init__(self, components: int, center: Factor) -> None:
        self._components = components
        self._center = center
        self._drawn = 0

    def __call__(self, variance: Factor) -> Affine:
        self._drawn += 1
        return Affine(0.0, (0.0,) * self._components, 0.0, self._center, {self._drawn: (1.0, variance)})
