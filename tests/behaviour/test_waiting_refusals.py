"""wait: refusals of a task that has been seen, alone and for many tasks, and errors before a timeout."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from kkiai_sdk import PollPolicy
from kkiai_sdk.mock import MockGateway, scenarios
from tests.support.canary import KEY
from tests.support.wire import HANG, completed, error_reply, http, task

if TYPE_CHECKING:
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)
HICCUPS = [name for name in scenarios() if name.startswith("hiccup-") and not name.endswith("-stays")]
STAYS: dict[str, type[k.APIError]] = {
    "hiccup-401-stays": k.AuthenticationError,
    "hiccup-402-stays": k.QuotaExceededError,
    "hiccup-not-exist-stays": k.TaskNotFoundError,
    "hiccup-empty-200-stays": k.APIResponseError,
}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings of the SDK."""
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


@pytest.mark.parametrize("many", [False, True], ids=["wait", "wait_many"])
@pytest.mark.parametrize("name", HICCUPS)
@pytest.mark.fault("H-12", "T-16")
def test_hiccup_in_a_wait_does_not_end_it(make: Maker, clock: FakeTime, name: str, *, many: bool) -> None:
    """A wait whose task has been seen goes on after any hiccup, alone or among many."""
    with MockGateway(api_key=KEY, clock=clock.monotonic) as gateway:
        client = make(gateway.base_url)
        ids = [f"grok:scenario-{name}~{number}" for number in range(3 if many else 1)]
        tasks = [each.task for each in client.wait_many(ids)] if many else [client.wait(ids[0])]
        client.close()
    assert all(each is not None and each.is_succeeded for each in tasks)


@pytest.mark.parametrize("many", [False, True], ids=["wait", "wait_many"])
@pytest.mark.parametrize("name", STAYS)
@pytest.mark.fault("T-16")
def test_lasting_refusal_ends_a_wait(make: Maker, clock: FakeTime, name: str, *, many: bool) -> None:
    """A wait ends with the refusal 90 seconds after the first one, at the next poll."""
    with MockGateway(api_key=KEY, clock=clock.monotonic) as gateway:
        client = make(gateway.base_url)
        if many:
            (result,) = client.wait_many([f"grok:scenario-{name}"])
            error: BaseException | None = result.error
        else:
            with pytest.raises(k.APIError) as caught:
                client.wait(f"grok:scenario-{name}")
            error = caught.value
        client.close()
    assert type(error) is STAYS[name]
    assert 90 <= clock.elapsed <= 110
    assert "last seen 'pending'; it may still be running" in getattr(error, "__notes__", [""])[0]


@pytest.mark.parametrize("many", [False, True], ids=["wait", "wait_many"])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_refusal_of_the_first_query_ends_a_wait_at_once(make: Maker, serve: Serve, status: int, *, many: bool) -> None:
    """A wrong key or id is raised at once: nothing is known of the task yet."""
    server = serve(each=lambda _: error_reply(status))
    client = make(server.url)
    if many:
        assert isinstance(client.wait_many(["t"])[0].error, k.APIStatusError)
    else:
        with pytest.raises(k.APIStatusError):
            client.wait("t")
    assert len(server.requests) == 1


@pytest.mark.parametrize("many", [False, True], ids=["wait", "wait_many"])
@pytest.mark.parametrize("body", [b"{}", b'{"code": "success", "message": "", "data": null}'])
@pytest.mark.fault("T-16")
def test_empty_answers_in_turn_with_a_refusal_end_a_wait(
    make: Maker, serve: Serve, clock: FakeTime, body: bytes, *, many: bool
) -> None:
    """They end it after refusal_grace once the task has been seen, and at the first refusal before that."""
    server = serve(task(), *[http(200, body), error_reply(401)] * 10)
    client = make(server.url)
    results = list(client.as_completed(["t"], poll=EVEN)) if many else []
    if not many:
        with pytest.raises(k.APIError):
            client.wait("t", poll=EVEN)
    assert [(type(each.error), each.task and each.task.status) for each in results] == [
        (k.APIResponseError, "processing")
    ] * many
    assert clock.elapsed == 5 + 90
    client = make(serve(http(200, body), error_reply(401)).url)
    if many:
        assert isinstance(client.wait_many(["t"], poll=EVEN)[0].error, k.AuthenticationError)
    else:
        with pytest.raises(k.AuthenticationError):
            client.wait("t", poll=EVEN)
    assert clock.elapsed == 5 + 90 + 5


