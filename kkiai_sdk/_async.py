"""The asynchronous driver: :mod:`kkiai_sdk._sync` with awaits."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from kkiai_api.api.video import query_video_task
from kkiai_sdk._drive import AsyncIteration, run_async
from kkiai_sdk._effects import Emit, Fetch, Reply, Sleep
from kkiai_sdk._http.async_session import AsyncSession
from kkiai_sdk._http.raw_client import raw_client
from kkiai_sdk._http.session import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk._base_client import Core
    from kkiai_sdk._downloads.flow import Job
    from kkiai_sdk._effects import Effect, Flow
    from kkiai_sdk._polling.poll_state import History
    from kkiai_sdk.models import VideoTask, WaitResult


class AsyncPerformer:
    """Performs what one client is asked for, with awaits."""

    def __init__(self, core: Core) -> None:
        self._core, self._session = core, AsyncSession(core.seam())

    def raw(self) -> AuthenticatedClient:
        """The generated client over the session."""
        return raw_client(self._core.config.base_url).set_async_httpx_client(self._session.bound(self._core.call()))

    async def fetch(self, fetch: Fetch) -> Reply:
        """Query a task."""
        caller = cast("AuthenticatedClient", Caller(self._session, fetch.call))
        return self._core.reply(await query_video_task.asyncio_detailed(client=caller, id=fetch.task_id), fetch.task_id)

    async def wait(
        self, flow: Flow[History], on_update: Callable[[VideoTask], object] | None, *, raise_on_failure: bool
    ) -> VideoTask:
        """Wait for a task."""
        history = await run_async(flow, lambda effect: self._perform(effect, on_update))
        return self._core.conclude(history, raise_on_failure=raise_on_failure)

    async def watch(self, flow: Flow[History]) -> AsyncIterator[VideoTask]:
        """Watch a task."""
        steps = AsyncIteration(flow, self._perform)
        async for task in steps:
            yield task
        self._core.conclude(steps.result, raise_on_failure=False)

    async def complete(self, flow: Flow[None]) -> AsyncIterator[WaitResult]:
        """Wait for many tasks."""
        from kkiai_sdk._polling.workers import TaskCrew  # noqa: PLC0415 (for many only)

        async with TaskCrew(self.fetch, self._core.runtime) as crew:
            async for result in AsyncIteration(flow, crew.perform):
                yield result

    async def save(self, job: Job, task: VideoTask | None) -> Path:
        """Download a file."""
        from kkiai_sdk._downloads import flow as _downloads  # noqa: PLC0415 (a query needs nothing of it)
        from kkiai_sdk._http.files import AsyncTransfer  # noqa: PLC0415 (as above)

        async with AsyncTransfer(self._session.bound(job.call)) as transfer:
            return await run_async(_downloads.saving(job, task), lambda effect: transfer.perform(effect, self._perform))

    async def _perform(self, effect: Effect, on_update: Callable[[VideoTask], object] | None = None) -> Any:
        match effect:
            case Fetch():
                return await self.fetch(effect)
            case Sleep():
                return await self._core.runtime.sleep_until_async(effect.until)
            case Emit() if on_update is not None:
                told = on_update(effect.value)  # type: ignore[arg-type]
                return await told if inspect.isawaitable(told) else told
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.aclose()
