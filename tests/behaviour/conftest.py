"""Fixtures for both clients: each test that takes ``make`` or ``client`` runs with each kind."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Protocol, Self

import pytest

from kkiai_sdk import _clock as _runtime
from kkiai_sdk.mock import MockGateway
from tests.support.adapter import KINDS, Maker
from tests.support.canary import KEY, watch_for_key
from tests.support.clock import FakeTime
from tests.support.leaks import ResourceSnapshot
from tests.support.rawserver import RawServer
from tests.support.wire import completed, completed_task

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kkiai_sdk import Kkiai
    from tests.support.rawserver import RawReply, RawRequest


class Serve(Protocol):
    """Starts a raw server with a script."""

    def __call__(
        self,
        *script: RawReply | Callable[[RawRequest], RawReply],
        each: Callable[[RawRequest], RawReply] | None = None,
        foreign: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> RawServer:
        """Start one; after the script, ``each`` answers."""
        ...


@pytest.fixture(autouse=True)
def _nothing_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = ResourceSnapshot()
    yield
    before.assert_unchanged()
    assert list(temporary.iterdir()) == [], "temporary files were left"


@pytest.fixture(autouse=True)
def _no_key_anywhere(
    _nothing_left_behind: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[None]:
    with watch_for_key(monkeypatch, caplog, capsys, tmp_path):
        yield


@pytest.fixture(autouse=True)
def clock(_no_key_anywhere: None, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The fake time of every client made in the test; the environment variables are removed."""
    for name in ("KKIAI_API_KEY", "KKIAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    time = FakeTime()
    monkeypatch.setattr(_runtime, "SYSTEM", time.as_clock())
    return time


@pytest.fixture
def serve(clock: FakeTime) -> Iterator[Serve]:
    """Raw servers that are closed at the end. A ``foreign`` one must not have received the key."""
    foreigners: list[RawServer] = []
    with ExitStack() as stack:

        def start(
            *script: RawReply | Callable[[RawRequest], RawReply],
            each: Callable[[RawRequest], RawReply] | None = None,
            foreign: bool = False,
            tls: ssl.SSLContext | None = None,
        ) -> RawServer:
            items = chain(script, repeat(each) if each else ())
            server = stack.enter_context(RawServer(items, clock=clock.monotonic, tls=tls))
            foreigners.extend([server] if foreign else [])
            return server

        yield start
    assert KEY not in repr([server.requests for server in foreigners]), "the key was sent to another host"


@pytest.fixture
def gateway(clock: FakeTime) -> Iterator[MockGateway]:
    """The mock gateway and its CDN, on the fake time of the test."""
    with MockGateway(api_key=KEY, cdn=True, clock=clock.monotonic) as running:
        yield running
    assert KEY not in repr([each.headers for each in running.requests if each.server == "cdn"])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of the client: sync or async."""
    return str(request.param)


@pytest.fixture
def make(kind: str, serve: Serve) -> Iterator[Maker]:
    """A factory of clients of this kind, which are closed before the servers."""
    maker = Maker(kind)
    yield maker
    maker.close()


@dataclass
class VideoDownload:
    """A host that serves a video, a gateway that names its URL, a client and a target path."""

    make: Maker
    serve: Serve
    target: Path
    host: RawServer = field(init=False)
    gateway: RawServer = field(init=False)
    client: Kkiai = field(init=False)

    def start(
        self,
        *script: RawReply | Callable[[RawRequest], RawReply],
        each: Callable[[RawRequest], RawReply] | None = None,
        named: tuple[str, ...] = (),
        foreign: bool = False,
        **options: Any,
    ) -> Self:
        """Start the host with its script and a gateway that answers one query per path in ``named``; make a client."""
        self.host = self.serve(*script, each=each, foreign=foreign)
        self.gateway = self.serve(*[completed(f"{self.host.url}{path}") for path in named])
        self.client = self.make(self.gateway.url, **options)
        return self

    def download(self, dest: Path | None = None, *, path: str = "/v", task_id: str = "t", **options: Any) -> Path:
        """Download the video at ``path`` of the host, to the target by default."""
        return self.client.download(completed_task(f"{self.host.url}{path}", task_id), dest or self.target, **options)

    @property
    def ranges(self) -> list[tuple[str | None, str | None]]:
        """Range and If-Range of each request to the host."""
        return [(each.header("range"), each.header("if-range")) for each in self.host.requests]

    @property
    def part(self) -> Path:
        """The part file of the target."""
        return self.target.with_name(f"{self.target.name}.part")


@pytest.fixture
def video(make: Maker, serve: Serve, tmp_path: Path) -> VideoDownload:
    """A download to ``v.mp4``; ``start`` it with the script of the host."""
    return VideoDownload(make, serve, tmp_path / "v.mp4")


@pytest.fixture
def client(gateway: MockGateway, make: Maker) -> Kkiai:
    """A client of the mock gateway."""
    return make(gateway.base_url)
