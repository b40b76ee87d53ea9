"""What goes wrong below HTTP, from real sockets; and redirects."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

import kkiai_sdk as k
from tests.support.adapter import raw_request
from tests.support.rawserver import Act, End
from tests.support.wire import CLOSE, HANG, RESET, http, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Ty"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FAULTS = {
    "closed without a byte": (CLOSE, "protocol"),
    "reset without a byte": (RESET, "reset"),
    "closed in the head": (Act(HALF_A_HEAD, end=End.FIN), "protocol"),
    "reset in the head": (Act(HALF_A_HEAD, end=End.RST), "reset"),
    "closed in the body": (http(200, b'{"status": "done"}').cut(5), "protocol"),
    "reset in the body": (http(200, b'{"status": "done"}').cut(5, End.RST), "reset"),
    "a length beyond all bounds": (http(200, b"{}", length=10**18).cut(2), "protocol"),
    "a bad chunk": (Act(CHUNKED, b"zz\r\n{}", End.FIN), "protocol"),
    "a cut chunk": (Act(CHUNKED, b"10\r\n{", End.FIN), "protocol"),
    "silence": (HANG, "timeout"),
    "silence in the head": (Act(HALF_A_HEAD, end=End.HANG), "timeout"),
    "silence in the body": (http(200, b'{"status": "done"}').cut(5, End.HANG), "timeout"),
}


@pytest.mark.fault("N-05", "N-06", "N-07", "N-08", "B-01", "B-03", "B-04", "B-07", "B-13")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_connection_is_tried_again(make: Maker, serve: Serve, clock: FakeTime, fault: str) -> None:
    """A connection that breaks, at any moment and in any way, is a passing trouble of one try."""
    act, kind = FAULTS[fault]
    server = serve(act, task("queued"))
    assert make(server.url, timeout=1.0 if kind == "timeout" else 30).query("t").status == "queued"
    assert (len(server.requests), clock.naps) == (2, [0.5])


@pytest.mark.fault("N-05", "N-06", "N-07", "N-08", "B-01", "B-03", "B-04", "B-07", "B-13")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_connection_that_stays_broken(make: Maker, serve: Serve, fault: str) -> None:
    """In the end it is an APIConnectionError that says where and what kind; silence is an APITimeoutError."""
    act, kind = FAULTS[fault]
    server = serve(act, act)
    with pytest.raises(k.APIConnectionError) as caught:
        make(server.url, timeout=0.1 if kind == "timeout" else 30).query("t", max_retries=1)
    error = caught.value
    assert (error.kind, error.transient) == (kind, True)
    assert isinstance(error, k.APITimeoutError) == isinstance(error, TimeoutError) == (kind == "timeout")
    assert str(error).startswith(f"127.0.0.1:{server.port}: ")
    assert [each.fault for each in error.attempts] == [kind, kind]


NO_HEADS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\x1b[2J\r\n",
    "a line that is none": b"HTTP/1.1 200 OK\r\n\x1b[2J\r\n\r\n",
    "a status that is none": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a head of 200 KB": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 0123456789\r\n" * 9000,
    "a field of 200 KB": b"HTTP/1.1 200 OK\r\nX-Filler: " + b"0123456789" * 20_000,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{}",
}


@pytest.mark.fault("N-12", "N-13", "N-14")
@pytest.mark.parametrize("what", NO_HEADS)
def test_answer_that_is_no_http_is_a_protocol_error_without_its_bytes(make: Maker, serve: Serve, what: str) -> None:
    """What is not the head of an HTTP answer is a transient APIConnectionError; the bytes are not in its message."""
    server = serve(Act(NO_HEADS[what], end=End.FIN))
    with pytest.raises(k.APIConnectionError, match="does not speak HTTP") as caught:
        make(server.url).query("t", max_retries=0)
    assert str(caught.value).startswith(f"127.0.0.1:{server.port}: ")
    assert str(caught.value).isprintable()
    assert "OpenSSH" not in str(caught.value)
    assert (len(server.requests), caught.value.kind, caught.value.transient) == (1, "protocol", True)


@pytest.mark.fault("N-01")
def test_refused(make: Maker, clock: FakeTime) -> None:
    """A port where nobody listens is tried as often as any other trouble, and the cause is kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(k.APIConnectionError, match=rf"127\.0\.0\.1:{port}: the connection was refused") as caught:
        make(f"http://127.0.0.1:{port}").query("t")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert clock.naps == [0.5, 1.0, 2.0]


