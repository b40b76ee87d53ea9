"""Fleets of waiting tasks, played on a virtual clock."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from kkiai_sdk import APIError, PollPolicy, RateLimitError
from kkiai_sdk._fleet import AskAbout, Ended, Finished, Fleet
from kkiai_sdk._waiting import History, Sleep, shared_pause
from tests.unit.scripts import CLIENT_TIMEOUT, RESET, Event
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@frozen
class Asked:
    """One poll of one task, when it was due, and the earliest due time among the tasks that waited as well."""

    task_id: str
    time: float
    budget: float
    due: float
    earliest_other: float
    in_flight: int
    paused_until: float


@define
class Play:
    """A fleet and the virtual world around it: what it asked, how it slept, and how each task ended."""

    fleet: Fleet
    task_ids: Sequence[str]
    policy: PollPolicy
    deadline: float
    #: What the next poll of a task brings; takes the id and how many polls there were before.
    script: Callable[[str, int], Event]
    due: dict[str, float]
    now: float = START
    asked: list[Asked] = field(factory=list)
    slept: list[tuple[float, float]] = field(factory=list)
    ends: list[History] = field(factory=list)
    counts: dict[str, int] = field(factory=dict)
    paused_until: float = START
    _answers: list[tuple[float, int, str, Event]] = field(factory=list)

    def run(self) -> Play:
        """Play to the end."""
        while not isinstance(step := self.fleet.step(self.now), Finished):
            if isinstance(step, AskAbout):
                self._ask(step)
            elif isinstance(step, Ended):
                del self.due[step.history.task_id]
                self.ends.append(step.history)
            elif isinstance(step, Sleep):
                assert not self._answers
                self._advance(step.until)
            elif self._answers[0][0] <= step.until:
                self._answer()
            else:
                self._advance(step.until)
        return self

    def _advance(self, until: float) -> None:
        self.slept.append((self.now, until))
        self.now = until

    def _ask(self, step: AskAbout) -> None:
        event = self.script(step.task_id, self.counts.get(step.task_id, 0))
        self.counts[step.task_id] = self.counts.get(step.task_id, 0) + 1
        limit = min(step.budget, CLIENT_TIMEOUT)
        if event.latency > limit:
            event = Event(RESET, limit, random=event.random)
        due = self.due.pop(step.task_id)
        earliest = min(self.due.values(), default=math.inf) if len(self.due) < 100 else math.inf
        heapq.heappush(self._answers, (self.now + event.latency, len(self.asked), step.task_id, event))
        self.asked.append(
            Asked(step.task_id, self.now, step.budget, due, earliest, len(self._answers), self.paused_until)
        )

    def _answer(self) -> None:
        time, _, task_id, event = heapq.heappop(self._answers)
        self.now = max(self.now, time)
        if isinstance(event.outcome, APIError):
            history = self.fleet.failed(task_id, event.outcome, self.now, event.random)
        else:
            history = self.fleet.answered(task_id, event.outcome, self.now, event.random, hint=event.hint)
        if isinstance(event.outcome, RateLimitError):
            self.paused_until = max(self.paused_until, shared_pause(event.outcome, self.now, self.policy))
        if history.end is not None:
            self.ends.append(history)
        else:
            self.due[task_id] = history.due


def sail(
    task_ids: Sequence[str],
    script: Callable[[str, int], Event],
    policy: PollPolicy | None = None,
    *,
    timeout: float = 1800.0,
    max_concurrency: int = 4,
) -> Play:
    """Play a fleet to its end."""
    policy = policy or PollPolicy()
    fleet = Fleet(task_ids, now=START, timeout=timeout, policy=policy, max_concurrency=max_concurrency)
    return Play(fleet, task_ids, policy, START + timeout, script, dict.fromkeys(task_ids, START)).run()
