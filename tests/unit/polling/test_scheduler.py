"""Many waiting tasks: who is asked when, on a virtual clock."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import ConfigurationError, PollPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, MIN_POLL_TIMEOUT, End
from kkiai_sdk._polling.scheduler import (
    AdmitTask,
    AllDone,
    PollTask,
    Scheduler,
    SchedulerLimits,
    TaskExpired,
    WaitForResponse,
)
from tests.unit.polling.scheduler_simulation import Play, sail
from tests.unit.polling.wait_simulation import (
    DONE,
    FAILED,
    FATAL,
    RESET,
    RUNNING,
    Event,
    QueryOutcome,
    busy,
    slow_down,
)
from tests.unit.support import FIXED, START

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import APIError


def fleet(*task_ids: str, timeout: float = 1800.0, max_concurrency: int = 4, retries: int = 100) -> Scheduler:
    """A fleet that starts at START and has taken in these ids."""
    made = Scheduler(SchedulerLimits(max_concurrency), PollPolicy(), RetryBudget(retries), now=START, timeout=timeout)
    for task_id in task_ids:
        made.admit(task_id)
    made.close_admission()
    return made


def test_no_tasks() -> None:
    """A fleet asks for ids first; when there are none it is finished."""
    empty = Scheduler(SchedulerLimits(4), PollPolicy(), RetryBudget(100), now=START, timeout=60.0)
    assert empty.step(START) == AdmitTask()
    empty.close_admission()
    assert empty.step(START) == AllDone()


def test_ids_are_taken_in_one_by_one() -> None:
    """The next id is wanted when it can be asked about, and not before: that is all that an iterator is read."""
    lazy = Scheduler(SchedulerLimits(1), PollPolicy(), RetryBudget(100), now=START, timeout=60.0)
    assert lazy.step(START) == AdmitTask()
    lazy.admit("a")
    assert lazy.step(START) == PollTask("a", 60.0)
    assert lazy.step(START) == WaitForResponse(math.inf)
    lazy.answered("a", RUNNING, START + 1, 0.5)
    assert lazy.step(START + 1) == AdmitTask()


def test_no_more_than_may_wait_are_taken_in() -> None:
    """With ``waiting`` tasks in, the next id is wanted when one has ended; it is due from then on."""
    full = Scheduler(SchedulerLimits(1, waiting=2), PollPolicy(), RetryBudget(100), now=START, timeout=60.0)
    for task_id in ("a", "b"):
        assert full.step(START) == AdmitTask()
        full.admit(task_id)
        assert isinstance(full.step(START), PollTask)
        due = full.answered(task_id, RUNNING, START, 0.5).due
    assert full.step(START) == Sleep(due)
    assert full.step(due) == PollTask("a", 60.0 - (due - START))
    full.answered("a", DONE, due + 4, 0.5)
    # The other one has been due for longer than there has been room.
    assert full.step(due + 4) == PollTask("b", 56.0 - (due - START))
    full.answered("b", RUNNING, due + 4, 0.5)
    assert full.step(due + 4) == AdmitTask()


def test_steps_of_one_task() -> None:
    """One task is asked about, awaited, slept for, asked again, and then the fleet is finished."""
    one = fleet("a")
    assert one.step(START) == PollTask("a", 1800.0)
    assert one.step(START) == WaitForResponse(math.inf)
    history = one.answered("a", RUNNING, START + 0.5, 0.0)
    assert history.end is None
    assert one.step(START + 0.5) == Sleep(history.due) == Sleep(START + 0.5 + 3.01)
    assert one.step(history.due) == PollTask("a", START + 1800.0 - history.due)
    assert one.answered("a", DONE, START + 4, 0.0).end is End.DONE
    assert one.step(START + 4) == AllDone()


def test_two_in_flight_and_one_waiting() -> None:
    """While answers are on their way the fleet awaits them, at most until the next task is due."""
    two = fleet("a", "b", max_concurrency=1)
    assert isinstance(two.step(START), PollTask)
    assert two.step(START) == WaitForResponse(math.inf)
    due = two.answered("a", RUNNING, START, 0.0).due
    assert two.step(START) == PollTask("b", 1800.0)
    assert two.step(START + 1) == WaitForResponse(math.inf)
    wide = fleet("a", "b", max_concurrency=2)
    wide.step(START)
    wide.step(START)
    assert wide.answered("a", RUNNING, START, 0.0).due == due
    assert wide.step(START + 1) == WaitForResponse(due)
    assert wide.step(due) == PollTask("a", START + 1800.0 - due)


def test_first_polls_come_in_the_order_of_the_ids() -> None:
    """The first polls keep the caller's order, whatever the ids are."""
    ids = [f"{number * 7919 % 100:02}" for number in range(100)]
    play = sail(ids, lambda _id, _poll: Event(DONE), max_concurrency=3)
    assert [asked.task_id for asked in play.asked] == ids


