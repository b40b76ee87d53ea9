"""The connections of one transport, each with one request at a time or on a shelf.

httpcore makes the connections. Its own pool is not used (1.0.9): for every request it looks twice through all requests
and all connections, and it gives an idle connection to each of several threads that ask at the same moment. Here
whoever has a connection has it alone, and the one that was used last is used first.

Two things are seen to that httpcore does not know about a connection that is kept. A server may close it just as the
next request is on its way: such a request is sent again, once, over a new connection, and nobody hears of it (RFC 9110,
section 9.2.2, allows that for GET). And what a server sends beyond the end of an answer stays in the parser's buffer,
where it would be taken for the answer to the next request: such a connection is not used again.
"""

from __future__ import annotations

import math
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpcore

from kkiai_sdk import _session_logs
from kkiai_sdk._log import log
from kkiai_sdk._session_streams import AsyncStream, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A request that can be sent twice, because it changes nothing.
REPEATABLE = frozenset({b"GET", b"HEAD"})
#: How a connection ends that the other side closed: by an end in the place of an answer, by a reset, or in good order,
#: which HTTP/2 knows.
GONE = (httpcore.ReadError, httpcore.RemoteProtocolError, httpcore.ConnectionNotAvailable)

C = TypeVar("C", httpcore.ConnectionInterface, httpcore.AsyncConnectionInterface)


class Lent(Generic[C]):
    """A connection, and what is to be known about it for its next request."""

    def __init__(self, connection: C) -> None:
        self.connection: C = connection
        #: Carried the last answer. None before there was one, and for HTTP/2, which says itself what it has not seen.
        self.stream: Stream | AsyncStream | None = None
        self.idle_since = 0.0

    def answered(self, response: httpcore.Response) -> None:
        """Take in the head of an answer."""
        stream = response.extensions.get("network_stream")
        plain = response.extensions.get("http_version", b"").startswith(b"HTTP/1")
        self.stream = stream if plain and isinstance(stream, Stream | AsyncStream) else None

    def is_stale(self, request: httpcore.Request) -> bool:
        """Whether a request failed because this connection had been closed, and can be sent again."""
        if self.stream is None or self.stream.is_answering or request.method not in REPEATABLE:
            return False
        host = request.url.host.decode("ascii")
        log.debug("%s: the kept connection had been closed; sent again at once", host)
        return True


class Shelf(Generic[C]):
    """Which connections are lent, and which are idle: what both kinds of pool know."""

    def __init__(self, make: Any) -> None:
        _session_logs.install()
        #: httpcore's pool, which knows how connections are made: directly, or by which kind of proxy.
        self.make = make
        # None of the three is public; those who give a transport of their own can set them.
        self.most: int = make._max_connections  # noqa: SLF001
        self._most_idle = make._max_keepalive_connections  # noqa: SLF001
        self._expiry = math.inf if make._keepalive_expiry is None else make._keepalive_expiry  # noqa: SLF001
        self._lent: set[Lent[C]] = set()
        #: In the order in which they came back.
        self._idle: list[Lent[C]] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, origin: httpcore.Origin) -> tuple[Lent[C], list[C]]:
        """A connection to this origin, and those that are to be closed because they are of no use any more."""
        useless = []
        with self._lock:
            while self._idle and self._idle[0].idle_since < time.monotonic() - self._expiry:
                useless.append(self._idle.pop(0).connection)
            lent = None
            for each in [each for each in reversed(self._idle) if each.connection.can_handle_request(origin)]:
                self._idle.remove(each)
                if not each.connection.has_expired() and not _holds_surplus(each.connection):
                    lent = each
                    break
                useless.append(each.connection)
            lent = lent or Lent(self.make.create_connection(origin))
            self._lent.add(lent)
        return lent, useless

    def renew(self, lent: Lent[C], request: httpcore.Request) -> bool:
        """Put a new connection in the place of a stale one; False if it was none."""
        with self._lock:
            if self._is_closed or not lent.is_stale(request):
                return False
            lent.connection = self.make.create_connection(request.url.origin)
            return True

    def take_back(self, lent: Lent[C]) -> bool:
        """Whether the connection is kept; else it is to be closed."""
        with self._lock:
            self._lent.discard(lent)
            if self._is_closed or len(self._idle) >= self._most_idle or not lent.connection.is_available():
                return False
            lent.idle_since = time.monotonic()
            self._idle.append(lent)
            return True

    def clear(self) -> list[C]:
        """Everything, to be closed: also what is lent, whose requests end by that."""
        with self._lock:
            self._is_closed = True
            connections = [each.connection for each in self._idle]
            connections += [each.connection for each in self._lent]
            self._idle.clear()
        return connections


def patience(request: httpcore.Request) -> float | None:
    """Seconds that a request may wait for others to end, where a limit is set to their number."""
    seconds: float | None = request.extensions.get("timeout", {}).get("pool")
    return seconds


def _holds_surplus(connection: Any) -> bool:
    """Whether bytes that came after the end of the last answer wait in the parser."""
    # Neither is public in httpcore. What cannot be looked into is not used again: slower, and safe.
    while (below := getattr(connection, "_connection", None)) is not None:
        connection = below
    parser = getattr(connection, "_h11_state", None)
    return not hasattr(connection, "_h2_state") if parser is None else parser.trailing_data[0] != b""


class Pool(Shelf[httpcore.ConnectionInterface]):
    """Stands in the place of an ``httpcore.ConnectionPool``."""

    def __init__(self, make: httpcore.ConnectionPool) -> None:
        super().__init__(make)
        self._slots = threading.Semaphore(self.most)

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Get the head of an answer; whoever gets it closes its stream."""
        if not self._slots.acquire(timeout=patience(request)):
            raise httpcore.PoolTimeout
        lent, useless = self.take(request.url.origin)
        token = _session_logs.begin()
        try:
            for each in useless:
                each.close()
            response = self._sent(lent, request)
        except BaseException:
            self.give_back(lent)
            raise
        finally:
            _session_logs.end(token)
        lent.answered(response)
        response.stream = Body(response.stream, partial(self.give_back, lent))
        return response

    def _sent(self, lent: Lent[httpcore.ConnectionInterface], request: httpcore.Request) -> httpcore.Response:
        try:
            return lent.connection.handle_request(request)
        except GONE:
            if not self.renew(lent, request):
                raise
        return lent.connection.handle_request(request)

    def give_back(self, lent: Lent[httpcore.ConnectionInterface]) -> None:
        """The end of a request."""
        try:
            if not self.take_back(lent):
                lent.connection.close()
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close every connection."""
        for each in self.clear():
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Body:
    """The body of an answer, with the connection that it comes over."""

    def __init__(self, stream: Any, give_back: Callable[[], None]) -> None:
        self._stream, self._give_back = stream, give_back
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        """The end of it, whether all of it has been read or not."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._stream.close()
        finally:
            self._give_back()
