"""The flow of a download; see :mod:`kkiai_sdk._effects`. The decisions are in ``range_requests``."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve, frozen

from kkiai_sdk import _redaction
from kkiai_sdk._downloads.body_writer import BodyWriter, TextReader, TextTooLongError
from kkiai_sdk._downloads.cookies import Cookies
from kkiai_sdk._downloads.data_url import is_data_url, parse_data_url
from kkiai_sdk._downloads.range_requests import (
    MAX_FAILURES,
    REFRESH_AFTER,
    Failed,
    FollowRedirect,
    NotReady,
    ReadRefusal,
    RefreshURL,
    Restart,
    SaveBody,
    after_refusal,
    after_text,
    check_size,
    has_framing,
    next_step,
    next_try,
    request_headers,
    retry_after,
)
from kkiai_sdk._downloads.text_body import message_of
from kkiai_sdk._downloads.urls import check_url
from kkiai_sdk._effects import OpenDownload, QueryTask, RunBlocking, Sleep, WriteBody
from kkiai_sdk._http.retry import backoff
from kkiai_sdk._log import log
from kkiai_sdk._responses.raw_response import MAX_REDIRECTS
from kkiai_sdk.errors import (
    APIError,
    DownloadError,
    IncompleteDownloadError,
    NotAVideoError,
    TaskFailedError,
    UnsafeURLError,
    VideoMissingError,
)
from kkiai_sdk.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kkiai_sdk._clock import Clock
    from kkiai_sdk._config import Config
    from kkiai_sdk._downloads.data_url import DataURL
    from kkiai_sdk._downloads.part_file import PartFile
    from kkiai_sdk._downloads.range_requests import NextStep
    from kkiai_sdk._downloads.sniffing import Boxes
    from kkiai_sdk._effects import AllowedURL, Flow, QueryResult, RequestOptions
    from kkiai_sdk._responses.raw_response import RawResponse
    from kkiai_sdk.models import VideoTask


@frozen
class DownloadRequest:
    """The validated arguments of one download."""

    task_id: str
    target: Path
    #: "skip" keeps an existing file, except an empty one or a link to nothing.
    overwrite: bool | Literal["skip"]
    #: Whether the target is such a file, so that nothing is left to do.
    is_done: bool
    resume: bool
    max_bytes: int | None
    #: Called with the bytes on disk and the bytes of the whole file, or None if unknown.
    progress: Callable[[int, int | None], Any] | None
    config: Config
    options: RequestOptions
    #: Seconds from the first request during which a file that is not available yet is requested again.
    file_grace: float
    clock: Clock


def download_flow(request: DownloadRequest, part: PartFile, task: VideoTask | None) -> Flow[Path]:
    """Download a task's video through ``part`` to ``request.target``; ``task`` is a snapshot if there is one."""
    if request.is_done:
        return request.target
    url = _video_url(task) if task else None
    # Before anything is sent: fails at once if the destination is not writable, in use, or saved meanwhile.
    is_saved: bool = yield RunBlocking(partial(part.open, resume=request.resume, overwrite=request.overwrite))
    if is_saved:
        return request.target
    if part.is_complete:
        # An earlier process was killed between the last write and the commit.
        check_size(part.size, request.max_bytes)
    else:
        yield from _Download(request, part, url or (yield from _fresh_url(request))).run()
    boxes: Boxes | None = yield RunBlocking(part.boxes)
    if boxes is not None and not boxes.fit:
        log.warning("%s: the MP4 boxes extend past the end of the file: it may be truncated", request.target)
    path: Path = yield RunBlocking(partial(part.commit, overwrite=request.overwrite))
    return path


def _fresh_url(request: DownloadRequest) -> Flow[str]:
    result: QueryResult = yield QueryTask(request.task_id, request.options)
    task = result.task
    if url := _video_url(task):
        return url
    reason = (
        "succeeded, but the gateway returned no video URL" if task.is_succeeded else "has not ended: wait for it first"
    )
    raise VideoMissingError(f"task {request.task_id} {reason}", task_id=request.task_id, task=task, polls=1)


def _video_url(task: VideoTask) -> str | None:
    """Return the URL of a finished video. A running task may have one of a draft; an unknown status may be final."""
    if task.is_failed:
        raise TaskFailedError(f"task {task.id} failed: {task.failure}", task_id=task.id, task=task)
    return None if task.state in {TaskState.PENDING, TaskState.RUNNING} else task.video_url


_FRESH_URL = "a fresh URL for the same task"


