"""A worker: waits for the ids in a queue with one fleet, downloads their videos, and records the results."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import evolve
from dbos import DBOS, DBOSPortableJSONSerializer

from kkiai_sdk import ConfigurationError, FleetClosedError, KkiaiError, PollPolicy
from kkiai_sdk.dbos._database import APPLICATION, QUEUE, VERSION, WORKFLOW, Database, check_name, is_taken
from kkiai_sdk.dbos._limit import SharedLimit
from kkiai_sdk.dbos._results import VideoResult, is_passing, result_of
from kkiai_sdk.dbos.queue import VideoQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import AsyncKkiai

T = TypeVar("T")

log = logging.getLogger("kkiai_sdk")
#: The name of the only worker of a SQLite file.
LOCAL = "local"
#: Waits that a worker starts at a time, and the seconds between its polls of the queue, so that the first worker leaves
#: some for the others. DBOS applies the limit to all workers together, per period. The period is far shorter than the
#: interval: a worker that polls within the period of another finds nothing, and must not stay in step with it.
CLAIM_LIMIT, CLAIM_PERIOD, CLAIM_INTERVAL = 100, 0.02, 0.5
#: Minimum seconds of a wait after a worker has started or resumed it, if its timeout is that long: a machine that was
#: off for longer than the timeout still gets a result, even from a gateway that has an outage itself.
MIN_WAIT = 600.0
#: Seconds between attempts after errors that do not end a wait, doubled up to the second number.
RETRY_DELAYS = 5.0, 60.0
#: Interval in seconds at which the worker checks that it still has its name.
KEEP_INTERVAL = 5.0
#: Interval in seconds at which the worker looks for waits of its name that it does not have; those that are missing
#: twice are put back into the queue.
MISSING_INTERVAL = 300.0
#: Interval in seconds at which the worker checks whether the queue is empty.
DRAIN_INTERVAL = 0.5
#: Threads for the writes to the database and to files.
THREADS = 16


class VideoWorker:
    """Waits for the ids in a queue and downloads their videos; use it in an ``async with`` statement.

    Waits that it has started survive the end of the process: the next worker with the same name continues them. Only
    one worker can run per process, a limit of DBOS. Open the client first, so that both use the same event loop.

    :param client: an open client, for all requests.
    :param folder: an existing folder for the videos. A file that already exists counts as done.
    :param database: as for :class:`VideoQueue`.
    :param name: a name that this worker keeps across restarts, and that no other worker of the database has: 1 to 100
        letters, digits, ``.``, ``_`` or ``-``. Default: "local" with a SQLite file, required otherwise.
    :param max_requests_per_second: queries per second of all workers of the database together; None for no limit.
        Default 50. Pass the same number to all workers.
    :param max_waiting: concurrent waits of each worker, 1 to 10,000,000. Default 10,000. Pass the same number to all
        workers: the database keeps one, that of the worker that started last.
    :param max_concurrency: queries in flight or waiting for their turn. Default 16: at 50 queries per
        second, a worker reserves about a third of a second ahead.
    :param max_downloads: concurrent downloads. Default 4.
    :param poll: the poll policy. Default: ``PollPolicy()``. Transient errors and refusals do not end a wait before its
        timeout, whatever the policy says.
    :param on_result: called in the event loop with each VideoResult, just before it is recorded; called again if
        the worker is killed in between. An exception that it raises is logged.
    :raises ConfigurationError: an option is invalid; when entered, also if the database cannot be used, or if a worker
        with this name or another DBOS application is running.
    """

    _active: VideoWorker | None = None

    def __init__(
        self,
        client: AsyncKkiai,
        folder: str | os.PathLike[str],
        database: str | os.PathLike[str] | None = None,
        *,
        name: str | None = None,
        max_requests_per_second: float | None = 50.0,
        max_waiting: int = 10_000,
        max_concurrency: int = 16,
        max_downloads: int = 4,
        poll: PollPolicy | None = None,
        on_result: Callable[[VideoResult], object] | None = None,
    ) -> None:
        # Otherwise the first video would become a file in the place of a folder that has vanished.
        self._client, self._folder, self._on_result = client, f"{Path(folder).absolute()}{os.sep}", on_result
        self._database = Database(database)
        if not Path(folder).is_dir():
            raise ConfigurationError(f"folder must be an existing folder, not {str(folder)!a}")
        if name is None and self._database.kind != "sqlite":
            raise ConfigurationError("name is required: choose a unique one that this worker keeps across restarts")
        hook: object = on_result
        if hook is not None and (not callable(hook) or asyncio.iscoroutinefunction(hook)):
            raise ConfigurationError("on_result must be a plain function")
        self.name = check_name(LOCAL if name is None else name)
        self._rate, self._max_waiting = max_requests_per_second, max_waiting
        self._options: dict[str, Any] = {
            "max_requests_per_second": max_requests_per_second,
            "max_concurrency": max_concurrency,
            "max_downloads": max_downloads,
            "max_waiting": max_waiting,
        }
        client.fleet(poll=poll, **self._options)  # Raises for an invalid option.
        # Only the timeout of the wait ends it if errors persist.
        self._options["poll"] = evolve(poll or PollPolicy(), max_consecutive_errors=1_000_000, refusal_grace=86_400.0)
        self._stack, self._steps = AsyncExitStack(), set[asyncio.Task[Any]]()
        #: Ids of the waits that were started here and have no result in the database yet, and of some that have.
        self._known = set[str]()

    @property
    def waiting(self) -> int:
        """The waits and downloads that this worker has started."""
        return len(self._steps)

    async def drain(self) -> None:
        """Return when no id is queued and no wait of this worker is unfinished.

        Waits of other workers may be unfinished: :meth:`VideoQueue.workers` lists them.

        :raises FleetClosedError: the fleet of the worker has crashed. Nothing is lost: start the worker again.
        :raises ConfigurationError: another worker took the name while the database server was restarting.
        """
        while not self._crash.done():
            with suppress(ConfigurationError):  # The database is down.
                if not await self._in_thread(self._queue.has_work, self.name):
                    return
            await asyncio.wait([self._crash], timeout=DRAIN_INTERVAL)
        self._crash.result()

    async def serve(self) -> None:
        """Work until cancelled, including on ids that are added later.

        :raises FleetClosedError: as :meth:`drain`.
        """
        await self._crash

    async def __aenter__(self) -> Self:
        if VideoWorker._active is not None:
            raise ConfigurationError("only one worker can run per process: start another process")
        async with AsyncExitStack() as stack:
            # Of its own: those of DBOS and of the event loop may all wait for the database.
            self._thread = stack.enter_context(ThreadPoolExecutor(1))
            self._queue = stack.enter_context(await self._in_thread(VideoQueue, self._database))
            lock = self._database.lock(self.name)
            take = await self._in_thread(lock.__enter__)
            stack.push(lock.__exit__)
            self._crash: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            gate = None
            if self._rate is not None:
                with self._database.errors():
                    gate = stack.enter_context(closing(SharedLimit(self._database, self._rate)))
            self._fleet = await stack.enter_async_context(self._client.fleet(gate=gate, **self._options))
            await self._launch(stack)
            stack.callback(asyncio.create_task(self._keep_name(take)).cancel)
            stack.callback(asyncio.create_task(self._start_missing()).cancel)
            self._stack = stack.pop_all()
        return self

    def _in_thread(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _keep_name(self, take: Callable[[], bool]) -> None:
        """Take the name again after a restart of the server; end the worker if another process has it."""
        while not self._crash.done():
            await asyncio.sleep(KEEP_INTERVAL)
            with suppress(ConfigurationError):  # The database is down.
                if not await self._in_thread(take):
                    self._fail(is_taken(self.name))

    async def _start_missing(self) -> None:
        """Start the waits that are started in the database but not here: the reply to their start was lost."""
        missing: set[str] = set()
        while True:
            await asyncio.sleep(MISSING_INTERVAL)
            before = set(self._known)
            with suppress(ConfigurationError):  # The database is down.
                started = await self._in_thread(self._queue.started, self.name)
                self._known -= before - started
                # Not those that DBOS is about to start here.
                await self._in_thread(self._queue.put_back, missing & started - self._known)
                missing = started - self._known

    def _fail(self, error: KkiaiError) -> None:
        if VideoWorker._active is self and not self._crash.done():
            self._crash.set_exception(error)

    async def _launch(self, stack: AsyncExitStack) -> None:
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_engine": self._database.engine,
                "run_migrations": False,
                "executor_id": self.name,
                "application_version": VERSION,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "WARNING",
                "max_executor_threads": THREADS,
            }
        )
        if DBOS.executor_id != self.name or DBOS.application_version != VERSION:
            raise ConfigurationError("this process is running another DBOS application: start another process")
        VideoWorker._active = self
        stack.push_async_callback(self._stop)
        with self._database.errors():
            # In the running loop: DBOS runs its workflows in the loop in which it is launched.
            DBOS.launch()
            stored = await DBOS.retrieve_queue_async(QUEUE)
            former = await stored.get_worker_concurrency_async() if stored else None
            if former not in (None, self._max_waiting):
                log.warning("max_waiting is now %s, not %s, for all workers of the database", self._max_waiting, former)
            await DBOS.register_queue_async(
                QUEUE,
                worker_concurrency=self._max_waiting,
                limiter={"limit": CLAIM_LIMIT, "period": CLAIM_PERIOD},
                polling_interval_sec=CLAIM_INTERVAL,
                on_conflict="always_update",
            )

    async def _stop(self) -> None:
        """Stop all waits in this process without recording anything about them."""
        VideoWorker._active = None
        DBOS.logger.setLevel("CRITICAL")
        # Not in the event loop: DBOS waits for its own threads, which may wait for the event loop.
        stopped = self._in_thread(DBOS.destroy)
        while not stopped.done() or self._steps:
            for step in self._steps:
                step.cancel()
            await asyncio.wait([stopped, *self._steps], timeout=0.1)
        await stopped
        # DBOS leaves it to the loop to clean up the threads that it has just ended.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    async def save(self, task_id: str, timeout: float, added: float) -> VideoResult:
        """Wait for a task and download its video: the recorded step.

        :raises asyncio.CancelledError: the worker is closing; the wait stays unfinished.
        """
        step = asyncio.current_task()
        assert step is not None
        self._known.add(task_id)
        self._steps.add(step)
        try:
            result = await self._save(task_id, timeout, added)
        except FleetClosedError as error:
            self._fail(error)
            raise asyncio.CancelledError from None
        finally:
            self._steps.discard(step)
        if self._on_result is not None:
            try:
                self._on_result(result)
            except Exception:  # The task has ended: its result is recorded all the same.
                log.exception("on_result raised an exception for task %r", task_id)
        return result

    async def _save(self, task_id: str, timeout: float, added: float) -> VideoResult:
        # Only the wall clock is shared by the processes that wait.
        waited = min(max(time.time() - added, 0.0), max(timeout - MIN_WAIT, 0.0))
        started, delay = time.monotonic() - waited, RETRY_DELAYS[0]
        while True:
            try:
                path = await self._fleet.wait_and_download(
                    task_id, self._folder, timeout=timeout, waited=time.monotonic() - started, overwrite="skip"
                )
                return VideoResult(task_id, "saved", path=str(path))
            except FleetClosedError:
                raise
            except KkiaiError as error:
                if not self._can_pass(error) or time.monotonic() + delay >= started + timeout:
                    return result_of(task_id, error)
                if delay == RETRY_DELAYS[0]:
                    log.warning("%s: %s; trying again", task_id, error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_DELAYS[1])

    def _can_pass(self, error: KkiaiError) -> bool:
        # Without the folder, as on a disk that is not mounted, every download is refused.
        return is_passing(error) or not Path(self._folder).is_dir()

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


# DBOS adds its own handler, for stderr, to a logger that has none.
DBOS.logger.addHandler(logging.NullHandler())


# No limit of attempts, because a worker may be killed any number of times.
@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
async def _video(task_id: str, timeout: float, added: float) -> dict[str, Any]:
    # Without steps, each of which would be a row: one that is run again finds the file, or asks the gateway once more.
    worker = VideoWorker._active  # noqa: SLF001 (of this module)
    if worker is None:
        raise asyncio.CancelledError
    return (await worker.save(task_id, timeout, added)).to_dict()
