"""The command that couples two clouds: what it prints and writes, and its sentences in full."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import ot
import psutil
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from explorer import files, transporting
from explorer.marks import Figure
from kernels.transport import SOLVERS
from tests.asking import Asking

Floats = NDArray[np.float64]
ASKING = Asking("transport")
asked, watched, numbers = ASKING.asked, ASKING.watched, ASKING.numbers

# Three and four points with weights.
X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
Y = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [-1.0, 1.0]])
A, B = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.2, 0.1])
WEIGHTED = ("x.npy", "y.npy", "--weights-a", "a.npy", "--weights-b", "b.npy")
EXACT = ("--tolerance", "1e-12")
# Clouds on curves.
FIRST, SECOND = np.arange(64.0), np.arange(80.0)
CURVES = (
    np.stack([np.cos(FIRST), np.sin(2 * FIRST)], 1),
    np.stack([0.5 + 0.8 * np.cos(1.3 * SECOND), 0.2 + np.sin(0.7 * SECOND)], 1),
)
KEYS = (
    "cost entropic_cost dual divergence marginal_error mass iterations seconds converged status epsilon "
    "relative_epsilon mean_cost perplexity solver points dimension"
)
DEFAULT = "transport.Sinkhorn(tolerance=1e-06, most_iterations=20000, memory=10, storage='automatic', device='cpu')"
WRITTEN = "barycentric_map.npy convergence.csv convergence.pdf convergence.svg f.npy g.npy report.json"


@pytest.fixture
def here(here: Path) -> Path:
    """A folder to work in, with clouds and weights."""
    arrays = {"x": X, "y": Y, "a": A, "b": B, "curve_x": CURVES[0], "curve_y": CURVES[1]}
    for name, array in arrays.items():
        np.save(here / f"{name}.npy", array)
    return here


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take longer than all the rest, and most tests look at none."""

    def picture(figure: Figure, said: dict[str, str]) -> bytes:
        return figure.title.encode()

    for name in ("to_svg", "to_pdf"):
        monkeypatch.setattr(transporting, name, picture)


