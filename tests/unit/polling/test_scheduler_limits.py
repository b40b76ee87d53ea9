"""How much many waiting tasks may do at once, and what a failure changes about it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kkiai_sdk import ConfigurationError, PollPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.poll_state import MAX_POLL_RETRY_AFTER, End
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits, TaskExpired, WaitForResponse
from tests.unit.polling.wait_simulation import FATAL, NOT_FOUND, RESET, RUNNING, busy, slow_down
from tests.unit.support import START


def fleet(limits: SchedulerLimits, *task_ids: str, policy: PollPolicy | None = None, tries: int = 1) -> Scheduler:
    """A fleet that starts at START and has taken in these ids."""
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
def test_limits(given: tuple[int, float | None, int], limits: SchedulerLimits) -> None:
    """SchedulerLimits within their ranges are kept; no limit of the pace is an infinite one."""
    assert SchedulerLimits.of(*given) == limits


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((0, 1, 1), "max_concurrency must be a whole number from 1 to 1000, not 0"),
        ((1001, 1, 1), "max_concurrency must be a whole number from 1 to 1000, not 1001"),
        ((None, 1, 1), "max_concurrency must be a whole number from 1 to 1000, not NoneType"),
        ((1, 0, 1), r"max_requests_per_second must be a number above 0 up to 1e\+06, not 0"),
        ((1, 1_000_000.5, 1), r"max_requests_per_second must be a number above 0 up to 1e\+06, not 1000000.5"),
        ((1, "1", 1), r"max_requests_per_second must be a number above 0 up to 1e\+06, not str"),
        ((1, 1, 0), "max_waiting must be a whole number from 1 to 10000000, not 0"),
        ((1, 1, 10_000_001), "max_waiting must be a whole number from 1 to 10000000, not 10000001"),
        ((1, 1, None), "max_waiting must be a whole number from 1 to 10000000, not NoneType"),
    ],
)
def test_bad_limits(given: tuple[Any, Any, Any], told: str) -> None:
    """What is out of range is refused, with the option and its range."""
    with pytest.raises(ConfigurationError, match=f"^{told}$"):
        SchedulerLimits.of(*given)


def test_tasks_count_wherever_they_are() -> None:
    """Those that are being asked about, and those whose last query failed, take up room like those that wait."""
    full = fleet(SchedulerLimits(4, waiting=2), "a", "b")
    assert [full.step(START), full.step(START)] == [PollTask("a", 1800.0), PollTask("b", 1800.0)]
    assert full.step(START) == WaitForResponse(math.inf)
    full.failed("a", RESET, START, 0.0)
    full.failed("b", RESET, START, 0.0)
    assert isinstance(full.step(START), Sleep)


@pytest.mark.parametrize("way", ["failed", "refused"])
def test_room_after_a_failure(way: str) -> None:
    """A task whose wait a failure has ended makes room for the next id, which is due from then on."""
    full = fleet(SchedulerLimits(1, waiting=1), "a")
    assert full.step(START) == PollTask("a", 1800.0)
    end = full.failed("a", FATAL, START + 3, 0.0) if way == "failed" else full.not_sent("a", FATAL, START + 3)
    assert (end.end, full.step(START + 3)) == (End.BROKEN, AdmitTask())
    full.admit("b")
    assert full.step(START + 3) == PollTask("b", 1797.0)
    assert full.answered("b", RUNNING, START + 3, 0.0).started == START + 3


@pytest.mark.parametrize(("failure", "ends_doubt"), [(NOT_FOUND, True), (busy(), False)], ids=["not found", "busy"])
def test_what_ends_doubt(failure: Any, ends_doubt: bool) -> None:  # noqa: FBT001 (a column of the table)
    """After "too many requests" a gateway that answers, be it with "not found", is well again; a busy one is not."""
    four = fleet(SchedulerLimits(4), "a", "b", "c", "d")
    four.close_admission()
    four.step(START)
    four.failed("a", slow_down(), START, 0.0)
    assert four.step(START + 3) == PollTask("b", 1797.0)
    assert four.step(START + 3) == WaitForResponse(math.inf)
    four.failed("b", failure, START + 3, 0.0)
    assert four.step(START + 3) == PollTask("c", 1797.0)
    assert four.step(START + 3) == (PollTask("d", 1797.0) if ends_doubt else WaitForResponse(math.inf))


def test_a_pause_that_is_no_pause() -> None:
    """A pause that is too long to be kept holds up nobody but the task that got it."""
    two = fleet(SchedulerLimits(4), "a", "b", policy=PollPolicy(min_interval=0.5))
    two.close_admission()
    two.step(START)
    two.failed("a", slow_down(MAX_POLL_RETRY_AFTER + 1), START, 0.0)
    assert two.step(START) == Sleep(START + 0.5)


def test_tries_that_count_as_one_failure() -> None:
    """With three tries to a query, a wait that puts up with one failed query ends with the third."""
    one = fleet(SchedulerLimits(4), "a", policy=PollPolicy(max_consecutive_errors=1), tries=3)
    one.close_admission()
    now, ends = START, []
    for _ in range(3):
        assert isinstance(one.step(now), PollTask)
        history = one.failed("a", RESET, now, 0.0)
        ends.append(history.end)
        now = history.due
    assert ends == [None, None, End.BROKEN]


def test_a_try_is_a_failure_unless_said() -> None:
    """Without a number of tries each failed one counts."""
    one = Scheduler(
        SchedulerLimits(1), PollPolicy(max_consecutive_errors=1), RetryBudget(100), now=START, timeout=1800.0
    )
    one.admit("a")
    one.step(START)
    assert one.failed("a", RESET, START, 0.0).end is End.BROKEN


@pytest.mark.parametrize(
    ("at", "budget"), [(1799.0, 1.0), (1799.5, 1.0), (1800.0, 5.0), (1803.0, 2.0), (1804.0, 1.0)], ids=str
)
def test_the_time_of_a_last_look(at: float, budget: float) -> None:
    """A question takes what is left, a second at least; after the deadline, what is left of the five seconds."""
    two = fleet(SchedulerLimits(1), "a", "b")
    two.close_admission()
    two.step(START)
    # Awake at the deadline.
    assert two.step(START + min(at, 1800.0)) == WaitForResponse(math.inf)
    two.answered("a", RUNNING, START + at, 0.0)
    assert two.step(START + at) == PollTask("b", budget)


def test_room_after_the_end_of_time() -> None:
    """A task that ends unasked makes room like any other."""
    full = fleet(SchedulerLimits(1, waiting=2), "a", "b")
    full.step(START)
    assert full.step(START + 1800.0) == WaitForResponse(math.inf)
    full.answered("a", RUNNING, START + 1804.5, 0.0)
    ended = full.step(START + 1804.5)
    assert isinstance(ended, TaskExpired)
    assert (ended.state.task_id, ended.state.end) == ("b", End.TIMED_OUT)
    assert full.step(START + 1804.5) == AdmitTask()


def test_a_pause_to_the_deadline() -> None:
    """A pause that ends with the time of the wait is kept: there is a last look after it."""
    two = Scheduler(SchedulerLimits(4), PollPolicy(), RetryBudget(100), now=START, timeout=10.0)
    two.admit("a")
    two.admit("b")
    two.close_admission()
    two.step(START)
    assert two.failed("a", slow_down(9.0), START + 1, 0.0).end is None
    assert two.step(START + 1) == Sleep(START + 10)


def test_those_who_do_well_come_first() -> None:
    """Of the equally overdue, those whose last query was answered come before those whose last one failed."""
    two = fleet(SchedulerLimits(4), "a", "b")
    two.close_admission()
    two.step(START)
    two.step(START)
    ill, well = two.failed("a", RESET, START, 0.0), two.answered("b", RUNNING, START, 0.0)
    assert ill.due == well.due
    assert two.step(well.due) == PollTask("b", START + 1800.0 - well.due)


def test_without_time_each_is_asked_once() -> None:
    """With a timeout of 0 every task is asked about once, however long the pace and those before it take."""
    two = Scheduler(SchedulerLimits(1, per_second=0.1), PollPolicy(), RetryBudget(100), now=START, timeout=0.0)
    two.admit("a")
    two.admit("b")
    two.close_admission()
    assert two.step(START) == PollTask("a", math.inf)
    assert two.answered("a", RUNNING, START + 6, 0.0).end is End.TIMED_OUT
    assert isinstance(two.step(START + 6), Sleep)
    assert two.step(START + 10) == PollTask("b", math.inf)
