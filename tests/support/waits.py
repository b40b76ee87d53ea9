"""Several waits of one fleet at a time, in either client."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from kkiai_sdk import AsyncFleet, Fleet
from tests.support.adapter import SyncAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kkiai_sdk import Kkiai, VideoTask

#: Seconds of real time after which a wait hangs.
PATIENCE = 20.0


class Waits:
    """A blocking interface to the waits of a fleet: futures of the one, asyncio tasks of the other."""

    def __init__(self, fleet: Fleet | AsyncFleet, adapter: SyncAdapter | None) -> None:
        self.fleet, self._adapter = fleet, adapter

    def start(self, task_id: str, **options: Any) -> Any:
        """Begin a wait, and return its handle."""
        if isinstance(self.fleet, Fleet):
            return self.fleet.submit(task_id, **options)

        async def begin() -> asyncio.Task[VideoTask]:
            task = asyncio.create_task(cast("AsyncFleet", self.fleet).wait(task_id, **options))
            await asyncio.sleep(0)
            return task

        return self._run(begin())

    def result(self, handle: Any) -> VideoTask:
        """Return the task of a wait, or raise its error."""
        return cast("VideoTask", handle.result(PATIENCE) if self._adapter is None else self._run(_bounded(handle)))

    def error(self, handle: Any) -> BaseException | None:
        """Return the error of a wait."""
        try:
            self.result(handle)
        except BaseException as error:
            return error
        return None

    def wait(self, task_id: str, **options: Any) -> VideoTask:
        """Wait for one task."""
        return cast("VideoTask", self._run(self.fleet.wait(task_id, **options)))

    def download(self, task_id: str, dest: Any, **options: Any) -> Any:
        """Wait for one task and download its video."""
        return self._run(self.fleet.wait_and_download(task_id, dest, **options))

    def cancel(self, handle: Any) -> None:
        """Cancel a wait."""
        assert handle.cancel()
        self.turn()

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Let the fleet work until the condition holds."""
        if self._adapter is None:
            wait_until(condition)
        else:
            self._run(asyncio.to_thread(wait_until, condition))

    def turn(self) -> None:
        """Let the event loop, if there is one, make some turns."""
        if self._adapter is not None:
            self._run(_turns())

    def _run(self, value: Any) -> Any:
        return value if self._adapter is None else self._adapter.run(value)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that another thread brings about."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


async def _bounded(task: asyncio.Task[VideoTask]) -> VideoTask:
    async with asyncio.timeout(PATIENCE):
        return await task


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def fleet_of(client: Kkiai, **options: Any) -> Iterator[Waits]:
    """Enter a fleet of a client of either kind."""
    if not isinstance(client, SyncAdapter):
        with client.fleet(**options) as fleet:
            yield Waits(fleet, None)
        return
    target = client.target.fleet(**options)
    client.run(target.__aenter__())
    try:
        yield Waits(target, client)
    finally:
        client.run(target.__aexit__(None, None, None))
