"""Refusals of a task that has been seen: how many a wait tolerates, and for how long."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    PollPolicy,
    QuotaExceededError,
    ServerError,
    TaskNotFoundError,
    TaskState,
    VideoTask,
)
from kkiai_sdk._polling.poll_state import MAX_RETRY_AFTER, End, PollState, begin, is_about_task, is_refusal
from tests.unit.polling.wait_simulation import (
    BLANK,
    DONE,
    EMPTY,
    FATAL,
    NOT_FOUND,
    PAGE,
    POLICIES,
    RESET,
    RUNNING,
    Event,
    QueryOutcome,
    SimulatedWait,
    apply,
    busy,
    rate_limited,
    simulate,
    then_forever,
)
from tests.unit.support import ASKED, FIXED, START

#: A poll every 10 s.
EVEN = PollPolicy(min_interval=10, growth=0, max_interval=10, jitter=0, not_found_grace=0)
HTML = "<!doctype html><title>Back soon</title>"
TLS = APIConnectionError("certificate", kind="tls")


def wait(*outcomes: QueryOutcome, last: QueryOutcome, policy: PollPolicy = EVEN, timeout: float = 1800.0) -> Any:
    """A wait for a task with these outcomes, and then the last one until it ends; polls take no time."""
    events = then_forever([Event(each, latency=0.0) for each in outcomes], Event(last, latency=0.0))
    return simulate(events, policy, timeout)


def seconds(trace: SimulatedWait) -> float:
    """Duration of a wait."""
    return trace.ended - START


TOO_LARGE = APIResponseError("m", is_too_large=True)
REFUSALS: dict[str, APIError] = {
    "400": BadRequestError("m", status_code=400),
    "401": FATAL,
    "402": QuotaExceededError("m", status_code=402),
    "403": PermissionDeniedError("m", status_code=403),
    "404": NotFoundError("m", status_code=404),
    "501": ServerError("m", status_code=501),
    "302": APIStatusError("m", status_code=302),
    "task not found": NOT_FOUND,
    "empty body": EMPTY,
    "web page": PAGE,
    "web page under 503": ServerError("m", status_code=503, transient=True, body=f"\n{HTML}"),
    "certificate": TLS,
    "proxy without credentials": APIConnectionError("m", kind="proxy"),
}
OTHERS: dict[str, APIError] = {
    "503": busy(),
    "503 with JSON": ServerError("m", status_code=503, transient=True, body={"a": 1}),
    "503 with text": ServerError("m", status_code=503, transient=True, body="no"),
    "429": rate_limited(),
    "reset": RESET,
    "timeout": APITimeoutError("m", kind="timeout", transient=True),
    "no file descriptor": APIConnectionError("m", kind="connection"),
    "proxy": APIConnectionError("m", kind="proxy", transient=True),
    "body too large": TOO_LARGE,
    "TLS handshake cut": APIConnectionError("m", kind="tls", transient=True),
}


def test_body_that_is_too_large_ends_the_wait_for_a_task_seen_at_once() -> None:
    """A body over the limit is one error: reading it again and again for the grace would cost as much each time."""
    trace = wait(RUNNING, last=TOO_LARGE)
    assert (seconds(trace), trace.history.end, trace.history.last_error) == (10, End.BROKEN, TOO_LARGE)


@pytest.mark.parametrize("name", [*REFUSALS, *OTHERS])
def test_refusals_are_final_responses_and_unreadable_ones(name: str) -> None:
    """Final responses, unreadable ones and web pages are refusals; transient errors and faults of this machine not."""
    assert is_refusal((REFUSALS | OTHERS)[name]) is (name in REFUSALS)


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.fault("T-16")
def test_refusal_of_a_task_seen_ends_the_wait_when_it_is_repeated_and_lasts(name: str) -> None:
    """The wait ends with the refusal that is the last of max_refusals and refusal_grace after the first."""
    policy = evolve(EVEN, max_refusals=5, refusal_grace=90.0, max_consecutive_errors=1)
    trace = wait(RUNNING, last=REFUSALS[name], policy=policy)
    assert (trace.history.end, trace.history.last_error) == (End.BROKEN, REFUSALS[name])
    assert (seconds(trace), trace.history.refusals) == (100, 10)


@pytest.mark.parametrize(
    ("count", "grace", "ended", "refusals"),
    [(1, 0, 10, 1), (3, 0, 30, 3), (1, 30, 40, 4), (1, 31, 50, 5), (5, 40, 50, 5), (5, 30, 50, 5), (6, 40, 60, 6)],
)
def test_both_limits_of_refusals_must_be_reached(count: int, grace: float, ended: float, refusals: int) -> None:
    """A wait ends neither before max_refusals nor before refusal_grace, and at the poll that reaches both."""
    trace = wait(RUNNING, last=FATAL, policy=evolve(EVEN, max_refusals=count, refusal_grace=grace))
    assert (seconds(trace), trace.history.refusals) == (ended, refusals)


@pytest.mark.parametrize("name", [name for name, error in REFUSALS.items() if not error.transient])
def test_refusal_of_a_task_not_seen_ends_the_wait_at_once(name: str) -> None:
    """Before the first snapshot a final error ends the wait, also after transient errors."""
    assert seconds(wait(last=REFUSALS[name])) == 0
    assert seconds(wait(busy(), RESET, last=REFUSALS[name])) == 20


@pytest.mark.parametrize("name", ["empty body", "web page under 503"])
def test_transient_refusal_counts_as_both(name: str) -> None:
    """A transient refusal ends a wait when the limits of refusals and of transient errors are reached."""
    patient = evolve(EVEN, max_refusals=2, refusal_grace=0, max_consecutive_errors=7)
    assert seconds(wait(RUNNING, last=REFUSALS[name], policy=patient)) == 70
    strict = evolve(EVEN, max_refusals=4, refusal_grace=0, max_consecutive_errors=1)
    assert seconds(wait(RUNNING, last=REFUSALS[name], policy=strict)) == 40
    assert seconds(wait(last=REFUSALS[name], policy=strict)) == 0


def test_snapshot_ends_the_row_of_refusals() -> None:
    """After each snapshot the count and the time begin again."""
    row = [FATAL] * 9
    trace = wait(RUNNING, *row, RUNNING, *row, RUNNING, *row, last=DONE)
    assert (trace.history.end, trace.history.refusals, trace.history.refused_since) == (End.DONE, 0, None)


ABOUT: dict[str, dict[str, Any]] = {
    "status": {"status": "frying"},
    "answered id": {"answered_id": "x"},
    "video": {"video_url": "https://a/b.mp4", "state": TaskState.SUCCEEDED},
    "progress": {"progress": 0.0},
}
NOT_ABOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "empty status": {"status": ""},
    "extra": {"extra": {"data": None}, "raw": {"data": None}, "request_id": "r"},
}


@pytest.mark.parametrize("name", [*ABOUT, *NOT_ABOUT])
@pytest.mark.fault("T-16")
def test_task_is_seen_by_a_status_an_id_a_video_or_a_progress(name: str) -> None:
    """A snapshot with any of these is about the task, one of an empty object or envelope is not."""
    snapshot = VideoTask(id=ASKED, **(ABOUT | NOT_ABOUT)[name])
    assert is_about_task(snapshot) is (name in ABOUT)
    state = apply(begin(ASKED, START, math.inf), Event(snapshot), START, EVEN)
    assert (state.is_seen, state.task) == (name in ABOUT, snapshot)
    assert apply(state, Event(FATAL), START, EVEN).end is (None if name in ABOUT else End.BROKEN)


@pytest.mark.parametrize("row", [[BLANK], [BLANK, FATAL], [FATAL, BLANK, NOT_FOUND]])
@pytest.mark.fault("T-16")
def test_empty_response_about_a_task_seen_is_one_more_refusal(row: list[QueryOutcome]) -> None:
    """Empty responses, alone or in turn with errors, end the wait as refusals do, and keep the last snapshot."""
    trace = wait(RUNNING, *row * 9, last=BLANK)
    assert (trace.history.end, seconds(trace), trace.history.refusals) == (End.BROKEN, 100, 10)
    assert trace.history.task is RUNNING
    assert isinstance(trace.history.last_error, APIResponseError if row[0] is BLANK and len(row) == 1 else APIError)


def test_error_of_an_empty_response_says_so() -> None:
    """It has the gateway's id of the request, and at the deadline it is the last error of the timeout."""
    state = apply(begin(ASKED, START, 60.0), Event(RUNNING), START, EVEN)
    state = apply(state, Event(evolve(BLANK, request_id="r-1")), START + 60, EVEN)
    assert (state.end, str(state.last_error)) == (End.TIMED_OUT, "the response says nothing about the task")
    assert isinstance(state.last_error, APIResponseError)
    assert (state.last_error.request_id, state.last_error.transient) == ("r-1", False)


