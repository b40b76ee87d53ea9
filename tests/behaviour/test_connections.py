"""Connection faults from real sockets, and redirects of queries."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

import kkiai_sdk as k
from tests.support.adapter import raw_request
from tests.support.rawserver import End, RawReply
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
    "closed in the head": (RawReply(HALF_A_HEAD, end=End.FIN), "protocol"),
    "reset in the head": (RawReply(HALF_A_HEAD, end=End.RST), "reset"),
    "closed in the body": (http(200, b'{"status": "done"}').cut(5), "protocol"),
    "reset in the body": (http(200, b'{"status": "done"}').cut(5, End.RST), "reset"),
    "a length beyond all bounds": (http(200, b"{}", length=10**18).cut(2), "protocol"),
    "a bad chunk": (RawReply(CHUNKED, b"zz\r\n{}", End.FIN), "protocol"),
    "a cut chunk": (RawReply(CHUNKED, b"10\r\n{", End.FIN), "protocol"),
    "silence": (HANG, "timeout"),
    "silence in the head": (RawReply(HALF_A_HEAD, end=End.HANG), "timeout"),
    "silence in the body": (http(200, b'{"status": "done"}').cut(5, End.HANG), "timeout"),
}


@pytest.mark.fault("N-05", "N-06", "N-07", "N-08", "B-01", "B-03", "B-04", "B-07", "B-13")
@pytest.mark.parametrize("fault", FAULTS)
def test_query_over_a_broken_connection_is_retried(make: Maker, serve: Serve, clock: FakeTime, fault: str) -> None:
    """A connection that breaks, at any moment and in any way, is a transient fault of one attempt."""
    reply, kind = FAULTS[fault]
    server = serve(reply, task("queued"))
    assert make(server.url, timeout=1.0 if kind == "timeout" else 30).query("t").status == "queued"
    assert (len(server.requests), clock.sleeps) == (2, [0.5])


@pytest.mark.fault("N-05", "N-06", "N-07", "N-08", "B-01", "B-03", "B-04", "B-07", "B-13")
@pytest.mark.parametrize("fault", FAULTS)
def test_connection_that_breaks_every_time_raises_an_error_with_its_kind(make: Maker, serve: Serve, fault: str) -> None:
    """After the last attempt an APIConnectionError names the address and the kind; silence is an APITimeoutError."""
    reply, kind = FAULTS[fault]
    server = serve(reply, reply)
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
    """Bytes that are no head of an HTTP response are a transient APIConnectionError, whose message omits them."""
    server = serve(RawReply(NO_HEADS[what], end=End.FIN))
    with pytest.raises(k.APIConnectionError, match="does not speak HTTP") as caught:
        make(server.url).query("t", max_retries=0)
    assert str(caught.value).startswith(f"127.0.0.1:{server.port}: ")
    assert str(caught.value).isprintable()
    assert "OpenSSH" not in str(caught.value)
    assert (len(server.requests), caught.value.kind, caught.value.transient) == (1, "protocol", True)


@pytest.mark.fault("N-01")
def test_refused_connection_is_retried_and_keeps_its_cause(make: Maker, clock: FakeTime) -> None:
    """A refused connection is retried; both clients give the reason of the system, and keep the cause."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(
        k.APIConnectionError, match=rf":{port}: the connection was refused \({os.strerror(errno.ECONNREFUSED)}\)"
    ) as caught:
        make(f"http://127.0.0.1:{port}").query("t")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert clock.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.fault("B-12")
def test_oversized_body_is_read_up_to_the_limit_only(make: Maker, serve: Serve) -> None:
    """No more of a response is read than its size limit: the rest of 200 MiB is not received."""
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(200):
            sent.append(number)
            yield bytes(1 << 20)

    server = serve(RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 << 20), pieces()))
    client = make(server.url)
    with pytest.raises(k.APIResponseError):
        client.query("t", max_retries=0)
    client.close()
    assert len(sent) < 50