@pytest.mark.fault("B-12")
def test_a_body_without_end_is_not_read_to_its_end(make: Maker, serve: Serve) -> None:
    """Of an answer no more is read than an answer can have: the rest of 200 MiB stays with the server."""
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(200):
            sent.append(number)
            yield bytes(1 << 20)

    server = serve(Act(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 << 20), pieces()))
    client = make(server.url)
    with pytest.raises(k.APIResponseError):
        client.query("t", max_retries=0)
    client.close()
    assert len(sent) < 50


def test_a_stale_connection(make: Maker, serve: Serve) -> None:
    """A server that closes a connection after its answer costs the next query nothing but a new connection."""
    answers = [http(200, b'{"status":"queued"}'), http(200, b'{"status":"done"}', ("Connection", "close"))]
    server = serve(*answers, *answers)
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(4)] == ["queued", "done"] * 2
    assert [each.connection for each in server.requests] == [0, 0, 1, 1]


@pytest.mark.fault("N-03")
def test_an_untrusted_certificate_is_final(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A certificate that is not accepted is not tried again, and the message blames the certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    server = serve(tls=tls)
    with pytest.raises(k.APIConnectionError, match="certificate was not accepted") as caught:
        make(server.url).query("t")
    assert (caught.value.kind, caught.value.transient, clock.naps) == ("tls", False, [])
    assert server.requests == []


@pytest.mark.fault("H-05")
def test_redirects_at_home_are_followed(make: Maker, serve: Serve) -> None:
    """A GET follows redirects within the gateway's own origin, with the key."""
    server = serve(http(301, b"", ("Location", "/v2/q?id=t")), http(307, b"", ("Location", "../v3/q")), task("queued"))
    assert make(server.url).query("t").status == "queued"
    assert server.targets == ["/v1/video/query?id=t", "/v2/q?id=t", "/v3/q"]
    assert len({each.header("authorization") for each in server.requests}) == 1


@pytest.mark.fault("H-07", "K-09")
def test_a_query_does_not_leave_tls(make: Maker, serve: Serve) -> None:
    """A redirect from https to http is another origin, on the same host too: not followed, and the message names the
    host without what else stood there.
    """
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    plain = serve(foreign=True)
    secure = serve(http(302, b"", ("Location", f"{plain.url}/v1/video/query?sig=s3cret")), tls=server_side)
    with pytest.raises(k.APIStatusError, match=r"unexpected redirect to 127\.0\.0\.1") as caught:
        make(secure.url, httpx_args={"verify": client_side}).query("t")
    assert "s3cret" not in str(caught.value)
    assert plain.requests == []


@pytest.mark.fault("H-05")
def test_a_post_is_not_redirected(make: Maker, serve: Serve) -> None:
    """What is not a GET follows no redirect, not even at home."""
    server = serve(http(307, b"", ("Location", "/again")))
    with pytest.raises(k.APIStatusError):
        raw_request(make(server.url), "POST", "/x", json={"n": 1})
    assert len(server.requests) == 1


@pytest.mark.fault("H-05", "K-09")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_elsewhere_are_not(make: Maker, serve: Serve, status: int) -> None:
    """A redirect to another origin ends the query with an error that names the host, and nothing is sent there."""
    other = serve(foreign=True)
    server = serve(http(status, b"", ("Location", f"{other.url}/v1/video/query?id=t")))
    with pytest.raises(k.APIStatusError, match="unexpected redirect to 127") as caught:
        make(server.url).query("t")
    assert caught.value.status_code == status
    assert (len(server.requests), other.requests) == (1, [])


@pytest.mark.fault("H-09")
@pytest.mark.parametrize("location", ["", "http://[::1", "file:///etc/passwd", "http://127.0.0.1:99999/", "data:,x"])
def test_redirects_to_nowhere(make: Maker, serve: Serve, location: str) -> None:
    """A redirect that leads nowhere is an APIError, whatever it says, and is not followed."""
    server = serve(http(302, b"", ("Location", location)))
    with pytest.raises(k.APIError):
        make(server.url).query("t", max_retries=0)
    assert len(server.requests) == 1


@pytest.mark.fault("H-08")
def test_a_ring_of_redirects(make: Maker, serve: Serve) -> None:
    """Five redirects are followed, then the sixth is an error."""
    server = serve(*[http(302, b"", ("Location", "/again"))] * 9)
    with pytest.raises(k.APIStatusError):
        make(server.url).query("t")
    assert len(server.requests) == 6


@pytest.mark.fault("K-09")
def test_the_key_stays_at_home_in_raw_requests(make: Maker, serve: Serve) -> None:
    """A raw request to another origin goes without the key."""
    other = serve(task(), foreign=True)
    raw_request(make(serve().url), "GET", f"{other.url}/x")
    assert other.requests[0].header("authorization") is None
