"""The session: an experiment and what is shown beside it, as one immutable value and as a text file."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomli_w

from explorer.files import write_atomically
from explorer.marks import Style, identity
from kernels.experiment import Experiment, component_from_dict, from_dict, to_dict
from kernels.grids import TimeGrid
from kernels.param import Component, declarations, leaves
from kernels.param import Path as PathDeclaration
from kernels.samplers import Sampler
from kernels.spectra.files import content_digest

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that an undo brings back and a session file keeps.

    `samplers` and `grids` are drawn beside the experiment, each of one with each of the other; `pins` are former
    experiments kept as references; `swept` is the number on the abscissa of the sweep; `stops` and `budgets`
    (numbers of score evaluations) span the ablation table.
    """

    experiment: Experiment = dataclasses.field(default_factory=Experiment)
    samplers: tuple[Sampler, ...] = ()
    grids: tuple[TimeGrid, ...] = ()
    pins: tuple[Experiment, ...] = ()
    swept: str = "sampler.stochasticity"
    stops: tuple[float, ...] = (1e-5, 1e-3)
    budgets: tuple[int, ...] = (50, 250)


@dataclass(frozen=True)
class Item:
    """One experiment on the plots, with its name and look."""

    label: str
    experiment: Experiment
    style: Style


def named(component: Component) -> str:
    """`DDIM(η=0.5)`: the kind, and the parameters that differ from its defaults."""
    kind = type(component)
    plain = kind()
    parts = [
        f"{declaration.symbol or name}={_text(getattr(component, name))}"
        for name, declaration in declarations(kind).items()
        if getattr(component, name) != getattr(plain, name)
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
    found: list[tuple[str, Experiment]] = [(named(present.sampler), present)]
    for sampler in session.samplers or (present.sampler,):
        for grid in session.grids or (present.grid,):
            try:
                other = dataclasses.replace(present, sampler=sampler, grid=grid)
            except ValueError:
                continue
            if all(other != experiment for _, experiment in found):
                names = [named(sampler)] if session.samplers or not session.grids else []
                found.append((" · ".join(names + ([type(grid).__name__] if session.grids else [])), other))
    for pin in session.pins:
        found.append((f"pin: {difference(pin, present)}", pin))
    return [Item(label, experiment, identity(k)) for k, (label, experiment) in enumerate(found)]


def to_text(session: Session) -> str:
    """The session as TOML, with a digest of every file that it reads."""
    data: dict[str, Any] = {
        "version": VERSION,
        "swept": session.swept,
        "stops": list(session.stops),
        "budgets": list(session.budgets),
        "experiment": to_dict(session.experiment),
        "samplers": [to_dict(sampler) for sampler in session.samplers],
        "grids": [to_dict(grid) for grid in session.grids],
        "pins": [to_dict(pin) for pin in session.pins],
        "files": _digests(session),
    }
    return tomli_w.dumps(data)


def _digests(session: Session) -> dict[str, str]:
    digests: dict[str, str] = {}
    for experiment in (session.experiment, *session.pins):
        for _, declaration, value in leaves(experiment):
            if isinstance(declaration, PathDeclaration) and value:
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
    version = data.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise ValueError(f"the session has version {version!r}, this program reads versions up to {VERSION}.")
    known = {"version", "files", *(field.name for field in dataclasses.fields(Session))}
    for name in data:
        if name not in known:
            raise ValueError(f"the session has an unknown entry {name!r}; known are {', '.join(sorted(known))}.")
    return Session(
        experiment=from_dict(data.get("experiment", {})),
        samplers=tuple(component_from_dict("sampler", part) for part in _list(data, "samplers")),
        grids=tuple(component_from_dict("grid", part) for part in _list(data, "grids")),
        pins=tuple(from_dict(part) for part in _list(data, "pins")),
        swept=str(data.get("swept", Session.swept)),
        stops=tuple(_number(value) for value in _list(data, "stops", Session.stops)),
        budgets=tuple(int(_number(value)) for value in _list(data, "budgets", Session.budgets)),
    )


def _list(data: dict[str, Any], name: str, default: tuple[Any, ...] = ()) -> list[Any]:
    value = data.get(name, list(default))
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, got {value!r}.")
    return cast(list[Any], value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError(f"stops and budgets must be nonnegative numbers, got {value!r}.")
    return float(value)


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
    """Write a session file; the old one stays whole until the new one is."""
    write_atomically(Path(path), to_text(session).encode())


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


def headline(session: Session, totals: dict[str, float]) -> str:
    """The present result in a line."""
    present = items(session)[0]
    total = totals.get(present.label, float("nan"))
    return f"W₂ = {total:.6g} with {present.experiment.calls} score evaluations"
