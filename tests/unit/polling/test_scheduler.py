"""The scheduler of many waits, step by step, on a virtual clock."""

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
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, MIN_POLL_TIMEOUT, End, PollState
from kkiai_sdk._polling.scheduler import (
    AdmitTask,
    PollTask,
    Scheduler,
    SchedulerLimits,
    WaitForResponse,
)
from tests.unit.polling.scheduler_simulation import SchedulerRun, simulate
from tests.unit.polling.wait_simulation import (
    DONE,
    FAILED,
    FATAL,
    RESET,
    RUNNING,
    Event,
    QueryOutcome,
    busy,
    rate_limited,
)
from tests.unit.support import FIXED, START

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import APIError


def scheduler(*task_ids: str, timeout: float = 1800.0, max_concurrency: int = 4, retries: int = 100) -> Scheduler:
    """A scheduler that starts at START and has admitted these ids."""
    made = Scheduler(SchedulerLimits(max_concurrency), PollPolicy(), RetryBudget(retries), now=START, timeout=timeout)
    for task_id in task_ids:
        made.admit(task_id)
    made.close_admission()
    return made


def test_scheduler_without_ids_is_done() -> None:
    """The scheduler asks for ids first; without any it is done."""
    empty = Scheduler(SchedulerLimits(4), PollPolicy(), RetryBudget(100), now=START, timeout=60.0)
    assert empty.step(START) == AdmitTask()
    empty.close_admission()
    assert empty.step(START) is None


def test_ids_are_admitted_one_by_one() -> None:
    """The next id is admitted when it can be polled: the iterator is read no further."""
    lazy = Scheduler(SchedulerLimits(1), PollPolicy(), RetryBudget(100), now=START, timeout=60.0)
    assert lazy.step(START) == AdmitTask()
    lazy.admit("a")
    assert lazy.step(START) == PollTask("a", 60.0)
    assert lazy.step(START) == WaitForResponse(math.inf)
    lazy.answered("a", RUNNING, START + 1, 0.5)
    assert lazy.step(START + 1) == AdmitTask()


def test_no_more_ids_are_admitted_than_may_wait() -> None:
    """With ``waiting`` tasks admitted, the next id is admitted when one ends; it is due from then on."""
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


def test_one_task_is_polled_until_it_is_done() -> None:
    """One task is polled, awaited, slept for, polled again; then the scheduler is done."""
    one = scheduler("a")
    assert one.step(START) == PollTask("a", 1800.0)
    assert one.step(START) == WaitForResponse(math.inf)
    history = one.answered("a", RUNNING, START + 0.5, 0.0)
    assert history.end is None
    assert one.step(START + 0.5) == Sleep(history.due) == Sleep(START + 0.5 + 3.01)
    assert one.step(history.due) == PollTask("a", START + 1800.0 - history.due)
    assert one.answered("a", DONE, START + 4, 0.0).end is End.DONE
    assert one.step(START + 4) is None


def test_wait_for_responses_ends_when_the_next_task_is_due() -> None:
    """While queries are in flight the scheduler waits for them, at most until the next task is due."""
    two = scheduler("a", "b", max_concurrency=1)
    assert isinstance(two.step(START), PollTask)
    assert two.step(START) == WaitForResponse(math.inf)
    due = two.answered("a", RUNNING, START, 0.0).due
    assert two.step(START) == PollTask("b", 1800.0)
    assert two.step(START + 1) == WaitForResponse(math.inf)
    wide = scheduler("a", "b", max_concurrency=2)
    wide.step(START)
    wide.step(START)
    assert wide.answered("a", RUNNING, START, 0.0).due == due
    assert wide.step(START + 1) == WaitForResponse(due)
    assert wide.step(due) == PollTask("a", START + 1800.0 - due)


def test_first_polls_keep_the_order_of_the_ids() -> None:
    """The first polls keep the caller's order, whatever the ids are."""
    ids = [f"{number * 7919 % 100:02}" for number in range(100)]
    play = simulate(ids, lambda _id, _poll: Event(DONE), max_concurrency=3)
    assert [asked.task_id for asked in play.asked] == ids


def test_last_snapshot_is_that_before_the_poll_in_flight() -> None:
    """It is none before the first answer."""
    one = scheduler("a")
    one.step(START)
    assert one.last_snapshot("a") is None
    one.answered("a", RUNNING, START, 0.0)
    one.step(START + 4)
    assert one.last_snapshot("a") == RUNNING


def test_state_keeps_only_documented_fields_until_the_end() -> None:
    """Of an answer that ends nothing only documented fields are kept; the last one is emitted whole."""
    one = scheduler("a")
    one.step(START)
    full = evolve(RUNNING, progress=0.5, raw={"status": "running", "progress": 50})
    assert one.answered("a", full, START, 0.5).task == full
    assert one.step(START + 3) == PollTask("a", 1797.0)
    after = one.failed("a", FATAL, START + 3, 0.5)
    assert after.task == evolve(RUNNING, progress=0.5)
    other = scheduler("b")
    other.step(START)
    assert other.answered("b", evolve(DONE, raw={"status": "done"}), START, 0.5).task == evolve(
        DONE, raw={"status": "done"}
    )


