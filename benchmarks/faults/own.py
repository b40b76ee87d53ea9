"""What the SDK's own tests say: the rows of ``tests/faults.md`` beside how the tests that carry them ended."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FAMILY = re.compile(r"## ([A-Z]): (.*)")
_ROW = re.compile(r"\| (([A-Z])-\d\d) \| ([^|]+) \| [^|]+ \| ([^|]+) \|")


@frozen
class Family:
    """One family of faults and what its tests came to."""

    letter: str
    name: str
    ids: tuple[str, ...]
    #: Ids with the reason why they are not the SDK's business.
    excused: tuple[tuple[str, str], ...]
    #: Ids of which every test passed; there is one at least.
    held: tuple[str, ...]
    tests: int

    @property
    def not_held(self) -> list[str]:
        """Ids that are in scope and were not seen to hold."""
        return [one for one in self.ids if one not in self.held and one not in dict(self.excused)]


def read(table: Path, report: Path) -> Iterator[Family]:
    """The families in the order of the table."""
    outcomes: dict[str, dict[str, int]] = json.loads(report.read_text("utf-8"))
    text = table.read_text("utf-8")
    rows = [match.groups() for match in map(_ROW.fullmatch, text.splitlines()) if match]
    for letter, name in (match.groups() for match in map(_FAMILY.fullmatch, text.splitlines()) if match):
        mine = [(one, held_by) for one, family, _, held_by in rows if family == letter]
        yield Family(
            letter,
            name,
            tuple(one for one, _ in mine),
            tuple((one, why.removeprefix("out of scope: ")) for one, why in mine if why.startswith("out of scope")),
            tuple(one for one, why in mine if why == "test" and _holds(outcomes.get(one, {}))),
            sum(sum(outcomes.get(one, {}).values()) for one, _ in mine),
        )


def _holds(outcomes: dict[str, int]) -> bool:
    return outcomes.get("passed", 0) > 0 and not outcomes.get("failed", 0)
