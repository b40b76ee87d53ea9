"""Parser of the table of faults, ``tests/faults.md``, for tests and benchmarks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAMILY = re.compile(r"## ([A-Z]): (.*)")
_ROW = re.compile(r"\| ([A-Z]-\d\d) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


@frozen
class Row:
    """A row of the table."""

    id: str
    fault: str
    promise: str
    held_by: str


def read_table(text: str) -> list[Row]:
    """Return the rows of all tables in a text. Raises ValueError for a malformed row."""
    rows = []
    for line in text.splitlines():
        if re.match(r"\|(?! id \||---)", line):
            match = _ROW.fullmatch(line)
            if match is None:
                raise ValueError(f"not four columns with an id in the first: {line}")
            rows.append(Row(*match.groups()))
    return rows


def read_families(text: str) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield letter, name and rows of each family, in their order."""
    rows = read_table(text)
    for letter, name in (match.groups() for match in map(_FAMILY.fullmatch, text.splitlines()) if match):
        yield letter, name, [row for row in rows if row.id.startswith(letter)]
