"""Durable waiting: a queue of task ids in a database, and workers that wait for them and download their videos.

Built on DBOS Transact (extra ``dbos``). A wait survives the end of its process, even by ``kill -9``::

    with VideoQueue() as queue:
        queue.add(["grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"])

    async with AsyncKkiai() as client, VideoWorker(client, "videos") as worker:
        await worker.drain()

    with VideoQueue() as queue:
        for result in queue.results():
            print(result.task_id, result.state, result.path or result.error)

The database is a SQLite file, or a PostgreSQL database for workers on several machines; docs/durable.md explains how to
run them.
"""

from kkiai_sdk.dbos._results import QueueStatus, VideoResult, WorkerStatus
from kkiai_sdk.dbos.queue import VideoQueue
from kkiai_sdk.dbos.worker import VideoWorker

__all__ = ["QueueStatus", "VideoQueue", "VideoResult", "VideoWorker", "WorkerStatus"]
