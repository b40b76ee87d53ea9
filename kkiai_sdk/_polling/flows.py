"""Flows that wait for one task or for many; see :mod:`kkiai_sdk._effects`."""

from __future__ import annotations

import logging
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from kkiai_sdk import _redaction, _validators
from kkiai_sdk._effects import (
    CollectResults,
    Deliver,
    Emit,
    Idle,
    QueryResult,
    QueryTask,
    RequestOptions,
    Sleep,
    StartQuery,
    Update,
)
from kkiai_sdk._log import log
from kkiai_sdk._polling import poll_state
from kkiai_sdk._polling.fleet_state import NotAwaitedError
from kkiai_sdk._polling.poll_state import End, PollState
from kkiai_sdk._polling.scheduler import (
    AdmitTask,
    PollTask,
    Scheduler,
    SchedulerLimits,
    WaitForResponse,
)
from kkiai_sdk.errors import (
    APIConnectionError,
    APIError,
    ConfigurationError,
    KkiaiError,
    TaskFailedError,
    TaskNotFoundError,
    TaskTimeoutError,
    VideoMissingError,
)
from kkiai_sdk.models import TaskState, VideoTask, WaitResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kkiai_sdk._clock import Clock
    from kkiai_sdk._effects import Flow, QueryOutcome
    from kkiai_sdk._http.retry import RetryBudget
    from kkiai_sdk._polling.fleet_state import Event, FleetState
    from kkiai_sdk.policies import PollPolicy

#: Failures in a row at which a wait logs a warning.
WARN_AFTER = 3
UNKNOWN_TASK = "the gateway does not know this task (yet); check the id"
#: Tasks with an unknown status that are remembered. The waits for some may have ended without a result.
MAX_UNKNOWN = 10_000


@frozen
class WaitOptions:
    """The options of a wait, and the clock and retry budget of its client."""

    timeout: float
    policy: PollPolicy
    request: RequestOptions
    clock: Clock
    budget: RetryBudget


def wait_flow(
    task_id: str, options: WaitOptions, *, every_poll: bool = False, raise_on_failure: bool = True
) -> Flow[VideoTask]:
    """Poll a task to its end, emitting a snapshot per change; return the task or raise the error of the wait."""
    state = yield from poll_to_end(task_id, options, every_poll=every_poll)
    return task_or_raise(to_wait_result(state, options.clock.monotonic()), raise_on_failure=raise_on_failure)


def poll_to_end(task_id: str, options: WaitOptions, *, every_poll: bool) -> Flow[PollState]:
    """Poll a task to its end, emitting a snapshot per change; return the final state."""
    clock, logger = options.clock, PollLogger(options.policy)
    state = poll_state.begin(task_id, clock.monotonic(), options.timeout)
    while state.end is None:
        if clock.monotonic() < state.due:
            yield Sleep(state.due)
            continue
        before = state.task
        state = yield from _poll(state, options)
        logger.log_poll(state, clock.monotonic())
        if not state.is_failing and state.task and (every_poll or poll_state.is_change(before, state.task)):
            yield Emit(state.task)
    return state


def _poll(state: PollState, options: WaitOptions) -> Flow[PollState]:
    clock, sent = options.clock, options.clock.monotonic()
    timeout = min(options.request.timeout, poll_state.poll_timeout(state, sent))
    request = options.request._replace(timeout=timeout, deadline=state.deadline)
    try:
        result: QueryResult = yield QueryTask(state.task_id, request)
    except APIError as error:
        return poll_state.after_error(state, error, clock.monotonic(), options.policy, clock.random(), sent=sent)
    now, retry_after = clock.monotonic(), result.retry_after
    return poll_state.after_answer(state, result.task, now, options.policy, clock.random(), retry_after=retry_after)


def wait_many_flow(task_ids: Iterable[Any], options: WaitOptions, limits: SchedulerLimits) -> Flow[None]:
    """Poll many tasks to their ends, emitting a WaitResult as each one ends, and an Update per change of a snapshot.

    Ids are consumed on demand.
    """
    clock, logger = options.clock, PollLogger(options.policy)
    scheduler = new_scheduler(options, limits)
    # Without retries, which would count as in flight while they sleep: the scheduler polls again instead.
    request = options.request._replace(max_retries=0)
    ids = iter(task_ids)
    while (step := scheduler.step(clock.monotonic())) is not None:
        if isinstance(step, PollTask):
            yield _start(step, request)
        elif isinstance(step, Sleep):
            yield step
        elif isinstance(step, AdmitTask):
            yield from _admit(ids, scheduler)
        else:
            polled = [(step, False)] if isinstance(step, PollState) else (yield from _collect(step, scheduler, clock))
            for state, is_changed in polled:
                logger.log_poll(state, clock.monotonic())
                if is_changed and state.task:
                    yield Update(state.task)
                if state.end is not None:
                    yield Emit(to_wait_result(state, clock.monotonic()))


