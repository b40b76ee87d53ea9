"""Fixtures of every test: nothing is sent beyond this machine."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import effort  # noqa: F401 (its profile must be known before it is asked for)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
#: Test files that need what Windows lacks: forks, FIFOs, users, limits, modes, interrupts of processes, long paths.
NOT_ON_WINDOWS = (
    *(f"behaviour/test_{name}.py" for name in ("destinations", "file_system", "long_names", "processes", "resources")),
    "cli/test_processes.py",
)
collect_ignore = NOT_ON_WINDOWS if sys.platform == "win32" else ()


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
