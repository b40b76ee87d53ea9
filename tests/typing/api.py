"""The typed surface, as users' type checkers see it. Never run: mypy reads it, and an ignore that is not needed fails.

Each line that says ``type: ignore`` is a mistake that must be found before a program runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from kkiai_api.api.video import query_video_task
from kkiai_api.client import AuthenticatedClient
from kkiai_api.models import VideoTask as GeneratedVideoTask
from kkiai_sdk import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AsyncFleet,
    AsyncKkiai,
    Attempt,
    DownloadError,
    Fleet,
    IncompleteDownloadError,
    Kkiai,
    KkiaiError,
    PollPolicy,
    QuotaExceededError,
    RetryPolicy,
    TaskError,
    TaskFailedError,
    TaskFailure,
    TaskState,
    VideoTask,
    WaitResult,
    __version__,
)
from kkiai_sdk.dbos import VideoQueue, VideoResult, VideoWorker, WorkerStatus


def clients(key: str) -> None:
    """Every documented option is accepted, in every documented type."""
    Kkiai()
    Kkiai(key)
    Kkiai(lambda: key, base_url=None, timeout=5, max_retries=0, retry=None, poll=None)
    Kkiai(api_key=key, timeout=timedelta(seconds=5), retry=RetryPolicy(jitter=0), poll=PollPolicy(growth=0))
    Kkiai(
        default_headers={"X-Forwarded-Host": "x"},
        httpx_args={"http2": True},
        user_agent_suffix="app/1",
        allow_file_hosts=["minio.internal", "10.0.0.0/8"],
        allow_http=True,
    )
    AsyncKkiai(lambda: key, base_url="https://gateway.example", timeout=2.5, max_retries=1, allow_file_hosts={"a"})
    assert_type(__version__, str)


def mistakes(key: bytes) -> None:
    """Options that do not exist or cannot be are found."""
    Kkiai(key)  # type: ignore[arg-type]
    Kkiai("k", "https://gateway.example")  # type: ignore[call-arg]
    Kkiai("k", tiemout=5)  # type: ignore[arg-type]
    Kkiai("k", timeout="5")  # type: ignore[arg-type]
    Kkiai("k", timeout=None)  # type: ignore[arg-type]
    Kkiai("k", max_retries=1.5)  # type: ignore[arg-type]
    Kkiai("k", retry=PollPolicy())  # type: ignore[arg-type]
    Kkiai("k", poll=3.0)  # type: ignore[arg-type]
    Kkiai("k", default_headers=[("A", "b")])  # type: ignore[arg-type]
    AsyncKkiai("k", tiemout=5)  # type: ignore[arg-type]
    AsyncKkiai(lambda: key)  # type: ignore[arg-type, return-value]
    Kkiai("k").with_options(base_url="https://gateway.example")  # type: ignore[call-arg]
    Kkiai("k", allow_file_hosts=5)  # type: ignore[arg-type]
    Kkiai("k").with_options(timeout="5")  # type: ignore[arg-type]
    Kkiai("k").with_options(RetryPolicy())  # type: ignore[arg-type, call-arg]
    AsyncKkiai("k").with_options(max_retry=5)  # type: ignore[call-arg]
    RetryPolicy(0.5)  # type: ignore[call-arg]
    PollPolicy(min_interval="3s")  # type: ignore[arg-type]


def sync_calls(client: Kkiai, task: VideoTask) -> None:
    """Arguments and results of each call of the synchronous client."""
    with client as entered:
        assert_type(entered, Kkiai)
    assert_type(client.with_options(timeout=5, max_retries=0, api_key="k", poll=None, retry=RetryPolicy()), Kkiai)
    assert_type(client.with_options(default_headers=None, user_agent_suffix="x", allow_file_hosts=("a",)), Kkiai)
    assert_type(client.query("id"), VideoTask)
    assert_type(client.query("id", timeout=5, max_retries=0, extra_headers={"X-Forwarded-Host": "x"}), VideoTask)
    assert_type(client.wait("id"), VideoTask)
    assert_type(client.wait("id", timeout=None, poll=PollPolicy(), on_update=print, raise_on_failure=False), VideoTask)
    assert_type(client.watch("id", timeout=timedelta(minutes=1), every_poll=True), Iterator[VideoTask])
    assert_type(client.as_completed(["a", "b"], timeout=60, max_concurrency=8), Iterator[WaitResult])
    assert_type(client.as_completed(["a"], max_requests_per_second=None, max_waiting=9), Iterator[WaitResult])
    assert_type(client.wait_many(iter(["a", "b"]), poll=PollPolicy(), on_update=print), list[WaitResult])
    assert_type(client.as_completed(["a"], on_update=print), Iterator[WaitResult])
    assert_type(client.download("id", "video.mp4"), Path)
    assert_type(client.download(task, Path(), overwrite=True, resume=False, progress=print, max_bytes=5), Path)
    assert_type(client.wait_and_download("id", Path(), timeout=60, on_update=print, overwrite=True), Path)
    assert_type(client.download("id", "a", overwrite="skip"), Path)
    assert_type(client.wait_and_download("id", "a", overwrite="skip"), Path)
    with client.fleet(max_requests_per_second=None, max_waiting=9, max_downloads=2, gate=print) as fleet:
        assert_type(fleet, Fleet)
        assert_type(fleet.submit("id", timeout=60, waited=5.0, on_update=print), Future[VideoTask])
        assert_type(fleet.wait("id", timeout=None, raise_on_failure=False), VideoTask)
        assert_type(fleet.wait_and_download("id", Path(), progress=print, max_bytes=5), Path)
    client.close()


def sync_mistakes(client: Kkiai) -> None:
    """Wrong arguments of the synchronous calls are found."""
    client.query(5)  # type: ignore[arg-type]
    client.query("id", 5)  # type: ignore[call-arg]
    client.query("id", retries=5)  # type: ignore[call-arg]
    client.query("id", extra_headers={"A": 5})  # type: ignore[dict-item]
    client.wait(["id"])  # type: ignore[arg-type]
    client.wait("id", on_update=lambda: None)  # type: ignore[arg-type, misc]
    client.wait("id", interval=3)  # type: ignore[call-arg]
    client.watch("id", raise_on_failure=False)  # type: ignore[call-arg]
    client.as_completed(5)  # type: ignore[arg-type]
    client.as_completed(["a"], on_update=lambda: None)  # type: ignore[arg-type, misc]
    client.wait_many(["a"], max_concurrency=1.5)  # type: ignore[arg-type]
    client.download("id")  # type: ignore[call-arg]
    client.download("id", b"video.mp4")  # type: ignore[arg-type]
    client.download("id", "video.mp4", max_bytes="1GB")  # type: ignore[arg-type]
    client.download("id", "video.mp4", overwrite="keep")  # type: ignore[arg-type]
    client.wait_and_download("id", "video.mp4", overwrite=None)  # type: ignore[arg-type]
    client.aclose()  # type: ignore[attr-defined]
    client.fleet(gate=5)  # type: ignore[arg-type]
    client.fleet().submit(["id"])  # type: ignore[arg-type]


async def async_calls(client: AsyncKkiai, task: VideoTask) -> None:
    """Arguments and results of each call of the asynchronous client."""

    async def on_update(task: VideoTask) -> None: ...

    async def gate() -> None: ...

    async with client as entered:
        assert_type(entered, AsyncKkiai)
    assert_type(client.with_options(timeout=5, max_retries=0), AsyncKkiai)
    assert_type(await client.query("id", timeout=5, max_retries=0, extra_headers=None), VideoTask)
    assert_type(await client.wait("id", timeout=None, on_update=on_update, raise_on_failure=False), VideoTask)
    assert_type(client.watch("id", every_poll=True), AsyncIterator[VideoTask])
    assert_type(client.as_completed(("a", "b"), max_concurrency=8), AsyncIterator[WaitResult])
    assert_type(await client.wait_many({"a", "b"}, on_update=on_update), list[WaitResult])
    assert_type(client.as_completed(["a"], on_update=on_update), AsyncIterator[WaitResult])
    assert_type(await client.download(task, "video.mp4", progress=print), Path)
    assert_type(await client.wait_and_download("id", Path(), poll=PollPolicy()), Path)
    assert_type(await client.download("id", "a", overwrite="skip"), Path)
    assert_type(await client.wait_and_download("id", "a", overwrite="skip"), Path)
    async with client.fleet(poll=PollPolicy(), max_concurrency=4, gate=gate) as fleet:
        assert_type(fleet, AsyncFleet)
        assert_type(await fleet.wait("id", waited=5, on_update=on_update), VideoTask)
        assert_type(await fleet.wait_and_download("id", "video.mp4", timeout=None, overwrite="skip"), Path)
    await client.close()
    await client.aclose()


async def async_mistakes(client: AsyncKkiai) -> None:
    """A forgotten await, and a loop of the wrong kind, are found."""
    len(client.query("id").id)  # type: ignore[attr-defined]
    await client.watch("id")  # type: ignore[misc]
    for _ in client.as_completed(["a"]):  # type: ignore[attr-defined]
        pass
    with client:  # type: ignore[attr-defined]
        pass
    await client.download("id", "video.mp4", overwrite="keep")  # type: ignore[arg-type]
    client.fleet().submit("id")  # type: ignore[attr-defined]


def models(task: VideoTask, result: WaitResult, data: Mapping[str, Any]) -> None:
    """The fields of what is handed out."""
    assert_type(task.id, str)
    assert_type(task.answered_id, str | None)
    assert_type(task.status, str | None)
    assert_type(task.state, TaskState)
    assert_type(task.video_url, str | None)
    assert_type(task.enhanced_prompt, str | None)
    assert_type(task.status_update_time, int | None)
    assert_type(task.updated_at, datetime | None)
    assert_type(task.progress, float | None)
    assert_type(task.failure, TaskFailure | None)
    assert_type(task.extra, Mapping[str, Any])
    assert_type(task.request_id, str | None)
    assert_type(task.raw, dict[str, Any])
    assert_type((task.is_done, task.is_succeeded, task.is_failed), tuple[bool, bool, bool])
    assert_type(task.to_dict(), dict[str, Any])
    assert_type(task.to_json(), str)
    assert_type(VideoTask.from_dict(data), VideoTask)
    assert_type(TaskFailure("m").code, str | None)
    assert_type((result.task_id, result.task, result.error), tuple[str, VideoTask | None, KkiaiError | None])
    assert_type(result.is_succeeded, bool)
    task.status = "done"  # type: ignore[misc]
    task.extra["a"] = 1  # type: ignore[index]
    len(task.video_url)  # type: ignore[arg-type]


def errors(error: KkiaiError) -> None:
    """The facts of each branch of the tree."""
    assert_type(error.message, str)
    if isinstance(error, APIError):
        assert_type((error.request_id, error.transient), tuple[str | None, bool])
        assert_type((error.retry_after, error.attempts), tuple[float | None, tuple[Attempt, ...]])
    if isinstance(error, APIConnectionError):
        assert_type(error.kind, str)
    if isinstance(error, APIResponseError):
        assert_type((error.status_code, error.code, error.body_snippet), tuple[int, str | None, str])
    if isinstance(error, APIStatusError):
        assert_type((error.status_code, error.code, error.type), tuple[int, str | None, str | None])
    if isinstance(error, TaskError):
        assert_type((error.task_id, error.task), tuple[str, VideoTask | None])
        assert_type((error.elapsed, error.polls, error.last_error), tuple[float, int, APIError | None])
    if isinstance(error, TaskFailedError):
        assert_type(error.failure, TaskFailure | None)
    if isinstance(error, DownloadError):
        assert_type((error.url, error.path, error.errno), tuple[str | None, str | None, int | None])
    if isinstance(error, IncompleteDownloadError):
        assert_type((error.received, error.expected), tuple[int, int | None])


def catching(error: KkiaiError) -> None:
    """Types that an except clause of a parent class catches."""
    try:
        raise error
    except QuotaExceededError as caught:
        assert_type(caught.status_code, int)
    except TimeoutError as caught:
        assert_type(caught, TimeoutError)
    timeout: TimeoutError = APITimeoutError("m")
    raise timeout


async def generated(client: Kkiai, other: AsyncKkiai) -> None:
    """The generated functions take `raw` and give typed answers."""
    assert_type(client.raw, AuthenticatedClient)
    answer = query_video_task.sync_detailed(client=client.raw, id="id")
    if isinstance(answer.parsed, GeneratedVideoTask):
        answer.parsed.to_dict()
    await query_video_task.asyncio_detailed(client=other.raw, id="id")
    client.raw = other.raw  # type: ignore[misc]


async def durable(client: AsyncKkiai) -> None:
    """The durable queue and its worker."""
    with VideoQueue("fleet.sqlite") as queue:
        assert_type(queue.add(["id"], timeout=60, retry=True), int)
        assert_type([*queue.results()], list[VideoResult])
        assert_type(queue.status().workers, list[WorkerStatus])
        assert_type(queue.workers(), list[WorkerStatus])
        assert_type(queue.hand_over("machine-3"), int)
    async with VideoWorker(client, Path(), name="a", max_requests_per_second=None, on_result=print) as worker:
        assert_type(worker, VideoWorker)
        assert_type(worker.waiting, int)
        await worker.drain()
        await worker.serve()