def new_scheduler(options: WaitOptions, limits: SchedulerLimits) -> Scheduler:
    """Return a scheduler that starts now."""
    return Scheduler(
        limits,
        options.policy,
        options.budget,
        now=options.clock.monotonic(),
        timeout=options.timeout,
        tries=1 + options.request.max_retries,
    )


def _start(step: PollTask, request: RequestOptions) -> StartQuery:
    limited = request._replace(timeout=step.timeout) if step.timeout < request.timeout else request
    return StartQuery(QueryTask(step.task_id, limited))


def fleet_flow(fleet: FleetState, scheduler: Scheduler, options: WaitOptions) -> Flow[None]:
    """Poll the tasks of a fleet forever, delivering changed snapshots and results to its waiters."""
    clock, logger = options.clock, PollLogger(options.policy)
    request = options.request._replace(max_retries=0)
    while True:
        step = fleet.step(clock.monotonic())
        if isinstance(step, PollTask):
            yield _start(step, request)
        elif isinstance(step, Sleep):
            yield Idle(step.until)
        elif isinstance(step, WaitForResponse):
            for state, _ in (yield from _collect(step, scheduler, clock)):
                logger.log_poll(state, clock.monotonic())
                yield from _deliver(fleet.after_poll(state, clock.monotonic()), clock)
        else:
            yield from _deliver(step, clock)


def _deliver(events: Sequence[Event], clock: Clock) -> Flow[None]:
    for waiter, value in events:
        if not isinstance(value, PollState):
            yield Deliver(waiter.receiver, value)
            continue
        state = value
        if len(events) > 1 and state.end is End.BROKEN and state.last_error:
            # Each waiter raises its own copy of the error, to which notes and tracebacks are added.
            error = copy(state.last_error)
            error.__cause__ = state.last_error.__cause__
            state = evolve(state, last_error=error)
        yield Deliver(waiter.receiver, to_wait_result(state, clock.monotonic()))


def task_or_raise(result: WaitResult, *, raise_on_failure: bool) -> VideoTask:
    """Return the task of a result, or raise its error; the failure of a task is returned if wanted."""
    try:
        if result.error is not None and (raise_on_failure or not isinstance(result.error, TaskFailedError)):
            raise result.error
        return cast("VideoTask", result.task)
    finally:
        # It holds the error, whose traceback holds this frame.
        del result


def _admit(ids: Iterator[Any], scheduler: Scheduler) -> Flow[None]:
    """Admit the next id that is not waiting already; emit the result of an invalid one."""
    for task_id in ids:
        if scheduler.is_waiting(task_id):
            continue
        try:
            scheduler.admit(_validators.task_id(task_id))
        except ConfigurationError as error:
            yield Emit(WaitResult(task_id, error=error))
        return
    scheduler.close_admission()


def _collect(step: WaitForResponse, scheduler: Scheduler, clock: Clock) -> Flow[list[tuple[PollState, bool]]]:
    """Return the states of tasks after their polls, and whether their snapshots have changed."""
    outcomes: list[tuple[str, QueryOutcome]] = yield CollectResults(step.until)
    states = []
    for task_id, outcome in outcomes:
        now, random = clock.monotonic(), clock.random()
        if isinstance(outcome, QueryResult):
            before = scheduler.last_snapshot(task_id)
            state = scheduler.answered(task_id, outcome.task, now, random, retry_after=outcome.retry_after)
            states.append((state, state.task is not None and poll_state.is_change(before, state.task)))
        elif isinstance(outcome, APIError):
            states.append((scheduler.failed(task_id, outcome, now, random), False))
        elif isinstance(outcome, NotAwaitedError):
            scheduler.not_polled(task_id, now)
        else:
            states.append((scheduler.not_sent(task_id, outcome, now), False))
    return states


def to_wait_result(state: PollState, now: float) -> WaitResult:
    """Return the result of a wait from its final state."""
    return WaitResult(state.task_id, state.task, _error_of(state, now))


