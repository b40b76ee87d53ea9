"""A server on a bare socket: it sends what it is told to, sense or nonsense, and remembers what it received."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import chain
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator


class End(Enum):
    """What becomes of the connection after an answer."""

    KEEP = auto()
    #: Closed properly.
    FIN = auto()
    #: Reset.
    RST = auto()
    #: Kept, in silence, until the other side closes it.
    HANG = auto()


@dataclass(frozen=True)
class Act:
    """What to do with one request."""

    head: bytes = b""
    #: In one piece or in several, each sent by itself.
    body: bytes | Iterable[bytes] = b""
    end: End = End.KEEP

    def cut(self, size: int, end: End = End.FIN) -> Act:
        """The same, broken off after ``size`` bytes of the body."""
        assert isinstance(self.body, bytes)
        return replace(self, body=self.body[:size], end=end)

    @property
    def pieces(self) -> Iterable[bytes]:
        """What to send, piece by piece."""
        return [self.head + self.body] if isinstance(self.body, bytes) else chain([self.head], self.body)


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    #: As sent: path and query.
    target: str
    #: Names and values as sent, in order.
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: Which connection it came over, counted from 0.
    connection: int
    #: When, by the clock of the test.
    time: float

    def header(self, name: str) -> str | None:
        """The first field called ``name`` in any case, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def task_id(self) -> str:
        """The parameter ``id``, decoded."""
        return dict(parse_qsl(urlsplit(self.target).query))["id"]


class RawServer:
    """Listens on 127.0.0.1 and gives each request the next answer of its script.

    An item of the script is an :class:`Act` or a function of the request. A request beyond its end gets a 418.
    """

    def __init__(
        self,
        script: Iterable[Act | Callable[[Received], Act]],
        *,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script = iter(script)
        self._clock, self._tls = clock, tls
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._is_closing = False
        self._problems: list[BaseException] = []
        #: Everything that arrived.
        self.requests: list[Received] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Paths and queries of what arrived."""
        return [request.target for request in self.requests]

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        # Closing a listener does not wake the thread that waits for it; a connection does.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for each in (*self._connections, self._listener):
            each.close()
        if self._problems:
            raise self._problems[0]

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="raw-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._is_closing:
                connection.close()
                return
            number = len(self._connections)
            self._connections.append(connection)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections[number] = connection
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for received in self._received(connection, number):
                act = self._next(received)
                for piece in act.pieces:
                    connection.sendall(piece)
                if act.end is not End.KEEP:
                    _end(connection, act.end)
                    return
        except OSError:
            pass  # the other side went away, or the server is being closed
        except BaseException as problem:  # a handler of the test failed: the test must hear of it
            self._problems.append(problem)
        finally:
            connection.close()

    def _received(self, connection: socket.socket, number: int) -> Iterator[Received]:
        with connection.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = []
                while (field := stream.readline().decode("latin-1").rstrip("\r\n")) != "":
                    name, _, value = field.partition(": ")
                    headers.append((name, value))
                size = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
                body = stream.read(size)
                yield Received(method, target, tuple(headers), body, number, self._clock())

    def _next(self, received: Received) -> Act:
        with self._lock:
            self.requests.append(received)
            item = next(self._script, Act(b"HTTP/1.1 418 The Script Is Over\r\ncontent-length: 0\r\n\r\n"))
        return item if isinstance(item, Act) else item(received)


def _end(connection: socket.socket, end: End) -> None:
    if end is End.RST:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif end is End.HANG:
        connection.recv(1)
    else:
        connection.shutdown(socket.SHUT_WR)
