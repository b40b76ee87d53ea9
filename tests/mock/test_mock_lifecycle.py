"""The gateway as an object: start and close, options, banner and repr, and the packages that it needs."""

from __future__ import annotations

import asyncio
import gc
import math
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kkiai_sdk import ConfigurationError, mock
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import FakeTime

KEY = {"authorization": "Bearer sk-good"}


def threads() -> set[threading.Thread]:
    """The threads of gateways that are alive; other tests of the same process may keep one for all of theirs."""
    return {thread for thread in threading.enumerate() if thread.name == "kkiai-mock"}


@pytest.mark.fault("M-06")
def test_closed_gateway_leaves_no_thread_or_socket(clock: FakeTime) -> None:
    """After the block there is no thread and nobody listens, even with a client still connected."""
    before = threads()
    with httpx.Client() as client:
        with MockGateway(clock=clock.monotonic, cdn=True) as gateway:
            urls = [gateway.base_url, str(gateway.cdn_url)]
            assert [client.get(url).status_code for url in urls] == [404, 404]
            assert len(threads() - before) == 1
        assert threads() == before
        for url in urls:
            with pytest.raises(httpx.ConnectError):
                client.get(url)
    gc.collect()  # a socket that was left open would warn here, and warnings are errors


def test_gateway_closed_at_once_and_twice_ends() -> None:
    """A gateway that is closed before it answered anything ends, and closing it again does nothing."""
    before = threads()
    gateway = MockGateway()
    gateway.close()
    gateway.start()
    gateway.close()
    gateway.close()
    assert threads() == before


def test_close_during_delayed_answer_sends_it_at_once() -> None:
    """Closing does not wait for the delay of an answer that is under way; the answer is sent."""
    arrived = threading.Event()

    def clock() -> float:
        if threading.current_thread().name == "kkiai-mock":
            arrived.set()
        return 1000.25

    with ThreadPoolExecutor(1) as pool, MockGateway(speed=0.001, clock=clock) as gateway:
        url = f"{gateway.base_url}/v1/video/query?id=grok:scenario-slow"
        answer = pool.submit(httpx.get, url, headers=KEY, timeout=60)
        assert arrived.wait(60)
        gateway.close()
        assert answer.result(60).json()["status"] == "pending"


@pytest.mark.fault("M-07")
def test_two_gateways_share_no_tasks_or_records(clock: FakeTime) -> None:
    """Two gateways at once have their own addresses, tasks and records."""
    with MockGateway(clock=clock.monotonic) as one, MockGateway(clock=clock.monotonic) as two:
        for gateway, asked in ((one, 1), (two, 1), (one, 2)):
            url = f"{gateway.base_url}/v1/video/query?id=grok:scenario-flaky"
            assert httpx.get(url, headers=KEY).status_code == (503 if asked == 2 else 200)
        assert (len(one.requests), len(two.requests)) == (2, 1)


def test_gateway_in_other_thread_serves_requests(clock: FakeTime) -> None:
    """A gateway can be started, asked and closed away from the main thread."""

    def visit() -> int:
        with MockGateway(clock=clock.monotonic) as gateway:
            return httpx.get(gateway.base_url).status_code

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(visit).result(60) == 404


def test_gateway_in_event_loop_serves_its_coroutines(clock: FakeTime) -> None:
    """A gateway serves the coroutines of the thread that started it."""

    async def visit() -> int:
        with MockGateway(clock=clock.monotonic) as gateway:
            async with httpx.AsyncClient() as client:
                return (await client.get(gateway.base_url)).status_code

    assert asyncio.run(visit()) == 404


def test_wait_ends_when_gateway_is_closed() -> None:
    """wait() blocks for as long as the gateway serves."""
    with ThreadPoolExecutor(1) as pool, MockGateway() as gateway:
        waiting = pool.submit(gateway.wait)
        assert not waiting.done()
        gateway.close()
        waiting.result(60)


def test_second_start_is_refused_even_after_close() -> None:
    """A gateway that was started cannot be started again, not even after it was closed."""
    with MockGateway() as gateway, pytest.raises(ConfigurationError, match="create a new one"):
        gateway.start()
    with pytest.raises(ConfigurationError, match="create a new one"):
        gateway.start()


