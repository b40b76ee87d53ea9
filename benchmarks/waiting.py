"""What waiting tasks cost: memory and CPU of each, lag, connections, and what is left once the server stood still."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks.calls import site_of
from benchmarks.lab import Section, Table, median, ratio, say, short, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.lab import Lab

CONTESTANTS = ("httpx", "kkiai", "kkiai[aiohttp]", "openai", "runwayml")
#: Polls a second that all tasks make together.
RATE = 200
#: Calls of a lone caller, which a poll of a fleet is compared with.
CALLS = 1000
OURS = ("kkiai", "kkiai[aiohttp]")

Found = dict[str, list[dict[str, float]]]


def run(lab: Lab) -> Section:
    """Measure a thousand for all, ten thousand for the SDK."""
    thousand: Found = defaultdict(list)
    many: Found = defaultdict(list)
    if lab.server.name == "stand-in":
        say("waiting: needs nginx, which counts what it serves; left out")
        return Section("What a waiting task costs", [])
    for number in range(lab.rounds):
        say(f"1,000 waiting tasks, then 10,000: round {number + 1} of {lab.rounds}")
        # Python allocates the same each time.
        phases = ("burst", "steady", *(() if number else ("objects",)))
        for who in CONTESTANTS:
            _measure(lab, thousand, who, tasks=1000, phases=(*phases, *(("lone",) if who in OURS else ())))
        for who in OURS:
            _measure(lab, many, who, tasks=10_000, phases=phases)
    tables = [
        _table(f"{tasks} waiting tasks, each polled every {interval} s", found)
        for tasks, interval, found in (("1,000", 5, thousand), ("10,000", 50, many))
    ]
    return Section("What a waiting task costs", tables, _reached(thousand, many))


def _measure(lab: Lab, found: Found, who: str, *, tasks: int, phases: Sequence[str]) -> None:
    """A process in which all start at once, one in which they wait, and one in which their objects are counted."""
    interval = tasks / RATE
    watched = tasks == 1000
    spec: dict[str, Any] = {
        "who": who, "url": lab.server.url, "pid": lab.server.pid, "tasks": tasks, "interval": interval, "calls": CALLS,
        "limit": 10 + tasks / 200, "steady": 10.0 if watched else 0.0, "stop": watched,
    }  # fmt: skip
    numbers: dict[str, float] = {}
    for phase in phases:
        limit = spec["limit"] + spec["steady"] + 45
        apart = 0.0 if phase == "burst" else interval
        numbers |= lab.work("waiting", spec | {"phase": phase, "spread": apart}, site_of(lab, who), limit=limit)
        # A worker that was killed in between must not leave a server that stands still.
        os.kill(lab.server.pid, signal.SIGCONT)
    found[who].append(numbers)


def _of(rounds: list[dict[str, float]], name: str) -> list[float]:
    return [each[name] for each in rounds if name in each]


def _cpu(rounds: list[dict[str, float]]) -> list[float]:
    """Of a poll while all wait, or, where that was not measured, of one of the first."""
    return _of(rounds, "cpu") or _of(rounds, "burst_cpu")


def _shares(rounds: list[dict[str, float]]) -> str:
    shares = [ratio(_of(rounds, "cpu"), _of(rounds, name)) for name in ("lone", "lone_paced") if _of(rounds, name)]
    return ", ".join(f"{share:.2f}" for share in shares) or "-"


def _table(title: str, found: Found) -> Table:
    header = [
        "", "KiB of the process per task", "KiB of Python objects per task", "µs of CPU per poll",
        "by a lone call: as fast as it goes, at the same pace", "polls/s",
        "lag of the loop, p99, ms", "new connections", "polled once each after, s",
        "polls in 10 s after a stop of 3 s, of those due",
    ]  # fmt: skip
    rows = []
    for who, rounds in found.items():
        served = _of(rounds, "served")
        polled = median(_of(rounds, "polled"))
        burst = (
            short(median(_of(rounds, "burst")))
            if polled >= 1
            else f"{polled:.0%} in {median(_of(rounds, 'burst')):.0f}"
        )
        rows.append([
            who, spread(_of(rounds, "memory")), short(median(_of(rounds, "objects"))), spread(_cpu(rounds)),
            _shares(rounds), short(median(_of(rounds, "rate"))), spread(_of(rounds, "lag")),
            short(median(_of(rounds, "connections"))), burst, f"{median(served):.0%}" if served else "-",
        ])  # fmt: skip
    return Table(title, header, rows, _NOTE)


_NOTE = (
    "Lag, connections and the first polls are of tasks that all start at once. Memory (what the process grew by, from "
    "64 tasks on), CPU and the stop are of tasks that wait; they start one after another, but for the SDK, whose queue "
    "sees to that itself."
)


def _reached(thousand: Found, many: Found) -> dict[str, float]:
    reached = {}
    for who, tag in (("kkiai", ""), ("kkiai[aiohttp]", "_aiohttp")):
        for name in ("memory", "objects", "cpu", "lag", "connections", "served"):
            reached[f"wait_{name}{tag}"] = median(_of(thousand[who], name))
            reached[f"wait_{name}{tag}_many"] = median(_of(many[who], name))
        for name in ("lone", "lone_paced"):
            reached[f"wait_cpu_{name}{tag}"] = ratio(_of(thousand[who], "cpu"), _of(thousand[who], name))
    return reached
