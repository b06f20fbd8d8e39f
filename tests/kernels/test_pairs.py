"""Pairs of clouds: points beside the laws they say, files beside their own distances, and refusals in full."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Karras, Uniform
from kernels.pairs import (
    CLOUDS,
    Clouds,
    GeneratedAndData,
    NothingToCoupleError,
    Pair,
    Transport,
    TwoDraws,
    TwoFiles,
    TwoSamplers,
)
from kernels.particles import Sampling
from kernels.processes import EDM
from kernels.report import report
from kernels.samplers import DDIM, AncestralVP, EDMHeun, EulerMaruyama, Heun, Langevin
from kernels.spectra import Custom, Mixture

Floats = NDArray[np.float64]

EIGENVALUES = (4.0, 1.0, 0.25)
THREE = Experiment(spectrum=Custom(eigenvalues=EIGENVALUES, mean=0.5), grid=Uniform(steps=10))
SPIRAL = Experiment(
    spectrum=Mixture(components=4), process=EDM(), grid=Karras(steps=4, start=80.0, stop=2e-3), sampler=EDMHeun()
)
MANY, FEW = Sampling(particles=4000), Sampling(particles=60)
SAMPLED = (GeneratedAndData(), TwoSamplers(), TwoDraws())


def pair(clouds: Clouds, experiment: Experiment = THREE, sampling: Sampling = FEW) -> Pair:
    return clouds.drawn(experiment, sampling, None)


def refused(clouds: Clouds, experiment: Experiment = THREE, sampling: Sampling = FEW) -> str:
    with pytest.raises(ValueError) as caught:
        pair(clouds, experiment, sampling)
    return str(caught.value)


def laws_of(found: Pair) -> tuple[Gaussian, Gaussian]:
    assert found.laws is not None
    return found.laws


# --------------------------------------------------------------------------------------------- of an experiment


@pytest.mark.parametrize("clouds", SAMPLED, ids=lambda clouds: type(clouds).__name__)
def test_points_follow_the_laws_that_are_said(clouds: Clouds) -> None:
    found = pair(clouds, sampling=MANY)
    assert found.there is None
    assert (len(found.points_x), len(found.points_y)) == (4000, 4000)
    for points, law in zip((found.points_x, found.points_y), laws_of(found), strict=True):
        assert points.dtype == torch.float64
        assert points.shape == (4000, 3)
        mean, variance = law.mean.numpy(), law.variance.numpy()
        np.testing.assert_array_less(np.abs(points.mean(0).numpy() - mean), 4.5 * np.sqrt(variance / 4000))
        np.testing.assert_allclose(points.var(0).numpy(), variance, rtol=4.5 * math.sqrt(2 / 3999))


@pytest.mark.parametrize(("clouds", "data"), [(GeneratedAndData(), (1,)), (TwoDraws(), (0, 1)), (TwoSamplers(), ())])
def test_the_law_of_data_is_the_spectrum_itself(clouds: Clouds, data: tuple[int, ...]) -> None:
    laws = laws_of(pair(clouds))
    for place, law in enumerate(laws):
        assert (law.variance.tolist() == list(EIGENVALUES)) is (place in data)
    for place in data:
        assert laws[place].mean.tolist() == [0.5, 0.5, 0.5]


def test_the_distance_of_the_laws_is_the_total_error_of_the_sampler() -> None:
    p, q = laws_of(pair(GeneratedAndData()))
    squared = float((p.mean - q.mean).square().sum() + (p.variance.sqrt() - q.variance.sqrt()).square().sum())
    assert math.sqrt(squared) == pytest.approx(float(report(THREE).wasserstein2.total), rel=1e-12)
    # In some of the modes it is what these modes contribute.
    p, q = laws_of(pair(GeneratedAndData(modes=2)))
    squared = float((p.mean - q.mean).square().sum() + (p.variance.sqrt() - q.variance.sqrt()).square().sum())
    parts = report(THREE).modes
    assert squared == pytest.approx(float((parts.error.square() + parts.mean_error.square())[:2].sum()), rel=1e-12)


@pytest.mark.parametrize("clouds", [GeneratedAndData, TwoSamplers, TwoDraws])
def test_modes_cut_points_and_laws(clouds: type[GeneratedAndData] | type[TwoSamplers] | type[TwoDraws]) -> None:
    whole = pair(clouds(modes=3))
    assert torch.equal(pair(clouds(modes=50)).points_x, whole.points_x)
    for modes in (1, 2):
        cut = pair(clouds(modes=modes))
        assert cut.points_x.shape == cut.points_y.shape == (60, modes)
        # Data are the same points; what is generated has random numbers of its own in every number of modes.
        if clouds is not TwoSamplers:
            assert torch.equal(cut.points_y, whole.points_y[:, :modes])
        for law, other in zip(laws_of(cut), laws_of(whole), strict=True):
            assert torch.equal(law.variance, other.variance[:modes])
            assert torch.equal(law.mean, other.mean[:modes])


def test_generated_and_data_are_independent() -> None:
    # Of independent clouds a correlation has a standard error of one over the root of their number.
    for clouds in (GeneratedAndData(), TwoDraws()):
        found = pair(clouds, sampling=MANY)
        both = np.concatenate([found.points_x.numpy(), found.points_y.numpy()], axis=1)
        assert np.abs(np.corrcoef(both.T)[:3, 3:]).max() < 4.5 / math.sqrt(4000)


def test_two_samplers_share_their_random_numbers() -> None:
    same = pair(TwoSamplers(sampler=THREE.sampler))
    assert torch.equal(same.points_x, same.points_y)
    other = pair(TwoSamplers(sampler=Heun()))
    assert torch.equal(other.points_x, same.points_x)
    alone = pair(GeneratedAndData(), replace(THREE, sampler=Heun()))
    assert torch.equal(other.points_y, alone.points_x)
    mine, theirs = laws_of(other)[1], laws_of(alone)[0]
    assert torch.equal(mine.variance, theirs.variance)
    # Both start from the same noise: what they make of it is nearly the same.
    assert np.corrcoef(other.points_y[:, 0].numpy(), pair(TwoSamplers(sampler=DDIM())).points_y[:, 0])[0, 1] > 0.99


def test_the_same_seed_gives_the_same_points_and_another_one_others() -> None:
    for clouds in SAMPLED:
        first, again, other = (pair(clouds, sampling=Sampling(particles=60, seed=seed)) for seed in (3, 3, 4))
        assert torch.equal(first.points_x, again.points_x)
        assert torch.equal(first.points_y, again.points_y)
        assert not torch.equal(first.points_x, other.points_x)
        assert not torch.equal(first.points_y, other.points_y)


def test_what_is_not_gaussian_has_points_and_no_laws() -> None:
    for clouds in (GeneratedAndData(), TwoSamplers(sampler=Heun()), TwoDraws()):
        found = pair(clouds, SPIRAL)
        assert found.laws is None
        assert found.points_x.shape == found.points_y.shape == (60, 2)


def test_progress_goes_from_the_first_cloud_to_the_second() -> None:
    shares: list[float] = []
    TwoSamplers().drawn(THREE, FEW, None, shares.append)
    assert shares == sorted(shares)
    assert min(shares) < 0.5 < max(shares) <= 1.0


def test_what_progress_raises_ends_the_work() -> None:
    class EnoughError(Exception): ...

    def watch(share: float) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        GeneratedAndData().drawn(THREE, FEW, None, watch)


def test_another_sampler_that_does_not_fit_is_refused_in_its_own_sentence() -> None:
    with pytest.raises(ValueError) as own:
        replace(THREE, sampler=AncestralVP())
    assert refused(TwoSamplers(sampler=AncestralVP())) == str(own.value)
    assert str(own.value).startswith("AncestralVP needs g² h < 1 in every step; take more steps or start later, got ")


def test_more_points_than_memory_are_refused_with_how_many_fit() -> None:
    sentence = refused(GeneratedAndData(), sampling=replace(FEW, particles=10**12))
    assert sentence.startswith("1000000000000 particles need 1.92e+05 GB of memory and ")
    assert sentence.endswith(" fit.")


def test_a_sampler_that_diverges_leaves_nothing_to_couple() -> None:
    wild = Langevin(step_size=1.0)
    sentence = "Langevin diverges on these data, and its points are infinite; choose more steps."
    steps = replace(THREE, grid=Uniform(steps=500))
    for clouds, experiment in (
        (GeneratedAndData(), replace(steps, sampler=wild)),
        (TwoSamplers(sampler=EulerMaruyama()), replace(steps, sampler=wild)),
        (TwoSamplers(sampler=wild), steps),
    ):
        with pytest.raises(NothingToCoupleError) as caught:
            pair(clouds, experiment)
        assert str(caught.value) == sentence
    # Its data are there all the same.
    assert pair(TwoDraws(), replace(steps, sampler=wild)).points_x.isfinite().all()


# ----------------------------------------------------------------------------------------------------- of files


def turned(n: int, seed: int, spread: tuple[float, ...] = (3.0, 1.0, 0.2)) -> Floats:
    """Points in general position, far from the origin, and with no axis of theirs along a coordinate."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, len(spread))) * spread
    frame = np.linalg.qr(np.random.default_rng(99).normal(size=(len(spread), len(spread))))[0]
    return points @ frame + 7.0


