"""What the program finds on this machine, for a person whose window does not open."""

import importlib.metadata
import os
import platform
import sys

from explorer import VERSION
from explorer.system import missing

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "numba",
    "POT",
    "scikit-learn",
    "safetensors",
    "PyQt6",
    "PyQt6-Qt6",
    "pyqtgraph",
    "matplotlib",
    "pillow",
    "jaxtyping",
    "platformdirs",
    "psutil",
    "tomli-w",
)


def findings() -> tuple[list[str], bool]:
    """Lines to print, and whether everything needed is there."""
    lines = [
        f"wasserscope      {VERSION}",
        f"Python           {platform.python_version()} on {platform.system()} {platform.machine()}",
    ]
    absent: list[str] = []
    for name in PACKAGES:
        try:
            lines.append(f"{name:16} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            lines.append(f"{name:16} missing")
    lines.append(f"{'device':16} {_device()}")
    lines.append(f"{'threads':16} {os.cpu_count()} cores; exact laws use one")
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    needs_display = sys.platform.startswith("linux")
    lines.append(f"{'display':16} {display or ('none' if needs_display else 'native')}")
    libraries = [library.name for library in missing()]
    if absent:
        lines.append(f"Install the missing packages with: pip install {' '.join(absent)}")
    if libraries:
        lines.append(f"Missing system libraries: {', '.join(libraries)}; `make run` installs or names their packages.")
    if needs_display and not display:
        lines.append("No display: the window cannot open here; `wasserscope run` works without one.")
    return lines, not absent and not libraries


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "unknown: torch cannot be imported"
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)} (CUDA {torch.version.cuda})"
    return "CPU; a GPU is not needed for exact laws"
