"""Machine code: programs of graphics cards, and loops for the processor.

Programs are run by Triton's interpreter, run on a card, or compiled for cards that are not there.
Which it is, Triton wants to know before it is imported, so that each is for a process of its own.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from numba import njit

has_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs the package triton, which is not installed"
)
has_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA graphics card, and there is none")

# Cards that programs are compiled for: 80 stands for sm_80.
AGES = (80, 90)


def ran(text: str, *, interpreted: bool) -> str:
    """What a process prints; the interpreter runs on the processor."""
    environment = {**os.environ, "WASSERSCOPE_TYPECHECK": "0"}
    environment.pop("TRITON_INTERPRET", None)
    if interpreted:
        environment["TRITON_INTERPRET"] = "1"
    with tempfile.TemporaryDirectory() as cache:
        environment["TRITON_CACHE_DIR"] = cache
        # Triton warns of what it will do otherwise in future.
        command = [sys.executable, "-W", "error::UserWarning", "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Launched:
    """A program, what it was launched with, and the assembly that it became."""

    name: str
    arguments: dict[str, Any]
    assembly: str


@contextmanager
def compiled_for(age: int) -> Generator[list[Launched]]:
    """Whatever is launched is compiled to machine code for a card of this age, and not run: results are arbitrary."""
    compiler, driver, jit = (
        cast(Any, importlib.import_module(f"triton.{name}"))
        for name in ("backends.compiler", "runtime.driver", "runtime.jit")
    )
    target, launch = compiler.GPUTarget("cuda", age, 32), jit.JITFunction.run
    launched: list[Launched] = []

    def stream(_device: int) -> int:
        return 0

    def only_compile(program: Any, *values: Any, **named: Any) -> None:
        found = launch(program, *values, **named | {"warmup": True})
        assert found.asm["cubin"]
        arguments = dict(zip(program.arg_names, values, strict=False)) | named
        launched.append(Launched(program.__name__, arguments, found.asm["ptx"]))

    # What Triton asks of a card before it compiles; programs are kept by the number of the card.
    driver.driver.set_active(
        SimpleNamespace(get_current_target=lambda: target, get_current_device=lambda: age, get_current_stream=stream)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit.JITFunction, "run", only_compile)
        yield launched


def compile_anew() -> None:
    """Make machine code for the processor that is in no file on disk."""
    cast(Any, njit)(lambda x: x + 1)(1)  # pyright: ignore[reportUnknownLambdaType]
