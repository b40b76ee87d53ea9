"""Performs the effects of a download in the asynchronous client, blocking work in threads."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kkiai_sdk._effects import OpenDownload, RunBlocking, WriteBody
from kkiai_sdk._http.async_network import finish, require_asyncio
from kkiai_sdk._http.async_session import AsyncFileResponse
from kkiai_sdk.errors import APIError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from kkiai_sdk._effects import Effect
    from kkiai_sdk._http.async_session import AsyncSession
    from kkiai_sdk._responses.raw_response import RawResponse

T = TypeVar("T")

#: Bytes written per call in a thread, because the overhead of such a call exceeds that of a small write. A quarter of
#: this size takes a quarter more CPU time; four times this size saves nothing. A single thread for the whole file would
#: take a quarter less, but could not be cancelled.
BATCH_SIZE = 1 << 20


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run blocking work in a thread. On cancellation, wait for the thread so that nothing writes afterwards."""
    require_asyncio()
    return await finish(asyncio.to_thread(function))


class AsyncTransfer:
    """Performs effects with at most one open response, and closes it at the end."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._response: AsyncFileResponse | None = None

    async def perform(self, effect: Effect, fallback: Callable[[Effect], Awaitable[Any]]) -> Any:
        """Perform an effect of a download; pass any other on to ``fallback``."""
        if isinstance(effect, RunBlocking):
            return await run_in_thread(effect.function)
        if isinstance(effect, WriteBody):
            return await self._write(effect)
        # A response that is no longer read must not occupy its connection.
        await self.aclose()
        return await (self._open(effect) if isinstance(effect, OpenDownload) else fallback(effect))

    async def _open(self, effect: OpenDownload) -> RawResponse | APIError:
        try:
            self._response = await AsyncFileResponse.open(self._session, effect.target, effect.headers)
        except APIError as error:
            return error
        return self._response.head

    async def _write(self, effect: WriteBody) -> Exception | None:
        response = self._response
        if not effect.may_block:
            async with aclosing(self._chunks(effect)) as chunks:
                async for chunk in chunks:
                    effect.write(chunk)
            return response.error if response else None
        await _report(effect)
        async with aclosing(self._chunks(effect)) as chunks, _BatchWriter(effect) as writer:
            async for chunk in chunks:
                await writer.add(chunk)
            await writer.flush()
        return response.error if response else None

    async def _chunks(self, effect: WriteBody) -> AsyncGenerator[bytes]:
        if effect.source is not None:
            for chunk in effect.source:
                yield chunk
            return
        assert self._response is not None
        async with aclosing(self._response.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Close the response."""
        if self._response is not None:
            response, self._response = self._response, None
            await response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _report(effect: WriteBody) -> None:
    result = effect.report()
    if inspect.isawaitable(result):
        await result


class _BatchWriter:
    """Writes batches of chunks in threads, each while the next one is received."""

    def __init__(self, effect: WriteBody) -> None:
        self._effect = effect
        self._batch: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Add a chunk. Raises the error of an earlier write."""
        self._batch.append(chunk)
        self._size += len(chunk)
        if self._size >= BATCH_SIZE:
            await self._start_write()

    async def flush(self) -> None:
        """Write the rest, and wait until everything is written."""
        await self._start_write()
        await self._finish_write()

    async def _start_write(self) -> None:
        await self._finish_write()
        data, self._size = b"".join(self._batch), 0
        self._batch.clear()
        if data:
            self._writing = asyncio.create_task(run_in_thread(partial(self._effect.write, data)))

    async def _finish_write(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing
            await _report(self._effect)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            # The error that ended the transfer is raised, but only once nothing writes to the file.
            with suppress(Exception):
                await self._writing
