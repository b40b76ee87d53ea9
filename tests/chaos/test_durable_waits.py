"""Workers of a durable queue are killed, and what the gateway saw is counted."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from benchmarks.durable import postgres
from benchmarks.durable.run import run
from kkiai_sdk import AsyncKkiai, ConfigurationError
from kkiai_sdk.dbos import VideoQueue, VideoWorker
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

NO_SERVER = pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL on this machine")


@pytest.mark.fault("W-01", "W-02")
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=NO_SERVER)])
def test_killed_workers_lose_nothing_and_keep_one_limit(kind: str, tmp_path: Path) -> None:
    """While two workers are killed four times, also amid downloads, each task has one result and its whole file, and
    both together keep to one limit.
    """
    with ExitStack() as stack:
        database = f"sqlite:///{tmp_path}/queue.sqlite"
        if kind == "postgresql":
            database = stack.enter_context(postgres.server())
        seen = run(database, tasks=200, large=12, kills=4, limit=50, longest=16)
    counts = {seen[name] for name in ("tasks", "recorded", "saved", "distinct", "files", "right_size")}
    assert counts == {200}
    assert seen["left_over"] == 0
    # Two workers without a common limit would reach 100. A busy machine sends late what it has booked.
    assert seen["busiest_second"] <= 65


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database of a server of its own, whose workers often look for their name."""
    monkeypatch.setattr("kkiai_sdk.dbos.worker.KEEP_INTERVAL", 0.2)
    with postgres.server() as url:
        yield url


async def _until(holds: Callable[[], object]) -> None:
    while True:
        if holds():
            return
        await asyncio.sleep(0.05)


async def _run(url: str, folder: Path, then: Callable[[VideoQueue, VideoWorker], Awaitable[None]]) -> None:
    """Run a worker named "one", and do the rest when it waits."""
    with MockGateway(speed=10) as gateway, VideoQueue(url) as queue:
        queue.add(["grok:scenario-stalls"])
        client = AsyncKkiai(gateway.api_key, base_url=gateway.base_url)
        async with client, VideoWorker(client, folder, url, name="one") as worker:
            await _until(lambda: worker.waiting)
            await then(queue, worker)


@pytest.mark.fault("W-04")
@NO_SERVER
def test_worker_keeps_its_name_after_its_sessions_were_cut(database: str, tmp_path: Path) -> None:
    """A worker whose sessions at the server have ended, as by its restart, takes its name again and goes on."""

    async def then(queue: VideoQueue, worker: VideoWorker) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await _until(lambda: queue.status().workers[0].is_running)
        with pytest.raises(ConfigurationError, match="is running"):
            queue.hand_over("one")
        assert worker.waiting == 1

    asyncio.run(asyncio.wait_for(_run(database, tmp_path, then), 60))


@pytest.mark.fault("W-04")
@NO_SERVER
def test_worker_whose_name_was_taken_meanwhile_ends(database: str, tmp_path: Path) -> None:
    """If another process took the name while the sessions were cut, the worker ends, and nothing is recorded."""

    async def then(queue: VideoQueue, worker: VideoWorker) -> None:
        with psycopg.connect(database, autocommit=True) as other:
            taking = asyncio.create_task(
                asyncio.to_thread(other.execute, "SELECT pg_advisory_lock(hashtextextended('kkiai:one', 0))")
            )
            with psycopg.connect(database, autocommit=True) as connection:
                waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                await _until(lambda: connection.execute(waiting).fetchall())
                held = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                connection.execute(held)
            await taking
            with pytest.raises(ConfigurationError, match="'one' is running"):
                await worker.serve()
        assert list(queue.results()) == []

    asyncio.run(asyncio.wait_for(_run(database, tmp_path, then), 60))
