"""A wait as a state machine: whatever the gateway says and whenever, the promises about waiting hold at each step.

The machine performs the effects of the real flows one by one. At its end the same script is played to both drivers, and
both must perform the same effects at the same times.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kkiai_sdk import APIError, PollPolicy, WaitResult
from kkiai_sdk._drive import AsyncIteration, iterate
from kkiai_sdk._effects import Call, Emit, Fetch, Gather, Launch, Reply
from kkiai_sdk._fleet import Limits
from kkiai_sdk._flows import Terms, completing, watching
from kkiai_sdk._retry import RetryBudget
from kkiai_sdk._runtime import Runtime
from kkiai_sdk._waiting import LAST_LOOK, MAX_HINT, Sleep
from tests.unit.scripts import DONE, FAILED, FATAL, NO_URL, NOT_FOUND, PENDING, RESET, RUNNING, UNKNOWN, busy, slow_down
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk._effects import Effect, Flow, Outcome

TINY = 1e-6
KINDS: dict[str, Outcome] = {
    "pending": Reply(PENDING),
    "running": Reply(RUNNING),
    "paced": Reply(RUNNING, 20.0),
    "paced for long": Reply(RUNNING, 999.0),
    "unknown": Reply(UNKNOWN),
    "no url": Reply(NO_URL),
    "done": Reply(DONE),
    "failed": Reply(FAILED),
    "busy": busy(),
    "reset": RESET,
    "not found": NOT_FOUND,
    "forbidden": FATAL,
}
#: What a wait goes on after, several times over: scripts that end at once teach little.
LIVELY = ["pending", "running", "paced", "unknown", "no url", "busy", "busy", "reset", "not found"]
POLICIES = st.builds(
    PollPolicy,
    min_interval=st.sampled_from([0.5, 3.0, 3.0]),
    growth=st.sampled_from([0.0, 0.0, 0.02, 0.5]),
    jitter=st.sampled_from([0.0, 0.1, 0.5]),
    max_consecutive_errors=st.sampled_from([2, 10, 10, 10]),
    not_found_grace=st.sampled_from([0.0, 30.0]),
    url_grace=st.sampled_from([0.0, 30.0]),
)


class Over(BaseException):
    """The script is over: what a cancellation looks like to a driver."""


class World:
    """A clock, chance from a seed, a budget, and one flow made of them."""

    def __init__(self, ids: list[str], policy: PollPolicy, timeout: float, room: int, retries: int) -> None:
        self.now, self.budget = START, RetryBudget(retries)
        dice = Random(7)
        runtime = Runtime(monotonic=lambda: self.now, random=lambda: dice.choice([0.0, 0.5, 1.0]))
        terms = Terms(timeout, policy, Call(30.0, 1), runtime, self.budget)
        self.flow: Flow[Any] = completing(ids, terms, Limits(room)) if room else watching(ids[0], terms)

    def come(self, now: float, outcomes: list[Outcome]) -> None:
        """Let it be then, with these outcomes."""
        self.now = now
        for outcome in outcomes:
            if isinstance(outcome, Reply):
                self.budget.refund()


class Waiting(RuleBasedStateMachine):
    """One wait, or a few at once."""

    @initialize(
        count=st.integers(1, 4),
        policy=POLICIES,
        timeout=st.sampled_from([0.0, 5.0, 60.0, 60.0, 1800.0, 1800.0, 1800.0, math.inf, math.inf, math.inf]),
        room=st.sampled_from([0, 1, 2, 3]),
        retries=st.sampled_from([0, 1, 2, 100]),
    )
    def begin(self, count: int, policy: PollPolicy, timeout: float, room: int, retries: int) -> None:
        """Start; with ``room`` 0 it is one task that is waited for alone."""
        self.ids = [f"t{number}" for number in range(count if room else 1)]
        self.make: Callable[[], World] = lambda: World(self.ids, policy, timeout, room, retries)
        self.world, self.policy, self.room, self.retries = self.make(), policy, room, retries
        self.deadline, self.is_once = START + timeout, timeout == 0
        self.closes = self.deadline + LAST_LOOK
        self.script: list[tuple[float, Any]] = []
        self.trace: list[tuple[float, Effect]] = []
        #: The tasks that are being asked about, and when the request is given up.
        self.in_flight: dict[str, float] = {}
        #: Before this time a task, or anybody, must not be asked.
        self.barred: dict[str, float] = {}
        self.barred_all = START
        self.ill: set[str] = set()
        self.ended: list[str] = []
        self.retried = self.good = 0
        self.pending: Effect | None = None
        self.go_on(None)

    def go_on(self, outcome: object) -> None:
        """Hand the outcome to the flow, and perform what takes no time."""
        try:
            effect = self.world.flow.throw(outcome) if isinstance(outcome, APIError) else self.world.flow.send(outcome)
            while True:
                self.trace.append((self.world.now, effect))
                if isinstance(effect, Launch | Fetch):
                    self.asked(effect.fetch if isinstance(effect, Launch) else effect)
                if not isinstance(effect, Launch | Emit):
                    break
                if isinstance(effect, Emit) and isinstance(effect.value, WaitResult):
                    assert effect.value.task_id not in self.ended
                    self.ended.append(effect.value.task_id)
                self.script.append((self.world.now, None))
                effect = self.world.flow.send(None)
            self.pending = effect
        except StopIteration:
            self.pending = None
            assert sorted(self.ended) == self.ids or not self.room

    def asked(self, fetch: Fetch) -> None:
        """A question goes out: may it?"""
        task_id, now = fetch.task_id, self.world.now
        assert task_id not in self.ended, "asked after its end"
        assert task_id not in self.in_flight, "asked twice at once"
        assert self.is_once or now <= self.closes, "asked after the deadline"
        assert now >= self.barred.get(task_id, START) - TINY, "asked too soon"
        assert now >= self.barred_all - TINY, "asked in a pause for all"
        assert 0 < fetch.call.timeout <= 30
        self.retried += task_id in self.ill
        self.in_flight[task_id] = now + fetch.call.timeout

    def settle(self, task_id: str, outcome: Outcome) -> None:
        """Note what the outcome forbids from now on."""
        now = self.world.now
        del self.in_flight[task_id]
        floor = now + self.policy.min_interval * (1 - self.policy.jitter)
        if isinstance(outcome, Reply):
            wanted = now + min(outcome.hint or 0.0, MAX_HINT)
            self.barred[task_id] = min(max(floor, wanted), self.deadline)
            self.ill.discard(task_id)
            self.good += 1
            if outcome.task.is_failed or outcome.task.video_url:
                self.barred[task_id] = math.inf
            return
        assert isinstance(outcome, APIError)
        pause = outcome.retry_after or 0.0
        self.barred[task_id] = max(min(floor, self.deadline), now + pause)
        if outcome is not NOT_FOUND:
            self.ill.add(task_id)
        if self.room and outcome.transient and pause <= MAX_HINT:
            self.barred_all = max(self.barred_all, now + pause)

    def deliver(self, outcomes: list[Outcome], latency: float) -> None:
        """The answers to the questions that were asked first arrive."""
        assert self.pending is not None
        until = self.pending.until if isinstance(self.pending, Gather) else math.inf
        arrived = list(zip(list(self.in_flight), outcomes, strict=False))
        # No request outlives its timeout.
        now = min(self.world.now + latency, until, max(min(self.in_flight.values()), self.world.now))
        self.world.come(now, [outcome for _, outcome in arrived])
        for task_id, outcome in arrived:
            self.settle(task_id, outcome)
        result: Any = arrived if self.room else arrived[0][1]
        self.script.append((now, result))
        self.go_on(result)

    @precondition(lambda self: self.pending is not None and self.in_flight)
    @rule(
        kinds=st.lists(st.sampled_from([*KINDS, *LIVELY * 5]), min_size=1, max_size=2),
        latency=st.sampled_from([0.0, 0.125, 1.0, 29.0]),
    )
    def answer(self, kinds: list[str], latency: float) -> None:
        """The gateway answers."""
        self.deliver([KINDS[kind] for kind in kinds], latency)

    @precondition(lambda self: self.pending is not None and self.in_flight)
    @rule(
        value=st.sampled_from([None, 0.0, 0.25, 7.5, 7.5, 30.0, 59.0, 61.0, 3599.0, 99999999.0]),
        make=st.sampled_from([slow_down, busy]),
    )
    def rate_limit(self, value: float | None, make: Any) -> None:
        """The gateway has had enough."""
        self.deliver([make(value)], 0.125)

    @precondition(lambda self: isinstance(self.pending, Sleep | Gather) and math.isfinite(self.pending.until))
    @rule(late=st.sampled_from([*[0.0] * 12, 0.001, 0.001, 2.0, 7200.0]))
    def advance(self, late: float) -> None:
        """Time passes; the program wakes on time, or late."""
        assert isinstance(self.pending, Sleep | Gather)
        before, now = self.world.now, self.pending.until + late
        if before < self.deadline and now > self.closes:
            self.closes = now + LAST_LOOK
        result: Any = [] if isinstance(self.pending, Gather) else None
        self.world.come(now, [])
        self.script.append((now, result))
        self.go_on(result)

    @precondition(lambda self: self.pending is not None)
    @rule(is_meant=st.integers(0, 49))
    def cancel(self, is_meant: int) -> None:
        """Now and then the caller loses patience: nothing is asked any more."""
        if is_meant == 49:
            self.world.flow.close()
            self.pending = None

    @precondition(lambda self: self.pending is None)
    @rule()
    def nothing_follows(self) -> None:
        """After the end, and after a cancellation, there is nothing more."""
        with pytest.raises(StopIteration):
            self.world.flow.send(None)

    @invariant()
    def time_moves(self) -> None:
        """A sleep always moves the clock, and never past the deadline."""
        if isinstance(self.pending, Sleep | Gather):
            assert self.pending.until > self.world.now
        if isinstance(self.pending, Sleep) and not self.is_once:
            assert self.pending.until <= max(self.closes, self.deadline)

    @invariant()
    def little_is_asked(self) -> None:
        """In flight is no more than there is room for; retries stay within their budget and one per interval."""
        assert len(self.in_flight) <= max(self.room, 1)
        if self.room:
            by_time = (self.world.now - START) / self.policy.min_interval
            assert self.retried <= self.retries + self.good + by_time + 1

    def teardown(self) -> None:
        """The same script, played to both drivers, is performed effect by effect at the same times."""
        if not hasattr(self, "script"):
            return
        told = [effect.value for _, effect in self.trace if isinstance(effect, Emit)]
        performed = [each for each in self.trace if not isinstance(each[1], Emit)]
        for play in (self.play_sync, self.play_async):
            trace, values = play()
            assert (trace, [repr(each) for each in values]) == (performed, [repr(each) for each in told]), play

    def player(self) -> tuple[World, list[tuple[float, Effect]], Any]:
        """A new world, and a function that performs effects as the script says."""
        world = self.make()
        trace: list[tuple[float, Effect]] = []
        emits = [isinstance(effect, Emit) for _, effect in self.trace]
        # Emits are not performed; their entries in the script are left out.
        script = iter([entry for entry, is_emit in zip(self.script, emits, strict=False) if not is_emit])

        def perform(effect: Effect) -> Any:
            trace.append((world.now, effect))
            entry = next(script, None)
            if entry is None:
                raise Over
            now, result = entry
            pairs = result if isinstance(result, list) else [("", result)]
            world.come(now, [outcome for _, outcome in pairs])
            if isinstance(result, APIError):
                raise result
            return result

        return world, trace, perform

    def play_sync(self) -> tuple[list[tuple[float, Effect]], list[Any]]:
        """Play to the synchronous driver."""
        world, trace, perform = self.player()
        values: list[Any] = []
        with suppress(Over):
            values.extend(iterate(world.flow, perform))
        return trace, values

    def play_async(self) -> tuple[list[tuple[float, Effect]], list[Any]]:
        """Play to the asynchronous driver."""
        world, trace, perform = self.player()
        values: list[Any] = []

        async def awaited(effect: Effect) -> Any:
            return perform(effect)

        async def main() -> None:
            async for value in AsyncIteration(world.flow, awaited):
                values.append(value)  # noqa: PERF401 (what came before an exception counts)

        with suppress(Over):
            asyncio.run(main())
        return trace, values


SETTINGS = settings(derandomize=True, database=None, deadline=None, max_examples=100, stateful_step_count=60)


@pytest.mark.fault("T-04", "T-05", "T-13", "R-16")
def test_waiting() -> None:
    """Deadline, least gap, Retry-After, one end each, the budget of retries, and two drivers that do the same."""
    run_state_machine_as_test(Waiting, settings=SETTINGS)
