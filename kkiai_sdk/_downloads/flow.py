"""The order of things in a download, as a generator of effects. The decisions are in ``range_requests``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from kkiai_sdk._downloads import range_requests as _saving
from kkiai_sdk._downloads import sniffing as _sniffing
from kkiai_sdk._downloads import urls as _vetting
from kkiai_sdk._downloads.part_file import PartFile
from kkiai_sdk._downloads.range_requests import Expired, Failed, Head, Redirected, Restart, Save, Verdict
from kkiai_sdk._effects import Fetch, Sleep
from kkiai_sdk._effects_files import Copy, Local, Open
from kkiai_sdk._http import retry as _retry
from kkiai_sdk._log import log
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

    from kkiai_sdk._clock import Runtime
    from kkiai_sdk._effects import Call, Flow, Reply
    from kkiai_sdk.models import VideoTask
    from kkiai_sdk.policies import RetryPolicy


@frozen
class Job:
    """One download."""

    task_id: str
    target: Path
    overwrite: bool
    resume: bool
    max_bytes: int | None
    #: Called with the bytes on disk and the bytes of the whole file, or None when the server does not say.
    progress: Callable[[int, int | None], Any] | None
    base_url: str
    call: Call
    retry: RetryPolicy
    runtime: Runtime


def saving(job: Job, task: VideoTask | None) -> Flow[Path]:
    """Bring a task's video to ``job.target``; ``task`` is a snapshot that is at hand, or None."""
    known = _url_of(task) if task else None
    part = PartFile(job.target, job.task_id)
    try:
        # Before anything is sent: a place that cannot be written to, or that is taken, is known at once.
        yield Local(lambda: part.open(resume=job.resume))
        if part.is_complete:
            # The program was killed just before it gave the file its name.
            _saving.check_size(part.size, job.max_bytes)
        else:
            yield from _Transfer(job, part, known or (yield from _fresh_url(job))).run()
        if not (yield Local(part.adds_up)):
            log.warning("%s: its parts are longer than the file: it may be cut short", job.target)
        path: Path = yield Local(lambda: part.publish(overwrite=job.overwrite))
        return path
    finally:
        part.close()


def _fresh_url(job: Job) -> Flow[str]:
    reply: Reply = yield Fetch(job.task_id, job.call)
    task = reply.task
    if url := _url_of(task):
        return url
    what = "succeeded, but the gateway names no video" if task.is_succeeded else "has not ended: wait first"
    raise VideoMissingError(f"task {job.task_id} {what}", task_id=job.task_id, task=task, polls=1)


def _url_of(task: VideoTask) -> str | None:
    """The URL of the finished video: a task at work can name a draft, but an unknown word may well be an end."""
    if task.is_failed:
        raise TaskFailedError(f"task {task.id} failed: {task.failure}", task_id=task.id, task=task)
    return None if task.state in {TaskState.PENDING, TaskState.RUNNING} else task.video_url


