"""Whole runs of the scheduler on a virtual clock: order, fairness, request rates, outages and deadlines."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import PollPolicy
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, End
from tests.unit.polling.scheduler_simulation import SchedulerRun, simulate
from tests.unit.polling.wait_simulation import (
    DONE,
    EVENTS,
    FAILED,
    POLICIES,
    RESET,
    RUNNING,
    TIMEOUTS,
    Event,
    QueryOutcome,
    busy,
    rate_limited,
)
from tests.unit.support import FIXED, START

if TYPE_CHECKING:
    from kkiai_sdk import APIError


RUNS = st.builds(
    lambda scripts, policy, timeout, room: simulate(
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


@given(RUNS)
@FIXED
def test_every_task_ends_exactly_once(play: SchedulerRun) -> None:
    """Every id gets exactly one end and is not polled after it."""
    assert sorted(history.task_id for history in play.ends) == sorted(play.task_ids)
    assert all(history.end is not None for history in play.ends)
    assert all(history.polls == play.counts.get(history.task_id, 0) for history in play.ends)


@given(RUNS)
@FIXED
def test_most_overdue_task_is_polled_first_within_the_limit(play: SchedulerRun) -> None:
    """The most overdue task is polled first, not before it is due, within the concurrency limit."""
    assert all(asked.due <= asked.earliest_other for asked in play.asked)
    assert all(asked.time >= asked.due for asked in play.asked)
    assert all(asked.in_flight <= play.fleet._limits.concurrency for asked in play.asked)
    first = list(dict.fromkeys(asked.task_id for asked in play.asked))
    assert first == sorted(first)


@given(RUNS)
@FIXED
def test_no_poll_during_a_pause_and_no_sleep_past_the_deadline(play: SchedulerRun) -> None:
    """No task is polled during a server's pause; no sleep passes the deadline or has no length."""
    assert all(asked.time >= asked.paused_until for asked in play.asked)
    assert all(until > asleep for asleep, until in play.slept)
    assert all(until <= play.deadline + FINAL_POLL_TIMEOUT for _, until in play.slept)
    late = [asked.task_id for asked in play.asked if asked.time > play.deadline]
    assert len(late) == len(set(late))


