"""Connections that are used again: closed by the server meanwhile, or with something left over in them."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import httpcore
import pytest
import trustme

import kkiai_sdk as k
from kkiai_sdk._session_backends import Backend
from kkiai_sdk._session_connections import Connection
from tests.support.adapter import raw_request
from tests.support.rawserver import Act, End
from tests.support.wire import CLOSE, RESET, http, says, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Ty"


@pytest.mark.fault("N-09")
@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["closed", "reset"])
def test_a_stale_connection_is_nobodys_trouble(make: Maker, serve: Serve, clock: FakeTime, end: Act) -> None:
    """A query that meets the end of a kept connection is sent again at once, without costing one of its retries."""
    server = serve(task("queued"), end, task("running"), end, task("completed"))
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(3)] == ["queued", "running", "completed"]
    assert ([each.connection for each in server.requests], clock.naps) == ([0, 0, 1, 1, 2], [])


@pytest.mark.fault("N-09")
def test_a_server_that_always_hangs_up(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """However a server's silent closing falls between two of 150 queries, none of them fails or waits."""
    server = serve(each=lambda _: Act(*_parts(task("queued")), End.FIN))
    client = make(server.url, max_retries=0)
    assert {client.query("t").status for _ in range(150)} == {"queued"}
    assert clock.naps == []


def _parts(act: Act) -> tuple[bytes, bytes]:
    assert isinstance(act.body, bytes)
    return act.head, act.body


@pytest.mark.fault("N-06", "N-09")
def test_only_once(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """What ends the second time, on a new connection, is a failure like any other: counted, and paused for."""
    server = serve(task(), CLOSE, CLOSE, task("queued"))
    client = make(server.url)
    client.query("t")
    assert client.query("t").status == "queued"
    assert ([each.connection for each in server.requests], clock.naps) == ([0, 0, 1, 2], [0.5])


@pytest.mark.fault("N-09")
def test_an_answer_that_has_begun_is_no_stale_connection(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """When a byte of the answer came, the server had the request: it is repeated only as a retry."""
    server = serve(task(), Act(HALF_A_HEAD, end=End.FIN), task("queued"))
    client = make(server.url)
    client.query("t")
    assert client.query("t").status == "queued"
    assert clock.naps == [0.5]


@pytest.mark.fault("N-09")
def test_what_changes_something_is_not_sent_twice(make: Maker, serve: Serve) -> None:
    """A POST is not repeated on a stale connection: the server may have acted on it."""
    server = serve(task(), CLOSE)
    client = make(server.url)
    client.query("t")
    with pytest.raises(k.APIConnectionError):
        raw_request(client, "POST", "/x", json={"n": 1})
    assert [each.method for each in server.requests] == ["GET", "POST"]


FORGED = says({"id": "t", "status": "FORGED"})
SURPLUS = {
    "a second answer": FORGED.head + b"".join([FORGED.body] if isinstance(FORGED.body, bytes) else FORGED.body),
    "half a head": b"HTTP/1.1 200 OK\r\nX-Forged: ",
    "one byte": b" ",
}


@pytest.mark.fault("B-02")
@pytest.mark.parametrize("surplus", SURPLUS)
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "chunked"])
def test_what_is_left_over_answers_nothing(
    make: Maker, serve: Serve, clock: FakeTime, surplus: str, *, chunked: bool
) -> None:
    """Bytes behind the end of an answer are never read as the next one: the connection is not used again."""
    body = b'{"id": "t", "status": "queued"}'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    act = Act(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)) if chunked else http(200, body)
    first = Act(act.head, b"".join([act.body, SURPLUS[surplus]] if isinstance(act.body, bytes) else []))
    server = serve(first, task("running"), task("completed"))
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(3)] == ["queued", "running", "completed"]
    assert ([each.connection for each in server.requests], clock.naps) == ([0, 1, 1], [])


@pytest.mark.fault("B-02")
def test_what_comes_later_answers_nothing(make: Maker, serve: Serve) -> None:
    """The same for what a server sends on an idle connection, before it is asked again."""
    all_sent = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b'{"id": "t", "status": "queued"}'
        yield SURPLUS["a second answer"]
        all_sent.set()

    server = serve(Act(b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n", pieces()), task("running"))
    client = make(server.url, max_retries=0)
    assert client.query("t").status == "queued"
    all_sent.wait()
    assert client.query("t").status == "running"


@contextmanager
def two_records(tls: ssl.SSLContext, first: bytes, second: bytes) -> Iterator[tuple[int, list[int]]]:
    """A server that sends what it is given as two TLS records in one piece; its port, and which connections asked."""
    answered: list[int] = []

    def answer(connection: socket.socket, number: int) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = tls.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                if not peer.read(65536):
                    return
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536) or b"the end")
                continue
            answered.append(number)
            for record in (first, second) if len(answered) == 1 else (_bytes(task("running")),):
                peer.write(record)
            connection.sendall(outgoing.read())

    def serve(listener: socket.socket) -> None:
        for number in range(2):
            # It ends when the client closes the connection, or resets it.
            with suppress(OSError), listener.accept()[0] as connection:
                answer(connection, number)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], answered
        thread.join()


def _bytes(act: Act) -> bytes:
    return b"".join(_parts(act))


@pytest.mark.fault("B-02")
def test_what_is_left_over_inside_tls(make: Maker) -> None:
    """Bytes that came with an answer, and are not even decrypted yet, answer nothing either."""
    authority, server_side = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_side = ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    with two_records(server_side, _bytes(task("queued")), SURPLUS["a second answer"]) as (port, answered):
        client = make(f"https://127.0.0.1:{port}", max_retries=0, httpx_args={"verify": client_side})
        assert [client.query("t").status for _ in range(2)] == ["queued", "running"]
        client.close()
    assert answered == [0, 1]


def test_what_is_in_use_is_not_taken_for_closed(serve: Serve) -> None:
    """A pool gives one idle connection to two threads: the second is refused, and takes nothing from the first.

    The first finds the connection stale and makes it anew. If the pool took it for closed then, nobody would ever close
    what was made.
    """
    refused = threading.Event()
    seen: list[bool] = []
    server = serve(task(), lambda _: CLOSE if refused.wait(5) else task("failed"), task("completed"))
    origin, url = httpcore.URL(server.url).origin, f"{server.url}/v1/video/query?id=t"

    def make() -> httpcore.ConnectionInterface:
        seen.append(bool(seen) and connection.is_closed())
        return httpcore.HTTPConnection(origin, network_backend=Backend(httpcore.SyncBackend(), lambda *_: None))

    connection = Connection(origin, make)
    with closing(connection), ThreadPoolExecutor() as threads:
        assert b"processing" in connection.request("GET", url).content
        first = threads.submit(connection.request, "GET", url)
        while len(server.requests) < 2:
            threading.Event().wait(0.001)
        with pytest.raises(httpcore.ConnectionNotAvailable):
            connection.request("GET", url)
        refused.set()
        assert b"completed" in first.result().content
    assert seen == [False, False]
