"""Property: both clients send the same requests at the same times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kkiai_sdk import KkiaiError, PollPolicy, RetryPolicy, VideoTask
from kkiai_sdk import _clock as _runtime
from tests.support.adapter import KINDS, Maker
from tests.support.clock import FakeTime
from tests.support.effort import examples
from tests.support.rawserver import RawServer
from tests.support.wire import CLOSE, RESET, completed, error_reply, http, task

if TYPE_CHECKING:
    from kkiai_sdk import Kkiai, WaitResult
    from tests.support.rawserver import RawReply

ANSWERS: dict[str, RawReply] = {
    "queued": task("queued"),
    "running": task(progress=40),
    "paced": task(retry_after="9"),
    "unknown": task("unknown"),
    "no url": task("completed", video_url=None),
    "done": completed(),
    "failed": task("failed", error="no"),
    "wrapped": http(200, b'{"code":"success","data":null}'),
    "not found": error_reply(404, message="task not found"),
    "busy": error_reply(429),
    "busy for 7 s": error_reply(429, retry_after="7"),
    "busy for long": error_reply(503, retry_after="4000"),
    "overloaded": error_reply(503),
    "no channel": error_reply(503, "model_not_found"),
    "forbidden": error_reply(403),
    "empty": http(200),
    "page": http(200, b"<html></html>", ("Content-Type", "text/html")),
    "moved": http(302, b"", ("Location", "/v1/video/query?id=t")),
    "closed": CLOSE,
    "reset": RESET,
}
#: Responses that do not end a wait are drawn more often, so that scripts get long.
LIVELY = ["queued", "running", "paced", "unknown", "no url", "not found", "busy", "overloaded", "closed", "empty"]
scripts = st.lists(st.sampled_from([*ANSWERS, *LIVELY, *LIVELY]), max_size=14)
policies = st.builds(
    PollPolicy,
    min_interval=st.sampled_from([0.5, 3.0]),
    growth=st.sampled_from([0, 0.02, 0.5]),
    max_consecutive_errors=st.sampled_from([2, 10]),
    not_found_grace=st.sampled_from([0, 5.5, 60]),
    url_grace=st.sampled_from([0, 5.5, 60]),
)
timeouts = st.sampled_from([0, 0.25, 6.5, 60.0, 1800.0, None])


def outcome_of(value: VideoTask | KkiaiError | WaitResult) -> Any:
    """Return the outcome of a call without the port of the server."""
    if isinstance(value, KkiaiError):
        facts = {name: outcome_of(each) if isinstance(each, KkiaiError) else each for name, each in vars(value).items()}
        return type(value), {name: each for name, each in facts.items() if name not in {"__notes__", "last_error"}}
    if isinstance(value, VideoTask):
        return value
    return value.task_id, value.task, value.error and outcome_of(value.error)


def trace(kind: str, names: list[str], use: Any, **options: Any) -> tuple[list[Any], list[float], Any]:
    """Play a script to a client: the requests with their times, the sleeps, and the outcome."""
    clock, maker = FakeTime(), Maker(kind)
    script = [*[ANSWERS[name] for name in names], *[completed()] * 60]
    with pytest.MonkeyPatch.context() as patch, RawServer(script, clock=clock.monotonic) as server:
        patch.setattr(_runtime, "SYSTEM", clock.as_clock())
        client = maker(server.url, **options)
        try:
            end = use(client)
        except KkiaiError as error:
            end = outcome_of(error)
        finally:
            maker.close()
    return [(each.time, each.target) for each in server.requests], clock.sleeps, end


def both(names: list[str], use: Any, **options: Any) -> list[Any]:
    """Return the trace of each client."""
    return [trace(kind, names, use, **options) for kind in KINDS]


lively = settings(
    max_examples=examples(60),
    deadline=None,
    derandomize=True,
    database=None,
    # The fixtures apply to the test as a whole; each example has its own clock and server.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@lively
@given(names=scripts, poll=policies, timeout=timeouts, retries=st.sampled_from([0, 3]))
def test_wait_of_both_clients_has_the_same_trace(
    names: list[str], poll: PollPolicy, timeout: float | None, retries: int
) -> None:
    """For any script of responses both clients send the same requests at the same times, with the same outcome."""

    def use(client: Kkiai) -> Any:
        updates: list[VideoTask] = []
        return client.wait("t", timeout=timeout, poll=poll, on_update=updates.append), updates

    sync, asynchronous = both(names, use, max_retries=retries, retry=RetryPolicy(budget=7))
    assert sync == asynchronous
    assert sync[0][0][0] == FakeTime().now


@lively
@given(names=scripts, poll=policies, timeout=timeouts, every_poll=st.booleans())
def test_watch_of_both_clients_yields_the_same_snapshots(
    names: list[str],
    poll: PollPolicy,
    timeout: float | None,
    every_poll: bool,  # noqa: FBT001 (drawn)
) -> None:
    """Both clients yield the same snapshots."""

    def use(client: Kkiai) -> list[VideoTask]:
        return list(client.watch("t", timeout=timeout, poll=poll, every_poll=every_poll))

    sync, asynchronous = both(names, use)
    assert sync == asynchronous


@lively
@given(names=scripts, poll=policies, timeout=timeouts)
def test_wait_many_of_both_clients_has_the_same_trace(
    names: list[str], poll: PollPolicy, timeout: float | None
) -> None:
    """With one request at a time three waiting tasks have the same traces and outcomes."""

    def use(client: Kkiai) -> list[Any]:
        return [
            outcome_of(each)
            for each in client.wait_many(["a", "b", "c"], timeout=timeout, poll=poll, max_concurrency=1)
        ]

    sync, asynchronous = both(names, use)
    assert sync == asynchronous
