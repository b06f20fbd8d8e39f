"""What the panel of transport tells in numbers, as far as they are known. No Qt here."""

import math
from dataclasses import dataclass

from explorer.plots.coupled import question_of
from explorer.plots.iterations import ADVICE
from explorer.session import Session
from kernels.analyses.coupled import Coupled, coupled_now, gaussians_of
from kernels.analyses.estimated import Scales, known_estimates, scales_of
from kernels.transport import ESTIMATORS, PotentialCoupling

Value = float | int | str | None
# Where the name of an estimator says too little among other numbers.
LONGER = {"exact": "exact, these points"}


@dataclass(frozen=True, eq=False)
class Told:
    """Lines of name and text to be read, the same as plain values, and regularizations worth trying."""

    lines: tuple[tuple[str, str], ...]
    values: dict[str, Value]
    scales: Scales | None


def told(session: Session) -> Told:
    """What is known of the coupling that the session asks for.

    Errors: `ValueError` in one sentence where there is none.
    """
    question = question_of(session)
    found = coupled_now(question)
    values, lines = _values(found), list[tuple[str, str]]()
    solution, problem = found.solution, found.problem
    advice = ADVICE[solution.status]
    lines += [
        ("status", f"{solution.status}: {advice}" if advice else str(solution.status)),
        ("ε", f"{problem.epsilon:.6g}, {problem.fraction:.4g} of the mean cost {problem.mean_cost:.4g}"),
        ("blur √ε", f"{math.sqrt(problem.epsilon):.4g}"),
        ("transport cost", f"{values['cost']:.6g}"),
        ("entropic cost", f"{values['entropic_cost']:.6g}"),
    ]
    if values["dual"] is not None:
        lines.append(("dual value", f"{values['dual']:.6g}"))
    estimates = known_estimates(question)
    if estimates is not None:
        for name, estimate in zip(ESTIMATORS, estimates.found, strict=True):
            if name != "entropic cost" and not math.isnan(estimate.value):
                values[_key(name)], values[f"{_key(name)}_error"] = estimate.value, estimate.standard_error
                lines.append((LONGER.get(name, name), f"{estimate.value:.4g} ± {estimate.standard_error:.2g}"))
    exact = _exact(found)
    if exact is not None:
        values["laws"] = exact
        lines.append(("exact W₂² of the laws", f"{exact:.6g}"))
    rows, columns = solution.coupling.marginal_error
    lines += [
        ("marginal error", f"{rows:.1e} of rows, {columns:.1e} of columns"),
        ("partners per point", f"{values['perplexity']:.4g}"),
        ("mass", f"{values['mass']:.6g}"),
        ("iterations", f"{solution.iterations} in {1e3 * solution.seconds:.0f} ms"),
        ("done by", solution.method),
        ("points", f"{len(problem.points_x)} and {len(problem.points_y)}, {problem.points_x.shape[1]} coordinates"),
    ]
    # Plain values have no infinities: other programs read them.
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
    return Told(tuple(lines), plain, scales_of(question))


def _values(found: Coupled) -> dict[str, Value]:
    solution, coupling, problem = found.solution, found.solution.coupling, found.problem
    dual = coupling.dual_value if isinstance(coupling, PotentialCoupling) else None
    rows, columns = coupling.marginal_error
    return {
        "status": str(solution.status),
        "epsilon": problem.epsilon,
        "relative_epsilon": problem.fraction,
        "mean_cost": problem.mean_cost,
        "cost": coupling.transport_cost,
        "entropic_cost": coupling.entropic_cost,
        "dual": dual,
        "marginal_error_rows": rows,
        "marginal_error_columns": columns,
        "perplexity": coupling.perplexity,
        "mass": coupling.mass,
        "iterations": solution.iterations,
        "seconds": solution.seconds,
        "solver": repr(found.transport.solver),
        "points_x": len(problem.points_x),
        "points_y": len(problem.points_y),
        "coordinates": problem.points_x.shape[1],
    }


def _key(name: str) -> str:
    return name.lower().replace(" ", "_")


def _exact(found: Coupled) -> float | None:
    known = gaussians_of(found.pair) if found.pair.laws is not None and found.problem.power == 2 else None
    return None if known is None else known.wasserstein2_squared
