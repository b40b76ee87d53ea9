"""The scheduler of a fleet: tasks with deadlines of their own that are admitted, extended and withdrawn at any time."""

from __future__ import annotations

import math

import pytest

from kkiai_sdk import PollPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, MIN_POLL_TIMEOUT, End
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits, WaitForResponse
from tests.unit.polling.wait_simulation import DONE, FATAL, RESET, RUNNING, busy
from tests.unit.support import START

#: A poll every 10 s.
EVEN = PollPolicy(min_interval=10, growth=0, max_interval=10, jitter=0)


def scheduler(*task_ids: str, deadline: float = math.inf, concurrency: int = 4, waiting: int = 99) -> Scheduler:
    """A scheduler without a deadline of all, that has admitted these ids with a deadline of their own."""
    limits = SchedulerLimits(concurrency, waiting=waiting)
    made = Scheduler(limits, EVEN, RetryBudget(100), now=START, timeout=math.inf)
    for task_id in task_ids:
        made.admit(task_id, started=START, deadline=deadline)
    made.close_admission()
    return made


def polled(*task_ids: str, deadline: float = math.inf) -> Scheduler:
    """A scheduler whose tasks were all polled once, at START."""
    made = scheduler(*task_ids, deadline=deadline)
    for task_id in task_ids:
        assert isinstance(made.step(START), PollTask)
        made.answered(task_id, RUNNING, START, 0.0)
    return made


def test_task_has_the_start_and_deadline_with_which_it_was_admitted() -> None:
    """It is due since it could be admitted, and polled for the last time at its deadline."""
    made = scheduler()
    made.open_admission(START + 2)
    assert made.step(START + 2) == AdmitTask()
    made.admit("a", started=START - 50, deadline=START + 8)
    made.close_admission()
    state = made.state_of("a")
    assert state is not None
    assert (state.started, state.deadline, state.due) == (START - 50, START + 8, START + 2)
    assert made.step(START + 2) == PollTask("a", 6.0)
    assert made.answered("a", RUNNING, START + 2, 0.0).due == START + 8


def test_admission_that_was_closed_can_be_opened_again() -> None:
    """The time since when there is an id never goes back."""
    made = scheduler()
    assert made.step(START) is None
    made.open_admission(START + 5)
    made.open_admission(START + 3)
    made.admit("a")
    state = made.state_of("a")
    assert state is not None
    assert (state.started, state.deadline, state.due) == (START + 5, math.inf, START + 5)
    made.close_admission()
    assert made.step(START + 5) == PollTask("a", math.inf)


@pytest.mark.parametrize(
    ("at", "timeout"),
    [(0, 60.0), (59.5, MIN_POLL_TIMEOUT), (60, FINAL_POLL_TIMEOUT), (3000, FINAL_POLL_TIMEOUT)],
)
def test_poll_timeout_is_the_time_left_of_the_task(at: float, timeout: float) -> None:
    """After its deadline it is that of a final poll, however late that is."""
    made = scheduler("a", deadline=START + 60)
    assert made.step(START + at) == PollTask("a", timeout)


def test_is_waiting_until_the_end() -> None:
    """A task waits while it is due, retried or in flight."""
    made = scheduler("a")
    assert [made.is_waiting("a"), made.is_waiting("b"), made.is_in_flight("a")] == [True, False, False]
    made.step(START)
    assert [made.is_waiting("a"), made.is_in_flight("a")] == [True, True]
    made.failed("a", RESET, START, 0.0)
    assert [made.is_waiting("a"), made.is_in_flight("a")] == [True, False]
    made.step(START + 10)
    made.answered("a", DONE, START + 10, 0.0)
    assert not made.is_waiting("a")


@pytest.mark.parametrize("outcome", [None, RUNNING, RESET])
def test_withdrawn_task_is_polled_no_more(outcome: object) -> None:
    """Before its first poll, after an answer and after an error."""
    made = scheduler("a", "b")
    if outcome:
        made.step(START)
        made.failed("a", RESET, START, 0.0) if outcome is RESET else made.answered("a", RUNNING, START, 0.0)
    made.withdraw("a", START)
    assert not made.is_waiting("a")
    assert made.state_of("a") is None
    assert made.step(START + 10) == PollTask("b", math.inf)
    assert made.step(START + 10) == WaitForResponse(math.inf)


def test_withdrawn_task_in_flight_keeps_its_place_among_requests() -> None:
    """It makes room for another id at once; its response is dropped, and a poll of another may follow then."""
    made = scheduler("a", concurrency=1, waiting=1)
    made.open_admission(START)
    made.step(START)
    assert made.step(START) == WaitForResponse(math.inf)
    made.withdraw("a", START + 1)
    made.withdraw("a", START + 1)
    assert (made.is_waiting("a"), made.is_in_flight("a")) == (False, True)
    assert made.step(START + 1) == WaitForResponse(math.inf)
    made.answered("a", RUNNING, START + 2, 0.0)
    assert made.state_of("a") is None
    assert made.step(START + 2) == AdmitTask()
    made.admit("b")
    assert made.step(START + 2) == PollTask("b", math.inf)


