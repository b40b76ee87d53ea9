"""Runs queries for many waits concurrently, in asyncio tasks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from kkiai_sdk._effects import CollectResults, Idle, StartQuery
from kkiai_sdk._polling.workers import seconds_until, to_outcomes, to_task_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kkiai_sdk._clock import Clock
    from kkiai_sdk._effects import Effect, QueryOutcome, QueryResult, QueryTask
    from kkiai_sdk._polling.workers import Report


#: Whether code runs for a query, such as a gate, or in an asyncio task that such code has started. If it waited for the
#: end of the queries, it would wait for itself.
is_querying = ContextVar("is_querying", default=False)


def is_failure(error: BaseException) -> bool:
    """Whether code of the caller has failed: this includes CancelledError, unless this asyncio task is cancelled."""
    if not isinstance(error, asyncio.CancelledError):
        return isinstance(error, Exception)
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


class TaskWorkers:
    """Runs queries in asyncio tasks, one per request in flight."""

    def __init__(self, query: Callable[[QueryTask], Awaitable[QueryResult]], clock: Clock) -> None:
        self._query, self._clock = query, clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._reports: list[Report] = []
        self._has_reports = asyncio.Event()

    async def perform(self, effect: Effect, fallback: Callable[[Effect], Awaitable[Any]]) -> Any:
        """Start a query, collect results, or idle; pass any other effect on to ``fallback``."""
        match effect:
            case StartQuery():
                return self._start(effect.query)
            case CollectResults():
                return await self._collect(effect.until)
            case Idle():
                await self._clock.wait_until_async(self._has_reports, effect.until)
                return self._has_reports.clear()
        return await fallback(effect)

    def wake(self) -> None:
        """End the wait for results, or the idleness, that is going on."""
        self._has_reports.set()

    def _start(self, query: QueryTask) -> None:
        task = asyncio.create_task(self._work(query))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self, until: float) -> list[tuple[str, QueryOutcome]]:
        if not self._reports:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds_until(until, self._clock)):
                    await self._has_reports.wait()
        self._has_reports.clear()
        reports, self._reports = self._reports, []
        return to_outcomes(reports)

    async def _work(self, query: QueryTask) -> None:
        is_querying.set(True)
        try:
            outcome: QueryOutcome | BaseException = await self._query(query)
        except BaseException as exception:  # others than failures are re-raised in the collecting task
            outcome = to_task_error(exception) if is_failure(exception) else exception
        self._reports.append((query.task_id, outcome))
        # An error, whose traceback holds this frame.
        del outcome
        self._has_reports.set()

    async def aclose(self) -> None:
        """Cancel the queries in flight."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
