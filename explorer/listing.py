"""The catalog: every component and parameter, read off the declarations."""

import dataclasses
import inspect
from typing import Any

from kernels.experiment import Experiment, to_dict
from kernels.param import Choice, Component, Declaration, Flag, Number, Numbers, Option, declarations


def catalog() -> dict[str, list[dict[str, Any]]]:
    """Families, their kinds, and the parameters of each, as plain values."""
    families: dict[str, list[dict[str, Any]]] = {}
    for family, declaration in declarations(Experiment).items():
        assert isinstance(declaration, Choice)
        families[family] = [_kind(kind) for kind in declaration.kinds]
    return families


def _kind(kind: type[Component]) -> dict[str, Any]:
    defaults = to_dict(kind())
    return {
        "kind": kind.__name__,
        "help": inspect.getdoc(kind) or "",
        "formula": kind.formula,
        "source": kind.source,
        "parameters": [
            {"name": name, **_parameter(declaration), "default": defaults[name]}
            for name, declaration in declarations(kind).items()
        ],
    }


def _parameter(declaration: Declaration) -> dict[str, Any]:
    described: dict[str, Any] = {"symbol": declaration.symbol, "help": declaration.help, "domain": _domain(declaration)}
    if isinstance(declaration, Number):
        described |= {
            "slider": list(declaration.slider),
            "log": declaration.log,
            "unit": declaration.unit,
            "type": "int" if declaration.integer else "float",
        }
    else:
        described["type"] = type(declaration).__name__.lower()
    return described


def _domain(declaration: Declaration) -> str:
    match declaration:
        case Number():
            return ("whole numbers in " if declaration.integer else "") + str(declaration.domain)
        case Numbers():
            return f"lists of numbers in {declaration.domain}"
        case Option():
            return ", ".join(declaration.options)
        case Flag():
            return "true, false"
        case _:
            patterns = dataclasses.asdict(declaration).get("patterns", ())  # pyright: ignore[reportArgumentType]
            return "path of " + (", ".join(patterns) if patterns else "a folder")


def as_text(families: dict[str, list[dict[str, Any]]]) -> str:
    """The catalog for a terminal."""
    lines: list[str] = []
    for family, kinds in families.items():
        lines += [family.upper(), ""]
        for kind in kinds:
            lines.append(f"  {family}={kind['kind']}")
            lines.append(f"      {kind['help'].splitlines()[0]}")
            lines.append(f"      {kind['formula']}")
            lines.append(f"      {kind['source']}")
            for parameter in kind["parameters"]:
                symbol = f" ({parameter['symbol']})" if parameter["symbol"] else ""
                lines.append(
                    f"      {family}.{parameter['name']}{symbol} = {parameter['default']!r}"
                    f"   {parameter['domain']}   {parameter['help']}"
                )
            lines.append("")
    return "\n".join(lines)