class _Transfer:
    """The tries of one download, until the part is whole."""

    def __init__(self, job: Job, part: PartFile, url: str) -> None:
        """The part is open."""
        self._job, self._part, self._url = job, part, url
        self._total: int | None = part.note.total if part.note else None
        self._failures, self._most = 0, part.size
        self._refreshed = self._restarted = False
        self._done = False

    @property
    def _shown(self) -> str:
        return _vetting.shown(self._url)

    def run(self) -> Flow[None]:
        while not self._done:
            verdict = yield from self._try_once()
            if self._part.size > self._most:
                # More than ever before: a part that had to start over and got less far is no progress.
                self._failures, self._most = 0, self._part.size
            if isinstance(verdict, Expired):
                yield from self._refresh()
            elif isinstance(verdict, Restart):
                self._start_over()
            elif isinstance(verdict, Failed):
                yield from self._pause(verdict)

    def _try_once(self) -> Flow[Expired | Failed | Restart | None]:
        """One request and its body. None: the file is whole."""
        headers = _saving.request_headers(self._part.size, self._part.note)
        source = _vetting.vet(self._url, self._job.base_url)
        for _ in range(_vetting.MAX_REDIRECTS + 1):
            head = yield from self._open(source, headers)
            if isinstance(head, APIError):
                return Failed(str(head), transient=head.transient)
            verdict = self._judge(head, source.url)
            if isinstance(verdict, Save):
                return (yield from self._copy(verdict, head))
            if not isinstance(verdict, Redirected):
                return verdict
            source = _vetting.vet(verdict.location, self._job.base_url, came_from=source.url)
        raise DownloadError(f"{self._shown}: more than {_vetting.MAX_REDIRECTS} redirects", url=self._shown)

    def _open(self, source: _vetting.Source, headers: dict[str, str]) -> Flow[Head | APIError]:
        try:
            head: Head | APIError = yield Open(source, headers)
        except UnsafeURLError as refusal:
            # For its address, by those who connect: they know nothing but the host.
            refusal.url = _vetting.shown(source.url)
            raise
        return head

    def _judge(self, head: Head, url: str) -> Verdict:
        now = self._job.runtime.wall_clock()
        return _saving.judge(head, size=self._part.size, note=self._part.note, url=url, wall_clock=now)

    def _copy(self, save: Save, head: Head) -> Flow[Failed | None]:
        job, part = self._job, self._part
        _saving.check_size(save.total, job.max_bytes, self._shown)
        self._total = save.total
        sink = _Sink(part, save, head.get("content-type"), job.max_bytes, self._shown)
        fault: APIError | None = yield Copy(sink.write, lambda: job.progress and job.progress(sink.size, save.total))
        if fault is None:
            sink.finish()
        if fault is not None or (save.total is not None and part.size < save.total):
            return Failed(str(fault or "the server ended the file early"), transient=True)
        if save.total is None and not head.is_framed:
            raise self._incomplete("the server gave no length, so the end cannot be told from a cut")
        self._done = True
        return None

    def _refresh(self) -> Flow[None]:
        """The URL has expired: ask the gateway for a fresh one, once."""
        if self._refreshed:
            raise DownloadError(f"{self._shown} is refused, and so is the fresh URL of the same task", url=self._shown)
        self._refreshed = True
        self._url = yield from _fresh_url(self._job)

    def _start_over(self) -> None:
        if self._restarted:
            raise self._incomplete("the server keeps answering for another range than asked")
        self._restarted = True
        self._part.restart()

    def _pause(self, failed: Failed) -> Flow[None]:
        self._failures += 1
        if not failed.transient:
            raise DownloadError(f"{self._shown}: {failed.reason}", url=self._shown, path=str(self._job.target))
        if self._failures >= _saving.MAX_FAILURES:
            raise self._incomplete(failed.reason)
        runtime, policy = self._job.runtime, self._job.retry
        if failed.retry_after > policy.max_retry_after:
            raise self._incomplete(f"{failed.reason}, and the server asks to wait {failed.retry_after:.0f} s")
        delay = max(_retry.backoff(self._failures - 1, policy, runtime.random()), failed.retry_after)
        yield Sleep(runtime.monotonic() + delay)

    def _incomplete(self, reason: str) -> IncompleteDownloadError:
        size, total = self._part.size, self._total
        return IncompleteDownloadError(
            f"{self._shown}: {size} of {'an unknown number of' if total is None else total} bytes arrived: {reason}",
            received=size,
            expected=total,
            url=self._shown,
            path=str(self._job.target),
        )


class _Sink:
    """Writes a body into the part, once its beginning has passed for a video."""

    def __init__(self, part: PartFile, save: Save, content_type: str, max_bytes: int | None, url: str) -> None:
        self._part, self._save, self._type, self._max_bytes, self._url = part, save, content_type, max_bytes, url
        self._beginning: bytes | None = b""
        if save.offset:
            # What it continues has passed before.
            self._beginning = None
            part.begin(save)

    @property
    def size(self) -> int:
        """Bytes of the file that are on disk; what the body is to replace does not count."""
        return self._part.size if self._beginning is None else 0

    def write(self, chunk: bytes) -> None:
        if self._beginning is None:
            self._append(chunk)
            return
        self._beginning += chunk
        if len(self._beginning) >= _sniffing.SNIFF:
            self.finish()

    def finish(self) -> None:
        """The beginning is all there is, or long enough: judge it, and write it."""
        if self._beginning is not None:
            _sniffing.check_video(self._type, self._beginning, self._url)
            self._part.begin(self._save)
            beginning, self._beginning = self._beginning, None
            self._append(beginning)

    def _append(self, chunk: bytes) -> None:
        size = self._part.size + len(chunk)
        _saving.check_size(size, self._max_bytes, self._url)
        if self._save.total is not None and size > self._save.total:
            # Which of the bytes are the file, nobody can say.
            self._part.restart()
            raise DownloadError(f"{self._url}: the server sent more than the file has by its own words", url=self._url)
        self._part.write(chunk)
