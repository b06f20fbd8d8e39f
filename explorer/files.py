"""Writing files so that a failure leaves the old file whole."""

import errno
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

_REASONS = {
    errno.EACCES: ("permission is denied", "Choose a folder you may write to."),
    errno.EPERM: ("permission is denied", "Choose a folder you may write to."),
    errno.EROFS: ("the disk is read-only", "Choose a folder on another disk."),
    errno.ENOENT: ("the folder does not exist", "Create the folder or choose another one."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another folder."),
    errno.EISDIR: ("it is a folder", "Choose a file name."),
    errno.ENOSPC: ("the disk is full", "Free some space or choose another disk."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another disk."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name."),
}


class WriteError(OSError):
    """A file could not be written; the text is a sentence for the person: file, reason, what to do."""

    def __init__(self, path: Path, cause: OSError) -> None:
        detail = (cause.strerror or str(cause) or "unknown reason").lower()
        reason, advice = _REASONS.get(cause.errno or 0, (detail, "Choose another place."))
        super().__init__(f"Cannot write {path}: {reason}. {advice}")
        self.errno = cause.errno


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Put the whole of `data` at `path`, or change nothing.

    The bytes go to a temporary file in the same folder, reach the disk, then take the name in one step.
    A link keeps pointing where it points, and an existing file keeps its permissions.

    Raises `WriteError`.
    """
    asked = Path(path)
    try:
        if asked.exists() and not asked.is_file() and not asked.is_dir():
            # Devices and pipes, such as /dev/stdout, must not be replaced by a regular file.
            asked.write_bytes(data)
            return
        _replace(Path(os.path.realpath(asked)), data)
    except OSError as cause:
        raise WriteError(asked, cause) from cause


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Put every content at its path, or change nothing: all are on the disk before the first takes its name.

    Raises `WriteError`.
    """
    staged: dict[Path, Path] = {}
    target = Path()
    try:
        for target, data in contents.items():
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            staged[target] = _staged(target, data)
        for target, temporary in staged.items():
            temporary.replace(target)
    except OSError as cause:
        raise WriteError(target, cause) from cause
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def _replace(target: Path, data: bytes) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    temporary = _staged(target, data)
    try:
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _staged(target: Path, data: bytes) -> Path:
    """The data in a temporary file beside the target, safely on the disk."""
    # Not derived from the target's name: a name of the greatest legal length must still work.
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
