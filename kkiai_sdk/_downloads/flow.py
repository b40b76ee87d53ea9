"""The flow of a download; see :mod:`kkiai_sdk._effects`. The decisions are in ``range_requests``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import frozen

from kkiai_sdk import _redaction
from kkiai_sdk._downloads import sniffing
from kkiai_sdk._downloads.range_requests import (
    MAX_FAILURES,
    Failed,
    FollowRedirect,
    RefreshURL,
    Restart,
    SaveBody,
    check_size,
    has_framing,
    next_step,
    request_headers,
)
from kkiai_sdk._downloads.urls import check_url
from kkiai_sdk._effects import OpenDownload, QueryTask, RunBlocking, Sleep, WriteBody
from kkiai_sdk._http.retry import backoff
from kkiai_sdk._log import log
from kkiai_sdk._responses.raw_response import MAX_REDIRECTS
from kkiai_sdk.errors import (
    APIError,
    DownloadError,
    IncompleteDownloadError,
    TaskFailedError,
    UnsafeURLError,
    VideoMissingError,
)
from kkiai_sdk.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kkiai_sdk._clock import Clock
    from kkiai_sdk._downloads.part_file import PartFile
    from kkiai_sdk._downloads.range_requests import NextStep
    from kkiai_sdk._downloads.urls import AllowedURL
    from kkiai_sdk._effects import Flow, QueryResult, RequestOptions
    from kkiai_sdk._responses.raw_response import RawResponse
    from kkiai_sdk.errors import KkiaiError
    from kkiai_sdk.models import VideoTask
    from kkiai_sdk.policies import RetryPolicy


@frozen
class DownloadRequest:
    """The validated arguments of one download."""

    task_id: str
    target: Path
    overwrite: bool
    resume: bool
    max_bytes: int | None
    #: Called with the bytes on disk and the bytes of the whole file, or None if unknown.
    progress: Callable[[int, int | None], Any] | None
    base_url: str
    #: The validated option of the client.
    allow_file_hosts: tuple[str, ...]
    options: RequestOptions
    retry: RetryPolicy
    clock: Clock


def download_flow(request: DownloadRequest, part: PartFile, task: VideoTask | None) -> Flow[Path]:
    """Download a task's video through ``part`` to ``request.target``; ``task`` is a snapshot if there is one."""
    url = _video_url(task) if task else None
    # Before anything is sent: fails at once if the destination is not writable or in use.
    yield RunBlocking(partial(part.open, resume=request.resume))
    if part.is_complete:
        # An earlier process was killed between the last write and the commit.
        check_size(part.size, request.max_bytes)
    else:
        yield from _Download(request, part, url or (yield from _fresh_url(request))).run()
    if not (yield RunBlocking(part.has_complete_boxes)):
        log.warning("%s: the boxes of the MP4 are longer than the file: it may be cut short", request.target)
    path: Path = yield RunBlocking(partial(part.commit, overwrite=request.overwrite))
    return path


def _fresh_url(request: DownloadRequest) -> Flow[str]:
    result: QueryResult = yield QueryTask(request.task_id, request.options)
    task = result.task
    if url := _video_url(task):
        return url
    reason = "succeeded, but the gateway names no video" if task.is_succeeded else "has not ended: wait first"
    raise VideoMissingError(f"task {request.task_id} {reason}", task_id=request.task_id, task=task, polls=1)


def _video_url(task: VideoTask) -> str | None:
    """Return the URL of a finished video. A running task can name a draft; an unknown status may be final."""
    if task.is_failed:
        raise TaskFailedError(f"task {task.id} failed: {task.failure}", task_id=task.id, task=task)
    return None if task.state in {TaskState.PENDING, TaskState.RUNNING} else task.video_url


