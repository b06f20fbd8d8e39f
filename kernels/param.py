"""Declarations: what a person may choose, said once and read by every part of the program.

A component is a frozen dataclass whose fields are declared with `param`, `flag`, `option`, `numbers`,
`path` or `choice`. The form, the tooltip, the error message, the command line, the session file and
the property tests all read the same declaration.
"""

import dataclasses
import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from kernels.arithmetic import evaluate


@dataclass(frozen=True)
class Interval:
    """The set of legal numbers of a parameter; infinities and nan are never legal."""

    low: float
    high: float
    includes_low: bool = True
    includes_high: bool = True

    def __contains__(self, value: float) -> bool:
        above = self.low <= value if self.includes_low else self.low < value
        below = value <= self.high if self.includes_high else value < self.high
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        left = "[" if self.includes_low and math.isfinite(self.low) else "("
        right = "]" if self.includes_high and math.isfinite(self.high) else ")"
        return f"{left}{self.low:g}, {self.high:g}{right}"


REAL = Interval(-math.inf, math.inf)
NONNEGATIVE = Interval(0.0, math.inf)
POSITIVE = Interval(0.0, math.inf, includes_low=False)
UNIT = Interval(0.0, 1.0)


class Declaration(ABC):
    """How one field may be set: `check` accepts a value, `parse` a text; both raise `ValueError`."""

    symbol: str
    help: str

    @abstractmethod
    def check(self, value: Any) -> Any:
        """Return the value in its canonical type, or raise `ValueError` with what is allowed."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Read what a person typed; the result still has to pass `check`."""


@dataclass(frozen=True)
class Number(Declaration):
    """A float or an int; `slider` is a comfortable range, `domain` the law."""

    symbol: str
    slider: tuple[float, float]
    help: str
    domain: Interval
    log: bool
    unit: str
    integer: bool

    def check(self, value: Any) -> float | int:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"must be a number in {self.domain}, got {value!r}")
        number = _as_float(value)
        if self.integer and math.isfinite(number) and number != int(number):
            raise ValueError(f"must be a whole number in {self.domain}, got {value!r}")
        if number not in self.domain:
            raise ValueError(f"must lie in {self.domain}, got {value if self.integer else number!r}")
        return int(value) if self.integer else number

    def parse(self, text: str) -> float | int:
        return evaluate(text)


