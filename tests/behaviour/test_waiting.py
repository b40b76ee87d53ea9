"""wait: times of polls, deadline, and callbacks."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError, PollPolicy, TaskState
from kkiai_sdk._http import base_session
from tests.support.clock import WALL_CLOCK
from tests.support.wire import CLOSE, completed, error_reply, http, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply

STEEP = PollPolicy(min_interval=4, growth=0.5, max_interval=10, jitter=0)
EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)
NOT_FOUND = error_reply(404, message="task not found")
NO_URL = task("completed", video_url=None)


@pytest.mark.fault("T-07", "J-18")
def test_finished_task_is_polled_once_without_a_sleep(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """The first poll is sent at once; if the task has ended there is no sleep and no other request."""
    server = serve(completed("http://127.0.0.1/v.mp4"))
    answer = make(server.url).wait("t")
    assert (answer.is_succeeded, answer.video_url) == (True, "http://127.0.0.1/v.mp4")
    assert (len(server.requests), clock.sleeps) == (1, [])


def test_poll_gaps_grow_up_to_max_interval(make: Maker, serve: Serve) -> None:
    """The gap after t seconds is min_interval + growth * t, at most max_interval."""
    server = serve(*[task()] * 6, completed())
    make(server.url).wait("t", poll=STEEP)
    assert server.times == [0, 4, 10, 19, 29, 39, 49]


def test_default_poll_gaps_start_at_3_s_and_grow_by_2_percent(make: Maker, serve: Serve) -> None:
    """By default: 3 s and 2 % of the time waited, shortened by at most a tenth at random (here: half of it)."""
    server = serve(*[task()] * 3, completed())
    make(server.url).wait("t")
    assert server.times == pytest.approx([0, 2.85, 5.75415, 8.713479])


@pytest.mark.fault("T-04", "T-14")
def test_last_poll_is_at_the_deadline_and_the_error_says_how_to_continue(
    make: Maker, serve: Serve, clock: FakeTime
) -> None:
    """The last sleep is cut short at the deadline, a last poll is sent there, and the error says how to continue."""
    server = serve(*[task("running")] * 9)
    with pytest.raises(k.TaskTimeoutError, match="wait for the same id again") as caught:
        make(server.url).wait("t", timeout=25.5, poll=STEEP)
    error = caught.value
    assert server.times == [0, 4, 10, 19, 25.5]
    assert (error.task_id, error.elapsed, error.polls) == ("t", 25.5, 5)
    assert isinstance(error, TimeoutError)
    assert error.task is not None
    assert error.task.state is TaskState.RUNNING
    assert clock.elapsed == 25.5


@pytest.mark.fault("T-06")
def test_success_received_after_the_deadline_counts(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A response after the deadline still ends the wait with success if the task has succeeded."""

    def late(_: object) -> RawReply:
        clock.advance(3)
        return completed()

    server = serve(task(), late)
    assert make(server.url).wait("t", timeout=2.5).is_succeeded
    assert server.times == [0, 2.5]


@pytest.mark.fault("T-03")
@pytest.mark.parametrize("answer", [task(), http(503), error_reply(429, retry_after="1"), NOT_FOUND, NO_URL, CLOSE])
def test_timeout_0_is_one_request_without_a_sleep(make: Maker, serve: Serve, clock: FakeTime, answer: RawReply) -> None:
    """With timeout=0 there is one request and no sleep, whatever the response."""
    server = serve(answer)
    with pytest.raises(k.TaskError):
        make(server.url).wait("t", timeout=0)
    assert (len(server.requests), clock.sleeps) == (1, [])


@pytest.mark.fault("T-03")
@pytest.mark.parametrize("timeout", [None, float("inf")])
def test_wait_without_a_limit_lasts_as_long_as_the_task(make: Maker, serve: Serve, timeout: float | None) -> None:
    """With timeout=None, or infinity, a wait lasts as long as the task runs."""
    server = serve(*[task()] * 300, completed())
    assert make(server.url).wait("t", timeout=timeout, poll=PollPolicy(min_interval=600, max_interval=600)).is_succeeded
    assert server.times[-1] > 40 * 3600


@pytest.mark.parametrize(("timeout", "text"), [(60, "60"), (3600, "3600"), (86_400, "86400")])
def test_error_of_a_timeout_names_whole_seconds(make: Maker, serve: Serve, timeout: int, text: str) -> None:
    """The error says after how many seconds the wait ended, also after a day."""
    server = serve(each=lambda _: task())
    with pytest.raises(k.TaskTimeoutError, match=rf"gave up waiting for task t after {text} s \("):
        make(server.url).wait("t", timeout=timeout, poll=PollPolicy(min_interval=600, max_interval=600))


