"""Atomic writes: whole or not at all, and a sentence when not."""

import errno
import os
from pathlib import Path

import pytest

from explorer.files import WriteError, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_new_file_holds_the_bytes(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new.bin", b"\x00\xff")
    assert (tmp_path / "new.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["new.bin"]


def test_an_old_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"before")
    path.chmod(0o640)
    write_atomically(str(path), b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing_at_its_target(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "target")
    write_atomically(link, b"data")
    assert link.is_symlink()
    assert (tmp_path / "there" / "target").read_bytes() == b"data"


def test_a_name_of_the_greatest_length_works(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"data")
    assert names(tmp_path) == ["n" * 255]


def test_a_device_is_written_to_not_replaced() -> None:
    write_atomically("/dev/null", b"data")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(step, full)
    with pytest.raises(WriteError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == f"Cannot write {path}: the disk is full. Free some space or choose another disk."
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["kept"]


def test_an_interrupt_removes_the_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "new", b"data")
    assert names(tmp_path) == []


def test_a_forbidden_folder_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not hold back an administrator, who may be the one that runs the tests.
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    path = tmp_path / "plot.svg"
    with pytest.raises(WriteError) as caught:
        write_atomically(path, b"")
    assert str(caught.value) == f"Cannot write {path}: permission is denied. Choose a folder you may write to."


def test_impossible_places_are_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cases = {
        tmp_path / "none" / "plot.svg": "the folder does not exist. Create the folder or choose another one.",
        tmp_path / "file" / "plot.svg": "a part of the path is a file, not a folder. Choose another folder.",
        tmp_path: "it is a folder. Choose a file name.",
        tmp_path / ("n" * 300): "the name is too long. Choose a shorter name.",
    }
    for path, reason in cases.items():
        with pytest.raises(WriteError) as caught:
            write_atomically(path, b"")
        assert str(caught.value) == f"Cannot write {path}: {reason}"


def test_an_unforeseen_reason_is_passed_on(tmp_path: Path) -> None:
    told = str(WriteError(tmp_path, OSError(errno.EIO, "Input/output error")))
    assert told == f"Cannot write {tmp_path}: input/output error. Choose another place."