def test_connection_closed_after_the_response_is_replaced_without_a_retry(make: Maker, serve: Serve) -> None:
    """If a server closes the connection after its response, the next query opens another one."""
    answers = [http(200, b'{"status":"queued"}'), http(200, b'{"status":"done"}', ("Connection", "close"))]
    server = serve(*answers, *answers)
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(4)] == ["queued", "done"] * 2
    assert [each.connection for each in server.requests] == [0, 0, 1, 1]


@pytest.mark.fault("N-03")
def test_untrusted_certificate_is_not_retried_and_is_named_in_the_error(
    make: Maker, serve: Serve, clock: FakeTime
) -> None:
    """A certificate that is not accepted is not retried, and the message names the certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    server = serve(tls=tls)
    with pytest.raises(k.APIConnectionError, match="certificate was not accepted") as caught:
        make(server.url).query("t")
    assert (caught.value.kind, caught.value.transient, clock.sleeps) == ("tls", False, [])
    assert server.requests == []


@pytest.mark.fault("H-05")
def test_query_follows_redirects_within_the_gateway_origin(make: Maker, serve: Serve) -> None:
    """A GET follows redirects within the gateway's own origin, with the key."""
    server = serve(http(301, b"", ("Location", "/v2/q?id=t")), http(307, b"", ("Location", "../v3/q")), task("queued"))
    assert make(server.url).query("t").status == "queued"
    assert server.targets == ["/v1/video/query?id=t", "/v2/q?id=t", "/v3/q"]
    assert len({each.header("authorization") for each in server.requests}) == 1


@pytest.mark.fault("H-07", "K-09")
def test_query_redirected_from_https_to_http_is_refused(make: Maker, serve: Serve) -> None:
    """A redirect from https to http, also on the same host, is not followed; the error names the host only."""
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
def test_post_follows_no_redirect(make: Maker, serve: Serve) -> None:
    """Only GET follows redirects, also within the gateway's origin."""
    server = serve(http(307, b"", ("Location", "/again")))
    with pytest.raises(k.APIStatusError):
        raw_request(make(server.url), "POST", "/x", json={"n": 1})
    assert len(server.requests) == 1


@pytest.mark.fault("H-05", "K-09")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_query_redirected_to_another_origin_is_refused(make: Maker, serve: Serve, status: int) -> None:
    """A redirect to another origin ends the query with an error that names the host; nothing is sent there."""
    other = serve(foreign=True)
    server = serve(http(status, b"", ("Location", f"{other.url}/v1/video/query?id=t")))
    with pytest.raises(k.APIStatusError, match="unexpected redirect to 127") as caught:
        make(server.url).query("t")
    assert caught.value.status_code == status
    assert (len(server.requests), other.requests) == (1, [])


@pytest.mark.fault("H-09")
@pytest.mark.parametrize("location", ["", "http://[::1", "file:///etc/passwd", "http://127.0.0.1:99999/", "data:,x"])
def test_query_redirected_to_an_invalid_location_is_an_api_error(make: Maker, serve: Serve, location: str) -> None:
    """A redirect with an invalid location is an APIError, and is not followed."""
    server = serve(http(302, b"", ("Location", location)))
    with pytest.raises(k.APIError):
        make(server.url).query("t", max_retries=0)
    assert len(server.requests) == 1


@pytest.mark.fault("H-08")
def test_sixth_redirect_of_a_query_is_an_error(make: Maker, serve: Serve) -> None:
    """Five redirects are followed; the sixth is an error."""
    server = serve(*[http(302, b"", ("Location", "/again"))] * 9)
    with pytest.raises(k.APIStatusError):
        make(server.url).query("t")
    assert len(server.requests) == 6


@pytest.mark.fault("K-09")
def test_raw_request_to_another_origin_is_sent_without_the_key(make: Maker, serve: Serve) -> None:
    """A raw request to another origin is sent without the key."""
    other = serve(task(), foreign=True)
    raw_request(make(serve().url), "GET", f"{other.url}/x")
    assert other.requests[0].header("authorization") is None
