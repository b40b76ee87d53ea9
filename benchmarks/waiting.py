"""What waiting tasks cost: memory and CPU of each, lag, connections, and what is left once the server stood still."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks.calls import site_of
from benchmarks.lab import Section, Table, median, say, short, spread

if TYPE_CHECKING:
    from benchmarks.lab import Lab

CONTESTANTS = ("httpx", "kkiai", "kkiai[aiohttp]", "openai", "runwayml")
#: Polls a second that all tasks make together.
RATE = 200
#: Rounds at most: each takes a quarter of a minute per contestant.
ROUNDS = 3

Found = dict[str, list[dict[str, float]]]


def run(lab: Lab) -> Section:
    """Measure a thousand for all, ten thousand for the SDK."""
    thousand: Found = defaultdict(list)
    many: Found = defaultdict(list)
    if lab.server.name == "stand-in":
        say("waiting: needs nginx, which counts what it serves; left out")
        return Section("What a waiting task costs", [])
    rounds = min(lab.rounds, ROUNDS)
    for number in range(rounds):
        for who in CONTESTANTS:
            say(f"1,000 waiting tasks: round {number + 1} of {rounds}: {who}")
            # Once is enough for the server that stops: it tells who comes back at all.
            _measure(lab, thousand, who, tasks=1000, stop=number == rounds - 1)
    for who in ("kkiai", "kkiai[aiohttp]"):
        say(f"10,000 waiting tasks: {who}")
        _measure(lab, many, who, tasks=10_000, stop=False)
    tables = [
        _table("1,000 waiting tasks, 200 polls a second", thousand),
        _table("10,000 waiting tasks, 200 polls a second", many),
    ]
    return Section("What a waiting task costs", tables, _reached(thousand, many))


def _measure(lab: Lab, found: Found, who: str, *, tasks: int, stop: bool) -> None:
    """Two processes: one in which all start at once, one in which they wait."""
    spec: dict[str, Any] = {
        "who": who, "url": lab.server.url, "pid": lab.server.pid, "tasks": tasks, "interval": tasks / RATE,
        "limit": 10 + tasks / 200, "steady": 6.0, "stop": stop,
    }  # fmt: skip
    numbers: dict[str, float] = {}
    for phase, apart in (("burst", 0.0), ("steady", tasks / RATE)):
        numbers |= lab.work(
            "waiting", spec | {"phase": phase, "spread": apart}, site_of(lab, who), limit=tasks / 100 + 60
        )
        # A worker that was killed in between must not leave a server that stands still.
        os.kill(lab.server.pid, signal.SIGCONT)
    found[who].append(numbers)


def _of(rounds: list[dict[str, float]], name: str) -> list[float]:
    return [each[name] for each in rounds if name in each]


def _table(title: str, found: Found) -> Table:
    header = [
        "", "KiB of memory per task", "µs of CPU per poll", "polls/s", "lag of the loop, p99, ms", "new connections",
        "polled once each after, s", "served again after a stop of 3 s",
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
            who, spread(_of(rounds, "memory")), spread(_of(rounds, "cpu")), short(median(_of(rounds, "rate"))),
            spread(_of(rounds, "lag")), short(median(_of(rounds, "connections"))), burst,
            f"{median(served):.0%}" if served else "-",
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
        for name in ("memory", "cpu", "lag", "connections", "served"):
            reached[f"wait_{name}{tag}"] = median(_of(thousand[who], name))
            reached[f"wait_{name}{tag}_many"] = median(_of(many[who], name))
    reached["wait_memory_openai"] = median(_of(thousand["openai"], "memory"))
    reached["wait_memory_httpx"] = median(_of(thousand["httpx"], "memory"))
    return reached