class _Download:
    """The requests of one download, until the part, which is open, is complete."""

    def __init__(self, request: DownloadRequest, part: PartFile, url: str) -> None:
        self._request, self._part, self._url = request, part, url
        self._total: int | None = part.metadata.total if part.metadata else None
        self._failures, self._max_size = 0, part.size
        self._started, self._unready, self._cookies = request.clock.monotonic(), 0, Cookies()
        self._is_refreshed = self._is_restarted = self._is_done = False

    @property
    def _display_url(self) -> str:
        return _redaction.display_url(self._url)

    def run(self) -> Flow[None]:
        while not self._is_done:
            step = yield from (self._decode() if is_data_url(self._url) else self._request_once())
            if self._part.size > self._max_size:
                # Larger than ever before: a restarted part that is still smaller does not count as progress.
                self._failures, self._max_size = 0, self._part.size
            if isinstance(step, RefreshURL):
                yield from self._refresh(step.error)
            elif isinstance(step, Restart):
                yield from self._restart()
            elif isinstance(step, NotReady):
                yield from self._wait_for_file(step)
            elif isinstance(step, Failed):
                yield from self._pause(step)

    def _request_once(self) -> Flow[NextStep | None]:
        """Send a request, follow redirects, write the body. Return None if the file is complete."""
        headers, may_follow = request_headers(self._part.size, self._part.metadata), True
        target = self._check_url(self._url)
        for _ in range(MAX_REDIRECTS + 1):
            response = yield from self._open(target, headers)
            if isinstance(response, APIError):
                return Failed(str(response), transient=response.transient)
            step: NextStep | None = self._next_step(response, target.url)
            if isinstance(step, SaveBody):
                step = yield from self._save(step, response, target.url, may_follow=may_follow)
            elif isinstance(step, ReadRefusal | NotReady):
                step = yield from self._read_refusal(step, response)
            if not isinstance(step, FollowRedirect):
                return step
            may_follow = may_follow and not step.is_named
            target = self._check_url(step.location, came_from=target.url)
        raise self._error(f"more than {MAX_REDIRECTS} redirects")

    def _check_url(self, url: str, came_from: str | None = None) -> AllowedURL:
        config = self._request.config
        return check_url(url, config.base_url, came_from=came_from, allowed=config.allow_file_hosts)

    def _open(self, target: AllowedURL, headers: dict[str, str]) -> Flow[RawResponse | APIError]:
        try:
            response: RawResponse | APIError = yield OpenDownload(target, headers | self._cookies.headers(target.url))
        except UnsafeURLError as error:
            # Raised by the address policy of the network backend, which knows only the host.
            error.url = _redaction.display_url(target.url)
            raise
        if not isinstance(response, APIError):
            self._cookies.store(target.url, response)
        return response

    def _next_step(self, response: RawResponse, url: str) -> NextStep:
        part, now = self._part, self._request.clock.wall_clock()
        return next_step(response, size=part.size, metadata=part.metadata, url=url, wall_clock=now)

    def _save(
        self, save: SaveBody, response: RawResponse, came_from: str, *, may_follow: bool
    ) -> Flow[NextStep | None]:
        part, url = self._part, self._display_url
        writer = BodyWriter(part, save, response.header("content-type") or "", self._request.max_bytes, url)
        try:
            error = yield from self._write(writer, save)
        except NotAVideoError as problem:
            if writer.text is None:
                raise
            wait = retry_after(response, self._request.clock.wall_clock())
            message = self._message_of(writer.text)
            full = NotAVideoError(problem.message + (f" ({message})" if message else ""), url=problem.url)
            return after_text(full, writer.text, wait=wait, size=part.size, url=came_from, may_follow=may_follow)
        if error is not None or (save.total is not None and part.size < save.total):
            return Failed(str(error or "the server ended the file early"), transient=True)
        if save.total is None and not save.codings and not has_framing(response):
            boxes: Boxes | None = yield RunBlocking(part.boxes)
            if boxes is None or not boxes.are_complete:
                raise self._incomplete("the server sent no length, so an interrupted body cannot be detected")
        self._is_done = True
        return None

    def _write(
        self, writer: BodyWriter, save: SaveBody, source: Iterable[bytes] | None = None
    ) -> Flow[APIError | None]:
        """Write the open body, or ``source``. Return the error that interrupted it, or None."""
        check_size(save.total, self._request.max_bytes, self._display_url)
        self._total, progress = save.total, self._request.progress
        yield RunBlocking(writer.start)
        error: Exception | None = yield WriteBody(
            writer.write, lambda: progress and progress(writer.size, save.total), source
        )
        if error is not None and not isinstance(error, APIError):
            raise error
        if error is None:
            yield RunBlocking(writer.finish)
        return error

    def _decode(self) -> Flow[None]:
        """Save the file that the URL itself contains."""
        data: DataURL = yield RunBlocking(partial(parse_data_url, self._url))
        save = SaveBody(0, data.size, None)
        writer = BodyWriter(self._part, save, data.content_type, self._request.max_bytes, self._display_url)
        yield from self._write(writer, save, data.chunks())
        boxes: Boxes | None = yield RunBlocking(self._part.boxes)
        if boxes is not None and not boxes.fit:
            raise self._incomplete("the data URL is truncated")
        self._is_done = True

    def _read_refusal(self, refusal: ReadRefusal | NotReady, response: RawResponse) -> Flow[NextStep]:
        """Read the body of a refusal, which may state the reason, or that the file is not available yet."""
        reader = TextReader(response.header("content-encoding") or "", self._request.clock.monotonic)
        with suppress(TextTooLongError):
            yield WriteBody(reader.write, lambda: None, may_block=False)
        message = self._message_of(reader.text)
        refusal = evolve(refusal, reason=refusal.reason + (f": {message}" if message else ""))
        if isinstance(refusal, NotReady):
            return refusal
        wait = retry_after(response, self._request.clock.wall_clock())
        return after_refusal(refusal, reader.text, wait=wait, size=self._part.size)

    def _message_of(self, text: str) -> str:
        """Return the message in a text of the server, in which the key is redacted."""
        return _redaction.redact(message_of(text), self._request.config.secret.known)

    def _wait_for_file(self, step: NotReady) -> Flow[None]:
        """Sleep until a file that may be late is requested again; refresh its URL once. Raises DownloadError."""
        if step.is_expired and not self._is_refreshed:
            yield from self._refresh()
            return
        self._unready += 1
        request, clock, now = self._request, self._request.clock, self._request.clock.monotonic()
        end, most = self._started + request.file_grace, request.config.retry.max_retry_after
        at = next_try(step, tries=self._unready, now=now, end=end, max_retry_after=most, random=clock.random())
        if at is None:
            raise self._missing(step, now - self._started)
        level = logging.INFO if self._unready == 1 else logging.DEBUG
        text = "%s: %s: the file may not be available yet; trying again in %.1f s, for up to %.0f s"
        log.log(level, text, self._display_url, step.reason, at - now, max(end - now, 0.0))
        yield Sleep(at)
        if self._unready == REFRESH_AFTER and not self._is_refreshed:
            # The old URL stays if there is no other.
            with suppress(APIError, VideoMissingError):
                yield from self._refresh()

    def _missing(self, step: NotReady, elapsed: float) -> DownloadError:
        """Return the error for a file that did not appear in time."""
        reason = f"it was refused ({step.reason}), and so was {_FRESH_URL}" if step.is_expired else step.reason
        if step.retry_after:
            reason += f", and the server asks to wait {step.retry_after:.0f} s"
        late = f"; gave up after {elapsed:.0f} s" if elapsed >= 1 else ""
        return step.error or self._error(f"{reason}{late}")

    def _refresh(self, error: DownloadError | None = None) -> Flow[None]:
        """Query the task for a new URL, once; after that raise ``error``."""
        if self._is_refreshed:
            raise error or self._error(f"it was refused, and so was {_FRESH_URL}")
        self._is_refreshed = True
        self._url = yield from _fresh_url(self._request)

    def _restart(self) -> Flow[None]:
        if self._is_restarted:
            raise self._incomplete("the server keeps sending a range other than the requested one")
        self._is_restarted = True
        yield RunBlocking(self._part.restart)

    def _pause(self, failed: Failed) -> Flow[None]:
        self._failures += 1
        if not failed.transient:
            raise self._error(failed.reason)
        if self._failures >= MAX_FAILURES:
            raise self._incomplete(failed.reason)
        clock, policy = self._request.clock, self._request.config.retry
        if failed.retry_after > policy.max_retry_after:
            raise self._incomplete(f"{failed.reason}, and the server asks to wait {failed.retry_after:.0f} s")
        delay = max(backoff(self._failures - 1, policy, clock.random()), failed.retry_after)
        yield Sleep(clock.monotonic() + delay)

    def _error(self, reason: str) -> DownloadError:
        url = self._display_url
        return DownloadError(f"{url}: {reason}", url=url, path=str(self._request.target))

    def _incomplete(self, reason: str) -> IncompleteDownloadError:
        size, total = self._part.size, self._total
        expected = "an unknown number of" if total is None else total
        return IncompleteDownloadError(
            f"{self._display_url}: {size} of {expected} bytes received: {reason}",
            received=size,
            expected=total,
            url=self._display_url,
            path=str(self._request.target),
        )
