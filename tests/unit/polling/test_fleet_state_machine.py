"""Stateful test: whatever happens to a fleet, each wait ends once, in time, with the answer that it may have.

The machine is the driver of the flow of a fleet, on a virtual clock: it starts waits and cancels them, answers polls or
lets a gate hold them, sleeps as the flow asks or for longer, and closes the fleet at the end.
"""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from kkiai_sdk import (
    APIError,
    PollPolicy,
    RateLimitError,
    TaskError,
    TaskNotFoundError,
    TaskTimeoutError,
    VideoTask,
    WaitResult,
)
from kkiai_sdk._clock import Clock
from kkiai_sdk._effects import CollectResults, Deliver, Idle, QueryResult, RequestOptions, StartQuery
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.fleet_state import FleetState, NotAwaitedError, Waiter
from kkiai_sdk._polling.flows import WaitOptions, fleet_flow, new_scheduler
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, MAX_POLL_RETRY_AFTER, MIN_POLL_TIMEOUT, is_change
from kkiai_sdk._polling.scheduler import SchedulerLimits
from tests.support.effort import examples
from tests.unit.polling.wait_simulation import (
    BLANK,
    DONE,
    EMPTY,
    FAILED,
    FATAL,
    NO_URL,
    NOT_FOUND,
    PENDING,
    RESET,
    RUNNING,
    busy,
    rate_limited,
)
from tests.unit.support import FIXED, MUTATING, START

if TYPE_CHECKING:
    from kkiai_sdk._effects import QueryOutcome

QUERY_TIMEOUT = 30.0
LIVELY: list[QueryOutcome] = [QueryResult(each) for each in (PENDING, RUNNING, RUNNING, NO_URL, BLANK)]
TROUBLE: list[QueryOutcome] = [busy(), RESET, NOT_FOUND, busy(7.5), rate_limited(), rate_limited(20.0), FATAL, EMPTY]
ENDS: list[QueryOutcome] = [QueryResult(DONE), QueryResult(FAILED)]
PHASES = [[*LIVELY, *ENDS], [*LIVELY * 4, *TROUBLE, *ENDS * 2], LIVELY, [*TROUBLE[-2:], busy()]]
TIMEOUTS = [0.0, 0.0, 2.0, 5.0, 20.0, 60.0, 60.0, 1800.0, 1800.0, 1800.0, math.inf, math.inf]


@define(eq=False)
class Call:
    """One wait, as its caller sees it."""

    waiter: Waiter
    deliveries: list[VideoTask | WaitResult] = field(factory=list)
    #: Outcomes of polls of the task since the call, and the earliest time at which the wait may be late by right.
    polls: list[QueryOutcome] = field(factory=list)
    excused_until: float = 0.0
    is_cancelled: bool = False

    def put(self, value: VideoTask | WaitResult) -> None:
        """Take a snapshot, or the result."""
        assert not self.is_cancelled, "a cancelled wait was answered"
        assert not self.has_ended, "a wait was answered after its end"
        self.deliveries.append(value)

    @property
    def has_ended(self) -> bool:
        """Whether there is a result."""
        return bool(self.deliveries) and isinstance(self.deliveries[-1], WaitResult)

    @property
    def is_waiting(self) -> bool:
        """Whether the caller still waits."""
        return not self.is_cancelled and not self.has_ended


