"""The world in which the documents are true: a gateway that the environment names, and an empty working directory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import _clock as _runtime
from kkiai_sdk import mock
from tests.support.clock import FakeTime
from tests.support.query_spec import use_query_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mock.MockGateway]:
    """A gateway on the clients' own clock, named by the environment; the working directory is empty."""
    use_query_spec(monkeypatch, tmp_path_factory.mktemp("query"))
    time = FakeTime()
    monkeypatch.setattr(_runtime, "SYSTEM", time.as_clock())
    monkeypatch.chdir(tmp_path)
    with mock.MockGateway(clock=time.monotonic) as gateway:
        monkeypatch.setenv("KKIAI_API_KEY", gateway.api_key)
        monkeypatch.setenv("KKIAI_BASE_URL", gateway.base_url)
        monkeypatch.setattr(mock, "MockGateway", partial(mock.MockGateway, clock=time.monotonic))
        yield gateway