def test_only_the_documented_fields_are_kept() -> None:
    """Of an answer that ends nothing the fleet keeps the documented fields; the last one is handed out whole."""
    one = fleet("a")
    one.step(START)
    full = evolve(RUNNING, progress=0.5, raw={"status": "running", "progress": 50})
    assert one.answered("a", full, START, 0.5).task == full
    assert one.step(START + 3) == PollTask("a", 1797.0)
    after = one.failed("a", FATAL, START + 3, 0.5)
    assert after.task == evolve(RUNNING, progress=0.5)
    other = fleet("b")
    other.step(START)
    assert other.answered("b", evolve(DONE, raw={"status": "done"}), START, 0.5).task == evolve(
        DONE, raw={"status": "done"}
    )


def test_a_hint_paces_one_task_only() -> None:
    """What the server asks for on one task's answer does not hold up the others."""
    two = fleet("a", "b")
    two.step(START)
    two.step(START)
    assert two.answered("a", RUNNING, START, 0.0, retry_after=30.0).due == START + 30
    assert two.answered("b", RUNNING, START, 0.0).due == START + 3
    assert two.step(START + 3) == PollTask("b", 1797.0)


@pytest.mark.parametrize(("pause", "until"), [(None, 3.0), (1.0, 3.0), (20.0, 20.0), (60.0, 60.0), (61.0, 3.0)])
@pytest.mark.parametrize("error", [slow_down, busy], ids=["429", "503"])
@pytest.mark.fault("T-11")
def test_a_pause_is_for_everybody(error: Callable[[float | None], APIError], pause: float | None, until: float) -> None:
    """After a 429, or a Retry-After of up to a minute, nobody is asked until the pause is over, however overdue."""
    three = fleet("a", "b", "c", max_concurrency=1)
    three.step(START)
    three.failed("a", error(pause), START + 1, 0.0)
    if error is busy and pause is None:
        assert three.step(START + 1) == PollTask("b", 1799.0)
        return
    assert three.step(START + 1) == Sleep(START + 1 + until)
    assert three.step(START + 1 + until) == PollTask("b", 1799.0 - until)


