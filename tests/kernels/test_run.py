"""Transitions as a monoid, their accumulation, and points that are carried by the same steps."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kernels.arrays import array
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned
from kernels.problem import Problem
from kernels.processes import Process
from kernels.run import Steps, Transition, accumulate, transitions, variances
from kernels.samplers import DDIM, DPMSolverPP2M, EulerMaruyama
from kernels.scores import Exact
from tests.kernels.cases import CASES, FAMILIES, MANY, Case, applies, geometric, uniform
from tests.points import simulated

PARTS = ("gain", "shift", "noise", "defect")


def some(components: int, steps: int, seed: int) -> Transition:
    """Random transitions, contracting so that long products stay of ordinary size."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, steps, 3, dtype=torch.float64, generator=rng)

    noise, defect = normal(components, components), normal(components, components)
    return Transition(
        normal(components, components) / 2,
        normal(components),
        torch.einsum("ik...,jk...->ij...", noise, noise),
        defect + defect.transpose(0, 1),
    )


def assert_same(a: Transition, b: Transition) -> None:
    assert (a.shift is None) == (b.shift is None)
    for part in PARTS:
        if getattr(a, part) is not None:
            torch.testing.assert_close(getattr(a, part), getattr(b, part), rtol=1e-12, atol=1e-12)


