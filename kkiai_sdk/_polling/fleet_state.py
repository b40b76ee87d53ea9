"""Waits that share one scheduler, have their own deadlines, and begin and end at any time.

A wait is a :class:`Waiter`. Waiters of one id share its polls. Rules, in addition to those of ``scheduler``:

* An id is admitted when its first poll can be made and fewer ids than the limit are waiting; until then it is queued,
  in order of arrival. A wait for a single query or with a timeout of 0 is admitted immediately.
* At the deadline of a waiter its task is polled, at once if the scheduler allows. The waiter ends with the first
  response after its deadline. Without one it expires ``FINAL_POLL_TIMEOUT`` after the deadline, also in the queue, in
  an outage and while all requests are paused.
* A waiter with a timeout of 0 gets one poll; it expires after the timeout of one request.
* If the machine was suspended past the deadline, the waiter expires when no response was received for
  ``FINAL_POLL_TIMEOUT``, so each is polled once more while the gateway responds.
* A waiter that joins others shares their poll schedule, but has its own elapsed time and number of polls.
* A task without waiters is withdrawn.

Pure, like ``scheduler``: time is an argument.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, evolve

from kkiai_sdk._effects import Sleep
from kkiai_sdk._polling import poll_state
from kkiai_sdk._polling.due_heap import DueHeap
from kkiai_sdk._polling.poll_state import FINAL_POLL_TIMEOUT, MIN_POLL_TIMEOUT, End, PollState
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, WaitForResponse
from kkiai_sdk.errors import KkiaiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk._polling.scheduler import Scheduler
    from kkiai_sdk.models import VideoTask


class NotAwaitedError(KkiaiError):
    """A poll was given up before it was sent, because no one waits for the task any more."""


@define(eq=False)
class Waiter:
    """One wait for a task."""

    task_id: str
    #: Time of the call, and the time since which the task has been waited for, also by another process.
    joined: float
    started: float
    #: Not before ``joined``.
    deadline: float
    #: The object to which the driver delivers snapshots and the result.
    receiver: Any
    wants_updates: bool = False
    #: Whether the wait stands for one query.
    is_query: bool = False
    #: The last snapshot that was delivered.
    snapshot: VideoTask | None = None
    #: Polls of the task before the waiter joined.
    polls_before: int = 0
    #: Whether the deadline has passed.
    is_late: bool = False
    #: Whether the machine was suspended past the deadline.
    was_suspended: bool = False
    #: Whether a query was in flight then, whose failure does not end the wait.
    is_excused: bool = False

    @property
    def has_time(self) -> bool:
        """Whether the deadline is later than the call. Otherwise the wait is one poll."""
        return self.deadline > self.joined

    @property
    def is_one_poll(self) -> bool:
        """Whether the wait is too short to queue behind tasks that may take hours."""
        return self.is_query or not self.has_time


#: A changed snapshot for a waiter, or the final state of its wait.
Event: TypeAlias = "tuple[Waiter, VideoTask | PollState]"


class FleetState:
    """The waiters of a fleet. ``query_timeout`` is the timeout of one request in seconds."""

    def __init__(self, scheduler: Scheduler, query_timeout: float) -> None:
        self._scheduler, self._query_timeout = scheduler, query_timeout
        # As keys, so that one of many for the same id is removed as quickly as the only one.
        self._waiters: dict[str, dict[Waiter, None]] = {}
        # Ids that are not admitted yet, and the times of their arrivals.
        self._queue: OrderedDict[str, float] = OrderedDict()
        # Waiters by the time at which something happens to them without a response: the deadline, then the end.
        self._timers: DueHeap[Waiter] = DueHeap(itertools.count())
        self._last_answer = -math.inf
        scheduler.close_admission()

    def is_awaited(self, task_id: str) -> bool:
        """Whether there is a waiter for the task."""
        return task_id in self._waiters

    def join(self, waiter: Waiter) -> None:
        """Add a waiter."""
        is_first = waiter.task_id not in self._waiters
        self._waiters.setdefault(waiter.task_id, {})[waiter] = None
        self._timers.push(waiter, waiter.deadline, waiter)
        state = self._scheduler.extend(waiter.task_id, self._poll_by(waiter))
        if state is not None:
            waiter.polls_before = state.polls
        elif is_first or waiter.is_one_poll:
            self._queue[waiter.task_id] = waiter.joined
            if waiter.is_one_poll:
                self._admit(waiter.task_id)
            self._set_admission()

    def leave(self, waiter: Waiter, now: float) -> None:
        """Remove a waiter, if it has not ended."""
        if waiter in self._timers:
            self._remove(waiter.task_id, [waiter])
            self._withdraw_unless_awaited(waiter.task_id, now)

    def leave_all(self) -> list[Waiter]:
        """Remove and return all waiters."""
        groups = [(task_id, list(waiters)) for task_id, waiters in self._waiters.items()]
        for task_id, waiters in groups:
            self._remove(task_id, waiters)
        return [waiter for _, waiters in groups for waiter in waiters]

    def step(self, now: float) -> PollTask | WaitForResponse | Sleep | list[Event]:
        """Return the next step: a poll, waiters that have ended, or the time until which nothing happens."""
        if ended := self._run_timers(now):
            return ended
        while isinstance(step := self._scheduler.step(now), AdmitTask):
            self._admit(next(iter(self._queue)))
            self._set_admission()
        if isinstance(step, PollTask):
            return step
        if isinstance(step, PollState):
            return self._end(step, self._waiters.get(step.task_id, ()), now)
        timer = max(self._timers.first_due, now + self._scheduler.min_sleep())
        if isinstance(step, WaitForResponse):
            return WaitForResponse(min(step.until, timer))
        return Sleep(timer if step is None else min(step.until, timer))

    def after_poll(self, state: PollState, now: float) -> list[Event]:
        """Process the state of a task after a poll. Return the changes and the ends of its waiters."""
        if not state.is_failing and state.end is not End.BROKEN:
            self._last_answer = now
        waiters = self._waiters.get(state.task_id, ())
        updates = [] if state.is_failing or state.task is None else self._updates(state.task, waiters)
        ended = [waiter for waiter in waiters if state.end or self._ends(waiter, state, now)]
        return [*updates, *self._end(state, ended, now)]

    def _updates(self, task: VideoTask, waiters: Iterable[Waiter]) -> list[Event]:
        changed = [each for each in waiters if each.wants_updates and poll_state.is_change(each.snapshot, task)]
        for waiter in changed:
            waiter.snapshot = poll_state.slim(task)
        return [(waiter, task) for waiter in changed]

    def _ends(self, waiter: Waiter, state: PollState, now: float) -> bool:
        """Whether a poll that does not end the task ends a waiter, because its deadline has passed."""
        if now < waiter.deadline:
            return False
        # A query that failed because the machine was suspended is followed by a final poll.
        is_unnoticed = not waiter.is_late and now > waiter.deadline + MIN_POLL_TIMEOUT
        if state.is_failing and (is_unnoticed or waiter.is_excused):
            waiter.is_excused = False
            self._scheduler.hasten(state.task_id, now)
            return False
        return True

    def _run_timers(self, now: float) -> list[Event]:
        """Poll the tasks of waiters whose deadline has passed. Return the waiters that have expired."""
        ended: list[Event] = []
        while (due := self._timers.first_due) <= now:
            waiter = self._timers.pop()
            end = self._time_of_end(waiter, due, now)
            self._timers.push(waiter, end, waiter)
            if end <= now:
                state = self._scheduler.state_of(waiter.task_id) or _not_polled(waiter)
                ended += self._end(state, [waiter], now)
        return ended

    def _time_of_end(self, waiter: Waiter, due: float, now: float) -> float:
        """Return the time at which a waiter ends without a response; its timer, set to ``due``, runs now."""
        is_first, waiter.is_late = not waiter.is_late, True
        if is_first:
            self._scheduler.hasten(waiter.task_id, now)
        if is_first and not waiter.has_time:
            return now + self._query_timeout
        if now > due + MIN_POLL_TIMEOUT:
            waiter.was_suspended, waiter.is_excused = True, self._scheduler.is_in_flight(waiter.task_id)
            return now + FINAL_POLL_TIMEOUT
        if waiter.was_suspended:
            return self._last_answer + FINAL_POLL_TIMEOUT
        return waiter.deadline + FINAL_POLL_TIMEOUT

    def _end(self, state: PollState, waiters: Iterable[Waiter], now: float) -> list[Event]:
        ended = list(waiters)
        self._remove(state.task_id, ended)
        self._withdraw_unless_awaited(state.task_id, now)
        return [(waiter, _final_state(waiter, state)) for waiter in ended]

    def _remove(self, task_id: str, waiters: Iterable[Waiter]) -> None:
        for waiter in waiters:
            self._timers.remove(waiter)
            del self._waiters[task_id][waiter]
        if self._waiters.get(task_id):
            return
        self._waiters.pop(task_id, None)
        if self._queue.pop(task_id, None) is not None:
            self._set_admission()

    def _withdraw_unless_awaited(self, task_id: str, now: float) -> None:
        if task_id not in self._waiters:
            self._scheduler.withdraw(task_id, now)

    def _admit(self, task_id: str) -> None:
        del self._queue[task_id]
        waiters = self._waiters[task_id]
        started, deadline = min(each.started for each in waiters), max(map(self._poll_by, waiters))
        self._scheduler.admit(task_id, started=started, deadline=deadline)

    def _set_admission(self) -> None:
        """Let the scheduler admit the first id of the queue, if there is one."""
        if self._queue:
            self._scheduler.open_admission(next(iter(self._queue.values())))
        else:
            self._scheduler.close_admission()

    def _poll_by(self, waiter: Waiter) -> float:
        """Return the deadline of the task for a waiter."""
        return waiter.deadline if waiter.has_time else waiter.joined + self._query_timeout


def _not_polled(waiter: Waiter) -> PollState:
    return PollState(task_id=waiter.task_id, started=waiter.started, deadline=waiter.deadline, due=waiter.deadline)


def _final_state(waiter: Waiter, state: PollState) -> PollState:
    """Return the final state of a waiter; it has timed out unless the task has ended."""
    polls, end = state.polls - waiter.polls_before, state.end or poll_state.expired(state)
    return evolve(state, started=waiter.started, polls=polls, end=end)
