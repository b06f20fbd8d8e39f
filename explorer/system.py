"""The system libraries that Qt leans on and pip cannot install: which are missing, and how to get them.

Standard library only: it runs before the window does, and says why no window could open.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """A shared library, and the package that holds it in three families of Linux."""

    name: str
    debian: str
    fedora: str
    arch: str


@dataclass(frozen=True)
class Manager:
    """A package manager: its commands, and how it calls the package of a library."""

    refresh: tuple[str, ...]
    install: tuple[str, ...]
    package: Callable[[Library], str]


# Without these Qt cannot be imported at all, even to draw off screen.
OFFSCREEN = (
    Library("libGL.so.1", "libgl1", "libglvnd-glx", "libglvnd"),
    Library("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd"),
    Library("libglib-2.0.so.0", "libglib2.0-0", "glib2", "glib2"),
    Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs", "dbus"),
    Library("libfontconfig.so.1", "libfontconfig1", "fontconfig", "fontconfig"),
    Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon", "libxkbcommon"),
)
# Without these no window opens on X11.
WINDOW = (
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor"),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm", "xcb-util-wm"),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms"),
    Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb", "libxcb"),
    Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11"),
)

MANAGERS = (
    Manager(("apt-get", "update"), ("apt-get", "install", "-y"), lambda library: library.debian),
    Manager((), ("dnf", "install", "-y"), lambda library: library.fedora),
    Manager((), ("pacman", "-S", "--needed", "--noconfirm"), lambda library: library.arch),
)


def missing(libraries: Iterable[Library] = OFFSCREEN + WINDOW) -> tuple[Library, ...]:
    """Those that cannot be loaded; none on macOS and Windows, where Qt brings what it needs."""
    if sys.platform != "linux":
        return ()
    return tuple(library for library in libraries if not _loads(library.name))


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def manager() -> Manager | None:
    """The package manager of this machine, if it is one we know."""
    return next((known for known in MANAGERS if shutil.which(known.install[0])), None)


def command(lacking: Iterable[Library], using: Manager) -> tuple[str, ...]:
    """What installs these libraries, each package once."""
    return (*using.install, *dict.fromkeys(using.package(library) for library in lacking))


def advice(lacking: tuple[Library, ...], using: Manager | None) -> str:
    """One sentence for a person: what is missing, what it prevents, what to type."""
    names = ", ".join(library.name for library in lacking)
    prevented = "Qt cannot start" if set(lacking) & set(OFFSCREEN) else "no window can open on X11"
    if using is None:
        return f"Without {names} {prevented}; install the packages that hold them."
    return f"Without {names} {prevented}; install with: sudo {' '.join(command(lacking, using))}"


def _install(lacking: tuple[Library, ...], using: Manager) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (using.refresh, command(lacking, using)):
        if words:
            print("Installing system libraries for Qt:", *words, flush=True)
            subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=False)


def main() -> int:
    """Report what is missing; with `--install`, and where root may, install it first."""
    parser = argparse.ArgumentParser(prog="python -m explorer.system", description=main.__doc__)
    parser.add_argument("--install", action="store_true", help="install what is missing when run as root")
    wants_install: bool = parser.parse_args().install
    lacking, using = missing(), manager()
    if lacking and wants_install and using is not None and os.geteuid() == 0:
        _install(lacking, using)
        lacking = missing()
    if lacking:
        print(advice(lacking, using), file=sys.stderr)
    return 1 if set(lacking) & set(OFFSCREEN) else 0


if __name__ == "__main__":
    sys.exit(main())
