"""What a run writes: numbers as JSON and CSV, the session file, and the figures."""

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

import explorer
from explorer.copying import as_command
from explorer.export import EXPERIMENT, to_png, to_svg
from explorer.files import write_together
from explorer.plots import PLOTS
from explorer.session import Session, to_text
from kernels.analyses.budget import Budget, budget
from kernels.analyses.clouds import theory_of
from kernels.analyses.expansion import Expansion, expansion
from kernels.analyses.learning import Learning, learning, refusal
from kernels.experiment import Experiment, to_dict
from kernels.report import Solution, report

MOST_MODES = 64
MOST_CELLS = 10_000_000


def as_dict(experiment: Experiment, *, with_budget: bool = False) -> dict[str, Any]:
    """The report of an experiment as plain values, infinities and nan among them; the error budget if asked for.

    Errors: `ValueError` in one sentence for unreadable data, and for a budget that is too large.
    """
    error = report(experiment)
    sources = {
        field.name: float(getattr(error.wasserstein2, field.name)) for field in dataclasses.fields(error.wasserstein2)
    }
    modes = {field.name: getattr(error.modes, field.name).tolist() for field in dataclasses.fields(error.modes)}
    return {
        "experiment": to_dict(experiment),
        "calls": error.calls,
        "wasserstein2": sources,
        "kl": error.kl,
        "frechet": error.frechet,
        "is_stable": error.is_stable,
        "modes": modes,
        "expansion": _expansion(expansion(experiment)),
        "learning": None if refusal(experiment) else _learning(learning(experiment)),
        **({"budget": _budget(full_budget(experiment))} if with_budget else {}),
    }


def _learning(found: Learning) -> dict[str, Any]:
    names = ("total", "bias", "generalization", "optimization", "shift")
    return {**{name: getattr(found, name) for name in names}, "note": found.note}


def _expansion(found: Expansion | None) -> dict[str, Any] | None:
    return found and {
        "n_wasserstein2": found.n_wasserstein2,
        "n2_frechet": found.n2_frechet,
        "variance": found.variance.tolist(),
        "mean": found.mean.tolist(),
        "start_variance": found.start_variance.tolist(),
        "start_mean": found.start_mean.tolist(),
        "largest_angle": found.largest_angle,
        "in_regime": found.in_regime,
    }


def _budget(found: Budget) -> dict[str, Any]:
    names = ("by_step", "start", "final", "variance")
    return {"ranks": found.ranks.astype(int).tolist(), **{name: getattr(found, name).tolist() for name in names}}


def full_budget(experiment: Experiment) -> Budget:
    """The error budget of every mode and step.

    Errors: `ValueError` in one sentence where there are too many of them.
    """
    modes, steps = len(experiment.law.variance), len(experiment.times) - 1
    if modes * steps > MOST_CELLS:
        raise ValueError(
            f"the budget of {modes} modes and {steps} steps has {modes * steps} numbers, and at most {MOST_CELLS} are "
            "written; choose fewer modes or steps."
        )
    return budget(experiment, most_modes=modes, most_steps=steps)


def as_json(experiment: Experiment, *, with_budget: bool = False) -> str:
    """The report as JSON in full precision; infinities as Python's json writes and reads them."""
    return json.dumps(as_dict(experiment, with_budget=with_budget), ensure_ascii=False)


def as_text(experiment: Experiment) -> str:
    """The report as a person reads it in a terminal."""
    error = report(experiment)
    lines = [f"{name:12} {getattr(experiment, name)!r}" for name in to_dict(experiment)]
    unstable = int((~error.modes.is_stable).sum())
    stability = f"{unstable} of {len(error.modes.is_stable)} modes unstable" if unstable else "stable in every mode"
    theory = expansion(experiment)
    trust = "" if theory is None or theory.in_regime else "  (steps too large for the theory)"
    return "\n".join(
        [
            *lines,
            "",
            f"{'NFE':16} {error.calls}",
            *(
                f"{'W2 ' + field.name:18} {float(getattr(error.wasserstein2, field.name)):.10g}"
                for field in dataclasses.fields(error.wasserstein2)
            ),
            f"{'KL [nat]':18} {error.kl:.10g}",
            f"{'Frechet (W2^2)':18} {error.frechet:.10g}",
            f"{'stability':18} {stability}",
            *([f"{'N W2 as N grows':18} {theory.n_wasserstein2:.10g}{trust}"] if theory else []),
            *_learning_lines(experiment),
        ]
    ).replace(f"{'NFE':16} ", f"{'NFE':18} ")


