"""The state of one wait: time of the next poll, and the conditions under which the wait ends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve

from kkiai_sdk import APIError, ConfigurationError, PollPolicy, TaskFailure, TaskState, VideoTask
from kkiai_sdk._polling.poll_state import (
    FINAL_POLL_TIMEOUT,
    MAX_RETRY_AFTER,
    End,
    PollState,
    after_error,
    begin,
    is_change,
    poll_timeout,
    without_extras,
)
from tests.unit.polling.wait_simulation import (
    DONE,
    FAILED,
    FATAL,
    NO_URL,
    NOT_FOUND,
    PENDING,
    RESET,
    RUNNING,
    UNKNOWN,
    Event,
    QueryOutcome,
    apply,
    busy,
    rate_limited,
    simulate,
)
from tests.unit.support import ASKED, START

POLICY = PollPolicy()


def waiting(*, timeout: float = 1800.0, **changes: Any) -> PollState:
    """The state of a wait that began at START, with changes."""
    return evolve(begin(ASKED, START, timeout), **changes)


def test_new_wait_has_its_id_start_and_deadline() -> None:
    """A new wait has the id, the start, the deadline, and a first poll that is due now."""
    state = begin("grok:1", START, 60.0)
    assert (state.task_id, state.started, state.deadline, state.due) == ("grok:1", START, START + 60.0, START)


def test_first_poll_is_made_at_once() -> None:
    """A wait begins with a poll, without a sleep."""
    assert (waiting().due, poll_timeout(waiting(), START)) == (START, 1800.0)


def test_finished_task_takes_one_poll() -> None:
    """A task that has ended already costs one poll and no sleep."""
    trace = simulate([Event(DONE)], POLICY, 1800.0)
    assert (len(trace.polls), trace.sleeps, trace.history.end, trace.history.task) == (1, (), End.DONE, DONE)


@pytest.mark.parametrize(
    ("elapsed", "random", "gap"),
    [(0, 0.0, 3.0), (0, 1.0, 2.7), (100, 0.0, 5.0), (100, 0.5, 4.75), (600, 0.0, 15.0), (6000, 0.0, 15.0)],
)
def test_gap_after_an_answer_is_the_policy_gap_less_jitter(elapsed: float, random: float, gap: float) -> None:
    """The gap after an answer is the policy's gap, shortened by the jitter."""
    now = START + elapsed
    history = apply(waiting(timeout=math.inf), Event(RUNNING, random=random), now, POLICY)
    assert history.due - now == pytest.approx(gap)
    assert poll_timeout(history, history.due) == math.inf


@pytest.mark.parametrize(
    ("hint", "gap"), [(None, 3.0), (0.0, 3.0), (2.0, 3.0), (7.5, 7.5), (60.0, 60.0), (61.0, 60.0), (99999999.0, 60.0)]
)
def test_retry_after_of_a_success_lengthens_the_gap(hint: float | None, gap: float) -> None:
    """A Retry-After on a success makes the gap longer, never shorter, and at most a minute."""
    assert apply(waiting(), Event(PENDING, retry_after=hint, random=0.0), START, POLICY).due == START + gap


@pytest.mark.parametrize(
    ("pause", "gap"), [(None, 3.0), (0.0, 3.0), (7.5, 7.5), (600.0, 600.0), (MAX_RETRY_AFTER, 1800.0)]
)
def test_retry_after_of_an_error_lengthens_the_gap_or_ends_the_wait(pause: float | None, gap: float) -> None:
    """A Retry-After on an error makes the gap longer; one that outlasts the wait ends it."""
    history = apply(waiting(), Event(busy(pause), random=0.0), START, POLICY)
    assert history.due == START + gap
    assert history.end is (End.TIMED_OUT if pause == MAX_RETRY_AFTER else None)


