"""Whole waits on a virtual clock, with random scripts of answers, errors, pauses and latencies."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import APIError, PollPolicy, TaskNotFoundError, TaskState, VideoTask
from kkiai_sdk._polling.poll_state import (
    FINAL_POLL_TIMEOUT,
    MAX_POLL_RETRY_AFTER,
    MAX_RETRY_AFTER,
    MIN_POLL_TIMEOUT,
    End,
    begin,
)
from tests.unit.polling.wait_simulation import (
    DONE,
    EVENTS,
    POLICIES,
    RUNNING,
    TIMEOUTS,
    Event,
    SimulatedPoll,
    SimulatedWait,
    apply,
    simulate,
    then_forever,
)
from tests.unit.support import ASKED, FIXED, START

#: Clock readings carry rounding errors of this many seconds at most.
TINY = 1e-6

WAITS = st.builds(
    lambda events, policy, timeout: (
        simulate(then_forever(events, Event(DONE)), policy, timeout),
        policy,
        timeout,
    ),
    st.lists(EVENTS, max_size=25),
    POLICIES,
    TIMEOUTS,
)


def gaps(trace: SimulatedWait) -> list[tuple[SimulatedPoll, float]]:
    """Each poll but the last, with the seconds from its response to the next poll."""
    return [(poll, after.asked - poll.answered) for poll, after in zip(trace.polls, trace.polls[1:], strict=False)]


@pytest.mark.fault("T-04", "T-05")
@given(WAITS)
@FIXED
def test_no_sleep_passes_the_deadline(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """No sleep passes the deadline; only polls in flight and one final poll end later."""
    trace, _, timeout = wait
    deadline = START + timeout
    assert all(until <= deadline for _, until in trace.sleeps)
    late = [poll for poll in trace.polls if poll.asked >= deadline]
    assert len(late) <= 1
    assert late == list(trace.polls[-1:]) or not late
    assert all(poll.asked == deadline for poll in late)
    for poll in trace.polls:
        allowed = (
            30.0
            if deadline == START
            else FINAL_POLL_TIMEOUT
            if poll in late
            else max(deadline - poll.asked, MIN_POLL_TIMEOUT)
        )
        assert poll.answered - poll.asked <= allowed + TINY
    assert all(poll.after.end is not None for poll in trace.polls if poll.answered >= deadline)


@given(WAITS)
@FIXED
def test_wait_starts_at_once_and_ends_once(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """The first poll is made at once, every poll counts, and after the end there is none."""
    trace, _, _ = wait
    assert trace.polls[0].asked == START
    assert [poll.after.polls for poll in trace.polls] == list(range(1, len(trace.polls) + 1))
    assert [poll.after.end is not None for poll in trace.polls] == [False] * (len(trace.polls) - 1) + [True]
    assert trace.ended == trace.polls[-1].answered


@pytest.mark.fault("T-13")
@given(WAITS)
@FIXED
def test_every_sleep_advances_the_clock(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """Every sleep ends later than it begins, so no wait loops without time passing."""
    assert all(until > asleep for asleep, until in wait[0].sleeps)


@pytest.mark.fault("T-13")
@pytest.mark.parametrize("start", [1000.25, 123456789.123, 2.0**40 + 0.25])
def test_coarse_clock_advances_with_every_sleep(start: float) -> None:
    """With a coarse clock every sleep advances it too, and the wait ends."""
    policy = PollPolicy(min_interval=0.001, max_interval=0.001, jitter=0.5)
    trace = simulate(then_forever([], Event(RUNNING, latency=0.0003)), policy, 0.25, start=start)
    assert all(until > asleep for asleep, until in trace.sleeps)
    assert trace.history.end is End.TIMED_OUT


@given(WAITS)
@FIXED
def test_gap_is_the_policy_gap_unless_cut_or_lengthened(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """The gap after an answer is the policy's, shortened by the jitter at most, unless it was cut or made longer."""
    trace, policy, timeout = wait
    for poll, gap in gaps(trace):
        longest = policy.gap(poll.answered - START)
        if poll.after.url_missing_since is not None:
            longest = min(longest, policy.min_interval)
        at_deadline = poll.answered + gap >= START + timeout
        outcome = poll.event.outcome
        pause = outcome.retry_after if isinstance(outcome, APIError) else poll.event.retry_after
        if isinstance(outcome, VideoTask):
            pause = min(pause or 0.0, MAX_POLL_RETRY_AFTER)
        least = max(longest * (1 - policy.jitter) if poll.after.url_missing_since is None else 0.0, pause or 0.0)
        assert gap >= least - TINY or at_deadline
        if isinstance(outcome, VideoTask) or poll.after.url_missing_since is None:
            assert gap <= max(longest, pause or 0.0) + TINY