def as_matrices(t: Transition, step: int, mode: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    assert t.shift is not None
    return t.gain[:, :, step, mode], t.shift[:, step, mode], t.noise[:, :, step, mode], t.defect[:, :, step, mode]


@pytest.mark.parametrize("components", [1, 2])
def test_one_after_the_other(components: int) -> None:
    """Written with matrices: x -> G x + b, covariance P -> G P G' + Q, deviation likewise with D."""
    a, b = some(components, 4, 1), some(components, 4, 2)
    both = a.then(b)
    for step in range(4):
        for mode in range(3):
            g, s, q, d = as_matrices(a, step, mode)
            h, r, p, e = as_matrices(b, step, mode)
            expected = (h @ g, h @ s + r, h @ q @ h.T + p, h @ d @ h.T + e)
            for found, wanted in zip(as_matrices(both, step, mode), expected, strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("components", [1, 2])
def test_without_a_mean_there_is_no_shift_and_all_else_is_the_same(components: int) -> None:
    moves = some(components, 7, 1)
    whole, ends = accumulate(moves, 3)
    bare, same_ends = accumulate(replace(moves, shift=None), 3)
    assert_same(bare, replace(whole, shift=None))
    assert ends == same_ends


@given(components=st.sampled_from([1, 2]), seed=st.integers(0, 1000))
def test_composition_is_associative(components: int, seed: int) -> None:
    a, b, c = (some(components, 5, 3 * seed + k) for k in range(3))
    assert_same(a.then(b).then(c), a.then(b.then(c)))


@given(
    components=st.sampled_from([1, 2]),
    steps=st.integers(1, 40),
    most=st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_accumulation_is_a_loop(components: int, steps: int, most: int, seed: int) -> None:
    moves = some(components, steps, seed)
    whole, ends = accumulate(moves, most)
    assert ends == sorted(set(ends))
    assert (ends[-1], whole.steps) == (steps, len(ends))
    assert ends[0] > 0
    assert len(ends) <= min(most, steps)
    assert len(ends) > min(most, steps) / 2
    composed = moves[0:1]
    for done in range(1, steps + 1):
        if done > 1:
            composed = composed.then(moves[done - 1 : done])
        if done in ends:
            place = ends.index(done)
            assert_same(whole[place : place + 1], composed)


def test_runs_end_to_end_are_their_runs() -> None:
    runs = (array([1.0, 0.6, 0.3, 0.1]), array([0.9, 0.2]), array([0.8, 0.5, 0.1]))
    steps = Steps.along(*runs)
    assert steps.before.flatten().tolist() == [1.0, 1.0, 0.6, 0.9, 0.8, 0.8]
    assert steps.t0.flatten().tolist() == [1.0, 0.6, 0.3, 0.9, 0.8, 0.5]
    assert steps.t1.flatten().tolist() == [0.6, 0.3, 0.1, 0.2, 0.5, 0.1]
    problem = problem_of(FAMILIES[0].process, 1.0)
    for sampler in (EulerMaruyama(stochasticity=0.7), DPMSolverPP2M()):
        together = transitions(sampler, problem, steps)
        begin = 0
        for run in runs:
            end = begin + len(run) - 1
            alone, part = transitions(sampler, problem, Steps.along(run)), together[begin:end]
            assert_same(accumulate(part, 1)[0], accumulate(alone, 1)[0])
            begin = end


def problem_of(process: Process, mean: float) -> Problem:
    data = Gaussian(array([mean, -mean]), array([2.0, 0.3]))
    return Problem(data, process, Exact().fit(Conditioned(data)))


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_a_defect_is_what_a_step_leaves_of_the_exact_law(case: Case) -> None:
    """D = G P G' + Q - P' for the state, with the exact variances P before and P' after."""
    problem = problem_of(case.family.process, 1.0)
    times = array(uniform(case.family.start, case.family.stop, MANY))
    moves, exact = transitions(case.sampler, problem, Steps.along(times)), variances(problem, times)
    gain, noise, defect = moves.gain[0, 0], moves.noise[0, 0], moves.defect[0, 0]
    if moves.gain.shape[0] == 2:
        # What is remembered is linear in the former state, which the exact flow carries to the present one.
        former = torch.cat([torch.zeros_like(gain[:1]), (moves.gain[1, 0] * exact[:-1].sqrt())[:-1]])
        gain = gain + moves.gain[0, 1] * former / exact[:-1].sqrt()
    expected = gain.square() * exact[:-1] + noise - exact[1:]
    # Formed as it stands the difference has lost what the variances themselves round off.
    size = float(exact.max())
    torch.testing.assert_close(defect, expected, rtol=1e-12, atol=1e-14 * size)


# ------------------------------------------------------------------------------------------------- simulation

POINTS = 4000


def few_steps(case: Case) -> list[float]:
    family = case.family
    few = geometric(family.start, family.stop, 8)
    return few if applies(case.sampler, family.process, few) else uniform(family.start, family.stop, MANY)


def law_at_the_end(case: Case, problem: Problem, times: Tensor) -> tuple[Gaussian, Tensor]:
    """Law from an exact start, and the gain of the whole run."""
    unit = Gaussian(torch.ones_like(problem.data.mean), problem.data.variance)
    moves = transitions(
        case.sampler, Problem(unit, problem.process, Exact().fit(Conditioned(unit))), Steps.along(times)
    )
    whole = accumulate(moves, 1)[0]
    assert whole.shift is not None
    gain, shift, noise = whole.gain[0, 0, 0], whole.shift[0, 0], whole.noise[0, 0, 0]
    mean = (problem.process.alpha(times[-1]) + shift) * problem.data.mean
    return Gaussian(mean, gain.square() * variances(problem, times[:1])[0] + noise), gain


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_points_have_the_law(case: Case) -> None:
    problem = problem_of(case.family.process, 0.5)
    times = array(few_steps(case))
    rng = torch.Generator().manual_seed(11)
    start = problem.process.marginal(problem.data, times[0]).sample(POINTS, rng)
    x = simulated(case.sampler, problem, times, start, rng)
    law, _ = law_at_the_end(case, problem, times)
    assert x.shape == (POINTS, 2)
    centered = x - law.mean
    # Errors in units of their standard errors.
    errors = [
        *(centered.mean(0) / (law.variance / POINTS).sqrt()).tolist(),
        *((centered.square().mean(0) / law.variance - 1) / math.sqrt(2 / POINTS)).tolist(),
        float(centered.prod(1).mean() / (law.variance.prod() / POINTS).sqrt()),
    ]
    assert max(abs(error) for error in errors) < 4.5, errors


@pytest.mark.parametrize("case", [case for case in CASES if case.sampler.limit_stochasticity.is_zero], ids=repr)
def test_points_of_a_flow_move_by_its_affine_map(case: Case) -> None:
    problem = problem_of(case.family.process, 0.5)
    times = array(few_steps(case))
    rng = torch.Generator().manual_seed(11)
    start = torch.randn(50, 2, dtype=torch.float64, generator=rng)
    x = simulated(case.sampler, problem, times, start, rng)
    law, gain = law_at_the_end(case, problem, times)
    mean = problem.process.alpha(times[0]) * problem.data.mean
    torch.testing.assert_close(x, law.mean + gain * (start - mean), rtol=1e-11, atol=1e-12)


def test_points_are_those_of_their_generator() -> None:
    problem, times = problem_of(FAMILIES[0].process, 0.5), array([1.0, 0.5, 0.1])
    start = torch.zeros(5, 2, dtype=torch.float64)

    def run(seed: int) -> Tensor:
        return simulated(DDIM(eta=1.0), problem, times, start, torch.Generator().manual_seed(seed))

    assert torch.equal(run(3), run(3))
    assert not torch.equal(run(3), run(4))
