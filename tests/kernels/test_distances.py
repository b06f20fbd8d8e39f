"""Distances between clouds: against closed forms, other programs, and how much they spread when drawn again."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from scipy.stats import energy_distance, norm
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor

from kernels.arrays import array
from kernels.distances import (
    DISTANCES,
    MMD,
    ByMode,
    Distance,
    Energy,
    Estimate,
    Exact,
    Frechet,
    Sliced,
    by_mode_to,
    frechet_to,
    measure_all,
    median_distance,
    modewise,
)
from kernels.gaussian import Gaussian
from kernels.param import declarations

Matrix = NDArray[np.float64]

of_every_distance = pytest.mark.parametrize("distance", [kind() for kind in DISTANCES], ids=lambda each: each.name)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, modes: int, rng: torch.Generator) -> Tensor:
    return torch.randn(n, modes, dtype=torch.float64, generator=rng)


def skewed(n: int, modes: int, rng: torch.Generator) -> Tensor:
    """Exponential variables, of mean zero and variance one."""
    return torch.empty(n, modes, dtype=torch.float64).exponential_(generator=rng) - 1


def within(estimate: Estimate, exact: float) -> bool:
    return abs(estimate.value - exact) < 4.5 * estimate.standard_error


# Two Gaussians with covariances that do not commute.
MIX_X = np.array([[1.0, 0.0, 0.0], [0.5, 0.8, 0.0], [-0.2, 0.3, 0.4]])
MIX_Y = np.array([[0.7, 0.4, 0.1], [0.0, 1.1, -0.5], [0.0, 0.0, 0.6]])
SHIFT = np.array([0.3, -0.2, 0.1])


def two_clouds(n: int, m: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = generator(seed)
    return normal(n, 3, rng) @ array(MIX_X).T, normal(m, 3, rng) @ array(MIX_Y).T + array(SHIFT)


def root(matrix: Matrix) -> Matrix:
    return np.real(sqrtm(matrix))


def bures(p: Matrix, q: Matrix) -> float:
    return float(np.trace(p + q - 2 * root(root(p) @ q @ root(p))))


# ------------------------------------------------------------------------------------------------ closed forms


def test_frechet_of_gaussians_is_their_wasserstein_distance() -> None:
    x, y = two_clouds(20000, 30000, 1)
    exact = math.sqrt(SHIFT @ SHIFT + bures(MIX_X @ MIX_X.T, MIX_Y @ MIX_Y.T))
    estimate = Frechet().measure(x, y, generator())
    assert within(estimate, exact)
    assert estimate.standard_error < 0.02 * exact
    assert estimate.points == (20000, 30000)


def test_frechet_to_a_law_is_their_wasserstein_distance() -> None:
    x, _ = two_clouds(20000, 2, 2)
    law = Gaussian(array([0.2, 0.0, -0.1]), array([2.0, 0.5, 0.1]))
    exact = math.sqrt(0.05 + bures(MIX_X @ MIX_X.T, np.diag([2.0, 0.5, 0.1])))
    estimate = frechet_to(x, law)
    assert within(estimate, exact)
    assert estimate.standard_error < 0.02 * exact
    assert estimate.points == (20000, 0)


def nuclear(p: Matrix, q: Matrix) -> float:
    """Squared distance of the covariances A'A and B'B, singular or not: the overlap is the nuclear norm of A B'."""
    return float((p**2).sum() + (q**2).sum() - 2 * np.linalg.svd(p @ q.T, compute_uv=False).sum())


@pytest.mark.parametrize(("n", "m", "modes"), [(40, 60, 5), (60, 40, 5), (8, 50, 12), (50, 8, 12), (9, 7, 12)])
def test_frechet_is_that_of_the_measured_moments(n: int, m: int, modes: int) -> None:
    rng = generator(3)
    x, y = 0.7 * normal(n, modes, rng) + 0.2, skewed(m, modes, rng)
    means = [each.numpy().mean(0) for each in (x, y)]
    p, q = ((each.numpy() - each.numpy().mean(0)) / math.sqrt(len(each) - 1) for each in (x, y))
    apart = ((means[0] - means[1]) ** 2).sum()
    value = Frechet().measure(x, y, generator()).value
    assert value == pytest.approx(math.sqrt(apart + nuclear(p, q)), rel=1e-6)
    deviations = y.numpy().std(0, ddof=1)
    law = Gaussian(array(means[1]), array(deviations**2))
    assert frechet_to(x, law).value == pytest.approx(math.sqrt(apart + nuclear(p, np.diag(deviations))), rel=1e-6)
    if min(n, m) > modes:
        expected = cast(
            float, ot.gaussian.bures_wasserstein_distance(means[0], means[1], np.cov(x.numpy().T), np.cov(y.numpy().T))
        )
        assert value == pytest.approx(expected, rel=1e-6)


