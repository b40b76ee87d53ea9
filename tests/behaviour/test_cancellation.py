"""asyncio: cancelled calls, other event loops, and concurrent tasks."""

from __future__ import annotations

import asyncio
import traceback
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kkiai_sdk import AsyncKkiai, ConfigurationError
from tests.support.adapter import default_tls
from tests.support.canary import KEY, chain_of
from tests.support.rawserver import End
from tests.support.wire import HANG, FileHost, completed_task, json_reply, pattern, task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest, RawServer

BODY = pattern(1, 0, 1 << 20)
HOST = FileHost(BODY)


def client_of(server: RawServer) -> AsyncKkiai:
    """Return a client as a program would make it."""
    return AsyncKkiai(KEY, base_url=server.url, httpx_args={"verify": default_tls()})


async def cancelled_after(steps: int, call: Awaitable[object]) -> bool:
    """Run a call for so many turns of the event loop, then cancel it; return whether it was still running."""
    running = asyncio.ensure_future(call)
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        return True
    return False


def variables_of(error: BaseException) -> str:
    """Return the variables of every frame in the tracebacks of an error and its causes."""
    return "".join(repr(frame.f_locals) for one in chain_of(error) for frame, _ in traceback.walk_tb(one.__traceback__))


@pytest.mark.fault("K-07", "C-03")
def test_cancelled_call_has_no_frame_with_the_key(serve: Serve) -> None:
    """The error of a call that the caller's timeout ended has no frame whose variables hold the key."""

    async def main() -> None:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def hang(_request: RawRequest) -> RawReply:
            loop.call_soon_threadsafe(arrived.set)
            return HANG

        async with client_of(serve(each=hang)) as client:
            call = asyncio.ensure_future(client.query("t"))
            await arrived.wait()
            call.cancel()
            await call

    with pytest.raises(asyncio.CancelledError) as caught:
        asyncio.run(main())
    assert KEY not in variables_of(caught.value)


@pytest.mark.parametrize("use", ["wait", "query", "wait_many", "watch"])
@pytest.mark.fault("C-02")
def test_call_cancelled_at_any_turn_raises_cancelled_error_and_the_client_works(serve: Serve, use: str) -> None:
    """A call that is cancelled at any moment raises CancelledError, and the client works afterwards."""
    server = serve(each=lambda request: json_reply({"id": request.task_id, "status": "queued"}))

    async def watch(client: AsyncKkiai) -> None:
        async for _ in client.watch("t", timeout=None):
            pass

    calls: dict[str, Callable[[AsyncKkiai], Awaitable[object]]] = {
        "query": lambda client: client.query("t"),
        "wait": lambda client: client.wait("t", timeout=None),
        "wait_many": lambda client: client.wait_many(["a", "b", "c"], timeout=None),
        "watch": watch,
    }

    async def main() -> None:
        async with client_of(server) as client:
            stopped = [await cancelled_after(steps, calls[use](client)) for steps in (*range(12), *range(12, 60, 2))]
            assert stopped.count(True) > 5
            answers = await asyncio.gather(*[client.query(f"t{number}") for number in range(20)])
            assert [each.answered_id for each in answers] == [f"t{number}" for number in range(20)]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.fault("C-02")
def test_wait_cancelled_between_polls_sends_no_further_request(serve: Serve, clock: FakeTime) -> None:
    """A wait that is cancelled between two polls sends no further request."""
    server = serve(task(), task("queued"))

    async def main() -> None:
        async with client_of(server) as client:
            waiting = asyncio.create_task(client.wait("t"))
            clock.on_sleep = waiting.cancel
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert len(server.requests) == 1
            assert (await client.query("t")).status == "queued"

    asyncio.run(main())


@pytest.mark.fault("C-03")
def test_asyncio_timeout_around_a_call_is_a_plain_timeout_error(serve: Serve) -> None:
    """asyncio.timeout around a call raises the caller's TimeoutError, not an error of the SDK."""
    server = serve(each=lambda request: HANG if request.task_id == "silent" else task("queued"))

    async def main() -> None:
        async with client_of(server) as client:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.1):
                    await client.wait("silent")
            assert type(caught.value) is TimeoutError
            assert (await client.query("t")).status == "queued"

    asyncio.run(main())


def test_download_cancelled_at_any_turn_releases_the_lock_and_can_be_resumed(serve: Serve, tmp_path: Path) -> None:
    """A download that is cancelled at any moment holds no lock, writes no more, and can be resumed."""
    host = serve(each=HOST)
    server = serve()
    target = tmp_path / "v.mp4"

    async def main() -> None:
        async with client_of(server) as client:
            for steps in (*range(30), *(2**power for power in range(5, 13))):
                await cancelled_after(steps, client.download(completed_task(f"{host.url}/v"), target, overwrite=True))
            await client.download(completed_task(f"{host.url}/v"), target, overwrite=True)

    asyncio.run(main())
    assert target.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [target]


def test_download_cancelled_between_two_writes_is_resumed_from_the_written_bytes(serve: Serve, tmp_path: Path) -> None:
    """A download that is cancelled during the body keeps the written bytes; the next one requests only the rest."""
    body = pattern(1, 0, 1 << 20) * 3
    host = serve(each=FileHost(body))
    target = tmp_path / "v.mp4"

    async def main() -> None:
        async with client_of(serve()) as client:
            loading = asyncio.create_task(
                client.download(
                    completed_task(f"{host.url}/v"), target, progress=lambda size, _: size and loading.cancel()
                )
            )
            with pytest.raises(asyncio.CancelledError):
                await loading
            await client.download(completed_task(f"{host.url}/v"), target)

    asyncio.run(main())
    assert target.read_bytes() == body
    assert str(host.requests[1].header("range")) > "bytes=1000000-"