def test_retry_after_of_a_success_delays_one_task_only() -> None:
    """A Retry-After on the success of one task does not delay the others."""
    two = scheduler("a", "b")
    two.step(START)
    two.step(START)
    assert two.answered("a", RUNNING, START, 0.0, retry_after=30.0).due == START + 30
    assert two.answered("b", RUNNING, START, 0.0).due == START + 3
    assert two.step(START + 3) == PollTask("b", 1797.0)


@pytest.mark.parametrize(("pause", "until"), [(None, 3.0), (1.0, 3.0), (20.0, 20.0), (60.0, 60.0), (61.0, 3.0)])
@pytest.mark.parametrize("error", [rate_limited, busy], ids=["429", "503"])
@pytest.mark.fault("T-11")
def test_rate_limit_or_retry_after_pauses_all_tasks(
    error: Callable[[float | None], APIError], pause: float | None, until: float
) -> None:
    """After a 429, or a Retry-After of up to a minute, no task is polled until the pause ends, even if overdue."""
    three = scheduler("a", "b", "c", max_concurrency=1)
    three.step(START)
    three.failed("a", error(pause), START + 1, 0.0)
    if error is busy and pause is None:
        assert three.step(START + 1) == PollTask("b", 1799.0)
        return
    assert three.step(START + 1) == Sleep(START + 1 + until)
    assert three.step(START + 1 + until) == PollTask("b", 1799.0 - until)


def test_one_request_at_a_time_probes_after_a_pause() -> None:
    """After a rate limit error one request is in flight at a time, until one succeeds."""
    three = scheduler("a", "b", "c", max_concurrency=3)
    three.step(START)
    three.failed("a", rate_limited(), START, 0.0)
    assert three.step(START + 3) == PollTask("b", 1797.0)
    assert three.step(START + 3) == WaitForResponse(math.inf)
    three.answered("b", RUNNING, START + 3.5, 0.0)
    assert isinstance(three.step(START + 3.5), PollTask)


def test_longest_of_several_pauses_counts() -> None:
    """Of several pauses the one that ends last counts."""
    three = scheduler("a", "b", "c", max_concurrency=2)
    three.step(START)
    three.step(START)
    three.failed("a", rate_limited(60.0), START + 1, 0.0)
    three.failed("b", rate_limited(5.0), START + 2, 0.0)
    assert three.step(START + 2) == Sleep(START + 61)


@pytest.mark.fault("R-16")
def test_pause_beyond_the_deadline_ends_all_tasks_at_once() -> None:
    """If the server asks for a pause that outlasts the wait, all tasks end at once without another poll."""
    two = scheduler("a", "b", timeout=10.0, max_concurrency=1)
    two.step(START)
    assert two.failed("a", rate_limited(60.0), START + 1, 0.0).end is End.TIMED_OUT
    step = two.step(START + 1)
    assert isinstance(step, PollState)
    assert (step.task_id, step.end, step.polls) == ("b", End.TIMED_OUT, 0)
    assert two.step(START + 1) is None


@pytest.mark.fault("T-04")
def test_own_backoff_is_cut_at_the_deadline() -> None:
    """A backoff without Retry-After ends at the deadline, so the final poll is made."""
    two = scheduler("a", "b", timeout=2.0, max_concurrency=1)
    two.step(START)
    two.failed("a", rate_limited(), START + 1, 0.0)
    assert two.step(START + 1) == Sleep(START + 2)
    assert two.step(START + 2) == PollTask("b", FINAL_POLL_TIMEOUT)


@pytest.mark.fault("T-02")
def test_wake_after_the_deadline_makes_one_final_poll_per_task() -> None:
    """After a suspension past the deadline each task is polled once more, one after another, and ends."""
    three = scheduler("a", "b", "c", max_concurrency=1)
    three.step(START)
    three.answered("a", RUNNING, START, 0.5)
    assert three.step(START + 7200) == PollTask("b", FINAL_POLL_TIMEOUT)
    assert three.answered("b", DONE, START + 7201, 0.5).end is End.DONE
    assert three.step(START + 7201) == PollTask("c", FINAL_POLL_TIMEOUT)
    assert three.answered("c", RUNNING, START + 7205.5, 0.5).end is End.TIMED_OUT
    assert three.step(START + 7205.5) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert three.answered("a", RUNNING, START + 7206, 0.5).end is End.TIMED_OUT
    assert three.step(START + 7206) is None


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
def test_late_wake_makes_exactly_one_final_poll_per_task(  # noqa: PLR0917 (Hypothesis chooses each)
    tasks: int, room: int, pace: float, latency: float, asleep: float, late: float
) -> None:
    """However late after the deadline the machine wakes, each admitted task is polled exactly once more."""
    woke, waiting = START + 60.0 + late, set[str]()

    def suspend(play: SchedulerRun) -> None:
        def wakes(until: float) -> float:
            if until < START + asleep or play.now >= START + 60.0:
                return until
            # An answer that is on its way is taken for the last look.
            waiting.update({asked.task_id for asked in play.asked} - play.in_flight)
            return woke

        play.wakes = wakes

    ids, answer = [str(number) for number in range(tasks)], Event(RUNNING, latency)
    play = simulate(ids, lambda *_: answer, timeout=60.0, max_concurrency=room, per_second=pace, started=suspend)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    after = Counter(asked.task_id for asked in play.asked if asked.time >= woke)
    assert all(after[task_id] == 1 for task_id in waiting)
    assert max(after.values(), default=1) == 1