@pytest.mark.fault("R-16")
@given(WAITS)
@FIXED
def test_retry_after_is_never_shortened(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """After an error that asks for a pause, the next poll comes no earlier, not even at the deadline."""
    for poll, gap in gaps(wait[0]):
        if isinstance(poll.event.outcome, APIError):
            assert gap >= (poll.event.outcome.retry_after or 0.0) - TINY


@given(WAITS)
@FIXED
def test_every_end_has_a_documented_reason(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """A success wins; a wait breaks, times out or misses its video only for the documented reasons."""
    trace, policy, timeout = wait
    last, outcome = trace.polls[-1], trace.polls[-1].event.outcome
    task = outcome if isinstance(outcome, VideoTask) else None
    is_late = last.answered >= START + timeout
    missing_since = last.after.url_missing_since
    if task is not None and (task.is_failed or task.video_url):
        assert trace.history.end is End.DONE
    elif trace.history.end is End.BROKEN:
        assert isinstance(outcome, APIError)
        too_many = last.after.errors_in_row >= policy.max_consecutive_errors
        refused = not outcome.transient and not (
            isinstance(outcome, TaskNotFoundError) and last.answered - START < policy.not_found_grace
        )
        assert too_many or refused or (outcome.retry_after or 0.0) > MAX_RETRY_AFTER
    else:
        pause = outcome.retry_after or 0.0 if isinstance(outcome, APIError) else 0.0
        outlasts = last.answered + pause > START + timeout
        graceless = missing_since is not None and last.answered >= missing_since + policy.url_grace
        assert is_late or outlasts or graceless
        assert trace.history.end is (End.TIMED_OUT if missing_since is None else End.VIDEO_MISSING)


@given(WAITS)
@FIXED
def test_running_or_unknown_status_never_ends_the_wait(wait: tuple[SimulatedWait, PollPolicy, float]) -> None:
    """Before the deadline, a running task or an unknown status never ends the wait."""
    trace, _, timeout = wait
    for poll in trace.polls:
        outcome = poll.event.outcome
        goes_on = isinstance(outcome, VideoTask) and outcome.state in {
            TaskState.PENDING,
            TaskState.RUNNING,
            TaskState.UNKNOWN,
        }
        if goes_on and poll.answered < START + timeout:
            assert poll.after.end is None


def end_noticed_after(end: float, random: float) -> float:
    """Seconds until a wait notices a task that ends after ``end`` seconds, with responses without latency."""
    policy, history, now = PollPolicy(), begin(ASKED, START, math.inf), START
    while history.end is None:
        if now < history.due:
            now = history.due
        else:
            history = apply(history, Event(DONE if now - START >= end else RUNNING, random=random), now, policy)
    return now - START


@given(st.floats(0, 20_000), st.floats(0, 1))
@FIXED
def test_end_of_a_task_is_noticed_within_one_gap(end: float, random: float) -> None:
    """A task's end is noticed within 3 s plus 2 % of the time waited, never later than 15 s, and never too early."""
    late = end_noticed_after(end, random) - end
    assert 0 <= late <= min(3 + 0.02 * end, 15) + TINY