@pytest.mark.parametrize("use", [lambda g: g.base_url, lambda g: g.cdn_url, lambda g: g.banner(), lambda g: g.wait()])
def test_use_before_start_is_refused(use: Callable[[MockGateway], object]) -> None:
    """A property or method that needs a running gateway raises an error that says so."""
    with pytest.raises(ConfigurationError, match=r"start\(\)"):
        use(MockGateway())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("speed", value) for value in (0, -1, math.nan, math.inf, True, "fast", None)),
        *(("port", value) for value in (-1, 65_536, 80.0, "80", False, None)),
        *(("host", value) for value in ("0.0.0.0", "", "::", "192.0.2.7", "gateway.test", None)),
        *(("api_key", value) for value in ("", "sk bad", "sk-\n", "sk-\u00e9", "k" * 513, 7)),
        *(("clock", value) for value in (None, 1000.25, "now")),
    ],
)
@pytest.mark.fault("M-01")
def test_option_out_of_range_is_named(option: str, value: Any) -> None:
    """An option out of its range is named, and a key is never repeated."""
    with pytest.raises(ConfigurationError, match=option) as caught:
        MockGateway(**{option: value})
    assert option != "api_key" or not value or str(value) not in str(caught.value).replace("512", "")


def test_port_in_use_is_named(gateway: MockGateway) -> None:
    """A port that is taken is named, and nothing is left behind."""
    port = httpx.URL(gateway.base_url).port or 0
    with pytest.raises(ConfigurationError, match=f"port {port} of 127.0.0.1 cannot be used"):
        MockGateway(port=port).start()


@pytest.mark.parametrize(
    ("host", "start"),
    [("localhost", "http://127.0.0.1:"), ("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")],
)
@pytest.mark.fault("M-01")
def test_gateway_listens_on_named_loopback_host(host: str, start: str) -> None:
    """The gateway listens on the host that is named, if that is this machine."""
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    with MockGateway(host=host) as gateway:
        assert gateway.base_url.startswith(start)
        assert httpx.get(gateway.base_url).status_code == 404


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_banner_has_command_that_can_be_pasted(clock: FakeTime) -> None:
    """The banner holds the address, the speed and a command line with a key that works."""
    with MockGateway(clock=clock.monotonic, speed=10) as gateway:
        lines = gateway.banner().splitlines()
    command = f"  KKIAI_BASE_URL={gateway.base_url} KKIAI_API_KEY=sk-mock kkiai wait grok:scenario-normal"
    assert lines[0] == f"Mock gateway: {gateway.base_url} (speed 10)"
    assert command in lines


def test_default_speed_is_that_of_clock() -> None:
    """By default a gateway second is a second of the clock."""
    assert repr(MockGateway()) == "MockGateway(not started, speed=1)"


def test_own_key_is_in_neither_banner_nor_repr(gateway: MockGateway) -> None:
    """A key of the caller's own is in neither the banner nor the repr; the CDN's address is in the banner."""
    assert gateway.api_key == "sk-good"
    assert "sk-good" not in gateway.banner() + repr(gateway) + repr(MockGateway(api_key="sk-good"))
    assert f"Video files:  {gateway.cdn_url}" in gateway.banner()


def test_gateway_without_any_extra_serves_requests() -> None:
    """The gateway needs no package but those that the SDK itself needs."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
for name in ("aiohttp", "click", "rich", "schemathesis", "starlette", "typer", "uvicorn", "yaml"):
    sys.modules[name] = None
from kkiai_sdk import Kkiai
from kkiai_sdk.mock import MockGateway
with MockGateway() as gateway, Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
    print(client.query("grok:scenario-normal").status)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "pending\n"


def test_door_exports_exactly_the_public_names() -> None:
    """`kkiai_sdk.mock` exports the gateway, the two listings, and what a script gets and gives."""
    names = ["MockGateway", "Phase", "ReceivedRequest", "Reply", "TaskQuery", "faults", "scenarios", "script_of"]
    assert mock.__all__ == names
    assert all(getattr(mock, name).__module__.startswith("kkiai_sdk.mock.") for name in mock.__all__)
    assert all(callable(getattr(mock, name)) for name in mock.__all__)
