"""Judges what `tools/mutate.py` found: every mutant that no test notices must have its reason in `tests/survivors.md`.

Writes the figures of every module to `docs/mutation.md`, and fails for a survivor without a reason, a reason without
a survivor, and a mutant that was not tried. `python tools/mutation_report.py _text` judges one.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
REASONS = ROOT / "tests" / "survivors.md"
TARGET = ROOT / "docs" / "mutation.md"
#: What counts as noticed. A mutant that never ends is noticed by whoever waits for it.
NOTICED = {"killed", "timeout", "segfault"}

_HEAD = """\
# Mutation testing

`make mutants MODULES=all` changes the pure modules in small ways, one at a time (`<` becomes `<=`), and runs the unit
tests of the changed function. It writes this file; do not edit it. [tests/survivors.md](../tests/survivors.md) lists
every survivor with the reason why no test can, or should, notice it. The run fails while there are mutants in the last
two columns.

| module | mutants | noticed | survive, with a reason | survive, without one | not tried |
|---|---|---|---|---|---|
"""
_ROW = re.compile(r"\| `(?P<where>[\w.]+)` \| `(?P<was>.*?)` \| `(?P<becomes>.*?)` \| (?P<why>[^|`].*) \|")


@frozen
class Survivor:
    """A change that no test noticed. Named by its text: numbers of mutants change with every edit of a function."""

    where: str
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"| `{self.where}` | `{self.was}` | `{self.becomes}` |"


def results(folder: Path) -> dict[str, dict[str, str]]:
    """Module by module, what became of each mutant."""
    found = {}
    for file in sorted(folder.glob("kkiai_sdk/*.py.meta")):
        codes = json.loads(file.read_text("utf-8"))["exit_code_by_key"]
        found[file.name.removesuffix(".py.meta")] = {key: status_by_exit_code[code] for key, code in codes.items()}
    return found


def survivor(mutant: str, diff: str) -> Survivor:
    """The change behind the name of a mutant, from its diff."""
    lines = diff.splitlines()
    old = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    new = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    module, _, function = mutant.removeprefix("kkiai_sdk.").rpartition(".")
    name = re.sub(r"__mutmut_\d+$", "", function).removeprefix("x_").replace("xǁ", "").replace("ǁ", ".")
    return Survivor(f"{module}.{name}", _cell(old), _cell(new))


def _cell(lines: list[str]) -> str:
    return " ".join(lines).replace("|", "¦").replace("`", "´")


def reasons(text: str) -> dict[Survivor, str]:
    """The reasons of the table, by the change that they are for. Raises ValueError for a line that is no row."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            match = _ROW.fullmatch(line)
            if match is None:
                raise ValueError(f"not a row with a change and a reason: {line}")
            found[Survivor(match["where"], match["was"], match["becomes"])] = match["why"]
    return found


@frozen
class Judgement:
    """What came out for one module."""

    module: str
    statuses: Counter[str]
    #: Its survivors, by the change.
    changes: dict[Survivor, int]
    #: The changes for which there is a reason.
    given: frozenset[Survivor]

    def problems(self) -> Iterator[str]:
        """What is wrong."""
        for status, count in self.statuses.items():
            if status not in NOTICED | {"survived"}:
                yield f"{self.module}: {count} mutants: {status}"
        for each in sorted(self.changes.keys() - self.given, key=str):
            yield f"{self.module}: survives without a reason: {each}"
        # A reason may be idle only when it cannot be told yet.
        if not self.statuses["not checked"]:
            for each in sorted(self.given - self.changes.keys(), key=str):
                yield f"{self.module}: a reason without a survivor: {each}"

    def row(self) -> str:
        """The row of the table."""
        explained = sum(count for change, count in self.changes.items() if change in self.given)
        noticed = sum(self.statuses[status] for status in NOTICED)
        survived, total = self.statuses["survived"], self.statuses.total()
        cells = (total, noticed, explained, survived - explained, total - noticed - survived)
        return f"| `{self.module}` | {' | '.join(map(str, cells))} |\n"


def judge(module: str, statuses: dict[str, str], reasons_given: dict[Survivor, str]) -> Judgement:
    """Look at one module's mutants."""
    path = Path("kkiai_sdk") / f"{module}.py"
    names = [name for name, status in statuses.items() if status == "survived"]
    changes = Counter(survivor(name, get_diff_for_mutant(name, path=path)) for name in names)
    mine = frozenset(each for each in reasons_given if each.where.split(".")[0] == module)
    return Judgement(module, Counter(statuses.values()), changes, mine)


def main() -> int:
    """Judge the modules named on the command line, or all."""
    found = results(ROOT / "mutants")
    given = reasons(REASONS.read_text("utf-8"))
    judged = {module: judge(module, statuses, given) for module, statuses in found.items()}
    TARGET.write_text(_HEAD + "".join(each.row() for each in judged.values()), encoding="utf-8")
    named = sys.argv[1:] or list(judged)
    wrong = [problem for module in named for problem in judged[module].problems()]
    print("\n".join(wrong) or f"every survivor has a reason: {', '.join(named)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
