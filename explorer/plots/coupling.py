"""Two clouds and the coupling between them: its strongest entries, where points go on average, what they pay."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.marks import Axis, Cloud, Figure, Floats, Linear, Mark, Points, Scale, Segments, Shaded, Style, Symlog
from explorer.plots.base import Plot
from explorer.plots.coupled import FIRST, SECOND, counted, found_now, further, grouped
from explorer.session import Session
from kernels.analyses.coupled import MOST_DEBIASED, Coupled
from kernels.transport import PotentialCoupling

# Lines that can be told apart, and points that are drawn one by one.
MOST_LINES, MOST_POINTS = 1000, 600
ARROW_STRENGTH = 0.6
# A signed potential is drawn linearly about zero up to this share of its largest size.
LINEAR_SHARE = 0.05
POTENTIAL = "potential f, about its mean"
DISPLACEMENT = "how far points go on average"
PARTNERS = "partners of points"
SHARE = "share of the point's mass"
HINT = "Click a point for its partners."
CHOSEN = Style("#D55E00", marker="X")
# Partners that are drawn, and the least share of one over that of the first.
MOST_PARTNERS, LEAST_SHARE = 5000, 1e-3


def draw(session: Session) -> Figure:
    """Two coordinates of both clouds, joined or colored as the session asks."""
    transport, ranks = session.transport, session.looked_at
    axes = tuple(Axis(f"{transport.clouds.axis} {rank}") for rank in ranks)
    found = found_now(session)
    dimension = found.pair.points_x.shape[1]
    if max(ranks) > dimension:
        note = f"The clouds are compared in {dimension} coordinates; choose among them in the bar above."
        return Figure("Coupling", axes[0], axes[1], (), note=note, equal=True)
    names = transport.clouds.names
    notes = [counted(found, session)]
    marks: list[Mark] = [_points(names[1], *_two(found.pair.points_y, ranks), SECOND)]
    if transport.lines == "one point":
        marks += _of_one(found, ranks, transport.point, names, notes)
        return Figure(_title(found), axes[0], axes[1], tuple(marks), note=" ".join(notes), hint=HINT, equal=True)
    if transport.lines == "couplings":
        marks.append(_couplings(found, ranks, notes))
    elif transport.lines != "none":
        marks.append(_arrows(found, ranks, transport.lines, notes))
    marks.append(_first(found, ranks, transport.colors, names[0], notes))
    return Figure(_title(found), axes[0], axes[1], tuple(marks), note=" ".join(notes), hint=HINT, equal=True)


def _title(found: Coupled) -> str:
    return f"Coupling at ε = {found.problem.epsilon:.4g}, {found.problem.fraction:.4g} of the mean cost"


def _two(points: Tensor, ranks: tuple[int, int]) -> tuple[Floats, Floats]:
    return points[:, ranks[0] - 1].numpy(), points[:, ranks[1] - 1].numpy()


def _points(label: str, x: Floats, y: Floats, style: Style) -> Mark:
    # Many points are told apart no more, and are drawn as their density.
    return Points(label, x, y, style) if len(x) <= MOST_POINTS else Cloud(label, x, y, style)


def _some(count: int) -> NDArray[np.intp]:
    """Of more than can be told apart, an even choice: the strongest of all would lie in one place."""
    return np.linspace(0, count - 1, min(count, MOST_LINES)).round().astype(np.intp)


def _couplings(found: Coupled, ranks: tuple[int, int], notes: list[str]) -> Segments:
    shares, partners = found.strongest
    some = _some(len(shares))
    x, y = _two(found.looked_at.problem.points_x, ranks), _two(found.pair.points_y, ranks)
    masses = found.looked_at.measures.marginals.rows
    carried = float((shares * masses).sum() / masses.sum().clamp(min=torch.finfo(torch.float64).tiny))
    notes.append(f"The strongest coupling of a point carries {100 * carried:.3g} % of its mass.")
    to, strength = partners[some], shares.sqrt().numpy()[some]
    return Segments("strongest couplings", x[0][some], x[1][some], y[0][to], y[1][to], strength, FIRST)


def _arrows(found: Coupled, ranks: tuple[int, int], lines: str, notes: list[str]) -> Segments:
    debiased = lines == "debiased map" and len(found.problem.points_x) <= MOST_DEBIASED
    if lines == "debiased map" and not debiased:
        notes.append(f"Debiased only for at most {grouped(MOST_DEBIASED)} points.")
    few = found.looked_at
    x, to = _two(few.problem.points_x, ranks), _two(found.debiased_map if debiased else few.barycentric_map, ranks)
    some = _some(len(x[0]))
    label, strength = "debiased map" if debiased else "barycentric map", np.full(len(some), ARROW_STRENGTH)
    return Segments(label, x[0][some], x[1][some], to[0][some], to[1][some], strength, FIRST, arrows=True)


def _of_one(found: Coupled, ranks: tuple[int, int], point: int, names: tuple[str, str], notes: list[str]) -> list[Mark]:
    """All partners of one point, by their share of its mass."""
    x, y = _two(found.pair.points_x, ranks), _two(found.pair.points_y, ranks)
    place = min(point, len(x[0])) - 1
    entries = found.solution.coupling.entries(place, place + 1)[0]
    shares = (entries / entries.sum().clamp(min=torch.finfo(torch.float64).tiny)).numpy()
    some = np.argsort(-shares)[:MOST_PARTNERS]
    some = some[shares[some] >= LEAST_SHARE * shares.max()]
    partners = float(np.exp(-(shares * np.log(np.maximum(shares, np.finfo(np.float64).tiny))).sum()))
    notes.append(f"Point {place + 1} has {partners:.4g} partners.")
    return [
        _points(names[0], *x, FIRST),
        Shaded(f"partners, {names[1]}", y[0][some], y[1][some], shares[some], Linear(), SHARE, SECOND),
        Points(f"point {place + 1}, {names[0]}", x[0][place : place + 1], x[1][place : place + 1], CHOSEN),
    ]


def pick(session: Session, x: float, y: float) -> Session:
    """The point of the first cloud nearest to a click is the one whose partners are drawn."""
    transport, ranks = session.transport, session.looked_at
    try:
        points = _two(found_now(session).pair.points_x, ranks)
    except (ValueError, IndexError):
        return session
    place = int(np.argmin(np.hypot(points[0] - x, points[1] - y)))
    return replace(session, transport=replace(transport, lines="one point", point=place + 1))


def _first(found: Coupled, ranks: tuple[int, int], colors: str, name: str, notes: list[str]) -> Mark:
    few, x = found.looked_at, _two(found.pair.points_x, ranks)
    values, scale, meaning = torch.empty(0), Linear(), ""
    if colors == "potential":
        if isinstance(few, PotentialCoupling):
            f, a = few.potentials.potential_f, few.problem.weights_a
            values, meaning = f - (a @ f) / a.sum(), POTENTIAL
            scale = _signed(values.numpy())
        else:
            notes.append(f"{type(found.transport.solver).__name__} finds no potentials: points have one color.")
    elif colors == "displacement":
        values, meaning = (few.barycentric_map - few.problem.points_x).square().sum(1).sqrt(), DISPLACEMENT
    elif colors == "partners":
        values, meaning = few.measures.row_entropy.exp(), PARTNERS
    if not meaning:
        return _points(name, *x, FIRST)
    if len(values) < len(x[0]):
        notes.append(f"{grouped(len(values))} points of the first cloud are colored.")
    return Shaded(name, *_two(few.problem.points_x, ranks), values.numpy(), scale, meaning, FIRST)


def _signed(values: Floats) -> Scale:
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    return Symlog(LINEAR_SHARE * largest) if largest > 0 else Symlog(1.0)


PLOT = Plot("coupling", "Coupling", "Transport", draw, click=pick, further=further)
