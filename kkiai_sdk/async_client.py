"""The asynchronous client."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from kkiai_api.api.video import query_video_task
from kkiai_sdk import _config, _validators
from kkiai_sdk._base_client import BaseClient
from kkiai_sdk._downloads.async_transfer import AsyncTransfer, run_in_thread
from kkiai_sdk._downloads.flow import download_flow
from kkiai_sdk._downloads.part_file import PartFile
from kkiai_sdk._effects import Emit, QueryResult, QueryTask, Sleep, Update, iterate_async, run_async
from kkiai_sdk._http import async_session
from kkiai_sdk._http.async_network import finish, require_asyncio
from kkiai_sdk._http.raw_client import RequestAdapter
from kkiai_sdk._polling.async_fleet import AsyncFleet
from kkiai_sdk._polling.async_workers import TaskWorkers
from kkiai_sdk.models import VideoTask

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk._downloads.flow import DownloadRequest
    from kkiai_sdk._effects import Effect, Flow
    from kkiai_sdk.models import WaitResult
    from kkiai_sdk.policies import PollPolicy


class AsyncKkiai(BaseClient):
    """Asynchronous client for the video tasks of a kkiai gateway, for asyncio.

    Has the same methods as :class:`~kkiai_sdk.Kkiai`, as coroutines. Each event loop has its own connections. Use it in
    an ``async with`` statement or call :meth:`aclose`.

    A DNS lookup that timed out continues in a thread, for which ``asyncio.run`` waits before it returns. With
    ``httpx_args={"transport": httpx_aiohttp.AiohttpTransport()}``, requests are sent over aiohttp.
    """

    _transport_types = async_session.TRANSPORT_TYPES

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client over the session of this client, for any endpoint of the spec.

        ``await some_endpoint.asyncio_detailed(client=client.raw, …)`` uses the key, timeout, retries and errors of this
        client. Requests other than GET and HEAD are retried only if nothing was sent. Bodies are held in memory, those
        of responses up to 256 MiB; an event stream is returned once it has ended.
        """
        return self._raw_client().set_async_httpx_client(self._session)

    async def query(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> VideoTask:
        """Query a task once. A failed task is returned, not raised.

        :param task_id: 1 to 256 printable characters without spaces.
        :param timeout: seconds for each attempt. Default: the client's.
        :param max_retries: retries of transient errors. Default: the client's.
        :param extra_headers: headers of this request, such as ``X-Forwarded-Host``.
        :raises ConfigurationError: an argument is invalid. Nothing was sent.
        :raises APIError: the query failed.
        """
        return (await self._query(self._query_task(task_id, timeout, max_retries, extra_headers))).task

    async def wait(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> VideoTask:
        """Wait for a task to end, and return it with its ``video_url``.

        Neither transient errors nor an unknown status end the wait.

        :param timeout: seconds for the whole wait, None for no limit, 0 for one poll. Default 1800.
        :param poll: the poll policy. Default: the client's.
        :param on_update: called with each snapshot that differs from the last one; may be a coroutine function. An
            exception raised by it ends the wait.
        :param raise_on_failure: False to return a failed task. Default True.
        :raises TaskFailedError: the task ended without a video.
        :raises TaskTimeoutError: the task did not end in time. It was not cancelled, so you can wait for it again.
        :raises VideoMissingError: the task succeeded, but no response named a video within ``url_grace``.
        :raises APIError: a query failed for a permanent reason, or ``max_consecutive_errors`` in a row failed. Once the
            task has been seen, permanent errors end the wait only after ``max_refusals`` over ``refusal_grace``.
        :raises ConfigurationError: an argument is invalid. Nothing was sent.
        """
        flow = self._wait_flow(task_id, timeout, poll, on_update, raise_on_failure=raise_on_failure)
        return await run_async(flow, partial(self._perform, on_update=on_update))

    def watch(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        every_poll: bool = False,
    ) -> AsyncIterator[VideoTask]:
        """Yield a snapshot per change of a task until it ends. The last one is final; a failed task is not an error.

        :param timeout: seconds for the whole wait, None for no limit, 0 for one poll. Default 1800.
        :param poll: the poll policy. Default: the client's.
        :param every_poll: yield a snapshot per poll, changed or not. Default False.
        :raises TaskTimeoutError: the task did not end in time. Like :meth:`wait`, also raises VideoMissingError,
            APIError and ConfigurationError.
        """
        flow = self._wait_flow(task_id, timeout, poll, every_poll=every_poll, raise_on_failure=False)
        return iterate_async(flow, self._perform)

    def as_completed(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _config.DEFAULT_CONCURRENCY,
        max_requests_per_second: float | None = _config.DEFAULT_PER_SECOND,
        max_waiting: int = _config.DEFAULT_WAITING,
        on_update: Callable[[VideoTask], object] | None = None,
    ) -> AsyncIterator[WaitResult]:
        """Wait for many tasks, and yield the result of each as it ends. An invalid id never stops the others.

        A waiting task needs no asyncio task. A 429 response for one task pauses all of them, and slows them down for a
        while.

        :param task_ids: the ids; duplicates yield one result. An iterator is read on demand, so it may be endless.
        :param timeout: seconds for all tasks together, None for no limit, 0 for one poll each. Default 1800.
        :param poll: the poll policy. Default: the client's.
        :param max_concurrency: requests in flight at once, 1 to 1000. Default 8.
        :param max_requests_per_second: for all tasks together, evenly spaced; None for no limit. Default 50.
        :param max_waiting: tasks that wait at the same time, 1 to 10,000,000. Default 10,000.
        :param on_update: called with each snapshot that differs from the last one of its task, the final one included,
            before the result; may be a coroutine function. An exception raised by it ends the iteration.
        :raises ConfigurationError: an option is invalid. Errors of a task are in its ``WaitResult.error``.
        """
        limits = max_concurrency, max_requests_per_second, max_waiting
        return self._wait_many(self._wait_many_flow(task_ids, timeout, poll, limits, on_update), on_update)

    async def wait_many(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _config.DEFAULT_CONCURRENCY,
        max_requests_per_second: float | None = _config.DEFAULT_PER_SECOND,
        max_waiting: int = _config.DEFAULT_WAITING,
        on_update: Callable[[VideoTask], object] | None = None,
    ) -> list[WaitResult]:
        """Wait for many tasks, and return their results in the order of the ids, one per distinct id.

        The parameters are those of :meth:`as_completed`.
        """
        ids = _validators.id_list(task_ids)
        limits = max_concurrency, max_requests_per_second, max_waiting
        flow = self._wait_many_flow(ids, timeout, poll, limits, on_update)
        return self._in_order(ids, [result async for result in self._wait_many(flow, on_update)])

    def fleet(
        self,
        *,
        max_requests_per_second: float | None = _config.DEFAULT_PER_SECOND,
        max_concurrency: int = _config.DEFAULT_CONCURRENCY,
        max_waiting: int = _config.DEFAULT_WAITING,
        max_downloads: int = _config.DEFAULT_DOWNLOADS,
        poll: PollPolicy | None = None,
        gate: Callable[[], object] | None = None,
    ) -> AsyncFleet:
        """Return a fleet: a shared, rate-limited queue to which any coroutine can add an id and wait for it.

        Use it in an ``async with`` statement. A 429 response for one task pauses all of them.

        :param max_requests_per_second: for all tasks together, evenly spaced; None for no limit. Default 50.
        :param max_concurrency: requests in flight at once, 1 to 1000. Default 8.
        :param max_waiting: tasks that are polled at the same time, 1 to 10,000,000; others queue. Default 10,000.
        :param max_downloads: concurrent downloads, 1 to 1000. Default 4.
        :param poll: the poll policy. Default: the client's.
        :param gate: called before each request; for a limiter shared by several processes. May be a coroutine function.
            While it blocks, it counts towards ``max_concurrency``; an exception raised by it ends the waits for that
            task. Default: none.
        :raises ConfigurationError: an option is invalid.
        """
        limits = max_concurrency, max_requests_per_second, max_waiting
        return AsyncFleet(self._fleet_options(limits, max_downloads, poll, gate))

    async def download(
        self,
        task_or_id: VideoTask | str,
        dest: str | os.PathLike[str],
        *,
        overwrite: bool | Literal["skip"] = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """Download the video of a finished task, and return the path of the complete file.

        Writes to ``NAME.part`` next to the destination (very long names are shortened and hashed) and renames the file
        when it is complete. If the URL has expired, queries the task once for a new one. If the file is not available
        yet, requests it again for ``PollPolicy.file_grace`` seconds. Does not wait for the task: see
        :meth:`wait_and_download`.

        :param task_or_id: a task, or an id, which is queried first.
        :param dest: a file, or an existing folder, in which the file is named after the id. A path that ends with "/"
            is a folder.
        :param overwrite: True replaces an existing file once the download is complete; False, the default, raises
            TargetExistsError; "skip" assumes that the file is the video: its path is returned, and nothing is sent.
            "skip" still replaces empty files and dangling links.
        :param resume: resume an earlier download if the server proves that the file is unchanged. Default True.
        :param progress: called with the bytes on disk and the size of the file, or None if unknown, at the start of
            each request and after each write. The count restarts at 0 if the partial file is discarded. May be a
            coroutine function. An exception raised by it ends the download.
        :param max_bytes: reject a larger file. Default: no limit.
        :raises ConfigurationError: an argument is invalid. Nothing was sent.
        :raises DownloadError: the file could not be downloaded; see its subclasses.
        :raises TaskFailedError: the task failed.
        :raises VideoMissingError: the response to the query contains no video URL.
        :raises APIError: the query failed.
        """
        request = await self._check_download(
            task_or_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes
        )
        return await self._download(request, task_or_id if isinstance(task_or_id, VideoTask) else None)

    async def wait_and_download(
        self,
        task_id: str,
        dest: str | os.PathLike[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        overwrite: bool | Literal["skip"] = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """Wait for a task to end, then download its video; see :meth:`wait` and :meth:`download`.

        The destination is checked first: if ``overwrite="skip"`` keeps a file, nothing is sent. ``timeout`` limits the
        wait, not the download; the ``file_grace`` of ``poll`` applies to the download.
        """
        request = await self._check_download(
            task_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes, poll=poll
        )
        task = None if request.is_done else await self.wait(task_id, timeout=timeout, poll=poll, on_update=on_update)
        return await self._download(request, task)

    async def aclose(self) -> None:
        """Close the connections, including those of copies made by :meth:`with_options`. Later calls have no effect."""
        require_asyncio()
        await finish(self._close_transports())

    close = aclose

    async def _close_transports(self) -> None:
        async with AsyncExitStack() as stack:
            for transport in self._context.pool.begin_close():
                stack.push_async_callback(transport.aclose)

    async def _query(self, query: QueryTask) -> QueryResult:
        adapter = RequestAdapter(self._session, query.options)
        await query_video_task.asyncio_detailed(client=cast("AuthenticatedClient", adapter), id=query.task_id)
        return self._to_result(adapter.success, query.task_id)

    async def _wait_many(
        self, flow: Flow[None], on_update: Callable[[VideoTask], object] | None
    ) -> AsyncIterator[WaitResult]:
        require_asyncio()
        perform = partial(self._perform, on_update=on_update)
        async with aclosing(TaskWorkers(self._query, self._context.clock)) as workers:
            async for result in iterate_async(flow, lambda effect: workers.perform(effect, perform)):
                yield result

    async def _check_download(self, *arguments: Any, **options: Any) -> DownloadRequest:
        # In a thread, because it accesses the file system.
        return await run_in_thread(partial(self._download_request, *arguments, **options))

    async def _download(
        self,
        request: DownloadRequest,
        task: VideoTask | None,
        perform: Callable[[Effect], Awaitable[Any]] | None = None,
    ) -> Path:
        part = PartFile(request.target, request.task_id)
        try:
            async with aclosing(AsyncTransfer(self._session)) as transfer:
                flow = download_flow(request, part, task)
                return await run_async(flow, lambda effect: transfer.perform(effect, perform or self._perform))
        finally:
            await run_in_thread(part.close)

    async def _perform(self, effect: Effect, on_update: Callable[[VideoTask], object] | None = None) -> Any:
        match effect:
            case QueryTask():
                return await self._query(effect)
            case Sleep():
                return await self._context.clock.sleep_until_async(effect.until)
            case Emit() | Update() if on_update is not None:
                result = on_update(cast("VideoTask", effect.value))
                return await result if inspect.isawaitable(result) else result
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
