"""Address checks of connections: one lookup per connection, and the connection goes to a checked address."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

import kkiai_sdk as k
from kkiai_sdk._http import network
from tests.support.canary import KEY
from tests.support.wire import FileHost, completed_task, http, pattern, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

BODY = pattern(5, 0, 40_000)
#: A public address; the tests send nothing there.
PUBLIC = "93.184.215.14"


class Names:
    """Fake resolver: the addresses of each name, one list per lookup, and a record of the lookups."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.table: dict[str, list[list[str]]] = {}
        #: The names that were looked up.
        self.asked: list[str] = []
        #: The addresses of all connection attempts.
        self.touched: list[str] = []
        self._look_up, self._connect = socket.getaddrinfo, socket.socket.connect
        patch.setattr(socket, "getaddrinfo", self._answer)
        # A plain function is bound to the socket; a method would not be.
        patch.setattr(socket.socket, "connect", lambda *args: self._note(*args))  # noqa: PLW0108

    def stands_for(self, name: str, *answers: list[str]) -> None:
        """Set the addresses of a name, one list per lookup; the last list is used from then on."""
        self.table[name] = list(answers)

    def _answer(self, host: str | bytes, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.table:
            # An address is read; it need not be looked up.
            kwargs["flags"] = kwargs.get("flags", 0) | socket.AI_NUMERICHOST
            return self._look_up(host, port, *args[:3], **kwargs)
        self.asked.append(name)
        answers = self.table[name]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [one for text in addresses for one in self._look_up(text, port, type=socket.SOCK_STREAM)]

    def _note(self, connecting: socket.socket, address: Any) -> None:
        if connecting.family in {socket.AF_INET, socket.AF_INET6}:
            self.touched.append(address[0])
            if address[0] == PUBLIC:
                raise ConnectionRefusedError(111, "Connection refused")
        self._connect(connecting, address)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The only resolver in the test."""
    return Names(monkeypatch)


@pytest.mark.fault("S-06")
@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["::ffff:127.0.0.1"]],
    ids="+".join,
)
def test_file_host_with_a_private_address_is_refused_before_connecting(
    make: Maker, serve: Serve, names: Names, tmp_path: Path, addresses: list[str]
) -> None:
    """A file host with any private address is refused at once, before a byte is sent; nothing is written."""
    names.stands_for("cdn.example", addresses)
    inside = serve(foreign=True)
    with pytest.raises(k.UnsafeURLError, match=r"cdn\.example.*private address space") as caught:
        make(serve().url).download(
            completed_task(f"http://cdn.example:{inside.port}/v.mp4?sig=s3cret"), tmp_path / "v.mp4"
        )
    assert caught.value.url == f"http://cdn.example:{inside.port}/v.mp4"
    assert "s3cret" not in str(caught.value)
    assert (names.asked, names.touched, inside.requests) == (["cdn.example"], [], [])
    assert not (tmp_path / "v.mp4").exists()


@pytest.mark.fault("S-05")
@pytest.mark.parametrize("spelling", ["127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "[::ffff:7f00:1]"])
def test_odd_spelling_of_loopback_is_not_connected_to(
    make: Maker, serve: Serve, names: Names, tmp_path: Path, spelling: str
) -> None:
    """Whatever a resolver makes of an odd spelling, the address inside is not connected to."""
    names.stands_for(spelling, ["127.0.0.1"])
    inside = serve(foreign=True)
    with pytest.raises(k.UnsafeURLError):
        make(serve().url).download(completed_task(f"http://{spelling}:{inside.port}/v.mp4"), tmp_path / "v.mp4")
    assert (names.touched, inside.requests) == ([], [])


@pytest.mark.fault("S-08")
def test_name_is_resolved_once_per_connection_and_the_checked_address_is_used(
    make: Maker, serve: Serve, names: Names, tmp_path: Path
) -> None:
    """One lookup per connection; the connection goes to the checked address, and the next one is checked again."""
    names.stands_for("cdn.example", [PUBLIC], ["127.0.0.1"])
    inside = serve(foreign=True)
    with pytest.raises(k.UnsafeURLError):
        make(serve().url).download(completed_task(f"http://cdn.example:{inside.port}/v.mp4"), tmp_path / "v.mp4")
    assert (names.asked, names.touched) == (["cdn.example"] * 2, [PUBLIC])
    assert inside.requests == []


@pytest.mark.fault("H-10", "S-09")
def test_redirect_to_a_private_address_at_the_third_hop_is_refused(
    make: Maker, serve: Serve, names: Names, tmp_path: Path
) -> None:
    """The address of every hop is checked, not that of the first alone."""
    names.stands_for("cdn.example", ["127.0.0.1"])
    inside = serve(foreign=True)
    hops = [http(302, b"", ("Location", "/next"))] * 2
    server = serve(*hops, http(302, b"", ("Location", f"http://cdn.example:{inside.port}/v.mp4")))
    with pytest.raises(k.UnsafeURLError, match=r"cdn\.example"):
        make(server.url).download(completed_task(f"{server.url}/v.mp4"), tmp_path / "v.mp4")
    assert (len(server.requests), inside.requests) == (3, [])
    assert set(names.touched) == {"127.0.0.1"}
    assert names.asked == ["cdn.example"]


def test_gateway_with_a_private_address_serves_queries_and_files(
    make: Maker, serve: Serve, names: Names, tmp_path: Path
) -> None:
    """The gateway's own host may have a private address, for queries and for files, on other ports too."""
    names.stands_for("gateway.example", ["127.0.0.1"])
    cdn = serve(FileHost(BODY), foreign=True)
    server = serve(task(), FileHost(BODY))
    client = make(f"http://gateway.example:{server.port}", allow_http=True)
    assert client.query("t").id == "t"
    for port in (server.port, cdn.port):
        path = tmp_path / f"{port}.mp4"
        client.download(completed_task(f"http://gateway.example:{port}/v.mp4"), path)
        assert path.read_bytes() == BODY
    assert server.requests[1].header("authorization") == f"Bearer {KEY}"


@pytest.mark.fault("N-18")
def test_refused_address_is_followed_by_the_next_without_a_retry(
    make: Maker, serve: Serve, names: Names, clock: FakeTime
) -> None:
    """If one of several addresses refuses, the next is tried at once; no retry is counted."""
    server = serve(task("queued"))
    names.stands_for("gateway.example", ["::1", "127.0.0.1"])
    client = make(f"http://gateway.example:{server.port}", allow_http=True, max_retries=0)
    assert client.query("t").status == "queued"
    assert (names.touched, clock.sleeps) == (["::1", "127.0.0.1"], [])


@contextmanager
def swallowing(port: int = 0) -> Iterator[int]:
    """A port of ::1 with a full accept queue: connections are neither accepted nor refused."""
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0))
        for _ in range(4):
            one = stack.enter_context(socket.socket(socket.AF_INET6))
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        yield deaf.getsockname()[1]


