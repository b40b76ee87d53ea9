"""The order of things in each call, as generators of effects: one query, one wait, many waits.

Downloads are in :mod:`kkiai_sdk._downloads`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from kkiai_sdk import _text, _waiting
from kkiai_sdk._effects import Call, Emit, Fetch, Gather, Launch, Reply
from kkiai_sdk._fleet import AskAbout, Ended, Finished, Fleet
from kkiai_sdk._log import log
from kkiai_sdk._waiting import End, History, Sleep, Stop
from kkiai_sdk.errors import APIError, KkiaiError, TaskFailedError, TaskTimeoutError, VideoMissingError
from kkiai_sdk.models import TaskState, VideoTask, WaitResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk._effects import Flow, Outcome
    from kkiai_sdk._runtime import Runtime
    from kkiai_sdk.policies import PollPolicy

#: Failures in a row at which a wait says so in the log.
WARN_AFTER = 3


@frozen
class Terms:
    """On what terms a wait is made."""

    timeout: float
    policy: PollPolicy
    call: Call
    runtime: Runtime


class Journal:
    """What the log has been told about a wait, so that it is told once."""

    def __init__(self) -> None:
        self._statuses: set[tuple[str, str | None]] = set()

    def polled(self, history: History, now: float) -> None:
        """One line per poll, and the warnings that are due."""
        task, elapsed = history.task, now - history.started
        log.debug(
            "task %s: %s after %.1f s, poll %d, %s",
            ascii(history.task_id),
            _word(task) if task else None,
            elapsed,
            history.polls,
            f"ends ({history.end.name})" if history.end else f"next in {history.due - now:.1f} s",
        )
        if history.errors_in_row == WARN_AFTER:
            log.warning("task %s: %d failed queries in a row, the last: %s", *_named(history), history.last_error)
        elif task and not history.errors_in_row and task.state is TaskState.UNKNOWN:
            self._unknown(task)

    def _unknown(self, task: VideoTask) -> None:
        if (task.id, task.status) not in self._statuses:
            self._statuses.add((task.id, task.status))
            log.warning("task %s: unknown status %s, taken for not ended", ascii(task.id), _word(task))


def _word(task: VideoTask) -> str:
    """The status as it may be shown: a server can write anything there."""
    return ascii(_text.message(_text.redact(task.status), 100)) if task.status is not None else "no status"


def _named(history: History) -> tuple[str, int]:
    return ascii(history.task_id), history.errors_in_row


def watching(task_id: str, terms: Terms, *, every_poll: bool = False) -> Flow[History]:
    """Poll a task to its end, emitting a snapshot per change; returns the history with its end."""
    runtime, journal = terms.runtime, Journal()
    history = _waiting.begin(task_id, runtime.monotonic(), terms.timeout)
    while True:
        step = _waiting.decide(history, runtime.monotonic())
        if isinstance(step, Stop):
            return evolve(history, end=step.end)
        if isinstance(step, Sleep):
            yield step
            continue
        before = history.task
        history = yield from _poll(history, step.budget, terms)
        journal.polled(history, runtime.monotonic())
        if history.errors_in_row == 0 and history.task and (every_poll or _waiting.is_change(before, history.task)):
            yield Emit(history.task)


def _poll(history: History, budget: float, terms: Terms) -> Flow[History]:
    runtime = terms.runtime
    call = evolve(terms.call, timeout=min(terms.call.timeout, budget), deadline=history.deadline)
    try:
        reply: Reply = yield Fetch(history.task_id, call)
    except APIError as error:
        return _waiting.after_error(history, error, runtime.monotonic(), terms.policy, runtime.random())
    now = runtime.monotonic()
    return _waiting.after_answer(history, reply.task, now, terms.policy, runtime.random(), hint=reply.hint)


def completing(task_ids: Iterable[str], terms: Terms, *, max_concurrency: int) -> Flow[None]:
    """Poll many tasks to their ends, emitting each one's WaitResult as it ends. The ids are valid and unique."""
    runtime, journal = terms.runtime, Journal()
    # A retry would hold one of the few places in flight while it sleeps; the heap paces it just as well.
    terms = evolve(terms, call=evolve(terms.call, max_retries=0))
    fleet = Fleet(
        task_ids,
        now=runtime.monotonic(),
        timeout=terms.timeout,
        policy=terms.policy,
        max_concurrency=max_concurrency,
    )
    while not isinstance(step := fleet.step(runtime.monotonic()), Finished):
        if isinstance(step, Sleep):
            yield step
        elif isinstance(step, Ended):
            yield Emit(result_of(step.history, runtime.monotonic()))
        elif isinstance(step, AskAbout):
            call = evolve(terms.call, timeout=min(terms.call.timeout, step.budget))
            yield Launch(Fetch(step.task_id, call))
        else:
            outcomes: list[tuple[str, Outcome]] = yield Gather(step.until)
            for task_id, outcome in outcomes:
                history = _settle(fleet, task_id, outcome, runtime)
                journal.polled(history, runtime.monotonic())
                if history.end is not None:
                    yield Emit(result_of(history, runtime.monotonic()))


def _settle(fleet: Fleet, task_id: str, outcome: Outcome, runtime: Runtime) -> History:
    now, random = runtime.monotonic(), runtime.random()
    if isinstance(outcome, APIError):
        return fleet.failed(task_id, outcome, now, random)
    return fleet.answered(task_id, outcome.task, now, random, hint=outcome.hint)


def result_of(history: History, now: float) -> WaitResult:
    """What a wait that is over came to."""
    return WaitResult(history.task_id, history.task, _error_of(history, now))


def conclude(history: History, now: float, *, raise_on_failure: bool = True) -> VideoTask:
    """The task of a wait that is over; raises the error that this end is."""
    error = _error_of(history, now)
    if error is not None and (raise_on_failure or not isinstance(error, TaskFailedError)):
        raise error
    return cast("VideoTask", history.task)


def _error_of(history: History, now: float) -> KkiaiError | None:
    task, elapsed = history.task, now - history.started
    seen = f"last seen {_word(task)}" if task else "no answer about it yet"
    if history.end is End.BROKEN and history.last_error is not None:
        history.last_error.add_note(
            f"task {history.task_id}: {seen}; it may still be running: wait for the same id again"
        )
        return history.last_error
    facts: dict[str, Any] = {
        "task_id": history.task_id,
        "task": task,
        "elapsed": elapsed,
        "polls": history.polls,
        "last_error": history.last_error,
    }
    if history.end is End.TIMED_OUT:
        return TaskTimeoutError(
            f"gave up waiting for task {history.task_id} after {elapsed:.4g} s ({seen}{_trouble(history)}); "
            "it was not cancelled: wait for the same id again",
            **facts,
        )
    if history.end is End.VIDEO_MISSING:
        return VideoMissingError(
            f"task {history.task_id} succeeded ({seen}), but the gateway names no video; query it again later", **facts
        )
    if task is not None and task.is_failed:
        return TaskFailedError(f"task {history.task_id} failed: {task.failure}", **facts)
    return None


def _trouble(history: History) -> str:
    """The last query's error, when it was the last word."""
    return f"; {history.last_error}" if history.errors_in_row and history.last_error else ""
