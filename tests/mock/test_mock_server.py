"""The server below the gateway and below the raw servers of the tests: connections, requests, and how both end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme

from kkiai_sdk.mock import server as server_module
from kkiai_sdk.mock.messages import End, ReceivedRequest, Reply
from kkiai_sdk.mock.server import Server, listen
from tests.support.leaks import ResourceSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = Reply(200, b"good").encode()


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = ResourceSnapshot()
    yield
    before.assert_unchanged()


class Running:
    """A running server, the requests it received, and an answer for each path."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[ReceivedRequest] = []
        self.released = threading.Event()
        self._listener = listen()
        self.address: tuple[str, int] = self._listener.getsockname()
        self.server = Server(self._answer, {"one": self._listener}, tls=tls)

    async def _answer(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> End:
        self.requests.append(request)
        if request.path == "/error":
            raise LookupError("the handler failed")
        if request.path == "/block":
            await asyncio.to_thread(self.released.wait)
        if request.path in {"/fin", "/rst", "/hang"}:
            writer.write(b"HTTP/1.1 200 half a he")
            return End[request.path[1:].upper()]
        if request.path == "/flood":
            while True:
                writer.write(bytes(1 << 20))
                await writer.drain()
        writer.write(GOOD if request.path != "/path" else request.target.encode())
        return End.KEEP

    def connect(self, tls: ssl.SSLContext | None = None) -> socket.socket:
        """Connect, with TLS if its client side is given."""
        connection = socket.create_connection(self.address)
        return tls.wrap_socket(connection, server_hostname="127.0.0.1") if tls else connection


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Running]:
    """A server for as long as the context."""
    running = Running(tls)
    with running.server:
        yield running


def request(path: str = "/", *fields: str, method: str = "GET") -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: here", *fields, "", ""]).encode()


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or fewer at the end of the connection."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def test_kept_connection_answers_one_request_after_another() -> None:
    """Requests over one connection have its number; another connection has the next one."""
    with serving() as running:
        for _ in range(2):
            with running.connect() as connection:
                for _ in range(2):
                    connection.sendall(request())
                    assert receive(connection, len(GOOD)) == GOOD
    assert [(each.connection, each.server) for each in running.requests] == [(0, "one")] * 2 + [(1, "one")] * 2


def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests that arrive in one piece, the last one cut, are answered one by one as they are complete."""
    whole = request("/path?a") + request("/path?b", "content-length: 3", method="POST") + b"xyz" + request("/path?c")
    with serving() as running, running.connect() as connection:
        connection.sendall(whole[:-1])
        assert receive(connection, 14) == b"/path?a/path?b"
        connection.sendall(whole[-1:])
        assert receive(connection, 7) == b"/path?c"
    assert [(each.method, each.query, each.body) for each in running.requests] == [
        ("GET", "a", b""),
        ("POST", "b", b"xyz"),
        ("GET", "c", b""),
    ]


@pytest.mark.parametrize(
    "target", ["/%ff/..//a?b=%00&c", "*", "http://other.test/a?b", "other.test:443", "/" + "a" * 9000]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "CONNECT", "TRACE", "COW", "delete"])
def test_any_method_and_target_reach_the_handler(method: str, target: str) -> None:
    """Whatever the method and the target, the request is handled as sent and the connection is kept."""
    with serving() as running, running.connect() as connection:
        for _ in range(2):
            connection.sendall(request(target, method=method))
            assert receive(connection, len(GOOD)) == GOOD
    assert [(each.method, each.target) for each in running.requests] == [(method, target)] * 2


@pytest.mark.parametrize(("version", "field"), [("1.1", "connection: close"), ("1.0", "connection: keep-alive")])
def test_request_for_one_answer_ends_connection(version: str, field: str) -> None:
    """A connection ends after the answer if the client said so, or speaks HTTP/1.0."""
    with serving() as running, running.connect() as connection:
        connection.sendall(request("/", field).replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
        assert receive(connection, 1000) == GOOD


def test_expected_continue_is_sent_before_body() -> None:
    """A client that waits for 100 Continue gets it, and its body is read then."""
    with serving() as running, running.connect() as connection:
        connection.sendall(request("/", "content-length: 4", "expect: 100-continue", method="PUT"))
        assert receive(connection, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert receive(connection, len(GOOD)) == GOOD
    assert [each.body for each in running.requests] == [b"body"]


@pytest.mark.parametrize(
    "sent",
    [
        b"moo\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: here\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        request("/", "content-length: -1"),
        request("/", "content-length: 11", method="POST") + bytes(11),
        request("/", "x: " + "a" * (1 << 20)),
    ],
)
def test_malformed_or_large_request_is_refused(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is malformed, or whose head or body is too large, gets a 400 and no handler."""
    monkeypatch.setattr(server_module, "MAX_BODY", 10)
    with serving() as running, running.connect() as connection:
        connection.sendall(sent)
        assert receive(connection, 1000) == server_module.BAD_REQUEST
    assert running.requests == []


