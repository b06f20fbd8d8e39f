"""Random components, derived from their declarations: a new parameter is fuzzed the moment it exists."""

import math
import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import reject
from hypothesis import strategies as st

from kernels.experiment import Experiment, applicable
from kernels.grids import TIME_GRIDS, Optimal, Spaced, Tabulated, TimeGrid
from kernels.param import Choice, Component, Declaration, Flag, Interval, Number, Numbers, Option, Path, declarations
from kernels.processes import PROCESSES, Process
from kernels.scores import SCORE_MODELS
from kernels.spectra import SPECTRA
from kernels.spectra.base import ModelSpectrum
from kernels.starts import STARTS

C = TypeVar("C", bound=Component)

# Whole numbers are sizes: numbers of modes and of steps, small here for the sake of time.
MOST = 200
FEW = 20

MODEL_SPECTRA = tuple(kind for kind in SPECTRA if issubclass(kind, ModelSpectrum))
# Of these alone there are exact laws.
AFFINE_SCORES = tuple(kind for kind in SCORE_MODELS if kind.is_affine)


def floats(low: float, high: float, *, log: bool = False) -> st.SearchStrategy[float]:
    """Floats of a range, uniform in the logarithm where that is how the slider runs."""
    if not log:
        return st.floats(low, high)
    spread = st.floats(math.log(low), math.log(high)).map(math.exp)
    return spread.map(lambda value: min(max(value, low), high))


def within(domain: Interval) -> st.SearchStrategy[float]:
    """Floats of ordinary size in a domain."""
    return st.floats(max(domain.low, -100.0), min(domain.high, 100.0)).filter(domain.__contains__)


def values(declaration: Declaration) -> st.SearchStrategy[Any]:
    """Values that a person could choose for a declared field."""
    match declaration:
        case Number(integer=True, slider=(low, high)):
            return st.integers(int(low), min(int(high), MOST))
        case Number(slider=(low, high), log=log):
            return floats(low, high, log=log)
        case Flag():
            return st.booleans()
        case Option(options=options):
            return st.sampled_from(options)
        case Numbers(domain=domain, least=least):
            return st.lists(within(domain), min_size=max(least, 1), max_size=12).map(tuple)
        case Path():
            return st.just("")
        case Choice(kinds=kinds):
            return st.sampled_from(kinds).flatmap(components)
        case _:
            raise TypeError(f"no strategy for {declaration!r}")


@contextmanager
def checked() -> Generator[None]:
    """Rejects what makes no valid component.

    Checks of types at run time look at random items of lists, which Hypothesis would take for an unseeded strategy.
    """
    state = random.getstate()
    try:
        yield
    except ValueError:
        reject()
    finally:
        random.setstate(state)


@st.composite
def components(draw: st.DrawFn, kind: type[C]) -> C:
    """Components of a kind whose values pass its constraints."""
    with checked():
        return kind(**{name: draw(values(declaration)) for name, declaration in declarations(kind).items()})


@st.composite
def grids(draw: st.DrawFn, process: Process) -> TimeGrid:
    """Grids whose times lie in the range of a process, more or less."""
    grid: TimeGrid = draw(st.sampled_from(TIME_GRIDS).flatmap(components))
    start, stop = process.span
    with checked():
        if isinstance(grid, Spaced):
            if isinstance(grid, Optimal):
                # A search for every number of steps would take most of the time of all tests.
                grid = replace(grid, steps=min(grid.steps, 2 if grid.method == "exact" else FEW))
            first = start * draw(st.sampled_from([1.0, 0.99, 0.5]))
            last = draw(st.sampled_from([stop, max(stop, 1e-3 * first), 0.3 * first]))
            return replace(grid, start=first, stop=last)
        if isinstance(grid, Tabulated):
            fractions = draw(st.lists(st.integers(1, 1000), min_size=2, max_size=12, unique=True))
            ends = [0.0] if draw(st.booleans()) else []
            listed = [0.99 * start * fraction / 1000 for fraction in sorted(fractions, reverse=True)]
            return replace(grid, values=(*listed, *ends))
    return grid


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Valid experiments with an exact law, on spectra that need no file."""
    process: Process = draw(st.sampled_from(PROCESSES).flatmap(components))
    grid = draw(grids(process))
    with checked():
        fitting = applicable(process, grid.times(process))
        experiment = Experiment(
            spectrum=draw(st.sampled_from(MODEL_SPECTRA).flatmap(components)),
            process=process,
            score=draw(st.sampled_from(AFFINE_SCORES).flatmap(components)),
            grid=grid,
            sampler=draw(st.sampled_from(fitting).flatmap(components)),
            start=draw(st.sampled_from(STARTS).flatmap(components)),
        )
        # A grid that is made for the data is not defined on all of them.
        assert len(experiment.times)
        return experiment
