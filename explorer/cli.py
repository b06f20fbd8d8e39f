"""The command line: the same experiments without a window. Torch and Qt are imported only where they are used."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from explorer import VERSION

if TYPE_CHECKING:
    from explorer.session import Session

DESCRIPTION = """\
Exact error of diffusion and flow samplers on Gaussian data.

Without a command the window opens, on SESSION and with `path=value` assignments if given:
  wasserscope [SESSION] [path=value ...] [--smoke FILE.png]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit status is 2 after one sentence on standard error for bad input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Formulas have Greek letters; a console that lacks them shows their names in escapes, and not an error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command = COMMANDS.get(given[0]) if given else None
        return command(given[1:]) if command else _window(given)
    except ValueError as error:
        print(f"wasserscope: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # A reader that closes the pipe early is no error; a file that cannot be written is.
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return 0
        print(f"wasserscope: {error}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `{self.prog} --help`.")


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return _Parser(
        prog=f"wasserscope {name}".strip(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def read_session(words: Sequence[str]) -> "Session":
    """The session that words on a command line stand for: at most one file, and `path=value` assignments.

    Errors: `ValueError` in one sentence that names the path or file, the value and what is allowed.
    """
    import dataclasses

    from explorer.session import Session, load
    from kernels.experiment import override

    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise ValueError(f"expected one session file and path=value assignments, got {', '.join(map(repr, files))}.")
    session = load(files[0]) if files else Session()
    pairs = [word.partition("=") for word in words if "=" in word]
    experiment = override(session.experiment, [(path.strip(), value) for path, _, value in pairs])
    return dataclasses.replace(session, experiment=experiment)


def _run(arguments: list[str]) -> int:
    parser = _parser("run", "Compute one experiment exactly and print its error.")
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument("--out", metavar="DIR", help="also write report, tables, session and figures into this folder")
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.out is not None and not chosen.out.strip():
        raise ValueError("--out needs the name of a folder, got an empty one.")
    session = read_session(chosen.words)

    import torch

    from explorer.reporting import as_json, as_text, write_all

    torch.set_num_threads(1)
    text = (as_json if chosen.json else as_text)(session.experiment)
    written = write_all(session, Path(chosen.out)) if chosen.out else []
    print(text)
    if written and not chosen.json:
        print(f"\nwrote {len(written)} files into {chosen.out}: {', '.join(path.name for path in written)}")
    return 0


def _list(arguments: list[str]) -> int:
    parser = _parser("list", "Every component with its parameters, symbols, domains, defaults, formula and source.")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    chosen = parser.parse_args(arguments)
    from explorer.listing import as_text, catalog

    print(json.dumps(catalog(), ensure_ascii=False, indent=1) if chosen.json else as_text(catalog()))
    return 0


def _doctor(arguments: list[str]) -> int:
    _parser("doctor", "Versions, device, display and threads; what is missing and how to get it.").parse_args(arguments)
    from explorer.doctor import findings

    lines, healthy = findings()
    print("\n".join(lines))
    return 0 if healthy else 1


def _window(arguments: list[str]) -> int:
    parser = _parser("", DESCRIPTION)
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--version", action="version", version=f"wasserscope {VERSION}")
    parser.add_argument("--smoke", metavar="FILE.png", help="draw one whole frame, save its picture and exit")
    parser.epilog = "commands: " + ", ".join(f"wasserscope {name} --help" for name in COMMANDS)
    chosen = parser.parse_intermixed_args(arguments)
    for word in chosen.words:
        if "=" not in word and not Path(word).is_file():
            from difflib import get_close_matches

            near = get_close_matches(word, COMMANDS, n=1)
            hint = f"; did you mean `wasserscope {near[0]}`?" if near else f"; commands are {', '.join(COMMANDS)}."
            raise ValueError(f"{word!r} is neither a session file nor a command{hint}")
    from explorer.app import open_window

    return open_window(chosen.words, chosen.smoke)


COMMANDS: dict[str, Callable[[list[str]], int]] = {"run": _run, "list": _list, "doctor": _doctor}


if __name__ == "__main__":
    sys.exit(main())
