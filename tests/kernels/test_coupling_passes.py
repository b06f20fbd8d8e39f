"""Looks at all entries of a coupling, in pieces on all cores, against the definitions."""

import math
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from kernels import crew
from kernels.crew import unheard
from kernels.transport import (
    Coupling,
    EntropicCoupling,
    LowRankCoupling,
    Potentials,
    TransportProblem,
    UnbalancedCoupling,
)

Floats = NDArray[np.float64]


class StoppedError(Exception):
    """As a person stops it."""


def problem_of(n: int, m: int, d: int, power: float = 2.0) -> TransportProblem:
    rng = np.random.default_rng(n + d)
    x, y = rng.normal(size=(n, d)), 1.0 + 0.7 * rng.normal(size=(m, d))
    a, b = rng.uniform(0.1, 1.0, n), rng.uniform(0.1, 1.0, m)
    # Some points have no weight.
    a[::7], b[::11] = 0.0, 0.0
    parts = (torch.from_numpy(values) for values in (x, y, a / a.sum(), b / b.sum()))
    return TransportProblem(*parts, epsilon=1.0, power=power).relative(0.1)


def costs_of(problem: TransportProblem) -> Floats:
    return np.asarray(cdist(problem.points_x.numpy(), problem.points_y.numpy()) ** problem.power, dtype=np.float64)


def nearly(problem: TransportProblem) -> Potentials:
    """Potentials after a few iterations, so that neither marginal is exact."""
    costs, a, b = costs_of(problem) / problem.epsilon, problem.weights_a.numpy(), problem.weights_b.numpy()
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(2):
        f = -np.log((np.exp(g - costs)) @ b)
        g = -np.log(a @ np.exp(f[:, None] - costs))
    f += 0.01 * np.cos(np.arange(len(f)))
    return Potentials(torch.from_numpy(problem.epsilon * f), torch.from_numpy(problem.epsilon * g))


def entropic(problem: TransportProblem) -> EntropicCoupling:
    return EntropicCoupling(problem, nearly(problem))


def by_definition(coupling: EntropicCoupling | UnbalancedCoupling) -> Floats:
    problem, (f, g) = coupling.problem, (coupling.potentials.potential_f, coupling.potentials.potential_g)
    density = np.exp((f.numpy()[:, None] + g.numpy() - costs_of(problem)) / problem.epsilon)
    return problem.weights_a.numpy()[:, None] * density * problem.weights_b.numpy()


# Few coordinates in several pieces; many of a few points, and of more; another cost.
SIZES = [(2200, 2100, 2, 2.0), (700, 650, 3, 2.0), (200, 150, 40, 2.0), (1100, 5000, 20, 2.0), (700, 650, 2, 1.0)]
of_every_size = pytest.mark.parametrize(("n", "m", "d", "power"), SIZES)


