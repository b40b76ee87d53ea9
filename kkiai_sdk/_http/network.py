"""Network backend of the synchronous transport, and the parts that it shares with the asynchronous one.

httpx limits each read by itself, so a server that sends a byte now and then never exceeds its limit. Here every step
inside :func:`request_scope` is limited by the time left of the whole request.

A host name is resolved once, all its addresses are judged by the address policy, and the connection goes to one of
these addresses. TLS still verifies the name.

Two faults of kept connections in httpcore 1.0.9 are met here. A connection that ended before any byte of the answer to
a GET or HEAD raises ``httpcore.ConnectionNotAvailable``, upon which the pool sends the request over another one
(RFC 9110, section 9.2.2, allows that for idempotent methods). A connection with bytes beyond the end of an answer
reports itself as readable, upon which the pool discards it; httpcore would read them as the next answer.
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

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence

    #: Raises for a host that must not be connected to, given all its addresses.
    AddressPolicy: TypeAlias = Callable[[str, Sequence[str]], None]

#: Bytes asked of a socket at once, as by asyncio. httpcore asks for 64 KiB, which costs more CPU time for files.
READ_SIZE = 256 * 1024
#: Bytes of a head at most, as in h11 by way of httpcore.
MAX_HEAD = 100 * 1024

#: The end of a head, for h11.
HEAD_END = re.compile(rb"\n\r?\n")
#: The last chunk of a chunked body, behind the end of the one before.
FINAL_CHUNK = b"\r\n0\r\n"

#: Monotonic time at which the current request ends; None outside of requests of this package.
_deadline: ContextVar[float | None] = ContextVar("kkiai_sdk_deadline", default=None)


@contextmanager
def request_scope(seconds: float = math.inf) -> Iterator[None]:
    """Mark the code inside as a request of this package, which ends in ``seconds`` at the latest."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        # A coroutine that is discarded unfinished ends in another context, where there is nothing to reset.
        with suppress(ValueError):
            _deadline.reset(token)


def in_request_scope() -> bool:
    """Whether the current code runs inside :func:`request_scope`."""
    return _deadline.get() is not None


def remaining(timeout: float | None, error: type[Exception]) -> float | None:
    """Seconds for one step: ``timeout``, or the time left of the request if that is less. Raises ``error`` at 0."""
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
        self._is_waiting = self._is_replaceable = self._is_chunked = self._has_surplus = False
        # Bytes of the head so far, or None behind it; bytes of the body, the last ones, and its final chunks.
        self._head: bytes | None = b""
        self._body, self._end, self._final_chunks = 0, b"", 0

    def finish_response(self, length: int | None) -> None:
        """Note that the answer was read to its end. ``length`` is that of its body, or None if it came in chunks.

        Where the end of a chunked body is in doubt, the connection is not used again: slower, and safe.
        """
        # HTTP/2, in which no request was seen, delimits its answers itself.
        if self._requests:
            in_chunks = self._final_chunks == 1 and self._end == b"\r\n0\r\n\r\n"
            self._has_surplus = self._head is not None or not (in_chunks if length is None else self._body == length)

    def _on_write(self, data: bytes) -> None:
        # The head of a request, and not its body, a greeting to a SOCKS proxy or a frame of HTTP/2.
        if not self._is_waiting and data[: data.find(b"\r\n")].endswith(b" HTTP/1.1"):
            self._requests += 1
            self._is_waiting = True
            self._is_replaceable = self._requests > 1 and data.startswith((b"GET ", b"HEAD "))
            self._head, self._body, self._end, self._final_chunks = b"", 0, b"", 0

    def _on_read(self, data: bytes) -> bytes:
        if not data:
            self._on_closed()
        elif self._requests:
            self._is_waiting = False
            self._count(data if self._head is None else self._behind_head(self._head + data))
        return data

    def _on_closed(self) -> None:
        """Have the pool take another connection if this one ended before the request reached the server."""
        if self._is_waiting and self._is_replaceable:
            raise httpcore.ConnectionNotAvailable("the kept connection had been closed")

    def _behind_head(self, data: bytes) -> bytes:
        start = 0
        while end := HEAD_END.search(data, start):
            # An interim answer (1xx) is followed by another head.
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
        # The pool asks each idle connection for this twice per request; anyio would collect all other facts each time.
        return self._has_surplus or _is_readable(self._socket) if info == "is_readable" else stream.get_extra_info(info)


class Stream(StreamObserver, httpcore.NetworkStream):
    """A connection whose reads and writes keep the deadline of the request that makes them."""

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
        return self._track(Stream(self._stream.start_tls(ssl_context, server_hostname, limit), self._track))

    def close(self) -> None:
        """Close the connection, also under a thread that reads from it or writes to it."""
        # In a forked child it is still the connection of the parent.
        if self._socket is not None and self._pid == os.getpid():
            with suppress(OSError):
                # Ends the other thread's system call. SSLSocket's own method would change the object under it.
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
            limit = remaining(share_of(until, len(addresses) - number), httpcore.ConnectTimeout)
            try:
                return self._track(Stream(super().connect_tcp(address, port, limit, *args, **kwargs), self._track))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    def close(self) -> None:
        """Close all connections, also those that requests are using or opening."""
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
    """Return the host as its only address if it is one in the usual form, else an empty list."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return []


def unique_addresses(found: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the addresses in a result of ``getaddrinfo``, in its order."""
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def share_of(until: float, others: int) -> float | None:
    """Return seconds for one address: an equal share of the time left, so that a dead one does not use up all of it."""
    left = max(until - time.monotonic(), 0.001)
    return None if math.isinf(left) else left / (others + 1)


def _resolve(host: str, port: int) -> list[str]:
    # Not bounded by the deadline: the system has no call for that, and a resolver of our own would not know /etc/hosts.
    try:
        return unique_addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except socket.gaierror as error:
        raise httpcore.ConnectError(str(error)) from error


def _is_readable(connection: Any) -> bool:
    """Whether a socket has data, or is closed by the other side."""
    if connection is None or connection.fileno() < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([connection], [], [], 0)[0])
