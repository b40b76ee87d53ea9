"""Run the cases and write docs/reliability.md, or print the verdicts of some cases."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.faults import cases, cases_tasks
from benchmarks.faults.observe import Case, observe
from benchmarks.faults.report import Result, document
from benchmarks.harness import ROOT


def judge(family: str, case: Case, library: str) -> Result:
    """Observe one library in one case, and judge it."""
    seen = observe(case, library)
    if seen.outcome in {"hung", "died"}:
        # A busy machine can cause this too.
        seen = observe(case, library)
    held, words = case.rule.judge(seen)
    sys.stderr.write(f"{'held' if held else '-':5}{library:16}{case.ids:11}{case.title}: {words}\n")
    sys.stderr.write(f"{seen.stderr}\n" if seen.outcome == "died" else "")
    return Result(family, case, library, held, words)


def main() -> None:
    """Run the chosen cases; write the document only when all were run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", default="", help="cases with this text in their id, family or title")
    parser.add_argument("--library", default="", help="one library")
    parser.add_argument("--jobs", type=int, default=2, help="libraries to observe at once (default 2)")
    parser.add_argument(
        "--outcomes", type=Path, help="outcomes of the SDK's own tests, from benchmarks.faults.recorder"
    )
    options = parser.parse_args()
    chosen = [
        (family, case, library)
        for family, of_family in {**cases.FAMILIES, **cases_tasks.FAMILIES}.items()
        for case in of_family
        for library in case.libraries
        if options.only in f"{case.ids} {family} {case.title}" and options.library in {"", library}
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda each: judge(*each), chosen))
    if not options.only and not options.library:
        (ROOT / "docs" / "reliability.md").write_text(document(results, options.outcomes), "utf-8")


if __name__ == "__main__":
    main()
