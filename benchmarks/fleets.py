"""Many tasks that wait in one process: memory, CPU, lag of the event loop, connections, and a server that stops."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import tracemalloc
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.harness import Bench, Group, Samples, log, meter, short
from benchmarks.peers import LIBRARIES, PATH, connect, make_client

if TYPE_CHECKING:
    from collections.abc import Callable

#: Polls per second of all tasks together.
RATE = 200
OWN = ("kkiai", "kkiai over aiohttp")


async def _wait_for_all(runner: str, client: Any, task_ids: list[str], interval: float, spread: float) -> Any:
    """Wait for all tasks; without a scheduler, the last one starts `spread` seconds after the first."""
    if runner in OWN:
        from kkiai_sdk import PollPolicy

        policy = PollPolicy(min_interval=interval, max_interval=interval, growth=0.0)
        return await client.with_options(poll=policy).wait_many(task_ids, timeout=None, max_requests_per_second=None)
    options: dict[str, Any] = {}
    if runner == "openai":
        options["poll_interval_ms"] = int(interval * 1000)
    elif runner == "runwayml":
        from runwayml.lib import polling

        options["timeout"] = None
        polling.POLL_TIME = interval  # there is no option for it
    wait = LIBRARIES[runner].async_wait or partial(_wait_with_httpx, interval=interval)

    async def start_later(number: int, task_id: str) -> Any:
        await asyncio.sleep(spread * number / len(task_ids))
        return await wait(client, task_id, **options)

    return await asyncio.gather(*[start_later(*each) for each in enumerate(task_ids)], return_exceptions=True)


async def _wait_with_httpx(client: Any, task_id: str, interval: float) -> Any:
    """Wait as a loop written by hand does."""
    import httpx

    while True:
        try:
            task = (await client.get(PATH, params={"id": task_id})).raise_for_status().json()
            if task["status"] in {"completed", "failed"}:
                return task
        except httpx.HTTPError:
            pass
        await asyncio.sleep(interval)


class Lag:
    """Lateness of the event loop."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._since = time.perf_counter()

    async def watch(self) -> None:
        """Sleep for 5 ms again and again, and record by how much each sleep was longer."""
        while True:
            self._since = time.perf_counter()
            await asyncio.sleep(0.005)
            self._late.append(time.perf_counter() - self._since - 0.005)

    def p99(self) -> float:
        """Milliseconds that 99 % of callers wait at most, the pending sleep included.

        Callers that arrive while the loop is blocked wait for the rest of it: a stop of one second delays not one
        caller among a thousand, but two hundred.
        """
        late = [*self._late, time.perf_counter() - self._since]
        each = sorted(one - 0.005 * earlier for one in late for earlier in range(int(max(one, 0.0) / 0.005) + 1))
        return each[int(len(each) * 0.99)] * 1000


