"""Test runs in processes of their own, with the plugins that a test names and no others."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.leaks import ResourceSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The plugins of a run. Loading all that are installed takes seconds.
PLUGINS = ("kkiai_sdk.testing.plugin", "pytest_asyncio.plugin", "anyio.pytest_plugin", "xdist.plugin")
OPTIONS = ("-Werror", "--strict-markers", "-pno:cacheprovider")


class Run(Protocol):
    """Runs pytest in the folder of the test, with warnings as errors."""

    def __call__(self, *arguments: str, plugins: tuple[str, ...] | None = PLUGINS) -> pytest.RunResult:
        """Run it; None loads every plugin that is installed."""
        ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest in a separate process."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    for name in ("KKIAI_API_KEY", "KKIAI_BASE_URL", "PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name, raising=False)

    def start(*arguments: str, plugins: tuple[str, ...] | None = PLUGINS) -> pytest.RunResult:
        if plugins is not None:
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        named = [word for plugin in plugins or () for word in ("-p", plugin)]
        if plugins is None or "pytest_asyncio.plugin" in plugins:
            # It warns if this is left open.
            named.append("-oasyncio_default_fixture_loop_scope=function")
        return pytester.runpytest_subprocess(*OPTIONS, *named, *arguments)

    return start


@pytest.fixture
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a socket or a file open."""
    before = ResourceSnapshot()
    yield
    before.assert_unchanged()
