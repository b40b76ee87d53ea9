"""Network backend of the asynchronous transport; see :mod:`kkiai_sdk._http.network`.

The session enforces the deadline of a request with ``asyncio.timeout``, so reads and writes need no limits here.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

# httpcore imports it with the first connection, which would block the event loop.
import anyio.abc  # noqa: F401
import httpcore

from kkiai_sdk._http.network import READ_SIZE, StreamObserver, address_timeout, literal_address, unique_addresses
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kkiai_sdk._http.network import AddressPolicy


T = TypeVar("T")


class AsyncStream(StreamObserver, httpcore.AsyncNetworkStream):
    """A connection that detects its end and surplus bytes."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, backend: AsyncBackend) -> None:
        super().__init__(stream)
        self._stream, self._backend = stream, backend

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            # anyio would buffer the rest, invisible to the pool.
            data = await self._stream.read(max(max_bytes, READ_SIZE), timeout)
        except httpcore.ReadError:
            self._on_closed()
            raise
        return self._on_read(data)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._on_write(buffer)
        await self._stream.write(buffer, timeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncStream:
        try:
            with self._tunnel_errors():
                stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            # httpcore 1.0.9 leaves the socket open when the handshake is cancelled.
            await self._stream.aclose()
            raise
        return await self._backend.accept(stream)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return (info == "is_readable" and self._has_buffered()) or self._extra_info(self._stream, info)

    def _has_buffered(self) -> bool:
        """Whether a TLS record after the end of the last response has already been read from the socket."""
        tls = self._stream.get_extra_info("ssl_object")
        try:
            return tls is not None and bool(tls.read(1) or True)
        except ssl.SSLWantReadError:
            return False


class AsyncBackend(httpcore.AnyIOBackend):
    """Opens connections to addresses that the policy permits.

    anyio could try several addresses itself, but would resolve the name a second time.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        #: Whether to close connections as soon as they are open.
        self.is_closed = False

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> AsyncStream:
        """Connect to the first address of ``host`` that accepts, within ``timeout`` seconds."""
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        addresses = literal_address(host) or await _resolve(host, port, timeout)
        self._policy(host, addresses)
        for number, address in enumerate(addresses, 1):
            limit = address_timeout(until, len(addresses) - number)
            try:
                return await self.accept(await super().connect_tcp(address, port, limit, *args, **kwargs))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no addresses")

    async def accept(self, stream: httpcore.AsyncNetworkStream) -> AsyncStream:
        """Wrap a new stream; close it if the client was closed meanwhile."""
        if self.is_closed:
            await stream.aclose()
            raise httpcore.ConnectError("the client is closed")
        return AsyncStream(stream, self)


def require_asyncio() -> None:
    """Raise ConfigurationError if no asyncio event loop is running, as under trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "AsyncKkiai needs a running asyncio event loop, and there is none; under trio, call Kkiai in a thread"
        ) from None


async def finish(awaitable: Awaitable[T]) -> T:
    """Await to the end, even if cancelled, so that nothing keeps running or stays open afterwards."""
    future = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            # Some callers cancel repeatedly.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        # Otherwise asyncio logs that nobody has seen its error.
        if not future.cancelled():
            future.exception()
        raise


async def _resolve(host: str, port: int, timeout: float | None) -> list[str]:
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
    except socket.gaierror as error:
        raise httpcore.ConnectError(str(error)) from error
    return unique_addresses(found)
