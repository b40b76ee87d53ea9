"""A server that sends scripted raw replies, HTTP or not, and records its requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

from kkiai_sdk.mock.messages import End, ReceivedRequest
from kkiai_sdk.mock.server import Server, listen
from tests.support.clock import START

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

__all__ = ["End", "RawReply", "RawRequest", "RawServer"]


@dataclass(frozen=True)
class RawReply:
    """The raw bytes of one reply, and the end of the connection."""

    head: bytes = b""
    #: In one piece or in several, each sent by itself. A generator may block.
    body: bytes | Iterable[bytes] = b""
    end: End = End.KEEP

    def cut(self, size: int, end: End = End.FIN) -> RawReply:
        """Return a copy that ends after ``size`` bytes of the body."""
        assert isinstance(self.body, bytes)
        return replace(self, body=self.body[:size], end=end)

    @property
    def pieces(self) -> Iterable[bytes]:
        """The bytes in pieces."""
        return [self.head + self.body] if isinstance(self.body, bytes) else chain([self.head], self.body)


@dataclass(frozen=True)
class RawRequest:
    """One request as received."""

    method: str
    #: Path and query as sent.
    target: str
    #: Names in lower case, in the order of arrival.
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: The number of the connection it came over, from 0.
    connection: int
    #: The time by the clock of the test.
    time: float

    def header(self, name: str) -> str | None:
        """Return the first header called ``name`` in any case, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def task_id(self) -> str:
        """The parameter ``id``, decoded."""
        return dict(parse_qsl(urlsplit(self.target).query))["id"]


#: The reply to a request beyond the end of the script.
SCRIPT_EXHAUSTED = RawReply(b"HTTP/1.1 418 The Script Is Over\r\ncontent-length: 0\r\n\r\n")


class RawServer:
    """Listens on 127.0.0.1 and gives each request the next answer of its script.

    An item of the script is an :class:`RawReply` or a function of the request, which may block. An exception of a
    function is raised again when the server is closed.
    """

    def __init__(
        self,
        script: Iterable[RawReply | Callable[[RawRequest], RawReply]],
        *,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script = iter(script)
        self._clock, self._tls = clock, tls
        #: Every request, in order of arrival.
        self.requests: list[RawRequest] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """The targets of all requests."""
        return [request.target for request in self.requests]

    @property
    def times(self) -> list[float]:
        """The seconds from the start of the fake clock to each request."""
        return [request.time - START for request in self.requests]

    def __enter__(self) -> Self:
        listener = listen()
        self.port: int = listener.getsockname()[1]
        self._server = Server(self._answer, {"raw": listener}, tls=self._tls, name="raw-server")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> End:
        received = RawRequest(
            request.method, request.target, request.headers, request.body, request.connection, self._clock()
        )
        self.requests.append(received)
        item = next(self._script, SCRIPT_EXHAUSTED)
        reply = item if isinstance(item, RawReply) else await asyncio.to_thread(item, received)
        pieces = iter(reply.pieces)
        if isinstance(reply.body, bytes):
            writer.write(next(pieces))
            return reply.end
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            writer.write(piece)
            await writer.drain()
        return reply.end
