"""Connections as the seam sees them: bounded in time, and with an ear for what comes unasked."""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore

from kkiai_sdk._http.deadline import left

if TYPE_CHECKING:
    from typing import Self

#: As many bytes as asyncio takes from a socket at once (``_SelectorSocketTransport.max_size``): reading fewer would
#: leave the rest where nobody sees that it is there.
WHOLE = 256 * 1024
#: Interim answers (1xx) before the answer itself. RFC 9110, section 15.2, has a client pass over them and names no
#: number; Go's net/http gave up after 5 for years. One read can hold thousands, and an event loop stands still while
#: they are parsed.
MAX_INTERIM = 100
#: Bytes of a status line up to the first digit of the code: ``HTTP/1.1 1``.
_TO_CODE = 10
#: How a head ends, for h11.
_HEAD_END = re.compile(rb"\n\r?\n")


class _Ear:
    """What is noticed about the bytes that go by."""

    #: Whether anything has come since the last write.
    is_answering = False
    _is_http1 = False
    #: Whether the answer itself has yet to begin; of the interim ones, how many were there, whether one is under way,
    #: and the bytes that are not enough to tell.
    _is_early = False
    _interim, _in_head, _last = 0, False, b""

    def _sends(self, data: bytes) -> None:
        if data:
            self.is_answering = False
            # The head of a request of HTTP/1.1; not what is said to a SOCKS proxy, nor HTTP/2.
            self._is_http1 = data[: data.find(b"\r\n")].endswith(b" HTTP/1.1")
            self._is_early = self._is_http1
            self._interim, self._in_head, self._last = 0, False, b""

    def _hears(self, data: bytes) -> bytes:
        begins, self.is_answering = not self.is_answering and data != b"", self.is_answering or data != b""
        if begins and self._is_http1 and not b"HTTP/".startswith(data[:5]):
            # h11 would wait for the end of the head, and take what ends before for a connection that broke off.
            raise httpcore.RemoteProtocolError("illegal status line")
        if self._is_early:
            self._count_interim(self._last + data)
        return data

    def _count_interim(self, data: bytes) -> None:
        while len(data) >= _TO_CODE or self._in_head:
            if not self._in_head and not data.startswith(b"1", _TO_CODE - 1):
                self._is_early = False
                return
            end = _HEAD_END.search(data)
            self._in_head = end is None
            if end is None:
                data = data[-2:]
                break
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise httpcore.RemoteProtocolError("interim answers without end")
            data = data[end.end() :]
        self._last = data


class Stream(_Ear, httpcore.NetworkStream):
    """A connection whose reads and writes heed the deadline of the request that makes them."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._owner = os.getpid()
        self._is_busy = self._is_closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._is_busy = True
        try:
            return self._hears(self._inner.read(max_bytes, left(timeout, httpcore.ReadTimeout)))
        finally:
            self._let_go()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sends(buffer)
        self._is_busy = True
        try:
            self._inner.write(buffer, left(timeout, httpcore.WriteTimeout))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._is_busy = False
        if self._is_closed:
            self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        limit = left(timeout, httpcore.ConnectTimeout)
        return type(self)(self._inner.start_tls(ssl_context, server_hostname, limit))

    def close(self) -> None:
        self._is_closed = True
        if self._owner == os.getpid():
            self._shut_down()
        # Under another thread that reads, its descriptor may not be given to something else: that thread closes it.
        if not self._is_busy:
            self._inner.close()

    def _shut_down(self) -> None:
        """Wake up whoever waits in a read, which closing does not."""
        connection = self._inner.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                # Not in TLS's own way, which says goodbye.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class AsyncStream(_Ear, httpcore.AsyncNetworkStream):
    """:class:`Stream` with awaits. The deadline is around the whole request and needs no help here."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        # Asked for once: anyio puts together all that it could be asked for, each time.
        self._tls: ssl.SSLObject | None = inner.get_extra_info("ssl_object")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._hears(await self._inner.read(max(max_bytes, WHOLE), timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sends(buffer)
        await self._inner.write(buffer, timeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        try:
            return type(self)(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            # httpcore 1.0.9 leaves the socket open when the handshake is cancelled.
            await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._tls is not None and _is_loaded(self._tls):
            return True
        return self._inner.get_extra_info(info)


def _is_loaded(tls: ssl.SSLObject) -> bool:
    """Whether data that came with an answer waits to be decrypted: the socket shows nothing of it.

    The byte that this takes is not missed: a connection that has something to say unasked is not used again.
    """
    try:
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True
