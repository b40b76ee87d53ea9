"""One rate limit for all workers of a database.

A worker books *windows* of 0.2 s, each the next free one. No other worker sends requests during its windows, and it
spaces its own evenly within each. pyrate-limiter keeps the windows, as a rate of one per 0.2 s, in the same database,
or in a file next to that of SQLite. So workers may join or die at any moment, no time is lost between two windows, and
the database is written once per window instead of once per request.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING

from psycopg_pool import ConnectionPool
from pyrate_limiter import AbstractBucket, Decision, PostgresBucket, Rate, RateItem, SQLiteBucket

if TYPE_CHECKING:
    from kkiai_sdk.dbos._database import Database

#: Seconds of a window, or of one request if the limit is below 5 per second. Shorter windows cost more writes; longer
#: ones waste more of the limit when a worker has little to do.
WINDOW = 0.2
#: Maximum seconds by which a request may be late for its turn. It bounds the excess over the limit in any second.
MAX_DELAY = 0.03
#: Seconds between attempts to book a window while the database is unavailable.
RETRY_DELAY = 1.0
#: Maximum number of windows booked ahead: if there are more, the clock has been set back.
MAX_AHEAD = 1000
TABLE = "kkiai_windows"
#: Windows need not survive a crash of the server.
SESSION = "-c timezone=UTC -c synchronous_commit=off"


class SharedLimit:
    """The gate of a fleet: awaited before each request."""

    def __init__(self, database: Database, per_second: float) -> None:
        self._count, self._gap = max(round(per_second * WINDOW), 1), 1 / per_second
        self._window = max(round(self._count * self._gap * 1000), 1)
        rates = [Rate(1, self._window)]
        self._bucket: AbstractBucket
        if database.kind == "sqlite":
            self._bucket = SQLiteBucket.init_from_file(rates, TABLE, f"{database.file}.rate", use_file_lock=True)
        else:
            options = {"options": SESSION}
            pool = ConnectionPool(database.conninfo, min_size=1, max_size=2, kwargs=options, open=True)
            self._bucket = PostgresBucket(pool, TABLE, rates)
        self._lock = asyncio.Lock()
        #: Times of requests that are booked and not used.
        self._slots: deque[float] = deque()
        self._last = 0.0
        #: Seconds from the local clock to that of the bucket.
        self._offset = 0.0

    async def __call__(self) -> None:
        """Wait for the turn of a request."""
        is_missed = True
        while is_missed:
            turn = await self._next_turn()
            await asyncio.sleep(turn - time.monotonic())
            # A process that had to stand still must not send at once what it missed.
            is_missed = time.monotonic() > turn + MAX_DELAY

    async def _next_turn(self) -> float:
        async with self._lock:
            while not self._slots or self._slots[0] < time.monotonic() - MAX_DELAY:
                if self._slots:
                    self._slots.popleft()
                else:
                    await self._book()
            # Late requests are at most twice as dense as the limit.
            self._last = max(self._slots.popleft(), self._last + self._gap / 2)
            return self._last

    async def _book(self) -> None:
        try:
            start = await asyncio.to_thread(self.book_window)
        except Exception:  # noqa: BLE001 (whatever the database raises, it may come back)
            await asyncio.sleep(RETRY_DELAY)
        else:
            self._slots.extend(start + number * self._gap for number in range(self._count))

    def book_window(self) -> float:
        """Book the next window that is free, and return its start."""
        now = self._now()
        item = RateItem(TABLE, now)
        while True:
            decision = self._bucket.put_decision(item)
            assert isinstance(decision, Decision)
            if decision.allowed:
                self._bucket.leak(now)
                return float(item.timestamp) / 1000 - self._offset
            if decision.retry_after_ms is None:
                # Another worker is booking.
                time.sleep(random.uniform(0.001, 0.005))  # noqa: S311
            item.timestamp += max(decision.retry_after_ms or 0, 1)
            if item.timestamp > now + MAX_AHEAD * self._window:
                self._bucket.flush()
                item.timestamp = now

    def _now(self) -> int:
        """Return the time of the bucket's clock, in milliseconds.

        The bucket reads its clock at an unknown moment of the call, which takes long on a busy server. So each call
        gives bounds for the offset between the clocks, and the quickest calls the narrowest.
        """
        before = time.monotonic()
        now: float = self._bucket.now() / 1000  # type: ignore[no-untyped-call]
        after = time.monotonic()
        self._offset = min(max(self._offset, now - after), now - before)
        return round((after + self._offset) * 1000)

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()