def test_after_a_pause_one_tries_first() -> None:
    """After a refusal one request is in flight at a time, until one is answered well."""
    three = fleet("a", "b", "c", max_concurrency=3)
    three.step(START)
    three.failed("a", slow_down(), START, 0.0)
    assert three.step(START + 3) == PollTask("b", 1797.0)
    assert three.step(START + 3) == WaitForResponse(math.inf)
    three.answered("b", RUNNING, START + 3.5, 0.0)
    assert isinstance(three.step(START + 3.5), PollTask)


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Of several pauses the one that ends last counts."""
    three = fleet("a", "b", "c", max_concurrency=2)
    three.step(START)
    three.step(START)
    three.failed("a", slow_down(60.0), START + 1, 0.0)
    three.failed("b", slow_down(5.0), START + 2, 0.0)
    assert three.step(START + 2) == Sleep(START + 61)


@pytest.mark.fault("R-16")
def test_a_pause_beyond_the_deadline_ends_all() -> None:
    """When the server asks for a pause that outlasts the wait, nobody sleeps for nothing: all end at once, unasked."""
    two = fleet("a", "b", timeout=10.0, max_concurrency=1)
    two.step(START)
    assert two.failed("a", slow_down(60.0), START + 1, 0.0).end is End.TIMED_OUT
    step = two.step(START + 1)
    assert isinstance(step, TaskExpired)
    assert (step.state.task_id, step.state.end, step.state.polls) == ("b", End.TIMED_OUT, 0)
    assert two.step(START + 1) == AllDone()


@pytest.mark.fault("T-04")
def test_our_own_pause_is_cut_at_the_deadline() -> None:
    """A pause that nobody asked for does not take a task its last look."""
    two = fleet("a", "b", timeout=2.0, max_concurrency=1)
    two.step(START)
    two.failed("a", slow_down(), START + 1, 0.0)
    assert two.step(START + 1) == Sleep(START + 2)
    assert two.step(START + 2) == PollTask("b", FINAL_POLL_TIMEOUT)


@pytest.mark.fault("T-02")
def test_waking_after_the_deadline() -> None:
    """A program that was suspended over the deadline asks about each task once more, one after another, and ends it."""
    three = fleet("a", "b", "c", max_concurrency=1)
    three.step(START)
    three.answered("a", RUNNING, START, 0.5)
    assert three.step(START + 7200) == PollTask("b", FINAL_POLL_TIMEOUT)
    assert three.answered("b", DONE, START + 7201, 0.5).end is End.DONE
    assert three.step(START + 7201) == PollTask("c", FINAL_POLL_TIMEOUT)
    assert three.answered("c", RUNNING, START + 7205.5, 0.5).end is End.TIMED_OUT
    assert three.step(START + 7205.5) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert three.answered("a", RUNNING, START + 7206, 0.5).end is End.TIMED_OUT
    assert three.step(START + 7206) == AllDone()


@pytest.mark.fault("T-02")
@given(
    st.integers(1, 40),
    st.integers(1, 8),
    st.sampled_from([1.0, 5.0, math.inf]),
    st.floats(0.0, 4.5),
    st.floats(0.0, 60.0),
    st.floats(MIN_POLL_TIMEOUT + 0.001, 1e6),
)
@FIXED
def test_whoever_slept_asks_once_more(  # noqa: PLR0917 (Hypothesis chooses each)
    tasks: int, room: int, pace: float, latency: float, asleep: float, late: float
) -> None:
    """However long after the deadline the machine wakes: each task that it knew is asked about once more, no more."""
    woke, waiting = START + 60.0 + late, set[str]()

    def suspend(play: Play) -> None:
        def wakes(until: float) -> float:
            if until < START + asleep or play.now >= START + 60.0:
                return until
            # An answer that is on its way is taken for the last look.
            waiting.update({asked.task_id for asked in play.asked} - play.in_flight)
            return woke

        play.wakes = wakes

    ids, answer = [str(number) for number in range(tasks)], Event(RUNNING, latency)
    play = sail(ids, lambda *_: answer, timeout=60.0, max_concurrency=room, per_second=pace, started=suspend)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    after = Counter(asked.task_id for asked in play.asked if asked.time >= woke)
    assert all(after[task_id] == 1 for task_id in waiting)
    assert max(after.values(), default=1) == 1


@pytest.mark.fault("T-02")
@pytest.mark.parametrize("late", [1.5, 4.0, 4.5, 5.0, 5.5, 7200.0])
def test_whoever_slept_long_enough_to_miss_the_last_looks(late: float) -> None:
    """There is no hour at which a machine may wake and find that everything is over, though nobody was asked."""
    two = fleet("a", "b", max_concurrency=2)
    for task_id in ("a", "b"):
        two.step(START)
        two.answered(task_id, RUNNING, START, 0.0)
    assert two.step(START + 1800.0 + late) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert two.step(START + 1800.0 + late) == PollTask("b", FINAL_POLL_TIMEOUT)


@pytest.mark.fault("T-02")
def test_falling_asleep_over_a_query() -> None:
    """A task whose query failed because the machine slept is asked about once more, like those that waited."""
    two = fleet("a", "b", max_concurrency=1)
    two.step(START)
    assert two.failed("a", RESET, START + 7200, 0.5).end is None
    assert two.step(START + 7200) == PollTask("b", FINAL_POLL_TIMEOUT)
    assert two.answered("b", DONE, START + 7201, 0.5).end is End.DONE
    assert two.step(START + 7201) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert two.failed("a", RESET, START + 7202, 0.5).end is End.TIMED_OUT
    assert two.step(START + 7202) == AllDone()


@pytest.mark.fault("T-02")
def test_waking_without_a_network() -> None:
    """What is not answered does not prolong the last looks: after five seconds in vain all is over."""
    ids = [str(number) for number in range(100)]

    plays: list[Play] = []

    def suspend(play: Play) -> None:
        plays.append(play)
        play.wakes = lambda until: until if until < START + 30 else max(until, START + 7200)

    def script(_id: str, _poll: int) -> Event:
        return Event(RUNNING, 0.0 if plays[0].now < START + 60 else 30.0)

    play = sail(ids, script, timeout=60.0, started=suspend)
    assert {history.end for history in play.ends} == {End.TIMED_OUT}
    assert play.now <= START + 7200 + FINAL_POLL_TIMEOUT


@pytest.mark.fault("T-02")
def test_waking_with_ids_without_end() -> None:
    """Ids that had not been taken in when the machine fell asleep come last, and hold nothing open."""
    full = Scheduler(SchedulerLimits(1, waiting=2), PollPolicy(), RetryBudget(100), now=START, timeout=60.0)
    for task_id in ("a", "b"):
        full.step(START)
        full.admit(task_id)
        full.step(START)
        full.answered(task_id, RUNNING, START, 0.0)
    woke = START + 7200
    assert full.step(woke) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert full.answered("a", RUNNING, woke, 0.0).end is End.TIMED_OUT
    assert full.step(woke) == PollTask("b", FINAL_POLL_TIMEOUT)
    assert full.answered("b", RUNNING, woke + 1, 0.0).end is End.TIMED_OUT
    for second in range(1, 6):
        assert full.step(woke + second) == AdmitTask()
        full.admit(f"new {second}")
        assert full.step(woke + second) == PollTask(f"new {second}", 6.0 - second)
        full.answered(f"new {second}", RUNNING, woke + second + 1, 0.0)
    assert full.step(woke + 6) == AdmitTask()
    full.admit("too late")
    assert isinstance(full.step(woke + 6), TaskExpired)


def test_retries_are_paid_for() -> None:
    """Asking again after a failure costs a retry; without any, one per interval goes out. Others do not wait."""
    three = fleet("a", "b", "c", max_concurrency=1, retries=1)
    for task_id in ("a", "b"):
        three.step(START)
        three.failed(task_id, busy(), START, 0.0)
    three.step(START)
    three.answered("c", RUNNING, START + 2, 0.0)
    assert three.step(START + 3) == PollTask("a", 1797.0)  # the one retry
    three.failed("a", busy(), START + 3, 0.0)
    assert three.step(START + 3) == PollTask("b", 1797.0)  # the first one that is not paid for
    three.failed("b", busy(), START + 3, 0.0)
    assert three.step(START + 5.5) == PollTask("c", 1794.5)  # does well, and needs no retry
    three.answered("c", RUNNING, START + 5.5, 0.0)
    assert three.step(START + 5.5) == Sleep(START + 6.06)
    assert three.step(START + 6.5) == PollTask("a", 1793.5)
    three.failed("a", busy(), START + 6.5, 0.0)
    assert three.step(START + 6.75) == Sleep(START + 8.61)  # not b, who would have to pay
    three._budget.refund()
    assert three.step(START + 6.75) == PollTask("b", 1793.25)


def test_what_cannot_be_asked_ends_one_task() -> None:
    """An error that is none of the gateway's, such as a key function's, is the end of one task and of no other."""
    two = fleet("a", "b", max_concurrency=1)
    two.step(START)
    error = ConfigurationError("no key today")
    history = two.not_sent("a", error, START)
    assert (history.end, history.last_error) == (End.BROKEN, error)
    assert two.step(START) == PollTask("b", 1800.0)


def test_one_bad_task_does_not_stop_the_others() -> None:
    """A refusal for one task is that task's end and nobody else's."""
    outcomes: dict[str, QueryOutcome] = {"a": FATAL, "b": DONE, "c": FAILED}
    play = sail(["a", "b", "c"], lambda task_id, _poll: Event(outcomes[task_id]))
    assert {history.task_id: history.end for history in play.ends} == {"a": End.BROKEN, "b": End.DONE, "c": End.DONE}
