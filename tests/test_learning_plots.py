"""The plots of learned scores and of Langevin dynamics, and what of a measurement a session keeps."""

import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from explorer.marks import Band, Curve, Figure, Heat, Line, Linear, Log, Points
from explorer.plots import PLOTS
from explorer.plots.learning import RANGE, belonging
from explorer.session import Measured, Session, from_text, to_text
from kernels.analyses.langevin import COUNTS, asymptotes, over_condition, over_steps, positive_part
from kernels.analyses.learning import learning
from kernels.experiment import Experiment
from kernels.grids import Uniform
from kernels.report import report
from kernels.samplers import EulerMaruyama, Langevin
from kernels.scores import Empirical, GradientDescent, StochasticGradient
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Isotropic

BY_NAME = {plot.name: plot for plot in PLOTS}
SOURCES = ["noise amplitude", "steps, start, training", "samples", "gradients", "mean shift"]
LEARNED = Experiment(
    spectrum=PowerLaw(modes=6, decay=0.7),
    score=StochasticGradient(noise_amplitude=0.3, step_size=0.005, iterations=3000),
    sampler=Langevin(step_size=0.005),
    grid=Uniform(steps=1000),
    start=Isotropic(),
)
NARROW = Session(experiment=LEARNED, swept="score.batch")
WIDE = Session(experiment=LEARNED, swept="score.noise_amplitude")


def drawn(name: str, session: Session) -> Figure:
    return BY_NAME[name].draw(session)


def curve(figure: Figure, label: str) -> Curve:
    (found,) = [mark for mark in figure.marks if isinstance(mark, Curve) and mark.label == label]
    return found


def points(figure: Figure, label: str) -> Points:
    (found,) = [mark for mark in figure.marks if isinstance(mark, Points) and mark.label.startswith(label)]
    return found


def measurement(experiment: Experiment, mean: float = 0.2) -> Measured:
    return Measured(experiment=experiment, mean=mean, standard_error=0.01, replicas=32)


def at_batch(batch: int) -> Experiment:
    score = LEARNED.score
    assert isinstance(score, StochasticGradient)
    return replace(LEARNED, score=replace(score, batch=batch))


# ------------------------------------------------------------------------------------------------------- by source


def test_areas_are_stacked_up_to_the_total() -> None:
    figure = drawn("learning", NARROW)
    assert isinstance(figure.y.scale, Linear)
    bands = [mark for mark in figure.marks if isinstance(mark, Band)]
    assert [band.label for band in bands] == SOURCES
    np.testing.assert_array_equal(bands[0].low, 0.0)
    for below, above in pairwise(bands):
        np.testing.assert_array_equal(below.high, above.low)
    np.testing.assert_allclose(bands[-1].high, curve(figure, "total").y, rtol=1e-12)
    # An area's upper edge has a dash of its own.
    assert len({curve(figure, label).style.dash for label in SOURCES}) == len(SOURCES)
    assert len({band.style.color for band in bands}) == len(SOURCES)


def test_the_present_value_has_the_parts_of_the_theory() -> None:
    figure, found = drawn("learning", NARROW), learning(LEARNED)
    bands = [mark for mark in figure.marks if isinstance(mark, Band)]
    own = bands[0].x == 16
    heights = [float((band.high - band.low)[own][0]) for band in bands]
    parts = (found.amplitude, found.bias - found.amplitude, found.generalization, found.optimization, found.shift)
    assert heights == pytest.approx(list(parts), rel=0.01)
    present = points(figure, "present")
    assert (present.x.tolist(), present.y.tolist()) == ([16.0], [pytest.approx(found.total, rel=0.01)])
    # W2 of the mean score's sampler is what the report says.
    assert found.bias == pytest.approx(float(report(LEARNED).wasserstein2.total) ** 2)


def test_the_least_total_is_marked_with_its_value() -> None:
    for session in (NARROW, WIDE):
        figure = drawn("learning", session)
        least, total = points(figure, "least"), curve(figure, "total")
        assert least.y[0] == np.nanmin(total.y)
        assert least.x[0] == total.x[int(np.nanargmin(total.y))]
        assert least.label.startswith(f"least {least.y[0]:.4g} at ")


def test_the_least_total_is_no_matter_of_the_points_that_are_computed() -> None:
    score = LEARNED.score
    least = points(drawn("learning", WIDE), "least")

    def total(amplitude: float) -> float:
        return learning(replace(LEARNED, score=replace(score, noise_amplitude=amplitude))).total

    finest = min(total(float(value)) for value in least.x[0] * np.geomspace(0.8, 1.25, 41))
    assert total(float(least.x[0])) == pytest.approx(least.y[0], rel=1e-9)
    assert least.y[0] == pytest.approx(finest, rel=0.01)


