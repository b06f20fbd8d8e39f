"""Questions about couplings, asked as the window does, and what other libraries say."""

from collections.abc import Iterator

import numpy as np
import ot
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from kernels.analyses import estimated
from kernels.analyses.coupled import Coupled, Question, couple, coupled_now
from kernels.analyses.estimated import clear
from kernels.experiment import Experiment
from kernels.grids import Karras, Uniform
from kernels.pairs import Pair, Transport
from kernels.particles import Sampling
from kernels.processes import EDM
from kernels.samplers import EDMHeun
from kernels.spectra import Custom, Mixture
from kernels.transport import (
    Sinkhorn,
    Solver,
)

Floats = NDArray[np.float64]

THREE = Experiment(spectrum=Custom(eigenvalues=(4.0, 1.0, 0.25)), grid=Uniform(steps=10))
LINE = Experiment(spectrum=Custom(eigenvalues=(4.0,)), grid=Uniform(steps=10))
SPIRAL = Experiment(
    spectrum=Mixture(components=4), process=EDM(), grid=Karras(steps=4, start=80.0, stop=2e-3), sampler=EDMHeun()
)
SHARP = Sinkhorn(tolerance=1e-10)
ASKED = Transport(points=80, epsilon=0.1, solver=Sinkhorn(tolerance=1e-6))


def question(experiment: Experiment = THREE, seed: int = 0, transport: Transport = ASKED) -> Question:
    return Question(experiment, Sampling(seed=seed), transport, None)


def unwatched(share: float) -> None:
    """Nobody listens."""


def forgetting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is kept between tests, and costs are found at fewer regularizations, to be quick."""
    monkeypatch.setattr(estimated, "LADDER", estimated.LADDER[:7])
    clear()
    yield
    clear()


def whole(asked: Question) -> Coupled:
    couple(asked, unwatched)
    found = coupled_now(asked)
    assert found.is_whole
    return found


def costs_between(pair: Pair, power: float = 2.0) -> Floats:
    return np.asarray(cdist(pair.points_x, pair.points_y), dtype=np.float64) ** power


def other_plan(costs: Floats, epsilon: float) -> Floats:
    """The coupling of points of equal weight, by another library."""
    a, b = (np.full(count, 1 / count) for count in costs.shape)
    found = ot.sinkhorn(a, b, costs, epsilon, method="sinkhorn_log", stopThr=1e-11, numItermax=20_000, warn=False)
    return np.asarray(found, dtype=np.float64)


class Counting:
    """How often solvers of a kind are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Solver]) -> None:
        self.calls = 0
        inner = kind.solve

        def solve(*arguments: object) -> object:
            self.calls += 1
            return inner(*arguments)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(kind, "solve", solve)


class EnoughError(Exception):
    """The person no longer waits."""


def enough(share: float) -> None:
    if share >= 0.2:
        raise EnoughError