def test_withdrawn_task_makes_room_from_then_on() -> None:
    """An id that is admitted in its place is due since then."""
    made = scheduler("a", waiting=1)
    made.open_admission(START)
    made.step(START)
    made.withdraw("a", START + 7)
    assert made.step(START + 7) == AdmitTask()
    made.admit("b")
    state = made.state_of("b")
    assert state is not None
    assert state.due == START + 7


def test_withdrawing_an_unknown_task_does_nothing() -> None:
    """Neither one that was never admitted nor one that has ended."""
    made = scheduler("a", waiting=1)
    made.step(START)
    made.answered("a", DONE, START, 0.0)
    made.withdraw("a", START + 5)
    made.withdraw("b", START + 5)
    made.open_admission(START)
    made.admit("c")
    state = made.state_of("c")
    assert state is not None
    assert state.due == START


@pytest.mark.parametrize("ends", [False, True])
def test_response_for_a_withdrawn_task_is_dropped(*, ends: bool) -> None:
    """It comes back in no queue, whether it ends the task or not."""
    made = scheduler("a")
    made.step(START)
    made.withdraw("a", START)
    if ends:
        made.failed("a", FATAL, START, 0.0)
    else:
        made.answered("a", RUNNING, START, 0.0)
    assert made.step(START + 99) is None
    made.open_admission(START + 99)
    assert made.step(START + 99) == AdmitTask()


def test_extended_task_waits_until_the_later_deadline() -> None:
    """An earlier one changes nothing; the time of its next poll stays."""
    made = polled("a", deadline=START + 15)
    for deadline, expected in ((12, 15), (15, 15), (40, 40)):
        state = made.extend("a", START + deadline)
        assert state is not None
        assert (state.deadline, state.due) == (START + expected, START + 10)
    assert made.step(START + 10) == PollTask("a", 30.0)
    for deadline, expected in ((20, 40), (70, 70)):
        state = made.extend("a", START + deadline)
        assert state is not None
        assert state.deadline == START + expected
    assert made.answered("a", RUNNING, START + 41, 0.0).end is None


def test_extended_retry_stays_a_retry() -> None:
    """A task whose last poll failed is extended like another one."""
    made = scheduler("a", deadline=START + 15)
    made.step(START)
    made.failed("a", RESET, START, 0.0)
    state = made.extend("a", START + 90)
    assert state is not None
    assert (state.deadline, state.errors_in_row) == (START + 90, 1)
    assert made.step(START + 10) == PollTask("a", 80.0)


def test_task_that_was_not_admitted_cannot_be_extended() -> None:
    """There is no state of it."""
    assert scheduler("a").extend("b", START + 9) is None


def test_withdrawn_task_in_flight_waits_again_when_it_is_extended() -> None:
    """Its response counts, and it counts as waiting."""
    made = scheduler("a", waiting=1)
    made.open_admission(START)
    made.step(START)
    made.withdraw("a", START)
    assert made.extend("a", START + 60) is not None
    assert made.is_waiting("a")
    assert made.step(START) == WaitForResponse(math.inf)
    assert made.answered("a", DONE, START, 0.0).end is End.DONE


@pytest.mark.parametrize("outcome", [RUNNING, busy()])
def test_hastened_task_is_due_now(outcome: object) -> None:
    """After an answer and after an error; one that has been due for longer keeps its place."""
    made = scheduler("a", "b")
    made.step(START)
    made.step(START)
    made.answered("b", RUNNING, START, 0.0)
    if outcome is RUNNING:
        made.answered("a", RUNNING, START, 0.0)
    else:
        made.failed("a", busy(), START, 0.0)
    made.hasten("a", START + 2)
    assert made.step(START + 1) == Sleep(START + 2)
    made.hasten("a", START + 5)
    state = made.state_of("a")
    assert state is not None
    assert state.due == START + 2
    assert made.step(START + 2) == PollTask("a", math.inf)
    made.hasten("a", START + 2)
    made.hasten("nobody", START + 2)
    assert made.step(START + 2) == WaitForResponse(START + 10)


def test_poll_that_was_given_up_leaves_no_trace_but_its_time() -> None:
    """The task is due now, with the state before; one that was withdrawn is forgotten."""
    made = polled("a", "b")
    assert [made.step(START + 10), made.step(START + 10)] == [PollTask("a", math.inf), PollTask("b", math.inf)]
    made.withdraw("b", START + 10)
    made.not_polled("a", START + 12)
    made.not_polled("b", START + 12)
    state = made.state_of("a")
    assert state is not None
    assert (state.polls, state.due, state.task) == (1, START + 12, RUNNING)
    assert made.step(START + 12) == PollTask("a", math.inf)
    assert made.step(START + 12) == WaitForResponse(math.inf)


def test_state_is_that_before_the_poll_in_flight() -> None:
    """It is also known for a task that was withdrawn meanwhile."""
    made = polled("a")
    before = made.state_of("a")
    made.step(START + 10)
    made.withdraw("a", START + 10)
    assert made.state_of("a") == before


@pytest.mark.parametrize(("count", "sleep"), [(99, 0.0), (100, 0.05)])
def test_shortest_sleep_of_many_tasks(count: int, sleep: float) -> None:
    """A process that waits for a hundred wakes up at most twenty times a second."""
    assert scheduler(*(f"t{number}" for number in range(count))).min_sleep() == sleep
