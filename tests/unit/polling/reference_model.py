"""What a wait must do next, worked out the slow way: every task is looked at in each step, and no queue is kept."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

from kkiai_sdk import APIError, PollPolicy, RateLimitError, TaskNotFoundError, TaskState, VideoTask
from kkiai_sdk._effects import QueryResult
from kkiai_sdk._polling.poll_state import (
    FINAL_POLL_TIMEOUT,
    MAX_POLL_RETRY_AFTER,
    MAX_RETRY_AFTER,
    MIN_POLL_TIMEOUT,
    End,
)
from kkiai_sdk._polling.rate_limiter import BURST_SECONDS, DECREASE, MAX_BACKOFF, MIN_RATE, RECOVERY
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kkiai_sdk._effects import QueryOutcome

#: What a flow does: ("ask", id, seconds), ("sleep", until), ("gather", until), ("news", snapshot), ("end", id, how), or
#: ("over",).
Deed: TypeAlias = tuple[Any, ...]
#: Seconds that the client gives each request, and how often it retries one.
CALL_TIMEOUT, CALL_RETRIES = 30.0, 1


def chances() -> Callable[[], float]:
    """The same random numbers for the model and for each flow."""
    dice = Random(7)
    return lambda: dice.choice([0.0, 0.5, 1.0])


@frozen
class Setting:
    """One wait; with ``room`` 0 it is one task that is waited for alone, by itself and not in a fleet."""

    ids: tuple[str, ...]
    policy: PollPolicy
    timeout: float
    room: int
    retries: int


@define(eq=False)
class Task:
    """What has been seen of a task. The one without an id stands for the question whether there are more ids."""

    id: str | None
    due: float = START
    failures: int = 0
    snapshot: VideoTask | None = None
    url_missing_since: float | None = None


@define
class Manners:
    """When a gateway that has refused may be asked again."""

    least_rest: float
    #: Until when each refusal asked to be left alone, and until when each made us rest.
    closed: list[float] = field(factory=lambda: [START])
    rests: list[float] = field(factory=lambda: [START])
    #: Refusals since anything went well, and the time of the last that told something new.
    in_row: int = 0
    noticed_at: float = -math.inf
    #: A pace at a time, and by how much it grows per second.
    pace: tuple[float, float, float] = (math.inf, START, 0.0)
    next: float = START - BURST_SECONDS
    counted: tuple[float, int, int] = (START, 0, 0)

    def next_time(self, deadline: float) -> float:
        """When the next request may go out."""
        return max(self.next, min(max(self.rests), deadline), *self.closed)

    def per_second(self, now: float) -> float:
        """The pace at a time."""
        pace, since, growth = self.pace
        return pace + growth * (now - since)

    def sent(self, now: float) -> None:
        """A request goes out."""
        self.next = max(self.next, now - BURST_SECONDS) + 1 / self.per_second(now)

    def on_success(self, now: float) -> None:
        """A request was answered."""
        since, count, before = self.counted
        self.counted = (since, count + 1, before) if now - since < 1 else (now, 1, count)
        self.in_row = 0

    def refused(self, now: float, sent: float, pause: float) -> None:
        """A request was refused."""
        self.closed.append(now + pause)
        if sent < self.noticed_at:
            return
        reached = min(self.per_second(now), max(self.counted[1:]) or math.inf)
        if self.in_row == 0 and math.isfinite(reached):
            growth = max((1 - DECREASE) * reached, MIN_RATE) / RECOVERY
            self.pace = max(DECREASE * reached, MIN_RATE), now, growth
        self.rests.append(now + min(self.least_rest * 2.0**self.in_row, MAX_BACKOFF))
        self.in_row += 1
        self.noticed_at = now


class Model:
    """A wait, or a few at once."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.policy, self.is_alone = setting, setting.policy, not setting.room
        self.deadline, self.retries_left = START + setting.timeout, setting.retries
        self.closes = self.deadline + FINAL_POLL_TIMEOUT
        self.manners, self.chance = Manners(self.policy.min_interval), chances()
        #: In the order in which they came; the question for more ids comes last, and only where there can be more.
        self.waiting = [Task(task_id) for task_id in (*setting.ids, *([] if self.is_alone else [None]))]
        #: Each task that is being asked about, since when, and for how many seconds.
        self.in_flight: dict[str, tuple[Task, float, float]] = {}
        self.ended: list[str] = []
        #: When something was asked again although no retry was left.
        self.probes: list[float] = []
        self.stepped = START
        #: Whether the program slept through the deadline, and whom it had asked before.
        self.overslept = False
        self.known: set[str] = set()

    def goes_on(self, now: float) -> Iterator[Deed]:
        """What is done at this time, up to what takes time."""
        # The program slept through the deadline and beyond: the time of the last looks begins now, and those who have
        # not been asked before come last.
        if self.stepped < self.deadline and now > self.deadline + MIN_POLL_TIMEOUT:
            self.overslept, self.closes = True, now + FINAL_POLL_TIMEOUT
            for task in self.waiting:
                task.due = task.due if task.id in self.known or self.is_alone else now
        self.stepped = now
        while True:
            deed = self._alone(now) if self.is_alone else self._together(now)
            yield from [deed] if deed else []
            if deed and (deed[0] in {"sleep", "gather", "over"} or (self.is_alone and deed[0] == "ask")):
                return

    def _alone(self, now: float) -> Deed:
        if not self.waiting:
            return ("over",)
        if now < self.waiting[0].due:
            return ("sleep", self.waiting[0].due)
        return self._ask(self.waiting[0], now, self._look(now, FINAL_POLL_TIMEOUT))

    def _together(self, now: float) -> Deed | None:
        if not self.waiting:
            return ("gather", math.inf) if self.in_flight else ("over",)
        if len(self.in_flight) >= (1 if self.manners.in_row else self.setting.room):
            return ("gather", math.inf)
        task = min(self.waiting, key=lambda each: (self._turn(each), each.failures > 0, each.due))
        at = max(self._turn(task), self.manners.next_time(self.deadline))
        is_too_late = max(self.manners.closed) > self.deadline or at > self._last_poll_time()
        hopes = self.overslept and self.in_flight and max(at, now) > self._last_poll_time()
        if hopes or (now < at and not is_too_late):
            return ("gather" if self.in_flight else "sleep", math.inf if hopes else at)
        if task.id is None:
            self.waiting.remove(task)
            return None
        seconds = 0.0 if is_too_late else self._look(now, self.closes - now if now <= self._last_poll_time() else 0.0)
        if not seconds:
            self.waiting.remove(task)
            return self._end(task, End.VIDEO_MISSING if task.url_missing_since is not None else End.TIMED_OUT)
        if task.failures and not self.retries_left:
            self.probes.append(now)
        elif task.failures:
            self.retries_left -= 1
        self.manners.sent(now)
        return self._ask(task, now, seconds)

    def _turn(self, task: Task) -> float:
        """When a task may be asked: when it is due, or when the next retry that is not paid for may go out."""
        if task.failures and not self.retries_left and self.probes:
            return max(task.due, self.probes[-1] + self.policy.min_interval)
        return task.due

    def _last_poll_time(self) -> float:
        return self.closes - MIN_POLL_TIMEOUT if self.setting.timeout else math.inf

    def _look(self, now: float, last: float) -> float:
        """Seconds that a look may take, if ``last`` is what is left after the deadline."""
        if not self.setting.timeout:
            return math.inf
        return max(self.deadline - now, MIN_POLL_TIMEOUT) if now < self.deadline else last

    def _ask(self, task: Task, now: float, seconds: float) -> Deed:
        assert task.id is not None
        self.waiting.remove(task)
        if not self.overslept:
            self.known.add(task.id)
        self.in_flight[task.id] = task, now, min(seconds, CALL_TIMEOUT)
        return ("ask", task.id, min(seconds, CALL_TIMEOUT))

    def _end(self, task: Task, how: End) -> Deed:
        assert task.id is not None
        self.ended.append(task.id)
        return ("end", task.id, how)

    def settle(self, task_id: str, outcome: QueryOutcome, now: float) -> list[Deed]:
        """Take in an outcome; returns what is told at once."""
        task, sent, _ = self.in_flight.pop(task_id)
        elapsed = now - START
        gap = min(self.policy.min_interval + self.policy.growth * elapsed, self.policy.max_interval)
        gap *= 1 - self.policy.jitter * self.chance()
        told: list[Deed] = []
        if isinstance(outcome, QueryResult):
            if self.overslept and task_id in self.known:
                self.closes = now + FINAL_POLL_TIMEOUT
            if self.is_alone and task.snapshot != outcome.task:
                told.append(("news", outcome.task))
            end = self._replied(task, outcome, now, gap)
        else:
            assert isinstance(outcome, APIError)
            end = self._failed(task, outcome, now, gap, sent)
        if end is None:
            task.due = min(task.due, self.deadline)
            self.waiting.append(task)
            return told
        return [*told, self._end(task, end)]

    def _replied(self, task: Task, reply: QueryResult, now: float, gap: float) -> End | None:
        self.retries_left = min(self.retries_left + 1, self.setting.retries)
        self.manners.on_success(now)
        task.failures, task.snapshot = 0, reply.task
        if reply.task.is_failed or reply.task.video_url:
            return End.DONE
        is_missing = reply.task.state is TaskState.SUCCEEDED
        gap = min(gap, self.policy.min_interval) if is_missing else gap
        task.due = now + max(gap, min(reply.retry_after or 0.0, MAX_POLL_RETRY_AFTER))
        if not is_missing:
            task.url_missing_since = None
            return End.TIMED_OUT if now >= self.deadline else None
        task.url_missing_since = now if task.url_missing_since is None else task.url_missing_since
        is_enough = now >= min(task.url_missing_since + self.policy.url_grace, self.deadline)
        return End.VIDEO_MISSING if is_enough else None

    def _failed(self, task: Task, error: APIError, now: float, gap: float, sent: float) -> End | None:
        pause = error.retry_after or 0.0
        is_not_yet = isinstance(error, TaskNotFoundError) and now - START < self.policy.not_found_grace
        task.failures += not is_not_yet
        task.due = now + max(gap, pause)
        if isinstance(error, RateLimitError) or (error.transient and pause):
            self.manners.refused(now, sent, pause if pause <= MAX_POLL_RETRY_AFTER else 0.0)
        elif not error.transient:
            self.manners.on_success(now)
        most = self.policy.max_consecutive_errors * (1 if self.is_alone else 1 + CALL_RETRIES)
        if not (is_not_yet or error.transient) or task.failures >= most or pause > MAX_RETRY_AFTER:
            return End.BROKEN
        slept = sent < self.deadline and now > self.deadline + MIN_POLL_TIMEOUT
        if (now >= self.deadline and (pause or not slept)) or (pause and now + pause > self.deadline):
            return End.VIDEO_MISSING if task.url_missing_since is not None else End.TIMED_OUT
        return None