def test_empty_response_about_a_task_not_seen_is_no_refusal() -> None:
    """Until a task has been seen an empty response means not yet, and the first final error ends the wait."""
    trace = wait(last=BLANK, timeout=300)
    assert (trace.history.end, trace.history.refusals, seconds(trace)) == (End.TIMED_OUT, 0, 300)
    assert seconds(wait(BLANK, BLANK, last=FATAL)) == 20


@pytest.mark.parametrize(("pause", "gap"), [(None, 10), (5.0, 10), (30.0, 30), (9999.0, 60)])
def test_retry_after_of_an_empty_response_delays_the_next_poll(pause: float | None, gap: float) -> None:
    """It is honored as that of a snapshot is, up to a minute."""
    state = apply(begin(ASKED, START, math.inf), Event(RUNNING), START, EVEN)
    state = apply(state, Event(BLANK, retry_after=pause), START + 10, EVEN)
    assert (state.due, state.end) == (START + 10 + gap, None)


def test_transient_error_neither_counts_as_a_refusal_nor_ends_the_row() -> None:
    """Of refusals with transient errors in between, only the refusals count, and the time is that since the first."""
    policy = evolve(EVEN, max_refusals=3, refusal_grace=0)
    trace = wait(RUNNING, FATAL, busy(), RESET, FATAL, busy(), last=FATAL, policy=policy)
    assert (trace.history.refusals, trace.history.errors_in_row, seconds(trace)) == (3, 3, 60)