def table(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV file without its comments."""
    lines = [line.split(",") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: [line[k] for line in lines[1:]] for k, name in enumerate(lines[0])}


# ------------------------------------------------------------------------------------------------- known digits


@pytest.mark.parametrize(
    ("epsilon", "entropic", "cost"),
    [
        (1.0, 1.2065604847513435, 0.9315025568409931),
        (0.2, 0.8295349853538719, 0.70013911888739306),
        (0.05, 0.73238722565438429, 0.70),
    ],
)
def test_weighted_points_are_coupled_to_all_digits(here: Path, epsilon: float, entropic: float, cost: float) -> None:
    found = numbers(*WEIGHTED, "--epsilon", f"{epsilon}", "--divergence", *EXACT)
    assert list(found) == KEYS.split()
    assert found["entropic_cost"] == pytest.approx(entropic, abs=1e-11)
    assert found["dual"] == pytest.approx(entropic, abs=1e-11)
    assert found["cost"] == pytest.approx(cost, abs=1e-9)
    own = own_cost(X, A, epsilon) + own_cost(Y, B, epsilon)
    assert found["divergence"] == pytest.approx(entropic - 0.5 * own, abs=1e-11)
    assert (found["converged"], found["status"]) == (True, "converged")
    assert sum(found["marginal_error"]) < 2e-12
    assert found["mass"] == pytest.approx(1.0, abs=1e-12)
    mean_cost = A @ cdist(X, Y, "sqeuclidean") @ B
    assert found["mean_cost"] == pytest.approx(mean_cost, rel=1e-14)
    assert (found["epsilon"], found["relative_epsilon"]) == (epsilon, pytest.approx(epsilon / mean_cost, rel=1e-14))
    assert (found["points"], found["dimension"]) == ([3, 4], 2)


def own_cost(x: Floats, weights: Floats, epsilon: float) -> float:
    """Entropic cost of a cloud to itself: both potentials are the same, and a fixed point."""
    exponents, f = -cdist(x, x, "sqeuclidean") / epsilon, np.zeros(len(x))
    for _ in range(100):
        f = 0.5 * (f - epsilon * np.log(np.exp(f / epsilon + exponents) @ weights))
    return 2 * float(weights @ f)


def test_clouds_on_curves_are_coupled_to_all_digits(here: Path) -> None:
    found = numbers("curve_x.npy", "curve_y.npy", "--epsilon", "1/2", "--divergence", *EXACT)
    assert found["entropic_cost"] == pytest.approx(1.1027518625215, abs=1e-11)
    assert found["cost"] == pytest.approx(0.6530947004555, abs=1e-11)
    assert found["divergence"] == pytest.approx(0.3075992019156, abs=1e-11)
    assert found["perplexity"] == pytest.approx(32.5478824273, abs=1e-8)
    assert found["mean_cost"] == pytest.approx(2.105497694446503, rel=1e-14)
    assert (found["points"], found["dimension"]) == ([64, 80], 2)


def test_epsilon_is_a_twentieth_of_the_mean_cost_and_the_tolerance_a_millionth_unless_asked(here: Path) -> None:
    found = numbers("curve_x.npy", "curve_y.npy")
    assert found["epsilon"] == pytest.approx(0.05 * 2.105497694446503, rel=1e-14)
    assert found["relative_epsilon"] == pytest.approx(0.05, rel=1e-14)
    assert found["divergence"] is None
    assert found["solver"] == DEFAULT
    assert 0 < sum(found["marginal_error"]) < 1.02e-6
    assert numbers("curve_x.npy", "curve_y.npy", "--relative-epsilon", "5e-2")["epsilon"] == found["epsilon"]


@pytest.mark.usefixtures("undrawn")
def test_unbalanced_transport_is_known_to_all_digits(here: Path) -> None:
    """Vectors are clouds on a line; masses are any."""
    for name, values in {"p": [0, 1, 2], "q": [0, 1], "v": [0.9, 0.6]}.items():
        np.save(here / f"{name}.npy", np.array(values))
    words = ("p.npy", "q.npy", "--weights-a", "a.npy", "--weights-b", "v.npy", "--epsilon", "0.2", *EXACT)
    found = numbers(*words, "--solver", "UnbalancedSinkhorn", "solver.penalty_a=1", "solver.penalty_b=1", "--out", "o")
    assert found["dual"] == pytest.approx(0.383532978091058, abs=1e-11)
    assert found["mass"] == pytest.approx(1.098394100867701, abs=1e-11)
    assert found["cost"] == pytest.approx(0.108066670117991, abs=1e-11)
    assert np.load(here / "o" / "f.npy")[0] == pytest.approx(-0.256565586858081, abs=1e-11)
    assert np.load(here / "o" / "g.npy")[1] == pytest.approx(0.287215100458202, abs=1e-11)
    assert (found["points"], found["dimension"]) == ([3, 2], 1)


# ------------------------------------------------------------------------------------------- another library


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.usefixtures("undrawn")
def test_another_library_finds_the_same(here: Path, power: float) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 3)), 0.5 * rng.normal(size=(40, 3)) + 0.3
    a = rng.random(30)
    np.save(here / "p.npy", x.astype(np.float32))
    np.save(here / "q.npy", y)
    np.save(here / "v.npy", a / a.sum())
    costs, b = cdist(x.astype(np.float32), y) ** power, np.full(40, 1 / 40)
    epsilon = 0.1 * float(a / a.sum() @ costs @ b)
    coupling = np.asarray(ot.sinkhorn(a / a.sum(), b, costs, epsilon, numItermax=10_000, stopThr=1e-13))
    words = ("--weights-a", "v.npy", "--relative-epsilon", "0.1", "--power", f"{power:g}", "--tolerance", "1e-11")
    found = numbers("p.npy", "q.npy", *words, "--out", "o")
    assert found["epsilon"] == pytest.approx(epsilon, rel=1e-12)
    assert found["cost"] == pytest.approx(float((costs * coupling).sum()), rel=1e-9)
    relative_entropy = float((coupling * np.log(coupling / np.outer(a / a.sum(), b))).sum())
    assert found["entropic_cost"] == pytest.approx(found["cost"] + epsilon * relative_entropy, rel=1e-9)
    rows = coupling / coupling.sum(1, keepdims=True)
    assert found["perplexity"] == pytest.approx(math.exp(a / a.sum() @ -(rows * np.log(rows)).sum(1)), rel=1e-8)
    assert np.load(here / "o" / "barycentric_map.npy") == pytest.approx(rows @ y, abs=1e-9)
    f, g = (np.load(here / "o" / f"{name}.npy") for name in "fg")
    made = np.outer(a / a.sum(), b) * np.exp((f[:, None] + g - costs) / epsilon)
    assert np.abs(made - coupling).sum() < 1e-9


# ------------------------------------------------------------------------------------------------ other solvers


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", [kind.__name__ for kind in SOLVERS])
def test_every_solver_writes_its_files(here: Path, kind: str) -> None:
    found = numbers("x.npy", "y.npy", "--solver", kind, "solver.most_iterations=20", "--out", f"results/{kind}")
    wanted = WRITTEN if kind != "LowRankSinkhorn" else WRITTEN.replace("f.npy g.npy", "left.npy masses.npy")
    wanted = wanted if kind != "LowRankSinkhorn" else wanted.replace("json", "json right.npy")
    assert sorted(path.name for path in (here / "results" / kind).iterdir()) == wanted.split()
    assert found["solver"].startswith(f"transport.{kind}(tolerance=1e-06, most_iterations=20")
    assert (found["dual"] is None) == (kind == "LowRankSinkhorn")


@pytest.mark.usefixtures("undrawn")
def test_a_coupling_through_one_cluster_costs_what_chance_does(here: Path) -> None:
    found = numbers(*WEIGHTED, "solver=LowRankSinkhorn", "solver.rank=1", "--out", "o")
    assert found["cost"] == pytest.approx(found["mean_cost"], rel=1e-12)
    assert found["mean_cost"] == pytest.approx(A @ cdist(X, Y, "sqeuclidean") @ B, rel=1e-12)
    left, right, masses = (np.load(here / "o" / f"{name}.npy") for name in ("left", "right", "masses"))
    assert left / masses @ right.T == pytest.approx(np.outer(A, B), abs=1e-12)


def test_parameters_of_parameters_are_chosen_by_path(here: Path) -> None:
    """The epsilon told is that at which it ends."""
    words = ("solver.cooling=GeometricCooling", "solver.cooling.ratio=2", "--solver=AnnealedSinkhorn")
    found = numbers("x.npy", "y.npy", *words, "solver.most_iterations=3", "solver.debiased=false", "--epsilon", "0.8")
    cooling = "transport.GeometricCooling(ratio=2.0, floor=0.001)"
    expected = f"transport.AnnealedSinkhorn(tolerance=1e-06, most_iterations=3, cooling={cooling}, debiased=False)"
    assert found["solver"] == expected
    assert found["epsilon"] == pytest.approx(0.1, rel=1e-12)
    assert (found["converged"], found["status"], found["iterations"]) == (False, "unfinished", 3)


# --------------------------------------------------------------------------------------------- kinds of clouds


def test_clouds_and_weights_are_read_from_files_of_any_kind(here: Path) -> None:
    wanted = numbers(*WEIGHTED, "--epsilon", "0.3")
    np.savetxt(here / "x.csv", X, delimiter=",", header="first,second")
    np.savetxt(here / "a.txt", A)
    np.savez(here / "y.npz", points=Y.astype(np.float16), others=X)
    np.savez(here / "b.npz", B[None])
    found = numbers("x.csv", "y.npz", "--weights-a", "a.txt", "--weights-b", "b.npz", "--epsilon", "0.3")
    for name in ("cost", "entropic_cost", "perplexity"):
        assert found[name] == wanted[name]


@pytest.mark.usefixtures("undrawn")
def test_one_point_goes_everywhere(here: Path) -> None:
    np.save(here / "one.npy", [[1.0, 2.0]])
    mean_cost = float(np.square(Y - [1, 2]).sum(1).mean())
    for words in (("one.npy", "y.npy"), ("y.npy", "one.npy")):
        found = numbers(*words, "--divergence", *EXACT, "--out", "o")
        for name in ("cost", "mean_cost", "entropic_cost", "dual"):
            assert found[name] == pytest.approx(mean_cost, rel=1e-11)
        own = own_cost(Y, np.full(4, 0.25), found["epsilon"])
        assert found["divergence"] == pytest.approx(mean_cost - 0.5 * own, rel=1e-11)
    assert np.load(here / "o" / "barycentric_map.npy") == pytest.approx(np.tile([1.0, 2.0], (4, 1)), abs=1e-14)


def test_points_given_twice_weigh_twice_as_much(here: Path) -> None:
    np.save(here / "twice.npy", X[[0, 1, 2, 0, 0]])
    np.save(here / "v.npy", [0.6, 0.2, 0.2])
    found = numbers("twice.npy", "y.npy", "--epsilon", "0.2", *EXACT)
    merged = numbers("x.npy", "y.npy", "--weights-a", "v.npy", "--epsilon", "0.2", *EXACT)
    for name in ("cost", "entropic_cost", "dual", "perplexity", "mean_cost"):
        assert found[name] == pytest.approx(merged[name], rel=1e-10)


def test_points_in_one_place_have_no_mean_cost(here: Path) -> None:
    np.save(here / "same.npy", np.ones((4, 2)))
    found = numbers("same.npy", "same.npy", "--epsilon", "1", "--divergence", "--out", "o")
    assert (found["cost"], found["entropic_cost"], found["divergence"]) == (0.0, 0.0, 0.0)
    assert found["relative_epsilon"] == math.inf
    assert found["perplexity"] == pytest.approx(4.0)
    assert "epsilon              1  (every cost is 0)" in asked("same.npy", "same.npy", "--epsilon", "1")[1]


# ---------------------------------------------------------------------------------------------- what is written


@pytest.mark.usefixtures("undrawn")
def test_the_convergence_is_written_beside_its_bound(here: Path) -> None:
    """The plain algorithm as it is known to converge from zero, potentials of the second cloud first."""
    words = ("y.npy", "x.npy", "--weights-a", "b.npy", "--weights-b", "a.npy", "--epsilon", "0.2", *EXACT)
    found = numbers(*words, "solver.memory=0", "--out", "o")
    columns = table(here / "o" / "convergence.csv")
    assert list(columns) == "iteration error bound dual epsilon".split()
    assert columns["iteration"] == [str(k) for k in range(1, found["iterations"] + 1)]
    errors, bounds, duals = (np.array(columns[name], dtype=float) for name in ("error", "bound", "dual"))
    known = [0.19802520256407064, 0.19317423037476232, 0.17088343759543253, 0.091553459887311816, 0.0068556711215395946]
    assert errors[[0, 1, 4, 9, 19]] == pytest.approx(known, rel=1e-9)
    first = B @ (-0.2 * np.log(np.exp(-cdist(Y, X, "sqeuclidean") / 0.2) @ A))
    gap = 0.8295349853538719 - first
    assert duals[[0, -1]] == pytest.approx([first, 0.8295349853538719], abs=1e-10)
    assert bounds == pytest.approx(np.sqrt(2 * gap / (0.2 * np.arange(1, len(errors) + 1))), rel=1e-8)
    assert bool((errors <= bounds).all())
    assert set(columns["epsilon"]) == {"0.2"}


def test_figures_and_report_are_written(here: Path) -> None:
    found = numbers("curve_x.npy", "curve_y.npy", "--relative-epsilon", "0.005", "--out", "o")
    assert json.loads((here / "o" / "report.json").read_text()) == found
    svg = (here / "o" / "convergence.svg").read_text()
    told = (
        f"Sinkhorn: converged after {found['iterations']} iterations",
        "marginal error (L1)",
        "bound of the plain algorithm",
        "from here on at this ε",
        "tolerance",
        "wasserscope transport curve_x.npy curve_y.npy --relative-epsilon 0.005 --out o --json",
    )
    assert [text for text in told if text not in svg] == []
    assert (here / "o" / "convergence.pdf").read_bytes().startswith(b"%PDF-")
    epsilons = [float(text) for text in table(here / "o" / "convergence.csv")["epsilon"]]
    assert epsilons[-1] == pytest.approx(found["epsilon"])
    assert epsilons[0] > 10 * epsilons[-1]


@pytest.mark.usefixtures("undrawn")
def test_a_file_that_cannot_be_written_leaves_no_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    before = sorted(here.rglob("*"))
    sentence = "Cannot write o/barycentric_map.npy: the disk is full. Free some space or choose another disk."
    assert asked("x.npy", "y.npy", "--out", "o") == (2, "", f"wasserscope: {sentence}\n")
    assert sorted(here.rglob("*")) == before


@pytest.mark.usefixtures("undrawn")
def test_a_person_reads_a_table(here: Path) -> None:
    words = (*WEIGHTED, "--epsilon", "0.2", "--divergence", *EXACT, "--out", "o")
    status, out, err = asked(*words)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:8] == [
        "from                 x.npy, 3 points in 2 dimensions",
        "to                   y.npy, 4 points",
        f"solver               {DEFAULT.replace('1e-06', '1e-12')}",
        "epsilon              0.2  (0.1266 of the mean cost 1.58)",
        "",
        "cost                 0.7001391189",
        "entropic cost        0.8295349854",
        "dual value           0.8295349854",
    ]
    assert lines[8] == "Sinkhorn divergence  0.5995372254"
    assert lines[9].startswith("marginal error       ")
    coupling = np.asarray(ot.sinkhorn(A, B, cdist(X, Y, "sqeuclidean"), 0.2, numItermax=10_000, stopThr=1e-13))
    rows = coupling / A[:, None]
    partners = math.exp(-float(A @ (rows * np.log(rows)).sum(1)))
    assert lines[10:12] == ["mass                 1", f"partners per point   {partners:.4g}"]
    assert lines[12].startswith("seconds              ")
    assert lines[13:] == ["status               converged", "", "wrote potentials, map, report and convergence into o"]
    status, out, _ = asked(*WEIGHTED, "solver.most_iterations=2")
    assert status == 0
    assert out.splitlines()[-1] == (
        "status               unfinished: all iterations were used; raise solver.most_iterations"
    )


# ------------------------------------------------------------------------------------------ progress and Ctrl+C


@pytest.mark.usefixtures("undrawn")
def test_a_terminal_hears_of_progress(here: Path) -> None:
    status, out, err = watched("x.npy", "y.npy", "--divergence", "--json", "--out", "o")
    assert status == 0
    lines = [line.strip() for line in err.split("\r")]
    assert lines[1].split()[1:3] == ["iteration", "1,"] or lines[1] == "0% iteration 0, error inf"
    for told in ("from A to A", "from B to B", "measuring", "bounding the error", "writing"):
        assert any(line.endswith(told) for line in lines)
    assert max(map(len, lines)) <= 40
    assert lines[-2:] == ["", ""]
    assert json.loads(out)["points"] == [3, 4]


def test_an_interrupt_ends_it_cleanly(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(transporting, "to_pdf", interrupted)
    before = sorted(here.rglob("*"))
    assert asked("x.npy", "y.npy", "--out", "o") == (130, "", "wasserscope: stopped; nothing was written.\n")
    assert sorted(here.rglob("*")) == before


# --------------------------------------------------------------------------------------------------- bad input

POINTS = "give the path of a .npy, .npz, .csv or .txt file of points"
VALUES = "must be a number such as 0.02, 5e-3, 1/50 or 2^-6"
UNBALANCED = "divide them by it, or choose unbalanced transport"

REFUSED: dict[str, str] = {
    "": "two clouds are coupled, got 0 files; give those of A and of B.",
    "x.npy": "two clouds are coupled, got 1 files; give those of A and of B.",
    "x.npy y.npy x.npy": "two clouds are coupled, got 3 files; give those of A and of B.",
    "x.npy no.npy": "cloud B: {here}/no.npy does not exist.",
    "folder.npy y.npy": f"cloud A: {{here}}/folder.npy is a folder; {POINTS}.",
    "x.npy cloud.json": f"cloud B: {{here}}/cloud.json does not end in .npy, .npz, .csv or .txt; {POINTS}.",
    "text.npy y.npy": "cloud A: {here}/text.npy cannot be read as a .npy file: it does not start like one.",
    "text.csv y.npy": "cloud A: {here}/text.csv holds no numbers.",
    "none.npy y.npy": "cloud A: {here}/none.npy holds an array without numbers; its shape is (0, 2).",
    "cube.npy y.npy": "cloud A: {here}/cube.npy holds an array of shape (2, 2, 2); reshape it to one row per point.",
    "a.npy y.npy": "a.npy has points of 1 coordinates and y.npy of 2; both clouds must have equally many.",
    "x.npy nan.npy": "cloud B: nan.npy holds nan in row 1, counted from 0, and 2 of its 3 rows are not finite; leave "
    "them out.",
    "huge.npy y.npy": "costs between huge.npy and y.npy are too large for numbers of 64 bits; divide all points by a "
    "constant.",
    "same.npy same.npy": "all points of both clouds coincide and every cost is 0; choose ε in absolute units.",
    "x.npy y.npy --weights-a b.npy": "--weights-a: {here}/b.npy holds 4 weights and x.npy 3 points; give one weight to "
    "each.",
    "x.npy y.npy --weights-b y.npy": "--weights-b: {here}/y.npy holds an array of shape (4, 2); give a vector of "
    "weights.",
    "x.npy y.npy --weights-a minus.npy": "--weights-a: {here}/minus.npy holds -0.5 at position 2, counted from 0; "
    "weights are finite and not negative.",
    "x.npy y.npy --weights-a two.npy --out o": f"weights a must sum to 1 for balanced transport, got a sum of 2; "
    f"{UNBALANCED}.",
    "y.npy x.npy --weights-b two.npy --solver LowRankSinkhorn": "weights b must sum to 1 for balanced transport, got a "
    f"sum of 2; {UNBALANCED}.",
    "x.npy y.npy --weights-a zero.npy": "weights a must have a positive, finite sum, got 0.0; scale them, or give "
    "weight to some point.",
    "x.npy y.npy --weights-a no.npy": "--weights-a: {here}/no.npy does not exist.",
    "x.npy y.npy --epsilon 0": "--epsilon must lie in (0, inf), got 0.",
    "x.npy y.npy --epsilon -1": "--epsilon must lie in (0, inf), got -1.",
    "x.npy y.npy --relative-epsilon -0.05": "--relative-epsilon must lie in (0, inf), got -0.05.",
    "x.npy y.npy --epsilon small": f"--epsilon {VALUES}, got 'small'.",
    "x.npy y.npy --epsilon 1 --relative-epsilon 1": "--epsilon and --relative-epsilon both choose the regularization; "
    "leave one of them out.",
    "x.npy y.npy --power 0": "--power must lie in (0, inf), got 0.",
    "x.npy y.npy --power 1 --solver LowRankSinkhorn": "low-rank transport needs the squared distance, whose cost is of "
    "low rank, got p = 1; choose p = 2.",
    "x.npy y.npy --tolerance 0": "Sinkhorn.tolerance (τ) must lie in (0, inf), got 0.0.",
    "x.npy y.npy --tolerance 1e-3 solver.tolerance=1e-4": "solver.tolerance is given twice, as '1e-3' and '1e-4'; "
    "leave one of them out.",
    "x.npy y.npy --solver Sinkhron": "solver must be one of Sinkhorn, OnlineSinkhorn, LowRankSinkhorn, "
    "AnnealedSinkhorn, UnbalancedSinkhorn, got 'Sinkhron'.",
    "x.npy y.npy --solver LowRank": "solver must be one of LowRankSinkhorn, Sinkhorn, AnnealedSinkhorn, "
    "UnbalancedSinkhorn, OnlineSinkhorn, got 'LowRank'.",
    "x.npy y.npy solver.memry=3": "Sinkhorn has no parameter 'memry'; known are memory, tolerance, most_iterations, "
    "storage, device.",
    "x.npy y.npy solver.memory=-3": "Sinkhorn.memory (m) must lie in [0, 100], got -3.",
    "x.npy y.npy solver.memory.size=3": "Sinkhorn.memory (m) has no parameters, got 'size'; leave it out.",
    "x.npy y.npy solver=AnnealedSinkhorn solver.cooling=Power": "AnnealedSinkhorn.cooling must be one of PowerCooling, "
    "GeometricCooling, ConstantCooling, got 'Power'.",
    "x.npy y.npy sampler.eta=1": "there is no 'sampler' to choose here; write solver.parameter=value.",
    "x.npy y.npy --divergence --solver UnbalancedSinkhorn": "a divergence needs potentials at the ε that was asked "
    "for, which UnbalancedSinkhorn does not find; choose Sinkhorn.",
    "x.npy y.npy --divergence --solver AnnealedSinkhorn": "a divergence needs potentials at the ε that was asked for, "
    "which AnnealedSinkhorn does not find; choose Sinkhorn.",
    "long.npy y.npy": "clouds of 20000 and 4 points with 2 coordinates need 0.00192 GB and 0.0009 GB are free; choose "
    "fewer points.",
    "wide.npy wide.npy solver.storage=stored": "storing 1000 times 1000 entries needs 0.004 GB and 0.0009 GB are free; "
    "at most 474 points of each cloud fit, or choose streamed.",
    "x.npy y.npy --out text.csv": "text.csv: cannot be made a folder, since text.csv is a file; choose another one.",
    "x.npy y.npy --out text.csv/o": "text.csv/o: cannot be made a folder, since text.csv is a file; choose another "
    "one.",
    "x.npy y.npy --out taken": "Cannot write taken/g.npy: it is a folder. Choose a file name.",
    "x.npy y.npy --plan": "unrecognized arguments: --plan; see `wasserscope transport --help`.",
}


@pytest.mark.parametrize("words", REFUSED)
@pytest.mark.usefixtures("undrawn")
def test_bad_input_is_refused_in_a_sentence(here: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Nothing is written."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**6))
    for name in ("text.npy", "text.csv", "cloud.json"):
        (here / name).write_text("no numbers")
    (here / "folder.npy").mkdir()
    (here / "taken" / "g.npy").mkdir(parents=True)
    arrays: dict[str, Floats] = {
        "none": np.zeros((0, 2)),
        "cube": np.zeros((2, 2, 2)),
        "nan": np.array([[0, 1], [0, math.nan], [math.inf, 0]]),
        "huge": np.full((3, 2), 1e200),
        "same": np.ones((3, 2)),
        "minus": np.array([1.0, 0.5, -0.5]),
        "two": np.array([1.0, 0.5, 0.5]),
        "zero": np.zeros(3),
        "long": np.zeros((20_000, 2)),
        "wide": np.stack([np.arange(1000.0), np.arange(1000.0)], 1),
    }
    for name, array in arrays.items():
        np.save(here / f"{name}.npy", array)
    before = sorted(here.rglob("*"))
    sentence = REFUSED[words].replace("{here}", str(here))
    assert asked(*words.split()) == (2, "", f"wasserscope: {sentence}\n")
    assert sorted(here.rglob("*")) == before
