"""The driver: Starlette answers what the gateway decided, uvicorn carries it. No judgement here."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import Response, StreamingResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from kkiai_sdk.mock._faults import End, play
from kkiai_sdk.mock._messages import ReceivedRequest, Reply, nested_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.flow_control import FlowControl

    from kkiai_sdk.mock._faults import Steps

CHUNK = 65_536  # bytes of a body that are sent at once
GRACE = 2.0  # seconds that answers under way are given when the gateway is closed
LOOK = 0.002  # seconds between two looks at what is left of them


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
        played = play(reply)
        if isinstance(played, Reply):
            await _response(played)(scope, receive, send)
        else:
            await self._break(played, scope["state"]["connection"], receive)

    async def _break(self, steps: Steps, connection: Connection, receive: Receive) -> None:
        """Take the steps, until the last of them, until the client has gone, or until the server stops."""
        gone = asyncio.create_task(_until_gone(receive))
        stopping = asyncio.create_task(self._stopping.wait())
        walking = asyncio.create_task(self._walk(steps, connection))
        await asyncio.wait({gone, stopping, walking}, return_when=asyncio.FIRST_COMPLETED)
        if walking.done():
            # It may have ended with bytes that are not sent yet, or with silence.
            await asyncio.wait({gone, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # asyncio trips over a transport that was lost while it had something to write.
        with suppress(AttributeError):
            connection.transport.abort()
        walking.cancel()
        stopping.cancel()
        await asyncio.gather(gone, stopping, walking, return_exceptions=True)
        if not walking.cancelled():
            walking.result()

    async def _walk(self, steps: Steps, connection: Connection) -> None:
        for step in steps:
            if isinstance(step, bytes):
                await connection.send(step)
            elif isinstance(step, float):
                await asyncio.sleep(step / self._speed)
            else:
                connection.end(step)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _received(scope: Scope) -> ReceivedRequest:
    return ReceivedRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
    )


def _response(reply: Reply) -> Response:
    headers = {"content-type": reply.content_type, "content-length": str(len(reply.body)), **dict(reply.headers)}
    if len(reply.body) <= CHUNK:
        return Response(reply.body, reply.status, headers)
    return StreamingResponse(_chunks(reply.body), reply.status, headers)


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]


class Connection:
    """The bare connection below HTTP, for answers that are none."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self.transport = transport
        self._flow = flow

    async def send(self, data: bytes) -> None:
        """Send bytes as they are, as fast as the other side takes them."""
        self.transport.write(data)
        await self._flow.drain()

    def end(self, end: End) -> None:
        """Close or reset the connection once everything is sent."""
        if end is End.RESET:
            # A socket that does not linger is closed with a reset.
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if end is not End.STAY:
            self.transport.close()


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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # As uvicorn does it, which looks at what is left only every tenth of a second: a suite closes many gateways.
        for each in (*self.servers, *(sockets or ())):
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 (there is no event for it)
                    await asyncio.sleep(LOOK)
        for task in self.server_state.tasks:
            task.cancel()

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
                self._loop.call_soon_threadsafe(self._stopping.set)


class _Protocol(H11Protocol):
    """uvicorn's protocol with two things that ASGI has no word for: bare bytes, and what broken HTTP is told."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        super().connection_made(transport)
        self.access_log = False
        self.app_state = {"connection": Connection(transport, self.flow)}

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
