"""The waits of a fleet, step by step, on a virtual clock."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from kkiai_sdk import PollPolicy, VideoTask
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.fleet_state import Event, FleetState, Waiter
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, End, PollState
from kkiai_sdk._polling.scheduler import PollTask, Scheduler, SchedulerLimits, WaitForResponse
from tests.unit.polling.wait_simulation import (
    DONE,
    FATAL,
    NO_URL,
    NOT_FOUND,
    PENDING,
    RESET,
    RUNNING,
    busy,
    rate_limited,
)
from tests.unit.support import START

if TYPE_CHECKING:
    from kkiai_sdk import APIError

QUERY_TIMEOUT = 30.0
#: A poll every 10 s.
EVEN = PollPolicy(min_interval=10, growth=0, max_interval=10, jitter=0)


class Fleet:
    """A fleet at a time, and its waiters by name."""

    def __init__(self, *, concurrency: int = 8, waiting: int = 99, policy: PollPolicy = EVEN) -> None:
        limits = SchedulerLimits(concurrency, waiting=waiting)
        self.scheduler = Scheduler(limits, policy, RetryBudget(100), now=START, timeout=math.inf)
        self.state, self.now = FleetState(self.scheduler, QUERY_TIMEOUT), START

    def join(self, task_id: str, timeout: float = math.inf, *, waited: float = 0.0, **options: Any) -> Waiter:
        """Add a waiter."""
        started = self.now - waited
        deadline = max(started + timeout, self.now)
        waiter = Waiter(task_id, self.now, started, deadline, object(), **options)
        self.state.join(waiter)
        return waiter

    def step(self) -> object:
        """The next step: the id of a task to poll, the seconds to wait for, or the names and ends of waiters."""
        step = self.state.step(self.now)
        if isinstance(step, PollTask):
            return step.task_id
        return step.until - self.now if isinstance(step, Sleep | WaitForResponse) else ends(step)

    def at(self, seconds: float) -> Fleet:
        """Set the time to seconds after the start."""
        self.now = START + seconds
        return self

    def after(self, task_id: str, outcome: VideoTask | APIError) -> list[Event]:
        """The events of a poll."""
        if isinstance(outcome, VideoTask):
            state = self.scheduler.answered(task_id, outcome, self.now, 0.0)
        else:
            state = self.scheduler.failed(task_id, outcome, self.now, 0.0)
        return self.state.after_poll(state, self.now)

    def poll(self, task_id: str, outcome: VideoTask | APIError = RUNNING) -> list[tuple[Waiter, End | None]]:
        """Poll a task, which must be the next step; return the ends of waiters."""
        assert self.step() == task_id
        return ends(self.after(task_id, outcome))


def ends(events: object) -> list[tuple[Waiter, End | None]]:
    """The waiters that end, and why."""
    assert isinstance(events, list)
    return [(waiter, state.end) for waiter, state in events if isinstance(state, PollState)]


def final(events: list[Event]) -> PollState:
    """The state with which the only waiter ends."""
    ((_, state),) = events
    assert isinstance(state, PollState)
    return state


def test_fleet_without_waiters_sleeps_without_end() -> None:
    """Nothing happens until somebody joins."""
    fleet = Fleet()
    assert fleet.state.step(START) == Sleep(math.inf)


def test_waiter_is_polled_until_its_task_has_ended() -> None:
    """The first poll is made at once, the next after the gap of the policy; then nothing is left."""
    fleet = Fleet()
    waiter = fleet.join("a", 60.0)
    assert fleet.poll("a") == []
    assert fleet.state.step(START) == Sleep(START + 10)
    assert fleet.at(10).step() == "a"
    assert fleet.state.step(fleet.now) == WaitForResponse(START + 60)
    state = final(fleet.after("a", DONE))
    assert (state.end, state.polls, state.started, state.task) == (End.DONE, 2, START, DONE)
    assert fleet.step() == math.inf
    assert not fleet.state.is_awaited(waiter.task_id)


def test_waiters_of_one_id_share_its_polls() -> None:
    """Each counts the polls and the time since its own call."""
    fleet = Fleet()
    first = fleet.join("a", 60.0)
    assert fleet.poll("a") == []
    second = fleet.at(5).join("a", 60.0)
    assert fleet.step() == 5
    assert fleet.at(10).step() == "a"
    events = fleet.after("a", DONE)
    assert ends(events) == [(first, End.DONE), (second, End.DONE)]
    states = [state for _, state in events if isinstance(state, PollState)]
    assert [(each.polls, each.started - START) for each in states] == [(2, 0), (1, 5)]


def test_waiters_of_one_id_in_the_queue_share_its_first_poll() -> None:
    """The task is admitted once, with the earliest start and the latest deadline."""
    fleet = Fleet()
    first, second = fleet.join("a", 15.0), fleet.join("a", waited=50)
    assert fleet.poll("a") == []
    assert fleet.at(10).poll("a") == []
    assert fleet.at(15).poll("a") == [(first, End.TIMED_OUT)]
    assert fleet.at(25).poll("a", DONE) == [(second, End.DONE)]


@pytest.mark.parametrize("is_first", [True, False])
def test_deadline_of_one_waiter_does_not_end_another(*, is_first: bool) -> None:
    """At the earlier deadline the task is polled for that waiter; the other one waits on."""
    fleet = Fleet()
    short, long = (fleet.join("a", 13.0), None) if is_first else (None, fleet.join("a", 100.0))
    fleet.poll("a")
    short, long = short or fleet.join("a", 13.0), long or fleet.join("a", 100.0)
    assert fleet.at(10).poll("a") == []
    assert fleet.step() == 3
    assert fleet.at(13).poll("a") == [(short, End.TIMED_OUT)]
    assert fleet.at(23).poll("a") == []
    assert fleet.at(33).poll("a", DONE) == [(long, End.DONE)]


def test_error_at_the_deadline_ends_that_waiter() -> None:
    """A query that failed just then is no reason to wait for another one."""
    fleet = Fleet()
    short = fleet.join("a", 10.0)
    fleet.join("a", 100.0)
    assert fleet.step() == "a"
    assert ends(fleet.at(10).after("a", RESET)) == [(short, End.TIMED_OUT)]


def test_result_at_the_deadline_counts() -> None:
    """The task that has ended at the deadline is the result."""
    fleet = Fleet()
    waiter = fleet.join("a", 13.0)
    fleet.poll("a")
    fleet.at(10).poll("a")
    assert fleet.at(13).poll("a", DONE) == [(waiter, End.DONE)]


def test_waiter_in_time_ends_as_one_of_a_missing_video() -> None:
    """A task that succeeded without a URL until the deadline ends the wait for lack of a video."""
    fleet = Fleet()
    early, late = fleet.join("a", 5.0), fleet.join("a", 500.0)
    assert fleet.poll("a", NO_URL) == []
    assert fleet.at(5).poll("a", NO_URL) == [(early, End.VIDEO_MISSING)]
    assert fleet.at(60).poll("a", NO_URL) == [(late, End.VIDEO_MISSING)]


@pytest.mark.parametrize("outcome", [PENDING, RESET, NOT_FOUND])
@pytest.mark.parametrize("waited", [0.0, 500.0])
def test_waiter_without_time_ends_with_one_poll(outcome: VideoTask | APIError, waited: float) -> None:
    """With a timeout of 0, or one that another process has used up, a wait is one poll with the timeout of a query."""
    fleet = Fleet()
    waiter = fleet.join("a", 0.0 if not waited else 400.0, waited=waited)
    assert fleet.state.step(fleet.now) == PollTask("a", QUERY_TIMEOUT)
    assert ends(fleet.at(20).after("a", outcome)) == [
        (waiter, End.BROKEN if waited and outcome is NOT_FOUND else End.TIMED_OUT)
    ]
    assert fleet.step() == math.inf


def test_waiter_without_time_expires_after_the_timeout_of_a_query() -> None:
    """If its poll cannot be made or is not answered by then, the wait ends all the same."""
    fleet = Fleet(concurrency=1)
    fleet.join("a")
    assert fleet.step() == "a"
    waiter = fleet.join("b", 0.0)
    assert fleet.step() == QUERY_TIMEOUT
    assert fleet.at(QUERY_TIMEOUT).step() == [(waiter, End.TIMED_OUT)]


@pytest.mark.parametrize("is_queued", [False, True])
def test_waiter_without_time_needs_no_place_among_the_waiting(*, is_queued: bool) -> None:
    """Its poll is made at once also when the limit of waiting ids is reached and its id queues for others."""
    fleet = Fleet(waiting=1)
    fleet.join("a")
    fleet.poll("a")
    if is_queued:
        fleet.join("b")
    waiter = fleet.join("b", 0.0)
    assert fleet.poll("b") == [(waiter, End.TIMED_OUT)]


def test_waiter_without_time_for_a_task_that_waits_makes_it_due() -> None:
    """The task is polled at once, for both."""
    fleet = Fleet()
    fleet.join("a")
    fleet.poll("a")
    waiter = fleet.at(2).join("a", 0.0)
    assert fleet.poll("a") == [(waiter, End.TIMED_OUT)]
    assert fleet.step() == 10


def late(fleet: Fleet, waiter: Waiter, timeout: float) -> None:
    """Assert that a waiter whose task is not polled expires in time, and not before."""
    assert fleet.step() == timeout
    assert fleet.at(timeout).step() == FINAL_POLL_TIMEOUT
    assert fleet.at(timeout + FINAL_POLL_TIMEOUT).step() == [(waiter, End.TIMED_OUT)]


def test_waiter_in_the_queue_expires_in_time() -> None:
    """While all places are taken, the deadline holds as ever, and nothing is left of the wait."""
    fleet = Fleet(concurrency=1)
    fleet.join("a")
    assert fleet.step() == "a"
    waiter = fleet.join("b", 3.0)
    assert fleet.step() == 3
    assert fleet.at(3).step() == FINAL_POLL_TIMEOUT
    expired = fleet.at(3 + FINAL_POLL_TIMEOUT).state.step(fleet.now)
    due = START + 3
    state = PollState(task_id="b", started=START, deadline=due, due=due, end=End.TIMED_OUT)
    assert expired == [(waiter, state)]
    assert ends(fleet.after("a", DONE)) != []
    assert fleet.step() == math.inf


def test_waiter_whose_poll_is_not_answered_expires_in_time() -> None:
    """A gate that blocks the poll does not hold up the deadline; a response later is dropped."""
    fleet = Fleet()
    waiter = fleet.join("a", 3.0)
    assert fleet.step() == "a"
    late(fleet, waiter, 3.0)
    assert fleet.after("a", DONE) == []
    assert fleet.step() == math.inf


def test_waiter_expires_in_time_while_the_server_pauses_all() -> None:
    """A Retry-After of another task beyond the deadline delays no end, and no poll is made."""
    fleet = Fleet()
    fleet.join("a")
    waiter = fleet.join("b", 7.0)
    assert [fleet.step(), fleet.step()] == ["a", "b"]
    fleet.after("b", RUNNING)
    fleet.after("a", rate_limited(50.0))
    late(fleet, waiter, 7.0)


def test_waiter_that_expires_in_an_outage_has_its_error() -> None:
    """A task that was not polled during the outage ends with the refusal of another as its last error."""
    fleet = Fleet(concurrency=10)
    ids = [f"t{number}" for number in range(12)]
    waiters = [fleet.join(task_id, 12.0) for task_id in ids]
    for task_id in ids:
        assert fleet.poll(task_id) == []
    fleet.at(10)
    assert [fleet.step() for _ in ids[:10]] == ids[:10]
    for task_id in ids[:10]:
        fleet.after(task_id, FATAL)
    assert fleet.step() == "t10"
    assert fleet.step() == 2
    assert fleet.at(12).step() == FINAL_POLL_TIMEOUT
    expired = fleet.at(17).state.step(fleet.now)
    assert isinstance(expired, list)
    states = {waiter: state for waiter, state in expired if isinstance(state, PollState)}
    assert {each.end for each in states.values()} == {End.TIMED_OUT}
    assert [str(states[waiter].last_error) for waiter in waiters] == ["bad key"] * 10 + ["None", "bad key"]


@pytest.mark.parametrize("has_left", [False, True])
def test_outage_that_has_lasted_ends_all_waits(*, has_left: bool) -> None:
    """Each waiter of each task that has not left ends with the refusal."""
    fleet = Fleet(policy=evolve(EVEN, max_refusals=3, refusal_grace=0))
    waiters = [fleet.join(task_id) for task_id in ("a", "b", "b")]
    fleet.poll("a")
    fleet.poll("b")
    fleet.at(10)
    assert [fleet.step(), fleet.step()] == ["a", "b"]
    fleet.after("a", FATAL)
    fleet.after("b", FATAL)
    assert fleet.at(20).poll("a", FATAL) == [(waiters[0], End.BROKEN)]
    if has_left:
        for waiter in waiters[1:]:
            fleet.state.leave(waiter, fleet.now)
    assert fleet.step() == [(waiter, End.BROKEN) for waiter in waiters[1:] if not has_left]
    assert fleet.step() == math.inf


def test_ids_beyond_the_limit_wait_in_order() -> None:
    """Each is admitted when another has ended; one that leaves the queue is passed over."""
    fleet = Fleet(waiting=1)
    fleet.join("a")
    assert fleet.poll("a") == []
    waiters = {task_id: fleet.join(task_id) for task_id in ("b", "c", "d")}
    assert fleet.step() == 10
    fleet.state.leave(waiters["b"], fleet.now)
    fleet.at(10).poll("a", DONE)
    assert fleet.poll("c", DONE) == [(waiters["c"], End.DONE)]
    assert fleet.poll("d") == []


@pytest.mark.parametrize("is_queued", [False, True])
def test_query_does_not_wait_for_a_place(*, is_queued: bool) -> None:
    """A wait that stands for one query is polled next, also for an id in the queue; the limit holds for the others."""
    fleet = Fleet(waiting=1)
    fleet.join("a")
    fleet.poll("a")
    fleet.join("b")
    other = [fleet.join("c")] if is_queued else []
    query = fleet.join("c", is_query=True)
    assert fleet.poll("c", DONE) == [(each, End.DONE) for each in [*other, query]]
    assert fleet.step() == 10
    fleet.at(10).poll("a", DONE)
    fleet.poll("b", DONE)
    assert fleet.step() == math.inf


def test_new_id_is_not_polled_before_one_that_is_overdue() -> None:
    """Ids that keep coming do not starve the tasks that wait."""
    fleet = Fleet(concurrency=1)
    fleet.join("a")
    fleet.poll("a")
    fleet.at(11).join("b")
    assert fleet.poll("a") == []
    assert fleet.poll("b") == []


def test_cancelled_wait_makes_room_and_its_answer_is_dropped() -> None:
    """The next id is polled though the poll of the one before is in flight."""
    fleet = Fleet(waiting=1)
    waiter = fleet.join("a")
    assert fleet.step() == "a"
    other = fleet.join("b")
    assert fleet.step() == math.inf
    fleet.state.leave(waiter, fleet.now)
    fleet.state.leave(waiter, fleet.now)
    assert fleet.step() == "b"
    assert fleet.after("a", DONE) == []
    assert ends(fleet.after("b", DONE)) == [(other, End.DONE)]
    assert fleet.step() == math.inf


def test_waiter_may_leave_after_its_deadline() -> None:
    """Its task, whose final poll is in flight, is forgotten."""
    fleet = Fleet()
    waiters = [fleet.join(task_id, 5.0) for task_id in ("a", "b")]
    assert [fleet.step(), fleet.step()] == ["a", "b"]
    assert fleet.at(5).step() == FINAL_POLL_TIMEOUT
    for waiter in waiters:
        fleet.state.leave(waiter, fleet.now)
    assert fleet.step() == math.inf
    assert fleet.state.leave_all() == []


def test_many_waiters_expire_in_batches() -> None:
    """With a hundred tasks the fleet wakes up at most twenty times a second, also for deadlines."""
    fleet = Fleet(concurrency=200, waiting=200)
    for number in range(100):
        fleet.join(f"t{number}", 5.0 + number / 1000)
        assert fleet.step() == f"t{number}"
    assert fleet.step() == 5
    assert fleet.at(4.99).step() == pytest.approx(0.05)


def test_one_of_two_waiters_may_leave() -> None:
    """The task is polled for the other one."""
    fleet = Fleet()
    first, second = fleet.join("a"), fleet.join("a")
    fleet.poll("a")
    fleet.state.leave(first, fleet.now)
    assert fleet.at(10).poll("a", DONE) == [(second, End.DONE)]


def test_task_whose_last_waiter_leaves_is_polled_no_more() -> None:
    """It is withdrawn, and can be waited for again from the beginning."""
    fleet = Fleet()
    waiter = fleet.join("a")
    fleet.poll("a")
    fleet.state.leave(waiter, fleet.now)
    assert fleet.at(10).step() == math.inf
    fleet.join("a")
    assert final_polls(fleet) == 1


def final_polls(fleet: Fleet) -> int:
    """The number of polls that the only waiter counts, when its task is done with the next one."""
    assert fleet.step() == "a"
    return final(fleet.after("a", DONE)).polls


def test_wait_for_a_task_whose_poll_is_in_flight_gets_its_answer() -> None:
    """An id that is cancelled and waited for again is not polled twice at a time."""
    fleet = Fleet()
    fleet.state.leave(fleet.join("a"), fleet.now)
    assert fleet.step() == math.inf
    waiter = fleet.join("a")
    assert fleet.step() == "a"
    fleet.state.leave(waiter, fleet.now)
    again = fleet.join("a", 60.0)
    assert fleet.step() == 60
    assert ends(fleet.after("a", DONE)) == [(again, End.DONE)]


def test_poll_that_was_given_up_makes_a_task_that_waits_again_due() -> None:
    """Somebody joined after the driver had found nobody."""
    fleet = Fleet()
    waiter = fleet.join("a")
    assert fleet.step() == "a"
    fleet.state.leave(waiter, fleet.now)
    fleet.join("a")
    fleet.scheduler.not_polled("a", fleet.at(1).now)
    assert final_polls(fleet) == 1


def test_poll_that_was_given_up_is_forgotten() -> None:
    """Nothing is left of a task that nobody waits for."""
    fleet = Fleet()
    waiter = fleet.join("a")
    assert fleet.step() == "a"
    fleet.state.leave(waiter, fleet.now)
    fleet.scheduler.not_polled("a", fleet.now)
    assert fleet.step() == math.inf


def test_time_waited_before_counts_for_pace_and_deadline() -> None:
    """After 500 s in another process the gap is that after 500 s, and 100 s are left of 600."""
    fleet = Fleet(policy=PollPolicy(min_interval=3, growth=0.02, max_interval=60, jitter=0))
    waiter = fleet.join("a", 600.0, waited=500.0)
    fleet.poll("a")
    assert fleet.step() == pytest.approx(13)
    assert waiter.deadline == START + 100


def test_snapshots_are_reported_to_those_who_want_them() -> None:
    """Each waiter gets the snapshots that differ from its own last one, none for an error."""
    fleet = Fleet()
    fleet.join("a")
    first = fleet.join("a", wants_updates=True)
    assert fleet.step() == "a"
    full = evolve(PENDING, raw={"status": "pending", "eta": 5}, extra={"eta": 5})
    assert fleet.after("a", full) == [(first, full)]
    assert first.snapshot == PENDING
    second = fleet.join("a", wants_updates=True)
    fleet.at(10).step()
    assert fleet.after("a", PENDING) == [(second, PENDING)]
    fleet.at(20).step()
    assert fleet.after("a", busy()) == []
    fleet.at(30).step()
    events = fleet.after("a", DONE)
    assert events[:2] == [(first, DONE), (second, DONE)]
    assert [type(state) for _, state in events[2:]] == [PollState] * 3


def test_suspension_past_the_deadline_is_followed_by_a_final_poll() -> None:
    """However long the machine was suspended; the timeout of the poll is that of a final one."""
    fleet = Fleet()
    waiter = fleet.join("a", 60.0)
    fleet.poll("a")
    assert fleet.at(7200).state.step(fleet.now) == PollTask("a", FINAL_POLL_TIMEOUT)
    assert fleet.step() == FINAL_POLL_TIMEOUT
    assert ends(fleet.at(7203).after("a", DONE)) == [(waiter, End.DONE)]


def suspended(count: int) -> tuple[Fleet, list[Waiter]]:
    """A fleet with one request at a time whose machine was suspended past the deadlines of some waiters."""
    fleet = Fleet(concurrency=1)
    waiters = [fleet.join(f"t{number}", 60.0) for number in range(count)]
    for waiter in waiters:
        fleet.poll(waiter.task_id)
    return fleet.at(7200), waiters


def test_waiters_after_a_suspension_do_not_expire_while_the_gateway_answers() -> None:
    """With one request of 4 s at a time, eight get a final poll; five seconds without an answer end the others."""
    fleet, waiters = suspended(10)
    for count, waiter in enumerate(waiters[:8]):
        assert fleet.step() == waiter.task_id
        assert fleet.step() == (FINAL_POLL_TIMEOUT if count == 0 else 1)
        if count:
            assert fleet.at(7201 + 4 * count).step() == 4
        assert ends(fleet.at(7204 + 4 * count).after(waiter.task_id, RUNNING)) == [(waiter, End.TIMED_OUT)]
    assert fleet.step() == "t8"
    assert fleet.step() == 1
    assert fleet.at(7233).step() == 4
    assert fleet.at(7237).step() == [(waiter, End.TIMED_OUT) for waiter in waiters[8:]]


@pytest.mark.parametrize("outcome", [None, RESET, FATAL])
def test_waiters_after_a_suspension_expire_without_answers(outcome: APIError | None) -> None:
    """Neither a failed query nor one that is refused for good is an answer."""
    fleet = Fleet(concurrency=1)
    waiter = fleet.join("a", 60.0)
    fleet.join("b", 9999.0)
    assert fleet.step() == "a"
    fleet.at(7200).after("a", RESET)
    assert fleet.step() == "b"
    if outcome:
        fleet.at(7203).after("b", outcome)
        assert fleet.step() == "a"
    assert fleet.at(7204.5).step() == 0.5
    assert fleet.at(7205).step() == [(waiter, End.TIMED_OUT)]


@pytest.mark.parametrize("timer_first", [True, False])
@pytest.mark.parametrize("other", [False, True])
def test_query_that_failed_by_a_suspension_is_followed_by_a_final_poll(*, timer_first: bool, other: bool) -> None:
    """The failure may come before or after the timer; another one ends the wait."""
    fleet = Fleet()
    waiter = fleet.join("a", 60.0)
    if other:
        fleet.join("a")
    assert fleet.step() == "a"
    fleet.at(7200)
    if timer_first:
        assert fleet.step() == FINAL_POLL_TIMEOUT
    assert fleet.after("a", RESET) == []
    assert fleet.step() == "a"
    assert ends(fleet.after("a", RESET)) == [(waiter, End.TIMED_OUT)]


def test_suspension_after_the_deadline_restarts_the_last_seconds() -> None:
    """A waiter whose machine was suspended between its deadline and its end is polled once more."""
    fleet = Fleet(concurrency=1)
    waiter = fleet.join("a", 60.0)
    fleet.poll("a")
    fleet.join("b")
    assert fleet.step() == "b"
    assert fleet.at(60).step() == FINAL_POLL_TIMEOUT
    assert fleet.at(7200).step() == FINAL_POLL_TIMEOUT
    fleet.after("b", RUNNING)
    assert fleet.at(7204).poll("a") == [(waiter, End.TIMED_OUT)]


def test_all_waiters_leave_at_the_end() -> None:
    """Those that wait, those in flight and those in the queue are returned, once."""
    fleet = Fleet(waiting=2)
    waiters = [fleet.join(task_id) for task_id in ("a", "b", "c", "a")]
    fleet.poll("a")
    assert fleet.step() == "b"
    assert set(map(id, fleet.state.leave_all())) == set(map(id, waiters))
    assert fleet.state.leave_all() == []
