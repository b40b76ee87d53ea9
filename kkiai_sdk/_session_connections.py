"""What httpcore does not see about a connection that it keeps.

A server may close a kept connection just as the next request is on its way: such a request is sent again,
once, over a new connection, and nobody hears of it (RFC 9110, section 9.2.2, allows that for GET). What a server sends
beyond the end of an answer stays in the parser's buffer, where httpcore 1.0.9 would take it for the answer to the next
request: such a connection is not used again.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpcore

from kkiai_sdk import _session_logs
from kkiai_sdk._log import log
from kkiai_sdk._session_streams import AsyncStream, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

#: A request that can be sent twice, because it changes nothing.
REPEATABLE = frozenset({b"GET", b"HEAD"})
#: How a connection ends that the other side closed: by an end in the place of an answer, or by a reset.
GONE = (httpcore.ReadError, httpcore.RemoteProtocolError)


class _Kept:
    """What both kinds of connection know: the stream that has carried an answer, and can be a stale one."""

    _inner: Any
    _origin: httpcore.Origin
    _stream: Stream | AsyncStream | None = None
    #: How many send over it now: the pool gives an idle connection to every thread that asks before the first one has
    #: begun, and HTTP/1 refuses the others. While a stale one is closed and made anew, the pool must not drop it.
    _senders = 0
    _is_given_up = False
    _is_dropped = False
    #: Of two threads one may give a request to a connection that the other finds expired: then one of them is first.
    _claim: Lock

    def _begin(self) -> Token[bool]:
        with self._claim:
            if self._is_dropped or self._is_given_up:
                # The pool closes it, and knows another.
                raise httpcore.ConnectionNotAvailable
            self._senders += 1
        return _session_logs.begin()

    def _end(self, token: Token[bool]) -> None:
        with self._claim:
            self._senders -= 1
        _session_logs.end(token)

    def _is_stale(self, request: httpcore.Request) -> bool:
        """Whether this was a kept connection on which nothing came back."""
        kept, self._stream = self._stream, None
        if kept is None or kept.is_answering or self._is_given_up or request.method not in REPEATABLE:
            return False
        log.debug("%s: the kept connection had been closed; sent again at once", self._origin.host.decode("ascii"))
        return True

    def _remember(self, response: httpcore.Response) -> None:
        """Of HTTP/2 nothing: there many requests share a connection, and the protocol says which it has not seen."""
        stream = response.extensions.get("network_stream")
        plain = response.extensions.get("http_version", b"").startswith(b"HTTP/1")
        self._stream = stream if plain and isinstance(stream, Stream | AsyncStream) else None

    def has_expired(self) -> bool:
        with self._claim:
            if self._senders:
                return False
            self._is_dropped = self._inner.has_expired() or (self._inner.is_idle() and _holds_surplus(self._inner))
            return self._is_dropped

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return bool(self._inner.can_handle_request(origin))

    def is_available(self) -> bool:
        return bool(self._inner.is_available())

    def is_idle(self) -> bool:
        return not self._senders and bool(self._inner.is_idle())

    def is_closed(self) -> bool:
        return not self._senders and bool(self._inner.is_closed())

    def info(self) -> str:
        return str(self._inner.info())


class Connection(_Kept, httpcore.ConnectionInterface):
    """A connection of httpcore's that is made anew when it turns out to be stale."""

    def __init__(self, origin: httpcore.Origin, make: Callable[[], httpcore.ConnectionInterface]) -> None:
        self._origin, self._make, self._claim = origin, make, Lock()
        self._inner: httpcore.ConnectionInterface = make()

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        token = self._begin()
        try:
            response = self._inner.handle_request(request)
        except GONE:
            if not self._is_stale(request):
                raise
            self._inner = self._make()
            response = self._inner.handle_request(request)
        finally:
            self._end(token)
        self._remember(response)
        return response

    def close(self) -> None:
        self._is_given_up = True
        self._inner.close()


class AsyncConnection(_Kept, httpcore.AsyncConnectionInterface):
    """:class:`Connection` with awaits."""

    def __init__(self, origin: httpcore.Origin, make: Callable[[], httpcore.AsyncConnectionInterface]) -> None:
        self._origin, self._make, self._claim = origin, make, Lock()
        self._inner: httpcore.AsyncConnectionInterface = make()

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        token = self._begin()
        try:
            response = await self._inner.handle_async_request(request)
        except GONE:
            if not self._is_stale(request):
                raise
            self._inner = self._make()
            response = await self._inner.handle_async_request(request)
        finally:
            self._end(token)
        self._remember(response)
        return response

    async def aclose(self) -> None:
        self._is_given_up = True
        await self._inner.aclose()


def _holds_surplus(connection: Any) -> bool:
    """Whether bytes that came after the end of the last answer wait in the parser."""
    # Neither is public in httpcore. What cannot be looked into is not used again: slower, and safe.
    while (below := getattr(connection, "_connection", None)) is not None:
        connection = below
    parser = getattr(connection, "_h11_state", None)
    return not hasattr(connection, "_h2_state") if parser is None else parser.trailing_data[0] != b""


def keep_well(pool: httpcore.ConnectionPool) -> None:
    """Have a pool of httpcore's make such connections."""
    _session_logs.install()
    make = pool.create_connection
    pool.create_connection = lambda origin: Connection(origin, partial(make, origin))  # type: ignore[method-assign]


def keep_well_async(pool: httpcore.AsyncConnectionPool) -> None:
    """:func:`keep_well`, for an asynchronous pool."""
    _session_logs.install()
    make = pool.create_connection
    pool.create_connection = lambda origin: AsyncConnection(origin, partial(make, origin))  # type: ignore[method-assign]
