"""The plots of particles as values: beside counts and densities made here, and what they say where there is nothing."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from explorer.export import to_csv, to_png, to_svg
from explorer.marks import Band, Bars, Cloud, Curve, Figure, Gallery, Line, Points
from explorer.plots import PLOTS
from explorer.plots.base import THEORY
from explorer.plots.beside import pixels
from explorer.plots.cloud import grouped
from explorer.plots.holding import all_choices, choices_of
from explorer.session import LAW, Sampled, Session, headline
from kernels.analyses import clouds, trainings
from kernels.analyses.clouds import motion, whole
from kernels.experiment import Experiment
from kernels.grids import Karras, Optimal, Tabulated, Uniform
from kernels.observations import Blur
from kernels.particles import Sampling
from kernels.processes import EDM
from kernels.report import report
from kernels.samplers import EDMHeun, EulerMaruyama, Heun
from kernels.scores import Network
from kernels.spectra import Custom, ImageFolder, ImagePoints, Isotropic, Mixture, PowerLaw, frame_of

BY_NAME = {plot.name: plot for plot in PLOTS}
FEW = Sampling(particles=400)
THREE = Session(
    experiment=Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25)), grid=Uniform(steps=20)), sampling=FEW
)
MOONS = Session(
    experiment=Experiment(
        spectrum=Mixture(components=8), process=EDM(), grid=Karras(steps=6, start=80.0, stop=2e-3), sampler=EDMHeun()
    ),
    sampling=FEW,
)
NETWORK = Network(width=8, depth=1, iterations=20, batch=32)
LEARNED = replace(MOONS, experiment=replace(MOONS.experiment, score=NETWORK))


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    yield
    trainings.forget()
    clouds.clear()


def drawn(name: str, session: Session) -> Figure:
    return BY_NAME[name].draw(session)


M = TypeVar("M")


def of(figure: Figure, kind: type[M]) -> list[M]:
    return [mark for mark in figure.marks if isinstance(mark, kind)]


def measured(session: Session, value: float, distance: str = "sliced", **changes: float) -> Sampled:
    known = {"standard_error": 0.01, "floor": 0.02, "floor_error": 0.001, **changes}
    return Sampled(experiment=session.experiment, sampling=session.sampling, distance=distance, value=value, **known)


# --------------------------------------------------------------------------------------------------- particles


def test_the_cloud_is_the_frame_of_the_moment_with_its_laws() -> None:
    session = replace(THREE, looked_at=(1, 3), moment=0.5)
    figure = drawn("cloud", session)
    found = motion(THREE.experiment, FEW, (0, 2), None)
    frame = round(0.5 * (len(found.steps) - 1))
    data, generated = of(figure, Cloud)
    assert (data.label, generated.label) == ("data", "generated")
    np.testing.assert_array_equal([generated.x, generated.y], found.generated[frame])
    assert figure.equal
    assert (figure.x.label, figure.y.label) == ("mode 1", "mode 3")
    t = float(found.times[frame])
    ratio = float(THREE.experiment.process.noise_ratio(found.times[frame]))
    assert figure.title == f"Step {found.steps[frame]} of 20, t = {t:.3g}, s = {ratio:.3g}"
    # The ellipse of the noised data, at two standard deviations, from the closed form.
    process = THREE.experiment.process
    alpha, sigma = (float(level(found.times[frame])) for level in (process.alpha, process.sigma))
    (ellipse,) = [mark for mark in of(figure, Curve) if mark.label == "data: law"]
    np.testing.assert_allclose(
        (ellipse.x / math.sqrt(4 * alpha**2 + sigma**2)) ** 2
        + (ellipse.y / math.sqrt(0.25 * alpha**2 + sigma**2)) ** 2,
        4.0,
    )
    assert figure.note == "400 particles."


def test_other_data_have_a_theory_instead_of_a_law() -> None:
    labels = [mark.label for mark in drawn("cloud", MOONS).marks]
    assert labels == ["data", "generated", "data: Gaussian theory", "sampler: Gaussian theory"]


def test_the_view_follows_noise_and_data() -> None:
    wide, near = (drawn("cloud", replace(MOONS, moment=moment)) for moment in (0.0, 1.0))
    reach = [max(float(np.abs(mark.x).max()) for mark in of(figure, Cloud)) for figure in (wide, near)]
    assert 160 < reach[0] < 5 * 80.1
    assert reach[1] < 5


def test_a_sampler_that_diverges_does_not_hide_the_data() -> None:
    wild = replace(THREE, experiment=replace(THREE.experiment, spectrum=Custom(eigenvalues=(1.0, 1e-8))))
    wild = replace(wild, experiment=replace(wild.experiment, grid=Uniform(steps=4, stop=1e-5)))
    figure = drawn("cloud", wild)
    data, generated = of(figure, Cloud)
    assert len(data.x) == 400
    outside = 400 - len(generated.x)
    assert outside > 100
    assert figure.note == f"400 particles. {outside} generated lie outside of what is shown."
    assert float(np.abs(generated.y).max()) < 1


def test_few_of_many_particles_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "QUICK", 1)
    many = replace(THREE, sampling=Sampling(particles=20_000))
    assert drawn("cloud", many).note == "16 of 20\u202f000 particles."
    assert drawn("images", many).note == "16 of 20\u202f000 particles."
    assert drawn("bands", many).note.startswith("16 of 20\u202f000 particles.")
    assert grouped(1_234_567) == "1\u202f234\u202f567"


@pytest.mark.parametrize("name", ["cloud", "images"])
def test_modes_that_are_not_there_are_told(name: str) -> None:
    figure = drawn(name, replace(THREE, looked_at=(1, 4)))
    sentence = "The data have modes from 1 to 3; choose which to look at in the bar above."
    assert (figure.marks, figure.note) == ((), sentence)
    alone = replace(THREE, experiment=replace(THREE.experiment, spectrum=Isotropic(modes=1)))
    assert drawn(name, alone).note.startswith("The data have modes from 1 to 1;")
    assert drawn(name, replace(alone, looked_at=(1, 1))).marks


# --------------------------------------------------------------------------------------------- histogram, images


def test_the_histogram_counts_the_first_mode() -> None:
    session = replace(THREE, looked_at=(2, 1), moment=1.0)
    figure = drawn("images", session)
    (data,) = of(figure, Band)
    generated, exact, sampler = of(figure, Curve)
    assert (generated.label, exact.label, sampler.label) == ("generated", "data: law", "sampler: law")
    found = motion(THREE.experiment, FEW, (1, 0), None)
    edges = np.append(data.x[::2], data.x[-1])
    for heights, points in ((generated.y, found.generated[-1, 0]), (data.high, found.data(len(found.steps) - 1)[0])):
        counts = np.histogram(points.astype(np.float64), edges)[0]
        np.testing.assert_allclose(heights[::2] * 400 * np.diff(edges), counts, atol=1e-6)
    # The curve is a density: its integral is one, and its variance that of the mode.
    for law, variance in ((exact, float(found.exact.variance[-1, 0])), (sampler, float(found.sampled.variance[-1, 0]))):
        assert np.trapezoid(law.y, law.x) == pytest.approx(1, abs=1e-3)
        assert np.trapezoid(law.y * law.x**2, law.x) == pytest.approx(variance, rel=0.01)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of one color each."""
    folder = tmp_path_factory.mktemp("pictures")
    for k in range(20):
        Image.new("RGB", (8, 8), (10 * k, 255 - 10 * k, 128)).save(folder / f"{k}.png")
    return folder