def test_connection_ended_inside_request_is_not_handled() -> None:
    """A client that leaves in the middle of a request gets nothing, and the next client is served."""
    with serving() as running:
        with running.connect() as connection:
            connection.sendall(request()[:-1])
            connection.shutdown(socket.SHUT_WR)
            assert receive(connection, 1) == b""
        with running.connect() as connection:
            connection.sendall(request())
            connection.shutdown(socket.SHUT_WR)
            assert receive(connection, 1000) == GOOD
    assert len(running.requests) == 1


@pytest.fixture(params=["plain", "TLS"])
def sides(request: pytest.FixtureRequest) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """The two sides of TLS, or none."""
    if request.param == "plain":
        return None, None
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    return server_side, client_side


@pytest.mark.parametrize("path", ["/fin", "/rst", "/hang"])
def test_end_of_handler_decides_end_of_connection(
    sides: tuple[ssl.SSLContext | None, ssl.SSLContext | None], path: str
) -> None:
    """After bytes that are not HTTP the connection is closed, reset, or kept in silence, over TLS as well."""
    server_side, client_side = sides
    with serving(server_side) as running, running.connect(client_side) as connection:
        connection.sendall(request(path))
        assert receive(connection, 22) == b"HTTP/1.1 200 half a he"
        if path == "/rst" and client_side is None:
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        elif path == "/rst":  # OpenSSL may take a reset for the end
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        elif path == "/fin":
            assert connection.recv(1) == b""
        else:
            connection.setblocking(False)
            with pytest.raises((BlockingIOError, ssl.SSLWantReadError)):
                connection.recv(1)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", request()])
def test_close_ends_tls_handshake_that_goes_nowhere(sent: bytes) -> None:
    """A server that is closed ends connections whose handshake has not begun, has stopped, or is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as running, running.connect() as connection:
        connection.sendall(sent)
        running.server.close()
    assert running.requests == []


@pytest.mark.parametrize("path", ["/", "/hang", "/flood"])
def test_close_ends_connections_in_every_state(path: str) -> None:
    """A server that is closed ends connections that are new, idle, silent, or full."""
    with serving() as running, running.connect() as connection, running.connect():
        connection.sendall(request(path))
        assert connection.recv(1)
        running.server.close()


def test_blocking_handler_leaves_other_connections_alone() -> None:
    """A handler that blocks in a thread does not stop other connections."""
    with serving() as running, running.connect() as blocked, running.connect() as other:
        blocked.sendall(request("/block"))
        other.sendall(request())
        assert receive(other, len(GOOD)) == GOOD
        running.released.set()
        assert receive(blocked, len(GOOD)) == GOOD


def test_client_that_leaves_while_sent_to_is_forgotten() -> None:
    """A client that goes away in the middle of an answer is no error."""
    with serving() as running:
        with running.connect() as connection:
            connection.sendall(request("/flood"))
            assert connection.recv(1)
        with running.connect() as connection:
            connection.sendall(request())
            assert receive(connection, len(GOOD)) == GOOD


def test_error_of_handler_is_raised_by_close_once() -> None:
    """An error of a handler ends its connection and is raised when the server is closed, and not again."""
    running = Running()
    running.server.start()
    with running.connect() as connection:
        connection.sendall(request("/error"))
        assert receive(connection, 1) == b""
    with pytest.raises(LookupError, match="the handler failed"):
        running.server.close()
    running.server.close()
