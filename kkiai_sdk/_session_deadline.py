"""One deadline for a whole request.

httpx limits each read by itself, so a server that sends a byte now and then, or "103 Early Hints" for ever, is never
too slow for it. Here every read and write of a request is limited by what is left of the request's time. The
asynchronous client needs none of this: there a timeout can be put around the whole.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    import httpx

C = TypeVar("C", "httpx.Client", "httpx.AsyncClient")

#: Real time: it limits real sockets.
_deadline: ContextVar[float] = ContextVar("kkiai_sdk_deadline", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Everything that guarded connections do inside ends in time."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def guard(client: C) -> C:
    """Make the connections of a synchronous client heed the deadline. Other transports are left alone."""
    # httpx has no public way to put in a network backend; a test with a dripping server holds this to its purpose.
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
        pool = getattr(transport, "_pool", None)
        if isinstance(pool, httpcore.ConnectionPool):
            pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001
    return client


def _left(timeout: float | None, problem: type[Exception]) -> float | None:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise problem("the request has taken all of its time")
    return timeout if math.isinf(left) else min(left, math.inf if timeout is None else timeout)


class _Backend(httpcore.NetworkBackend):
    """Opens connections that heed the deadline."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limit = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, limit, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        limit = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, limit, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes heed the deadline of the request that makes them."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
