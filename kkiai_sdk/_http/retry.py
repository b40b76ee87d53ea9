"""Retry decisions for one request.

Pure: clock readings and random numbers are arguments. Times are absolute.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kkiai_sdk.errors import APIError
    from kkiai_sdk.policies import RetryPolicy


class RetryBudget:
    """Token bucket of a client's retries: each retry takes a token, each success returns one, up to the capacity.

    Keeps retries from multiplying the load during an outage. Thread-safe: ``pop`` and ``append`` of a deque are
    documented to be atomic.
    """

    def __init__(self, capacity: int) -> None:
        self._tokens = deque(repeat(None, capacity), maxlen=capacity)

    @property
    def left(self) -> int:
        """Number of tokens."""
        return len(self._tokens)

    def spend(self) -> bool:
        """Take a token; return False if there is none."""
        try:
            self._tokens.pop()
        except IndexError:
            return False
        return True

    def refund(self) -> None:
        """Return a token; no effect at capacity."""
        self._tokens.append(None)


def retry_time(
    error: APIError, *, retries_left: int, retry: int, now: float, deadline: float, policy: RetryPolicy, random: float
) -> float | None:
    """Return the monotonic time at which a failed request is sent again, or None if it is not.

    ``retry`` is the number of retries made so far, ``random`` is from 0 to 1, ``now`` and ``deadline`` are monotonic
    seconds. A Retry-After is never shortened: the request is not sent again if it exceeds the policy or the deadline.
    """
    if not error.transient or retries_left <= 0:
        return None
    retry_after = error.retry_after or 0.0
    at = now + max(backoff(retry, policy, random), retry_after)
    if retry_after > policy.max_retry_after or at >= deadline:
        return None
    return at


def backoff(retry: int, policy: RetryPolicy, random: float) -> float:
    """Return the seconds before the given retry (from 0): exponential, capped, with jitter in both directions."""
    # From 2**40 on every delay is at the cap; exponents above 1023 overflow.
    delay = min(policy.initial_delay * 2.0 ** min(retry, 40), policy.max_delay)
    return delay * (1 + policy.jitter * (2 * random - 1))
