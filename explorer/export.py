"""Figures and tables as files: CSV, SVG, PDF, PNG; Markdown and LaTeX for tables. No Qt; matplotlib only when drawing.

The CSV of a figure has one row per data point, true values at full precision, whatever the scale of the axes:

* comment lines `# key: value` with the figure's texts and the metadata; `pandas.read_csv(path, comment="#")` skips them
  (labels with a `#` are quoted, and stay whole);
* `mark` and `kind` (curve, points, cloud, segments, bars, band, line, heat, shaded, gallery), `x` and `y`;
* `error` of points; `base` of bars, whose `y` is the height above it; `low` and `high` of a band;
* `category`, the name of x where x counts categories;
* with a heat map, one row per cell, row after row: `x_low`, `x_high`, `y_low` and `y_high` are its edges, `value` is
  what its color means, and x and y are its middle;
* with shaded points, one row each: `value` is what the color means, which a comment line tells;
* with segments, one row each: `x_end` and `y_end` are where it goes from x and y, `strength` its opacity from 0 to 1;
* of a gallery, one row per image: x is its number, beginning with 1, `y` the mean of its pixels in all colors, from 0
  to 255, and `error` their standard deviation.

Figures without heat maps, shaded points or segments do not have the columns of these. A cell is empty where a column
does not apply; `nan`, `inf` and `-inf` are values.
"""

import math
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from explorer.files import write_atomically
from explorer.marks import (
    Band,
    Bars,
    Cloud,
    Curve,
    Figure,
    Floats,
    Gallery,
    Heat,
    Line,
    Mark,
    Points,
    Segments,
    Shaded,
)

EXPERIMENT = "Wasserscope"
"""The metadata key of the experiment's text, from which the figure can be computed again."""

PAPER_SIZE = (6.4, 4.2)
COLUMNS = ("mark", "kind", "x", "y", "error", "base", "low", "high", "category")
# After those, where a figure has such a mark.
MORE_COLUMNS: dict[type[Mark], tuple[str, ...]] = {
    Heat: ("x_low", "x_high", "y_low", "y_high", "value"),
    Shaded: ("value",),
    Segments: ("x_end", "y_end", "strength"),
}

IMAGES_TOLD = {
    "x": "number of the image, from 1",
    "y": "mean of its pixels in all colors, from 0 to 255",
    "error": "their standard deviation",
}

Cell = str | float | int | None
NOTHING: frozenset[str] = frozenset()


def to_csv(figure: Figure, metadata: Mapping[str, str], hidden: frozenset[str] = NOTHING) -> bytes:
    """The data of the figure in the long format of this module, in UTF-8."""
    about = {"title": figure.title}
    for name, axis in (("x", figure.x), ("y", figure.y)):
        about[name] = f"{axis.label} ({axis.scale.name} axis)"
    shown = [mark for mark in figure.marks if mark.label not in hidden]
    if any(isinstance(mark, Gallery) for mark in shown):
        about |= IMAGES_TOLD
    about |= {f"value of {mark.label or 'points'}": mark.meaning for mark in shown if isinstance(mark, Shaded)}
    lines = [f"# {line}\n" for line in _told({**about, "note": figure.note, **metadata})]
    kinds = {type(mark) for mark in shown}
    more = tuple(dict.fromkeys(name for kind, names in MORE_COLUMNS.items() if kind in kinds for name in names))
    rows: list[tuple[Cell, ...]] = []
    for mark in shown:
        own = MORE_COLUMNS.get(type(mark), ())
        # Where each of the further cells is in a row; the last one is empty.
        places = [len(COLUMNS) + own.index(name) if name in own else -1 for name in more]
        for row in _rows(mark, figure.categories):
            padded = (*row, None)
            rows.append(row[: len(COLUMNS)] + tuple(padded[place] for place in places))
    return ("".join(lines) + table_csv((*COLUMNS, *more), rows)).encode()


def to_svg(
    figure: Figure,
    metadata: Mapping[str, str],
    size_inches: tuple[float, float] = PAPER_SIZE,
    hidden: frozenset[str] = NOTHING,
) -> bytes:
    """A vector picture with text as text; the metadata stand in its Dublin Core description."""
    described = {"Title": _legal(figure.title), "Description": _legal("\n".join(_told(metadata)))}
    return _drawn(figure, "svg", {**described, "Creator": EXPERIMENT, "Date": None}, size_inches, 200, hidden)


