"""An outage as seen by many waits: every poll is refused, whatever its task.

Until the outage is over, one task is polled per ``min_interval`` for all of them. If it lasts as long as the policy
tolerates refusals of one task, the waits for all tasks end. Pure: clock readings are arguments.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kkiai_sdk.errors import APIError
    from kkiai_sdk.policies import PollPolicy

#: Tasks refused in a row, without a snapshot of any task in between, at which an outage begins.
MIN_TASKS = 10


class Outage:
    """The refusals since the last snapshot of any task."""

    def __init__(self, policy: PollPolicy) -> None:
        self._policy = policy
        self._since, self._count = 0.0, 0
        self._task_ids: set[str] = set()
        self._error: APIError | None = None
        #: Whether the refusals are those of an outage.
        self.is_on = False
        #: Time of the next poll of any task while the outage is on.
        self.probe_at = 0.0

    def on_refusal(self, task_id: str, error: APIError, now: float, *, waiting: int) -> None:
        """Record the refusal of a task; ``waiting`` is the number of tasks, if these can be fewer than MIN_TASKS."""
        self._since = self._since if self._count else now
        self._count += 1
        # A copy, because notes about one task are added to its error.
        self._error = copy(error)
        if not self.is_on:
            self._task_ids.add(task_id)
            self.is_on, self.probe_at = len(self._task_ids) >= min(waiting, MIN_TASKS), now

    def end(self) -> None:
        """End the outage, and forget the refusals before."""
        self._count, self.is_on, self._error = 0, False, None
        self._task_ids.clear()

    def on_poll(self, now: float) -> None:
        """Record a poll of any task made now."""
        self.probe_at = now + self._policy.min_interval

    def has_lasted(self, now: float) -> bool:
        """Whether the outage is longer than refusals are tolerated."""
        is_long = now >= self._since + self._policy.refusal_grace
        return self.is_on and self._count >= self._policy.max_refusals and is_long

    def last_error(self) -> APIError | None:
        """Return a copy of the last refusal, or None without an outage."""
        return copy(self._error) if self.is_on else None
