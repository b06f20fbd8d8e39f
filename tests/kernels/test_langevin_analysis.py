"""Langevin dynamics and a diffusion side by side: goldens, recursions of matrices written out, bounds."""

import math

import numpy as np
import pytest
import torch

from kernels.analyses.langevin import (
    COUNTS,
    Data,
    asymptotes,
    diffusion,
    diffusion_times,
    langevin,
    over_condition,
    over_steps,
    positive_part,
    underdamped,
)
from kernels.spectra import Custom, ImageLike, LogUniform, PowerLaw
from kernels.spectra.base import Spectrum

TEN = LogUniform(modes=10)
SPREAD = LogUniform(modes=10, condition=20.0, scale=3.0)


def data_of(spectrum: Spectrum) -> Data:
    found = positive_part(spectrum.law())
    assert found is not None
    return found


def distance(eigenvalues: np.ndarray, variances: np.ndarray) -> float:
    return math.sqrt(math.fsum((np.sqrt(variances) - np.sqrt(eigenvalues)) ** 2))


def overdamped_by_hand(eigenvalues: np.ndarray, steps: int, *, settled: bool = False) -> float:
    size = eigenvalues.max() * math.log(steps) / (2 * steps)
    kept = 1 - size / eigenvalues
    last = 2 * eigenvalues**2 / (2 * eigenvalues - size)
    begun = eigenvalues if settled else np.zeros_like(eigenvalues)
    return distance(eigenvalues, last + kept ** (2 * steps) * (begun - last))


def underdamped_by_hand(eigenvalues: np.ndarray, steps: int) -> float:
    largest, least = eigenvalues.max(), eigenvalues.min()
    size = math.sqrt(2 * largest * largest / least) * math.log(steps) / steps
    friction = math.sqrt(8 / least)
    variances: list[float] = []
    for eigenvalue in eigenvalues.tolist():
        step = np.array([[1.0, size], [-size / eigenvalue, 1 - friction * size]])
        noise, covariance = np.diag([0.0, 2 * friction * size]), np.zeros((2, 2))
        for _ in range(steps):
            covariance = step @ covariance @ step.T + noise
        variances.append(covariance[0, 0])
    return distance(eigenvalues, np.array(variances))


def diffusion_by_hand(eigenvalues: np.ndarray, steps: int) -> float:
    start = ((eigenvalues**5).sum() / eigenvalues.sum()) ** 0.25 * math.sqrt(steps)
    stop = eigenvalues.sum() / (len(eigenvalues) * steps**2)
    times = start * (stop / start) ** (np.arange(steps + 1) / steps)
    variance = np.full_like(eigenvalues, start)
    for t0, t1 in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        variance = (1 - (t0 - t1) / (eigenvalues + t0)) ** 2 * variance + (t0 - t1)
    return distance(eigenvalues, variance)


@pytest.mark.parametrize(
    ("method", "steps", "expected"),
    [
        (langevin, 1000, 0.014859052),
        (langevin, 10_000, 0.0018313044),
        (diffusion, 1000, 0.0064188331),
        (diffusion, 10_000, 0.00088146841),
        (underdamped, 10_000, 0.0041202343),
    ],
)
def test_the_tuned_comparison(method: object, steps: int, expected: float) -> None:
    assert callable(method)
    assert method(data_of(TEN), steps) == pytest.approx(expected, rel=3e-8)


@pytest.mark.parametrize("spectrum", [TEN, SPREAD, Custom(eigenvalues=(2.0, 2.0, 0.5)), Custom(eigenvalues=(0.3,))])
@pytest.mark.parametrize("steps", [300, 2000])
def test_methods_are_their_recursions(spectrum: Spectrum, steps: int) -> None:
    data, eigenvalues = data_of(spectrum), spectrum.law().variance.numpy()
    assert langevin(data, steps) == pytest.approx(overdamped_by_hand(eigenvalues, steps), rel=1e-9)
    assert langevin(data, steps, settled=True) == pytest.approx(
        overdamped_by_hand(eigenvalues, steps, settled=True), rel=1e-9
    )
    assert diffusion(data, steps) == pytest.approx(diffusion_by_hand(eigenvalues, steps), rel=1e-9)
    found = underdamped(data, steps)
    admissible = steps >= 4 * eigenvalues.max() / eigenvalues.min() * math.log(steps)
    assert math.isnan(found) is not admissible
    if admissible:
        assert found == pytest.approx(underdamped_by_hand(eigenvalues, steps), rel=1e-8)


