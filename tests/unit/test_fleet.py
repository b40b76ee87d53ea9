"""Many waiting tasks: who is asked when, on a virtual clock."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from random import Random
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
from tests.unit.fleets import Play, sail
from tests.unit.scripts import (
    DONE,
    EVENTS,
    FAILED,
    FATAL,
    POLICIES,
    RESET,
    RUNNING,
    TIMEOUTS,
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


FLEETS = st.builds(
    lambda scripts, policy, timeout, room: sail(
        [f"t{number}" for number in range(len(scripts))],
        lambda task_id, poll: [*scripts[int(task_id[1:])], Event(DONE)][min(poll, len(scripts[int(task_id[1:])]))],
        policy,
        timeout=timeout,
        max_concurrency=room,
    ),
    st.lists(st.lists(EVENTS, max_size=6), max_size=8),
    POLICIES,
    TIMEOUTS,
    st.integers(1, 4),
)


@given(FLEETS)
@FIXED
def test_every_task_ends_once(play: Play) -> None:
    """Every id gets exactly one end and is not asked about after it."""
    assert sorted(history.task_id for history in play.ends) == sorted(play.task_ids)
    assert all(history.end is not None for history in play.ends)
    assert all(history.polls == play.counts.get(history.task_id, 0) for history in play.ends)


@given(FLEETS)
@FIXED
def test_order_and_room(play: Play) -> None:
    """The longest overdue is asked first, when it is due and not before, within the room that there is."""
    assert all(asked.due <= asked.earliest_other for asked in play.asked)
    assert all(asked.time >= asked.due for asked in play.asked)
    assert all(asked.in_flight <= play.fleet._limits.concurrency for asked in play.asked)
    first = list(dict.fromkeys(asked.task_id for asked in play.asked))
    assert first == sorted(first)


@given(FLEETS)
@FIXED
def test_pauses_and_deadlines(play: Play) -> None:
    """Nobody is asked during a pause that the server wants; no sleep goes past the deadline or stands still."""
    assert all(asked.time >= asked.paused_until for asked in play.asked)
    assert all(until > asleep for asleep, until in play.slept)
    assert all(until <= play.deadline + FINAL_POLL_TIMEOUT for _, until in play.slept)
    late = [asked.task_id for asked in play.asked if asked.time > play.deadline]
    assert len(late) == len(set(late))


def _fate(task_id: str, poll: int) -> Event:
    """A task that runs for a few polls; now and then a reset or a 429."""
    number = int(task_id)
    if poll < number % 4:
        outcomes: list[QueryOutcome] = [RUNNING, RESET, slow_down(2.0)]
        outcome = outcomes[0 if number % 50 else 1 + number // 50 % 2]
        return Event(outcome, 0.05, random=number % 100 / 100)
    return Event(DONE if number % 3 else FAILED, 0.05)


@pytest.mark.no_cover
def test_ten_thousand_tasks() -> None:
    """Ten thousand tasks share four places in flight, each gets its end, and none is left behind."""
    ids = [str(number) for number in range(10_000)]
    play = sail(ids, _fate, timeout=math.inf)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert {history.end for history in play.ends} == {End.DONE}
    assert len(play.asked) == sum(1 + number % 4 for number in range(10_000))
    assert isinstance(play.fleet.step(play.now), AllDone)


def test_nobody_starves() -> None:
    """With more tasks than can be asked in time, every one is asked about as often as any other, give or take two."""
    ids = [str(number) for number in range(200)]
    play = sail(
        ids, lambda _id, _poll: Event(RUNNING, 1.0, random=int(_id) % 10 / 10), timeout=600.0, max_concurrency=2
    )
    assert max(play.counts.values()) - min(play.counts.values()) <= 2
    assert {history.end for history in play.ends} == {End.TIMED_OUT}


@pytest.mark.fault("T-11")
@pytest.mark.parametrize("per_second", [50.0, math.inf])
@pytest.mark.parametrize("error", [busy(), slow_down(), RESET], ids=["503", "429", "reset"])
def test_an_outage_is_met_with_patience(error: APIError, per_second: float) -> None:
    """While every answer is an error, a thousand tasks cost a request each, the budget of retries, and one per gap."""
    ids = [str(number) for number in range(1000)]
    play = sail(ids, lambda _id, _poll: Event(error, 0.05), timeout=1800.0, per_second=per_second, tries=4)
    assert len(play.asked) <= 1000 + 100 + 1800 / 3
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert all(history.end is End.TIMED_OUT for history in play.ends)


@pytest.mark.fault("T-11")
def test_a_rate_limit_that_lasts_is_met_with_more_patience() -> None:
    """While every answer is a 429 the pauses double up to a minute, with one request after each."""
    play = sail([str(number) for number in range(1000)], lambda _id, _poll: Event(slow_down(30.0), 0.05), timeout=300.0)
    assert [round(asked.time - START) for asked in play.asked] == [0, 0, 0, 0, 30, 60, 90, 120, 168, 228, 288]
    play = sail([str(number) for number in range(1000)], lambda _id, _poll: Event(slow_down(), 0.05), timeout=300.0)
    assert [round(asked.time - START) for asked in play.asked] == [0, 0, 0, 0, 3, 9, 21, 45, 93, 153, 213, 273, 300]


@pytest.mark.no_cover
@pytest.mark.deep
def test_an_outage_that_ends() -> None:
    """Within half a minute of its end every one of a thousand tasks has been asked about again."""
    end = START + 300.0
    ids = [str(number) for number in range(1000)]
    clock: list[Play] = []

    def script(_id: str, _poll: int) -> Event:
        return Event(busy() if clock[0].now < end else RUNNING, 0.2, random=int(_id) % 10 / 10)

    play = sail(ids, script, timeout=600.0, max_concurrency=8, tries=4, started=clock.append)
    first_good = {asked.task_id: asked.time for asked in reversed(play.asked) if asked.time >= end}
    assert sorted(first_good) == sorted(ids)
    assert max(first_good.values()) <= end + 60


@pytest.mark.no_cover
@pytest.mark.fault("T-12")
@pytest.mark.parametrize(
    ("per_second", "room"), [(50.0, 4), (math.inf, 4), pytest.param(math.inf, 16, marks=pytest.mark.deep)]
)
def test_no_herd(per_second: float, room: int) -> None:
    """A thousand tasks that start together are not asked together: no tenth of a second holds 10 % of any round."""
    dice = Random(7)
    play = sail(
        [str(number) for number in range(1000)],
        lambda _id, _poll: Event(RUNNING, 0.05, random=dice.random()),
        timeout=120.0,
        per_second=per_second,
        max_concurrency=room,
    )
    rounds: dict[str, list[float]] = {}
    for asked in play.asked:
        rounds.setdefault(asked.task_id, []).append(asked.time)
    for number in range(2):
        buckets = Counter(int((times[number] - START) * 10) for times in rounds.values())
        assert max(buckets.values()) <= 100


@pytest.mark.parametrize("limit", [5.0, 20.0, 200.0])
def test_requests_per_second(limit: float) -> None:
    """No second holds more requests than the limit says, give or take what a hiccup may make up for."""
    play = sail(
        [str(number) for number in range(300)],
        lambda _id, _poll: Event(RUNNING, 0.01),
        timeout=60.0,
        per_second=limit,
        max_concurrency=8,
    )
    times = [asked.time for asked in play.asked]
    most = max(bisect_left(times, time + 1) - number for number, time in enumerate(times))
    assert most <= limit * 1.05 + 1
    needed = 300 * 60 / 3
    assert len(times) >= 0.95 * min(limit * 60, needed)


def test_silence_does_not_hold_a_fleet() -> None:
    """However many tasks wait for their last look, all of them together get the time of one; the rest end unasked."""
    ids = [str(number) for number in range(100)]
    play = sail(ids, lambda _id, _poll: Event(RUNNING, 30.0), timeout=10.0)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert {history.end for history in play.ends} == {End.TIMED_OUT}
    assert play.now <= START + 10.0 + FINAL_POLL_TIMEOUT


@pytest.mark.parametrize(("size", "late"), [(99, 0.0), (100, 0.05)])
def test_a_crowd_is_asked_in_bursts(size: int, late: float) -> None:
    """From a hundred tasks on, those who are due within 50 ms are asked in one go; nobody waits for longer."""
    dice = Random(50)
    ids = [str(number) for number in range(size)]
    script = lambda _id, poll: Event(RUNNING if poll < 20 else DONE, 0.0, random=dice.random())  # noqa: E731
    play = sail(ids, script, max_concurrency=size)
    first_half = play.asked[: len(play.asked) // 2]
    assert max(asked.time - asked.due for asked in first_half) == pytest.approx(late, rel=0.05)
    naps = [until - asleep for asleep, until in play.slept if until <= first_half[-1].time]
    assert min(naps) >= late - 1e-6
    assert (len(naps) < len(first_half) / 2) is (late > 0)


def test_the_last_call_is_no_time_for_bursts() -> None:
    """Who is due just before the last call is woken for and asked, in a crowd as well."""
    policy = PollPolicy(min_interval=23.97, max_interval=23.97, growth=0.0, jitter=0.0)
    ids = [str(number) for number in range(200)]
    play = sail(ids, lambda _id, _poll: Event(RUNNING, 0.0), policy, timeout=20.0, max_concurrency=200)
    assert all(history.polls == 2 for history in play.ends)
