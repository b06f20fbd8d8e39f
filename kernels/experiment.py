"""The experiment: everything a person can choose, as one immutable value."""

import dataclasses
import pathlib
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import torch

from kernels.arrays import Times
from kernels.gaussian import Gaussian
from kernels.grids import TIME_GRIDS, Adapted, Placed, Setting, Spaced, TimeGrid, Uniform, placed
from kernels.observations import OBSERVATIONS, Conditioned, Observation, Unobserved
from kernels.param import Choice, Component, Declaration, Path, choice, declarations, described, leaves, nearest_first
from kernels.processes import PROCESSES, Held, Process, VPLinear
from kernels.samplers import SAMPLERS, EulerMaruyama, Sampler, SingleLevel
from kernels.scores import SCORE_MODELS, Exact, ScoreModel
from kernels.spectra import SPECTRA, PowerLaw, Spectrum
from kernels.starts import STARTS, Noise, Start

# What grids of different shape have in common.
SHARED = frozenset({"steps", "start", "stop", "to_zero"})

C = TypeVar("C", bound=Component)


@dataclass(frozen=True, kw_only=True)
class Experiment(Component):
    """Data, observation, noising, score, grid, sampler and start: what is sampled, and how.

    Errors: `ValueError` in one sentence for a grid that leaves the process's range, for a sampler that does not
    apply to the process, and for a score that there is not with the observation.
    """

    spectrum: Spectrum = choice(PowerLaw(), SPECTRA, "covariance spectrum and mean of the data")
    observation: Observation = choice(
        Unobserved(), OBSERVATIONS, "noisy linear measurement that the samples are conditioned on"
    )
    process: Process = choice(VPLinear(), PROCESSES, "forward noising process")
    score: ScoreModel = choice(Exact(), SCORE_MODELS, "score used by the sampler")
    grid: TimeGrid = choice(Uniform(), TIME_GRIDS, "times visited by the sampler")
    sampler: Sampler = choice(EulerMaruyama(), SAMPLERS, "numerical method")
    start: Start = choice(Noise(), STARTS, "law that sampling starts from")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.score.refusal(self.observation):
            raise ValueError(f"{self.score.refusal(self.observation)}.")
        times = self.grid.times(self.process)
        unreached = self.score.unreached(self.noising, times)
        if unreached:
            raise ValueError(f"{unreached}.")
        refusal = self.sampler.refusal(self.process, times)
        if not refusal and isinstance(self.grid, Adapted):
            unplaced = self.grid.refusal(self.sampler, exact=self.is_exact)
            if unplaced:
                raise ValueError(f"{unplaced}.")
        if refusal:
            fitting = ", ".join(kind.__name__ for kind in applicable(self.process, times))
            here = f"{type(self.process).__name__} with {type(self.grid).__name__}"
            raise ValueError(f"{refusal}, got {here}; samplers that apply here: {fitting}.")

    @property
    def times(self) -> Times:
        """Times visited, in the process's own time.

        Errors: `ValueError` in one sentence where a grid that adapts cannot read the data, or is not defined on them.
        """
        return self.placed.times

    @property
    def placed(self) -> Placed:
        """The grid with its times for this experiment; errors as `times`."""
        if isinstance(self.sampler, SingleLevel):
            return Placed(_steady(self.sampler.step_size, len(self.grid.times(self.process)) - 1), None)
        return placed(self.grid, self.setting)

    @property
    def noising(self) -> Process:
        """The process that is really followed: the chosen one, or for a sampler at a single noise level that level."""
        if isinstance(self.sampler, SingleLevel):
            return Held(level=self.score.noise_amplitude)
        return self.process

    @property
    def idle(self) -> frozenset[str]:
        """Dotted paths of what has no effect here."""
        fields = {name: declarations(type(getattr(self, name))) for name in ("process", "grid")}
        if isinstance(self.sampler, SingleLevel):
            paths = {f"{family}.{name}" for family, names in fields.items() for name in names}
            return frozenset(paths - {"grid.steps", "grid.values"} | {"score.shared"})
        return frozenset({"score.noise_amplitude"})

    @property
    def setting(self) -> Setting:
        """What the grid is made for."""
        return Setting(
            spectrum=self.spectrum,
            observation=self.observation,
            process=self.process,
            score=self.score,
            sampler=self.sampler,
            start=self.start,
        )

    @property
    def data(self) -> Conditioned:
        """What is sampled: the data, given what was observed of them; errors as `Setting.data`."""
        return self.setting.data

    @property
    def law(self) -> Gaussian:
        """The law that is sampled, largest eigenvalue first; kept, and errors as `data`."""
        return self.data.law

    @property
    def by_mode(self) -> bool:
        """Whether every mode has to be computed by itself, with its own mean."""
        return self.score.by_mode(self.observation)

    @property
    def is_exact(self) -> bool:
        """Whether the score is that of the noised data, of which alone there is a first-order theory."""
        return self.score.is_exact(self.observation)

    @property
    def calls(self) -> int:
        """Score evaluations of the whole run (NFE)."""
        return self.sampler.total_calls(self.process, self.grid.times(self.process))


