"""Run the benchmarks and write benchmarks/RESULTS.md, or print the results of some groups."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import calls, downloads, fleets, journey, results, schedules, startup
from benchmarks.harness import Bench, Group, log

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS: dict[str, Callable[[Bench], Group]] = {
    "calls": calls.run,
    "fleets": partial(fleets.run, tasks=1000),
    "fleets-10k": partial(fleets.run, tasks=10_000),
    "startup": startup.run,
    "downloads": downloads.run,
    "schedules": schedules.run,
    "journey": journey.run,
}


def main() -> None:
    """Measure the chosen groups; write the document only when everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=f"any of {', '.join(GROUPS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of every measurement (default 5)")
    parser.add_argument("--own", action="store_true", help="measure the SDK and its dependencies, not the peers")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(unknown)}")
    # On termination too, the server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rounds, options.own)
        try:
            groups = [GROUPS[name](bench) for name in options.groups or GROUPS]
            if options.groups or options.own:
                print(results.summary(groups))  # noqa: T201 - the output
            else:
                results.FILE.write_text(results.document(groups, bench.server.name, options.rounds), "utf-8")
                log(f"written: {results.FILE.name}")
        finally:
            bench.close()


if __name__ == "__main__":
    main()
