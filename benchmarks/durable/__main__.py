"""Kill the workers of a durable queue, and write what it showed into benchmarks/RESULTS.md: make bench-durable."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.durable import postgres
from benchmarks.durable.gateway import Gateway, Plan
from benchmarks.durable.run import run, wait_until, worker
from benchmarks.harness import log, table
from benchmarks.results import DURABLE, FILE, Goal
from kkiai_sdk.dbos import VideoQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 50.0
#: Seconds until the last task ends: at 50 requests a second, two per task and some.
LONGEST = 90.0
GOALS = (
    Goal("tasks recorded, of 2,000", "recorded", 2000, is_least=True),
    Goal("whole files, of 2,000", "right_size", 2000, is_least=True),
    Goal("part files left", "left_over", 0),
    Goal("files published twice", "published_twice", 0),
    Goal("kills", "kills", 10, is_least=True),
    Goal("downloads of 20 MiB cut off by a kill", "broken_large", 1, is_least=True),
    Goal("requests in the busiest second, while workers are killed", "busiest_second", 55),
    Goal("the same without kills", "busiest_second_quiet", 55),
    Goal("the same with four workers", "busiest_second_four", 55),
    Goal("requests a second while 800 tasks or more wait, while workers are killed", "busy_average", 45, is_least=True),
    Goal("the same without kills", "busy_average_quiet", 45, is_least=True),
    Goal("the same with four workers", "busy_average_four", 45, is_least=True),
    Goal("requests per task without kills", "requests_per_task_quiet", 2.5),
    Goal("the same while workers are killed", "requests_per_task", 2.5),
    Goal("start of a worker to its first request, the longest of all", "first_request_s", 5, " s"),
    Goal("the same, median", "first_request_median_s", 5, " s"),
    Goal("hand-over of 500 waits", "handover_s", 10, " s"),
    Goal("memory of a worker with 10,000 waits", "memory_10000", 300, " MiB"),
    Goal("rows written per task without kills", "rows_quiet", 10),
    Goal("rows written per poll, of the limit", "rows_per_poll", 1),
)


def measure(kind: str, database: str, tasks: int, kills: int) -> dict[str, float]:
    """Return all figures of a kind of database; each run has a database of its own."""
    log(f"{kind}: {tasks} tasks, {kills} kills")
    figures: dict[str, Any] = run(
        f"{database}_kills", tasks=tasks, large=tasks // 20, kills=kills, limit=LIMIT, longest=LONGEST
    )
    log(f"{kind}: without kills")
    quiet = run(f"{database}_quiet", tasks=tasks, large=0, kills=0, limit=LIMIT, longest=LONGEST)
    log(f"{kind}: four workers")
    four = run(f"{database}_four", tasks=tasks, large=0, kills=0, limit=LIMIT, longest=LONGEST, workers=4)
    names = ("busiest_second", "busy_average", "requests_per_task")
    figures |= {f"{name}_quiet": quiet[name] for name in names} | {f"{name}_four": four[name] for name in names}
    if rows := quiet["row_writes"]:
        polls = quiet["requests_per_task"]
        figures["rows_quiet"] = sum(rows.values())
        figures["rows_per_poll"] = sum(rows[name] for name in rows if "window" in name) / polls
    log(f"{kind}: hand-over, and 10,000 waits")
    figures["handover_s"] = hand_over(f"{database}_handover", 500)
    figures["memory_10000"] = memory(f"{database}_memory", 10_000)
    return figures


def hand_over(database: str, waits: int) -> float:
    """Return the seconds from the command until another worker has begun all waits of a dead one."""
    plan = {f"grok:{number:06}": Plan(float("inf"), 1) for number in range(waits)}
    with tempfile.TemporaryDirectory() as folder, Gateway(plan) as gateway, VideoQueue(database) as queue:
        queue.add(plan)
        lost, other = (worker(name, Path(folder), database, gateway, limit=LIMIT) for name in ("lost", "other"))
        try:
            lost.start()
            wait_until(lambda: queue.status().waiting == waits, 120)
            other.start()
            wait_until(lambda: any(query.worker.startswith("lost") for query in gateway.log.queries), 60)
            time.sleep(5)
            lost.kill()
            start = time.monotonic()
            queue.hand_over("lost")
            wait_until(lambda: {(w.name, w.waiting) for w in queue.status().workers} == {("other", waits)}, 60)
            return time.monotonic() - start
        finally:
            other.kill()


def memory(database: str, waits: int) -> float:
    """Return the MiB of a worker that has begun this number of waits, and polled each."""
    plan = {f"grok:{number:06}": Plan(float("inf"), 1) for number in range(waits)}
    with tempfile.TemporaryDirectory() as folder, Gateway(plan) as gateway, VideoQueue(database) as queue:
        queue.add(plan)
        each = worker("one", Path(folder), database, gateway, limit=500)
        each.start()
        try:
            wait_until(lambda: len({query.task_id for query in gateway.log.queries}) == waits, 300)
            return each.memory()
        finally:
            each.kill()


def section(found: dict[str, dict[str, float]], tasks: int) -> str:
    """Return the section of the document."""
    rows = []
    for goal in GOALS:
        cells = [goal.row(figures.get(goal.figure, float("nan"))) for figures in found.values()]
        rows.append([*cells[0][:2], *(f"{row[2]} {row[3]}".strip() for row in cells)])
    again = " and ".join(f"{figures['completed_twice']:g}" for figures in found.values())
    text = table(f"{tasks:,} tasks, two workers unless said otherwise", ["", "goal", *found], rows)
    return (
        f"{DURABLE}\n<!-- Written by `make bench-durable`. -->\n\n{text}\n"
        f"Tasks end {LONGEST / 5:g} to {LONGEST:g} s after they were added, one file in twenty has 20 MiB, and the "
        f"limit of both workers together is {LIMIT:g} requests a second. A kill is SIGKILL at a random moment, and the "
        "worker is started again at once. The end of a file that was sent and not yet published at that moment is sent "
        f"again, of {again} files. Rows are those that PostgreSQL counts, of all tables; those of the limit "
        f"are written per window of 0.2 s. {os.cpu_count()} cores, shared with other work (load "
        f"{os.getloadavg()[1]:.0f}), gateway and database on the same machine.\n"
    )


def databases(kinds: list[str], stack: ExitStack) -> Iterator[tuple[str, str]]:
    """Yield the kinds of databases with a URL to which a name can be added."""
    if "sqlite" in kinds:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        yield "SQLite", f"sqlite:///{folder}/queue.sqlite"
    if "postgresql" in kinds:
        yield "PostgreSQL", stack.enter_context(postgres.server())


def main() -> None:
    """Measure, and write the section when everything was measured in full."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable", description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=12)
    options = parser.parse_args()
    with ExitStack() as stack:
        found = {
            kind: measure(kind, url, options.tasks, options.kills) for kind, url in databases(options.kinds, stack)
        }
    text = section(found, options.tasks)
    log(text)
    if len(found) == 2 and options.tasks == 2000:
        head = FILE.read_text("utf-8").partition(DURABLE)[0].rstrip()
        FILE.write_text(f"{head}\n\n{text}", "utf-8")


if __name__ == "__main__":
    main()
