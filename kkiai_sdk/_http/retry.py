"""Retry decisions for one request.

Pure: clock readings and random numbers are arguments, times are absolute.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from kkiai_sdk.errors import APIError
    from kkiai_sdk.policies import RetryPolicy


@frozen
class RetryAt:
    """Send the request again at this monotonic time."""

    time: float


@frozen
class GiveUp:
    """Raise the error."""


Verdict: TypeAlias = RetryAt | GiveUp


class RetryBudget:
    """The retries that a client has left: each costs one, each success gives one back, up to the capacity.

    Without it an outage is answered with several times the normal traffic when the gateway can bear least.

    Threads share it. Its tokens lie in a deque, whose ``pop`` and ``append`` are atomic (documented), so that no two
    threads can take the same one.
    """

    def __init__(self, capacity: int) -> None:
        self._tokens = deque(repeat(None, capacity), maxlen=capacity)

    @property
    def left(self) -> int:
        """The number of tokens."""
        return len(self._tokens)

    def spend(self) -> bool:
        """Take a token; return False when there is none."""
        try:
            self._tokens.pop()
        except IndexError:
            return False
        return True

    def refund(self) -> None:
        """Give a token back. A full deque drops one at its other end."""
        self._tokens.append(None)


def decide_retry(
    error: APIError, *, retries_left: int, retry: int, now: float, deadline: float, policy: RetryPolicy, random: float
) -> Verdict:
    """Decide whether a failed request is sent again.

    ``retry`` counts the retries made so far, ``random`` is from 0 to 1, ``now`` and ``deadline`` are seconds of the
    monotonic clock. A Retry-After is never shortened: one that is longer than the policy or the deadline allows ends
    the request at once, and the error carries its length.
    """
    if not error.transient or retries_left <= 0:
        return GiveUp()
    asked = error.retry_after or 0.0
    at = now + max(backoff(retry, policy, random), asked)
    if asked > policy.max_retry_after or at >= deadline:
        return GiveUp()
    return RetryAt(at)


def backoff(retry: int, policy: RetryPolicy, random: float) -> float:
    """Return the seconds before the given retry (from 0): doubling, capped, jittered either way."""
    # Past 2**40 every delay is at the cap; larger exponents overflow.
    delay = min(policy.initial_delay * 2.0 ** min(retry, 40), policy.max_delay)
    return delay * (1 + policy.jitter * (2 * random - 1))
