"""One request limit for all workers of a database.

A worker takes *windows* of 0.25 s: nobody else sends during them, and it spreads its share of requests evenly over
each. Who holds the window is decided by pyrate-limiter in the same database, or in a file beside a SQLite one, by the
rate of one window per 0.25 s. So a worker may join or die at any moment, and the database is written per window and not
per request.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from psycopg_pool import ConnectionPool
from pyrate_limiter import AbstractBucket, PostgresBucket, Rate, RateItem, SQLiteBucket

if TYPE_CHECKING:
    from kkiai_sdk.dbos._database import Database

#: Seconds of a window, unless one request takes longer by the limit. Shorter ones cost more of the limit, because each
#: begins some milliseconds after the last one ended; for longer ones the other workers wait longer.
WINDOW = 0.25
#: Seconds until a worker tries again after the database failed.
RETRY_DELAY = 1.0
TABLE = "kkiai_windows"
#: Windows need not survive a crash of the server.
SESSION = "-c timezone=UTC -c synchronous_commit=off"


class SharedLimit:
    """The gate of a fleet: awaited before each request."""

    def __init__(self, database: Database, per_second: float) -> None:
        self._count = max(round(per_second * WINDOW), 1)
        self._gap = 1 / per_second
        rates = [Rate(1, round(self._count * self._gap * 1000))]
        self._bucket: AbstractBucket
        if database.kind == "sqlite":
            self._bucket = SQLiteBucket.init_from_file(rates, TABLE, f"{database.file}.rate", use_file_lock=True)
        else:
            options = {"options": SESSION}
            pool = ConnectionPool(database.conninfo, min_size=1, max_size=2, kwargs=options, open=True)
            self._bucket = PostgresBucket(pool, TABLE, rates)
        self._turn = asyncio.Lock()
        self._next = self._end = 0.0

    async def __call__(self) -> None:
        """Wait for the turn of a request."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if max(self._next, loop.time()) >= self._end:
                await self._take_window(loop)
            turn = max(self._next, loop.time())
            self._next = turn + self._gap
        await asyncio.sleep(turn - loop.time())

    async def _take_window(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            start = loop.time()
            try:
                delay = await asyncio.to_thread(self._try_window)
            except Exception:  # noqa: BLE001 (whatever the database raises, it may come back)
                delay = RETRY_DELAY
            if delay is None:
                self._next, self._end = loop.time(), start + (self._count - 0.5) * self._gap
                return
            # Others wait for the same moment.
            await asyncio.sleep(delay + random.uniform(0, 0.004))  # noqa: S311

    def _try_window(self) -> float | None:
        """Take a window. Returns None, or the seconds until the next attempt."""
        now = int(self._bucket.now())
        decision = self._bucket.put_decision(RateItem(TABLE, now))
        if decision.allowed:
            self._bucket.leak(now)
            return None
        return max(decision.retry_after_ms or 0, 2) / 1000

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()