def test_a_posterior_has_modes_of_its_own_and_no_images(pictures: Path) -> None:
    spectrum = ImageFolder(path=str(pictures), size=8)
    experiment = Experiment(spectrum=spectrum, observation=Blur(width=1.0, noise=0.5), grid=Uniform(steps=4))
    figure = drawn("images", Session(experiment=experiment, sampling=Sampling(particles=200)))
    assert not any(isinstance(mark, Gallery) for mark in figure.marks)
    assert figure.title == "Mode 1 at step 4 of 4"


def test_images_are_drawn_as_images(pictures: Path) -> None:
    spectrum = ImagePoints(path=str(pictures), size=8)
    session = replace(MOONS, experiment=replace(MOONS.experiment, spectrum=spectrum))
    figure = drawn("images", session)
    assert (figure.equal, figure.bare, figure.title) == (True, True, "Images")
    generated, data = of(figure, Gallery)
    assert (generated.label, data.label) == ("generated", "data")
    assert generated.left + generated.size[0] < data.left
    assert data.images.shape == (36, 8, 8, 3)
    # What is drawn are the images of the folder themselves.
    colors = {(10 * k, 255 - 10 * k, 128) for k in range(20)}
    assert {tuple(image[0, 0].tolist()) for image in data.images} <= colors
    assert (data.images == data.images[:, :1, :1]).all()
    for write in (to_csv, to_svg, to_png):
        assert len(write(figure, {})) > 1000


