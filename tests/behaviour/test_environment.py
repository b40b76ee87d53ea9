"""The machine and its network: resolvers and translators, hosts that are allowed, variables that cannot be used."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import kkiai_sdk as k
from tests.support.wire import FileHost, completed_task, http, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

BODY = pattern(8, 0, 30_000)
VARIABLES = ("NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Network:
    """Resolves names by a table; addresses that are not of this machine refuse connections or lead to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        #: The addresses of each name.
        self.names: dict[str, list[str]] = {}
        #: Addresses that a local proxy connects to this machine.
        self.placeholders: set[str] = set()
        #: The addresses of all attempts to connect.
        self.attempts: list[str] = []
        self._look_up, self._connect = socket.getaddrinfo, socket.socket.connect
        patch.setattr(socket, "getaddrinfo", self._resolve)
        # A plain function is bound to the socket; a method would not be.
        patch.setattr(socket.socket, "connect", lambda *args: self._redirect(*args))  # noqa: PLW0108

    def _resolve(self, host: str | bytes, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.names:
            kwargs["flags"] = kwargs.get("flags", 0) | socket.AI_NUMERICHOST
            return self._look_up(host, port, *args[:3], **kwargs)
        found = self.names[name]
        return [entry for address in found for entry in self._look_up(address, port, type=socket.SOCK_STREAM)]

    def _redirect(self, connecting: socket.socket, address: Any) -> None:
        if connecting.family not in {socket.AF_INET, socket.AF_INET6}:
            self._connect(connecting, address)
            return
        self.attempts.append(address[0])
        if address[0] in self.placeholders:
            address = ("127.0.0.1", address[1])
        if address[0] not in {"127.0.0.1", "::1"}:
            raise ConnectionRefusedError(111, "Connection refused")
        self._connect(connecting, address)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """The network of the machine."""
    return Network(monkeypatch)


@pytest.mark.fault("S-17")
def test_file_is_fetched_behind_a_placeholder_address(
    make: Maker, serve: Serve, network: Network, tmp_path: Path
) -> None:
    """A file is fetched through a local proxy that answers each name with an address of 198.18.0.0/15."""
    network.names["cdn.example"], network.placeholders = ["198.18.0.7"], {"198.18.0.7"}
    cdn = serve(FileHost(BODY), foreign=True)
    client = make(serve().url)
    path = client.download(completed_task(f"http://cdn.example:{cdn.port}/v.mp4"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert network.attempts == ["198.18.0.7"]


@pytest.mark.fault("S-17")
def test_placeholder_address_in_a_url_is_not_connected_to(
    make: Maker, serve: Serve, network: Network, tmp_path: Path
) -> None:
    """The same address in a URL, first or by a redirect, is refused before anything is sent there."""
    client = make((server := serve(http(302, b"", ("Location", "http://198.18.0.7:8080/v.mp4")))).url)
    for url in ("http://198.18.0.7:8080/v.mp4", f"{server.url}/v.mp4"):
        with pytest.raises(k.UnsafeURLError, match=r"198\.18\.0\.7 is reserved \(benchmarks\)"):
            client.download(completed_task(url), tmp_path / "v.mp4")
    assert set(network.attempts) <= {"127.0.0.1"}


@pytest.mark.fault("S-17")
def test_public_address_behind_nat64_is_connected_to(
    make: Maker, serve: Serve, network: Network, tmp_path: Path
) -> None:
    """In a network with NAT64 the connection goes to the translated address of a public host."""
    network.names["cdn.example"] = ["64:ff9b::5db8:d70e"]
    with pytest.raises(k.DownloadError, match="the connection was refused"):
        make(serve().url, max_retries=0).download(completed_task("http://cdn.example/v.mp4"), tmp_path / "v.mp4")
    assert set(network.attempts) == {"64:ff9b::5db8:d70e"}


@pytest.mark.fault("S-17")
@pytest.mark.parametrize("ipv4", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_private_address_behind_nat64_is_refused(
    make: Maker, serve: Serve, network: Network, tmp_path: Path, ipv4: str
) -> None:
    """A translated address that points inwards is refused with both addresses, the reason and, if any, the option."""
    address = str(ipaddress.IPv6Address(f"64:ff9b::{ipv4}"))
    network.names["cdn.example"] = ["198.18.0.7", address]
    with pytest.raises(k.UnsafeURLError) as caught:
        make(serve().url).download(completed_task("http://cdn.example/v.mp4?sig=s3cret"), tmp_path / "v.mp4")
    assert f"resolves to {address}, in private address space: {ipv4} in IPv6: reserved (" in str(caught.value)
    assert ("pass allow_file_hosts=['cdn.example'] to allow it" in str(caught.value)) is (ipv4 != "169.254.169.254")
    assert (caught.value.url, network.attempts) == ("http://cdn.example/v.mp4", [])


@pytest.mark.fault("S-18")
@pytest.mark.parametrize("entry", ["cdn.example", "*.example", "127.0.0.1", "127.0.0.0/8"])
def test_allowed_host_serves_a_file_without_the_key(
    make: Maker, serve: Serve, network: Network, tmp_path: Path, entry: str
) -> None:
    """A host that is allowed by its name, its domain, its address or its network serves a file and gets no key."""
    network.names["cdn.example"] = ["127.0.0.1"]
    cdn = serve(FileHost(BODY), foreign=True)
    client = make(serve().url, allow_file_hosts=["other.internal", entry])
    path = client.download(completed_task(f"http://cdn.example:{cdn.port}/v.mp4"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert cdn.requests[0].header("authorization") is None


@pytest.mark.fault("S-18")
def test_allowed_address_in_a_url_is_fetched(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """An address in a URL is allowed by its network, and a redirect to it as well."""
    cdn = serve(FileHost(BODY), FileHost(BODY), foreign=True)
    url = f"http://127.0.0.1:{cdn.port}/v.mp4"
    client = make("http://gateway.example", allow_http=True, allow_file_hosts=["127.0.0.0/8"])
    assert client.download(completed_task(url), tmp_path / "v.mp4").read_bytes() == BODY


@pytest.mark.fault("S-18")
def test_redirect_from_an_allowed_host_is_judged(make: Maker, serve: Serve, network: Network, tmp_path: Path) -> None:
    """An allowed host may redirect to allowed and public hosts only."""
    network.names |= {"cdn.example": ["127.0.0.1"], "inside.example": ["127.0.0.1"]}
    cdn = serve(http(302, b"", ("Location", "http://inside.example/v.mp4")), foreign=True)
    client = make("http://gateway.example", allow_http=True, allow_file_hosts=["cdn.example"])
    with pytest.raises(k.UnsafeURLError, match=r"inside\.example.*allow_file_hosts=\['inside\.example'\]"):
        client.download(completed_task(f"http://cdn.example:{cdn.port}/v.mp4"), tmp_path / "v.mp4")


@pytest.mark.fault("S-18")
def test_copy_with_allowed_hosts_leaves_the_client_as_it_was(
    make: Maker, serve: Serve, network: Network, tmp_path: Path
) -> None:
    """A copy may allow hosts; neither the client nor another copy uses its connections to them."""
    network.names["cdn.example"] = ["127.0.0.1"]
    cdn = serve(FileHost(BODY), FileHost(BODY), foreign=True)
    client, video = make(serve().url), completed_task(f"http://cdn.example:{cdn.port}/v.mp4")
    copy = client.with_options(allow_file_hosts=["cdn.example"])
    assert copy.with_options(timeout=5).download(video, tmp_path / "copy.mp4").read_bytes() == BODY
    for other in (client, copy.with_options(allow_file_hosts=None), copy.with_options(allow_file_hosts=["a.example"])):
        with pytest.raises(k.UnsafeURLError):
            other.download(video, tmp_path / "v.mp4")
    assert len(cdn.requests) == 1


@pytest.mark.fault("S-18")
def test_invalid_allowed_hosts_are_refused_at_once(make: Maker) -> None:
    """Text in the place of a list, and an entry that is no host, are refused when a client or a copy is made."""
    with pytest.raises(k.ConfigurationError, match="allow_file_hosts must be a list of hosts and networks, not str"):
        make("http://127.0.0.1:1", allow_file_hosts="cdn.example")
    with pytest.raises(k.ConfigurationError, match=r"allow_file_hosts\[1\] must be a host name"):
        make("http://127.0.0.1:1").with_options(allow_file_hosts=["a.example", "https://b.example"])


@pytest.mark.fault("N-22")
def test_exceptions_that_cannot_be_parsed_end_nothing(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """IPv6 networks in NO_PROXY are dropped with one warning; the other exceptions count, for files as well."""
    proxy, server = serve(foreign=True), serve(task("queued"), FileHost(BODY))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,::1,[::1],fd00::/8")
    client = make(server.url)
    assert client.query("t").status == "queued"
    assert client.download(completed_task(f"{server.url}/v.mp4"), tmp_path / "v.mp4").read_bytes() == BODY
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert found == ["NO_PROXY: httpx cannot apply '[::1]', 'fd00::/8'; ignored"]
    assert proxy.requests == []


UNUSABLE = {
    "ALL_PROXY": ("socks4://joe:s3cret@127.0.0.1:1080", "ALL_PROXY must have one of the schemes http, https, socks5"),
    "all_proxy": ("proxy.example:99999", "all_proxy has the port 99999, which is not in the range 1 to 65535"),
    "https_proxy": ("http://joe:s3cret@proxy.example:port", "https_proxy is not a valid proxy URL"),
    "HTTPS_PROXY": ("http://joe:s3cret@[::1", "HTTPS_PROXY is not a valid proxy URL"),
    "SSL_CERT_FILE": ("/nonexistent/ca.pem", "SSL_CERT_FILE names '/nonexistent/ca.pem', which does not exist"),
    "SSL_CERT_DIR": ("/nonexistent/certs", "SSL_CERT_DIR names '/nonexistent/certs', which does not exist"),
    "SSLKEYLOGFILE": ("/nonexistent/keys", "SSLKEYLOGFILE names '/nonexistent/keys', which cannot be written"),
}


@pytest.mark.fault("N-23")
@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9", "https://gateway.example"])
def test_unusable_variable_is_refused_when_the_client_is_made(
    make: Maker, monkeypatch: pytest.MonkeyPatch, name: str, base_url: str
) -> None:
    """A variable that names nothing usable is refused by its name before a task is waited for."""
    value, message = UNUSABLE[name]
    monkeypatch.setenv(name, value)
    with pytest.raises(k.ConfigurationError) as caught:
        make(base_url, httpx_args=None)
    assert str(caught.value).startswith(message)
    assert "s3cret" not in str(caught.value)


@pytest.mark.fault("N-23")
def test_unusable_variables_are_ignored_without_trust_env(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With trust_env off no variable that httpx reads counts, none is changed, and nothing is logged."""
    for name in UNUSABLE.keys() - {"SSLKEYLOGFILE"}:
        monkeypatch.setenv(name, UNUSABLE[name][0])
    monkeypatch.setenv("NO_PROXY", "[::1]")
    before, server = dict(os.environ), serve(task("queued"))
    assert make(server.url, httpx_args={"trust_env": False}).query("t").status == "queued"
    make("https://gateway.example", httpx_args={"trust_env": False})
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    assert dict(os.environ) == before


@pytest.mark.fault("N-23")
@pytest.mark.parametrize(
    ("args", "name"),
    [
        ({"verify": "/nonexistent"}, "verify in httpx_args"),
        ({"cert": "/nonexistent"}, "cert in httpx_args"),
        ({"proxy": "http://joe:s3cret@proxy.example:0"}, "proxy in httpx_args"),
        ({"proxy": httpx.Proxy("http://joe:s3cret@proxy.example:65536")}, "proxy in httpx_args"),
        ({"proxy": "ftp://joe:s3cret@proxy.example"}, "proxy in httpx_args"),
    ],
)
def test_unusable_argument_is_refused_when_the_client_is_made(make: Maker, args: dict[str, Any], name: str) -> None:
    """A path that does not exist, and a proxy that cannot be used, are refused by the name of their option."""
    with pytest.raises(k.ConfigurationError) as caught:
        make("http://127.0.0.1:9", httpx_args=args)
    assert str(caught.value).startswith(f"{name} ")
    assert "s3cret" not in str(caught.value)
