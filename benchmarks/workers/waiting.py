"""Many tasks that wait in one process: memory, CPU, lag of the event loop, connections, a server that stops."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
import tracemalloc
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.workers.contestants import HEADERS, KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    #: Waits for these tasks, which start within so many seconds.
    Wait = Callable[[list[str], float], Awaitable[Any]]


def _kkiai(url: str, interval: float) -> Wait:
    from kkiai_sdk import AsyncKkiai, PollPolicy

    pace = PollPolicy(min_interval=interval, max_interval=interval, growth=0.0)
    client = AsyncKkiai(KEY, base_url=url, poll=pace)
    # Its queue spreads what is asked by itself.
    return lambda ids, _spread: client.wait_many(ids, timeout=None, max_requests_per_second=None)


async def _each(ids: list[str], spread: float, wait: Callable[[str], Awaitable[Any]]) -> Any:
    """One coroutine for each, the last of them starting ``spread`` seconds after the first."""

    async def later(number: int, task_id: str) -> Any:
        await asyncio.sleep(spread * number / len(ids))
        return await wait(task_id)

    return await asyncio.gather(*[later(*each) for each in enumerate(ids)], return_exceptions=True)


def _httpx(url: str, interval: float) -> Wait:
    """What one writes by hand."""
    import httpx

    client = httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30.0)

    async def wait(task_id: str) -> Any:
        while True:
            try:
                task = (await client.get("/v1/video/query", params={"id": task_id})).raise_for_status().json()
                if task["status"] in {"completed", "failed"}:
                    return task
            except httpx.HTTPError:
                pass
            await asyncio.sleep(interval)

    return lambda ids, spread: _each(ids, spread, wait)


def _openai(url: str, interval: float) -> Wait:
    import openai

    client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1")
    pace = int(interval * 1000)
    return lambda ids, spread: _each(ids, spread, lambda one: client.videos.poll(one, poll_interval_ms=pace))


def _runwayml(url: str, interval: float) -> Wait:
    import runwayml
    from runwayml.lib import polling

    polling.POLL_TIME = interval  # it cannot be asked for
    client = runwayml.AsyncRunwayML(api_key=KEY, base_url=url)

    async def wait(task_id: str) -> Any:
        return await (await client.tasks.retrieve(task_id)).wait_for_task_output(timeout=None)

    return lambda ids, spread: _each(ids, spread, wait)


WAITING: dict[str, Callable[[str, float], Wait]] = {
    "httpx": _httpx,
    "kkiai": _kkiai,
    "kkiai[aiohttp]": _kkiai,
    "openai": _openai,
    "runwayml": _runwayml,
}


def resident() -> float:
    """KiB of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


class Counter:
    """Asks nginx what it has served, over a connection of its own, however busy the event loop is."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(str(address.hostname), address.port, timeout=30)
        self._asked = 0

    def read(self) -> tuple[int, int]:
        """Connections taken and requests answered, without our own."""
        self._asked += 1
        self._connection.request("GET", "/count")
        numbers = self._connection.getresponse().read().split(b"\n")[2].split()
        return int(numbers[0]), int(numbers[2]) - self._asked

    @property
    def connections(self) -> int:
        """Connections taken."""
        return self.read()[0]

    @property
    def requests(self) -> int:
        """Requests answered."""
        return self.read()[1]


class Lag:
    """How late the event loop is."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._since = time.perf_counter()

    async def watch(self) -> None:
        """Sleep for five milliseconds over and over, and note by how much it was more."""
        while True:
            self._since = time.perf_counter()
            await asyncio.sleep(0.005)
            self.late.append(time.perf_counter() - self._since - 0.005)

    def p99(self) -> float:
        """Milliseconds that 99 of 100 stay below; the one that is being waited for counts."""
        # Whoever comes while the loop stands still waits for the rest of it: a stop of a second is not one late thing
        # among a thousand, but two hundred that are late.
        late = [*self.late, time.perf_counter() - self._since]
        each = sorted(one - 0.005 * earlier for one in late for earlier in range(int(max(one, 0.0) / 0.005) + 1))
        return each[int(len(each) * 0.99)] * 1000


def burst(counter: Counter, lag: Lag, spec: dict[str, Any]) -> dict[str, float]:
    """All tasks start at once: until every one has been polled, or time is up."""
    connections, requests = counter.read()
    began, cpu = time.perf_counter(), time.process_time()
    _START.set()
    while (polled := counter.requests - requests) < spec["tasks"] and time.perf_counter() - began < spec["limit"]:
        time.sleep(0.1)
    found = {"polled": polled / spec["tasks"], "burst": time.perf_counter() - began, "lag": lag.p99()}
    found["burst_cpu"] = (time.process_time() - cpu) / max(polled, 1) * 1e6
    return found | {"connections": counter.connections - connections}