def test_areas_are_drawn_about_the_least_total() -> None:
    figure = drawn("learning", WIDE)
    bands = [mark for mark in figure.marks if isinstance(mark, Band)]
    assert [band.label for band in bands] == SOURCES
    total = curve(figure, "total")
    np.testing.assert_allclose(bands[-1].high, total.y, rtol=1e-12)
    least = np.nanmin(total.y)
    assert np.nanmax(total.y) <= RANGE * least
    assert np.count_nonzero(np.isfinite(total.y)) >= 12
    assert "Drawn where the total is not above" in figure.note
    assert isinstance(figure.x.scale, Log)
    assert total.x.min() > 0


def test_a_present_value_far_from_the_least_is_drawn() -> None:
    far = replace(LEARNED, score=replace(LEARNED.score, noise_amplitude=2.0))
    figure = drawn("learning", replace(WIDE, experiment=far))
    present = points(figure, "present")
    assert present.x.tolist() == [2.0]
    assert present.y[0] > RANGE * points(figure, "least").y[0]


def test_sources_that_are_not_there_are_left_out() -> None:
    session = Session(experiment=replace(LEARNED, score=Empirical(noise_amplitude=0.2)), swept="score.samples")
    labels = [mark.label for mark in drawn("learning", session).marks]
    assert "gradients" not in labels
    assert "samples" in labels
    diffusing = Session(experiment=Experiment(score=Empirical()), swept="score.samples")
    assert "early stop" in [mark.label for mark in drawn("learning", diffusing).marks]


def test_what_was_measured_is_drawn_where_it_belongs() -> None:
    others = (
        measurement(at_batch(4), 0.15),
        measurement(replace(at_batch(4), start=Isotropic(width=0.5))),
        measurement(Experiment()),
    )
    session = replace(NARROW, measured=(measurement(LEARNED), *others))
    found = points(drawn("learning", session), "measured")
    assert found.x.tolist() == [4.0, 16.0]
    assert found.y.tolist() == [0.15, 0.2]
    assert found.error is not None
    assert found.error.tolist() == [0.02, 0.02]
    # Over another number only the experiment itself is left.
    assert belonging(replace(session, swept="score.samples")) == [measurement(LEARNED)]
    assert belonging(replace(session, experiment=Experiment(), swept="grid.steps")) == [measurement(Experiment())]


def test_a_measurement_far_above_is_told_instead_of_drawn() -> None:
    session = replace(NARROW, measured=(measurement(LEARNED), measurement(at_batch(2), 1e30)))
    figure = drawn("learning", session)
    assert points(figure, "measured").x.tolist() == [16.0]
    assert "Measured above and not shown: 1, up to 1e+30." in figure.note


# ------------------------------------------------------------------------------------------------- nothing to show


@pytest.mark.parametrize("name", ["learning", "pairs_samples", "pairs_gradients", "training"])
def test_an_exact_score_is_told_what_to_choose(name: str) -> None:
    figure = drawn(name, Session())
    assert figure.marks == ()
    assert "StochasticGradient" in figure.note
    assert "Exact" in figure.note


def test_what_is_missing_is_told() -> None:
    assert drawn("learning", replace(NARROW, swept="grid.rho")).note == "Choose a number to sweep in the bar above."
    descent = Session(experiment=replace(LEARNED, score=GradientDescent()))
    note = "GradientDescent has no random gradients; choose StochasticGradient."
    assert drawn("pairs_gradients", descent).note == note
    assert drawn("pairs_samples", descent).marks
    zeros = Session(experiment=replace(LEARNED, spectrum=Custom(eigenvalues=(0.0, 0.0))))
    for name in ("pairs_samples", "training", "langevin", "condition"):
        figure = drawn(name, zeros)
        assert figure.marks == ()
        assert figure.note


def test_a_diverging_training_is_named() -> None:
    score = StochasticGradient(step_size=3.0, noise_amplitude=0.2)
    figure = drawn("pairs_gradients", Session(experiment=replace(LEARNED, score=score)))
    assert figure.marks == ()
    assert "diverges from" in figure.note


# ------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("source", ["generalization", "optimization"])
@pytest.mark.parametrize("modes", [1, 6, 300])
def test_the_parts_of_pairs_add_up(source: str, modes: int) -> None:
    experiment = replace(LEARNED, spectrum=PowerLaw(modes=modes, decay=0.7))
    figure = drawn("pairs_samples" if source == "generalization" else "pairs_gradients", Session(experiment=experiment))
    (heat,) = figure.marks
    assert isinstance(heat, Heat)
    found = learning(experiment)
    assert heat.values.sum() == pytest.approx(getattr(found, source), rel=1e-3)
    np.testing.assert_allclose(heat.values, heat.values.T, rtol=1e-9)
    assert f"{getattr(found, source):.4g} of E W₂² = {found.total:.4g}" in figure.note
    # Every node lies in its own cell, the smallest first.
    inside = found.eigenvalues[::-1]
    assert np.all((heat.x[:-1] < inside) & (inside < heat.x[1:]))


# ------------------------------------------------------------------------------------------- Langevin and diffusion


