"""The few hands that ask for many tasks at once: threads, or asyncio tasks. Waiting itself needs neither."""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from typing import TYPE_CHECKING, Self, TypeAlias

from kkiai_sdk.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kkiai_sdk._effects import Fetch, Outcome, Reply
    from kkiai_sdk._runtime import Runtime

Report: TypeAlias = "tuple[str, Outcome | BaseException]"


def _checked(reports: list[Report]) -> list[tuple[str, Outcome]]:
    """The reports; raises the first exception that is no answer about a task (a bug, an interrupt)."""
    for _, outcome in reports:
        if isinstance(outcome, BaseException) and not isinstance(outcome, APIError):
            raise outcome
    return reports  # type: ignore[return-value]


class ThreadCrew:
    """Threads that fetch, started when there is work for them and gone when the crew is closed."""

    def __init__(self, fetch: Callable[[Fetch], Reply], runtime: Runtime) -> None:
        self._fetch, self._runtime = fetch, runtime
        self._work: queue.SimpleQueue[Fetch | None] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0

    def launch(self, fetch: Fetch) -> None:
        """Have it fetched. The caller bounds how many are under way."""
        self._in_flight += 1
        if self._in_flight > len(self._threads):
            # Daemons, so that an interrupted program does not hang on a gateway that does not answer.
            thread = threading.Thread(target=self._toil, name=f"kkiai-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put(fetch)

    def gather(self, until: float) -> list[tuple[str, Outcome]]:
        """Wait for a report, at most until this time; all that are in."""
        limit = None if math.isinf(until) else max(until - self._runtime.monotonic(), 0.0)
        reports: list[Report] = []
        try:
            reports.append(self._reports.get(timeout=limit))
            while True:
                reports.append(self._reports.get_nowait())
        except queue.Empty:
            self._in_flight -= len(reports)
        return _checked(reports)

    def _toil(self) -> None:
        while (fetch := self._work.get()) is not None:
            try:
                report: Outcome | BaseException = self._fetch(fetch)
            except BaseException as problem:  # it belongs to the thread that gathers
                report = problem
            self._reports.put((fetch.task_id, report))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._work.put(None)
        if not self._in_flight:
            for thread in self._threads:
                thread.join()


class TaskCrew:
    """asyncio tasks that fetch, one per request under way."""

    def __init__(self, fetch: Callable[[Fetch], Awaitable[Reply]], runtime: Runtime) -> None:
        self._fetch, self._runtime = fetch, runtime
        self._tasks: set[asyncio.Task[Report]] = set()

    def launch(self, fetch: Fetch) -> None:
        """Have it fetched. The caller bounds how many are under way."""
        self._tasks.add(asyncio.create_task(self._toil(fetch)))

    async def gather(self, until: float) -> list[tuple[str, Outcome]]:
        """Wait for a report, at most until this time; all that are in."""
        limit = None if math.isinf(until) else max(until - self._runtime.monotonic(), 0.0)
        done, self._tasks = await asyncio.wait(self._tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        return _checked([task.result() for task in done])

    async def _toil(self, fetch: Fetch) -> Report:
        try:
            return fetch.task_id, await self._fetch(fetch)
        except Exception as problem:
            return fetch.task_id, problem

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