def _error_of(state: PollState, now: float) -> KkiaiError | None:
    task, elapsed = state.task, now - state.started
    last_seen = _last_seen(state)
    if state.end is End.BROKEN and state.last_error is not None:
        note = f"task {state.task_id}: {last_seen}; it may still be running: wait for the same id again"
        state.last_error.add_note(note)
        return state.last_error
    details: dict[str, Any] = {
        "task_id": state.task_id,
        "task": task,
        "elapsed": elapsed,
        "polls": state.polls,
        "last_error": state.last_error,
    }
    if state.end is End.TIMED_OUT:
        last_error = f"; {state.last_error}" if state.is_failing and state.last_error else ""
        advice = "" if _is_unknown(state) else "; it was not cancelled: wait for the same id again"
        text = f"gave up waiting for task {state.task_id} after {_seconds(elapsed)} s ({last_seen}{last_error}){advice}"
        return TaskTimeoutError(text, **details)
    if state.end is End.VIDEO_MISSING:
        reason = f"succeeded ({last_seen}), but the gateway returned no video URL; query it again later"
        return VideoMissingError(f"task {state.task_id} {reason}", **details)
    if task is not None and task.is_failed:
        return TaskFailedError(f"task {state.task_id} failed: {task.failure}", **details)
    return None


def _seconds(value: float) -> str:
    # The format g writes 86400 as 8.64e+04.
    return f"{value:.4g}" if value < 10_000 else f"{value:.0f}"


def _last_seen(state: PollState) -> str:
    if state.task:
        return f"last seen {_status(state.task)}"
    return UNKNOWN_TASK if _is_unknown(state) else "no response about it yet"


def _is_unknown(state: PollState) -> bool:
    """Whether the gateway only reported that there is no such task."""
    return state.task is None and isinstance(state.last_error, TaskNotFoundError)


class PollLogger:
    """Logs polls; warns once per unknown status and once per row of refusals."""

    def __init__(self, policy: PollPolicy) -> None:
        self._policy = policy
        self._unknown: dict[str, set[str | None]] = {}
        # Kinds of the errors that were logged since the last snapshot of any task: those of one outage are alike.
        self._logged: set[tuple[object, ...]] = set()

    def log_poll(self, state: PollState, now: float) -> None:
        """Log one poll, and the warnings that are due."""
        if log.isEnabledFor(logging.DEBUG):
            step = f"ends ({state.end.name})" if state.end else f"next in {max(state.due - now, 0.0):.1f} s"
            status = _status(state.task) if state.task else None
            elapsed = now - state.started
            log.debug("task %s: %s after %.1f s, poll %d, %s", ascii(state.task_id), status, elapsed, state.polls, step)
        task, error = state.task, state.last_error
        if state.is_seen and not state.is_failing:
            self._logged.clear()
        if isinstance(error, APIError):
            self._warn_of(error, state, now)
        if task and not state.is_failing and task.state is TaskState.UNKNOWN:
            self._warn_unknown(task)
        if state.end is not None:
            self._unknown.pop(state.task_id, None)

    def _warn_of(self, error: APIError, state: PollState, now: float) -> None:
        """Warn of an error that has lasted, unless one of its kind was logged since the last snapshot of any task."""
        if state.refusals == 1 and state.end is None and poll_state.is_refusal(error):
            left = _seconds(max((state.refused_since or now) + self._policy.refusal_grace - now, 0.0))
            text = f"{error}; the task has been seen, so this is tolerated for {left} s"
            text += f" and at least {self._policy.max_refusals} times in a row"
        elif state.errors_in_row == WARN_AFTER and not state.refusals and not isinstance(error, APIConnectionError):
            # The session warns of a gateway that cannot be reached.
            text = f"{state.errors_in_row} failed queries in a row, the last: {error}"
        elif state.polls == WARN_AFTER and state.end is None and _is_unknown(state):
            text = UNKNOWN_TASK
        else:
            return
        kind = type(error), getattr(error, "status_code", None), getattr(error, "code", None)
        if kind not in self._logged:
            self._logged.add(kind)
            log.warning("task %s: %s", ascii(state.task_id), text)

    def _warn_unknown(self, task: VideoTask) -> None:
        if len(self._unknown) > MAX_UNKNOWN:
            self._unknown.clear()
        seen = self._unknown.setdefault(task.id, set())
        if task.status not in seen:
            seen.add(task.status)
            log.warning("task %s: unknown status %s, treated as not final", ascii(task.id), _status(task))


def _status(task: VideoTask) -> str:
    """Return the status for a message, escaped and redacted: it is text from a server."""
    if task.status is None:
        return "no status"
    return ascii(_redaction.message(_redaction.redact(task.status), 100))