def files(x: Floats, y: Floats, first: str = "x.npy", second: str = "y.npy") -> TwoFiles:
    """Both saved as their suffixes say."""
    for name, points in ((first, x), (second, y)):
        if name.endswith(".npy"):
            np.save(name, points)
        else:
            # All digits, so that what is read is what was written.
            np.savetxt(name, points, delimiter=",", fmt="%.17g")
    return TwoFiles(first=first, second=second)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".txt"])
def test_distances_in_files_are_kept_whatever_the_axes(here: Path, suffix: str) -> None:
    x, y = turned(50, 1), turned(40, 2) + 0.5
    found = pair(files(x, y, f"x{suffix}", f"y{suffix}"))
    assert found.laws is None
    assert found.there == (50, 40)
    for mine, other in ((found.points_x, x), (found.points_y, y)):
        np.testing.assert_allclose(cdist(mine, mine), cdist(other, other), atol=1e-12)
    np.testing.assert_allclose(cdist(found.points_x, found.points_y), cdist(x, y), atol=1e-12)


def test_coordinates_are_the_principal_axes_of_both(here: Path) -> None:
    x, y = turned(50, 1), turned(40, 2)
    found = pair(files(x, y))
    both = np.concatenate([found.points_x, found.points_y])
    covariance = np.cov(both.T)
    eigenvalues = np.linalg.eigvalsh(np.cov(np.concatenate([x, y]).T))[::-1]
    np.testing.assert_allclose(covariance, np.diag(eigenvalues), atol=1e-12)
    np.testing.assert_allclose(both.mean(0), 0.0, atol=1e-12)


