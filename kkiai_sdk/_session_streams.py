"""Connections as the seam sees them: bounded in time, and with an ear for what comes unasked."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpcore

from kkiai_sdk._session_deadline import left

if TYPE_CHECKING:
    from typing import Self

#: As many bytes as asyncio takes from a socket at once (``_SelectorSocketTransport.max_size``): reading fewer would
#: leave the rest where nobody sees that it is there.
WHOLE = 256 * 1024


class Stream(httpcore.NetworkStream):
    """A connection whose reads and writes heed the deadline of the request that makes them."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        #: Whether anything has come since the last write.
        self.is_answering = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, left(timeout, httpcore.ReadTimeout))
        self.is_answering = self.is_answering or data != b""
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.is_answering = False
        self._inner.write(buffer, left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        limit = left(timeout, httpcore.ConnectTimeout)
        return type(self)(self._inner.start_tls(ssl_context, server_hostname, limit))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class AsyncStream(httpcore.AsyncNetworkStream):
    """:class:`Stream` with awaits. The deadline is around the whole request and needs no help here."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self.is_answering = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._inner.read(max(max_bytes, WHOLE), timeout)
        self.is_answering = self.is_answering or data != b""
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.is_answering = False
        await self._inner.write(buffer, timeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        return type(self)(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and (tls := self._inner.get_extra_info("ssl_object")) is not None:
            return _is_loaded(tls) or self._inner.get_extra_info(info)
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
