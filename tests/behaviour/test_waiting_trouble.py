"""wait: tolerated errors, and the errors that end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import PollPolicy
from tests.support.wire import completed, error_reply, http, task

if TYPE_CHECKING:
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)
NOT_FOUND = error_reply(404, message="task not found")
NO_URL = task("completed", video_url=None)


@pytest.mark.fault("T-10")
def test_transient_errors_do_not_end_a_wait(make: Maker, serve: Serve) -> None:
    """Transient errors are retried, then waited over; each response resets the count of failures."""
    server = serve(
        *[*[http(503)] * 9, task()] * 4,
        completed(),
    )
    client = make(server.url, max_retries=0)
    assert client.wait("t", poll=EVEN).is_succeeded
    assert len(server.requests) == 41


def test_max_consecutive_errors_ends_a_wait(make: Maker, serve: Serve) -> None:
    """After max_consecutive_errors failed queries in a row the last error is raised, with a note about the task."""
    server = serve(task("running"), *[http(503)] * 9)
    with pytest.raises(k.ServerError) as caught:
        make(server.url, max_retries=0).wait("t", poll=PollPolicy(max_consecutive_errors=4))
    assert len(server.requests) == 5
    assert caught.value.__notes__ == [
        "task t: last seen 'running'; it may still be running: wait for the same id again"
    ]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 501])
def test_final_error_ends_a_wait_at_once(make: Maker, serve: Serve, clock: FakeTime, status: int) -> None:
    """A final error is raised as it is, at once."""
    server = serve(error_reply(status))
    with pytest.raises(k.APIStatusError) as caught:
        make(server.url).wait("t")
    assert (caught.value.status_code, len(server.requests), clock.sleeps) == (status, 1, [])


@pytest.mark.fault("H-11")
def test_404_within_not_found_grace_is_polled_again(make: Maker, serve: Serve) -> None:
    """A task that the gateway does not know yet is polled again, without counting as failures."""
    server = serve(*[NOT_FOUND] * 11, task(), completed())
    assert make(server.url).wait("t", poll=EVEN).is_succeeded
    assert server.times[-1] == 60


@pytest.mark.fault("H-11")
def test_404_after_not_found_grace_ends_a_wait(make: Maker, serve: Serve) -> None:
    """After not_found_grace from the start it is a TaskNotFoundError."""
    server = serve(each=lambda _: NOT_FOUND)
    with pytest.raises(k.TaskNotFoundError):
        make(server.url).wait("t", poll=PollPolicy(min_interval=5, growth=0, jitter=0, not_found_grace=12))
    assert server.times == [0, 5, 10, 15]


@pytest.mark.fault("J-16")
def test_success_without_a_url_is_polled_again_within_url_grace(make: Maker, serve: Serve) -> None:
    """A completed task whose URL comes a little later succeeds."""
    server = serve(task(), NO_URL, NO_URL, completed("http://127.0.0.1/late"))
    assert make(server.url).wait("t", poll=EVEN).video_url == "http://127.0.0.1/late"


@pytest.mark.fault("J-16")
def test_success_without_a_url_after_url_grace_is_a_video_missing_error(make: Maker, serve: Serve) -> None:
    """After url_grace a success without a URL is a VideoMissingError that holds the task."""
    server = serve(task(), each=lambda _: NO_URL)
    with pytest.raises(k.VideoMissingError) as caught:
        make(server.url).wait("t", poll=PollPolicy(min_interval=5, growth=0, jitter=0, url_grace=12))
    assert server.times == [0, 5, 10, 15, 20]
    assert caught.value.task is not None
    assert caught.value.task.is_succeeded


@pytest.mark.fault("T-08")
@pytest.mark.parametrize("status", ["failed", "FAILURE", "cancelled", "expired", "rejected", "error"])
def test_failed_task_raises_or_is_returned_by_option(make: Maker, serve: Serve, status: str) -> None:
    """A failed task is a TaskFailedError with the gateway's reason, or is returned if the caller wants that."""
    failed = task(status, error={"message": "no cows allowed", "code": "x1"})
    client = make(serve(task(), failed, failed).url)
    with pytest.raises(k.TaskFailedError, match="no cows allowed") as caught:
        client.wait("t")
    assert caught.value.failure == k.TaskFailure("no cows allowed", "x1")
    assert caught.value.polls == 2
    assert client.wait("t", raise_on_failure=False).is_failed


@pytest.mark.fault("T-08")
@pytest.mark.parametrize("status", ["unknown", "", None, "polishing", 7])
@pytest.mark.fault("J-12")
def test_unknown_or_missing_status_does_not_end_a_wait(make: Maker, serve: Serve, status: Any) -> None:
    """A status that is missing or unknown never ends a wait."""
    server = serve(*[task(status=status)] * 3, completed())
    assert make(server.url).wait("t").is_succeeded


@pytest.mark.fault("R-16")
def test_retry_after_beyond_the_deadline_is_raised_not_shortened(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A Retry-After beyond the deadline is not cut short: the wait ends at once and names the reason."""
    server = serve(task(), error_reply(429, retry_after="50"))
    with pytest.raises(k.TaskTimeoutError) as caught:
        make(server.url).wait("t", timeout=30, poll=EVEN)
    assert isinstance(caught.value.last_error, k.RateLimitError)
    assert caught.value.last_error.retry_after == 50
    assert clock.elapsed == 5
