"""Many waiting tasks: who is asked when, on a virtual clock."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import PollPolicy, RateLimitError
from kkiai_sdk._fleet import AskAbout, Await, Finished, Fleet
from kkiai_sdk._waiting import LAST_LOOK, End, Sleep
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
    Outcome,
    busy,
    slow_down,
)
from tests.unit.support import FIXED, START

TINY = 1e-6


def fleet(*task_ids: str, timeout: float = 1800.0, max_concurrency: int = 4) -> Fleet:
    """A fleet that starts at START."""
    return Fleet(task_ids, now=START, timeout=timeout, policy=PollPolicy(), max_concurrency=max_concurrency)


def test_no_tasks() -> None:
    """A fleet of none is finished."""
    assert fleet().step(START) == Finished()


def test_steps_of_one_task() -> None:
    """One task is asked about, awaited, slept for, asked again, and then the fleet is finished."""
    one = fleet("a")
    assert one.step(START) == AskAbout("a", 1800.0)
    assert one.step(START) == Await(math.inf)
    history = one.answered("a", RUNNING, START + 0.5, 0.0)
    assert history.end is None
    assert one.step(START + 0.5) == Sleep(history.due) == Sleep(START + 0.5 + 3.01)
    assert one.step(history.due) == AskAbout("a", START + 1800.0 - history.due)
    assert one.answered("a", DONE, START + 4, 0.0).end is End.DONE
    assert one.step(START + 4) == Finished()


def test_two_in_flight_and_one_waiting() -> None:
    """While answers are on their way the fleet awaits them, at most until the next task is due."""
    two = fleet("a", "b", max_concurrency=1)
    assert isinstance(two.step(START), AskAbout)
    assert two.step(START) == Await(math.inf)
    due = two.answered("a", RUNNING, START, 0.0).due
    assert two.step(START) == AskAbout("b", 1800.0)
    assert two.step(START + 1) == Await(math.inf)
    wide = fleet("a", "b", max_concurrency=2)
    wide.step(START)
    wide.step(START)
    assert wide.answered("a", RUNNING, START, 0.0).due == due
    assert wide.step(START + 1) == Await(due)
    assert wide.step(due) == AskAbout("a", START + 1800.0 - due)


def test_duplicates_are_one() -> None:
    """An id that is given twice is asked about once."""
    play = sail(["a", "b", "a"], lambda _id, _poll: Event(DONE))
    assert [asked.task_id for asked in play.asked] == ["a", "b"]


def test_first_polls_come_in_the_order_of_the_ids() -> None:
    """The first polls keep the caller's order, whatever the ids are."""
    ids = [f"{number * 7919 % 100:02}" for number in range(100)]
    play = sail(ids, lambda _id, _poll: Event(DONE), max_concurrency=3)
    assert [asked.task_id for asked in play.asked] == ids


def test_a_hint_paces_one_task_only() -> None:
    """What the server asks for on one task's answer does not hold up the others."""
    two = fleet("a", "b")
    two.step(START)
    two.step(START)
    assert two.answered("a", RUNNING, START, 0.0, hint=30.0).due == START + 30
    assert two.answered("b", RUNNING, START, 0.0).due == START + 3
    assert two.step(START + 3) == AskAbout("b", 1797.0)


@pytest.mark.parametrize(("pause", "until"), [(None, 3.0), (20.0, 20.0)])
def test_a_rate_limit_pauses_everybody(pause: float | None, until: float) -> None:
    """After a 429 nobody is asked until the pause is over, however long overdue."""
    three = fleet("a", "b", "c", max_concurrency=1)
    three.step(START)
    three.failed("a", slow_down(pause), START + 1, 0.0)
    assert three.step(START + 1) == Sleep(START + 1 + until)
    assert three.step(START + 1 + until) == AskAbout("b", 1799.0 - until)


