"""Arrays and images out of files that may hold anything: what is wrong with one is told in a sentence."""

import hashlib
import lzma
import os
import stat
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageOps, UnidentifiedImageError

ARRAYS = (".npy", ".npz", ".csv", ".txt")
IMAGES = (".png", ".jpg", ".jpeg")
LARGEST_TEXT = 2**29
LARGEST_IN_MEMORY = 2**32

# Everything that numpy, zipfile or Pillow has been seen to raise, or may raise, on a broken file.
_DEFECTS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    SyntaxError,
    EOFError,
    RuntimeError,
    MemoryError,
    Warning,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tokenize.TokenError,
    Image.DecompressionBombError,
)


class Stamp(NamedTuple):
    """What a file was when it was looked at; a file that changes gets another stamp."""

    path: Path
    size: int
    modified: int


def file_stamp(path: str, suffixes: tuple[str, ...], what: str) -> Stamp:
    """Stamp of a file, of its absolute path.

    Errors: `ValueError` where no path is given, or it is not a file with one of these suffixes.
    """
    if not path.strip():
        raise ValueError(f"no file chosen; give the path of {what}")
    full = _absolute(path)
    status = _status(full)
    if stat.S_ISDIR(status.st_mode):
        raise ValueError(f"{full} is a folder; give the path of {what}")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{full} is not a regular file; give the path of {what}")
    if full.suffix.lower() not in suffixes:
        raise ValueError(f"{full} does not end in {_either(suffixes)}; give the path of {what}")
    if status.st_size == 0:
        raise ValueError(f"{full} is empty; give the path of {what}")
    return Stamp(full, status.st_size, status.st_mtime_ns)


def folder_stamps(path: str, suffixes: tuple[str, ...], what: str) -> tuple[Stamp, ...]:
    """Stamps of the files of a folder with these suffixes, by name; subfolders and hidden files are left out.

    Errors: `ValueError` where no path is given, or it is not a folder that can be listed.
    """
    if not path.strip():
        raise ValueError(f"no folder chosen; give the path of {what}")
    full = _absolute(path)
    if not stat.S_ISDIR(_status(full).st_mode):
        raise ValueError(f"{full} is not a folder; give the path of {what}")
    with _told(full, "a folder"):
        files = sorted(full.iterdir(), key=lambda file: file.name)
    chosen = [file for file in files if file.suffix.lower() in suffixes and not file.name.startswith(".")]
    statuses = [(file, _status(file)) for file in chosen]
    return tuple(
        Stamp(file, status.st_size, status.st_mtime_ns) for file, status in statuses if stat.S_ISREG(status.st_mode)
    )


def content_digest(path: str) -> str:
    """SHA-256, in hexadecimal, of a file, or of the names and contents of the images of a folder.

    Errors: `ValueError` where the path is empty or something cannot be read.
    """
    if path.strip() and stat.S_ISDIR(_status(_absolute(path)).st_mode):
        digest = hashlib.sha256()
        for image in folder_stamps(path, IMAGES, "a folder of images"):
            digest.update(os.fsencode(image.path.name) + b"\0" + _digest(image.path))
        return digest.hexdigest()
    return _digest(file_stamp(path, (*ARRAYS, *IMAGES), "a file of numbers or an image").path).hex()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npy, .npz, .csv or .txt file by name; an array that has no name is called "".

    Nothing in the file is ever run. A .npy file is mapped into memory, not loaded.
    Errors: `ValueError` where the file is not what its name says, or holds anything but real numbers.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        arrays = {"": _read_npy(path)}
    elif suffix == ".npz":
        arrays = _read_npz(path)
    else:
        arrays = {"": read_table(path)}
    for array in arrays.values():
        if array.dtype.kind not in "buif":
            raise ValueError(f"{path} holds values of type {array.dtype}, not real numbers; save an array of floats")
        if array.size == 0:
            raise ValueError(f"{path} holds an array without numbers; its shape is {array.shape}")
    return arrays


