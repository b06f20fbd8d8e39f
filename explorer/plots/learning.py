"""E W2^2 of a sampler with a learned score, by source, over any one number."""

import dataclasses

import numpy as np

from explorer.marks import DASHES, Axis, Band, Curve, Figure, Floats, Linear, Mark, Points, Style
from explorer.plots.base import Plot, divergence_note, finite, scale_for
from explorer.session import Measured, Session
from kernels.analyses.learning import SWEPT_NODES, LearningSweep, learning, learning_over, learning_sweep, refusal
from kernels.analyses.sweep import numeric_paths, own_value, values_of, with_value
from kernels.experiment import Experiment
from kernels.param import Number
from kernels.samplers import SingleLevel

TITLE = "E W₂² by source"
UNIT = "E W₂² to the data"
TOTAL, LEAST, PRESENT, MEASURED = (
    Style("#000000", width=1.6),
    Style("#7F7F7F", marker="s"),
    Style("#0072B2", marker="D"),
    Style("#D55E00", marker="o"),
)
COLORS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")
# Areas over a wider range hide all but the largest.
RANGE = 10.0
# Every point costs a whole theory: few over the whole range, then more where they are drawn.
COARSE, FINE = 11, 13


def draw(session: Session) -> Figure:
    """Stacked sources, their total with its least value, the present one, and what was measured."""
    experiment = session.experiment
    # Data that cannot be read are told before anything else.
    _ = experiment.law
    reason = refusal(experiment)
    numbers = numeric_paths(experiment)
    if not reason and session.swept not in numbers:
        reason = "Choose a number to sweep in the bar above."
    if reason:
        return Figure(TITLE, Axis("number swept"), Axis(UNIT), (), note=reason)
    number = numbers[session.swept]
    coarse = _known(learning_sweep(experiment, session.swept, COARSE))
    if not np.isfinite(coarse.total).any():
        note = learning(experiment).note or "The errors are infinite everywhere on this range."
        return Figure(TITLE, _abscissa(number, coarse.values), Axis(UNIT), (), note=note)
    found = _refined(experiment, session.swept, _around(experiment, session.swept, coarse))
    own = found.values == own_value(experiment, session.swept)
    most = _most(found, own)
    inside = found.total <= most
    total = np.where(inside, found.total, np.nan)
    parts = {label: np.where(inside, part, np.nan) for label, part in _parts(experiment, found).items()}
    notes = [divergence_note("The theory", coarse.values, coarse.total, number.symbol)]
    if len(found.values) and (coarse.values.min() < found.values.min() or coarse.values.max() > found.values.max()):
        notes.append(f"Drawn where the total is not above {most:.2g}.")
    if any((part < 0).any() for part in parts.values()):
        notes.append("Some parts are negative: they make up for others.")
    marks = [*_stacked(found.values, parts), Curve("total", found.values, total, TOTAL)]
    best = int(np.nanargmin(total))
    label = f"least {total[best]:.4g} at {number.symbol} = {found.values[best]:.4g}"
    marks.append(Points(label, found.values[best : best + 1], total[best : best + 1], LEAST))
    marks.append(Points("present", found.values[own], total[own], PRESENT))
    seen = belonging(session)
    marks += _measured([measured for measured in seen if measured.mean <= most], session.swept)
    beyond = [measured.mean for measured in seen if measured.mean > most]
    if beyond:
        notes.append(f"Measured above and not shown: {len(beyond)}, up to {max(beyond):.2g}.")
    notes.append(learning(experiment).note)
    return Figure(
        f"{TITLE}, over {session.swept}",
        _abscissa(number, found.values),
        Axis(UNIT),
        tuple(marks),
        note=" ".join(note for note in notes if note),
    )


def _most(found: LearningSweep, own: np.ndarray) -> float:
    """The largest total that is drawn: some times the least one, and the present one at all events."""
    least = float(np.nanmin(finite(found.total)))
    present = found.total[own]
    return max([RANGE * abs(least), *(1.1 * present[np.isfinite(present)]).tolist()])


def _spread(number: Number, low: float, high: float, count: int) -> Floats:
    spread = np.geomspace(low, high, count) if number.log and low > 0 else np.linspace(low, high, count)
    return np.unique(spread.round()) if number.integer else spread


def worth_measuring(experiment: Experiment, path: str, count: int) -> list[float]:
    """Values of a number that are drawn, the present one first; over all its range where there is no theory."""
    number, own = numeric_paths(experiment)[path], own_value(experiment, path)
    values = np.array(values_of(number, own, count))
    if not refusal(experiment):
        found = _known(learning_sweep(experiment, path, COARSE))
        if np.isfinite(found.total).any():
            found = _around(experiment, path, found)
            values = _spread(number, float(found.values[0]), float(found.values[-1]), count)
    return [own, *(value for value in values.tolist() if value != own)]


