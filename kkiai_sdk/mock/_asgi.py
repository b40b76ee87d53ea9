"""The driver: Starlette answers what the gateway decided, uvicorn carries it. No judgement here."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import Response, StreamingResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from kkiai_sdk.mock._messages import ReceivedRequest, Reply, nested_error

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

CHUNK = 65_536  # bytes of a body that are sent at once


class Server:
    """An HTTP server on listening sockets; ``answer`` turns a request and a port into a reply.

    ``speed`` is how many gateway seconds pass in one second.
    """

    def __init__(self, answer: Callable[[ReceivedRequest, int], Reply], speed: float) -> None:
        self._answer = answer
        self._speed = speed
        self._stopping = asyncio.Event()
        config = uvicorn.Config(
            self._respond,
            interface="asgi3",
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        self._uvicorn = _Uvicorn(config, self._stopping)

    def run(self, sockets: list[socket.socket]) -> None:
        """Serve until :meth:`stop`, then close the sockets. Blocks; must not run in the main thread."""
        self._uvicorn.run(sockets)

    def stop(self) -> None:
        """Make :meth:`run` return soon. May be called from any thread, before or after ``run`` began."""
        self._uvicorn.stop()

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._answer(_received(scope), scope["server"][1])
        if reply.delay:
            # A gateway that is being closed answers at once rather than keep its thread alive.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), reply.delay / self._speed)
        await _response(reply, scope["state"]["cut"])(scope, receive, send)


def _received(scope: Scope) -> ReceivedRequest:
    return ReceivedRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
    )


def _response(reply: Reply, cut: Callable[[], None]) -> Response:
    headers = {"content-type": reply.content_type, "content-length": str(len(reply.body)), **dict(reply.headers)}
    if reply.cut_after is None and len(reply.body) <= CHUNK:
        return Response(reply.body, reply.status, headers)
    return StreamingResponse(_chunks(reply, cut), reply.status, headers)


async def _chunks(reply: Reply, cut: Callable[[], None]) -> AsyncIterator[bytes]:
    end = len(reply.body) if reply.cut_after is None else reply.cut_after
    for start in range(0, end, CHUNK):
        yield reply.body[start : min(end, start + CHUNK)]
    if reply.cut_after is not None:
        cut()
        # Starlette cancels this once it learns that the connection is gone; to return would end the body properly.
        await asyncio.Event().wait()


class _Uvicorn(uvicorn.Server):
    """uvicorn, told to stop by an event: its own loop looks for that only every tenth of a second."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        # The loop is noted before should_exit is read, and stop() does the opposite: one of them sees the other.
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)  # the Date header is made anew every second

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
                self._loop.call_soon_threadsafe(self._stopping.set)


class _Protocol(H11Protocol):
    """uvicorn's protocol with two things that ASGI has no word for: a cut, and what broken HTTP is told."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        super().connection_made(transport)
        self.access_log = False
        self.app_state = {"cut": transport.close}

    def send_400_response(self, msg: str) -> None:
        request_id = "mock-unreadable"
        reply = nested_error(400, msg, request_id, kind="invalid_request_error")
        head = (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"
            f"content-type: {reply.content_type}\r\ncontent-length: {len(reply.body)}\r\n"
            f"x-oneapi-request-id: {request_id}\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + reply.body)
        self.transport.close()