def _outcome_of(task_id: str, poll: int) -> Event:
    """The outcome of a poll: running for a few polls, in some cases a reset or a 429, then the end."""
    number = int(task_id)
    if poll < number % 4:
        outcomes: list[QueryOutcome] = [RUNNING, RESET, rate_limited(2.0)]
        outcome = outcomes[0 if number % 50 else 1 + number // 50 % 2]
        return Event(outcome, 0.05, random=number % 100 / 100)
    return Event(DONE if number % 3 else FAILED, 0.05)


@pytest.mark.no_cover
def test_ten_thousand_tasks_all_end_with_four_in_flight() -> None:
    """Ten thousand tasks share four places in flight, and each gets its end."""
    ids = [str(number) for number in range(10_000)]
    play = simulate(ids, _outcome_of, timeout=math.inf)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert {history.end for history in play.ends} == {End.DONE}
    assert len(play.asked) == sum(1 + number % 4 for number in range(10_000))
    assert play.fleet.step(play.now) is None


def test_tasks_beyond_capacity_are_polled_equally_often() -> None:
    """With more tasks than can be polled in time, all are polled equally often, plus or minus two."""
    ids = [str(number) for number in range(200)]
    play = simulate(
        ids, lambda _id, _poll: Event(RUNNING, 1.0, random=int(_id) % 10 / 10), timeout=600.0, max_concurrency=2
    )
    assert max(play.counts.values()) - min(play.counts.values()) <= 2
    assert {history.end for history in play.ends} == {End.TIMED_OUT}


@pytest.mark.fault("T-11")
@pytest.mark.parametrize("per_second", [50.0, math.inf])
@pytest.mark.parametrize("error", [busy(), rate_limited(), RESET], ids=["503", "429", "reset"])
def test_outage_costs_bounded_requests(error: APIError, per_second: float) -> None:
    """While every answer is an error, a thousand tasks cost one request each, the retry budget, and one per gap."""
    ids = [str(number) for number in range(1000)]
    play = simulate(ids, lambda _id, _poll: Event(error, 0.05), timeout=1800.0, per_second=per_second, tries=4)
    assert len(play.asked) <= 1000 + 100 + 1800 / 3
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert all(history.end is End.TIMED_OUT for history in play.ends)


@pytest.mark.fault("T-11")
def test_lasting_rate_limit_doubles_the_pauses() -> None:
    """While every answer is a 429 the pauses double up to a minute, with one request after each."""
    play = simulate(
        [str(number) for number in range(1000)], lambda _id, _poll: Event(rate_limited(30.0), 0.05), timeout=300.0
    )
    assert [round(asked.time - START) for asked in play.asked] == [0, 0, 0, 0, 30, 60, 90, 120, 168, 228, 288]
    play = simulate(
        [str(number) for number in range(1000)], lambda _id, _poll: Event(rate_limited(), 0.05), timeout=300.0
    )
    assert [round(asked.time - START) for asked in play.asked] == [0, 0, 0, 0, 3, 9, 21, 45, 93, 153, 213, 273, 300]


@pytest.mark.no_cover
@pytest.mark.deep
def test_all_tasks_are_polled_soon_after_an_outage() -> None:
    """Within a minute of its end every one of a thousand tasks has been polled again."""
    end = START + 300.0
    ids = [str(number) for number in range(1000)]
    clock: list[SchedulerRun] = []

    def script(_id: str, _poll: int) -> Event:
        return Event(busy() if clock[0].now < end else RUNNING, 0.2, random=int(_id) % 10 / 10)

    play = simulate(ids, script, timeout=600.0, max_concurrency=8, tries=4, started=clock.append)
    first_good = {asked.task_id: asked.time for asked in reversed(play.asked) if asked.time >= end}
    assert sorted(first_good) == sorted(ids)
    assert max(first_good.values()) <= end + 60


@pytest.mark.no_cover
@pytest.mark.fault("T-12")
@pytest.mark.parametrize(
    ("per_second", "room"), [(50.0, 4), (math.inf, 4), pytest.param(math.inf, 16, marks=pytest.mark.deep)]
)
def test_tasks_started_together_are_no_herd(per_second: float, room: int) -> None:
    """A thousand tasks that start together spread out: no tenth of a second holds 10 % of a round."""
    dice = Random(7)
    play = simulate(
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
def test_requests_per_second_stay_within_the_limit(limit: float) -> None:
    """No second holds more requests than the limit, apart from a small burst allowance."""
    play = simulate(
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


def test_final_polls_share_one_timeout() -> None:
    """All final polls together take the time of one; the remaining tasks expire without a poll."""
    ids = [str(number) for number in range(100)]
    play = simulate(ids, lambda _id, _poll: Event(RUNNING, 30.0), timeout=10.0)
    assert sorted(history.task_id for history in play.ends) == sorted(ids)
    assert {history.end for history in play.ends} == {End.TIMED_OUT}
    assert play.now <= START + 10.0 + FINAL_POLL_TIMEOUT


@pytest.mark.parametrize(("size", "late"), [(99, 0.0), (100, 0.05)])
def test_hundred_tasks_are_polled_in_bursts(size: int, late: float) -> None:
    """From a hundred tasks on, tasks due within 50 ms are polled together; none waits longer."""
    dice = Random(50)
    ids = [str(number) for number in range(size)]
    script = lambda _id, poll: Event(RUNNING if poll < 20 else DONE, 0.0, random=dice.random())  # noqa: E731
    play = simulate(ids, script, max_concurrency=size)
    first_half = play.asked[: len(play.asked) // 2]
    assert max(asked.time - asked.due for asked in first_half) == pytest.approx(late, rel=0.05)
    naps = [until - asleep for asleep, until in play.slept if until <= first_half[-1].time]
    assert min(naps) >= late - 1e-6
    assert (len(naps) < len(first_half) / 2) is (late > 0)


def test_no_burst_delays_a_task_past_the_deadline() -> None:
    """A task due just before the deadline is polled in time, among many tasks as well."""
    policy = PollPolicy(min_interval=23.97, max_interval=23.97, growth=0.0, jitter=0.0)
    ids = [str(number) for number in range(200)]
    play = simulate(ids, lambda _id, _poll: Event(RUNNING, 0.0), policy, timeout=20.0, max_concurrency=200)
    assert all(history.polls == 2 for history in play.ends)