def _settle(counter: Counter, spec: dict[str, Any], size: Callable[[], float]) -> float:
    """Start the tasks and see each polled once; gives by how much the process has grown for each."""
    # The first question loads what the connection needs: that is the harness's and no task's.
    requests = counter.requests
    gc.collect()
    before = size()
    _START.set()
    end = time.perf_counter() + spec["limit"]
    while counter.requests - requests < spec["tasks"] and time.perf_counter() < end:
        time.sleep(0.1)
    time.sleep(0.5)
    gc.collect()
    return (size() - before) / int(spec["tasks"])


def objects(counter: Counter, _lag: Lag, spec: dict[str, Any]) -> dict[str, float]:
    """All tasks wait: what Python has allocated for each."""
    tracemalloc.start()
    return {"objects": _settle(counter, spec, lambda: tracemalloc.get_traced_memory()[0] / 1024)}


def steady(counter: Counter, _lag: Lag, spec: dict[str, Any]) -> dict[str, float]:
    """All tasks wait: what each takes of the process, what a poll takes, and what comes of a server that stops."""
    found = {"memory": _settle(counter, spec, resident)}
    if not spec["steady"]:
        return found
    cpu, requests, began = time.process_time(), counter.requests, time.perf_counter()
    time.sleep(spec["steady"])
    polls = counter.requests - requests
    found["cpu"] = (time.process_time() - cpu) / max(polls, 1) * 1e6
    found["rate"] = polls / (time.perf_counter() - began)
    return found | ({"served": stop(counter, spec)} if spec["stop"] else {})


def stop(counter: Counter, spec: dict[str, Any]) -> float:
    """Stop the server for three seconds; gives the share of the polls due in the ten seconds after that it serves."""
    os.kill(spec["pid"], signal.SIGSTOP)
    try:
        time.sleep(3.0)
    finally:
        os.kill(spec["pid"], signal.SIGCONT)
    before, began = counter.requests, time.perf_counter()
    time.sleep(10.0)
    due = spec["tasks"] / spec["interval"] * (time.perf_counter() - began)
    return (counter.requests - before) / float(due)


async def lone(spec: dict[str, Any]) -> dict[str, float]:
    """What a call of one caller takes: as fast as it goes, and as often a second as the fleet polls."""
    from kkiai_sdk import AsyncKkiai

    found = {}
    async with AsyncKkiai(KEY, base_url=spec["url"]) as client:
        await client.query("warm")
        for name, gap in (("lone", 0.0), ("lone_paced", spec["interval"] / spec["tasks"])):
            cpu, due = time.process_time(), time.perf_counter()
            for number in range(spec["calls"]):
                due += gap
                await asyncio.sleep(max(due - time.perf_counter(), 0.0) if gap else 0.0)
                await client.query(f"task-{number:06}")
            found[name] = (time.process_time() - cpu) / spec["calls"] * 1e6
    return found


#: Set when the tasks may start.
_START = threading.Event()


def _observe(spec: dict[str, Any], lag: Lag) -> None:
    """In a thread, so that it comes to an end when the event loop does not come to itself."""
    found = {"burst": burst, "steady": steady, "objects": objects}[spec["phase"]](Counter(spec["url"]), lag, spec)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # what still waits is nobody's any more


async def _run(spec: dict[str, Any]) -> None:
    wait, lag = WAITING[spec["who"]](spec["url"], spec["interval"]), Lag()
    if spec["phase"] != "burst":
        # A first few show what a client costs by itself, before what each further task adds.
        warm = asyncio.ensure_future(wait([f"warm-{number}" for number in range(64)], 1.0))
        await asyncio.sleep(3.0)
        warm.cancel()
        await asyncio.gather(warm, return_exceptions=True)
    threading.Thread(target=_observe, args=(spec, lag), daemon=True).start()
    await asyncio.to_thread(_START.wait)
    watcher = asyncio.create_task(lag.watch())
    ids = [f"task-{number:06}" for number in range(spec["tasks"])]
    await asyncio.gather(watcher, wait(ids, spec["spread"]))


def main() -> None:
    """Measure what the specification in ``argv`` says."""
    import warnings

    warnings.simplefilter("ignore")
    spec = json.loads(sys.argv[-1])
    if spec["phase"] == "lone":
        sys.stdout.write(json.dumps(asyncio.run(lone(spec))) + "\n")
    else:
        asyncio.run(_run(spec))
