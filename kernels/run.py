"""Run a sampler: exactly, as a product of Gaussian transitions by mode, or on points."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from kernels.affine import Affine, FreshNoise
from kernels.arrays import Anything, Times
from kernels.problem import Problem
from kernels.samplers import Kinetic, OneStep, Sampler, TwoStep
from kernels.squaring import repeated

Matrix = Float64[Tensor, "row column *rest"]
Vector = Float64[Tensor, "row *rest"]
Points = Float[Tensor, "n modes"]


@dataclass(frozen=True)
class Transition:
    r"""A Gaussian Markov kernel on the sampler's state, measured from the exact law of that state.

    The state z has one component, or two where the method remembers an output; in deviation from its exact
    mean it moves by :math:`z' = G z + b \mu + N(0, Q)`. With P* the exact covariance before and after,
    `defect` is :math:`D = G P^* G^T + Q - P^{*\prime}`: the error that the step itself makes. It is formed without
    cancellation, so that P - P* keeps its digits when it is propagated by :math:`G (P - P^*) G^T + D`.

    Axes: components first, then steps (if any) and modes. There is no `shift` where there is no mean.
    """

    gain: Matrix
    shift: Vector | None
    noise: Matrix
    defect: Matrix

    def then(self, later: "Transition") -> "Transition":
        """This transition followed by a later one; associative."""
        gain = _product(later.gain, self.gain)
        if len(gain) == 1:
            # The same as below, in fewer passes over memory: nearly all steps are of this kind.
            square, shift = later.gain.square(), None
            if self.shift is not None and later.shift is not None:
                shift = torch.addcmul(later.shift, later.gain[0], self.shift)
            noise = torch.addcmul(later.noise, square, self.noise)
            return Transition(gain, shift, noise, torch.addcmul(later.defect, square, self.defect))
        shift = None
        if self.shift is not None and later.shift is not None:
            shift = _product(later.gain, self.shift.unsqueeze(1)).squeeze(1) + later.shift
        noise = _conjugate(later.gain, self.noise) + later.noise
        return Transition(gain, shift, noise, _conjugate(later.gain, self.defect) + later.defect)

    def __getitem__(self, index: "slice | int") -> "Transition":
        """Select along the axis of steps."""
        return self.map(lambda part: part[..., index, :])

    def map(self, change: Callable[[Tensor], Tensor]) -> "Transition":
        """The same change of every part."""
        shift = None if self.shift is None else change(self.shift)
        return Transition(change(self.gain), shift, change(self.noise), change(self.defect))

    @property
    def steps(self) -> int:
        """Length of the axis of steps."""
        return self.gain.shape[2]


def _product(
    a: Float64[Tensor, "row inner *#rest"], b: Float64[Tensor, "inner column *#rest"]
) -> Float64[Tensor, "row column *rest"]:
    if a.shape[1] == 1:
        return a * b
    return (a.unsqueeze(2) * b.unsqueeze(0)).sum(1)


def _conjugate(gain: Matrix, covariance: Matrix) -> Matrix:
    return _product(_product(gain, covariance), gain.transpose(0, 1))


@dataclass(frozen=True)
class Steps:
    """Steps from t0 to t1 < t0, of one run or of several laid end to end; `before` is the time one step earlier.

    In the first step of a run `before` is t0. Times are the same in every mode, or each mode has its own.
    """

    before: Float64[Tensor, "*steps #modes"]
    t0: Float64[Tensor, "*steps #modes"]
    t1: Float64[Tensor, "*steps #modes"]

    @staticmethod
    def along(*runs: Float64[Tensor, " _"]) -> "Steps":
        """The steps of runs, each over decreasing times."""
        return Steps.by_mode(*(times.unsqueeze(-1) for times in runs))

    @staticmethod
    def by_mode(*runs: Anything) -> "Steps":
        """The steps of runs whose times have an axis of modes."""
        return Steps(
            torch.cat([torch.cat([times[:1], times[:-2]]) for times in runs]),
            torch.cat([times[:-1] for times in runs]),
            torch.cat([times[1:] for times in runs]),
        )


def variances(problem: Problem, times: Times) -> Float64[Tensor, "times modes"]:
    """Exact variance of the noised data at each time."""
    return problem.process.marginal(problem.data, times.unsqueeze(-1)).variance


def transitions(sampler: Sampler, problem: Problem, steps: Steps) -> Transition:
    """All steps of a sampler at once, read off by running its step on an `Affine`.

    The shift is that for the mean of the data, which may be 1 in every mode to find it per unit mean; data of mean 0
    have none, with a score that is zero there.
    """
    before, t0, t1 = steps.before, steps.t0, steps.t1
    alpha0, alpha1 = problem.alpha(t0), problem.alpha(t1)
    sigma0, sigma1 = problem.sigma(t0), problem.sigma(t1)
    exact0 = problem.exact_variance(t0)
    # Differences of squares by factors, which keep their digits over a small step.
    change = torch.addcmul(
        (sigma1 - sigma0) * (sigma1 + sigma0), (alpha1 - alpha0) * (alpha1 + alpha0), problem.data.variance
    )
    shape = change.shape

    has_mean, mean = problem.has_mean, problem.data.mean
    center = alpha0 * mean if has_mean else 0.0

    def full(value: Tensor | float) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64).expand(shape)

    def drift(moved: Affine) -> Tensor:
        return full((moved.unit * alpha0 - alpha1) * mean + moved.shift)

    if isinstance(sampler, OneStep):
        moved = sampler.step(Affine(1.0, (0.0,), 0.0, center), t0, t1, problem, FreshNoise(1, center))
        small, noise = full(_less_identity(moved)), full(moved.variance)
        defect = torch.addcmul(noise - change, exact0 * small, small + 2)
        shift = drift(moved)[None] if has_mean else None
        return Transition((1 + small)[None, None], shift, noise[None, None], defect[None, None])

    if isinstance(sampler, Kinetic):
        noise = FreshNoise(2, center)
        x, velocity = Affine(1.0, (0.0, 0.0), 0.0, center), Affine(0.0, (0.0, 1.0), 0.0, center)
        return _kinetic(*sampler.step(x, velocity, t0, t1, problem, noise), exact0, change, drift, full)

    method = cast(TwoStep, sampler)
    x, former = Affine(1.0, (0.0, 0.0), 0.0, center), Affine(0.0, (0.0, 1.0), mean if has_mean else 0.0, center)
    # What is remembered is a prediction of the data, centered at their mean.
    moved, output = method.step(x, former, before, t0, t1, problem)
    small, reuse, remember = full(_less_identity(moved)), full(moved.gains[1]), full(output.gains[0])
    zero, root0, root1 = torch.zeros(shape, dtype=torch.float64), exact0.sqrt(), problem.exact_variance(t1).sqrt()
    # A first step makes no use of what is remembered, so that the run before it in the list does not matter.
    remembered = torch.cat([zero[:1], (remember * root0)[:-1]])
    error = small * root0 + reuse * remembered - change / (root1 + root0)
    gain = torch.stack([torch.stack([1 + small, reuse]), torch.stack([remember, zero])])
    cross = error * remember * root0
    defect = torch.stack([torch.stack([error * (2 * root1 + error), cross]), torch.stack([cross, zero])])
    shift = torch.stack([drift(moved), full((output.unit * alpha0 - 1) * mean + output.shift)]) if has_mean else None
    return Transition(gain, shift, torch.zeros_like(defect), defect)


def _kinetic(
    position: Affine,
    velocity: Affine,
    exact: Tensor,
    change: Tensor,
    drift: Callable[[Affine], Tensor],
    full: Callable[[Tensor | float], Tensor],
) -> Transition:
    """The transition of position and velocity, whose exact covariance is diagonal, 1 in the velocity."""
    own, push = full(_less_identity(position)), full(position.gains[1])
    pull, slowed = full(velocity.gains[0]), full(velocity.gains[1]) - 1
    noise = torch.stack(
        [
            torch.stack([full(position.variance), full(_covariance(position, velocity))]),
            torch.stack([full(_covariance(position, velocity)), full(velocity.variance)]),
        ]
    )
    cross = exact * pull * (1 + own) + push * (1 + slowed)
    defect = noise + torch.stack(
        [
            torch.stack([exact * own * (own + 2) + push.square() - change, cross]),
            torch.stack([cross, exact * pull.square() + slowed * (slowed + 2)]),
        ]
    )
    gain = torch.stack([torch.stack([1 + own, push]), torch.stack([pull, 1 + slowed])])
    moved = drift(position)
    return Transition(gain, torch.stack([moved, full(velocity.shift)]) if bool(moved.any()) else None, noise, defect)


def _covariance(a: Affine, b: Affine) -> Tensor | float:
    shared = a.noise.keys() & b.noise.keys()
    return sum((a.noise[j][0] * b.noise[j][0] * a.noise[j][1] for j in shared), 0.0)


def _less_identity(moved: Affine) -> Tensor | float:
    """The gain on the state minus one, to full precision where the step is written as the state plus a change."""
    return moved.gains[0] if moved.unit == 1.0 else moved.gains[0] + (moved.unit - 1.0)


def accumulate(steps: Transition, most: int) -> tuple[Transition, list[int]]:
    """Compositions of the first k steps for at most about `most` values of k, the last one among them.

    Blocks of equal length are composed side by side, then combined by doubling: a loop over all steps would
    spend its time in overhead.
    """
    total = steps.steps
    if most == 1:
        return _whole(steps), [total]
    length = -(-total // most)
    blocks = -(-total // length)
    # Short blocks come first, padded at their front by nothing: the first block takes what is left over.
    first = total - (blocks - 1) * length
    ends = [first + k * length for k in range(blocks)]
    parts = _compose_blocks(steps, first, length, blocks)
    reach = 1
    while reach < blocks:
        combined = parts[: blocks - reach].then(parts[reach:])
        parts = _join(parts[:reach], combined)
        reach *= 2
    return parts, ends


def _compose_blocks(steps: Transition, first: int, length: int, blocks: int) -> Transition:
    head = _composed(steps[:first], first, 1)
    return head if blocks == 1 else _join(head, _composed(steps[first:], length, blocks - 1))


def accumulate_equal(step: Transition, total: int, most: int) -> tuple[Transition, list[int]]:
    """What `accumulate` gives for this many steps that are all alike."""
    length = -(-total // most)
    blocks = -(-total // length)
    first = total - (blocks - 1) * length
    head, ends = repeated(step, first, Transition.then), [first + k * length for k in range(blocks)]
    if blocks == 1:
        return head, ends
    block = repeated(step, length, Transition.then).map(
        lambda part: part.expand(*part.shape[:-2], blocks - 1, part.shape[-1])
    )
    return accumulate(_join(head, block), blocks)[0], ends


def _whole(steps: Transition) -> Transition:
    """All steps as one, neighbors first: the fewest operations one after the other."""
    while (count := steps.steps) > 1:
        even = count - count % 2
        pairs = steps[slice(0, even, 2)].then(steps[slice(1, even, 2)])
        steps = pairs if even == count else _join(pairs, steps[slice(even, None)])
    return steps


def _composed(steps: Transition, length: int, count: int) -> Transition:
    """Compose each of `count` runs of `length` steps, side by side."""
    composed = steps[slice(0, None, length)]
    for offset in range(1, length):
        composed = composed.then(steps[slice(offset, None, length)])
    assert composed.steps == count
    return composed


def joined_steps(parts: list[Transition]) -> Transition:
    """Transitions one after the other, along the axis of steps."""
    shifts = [part.shift for part in parts if part.shift is not None]
    return Transition(
        torch.cat([part.gain for part in parts], -2),
        torch.cat(shifts, -2) if len(shifts) == len(parts) else None,
        torch.cat([part.noise for part in parts], -2),
        torch.cat([part.defect for part in parts], -2),
    )


def _join(a: Transition, b: Transition) -> Transition:
    return joined_steps([a, b])


def simulate(
    sampler: Sampler,
    problem: Problem,
    times: Times,
    start: Points,
    former: Points,
    fresh: Callable[[int, int], Points],
    visit: Callable[[int, Points], None] = lambda step, points: None,
) -> Points:
    """Carry points through all steps: the same step as the exact law's, on points.

    `former` is the velocity at the start, where there is one. `fresh` gives standard Gaussians by step, from 0, and by
    their order within the step; `visit` sees the points after each step, counted from 1.
    """
    x, before = start, times[0]
    for k, (t0, t1) in enumerate(pairwise(times)):
        drawn = 0

        def noise(variance: Tensor, step: int = k) -> Tensor:
            nonlocal drawn
            drawn += 1
            return variance.sqrt() * fresh(step, drawn - 1)

        if isinstance(sampler, OneStep):
            x = sampler.step(x, t0, t1, problem, noise)
        elif isinstance(sampler, Kinetic):
            x, former = sampler.step(x, former, t0, t1, problem, noise)
        else:
            x, former = cast(TwoStep, sampler).step(x, former, before, t0, t1, problem)
            before = t0
        visit(k + 1, x)
    return x
