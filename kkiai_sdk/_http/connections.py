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
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpcore

from kkiai_sdk._http import logs as _session_logs
from kkiai_sdk._http.streams import AsyncStream, Stream
from kkiai_sdk._log import log

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

    def is_stale(self, request: httpcore.Request, problem: Exception) -> bool:
        """Whether a request failed because this connection had been closed, and can be sent again."""
        # "Not available" means that nothing of it was sent.
        unseen = isinstance(problem, httpcore.ConnectionNotAvailable)
        if request.method not in REPEATABLE or not (unseen or (self.stream and not self.stream.is_answering)):
            return False
        host = request.url.host.decode("ascii")
        log.debug("%s: the kept connection had been closed; sent again at once", host)
        return True


class Shelf(Generic[C]):
    """Which connections are lent, and which are idle: what both kinds of pool know."""

    #: How many may be lent at once: a semaphore, of threads or of asyncio.
    _slots: Any

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

    def lend(self, origin: httpcore.Origin) -> tuple[Lent[C], list[C]]:
        """:meth:`take`, for whoever has a slot; the slot is given up when there is nothing to be had."""
        try:
            return self.take(origin)
        except BaseException:
            self._slots.release()
            raise

    def take(self, origin: httpcore.Origin) -> tuple[Lent[C], list[C]]:
        """A connection to this origin, and those that are to be closed because they are of no use any more."""
        with self._lock:
            if self._is_closed:
                raise httpcore.ConnectError("closed")
            useless = self._expired()
            lent = self._kept(origin, useless)
            if lent is None:
                room = self.most - len(self._lent)
                useless += self._cut(room - 1)
                lent = Lent(self.make.create_connection(origin))
            self._lent.add(lent)
        return lent, useless

    def _expired(self) -> list[C]:
        until = time.monotonic() - self._expiry
        count = next((number for number, each in enumerate(self._idle) if each.idle_since >= until), len(self._idle))
        return self._cut(len(self._idle) - count)

    def _cut(self, most: int) -> list[C]:
        """Of more idle ones than this those that have been so the longest, to be closed."""
        count = max(len(self._idle) - most, 0)
        cut, self._idle[:count] = self._idle[:count], []
        return [each.connection for each in cut]

    def _kept(self, origin: httpcore.Origin, useless: list[C]) -> Lent[C] | None:
        """The idle one that was used last, if it can be used again."""
        for each in [each for each in reversed(self._idle) if each.connection.can_handle_request(origin)]:
            self._idle.remove(each)
            if not each.connection.has_expired() and not _holds_surplus(each.connection):
                return each
            useless.append(each.connection)
        return None

    def renew(self, lent: Lent[C], request: httpcore.Request, problem: Exception) -> bool:
        """Put a new connection in the place of a stale one; False if it was none."""
        with self._lock:
            if self._is_closed or not lent.is_stale(request, problem):
                return False
            lent.connection = self.make.create_connection(request.url.origin)
            return True

    def take_back(self, lent: Lent[C], *, is_done: bool) -> list[C]:
        """Keep the connection if its answer was read to the end; gives those that are to be closed."""
        with self._lock:
            self._lent.discard(lent)
            # A connection of HTTP/2 would take other requests after one that was broken off, also when it is dead.
            if self._is_closed or not is_done or not lent.connection.is_available():
                return [lent.connection]
            lent.idle_since = time.monotonic()
            self._idle.append(lent)
            return self._cut(self._most_idle)

    def clear(self) -> list[C]:
        """Everything, to be closed: also what is lent, whose requests end by that."""
        with self._lock:
            self._is_closed = True
            return self._cut(0) + [each.connection for each in self._lent]


@contextmanager
def available() -> Iterator[None]:
    """A connection that was closed before it was used is an error that httpx knows."""
    try:
        yield
    except httpcore.ConnectionNotAvailable as problem:
        raise httpcore.RemoteProtocolError("the connection was closed") from problem


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
        origin = request.url.origin
        if not self._slots.acquire(timeout=patience(request)):
            raise httpcore.PoolTimeout
        lent, useless = self.lend(origin)
        token = _session_logs.begin()
        try:
            _close(useless)
            with available():
                response = self._sent(lent, request)
        except BaseException:
            self.give_back(lent, is_done=False)
            raise
        finally:
            _session_logs.end(token)
        lent.answered(response)
        response.stream = Body(response.stream, partial(self.give_back, lent))
        return response

    def _sent(self, lent: Lent[httpcore.ConnectionInterface], request: httpcore.Request) -> httpcore.Response:
        try:
            return lent.connection.handle_request(request)
        except GONE as problem:
            if not self.renew(lent, request, problem):
                raise
        return lent.connection.handle_request(request)

    def give_back(self, lent: Lent[httpcore.ConnectionInterface], *, is_done: bool) -> None:
        """The end of a request."""
        try:
            _close(self.take_back(lent, is_done=is_done))
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close every connection."""
        _close([*self.clear(), self.make])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close(connections: list[Any]) -> None:
    """Close all of them, whatever one of them has to say."""
    with ExitStack() as stack:
        for each in connections:
            stack.callback(each.close)


class Body:
    """The body of an answer, with the connection that it comes over."""

    def __init__(self, stream: Any, give_back: Callable[..., None]) -> None:
        self._stream, self._give_back = stream, give_back
        self._is_read = self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        self._is_read = True

    def close(self) -> None:
        """The end of it, whether all of it has been read or not."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._stream.close()
        finally:
            self._give_back(is_done=self._is_read)
