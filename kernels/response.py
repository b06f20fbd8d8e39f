r"""How the covariance that a sampler ends with answers to what is random in a learned score.

Two sources, both to second order. The *samples*: their covariance differs from the data's by dC, and a sampler whose
score is a function of it ends with :math:`g(\hat\Sigma) S_0 g(\hat\Sigma) + \psi(\hat\Sigma)`, a matrix function;
divided differences of g and psi answer for every pair of modes. The *order of the gradients*: at step k the score
matrix is off by E, a step multiplies by F + b E, and deviations are carried by

.. math:: dS'_{ij} = F_i F_j\, dS_{ij} + b\,(E_{ij} v_j F_j + E_{ji} v_i F_i).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Anything, Modes, Times
from kernels.gaussian import Gaussian
from kernels.matching import Fluctuation
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.processes import Process
from kernels.run import Steps, Transition, accumulate, transitions
from kernels.samplers import Kinetic, OneStep, Sampler, SingleLevel
from kernels.scores import AffineScore, Noised, Score, ScoreModel
from kernels.scores.base import V
from kernels.squaring import repeated

Pairs = Float64[Tensor, "row column"]
# Eigenvalues as near as this, relative to each other, share their derivative instead of a quotient.
NEAR, NEAR_TWICE = 1e-5, 1e-3


@dataclass(frozen=True, eq=False)
class Response:
    """Second moments of the covariance's change dS, by node; nodes may stand for several modes.

    `pairs`: E dS_ij^2 for different modes i and j; `own`: E dS_ii^2; `shift`: E dS_ii to second order.
    """

    pairs: Pairs
    own: Modes
    shift: Modes


@dataclass(frozen=True, eq=False)
class Course:
    """A sampler on the nodes of a spectrum, with a start of these variances."""

    sampler: Sampler
    process: Process
    score: ScoreModel
    times: Times
    start: Modes
    at_rest: bool

    def problem(self, eigenvalues: Modes) -> Problem:
        """Data without a mean."""
        data = Gaussian(torch.zeros(1, dtype=torch.float64), eigenvalues)
        return Problem(data, self.process, self.score.fit(Conditioned(data)))

    def whole(self, eigenvalues: Modes) -> Transition:
        """All steps as one."""
        if isinstance(self.sampler, SingleLevel):
            one = transitions(self.sampler, self.problem(eigenvalues), Steps.along(self.times[-2:]))
            return repeated(one, len(self.times) - 1, Transition.then)
        moves = transitions(self.sampler, self.problem(eigenvalues), Steps.along(self.times))
        return accumulate(moves, 1)[0]

    def outcome(self, eigenvalues: Modes) -> tuple[Modes, Modes]:
        """Gain g and noise psi of the state: the variance it ends with is g^2 v_0 + psi."""
        moved = self.whole(eigenvalues)
        noise = moved.noise[0, 0, 0]
        if isinstance(self.sampler, Kinetic) and not self.at_rest:
            noise = noise + moved.gain[0, 1, 0].square()
        return moved.gain[0, 0, 0], noise


@dataclass(frozen=True, eq=False)
class _Smooth:
    """A function of the eigenvalue at the nodes, with two derivatives."""

    value: Modes
    first: Modes
    second: Modes

    def divided(self, nodes: Modes) -> Pairs:
        """f[i, j]."""
        gap = nodes.unsqueeze(1) - nodes
        near = gap.abs() <= NEAR * torch.maximum(nodes.unsqueeze(1), nodes)
        quotient = (self.value.unsqueeze(1) - self.value) / torch.where(near, 1.0, gap)
        return torch.where(near, 0.5 * (self.first.unsqueeze(1) + self.first), quotient)

    def divided_twice(self, nodes: Modes) -> Pairs:
        """f[i, i, j]."""
        gap = nodes - nodes.unsqueeze(1)
        near = gap.abs() <= NEAR_TWICE * torch.maximum(nodes.unsqueeze(1), nodes)
        quotient = (self.divided(nodes) - self.first.unsqueeze(1)) / torch.where(near, 1.0, gap)
        return torch.where(near, (2 * self.second.unsqueeze(1) + self.second) / 6, quotient)

    def moved(self, nodes: Modes, counts: Modes) -> Modes:
        """n times the mean change of the matrix function's diagonal, over samples of this covariance."""
        pairs = self.divided_twice(nodes) * nodes.unsqueeze(1) * nodes
        others = pairs @ counts - pairs.diagonal()
        return others + self.second * nodes.square()


