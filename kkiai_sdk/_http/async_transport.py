"""Asynchronous transport: httpx's own, over a connection pool for each process and event loop."""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop, CancelledError, get_running_loop
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import httpcore
import httpx

from kkiai_sdk._http.async_network import AsyncBackend, finish
from kkiai_sdk._http.exceptions import PROXY_ERRORS, name_proxy
from kkiai_sdk._http.transport import CLOSED, PROXY_AUTH
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from kkiai_sdk._http.transport import PoolOptions

ExecutionContext: TypeAlias = tuple[int, AbstractEventLoop]

#: Number of lost connections at which a pool is replaced.
MAX_LOST = 32


class CountedPool:
    """A connection pool that counts the requests in flight.

    httpcore 1.0.9 neither reuses nor closes the connections of requests cancelled at certain moments
    (encode/httpcore#1093): these lost ones are the connections that are neither idle nor used by a request in flight.
    """

    def __init__(self, options: PoolOptions) -> None:
        self._backend = AsyncBackend(options.policy)
        self._pool = httpcore.AsyncConnectionPool(**options.arguments(self._backend))
        self._proxy = options.proxy
        self._in_flight = 0
        self._is_retired = False
        self._closer = self._close_with_loop()

    async def open(self) -> None:
        """Make the event loop close the pool at its end, or when the pool is garbage-collected."""
        await anext(self._closer)

    async def send(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; it is in flight until its response is closed."""
        self._in_flight += 1
        try:
            response = await self._pool.handle_async_request(request)
            if self._proxy is not None and response.status == 407:
                await _refuse(response)
        except BaseException as error:
            await self._release()
            # A timeout of the session cancels the request.
            if isinstance(error, (*PROXY_ERRORS, CancelledError)):
                name_proxy(error, self._proxy)
            raise
        response.stream = CountedStream(response.stream, self._release)
        return response

    @property
    def connections(self) -> list[httpcore.AsyncConnectionInterface]:
        """The connections, lost ones included."""
        return self._pool.connections

    @property
    def needs_replacement(self) -> bool:
        """Whether the pool has lost so many connections that it must be replaced."""
        excess = len(self.connections) - self._in_flight
        return excess >= MAX_LOST and excess - sum(each.is_idle() for each in self.connections) >= MAX_LOST

    async def retire(self) -> None:
        """Close the pool as soon as no request is in flight."""
        self._is_retired = True
        if not self._in_flight:
            await self.close()

    async def close(self) -> None:
        """Close all connections, also those that are being opened."""
        self._backend.is_closed = True
        await finish(self._closer.aclose())

    async def _release(self) -> None:
        self._in_flight -= 1
        if self._is_retired and not self._in_flight:
            await self.close()

    async def _close_with_loop(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._pool.aclose()


async def _refuse(response: httpcore.Response) -> NoReturn:
    await response.aclose()
    raise httpcore.ProxyError(PROXY_AUTH)


class CountedStream:
    """The body of a response; closing it ends the request."""

    def __init__(self, stream: Any, release: Callable[[], Awaitable[None]]) -> None:
        self._stream, self._release = stream, release
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            try:
                await self._stream.aclose()
            finally:
                await self._release()


class LoopPools:
    """A connection pool for each process and event loop."""

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._pools: dict[ExecutionContext, CountedPool] = {}

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._options.closed.is_set():
            raise ConfigurationError(CLOSED)
        context = os.getpid(), get_running_loop()
        pool = self._pools.get(context)
        if pool is None or pool.needs_replacement:
            pool = await self._replace(context, pool)
        return await pool.send(request)

    async def aclose(self) -> None:
        pool = self._pools.pop((os.getpid(), get_running_loop()), None)
        if pool is not None:
            await pool.close()

    async def _replace(self, context: ExecutionContext, old: CountedPool | None) -> CountedPool:
        for pid, loop in [*self._pools]:
            if pid != context[0] or loop.is_closed():
                # Of a parent process, or of a closed event loop: it can neither be used nor be closed here.
                self._pools.pop((pid, loop), None)
        new = self._pools[context] = CountedPool(self._options)
        await new.open()
        if old is not None:
            await old.retire()
        return new


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The transport of httpx over pools with the backend of this package."""

    def __init__(self, options: PoolOptions) -> None:
        # The only private name of another library in this package: httpx has no argument for a network backend.
        self._pool = LoopPools(options)  # type: ignore[assignment]
