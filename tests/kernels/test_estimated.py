"""What clouds tell of the distance of laws: beside brute force, another library and closed forms."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from kernels.analyses import estimated
from kernels.analyses.coupled import Question, couple
from kernels.analyses.estimated import (
    LADDER,
    UnknownLawsError,
    clear,
    costs_now,
    dimensions,
    effects_over,
    estimates_now,
    find_costs,
    find_effects,
    find_estimates,
    find_scales,
    gaussian_limits,
    known_estimates,
    laws_of,
    scales_of,
)
from kernels.pairs import GeneratedAndData
from kernels.particles import Sampling
from kernels.transport import (
    ESTIMATORS,
    LowRankSinkhorn,
    Sinkhorn,
    dense_transport,
    gaussian_transport,
)
from tests.coupling import (
    ASKED,
    LINE,
    SPIRAL,
    THREE,
    Counting,
    EnoughError,
    Floats,
    costs_between,
    enough,
    forgetting,
    other_plan,
    question,
    unwatched,
)

nothing_is_kept = pytest.fixture(autouse=True)(forgetting)


# ------------------------------------------------------------------------------------------------- costs and epsilon


def own(points: torch.Tensor, epsilon: float) -> float:
    return entropic(np.asarray(cdist(points, points), dtype=np.float64) ** 2, epsilon)[0]


def entropic(costs: Floats, epsilon: float) -> tuple[float, float]:
    """Entropic and transport cost by another library."""
    plan = other_plan(costs, epsilon)
    transport = float((plan * costs).sum())
    return transport + epsilon * float((plan * np.log(plan * costs.size)).sum()), transport


def test_costs_at_each_epsilon_are_those_of_another_library() -> None:
    asked = question()
    assert find_costs(asked, unwatched)
    assert not find_costs(asked, unwatched)
    found = costs_now(asked)
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    costs = costs_between(pair)
    assert found.points == (80, 80)
    assert found.is_whole
    assert found.unit == pytest.approx(costs.mean(), rel=1e-12)
    np.testing.assert_allclose(found.epsilons, costs.mean() * np.array(LADDER[:7]), rtol=1e-12)
    divergences: dict[int, float] = {}
    for place in (0, 1, 5, 6):
        epsilon = float(found.epsilons[place])
        total, transport = entropic(costs, epsilon)
        # To a marginal error of one in a thousand, dual values are right to second order.
        assert found.entropic[place] == pytest.approx(total, rel=1e-3)
        assert found.transport[place] == pytest.approx(transport, rel=5e-3)
        divergences[place] = total - 0.5 * (own(pair.points_x, epsilon) + own(pair.points_y, epsilon))
        assert found.divergence[place] == pytest.approx(divergences[place], abs=2e-4 * costs.mean())
    assert math.isnan(found.richardson[0])
    for place in (1, 6):
        wanted = 2 * divergences[place] - divergences[place - 1]
        assert found.richardson[place] == pytest.approx(wanted, abs=5e-4 * costs.mean())
    # The sharper, the cheaper and the fewer partners, from all of them on.
    assert (np.diff(found.transport) < 0).all()
    assert (np.diff(found.partners) < 0).all()
    assert 60 < found.partners[0] < 80
    assert found.partners[-1] > 1


def test_epsilons_go_from_the_mean_cost_to_a_thousandth_of_it() -> None:
    assert LADDER[0] == 1.0
    assert LADDER[-1] == pytest.approx(2**-10, rel=1e-12)
    np.testing.assert_allclose(np.array(LADDER[:-1]) / np.array(LADDER[1:]), math.sqrt(2), rtol=1e-12)


def test_the_exact_cost_is_that_of_the_best_assignment() -> None:
    for power in (1.0, 2.0, 3.0):
        asked = question(transport=replace(ASKED, power=power))
        costs = costs_between(GeneratedAndData().drawn(THREE, Sampling(particles=80), None), power)
        best = costs[linear_sum_assignment(costs)].sum() / 80
        found = costs_now(asked)
        assert found.exact == pytest.approx(best, rel=1e-9)
        assert estimates_now(asked).found[3].value == pytest.approx(best, rel=1e-9)
        # Blur makes it dearer, but for what marginals may lack.
        assert (found.transport > (1 - 1e-3) * best).all()


def test_on_a_line_the_exact_cost_is_that_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "MOST_EXACT", 10)
    # Too many points off the line, and never too many on it.
    assert math.isnan(costs_now(question()).exact)
    assert math.isnan(estimates_now(question()).found[3].value)
    asked = question(LINE)
    pair = GeneratedAndData().drawn(LINE, Sampling(particles=80), None)
    in_order = float((pair.points_x[:, 0].sort().values - pair.points_y[:, 0].sort().values).square().mean())
    assert costs_now(asked).exact == pytest.approx(in_order, rel=1e-12)


def test_costs_of_many_points_are_of_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "QUICK_LADDER_POINTS", 20)
    monkeypatch.setattr(estimated, "LADDER_POINTS", 40)
    monkeypatch.setattr(estimated, "QUICK_ESTIMATE_POINTS", 20)
    monkeypatch.setattr(estimated, "ESTIMATE_POINTS", 40)
    asked = question()
    early = costs_now(asked)
    assert (early.points, early.is_whole) == ((20, 20), False)
    # Fewer regularizations, too, and nothing to extrapolate with.
    assert len(early.epsilons) < len(estimated.LADDER)
    assert np.isnan(early.richardson).all()
    assert (estimates_now(asked).points, estimates_now(asked).is_whole) == ((20, 20), False)
    find_costs(asked, unwatched)
    find_estimates(asked, unwatched)
    assert np.isfinite(costs_now(asked).richardson[1:]).all()
    assert (costs_now(asked).points, costs_now(asked).is_whole) == ((40, 40), True)
    assert (estimates_now(asked).points, estimates_now(asked).is_whole) == ((40, 40), True)


def test_costs_do_not_depend_on_epsilon_nor_on_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    find_costs(question(), unwatched)
    first = costs_now(question())
    counting = Counting(monkeypatch, Sinkhorn)
    for changes in ({"epsilon": 0.3}, {"solver": LowRankSinkhorn()}, {"colors": "partners"}):
        assert costs_now(question(transport=replace(ASKED, **changes))) is first
    assert counting.calls == 0
    assert costs_now(question(transport=replace(ASKED, power=1.0))) is not first


def test_limits_of_costs_are_those_of_the_laws() -> None:
    find_costs(question(), unwatched)
    found = costs_now(question())
    assert found.limits is not None
    assert found.of_laws
    entropic_cost, divergence, extrapolated, exact = found.limits
    p, q = laws_of(question())
    known = gaussian_transport(p, q)
    for place in (0, 3, 6):
        epsilon = float(found.epsilons[place])
        assert entropic_cost[place] == known.entropic_cost(epsilon)
        assert divergence[place] == known.divergence(epsilon)
        assert extrapolated[place] == known.richardson(epsilon)
    deviations = p.variance.sqrt() - q.variance.sqrt()
    assert exact == pytest.approx(float((p.mean - q.mean).square().sum() + deviations.square().sum()), rel=1e-9)


def test_where_laws_are_unknown_limits_are_of_gaussians_with_the_moments() -> None:
    asked = question(SPIRAL)
    found = costs_now(asked)
    assert found.limits is not None
    assert not found.of_laws
    pair = GeneratedAndData().drawn(SPIRAL, Sampling(particles=80), None)
    moments = [
        (points.mean(0), torch.from_numpy(np.cov(points.numpy().T))) for points in (pair.points_x, pair.points_y)
    ]
    known = dense_transport(*moments[0], *moments[1])
    assert found.limits[3] == pytest.approx(known.wasserstein2_squared, rel=1e-9)
    assert found.limits[0][1] == pytest.approx(known.entropic_cost(float(found.epsilons[1])), rel=1e-9)
    # Of other powers nothing is known.
    assert costs_now(question(transport=replace(ASKED, power=1.0))).limits is None


# -------------------------------------------------------------------------------------------------------- estimates


def test_estimates_are_those_of_the_other_library_with_what_they_tend_to() -> None:
    asked = question(transport=replace(ASKED, epsilon=0.2))
    assert known_estimates(asked) is None
    assert find_estimates(asked, unwatched)
    assert not find_estimates(asked, unwatched)
    found = known_estimates(asked)
    assert found is not None
    assert found is estimates_now(asked)
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    costs = costs_between(pair)
    e = 0.2 * float(costs.mean())
    assert found.epsilon == pytest.approx(e, rel=1e-12)

    def divergence(epsilon: float) -> float:
        return entropic(costs, epsilon)[0] - 0.5 * (own(pair.points_x, epsilon) + own(pair.points_y, epsilon))

    sharp, blurred = divergence(e), divergence(math.sqrt(2) * e)
    wanted = entropic(costs, e)[0], sharp, 2 * sharp - blurred
    for estimate, value in zip(found.found, wanted, strict=False):
        assert estimate.value == pytest.approx(value, abs=5e-4 * costs.mean())
        assert estimate.points == (80, 80)
        assert 0 < estimate.standard_error < 0.5 * costs.mean()
    known = gaussian_transport(*laws_of(asked))
    assert found.limits == (known.entropic_cost(e), known.divergence(e), known.richardson(e), found.truth)
    assert found.truth == pytest.approx(known.wasserstein2_squared, rel=1e-12)


def test_estimates_of_unknown_laws_have_no_truth() -> None:
    for asked in (question(SPIRAL), question(transport=replace(ASKED, power=1.0))):
        found = estimates_now(asked)
        assert math.isnan(found.truth)
        assert all(math.isnan(limit) for limit in found.limits)
        assert all(math.isfinite(estimate.value) for estimate in found.found)


def test_why_there_is_no_truth_is_told() -> None:
    for asked, sentence in (
        (
            question(SPIRAL),
            "the laws of these clouds are not known; choose Gaussian data with an affine score.",
        ),
        (
            question(transport=replace(ASKED, power=1.5)),
            "exact distances are of power 2, got 1.5; choose 2.",
        ),
    ):
        for ask in (lambda asked=asked: laws_of(asked), lambda asked=asked: find_effects(asked, "points", unwatched)):
            with pytest.raises(UnknownLawsError) as caught:
                ask()
            assert str(caught.value) == sentence


def test_limits_by_modes_are_those_of_the_leading_ones() -> None:
    found = gaussian_limits(question(), (1, 2, 3))
    assert found.shape == (len(ESTIMATORS), 3)
    p, q = (law.variance.numpy() for law in laws_of(question()))
    np.testing.assert_allclose(found[3], np.cumsum((np.sqrt(p) - np.sqrt(q)) ** 2), rtol=1e-9)
    # By the closed form of one pair of modes, summed: epsilon is a share of the mean cost in as many modes.
    for count in (1, 2, 3):
        e, s = 0.1 * (p + q)[:count].sum(), np.sqrt(p * q)[:count]
        d = np.sqrt(4 * s**2 + e**2 / 4)
        r = 2 * s / (d + e / 2)
        wanted = (p + q)[:count].sum() - 2 * (s * r).sum() - 0.5 * e * np.log(1 - r**2).sum()
        assert found[0, count - 1] == pytest.approx(wanted, rel=1e-9)


def test_numbers_of_modes_go_from_one_to_all() -> None:
    assert dimensions(1) == (1,)
    assert dimensions(3) == (1, 2, 3)
    many = dimensions(1000)
    assert (many[0], many[-1]) == (1, 1000)
    assert len(many) <= estimated.MOST_MODES
    ratios = np.diff(np.log(many))
    assert ratios[3:].max() < 1.1 * ratios[3:].min()


def test_with_many_points_means_come_near_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "SIZES", (30, 300))
    asked = question(LINE, transport=replace(ASKED, epsilon=0.5))
    assert effects_over(asked, "points") is None
    assert find_effects(asked, "points", unwatched)
    assert not find_effects(asked, "points", unwatched)
    found = effects_over(asked, "points")
    assert found is not None
    assert found.sizes == (30, 300)
    assert found.values.shape == (len(ESTIMATORS), 1, 2, 1, estimated.REPLICAS)
    limits = gaussian_limits(asked, (1,))[:, 0]
    np.testing.assert_allclose(found.limits[:, 0, 0], limits, rtol=1e-9)
    means, errors = found.values.mean(-1)[:, 0, 1, 0].numpy(), found.bias_error[:, 0, 1, 0].numpy()
    # What is left is of the order of the mean cost over the number of points.
    np.testing.assert_array_less(np.abs(means - limits), 4.5 * errors + 3 * 8 / 300)
    # The cost of clouds exceeds that of their laws: no coupling of few points is as good as that of all.
    bias = found.bias[3, 0, :, 0].numpy()
    assert 0 < bias[1] < bias[0]


def test_over_modes_there_is_one_value_for_each_number_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimated, "SIZE_OVER_MODES", 50)
    asked = question()
    find_effects(asked, "modes", unwatched)
    found = effects_over(asked, "modes")
    assert found is not None
    assert (found.modes, found.sizes) == ((1, 2, 3), (50,))
    assert effects_over(asked, "points") is None
    # The more modes, the larger the bias of the exact cost.
    assert (np.diff(found.bias[3, :, 0, 0].numpy()) > 0).all()


# ----------------------------------------------------------------------------------------------------------- scales


def test_the_nearest_point_is_that_of_a_tree() -> None:
    for power in (1.0, 2.0):
        asked = question(transport=replace(ASKED, power=power))
        assert scales_of(asked) is None
        assert find_scales(asked, unwatched)
        assert not find_scales(asked, unwatched)
        found = scales_of(asked)
        assert found is not None
        pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
        nearest = KDTree(pair.points_y.numpy()).query(pair.points_x.numpy())[0] ** power
        assert found.nearest == pytest.approx(nearest.mean() / costs_between(pair, power).mean(), rel=1e-9)


def test_at_few_partners_points_have_as_many() -> None:
    asked = question()
    find_scales(asked, unwatched)
    scales = scales_of(asked)
    assert scales is not None
    pair = GeneratedAndData().drawn(THREE, Sampling(particles=80), None)
    costs = costs_between(pair)
    plan = other_plan(costs, scales.few_partners * float(costs.mean()))
    rows = plan / plan.sum(1, keepdims=True)
    entropy = -np.where(rows > 0, rows * np.log(np.where(rows > 0, rows, 1.0)), 0.0).sum(1)
    assert math.exp(entropy.mean()) == pytest.approx(10.0, rel=0.03)


def test_of_few_points_there_are_no_ten_partners() -> None:
    asked = question(transport=replace(ASKED, points=10))
    find_scales(asked, unwatched)
    scales = scales_of(asked)
    assert scales is not None
    assert math.isnan(scales.few_partners)
    assert scales.nearest > 0


def test_scales_do_not_depend_on_epsilon() -> None:
    find_scales(question(), unwatched)
    first = scales_of(question())
    assert scales_of(question(transport=replace(ASKED, epsilon=0.7))) is first
    assert scales_of(question(transport=replace(ASKED, points=90))) is None
    assert scales_of(question(seed=1)) is None


# --------------------------------------------------------------------------------------------------- what is unusual


def test_what_the_watch_raises_ends_all_other_work_too() -> None:
    asked = question()
    for find in (find_costs, find_estimates):
        with pytest.raises(EnoughError):
            find(asked, enough)
    with pytest.raises(EnoughError):
        find_effects(asked, "points", enough)
    assert effects_over(asked, "points") is None
    assert known_estimates(asked) is None
    assert scales_of(asked) is None
    assert not costs_now(asked).is_whole
    assert not estimates_now(asked).is_whole


def test_everything_can_be_forgotten() -> None:
    asked = question()
    finds: tuple[Callable[[Question, Callable[[float], None]], bool], ...]
    finds = couple, find_costs, find_estimates, find_scales
    assert [find(asked, unwatched) for find in finds] == [True] * 4
    clear()
    assert [find(asked, unwatched) for find in finds] == [True] * 4