ENDS: dict[str, tuple[PollState, Event, float, End | None]] = {
    "success": (waiting(), Event(DONE), 5, End.DONE),
    "failure": (waiting(), Event(FAILED), 5, End.DONE),
    "success at the deadline": (waiting(), Event(DONE), 1800, End.DONE),
    "success after the deadline": (waiting(), Event(DONE), 1804, End.DONE),
    "failure after the deadline": (waiting(), Event(FAILED), 1804, End.DONE),
    "running": (waiting(), Event(RUNNING), 5, None),
    "running at the deadline": (waiting(), Event(RUNNING), 1800, End.TIMED_OUT),
    "unknown": (waiting(), Event(UNKNOWN), 1799, None),
    "unknown at the deadline": (waiting(), Event(UNKNOWN), 1800, End.TIMED_OUT),
    "no URL": (waiting(), Event(NO_URL), 5, None),
    "no URL for a minute": (waiting(url_missing_since=START + 5), Event(NO_URL), 65, End.VIDEO_MISSING),
    "no URL for nearly a minute": (waiting(url_missing_since=START + 5), Event(NO_URL), 64.9, None),
    "no URL at the deadline": (waiting(), Event(NO_URL), 1800, End.VIDEO_MISSING),
    "a URL after all": (waiting(url_missing_since=START), Event(DONE), 100, End.DONE),
    "no URL, then an error at the deadline": (waiting(url_missing_since=START), Event(RESET), 1800, End.VIDEO_MISSING),
    "passing error": (waiting(), Event(RESET), 5, None),
    "passing error just before the deadline": (waiting(), Event(RESET), 1799.5, None),
    "passing error at the deadline": (waiting(), Event(RESET), 1800, End.TIMED_OUT),
    "ninth error": (waiting(errors_in_row=8), Event(RESET), 5, None),
    "tenth error": (waiting(errors_in_row=9), Event(RESET), 5, End.BROKEN),
    "tenth error at the deadline": (waiting(errors_in_row=9), Event(RESET), 1800, End.BROKEN),
    "refusal": (waiting(), Event(FATAL), 5, End.BROKEN),
    "refusal while a URL is missing": (waiting(url_missing_since=START), Event(FATAL), 5, End.BROKEN),
    "not found": (waiting(), Event(NOT_FOUND), 59.9, None),
    "not found after a minute": (waiting(), Event(NOT_FOUND), 60, End.BROKEN),
    "not found after many errors": (waiting(errors_in_row=9), Event(NOT_FOUND), 5, None),
    "not found at a short deadline": (waiting(timeout=10), Event(NOT_FOUND), 10, End.TIMED_OUT),
    "pause that fits": (waiting(timeout=10), Event(rate_limited(5)), 5, None),
    "pause that does not fit": (waiting(timeout=10), Event(rate_limited(5.5)), 5, End.TIMED_OUT),
    "pause of an hour": (waiting(timeout=math.inf), Event(rate_limited(MAX_RETRY_AFTER)), 5, None),
    "pause of three years": (waiting(timeout=math.inf), Event(rate_limited(99999999)), 5, End.BROKEN),
}


@pytest.mark.parametrize("case", ENDS)
def test_each_answer_or_error_ends_the_wait_or_not_as_documented(case: str) -> None:
    """Each kind of answer and error ends the wait, or does not, as documented."""
    history, event, elapsed, end = ENDS[case]
    after = apply(history, event, START + elapsed, POLICY)
    assert after.end is end
    assert after.polls == history.polls + 1


@pytest.mark.fault("T-03")
def test_timeout_zero_makes_one_poll() -> None:
    """With a timeout of 0 one poll is made, with the client's own timeout, and its answer is the end."""
    assert poll_timeout(waiting(timeout=0.0), START) == math.inf
    ends: list[tuple[QueryOutcome, End]] = [
        (DONE, End.DONE),
        (RUNNING, End.TIMED_OUT),
        (RESET, End.TIMED_OUT),
        (NO_URL, End.VIDEO_MISSING),
    ]
    for outcome, end in ends:
        trace = simulate([Event(outcome, latency=20.0)], POLICY, 0.0)
        assert (len(trace.polls), trace.sleeps, trace.history.end) == (1, (), end)


