"""Rate limiter of the requests to one gateway.

Requests are spaced evenly at the limit, with a small burst after a delay. A refusal, which is a 429 response or a
transient error with a Retry-After, pauses the requests of all tasks, because the limit is that of the account. After
the pause a single request probes whether the gateway accepts requests again; each refusal in a row doubles the pause.
The rate then continues lower and recovers linearly, as in TCP, and so exceeds the gateway's limit rarely and by little.
From then on it doubles in the same time, unless refused: a refusal at a quiet moment says little about the limit.

Pure: clock readings, in monotonic seconds, are arguments.
"""

from __future__ import annotations

import math

#: Burst after a delay, in seconds of the rate: enough for a delay of the event loop, too little to exceed a limit of
#: the same size per second.
BURST_SECONDS = 0.05
#: Factor applied to the rate at a refusal, and seconds until the old rate is reached again. 0.7 is the factor of CUBIC
#: (RFC 9438, section 4.6); with half a minute, about one in a few hundred requests is refused at usual limits.
DECREASE = 0.7
RECOVERY = 30.0
#: Minimum rate in requests per second.
MIN_RATE = 0.1
#: Maximum seconds of a pause that the server did not ask for.
MAX_BACKOFF = 60.0


class RateLimiter:
    """Limits the rate of requests to one gateway."""

    def __init__(self, now: float, limit: float, min_backoff: float) -> None:
        self._limit, self._min_backoff = limit, min_backoff
        self._rate, self._growth, self._since = limit, 0.0, now
        self._next = now - BURST_SECONDS
        self._refusals = 0
        self._refused_at = -math.inf
        # Start of the current second, number of successes in it and in the second before.
        self._second, self._count, self._previous_count = now, 0, 0
        #: End of the backoff after refusals.
        self.backoff_until = now
        #: End of the pause requested by Retry-After.
        self.retry_after_until = now

    @property
    def is_probing(self) -> bool:
        """Whether no request has succeeded since the last refusal, so that one is sent at a time."""
        return self._refusals > 0

    def per_second(self, now: float) -> float:
        """Return the current rate in requests per second."""
        elapsed = now - self._since
        doublings = min(max(elapsed / RECOVERY - 1, 0.0), 20.0)
        return min((self._rate + self._growth * elapsed) * math.exp2(doublings), self._limit)

    def next_time(self, deadline: float) -> float:
        """Return the time of the next request. The deadline ends a backoff, but not a pause requested by the server."""
        return max(self._next, min(self.backoff_until, deadline), self.retry_after_until)

    def sent(self, now: float) -> None:
        """Record a request sent now."""
        self._next = max(self._next, now - BURST_SECONDS) + 1 / self.per_second(now)

    def on_success(self, now: float) -> None:
        """Record a response that is not a refusal."""
        if now - self._second >= 1:
            self._second, self._count, self._previous_count = now, 0, self._count
        self._count += 1
        self._refusals = 0

    def on_rate_limited(self, now: float, sent: float, pause: float) -> None:
        """Slow down after the refusal of a request sent at ``sent``; ``pause`` is the Retry-After in seconds, or 0."""
        self.retry_after_until = max(self.retry_after_until, now + pause)
        if sent < self._refused_at:
            # Sent before the last refusal: counts as the same refusal.
            return
        if not self._refusals:
            self._slow_down(now)
        backoff = min(self._min_backoff * 2.0 ** min(self._refusals, 20), MAX_BACKOFF)
        self.backoff_until = max(self.backoff_until, now + backoff)
        self._refusals += 1
        self._refused_at = now

    def _slow_down(self, now: float) -> None:
        rate = self.per_second(now)
        succeeded = max(self._count, self._previous_count)
        reached = min(rate, succeeded) if succeeded else rate
        if math.isfinite(reached):
            self._rate = max(DECREASE * reached, MIN_RATE)
            self._growth = max((1 - DECREASE) * reached, MIN_RATE) / RECOVERY
            self._since = now
