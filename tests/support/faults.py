"""The table of faults, ``tests/faults.md``, as it is read by the tests and by the benchmarks."""

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
    """The rows of all tables in a text. Raises ValueError for a line that should be one and is none."""
    rows = []
    for line in text.splitlines():
        if re.match(r"\|(?! id \||---)", line):
            match = _ROW.fullmatch(line)
            if match is None:
                raise ValueError(f"not four columns with an id in the first: {line}")
            rows.append(Row(*match.groups()))
    return rows


def read_families(text: str) -> Iterator[tuple[str, str, list[Row]]]:
    """The letter, the name and the rows of each family, in their order."""
    rows = read_table(text)
    for letter, name in (match.groups() for match in map(_FAMILY.fullmatch, text.splitlines()) if match):
        yield letter, name, [row for row in rows if row.id.startswith(letter)]
