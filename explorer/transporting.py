"""Transport between two clouds for the command line: read from files, solved, measured anew, told and written."""

import dataclasses
import io
import json
import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from jaxtyping import Float64
from torch import Tensor

import explorer
from explorer.export import EXPERIMENT, Cell, table_csv, to_pdf, to_svg
from explorer.files import write_together
from explorer.marks import Figure
from explorer.plots.iterations import ADVICE, ERRORS, Reference, bound, figure
from kernels.analyses.coupled import first_gap
from kernels.arithmetic import evaluate
from kernels.param import POSITIVE, Component, declarations, described, nearest_first
from kernels.spectra.files import ARRAYS, file_stamp, read_arrays, the_array
from kernels.transport import (
    SOLVERS,
    Coupling,
    Divergence,
    EntropicCoupling,
    LowRankCoupling,
    PotentialCoupling,
    Progress,
    Sinkhorn,
    Solution,
    Solver,
    TransportProblem,
    equal_weights,
    own_transport,
    sinkhorn_divergence,
    weighted_problem,
)
from kernels.transport import Watch as Hearing

Watch = Callable[[str, float], None]
# A command is asked for numbers, not for a picture that moves.
TOLERANCE = 1e-6
# A few points of either cloud tell what a solver does not take.
FEW = 16
# Copies of the points that are made of them in 64 bits, one of them the map.
_COPIES = 6
_FREE = 0.9
_FILES = "a .npy, .npz, .csv or .txt file"


