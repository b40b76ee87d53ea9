"""wait_many and as_completed: many tasks, each with a result of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError, PollPolicy
from tests.support.canary import KEY
from tests.support.clock import START
from tests.support.wire import HANG, completed, error_reply, http, json_reply, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.mock import MockGateway
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)


def workers() -> list[str]:
    """Return the threads of the SDK."""
    return [each.name for each in threading.enumerate() if re.fullmatch(r"kkiai-\d+", each.name)]


def by_id(**answers: RawReply) -> Any:
    """Return a handler that gives each task its own response."""
    return lambda request: answers[request.task_id]


def test_wait_many_returns_results_in_the_order_of_the_ids(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """wait_many gives one result per id, in the order of the ids, whichever ends first."""
    quick = by_id(a=task(), b=completed(), c=task())
    server = serve(quick, quick, quick, each=lambda _: completed())
    results = make(server.url).wait_many(["a", "b", "c"], max_concurrency=1, poll=EVEN, max_requests_per_second=None)
    assert [each.task_id for each in results] == ["a", "b", "c"]
    assert all(each.is_succeeded for each in results)
    assert [each.task_id for each in server.requests] == ["a", "b", "c", "a", "c"]
    assert clock.sleeps == [5]


def test_as_completed_yields_results_as_tasks_end(make: Maker, serve: Serve) -> None:
    """as_completed gives each result as soon as its task has ended."""
    quick = by_id(a=task(), b=completed(), c=task())
    server = serve(quick, quick, quick, by_id(a=task()), each=lambda _: completed())
    results = make(server.url).as_completed(["a", "b", "c"], max_concurrency=1)
    assert [each.task_id for each in results] == ["b", "c", "a"]


def test_on_update_of_many_gets_each_changed_snapshot(make: Maker, serve: Serve) -> None:
    """on_update gets each snapshot that differs from the last one of its task, the final one before the result."""
    states = {"a": ["queued", "queued", "processing", "completed"], "b": ["queued", "failed"]}

    def act(request: RawRequest) -> RawReply:
        status = states[request.task_id].pop(0)
        return completed() if status == "completed" else task(status)

    server, heard = serve(each=act), list[tuple[str, str | None]]()
    for result in make(server.url).as_completed(
        ["a", "b"], max_concurrency=1, poll=EVEN, on_update=lambda each: heard.append((each.id, each.status))
    ):
        heard.append((result.task_id, None))
    assert heard == [
        ("a", "queued"),
        ("b", "queued"),
        ("b", "failed"),
        ("b", None),
        ("a", "processing"),
        ("a", "completed"),
        ("a", None),
    ]


def test_on_update_of_many_is_not_called_for_errors(make: Maker, serve: Serve) -> None:
    """Neither an error, nor a refusal, nor an invalid id is a snapshot; wait_many passes its on_update on."""
    server = serve(http(503), task(), error_reply(401), http(200, b"{}"), completed())
    heard: list[str | None] = []
    client = make(server.url)
    client.wait_many(["a", "x y"], poll=EVEN, on_update=lambda each: heard.append(each.status))
    assert heard == ["processing", "completed"]


@pytest.mark.parametrize("error", [RuntimeError("mine"), ConfigurationError("mine"), KeyboardInterrupt()])
def test_exception_of_on_update_ends_the_iteration(make: Maker, serve: Serve, error: BaseException) -> None:
    """It is raised unchanged, no worker is left, and the client works afterwards."""
    client = make(serve(task(), each=lambda _: completed()).url)

    def fail(_: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        list(client.as_completed(["a", "b"], max_concurrency=1, on_update=fail))
    assert caught.value is error
    assert workers() == []
    assert client.query("c").is_succeeded


def test_on_update_of_many_may_be_a_coroutine_function(serve: Serve) -> None:
    """The asynchronous client awaits it before the next snapshot."""
    server, heard = serve(task(), each=lambda _: completed()), list[str | None]()

    async def hear(each: k.VideoTask) -> None:
        await asyncio.sleep(0)
        heard.append(each.status)

    async def main() -> None:
        async with k.AsyncKkiai(KEY, base_url=server.url) as client:
            await client.wait_many(["a"], on_update=hear)

    asyncio.run(main())
    assert heard == ["processing", "completed"]


def test_on_update_of_many_that_is_not_callable_is_refused(make: Maker, serve: Serve) -> None:
    """The error names the option; nothing is sent."""
    client = make(serve().url)
    for call in (client.as_completed, client.wait_many):
        with pytest.raises(ConfigurationError, match="on_update"):
            call(["a"], on_update="print")  # type: ignore[arg-type]


def test_duplicate_id_has_one_result_and_one_request(make: Maker, serve: Serve) -> None:
    """An id that is given twice has one result and costs one request, also if it is invalid."""
    server = serve(each=lambda _: completed())
    results = make(server.url).as_completed(["a", "", "b", "a", ""], max_concurrency=1)
    assert [each.task_id for each in results] == ["a", "", "b"]
    assert len(server.requests) == 2


def test_ids_from_a_generator_are_accepted(make: Maker, serve: Serve) -> None:
    """The ids may come from a generator, also with duplicates and invalid ones."""
    results = make(serve(each=lambda _: completed()).url).wait_many(each for each in ("a", "", "b", "a"))
    assert [(each.task_id, each.is_succeeded) for each in results] == [("a", True), ("", False), ("b", True)]


@pytest.mark.parametrize("ids", [[], (), iter([])])
def test_empty_list_of_ids_has_no_result_and_no_request(make: Maker, serve: Serve, ids: Any) -> None:
    """Without ids there are no results and no requests."""
    server = serve()
    assert make(server.url).wait_many(ids) == []
    assert server.requests == []


@pytest.mark.parametrize("ids", ["grok:1", b"grok:1"])
def test_string_in_place_of_a_list_of_ids_is_refused(make: Maker, serve: Serve, ids: Any) -> None:
    """A string in place of a list is refused, and not read as single letters."""
    client = make(serve().url)
    with pytest.raises(ConfigurationError, match="task_ids"):
        client.wait_many(ids)
    with pytest.raises(ConfigurationError, match="task_ids"):
        client.as_completed(ids)


@pytest.mark.parametrize("number", [0, -1, 1001, 1.5, True, None])
def test_invalid_max_concurrency_is_refused_by_name(make: Maker, serve: Serve, number: Any) -> None:
    """max_concurrency out of its range is refused by name."""
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        make(serve().url).wait_many(["a"], max_concurrency=number)


def test_tasks_with_different_ends_do_not_affect_each_other(make: Maker, serve: Serve) -> None:
    """Successes, failures, refusals, invalid ids and timeouts stand side by side; none stops the others."""
    answers: dict[str, RawReply] = {
        "good": completed(),
        "failed": task("failed", error="no"),
        "forbidden": error_reply(403),
        "gone": error_reply(404, message="task not found"),
        "busy": error_reply(503),
        "empty": task("completed", video_url=None),
        "slow": task("running"),
    }
    server = serve(each=by_id(**answers))
    poll = PollPolicy(min_interval=5, growth=0, jitter=0, max_consecutive_errors=3)
    results = make(server.url).wait_many(["a b", *answers], timeout=300, poll=poll)
    ends = {each.task_id: type(each.error) for each in results}
    assert ends == {
        "a b": ConfigurationError,
        "good": type(None),
        "failed": k.TaskFailedError,
        "forbidden": k.PermissionDeniedError,
        "gone": k.TaskNotFoundError,
        "busy": k.ServerError,
        "empty": k.VideoMissingError,
        "slow": k.TaskTimeoutError,
    }
    snapshots = {each.task_id: each.task and each.task.status for each in results}
    assert (snapshots["slow"], snapshots["failed"], snapshots["busy"]) == ("running", "failed", None)


def test_429_for_one_task_pauses_all_and_lowers_the_rate(make: Maker, serve: Serve) -> None:
    """A 429 for one task counts for all: no request until the pause is over, and then at a lower rate."""
    server = serve(task(), error_reply(429, retry_after="30"), each=lambda _: completed())
    make(server.url).wait_many(["a", "b", "c"], max_concurrency=1, poll=EVEN, max_requests_per_second=None)
    times = [each.time - START for each in server.requests]
    assert times[:3] == [0, 0, 30]
    # One good answer within the second before: 0.7 of that per second, and a little more by now.
    assert times[4] - times[3] == pytest.approx(1 / 1.0, rel=0.1)


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_requests_in_flight_reach_and_never_exceed_max_concurrency(make: Maker, serve: Serve, limit: int) -> None:
    """As many requests are in flight as max_concurrency allows, and never one more."""
    together, lock = threading.Barrier(limit), threading.Lock()
    active: set[str] = set()
    peaks: list[int] = []

    def handler(request: RawRequest) -> RawReply:
        with lock:
            active.add(request.task_id)
            peaks.append(len(active))
        together.wait(10)
        with lock:
            active.discard(request.task_id)
            return json_reply({"status": "done", "url": "http://127.0.0.1/v"})

    ids = [f"t{number}" for number in range(3 * limit)]
    results = make(serve(each=handler).url).wait_many(ids, max_concurrency=limit, max_requests_per_second=None)
    assert all(each.is_succeeded for each in results)
    assert max(peaks) == limit


@pytest.mark.deep
def test_two_hundred_tasks_succeed_over_few_connections(make: Maker, gateway: MockGateway) -> None:
    """Two hundred concurrent tasks succeed over a few connections."""
    ids = [f"grok:scenario-normal~{number}" for number in range(200)]
    counts = []
    results = []
    for result in make(gateway.base_url).as_completed(ids):
        results.append(result)
        counts.append(len(workers()))
    assert sorted(each.task_id for each in results) == sorted(ids)
    assert all(each.is_succeeded for each in results)
    assert max(counts) <= 4


def test_break_out_of_as_completed_leaves_no_thread_and_sends_nothing(make: Maker, serve: Serve) -> None:
    """Leaving the loop ends it: no thread is left, nothing more is sent, and the client works."""
    server = serve(by_id(a=completed()), *[task("queued")] * 5)
    client = make(server.url)
    results = client.as_completed(["a", "b", "c"], max_concurrency=1)
    assert next(results).task_id == "a"
    results.close()  # type: ignore[attr-defined]
    assert workers() == []
    assert [each.task_id for each in server.requests] == ["a"]
    assert client.query("x").status == "queued"


def test_break_with_requests_in_flight_does_not_wait_for_their_responses(make: Maker, serve: Serve) -> None:
    """Leaving the loop does not wait for responses to requests in flight."""
    server = serve(each=by_id(a=completed(), b=HANG, c=HANG))
    client = make(server.url)
    results = client.as_completed(["a", "b", "c"], max_concurrency=3)
    assert next(results).task_id == "a"
    results.close()  # type: ignore[attr-defined]
    assert client.query("a").is_succeeded


def test_failed_query_gives_its_place_to_the_next_task(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A failed query gives its place to the next task; it is repeated when it is due."""
    server = serve(http(503), completed(), completed())
    make(server.url).wait_many(["a", "b"], max_concurrency=1, poll=EVEN, max_requests_per_second=None)
    assert [each.task_id for each in server.requests] == ["a", "b", "a"]
    assert clock.sleeps == [5]