def test_modes_that_do_not_vary_in_both_clouds_change_nothing() -> None:
    x, y = two_clouds(50, 60, 4)
    wide = [torch.cat([each, torch.full((len(each), 2), 3.0, dtype=torch.float64)], 1) for each in (x, y)]
    for kind in (Frechet, ByMode, Energy, Exact):
        narrow, padded = kind().measure(x, y, generator()), kind().measure(wide[0], wide[1], generator())
        assert padded.value == pytest.approx(narrow.value, rel=1e-6), kind
        assert padded.standard_error == pytest.approx(narrow.standard_error, rel=1e-6), kind


def test_by_mode_is_the_distance_of_the_marginals() -> None:
    x, y = two_clouds(20000, 30000, 5)
    deviations = [np.sqrt(np.diag(mix @ mix.T)) for mix in (MIX_X, MIX_Y)]
    exact = math.sqrt(SHIFT @ SHIFT + ((deviations[0] - deviations[1]) ** 2).sum())
    assert within(ByMode().measure(x, y, generator()), exact)
    law = Gaussian(array(SHIFT), array(deviations[1] ** 2))
    assert within(by_mode_to(x, law), exact)
    assert within(modewise(len(x), x.mean(0), x.var(0), law), exact)


def test_the_distance_of_moments_by_hand() -> None:
    # Deviations 2 and 3, 101 points: 1 + 1 less 4/101 for the mean and 3 (2 16/100) / (4 8) for the deviation.
    law = Gaussian(array([1.0]), array([9.0]))
    estimate = modewise(101, array([2.0]), array([4.0]), law)
    assert estimate.value == pytest.approx(math.sqrt(2 - 4 / 101 - 0.03), rel=1e-12)
    # (2 (m - m'))^2 v/n + (1 - 3/2)^2 var(v), less the degenerate 2 ((v/n)^2 + (var(v)/4v)^2).
    variance = 4 * 4 / 101 + 0.25 * 0.32 - 2 * ((4 / 101) ** 2 + 0.02**2)
    assert estimate.standard_error == pytest.approx(math.sqrt(variance) / (2 * estimate.value), rel=1e-12)
    assert estimate.points == (101, 0)


def test_sliced_of_a_shift_is_its_length_over_the_root_of_the_modes() -> None:
    rng = generator(6)
    x, y = normal(5000, 4, rng), normal(5000, 4, rng) + array([2.0, 0.0, -1.0, 2.0])
    estimate = Sliced(directions=64).measure(x, y, rng)
    assert within(estimate, 3.0 / 2.0)
    assert estimate.standard_error < 0.2


def expected_distance(shift: float, variance: float) -> float:
    """E|Z| of a Gaussian variable."""
    deviation = math.sqrt(variance)
    folded = deviation * math.sqrt(2 / math.pi) * math.exp(-(shift**2) / (2 * variance))
    return folded + shift * (1 - 2 * float(norm.cdf(-shift / deviation)))


def test_energy_of_gaussians_on_a_line() -> None:
    rng = generator(7)
    x, y = normal(1500, 1, rng), 1.5 * normal(2000, 1, rng) + 0.4
    exact = 2 * expected_distance(0.4, 3.25) - expected_distance(0.0, 2.0) - expected_distance(0.0, 4.5)
    estimate = Energy().measure(x, y, rng)
    assert within(estimate, exact)
    assert estimate.standard_error < 0.2 * exact