def check(coupling: Coupling, entries: Floats) -> None:
    problem = coupling.problem
    a, b, y = problem.weights_a.numpy(), problem.weights_b.numpy(), problem.points_y.numpy()
    has = a > 0
    rows, columns = entries.sum(1), entries.sum(0)
    found = coupling.measures
    np.testing.assert_allclose(found.marginals.rows.numpy(), rows, rtol=1e-12, atol=0)
    np.testing.assert_allclose(found.marginals.columns.numpy(), columns, rtol=1e-12, atol=0)
    assert found.transport_cost == pytest.approx((costs_of(problem) * entries).sum(), rel=1e-12)
    relative = rel_entr(entries, np.outer(a, b)).sum() - entries.sum() + a.sum() * b.sum()
    assert found.relative_entropy == pytest.approx(relative, rel=1e-11)
    shares = entries[has] / rows[has, None]
    entropy = rel_entr(shares, np.ones_like(shares)).sum(1)
    np.testing.assert_allclose(found.row_entropy.numpy()[has], -entropy, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(coupling.barycentric_map.numpy()[has], shares @ y, rtol=0, atol=1e-12)
    assert np.isnan(coupling.barycentric_map.numpy()[~has]).all()
    values, places = (part.numpy() for part in coupling.strongest(3))
    np.testing.assert_allclose(values, -np.sort(-entries, 1)[:, :3], rtol=1e-11, atol=0)
    np.testing.assert_allclose(np.take_along_axis(entries, places, 1)[has], values[has], rtol=1e-11, atol=0)
    np.testing.assert_allclose(coupling.entries(5, 9).numpy(), entries[5:9], rtol=1e-11, atol=0)


@of_every_size
def test_sums_and_means_are_as_defined(n: int, m: int, d: int, power: float) -> None:
    coupling = entropic(problem_of(n, m, d, power))
    check(coupling, by_definition(coupling))


def test_those_of_unbalanced_and_low_rank_couplings_too() -> None:
    problem = problem_of(700, 650, 2)
    unbalanced = UnbalancedCoupling(problem, nearly(problem), 1.0, 2.0)
    check(unbalanced, by_definition(unbalanced))
    rng = np.random.default_rng(1)
    masses = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    left, right = (
        weights[:, None] * masses * torch.from_numpy(rng.uniform(0.5, 1.5, (len(weights), 3)))
        for weights in (problem.weights_a, problem.weights_b)
    )
    check(LowRankCoupling(problem, left, right, masses), (left.numpy() / masses.numpy()) @ right.numpy().T)


@of_every_size
def test_the_dual_gap_is_that_of_the_coupling_made_exact(n: int, m: int, d: int, power: float) -> None:
    coupling = entropic(problem_of(n, m, d, power))
    problem, entries = coupling.problem, by_definition(coupling)
    a, b = problem.weights_a.numpy(), problem.weights_b.numpy()
    with np.errstate(invalid="ignore"):
        entries *= np.nan_to_num(np.minimum(1.0, a / entries.sum(1)), nan=1.0)[:, None]
        entries *= np.nan_to_num(np.minimum(1.0, b / entries.sum(0)), nan=1.0)
    missing_a, missing_b = a - entries.sum(1), b - entries.sum(0)
    # Rounding leaves some a little below zero.
    entries = np.maximum(entries + np.outer(missing_a, missing_b) / missing_b.sum(), 0.0)
    value = (costs_of(problem) * entries).sum() + problem.epsilon * rel_entr(entries, np.outer(a, b)).sum()
    assert coupling.dual_gap == pytest.approx(value - coupling.dual_value, abs=1e-11 * value)
    assert coupling.dual_gap > 0


@pytest.mark.parametrize("d", [2, 20])
def test_no_digit_depends_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch, d: int) -> None:
    problem = problem_of(2200, 2100, d)
    potentials, found = nearly(problem), list[list[float]]()
    for cores in (1, 3, 8):
        monkeypatch.setattr(crew, "cores", lambda cores=cores: cores)
        coupling = EntropicCoupling(problem, potentials)
        measures = coupling.measures
        numbers = [measures.transport_cost, measures.relative_entropy, coupling.dual_gap]
        for values in (
            measures.marginals.columns,
            measures.row_entropy,
            coupling.barycentric_map[problem.weights_a > 0],
        ):
            numbers += values.flatten().tolist()
        found.append(numbers)
    assert found[0] == found[1] == found[2]


def test_points_far_apart_have_entries_of_nothing() -> None:
    problem = problem_of(60, 50, 2)
    far = replace(problem, points_x=problem.points_x + 1e3)
    coupling = EntropicCoupling(far, nearly(problem))
    assert coupling.transport_cost == pytest.approx(0.0, abs=1e-250)
    assert coupling.entries(0, 60).max() < 1e-250


def test_potentials_that_are_not_finite_have_no_measures() -> None:
    problem = problem_of(60, 50, 2)
    potentials = nearly(problem)
    potentials.potential_g[3] = math.nan
    coupling = EntropicCoupling(problem, potentials)
    assert math.isnan(coupling.transport_cost)
    assert math.isnan(coupling.dual_gap)
    assert coupling.measures.marginals.rows[1:].isnan().any()


def test_every_look_tells_its_share_and_is_kept() -> None:
    coupling, heard = entropic(problem_of(2200, 2100, 2)), list[float]()
    for look_again in (
        lambda: coupling.measure(heard.append),
        lambda: coupling.send(heard.append),
        lambda: coupling.bound(heard.append),
    ):
        heard.clear()
        first = look_again()
        assert len(heard) >= 2
        assert heard == sorted(heard)
        assert heard[-1] == pytest.approx(1.0)
        count = len(heard)
        assert look_again() is first
        assert len(heard) == count


@pytest.mark.parametrize("error", [StoppedError, KeyboardInterrupt])
def test_what_the_hearer_raises_ends_a_look_and_nothing_is_kept(error: type[BaseException]) -> None:
    coupling = entropic(problem_of(2200, 2100, 2))
    raised = list[float]()

    def stop(share: float) -> None:
        raised.append(time.monotonic())
        raise error

    looks = (coupling.measure, coupling.send, coupling.bound, partial(coupling.strongest, 3))
    for look in looks:
        raised.clear()
        with pytest.raises(error):
            look(stop)
        assert len(raised) == 1
        assert time.monotonic() - raised[0] < 0.2
    assert not {"measures", "barycentric_map", "dual_gap"} & set(vars(coupling))
    assert coupling.measure(unheard) is coupling.measures