@pytest.mark.parametrize("spectrum", [PowerLaw(modes=2000, decay=0.6), ImageLike()], ids=repr)
def test_many_modes_are_summed_as_if_one_by_one(spectrum: Spectrum) -> None:
    data, eigenvalues = data_of(spectrum), spectrum.law().variance.numpy()
    eigenvalues = eigenvalues[eigenvalues > 0]
    assert len(data.eigenvalues) < 150
    assert float(data.counts.sum()) == pytest.approx(len(eigenvalues))
    assert diffusion(data, 400) == pytest.approx(diffusion_by_hand(eigenvalues, 400), rel=1e-7)
    if data.condition < 1000:
        assert langevin(data, 4000) == pytest.approx(overdamped_by_hand(eigenvalues, 4000), rel=1e-7)
    assert data.trace(-1.0) == pytest.approx((1 / eigenvalues).sum(), rel=1e-7)


def test_zero_eigenvalues_are_left_out() -> None:
    with_zeros = data_of(Custom(eigenvalues=(1.0, 0.25, 0.0, 0.0)))
    without = data_of(Custom(eigenvalues=(1.0, 0.25)))
    assert with_zeros.condition == without.condition == 4.0
    for method in (langevin, underdamped, diffusion):
        assert method(with_zeros, 500) == method(without, 500)
    assert positive_part(Custom(eigenvalues=(0.0, 0.0)).law()) is None


def test_langevin_diverges_where_a_step_overshoots() -> None:
    data = data_of(TEN)
    # Twice the least variance, .02, against log N / (2 N).
    assert math.isinf(langevin(data, 100))
    assert math.isfinite(langevin(data, 200))
    found = over_steps(data)
    assert found.at.tolist() == list(COUNTS)
    assert np.isinf(found.langevin).tolist() == [math.log(n) / (2 * n) >= 0.02 for n in COUNTS]
    assert np.isnan(found.underdamped).tolist() == [n < 400 * math.log(n) for n in COUNTS]
    assert np.isfinite(found.diffusion).all()


def test_errors_tend_to_the_leading_terms_of_the_bounds_and_the_bounds_hold() -> None:
    data = data_of(SPREAD)
    counts = np.array([1e3, 1e4, 1e5])
    bounds = asymptotes(data, counts)
    eigenvalues = SPREAD.law().variance.numpy()
    rate = math.log(1e5) / 1e5
    assert bounds.langevin[-1] == pytest.approx(3 * math.sqrt((1 / eigenvalues).sum()) * rate / 8)
    assert bounds.underdamped[-1] == pytest.approx(2 * bounds.langevin[-1])
    assert bounds.diffusion[-1] == pytest.approx(5 / 8 * math.sqrt(eigenvalues.sum()) * rate)
    for bound, method, near in (
        (bounds.langevin, langevin, 0.02),
        (bounds.underdamped, underdamped, 0.05),
        (bounds.diffusion, diffusion, 0.2),
    ):
        ratios = [method(data, int(count)) / value for count, value in zip(counts, bound.tolist(), strict=True)]
        assert abs(ratios[-1] - 1) < near
        assert abs(ratios[-1] - 1) <= abs(ratios[0] - 1) + 1e-3


def test_the_grid_is_geometric_between_the_published_ends() -> None:
    times = diffusion_times(data_of(TEN), 100)
    assert len(times) == 101
    torch.testing.assert_close(times[1:] / times[:-1], (times[-1] / times[0]) ** 0.01 * torch.ones(100).double())


def test_over_the_condition_number() -> None:
    found = over_condition(10, 1000)
    diverging = 4000 / math.log(1000)
    assert found.at[0] == 1.0
    assert np.isinf(found.langevin).tolist() == (found.at >= diverging).tolist()
    assert np.isnan(found.underdamped).tolist() == (4 * found.at * math.log(1000) > 1000).tolist()
    for k in (0, 4, 8):
        eigenvalues = LogUniform(modes=10, condition=float(found.at[k])).law().variance.numpy()
        assert found.diffusion[k] == pytest.approx(diffusion_by_hand(eigenvalues, 1000), rel=1e-9)
        assert found.langevin[k] == pytest.approx(overdamped_by_hand(eigenvalues, 1000), rel=1e-9)
        assert found.settled[k] == pytest.approx(overdamped_by_hand(eigenvalues, 1000, settled=True), rel=1e-9)


def test_two_steps_are_enough_to_compare() -> None:
    found = over_condition(3, 2)
    assert np.isfinite(found.diffusion).all()
    assert np.isfinite(found.langevin).any()
