"""The asynchronous client over aiohttp, by a transport of httpx-aiohttp that the caller supplies."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
from httpx_aiohttp import AiohttpTransport

import kkiai_sdk as k
from kkiai_sdk import PollPolicy
from tests.support.canary import KEY
from tests.support.wire import CLOSE, HANG, RESET, FileHost, completed, error_reply, http, pattern, task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)


def over_aiohttp(url: str, use: Callable[[k.AsyncKkiai], Awaitable[Any]], **options: Any) -> Any:
    """The result of using a client of this gateway over aiohttp."""

    async def main() -> Any:
        options.setdefault("httpx_args", {"transport": AiohttpTransport()})
        async with k.AsyncKkiai(KEY, base_url=url, **options) as client:
            result = await use(client)
        # aiohttp closes its connections in the next turns of the event loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return result

    return asyncio.run(main())


def test_query_over_aiohttp_returns_the_task_and_sends_the_key(serve: Serve) -> None:
    """A query over aiohttp has the same headers and the same result; cookies do not come back."""
    server = serve(http(200, b'{"id": "t", "status": "queued"}', ("Set-Cookie", "s=1; Path=/")), task("running"))

    async def use(client: k.AsyncKkiai) -> list[str | None]:
        return [(await client.query("t")).status for _ in range(2)]

    assert over_aiohttp(server.url, use) == ["queued", "running"]
    assert {each.header("authorization") for each in server.requests} == {f"Bearer {KEY}"}
    assert server.targets == ["/v1/video/query?id=t"] * 2


def test_wait_and_download_over_aiohttp_puts_the_file_on_disk(serve: Serve, tmp_path: Path) -> None:
    """Waits and downloads go over the caller's transport, without the key for the file's host."""
    body = pattern(1, 0, 300_000)
    host = serve(FileHost(body), foreign=True)
    server = serve(task("queued"), completed(f"{host.url}/v.mp4"))
    path = tmp_path / "v.mp4"
    over_aiohttp(server.url, lambda client: client.wait_and_download("t", path, poll=EVEN))
    assert path.read_bytes() == body


def test_many_waits_over_aiohttp_have_a_result_each(serve: Serve) -> None:
    """Fleets work over aiohttp."""
    server = serve(each=lambda _: completed())
    results = over_aiohttp(server.url, lambda client: client.wait_many([f"t{number}" for number in range(20)]))
    assert [each.is_succeeded for each in results] == [True] * 20


@pytest.mark.parametrize(
    "reply", [CLOSE, RESET, http(200, b'{"status": "done"}').cut(5)], ids=["closed", "reset", "cut"]
)
def test_broken_connection_over_aiohttp_is_retried(serve: Serve, clock: FakeTime, reply: RawReply) -> None:
    """A connection that breaks is a transient error over aiohttp, too."""
    server = serve(reply, reply, task("queued"))
    assert over_aiohttp(server.url, lambda client: client.query("t")).status == "queued"
    assert sum(clock.sleeps) > 0


def test_refused_connection_over_aiohttp_is_a_connection_error() -> None:
    """A port where nobody listens is an APIConnectionError."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(k.APIConnectionError):
        over_aiohttp(f"http://127.0.0.1:{port}", lambda client: client.query("t", max_retries=0))


def test_silence_over_aiohttp_ends_with_the_timeout(serve: Serve) -> None:
    """The timeout of a request holds for any transport of the asynchronous client."""
    with pytest.raises(k.APITimeoutError):
        over_aiohttp(serve(HANG).url, lambda client: client.query("t", timeout=0.1, max_retries=0))


def test_refusals_over_aiohttp_are_typed_errors(serve: Serve) -> None:
    """Errors of the gateway do not depend on the transport."""
    server = serve(error_reply(403, "insufficient_user_quota"))
    with pytest.raises(k.QuotaExceededError):
        over_aiohttp(server.url, lambda client: client.query("t"))


def test_transport_of_another_event_loop_is_refused(serve: Serve) -> None:
    """A transport that the caller supplies ties the client to one event loop, and the error says so."""
    server = serve(task())
    transport = AiohttpTransport()
    client = k.AsyncKkiai(KEY, base_url=server.url, httpx_args={"transport": transport})

    async def first() -> None:
        await client.query("t")
        await transport.aclose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(first())
    with pytest.raises(k.ConfigurationError, match="one process and event loop"):
        asyncio.run(client.query("t"))
