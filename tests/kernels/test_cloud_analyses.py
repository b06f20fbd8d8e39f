"""Clouds on their way, what is measured on them, and what is kept, beside closed forms and counts made here."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from kernels.analyses import clouds, trainings
from kernels.analyses.clouds import Motion, bands, drawable, is_complete, motion, motion_now, quick, theory_of, whole
from kernels.analyses.holding import agreement, predicted, variants
from kernels.analyses.kept import Kept
from kernels.analyses.sampled import check, measurable, measure, measurements
from kernels.experiment import Experiment
from kernels.grids import Karras, Tabulated, Uniform
from kernels.observations import Inpainting
from kernels.particles import Sampling, data_points
from kernels.processes import EDM, FlowMatching
from kernels.report import report
from kernels.samplers import EDMHeun, EulerMaruyama, FlowEuler
from kernels.scores import Exact, Network, TrainingProgress
from kernels.spectra import Custom, Mixture, PowerLaw
from kernels.starts import Marginal

FEW = Sampling(particles=4000)
THREE = Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25), mean=0.5), grid=Uniform(steps=20))
# A single round Gaussian, which is no Normal to the program: the particles go their own way through its denoiser.
ROUND = Mixture(shape="grid", components=1, width=0.7, modes=2)
MOONS = Experiment(
    spectrum=Mixture(components=8), process=EDM(), grid=Karras(steps=6, start=80.0, stop=2e-3), sampler=EDMHeun()
)


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    clouds.clear()
    yield
    clouds.clear()
    trainings.forget()


# ------------------------------------------------------------------------------------------------------- motion


def moments_agree(points: np.ndarray, mean: torch.Tensor, variance: torch.Tensor) -> None:
    """Within five standard errors, for Gaussian points."""
    count = points.shape[1]
    found = points.astype(np.float64)
    np.testing.assert_allclose(found.mean(1), mean, atol=5 * float((variance / count).sqrt().max()))
    np.testing.assert_allclose(found.var(1), variance, rtol=5 * math.sqrt(2 / count))


def test_data_on_the_way_are_the_noised_data() -> None:
    found = motion(THREE, FEW, (0, 2), None)
    assert (found.steps[0], found.steps[-1]) == (0, 20)
    for frame in (0, len(found.steps) // 2, len(found.steps) - 1):
        t = found.times[frame]
        alpha, sigma = THREE.process.alpha(t), THREE.process.sigma(t)
        variance = alpha**2 * torch.tensor([4.0, 0.25], dtype=torch.float64) + sigma**2
        mean = (0.5 * alpha).expand(2)
        moments_agree(found.data(frame), mean, variance)
        torch.testing.assert_close(found.exact.variance[frame], variance)
        assert float(found.ratios[frame]) == pytest.approx(float(sigma / alpha))
    # A point keeps its noise on the way, so that it moves without jumps.
    first, second = (found.data(frame) for frame in (3, 4))
    assert np.corrcoef(first[0], second[0])[0, 1] > 0.99


def test_particles_on_the_way_have_the_law_of_the_sampler() -> None:
    found = motion(THREE, FEW, (0, 2), None)
    assert found.is_law
    for frame in (0, 10, len(found.steps) - 1):
        moments_agree(found.generated[frame], found.sampled.mean[frame], found.sampled.variance[frame])
    # The last law is the one that the report tells of.
    end = report(THREE).modes.variance
    torch.testing.assert_close(found.sampled.variance[-1], end[[0, 2]])


def test_another_law_is_told_as_theory() -> None:
    found = motion(replace(THREE, spectrum=ROUND), FEW, (0, 1), None)
    assert not found.is_law
    # A mixture of one Gaussian is that Gaussian, so that theory is exact here.
    for frame in (0, len(found.steps) - 1):
        moments_agree(found.generated[frame], found.sampled.mean[frame].expand(2), found.sampled.variance[frame])


@pytest.mark.parametrize("spectrum", [PowerLaw(modes=3), ROUND], ids=["Gaussian", "mixture"])
def test_a_mode_may_be_looked_at_twice(spectrum: PowerLaw | Mixture) -> None:
    found = motion(replace(THREE, spectrum=spectrum), FEW, (1, 1), None)
    np.testing.assert_array_equal(found.generated[:, 0], found.generated[:, 1])
    np.testing.assert_array_equal(found.data(3)[0], found.data(3)[1])


def test_frames_are_places_on_the_way() -> None:
    found = motion(THREE, replace(FEW, particles=100), (0, 1), None)
    last = len(found.steps) - 1
    assert [found.frame(place) for place in (0.0, 0.5, 1.0)] == [0, round(last / 2), last]
    assert found.generated.shape == (last + 1, 2, 100)


def test_a_mode_that_is_not_there_is_refused() -> None:
    sentence = "modes are numbered from 1 to 3, got 4; choose another one to look at."
    with pytest.raises(ValueError) as refusal:
        motion(THREE, FEW, (0, 3), None)
    assert str(refusal.value) == sentence


# ------------------------------------------------------------------------------------------------------ how many


def test_small_clouds_are_quick_and_large_ones_are_thinned() -> None:
    assert quick(THREE, FEW, 3) == FEW
    many = Sampling(particles=10**9)
    assert drawable(many, 2).particles == 2**17
    assert drawable(many, 2**20).particles == 16
    wide = replace(MOONS, spectrum=Mixture(components=1000), grid=Karras(steps=100, start=80.0, stop=2e-3))
    assert 16 <= quick(wide, many, 2).particles < 1000
    assert quick(wide, Sampling(particles=7), 2).particles == 7
    # Twice the steps are twice the work.
    assert quick(MOONS, many, 2).particles > quick(replace(MOONS, grid=wide.grid), many, 2).particles


def test_all_particles_are_shown_once_they_have_been_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "QUICK", 1)
    asked = MOONS, Sampling(particles=50), (0, 1), None
    assert not is_complete(*asked)
    assert motion_now(*asked).generated.shape[2] == clouds.LEAST
    shares: list[float] = []
    clouds.complete(*asked, shares.append)
    assert is_complete(*asked)
    assert motion_now(*asked).generated.shape[2] == 50
    assert clouds.whole_now(MOONS, asked[1], None).sampling.particles == 50
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    # The few and the many are the same particles.
    few = motion(MOONS, Sampling(particles=16), (0, 1), None)
    np.testing.assert_allclose(few.generated, motion_now(*asked).generated[:, :, :16], rtol=1e-4, atol=1e-4)


def test_work_that_is_ended_keeps_nothing() -> None:
    asked = MOONS, Sampling(particles=50), (0, 1), None

    def end(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clouds.complete(*asked, end)
    assert motion(*asked) is motion(*asked)


def test_the_last_results_are_kept() -> None:
    kept = Kept[str](2)
    kept.keep("a", "A")
    kept.keep("b", "B")
    assert kept.find("a") == "A"
    kept.keep("c", "C")
    assert [kept.find(key) for key in "abc"] == ["A", None, "C"]
    kept.clear()
    assert kept.find("a") is None


# --------------------------------------------------------------------------------------------------------- bands


def test_bands_are_the_variances_over_those_of_the_data() -> None:
    cloud = whole(THREE, FEW, None)
    found = bands(THREE, cloud, None)
    generated = cloud.generated.double()
    ratio = generated.var(0) / torch.tensor([4.0, 1.0, 0.25], dtype=torch.float64)
    np.testing.assert_allclose(found.ratio, ratio, rtol=1e-9)
    assert found.ranks.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(found.standard_error, ratio * math.sqrt(2 / 4000), rtol=0.1)
    np.testing.assert_allclose(found.predicted, report(THREE).modes.variance / THREE.law.variance, rtol=1e-9)
    # Measured agrees with predicted.
    assert (np.abs(found.ratio - found.predicted) < 5 * found.standard_error).all()


def test_bands_of_many_modes_and_of_none() -> None:
    wide = replace(THREE, spectrum=Custom(eigenvalues=(*(1.0 for _ in range(99)), 0.0)))
    found = bands(wide, whole(wide, replace(FEW, particles=200), None), None)
    assert len(found.ranks) <= clouds.BANDS
    assert (found.ranks[0], found.ranks[-1] < 100) == (1.0, True)
    still = replace(THREE, spectrum=Custom(eigenvalues=(0.0, 0.0)))
    with pytest.raises(ValueError) as refusal:
        bands(still, whole(still, replace(FEW, particles=10), None), None)
    assert str(refusal.value) == "there must be an eigenvalue above zero for a spectrum to be compared."


# ------------------------------------------------------------------------------------------------------ distances


def test_a_check_agrees_with_the_exact_error() -> None:
    found = check(THREE, replace(FEW, particles=20_000))
    assert found.value == pytest.approx(float(report(THREE).wasserstein2.total), abs=5 * found.standard_error)


@pytest.mark.parametrize(
    ("experiment", "kinds"),
    [(MOONS, "Mixture with Exact"), (replace(THREE, score=Network()), "Custom with Network")],
    ids=["data", "score"],
)
def test_without_an_exact_law_there_is_nothing_to_check(experiment: Experiment, kinds: str) -> None:
    with pytest.raises(ValueError) as refusal:
        check(experiment, FEW)
    sentence = "only Gaussian data with an affine score have an exact law to be checked, got"
    assert str(refusal.value) == f"{sentence} {kinds}."


def test_distances_come_one_after_the_other_beside_their_floors() -> None:
    told: list[tuple[float, str]] = []
    asked = replace(THREE, start=Marginal(), grid=Uniform(steps=3)), replace(FEW, particles=300)

    def tell(share: float, name: str) -> None:
        told.append((share, name))

    one = measurements(*asked, None, ("frechet", "by_mode"), tell)
    name, first = next(one)
    assert (name, {text for _, text in told}) == ("frechet", {"sampling", "frechet"})
    rest = dict(one)
    assert list(rest) == ["by_mode"]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    # Three steps are far from the data, two clouds of data are not.
    assert first.measured.value - first.floor.value > 5 * first.measured.standard_error
    assert measure(*asked, None, ("by_mode",))["by_mode"].measured.value == rest["by_mode"].measured.value


def test_what_is_measured_has_room() -> None:
    assert measurable(THREE, FEW) == FEW
    assert measurable(THREE, Sampling(particles=10**12)).particles == 2**20
    assert measurable(replace(THREE, spectrum=PowerLaw(modes=10_000)), Sampling(particles=10**7)).particles == 6710


# --------------------------------------------------------------------------------------------------- does it hold


def test_the_choices_begin_with_the_present_one_and_are_numbered_as_they_are_listed() -> None:
    found = variants(THREE, "steps")
    assert [(choice.name, choice.value) for choice in found][:2] == [("4", 4.0), ("6", 6.0)]
    assert [len(choice.experiment.times) - 1 for choice in found] == [4, 6, 10, 16, 25, 40, 64]
    assert [choice.value for choice in variants(THREE, "stochasticity")] == [0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]
    # Noise ratios begin at infinity here, where grids in their logarithm have no place: those are left out.
    flow = replace(THREE, process=FlowMatching(), sampler=FlowEuler(), grid=Uniform(steps=9, start=1.0, stop=0.0))
    grids = variants(flow, "grid")
    assert [choice.value for choice in grids] == list(range(len(grids)))
    assert grids[0].experiment == flow
    assert "LogUniform" not in [choice.name for choice in grids]


@pytest.mark.parametrize(
    ("experiment", "question", "sentence"),
    [
        (MOONS, "stochasticity", "EDMHeun leaves nothing to choose in the stochasticity; choose another one."),
        (
            replace(THREE, grid=Tabulated(values=(1.0, 0.5, 0.1))),
            "steps",
            "Tabulated leaves nothing to choose in the steps; choose another one.",
        ),
    ],
    ids=["sampler", "grid"],
)
def test_where_there_is_nothing_to_choose(experiment: Experiment, question: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        variants(experiment, question)
    assert str(refusal.value) == sentence


def test_what_is_predicted_is_the_error_on_a_gaussian_of_the_same_covariance() -> None:
    law = MOONS.law
    same = Custom(eigenvalues=tuple(law.variance.tolist()))
    # These moons are centered, and so is the Gaussian.
    assert float(law.mean.abs().max()) < 1e-12
    for score in (Exact(), Network()):
        found = predicted(replace(MOONS, score=score))
        assert found == pytest.approx(float(report(replace(MOONS, spectrum=same)).wasserstein2.total), rel=1e-9)
    assert theory_of(replace(MOONS, score=Network())) == MOONS
    assert theory_of(THREE) is THREE


def test_agreement_counts_pairs() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    # Of six pairs, one is the other way round.
    assert agreement(values, np.array([1.0, 3.0, 2.0, 9.0])) == pytest.approx((5 - 1) / 6)
    assert agreement(values, -values) == pytest.approx(-1)
    assert agreement(values, np.array([1.0, 2.0, math.nan, math.inf])) == pytest.approx(1)
    assert math.isnan(agreement(values, np.array([1.0, math.nan, math.nan, math.nan])))


# ----------------------------------------------------------------------------------------------------- trainings

SMALL = Network(width=8, depth=1, iterations=20, batch=32)


def test_a_training_is_remembered_with_its_loss() -> None:
    experiment = replace(MOONS, score=SMALL)
    assert trainings.loss_of(experiment) is None
    with pytest.raises(ValueError) as refusal:
        trainings.trained_for(experiment)
    assert str(refusal.value) == "this Network has not been trained on these data; train it first."
    heard: list[TrainingProgress] = []

    def hear(progress: TrainingProgress) -> None:
        found = trainings.loss_of(experiment)
        assert found is not None
        assert found.curve is progress.curve
        assert found.excess is None
        heard.append(progress)

    trained = trainings.train_for(experiment, hear)
    assert heard[-1].iterations == 20
    # Another sampler of the same network and data needs no other training, other data do.
    assert trainings.trained_for(replace(experiment, sampler=EulerMaruyama())) is trained
    assert not trainings.is_trained(replace(experiment, spectrum=Mixture(components=9)))
    loss = trainings.loss_of(experiment)
    assert loss is not None
    assert loss.excess is trained.excess
    assert trainings.trained_for(MOONS) is None
    found = motion(experiment, replace(FEW, particles=20), (0, 1), trained)
    assert isinstance(found, Motion)
    assert np.isfinite(found.generated).all()
    assert not found.is_law


def test_only_a_network_is_trained() -> None:
    with pytest.raises(ValueError) as refusal:
        trainings.train_for(THREE)
    assert str(refusal.value) == "only a Network is trained, got Exact; choose score=Network."


def test_data_given_an_observation_are_those_of_the_posterior() -> None:
    observed = replace(THREE, spectrum=PowerLaw(modes=4), observation=Inpainting())
    points = data_points(observed, 20_000, 3).double()
    law = observed.law
    np.testing.assert_allclose(points.var(0), law.variance, rtol=0.05)
    np.testing.assert_allclose(points.mean(0), law.mean.expand(4), atol=5 * float((law.variance / 2e4).sqrt().max()))
