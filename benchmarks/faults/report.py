"""The document made of what was seen."""

from __future__ import annotations

import importlib.metadata
import inspect
import platform
from typing import TYPE_CHECKING, Any

from attrs import frozen

from benchmarks.faults import own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.faults.cases import Case
    from benchmarks.faults.rules import Seen, Verdict

PEERS = ("openai", "runwayml", "replicate", "fal-client", "huggingface_hub")
WHO = ("kkiai", *PEERS)

_HEAD = """# Reliability

<!-- Written by `make bench-faults`; do not edit. -->

What goes wrong between a program, this SDK, a gateway and a disk, and what comes of it: first as the SDK's own tests
see it, then beside what else one might use for such tasks. Everything below was observed by that command.

"""

_PEERS = """
## The same faults for others

Each case is a script for a server on a bare socket, something that a library does against it in a process of its own,
and one rule by which what was seen is judged, the same for all (`benchmarks/faults/`). A dash: the library has nothing
that the case could be about. Libraries have been left at their defaults, except for the key, the address and, where
there is such an option, a timeout of one second. Sleeping was skipped, by a clock that runs ahead. An error counts as
one to expect when its class is the library's own, or of the HTTP library that it lets show through; a bare `TypeError`
does not.

"""


@frozen
class Met:
    """One contestant in one case, and how it went."""

    case: Case
    who: str
    verdict: Verdict
    seen: Seen

    @property
    def plain(self) -> dict[str, Any]:
        """Everything, as JSON."""
        told = {"case": f"{self.case.ids} {self.case.title}", "who": self.who}
        return told | {"held": self.verdict.held, "words": self.verdict.words, "seen": self.seen}


def render(met: list[Met], held: Path | None, table: Path) -> str:
    """The whole document. Without a report of the tests it says so."""
    parts = [_HEAD]
    if held is None:
        parts.append("The SDK's own tests were not run for this document.\n")
    else:
        parts += _own(list(own.read(table, held)))
    parts += [_PEERS, _versions(), *_scores(met), *_details(met)]
    return "".join(parts)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def _own(families: list[own.Family]) -> Iterator[str]:
    yield "## The SDK's own tests\n\nThe rows are those of `tests/faults.md`; a row is held when tests carry its id "
    yield "and all of them passed.\n\n"
    yield _row("family", "cases", "out of scope", "tried", "held", "tests run") + "|---|---|---|---|---|---|\n"
    for each in families:
        scope = len(each.ids) - len(each.excused)
        yield _row(f"{each.letter}: {each.name}", len(each.ids), len(each.excused), scope, len(each.held), each.tests)
    cases, excused = sum(len(each.ids) for each in families), sum(len(each.excused) for each in families)
    held, tests = sum(len(each.held) for each in families), sum(each.tests for each in families)
    yield _row("**all**", cases, excused, cases - excused, f"**{held}**", tests) + "\n"
    missing = [one for each in families for one in each.not_held]
    yield f"Not held: {', '.join(missing)}.\n\n" if missing else "Every case in scope is held.\n\n"
    if not excused:
        return
    yield "Out of scope:\n\n" + "".join(f"- {one}: {why}\n" for each in families for one, why in each.excused)


def _versions() -> str:
    named = [f"{who} {importlib.metadata.version(who.replace('_', '-'))}" for who in PEERS]
    return f"Python {platform.python_version()}; {', '.join(named)}.\n\n"


def _families(met: list[Met]) -> list[str]:
    return list(dict.fromkeys(each.case.family for each in met))


def _scores(met: list[Met]) -> Iterator[str]:
    yield (
        _row("family", "cases", *WHO, "does worse in a case that the SDK holds")
        + "|---|"
        + "---|" * (len(WHO) + 2)
        + "\n"
    )
    for family in _families(met):
        mine = [each for each in met if each.case.family == family]
        yield _row(family, len(_titles(mine)), *[_score(mine, who) for who in WHO], _beaten(mine))
    yield _row("**all**", len(_titles(met)), *[f"**{_score(met, who)}**" for who in WHO], "") + "\n"


def _titles(met: list[Met]) -> list[str]:
    return list(dict.fromkeys(each.case.title for each in met))


def _score(met: list[Met], who: str) -> str:
    mine = [each.verdict.held for each in met if each.who == who]
    return f"{sum(mine)} of {len(mine)}" if mine else "-"


def _beaten(met: list[Met]) -> str:
    held = {each.case.title for each in met if each.who == "kkiai" and each.verdict.held}
    worse = {each.who for each in met if not each.verdict.held and each.case.title in held}
    return ", ".join(who for who in PEERS if who in worse) or "nobody"


def _details(met: list[Met]) -> Iterator[str]:
    for family in _families(met):
        yield (
            f"### {family[:1].upper()}{family[1:]}\n\n"
            + _row("case", "held when", *WHO)
            + "|---|"
            + "---|" * (len(WHO) + 1)
            + "\n"
        )
        mine = [each for each in met if each.case.family == family]
        for title in _titles(mine):
            row = {each.who: each for each in mine if each.case.title == title}
            case = next(iter(row.values())).case
            yield _row(f"{title} ({case.ids})", _rule(case), *[_cell(row.get(who)) for who in WHO])
        yield "\n"


def _rule(case: Case) -> str:
    """The first line of the docstring of the rule, or of the function that makes rules with numbers in them."""
    name = case.rule.__qualname__.split(".")[0]
    made_by = getattr(inspect.getmodule(case.rule), name)
    return str(inspect.getdoc(made_by)).split("\n")[0].rstrip(".")


def _cell(met: Met | None) -> str:
    if met is None:
        return "-"
    return f"{'✓' if met.verdict.held else '✗'} {met.verdict.words}".replace("|", "\\|")
