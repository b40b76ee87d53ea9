"""A client that is closed by one thread, or task, while another is in the middle of a call."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
import pytest
from httpcore._backends.auto import AutoBackend

from kkiai_sdk import ConfigurationError, Kkiai, _config
from kkiai_sdk._http.client_pool import Owner, Pool
from tests.support.adapter import pin
from tests.support.canary import KEY
from tests.support.interleaving import steps
from tests.support.wire import FileHost, finished, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.rawserver import Act, Received

pytestmark = pytest.mark.fault("C-07")


def hook(closing: list[Any], kind: str) -> dict[str, list[Any]]:
    """A hook that closes the client, or those that are in the list, before the request goes out."""

    def close(_request: object) -> None:
        for client in closing:
            client.close()

    async def close_in_turn(_request: object) -> None:
        for client in closing:
            await client.target.close()

    return {"request": [close if kind == "sync" else close_in_turn]}


def test_before_the_connection(make: Maker, kind: str, serve: Serve) -> None:
    """A call whose client is closed before it has a connection says so. Nothing is sent, and no socket is left."""
    server, closing = serve(task()), list[Any]()
    client = make(server.url, httpx_args={"event_hooks": hook(closing, kind)})
    closing.append(client)
    with pytest.raises(ConfigurationError, match="closed"):
        client.query("t")
    assert server.requests == []


def test_while_it_connects(make: Maker, kind: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that comes about after the client was closed serves its one request, or none, and is closed, too."""
    pin(monkeypatch, "httpcore")
    server, closing = serve(task()), list[Any]()

    class Sync(httpcore.SyncBackend):
        def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
            stream = super().connect_tcp(*args, **options)
            closing[0].close()
            return stream

    connect = AutoBackend.connect_tcp

    async def asynchronously(*args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await connect(*args, **options)
        await closing[0].target.close()
        return stream

    monkeypatch.setattr("httpcore._sync.connection_pool.SyncBackend", Sync)
    monkeypatch.setattr(AutoBackend, "connect_tcp", asynchronously)
    closing.append(make(server.url, max_retries=0))
    with suppress(ConfigurationError):
        assert closing[0].query("t").status == "processing"
    with pytest.raises(ConfigurationError, match="closed"):
        closing[0].query("t")


def test_while_the_gateway_thinks(serve: Serve) -> None:
    """A request that is under way when another thread closes the client ends, and says why."""

    def think(_request: Received) -> Act:
        client.close()
        return task()

    server = serve(think)
    client = Kkiai(KEY, base_url=server.url, max_retries=0)
    with pytest.raises(ConfigurationError, match="closed"):
        client.query("t")
    assert len(server.requests) == 1


def test_while_a_file_comes(serve: Serve, tmp_path: Path) -> None:
    """A download whose client is closed ends with that, and keeps what it has."""
    host = FileHost(pattern(1, 0, 400_000))
    server = serve(each=host)
    client = Kkiai(KEY, base_url=server.url)

    def close(count: int, _total: int | None) -> None:
        if count:
            client.close()

    with pytest.raises(ConfigurationError, match="closed"):
        client.download(finished(f"{server.url}/v.mp4"), tmp_path / "v.mp4", progress=close)
    assert not (tmp_path / "v.mp4").exists()
    assert (tmp_path / "v.mp4.part").stat().st_size > 0


def pool_of(url: str) -> Pool:
    """The connections of a client of this gateway."""
    return Pool(_config.make({}, api_key=_config.Secret(KEY), base_url=url, allow_http=False, httpx_args=None))


@pytest.mark.parametrize("function", [Pool.client, Pool.drain])
def test_whoever_comes_first(function: Any) -> None:
    """Whenever a pool is closed while a thread asks for a connection: the thread gets one that is closed, or none."""
    owner, another = Owner(os.getpid()), Owner(os.getpid() + 1)
    for during in steps(function):
        pool, got, drained = pool_of("http://127.0.0.1:9"), list[httpx.Client](), list[httpx.Client]()
        # Something to go through while the other adds to it.
        pool._clients[another, False] = None

        def ask(pool: Pool = pool, got: list[httpx.Client] = got) -> None:
            try:
                got.append(pool.client(httpx.Client, owner))
            except ConfigurationError:
                return

        def close(pool: Pool = pool, drained: list[httpx.Client] = drained) -> None:
            drained.extend(pool.drain(owner))

        during(*((ask, close) if function is Pool.client else (close, ask)))
        assert got in ([], drained) or not pool.is_closed