def test_deadline_is_followed_by_one_final_poll() -> None:
    """A sleep is cut short at the deadline and followed by one poll, which may take five seconds."""
    trace = simulate([Event(RUNNING, random=0.0), Event(DONE, latency=4.5)], POLICY, 2.0)
    assert trace.sleeps == ((START + 0.125, START + 2.0),)
    assert [(poll.asked, poll.budget) for poll in trace.polls] == [(START, 2.0), (START + 2.0, 5.0)]
    assert (trace.history.end, trace.ended) == (End.DONE, START + 6.5)


def test_answer_resets_the_error_count() -> None:
    """An answer resets the count of consecutive errors; the last task and the last error are both kept."""
    events = [Event(RUNNING), Event(RESET), Event(NOT_FOUND), Event(RESET), Event(PENDING), Event(RESET), Event(DONE)]
    trace = simulate(events, POLICY, 1800.0)
    assert [poll.after.errors_in_row for poll in trace.polls] == [0, 1, 1, 2, 0, 1, 0]
    assert [poll.after.polls for poll in trace.polls] == [1, 2, 3, 4, 5, 6, 7]
    assert (trace.history.task, trace.history.last_error) == (DONE, RESET)


@pytest.mark.fault("T-10")
def test_alternating_errors_and_answers_never_end_the_wait() -> None:
    """Errors that are not in a row never end a wait: the deadline does."""
    events = [Event(busy()), Event(RUNNING)] * 200
    trace = simulate(events, PollPolicy(max_consecutive_errors=2), 600.0)
    assert (trace.history.end, trace.ended) == (End.TIMED_OUT, START + 600.125)


def test_missing_url_resets_the_gap_to_the_minimum() -> None:
    """After a success without a URL the gap is the first one again, however long the wait has been."""
    late = apply(waiting(), Event(NO_URL, random=0.0), START + 700, POLICY)
    assert late.due == START + 703
    assert late.url_missing_since == START + 700


def test_running_state_after_a_missing_url_restarts_the_grace() -> None:
    """A task that runs again after a success without a URL starts the grace period again."""
    gone = apply(waiting(url_missing_since=START), Event(RUNNING), START + 50, POLICY)
    assert gone.url_missing_since is None
    assert apply(gone, Event(NO_URL), START + 90, POLICY).end is None


def test_error_does_not_restart_the_grace_for_a_missing_url() -> None:
    """An error in between does not start the grace period again."""
    after = apply(waiting(url_missing_since=START), Event(RESET), START + 50, POLICY)
    assert after.url_missing_since == START


@pytest.mark.fault("T-02")
def test_wake_after_the_deadline_makes_one_final_poll() -> None:
    """A wait that was suspended past its deadline, as on a laptop, makes one final poll."""
    asleep = waiting(due=START + 3, polls=1, task=RUNNING)
    assert poll_timeout(asleep, START + 7200) == FINAL_POLL_TIMEOUT
    assert apply(asleep, Event(DONE), START + 7201, POLICY).end is End.DONE
    assert apply(asleep, Event(RUNNING), START + 7201, POLICY).end is End.TIMED_OUT


def test_without_extras_drops_undocumented_fields_only() -> None:
    """Only undocumented fields are removed from the state of one of many tasks."""
    full = evolve(RUNNING, progress=0.5, enhanced_prompt="a cow", extra={"cow": 1}, raw={"status": "running", "cow": 1})
    before = waiting(task=full, polls=3)
    after = without_extras(before)
    assert after == evolve(before, task=evolve(full, extra={}, raw={}))
    assert without_extras(after) is after
    assert without_extras(waiting()) == waiting()


def test_without_extras_keeps_a_missing_status() -> None:
    """A snapshot without a status has none afterwards."""
    after = without_extras(waiting(task=evolve(RUNNING, status=None, raw={"cow": 1})))
    assert after.task == evolve(RUNNING, status=None)


