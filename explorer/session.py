"""The session: an experiment and what is shown beside it, as one immutable value and as a text file."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomli_w

from explorer.files import write_atomically, write_together
from explorer.marks import Style, identity
from kernels.analyses.trainings import is_trained, trained_for
from kernels.distances import DISTANCES
from kernels.experiment import Experiment, carried, component_from_dict, from_dict, read_component, to_dict
from kernels.grids import TimeGrid
from kernels.pairs import Transport
from kernels.param import Component, declarations, leaves
from kernels.param import Path as PathDeclaration
from kernels.particles import Sampling
from kernels.samplers import Sampler
from kernels.scores import Learned, Network, Trained
from kernels.scores.network import from_bytes, to_bytes
from kernels.spectra import Shaped, population_of
from kernels.spectra.files import content_digest

VERSION = 1
# The name of the distance to the exact law itself, which needs means and variances alone.
LAW = "law"
DISTANCE_NAMES = (*(kind.name for kind in DISTANCES), LAW)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """E W2^2 as replicas of learning and sampling gave it: their mean and its standard error."""

    experiment: Experiment
    mean: float
    standard_error: float
    replicas: int


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """A distance measured on a cloud with its standard error, and that of two clouds of data of the same size.

    All are infinite where the sampler diverged. `distance` is the name of one of DISTANCES, or LAW.
    """

    experiment: Experiment
    sampling: Sampling
    distance: str
    value: float
    standard_error: float
    floor: float
    floor_error: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that an undo brings back and a session file keeps.

    `samplers` and `grids` are drawn beside the experiment, each of one with each of the other; `pins` are former
    experiments kept as references; `swept` is the number on the abscissa of the sweep; `stops` and `budgets`
    (numbers of score evaluations) span the ablation table; `followed` are the ranks, from 1, of the modes whose
    variance is drawn along time, a few over the whole spectrum if there are none; `measured` is what replicas gave,
    on any experiments; `training` is the place in the training of the score, from its first step, 0, to its last, 1.
    `sampling` says which cloud is made, `looked_at` are the ranks, from 1, of the two modes of it that are drawn,
    `moment` is the place on its way from noise, 0, to data, 1, and `sampled` is what was measured on clouds.
    `transport` says which two clouds are coupled, and how.
    """

    experiment: Experiment = dataclasses.field(default_factory=Experiment)
    samplers: tuple[Sampler, ...] = ()
    grids: tuple[TimeGrid, ...] = ()
    pins: tuple[Experiment, ...] = ()
    swept: str = "sampler.stochasticity"
    stops: tuple[float, ...] = (1e-5, 1e-3)
    budgets: tuple[int, ...] = (50, 250)
    followed: tuple[int, ...] = ()
    measured: tuple[Measured, ...] = ()
    training: float = 1.0
    sampling: Sampling = dataclasses.field(default_factory=Sampling)
    looked_at: tuple[int, int] = (1, 2)
    moment: float = 1.0
    sampled: tuple[Sampled, ...] = ()
    transport: Transport = dataclasses.field(default_factory=Transport)


@dataclass(frozen=True)
class Item:
    """One experiment on the plots, with its name and look."""

    label: str
    experiment: Experiment
    style: Style


def named(component: Component, leave_out: frozenset[str] = frozenset()) -> str:
    """`DDIM(η=0.5)`: the kind, and the parameters that differ from its defaults."""
    kind = type(component)
    plain = kind()
    parts = [
        f"{declaration.symbol or name}={_text(getattr(component, name))}"
        for name, declaration in declarations(kind).items()
        if name not in leave_out and getattr(component, name) != getattr(plain, name)
    ]
    return f"{kind.__name__}({', '.join(parts)})" if parts else kind.__name__


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return f"{len(cast(tuple[Any, ...], value))} values"
    return Path(value).name if isinstance(value, str) else str(value)


