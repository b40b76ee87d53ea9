"""The clock, sleeping and chance: the one seam through which tests, and nobody else, put in their own."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def _sleep_until(until: float) -> None:
    time.sleep(max(until - time.monotonic(), 0.0))


async def _sleep_until_async(until: float) -> None:
    import asyncio  # noqa: PLC0415 (whoever gets here has it; others do without)

    await asyncio.sleep(max(until - time.monotonic(), 0.0))


@frozen
class Runtime:
    """Where time and chance come from. Sleeping takes the time of waking up, never a duration."""

    #: Seconds; durations and deadlines are measured by this clock only. It stands still while a laptop is suspended.
    monotonic: Callable[[], float] = time.monotonic
    #: Epoch seconds; only dates in headers are compared with it.
    wall_clock: Callable[[], float] = time.time
    sleep_until: Callable[[float], None] = _sleep_until
    sleep_until_async: Callable[[float], Awaitable[None]] = _sleep_until_async
    #: From 0 to 1.
    random: Callable[[], float] = random.random


SYSTEM = Runtime()