def test_more_coordinates_than_points_are_kept_in_as_many_as_are_needed(here: Path) -> None:
    x, y = turned(6, 1, tuple(np.linspace(3.0, 0.1, 40))), turned(5, 2, tuple(np.linspace(3.0, 0.1, 40)))
    found = pair(files(x, y))
    assert 10 <= found.points_x.shape[1] <= 11
    np.testing.assert_allclose(cdist(found.points_x, found.points_y), cdist(x, y), atol=1e-10)


def test_an_array_of_one_axis_is_points_on_a_line(here: Path) -> None:
    x, y = np.array([1.0, 5.0, 2.0]), np.array([3.0, 4.0])
    found = pair(files(x, y))
    assert found.points_x.shape == (3, 1)
    np.testing.assert_allclose(cdist(found.points_x, found.points_y), np.abs(x[:, None] - y), atol=1e-12)


def test_whole_numbers_and_arrays_by_name_are_read(here: Path) -> None:
    x = np.arange(12).reshape(6, 2) ** 2
    np.save("x.npy", x)
    np.savez("y.npz", points=x + 1, weights=np.ones(6))
    found = pair(TwoFiles(first="x.npy", second="y.npz"))
    np.testing.assert_allclose(cdist(found.points_x, found.points_y), cdist(x, x + 1), atol=1e-12)


def rows_of(found: Pair, x: Floats, y: Floats) -> list[int]:
    """Which points of x the first cloud is made of, by their distances to the whole of y."""
    apart = np.abs(cdist(found.points_x, found.points_y)[:, None] - cdist(x, y)).max(2)
    assert (apart.min(1) < 1e-9).all()
    return apart.argmin(1).tolist()


def test_of_more_points_than_asked_some_are_taken_by_the_seed(here: Path) -> None:
    x, y = turned(300, 1), turned(60, 2)
    two = files(x, y)
    chosen: list[list[int]] = []
    for seed in (0, 0, 1):
        found = pair(two, sampling=replace(FEW, seed=seed))
        assert found.there == (300, 60)
        # The second cloud is taken whole, in its order.
        rows = rows_of(found, x, y)
        assert len(set(rows)) == 60
        assert rows == sorted(rows)
        chosen.append(rows)
    assert chosen[0] == chosen[1] != chosen[2]
    # Neither the first ones nor the last.
    assert max(chosen[0]) > 200
    assert min(chosen[0]) < 100


def test_a_file_that_was_changed_is_read_anew(here: Path) -> None:
    x, y = turned(50, 1), turned(40, 2)
    first = pair(files(x, y))
    later = pair(files(2 * x[:45], y))
    assert later.there == (45, 40)
    np.testing.assert_allclose(cdist(later.points_x, later.points_y), cdist(2 * x[:45], y), atol=1e-11)
    assert len(first.points_x) == 50


def test_files_need_no_experiment(here: Path) -> None:
    two = files(turned(50, 1), turned(40, 2))
    assert torch.equal(pair(two, THREE).points_x, pair(two, SPIRAL).points_x)
    assert [kind.is_sampled for kind in CLOUDS] == [True, True, True, False]