def difference(other: Experiment, reference: Experiment) -> str:
    """What differs, in words: `sampler DDIM, grid.steps N=20`; `the same` if nothing does."""
    parts: list[str] = []
    for name in declarations(Experiment):
        mine, theirs = getattr(other, name), getattr(reference, name)
        if type(mine) is not type(theirs):
            parts.append(named(mine))
            continue
        for field, declaration in declarations(type(mine)).items():
            value = getattr(mine, field)
            if value != getattr(theirs, field):
                parts.append(f"{declaration.symbol or field}={_text(value)}")
    return ", ".join(parts) or "the same"


def items(session: Session) -> list[Item]:
    """The experiment, those compared with it, and the pins; identities by position, the same on every plot."""
    present = session.experiment
    grids = (present.grid, *(carried(grid, present.grid) for grid in session.grids))

    def label(sampler: Sampler, grid: TimeGrid) -> str:
        # Only what is compared tells items apart; with nothing compared the sampler gives the name.
        names = [named(sampler)] if session.samplers or not session.grids else []
        return " · ".join(names + ([_told_apart(grid, grids)] if session.grids else []))

    found: list[tuple[str, Experiment]] = [(label(present.sampler, present.grid), present)]
    for sampler in session.samplers or (present.sampler,):
        for chosen in session.grids or (present.grid,):
            # Like is compared with like: a grid keeps its shape, and follows the present one in steps and range.
            grid = carried(chosen, present.grid)
            try:
                other = dataclasses.replace(present, sampler=sampler, grid=grid)
            except ValueError:
                continue
            if all(other != experiment for _, experiment in found):
                found.append((label(sampler, grid), other))
    for pin in session.pins:
        found.append((f"pin: {difference(pin, present)}", pin))
    labels = _numbered([label for label, _ in found])
    return [Item(labels[k], experiment, identity(k)) for k, (_, experiment) in enumerate(found)]


def _told_apart(grid: TimeGrid, others: tuple[TimeGrid, ...]) -> str:
    """The kind, with the parameters in which it differs from others of its kind."""
    same = [other for other in others if type(other) is type(grid)]
    varying = [
        f"{declaration.symbol or name}={_text(getattr(grid, name))}"
        for name, declaration in declarations(type(grid)).items()
        if any(getattr(other, name) != getattr(grid, name) for other in same)
    ]
    return type(grid).__name__ + (f"({', '.join(varying)})" if varying else "")


def _numbered(labels: list[str]) -> list[str]:
    """Labels that are still alike are counted: a plot tells its curves apart by them."""
    made: list[str] = []
    for label in labels:
        unique, count = label, 1
        while unique in made:
            count += 1
            unique = f"{label} ({count})"
        made.append(unique)
    return made


def to_text(session: Session, *, digests: bool = True) -> str:
    """The session as TOML, with a digest of every file that it reads if asked for: that takes reading them."""
    data: dict[str, Any] = {
        "version": VERSION,
        "swept": session.swept,
        "stops": list(session.stops),
        "budgets": list(session.budgets),
        "experiment": to_dict(session.experiment),
        "samplers": [to_dict(sampler) for sampler in session.samplers],
        "grids": [to_dict(grid) for grid in session.grids],
        "pins": [to_dict(pin) for pin in session.pins],
        "followed": list(session.followed),
        "measured": [{**vars(part), "experiment": to_dict(part.experiment)} for part in session.measured],
        "training": session.training,
        "sampling": _plain(session.sampling),
        "looked_at": list(session.looked_at),
        "moment": session.moment,
        "sampled": [
            {**vars(part), "experiment": to_dict(part.experiment), "sampling": _plain(part.sampling)}
            for part in session.sampled
        ],
        "transport": _plain(session.transport),
        "files": _digests(session) if digests else {},
    }
    return tomli_w.dumps(data)


def _plain(component: Sampling | Transport) -> dict[str, Any]:
    """There is but one kind of it, which need not be named."""
    return {name: value for name, value in to_dict(component).items() if name != "kind"}