class Counter:
    """Reads what nginx has served, over a connection of its own."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(str(address.hostname), address.port, timeout=30)
        self._reads = 0

    def read(self) -> tuple[int, int]:
        """Requests answered and connections accepted, those of this object left out."""
        self._reads += 1
        self._connection.request("GET", "/count")
        numbers = self._connection.getresponse().read().split(b"\n")[2].split()
        return int(numbers[2]) - self._reads, int(numbers[0])

    def since(self, requests: int) -> int:
        """Requests answered since there were so many."""
        return self.read()[0] - requests


class Fleet:
    """The tasks of one process, in an event loop of its own thread, so that a blocked loop can be observed."""

    def __init__(self, runner: str, url: str, tasks: int, timeout: float) -> None:
        self._runner, self._url, self._interval = runner, url, tasks / RATE
        self.tasks, self._timeout, self.lag, self.counter = tasks, timeout, Lag(), Counter(url)
        self._ready, self._start = threading.Event(), threading.Event()

    def launch(self, *, spread: bool) -> None:
        """Make the client. Before tasks that start one after another, 64 others show what a client takes by itself."""
        threading.Thread(target=asyncio.run, args=(self._run(spread=spread),), daemon=True).start()
        self._ready.wait()

    def start(self) -> tuple[int, int]:
        """Start all tasks, and return once each was polled or time is up: polls and new connections."""
        requests, connections = self.counter.read()
        self._start.set()
        end = time.perf_counter() + self._timeout
        while self.counter.since(requests) < self.tasks and time.perf_counter() < end:
            time.sleep(0.1)
        requests_then, connections_then = self.counter.read()
        return requests_then - requests, connections_then - connections

    async def _run(self, *, spread: bool) -> None:
        client = make_client(self._runner, self._url, asynchronous=True)
        wait = partial(_wait_for_all, self._runner, client)
        if spread:
            warming = asyncio.ensure_future(wait([f"warm-{number}" for number in range(64)], self._interval, 1.0))
            await asyncio.sleep(3.0)
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
        self._ready.set()
        await asyncio.to_thread(self._start.wait)
        ids = [f"task-{number:06}" for number in range(self.tasks)]
        await asyncio.gather(self.lag.watch(), wait(ids, self._interval, self._interval * spread))


def measure(runner: str, url: str, *, pid: int, phase: str, tasks: int, timeout: float) -> dict[str, float]:
    """One phase of a fleet. Runs in a separate process."""
    if phase == "lone":
        return asyncio.run(_lone(runner, url, tasks))
    fleet = Fleet(runner, url, tasks, timeout)
    fleet.launch(spread=phase != "burst")
    if phase == "burst":
        return _burst(fleet)
    if phase == "objects":
        tracemalloc.start()
        return {"objects": _growth(fleet, lambda: tracemalloc.get_traced_memory()[0])}
    page = os.sysconf("SC_PAGE_SIZE")
    memory = _growth(fleet, lambda: int(Path("/proc/self/statm").read_text("ascii").split()[1]) * page)
    return {"memory": memory} | (_steady(fleet.counter, pid) if phase == "steady" else {})


def _burst(fleet: Fleet) -> dict[str, float]:
    """Start all tasks at once."""
    spent = meter()
    polls, connections = fleet.start()
    cpu, wall = spent()
    return {
        "polled": polls / fleet.tasks, "burst": wall, "burst cpu": cpu / max(polls, 1) * 1e6,
        "lag": fleet.lag.p99(), "connections": connections,
    }  # fmt: skip


def _growth(fleet: Fleet, size: Callable[[], float]) -> float:
    """KiB by which the process grows for each task that waits."""
    fleet.counter.read()  # loads what its connection needs
    gc.collect()
    before = size()
    fleet.start()
    time.sleep(0.5)
    gc.collect()
    return (size() - before) / 1024 / fleet.tasks


def _steady(counter: Counter, pid: int) -> dict[str, float]:
    """CPU of polls for ten seconds, then the polls served in the ten seconds after a stop of three."""
    (requests, _), spent = counter.read(), meter()
    time.sleep(10.0)
    polls, (cpu, wall) = counter.since(requests), spent()
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(3.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    (requests, _), spent = counter.read(), meter()
    time.sleep(10.0)
    served = counter.since(requests) / (RATE * spent()[1])
    return {"cpu": cpu / max(polls, 1) * 1e6, "rate": polls / wall, "served": served}


async def _lone(runner: str, url: str, calls: int) -> dict[str, float]:
    """CPU in µs of a lone caller's calls: one after another, and at the pace of the fleet's polls."""
    query, figures = connect(runner, url, asynchronous=True), {}
    await query("warm")
    for name, gap in (("lone", 0.0), ("lone paced", 1 / RATE)):
        spent, due = meter(), time.perf_counter()
        for number in range(calls):
            due += gap
            await asyncio.sleep(max(due - time.perf_counter(), 0.0) if gap else 0.0)
            await query(f"task-{number:06}")
        figures[name] = spent()[0] / calls * 1e6
    return figures


def run(bench: Bench, tasks: int) -> Group:
    """Measure 1,000 tasks of all libraries, or more of the SDK alone."""
    title = f"Fleets of {tasks:,}"
    if bench.server.name == "stand-in":
        log("fleets: left out, for they need nginx, which counts what it serves")
        return Group(title, [])
    sdk, aiohttp = OWN
    runners = OWN if tasks > 1000 else ("httpx", *OWN, "openai", "runwayml")
    samples = bench.sample(title, runners, partial(_all_phases, bench, tasks, set()))
    suffix = "" if tasks == 1000 else "_many"
    figures = ("memory", "objects", "lag", "connections", "served")
    reached = {f"wait_{figure}{suffix}": samples.median(sdk, figure) for figure in figures} | {
        f"wait_served_aiohttp{suffix}": samples.median(aiohttp, "served"),
        f"wait_cpu_lone{suffix}": samples.ratio(sdk, "cpu", sdk, "lone"),
        f"wait_cpu_lone_paced{suffix}": samples.ratio(sdk, "cpu", sdk, "lone paced"),
        f"wait_cpu_lone_aiohttp{suffix}": samples.ratio(aiohttp, "cpu", aiohttp, "lone"),
    }
    return Group(title, [_table(f"{tasks:,} waiting tasks, each polled every {tasks // RATE} s", samples)], reached)


def _all_phases(bench: Bench, tasks: int, seen: set[str], runner: str) -> dict[str, float]:
    """The phases of a runner, each in a separate process."""
    phases = ["burst", "memory"] if tasks > 1000 else ["burst", "steady", *(["lone"] if runner in OWN else [])]
    if runner not in seen:  # Python allocates the same in every round
        phases.append("objects")
        seen.add(runner)
    timeout = 10 + tasks / RATE
    figures: dict[str, float] = {}
    for phase in phases:
        arguments = {"url": bench.server.url, "pid": bench.server.process.pid, "phase": phase, "timeout": timeout}
        figures |= bench.measure("fleets", runner, process_timeout=timeout + 60, tasks=tasks, **arguments)
        # A process that was killed in between must not leave a stopped server behind.
        bench.server.process.send_signal(signal.SIGCONT)
    return figures


def _table(title: str, samples: Samples) -> str:
    def burst(runner: str) -> str:
        polled, seconds = samples.median(runner, "polled"), samples.median(runner, "burst")
        return short(seconds) if polled >= 1 else f"{polled:.0%} in {seconds:.0f}"

    return samples.table(
        title,
        {
            "KiB of the process per task": lambda runner: samples.spread(runner, "memory"),
            "KiB of Python objects per task": lambda runner: samples.median(runner, "objects"),
            "µs of CPU per poll": lambda runner: samples.spread(
                runner, "cpu" if samples.values(runner, "cpu") else "burst cpu"
            ),
            "ratio to sequential calls": lambda runner: samples.ratio(runner, "cpu", runner, "lone"),
            "ratio to calls at the same pace": lambda runner: samples.ratio(runner, "cpu", runner, "lone paced"),
            "polls/s": lambda runner: samples.median(runner, "rate"),
            "lag of the loop, p99, ms": lambda runner: samples.spread(runner, "lag"),
            "new connections": lambda runner: samples.median(runner, "connections"),
            "s until all were polled once": burst,
            "polls served in 10 s after a stop of 3 s, relative to those due": lambda runner: samples.median(
                runner, "served"
            ),
        },
        "Lag, connections and first polls are for tasks that all start at once. Memory (growth from 64 tasks on), CPU "
        "and the stop are for waiting tasks, which start one after another; the SDK's scheduler spreads them itself.",
    )
