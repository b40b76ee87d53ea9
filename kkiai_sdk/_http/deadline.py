"""One deadline for a whole request.

httpx limits each read by itself, so a server that sends a byte now and then, or "103 Early Hints" for ever, is never
too slow for it. Here every read and write of a request is limited by what is left of the request's time. The
asynchronous client needs none of this: there a timeout can be put around the whole.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Real time: it limits real sockets.
_deadline: ContextVar[float] = ContextVar("kkiai_sdk_deadline", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Everything that guarded connections do inside ends in time."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def left(timeout: float | None, problem: type[Exception]) -> float | None:
    """Seconds for one step: ``timeout``, or what is left if that is less. Raises ``problem`` when nothing is."""
    rest = _deadline.get() - time.monotonic()
    if rest <= 0:
        raise problem("the request has taken all of its time")
    return timeout if math.isinf(rest) else min(rest, math.inf if timeout is None else timeout)
