"""Closing, threads and interrupts of clients."""

from __future__ import annotations

import gc
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError
from tests.support.canary import KEY
from tests.support.leaks import open_sockets
from tests.support.systems import needs_posix
from tests.support.wire import HANG, FileHost, completed, completed_task, http, json_reply, pattern, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import Kkiai
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest

USES: dict[str, Callable[[Kkiai, Path], object]] = {
    "query": lambda client, _: client.query("t"),
    "wait": lambda client, _: client.wait("t"),
    "watch": lambda client, _: list(client.watch("t")),
    "wait_many": lambda client, _: client.wait_many(["t", "u"]),
    "as_completed": lambda client, _: list(client.as_completed(["t", "u"])),
    "download": lambda client, path: client.download("t", path / "v.mp4"),
    "download of a task": lambda client, path: client.download(completed_task("http://127.0.0.1:9/v"), path / "v.mp4"),
    "wait_and_download": lambda client, path: client.wait_and_download("t", path / "v.mp4"),
    "a copy": lambda client, _: client.with_options(timeout=5).query("t"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.fault("C-07")
def test_every_call_of_a_closed_client_is_a_configuration_error(
    make: Maker, serve: Serve, tmp_path: Path, use: str
) -> None:
    """Every use of a closed client is a ConfigurationError; nothing is sent and nothing written."""
    server = serve(task())
    client = make(server.url)
    client.query("t")
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        USES[use](client, tmp_path)
    assert (len(server.requests), list(tmp_path.iterdir())) == (1, [])


@pytest.mark.fault("C-07")
def test_closing_a_client_twice_does_nothing(make: Maker, serve: Serve) -> None:
    """Closing again does nothing, with or without a with statement, used or not."""
    client = make(serve(task("queued")).url)
    with client as same:
        assert same.query("t").status == "queued"
    client.close()
    client.close()
    make("http://127.0.0.1:9").close()


@pytest.mark.fault("C-07")
def test_closing_one_copy_closes_all(make: Maker, serve: Serve) -> None:
    """A client and its copies share their connections: closing one closes all."""
    client = make(serve(task()).url)
    client.query("t")
    client.with_options(timeout=5).close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.query("t")


class Transport(httpx.HTTPTransport):
    """A transport that counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        """Close it."""
        type(self).closed += 1
        super().close()


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The same for asyncio."""

    closed = 0

    async def aclose(self) -> None:
        """Close it."""
        type(self).closed += 1
        await super().aclose()


def test_supplied_transport_carries_all_requests_and_is_closed_with_the_client(
    make: Maker, serve: Serve, tmp_path: Path
) -> None:
    """A transport that the caller passes carries all requests and is closed with the client."""
    kind: Any = Transport if make.kind == "sync" else AsyncTransport
    kind.closed = 0
    host = serve(FileHost(pattern(1, 0, 2000)))
    client = make(serve(completed(f"{host.url}/v")).url, httpx_args={"transport": kind()})
    client.download("t", tmp_path / "v.mp4")
    assert kind.closed == 0
    client.close()
    assert kind.closed > 0
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "args", [{"timeout": 5}, {"headers": {}}, {"limits": None}, {"proxy": "nonsense://h"}, {"nonsense": 1}]
)
def test_invalid_httpx_args_are_a_configuration_error(make: Maker, serve: Serve, args: dict[str, Any]) -> None:
    """Arguments that the SDK sets itself, or that httpx does not accept, are a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="httpx_args"):
        make(serve().url, httpx_args=args).query("t")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"transport": "direct"}, "transport in httpx_args must be an httpx.{kind}, not str"),
        ({"transport": httpx.HTTPTransport}, "transport in httpx_args must be an httpx.{kind}, not type"),
        ({"mounts": {"all://": 5}}, r"mounts\['all://'\] in httpx_args must be an httpx.{kind}, not int"),
        ({"mounts": {"all://": None, "https://": object()}}, r"mounts\['https://'\] in .*{kind}, not object"),
        ({"event_hooks": {"request": [None]}}, r"event_hooks in httpx_args\['request'\] must contain functions only"),
    ],
    ids=["transport", "a class", "mounts", "one of the mounts", "hooks"],
)
def test_invalid_hook_or_transport_is_refused_when_the_client_is_made(
    make: Maker, args: dict[str, Any], told: str
) -> None:
    """An invalid hook or transport is refused when the client is made, not by its first request."""
    kind = "BaseTransport" if make.kind == "sync" else "AsyncBaseTransport"
    with pytest.raises(ConfigurationError, match=f"^{told.format(kind=kind)}"):
        make("http://127.0.0.1:9", httpx_args=args)


def test_transport_of_the_other_kind_is_refused_when_the_client_is_made(make: Maker) -> None:
    """A transport of the other kind of client is refused when the client is made."""
    other = AsyncTransport() if make.kind == "sync" else Transport()
    for args in ({"transport": other}, {"mounts": {"all://": other}}):
        with pytest.raises(ConfigurationError, match="in httpx_args must be an httpx"):
            make("http://127.0.0.1:9", httpx_args=args)


def test_plain_hook_suits_both_clients_and_a_coroutine_function_the_async_one(make: Maker, serve: Serve) -> None:
    """A plain function is a valid hook of either client, one that must be awaited only of the asynchronous one."""
    seen: list[str] = []

    class Later:
        async def __call__(self, request: httpx.Request) -> None:
            seen.append(request.url.path)

    hooks = {"request": [lambda request: seen.append(request.method)], "response": [lambda _: None]}
    server = serve(task())
    make(server.url, httpx_args={"event_hooks": hooks}).query("t")
    assert seen == ["GET"]
    if make.kind == "async":
        make(serve(task()).url, httpx_args={"event_hooks": {"request": [Later(), Later().__call__]}}).query("t")
        assert seen == ["GET", "/v1/video/query", "/v1/video/query"]
    else:
        for later in (Later(), Later().__call__):
            with pytest.raises(ConfigurationError, match="plain functions"):
                make(server.url, httpx_args={"event_hooks": {"request": [later]}})


def test_misspelt_option_is_refused_with_the_valid_ones(make: Maker) -> None:
    """A misspelt option is refused, and the error lists the valid ones."""
    with pytest.raises(ConfigurationError, match=r"unknown option time_out; known: .*timeout"):
        make("http://127.0.0.1:9", time_out=5)


@pytest.mark.fault("C-01", "C-08")
@pytest.mark.parametrize(("use", "tasks"), [("wait", 1), ("wait_many", 3)])
def test_interrupt_between_polls_is_raised_and_the_client_works(
    make: Maker, serve: Serve, clock: FakeTime, use: str, tasks: int
) -> None:
    """Ctrl-C between two polls is raised at once, leaves no thread or task, and the client works afterwards."""
    server = serve(each=lambda _: task("queued"))
    client = make(server.url)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.on_sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        getattr(client, use)("abc" if tasks == 1 else ["a", "b", "c"])
    assert client.query("t").status == "queued"
    assert len(server.requests) == tasks + 1


@pytest.mark.fault("C-06")
def test_eight_threads_of_one_client_get_their_own_responses(serve: Serve) -> None:
    """Eight threads with one client each get the responses about their own tasks."""

    def echo(request: RawRequest) -> RawReply:
        return (
            http(503)
            if request.task_id.endswith("-3") and len(server.requests) % 2
            else json_reply({"id": request.task_id})
        )

    server = serve(each=echo)
    wrong: list[object] = []

    def ask(client: Kkiai, name: str) -> None:
        for number in range(25):
            answer = client.query(f"{name}-{number}", max_retries=50)
            if answer.answered_id != f"{name}-{number}":
                wrong.append(answer)

    with k.Kkiai(KEY, base_url=server.url) as client:
        threads = [threading.Thread(target=ask, args=(client, f"t{number}")) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len({each.task_id for each in server.requests}) == 200


@needs_posix
@pytest.mark.parametrize("use", ["query", "wait", "wait_many", "watch"])
@pytest.mark.fault("C-01")
def test_interrupt_while_a_response_is_awaited_is_raised_and_the_client_works(
    make: Maker, serve: Serve, use: str
) -> None:
    """Ctrl-C while a response is awaited is raised at once, and the client works afterwards."""

    def interrupt(request: RawRequest) -> RawReply:
        if request.task_id == "after":
            return task("queued")
        if request.task_id == "t":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return HANG

    server = serve(each=interrupt)
    client = make(server.url)
    # The response never arrives: only the interrupt can end this.
    with pytest.raises(KeyboardInterrupt):
        USES[use](client, Path())
    assert client.query("after").status == "queued"


@pytest.mark.fault("C-06")
def test_32_threads_of_one_client_share_few_connections(serve: Serve) -> None:
    """Thirty-two threads with one client send 320 queries: each gets its own responses, over few connections."""
    most: list[int] = []

    def echo(request: RawRequest) -> RawReply:
        if len(server.requests) % 20 == 0:
            most.append(len(open_sockets()))
        return json_reply({"id": request.task_id})

    server = serve(each=echo)
    names = [f"t{number}" for number in range(320)]
    before = len(open_sockets())
    with k.Kkiai(KEY, base_url=server.url) as client, ThreadPoolExecutor(32) as threads:
        answered = list(threads.map(lambda name: client.query(name).answered_id, names))
    assert answered == names
    # Both ends of each connection are in this process. A thread has one at a time, next to those that are being closed.
    assert max(most) - before <= 2 * (32 + 20)


@pytest.mark.fault("C-11")
def test_garbage_collected_client_closes_its_connections_silently(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is garbage-collected closes its connections; only Python's own ResourceWarning may appear."""
    raised: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", raised.append)
    server = serve(each=lambda _: task("queued"))
    before = open_sockets()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert make(server.url).query("t").status == "queued"
        assert open_sockets() != before
        make.made.clear()
        make.run_event_loop()
        gc.collect()
        make.run_event_loop()
    assert raised == []
    assert {each.category for each in warned} <= {ResourceWarning}


def driven(coroutine: Any) -> None:
    """Run a coroutine to its first pause without an event loop of asyncio, as another library would."""
    try:
        coroutine.send(None)
    finally:
        coroutine.close()


async def listed(results: Any) -> list[Any]:
    """The results of an asynchronous iterator."""
    return [result async for result in results]


LOOPLESS: dict[str, Callable[[Any, Path], Any]] = {
    "query": lambda client, _: client.query("t"),
    "wait": lambda client, _: client.wait("t"),
    "watch": lambda client, _: listed(client.watch("t")),
    "wait_many": lambda client, _: client.wait_many(["t"]),
    "as_completed": lambda client, _: listed(client.as_completed(["t"])),
    "download": lambda client, path: client.download("t", path / "v.mp4"),
    "wait_and_download": lambda client, path: client.wait_and_download("t", path / "v.mp4"),
    "close": lambda client, _: client.close(),
    "fleet": lambda client, _: client.fleet().__aenter__(),
}


@pytest.mark.parametrize("name", LOOPLESS)
def test_asynchronous_client_without_asyncio_says_that_it_is_needed(name: str, tmp_path: Path) -> None:
    """Under another asynchronous library than asyncio, such as trio, each call is refused and nothing is sent."""
    client = k.AsyncKkiai(KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"asyncio.*trio"):
        driven(LOOPLESS[name](client, tmp_path))