def test_failing_key_function_ends_its_task_with_the_cause(make: Maker, serve: Serve) -> None:
    """An exception of a key function is the result of the one task, with the exception as cause."""
    keys = ["second", "first"]
    server = serve(each=by_id(a=task(), b=completed(), c=completed()))
    results = make(server.url, api_key=keys.pop).wait_many(["a", "b", "c"], max_concurrency=1)
    assert [type(each.error) for each in results] == [ConfigurationError, type(None), ConfigurationError]
    assert all(isinstance(each.error.__cause__, IndexError) for each in results if each.error)
    assert "IndexError was raised" in str(results[0].error)
    assert results[0].task is not None
    assert results[0].task.status == "processing"


def test_key_function_with_an_invalid_key_is_each_task_s_error(make: Maker, serve: Serve) -> None:
    """An invalid key is each task's own error, and nothing is sent."""
    server = serve()
    results = make(server.url, api_key=lambda: "two words").wait_many(["a", "b"])
    assert all(isinstance(each.error, ConfigurationError) and "api_key" in str(each.error) for each in results)
    assert server.requests == []


def test_endless_iterator_of_ids_is_read_as_places_become_free(make: Maker, serve: Serve) -> None:
    """An endless iterator is read when an id can be polled; invalid and waiting ids take no place."""
    read: list[str] = []

    def endless() -> Iterator[str]:
        for number in count():
            read.append(f"t{number // 2}" if number % 5 else "a b")
            yield read[-1]

    server = serve(each=lambda request: task() if request.task_id == "t1" else completed())
    results = make(server.url).as_completed(endless(), max_waiting=2, max_concurrency=1)
    assert [next(results).task_id for _ in range(5)] == ["a b", "t0", "t2", "a b", "t3"]
    results.close()  # type: ignore[attr-defined]
    assert read == ["a b", "t0", "t1", "t1", "t2", "a b", "t3"]
    assert [each.task_id for each in server.requests] == ["t0", "t1", "t2", "t3"]


