"""Proxies and certificate stores, from the environment and from the caller."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme

import kkiai_sdk as k
from tests.support.canary import KEY
from tests.support.rawserver import End, RawReply
from tests.support.sockets import ConnectProxy, read_silently, tcp_server
from tests.support.wire import FileHost, completed_task, http, pattern, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

BODY = pattern(6, 0, 30_000)
GATEWAY = "http://gateway.example"


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority() -> trustme.CA:
    """The certificate authority of the gateway."""
    return trustme.CA()


@pytest.fixture
def secure(serve: Serve, authority: trustme.CA) -> Any:
    """Starts a server with a certificate for gateway.example."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("gateway.example").configure_cert(tls)
    return lambda *script, **options: serve(*script, tls=tls, **options)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.fault("N-17")
def test_http_proxy_receives_queries_and_downloads_with_whole_urls(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """HTTP_PROXY takes queries and downloads of http URLs, with host names unresolved."""
    proxy = serve(task("queued"), FileHost(BODY))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    client = make(GATEWAY, allow_http=True)
    assert client.query("t").status == "queued"
    assert client.download(completed_task("http://cdn.example/v.mp4"), tmp_path / "v.mp4").read_bytes() == BODY
    assert proxy.targets == [f"{GATEWAY}/v1/video/query?id=t", "http://cdn.example/v.mp4"]
    assert [each.header("authorization") for each in proxy.requests] == [f"Bearer {KEY}", None]


@pytest.mark.fault("N-17")
def test_no_proxy_excludes_hosts_from_the_proxy(make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY excludes hosts from the proxy."""
    proxy, server = serve(foreign=True), serve(task("queued"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert make(server.url).query("t").status == "queued"
    assert proxy.requests == []


@pytest.mark.fault("N-17")
def test_trust_env_off_ignores_proxy_variables(make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With trust_env off, no variable sets a proxy."""
    proxy, server = serve(foreign=True), serve(task("queued"))
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    assert make(server.url, httpx_args={"trust_env": False}).query("t").status == "queued"
    assert proxy.requests == []


@pytest.mark.fault("N-17")
def test_ssl_cert_file_sets_the_trusted_authorities(
    make: Maker, serve: Serve, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSL_CERT_FILE sets the trusted authorities."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server = serve(task("queued"), tls=tls)
    assert make(server.url, httpx_args={}).query("t").status == "queued"


@pytest.mark.fault("N-17")
@pytest.mark.parametrize("where", ["environment", "caller"])
def test_https_through_a_proxy_uses_a_tunnel(
    make: Maker, secure: Any, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An https request through a proxy uses a tunnel with the gateway's certificate; only the gateway gets the key."""
    server, tunnel = secure(task("queued"), task("running")), ConnectProxy()
    with tcp_server(tunnel) as port:
        proxy = f"http://127.0.0.1:{port}"
        if where == "environment":
            monkeypatch.setenv("HTTPS_PROXY", proxy)
        args = {"verify": trusting} | ({"proxy": proxy} if where == "caller" else {})
        client = make(f"https://gateway.example:{server.port}", httpx_args=args)
        assert [client.query("t").status for _ in range(2)] == ["queued", "running"]
        client.close()
    (head,) = tunnel.heads
    assert head.startswith(f"CONNECT gateway.example:{server.port} HTTP/1.1\r\n")
    assert KEY not in head
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


@pytest.mark.fault("B-02", "N-09")
def test_kept_tunnel_that_is_stale_or_has_surplus_bytes_is_replaced(
    make: Maker, secure: Any, trusting: ssl.SSLContext, clock: FakeTime
) -> None:
    """A tunnel is a kept connection like any other: it is replaced if it is stale or has surplus bytes."""
    left_over = http(200, b'{"id": "t", "status": "queued"}' + b"HTTP/1.1 200 OK\r\n", length=31)
    server = secure(task("a"), RawReply(end=End.FIN), task("b"), left_over, task("c"))
    tunnel = ConnectProxy()
    with tcp_server(tunnel) as port:
        args = {"verify": trusting, "proxy": f"http://127.0.0.1:{port}"}
        client = make(f"https://gateway.example:{server.port}", httpx_args=args, max_retries=0)
        assert [client.query("t").status for _ in range(4)] == ["a", "b", "queued", "c"]
        client.close()
    assert ([each.connection for each in server.requests], clock.sleeps) == ([0, 0, 1, 1, 2], [])


LOOK_UP = socket.getaddrinfo


def resolve(host: Any, *args: Any, **options: Any) -> Any:
    """Resolve any host but the unknown one."""
    if str(host).endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return LOOK_UP(host, *args, **options)


def refuse(connection: socket.socket) -> None:
    """Want credentials."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


#: Proxies that pass nothing on: the URL, what is said of them, and whether a retry may help.
DEAD: dict[str, tuple[str, str, bool]] = {
    "closed": ("http://joe:s3cret@127.0.0.1:1", "the connection was refused", True),
    "unknown name": ("http://joe:s3cret@proxy.invalid:3128", "the host name could not be resolved", True),
    "credentials": ("http://joe:s3cret@127.0.0.1:{refusing}", r"it did not pass the request on \(407 Proxy", False),
    "no TLS": ("https://joe:s3cret@127.0.0.1:{refusing}", "the TLS handshake failed", False),
    "unknown certificate": ("https://joe:s3cret@127.0.0.1:{tls}", "its certificate was not accepted", False),
}


@pytest.mark.fault("N-24")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("how", DEAD)
def test_dead_proxy_is_named_in_queries_and_downloads(  # noqa: PLR0917
    make: Maker, secure: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, scheme: str
) -> None:
    """A proxy that passes nothing on is named by host and port, without its password, as the cause of the error."""
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url, said, transient = DEAD[how]
    with tcp_server(refuse) as port:
        proxy = url.format(refusing=port, tls=secure().port)
        named = proxy.rpartition("@")[2]
        client = make(f"{scheme}://gateway.example", allow_http=True, httpx_args={"proxy": proxy}, max_retries=0)
        with pytest.raises(k.APIConnectionError, match=f"^the proxy {named}: {said}") as caught:
            client.query("t")
        with pytest.raises(k.DownloadError, match=f"the proxy {named}: {said}") as other:
            client.download(completed_task(f"{scheme}://cdn.example/v"), tmp_path / "v.mp4")
        client.close()
    assert (caught.value.kind, caught.value.transient) == ("proxy", transient)
    assert "s3cret" not in f"{caught.value} {other.value}"


@pytest.mark.fault("N-24")
def test_server_behind_a_proxy_is_named_if_its_certificate_is_not_accepted(make: Maker, secure: Any) -> None:
    """A certificate that is not accepted in a tunnel is the server's, through a proxy with TLS as well, which is named
    as the way to it.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (other := trustme.CA()).issue_cert("127.0.0.1").configure_cert(tls)
    trusting = ssl.create_default_context()
    other.configure_trust(trusting)
    server, tunnel = secure(), ConnectProxy()

    def wrapped(connection: socket.socket) -> None:
        with tls.wrap_socket(connection, server_side=True) as inside:
            tunnel(inside)

    for scheme, talk in (("http", tunnel), ("https", wrapped)):
        with tcp_server(talk) as port:
            proxy = httpx.Proxy(f"{scheme}://127.0.0.1:{port}", ssl_context=trusting if scheme == "https" else None)
            client = make(f"https://gateway.example:{server.port}", httpx_args={"proxy": proxy}, max_retries=0)
            with pytest.raises(
                k.APIConnectionError,
                match=rf"^gateway\.example:\d+ through the proxy .*:{port}: the server's certificate",
            ) as caught:
                client.query("t")
            client.close()
        assert caught.value.kind == "tls"


def test_refusal_of_a_proxy_names_the_proxy(make: Maker, secure: Any, clock: FakeTime) -> None:
    """A proxy that refuses a tunnel is named in the error."""
    server = secure()
    with tcp_server(ConnectProxy(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as port:
        client = make(f"https://gateway.example:{server.port}", httpx_args={"proxy": f"http://127.0.0.1:{port}"})
        with pytest.raises(k.APIConnectionError, match="proxy") as caught:
            client.query("t", max_retries=0)
    assert caught.value.kind == "proxy"


def test_proxy_that_is_no_url_is_refused_at_once(make: Maker) -> None:
    """A proxy whose URL cannot be read is refused when the client is made."""
    with pytest.raises(k.ConfigurationError, match="httpx_args"):
        make(GATEWAY, allow_http=True, httpx_args={"proxy": "http://[::1"})


@pytest.mark.fault("S-05")
@pytest.mark.parametrize("url", ["http://10.0.0.1/v.mp4", "http://localhost/v.mp4", "http://127.1/v.mp4"])
def test_proxy_receives_no_request_for_a_private_address(make: Maker, serve: Serve, tmp_path: Path, url: str) -> None:
    """A host that is private by its spelling is not requested through a proxy either."""
    proxy = serve(foreign=True)
    client = make("http://gateway.example", allow_http=True, httpx_args={"proxy": proxy.url})
    with pytest.raises(k.UnsafeURLError):
        client.download(completed_task(url), tmp_path / "v.mp4")
    assert proxy.requests == []


def drip_a_head(connection: socket.socket) -> None:
    """Send the head of a proxy's response without end."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    pause = threading.Event()
    while not pause.wait(0.01):
        connection.sendall(b"X: y\r\n")


def tunnel_to_silence(connection: socket.socket) -> None:
    """Open a tunnel in which the TLS handshake gets no answer."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    read_silently(connection)


SLOW = {"silent": read_silently, "dripping": drip_a_head, "silent in the tunnel": tunnel_to_silence}


@pytest.fixture
def slow() -> Iterator[dict[str, int]]:
    """The ports of proxies that are slow in different ways."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(tcp_server(talk)) for name, talk in SLOW.items()}


@pytest.mark.fault("N-10")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", SLOW)
def test_slow_proxy_ends_with_the_request_timeout(make: Maker, slow: dict[str, int], way: str, scheme: str) -> None:
    """The timeout of a request includes the proxy's part, and the error names the proxy, without its password."""
    args = {"proxy": f"http://joe:s3cret@127.0.0.1:{slow[way]}"}
    client = make(f"{scheme}://gateway.example", allow_http=True, httpx_args=args, timeout=0.2, max_retries=0)
    with pytest.raises(k.APIError) as caught:
        client.query("t")
    # The tunnel for https is a response without a body for http.
    if (scheme, way) == ("http", "silent in the tunnel"):
        return
    assert isinstance(caught.value, k.APITimeoutError)
    port = {"http": 80, "https": 443}[scheme]
    named = f"gateway.example:{port} through the proxy 127.0.0.1:{slow[way]}: no response in time (0.2 s)"
    assert str(caught.value) == named
