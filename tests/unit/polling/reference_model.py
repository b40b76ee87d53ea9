"""Reference model of waits: simple and slow, with all tasks compared in each step and no queues."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

from kkiai_sdk import (
    APIError,
    APIResponseError,
    AuthenticationError,
    PollPolicy,
    RateLimitError,
    TaskNotFoundError,
    TaskState,
    VideoTask,
)
from kkiai_sdk._effects import QueryResult
from kkiai_sdk._polling.outage import MIN_TASKS
from kkiai_sdk._polling.poll_state import (
    FINAL_POLL_TIMEOUT,
    MAX_POLL_RETRY_AFTER,
    MAX_RETRY_AFTER,
    MIN_POLL_TIMEOUT,
    End,
)
from kkiai_sdk._polling.rate_limiter import BURST_SECONDS, DECREASE, MAX_BACKOFF, MIN_RATE, RECOVERY
from tests.unit.polling.wait_simulation import BLANK
from tests.unit.support import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kkiai_sdk._effects import QueryOutcome

#: ("ask", id, seconds), ("sleep", until), ("gather", until), ("news", snapshot), ("end", id, reason), or ("over",).
Action: TypeAlias = tuple[Any, ...]
#: Timeout of each request in seconds, and number of retries of one.
CALL_TIMEOUT, CALL_RETRIES = 30.0, 1
#: Errors that are refusals of a task that has been seen.
REFUSALS = (TaskNotFoundError, AuthenticationError, APIResponseError)


def random_source() -> Callable[[], float]:
    """Return a source of the same random numbers for the model and for each flow."""
    dice = Random(7)
    return lambda: dice.choice([0.0, 0.5, 1.0])


@frozen
class Setting:
    """Options of a wait; with ``room`` 0 it is a wait for one task, without a scheduler."""

    ids: tuple[str, ...]
    policy: PollPolicy
    timeout: float
    room: int
    retries: int


@define(eq=False)
class Task:
    """State of a task. The one without an id stands for the admission of further ids."""

    id: str | None
    due: float = START
    #: Transient failures since the last snapshot, and the times of the refusals since then.
    failures: int = 0
    refusals: list[float] = field(factory=list)
    snapshot: VideoTask | None = None
    #: Whether a snapshot was about the task.
    is_seen: bool = False
    url_missing_since: float | None = None

    @property
    def is_failing(self) -> bool:
        """Whether its next poll is a retry."""
        return bool(self.failures or self.refusals)


@define
class RateModel:
    """Model of the request rate after rate limit errors."""

    least_rest: float
    #: Ends of the pauses that each refusal requested, and of the backoffs that each caused.
    closed: list[float] = field(factory=lambda: [START])
    rests: list[float] = field(factory=lambda: [START])
    #: Refusals since the last success, and the time of the last one that counted.
    in_row: int = 0
    noticed_at: float = -math.inf
    #: A rate, the time at which it applied, and its growth per second.
    pace: tuple[float, float, float] = (math.inf, START, 0.0)
    next: float = START - BURST_SECONDS
    counted: tuple[float, int, int] = (START, 0, 0)

    def next_time(self, deadline: float) -> float:
        """The time of the next request."""
        return max(self.next, min(max(self.rests), deadline), *self.closed)

    def per_second(self, now: float) -> float:
        """The rate at a time, in requests per second."""
        pace, since, growth = self.pace
        left = now - since - RECOVERY
        return (pace + growth * (now - since)) * (2.0 ** (left / RECOVERY) if left > 0 else 1)

    def sent(self, now: float) -> None:
        """Record a sent request."""
        self.next = max(self.next, now - BURST_SECONDS) + 1 / self.per_second(now)

    def on_success(self, now: float) -> None:
        """Record a success."""
        since, count, before = self.counted
        self.counted = (since, count + 1, before) if now - since < 1 else (now, 1, count)
        self.in_row = 0

    def refused(self, now: float, sent: float, pause: float) -> None:
        """Record a refusal."""
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


def _due(task: Task) -> float:
    return task.due


class Model:
    """A wait for one task, or for a few."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.policy, self.is_alone = setting, setting.policy, not setting.room
        self.deadline, self.retries_left = START + setting.timeout, setting.retries
        self.closes = self.deadline + FINAL_POLL_TIMEOUT
        self.rate, self.chance = RateModel(self.policy.min_interval), random_source()
        #: In order of admission; the admission of further ids comes last, and only with a scheduler.
        self.waiting = [Task(task_id) for task_id in (*setting.ids, *([] if self.is_alone else [None]))]
        #: Tasks in flight, with the time and the timeout of the poll.
        self.in_flight: dict[str, tuple[Task, float, float]] = {}
        self.ended: list[str] = []
        #: Times of polls after an error that the retry budget did not cover.
        self.probes: list[float] = []
        self.stepped = START
        #: Whether the program was suspended past the deadline, and the tasks polled before that.
        self.was_suspended = False
        self.known: set[str] = set()
        #: Refusals since the last snapshot of any task, the start of the outage, and the polls in it.
        self.refused: list[tuple[float, str]] = []
        self.outage_since: float | None = None
        self.outage_polls: list[float] = []
        #: Tasks whose waits an outage has ended, not reported yet.
        self.outage_ended: list[Task] = []

    def actions(self, now: float) -> Iterator[Action]:
        """Yield the actions at this time, up to the first that takes time."""
        # The program was suspended past the deadline: the final window begins now, and tasks that were not polled
        # before come last.
        if self.stepped < self.deadline and now > self.deadline + MIN_POLL_TIMEOUT:
            self.was_suspended, self.closes = True, now + FINAL_POLL_TIMEOUT
            for task in self.waiting:
                task.due = task.due if task.id in self.known or self.is_alone else now
        self.stepped = now
        while True:
            ended = self._end(self.outage_ended.pop(0), End.BROKEN) if self.outage_ended else None
            action = ended or (self._next_of_one(now) if self.is_alone else self._next_of_many(now))
            yield from [action] if action else []
            if action and (action[0] in {"sleep", "gather", "over"} or (self.is_alone and action[0] == "ask")):
                return

    def _next_of_one(self, now: float) -> Action:
        if not self.waiting:
            return ("over",)
        if now < self.waiting[0].due:
            return ("sleep", self.waiting[0].due)
        return self._ask(self.waiting[0], now, self._timeout(now, FINAL_POLL_TIMEOUT))

    def _next_of_many(self, now: float) -> Action | None:
        if not self.waiting:
            return ("gather", math.inf) if self.in_flight else ("over",)
        is_probing = self.rate.in_row or self.outage_since is not None
        if len(self.in_flight) >= (1 if is_probing else self.setting.room):
            return ("gather", math.inf)
        probes = sorted((each for each in self.waiting if not each.is_failing), key=_due)
        is_outage = self.outage_since is not None and probes and probes[0].is_seen
        task = min(
            probes if is_outage else self.waiting, key=lambda each: (self._poll_time(each), each.is_failing, each.due)
        )
        at = max(self._poll_time(task), self.rate.next_time(self.deadline), self._next_probe())
        is_too_late = max(self.rate.closed) > self.deadline or at > self._last_poll_time()
        may_extend = self.was_suspended and self.in_flight and max(at, now) > self._last_poll_time()
        if may_extend or (now < at and not is_too_late):
            return ("gather" if self.in_flight else "sleep", math.inf if may_extend else at)
        if task.id is None:
            self.waiting.remove(task)
            return None
        seconds = (
            0.0 if is_too_late else self._timeout(now, self.closes - now if now <= self._last_poll_time() else 0.0)
        )
        if not seconds:
            self.waiting.remove(task)
            return self._end(task, End.VIDEO_MISSING if task.url_missing_since is not None else End.TIMED_OUT)
        if task.is_failing and not self.retries_left:
            self.probes.append(now)
        elif task.is_failing:
            self.retries_left -= 1
        self.rate.sent(now)
        return self._ask(task, now, seconds)

    def _poll_time(self, task: Task) -> float:
        """When a task may be polled: when it is due, or at the next retry that the budget does not cover."""
        if task.is_failing and not self.retries_left and self.probes:
            return max(task.due, self.probes[-1] + self.policy.min_interval)
        return task.due

    def _next_probe(self) -> float:
        """The time of the next poll of any task in an outage."""
        since = self.outage_since
        if since is None:
            return START
        return max((each + self.policy.min_interval for each in self.outage_polls), default=since)

    def _last_poll_time(self) -> float:
        return self.closes - MIN_POLL_TIMEOUT if self.setting.timeout else math.inf

    def _timeout(self, now: float, last: float) -> float:
        """Timeout of a poll, if ``last`` is the time left after the deadline."""
        if not self.setting.timeout:
            return math.inf
        return max(self.deadline - now, MIN_POLL_TIMEOUT) if now < self.deadline else last

    def _ask(self, task: Task, now: float, seconds: float) -> Action:
        assert task.id is not None
        self.waiting.remove(task)
        self.outage_polls.append(now)
        if not self.was_suspended:
            self.known.add(task.id)
        self.in_flight[task.id] = task, now, min(seconds, CALL_TIMEOUT)
        return ("ask", task.id, min(seconds, CALL_TIMEOUT))

    def _end(self, task: Task, reason: End) -> Action:
        assert task.id is not None
        self.ended.append(task.id)
        return ("end", task.id, reason)

    def settle(self, task_id: str, outcome: QueryOutcome, now: float) -> list[Action]:
        """Process an outcome; return the actions that follow at once."""
        task, sent, _ = self.in_flight.pop(task_id)
        elapsed = now - START
        gap = min(self.policy.min_interval + self.policy.growth * elapsed, self.policy.max_interval)
        gap *= 1 - self.policy.jitter * self.chance()
        told: list[Action] = []
        if isinstance(outcome, QueryResult):
            if self.was_suspended and task_id in self.known:
                self.closes = now + FINAL_POLL_TIMEOUT
            self.retries_left = min(self.retries_left + 1, self.setting.retries)
            if task.is_seen and outcome.task == BLANK:
                end = self._failed(task, APIResponseError("blank"), now, gap, now)
                task.due = max(task.due, now + min(outcome.retry_after or 0.0, MAX_POLL_RETRY_AFTER))
            else:
                if task.snapshot != outcome.task:
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
        self.rate.on_success(now)
        task.failures, task.refusals, task.snapshot = 0, [], reply.task
        if reply.task != BLANK:
            task.is_seen, self.refused, self.outage_since = True, [], None
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
        is_refused = task.is_seen and isinstance(error, REFUSALS)
        task.failures += error.transient
        task.refusals += [now] if is_refused else []
        task.due = now + max(gap, pause)
        if isinstance(error, RateLimitError) or (error.transient and pause):
            self.rate.refused(now, sent, pause if pause <= MAX_POLL_RETRY_AFTER else 0.0)
        elif not error.transient:
            self.rate.on_success(now)
        has_lasted = self._is_outage_long(task, now) if is_refused and not self.is_alone else False
        if pause > MAX_RETRY_AFTER or not (is_not_yet or self._is_tolerated(task, error, now, is_refused=is_refused)):
            return End.BROKEN
        slept = sent < self.deadline and now > self.deadline + MIN_POLL_TIMEOUT
        if (now >= self.deadline and (pause or not slept)) or (pause and now + pause > self.deadline):
            return End.VIDEO_MISSING if task.url_missing_since is not None else End.TIMED_OUT
        return End.BROKEN if has_lasted else None

    def _is_tolerated(self, task: Task, error: APIError, now: float, *, is_refused: bool) -> bool:
        """Whether the wait goes on after an error, which is counted already."""
        most = self.policy.max_consecutive_errors * (1 if self.is_alone else 1 + CALL_RETRIES)
        if error.transient and task.failures < most:
            return True
        return is_refused and not self._is_enough(task.refusals, now)

    def _is_enough(self, refusals: list[float], now: float) -> bool:
        return len(refusals) >= self.policy.max_refusals and now >= refusals[0] + self.policy.refusal_grace

    def _is_outage_long(self, task: Task, now: float) -> bool:
        """Record a refusal; if the outage is too long, end the waits for all tasks seen that are not in flight."""
        assert task.id is not None
        self.refused.append((now, task.id))
        rest = [each for each in self.waiting if each.id is not None]
        count = 1 + len(rest) + len(self.in_flight)
        enough = MIN_TASKS if len(rest) < len(self.waiting) else min(count, MIN_TASKS)
        if self.outage_since is None and len({task_id for _, task_id in self.refused}) >= enough:
            self.outage_since, self.outage_polls = now, []
        if self.outage_since is None or not self._is_enough([time for time, _ in self.refused], now):
            return False
        self.outage_ended += sorted((each for each in rest if each.is_seen), key=_due)
        self.waiting = [each for each in self.waiting if each not in self.outage_ended]
        self.refused, self.outage_since = [], None
        return True
