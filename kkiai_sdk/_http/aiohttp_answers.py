"""What aiohttp does not see about a connection that it keeps: :mod:`kkiai_sdk._http.connections`, for the extra.

aiohttp finds out only in part that a server sent more than its answer, reads what is left over as the next one, and
drops a good answer when it cannot make sense of what follows. So here the bytes are dealt out to its parser: a head,
and as many as belong to the body. Whatever comes beyond is not read, and the connection is not used again.
"""

from __future__ import annotations

import asyncio
import re
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES
from aiohttp.http_exceptions import BadHttpMessage
from attrs import define
from httpcore._utils import is_socket_readable

from kkiai_sdk._http.streams import MAX_INTERIM

if TYPE_CHECKING:
    import yarl

#: Bytes of a head, as in h11, by way of httpcore: aiohttp knows limits for a line only.
MAX_HEAD = 100 * 1024
#: Bytes of a body in chunks without one of content among them: aiohttp would collect trailers for ever. More than it
#: holds back while nobody reads.
MAX_FRAME = 1 << 20
#: How the head of an answer ends; aiohttp's parser takes a bare line feed too.
_HEAD_END = re.compile(rb"\n\r?\n")
#: How a body in chunks ends, unless it has trailers. Surplus that ends so, too, contains the end of a head, and the
#: parser either finds an answer there or an error.
_LAST_CHUNK = b"\r\n0\r\n\r\n"
#: A body that ends with the connection, or in its own way.
_OPEN = sys.maxsize


@define(eq=False)
class Attempt:
    """One request on its way through aiohttp, and the connection that it goes over."""

    #: Where it goes, to the letter.
    url: yarl.URL
    #: Whether a kept connection will not do.
    is_fresh: bool = False
    handler: Handler | None = None


#: aiohttp hands nothing through to its connections, so they look here for the attempt of the running task.
ATTEMPT: ContextVar[Attempt] = ContextVar("ATTEMPT")


class Handler(ResponseHandler):
    """The connection of aiohttp's that feeds its parser answer by answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        #: Requests so far.
        self.requests = 0
        #: Whether anything of the current answer has come.
        self.is_answering = False
        #: Why the connection was lost.
        self.lost: BaseException | None = None
        #: From its making to its loss, also while it is closing.
        self.opened: asyncio.Transport | None = None
        self._in_head = self._is_chunked = self._is_soiled = False
        # Bytes of the head, or of a body in chunks since its content last grew.
        self._size = self._content = self._due = self._interim = 0
        self._last = b""

    def set_response_params(self, **params: Any) -> None:
        """A request is about to be sent."""
        ATTEMPT.get().handler = self
        self.requests += 1
        self.is_answering = self._is_chunked = False
        self._in_head, self._size, self._last, self._interim = True, 0, b"", 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        # What comes before the first request, aiohttp keeps until then. With nothing it resumes what it paused.
        if not data or not self.requests:
            super().data_received(data)
            return
        self.is_answering = True
        while data and self._in_head and self._exception is None:
            data = self._read_head(data)
        if data and self._exception is None:
            self._read_body(data)

    def _read_head(self, data: bytes) -> bytes:
        """Hand on what belongs to the head; gives the rest."""
        seen = self._last + data
        end = _HEAD_END.search(seen)
        cut = end.end() - len(self._last) if end else len(data)
        self._size, self._last = (0, b"\r\n") if end else (self._size + cut, seen[-2:])
        if self._size > MAX_HEAD:
            self._refuse("the head is too long")
            return b""
        super().data_received(data[:cut])
        return data[cut:]

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head has been read."""
        message = data[0]
        codings = message.headers.getall("Transfer-Encoding", [])
        if codings and [each.lower() for each in codings] != ["chunked"]:
            # The parser passes over what it cannot undo, and nobody could make sense of the body.
            self._refuse("a transfer coding other than chunked")
            return
        self._in_head = 100 <= message.code < 200 and message.code != 101
        self._interim += self._in_head
        if self._interim > MAX_INTERIM:
            self._refuse("interim answers without end")
            return
        self._is_chunked = message.chunked
        if self._skip_payload or message.code in EMPTY_BODY_STATUS_CODES:
            self._due, self._is_chunked = 0, False
        elif message.chunked:
            self._due = _OPEN
        else:
            self._due = int(message.headers.get("Content-Length", _OPEN))
        super().feed_data(data, size)

    def _read_body(self, data: bytes) -> None:
        if self._is_chunked:
            if self._payload is None or self._payload.is_eof():
                self._due = 0
            elif self._is_all_frame(self._payload.total_bytes, len(data)):
                self._refuse("a body in chunks without content")
                return
            self._last = (self._last + data)[-len(_LAST_CHUNK) :]
        self._is_soiled = len(data) > self._due
        part = data[: self._due]
        self._due -= 0 if self._due == _OPEN else len(part)
        if part:
            super().data_received(part)
        if self._is_soiled:
            self._hang_up()

    def _is_all_frame(self, content: int, size: int) -> bool:
        """Whether ``size`` more bytes of a body are too many for one whose content stays at ``content`` bytes."""
        self._size = size if content != self._content else self._size + size
        self._content = content
        return self._size > MAX_FRAME

    def _refuse(self, why: str) -> None:
        self.set_exception(BadHttpMessage(why))
        self._hang_up()

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    @property
    def should_close(self) -> bool:
        cut_clean = not self._is_chunked or self._last == _LAST_CHUNK
        return super().should_close or self._in_head or self._is_soiled or not cut_clean

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        # Left to itself, aiohttp lets the reader of a body wait for more when the parser has given up.
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc if isinstance(exc, aiohttp.ClientError) else aiohttp.ClientPayloadError(str(exc)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.opened = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.opened, self.lost = None, exc
        super().connection_lost(exc)


class Connector(aiohttp.TCPConnector):
    """Opens such connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # aiohttp has no public place for either.
        self._factory = self._handler  # type: ignore[assignment]
        self._handlers = WeakSet[Handler]()

    def _handler(self) -> Handler:
        handler = Handler(self._loop)
        self._handlers.add(handler)
        return handler

    async def hang_up(self) -> None:
        """End what is closing still: over TLS that takes until the other side says goodbye, and the event loop may be
        gone by then.
        """
        opened = [handler.opened for handler in self._handlers if handler.opened is not None]
        for transport in opened:
            transport.abort()
        # One turn in which TLS is told, one in which the socket is closed.
        for _ in range(2 if opened else 0):
            await asyncio.sleep(0)

    @property
    def closed(self) -> bool:
        """Also when the event loop has ended: then nothing can be closed any more, and nobody need hear of it."""
        return self._closed or not self._loop.is_running()

    def __del__(self, *args: Any) -> None:
        self._closed = self.closed
        super().__del__(*args)

    async def _get(self, *args: Any) -> Any:
        if ATTEMPT.get().is_fresh:
            return None
        while (kept := await super()._get(*args)) is not None:
            # What nobody has read yet would be taken for the answer to the next request.
            wire = kept.transport
            if wire is not None and not is_socket_readable(wire.get_extra_info("socket")):
                break
            kept.close()
        return kept