@pytest.mark.fault("T-03")
def test_timedelta_as_timeout_counts_as_its_seconds(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A timedelta counts as its seconds."""
    server = serve(each=lambda _: task())
    with pytest.raises(k.TaskTimeoutError):
        make(server.url).wait("t", timeout=timedelta(minutes=1, milliseconds=500), poll=EVEN)
    assert clock.elapsed == 60.5


@pytest.mark.fault("T-01")
@pytest.mark.parametrize("call", ["wait", "watch", "wait_many"])
def test_wall_clock_jump_does_not_affect_a_wait(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A wait reads no wall clock: it may jump back an hour or forward a day at any moment."""
    jumps = cycle([-3600.0, 0.0, 86400.0])

    def jumping() -> float:
        # Cookie jars and log records read it too, which does no harm.
        reader = str(sys._getframe(1).f_globals["__name__"])
        assert not reader.startswith("kkiai_sdk"), f"{reader} asks for the time of day"
        return WALL_CLOCK + next(jumps)

    server = serve(task(), error_reply(429, retry_after="7"), http(503), completed())
    client = make(server.url, max_retries=0)
    uses: dict[str, Callable[[], object]] = {
        "wait": lambda: client.wait("t", poll=EVEN),
        "watch": lambda: list(client.watch("t", poll=EVEN)),
        "wait_many": lambda: client.wait_many(["t"], poll=EVEN),
    }
    monkeypatch.setattr(time, "time", jumping)
    uses[call]()
    assert server.times == [0, 5, 12, 17]


@pytest.mark.fault("T-05")
def test_request_before_the_deadline_is_limited_to_the_time_left(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request before the deadline may take the time that is left; the final poll takes five seconds."""
    asked, read = list[float](), base_session.httpx_timeouts

    def spy(seconds: float) -> dict[str, Any]:
        asked.append(seconds)
        return read(seconds)

    monkeypatch.setattr(base_session, "httpx_timeouts", spy)
    server = serve(each=lambda _: task())
    with pytest.raises(k.TaskTimeoutError):
        make(server.url).wait("t", timeout=12.5, poll=EVEN)
    assert server.times == [0, 5, 10, 12.5]
    assert asked == [12.5, 7.5, 2.5, 5.0]


@pytest.mark.fault("T-03")
@pytest.mark.parametrize("timeout", [-1, float("nan"), True, "60", float("-inf")])
def test_invalid_wait_timeout_is_refused_before_any_request(make: Maker, serve: Serve, timeout: Any) -> None:
    """An invalid time limit is a ConfigurationError before any request."""
    server = serve()
    client = make(server.url)
    for call in (client.wait, client.watch, lambda each, timeout: client.wait_many([each], timeout=timeout)):
        with pytest.raises(ConfigurationError, match="timeout"):
            call("t", timeout=timeout)
    assert server.requests == []


@pytest.mark.fault("T-09")
def test_retry_after_on_a_pending_task_lengthens_the_next_gap(make: Maker, serve: Serve) -> None:
    """Retry-After on a running task lengthens the next gap, up to a minute, and never shortens one."""
    server = serve(*[task(retry_after=text) for text in ("20", "1", "999", "junk")], completed())
    make(server.url).wait("t", poll=EVEN)
    assert server.times == [0, 20, 25, 85, 90]


def test_on_update_gets_each_changed_snapshot(make: Maker, serve: Serve) -> None:
    """on_update gets each snapshot that differs from the one before, the last one included."""
    steps = [task("queued"), task("queued"), task(progress=10), task(progress=10), task(progress=60), completed()]
    heard: list[tuple[str | None, float | None]] = []
    make(serve(*steps).url).wait("t", on_update=lambda each: heard.append((each.status, each.progress)))
    assert heard == [("queued", None), ("processing", 0.1), ("processing", 0.6), ("completed", 1.0)]


class CallbackError(Exception):
    """An exception of the caller."""


@pytest.mark.fault("T-15")
@pytest.mark.parametrize("error", [CallbackError("x"), KeyboardInterrupt(), k.ServerError("own", status_code=500)])
def test_exception_of_on_update_ends_the_wait_unchanged(make: Maker, serve: Serve, error: BaseException) -> None:
    """An exception of on_update is raised unchanged, even one of ours, and the client works afterwards."""
    server = serve(task(), task("queued"))
    client = make(server.url)

    def fail(_: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        client.wait("t", on_update=fail)
    assert caught.value is error
    assert client.query("t").status == "queued"


def test_on_update_that_is_not_callable_is_refused(make: Maker, serve: Serve) -> None:
    """A value that is not callable is refused by name."""
    with pytest.raises(ConfigurationError, match="on_update"):
        make(serve().url).wait("t", on_update="print")  # type: ignore[arg-type]