def _smooth(values: Tensor, nodes: Tensor) -> _Smooth:
    if not values.requires_grad:
        zero = torch.zeros_like(nodes.detach())
        return _Smooth(values.expand_as(zero), zero, zero)
    (first,) = torch.autograd.grad(values.sum(), nodes, create_graph=True)
    second = torch.zeros_like(first)
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), nodes, retain_graph=True)
    return _Smooth(values.detach(), first.detach(), second.detach())


def to_samples(course: Course, eigenvalues: Modes, counts: Modes) -> Response:
    """The answer to n samples, times n."""
    with torch.enable_grad():
        nodes = eigenvalues.clone().requires_grad_()
        gain, noise = course.outcome(nodes)
        g, psi = _smooth(gain, nodes), _smooth(noise, nodes)
    slopes, start = g.divided(eigenvalues), course.start
    pushed = g.value * start
    # dS_ij / dC_ij, with E dC_ij^2 = l_i l_j / n, and twice that on the diagonal.
    answer = slopes * (pushed.unsqueeze(1) + pushed) + psi.divided(eigenvalues)
    spread = eigenvalues.unsqueeze(1) * eigenvalues
    pairs = answer.square() * spread
    squared = slopes.square() * spread
    shift = 2 * pushed * g.moved(eigenvalues, counts) + psi.moved(eigenvalues, counts)
    shift = shift + squared @ (counts * start) + (squared.diagonal() * start)
    return Response(pairs, 2 * pairs.diagonal(), shift)


@dataclass(frozen=True, eq=False)
class _Tilted(AffineScore):
    """A score whose slope is changed by e: minus e (x - alpha mu)."""

    inner: Score
    change: Tensor

    @property
    def is_centered(self) -> bool:
        return self.inner.is_centered

    def score(self, centered: V, at: Noised) -> V:
        return self._added(self.inner.score(centered, at), -self.change, centered)

    def denoiser(self, centered: V, at: Noised) -> V:
        return self._added(self.inner.denoiser(centered, at), -at.sigma.square() / at.alpha * self.change, centered)

    def noise_prediction(self, centered: V, at: Noised) -> V:
        return self._added(self.inner.noise_prediction(centered, at), at.sigma * self.change, centered)

    def velocity(self, centered: V, at: Noised) -> V:
        half = 0.5 * at.process.variance_rate(at.t) - at.process.alpha_rate(at.t) / at.alpha * at.sigma.square()
        return self._added(self.inner.velocity(centered, at), half * self.change, centered)

    @staticmethod
    def _added(prediction: V, factor: Anything, centered: V) -> V:
        return prediction + factor * centered


def refusal(sampler: Sampler) -> str:
    """Why the answer to gradients is not known for a sampler, in one sentence; empty if it is."""
    if isinstance(sampler, SingleLevel) or (isinstance(sampler, OneStep) and sampler.calls == 1):
        return ""
    return (
        f"the noise of gradients is followed through samplers that ask for the score once a step and remember nothing "
        f"else, got {type(sampler).__name__}"
    )


def _moves(course: Course, eigenvalues: Modes, times: Times) -> tuple[Transition, Tensor]:
    """The steps, and the derivative b of their gains (in a velocity: of its pull) in the slope of the score."""
    problem, steps = course.problem(eigenvalues), Steps.along(times)
    with torch.enable_grad():
        change = torch.zeros_like(steps.t0).requires_grad_()
        tilted = Problem(problem.data, course.process, _Tilted(problem.score.law, problem.score, change))
        moves = transitions(course.sampler, tilted, steps)
        (slope,) = torch.autograd.grad(moves.gain[-1, 0, :, 0].sum(), change)
    return moves.map(Tensor.detach), slope.flatten()


def to_gradients(
    course: Course, eigenvalues: Modes, counts: Modes, levels: Iterator[Fluctuation], *, shared: bool, symmetric: bool
) -> Response:
    """The answer to the noise of stochastic gradients; `levels` are its variances at each step, or at the only level.

    `shared`: the same random numbers at every level. `symmetric`: the noise is a symmetric matrix.
    """
    follow = _held if isinstance(course.sampler, SingleLevel) else _along
    # Pairs of different modes, then every mode with itself.
    parts = (_Carried(_by_row, _by_column, symmetric, shared), _Carried(_alone, _alone, True, shared))
    follow(course, eigenvalues, parts, levels)
    (pairs, by_pair), (own, by_own) = ((part.square(), part.shift) for part in parts)
    return Response(pairs, own, by_pair @ counts - by_pair.diagonal() + by_own)