def _around(experiment: Experiment, path: str, coarse: LearningSweep) -> LearningSweep:
    """More values where the total is small enough to be drawn."""
    number, own = numeric_paths(experiment)[path], coarse.values == own_value(experiment, path)
    inside = np.flatnonzero(coarse.total <= _most(coarse, own))
    first, last = max(inside[0] - 1, 0), min(inside[-1] + 1, len(coarse.values) - 1)
    spread = _spread(number, float(coarse.values[first]), float(coarse.values[last]), FINE)
    known = coarse.values[first : last + 1]
    new = spread[~np.isclose(spread[:, None], known, rtol=0.02, atol=0.0).any(1)]
    values = np.sort(np.concatenate([new, known]))
    found = _known(learning_over(experiment, path, tuple(values.tolist())))
    seen = np.flatnonzero(found.total <= _most(found, found.values == own_value(experiment, path)))
    kept = slice(seen[0], seen[-1] + 1)
    return LearningSweep(*(getattr(found, field.name)[kept] for field in dataclasses.fields(found)))


def _known(found: LearningSweep) -> LearningSweep:
    """Without the values at which the experiment is refused."""
    kept = ~np.isnan(found.total)
    return LearningSweep(*(getattr(found, field.name)[kept] for field in dataclasses.fields(found)))


def _refined(experiment: Experiment, path: str, found: LearningSweep) -> LearningSweep:
    """With one value more, where a parabola through the least total and its neighbors has its vertex."""
    number, best = numeric_paths(experiment)[path], int(np.nanargmin(finite(found.total)))
    near = slice(best - 1, best + 2)
    x, y = found.values[near], found.total[near]
    if number.integer or len(x) < 3 or not np.isfinite(y).all() or (number.log and x[0] <= 0):
        return found
    center = np.log(x) if number.log else x
    a, b, _ = np.polyfit(center - center[1], y, 2)
    if a <= 0:
        return found
    vertex = center[1] - b / (2 * a)
    value = float(f"{np.exp(vertex) if number.log else vertex:.4g}")
    if not x[0] < value < x[2] or value == x[1]:
        return found
    try:
        one = learning(with_value(experiment, path, value), SWEPT_NODES)
    except ValueError:
        return found
    names = [field.name for field in dataclasses.fields(found) if field.name != "values"]
    place = int(np.searchsorted(found.values, value))
    rows = [np.insert(getattr(found, name), place, getattr(one, name)) for name in names]
    return LearningSweep(np.insert(found.values, place, value), *rows)


def _abscissa(number: Number, values: Floats) -> Axis:
    unit = f" [{number.unit}]" if number.unit else ""
    return Axis(f"{number.symbol}{unit}  ({number.help})", scale_for(values) if number.log else Linear())


def _parts(experiment: Experiment, found: LearningSweep) -> dict[str, Floats]:
    """The sources in the order in which they are stacked; those that are nothing everywhere are left out."""
    first = "noise amplitude" if isinstance(experiment.sampler, SingleLevel) else "early stop"
    parts = {
        first: finite(found.amplitude),
        "steps, start, training": finite(found.bias) - finite(found.amplitude),
        "samples": finite(found.generalization),
        "gradients": finite(found.optimization),
        "mean shift": finite(found.shift),
    }
    return {label: part for label, part in parts.items() if np.nanmax(np.abs(part), initial=0.0) > 0}


def _looks(parts: dict[str, Floats]) -> list[Style]:
    return [Style(COLORS[k % len(COLORS)], DASHES[(k + 1) % len(DASHES)]) for k in range(len(parts))]


def _stacked(values: Floats, parts: dict[str, Floats]) -> list[Mark]:
    marks: list[Mark] = []
    below = np.zeros_like(values)
    for (label, part), look in zip(parts.items(), _looks(parts), strict=True):
        above = below + part
        marks.append(Band(label, values, below, above, look))
        # The upper edge carries a dash: areas are not told apart by color alone.
        marks.append(Curve(label, values, above, look))
        below = above
    return marks


def _measured(kept: list[Measured], path: str) -> list[Mark]:
    """Two standard errors about every mean."""
    if not kept:
        return []
    x = np.array([own_value(measured.experiment, path) for measured in kept])
    order = np.argsort(x)
    mean = np.array([measured.mean for measured in kept])[order]
    error = np.array([2 * measured.standard_error for measured in kept])[order]
    return [Points("measured ± 2 standard errors", x[order], mean, MEASURED, error=error)]


def belonging(session: Session) -> list[Measured]:
    """What was measured on this very experiment, but for the number swept."""
    present, path = session.experiment, session.swept
    own = own_value(present, path)
    found: list[Measured] = []
    for measured in session.measured:
        if path not in numeric_paths(measured.experiment):
            continue
        try:
            same = with_value(measured.experiment, path, own) == present
        except ValueError:
            continue
        if same:
            found.append(measured)
    return found


PLOT = Plot("learning", "E W₂² by source", "Learning", draw)
