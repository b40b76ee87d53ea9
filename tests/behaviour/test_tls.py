"""Certificates that are not accepted, and TLS against plain HTTP."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import trustme

import kkiai_sdk as k
from tests.support.sockets import read_silently, tcp_server
from tests.support.wire import FileHost, completed_task, pattern, task

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime


def sides(
    *names: str, not_after: datetime | None = None, is_trusted: bool = True
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS contexts of a server with such a certificate, and of a client."""
    authority, server_side = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_side = ssl.create_default_context()
    authority.issue_cert(*names, not_after=not_after).configure_cert(server_side)
    if is_trusted:
        authority.configure_trust(client_side)
    return server_side, client_side


def self_signed(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a self-signed certificate."""
    authority, server_side = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(folder / "cert.pem")
    authority.private_key_pem.write_to_path(folder / "key.pem")
    server_side.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server_side, ssl.create_default_context()


PAST = datetime(2020, 2, 2, tzinfo=UTC)
CERTIFICATES: dict[str, Callable[[Path], tuple[ssl.SSLContext, ssl.SSLContext]]] = {
    "of another host": lambda _: sides("other.example"),
    "of an unknown authority": lambda _: sides("127.0.0.1", is_trusted=False),
    "of its own": self_signed,
    "expired": lambda _: sides("127.0.0.1", not_after=PAST),
}


@pytest.mark.fault("N-03")
@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_bad_certificate_is_final_for_queries_and_downloads(
    make: Maker, serve: Serve, clock: FakeTime, certificate: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A bad certificate is final, no key is sent, and the message does not suggest to disable the check."""
    server_side, client_side = CERTIFICATES[certificate](tmp_path_factory.mktemp("keys"))
    server = serve(tls=server_side)
    client = make(server.url, httpx_args={"verify": client_side})
    with pytest.raises(k.APIConnectionError, match="the server's certificate was not accepted") as caught:
        client.query("t")
    assert (caught.value.kind, caught.value.transient, clock.sleeps) == ("tls", False, [])
    with pytest.raises(k.DownloadError, match="certificate was not accepted"):
        client.download(completed_task(f"{server.url}/v.mp4"), tmp_path_factory.mktemp("out") / "v.mp4")
    assert clock.sleeps == []
    assert server.requests == []
    for word in ("verify=", "disable", "turn off", "insecure", "ignore"):
        assert word not in str(caught.value)


@pytest.mark.fault("K-15")
def test_context_with_another_authority_is_used_for_queries_and_files(
    make: Maker, serve: Serve, tmp_path: Path
) -> None:
    """A context that trusts another authority is used for queries and for files."""
    server_side, client_side = sides("127.0.0.1")
    body = pattern(2, 0, 9000)
    cdn = serve(FileHost(body), tls=server_side, foreign=True)
    server = serve(task("queued"), tls=server_side)
    client = make(server.url, httpx_args={"verify": client_side})
    assert client.query("t").status == "queued"
    assert client.download(completed_task(f"{cdn.url}/v"), tmp_path / "v.mp4").read_bytes() == body


def refuse_in_plain_words(connection: socket.socket) -> None:
    """Answer a TLS handshake as a plain HTTP server does."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@pytest.mark.fault("N-04")
def test_tls_to_a_plain_port_that_answers_is_final(make: Maker, clock: FakeTime) -> None:
    """A server that answers TLS with plain HTTP is a final error."""
    with (
        tcp_server(refuse_in_plain_words) as port,
        pytest.raises(k.APIConnectionError, match="the TLS handshake failed") as caught,
    ):
        make(f"https://127.0.0.1:{port}").query("t")
    assert (caught.value.kind, caught.value.transient, clock.sleeps) == ("tls", False, [])


@pytest.mark.fault("N-04")
def test_tls_handshake_without_an_answer_is_a_transient_timeout(make: Maker) -> None:
    """A handshake without an answer ends within the timeout, and is transient."""
    with tcp_server(read_silently) as port, pytest.raises(k.APITimeoutError) as caught:
        make(f"https://127.0.0.1:{port}", timeout=0.2).query("t", max_retries=0)
    assert caught.value.transient


def greet_by_alert(connection: socket.socket) -> None:
    """Answer plain HTTP with a fatal TLS alert."""
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x0a")


@pytest.mark.fault("N-04")
def test_plain_http_to_a_tls_port_is_a_transient_protocol_error(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A TLS server that answers with an alert, or closes, is a transient protocol error."""
    with tcp_server(greet_by_alert) as port, pytest.raises(k.APIConnectionError, match="does not speak HTTP") as caught:
        make(f"http://127.0.0.1:{port}").query("t", max_retries=0)
    assert (caught.value.kind, caught.value.transient) == ("protocol", True)
    server = serve(tls=sides("127.0.0.1")[0])
    with pytest.raises(k.APIError):
        make(f"http://127.0.0.1:{server.port}").query("t")
    assert server.requests == []
