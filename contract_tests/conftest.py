"""The spec, a client of either kind, and a wire that holds it to the spec."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from contract_tests.wire import BASE_URL, Wire
from kkiai_sdk import Kkiai
from kkiai_sdk import _clock as _runtime
from kkiai_sdk.contract._spec import Spec
from tests.support import effort  # noqa: F401 (its profile must be known before it is asked for)
from tests.support.adapter import KINDS, Maker
from tests.support.clock import FakeTime
from tests.support.query_spec import query_spec, use_query_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE_URL = os.environ.get("KKIAI_CONTRACT_URL", "")
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True, scope="session")
def _no_strangers() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        # A gateway that the caller of the tests named is the one exception.
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in LOOPBACK and not LIVE_URL:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(autouse=True, scope="module")
def _query_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gateways that these tests make play the query alone, so they are held to nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        use_query_spec(patch, tmp_path_factory.mktemp("query"))
        yield


@pytest.fixture(scope="session")
def spec() -> Spec:
    """The contract of the query."""
    return Spec(query_spec())


@pytest.fixture
def wire(spec: Spec) -> Iterator[Wire]:
    """A stand-in for the gateway that checks both sides."""
    with Wire(spec) as running:
        yield running


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Time for the clients, moved by their own sleeping."""
    fake = FakeTime()
    monkeypatch.setattr(_runtime, "SYSTEM", fake.as_clock())
    return fake


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, time: FakeTime) -> Iterator[Maker]:
    """Makes clients of one kind."""
    maker = Maker(request.param)
    yield maker
    maker.close()


@pytest.fixture
def client(make: Maker) -> Kkiai:
    """A client of either kind for the wire."""
    return make(BASE_URL)
