"""Time that only sleeping moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kkiai_sdk._clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

#: Not 0 and not a whole number, so that a duration taken for a time, or the other way round, shows.
START = 1000.25
#: Sun, 10 May 2026 12:00:00 GMT.
WALL_CLOCK = 1_778_414_400.0


class FakeTime:
    """A monotonic clock for both clients; it remembers every sleep."""

    def __init__(self) -> None:
        self.now = START
        #: Seconds of each sleep, in order.
        self.naps: list[float] = []
        #: Called in the middle of each sleep.
        self.at_sleep: Callable[[], object] = lambda: None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - START

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def sleep_until(self, until: float) -> None:
        """Be there at once."""
        self.naps.append(until - self.now)
        self.at_sleep()
        self.now = max(self.now, until)

    async def sleep_until_async(self, until: float) -> None:
        """Be there at once, after everybody else had a turn."""
        self.sleep_until(until)
        await asyncio.sleep(0)

    def as_clock(self) -> Clock:
        """Where the clients take time and chance from. Chance is always one half: retries come without jitter."""
        return Clock(
            monotonic=self.monotonic,
            wall_clock=lambda: WALL_CLOCK,
            sleep_until=self.sleep_until,
            sleep_until_async=self.sleep_until_async,
            random=lambda: 0.5,
        )
