"""Draws the diagrams of the documentation.

`docs/architecture.svg` is drawn from `docs/architecture.txt`, the bar charts from the tables of
`benchmarks/RESULTS.md`. Run it from anywhere with `python tools/make_diagrams.py [FOLDER]`; it needs no extra.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
#: Pixels: the width of each picture, its margin, the height of a line of text.
WIDTH, MARGIN, LINE = 760, 24, 20
INK, FAINT, LINES, BOX, OWN, OTHER = "#1c2430", "#5b6675", "#8a97a8", "#eef3fa", "#0b6bcb", "#b4bfcc"

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">
<title id="title">{title}</title>
<style>text {{ font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 15px; }}</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M0 0 8 4 0 8z" fill="{lines}"/></marker></defs>
<rect width="100%" height="100%" rx="8" fill="#ffffff"/>
{shapes}
</svg>
"""


def svg(title: str, height: float, shapes: list[str]) -> str:
    """Return a picture of this height."""
    return SVG.format(width=WIDTH, height=round(height), title=escape(title), lines=LINES, shapes="\n".join(shapes))


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, is_bold: bool = False) -> str:
    """Return a line of text."""
    weight = ' font-weight="700"' if is_bold else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(words)}</text>'


def box_row(boxes: list[list[str]], top: float) -> tuple[float, list[str]]:
    """Return the bottom and the shapes of a row of boxes of equal width, each a title and lines of notes."""
    width = (WIDTH - 2 * MARGIN - 16 * (len(boxes) - 1)) / len(boxes)
    height = LINE * max(map(len, boxes)) + 20
    shapes = []
    for number, (title, *notes) in enumerate(boxes):
        left = MARGIN + number * (width + 16)
        place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
        shapes.append(f'<rect {place} rx="6" fill="{BOX}" stroke="{LINES}"/>')
        shapes.append(text(left + width / 2, top + 25, title, anchor="middle", is_bold=True))
        lines = enumerate(notes, 1)
        shapes += [text(left + width / 2, top + 25 + LINE * n, note, anchor="middle", fill=FAINT) for n, note in lines]
    return top + height, shapes


def ways(down: str, up: str, top: float) -> tuple[float, list[str]]:
    """Return the bottom and the shapes of the two arrows between rows."""
    bottom, left, right = top + 46, WIDTH * 0.16, WIDTH * 0.56
    line = f'<line x1="{{0:g}}" y1="{{1:g}}" x2="{{0:g}}" y2="{{2:g}}" stroke="{LINES}" marker-end="url(#tip)"/>'
    arrows = [line.format(left, top + 6, bottom - 6), line.format(right, bottom - 6, top + 6)]
    return bottom, [*arrows, text(left + 14, top + 28, down), text(right + 14, top + 28, up)]


def architecture(source: str) -> str:
    """Return the picture of the layers."""
    shapes: list[str] = []
    bottom = float(MARGIN)
    for line in source.splitlines():
        kind, _, rest = line.partition(" | ")
        if kind == "box":
            bottom, row = box_row([[part.strip() for part in box.split(" | ")] for box in rest.split(" || ")], bottom)
        elif kind == "way":
            down, up = rest.split(" | ")
            bottom, row = ways(down, up, bottom)
        else:
            continue
        shapes += row
    return svg("The path of a request and its response through the layers", bottom + MARGIN, shapes)


@dataclass(frozen=True)
class Chart:
    """Bars of one column of a table of results."""

    title: str
    #: Heading of the table, and name of the column.
    table: str
    column: str
    unit: str
    is_lower_better: bool


CHARTS = {
    "schedules.svg": Chart(
        "Worst cost of a poll schedule, relative to the best possible one",
        "Schedules",
        "largest regret",
        "×",
        is_lower_better=True,
    ),
    "memory.svg": Chart(
        "Memory of a waiting task, with 1,000 of them",
        "1,000 waiting tasks, each polled every 5 s",
        "KiB of the process per task",
        "KiB",
        is_lower_better=True,
    ),
    "downloads.svg": Chart(
        "Throughput of a download, relative to a bare httpx loop",
        "A file of 200 MiB",
        "ratio to httpx",
        "×",
        is_lower_better=False,
    ),
}


def column(results: str, chart: Chart) -> Iterator[tuple[str, float]]:
    """Yield the name and the figure of each row of the table."""
    (lines,) = re.findall(rf"^### {re.escape(chart.table)}\n\n((?:\|.*\n)+)", results, re.MULTILINE)
    head, _, *rows = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in lines.splitlines())
    place = head.index(chart.column)
    for row in rows:
        yield row[0], float(row[place].split()[0].replace(",", ""))


def bars(results: str, chart: Chart) -> str:
    """Return a bar chart: the best bar on top, those of this project in a different color."""
    rows = sorted(column(results, chart), key=lambda row: row[1], reverse=not chart.is_lower_better)
    left, top, room = 285, 96, WIDTH - 285 - 150
    # A bar of a tenth of the largest is still seen; beyond that a chart says no more than its numbers.
    largest = min(max(figure for _, figure in rows), 12 * min(figure for _, figure in rows))
    better = "shorter is better" if chart.is_lower_better else "longer is better"
    shapes = [text(MARGIN, 36, chart.title, is_bold=True), text(MARGIN, 62, f"{better}; blue is this SDK", fill=FAINT)]
    for number, (name, figure) in enumerate(rows):
        y, is_own = top + 30 * number, name.startswith("kkiai")
        width = max(min(figure / largest, 1) * room, 2)
        shapes += [
            text(left - 12, y + 15, name, anchor="end", is_bold=is_own),
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="20" rx="3" fill="{OWN if is_own else OTHER}"/>',
            text(left + width + 8, y + 15, _figure(figure, largest, chart.unit), is_bold=is_own),
        ]
    return svg(f"{chart.title}: {better}", top + 30 * len(rows) + MARGIN / 2, shapes)


def _figure(figure: float, largest: float, unit: str) -> str:
    return f"{figure:.3g} {unit}{' (cut)' if figure > largest else ''}"


def pictures() -> dict[str, str]:
    """Return all pictures by file name."""
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")
    charts = {name: bars(results, chart) for name, chart in CHARTS.items()}
    return {"architecture.svg": architecture((DOCS / "architecture.txt").read_text("utf-8"))} | charts


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    for name, picture in pictures().items():
        (folder / name).write_text(picture, encoding="utf-8")
        print(f"{folder / name} is up to date")
