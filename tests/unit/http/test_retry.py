"""Retry decisions, delays and the retry budget."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import APIConnectionError, APIError, BadRequestError, RateLimitError, RetryPolicy, ServerError
from kkiai_sdk._http.retry import RetryBudget, backoff, retry_time
from tests.support.interleaving import steps
from tests.unit.support import FIXED, START, refused

POLICY = RetryPolicy()
PASSING = APIConnectionError("reset", transient=True)


def decision(
    error: APIError = PASSING,
    *,
    left: int = 3,
    retry: int = 0,
    deadline: float = math.inf,
    policy: RetryPolicy = POLICY,
    random: float = 0.5,
) -> float | None:
    """The retry decision about an error at START."""
    return retry_time(error, retries_left=left, retry=retry, now=START, deadline=deadline, policy=policy, random=random)


@pytest.mark.parametrize(("retry", "delay"), [*enumerate([0.5, 1, 2, 4, 8, 8, 8]), (99, 8), (10**6, 8)])
def test_delay_doubles_up_to_the_maximum(retry: int, delay: float) -> None:
    """The delay doubles from half a second and stops growing at 8 s."""
    assert backoff(retry, POLICY, 0.5) == delay
    assert decision(retry=retry, left=1) == START + delay


@pytest.mark.parametrize(("random", "delay"), [(0.0, 1.5), (0.5, 2.0), (1.0, 2.5)])
def test_jitter_changes_the_delay_by_a_quarter(random: float, delay: float) -> None:
    """The jitter changes a delay by up to a quarter in both directions."""
    assert backoff(2, POLICY, random) == delay


@given(
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.builds(RetryPolicy, initial_delay=st.floats(0, 3600), max_delay=st.floats(0, 3600), jitter=st.floats(0, 1)),
)
@FIXED
def test_any_delay_is_within_its_bounds(retry: int, random: float, policy: RetryPolicy) -> None:
    """No delay is negative, infinite, or above the cap by more than the jitter."""
    delay = backoff(retry, policy, random)
    assert 0 <= delay <= policy.max_delay * (1 + policy.jitter)
    assert delay <= policy.initial_delay * 2.0 ** min(retry, 40) * (1 + policy.jitter)


PASSES = [408, 409, 425, 429, 500, 502, 503, 504, *range(520, 531), 599]
STAYS = [300, 304, 400, 401, 402, 403, 404, 410, 422, 499, 501, 505, 600, 999]


@pytest.mark.parametrize(("status", "again"), [(s, True) for s in PASSES] + [(s, False) for s in STAYS])
def test_status_decides_whether_to_retry(status: int, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """Overload, conflicts and server errors are retried; other refusals never are."""
    assert (decision(refused(status)) is not None) == again


@pytest.mark.parametrize(("body", "again"), [(b"", True), (b"cow", True), (b"[]", True), (b"<html>", False)])
def test_broken_body_is_retried_but_a_page_is_not(body: bytes, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A success status with a broken body is tried again; a web page is not."""
    assert (decision(refused(200, body)) is not None) == again


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PASSING, START + 0.5),
        (APIConnectionError("certificate", kind="tls"), None),
        (RateLimitError("slow", status_code=429, transient=True, retry_after=0.0), START + 0.5),
        (RateLimitError("slow", status_code=429, transient=True, retry_after=0.25), START + 0.5),
        (RateLimitError("slow", status_code=429, transient=True, retry_after=7.0), START + 7),
        (ServerError("busy", status_code=503, transient=True, retry_after=60.0), START + 60),
        (ServerError("busy", status_code=503, transient=True, retry_after=60.001), None),
        (ServerError("busy", status_code=503, transient=True, retry_after=99999999.0), None),
        (ServerError("channel", status_code=503, transient=False, retry_after=1.0), None),
        (BadRequestError("bad", status_code=400, retry_after=1.0), None),
    ],
    ids=str,
)
def test_transient_error_is_retried_at_backoff_or_retry_after(error: APIError, expected: float | None) -> None:
    """A transient error is retried after the backoff, or later if Retry-After says so; too long a pause gives up."""
    assert decision(error) == expected


@pytest.mark.parametrize(("left", "again"), [(0, False), (-1, False), (1, True)])
def test_no_retries_left_gives_up(left: int, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """There is no retry when none is left."""
    assert (decision(left=left) is not None) == again


@pytest.mark.parametrize(("after", "again"), [(0.0, False), (0.5, False), (0.51, True), (-5.0, False)])
def test_retry_after_the_deadline_gives_up(after: float, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A retry that would start after the deadline is given up at once."""
    assert (decision(deadline=START + after) is not None) == again


@pytest.mark.fault("R-16")
def test_retry_after_beyond_the_deadline_gives_up() -> None:
    """A Retry-After that does not fit before the deadline ends the request at once."""
    slow = RateLimitError("slow", status_code=429, transient=True, retry_after=20.0)
    assert decision(slow, deadline=START + 20.0) is None
    assert decision(slow, deadline=START + 20.5) == START + 20.0
    assert decision(slow, policy=RetryPolicy(max_retry_after=19.9)) is None


def test_policy_without_delay_retries_at_once() -> None:
    """A policy without delays tries again at once."""
    assert decision(policy=RetryPolicy(initial_delay=0)) == START


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 8))
@FIXED
def test_budget_stays_between_zero_and_capacity(steps: list[bool], capacity: int) -> None:
    """However retries and successes alternate, the budget is never under 0 or over its capacity."""
    budget = RetryBudget(capacity)
    expected = capacity
    for is_retry in steps:
        if is_retry:
            assert budget.spend() is (expected > 0)
            expected = max(expected - 1, 0)
        else:
            budget.refund()
            expected = min(expected + 1, capacity)
        assert budget.left == expected


@pytest.mark.fault("T-11")
def test_last_retry_goes_to_one_of_two_threads() -> None:
    """Of two threads that spend the last retry one gets it, at every interleaving."""
    for during in steps(RetryBudget.spend):
        budget, taken = RetryBudget(1), list[bool]()
        taken.append(during(budget.spend, partial(_take, budget, taken)))
        assert (taken.count(True), budget.left) == (1, 0)


def _take(budget: RetryBudget, taken: list[bool]) -> None:
    taken.append(budget.spend())


@pytest.mark.fault("T-11")
@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_refunds_of_two_threads_are_all_counted(capacity: int) -> None:
    """Refunds of two threads at the same time are all counted, up to the capacity."""
    for during in steps(RetryBudget.refund):
        budget, given = RetryBudget(capacity), [None]
        while budget.spend():
            pass
        during(budget.refund, partial(_give, budget, given))
        assert budget.left == min(len(given), capacity)


def _give(budget: RetryBudget, given: list[None]) -> None:
    budget.refund()
    given.append(None)


@pytest.mark.fault("T-11")
def test_outage_spends_no_more_retries_than_the_capacity() -> None:
    """Of a thousand failures as many are repeated as the capacity says."""
    budget = RetryBudget(POLICY.budget)
    assert sum(budget.spend() for _ in range(1000)) == 100
