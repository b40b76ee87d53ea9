"""Tests in real time: programs are interrupted, stopped and starved, and peers are slow.

Not among the `testpaths`: `make test-all` runs it. Here, and only here, tests sleep.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.leaks import ResourceSnapshot
from tests.support.rawserver import RawServer
from tests.support.wire import completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.rawserver import RawReply, RawRequest


class Play(Protocol):
    """Starts a raw server whose every answer is given by one function of the request."""

    def __call__(self, each: Callable[[RawRequest], RawReply]) -> RawServer:
        """Start one."""
        ...


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = ResourceSnapshot()
    yield
    before.assert_unchanged()


@pytest.fixture(autouse=True)
def _no_environment(_nothing_left_behind: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KKIAI_API_KEY", "KKIAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def play(_no_environment: None) -> Iterator[Play]:
    """Raw servers that are closed at the end."""
    with ExitStack() as stack:
        yield lambda each: stack.enter_context(RawServer(iter(lambda: each, None), clock=time.monotonic))


@pytest.fixture
def play_video(play: Play) -> Play:
    """Raw servers that are gateway and file host: each query names ``/v.mp4``; the function answers other requests."""

    def start(each: Callable[[RawRequest], RawReply]) -> RawServer:
        def answer(request: RawRequest) -> RawReply:
            return completed(f"{server.url}/v.mp4") if request.target.startswith("/v1/") else each(request)

        server = play(answer)
        return server

    return start
