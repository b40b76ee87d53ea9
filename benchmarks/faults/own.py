"""What the SDK's own tests say: the rows of ``tests/faults.md`` beside how the tests that carry them ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attrs import frozen

from tests.support.faults import read_families

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
    for letter, name, rows in read_families(table.read_text("utf-8")):
        yield Family(
            letter,
            name,
            tuple(row.id for row in rows),
            tuple((row.id, why) for row in rows if (why := row.held_by.removeprefix("out of scope: ")) != row.held_by),
            tuple(row.id for row in rows if row.held_by == "test" and _holds(outcomes.get(row.id, {}))),
            sum(sum(outcomes.get(row.id, {}).values()) for row in rows),
        )


def _holds(outcomes: dict[str, int]) -> bool:
    return outcomes.get("passed", 0) > 0 and not outcomes.get("failed", 0)
