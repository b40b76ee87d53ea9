"""An HTTP/1.1 server in its own thread, for gateways and file hosts that fail on purpose.

It uses asyncio streams, and a separate h11 parser for each request. A handler receives the request and the stream for
the response, writes bytes that need not be HTTP, and returns the :class:`End` of the connection. Handlers run in the
server's event loop; those that block use :func:`asyncio.to_thread`, whose threads end with the server.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Self, TypeAlias

import h11

from kkiai_sdk.mock.messages import End, ReceivedRequest, nested_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

#: Maximum bytes of a request's head and of its body; larger requests are refused.
MAX_HEAD, MAX_BODY = 1 << 16, 1 << 24
#: Threads for handlers that block: one for every connection of the largest tests.
MAX_WORKERS = 1024
#: Connections that the kernel may queue until they are accepted.
BACKLOG = 1024
#: Seconds that a handler may take to end after it has been cancelled.
GRACE = 2.0
CHUNK = 1 << 16
#: The response to a request that is malformed or too large.
BAD_REQUEST = nested_error(
    400,
    "the request is malformed or too large",
    "mock-unreadable",
    kind="invalid_request_error",
    headers=(("connection", "close"), ("x-oneapi-request-id", "mock-unreadable")),
).encode()

Handler: TypeAlias = Callable[[ReceivedRequest, asyncio.StreamWriter], Awaitable[End]]


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Bind and listen, so that early connections wait in the kernel's queue. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


class Server:
    """Serves listening sockets from a thread until :meth:`close`, which leaves no thread, task or socket.

    Args:
        handler: Answers one request. It is cancelled when the server is closed.
        listeners: The sockets by name; :attr:`ReceivedRequest.server` is the name of the one that was connected to.
        tls: The server side of TLS, or None for plain TCP.
        name: The name of the thread.
    """

    def __init__(
        self,
        handler: Handler,
        listeners: Mapping[str, socket.socket],
        *,
        tls: ssl.SSLContext | None = None,
        name: str = "http-server",
    ) -> None:
        self._handler, self._listeners, self._tls = handler, listeners, tls
        self._numbers = count()
        self._connections: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []
        self._stopping = asyncio.Event()
        # Waited for instead of the thread: a join interrupted by Ctrl-C can mistake a running thread for an ended one.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start serving."""
        self._loop = asyncio.SelectorEventLoop()
        self._thread.start()

    def wait(self) -> None:
        """Block until the server has ended."""
        self._ended.wait()

    def close(self) -> None:
        """End every connection and wait until the thread has ended. Raises the first error of a handler, only once."""
        with suppress(RuntimeError):  # the loop is closed: the server has ended before
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._ended.wait()
        self._thread.join()
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(MAX_WORKERS) as workers, closing(self._loop):
                self._loop.set_default_executor(workers)
                self._loop.run_until_complete(self._main())
        finally:
            self._ended.set()

    async def _main(self) -> None:
        servers = [
            await asyncio.start_server(partial(self._connected, name), sock=listener, backlog=BACKLOG)
            for name, listener in self._listeners.items()
        ]
        await self._stopping.wait()
        # asyncio fails to accept, and leaks, a connection whose server is closed before the transport is created.
        while accepting := asyncio.all_tasks() - self._connections - {asyncio.current_task()}:
            await asyncio.wait(accepting)
        for server in servers:
            server.close()
        while self._connections:
            for task in self._connections:
                task.cancel()
            await asyncio.wait(self._connections, timeout=GRACE)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the next turn of the loop

    def _connected(self, server: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task that is cancelled before its first step runs nothing of its coroutine, hence the callback.
        task = self._loop.create_task(self._serve(server, next(self._numbers), reader, writer))
        self._connections.add(task)
        task.add_done_callback(partial(self._disconnect, writer))

    def _disconnect(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        with suppress(AttributeError):  # asyncio cannot abort a transport that has just closed itself
            writer.transport.abort()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError):  # OSError: the client has gone
            self._errors.append(error)

    async def _serve(
        self, server: str, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._tls is not None:
            # start_server() could do this, but a handshake that never ends would then not be cancelled with the task.
            await writer.start_tls(self._tls)
        # drain() then waits until the kernel has everything. TLS never goes on writing with a limit of 0.
        writer.transport.set_write_buffer_limits(1)
        end = await self._answer_all(server, number, reader, writer)
        if end is End.HANG:
            while await reader.read(CHUNK):
                pass
        elif end is End.RST:
            # A socket that does not linger is closed with a reset. Windows uses shorter integers.
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            writer.close()
            await writer.wait_closed()

    async def _answer_all(
        self, server: str, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> End:
        try:
            async with aclosing(_requests(server, number, reader, writer)) as requests:
                async for request in requests:
                    end = await self._handler(request, writer)
                    await writer.drain()
                    if end is not End.KEEP or self._stopping.is_set():
                        return end
        except h11.RemoteProtocolError:
            writer.write(BAD_REQUEST)
            if writer.can_write_eof():
                # A socket that is closed before everything is read is reset, and the response may be lost.
                writer.write_eof()
                return End.HANG
        return End.FIN


async def _requests(
    server: str, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncGenerator[ReceivedRequest, None]:
    """Read requests with their bodies, until the client ends the connection or asks to close it."""
    data, is_last = b"", False
    while not is_last:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        if data:
            parser.receive_data(data)
        request, body = None, bytearray()
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise h11.RemoteProtocolError("the body is too large", 413)
            elif not await _receive(parser, reader, writer):
                return
        if request is not None:
            method, (path, _, query) = request.method.decode("ascii"), request.target.decode("ascii").partition("?")
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers)
            yield ReceivedRequest(method, path, query, headers, server, bytes(body), number)
        data, is_last = parser.trailing_data[0], parser.their_state is h11.MUST_CLOSE


async def _receive(parser: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Pass more bytes to the parser; false at the end of the connection."""
    if parser.they_are_waiting_for_100_continue:
        go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
        writer.write(parser.send(go_on) or b"")
    data = await reader.read(CHUNK)
    if data:
        parser.receive_data(data)
    return bool(data)