def _as_float(value: float) -> float:
    """The number as a float; a whole number that is too large for one becomes an infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@dataclass(frozen=True)
class Flag(Declaration):
    """Yes or no."""

    symbol: str
    help: str

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, got {value!r}")
        return value

    def parse(self, text: str) -> bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.strip().lower() not in words:
            raise ValueError(f"must be true or false, got {text!r}")
        return words[text.strip().lower()]


@dataclass(frozen=True)
class Option(Declaration):
    """One of a few names that index a table."""

    symbol: str
    options: tuple[str, ...]
    help: str

    def check(self, value: Any) -> str:
        if value not in self.options:
            raise ValueError(f"must be one of {nearest_first(str(value), self.options)}, got {value!r}")
        return str(value)

    def parse(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Numbers(Declaration):
    """A list of numbers, as a person would paste it."""

    symbol: str
    help: str
    domain: Interval
    least: int

    def check(self, value: Any) -> tuple[float, ...]:
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            raise ValueError(f"must be a list of numbers in {self.domain}, got {value!r}")
        values = tuple[Any, ...](value)
        for position, item in enumerate(values):
            if isinstance(item, bool) or not isinstance(item, (int, float)) or _as_float(item) not in self.domain:
                raise ValueError(f"must hold numbers in {self.domain}, got {item!r} at position {position}")
        if len(values) < self.least:
            raise ValueError(f"must hold at least {self.least} numbers, got {len(values)}")
        return tuple(float(item) for item in values)

    def parse(self, text: str) -> tuple[float, ...]:
        bare = text.strip().strip("[]()")
        return tuple(float(evaluate(item)) for item in bare.replace(",", " ").replace(";", " ").split())


@dataclass(frozen=True)
class Path(Declaration):
    """A file or folder; `patterns` are the kinds of file that can be read, none for a folder."""

    symbol: str
    help: str
    patterns: tuple[str, ...]

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be a path, got {value!r}")
        return value

    def parse(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Choice(Declaration):
    """One component out of a registered family."""

    kinds: tuple[type["Component"], ...]
    help: str
    symbol: str = ""

    def kind(self, name: str) -> type["Component"]:
        """The kind of this name; `ValueError` names the nearest otherwise."""
        known = {kind.__name__: kind for kind in self.kinds}
        if name not in known:
            raise ValueError(f"must be one of {nearest_first(name, known)}, got {name!r}")
        return known[name]

    def check(self, value: Any) -> "Component":
        if type(value) not in self.kinds:
            names = ", ".join(kind.__name__ for kind in self.kinds)
            raise ValueError(f"must be one of {names}, got {value!r}")
        return value

    def parse(self, text: str) -> "Component":
        return self.kind(text.strip())()


def param(
    default: float,
    symbol: str,
    slider: tuple[float, float],
    help: str,
    *,
    domain: Interval = REAL,
    log: bool = False,
    unit: str = "",
) -> Any:
    """Declare a number; it is whole where its default is."""
    integer = isinstance(default, int)
    return _field(default, Number(symbol, slider, help, domain, log, unit, integer))


def flag(default: bool, symbol: str, help: str) -> Any:
    """Declare a yes or no."""
    return _field(default, Flag(symbol, help))


def option(default: str, symbol: str, options: Iterable[str], help: str) -> Any:
    """Declare a name out of a table."""
    return _field(default, Option(symbol, tuple(options), help))


def numbers(default: tuple[float, ...], symbol: str, help: str, *, domain: Interval = REAL, least: int = 1) -> Any:
    """Declare a list of numbers."""
    return _field(default, Numbers(symbol, help, domain, least))


def path(symbol: str, help: str, patterns: tuple[str, ...]) -> Any:
    """Declare a file to be read, or a folder where `patterns` is empty; unset it is the empty text."""
    return _field("", Path(symbol, help, patterns))


def choice(default: "Component", kinds: tuple[type["Component"], ...], help: str) -> Any:
    """Declare a component out of a family."""
    return _field(default, Choice(kinds, help))


def _field(default: Any, declaration: Declaration) -> Any:
    return dataclasses.field(default=default, metadata={"declaration": declaration})


Constraint = tuple[Callable[[Any], bool], str]


@dataclass(frozen=True, kw_only=True)
class Component:
    """Base of everything a person can choose: immutable, hashable, printable as Python.

    Errors: `ValueError` for a value outside its declaration, or one that breaks a constraint.
    """

    formula: ClassVar[str] = ""
    source: ClassVar[str] = ""
    constraints: ClassVar[tuple[Constraint, ...]] = ()

    def __init_subclass__(cls) -> None:
        # Set before the dataclass decorator would: two families may use the same word, so kinds are qualified.
        type.__setattr__(cls, "__repr__", _expression)

    def __post_init__(self) -> None:
        for name, declaration in declarations(type(self)).items():
            try:
                value = declaration.check(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{described(type(self), name)} {error}.") from None
            object.__setattr__(self, name, value)
        for holds, sentence in self.constraints:
            if not holds(self):
                raise ValueError(f"{type(self).__name__}: {sentence.format(self=self)}.")


def _expression(component: Component) -> str:
    """`samplers.DDIM(eta=0.5)`: valid Python where the families' packages are imported from kernels."""
    kind = type(component)
    parts = kind.__module__.split(".")
    is_family = parts[0] == "kernels" and parts[1] != kind.__name__.lower()
    family = f"{parts[1]}." if is_family else ""
    values = ", ".join(f"{name}={getattr(component, name)!r}" for name in declarations(kind))
    return f"{family}{kind.__name__}({values})"


def declarations(kind: type[Component]) -> dict[str, Declaration]:
    """The declared fields of a kind of component, in the order they are shown."""
    return {field.name: field.metadata["declaration"] for field in dataclasses.fields(kind)}


def described(kind: type[Component], name: str) -> str:
    """`EulerMaruyama.stochasticity (ε)`, the way an error message names a field."""
    symbol = declarations(kind)[name].symbol
    return f"{kind.__name__}.{name} ({symbol})" if symbol else f"{kind.__name__}.{name}"


def varied(component: Component, **values: Any) -> Any:
    """A copy with values that have not been checked, tensors to be differentiated by among them; never to be kept."""
    copy = object.__new__(type(component))
    for name in declarations(type(component)):
        object.__setattr__(copy, name, values.get(name, getattr(component, name)))
    return copy


def nearest_first(name: str, known: Iterable[str]) -> str:
    """Known names joined by commas, those most like `name` first."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=len(names) or 1, cutoff=0.5)
    return ", ".join([*close, *(other for other in names if other not in close)])


def leaves(component: Component, prefix: str = "") -> Iterator[tuple[str, Declaration, Any]]:
    """Every declared field below a component as (dotted path, declaration, value), choices before their fields."""
    for name, declaration in declarations(type(component)).items():
        value = getattr(component, name)
        yield prefix + name, declaration, value
        if isinstance(declaration, Choice):
            yield from leaves(value, f"{prefix}{name}.")