@lru_cache(maxsize=64)
def _steady(step_size: float, steps: int) -> Times:
    """Times that count down to zero by equal steps."""
    return step_size * torch.arange(steps, -1, -1, dtype=torch.float64)


def applicable(process: Process, times: Times) -> list[type[Sampler]]:
    """Kinds of sampler that are defined, with their default parameters, on these times of a process."""
    return [kind for kind in SAMPLERS if not kind().refusal(process, times)]


def with_kind(experiment: Experiment, path: str, chosen: Component) -> Experiment:
    """The experiment with another component, and with what depends on it made to fit.

    A new process brings its usual start and stop to the grid; a sampler that does not apply to what was chosen
    gives way to the first one that does, and a score that there is not with a new observation to the exact one.
    """
    parts: dict[str, Any] = {path: chosen}
    process: Process = parts.get("process", experiment.process)
    grid: TimeGrid = parts.get("grid", experiment.grid)
    if path == "grid":
        grid = carried(grid, experiment.grid)
    if path == "process" or not _fits(grid, process):
        grid = fitted(grid, process)
    sampler: Sampler = parts.get("sampler", experiment.sampler)
    if path != "sampler" and sampler.refusal(process, grid.times(process)):
        sampler = applicable(process, grid.times(process))[0]()
    observation: Observation = parts.get("observation", experiment.observation)
    score: ScoreModel = parts.get("score", experiment.score)
    unreached = not isinstance(sampler, SingleLevel) and score.unreached(process, grid.times(process))
    if path == "score" and unreached:
        grid = _inside(grid, process)
    elif path != "score" and (score.refusal(observation) or unreached):
        score = Exact()
    if isinstance(grid, Adapted):
        grid = grid.suited(sampler, exact=score.is_exact(observation))
    return dataclasses.replace(experiment, **{**parts, "score": score, "grid": grid, "sampler": sampler})


def carried(grid: TimeGrid, former: TimeGrid) -> TimeGrid:
    """A grid with the number of steps and the range of another one, as far as both have them."""
    shared = declarations(type(grid)).keys() & declarations(type(former)).keys() & SHARED
    return dataclasses.replace(grid, **{name: getattr(former, name) for name in shared})


def fitted(grid: TimeGrid, process: Process) -> TimeGrid:
    """The grid over the process's usual range, or a uniform one where this kind of grid has no place on it."""
    start, stop = process.span
    if isinstance(grid, Spaced):
        # Grids in the noise level have no place for its ends zero and infinity, where usual ranges may lie.
        inside = max(stop, 1e-3 * start)
        for first, last in ((start, stop), (0.99 * start, inside)):
            candidate = dataclasses.replace(grid, start=first, stop=last)
            if _fits(candidate, process):
                return candidate
    return grid if _fits(grid, process) else Uniform(steps=steps_of(grid), start=start, stop=stop)


def _inside(grid: TimeGrid, process: Process) -> TimeGrid:
    """The grid begun a little later, where there is some signal."""
    start, stop = (float(grid.times(process)[end]) for end in (0, -1))
    if isinstance(grid, Spaced) and 0.99 * start > grid.stop:
        candidate = dataclasses.replace(grid, start=0.99 * start)
        if _fits(candidate, process):
            return candidate
    return Uniform(steps=steps_of(grid), start=0.99 * start, stop=min(stop, 0.98 * start))


def steps_of(grid: TimeGrid) -> int:
    """Number of steps of a grid, whether it is a parameter or the length of a list."""
    return int(getattr(grid, "steps", 0)) or len(getattr(grid, "values", (0, 0))) - 1


