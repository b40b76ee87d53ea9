"""One waiting task: what is known of it -> ask now, sleep until then, or stop.

The theory. A wait is a :class:`History`: a few plain numbers and the last snapshot. :func:`decide` looks at it and at
the clock; :func:`after_answer` and :func:`after_error` make the next history from what a poll brought. Nothing here
performs anything, so the same code runs one wait, ten thousand, and a simulation of a year in a second.

The rules.

* The first poll is made at once. Then the policy's gap, jittered, or a longer one that the server asks for.
* Passing errors do not end a wait until there are ``max_consecutive_errors`` in a row.
* "Not found" is taken for "not yet" during ``not_found_grace``; a success without a URL likewise for ``url_grace``.
* A sleep never goes past the deadline. One that was cut short there is followed by a last poll, and so is one from
  which the program woke late (a laptop was suspended), and a query that failed over that; an answer that arrives at or
  after the deadline is the last one either way, and a success in it counts.
* A pause that a failing server asks for is never cut short: if it does not fit before the deadline, the wait is over.

Times are absolute readings of one monotonic clock, in seconds. Durations would not do: a remainder too small to move
the clock makes a loop that never ends.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve, frozen

from kkiai_sdk import _validators as _checks
from kkiai_sdk._effects import Sleep
from kkiai_sdk.errors import APIError, KkiaiError, TaskNotFoundError
from kkiai_sdk.models import TaskState, VideoTask

if TYPE_CHECKING:
    from kkiai_sdk.policies import PollPolicy

#: Seconds that the last poll may take when a wait has run out of time. Without it that poll could only fail.
LAST_LOOK = 5.0
#: Seconds that any other poll may take at least: one that starts just before the deadline would fail for that alone.
LEAST_LOOK = 1.0
#: Seconds beyond which a pause asked for by the server is no pause but a refusal; keeps a wait without limit from
#: sleeping for years (``Retry-After: 99999999`` has been seen).
MAX_PAUSE = 3600.0
#: Seconds of a server's hint on a good answer that are followed, the same limit as for one request's Retry-After.
MAX_HINT = 60.0


class End(Enum):
    """How a wait is over."""

    DONE = auto()
    TIMED_OUT = auto()
    VIDEO_MISSING = auto()
    BROKEN = auto()


@frozen
class History:
    """A wait so far."""

    task_id: str
    started: float
    deadline: float
    #: When the next poll is due.
    due: float
    polls: int = 0
    errors_in_row: int = 0
    task: VideoTask | None = None
    last_error: KkiaiError | None = None
    #: When the task was first seen succeeded without a URL.
    url_missing_since: float | None = None
    end: End | None = None


@frozen
class Ask:
    """Poll now; the answer may take ``budget`` seconds (infinite: the client's own timeout)."""

    budget: float


@frozen
class Stop:
    """The wait is over."""

    end: End


Step: TypeAlias = Ask | Sleep | Stop


def begin(task_id: str, now: float, timeout: float) -> History:
    """A wait that starts now and may take ``timeout`` seconds, infinity included."""
    return History(task_id=task_id, started=now, deadline=now + timeout, due=now)


def decide(history: History, now: float) -> Step:
    """What to do now."""
    if history.end is not None:
        return Stop(history.end)
    if now < history.due:
        return Sleep(history.due)
    return Ask(_budget(history, now))


def _budget(history: History, now: float) -> float:
    """Seconds that a poll made now may take: what is left, or infinity for "as long as the client's own timeout"."""
    if history.deadline == history.started:
        # With a timeout of 0 the one try is all there is.
        return math.inf
    left = history.deadline - now
    return max(left, LEAST_LOOK) if left > 0 else LAST_LOOK


def after_answer(
    history: History, task: VideoTask, now: float, policy: PollPolicy, random: float, *, hint: float | None = None
) -> History:
    """The history after an answer. ``hint``: seconds that the server asks to wait; ``random`` is from 0 to 1."""
    missing = task.state is TaskState.SUCCEEDED and task.video_url is None
    since = (now if history.url_missing_since is None else history.url_missing_since) if missing else None
    gap = _gap(history, now, policy, random)
    if missing:
        # The URL follows within seconds or never: ask at the pace of a fresh task.
        gap = min(gap, policy.min_interval)
    return evolve(
        history,
        polls=history.polls + 1,
        errors_in_row=0,
        task=task,
        url_missing_since=since,
        due=_clip(history, now + max(gap, min(hint or 0.0, MAX_HINT))),
        end=_end_of(task, history, now, None if since is None else since + policy.url_grace),
    )


def _end_of(task: VideoTask, history: History, now: float, url_expected_by: float | None) -> End | None:
    if url_expected_by is not None:
        return End.VIDEO_MISSING if now >= min(url_expected_by, history.deadline) else None
    if task.is_done:
        return End.DONE
    return End.TIMED_OUT if now >= history.deadline else None


def after_error(
    history: History, error: APIError, now: float, policy: PollPolicy, random: float, *, sent: float, tries: int = 1
) -> History:
    """The history after a query that failed, or after one of the ``tries`` that count as one failed query.

    ``sent`` is when it was asked.
    """
    tolerated = isinstance(error, TaskNotFoundError) and now - history.started < policy.not_found_grace
    in_row = history.errors_in_row + (0 if tolerated else 1)
    pause = error.retry_after or 0.0
    due = now + max(_gap(history, now, policy, random), pause)
    end = None
    if not (tolerated or error.transient) or in_row >= policy.max_consecutive_errors * tries or pause > MAX_PAUSE:
        end = End.BROKEN
    elif now + pause > history.deadline if pause else now >= history.deadline and not _slept(history, sent, now):
        end = out_of_time(history)
    return evolve(
        history, polls=history.polls + 1, errors_in_row=in_row, last_error=error, due=_clip(history, due), end=end
    )


def _slept(history: History, sent: float, now: float) -> bool:
    """Whether a query came back later than any can that was asked in time: the machine was suspended meanwhile."""
    return sent < history.deadline and now > history.deadline + LEAST_LOOK


def out_of_time(history: History) -> End:
    """How a wait ends whose time is up."""
    return End.TIMED_OUT if history.url_missing_since is None else End.VIDEO_MISSING


#: One for all: it is shown read-only.
_NOTHING: dict[str, Any] = {}
#: The first of equal words: thousands of answers hold the same one.
_shared = lru_cache(maxsize=128)(str)


def slim(history: History) -> History:
    """The same without what gateways add to an answer, which may be a lot: the last snapshot of each of many waits."""
    task = history.task
    if task is None or not task.raw:
        return history
    status = None if task.status is None else _shared(task.status)
    return evolve(history, task=evolve(task, status=status, raw={}, extra=_NOTHING))


def _gap(history: History, now: float, policy: PollPolicy, random: float) -> float:
    # A schedule may be the caller's own; whatever it says, no sleep is endless and no loop is without one.
    name = f"{type(policy).__name__}.gap()"
    gap = _checks.number(name, policy.gap(now - history.started), low=0, high=_checks.MAX_SECONDS, above=True)
    return gap * (1 - policy.jitter * random)


def _clip(history: History, due: float) -> float:
    return min(due, history.deadline)


def is_change(before: VideoTask | None, after: VideoTask) -> bool:
    """Whether a snapshot tells anything new. A timestamp alone does not: some gateways touch it at each query."""
    return before is None or _news(before) != _news(after)


def _news(task: VideoTask) -> tuple[object, ...]:
    return task.state, task.status, task.progress, task.video_url, task.failure
