"""One run: workers as processes, kills at random moments, and the figures of what the gateway saw."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from attrs import define, field

from benchmarks.durable.gateway import Gateway, Plan
from kkiai_sdk.dbos import VideoQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("one", "two", "three", "four")
LARGE, SMALL = 20 * 1024 * 1024, 20_000
#: Tasks that wait at a time, so many that by their poll schedule (at most 15 s) the limit of 50 is always used.
BUSY = 800


@define
class Process:
    """A worker and its present process."""

    name: str
    command: list[str]
    environment: dict[str, str]
    count: int = 0
    process: subprocess.Popen[bytes] | None = None
    #: Number and time of each start.
    starts: list[tuple[str, float]] = field(factory=list)

    def start(self) -> None:
        """Start a process whose key names it."""
        self.count += 1
        label = f"{self.name}.{self.count}"
        environment = self.environment | {"KKIAI_API_KEY": f"sk-{label}"}
        self.starts.append((label, time.monotonic()))
        self.process = subprocess.Popen(self.command, env=environment, cwd=ROOT)

    def kill(self) -> None:
        """End the process by SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def memory(self) -> float:
        """Return the largest resident size so far, in MiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


class Publications:
    """Notes the times of the files in a folder while the context is open; a file that is published again has two."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.times = folder, defaultdict[str, set[int]](set)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            for path in self._folder.glob("*.mp4"):
                self.times[path.name].add(path.stat().st_mtime_ns)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def plans(tasks: int, large: int, longest: float, seed: int) -> dict[str, Plan]:
    """Return tasks that end evenly from a fifth of ``longest`` seconds on, ``large`` of them with large files."""
    dice = random.Random(seed)  # noqa: S311
    sizes = [LARGE] * large + [SMALL] * (tasks - large)
    dice.shuffle(sizes)
    return {f"grok:{number:06}": Plan(dice.uniform(longest / 5, longest), size) for number, size in enumerate(sizes)}


def worker(name: str, folder: Path, database: str, gateway: Gateway, *, limit: float, waiting: int = 10_000) -> Process:
    """Return a worker that is not started."""
    environment = {**os.environ, "KKIAI_FLEET_DB": database, "KKIAI_BASE_URL": gateway.url}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # Otherwise each start compiles the package anew.
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'generated'}"
    command = [sys.executable, "-m", "benchmarks.durable.worker", name, str(folder), str(limit), str(waiting)]
    return Process(name, command, environment)


def wait_until(condition: Callable[[], bool], timeout: float, step: float = 0.25) -> float:
    """Return the seconds until a condition holds. Raises TimeoutError."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > timeout:
            raise TimeoutError(f"not within {timeout:g} s")
        time.sleep(step)
    return time.monotonic() - start


def run(
    database: str, *, tasks: int, large: int, kills: int, limit: float, longest: float, workers: int = 2, seed: int = 7
) -> dict[str, Any]:
    """Run some workers, kill one of them ``kills`` times, and return the figures."""
    dice = random.Random(seed)  # noqa: S311
    plan = plans(tasks, large, longest, seed)
    with (
        tempfile.TemporaryDirectory(prefix="kkiai-durable-") as folder,
        Gateway(plan) as gateway,
        VideoQueue(database) as queue,
        Publications(Path(folder)) as publications,
    ):
        start = time.monotonic()
        queue.add(plan)
        added = time.monotonic() - start
        processes = [worker(name, Path(folder), database, gateway, limit=limit) for name in NAMES[:workers]]
        try:
            for each in processes:
                each.start()
            for _ in range(kills):
                time.sleep(dice.uniform(0.3, 1.7) * longest / max(kills, 1))
                victim = dice.choice(processes)
                victim.kill()
                victim.start()
            wait_until(lambda: not any(queue.has_work(each.name) for each in processes), timeout=600)
            elapsed = time.monotonic() - start
            memory = max(each.memory() for each in processes)
        finally:
            for each in processes:
                each.kill()
        files = {path.name: path.stat().st_size for path in Path(folder).iterdir()}
        results = list(queue.results())
        figures = judge(gateway, processes, limit)
        return figures | {
            "tasks": tasks,
            "kills": kills,
            "added_s": added,
            "elapsed_s": elapsed,
            "recorded": len(results),
            "saved": sum(result.state == "saved" for result in results),
            "distinct": len({result.task_id for result in results}),
            "files": sum(name.endswith(".mp4") for name in files),
            "published_twice": sum(len(times) > 1 for times in publications.times.values()),
            "left_over": sum(not name.endswith(".mp4") for name in files),
            "right_size": sum(Path(str(r.path)).stat().st_size == plan[r.task_id].size for r in results if r.path)
            if Path(folder).exists()
            else 0,
            "memory_mib": memory,
            "row_writes": row_writes(database, tasks),
        }


def judge(gateway: Gateway, workers: list[Process], limit: float) -> dict[str, Any]:
    """Return the figures that the gateway's log gives."""
    log = gateway.log
    times = [query.time for query in log.queries]
    ended, unfinished = sorted(log.ended.values()), len(gateway.plans)
    quiet = ended[max(unfinished - BUSY, 0)] if unfinished > BUSY else times[0]
    first = times[0] + 2
    busy = bisect_left(times, quiet) - bisect_left(times, first)
    firsts: Mapping[str, float] = {query.worker: query.time for query in reversed(log.queries)}
    restarts = [firsts[label] - at for each in workers for label, at in each.starts if label in firsts]
    return {
        "requests_per_task": len(times) / len(gateway.plans),
        "busiest_second": max(bisect_left(times, at + 1) - number for number, at in enumerate(times)),
        "busy_average": busy / (quiet - first) if quiet > first else 0.0,
        "first_request_s": max(restarts),
        "first_request_median_s": statistics.median(restarts),
        "broken_downloads": len(log.broken),
        "broken_large": sum(gateway.plans[task_id].size == LARGE for task_id, _ in log.broken),
        "resumed_downloads": sum(log.resumed.values()),
        "completed_twice": sum(count > 1 for count in log.completed.values()),
        "limit": limit,
    }


def row_writes(database: str, tasks: int) -> dict[str, float]:
    """Return the rows written per task by table, as PostgreSQL counts them; nothing for SQLite."""
    if not database.startswith("postgres"):
        return {}
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    time.sleep(1.5)  # The server publishes its counters once a second.
    query = "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE n_tup_ins > 0"
    with engine.connect() as connection:
        counts = {name: count / tasks for name, count in connection.execute(sa.text(query))}
    engine.dispose()
    return counts
