"""Many waiting tasks: whom to ask now, and until when to sleep.

One heap of due times stands before the client. A waiting task is one :class:`~kkiai_sdk._waiting.History` in it: no
thread, no coroutine. The longest overdue is asked first; nothing is ranked by age, because ranking starves old tasks.
A few requests are in flight at once, and a "too many requests" pauses everybody, because the limit is the account's
and not the task's.

Pure, like :mod:`kkiai_sdk._waiting`: time and randomness come in as arguments, and the driver does as it is told.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, frozen

from kkiai_sdk import _waiting
from kkiai_sdk._waiting import End, History, Sleep
from kkiai_sdk.errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk.errors import APIError
    from kkiai_sdk.models import VideoTask
    from kkiai_sdk.policies import PollPolicy


@frozen
class AskAbout:
    """Poll this task now; the answer may take ``budget`` seconds."""

    task_id: str
    budget: float


@frozen
class Await:
    """Wait for an answer that is on its way, at most until this time (infinite: however long it takes)."""

    until: float


@frozen
class Ended:
    """The time of this task has run out before its turn came."""

    history: History


@frozen
class Finished:
    """Every task has ended."""


Step: TypeAlias = AskAbout | Await | Sleep | Ended | Finished


class Fleet:
    """The tasks that wait together."""

    def __init__(
        self, task_ids: Iterable[str], *, now: float, timeout: float, policy: PollPolicy, max_concurrency: int
    ) -> None:
        self._policy = policy
        self._room = max_concurrency
        self._histories = {task_id: _waiting.begin(task_id, now, timeout) for task_id in task_ids}
        # The counter keeps the order of equal due times, and so the order of the first polls, that of the caller.
        self._order = len(self._histories)
        self._heap = [(now, order, task_id) for order, task_id in enumerate(self._histories)]
        self._paused_until = now
        self._in_flight = 0

    def step(self, now: float) -> Step:
        """What to do now. Each AskAbout must be followed by one ``answered`` or ``failed`` for its task."""
        if not self._heap:
            return Await(math.inf) if self._in_flight else Finished()
        if self._in_flight >= self._room:
            return Await(math.inf)
        due, _, task_id = self._heap[0]
        history = self._histories[task_id]
        # The pause holds for everybody, but nobody sleeps through the own deadline because of it.
        due = max(due, min(self._paused_until, history.deadline))
        if now < due:
            return Await(due) if self._in_flight else Sleep(due)
        heapq.heappop(self._heap)
        budget = _waiting.budget(history, now)
        if not budget:
            return Ended(evolve(self._histories.pop(task_id), end=End.TIMED_OUT))
        self._in_flight += 1
        return AskAbout(task_id, budget)

    def answered(
        self, task_id: str, task: VideoTask, now: float, random: float, *, hint: float | None = None
    ) -> History:
        """Take in an answer. The history says whether, and how, the wait for this task is over."""
        history = self._histories[task_id]
        return self._settle(_waiting.after_answer(history, task, now, self._policy, random, hint=hint))

    def failed(self, task_id: str, error: APIError, now: float, random: float) -> History:
        """Take in a failed query. The history says whether, and how, the wait for this task is over."""
        if isinstance(error, RateLimitError):
            self._paused_until = max(self._paused_until, _waiting.shared_pause(error, now, self._policy))
        history = self._histories[task_id]
        return self._settle(_waiting.after_error(history, error, now, self._policy, random))

    def _settle(self, history: History) -> History:
        self._in_flight -= 1
        if history.end is not None:
            del self._histories[history.task_id]
            return history
        self._histories[history.task_id] = history
        self._order += 1
        heapq.heappush(self._heap, (history.due, self._order, history.task_id))
        return history
