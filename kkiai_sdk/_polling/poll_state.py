"""The wait for one task: decides whether to poll now, sleep, or stop.

A wait is a :class:`PollState`: a few numbers and the last snapshot. :func:`after_answer` and :func:`after_error` return
the state after a poll: the time of the next one, or the end. Nothing here does I/O, so the same code runs one wait, ten
thousand waits, and simulations.

Rules:

* The first poll is made at once. The next follows after the policy's gap with jitter, or the server's Retry-After if
  that is longer.
* Transient errors do not end a wait until there are ``max_consecutive_errors`` in a row.
* A task has been seen once a snapshot was about it (:func:`is_about_task`). Until then an empty response means that the
  gateway does not know it yet.
* A refusal (:func:`is_refusal`) of a task that has been seen does not end a wait until there are ``max_refusals`` in a
  row, the last at least ``refusal_grace`` after the first. Only a snapshot about the task ends such a row; a response
  that says nothing about it is one more refusal. Of a task that has not been seen, a refusal that is final ends the
  wait.
* "Not found" means "not yet" during ``not_found_grace``; a success without a URL likewise during ``url_grace``.
* A sleep ends at the deadline at the latest, and is then followed by a final poll. So is a sleep from which the process
  woke after the deadline (the machine was suspended), and a query that failed for that reason. A snapshot received at
  or after the deadline ends the wait, and a success in it counts.
* A request that a wait cuts off at its deadline leaves the error before it in place.
* The Retry-After of an error is never shortened: if it exceeds the deadline, the wait ends.

Times are absolute, in monotonic seconds. A duration could be too small to advance the clock, which would make an
endless loop.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from kkiai_sdk import _validators
from kkiai_sdk.errors import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    TaskNotFoundError,
)
from kkiai_sdk.models import TaskState, VideoTask

if TYPE_CHECKING:
    from kkiai_sdk.errors import KkiaiError
    from kkiai_sdk.policies import PollPolicy

#: Timeout of the final poll in seconds, which extends beyond the deadline.
FINAL_POLL_TIMEOUT = 5.0
#: Minimum timeout of any other poll in seconds, so that one sent just before the deadline can succeed.
MIN_POLL_TIMEOUT = 1.0
#: Longest Retry-After of an error in seconds; a longer one ends the wait, which may have no deadline
#: (``Retry-After: 99999999`` has been observed).
MAX_RETRY_AFTER = 3600.0
#: Longest Retry-After of a success in seconds; a longer one is shortened. The same as RetryPolicy.max_retry_after.
MAX_POLL_RETRY_AFTER = 60.0


class End(Enum):
    """Reason for the end of a wait."""

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
    #: Transient errors since the last snapshot.
    errors_in_row: int = 0
    #: Refusals since the last snapshot, and the time of the first.
    refusals: int = 0
    refused_since: float | None = None
    task: VideoTask | None = None
    last_error: KkiaiError | None = None
    #: Time at which the task was first seen succeeded without a URL.
    url_missing_since: float | None = None
    end: End | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last poll failed, other than by a "not found" that means "not yet"."""
        return self.errors_in_row + self.refusals > 0

    @property
    def is_seen(self) -> bool:
        """Whether a response was about the task: it exists, and the key is good."""
        return self.task is not None and is_about_task(self.task)


def is_about_task(task: VideoTask) -> bool:
    """Whether a snapshot says anything about the task, unlike that of ``{}`` or of an envelope with ``data: null``."""
    return bool(task.status or task.answered_id or task.video_url) or task.progress is not None


def begin(task_id: str, now: float, timeout: float) -> PollState:
    """Return the state of a wait that starts now and has a timeout of ``timeout`` seconds, which may be infinity."""
    return PollState(task_id=task_id, started=now, deadline=now + timeout, due=now)


