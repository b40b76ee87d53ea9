"""The queue of task ids: adds ids, reads results, hands over the waits of a dead worker."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions, WorkflowStatus, error

from kkiai_sdk import ConfigurationError
from kkiai_sdk.dbos._database import APPLICATION, QUEUE, VERSION, WORKFLOW, Database
from kkiai_sdk.dbos._results import QueueStatus, VideoResult, WorkerStatus

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

#: Seconds that a durable wait may last, across all processes: long enough for a machine that is off overnight.
DEFAULT_TIMEOUT = 86_400.0
#: Longest timeout in seconds: a year.
MAX_TIMEOUT = 365 * 86_400.0
#: Characters of an id, as for all calls of the SDK.
MAX_ID = 256
#: Seconds to wait for the lock of a worker that was killed a moment ago: the server has yet to notice it.
RELEASE_TIMEOUT = 1.0
#: Ids per transaction, and rows per page.
PAGE = 1000
QUEUED, RUNNING, ENDED = "ENQUEUED", "PENDING", ["SUCCESS", "ERROR", "CANCELLED"]
OPTIONS: EnqueueOptions = {
    "workflow_name": WORKFLOW,
    "queue_name": QUEUE,
    "app_version": VERSION,
    "workflow_id_reuse_policy": "reject",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class VideoQueue:
    """A queue of task ids in a database, for workers to wait for. Use it as a context manager, or call :meth:`close`.

    :param database: ``postgresql://…``, ``sqlite:///FILE``, or the path of a SQLite file. Default: ``fleet.sqlite`` in
        the user's state folder. The tables are created if they do not exist.
    :raises ConfigurationError: the database cannot be used.
    """

    def __init__(self, database: str | os.PathLike[str] | None = None) -> None:
        given: object = database  # A worker shares its own.
        self._database = given if isinstance(given, Database) else Database(database)
        self._database.prepare()
        self._engine = self._database.engine.execution_options()
        sa.event.listen(self._engine, "handle_error", self._database.end_retries)
        self._client = _client(self._engine)

    def add(self, task_ids: Iterable[str], *, timeout: float = DEFAULT_TIMEOUT, retry: bool = False) -> int:
        """Add the ids that are not in the queue yet, and return their number.

        :param task_ids: task ids, in any number; a thousand are written per transaction.
        :param timeout: seconds for each wait, from now and across all processes. A worker that starts or resumes it
            late still waits for up to ten minutes. Default 86400, a day.
        :param retry: True to also restart waits that ended with ``timeout`` or ``error``. Default False.
        :raises ConfigurationError: an argument is invalid.
        """
        if not 0 < timeout <= MAX_TIMEOUT:
            raise ConfigurationError(f"timeout must be greater than 0 and at most {MAX_TIMEOUT:,.0f} seconds (a year)")
        if isinstance(task_ids, str):
            raise ConfigurationError("task_ids must be an iterable of strings, not str")
        pages = _pages(map(_checked, task_ids))
        return sum(self._add_page(page, timeout, retry=retry) for page in pages)

    def _add_page(self, ids: list[str], timeout: float, *, retry: bool) -> int:
        known = {row.workflow_id for row in self._rows(ids, load_output=False)}
        ended = self.results(ids if retry else [])
        again = {result.task_id for result in ended if result.state in {"timeout", "error"}}
        new = [each for each in ids if each not in known or each in again]
        if not new:
            return 0
        now, count = time.time(), 0

        def enqueue(connection: sa.Connection) -> None:
            nonlocal count
            count = 0
            for task_id in new:
                options: EnqueueOptions = {**OPTIONS, "workflow_id": task_id}
                # Another process may have added it by now.
                with suppress(error.DBOSWorkflowIDInUseError):
                    self._client.enqueue_in_transaction(connection, options, task_id, timeout, now)
                    count += 1

        # In the transaction of the deletion, so that nothing is lost if the process ends in between.
        with self._database.errors():
            engine = self._engine.execution_options()
            client = _client(engine)
            sa.event.listen(engine, "begin", self._database.exclude_others)
            sa.event.listen(engine, "commit", enqueue)
            client.delete_workflows([*again])
        return count

    def results(self, task_ids: Iterable[str] | None = None) -> Iterator[VideoResult]:
        """Return an iterator of the recorded results of these ids, or of all.

        :param task_ids: ids to look up, in any number; those without a result are skipped. Default: all.
        """
        return map(_result_of, self._rows(task_ids, status=ENDED))

    def status(self) -> QueueStatus:
        """Return the numbers of tasks by state. Reads all rows of the queue."""
        waits = self._rows(status=[QUEUED, RUNNING], load_output=False)
        # A queued wait may have the name of the worker that had started it.
        names = Counter(str(wait.executor_id) if wait.status == RUNNING else "" for wait in waits)
        queued, ends = names.pop("", 0), Counter(result.state for result in self.results())
        states = {state: ends[state] for state in ("saved", "failed", "timeout", "error")}
        return QueueStatus(queued=queued, workers=self._workers(names), **states)

    def workers(self) -> list[WorkerStatus]:
        """Return the workers that have unfinished waits. Reads the rows of these waits only."""
        return self._workers(Counter(str(w.executor_id) for w in self._rows(status=RUNNING, load_output=False)))

    def _workers(self, names: Counter[str]) -> list[WorkerStatus]:
        return [WorkerStatus(name, count, self._database.is_running(name)) for name, count in sorted(names.items())]

    def hand_over(self, name: str) -> int:
        """Put the waits of a removed worker back into the queue, and return their number.

        The other workers take them within seconds. Not needed for a worker that comes back under its own name.

        :param name: the name of the worker.
        :raises ConfigurationError: a worker with this name is running.
        """
        with self._database.lock(name, timeout=RELEASE_TIMEOUT):
            ids = self.started(name)
            self.put_back(ids)
        return len(ids)

    def started(self, name: str) -> set[str]:
        """Return the ids of the unfinished waits that a worker with this name has started."""
        return {row.workflow_id for row in self._rows(status=RUNNING, executor_id=name, load_output=False)}

    def put_back(self, task_ids: set[str]) -> None:
        """Put waits that no process is running back into the queue."""
        with self._database.errors():
            for page in _pages(task_ids):
                self._client.resume_workflows(page, queue_name=QUEUE)

    def has_work(self, name: str) -> bool:
        """Whether a worker with this name has anything to do: ids are queued, or its own waits are unfinished."""
        find = partial(self._client.list_workflows, name=WORKFLOW, limit=1, load_input=False, load_output=False)
        with self._database.errors():
            # In the order in which an id passes through them, so that one that is started in between is not missed.
            return bool(find(status=QUEUED) or find(status=RUNNING, executor_id=name))

    def _rows(self, task_ids: Iterable[str] | None = None, **filters: Any) -> Iterator[WorkflowStatus]:
        """Yield rows, of these ids or all; each once, also while others come and go."""
        options: dict[str, Any] = {"name": WORKFLOW, "load_input": False, **filters}
        if task_ids is not None:
            for ids in _pages(task_ids):
                with self._database.errors():
                    page = self._client.list_workflows(workflow_ids=ids, **options)
                yield from page
            return
        seen: set[str] = set()
        size, start = PAGE, EPOCH
        while True:
            with self._database.errors():
                page = self._client.list_workflows(limit=size, start_time=start.isoformat(), **options)
            yield from (row for row in page if row.workflow_id not in seen)
            if len(page) < size:
                return
            first, last = (row.created_at or 0 for row in (page[0], page[-1]))
            # Ids that were added at once have the same time, and no order.
            size = size * 2 if first == last else PAGE
            seen = {row.workflow_id for row in page} | (seen if first == last else set())
            # Half a millisecond more, as DBOS rounds down.
            start = EPOCH + timedelta(milliseconds=last + 0.5)

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()
        self._database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(task_id: Any) -> str:
    is_text = isinstance(task_id, str) and task_id.isprintable() and " " not in task_id
    if not is_text or not 0 < len(task_id) <= MAX_ID or task_id in {".", ".."}:
        raise ConfigurationError(f"invalid task id: {task_id!a:.40}")
    return str(task_id)


def _client(engine: sa.Engine) -> DBOSClient:
    return DBOSClient(
        system_database_engine=engine,
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
    )


def _pages(task_ids: Iterable[str]) -> list[list[str]]:
    ids = list(dict.fromkeys(task_ids))
    return [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]


def _result_of(status: WorkflowStatus) -> VideoResult:
    if status.status == "SUCCESS":
        return VideoResult(**(status.output or {}))
    # By nothing of this package: a defect, or a tool for DBOS that has cancelled it.
    kind = type(status.error).__name__ if status.error else None
    return VideoResult(status.workflow_id, "error", error=str(status.error or "cancelled"), error_type=kind)
