"""The document: the SDK's own tests by family of faults, and the cases of the SDK alongside its peers."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from typing import TYPE_CHECKING

from attrs import frozen

from benchmarks.faults.wire import ALL, PEERS
from benchmarks.harness import ROOT, table
from tests.support.faults import read_families

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.faults.observe import Case

_HEAD = """# Reliability

<!-- Written by `make bench FAULTS=1`; do not edit. -->

Faults that can occur between a program, this SDK, a gateway and a disk: how the SDK's own tests cover them, and how
other libraries for similar tasks handle the same faults. Everything below was observed by that command.

## The SDK's own tests

The rows are those of `tests/faults.md`. A row is held if tests are marked with its id and all of them passed.

"""
_PEERS = """
## The same faults in other libraries

Each case consists of a script for a server on a plain socket, an action of a library against it in a separate process,
and a rule for judging the result, which is the same for all libraries (`benchmarks/faults/`). A dash means that the
library has no feature to which the case applies. Libraries use their defaults, except for the key, the address and, if
there is such an option, a timeout of one second. Sleeps are skipped by a clock that runs ahead. An error is one "that a
caller can expect" if its class belongs to the library, or to the HTTP library whose errors it passes on; a bare
`TypeError` is not.

"""


@frozen
class Result:
    """One library in one case."""

    family: str
    case: Case
    library: str
    held: bool
    words: str


def document(results: list[Result], outcomes: Path | None) -> str:
    """The whole document; `outcomes` is the file of the recorder."""
    own = (
        "They were not run for this document.\n" if outcomes is None else _own(json.loads(outcomes.read_text("utf-8")))
    )
    versions = [f"{peer} {importlib.metadata.version(peer.replace('_', '-'))}" for peer in PEERS]
    peers = f"{_PEERS}Python {platform.python_version()}; {', '.join(versions)}.\n\n"
    families = {result.family: [each for each in results if each.family == result.family] for result in results}
    details = [_details(family, of_family) for family, of_family in families.items()]
    return "\n".join([f"{_HEAD}{own}{peers}{_scores(families, results)}", *details])


def _own(outcomes: dict[str, dict[str, int]]) -> str:
    rows: list[list[str | int]] = []
    missing, excused = [], []
    for letter, name, faults in read_families((ROOT / "tests" / "faults.md").read_text("utf-8")):
        in_scope = [row.id for row in faults if row.held_by == "test"]
        excused += [
            f"- {row.id}: {row.held_by.removeprefix('out of scope: ')}" for row in faults if row.id not in in_scope
        ]
        counts = {one: outcomes.get(one, {}) for one in in_scope}
        held = [one for one, count in counts.items() if count.get("passed") and not count.get("failed")]
        missing += [one for one in in_scope if one not in held]
        tests = sum(sum(count.values()) for count in counts.values())
        rows.append([f"{letter}: {name}", len(faults), len(in_scope), len(held), tests])
    rows.append(["**all**", *(sum(int(row[column]) for row in rows) for column in range(1, 5))])
    verdict = f"Not held: {', '.join(missing)}." if missing else "Every case in scope is held."
    lines = table("", ["family", "cases", "in scope", "held", "tests run"], rows)
    return "\n".join([lines, verdict, "\nOut of scope or not held:\n", *excused, ""])


def _scores(families: dict[str, list[Result]], results: list[Result]) -> str:
    header = ["family", "cases", *ALL, "fails a case that the SDK holds"]
    rows = [[family, _count(own), *_row(own), _worse(own)] for family, own in families.items()]
    return table("", header, [*rows, ["**all**", _count(results), *_row(results), ""]])


def _count(results: list[Result]) -> int:
    return len({result.case for result in results})


def _row(results: list[Result]) -> list[str]:
    held = {library: [result.held for result in results if result.library == library] for library in ALL}
    return [f"{sum(each)} of {len(each)}" if each else "-" for each in held.values()]


def _worse(results: list[Result]) -> str:
    held = {result.case for result in results if result.library == "kkiai" and result.held}
    worse = {result.library for result in results if not result.held and result.case in held}
    return ", ".join(peer for peer in PEERS if peer in worse) or "nobody"


def _details(family: str, results: list[Result]) -> str:
    rows = []
    for case in dict.fromkeys(result.case for result in results):
        own = {result.library: result for result in results if result.case == case}
        cells = [f"{'✓' if own[name].held else '✗'} {own[name].words}" if name in own else "-" for name in ALL]
        rows.append([f"{case.title} ({case.ids})", case.rule.sentence, *(cell.replace("|", "\\|") for cell in cells)])
    return table(f"{family[:1].upper()}{family[1:]}", ["case", "held when the library", *ALL], rows)
