"""Transport on a graphics card: its program, in Triton's interpreter and compiled for cards, and its sentences."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from explorer.cli import main
from kernels.transport import (
    Coupling,
    EntropicCoupling,
    Sinkhorn,
    Solution,
    TransportProblem,
    sinkhorn,
    weighted_problem,
)
from tests.compiled import AGES, compiled_for, has_card, has_triton, ran

Floats = NDArray[np.float64]
NO_CARD = "device cuda needs an NVIDIA graphics card and a PyTorch made for it, and there is none; use cpu."
NO_TRITON = "device cuda needs Triton, which PyTorch for CUDA brings with it on Linux; install it, or use cpu."


def clouds(n: int, m: int, d: int, fraction: float, power: float = 2.0) -> TransportProblem:
    """Weighted, and some points given twice; the epsilon is a fraction of the mean cost."""
    rng = torch.Generator().manual_seed(n + m)
    x, y = (torch.randn(count, d, generator=rng, dtype=torch.float64) for count in (n, m))
    a, b = (0.1 + torch.rand(count, generator=rng, dtype=torch.float64) for count in (n, m))
    x[-1], y[-1] = x[0], y[0]
    return weighted_problem(100 * x, a / a.sum(), 70 * y + 100, b / b.sum(), 1.0, power).relative(fraction)


# ------------------------------------------------------------------------------------------------------ one look


def _log2(exponents: NDArray[np.floating], axis: int, weights: Floats) -> Floats:
    return np.asarray(logsumexp(np.log(2) * exponents, axis=axis, b=weights)) / np.log(2)


def look_once(problem: TransportProblem, tolerance: float, coarse: bool, place: torch.device) -> None:
    """Every soft minimum against one by another library, from potentials that are far from any solution."""
    from kernels.transport.card import OnCard

    looks: list[int] = []
    card = OnCard(problem, tolerance, place, lambda: looks.append(1))
    scale = float(np.log2(np.e)) / problem.epsilon
    assert card.is_coarse(scale) is coarse
    costs = scale * cdist(problem.points_x.numpy(), problem.points_y.numpy()) ** problem.power
    a, b = problem.weights_a.numpy(), problem.weights_b.numpy()
    v = 3 * np.cos(np.arange(len(b)))
    u = -_log2(v - costs, 1, b)
    # Of a point that is so far away something is left.
    ratio = np.exp(np.log(2) * np.maximum(_log2(u[:, None] + v - costs, 0, a[:, None]), -1000))
    for bits, error in ((32, 2e-5 if coarse else 1e-6), (64, 1e-11)):
        swept = card.interaction(bits, False).sweep(scale, np.zeros(len(a)), v)
        np.testing.assert_allclose(swept.u, u, rtol=1e-12, atol=error)
        np.testing.assert_allclose(swept.ratio, ratio, rtol=2 * error)
    rows, columns = card.marginals(scale, u - 0.5, v)
    np.testing.assert_allclose(rows, 2**-0.5 * a, rtol=1e-10)
    np.testing.assert_allclose(columns, 2**-0.5 * b * ratio, rtol=1e-10, atol=1e-300)
    assert looks


# With more than a thousand points a row is in parts.
LOOKS = (
    "clouds(60, 75, 2, 0.05), 1e-3, True",
    "clouds(61, 130, 2, 0.005), 1e-6, False",
    "clouds(130, 60, 5, 0.05), 1e-6, False",
    "clouds(70, 129, 20, 0.05), 1e-3, True",
    "clouds(70, 60, 20, 0.005), 1e-6, False",
    "clouds(5, 1100, 3, 0.2), 1e-3, True",
    "clouds(40, 50, 2, 0.05, 1.0), 1e-3, True",
    "clouds(40, 50, 20, 0.05, 1.0), 1e-3, True",
    "clouds(50, 40, 3, 0.05, 1.5), 1e-6, False",
    "clouds(9, 8, 2, 1e-4), 1e-6, False",
    "clouds(1, 1, 1, 1.0), 1e-6, True",
)
LOOK = """
import torch
from tests.kernels.test_transport_card import LOOKS, clouds, look_once
place = torch.device("{place}")
for look in LOOKS:
    eval(f"look_once({{look}}, place)")