def test_the_methods_stand_beside_their_bounds_and_the_experiment() -> None:
    figure = drawn("langevin", NARROW)
    data = positive_part(LEARNED.law)
    assert data is not None
    found = over_steps(data)
    for label, values in {
        "Langevin": found.langevin,
        "underdamped Langevin": found.underdamped,
        "diffusion": found.diffusion,
    }.items():
        shown = curve(figure, label)
        np.testing.assert_array_equal(shown.y, np.where(np.isfinite(values), values, np.nan))
        assert shown.x.tolist() == list(COUNTS)
    bounds = [mark for mark in figure.marks if mark.label == "bound, N → ∞"]
    tended = asymptotes(data, found.at)
    for mark, values in zip(bounds, (tended.langevin, tended.underdamped, tended.diffusion), strict=True):
        assert isinstance(mark, Curve)
        assert mark.style.dash
        np.testing.assert_array_equal(mark.y, values)
    present = points(figure, "present experiment")
    assert present.x.tolist() == [1000.0]
    assert present.y.tolist() == [float(report(LEARNED).wasserstein2.total)]


def test_zero_eigenvalues_are_told() -> None:
    spectrum = Custom(eigenvalues=(1.0, 0.25, 0.0, 0.0))
    figure = drawn("langevin", Session(experiment=Experiment(spectrum=spectrum)))
    assert "2 eigenvalues are zero and are left out." in figure.note
    assert drawn("condition", Session(experiment=Experiment(spectrum=spectrum))).note.startswith(
        "N = 50; 2 eigenvalues spread evenly in their logarithm, the largest 1."
    )


def test_a_method_that_always_diverges_is_left_out_and_told() -> None:
    session = Session(experiment=Experiment(spectrum=PowerLaw(modes=64, decay=4.0), sampler=EulerMaruyama()))
    figure = drawn("langevin", session)
    assert [mark.label for mark in figure.marks] == ["diffusion", "bound, N → ∞", "present experiment"]
    assert "Langevin diverges (W₂ = ∞) for N from 10 to 1e+04." in figure.note


def test_the_condition_number_of_the_data_is_marked() -> None:
    figure = drawn("condition", NARROW)
    (line,) = [mark for mark in figure.marks if isinstance(mark, Line)]
    assert line.at == pytest.approx(6**0.7)
    found = over_condition(6, 1000)
    np.testing.assert_array_equal(curve(figure, "diffusion").y, found.diffusion)
    settled, begun = curve(figure, "Langevin without burn-in").y, curve(figure, "Langevin").y
    assert settled[0] != begun[0]
    late = np.isfinite(begun) & (found.at > 100)
    np.testing.assert_allclose(settled[late], begun[late], rtol=0.01)
    assert re.search(r"Langevin diverges \(W₂ = ∞\) for κ from", figure.note)


# ------------------------------------------------------------------------------------------------- session files


def test_measurements_and_the_place_in_the_training_are_kept() -> None:
    session = replace(NARROW, measured=(measurement(LEARNED, math.pi), measurement(Experiment())), training=0.25)
    assert from_text(to_text(session)) == session
    assert from_text("version = 1") == Session()


KNOWN = "measured must hold tables of experiment, mean, standard_error, replicas"
GOOD = "{experiment = {}, mean = 1, standard_error = 0.5, replicas = 2}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("measured = 3", "measured must be a list, got 3."),
        ("measured = [3]", f"{KNOWN}, got 3."),
        ("measured = [{mean = 1.0}]", f"{KNOWN}, got {{'mean': 1.0}}."),
        (f"measured = [{GOOD[:-1]}, more = 1}}]", f"{KNOWN}, got {{'experiment': "),
        (f"measured = [{GOOD.replace('1', 'nan')}]", "measured mean must be a nonnegative number, got nan."),
        (f"measured = [{GOOD.replace('1', 'true')}]", "measured mean must be a nonnegative number, got True."),
        (f"measured = [{GOOD.replace('0.5', '-1')}]", "measured standard_error must be a nonnegative number, got -1."),
        (
            f"measured = [{GOOD.replace('0.5', 'inf')}]",
            "measured standard_error must be a nonnegative number, got inf.",
        ),
        (f"measured = [{GOOD.replace('2', '1.5')}]", "measured replicas must be a whole number from 2, got 1.5."),
        (f"measured = [{GOOD.replace('{}', '3')}]", "the experiment must be a table of names and values, got 3."),
        (f"measured = [{GOOD.replace('1', '9' * 400)}]", "measured mean must be a nonnegative number, got 999"),
        ("training = 2", "training must be a number from 0 to 1, got 2."),
        ("training = nan", "training must be a number from 0 to 1, got nan."),
        ("training = 'end'", "training must be a number from 0 to 1, got 'end'."),
        ("training = true", "training must be a number from 0 to 1, got True."),
    ],
)
def test_a_broken_measurement_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    assert from_text(f"version = 1\nmeasured = [{GOOD}]").measured[0].mean == 1.0
    with pytest.raises(ValueError) as refusal:
        from_text(f"version = 1\n{text}")
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)
