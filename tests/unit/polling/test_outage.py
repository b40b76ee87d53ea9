"""Outages as many waits see them: their beginning, their probes and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import AuthenticationError, PollPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.outage import MIN_TASKS, Outage
from kkiai_sdk._polling.poll_state import End
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits
from tests.unit.polling.scheduler_simulation import SchedulerRun, simulate
from tests.unit.polling.wait_simulation import DONE, FATAL, NOT_FOUND, RUNNING, Event, busy
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import APIError

THOUSAND = [f"t{number}" for number in range(1000)]
#: Seconds of a poll in the simulation.
LATENCY = 0.05


def test_outage_begins_when_enough_tasks_are_refused() -> None:
    """It begins with MIN_TASKS different tasks, or with all of fewer; one task refused often is no outage."""
    outage, states = Outage(PollPolicy()), []
    for task_id in ("a", "a", "a", "b"):
        outage.on_refusal(task_id, FATAL, START, waiting=2)
        states.append(outage.is_on)
    assert states == [False, False, False, True]
    outage.end()
    for number in range(MIN_TASKS):
        states.append(outage.is_on)
        outage.on_refusal(str(number), FATAL, START, waiting=1000)
    assert [*states[4:], outage.is_on] == [*[False] * MIN_TASKS, True]


def test_snapshot_of_any_task_ends_the_outage() -> None:
    """After its end nothing of it is left: the next refusal is the first."""
    outage = Outage(PollPolicy(max_refusals=1, refusal_grace=5))
    outage.on_refusal("a", FATAL, START, waiting=1)
    outage.end()
    assert (outage.is_on, outage.last_error(), outage.has_lasted(START + 99)) == (False, None, False)
    outage.on_refusal("b", FATAL, START + 99, waiting=2)
    assert not outage.is_on
    outage.on_refusal("a", FATAL, START + 100, waiting=2)
    assert [outage.has_lasted(START + seconds) for seconds in (103.5, 104.0)] == [False, True]


def test_probes_are_min_interval_apart() -> None:
    """The first poll in an outage can be made at once, each further one min_interval after the last."""
    outage = Outage(PollPolicy(min_interval=7))
    outage.on_poll(START - 1)
    outage.on_refusal("a", FATAL, START, waiting=1)
    assert outage.probe_at == START
    outage.on_poll(START + 2)
    outage.on_refusal("a", FATAL, START + 3, waiting=1)
    assert outage.probe_at == START + 9


def test_outage_has_lasted_with_both_limits() -> None:
    """It must have max_refusals and refusal_grace, as for one task."""
    outage = Outage(PollPolicy(max_refusals=3, refusal_grace=10))
    for now in (START, START + 4):
        outage.on_refusal("a", FATAL, now, waiting=1)
    assert not outage.has_lasted(START + 10)
    outage.on_refusal("a", FATAL, START + 9, waiting=1)
    assert [outage.has_lasted(START + seconds) for seconds in (9.0, 10.0)] == [False, True]


def test_error_of_an_outage_is_a_copy() -> None:
    """Each task gets an error of its own, because notes are added to it."""
    outage = Outage(PollPolicy())
    error = AuthenticationError("bad key", status_code=401)
    outage.on_refusal("a", error, START, waiting=1)
    first, second = outage.last_error(), outage.last_error()
    assert first is not None
    first.add_note("about one task")
    assert (str(first), type(first)) == (str(error), type(error))
    assert not hasattr(second, "__notes__")
    assert not hasattr(error, "__notes__")


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
