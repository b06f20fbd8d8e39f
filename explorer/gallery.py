"""The gallery: example sessions that come with the program."""

import sys
from pathlib import Path

_SOURCE = Path(__file__).resolve().parent.parent / "assets" / "gallery"
FOLDER = _SOURCE if _SOURCE.is_dir() else Path(sys.prefix) / "share" / "wasserscope" / "gallery"


def sessions() -> list[tuple[str, Path]]:
    """Title and file of every example; the title is the file's first line, a comment."""
    found = sorted(FOLDER.glob("*.toml"))
    return [(path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").strip(), path) for path in found]