class FleetMachine(RuleBasedStateMachine):
    """A fleet, its callers, its gateway and its gate."""

    # From a seed, and one rule only, as in the test of the flows.
    @initialize(seed=st.integers(0, 2**64 - 1))
    def begin(self, seed: int) -> None:
        """Start."""
        dice = self.dice = Random(seed)
        self.limits = SchedulerLimits(
            dice.choice([1, 2, 8]), dice.choice([0.5, 10.0, math.inf, math.inf]), dice.choice([1, 4, 99, 99])
        )
        policy = PollPolicy(
            jitter=0,
            max_consecutive_errors=dice.choice([2, 10]),
            not_found_grace=dice.choice([0.0, 60.0]),
            refusal_grace=dice.choice([0.0, 30.0, 90.0]),
            url_grace=dice.choice([0.0, 60.0]),
        )
        self.now, self.outcomes = START, dice.choice(PHASES)
        clock = Clock(monotonic=lambda: self.now, random=lambda: 0.0)
        self.budget = RetryBudget(dice.choice([0, 2, 100]))
        options = WaitOptions(math.inf, policy, RequestOptions(QUERY_TIMEOUT, 1), clock, self.budget)
        self.scheduler = new_scheduler(options, self.limits)
        self.state = FleetState(self.scheduler, QUERY_TIMEOUT)
        self.flow = fleet_flow(self.state, self.scheduler, options)
        self.calls: list[Call] = []
        #: Polls in flight, with the time and the timeout of each; those before the gate are held.
        self.in_flight: dict[str, tuple[float, float]] = {}
        self.held: set[str] = set()
        self.is_gate_shut = False
        self.paused_until = START
        self.numbers = itertools.count()
        self.last_sent = -math.inf
        self.resume(None)

    @property
    def waiting(self) -> list[Call]:
        """The calls that have not ended."""
        return [call for call in self.calls if call.is_waiting]

    def resume(self, result: object) -> None:
        """Send a result to the flow, and perform effects until one that takes time."""
        effect = self.flow.send(result)
        while not isinstance(effect, CollectResults | Idle):
            if isinstance(effect, StartQuery):
                self.start(effect)
            else:
                assert isinstance(effect, Deliver)
                effect.receiver.put(effect.value)
                self.check_delivery(effect.receiver)
            effect = self.flow.send(None)
        assert isinstance(effect, Idle) is (not self.in_flight)
        assert effect.until > self.now, "the flow does not sleep"
        self.until = effect.until

    def start(self, effect: StartQuery) -> None:
        """Start a poll: of a task that is waited for, one at a time, within all limits."""
        task_id, options = effect.query
        assert any(call.waiter.task_id == task_id for call in self.waiting), "a poll that no one waits for"
        assert task_id not in self.in_flight
        assert len(self.in_flight) < self.limits.concurrency
        assert self.now >= self.paused_until, "a poll during the pause that the server asked for"
        assert options.max_retries == 0
        assert MIN_POLL_TIMEOUT <= options.timeout <= QUERY_TIMEOUT
        assert self.now - self.last_sent >= 1 / self.limits.per_second - 0.06
        self.last_sent = self.now
        self.in_flight[task_id] = self.now, options.timeout
        if self.is_gate_shut:
            self.held.add(task_id)

    def check_delivery(self, call: Call) -> None:
        """A snapshot differs from the last one; an end has a reason."""
        value, waiter = call.deliveries[-1], call.waiter
        if isinstance(value, VideoTask):
            before = [each for each in call.deliveries[:-1] if isinstance(each, VideoTask)]
            assert waiter.wants_updates
            assert is_change(before[-1] if before else None, value)
            return
        error = value.error
        assert value.task_id == waiter.task_id
        if isinstance(error, TaskError):
            assert error.elapsed == pytest.approx(self.now - waiter.started)
            assert error.polls == len(call.polls)
        if isinstance(error, TaskTimeoutError):
            last = call.polls[-1] if call.polls else None
            pause = (last.retry_after or 0.0) if isinstance(last, APIError) else 0.0
            assert self.now >= waiter.deadline or self.now + pause > waiter.deadline
        elif error is None or (isinstance(error, TaskError) and error.task and error.task.is_failed):
            assert call.polls[-1] in ENDS

    @rule()
    def step(self) -> None:
        """Let one thing happen."""
        dice = self.dice
        if dice.random() < 0.03:
            self.outcomes = dice.choice(PHASES)
        if dice.random() < 0.05:
            self.turn_gate()
        choice = dice.random()
        if choice < 0.25:
            self.call()
        elif choice < 0.33 and self.waiting:
            self.cancel(dice.choice(self.waiting))
        elif choice < 0.65 and self.answerable:
            self.answer(dice.sample(self.answerable, dice.randint(1, len(self.answerable))))
        else:
            self.sleep()
        self.check()

    def call(self) -> None:
        """Wait for an id, often one that is waited for, with any timeout."""
        dice = self.dice
        known = [call.waiter.task_id for call in self.waiting]
        task_id = dice.choice(known) if known and dice.random() < 0.3 else f"t{next(self.numbers)}"
        waited, timeout = dice.choice([0.0, 0.0, 50.0]), dice.choice(TIMEOUTS)
        started = self.now - waited
        deadline, wants_updates, is_query = max(started + timeout, self.now), dice.random() < 0.5, dice.random() < 0.1
        waiter = Waiter(task_id, self.now, started, deadline, None, wants_updates, is_query)
        waiter.receiver = Call(waiter)
        self.calls.append(waiter.receiver)
        self.state.join(waiter)
        self.resume_awake()

    def cancel(self, call: Call) -> None:
        """Cancel a wait."""
        call.is_cancelled = True
        self.state.leave(call.waiter, self.now)
        self.resume_awake()

    def resume_awake(self) -> None:
        """Wake up the flow without a result."""
        self.resume([] if self.in_flight else None)

    @property
    def answerable(self) -> list[str]:
        """The polls in flight that the gate has let through."""
        return [task_id for task_id in self.in_flight if task_id not in self.held]

    def answer(self, task_ids: list[str]) -> None:
        """Deliver outcomes of polls in flight, none after its timeout."""
        outcomes = [(task_id, self.dice.choice(self.outcomes)) for task_id in task_ids]
        self.deliver([(task_id, self.outcome_of(task_id, outcome)) for task_id, outcome in outcomes])

    def outcome_of(self, task_id: str, outcome: QueryOutcome) -> QueryOutcome:
        """The outcome, or a timeout if it comes too late."""
        sent, timeout = self.in_flight[task_id]
        return RESET if self.now > sent + timeout else outcome

    def deliver(self, outcomes: list[tuple[str, Any]]) -> None:
        """Send outcomes to the flow."""
        for task_id, outcome in outcomes:
            del self.in_flight[task_id]
            if isinstance(outcome, QueryResult):
                self.budget.refund()
            if isinstance(outcome, RateLimitError | type(busy())) and outcome.retry_after:
                pause = outcome.retry_after if outcome.retry_after <= MAX_POLL_RETRY_AFTER else 0.0
                self.paused_until = max(self.paused_until, self.now + pause)
            for call in self.waiting:
                if call.waiter.task_id == task_id and not isinstance(outcome, NotAwaitedError):
                    call.polls.append(outcome)
                # Not found yet is an answer, too.
                if isinstance(outcome, QueryResult | TaskNotFoundError) and call.excused_until:
                    call.excused_until = self.now + FINAL_POLL_TIMEOUT
        self.resume(outcomes)

    def turn_gate(self) -> None:
        """Shut the gate, or open it: what is no longer waited for is not sent."""
        self.is_gate_shut = not self.is_gate_shut
        if not self.is_gate_shut:
            held, self.held = self.held, set()
            dropped = [task_id for task_id in held if not self.state.is_awaited(task_id)]
            if dropped:
                self.deliver([(task_id, NotAwaitedError()) for task_id in dropped])

    def sleep(self) -> None:
        """Sleep as long as the flow asks, at most until a request times out; sometimes the machine sleeps longer."""
        ends = [sent + timeout for task_id, (sent, timeout) in self.in_flight.items() if task_id not in self.held]
        until = max(min([self.until, *ends]), self.now)
        if math.isinf(until):
            return
        extra = self.dice.choice([0.0] * 40 + [0.5, 0.5, 3.0, 3.0, 7200.0])
        self.now = max(until + extra, self.now)
        for call in self.waiting:
            if extra > MIN_POLL_TIMEOUT and call.waiter.deadline < self.now:
                call.excused_until = self.now + FINAL_POLL_TIMEOUT
        late = [task_id for task_id in self.answerable if self.now >= sum(self.in_flight[task_id])]
        if late:
            self.deliver([(task_id, RESET) for task_id in late])
        else:
            self.resume_awake()

    def check(self) -> None:
        """No wait is overdue, and nothing is kept of those that have ended."""
        for call in self.waiting:
            waiter = call.waiter
            grace = FINAL_POLL_TIMEOUT if waiter.has_time else QUERY_TIMEOUT
            assert self.now < max(waiter.deadline + grace, call.excused_until) + 0.5, "a wait is overdue"
        ids = {call.waiter.task_id for call in self.waiting}
        assert set(self.state._waiters) == ids
        assert len(self.state._timers) == len(self.waiting)
        admitted = {task_id for task_id in ids if self.scheduler.is_waiting(task_id)}
        assert set(self.state._queue) == ids - admitted
        assert len(admitted) == self.scheduler._count()
        beyond = ids & {call.waiter.task_id for call in self.calls if call.waiter.is_one_poll}
        assert len(admitted) <= self.limits.waiting + self.limits.concurrency + len(beyond)
        assert not any(call.waiter.is_one_poll and call.waiter.task_id not in admitted for call in self.waiting)

    def teardown(self) -> None:
        """At the end every wait that is left ends by the closing, once."""
        if hasattr(self, "flow"):
            left = {id(waiter) for waiter in self.state.leave_all()}
            assert left == {id(call.waiter) for call in self.waiting}
            assert not self.state._waiters
            assert self.state.leave_all() == []
            self.flow.close()


SETTINGS = settings(FIXED, max_examples=25 if MUTATING else examples(400), stateful_step_count=80)


@pytest.mark.hypothesis
@pytest.mark.fault("C-15")
def test_every_wait_of_a_fleet_ends_once_and_in_time() -> None:
    """Under submits, duplicates, cancellations, 429, a gate that blocks and a clock that jumps, no wait is lost."""
    run_state_machine_as_test(FleetMachine, settings=SETTINGS)