def expected_likeness(shift: Matrix, covariance: Matrix, bandwidth: float) -> float:
    """E exp(-|Z|^2 / 2 h^2) of a Gaussian vector."""
    spread = np.eye(len(shift)) + covariance / bandwidth**2
    distance = shift @ np.linalg.solve(spread, shift) / bandwidth**2
    return float(np.exp(-0.5 * distance) / np.sqrt(np.linalg.det(spread)))


@pytest.mark.parametrize("width", [0.3, 1.0])
def test_mmd_of_gaussians(width: float) -> None:
    x, y = two_clouds(1500, 1000, 8)
    bandwidth = width * median_distance(x, y, generator(1))
    p, q = MIX_X @ MIX_X.T, MIX_Y @ MIX_Y.T
    exact = expected_likeness(0 * SHIFT, 2 * p, bandwidth) + expected_likeness(0 * SHIFT, 2 * q, bandwidth)
    exact -= 2 * expected_likeness(SHIFT, p + q, bandwidth)
    estimate = MMD(width=width).measure(x, y, generator(1))
    assert within(estimate, exact)
    assert estimate.standard_error < 0.25 * exact


# ---------------------------------------------------------------------------------------------- other programs


def test_energy_is_that_of_all_pairs() -> None:
    rng = generator(9)
    for modes in (1, 3):
        x, y = normal(70, modes, rng), skewed(90, modes, rng) + 50.0
        p, q = pdist(x.numpy()).mean(), pdist(y.numpy()).mean()
        expected = 2 * cdist(x.numpy(), y.numpy()).mean() - p - q
        value = Energy().measure(x, y, rng).value
        assert value == pytest.approx(expected, rel=1e-9)
        if modes == 1:
            # Scipy takes the root, and counts a point's distance to itself among the others.
            squared = energy_distance(x[:, 0].numpy(), y[:, 0].numpy()) ** 2
            assert value == pytest.approx(squared - p / 70 - q / 90, rel=1e-9)


def test_mmd_is_that_of_all_pairs() -> None:
    x, y = two_clouds(70, 90, 10)
    bandwidth = float(np.median(pdist(torch.cat([x, y]).numpy())))
    assert median_distance(x, y, generator()) == pytest.approx(bandwidth, rel=1e-9)
    p, q, between = (rbf_kernel(a.numpy(), b.numpy(), gamma=0.5 / bandwidth**2) for a, b in ((x, x), (y, y), (x, y)))
    expected = (p.sum() - 70) / (70 * 69) + (q.sum() - 90) / (90 * 89) - 2 * between.mean()
    assert MMD().measure(x, y, generator()).value == pytest.approx(expected, rel=1e-9)


def test_the_bandwidth_is_never_zero() -> None:
    same = torch.zeros(20, 2, dtype=torch.float64)
    one_away = same.clone()
    one_away[0, 0] = 4.0
    assert median_distance(same, same, generator()) == 1.0
    assert median_distance(one_away, same, generator()) == pytest.approx(4.0 * 39 / (20 * 39))


def test_sliced_is_that_of_the_same_directions() -> None:
    x, y = two_clouds(80, 80, 11)
    drawn = torch.randn(3, 40, dtype=torch.float64, generator=generator(5))
    lines = (drawn / drawn.norm(dim=0)).numpy()
    expected = cast(float, ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=lines))
    assert Sliced(directions=40).measure(x, y, generator(5)).value == pytest.approx(expected, rel=1e-9)


def test_sliced_on_a_line_is_exact() -> None:
    rng = generator(12)
    x, y = normal(60, 1, rng), skewed(60, 1, rng)
    expected = math.sqrt(cast(float, ot.wasserstein_1d(x[:, 0].numpy(), y[:, 0].numpy(), p=2)))
    sliced, exact = (each.measure(x, y, rng) for each in (Sliced(directions=2), Exact()))
    assert sliced.value == pytest.approx(expected, rel=1e-9)
    assert exact.value == pytest.approx(expected, rel=1e-9)


def test_clouds_of_different_sizes_are_thinned_where_points_are_matched() -> None:
    x, y = two_clouds(60, 90, 13)
    more, same = (Sliced(directions=8).measure(x, other, generator(1)) for other in (y, y[:60]))
    assert (more.value, more.points) == (same.value, (60, 60))