def _learning_lines(experiment: Experiment) -> list[str]:
    if refusal(experiment):
        return []
    found = _learning(learning(experiment))
    note = found.pop("note")
    lines = [f"{'E W2^2 ' + name:22} {value:.10g}" for name, value in found.items()]
    return ["", *lines, *([note] if note else [])]


def metadata(experiment: Experiment) -> dict[str, str]:
    """What every exported file says of where it comes from."""
    return {EXPERIMENT: repr(experiment), "Command": as_command(experiment), "Version": explorer.VERSION}


def modes_csv(experiment: Experiment) -> str:
    """One line per mode."""
    modes = report(experiment).modes
    columns = [field.name for field in dataclasses.fields(modes)]
    return _csv(experiment, ["mode", *columns], _numbered([getattr(modes, name).numpy() for name in columns]))


def path_csv(experiment: Experiment) -> str:
    """Mean and variance after every step, for at most MOST_MODES modes spread over the spectrum."""
    times = experiment.times
    solution = Solution(experiment, (times,), len(times))
    count = len(solution.law.variance)
    ranks = np.unique(np.geomspace(1, count, min(count, MOST_MODES)).round().astype(int) - 1).tolist()
    if count <= MOST_MODES:
        ranks = list(range(count))
    followed = solution.followed(ranks)
    header = ["step", "time", "mode", "eigenvalue", "mean", "variance", "exact_mean", "exact_variance"]
    parts = (followed.sampled.mean, followed.sampled.variance, followed.exact.mean, followed.exact.variance)
    rows = [
        [step, float(times[step]), rank + 1, float(solution.law.variance[rank]), *(float(p[step, k]) for p in parts)]
        for step in range(len(times))
        for k, rank in enumerate(ranks)
    ]
    return _csv(experiment, header, rows)


def budget_csv(experiment: Experiment) -> str:
    """What each step adds to the error of the variance, by mode; step 0 is the start, and the sum the whole error."""
    found, times = full_budget(experiment), experiment.times.tolist()
    terms = np.column_stack([found.start, found.by_step])
    header = ["step", "time", "mode", "eigenvalue", "variance_error"]
    rows = [
        [step, time, int(rank), float(eigenvalue), float(term)]
        for step, time in enumerate(times)
        for rank, eigenvalue, term in zip(found.ranks, found.eigenvalue, terms[:, step], strict=True)
    ]
    return _csv(experiment, header, rows)


def _numbered(columns: list[Any]) -> list[list[Any]]:
    return [[k + 1, *(column[k].item() for column in columns)] for k in range(len(columns[0]))]


def _csv(experiment: Experiment, header: list[str], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    for key, value in metadata(experiment).items():
        # A path may hold a line break, which must not end the comment.
        text.write("".join(f"# {key}: {line}\n" for line in value.splitlines()))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_all(session: Session, folder: Path, *, with_budget: bool = False) -> list[Path]:
    """Write report.json, modes.csv, path.csv, session.toml and every figure; all made before any is written.

    With a budget there is budget.csv too. Errors: `ValueError` in one sentence for unreadable data and for a budget
    that is too large, `WriteError` for a folder that cannot be written.
    """
    # Where there is no exact law, the numbers are those of Gaussian theory, and say so by the experiment they name.
    experiment = theory_of(session.experiment)
    files: dict[str, bytes] = {
        "report.json": as_json(experiment, with_budget=with_budget).encode(),
        "modes.csv": modes_csv(experiment).encode(),
        "path.csv": path_csv(experiment).encode(),
        **({"budget.csv": budget_csv(experiment).encode()} if with_budget else {}),
        "session.toml": to_text(session).encode(),
    }
    said = metadata(experiment)
    for plot in PLOTS:
        if plot.further is not None:
            # Nobody moves anything: what takes longer is done first.
            plot.further(session, lambda share: None)
        figure = plot.draw(session)
        files[f"{plot.name}.svg"] = to_svg(figure, said)
        files[f"{plot.name}.png"] = to_png(figure, said)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be made a folder ({(error.strerror or str(error)).lower()}).") from None
    write_together({folder / name: content for name, content in files.items()})
    return [folder / name for name in files]
