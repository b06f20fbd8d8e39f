"""The state kept aside: whose it is, what is offered after a crash, and what happens where nothing can be written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer import recovery
from explorer.session import Session, from_text, to_text


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test's own."""
    monkeypatch.setattr(recovery, "folder", lambda: tmp_path / "state" / "recovery")
    return tmp_path / "state"


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a program that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.fixture(scope="module")
def living() -> Iterator[int]:
    """The number of another program that runs, until its input ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


def leave(name: object, text: str, age: float = 0.0) -> Path:
    """A state left by a program, some seconds ago."""
    path = recovery.folder() / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_the_folder_is_the_person_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("platformdirs.user_state_dir", lambda name: f"/home/x/{name}")  # pyright: ignore[reportUnknownLambdaType]
    assert recovery.folder() == Path("/home/x/wasserscope/recovery")


def test_what_is_kept_is_the_last_state() -> None:
    recovery.keep("first")
    text = to_text(Session(swept="grid.steps"))
    recovery.keep(text)
    (path,) = recovery.folder().iterdir()
    assert path.name == f"{os.getpid()}.toml"
    assert from_text(path.read_text(encoding="utf-8")) == Session(swept="grid.steps")


def test_a_program_that_ends_leaves_nothing() -> None:
    recovery.keep("state")
    recovery.forget()
    assert list(recovery.folder().iterdir()) == []
    assert recovery.left_behind() is None


def test_forgetting_nothing_is_no_error() -> None:
    recovery.forget()
    assert recovery.left_behind() is None
    recovery.discard()


def test_the_state_of_a_program_that_runs_is_not_offered(living: int) -> None:
    path = leave(living, "state")
    assert recovery.left_behind() is None
    recovery.discard()
    assert path.read_text() == "state"


def test_the_state_of_a_program_that_ended_is_offered_then_discarded(dead: int) -> None:
    path = leave(dead, "state")
    assert recovery.left_behind() == path
    recovery.discard()
    assert not path.exists()


def test_a_former_program_with_our_number_has_ended() -> None:
    path = leave(os.getpid(), "state")
    assert recovery.left_behind() == path


def test_the_newest_is_offered_and_all_that_ended_are_discarded(dead: int, living: int) -> None:
    leave(dead, "older", age=20)
    newest = leave("not a number", "newest", age=10)
    others = leave(living, "of another window", age=0)
    (recovery.folder() / "notes.txt").write_text("not ours")
    assert recovery.left_behind() == newest
    recovery.discard()
    assert sorted(path.name for path in recovery.folder().iterdir()) == sorted([others.name, "notes.txt"])


@pytest.mark.parametrize("name", ["99999999999", "9" * 40, "0", "-1"])
def test_a_number_that_no_program_can_have_is_of_none(name: str) -> None:
    path = leave(name, "state")
    assert recovery.left_behind() == path
    recovery.discard()
    assert not path.exists()


@pytest.mark.parametrize("where", ["state", "state/recovery"])
def test_where_nothing_can_be_written_work_goes_on(tmp_path: Path, where: str) -> None:
    (tmp_path / where).parent.mkdir(exist_ok=True)
    (tmp_path / where).write_text("a file stands where the folder would be")
    recovery.keep("state")
    assert recovery.left_behind() is None
    recovery.discard()
    recovery.forget()
    assert (tmp_path / where).read_text() == "a file stands where the folder would be"


def test_a_full_disk_keeps_the_former_state(monkeypatch: pytest.MonkeyPatch) -> None:
    recovery.keep("former")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    recovery.keep("later")
    (path,) = recovery.folder().iterdir()
    assert path.read_text() == "former"


def test_text_that_is_no_unicode_is_no_reason_to_stop() -> None:
    # A file name that is not UTF-8 reaches Python with halves of characters in it.
    recovery.keep("path = '\udcff'")
    assert recovery.left_behind() is None