def test_exact_is_the_best_assignment() -> None:
    x, y = two_clouds(50, 50, 14)
    costs = cdist(x.numpy(), y.numpy()) ** 2
    expected = math.sqrt(costs[linear_sum_assignment(costs)].mean())
    assert Exact().measure(x, y, generator()).value == pytest.approx(expected, rel=1e-9)
    # Every point twice is the same law.
    twice = Exact().measure(x, torch.cat([y, y]), generator())
    assert (twice.value, twice.points) == (pytest.approx(expected, rel=1e-9), (50, 100))


# --------------------------------------------------------------------------------------------- standard errors


def repeated(measure: Callable[[torch.Generator], Estimate], times: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = generator(seed)
    estimates = [measure(rng) for _ in range(times)]
    return array([each.value for each in estimates]), array([each.standard_error for each in estimates])


# In each: deviations of the modes, points of both clouds, and factor and shift of the second one.
NEAR = (array([1.0, 0.8, 0.7, 0.6, 0.5, 0.4]), (90, 120), 1.03, 0.02)
FAR = (array([1.0, 0.7, 0.5]), (90, 120), 1.7, 0.5)
SPREAD: tuple[Distance, ...] = (Frechet(), ByMode(), Sliced(directions=32), Energy(), MMD(), Exact())


@pytest.mark.parametrize(("case", "bounds"), [(NEAR, (0.75, 1.35)), (FAR, (0.75, 1.25))], ids=["near", "far"])
@pytest.mark.parametrize("distance", SPREAD, ids=lambda each: each.name)
def test_the_standard_error_is_the_spread_over_repetitions(
    distance: Distance, case: tuple[Tensor, tuple[int, int], float, float], bounds: tuple[float, float]
) -> None:
    deviations, (n, m), factor, shift = case

    def measure(rng: torch.Generator) -> Estimate:
        x = normal(n, len(deviations), rng) * deviations
        y = normal(m, len(deviations), rng) * deviations * factor + shift
        return distance.measure(x, y, rng)

    values, errors = repeated(measure, 200, 15)
    assert bounds[0] < float(errors.median() / values.std()) < bounds[1]


@pytest.mark.parametrize("measure_to", [frechet_to, by_mode_to])
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_the_standard_error_of_a_distance_to_a_law(
    measure_to: Callable[[Tensor, Gaussian], Estimate], factor: float
) -> None:
    law = Gaussian(array([0.0] * 6), array([1.0, 0.8, 0.7, 0.6, 0.5, 0.4]))
    draw = Gaussian(law.mean, factor * law.variance)
    values, errors = repeated(lambda rng: measure_to(draw.sample(100, rng), law), 200, 16)
    assert 0.75 < float(errors.median() / values.std()) < 1.35


@pytest.mark.parametrize("draw", [normal, skewed])
@pytest.mark.parametrize("is_law", [True, False], ids=["law", "cloud"])
def test_the_distance_by_mode_has_no_bias_of_first_order(
    draw: Callable[[int, int, torch.Generator], Tensor], is_law: bool
) -> None:
    # Many modes, so that the distance is far from zero, and its bias well known.
    n, modes = 200, 300
    law = Gaussian(torch.full((modes,), 0.2, dtype=torch.float64), torch.full((modes,), 1.44, dtype=torch.float64))
    exact = modes * (0.04 + 0.04)
    plain: list[float] = []

    def measure(rng: torch.Generator) -> Estimate:
        x, y = draw(n, modes, rng), 1.2 * draw(n // 2, modes, rng) + 0.2
        mean, deviation = (law.mean, law.variance.sqrt()) if is_law else (y.mean(0), y.std(0))
        plain.append(float(((x.mean(0) - mean).square() + (x.std(0) - deviation).square()).sum()))
        return by_mode_to(x, law) if is_law else ByMode().measure(x, y, rng)

    squares = repeated(measure, 60, 17)[0].square()
    bias, left = float(np.mean(plain)) - exact, abs(float(squares.mean()) - exact)
    tolerance = 0.1 * bias + 4.5 * float(squares.std()) / math.sqrt(60)
    assert left < tolerance < 0.6 * bias


def test_a_corrected_square_below_zero_is_no_distance() -> None:
    law = Gaussian(array([0.0, 0.0]), array([1.0, 4.0]))
    estimate = modewise(101, array([0.0, 0.0]), array([1.0, 4.0]), law)
    assert estimate.value == 0.0
    # The degenerate variance 2 sum (v/n)^2 + (v/2(n - 1))^2, of which the root of the root is left.
    degenerate = 2 * 17 * (1 / 101**2 + 1 / 200**2)
    assert estimate.standard_error == pytest.approx(0.5 * degenerate**0.25, rel=1e-12)


# ---------------------------------------------------------------------------------------- whatever the distance


@of_every_distance
def test_the_distance_depends_on_no_size_of_blocks(distance: Distance, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = two_clouds(50, 61, 18)
    whole = distance.measure(x, y, generator(2))
    monkeypatch.setattr("kernels.distances.base.BLOCK", 700)
    some = distance.measure(x, y, generator(2))
    assert some.value == pytest.approx(whole.value, rel=1e-7)
    assert some.standard_error == pytest.approx(whole.standard_error, rel=1e-7)


@of_every_distance
def test_the_distance_is_symmetric(distance: Distance) -> None:
    x, y = two_clouds(50, 61, 19)
    # Two clouds together have the same median distance in either order, if no point is left out.
    there, back = distance.measure(x, y, generator(2)), distance.measure(y, x, generator(2))
    assert back.value == pytest.approx(there.value, rel=1e-6)
    assert back.standard_error == pytest.approx(there.standard_error, rel=1e-6)
    assert back.points == there.points[::-1]


@of_every_distance
def test_the_distance_is_computed_in_double_precision(distance: Distance) -> None:
    x, y = (each.float() for each in two_clouds(50, 61, 20))
    rough, fine = distance.measure(x, y, generator(2)), distance.measure(x.double(), y.double(), generator(2))
    assert rough.value == pytest.approx(fine.value, rel=1e-12)
    assert rough.standard_error == pytest.approx(fine.standard_error, rel=1e-12)


@of_every_distance
def test_equal_points_are_at_no_distance(distance: Distance) -> None:
    same = torch.full((9, 4), 0.3, dtype=torch.float64)
    estimate = distance.measure(same, same, generator())
    assert estimate.value == pytest.approx(0.0, abs=1e-12)
    assert estimate.standard_error == pytest.approx(0.0, abs=1e-12)


@of_every_distance
def test_two_points_are_enough(distance: Distance) -> None:
    estimate = distance.measure(array([[0.0, 1.0], [1.0, 0.0]]), array([[3.0, 4.0], [5.0, 2.0]]), generator())
    assert estimate.value > 0
    assert math.isfinite(estimate.standard_error)


@of_every_distance
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e80])
def test_a_cloud_that_diverged_is_infinitely_far(distance: Distance, bad: float) -> None:
    x, y = two_clouds(20, 30, 21)
    x[7, 1] = bad
    for estimate in (distance.measure(x, y, generator()), distance.measure(y, x, generator())):
        assert (estimate.value, estimate.standard_error) == (math.inf, math.inf)
    assert distance.measure(x, y, generator()).points == (20, 30)


@of_every_distance
def test_a_cloud_that_nearly_diverged_is_law(distance: Distance) -> None:
    x, y = two_clouds(20, 30, 22)
    estimate = distance.measure(1e70 * x, y, generator())
    assert math.isfinite(estimate.value)
    assert math.isfinite(estimate.standard_error)


def test_moments_that_diverged_are_infinitely_far() -> None:
    law = Gaussian(array([0.0]), array([1.0]))
    broken = (
        modewise(10, array([math.nan]), array([1.0]), law),
        modewise(10, array([0.0]), array([math.inf]), law),
        by_mode_to(torch.full((10, 1), math.nan, dtype=torch.float64), law),
        frechet_to(torch.full((10, 1), math.inf, dtype=torch.float64), law),
        frechet_to(torch.zeros(10, 1, dtype=torch.float64), Gaussian(array([0.0]), array([math.inf]))),
    )
    assert [(each.value, each.standard_error, each.points) for each in broken] == [(math.inf, math.inf, (10, 0))] * 5


@of_every_distance
def test_clouds_that_cannot_be_compared_are_refused(distance: Distance) -> None:
    x, y = two_clouds(20, 30, 23)
    with pytest.raises(ValueError) as error:
        distance.measure(x, y[:, :2], generator())
    assert (
        str(error.value)
        == "A distance needs equally many modes on both sides, got 3 and 2; use one eigenbasis for both."
    )
    for small, large in ((x[:1], y), (x, y[:1])):
        with pytest.raises(ValueError) as error:
            distance.measure(small, large, generator())
        assert str(error.value) == "A distance needs clouds of at least 2 points, got 1; draw more."


def test_a_cloud_that_cannot_be_compared_with_a_law_is_refused() -> None:
    x, _ = two_clouds(20, 30, 24)
    narrow, wide = (Gaussian(torch.zeros(k, dtype=torch.float64), torch.ones(k, dtype=torch.float64)) for k in (2, 3))

    def streamed(cloud: Tensor, law: Gaussian) -> Estimate:
        return modewise(len(cloud), cloud.mean(0), cloud[0].square(), law)

    for measure in (frechet_to, by_mode_to, streamed):
        with pytest.raises(ValueError) as error:
            measure(x, narrow)
        assert (
            str(error.value)
            == "A distance needs equally many modes on both sides, got 3 and 2; use one eigenbasis for both."
        )
        with pytest.raises(ValueError) as error:
            measure(x[:1], wide)
        assert str(error.value) == "A distance needs clouds of at least 2 points, got 1; draw more."


def test_large_clouds_are_thinned_to_their_first_points() -> None:
    x, y = two_clouds(1100, 30, 25)
    whole, first = Exact().measure(x, y, generator()), Exact().measure(x[:1024], y, generator())
    assert whole.points == (1024, 30)
    assert (whole.value, whole.standard_error) == (first.value, first.standard_error)


def test_all_are_measured_and_told_of() -> None:
    x, y = two_clouds(40, 50, 26)
    heard: list[tuple[str, float]] = []
    measured = measure_all(x, y, 3, lambda name, share: heard.append((name, share)))
    names = [kind.name for kind in DISTANCES]
    assert list(measured) == names == ["frechet", "by_mode", "sliced", "energy", "mmd", "exact"]
    assert list(dict.fromkeys(heard)) == [(name, place / 6) for place, name in enumerate(names)]
    for kind in DISTANCES:
        alone = kind().measure(x, y, generator(3))
        assert (measured[kind.name].value, measured[kind.name].standard_error) == (alone.value, alone.standard_error)
    assert measure_all(x, y, 4)["sliced"].value != measured["sliced"].value


def test_what_the_watch_raises_ends_the_work() -> None:
    x, y = two_clouds(40, 50, 27)

    def stop(name: str, share: float) -> None:
        if share > 0:
            raise InterruptedError(name)

    with pytest.raises(InterruptedError, match="by_mode"):
        measure_all(x, y, 3, stop)


def test_every_distance_is_listed_and_described() -> None:
    assert set(DISTANCES) == set(Distance.__subclasses__())
    for kind in DISTANCES:
        assert all((kind.title, kind.symbol, kind.unit, kind.formula, kind.source))
        assert kind.most >= 2**10
        assert all(declaration.help for declaration in declarations(kind).values())


def test_what_is_declared_is_checked() -> None:
    with pytest.raises(ValueError) as error:
        replace(Sliced(), directions=1)
    assert str(error.value) == "Sliced.directions (L) must lie in [2, 65536], got 1."
    with pytest.raises(ValueError) as error:
        replace(MMD(), width=0.0)
    assert str(error.value) == "MMD.width (h/median) must lie in (0, inf), got 0.0."


@pytest.mark.parametrize("kind", [Sliced, Energy, MMD])
def test_longer_distances_can_be_ended(kind: type[Distance], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.distances.base.BLOCK", 2**14)
    looked: list[int] = []

    def look() -> None:
        looked.append(1)
        if len(looked) == 3:
            raise InterruptedError

    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
    with pytest.raises(InterruptedError):
        kind().measure(x, x + 1, torch.Generator().manual_seed(2), look)
