"""Durable waiting on Procrastinate: jobs in PostgreSQL, one fleet per worker. ``python worker.py FOLDER NAME``"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy, exceptions

from kkiai_sdk import (
    AsyncKkiai,
    BadRequestError,
    KkiaiError,
    NotAVideoError,
    NotFoundError,
    TargetExistsError,
    TaskError,
    UnsafeURLError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk import AsyncFleet

app = App(connector=PsycopgConnector(conninfo=os.environ.get("DATABASE_URL", "")))
#: Concurrent waits of this worker. A waiting job is a coroutine, not a thread.
CONCURRENCY = 1000
#: Errors that another attempt would raise again: they are the result.
FINAL = (TaskError, BadRequestError, NotFoundError, NotAVideoError, TargetExistsError, UnsafeURLError)
#: All others, such as an outage, a rejected key or a full disk, are retried after a minute, for a day.
AGAIN = RetryStrategy(max_attempts=1440, wait=60, retry_exceptions=[KkiaiError])


class Resources:
    """The resources shared by the jobs of this process, opened in the event loop of the worker."""

    fleet: AsyncFleet
    folder: str


@app.task(queue="kkiai", name="kkiai.video", retry=AGAIN)
async def video(task_id: str) -> str:
    """Wait for a task and download its video. A file that already exists counts as done."""
    try:
        return str(await Resources.fleet.wait_and_download(task_id, Resources.folder, timeout=86_400, overwrite="skip"))
    except FINAL as error:
        return f"{type(error).__name__}: {error}"


@app.periodic(cron="* * * * *")
@app.task(queue="kkiai", name="kkiai.rescue", queueing_lock="kkiai.rescue", pass_context=True)
async def rescue(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 (every periodic task is given one)
    """Requeue the jobs of killed workers, which have stopped sending heartbeats; workers need no stable names."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(queue="kkiai", seconds_since_heartbeat=30):
        await manager.retry_job(job)


async def add(ids: Iterable[str]) -> int:
    """Add ids, and return how many were not waiting already."""
    count = 0
    for task_id in ids:
        try:
            await video.configure(queueing_lock=task_id).defer_async(task_id=task_id)
            count += 1
        except exceptions.AlreadyEnqueued:
            pass
    return count


async def work(folder: str, name: str, *, wait: bool = True) -> None:
    """Work until interrupted; with ``wait=False`` until the queue is empty."""
    async with app.open_async(), AsyncKkiai() as client, client.fleet(max_requests_per_second=50) as fleet:
        Resources.fleet, Resources.folder = fleet, folder
        await app.run_worker_async(queues=["kkiai"], name=name, concurrency=CONCURRENCY, wait=wait)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:3]))
