"""A client sees no difference between the gateway over sockets and the same gateway behind respx."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.metadata import distribution
from itertools import count
from typing import TYPE_CHECKING

import httpx
import pytest
import respx

from kkiai_sdk import Kkiai, PollPolicy, TaskFailedError, TaskNotFoundError, TaskState
from kkiai_sdk.mock import MockGateway
from tests.mock.app_client import AppClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk import Kkiai as Client


def behind_respx(app: AppClient, request: httpx.Request, now: float) -> httpx.Response:
    """The answer of the gateway without a network to a request of the SDK."""
    fields = {name.lower(): value for name, value in request.headers.items()}
    reply = app.send(request.url.path, request.url.query.decode(), now=now, method=request.method, **fields)
    return httpx.Response(
        reply.status, headers={"content-type": reply.content_type, **dict(reply.headers)}, content=reply.body
    )


@pytest.fixture(params=["mock", "respx"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of the mock gateway, over sockets or behind respx."""
    poll = PollPolicy(min_interval=0.01, max_interval=0.01)
    if request.param == "mock":
        with (
            MockGateway(api_key="sk-good", speed=500) as gateway,
            Kkiai("sk-good", base_url=gateway.base_url, poll=poll, max_retries=0) as made,
        ):
            yield made
    else:
        app, times = AppClient(), count(50.5, 5.0)
        with respx.mock(base_url="http://127.0.0.1:9") as router:
            router.route().mock(side_effect=lambda sent: behind_respx(app, sent, next(times)))
            with Kkiai("sk-good", base_url="http://127.0.0.1:9", poll=poll, max_retries=0) as made:
                yield made


@pytest.mark.fault("M-03")
def test_task_over_mock_and_respx_completes_with_url(client: Client) -> None:
    """A task is pending, and done in the end, with a URL of the gateway's."""
    assert client.query("grok:scenario-normal").state is TaskState.PENDING
    assert (client.wait("grok:scenario-normal").video_url or "").endswith("/files/grok-scenario-normal.mp4")


@pytest.mark.fault("M-03")
def test_failed_task_over_mock_and_respx_raises_its_reason(client: Client) -> None:
    """A task that fails raises an error with the reason."""
    with pytest.raises(TaskFailedError, match="refused by the filter"):
        client.wait("grok:scenario-fails")


@pytest.mark.fault("M-03")
def test_unknown_task_over_mock_and_respx_is_not_found(client: Client) -> None:
    """A task that does not exist is not found."""
    with pytest.raises(TaskNotFoundError):
        client.query("nothing")


@pytest.mark.deep
@pytest.mark.fault("M-05")
def test_pytest_in_empty_folder_loads_only_the_plugin_of_sdk() -> None:
    """The SDK hooks into pytest alone: a run in an empty folder imports its plugin, and nothing that it uses."""
    groups = sorted(entry.group for entry in distribution("kkiai-sdk").entry_points)
    assert groups == ["console_scripts", "pytest11"]
    run = "pytest.main(['-q', '--co', '-p', 'no:cacheprovider', '/dev/null'])"
    code = f"import sys, pytest; {run}; print([name for name in sys.modules if name.startswith('kkiai')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "['kkiai_sdk', 'kkiai_sdk.testing', 'kkiai_sdk.testing.plugin']"


@pytest.mark.fault("M-08")
@pytest.mark.parametrize("address", [("192.0.2.7", 80), ("203.0.113.1", 443)])
def test_connection_beyond_loopback_fails_at_once(address: tuple[str, int]) -> None:
    """An attempt of a test to connect to another machine fails at once."""
    with socket.socket() as one, pytest.raises(AssertionError, match="tried to reach"):
        one.connect(address)
