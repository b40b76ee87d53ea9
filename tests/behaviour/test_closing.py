"""Closing a client in one thread or task during a call in another."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore
import pytest

from kkiai_sdk import ConfigurationError, Kkiai
from kkiai_sdk._http.network import Backend
from tests.support.canary import KEY
from tests.support.interleaving import steps
from tests.support.wire import FileHost, completed_task, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.rawserver import RawReply, RawRequest

pytestmark = pytest.mark.fault("C-07")


def hook(closing: list[Any], kind: str) -> dict[str, list[Any]]:
    """Return an event hook that closes the clients in the list before the request is sent."""

    def close(_request: object) -> None:
        for client in closing:
            client.close()

    async def close_in_turn(_request: object) -> None:
        for client in closing:
            await client.target.close()

    return {"request": [close if kind == "sync" else close_in_turn]}


def test_client_closed_before_connecting_raises_and_sends_nothing(make: Maker, kind: str, serve: Serve) -> None:
    """A call whose client is closed before it connects says so; nothing is sent, and no socket is left."""
    server, closing = serve(task()), list[Any]()
    client = make(server.url, httpx_args={"event_hooks": hook(closing, kind)})
    closing.append(client)
    with pytest.raises(ConfigurationError, match="closed"):
        client.query("t")
    assert server.requests == []


def test_client_closed_while_it_connects_leaves_no_socket(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is opened after the client was closed is closed at once, and the error names the reason."""
    server, closing = serve(task()), list[Any]()

    def connect(self: Any, *args: Any, **options: Any) -> httpcore.NetworkStream:
        stream = connect_tcp(self, *args, **options)
        closing[0].close()
        return stream

    async def connect_async(self: Any, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await connect_tcp_async(self, *args, **options)
        await closing[0].target.close()
        return stream

    connect_tcp, connect_tcp_async = httpcore.SyncBackend.connect_tcp, httpcore.AnyIOBackend.connect_tcp
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_async)
    closing.append(make(server.url, max_retries=0))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="closed"):
            closing[0].query("t")
    assert server.requests == []


def test_client_closed_by_another_thread_ends_the_pending_request(serve: Serve) -> None:
    """A pending request ends when another thread closes the client, and the error names the reason."""

    def think(_request: RawRequest) -> RawReply:
        client.close()
        return task()

    server = serve(think)
    client = Kkiai(KEY, base_url=server.url, max_retries=0)
    with pytest.raises(ConfigurationError, match="closed"):
        client.query("t")
    assert len(server.requests) == 1


def test_client_closed_during_a_download_keeps_the_part(serve: Serve, tmp_path: Path) -> None:
    """A download whose client is closed ends with an error that says so, and keeps its part."""
    host = FileHost(pattern(1, 0, 400_000))
    server = serve(each=host)
    client = Kkiai(KEY, base_url=server.url)

    def close(count: int, _total: int | None) -> None:
        if count:
            client.close()

    with pytest.raises(ConfigurationError, match="closed"):
        client.download(completed_task(f"{server.url}/v.mp4"), tmp_path / "v.mp4", progress=close)
    assert not (tmp_path / "v.mp4").exists()
    assert (tmp_path / "v.mp4.part").stat().st_size > 0


def test_backend_closed_at_any_step_of_connecting_leaves_no_socket(serve: Serve) -> None:
    """If a backend is closed at any step of connecting, the thread gets a closed connection or an error."""
    server = serve(*[task()] * 200)
    for during in steps(Backend.connect_tcp):
        backend, got = Backend(lambda _host, _addresses: None), list[httpcore.NetworkStream]()

        def connect(backend: Backend = backend, got: list[httpcore.NetworkStream] = got) -> None:
            with suppress(httpcore.ConnectError):
                got.append(backend.connect_tcp("127.0.0.1", server.port))

        during(connect, backend.close)
        backend.close()
        assert all(stream.get_extra_info("socket").fileno() == -1 for stream in got)
