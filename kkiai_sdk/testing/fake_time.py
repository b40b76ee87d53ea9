"""A clock for clients and a mock gateway that advances as soon as all its users sleep."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import TYPE_CHECKING

from kkiai_sdk._clock import Clock

if TYPE_CHECKING:
    from collections.abc import Hashable

#: Not 0 and not an integer, so that confusing times and durations has a visible effect.
START = 1000.25
#: Real seconds between two checks of the clock by a sleeper that is not the next to wake.
TICK = 0.001
#: Real seconds for which time stands still after a sleeper was last seen: longer than an exchange with a server on this
#: machine.
PATIENCE = 0.05


class FakeTime:
    """Monotonic seconds that only sleepers move.

    Sleepers are threads and asyncio tasks. The one whose sleep ends first advances the clock, once all others are
    asleep too or have not been seen for :data:`PATIENCE`. So sleeps end in the same order as in real time. A single
    sleeper never waits.
    """

    def __init__(self) -> None:
        self._now = START
        self._lock = threading.Lock()
        #: The end of each sleep, or -inf once it has ended, and the real time at which the sleeper was last seen.
        self._sleepers: dict[Hashable, tuple[float, float]] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.monotonic() - START

    def monotonic(self) -> float:
        """Return the time in seconds."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Advance the time by seconds."""
        with self._lock:
            self._now += seconds

    def clock(self) -> Clock:
        """Return the clock of the clients. Its random number is always 0.5, so every run has the same delays."""
        return Clock(
            monotonic=self.monotonic,
            sleep_until=lambda until: self._wait_until(threading.Event(), until),
            sleep_until_async=lambda until: self._wait_until_async(asyncio.Event(), until),
            wait_until=self._wait_until,
            wait_until_async=self._wait_until_async,
            random=lambda: 0.5,
        )

    def _wait_until(self, event: threading.Event, until: float) -> None:
        sleeper = threading.current_thread()
        try:
            # A wait without a limit is not a sleep: others advance the time.
            while not event.is_set() and not (math.isfinite(until) and self._is_over(sleeper, until)):
                time.sleep(TICK)
        finally:
            self._wake(sleeper)

    async def _wait_until_async(self, event: asyncio.Event, until: float) -> None:
        sleeper = asyncio.current_task()
        try:
            await asyncio.sleep(0)
            # An asyncio event would not notice threads that advance the time.
            while not event.is_set() and not (  # noqa: ASYNC110
                math.isfinite(until) and self._is_over(sleeper, until)
            ):
                await asyncio.sleep(TICK)
        finally:
            self._wake(sleeper)

    def _is_over(self, sleeper: Hashable, until: float) -> bool:
        """Whether the time has been reached, after advancing to it if no other sleep ends earlier."""
        with self._lock:
            seen = time.monotonic()
            self._sleepers[sleeper] = until, seen
            fresh = seen - PATIENCE
            if self._now < until and not any(end < until and at >= fresh for end, at in self._sleepers.values()):
                self._now = until
                self._sleepers = {who: (end, at) for who, (end, at) in self._sleepers.items() if at >= fresh}
            return self._now >= until

    def _wake(self, sleeper: Hashable) -> None:
        with self._lock:
            self._sleepers[sleeper] = -math.inf, time.monotonic()
