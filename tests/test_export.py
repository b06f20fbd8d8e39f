"""Exported files are read back and compared with the figure they came from."""

import csv
import io
import itertools
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explorer import export
from explorer.files import WriteError
from explorer.marks import (
    Axis,
    Band,
    Bars,
    Curve,
    Figure,
    Floats,
    Line,
    Linear,
    Log,
    Mark,
    Points,
    Scale,
    Style,
    Symlog,
    identity,
)

SVG = "{http://www.w3.org/2000/svg}"
METADATA = {
    "Wasserscope": "Experiment(\n    sampler=DDIM(eta=0.5),  # ε, λ\n)",
    "seed": "0",
    "made by": "version 1 <&>",
}
SCALES: tuple[Scale, ...] = (Linear(), Log(), Symlog(1e-3))


def numbers(*values: float) -> Floats:
    return np.array(values, dtype=float)


X = numbers(1, 2, 5, 10)
Y = numbers(0.5, 0.03, 0.004, 1 / 3)


def figure(*marks: Mark, x: Scale | None = None, y: Scale | None = None, categories: tuple[str, ...] = ()) -> Figure:
    axes = Axis("eigenvalue λᵢ", x or Linear()), Axis("‖√v̂ − √v‖², W₂", y or Linear())
    return Figure("Error of α̅ at 10⁻³", *axes, marks, categories, note="one value is infinite")


def samples() -> dict[str, Figure]:
    nan, inf = float("nan"), float("inf")
    curves = [Curve(f"curve {number}", X, Y * number, identity(number)) for number in range(1, 13)]
    cases: dict[str, tuple[Mark, ...]] = {
        "empty": (),
        "all nan": (Curve("a", X, np.full(4, nan)), Points("b", X, np.full(4, nan), error=Y)),
        "infinite": (
            Curve("a", X, numbers(1, inf, -inf, 2)),
            Band("b", X, numbers(0, -inf, 1, 1), numbers(1, 2, inf, 3)),
        ),
        "huge": (Curve("a", X, numbers(1e-320, 1, 1e308, -1e308)), Bars("b", X, numbers(1, 2, 1e308, 1e308), 0 * X)),
        "single point": (Curve("a", numbers(3), numbers(1e-6)),),
        "constant": (Curve("a", X, np.zeros(4)), Line("level", 0.0, vertical=False)),
        "no points": (Curve("a", numbers(), numbers()), Bars("b", numbers(), numbers(), numbers())),
        "not positive": (Curve("a", X, numbers(-1, 0, 1, 2)), Bars("b", X, numbers(-1, 0, 1, 2), 0 * X)),
        "error bars": (Points("a", X, Y, identity(1), error=2 * Y), Curve("a", X, Y, identity(1))),
        "many curves": tuple(curves),
        "many points": (Points("a", np.linspace(1, 9, 6000), np.linspace(1, 2, 6000)),),
        "lines": tuple(Line(f"line {at}", at, vertical=at > 1) for at in (0.1, 2, 2.1, 2.2, 2.3, 2.4, 1e9)),
        "odd texts": (Curve("_a $x_1$ \x00 漢\nb", X, Y), Curve("", X, Y), Curve("#,\"'<&>", X, Y)),
    }
    result = {
        f"{name}, {x.name} and {y.name}": figure(*marks, x=x, y=y)
        for name, marks in cases.items()
        for x, y in ((Linear(), Log()), *zip(SCALES, SCALES, strict=True))
    }
    names = ("Euler–Maruyama", "Exponential integrator", "DDPM", "a name that is much longer than its place")
    at, half = np.arange(4.0), np.full(4, 0.5)
    for scale in SCALES:
        stacked = Bars("low", at, Y, 0 * at, style=identity(0)), Bars("high", at, half, Y, style=identity(1))
        result[f"categories, {scale.name}"] = figure(*stacked, y=scale, categories=names)
    result["forty categories"] = figure(Bars("a", np.arange(40.0), np.ones(40), np.zeros(40)), categories=names * 10)
    return result