def test_numbers_beyond_those_of_pixels_are_cut_off(pictures: Path) -> None:
    frame = frame_of(ImagePoints(path=str(pictures), size=8, color=False))
    points = whole(MOONS.experiment, Sampling(particles=2), None).generated.new_zeros(3, 64)
    points[1, :], points[2, 0] = 1e9, math.nan
    found = pixels(frame, points)
    assert found.shape == (3, 8, 8, 3)
    assert (found[0] == 128).all()
    assert set(np.unique(found[1]).tolist()) <= {0, 255}
    assert (found[2] == 0).all()


# ------------------------------------------------------------------------------------------------ bands, distances


def test_bands_stand_beside_the_law() -> None:
    figure = drawn("bands", THREE)
    (law,), (points,) = of(figure, Curve), of(figure, Points)
    cloud = whole(THREE.experiment, FEW, None).generated.double()
    np.testing.assert_allclose(points.y, cloud.var(0) / THREE.experiment.law.variance, rtol=1e-9)
    assert law.label == "law"
    np.testing.assert_allclose(law.y, report(THREE.experiment).modes.variance / THREE.experiment.law.variance)
    assert points.error is not None
    assert (np.abs(points.y - law.y) < 2.5 * points.error).all()
    (line,) = of(figure, Line)
    assert (line.at, line.vertical) == (1.0, False)
    assert of(drawn("bands", MOONS), Curve)[0].label == "Gaussian theory"
    nothing = replace(THREE, experiment=replace(THREE.experiment, spectrum=Custom(eigenvalues=(0.0, 0.0))))
    assert drawn("bands", nothing).note == "All eigenvalues are zero: there is nothing to compare."


def test_distances_are_those_of_this_experiment() -> None:
    other = replace(THREE, experiment=replace(THREE.experiment, sampler=Heun()))
    again = replace(THREE, sampling=replace(FEW, seed=5))
    session = replace(
        THREE,
        sampled=(
            measured(again, 7.0),
            measured(THREE, 0.5),
            measured(other, 3.0, "frechet"),
            measured(THREE, 0.0, "by_mode"),
            measured(THREE, math.inf, "exact", standard_error=math.inf),
            measured(THREE, 9.0, LAW),
        ),
    )
    figure = drawn("distances", session)
    assert figure.categories == ("W₂ of modes", "SW₂", "W₂")
    points, exact = of(figure, Points)
    np.testing.assert_array_equal(points.y, [math.nan, 0.5, math.nan])
    np.testing.assert_array_equal(points.error, [0.02, 0.02, math.nan])  # pyright: ignore[reportArgumentType]
    total = float(report(THREE.experiment).wasserstein2.total)
    np.testing.assert_array_equal(exact.y, [total, math.nan, total])
    assert exact.label == "exact W₂"
    (floor,) = of(figure, Bars)
    assert floor.height.tolist() == [0.02, 0.02, 0.02]
    assert figure.note == (
        "Measured with 400 particles, seed 0. Not above zero: W₂ of modes. The sampler diverges: its distances are "
        "infinite."
    )
    # With another seed chosen, that one's is shown.
    (seeded, _) = of(drawn("distances", replace(session, sampling=again.sampling)), Points)
    assert seeded.y.tolist() == [7.0]
    assert drawn("distances", THREE).note == (
        "Press Measure in the bar above (Ctrl+M) to measure distances to as many data."
    )


