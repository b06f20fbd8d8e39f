"""The published table of errors on CIFAR-10's covariance (Pierret and Galerne 2024), to its printed decimals.

Times are truncated at 0, 1e-5, 1e-4 and 1e-3; starts are the exact law and noise. `NFE` of the paper is its number of
grid points: NFE - 1 steps for methods with one evaluation a step, and also in its rows of Heun's method, which count
half their evaluations; NFE/4 - 1 steps for the method of Runge and Kutta. The paper's noise is N(0, I), and not
N(0, sigma^2) with sigma^2 = 1 - 4e-5.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from kernels.experiment import Experiment
from kernels.grids import Uniform
from kernels.report import Sources, solve
from kernels.samplers import AncestralVP, EulerMaruyama, ExponentialIntegrator, Heun, RungeKutta4, Sampler
from kernels.spectra import Custom
from kernels.starts import Isotropic, Marginal, Start

FILE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cifar10_eigenvalues.npy"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"needs the eigenvalues of CIFAR-10's covariance, {FILE}")

EM, EI, DDPM = EulerMaruyama(stochasticity=1.0), ExponentialIntegrator(stochasticity=1.0), AncestralVP()
EULER, HEUN, RK4 = EulerMaruyama(stochasticity=0.0), Heun(), RungeKutta4()
STOPS = (0.0, 1e-5, 1e-4, 1e-3)
CALLS = (50, 250, 500, 1000)
STANDARD_NORMAL = Isotropic(width=1.0)

# By truncation time, and within by NFE: exact start/start from noise, as printed.
TABLE: dict[Sampler, tuple[str, ...]] = {
    EM: (
        "4.78/4.78 .65/.66 .32/.32 .16/.16",
        "4.77/4.77 .66/.66 .32/.32 .16/.16",
        "4.76/4.76 .66/.66 .32/.32 .17/.17",
        "4.68/4.68 .70/.70 .40/.40 .27/.27",
    ),
    EI: (
        "2.81/2.81 .57/.57 .30/.30 .16/.16",
        "2.81/2.81 .57/.57 .30/.30 .16/.16",
        "2.82/2.82 .58/.58 .31/.31 .17/.17",
        "2.91/2.91 .67/.67 .41/.41 .29/.29",
    ),
    DDPM: (
        "6.82/6.82 .97/.97 .47/.47 .23/.23",
        "6.82/6.82 .97/.97 .47/.47 .24/.23",
        "6.81/6.81 .98/.98 .47/.47 .24/.24",
        "6.74/6.74 1.00/1.00 .53/.53 .32/.32",
    ),
    EULER: (
        "1.72/1.78 .38/.44 .20/.26 .10/.17",
        "1.72/1.78 .38/.44 .20/.26 .10/.17",
        "1.72/1.78 .38/.44 .20/.26 .11/.17",
        "1.73/1.79 .42/.48 .27/.32 .21/.25",
    ),
    HEUN: (
        "",
        "23.42/23.42 2.86/2.87 1.05/1.06 .37/.38",
        "4.68/4.68 .43/.44 .12/.14 .03/.08",
        ".58/.59 .13/.15 .16/.18 .17/.19",
    ),
    RK4: (
        "",
        "67.32/67.32 5.49/5.49 2.11/2.11 .77/.77",
        "14.35/14.35 .93/.93 .29/.29 .07/.10",
        "2.60/2.60 .09/.12 .15/.17 .17/.19",
    ),
}
NAMES: dict[Sampler, str] = {EM: "EM", EI: "EI", DDPM: "DDPM", EULER: "Euler", HEUN: "Heun", RK4: "RK4"}

Cell = tuple[Sampler, float, int, Start, float]


def cells() -> list[Cell]:
    return [
        (sampler, stop, calls, start, float(value))
        for sampler, rows in TABLE.items()
        for stop, row in zip(STOPS, rows, strict=True)
        if row
        for calls, pair in zip(CALLS, row.split(), strict=True)
        for start, value in zip((Marginal(), STANDARD_NORMAL), pair.split("/"), strict=True)
    ]


@lru_cache(maxsize=1)
def cifar10() -> Custom:
    eigenvalues = np.load(FILE)
    return Custom(eigenvalues=tuple(eigenvalues.clip(0.0).tolist()))


def sources(sampler: Sampler, stop: float, calls: int, start: Start) -> Sources:
    steps = calls // 4 - 1 if isinstance(sampler, RungeKutta4) else calls - 1
    grid = Uniform(steps=steps, start=1.0, stop=stop)
    where = Experiment(spectrum=cifar10(), grid=grid, sampler=sampler, start=start)
    return Sources(*(value[-1] for value in vars(solve(where).sources).values()))


def test_the_spectrum_is_the_published_one() -> None:
    law = cifar10().law()
    assert len(law.variance) == 3072
    assert float(law.variance.sum()) == pytest.approx(761.6195, abs=1e-4)
    assert float(law.variance[0]) == pytest.approx(221.4533, abs=1e-4)


@pytest.mark.parametrize(
    ("sampler", "stop", "calls", "start", "printed"),
    [pytest.param(*cell, id=f"{NAMES[cell[0]]}-{cell[1]:g}-{cell[2]}-{type(cell[3]).__name__}") for cell in cells()],
)
def test_printed_decimals(sampler: Sampler, stop: float, calls: int, start: Start, printed: float) -> None:
    found = float(sources(sampler, stop, calls, start).total)
    assert round(found, 2) == printed, found


MORE_DIGITS: dict[Sampler, tuple[str, ...]] = {
    EM: ("4.775894/4.775969", ".654902/.655089", ".315063/.315270", ".159739/.159950"),
    EULER: ("1.722739/1.783275", ".378423/.442541", ".196494/.260775", ".102307/.167124"),
}


@pytest.mark.parametrize("sampler", MORE_DIGITS, ids=lambda sampler: NAMES[sampler])
@pytest.mark.parametrize("place", range(4), ids=lambda place: str(CALLS[place]))
def test_more_digits(sampler: Sampler, place: int) -> None:
    exact, noise = (float(value) for value in MORE_DIGITS[sampler][place].split("/"))
    assert float(sources(sampler, 0.0, CALLS[place], Marginal()).total) == pytest.approx(exact, abs=6e-7)
    assert float(sources(sampler, 0.0, CALLS[place], STANDARD_NORMAL).total) == pytest.approx(noise, abs=6e-7)


@pytest.mark.parametrize(("sampler", "initialization"), [(EM, 6.679132e-4), (EULER, 7.296114e-2)], ids=["SDE", "ODE"])
def test_initialization_of_the_exact_dynamics(sampler: Sampler, initialization: float) -> None:
    found = sources(sampler, 0.0, 50, STANDARD_NORMAL)
    assert float(found.initialization) == pytest.approx(initialization, rel=1e-6)
    assert float(found.truncation) == 0.0


@pytest.mark.parametrize(
    ("stop", "printed"), [(1e-5, 4.1e-3), (1e-4, 0.03), (1e-3, 0.18)], ids=["1e-5", "1e-4", "1e-3"]
)
def test_truncation_of_the_exact_dynamics(stop: float, printed: float) -> None:
    found = float(sources(EM, stop, 50, Marginal()).truncation)
    assert float(f"{found:.1e}" if printed < 0.01 else f"{found:.2f}") == printed
