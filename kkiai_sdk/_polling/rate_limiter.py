"""Rate limiter of the requests to one gateway.

Requests are spaced evenly at the limit, with a small burst for a process that was busy elsewhere. A gateway that
answers "too many requests", or asks for a pause, gets no request of any task: the limit is the account's and not the
task's. Afterwards a single request probes whether it answers again; each refusal in a row doubles the pause, and the
rate continues lower and recovers linearly, like TCP: it meets the gateway's limit again after half a minute, by a
little, and not every second by a lot.

Pure: times are readings of one monotonic clock in seconds, passed as arguments.
"""

from __future__ import annotations

import math

#: Seconds of requests that may be sent at once after a delay: enough for a hiccup of an event loop, too little to break
#: a limit of the same size per second.
BURST_SECONDS = 0.05
#: Factor applied to the rate at which requests were refused, and the seconds until that rate is reached again. 0.7 is
#: the factor of CUBIC (RFC 9438, section 4.6); half a minute costs one refusal in some hundred requests at usual
#: limits.
DECREASE = 0.7
RECOVERY = 30.0
#: Requests per second at least.
MIN_RATE = 0.1
#: Seconds of our own pauses at most.
MAX_BACKOFF = 60.0


class RateLimiter:
    """Limits the rate of requests to one gateway."""

    def __init__(self, now: float, limit: float, min_backoff: float) -> None:
        self._limit, self._min_backoff = limit, min_backoff
        self._rate, self._growth, self._since = limit, 0.0, now
        self._next = now - BURST_SECONDS
        self._refusals = 0
        self._refused_at = -math.inf
        # Good answers in this second and in the one before.
        self._second, self._count, self._before = now, 0, 0
        #: End of our own pause.
        self.backoff_until = now
        #: End of the pause that the server asked for.
        self.retry_after_until = now

    @property
    def is_probing(self) -> bool:
        """Whether no request succeeded since the last refusal, so that one at a time is sent."""
        return self._refusals > 0

    def per_second(self, now: float) -> float:
        """Return the current rate in requests per second."""
        return min(self._rate + self._growth * (now - self._since), self._limit)

    def next_time(self, deadline: float) -> float:
        """Return the time of the next request. Our own pause is cut at the deadline, the server's is not."""
        return max(self._next, min(self.backoff_until, deadline), self.retry_after_until)

    def sent(self, now: float) -> None:
        """Count a request that is sent now."""
        self._next = max(self._next, now - BURST_SECONDS) + 1 / self.per_second(now)

    def on_success(self, now: float) -> None:
        """Count an answer."""
        if now - self._second >= 1:
            self._second, self._count, self._before = now, 0, self._count
        self._count += 1
        self._refusals = 0

    def on_rate_limited(self, now: float, sent: float, pause: float) -> None:
        """Slow down after the refusal of a request sent at ``sent``; the server asks for ``pause`` seconds."""
        self.retry_after_until = max(self.retry_after_until, now + pause)
        if sent < self._refused_at:
            # It was sent before the last refusal: one refusal, not two.
            return
        if not self._refusals:
            self._slow_down(now)
        rest = min(self._min_backoff * 2.0 ** min(self._refusals, 20), MAX_BACKOFF)
        self.backoff_until = max(self.backoff_until, now + rest)
        self._refusals += 1
        self._refused_at = now

    def _slow_down(self, now: float) -> None:
        rate = self.per_second(now)
        succeeded = max(self._count, self._before)
        reached = min(rate, succeeded) if succeeded else rate
        if math.isfinite(reached):
            self._rate = max(DECREASE * reached, MIN_RATE)
            self._growth = max((1 - DECREASE) * reached, MIN_RATE) / RECOVERY
            self._since = now
