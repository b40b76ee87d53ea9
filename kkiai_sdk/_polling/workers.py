"""The few hands that ask for many tasks at once: threads, or asyncio tasks. Waiting itself needs neither."""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from kkiai_sdk._effects import Sleep
from kkiai_sdk._effects_fleet import Gather, Launch
from kkiai_sdk.errors import ConfigurationError, KkiaiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kkiai_sdk._clock import Runtime
    from kkiai_sdk._effects import Effect, Fetch, Outcome, Reply

Report: TypeAlias = "tuple[str, Outcome | BaseException]"


def _checked(reports: list[Report]) -> list[tuple[str, Outcome]]:
    """The reports; raises the first interrupt among them."""
    for _, outcome in reports:
        if isinstance(outcome, BaseException) and not isinstance(outcome, KkiaiError):
            raise outcome
    return reports  # type: ignore[return-value]


def _about_one(problem: Exception) -> KkiaiError:
    """What went wrong with one query. It must not end the waits for all other tasks, whoever's code it was."""
    if isinstance(problem, KkiaiError):
        return problem
    error = ConfigurationError(
        f"the query was not made: {type(problem).__name__} was raised, most likely by the api_key function or by "
        "something in httpx_args; it is the __cause__ of this error"
    )
    error.__cause__ = problem
    return error


class ThreadCrew:
    """Threads that fetch, started when there is work for them and gone when the crew is closed."""

    def __init__(self, fetch: Callable[[Fetch], Reply], runtime: Runtime) -> None:
        self._fetch, self._runtime = fetch, runtime
        self._work: queue.SimpleQueue[Fetch | None] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0

    def perform(self, effect: Effect) -> Any:
        """Launch a fetch, gather what has come, or sleep."""
        match effect:
            case Launch():
                return self._launch(effect.fetch)
            case Gather():
                return self._gather(effect.until)
            case Sleep():
                return self._runtime.sleep_until(effect.until)
        return None

    def _launch(self, fetch: Fetch) -> None:
        # The flow bounds how many are under way.
        self._in_flight += 1
        if self._in_flight > len(self._threads):
            # Daemons, so that an interrupted program does not hang on a gateway that does not answer.
            thread = threading.Thread(target=self._toil, name=f"kkiai-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put(fetch)

    def _gather(self, until: float) -> list[tuple[str, Outcome]]:
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
            except Exception as problem:
                report = _about_one(problem)
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
        self._tasks: set[asyncio.Task[None]] = set()
        self._reports: list[Report] = []
        self._arrived = asyncio.Event()

    async def perform(self, effect: Effect) -> Any:
        """Launch a fetch, gather what has come, or sleep."""
        match effect:
            case Launch():
                self._launch(effect.fetch)
            case Gather():
                return await self._gather(effect.until)
            case Sleep():
                await self._runtime.sleep_until_async(effect.until)
        return None

    def _launch(self, fetch: Fetch) -> None:
        task = asyncio.create_task(self._toil(fetch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _gather(self, until: float) -> list[tuple[str, Outcome]]:
        if not self._reports:
            limit = None if math.isinf(until) else max(until - self._runtime.monotonic(), 0.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._arrived.wait()
        self._arrived.clear()
        reports, self._reports = self._reports, []
        return _checked(reports)

    async def _toil(self, fetch: Fetch) -> None:
        try:
            report: Outcome | BaseException = await self._fetch(fetch)
        except Exception as problem:
            report = _about_one(problem)
        except BaseException as problem:  # it belongs to the one that gathers
            report = problem
        self._reports.append((fetch.task_id, report))
        self._arrived.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
