"""The gateway without a network, and on one, with a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.mock import MockGateway
from tests.mock.mock_bench import Bench, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bench() -> Bench:
    """The gateway without a network."""
    return Bench()


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def gateway(clock: Clock) -> Iterator[MockGateway]:
    """A gateway with a key, a CDN and the test's clock, at double speed."""
    with MockGateway(api_key="sk-good", cdn=True, clock=clock, speed=2) as running:
        yield running
