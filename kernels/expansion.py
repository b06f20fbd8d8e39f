r"""The error of first-order methods to leading order in 1/N, on a grid given as a map of [0, 1].

A step of size h from t makes a local error :math:`D(t, h) = \kappa(t) h^2 + O(h^3)` of the variance. On a grid
:math:`t_k = t(k/N)` these add up to

.. math:: v_N - v = \frac1N \int_0^1 \kappa(t(u))\, G(t(u))\, t'(u)^2 du + O(N^{-2}),

where G is what the exact dynamics keep of a deviation until the end. The coefficients are the limits of the method's
own step, so that no method has to state them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from kernels.arrays import Anything, Modes, array
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.processes import Process
from kernels.quadrature import Rule, edges_between
from kernels.run import Steps, transitions, variances
from kernels.samplers import OneStep, Sampler, SingleLevel
from kernels.scores import ScoreModel
from kernels.stochasticity import Constant, Stochasticity

# Beyond these multiples of the extreme standard deviations every mode has become a power law.
_REACH = 1e7


@dataclass(frozen=True, eq=False)
class Local:
    """Limits of the local errors of a method at quadrature nodes in time, and what is left of them at the end.

    `defect`, `growth`, `shift`: the error of the variance made in a step, the relative error of the factor on a
    deviation of the variance, and the error of the mean per unit mean, each divided by the squared step. `kept`: the
    factor on a deviation of the variance from there to the end. Axes: nodes, modes; `weights` integrate over time.
    """

    times: Float64[Tensor, " nodes"]
    weights: Float64[Tensor, " nodes"]
    rule: Rule
    defect: Float64[Tensor, "nodes modes"]
    growth: Float64[Tensor, "nodes modes"]
    shift: Float64[Tensor, "nodes modes"]
    kept: Float64[Tensor, "nodes modes"]
    kept_from_start: Modes
    final: Modes


@dataclass(frozen=True, eq=False)
class Coefficients:
    """First-order coefficients by mode: N times the error, as N grows.

    `variance` and `mean` (per unit mean) are those of an exact start; `start_variance` and `start_mean` come in
    addition per unit deviation of variance and mean at the start; `final` is the exact variance at the end.
    """

    variance: Modes
    mean: Modes
    start_variance: Modes
    start_mean: Modes
    final: Modes


def applies(sampler: Sampler) -> bool:
    """Whether there is a first-order expansion: for methods of order one that know only the present state.

    They have to go from noise to data: what stays at one level has no grid to expand on.
    """
    return isinstance(sampler, OneStep) and sampler.order == 1 and not isinstance(sampler, SingleLevel)


def local(
    sampler: Sampler,
    process: Process,
    model: ScoreModel,
    data: Gaussian,
    ends: tuple[float, float],
    kinks: tuple[float, ...] = (),
    *,
    with_growth: bool = True,
) -> Local:
    """Local errors between two times; `data` has unit mean or none, `kinks` are noise ratios at which a grid bends.

    Without `growth`, which only a wrong start asks for, the work is less, and it is zero.
    """
    problem = Problem(data, process, model.fit(Conditioned(data)))
    limit = sampler.limit_stochasticity
    rule = _rule(process, data.variance, ends, (*kinks, *limit.kinks))
    times, weights = _in_time(rule, process, ends)
    defect, growth, shift = _limits(sampler, problem, times, limit, with_growth=with_growth)
    stop = array([ends[1]])
    # Tails come after the rule's nodes; what is forgotten adds up along decreasing noise.
    order = times.argsort(descending=True)
    ratios = torch.cat([process.noise_ratio(times)[order], process.noise_ratio(stop)]).unsqueeze(1)
    forgotten = limit.forgotten(data.variance, ratios)
    final = variances(problem, stop)[0]
    left = torch.empty_like(defect)
    left[order] = (forgotten[-1] - forgotten[:-1]).exp()
    kept = left * final / problem.exact_variance(times.unsqueeze(1))
    start = array([ends[0]])
    before = limit.forgotten(data.variance, torch.cat([process.noise_ratio(start), ratios[0]]).unsqueeze(1))[-1]
    whole = (before + forgotten[-1]).exp() * final / variances(problem, start)[0]
    return Local(times, weights, rule, defect, growth, shift, kept, whole, final)


def coefficients(found: Local, rate: Float64[Tensor, " nodes"]) -> Coefficients:
    """Integrals of local errors on a grid that passes its nodes with |dt/du| = `rate`."""
    measure = found.weights * rate
    start = found.kept_from_start * (measure @ found.growth)
    return Coefficients(
        measure @ (found.defect * found.kept),
        measure @ (found.shift * found.kept.sqrt()),
        start,
        0.5 * found.kept_from_start.sqrt() * (measure @ found.growth),
        found.final,
    )


def _rule(process: Process, eigenvalues: Tensor, ends: tuple[float, float], kinks: tuple[float, ...]) -> Rule:
    """Panels over minus log s, from the start to the stop, shortened where that is infinite."""
    positive = eigenvalues[eigenvalues > 0]
    high, low = process.noise_ratio(array(ends)).tolist()
    if len(positive):
        high = min(high, _REACH * max(1.0, math.sqrt(float(positive.max()))))
        low = max(low, min(1.0, math.sqrt(float(positive.min()))) / _REACH)
    bends = tuple(-math.log(kink) for kink in kinks if kink > 0)
    return Rule.over(edges_between(-math.log(high), -math.log(low), bends))


def _in_time(rule: Rule, process: Process, ends: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Nodes and weights in time, the rule's own first, with a panel in time itself for an end that it does not reach.

    There the noise ratio goes to infinity or zero, and everything is smooth in time.
    """
    times = process.time_of((-rule.nodes).exp())
    # d log s / dt = g^2 / (2 sigma^2)
    speed = 2 * process.sigma(times).square() / process.diffusion_squared(times)
    reached = process.time_of((-rule.edges[[0, -1]]).exp()).tolist()
    tails = [Rule.over(array(edges)) for edges in ((reached[0], ends[0]), (ends[1], reached[1])) if _differ(*edges)]
    return (
        torch.cat([times, *(tail.nodes for tail in tails)]),
        torch.cat([rule.weights * speed, *(tail.weights for tail in tails)]),
    )