def test_other_trouble_pauses_nobody() -> None:
    """An error about one task does not hold up the others."""
    two = fleet("a", "b", max_concurrency=1)
    two.step(START)
    two.failed("a", busy(20.0), START + 1, 0.0)
    assert two.step(START + 1) == AskAbout("b", 1799.0)


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Of several pauses the one that ends last counts."""
    three = fleet("a", "b", "c", max_concurrency=2)
    three.step(START)
    three.step(START)
    three.failed("a", slow_down(60.0), START + 1, 0.0)
    three.failed("b", slow_down(5.0), START + 2, 0.0)
    assert three.step(START + 2) == Sleep(START + 61)


def test_nobody_sleeps_through_the_deadline() -> None:
    """A pause that outlasts the wait is cut at the deadline, where every other task gets its last look."""
    two = fleet("a", "b", timeout=10.0, max_concurrency=1)
    two.step(START)
    assert two.failed("a", slow_down(60.0), START + 1, 0.0).end is End.TIMED_OUT
    assert two.step(START + 1) == Sleep(START + 10)
    assert two.step(START + 10) == AskAbout("b", LAST_LOOK)


def test_one_bad_task_does_not_stop_the_others() -> None:
    """A refusal for one task is that task's end and nobody else's."""
    outcomes: dict[str, Outcome] = {"a": FATAL, "b": DONE, "c": FAILED}
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
    assert all(asked.in_flight <= play.fleet._room for asked in play.asked)
    first = list(dict.fromkeys(asked.task_id for asked in play.asked))
    assert first == sorted(first)


@given(FLEETS)
@FIXED
def test_pauses_and_deadlines(play: Play) -> None:
    """Nobody is asked during a pause, but for the last look at the deadline; no sleep goes past it or stands still."""
    assert all(asked.time >= min(asked.paused_until, play.deadline) for asked in play.asked)
    assert all(until > asleep for asleep, until in play.slept)
    assert all(until <= play.deadline + LAST_LOOK for _, until in play.slept)
    late = [asked.task_id for asked in play.asked if asked.time > play.deadline]
    assert len(late) == len(set(late))


def _fate(task_id: str, poll: int) -> Event:
    """A task that runs for a few polls; now and then a reset or a 429."""
    number = int(task_id)
    if poll < number % 4:
        outcomes: list[Outcome] = [RUNNING, RESET, slow_down(2.0)]
        outcome = outcomes[0 if number % 50 else 1 + number // 50 % 2]
        return Event(outcome, 0.05, random=number % 100 / 100)
    return Event(DONE if number % 3 else FAILED, 0.05)


def test_ten_thousand_tasks() -> None:
    """Ten thousand tasks share four places in flight, each gets its end, and none is left behind."""
    ids = [str(number) for number in range(10_000)]
    play = sail(ids, _fate, timeout=math.inf)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert {history.end for history in play.ends} == {End.DONE}
    assert len(play.asked) == sum(1 + number % 4 for number in range(10_000))
    assert isinstance(play.fleet.step(play.now), Finished)


def test_nobody_starves() -> None:
    """With more tasks than can be asked in time, every one is asked about as often as any other, give or take two."""
    ids = [str(number) for number in range(200)]
    play = sail(
        ids, lambda _id, _poll: Event(RUNNING, 1.0, random=int(_id) % 10 / 10), timeout=600.0, max_concurrency=2
    )
    assert max(play.counts.values()) - min(play.counts.values()) <= 2
    assert {history.end for history in play.ends} == {End.TIMED_OUT}


def test_an_outage_is_met_with_patience() -> None:
    """While every answer is a 429 the fleet asks no more than its places in flight per pause."""
    ids = [str(number) for number in range(1000)]
    play = sail(ids, lambda _id, _poll: Event(slow_down(30.0), 0.05), timeout=300.0)
    before_deadline = [asked for asked in play.asked if asked.time < play.deadline]
    assert len(before_deadline) <= 4 * 11
    assert len(play.ends) == len(ids)
    assert all(history.last_error is None or isinstance(history.last_error, RateLimitError) for history in play.ends)


def test_silence_does_not_hold_a_fleet() -> None:
    """However many tasks wait for their last look, all of them together get the time of one; the rest end unasked."""
    ids = [str(number) for number in range(100)]
    play = sail(ids, lambda _id, _poll: Event(RUNNING, 30.0), timeout=10.0)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert {history.end for history in play.ends} == {End.TIMED_OUT}
    assert play.now <= START + 10.0 + LAST_LOOK
