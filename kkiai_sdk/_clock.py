"""Clock, sleep and random source; replaceable in tests."""

from __future__ import annotations

import math
import random
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Awaitable, Callable, Iterator


def _sleep_until(until: float) -> None:
    time.sleep(max(until - time.monotonic(), 0.0))


async def _sleep_until_async(until: float) -> None:
    import asyncio  # noqa: PLC0415 (the synchronous client does not need it)

    await asyncio.sleep(max(until - time.monotonic(), 0.0))


def _wait_until(event: threading.Event, until: float) -> None:
    event.wait(None if math.isinf(until) else max(until - time.monotonic(), 0.0))


async def _wait_until_async(event: asyncio.Event, until: float) -> None:
    import asyncio  # noqa: PLC0415 (the synchronous client does not need it)

    with suppress(TimeoutError):
        async with asyncio.timeout(None if math.isinf(until) else max(until - time.monotonic(), 0.0)):
            await event.wait()


@frozen
class Clock:
    """Sources of time and randomness. Sleep functions take an absolute wake-up time, not a duration."""

    #: Returns monotonic seconds, for durations and deadlines. May stand still while the machine is suspended.
    monotonic: Callable[[], float] = time.monotonic
    #: Returns epoch seconds, compared with dates in headers only.
    wall_clock: Callable[[], float] = time.time
    sleep_until: Callable[[float], None] = _sleep_until
    sleep_until_async: Callable[[float], Awaitable[None]] = _sleep_until_async
    #: Wait for an event, at most until a time, which may be infinity.
    wait_until: Callable[[threading.Event, float], None] = _wait_until
    wait_until_async: Callable[[asyncio.Event, float], Awaitable[None]] = _wait_until_async
    #: Returns a number from 0 to 1.
    random: Callable[[], float] = random.random


SYSTEM = Clock()


@contextmanager
def replaced(clock: Clock) -> Iterator[None]:
    """Give ``clock`` to every client that is made during the ``with`` statement, in any thread.

    The one private name that :mod:`kkiai_sdk.testing` may use.
    """
    global SYSTEM  # noqa: PLW0603 (clients read it once, when they are made)
    before, SYSTEM = SYSTEM, clock
    try:
        yield
    finally:
        SYSTEM = before
