"""A clock for clients and a mock gateway that passes as soon as everybody who uses it sleeps."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import TYPE_CHECKING

from kkiai_sdk._clock import Clock

if TYPE_CHECKING:
    from collections.abc import Hashable

#: Not 0 and not whole, so that a confusion of times and durations shows.
START = 1000.25
#: Real seconds between two looks at the clock of a sleeper that is not the next to wake.
TICK = 0.001
#: Real seconds for which time stands still after a sleeper was seen last: longer than an exchange with a server on this
#: machine.
PATIENCE = 0.05


class FakeTime:
    """Monotonic seconds that only sleepers move.

    Sleepers are threads and asyncio tasks. The one with the earliest end moves the clock, once all others sleep too or
    were not seen for :data:`PATIENCE`. So ends come in their order, as in real time. A single sleeper never waits.
    """

    def __init__(self) -> None:
        self._now = START
        self._lock = threading.Lock()
        #: The end of each sleep, or -inf once it ended, and the real time at which the sleeper was seen last.
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
        """Let seconds pass."""
        with self._lock:
            self._now += seconds

    def clock(self) -> Clock:
        """Return the clock of the clients. Its random number is always 0.5, so every run has the same delays."""
        return Clock(
            monotonic=self.monotonic,
            sleep_until=self._sleep_until,
            sleep_until_async=self._sleep_until_async,
            wait_until=self._wait_until,
            wait_until_async=self._wait_until_async,
            random=lambda: 0.5,
        )

    def _sleep_until(self, until: float) -> None:
        sleeper = threading.current_thread()
        try:
            while not self._is_over(sleeper, until):
                time.sleep(TICK)
        finally:
            self._wake(sleeper)

    async def _sleep_until_async(self, until: float) -> None:
        sleeper = asyncio.current_task()
        try:
            await asyncio.sleep(0)
            # An event of asyncio would not see threads that move the time.
            while not self._is_over(sleeper, until):  # noqa: ASYNC110
                await asyncio.sleep(TICK)
        finally:
            self._wake(sleeper)

    def _wait_until(self, event: threading.Event, until: float) -> None:
        sleeper = threading.current_thread()
        try:
            # Without a limit nobody sleeps: time is for others to move.
            while not event.is_set() and not (math.isfinite(until) and self._is_over(sleeper, until)):
                time.sleep(TICK)
        finally:
            self._wake(sleeper)

    async def _wait_until_async(self, event: asyncio.Event, until: float) -> None:
        sleeper = asyncio.current_task()
        try:
            await asyncio.sleep(0)
            while not event.is_set() and not (  # noqa: ASYNC110 (as above)
                math.isfinite(until) and self._is_over(sleeper, until)
            ):
                await asyncio.sleep(TICK)
        finally:
            self._wake(sleeper)

    def _is_over(self, sleeper: Hashable, until: float) -> bool:
        """Whether the time has come, after moving it there if nobody is to wake before."""
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