SAMPLES = samples()


def rows_of(data: bytes) -> tuple[list[str], list[dict[str, str]]]:
    lines = data.decode().splitlines(keepends=True)
    comments = list(itertools.takewhile(lambda line: line.startswith("# "), lines))
    return [line[2:].rstrip("\n") for line in comments], list(csv.DictReader(lines[len(comments) :]))


def column(rows: list[dict[str, str]], mark: str, name: str) -> Floats:
    return numbers(*(float(row[name]) for row in rows if row["mark"] == mark))


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
def test_csv_holds_the_exact_data_on_every_scale(scale: Scale) -> None:
    wild = numbers(float("nan"), float("inf"), -float("inf"), -0.0)
    tiny = numbers(1 / 3, np.pi * 1e-300, 5e-324, 1.7976931348623157e308)
    marks = (
        Curve("curve, wild", X, wild),
        Points("points #1", X, tiny, error=wild),
        Points("bare", X, tiny),
        Bars('"bars"', X, tiny, wild),
        Band("band", X, wild, tiny),
        Line("across", 0.1, vertical=False),
        Line("up", 1 / 3, vertical=True),
    )
    _, rows = rows_of(export.to_csv(figure(*marks, x=scale, y=scale), {}))
    for mark, name, values in (
        ("curve, wild", "x", X),
        ("curve, wild", "y", wild),
        ("points #1", "y", tiny),
        ("points #1", "error", wild),
        ("bare", "y", tiny),
        ('"bars"', "x", X),
        ('"bars"', "y", tiny),
        ('"bars"', "base", wild),
        ("band", "low", wild),
        ("band", "high", tiny),
        ("across", "y", numbers(0.1)),
        ("up", "x", numbers(1 / 3)),
    ):
        np.testing.assert_array_equal(column(rows, mark, name), values)
    assert {row["mark"]: row["kind"] for row in rows} == {
        "curve, wild": "curve",
        "points #1": "points",
        "bare": "points",
        '"bars"': "bars",
        "band": "band",
        "across": "line",
        "up": "line",
    }
    assert [row["error"] for row in rows if row["mark"] == "bare"] == [""] * 4
    assert [row["x"] for row in rows if row["mark"] == "across"] == [""]


def test_csv_tells_the_texts_and_the_metadata_first() -> None:
    comments, rows = rows_of(export.to_csv(figure(x=Log()), METADATA))
    assert comments == [
        "title: Error of α̅ at 10⁻³",
        "x: eigenvalue λᵢ (log axis)",
        "y: ‖√v̂ − √v‖², W₂ (linear axis)",
        "note: one value is infinite",
        "Wasserscope: Experiment(",
        "Wasserscope:     sampler=DDIM(eta=0.5),  # ε, λ",
        "Wasserscope: )",
        "seed: 0",
        "made by: version 1 <&>",
    ]
    assert rows == []


def test_csv_names_categories() -> None:
    bars = Bars("a", numbers(0, 1, 1.5, 2), Y, 0 * Y)
    _, rows = rows_of(export.to_csv(figure(bars, categories=("EM", "Heun, two calls")), {}))
    assert [row["category"] for row in rows] == ["EM", "Heun, two calls", "", ""]


def svg_root(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)


def vertices(root: ElementTree.Element, name: str) -> Floats:
    path = root.find(f".//{SVG}g[@id='{name}']/{SVG}path")
    assert path is not None
    pairs = re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))
    return np.array(pairs, dtype=float)