def _by_row(values: Tensor) -> Tensor:
    return values.unsqueeze(-1)


def _by_column(values: Tensor) -> Tensor:
    return values.unsqueeze(-2)


def _alone(values: Tensor) -> Tensor:
    return values


Pick = Callable[[Tensor], Tensor]


@dataclass(eq=False)
class _Carried:
    """What is known of dS_ij on its way: i by `row` and j by `column` of values by node.

    `together`: E_ij and E_ji are the same. With shared levels `forth` and `back` are the answers to E_ij and E_ji, else
    `moved` is E dS_ij^2; `shift` is the part of E dS_ii by way of j.
    """

    row: Pick
    column: Pick
    together: bool
    shared: bool
    forth: Tensor | float = 0.0
    back: Tensor | float = 0.0
    moved: Tensor | float = 0.0
    shift: Tensor = field(default_factory=lambda: torch.zeros(()))

    def noise(self, level: Fluctuation) -> tuple[Tensor, Tensor]:
        """Variances of E_ij and of E_ji."""
        return (level.own, level.own) if self.row is _alone else (level.pairs, level.pairs.T)

    def step(self, gain: Modes, variance: Modes, b: Tensor, level: Fluctuation) -> None:
        """One step, from states of this variance."""
        of_row, of_column = self.noise(level)
        here, there = self.row(gain), self.column(gain)
        driven = b * variance * gain
        by_row, by_column = self.row(driven), self.column(driven)
        self.shift = here.square() * self.shift + b.square() * of_row * self.column(variance)
        if self.shared:
            first, second = of_row.sqrt(), of_column.sqrt()
            seen = self.forth + self.back if self.together else self.forth
            self.shift = self.shift + 2 * b * here * seen * first
            self.forth = here * there * self.forth + by_column * first
            self.back = here * there * self.back + by_row * second
        elif self.together:
            self.moved = (here * there).square() * self.moved + (by_row + by_column).square() * of_row
        else:
            fresh = by_column.square() * of_row
            self.moved = (here * there).square() * self.moved + (fresh + fresh.T)

    def square(self) -> Tensor:
        """E dS_ij^2."""
        if not self.shared:
            return torch.as_tensor(self.moved)
        forth, back = torch.as_tensor(self.forth), torch.as_tensor(self.back)
        return (forth + back).square() if self.together else forth.square() + back.square()


def _along(course: Course, eigenvalues: Modes, parts: tuple[_Carried, ...], levels: Iterator[Fluctuation]) -> None:
    """Step by step, each with a score of its own level."""
    moves, slopes = _moves(course, eigenvalues, course.times)
    variance = course.start
    for gain, noise, b, level in zip(moves.gain[0, 0], moves.noise[0, 0], slopes, levels, strict=True):
        for part in parts:
            part.step(gain, variance, b, level)
        variance = gain.square() * variance + noise


def _held(course: Course, eigenvalues: Modes, parts: tuple[_Carried, ...], levels: Iterator[Fluctuation]) -> None:
    """All steps at one level with one score, which is `shared` by them: powers of one linear map."""
    moves, slopes = _moves(course, eigenvalues, course.times[-2:])
    gain, noise = moves.gain[:, :, 0].movedim(-1, 0), moves.noise[:, :, 0].movedim(-1, 0)
    start = torch.zeros_like(noise)
    start[:, 0, 0] = course.start
    if gain.shape[1] == 2 and not course.at_rest:
        start[:, 1, 1] = 1.0
    steps, level = len(course.times) - 1, next(levels)
    count = torch.arange(len(eigenvalues))
    for part in parts:
        of_row, _ = part.noise(level)
        shape = of_row.shape
        if gain.shape[1] == 1:
            answer, shift = _chained(part, gain.flatten(), noise.flatten(), start.flatten(), slopes[0], steps)
        else:
            i, j = (pick(count).expand(shape).flatten() for pick in (part.row, part.column))
            answer, shift = _powered(gain, noise, start, slopes[0], (i, j), steps, part.together)
        part.shared, part.shift = True, shift.reshape(shape) * of_row
        part.forth = answer.reshape(shape) * of_row.sqrt()
        part.back = torch.zeros(()) if part.together else part.forth.T