def _digests(session: Session) -> dict[str, str]:
    digests: dict[str, str] = {}
    measured = (part.experiment for part in (*session.measured, *session.sampled))
    for component in (session.experiment, *session.pins, *measured, session.transport):
        for _, declaration, value in leaves(component):
            if isinstance(declaration, PathDeclaration) and value and value not in digests:
                try:
                    digests[value] = content_digest(value)
                except (OSError, ValueError):
                    continue
    return digests


def from_text(text: str) -> Session:
    """Read `to_text`'s output back.

    Errors: `ValueError` in one sentence for text that is no session, of a later version, or with unknown content.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"this is no session file: {error}.") from None
    except RecursionError:
        raise ValueError("this is no session file: its tables lie too deep in each other.") from None
    version = data.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(f"the session has version {version!r}, this program reads versions up to {VERSION}.")
    known = {"version", "files", *(field.name for field in dataclasses.fields(Session))}
    for name in data:
        if name not in known:
            raise ValueError(f"the session has an unknown entry {name!r}; known are {', '.join(sorted(known))}.")
    swept: Any = data.get("swept", Session.swept)
    if not isinstance(swept, str):
        raise ValueError(f"swept must be the path of a number, got {swept!r}.")
    files: Any = data.get("files", {})
    if not isinstance(files, dict) or not all(
        isinstance(digest, str) for digest in cast(dict[str, Any], files).values()
    ):
        raise ValueError(f"files must be a table of paths and digests, got {files!r}.")
    return Session(
        experiment=from_dict(data.get("experiment", {})),
        samplers=tuple(component_from_dict("sampler", part) for part in _list(data, "samplers")),
        grids=tuple(component_from_dict("grid", part) for part in _list(data, "grids")),
        pins=tuple(from_dict(part) for part in _list(data, "pins")),
        swept=swept,
        stops=tuple(_number(value) for value in _list(data, "stops", Session.stops)),
        budgets=tuple(_whole(value) for value in _list(data, "budgets", Session.budgets)),
        followed=tuple(_whole(value) for value in _list(data, "followed")),
        measured=tuple(_measured(part) for part in _list(data, "measured")),
        training=_share("training", data.get("training", Session.training)),
        sampling=read_component(Sampling, data.get("sampling", {}), "sampling"),
        looked_at=_looked_at(data.get("looked_at", list(Session.looked_at))),
        moment=_share("moment", data.get("moment", Session.moment)),
        sampled=tuple(_sampled(part) for part in _list(data, "sampled")),
        transport=read_component(Transport, data.get("transport", {}), "transport"),
    )


def _list(data: dict[str, Any], name: str, default: tuple[Any, ...] = ()) -> list[Any]:
    value = data.get(name, list(default))
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, got {value!r}.")
    return cast(list[Any], value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError(f"stops, budgets and followed modes must be nonnegative numbers, got {value!r}.")
    return float(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"budgets and followed modes must be whole numbers, got {value!r}.")
    return int(_number(value))


def _share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}.")
    return float(value)


def _looked_at(value: Any) -> tuple[int, int]:
    ranks = cast(list[Any], value) if isinstance(value, list) else []
    if len(ranks) != 2 or not all(type(rank) is int and 1 <= rank < 2**31 for rank in ranks):
        raise ValueError(f"looked_at must be the ranks of two modes, counted from 1, got {value!r}.")
    return ranks[0], ranks[1]


def _measured(data: Any) -> Measured:
    names = [field.name for field in dataclasses.fields(Measured)]
    if not isinstance(data, dict) or set(cast(dict[str, Any], data)) != set(names):
        raise ValueError(f"measured must hold tables of {', '.join(names)}, got {data!r}.")
    values = cast(dict[str, Any], data)
    for name in ("mean", "standard_error"):
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e300:
            raise ValueError(f"measured {name} must be a nonnegative number, got {value!r}.")
    if type(values["replicas"]) is not int or not 2 <= values["replicas"] < 2**63:
        raise ValueError(f"measured replicas must be a whole number from 2, got {values['replicas']!r}.")
    return Measured(
        experiment=from_dict(values["experiment"]),
        mean=float(values["mean"]),
        standard_error=float(values["standard_error"]),
        replicas=values["replicas"],
    )


def _sampled(data: Any) -> Sampled:
    names = [field.name for field in dataclasses.fields(Sampled)]
    if not isinstance(data, dict) or set(cast(dict[str, Any], data)) != set(names):
        raise ValueError(f"sampled must hold tables of {', '.join(names)}, got {data!r}.")
    values = cast(dict[str, Any], data)
    if values["distance"] not in DISTANCE_NAMES:
        known = ", ".join(DISTANCE_NAMES)
        raise ValueError(f"sampled distance must be one of {known}, got {values['distance']!r}.")
    numbers: dict[str, float] = {}
    for name in ("value", "standard_error", "floor", "floor_error"):
        value = values[name]
        # Some distances may be slightly negative where they vanish; what has diverged is infinite.
        least = 0.0 if name.endswith("error") else -math.inf
        huge = isinstance(value, int) and abs(value) >= 2**63
        if isinstance(value, bool) or not isinstance(value, (int, float)) or huge or not value >= least:
            kind = "a nonnegative number" if name.endswith("error") else "a number"
            raise ValueError(f"sampled {name} must be {kind}, got {value!r}.")
        numbers[name] = float(value)
    return Sampled(
        experiment=from_dict(values["experiment"]),
        sampling=read_component(Sampling, values["sampling"], "sampling"),
        distance=values["distance"],
        **numbers,
    )


def changed_files(text: str) -> list[str]:
    """Files that are not what they were when the session was written."""
    changed: list[str] = []
    for name, digest in tomllib.loads(text).get("files", {}).items():
        try:
            same = content_digest(name) == digest
        except (OSError, ValueError):
            same = False
        if not same:
            changed.append(name)
    return changed


def save(session: Session, path: str | Path) -> None:
    """Write a session file, and the weights of its network beside it if that has been trained.

    Old files stay whole until the new ones are.
    """
    contents = {Path(path): to_text(session).encode()}
    if isinstance(session.experiment.score, Network) and is_trained(session.experiment):
        contents[weights_beside(path)] = to_bytes(cast(Trained, trained_for(session.experiment)))
    if len(contents) == 1:
        write_atomically(Path(path), contents[Path(path)])
    else:
        write_together(contents)


def weights_beside(path: str | Path) -> Path:
    """Where the weights of a session's network are."""
    return Path(path).with_suffix(".safetensors")


def read_network(experiment: Experiment, path: Path) -> Trained:
    """The trained network of an experiment from a file.

    Errors: `ValueError` in one sentence that names the file.
    """
    assert isinstance(experiment.score, Network)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return from_bytes(experiment.score, population_of(experiment.spectrum), data, str(path))


def load(path: str | Path) -> Session:
    """Read a session file.

    Errors: `ValueError` in one sentence that names the file.
    """
    try:
        return from_text(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: this is no session file: it is not UTF-8 text.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def is_theory(experiment: Experiment) -> bool:
    """Whether exact laws are those of a Gaussian that only has the covariance of the data, with its exact score."""
    return isinstance(experiment.spectrum, Shaped) or not experiment.score.is_affine


def headline(session: Session, totals: dict[str, float]) -> str:
    """The present result in a line."""
    present = items(session)[0]
    total = totals.get(present.label, float("nan"))
    score = " of the mean score" if isinstance(present.experiment.score, Learned) else ""
    score += " in Gaussian theory" if is_theory(present.experiment) else ""
    return f"W₂ = {total:.6g} with {present.experiment.calls} score evaluations{score}"
