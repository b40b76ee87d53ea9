"""The connections of an asynchronous transport: :mod:`kkiai_sdk._http.connections` with awaits."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import httpcore

from kkiai_sdk._http import logs as _session_logs
from kkiai_sdk._http.connections import GONE, Lent, Shelf, available, patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeAlias

    _Lent: TypeAlias = Lent[httpcore.AsyncConnectionInterface]


class AsyncPool(Shelf[httpcore.AsyncConnectionInterface]):
    """Stands in the place of an ``httpcore.AsyncConnectionPool``."""

    def __init__(self, make: httpcore.AsyncConnectionPool) -> None:
        super().__init__(make)
        self._slots = asyncio.Semaphore(self.most)

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Get the head of an answer; whoever gets it closes its stream."""
        origin = request.url.origin
        try:
            async with asyncio.timeout(patience(request)):
                await self._slots.acquire()
        except TimeoutError as problem:
            raise httpcore.PoolTimeout from problem
        lent, useless = self.lend(origin)
        token = _session_logs.begin()
        try:
            await _close(useless)
            with available():
                response = await self._sent(lent, request)
        except BaseException:
            await self.give_back(lent, is_done=False)
            raise
        finally:
            _session_logs.end(token)
        lent.answered(response)
        response.stream = AsyncBody(response.stream, partial(self.give_back, lent))
        return response

    async def _sent(self, lent: _Lent, request: httpcore.Request) -> httpcore.Response:
        try:
            return await lent.connection.handle_async_request(request)
        except GONE as problem:
            if not self.renew(lent, request, problem):
                raise
        return await lent.connection.handle_async_request(request)

    async def give_back(self, lent: _Lent, *, is_done: bool) -> None:
        """The end of a request."""
        try:
            await _close(self.take_back(lent, is_done=is_done))
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """Close every connection."""
        await _close([*self.clear(), self.make])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _close(connections: list[Any]) -> None:
    """Close all of them, whatever one of them has to say, and whoever cancels meanwhile."""
    async with AsyncExitStack() as stack:
        for each in connections:
            stack.push_async_callback(each.aclose)


class AsyncBody:
    """The body of an answer, with the connection that it comes over."""

    def __init__(self, stream: Any, give_back: Callable[..., Awaitable[None]]) -> None:
        self._stream, self._give_back = stream, give_back
        self._is_read = self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
        self._is_read = True

    async def aclose(self) -> None:
        """The end of it, whether all of it has been read or not."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._stream.aclose()
        finally:
            await self._give_back(is_done=self._is_read)
