"""Runs queries for many waits concurrently, in worker threads. A wait between polls needs no thread."""

from __future__ import annotations

import math
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from kkiai_sdk._effects import CollectResults, Idle, StartQuery
from kkiai_sdk.errors import ConfigurationError, KkiaiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk._clock import Clock
    from kkiai_sdk._effects import Effect, QueryOutcome, QueryResult, QueryTask

Report: TypeAlias = "tuple[str, QueryOutcome | BaseException]"


def to_outcomes(reports: list[Report]) -> list[tuple[str, QueryOutcome]]:
    """Return the reports of workers. Re-raises the first KeyboardInterrupt, SystemExit or the like among them."""
    for _, outcome in reports:
        if isinstance(outcome, BaseException) and not isinstance(outcome, KkiaiError):
            raise outcome
    return reports  # type: ignore[return-value]


def to_task_error(exception: BaseException) -> KkiaiError:
    """Convert an unexpected exception into the result of its task, so that other waits continue."""
    if isinstance(exception, KkiaiError):
        return exception
    error = ConfigurationError(
        f"the query was not sent: {type(exception).__name__} was raised, most likely by the api_key function or by "
        "something in httpx_args; it is the __cause__ of this error"
    )
    error.__cause__ = exception
    return error


def seconds_until(until: float, clock: Clock) -> float | None:
    """Return the seconds until a monotonic time, at most as many as threads can wait for, or None for infinity."""
    return None if math.isinf(until) else min(max(until - clock.monotonic(), 0.0), threading.TIMEOUT_MAX)


class ThreadWorkers:
    """Runs queries in threads, which start on demand."""

    def __init__(self, query: Callable[[QueryTask], QueryResult], clock: Clock) -> None:
        self._query, self._clock = query, clock
        self._queries: queue.SimpleQueue[QueryTask | None] = queue.SimpleQueue()
        # None wakes up the wait for reports, and the event the idleness without queries.
        self._reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._wakeup = threading.Event()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0

    def perform(self, effect: Effect, fallback: Callable[[Effect], Any]) -> Any:
        """Start a query, collect results, or idle; pass any other effect on to ``fallback``."""
        match effect:
            case StartQuery():
                return self._start(effect.query)
            case CollectResults():
                return self._collect(effect.until)
            case Idle():
                self._clock.wait_until(self._wakeup, effect.until)
                return self._wakeup.clear()
        return fallback(effect)

    def wake(self) -> None:
        """End the wait for results, or the idleness, that is going on. Any thread may call it."""
        self._wakeup.set()
        self._reports.put(None)

    def _start(self, query: QueryTask) -> None:
        # The scheduler limits the number in flight.
        self._in_flight += 1
        if self._in_flight > len(self._threads):
            # Daemons, so that an interrupted program does not wait for a gateway that does not respond.
            thread = threading.Thread(target=self._work, name=f"kkiai-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._queries.put(query)

    def _collect(self, until: float) -> list[tuple[str, QueryOutcome]]:
        items: list[Report | None] = []
        with suppress(queue.Empty):
            items.append(self._reports.get(timeout=seconds_until(until, self._clock)))
            while True:
                items.append(self._reports.get_nowait())
        reports = [item for item in items if item is not None]
        self._in_flight -= len(reports)
        return to_outcomes(reports)

    def _work(self) -> None:
        while (query := self._queries.get()) is not None:
            try:
                outcome: QueryOutcome | BaseException = self._query(query)
            except Exception as exception:
                outcome = to_task_error(exception)
            except BaseException as exception:  # re-raised in the collecting thread
                outcome = exception
            self._reports.put((query.task_id, outcome))
            # An error, whose traceback holds this frame.
            del outcome

    def close(self) -> None:
        """Stop the threads; those of queries in flight stop later."""
        for _thread in self._threads:
            self._queries.put(None)
        if not self._in_flight:
            for thread in self._threads:
                thread.join()
