"""When the next request of a fleet may go out.

Requests are spaced evenly at the limit, with a little slack for a process that was busy elsewhere. A gateway that says
"too many requests", or asks for a pause, is left alone by everybody: the limit is the account's and not the task's.
Afterwards a single request tries whether it answers again, each refusal in a row doubling the pause, and the pace goes
on lower and recovers by a straight line, in the way of TCP: it meets the gateway's limit again after half a minute, by
a little, and not every second by a lot.

Pure: times are readings of one monotonic clock in seconds, and come in as arguments.
"""

from __future__ import annotations

import math

#: Seconds' worth of requests that may be made up for at once: enough for a hiccup of an event loop, too little to break
#: a limit of the same size per second.
SLACK = 0.05
#: What is left of the pace at which requests were refused, and the seconds until that pace is reached again. 0.7 is
#: what CUBIC uses (RFC 9438, section 4.6); half a minute costs one refusal in some hundred requests at usual limits.
BACK_OFF = 0.7
RECOVERY = 30.0
#: Requests per second that the pace does not fall below.
LEAST_PACE = 0.1
#: Seconds that our own pauses do not exceed.
MAX_REST = 60.0


class Pace:
    """The pace of the requests to one gateway."""

    def __init__(self, now: float, limit: float, least_pause: float) -> None:
        self._limit, self._least_pause = limit, least_pause
        self._pace, self._growth, self._since = limit, 0.0, now
        self._next = now - SLACK
        self._refusals = 0
        self._refused_at = -math.inf
        # Good answers in this second and in the one before.
        self._second, self._count, self._before = now, 0, 0
        #: Until when we rest of our own accord.
        self.rest_until = now
        #: Until when the server has asked to be left alone.
        self.closed_until = now

    @property
    def is_doubtful(self) -> bool:
        """Whether nothing went well since the last refusal: one request at a time is enough to find out."""
        return self._refusals > 0

    def per_second(self, now: float) -> float:
        """Requests per second at which to go now."""
        return min(self._pace + self._growth * (now - self._since), self._limit)

    def free_at(self, deadline: float) -> float:
        """When the next request may go out. Our own rest is cut at the deadline, a pause asked for is not."""
        return max(self._next, min(self.rest_until, deadline), self.closed_until)

    def sent(self, now: float) -> None:
        """A request went out."""
        self._next = max(self._next, now - SLACK) + 1 / self.per_second(now)

    def went_well(self, now: float) -> None:
        """A request was answered."""
        if now - self._second >= 1:
            self._second, self._count, self._before = now, 0, self._count
        self._count += 1
        self._refusals = 0

    def refused(self, now: float, sent: float, pause: float) -> None:
        """A request that was sent at that time was refused; the server asks for a pause of so many seconds."""
        self.closed_until = max(self.closed_until, now + pause)
        if sent < self._refused_at:
            # It was on its way already; that it was refused as well tells nothing new.
            return
        if not self._refusals:
            self._slow_down(now)
        rest = min(self._least_pause * 2.0 ** min(self._refusals, 20), MAX_REST)
        self.rest_until = max(self.rest_until, now + rest)
        self._refusals += 1
        self._refused_at = now

    def _slow_down(self, now: float) -> None:
        pace = self.per_second(now)
        went_well = max(self._count, self._before)
        reached = min(pace, went_well) if went_well else pace
        if math.isfinite(reached):
            self._pace = max(BACK_OFF * reached, LEAST_PACE)
            self._growth = max((1 - BACK_OFF) * reached, LEAST_PACE) / RECOVERY
            self._since = now
