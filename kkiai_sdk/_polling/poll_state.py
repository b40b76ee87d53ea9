"""One waiting task: decides whether to poll it now, sleep, or stop.

A wait is a :class:`PollState`: a few plain numbers and the last snapshot. :func:`decide` looks at it and at the clock;
:func:`after_answer` and :func:`after_error` return the next state. Nothing here performs anything, so the same code
runs one wait, ten thousand, and a simulation of a year in a second.

The rules.

* The first poll is made at once. Then the policy's gap, jittered, or a longer one that the server asks for.
* Transient errors do not end a wait until there are ``max_consecutive_errors`` in a row.
* "Not found" means "not yet" during ``not_found_grace``; a success without a URL likewise during ``url_grace``.
* A sleep never goes past the deadline. One that was cut short there is followed by a final poll, and so is one from
  which the program woke late (a laptop was suspended), and a query that failed over that; an answer that arrives at or
  after the deadline is the last one either way, and a success in it counts.
* A pause that a failing server asks for is never cut short: if it does not fit before the deadline, the wait is over.

Times are absolute readings of one monotonic clock, in seconds. Durations would not do: a remainder too small to move
the clock makes an endless loop.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve, frozen

from kkiai_sdk import _validators
from kkiai_sdk._effects import Sleep
from kkiai_sdk.errors import APIError, KkiaiError, TaskNotFoundError
from kkiai_sdk.models import TaskState, VideoTask

if TYPE_CHECKING:
    from kkiai_sdk.policies import PollPolicy

#: Seconds that the final poll may take after the deadline. Without them that poll could only fail.
FINAL_POLL_TIMEOUT = 5.0
#: Seconds that any other poll may take at least: one that starts just before the deadline would fail for that alone.
MIN_POLL_TIMEOUT = 1.0
#: Seconds of a Retry-After beyond which it is a refusal; keeps a wait without limit from sleeping for years
#: (``Retry-After: 99999999`` has been seen).
MAX_RETRY_AFTER = 3600.0
#: Seconds of a Retry-After on a good answer that are honoured, the same limit as for one request.
MAX_POLL_RETRY_AFTER = 60.0


class End(Enum):
    """The end of a wait."""

    DONE = auto()
    TIMED_OUT = auto()
    VIDEO_MISSING = auto()
    BROKEN = auto()


@frozen
class PollState:
    """The state of a wait."""

    task_id: str
    started: float
    deadline: float
    #: Time of the next poll.
    due: float
    polls: int = 0
    errors_in_row: int = 0
    task: VideoTask | None = None
    last_error: KkiaiError | None = None
    #: Time at which the task was first seen succeeded without a URL.
    url_missing_since: float | None = None
    end: End | None = None


@frozen
class Poll:
    """Poll now; the answer may take ``timeout`` seconds (infinite: the client's own timeout)."""

    timeout: float


@frozen
class Stop:
    """The wait is over."""

    end: End


Step: TypeAlias = Poll | Sleep | Stop


def begin(task_id: str, now: float, timeout: float) -> PollState:
    """Return the state of a wait that starts now and may take ``timeout`` seconds, infinity included."""
    return PollState(task_id=task_id, started=now, deadline=now + timeout, due=now)


def decide(state: PollState, now: float) -> Step:
    """Return the next step."""
    if state.end is not None:
        return Stop(state.end)
    if now < state.due:
        return Sleep(state.due)
    return Poll(_poll_timeout(state, now))


def _poll_timeout(state: PollState, now: float) -> float:
    """Return the seconds that a poll made now may take: those left, or infinity for the client's own timeout."""
    if state.deadline == state.started:
        # With a timeout of 0 there is one poll.
        return math.inf
    left = state.deadline - now
    return max(left, MIN_POLL_TIMEOUT) if left > 0 else FINAL_POLL_TIMEOUT


def after_answer(
    state: PollState,
    task: VideoTask,
    now: float,
    policy: PollPolicy,
    random: float,
    *,
    retry_after: float | None = None,
) -> PollState:
    """Return the state after an answer; ``retry_after`` in seconds, ``random`` from 0 to 1."""
    missing = task.state is TaskState.SUCCEEDED and task.video_url is None
    since = (now if state.url_missing_since is None else state.url_missing_since) if missing else None
    gap = _gap(state, now, policy, random)
    if missing:
        # The URL follows within seconds or never: ask at the pace of a fresh task.
        gap = min(gap, policy.min_interval)
    return evolve(
        state,
        polls=state.polls + 1,
        errors_in_row=0,
        task=task,
        url_missing_since=since,
        due=_clip(state, now + max(gap, min(retry_after or 0.0, MAX_POLL_RETRY_AFTER))),
        end=_end_of(task, state, now, None if since is None else since + policy.url_grace),
    )


def _end_of(task: VideoTask, state: PollState, now: float, url_expected_by: float | None) -> End | None:
    if url_expected_by is not None:
        return End.VIDEO_MISSING if now >= min(url_expected_by, state.deadline) else None
    if task.is_done:
        return End.DONE
    return End.TIMED_OUT if now >= state.deadline else None


def after_error(
    state: PollState, error: APIError, now: float, policy: PollPolicy, random: float, *, sent: float, tries: int = 1
) -> PollState:
    """Return the state after a query that failed, or after one of the ``tries`` that count as one failed query.

    ``sent`` is the time at which it was sent.
    """
    tolerated = isinstance(error, TaskNotFoundError) and now - state.started < policy.not_found_grace
    in_row = state.errors_in_row + (0 if tolerated else 1)
    pause = error.retry_after or 0.0
    due = now + max(_gap(state, now, policy, random), pause)
    end = None
    if not (tolerated or error.transient) or in_row >= policy.max_consecutive_errors * tries or pause > MAX_RETRY_AFTER:
        end = End.BROKEN
    elif now + pause > state.deadline if pause else now >= state.deadline and not _was_suspended(state, sent, now):
        end = expired(state)
    return evolve(state, polls=state.polls + 1, errors_in_row=in_row, last_error=error, due=_clip(state, due), end=end)


def _was_suspended(state: PollState, sent: float, now: float) -> bool:
    """Whether a query returned later than it could have: the machine was suspended meanwhile."""
    return sent < state.deadline and now > state.deadline + MIN_POLL_TIMEOUT


def expired(state: PollState) -> End:
    """Return the end of a wait whose time is up."""
    return End.TIMED_OUT if state.url_missing_since is None else End.VIDEO_MISSING


#: Shared by all states: it is exposed read-only.
_NO_EXTRA: dict[str, Any] = {}
#: Returns the first of equal texts: thousands of answers hold the same status.
_shared = lru_cache(maxsize=128)(str)


def without_extras(state: PollState) -> PollState:
    """Return the state without the undocumented fields of its snapshot, which may be many."""
    task = state.task
    if task is None or not task.raw:
        return state
    status = None if task.status is None else _shared(task.status)
    return evolve(state, task=evolve(task, status=status, raw={}, extra=_NO_EXTRA))


def _gap(state: PollState, now: float, policy: PollPolicy, random: float) -> float:
    # A schedule may be the caller's own; none may sleep for ever or not at all.
    name = f"{type(policy).__name__}.gap()"
    gap = _validators.number(name, policy.gap(now - state.started), low=0, high=_validators.MAX_SECONDS, above=True)
    return gap * (1 - policy.jitter * random)


def _clip(state: PollState, due: float) -> float:
    return min(due, state.deadline)


def is_change(before: VideoTask | None, after: VideoTask) -> bool:
    """Whether a snapshot differs from the last one; some gateways change the timestamp at each query."""
    return before is None or _visible_fields(before) != _visible_fields(after)


def _visible_fields(task: VideoTask) -> tuple[object, ...]:
    return task.state, task.status, task.progress, task.video_url, task.failure
