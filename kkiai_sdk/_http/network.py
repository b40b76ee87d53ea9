"""Network backend of the synchronous transport, and the parts that it shares with the asynchronous one.

httpx applies its timeout to each read, so a server that sends an occasional byte never exceeds it. Here every step
inside :func:`request_scope` is limited by the time left until the deadline of the request.

A host name is resolved once, the address policy checks all its addresses, and the connection goes to one of these. TLS
still verifies the name.

Works around two faults of httpcore 1.0.9 with kept-alive connections. If one is closed before the first byte of the
response to a GET or HEAD, it raises ``httpcore.ConnectionNotAvailable``, so that the pool sends the request over
another one (RFC 9110, section 9.2.2, allows that for idempotent methods). If one has received bytes after the end of a
response, it reports itself as readable, so that the pool discards it; httpcore would read them as the next response.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import select
import socket
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakSet

import httpcore

from kkiai_sdk._http.exceptions import IN_TUNNEL

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence

    #: Called with a host and all its addresses; raises if it must not be connected to.
    AddressPolicy: TypeAlias = Callable[[str, Sequence[str]], None]

#: Maximum bytes of one read, as in asyncio. httpcore reads 64 KiB, which takes more CPU time for files.
READ_SIZE = 256 * 1024
#: Maximum bytes of the head of a response (status line and headers), as httpcore sets it for h11.
MAX_HEAD = 100 * 1024

#: The end of a head, as h11 defines it.
HEAD_END = re.compile(rb"\n\r?\n")
#: The last chunk of a chunked body, after the end of the chunk before it.
FINAL_CHUNK = b"\r\n0\r\n"

#: Deadline of the current request in monotonic seconds; None outside requests of this package.
_deadline: ContextVar[float | None] = ContextVar("kkiai_sdk_deadline", default=None)


@contextmanager
def request_scope(seconds: float = math.inf) -> Iterator[None]:
    """Mark the code inside as a request of this package, with a deadline in ``seconds``."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        # A coroutine that is discarded unfinished is closed in another context, where the token is not valid.
        with suppress(ValueError):
            _deadline.reset(token)


def in_request_scope() -> bool:
    """Whether the current code runs inside :func:`request_scope`."""
    return _deadline.get() is not None


def remaining(timeout: float | None, error: type[Exception]) -> float | None:
    """Return the seconds until the deadline, at most ``timeout``. Raises ``error`` after the deadline."""
    deadline = _deadline.get()
    if deadline is None or math.isinf(deadline):
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the request deadline has passed")
    return left if timeout is None else min(left, timeout)


class StreamObserver:
    """Counts the bytes of a connection since its last request was written."""

    def __init__(self, stream: httpcore.NetworkStream | httpcore.AsyncNetworkStream) -> None:
        self._socket = stream.get_extra_info("socket")
        self._requests = 0
        self._awaits_response = self._is_repeatable = self._is_chunked = self._has_surplus = False
        # The head received so far, or None after its end.
        self._head: bytes | None = b""
        # Of the body: number of bytes, the last few bytes, number of final chunks.
        self._body, self._end, self._final_chunks = 0, b"", 0

    def finish_response(self, length: int | None) -> None:
        """Detect bytes received after the end of a response. ``length`` is that of its body, or None if chunked.

        If the end of a chunked body is ambiguous, the connection is not reused.
        """
        # Not HTTP/2, whose requests are not recognized here, and whose frames delimit responses.
        if self._requests:
            in_chunks = self._final_chunks == 1 and self._end == b"\r\n0\r\n\r\n"
            self._has_surplus = self._head is not None or not (in_chunks if length is None else self._body == length)

    @contextmanager
    def _tunnel_errors(self) -> Iterator[None]:
        """Add a note to exceptions of a TLS handshake that follows a request: that of a proxy for a tunnel."""
        try:
            yield
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            if self._requests:
                error.add_note(IN_TUNNEL)
            raise

    def _on_write(self, data: bytes) -> None:
        # Only the head of a request: not its body, nor a SOCKS handshake, nor an HTTP/2 frame.
        if not self._awaits_response and data[: data.find(b"\r\n")].endswith(b" HTTP/1.1"):
            self._requests += 1
            self._awaits_response = True
            self._is_repeatable = self._requests > 1 and data.startswith((b"GET ", b"HEAD "))
            self._head, self._body, self._end, self._final_chunks = b"", 0, b"", 0

    def _on_read(self, data: bytes) -> bytes:
        if not data:
            self._on_closed()
        elif self._requests:
            self._awaits_response = False
            self._count(data if self._head is None else self._skip_head(self._head + data))
        return data

    def _on_closed(self) -> None:
        """Make the pool use another connection if this one was closed before the response to a repeatable request."""
        if self._awaits_response and self._is_repeatable:
            raise httpcore.ConnectionNotAvailable("the kept-alive connection had been closed")

    def _skip_head(self, data: bytes) -> bytes:
        start = 0
        while end := HEAD_END.search(data, start):
            # An interim response (1xx) is followed by another head.
            if not data.startswith(b"1", start + len("HTTP/1.1 ")):
                self._is_chunked = b"chunked" in data[start : end.start()].lower()
                self._head, self._end = None, b"\r\n"
                return data[end.end() :]
            start = end.end()
        self._head = data[start : start + MAX_HEAD]
        return b""

    def _count(self, data: bytes) -> None:
        self._body += len(data)
        if self._is_chunked:
            self._final_chunks += data.count(FINAL_CHUNK) + (self._end[-4:] + data[:4]).count(FINAL_CHUNK)
            self._end = (self._end + data)[-len(FINAL_CHUNK) - 2 :]

    def _extra_info(self, stream: httpcore.NetworkStream | httpcore.AsyncNetworkStream, info: str) -> Any:
        # The pool reads this twice per request from each idle connection; anyio would compute all other values, too.
        return self._has_surplus or _is_readable(self._socket) if info == "is_readable" else stream.get_extra_info(info)


