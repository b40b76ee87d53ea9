"""Throughput, CPU and memory of one download, and the lag of the event loop during it."""

from __future__ import annotations

import asyncio
import filecmp
import resource
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fleets import Lag
from benchmarks.harness import Bench, Group, Samples, meter, spawn, spread
from benchmarks.peers import LIBRARIES, TASK, make_client
from benchmarks.server import FILE_SIZE


def _httpx(client: Any, _task_id: str, dest: Path, url: str) -> None:
    with client.stream("GET", url) as response, dest.open("wb") as file:
        for chunk in response.iter_raw():
            file.write(chunk)


def _replicate(client: Any, _task_id: str, dest: Path, url: str) -> None:
    from replicate.helpers import FileOutput

    with dest.open("wb") as file:
        for chunk in FileOutput(url, client):
            file.write(chunk)


async def _httpx_async(client: Any, _task_id: str, dest: Path, url: str) -> None:
    async with client.stream("GET", url) as response:
        with dest.open("wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)


async def _aiohttp(session: Any, _task_id: str, dest: Path, url: str) -> None:
    async with session.get(url) as response:
        with dest.open("wb") as file:
            async for chunk in response.content.iter_any():
                file.write(chunk)


#: Downloads by libraries that have none, or whose own one keeps the whole file in memory.
LOOPS = {"httpx": _httpx, "replicate": _replicate}
ASYNC_LOOPS = {"httpx": _httpx_async, "aiohttp": _aiohttp}
SYNC = ("httpx", "kkiai", "openai", "replicate", "huggingface_hub")
ASYNC = ("httpx", "kkiai", "aiohttp")


def measure(runner: str, url: str, dest: str, *, asynchronous: bool) -> dict[str, float]:
    """Real time and CPU in seconds, peak memory in MiB, lag in ms. Runs in a separate process."""
    lag = Lag()
    if asynchronous:
        cpu, wall = asyncio.run(_measure_async(runner, url, Path(dest), lag))
    else:
        client, spent = _client(runner, url, asynchronous=False), meter()
        download = LOOPS.get(runner) or LIBRARIES[runner].download
        assert download is not None
        download(client, TASK, Path(dest), f"{url}/video.mp4")
        cpu, wall = spent()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": wall, "cpu": cpu, "memory": memory} | ({"lag": lag.p99()} if asynchronous else {})


async def _measure_async(runner: str, url: str, dest: Path, lag: Lag) -> tuple[float, float]:
    client, spent = _client(runner, url, asynchronous=True), meter()
    watcher = asyncio.create_task(lag.watch())
    download: Any = ASYNC_LOOPS.get(runner) or LIBRARIES[runner].download
    await download(client, TASK, dest, f"{url}/video.mp4")
    watcher.cancel()
    return spent()


def _client(runner: str, url: str, *, asynchronous: bool) -> Any:
    return make_client(runner, f"{url}/done" if runner == "kkiai" else url, asynchronous=asynchronous)


def run(bench: Bench) -> Group:
    """Fetch the file by every library, and compare what arrived with what was sent."""
    memory = Path("/dev/shm")  # noqa: S108 - only its presence matters, tempfile makes the files
    in_memory = memory.is_dir() and shutil.disk_usage(memory).free > 3 * FILE_SIZE
    with tempfile.TemporaryDirectory(dir=memory if in_memory else None) as folder:
        dest = Path(folder) / "video.mp4"

        def fetch(label: str) -> dict[str, float]:
            runner, _, is_async = label.partition(", ")
            measure = partial(bench.measure, "downloads", runner, url=bench.server.url, dest=str(dest))
            curl = ["curl", "-s", "-o", str(dest), f"{bench.server.url}/video.mp4"]
            figures = spawn(curl, None, bench.folder) if label == "curl" else measure(asynchronous=bool(is_async))
            if figures and not filecmp.cmp(dest, bench.folder / "www" / "video.mp4", shallow=False):
                raise SystemExit(f"{label}: the file differs from what was sent")
            dest.unlink(missing_ok=True)
            shutil.rmtree(dest.parent / ".cache", ignore_errors=True)  # of huggingface_hub
            return figures

        runners = [*(["curl"] if shutil.which("curl") else []), *SYNC, *(f"{runner}, async" for runner in ASYNC)]
        samples = bench.sample("downloads", runners, fetch)
    return Group(
        "Downloads", [_table(samples, "a file system in memory" if in_memory else "the disk")], _reached(samples)
    )


def _speed(samples: Samples, runner: str, base: str) -> float:
    return 1 / samples.ratio(runner, "seconds", base)


def _table(samples: Samples, place: str) -> str:
    def speeds(runner: str) -> str:
        return spread([FILE_SIZE / 1e6 / seconds for seconds in samples.values(runner, "seconds")])

    return samples.table(
        "A file of 200 MiB",
        {
            "MB/s (lowest-highest)": speeds,
            "ratio to httpx": lambda runner: _speed(samples, runner, "httpx"),
            "ratio to curl": lambda runner: _speed(samples, runner, "curl"),
            "CPU, ratio to httpx": lambda runner: samples.ratio(runner, "cpu"),
            "peak memory, MiB": lambda runner: samples.median(runner, "memory"),
            "lag of the loop, p99, ms": lambda runner: samples.median(runner, "lag"),
        },
        f"200 MiB over HTTP/1.1 into {place}; httpx is a bare loop over `iter_raw()`. The SDK's figures include the "
        "query for the URL, the check that it is a video, and the flush before the file is renamed.",
    )


def _reached(samples: Samples) -> dict[str, float]:
    return {
        "download_speed": _speed(samples, "kkiai", "httpx"),
        "download_cpu": samples.ratio("kkiai", "cpu"),
        "download_memory": samples.median("kkiai", "memory") - samples.median("httpx", "memory"),
        "download_async": _speed(samples, "kkiai, async", "kkiai"),
        "download_lag": samples.median("kkiai, async", "lag"),
    }
