"""Performs the effects of a download in the asynchronous client, blocking work in threads."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

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
    """Performs effects with at most one open response."""

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
        await (self._write_batches(effect) if effect.may_block else self._write_chunks(effect))
        return response.error if response else None

    async def _write_chunks(self, effect: WriteBody) -> None:
        async with aclosing(self._chunks(effect)) as chunks:
            async for chunk in chunks:
                effect.write(chunk)

    async def _write_batches(self, effect: WriteBody) -> None:
        """Write batches of chunks in threads, each while the next one is received."""
        await _report(effect)
        writing: asyncio.Task[None] | None = None
        try:
            async with aclosing(self._batches(effect)) as batches:
                async for batch in batches:
                    await _finish_write(writing, effect)
                    writing = asyncio.create_task(run_in_thread(partial(effect.write, batch)))
            await _finish_write(writing, effect)
        finally:
            if writing is not None:
                # The error that ended the transfer is raised, but only once nothing writes to the file.
                await asyncio.gather(writing, return_exceptions=True)

    async def _batches(self, effect: WriteBody) -> AsyncGenerator[bytes]:
        batch, size = [], 0
        async with aclosing(self._chunks(effect)) as chunks:
            async for chunk in chunks:
                batch.append(chunk)
                size += len(chunk)
                if size >= BATCH_SIZE:
                    yield b"".join(batch)
                    batch, size = [], 0
        if batch:
            yield b"".join(batch)

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


async def _report(effect: WriteBody) -> None:
    result = effect.report()
    if inspect.isawaitable(result):
        await result


async def _finish_write(writing: asyncio.Task[None] | None, effect: WriteBody) -> None:
    if writing is not None:
        await writing
        await _report(effect)
