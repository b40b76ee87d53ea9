"""Outages as the scheduler of many waits handles them: the polls during one, and the ends of the waits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import PollPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.outage import MIN_TASKS
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, End, PollState
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits, WaitForResponse
from tests.unit.polling.scheduler_simulation import SchedulerRun, simulate
from tests.unit.polling.wait_simulation import BLANK, DONE, EMPTY, FATAL, NOT_FOUND, RUNNING, Event, busy
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import APIError

THOUSAND = [f"t{number}" for number in range(1000)]
#: Seconds of a poll in the simulation.
LATENCY = 0.05


def refused_from(
    start: float, end: float, error: APIError, runs: list[SchedulerRun], last: Event
) -> Callable[[str, int], Event]:
    """A script: tasks run, every poll from ``start`` to ``end`` is refused, and then comes the last event."""

    def script(_task_id: str, _poll: int) -> Event:
        elapsed = runs[0].now - START
        return Event(RUNNING, LATENCY) if elapsed < start else Event(error, LATENCY) if elapsed < end else last

    return script


@pytest.mark.parametrize("error", [FATAL, NOT_FOUND])
@pytest.mark.fault("T-18")
def test_lasting_refusal_of_a_thousand_tasks_is_one_outage(error: APIError) -> None:
    """All waits end with the refusal once it has lasted for refusal_grace, after few polls."""
    runs: list[SchedulerRun] = []
    script = refused_from(60, 1e9, error, runs, Event(RUNNING))
    run = simulate(THOUSAND, script, max_concurrency=8, per_second=50, started=runs.append)
    assert sorted(each.task_id for each in run.ends) == sorted(THOUSAND)
    assert {(each.end, type(each.last_error)) for each in run.ends} == {(End.BROKEN, type(error))}
    assert all(each.task == RUNNING for each in run.ends)
    polls = [asked.time - START for asked in run.asked if asked.time >= START + 60]
    assert len(polls) <= MIN_TASKS + 8 + 90 / 3 + 2
    assert 150 <= run.now - START <= 155


@pytest.mark.fault("T-18")
def test_empty_responses_for_all_tasks_are_one_outage() -> None:
    """Tasks that were seen and then have empty responses are polled one at a time, and end after refusal_grace."""
    runs: list[SchedulerRun] = []

    def script(_task_id: str, _poll: int) -> Event:
        return Event(RUNNING if runs[0].now < START + 60 else BLANK, LATENCY)

    run = simulate(THOUSAND[:100], script, max_concurrency=8, per_second=50, started=runs.append)
    assert {(each.end, str(each.last_error)) for each in run.ends} == {
        (End.BROKEN, "the response says nothing about the task")
    }
    assert len([asked for asked in run.asked if asked.time >= START + 60]) <= MIN_TASKS + 8 + 90 / 3 + 2


def test_empty_response_about_a_task_not_seen_does_not_end_an_outage() -> None:
    """It is no sign that the gateway works again: one task is polled at a time as before."""
    made = Scheduler(SchedulerLimits(20), PollPolicy(), RetryBudget(100), now=START, timeout=1800.0)
    ids = [*THOUSAND[:MIN_TASKS], "new"]
    for task_id in ids:
        made.admit(task_id)
        made.step(START)
    made.close_admission()
    for task_id in ids:
        made.answered(task_id, BLANK if task_id == "new" else RUNNING, START, 0.0)
    assert [made.step(START + 3) for _ in ids] == [PollTask(task_id, 1797.0) for task_id in ids]
    for task_id in THOUSAND[:MIN_TASKS]:
        made.failed(task_id, FATAL, START + 3, 0.0)
    made.answered("new", BLANK, START + 3, 0.0)
    assert made.step(START + 7) == PollTask("new", 1793.0)
    assert made.step(START + 7) == WaitForResponse(math.inf)


@pytest.mark.fault("T-18")
def test_every_task_survives_an_outage_of_a_minute() -> None:
    """All tasks are polled again after the outage, within a minute, and succeed."""
    runs: list[SchedulerRun] = []
    script = refused_from(60, 120, FATAL, runs, Event(DONE, LATENCY))
    run = simulate(THOUSAND, script, max_concurrency=8, per_second=50, started=runs.append)
    assert [each.end for each in run.ends] == [End.DONE] * 1000
    polls = [asked.time - START for asked in run.asked if 60 <= asked.time - START < 120]
    assert len(polls) <= MIN_TASKS + 8 + 60 / 3 + 2
    assert run.now - START <= 180


def test_refused_tasks_among_others_end_by_themselves() -> None:
    """While other tasks are answered, each refused one ends on its own, and the others are polled as ever."""

    def script(task_id: str, poll: int) -> Event:
        return Event(FATAL, LATENCY) if poll and int(task_id[1:]) < 2 * MIN_TASKS else Event(RUNNING, LATENCY)

    run = simulate(THOUSAND[:100], script, timeout=300, max_concurrency=8)
    ends = {each.task_id: each.end for each in run.ends}
    refused = {f"t{number}" for number in range(2 * MIN_TASKS)}
    assert {task_id for task_id, end in ends.items() if end is End.BROKEN} == refused
    others = [asked for asked in run.asked if asked.task_id not in refused]
    assert max(asked.time - asked.due for asked in others) <= (MIN_TASKS - 1) * 3
    late = [asked for asked in others if asked.time - asked.due > 0.5]
    assert max(asked.due for asked in late) < START + 10


def test_no_id_is_admitted_during_an_outage() -> None:
    """Ids that are left wait for its end, because a task that has not been seen would end at its first refusal."""
    limits = SchedulerLimits(1, waiting=MIN_TASKS)
    made = Scheduler(limits, PollPolicy(), RetryBudget(100), now=START, timeout=1800.0)
    for task_id in THOUSAND[:MIN_TASKS]:
        made.admit(task_id)
        made.step(START)
        made.answered(task_id, RUNNING, START, 0.0)
    for task_id in THOUSAND[:MIN_TASKS]:
        assert made.step(START + 3) == PollTask(task_id, 1797.0)
        made.failed(task_id, FATAL, START + 3, 0.0)
    assert made.step(START + 7) == PollTask("t0", 1793.0)
    made.not_sent("t0", FATAL, START + 7)
    assert made.step(START + 7) == Sleep(START + 10)
    for task_id in THOUSAND[1:MIN_TASKS]:
        assert made.step(START + 10) == PollTask(task_id, 1790.0)
        made.answered(task_id, RUNNING, START + 10, 0.0)
    assert made.step(START + 10) == AdmitTask()


def test_transient_errors_are_no_outage_of_refusals() -> None:
    """Transient errors of all tasks leave the pace to the retry budget."""
    runs: list[SchedulerRun] = []
    script = refused_from(10, 40, busy(), runs, Event(DONE, LATENCY))
    run = simulate(THOUSAND[:40], script, max_concurrency=4, tries=4, started=runs.append)
    assert {each.end for each in run.ends} == {End.DONE}
    assert len([asked for asked in run.asked if 13 <= asked.time - START < 40]) > 40


def test_deadline_in_an_outage_reports_the_refusal() -> None:
    """A task that was not polled during the outage times out with its refusal as the last error."""
    runs: list[SchedulerRun] = []
    script = refused_from(20, 1e9, FATAL, runs, Event(RUNNING))
    run = simulate(THOUSAND[:100], script, timeout=60, max_concurrency=4, started=runs.append)
    assert {(each.end, type(each.last_error), each.is_failing) for each in run.ends} == {
        (End.TIMED_OUT, type(FATAL), True)
    }


def test_tasks_not_seen_survive_the_end_of_an_outage() -> None:
    """When an outage ends the waits for tasks seen, one that the gateway does not know yet goes on."""

    def script(task_id: str, poll: int) -> Event:
        if task_id == "new":
            return Event(NOT_FOUND if poll < 12 else DONE, LATENCY)
        return Event(FATAL if poll else RUNNING, LATENCY)

    policy = PollPolicy(refusal_grace=15, not_found_grace=999)
    ids = ["new", *THOUSAND[:MIN_TASKS]]
    run = simulate(ids, script, policy, max_concurrency=4)
    assert {each.task_id: each.end for each in run.ends} == {
        each: End.DONE if each == "new" else End.BROKEN for each in ids
    }
    assert run.ends[-1].task_id == "new"


def polled_again(policy: PollPolicy, *, timeout: float = 1800.0) -> Scheduler:
    """A scheduler of three tasks that were all seen at START, and are polled again at START + 3."""
    made = Scheduler(SchedulerLimits(3), policy, RetryBudget(100), now=START, timeout=timeout)
    for task_id in THOUSAND[:3]:
        made.admit(task_id)
        made.step(START)
    made.close_admission()
    for task_id in THOUSAND[:3]:
        made.answered(task_id, RUNNING, START, 0.0)
    for _ in range(3):
        made.step(START + 3)
    return made


def in_outage(policy: PollPolicy, *, timeout: float = 1800.0) -> Scheduler:
    """A scheduler of three tasks that were all seen at START, and refused at START + 3."""
    made = polled_again(policy, timeout=timeout)
    for task_id in THOUSAND[:3]:
        made.failed(task_id, FATAL, START + 3, 0.0)
    return made


def test_probes_of_fewer_tasks_are_min_interval_apart() -> None:
    """Of three tasks that are all refused one is polled at a time, and the next three seconds after it."""
    made = in_outage(PollPolicy())
    assert made.step(START + 4) == Sleep(START + 6.06)
    assert made.step(START + 6.5) == PollTask("t0", 1793.5)
    assert made.step(START + 6.5) == WaitForResponse(math.inf)
    made.failed("t0", FATAL, START + 7, 0.0)
    assert made.step(START + 7) == Sleep(START + 9.5)


def test_tasks_end_in_order_of_their_next_polls_with_the_last_refusal() -> None:
    """When the outage has lasted, each task ends at once, the one due first being the first, with its own refusal."""
    made = in_outage(PollPolicy(max_refusals=4, refusal_grace=0))
    assert made.step(START + 6.5) == PollTask("t0", 1793.5)
    state = made.failed("t0", EMPTY, START + 7, 0.0)
    assert (state.end, state.last_error) == (End.BROKEN, EMPTY)
    steps = [made.step(START + 7) for _ in range(2)]
    assert all(isinstance(step, PollState) for step in steps)
    ended = [step for step in steps if isinstance(step, PollState)]
    assert [(each.task_id, each.end, each.last_error) for each in ended] == [
        ("t1", End.BROKEN, FATAL),
        ("t2", End.BROKEN, FATAL),
    ]


def test_task_that_times_out_when_an_outage_has_lasted_is_a_timeout() -> None:
    """The deadline is the reason for the end of the task polled then; the others end with their refusals."""
    made = in_outage(PollPolicy(max_refusals=4, refusal_grace=0), timeout=5.0)
    assert made.step(START + 5) == PollTask("t0", FINAL_POLL_TIMEOUT)
    assert made.failed("t0", FATAL, START + 5, 0.0).end is End.TIMED_OUT
    step = made.step(START + 5)
    assert isinstance(step, PollState)
    assert step.end is End.BROKEN


def test_one_refused_task_is_no_outage_while_ids_can_be_admitted() -> None:
    """While there is room for more ids, a few tasks are not all of them."""
    made = Scheduler(SchedulerLimits(2, waiting=2), PollPolicy(), RetryBudget(100), now=START, timeout=1800.0)
    for task_id in ("a", "b"):
        made.admit(task_id)
        made.step(START)
    for task_id in ("a", "b"):
        made.answered(task_id, RUNNING, START, 0.0)
    assert [made.step(START + 3), made.step(START + 3)] == [PollTask("a", 1797.0), PollTask("b", 1797.0)]
    made.answered("b", DONE, START + 3, 0.0)
    made.failed("a", FATAL, START + 3, 0.0)
    assert made.step(START + 3) == AdmitTask()


def test_outage_of_few_tasks_counts_all_that_wait() -> None:
    """With one of three in flight, two refused ones are no outage, and the next poll needs no probe."""
    made = polled_again(PollPolicy())
    for task_id in ("t0", "t1"):
        made.failed(task_id, FATAL, START + 3, 0.0)
    assert made.step(START + 7) == PollTask("t0", 1793.0)
    assert made.step(START + 7) == PollTask("t1", 1793.0)


def test_task_not_polled_in_an_outage_reports_its_refusal() -> None:
    """Of many tasks, those that were not refused themselves end with a copy of the last refusal of another."""
    runs: list[SchedulerRun] = []
    script = refused_from(20, 1e9, FATAL, runs, Event(RUNNING))
    run = simulate(THOUSAND[:100], script, PollPolicy(refusal_grace=10), max_concurrency=4, started=runs.append)
    assert [(each.end, str(each.last_error), each.task) for each in run.ends] == [
        (End.BROKEN, "bad key", RUNNING)
    ] * 100
    copies = [each.last_error for each in run.ends if each.refusals == 1 and each.refused_since is None]
    assert len(copies) > 50
    assert len({id(each) for each in copies}) == len(copies)


def test_ids_that_are_left_are_admitted_when_an_outage_has_ended_the_waits() -> None:
    """The ends make room for them; they are due from then on."""
    limits = SchedulerLimits(1, waiting=2)
    policy = PollPolicy(max_refusals=2, refusal_grace=0)
    made = Scheduler(limits, policy, RetryBudget(100), now=START, timeout=1800.0)
    for task_id in ("a", "b"):
        made.admit(task_id)
        made.step(START)
        made.answered(task_id, RUNNING, START, 0.0)
    for task_id in ("a", "b"):
        made.step(START + 3)
        made.failed(task_id, FATAL, START + 4, 0.0)
    assert isinstance(made.step(START + 4), PollState)
    assert made.step(START + 4) == AdmitTask()
    made.admit("c")
    assert made.step(START + 4) == PollTask("c", 1796.0)
    assert made.answered("c", RUNNING, START + 4, 0.0).started == START + 4
