"""The gallery opens, computes and draws; and its sessions give the published numbers that they are named after."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.cli import read_session
from explorer.gallery import FOLDER, sessions
from explorer.plots import PLOTS, Plot
from explorer.session import Session, from_text, items, load, to_text
from kernels.analyses.ablation import ablation
from kernels.analyses.clouds import theory_of
from kernels.analyses.learning import learning, learning_sweep
from kernels.analyses.sampled import measure
from kernels.analyses.sweep import numeric_paths, sweep
from kernels.analyses.trainings import train_for
from kernels.experiment import Experiment
from kernels.grids import Karras, LogUniform, Shifted, Spaced
from kernels.pipeline import replicate
from kernels.report import report
from kernels.samplers import DDPM, EulerMaruyama, Sampler
from kernels.scores import Network
from kernels.spectra import Custom, PowerLaw
from kernels.starts import Marginal

FILES = {path.name: path for path in FOLDER.glob("*.toml")}
every_file = pytest.mark.parametrize("name", sorted(FILES))


def total(experiment: Experiment) -> float:
    return float(report(experiment).wasserstein2.total)


def opened(name: str) -> Session:
    return load(FILES[name])


def with_steps(experiment: Experiment, steps: int) -> Experiment:
    grid = experiment.grid
    assert isinstance(grid, Spaced)
    return replace(experiment, grid=replace(grid, steps=steps))


LEARNED, MOONS, BEYOND = "08-learned-score.toml", "09-two-moons.toml", "10-beyond-gauss.toml"
NETWORK, MAP = "11-network.toml", "13-transport-map.toml"
# What a plot that shows nothing says: whatever the session, by session, and for scores that are exact.
UNMEASURED = ("Press Measure in the bar above", "needs no training", "nothing to choose in the")
EMPTY = {
    "04-flow-matching.toml": ("has no stochasticity",),
    LEARNED: ("has no stochasticity", "it has no grid"),
    MOONS: ("has no stochasticity", "laws of these clouds are not known"),
    BEYOND: ("laws of these clouds are not known",),
    MAP: ("has no stochasticity", "laws of these clouds are not known"),
    NETWORK: ("has no stochasticity", "has not been trained on these data", "Press Train", "has no eigenvalues"),
}
UNLEARNED = {True: ("need a learned score", "is not trained step by step"), False: ()}


# ------------------------------------------------------------------------------------------------ every session


def test_the_gallery_is_found_in_order_with_titles() -> None:
    found = sessions()
    assert [path for _, path in found] == [FILES[name] for name in sorted(FILES)]
    assert len(found) >= 5
    titles = [title for title, _ in found]
    assert len(set(titles)) == len(titles)
    for title, path in found:
        assert path.read_text(encoding="utf-8").startswith(f"# {title}\n")
        assert 20 < len(title) < 100


@every_file
def test_a_session_opens_the_same_from_everywhere(name: str) -> None:
    session = opened(name)
    assert read_session([str(FILES[name])]) == session
    assert from_text(to_text(session)) == session
    # No example may lean on a file that only its author has.
    assert "path" not in to_text(session)


@every_file
def test_a_session_computes(name: str) -> None:
    session = opened(name)
    shown = items(session)
    # Nothing that is to be compared is left out because it does not apply.
    wanted = {
        (sampler, grid)
        for sampler in session.samplers or (session.experiment.sampler,)
        for grid in session.grids or (session.experiment.grid,)
    }
    assert len(shown) == len(wanted | {(session.experiment.sampler, session.experiment.grid)}) + len(session.pins)
    for item in shown:
        assert math.isfinite(total(theory_of(item.experiment))), item.label
    assert session.swept in numeric_paths(session.experiment)


@every_file
@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_a_session_draws(name: str, plot: Plot) -> None:
    figure = plot.draw(opened(name))
    # The gallery has something to see in every plot, but for what a session has nothing of.
    reasons = UNMEASURED + EMPTY.get(name, ()) + UNLEARNED[name != LEARNED]
    assert figure.marks or any(reason in figure.note for reason in reasons)


@every_file
def test_a_session_has_a_table(name: str) -> None:
    session = opened(name)
    samplers = session.samplers or (session.experiment.sampler,)
    grids = session.grids or (session.experiment.grid,)
    found = ablation(theory_of(session.experiment), samplers[:2], grids[:2], session.stops[:2], session.budgets[:1])
    assert any(math.isfinite(cell) for row in found.rows for cell in row.wasserstein2)


# --------------------------------------------------------------------------------- 01: the published ablation


def test_the_ablation_has_the_rows_and_columns_of_the_paper() -> None:
    session = opened("01-ablation-vp.toml")
    names = ["EulerMaruyama", "ExponentialIntegrator", "AncestralVP", "EulerMaruyama", "Heun", "RungeKutta4"]
    assert [type(sampler).__name__ for sampler in session.samplers] == names
    assert [getattr(sampler, "stochasticity", None) for sampler in session.samplers] == [1, 1, None, 0, None, None]
    assert session.stops == (0.0, 1e-5, 1e-4, 1e-3)
    assert session.budgets == (50, 250, 500, 1000)


# Pierret and Galerne, truncation at 1e-3, 49 steps, from noise; their spectrum is that of CIFAR-10.
PRINTED = (4.68, 2.91, 6.74, 1.79)


def test_the_ablation_is_near_the_published_one() -> None:
    session = opened("01-ablation-vp.toml")
    for sampler, printed in zip(session.samplers, PRINTED, strict=False):
        found = total(with_steps(replace(session.experiment, sampler=sampler), 49))
        assert found == pytest.approx(printed, rel=0.05)


# ------------------------------------------------------------------------------------------ 03: stochasticity

# Theory, section E2: by number of steps, W2 at stochasticity 0 and 1, and the least at which stochasticity.
SMALL = {10: (0.4935, 0.7104, 0.0353, 0.07), 20: (0.2618, 0.2748, 0.0150, 0.10), 50: (0.1085, 0.1004, 0.0055, 0.12)}


@pytest.mark.parametrize("steps", SMALL)
def test_a_small_stochasticity_cancels_most_of_the_error(steps: int) -> None:
    experiment = with_steps(opened("03-stochasticity.toml").experiment, steps)
    flow, reverse, least, best = SMALL[steps]

    def at(stochasticity: float) -> float:
        return total(replace(experiment, sampler=EulerMaruyama(stochasticity=stochasticity)))

    # All digits that are printed; W2 of the flow at 20 steps is .26174, printed as .2618.
    assert at(0.0) == pytest.approx(flow, abs=1e-4)
    assert at(1.0) == pytest.approx(reverse, abs=5.1e-5)
    assert at(best) == pytest.approx(least, abs=5.1e-5)
    hundredths = [k / 100 for k in range(31)]
    assert min(hundredths, key=at) == best


def test_the_sweep_shows_the_best_stochasticity() -> None:
    session = opened("03-stochasticity.toml")
    assert session.swept == "sampler.stochasticity"
    found = sweep(session.experiment, session.swept)
    best = int(found.total.argmin())
    assert (found.values[best], found.total[best]) == pytest.approx((0.10, 0.0150), abs=5.1e-5)
    assert found.total[best] * 15 < min(found.total[0], found.total[-1])
    assert session.experiment.start == Marginal()


# The leading coefficient of N W2 on the same spectrum: theory, sections E2 and F.
LEADING = {
    "flow": (EulerMaruyama(stochasticity=0.0), Karras(start=80.0, stop=2e-3), 5.5603030026),
    "reverse": (EulerMaruyama(stochasticity=1.0), Karras(start=80.0, stop=2e-3), 4.76306),
    "small": (EulerMaruyama(stochasticity=0.137019), Karras(start=80.0, stop=2e-3), 0.26060),
    "log-uniform": (EulerMaruyama(stochasticity=0.0), LogUniform(start=80.0, stop=2e-3), 6.0957436022),
    "flow matching's": (EulerMaruyama(stochasticity=0.0), Shifted(start=80.0, stop=2e-3, shift=1.0), 3.2845246874),
}


@pytest.mark.parametrize("name", LEADING)
def test_the_leading_coefficient(name: str) -> None:
    sampler, grid, coefficient = LEADING[name]
    experiment = replace(opened("03-stochasticity.toml").experiment, sampler=sampler, grid=replace(grid, steps=4000))
    found = 4000 * float(report(experiment).wasserstein2.discretization)
    assert found == pytest.approx(coefficient, rel=0.02 if name == "small" else 1e-3)


# ------------------------------------------------------------------------------------------- 04: flow matching


FIVE = (4.0, 1.0, 0.25, 0.04, 0.01)


@pytest.mark.parametrize(
    ("eigenvalues", "shift", "coefficient"),
    [
        ((0.25,), 1.0, 0.74087385212340519),
        ((1.0,), 1.0, 1.2853981633974483),
        ((4.0,), 1.0, 2.9634954084936208),
        ((0.25,), 3.0, 1.4608221685710661),
        ((4.0,), 2.0, 2.5707963267948966),
        (FIVE, 1.0, 3.3825138745),
        (FIVE, 1.4118601822, 3.2348437166),
        (FIVE, 3.0, 3.9829658066),
    ],
)
def test_the_leading_coefficient_of_a_shifted_grid(
    eigenvalues: tuple[float, ...], shift: float, coefficient: float
) -> None:
    experiment = replace(opened("04-flow-matching.toml").experiment, spectrum=Custom(eigenvalues=eigenvalues))
    errors = [
        steps * total(replace(experiment, grid=Shifted(steps=steps, stop=0.0, shift=shift))) for steps in (2000, 4000)
    ]
    # What is left falls like 1/N: one step of Richardson removes it.
    assert 2 * errors[1] - errors[0] == pytest.approx(coefficient, rel=1e-5)


# ------------------------------------------------------------------------------------------ 05: Brownian time


def test_the_times_are_the_paper_s_hyperparameters() -> None:
    experiment = opened("05-brownian-bound.toml").experiment
    eigenvalues = [100 ** (-k / 9) for k in range(10)]
    assert experiment.spectrum.law().variance.tolist() == pytest.approx(eigenvalues, rel=1e-13)
    trace, fifth = math.fsum(eigenvalues), math.fsum(value**5 for value in eigenvalues)
    assert isinstance(experiment.grid, LogUniform)
    assert experiment.grid.start == pytest.approx((fifth / trace) ** 0.25 * math.sqrt(1000), rel=1e-12)
    assert experiment.grid.stop == pytest.approx(trace / (10 * 1000**2), rel=1e-12)


@pytest.mark.parametrize("sampler", [EulerMaruyama(stochasticity=1.0), DDPM(variance_share=1.0)], ids=repr)
def test_the_diffusion_error_of_the_comparison(sampler: Sampler) -> None:
    experiment = replace(opened("05-brownian-bound.toml").experiment, sampler=sampler)
    assert total(experiment) == pytest.approx(0.0064188331, abs=6e-11)
    # With ten times the steps the start and the stop move, too.
    assert isinstance(experiment.grid, LogUniform)
    start, stop = experiment.grid.start * math.sqrt(10), experiment.grid.stop / 100
    longer = replace(experiment, grid=LogUniform(steps=10_000, start=start, stop=stop))
    assert total(longer) == pytest.approx(0.00088146841, abs=6e-12)


# ------------------------------------------------------------------------------------------ 08: a learned score


def test_every_source_of_learning_is_seen() -> None:
    session = opened(LEARNED)
    found = learning(session.experiment)
    parts = (found.amplitude, found.bias - found.amplitude, found.generalization, found.optimization)
    assert min(parts) > 0.1 * found.total
    assert found.note == ""
    swept = learning_sweep(session.experiment, session.swept)
    # The noise amplitude has an optimum inside its range, and the session is near it.
    best = float(swept.values[np.nanargmin(swept.total)])
    score = session.experiment.score
    assert score.noise_amplitude == pytest.approx(best, rel=0.3)


def test_replicas_agree_with_the_theory() -> None:
    # Small, so that replicas are quick.
    experiment = replace(opened(LEARNED).experiment, spectrum=PowerLaw(modes=4, decay=0.7))
    found, expected = replicate(experiment, 64), learning(experiment).total
    assert found.mean == pytest.approx(expected, abs=3 * found.standard_error + 0.03 * expected)


# ------------------------------------------------------------------------------- 09, 10, 11: data that are no Gaussian


def test_few_steps_of_the_second_order_sampler_spread_the_moons() -> None:
    session = opened(MOONS)
    found = measure(session.experiment, replace(session.sampling, particles=1000), None, ("sliced",))["sliced"]
    # Farther than chance alone gives, and nearer than Gaussian theory fears.
    far, chance = found.measured, found.floor
    assert far.value - chance.value > 2 * math.hypot(far.standard_error, chance.standard_error)
    assert far.value + 3 * far.standard_error < total(session.experiment)


def test_the_network_learns_more_of_the_spiral_than_its_covariance() -> None:
    experiment = opened(NETWORK).experiment
    assert isinstance(experiment.score, Network)
    quickly = replace(experiment, score=replace(experiment.score, iterations=1200))
    trained = train_for(quickly)
    # The loss is 1 where nothing but the covariance is known.
    assert trained.floor.value + trained.excess.value < 0.985


def test_the_gallery_lies_beside_the_program() -> None:
    assert Path(__file__).resolve().parents[1] / "assets" / "gallery" == FOLDER
