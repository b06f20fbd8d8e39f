"""What the import contracts cannot say: lazy imports, complete registries, members that are final and described."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from abc import ABC
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

import kernels
from kernels.distances import DISTANCES, Distance
from kernels.grids import TIME_GRIDS
from kernels.grids.base import TimeGrid
from kernels.param import Component, Number, declarations
from kernels.particles import Sampling
from kernels.processes import PROCESSES
from kernels.processes.base import Process
from kernels.processes.held import Held
from kernels.samplers import SAMPLERS
from kernels.samplers.base import Sampler
from kernels.scores import SCORE_MODELS, ScoreModel
from kernels.spectra import SPECTRA
from kernels.spectra.base import Spectrum
from kernels.starts import STARTS, Start
from kernels.transport import COOLINGS, SOLVERS, Cooling, Solver

Kinds = tuple[type[Component], ...]

FAMILIES: tuple[tuple[type[Component], Kinds], ...] = (
    (Spectrum, SPECTRA),
    (Process, PROCESSES),
    (TimeGrid, TIME_GRIDS),
    (Sampler, SAMPLERS),
    (ScoreModel, SCORE_MODELS),
    (Start, STARTS),
    (Distance, DISTANCES),
    (Solver, SOLVERS),
    (Cooling, COOLINGS),
)
MEMBERS = tuple(kind for _, kinds in FAMILIES for kind in kinds)

of_every_family = pytest.mark.parametrize(("base", "kinds"), FAMILIES, ids=[base.__name__ for base, _ in FAMILIES])
# How many points are carried is chosen too, and there is one way of it.
CHOSEN = (*MEMBERS, Sampling)

of_every_member = pytest.mark.parametrize("kind", MEMBERS, ids=[kind.__name__ for kind in MEMBERS])
of_everything_chosen = pytest.mark.parametrize("kind", CHOSEN, ids=[kind.__name__ for kind in CHOSEN])


def descendants(base: type[Component]) -> Iterator[type[Component]]:
    for kind in base.__subclasses__():
        yield kind
        yield from descendants(kind)


def is_abstract(kind: type[Component]) -> bool:
    return inspect.isabstract(kind) or ABC in kind.__bases__


@pytest.fixture(scope="module", autouse=True)
def every_module_of_kernels() -> None:
    for module in pkgutil.walk_packages(kernels.__path__, "kernels."):
        # What runs on a graphics card needs Triton, which comes with PyTorch for one.
        if not module.name.endswith(".card") or find_spec("triton"):
            importlib.import_module(module.name)


@pytest.mark.parametrize(
    ("module", "late"),
    [
        ("explorer.app", ("torch",)),
        ("explorer.cli", ("torch", "PyQt6", "pyqtgraph")),
        ("explorer.session", ("PyQt6", "pyqtgraph")),
        ("explorer.export", ("PyQt6", "pyqtgraph")),
        ("explorer.plots", ("PyQt6", "pyqtgraph")),
    ],
)
def test_importing_one_leaves_the_other_out(module: str, late: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print(*(name for name in {late!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@of_every_family
def test_every_final_member_is_listed(base: type[Component], kinds: Kinds) -> None:
    final = {kind for kind in descendants(base) if kind.__module__.startswith("kernels.") and not is_abstract(kind)}
    # A level that is held is no way from noise to data: it stands in for a process, and is never chosen.
    assert {kind.__name__ for kind in final - {Held}} == {kind.__name__ for kind in kinds}
    assert len(set(kinds)) == len(kinds)


@of_every_family
def test_a_family_is_abstract(base: type[Component], kinds: Kinds) -> None:
    assert is_abstract(base)
    assert base not in kinds


@of_every_member
def test_a_member_is_final(kind: type[Component]) -> None:
    assert not is_abstract(kind)
    assert kind.__subclasses__() == []


@of_every_member
def test_a_member_says_what_it_is_and_where_it_comes_from(kind: type[Component]) -> None:
    assert kind.formula.strip()
    assert kind.source.strip()


@of_everything_chosen
def test_every_parameter_has_a_help_text(kind: type[Component]) -> None:
    assert [name for name, declaration in declarations(kind).items() if not declaration.help.strip()] == []


@of_everything_chosen
def test_every_slider_lies_in_the_closure_of_its_domain(kind: type[Component]) -> None:
    for name, declaration in declarations(kind).items():
        if isinstance(declaration, Number):
            low, high = declaration.slider
            assert declaration.domain.low <= low < high <= declaration.domain.high, name
            assert low > 0 or not declaration.log, f"{name}: a logarithmic slider has no place for {low}"