def plot_area(root: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, right, bottom, top in the coordinates of the SVG, whose y points down."""
    corners = vertices(root, "plot-area")
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return left, right, bottom, top


def expected(values: Floats, scale: Scale) -> Floats:
    """Fraction of the axis where the values lie when they alone choose the range."""
    drawn = scale.forward(values)
    low, high = np.nanmin(drawn), np.nanmax(drawn)
    margin = 0.04 * (high - low)
    return (drawn - low + margin) / (high - low + 2 * margin)


@pytest.mark.parametrize(("x", "y"), list(itertools.product(SCALES, SCALES)), ids=lambda scale: scale.name)
def test_svg_draws_a_curve_where_the_scales_put_it(x: Scale, y: Scale) -> None:
    root = svg_root(export.to_svg(figure(Curve("curve", X, Y), x=x, y=y), {}))
    left, right, bottom, top = plot_area(root)
    drawn = vertices(root, "curve-0")
    np.testing.assert_allclose(drawn[:, 0], left + expected(X, x) * (right - left), atol=1e-3)
    np.testing.assert_allclose(drawn[:, 1], bottom + expected(Y, y) * (top - bottom), atol=1e-3)


def test_a_log_axis_reaches_sixteen_decades_down() -> None:
    values = numbers(1, 1e-10, 1e-30, 0, -5)
    root = svg_root(export.to_svg(figure(Curve("a", np.arange(5.0), values), y=Log()), {}))
    _, _, bottom, top = plot_area(root)
    drawn = vertices(root, "curve-0")
    per_decade = (top - bottom) / (16 * 1.08)
    np.testing.assert_allclose(drawn[1, 1], top - per_decade * (0.64 + 10), atol=1e-3)
    assert drawn[2, 1] > bottom


def test_bars_stand_on_the_bottom_of_a_log_axis() -> None:
    root = svg_root(export.to_svg(figure(Bars("a", X, Y, 0 * X), y=Log()), {}))
    _, _, bottom, top = plot_area(root)
    bar = vertices(root, "bars-0")
    assert bar[:, 1].max() > bottom
    np.testing.assert_allclose(bar[:, 1].min(), bottom + expected(Y, Log())[0] * (top - bottom), atol=1e-3)


def test_a_gap_breaks_the_curve_and_a_lone_point_is_marked() -> None:
    values = numbers(1, 2, float("nan"), 3, float("inf"), 1, 2)
    root = svg_root(export.to_svg(figure(Curve("a", np.arange(7.0), values)), {}))
    group = root.find(f".//{SVG}g[@id='curve-0']")
    assert group is not None
    path = group.find(f"{SVG}path")
    assert path is not None
    assert path.get("d", "").count("M") == 3
    assert path.get("d", "").count("L") == 2
    assert len(group.findall(f".//{SVG}use")) == 1
    open_ends = root.find(f".//{SVG}g[@id='curve-0-1']")
    assert open_ends is not None
    assert len(open_ends.findall(f".//{SVG}use")) == 1


@pytest.mark.parametrize(("points", "symbols"), [(24, 24), (25, 12), (500, 12)])
def test_every_point_of_a_short_curve_has_a_marker_and_some_of_a_long_one(points: int, symbols: int) -> None:
    x = np.arange(float(points))
    root = svg_root(export.to_svg(figure(Curve("a", x, x, identity(1))), {}))
    assert len(root.findall(f".//{SVG}g[@id='curve-0']//{SVG}use")) == symbols


def test_svg_keeps_color_and_dash() -> None:
    style = Style("#123456", (6, 3), "s", 2.0)
    root = svg_root(export.to_svg(figure(Curve("a", X, Y, style)), {}))
    path = root.find(f".//{SVG}g[@id='curve-0']/{SVG}path")
    assert path is not None
    look = path.get("style", "")
    assert "stroke: #123456" in look
    assert "stroke-dasharray: 14.4,7.2" in look
    assert "stroke-width: 2.4" in look


def texts(root: ElementTree.Element) -> set[str]:
    return {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}


def test_svg_text_is_text() -> None:
    marks = Curve("λ_max $5 #1", X, Y * 1e-5), Line("h = 2/λ₁", 4.0, vertical=True)
    found = texts(svg_root(export.to_svg(figure(*marks, y=Log()), {})))
    wanted = {"Error of α̅ at 10⁻³", "eigenvalue λᵢ", "‖√v̂ − √v‖², W₂", "λ_max $5 #1", "h = 2/λ₁", "10⁻⁶"}
    assert wanted | {"one value is infinite"} <= found


def test_svg_holds_the_metadata() -> None:
    root = svg_root(export.to_svg(figure(), METADATA))
    description = root.find(".//{http://purl.org/dc/elements/1.1/}description")
    assert description is not None
    assert description.text == (
        "Wasserscope: Experiment(\nWasserscope:     sampler=DDIM(eta=0.5),  # ε, λ\nWasserscope: )\n"
        "seed: 0\nmade by: version 1 <&>"
    )
    assert root.find(".//{http://purl.org/dc/elements/1.1/}date") is None


def unescaped(text: bytes) -> bytes:
    """The bytes of a string in a PDF."""
    known = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"f": b"\f", b"b": b"\b"}

    def plain(match: re.Match[bytes]) -> bytes:
        return bytes([int(match[1], 8)]) if match[1].isdigit() else known.get(match[1], match[1])

    return re.sub(rb"\\([0-7]{3}|.)", plain, text, flags=re.DOTALL)


def pdf_information(data: bytes) -> dict[str, str]:
    """The document information of a PDF written by matplotlib."""
    number = re.search(rb"/Info (\d+) 0 R", data)
    assert number is not None
    found: dict[str, str] = {}
    pattern = rb"/(\w+)\s*\(((?:\\.|[^\\)])*)\)"
    for key, escaped in re.findall(pattern, pdf_object(data, number[1]), re.DOTALL):
        raw = unescaped(escaped)
        found[key.decode()] = raw.decode("utf-16") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")
    return found


def pdf_streams(data: bytes) -> list[bytes]:
    return [zlib.decompress(raw) for raw in re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", data, re.DOTALL)]


def pdf_object(data: bytes, number: bytes) -> bytes:
    body = re.search(rb"\n" + number + rb" 0 obj\n(.*?)\nendobj", data, re.DOTALL)
    assert body is not None
    return body[1]


def pdf_texts(data: bytes) -> set[str]:
    """The texts on the page, decoded by the maps from codes to characters that come with the fonts."""
    fonts: dict[bytes, dict[int, str]] = {}
    for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", data):
        to_unicode = re.search(rb"/ToUnicode (\d+) 0 R", pdf_object(data, number))
        assert to_unicode is not None
        (table,) = pdf_streams(pdf_object(data, to_unicode[1]))
        fonts[name] = {
            int(first, 16) + offset: bytes.fromhex(target.decode()).decode("utf-16-be")
            for first, targets in re.findall(rb"<(\w+)> <\w+> \[(.*?)\]", table)
            for offset, target in enumerate(re.findall(rb"<(\w+)>", targets))
        }
    found: set[str] = set()
    for block in re.findall(rb"BT\n(.*?)\nET", pdf_streams(data)[0], re.DOTALL):
        text, font = "", dict[int, str]()
        for name, escaped in re.findall(rb"/(F\d+) [\d.]+ Tf|\(((?:\\.|[^\\)])*)\)", block, re.DOTALL):
            font = fonts[name] if name else font
            codes = unescaped(escaped)
            text += "".join(font[int.from_bytes(codes[at : at + 2], "big")] for at in range(0, len(codes), 2))
        found.add(text)
    return found


def test_pdf_holds_the_metadata() -> None:
    found = pdf_information(export.to_pdf(figure(), METADATA))
    assert found["Title"] == "Error of α̅ at 10⁻³"
    assert found["Subject"] == METADATA["Wasserscope"]
    assert found["Keywords"] == "seed: 0\nmade by: version 1 <&>"
    assert "CreationDate" not in found


def test_pdf_embeds_its_font_and_names_its_characters() -> None:
    # Without accents: of a letter and its accent, each glyph stands for both.
    plain = Figure("Error at 10⁻³", Axis("eigenvalue λᵢ"), Axis("‖√v − √u‖², W₂"), (Curve("κ", X, Y),), note="infinite")
    data = export.to_pdf(plain, {})
    assert b"/FontFile2" in data
    assert b"/Type3" not in data
    assert {"Error at 10⁻³", "eigenvalue λᵢ", "‖√v − √u‖², W₂", "κ", "infinite", "0.1"} <= pdf_texts(data)


def test_a_hint_for_the_screen_is_not_exported() -> None:
    hinting = replace(figure(Curve("a", X, Y)), hint="Drag me.")
    assert "Drag me" not in export.to_svg(hinting, {}).decode()
    assert "Drag me" not in export.to_csv(hinting, {}).decode()


def test_png_has_size_resolution_and_metadata() -> None:
    data = export.to_png(figure(Curve("a", X, Y)), METADATA, size_inches=(5.0, 3.0), dpi=120)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.size == (600, 360)
        assert image.info["dpi"] == pytest.approx((120, 120), abs=0.1)
        assert {key: image.info[key] for key in METADATA} == METADATA
        assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


WRITERS: dict[str, Callable[[Figure], bytes]] = {
    "svg": lambda figure: export.to_svg(figure, METADATA),
    "pdf": lambda figure: export.to_pdf(figure, METADATA),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_figure_is_drawn_without_a_warning(name: str) -> None:
    svg_root(export.to_svg(SAMPLES[name], METADATA))
    assert export.to_csv(SAMPLES[name], METADATA)


@pytest.mark.parametrize("name", ["many curves, log and log", "categories, log", "lines, symlog and symlog"])
@pytest.mark.parametrize("size", [(3.3, 2.4), (10.0, 7.0)])
def test_every_size_is_drawn(name: str, size: tuple[float, float]) -> None:
    root = svg_root(export.to_svg(SAMPLES[name], METADATA, size))
    left, right, bottom, top = plot_area(root)
    assert right - left > 0.4 * 72 * size[0]
    assert bottom - top > 0.25 * 72 * size[1]
    assert root.get("width") == f"{72 * size[0]:g}pt"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["error bars, log and log", "categories, linear", "many points, linear and linear"])
def test_the_same_figure_gives_the_same_bytes(kind: str, name: str) -> None:
    assert WRITERS[kind](SAMPLES[name]) == WRITERS[kind](SAMPLES[name])


def test_the_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "import sys, hashlib; from tests.test_export import WRITERS, SAMPLES\n"
        "for write in WRITERS.values(): print(hashlib.sha256(write(SAMPLES['categories, log'])).hexdigest())"
    )
    root = Path(__file__).parent.parent
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_persons_own_style_of_matplotlib_changes_nothing() -> None:
    import matplotlib as mpl

    before = export.to_svg(SAMPLES["error bars, log and log"], {})
    own = {"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "black"}
    with mpl.rc_context(cast(Any, own)):  # pyright: ignore[reportUnknownMemberType]
        assert export.to_svg(SAMPLES["error bars, log and log"], {}) == before
        assert mpl.rcParams["font.size"] == 30


def test_hidden_marks_are_left_out() -> None:
    both = figure(Curve("seen", X, Y), Curve("unseen", X, 100 * Y), Line("unseen line", 0.1, vertical=False))
    hidden = frozenset({"unseen", "unseen line"})
    alone = figure(Curve("seen", X, Y))
    assert export.to_svg(both, {}, hidden=hidden) == export.to_svg(alone, {})
    assert export.to_csv(both, {}, hidden) == export.to_csv(alone, {})


def test_more_than_six_entries_stand_outside() -> None:
    def right_of_axes(count: int) -> bool:
        # A diagonal leaves corners free, so that only the number of entries decides.
        marks = [Curve(f"entry {number}", X, X + number / 100, identity(number)) for number in range(count)]
        root = svg_root(export.to_svg(figure(*marks), {}))
        (entry,) = (text for text in root.iter(f"{SVG}text") if "".join(text.itertext()) == "entry 0")
        place = re.search(r"translate\((\S+) ", entry.get("transform", "")) or re.search(r"(.+)", entry.get("x", ""))
        assert place is not None
        return float(place[1]) > plot_area(root)[1]

    assert not right_of_axes(6)
    assert right_of_axes(7)


@pytest.mark.parametrize("name", ["plot.csv", "plot.SVG", "plot.pdf", "plot.Png"])
def test_save_chooses_by_suffix(tmp_path: Path, name: str) -> None:
    starts = {".csv": b"# title", ".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    export.save(SAMPLES["error bars, log and log"], tmp_path / name, METADATA)
    assert (tmp_path / name).read_bytes().startswith(starts[Path(name).suffix.lower()])


@pytest.mark.parametrize(("name", "found"), [("plot.jpg", "not in .jpg"), ("plot", "and this one has no suffix")])
def test_save_refuses_other_suffixes(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(ValueError) as caught:
        export.save(figure(), tmp_path / name, {})
    told = f"Cannot export to {name}: the name must end in .csv, .pdf, .png or .svg, {found}."
    assert str(caught.value) == told
    assert list(tmp_path.iterdir()) == []


def test_save_tells_where_it_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "none" / "plot.csv"
    with pytest.raises(WriteError, match="the folder does not exist"):
        export.save(figure(), path, {})


def test_matplotlib_is_imported_only_to_draw() -> None:
    program = (
        "import sys, explorer.export; print(any(name in sys.modules for name in ('matplotlib', 'PyQt6', 'torch')))"
    )
    root = Path(__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, check=True, text=True)
    assert run.stdout == "False\n"


HEADER = ("sampler & grid", "W₂, ε", "calls", "λ_max|note")
ROWS = (
    ("Heun #1", 1.23456e-7, 20, "50 % ~ 10⁻³"),
    ("EM", float("inf"), 10, "√2 \\ {a}^b"),
    ("EI", float("nan"), 5, "−"),
)


def test_table_csv_is_exact() -> None:
    assert list(csv.reader(io.StringIO(export.table_csv(HEADER, ROWS)))) == [
        list(HEADER),
        ["Heun #1", "1.23456e-07", "20", "50 % ~ 10⁻³"],
        ["EM", "inf", "10", "√2 \\ {a}^b"],
        ["EI", "nan", "5", "−"],
    ]


def test_table_markdown() -> None:
    assert export.table_markdown(HEADER, ROWS) == (
        "| sampler & grid | W₂, ε | calls | λ\\_max\\|note |\n"
        "| --- | ---: | ---: | --- |\n"
        "| Heun #1 | 1.235e-07 | 20 | 50 % ~ 10⁻³ |\n"
        "| EM | inf | 10 | √2 \\\\ {a}^b |\n"
        "| EI | nan | 5 | − |\n"
    )


def test_table_tex() -> None:
    assert export.table_tex(HEADER, ROWS) == "\n".join(
        [
            r"\begin{tabular}{lrrl}",
            r"\toprule",
            r"sampler \& grid & W$_{2}$, $\varepsilon$ & calls & $\lambda$\_max$|$note \\",
            r"\midrule",
            r"Heun \#1 & $1.235 \times 10^{-7}$ & $20$ & 50 \% \textasciitilde{} 10$^{-}$$^{3}$ \\",
            r"EM & $\infty$ & $10$ & $\surd$2 \textbackslash{} \{a\}\textasciicircum{}b \\",
            r"EI & -- & $5$ & $-$ \\",
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Row 2 has 1 cells, the header has 2\.$"):
        export.table_csv(("a", "b"), ((1, 2), (3,)))
