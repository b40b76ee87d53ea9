"""The asynchronous fleet: waits that share one paced queue, in one asyncio task."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Self

from kkiai_sdk import _config
from kkiai_sdk._effects import Deliver, QueryTask, run_async
from kkiai_sdk._http.async_network import finish, require_asyncio
from kkiai_sdk._polling.async_workers import TaskWorkers, is_failure, is_querying
from kkiai_sdk._polling.base_fleet import BaseFleet, FleetOptions, gate_error, to_query_result
from kkiai_sdk._polling.fleet_state import NotAwaitedError
from kkiai_sdk._polling.flows import task_or_raise
from kkiai_sdk.models import VideoTask

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable
    from datetime import timedelta
    from pathlib import Path

    from kkiai_sdk._downloads.flow import DownloadRequest
    from kkiai_sdk._effects import Effect, QueryResult
    from kkiai_sdk.models import WaitResult


class _Mailbox:
    """Passes snapshots and the result to the coroutine of one wait."""

    __slots__ = ("_future", "_values")

    def __init__(self) -> None:
        self._values: list[VideoTask | WaitResult] = []
        self._future: asyncio.Future[None] | None = None

    def put(self, value: VideoTask | WaitResult) -> None:
        self._values.append(value)
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def get(self) -> VideoTask | WaitResult:
        if not self._values:
            self._future = asyncio.get_running_loop().create_future()
            await self._future
        return self._values.pop(0)


class AsyncFleet(BaseFleet):
    """Waits for any number of tasks with one shared, rate-limited queue; returned by :meth:`AsyncKkiai.fleet`.

    Any coroutine of the event loop that entered it can add an id and await its result. Waits for the same id share its
    polls. At the end of the ``async with`` statement, the remaining waits raise FleetClosedError; no task is cancelled.
    """

    def __init__(self, options: FleetOptions) -> None:
        super().__init__(options)
        self._workers = TaskWorkers(self._query, self._clock)
        self._task: asyncio.Task[None] | None = None
        self._places, self._queued_downloads = asyncio.Semaphore(options.max_downloads), 0

    async def wait(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> VideoTask:
        """Wait for a task to end, and return it with its ``video_url``. Cancelling a wait frees its slot immediately.

        :param timeout: seconds for the whole wait, None for no limit, 0 for one poll. Default 1800. Without a response
            the wait ends at most 5 seconds later, however busy the fleet is; with 0, after the timeout of one request.
        :param waited: seconds already waited for the task, for instance by another process. The poll schedule and the
            timeout continue from there. Default 0.
        :param on_update: called with each snapshot that differs from the last one; may be a coroutine function. An
            exception raised by it ends this wait.
        :param raise_on_failure: False to return a failed task. Default True.
        :raises FleetClosedError: the fleet was closed or has crashed. The task was not cancelled.
        :raises ConfigurationError: an argument is invalid, the fleet has not been entered or was entered in another
            event loop, or its gate raised an exception.
        :raises TaskFailedError: the task ended without a video. Like ``AsyncKkiai.wait``, also raises TaskTimeoutError,
            VideoMissingError and APIError.
        """
        # Not in a variable: it holds the error, whose traceback holds this frame.
        return task_or_raise(await self._wait(task_id, timeout, waited, on_update), raise_on_failure=raise_on_failure)

    async def wait_and_download(
        self,
        task_id: str,
        dest: str | os.PathLike[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        overwrite: bool | Literal["skip"] = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """Wait for a task to end, then download its video; see :meth:`wait` and ``AsyncKkiai.download``.

        At most ``max_downloads`` run at the same time. If the URL has expired, the query for a new one goes through the
        fleet, in addition to ``max_waiting``. If ``overwrite="skip"`` keeps a file, nothing is sent. Closing the fleet
        ends downloads that have not started; the others continue, but a query raises FleetClosedError.
        """
        self._check_open()
        poll = self._options.wait.policy
        request: DownloadRequest = await self._options.check_download(
            task_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes, poll=poll
        )
        if request.is_done:
            return request.target
        task = await self.wait(task_id, timeout=timeout, waited=waited, on_update=on_update)
        async with self._download_place():
            path: Path = await self._options.download(request, task, self._perform_download)
            return path

    async def _wait(
        self,
        task_id: str,
        timeout: float | timedelta | None,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        *,
        is_query: bool = False,
    ) -> WaitResult:
        mailbox = _Mailbox()
        waiter = self._new_waiter(task_id, mailbox, timeout, waited, on_update, is_query=is_query)
        self._state.join(waiter)
        self._workers.wake()
        try:
            while isinstance(value := await mailbox.get(), VideoTask):
                result = on_update(value) if on_update else None
                if inspect.isawaitable(result):
                    await result
            return value
        except BaseException:
            self._state.leave(waiter, self._clock.monotonic())
            self._workers.wake()
            raise

    @asynccontextmanager
    async def _download_place(self) -> AsyncIterator[None]:
        self._queued_downloads += 1
        try:
            await self._places.acquire()
        finally:
            self._queued_downloads -= 1
        try:
            self._check_open()
            yield
        finally:
            self._places.release()

    async def _perform_download(self, effect: Effect) -> Any:
        if not isinstance(effect, QueryTask):
            return await self._options.perform(effect)
        timeout = effect.options.timeout * (1 + effect.options.max_retries)
        return to_query_result(await self._wait(effect.task_id, timeout, is_query=True))

    async def _query(self, query: QueryTask) -> QueryResult:
        if self._options.gate is not None:
            try:
                opened = self._options.gate()
                if inspect.isawaitable(opened):
                    await opened
            except BaseException as exception:
                if is_failure(exception):
                    raise gate_error(exception) from exception
                raise
            if not self._state.is_awaited(query.task_id):
                raise NotAwaitedError
        result: QueryResult = await self._options.query(query)
        return result

    def _end_waits(self) -> None:
        super()._end_waits()
        for _place in range(self._queued_downloads):
            self._places.release()

    async def _run(self) -> None:
        async with aclosing(self._workers):
            try:
                await run_async(self._flow, self._perform)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # reported to the waiters
                self._crashed(error)
            finally:
                self._end_waits()

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Deliver):
            return effect.receiver.put(effect.value)
        return await self._workers.perform(effect, self._options.perform)

    async def __aenter__(self) -> Self:
        require_asyncio()
        self._enter()
        self._task = asyncio.create_task(self._run(), name="kkiai-fleet")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closed = True
        if self._task is None:
            return
        if self._is_elsewhere():
            # Its event loop may have ended, and in a forked process it does not run.
            with suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            return
        self._end_waits()
        self._task.cancel()
        if not is_querying.get():
            await finish(asyncio.wait([self._task]))