def _chained(part: _Carried, gain: Modes, noise: Modes, start: Modes, b: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """What `_powered` finds, for states of one component, by squaring a chain of four numbers.

    With v the variance in one mode, p the answer and y what it moves, n steps take v to q v + c, p to r p + d v + e and
    y to a y + x p + f v + z. Where E_ij and E_ji are the same, p has two parts that are driven by either mode.
    """
    here, there = part.row(gain), part.column(gain)
    zero = torch.zeros(torch.broadcast_shapes(here.shape, there.shape), dtype=torch.float64)

    def chain(pick: Pick, squared: Tensor | float) -> tuple[Tensor, Tensor]:
        own = pick(gain)
        one = (own.square(), pick(noise), here * there, b * own, zero, here.square(), 2 * b * here, squared, zero)
        _, _, _, d, e, _, _, f, z = repeated(tuple(value + zero for value in one), steps, _followed)
        first = pick(start)
        return d * first + e, f * first + z

    answer, moved = chain(part.column, b.square())
    if part.together:
        other, also = chain(part.row, 0.0)
        return answer + other, moved + also
    return answer, moved


Chain = tuple[Tensor, ...]


def _followed(first: Chain, later: Chain) -> Chain:
    q, c, r, d, e, a, x, f, z = first
    q2, c2, r2, d2, e2, a2, x2, f2, z2 = later
    return (
        q2 * q,
        q2 * c + c2,
        r2 * r,
        r2 * d + d2 * q,
        r2 * e + d2 * c + e2,
        a2 * a,
        a2 * x + x2 * r,
        a2 * f + x2 * d + f2 * q,
        a2 * z + x2 * e + f2 * c + z2,
    )


def _powered(
    gain: Tensor, noise: Tensor, start: Tensor, b: Tensor, index: tuple[Tensor, Tensor], steps: int, together: bool
) -> tuple[Tensor, Tensor]:
    """Answers of dS_ij to E_ij (`together`: also to E_ji, the same), and of E dS_ii to their variance.

    The state of a mode has one component or, with a velocity, two. The map is of what is known of a pair: 1, its
    covariances in both modes, and both answers.
    """
    i, j = index
    size = gain.shape[1] ** 2
    of_j, of_i, answer, moved = (slice(1 + k * size, 1 + (k + 1) * size) for k in range(4))
    pull = torch.zeros_like(gain[0])
    pull[-1, 0] = b
    step = torch.zeros(len(i), 1 + 4 * size, 1 + 4 * size, dtype=torch.float64)
    step[:, 0, 0] = 1.0
    # A matrix X is kept by rows: A X B^T is (A kron B) x.
    for part, k in ((of_j, j), (of_i, i)):
        step[:, part, part] = _kron(gain[k], gain[k])
        step[:, part, 0] = noise[k].flatten(1)
    step[:, answer, answer] = _kron(gain[i], gain[j])
    # What E_ij adds to dS_ij is E_ij (pull S_j G_j^T), what E_ji adds is E_ji (G_i S_i pull^T).
    step[:, answer, of_j] = _kron(pull.expand_as(gain[i]), gain[j])
    if together:
        step[:, answer, of_i] = _kron(gain[i], pull.expand_as(gain[i]))
    step[:, moved, moved] = _kron(gain[i], gain[i])
    # The square of E itself, then E with the answer to it: dS_ji is the transpose of dS_ij.
    step[:, moved, of_j] = _kron(pull, pull).expand(len(i), size, size)
    turn = _transposed(gain.shape[1])
    mixed = _kron(pull.expand_as(gain[i]), gain[i]) @ turn
    step[:, moved, answer] = mixed + turn @ mixed
    known = torch.zeros(len(i), 1 + 4 * size, 1, dtype=torch.float64)
    known[:, 0] = 1.0
    known[:, of_j, 0], known[:, of_i, 0] = start[j].flatten(1), start[i].flatten(1)
    last = torch.linalg.matrix_power(step, steps) @ known
    return last[:, answer.start, 0], last[:, moved.start, 0]


def _kron(a: Tensor, b: Tensor) -> Tensor:
    """Kronecker products, one by one."""
    return (a.unsqueeze(-1).unsqueeze(-3) * b.unsqueeze(-2).unsqueeze(-4)).flatten(-2).flatten(-3, -2)


def _transposed(m: int) -> Tensor:
    """The matrix that transposes what is kept by rows."""
    order = torch.arange(m * m).reshape(m, m).T.flatten()
    return torch.eye(m * m, dtype=torch.float64)[order]