def test_at_most_max_waiting_tasks_wait_at_once(make: Maker, serve: Serve) -> None:
    """While max_waiting tasks wait, no other is polled: a list is processed in parts."""
    asked: list[str] = []

    def handler(request: RawRequest) -> RawReply:
        asked.append(request.task_id)
        return completed() if asked.count(request.task_id) == 3 else task()

    results = make(serve(each=handler).url).wait_many(["a", "b", "c", "d"], max_waiting=2, max_concurrency=1, poll=EVEN)
    assert all(each.is_succeeded for each in results)
    assert asked == ["a", "b", "a", "b", "a", "b", "c", "d", "c", "d", "c", "d"]


def test_exception_of_the_id_iterator_is_raised_unchanged(make: Maker, serve: Serve) -> None:
    """The caller's own exception is raised unchanged, and the client works afterwards."""

    def broken() -> Iterator[str]:
        yield "a"
        raise LookupError("the list of tasks is gone")

    client = make(serve(each=lambda _: completed()).url)
    with pytest.raises(LookupError, match="the list of tasks is gone"):
        list(client.as_completed(broken()))
    assert client.query("b").is_succeeded


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("max_requests_per_second", value) for value in (0, -1, float("nan"), True, "50", 1e7)],
        *[("max_waiting", value) for value in (0, -1, 1.5, True, None)],
    ],
)
def test_invalid_fleet_limit_is_refused_by_name(make: Maker, serve: Serve, option: str, value: Any) -> None:
    """Limits out of their range are refused by name before any request."""
    server = serve()
    client = make(server.url)
    for call in (client.wait_many, client.as_completed):
        with pytest.raises(ConfigurationError, match=option):
            call(["a"], **{option: value})
    assert server.requests == []


def test_polls_are_spaced_by_max_requests_per_second(make: Maker, serve: Serve) -> None:
    """Polls are spaced evenly by max_requests_per_second; without a limit they follow the responses."""
    ids = [f"t{number}" for number in range(8)]
    for limit, gap in ((4, 0.25), (None, 0.0), (float("inf"), 0.0)):
        server = serve(each=lambda _: completed())
        make(server.url).wait_many(ids, max_concurrency=1, max_requests_per_second=limit)
        times = [each.time for each in server.requests]
        assert [after - before for before, after in pairwise(times)][1:] == pytest.approx([gap] * 6)


@pytest.mark.fault("T-11")
def test_outage_costs_one_request_per_task_and_the_retry_budget(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """While every response is a 503, tasks cost one request each, the retry budget, and one per min_interval."""
    server = serve(each=lambda _: http(503))
    ids = [f"t{number}" for number in range(60)]
    client = make(server.url, retry=k.RetryPolicy(budget=20))
    results = client.wait_many(ids, timeout=300, max_concurrency=1)
    assert 60 + 20 < len(server.requests) <= 60 + 20 + 300 / 3 + 1
    assert {type(each.error) for each in results} == {k.TaskTimeoutError}
    assert clock.elapsed <= 305
