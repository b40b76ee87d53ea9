"""One request: what its outcome means, and whether, when and at whose wish it is sent again.

Pure: the clock readings and the random number come in as arguments, the answer is an absolute time.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import repeat
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kkiai_sdk.errors import APIError
    from kkiai_sdk.policies import RetryPolicy

# Plain ASCII digits with at most one point: str.isdigit() and float() accept far more than HTTP means.
_SECONDS = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*", re.ASCII)


@frozen
class RetryAt:
    """Send it again at this time of the monotonic clock (seconds)."""

    time: float


@frozen
class GiveUp:
    """Raise the error."""


Verdict: TypeAlias = RetryAt | GiveUp


class RetryBudget:
    """How many retries a client has left: each costs one, each success gives one back, never more than the capacity.

    Without it an outage is answered with several times the normal traffic just when the gateway can bear least.

    Threads share it. Its tokens lie in a deque, whose ``pop`` and ``append`` each happen as one (the library reference
    promises that): nobody looks first and takes then, so no two can take the same one.
    """

    def __init__(self, capacity: int) -> None:
        self._tokens = deque(repeat(None, capacity), maxlen=capacity)

    @property
    def left(self) -> int:
        """How many there are."""
        return len(self._tokens)

    def spend(self) -> bool:
        """Take one; False when there is none."""
        try:
            self._tokens.pop()
        except IndexError:
            return False
        return True

    def refund(self) -> None:
        """Give one back. What a full deque is given is dropped at its other end."""
        self._tokens.append(None)


def judge(
    error: APIError, *, retries_left: int, retry: int, now: float, deadline: float, policy: RetryPolicy, random: float
) -> Verdict:
    """Whether a failed request is sent again.

    ``retry`` counts the retries made so far, ``random`` is from 0 to 1, ``now`` and ``deadline`` are seconds of the
    monotonic clock. A Retry-After is never shortened: one that is longer than the policy or the deadline allows ends
    the request at once, and the caller learns its length from the error.
    """
    if not error.transient or retries_left <= 0:
        return GiveUp()
    asked = error.retry_after or 0.0
    at = now + max(backoff(retry, policy, random), asked)
    if asked > policy.max_retry_after or at >= deadline:
        return GiveUp()
    return RetryAt(at)


def backoff(retry: int, policy: RetryPolicy, random: float) -> float:
    """Seconds before the given retry (from 0): doubling, capped, jittered either way."""
    # Past 2**40 every delay is at the cap; larger exponents overflow.
    delay = min(policy.initial_delay * 2.0 ** min(retry, 40), policy.max_delay)
    return delay * (1 + policy.jitter * (2 * random - 1))


def parse_retry_after(headers: Sequence[tuple[str, str]], wall_clock: float) -> float | None:
    """Seconds that the server asks to wait, or None when it does not or cannot be understood.

    Understands ``retry-after-ms``, and ``Retry-After`` as seconds or as an HTTP date, which counts from the answer's
    own ``Date`` so that a wrong local clock does no harm. Of several the longest counts.
    """
    return max(_waits(headers, wall_clock), default=None)


def _waits(headers: Sequence[tuple[str, str]], wall_clock: float) -> Iterator[float]:
    for name, value in headers:
        number = _SECONDS.fullmatch(value) if name in {"retry-after", "retry-after-ms"} else None
        if number:
            yield float(number[1]) / (1000 if name == "retry-after-ms" else 1)
        elif name == "retry-after" and (date := _epoch(value)) is not None:
            server_now = next((_epoch(text) for key, text in headers if key == "date"), None)
            yield max(date - (wall_clock if server_now is None else server_now), 0.0)


def _epoch(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # The asctime form names no zone; HTTP says that it is UTC.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