def test_refusals_do_not_count_as_transient_errors() -> None:
    """Transient errors among refusals end a wait when there are max_consecutive_errors of their own."""
    policy = evolve(EVEN, max_consecutive_errors=2)
    trace = wait(RUNNING, FATAL, FATAL, FATAL, busy(), FATAL, last=busy(), policy=policy)
    assert (trace.history.end, seconds(trace)) == (End.BROKEN, 60)


def test_different_refusals_are_one_row() -> None:
    """A redeploy answers in several ways: all count."""
    policy = evolve(EVEN, max_refusals=4, refusal_grace=0)
    trace = wait(RUNNING, FATAL, NOT_FOUND, PAGE, last=EMPTY, policy=evolve(policy, max_consecutive_errors=1))
    assert seconds(trace) == 40


def test_not_found_of_a_task_seen_is_a_refusal_from_the_first() -> None:
    """Within not_found_grace it counts, and does not end the wait."""
    policy = evolve(EVEN, max_refusals=2, refusal_grace=0, not_found_grace=35)
    trace = wait(RUNNING, last=NOT_FOUND, policy=policy)
    assert (seconds(trace), trace.history.refusals) == (40, 4)
    assert trace.polls[1].after.is_failing
    assert not wait(NOT_FOUND, last=DONE, policy=policy).polls[0].after.is_failing