@pytest.mark.fault("N-18")
def test_silent_address_uses_only_its_share_of_the_connect_time(make: Maker, serve: Serve, names: Names) -> None:
    """An address that never answers uses up its own share of the connect time, and the next one is tried."""
    server = serve(task("queued"))
    names.stands_for("gateway.example", ["::1", "127.0.0.1"])
    with swallowing(server.port):
        client = make(f"http://gateway.example:{server.port}", allow_http=True, max_retries=0, timeout=1.5)
        assert client.query("t").status == "queued"


@pytest.mark.fault("N-05")
def test_connecting_to_a_silent_host_ends_with_the_request_timeout(make: Maker) -> None:
    """Connecting is part of the time of a request, and ends with it."""
    with swallowing() as port, pytest.raises(k.APITimeoutError) as caught:
        make(f"http://[::1]:{port}", max_retries=0, timeout=0.2).query("t")
    assert caught.value.transient


@pytest.mark.fault("N-18")
def test_host_with_ipv6_only_is_reached_by_name_and_address(make: Maker, names: Names) -> None:
    """A host with nothing but an IPv6 address is reached by its name and by its address."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
    names.stands_for("gateway.example", ["::1"])
    for host in ("gateway.example", "[::1]"):
        with pytest.raises(k.APIConnectionError, match=f":{port}: the connection was refused"):
            make(f"http://{host}:{port}", allow_http=True, max_retries=0).query("t")


@pytest.mark.fault("N-02")
def test_unknown_host_name_is_a_transient_dns_error(
    make: Maker, monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """A failed lookup is transient, of kind dns, and names the host."""

    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        k.APIConnectionError, match=r"^nope\.invalid:443: the host name could not be resolved"
    ) as caught:
        make("https://nope.invalid").query("t")
    assert (caught.value.kind, caught.value.transient) == ("dns", True)
    assert isinstance(caught.value.__cause__, socket.gaierror)
    assert clock.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.fault("N-19")
def test_slow_look_up_counts_towards_the_timeout_and_opens_no_connection(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A synchronous lookup cannot be interrupted; if it takes all of the time, no connection is opened."""
    names.stands_for("slow.example", ["127.0.0.1"])
    quick, passed = socket.getaddrinfo, [0.0]

    def slowly(*args: Any, **kwargs: Any) -> list[Any]:
        passed.append(31.0)
        return quick(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    monkeypatch.setattr(network, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[-1]))
    with (
        k.Kkiai(KEY, base_url="http://slow.example", allow_http=True, timeout=30, max_retries=0) as client,
        pytest.raises(k.APITimeoutError, match=r"no response in time \(30 s\)"),
    ):
        client.query("t")
    assert (names.asked, names.touched) == (["slow.example"], [])