print("same")
"""


@has_triton
def test_a_look_gives_the_soft_minima() -> None:
    assert ran(LOOK.format(place="cpu"), interpreted=True) == "same\n"


@has_triton
@has_card
def test_a_look_of_a_card_gives_the_soft_minima() -> None:
    assert ran(LOOK.format(place="cuda"), interpreted=False) == "same\n"


# ----------------------------------------------------------------------------------------------------- solutions


def potentials_of(solution: Solution[Coupling]) -> tuple[torch.Tensor, torch.Tensor]:
    assert isinstance(solution.coupling, EntropicCoupling)
    found = solution.coupling.potentials
    return found.potential_f, found.potential_g


def solve_twice(problem: TransportProblem, tolerance: float) -> None:
    """On the processor and on the card, to the same potentials, whose marginals numpy finds to be those asked for."""
    here, there = (Sinkhorn(tolerance=tolerance, device=device).solve(problem) for device in ("cpu", "cuda"))
    assert there.converged
    assert abs(there.iterations - here.iterations) <= 2 + here.iterations // 20
    f, g = potentials_of(there)
    constant = (potentials_of(here)[0] - f).mean()
    for found, known in zip((f + constant, g - constant), potentials_of(here), strict=True):
        assert (found - known).abs().max() <= 1e-5 * problem.mean_cost
    costs = cdist(problem.points_x.numpy(), problem.points_y.numpy()) ** problem.power
    a, b = problem.weights_a.numpy(), problem.weights_b.numpy()
    coupling = a[:, None] * b * np.exp((f.numpy()[:, None] + g.numpy() - costs) / problem.epsilon)
    error = np.abs(coupling.sum(1) - a).sum() + np.abs(coupling.sum(0) - b).sum()
    assert error <= tolerance * (1 + 1e-6) + 1e-12
    assert "stored" not in there.method


SOLVED = (
    "clouds(60, 75, 2, 0.05), 1e-6",
    "clouds(60, 75, 2, 0.005), 1e-6",
    "clouds(75, 130, 5, 0.05), 1e-6",
    "clouds(61, 60, 20, 0.05), 1e-5",
    "clouds(61, 60, 20, 0.005), 1e-6",
    "clouds(60, 61, 2, 0.05), 1e-9",
    "clouds(60, 61, 2, 0.05, 1.0), 1e-6",
)
SOLVE = """
from tests.kernels.test_transport_card import clouds, in_place_of_a_card, solve_twice
{first}
solve_twice({solved})
print("same")
"""


def processor(_device: str) -> torch.device:
    return torch.device("cpu")


def in_place_of_a_card() -> None:
    """What runs on a card runs where the interpreter does."""
    pytest.MonkeyPatch().setattr(sinkhorn, "place_of", processor)


@has_triton
@pytest.mark.parametrize("solved", SOLVED)
def test_the_program_finds_what_the_processor_does(solved: str) -> None:
    assert ran(SOLVE.format(first="in_place_of_a_card()", solved=solved), interpreted=True) == "same\n"


@has_triton
@has_card
@pytest.mark.parametrize("solved", [*SOLVED, "clouds(20_000, 15_000, 3, 0.01), 1e-6"])
def test_a_card_finds_what_the_processor_does(solved: str) -> None:
    assert ran(SOLVE.format(first="", solved=solved), interpreted=False) == "same\n"


def look_without_a_card() -> None:
    """Every kind of program is compiled: types of points, exponents and entries, the power, and the products."""
    from kernels.transport.card import OnCard

    place = torch.device("cpu")
    for age in AGES:
        with compiled_for(age) as launched, np.errstate(all="ignore"):
            for n, d, power in ((60, 5, 1.0), (60, 5, 1.5), (60, 5, 2.0), (60, 20, 2.0), (1, 1, 2.0)):
                problem, nothing = clouds(n, n, d, 1.0, power), np.zeros(n)
                for tolerance, bits in ((1e-3, 32), (1e-9, 32), (1e-9, 64)):
                    card = OnCard(problem, tolerance, place, lambda: None)
                    card.interaction(bits, False).sweep(1 / problem.epsilon, nothing, nothing)
        made: set[tuple[object, ...]] = set()
        for program in launched:
            known, real = program.arguments, program.arguments["x"].dtype
            made.add((real, str(known["entry"]), known["power"], known["depth"]))
            # Products keep all digits.
            assert real == torch.float64 or ("tf32" not in program.assembly and "fma.rn.f32" in program.assembly)
        single, double = torch.float32, torch.float64
        kinds = ((single, "fp32"), (double, "fp32"), (double, "fp64"))
        assert made == {(*kind, power, 0) for kind in kinds for power in (0, 1, 2)} | {(single, "fp32", 2, 16)}


@has_triton
def test_the_program_compiles_for_cards() -> None:
    text = "from tests.kernels.test_transport_card import look_without_a_card; look_without_a_card(); print('compiled')"
    assert ran(text, interpreted=False) == "compiled\n"


# ----------------------------------------------------------------------------------------------------- sentences


def refused(solver: Sinkhorn) -> str:
    with pytest.raises(ValueError, match=r"\.$") as error:
        solver.solve(clouds(9, 8, 2, 0.5))
    return str(error.value)


def test_a_card_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refused(Sinkhorn(device="cuda")) == NO_CARD
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def missing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert refused(Sinkhorn(device="cuda")) == NO_TRITON
    assert refused(Sinkhorn(device="cuda", storage="stored")) == (
        "exponentials are not stored on device cuda; choose storage automatic or streamed."
    )
    with pytest.raises(ValueError, match=r"^Sinkhorn\.device must be one of cpu, cuda, got 'gpu'\.$"):
        Sinkhorn(device="gpu")


def test_memory_of_a_card_that_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_device: str) -> torch.device:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(sinkhorn, "place_of", full)
    assert refused(Sinkhorn(device="cuda")) == (
        "the memory of cuda does not suffice for clouds of 9 and 8 points; choose fewer, or use cpu."
    )


def commanded(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, str]:
    for name in ("x", "y"):
        np.save(folder / f"{name}.npy", np.arange(6.0).reshape(3, 2) + len(name))
    status = main(["transport", str(folder / "x.npy"), str(folder / "y.npy"), *words])
    return status, capsys.readouterr().err


def test_the_command_refuses_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    say = "wasserscope: "
    assert commanded(capsys, tmp_path, "--device", "cpu") == (0, "")
    assert commanded(capsys, tmp_path, "--device", "cpu", "--solver", "UnbalancedSinkhorn") == (0, "")
    assert commanded(capsys, tmp_path, "--device", "cuda") == (2, f"{say}{NO_CARD}\n")
    assert commanded(capsys, tmp_path, "--device", "gpu") == (
        2,
        f"{say}Sinkhorn.device must be one of cpu, cuda, got 'gpu'.\n",
    )
    assert commanded(capsys, tmp_path, "--device", "cuda", "--solver", "AnnealedSinkhorn") == (
        2,
        f"{say}AnnealedSinkhorn runs on the processor; choose device cpu, or the solver Sinkhorn.\n",
    )
    assert commanded(capsys, tmp_path, "--device", "cuda", "solver.device=cpu") == (
        2,
        f"{say}solver.device is given twice, as 'cuda' and 'cpu'; leave one of them out.\n",
    )
