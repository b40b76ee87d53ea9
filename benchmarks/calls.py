"""CPU and rate of a call: sequential and concurrent, over loopback and with 200 ms of latency."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks.harness import Bench, Group, Samples, meter, short
from benchmarks.peers import ASYNC, SYNC, TASK, connect
from benchmarks.server import start_stand_in

IN_FLIGHT = (1, 8, 16)
CALLS = 320
#: Latency of the distant server, in seconds, with its calls, the numbers in flight and the runners.
LATENCY, FAR_CALLS, FAR_IN_FLIGHT = 0.2, 64, (8, 16)
FAR = ("httpx", "aiohttp", "kkiai", "kkiai over aiohttp", "openai")


def measure(
    runner: str, url: str, *, asynchronous: bool, calls: int, warm_up: int, in_flight: list[int]
) -> dict[str, float]:
    """CPU per call in µs and calls per second, for each number in flight. Runs in a separate process."""
    if asynchronous:
        return asyncio.run(_measure_async(runner, url, calls, warm_up, in_flight))
    figures: dict[str, float] = {}
    query = connect(runner, url, asynchronous=False)

    def repeat(times: int) -> None:
        for _ in range(times):
            query(TASK)

    repeat(warm_up)
    for number in in_flight:
        with ThreadPoolExecutor(number) as pool:
            list(pool.map(repeat, [2] * number))
            spent = meter()
            list(pool.map(repeat, [calls // number] * number))
            figures |= _figures(number, calls, spent())
    return figures


async def _measure_async(runner: str, url: str, calls: int, warm_up: int, in_flight: list[int]) -> dict[str, float]:
    figures: dict[str, float] = {}
    query = connect(runner, url, asynchronous=True)

    async def repeat(times: int) -> None:
        for _ in range(times):
            await query(TASK)

    await repeat(warm_up)
    for number in in_flight:
        await asyncio.gather(*[repeat(2) for _ in range(number)])
        spent = meter()
        await asyncio.gather(*[repeat(calls // number) for _ in range(number)])
        figures |= _figures(number, calls, spent())
    return figures


def _figures(in_flight: int, calls: int, spent: tuple[float, float]) -> dict[str, float]:
    return {f"cpu {in_flight}": spent[0] / calls * 1e6, f"rate {in_flight}": calls / spent[1]}


def run(bench: Bench) -> Group:
    """Measure all libraries."""
    near: dict[str, Any] = {"url": bench.server.url, "calls": CALLS, "warm_up": 40, "in_flight": IN_FLIGHT}
    sync = bench.sample("synchronous calls", SYNC, partial(bench.measure, "calls", asynchronous=False, **near))
    asynchronous = bench.sample("asynchronous calls", ASYNC, partial(bench.measure, "calls", asynchronous=True, **near))
    server = start_stand_in(bench.folder, LATENCY)
    distant: dict[str, Any] = {"url": server.url, "calls": FAR_CALLS, "warm_up": 2, "in_flight": FAR_IN_FLIGHT}
    try:
        far = bench.sample("calls with latency", FAR, partial(bench.measure, "calls", asynchronous=True, **distant))
    finally:
        server.stop()
    note = "Ratios are medians of the ratios of each round. Each library sees only its own packages."
    tables = [
        _table("Synchronous calls", sync, IN_FLIGHT, note),
        _table("Asynchronous calls", asynchronous, IN_FLIGHT, note),
        _table("Asynchronous calls with 200 ms of latency", far, FAR_IN_FLIGHT),
    ]
    reached = {
        "call_sync": sync.ratio("kkiai", "cpu 1"),
        "call_sync_8": sync.ratio("kkiai", "cpu 8"),
        "call_async": asynchronous.ratio("kkiai", "cpu 1"),
        "call_async_8": asynchronous.ratio("kkiai", "cpu 8"),
        "call_aiohttp": asynchronous.ratio("kkiai over aiohttp", "cpu 1"),
    }
    return Group("Calls", tables, reached)


def _table(title: str, samples: Samples, in_flight: tuple[int, ...], note: str = "") -> str:
    numbers = "/".join(map(str, in_flight))
    return samples.table(
        title,
        {
            f"µs of CPU per call, {n} in flight": lambda runner, n=n: samples.spread(runner, f"cpu {n}")
            for n in in_flight
        }
        | {f"ratio to httpx, {n}": lambda runner, n=n: samples.ratio(runner, f"cpu {n}") for n in in_flight}
        | {
            f"calls/s, {numbers}": lambda runner: "/".join(
                short(samples.median(runner, f"rate {n}")) for n in in_flight
            )
        },
        note,
    )
