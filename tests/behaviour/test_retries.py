"""Retries of one request: conditions, delays, and the record in the error."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import Attempt, ConfigurationError, RetryPolicy
from tests.support.adapter import raw_request
from tests.support.canary import KEY
from tests.support.wire import completed, error_reply, http, json_reply, task

if TYPE_CHECKING:
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply

TRANSIENT = [408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 599]
PERMANENT = [400, 401, 402, 403, 404, 405, 410, 418, 422, 451, 499, 501, 505, 304, 999]


@pytest.mark.parametrize("status", TRANSIENT)
@pytest.mark.fault("H-02")
def test_transient_status_is_retried_after_growing_delays(
    make: Maker, serve: Serve, clock: FakeTime, status: int
) -> None:
    """After 408, 409, 425, 429 and transient 5xx the request is sent again after 0.5, 1 and 2 s."""
    server = serve(*[error_reply(status)] * 3, task("queued"))
    assert make(server.url).query("t").status == "queued"
    assert clock.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", PERMANENT)
@pytest.mark.fault("H-01", "H-03", "H-04")
def test_final_status_is_raised_at_once(make: Maker, serve: Serve, clock: FakeTime, status: int) -> None:
    """Every other refusal is raised at once, with the status as a number."""
    server = serve(error_reply(status))
    with pytest.raises(k.APIStatusError) as caught:
        make(server.url).query("t")
    assert (caught.value.status_code, caught.value.transient) == (status, False)
    assert (len(server.requests), clock.sleeps) == (1, [])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (error_reply(400), k.BadRequestError),
        (json_reply({"code": "task_not_exist", "message": "task_not_exist", "data": None}, 400), k.TaskNotFoundError),
        (error_reply(401), k.AuthenticationError),
        (error_reply(401, message="该令牌额度已用尽"), k.QuotaExceededError),
        (error_reply(402), k.QuotaExceededError),
        (error_reply(403), k.PermissionDeniedError),
        (error_reply(403, "insufficient_user_quota"), k.QuotaExceededError),
        (error_reply(404, message="task not found"), k.TaskNotFoundError),
        (error_reply(404, message="Invalid URL (GET /v1/video/query)"), k.NotFoundError),
        (error_reply(409), k.ConflictError),
        (error_reply(422), k.UnprocessableEntityError),
        (error_reply(429), k.RateLimitError),
        (error_reply(429, "insufficient_quota"), k.QuotaExceededError),
        (http(500, b"error code: 524"), k.ServerError),
        (http(520), k.ServerError),
        (http(502, b"<!doctype html><title>Bad gateway</title>", ("Content-Type", "text/html")), k.ServerError),
        (error_reply(503, "model_not_found"), k.ServerError),
        (http(204), k.APIResponseError),
        (http(200), k.APIResponseError),
        (http(200, b"[1]"), k.APIResponseError),
        (http(200, b"\xff\xfe{}"), k.APIResponseError),
        (http(200, b"<html>"), k.APIResponseError),
        (http(200, b"{" * 100_000), k.APIResponseError),
        (http(200, b" " * (33 << 20) + b"{}"), k.APIResponseError),
        (json_reply({"code": 400, "message": "fail_to_fetch_task", "data": None}), k.APIResponseError),
    ],
)
def test_each_refusal_raises_its_error_class(
    make: Maker, serve: Serve, answer: RawReply, error: type[k.APIError]
) -> None:
    """The gateway's response decides the class of the error, and no other exception is raised."""
    with pytest.raises(k.APIError) as caught:
        make(serve(answer).url).query("t", max_retries=0)
    assert type(caught.value) is error


