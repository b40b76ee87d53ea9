"""The pace of the requests to one gateway: what a refusal does to it, and how it recovers."""

from __future__ import annotations

import pytest

from kkiai_sdk._polling.rate_limiter import MAX_BACKOFF, MIN_RATE, RateLimiter
from tests.unit.support import START


def refused_after(good: list[float], limit: float = 50.0) -> RateLimiter:
    """A pace with good answers so many seconds after the start, and a refusal 3 s after it."""
    pace = RateLimiter(START, limit, 2.0)
    for after in good:
        pace.on_success(START + after)
    pace.on_rate_limited(START + 3, START + 2.5, 0.0)
    return pace


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
def test_a_refusal_slows_down(good: list[float], reached: float) -> None:
    """The pace falls to 70 % of what went well in a second, and is what it was half a minute later."""
    pace = refused_after(good)
    assert pace.per_second(START + 3) == pytest.approx(0.7 * reached)
    assert pace.per_second(START + 18) == pytest.approx(0.85 * reached)
    assert pace.per_second(START + 33) == pytest.approx(reached)


def test_the_pace_has_bounds() -> None:
    """It never falls below a request in ten seconds, and never exceeds the limit."""
    slow = refused_after([], limit=0.11)
    assert slow.per_second(START + 3) == MIN_RATE
    assert slow.per_second(START + 4) == pytest.approx(MIN_RATE + MIN_RATE / 30)
    assert slow.per_second(START + 999) == 0.11


def test_refusals_in_a_row() -> None:
    """Each refusal of a later request doubles the rest, up to a minute; the pace falls once."""
    pace = refused_after([])
    rests = []
    now = START + 3
    for _ in range(6):
        rests.append(pace.backoff_until - now)
        sent, now = now, pace.backoff_until
        pace.on_rate_limited(now, sent, 0.0)
    assert rests == [2.0, 4.0, 8.0, 16.0, 32.0, MAX_BACKOFF]
    assert pace.per_second(START + 18) == pytest.approx(42.5)
    assert pace.is_probing


def test_refusals_of_what_was_on_its_way() -> None:
    """A request that was sent before the last refusal tells nothing new; a pause that it brings counts."""
    pace = refused_after([])
    pace.on_rate_limited(START + 3.5, START + 2.75, 9.0)
    assert (pace.backoff_until, pace.retry_after_until) == (START + 5, START + 12.5)
    pace.on_rate_limited(START + 4, START + 3, 0.0)
    assert (pace.backoff_until, pace.retry_after_until) == (START + 8, START + 12.5)


def test_a_good_answer_ends_doubt() -> None:
    """After one good answer the next refusal slows down again, and its rest begins anew."""
    pace = refused_after([])
    pace.on_success(START + 6)
    assert not pace.is_probing
    pace.on_rate_limited(START + 6.5, START + 6, 0.0)
    assert pace.backoff_until == START + 8.5
    assert pace.per_second(START + 6.5) == pytest.approx(0.7)
