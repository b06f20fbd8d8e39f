"""What holds for every test: off screen, on one thread, with checked shapes, and leaving nothing behind."""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import no_type_check

import hypothesis
import numpy as np
import pytest
from jaxtyping import install_import_hook

# Before anything imports Qt, torch or matplotlib; programs started by a test inherit it all.
if os.environ.get("WASSERSCOPE_DISPLAY") != "1":
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_NUM_THREADS"] = "1"
# Qt warns of a locale without UTF-8.
os.environ["LC_ALL"] = "C.UTF-8"

# Shapes and types of the numerics are checked while tests run. An int may stand where a float is declared, and `Self`,
# which beartype cannot see from inside a method, is left to pyright. (jaxtyping wants the checker as one expression.)
if os.environ.get("WASSERSCOPE_TYPECHECK") != "0":
    install_import_hook(
        "kernels",
        "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True,"
        " hint_overrides=beartype.FrozenDict({__import__('typing').Self: object})))",
    )

import torch
from PyQt6.QtWidgets import QApplication, QWidget

from kernels.crew import CREW
from kernels.param import Component

# A component checks what it is made with by itself, and its refusals are under test: its constructor is left alone.
no_type_check(Component)

# The same few examples on every run; choose with --hypothesis-profile.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=20, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=500, print_blob=True)
hypothesis.settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the settings and sessions of the person who runs the tests out of the tests, and unharmed."""
    folder = tempfile.TemporaryDirectory(prefix="wasserscope-tests-")
    config.add_cleanup(folder.cleanup)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(Path(folder.name) / name)


def _windows() -> list[QWidget]:
    if QApplication.instance() is None:
        return []
    return [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]


def _threads() -> list[threading.Thread]:
    # Crews hand theirs on.
    return [thread for thread in threading.enumerate() if not thread.daemon and not thread.name.startswith(CREW)]


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """A test fails that leaves a thread running or a window open."""
    threads, windows = _threads(), _windows()
    yield
    left = [f"thread {thread.name!r}" for thread in _threads() if thread not in threads]
    left += [
        f"window {type(widget).__name__} {widget.windowTitle()!r}" for widget in _windows() if widget not in windows
    ]
    if left:
        pytest.fail(f"the test left behind: {', '.join(left)}", pytrace=False)


def _global_generators() -> dict[str, bytes]:
    words = np.random.get_state(legacy=False)["state"]
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": words["key"].tobytes() + str(words["pos"]).encode(),
    }


@pytest.fixture(autouse=True)
def draws_from_no_global_generator() -> Iterator[None]:
    """A test fails that touches the global random state of torch or numpy: randomness is always an argument."""
    before = _global_generators()
    yield
    after = _global_generators()
    touched = [name for name in before if before[name] != after[name]]
    if touched:
        pytest.fail(f"the test touched the global random state of {' and '.join(touched)}", pytrace=False)


@pytest.fixture(autouse=True)
def computes_on_one_thread() -> None:
    """Tests share few cores, and a program under test may have chosen more threads."""
    torch.set_num_threads(1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