# ------------------------------------------------------------------------------------------------- does it hold


def test_measured_choices_stand_beside_the_theory() -> None:
    experiment = replace(MOONS.experiment, sampler=EulerMaruyama(stochasticity=0.2))
    session = replace(MOONS, experiment=experiment)
    choices = choices_of(session, "stochasticity")
    plain = drawn("holding_stochasticity", session)
    (theory,) = of(plain, Curve)
    assert plain.note == "Press Measure beyond Gauss in the bar above to measure these choices."
    for level, value in zip(theory.x.tolist(), theory.y.tolist(), strict=True):
        changed = replace(experiment, sampler=EulerMaruyama(stochasticity=level))
        same = Custom(eigenvalues=tuple(experiment.law.variance.tolist()))
        assert value == pytest.approx(float(report(replace(changed, spectrum=same)).wasserstein2.total), rel=1e-6)
    # Measured in just the opposite order, and once at the floor.
    values = [0.1 + 1 / value for value in theory.y.tolist()]
    values[2] = 0.02
    parts = [
        measured(replace(session, experiment=choice.experiment), value)
        for choice, value in zip(choices, values, strict=True)
    ]
    figure = drawn("holding_stochasticity", replace(session, sampled=tuple(parts)))
    assert figure.title.startswith("Over stochasticity: Kendall τ = −")
    assert figure.note == (
        "Theory and particles rank 7 choices in another order. 1 of 7 cannot be told from data. 400 particles."
    )
    (points,) = of(figure, Points)
    assert points.y.tolist() == values
    # In the order of the theory, tau is one.
    ranked = tuple(replace(part, value=float(place)) for part, place in zip(parts, theory.y, strict=True))
    agreed = drawn("holding_stochasticity", replace(session, sampled=ranked))
    assert agreed.title == "Over stochasticity: Kendall τ = 1.00"
    assert agreed.note.startswith("Theory and particles rank 7 choices in the same order.")


def test_grids_of_pins_are_choices_too() -> None:
    found = replace(THREE.experiment, grid=Optimal(steps=20))
    session = replace(THREE, pins=(THREE.experiment, found))
    figure = drawn("holding_grid", session)
    assert figure.categories[0] == "Uniform"
    assert figure.categories[-1] == "Optimal (pin 2)"
    (theory,) = of(figure, Points)
    assert theory.x.tolist() == list(range(len(figure.categories)))
    assert theory.y[-1] == pytest.approx(float(report(found).wasserstein2.total))
    assert found in [choice.experiment for choice in all_choices(session)]


def test_where_nothing_can_be_chosen_the_plot_says_so() -> None:
    assert drawn("holding_stochasticity", MOONS).note == (
        "EDMHeun leaves nothing to choose in the stochasticity; choose another one."
    )
    listed = replace(THREE, experiment=replace(THREE.experiment, grid=Tabulated(values=(1.0, 0.5, 0.1))))
    assert not drawn("holding_steps", listed).marks


# ------------------------------------------------------------------------------------------------------ a network


