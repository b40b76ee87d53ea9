"""The connections of an asynchronous transport: :mod:`kkiai_sdk._session_connections` with awaits."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import httpcore

from kkiai_sdk import _session_logs
from kkiai_sdk._session_connections import GONE, Lent, Shelf, patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class AsyncPool(Shelf[httpcore.AsyncConnectionInterface]):
    """Stands in the place of an ``httpcore.AsyncConnectionPool``."""

    def __init__(self, make: httpcore.AsyncConnectionPool) -> None:
        super().__init__(make)
        self._slots = asyncio.Semaphore(self.most)

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Get the head of an answer; whoever gets it closes its stream."""
        try:
            async with asyncio.timeout(patience(request)):
                await self._slots.acquire()
        except TimeoutError as problem:
            raise httpcore.PoolTimeout from problem
        lent, useless = self.take(request.url.origin)
        token = _session_logs.begin()
        try:
            for each in useless:
                await each.aclose()
            response = await self._sent(lent, request)
        except BaseException:
            await self.give_back(lent)
            raise
        finally:
            _session_logs.end(token)
        lent.answered(response)
        response.stream = AsyncBody(response.stream, partial(self.give_back, lent))
        return response

    async def _sent(
        self, lent: Lent[httpcore.AsyncConnectionInterface], request: httpcore.Request
    ) -> httpcore.Response:
        try:
            return await lent.connection.handle_async_request(request)
        except GONE:
            if not self.renew(lent, request):
                raise
        return await lent.connection.handle_async_request(request)

    async def give_back(self, lent: Lent[httpcore.AsyncConnectionInterface]) -> None:
        """The end of a request."""
        try:
            if not self.take_back(lent):
                await lent.connection.aclose()
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """Close every connection."""
        for each in self.clear():
            await each.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncBody:
    """The body of an answer, with the connection that it comes over."""

    def __init__(self, stream: Any, give_back: Callable[[], Awaitable[None]]) -> None:
        self._stream, self._give_back = stream, give_back
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        """The end of it, whether all of it has been read or not."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._stream.aclose()
        finally:
            await self._give_back()