def the_array(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The array of this name, or else the only one."""
    if name in arrays:
        return arrays[name]
    if len(arrays) != 1:
        names = ", ".join(arrays) if arrays else "no array"
        raise ValueError(f"{path} holds {names}; save one array, or name one of them {name}")
    return next(iter(arrays.values()))


def read_table(path: Path) -> Float64[np.ndarray, "rows columns"]:
    """Numbers separated by commas, semicolons or spaces; `#` starts a comment, one header line is skipped.

    Errors: `ValueError` naming the line that is not numbers, or not as many as those above it.
    """
    if path.stat().st_size > LARGEST_TEXT:
        raise ValueError(f"{path} is longer than {LARGEST_TEXT} bytes; save the numbers as .npy")
    with _told(path, "text"):
        text = path.read_text(encoding="utf-8-sig")
    rows: list[np.ndarray] = []
    header = 0
    for line, content in enumerate(text.splitlines(), 1):
        words = _words(content.partition("#")[0].strip())
        values = [_number(word) for word in words]
        if not words:
            continue
        if not rows and not header and not any(_starts_like_a_number(word) for word in words):
            header = line
        elif None in values:
            word = words[values.index(None)][:40]
            raise ValueError(f"{path} holds {word!r} on line {line}, which is not a number")
        elif rows and len(values) != len(rows[0]):
            raise ValueError(f"{path} holds {len(values)} numbers on line {line}, {len(rows[0])} on the lines above it")
        else:
            rows.append(np.array(values, dtype=np.float64))
    if not rows:
        raise ValueError(f"{path} holds no numbers")
    return np.stack(rows)


def read_image(path: Path, color: bool) -> Image.Image:
    """A PNG or JPEG image as 8-bit RGB or gray, turned upright; transparency is dropped.

    Errors: `ValueError` where the image is broken, too large or deeper than 8 bits.
    """
    with _told(path, "an image"), Image.open(path, formats=("PNG", "JPEG")) as image:
        mode = image.mode
        converted = ImageOps.exif_transpose(image).convert("RGB" if color else "L")
    if mode.startswith(("I", "F")):
        raise ValueError(f"{path} has more than 8 bits per pixel; save it with 8 bits")
    return converted


def pixels(image: Image.Image) -> Float64[np.ndarray, "height width channels"]:
    """Pixels of an 8-bit image, scaled from 0 … 255 to [-1, 1]."""
    values = np.asarray(image, dtype=np.float64) / 127.5 - 1.0
    return values.reshape(image.height, image.width, -1)


def _read_npy(path: Path) -> np.ndarray:
    with _told(path, "a .npy file"):
        with path.open("rb") as file:
            magic = file.read(6)
        if magic != b"\x93NUMPY":
            raise ValueError("it does not start like one")
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with _told(path, "a .npz file"):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST_IN_MEMORY:
            raise ValueError(f"it unpacks to {size} bytes, more than {LARGEST_IN_MEMORY}")
        with np.load(path, allow_pickle=False) as members:
            return {name: np.asarray(members[name]) for name in members.files}


def _words(line: str) -> list[str]:
    # "0,5; 0,3" may be two numbers or four: decimal commas are left to fail as numbers.
    separator = ";" if ";" in line else "," if "," in line else None
    if separator is None:
        return line.split()
    return [word.strip() for word in line.removesuffix(separator).split(separator)]


def _starts_like_a_number(word: str) -> bool:
    # A column without a name is one of row numbers, and no header starts with it.
    return _number(word) is not None or word[:1] in "0123456789+-."


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path} is not a path: {_reason(error)}") from None


def _status(full: Path) -> os.stat_result:
    try:
        return full.stat()
    except FileNotFoundError:
        raise ValueError(f"{full} does not exist") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{full} cannot be opened: {_reason(error)}") from None


def _digest(full: Path) -> bytes:
    with _told(full, "a file"), full.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def _told(full: Path, what: str) -> Generator[None, None, None]:
    """Turn every way in which reading can fail into one sentence, and library warnings into silence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except _DEFECTS as error:
        raise ValueError(f"{full} cannot be read as {what}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not a PNG or JPEG file"
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return f"it has more than {Image.MAX_IMAGE_PIXELS} pixels"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
