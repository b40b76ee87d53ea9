"""Measures everything side by side and writes ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import calls, downloads, imports, results, schedules, server, waiting
from benchmarks.lab import Lab, say

SECTIONS = {
    "calls": calls.run,
    "waiting": waiting.run,
    "imports": imports.run,
    "downloads": downloads.run,
    "schedules": schedules.run,
}


def main() -> None:
    """Measure what is asked for; write the document when it was everything, print it otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a section; may be given more than once")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    chosen = parser.parse_args()
    # Whoever ends it, the server goes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        running = server.start(folder)
        try:
            lab = Lab(running, folder, chosen.rounds)
            found = [SECTIONS[section](lab) for section in chosen.only or SECTIONS]
        finally:
            running.stop()
    remarks = Path(__file__).with_name("remarks.md").read_text("utf-8") + "\n"
    text = results.render(found, running.name, chosen.rounds, remarks)
    if chosen.only:
        print(text)  # noqa: T201 - to be read, and not kept
    else:
        results.FILE.write_text(text, "utf-8")
        say(f"written: {results.FILE.name}")


if __name__ == "__main__":
    main()