class _Download:
    """The requests of one download, until the part, which is open, is complete."""

    def __init__(self, request: DownloadRequest, part: PartFile, url: str) -> None:
        self._request, self._part, self._url = request, part, url
        self._total: int | None = part.metadata.total if part.metadata else None
        self._failures, self._max_size = 0, part.size
        self._is_refreshed = self._is_restarted = self._is_done = False

    @property
    def _display_url(self) -> str:
        return _redaction.display_url(self._url)

    def run(self) -> Flow[None]:
        while not self._is_done:
            step = yield from self._request_once()
            if self._part.size > self._max_size:
                # Larger than ever before: a restarted part that is still smaller is no progress.
                self._failures, self._max_size = 0, self._part.size
            if isinstance(step, RefreshURL):
                yield from self._refresh()
            elif isinstance(step, Restart):
                yield from self._restart()
            elif isinstance(step, Failed):
                yield from self._pause(step)

    def _request_once(self) -> Flow[RefreshURL | Failed | Restart | None]:
        """Send a request, follow redirects, write the body. Return None if the file is complete."""
        headers = request_headers(self._part.size, self._part.metadata)
        target = self._check_url(self._url)
        for _ in range(MAX_REDIRECTS + 1):
            response = yield from self._open(target, headers)
            if isinstance(response, APIError):
                return Failed(str(response), transient=response.transient)
            step = self._next_step(response, target.url)
            if isinstance(step, SaveBody):
                return (yield from self._save(step, response))
            if not isinstance(step, FollowRedirect):
                return step
            target = self._check_url(step.location, came_from=target.url)
        raise DownloadError(f"{self._display_url}: more than {MAX_REDIRECTS} redirects", url=self._display_url)

    def _check_url(self, url: str, came_from: str | None = None) -> AllowedURL:
        request = self._request
        return check_url(url, request.base_url, came_from=came_from, allowed=request.allow_file_hosts)

    def _open(self, target: AllowedURL, headers: dict[str, str]) -> Flow[RawResponse | APIError]:
        try:
            response: RawResponse | APIError = yield OpenDownload(target, headers)
        except UnsafeURLError as error:
            # Raised by the address policy of the network backend, which knows only the host.
            error.url = _redaction.display_url(target.url)
            raise
        return response

    def _next_step(self, response: RawResponse, url: str) -> NextStep:
        part, now = self._part, self._request.clock.wall_clock()
        return next_step(response, size=part.size, metadata=part.metadata, url=url, wall_clock=now)

    def _save(self, save: SaveBody, response: RawResponse) -> Flow[Failed | None]:
        request, part, url = self._request, self._part, self._display_url
        check_size(save.total, request.max_bytes, url)
        self._total = save.total
        writer = _BodyWriter(part, save, response.header("content-type") or "", request.max_bytes, url)
        yield RunBlocking(writer.start)
        progress = request.progress
        error: KkiaiError | None = yield WriteBody(writer.write, lambda: progress and progress(writer.size, save.total))
        if error is not None and not isinstance(error, APIError):
            raise error
        if error is None:
            yield RunBlocking(writer.finish)
        if error is not None or (save.total is not None and part.size < save.total):
            return Failed(str(error or "the server ended the file early"), transient=True)
        if save.total is None and not has_framing(response):
            raise self._incomplete("the server sent no length, so an interrupted body cannot be detected")
        self._is_done = True
        return None

    def _refresh(self) -> Flow[None]:
        """Query the task for a new URL, once."""
        if self._is_refreshed:
            url = self._display_url
            raise DownloadError(f"{url} is refused, and so is the fresh URL of the same task", url=url)
        self._is_refreshed = True
        self._url = yield from _fresh_url(self._request)

    def _restart(self) -> Flow[None]:
        if self._is_restarted:
            raise self._incomplete("the server keeps sending another range than requested")
        self._is_restarted = True
        yield RunBlocking(self._part.restart)

    def _pause(self, failed: Failed) -> Flow[None]:
        self._failures += 1
        if not failed.transient:
            path = str(self._request.target)
            raise DownloadError(f"{self._display_url}: {failed.reason}", url=self._display_url, path=path)
        if self._failures >= MAX_FAILURES:
            raise self._incomplete(failed.reason)
        clock, policy = self._request.clock, self._request.retry
        if failed.retry_after > policy.max_retry_after:
            raise self._incomplete(f"{failed.reason}, and the server asks to wait {failed.retry_after:.0f} s")
        delay = max(backoff(self._failures - 1, policy, clock.random()), failed.retry_after)
        yield Sleep(clock.monotonic() + delay)

    def _incomplete(self, reason: str) -> IncompleteDownloadError:
        size, total = self._part.size, self._total
        expected = "an unknown number of" if total is None else total
        return IncompleteDownloadError(
            f"{self._display_url}: {size} of {expected} bytes arrived: {reason}",
            received=size,
            expected=total,
            url=self._display_url,
            path=str(self._request.target),
        )


class _BodyWriter:
    """Writes a body to the part once its beginning has been recognized as a video."""

    def __init__(self, part: PartFile, save: SaveBody, content_type: str, max_bytes: int | None, url: str) -> None:
        self._part, self._save, self._type, self._max_bytes, self._url = part, save, content_type, max_bytes, url
        # A resumed file has been recognized before.
        self._beginning: bytes | None = None if save.offset else b""

    @property
    def size(self) -> int:
        """Bytes of the file on disk, without those that the body will replace."""
        return self._part.size if self._beginning is None else 0

    def start(self) -> None:
        """Prepare the part for a body that resumes it."""
        if self._save.offset:
            self._part.start_body(self._save)

    def write(self, chunk: bytes) -> None:
        """Write a chunk, or buffer it until the beginning is long enough to be recognized."""
        if self._beginning is None:
            self._append(chunk)
            return
        self._beginning += chunk
        if len(self._beginning) >= sniffing.SNIFF_SIZE:
            self.finish()

    def finish(self) -> None:
        """Check the buffered beginning and write it."""
        if self._beginning is not None:
            sniffing.check_video(self._type, self._beginning, self._url)
            self._part.start_body(self._save)
            beginning, self._beginning = self._beginning, None
            self._append(beginning)

    def _append(self, chunk: bytes) -> None:
        size = self._part.size + len(chunk)
        check_size(size, self._max_bytes, self._url)
        if self._save.total is not None and size > self._save.total:
            # It is unknown which of the bytes belong to the file.
            self._part.restart()
            raise DownloadError(f"{self._url}: the server sent more bytes than its declared length", url=self._url)
        self._part.write(chunk)
