"""One download of one file: time, CPU, memory, and how late the event loop was meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.workers.contestants import KEY
from benchmarks.workers.waiting import Lag

#: When the transfer began, once what comes before it is done: real time and CPU.
_BEGUN: list[float] = []


def begin() -> None:
    """What counts begins: imports are over, and nothing has been fetched."""
    _BEGUN[:] = [time.perf_counter(), time.process_time()]


def _httpx(url: str, dest: Path) -> None:
    import httpx

    begin()
    with httpx.Client() as client, client.stream("GET", f"{url}/video.mp4") as response, dest.open("wb") as file:
        for chunk in response.iter_raw():
            file.write(chunk)


async def _httpx_async(url: str, dest: Path) -> None:
    import httpx

    begin()
    async with httpx.AsyncClient() as client, client.stream("GET", f"{url}/video.mp4") as response:
        with dest.open("wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)


async def _aiohttp(url: str, dest: Path) -> None:
    import aiohttp

    begin()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/video.mp4") as response:
        with dest.open("wb") as file:
            async for chunk in response.content.iter_any():
                file.write(chunk)


def _kkiai(url: str, dest: Path) -> None:
    from kkiai_sdk import Kkiai

    begin()
    with Kkiai(KEY, base_url=f"{url}/done") as client:
        client.download("t", dest)


async def _kkiai_async(url: str, dest: Path) -> None:
    from kkiai_sdk import AsyncKkiai

    begin()
    async with AsyncKkiai(KEY, base_url=f"{url}/done") as client:
        await client.download("t", dest)


def _openai(url: str, dest: Path) -> None:
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=f"{url}/v1")
    begin()
    with client.videos.with_streaming_response.download_content("t") as response:
        response.stream_to_file(dest)


def _replicate(url: str, dest: Path) -> None:
    import replicate
    from replicate.helpers import FileOutput

    client = replicate.Client(api_token=KEY, base_url=url)
    begin()
    with dest.open("wb") as file:
        for chunk in FileOutput(f"{url}/video.mp4", client):
            file.write(chunk)


def _huggingface(url: str, dest: Path) -> None:
    import huggingface_hub

    begin()
    huggingface_hub.hf_hub_download("owner/repo", "video.mp4", endpoint=url, token=KEY, local_dir=dest.parent / "hub")
    (dest.parent / "hub" / "video.mp4").rename(dest)


SYNC: dict[str, Any] = {
    "httpx": _httpx,
    "kkiai": _kkiai,
    "openai": _openai,
    "replicate": _replicate,
    "huggingface_hub": _huggingface,
}
ASYNC: dict[str, Any] = {"httpx, async": _httpx_async, "kkiai, async": _kkiai_async, "aiohttp, async": _aiohttp}


async def _watched(spec: dict[str, Any], dest: Path, lag: Lag) -> None:
    watcher = asyncio.create_task(lag.watch())
    await ASYNC[spec["who"]](spec["url"], dest)
    watcher.cancel()


def main() -> None:
    """Measure what the specification in ``argv`` says."""
    import warnings

    warnings.simplefilter("ignore")
    spec = json.loads(sys.argv[-1])
    dest, lag = Path(spec["dest"]), Lag()
    if spec["who"] in SYNC:
        SYNC[spec["who"]](spec["url"], dest)
    else:
        asyncio.run(_watched(spec, dest, lag))
    found = {"seconds": time.perf_counter() - _BEGUN[0], "cpu": time.process_time() - _BEGUN[1]}
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if lag.late:
        found["lag"] = lag.p99()
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)
