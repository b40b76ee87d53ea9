"""What holds for every test: nothing is sent beyond this machine, and asynchronous clients use the chosen transport."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import effort  # noqa: F401 (its profile must be known before it is asked for)
from tests.support.adapter import TRANSPORTS, pin

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSPORT_HELP = "what asynchronous clients run over; with aiohttp the synchronous kind of each test is left out"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: for a third of the time tests wait for sockets, timeouts and other processes."""
    return 1 + (os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register ``--transport``."""
    parser.addoption("--transport", choices=TRANSPORTS, default="httpcore", help=TRANSPORT_HELP)


@pytest.fixture(autouse=True, scope="session")
def _transport(pytestconfig: pytest.Config) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        pin(patch, pytestconfig.getoption("transport"))
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Over aiohttp, the synchronous client has nothing new to show."""
    if config.getoption("transport") == "aiohttp":
        left_out = [each for each in items if _kind(each) == "sync"]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [each for each in items if _kind(each) != "sync"]


def _kind(item: pytest.Item) -> object:
    return item.callspec.params.get("kind") if hasattr(item, "callspec") else None