def poll_timeout(state: PollState, now: float) -> float:
    """Return the timeout of a poll made now: the time left, or infinity for the timeout of the client."""
    if state.deadline == state.started:
        # A timeout of 0 means one poll.
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
    """Return the state after a snapshot; ``retry_after`` in seconds, ``random`` from 0 to 1."""
    pause = min(retry_after or 0.0, MAX_POLL_RETRY_AFTER)
    if state.is_seen and not is_about_task(task):
        error = APIResponseError("the response says nothing about the task", request_id=task.request_id)
        after = after_error(state, error, now, policy, random, sent=now)
        return evolve(after, due=min(max(after.due, now + pause), state.deadline))
    missing = task.state is TaskState.SUCCEEDED and task.video_url is None
    since = (now if state.url_missing_since is None else state.url_missing_since) if missing else None
    gap = _gap(state, now, policy, random)
    if missing:
        # The URL follows within seconds or never.
        gap = min(gap, policy.min_interval)
    return evolve(
        state,
        polls=state.polls + 1,
        errors_in_row=0,
        refusals=0,
        refused_since=None,
        task=task,
        url_missing_since=since,
        due=min(now + max(gap, pause), state.deadline),
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
    """Return the state after a failed query. ``sent`` is the time at which it was sent.

    ``tries`` failures count as one failed query, for a caller that makes its attempts as separate queries.
    """
    early = isinstance(error, TaskNotFoundError) and now - state.started < policy.not_found_grace
    refused = state.is_seen and is_refusal(error)
    after = evolve(
        state,
        polls=state.polls + 1,
        errors_in_row=state.errors_in_row + error.transient,
        refusals=state.refusals + refused,
        refused_since=now if refused and state.refused_since is None else state.refused_since,
        last_error=_telling_error(state, error, now),
    )
    pause = error.retry_after or 0.0
    due = now + max(_gap(state, now, policy, random), pause)
    end = None
    if pause > MAX_RETRY_AFTER or not (early or _is_tolerable(after, error, now, policy, tries)):
        end = End.BROKEN
    elif now + pause > state.deadline if pause else now >= state.deadline and not _was_suspended(state, sent, now):
        end = expired(state)
    return evolve(after, due=min(due, state.deadline), end=end)


def _is_tolerable(state: PollState, error: APIError, now: float, policy: PollPolicy, tries: int) -> bool:
    """Whether a wait continues after an error, which is already counted in the state."""
    if error.transient and state.errors_in_row < policy.max_consecutive_errors * tries:
        return True
    if state.refused_since is None or not is_refusal(error):
        return False
    return state.refusals < policy.max_refusals or now < state.refused_since + policy.refusal_grace


def is_refusal(error: APIError) -> bool:
    """Whether an error says something about the task or the key that is unlikely once the task has been seen.

    This is each final response, a certificate that is not accepted, a proxy that refuses the credentials, and a success
    without a readable body or a web page, also if these are transient by themselves. Other errors before a response
    concern this machine or the request. Reading a body that is too large again would cost as much each time.
    """
    if isinstance(error, APIConnectionError):
        return error.kind in {"tls", "proxy"} and not error.transient
    if isinstance(error, APIResponseError) and error.is_too_large:
        return False
    is_page = isinstance(error, APIStatusError) and isinstance(error.body, str) and error.body.lstrip()[:1] == "<"
    return not error.transient or isinstance(error, APIResponseError) or is_page


def _telling_error(state: PollState, error: APIError, now: float) -> KkiaiError:
    """Return the error to report: not that of a request cut off at the deadline if there is one before it."""
    is_cut = isinstance(error, APITimeoutError) and now >= state.deadline
    has_other = state.last_error is not None and (state.is_failing or not state.is_seen)
    return state.last_error if is_cut and has_other and state.last_error else error


def _was_suspended(state: PollState, sent: float, now: float) -> bool:
    """Whether a query ended later than its timeout allows: the machine was suspended meanwhile."""
    return sent < state.deadline and now > state.deadline + MIN_POLL_TIMEOUT


def expired(state: PollState) -> End:
    """Return the end of a wait at its deadline."""
    return End.TIMED_OUT if state.url_missing_since is None else End.VIDEO_MISSING


#: Shared by all snapshots, which expose it read-only.
_NO_EXTRA: dict[str, Any] = {}
#: Returns one object for equal texts, because thousands of snapshots have the same status.
_intern = lru_cache(maxsize=128)(str)


def without_extras(state: PollState) -> PollState:
    """Return the state without the undocumented fields of its snapshot, which may be large."""
    task = state.task and slim(state.task)
    return state if task is state.task else evolve(state, task=task)


def slim(task: VideoTask) -> VideoTask:
    """Return the snapshot without its undocumented fields."""
    if not task.raw:
        return task
    status = None if task.status is None else _intern(task.status)
    return evolve(task, status=status, raw={}, extra=_NO_EXTRA)


def _gap(state: PollState, now: float, policy: PollPolicy, random: float) -> float:
    # A subclass of PollPolicy may return anything.
    name = f"{type(policy).__name__}.gap()"
    gap = _validators.number(name, policy.gap(now - state.started), low=0, high=_validators.MAX_SECONDS, above=True)
    return gap * (1 - policy.jitter * random)


def is_change(before: VideoTask | None, after: VideoTask) -> bool:
    """Whether a snapshot differs from the last one, timestamps apart: some gateways update these at each query."""
    return before is None or _visible_fields(before) != _visible_fields(after)


def _visible_fields(task: VideoTask) -> tuple[object, ...]:
    return task.state, task.status, task.progress, task.video_url, task.failure