def test_limits_of_refusals_are_options(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """With max_refusals=1 and refusal_grace=0 the first refusal ends the wait, with others a later one."""
    poll = PollPolicy(min_interval=5, growth=0, jitter=0, max_refusals=1, refusal_grace=0)
    with pytest.raises(k.AuthenticationError):
        make(serve(task(), error_reply(401)).url).wait("t", poll=poll)
    assert clock.elapsed == 5
    poll = PollPolicy(min_interval=5, growth=0, jitter=0, max_refusals=3, refusal_grace=0)
    with pytest.raises(k.AuthenticationError):
        make(serve(task(), *[error_reply(401)] * 3).url).wait("t", poll=poll)
    assert clock.elapsed == 5 + 15


def test_watch_yields_nothing_for_a_refusal(make: Maker, serve: Serve) -> None:
    """A watch with every_poll yields the snapshots before and after a refusal, and none for it."""
    server = serve(task("queued"), error_reply(401), http(404), task("processing"), completed())
    snapshots = list(make(server.url).watch("t", every_poll=True))
    assert [each.status for each in snapshots] == ["queued", "processing", "completed"]


@pytest.mark.fault("T-16")
def test_first_refusal_in_a_row_is_one_warning(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """It names the refusal, and how long and how often it is tolerated; those after it log nothing."""
    row = [error_reply(401, message="no such key"), error_reply(403), http(503)]
    server = serve(task(), *row * 2, task(), *row, completed())
    make(server.url, max_retries=0).wait("t", poll=EVEN)
    tolerated = "the task has been seen, so this is tolerated for 90 s and at least 5 times in a row"
    assert (
        warnings(caplog)
        == [
            f"task 't': HTTP 401: no such key; check the API key (KKIAI_API_KEY); {tolerated}",
        ]
        * 2
    )


@pytest.mark.fault("T-18")
def test_refusal_of_all_tasks_is_one_outage(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Every wait ends with the refusal after 90 seconds, with one warning and few requests."""
    ids = [f"t{number}" for number in range(200)]
    seen: set[str] = set()

    def act(request: RawRequest) -> RawReply:
        is_first = request.task_id not in seen
        seen.add(request.task_id)
        return task() if is_first else error_reply(401, message=f"no (request id: {len(seen)})")

    server = serve(each=act)
    results = make(server.url).wait_many(ids, max_requests_per_second=None)
    assert [each.task_id for each in results] == ids
    assert {type(each.error) for each in results} == {k.AuthenticationError}
    assert all(each.task is not None for each in results)
    notes = [getattr(each.error, "__notes__", []) for each in results]
    assert [len(each) for each in notes] == [1] * 200
    assert all(f"task {each.task_id}:" in note[0] for each, note in zip(results, notes, strict=True))
    assert len(server.requests) <= 200 + 10 + 8 + 90 / 3 + 3
    assert len(warnings(caplog)) == 1


@pytest.mark.fault("T-18")
def test_outage_of_a_minute_ends_no_wait(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """Every task of many succeeds after a minute in which every query was refused."""
    start = clock.now

    def act(_: RawRequest) -> RawReply:
        elapsed = clock.now - start
        return task() if elapsed < 10 else http(404, b"404 page not found") if elapsed < 70 else completed()

    server = serve(each=act)
    results = make(server.url).wait_many([f"t{number}" for number in range(100)], max_requests_per_second=None)
    assert all(each.is_succeeded for each in results)
    assert clock.elapsed < 90


@pytest.mark.fault("T-17")
def test_timeout_at_the_deadline_of_a_wait_keeps_the_error_before_it(make: Maker, serve: Serve) -> None:
    """The TaskTimeoutError names the 503 before the request that was cut off, not that request."""
    server = serve(task(), http(503, b"503 no backend"), HANG)
    with pytest.raises(k.TaskTimeoutError, match="last seen 'processing'; HTTP 503: 503 no backend") as caught:
        make(server.url, max_retries=0, timeout=0.1).wait("t", timeout=10, poll=EVEN)
    assert isinstance(caught.value.last_error, k.ServerError)
    assert len(server.requests) == 3


@pytest.mark.fault("T-17")
def test_retry_cut_off_by_the_deadline_of_a_wait_keeps_the_error_before_it(make: Maker, serve: Serve) -> None:
    """A retry that has a tenth of a second left does not replace the 503 by a timeout; both are among the attempts."""
    server = serve(task(), http(503, b"no backend"), HANG, task())
    with pytest.raises(k.TaskTimeoutError) as caught:
        make(server.url).wait("t", timeout=5.6, poll=EVEN)
    error = caught.value.last_error
    assert error is not None
    assert str(error) == "HTTP 503: no backend"
    assert [(each.status, each.fault) for each in error.attempts] == [(503, None), (None, "timeout")]


@pytest.mark.fault("T-17")
def test_timeout_after_another_error_has_it_as_cause(make: Maker, serve: Serve) -> None:
    """A query whose last attempt had its full time raises the timeout, with the last other error as its cause."""
    server = serve(http(503, b"no backend"), HANG, HANG)
    with pytest.raises(k.APITimeoutError, match=r"no response in time \(0.1 s\)") as caught:
        make(server.url).query("t", timeout=0.1, max_retries=2)
    assert str(caught.value.__cause__) == "HTTP 503: no backend"
    assert [each.status for each in caught.value.attempts] == [503, None, None]


@pytest.mark.fault("H-13")
def test_body_in_plain_text_is_the_reason_of_the_error(make: Maker, serve: Serve) -> None:
    """A plain "502 Bad Gateway" stands in the message."""
    server = serve(each=lambda _: http(502, b"502 Bad Gateway", ("content-type", "text/plain")))
    with pytest.raises(k.ServerError, match=r"^HTTP 502: 502 Bad Gateway$"):
        make(server.url).query("t", max_retries=0)


@pytest.mark.fault("H-12")
def test_rate_limit_under_200_pauses_all_tasks(make: Maker, serve: Serve) -> None:
    """A body with the code 429 is a rate limit: its Retry-After holds for all tasks."""
    limited = http(200, b'{"code": 429, "message": "slower"}', ("retry-after", "30"))
    server = serve(task(), limited, each=lambda _: completed())
    results = make(server.url).wait_many(["a", "b"], max_concurrency=1, poll=EVEN)
    assert all(each.is_succeeded for each in results)
    assert server.times[2] == 30