def to_pdf(
    figure: Figure,
    metadata: Mapping[str, str],
    size_inches: tuple[float, float] = PAPER_SIZE,
    hidden: frozenset[str] = NOTHING,
) -> bytes:
    """A vector picture with its fonts; the experiment is the subject, the other metadata are keywords."""
    others = {key: value for key, value in metadata.items() if key != EXPERIMENT}
    described = {
        "Title": _legal(figure.title),
        "Subject": _legal(metadata.get(EXPERIMENT, "")),
        "Keywords": _legal("\n".join(_told(others))),
        "Creator": EXPERIMENT,
        "CreationDate": None,
    }
    return _drawn(figure, "pdf", described, size_inches, 200, hidden)


def to_png(
    figure: Figure,
    metadata: Mapping[str, str],
    size_inches: tuple[float, float] = PAPER_SIZE,
    hidden: frozenset[str] = NOTHING,
    dpi: int = 200,
) -> bytes:
    """Pixels; each entry of the metadata is a text chunk of its own."""
    keys = {key.encode("latin-1", "replace").decode("latin-1")[:79] or "?": value for key, value in metadata.items()}
    return _drawn(figure, "png", {"Title": figure.title, **keys, "Software": EXPERIMENT}, size_inches, dpi, hidden)


def _csv(figure: Figure, metadata: Mapping[str, str], hidden: frozenset[str]) -> bytes:
    return to_csv(figure, metadata, hidden)


def _svg(figure: Figure, metadata: Mapping[str, str], hidden: frozenset[str]) -> bytes:
    return to_svg(figure, metadata, hidden=hidden)


def _pdf(figure: Figure, metadata: Mapping[str, str], hidden: frozenset[str]) -> bytes:
    return to_pdf(figure, metadata, hidden=hidden)


def _png(figure: Figure, metadata: Mapping[str, str], hidden: frozenset[str]) -> bytes:
    return to_png(figure, metadata, hidden=hidden)


FORMATS: dict[str, Callable[[Figure, Mapping[str, str], frozenset[str]], bytes]] = {
    ".csv": _csv,
    ".pdf": _pdf,
    ".png": _png,
    ".svg": _svg,
}


def save(
    figure: Figure,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str],
    hidden: frozenset[str] = NOTHING,
) -> None:
    """Write the figure in the format that the suffix names.

    Raises `ValueError` for an unknown suffix and `WriteError` where nothing can be written.
    """
    suffix = Path(path).suffix
    write = FORMATS.get(suffix.lower())
    if write is None:
        found = f"not in {suffix}" if suffix else "and this one has no suffix"
        raise ValueError(f"Cannot export to {Path(path).name}: the name must end in {_either(list(FORMATS))}, {found}.")
    write_atomically(path, write(figure, metadata, hidden))