def test_a_file_that_is_not_chosen_is_asked_for(here: Path) -> None:
    files(turned(5, 1), turned(4, 2))
    for first, second in (("", ""), ("x.npy", ""), ("", "y.npy"), ("  ", "y.npy")):
        with pytest.raises(NothingToCoupleError) as caught:
            pair(TwoFiles(first=first, second=second))
        assert str(caught.value) == "two files are needed: choose the first and the second one in the panel."


def test_files_that_are_no_points_are_refused_in_a_sentence(here: Path) -> None:
    files(turned(5, 1), turned(4, 2, (1.0, 1.0)), "x.npy", "plane.npy")
    broken = turned(5, 1)
    broken[3, 1] = math.nan
    broken[4, 0] = math.inf
    np.save("nan.npy", broken)
    np.save("deep.npy", np.zeros((2, 2, 2)))
    np.save("none.npy", np.zeros((0, 3)))
    np.save("far.npy", np.full((5, 3), 1e200) * np.arange(5)[:, None])
    np.savez("two.npz", a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    Path("words.csv").write_text("1,2,3\n4,five,6\n")
    Path("blank.csv").write_text("")
    wanted, both = "a .npy, .npz, .csv or .txt file of points", "both clouds must have equally many"
    for first, second, sentence in (
        (
            "x.npy",
            "plane.npy",
            f"{here / 'x.npy'} has points of 3 coordinates and {here / 'plane.npy'} of 2; {both}.",
        ),
        (
            "x.npy",
            "nan.npy",
            f"{here / 'nan.npy'} holds a number that is not finite in row 3, counted from 0; correct it.",
        ),
        (
            "deep.npy",
            "x.npy",
            f"{here / 'deep.npy'} holds an array of shape (2, 2, 2); reshape it to one row per point.",
        ),
        ("none.npy", "x.npy", f"{here / 'none.npy'} holds an array without numbers; its shape is (0, 3)."),
        (
            "x.npy",
            "far.npy",
            f"{here / 'x.npy'} or {here / 'far.npy'} holds numbers too large to be squared; rescale them.",
        ),
        ("two.npz", "x.npy", f"{here / 'two.npz'} holds a, b; save one array, or name one of them points."),
        ("words.csv", "x.npy", f"{here / 'words.csv'} holds 'five' on line 2, which is not a number."),
        ("blank.csv", "x.npy", f"TwoFiles.first: {here / 'blank.csv'} is empty; give the path of {wanted}."),
        ("missing.npy", "x.npy", f"TwoFiles.first: {here / 'missing.npy'} does not exist."),
        ("x.npy", "missing.npy", f"TwoFiles.second: {here / 'missing.npy'} does not exist."),
        ("x.npy", str(here), f"TwoFiles.second: {here} is a folder; give the path of {wanted}."),
    ):
        assert refused(TwoFiles(first=first, second=second)) == sentence


def test_a_row_that_is_not_finite_is_told_by_its_place_in_the_file(here: Path) -> None:
    x = turned(300, 1)
    x[200:, 0] = math.nan
    sentence = refused(files(x, turned(10, 2)))
    assert sentence.startswith(f"{here / 'x.npy'} holds a number that is not finite in row ")
    # Sixty are taken: counted among them the row would be below that.
    assert 200 <= int(sentence.partition(" in row ")[2].partition(",")[0]) < 300


# ------------------------------------------------------------------------------------------------- what is asked


def test_what_is_only_drawn_is_no_part_of_what_is_asked() -> None:
    transport = Transport(points=70, epsilon=0.3, lines="one point", point=9, colors="partners")
    assert transport.asked == Transport(points=70, epsilon=0.3)
    assert replace(transport, epsilon=0.2).asked != transport.asked


def test_numbers_out_of_their_domain_are_refused_in_a_sentence() -> None:
    for changes, sentence in (
        ({"points": 1}, "Transport.points (n) must lie in [2, 1e+07], got 1."),
        ({"epsilon": 0.0}, "Transport.epsilon (ε) must lie in (0, inf), got 0.0."),
        ({"power": 0.0}, "Transport.power (p) must lie in (0, 10], got 0.0."),
        ({"lines": "all"}, "Transport.lines must be one of couplings, map, debiased map, one point, none, got 'all'."),
    ):
        with pytest.raises(ValueError) as caught:
            replace(Transport(), **changes)
        assert str(caught.value) == sentence
    with pytest.raises(ValueError) as caught:
        GeneratedAndData(modes=0)
    assert str(caught.value) == "GeneratedAndData.modes (d) must lie in [1, 1e+09], got 0."
