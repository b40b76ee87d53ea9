"""Runs the cases and writes ``docs/reliability.md``."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.faults import cases, cases_tasks
from benchmarks.faults.report import Met, render
from benchmarks.faults.run import ROOT, observe

if TYPE_CHECKING:
    from benchmarks.faults.cases import Case

CASES: list[Case] = [
    *cases.NETWORK, *cases.BODIES, *cases.JSON, *cases.STATUSES, *cases.RETRY_AFTER,
    *cases_tasks.TIME, *cases_tasks.CONCURRENCY, *cases_tasks.DOWNLOADS, *cases_tasks.FILES, *cases_tasks.SECRETS,
    *cases_tasks.INJECTION,
]  # fmt: skip


def meet(pair: tuple[Case, str]) -> Met:
    """One contestant in one case."""
    case, who = pair
    seen = observe(case, who)
    if seen["outcome"] in {"hung", "died"}:
        # Once more: a machine that is busy with other things can hang a process, too.
        seen = observe(case, who)
    verdict = case.rule(seen)
    sys.stderr.write(f"{'held' if verdict.held else '-':5}{who:16}{case.ids:11}{case.title}: {verdict.words}\n")
    return Met(case, who, verdict, seen)


def main() -> None:
    """Run what is asked for; write the document when it was everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose id, family or title holds this text")
    parser.add_argument("--who", default="", help="one contestant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--held", type=Path, help="what the tests' own run reported (benchmarks/faults/witness.py)")
    parser.add_argument("--dump", type=Path, help="write everything that was seen, as JSON")
    chosen = parser.parse_args()
    pairs = [
        (case, who)
        for case in CASES
        for who in case.who
        if chosen.only in f"{case.ids} {case.family} {case.title}" and chosen.who in {"", who}
    ]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        met = list(pool.map(meet, pairs))
    if chosen.dump:
        chosen.dump.write_text(json.dumps([each.plain for each in met], indent=1), "utf-8")
    if not chosen.only and not chosen.who:
        (ROOT / "docs" / "reliability.md").write_text(render(met, chosen.held, ROOT / "tests" / "faults.md"), "utf-8")


if __name__ == "__main__":
    main()
