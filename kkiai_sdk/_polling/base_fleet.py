"""Behavior shared by both fleets: validates arguments, makes waiters, knows whether the fleet is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from attrs import evolve, frozen

from kkiai_sdk import _validators
from kkiai_sdk._effects import QueryResult
from kkiai_sdk._log import log
from kkiai_sdk._polling.fleet_state import FleetState, Waiter
from kkiai_sdk._polling.flows import fleet_flow, new_scheduler, task_or_raise
from kkiai_sdk.errors import ConfigurationError, FleetClosedError, TaskError
from kkiai_sdk.models import WaitResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from kkiai_sdk._polling.flows import WaitOptions
    from kkiai_sdk._polling.scheduler import SchedulerLimits


@frozen
class FleetOptions:
    """The options of a fleet, and functions of its client."""

    wait: WaitOptions
    limits: SchedulerLimits
    max_downloads: int
    #: Called before each request.
    gate: Callable[[], object] | None
    #: Perform a query, another effect, the check of a download, and a download; coroutine functions of AsyncKkiai.
    query: Callable[..., Any]
    perform: Callable[..., Any]
    check_download: Callable[..., Any]
    download: Callable[..., Any]
    #: Raises ConfigurationError if the client is closed.
    check_open: Callable[[], None]
    #: Raises ConfigurationError if the function of this name cannot be called.
    check_callback: Callable[[str, object], None]
    #: Returns the process, or the process and the event loop, in which the fleet works.
    current_context: Callable[[], object]


class BaseFleet:
    """Base class of the fleets, without I/O."""

    def __init__(self, options: FleetOptions) -> None:
        self._options, self._clock = options, options.wait.clock
        self._context: object = None
        self._is_closed = False
        self._crash: BaseException | None = None
        scheduler = new_scheduler(options.wait, options.limits)
        self._state = FleetState(scheduler, options.wait.request.timeout)
        self._flow = fleet_flow(self._state, scheduler, options.wait)

    def _enter(self) -> None:
        if self._context is not None:
            raise ConfigurationError("a fleet can only be entered once: create another one")
        self._options.check_open()
        self._context = self._options.current_context()

    def _is_elsewhere(self) -> bool:
        """Whether this is another process, or another event loop, than that which entered the fleet."""
        try:
            return self._context != self._options.current_context()
        except RuntimeError:  # a process forked from a coroutine has no running event loop
            return True

    def _check_open(self) -> None:
        if self._is_closed:
            raise self._closed_error()
        if self._context is None:
            raise ConfigurationError("the fleet has not been entered: use it inside its with statement")
        if self._is_elsewhere():
            raise ConfigurationError(
                "a fleet belongs to the process and event loop that entered it: create another one"
            )

    def _new_waiter(
        self,
        task_id: str,
        receiver: Any,
        timeout: float | timedelta | None,
        waited: float,
        on_update: object,
        *,
        is_query: bool = False,
    ) -> Waiter:
        """Return a waiter from the arguments of a wait. Raises ConfigurationError and FleetClosedError."""
        self._check_open()
        self._options.check_callback("on_update", on_update)
        task_id, limit = _validators.task_id(task_id), _validators.wait_timeout(timeout)
        now = self._clock.monotonic()
        started = now - _validators.number("waited", waited, low=0, high=365 * _validators.MAX_SECONDS)
        return Waiter(task_id, now, started, max(started + limit, now), receiver, on_update is not None, is_query)

    def _crashed(self, error: BaseException) -> None:
        self._crash = error
        log.error("the fleet has crashed with %s", type(error).__name__)

    def _closed_error(self) -> FleetClosedError:
        if self._crash is None:
            return FleetClosedError("the fleet is closed; no task was cancelled: wait for the same ids again")
        error = FleetClosedError(
            f"the fleet crashed with {type(self._crash).__name__}; see the __cause__ of this error"
        )
        error.__cause__ = self._crash
        return error

    def __reduce__(self) -> Never:
        raise ConfigurationError("a fleet belongs to one process: it cannot be pickled or copied; make another one")

    def _end_waits(self) -> None:
        """End all waits, and refuse further ones."""
        self._is_closed = True
        for waiter in self._state.leave_all():
            waiter.receiver.put(WaitResult(waiter.task_id, error=self._closed_error()))


def gate_error(exception: BaseException) -> ConfigurationError:
    """Return the error of the waits for a task whose query was not sent, because the gate raised."""
    return ConfigurationError(
        f"the query was not sent: the gate of the fleet raised {type(exception).__name__}; see this error's __cause__"
    )


def to_query_result(result: WaitResult) -> QueryResult:
    """Return the snapshot of a wait that stands for one query, or raise the error of its queries."""
    if isinstance(result.error, TaskError):
        if result.task is not None:
            return QueryResult(result.task)
        result = evolve(result, error=result.error.last_error or result.error)
    try:
        return QueryResult(task_or_raise(result, raise_on_failure=True))
    finally:
        # It holds the error, whose traceback holds this frame.
        del result