def test_an_untrained_network_is_told_and_a_trained_one_is_drawn() -> None:
    sentence = "The Network has not been trained on these data: press Train in the bar above."
    for name in ("cloud", "images", "bands", "distances"):
        assert drawn(name, LEARNED).note == sentence
    assert drawn("holding_steps", LEARNED).note == sentence
    assert drawn("loss", LEARNED).note == "Press Train in the bar above to train the network on these data."
    trained = trainings.train_for(LEARNED.experiment)
    for name in ("cloud", "images", "bands"):
        assert drawn(name, LEARNED).marks
    figure = drawn("loss", LEARNED)
    (loss,) = of(figure, Curve)
    np.testing.assert_array_equal(loss.y, trained.curve.loss)
    assert {line.label: line.at for line in of(figure, Line)} == {
        "Gaussian theory": 1.0,
        "exact denoiser": trained.floor.value,
    }
    assert figure.title == "Training loss, 20 iterations"
    assert "Above the exact denoiser at the end: " in figure.note
    assert drawn("loss", MOONS).note.startswith("Exact needs no training;")


def test_plots_of_exact_laws_show_the_theory_of_other_data() -> None:
    same = Custom(eigenvalues=tuple(MOONS.experiment.law.variance.tolist()))
    gaussian = replace(MOONS, experiment=replace(MOONS.experiment, spectrum=same))
    for name in ("convergence", "time", "modes", "sweep"):
        plain = drawn(name, gaussian)
        for session, said in ((MOONS, f"{THEORY}."), (LEARNED, f"{THEORY} and their exact score.")):
            figure = drawn(name, session)
            assert figure.note == f"{said} {plain.note}".strip()
            for mine, theirs in zip(of(figure, Curve), of(plain, Curve), strict=True):
                np.testing.assert_allclose(mine.y, theirs.y, rtol=1e-6, equal_nan=True)
    assert THEORY not in drawn("modes", THREE).note
    assert headline(MOONS, {"EDMHeun": 0.5}) == "W₂ = 0.5 with 12 score evaluations in Gaussian theory"


# --------------------------------------------------------------------------------------- particles on exact curves


def test_checked_points_lie_on_the_curve_they_belong_to() -> None:
    def at(steps: int, session: Session = THREE) -> Session:
        return replace(session, experiment=replace(session.experiment, grid=Uniform(steps=steps)))

    other = replace(THREE, experiment=replace(THREE.experiment, sampler=Heun()))
    found = (
        measured(at(40), 0.25, LAW),
        measured(at(10), 0.5, LAW),
        measured(at(10, other), 0.125, LAW),
        measured(at(10), 0.7),
        measured(at(80), math.inf, LAW, standard_error=math.inf),
    )
    figure = drawn("convergence", replace(THREE, sampled=found))
    points = [mark for mark in of(figure, Points) if mark.label.startswith("particles")]
    assert [mark.label for mark in points] == ["particles ± 2 standard errors"]
    assert (points[0].x.tolist(), points[0].y.tolist()) == ([10.0, 40.0], [0.5, 0.25])
    assert points[0].error is not None
    assert points[0].error.tolist() == [0.02, 0.02]
    # Compared samplers have points of their own, with their own color.
    both = drawn("convergence", replace(THREE, samplers=(Heun(),), sampled=found))
    named = {mark.label: mark for mark in of(both, Points)}
    heun = named["particles, Heun"]
    assert (heun.x.tolist(), heun.y.tolist()) == ([20.0], [0.125])
    (curve,) = [mark for mark in of(both, Curve) if mark.label == "Heun"]
    assert heun.style.color == curve.style.color
    # Another experiment has none of them.
    assert len(of(drawn("convergence", replace(at(20, other), sampled=found[:2])), Points)) == 1
    changed = replace(THREE, experiment=replace(THREE.experiment, spectrum=PowerLaw(modes=3)), sampled=found)
    assert len(of(drawn("convergence", changed), Points)) == 1


@pytest.mark.parametrize("name", ["cloud", "images", "bands", "distances", "holding_steps", "holding_grid", "loss"])
def test_every_plot_of_particles_is_exported(name: str) -> None:
    session = replace(THREE, sampled=(measured(THREE, 0.5),))
    figure = drawn(name, session)
    assert to_svg(figure, {}).startswith(b"<?xml")
    assert figure.title.encode() in to_csv(figure, {})
