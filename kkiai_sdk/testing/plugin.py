"""The pytest plugin. It imports the SDK when a fixture is used, and has no effect on tests that use none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk import AsyncKkiai, Kkiai
    from kkiai_sdk.testing import Gateway

MARKER = (
    "kkiai(tasks={}, faults=[]): scripts by task id, and faults for the first requests, for the fixture kkiai_gateway"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the gateway for a marked test that does not request the fixture, before the fixtures that it requests."""
    names = getattr(item, "fixturenames", ["kkiai_gateway"])
    if "kkiai_gateway" not in names and item.get_closest_marker("kkiai"):
        # A new list: that of pytest is shared by all parameters of a test.
        item.fixturenames = ["kkiai_gateway", *names]  # type: ignore[attr-defined]


@pytest.fixture
def kkiai_gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """A mock gateway with fake time and the scripts of the marker, for clients created during the test.

    ``KKIAI_BASE_URL`` and ``KKIAI_API_KEY`` are set to its URL and key, so ``Kkiai()`` in the code under test connects
    to it.
    """
    from kkiai_sdk import ConfigurationError  # noqa: PLC0415 (nothing is imported before it is used)
    from kkiai_sdk.testing import Gateway  # noqa: PLC0415

    try:
        gateway = Gateway(**_options(request.node))
    except ConfigurationError as error:
        _reject(request.node, str(error))
    with gateway, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KKIAI_BASE_URL", gateway.base_url)
        patch.setenv("KKIAI_API_KEY", gateway.api_key)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, ",".join(filter(None, [os.environ.get(name), "127.0.0.1"])))
        yield gateway


@pytest.fixture
def kkiai_client(kkiai_gateway: Gateway) -> Iterator[Kkiai]:
    """A client for the mock gateway."""
    with kkiai_gateway.client() as client:
        yield client


@pytest.fixture
def kkiai_async_client(kkiai_gateway: Gateway) -> AsyncKkiai:
    """An asynchronous client for the mock gateway. It keeps no connections, so it need not be closed.

    An asynchronous fixture would need the event loop of one of several plugins. This one works with all of them.
    """
    return kkiai_gateway.async_client(httpx_args={"event_hooks": {"request": [_close_afterwards]}})


async def _close_afterwards(request: Any) -> None:
    request.headers["connection"] = "close"


def _reject(item: pytest.Item, problem: str) -> NoReturn:
    """Report a wrong use of the marker in one line, without a traceback into this plugin."""
    pytest.fail(f"pytest.mark.kkiai of {item.nodeid}: {problem}", pytrace=False)


def _options(item: pytest.Item) -> dict[str, Any]:
    """The options of the gateway from the markers; for each task, the closest marker takes precedence."""
    options: dict[str, Any] = {"tasks": {}}
    for marker in reversed([*item.iter_markers("kkiai")]):
        tasks = marker.kwargs.get("tasks", {})
        unknown = [*(f"{each!r:.60}" for each in marker.args), *sorted(marker.kwargs.keys() - {"tasks", "faults"})]
        if unknown:
            _reject(item, f"only accepts tasks={{…}} and faults=[…], not {', '.join(unknown)}")
        if not isinstance(tasks, dict):
            _reject(item, f"tasks must be a dict of scripts by task id, not {tasks!r:.60}")
        options |= {**marker.kwargs, "tasks": options["tasks"] | tasks}
    return options