@pytest.mark.fault("T-02")
def test_query_suspended_past_the_deadline_is_followed_by_one_final_poll() -> None:
    """A query that failed because the machine was suspended past the deadline is followed by exactly one more."""
    asked = apply(begin(ASKED, START, 60.0), Event(RUNNING), START + 1.0, POLICY)
    woken = apply(asked, Event(RESET), START + 7200.0, POLICY, sent=START + 59.0)
    assert woken.end is None
    assert woken.due <= START + 7200.0
    assert poll_timeout(woken, START + 7200.0) == FINAL_POLL_TIMEOUT
    assert apply(woken, Event(RESET), START + 7205.0, POLICY, sent=START + 7200.0).end is End.TIMED_OUT
    assert apply(woken, Event(DONE), START + 7205.0, POLICY, sent=START + 7200.0).end is End.DONE


@pytest.mark.parametrize(
    ("event", "sent", "back"),
    [
        (Event(RESET), 59.0, 60.0),
        (Event(RESET), 59.5, 61.0),
        (Event(RESET), 60.0, 65.0),
        (Event(busy(1.0)), 59.0, 7200.0),
        (Event(RUNNING), 59.0, 7200.0),
    ],
    ids=["at the deadline", "a second later", "asked at the deadline", "a pause", "an answer"],
)
def test_final_poll_is_the_last_poll(event: Event, sent: float, back: float) -> None:
    """Any answer or error of the final poll, a pause included, ends the wait."""
    asked = apply(begin(ASKED, START, 60.0), Event(RUNNING), START + 1.0, POLICY)
    assert apply(asked, event, START + back, POLICY, sent=START + sent).end is End.TIMED_OUT


@pytest.mark.parametrize("gap", [0, -1, math.nan, math.inf, 86_401, True, None, "3"])
def test_invalid_gap_of_a_custom_schedule_is_rejected(gap: Any) -> None:
    """A gap of a custom schedule that is no number of seconds in range is rejected by name, before any sleep."""

    class Odd(PollPolicy):
        def gap(self, elapsed: float) -> float:
            return gap  # type: ignore[no-any-return]

    with pytest.raises(ConfigurationError, match=r"Odd\.gap\(\) must be a number of seconds greater than 0"):
        apply(waiting(), Event(RUNNING), START, Odd())


@pytest.mark.parametrize(("tries", "last"), [(1, 10), (4, 40)])
def test_attempts_of_one_query_count_as_one_error(tries: int, last: int) -> None:
    """If each attempt is a query of its own, as many as one query would make count as one error."""
    history = waiting()
    for number in range(1, last + 1):
        history = after_error(history, RESET, START + number, POLICY, 0.5, sent=START, tries=tries)
        assert (history.end is End.BROKEN) is (number == last)


CHANGES: list[tuple[VideoTask, bool]] = [
    (RUNNING, False),
    (evolve(RUNNING, status_update_time=1764756435, request_id="r-2", raw={"a": 1}, extra={"a": 1}), False),
    (evolve(RUNNING, answered_id="7f3c", enhanced_prompt="a cow"), False),
    (evolve(RUNNING, state=TaskState.PENDING), True),
    (evolve(RUNNING, status="RUNNING"), True),
    (evolve(RUNNING, progress=0.5), True),
    (evolve(RUNNING, video_url="https://cdn.example/a"), True),
    (evolve(RUNNING, failure=TaskFailure("no cows")), True),
]


@pytest.mark.parametrize(("after", "changed"), CHANGES, ids=range(len(CHANGES)))
def test_change_of_a_documented_field_is_a_change(after: VideoTask, changed: bool) -> None:  # noqa: FBT001 (a column of the table)
    """State, status, progress, URL and failure are changes; timestamp, request id and other fields are not."""
    assert is_change(RUNNING, after) is changed
    assert is_change(None, after)


@pytest.mark.parametrize(
    "error", [RESET, NOT_FOUND, FATAL, busy(5), rate_limited()], ids=lambda error: type(error).__name__
)
def test_error_keeps_the_last_snapshot(error: APIError) -> None:
    """An error does not take away the last snapshot."""
    after = apply(waiting(task=RUNNING), Event(error), START + 5, POLICY)
    assert (after.task, after.last_error) == (RUNNING, error)