class Stream(StreamObserver, httpcore.NetworkStream):
    """A connection whose reads and writes are limited by the deadline of their request."""

    def __init__(self, stream: httpcore.NetworkStream, track: Callable[[Stream], Stream]) -> None:
        super().__init__(stream)
        self._stream, self._track = stream, track
        self._lock, self._pid = threading.Lock(), os.getpid()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            with self._lock:
                data = self._stream.read(max(max_bytes, READ_SIZE), remaining(timeout, httpcore.ReadTimeout))
        except httpcore.ReadError:
            self._on_closed()
            raise
        return self._on_read(data)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._on_write(buffer)
        with self._lock:
            self._stream.write(buffer, remaining(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        limit = remaining(timeout, httpcore.ConnectTimeout)
        with self._tunnel_errors():
            return self._track(Stream(self._stream.start_tls(ssl_context, server_hostname, limit), self._track))

    def close(self) -> None:
        """Close the connection, even while another thread reads from it or writes to it."""
        # In a forked child the connection still belongs to the parent.
        if self._socket is not None and self._pid == os.getpid():
            with suppress(OSError):
                # Ends the other thread's system call. SSLSocket.shutdown() would also drop its TLS object.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        with self._lock:
            self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._extra_info(self._stream, info)


class Backend(httpcore.SyncBackend):
    """Opens connections to addresses that the policy permits, and closes them all."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._streams: WeakSet[Stream] = WeakSet()
        self._lock = threading.Lock()
        self._is_closed = False

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any) -> Stream:
        """Connect to the first address of ``host`` that accepts, within ``timeout`` seconds and the deadline."""
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        addresses = literal_address(host) or _resolve(host, port)
        self._policy(host, addresses)
        for number, address in enumerate(addresses, 1):
            limit = remaining(address_timeout(until, len(addresses) - number), httpcore.ConnectTimeout)
            try:
                return self._track(Stream(super().connect_tcp(address, port, limit, *args, **kwargs), self._track))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no addresses")

    def close(self) -> None:
        """Close all connections, including those that requests are using or opening."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.close()

    def _track(self, stream: Stream) -> Stream:
        with self._lock:
            if not self._is_closed:
                self._streams.add(stream)
                return stream
        stream.close()
        raise httpcore.ConnectError("the client is closed")


def literal_address(host: str) -> list[str]:
    """Return the host as the only address if it is an IP address in standard notation, else an empty list."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return []


def unique_addresses(found: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the distinct addresses of a ``getaddrinfo`` result, in its order."""
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def address_timeout(until: float, others: int) -> float | None:
    """Return the seconds for connecting to one address: an equal share of the time left, with ``others`` to follow."""
    left = max(until - time.monotonic(), 0.001)
    return None if math.isinf(left) else left / (others + 1)


def _resolve(host: str, port: int) -> list[str]:
    # Not limited by the deadline: getaddrinfo has no timeout, and a resolver in Python would ignore /etc/hosts.
    try:
        return unique_addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except socket.gaierror as error:
        raise httpcore.ConnectError(str(error)) from error


def _is_readable(connection: Any) -> bool:
    """Whether a socket has data or was closed by the peer."""
    if connection is None or connection.fileno() < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([connection], [], [], 0)[0])
