"""Judge the results of `tools/mutate.py`: each surviving mutant needs a reason in `tests/survivors.md`.

Writes the figures of every module to `docs/mutation.md`, and fails for a survivor without a reason, a reason without
a survivor, and a mutant that was not tried. `python tools/mutation_report.py _responses.strict_json` judges one module.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
REASONS = ROOT / "tests" / "survivors.md"
TARGET = ROOT / "docs" / "mutation.md"
#: A mutant that never ends would be noticed too.
NOTICED = ("killed", "timeout", "segfault")

_HEAD = """\
# Mutation testing

`make mutants MODULES=all` makes small changes to the pure modules, one at a time (`<` becomes `<=`), and runs the unit
tests of the changed function. It writes this file; do not edit it. [tests/survivors.md](../tests/survivors.md) lists
every surviving mutant and the reason why no test can, or should, detect it. The run fails if there are mutants in the
last two columns.

| module | mutants | detected | survived, with a reason | survived, without a reason | not tried |
|---|---|---|---|---|---|
"""
_ROW = re.compile(r"\| `([\w.]+)` \| `(.*?)` \| `(.*?)` \| ([^|`].*) \|")


class Change(NamedTuple):
    """A change that no test noticed, by its text: numbers of mutants change with every edit of a function."""

    function: str
    line: str
    becomes: str

    def __str__(self) -> str:
        return f"| `{self.function}` | `{self.line}` | `{self.becomes}` |"

    @classmethod
    def from_diff(cls, mutant: str, diff: str) -> Change:
        """The change of a mutant, in a form that fits into a table."""
        module, _, function = mutant.removeprefix("kkiai_sdk.").rpartition(".")
        name = re.sub(r"__mutmut_\d+$", "", function).removeprefix("x_").replace("xǁ", "").replace("ǁ", ".")
        return cls(f"{module}.{name}", _changed(diff, "-"), _changed(diff, "+"))


def _changed(diff: str, sign: str) -> str:
    lines = [line[1:].strip() for line in diff.splitlines() if line.startswith(sign) and not line.startswith(sign * 3)]
    return " ".join(lines).replace("|", "¦").replace("`", "´")


def read_reasons(text: str) -> dict[Change, str]:
    """The reasons of a table, by change. Raises ValueError for a line that should be a row and is none."""
    reasons = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            match = _ROW.fullmatch(line)
            if match is None:
                raise ValueError(f"not a row with a change and a reason: {line}")
            reasons[Change(*match.groups()[:3])] = match[4]
    return reasons


class Report(NamedTuple):
    """The results of one module."""

    module: str
    statuses: Counter[str]
    #: Survivors, by change, and the changes that have a reason.
    survivors: Counter[Change]
    excused: set[Change]

    def problems(self) -> Iterator[str]:
        """Everything that is wrong."""
        for status, count in self.statuses.items():
            if status not in {*NOTICED, "survived"}:
                yield f"{self.module}: {count} mutants: {status}"
        for change in sorted(self.survivors.keys() - self.excused):
            yield f"{self.module}: survives without a reason: {change}"
        # A reason is known to be idle only when every mutant was tried.
        for change in sorted(self.excused - self.survivors.keys()) if not self.statuses["not checked"] else ():
            yield f"{self.module}: a reason without a survivor: {change}"

    def row(self) -> str:
        """The row of the table."""
        excused = sum(count for change, count in self.survivors.items() if change in self.excused)
        noticed = sum(self.statuses[status] for status in NOTICED)
        survived, total = self.statuses["survived"], self.statuses.total()
        cells = (total, noticed, excused, survived - excused, total - noticed - survived)
        return f"| `{self.module}` | {' | '.join(map(str, cells))} |\n"


def read_report(file: Path, reasons: dict[Change, str]) -> Report:
    """Read the results that mutmut has left for one module."""
    path = file.relative_to(ROOT / "mutants").with_suffix("")
    module = ".".join(path.with_suffix("").parts[1:])
    codes = json.loads(file.read_text("utf-8"))["exit_code_by_key"]
    statuses = {mutant: status_by_exit_code[code] for mutant, code in codes.items()}
    survivors = Counter(
        Change.from_diff(mutant, get_diff_for_mutant(mutant, path=path))
        for mutant, status in statuses.items()
        if status == "survived"
    )
    excused = {change for change in reasons if change.function.startswith(f"{module}.")}
    return Report(module, Counter(statuses.values()), survivors, excused)


def main() -> int:
    """Judge the modules on the command line, or all."""
    reasons = read_reasons(REASONS.read_text("utf-8"))
    files = sorted((ROOT / "mutants" / "kkiai_sdk").rglob("*.py.meta"))
    reports = {report.module: report for report in (read_report(file, reasons) for file in files)}
    TARGET.write_text(_HEAD + "".join(report.row() for report in reports.values()), encoding="utf-8")
    named = sys.argv[1:] or list(reports)
    problems = [problem for module in named for problem in reports[module].problems()]
    print("\n".join(problems) or f"every survivor has a reason: {', '.join(named)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
