"""Kept-alive connections: closed by the server, or with bytes after a response."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

import kkiai_sdk as k
from tests.support.adapter import raw_request
from tests.support.canary import KEY
from tests.support.rawserver import End, RawReply
from tests.support.wire import CLOSE, RESET, http, json_reply, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawRequest

HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Ty"


@pytest.mark.fault("N-09")
@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["closed", "reset"])
def test_kept_connection_closed_by_server_is_replaced_without_an_error(
    make: Maker, serve: Serve, clock: FakeTime, end: RawReply
) -> None:
    """A query over a kept connection that was closed is sent again at once, without counting as a retry."""
    server = serve(task("queued"), end, task("running"), end, task("completed"))
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(3)] == ["queued", "running", "completed"]
    assert ([each.connection for each in server.requests], clock.sleeps) == ([0, 0, 1, 1, 2], [])


@pytest.mark.fault("N-09")
def test_server_that_closes_after_each_response_fails_no_query(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """None of 150 queries fails or waits, whenever the server closes the connection between two of them."""
    server = serve(each=lambda _: RawReply(*_parts(task("queued")), End.FIN))
    client = make(server.url, max_retries=0)
    assert {client.query("t").status for _ in range(150)} == {"queued"}
    assert clock.sleeps == []


def _parts(reply: RawReply) -> tuple[bytes, bytes]:
    assert isinstance(reply.body, bytes)
    return reply.head, reply.body


@pytest.mark.fault("N-06", "N-09")
def test_new_connection_closed_without_a_byte_counts_as_a_retry(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """If the new connection is closed too, that is a failure like any other: counted, and followed by a delay."""
    server = serve(task(), CLOSE, CLOSE, task("queued"))
    client = make(server.url)
    client.query("t")
    assert client.query("t").status == "queued"
    assert ([each.connection for each in server.requests], clock.sleeps) == ([0, 0, 1, 2], [0.5])


@pytest.mark.fault("N-09")
def test_connection_closed_within_a_response_counts_as_a_retry(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """After a byte of the response the server had the request: it is repeated only as a retry."""
    server = serve(task(), RawReply(HALF_A_HEAD, end=End.FIN), task("queued"))
    client = make(server.url)
    client.query("t")
    assert client.query("t").status == "queued"
    assert clock.sleeps == [0.5]


@pytest.mark.fault("N-09")
def test_post_over_a_closed_kept_connection_is_not_repeated(make: Maker, serve: Serve) -> None:
    """A POST is not repeated over another connection: the server may have acted on it."""
    server = serve(task(), CLOSE)
    client = make(server.url)
    client.query("t")
    with pytest.raises(k.APIConnectionError):
        raw_request(client, "POST", "/x", json={"n": 1})
    assert [each.method for each in server.requests] == ["GET", "POST"]


FORGED = json_reply({"id": "t", "status": "FORGED"})
SURPLUS = {
    "a second answer": FORGED.head + b"".join([FORGED.body] if isinstance(FORGED.body, bytes) else FORGED.body),
    "half a head": b"HTTP/1.1 200 OK\r\nX-Forged: ",
    "one byte": b" ",
}


@pytest.mark.fault("B-02")
@pytest.mark.parametrize("surplus", SURPLUS)
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "chunked"])
def test_bytes_after_a_response_are_never_read_as_the_next_one(
    make: Maker, serve: Serve, clock: FakeTime, surplus: str, *, chunked: bool
) -> None:
    """After bytes beyond the end of a response, the connection is not used again."""
    body = b'{"id": "t", "status": "queued"}'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = RawReply(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)) if chunked else http(200, body)
    first = RawReply(reply.head, b"".join([reply.body, SURPLUS[surplus]] if isinstance(reply.body, bytes) else []))
    server = serve(first, task("running"), task("completed"))
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(3)] == ["queued", "running", "completed"]
    assert ([each.connection for each in server.requests], clock.sleeps) == ([0, 1, 1], [])


@pytest.mark.fault("B-02")
def test_bytes_on_an_idle_connection_are_never_read_as_a_response(make: Maker, serve: Serve) -> None:
    """The same for bytes that a server sends on an idle connection."""
    is_idle, all_sent = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b'{"id": "t", "status": "queued"}'
        is_idle.wait()
        yield SURPLUS["a second answer"]
        all_sent.set()

    server = serve(RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n", pieces()), task("running"))
    client = make(server.url, max_retries=0)
    assert client.query("t").status == "queued"
    is_idle.set()
    all_sent.wait()
    assert client.query("t").status == "running"


@contextmanager
def two_records(tls: ssl.SSLContext, first: bytes, second: bytes) -> Iterator[tuple[int, list[int]]]:
    """A server that sends each response as two TLS records in one piece; yields its port and the connections used."""
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


def _bytes(reply: RawReply) -> bytes:
    return b"".join(_parts(reply))


@pytest.mark.fault("B-02")
def test_surplus_in_another_tls_record_is_never_read_as_a_response(make: Maker) -> None:
    """Bytes after a response in a TLS record that is not decrypted yet are not read as a response either."""
    authority, server_side = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_side = ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    with two_records(server_side, _bytes(task("queued")), SURPLUS["a second answer"]) as (port, answered):
        client = make(f"https://127.0.0.1:{port}", httpx_args={"verify": client_side})
        assert [client.query("t", max_retries=0).status for _ in range(2)] == ["queued", "running"]
        client.close()
    assert answered == [0, 1]


def test_concurrent_queries_use_one_connection_each_and_later_ones_the_last(serve: Serve) -> None:
    """Concurrent queries use a connection each; later ones use the one that was used last."""
    all_here = threading.Barrier(4)

    def answer(_: RawRequest) -> RawReply:
        all_here.wait(10)
        return task("queued")

    server = serve(*[answer] * 4, task("running"), task("completed"))
    with k.Kkiai(KEY, base_url=server.url) as client, ThreadPoolExecutor() as threads:
        assert [each.status for each in threads.map(client.query, "abcd")] == ["queued"] * 4
        assert [client.query("t").status for _ in range(2)] == ["running", "completed"]
    used = [each.connection for each in server.requests]
    assert (sorted(used[:4]), used[4]) == ([0, 1, 2, 3], used[5])


@pytest.mark.parametrize(
    ("limits", "connections"),
    [
        (httpx.Limits(), [0, 0, 0]),
        (httpx.Limits(max_keepalive_connections=0), [0, 1, 2]),
        (httpx.Limits(keepalive_expiry=0.0), [0, 1, 2]),
    ],
    ids=["none", "no idle ones", "none idle for long"],
)
def test_idle_connection_limit_of_a_supplied_transport_is_respected(
    make: Maker, serve: Serve, limits: httpx.Limits, connections: list[int]
) -> None:
    """The limit of a supplied transport for idle connections is respected."""
    server = serve(task(), task(), task())
    transport = httpx.HTTPTransport if make.kind == "sync" else httpx.AsyncHTTPTransport
    client = make(server.url, httpx_args={"transport": transport(limits=limits)})
    for _ in range(3):
        client.query("t")
    assert [each.connection for each in server.requests] == connections


def test_threads_take_turns_over_a_transport_with_one_connection(serve: Serve) -> None:
    """With one connection allowed, eight threads take turns over it."""
    server = serve(each=lambda _: task())
    transport = httpx.HTTPTransport(limits=httpx.Limits(max_connections=1))
    with (
        k.Kkiai(KEY, base_url=server.url, httpx_args={"transport": transport}) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(client.query, "abcdefgh"))
    assert {each.connection for each in server.requests} == {0}


def test_tasks_take_turns_over_a_transport_with_one_connection(serve: Serve) -> None:
    """The same for asyncio tasks, one of which is cancelled while it waits for its turn."""
    server = serve(each=lambda _: task())
    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1))

    async def main() -> None:
        async with k.AsyncKkiai(KEY, base_url=server.url, httpx_args={"transport": transport}) as client:
            asked = [asyncio.create_task(client.query(name)) for name in "abcd"]
            await asyncio.sleep(0)
            asked[2].cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            assert [each.cancelled() for each in asked] == [False, False, True, False]
            await client.query("e")

    asyncio.run(main())
    assert {each.connection for each in server.requests} == {0}


@pytest.mark.fault("C-07")
def test_query_of_a_client_closed_by_another_thread_raises_an_error(serve: Serve) -> None:
    """A query that waits for a response raises an error when another thread closes the client."""
    arrived = threading.Event()

    def silence(_: RawRequest) -> RawReply:
        arrived.set()
        return RawReply(end=End.HANG)

    server = serve(silence)
    client = k.Kkiai(KEY, base_url=server.url, max_retries=0)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(client.query, "t")
        arrived.wait(10)
        client.close()
        with pytest.raises(k.KkiaiError) as caught:
            asked.result()
    assert not isinstance(caught.value, k.APITimeoutError)


def test_cancelled_closing_closes_every_connection(serve: Serve) -> None:
    """If closing a client is cancelled, any number of times, all its connections are closed in the end."""
    all_here = threading.Barrier(4)

    def answer(_: RawRequest) -> RawReply:
        all_here.wait(10)
        return task()

    server = serve(each=answer)

    async def main() -> None:
        client = k.AsyncKkiai(KEY, base_url=server.url)
        await asyncio.gather(*map(client.query, "abcd"))
        closing = asyncio.create_task(client.aclose())
        for _ in range(3):
            await asyncio.sleep(0)
            closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)

    asyncio.run(main())