def _fits(grid: TimeGrid, process: Process) -> bool:
    try:
        grid.times(process)
    except ValueError:
        return False
    return True


def to_dict(component: Component) -> dict[str, Any]:
    """Plain nested dictionaries, for session files and JSON."""
    fields = {name: getattr(component, name) for name in declarations(type(component))}
    plain = {
        name: to_dict(value) if isinstance(value, Component) else list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
    }
    return plain if type(component) is Experiment else {"kind": type(component).__name__, **plain}


def from_dict(data: Any) -> Experiment:
    """Read `to_dict`'s output back.

    Errors: `ValueError` in one sentence for anything unknown or out of its domain.
    """
    return read_component(Experiment, data, "the experiment")


def component_from_dict(family: str, data: Any) -> Any:
    """One component of a family (`sampler`, `grid`, ...) from `to_dict`'s output.

    Errors: as `from_dict`.
    """
    return _value(declarations(Experiment)[family], data, described(Experiment, family))


def read_component(kind: type[C], data: Any, where: str) -> C:
    """A component of a kind from `to_dict`'s output, which need not name the kind.

    Errors: `ValueError` in one sentence that says where.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be a table of names and values, got {data!r}.")
    known = declarations(kind)
    values: dict[str, Any] = {}
    for name, value in data.items():  # pyright: ignore[reportUnknownVariableType]
        if name == "kind" and not issubclass(kind, Experiment):
            continue
        if name not in known:
            raise ValueError(
                f"{where} has no parameter {name!r}; known are {nearest_first(str(name), known) or 'none'}."
            )
        declaration = known[str(name)]
        values[str(name)] = _value(declaration, value, described(kind, str(name)))
    return kind(**values)


def _value(declaration: Declaration, value: Any, where: str) -> Any:
    if not isinstance(declaration, Choice):
        return tuple(value) if isinstance(value, list) else value
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError(f"{where} must be a table with a kind, got {value!r}.")
    try:
        kind = declaration.kind(str(value["kind"]))
    except ValueError as error:
        raise ValueError(f"{where} {error}.") from None
    return read_component(kind, value, kind.__name__)


def files_of(component: Component) -> tuple[Hashable, ...]:
    """What tells the files that a component names from what they were: sizes and times, or that there is none."""
    found: list[Hashable] = []
    for _, declaration, value in leaves(component):
        if isinstance(declaration, Path) and value:
            try:
                status = pathlib.Path(value).stat()
            except (OSError, ValueError):
                found.append(None)
            else:
                found.append((status.st_size, status.st_mtime_ns))
    return tuple(found)


def override(experiment: Experiment, assignments: list[tuple[str, str]]) -> Experiment:
    """The experiment with `path=value` assignments as typed on a command line, kinds before their parameters.

    A grid of another kind keeps the number of steps and the range; a process that is changed brings its usual start
    and stop. Both give way to what is assigned.

    Errors: `ValueError` in one sentence naming the path, the value and what is allowed.
    """
    parts = {name: getattr(experiment, name) for name in declarations(Experiment)}
    fields: dict[str, dict[str, Any]] = {name: {} for name in parts}
    for path, text in assignments:
        family, _, name = path.partition(".")
        if family not in parts:
            raise ValueError(f"there is no {family!r} in an experiment; known are {nearest_first(family, parts)}.")
        if not name:
            parts[family] = _parsed(Experiment, family, text)
    parts["grid"] = carried(parts["grid"], experiment.grid)
    for path, text in assignments:
        family, _, name = path.partition(".")
        known = declarations(type(parts[family]))
        if name and name not in known:
            what = f"{type(parts[family]).__name__} has no parameter {name!r}"
            raise ValueError(f"{what}; known are {nearest_first(name, known) or 'none'}.")
        if name:
            fields[family][name] = _parsed(type(parts[family]), name, text)
    process = dataclasses.replace(parts["process"], **fields["process"])
    if process != experiment.process and isinstance(parts["grid"], Spaced):
        start, stop = process.span
        fields["grid"] = {"start": start, "stop": stop, **fields["grid"]}
    return Experiment(**{name: dataclasses.replace(part, **fields[name]) for name, part in parts.items()})


def _parsed(kind: type[Component], name: str, text: str) -> Any:
    declaration = declarations(kind)[name]
    try:
        return declaration.check(declaration.parse(text))
    except ValueError as error:
        raise ValueError(f"{described(kind, name)} {error}.") from None
