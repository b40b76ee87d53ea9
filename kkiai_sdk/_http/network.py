"""How connections are opened: to an address that was looked up and vetted here, within one budget of time.

httpcore would hand a host name on to the system, which looks it up again and again: nobody could say which address a
connection goes to. Here a name is looked up once, every address that it has is judged, and the connection goes to one
of these very addresses. TLS still asks for a certificate of the name.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import time
from typing import TYPE_CHECKING, Any

import httpcore

from kkiai_sdk._http.connections import Pool
from kkiai_sdk._http.deadline import left
from kkiai_sdk._http.streams import AsyncStream, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    #: Raises for a host that must not be connected to, given all its addresses.
    Vet = Callable[[str, Sequence[str]], None]


class Backend(httpcore.NetworkBackend):
    """Opens connections that heed the deadline, to vetted addresses."""

    def __init__(self, inner: httpcore.NetworkBackend, vet: Vet) -> None:
        self._inner, self._vet = inner, vet

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        addresses = _literal(host) or _look_up(host, port)
        self._vet(host, addresses)
        for number, address in enumerate(addresses, 1):
            limit = left(_share(until, len(addresses) - number), httpcore.ConnectTimeout)
            try:
                return Stream(self._inner.connect_tcp(address, port, limit, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("unreachable: a name has an address, or looking it up fails")  # pragma: no cover

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        limit = left(timeout, httpcore.ConnectTimeout)
        return Stream(self._inner.connect_unix_socket(path, limit, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """:class:`Backend` with awaits. The deadline is around the whole request and needs no help here."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend, vet: Vet) -> None:
        self._inner, self._vet = inner, vet

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        addresses = _literal(host) or await _look_up_async(host, port, timeout)
        self._vet(host, addresses)
        for number, address in enumerate(addresses, 1):
            limit = _share(until, len(addresses) - number)
            try:
                return AsyncStream(await self._inner.connect_tcp(address, port, limit, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("unreachable: a name has an address, or looking it up fails")  # pragma: no cover

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        return AsyncStream(await self._inner.connect_unix_socket(path, timeout, socket_options))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def _share(until: float, others: int) -> float | None:
    """Seconds for one address: of what is left as much as for each of the others, so that a dead one starves none."""
    rest = max(until - time.monotonic(), 0.001)
    return None if math.isinf(rest) else rest / (others + 1)


def _literal(host: str) -> list[str]:
    """The host itself if it is an address in its usual form, which nobody needs to look up."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return []


def _look_up(host: str, port: int) -> list[str]:
    # Not bounded by the deadline. The system has no call for that, a thread could be left alone with it but not ended,
    # and a resolver of our own would not know /etc/hosts and whatever else this machine goes by.
    try:
        return _addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except socket.gaierror as problem:
        raise httpcore.ConnectError(str(problem)) from problem


async def _look_up_async(host: str, port: int, timeout: float | None) -> list[str]:
    import asyncio  # noqa: PLC0415 (a synchronous client does without)

    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as problem:
        raise httpcore.ConnectError(str(problem)) from problem
    except TimeoutError as problem:
        raise httpcore.ConnectTimeout(f"{host} was not looked up in time") from problem
    return _addresses(found)


def _addresses(found: Iterable[tuple[Any, ...]]) -> list[str]:
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def guard(transport: object, vet: Vet) -> None:
    """Make a transport of httpx's open and keep its connections here. Transports of another make are left alone."""
    # httpx has no public way to put in a network backend; tests with dripping servers hold this to its purpose.
    pool = getattr(transport, "_pool", None)
    if isinstance(pool, httpcore.ConnectionPool):
        pool._network_backend = Backend(pool._network_backend, vet)  # noqa: SLF001
        transport._pool = Pool(pool)  # type: ignore[attr-defined]  # noqa: SLF001
    elif isinstance(pool, httpcore.AsyncConnectionPool):
        from kkiai_sdk._http.async_connections import AsyncPool  # noqa: PLC0415 (a synchronous client does without)

        pool._network_backend = AsyncBackend(pool._network_backend, vet)  # noqa: SLF001
        transport._pool = AsyncPool(pool)  # type: ignore[attr-defined]  # noqa: SLF001


def is_proxied(transport: object) -> bool:
    """Whether a transport goes through a proxy, which looks names up itself."""
    proxies = httpcore.HTTPProxy, httpcore.SOCKSProxy, httpcore.AsyncHTTPProxy, httpcore.AsyncSOCKSProxy
    pool = getattr(transport, "_pool", None)
    return isinstance(getattr(pool, "make", pool), proxies)
