"""Whether and when one failed request is sent again."""

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


def verdict(
    error: APIError = PASSING,
    *,
    left: int = 3,
    retry: int = 0,
    deadline: float = math.inf,
    policy: RetryPolicy = POLICY,
    random: float = 0.5,
) -> float | None:
    """What is done about an error at START."""
    return retry_time(error, retries_left=left, retry=retry, now=START, deadline=deadline, policy=policy, random=random)


@pytest.mark.parametrize(("retry", "delay"), [*enumerate([0.5, 1, 2, 4, 8, 8, 8]), (99, 8), (10**6, 8)])
def test_delays(retry: int, delay: float) -> None:
    """The delay doubles from half a second and stops growing at 8 s."""
    assert backoff(retry, POLICY, 0.5) == delay
    assert verdict(retry=retry, left=1) == START + delay


@pytest.mark.parametrize(("random", "delay"), [(0.0, 1.5), (0.5, 2.0), (1.0, 2.5)])
def test_jitter(random: float, delay: float) -> None:
    """Chance moves a delay by a quarter either way."""
    assert backoff(2, POLICY, random) == delay


@given(
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.builds(RetryPolicy, initial_delay=st.floats(0, 3600), max_delay=st.floats(0, 3600), jitter=st.floats(0, 1)),
)
@FIXED
def test_delays_stay_within_their_bounds(retry: int, random: float, policy: RetryPolicy) -> None:
    """No delay is negative, infinite, or above the cap by more than the jitter."""
    delay = backoff(retry, policy, random)
    assert 0 <= delay <= policy.max_delay * (1 + policy.jitter)
    assert delay <= policy.initial_delay * 2.0 ** min(retry, 40) * (1 + policy.jitter)


PASSES = [408, 409, 425, 429, 500, 502, 503, 504, *range(520, 531), 599]
STAYS = [300, 304, 400, 401, 402, 403, 404, 410, 422, 499, 501, 505, 600, 999]


@pytest.mark.parametrize(("status", "again"), [(s, True) for s in PASSES] + [(s, False) for s in STAYS])
def test_statuses(status: int, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """Overload, conflicts and server trouble are tried again; a refusal never is."""
    assert (verdict(refused(status)) is not None) == again


@pytest.mark.parametrize(("body", "again"), [(b"", True), (b"cow", True), (b"[]", True), (b"<html>", False)])
def test_broken_answers(body: bytes, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A success status with a broken body is tried again; a web page is not."""
    assert (verdict(refused(200, body)) is not None) == again


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
def test_errors(error: APIError, expected: float | None) -> None:
    """A passing error is tried again, at the server's wish if that is later; one that asks for too long is raised."""
    assert verdict(error) == expected


@pytest.mark.parametrize(("left", "again"), [(0, False), (-1, False), (1, True)])
def test_retries_left(left: int, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """There is no retry when none is left."""
    assert (verdict(left=left) is not None) == again


@pytest.mark.parametrize(("after", "again"), [(0.0, False), (0.5, False), (0.51, True), (-5.0, False)])
def test_deadlines(after: float, again: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A retry that would not start before the deadline is not waited for."""
    assert (verdict(deadline=START + after) is not None) == again


@pytest.mark.fault("R-16")
def test_a_pause_is_never_shortened() -> None:
    """A Retry-After that does not fit before the deadline ends the request at once."""
    slow = RateLimitError("slow", status_code=429, transient=True, retry_after=20.0)
    assert verdict(slow, deadline=START + 20.0) is None
    assert verdict(slow, deadline=START + 20.5) == START + 20.0
    assert verdict(slow, policy=RetryPolicy(max_retry_after=19.9)) is None


def test_no_delay_at_all() -> None:
    """A policy without delays tries again at once."""
    assert verdict(policy=RetryPolicy(initial_delay=0)) == START


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 8))
@FIXED
def test_the_budget_stays_within_its_range(steps: list[bool], capacity: int) -> None:
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
def test_threads_that_take_the_last_retry() -> None:
    """Of two threads that want the last retry one gets it, wherever the one is when the other has its turn."""
    for during in steps(RetryBudget.spend):
        budget, taken = RetryBudget(1), list[bool]()
        taken.append(during(budget.spend, partial(_take, budget, taken)))
        assert (taken.count(True), budget.left) == (1, 0)


def _take(budget: RetryBudget, taken: list[bool]) -> None:
    taken.append(budget.spend())


@pytest.mark.fault("T-11")
@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_threads_that_give_back(capacity: int) -> None:
    """What two threads give back at once is all there, up to the capacity."""
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
def test_an_outage_is_not_multiplied() -> None:
    """Of a thousand failures as many are repeated as the capacity says."""
    budget = RetryBudget(POLICY.budget)
    assert sum(budget.spend() for _ in range(1000)) == 100
