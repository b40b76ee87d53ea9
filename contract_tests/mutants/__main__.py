"""Runs every seeded defect and writes `docs/mutants.md`: which were caught, by which rule or test, and where.

Run it from anywhere with `python -m contract_tests.mutants [TARGET]`. The exit code is 1 if one was not caught.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from contract_tests.mutants.running import ROOT, Tried, correct_gateway, gateways, mistakes
from contract_tests.mutants.sdk import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGET = ROOT / "docs" / "mutants.md"
#: Seeds under which a correct gateway must pass.
SEEDS = range(1, 21)

_HEAD = """\
# Seeded defects

Tests of the check itself: `kkiai contract` is run against gateways with one defect each, and the suites in
`contract_tests/` against copies of the SDK with one mistake each. A gateway is first checked gently, with at most 12
requests. If that finds nothing, a full check follows, and then one with `--allow-writes`; the table says so. Written by
`make mutants`; do not edit.

| what | tried | caught |
|---|---|---|
"""


def main() -> int:
    """Run everything, write the file, and name the defects that were not caught."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    clean = [correct_gateway(seed) for seed in SEEDS]
    passed = sum(not report.findings and report.exit_code() == 0 for report in clean)
    control = next(mistakes((CONTROL,)))
    if control.caught_by:
        sys.stdout.write(f"the suite fails without any mistake: {control.caught_by[0]}\n")
        return 1
    faulty, mistaken = [*map(_progress, gateways())], [*map(_progress, mistakes())]
    missed = [each for each in (*faulty, *mistaken) if not each.caught_by]
    target.write_text(document(passed, faulty, mistaken), encoding="utf-8")
    for each in missed:
        sys.stdout.write(f"not caught: {each.group}: {each.name}\n")
    sys.stdout.write(f"{target}: {len(faulty)} gateways, {len(mistaken)} mistakes, {len(missed)} not caught\n")
    return 1 if missed or passed < len(SEEDS) else 0


def _progress(tried: Tried) -> Tried:
    sys.stderr.write(f"{'caught' if tried.caught_by else 'MISSED'}  {tried.group}: {tried.name}\n")
    return tried


def document(passed: int, faulty: list[Tried], mistaken: list[Tried]) -> str:
    """The whole file."""
    rows = [
        f"| defects of a gateway | {len(faulty)} | {_caught(faulty)} |\n",
        f"| mistakes in the SDK | {len(mistaken)} | {_caught(mistaken)} |\n",
        f"| a correct gateway, one run per seed | {len(SEEDS)} | nothing found in {passed} |\n",
    ]
    return "".join([_HEAD, *rows, *_table("A gateway", faulty), *_table("The SDK", mistaken)])


def _caught(rows: Iterable[Tried]) -> int:
    return sum(bool(each.caught_by) for each in rows)


def _table(title: str, rows: Iterable[Tried]) -> list[str]:
    head = f"\n## {title}\n\n| group | defect | caught by | where |\n|---|---|---|---|\n"
    return [
        head,
        *(f"| {each.group} | {_name(each)} | {_cell(each.caught_by)} | {_cell(each.where)} |\n" for each in rows),
    ]


def _name(tried: Tried) -> str:
    return f"{tried.name} ({tried.note})" if tried.note else tried.name


def _cell(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