@dataclass(frozen=True)
class Order:
    """What is asked for; clouds and weights are paths, and without a path all points weigh the same.

    `epsilon` is in units of the cost, or a share of the mean cost. `command` is told in what is written.
    """

    cloud_a: str
    cloud_b: str
    weights_a: str | None = None
    weights_b: str | None = None
    epsilon: float = 0.05
    is_relative: bool = True
    power: float = 2.0
    solver: Solver = dataclasses.field(default_factory=lambda: Sinkhorn(tolerance=TOLERANCE))
    divergence: bool = False
    out: Path | None = None
    command: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found; `first_gap` is the dual gap after one plain iteration from zero, nan where it is not asked for.

    The coupling has been looked at once more, entry by entry: sums, cost and entropies are those of `measures`.
    """

    order: Order
    problem: TransportProblem
    solution: Solution[Coupling]
    divergence: Divergence | None
    first_gap: float

    @property
    def coupling(self) -> Coupling:
        """The coupling that was found."""
        return self.solution.coupling

    @property
    def converged(self) -> bool:
        """Whether all that was asked for was found to the tolerance."""
        return self.solution.converged and (self.divergence is None or self.divergence.converged)

    @property
    def marginal_error(self) -> tuple[float, float]:
        """How far sums of rows, and of columns, are from the weights, whatever the solver says of it."""
        found, problem = self.coupling.measures.marginals, self.coupling.problem
        pairs = ((found.rows, problem.weights_a), (found.columns, problem.weights_b))
        rows, columns = (float((sums - weights).abs().sum()) for sums, weights in pairs)
        return rows, columns


# ----------------------------------------------------------------------------------------- words of the command line


def positive(option: str, text: str) -> float:
    """The positive number that a word stands for.

    Errors: `ValueError` in one sentence that begins with the option.
    """
    try:
        value = float(evaluate(text))
    except ValueError as error:
        raise ValueError(f"{option} {error}.") from None
    if value not in POSITIVE:
        raise ValueError(f"{option} must lie in {POSITIVE}, got {value:g}.")
    return value


def solver_of(assignments: Sequence[tuple[str, str]]) -> Solver:
    """The solver that words stand for, by path: `solver` is its name, `solver.memory` a parameter.

    Errors: `ValueError` in one sentence that names the path, what is allowed and what was given.
    """
    words = dict[str, str]()
    for path, text in assignments:
        family = path.partition(".")[0]
        if family != "solver":
            raise ValueError(f"there is no {family!r} to choose here; write solver.parameter=value.")
        if path in words:
            raise ValueError(f"{path} is given twice, as {words[path]!r} and {text!r}; leave one of them out.")
        words[path] = text
    known, name = {kind.__name__: kind for kind in SOLVERS}, words.get("solver", Sinkhorn.__name__)
    if name not in known:
        raise ValueError(f"solver must be one of {nearest_first(name, known)}, got {name!r}.")
    if "device" not in declarations(known[name]) and words.pop("solver.device", "cpu") != "cpu":
        raise ValueError(f"{name} runs on the processor; choose device cpu, or the solver Sinkhorn.")
    return _assigned(known[name](tolerance=TOLERANCE), _below(words, "solver"))


def _assigned(component: Component, words: Mapping[str, str]) -> Any:
    """The component with what words say by path, kinds before their parameters."""
    kind, values = type(component), dict[str, Any]()
    known = declarations(kind)
    for path in words:
        name = path.partition(".")[0]
        if name not in known:
            raise ValueError(
                f"{kind.__name__} has no parameter {name!r}; known are {nearest_first(name, known) or 'none'}."
            )
    for name, declaration in known.items():
        value, below = getattr(component, name), _below(words, name)
        if name in words:
            try:
                value = declaration.check(declaration.parse(words[name]))
            except ValueError as error:
                raise ValueError(f"{described(kind, name)} {error}.") from None
        if below and not isinstance(value, Component):
            raise ValueError(f"{described(kind, name)} has no parameters, got {next(iter(below))!r}; leave it out.")
        values[name] = _assigned(value, below) if below else value
    return dataclasses.replace(component, **values)


def _below(words: Mapping[str, str], name: str) -> dict[str, str]:
    return {path.removeprefix(f"{name}."): text for path, text in words.items() if path.startswith(f"{name}.")}


# --------------------------------------------------------------------------------------------------- what is given


def prepared(order: Order) -> TransportProblem:
    """The problem, once all that could not be done in the end is refused, before anything long begins.

    Errors: `ValueError` in one sentence.
    """
    if order.out is not None:
        _check_folder(order.out)
    problem = _problem(order)
    few, solver = _few(problem), dataclasses.replace(order.solver, most_iterations=1)
    if order.divergence:
        sinkhorn_divergence(few, solver)
    else:
        solver.solve(few)
    return problem


def _problem(order: Order) -> TransportProblem:
    in_a, in_b = _points("A", order.cloud_a), _points("B", order.cloud_b)
    (n, d), (m, others) = in_a.shape, in_b.shape
    if d != others:
        raise ValueError(
            f"{order.cloud_a} has points of {d} coordinates and {order.cloud_b} of {others}; both clouds must have "
            "equally many."
        )
    needed, free = 8 * _COPIES * (n + m) * d, _FREE * psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"clouds of {n} and {m} points with {d} coordinates need {needed / 1e9:.3g} GB and {free / 1e9:.3g} GB are "
            "free; choose fewer points."
        )
    x, y = _finite("A", order.cloud_a, in_a), _finite("B", order.cloud_b, in_b)
    a, b = _weights("a", order.weights_a, x, order.cloud_a), _weights("b", order.weights_b, y, order.cloud_b)
    problem = weighted_problem(x, a, y, b, 1.0, order.power)
    if not math.isfinite(problem.mean_cost):
        raise ValueError(
            f"costs between {order.cloud_a} and {order.cloud_b} are too large for numbers of 64 bits; divide all "
            "points by a constant."
        )
    return problem.relative(order.epsilon) if order.is_relative else problem.at(order.epsilon)


def _points(name: str, path: str) -> np.ndarray:
    """Points, one per row, mapped from the file where they can be."""
    with _of(f"cloud {name}"):
        stamp = file_stamp(path, ARRAYS, f"{_FILES} of points")
        values = the_array(stamp.path, read_arrays(stamp.path), "points")
        if values.ndim not in (1, 2):
            raise ValueError(f"{stamp.path} holds an array of shape {values.shape}; reshape it to one row per point")
        return values.reshape(len(values), -1)


def _finite(name: str, path: str, values: np.ndarray) -> Float64[Tensor, "n d"]:
    # What is too large for 64 bits becomes an infinity, and is told as one.
    with np.errstate(over="ignore"):
        points = torch.from_numpy(np.array(values, dtype=np.float64))
    broken = ~points.isfinite().all(1)
    if broken.any():
        row, count = int(broken.int().argmax()), int(broken.sum())
        value = float(points[row][~points[row].isfinite()][0])
        raise ValueError(
            f"cloud {name}: {path} holds {value} in row {row}, counted from 0, and {count} of its {len(points)} rows "
            "are not finite; leave them out."
        )
    return points


def _weights(name: str, path: str | None, points: Float64[Tensor, "n d"], cloud: str) -> Float64[Tensor, " n"]:
    """Weights, which solvers of balanced transport want to sum to one."""
    if path is None:
        return equal_weights(points)
    with _of(f"--weights-{name}"):
        stamp = file_stamp(path, ARRAYS, f"{_FILES} of weights")
        values = the_array(stamp.path, read_arrays(stamp.path), "weights")
        if values.ndim != 1 and not (values.ndim == 2 and 1 in values.shape):
            raise ValueError(f"{stamp.path} holds an array of shape {values.shape}; give a vector of weights")
        if values.size != len(points):
            raise ValueError(
                f"{stamp.path} holds {values.size} weights and {cloud} {len(points)} points; give one weight to each"
            )
        weights = values.reshape(-1).astype(np.float64)
        wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if wrong.size:
            raise ValueError(
                f"{stamp.path} holds {weights[wrong[0]]} at position {wrong[0]}, counted from 0; weights are finite "
                "and not negative"
            )
    return torch.from_numpy(weights)


@contextmanager
def _of(what: str) -> Generator[None]:
    """Makes what is wrong with a file a sentence that begins with what it is for."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}.") from None
    except MemoryError:
        raise ValueError(f"{what}: not enough memory for this file.") from None