def test_download_cancelled_while_the_server_is_silent_releases_the_file(serve: Serve, tmp_path: Path) -> None:
    """A download that is cancelled while the server is silent within the body releases the file at once."""
    silent = HOST.cut(700_000, End.HANG)
    host = serve(each=lambda request: (silent if request.target == "/silent" else HOST)(request))
    target = tmp_path / "v.mp4"

    async def main() -> None:
        async with client_of(serve()) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.download(completed_task(f"{host.url}/silent"), target)
            await client.download(completed_task(f"{host.url}/v"), target)

    asyncio.run(main())
    assert target.read_bytes() == BODY


def test_coroutine_function_as_on_update_is_awaited(serve: Serve) -> None:
    """An asynchronous on_update is awaited before the wait goes on."""
    server = serve(task("queued"), task("failed"))
    heard: list[str | None] = []

    async def hear(update: object) -> None:
        await asyncio.sleep(0)
        heard.append(getattr(update, "status", None))
        assert len(heard) == len(server.requests)

    async def main() -> None:
        async with client_of(server) as client:
            await client.wait("t", on_update=hear, raise_on_failure=False)

    asyncio.run(main())
    assert heard == ["queued", "failed"]


@pytest.mark.fault("C-08")
def test_break_out_of_as_completed_leaves_no_asyncio_task(serve: Serve) -> None:
    """Breaking out of as_completed leaves no asyncio task."""
    server = serve(
        each=lambda request: HANG if request.task_id == "b" else json_reply({"status": "done", "url": "http://h/v"})
    )

    async def main() -> None:
        async with client_of(server) as client:
            async for result in client.as_completed(["a", "b"]):
                assert result.task_id == "a"
                break
            # The event loop closes the abandoned generator in another task.
            for _ in range(100):
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert (await client.query("a")).is_succeeded

    asyncio.run(main())


def test_hundred_concurrent_queries_get_their_own_responses(serve: Serve) -> None:
    """Each of a hundred concurrent queries gets the response about its own task."""

    def echo(request: RawRequest) -> RawReply:
        return json_reply({"id": request.task_id})

    server = serve(each=echo)

    async def main() -> None:
        async with client_of(server) as client:
            answers = await asyncio.gather(*[client.query(f"t{number}") for number in range(100)])
            assert [each.answered_id for each in answers] == [f"t{number}" for number in range(100)]

    asyncio.run(main())


@pytest.mark.fault("C-04")
def test_client_in_a_second_event_loop_opens_its_own_connections(serve: Serve) -> None:
    """A client that outlives its event loop works in the next one, with new connections."""
    server = serve(task("queued"), task("running"))
    client = client_of(server)

    async def first() -> str | None:
        return (await client.query("t")).status

    async def second() -> str | None:
        async with client:
            return (await client.query("t")).status

    assert asyncio.run(first()) == "queued"
    assert asyncio.run(second()) == "running"
    assert [each.connection for each in server.requests] == [0, 1]


@pytest.mark.fault("C-11")
def test_unclosed_client_leaves_no_connection_after_its_event_loop(serve: Serve) -> None:
    """When its event loop ends, the connections of an unclosed client are closed; the fixtures check it."""
    client = client_of(serve(task("queued")))

    async def main() -> str | None:
        return (await client.query("t")).status

    assert asyncio.run(main()) == "queued"


def test_supplied_transport_in_a_second_event_loop_is_refused(serve: Serve) -> None:
    """A transport that the caller supplies is not used in another event loop: the error says so."""
    server = serve(task())
    client = AsyncKkiai(KEY, base_url=server.url, httpx_args={"transport": httpx.MockTransport(_answer)})

    async def main() -> None:
        await client.query("t")

    asyncio.run(main())
    with pytest.raises(ConfigurationError, match="one process and event loop"):
        asyncio.run(main())


def _answer(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"status": "queued"})


@pytest.mark.fault("C-02")
@pytest.mark.parametrize("calls", [600, pytest.param(10_000, marks=pytest.mark.deep)])
def test_calls_cancelled_at_random_moments_leave_a_bounded_pool(serve: Serve, calls: int) -> None:
    """After many cancelled calls a client holds at most 100 connections, and works on."""
    server, dice = serve(each=lambda _: task("queued")), Random(5)

    async def cancelled(client: AsyncKkiai) -> None:
        query = asyncio.create_task(client.query("t"))
        for _ in range(dice.randrange(12)):
            await asyncio.sleep(0)
        query.cancel()
        await asyncio.gather(query, return_exceptions=True)

    async def main() -> int:
        most = 0
        async with client_of(server) as client:
            transport: Any = client._session._transport
            for _ in range(calls // 20):
                await asyncio.gather(*(cancelled(client) for _ in range(20)))
                most = max(most, sum(len(pool.connections) for pool in transport._pool._pools.values()))
            assert (await client.query("t")).status == "queued"
        return most

    assert asyncio.run(main()) <= 100
