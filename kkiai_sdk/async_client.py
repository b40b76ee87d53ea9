"""The asynchronous client: the words of :class:`~kkiai_sdk.Kkiai`, awaited. What each promises is written there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, Self, Unpack

from kkiai_sdk import _defaults
from kkiai_sdk._base import BaseClient

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk import _config
    from kkiai_sdk.models import VideoTask, WaitResult
    from kkiai_sdk.policies import PollPolicy, RetryPolicy


class AsyncKkiai(BaseClient):
    """:class:`~kkiai_sdk.Kkiai` for asyncio: the same options, calls, results and errors, with awaits.

    Where the extra ``aiohttp`` is installed, the gateway is asked over it, unless ``httpx_args`` or the environment say
    something that it cannot do (``transport``, ``mounts``, ``proxy``, ``http1``, ``http2``);
    ``httpx_args={"transport": httpx.AsyncHTTPTransport()}`` does without it. Files are always fetched by httpx itself.

    A look-up of a host name is broken off here as all else is, though not the thread of the event loop in which it goes
    on for a while: ``asyncio.run`` waits for that at its end.

    Each event loop that uses it gets connections of its own. Use it in an ``async with`` statement or call
    :meth:`aclose`.
    """

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        base_url: str | None = None,
        timeout: float | timedelta = _defaults.DEFAULT_TIMEOUT,
        max_retries: int = _defaults.DEFAULT_MAX_RETRIES,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
        httpx_args: Mapping[str, Any] | None = None,
        user_agent_suffix: str | None = None,
        allow_http: bool = False,
        **unknown: Never,
    ) -> None:
        # What a client is made of is loaded when one is made: naming the class costs next to nothing.
        from kkiai_sdk._async import AsyncPerformer  # noqa: PLC0415
        from kkiai_sdk._base_client import Core  # noqa: PLC0415
        from kkiai_sdk._config import Secret  # noqa: PLC0415

        secret = None if api_key is None else Secret(api_key)
        # Crash reporters show the variables of every frame in a traceback.
        del api_key
        self._core = Core.make(
            AsyncKkiai,
            unknown,
            api_key=secret,
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
        self._performer = AsyncPerformer(self._core)
        self._core.pool.load_ahead()

    def with_options(self, **changes: Unpack[_config.Options]) -> Self:
        """A copy with other options, over the same connections; closing either closes both."""
        from kkiai_sdk._config import hide  # noqa: PLC0415 (as above)

        hide(changes)
        twin = type(self).__new__(type(self))
        twin._core = self._core.changed(changes)
        twin._performer = type(self._performer)(twin._core)
        return twin

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client over this session: ``await some_endpoint.asyncio_detailed(client=client.raw, …)``."""
        return self._performer.raw()

    async def query(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> VideoTask:
        """:meth:`kkiai_sdk.Kkiai.query`, awaited."""
        fetch = self._core.fetch(task_id, timeout, max_retries, extra_headers)
        return (await self._performer.fetch(fetch)).task

    async def wait(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> VideoTask:
        """:meth:`kkiai_sdk.Kkiai.wait`, awaited; ``on_update`` may be a coroutine function."""
        flow = self._core.watching(task_id, timeout, poll, on_update)
        return await self._performer.wait(flow, on_update, raise_on_failure=raise_on_failure)

    def watch(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        every_poll: bool = False,
    ) -> AsyncIterator[VideoTask]:
        """:meth:`kkiai_sdk.Kkiai.watch`, for ``async for``."""
        return self._performer.watch(self._core.watching(task_id, timeout, poll, every_poll=every_poll))

    def as_completed(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _defaults.DEFAULT_CONCURRENCY,
        max_requests_per_second: float | None = _defaults.DEFAULT_PER_SECOND,
        max_waiting: int = _defaults.DEFAULT_WAITING,
    ) -> AsyncIterator[WaitResult]:
        """:meth:`kkiai_sdk.Kkiai.as_completed`, for ``async for``."""
        limits = max_concurrency, max_requests_per_second, max_waiting
        flow = self._core.fleet(task_ids, timeout, poll, limits)
        return self._performer.complete(flow)

    async def wait_many(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _defaults.DEFAULT_CONCURRENCY,
        max_requests_per_second: float | None = _defaults.DEFAULT_PER_SECOND,
        max_waiting: int = _defaults.DEFAULT_WAITING,
    ) -> list[WaitResult]:
        """:meth:`kkiai_sdk.Kkiai.wait_many`, awaited."""
        ids = self._core.ids(task_ids)
        limits = max_concurrency, max_requests_per_second, max_waiting
        flow = self._core.fleet(ids, timeout, poll, limits)
        return self._core.in_order(ids, [result async for result in self._performer.complete(flow)])

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
        return await self._performer.save(job, task)

    async def wait_and_download(
        self,
        task_id: str,
        dest: str | os.PathLike[str],
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
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
        return await self._performer.save(job, task)

    async def aclose(self) -> None:
        """Close the connections, also those of copies made by :meth:`with_options`. Closing twice does nothing."""
        await self._performer.aclose()

    async def close(self) -> None:
        """The same as :meth:`aclose`."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
