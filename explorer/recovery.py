"""The last state, kept aside while the program runs, and offered again after a crash."""

import contextlib
import os
from pathlib import Path

import platformdirs
import psutil

from explorer.files import write_atomically


def folder() -> Path:
    """Where running programs keep their last state."""
    return Path(platformdirs.user_state_dir("wasserscope")) / "recovery"


def keep(text: str) -> None:
    """Write this program's state aside; a full disk is no reason to disturb a person at work."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / f"{os.getpid()}.toml", text.encode())
    except (OSError, UnicodeEncodeError):
        return


def forget() -> None:
    """This program ends as it should."""
    _remove(folder() / f"{os.getpid()}.toml")


def left_behind() -> Path | None:
    """The newest state of a program that no longer runs, if any."""
    found = [path for path in folder().glob("*.toml") if not _runs(path.stem)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def discard() -> None:
    """Remove what programs that no longer run have left."""
    for path in folder().glob("*.toml"):
        if not _runs(path.stem):
            _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _runs(name: str) -> bool:
    try:
        return name.isdecimal() and int(name) != os.getpid() and psutil.pid_exists(int(name))
    except OverflowError:
        # No process has such a number.
        return False
