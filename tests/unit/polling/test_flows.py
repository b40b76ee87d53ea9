"""Stateful test: the flows of waits perform the effects that a reference model predicts.

The machine performs the effects of the real flows one by one and compares each with the model, times included. At the
end the same script is replayed with both drivers, and both must perform the same effects at the same times.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from kkiai_sdk import APIError, PollPolicy, TaskFailedError, TaskTimeoutError, VideoMissingError, WaitResult
from kkiai_sdk._clock import Clock
from kkiai_sdk._effects import (
    CollectResults,
    Emit,
    QueryResult,
    QueryTask,
    RequestOptions,
    Sleep,
    StartQuery,
    Update,
    iterate,
    iterate_async,
)
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.flows import WaitOptions, poll_to_end, wait_many_flow
from kkiai_sdk._polling.poll_state import End
from kkiai_sdk._polling.scheduler import SchedulerLimits
from tests.support.effort import examples
from tests.unit.polling.reference_model import CALL_RETRIES, CALL_TIMEOUT, Model, Setting, random_source
from tests.unit.polling.wait_simulation import (
    BLANK,
    DONE,
    EMPTY,
    FAILED,
    FATAL,
    NO_URL,
    NOT_FOUND,
    PAGE,
    PASSING,
    PENDING,
    RESET,
    RUNNING,
    UNKNOWN,
    busy,
    rate_limited,
)
from tests.unit.support import FIXED, MUTATING, START

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk._effects import Effect, Flow, QueryOutcome
    from tests.unit.polling.reference_model import Action

#: Outcomes that continue a wait are drawn more often than those that end it, so that scripts get long.
LIVELY: list[QueryOutcome] = [
    QueryResult(PENDING),
    QueryResult(RUNNING),
    QueryResult(RUNNING, 20.0),
    QueryResult(UNKNOWN),
    QueryResult(BLANK),
    QueryResult(BLANK, 20.0),
    QueryResult(NO_URL),
]
LIVELY += [busy(), RESET, NOT_FOUND, *(make(pause) for make in PASSING for pause in (None, 0.25, 7.5, 30.0))]
OUTCOMES: list[QueryOutcome] = [
    *LIVELY * 4,
    *[QueryResult(DONE), QueryResult(FAILED)] * 4,
    QueryResult(RUNNING, 999.0),
    FATAL,
    *[FATAL, NOT_FOUND, EMPTY, PAGE] * 3,
]
REFUSALS: list[QueryOutcome] = [FATAL, NOT_FOUND, EMPTY, PAGE, QueryResult(BLANK)]
#: Outcomes while a gateway works, and while it refuses every query.
PHASES: list[list[QueryOutcome]] = [
    [QueryResult(RUNNING)],
    [*REFUSALS * 4, busy()],
]
OUTCOMES += [
    rate_limited(0.0),
    rate_limited(59.0),
    rate_limited(61.0),
    busy(0.0),
    busy(59.0),
    busy(3599.0),
    busy(99999999.0),
]
TIMEOUTS = [0.0, 5.0, 5.0, 8.0, 20.0, 20.0, 60.0, 60.0, 1800.0, 1800.0, 1800.0, math.inf, math.inf]


def random_setting(dice: Random) -> Setting:
    """Return random options of a wait."""
    policy = PollPolicy(
        min_interval=dice.choice([0.5, 3.0, 3.0]),
        growth=dice.choice([0.0, 0.0, 0.02, 0.5]),
        jitter=dice.choice([0.0, 0.1, 0.5]),
        max_consecutive_errors=dice.choice([2, 10, 10, 10]),
        not_found_grace=dice.choice([0.0, 30.0, 9999.0, 9999.0]),
        url_grace=dice.choice([0.0, 30.0]),
        max_refusals=dice.choice([1, 2, 2, 5]),
        refusal_grace=dice.choice([0.0, 0.0, 7.0, 30.0, 90.0]),
    )
    room = dice.randrange(4)
    ids = tuple(f"t{number}" for number in range(dice.randint(1, 4) if room else 1))
    return Setting(ids, policy, dice.choice(TIMEOUTS), room, dice.choice([0, 1, 2, 100]))


ENDS: dict[type, End] = {
    type(None): End.DONE,
    TaskFailedError: End.DONE,
    TaskTimeoutError: End.TIMED_OUT,
    VideoMissingError: End.VIDEO_MISSING,
}


def action(effect: Effect) -> Action:
    """The action of the model that corresponds to an effect."""
    if isinstance(effect, StartQuery):
        effect = effect.query
    if isinstance(effect, QueryTask):
        return ("ask", effect.task_id, effect.options.timeout)
    if isinstance(effect, Sleep | CollectResults):
        return ("sleep" if isinstance(effect, Sleep) else "gather", effect.until)
    if isinstance(effect, Update):
        return ("news", effect.value)
    assert isinstance(effect, Emit)
    if isinstance(effect.value, WaitResult):
        return ("end", effect.value.task_id, ENDS.get(type(effect.value.error), End.BROKEN))
    return ("news", effect.value)


class ScriptEnded(BaseException):
    """End of the script; has the effect of a cancellation on a driver."""


class World:
    """A clock, a seeded random source, a retry budget, and a flow that uses them."""

    def __init__(self, setting: Setting) -> None:
        self.now, self.budget = START, RetryBudget(setting.retries)
        runtime = Clock(monotonic=lambda: self.now, random=random_source())
        terms = WaitOptions(
            setting.timeout, setting.policy, RequestOptions(CALL_TIMEOUT, CALL_RETRIES), runtime, self.budget
        )
        room = setting.room
        self.flow: Flow[Any] = (
            wait_many_flow(setting.ids, terms, SchedulerLimits(room))
            if room
            else poll_to_end(setting.ids[0], terms, every_poll=False)
        )

    def advance_to(self, now: float, outcomes: Iterable[QueryOutcome]) -> None:
        """Set the clock, and process the outcomes as the client does."""
        self.now = now
        for outcome in outcomes:
            if isinstance(outcome, QueryResult):
                self.budget.refund()


class Waiting(RuleBasedStateMachine):
    """One wait, or a few at once."""

    # Uniformly from a seed: examples chosen by Hypothesis resemble earlier ones and cover less.
    @initialize(seed=st.integers(0, 2**64 - 1))
    def begin(self, seed: int) -> None:
        """Start."""
        self.dice = Random(seed)
        self.setting = random_setting(self.dice)
        self.outcomes = self.dice.choice([OUTCOMES, OUTCOMES, *PHASES])
        self.world, self.model = World(self.setting), Model(self.setting)
        self.script: list[tuple[float, Any]] = []
        self.trace: list[tuple[float, Effect]] = []
        self.pending: Effect | None = None
        self.resume(None, [])

    def resume(self, outcome: object, told: Iterable[Action]) -> None:
        """Send the outcome to the flow, perform effects that take no time, and compare each with the model."""
        expected = chain(told, self.model.actions(self.world.now))
        try:
            effect = self.world.flow.throw(outcome) if isinstance(outcome, APIError) else self.world.flow.send(outcome)
            while True:
                self.trace.append((self.world.now, effect))
                assert action(effect) == next(expected, None)
                if not isinstance(effect, StartQuery | Emit | Update):
                    break
                self.script.append((self.world.now, None))
                effect = self.world.flow.send(None)
            self.pending = effect
        except StopIteration as stop:
            self.pending = None
            ended = [("end", stop.value.task_id, stop.value.end)] if stop.value else []
            assert [*ended, ("over",)] == list(expected)
            assert sorted(self.model.ended) == list(self.setting.ids)
        assert next(expected, None) is None, "more should have been done"

    def deliver(self, outcomes: list[QueryOutcome], latency: float) -> None:
        """Deliver outcomes of the oldest queries in flight."""
        assert self.pending is not None
        until = self.pending.until if isinstance(self.pending, CollectResults) else math.inf
        arrived = list(zip(list(self.model.in_flight), outcomes, strict=False))
        # No request outlives its timeout.
        given_up_at = min(asked + seconds for _, asked, seconds in self.model.in_flight.values())
        now = min(self.world.now + latency, until, max(given_up_at, self.world.now))
        self.world.advance_to(now, [outcome for _, outcome in arrived])
        told = [each for task_id, outcome in arrived for each in self.model.settle(task_id, outcome, now)]
        result: Any = arrived if self.setting.room else arrived[0][1]
        self.script.append((now, result))
        self.resume(result, told)

    # One rule only: of several Hypothesis disables some in each run, and without the clock a wait makes no progress.
    @rule()
    def step(self) -> None:
        """Deliver outcomes or advance the clock; rarely, cancel the wait."""
        choose = self.dice.choice
        if self.dice.random() < 0.1 and self.outcomes is not OUTCOMES:
            self.outcomes = choose(PHASES)
        if self.pending is None or self.dice.random() < 0.01:
            self.world.flow.close()
            self.pending = None
            with pytest.raises(StopIteration):
                self.world.flow.send(None)
        elif isinstance(self.pending, Sleep) or (
            isinstance(self.pending, CollectResults) and math.isfinite(self.pending.until) and choose([True, False])
        ):
            self.advance(self.pending.until + choose([*[0.0] * 24, 0.001, 0.001, 0.001, 2.0, 2.0, 7200.0]))
        else:
            self.deliver(
                self.dice.choices(self.outcomes, k=choose([1, 2, 3])), choose([0.0, 0.125, 0.125, 1.0, 4.5, 29.0])
            )

    def advance(self, now: float) -> None:
        """Advance the clock to the wake-up time or beyond."""
        result: Any = [] if isinstance(self.pending, CollectResults) else None
        self.world.advance_to(now, [])
        self.script.append((now, result))
        self.resume(result, [])

    @invariant()
    def every_sleep_advances_the_clock(self) -> None:
        """Every sleep ends later than now."""
        if isinstance(self.pending, Sleep | CollectResults):
            assert self.pending.until > self.world.now

    def teardown(self) -> None:
        """Both drivers perform the same effects of the same script at the same times."""
        if not hasattr(self, "script"):
            return
        told = [effect.value for _, effect in self.trace if isinstance(effect, Emit)]
        performed = [each for each in self.trace if not isinstance(each[1], Emit)]
        for play in (self.replay_sync, self.replay_async):
            trace, values = play()
            assert (trace, [repr(each) for each in values]) == (performed, [repr(each) for each in told]), play

    def replay(self) -> tuple[World, list[tuple[float, Effect]], Any]:
        """Return a new world, its trace, and a function that performs effects from the script."""
        world = World(self.setting)
        trace: list[tuple[float, Effect]] = []
        emits = [isinstance(effect, Emit) for _, effect in self.trace]
        # Emits are not performed; their entries in the script are left out.
        script = iter([entry for entry, is_emit in zip(self.script, emits, strict=False) if not is_emit])

        def perform(effect: Effect) -> Any:
            trace.append((world.now, effect))
            entry = next(script, None)
            if entry is None:
                raise ScriptEnded
            now, result = entry
            pairs = result if isinstance(result, list) else [("", result)]
            world.advance_to(now, [outcome for _, outcome in pairs])
            if isinstance(result, APIError):
                raise result
            return result

        return world, trace, perform

    def replay_sync(self) -> tuple[list[tuple[float, Effect]], list[Any]]:
        """Replay the script with the synchronous driver."""
        world, trace, perform = self.replay()
        values: list[Any] = []
        with suppress(ScriptEnded):
            values.extend(iterate(world.flow, perform))
        return trace, values

    def replay_async(self) -> tuple[list[tuple[float, Effect]], list[Any]]:
        """Replay the script with the asynchronous driver."""
        world, trace, perform = self.replay()
        values: list[Any] = []

        async def awaited(effect: Effect) -> Any:
            return perform(effect)

        async def main() -> None:
            async for value in iterate_async(world.flow, awaited):
                values.append(value)  # noqa: PERF401 (what came before an exception counts)

        with suppress(ScriptEnded):
            asyncio.run(main())
        return trace, values


SETTINGS = settings(FIXED, max_examples=25 if MUTATING else examples(300), stateful_step_count=60)


@pytest.mark.hypothesis
@pytest.mark.fault("T-04", "T-05", "T-13", "R-16")
def test_wait_flows_perform_the_effects_of_the_model() -> None:
    """Deadlines, gaps, pauses, ends and retry budget equal those of the model exactly, with both drivers."""
    run_state_machine_as_test(Waiting, settings=SETTINGS)
