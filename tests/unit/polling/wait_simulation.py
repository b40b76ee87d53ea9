"""Scripted outcomes of polls, and the simulation of one wait on a virtual clock."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen
from hypothesis import strategies as st

from kkiai_sdk import (
    APIConnectionError,
    APIError,
    APIResponseError,
    AuthenticationError,
    PollPolicy,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
    TaskState,
    VideoTask,
)
from kkiai_sdk._polling.poll_state import PollState, after_answer, after_error, begin, poll_timeout
from tests.unit.support import ASKED, START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

QueryOutcome: TypeAlias = VideoTask | APIError

#: Timeout in seconds of a request for which the wait sets none.
CLIENT_TIMEOUT = 30.0


def task(state: TaskState = TaskState.RUNNING, url: str | None = None, task_id: str = ASKED) -> VideoTask:
    """A snapshot of a task."""
    return VideoTask(id=task_id, status=str(state), state=state, video_url=url)


PENDING = task(TaskState.PENDING)
RUNNING = task()
UNKNOWN = task(TaskState.UNKNOWN)
#: A response that says nothing about the task.
BLANK = VideoTask(id=ASKED)
FAILED = task(TaskState.FAILED)
DONE = task(TaskState.SUCCEEDED, "https://cdn.example/a.mp4")
NO_URL = task(TaskState.SUCCEEDED)
RESET = APIConnectionError("reset", kind="reset", transient=True)
NOT_FOUND = TaskNotFoundError("not found", status_code=404)
FATAL = AuthenticationError("bad key", status_code=401)
EMPTY = APIResponseError("an empty body", transient=True)
PAGE = APIResponseError("a web page")


def busy(pause: float | None = None) -> ServerError:
    """A transient server error."""
    return ServerError("busy", status_code=503, transient=True, retry_after=pause)


def rate_limited(pause: float | None = None) -> RateLimitError:
    """A rate limit error."""
    return RateLimitError("slow down", status_code=429, transient=True, retry_after=pause)


@frozen
class Event:
    """The outcome of one poll, after its latency in seconds."""

    outcome: QueryOutcome
    latency: float = 0.125
    retry_after: float | None = None
    random: float = 0.5


@frozen
class SimulatedPoll:
    """One simulated poll, with the state before and after it."""

    event: Event
    budget: float
    asked: float
    answered: float
    before: PollState
    after: PollState


@frozen
class SimulatedWait:
    """A simulated wait from its begin to its end."""

    polls: tuple[SimulatedPoll, ...]
    sleeps: tuple[tuple[float, float], ...]
    ended: float
    history: PollState


def simulate(events: Iterable[Event], policy: PollPolicy, timeout: float, *, start: float = START) -> SimulatedWait:
    """Simulate a wait to its end. The script must be long enough."""
    polls, sleeps, now, script = [], [], start, iter(events)
    history = begin(ASKED, now, timeout)
    while history.end is None:
        if now < history.due:
            sleeps.append((now, history.due))
            now = history.due
        else:
            poll = _poll(history, now, next(script), policy)
            polls.append(poll)
            history, now = poll.after, poll.answered
    return SimulatedWait(tuple(polls), tuple(sleeps), now, history)


def _poll(history: PollState, now: float, event: Event, policy: PollPolicy) -> SimulatedPoll:
    timeout = poll_timeout(history, now)
    limit = min(timeout, CLIENT_TIMEOUT)
    if event.latency > limit:
        event = Event(APIConnectionError("no answer", kind="timeout", transient=True), limit, random=event.random)
    after = apply(history, event, now + event.latency, policy, sent=now)
    return SimulatedPoll(event, timeout, now, now + event.latency, history, after)


def apply(history: PollState, event: Event, now: float, policy: PollPolicy, *, sent: float | None = None) -> PollState:
    """The state after the outcome of a poll that was sent at ``sent``, by default now."""
    if isinstance(event.outcome, APIError):
        return after_error(history, event.outcome, now, policy, event.random, sent=now if sent is None else sent)
    return after_answer(history, event.outcome, now, policy, event.random, retry_after=event.retry_after)


def then_forever(events: Iterable[Event], last: Event) -> Iterator[Event]:
    """Yield the events, and then ``last`` without end."""
    yield from events
    while True:
        yield last


SECONDS = st.sampled_from([0.0, 0.25, 1.0, 7.5, 30.0, 61.0, 3599.0, 3601.0, 99999999.0]) | st.floats(0, 200)
PAUSES = st.none() | SECONDS
PASSING: list[Callable[[float | None], APIError]] = [busy, rate_limited]
OUTCOMES: st.SearchStrategy[QueryOutcome] = st.one_of(
    st.sampled_from([PENDING, RUNNING, RUNNING, UNKNOWN, NO_URL]),
    st.sampled_from([PENDING, RUNNING, DONE, FAILED, RESET, NOT_FOUND, FATAL]),
    st.builds(lambda make, pause: make(pause), st.sampled_from(PASSING), PAUSES),
)
EVENTS = st.builds(Event, OUTCOMES, st.floats(0, 40), PAUSES, st.floats(0, 1))
POLICIES = st.builds(
    lambda low, extra, growth, jitter, errors, grace, url: PollPolicy(
        min_interval=low,
        max_interval=low + extra,
        growth=growth,
        jitter=jitter,
        max_consecutive_errors=errors,
        not_found_grace=grace,
        url_grace=url,
    ),
    st.floats(0.05, 60),
    st.floats(0, 120),
    st.floats(0, 1),
    st.floats(0, 0.5),
    st.integers(1, 12),
    st.floats(0, 120),
    st.floats(0, 120),
)
TIMEOUTS = st.sampled_from([0.0, 0.001, 3.0, 60.0, 1800.0, math.inf]) | st.floats(0, 3600)