def _few(problem: TransportProblem) -> TransportProblem:
    """The same problem with few points, of the same masses, which shows all that a solver may object to."""
    x, y = problem.points_x[:FEW], problem.points_y[:FEW]
    a, b = problem.mass_a * equal_weights(x), problem.mass_b * equal_weights(y)
    return weighted_problem(x, a, y, b, problem.epsilon, problem.power)


def _check_folder(folder: Path) -> None:
    place = next(each for each in (folder, *folder.parents) if each.exists())
    if not place.is_dir():
        raise ValueError(f"{folder}: cannot be made a folder, since {place} is a file; choose another one.")
    if not os.access(place, os.W_OK):
        raise ValueError(f"{folder}: nothing may be written into {place}; choose another folder.")


# ---------------------------------------------------------------------------------------------------- what is found


def fulfill(order: Order, watch: Watch = lambda what, share: None) -> Outcome:
    """Read, solve, measure and write; `watch` hears what is done, and how far it has come.

    Errors: as `prepared`, those of the solver, and `WriteError` for files that cannot be written; then none is.
    """
    problem = prepared(order)
    solution = order.solver.solve(problem, watch=_heard(watch))
    coupling, divergence, gap = solution.coupling, None, math.nan
    if order.divergence:
        assert isinstance(coupling, EntropicCoupling), "other solvers are refused"
        tolerance = order.solver.tolerance
        own_a = own_transport(problem, tolerance, _heard(watch, "from A to A"))
        own_b = own_transport(problem.swapped(), tolerance, _heard(watch, "from B to B"))
        reached = solution.converged and max(own_a.error, own_b.error) <= tolerance
        divergence = Divergence(coupling, own_a, own_b, reached)
    watch("measuring", 0.0)
    coupling.measure(lambda share: watch("measuring", share))
    if order.out is not None and isinstance(order.solver, Sinkhorn) and isinstance(coupling, EntropicCoupling):
        watch("bounding the error", 0.0)
        # Found to the tolerance, the dual value is the largest to second order in it, and two looks are spared.
        gap = first_gap(coupling, 0.0 if solution.converged else coupling.dual_gap)
    found = Outcome(order, problem, solution, divergence, gap)
    if order.out is not None:
        watch("writing", 0.0)
        _write(found, order.out)
    return found


def _heard(watch: Watch, what: str = "") -> Hearing:
    def hear(progress: Progress) -> None:
        watch(what or f"iteration {progress.iterations}, error {progress.error:.1e}", progress.fraction)

    return hear


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """What was found as plain values, infinities and nan among them; epsilon is that of the coupling."""
    coupling, solution = outcome.coupling, outcome.solution
    problem = coupling.problem
    return {
        "cost": coupling.transport_cost,
        "entropic_cost": coupling.entropic_cost,
        "dual": coupling.dual_value if isinstance(coupling, PotentialCoupling) else None,
        "divergence": outcome.divergence and outcome.divergence.estimate.value,
        "marginal_error": list(outcome.marginal_error),
        "mass": float(coupling.measures.marginals.rows.sum()),
        "iterations": solution.iterations,
        "seconds": solution.seconds,
        "converged": outcome.converged,
        "status": str(solution.status),
        "epsilon": problem.epsilon,
        "relative_epsilon": problem.fraction,
        "mean_cost": problem.mean_cost,
        "perplexity": coupling.perplexity,
        "solver": repr(outcome.order.solver),
        "points": [len(problem.points_x), len(problem.points_y)],
        "dimension": problem.points_x.shape[1],
    }