def test_deadline_ends_a_wait_among_refusals() -> None:
    """At the deadline the wait times out with the refusal as its last error."""
    trace = wait(RUNNING, last=FATAL, timeout=45)
    assert (trace.history.end, trace.history.last_error, seconds(trace)) == (End.TIMED_OUT, FATAL, 45)


def test_long_pause_of_a_refusal_ends_the_wait() -> None:
    """A Retry-After longer than the longest pause ends the wait, also with a refusal."""
    for pause, end in ((MAX_RETRY_AFTER, None), (MAX_RETRY_AFTER + 1, End.BROKEN)):
        refusal = AuthenticationError("m", status_code=401, retry_after=pause)
        state = apply(apply(begin(ASKED, START, math.inf), Event(RUNNING), START, EVEN), Event(refusal), START, EVEN)
        assert (state.end, state.due) == (end, START + pause)


TIMEOUT = APITimeoutError("no response in time (0.001 s)", kind="timeout", transient=True)


def failed(*outcomes: QueryOutcome, at: float) -> PollState:
    """The state after outcomes at START, and after a timeout at a time, of a wait of 60 s."""
    state = begin(ASKED, START, 60.0)
    for outcome in outcomes:
        state = apply(state, Event(outcome), START, EVEN)
    return apply(state, Event(TIMEOUT), START + at, EVEN)


@pytest.mark.parametrize("fault", [busy(), FATAL, EMPTY, NOT_FOUND])
@pytest.mark.fault("T-17")
def test_timeout_at_the_deadline_keeps_the_error_before_it(fault: APIError) -> None:
    """The last error of a wait whose last request was cut off is the one before it."""
    state = failed(RUNNING, fault, at=60.0)
    assert (state.last_error, state.end, state.polls) == (fault, End.TIMED_OUT, 3)


def test_timeout_before_the_first_snapshot_keeps_not_found() -> None:
    """Of a task that was not found yet, the error stays that it was not found."""
    policy = evolve(EVEN, not_found_grace=99)
    state = apply(begin(ASKED, START, 60.0), Event(NOT_FOUND), START, policy)
    assert apply(state, Event(TIMEOUT), START + 60, policy).last_error is NOT_FOUND


@pytest.mark.parametrize("outcomes", [[], [RUNNING], [RUNNING, busy(), RUNNING]])
def test_timeout_at_the_deadline_without_error_before_it_is_the_last_error(outcomes: list[QueryOutcome]) -> None:
    """Without an error since the last snapshot the timeout itself is reported."""
    assert failed(*outcomes, at=60.0).last_error is TIMEOUT


def test_timeout_before_the_deadline_is_the_last_error() -> None:
    """A request that timed out before the deadline had its full time."""
    assert failed(RUNNING, busy(), at=59.0).last_error is TIMEOUT


@given(st.lists(st.sampled_from([FATAL, EMPTY, PAGE, NOT_FOUND, TLS, busy(), RESET]), max_size=40), POLICIES)
@FIXED
def test_wait_never_ends_by_a_refusal_before_both_limits(errors: list[APIError], policy: PollPolicy) -> None:
    """Whatever errors follow a snapshot, one that is final ends the wait only with both limits reached."""
    policy = evolve(policy, max_consecutive_errors=1_000_000)
    state = apply(begin(ASKED, START, math.inf), Event(RUNNING), START, policy)
    times: list[float] = []
    for error in errors:
        now = state.due
        times += [now] if is_refusal(error) else []
        state = apply(state, Event(error), now, policy)
        if state.end is not None:
            assert is_refusal(error)
            assert len(times) >= policy.max_refusals
            assert now - times[0] >= policy.refusal_grace or math.isclose(now - times[0], policy.refusal_grace)
            return
    assert state.refusals == len(times)
    assert isinstance(state.last_error, TaskNotFoundError | APIError) or not errors
