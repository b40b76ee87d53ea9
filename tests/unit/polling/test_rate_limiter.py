"""The request rate for one gateway: slowdown after a rate limit error, and recovery."""

from __future__ import annotations

import math

import pytest

from kkiai_sdk._polling.rate_limiter import MAX_BACKOFF, MIN_RATE, RateLimiter
from tests.unit.support import START


def refused_after(good: list[float], limit: float = 50.0) -> RateLimiter:
    """A limiter after successes at these seconds since the start, and a rate limit error at 3 s."""
    limiter = RateLimiter(START, limit, 2.0)
    for after in good:
        limiter.on_success(START + after)
    limiter.on_rate_limited(START + 3, START + 2.5, 0.0)
    return limiter


def test_new_limiter_permits_a_short_burst() -> None:
    """The first requests may be sent at once, as many as the rate permits in 50 ms; the next one comes at the rate."""
    limiter = RateLimiter(START, 50.0, 2.0)
    times = []
    for _ in range(4):
        times.append(limiter.next_time(math.inf))
        limiter.sent(START)
    assert times == [START, START, START, pytest.approx(START + 0.01, abs=1e-9)]


@pytest.mark.parametrize(
    ("good", "reached"),
    [
        ([], 50.0),
        ([2.5] * 10, 10.0),
        ([2.0] * 10, 10.0),
        ([0.5, *[1.75] * 20, *[2.75] * 10], 20.0),
        ([*[0.5] * 30, *[1.5] * 20, *[2.5] * 10], 20.0),
        ([*[0.5] * 40, 1.0, *[2.5] * 10], 10.0),
        ([2.5] * 90, 50.0),
    ],
    ids=["none", "some", "whole second", "one before", "two before", "on the second", "more than the limit"],
)
def test_rate_limit_error_lowers_the_rate_and_it_recovers(good: list[float], reached: float) -> None:
    """The rate falls to 70 % of the successes per second, and recovers within half a minute."""
    limiter = refused_after(good)
    assert limiter.per_second(START + 3) == pytest.approx(0.7 * reached)
    assert limiter.per_second(START + 18) == pytest.approx(0.85 * reached)
    assert limiter.per_second(START + 33) == pytest.approx(reached)


def test_rate_doubles_every_half_a_minute_after_it_has_recovered() -> None:
    """A refusal while one request per second was sent does not slow down fifty per second for hours."""
    limiter = refused_after([2.5])
    rates = [limiter.per_second(START + 3 + seconds) for seconds in (30, 60, 90, 120, 150, 180)]
    assert rates == pytest.approx([1, 1.3 * 2, 1.6 * 4, 1.9 * 8, 2.2 * 16, 50.0])
    assert limiter.per_second(START + 1e9) == 50.0


def test_rate_stays_between_minimum_and_limit() -> None:
    """The rate never falls below one request in ten seconds, and never exceeds the limit."""
    slow = refused_after([], limit=0.11)
    assert slow.per_second(START + 3) == MIN_RATE
    assert slow.per_second(START + 4) == pytest.approx(MIN_RATE + MIN_RATE / 30)
    assert slow.per_second(START + 999) == 0.11


def test_consecutive_rate_limit_errors_double_the_backoff() -> None:
    """Each rate limit error of a later request doubles the backoff, up to a minute; the rate falls once."""
    limiter = refused_after([])
    rests = []
    now = START + 3
    for _ in range(6):
        rests.append(limiter.backoff_until - now)
        sent, now = now, limiter.backoff_until
        limiter.on_rate_limited(now, sent, 0.0)
    assert rests == [2.0, 4.0, 8.0, 16.0, 32.0, MAX_BACKOFF]
    assert limiter.per_second(START + 18) == pytest.approx(42.5)
    assert limiter.is_probing


def test_rate_limit_error_of_an_earlier_request_counts_only_its_pause() -> None:
    """An error of a request sent before the last one changes no rate; its Retry-After counts."""
    limiter = refused_after([])
    limiter.on_rate_limited(START + 3.5, START + 2.75, 9.0)
    assert (limiter.backoff_until, limiter.retry_after_until) == (START + 5, START + 12.5)
    limiter.on_rate_limited(START + 4, START + 3, 0.0)
    assert (limiter.backoff_until, limiter.retry_after_until) == (START + 8, START + 12.5)


def test_success_ends_probing() -> None:
    """After one success the next rate limit error lowers the rate again, and the backoff starts again."""
    limiter = refused_after([])
    limiter.on_success(START + 6)
    assert not limiter.is_probing
    limiter.on_rate_limited(START + 6.5, START + 6, 0.0)
    assert limiter.backoff_until == START + 8.5
    assert limiter.per_second(START + 6.5) == pytest.approx(0.7)


def test_deadline_ends_a_backoff_but_no_requested_pause() -> None:
    """The next request comes after the backoff or at the deadline, and after a pause that the server requested."""
    limiter = refused_after([])
    assert (limiter.next_time(math.inf), limiter.next_time(START + 4)) == (START + 5, START + 4)
    limiter.on_rate_limited(START + 3.5, START + 2.75, 9.0)
    assert limiter.next_time(START + 4) == START + 12.5