def row(fault: pytest.MarkDecorator, nap: float, *headers: str, name: str = "Retry-After") -> Any:
    """Return a parameter set: the fields of the response, and the delay before the second attempt."""
    fields = tuple((name, value) for value in headers)
    return pytest.param((fields, nap), marks=fault, id=ascii(headers[0])[:30])


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "case",
    [
        row(pytest.mark.fault("R-01"), 0.5, "0"),
        row(pytest.mark.fault("R-02"), 0.5, "-1"),
        row(pytest.mark.fault("R-03"), 1.5, "1.5"),
        row(pytest.mark.fault("R-03"), 2.5, "2500", name="retry-after-ms"),
        row(pytest.mark.fault("R-04"), 0.5, "nan"),
        row(pytest.mark.fault("R-04"), 0.5, "inf"),
        row(pytest.mark.fault("R-05"), 0.5, "1e400"),
        row(pytest.mark.fault("R-06"), 30.0, "30"),
        row(pytest.mark.fault("R-06"), 60.0, "60"),
        row(pytest.mark.fault("R-09"), 0.5, "\u00b2"),
        row(pytest.mark.fault("R-10"), 0.5, "1, 2"),
        row(pytest.mark.fault("R-10"), 0.5, "soon"),
        row(pytest.mark.fault("R-10"), 0.5, ""),
        row(pytest.mark.fault("R-11"), 20.0, "Sun, 10 May 2026 12:00:20 GMT"),
        row(pytest.mark.fault("R-12"), 0.5, "Sun, 10 May 2020 12:00:20 GMT"),
        row(pytest.mark.fault("R-14"), 20.0, "Sunday, 10-May-26 12:00:20 GMT"),
        row(pytest.mark.fault("R-14"), 20.0, "Sun May 10 12:00:20 2026"),
        row(pytest.mark.fault("R-15"), 7.0, "5", "7", "junk"),
        row(pytest.mark.fault("R-17"), 0.5, "9" * 400),
    ],
)
def test_retry_after_lengthens_the_delay(
    make: Maker, serve: Serve, clock: FakeTime, status: int, case: tuple[tuple[tuple[str, str], ...], float]
) -> None:
    """Retry-After in any of its forms lengthens the delay; invalid values do no harm."""
    headers, nap = case
    server = serve(http(status, b"", *headers), task())
    make(server.url).query("t")
    assert clock.sleeps == [nap]


@pytest.mark.fault("R-11")
def test_retry_after_date_counts_from_the_date_of_the_response(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A date in Retry-After counts from the response's own Date: a wrong local clock does not matter."""
    dates = [("Date", "Thu, 01 Jan 2032 00:00:00 GMT"), ("Retry-After", "Thu, 01 Jan 2032 00:00:09 GMT")]
    make(serve(http(503, b"", *dates), task()).url).query("t")
    assert clock.sleeps == [9.0]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("61", marks=pytest.mark.fault("R-07")),
        pytest.param("100", marks=pytest.mark.fault("R-07")),
        pytest.param("99999999", marks=pytest.mark.fault("R-08", "R-17")),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", marks=pytest.mark.fault("R-13", "R-17")),
    ],
)
def test_retry_after_above_60_s_is_raised_at_once(make: Maker, serve: Serve, clock: FakeTime, value: str) -> None:
    """A Retry-After above 60 s is neither slept nor shortened: the error is raised at once with its value."""
    server = serve(http(503, b"", ("Retry-After", value)))
    with pytest.raises(k.ServerError) as caught:
        make(server.url).query("t")
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= 61
    assert (len(server.requests), clock.sleeps) == (1, [])


