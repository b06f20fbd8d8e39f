"""An experiment as text that another program runs: Python, or a command line."""

import shlex
from typing import Any

from kernels.experiment import Experiment
from kernels.param import Choice, Declaration, leaves


def as_python(experiment: Experiment) -> str:
    """A script that prints the numbers which the window shows."""
    families = sorted({type(value).__module__.split(".")[1] for _, kind, value in leaves(experiment) if _is_kind(kind)})
    imports = [
        f"from kernels import {', '.join(families)}",
        "from kernels.experiment import Experiment",
        "from kernels.report import report",
    ]
    chosen = [(name, value) for name, declaration, value in leaves(experiment) if _is_kind(declaration)]
    parts = [f"    {name}={value!r}," for name, value in chosen]
    return "\n".join(
        [
            *imports,
            "",
            "experiment = Experiment(",
            *parts,
            ")",
            "error = report(experiment)",
            'print("NFE", error.calls)',
            'for source in ("total", "discretization", "initialization", "truncation"):',
            '    print("W2", source, float(getattr(error.wasserstein2, source)))',
            "",
        ]
    )


def _is_kind(declaration: Declaration) -> bool:
    return isinstance(declaration, Choice)


def assignments(experiment: Experiment) -> list[str]:
    """Every choice as `path=value`."""
    return [f"{path}={_text(value, declaration)}" for path, declaration, value in leaves(experiment)]


def _text(value: Any, declaration: Any) -> str:
    if isinstance(declaration, Choice):
        return type(value).__name__
    if isinstance(value, tuple):
        return ",".join(repr(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


def as_command(experiment: Experiment) -> str:
    """A command line that prints the numbers which the window shows."""
    return shlex.join(["wasserscope", "run", *assignments(experiment)])