def _differ(low: float, high: float) -> bool:
    return high - low > 1e-12 * max(low, high)


def _limits(
    sampler: Sampler, problem: Problem, times: Tensor, limit: Stochasticity, *, with_growth: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Second derivatives of the local errors in the step size, at step zero, over two."""
    t0 = times.unsqueeze(1).expand(-1, len(problem.data.variance))
    # Every node and mode has a step of its own: the derivative of a sum is then the derivative of each.
    h = torch.zeros_like(t0, requires_grad=True)
    t1 = t0 - h
    moves = transitions(sampler, problem, Steps(t0, t0, t1))
    growth = torch.zeros_like(t0)
    if with_growth:
        flow = (problem.exact_variance(t1) / problem.exact_variance(t0)).log()
        whole = 2 * moves.gain[0, 0].log() - flow - _forgotten(limit, problem, t0, t1)
        growth = _half_second_derivative(whole, h)
    shift = torch.zeros_like(growth) if moves.shift is None else _half_second_derivative(moves.shift[0], h)
    return _half_second_derivative(moves.defect[0, 0], h), growth, shift


def _half_second_derivative(value: Tensor, h: Tensor) -> Tensor:
    slope = torch.zeros_like(h)
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value.sum(), h, create_graph=True)
    if not slope.requires_grad:
        return torch.zeros_like(h)
    (curvature,) = torch.autograd.grad(slope.sum(), h, retain_graph=True)
    return 0.5 * curvature.detach()


def _forgotten(limit: Stochasticity, problem: Problem, t0: Tensor, t1: Tensor) -> Tensor:
    """Logarithm of what noise leaves of a deviation over steps, each by itself."""
    s0, s1 = problem.process.noise_ratio(t0), problem.process.noise_ratio(t1)
    eigenvalues = problem.data.variance
    if isinstance(limit, Constant):
        return limit.value * ((eigenvalues + s1.square()) / (eigenvalues + s0.square())).log()
    # The trapezoidal rule is exact to second order, which is all that is asked.
    ends = [limit.at(s) * s.square() / (eigenvalues + s.square()) for s in (s0, s1)]
    return (s1 / s0).log() * (ends[0] + ends[1])


def leading(found: Coefficients, counts: Modes) -> float:
    """N times the 2-Wasserstein distance as N grows, from errors of the variance alone."""
    return float((counts @ leading_terms(found)).clamp_min(0).sqrt())


def leading_terms(found: Coefficients) -> Modes:
    """N^2 times the squared error of the standard deviation, by mode."""
    # Where the law ends in a point mass an error of the variance is felt as its root, which is not of this order.
    terms = found.variance.square() / (4 * found.final)
    return torch.where(found.variance == 0, 0.0, terms)


WeakError = Callable[[Coefficients, Gaussian], Anything]


def weak_mean(found: Coefficients, exact: Gaussian) -> Anything:
    """N times the error of E[x], by mode, for the mean of the data at the end."""
    return found.mean


def weak_second_moment(found: Coefficients, exact: Gaussian) -> Anything:
    """N times the error of E[x^2], by mode."""
    return found.variance + 2 * exact.mean * found.mean


def weak_cosine(found: Coefficients, exact: Gaussian, wave_number: float) -> Anything:
    """N times the error of E[cos(k x)], by mode."""
    k, damped = wave_number, (-0.5 * wave_number**2 * exact.variance).exp()
    angle = k * exact.mean
    return -damped * (0.5 * k**2 * angle.cos() * found.variance + k * angle.sin() * found.mean)
