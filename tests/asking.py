"""The command line as a person uses it."""

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from explorer.cli import main

Answer = tuple[int, str, str]


class Terminal(io.StringIO):
    """A place to write to that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Asking:
    """One command, asked with any arguments; what it answers is its status, output and errors."""

    command: str

    def asked(self, *arguments: str) -> Answer:
        """The answer."""
        return self._answered(arguments, io.StringIO())

    def watched(self, *arguments: str) -> Answer:
        """The answer where errors are shown in a terminal."""
        return self._answered(arguments, Terminal())

    def numbers(self, *arguments: str) -> dict[str, Any]:
        """What it prints as JSON, when nothing is wrong."""
        status, out, err = self.asked(*arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    def _answered(self, arguments: Sequence[str], err: io.StringIO) -> Answer:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main((self.command, *arguments))
        return status, out.getvalue(), err.getvalue()
