"""A fake clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from kkiai_sdk._clock import Clock

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

#: Not 0 and not whole, so that a confusion of times and durations shows.
START = 1000.25
#: Sun, 10 May 2026 12:00:00 GMT.
WALL_CLOCK = 1_778_414_400.0


class FakeTime:
    """A fake monotonic clock for both clients that records every sleep."""

    def __init__(self) -> None:
        self.now = START
        #: Seconds of each sleep, in order.
        self.sleeps: list[float] = []
        #: Called in the middle of each sleep.
        self.on_sleep: Callable[[], object] = lambda: None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - START

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Add seconds to the time."""
        self.now += seconds

    def sleep_until(self, until: float) -> None:
        """Set the time to ``until`` without sleeping."""
        self.sleeps.append(until - self.now)
        self.on_sleep()
        self.now = max(self.now, until)

    async def sleep_until_async(self, until: float) -> None:
        """Set the time to ``until`` after one turn of the event loop."""
        self.sleep_until(until)
        await asyncio.sleep(0)

    def wait_until(self, event: threading.Event, until: float) -> None:
        """Set the time to ``until`` unless the event is set; without end, wait for it."""
        if math.isinf(until):
            event.wait()
        elif not event.is_set():
            self.sleep_until(until)

    async def wait_until_async(self, event: asyncio.Event, until: float) -> None:
        """Set the time to ``until`` unless the event is set after one turn; without end, wait for it."""
        await asyncio.sleep(0)
        if math.isinf(until):
            await event.wait()
        elif not event.is_set():
            self.sleep_until(until)

    def as_clock(self) -> Clock:
        """Return the clock of the clients. Its random number is always 0.5: retries have no jitter."""
        return Clock(
            monotonic=self.monotonic,
            wall_clock=lambda: WALL_CLOCK,
            sleep_until=self.sleep_until,
            sleep_until_async=self.sleep_until_async,
            wait_until=self.wait_until,
            wait_until_async=self.wait_until_async,
            random=lambda: 0.5,
        )
