"""A gateway whose tasks take a moment, a queue in a SQLite file, and workers in this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from kkiai_sdk import AsyncKkiai, PollPolicy
from kkiai_sdk.dbos import VideoQueue, VideoResult, VideoWorker
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Gateway seconds per second: a task takes a tenth of a second.
SPEED = 100
POLL = PollPolicy(min_interval=0.02, max_interval=0.02)


class Work(Protocol):
    """Runs a worker until the queue is done, and returns the results in the order in which they were recorded."""

    def __call__(self, *, until: Callable[[VideoWorker], bool] | None = None, **options: Any) -> list[VideoResult]:
        """``until``: a condition upon which the worker is closed early."""
        ...


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLAIM_INTERVAL", "DRAIN_INTERVAL"):
        monkeypatch.setattr(f"kkiai_sdk.dbos.worker.{name}", 0.05)
    monkeypatch.setattr("kkiai_sdk.dbos.worker.RETRY_DELAYS", (0.05, 0.05))


@pytest.fixture
def gateway() -> Iterator[MockGateway]:
    """A gateway of its own, so that its requests can be counted."""
    with MockGateway(speed=SPEED) as gateway:
        yield gateway


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file of the queue."""
    return tmp_path / "queue.sqlite"


@pytest.fixture
def queue(database: Path) -> Iterator[VideoQueue]:
    """An empty queue."""
    with VideoQueue(database) as queue:
        yield queue


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


@pytest.fixture
def work(gateway: MockGateway, database: Path, videos: Path) -> Work:
    """Runs a worker of the queue."""

    def run(*, until: Callable[[VideoWorker], bool] | None = None, **options: Any) -> list[VideoResult]:
        results: list[VideoResult] = []

        async def main() -> None:
            async with (
                AsyncKkiai(gateway.api_key, base_url=gateway.base_url) as client,
                VideoWorker(client, videos, database, poll=POLL, on_result=results.append, **options) as worker,
            ):
                while until is not None:
                    if until(worker):
                        return
                    await asyncio.sleep(0.01)
                await worker.drain()

        asyncio.run(asyncio.wait_for(main(), 60))
        return results

    return run
