"""The gateway without a network, and a running one with a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.mock import MockGateway
from tests.mock.app_client import AppClient
from tests.support.clock import FakeTime

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def app() -> AppClient:
    """The gateway without a network."""
    return AppClient()


@pytest.fixture
def clock() -> FakeTime:
    """A clock that the test moves."""
    return FakeTime()


@pytest.fixture
def gateway(clock: FakeTime) -> Iterator[MockGateway]:
    """A gateway with a key, a CDN and the test's clock, at double speed."""
    with MockGateway(api_key="sk-good", cdn=True, clock=clock.monotonic, speed=2) as running:
        yield running
