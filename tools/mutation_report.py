"""Judges what `tools/mutate.py` found: every mutant that no test notices must have its reason in `tests/survivors.md`.

Writes the figures to `docs/mutation.md` when every module was tried, and fails for a survivor without a reason, for a
reason without a survivor, and for a mutant that was never tried. `python tools/mutation_report.py _text` judges one.
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

`make mutate` changes the pure modules in small ways, one at a time (is `<` here, or would `<=` do?), and runs the unit
tests of the changed function. This file is written by it; do not edit it. Every survivor is listed in
[tests/survivors.md](../tests/survivors.md) with the reason why no test can, or should, notice it.

| module | mutants | noticed | survivors, each with a reason |
|---|---|---|---|
"""
_ROW = re.compile(r"\| `(?P<where>[\w.]+)` \| `(?P<was>.*?)` \| `(?P<becomes>.*?)` \| (?P<why>[^|`].*) \|")


@frozen
class Survivor:
    """A change that no test noticed. Named by its text: numbers of mutants change with every edit of a function."""

    where: str
    was: str
    becomes: str


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


def problems(module: str, statuses: dict[str, str], changes: set[Survivor], given: set[Survivor]) -> Iterator[str]:
    """What is wrong with one module's results."""
    for status, count in Counter(statuses.values()).items():
        if status not in NOTICED | {"survived"}:
            yield f"{module}: {count} mutants: {status}"
    for each in sorted(changes - given, key=str):
        yield f"{module}: survives without a reason: | `{each.where}` | `{each.was}` | `{each.becomes}` |"
    for each in sorted(given - changes, key=str):
        yield f"{module}: a reason without a survivor: | `{each.where}` | `{each.was}` | `{each.becomes}` |"


def main() -> int:
    """Judge the modules named on the command line, or all."""
    found = results(ROOT / "mutants")
    given = reasons(REASONS.read_text("utf-8"))
    wrong: list[str] = []
    rows = []
    for module in sys.argv[1:] or found:
        path = Path("kkiai_sdk") / f"{module}.py"
        names = [name for name, status in found[module].items() if status == "survived"]
        changes = {survivor(name, get_diff_for_mutant(name, path=path)) for name in names}
        mine = {each for each in given if each.where.split(".")[0] == module}
        wrong += problems(module, found[module], changes, mine)
        noticed = sum(status in NOTICED for status in found[module].values())
        rows.append(f"| `{module}` | {len(found[module])} | {noticed} | {len(names)} |\n")
    print("\n".join(wrong) or "every survivor has a reason")
    if not wrong and not sys.argv[1:]:
        TARGET.write_text(_HEAD + "".join(rows), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
