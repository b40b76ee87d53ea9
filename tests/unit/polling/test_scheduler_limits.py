"""Limits of the scheduler: concurrency, rate, number of waiting tasks, and the effect of errors on them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kkiai_sdk import ConfigurationError, PollPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.poll_state import MAX_POLL_RETRY_AFTER, End, PollState
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits, WaitForResponse
from tests.unit.polling.wait_simulation import FATAL, NOT_FOUND, RESET, RUNNING, busy, rate_limited
from tests.unit.support import START


def scheduler(limits: SchedulerLimits, *task_ids: str, policy: PollPolicy | None = None, tries: int = 1) -> Scheduler:
    """A scheduler that starts at START and has admitted these ids."""
    made = Scheduler(limits, policy or PollPolicy(), RetryBudget(100), now=START, timeout=1800.0, tries=tries)
    for task_id in task_ids:
        made.admit(task_id)
    return made


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ((8, None, 10_000), SchedulerLimits(8, math.inf, 10_000)),
        ((8, math.inf, 10_000), SchedulerLimits(8, math.inf, 10_000)),
        ((1, 0.5, 1), SchedulerLimits(1, 0.5, 1)),
        ((1000, 1_000_000, 10_000_000), SchedulerLimits(1000, 1e6, 10_000_000)),
    ],
)
def test_limits_in_range_are_kept(given: tuple[int, float | None, int], limits: SchedulerLimits) -> None:
    """Limits in range are kept; no limit of the rate is infinity."""
    assert SchedulerLimits.of(*given) == limits


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((0, 1, 1), "max_concurrency must be a whole number from 1 to 1,000, not 0"),
        ((1001, 1, 1), "max_concurrency must be a whole number from 1 to 1,000, not 1001"),
        ((None, 1, 1), "max_concurrency must be a whole number from 1 to 1,000, not NoneType"),
        ((1, 0, 1), r"max_requests_per_second must be a number greater than 0 and at most 1,000,000, not 0"),
        (
            (1, 1_000_000.5, 1),
            r"max_requests_per_second must be a number greater .* 1,000,000, not 1000000.5",
        ),
        ((1, "1", 1), r"max_requests_per_second must be a number greater than 0 and at most 1,000,000, not str"),
        ((1, 1, 0), "max_waiting must be a whole number from 1 to 10,000,000, not 0"),
        ((1, 1, 10_000_001), "max_waiting must be a whole number from 1 to 10,000,000, not 10000001"),
        ((1, 1, None), "max_waiting must be a whole number from 1 to 10,000,000, not NoneType"),
    ],
)
def test_limits_out_of_range_are_rejected(given: tuple[Any, Any, Any], told: str) -> None:
    """A limit out of range is rejected, with the option and its range."""
    with pytest.raises(ConfigurationError, match=f"^{told}$"):
        SchedulerLimits.of(*given)


def test_tasks_in_flight_or_retrying_count_as_waiting() -> None:
    """Tasks in flight, and tasks whose last query failed, count as waiting."""
    full = scheduler(SchedulerLimits(4, waiting=2), "a", "b")
    assert [full.step(START), full.step(START)] == [PollTask("a", 1800.0), PollTask("b", 1800.0)]
    assert full.step(START) == WaitForResponse(math.inf)
    full.failed("a", RESET, START, 0.0)
    full.failed("b", RESET, START, 0.0)
    assert isinstance(full.step(START), Sleep)


@pytest.mark.parametrize("way", ["failed", "refused"])
def test_failed_task_makes_room_for_the_next_id(way: str) -> None:
    """A task that ends by an error makes room for the next id, which is due from then on."""
    full = scheduler(SchedulerLimits(1, waiting=1), "a")
    assert full.step(START) == PollTask("a", 1800.0)
    end = full.failed("a", FATAL, START + 3, 0.0) if way == "failed" else full.not_sent("a", FATAL, START + 3)
    assert (end.end, full.step(START + 3)) == (End.BROKEN, AdmitTask())
    full.admit("b")
    assert full.step(START + 3) == PollTask("b", 1797.0)
    assert full.answered("b", RUNNING, START + 3, 0.0).started == START + 3


@pytest.mark.parametrize(("failure", "ends_doubt"), [(NOT_FOUND, True), (busy(), False)], ids=["not found", "busy"])
def test_probing_ends_with_any_answer_but_overload(failure: Any, ends_doubt: bool) -> None:  # noqa: FBT001 (a column of the table)
    """After a rate limit error any answer, "not found" too, ends probing; an overload error does not."""
    four = scheduler(SchedulerLimits(4), "a", "b", "c", "d")
    four.close_admission()
    four.step(START)
    four.failed("a", rate_limited(), START, 0.0)
    assert four.step(START + 3) == PollTask("b", 1797.0)
    assert four.step(START + 3) == WaitForResponse(math.inf)
    four.failed("b", failure, START + 3, 0.0)
    assert four.step(START + 3) == PollTask("c", 1797.0)
    assert four.step(START + 3) == (PollTask("d", 1797.0) if ends_doubt else WaitForResponse(math.inf))


def test_too_long_retry_after_delays_one_task_only() -> None:
    """A Retry-After that is too long to be kept delays only the task that received it."""
    two = scheduler(SchedulerLimits(4), "a", "b", policy=PollPolicy(min_interval=0.5))
    two.close_admission()
    two.step(START)
    two.failed("a", rate_limited(MAX_POLL_RETRY_AFTER + 1), START, 0.0)
    assert two.step(START) == Sleep(START + 0.5)


def test_attempts_of_one_query_count_as_one_error() -> None:
    """With three attempts per query, a wait that tolerates one failed query ends with the third attempt."""
    one = scheduler(SchedulerLimits(4), "a", policy=PollPolicy(max_consecutive_errors=1), tries=3)
    one.close_admission()
    now, ends = START, []
    for _ in range(3):
        assert isinstance(one.step(now), PollTask)
        history = one.failed("a", RESET, now, 0.0)
        ends.append(history.end)
        now = history.due
    assert ends == [None, None, End.BROKEN]


def test_each_attempt_counts_as_an_error_by_default() -> None:
    """Without a number of attempts each failed one counts."""
    one = Scheduler(
        SchedulerLimits(1), PollPolicy(max_consecutive_errors=1), RetryBudget(100), now=START, timeout=1800.0
    )
    one.admit("a")
    one.step(START)
    assert one.failed("a", RESET, START, 0.0).end is End.BROKEN


@pytest.mark.parametrize(
    ("at", "budget"), [(1799.0, 1.0), (1799.5, 1.0), (1800.0, 5.0), (1803.0, 2.0), (1804.0, 1.0)], ids=str
)
def test_poll_timeout_is_the_time_left(at: float, budget: float) -> None:
    """A poll may take the time left, at least a second; after the deadline, the rest of the five seconds."""
    two = scheduler(SchedulerLimits(1), "a", "b")
    two.close_admission()
    two.step(START)
    # Awake at the deadline.
    assert two.step(START + min(at, 1800.0)) == WaitForResponse(math.inf)
    two.answered("a", RUNNING, START + at, 0.0)
    assert two.step(START + at) == PollTask("b", budget)


def test_expired_task_makes_room_for_the_next_id() -> None:
    """A task that expires without a final poll makes room for the next id."""
    full = scheduler(SchedulerLimits(1, waiting=2), "a", "b")
    full.step(START)
    assert full.step(START + 1800.0) == WaitForResponse(math.inf)
    full.answered("a", RUNNING, START + 1804.5, 0.0)
    ended = full.step(START + 1804.5)
    assert isinstance(ended, PollState)
    assert (ended.task_id, ended.end) == ("b", End.TIMED_OUT)
    assert full.step(START + 1804.5) == AdmitTask()


def test_task_expired_by_the_rate_makes_room_for_the_next_id() -> None:
    """A task that the rate leaves no time for expires, and the next id is admitted while another is in flight."""
    slow = Scheduler(SchedulerLimits(2, 0.1, waiting=2), PollPolicy(), RetryBudget(100), now=START, timeout=5.0)
    slow.admit("a")
    slow.admit("b")
    assert slow.step(START) == PollTask("a", 5.0)
    expired = slow.step(START)
    assert isinstance(expired, PollState)
    assert expired.task_id == "b"
    assert slow.step(START) == AdmitTask()


def test_pause_until_the_deadline_is_followed_by_a_final_poll() -> None:
    """A pause that ends exactly at the deadline is kept and followed by a final poll."""
    two = Scheduler(SchedulerLimits(4), PollPolicy(), RetryBudget(100), now=START, timeout=10.0)
    two.admit("a")
    two.admit("b")
    two.close_admission()
    two.step(START)
    assert two.failed("a", rate_limited(9.0), START + 1, 0.0).end is None
    assert two.step(START + 1) == Sleep(START + 10)


def test_ready_tasks_come_before_retrying_ones() -> None:
    """Of equally overdue tasks those whose last query succeeded come first."""
    two = scheduler(SchedulerLimits(4), "a", "b")
    two.close_admission()
    two.step(START)
    two.step(START)
    ill, well = two.failed("a", RESET, START, 0.0), two.answered("b", RUNNING, START, 0.0)
    assert ill.due == well.due
    assert two.step(well.due) == PollTask("b", START + 1800.0 - well.due)


def test_timeout_zero_polls_each_task_once() -> None:
    """With a timeout of 0 every task is polled once, whatever the rate and the duration of earlier polls."""
    two = Scheduler(SchedulerLimits(1, per_second=0.1), PollPolicy(), RetryBudget(100), now=START, timeout=0.0)
    two.admit("a")
    two.admit("b")
    two.close_admission()
    assert two.step(START) == PollTask("a", math.inf)
    assert two.answered("a", RUNNING, START + 6, 0.0).end is End.TIMED_OUT
    assert isinstance(two.step(START + 6), Sleep)
    assert two.step(START + 10) == PollTask("b", math.inf)