@pytest.mark.fault("T-02")
@pytest.mark.parametrize("late", [1.5, 4.0, 4.5, 5.0, 5.5, 7200.0])
def test_wake_after_the_final_window_makes_a_final_poll_too(late: float) -> None:
    """No wake-up time makes the tasks end without a poll."""
    two = scheduler("a", "b", max_concurrency=2)
    for task_id in ("a", "b"):
        two.step(START)
        two.answered(task_id, RUNNING, START, 0.0)
    assert two.step(START + 1800.0 + late) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert two.step(START + 1800.0 + late) == PollTask("b", FINAL_POLL_TIMEOUT)


@pytest.mark.fault("T-02")
def test_query_suspended_past_the_deadline_is_repeated_once() -> None:
    """A task whose query failed because the machine was suspended is polled once more, like the others."""
    two = scheduler("a", "b", max_concurrency=1)
    two.step(START)
    assert two.failed("a", RESET, START + 7200, 0.5).end is None
    assert two.step(START + 7200) == PollTask("b", FINAL_POLL_TIMEOUT)
    assert two.answered("b", DONE, START + 7201, 0.5).end is End.DONE
    assert two.step(START + 7201) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert two.failed("a", RESET, START + 7202, 0.5).end is End.TIMED_OUT
    assert two.step(START + 7202) is None


@pytest.mark.fault("T-02")
def test_final_polls_without_network_end_after_five_seconds() -> None:
    """Failed final polls do not extend the final window: after five seconds all tasks end."""
    ids = [str(number) for number in range(100)]

    plays: list[SchedulerRun] = []

    def suspend(play: SchedulerRun) -> None:
        plays.append(play)
        play.wakes = lambda until: until if until < START + 30 else max(until, START + 7200)

    def script(_id: str, _poll: int) -> Event:
        return Event(RUNNING, 0.0 if plays[0].now < START + 60 else 30.0)

    play = simulate(ids, script, timeout=60.0, started=suspend)
    assert {history.end for history in play.ends} == {End.TIMED_OUT}
    assert play.now <= START + 7200 + FINAL_POLL_TIMEOUT


@pytest.mark.fault("T-02")
def test_unadmitted_ids_do_not_extend_the_final_window() -> None:
    """After a suspension ids that were not admitted come last, and delay nothing."""
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
    assert isinstance(full.step(woke + 6), PollState)


def test_poll_after_an_error_spends_the_retry_budget() -> None:
    """A poll after an error costs a retry; with none left, one per interval is made. Other tasks do not wait."""
    three = scheduler("a", "b", "c", max_concurrency=1, retries=1)
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


def test_error_of_the_caller_ends_one_task_only() -> None:
    """An error that is not of the gateway, such as a key function's, ends one task only."""
    two = scheduler("a", "b", max_concurrency=1)
    two.step(START)
    error = ConfigurationError("no key today")
    history = two.not_sent("a", error, START)
    assert (history.end, history.last_error) == (End.BROKEN, error)
    assert two.step(START) == PollTask("b", 1800.0)


def test_permanent_error_ends_one_task_only() -> None:
    """A permanent error for one task ends that task only."""
    outcomes: dict[str, QueryOutcome] = {"a": FATAL, "b": DONE, "c": FAILED}
    play = simulate(["a", "b", "c"], lambda task_id, _poll: Event(outcomes[task_id]))
    assert {history.task_id: history.end for history in play.ends} == {"a": End.BROKEN, "b": End.DONE, "c": End.DONE}


def test_last_snapshot_of_a_task_in_flight_is_the_one_before_its_poll() -> None:
    """While a task is polled, its last snapshot is that of the poll before, and None at its first poll."""
    waiting = scheduler("a")
    assert waiting.step(START) == PollTask("a", 1800.0)
    assert waiting.last_snapshot("a") is None
    waiting.answered("a", RUNNING, START + 0.25, 0.5)
    waiting.step(START + 60)
    last = waiting.last_snapshot("a")
    assert last is not None
    assert (last.state, last.raw) == (RUNNING.state, {})
