"""The order of things in each call, as generators of effects: one query, one wait, many waits.

Downloads are in :mod:`kkiai_sdk._downloads.flow`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from kkiai_sdk import _redaction as _text
from kkiai_sdk import _validators as _checks
from kkiai_sdk._effects import Call, Emit, Fetch, Reply, Sleep
from kkiai_sdk._effects_fleet import Gather, Launch
from kkiai_sdk._log import log
from kkiai_sdk._polling import poll_state as _waiting
from kkiai_sdk._polling.poll_state import End, History, Stop
from kkiai_sdk._polling.scheduler import AskAbout, Await, Ended, Finished, Fleet, Limits, TakeIn
from kkiai_sdk.errors import (
    APIError,
    ConfigurationError,
    KkiaiError,
    TaskFailedError,
    TaskTimeoutError,
    VideoMissingError,
)
from kkiai_sdk.models import TaskState, VideoTask, WaitResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk._clock import Runtime
    from kkiai_sdk._effects import Flow, Outcome
    from kkiai_sdk._http.retry import RetryBudget
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
    budget: RetryBudget


class Journal:
    """What the log has been told about a wait, so that it is told once."""

    def __init__(self) -> None:
        self._statuses: dict[str, set[str | None]] = {}

    def polled(self, history: History, now: float) -> None:
        """One line per poll, and the warnings that are due."""
        if log.isEnabledFor(logging.DEBUG):
            self._line(history, now)
        task = history.task
        if history.errors_in_row == WARN_AFTER:
            log.warning("task %s: %d failed queries in a row, the last: %s", *_named(history), history.last_error)
        elif task and not history.errors_in_row and task.state is TaskState.UNKNOWN:
            self._unknown(task)
        if history.end is not None:
            self._statuses.pop(history.task_id, None)

    def _line(self, history: History, now: float) -> None:
        log.debug(
            "task %s: %s after %.1f s, poll %d, %s",
            ascii(history.task_id),
            _word(history.task) if history.task else None,
            now - history.started,
            history.polls,
            f"ends ({history.end.name})" if history.end else f"next in {history.due - now:.1f} s",
        )

    def _unknown(self, task: VideoTask) -> None:
        told = self._statuses.setdefault(task.id, set())
        if task.status not in told:
            told.add(task.status)
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
    runtime, sent = terms.runtime, terms.runtime.monotonic()
    call = evolve(terms.call, timeout=min(terms.call.timeout, budget), deadline=history.deadline)
    try:
        reply: Reply = yield Fetch(history.task_id, call)
    except APIError as error:
        return _waiting.after_error(history, error, runtime.monotonic(), terms.policy, runtime.random(), sent=sent)
    now = runtime.monotonic()
    return _waiting.after_answer(history, reply.task, now, terms.policy, runtime.random(), hint=reply.hint)


def completing(task_ids: Iterable[Any], terms: Terms, limits: Limits) -> Flow[None]:
    """Poll many tasks to their ends, emitting each one's WaitResult as it ends. Ids are taken as there is room."""
    runtime, journal = terms.runtime, Journal()
    fleet = Fleet(
        limits,
        terms.policy,
        terms.budget,
        now=runtime.monotonic(),
        timeout=terms.timeout,
        tries=1 + terms.call.max_retries,
    )
    # A retry would hold one of the few places in flight while it sleeps; the queue paces it just as well.
    call = evolve(terms.call, max_retries=0)
    ids, waiting = iter(task_ids), set[str]()
    while not isinstance(step := fleet.step(runtime.monotonic()), Finished):
        if isinstance(step, AskAbout):
            terms_of_one = evolve(call, timeout=step.budget) if step.budget < call.timeout else call
            yield Launch(Fetch(step.task_id, terms_of_one))
        elif isinstance(step, Sleep):
            yield step
        elif isinstance(step, TakeIn):
            yield from _take_in(ids, fleet, waiting)
        else:
            for history in [step.history] if isinstance(step, Ended) else (yield from _answers(step, fleet, terms)):
                journal.polled(history, runtime.monotonic())
                if history.end is not None:
                    waiting.discard(history.task_id)
                    yield Emit(result_of(history, runtime.monotonic()))


def _take_in(ids: Iterator[Any], fleet: Fleet, waiting: set[str]) -> Flow[None]:
    """Take in the next id that is not waiting yet; one that cannot be asked about ends here and now."""
    for task_id in ids:
        if task_id in waiting:
            continue
        try:
            fleet.admit(_checks.task_id(task_id))
        except ConfigurationError as error:
            yield Emit(WaitResult(task_id, error=error))
        else:
            waiting.add(task_id)
        return
    fleet.no_more()


def _answers(step: Await, fleet: Fleet, terms: Terms) -> Flow[list[History]]:
    outcomes: list[tuple[str, Outcome]] = yield Gather(step.until)
    return [_settle(fleet, task_id, outcome, terms.runtime) for task_id, outcome in outcomes]


def _settle(fleet: Fleet, task_id: str, outcome: Outcome, runtime: Runtime) -> History:
    now, random = runtime.monotonic(), runtime.random()
    if isinstance(outcome, APIError):
        return fleet.failed(task_id, outcome, now, random)
    if isinstance(outcome, Reply):
        return fleet.answered(task_id, outcome.task, now, random, hint=outcome.hint)
    return fleet.refused(task_id, outcome, now)


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
