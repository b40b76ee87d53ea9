"""Scheduler of many waiting tasks: decides which task to poll now, and until when to sleep.

A waiting task is one :class:`~kkiai_sdk._polling.poll_state.PollState` in a heap ordered by due time: no thread, no
coroutine. The longest overdue task is polled first; a priority by age would starve old tasks. Ids are admitted one by
one, when their first poll can be made; until then they stay in the caller's iterable or queue.

Rules, in addition to those of ``poll_state``:

* The number of requests in flight is limited, and their rate by ``rate_limiter``.
* A poll after a failed one is a retry and takes a token from the client's retry budget. While that is empty, one such
  poll per ``min_interval`` is made for all tasks together, so an outage reduces the number of requests. Tasks without
  failures are not delayed, so there are two heaps.
* If every task is refused, it is an outage of the gateway; see ``outage``. No id is admitted during it, and one task is
  polled at a time.
* Many tasks are polled in small batches: a process that waits for hundreds wakes up at most twenty times a second.
* All tasks have one deadline. All final polls share one timeout; tasks that do not fit expire without a final poll, and
  so do all if the server requests a pause beyond the deadline. If the machine was suspended past the deadline, final
  polls continue as long as they succeed, so no task expires without one.
* In a fleet, each task has its own deadline instead, and ``fleet_state`` withdraws the tasks that expire.
* A withdrawn task frees its slot immediately. If its poll is in flight, it still counts as in flight, and its response
  is dropped.
* Between polls only the documented fields of a snapshot are kept.

Pure, like ``poll_state``: time and randomness are arguments.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, frozen

from kkiai_sdk import _validators
from kkiai_sdk._effects import Sleep
from kkiai_sdk._polling import outage, poll_state
from kkiai_sdk._polling.due_heap import DueHeap
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, MAX_POLL_RETRY_AFTER, MIN_POLL_TIMEOUT, End, PollState
from kkiai_sdk._polling.rate_limiter import BURST_SECONDS, RateLimiter
from kkiai_sdk.errors import APIError, RateLimitError

if TYPE_CHECKING:
    from kkiai_sdk._http.retry import RetryBudget
    from kkiai_sdk.errors import KkiaiError
    from kkiai_sdk.models import VideoTask
    from kkiai_sdk.policies import PollPolicy


@frozen
class AdmitTask:
    """Admit the next id: call ``admit``, or ``close_admission`` if there are no more."""


@frozen
class PollTask:
    """Poll this task now, with a timeout in seconds."""

    task_id: str
    timeout: float


@frozen
class WaitForResponse:
    """Wait for a response in flight, at most until this time, which may be infinity."""

    until: float


#: From this number of tasks, those due within this many seconds of each other are polled in one batch: waking up for
#: each takes half as much CPU time again. The rate limiter permits such a burst, and the delay is small compared with
#: the gap between two polls of a task.
BATCH_THRESHOLD = 100
BATCH_WINDOW = BURST_SECONDS

#: A state is that of a task which has ended without a poll: its deadline has passed, or an outage has lasted.
Step: TypeAlias = AdmitTask | PollTask | WaitForResponse | Sleep | PollState


@frozen
class SchedulerLimits:
    """Limits of many waits."""

    #: Maximum requests in flight.
    concurrency: int
    #: Maximum requests per second, which may be infinity.
    per_second: float = math.inf
    #: Maximum tasks that wait at the same time.
    waiting: int = 10_000

    @classmethod
    def of(cls, max_concurrency: object, max_requests_per_second: float | None, max_waiting: object) -> SchedulerLimits:
        """Return the validated limits; None and infinity mean an unlimited rate. Raises ConfigurationError."""
        per_second = math.inf if max_requests_per_second is None else max_requests_per_second
        if per_second != math.inf:
            per_second = _validators.number("max_requests_per_second", per_second, low=0, high=1e6, above=True)
        return cls(
            _validators.whole("max_concurrency", max_concurrency, low=1, high=1000),
            per_second,
            _validators.whole("max_waiting", max_waiting, low=1, high=10_000_000),
        )


class Scheduler:
    """Schedules the polls of many tasks. ``tries`` is the number of failed polls that count as one failed query."""

    def __init__(
        self,
        limits: SchedulerLimits,
        policy: PollPolicy,
        budget: RetryBudget,
        *,
        now: float,
        timeout: float,
        tries: int = 1,
    ) -> None:
        self._limits, self._policy, self._budget, self._tries = limits, policy, budget, tries
        self._timeout = timeout
        self._deadline = now + timeout
        self._final_deadline = now + timeout + FINAL_POLL_TIMEOUT
        self._last_step = now
        self._was_suspended = False
        self._limiter = RateLimiter(now, limits.per_second, policy.min_interval)
        # Tasks after a success, and tasks after a failure.
        arrivals = itertools.count()
        self._ready: DueHeap[PollState] = DueHeap(arrivals)
        self._retrying: DueHeap[PollState] = DueHeap(arrivals)
        self._probe_at = now
        # Tasks with a poll in flight, and the time at which it was sent.
        self._in_flight: dict[str, tuple[PollState, float]] = {}
        # Those of them that have been withdrawn.
        self._withdrawn: set[str] = set()
        # Time since which another id could be admitted.
        self._vacant_since = now
        self._is_admitting = True
        self._outage = outage.Outage(policy)
        # Tasks that an outage has ended, which are not reported yet.
        self._ended: list[PollState] = []

    def admit(self, task_id: str, *, started: float | None = None, deadline: float | None = None) -> None:
        """Admit an id, after an ``AdmitTask``. It must not be waiting already.

        The default of ``started`` is the time since which it could have been admitted, that of ``deadline`` the
        deadline of all.
        """
        since = self._vacant_since
        started, deadline = since if started is None else started, self._deadline if deadline is None else deadline
        self._push(PollState(task_id=task_id, started=started, deadline=deadline, due=since))

    def close_admission(self) -> None:
        """Stop admitting: there are no more ids, or none for now."""
        self._is_admitting = False

    def open_admission(self, since: float) -> None:
        """Go on admitting: there has been an id since this time."""
        self._is_admitting = True
        self._vacant_since = max(self._vacant_since, since)

    def is_waiting(self, task_id: str) -> bool:
        """Whether the task was admitted, and has neither ended nor been withdrawn."""
        is_due = task_id in self._ready or task_id in self._retrying
        return is_due or (task_id in self._in_flight and task_id not in self._withdrawn)

    def state_of(self, task_id: str) -> PollState | None:
        """Return the state of a task, also of one that was withdrawn while its poll is in flight, or None."""
        if task_id in self._in_flight:
            return self._in_flight[task_id][0]
        state = self._ready.get(task_id) or self._retrying.get(task_id)
        return None if state is None else self._in_outage(state)

    def extend(self, task_id: str, deadline: float) -> PollState | None:
        """Wait for a task until this time at least. Return its state, or None if it was not admitted.

        A task that was withdrawn while its poll is in flight waits again.
        """
        if task_id in self._in_flight:
            state, sent = self._in_flight[task_id]
            state = evolve(state, deadline=max(state.deadline, deadline))
            self._in_flight[task_id] = state, sent
            self._withdrawn.discard(task_id)
            return state
        found = self._ready.get(task_id) or self._retrying.get(task_id)
        if found is not None and found.deadline < deadline:
            self._remove(task_id)
            found = evolve(found, deadline=deadline)
            self._push(found)
        return found

    def is_in_flight(self, task_id: str) -> bool:
        """Whether a poll of the task is in flight."""
        return task_id in self._in_flight

    def hasten(self, task_id: str, now: float) -> None:
        """Make a task due now, unless its poll is in flight or it has been due for longer."""
        state = self._ready.get(task_id) or self._retrying.get(task_id)
        if state is not None and state.due > now:
            self._remove(task_id)
            self._push(evolve(state, due=now))

    def withdraw(self, task_id: str, now: float) -> None:
        """End the wait for a task without a result, if it is waiting."""
        if self.is_waiting(task_id):
            if self._remove(task_id) is None:
                self._withdrawn.add(task_id)
            self._release_slot(now)

    def _remove(self, task_id: str) -> PollState | None:
        return self._ready.remove(task_id) or self._retrying.remove(task_id)

    def step(self, now: float) -> Step | None:
        """Return the next step, None at the end. ``answered``, ``failed`` or ``not_sent`` must follow each PollTask."""
        self._detect_suspension(now)
        return self._ended.pop() if self._ended else self._next_step(now)

    def _next_step(self, now: float) -> Step | None:
        vacant, ready, retry = self._vacant_time(), self._ready.first_due, self._retry_time()
        due = min(vacant, ready, retry)
        if math.isinf(due):
            return WaitForResponse(math.inf) if self._in_flight else None
        is_probing = self._limiter.is_probing or self._outage.is_on
        if len(self._in_flight) >= (1 if is_probing else self._limits.concurrency):
            return WaitForResponse(math.inf)
        at = max(due, self._limiter.next_time(self._deadline), self._outage.probe_at if self._outage.is_on else due)
        if self._was_suspended and self._in_flight and max(now, at) > self._last_poll_time():
            # A response in flight may extend the time for final polls.
            return WaitForResponse(math.inf)
        past_deadline = self._limiter.retry_after_until > self._deadline or at > self._last_poll_time()
        if now < at and not past_deadline:
            wake = max(at, min(now + self.min_sleep(), self._last_poll_time()))
            return WaitForResponse(wake) if self._in_flight else Sleep(wake)
        # Of equally overdue tasks, admitted ones come first.
        if vacant < min(ready, retry):
            return AdmitTask()
        return self._poll_next(now, is_retry=retry < ready, past_deadline=past_deadline)

    def _poll_next(self, now: float, *, is_retry: bool, past_deadline: bool) -> PollTask | PollState:
        state = (self._retrying if is_retry else self._ready).pop()
        timeout = 0.0 if past_deadline else self._poll_timeout(state, now)
        if not timeout:
            self._release_slot(now)
            return evolve(self._in_outage(state), end=poll_state.expired(state))
        if is_retry and not self._budget.spend():
            self._probe_at = now + self._policy.min_interval
        self._limiter.sent(now)
        self._outage.on_poll(now)
        self._in_flight[state.task_id] = state, now
        return PollTask(state.task_id, timeout)

    def last_snapshot(self, task_id: str) -> VideoTask | None:
        """Return the last snapshot of a task whose poll is in flight, without extras, or None."""
        return self._in_flight[task_id][0].task

    def answered(
        self, task_id: str, task: VideoTask, now: float, random: float, *, retry_after: float | None = None
    ) -> PollState:
        """Process the snapshot of a poll. Return the new state, whose ``end`` is set if the wait is over."""
        state, _ = self._in_flight.pop(task_id)
        self._limiter.on_success(now)
        if self._was_suspended and state.started < self._deadline:
            # Leave time for the final polls of other tasks.
            self._final_deadline = now + FINAL_POLL_TIMEOUT
        after = poll_state.after_answer(state, task, now, self._policy, random, retry_after=retry_after)
        if after.is_seen and not after.is_failing:
            self._outage.end()
        return self._settle(self._count_refusal(state, after, now), now)

    def failed(self, task_id: str, error: APIError, now: float, random: float) -> PollState:
        """Process a failed poll. Return the new state, whose ``end`` is set if the wait is over."""
        state, sent = self._in_flight.pop(task_id)
        pause = error.retry_after or 0.0
        if isinstance(error, RateLimitError) or (error.transient and pause):
            # A longer pause applies to this task alone.
            self._limiter.on_rate_limited(now, sent, pause if pause <= MAX_POLL_RETRY_AFTER else 0.0)
        elif not error.transient:
            self._limiter.on_success(now)
        after = poll_state.after_error(state, error, now, self._policy, random, sent=sent, tries=self._tries)
        return self._settle(self._count_refusal(state, after, now), now)

    def _count_refusal(self, before: PollState, after: PollState, now: float) -> PollState:
        """Record the poll if it was refused. Return its state, which has ended if the outage has lasted too long."""
        if after.refusals <= before.refusals or not isinstance(after.last_error, APIError):
            return after
        waiting = self._count() + 1
        is_open = self._is_admitting and waiting < self._limits.waiting
        self._outage.on_refusal(after.task_id, after.last_error, now, waiting=outage.MIN_TASKS if is_open else waiting)
        if not self._outage.has_lasted(now):
            return after
        self._end_seen(now)
        return evolve(after, end=after.end or End.BROKEN)

    def _end_seen(self, now: float) -> None:
        """End the wait for each task that has been seen, because the outage has lasted too long."""
        self._release_slot(now)
        waiting = sorted([*self._ready.entries, *self._retrying.entries], reverse=True)
        seen = [state for *_, state in waiting if state.is_seen]
        self._ended = [evolve(self._in_outage(state), end=End.BROKEN) for state in seen] + self._ended
        for state in seen:
            self._remove(state.task_id)
        self._outage.end()

    def _in_outage(self, state: PollState) -> PollState:
        """Return the state with the error of the outage, if there is one and the task was not polled during it."""
        error = None if state.is_failing or not state.is_seen else self._outage.last_error()
        return evolve(state, refusals=1, last_error=error) if error else state

    def not_polled(self, task_id: str, now: float) -> None:
        """Process a poll that was given up before it was sent: the task, if it is still waiting, is due now."""
        state, _ = self._in_flight.pop(task_id)
        self._settle(evolve(state, due=now), now)

    def not_sent(self, task_id: str, error: KkiaiError, now: float) -> PollState:
        """Process a query that could not be sent, which ends the wait for its task."""
        state, _ = self._in_flight.pop(task_id)
        return self._settle(evolve(state, last_error=error, end=End.BROKEN), now)

    def _settle(self, state: PollState, now: float) -> PollState:
        if state.task_id in self._withdrawn:
            self._withdrawn.remove(state.task_id)
        elif state.end is None:
            self._push(poll_state.without_extras(state))
        else:
            self._release_slot(now)
        return state

    def _push(self, state: PollState) -> None:
        (self._retrying if state.is_failing else self._ready).push(state.task_id, state.due, state)

    def _release_slot(self, now: float) -> None:
        """Record the time if there is room for another task only from now on."""
        if self._count() + 1 == self._limits.waiting:
            self._vacant_since = now

    def _count(self) -> int:
        return len(self._ready) + len(self._retrying) + len(self._in_flight) - len(self._withdrawn)

    def _vacant_time(self) -> float:
        """Return the time since which another id could be polled, or infinity."""
        if self._outage.is_on and self._count():
            return math.inf
        return self._vacant_since if self._is_admitting and self._count() < self._limits.waiting else math.inf

    def min_sleep(self) -> float:
        """Return the shortest sleep in seconds, so that a process with many tasks wakes up in batches."""
        return BATCH_WINDOW if self._count() >= BATCH_THRESHOLD else 0.0

    def _retry_time(self) -> float:
        """Return the time of the next retry, or infinity. In an outage, tasks seen and not refused come first."""
        first = self._ready.first()
        if not self._retrying or (self._outage.is_on and first and first.is_seen):
            return math.inf
        due = self._retrying.first_due
        return due if self._budget.left > 0 else max(due, self._probe_at)

    def _detect_suspension(self, now: float) -> None:
        """If the process was suspended past the deadline, restart the final-poll window."""
        # A running process steps earlier: a poll sent just before the deadline has this timeout.
        if self._last_step < self._deadline and now > self._deadline + MIN_POLL_TIMEOUT:
            self._was_suspended = True
            self._final_deadline = now + FINAL_POLL_TIMEOUT
            # Waiting tasks come before further ids, which may be endless.
            self._vacant_since = max(self._vacant_since, now)
        self._last_step = now

    def _last_poll_time(self) -> float:
        """Return the time after which no task is polled. With a timeout of 0 each task is polled once."""
        return self._final_deadline - MIN_POLL_TIMEOUT if self._timeout else math.inf

    def _poll_timeout(self, state: PollState, now: float) -> float:
        """Return the timeout of a poll made now; 0 if it is too late for one."""
        if not self._timeout:
            return math.inf
        left = state.deadline - now
        if left > 0:
            return max(left, MIN_POLL_TIMEOUT)
        return min(self._final_deadline - now, FINAL_POLL_TIMEOUT) if now <= self._last_poll_time() else 0.0
