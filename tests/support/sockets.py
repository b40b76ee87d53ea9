"""Servers for what is not HTTP: a bare listener, and a proxy that passes everything through."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def listening(talk: Callable[[socket.socket], object], host: str = "127.0.0.1") -> Iterator[int]:
    """A port where ``talk`` is had with everybody who connects, in a thread each. It must end when they close."""
    threads: list[threading.Thread] = []
    opened: list[socket.socket] = []

    def begin(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def accept(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            if is_over.is_set():
                connection.close()
                return
            opened.append(connection)
            threads.append(threading.Thread(target=begin, args=(connection,), daemon=True))
            threads[-1].start()

    is_over = threading.Event()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        first = threading.Thread(target=accept, args=(listener,), daemon=True)
        first.start()
        port: int = listener.getsockname()[1]
        try:
            yield port
        finally:
            is_over.set()
            socket.create_connection((host, port)).close()
            first.join()
            for connection in opened:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def silence(connection: socket.socket) -> None:
    """Take everything and say nothing."""
    while connection.recv(65536):
        pass


class Tunnel:
    """A proxy for CONNECT: whatever host is asked for, the connection goes to that port of this machine."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Go Ahead\r\n\r\n") -> None:
        #: The heads of all requests.
        self.heads: list[str] = []
        self._answer = answer

    def __call__(self, connection: socket.socket) -> None:
        """Serve one connection to its end."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := connection.recv(65536)):
                return
            head += data
        self.heads.append(head.decode("latin-1"))
        port = int(head.split(b" ", 2)[1].rsplit(b":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as behind:
            connection.sendall(self._answer)
            while True:
                ready, _, _ = select.select([connection, behind], [], [])
                for one, other in ((connection, behind), (behind, connection)):
                    if one in ready:
                        if not (data := one.recv(65536)):
                            return
                        other.sendall(data)
