"""The synchronous client."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from kkiai_api.api.video import query_video_task
from kkiai_sdk import _config, _validators
from kkiai_sdk._base_client import BaseClient
from kkiai_sdk._downloads.flow import download_flow
from kkiai_sdk._downloads.part_file import PartFile
from kkiai_sdk._downloads.transfer import Transfer
from kkiai_sdk._effects import Emit, QueryResult, QueryTask, Sleep, Update, iterate, run
from kkiai_sdk._http import session
from kkiai_sdk._http.raw_client import RequestAdapter
from kkiai_sdk._polling.fleet import Fleet
from kkiai_sdk._polling.workers import ThreadWorkers
from kkiai_sdk.models import VideoTask

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk._downloads.flow import DownloadRequest
    from kkiai_sdk._effects import Effect, Flow
    from kkiai_sdk.models import WaitResult
    from kkiai_sdk.policies import PollPolicy


class Kkiai(BaseClient):
    """Client for the video tasks of a kkiai gateway: queries them, waits for them and downloads their videos.

    Threads can share a client; a forked process has its own connections. Use it in a ``with`` statement or call
    :meth:`close`.

    A DNS lookup cannot be interrupted, so a timeout may be raised late (with glibc, after 5 s for each server and
    attempt; see resolv.conf(5)).
    """

    _transport_types = session.TRANSPORT_TYPES

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client over the session of this client, for any endpoint of the spec.

        ``some_endpoint.sync_detailed(client=client.raw, …)`` uses the key, timeout, retries and errors of this client.
        Requests other than GET and HEAD are retried only if nothing was sent. Bodies are held in memory, those of
        responses up to 256 MiB; an event stream is returned once it has ended.
        """
        return self._raw_client().set_httpx_client(self._session)

    def query(
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
        return self._query(self._query_task(task_id, timeout, max_retries, extra_headers)).task

    def wait(
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
        :param on_update: called with each snapshot that differs from the last one. An exception raised by it ends the
            wait.
        :param raise_on_failure: False to return a failed task. Default True.
        :raises TaskFailedError: the task ended without a video.
        :raises TaskTimeoutError: the task did not end in time. It was not cancelled, so you can wait for it again.
        :raises VideoMissingError: the task succeeded, but no response named a video within ``url_grace``.
        :raises APIError: a query failed for a permanent reason, or ``max_consecutive_errors`` in a row failed. Once the
            task has been seen, permanent errors end the wait only after ``max_refusals`` over ``refusal_grace``.
        :raises ConfigurationError: an argument is invalid. Nothing was sent.
        """
        flow = self._wait_flow(task_id, timeout, poll, on_update, raise_on_failure=raise_on_failure)
        return run(flow, partial(self._perform, on_update=on_update))

    def watch(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        every_poll: bool = False,
    ) -> Iterator[VideoTask]:
        """Yield a snapshot per change of a task until it ends. The last one is final; a failed task is not an error.

        :param timeout: seconds for the whole wait, None for no limit, 0 for one poll. Default 1800.
        :param poll: the poll policy. Default: the client's.
        :param every_poll: yield a snapshot per poll, changed or not. Default False.
        :raises TaskTimeoutError: the task did not end in time. Like :meth:`wait`, also raises VideoMissingError,
            APIError and ConfigurationError.
        """
        flow = self._wait_flow(task_id, timeout, poll, every_poll=every_poll, raise_on_failure=False)
        return iterate(flow, self._perform)

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
    ) -> Iterator[WaitResult]:
        """Wait for many tasks, and yield the result of each as it ends. An invalid id never stops the others.

        A waiting task needs no thread. A 429 response for one task pauses all of them, and slows them down for a while.

        :param task_ids: the ids; duplicates yield one result. An iterator is read on demand, so it may be endless.
        :param timeout: seconds for all tasks together, None for no limit, 0 for one poll each. Default 1800.
        :param poll: the poll policy. Default: the client's.
        :param max_concurrency: requests in flight at once, 1 to 1000. Default 8.
        :param max_requests_per_second: for all tasks together, evenly spaced; None for no limit. Default 50.
        :param max_waiting: tasks that wait at the same time, 1 to 10,000,000. Default 10,000.
        :param on_update: called with each snapshot that differs from the last one of its task, the final one included,
            before the result. An exception raised by it ends the iteration.
        :raises ConfigurationError: an option is invalid. Errors of a task are in its ``WaitResult.error``.
        """
        limits = max_concurrency, max_requests_per_second, max_waiting
        return self._wait_many(self._wait_many_flow(task_ids, timeout, poll, limits, on_update), on_update)

    def wait_many(
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
        return self._in_order(ids, self._wait_many(flow, on_update))

    def fleet(
        self,
        *,
        max_requests_per_second: float | None = _config.DEFAULT_PER_SECOND,
        max_concurrency: int = _config.DEFAULT_CONCURRENCY,
        max_waiting: int = _config.DEFAULT_WAITING,
        max_downloads: int = _config.DEFAULT_DOWNLOADS,
        poll: PollPolicy | None = None,
        gate: Callable[[], object] | None = None,
    ) -> Fleet:
        """Return a fleet: a shared, rate-limited queue to which any thread can add an id and wait for it.

        Use it in a ``with`` statement. A 429 response for one task pauses all of them.

        :param max_requests_per_second: for all tasks together, evenly spaced; None for no limit. Default 50.
        :param max_concurrency: requests in flight at once, 1 to 1000. Default 8.
        :param max_waiting: tasks that are polled at the same time, 1 to 10,000,000; others queue. Default 10,000.
        :param max_downloads: concurrent downloads, 1 to 1000. Default 4.
        :param poll: the poll policy. Default: the client's.
        :param gate: called before each request; for a limiter shared by several processes. While it blocks, it counts
            towards ``max_concurrency``; an exception raised by it ends the waits for that task. Default: none.
        :raises ConfigurationError: an option is invalid.
        """
        limits = max_concurrency, max_requests_per_second, max_waiting
        return Fleet(self._fleet_options(limits, max_downloads, poll, gate))

    def download(
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
            each request and after each write. The count restarts at 0 if the partial file is discarded. An exception
            raised by it ends the download.
        :param max_bytes: reject a larger file. Default: no limit.
        :raises ConfigurationError: an argument is invalid. Nothing was sent.
        :raises DownloadError: the file could not be downloaded; see its subclasses.
        :raises TaskFailedError: the task failed.
        :raises VideoMissingError: the response to the query contains no video URL.
        :raises APIError: the query failed.
        """
        request = self._download_request(
            task_or_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes
        )
        return self._download(request, task_or_id if isinstance(task_or_id, VideoTask) else None)

    def wait_and_download(
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
        request = self._download_request(
            task_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes, poll=poll
        )
        task = None if request.is_done else self.wait(task_id, timeout=timeout, poll=poll, on_update=on_update)
        return self._download(request, task)

    def close(self) -> None:
        """Close the connections, including those of copies made by :meth:`with_options`. Later calls have no effect."""
        with ExitStack() as stack:
            for transport in self._context.pool.begin_close():
                stack.callback(transport.close)

    def _query(self, query: QueryTask) -> QueryResult:
        adapter = RequestAdapter(self._session, query.options)
        query_video_task.sync_detailed(client=cast("AuthenticatedClient", adapter), id=query.task_id)
        return self._to_result(adapter.success, query.task_id)

    def _wait_many(self, flow: Flow[None], on_update: Callable[[VideoTask], object] | None) -> Iterator[WaitResult]:
        perform = partial(self._perform, on_update=on_update)
        with closing(ThreadWorkers(self._query, self._context.clock)) as workers:
            yield from iterate(flow, lambda effect: workers.perform(effect, perform))

    def _download(
        self, request: DownloadRequest, task: VideoTask | None, perform: Callable[[Effect], Any] | None = None
    ) -> Path:
        part = PartFile(request.target, request.task_id)
        with closing(part), closing(Transfer(self._session)) as transfer:
            flow = download_flow(request, part, task)
            return run(flow, lambda effect: transfer.perform(effect, perform or self._perform))

    def _perform(self, effect: Effect, on_update: Callable[[VideoTask], object] | None = None) -> Any:
        match effect:
            case QueryTask():
                return self._query(effect)
            case Sleep():
                return self._context.clock.sleep_until(effect.until)
            case Emit() | Update() if on_update is not None:
                return on_update(cast("VideoTask", effect.value))
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
