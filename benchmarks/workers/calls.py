"""CPU and time per call, with one and with more in flight."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.workers.contestants import ASYNC, SYNC

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Meter:
    """CPU of this process and real time, from its making on."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def per(self, calls: int) -> dict[str, float]:
        """Microseconds of CPU per call, and calls per second."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        return {"cpu": cpu / calls * 1e6, "rate": calls / wall}


def measure(ask: Callable[[], Any], calls: int, in_flight: int) -> dict[str, float]:
    """Synchronously, with a thread for each call in flight."""

    def some(_: int) -> None:
        for _ in range(calls // in_flight):
            ask()

    if in_flight == 1:
        meter = Meter()
        some(0)
        return meter.per(calls)
    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(lambda _: ask(), range(in_flight * 2)))
        meter = Meter()
        list(pool.map(some, range(in_flight)))
        return meter.per(calls // in_flight * in_flight)


async def measure_async(ask: Callable[[], Awaitable[Any]], calls: int, in_flight: int) -> dict[str, float]:
    """Asynchronously."""

    async def some(count: int) -> None:
        for _ in range(count):
            await ask()

    await asyncio.gather(*[some(2) for _ in range(in_flight)])
    meter = Meter()
    await asyncio.gather(*[some(calls // in_flight) for _ in range(in_flight)])
    return meter.per(calls // in_flight * in_flight)


def _sync(spec: dict[str, Any]) -> dict[str, Any]:
    ask = SYNC[spec["who"]](spec["url"])
    for _ in range(spec["warm_up"]):
        ask()
    return {str(n): measure(ask, spec["calls"], n) for n in spec["in_flight"]}


async def _async(spec: dict[str, Any]) -> dict[str, Any]:
    ask = await ASYNC[spec["who"]](spec["url"])
    for _ in range(spec["warm_up"]):
        await ask()
    return {str(n): await measure_async(ask, spec["calls"], n) for n in spec["in_flight"]}


def main() -> None:
    """Measure what the specification in ``argv`` says."""
    import warnings

    warnings.simplefilter("ignore")
    spec = json.loads(sys.argv[-1])
    found = asyncio.run(_async(spec)) if spec["asynchronous"] else _sync(spec)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    # Some libraries hold on to threads or complain at the end; what was measured is said.
    os._exit(0)