def table_csv(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Comma-separated values; numbers at full precision."""
    return "".join(",".join(map(_csv_cell, row)) + "\n" for row in _checked(header, rows))


def table_markdown(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table of GitHub's Markdown; numbers to four digits, aligned right."""
    first, *others = ["| " + " | ".join(map(_markdown_cell, row)) + " |\n" for row in _checked(header, rows)]
    rule = "| " + " | ".join("---:" if right else "---" for right in _numeric(header, rows)) + " |\n"
    return "".join([first, rule, *others])


def table_tex(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    r"""A LaTeX `tabular` with the rules of the package booktabs; numbers to four digits, aligned right."""
    first, *others = [" & ".join(map(_tex_cell, row)) + r" \\" for row in _checked(header, rows)]
    columns = "".join("r" if right else "l" for right in _numeric(header, rows))
    body = [r"\toprule", first, r"\midrule", *others, r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", ""])


def _drawn(
    figure: Figure,
    file_format: str,
    described: Mapping[str, str | None],
    size_inches: tuple[float, float],
    dpi: int,
    hidden: frozenset[str],
) -> bytes:
    # Half a second to import, and only needed here.
    from explorer.drawing import render

    return render(figure, file_format, described, size_inches, dpi, hidden)


def _told(metadata: Mapping[str, str]) -> list[str]:
    """Lines "key: value"; the further lines of a long value repeat its key."""
    return [f"{key}: {line}" for key, value in metadata.items() for line in value.splitlines()]


def _legal(text: str) -> str:
    """Without the control characters that XML forbids."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs"))


def _rows(mark: Mark, categories: tuple[str, ...]) -> Iterator[tuple[Cell, ...]]:
    def named(x: float) -> str | None:
        known = x.is_integer() and 0 <= x < len(categories)
        return categories[int(x)] if known else None

    def columns(*parts: Floats) -> Iterator[tuple[float, ...]]:
        return zip(*(part.tolist() for part in parts), strict=True)

    match mark:
        case Curve():
            for x, y in columns(mark.x, mark.y):
                yield mark.label, "curve", x, y, None, None, None, None, named(x)
        case Points():
            errors = [None] * mark.x.size if mark.error is None else mark.error.tolist()
            for (x, y), error in zip(columns(mark.x, mark.y), errors, strict=True):
                yield mark.label, "points", x, y, error, None, None, None, named(x)
        case Cloud():
            for x, y in columns(mark.x, mark.y):
                yield mark.label, "cloud", x, y, None, None, None, None, None
        case Segments():
            pieces = columns(mark.x0, mark.y0, mark.x1, mark.y1, mark.strength)
            for x, y, *rest in pieces:
                yield mark.label, "segments", x, y, None, None, None, None, None, *rest
        case Shaded():
            for x, y, value in columns(mark.x, mark.y, mark.values):
                yield mark.label, "shaded", x, y, None, None, None, None, None, value
        case Gallery():
            means, spreads = mark.images.mean(axis=(1, 2, 3)), mark.images.std(axis=(1, 2, 3))
            for number, (mean, spread) in enumerate(columns(means, spreads), 1):
                yield mark.label, "gallery", number, mean, spread, None, None, None, None
        case Bars():
            for x, y, base in columns(mark.x, mark.height, mark.base):
                yield mark.label, "bars", x, y, None, base, None, None, named(x)
        case Band():
            for x, low, high in columns(mark.x, mark.low, mark.high):
                yield mark.label, "band", x, None, None, None, low, high, named(x)
        case Line():
            at = float(mark.at)
            yield mark.label, "line", *((at, None) if mark.vertical else (None, at)), None, None, None, None, None
        case Heat():
            across = list(columns(mark.centers[0], mark.x[:-1], mark.x[1:]))
            for (y, *rows), values in zip(columns(mark.centers[1], mark.y[:-1], mark.y[1:]), mark.values, strict=True):
                for (x, *edges), value in zip(across, values.tolist(), strict=True):
                    yield mark.label, "heat", x, y, None, None, None, None, None, *edges, *rows, value


def _checked(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[Sequence[Cell]]:
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ValueError(f"Row {number} has {len(row)} cells, the header has {len(header)}.")
    return [header, *rows]


def _numeric(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[bool]:
    return [bool(rows) and not any(isinstance(row[place], str) for row in rows) for place in range(len(header))]


def _csv_cell(cell: Cell) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else repr(cell)
    return '"' + cell.replace('"', '""') + '"' if any(letter in cell for letter in '#,"\r\n') else cell


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.4g}"


def _markdown_cell(cell: Cell) -> str:
    text = cell if isinstance(cell, str) else "" if cell is None else _short(cell)
    for letter in "\\|*_`<":
        text = text.replace(letter, "\\" + letter)
    return " ".join(text.split())


def _tex_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return "".join(map(_tex_letter, " ".join(cell.split())))
    if not math.isfinite(cell):
        return "--" if math.isnan(cell) else rf"${'-' * (cell < 0)}\infty$"
    mantissa, _, exponent = _short(cell).partition("e")
    power = rf" \times 10^{{{int(exponent)}}}" if exponent else ""
    return f"${mantissa}{power}$"


_GREEK_NAMES = """
    alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon varphi chi psi
    omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
"""
_GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", _GREEK_NAMES.split(), strict=True))
_SIGN_NAMES = "surd infty leq geq approx | to partial nabla sum int cdot times pm"
_SIGNS = dict(zip("√∞≤≥≈‖→∂∇∑∫·×±", _SIGN_NAMES.split(), strict=True))
_TEX = {
    **{letter: rf"$\{name}$" for letter, name in (_GREEK | _SIGNS).items()},
    **{letter: f"${letter}$" for letter in "<>|"},
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "−": "$-$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def _tex_letter(letter: str) -> str:
    if letter in _TEX:
        return _TEX[letter]
    kind, _, plain = unicodedata.decomposition(letter).partition(" ")
    if kind not in ("<super>", "<sub>"):
        return letter
    inner = _TEX.get(chr(int(plain, 16)), chr(int(plain, 16))).strip("$")
    return f"${'^' if kind == '<super>' else '_'}{{{inner}}}$"


def _either(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