def as_text(outcome: Outcome) -> str:
    """What was found, as a person reads it in a terminal."""
    order, found = outcome.order, as_dict(outcome)
    (n, m), (rows, columns) = found["points"], found["marginal_error"]
    share = f"{found['relative_epsilon']:.4g} of the mean cost {found['mean_cost']:.6g}"
    share = share if found["mean_cost"] > 0 else "every cost is 0"
    advice = ADVICE[outcome.solution.status]
    lines = [
        _line("from", f"{order.cloud_a}, {n} points in {found['dimension']} dimensions"),
        _line("to", f"{order.cloud_b}, {m} points"),
        _line("solver", found["solver"]),
        _line("epsilon", f"{found['epsilon']:.10g}  ({share})"),
        "",
        _line("cost", f"{found['cost']:.10g}"),
        _line("entropic cost", f"{found['entropic_cost']:.10g}"),
        *([] if found["dual"] is None else [_line("dual value", f"{found['dual']:.10g}")]),
        *([] if found["divergence"] is None else [_line("Sinkhorn divergence", f"{found['divergence']:.10g}")]),
        _line("marginal error", f"{rows:.2e} of rows, {columns:.2e} of columns"),
        _line("mass", f"{found['mass']:.10g}"),
        _line("partners per point", f"{found['perplexity']:.4g}"),
        _line("seconds", f"{found['seconds']:.3g}  ({found['iterations']} iterations; {outcome.solution.method})"),
        _line("status", f"{found['status']}: {advice}" if advice else found["status"]),
    ]
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"{name:20} {text}"


# -------------------------------------------------------------------------------------------------- what is written


def _write(outcome: Outcome, folder: Path) -> None:
    """All files are made before the first is written; a folder made for files that cannot be is taken away."""
    said, drawn = _metadata(outcome), convergence(outcome)
    files = {
        **{f"{name}.npy": _array(values) for name, values in _arrays(outcome.coupling).items()},
        "convergence.csv": _curve(outcome, said),
        "convergence.svg": to_svg(drawn, said),
        "convergence.pdf": to_pdf(drawn, said),
        "report.json": json.dumps(as_dict(outcome), ensure_ascii=False).encode(),
    }
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be made a folder ({(error.strerror or str(error)).lower()}).") from None
    try:
        write_together({folder / name: content for name, content in files.items()})
    except BaseException:
        if is_new:
            folder.rmdir()
        raise


def _arrays(coupling: Coupling) -> dict[str, Tensor]:
    """Where points go on average, and what the coupling can be made from."""
    arrays = {"barycentric_map": coupling.barycentric_map}
    match coupling:
        case PotentialCoupling():
            arrays |= {"f": coupling.potentials.potential_f, "g": coupling.potentials.potential_g}
        case LowRankCoupling():
            arrays |= {"left": coupling.left, "right": coupling.right, "masses": coupling.masses}
        case _:
            raise AssertionError("there is no other kind of coupling")
    return arrays


def _array(values: Tensor) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values.numpy(), allow_pickle=False)
    return stream.getvalue()


def _metadata(outcome: Outcome) -> dict[str, str]:
    """What every figure and table says of where it comes from."""
    order = outcome.order
    return {
        EXPERIMENT: f"{order.solver!r} from {order.cloud_a} to {order.cloud_b}",
        "Epsilon": repr(outcome.problem.epsilon),
        "Power": repr(order.power),
        "Command": order.command,
        "Version": explorer.VERSION,
    }


def convergence(outcome: Outcome) -> Figure:
    """The error after each iteration, and what that of the plain algorithm at this epsilon cannot exceed."""
    return figure(outcome.order.solver, outcome.solution, Reference(outcome.first_gap))


def _curve(outcome: Outcome, said: Mapping[str, str]) -> bytes:
    """A line per iteration; cells are empty where nothing is known."""
    history = outcome.solution.history
    bounds = bound(Reference(outcome.first_gap), outcome.problem.epsilon, len(history.errors))
    known: list[float] | list[None] = [None] * len(history.errors) if bounds is None else bounds.tolist()
    columns = (history.errors.tolist(), known, history.duals.tolist(), history.epsilons.tolist())
    rows: list[list[Cell]] = [[k, *values] for k, values in enumerate(zip(*columns, strict=True), 1)]
    about = {"error": ERRORS[type(outcome.order.solver)], **said}
    # A path may hold a line break, which must not end the comment.
    lines = [f"# {key}: {line}\n" for key, value in about.items() for line in value.splitlines()]
    return ("".join(lines) + table_csv(("iteration", "error", "bound", "dual", "epsilon"), rows)).encode()
