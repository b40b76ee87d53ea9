"""Servers below HTTP: a TCP server, and a proxy that forwards all bytes."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def tcp_server(handle: Callable[[socket.socket], object], host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port whose connections run ``handle`` in a thread each. It must return when they close."""
    threads: list[threading.Thread] = []
    opened: list[socket.socket] = []

    def begin(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            handle(connection)

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


def read_silently(connection: socket.socket) -> None:
    """Read everything and send nothing."""
    while connection.recv(65536):
        pass


class ConnectProxy:
    """A CONNECT proxy that connects to the requested port of this machine, whatever the host."""

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
