"""The asynchronous client: the words of :class:`~kkiai_sdk.Kkiai`, awaited. What each promises is written there."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Never, Self, Unpack, cast

from kkiai_api.api.video import query_video_task
from kkiai_sdk import _checks, _config, _downloads, _flows
from kkiai_sdk._base import BaseClient, Core, in_order
from kkiai_sdk._crews import TaskCrew
from kkiai_sdk._drive import AsyncIteration, run_async
from kkiai_sdk._effects import Copy, Emit, Fetch, Gather, Launch, Local, Open, Reply
from kkiai_sdk._session import AsyncSession, Caller
from kkiai_sdk._session_files import AsyncTransfer, in_thread
from kkiai_sdk._waiting import Sleep

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk._effects import Effect, Flow
    from kkiai_sdk._waiting import History
    from kkiai_sdk.models import VideoTask, WaitResult
    from kkiai_sdk.policies import PollPolicy, RetryPolicy


class AsyncKkiai(BaseClient):
    """:class:`~kkiai_sdk.Kkiai` for asyncio: the same options, calls, results and errors, with awaits.

    Each event loop that uses it gets connections of its own. Use it in an ``async with`` statement or call
    :meth:`aclose`.
    """

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        base_url: str | None = None,
        timeout: float | timedelta = _config.DEFAULT_TIMEOUT,
        max_retries: int = _config.DEFAULT_MAX_RETRIES,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
        httpx_args: Mapping[str, Any] | None = None,
        user_agent_suffix: str | None = None,
        allow_http: bool = False,
        **unknown: Never,
    ) -> None:
        _config.refuse(unknown, AsyncKkiai)
        self._core = Core.make(
            api_key=api_key,
            base_url=base_url,
            allow_http=allow_http,
            httpx_args=httpx_args,
            timeout=timeout,
            max_retries=max_retries,
            retry=retry,
            poll=poll,
            default_headers=default_headers,
            user_agent_suffix=user_agent_suffix,
        )
        self._session = AsyncSession(self._core.seam())

    def with_options(self, **changes: Unpack[_config.Options]) -> Self:
        """A copy with other options, over the same connections; closing either closes both."""
        twin = type(self).__new__(type(self))
        twin._core = self._core.changed(changes)
        twin._session = AsyncSession(twin._core.seam())
        return twin

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client over this session: ``await some_endpoint.asyncio_detailed(client=client.raw, …)``."""
        return self._generated().set_async_httpx_client(self._session.bound(self._core.call()))

    async def query(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> VideoTask:
        """:meth:`kkiai_sdk.Kkiai.query`, awaited."""
        call = self._core.call(timeout, max_retries, extra_headers)
        return (await self._fetch(Fetch(_checks.task_id(task_id), call))).task

    async def wait(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> VideoTask:
        """:meth:`kkiai_sdk.Kkiai.wait`, awaited; ``on_update`` may be a coroutine function."""
        _checks.callback("on_update", on_update)
        terms = self._core.terms(timeout, poll)
        flow = _flows.watching(_checks.task_id(task_id), terms)
        history = await run_async(flow, lambda effect: self._perform(effect, on_update))
        return _flows.conclude(history, self._core.runtime.monotonic(), raise_on_failure=raise_on_failure)

    def watch(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        every_poll: bool = False,
    ) -> AsyncIterator[VideoTask]:
        """:meth:`kkiai_sdk.Kkiai.watch`, for ``async for``."""
        flow = _flows.watching(_checks.task_id(task_id), self._core.terms(timeout, poll), every_poll=every_poll)
        return self._watch(flow)

    async def _watch(self, flow: Flow[History]) -> AsyncIterator[VideoTask]:
        steps = AsyncIteration(flow, self._perform)
        async for task in steps:
            yield task
        _flows.conclude(steps.result, self._core.runtime.monotonic(), raise_on_failure=False)

    def as_completed(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _config.DEFAULT_CONCURRENCY,
    ) -> AsyncIterator[WaitResult]:
        """:meth:`kkiai_sdk.Kkiai.as_completed`, for ``async for``."""
        bad, flow = self._core.fleet(task_ids, timeout, poll, max_concurrency)
        return self._complete(bad, flow)

    async def _complete(self, bad: list[WaitResult], flow: Flow[None]) -> AsyncIterator[WaitResult]:
        for result in bad:
            yield result
        async with TaskCrew(self._fetch, self._core.runtime) as crew:
            async for result in AsyncIteration(flow, lambda effect: self._perform_many(effect, crew)):
                yield result

    async def wait_many(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _config.DEFAULT_CONCURRENCY,
    ) -> list[WaitResult]:
        """:meth:`kkiai_sdk.Kkiai.wait_many`, awaited."""
        ids = _checks.task_ids(task_ids)
        results = self.as_completed(ids, timeout=timeout, poll=poll, max_concurrency=max_concurrency)
        return in_order(ids, [result async for result in results])

    async def download(
        self,
        task_or_id: VideoTask | str,
        dest: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """:meth:`kkiai_sdk.Kkiai.download`, awaited; files are written in a thread."""
        job, task = self._core.job(
            task_or_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes
        )
        return await self._save(job, task)

    async def wait_and_download(
        self,
        task_id: str,
        dest: str | os.PathLike[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        overwrite: bool = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """:meth:`kkiai_sdk.Kkiai.wait_and_download`, awaited."""
        job, _ = self._core.job(
            task_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes
        )
        task = await self.wait(task_id, timeout=timeout, poll=poll, on_update=on_update)
        return await self._save(job, task)

    async def _save(self, job: _downloads.Job, task: VideoTask | None) -> Path:
        async with AsyncTransfer(self._session.bound(job.call)) as transfer:
            return await run_async(
                _downloads.saving(job, task), lambda effect: self._perform_transfer(effect, transfer)
            )

    async def _fetch(self, fetch: Fetch) -> Reply:
        caller = cast("AuthenticatedClient", Caller(self._session, fetch.call))
        return self._core.reply(await query_video_task.asyncio_detailed(client=caller, id=fetch.task_id), fetch.task_id)

    async def _perform(self, effect: Effect, on_update: Callable[[VideoTask], object] | None = None) -> Any:
        match effect:
            case Fetch():
                return await self._fetch(effect)
            case Sleep():
                return await self._core.runtime.sleep_until_async(effect.until)
            case Local():
                return await in_thread(effect.do)
            case Emit() if on_update is not None:
                told = on_update(effect.value)  # type: ignore[arg-type]
                return await told if inspect.isawaitable(told) else told
        return None

    async def _perform_many(self, effect: Effect, crew: TaskCrew) -> Any:
        match effect:
            case Launch():
                return crew.launch(effect.fetch)
            case Gather():
                return await crew.gather(effect.until)
        return await self._perform(effect)

    async def _perform_transfer(self, effect: Effect, transfer: AsyncTransfer) -> Any:
        match effect:
            case Open():
                return await transfer.open(effect)
            case Copy():
                return await transfer.copy(effect)
        return await self._perform(effect)

    async def aclose(self) -> None:
        """Close the connections, also those of copies made by :meth:`with_options`. Closing twice does nothing."""
        await self._session.aclose()

    async def close(self) -> None:
        """The same as :meth:`aclose`."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
