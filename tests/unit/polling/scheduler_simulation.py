"""Simulation of the scheduler on a virtual clock."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from kkiai_sdk import APIError, PollPolicy, RateLimitError, RetryPolicy
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.poll_state import MAX_POLL_RETRY_AFTER, PollState
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits
from tests.unit.polling.wait_simulation import CLIENT_TIMEOUT, RESET, Event
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@frozen
class SentPoll:
    """One poll: its task, time, timeout and due time, and the earliest due time of the other waiting tasks."""

    task_id: str
    time: float
    budget: float
    due: float
    earliest_other: float
    in_flight: int
    paused_until: float


@define
class SchedulerRun:
    """A simulated run of a scheduler, with its polls, its sleeps and the final states of its tasks."""

    fleet: Scheduler
    task_ids: Sequence[str]
    policy: PollPolicy
    budget: RetryBudget
    deadline: float
    #: Returns the outcome of the next poll of a task, from the id and the number of earlier polls.
    script: Callable[[str, int], Event]
    due: dict[str, float]
    #: The ids that have not been admitted.
    ids: Iterator[str]
    now: float = START
    asked: list[SentPoll] = field(factory=list)
    slept: list[tuple[float, float]] = field(factory=list)
    ends: list[PollState] = field(factory=list)
    counts: dict[str, int] = field(factory=dict)
    paused_until: float = START
    #: Returns the end of a sleep until a time: that time, or later if the machine is suspended.
    wakes: Callable[[float], float] = lambda until: until
    _answers: list[tuple[float, int, str, Event]] = field(factory=list)

    @property
    def in_flight(self) -> set[str]:
        """The tasks with a poll in flight."""
        return {task_id for _, _, task_id, _ in self._answers}

    def run(self) -> SchedulerRun:
        """SchedulerRun to the end."""
        while (step := self.fleet.step(self.now)) is not None:
            if isinstance(step, PollTask):
                self._ask(step)
            elif isinstance(step, AdmitTask):
                self._admit()
            elif isinstance(step, PollState):
                del self.due[step.task_id]
                self.ends.append(step)
            elif isinstance(step, Sleep):
                assert not self._answers
                self._advance(step.until)
            elif self._answers[0][0] <= step.until:
                self._answer()
            else:
                self._advance(step.until)
        return self

    def _admit(self) -> None:
        task_id = next(self.ids, None)
        if task_id is None:
            self.fleet.close_admission()
        else:
            self.fleet.admit(task_id)

    def _advance(self, until: float) -> None:
        self.slept.append((self.now, until))
        self.now = self.wakes(until)

    def _ask(self, step: PollTask) -> None:
        event = self.script(step.task_id, self.counts.get(step.task_id, 0))
        self.counts[step.task_id] = self.counts.get(step.task_id, 0) + 1
        limit = min(step.timeout, CLIENT_TIMEOUT)
        if event.latency > limit:
            event = Event(RESET, limit, random=event.random)
        due = self.due.pop(step.task_id)
        earliest = min(self.due.values(), default=math.inf) if len(self.due) < 100 else math.inf
        heapq.heappush(self._answers, (self.now + event.latency, len(self.asked), step.task_id, event))
        self.asked.append(
            SentPoll(step.task_id, self.now, step.timeout, due, earliest, len(self._answers), self.paused_until)
        )

    def _answer(self) -> None:
        time, _, task_id, event = heapq.heappop(self._answers)
        self.now = max(self.now, time)
        if isinstance(event.outcome, APIError):
            history = self.fleet.failed(task_id, event.outcome, self.now, event.random)
        else:
            # As the client does for every success.
            self.budget.refund()
            history = self.fleet.answered(task_id, event.outcome, self.now, event.random, retry_after=event.retry_after)
        if isinstance(event.outcome, RateLimitError):
            asked = event.outcome.retry_after or 0.0
            self.paused_until = max(self.paused_until, self.now + (asked if asked <= MAX_POLL_RETRY_AFTER else 0.0))
        if history.end is not None:
            self.ends.append(history)
        else:
            self.due[task_id] = history.due


def simulate(
    task_ids: Sequence[str],
    script: Callable[[str, int], Event],
    policy: PollPolicy | None = None,
    *,
    timeout: float = 1800.0,
    max_concurrency: int = 4,
    per_second: float = math.inf,
    max_waiting: int = 10_000,
    retries: int = RetryPolicy().budget,
    tries: int = 1,
    started: Callable[[SchedulerRun], object] = lambda _: None,
) -> SchedulerRun:
    """Simulate a scheduler until all tasks have ended."""
    policy, budget = policy or PollPolicy(), RetryBudget(retries)
    limits = SchedulerLimits(max_concurrency, per_second, max_waiting)
    fleet = Scheduler(limits, policy, budget, now=START, timeout=timeout, tries=tries)
    due = dict.fromkeys(task_ids, START)
    play = SchedulerRun(fleet, task_ids, policy, budget, START + timeout, script, due, iter(task_ids))
    started(play)
    return play.run()
