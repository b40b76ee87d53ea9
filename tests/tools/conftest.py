"""Clients of both kinds, for tools that attach to httpx. Each tool is imported by the one module that tests it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from kkiai_sdk import _clock as _runtime
from tests.support.adapter import KINDS, Maker
from tests.support.canary import watch_for_key
from tests.support.clock import FakeTime
from tests.support.leaks import ResourceSnapshot
from tests.support.rawserver import RawServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.support.rawserver import RawReply


class Serve(Protocol):
    """Start a local server that plays a script."""

    def __call__(self, script: Iterable[RawReply]) -> RawServer:
        """Start it; it ends with the test."""
        ...


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = ResourceSnapshot()
    yield
    before.assert_unchanged()


@pytest.fixture(autouse=True)
def _no_key_anywhere(
    _nothing_left_behind: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[None]:
    # Neither the SDK nor a tool may log the key, or write it to a file below tmp_path.
    with watch_for_key(monkeypatch, caplog, capsys, tmp_path):
        yield


@pytest.fixture(autouse=True)
def clock(_no_key_anywhere: None, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The time of every client made in the test; the environment sets nothing."""
    for name in ("KKIAI_API_KEY", "KKIAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    time = FakeTime()
    monkeypatch.setattr(_runtime, "SYSTEM", time.as_clock())
    return time


@pytest.fixture
def serve(clock: FakeTime) -> Iterator[Serve]:
    """Local servers, stopped after the clients are closed."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(RawServer(script, clock=clock.monotonic))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two clients."""
    return str(request.param)


@pytest.fixture
def make(kind: str, serve: Serve) -> Iterator[Maker]:
    """Makes clients of this kind; closed before the servers are."""
    maker = Maker(kind)
    yield maker
    maker.close()