@pytest.mark.fault("N-19")
def test_async_look_up_without_an_answer_ends_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An asynchronous client does not wait for a resolver that does not answer, though its thread does."""
    answered = threading.Event()

    def never(*_: Any, **__: Any) -> list[Any]:
        assert answered.wait(timeout=30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", never)

    async def main() -> None:
        client = k.AsyncKkiai(KEY, base_url="https://slow.invalid", timeout=0.05, max_retries=0)
        try:
            with pytest.raises(k.APITimeoutError):
                await client.query("t")
            assert not answered.is_set()
        finally:
            answered.set()
            await client.aclose()

    asyncio.run(main())


def certificate(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server of these names, and for a client that trusts its authority."""
    authority, server_side = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_side = ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server_side)
    authority.configure_trust(client_side)
    return server_side, client_side


def test_tls_verifies_the_host_name_of_the_url(make: Maker, serve: Serve, names: Names, tmp_path: Path) -> None:
    """Whatever the address, TLS sends and verifies the host name of the URL."""
    server_side, client_side = certificate("gateway.example")
    asked: list[str | None] = []
    server_side.sni_callback = lambda _, name, __: asked.append(name)
    server, files = serve(task(), tls=server_side), serve(FileHost(BODY), tls=server_side, foreign=True)
    names.stands_for("gateway.example", ["127.0.0.1"])
    client = make(f"https://gateway.example:{server.port}", httpx_args={"verify": client_side})
    assert client.query("t").id == "t"
    client.download(completed_task(f"https://gateway.example:{files.port}/v.mp4"), tmp_path / "v.mp4")
    assert asked == ["gateway.example"] * 2


@pytest.mark.fault("N-03")
def test_certificate_for_another_name_is_a_final_error(
    make: Maker, serve: Serve, names: Names, clock: FakeTime
) -> None:
    """A certificate for another host is final, whatever address the connection goes to."""
    server_side, client_side = certificate("other.example")
    server = serve(tls=server_side)
    names.stands_for("gateway.example", ["127.0.0.1"])
    client = make(f"https://gateway.example:{server.port}", httpx_args={"verify": client_side})
    with pytest.raises(k.APIConnectionError, match=r"certificate was not accepted.*'gateway\.example'") as caught:
        client.query("t")
    assert (caught.value.kind, caught.value.transient, clock.sleeps, server.requests) == ("tls", False, [], [])
    assert "verify" not in str(caught.value).replace("verify failed", "")