@pytest.mark.fault("R-16")
def test_retry_after_beyond_the_deadline_ends_the_wait_at_once(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A Retry-After that outlasts the wait ends it at once, and the error holds its value."""
    server = serve(http(429, b"", ("Retry-After", "20")))
    with pytest.raises(k.TaskTimeoutError) as caught:
        make(server.url).wait("t", timeout=15)
    assert isinstance(caught.value.last_error, k.RateLimitError)
    assert (caught.value.last_error.retry_after, clock.sleeps, len(server.requests)) == (20.0, [], 1)


@pytest.mark.fault("R-17")
@pytest.mark.parametrize("value", ["99999999", "1e400", "nan", "-5", "inf", "9" * 12, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_every_sleep_of_a_wait_is_positive_and_bounded(make: Maker, serve: Serve, clock: FakeTime, value: str) -> None:
    """Whatever Retry-After says, each sleep of a wait is a number above 0, and bounded."""
    server = serve(*[http(429, b"", ("Retry-After", value)), task(retry_after=value)] * 3, completed())
    with suppress(k.KkiaiError):
        make(server.url, max_retries=1).wait("t", timeout=None)
    assert all(0 < nap <= 60 for nap in clock.sleeps)


def test_error_lists_every_attempt(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """Its attempts list status or fault and the delay of each attempt; nothing is slept after the last."""
    server = serve(error_reply(500, "oops"), http(429, b"", ("Retry-After", "3")), json_reply("odd"), http(503))
    with pytest.raises(k.ServerError) as caught:
        make(server.url).query("t")
    statuses = [(each.status, each.delay) for each in caught.value.attempts]
    assert statuses == [(500, 0.5), (429, 3.0), (200, 2.0), (503, 0.0)]
    assert caught.value.attempts[0] == Attempt(500, "oops", 0.5)
    assert clock.sleeps == [0.5, 3.0, 2.0]


@pytest.mark.parametrize(
    ("of_client", "of_call", "tries"), [(0, None, 1), (3, 0, 1), (0, 2, 3), (1, None, 2), (5, 5, 6)]
)
def test_max_retries_of_the_call_overrides_that_of_the_client(
    make: Maker, serve: Serve, of_client: int, of_call: int | None, tries: int
) -> None:
    """max_retries is the client's, or the call's where it gives one."""
    server = serve(*[http(503)] * 9)
    with pytest.raises(k.ServerError) as caught:
        make(server.url, max_retries=of_client).query("t", max_retries=of_call)
    assert (len(server.requests), len(caught.value.attempts)) == (tries, tries)


def test_retry_policy_sets_delay_limit_and_longest_retry_after(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """RetryPolicy sets the first delay, its limit, and the longest Retry-After."""
    server = serve(http(503), http(503), http(503), http(503, b"", ("Retry-After", "100")), task())
    policy = RetryPolicy(initial_delay=3, max_delay=5, max_retry_after=100)
    make(server.url, max_retries=9, retry=policy).query("t")
    assert clock.sleeps == [3.0, 5.0, 5.0, 100.0]


def test_client_and_copies_share_one_retry_budget(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """The retries of a client and its copies share one budget; each success gives one back."""
    server = serve(*[http(503)] * 4, task(), *[http(503)] * 9)
    client = make(server.url, retry=RetryPolicy(budget=3))
    tries = []
    for asker in (client, client.with_options(timeout=9), client, client):
        before = len(server.requests)
        with suppress(k.ServerError):
            asker.query("t", max_retries=2)
        tries.append(len(server.requests) - before)
    # Two retries are spent; the third buys the success, which gives one back; that is spent; nothing is left.
    assert tries == [3, 2, 2, 1]
    assert clock.sleeps == [0.5, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_post_is_never_sent_twice(make: Maker, serve: Serve, method: str) -> None:
    """A request that may have changed something is never sent twice, neither by retry nor by redirect."""
    server = serve(http(503), http(307, b"", ("Location", "/elsewhere")))
    client = make(server.url)
    for _ in range(2):
        with pytest.raises(k.APIStatusError):
            raw_request(client, method, "/v1/videos", content=b'{"a": 1}')
    assert [(each.method, each.target, each.body) for each in server.requests] == [
        (method, "/v1/videos", b'{"a": 1}')
    ] * 2


@pytest.mark.parametrize(
    "options",
    [
        *[{"timeout": value} for value in (0, -1, float("nan"), float("inf"), True, "5")],
        *[{"max_retries": value} for value in (-1, 1.5, 101, True)],
        *[{"extra_headers": value} for value in ({"a b": "c"}, {"a": "b\nc: d"}, {"Authorization": "Bearer x"})],
    ],
)
def test_invalid_option_of_a_call_is_refused_by_name(make: Maker, serve: Serve, options: dict[str, object]) -> None:
    """Options out of their range are refused by name before any request."""
    server = serve()
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        make(server.url).query("t", **options)  # type: ignore[arg-type]
    assert server.requests == []


def test_key_echoed_by_the_gateway_is_redacted(make: Maker, serve: Serve) -> None:
    """A gateway that repeats the key in its error does not get it into ours."""
    server = serve(error_reply(401, message=f"token {KEY} and sk-abc***xyz are not valid"))
    with pytest.raises(k.AuthenticationError) as caught:
        make(server.url).query("t")
    assert "token *** and sk-*** are not valid" in str(caught.value)
    assert "sk-abc" not in repr(vars(caught.value))
