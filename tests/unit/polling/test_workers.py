"""Threads that run queries."""

from __future__ import annotations

import math
import threading

import pytest

from kkiai_sdk._polling.workers import seconds_until
from tests.support.clock import FakeTime


@pytest.mark.parametrize(
    ("seconds", "expected"), [(5.5, 5.5), (0.0, 0.0), (-3.0, 0.0), (4e6, 4e6), (5e6, 4294967.0), (math.inf, None)]
)
def test_wait_is_no_longer_than_the_platform_allows(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: float | None
) -> None:
    """Windows waits for 49 days at most and raises OverflowError for more; a wait may last for a year."""
    monkeypatch.setattr(threading, "TIMEOUT_MAX", 4294967.0)
    time = FakeTime()
    assert seconds_until(time.now + seconds, time.as_clock()) == expected
